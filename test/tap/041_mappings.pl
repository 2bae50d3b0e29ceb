# Each customer's mapping, by the workers: the field "revenue" of Opportunity is Amount for one customer and
# Amount__c for another, a third adds a field of its own; what changes is computed from the stored raw data,
# without a request; a mapping that breaks is told, and the sync goes on; an entity without an object waits.
use strict;
use warnings;
use lib 'lib';

use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;

my $simulator = new_simulator('--records', '30', '--strict');
foreach my $customer (qw(one two three))
{
	$simulator->control('create_org', { org => $customer });
	$simulator->control('add_field', { org => $customer, object => 'Opportunity', field => { name => $_, type => 'double' } })
	  foreach 'Amount__c', $customer eq 'three' ? 'Margin__c' : ();
	$simulator->control('update',
		{ org => $customer, object => 'Opportunity', where => 'IsDeleted = false', set => { Amount__c => 7.5, Amount => 100 } });
}
my $node = new_node('mappings');
sub query { return $node->safe_psql('postgres', $_[0]) }

query(q{select supaglue.create_schema('{"name": "deal", "config": {"fields": [{"name": "description"},
  {"name": "revenue", "type": "numeric"}], "allow_additional_field_mappings": true}}')});
query(q{select supaglue.create_entity('{"name": "person", "fields": ["name"]}')});
# Once an hour: what happens below is not the schedule's doing.
my $ids = sync_salesforce($node, $simulator, customers => [], standard => [],
	config => { period_ms => 3600000, strategy => 'full then incremental' });
query(qq{select supaglue.update_sync_config($ids->{sync_config}, '{"standard_objects": [{"object": "Opportunity", "schema": "deal"}],
  "entities": ["person"]}')});
foreach my $customer (qw(one two three))
{
	query("select supaglue.upsert_customer('$customer')");
	query(qq{select supaglue.create_connection('{"customer_id": "$customer", "provider_name": "salesforce",
	  "credentials": {"refresh_token": "$customer"}}')});
	is(wait_for_sync($node, $customer, 'Opportunity'), 'SUCCESS', "$customer is synced");
}

# What the table says of a customer: how many of each revenue.
sub revenues
{
	return query(qq{select string_agg(r || 'x' || n, ' ' order by r) from (
	  select coalesce(revenue::text, 'null') as r, count(*) as n from supaglue_data."salesforce_Opportunity"
	  where _supaglue_customer_id = '$_[0]' group by 1) as t});
}
sub set { my ($customer, $mapping) = @_; query(qq{select supaglue.set_field_mappings('$customer', 'salesforce', '{"standard": {"Opportunity": $mapping}}')}) }
sub settled { return query(q{select count(*) from supaglue_internal.syncs where next_reason is not null}) eq '0' }
sub runs { return query(qq{select string_agg(reason || ':' || requests, ' ' order by id) from supaglue.sync_runs
  where sync_id = supaglue.sync_id('$_[0]', 'salesforce', 'Opportunity')}) }

is(revenues($_), 'nullx30', "nothing is mapped for $_") foreach qw(one two three);
$simulator->control('reset_counters');
set('one', '{"revenue": "Amount"}');
set('two', '{"revenue": "Amount__c"}');
set('three', '{"revenue": "Amount", "margin": "Margin__c"}');
wait_until(sub { settled() }, 'the workers have mapped');
is(revenues('one'), '100.0x30', 'one means Amount');
is(revenues('two'), '7.5x30', 'two means Amount__c');
is(revenues('three'), '100.0x30', 'three means Amount');
is(query(q{select count(*) from supaglue_data."salesforce_Opportunity" where _supaglue_mapped_data -> 'additional_fields' ? 'margin'}),
	'30', 'and adds a field');
is($simulator->counters->{requests}, 0, 'without a request');
like(runs('two'), qr/^initial:\d+ mapping:0$/, 'by a run that says so');

# Many changes one after the other: the last one holds.
set('one', '{"revenue": "' . ($_ % 2 ? 'Amount__c' : 'Amount') . '"}') foreach 1 .. 9;
wait_until(sub { settled() && revenues('one') eq '7.5x30' }, 'the last mapping holds');
is($simulator->counters->{requests}, 0, 'without a request, still');

# A field that the customer does not have.
set('one', '{"revenue": "Margin__c"}');
wait_until(sub { settled() }, 'the workers have mapped');
is(revenues('one'), 'nullx30', 'a broken mapping leaves NULL');
is(query(q{select status from supaglue.field_mappings('one', 'salesforce') where field = 'revenue'}), 'broken', 'and shows');
is(query(q{select count(*) from supaglue.events where kind = 'mapping.broken' and customer_id = 'one'}), '1', 'and is told once');
query(q{select supaglue.trigger_sync(supaglue.sync_id('one', 'salesforce', 'Opportunity'))});
is(wait_for_sync($node, 'one', 'Opportunity'), 'SUCCESS', 'the sync goes on');
is(query(q{select count(*) from supaglue.events where kind = 'mapping.broken' and customer_id = 'one'}), '1', 'and does not tell again');

# An entity that is mapped to nothing waits for a mapping, and begins when it has one.
sub person { return query(qq{select $_[0] from supaglue.syncs where id = supaglue.sync_id('one', 'salesforce', 'person')}) }
wait_until(sub { person('state') eq 'unavailable' }, 'the entity waits');
query(q{select supaglue.set_entity_mapping('person', 'salesforce', '{"object": {"type": "standard", "name": "Contact"}, "field_mappings": {"name": "LastName"}}')});
is(wait_for_sync($node, 'one', 'person'), 'SUCCESS', 'it begins');
is(query(q{select count(name) from supaglue_data.entity_person where _supaglue_customer_id = 'one' and not _supaglue_is_deleted}), '30', 'with contacts');
query(q{select supaglue.set_entity_mapping('person', 'salesforce', '{"object": {"type": "standard", "name": "Lead"}}', 'one')});
wait_until(sub { query(q{select count(*) from supaglue_data.entity_person where _supaglue_customer_id = 'one' and _supaglue_is_deleted}) eq '30' },
	'the contacts are gone');
is(query(q{select count(name) from supaglue_data.entity_person where _supaglue_customer_id = 'one' and not _supaglue_is_deleted}), '30', 'the leads are there');
is(query(q{select count(*) from supaglue_data.entity_person where _supaglue_customer_id = 'two' and _supaglue_is_deleted}), '0', 'others keep theirs');

# Configuring while the workers run: nothing deadlocks, and what was said last holds.
foreach my $round (1 .. 12)
{
	my $object = $round % 2 ? 'Contact' : 'Lead';
	query(qq{select supaglue.set_entity_mapping('person', 'salesforce', '{"object": {"type": "standard", "name": "$object"}}')});
	query(qq{select supaglue.trigger_sync(id, true) from supaglue.syncs});
	query(qq{select supaglue.update_sync_config($ids->{sync_config}, '{"entities": null}', force => true)}) if $round % 3 == 0;
	query(qq{select supaglue.update_sync_config($ids->{sync_config}, '{"entities": ["person"]}')}) if $round % 3 == 0;
}
foreach my $customer (qw(two three))
{
	is(wait_for_sync($node, $customer, 'person'), 'SUCCESS', "$customer is synced");
	is(query(qq{select count(*) from supaglue_data.entity_person where _supaglue_customer_id = '$customer' and not _supaglue_is_deleted
	  and _supaglue_raw_data ? 'Company'}), '30', 'by the last mapping');
}

done_testing();
