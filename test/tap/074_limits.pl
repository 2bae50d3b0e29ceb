# Limits: whatever a provider answers for ever, it is asked seldom; what it tells of its limits is obeyed, and who has to wait
# says so and stands in nobody's way.
use strict;
use warnings;
use lib 'lib';

use JSON::PP ();
use POSIX ();
use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;
use Time::HiRes qw(time);

my $node = new_node('node', conf => "supaglue.request_timeout = '2s'\nsupaglue.max_response_bytes = '8MB'");
my $simulator = new_simulator('--records', 'Contact=100,contacts=250', '--page-size', '10');
my $url = $simulator->url;
sub query { return $node->safe_psql('postgres', $_[0]) }
sub requests { return $simulator->counters->{orgs}{ $_[0] }{requests} // 0 }
sub sync { my ($customer, $object) = @_; return "supaglue.sync_id('$customer', 'salesforce', '" . ($object // 'Contact') . "')" }

# --- For ever --------------------------------------------------------------------------------------------------------
sub status
{
	my ($kind, $status, $body, %headers) = @_;
	return { kind => 'status', match => { kind => $kind }, status => $status, body => $body // '', headers => \%headers };
}
sub empty { return qq({"totalSize": 100, "done": false, "records": [], "nextRecordsUrl": "/org/%s/services/data/v62.0/query/$_[0]"}) }
sub listed { return qq({"results": [], "paging": {"next": {"after": "$_[0]"}}}) }
my $past = POSIX::strftime('%a, %d %b %Y %H:%M:%S GMT', gmtime(time - 7200));
my $token_again = qq({"access_token": "never", "instance_url": "$url/org/%s"});

# customer => [most requests in twenty seconds, fault...]. A run that fails by a single answer costs two or three; one that tries
# again, seven; and failures are farther and farther apart.
my %salesforce = (
	s429 => [ 60, status('query', 429) ],
	s429_zero => [ 60, status('query', 429, '', 'Retry-After' => '0') ],
	s429_past => [ 60, status('query', 429, '', 'Retry-After' => $past) ],
	s429_nonsense => [ 60, status('query', 429, '', 'Retry-After' => 'soon') ],
	s429_hours => [ 5, status('query', 429, '', 'Retry-After' => '7200') ],
	s403_quota => [ 20, status('query', 403, '[{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}]') ],
	s503 => [ 60, status('query', 503) ],
	s503_hours => [ 5, status('query', 503, '', 'Retry-After' => '7200') ],
	s503_describe => [ 60, status('describe', 503) ],
	sgarbage => [ 60, { kind => 'garbage', match => { kind => 'query' } } ],
	sredirect => [ 60, status('query', 302, '', 'Location' => "$url/org/sredirect/services/data/v62.0/query") ],
	sempty => [ 250, status('query', 200, empty('a-0')), status('query_more', 200, empty('a-{n}')) ],
	ssame => [ 60, status('query', 200, empty('a-0')), status('query_more', 200, empty('a-1')) ],
	s401 => [ 20, status('query', 401, '[{"errorCode": "INVALID_SESSION_ID", "message": "Session expired or invalid"}]') ],
	s304 => [ 60, status('query', 304) ],
	s304_describe => [ 60, status('describe', 304) ],
	sbulk => [ 60, status('query', 200, '{"totalSize": 50000, "done": false, "records": [], "nextRecordsUrl": "/org/%s/services/data/v62.0/query/b-0"}') ],
	token429 => [ 60, status('token', 429) ],
	token429_zero => [ 60, status('token', 429, '', 'Retry-After' => '0') ],
	token429_hours => [ 3, status('token', 429, '', 'Retry-After' => '7200') ],
	token503 => [ 60, status('token', 503) ],
	token_garbage => [ 60, { kind => 'garbage', match => { kind => 'token' } } ],
	token_refused => [ 10, status('token', 400, '{"error": "invalid_grant"}') ],
	token_redirect => [ 60, status('token', 302, '', 'Location' => "$url/services/oauth2/token") ],
	token_304 => [ 60, status('token', 304) ],
	token_no_good => [ 20, status('token', 200, $token_again) ],
);
my %hubspot = (
	h429 => [ 60, status('list', 429) ],
	h429_daily => [ 20, status('list', 429, '{"policyName": "DAILY", "message": "You have reached your daily limit."}') ],
	h503 => [ 60, status('list', 503) ],
	hgarbage => [ 60, { kind => 'garbage', match => { kind => 'list' } } ],
	hempty => [ 250, status('list', 200, listed('{n}')) ],
	hsame => [ 60, status('list', 200, listed('7')) ],
	hitself => [ 60, status('list', 200, '{"results": [{"id": "1"}], "paging": {"next": {"after": "1"}}}') ],
	h304 => [ 60, status('list', 304) ],
	htoken => [ 60, status('token', 503) ],
);
my $config = { period_ms => 1000, strategy => 'full then incremental', auto_start_on_connection => JSON::PP::false };
my $ids = sync_salesforce($node, $simulator, customers => [ sort(keys %salesforce), qw(reserve midway well parked) ],
	standard => [ 'Contact', 'Lead' ], config => $config);
sync_hubspot($node, $simulator, customers => [ sort keys %hubspot ], destination => $ids->{destination}, standard => ['contact'], config => $config);
my %most = (%salesforce, %hubspot);
foreach my $customer (sort keys %most)
{
	my ($most, @faults) = @{ $most{$customer} };
	foreach my $fault (@faults)
	{
		my %fault = (%$fault, times => -1, match => { %{ $fault->{match} }, org => $customer });
		$fault{match}{provider} = $hubspot{$customer} ? 'hubspot' : 'salesforce';
		$fault{body} = $fault{body} =~ s/%s/$customer/r if $fault{body};
		$simulator->control('fault', \%fault);
	}
}
$simulator->control('bulk', { org => 'sbulk', ms => 3600000 });
$simulator->control('reset_counters');
query("select supaglue.resume_sync(id) from supaglue.syncs where object <> 'Lead' and customer_id not in ('reserve', 'midway', 'well', 'parked')");
my $start = time;
wait_until(sub { time > $start + 20 }, 'twenty seconds pass');
my $counters = $simulator->counters->{orgs};
foreach my $customer (sort keys %most)
{
	my $asked = $counters->{$customer}{requests} // 0;
	cmp_ok($asked, '>', 0, "$customer: is asked");
	cmp_ok($asked, '<=', $most{$customer}[0], "$customer: is asked seldom, for ever");
}
foreach my $customer (qw(sempty ssame hempty hsame hitself))
{
	is(query("select distinct last_error_class from supaglue.syncs where customer_id = '$customer' and object <> 'Lead'"), 'provider',
		"$customer: a list that does not go on is the provider's error");
}
is(query("select state from supaglue.syncs where id = " . sync('sbulk')), 'running', 'sbulk: waits for the job');
query("select supaglue.pause_sync(id) from supaglue.syncs where customer_id not in ('reserve', 'midway', 'well', 'parked')");
$simulator->control('clear_faults');

# --- The reserve: of the customer's quota a fifth is left to others ---------------------------------------------------------
my $known = "select used, quota, reserve, remaining, parked_until > now(), parked_for from supaglue.rate_limits where customer_id = ";
query("select supaglue.resume_sync(" . sync('well') . ")");
is(wait_for_sync($node, 'well', 'Contact'), 'SUCCESS', 'a connection that is well');
wait_until(sub { query("${known}'well'") =~ /^\d+\|100000\|20000\|\d+\|\|$/ }, 'what its provider tells stands in rate_limits', 20);
pass('what a provider tells stands in rate_limits');

$simulator->control('usage', { org => 'reserve', used => 900, limit => 1000 });
query("select supaglue.resume_sync(" . sync('reserve') . ")");
wait_until(sub { query("select waiting_for from supaglue.syncs where id = " . sync('reserve')) eq 'quota' }, 'it waits for quota', 20);
is(query("select state, last_error_class, waiting_until > now(), waiting_until < now() + interval '16 min', last_error ~ 'nearly reached: 90. of 1000'
	from supaglue.syncs where id = " . sync('reserve')), 'waiting|quota|t|t|t', 'a sync over the reserve says what it waits for, and until when');
wait_until(sub { query("${known}'reserve'") =~ /^90\d\|1000\|200\|9\d\|t\|quota$/ }, 'so does rate_limits', 20);
pass('so does rate_limits');
my $before = requests('reserve');
query("select supaglue.resume_sync(" . sync('reserve', 'Lead') . ")");
wait_until(sub { query("select waiting_for from supaglue.syncs where id = " . sync('reserve', 'Lead')) eq 'quota' }, 'another sync of the connection waits, too', 20);
is(query("select last_run_id is null and state = 'waiting' from supaglue.syncs where id = " . sync('reserve', 'Lead')), 't',
	'another sync of the connection waits without a run');
cmp_ok(requests('reserve') - $before, '<=', 2, 'and costs nothing');
$simulator->control('usage', { org => 'reserve', used => 10, limit => 1000 });
is(query("select status from supaglue.wait_for_sync(" . sync('reserve') . ", '60 s')"), 'SUCCESS', 'when there is quota again the run goes on');
wait_until(sub { query("select count(*) from supaglue.syncs where customer_id = 'reserve' and last_success_at is not null
	and last_error is null and waiting_for is null") eq '2' }, 'all is well', 60);
pass('and all is well');

# In the middle of a run: it keeps what it has read, and is not begun anew.
$simulator->control('usage', { org => 'midway', used => 75, limit => 100 });
$simulator->control('reset_counters');
query("select supaglue.resume_sync(" . sync('midway') . ")");
wait_until(sub { query("select waiting_for from supaglue.syncs where id = " . sync('midway')) eq 'quota' }, 'a run waits', 20);
like(query("select status, records_read from supaglue.sync_runs where sync_id = " . sync('midway')), qr/^IN_PROGRESS\|[1-9]0$/, 'a run waits in the middle');
$node->restart;
wait_until(sub { query("select count(*) from supaglue.syncs where state = 'waiting' and waiting_for = 'quota' and id = " . sync('midway')) eq '1' },
	'it does so after a restart', 20);
$simulator->control('usage', { org => 'midway', used => 0, limit => 100000 });
is(query("select status, records_read from supaglue.wait_for_sync(" . sync('midway') . ", '90 s')"), 'SUCCESS|100', 'and goes on where it stood');
cmp_ok($simulator->counters->{orgs}{midway}{query}, '<=', 2, 'not from the beginning');

# --- A connection that is parked ----------------------------------------------------------------------------------------------
query("select supaglue.resume_sync(id) from supaglue.syncs where customer_id = 'parked'");
is(wait_for_sync($node, 'parked', $_), 'SUCCESS', "parked: $_") foreach qw(Contact Lead);
$simulator->control('fault', { kind => 'status', status => 429, headers => { 'Retry-After' => '7200' }, match => { org => 'parked', kind => 'query' } });
wait_until(sub { query("select count(*) from supaglue.syncs where customer_id = 'parked' and waiting_for = 'quota'
	and waiting_until > now() + interval '110 min'") eq '2' }, 'one refusal makes all syncs of its connection wait', 30);
pass('one refusal makes all syncs of its connection wait');
$before = requests('parked');
my $others = query("select last_run_id from supaglue.syncs where id = " . sync('well'));
$node->restart;
wait_until(sub { query("select last_run_id >= $others + 3 from supaglue.syncs where id = " . sync('well')) eq 't' }, 'others go on', 30);
is(requests('parked'), $before, 'it is asked nothing, after a restart, too');
is(query("select parked_for, parked_until > now() + interval '110 min' from supaglue.rate_limits where customer_id = 'parked'"), 'quota|t',
	'and rate_limits says so');
# Somebody who asks for a run wants to see.
query("select supaglue.trigger_sync(" . sync('parked') . ")");
is(query("select status from supaglue.wait_for_sync(" . sync('parked') . ", '30 s')"), 'SUCCESS', 'a run that is asked for is made all the same');
wait_until(sub { query("select parked_until is null from supaglue.rate_limits where customer_id = 'parked'") eq 't' }, 'which ends the waiting', 20);
pass('which ends the waiting');
# New credentials do not wait for what the old ones were told.
$simulator->control('fault', { kind => 'status', status => 429, headers => { 'Retry-After' => '7200' }, match => { org => 'parked', kind => 'query' } });
wait_until(sub { query("select count(*) from supaglue.syncs where customer_id = 'parked' and waiting_for = 'quota'
	and waiting_until > now() + interval '110 min'") eq '2' }, 'all syncs of the connection wait again', 30);
query("select supaglue.update_connection($ids->{connection}{parked}, '{\"credentials\": {\"refresh_token\": \"parked\"}}')");
wait_until(sub { query("select count(*) from supaglue.syncs where customer_id = 'parked' and waiting_for is null and last_error is null") eq '2' },
	'new credentials end the waiting', 30);
wait_until(sub { query("select parked_until is null from supaglue.rate_limits where customer_id = 'parked'") eq 't' }, 'and rate_limits says so', 20);
pass('new credentials end the waiting, and rate_limits says so');
$node->stop;
done_testing();
