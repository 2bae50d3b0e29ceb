# Two servers: a remote destination that is full, out of connections, forbidden or gone; and several servers that would
# write there, of which only the newest may.
use strict;
use warnings;
use lib 'lib';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;

my $remote = PostgreSQL::Test::Cluster->new('remote');
$remote->init;
$remote->append_conf('postgresql.conf', "listen_addresses = '127.0.0.1'");
$remote->start;
$remote->safe_psql('postgres', 'create role loader login; create database warehouse');
my $setup = 'create schema lake authorization loader';
sub there { return $remote->safe_psql('warehouse', $_[0]) }
there($setup);

my $node = new_node('node', init => { allows_streaming => 1 });
my $simulator = new_simulator('--records', 'Contact=30', '--page-size', '10');
sub on { my ($server, $sql) = @_; return $server->safe_psql('postgres', $sql) }
sub query { return on($node, $_[0]) }

sync_salesforce($node, $simulator, config => { period_ms => 3600000, strategy => 'full then incremental' },
	destination => { host => $remote->host, port => $remote->port + 0, database => 'warehouse', user => 'loader', schema => 'lake' });
my $sync = query("select supaglue.sync_id('acme', 'salesforce', 'Contact')");
my $outcome = "status || ' ' || strategy || ' ' || coalesce(error_class, records_inserted || ' ' || records_updated)";
sub run
{
	my ($server) = @_;
	on($server, "select supaglue.trigger_sync($sync)");
	return on($server, "select $outcome from supaglue.wait_for_sync($sync, '100 s')");
}
is(query("select $outcome from supaglue.wait_for_sync($sync)"), 'SUCCESS full 30 0', 'the run ends well');

my $round = 0;
sub change { $round++; $simulator->control('update', { org => 'acme', object => 'Contact', where => 'LastName != null', set => { Title => "round $round" } }); return }
sub rows { return there("select count(*) from lake.\"salesforce_Contact\" where _supaglue_raw_data->>'Title' = 'round $round'") }
# The record there says what the view here says.
sub agrees
{
	my ($server, $what) = @_;
	is(there('select run_id, emitted_at, watermark from lake._supaglue_syncs'),
		on($server, "select r.id, r.emitted_at, s.watermark from supaglue.syncs s join supaglue.sync_runs r on r.id = s.last_run_id where s.id = $sync"),
		"$what: run, emitted_at and watermark are the same on both sides");
	return;
}

# --- A destination that cannot take it now ------------------------------------------------------------------------
sub waits
{
	my ($what, $break, $mend, $message) = @_;
	change();
	$break->();
	query("select supaglue.trigger_sync($sync)");
	wait_until(sub { query("select state = 'waiting' and waiting_for = 'destination' and waiting_until > now() from supaglue.syncs where id = $sync") eq 't'
		and query("select last_error_class || ': ' || last_error from supaglue.syncs where id = $sync") =~ $message }, "$what: the sync waits, and says for what");
	pass("$what: the sync waits, and says for what");
	is(rows(), '0', "$what: nothing of it is there");
	$simulator->control('reset_counters');
	$mend->();
	is(query("select $outcome from supaglue.wait_for_sync($sync, '100 s')"), 'SUCCESS incremental 0 30', "$what: it goes on");
	is(rows(), '30', "$what: with all rows");
	is($simulator->counters->{query}, 0, "$what: without asking again");
	agrees($node, $what);
	return;
}
# Sessions that there are stay as they are, and a merger keeps one for a while.
my $anew = "select pg_terminate_backend(pid, 10000) from pg_stat_activity where usename = 'loader'";
waits('full', sub { there(q{create function no_space() returns trigger language plpgsql as $$ begin raise disk_full using message = 'no space left'; end $$;
	create trigger no_space before update on lake."salesforce_Contact" for each row execute function no_space()}) },
	sub { there('drop function no_space() cascade') }, qr/^destination: no space left/);
waits('out of connections', sub { there("alter role loader connection limit 0; $anew") }, sub { there('alter role loader connection limit -1') },
	qr/^destination: could not connect to destination "destination": .*too many connections/);
waits('locked', sub {
		there(q{create function busy() returns trigger language plpgsql as $$ begin raise lock_not_available using message = 'busy'; end $$;
			create trigger busy before update on lake."salesforce_Contact" for each row execute function busy()}) },
	sub { there('drop function busy() cascade') }, qr/^destination: busy/);
# As a managed server is whose disk is nearly full.
waits('read-only', sub { there("alter role loader set default_transaction_read_only = on; $anew") },
	sub { there("alter role loader reset default_transaction_read_only; $anew") }, qr/^destination: cannot execute .* in a read-only transaction/);

# --- A destination that refuses -----------------------------------------------------------------------------------------
sub refuses
{
	my ($what, $break, $mend, $message) = @_;
	change();
	$break->();
	is(run($node), 'FAILURE incremental destination', "$what: the run fails");
	# It may be trying again just now.
	wait_until(sub { query("select state = 'waiting' and waiting_for = 'destination' and waiting_until is not null and paused_by = '{}' from supaglue.syncs where id = $sync") eq 't' },
		"$what: the sync waits, and is not stopped");
	like(query("select last_error from supaglue.syncs where id = $sync"), $message, "$what: it says why");
	$mend->();
	return;
}
refuses('permission lost', sub { there('alter table lake."salesforce_Contact" owner to current_user') },
	sub { there('alter table lake."salesforce_Contact" owner to loader') }, qr/permission denied/);
like(run($node), qr/^SUCCESS incremental/, 'with its right back it goes on');
is(rows(), '30', 'with all rows');
agrees($node, 'permission lost');
refuses('schema dropped', sub { there('drop schema lake cascade') }, sub { there($setup) }, qr/lake|permission denied/);
query("select supaglue.trigger_sync($sync)");
wait_until(sub { query("select phase = 'full' and state = 'idle' and last_error is null from supaglue.syncs where id = $sync") eq 't' },
	'with its schema back the sync goes on');
like(query("select string_agg(coalesce(error_message, strategy), ' ' order by id) from supaglue.sync_runs where sync_id = $sync"),
	qr/the table lost the rows that the last run left: the next run reads everything full( incremental)*$/, 'in full, and says why');
is(rows(), '30', 'all rows are there');

# --- A destination that was restored from before the last run -------------------------------------------------------------
there('create table lake.kept as select * from lake."salesforce_Contact"; create table lake.kept_syncs as select * from lake._supaglue_syncs');
change();
is(run($node), 'SUCCESS incremental 0 30', 'a run');
there('begin; truncate lake."salesforce_Contact", lake._supaglue_syncs; insert into lake."salesforce_Contact" select * from lake.kept;
	insert into lake._supaglue_syncs select * from lake.kept_syncs; commit');
query("select supaglue.trigger_sync($sync)");
wait_until(sub { query("select max(id) = (select max(run_id) from supaglue.events where kind = 'sync.recovered') from supaglue.sync_runs
	where strategy = 'full' and sync_id = $sync and id > (select max(id) from supaglue.sync_runs where error_message like '%lost the rows%')") eq 't' },
	'the destination was restored: that is noticed');
wait_until(sub { query("select state = 'idle' and last_error is null from supaglue.syncs where id = $sync") eq 't' }, 'the next run ends well');
is(rows(), '30', 'and brings all that is missing');
agrees($node, 'restored');

# --- Servers of which one was left behind -----------------------------------------------------------------------------------
my $refusal = qr/^destination: another server has written the rows of sync $sync to destination "destination": /;
sub error_of { my ($server) = @_; return on($server, "select last_error_class || ': ' || last_error from supaglue.syncs where id = $sync") }
$node->backup('base');

# A copy of the files, from before the primary's last run.
change();
is(run($node), 'SUCCESS incremental 0 30', 'the primary runs');
my $emitted = there('select emitted_at from lake._supaglue_syncs');
my $copy = PostgreSQL::Test::Cluster->new('copy');
$copy->init_from_backup($node, 'base');
$copy->start;
change();
is(run($copy), 'FAILURE incremental destination', 'an older copy is refused');
like(error_of($copy), qr/${refusal}The rows there are newer than what this server knows of: it is an older copy\.$/, 'and told why');
my $error;
wait_until(sub { (undef, undef, $error) = $copy->psql('postgres', "select supaglue.materialize($sync)"); $error !~ /is running/ }, 'no worker tries again');
like($error, qr/another server has written.*HINT:.*adopt_database\(\)/s, 'by hand, too, with what to do');
is(there('select emitted_at from lake._supaglue_syncs') . rows(), "${emitted}0", 'nothing was written');
$copy->stop;

# A standby that was promoted; the old primary does not know it.
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
$standby->promote;
wait_until(sub { on($standby, "select count(*) from pg_stat_activity where backend_type like 'supaglue%'") eq '3' }, 'promoted, it has workers');
is(run($standby), 'SUCCESS incremental 0 30', 'a standby that was promoted goes on by itself');
agrees($standby, 'promoted');
change();
is(run($node), 'FAILURE incremental destination', 'the old primary is refused');
like(error_of($node), qr/${refusal}It was promoted after this one had been left behind\.$/, 'and told why');
is(rows(), '0', 'nothing was written');
query('select supaglue.adopt_database()');
like(run($node), qr/^SUCCESS/, 'unless somebody says that it is the one');
is(rows(), '30', 'then it goes on');
agrees($node, 'adopted');
change();
is(run($standby), 'FAILURE incremental destination', 'and the other is refused');
like(error_of($standby), qr/${refusal}It was configured, or adopted its database, later than this one\.$/, 'and told why');

$_->stop foreach $standby, $node, $remote;
done_testing();
