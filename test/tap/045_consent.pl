# A callback while the provider thinks: a second one with its state, what others do meanwhile, a cancel,
# a shutdown; and connections that begin to sync, and go on, by a consent alone.
use strict;
use warnings;
use lib 'lib';

use IPC::Run ();
use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;

my $node = new_node('consent');
my $simulator = new_simulator('--records', 'Contact=5');
my $ids = sync_salesforce($node, $simulator, customers => [], config => { period_ms => 3600000, strategy => 'full then incremental' });

sub query { return $node->safe_psql('postgres', $_[0]) }

query(qq(select supaglue.update_provider($ids->{provider}, '{"config": {"oauth": {"redirect_uri": "https://app.example/callback"}}}')));
query("select supaglue.upsert_customer('acme')");

# A consent of the customer's, with a code that the simulator takes without its page: the statement of its callback.
sub begin_consent
{
	my ($org) = @_;
	my ($state) = query("select supaglue.oauth_connect_url('acme', 'salesforce', '/done')") =~ /[?&]state=([\w-]{43})(?:&|$)/;
	return qq(select outcome from supaglue.oauth_callback('{"state": "$state", "code": "$org:code"}'));
}

sub in_background
{
	my ($statement, $out, $err) = @_;
	return IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', $statement ],
		'<', \undef, '>', $out, '2>', $err);
}

sub hold_token
{
	my ($callback, $out, $err) = @_;
	$simulator->control('hold', { match => { kind => 'token' } });
	my $psql = in_background($callback, $out, $err);
	wait_until(sub { $simulator->ask('held')->{held} == 1 }, 'the exchange is held');
	return $psql;
}

# --- While a code is exchanged -----------------------------------------------------------------------
my ($out, $err) = ('', '');
my $callback = begin_consent('acme');
my $psql = hold_token($callback, \$out, \$err);
is(query("set statement_timeout = '20s'; $callback"), 'expired', 'a second callback with the state is told off at once');
query("set lock_timeout = '5s'; select supaglue.upsert_customer('acme', 'Acme');
	select supaglue.update_provider($ids->{provider}, '{\"config\": {\"oauth\": {\"oauth_scopes\": [\"api\"]}}}');
	select supaglue.oauth_connect_url('acme', 'salesforce', '/done')");
ok(1, 'nobody waits for it');
is(query("select count(*) from pg_locks where not granted"), '0', 'not a single lock');
$simulator->control('release');
$psql->finish;
is($out . $err, "connected\n", 'it connects');
is(wait_for_sync($node, 'acme', 'Contact'), 'SUCCESS', 'and the sync begins by itself');
is(query('select count(*) from supaglue_data."salesforce_Contact"'), '5', 'with its rows');
is(query($callback), 'expired', 'the state is spent');

# --- Cancelled: the state is as it was, and the server too ---------------------------------------------
($out, $err) = ('', '');
$callback = begin_consent('acme');
$psql = hold_token($callback, \$out, \$err);
is(query("select pg_cancel_backend(pid) from pg_stat_activity where query like '%oauth_callback%' and pid <> pg_backend_pid()"),
	't', 'a callback is cancelled');
$psql->finish;
like($err, qr/canceling statement due to user request/, 'at once, though the provider is silent');
$simulator->control('release');
is(query($callback), 'reconnected', 'its state can still be used');

# --- A refusal, and the consent that ends it ------------------------------------------------------------
$simulator->control('revoke', { org => 'acme' });
my $sync = query("select supaglue.sync_id('acme', 'salesforce', 'Contact')");
query("select supaglue.trigger_sync($sync)");
is(wait_for_sync($node, 'acme', 'Contact'), 'FAILURE', 'a grant that is taken back fails the run');
is(query("select status, paused_by::text from supaglue.connections, supaglue.syncs"), 'reauthorization_required|{authentication}',
	'and the customer has to connect again');
$simulator->control('insert', { org => 'acme', object => 'Contact', records => [ { LastName => 'New' } ] });
$simulator->control('revoke', { org => 'acme', revoked => JSON::PP::false() });
is(query(begin_consent('acme')), 'reconnected', 'the customer does');
wait_until(sub { query('select count(*) from supaglue_data."salesforce_Contact"') eq '6' }, 'the sync goes on');
is(query("select status, paused_by::text from supaglue.connections, supaglue.syncs"), 'active|{}', 'and the sync goes on');
is(query("select count(*) from supaglue.syncs where id = $sync"), '1', 'it is the same one');

# --- Another account: what the old one had goes, in one run ------------------------------------------------
query("select supaglue.oauth_connect_url('acme', 'salesforce', '/done')");
my ($state) = query(qq(select supaglue.oauth_connect_url('acme', 'salesforce', '/done', '{"replace_account": true}'))) =~ /state=([\w-]+)/;
is(query(qq(select outcome from supaglue.oauth_callback('{"state": "$state", "code": "other:code"}'))), 'reconnected', 'another account');
wait_until(sub { query('select count(*) filter (where _supaglue_is_deleted), count(*) from supaglue_data."salesforce_Contact"') eq '6|11' },
	'the rows are those of the other account');
ok(1, 'the rows are those of the other account');

# --- A server that stops does not wait for the provider -----------------------------------------------------
$psql = hold_token(begin_consent('other'), \$out, \$err);
$node->stop('fast');
$psql->finish;
ok(1, 'a shutdown ends a callback');

my $log = slurp_file($node->logfile);
unlike($log, qr/!AQ|"verifier"/, 'the log holds no secret of ours');

done_testing();
