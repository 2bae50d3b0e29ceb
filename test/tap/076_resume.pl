# A run goes on wherever it was left: on a standby that is promoted, and from the start where the provider has lost
# the place; a table that is not what the last run left is read in full; nothing stays in the spool.
use strict;
use warnings;
use lib 'lib';

use IPC::Run;
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;

my $primary = new_node('primary', init => { allows_streaming => 1 });
my $simulator = new_simulator('--records', 'Contact=100,Lead=100,contacts=250', '--page-size', '10');
my $table = 'supaglue_data."salesforce_Contact"';
my $node = $primary;

sub query { return $node->safe_psql('postgres', $_[0]) }
sub outcome { return query("select status || ' ' || strategy || ' ' || records_read || ' ' || records_deleted from supaglue.wait_for_sync($_[0], '100 s')") }
# Stops time at a page; those before it are kept and on disk.
sub hold_at_page
{
	my ($sync, $page) = @_;
	$simulator->control('hold', { match => { path_contains => '-' . ($page - 1) * 10 } });
	query("select supaglue.trigger_sync($sync, true)");
	wait_until(sub { $simulator->ask('held')->{held} == 1 }, 'the page is held');
	wait_until(sub { query("select pages from supaglue_internal.runs where sync_id = $sync") eq $page - 1 }, 'the pages before it are kept');
	wait_until(sub { query('select pg_current_wal_insert_lsn() <= pg_current_wal_flush_lsn()') eq 't' }, 'and on disk');
	$simulator->control('reset_counters');
	return;
}

sync_salesforce($node, $simulator, standard => [ 'Contact', 'Lead' ], config => { period_ms => 3600000, strategy => 'full then incremental' });
my $sync = query("select supaglue.sync_id('acme', 'salesforce', 'Contact')");
my $lead = query("select supaglue.sync_id('acme', 'salesforce', 'Lead')");
is(outcome($_), 'SUCCESS full 100 0', 'all is read') foreach $sync, $lead;

# --- A standby that is promoted in the midst of a run -------------------------------------------------------------
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
hold_at_page($sync, 6);
$primary->wait_for_catchup($standby);
$primary->stop('immediate');
$standby->promote;
$node = $standby;
$simulator->control('release');
is(outcome($sync), 'SUCCESS full 100 0', 'a standby that is promoted ends the run');
my $counters = $simulator->counters;
is("$counters->{query} $counters->{query_more}", '0 5', 'after the page last kept');

# --- The provider has lost the place -------------------------------------------------------------------------------
# A record of a page that was kept is gone since: what was read before does not count.
hold_at_page($sync, 6);
$simulator->control('drop_locators', { org => 'acme' });
$simulator->control('delete', { org => 'acme', object => 'Contact', hard => JSON::PP::true,
		id => query("select min(id) from $table") });
$simulator->control('release');
is(outcome($sync), 'SUCCESS full 99 1', 'a cursor that has expired: the run begins anew, and counts anew');
like(query("select warnings from supaglue.sync_runs where sync_id = $sync order by id desc limit 1"),
	qr/lost its place in the result, and everything was read again \(times: 1\)/, 'and says so');

# The same while nobody is there: the successor finds the place lost.
hold_at_page($sync, 6);
$node->stop('immediate');
$simulator->control('drop_locators', { org => 'acme' });
$simulator->control('release');
$node->start;
is(outcome($sync), 'SUCCESS full 99 0', 'a cursor that expired while the server was away');
like(query("select warnings from supaglue.sync_runs where sync_id = $sync order by id desc limit 1"), qr/times: 1/, 'likewise');

# HubSpot: a place in a list that is refused.
sync_hubspot($node, $simulator, customers => ['hub'], standard => ['contact'],
	destination => query('select id from supaglue.destinations'), config => { period_ms => 3600000 });
my $hub = query("select supaglue.sync_id('hub', 'hubspot', 'contact')");
is(query("select status from supaglue.wait_for_sync($hub)"), 'SUCCESS', 'HubSpot is read');
my $read = query("select records_read from supaglue.sync_runs where sync_id = $hub");
$simulator->control('fault', { match => { org => 'hub', kind => 'list', path_contains => '&after=' }, kind => 'status', status => 400, after => 1,
		body => '{"status":"error","category":"VALIDATION_ERROR","message":"paging cursor is invalid"}' });
query("select supaglue.trigger_sync($hub, true)");
is(query("select status || ' ' || records_read from supaglue.wait_for_sync($hub)"), "SUCCESS $read", 'an `after` that is refused: once more from the start');
like(query("select warnings from supaglue.sync_runs where sync_id = $hub order by id desc limit 1"), qr/times: 1/, 'and it is said');
$simulator->control('fault', { match => { org => 'hub', kind => 'list', path_contains => '&after=' }, kind => 'status', status => 400, times => -1,
		body => '{"status":"error","category":"VALIDATION_ERROR","message":"paging cursor is invalid"}' });
query("select supaglue.trigger_sync($hub, true)");
is(query("select status || ' ' || error_class from supaglue.wait_for_sync($hub)"), 'FAILURE provider', 'not for ever');
$simulator->control('clear_faults');

# --- A run that makes no progress ------------------------------------------------------------------------------------
query("alter system set supaglue.request_timeout = '1s'");
query('select pg_reload_conf()');
my ($in, $out) = ("begin; lock supaglue_internal.spool_0, supaglue_internal.spool_1, supaglue_internal.spool_2, supaglue_internal.spool_3 in share mode; select 'locked';\n", '');
my $psql = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$out);
wait_until(sub { $psql->pump_nb; $out =~ /locked/ }, 'the spool is locked');
query("select supaglue.trigger_sync($lead, true)");
is(query("select status || ' ' || error_class || ' ' || error_message from supaglue.wait_for_sync($lead, '60 s')") =~ s/\d+ seconds/N seconds/r,
	'FAILURE transient the run made no progress: For N seconds what was read could not be kept: somebody locks supaglue\'s tables.',
	'a run that stands still is ended');
$in = "\\q\n";
$psql->finish;
query('alter system reset supaglue.request_timeout');
query('select pg_reload_conf()');
query("select supaglue.trigger_sync($lead, true)");
is(outcome($lead), 'SUCCESS full 100 0', 'the next one runs');

# --- The spool --------------------------------------------------------------------------------------------------------
# One run is given up with pages kept, while another goes on.
hold_at_page($sync, 4);
query("select supaglue.trigger_sync($lead, true)");
wait_until(sub { query("select pages > 0 from supaglue_internal.runs where sync_id = $lead") =~ /^t?$/ }, 'another run is under way');
query("select supaglue.pause_sync($sync)");
$simulator->control('release');
query("select supaglue.resume_sync($sync)");
is(query("select status from supaglue.wait_for_sync($lead)"), 'SUCCESS', 'it ends');
wait_until(sub { query("select count(*) = 0 from supaglue_internal.runs") eq 't' }, 'nothing is under way');
wait_until(sub { query('select count(*) = 0 from supaglue_internal.spool') eq 't' }, 'the spool is emptied', 90);
is(query("select sum(pg_relation_size(oid)) from pg_class where relname like 'spool__' and relnamespace = 'supaglue_internal'::regnamespace"),
	'0', 'by truncation');

# --- A table that is not what the last run left --------------------------------------------------------------------
query("create table before as select * from $table");
$simulator->control('update', { org => 'acme', object => 'Contact', where => 'LastName != null', set => { Title => 'New' } });
query("select supaglue.trigger_sync($sync)");
is(query("select status || ' ' || strategy from supaglue.wait_for_sync($sync)"), 'SUCCESS incremental', 'a run');
query("begin; truncate $table; insert into $table select * from before; commit");
query("select supaglue.trigger_sync($sync)");
# The next run follows at once, and may be what is waited for.
query("select supaglue.wait_for_sync($sync)");
wait_until(sub { query("select last_error is null and state = 'idle' from supaglue.syncs where id = $sync") eq 't' }, 'the next run ends well');
like(query("select status || ' ' || error_class || ' ' || error_message from supaglue.sync_runs where sync_id = $sync order by id desc offset 1 limit 1"),
	qr/^FAILURE destination the table lost the rows that the last run left: the next run reads everything/,
	'rows that were restored from before it are noticed');
is(query("select status || ' ' || strategy || ' ' || records_updated from supaglue.sync_runs where sync_id = $sync order by id desc limit 1"),
	'SUCCESS full 99', 'and reads everything');
query("select supaglue.trigger_sync($sync)");
like(query("select status || ' ' || strategy from supaglue.wait_for_sync($sync)"), qr/^SUCCESS incremental/, 'once');

$node->stop;
done_testing();
