# A real Salesforce org's export, played by the simulator, arrives whole and typed. The export is not
# ours to ship: SUPAGLUE_SAMPLE_ORG names a folder as `sf data export tree` writes it.
use strict;
use warnings;
use lib 'lib';

use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;

my $org = $ENV{SUPAGLUE_SAMPLE_ORG} // '';
plan skip_all => 'SUPAGLUE_SAMPLE_ORG names no folder with an exported org' unless -d $org;

my $node = new_node('sample');
my $simulator = new_simulator('--data', $org);
sync_salesforce($node, $simulator,
	customers => ['coral'],
	common => ['contact'],
	standard => [ 'Contact', 'Case' ],
	custom => [ 'Experience__c', 'Guest_Review__c' ]);

my %rows = (Contact => 992, Experience__c => 54, Guest_Review__c => 10, Case => 2);
foreach my $object (sort keys %rows)
{
	is(wait_for_sync($node, 'coral', $object), 'SUCCESS', "$object syncs");
	is($node->safe_psql('postgres', qq{select count(*) from supaglue_data."salesforce_$object"}),
		$rows{$object}, "$object has its $rows{$object} rows");
	# Every exported record is contained, field by field with its type, in a row (references are checked below).
	is($node->safe_psql('postgres', qq{
		with exported as (
			select (select jsonb_object_agg(key, value) from jsonb_each(record - 'attributes')
				where value::text not like '"\@%') as fields
			from jsonb_array_elements(pg_read_file('$org/$object.json')::jsonb -> 'records') as record)
		select count(*) from exported
		where not exists (select from supaglue_data."salesforce_$object" where _supaglue_raw_data @> fields)}),
		'0', "$object holds every exported field as it was");
}

my $typed = sub {
	my ($object, $field, $type) = @_;
	is($node->safe_psql('postgres', qq{
		select string_agg(distinct jsonb_typeof(_supaglue_raw_data -> '$field'), ',')
		from supaglue_data."salesforce_$object" where _supaglue_raw_data -> '$field' <> 'null'}),
		$type, "$object.$field is a $type");
};
$typed->('Experience__c', 'Price__c', 'number');
$typed->('Experience__c', 'Capacity__c', 'number');
$typed->('Experience__c', 'Duration_Hours__c', 'number');
$typed->('Experience__c', 'Default_Start_Time__c', 'string');
$typed->('Contact', 'Birthdate', 'string');
$typed->('Contact', 'IsDeleted', 'boolean');

is($node->safe_psql('postgres', q{
	select count(*) from supaglue_data."salesforce_Contact" where (_supaglue_raw_data ->> 'Birthdate')::date < '2050-01-01'
		and _supaglue_last_modified_at = (_supaglue_raw_data ->> 'SystemModstamp')::timestamptz}),
	$node->safe_psql('postgres', q{select count(*) from supaglue_data."salesforce_Contact" where _supaglue_raw_data ->> 'Birthdate' is not null}),
	'dates are dates, and the stamp is hoisted');

is($node->safe_psql('postgres', q{
	select count(*) from supaglue_data."salesforce_Case" c join supaglue_data."salesforce_Contact" p
		on p.id = c._supaglue_raw_data ->> 'ContactId'}), '2', 'the cases refer to their contacts');
is($node->safe_psql('postgres', q{
	select count(*) from supaglue_data."salesforce_Guest_Review__c" r
		join supaglue_data."salesforce_Experience__c" e on e.id = r._supaglue_raw_data ->> 'Experience__c'
		join supaglue_data."salesforce_Contact" c on c.id = r._supaglue_raw_data ->> 'Contact__c'}),
	'10', 'the reviews refer to their experiences and contacts');

# The same contacts, normalized.
is(wait_for_sync($node, 'coral', 'salesforce/common/contact'), 'SUCCESS', 'common contacts sync');
is($node->safe_psql('postgres', q{
	select count(*), count(*) filter (where c.last_name = s._supaglue_raw_data ->> 'LastName'
		and c.first_name is not distinct from s._supaglue_raw_data ->> 'FirstName'
		and c.email_addresses #>> '{0,email_address}' is not distinct from s._supaglue_raw_data ->> 'Email'
		and c.account_id is not distinct from s._supaglue_raw_data ->> 'AccountId')
	from supaglue_data.crm_contacts c join supaglue_data."salesforce_Contact" s using (id)}),
	'992|992', 'crm_contacts has its 992 rows, each as its contact is');
is($node->safe_psql('postgres', q{
	select sum(values_nulled) from supaglue.sync_runs where status = 'SUCCESS'}),
	'0', 'every value fits its column');

$node->stop;
done_testing();
