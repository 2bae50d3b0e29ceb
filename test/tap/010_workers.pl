# The workers' daily life: they fill tables, bring what changed and what was deleted, obey triggers and
# pauses, and hold no snapshot while a provider lets them wait.
use strict;
use warnings;
use lib 'lib';

use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;

my $node = new_node('node');
my $simulator = new_simulator('--records', 'Contact=25,Opportunity=7', '--page-size', '10');
my $hour = { period_ms => 3600000, strategy => 'full then incremental' };

sub query { return $node->safe_psql('postgres', $_[0]) }
sub table { my ($name) = @_; return qq(supaglue_data."salesforce_$name") }
sub sync { my ($customer, $object) = @_; return "supaglue.sync_id('$customer', 'salesforce', '$object')" }

wait_until(sub { query("select count(*) = 2 and bool_and(message = 'nothing is configured')
	from supaglue.worker_status") eq 't' }, 'both workers say that nothing is configured');

sync_salesforce($node, $simulator, customers => [ 'acme', 'globex' ], standard => [ 'Contact', 'Opportunity' ],
	custom => ['MyCustomObject__c'], config => { %$hour });

foreach my $customer ('acme', 'globex')
{
	foreach my $object ('Contact', 'Opportunity', 'MyCustomObject__c')
	{
		is(wait_for_sync($node, $customer, $object), 'SUCCESS', "$customer: $object is read");
	}
}
is(query("select string_agg(_supaglue_customer_id || ' ' || n, ', ' order by _supaglue_customer_id) from
	(select _supaglue_customer_id, count(*) n from ${\ table('Contact')} group by 1) c"),
	'acme 25, globex 25', 'every contact of both customers is there');
is(query("select count(*) from ${\ table('Contact')} where id !~ '^003' or _supaglue_is_deleted"), '0',
	'each is a contact and none is deleted');
is(query("select count(distinct strategy || reason) || ' ' || min(strategy) || ' ' || min(reason) from supaglue.sync_runs"),
	'1 full initial', 'the first runs are full');
is(query("select count(*) from supaglue.events where kind = 'sync.complete'"), '6', 'each run has its event');
is(query("select count(*) = 6 from supaglue.sync_runs r join supaglue.syncs s on s.last_run_id = r.id
	where r.emitted_at is not null and r.status = 'SUCCESS'"), 't', 'each sync knows its last run');

# --- What changes at the provider ---------------------------------------------------------------------
my @ids = split /\n/, query("select id from ${\ table('Contact')} where _supaglue_customer_id = 'acme' order by id limit 2");
$simulator->control('update', { org => 'acme', object => 'Contact', id => $ids[0], set => { LastName => 'Changed' } });
$simulator->control('delete', { org => 'acme', object => 'Contact', id => $ids[1] });
is(query("select supaglue.trigger_sync(${\ sync('acme', 'Contact')})"), 'queued', 'a trigger is queued');
is(query("select status || ' ' || strategy || ' ' || reason || ' ' || records_updated || ' ' || records_deleted
	from supaglue.wait_for_sync(${\ sync('acme', 'Contact')})"), 'SUCCESS incremental manual 1 1',
	'the next run is incremental and writes two rows');
is(query("select _supaglue_raw_data->>'LastName' from ${\ table('Contact')} where id = '$ids[0]'"), 'Changed',
	'the changed contact is changed');
is(query("select _supaglue_is_deleted from ${\ table('Contact')} where id = '$ids[1]'"), 't',
	'the deleted contact is marked');
is(query("select count(*) from ${\ table('Contact')} c join supaglue.sync_runs r on r.emitted_at = c._supaglue_emitted_at
	where r.reason = 'manual'"), '2', 'rows that did not change keep their emitted_at');

# --- By schedule ----------------------------------------------------------------------------------------
my $config = query("select id from supaglue.sync_configs");
query("select supaglue.update_sync_config($config, '{\"default_config\": {\"period_ms\": 1000}}')");
$simulator->control('update', { org => 'globex', object => 'Opportunity', where => "Name != null", set => { Amount => 42 } });
wait_until(sub { query("select count(*) = 7 from ${\ table('Opportunity')} where _supaglue_customer_id = 'globex'
	and (_supaglue_raw_data->>'Amount')::numeric = 42") eq 't' }, 'a change comes with the next period by itself');
ok(1, 'a change comes with the next period by itself');
query("select supaglue.update_sync_config($config, '{\"default_config\": {\"period_ms\": 3600000}}')");
wait_until(sub { query("select bool_and(next_run_at > now() + '5 s') and not bool_or(state = 'running') from supaglue.syncs") eq 't' },
	'nothing is due any more');

# --- While the provider lets us wait ------------------------------------------------------------------------
my $contact = query("select ${\ sync('acme', 'Contact')}");
my $runs = query("select count(*) from supaglue.sync_runs where sync_id = $contact");
$simulator->control('hold', { match => { org => 'acme', kind => 'query' } });
query("select supaglue.trigger_sync($contact)");
wait_until(sub { $simulator->ask('held')->{held} == 1 }, 'the request is held');
is(query("select count(*) from pg_stat_activity where backend_type like 'supaglue%'
	and (backend_xmin is not null or backend_xid is not null)"), '0', 'no worker has a snapshot while it waits');
is(query("select state from supaglue.syncs where id = $contact"), 'running', 'the sync is running');
is(query("select message from supaglue.worker_status where kind = 'fetcher'"), '1 runs in progress',
	'and the fetcher says so');
is($node->psql('postgres', "select supaglue.materialize($contact)"), 3, 'materialize() is refused meanwhile');

# A trigger during a run is exactly one more, however often it is pulled.
is(query("select supaglue.trigger_sync($contact)"), 'queued after the run in progress', 'a trigger waits for its turn')
	foreach 1 .. 3;
$simulator->control('release');
is(query("select status from supaglue.wait_for_sync($contact)"), 'SUCCESS', 'both runs end');
is(query("select count(*) from supaglue.sync_runs where sync_id = $contact") - $runs, 2, 'and there were two');

# --- Pause and resume ---------------------------------------------------------------------------------------
$simulator->control('hold', { match => { org => 'acme', kind => 'query' } });
query("select supaglue.trigger_sync($contact)");
wait_until(sub { $simulator->ask('held')->{held} == 1 }, 'the request is held');
query("select supaglue.pause_sync($contact, 'a holiday')");
is(query("select state || ' ' || paused_by::text || ' ' || pause_reason from supaglue.syncs where id = $contact"),
	'paused {user} a holiday', 'a sync that is paused says by whom and why');
is(query("select status || ' ' || error_message from supaglue.sync_runs where sync_id = $contact order by id desc limit 1"),
	'FAILURE stopped by pause_sync()', 'its run was stopped');
$simulator->control('release');
wait_until(sub { query("select message from supaglue.worker_status where kind = 'fetcher'") eq 'nothing is due' },
	'the fetcher drops the run');
is(query("select supaglue.trigger_sync($contact)"), 'queued', 'a trigger runs it once, paused as it is');
is(query("select status from supaglue.wait_for_sync($contact)"), 'SUCCESS', 'the run is good');
is(query("select state from supaglue.syncs where id = $contact"), 'paused', 'it is paused still');
query("select supaglue.resume_sync($contact)");
is(query("select state || coalesce(pause_reason, '') from supaglue.syncs where id = $contact"), 'idle', 'it goes on');

# --- A provider whose clock went back ---------------------------------------------------------------------------
$simulator->control('clock', { offset_seconds => 86400 });
$simulator->control('update', { org => 'acme', object => 'Contact', id => $ids[0], set => { LastName => 'Tomorrow' } });
query("select supaglue.trigger_sync($contact)");
is(query("select status from supaglue.wait_for_sync($contact)"), 'SUCCESS', 'a change of tomorrow is read');
$simulator->control('clock', { offset_seconds => 0 });
$simulator->control('update', { org => 'acme', object => 'Contact', id => $ids[0], set => { LastName => 'Today' } });
my $last_name = "select _supaglue_raw_data->>'LastName' from ${\ table('Contact')} where id = '$ids[0]'";
query("update supaglue_internal.syncs set last_full_at = null where id = $contact");
query("select supaglue.trigger_sync($contact)");
is(query("select strategy from supaglue.wait_for_sync($contact)"), 'full', 'a run is full for a reason of our own');
is(query($last_name), 'Tomorrow', 'and keeps the newer version');
query("select supaglue.trigger_sync($contact, true)");
is(query("select strategy from supaglue.wait_for_sync($contact)"), 'full', 'a run is full because the user asks');
is(query($last_name), 'Today', 'and believes the provider');

# --- Errors of those who steer --------------------------------------------------------------------------------
my ($status, $out, $error) = $node->psql('postgres', "select supaglue.wait_for_sync(999)");
like($error, qr/sync 999 does not exist/, 'a sync that does not exist is named');
query("select supaglue.pause_sync($contact)");
$simulator->control('hold', { match => { org => 'acme', kind => 'query' } });
query("select supaglue.trigger_sync($contact)");
($status, $out, $error) = $node->psql('postgres', "select supaglue.wait_for_sync($contact, '200 ms')");
like($error, qr/timed out waiting for sync $contact/, 'waiting has an end');
$simulator->control('release');
query("select supaglue.wait_for_sync($contact)");

# --- A token that is lost -----------------------------------------------------------------------------------
$simulator->control('revoke', { org => 'acme' });
$simulator->control('expire_tokens', { org => 'acme' });
my $opportunity = query("select ${\ sync('acme', 'Opportunity')}");
query("select supaglue.trigger_sync($opportunity)");
is(query("select status || ' ' || error_class from supaglue.wait_for_sync($opportunity)"), 'FAILURE authentication',
	'a run without a token fails');
is(query("select paused_by::text from supaglue.syncs where id = $opportunity"), '{authentication}', 'and the sync pauses');
is(query("select status from supaglue.connections where customer_id = 'acme'"), 'reauthorization_required',
	'the connection says that it needs to be granted again');
($status, $out, $error) = $node->psql('postgres', "select supaglue.trigger_sync($opportunity)");
like($error, qr/is paused: authentication/, 'a trigger does not overrule that');
$simulator->control('revoke', { org => 'acme', revoked => JSON::PP::false });
my $connection = query("select id from supaglue.connections where customer_id = 'acme'");
query(qq(select supaglue.update_connection($connection, '{"credentials": {"refresh_token": "acme:new"}}')));
wait_until(sub { query("select last_error is null and paused_by = '{}' from supaglue.syncs where id = $opportunity") eq 't' },
	'with a new token it goes on');
ok(1, 'with a new token it goes on');

# --- A connection that goes in the midst of a run -------------------------------------------------------------
$simulator->control('hold', { match => { org => 'globex', kind => 'query' } });
query("select supaglue.trigger_sync(${\ sync('globex', 'Contact')})");
wait_until(sub { $simulator->ask('held')->{held} == 1 }, 'the request is held');
query("select supaglue.delete_connection(id) from supaglue.connections where customer_id = 'globex'");
wait_until(sub { query("select message from supaglue.worker_status where kind = 'fetcher'") eq 'nothing is due' },
	'the fetcher drops the run at once');
is(query("select count(*) from ${\ table('Contact')} where _supaglue_customer_id = 'globex'"), '25', 'the rows stay');
$simulator->control('release');

# --- enabled ----------------------------------------------------------------------------------------------
$node->append_conf('postgresql.conf', 'supaglue.enabled = off');
$node->reload;
wait_until(sub { query("select bool_and(message = 'supaglue.enabled is off') from supaglue.worker_status") eq 't' },
	'the workers say that they are off');
$node->append_conf('postgresql.conf', 'supaglue.enabled = on');
$node->reload;
query("select supaglue.trigger_sync($opportunity)");
is(query("select status from supaglue.wait_for_sync($opportunity)"), 'SUCCESS', 'and go on when they are on');

$node->stop;
done_testing();
