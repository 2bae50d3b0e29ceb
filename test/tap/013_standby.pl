# A standby has no workers; when it is promoted it goes on where the primary was.
use strict;
use warnings;
use lib 'lib';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;

my $primary = new_node('primary', init => { allows_streaming => 1 });
my $simulator = new_simulator('--records', '5');
sync_salesforce($primary, $simulator, config => { period_ms => 3600000, strategy => 'full then incremental' });
is(wait_for_sync($primary, 'acme', 'Contact'), 'SUCCESS', 'the primary syncs');

$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
my $workers = "select count(*) from pg_stat_activity where backend_type like 'supaglue%'";
is($standby->safe_psql('postgres', $workers), '0', 'a standby has no workers');
my ($status, $out, $error) = $standby->psql('postgres', 'select supaglue.start_worker()');
like($error, qr/a standby has no workers/, 'and gets none by hand');

like(($standby->psql('postgres', 'select * from supaglue.read_events()'))[2], qr/not read on a standby/,
	'it cannot know which events are about to commit, and says so');
is($standby->safe_psql('postgres', "select cause from supaglue.why('acme')"), 'this server is a standby: its primary syncs',
	'why() does, too');

$simulator->control('insert', { org => 'acme', object => 'Contact', records => [ { LastName => 'New' } ] });
$primary->wait_for_catchup($standby);
$primary->stop;
$standby->promote;
wait_until(sub { $standby->safe_psql('postgres', $workers) eq '3' }, 'promoted, it has workers');
$standby->safe_psql('postgres', "select supaglue.trigger_sync(supaglue.sync_id('acme', 'salesforce', 'Contact'))");
is($standby->safe_psql('postgres', "select status || ' ' || strategy || ' ' || records_inserted from
	supaglue.wait_for_sync(supaglue.sync_id('acme', 'salesforce', 'Contact'))"), 'SUCCESS incremental 1',
	'and goes on from the watermark');
$standby->stop;

done_testing();
