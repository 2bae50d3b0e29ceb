# Many at once: tokens that are asked for while their fetcher ends, credentials that change meanwhile, a launcher that
# is replaced, two databases, five hundred connections.
use strict;
use warnings;
use lib 'lib';

use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;
use Time::HiRes qw(time);

my $node = new_node('node', conf => "supaglue.database = 'postgres, other'");
my $simulator = new_simulator('--records', 'Contact=3,Lead=3', '--rotate', 'strict');
my $hour = { period_ms => 3600000, strategy => 'full then incremental' };
sub query { return $node->safe_psql($_[1] // 'postgres', $_[0]) }
my $ids = sync_salesforce($node, $simulator, config => { %$hour });
my $sync = query("select supaglue.sync_id('acme', 'salesforce', 'Contact')");
is(wait_for_sync($node, 'acme', 'Contact'), 'SUCCESS', 'a connection whose provider forgives nothing');

# --- A token on its way ---------------------------------------------------------------------------------------------
sub worker { return query("select pid from supaglue.worker_status where kind = 'fetcher' and number = 0") }
foreach my $end (
	[ 'is told to end', sub { query('select pg_terminate_backend(' . worker() . ')') } ],
	[ 'is stopped', sub { query('select supaglue.stop_worker()') } ],
	[ 'is disabled', sub { query("alter system set supaglue.enabled = off"); $node->reload;
		wait_until(sub { query("select message from supaglue.worker_status where kind = 'fetcher'") =~ /enabled/ }, 'the fetcher rests');
		query("alter system reset supaglue.enabled"); $node->reload } ],
	[ 'ends with its server', sub { $node->restart } ])
{
	my ($how, $do) = @$end;
	$simulator->control('expire_tokens', {});
	$simulator->control('fault', { match => { kind => 'token' }, kind => 'delay', ms => 700 });
	$simulator->control('reset_counters');
	query("select supaglue.trigger_sync($sync)");
	wait_until(sub { $simulator->counters->{token} == 1 }, 'a token is asked for');
	$do->();
	is(query("select status from supaglue.wait_for_sync($sync)"), 'SUCCESS', "a fetcher that $how waits for the token that was given");
	is($simulator->counters->{refresh_reuse}, 0, 'and no token is used twice');
}

# A person brings new credentials while the old ones are being refused.
$simulator->control('expire_tokens', {});
$simulator->control('hold', { match => { kind => 'token' } });
$simulator->control('fault', { match => { kind => 'token' }, kind => 'status', status => 400, body => '{"error": "invalid_grant"}' });
query("select supaglue.trigger_sync($sync)");
wait_until(sub { $simulator->ask('held')->{held} == 1 }, 'a token is asked for');
query(qq(select supaglue.update_connection($ids->{connection}{acme}, '{"credentials": {"refresh_token": "acme:new"}}')));
$simulator->control('release');
is(query("select status from supaglue.wait_for_sync($sync)"), 'SUCCESS', 'new credentials that come while the old ones are refused are used');
is(query('select status from supaglue.connections'), 'active', 'and the connection lives');

# --- Another launcher ---------------------------------------------------------------------------------------------------
$node->append_conf('postgresql.conf', "supaglue.workers = 3\nsupaglue.merge_workers = 2");
$node->reload;
wait_until(sub { query("select count(*) filter (where running) from supaglue.worker_status") eq '5' }, 'there are three fetchers and two mergers');
my $launcher = query("select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'supaglue launcher'");
wait_until(sub { query("select count(*) from pg_stat_activity where backend_type = 'supaglue launcher'
	and backend_start > now() - interval '20 s'") eq '1' }, 'there is another launcher');
$node->append_conf('postgresql.conf', "supaglue.workers = 1\nsupaglue.merge_workers = 1");
$node->reload;
wait_until(sub { query("select count(*) from pg_stat_activity where backend_type in ('supaglue fetcher', 'supaglue merger') and datname = 'postgres'") eq '2' },
	'workers that are too many end, whoever started them');
pass('workers that are too many end, whoever started them');

# --- Two databases, and a crowd in one ------------------------------------------------------------------------------------
query('create database other');
query('create extension supaglue', 'other');
$simulator->control('rotate', { mode => 'none' });
my $crowd = $ENV{SUPAGLUE_TEST_CONNECTIONS} || 500;
sync_salesforce($node, $simulator, dbname => 'other', customers => ['c0'], standard => [ 'Contact', 'Lead' ], config => { %$hour });
my $start = time;
query(qq(select supaglue.upsert_customer('c' || n), supaglue.create_connection(jsonb_build_object('customer_id', 'c' || n,
	'provider_name', 'salesforce', 'credentials', jsonb_build_object('refresh_token', 'c' || n))) from generate_series(1, $crowd) n), 'other');
my $made = time;
query("select supaglue.trigger_sync($sync)");
is(query("select status from supaglue.wait_for_sync($sync, '10 s')"), 'SUCCESS', 'one database waits for no other');
wait_until(sub { query("select count(*) from supaglue.syncs where last_success_at is null", 'other') eq '0' }, 'all are synced');
diag(sprintf '%d connections: made in %.1f s, %d syncs in %.1f s', $crowd, $made - $start, 2 * $crowd, time - $made);
is(query('select count(*), count(distinct _supaglue_customer_id) from supaglue_data."salesforce_Lead"', 'other'), 3 * ($crowd + 1) . '|' . ($crowd + 1), 'every row of a crowd');
is(query('select count(*) from supaglue_data."salesforce_Contact"'), '3', 'and none in the wrong database');
# Of so many, some come due by their period meanwhile.
is(query("select count(*) from supaglue.sync_runs where status not in ('SUCCESS', 'IN_PROGRESS')", 'other'), '0', 'each at its first run');
my $last = query('select max(id) from supaglue.sync_runs', 'other');
$simulator->control('reset_counters');
$node->restart;
query('select supaglue.trigger_sync(id) from supaglue.syncs', 'other');
wait_until(sub { query("select count(*) from supaglue.syncs where state <> 'idle'", 'other') eq '0' }, 'all are synced again');
my $counters = $simulator->counters;
my $runs = query("select count(*) from supaglue.sync_runs where id > $last", 'other');
cmp_ok($runs, '>=', 2 * ($crowd + 1), 'each again');
is("$counters->{query} $counters->{token}", "$runs 0", 'with a request each');
unlike(slurp_file($node->logfile), qr/signal [^9]|PANIC/, 'no process died');
$node->stop;
done_testing();
