# Several mergers take of the runs that wait, each what no other has: that one merges a run does not count as a try of the
# others', which would end in its quarantine.
use strict;
use warnings;
use lib 'lib';

use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;

my $node = new_node('node', conf => "supaglue.merge_workers = 6\nfsync = off");
my $simulator = new_simulator('--records', 'Contact=1');
my @customers = map { "c$_" } 1 .. 40;
sync_salesforce($node, $simulator, customers => \@customers, config => { period_ms => 1000, strategy => 'full only' });

# Runs of so few records that the mergers are always about to take the next one.
wait_until(sub { $node->safe_psql('postgres', "select count(*) from supaglue.sync_runs where status <> 'IN_PROGRESS'") >= 800 },
	'they have run many times');
is($node->safe_psql('postgres', "select string_agg(distinct error_message, '; ') from supaglue.sync_runs where status = 'FAILURE'"), '',
	'all of them well');

$node->stop;
done_testing();
