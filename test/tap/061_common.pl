# Customers of two providers in the same normalized tables, and an entity that the developer defines
# over both; the live twins are partitioned by provider.
use strict;
use warnings;
use lib 'lib';

use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;

my $node = new_node('common');
my $simulator = new_simulator('--records', '25');
my $sql = sub { $node->safe_psql('postgres', $_[0]) };
my @common = qw(contact account opportunity user);

$sql->(q{select supaglue.create_entity('{"name": "person", "config": {"fields":
	[{"name": "surname"}, {"name": "mail"}]}}')});
my $ids = sync_salesforce($node, $simulator,
	customers => [ 'acme', 'both' ], common => [ @common, 'lead' ], standard => [],
	entities => [ { entity_name => 'person' } ]);
sync_hubspot($node, $simulator, destination => $ids->{destination},
	customers => [ 'initech', 'both' ], common => \@common, entities => [ { entity_name => 'person' } ]);
$sql->(q{select supaglue.set_entity_mapping('person', 'salesforce', '{"object": {"type": "standard", "name": "Contact"},
	"field_mappings": {"surname": "LastName", "mail": "Email"}}')});
$sql->(q{select supaglue.set_entity_mapping('person', 'hubspot', '{"object": {"type": "standard", "name": "contact"},
	"field_mappings": {"surname": "lastname", "mail": "email"}}')});
# One customer keeps his people elsewhere.
$sql->(q{select supaglue.set_entity_mapping('person', 'salesforce', '{"object": {"type": "standard", "name": "Lead"}}', 'both')});

my @syncs = (
	(map { my $object = $_; map { [ $_, "salesforce/common/$object" ] } qw(acme both) } @common, 'lead'),
	(map { my $object = $_; map { [ $_, "hubspot/common/$object" ] } qw(initech both) } @common));
is(wait_for_sync($node, @$_), 'SUCCESS', "$_->[0]: $_->[1]") foreach @syncs;

foreach my $table (qw(crm_contacts crm_accounts crm_opportunities crm_users))
{
	is($sql->("select string_agg(distinct _supaglue_provider_name || '/' || _supaglue_customer_id, ' '
		order by _supaglue_provider_name || '/' || _supaglue_customer_id) from supaglue_data.$table"),
		'hubspot/both hubspot/initech salesforce/acme salesforce/both', "$table has the customers of both providers");
}
is($sql->(q{select count(*) from supaglue_data.crm_contacts c where _supaglue_provider_name = 'hubspot'
	and (first_name, last_name) is distinct from (nullif(_supaglue_raw_data #>> '{properties,firstname}', ''),
		nullif(_supaglue_raw_data #>> '{properties,lastname}', ''))}), '0', 'names of HubSpot');
cmp_ok($sql->(q{select count(*) from supaglue_data.crm_contacts c join supaglue_data.crm_accounts a
	on (a._supaglue_customer_id, a._supaglue_provider_name, a.id) = (c._supaglue_customer_id, c._supaglue_provider_name, c.account_id)
	where c._supaglue_provider_name = 'hubspot'}), '>', 0, 'contacts of HubSpot belong to accounts');
is($sql->(q{select count(*) from supaglue_data.crm_opportunities where _supaglue_provider_name = 'hubspot'
	and (stage is null or stage = _supaglue_raw_data #>> '{properties,dealstage}') and _supaglue_raw_data #>> '{properties,dealstage}' is not null}),
	'0', 'stages of HubSpot are labels, not ids');
is($sql->(q{select bool_and(status in ('OPEN', 'WON', 'LOST')) from supaglue_data.crm_opportunities}), 't', 'statuses are normalized');
is($sql->(q{select count(distinct jsonb_typeof(email_addresses)), min(jsonb_typeof(email_addresses)) from supaglue_data.crm_contacts}),
	'1|array', 'lists are arrays');

# The live twins hold the same.
is($sql->("select count(*) from supaglue_live.$_ where _supaglue_customer_id in ('acme', 'initech', 'both')"),
	$sql->("select count(*) from supaglue_data.$_"), "the live twin $_ has as many rows") foreach qw(crm_contacts crm_accounts);
is($sql->(q{select count(*) from supaglue_data.crm_contacts t full join supaglue_live.crm_contacts l
	using (_supaglue_customer_id, _supaglue_provider_name, id)
	where (t.first_name, t.last_name, t.email_addresses, t.phone_numbers, t.addresses, t.account_id, t.owner_id, t.created_at, t.updated_at)
	is distinct from (l.first_name, l.last_name, l.email_addresses, l.phone_numbers, l.addresses, l.account_id, l.owner_id, l.created_at, l.updated_at)}),
	'0', 'column by column');

# The entity is one table across providers and objects.
my @entities = ([ 'acme', 'salesforce' ], [ 'both', 'salesforce' ], [ 'initech', 'hubspot' ], [ 'both', 'hubspot' ]);
wait_until(sub { $sql->(q{select count(distinct (_supaglue_customer_id, _supaglue_provider_name)) from supaglue_data.entity_person
	where surname is not null}) == 4 }, 'the entity has rows of everybody');
is($sql->(q{select count(*) from supaglue_data.entity_person where surname is distinct from
	coalesce(_supaglue_raw_data ->> 'LastName', _supaglue_raw_data #>> '{properties,lastname}')}), '0', 'by the mapping of each provider');
wait_until(sub { $sql->(q{select count(*) from supaglue_data.entity_person where _supaglue_customer_id = 'both'
	and _supaglue_provider_name = 'salesforce' and not _supaglue_is_deleted and id not like '00Q%'}) == 0 },
	'a customer whose people are leads has leads');
is($sql->(q{select count(*) from supaglue_live.entity_person}),
	$sql->(q{select count(*) from supaglue_data.entity_person where not _supaglue_is_deleted}), 'and live');

$node->stop;
done_testing();
