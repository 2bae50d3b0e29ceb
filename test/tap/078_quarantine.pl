# What ends, or fails, whatever works on it is tried at most twice more, and then left alone until somebody says
# otherwise; it harms no other sync meanwhile.
use strict;
use warnings;
use lib 'lib';

use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;

my $node = new_node('node', conf => "restart_after_crash = on\nsupaglue.merge_timeout = '1s'");
my $simulator = new_simulator('--records', 'Contact=30', '--page-size', '10');
my $table = 'supaglue_data."salesforce_Contact"';
sub query { return $node->safe_psql('postgres', $_[0]) }
# For when the server is just coming up again.
sub says { my ($status, $out) = $node->psql('postgres', $_[0]); return $status == 0 ? $out : '' }
sub worker { return says("select pid from supaglue.worker_status where kind = '$_[0]'") }

sync_salesforce($node, $simulator, customers => [ 'acme', 'globex' ], config => { period_ms => 3600000, strategy => 'full then incremental' });
my %sync = map { $_ => query("select supaglue.sync_id('$_', 'salesforce', 'Contact')") } 'acme', 'globex';
is(wait_for_sync($node, $_, 'Contact'), 'SUCCESS', "$_ is synced") foreach 'acme', 'globex';

my $round = 0;
sub change { $round++; $simulator->control('update', { org => $_, object => 'Contact', where => 'LastName != null', set => { Title => "round $round" } }) foreach @_; return }
sub trap
{
	my ($body) = @_;
	query("create or replace function trap() returns trigger language plpgsql as \$\$
		begin if new._supaglue_customer_id = 'acme' then perform nextval('public.tried'); $body end if; return new; end \$\$");
	query('drop sequence if exists tried; create sequence tried');
	query("create or replace trigger trap before insert or update on $table for each row execute function trap()");
	return;
}
sub tried { return query('select case when is_called then last_value else 0 end from tried') }
sub quarantined
{
	my ($class, $message, $what) = @_;
	wait_until(sub { says("select state = 'quarantined' from supaglue.syncs where id = $sync{acme}") eq 't' }, "$what: quarantine", 60);
	is(query("select paused_by::text || ' ' || last_error_class from supaglue.syncs where id = $sync{acme}"), "{quarantine} $class", "$what: the sync is in quarantine");
	like(query("select last_error from supaglue.syncs where id = $sync{acme}"), $message, "$what: it is said why");
	like(query("select pause_reason from supaglue.syncs where id = $sync{acme}"), qr/call supaglue.resume_sync\($sync{acme}\)$/, "$what: and what to do");
	is(query("select kind || ' ' || (payload->>'error_class') from supaglue.events where sync_id = $sync{acme} order by id desc limit 1"),
		"sync.paused $class", "$what: an event tells it");
	return;
}
sub ends_well
{
	my ($what) = @_;
	query("drop trigger if exists trap on $table");
	my (undef, undef, $error) = $node->psql('postgres', "select supaglue.trigger_sync($sync{acme})");
	like($error, qr/is paused: quarantine/, "$what: nobody runs it by mistake");
	query("select supaglue.resume_sync($sync{acme})");
	is(query("select status from supaglue.wait_for_sync($sync{acme})"), 'SUCCESS', "$what: once the cause is gone and somebody says so, it runs");
	is(query("select state || paused_by::text || coalesce(pause_reason, '') from supaglue.syncs where id = $sync{acme}"), 'idle{}', "$what: as ever");
	is(query("select count(*) from $table where _supaglue_customer_id = 'acme' and _supaglue_raw_data->>'Title' = 'round $round'"), '30', "$what: with all rows");
	return;
}

# --- A merge that fails ----------------------------------------------------------------------------------------------
trap("raise 'not in my table';");
change('acme', 'globex');
query("select supaglue.trigger_sync(id) from supaglue.syncs");
quarantined('destination', qr/not in my table/, 'a table that refuses');
is(tried(), '3', 'after three attempts');
is(query("select status from supaglue.wait_for_sync($sync{globex})"), 'SUCCESS', 'another customer is not concerned');
query("select supaglue.pause_sync($sync{acme}, 'lunch')");
is(query("select array_to_string(paused_by, ' ') from supaglue.syncs where id = $sync{acme}"), 'quarantine user', 'a user may pause it, too');
ends_well('a table that refuses');

# --- A merge that does not come to an end ------------------------------------------------------------------------------
trap('perform pg_sleep(1000);');
change('acme', 'globex');
query("select supaglue.trigger_sync(id) from supaglue.syncs order by id");
is(query("select status from supaglue.wait_for_sync($sync{globex}, '60 s')"), 'SUCCESS', 'an endless trigger of one keeps no other from being merged');
quarantined('destination', qr/statement timeout: .*supaglue.merge_timeout/, 'an endless trigger');
ends_well('an endless trigger');

my $log = -s $node->logfile;
trap('loop begin perform pg_sleep(1000); exception when query_canceled then null; end; end loop;');
change('acme');
query("select supaglue.trigger_sync($sync{acme})");
quarantined('internal', qr/the worker that merged the run ended 3 times in the midst/, 'a trigger that will not be cancelled');
unlike(slurp_file($node->logfile, $log), qr/terminating any other active server processes/, 'the server did not suffer by it');
ends_well('a trigger that will not be cancelled');

# --- A merge that kills the server ---------------------------------------------------------------------------------------
$log = -s $node->logfile;
trap("execute format('copy (select 1) to program ''kill -9 %s''', pg_backend_pid()); perform pg_sleep(1000);");
change('acme');
query("select supaglue.trigger_sync($sync{acme})");
quarantined('internal', qr/the worker that merged the run ended 3 times in the midst/, 'a trigger that kills');
my $killed = () = slurp_file($node->logfile, $log) =~ /was terminated by signal 9/g;
is($killed, 3, 'the server went down three times, and no more');
ends_well('a trigger that kills');

# --- A merger that is told to end in the midst of a merge ----------------------------------------------------------------
query("alter system set supaglue.merge_timeout = 0");
query('select pg_reload_conf()');
trap('perform pg_sleep(1000);');
change('acme');
query("select supaglue.trigger_sync($sync{acme})");
foreach my $time (1 .. 4)
{
	my $pid = wait_until(sub { says("select pid from pg_stat_activity where backend_type = 'supaglue merger' and wait_event = 'PgSleep'") }, 'the merge is under way');
	query("select pg_terminate_backend($pid, 10000)");
}
is(query("select array_to_string(paused_by, ' ') || count(r.*) from supaglue_internal.syncs s left join supaglue_internal.runs r on r.sync_id = s.id
	where s.id = $sync{acme} group by s.id"), '1', 'four times told to end: nobody is blamed');
my $pid = wait_until(sub { says("select pid from pg_stat_activity where backend_type = 'supaglue merger' and wait_event = 'PgSleep'") }, 'the merge is under way');
query("create or replace function trap() returns trigger language plpgsql as 'begin return new; end'");
query("select pg_terminate_backend($pid, 10000)");
is(query("select status from supaglue.wait_for_sync($sync{acme})"), 'SUCCESS', 'and the run ends well');
query("drop trigger trap on $table");

# --- A page that ends the fetcher ------------------------------------------------------------------------------------------
# Both runs wait for a page when it is killed; nobody can tell which of the two is to blame, until one is tried alone.
# The requests of those that are gone stay held, and count.
sub asked_for { my ($count) = @_; wait_until(sub { $simulator->ask('held')->{held} == $count }, "$count requests are held"); return }
sub kill_fetcher
{
	my $killed = worker('fetcher');
	kill 'KILL', $killed;
	wait_until(sub { my $pid = worker('fetcher'); $pid && $pid ne $killed }, 'another fetcher serves');
	return;
}
$simulator->control('hold', { match => { kind => 'query_more' } });
query("select supaglue.trigger_sync(id, true) from supaglue.syncs order by id");
asked_for(2);
foreach my $time (1 .. 4)
{
	query('select pg_terminate_backend(' . worker('fetcher') . ', 10000)');
	asked_for(2 + 2 * $time);
}
is(query('select string_agg(taken_over::text, chr(32)) from supaglue_internal.runs'), '1 1', 'four times told to end: nobody is blamed');
query("update supaglue_internal.runs set taken_over = 0");
kill_fetcher();
asked_for(12);
kill_fetcher();
asked_for(13);
is(query("select string_agg(taken_over::text, chr(32) order by id) from supaglue_internal.runs"), '2 1', 'after the second time one is tried alone');
kill_fetcher();
asked_for(14);
$simulator->control('release');
quarantined('internal', qr/the worker that read the provider's answers ended 3 times in the midst/, 'a page that kills the fetcher');
is(query("select status from supaglue.wait_for_sync($sync{globex})"), 'SUCCESS', 'the other run ends well');
ends_well('a page that kills the fetcher');

$node->stop;
done_testing();
