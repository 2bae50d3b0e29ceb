# Fairness: a customer with very many records, and a provider that hangs, delay nobody else.
use strict;
use warnings;
use lib 'lib';

use JSON::PP ();
use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;
use Time::HiRes qw(time);

my $records = $ENV{SUPAGLUE_TEST_RECORDS} || 60_000;
my $node = new_node('node', conf => "supaglue.fetch_concurrency = 8\nsupaglue.merge_workers = 2\nsupaglue.request_timeout = '60s'");
my $simulator = new_simulator('--records', 'Contact=3');
my $large = new_simulator('--records', "Contact=$records", '--latency-ms', '30');
my $hung = new_simulator('--records', 'contacts=3');
my @others = map { "other$_" } 1 .. 20;
my @hanging = map { "hung$_" } 1 .. 12;
sub query { return $node->safe_psql('postgres', $_[0]) }

$hung->control('hold', { match => { provider => 'hubspot' } });
my $config = { period_ms => 1000, strategy => 'full then incremental', auto_start_on_connection => JSON::PP::false };
my $ids = sync_salesforce($node, $simulator, customers => \@others, config => $config);
sync_hubspot($node, $hung, customers => \@hanging, destination => $ids->{destination}, standard => ['contact'], config => $config);
query("select supaglue.upsert_customer('large'); select supaglue.create_connection('" . to_json({ customer_id => 'large',
	provider_name => 'salesforce', login_url => $large->url, credentials => { refresh_token => 'large' } }) . "')");

# First those who are in the way, and then everybody.
query("select supaglue.resume_sync(id) from supaglue.syncs where customer_id = 'large' or provider_name = 'hubspot'");
wait_until(sub { $hung->ask('held')->{held} >= 4 }, 'a provider hangs', 60);
cmp_ok($hung->ask('held')->{held}, '<', 8, 'and has not taken every slot');
query("select supaglue.resume_sync(id) from supaglue.syncs where customer_id like 'other%'");
my $start = time;
my $large_sync = "supaglue.sync_id('large', 'salesforce', 'Contact')";
wait_until(sub { time > $start + 30 && query("select last_success_at is not null from supaglue.syncs where id = $large_sync") eq 't' },
	'the large one is through, too', 600);
diag(sprintf '%d records in %.1f s', $records, time - $start);

# A run is due by its next second after the last one ended, so a gap of 1 s is no delay.
my $runs = "select r.status, r.started_at - lag(r.finished_at) over (partition by r.sync_id order by r.id) as gap, r.finished_at - r.started_at as length
	from supaglue.sync_runs r join supaglue.syncs s on s.id = r.sync_id where s.customer_id like 'other%' and r.finished_at is not null";
my ($count, $gap, $length, $longest) = split /\|/, query("select count(*),
	extract(epoch from percentile_disc(0.99) within group (order by gap)), extract(epoch from percentile_disc(0.99) within group (order by length)),
	extract(epoch from max(length)) from ($runs) r");
diag("$count runs of others: 99 % began within $gap s after the one before, and took $length s (at most $longest s)");
cmp_ok($count, '>', 20 * 5, 'the others are synced all the while');
# Where others use the machine, too, everything takes so much longer.
my ($load, $cores) = ((split ' ', slurp_file('/proc/loadavg'))[0], scalar(() = slurp_file('/proc/cpuinfo') =~ /^processor/mg) || 1);
my $slack = $load > $cores ? $load / $cores : 1;
cmp_ok($gap, '<', 1 + 2 * $slack, 'and begin within two seconds of when they are due');
cmp_ok($length, '<', 10 * $slack, 'and end soon');
is(query("select count(*) from ($runs) r where status <> 'SUCCESS'"), '0', 'all of them well');
is(query("select count(*) from supaglue.syncs where provider_name = 'hubspot' and last_success_at is not null"), '0', 'the other provider hangs to the end');
is(query(qq(select count(*) from supaglue_data."salesforce_Contact" where _supaglue_customer_id = 'large')), $records, 'every record of the large one');

# --- Of several that wait to be merged the small ones go first -----------------------------------------------------------------
query("select supaglue.pause_sync(id) from supaglue.syncs");
$node->append_conf('postgresql.conf', "supaglue.merge_workers = 1\nsupaglue.lock_timeout = '120s'");
$node->reload;
wait_until(sub { query("select count(*) from pg_stat_activity where backend_type = 'supaglue merger'") eq '1' }, 'there is one merger', 30);
wait_until(sub { query('select count(*) from supaglue_internal.runs') eq '0' }, 'nothing runs', 60);
my $locker = $node->background_psql('postgres');
$locker->query_safe(q(begin; lock table supaglue_data."salesforce_Contact" in access exclusive mode));
my $ready = sub { my ($customer) = @_; query("select supaglue.trigger_sync(supaglue.sync_id('$customer', 'salesforce', 'Contact'), true)");
	wait_until(sub { query("select count(*) from supaglue_internal.runs r join supaglue.syncs s on s.id = r.sync_id
		where s.customer_id = '$customer' and r.stage = 'merge'") eq '1' }, "$customer is to be merged", 120) };
$ready->($_) foreach qw(other1 large other2 other3);
$locker->query_safe('commit');
$locker->quit;
wait_until(sub { query("select count(*) from supaglue_internal.runs") eq '0' }, 'all are merged', 120);
is(query("select string_agg(customer_id, ' ' order by finished_at) from (select distinct on (r.sync_id) s.customer_id, r.finished_at
	from supaglue.sync_runs r join supaglue.syncs s on s.id = r.sync_id where s.customer_id in ('other1', 'other2', 'other3', 'large')
	order by r.sync_id, r.id desc) r"), 'other1 other2 other3 large', 'a large run stands back for small ones');
$node->stop;
done_testing();
