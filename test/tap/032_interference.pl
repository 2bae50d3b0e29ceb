# What users do to a sync in the midst of its run, to its table, its owner and its configuration: each run ends in
# a way that can be told beforehand, and nothing is left over.
use strict;
use warnings;
use lib 'lib';

use IPC::Run;
use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;
use Time::HiRes qw(time);

my $node = new_node('node', conf => "supaglue.lock_timeout = '1s'");
my $simulator = new_simulator('--records', 'Contact=25,Lead=25', '--page-size', '10');
my $table = 'supaglue_data."salesforce_Contact"';
my $hour = { period_ms => 3600000, strategy => 'full then incremental' };
sub query { return $node->safe_psql('postgres', $_[0]) }
# The SQLSTATE of a statement that fails; the last value printed otherwise.
sub says
{
	my ($status, $out, $error) = $node->psql('postgres', "\\set VERBOSITY verbose\n$_[0]");
	return $error =~ /ERROR:  (\w{5}):/ ? $1 : (split /\n/, $out)[-1];
}
sub session
{
	my ($sql, $until) = @_;
	my ($in, $out, $error) = ("$sql\n", '', '');
	my $session = { in => \$in, out => \$out, error => \$error };
	$session->{psql} = IPC::Run::start([ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$out, '2>', \$error);
	wait_until(sub { $session->{psql}->pump_nb; $out =~ /$until/ }, $until) if defined $until;
	return $session;
}
sub close_session { $_[0]{psql}->finish; return ${ $_[0]{out} } . ${ $_[0]{error} } }

my $ids = sync_salesforce($node, $simulator, customers => [ 'acme', 'globex' ], config => { %$hour });
my $sync = query("select supaglue.sync_id('acme', 'salesforce', 'Contact')");
my $other = query("select supaglue.sync_id('globex', 'salesforce', 'Contact')");
is(wait_for_sync($node, $_, 'Contact'), 'SUCCESS', "$_ is synced") foreach 'acme', 'globex';
my $rows = "(select _supaglue_raw_data->>'Title' as title from $table where _supaglue_customer_id = 'acme' and not _supaglue_is_deleted) rows";

# A run of acme's, stopped before its second page (of the incremental kind: everything has changed), while something
# is done to it.
my $round = 0;
sub in_run
{
	my ($full, $do) = @_;
	$round++;
	$simulator->control('update', { org => 'acme', object => 'Contact', where => 'LastName != null', set => { Title => "round $round" } });
	$simulator->control('hold', { match => { org => 'acme', kind => 'query_more' } });
	query("select supaglue.trigger_sync($sync, $full)");
	wait_until(sub { $simulator->ask('held')->{held} == 1 }, 'the second page is held');
	$do->();
	$simulator->control('release');
	return;
}
sub outcome
{
	return query("select status || ' ' || strategy || ' ' || coalesce(error_class, '-') from supaglue.wait_for_sync($sync)") . ' '
	  . query("select count(*) from $rows where title = 'round $round'");
}

# --- The table ------------------------------------------------------------------------------------------------------
foreach my $case (
	[ 'ADD COLUMN', "alter table $table add column if not exists note text,
		add column if not exists title text generated always as (_supaglue_raw_data->>'Title') stored" ],
	[ 'CREATE INDEX', "create index on $table ((_supaglue_raw_data->>'LastName'))" ],
	[ 'VACUUM FULL', "vacuum full analyze $table" ])
{
	my ($what, $sql) = @$case;
	foreach my $full ('true', 'false')
	{
		in_run($full, sub { query($sql) });
		is(outcome(), 'SUCCESS ' . ($full eq 'true' ? 'full' : 'incremental') . ' - 25', "$what in a run, full: $full");
	}
}
# Of a table that lost its rows an incremental run knows only what changed: it fails, and at once everything is read.
sub read_again
{
	my ($what) = @_;
	wait_until(sub { says("select count(*) from $rows where title = 'round $round'") eq '25' }, "$what: all is read again");
	is(query("select string_agg(status || ' ' || strategy, ', ' order by id) from (select * from supaglue.sync_runs
		where sync_id = $sync order by id desc limit 2) r"), 'FAILURE incremental, SUCCESS full', "$what in an incremental run");
	return;
}
foreach my $what ("truncate $table", "delete from $table where _supaglue_customer_id = 'acme'", "drop table $table")
{
	in_run('true', sub { query($what) });
	is(outcome(), 'SUCCESS full - 25', "$what in a full run");
	in_run('false', sub { query($what) });
	read_again($what);
}
query("select supaglue.trigger_sync($other)");
wait_until(sub { query("select count(*) from $table where _supaglue_customer_id = 'globex'") eq '25' },
	'the rows of the other customer come again, too');

query("create unique index refuses on $table ((_supaglue_raw_data->>'Title')) where _supaglue_customer_id = 'acme' and _supaglue_raw_data->>'Title' like 'round%9'");
$round = 8;
in_run('false', sub { });
is(outcome(), 'FAILURE incremental destination 0', 'a unique index that refuses the rows fails the run');
is(query("select last_error_class || ' ' || state || ' ' || (last_error like '%refuses%') from supaglue.syncs where id = $sync"), 'destination quarantined true', 'in its own words');
query("drop index supaglue_data.refuses");
query("select supaglue.resume_sync($sync)");
is(outcome(), 'SUCCESS incremental - 25', 'without it all is well');

# --- Locks --------------------------------------------------------------------------------------------------------
my $locker = session("begin; lock table $table; select 'locked';", 'locked');
in_run('false', sub { });
wait_until(sub { query("select waiting_for = 'destination' and last_error like '%lock%' from supaglue.syncs where id = $sync") eq 't' },
	'a run waits for a table that is locked');
pass('a run waits for a table that is locked');
is(query("select supaglue.trigger_sync($other)"), 'queued', 'other syncs');
wait_until(sub { query("select stage from supaglue_internal.runs where sync_id = $other") eq 'merge' }, 'are fetched meanwhile');
wait_until(sub { query("select max(merge_attempts) from supaglue_internal.runs") > 1 }, 'the merge is tried again');
${ $locker->{in} } .= "rollback;\n";
close_session($locker);
is(outcome(), 'SUCCESS incremental - 25', 'and goes on when the lock is gone');
is(query("select status from supaglue.wait_for_sync($other)"), 'SUCCESS', 'so does the other');

# --- The configuration ------------------------------------------------------------------------------------------------
in_run('false', sub { query("select supaglue.update_sync_config($ids->{sync_config}, '{\"default_config\": {\"period_ms\": 7200000}}')") });
is(outcome(), 'SUCCESS incremental - 25', 'another period in a run');
in_run('false', sub { query("select supaglue.pause_sync($sync, 'enough')") });
is(query("select status || ' ' || error_message from supaglue.wait_for_sync($sync)"), 'FAILURE stopped by pause_sync()', 'pause_sync() ends a run');
is(query("select count(*) from $rows where title = 'round $round'"), '0', 'and nothing of it is stored');
is(query("select supaglue.trigger_sync($sync)"), 'queued', 'a paused sync can be triggered');
is(outcome(), 'SUCCESS incremental - 25', 'and runs once');
query("select supaglue.resume_sync($sync)");
in_run('false', sub { query("select supaglue.update_sync_config($ids->{sync_config}, '{\"standard_objects\": [{\"object\": \"Contact\", \"table\": \"elsewhere\"}]}')") });
is(query("select status || ' ' || strategy from supaglue.wait_for_sync($sync)"), 'SUCCESS full', 'another table in a run: it begins again');
is(query("select count(*) from supaglue_data.elsewhere where _supaglue_raw_data->>'Title' = 'round $round'"), '25', 'there');
query("select supaglue.update_sync_config($ids->{sync_config}, '{\"standard_objects\": [{\"object\": \"Contact\"}]}')");
is(query("select status || ' ' || strategy from supaglue.wait_for_sync($sync)"), 'SUCCESS full', 'and back');

# --- The owner ------------------------------------------------------------------------------------------------------------
query("create role loader; grant create on database postgres to loader; alter schema supaglue_data owner to loader; alter table $table owner to loader;
	update supaglue_internal.sync_configs set owner = 'loader'");
in_run('false', sub { query('reassign owned by loader to current_user; drop owned by loader; drop role loader') });
is(outcome(), 'FAILURE incremental destination 0', 'a run whose owner is gone fails');
note(query("select last_error from supaglue.syncs where id = $sync"));
is(query("select state in ('waiting', 'running') from supaglue.syncs where id = $sync"), 't', 'and is tried again');
query("select supaglue.update_sync_config($ids->{sync_config}, '{}')");
query("select supaglue.trigger_sync($sync)");
is(outcome(), 'SUCCESS incremental - 25', 'whoever changes the sync config has it from then on');

# --- materialize() ----------------------------------------------------------------------------------------------------------
my $run = "select supaglue.materialize($sync)";
my $held = "select status || ' ' || records_updated from supaglue.materialize($sync)";
sub change { $round++; $simulator->control('update', { org => 'acme', object => 'Contact', where => 'LastName != null', set => { Title => "round $round" } }); return }
sub stored { return query("select count(*) from $rows where title = 'round $round'") }
change();
my $first = session("begin; $held;", 'SUCCESS 25');
is(says($run), '55006', 'materialize() by two: the second is refused');
my $triggering = session("select supaglue.trigger_sync($sync);");
$simulator->control('reset_counters');
is(stored(), '0', 'nothing is seen before COMMIT');
${ $first->{in} } .= "commit;\n";
close_session($first);
is(stored(), '25', 'and all after it');
like(close_session($triggering), qr/queued/, 'a trigger waits for it');
is(query("select status from supaglue.wait_for_sync($sync)"), 'SUCCESS', 'and then the workers run it');
change();
is(says("begin; savepoint s; $held; rollback to s; select 'undone'; commit;"), 'undone', 'in a savepoint that is rolled back');
is(stored(), '0', 'nothing is stored');
is(says("begin; savepoint s; $run; rollback to s; $held; commit;") =~ s/COMMIT//r, 'SUCCESS 25', 'and again in the same transaction');
is(stored(), '25', 'all is stored');
change();
query("do \$\$ begin
	begin perform supaglue.materialize($sync); raise 'no'; exception when raise_exception then null; end;
	perform supaglue.materialize($sync);
	begin perform supaglue.materialize(-1); exception when undefined_object then null; end;
end \$\$");
is(stored(), '25', 'in exception blocks');
change();
query("begin; declare c cursor for select supaglue.materialize($sync) from generate_series(1, 3); fetch 2 from c; close c; commit");
is(stored(), '25', 'in a cursor');
foreach my $level ('repeatable read', 'serializable')
{
	change();
	is(says("begin isolation level $level; select count(*) from $rows; $held; commit;"), 'SUCCESS 25', "in $level");
	change();
	my $old = session("begin isolation level $level; select 'begun', count(*) from $rows;", 'begun');
	query($run);
	${ $old->{in} } .= "$held;\ncommit;\n";
	like(close_session($old), qr/40001/, "in $level that began before another run: a serialization failure");
	is(stored(), '25', 'which leaves the other run\'s rows');
}
is(says("begin read only; $run; rollback"), '25006', 'in a read only transaction');
is(query("select count(*) from supaglue.sync_runs where status = 'IN_PROGRESS'"), '0', 'no run is left');

# --- The end of it --------------------------------------------------------------------------------------------------------------
in_run('false', sub { query("select supaglue.delete_connection($ids->{connection}{acme})") });
is(query("select count(*) from supaglue.syncs where id = $sync") . query("select count(*) from $rows where title = 'round $round'"), '00', 'delete_connection() in a run ends both');
is(says("select supaglue.wait_for_sync($sync)"), '42704', 'nobody waits for it');
$simulator->control('hold', { match => { org => 'globex', kind => 'query_more' } });
query("select supaglue.trigger_sync($other, true)");
wait_until(sub { $simulator->ask('held')->{held} == 1 }, 'the second page is held');
is(says("select supaglue.delete_sync_config($ids->{sync_config})"), '2BP01', 'a sync config with syncs is not deleted');
query("select supaglue.delete_sync_config($ids->{sync_config}, true)");
$simulator->control('release');
is(query('select count(*) from supaglue.syncs') . query('select count(*) from supaglue_internal.runs'), '00', 'unless by force, in a run, too');
is(query("select count(*) from $table where _supaglue_customer_id = 'globex'"), '25', 'rows stay');
wait_until(sub { query("select sum(pg_relation_size('supaglue_internal.spool_' || slot)) from generate_series(0, 3) slot") eq '0' }, 'the spool is emptied');
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|exited with exit code/, 'no process died');
$node->stop;
done_testing();
