# Databases that come, go and are copied, and extensions in them: workers make way, and start where they must.
use strict;
use warnings;
use lib 'lib';

use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;

my $node = new_node('node', extension => 0, conf => "supaglue.database = 'app, copy, \"Third\"'");
my $simulator = new_simulator('--records', '5');
my $hour = { period_ms => 3600000, strategy => 'full then incremental' };

sub query { my ($dbname, $sql) = @_; return $node->safe_psql($dbname, $sql) }
sub workers_say
{
	my ($dbname, $message) = @_;
	wait_until(sub { query($dbname, "select bool_and(coalesce(message, '') = '$message') from supaglue.worker_status") eq 't' },
		"the workers of $dbname say: $message");
	return pass("the workers of $dbname say: $message");
}
sub workers_in
{
	return query('postgres', "select count(*) from pg_stat_activity where backend_type like 'supaglue%' and datname = '$_[0]'");
}
sub workers_are_in
{
	my ($dbname) = @_;
	wait_until(sub { workers_in($dbname) == 2 }, "$dbname has workers");
}

is(query('postgres', "select count(*) from pg_stat_activity where backend_type = 'supaglue launcher'"), '1',
	'the launcher runs');
is(workers_in('app'), '0', 'and nothing else while its databases do not exist');

# --- CREATE DATABASE, CREATE EXTENSION, DROP EXTENSION ------------------------------------------------------------
query('postgres', 'create database app');
workers_are_in('app');
is(query('postgres', "select count(distinct query) || min(query) from pg_stat_activity where datname = 'app'
	and backend_type like 'supaglue%'"), '1this database has no extension supaglue', 'they wait for the extension');
query('app', 'create extension supaglue');
workers_say('app', 'nothing is configured');
sync_salesforce($node, $simulator, dbname => 'app', config => { %$hour });
is(wait_for_sync($node, 'acme', 'Contact', 'app'), 'SUCCESS', 'the sync runs in app');

$simulator->control('hold', { match => { kind => 'query' } });
query('app', "select supaglue.trigger_sync(supaglue.sync_id('acme', 'salesforce', 'Contact'))");
wait_until(sub { $simulator->ask('held')->{held} == 1 }, 'a run is in progress');
query('app', 'drop extension supaglue cascade');
is(query('app', "select count(*) from supaglue_data.\"salesforce_Contact\""), '5',
	'the extension can be dropped in the midst of a run; the table stays');
$simulator->control('release');
is(workers_in('app'), '2', 'the workers live');
query('app', 'create extension supaglue');
workers_say('app', 'nothing is configured');
query('app', 'drop table supaglue_data."salesforce_Contact"');
sync_salesforce($node, $simulator, dbname => 'app', customers => [ 'acme', 'globex' ], config => { %$hour });
is(wait_for_sync($node, 'acme', 'Contact', 'app'), 'SUCCESS', 'created again, it syncs again');
is(wait_for_sync($node, 'globex', 'Contact', 'app'), 'SUCCESS', 'all of it');

# --- A copy -----------------------------------------------------------------------------------------------------
query('app', "insert into supaglue_internal.run_log (slot, id, sync_id, status, strategy, reason, started_at, finished_at)
	select n, nextval('supaglue_internal.run_id'), 0, 'SUCCESS', 'full', 'in each slot', now(), now() from generate_series(0, 7) n");
query('app', "insert into supaglue_internal.events (slot, at, kind, application_id)
	select n, now(), 'in each slot', 'default' from generate_series(0, 7) n");
my $log = "select count(*), sum(hashtext(r::text)),
	(select sum(hashtext(e::text)) from supaglue_internal.events e) from supaglue_internal.run_log r";
my $dump = "$PostgreSQL::Test::Utils::tmp_check/app.sql";
$node->command_ok([ 'pg_dump', '-f', $dump, '-d', $node->connstr('app') ], 'the database is dumped');
query('postgres', 'create database copy');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $node->connstr('copy') ], 'and restored');
workers_say('copy', 'this database is a copy: call supaglue.adopt_database()');
is(query('copy', "select string_agg(state, ',') from supaglue.syncs"), 'idle,idle', 'its syncs are there');
is(query('copy', $log), query('app', $log), 'and its log of runs and its events, slot by slot');
$simulator->control('expire_tokens');
my $live = q(select count(*) from supaglue_live."salesforce_Contact" where _supaglue_customer_id = 'acme');
like(($node->psql('copy', $live))[2], qr/This database is a copy/, 'and does not take the token from the original');
is(query('app', $live), '5', 'which goes on');
my $runs = query('copy', 'select count(*) from supaglue.sync_runs');
$simulator->control('reset_counters');
query('copy', "select supaglue.trigger_sync(id) from supaglue.syncs where customer_id = 'globex'");
is(query('copy', 'select supaglue.adopt_database()'), '', 'it is adopted');
is(wait_for_sync($node, 'globex', 'Contact', 'copy'), 'SUCCESS', 'then it syncs');
cmp_ok(query('copy', 'select count(*) from supaglue.sync_runs'), '>', $runs, 'and records it after what was restored');
is(query('copy', "select strategy from supaglue.sync_runs order by id desc limit 1"), 'incremental',
	'from the watermark that was restored');
query('copy', "select supaglue.upsert_customer('initech')");
my $connections = query('copy', 'select max(id) from supaglue.connections');
cmp_ok(query('copy', q(select supaglue.create_connection('{"customer_id": "initech", "provider_name": "salesforce",
	"credentials": {"refresh_token": "initech"}}'))), '>', $connections, 'new ids go on after the old ones');
is(wait_for_sync($node, 'initech', 'Contact', 'copy'), 'SUCCESS', 'a new connection works');

query('postgres', 'create database "Third" template app');
pass('a database with workers can be a template');
workers_say('Third', 'this database is a copy: call supaglue.adopt_database()');
workers_are_in('app');

# --- Commands on a whole database ----------------------------------------------------------------------------------
query('postgres', 'alter database copy rename to other');
pass('a database with workers can be renamed');
query('postgres', 'create role somebody login');
my ($status, $out, $error) = $node->psql('postgres', 'drop database app', extra_params => [ '-U', 'somebody' ]);
like($error, qr/must be owner of database app/, 'who may not drop a database, does not');
is(workers_in('app'), '2', 'and does not stop its workers');
$simulator->control('hold', { match => { kind => 'query' } });
query('app', "select supaglue.trigger_sync(supaglue.sync_id('acme', 'salesforce', 'Contact'))");
wait_until(sub { $simulator->ask('held')->{held} == 1 }, 'a run is in progress');
query('postgres', "drop database $_") foreach 'app', '"Third"';
pass('databases with workers can be dropped');
$simulator->control('release');
is(workers_in('app') + workers_in('Third'), 0, 'nothing is left there');

# --- Settings -----------------------------------------------------------------------------------------------------
query('postgres', 'alter database other rename to app');
workers_are_in('app');
$node->append_conf('postgresql.conf', "supaglue.workers = 2");
$node->reload;
wait_until(sub { query('app', "select count(*) = 3 and bool_and(running) from supaglue.worker_status") eq 't' },
	'there is a second fetcher');
query('app', 'select supaglue.trigger_sync(id) from supaglue.syncs');
is(wait_for_sync($node, $_, 'Contact', 'app'), 'SUCCESS', "$_ is synced by one of the two")
	foreach 'acme', 'globex', 'initech';

# The second fetcher has runs under way, and is slow to end: its successor asks for them again.
$simulator->control('hold', { match => { kind => 'query' } });
query('app', 'select supaglue.trigger_sync(id) from supaglue.syncs');
wait_until(sub { $simulator->ask('held')->{held} == 3 }, 'all are being read');
is(query('app', 'select count(distinct worker) from supaglue_internal.runs'), '2', 'by both');
my $second = query('app', "select pid from supaglue.worker_status where kind = 'fetcher' and number = 1");
kill 'STOP', $second;
$node->append_conf('postgresql.conf', "supaglue.workers = 1");
$node->reload;
query('app', "select supaglue.upsert_customer('new$_'), supaglue.create_connection('{\"customer_id\": \"new$_\",
	\"provider_name\": \"salesforce\", \"credentials\": {\"refresh_token\": \"new$_\"}}')") foreach 1, 2;
wait_until(sub { query('app', "select count(*) from supaglue_internal.runs r join supaglue.syncs s on s.id = r.sync_id
	where r.worker = 0 and s.customer_id like 'new%'") eq '2' }, 'the first fetcher serves everybody');
kill 'CONT', $second;
$simulator->control('release');
wait_until(sub { query('app', 'select count(*) from supaglue_internal.runs where worker = 1') eq '0' },
	'the first fetcher takes over what the second one read', 30);
wait_until(sub { workers_in('app') == 2 }, 'the second fetcher ends');
query('app', 'select supaglue.trigger_sync(id) from supaglue.syncs');
is(wait_for_sync($node, $_, 'Contact', 'app'), 'SUCCESS', "$_ is synced by the one that stays")
	foreach 'acme', 'globex', 'initech';
$node->stop;

# --- Without preload ------------------------------------------------------------------------------------------------
my $plain = new_node('plain', preload => 0);
sync_salesforce($plain, $simulator, config => { %$hour });
is($plain->safe_psql('postgres', 'select bool_or(running) from supaglue.worker_status'), 'f', 'without preload nothing runs');
is($plain->safe_psql('postgres', 'select supaglue.start_worker()'), 'started', 'workers are started by hand');
is(wait_for_sync($plain, 'acme', 'Contact'), 'SUCCESS', 'and work');
is($plain->safe_psql('postgres', 'select supaglue.start_worker()'), 'running already', 'once');
is($plain->safe_psql('postgres', 'select supaglue.stop_worker()'), 'stopped', 'and are stopped');
is($plain->safe_psql('postgres', 'select bool_or(running) from supaglue.worker_status'), 'f', 'nothing runs');
is($plain->safe_psql('postgres', 'select supaglue.start_worker()'), 'started', 'they start again');
is($plain->safe_psql('postgres', 'select bool_and(running) from supaglue.worker_status'), 't', 'and are there at once');

# --- Encodings --------------------------------------------------------------------------------------------------------
$plain->safe_psql('postgres', "create database latin template template0 encoding 'LATIN1' locale 'C'");
like(($plain->psql('latin', 'create extension supaglue'))[2], qr/needs a database whose encoding is UTF8.*LATIN1/s,
	'a database of another encoding is refused');
$plain->stop;

done_testing();
