# Runs that found nothing are ended together: each leaves what a run leaves, none hides that its table lost rows, and a table
# that somebody locks holds up no other.
use strict;
use warnings;
use lib 'lib';

use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;

my $node = new_node('node');
my $simulator = new_simulator('--records', 'Contact=5,Lead=5,Account=0');
my $customers = 10;
my @customers = map { "c$_" } 1 .. $customers;

sub query { return $node->safe_psql('postgres', $_[0]) }
sub sync_all { query("select supaglue.trigger_sync(id) from supaglue.syncs") }
sub all_idle { wait_until(sub { query("select count(*) from supaglue.syncs where state not in ('idle', 'failing')") eq '0' }, 'all have run') }
sub last_run { return query('select coalesce(max(id), 0) from supaglue_internal.run_log') }

sync_salesforce($node, $simulator, customers => \@customers, standard => [ 'Contact', 'Lead', 'Account' ],
	config => { period_ms => 3600000, strategy => 'full then incremental' });
wait_until(sub { query("select count(*) from supaglue.syncs where last_success_at is null") eq '0' }, 'all are synced');

# --- Together, and each as if alone -----------------------------------------------------------------------------------
# The merger stands before the log of runs until all are fetched; only what it had taken up before it ends apart.
my $first = last_run();
my $holder = $node->background_psql('postgres');
$holder->query_safe('begin; lock supaglue_internal.run_log in share mode');
sync_all();
wait_until(sub { query("select count(*) from supaglue_internal.runs where stage = 'merge'") eq 3 * $customers }, 'all wait to be merged');
$holder->query_safe('commit');
all_idle();
my $runs = "from supaglue_internal.run_log where id > $first";
is(query("select count(*), count(distinct sync_id), min(strategy), max(status), sum(records_read), min(reason), min(requests) $runs"),
	3 * $customers . '|' . 3 * $customers . '|incremental|SUCCESS|0|manual|1', 'each run stands in the log, with its one request');
cmp_ok(query("select count(distinct xmin::text) $runs"), '<=', 3, 'and all were written by very few transactions');
is(query("select count(*), count(distinct sync_id) from supaglue.events e where kind = 'sync.complete' and run_id > $first
	and payload ->> 'result' = 'SUCCESS' and (payload ->> 'num_records_synced')::int = 0"), 3 * $customers . '|' . 3 * $customers, 'each is told');
is(query("select count(*) from supaglue_internal.syncs s join supaglue_internal.run_log r on r.id = s.last_run_id
	where r.id > $first and s.phase = 'incremental' and s.emitted_at = r.emitted_at and s.watermark > r.started_at - interval '1 hour'
		and s.next_run_at > now() and s.incrementals_since_full = 1"), 3 * $customers, 'and each sync has moved on');
is(query('select count(*) from supaglue_internal.runs'), '0', 'no lease is left');

# --- Rows that are gone --------------------------------------------------------------------------------------------------
query(q{delete from supaglue_data."salesforce_Contact" where _supaglue_customer_id = 'c3'});
$first = last_run();
sync_all();
wait_until(sub { query(q{select count(*) from supaglue_data."salesforce_Contact" where _supaglue_customer_id = 'c3'}) eq '5' },
	'a table that lost a customer is read anew');
all_idle();
is(query("select status, error_message like '%lost the rows%' $runs and status = 'FAILURE'") , 'FAILURE|t', 'its run says why');
is(query("select count(*) from supaglue_internal.run_log where id > $first and status = 'SUCCESS' and strategy = 'incremental'"),
	3 * $customers - 1, 'the others end as ever');

# A table that never had a row is there after a run, too.
query('drop table supaglue_data."salesforce_Account"');
sync_all();
wait_until(sub { query(q{select to_regclass('supaglue_data."salesforce_Account"') is not null}) eq 't' }, 'an empty table is made anew');
pass('an empty table that was dropped is made anew');
all_idle();

# --- A table that is locked --------------------------------------------------------------------------------------------------
$first = last_run();
$holder->query_safe('begin; lock supaglue_data."salesforce_Contact" in access exclusive mode');
sync_all();
my $leads = "from supaglue_internal.run_log r join supaglue.syncs s on s.id = r.sync_id and s.object = 'Lead' where r.id > $first";
wait_until(sub { query("select count(*) $leads") eq $customers }, 'the other table\'s runs end meanwhile');
pass('runs of another table end meanwhile');
$holder->query_safe('commit');
$holder->quit;
wait_until(sub { query("select count(*) from supaglue_internal.run_log where id > $first and status = 'SUCCESS'") eq 3 * $customers },
	'its own end when it is free');
pass('its own end when it is free');
$node->stop;
done_testing();
