# Live reading across processes: a refresh is single flight and outlives whoever waits for it, a
# cancel is immediate, and nothing of ours needs to be preloaded.
use strict;
use warnings;
use lib 'lib';

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;
use Time::HiRes qw(time);

my $paused = { period_ms => 3600000, strategy => 'full then incremental', auto_start_on_connection => JSON::PP::false() };
my $simulator = new_simulator('--records', '5', '--rotate', 'strict');
my $node = new_node('live', preload => 0, init => { allows_streaming => 1 });
sync_salesforce($node, $simulator, config => $paused, customers => [ 'acme', 'globex' ]);
my $scan = q{select count(*) from supaglue_live."salesforce_Contact" where _supaglue_customer_id = 'acme'};
is($node->safe_psql('postgres', $scan), '5', 'reads without preload');

# A psql of its own in the background, that runs one statement.
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
sub held { return $simulator->ask('held')->{held} }
sub activity { return $node->safe_psql('postgres', "select $_[0] from pg_stat_activity where $_[1]") }
sub tokens { return $simulator->counters->{orgs}{acme}{token} }
my $keepers = "backend_type = 'supaglue token keeper'";
my $background = "application_name = 'background' and backend_type = 'client backend'";

# Many need a new token at once: one process asks for it, the others find it.
$simulator->control('expire_tokens');
$simulator->control('reset_counters');
$simulator->control('hold', { match => { kind => 'token' } });
my @sessions = map { background($scan) } 1 .. 4;
wait_until(sub { held() == 1 && activity('count(*)', $keepers) == 4 }, 'four keepers wait');
is(activity('count(*)', "$keepers and (xact_start is not null or backend_xmin is not null or backend_xid is not null)"),
	'0', 'a keeper that waits has no transaction');
is(held(), 1, 'one of them asks the provider');
$simulator->control('release');
is(finish($_), "5\n", 'each reads') foreach @sessions;
is(tokens(), 1, 'one refresh for all');
is($simulator->counters->{refresh_reuse}, 0, 'no refresh token was used twice');

# Cancelled while the keeper waits for the provider: at once; the new token is kept nevertheless.
$simulator->control('expire_tokens');
$simulator->control('reset_counters');
$simulator->control('hold', { match => { kind => 'token' } });
my $session = background($scan);
wait_until(sub { held() == 1 }, 'the keeper asks');
my $start = time;
activity('pg_cancel_backend(pid)', $background);
like(finish($session), qr/ERROR:  57014/, 'cancelled in a refresh');
cmp_ok(time - $start, '<', 2, 'at once');
is(activity('count(*)', $keepers), '1', 'the keeper goes on');
$simulator->control('release');
wait_until(sub { activity('count(*)', $keepers) eq '0' }, 'the keeper ends');
is($node->safe_psql('postgres', $scan), '5', 'reads');
is(tokens(), 1, 'with the token that the keeper has kept');

# Cancelled in a request of the scan; terminated; and statement_timeout.
foreach my $way ([ 'pg_cancel_backend', qr/ERROR:  57014/ ], [ 'pg_terminate_backend', qr/57P01/ ])
{
	$simulator->control('hold', { match => { kind => 'query' } });
	$session = background($scan);
	wait_until(sub { held() == 1 }, 'the scan asks');
	$start = time;
	activity("$way->[0](pid)", $background);
	like(finish($session), $way->[1], $way->[0]);
	cmp_ok(time - $start, '<', 2, 'at once');
	$simulator->control('release');
}
$simulator->control('hold', { match => { kind => 'query' } });
my (undef, $out, $err) = $node->psql('postgres', "set statement_timeout = '200ms'; $scan");
like($err, qr/statement timeout/, 'statement_timeout');
$simulator->control('release');

# The same backend goes on after an error in the middle.
is($node->psql('postgres', "set statement_timeout = '200ms'; $scan", on_error_stop => 0), 0, 'reads again');

# A provider that is slow and one that is down for a moment.
$simulator->control('fault', { match => { kind => 'query' }, kind => 'status', status => 503, headers => { 'Retry-After' => '0' } });
is($node->safe_psql('postgres', $scan), '5', 'tries again after a 503');
$simulator->control('fault', { match => { kind => 'query' }, kind => 'cut' });
is($node->safe_psql('postgres', $scan), '5', 'tries again after a cut answer');
$simulator->control('fault', { match => { kind => 'token' }, kind => 'status', status => 503 });
$simulator->control('expire_tokens');
is($node->safe_psql('postgres', $scan), '5', 'the keeper tries again, too');

# The rule for addresses holds for the keeper as well.
$node->append_conf('postgresql.conf', 'supaglue.allow_private_networks = off');
$node->reload;
$simulator->control('expire_tokens');
(undef, $out, $err) = $node->psql('postgres', $scan);
like($err, qr/allow_private_networks/, 'loopback is a private network');
$node->append_conf('postgresql.conf', 'supaglue.allow_private_networks = on');
$node->reload;
is($node->safe_psql('postgres', $scan), '5', 'allowed again');

# On a standby a token can be used, not refreshed.
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
is($standby->safe_psql('postgres', $scan), '5', 'a standby reads');
$simulator->control('expire_tokens');
(undef, $out, $err) = $standby->psql('postgres', "\\set VERBOSITY verbose\n$scan");
like($err, qr/55000.*must be refreshed/, 'and cannot refresh');
is($node->safe_psql('postgres', $scan), '5', 'the primary can');
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', $scan), '5', 'and the standby has it from there');
$standby->stop;

# No process is free.
$node->append_conf('postgresql.conf', 'max_worker_processes = 0');
$node->restart;
$simulator->control('expire_tokens');
(undef, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$scan");
like($err, qr/53000.*HINT:.*max_worker_processes/s, 'says what to raise');
$node->stop;

done_testing();
