# Erasure with workers: at a remote destination, now or when it is back; never before it is committed here. And
# what is past its retention is swept.
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
$remote->safe_psql('postgres', 'create database warehouse');

my $node = new_node('node', conf => "supaglue.run_retention = '60min'\nsupaglue.event_retention = '60min'\nsupaglue.reject_retention = '60min'\n");
my $simulator = new_simulator('--records', 'Contact=7');
sub query { return $node->safe_psql('postgres', $_[0]) }
sub there { return $remote->safe_psql('warehouse', $_[0]) }
sub rows { return there(q(select coalesce(string_agg(_supaglue_customer_id || ' ' || n, ', ' order by _supaglue_customer_id), '') from
	(select _supaglue_customer_id, count(*) as n from "salesforce_Contact" group by 1) c)) }

my $user = $remote->safe_psql('postgres', 'select current_user');
my $ids = sync_salesforce($node, $simulator, customers => [ 'acme', 'globex', 'initech' ], config => { period_ms => 3600000 },
	destination => { host => $remote->host, port => $remote->port + 0, database => 'warehouse', user => $user, schema => 'public' });
wait_for_sync($node, $_, 'Contact') foreach qw(acme globex initech);
is(rows(), 'acme 7, globex 7, initech 7', 'rows are there');

# --- With the transaction ---------------------------------------------------------------------------------------
query("begin; select * from supaglue.erase_customer('acme'); rollback");
is(rows(), 'acme 7, globex 7, initech 7', 'a rollback leaves them');
is(query("begin; select * from supaglue.erase_customer('acme'); commit"), 'destination|public."salesforce_Contact"|7', 'what is erased is told');
is(rows(), 'globex 7, initech 7', 'and is gone when the transaction commits');
is(there("select string_agg(customer_id, ' ' order by customer_id) from _supaglue_syncs"), 'globex initech', 'with the record of its syncs');

# --- The destination is away ------------------------------------------------------------------------------------
$remote->stop;
is(query("select * from supaglue.erase_customer('globex')"), 'destination|public.*|', 'what cannot be reached is told, too');
is(query("select count(*) from supaglue.customers where customer_id = 'globex'"), '0', 'here the customer is gone');
wait_until(sub { query("select attempts > 1 and last_error like 'could not connect%' from supaglue.erasures where what = 'rows'") eq 't' },
	'it is tried again');

# The customer comes back meanwhile: what is read for him before the erasure is done is read again after it.
query("update supaglue_internal.erasures set next_attempt_at = 'infinity' where what = 'rows'");
$remote->start;
query("select supaglue.upsert_customer('globex')");
query(q(select supaglue.create_connection('{"customer_id": "globex", "provider_name": "salesforce", "credentials": {"refresh_token": "globex:2"}}')));
is(wait_for_sync($node, 'globex', 'Contact'), 'SUCCESS', 'a new connection is read');
my $sync = query("select supaglue.sync_id('globex', 'salesforce', 'Contact')");
my $first = query("select last_run_id from supaglue.syncs where id = $sync");
is(rows(), 'globex 7, initech 7', 'into the rows that were to be erased');
query("update supaglue_internal.erasures set next_attempt_at = now() where what = 'rows'; select supaglue_internal.wake_workers()");
wait_until(sub { query("select count(*) from supaglue.erasures where what = 'rows'") eq '0' }, 'the erasure is done');
wait_until(sub { query("select last_run_id > $first from supaglue.syncs where id = $sync") eq 't' }, 'the sync starts over');
is(rows(), 'globex 7, initech 7', 'and its rows are new ones');
is(query("select strategy from supaglue.sync_runs where id = (select last_run_id from supaglue.syncs where id = $sync)"), 'full', 'by a full run');

# --- Retention --------------------------------------------------------------------------------------------------
query("insert into supaglue_internal.rejects (run_id, sync_id, reason, record) values (1, $sync, 'old', '{}'), (1, $sync, 'new', '{}')");
query("update supaglue_internal.rejects set at = now() - interval '61 min' where reason = 'old'");
query("update supaglue_internal.run_log set finished_at = now() - interval '61 min', slot = (slot + 4) % 8 where id = $first");
query("update supaglue_internal.events set at = now() - interval '61 min', slot = (slot + 4) % 8
	where id <= (select max(id) from supaglue_internal.events where kind = 'connection.created')");
query("insert into supaglue_internal.schema_changes (at, sync_id, run_id, application_id, customer_id, provider_name, object_type, object, change, field)
	select now() - age, $sync, 1, 'default', 'globex', 'salesforce', 'standard', 'Contact', 'added', age from unnest('{59 min,61 min}'::interval[]) as age");
$node->restart;
wait_until(sub { query("select count(*) from supaglue.schema_changes") eq '1' }, 'old schema changes are swept');
is(query("select string_agg(reason, ' ') from supaglue.sync_rejects"), 'new', 'old rejected records, too');
is(query("select count(*) from supaglue.sync_runs where id = $first"), '0', 'and old runs, with their slot');
is(query("select count(*) from supaglue_internal.events where at < now() - interval '1 hour'"), '0', 'and old events');
isnt(query("select count(*) from supaglue.sync_runs"), '0', 'newer ones stay');

# --- Several in one transaction, and another schema than before ---------------------------------------------------
query(qq(select supaglue.update_destination($ids->{destination}, '{"credentials": {"schema": "elsewhere"}}')));
wait_until(sub { query("select count(*) from supaglue.syncs where phase = 'full'") eq '2' }, 'both are read there');
is(there('select count(*) from elsewhere."salesforce_Contact"'), '14', 'rows are in the new schema');
is(rows(), 'globex 7, initech 7', 'and still in the old one');
query("create function stay() returns void language plpgsql as \$\$ begin
	perform supaglue.erase_customer('initech'); raise exception 'no'; exception when raise_exception then end \$\$");
is(query("begin; select stay(); select * from supaglue.erase_customer('initech') order by 2; select table_name from supaglue.erase_customer('globex') order by 1; commit"),
	"\ndestination|elsewhere.\"salesforce_Contact\"|7\ndestination|public.\"salesforce_Contact\"|7\nelsewhere.\"salesforce_Contact\"\npublic.\"salesforce_Contact\"",
	'both are erased, in both schemas');
is(there('select (select count(*) from "salesforce_Contact") + (select count(*) from elsewhere."salesforce_Contact") + (select count(*) from _supaglue_syncs)
	+ (select count(*) from elsewhere._supaglue_syncs)'), '0', 'and nothing of them is left');
is(query("select count(*) from supaglue.erasures where what = 'rows'"), '0', 'nor is anything queued');

$node->stop;
$remote->stop;
done_testing();
