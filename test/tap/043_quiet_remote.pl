# Runs to another server that found nothing are ended together, there and here: each leaves what a run leaves, whoever is killed;
# none hides that its table lost rows, or that another server has taken over; and a server that is away is tried once for all.
use strict;
use warnings;
use lib 'lib';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;

my $remote = PostgreSQL::Test::Cluster->new('remote');
$remote->init;
$remote->append_conf('postgresql.conf', "listen_addresses = '127.0.0.1'");
$remote->start;
my $node = new_node('node');
$node->append_conf('postgresql.conf', 'supaglue.merge_workers = 2');  # one may have to wait
$node->reload;
my $simulator = new_simulator('--records', 'Contact=5,Lead=5,Account=0');
my $customers = 10;
my $all = 3 * $customers;

sub query { return $node->safe_psql('postgres', $_[0]) }
sub there { return $remote->safe_psql('postgres', $_[0]) }
sub sync_all { query("select supaglue.trigger_sync(id) from supaglue.syncs") }
my $first;  # the last run of what was before
sub runs { return "from supaglue_internal.run_log where id > $first" }
sub last_run { return query('select coalesce(max(id), 0) from supaglue_internal.run_log') }
sub all_idle { wait_until(sub { query("select count(*) from supaglue.syncs where state not in ('idle', 'failing')") eq '0' }, 'all have run') }

# Records here and there, of all syncs in one order.
sub here_and_there
{
	my $key = 'customer_id, object';
	return (query("select string_agg(concat_ws(' ', customer_id, object, r.id, r.emitted_at, data_through), E'\\n' order by $key)
			from supaglue.syncs s join supaglue_internal.run_log r on r.id = s.last_run_id"),
		there("select string_agg(concat_ws(' ', customer_id, object, run_id, emitted_at, watermark), E'\\n' order by $key)
			from _supaglue_syncs"));
}
sub hold_log
{
	my $holder = $node->background_psql('postgres');
	$holder->query_safe('begin; lock supaglue_internal.run_log in share mode');
	sync_all();
	wait_until(sub { query("select count(*) from supaglue_internal.runs where stage = 'merge'") eq $all }, 'all wait to be merged');
	return $holder;
}

my $user = there('select current_user');
sync_salesforce($node, $simulator, customers => [ map { "c$_" } 1 .. $customers ], standard => [ 'Contact', 'Lead', 'Account' ],
	config => { period_ms => 3600000, strategy => 'full then incremental' },
	destination => { host => $remote->host, port => $remote->port + 0, database => 'postgres', user => $user, schema => 'public' });
wait_until(sub { query("select count(*) from supaglue.syncs where last_success_at is null") eq '0' }, 'all are synced');

# --- Together, and each as if alone -----------------------------------------------------------------------------------
# The merger stands before the log of runs until all are fetched; only what it had taken up before it ends apart.
$first = last_run();
my $holder = hold_log();
$holder->query_safe('commit');
$holder->quit;
all_idle();
is(query("select count(*), count(distinct sync_id), min(strategy), max(status), sum(records_read) ${\ runs()}"),
	"$all|$all|incremental|SUCCESS|0", 'each run stands in the log');
cmp_ok(query("select count(distinct xmin::text) ${\ runs()}"), '<=', $all / 3, 'all were written by few transactions, of two mergers');
cmp_ok(there('select count(distinct committed_at) from _supaglue_syncs'), '<=', $all / 3, 'and there, too');
is((here_and_there())[1], (here_and_there())[0], 'the records there are those of the runs');
is(there("select string_agg(distinct counts::text, ' ' order by counts::text) from _supaglue_syncs where object <> 'Account'"),
	'{"read": 0, "deleted": 0, "updated": 0, "inserted": 0, "rejected": 0, "unchanged": 0, "rows_stored": 1}', 'with their counts');

# --- Killed between the two commits -----------------------------------------------------------------------------
$first = last_run();
$holder = hold_log();
wait_until(sub { query("select count(*) > 0 from pg_stat_activity where backend_type = 'supaglue merger' and wait_event_type = 'Lock'") eq 't' },
	'a merger stands between the commits');
my $committed = "select concat_ws(' ', run_id, emitted_at) from _supaglue_syncs where run_id > $first";
my @before = split /\n/, there($committed);
cmp_ok(@before, '>', 0, 'something is committed there');
query('create table flushed()');  # with what was fetched
$node->stop('immediate');
$holder->{run}->kill_kill;
# As if the end of a fetch had been lost, and it was done again.
my $lost = (split / /, $before[0])[0];
there("update _supaglue_syncs set watermark = watermark - interval '1 second' where run_id = $lost");
$node->start;
all_idle();
wait_until(sub { query("select count(*) ${\ runs()}") eq $all }, 'our records follow');
is((here_and_there())[1], (here_and_there())[0], 'they are those of the runs');
my %after = map { $_ => 1 } split /\n/, there($committed);
is(join(' ', grep { !$after{$_} } @before), $before[0], 'what was committed there is not committed again, but what was fetched again is');

# --- Somebody steers a sync meanwhile, whose row he has -----------------------------------------------------------------------------
$first = last_run();
$holder = hold_log();
my $steerer = $node->background_psql('postgres');
$steerer->query_safe("begin; select from supaglue_internal.syncs where id = supaglue.sync_id('c7', 'salesforce', 'Contact') for no key update");
$holder->query_safe('commit');
$holder->quit;
wait_until(sub { query("select count(*) ${\ runs()}") eq $all - 1 }, 'all others end');
wait_until(sub { there(q{select run_id from _supaglue_syncs where customer_id = 'c7' and object = 'Contact'})
	eq query("select coalesce(max(id), 0) from supaglue_internal.runs") }, 'its own is committed there');
my $emitted = there(q{select emitted_at from _supaglue_syncs where customer_id = 'c7' and object = 'Contact'});
$steerer->query_safe('rollback');
$steerer->quit;
all_idle();
is((here_and_there())[1], (here_and_there())[0], 'and then here');
is(there(q{select emitted_at from _supaglue_syncs where customer_id = 'c7' and object = 'Contact'}), $emitted, 'as it was');

# --- A server that is away ----------------------------------------------------------------------------------------
$first = last_run();
$simulator->control('reset_counters');
$remote->stop;
sync_all();
wait_until(sub { query("select count(*) from supaglue.syncs where waiting_for = 'destination' and last_error like '%could not connect%'") eq $all },
	'all wait for it');
$remote->start;
all_idle();
is(query("select count(*), max(status) ${\ runs()}"), "$all|SUCCESS", 'when it is back all end');
is($simulator->counters->{query}, $all, 'without asking the provider again');
is((here_and_there())[1], (here_and_there())[0], 'their records are there');

# --- Rows that are gone --------------------------------------------------------------------------------------------
$first = last_run();
there(q{delete from "salesforce_Contact" where _supaglue_customer_id = 'c3'});
sync_all();
wait_until(sub { there(q{select count(*) from "salesforce_Contact" where _supaglue_customer_id = 'c3'}) eq '5' },
	'a table that lost a customer is read anew');
all_idle();
is(query("select status, error_message like '%lost the rows%' ${\ runs()} and status = 'FAILURE'") , 'FAILURE|t', 'its run says why');
is(query("select count(*) ${\ runs()} and status = 'SUCCESS' and strategy = 'incremental'"), $all - 1, 'the others end as ever');

there('drop table "salesforce_Account"');
sync_all();
wait_until(sub { there(q{select to_regclass('"salesforce_Account"') is not null}) eq 't' }, 'an empty table is made anew');
all_idle();

# --- Another server has taken over ---------------------------------------------------------------------------------------
$first = last_run();
there(q{update _supaglue_syncs set adopted_at = now() + interval '1 day' where customer_id = 'c5' and object = 'Lead'});
sync_all();
wait_until(sub { query("select count(*) ${\ runs()}") eq $all }, 'all runs end');
is(query("select s.customer_id, s.object, r.status, r.error_message like 'another server has written%' from supaglue_internal.run_log r
	join supaglue.syncs s on s.id = r.sync_id where r.id > $first and r.status <> 'SUCCESS'"), 'c5|Lead|FAILURE|t', 'the one that must not go on does not');

$node->stop;
$remote->stop;
done_testing();
