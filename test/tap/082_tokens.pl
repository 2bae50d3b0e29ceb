# Tokens over their life: refused now and then, kept alive while nobody uses them, ended at the provider when their
# connection is deleted.
use strict;
use warnings;
use lib 'lib';

use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;

my $node = new_node('tokens');
my $simulator = new_simulator('--records', 'Contact=5,contacts=3');
my $ids = sync_salesforce($node, $simulator, customers => [ 'acme', 'globex' ], config => { period_ms => 3600000 });
sub query { return $node->safe_psql('postgres', $_[0]) }
my $acme = $ids->{connection}{acme};
my $sync = query("select supaglue.sync_id('acme', 'salesforce', 'Contact')");
is(wait_for_sync($node, $_, 'Contact'), 'SUCCESS', "$_ is read") foreach qw(acme globex);

sub refuse
{
	my ($times) = @_;
	$simulator->control('expire_tokens');
	$simulator->control('fault', { match => { kind => 'token' }, kind => 'status', status => 400, times => $times,
			body => { error => 'invalid_grant', error_description => 'expired access/refresh token' } });
	return;
}
sub events { return query("select count(*) from supaglue.events where kind = 'connection.reauthorization_required'") }

# --- Refused twice, then granted --------------------------------------------------------------------------------
refuse(2);
query("select supaglue.trigger_sync($sync)");
wait_until(sub { query("select status || ': ' || status_reason from supaglue.connections where id = $acme") =~ /^degraded: .*expired access/ },
	'after a refusal the connection is degraded');
is(wait_for_sync($node, 'acme', 'Contact'), 'SUCCESS', 'the fetcher asks again, and is granted');
is(query("select status, status_reason from supaglue.connections where id = $acme"), 'active|', 'the connection is active again');
is(events(), '0', 'nobody was told to connect again');

refuse(2);
is(query("select success from supaglue.test_connection($acme)"), 't', 'a backend asks again, too');
is(query("select status from supaglue.connections where id = $acme"), 'active', 'and leaves the connection active');
is(query("select count(*) from supaglue.sync_runs where status = 'FAILURE'"), '0', 'no run has failed');

# --- Three times ------------------------------------------------------------------------------------------------
refuse(3);
$simulator->control('reset_counters');
query("select supaglue.trigger_sync($sync)");
is(wait_for_sync($node, 'acme', 'Contact'), 'FAILURE', 'the third refusal is final');
is($simulator->counters->{token}, 3, 'after three requests');
is(query("select status from supaglue.connections where id = $acme"), 'reauthorization_required', 'the customer must connect again');
is(events(), '1', 'which is told once');
refuse(1);
is(query("select success from supaglue.test_connection($acme)"), 'f', 'what is known to be lost is asked for once only');
$simulator->control('clear_faults');
is(query("select success from supaglue.test_connection($acme)"), 't', 'until it is granted');

# --- Unused ones ------------------------------------------------------------------------------------------------
my $globex = $ids->{connection}{globex};
query("select supaglue.pause_sync(supaglue.sync_id('globex', 'salesforce', 'Contact'))");
query("update supaglue_internal.tokens set refreshed_at = now() - case connection_id when $globex then interval '8 days' else '6 days' end");
$simulator->control('reset_counters');
$node->restart;
wait_until(sub { query("select token_refreshed_at > now() - interval '1 hour' from supaglue.connections where id = $globex") eq 't' },
	'a refresh token that nobody has used for a week is used');
is($simulator->counters->{token}, 1, 'and only that');

# --- Ended at the provider --------------------------------------------------------------------------------------
# Whether Salesforce still takes a refresh token.
sub is_alive
{
	my ($token) = @_;
	my $answer = $simulator->{http}->post_form($simulator->url . '/services/oauth2/token',
		{ grant_type => 'refresh_token', client_id => 'client', client_secret => 'secret', refresh_token => $token });
	return $answer->{status} == 200;
}
sub revoked { wait_until(sub { query("select count(*) from supaglue.erasures where what = 'token'") eq '0' }, 'the provider was told'); return }
query("begin; select supaglue.delete_connection($acme); rollback");
ok(is_alive('acme'), 'a rollback leaves a token alive');
$simulator->control('fault', { match => { path_contains => '/revoke' }, kind => 'status', status => 503, times => 1 });
query("select supaglue.delete_connection($acme)");
wait_until(sub { query("select attempts = 1 and last_error like '%503%' from supaglue.erasures where what = 'token'") =~ /^(t|)$/ }, 'it is tried');
revoked();
ok(!is_alive('acme'), 'the token of a deleted connection is ended, though not at the first try');
query("select supaglue.delete_connection($globex, revoke => false)");
is(query("select count(*) from supaglue.erasures"), '0', 'unless that is not wanted');
ok(is_alive('globex'), 'then it lives on');

# The provider knows nothing of it, or will not: that is all that can be done.
query(q(select supaglue.create_connection('{"customer_id": "acme", "provider_name": "salesforce", "credentials": {"refresh_token": "acme:2"}}')));
$simulator->control('fault', { match => { path_contains => '/revoke' }, kind => 'status', status => 400, body => { error => 'unsupported_token_type' } });
query("select supaglue.delete_connection(id) from supaglue.connections");
revoked();
like(slurp_file($node->logfile), qr/WARNING: .*the token of a deleted connection to "salesforce" was not revoked/, 'a refusal stands in the log');

# A token that is in use again is spared: some providers give the same one twice.
my $document = q('{"customer_id": "acme", "provider_name": "salesforce", "credentials": {"refresh_token": "acme:3"}}');
query("select supaglue.create_connection($document)");
query("begin; select supaglue.delete_connection(id) from supaglue.connections; select supaglue.create_connection($document); commit");
revoked();
ok(is_alive('acme:3'), 'a token that another connection has is not ended');
query("select supaglue.erase_customer('acme')");
revoked();
ok(!is_alive('acme:3'), 'erase_customer() ends it');

# HubSpot, where the app says who it is.
my $hubspot = sync_hubspot($node, $simulator, destination => $ids->{destination}, customers => ['hooli'], standard => ['contact'],
	config => { period_ms => 3600000 });
is(wait_for_sync($node, 'hooli', 'hubspot/standard/contact'), 'SUCCESS', 'hubspot is read');
query("select supaglue.delete_connection($hubspot->{connection}{hooli}, erase => true)");
revoked();
my $answer = $simulator->{http}->post_form($simulator->url . '/oauth/v3/token',
	{ grant_type => 'refresh_token', client_id => 'client', client_secret => 'secret', refresh_token => 'hooli' });
is($answer->{status}, 400, 'the token at hubspot is ended');
is(query("select count(*) from supaglue_data.hubspot_contact"), '0', 'and its rows are erased');

unlike(join("\n", grep { !/statement: / } split /\n/, slurp_file($node->logfile)), qr/acme:\d/, 'no token stands in the log');
$node->stop;
done_testing();
