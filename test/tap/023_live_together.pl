# Live scans wait for several customers at once: within one scan, and across the branches of an Append. What is
# proved is that the requests are under way together, never how long it took.
use strict;
use warnings;
use lib 'lib';

use IPC::Run ();
use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;
use Time::HiRes qw(time);

my @customers = map { "customer$_" } 1 .. 6;
my $node = new_node('together', preload => 0);
my $simulator = new_simulator('--records', '1,Contact=5', '--page-size', '2');
sync_salesforce($node, $simulator, customers => \@customers,
	config => { period_ms => 3600000, strategy => 'full then incremental', auto_start_on_connection => JSON::PP::false() });
sub query { return $node->safe_psql('postgres', $_[0]) }
sub held { return $simulator->ask('held')->{held} }

sub background
{
	my ($statement) = @_;
	my $session = { out => '', err => '' };
	$session->{harness} = IPC::Run::start(
		[ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('postgres') . ' application_name=background', '-c', $statement ],
		'<', \undef, '>', \$session->{out}, '2>', \$session->{err});
	return $session;
}
sub finish { my ($session) = @_; $session->{harness}->finish; return $session->{out} . $session->{err} }

# --- One scan of several customers -------------------------------------------------------------------
my $all = 'select count(id) from supaglue_live."salesforce_Contact"';
is(query($all), '30', 'all customers are read');
$simulator->control('hold', { match => { kind => 'query' } });
my $session = background($all);
wait_until(sub { held() == @customers }, 'every customer is asked before any has answered');
ok(1, 'every customer is asked before any has answered');
$simulator->control('release');
is(finish($session), "30\n", 'and all answer');
$simulator->control('hold', { match => { kind => 'query' } });
$session = background('select count(*) from supaglue_live."salesforce_Contact"');
wait_until(sub { held() == @customers }, 'counts are asked for together');
$simulator->control('release');
is(finish($session), "30\n", 'counts are asked for together, and added up');
$simulator->control('hold', { match => { kind => 'query_more' } });
$session = background($all);
wait_until(sub { held() == @customers }, 'the second pages, too');
$simulator->control('release');
is(finish($session), "30\n", 'the second pages, too');

# --- Branches of an Append ----------------------------------------------------------------------------
query(join ';', map {
	qq{create foreign table $_ (id text, last_name text options (field 'LastName')) server supaglue_salesforce options (object 'Contact', customer '$_')}
} @customers);
my $union = join(' union all ', map { "select id, last_name from $_" } @customers);
my $plan = query("explain (costs off) $union");
is(() = $plan =~ /Async Foreign Scan/g, 6, 'the branches are asynchronous');
$simulator->control('hold', { match => { kind => 'query' } });
$session = background("select count(last_name) from ($union) u");
wait_until(sub { held() == @customers }, 'every branch has asked');
$simulator->control('release');
is(finish($session), "30\n", 'every branch has asked before any answered');
my $cost = query("explain (analyze, verbose, costs off) $union");
is(() = $cost =~ /Requests: 4\n\s+Rows fetched: 5\n\s+Bytes received: [1-9]/g, 6, 'EXPLAIN ANALYZE tells what each cost');
is(query("set enable_async_append = off; select count(*) from ($union) u"), '30', 'the same one after the other');

# Whichever has rows gives them: one customer's answer is held back, the others' rows come.
$simulator->control('hold', { match => { kind => 'query', org => 'customer1' } });
is(query("begin; declare c cursor for select * from ($union) u; fetch forward 25 from c; commit") =~ tr/\n//, 24, 'nobody waits for the slowest');
wait_until(sub { held() >= 1 }, 'it was asked');
$simulator->control('release');

# Cancelled while all branches wait: at once.
$simulator->control('hold', { match => { kind => 'query' } });
$session = background($union);
wait_until(sub { held() == @customers }, 'all branches wait');
my $start = time;
query("select pg_cancel_backend(pid) from pg_stat_activity where application_name = 'background' and backend_type = 'client backend'");
like(finish($session), qr/ERROR:  57014/, 'cancelled');
cmp_ok(time - $start, '<', 2, 'at once');
$simulator->control('release');

# A retry is due by the clock, not by the network.
$simulator->control('fault', { match => { kind => 'query' }, kind => 'status', status => 503, times => 6, headers => { 'Retry-After' => '0' } });
is(query("select count(*) from ($union) u"), '30', 'tries again');
# An error of one is the query's.
$simulator->control('fault', { match => { kind => 'query', org => 'customer3' }, kind => 'status', status => 403,
	body => '[{"errorCode": "INSUFFICIENT_ACCESS", "message": "not for you"}]' });
my (undef, undef, $err) = $node->psql('postgres', $union);
like($err, qr/not for you/, 'an error of one branch is the query\'s');

# Beside a local table, twice at once, and in the inner side of a join.
is(query("create table here as select id, last_name from customer1; select count(*) from ($union union all select * from here) u"), '35', 'beside a local table');
is(query("select count(*) from ($union) a join ($union) b using (id)"), '30', 'twice');
is(query("set enable_hashjoin = off; set enable_mergejoin = off; set enable_material = off;
	select count(*) from generate_series(1, 3) n, lateral (select id from ($union) u where n > 0) s"), '90', 'again and again');

is(query("select count(*) from here join customer1 using (id)"), '5', 'joined');

# --- More than are read at once, and nothing to read ---------------------------------------------------------
my $hurry = "set statement_timeout = '20s'; ";
is(query($hurry . q{select count(id) from supaglue_live."salesforce_Contact" where id in ('x', 'y')}), '0', 'what is no id is asked of nobody');
is(query($hurry . q{select count(id) from supaglue_live."salesforce_Contact" where id = any (array(select id from here) ||
	array(select '003' || lpad(n::text, 12, '0') || 'AAA' from generate_series(1, 400) n))}), '5', 'more ids than a request can hold');

$node->stop;
done_testing();
