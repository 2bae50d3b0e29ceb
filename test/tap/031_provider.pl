# A provider that misbehaves in every way at once, each customer's in its own: each run ends in the right class,
# nobody asks in a tight loop, nothing of a bad answer is stored, and when the provider is well again the
# tables are the truth.
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
my $simulator = new_simulator('--records', 'Contact=25', '--page-size', '10');
my $table = 'supaglue_data."salesforce_Contact"';
sub query { return $node->safe_psql('postgres', $_[0]) }

# --- Answers -----------------------------------------------------------------------------------------------------
sub status
{
	my ($kind, $status, $body, %headers) = @_;
	return { kind => 'status', match => { kind => $kind }, status => $status, body => $body // '', headers => \%headers };
}
sub refuses { my ($status, $code) = @_; return status('query', $status, qq([{"errorCode": "$code", "message": "words of the provider"}])) }
sub answers { return status('query', 200, $_[0]) }
sub records { return answers('{"totalSize": 1, "done": true, "records": [' . join(',', @_) . ']}') }
sub record { my ($id, $more) = @_; return qq({"Id": "003000000000$id", "IsDeleted": false, "SystemModstamp": "2024-01-01T00:00:00.000+0000"$more}) }
sub grants { return status('token', 200, $_[0]) }
sub breaks { my ($kind, $how, %more) = @_; return { kind => $how, match => { kind => $kind }, %more } }
my $url = $simulator->url;
my $elsewhere = 'http://127.0.0.1:9';
my $later = POSIX::strftime('%a, %d %b %Y %H:%M:%S GMT', gmtime(time + 7200));
my $more = '"totalSize": 100, "done": false, "records": []';

# name => [class, words of the message or state, fault...]
my %cases = (
	garbage => [ 'provider', qr/not the JSON/, breaks('query', 'garbage') ],
	garbage_describe => [ 'provider', qr/not the JSON/, breaks('describe', 'garbage') ],
	garbage_token => [ 'provider', qr/token answer/, breaks('token', 'garbage') ],
	cut => [ 'transient', qr/cut off/, breaks('query', 'cut') ],
	close => [ 'transient', qr/./, breaks('query', 'close') ],
	close_more => [ 'transient', qr/./, breaks('query_more', 'close') ],
	gzip => [ 'transient', qr/./, breaks('query', 'truncate_gzip') ],
	# On a slow machine the run is given up before the last of its requests.
	drip => [ 'transient', qr/in time|no progress/, breaks('query', 'drip', ms => 300) ],
	error500 => [ 'transient', qr/unavailable.*500/, status('query', 500, '<html><title>Oops</title></html>') ],
	error503 => [ 'transient', qr/503/, status('query', 503, '', 'Retry-After' => '7200') ],
	redirect => [ 'provider', qr/302/, status('query', 302, '', 'Location' => "$elsewhere/") ],
	redirect_home => [ 'provider', qr/307/, status('query', 307, '', 'Location' => "$url/org/redirect_home/services/data") ],
	no_content => [ 'provider', qr/not the JSON/, status('query', 204, '') ],
	not_modified => [ 'provider', qr/./, status('query', 304, '') ],
	quota_date => [ 'quota', qr/wait until/, status('query', 429, '', 'Retry-After' => $later) ],
	quota_hours => [ 'quota', qr/wait until/, status('query', 429, '', 'Retry-After' => '7200') ],
	quota_salesforce => [ 'quota', qr/words of the provider/, refuses(403, 'REQUEST_LIMIT_EXCEEDED') ],
	forbidden => [ 'permission', qr/words of the provider/, refuses(403, 'INSUFFICIENT_ACCESS') ],
	malformed => [ 'provider', qr/words of the provider/, refuses(400, 'MALFORMED_QUERY') ],
	unauthorized => [ 'authentication', qr/words of the provider/, refuses(401, 'INVALID_SESSION_ID') ],
	no_type => [ 'gone', qr/words of the provider/, refuses(400, 'INVALID_TYPE') ],
	no_field => [ 'gone', qr/words of the provider/, refuses(400, 'INVALID_FIELD') ],
	locator => [ 'provider', qr/words of the provider/, do { my $f = refuses(400, 'INVALID_QUERY_LOCATOR'); $f->{match}{kind} = 'query_more'; $f } ],
	nested_error => [ 'provider', qr/400/, status('query', 400, '[' x 200_000) ],
	empty_array => [ 'provider', qr/./, answers('[]') ],
	no_records => [ 'provider', qr/no "records"/, answers('{"totalSize": 0, "done": true}') ],
	null_records => [ 'provider', qr/./, answers('{"totalSize": 0, "done": true, "records": null}') ],
	no_done => [ 'provider', qr/no "done"/, answers('{"totalSize": 0, "records": []}') ],
	no_next => [ 'provider', qr/not where/, answers("{$more}") ],
	itself => [ 'provider', qr/read before/, answers("{$more, \"nextRecordsUrl\": \"/org/itself/services/data/v62.0/query/01g-10\"}"),
		status('query_more', 200, "{$more, \"nextRecordsUrl\": \"/org/itself/services/data/v62.0/query/01g-10\"}") ],
	circle => [ 'provider', qr/read before/, answers("{$more, \"nextRecordsUrl\": \"/org/circle/services/data/v62.0/query/a-10\"}"),
		{ %{ status('query_more', 200, "{$more, \"nextRecordsUrl\": \"/org/circle/services/data/v62.0/query/b-10\"}") },
			match => { path_contains => '/a-10' } },
		{ %{ status('query_more', 200, "{$more, \"nextRecordsUrl\": \"/org/circle/services/data/v62.0/query/a-10\"}") },
			match => { path_contains => '/b-10' } } ],
	elsewhere => [ 'provider', qr/another host/, answers("{$more, \"nextRecordsUrl\": \"$elsewhere/query/01g-10\"}") ],
	# A path on the provider's own host, however it looks.
	beside => [ 'gone', qr/404/, answers("{$more, \"nextRecordsUrl\": \"//127.0.0.1:9/query/01g-10\"}") ],
	deep => [ 'provider', qr/deep|damaged/, records(record('aaa', ', "Deep": ' . ('[' x 2000) . (']' x 2000))) ],
	no_ids => [ 'data', qr/25 of 25/, records(('{"LastName": "Nobody"}') x 25) ],
	too_large => [ 'provider', qr/too large/, records(record('aaa', ', "Description": "' . ('x' x 9_000_000) . '"')) ],
	token_refused => [ 'authentication', qr/refused to refresh/, status('token', 400, '{"error": "invalid_grant", "error_description": "expired"}') ],
	token_client => [ 'authentication', qr/app/, status('token', 400, '{"error": "invalid_client", "error_description": "who?"}') ],
	token_down => [ 'transient', qr/no token now/, status('token', 500, 'oops') ],
	token_none => [ 'provider', qr/no access token/, grants('{"instance_url": "' . $url . '"}') ],
	token_nowhere => [ 'authentication', qr/no usable token|address/, grants('{"access_token": "x"}') ],
	token_nonsense => [ 'provider', qr/not an http url/, grants('{"access_token": "x", "instance_url": "ftp://x/"}') ],
	token_elsewhere => [ 'transient', qr/could not be reached/, grants(qq({"access_token": "x", "instance_url": "$elsewhere"})) ],
	token_short => [ 'authentication', qr/./, grants(qq({"access_token": "x", "instance_url": "$url/org/token_short", "expires_in": 5})) ],
	describe_empty => [ 'gone', qr/no Id/, status('describe', 200, '{"fields": []}') ],
	describe_wide => [ 'gone', qr/No such column/, status('describe', 200, '{"fields": [' . join(',', '{"name": "Id", "type": "id"}',
		map { qq({"name": "AFieldWithARatherLongName$_", "type": "string"}) } 1 .. 1000) . ']}') ],
	huge_id => [ 'data', qr/./, records(map { '{"Id": "' . join('', map { chr(97 + rand 26) } 1 .. 9000) . '"}' } ('a' .. 'z')) ],
);


# Answers that are odd, once: the run ends well all the same, and is as the condition says.
my $p2 = '"totalSize": 2, "done": false, "nextRecordsUrl": "/org/%s/services/data/v62.0/query/p2"';
sub page_two { return { %{ $_[0] }, match => { path_contains => '/p2' } } }
my %odd = (
	once_429 => [ 'records_inserted = 25', status('query', 429, '', 'Retry-After' => '1') ],
	once_500 => [ 'records_inserted = 25', status('query', 500, 'oops') ],
	once_closed => [ 'records_inserted = 25', breaks('query_more', 'close') ],
	once_401 => [ 'records_inserted = 25', do { my $f = refuses(401, 'INVALID_SESSION_ID'); $f->{match}{kind} = 'query_more'; $f } ],
	once_lost => [ 'records_inserted = 25 and records_read = 25',
		do { my $f = refuses(400, 'INVALID_QUERY_LOCATOR'); $f->{match}{kind} = 'query_more'; $f } ],
	nul => [ "records_inserted = 1 and warnings::text like '%2 characters%' and
		(select raw->>'LastName' = E'a\\uFFFDb\\uFFFDc' from r)", records(record('nul', ', "LastName": "a\u0000b\ud800c"')) ],
	number => [ "records_inserted = 1 and (select (raw->'Amount')::numeric = 1e400 from r)",
		records(record('num', ', "Amount": 1e400')) ],
	huge_number => [ "records_inserted = 26 and records_rejected = 0 and (select bool_and(raw->>'Amount' = '1e200000') from r)",
		records(map { record("aa$_", ', "Amount": 1e200000') } ('a' .. 'z')) ],
	long => [ "records_inserted = 1 and (select length(raw->>'Description') = 3000000 from r)",
		records(record('lng', ', "Description": "' . ('x' x 3_000_000) . '"')) ],
	no_id => [ "records_inserted = 2 and records_rejected = 1 and exists (select from supaglue.sync_rejects j
		where j.run_id = run.id and reason = 'the record has no Id')", records(record('one', ''), '{"Name": "x"}', record('two', '')) ],
	twice => [ "records_inserted = 2 and records_read = 3 and (select raw->>'LastName' = 'new' from r where r.id like '%one')",
		answers(sprintf "{$p2, \"records\": [%s]}", 'twice', record('one', ', "LastName": "new"') =~ s/2024-/2025-/r),
		page_two(records(record('one', ', "LastName": "old"'), record('two', ''))) ],
	empty_page => [ 'records_inserted = 1', answers(sprintf "{$p2, \"records\": []}", 'empty_page'),
		page_two(records(record('one', ''))) ],
);

# --- All at once ---------------------------------------------------------------------------------------------------
sync_salesforce($node, $simulator, customers => [ sort(keys %cases, keys %odd) ],
	config => { period_ms => 1000, strategy => 'full then incremental', auto_start_on_connection => JSON::PP::false });
foreach my $name (keys %cases, keys %odd)
{
	my @faults = grep { ref eq 'HASH' } @{ $cases{$name} // $odd{$name} };
	foreach my $fault (@faults)
	{
		$simulator->control('fault', { %$fault, match => { org => $name, %{ $fault->{match} } }, times => $odd{$name} ? 1 : -1 });
	}
}
$simulator->control('reset_counters');
query('select supaglue.resume_sync(id) from supaglue.syncs');
my $start = time;
wait_until(sub { query("select count(*) from supaglue.syncs where last_run_id is null") eq '0' }, 'every run ends');
wait_until(sub { time > $start + 20 }, 'twenty seconds pass');
my $counters = $simulator->counters;
my $first = 'select distinct on (r.sync_id) r.*, s.customer_id from supaglue.sync_runs r join supaglue.syncs s on s.id = r.sync_id order by r.sync_id, r.id';
foreach my $name (sort keys %cases)
{
	my ($class, $words) = @{ $cases{$name} };
	my ($got, $message) = split /\|/, query("select error_class, error_message from ($first) r where customer_id = '$name'"), 2;
	is($got, $class, "$name: $class");
	like($message, $words, "$name: in words");
	cmp_ok($counters->{orgs}{$name}{requests}, '<', 150, "$name: no tight loop");
}
foreach my $name (sort keys %odd)
{
	is(query("with r as (select id, _supaglue_raw_data raw from $table where _supaglue_customer_id = '$name')
		select case when status = 'SUCCESS' and ($odd{$name}[0]) then 'as expected' else run::text end from ($first) run
		where customer_id = '$name'"), 'as expected', "$name: well");
}
is(query("select string_agg(distinct _supaglue_customer_id, ',') from $table where _supaglue_customer_id in ('"
	  . join("', '", keys %cases) . "')") , '', 'nothing is stored of answers that are no good');
is(query("select string_agg(customer_id || ': ' || coalesce(array_to_string(paused_by, ','), ''), ', ' order by customer_id)
	from supaglue.syncs where state = 'paused'"), 'forbidden: permission, token_client: authentication, token_nowhere: authentication, '
	  . 'token_refused: authentication, token_short: authentication, unauthorized: authentication', 'what needs a person waits for one');
is(query("select count(*) from supaglue.syncs where customer_id in ('quota_date', 'quota_hours', 'error503') and next_run_at > now() + interval '110 min'"),
	'3', 'a provider that asks for hours gets them');

# --- All is well again ----------------------------------------------------------------------------------------------
$simulator->control('clear_faults');
query(qq(select supaglue.update_connection(id, jsonb_build_object('credentials', jsonb_build_object('refresh_token', customer_id || ':new')))
	from supaglue.connections));
query("select supaglue.materialize(id) from supaglue.syncs where customer_id = 'forbidden'");
query('select supaglue.trigger_sync(id, true) from supaglue.syncs');
wait_until(sub { query("select count(*) from supaglue.syncs s where not exists (select from supaglue.sync_runs r
	where r.sync_id = s.id and r.status = 'SUCCESS' and r.strategy = 'full' and r.reason in ('manual', 'initial') and r.started_at > 'epoch')
	or s.state not in ('idle', 'running')") eq '0' }, 'every sync ends well');
wait_until(sub { query("select count(*) from supaglue.syncs where (select count(*) from $table
	where _supaglue_customer_id = customer_id and not _supaglue_is_deleted) <> 25") eq '0' }, 'every table is whole');
pass('every table is whole');
query('select supaglue.pause_sync(id) from supaglue.syncs');

# --- Clocks ---------------------------------------------------------------------------------------------------------
# What is stamped by a clock that is an hour ahead, or behind, or is put right meanwhile, is not lost.
my $clock = new_simulator('--records', 'Contact=5');
foreach my $offset (3600, -3600)
{
	my $customer = $offset > 0 ? 'ahead' : 'behind';
	my $sync = "supaglue.sync_id('$customer', 'salesforce', 'Contact')";
	my $change = sub {
		my ($title) = @_;
		$clock->control('update', { org => $customer, object => 'Contact', where => 'LastName != null', set => { Title => $title } });
		wait_until(sub { query("select count(*) from $table where _supaglue_customer_id = '$customer' and _supaglue_raw_data->>'Title' = '$title'")
			eq '5' }, "$customer: $title comes");
		pass("$customer: $title comes");
	};
	$clock->control('clock', { offset_seconds => $offset });
	query("select supaglue.upsert_customer('$customer'); select supaglue.create_connection('" . to_json({ customer_id => $customer,
		provider_name => 'salesforce', login_url => $clock->url, credentials => { refresh_token => $customer } }) . "')");
	query("select supaglue.resume_sync($sync)");
	is(wait_for_sync($node, $customer, 'Contact'), 'SUCCESS', "$customer: a clock that is off");
	$change->('by a clock that is off');
	$clock->control('clock', { offset_seconds => 0 });
	$change->('by a clock put right');
	$change->('by a clock that is right');
	is(query("select bool_and(strategy = 'incremental') from (select strategy from supaglue.sync_runs where sync_id = $sync order by id desc limit 1) r"),
		't', "$customer: and all goes on by what changed");
	query("select supaglue.pause_sync($sync)");
}
$node->stop;
done_testing();
