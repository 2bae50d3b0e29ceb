# Workers and servers that end in the midst of a run: it goes on after the page last kept, and nobody ever
# sees half of it.
use strict;
use warnings;
use lib 'lib';

use IPC::Run;
use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;
use Time::HiRes qw(time);

my $node = new_node('node', conf => 'restart_after_crash = on');
my $simulator = new_simulator('--records', 'Contact=100', '--page-size', '10');
my $table = 'supaglue_data."salesforce_Contact"';

sub query { return $node->safe_psql('postgres', $_[0]) }
sub worker { return query("select pid from supaglue.worker_status where kind = '$_[0]'") }

# Kills a worker, at which the server ends all processes, and waits until another one serves.
sub kill_worker
{
	my ($kind) = @_;
	my $killed = worker($kind);
	kill 'KILL', $killed;
	wait_until(
		sub {
			my ($status, $pid) = $node->psql('postgres', "select pid from supaglue.worker_status where kind = '$kind'");
			return $status == 0 && $pid && $pid ne $killed;
		},
		"another $kind serves");
}

# Stops time at the sixth page; what was kept before it is on disk.
sub hold_at_page_six
{
	$simulator->control('hold', { match => { org => 'acme', path_contains => '-50' } });
	query("select supaglue.trigger_sync($_[0], true)") if $_[0];
	wait_until(sub { $simulator->ask('held')->{held} == 1 }, 'the sixth page is held');
	wait_until(sub { query('select max(pages) from supaglue_internal.runs') eq '5' }, 'five pages are kept');
	wait_until(sub { query('select pg_current_wal_insert_lsn() <= pg_current_wal_flush_lsn()') eq 't' },
		'what was written is on disk');
	$simulator->control('reset_counters');
}
sub let_go { $simulator->control('release') }
sub goes_on
{
	my ($sync, $what) = @_;
	is(query("select status || ' ' || records_read from supaglue.wait_for_sync($sync)"), 'SUCCESS 100', "$what: the run ends well");
	my $counters = $simulator->counters;
	is("$counters->{query} $counters->{query_more}", '0 5', "$what: it went on after the page last kept");
}

sync_salesforce($node, $simulator, config => { period_ms => 3600000, strategy => 'full only' });
my $sync = query("select supaglue.sync_id('acme', 'salesforce', 'Contact')");

# --- The server --------------------------------------------------------------------------------------------
query("select supaglue.wait_for_sync($sync)");
query("truncate $table");
hold_at_page_six($sync);
is(query("select count(*) from $table"), '0', 'nothing of a run is seen before its end');
$node->stop('immediate');
let_go();
$node->start;
goes_on($sync, 'a server that was killed');
is(query("select count(*) from $table"), '100', 'everything is there');

# --- The fetcher --------------------------------------------------------------------------------------------
hold_at_page_six($sync);
query('select pg_terminate_backend(' . worker('fetcher') . ')');
let_go();
goes_on($sync, 'a fetcher that was told to end');

hold_at_page_six($sync);
kill_worker('fetcher');
let_go();
goes_on($sync, 'a fetcher that was killed');

# --- The merger -----------------------------------------------------------------------------------------------
# It waits for a row that somebody has locked, with most of the run written.
sub stop_in_merge
{
	my ($title) = @_;
	$simulator->control('update', { org => 'acme', object => 'Contact', where => 'LastName != null', set => { Title => $title } });
	my ($in, $out) = ("begin; select 'locked' from $table where id = (select max(id) from $table) for update;\n", '');
	my $psql = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$out, '2>', \my $error);
	wait_until(sub { $psql->pump_nb; $out =~ /locked/ }, 'a row is locked');
	query("select supaglue.trigger_sync($sync, true)");
	wait_until(sub { query("select count(*) = 1 from pg_stat_activity where backend_type = 'supaglue merger'
		and wait_event_type = 'Lock'") eq 't' }, 'the merger waits for it');
	is(query("select count(*) from $table where _supaglue_raw_data->>'Title' = '$title'"), '0', 'half a merge is not seen');
	is(query("select supaglue.trigger_sync($sync)"), 'queued after the run in progress', 'and stands in nobody\'s way');
	return $psql;
}
sub merged
{
	my ($title, $what) = @_;
	is(query("select status from supaglue.wait_for_sync($sync)"), 'SUCCESS', "$what: the run ends well");
	is(query("select count(*) from $table where _supaglue_raw_data->>'Title' = '$title'"), '100', "$what: all of it is there");
}

my $psql = stop_in_merge('Terminated');
query('select pg_terminate_backend(' . worker('merger') . ')');
$psql->kill_kill;
merged('Terminated', 'a merger that was told to end');

$psql = stop_in_merge('Killed');
kill_worker('merger');
$psql->kill_kill;
merged('Killed', 'a merger that was killed');

# --- A merge that cannot be -------------------------------------------------------------------------------------
query("create function refuse() returns trigger language plpgsql as \$\$ begin raise 'not in my table'; end \$\$");
query("create trigger refuse before update on $table for each row execute function refuse()");
$simulator->control('update', { org => 'acme', object => 'Contact', where => 'LastName != null', set => { Title => 'Refused' } });
query("select supaglue.trigger_sync($sync)");
is(query("select status || ' ' || error_class || ' ' || (error_message like '%not in my table%') from supaglue.wait_for_sync($sync)"),
	'FAILURE destination true', 'a run that the table refuses fails, with the table\'s words');
is(query("select count(*) from supaglue_internal.runs where id = (select min(id) from supaglue.sync_runs where error_class = 'destination')"),
	'0', 'and is over');
query("drop trigger refuse on $table");
query("select supaglue.resume_sync($sync)");
merged('Refused', 'a table that refuses no more');

# --- Cancel and shutdown ------------------------------------------------------------------------------------------
$simulator->control('hold', { match => { org => 'acme', kind => 'query' } });
my $materialize = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c',
		"select supaglue.materialize($sync)" ], '>', \my $out, '2>', \my $error);
wait_until(sub { $simulator->ask('held')->{held} == 1 }, 'materialize() waits for the provider');
my $start = time;
query("select pg_cancel_backend(pid) from pg_stat_activity where query like '%materialize%' and pid <> pg_backend_pid()");
$materialize->finish;
like($error, qr/canceling statement due to user request/, 'materialize() can be cancelled');
cmp_ok(time - $start, '<', 2, 'at once');

query("select supaglue.trigger_sync($sync)");
wait_until(sub { query("select count(*) = 1 from supaglue_internal.runs") eq 't' && $simulator->ask('held')->{held} >= 1 },
	'the fetcher waits for the provider');
$start = time;
$node->stop('fast');
cmp_ok(time - $start, '<', 5, 'the server stops fast while the provider does not answer');
let_go();
$node->start;
is(query("select status from supaglue.wait_for_sync($sync)"), 'SUCCESS', 'and goes on');

$node->stop;
done_testing();
