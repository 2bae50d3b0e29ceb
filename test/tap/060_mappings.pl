# The seed's mappings: two fields of Opportunity that each customer maps to a field of his own. A
# changed mapping is recomputed from the raw data with no request; a broken one shows, and the sync
# goes on.
use strict;
use warnings;
use lib 'lib';

use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;

my $node = new_node('mappings');
my $simulator = new_simulator('--records', '20');
my $sql = sub { $node->safe_psql('postgres', $_[0]) };

$simulator->control('add_field', { org => 'beta', object => 'Opportunity',
	field => { name => 'Amount__c', type => 'currency' } });
$simulator->control('update', { org => 'beta', object => 'Opportunity', where => 'Id != null',
	set => { Amount__c => 77.5 } });
$sql->(q{select supaglue.create_schema('{"name": "opportunity", "config": {"fields":
	[{"name": "description"}, {"name": "revenue", "type": "numeric"}], "allow_additional_field_mappings": true}}')});
sync_salesforce($node, $simulator,
	customers => [ 'alpha', 'beta', 'gamma' ],
	standard => [ { object => 'Opportunity', schema => 'opportunity' } ],
	config => { period_ms => 3_600_000, strategy => 'full then incremental' });
is(wait_for_sync($node, $_, 'Opportunity'), 'SUCCESS', "$_ syncs") foreach qw(alpha beta gamma);

my $rows = 'supaglue_data."salesforce_Opportunity"';
is($sql->("select count(*) > 0, count(revenue), count(description) from $rows"), 't|0|0',
	'fields that nobody has mapped are NULL');

my $requests = sub {
	my $counters = $simulator->counters;
	return $counters->{requests};
};
my $before = $requests->();
$sql->(q{select supaglue.set_field_mappings('alpha', 'salesforce',
	'{"standard": {"Opportunity": {"revenue": "Amount", "description": "Description"}}}')});
$sql->(q{select supaglue.set_field_mappings('beta', 'salesforce',
	'{"standard": {"Opportunity": {"revenue": "Amount__c"}}}')});
$sql->(q{select supaglue.set_field_mappings('gamma', 'salesforce',
	'{"standard": {"Opportunity": {"revenue": "ExpectedRevenue", "stage": "StageName"}}}')});
my $remapped = sub {
	my ($count) = @_;
	wait_until(sub { $sql->(
		"select count(*) >= $count from supaglue.sync_runs where reason = 'mapping' and status = 'SUCCESS'") eq 't' },
		"$count mappings are applied");
};
$remapped->(3);
is($requests->(), $before, 'mappings are applied without a request');
is($sql->(q{select sum(requests), sum(records_read) from supaglue.sync_runs where reason = 'mapping'}), '0|0',
	'the runs say so');
is($sql->("select count(*) from $rows where revenue is distinct from (_supaglue_raw_data ->>
	case _supaglue_customer_id when 'alpha' then 'Amount' when 'beta' then 'Amount__c' else 'ExpectedRevenue' end)::numeric
	or description is distinct from case _supaglue_customer_id when 'alpha' then _supaglue_raw_data ->> 'Description' end
	or _supaglue_mapped_data -> 'revenue' is distinct from nullif(_supaglue_raw_data ->
	case _supaglue_customer_id when 'alpha' then 'Amount' when 'beta' then 'Amount__c' else 'ExpectedRevenue' end, 'null')
	and _supaglue_mapped_data ->> 'revenue' is not null"), '0', 'each customer has his own mapping');
is($sql->("select count(*) from $rows where _supaglue_customer_id = 'beta' and revenue = 77.5"), '20',
	'to a field of his own');
is($sql->("select count(*) from $rows where _supaglue_mapped_data #>> '{additional_fields,stage}' is distinct from
	case _supaglue_customer_id when 'gamma' then _supaglue_raw_data ->> 'StageName' end"), '0',
	'a field that a customer adds is under additional_fields');
is($sql->("select count(distinct _supaglue_emitted_at) = 1 and bool_and(_supaglue_emitted_at = r.emitted_at)
	from $rows, supaglue.syncs s join supaglue.sync_runs r on r.id = s.last_run_id
	where _supaglue_customer_id = 'alpha' and s.customer_id = 'alpha'"), 't',
	'recomputed rows are in the change feed');

# What is recomputed is what the next full run finds: nothing is written twice.
$sql->(q{select supaglue.trigger_sync(supaglue.sync_id('alpha', 'salesforce', 'Opportunity'), true)});
is(wait_for_sync($node, 'alpha', 'Opportunity'), 'SUCCESS', 'a full run after it');
is($sql->(q{select r.strategy, records_updated, records_inserted from supaglue.sync_runs r
	join supaglue.syncs s on s.last_run_id = r.id where s.customer_id = 'alpha'}), 'full|0|0', 'finds nothing to write');

# The live twin has the same mapping.
is($sql->(q{select count(*) from supaglue_live."salesforce_Opportunity" l join supaglue_data."salesforce_Opportunity" t
	using (_supaglue_customer_id, id) where (l.revenue, l.description, l._supaglue_mapped_data)
	is distinct from (t.revenue, t.description, t._supaglue_mapped_data)}), '0', 'the live twin is the same');
is($sql->(q{select count(*) from supaglue_live."salesforce_Opportunity"}), '60', 'of all three customers');

# A mapping that changes while a run is being merged is not lost: the run after it recomputes. The
# merge stands at a row that somebody has locked, behind its look at the mapping.
$simulator->control('update', { org => 'gamma', object => 'Opportunity', where => 'Id != null', set => { NextStep => 'call' } });
my $session = $node->background_psql('postgres');
$session->query_safe("begin; select count(*) from (select from $rows where _supaglue_customer_id = 'gamma' for update) r");
$sql->(q{select supaglue.trigger_sync(supaglue.sync_id('gamma', 'salesforce', 'Opportunity'))});
wait_until(sub { $sql->(q{select count(*) > 0 from pg_stat_activity where backend_type = 'supaglue merger'
	and wait_event_type = 'Lock'}) eq 't' }, 'the merge waits for the row');
$sql->(q{select supaglue.set_field_mappings('gamma', 'salesforce', '{"standard": {"Opportunity": {"revenue": "Probability"}}}')});
$session->query_safe('rollback');
$session->quit;
wait_until(sub { $sql->("select count(*) filter (where revenue is distinct from (_supaglue_raw_data ->> 'Probability')::numeric) = 0
	from $rows where _supaglue_customer_id = 'gamma'") eq 't' }, 'the columns follow the mapping that came meanwhile');
is($sql->("select count(*) from $rows where _supaglue_customer_id = 'gamma' and _supaglue_raw_data ->> 'NextStep' = 'call'"),
	'20', 'a mapping that changes during a merge is applied after it');

# A mapped field that is gone: the mapping is broken, the sync goes on.
$simulator->control('remove_field', { org => 'beta', object => 'Opportunity', field => 'Amount__c' });
$sql->(q{select supaglue.trigger_sync(supaglue.sync_id('beta', 'salesforce', 'Opportunity'), true)});
is(wait_for_sync($node, 'beta', 'Opportunity'), 'SUCCESS', 'a sync with a broken mapping goes on');
is($sql->(q{select field, status from supaglue.field_mappings('beta', 'salesforce') where field = 'revenue'}),
	'revenue|broken', 'the mapping shows as broken');
is($sql->(q{select warnings[1] from supaglue.sync_runs r join supaglue.syncs s on s.last_run_id = r.id
	where s.customer_id = 'beta'}), 'mapped to fields that the object does not have: revenue', 'the run warns');
is($sql->(q{select count(*) from supaglue.events where kind = 'mapping.broken' and customer_id = 'beta'}), '1',
	'an event tells it once');
is($sql->("select count(revenue), count(*) from $rows where _supaglue_customer_id = 'beta' and not _supaglue_is_deleted"),
	'0|20', 'its column is NULL');

$node->stop;
done_testing();
