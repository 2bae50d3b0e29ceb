# Syncs of a connection that are due for the same object (a common one, a standard one, an entity) share a fetch: the
# provider is asked once, each merges what came, and none depends on another.
use strict;
use warnings;
use lib 'lib';

use JSON::PP ();
use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;

my $node = new_node('node', conf => 'restart_after_crash = on');
my $simulator = new_simulator('--records', 'Contact=300,Lead=40', '--page-size', '100');
sub query { return $node->safe_psql('postgres', $_[0]) }
my %contact = (org => 'acme', object => 'Contact');
$simulator->control('bulk', { org => 'acme', unsupported => [ 'Contact', 'Lead' ] });

query(q{select supaglue.create_entity('{"name": "person", "config": {"fields": [{"name": "surname"}]}}')});
sync_salesforce($node, $simulator, common => [ 'contact', { object => 'lead', exclude_fields => ['Title'] } ], standard => [ 'Contact', 'Lead' ],
	entities => [ { entity_name => 'person' } ],
	config => { period_ms => 3600000, strategy => 'full then incremental', auto_start_on_connection => JSON::PP::false });
query(q{select supaglue.set_entity_mapping('person', 'salesforce', '{"object": {"type": "standard", "name": "Contact"},
	"field_mappings": {"surname": "LastName"}}')});
my %sync = map { $_ => query("select id from supaglue.syncs where object_type || '/' || object = '$_'") }
  qw(common/contact standard/Contact entity/person common/lead standard/Lead);
my @three = @sync{ 'common/contact', 'standard/Contact', 'entity/person' };
my %table = ('common/contact' => 'crm_contacts', 'standard/Contact' => '"salesforce_Contact"');
my $entity_table = query("select table_name from supaglue_internal.objects where object_type = 'entity'");

sub list { return join ',', @_ }
sub trigger
{
	my ($full, @ids) = @_;
	query("select supaglue.trigger_sync(id, $full) from unnest(array[" . list(@ids) . ']) as id');
	return;
}
# Their newest runs, when they have ended.
sub ended
{
	my @ids = @_;
	query("select supaglue.wait_for_sync(id) from unnest(array[" . list(@ids) . ']) as id');
	return query("select string_agg(concat_ws(' ', r.status, r.strategy, r.records_read, r.records_inserted, r.records_updated, r.error_class),
		'; ' order by array_position(array[" . list(@ids) . "]::bigint[], r.sync_id))
		from supaglue.sync_runs r join supaglue.syncs s on s.last_run_id = r.id where s.id in (" . list(@ids) . ')');
}
sub requests { return query('select sum(requests) from supaglue.sync_runs where id in (select last_run_id from supaglue.syncs where id in (' . list(@_) . '))') }
sub asked { my $counters = $simulator->counters; return ($counters->{query} // 0) + ($counters->{query_more} // 0) }
sub rows_with
{
	my ($title) = @_;
	return join ' ', map { query("select count(*) from supaglue_data.$_ where _supaglue_raw_data->>'Title' = '$title'") } @table{ sort keys %table }, $entity_table;
}
sub change { my ($title) = @_; $simulator->control('update', { %contact, where => 'LastName != null', set => { Title => $title } }); return }
sub hold { my ($path) = @_; $simulator->control('hold', { match => { %contact, path_contains => $path } }); return }
sub held { return wait_until(sub { $simulator->ask('held')->{held} > 0 }, 'a request is held') }
sub under_way { return query('select count(*), count(distinct fetch_id), max(pages), count(distinct since) from supaglue_internal.runs') }
sub kill_fetcher { query("select pg_terminate_backend(pid, 10000) from pg_stat_activity where backend_type = 'supaglue fetcher'"); return }

# --- The first runs, then nothing new, then some ----------------------------------------------------------------------------
query('select supaglue.resume_sync(id) from unnest(array[' . list(@three) . ']) as id');
is(ended(@three), join('; ', ('SUCCESS full 300 300 0') x 3), 'each of three syncs has all records');
is(asked(), 3, 'the provider was asked for each page once');
is(requests(@three), query("select max(requests) from supaglue.sync_runs"), 'what that took is told of one of them');
trigger('false', @three);
is(ended(@three), join('; ', ('SUCCESS incremental 0 0 0') x 3), 'each finds nothing new');
is(requests(@three), 1, 'by one request');
change('one');
trigger('false', @three);
is(ended(@three), join('; ', ('SUCCESS incremental 300 0 300') x 3), 'each finds what is new');
is(rows_with('one'), '300 300 300', 'and has it');
is(untrue($node, $simulator, 'acme', 'Contact'), 0, 'as the provider has it');

# --- Another object, and another choice of fields -----------------------------------------------------------------------------
my $before = asked();
query("select supaglue.resume_sync(id) from unnest(array[$sync{'common/lead'},$sync{'standard/Lead'}]) as id");
is(ended(@sync{ 'common/lead', 'standard/Lead' }), join('; ', ('SUCCESS full 40 40 0') x 2), 'two that want other fields');
is(asked() - $before, 2, 'ask by themselves');
is(query('select (select count(*) from supaglue_data."salesforce_Lead" where _supaglue_raw_data ? $$Title$$),
	(select count(*) from supaglue_data.crm_leads where _supaglue_raw_data ? $$Title$$)'), '40|0', 'and get what they want');

# --- One is behind the others ------------------------------------------------------------------------------------------------
change('two');
trigger('false', @three[ 0, 1 ]);
is(ended(@three[ 0, 1 ]), join('; ', ('SUCCESS incremental 300 0 300') x 2), 'two have what is new');
query("update supaglue_internal.syncs set watermark = watermark - interval '1 minute' where id = $three[2]");
hold('/query');
trigger('false', @three);
held();
is(under_way(), '3|1|0|1', 'they share a fetch');
is(query("select bool_and(r.since = s.watermark) from supaglue_internal.runs r, supaglue.syncs s where s.id = $three[2]"), 't',
	'that begins where the last of them stands');
$simulator->control('release', {});
like(ended(@three), qr/^SUCCESS incremental 300 0 0; SUCCESS incremental 300 0 0; SUCCESS incremental 300 0 300$/, 'and each takes of it what it lacks');
is(rows_with('two'), '300 300 300', 'all have all');

# --- A fetcher that is killed behind a page, and before one --------------------------------------------------------------------
change('three');
hold('-200');
trigger('true', @three);
held();
wait_until(sub { under_way() eq '3|1|2|0' }, 'two pages are kept');
my $bytes = query('select count(*) from supaglue_internal.spool where fetch_id = (select min(fetch_id) from supaglue_internal.runs)');
is($bytes, '2', 'once');
$before = asked();
kill_fetcher();
$simulator->control('release', {});
is(ended(@three), join('; ', ('SUCCESS full 300 0 300') x 3), 'behind a page they go on together');
is(asked() - $before, 1, 'asking for the page that was under way once more');
is(rows_with('three'), '300 300 300', 'all have all');
hold('/query');
trigger('false', @three);
held();
kill_fetcher();
wait_until(sub { under_way() =~ /^3\|3\|0/ }, 'before the first page each begins anew, by itself');
$simulator->control('release', {});
like(ended(@three), qr/^(SUCCESS incremental \d+ 0 0(; )?){3}$/, 'and ends well');

# --- What full runs find as it was is left out when all tables have it ----------------------------------------------------------
query("delete from supaglue_data.crm_contacts where id = (select min(id) from supaglue_data.crm_contacts)");
query(qq{update supaglue_data."salesforce_Contact" set _supaglue_raw_data = _supaglue_raw_data || '{"Title": "spoilt"}'
	where id = (select max(id) from supaglue_data."salesforce_Contact")});
hold('-200');
trigger('true', @three);
held();
wait_until(sub { under_way() eq '3|1|2|0' }, 'two pages are kept');
my $kept = query(q{select sum(length(packed)) from supaglue_internal.spool where fetch_id = (select min(fetch_id) from supaglue_internal.runs)});
cmp_ok($kept, '<', 12000, 'of records that all tables have the ids are kept');
$simulator->control('release', {});
like(ended(@three), qr/^SUCCESS full 300 1 0; SUCCESS full 300 0 1; SUCCESS full 300 0 0$/, 'each mends what its own table lacks');
is(untrue($node, $simulator, 'acme', 'Contact'), 0, 'the truth is restored');

# --- One ends in the midst: the others go on -------------------------------------------------------------------------------------
change('four');
hold('-200');
trigger('false', @three);
held();
$before = asked();
my $first = query('select sync_id from supaglue_internal.runs where id = fetch_id');
query("select supaglue.pause_sync($first)");
wait_until(sub { under_way() =~ /^2\|1\|/ }, 'the run that the fetch began with is stopped');
$simulator->control('release', {});
my @others = grep { $_ != $first } @three;
is(ended(@others), join('; ', ('SUCCESS incremental 300 0 300') x 2), 'the others end well');
is(asked() - $before, 0, 'without asking again');
query("select supaglue.resume_sync($first)");
trigger('false', $first);
is(ended($first), 'SUCCESS incremental 300 0 300', 'and the one that was stopped when it is resumed');
is(rows_with('four'), '300 300 300', 'all have all');

# --- What fails, fails for all ---------------------------------------------------------------------------------------------------
$simulator->control('fault', { kind => 'edit', times => -1, match => {%contact}, find => '"records":', body => '"recalls":' });
$before = asked();
trigger('false', @three);
wait_until(sub { query("select count(*) from supaglue.syncs where last_error_class = 'provider'") eq '3' }, 'an answer that is none fails all');
$simulator->control('clear_faults', {});
wait_until(sub { query("select count(*) from supaglue.syncs where last_error_class is null and id in (" . list(@three) . ')') eq '3' },
	'and all are well when the provider is');
my $failed = query("select count(*) from supaglue.sync_runs where status = 'FAILURE' and error_class = 'provider'");
cmp_ok($failed, '>=', 3, 'each has its failed run');
is(query("select count(distinct started_at) from supaglue.sync_runs where error_class = 'provider'") * 3, $failed, 'all began together');
is(asked() - $before, $failed / 3 + 3, 'and tried again together, by three pages');

# --- As many runs as a connection may have are under way: who shares a fetch needs no turn of its own -----------------------------
$node->append_conf('postgresql.conf', 'supaglue.fetch_concurrency = 1');
$node->reload;
change('five');
trigger('false', @three);
is(ended(@three), join('; ', ('SUCCESS incremental 300 0 300') x 3), 'one at a time, all three have theirs');
is(requests(@three), 3, 'by one fetch');

$node->stop;
done_testing();
