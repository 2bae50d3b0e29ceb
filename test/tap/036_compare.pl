# What a full run fetches and its table holds already is not kept in the spool but for the ids; what it holds no more when
# the run is merged is read again.
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
sub at_provider { my ($what, %how) = @_; return $simulator->control($what, { org => 'acme', object => 'Contact', %how }) }

my $table = 'supaglue_data."salesforce_Contact"';
sync_salesforce($node, $simulator, config => { period_ms => 3600000, strategy => 'full then incremental',
	auto_start_on_connection => JSON::PP::false });
my $sync = query("select supaglue.sync_id('acme', 'salesforce', 'Contact')");

# What lies in the spool of the run under way when it has kept two pages of three; then it goes on, after `meanwhile`.
sub spooled
{
	my ($meanwhile) = @_;
	$simulator->control('hold', { match => { org => 'acme', kind => 'query_more', path_contains => '-2000' } });
	query("select supaglue.trigger_sync($sync, true)");
	wait_until(sub { $simulator->ask('held')->{held} > 0 }, 'the third page is asked for');
	wait_until(sub { query("select coalesce(max(pages), 0) from supaglue_internal.runs where sync_id = $sync") == 2 }, 'two pages are kept');
	my $bytes = query('select coalesce(sum(length(packed)), 0) from supaglue_internal.spool where fetch_id = (select fetch_id from supaglue_internal.runs)');
	$meanwhile->() if $meanwhile;
	$simulator->control('release', {});
	return $bytes;
}
sub ends
{
	query("select supaglue.wait_for_sync($sync)");
	return query("select concat_ws(' ', status, reason, strategy, records_read, records_inserted, records_updated, records_unchanged, records_deleted,
		error_class, nullif(array_to_string(warnings, ';'), '')) from supaglue.sync_runs where sync_id = $sync order by id desc limit 1");
}
sub is_true { is(untrue($node, $simulator, 'acme', 'Contact'), 0, "$_[0]: the table is the truth"); return }

# --- Unchanged ---------------------------------------------------------------------------------------------------------
my $first = spooled();
is(ends(), 'SUCCESS initial full 3000 3000 0 0 0', 'the first run');
is_true('at first');
query("select supaglue.resume_sync($sync)");
my $stamp = query("select max(_supaglue_emitted_at) from $table");
cmp_ok(spooled(), '<', $first / 20, 'of what is stored unchanged a twentieth is kept at most');
is(ends(), 'SUCCESS manual full 3000 0 0 3000 0', 'all is counted');
is(query("select max(_supaglue_emitted_at) from $table"), $stamp, 'and nothing written');

# --- Some of it changed, gone, new, deleted -------------------------------------------------------------------------
my @ids = split /\n/, query("select id from $table order by id");
at_provider('update', id => [ @ids[ 5, 1005, 2005 ] ], set => { Title => 'Changed' });
at_provider('update', id => $ids[6], set => { Title => 'Without a stamp' }, stamp => JSON::PP::false);
at_provider('delete', id => [ @ids[ 7, 1007 ] ]);
at_provider('delete', id => [ @ids[ 8, 2008 ] ], hard => JSON::PP::true);
at_provider('insert', records => [ { LastName => 'New' } ]);
spooled();
is(ends(), 'SUCCESS manual full 2999 1 4 2992 4', 'exactly what changed is written');
is_true('after changes');

# --- A server that is killed in the midst ---------------------------------------------------------------------------
at_provider('update', id => [ @ids[ 10, 2010 ] ], set => { Title => 'Changed again' });
spooled(sub { $node->stop('immediate') });
$node->start;
is(ends(), 'SUCCESS manual full 2999 0 2 2997 0', 'a run goes on with pages of which ids were kept');
is_true('after a crash');

# --- One that is stored as it came, and then comes as deleted on a later page ------------------------------------------------
my ($again, $gone) = @ids[ 30, 2100 ];
at_provider('update', id => $gone, set => { Title => 'Newer' });
$simulator->control('fault', { match => { org => 'acme', kind => 'query_more', path_contains => '-2000' }, kind => 'edit',
	find => qq("Id":"$gone","IsDeleted":false), body => qq("Id":"$again","IsDeleted":true) });
spooled();
is(ends(), 'SUCCESS manual full 2999 0 0 2998 2', 'the run counts on no row that it deletes itself');
is(query("select string_agg(id, ' ' order by id) from $table where _supaglue_is_deleted and id in ('$again', '$gone')"), "$again $gone", 'both are deleted');
spooled();
is(ends(), 'SUCCESS manual full 2999 0 2 2997 0', 'and come back');
is_true('after that');

# --- Rows that are there no more when the run is merged ----------------------------------------------------------------
my $last = query("select last_run_id from supaglue.syncs where id = $sync");
spooled(sub { query("delete from $table where id = '$ids[20]'") });
wait_until(sub { query("select count(*) from supaglue.sync_runs where sync_id = $sync and id > $last and status <> 'IN_PROGRESS'") == 2 },
	'the run and the one after it have ended');
is(query("select string_agg(concat_ws(' ', status, strategy, records_inserted, records_unchanged, error_class), '; ' order by id) from supaglue.sync_runs
	where sync_id = $sync and id > $last"), 'FAILURE full 0 0 destination; SUCCESS full 1 2998', 'the run is void, and the next one reads all');
like(query("select error_message from supaglue.sync_runs where sync_id = $sync and status = 'FAILURE'"), qr/lost the rows/, 'it says why');
is_true('after rows were taken away');

# --- Who locks the table delays nobody but the merge; whose reading would run code is not read ------------------------------
my $locker = $node->background_psql('postgres');
$locker->query_safe("begin; lock table $table in access exclusive mode");
cmp_ok(spooled(), '>', $first / 2, 'while the table is locked pages are kept whole');
$locker->query_safe('commit');
$locker->quit;
is(ends(), 'SUCCESS manual full 2999 0 0 2999 0', 'and are merged when it is free');
query("alter table $table enable row level security");
cmp_ok(spooled(), '>', $first / 2, 'so are those of a table with policies');
is(ends(), 'SUCCESS manual full 2999 0 0 2999 0', 'which its owner does not see');
query("alter table $table disable row level security");
# A function that is called wherever the index is planned with, and says where.
query("create function tell(int) returns boolean immutable language plpgsql as 'begin
	raise log ''tell in %'', (select backend_type from pg_stat_activity where pid = pg_backend_pid()); return true; end';
	create index told on $table (id) where tell(1)");
cmp_ok(spooled(), '>', $first / 2, 'and those of a table whose planning would run code of its owner');
is(ends(), 'SUCCESS manual full 2999 0 0 2999 0', 'which are merged');
my $log = slurp_file($node->logfile);
like($log, qr/tell in supaglue merger/, 'by a merger, which runs it');
unlike($log, qr/tell in supaglue fetcher/, 'and the fetcher does not');
query("drop index supaglue_data.told; drop function tell(int)");

# --- Where many others lie between the records of a page, each is looked for --------------------------------------------
query("insert into $table (_supaglue_application_id, _supaglue_customer_id, _supaglue_provider_name, id, _supaglue_emitted_at,
	_supaglue_is_deleted, _supaglue_raw_data) select 'default', 'acme', 'salesforce', '$ids[5]' || n, now(), true, '{}' from generate_series(1, 4000) n");
cmp_ok(spooled(), '<', $first / 20, 'they are found, too');
is(ends(), 'SUCCESS manual full 2999 0 0 2999 0', 'and counted');
query("delete from $table where id like '$ids[5]_%'");

# --- materialize() compares likewise ---------------------------------------------------------------------------------------
my $counts = 'select concat_ws(\' \', records_read, records_inserted, records_updated, records_unchanged, records_deleted) from';
is(query("$counts supaglue.materialize($sync, true)"), '2999 0 0 2999 0', 'materialize() finds nothing to write');
at_provider('update', id => [ @ids[ 11, 1011 ] ], set => { Title => 'Changed for materialize()' });
at_provider('delete', id => [ $ids[12] ], hard => JSON::PP::true);
is(query("$counts supaglue.materialize($sync, true)"), '2998 0 2 2996 1', 'and no more than what changed');
is_true('after materialize()');
$simulator->control('hold', { match => { org => 'acme', kind => 'query_more', path_contains => '-2000' } });
my $caller = $node->background_psql('postgres', on_error_stop => 0);
$caller->query_until(qr/begun/, "\\echo begun\nselect supaglue.materialize($sync, true);\n");
wait_until(sub { $simulator->ask('held')->{held} > 0 }, 'materialize() waits for the third page');
wait_until(sub { query("select count(*) from pg_stat_activity where query like 'select supaglue.materialize%' and wait_event_type = 'Extension'") == 1 }, 'and has compared the others');
query("delete from $table where id = '$ids[20]'");
$simulator->control('release', {});
wait_until(sub { slurp_file($node->logfile) =~ /were deleted while the sync was materialized/ }, 'rows that it counted on are missed');
$caller->quit;
is(query("$counts supaglue.materialize($sync, true)"), '2998 1 0 2997 0', 'the next one writes them');
is_true('after rows were taken away from materialize()');

# --- Where most is new, comparing is given up ---------------------------------------------------------------------------
query("delete from $table where id > '$ids[400]'");
my $kept = spooled();
cmp_ok($kept, '>', $first / 4, 'pages that are not stored are kept');
is_true('after most rows were taken away') if ends() ne '';

$node->stop;
done_testing();
