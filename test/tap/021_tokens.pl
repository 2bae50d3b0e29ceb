# New credentials that come while the old ones are being refused: the refusal says nothing of them.
use strict;
use warnings;
use lib 'lib';

use IPC::Run ();
use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;

my $node = new_node('tokens');
my $simulator = new_simulator('--records', 'Contact=5');
my $ids = sync_salesforce($node, $simulator, config => { period_ms => 3600000, strategy => 'full then incremental' });
my $connection = $ids->{connection}{acme};

sub query { return $node->safe_psql('postgres', $_[0]) }

# Lets the next refresh be refused, gives new credentials before it is, and calls back what goes on then.
sub refused_meanwhile
{
	my ($number, $begin) = @_;
	$simulator->control('expire_tokens');
	$simulator->control('fault', { match => { kind => 'token' }, kind => 'status', status => 400,
			body => { error => 'invalid_grant', error_description => 'expired access/refresh token' } });
	$simulator->control('hold', { match => { kind => 'token' } });
	$begin->();
	wait_until(sub { $simulator->ask('held')->{held} == 1 }, 'the refresh is held');
	query(qq(select supaglue.update_connection($connection, '{"credentials": {"refresh_token": "acme:$number"}}')));
	$simulator->control('release');
	return;
}

sub nothing_is_lost
{
	my ($what) = @_;
	is(query("select status from supaglue.connections"), 'active', "$what: the connection is active");
	is(query("select count(*) from supaglue.events where kind = 'connection.reauthorization_required'"), '0',
		"$what: and nothing was said against it");
	is(query("select paused_by::text from supaglue.syncs"), '{}', "$what: nor against its sync");
	return;
}

is(wait_for_sync($node, 'acme', 'Contact'), 'SUCCESS', 'it is read');
my $sync = query("select supaglue.sync_id('acme', 'salesforce', 'Contact')");
refused_meanwhile(1, sub { query("select supaglue.trigger_sync($sync)") });
is(wait_for_sync($node, 'acme', 'Contact'), 'SUCCESS', 'the fetcher goes on with the new credentials');
nothing_is_lost('fetcher');

my ($out, $psql) = ('');
refused_meanwhile(2, sub { $psql = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c',
			"select success from supaglue.test_connection($connection)" ], '<', \undef, '>', \$out) });
$psql->finish;
is($out, "t\n", 'a backend goes on with the new credentials');
nothing_is_lost('backend');

# Refused for good, and then again not: the workers begin by themselves.
$simulator->control('revoke', { org => 'acme' });
query("select supaglue.trigger_sync($sync)");
is(wait_for_sync($node, 'acme', 'Contact'), 'FAILURE', 'a grant that is taken back fails the run');
is(query("select paused_by::text from supaglue.syncs"), '{authentication}', 'and pauses the sync');
$simulator->control('revoke', { org => 'acme', revoked => JSON::PP::false() });
is(query("select success from supaglue.test_connection($connection)"), 't', 'a test finds that it is granted again');
wait_until(sub { query("select last_error is null and paused_by = '{}' from supaglue.syncs") eq 't' }, 'the sync goes on');
ok(1, 'and the sync goes on');

$node->stop;
done_testing();
