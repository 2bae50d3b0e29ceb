# why(): more than twenty things that go wrong, each really made to, and the answer: the cause, the provider's words, and
# what to do, which is done in the end and helps.
use strict;
use warnings;
use lib 'lib';

use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;

my $node = new_node('node', conf => "supaglue.request_timeout = '5s'");
my $simulator = new_simulator('--records', '25', '--page-size', '10');
sub query { return $node->safe_psql('postgres', join '', @_) }
sub sync { my ($customer, $object) = @_; return query("select supaglue.sync_id('$customer', 'salesforce', '$object')") }

# --- What is configured: one object for each thing that goes wrong here, one customer for each that does there ----------
my $hour = { period_ms => 3600000, strategy => 'full then incremental', auto_start_on_connection => JSON::PP::false };
query(q(select supaglue.create_schema('{"name": "deal", "config": {"fields": [{"name": "revenue", "type": "numeric"}]}}');
	select supaglue.create_entity('{"name": "thing", "config": {"fields": [{"name": "size"}]}}')));
sub fault
{
	my ($org, $kind, $status, $body, %headers) = @_;
	return $simulator->control('fault', { match => { org => $org, kind => $kind }, times => -1, kind => 'status', status => $status,
		body => $body, headers => \%headers });
}
sub refusal { my ($code) = @_; return qq([{"errorCode": "$code", "message": "words of the provider"}]) }
my @customers = qw(well revoked app forbidden gone quota limit down garbage rejects slow moved waits);
sync_salesforce($node, $simulator, customers => \@customers, config => $hour, custom => ['Ghost__c'], entities => ['thing'],
	standard => [ 'Contact', { object => 'Opportunity', schema => 'deal' } ]);
query("create role app; grant usage on schema supaglue to app; grant execute on all functions in schema supaglue to app;
	grant usage on foreign data wrapper supaglue to app; grant create on database postgres to app; create schema app authorization app;
	grant usage, create on schema supaglue_live to app; grant usage on foreign server supaglue_salesforce to app");
sub sync_into
{
	my ($destination, $object, $credentials) = @_;
	query("select supaglue.create_destination('" . to_json({ name => $destination, %$credentials }) . "')");
	return $node->psql('postgres', "set client_min_messages = error; set role app; select supaglue.create_sync_config('" . to_json({ name => $destination, provider_name => 'salesforce',
		destination_name => $destination, default_config => $hour, standard_objects => [ { object => $object } ] }) . "')", on_error_die => 1);
}
sync_into('away', 'Account', { credentials => { host => '127.0.0.1', port => 9, database => 'x', user => 'x', password => 'hidden' } });
sync_into('keyless', 'Lead', { schema => 'app' });
sync_into('denied', 'Case', { schema => 'app2' });
sync_into('dropped', 'User', { schema => 'app3' });
query('drop table app."salesforce_Lead"; create table app."salesforce_Lead" (id text); alter table app."salesforce_Lead" owner to app;
	alter table app2."salesforce_Case" owner to postgres; drop schema app3 cascade; revoke create on database postgres from app');

# --- What goes wrong at the provider --------------------------------------------------------------------------------------
$simulator->control('revoke', { org => 'revoked' });
fault('app', 'token', 400, '{"error": "invalid_client", "error_description": "words of the provider"}');
fault('forbidden', 'query', 403, refusal('INSUFFICIENT_ACCESS'));
fault('quota', 'query', 429, '', 'Retry-After' => '7200');
fault('limit', 'query', 403, refusal('REQUEST_LIMIT_EXCEEDED'));
fault('down', 'query', 503, 'words of the provider', 'Retry-After' => '7200');
fault('garbage', 'query', 200, '<html>');
fault('rejects', 'query', 200, '{"totalSize": 25, "done": true, "records": [' . join(',', ('{"LastName": "Nobody"}') x 25) . ']}');
$simulator->control('hold', { match => { org => 'slow', kind => 'query' } });

query("select supaglue.set_field_mappings('well', 'salesforce', '{\"standard\": {\"Opportunity\": {\"revenue\": \"Nothing__c\"}}}')");
query("select supaglue.resume_sync(id) from supaglue.syncs where object = 'Contact' and customer_id <> 'waits' or customer_id = 'well'");
is(wait_for_sync($node, 'gone', 'Contact'), 'SUCCESS', 'one has the object');
$simulator->control('remove_object', { org => 'gone', object => 'Contact' });
query("select supaglue.trigger_sync(${\ sync('gone', 'Contact')})");
query("select supaglue.pause_sync(${\ sync('moved', 'Contact')}, 'moving house')");

# --- The answers ------------------------------------------------------------------------------------------------------------
my %ids = map { $_ => query("select id from supaglue.connections where customer_id = '$_'") } @customers;
my $provider = query('select id from supaglue.providers');
# [arguments, cause, provider_says, what_to_do]; state and next_attempt_at where they matter.
sub answers
{
	my ($arguments, $state, $cause, $says, $what, $more) = @_;
	my $title = ref $cause ? $arguments : "$arguments: $cause";
	my $row = "select coalesce(state, '') || '|' || cause || '|' || coalesce(provider_says, '') || '|' || what_to_do || '|' || ("
	  . ($more // 'true') . ")::text from supaglue.why($arguments)";
	my @got;
	eval { wait_until(sub { @got = split /\|/, query($row), 5; @got == 5 && $got[0] eq $state && $got[1] =~ $cause && $got[4] eq 'true' }, $title, 20); };
	ok(!$@, $title) or diag(query("select * from supaglue.why($arguments)"));
	like($got[2], $says, '... with the words') if defined $says;
	like($got[3], $what, '... and what to do');
	return;
}
sub call { my ($function, $id) = @_; return qr/SELECT supaglue\.$function\($id\b/ }
my $id = sub { return sync($_[0], $_[1] // 'Contact') };
my $pending = 'next_attempt_at > now() and since <= now()';
my $stuck = 'next_attempt_at is null and since <= now()';

# No sync to ask.
answers("'nobody'", '', qr/customer 'nobody' is not known$/, qr/^$/, qr/SELECT supaglue\.upsert_customer\('nobody'\)/);
answers("'well', application_id => 'other'", '', qr/not known in application other, but in "?default/, qr/^$/, qr/application_id/);
query("select supaglue.upsert_customer('lonely')");
answers("'lonely'", '', qr/customer 'lonely' has no connection$/, qr/^$/, qr/oauth_connect_url\('lonely', <provider>/);
answers("'lonely', 'salesforce'", '', qr/no connection to salesforce/, qr/^$/, qr/oauth_connect_url\('lonely', 'salesforce'/);
answers("'well', 'pipedrive'", '', qr/provider 'pipedrive' is not configured/, qr/^$/, qr/create_provider\('\{"name": "pipedrive"/);
answers("'well', 'salesforce', 'Product2'", '', qr/no sync config has the object "Product2"/, qr/^$/, qr/update_sync_config\(1/);
query("select supaglue.create_provider('" . to_json({ name => 'hubspot', config => { oauth => { credentials => { client_id => 'a', client_secret => 'hidden' } } } }) . "');
	select supaglue.create_connection('{\"customer_id\": \"lonely\", \"provider_name\": \"hubspot\", \"credentials\": {\"refresh_token\": \"hidden\"}}')");
answers("'lonely', 'hubspot'", '', qr/nothing of hubspot is synced/, qr/^$/, qr/create_sync_config\('\{"provider_name": "hubspot"/);

# The provider.
answers("'well', null, 'contact'", 'idle', qr/^up to date$/, qr/^$/, qr/^nothing$/, 'behind < \'1 hour\' and next_attempt_at > now()');
answers("'revoked', null, 'Contact'", 'paused', qr/does not accept the customer's credentials/, qr/refused to refresh.*expired/,
	qr/oauth_connect_url\('revoked', 'salesforce'.*update_connection\($ids{revoked},/, $stuck);
answers("'app', null, 'Contact'", 'paused', qr/refuses your own app/, qr/words of the provider/, qr/update_provider\($provider,/, $stuck);
answers("'forbidden', null, 'Contact'", 'paused', qr/forbids it/, qr/words of the provider/, call('materialize', $id->('forbidden')), $stuck);
answers("'gone', null, 'Contact'", 'paused', qr/no more/, qr/does not have this object|INVALID_TYPE/, call('materialize', $id->('gone')),
	"$stuck and data_through is not null");
answers("'well', null, 'Ghost'", 'unavailable', qr/does not have this object/, qr/404|NOT_FOUND/, call('trigger_sync', $id->('well', 'Ghost__c')), $pending);
answers("'quota', null, 'Contact'", 'waiting', qr/limit of requests/, qr/429/, qr/^nothing/, "next_attempt_at > now() + interval '110 min'");
answers("'limit', null, 'Contact'", 'waiting', qr/limit of requests/, qr/words of the provider/, qr/period_ms/, $pending);
answers("'down', null, 'Contact'", 'waiting', qr/down, slow/, qr/503/, call('trigger_sync', $id->('down')), "next_attempt_at > now() + interval '110 min'");
answers("'garbage', null, 'Contact'", 'waiting', qr/makes no sense/, qr/not the JSON/, qr/ask the provider/, 'since <= now()');
answers("'rejects', null, 'Contact'", 'waiting', qr/records cannot be used/, qr/25 of 25/, qr/sync_rejects WHERE sync_id = ${\ $id->('rejects')}/, 'since <= now()');
answers("'slow', null, 'Contact'", 'running', qr/a run reads: 0 records/, qr/^$/, call('pause_sync', $id->('slow')), $stuck);

# People, and what they configured.
answers("'moved', null, 'Contact'", 'paused', qr/paused by a user: moving house/, qr/^$/, call('resume_sync', $id->('moved')));
answers("'waits', null, 'Contact'", 'paused', qr/^not started: auto_start_on_connection is false/, qr/^$/, call('resume_sync', $id->('waits')));
answers("'well', null, 'thing'", 'unavailable', qr/entity is not mapped/, undef, qr/set_entity_mapping\('thing', 'salesforce', .* 'well'\)/, $pending);
answers("'well', null, 'Opportunity'", 'idle', qr/mapping is broken: .*revenue/, qr/^$/,
	qr/set_field_mappings\('well', 'salesforce', '\{"standard": \{"Opportunity"/, 'behind < \'1 hour\'');

# Destinations.
my %config = map { split /\|/ } split /\n/, query('select name, id from supaglue.sync_configs');
my $away = query("select id from supaglue.destinations where name = 'away'");
answers("'well', null, 'Account'", 'waiting', qr/the destination away refuses or is away/, qr/refused/, qr/supaglue\.test_destination\($away\)/, $pending);
answers("'well', null, 'Lead'", 'waiting', qr/the table refuses/, qr/has no primary key/, call('destination_ddl', $config{keyless}));
answers("'well', null, 'Case'", 'waiting', qr/the table refuses/, qr/permission denied/, call('destination_ddl', $config{denied}));
answers("'well', null, 'User'", 'waiting', qr/the table refuses/, qr/permission denied/, call('destination_ddl', $config{dropped}));
$simulator->control('update', { org => 'well', object => 'Opportunity', where => 'Id != null', set => { NextStep => 'call' } });
my $session = $node->background_psql('postgres');
$session->query_safe('begin; lock supaglue_data."salesforce_Opportunity" in share mode');
query("select supaglue.trigger_sync(${\ sync('well', 'Opportunity')})");
answers("'well', null, 'Opportunity'", 'running', qr/fetched, and being written to the table/, undef, qr/somebody may hold a lock/);
$session->query_safe('rollback');
$session->quit;

# What is set by hand here.
query("update supaglue_internal.syncs set paused_by = '{quarantine}', last_error = 'words of the destination' where id = ${\ $id->('waits', 'Ghost__c')}");
answers("'waits', null, 'Ghost__c'", 'quarantined', qr/^given up/, qr/words of the destination/, call('resume_sync', $id->('waits', 'Ghost__c')), 'next_attempt_at is null');

# All of a customer's, what is worst first; never a secret.
is(query("select string_agg(object, ' ') from supaglue.why('moved')") =~ tr/ //, query("select count(*) - 1 from supaglue.syncs where customer_id = 'moved'"),
	'all syncs of a customer, when no object is named');
wait_until(sub { query("select string_agg(split_part(cause, ' ', 1), ' ') from supaglue.why('well')") =~ /^the entity .* a up$|^the .* up$/ }, 'the worst comes first', 20);
pass('what is worst comes first');
unlike(query("select w from supaglue.customers c, supaglue.why(c.customer_id) w"), qr/hidden/, 'no secret is told');

is(query("select string_agg(customer_id || ' ' || status, ', ' order by customer_id) from supaglue.connections
	where status <> 'active' and customer_id <> 'slow'"), # whose request may have timed out by now
	join(', ', map { "$_ " . ($_ =~ /app|revoked/ ? 'reauthorization_required' : 'degraded') } qw(app down forbidden garbage gone rejects revoked)),
	'the view of connections tells it in a word');
like(query("select status_reason from supaglue.connections where customer_id = 'forbidden'"), qr/^Contact: .*words of the provider/, '... and the reason');

is(query("set role app; select count(*) from supaglue.why('moved')"), '8', 'a role that may call it needs no other right');

# --- The whole database ----------------------------------------------------------------------------------------------------
$node->safe_psql('template1', 'create database copy template postgres');
is($node->safe_psql('copy', "select count(*), min(cause), min(what_to_do), count(next_attempt_at) from supaglue.why('well')"),
	'8|this database is a copy of the one that the syncs belong to|if the original syncs no more: SELECT supaglue.adopt_database()|0', 'a copy');
is($node->safe_psql('copy', "select supaglue.adopt_database(); select distinct cause from supaglue.why('moved')"),
	"\nno worker serves this database", 'a database that no worker serves');
like($node->safe_psql('copy', "select what_to_do from supaglue.why('moved') limit 1"), qr/supaglue\.start_worker\(\).*copy in supaglue\.database \(now: postgres\)/,
	'... and what to do');
# Copying a database ends its workers, and others take their places. It is stopped while it rests: in the midst of something
# it might have a lock of the server's own, and nobody would go on.
my $fetcher = wait_until(sub { query("select pid from pg_stat_activity where backend_type = 'supaglue fetcher' and state = 'idle'
	and wait_event_type = 'Extension' and state_change < now() - interval '200 ms'") }, 'a fetcher rests again');
kill 'STOP', $fetcher;
query("update supaglue_internal.syncs set next_run_at = now() - interval '1 hour' where id = ${\ sync('well', 'Contact')}");
answers("'well', null, 'Contact'", 'idle', qr/^late: it is due/, undef, qr/worker_status/, 'since < now() - interval \'59 min\'');
kill 'CONT', $fetcher;
query('alter system set supaglue.enabled = off');
$node->reload;
answers("'moved', null, 'Contact'", 'paused', qr/supaglue.enabled is off/, undef, qr/ALTER SYSTEM SET supaglue\.enabled = on/);
query('alter system reset supaglue.enabled');
$node->reload;

# --- What it says is done, and helps -----------------------------------------------------------------------------------------
$simulator->control('clear_faults');
$simulator->control('release');
$simulator->control('revoke', { org => 'revoked', revoked => JSON::PP::false });
$simulator->control('add_object', { org => 'gone', object => 'Contact', fields => [ { name => 'LastName', type => 'string' } ] });
query("select supaglue.update_provider($provider, '{\"config\": {\"oauth\": {\"credentials\": {\"client_secret\": \"new\"}}}}');
	select supaglue.update_connection($ids{revoked}, '{\"credentials\": {\"refresh_token\": \"revoked:new\"}}')");
query("select supaglue.materialize(${\ $id->($_)})") foreach 'forbidden', 'gone';
query("select supaglue.trigger_sync(${\ $id->($_)})") foreach 'quota', 'limit', 'down', 'garbage', 'rejects';
query("select supaglue.resume_sync(${\ $id->($_)})") foreach 'moved', 'waits';
foreach my $customer (@customers)
{
	wait_until(sub { query("select cause from supaglue.why('$customer', null, 'Contact')") eq 'up to date' }, "$customer is up to date", 30);
	pass("$customer: up to date again");
}
$node->stop;
done_testing();
