# Deletions by the workers' hands: what is held, confirmed, seen again and discarded, here and at a remote destination;
# a run that does not reach its end marks nothing; merges; and the provider's own count.
use strict;
use warnings;
use lib 'lib';

use IPC::Run;
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;

my $node = new_node('node');
my $simulator = new_simulator('--records', 'Contact=300,contacts=250', '--page-size', '100');
sub query { return $node->safe_psql('postgres', $_[0]) }
my $hard = JSON::PP::true;

my $ids = sync_salesforce($node, $simulator, config => { period_ms => 3600000, strategy => 'full then incremental' });
my $table = 'supaglue_data."salesforce_Contact"';
my $sync = query("select supaglue.sync_id('acme', 'salesforce', 'Contact')");
sub run
{
	my ($id, $full) = @_;
	query("select supaglue.trigger_sync($id, " . ($full // 'true') . ')');
	return query("select concat_ws(' ', status, records_deleted, error_class) from supaglue.wait_for_sync($id)");
}
# Of a sync's table: how many rows are deleted, and of how many deletion is held.
sub state_of { my ($of, $id) = @_; return query("select (select count(*) from $of where _supaglue_is_deleted) || ' deleted, '
	|| held_deletions || ' held' from supaglue.syncs where id = $id") }
sub erase { my ($org, $number) = @_; $simulator->control('delete', { org => $org, object => 'Contact', hard => $hard,
	where => "Id IN (" . join(',', map { "'$_'" } split /\n/, query("select id from $table where not _supaglue_is_deleted
		and _supaglue_customer_id = '$org' order by id limit $number")) . ')' }) }

is(wait_for_sync($node, 'acme', 'Contact'), 'SUCCESS', 'the contacts are read');
is(query("select provider_count || ' ' || records_read || ' ' || cardinality(warnings) from supaglue.sync_runs where sync_id = $sync"), '300 300 0',
	'as many as the provider says');

# --- Held, and seen again ----------------------------------------------------------------------------------------
erase('acme', 70);
$simulator->control('insert', { org => 'acme', object => 'Contact', records => [ { LastName => 'New' } ] });
is(run($sync), 'SUCCESS 0', 'so many are gone that the run marks none');
is(state_of($table, $sync), '0 deleted, 70 held', 'they are held');
is(query("select count(*) from $table"), '301', 'what is new is there');
is(query("select warnings[1] from supaglue.sync_runs where id = (select last_run_id from supaglue.syncs where id = $sync)"),
	'70 of 300 rows were absent at the provider: their deletion is held', 'the run warns');
is(query("select (payload ->> 'held_deletions') || ' ' || (payload ->> 'rows') || ' ' || (run_id = last_run_id) from supaglue.events e
	join supaglue.syncs s on s.id = e.sync_id where kind = 'sync.deletions_held'"), '70 300 true', 'an event tells');
is(run($sync, 'false'), 'SUCCESS 0', 'an incremental run');
is(state_of($table, $sync), '0 deleted, 70 held', 'changes nothing about it');
erase('acme', 80);    # these 70, and ten more
is(run($sync), 'SUCCESS 80', 'the next full run misses them again, and a few more');
is(state_of($table, $sync), '80 deleted, 0 held', 'all are marked');
is(query("select count(*) from $table t join supaglue.syncs s on s.id = $sync join supaglue.sync_runs r on r.id = s.last_run_id
	where t._supaglue_emitted_at = r.emitted_at and _supaglue_is_deleted"), '80', 'with the stamp of the run');

# --- A run that does not reach its end ---------------------------------------------------------------------------
# Paused, so that each trigger is one run and nothing is tried again behind our back.
query("select supaglue.pause_sync($sync)");
erase('acme', 10);
my $before = query("select count(*) || ' ' || max(_supaglue_emitted_at) from $table");
$simulator->control('fault', { match => { org => 'acme', kind => 'query_more' }, kind => 'garbage', after => 1, times => 1 });
is(run($sync), 'FAILURE 0 provider', 'a run ends at its last page');
is(query("select count(*) || ' ' || max(_supaglue_emitted_at) from $table"), $before, 'and has written nothing');
is(state_of($table, $sync), '80 deleted, 0 held', 'nor marked, nor held');
$simulator->control('fault', { match => { org => 'acme', kind => 'query_more' }, kind => 'status', status => 400, times => 1,
	body => '[{"message": "maximum query offset reached", "errorCode": "NUMBER_OUTSIDE_VALID_RANGE"}]' });
is(run($sync), 'FAILURE 0 provider', 'a run ends where the provider gives no more pages');
is(state_of($table, $sync), '80 deleted, 0 held', 'and marks nothing');
# Killed with one page kept, it goes on and knows the ids of that page, too.
$simulator->control('hold', { match => { org => 'acme', kind => 'query_more' } });
query("select supaglue.trigger_sync($sync, true)");
wait_until(sub { query("select coalesce(max(pages), 0) from supaglue_internal.runs where sync_id = $sync") >= 1 }, 'a page is kept');
$node->stop('immediate');
$simulator->control('release', {});
$node->start;
is(query("select concat_ws(' ', status, records_deleted, provider_count, cardinality(warnings)) from supaglue.wait_for_sync($sync)"),
	'SUCCESS 10 211 0', 'a run that goes on after a crash marks those that are gone, and no others');
is(state_of($table, $sync), '90 deleted, 0 held', 'none that was on the page read before');

query("select supaglue.resume_sync($sync)");

# --- What the provider tells itself is never held ------------------------------------------------------------------
my $held_events = query("select count(*) from supaglue.events where kind = 'sync.deletions_held'");
$simulator->control('delete', { org => 'acme', object => 'Contact',
	id => [ split /\n/, query("select id from $table where not _supaglue_is_deleted order by id limit 100") ] });
is(run($sync), 'SUCCESS 100', 'deleted records are marked at once, however many');
is(query("select count(*) from supaglue.events where kind = 'sync.deletions_held'"), $held_events, 'and nobody is asked');
is(query("select provider_count - records_read || ' ' || cardinality(warnings) from supaglue.sync_runs where sync_id = $sync order by id desc limit 1"),
	'0 0', 'the provider counts deleted records, too');
$simulator->control('undelete', { org => 'acme', object => 'Contact', where => 'IsDeleted = true' });
is(run($sync, 'false'), 'SUCCESS 0', 'they come back');
is(state_of($table, $sync), '90 deleted, 0 held', 'and are undeleted');
my @some = split /\n/, query("select id from $table where not _supaglue_is_deleted order by id limit 2");
$simulator->control('merge', { org => 'acme', object => 'Contact', id => $some[0], loser => $some[1] });
is(run($sync, 'false'), 'SUCCESS 1', 'a merge is seen by an incremental run');
is(query("select string_agg(_supaglue_is_deleted || ' ' || coalesce(_supaglue_raw_data ->> 'MasterRecordId', 'none'), ', ' order by id)
	from $table where id in ('$some[0]', '$some[1]')"), "false none, true $some[0]", 'its loser is deleted, and says into what it was merged');
my $new = $simulator->control('insert', { org => 'acme', object => 'Contact', records => [ { LastName => 'Never here' } ] })->{ids}[0];
$simulator->control('delete', { org => 'acme', object => 'Contact', id => $new });
foreach my $full ('false', 'true')
{
	is(run($sync, $full), 'SUCCESS 0', 'a record that is deleted when it is first seen');
	is(query("select count(*) from $table where id = '$new'"), '0', 'is not stored');
}

# --- The provider's count ------------------------------------------------------------------------------------------
# One that vanishes behind the query's back is counted and does not come; one that is changed meanwhile explains it.
my $last = query("select max(id) from $table where not _supaglue_is_deleted");
my $late = query("select id from $table where not _supaglue_is_deleted order by id offset 150 limit 1");
my $vanish = sub {
	my ($change) = @_;
	$simulator->control('hold', { match => { org => 'acme', kind => 'query_more' } });
	query("select supaglue.trigger_sync($sync, true)");
	wait_until(sub { $simulator->{http}->get($simulator->url . '/control/held')->{content} =~ /[1-9]/ }, 'the second page is asked for');
	$simulator->control('delete', { org => 'acme', object => 'Contact', id => $last, hard => $hard });
	$simulator->control('update', { org => 'acme', object => 'Contact', id => $late, set => { Title => 'Changed' } }) if $change;
	$simulator->control('release', {});
	my $result = query("select concat_ws(' ', status, records_deleted, provider_count - records_read, nullif(array_to_string(warnings, ';'), ''))
		from supaglue.wait_for_sync($sync)");
	$last = query("select max(id) from $table where not _supaglue_is_deleted");
	return $result;
};
# Nothing has been stamped in the last seconds, as the simulator's clock tells.
$simulator->control('clock', { offset_seconds => 60 });
like($vanish->(0), qr/^SUCCESS 1 1 the provider said that there are \d+ records, \d+ came$/, 'a run to which one lacks warns');
is($vanish->(1), 'SUCCESS 1 1', 'unless something changed meanwhile');

# --- HubSpot -------------------------------------------------------------------------------------------------------
sub hubspot { my ($command, %more) = @_; return $simulator->control($command, { provider => 'hubspot', org => 'hub', object => 'contacts', %more }) }
sync_hubspot($node, $simulator, customers => ['hub'], destination => $ids->{destination}, standard => ['contact'],
	config => { period_ms => 3600000, strategy => 'full refresh' });
my $hub = query("select supaglue.sync_id('hub', 'hubspot', 'contact')");
is(wait_for_sync($node, 'hub', 'hubspot/standard/contact'), 'SUCCESS', 'contacts of HubSpot');
is(query("select provider_count is null and warnings = '{}' from supaglue.sync_runs where sync_id = $hub"), 't', 'HubSpot does not count them');
my $people = 'supaglue_data.hubspot_contact';
@some = split /\n/, query("select id from $people order by id::bigint limit 4");
my $merged = hubspot('merge', id => $some[0], loser => $some[1])->{ids}[0];
hubspot('merge', id => $some[2], loser => $some[3], keeps_id => JSON::PP::true);
is(run($hub), 'SUCCESS 3', 'after merges of both kinds');
is(query("select string_agg(_supaglue_is_deleted::text, ' ' order by id::bigint) from $people where id in ('$merged', '" . join("','", @some) . "')"),
	join(' ', map { $_->[1] } sort { $a->[0] <=> $b->[0] } [ $some[0], 'true' ], [ $some[1], 'true' ], [ $some[2], 'false' ], [ $some[3], 'true' ],
		[ $merged, 'false' ]), 'both go into a new record, or one into the other');
hubspot('delete', id => [ split /\n/, query("select id from $people where not _supaglue_is_deleted order by id::bigint limit 60") ]);
is(run($hub), 'SUCCESS 0', 'many that are in no list any more');
is(state_of($people, $hub), '3 deleted, 60 held', 'are held');
is(run($hub), 'SUCCESS 60', 'until they are missed again');

# --- A remote destination ------------------------------------------------------------------------------------------
my $remote = PostgreSQL::Test::Cluster->new('remote');
$remote->init;
$remote->append_conf('postgresql.conf', "listen_addresses = '127.0.0.1'");
$remote->start;
$node->safe_psql('postgres', 'create database other');
$node->append_conf('postgresql.conf', "supaglue.database = 'postgres, other'");
$node->reload;
$node->safe_psql('other', 'create extension supaglue');
sub there { return $remote->safe_psql('postgres', $_[0]) }
sub other { return $node->safe_psql('other', $_[0]) }
sync_salesforce($node, $simulator, dbname => 'other', customers => ['beta'], config => { period_ms => 3600000, strategy => 'full then incremental' },
	destination => { host => $remote->host, port => $remote->port + 0, database => 'postgres', schema => 'public',
		user => $remote->safe_psql('postgres', 'select current_user') });
is(wait_for_sync($node, 'beta', 'Contact', 'other'), 'SUCCESS', 'contacts go to a remote destination');
my $far = other("select supaglue.sync_id('beta', 'salesforce', 'Contact')");
my $gone = sub { return there('select count(*) from "salesforce_Contact" where _supaglue_is_deleted') . ' deleted, '
	. other("select held_deletions from supaglue.syncs where id = $far") . ' held' };
my $run_there = sub { other("select supaglue.trigger_sync($far, true)"); return other("select status from supaglue.wait_for_sync($far)") };
my @all = split /\n/, there('select id from "salesforce_Contact" order by id');
$simulator->control('delete', { org => 'beta', object => 'Contact', hard => $hard, id => [ @all[ 0 .. 99 ] ] });
is($run_there->(), 'SUCCESS', 'a hundred vanish');
is($gone->(), '0 deleted, 100 held', 'and are held');
my $watermark = there('select watermark from _supaglue_syncs');
is(other("begin; select records_deleted from supaglue.confirm_deletions($far); rollback;"), '100', 'a confirmation');
is($gone->(), '0 deleted, 100 held', 'rolls back there, too');
is(other("select records_deleted from supaglue.confirm_deletions($far)"), '100', 'it is done');
is($gone->(), '100 deleted, 0 held', 'there and here');
is(there('select watermark from _supaglue_syncs'), $watermark, 'the watermark stays');
is(there('select run_id from _supaglue_syncs'), other("select last_run_id from supaglue.syncs where id = $far"), 'the record is of the confirmation');

# Between the two commits our memory of what is held is lost: the next full run finds it anew.
$simulator->control('delete', { org => 'beta', object => 'Contact', hard => $hard, id => [ @all[ 100 .. 199 ] ] });
other('create function stop_here() returns trigger language plpgsql as $$ begin perform pg_advisory_lock(4711); return new; end $$;
	create trigger stop_here before insert on supaglue_internal.run_log for each row execute function stop_here()');
my ($in, $out) = ("select 'locked' from pg_advisory_lock(4711);\n", '');
my $psql = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('other') ], '<', \$in, '>', \$out, '2>', \my $error);
wait_until(sub { $psql->pump_nb; $out =~ /locked/ }, 'the local commit is held up');
other("select supaglue.trigger_sync($far, true)");
wait_until(sub { other("select count(*) = 1 from pg_stat_activity where backend_type = 'supaglue merger' and wait_event_type = 'Lock'") eq 't' },
	'the merger stands between the commits');
$node->stop('immediate');
$psql->kill_kill;
$node->start;
other('drop trigger stop_here on supaglue_internal.run_log');
is(other("select status from supaglue.wait_for_sync($far)"), 'SUCCESS', 'after the crash our record follows');
is($gone->(), '100 deleted, 0 held', 'nothing is marked, and nothing known to be held');
is($run_there->(), 'SUCCESS', 'the next full run');
is($gone->(), '100 deleted, 100 held', 'finds them anew');
is(other("select supaglue.discard_deletions($far)"), '', 'they are discarded');
is($run_there->(), 'SUCCESS', 'and the next one');
is($gone->(), '100 deleted, 100 held', 'holds them once more');
is($run_there->(), 'SUCCESS', 'another');
is($gone->(), '200 deleted, 0 held', 'marks them');

$node->stop;
$remote->stop;
done_testing();
