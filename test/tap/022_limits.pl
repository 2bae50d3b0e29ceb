# What keeps a server small: pages in a fetcher's memory, and records of what is long past.
use strict;
use warnings;
use lib 'lib';

use Supaglue;
use Test::More;

my @customers = map { "customer$_" } 1 .. 11;
my $node = new_node('limits', conf => "supaglue.memory_limit = '16MB'\n");
my $simulator = new_simulator('--records', 'Contact=5');
sub query { return $node->safe_psql('postgres', $_[0]) }
sub held { return $simulator->ask('held')->{held} }

# --- Memory: what an answer may take is guessed at 2 MB, so eight of 16 MB may be awaited at once --------
$simulator->control('hold', { match => { kind => 'describe' } });
sync_salesforce($node, $simulator, customers => \@customers, config => { period_ms => 3600000, strategy => 'full then incremental' });
wait_until(sub { held() >= 8 && query("select message from supaglue.worker_status where kind = 'fetcher'") eq '11 runs in progress' },
	'all runs are begun');
is(held(), 8, 'eight of eleven runs ask');
query("select supaglue.trigger_sync(id) from supaglue.syncs");
wait_until(sub { query('select count(*) from supaglue_internal.sync_changes') eq '0' }, 'the fetcher has been awake');
is(held(), 8, 'and no more, whatever wakes the fetcher');
$simulator->control('release');
is(wait_for_sync($node, $_, 'Contact'), 'SUCCESS', "$_ has its turn") foreach @customers;
is(query('select count(*) from supaglue_data."salesforce_Contact"'), '55', 'everything is read');

# --- Retention: what is past it goes, at the start of a merger and every ten minutes -------------------------
$node->append_conf('postgresql.conf', <<'CONF');
supaglue.run_retention = '1h'
supaglue.event_retention = '1h'
supaglue.reject_retention = '1h'
CONF
query("update supaglue_internal.run_log set finished_at = now() - interval '61 min' where id % 2 = 0");
query("update supaglue_internal.events set at = now() - interval '61 min'
	where id <= (select percentile_disc(0.5) within group (order by id) from supaglue_internal.events)");
query("insert into supaglue_internal.rejects (run_id, sync_id, at, reason, record)
	select n, 1, now() - n * interval '61 min', '', '' from generate_series(0, 1500) n");
my $recent = query("select (select count(*) from supaglue_internal.run_log where id % 2 = 1),
	(select count(*) + 1 from supaglue_internal.events where at > now() - interval '1 hour'), 1");
my $left = "select (select count(*) from supaglue.sync_runs), (select count(*) from supaglue.events),
	(select count(*) from supaglue.sync_rejects)";
isnt(query($left), $recent, 'there is something to sweep');
$node->restart;
wait_until(sub { query($left) eq $recent }, 'what is past its retention is deleted');
ok(1, 'what is past its retention is deleted');

$node->stop;
done_testing();
