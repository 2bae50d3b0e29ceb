# Much is read by jobs of the Bulk API, little by the query API, and nobody can tell from the table which it was. A
# server that is killed goes on with its job; a job that fails, is aborted or gets lost is told apart.
use strict;
use warnings;
use lib 'lib';

use HTTP::Tiny;
use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;

my $node = new_node('node');
my $simulator = new_simulator('--records', 'Contact=12000');
my $table = 'supaglue_data."salesforce_Contact"';
my $hour = { period_ms => 3600000, strategy => 'full then incremental' };

sub query { return $node->safe_psql('postgres', $_[0]) }
sub sync { my ($customer, $object) = @_; return "supaglue.sync_id('$customer', 'salesforce', '" . ($object // 'Contact') . "')" }
sub bulk { my ($org, %told) = @_; $simulator->control('bulk', { org => $org, %told }); return }
sub jobs_made { my ($org) = @_; return $simulator->ask("bulk?org=$org")->{made} }

# What the requests were since the counters were last set to nothing.
sub requests
{
	my ($org) = @_;
	my $counted = $simulator->counters->{orgs}{$org} // {};
	return join ' ', map { "$_ $counted->{$_}" } grep { $counted->{$_} } qw(describe query query_more bulk_create bulk_poll bulk_results);
}

# A run by the workers: its end and what it did, and the requests it took.
my $outcome = "status || ': ' || records_inserted || ' inserted, ' || records_updated || ' updated, ' || records_unchanged || ' unchanged, '
	|| records_deleted || ' deleted'";
sub run
{
	my ($customer, %how) = @_;
	my $sync = sync($customer, $how{object});
	$simulator->control('reset_counters');
	query("select supaglue.trigger_sync($sync, " . ($how{full} ? 'true' : 'false') . ')');
	return query("select $outcome from supaglue.wait_for_sync($sync)");
}
sub last_error
{
	my ($customer) = @_;
	return query("select error_class || ': ' || error_message from supaglue.sync_runs where sync_id = ${\ sync($customer)} order by id desc limit 1");
}

# Whether the table holds what the provider holds, to the last value.
sub is_true
{
	my ($customer, $what) = @_;
	my $file = "$PostgreSQL::Test::Utils::tmp_check/truth.$$";
	my $answer = HTTP::Tiny->new->mirror($simulator->url . "/control/records?org=$customer&object=Contact&iso=1", $file);
	die "records: $answer->{status}" unless $answer->{success};
	is(query("create temp table truth (record jsonb);
		copy truth from '$file' with (format csv, quote e'\\x01', delimiter e'\\x02');
		select count(*) filter (where record is distinct from _supaglue_raw_data) || ' of ' || count(*) || ' differ'
		from truth full join (select * from $table where _supaglue_customer_id = '$customer' and not _supaglue_is_deleted) t
		on t.id = record->>'Id'"), (query("select count(*) from $table where _supaglue_customer_id = '$customer' and not _supaglue_is_deleted")
		  =~ s/(.*)/0 of $1 differ/r), $what);
	unlink $file;
	return;
}

# Two objects that are too wide for a query in an address: by our own measure, and by the provider's.
# They are older than what an incremental run looks back.
$simulator->control('clock', { offset_seconds => -7200 });
foreach (['Wide__c', 450], ['Broad__c', 260])
{
	my ($object, $width) = @$_;
	$simulator->control('add_object', { org => 'acme', object => $object,
		fields => [ map { { name => sprintf('A_field_with_a_rather_long_name_%03d__c', $_), type => 'double' } } 1 .. $width ] });
	$simulator->control('insert', { org => 'acme', object => $object,
		records => [ map { { A_field_with_a_rather_long_name_007__c => $_ } } 1 .. 3 ] });
}
$simulator->control('clock', { offset_seconds => 0 });
bulk($_, page_size => 2500) foreach qw(acme globex);
bulk('globex', unsupported => ['Contact']);
sync_salesforce($node, $simulator, customers => [ 'acme', 'globex' ], config => $hour);

# --- Both ways ---------------------------------------------------------------------------------------------
is(wait_for_sync($node, 'acme', 'Contact'), 'SUCCESS', 'much is read');
like(requests('acme'), qr/^describe 1 query 1 bulk_create 1 bulk_poll \d bulk_results 5$/, 'by a job, its results in pages');
is(query("select records_inserted || ' of ' || provider_count from supaglue.sync_runs where sync_id = ${\ sync('acme')}"), '12000 of 12000',
	'all of it');
is_true('acme', 'the table is the truth');
is(wait_for_sync($node, 'globex', 'Contact'), 'SUCCESS', 'an object that has no jobs is read');
is(requests('globex'), 'describe 1 query 2 query_more 5 bulk_create 1', 'by the query API, and a job is asked for once');
is_true('globex', 'the table is the truth');

bulk('acme', unsupported => ['Contact']);
bulk('globex', unsupported => []);
foreach my $customer ('acme', 'globex')
{
	is(run($customer, full => 1), 'SUCCESS: 0 inserted, 0 updated, 12000 unchanged, 0 deleted', "$customer: the other way writes no row");
}
like(requests('globex'), qr/query 1 bulk_create 1 bulk_poll \d bulk_results 5$/, 'and was the other way');
bulk('acme', unsupported => []);

is(run('acme'), 'SUCCESS: 0 inserted, 0 updated, 0 unchanged, 0 deleted', 'nothing is new');
is(requests('acme'), 'query 1', 'and that is one request');
my @ids = split /\n/, query("select id from $table where _supaglue_customer_id = 'acme' order by id limit 3");
$simulator->control('update', { org => 'acme', object => 'Contact', id => \@ids, set => { Title => 'Three' } });
like(run('acme'), qr/^SUCCESS: 0 inserted, 3 updated/, 'a little is new');
is(requests('acme'), 'query 1', 'and that is one request, too');
$simulator->control('update', { org => 'acme', object => 'Contact', where => 'Id != null',
	set => { Title => "a \"quoted\",\ntitle", Description => " \\ é \xf0\x9f\x98\x80 " } });
$simulator->control('delete', { org => 'acme', object => 'Contact', id => $ids[0] });
$simulator->control('delete', { org => 'acme', object => 'Contact', id => $ids[1], hard => \1 });
is(run('acme'), 'SUCCESS: 0 inserted, 11998 updated, 0 unchanged, 1 deleted', 'much is new');
like(requests('acme'), qr/^query 1 bulk_create 1 bulk_poll \d bulk_results 5$/, 'and comes by a job');
is(run('acme', full => 1), 'SUCCESS: 0 inserted, 0 updated, 11999 unchanged, 1 deleted', 'absence shows after a job as well');
is_true('acme', 'the table is the truth');
is(query("select (supaglue.materialize(${\ sync('acme')}, true)).records_unchanged"), '11999', 'materialize() reads by a job');
$simulator->control('reset_counters');
is(query("set supaglue.customer_id = 'acme'; select count(*) from supaglue_live.\"salesforce_Contact\""), '11998', 'a live scan reads it all');
unlike(requests('acme'), qr/bulk/, 'and makes nobody wait for a job');

# --- A server that is killed ---------------------------------------------------------------------------------
sub pages { return query('select coalesce(max(pages), 0) from supaglue_internal.runs') }
sub on_disk { wait_until(sub { query('select pg_current_wal_insert_lsn() <= pg_current_wal_flush_lsn()') eq 't' }, 'what was written is on disk') }
sub begin
{
	$simulator->control('reset_counters');
	query("select supaglue.trigger_sync(${\ sync('acme')}, true)");
	return;
}
sub ends_well
{
	my ($what, $polls, $results) = @_;
	is(query("select $outcome from supaglue.wait_for_sync(${\ sync('acme')})"), 'SUCCESS: 0 inserted, 0 updated, 11999 unchanged, 0 deleted',
		"$what: the run ends well");
	return;
}

my $made = jobs_made('acme');
bulk('acme', polls => 1_000_000);
begin();
wait_until(sub { $simulator->counters->{bulk_poll} >= 1 && pages() eq '1' }, 'the job is asked after');
on_disk();
$node->stop('immediate');
bulk('acme', polls => 1, finish => 1);
$simulator->control('reset_counters');
$node->start;
ends_well('killed while it waits for the job');
is(requests('acme'), 'bulk_poll 1 bulk_results 5', 'it went on with the job');
is(jobs_made('acme'), $made + 1, 'and made no other');

$simulator->control('hold', { match => { org => 'acme', path_contains => '&locator=NzUwMA' } });    # from 7,500 on
begin();
wait_until(sub { $simulator->ask('held')->{held} == 1 && pages() eq '4' }, 'three pages are kept, the fourth is held');
on_disk();
my @processes = split /\n/, query('select pid from pg_stat_activity where pid <> pg_backend_pid()');
$node->kill9;
wait_until(sub { !kill 0, @processes }, 'the last process of the killed server is gone, and asks for nothing more');
$simulator->control('release');
$simulator->control('reset_counters');
$node->start;
ends_well('killed while it reads pages');
is(requests('acme'), 'bulk_results 2', 'it went on at the page');
is(jobs_made('acme'), $made + 2, 'of the same job');
is_true('acme', 'the table is the truth');

# --- Jobs that come to nothing ---------------------------------------------------------------------------------
# Paused, so that it runs when it is told to, and is not tried again by itself.
query("select supaglue.pause_sync(${\ sync('acme')})");
bulk('acme', fail => 'InvalidBatch : the query took too long');
like(run('acme', full => 1), qr/^FAILURE/, 'a job that fails');
is(last_error('acme'), 'provider: the bulk job of salesforce has not succeeded: It ended as Failed: InvalidBatch : the query took too long.',
	'fails the run with its words');

bulk('acme', polls => 1_000_000);
begin();
wait_until(sub { $simulator->counters->{bulk_poll} >= 1 }, 'the job is asked after');
bulk('acme', abort => \1, polls => 1);
like(query("select status from supaglue.wait_for_sync(${\ sync('acme')})"), qr/FAILURE/, 'a job that somebody aborts');
like(last_error('acme'), qr/^provider: .*It ended as Aborted\.$/, 'fails the run, too');

bulk('acme', polls => 1_000_000);
$made = jobs_made('acme');
begin();
wait_until(sub { $simulator->counters->{bulk_poll} >= 1 }, 'the job is asked after');
bulk('acme', drop => \1, polls => 1);
ends_well('a job that is gone');
is(jobs_made('acme'), $made + 2, 'another is made');

$simulator->control('hold', { match => { org => 'acme', path_contains => '&locator=NTAwMA' } });    # from 5,000 on
begin();
wait_until(sub { $simulator->ask('held')->{held} == 1 }, 'a page is held');
bulk('acme', drop => \1);
$simulator->control('release');
is(query("select status || ' ' || records_read || ' ' || records_inserted + records_updated + records_deleted from supaglue.wait_for_sync(${\ sync('acme')})"),
	'SUCCESS 11999 0', 'a job that is gone in the midst of its pages: all is read again, and counted once');

my $refused = sub {
	my ($kind, $status, $code) = @_;
	$simulator->control('fault', { match => { org => 'acme', kind => $kind }, kind => 'status', status => $status,
		body => [ { errorCode => $code, message => 'so it is' } ] });
};
$refused->('bulk_results', 409, 'API_ERROR');
like(run('acme', full => 1), qr/^FAILURE/, 'another version of the API fails the run');
like(last_error('acme'), qr/^provider: .*HTTP 409/, 'in words');
$refused->('bulk_results', 400, 'INVALIDJOBSTATE');
like(run('acme', full => 1), qr/^SUCCESS.* 11999 unchanged/, 'a job that is in no state to tell its results is made again');
$refused->('bulk_poll', 503, 'SERVER_UNAVAILABLE');
like(run('acme', full => 1), qr/^SUCCESS.* 11999 unchanged/, 'a provider that is away for a moment is asked again');
foreach my $kind ('cut', 'truncate_gzip')
{
	$simulator->control('fault', { match => { org => 'acme', kind => 'bulk_results' }, kind => $kind });
	like(run('acme', full => 1), qr/^SUCCESS.* 11999 unchanged/, "a page that is broken ($kind) is read again");
}
$simulator->control('fault', { match => { org => 'acme', kind => 'bulk_results' }, kind => 'garbage', body => "\"Id\"\n\"x\"\n" });
like(run('acme', full => 1), qr/^FAILURE/, 'a page of something else fails the run');
like(last_error('acme'), qr/^provider: the answer of salesforce is not the CSV that was expected/, 'in words');
bulk('acme', jobs_left => 0);
like(run('acme', full => 1), qr/^SUCCESS.* 11999 unchanged/, 'an org without jobs left');
is(requests('acme'), 'describe 1 query 2 query_more 5 bulk_create 1', 'is read by the query API');
bulk('acme', jobs_left => 10000);
is_true('acme', 'after all this the table is the truth');
query("select supaglue.resume_sync(${\ sync('acme')})");

# --- Queries that are too long for an address --------------------------------------------------------------------
query(qq(select supaglue.update_sync_config(id, '{"custom_objects": [{"object": "Wide__c"}, {"object": "Broad__c"}]}') from supaglue.sync_configs));
foreach my $object ('Wide__c', 'Broad__c')
{
	$simulator->control('reset_counters');
	is(wait_for_sync($node, 'acme', $object), 'SUCCESS', "$object: read by a job, however little it is");
	is(query("select count(*) || ' ' || sum((_supaglue_raw_data->>'A_field_with_a_rather_long_name_007__c')::numeric)::int
		from supaglue_data.\"salesforce_$object\""), '3 6', "$object: all of it");
}
like(run('acme', object => 'Wide__c'), qr/^SUCCESS: 0 inserted/, 'nothing is new');
is(requests('acme'), 'query 1', 'and that is one request');
$simulator->control('update', { org => 'acme', object => 'Wide__c', where => 'Id != null', set => { A_field_with_a_rather_long_name_007__c => 1 } });
like(run('acme', object => 'Wide__c'), qr/^SUCCESS: 0 inserted, 3 updated/, 'a little is new');
like(requests('acme'), qr/^query 1 bulk_create 1 bulk_poll \d bulk_results 1$/, 'and comes by a job');
my (undef, undef, $error) = $node->psql('postgres', "set supaglue.customer_id = 'acme'; select _supaglue_raw_data from supaglue_live.\"salesforce_Wide__c\"");
like($error, qr/the query for "Wide__c" of salesforce is too long/, 'a live scan cannot wait for a job, and says so');

$node->stop;
done_testing();
