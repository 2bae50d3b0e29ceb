# What a run reads from: whatever changes at the provider, whenever it is stamped and seen, the table is the
# provider's truth in the end; windows are read again, and rows told again, without moving a watermark.
use strict;
use warnings;
use lib 'lib';

use JSON::PP ();
use POSIX ();
use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;
use Time::HiRes qw(time);

my $node = new_node('node', conf => 'restart_after_crash = on');
my $simulator = new_simulator('--records', 'Contact=7,Opportunity=3', '--page-size', '2');
my $table = 'supaglue_data."salesforce_Contact"';
my $hour = { period_ms => 3600000, strategy => 'full then incremental' };
my $json = JSON::PP->new->canonical;

sub query { return $node->safe_psql('postgres', $_[0]) }
sub at_provider { my ($what, %how) = @_; return $simulator->control($what, { org => 'acme', object => 'Contact', %how }) }
sub told { my ($where, %set) = @_; return at_provider('update', where => $where, set => \%set) }
sub stamp { return POSIX::strftime('%Y-%m-%dT%H:%M:%S.000+0000', gmtime($_[0])) }
sub clock { $simulator->control('clock', { offset_seconds => $_[0] + 0 }); return }
sub requests
{
	my $counted = $simulator->counters;
	return join ' ', map { "$_ $counted->{$_}" } grep { $counted->{$_} } qw(describe query query_more);
}

sync_salesforce($node, $simulator, config => $hour);
my $sync = query("select supaglue.sync_id('acme', 'salesforce', 'Contact')");
my $config = query('select id from supaglue.sync_configs');

my $outcome = "r.status || ' ' || r.strategy || ' ' || r.reason || ': ' || records_inserted || ' inserted, '
	|| records_updated || ' updated, ' || records_deleted || ' deleted'";
sub ends { return query("select $outcome from supaglue.wait_for_sync($sync) as r") }
sub run
{
	my ($full) = @_;
	$simulator->control('reset_counters');
	query("select supaglue.trigger_sync($sync, " . ($full ? 'true' : 'false') . ')');
	return ends();
}
sub of_sync { return query("select $_[0] from supaglue_internal.syncs where id = $sync") }

sub is_true { is(untrue($node, $simulator, 'acme', 'Contact'), 0, "$_[0]: the table is the truth"); return }

# --- Nothing new, and what shares a stamp ----------------------------------------------------------------------------
is(wait_for_sync($node, 'acme', 'Contact'), 'SUCCESS', 'the first run ends well');
is_true('at first');
my @ids = split /\n/, query("select id from $table order by id");
is(run(), 'SUCCESS incremental manual: 0 inserted, 0 updated, 0 deleted', 'nothing is new');
is(requests(), 'query 1', 'and that is one request');

told('Id != null', Title => 'All at once');
is(run(), 'SUCCESS incremental manual: 0 inserted, 7 updated, 0 deleted', 'seven records of one stamp come by pages of two');
is(requests(), 'query 1 query_more 3', 'in four requests');
is_true('one stamp over page borders');

# Right at the watermark, and a second before it.
my $mark = query("select ceil(extract(epoch from watermark))::bigint from supaglue.syncs where id = $sync");
query("update supaglue_internal.syncs set watermark = to_timestamp($mark) where id = $sync");
my ($on, $behind) = @{ at_provider('insert', records => [ map { { LastName => 'Mark', SystemModstamp => stamp($_) } } $mark, $mark - 1 ])->{ids} };
is(run(), 'SUCCESS incremental manual: 1 inserted, 0 updated, 0 deleted', 'of what was stamped at the watermark and a second before it');
is(query("select id from $table where _supaglue_raw_data->>'LastName' = 'Mark'"), $on, 'the former is read');
told("Id = '$behind'", Title => 'After all');
run();
is_true('about the watermark');

# --- Records that are seen long after their stamp -----------------------------------------------------------------------
is(query("select date_trunc('s', now() - watermark) between '10 min' and '11 min' from supaglue.syncs where id = $sync"), 't',
	'the watermark stays ten minutes behind');
my $late = sub { return at_provider('insert', records => [ { LastName => $_[0], SystemModstamp => stamp(time - $_[1]) } ])->{ids}[0] };
$late->('five minutes', 300);
is(run(), 'SUCCESS incremental manual: 1 inserted, 0 updated, 0 deleted', 'a record that was stamped five minutes ago comes');
is_true('within the lookback');

$late->('thirty hours', 30 * 3600);
is(run(), 'SUCCESS incremental manual: 0 inserted, 0 updated, 0 deleted', 'one that was stamped thirty hours ago does not');
is(of_sync("date_trunc('hour', watermark - wide_watermark + '10 min')"), '24:00:00', 'the wide watermark is a day behind');
# A day later.
query("update supaglue_internal.syncs set wide_watermark = wide_watermark - interval '24 h' where id = $sync");
is(run(), 'SUCCESS incremental manual: 1 inserted, 0 updated, 0 deleted', 'but with the wider window, once a day');
is_true('within the wide window');
is(of_sync("watermark - wide_watermark < '25 h'"), 't', 'and then not for a day');
my $lost = $late->('four days', 96 * 3600);
is(run(), 'SUCCESS incremental manual: 0 inserted, 0 updated, 0 deleted', 'one that was stamped four days ago does not');
query("update supaglue_internal.syncs set wide_watermark = wide_watermark - interval '24 h' where id = $sync");
is(run(), 'SUCCESS incremental manual: 0 inserted, 0 updated, 0 deleted', 'come with the wider window either');
is(run('full'), 'SUCCESS full manual: 1 inserted, 0 updated, 0 deleted', 'but with a full run');
is_true('beyond the wide window');

# Whatever was stamped until now is out of the lookback from here on.
clock(1200);
run();

# --- The configured lookback ----------------------------------------------------------------------------------------------
query(qq(select supaglue.update_sync_config($config, '{"default_config": {"lookback_ms": 7200000}}')));
run();
is(of_sync("now() - watermark between '1 h 39 min' and '1 h 41 min' or now() - watermark < '11 min'"), 't', 'a longer lookback moves no watermark back');
query(qq(select supaglue.update_sync_config($config, '{"default_config": {"lookback_ms": 0}}')));
run();
is(of_sync("watermark - now() between '19 min' and '20 min 1 s'"), 't', 'a lookback of nothing reads from the last run on');
told("Id = '$ids[2]'", Title => 'Without a lookback');
is(run(), 'SUCCESS incremental manual: 0 inserted, 1 updated, 0 deleted', 'and sees what changed since');
query(qq(select supaglue.update_sync_config($config, '{"default_config": {"lookback_ms": null}}')));
clock(2400);
run();

# --- Changes while pages are read ----------------------------------------------------------------------------------------
# Holds the third page of a run that reads everything, and lets things happen.
sub meanwhile
{
	my ($what) = @_;
	$simulator->control('hold', { match => { org => 'acme', path_contains => '-4' } });
	query("select supaglue.trigger_sync($sync, true)");
	wait_until(sub { $simulator->ask('held')->{held} == 1 }, 'the third page is held', 30);
	$what->();
	$simulator->control('release');
	return ends();
}
like(meanwhile(sub {
	told("Id = '$ids[0]'", Title => 'Of an earlier page');
	told("Id = '$ids[6]'", Title => 'Of a later page');
	at_provider('delete', id => $ids[1]);
	at_provider('delete', id => $ids[5]);
	at_provider('insert', records => [ { LastName => 'Meanwhile' } ]);
}), qr/^SUCCESS full/, 'a run is overtaken by changes');
is(query("select count(*) from $table where id = '$ids[6]' and _supaglue_raw_data->>'Title' = 'Of a later page'"), '1',
	'what was changed before it was read is read');
like(run(), qr/^SUCCESS incremental/, 'the next run');
is_true('changes while pages are read');
at_provider('undelete', id => [ $ids[1], $ids[5] ]);
run();
is_true('deletions taken back');

# For good: nothing tells of it but absence.
like(meanwhile(sub { at_provider('delete', id => $ids[0], hard => \1); at_provider('delete', id => $ids[4], hard => \1) }),
	qr/^SUCCESS full/, 'a run is overtaken by deletions for good');
run('full');
is_true('deletions for good while pages are read');

# --- Duplicates in one run -------------------------------------------------------------------------------------------------
# The provider loses its place: the run begins anew, and what it had read comes again, newer or deleted.
like(meanwhile(sub {
	told("Id = '$ids[1]'", Title => 'Of the second reading');
	at_provider('delete', id => $ids[2]);
	$simulator->control('drop_locators', { org => 'acme' });
}), qr/^SUCCESS full/, 'a run reads records twice');
is_true('records read twice');
# And the older version comes last, on the same page and on the next.
my ($record) = grep { $_->{Id} eq $ids[3] } @{ $simulator->records('acme', 'Contact') };
my $now = time + 2400;
my $newest = { %$record, Title => 'Newest', SystemModstamp => stamp($now), LastModifiedDate => stamp($now) };
told("Id = '$ids[3]'", map { $_ => $newest->{$_} } qw(Title SystemModstamp LastModifiedDate));
my $older = { %$newest, Title => 'Older', SystemModstamp => stamp($now - 1) };
my $answer = sub {
	my ($kind, $next, @records) = @_;
	$simulator->control('fault', { match => { org => 'acme', kind => $kind }, kind => 'status', status => 200, body => $json->encode({
		totalSize => 3, done => $next ? \0 : \1, $next ? (nextRecordsUrl => $next) : (), records => \@records }) });
};
$answer->('query', '/org/acme/services/data/v62.0/query/again-2', $newest, $older);
$answer->('query_more', undef, $older);
is(run(), 'SUCCESS incremental manual: 0 inserted, 1 updated, 0 deleted', 'a record comes thrice, the newest first');
is_true('the newest version stays');

# --- The provider's clock ---------------------------------------------------------------------------------------------------
clock(6000);
told("Id = '$ids[1]'", Title => 'An hour ahead');
is(run(), 'SUCCESS incremental manual: 0 inserted, 1 updated, 0 deleted', 'a clock that goes an hour ahead');
is_true('an hour ahead');
clock(2400);
told("Id = '$ids[1]'", Title => 'Put back');
is(run(), 'SUCCESS incremental manual: 0 inserted, 0 updated, 0 deleted', 'and is put back');
is(of_sync('watermark is null'), 't', 'is noticed');
is(run(), 'SUCCESS full manual: 0 inserted, 1 updated, 0 deleted', 'so that the next run reads everything');
is_true('put back');
clock(-1200);
told("Id = '$ids[1]'", Title => 'An hour behind');
like(run() . run(), qr/full manual: 0 inserted, 1 updated, 0 deleted$/, 'a clock that falls an hour behind');
is_true('an hour behind');
# Nobody looks before it has caught up with itself.
clock(2400);
run();
clock(-1200);
told("Id = '$ids[1]'", Title => 'In the dark');
clock(3600);
is(run(), 'SUCCESS incremental manual: 0 inserted, 0 updated, 0 deleted', 'a change of the time between is not seen');
query("update supaglue_internal.syncs set wide_watermark = wide_watermark - interval '24 h' where id = $sync");
is(run(), 'SUCCESS incremental manual: 0 inserted, 1 updated, 0 deleted', 'before the wide window of the day');
is_true('a clock that was put back unseen');

# --- Full runs by number and by time -------------------------------------------------------------------------------------
query(qq(select supaglue.update_sync_config($config, '{"default_config": {"full_sync_every_n_incrementals": 2}}')));
run('full');
is(join(' ', map { (split / /, run())[1] } 1 .. 6), 'incremental incremental full incremental incremental full',
	'after so many incremental runs a full one');
query(qq(select supaglue.update_sync_config($config, '{"default_config": {"full_sync_every_n_incrementals": null}}')));
run();
at_provider('delete', id => $ids[6], hard => \1);
like(run(), qr/incremental manual: 0 inserted, 0 updated, 0 deleted/, 'a deletion for good is not seen');
query(qq(select supaglue.update_sync_config($config, '{"default_config": {"full_refresh_every_ms": 1000}}')));
wait_until(sub { of_sync("last_full_at < now() - interval '1 s'") eq 't' }, 'a second has passed', 30);
is(run(), 'SUCCESS full manual: 0 inserted, 0 updated, 1 deleted', 'before a full run is due');
query(qq(select supaglue.update_sync_config($config, '{"default_config": {"full_refresh_every_ms": null}}')));
is_true('full runs');

# --- Backfill ----------------------------------------------------------------------------------------------------------------
clock(0);
run() foreach 1 .. 2;
my %old;
foreach (['first', '2020-01-01'], ['second', '2020-06-01'], ['third', '2021-01-01'], ['gone', '2020-03-01'], ['absent', '2020-04-01'])
{
	my ($name, $day) = @$_;
	($old{$name}) = @{ at_provider('insert', records => [ { LastName => $name, SystemModstamp => "${day}T00:00:00.000+0000" } ])->{ids} };
}
run('full');
my $deleted_at = "extract(epoch from timestamptz '2020-03-02Z' - now())::int";
clock(query("select $deleted_at"));
at_provider('delete', id => $old{gone});
clock(0);
at_provider('delete', id => $old{absent}, hard => \1);
my $spoil = "update $table set _supaglue_raw_data = _supaglue_raw_data || '{\"LastName\": \"spoilt\"}' where id in ('$old{first}', '$old{third}');
	delete from $table where id = '$old{second}'";
query($spoil);
is(run(), 'SUCCESS incremental manual: 0 inserted, 0 updated, 0 deleted', 'what is old and lost, no incremental run brings back');
my $before = of_sync("watermark || ' ' || data_through || ' ' || phase || ' ' || incrementals_since_full || ' ' || next_run_at");
$simulator->control('reset_counters');
is(query("select supaglue.backfill($sync, '2020-01-01Z', '2020-06-01Z')"), 'queued', 'a backfill is queued');
is(ends(), 'SUCCESS incremental backfill: 1 inserted, 1 updated, 1 deleted', 'a window is read again, its ends too, and its deletions');
is(requests(), 'query 1 query_more 1', 'and nothing but it');
is(of_sync("watermark || ' ' || data_through || ' ' || phase || ' ' || incrementals_since_full || ' ' || next_run_at"), $before,
	'watermark and schedule stay');
is(query("select string_agg(_supaglue_raw_data->>'LastName' || ' ' || _supaglue_is_deleted, ', ' order by id) from $table
	where id in ('$old{third}', '$old{absent}')"),
	join(', ', map { $_ eq $old{third} ? 'spoilt false' : 'absent false' } sort $old{third}, $old{absent}),
	'what is not in the window stays, and what is absent, too');

# Several are one.
query("begin; select supaglue.backfill($sync, '2020-12-01Z', '2021-01-01Z'); select supaglue.backfill($sync, '2020-05-01Z', '2020-05-02Z'); commit");
is(ends(), 'SUCCESS incremental backfill: 0 inserted, 1 updated, 0 deleted', 'several backfills are one run');
is(query("select records_read from supaglue.sync_runs where sync_id = $sync order by id desc limit 1"), '2', 'of all their windows');
run('full');
is_true('after backfills');

# Up to now it is as good as any other run; from the future on it is not.
told("Id = '$ids[1]'", Title => 'Up to now');
query($spoil);
my $watermark = of_sync('watermark');
# The provider tells the time in whole seconds.
wait_until(sub { of_sync("last_full_at < now() - interval '1 s'") eq 't' }, 'a second has passed', 30);
query("select supaglue.backfill($sync, '-infinity')");
is(ends(), 'SUCCESS incremental backfill: 1 inserted, 3 updated, 0 deleted', 'a backfill of all times');
is(of_sync("watermark > '$watermark'"), 't', 'goes on where the last run ended');
is_true('a backfill of all times');
$watermark = of_sync('watermark');
query("select supaglue.backfill($sync, now() + interval '1 day')");
is(ends(), 'SUCCESS incremental backfill: 0 inserted, 0 updated, 0 deleted', 'a backfill of the future');
query("select supaglue.backfill($sync, now() - interval '1 min', now() + interval '1 day')");
is(ends(), 'SUCCESS incremental backfill: 0 inserted, 0 updated, 0 deleted', 'and one from behind the watermark on');
is(of_sync('watermark'), $watermark, 'move no watermark');
told("Id = '$ids[1]'", Title => 'With both');
query("begin; select supaglue.backfill($sync, '2020-01-01Z', '2020-06-01Z'), supaglue.trigger_sync($sync); commit");
is(ends(), 'SUCCESS incremental manual: 0 inserted, 1 updated, 0 deleted', 'what is asked for besides is one more run');

# --- Backfills that are interrupted -------------------------------------------------------------------------------------
sub begin_backfill
{
	query($spoil);
	$simulator->control('hold', { match => { org => 'acme', path_contains => '-2' } });
	query("select supaglue.backfill($sync, '2020-01-01Z', '2021-01-01Z')");
	wait_until(sub { $simulator->ask('held')->{held} == 1 }, 'the second page is held', 30);
	wait_until(sub { query("select pages from supaglue_internal.runs where sync_id = $sync") eq '1' }, 'one page is kept', 30);
	wait_until(sub { query('select pg_current_wal_insert_lsn() <= pg_current_wal_flush_lsn()') eq 't' }, 'what was written is on disk', 30);
	$simulator->control('reset_counters');
}
begin_backfill();
is(query("select supaglue.backfill($sync, '2020-01-01Z')"), 'queued after the run in progress', 'another one waits for its turn');
$simulator->control('release');
is(ends(), 'SUCCESS incremental backfill: 0 inserted, 0 updated, 0 deleted', 'and comes after it');

begin_backfill();
$node->stop('immediate');
$simulator->control('release');
$node->start;
is(ends(), 'SUCCESS incremental backfill: 1 inserted, 2 updated, 0 deleted', 'a server that was killed goes on with a backfill');
like(requests(), qr/^query_more \d$/, 'after the page last kept');
is_true('a backfill that was interrupted');

begin_backfill();
query("select supaglue.pause_sync($sync)");
$simulator->control('release');
query("select supaglue.trigger_sync($sync)");
is(ends(), 'SUCCESS incremental manual: 0 inserted, 0 updated, 0 deleted', 'a pause puts a backfill off');
query("update supaglue_internal.syncs set next_run_at = now() where id = $sync; select supaglue.resume_sync($sync)");
wait_until(sub { untrue($node, $simulator, 'acme', 'Contact') == 0 }, 'it is read when the sync goes on', 30);
is_true('a backfill that was put off');
wait_until(sub { query("select state = 'idle' and next_run_at > now() from supaglue.syncs where id = $sync") eq 't' }, 'nothing is due', 30);

# One that the provider refuses is tried again, and stands in nobody's way.
query($spoil);
$simulator->control('fault', { match => { org => 'acme', kind => 'query' }, kind => 'status', status => 400,
	body => '[{"errorCode": "MALFORMED_QUERY", "message": "words of the provider"}]' });
query("select supaglue.pause_sync($sync)");
query("select supaglue.backfill($sync, '2020-01-01Z', '2021-01-01Z')");
is(ends(), 'FAILURE incremental backfill: 0 inserted, 0 updated, 0 deleted', 'a backfill fails');
is(run(), 'SUCCESS incremental manual: 0 inserted, 0 updated, 0 deleted', 'other runs pass');
query("update supaglue_internal.syncs set next_run_at = now() where id = $sync; select supaglue.resume_sync($sync)");
wait_until(sub { untrue($node, $simulator, 'acme', 'Contact') == 0 }, 'it is tried again', 30);
is_true('a backfill that failed');

# --- Backfills that are refused ----------------------------------------------------------------------------------------------
sub refused
{
	my ($statement, $words, $what) = @_;
	my ($status, $out, $error) = $node->psql('postgres', "\\set VERBOSITY verbose\n$statement");
	like($error, $words, $what);
}
refused("select supaglue.backfill($sync, '2021-01-01', '2020-01-01')", qr/22023.*later than to_time/, 'a window that ends before it begins');
refused("select supaglue.backfill($sync, null)", qr/22004.*from_time must not be null/, 'a window without a beginning');
refused("select supaglue.backfill($sync, now(), null)", qr/22004.*to_time must not be null/, 'a window without an end');
refused("select supaglue.backfill(999, now())", qr/42704.*sync 999 does not exist/, 'a sync that does not exist');
my $hubspot = sync_hubspot($node, $simulator, customers => ['acme'], standard => ['contact'], config => $hour,
	destination => query('select id from supaglue.destinations'));
is(wait_for_sync($node, 'acme', 'hubspot/standard/contact'), 'SUCCESS', 'HubSpot is read');
refused("select supaglue.backfill(supaglue.sync_id('acme', 'hubspot', 'contact'), now())",
	qr/0A000.*cannot read a window.*trigger_sync\(\d+, true\)/s, 'an object without stamps');

# --- Telling rows again --------------------------------------------------------------------------------------------------------
my $all = query("select count(*) from $table");
my $rows = query("select md5(string_agg(id || _supaglue_is_deleted || _supaglue_raw_data, ',' order by id)) from $table");
my $last = of_sync('emitted_at');
told("Id = '$ids[1]'", Title => 'A later run');
run();
my $later = of_sync('emitted_at');
my $events = query("select count(*) from supaglue.events where kind = 'sync.complete' and sync_id = $sync");
$simulator->control('reset_counters');
is(query("begin; select $outcome || ', ' || requests || ' requests' from supaglue.reemit($sync) as r; rollback"),
	"SUCCESS incremental manual: 0 inserted, $all updated, 0 deleted, 0 requests", 'all rows are told again');
is(query("select count(*) from $table where _supaglue_emitted_at > '$later'"), '0', 'in the transaction of the caller');
is(query("select $outcome from supaglue.reemit($sync, '$later') as r"), 'SUCCESS incremental manual: 0 inserted, 1 updated, 0 deleted',
	'the rows since a time are told again');
is(query("select id from $table where _supaglue_emitted_at = (select emitted_at from supaglue.syncs s
	join supaglue.sync_runs r on r.id = s.last_run_id where s.id = $sync) and _supaglue_emitted_at > '$later'"), $ids[1],
	'with the stamp of a run of their own, later than all before it');
is(query("select (supaglue.reemit($sync)).status"), 'SUCCESS', 'and all of them');
is(query("select count(distinct _supaglue_emitted_at) || ' ' || count(*) from $table"), "1 $all", 'have one stamp');
is(query("select count(*) from supaglue.events where kind = 'sync.complete' and sync_id = $sync") - $events, '2', 'each time there is an event');
is(query("select (payload->>'emitted_at')::timestamptz = (select max(_supaglue_emitted_at) from $table) from supaglue.events
	where sync_id = $sync order by id desc limit 1"), 't', 'that tells the stamp');
is(requests(), '', 'and nothing was asked of the provider');
run();
is_true('rows told again');
refused("select supaglue.reemit($sync, null)", qr/22004.*from_time must not be null/, 'a time that is null');
refused("select supaglue.reemit(999)", qr/42704.*sync 999 does not exist/, 'a sync that does not exist');

# The same at a remote destination.
query('create database warehouse');
my $remote = query('select supaglue.create_destination($json$' . to_json({ name => 'warehouse', type => 'postgres', credentials => {
	host => $node->host, port => $node->port + 0, database => 'warehouse', user => query('select current_user'), schema => 'public' } }) . '$json$)');
query(qq(select supaglue.create_sync_config('{"name": "there", "destination_id": $remote, "provider_name": "salesforce",
	"default_config": {"period_ms": 3600000}, "standard_objects": [{"object": "Opportunity"}]}')));
my $there = query("select supaglue.sync_id('acme', 'salesforce', 'Opportunity')");
is(wait_for_sync($node, 'acme', 'Opportunity'), 'SUCCESS', 'a remote destination is filled');
my $mark_there = $node->safe_psql('warehouse', 'select watermark from _supaglue_syncs');
is(query("select records_updated from supaglue.reemit($there)"), '3', 'its rows are told again');
is($node->safe_psql('warehouse', "select count(*) from \"salesforce_Opportunity\" o join _supaglue_syncs s
	on s.emitted_at = o._supaglue_emitted_at where s.watermark = '$mark_there'"), '3', 'and its record tells so, with the watermark as it was');
query("select supaglue.backfill($there, '-infinity', '2100-01-01Z')");
is(query("select status || ' ' || reason || ' ' || records_read from supaglue.wait_for_sync($there)"), 'SUCCESS backfill 3', 'and backfilled');
is($node->safe_psql('warehouse', "select watermark = '$mark_there' from _supaglue_syncs"), 't', 'with the watermark as it was');

$node->stop;
done_testing();
