# Large answers are kept in the spool as the provider compressed them, and taken apart when they are merged: what is wrong
# with them then shows as it would have before, and a fetcher that is killed goes on behind them.
use strict;
use warnings;
use lib 'lib';

use JSON::PP ();
use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;

my $node = new_node('node', conf => 'restart_after_crash = on');
my $simulator = new_simulator('--records', 'Contact=3000', '--page-size', '1000');
sub query { return $node->safe_psql('postgres', $_[0]) }
my @of = (org => 'acme', object => 'Contact');
$simulator->control('bulk', { org => 'acme', unsupported => ['Contact'] });
sync_salesforce($node, $simulator, config => { period_ms => 3600000, strategy => 'full then incremental',
	auto_start_on_connection => JSON::PP::false });
my $sync = query("select supaglue.sync_id('acme', 'salesforce', 'Contact')");
query("select supaglue.resume_sync($sync)");
query("select supaglue.wait_for_sync($sync)");
is(untrue($node, $simulator, @of[ 1, 3 ]), 0, 'the first run left the truth');

my $round = 0;
sub change { $round++; $simulator->control('update', { @of, where => 'LastName != null', set => { Title => "round $round" } }); return }
sub edit { my ($find, $put) = @_; $simulator->control('fault', { match => { org => 'acme', kind => 'query_more' }, kind => 'edit', times => -1, find => $find, body => $put }); return }
sub mend { $simulator->control('clear_faults', {}); return }
sub run
{
	query("select supaglue.trigger_sync($sync)");
	return query("select concat_ws(' ', status, strategy, records_read, records_updated, records_rejected, error_class, error_message)
		from supaglue.wait_for_sync($sync)");
}
sub newest { return query(qq{select count(*) from supaglue_data."salesforce_Contact" where _supaglue_raw_data->>'Title' = 'round $round'}) }

# --- What lies in the spool, and a fetcher that is killed -----------------------------------------------------------------
change();
$simulator->control('hold', { match => { @of, kind => 'query_more', path_contains => '-2000' } });
query("select supaglue.trigger_sync($sync)");
wait_until(sub { $simulator->ask('held')->{held} > 0 && query("select coalesce(max(pages), 0) from supaglue_internal.runs") == 2 }, 'two pages are kept');
is(query(q{select count(*) filter (where substr(packed, 1, 1) = 'A'), count(*) from supaglue_internal.spool
	where fetch_id = (select fetch_id from supaglue_internal.runs)}), '1|2', 'as they came, but for the first, which decides whether a job reads the rest');
my $asked = $simulator->counters->{query};
query("select pg_terminate_backend(pid, 10000) from pg_stat_activity where backend_type = 'supaglue fetcher'");
$simulator->control('release', {});
is(query("select status || ' ' || records_read || ' ' || records_updated from supaglue.wait_for_sync($sync)"), 'SUCCESS 3000 3000', 'the run goes on');
is($simulator->counters->{query}, $asked, 'where it was');
is(newest(), '3000', 'with all records');

# --- What is wrong within --------------------------------------------------------------------------------------------------
change();
edit('"records":[', '"records":[17,');
is(run(), 'SUCCESS incremental 3002 3000 2', 'what is no record is rejected');
is(newest(), '3000', 'and nothing else');

change();
mend();
edit('"LastName":"', '"LastName":"a\u0000b\ud800c');
like(run(), qr/^SUCCESS incremental 3000 3000 0$/, 'a text that no column can hold');
is(query(q{select count(*) from supaglue_data."salesforce_Contact" where _supaglue_raw_data->>'LastName' like E'a\uFFFDb\uFFFDc%'}), '2', 'is kept as near as can be');

change();
mend();
edit('"IsDeleted":false', '"IsDeleted":fals');
like(run(), qr/^FAILURE incremental .* provider the answer of salesforce is not the JSON that was expected/, 'a record that is no JSON ends the run, in words');
is(newest(), '0', 'of which nothing is there');
is(query("select paused_by from supaglue.syncs where id = $sync"), '{}', 'the sync goes on with its next run');
mend();
wait_until(sub { newest() eq '3000' }, 'the next run has all');
is(untrue($node, $simulator, @of[ 1, 3 ]), 0, 'and leaves the truth');

done_testing();
