# A sync that is due while others have all places says that it waits for one.
use strict;
use warnings;
use lib 'lib';

use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;

# Of one place; who merely waits for an answer gives up his, but a connection has one run then.
my $node = new_node('node', conf => 'supaglue.fetch_concurrency = 1');
my $simulator = new_simulator('--records', 'Contact=3,Lead=3');
sub query { return $node->safe_psql('postgres', $_[0]) }

$simulator->control('hold', { match => { kind => 'query' } });
sync_salesforce($node, $simulator, standard => [ 'Contact', 'Lead' ], config => { period_ms => 3600000, strategy => 'full then incremental' });
wait_until(sub { query("select count(*) from supaglue.syncs where waiting_for = 'slot'") eq '1' }, 'one of two syncs waits for a place');
is(query("select string_agg(state || ' ' || coalesce(waiting_for, '-') || ' ' || (waiting_until is null), ', ' order by state) from supaglue.syncs"),
	'running - true, waiting slot true', 'one of two syncs waits for a place, and nobody knows for how long');
is(query("select cause from supaglue.why('acme') where state = 'waiting'"), 'other syncs have all places: it waits for one', 'why() says so');
$simulator->control('release');
wait_until(sub { query("select count(*) from supaglue.syncs where last_success_at is not null and waiting_for is null and state = 'idle'") eq '2' },
	'both have run, and wait no more');
pass('both have run, and wait no more');
$node->stop;
done_testing();
