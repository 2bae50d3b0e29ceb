# A destination on another server, which needs nothing installed: rows and the record of their run commit
# there together, and ours follows, whenever who is killed.
use strict;
use warnings;
use lib 'lib';

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;

my $remote = PostgreSQL::Test::Cluster->new('remote');
$remote->init;
$remote->append_conf('postgresql.conf', "listen_addresses = '127.0.0.1'");
$remote->start;
$remote->safe_psql('postgres', 'create database warehouse');
my $port = $remote->port;
my $host = $remote->host;

my $node = new_node('node');
my $simulator = new_simulator('--records', 'Contact=30', '--page-size', '10');
sub query { return $node->safe_psql('postgres', $_[0]) }
sub there { return $remote->safe_psql('warehouse', $_[0]) }

my $user = $remote->safe_psql('postgres', 'select current_user');
sync_salesforce($node, $simulator, config => { period_ms => 3600000, strategy => 'full then incremental' },
	destination => { host => $host, port => $port + 0, database => 'warehouse', user => $user, schema => 'public' });
my $sync = query("select supaglue.sync_id('acme', 'salesforce', 'Contact')");
is(query("select status from supaglue.wait_for_sync($sync)"), 'SUCCESS', 'the run ends well');
is(there('select count(*) from "salesforce_Contact"'), '30', 'the rows are there');
is(there('select run_id from _supaglue_syncs'), query("select last_run_id from supaglue.syncs where id = $sync"),
	'and the record of the run');

# --- The destination is away ------------------------------------------------------------------------------------
$simulator->control('update', { org => 'acme', object => 'Contact', where => 'LastName != null', set => { Title => 'Later' } });
$remote->stop;
query("select supaglue.trigger_sync($sync)");
wait_until(sub { query("select waiting_for = 'destination' and last_error is not null from supaglue.syncs where id = $sync") eq 't' },
	'the sync waits for its destination');
wait_until(sub { query("select state = 'waiting' and waiting_until > now() from supaglue.syncs where id = $sync") eq 't' },
	'and says until when');
$simulator->control('reset_counters');
$remote->start;
is(query("select status from supaglue.wait_for_sync($sync)"), 'SUCCESS', 'when it is back the run goes on');
is(there(q(select count(*) from "salesforce_Contact" where _supaglue_raw_data->>'Title' = 'Later')), '30', 'with all rows');
is($simulator->counters->{query}, 0, 'without asking the provider again');

# --- All that the provider has is older ---------------------------------------------------------------------------
sub stamped
{
	my ($stamp, $title) = @_;
	$simulator->control('update', { org => 'acme', object => 'Contact', where => 'LastName != null',
		set => { Title => $title, SystemModstamp => $stamp } });
	query("select supaglue.trigger_sync($sync, true)");
	return query("select concat_ws(' ', status, records_updated, records_unchanged) from supaglue.wait_for_sync($sync)");
}
is(stamped('1999-01-01T00:00:00.000+0000', 'Restored'), 'SUCCESS 30 0', 'a full run writes older versions');
is(there(q(select count(*) from "salesforce_Contact" where _supaglue_raw_data->>'Title' = 'Restored')), '30', 'when there are no others');

# --- A row is refused while the next page is on its way ------------------------------------------------------------
there(q(create function refuse() returns trigger language plpgsql as $$
	begin raise exception 'no room for %', new.id; end $$));
there(q(create trigger refuse before insert on "salesforce_Contact" for each row
	when (new._supaglue_customer_id = 'globex' and new._supaglue_raw_data->>'LastName' like '%15%') execute function refuse()));
Supaglue::connect_customer($node, 'postgres', 'globex', 'salesforce');
my $second = query("select supaglue.sync_id('globex', 'salesforce', 'Contact')");
wait_until(sub { query("select last_error from supaglue.syncs where id = $second") =~ /^no room for \w+/ },
	'what the destination said is told, though more was sent by then');
is(there(q(select count(*) from "salesforce_Contact" where _supaglue_customer_id = 'globex')), '0', 'nothing of the run is there');
there('drop trigger refuse on "salesforce_Contact"');
wait_until(sub { query("select string_agg(concat_ws(' ', status, records_read, records_inserted), ',') from supaglue.sync_runs
	where sync_id = $second") eq 'SUCCESS 30 30' }, 'when there is room all of it is, and is counted');

# --- Killed between the two commits -----------------------------------------------------------------------------
$simulator->control('update', { org => 'acme', object => 'Contact', where => 'LastName != null', set => { Title => 'Twice' } });
query("create function stop_here() returns trigger language plpgsql as \$\$
	begin perform pg_advisory_lock(4711); return new; end \$\$");
query('create trigger stop_here before insert on supaglue_internal.run_log for each row execute function stop_here()');
my ($in, $out) = ("select 'locked' from pg_advisory_lock(4711);\n", '');
my $psql = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$out, '2>', \my $error);
wait_until(sub { $psql->pump_nb; $out =~ /locked/ }, 'the local commit is held up');
query("select supaglue.trigger_sync($sync)");
wait_until(sub { query("select count(*) = 1 from pg_stat_activity where backend_type = 'supaglue merger'
	and wait_event_type = 'Lock'") eq 't' }, 'the merger stands between the commits');
is(there(q(select count(*) from "salesforce_Contact" where _supaglue_raw_data->>'Title' = 'Twice')), '30',
	'the remote server has the run');
my $emitted = there('select max(_supaglue_emitted_at) from "salesforce_Contact"');
$node->stop('immediate');
$psql->kill_kill;
$node->start;
query('drop trigger stop_here on supaglue_internal.run_log');
is(query("select status || ' ' || records_updated from supaglue.wait_for_sync($sync)"), 'SUCCESS 30',
	'after the crash our record follows, counts and all');
is(there('select max(_supaglue_emitted_at) from "salesforce_Contact"'), $emitted, 'and nothing is written again');
is(query("select emitted_at from supaglue.sync_runs order by id desc limit 1"), $emitted, 'the record tells the rows\' emitted_at');

# --- A connection is kept for the next run, for a few seconds ----------------------------------------------------------
sub connected { return there("select coalesce(string_agg(pid::text, ' '), '') from pg_stat_activity where application_name = 'supaglue'") }
sub run_again
{
	$simulator->control('update', { org => 'acme', object => 'Contact', where => 'LastName != null', set => { Title => $_[0] } });
	query("select supaglue.trigger_sync($sync)");
	return query("select status || ' ' || records_updated from supaglue.wait_for_sync($sync)");
}
$node->append_conf('postgresql.conf', 'supaglue.merge_workers = 1');
$node->restart;
is(run_again('Kept'), 'SUCCESS 30', 'a run');
my $pid = connected();
like($pid, qr/^\d+$/, 'leaves its connection');
is(run_again('Taken'), 'SUCCESS 30', 'the next run');
is(connected(), $pid, 'takes it');
there("select pg_terminate_backend($pid, 10000)");
is(run_again('Anew'), 'SUCCESS 30', 'one that was closed there is no more');
isnt(connected(), $pid, 'and another is made');
wait_until(sub { connected() eq '' }, 'in the end none is left');

unlike(slurp_file($node->logfile), qr/password file/, 'libpq has nothing to say to the log');
$node->stop;
$remote->stop;
done_testing();
