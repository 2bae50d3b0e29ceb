# What keeps a server small: pages in a fetcher's memory, and records of what is long past.
use strict;
use warnings;
use lib 'lib';

use Supaglue;
use Test::More;

my @customers = map { "customer$_" } 1 .. 11;
my $node = new_node('limits', conf => <<'CONF');
supaglue.memory_limit = '16MB'
supaglue.run_retention = '1h'
supaglue.event_retention = '1h'
supaglue.reject_retention = '1h'
CONF
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
query("update supaglue_internal.events set at = now() - interval '61 min', slot = (slot + 4) % 8
	where id <= (select percentile_disc(0.5) within group (order by id) from supaglue_internal.events)");
query("insert into supaglue_internal.rejects (run_id, sync_id, at, reason, record)
	select n, 1, now() - n * interval '61 min', '', '' from generate_series(0, 1500) n");
my $recent = query("select count(*), 1 from supaglue_internal.events where at > now() - interval '1 hour'");
my $left = "select (select count(*) from supaglue.events), (select count(*) from supaglue.sync_rejects)";
isnt(query($left), $recent, 'there is something to sweep');

# Of the ring of finished runs some slots are filled whose turn is neither now nor soon: each row with an age.
my $turn_ms = 20 * 60 * 1000;
my $now = query("select floor(extract(epoch from now()) * 1000 / $turn_ms)::bigint % 8");
my ($read, $written, $past, $mixed, $young) = sort map { ($now + $_) % 8 } 2 .. 6;
sub fill
{
	my ($slot, @ages) = @_;
	return sprintf "insert into supaglue_internal.run_log (slot, id, sync_id, status, strategy, reason, started_at, finished_at)
		select %d, nextval('supaglue_internal.run_id'), 0, 'SUCCESS', 'full', 'old', now() - age, now() - age
		from unnest('{%s}'::interval[]) as age", $slot, join ',', @ages;
}
sub rows_in { my ($slot) = @_; return query("select count(*) from supaglue_internal.run_log where slot = $slot and reason = 'old'") }
sub size_of { my ($slot) = @_; return query("select pg_relation_size('supaglue_internal.run_log_$slot')") }
sub sweep { query("select pg_terminate_backend(pid, 10000) from pg_stat_activity where backend_type = 'supaglue merger'") }
query(fill($_, '61 min', '2 days', '3 years')) foreach $read, $written, $past;
query(fill($mixed, '61 min', '59 min', '3 years'));
query(fill($young, '59 min', '1 min'));
my $finished = query("select count(*) from supaglue.sync_runs where reason <> 'old'");
my $reader = $node->background_psql('postgres');
$reader->query_safe("begin; select from supaglue_internal.run_log_$read");
my $writer = $node->background_psql('postgres');
$writer->query_safe('begin; ' . fill($written, '1 min'));

sweep();
wait_until(sub { query($left) eq $recent }, 'what is past its retention is deleted');
pass('what is past its retention is deleted');
wait_until(sub { size_of($past) eq '0' }, 'a slot whose runs are all past their retention is emptied');
is(rows_in($past), '0', 'a slot whose runs are all past their retention is emptied');
is(rows_in($mixed), '3', 'one with a run that is not stays whole');
is(rows_in($young), '2', 'and so does its neighbour');
is(query("select count(*) from supaglue.sync_runs where reason <> 'old'"), $finished, 'and what has just been written');
is(rows_in($read), '3', 'one that is read stays');
is(query('select count(*) from pg_locks where not granted'), '0', 'and nobody waits for the other');
foreach ($reader, $writer) { $_->query_safe('commit'); $_->quit }
sweep();
wait_until(sub { size_of($read) eq '0' }, 'it goes when it is not read any more');
is(rows_in($mixed) . rows_in($young), '32', 'it goes when it is not read any more, and nothing with it');
is(rows_in($written), '4', 'one that was just being written has a run that is not past its retention');

# Whoever ends a run chooses the slot by the clock and the setting: a full run, one that found nothing, one that is
# stopped.
my $sync = query("select min(id) from supaglue.syncs");
sub are_in_turn
{
	my ($which, $turn) = @_;
	return query("select bool_and(slot = floor(extract(epoch from finished_at) * 1000 / $turn)::bigint % 8)
		from supaglue_internal.run_log where $which");
}
sub events_are_in_turn
{
	my ($which, $turn) = @_;
	return query("select bool_and(slot = floor(extract(epoch from at) * 1000 / $turn)::bigint % 8)
		from supaglue_internal.events where $which");
}
sub run
{
	my ($how) = @_;
	query("select supaglue.trigger_sync($sync, $how)");
	return query("select strategy from supaglue.wait_for_sync($sync)");
}
is(run('true'), 'full', 'a full run');
is(run('false'), 'incremental', 'another');
$simulator->control('hold', { match => { kind => 'query' } });
query("select supaglue.trigger_sync($sync)");
wait_until(sub { held() == 1 }, 'one more is under way');
query("select supaglue.pause_sync($sync)");
$simulator->control('release');
is(query("select error_message from supaglue.sync_runs where sync_id = $sync order by id desc limit 1"), 'stopped by pause_sync()', 'it is stopped');
is(are_in_turn("reason <> 'old'", $turn_ms), 't', 'runs are in the slot whose turn it was when they finished');
is(events_are_in_turn('true', $turn_ms), 't', 'and events in that of their time');

$node->append_conf('postgresql.conf', "supaglue.run_retention = '30d'\nsupaglue.event_retention = '15d'");
$node->restart;
query("select supaglue.resume_sync($sync)");
my $last = query("select max(id) from supaglue.sync_runs");
is(run('false'), 'incremental', 'with another retention');
is(are_in_turn("id > $last", 5 * 24 * 3600 * 1000), 't', 'a turn is as long as the sixth of it');
is(events_are_in_turn("run_id > $last", 60 * 3600 * 1000), 't', 'of events, too');
is(rows_in($mixed) . rows_in($young), '32', 'and what is in other slots stays');

$node->stop;
done_testing();
