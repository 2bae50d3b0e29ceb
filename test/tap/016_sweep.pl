# Between two full runs a sweep reads no more than the ids that there are, and finds what is gone without a trace; it is
# beside the schedule, and moves no watermark.
use strict;
use warnings;
use lib 'lib';

use JSON::PP ();
use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;

my $node = new_node('node', conf => 'restart_after_crash = on');
my $simulator = new_simulator('--records', 'Contact=300', '--page-size', '100');
sub query { return $node->safe_psql('postgres', $_[0]) }
sub held { return $simulator->ask('held')->{held} }

my $config = { period_ms => 3600000, strategy => 'full then incremental' };
my $ids = sync_salesforce($node, $simulator, config => $config);
my $table = 'supaglue_data."salesforce_Contact"';
my $sync = query("select supaglue.sync_id('acme', 'salesforce', 'Contact')");
is(wait_for_sync($node, 'acme', 'Contact'), 'SUCCESS', 'the first run reads all');

# Makes a sync due for a sweep, which its sync config asks for.
my $every = 3600000;
sub make_due
{
	query("update supaglue_internal.syncs set next_run_at = now(), last_full_at = now() - interval '2 hours',
		last_sweep_at = last_sweep_at - interval '2 hours' where id = $sync");
	query(sprintf q{select supaglue.update_sync_config(%d, '{"default_config": {"sweep_every_ms": %d}}')}, $ids->{sync_config}, ++$every);
}
sub newest_sweep
{
	return query("select concat_ws(' ', status, strategy, records_read, records_inserted, records_updated, records_unchanged, records_deleted,
		nullif(array_to_string(warnings, ';'), '')) from supaglue.sync_runs where sync_id = $sync and reason = 'sweep' order by id desc limit 1");
}
# The sweep, and the incremental run that follows it as the schedule has it.
sub sweep
{
	my $last = query("select last_run_id from supaglue.syncs where id = $sync");
	make_due();
	wait_until(sub { query("select count(*) from supaglue.sync_runs where sync_id = $sync and id > $last and status <> 'IN_PROGRESS'") >= 2 },
		'both have ended');
	is(query("select string_agg(reason, ' ' order by id) from supaglue.sync_runs where sync_id = $sync and id > $last"), 'sweep schedule',
		'a sweep, then what was due');
	return newest_sweep();
}
sub deleted { my ($where) = @_; return query("select string_agg(id, ' ' order by id) from $where where _supaglue_is_deleted") }

# --- Nothing is gone; and it is beside the schedule ------------------------------------------------------------------
my $state = "select watermark || ' ' || next_run_at || ' ' || incrementals_since_full || ' ' || last_full_at || ' ' || phase
	from supaglue_internal.syncs where id = $sync";
$simulator->control('hold', { match => { org => 'acme', path_contains => 'SystemModstamp >= ' } });
make_due();
my $before = query($state);
wait_until(sub { held() > 0 }, 'what follows the sweep is asked for');
is(newest_sweep(), 'SUCCESS incremental 300 0 0 0 0', 'a sweep reads the ids of all, and finds that all are there');
is(query($state), $before, 'it moves neither the watermark nor the schedule');
is(query("select count(*) || ' ' || count(distinct _supaglue_emitted_at) || ' ' || count(_supaglue_raw_data ->> 'LastName') from $table"), '300 1 300',
	'nothing is written');
cmp_ok(query("select max(bytes_received) filter (where reason = 'sweep') * 5 - max(bytes_received) filter (where reason = 'initial')
	from supaglue.sync_runs where sync_id = $sync"), '<', 0, 'it takes less than a fifth of the bytes of a full run');
$simulator->control('release', {});
is(wait_for_sync($node, 'acme', 'Contact'), 'SUCCESS', 'the run that was due follows');
isnt(query($state), $before, 'and moves them');

# --- What is gone without a trace --------------------------------------------------------------------------------------
my @gone = split /\n/, query("select id from $table order by id offset 150 limit 7");
$simulator->control('delete', { org => 'acme', object => 'Contact', id => \@gone, hard => JSON::PP::true });
$simulator->control('insert', { org => 'acme', object => 'Contact', records => [ { LastName => 'New' } ] });
is(sweep(), 'SUCCESS incremental 294 0 0 0 7', 'a sweep finds seven gone');
is(deleted($table), join(' ', sort @gone), 'those, and no others');
is(query("select string_agg(distinct r.reason, ' ') from $table t join supaglue.sync_runs r on r.emitted_at = t._supaglue_emitted_at
	where r.sync_id = $sync and t._supaglue_is_deleted"), 'sweep', 'they bear the stamp of the sweep');
is(query("select count(*) from $table where not _supaglue_is_deleted"), '294', 'what is new came by the run that followed');

# One that is in the recycle bin is gone, too, although its stamp is behind the watermark.
my $binned = query("select id from $table where not _supaglue_is_deleted order by id limit 1");
$simulator->control('delete', { org => 'acme', object => 'Contact', id => $binned });
my $marks = query("select format('watermark = %L, wide_watermark = %L', watermark, wide_watermark) from supaglue_internal.syncs where id = $sync");
query("update supaglue_internal.syncs set watermark = now() + interval '1 second', wide_watermark = null where id = $sync");
is(sweep(), 'SUCCESS incremental 293 0 0 0 1', 'a sweep finds what was deleted behind the watermark');
query("update supaglue_internal.syncs set $marks where id = $sync");
is(deleted($table), join(' ', sort @gone, $binned), 'as deleted as the others');

# --- More than are believed at once; a server that is killed in the midst -----------------------------------------------
my @many = split /\n/, query("select id from $table where not _supaglue_is_deleted order by id desc limit 80");
$simulator->control('delete', { org => 'acme', object => 'Contact', id => \@many, hard => JSON::PP::true });
is(sweep(), 'SUCCESS incremental 213 0 0 0 0 80 of 293 rows were absent at the provider: their deletion is held',
	'too many are held');
$simulator->control('hold', { match => { org => 'acme', kind => 'query_more' } });
make_due();
wait_until(sub { held() > 0 }, 'the second page of a sweep is asked for');
wait_until(sub { query("select coalesce(max(pages), 0) from supaglue_internal.runs where sync_id = $sync") >= 1 }, 'its first is kept');
$node->stop('immediate');
$simulator->control('release', {});
$node->start;
wait_until(sub { newest_sweep() =~ / 80$/ }, 'it goes on after the crash');
is(newest_sweep(), 'SUCCESS incremental 213 0 0 0 80', 'and they are marked when they are absent again');
is(query("select count(*) from $table where not _supaglue_is_deleted"), '213', 'none that was on the page read before');

# --- Many, which come in no order, and some of them twice ---------------------------------------------------------------
# The ids that are stored are read in steps of 5,000: gone are those at the ends of the steps, and at both of the whole.
$simulator->control('bulk', { org => 'acme', unsupported => ['Contact'] });
$simulator->control('insert', { org => 'acme', object => 'Contact', records => [ map { { LastName => "Many $_" } } 1 .. 12000 ] });
is(sweep(), 'SUCCESS incremental 12213 0 0 0 0', 'there are many');
my @there = split /\n/, query(qq{select id from $table where not _supaglue_is_deleted order by id collate "C"});
my @steps = split /\n/, query(qq{select id from (select id, _supaglue_is_deleted, row_number() over (order by id collate "C") as n from $table) t
	where n in (4999, 5000, 5001, 5002, 9999, 10000, 10001) and not _supaglue_is_deleted});
is(@steps, 7, 'all that stand at the ends of the steps are there');
my %lacking = map { $_ => 1 } @there[ 0, 1, -2, -1 ], @steps;
$simulator->control('delete', { org => 'acme', object => 'Contact', id => [ keys %lacking ], hard => JSON::PP::true });
my @left = grep { !$lacking{$_} } @there;
my @mixed = map { $left[ $_ * 7919 % @left ] } 0 .. $#left;
my %seen;
is(grep({ !$seen{$_}++ } @mixed), @left, 'each is among the mixed');
my @pages = ([ @mixed[ 0 .. 6999 ] ], [ @mixed[ 6500 .. $#mixed ], @mixed[ 0 .. 99 ] ]);
sub answer
{
	my ($ids, $path, $times, $next) = @_;
	$simulator->control('fault', { match => { org => 'acme', path_contains => $path }, times => $times, kind => 'status', status => 200, body => {
		totalSize => scalar @left, done => $next ? JSON::PP::false : JSON::PP::true, $next ? (nextRecordsUrl => $next) : (),
		records => [ map { { Id => $_, IsDeleted => JSON::PP::false, SystemModstamp => '2024-01-01T00:00:00.000+0000' } } @$ids ] } });
	return;
}
# So many are asked for by a job, and when there are none, once more.
answer($pages[0], 'SELECT Id', 2, '/org/acme/services/data/v62.0/query/mixed-7000');
answer($pages[1], 'query/mixed-7000', 1);
is(sweep(), 'SUCCESS incremental 12802 0 0 0 11', 'in whatever order they come, those that are gone are found');
is(query(qq{select count(*) from $table where not _supaglue_is_deleted}), scalar @left, 'and no others');
is(query(sprintf q{select count(*) from %s where _supaglue_is_deleted and id in ('%s')}, $table, join "', '", keys %lacking), 11, 'just these');

# --- None left at all: of nothing that came, nothing is a page -----------------------------------------------------------
query("select supaglue.update_sync_config($ids->{sync_config}, '{\"default_config\": {\"deletion_stop_share\": 1}}')");
$simulator->control('delete', { org => 'acme', object => 'Contact', where => 'Id != null', hard => JSON::PP::true });
is(sweep(), 'SUCCESS incremental 0 0 0 0 12202', 'a sweep that finds nothing marks all');

# --- What the sync config says ----------------------------------------------------------------------------------------
my ($status, $out, $err) = $node->psql('postgres', "select supaglue.update_sync_config($ids->{sync_config}, '{\"default_config\": {\"sweep_every_ms\": 0}}')");
like($err, qr/sweep_every_ms.*must be/s, 'no time is none');

$node->stop;
done_testing();
