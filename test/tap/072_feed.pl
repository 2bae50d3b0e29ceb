# The feed of events: a consumer that polls it and copies the rows that it tells of has the tables, in whatever order
# transactions take their ids and commit.
use strict;
use warnings;
use lib 'lib';

use IPC::Run ();
use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;
use Time::HiRes qw(time);

my $node = new_node('node', conf => "supaglue.enabled = off");
my $simulator = new_simulator('--records', 'Contact=12,Lead=5');
my @customers = ('alpha', 'beta', 'gamma', 'delta');
sync_salesforce($node, $simulator, customers => \@customers, standard => [ 'Contact', 'Lead' ]);
sub query { return $node->safe_psql('postgres', $_[0]) }
sub sync { my ($customer, $object) = @_; return "supaglue.sync_id('$customer', 'salesforce', '" . ($object // 'Contact') . "')" }
sub materialize { my ($customer, $object) = @_; return "select from supaglue.materialize(${\ sync($customer, $object)})" }

# --- A consumer: its cursor and its copies are in another schema ------------------------------------------------------
query(q(create schema copy; create table copy.place (cursor text); insert into copy.place values (null);
	create table copy.seen (n serial, id bigint, event text);
	create procedure copy.poll() language plpgsql as $$
	declare
	  e record;
	begin
	  for e in select * from supaglue.read_events((select cursor from copy.place)) loop
	    insert into copy.seen (id, event) values ((e.payload->>'id')::bigint, e.event);
	    if e.event = 'sync.complete' then
	      execute format('create table if not exists copy.%I (like %s including all)', e.payload->>'object', e.payload->>'table');
	      execute format('with changed as (select * from %1$s where _supaglue_application_id = $1 and _supaglue_customer_id = $2
	          and _supaglue_provider_name = $3 and _supaglue_emitted_at >= $4),
	        gone as (delete from copy.%2$I c using changed where c._supaglue_customer_id = changed._supaglue_customer_id and c.id = changed.id)
	        select from changed', e.payload->>'table', e.payload->>'object')
	        using e.payload->>'application_id', e.payload->>'customer_id', e.payload->>'provider_name', (e.payload->>'emitted_at')::timestamptz;
	      execute format('insert into copy.%2$I select * from %1$s where _supaglue_application_id = $1 and _supaglue_customer_id = $2
	          and _supaglue_provider_name = $3 and _supaglue_emitted_at >= $4', e.payload->>'table', e.payload->>'object')
	        using e.payload->>'application_id', e.payload->>'customer_id', e.payload->>'provider_name', (e.payload->>'emitted_at')::timestamptz;
	    end if;
	    update copy.place set cursor = e.cursor;
	  end loop;
	end $$));
sub poll { return query('begin isolation level ' . ($_[0] // 'read committed') . '; call copy.poll(); commit') }
sub seen { return query("select coalesce(string_agg(event, ' ' order by n), '') from copy.seen") }
sub difference
{
	my ($object) = @_;
	return query(qq(select (select count(*) from (select * from supaglue_data."salesforce_$object" except all select * from copy."$object") a),
		(select count(*) from (select * from copy."$object" except all select * from supaglue_data."salesforce_$object") b)));
}

poll();
is(seen(), join(' ', ('connection.created') x 4), 'a new consumer reads from the beginning');
is(query("select string_agg(payload->>'customer_id', ' ') from supaglue.read_events()"), join(' ', @customers), 'in order');
is(query("select array_agg(key order by key) from supaglue.read_events(null, 1), jsonb_object_keys(payload) as key"),
	'{application_id,connection_id,customer_id,id,provider_name}', 'each says of whom it tells');

# --- Two syncs that commit in the opposite order of their fetches and their ids ----------------------------------------
query('delete from copy.seen');
my $first = $node->background_psql('postgres');
$first->query_safe("begin; ${\ materialize('alpha')}");
query(materialize('beta'));
is(query("select count(*) from supaglue.events where kind = 'sync.complete'"), '1', 'the second has committed');
poll();
is(seen(), '', 'but is not told of while one with a lower id may still come');
$first->query_safe('commit');
poll();
is(seen(), 'sync.complete sync.complete', 'then both are');
is(query('select count(*) from copy.seen a join copy.seen b on a.n < b.n and a.id > b.id'), '0', 'in the order of their ids');
is(difference('Contact'), '0|0', 'the copy is the table');

# The same with changes and deletions, the consumer in transactions of every level.
foreach my $level ('read committed', 'repeatable read', 'serializable')
{
	foreach my $customer ('alpha', 'beta')
	{
		my @ids = split /\n/, query(qq(select id from supaglue_data."salesforce_Contact" where not _supaglue_is_deleted
			and _supaglue_customer_id = '$customer' order by id limit 2));
		$simulator->control('update', { org => $customer, object => 'Contact', id => $ids[0], set => { Title => $level } });
		$simulator->control('delete', { org => $customer, object => 'Contact', id => $ids[1] });
	}
	query('delete from copy.seen');
	$first->query_safe("begin; ${\ materialize('beta')}");
	poll($level);
	query(materialize('alpha'));
	poll($level);
	is(seen(), '', "$level: nothing appears out of order");
	$first->query_safe('commit');
	poll($level);
	is(seen(), 'sync.complete sync.complete', "$level: both appear");
	is(difference('Contact'), '0|0', "$level: the copy is the table, deletions included");
}
is(query('select count(*) from copy."Contact" where _supaglue_is_deleted'), '6', 'which there were');

# A reader's snapshot may be older than the call. Of two that it shows in part it is told of none, and of an event whose
# rows it does not show neither.
$simulator->control('update', { org => $_, object => 'Contact', where => 'LastName != null', set => { Title => 'new' } }) foreach @customers;
query('delete from copy.seen');
my $reader = $node->background_psql('postgres');
$first->query_safe("begin; ${\ materialize('gamma')}");
query(materialize('alpha'));
$reader->query_safe('begin isolation level repeatable read; select 1');
$first->query_safe('commit');
$reader->query_safe('call copy.poll(); commit');
is(seen(), '', 'a snapshot that shows the later one only shows none');
$reader->query_safe('begin; declare feed cursor for select event from supaglue.read_events((select max(cursor) from copy.place))');
query(materialize('beta'));
is($reader->query('fetch all from feed'), "sync.complete\nsync.complete", 'a statement that is older than an event is not told of it');
$reader->query_safe('rollback');
poll();
is(seen(), join(' ', ('sync.complete') x 3), 'nothing is passed over');
is(difference('Contact'), '0|0', 'the copy is the table');
$reader->quit;

# --- What holds the feed back, and what does not --------------------------------------------------------------------
query('delete from copy.seen; create table other (i int)');
$first->query_safe('begin; insert into other values (1)');
query(materialize('alpha', 'Lead'));
is(query("select pg_snapshot_xmin(pg_current_snapshot())::text = backend_xid::text from pg_stat_activity where state = 'idle in transaction'"),
	't', 'somebody else\'s transaction that writes is open');
poll();
is(seen(), 'sync.complete', 'and does not hold the feed back');
$first->query_safe('rollback');
$first->query_safe("begin; ${\ materialize('beta', 'Lead')}");
is($first->query("select count(*) from supaglue.read_events((select cursor from copy.place))"), '0', 'nobody reads what is not committed, not even who wrote it');
$first->query_safe("savepoint a; ${\ materialize('gamma', 'Lead')}; rollback to a; ${\ materialize('gamma', 'Lead')}");
query(materialize('delta', 'Lead'));
poll();
is(seen(), 'sync.complete', 'savepoints let nothing through');
$first->query_safe('rollback');
poll();
is(seen(), 'sync.complete sync.complete', 'what was rolled back holds nothing back');
is(difference('Lead'), '0|0', 'the copy is the table');
is(query("select count(*) from pg_locks where locktype = 'advisory' and objsubid = 79"), '0', 'no lock is left');
$first->query_safe('begin; ' . join '; ', map { "select supaglue.upsert_customer('new$_'), supaglue.create_connection(
	'{\"customer_id\": \"new$_\", \"provider_name\": \"salesforce\", \"credentials\": {\"refresh_token\": \"new$_\"}}')" } 1 .. 20);
is(query("select count(*) from pg_locks where locktype = 'advisory' and objsubid = 79"), '1', 'a transaction has one, however many events it writes');
$first->query_safe('rollback');
$first->quit;

# --- Many at once ------------------------------------------------------------------------------------------------------
query('delete from copy.seen');
my $script = "$PostgreSQL::Test::Utils::tmp_check/events.sql";
append_to_file($script, <<'SQL');
BEGIN;
SELECT supaglue.upsert_customer('load' || :client_id);
SELECT supaglue.create_connection(jsonb_build_object('customer_id', 'load' || :client_id, 'provider_name', 'salesforce',
  'credentials', '{"refresh_token": "alpha"}'::jsonb)) AS connection \gset
SELECT pg_sleep(random() * 0.01);
SELECT supaglue.delete_connection(:connection);
COMMIT;
SQL
my $pgbench = IPC::Run::start([ 'pgbench', '-n', '-c', '8', '-t', '20', '-f', $script, $node->connstr('postgres') ],
	'>', \my $out, '2>', \my $err);
my $polls = 0;
while ($pgbench->pumpable)
{
	poll();
	++$polls;
	$pgbench->pump_nb;
}
ok($pgbench->finish, 'eight sessions write events at once') or diag($err);
poll();
cmp_ok($polls, '>', 3, "while a consumer polls ($polls times)");
is(query(q(select count(*), count(distinct id), count(*) filter (where event = 'connection.deleted') from copy.seen)), '320|320|160', 'each is read once');
is(query('select count(*) from copy.seen a join lateral (select id from copy.seen b where b.n < a.n order by n desc limit 1) b on b.id > a.id'),
	'0', 'in their order');

# --- Cursors ------------------------------------------------------------------------------------------------------------
is(query('select count(*) from supaglue.read_events((select cursor from copy.place))'), '0', 'at the end nothing comes');
is(query("select count(*), count(*) filter (where payload->>'id' <= (select payload->>'id' from supaglue.read_events(null, 3) offset 2))
	from supaglue.read_events((select cursor from supaglue.read_events(null, 3) offset 2), 5)"), '5|0', 'max_events');
sub refused
{
	my ($after, $state) = @_;
	my (undef, undef, $error) = $node->psql('postgres', "\\set VERBOSITY verbose\nselect * from supaglue.read_events($after)");
	return $error =~ /ERROR:  $state/ ? 'refused' : $error;
}
is(refused("'$_'", '22023'), 'refused', "no cursor: \"$_\"")
	foreach '', 'garbage', '1', '1-', '-1-0', '1-zz', '99999999999999999999-1', '999999-5f5e100', '1-5f5e100', "1-1\n2";
is(refused('null, 0', '22023'), 'refused', 'no number of events');
is(refused('null, null', '22004'), 'refused', 'NULL of them');

# Of another state of the database: an event of the same id is another event.
my ($id, $cursor) = split /\|/, query("select payload->>'id', cursor from supaglue.read_events(null, 2) offset 1");
query("update supaglue_internal.events set at = at + interval '1 microsecond' where id = $id");
is(refused("'$cursor'", '22023'), 'refused', 'a cursor of another state of the database');

# What is erased is told no more, and its cursors stay good.
query("select supaglue.upsert_customer('erased'); select supaglue.delete_connection(supaglue.create_connection(
	'{\"customer_id\": \"erased\", \"provider_name\": \"salesforce\", \"credentials\": {\"refresh_token\": \"alpha\"}}'))");
poll();
query("select supaglue_internal.erase_events('default', 'erased', null)");
is(query("select count(*) from supaglue.read_events() where payload->>'customer_id' = 'erased' or event = 'erased'"), '0', 'what is erased is not told');
is(query("select count(*) from supaglue.events where customer_id = 'erased' or kind = 'erased'"), '0', 'nor shown');
is(query('select count(*) from supaglue.read_events((select cursor from copy.place))'), '0', 'a cursor that names it stays good');

# A cursor goes with the database, but not back to a state before it.
my $dump = "$PostgreSQL::Test::Utils::tmp_check/feed.sql";
my $dumped = query('select cursor from copy.place');
$node->command_ok([ 'pg_dump', '-f', $dump, '-d', $node->connstr('postgres') ], 'the database is dumped');
query('create database restored template template0');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $node->connstr('restored') ], 'and restored');
query(materialize('delta'));
poll();
is($node->safe_psql('restored', "select count(*) from supaglue.read_events('$dumped')"), '0', 'a cursor from before the dump is good there');
like(($node->psql('restored', "select * from supaglue.read_events('" . query('select cursor from copy.place') . "')"))[2],
	qr/no cursor of this feed/, 'one from after it is not');
$node->safe_psql('restored', 'set client_min_messages = error; select supaglue.adopt_database(); ' . materialize('delta'));
is($node->safe_psql('restored', "select event from supaglue.read_events('$dumped')"), 'sync.complete', 'and the feed goes on there');
like(($node->psql('restored', "select * from supaglue.read_events('" . query('select cursor from copy.place') . "')"))[2],
	qr/no cursor of this feed/, 'nor is it when there is another event of its id');

# --- Retention -------------------------------------------------------------------------------------------------------
# Events are put into slots whose turn it is not, in the order of their ids: all that was so far is past its retention.
# A merger looks at the slots in their order, so one that has emptied a slot has left alone those before it.
query('select supaglue.pause_sync(id) from supaglue.syncs');
my $now = query("select floor(extract(epoch from now()) / (20 * 60))::bigint % 8");
my @slots = map { ($now + $_) % 8 } 0 .. 7;
query("update supaglue_internal.events set at = at - interval '61 min', slot = $slots[0]");
my $named = "id || '-' || to_hex((extract(epoch from at) * 1000000)::bigint)";
sub put
{
	my ($turn, $age) = @_;
	return query("insert into supaglue_internal.events (slot, at, kind, application_id)
		values ($slots[$turn], now() - interval '$age', 'put', 'default') returning $named");
}
sub read_from { return query("select coalesce(string_agg(cursor, ' '), '') from supaglue.read_events($_[0])") }
sub count_of { return query("select count(*) from supaglue_internal.events_$slots[$_[0]]") }
sub is_empty { return query("select pg_relation_size('supaglue_internal.events_$slots[$_[0]]')") eq '0' }
sub sweep
{
	query("select pg_terminate_backend(pid, 10000) from pg_stat_activity where backend_type = 'supaglue merger'");
}

# Transactions raced at the change of a turn, and then somebody put the clock back.
my $oldest = query("select $named from supaglue_internal.events order by id limit 1");
my @put = map { put(@$_) } [ 2, '3 hours' ], [ 2, '2 hours' ], [ 3, '119 min' ], [ 2, '118 min' ], [ 3, '100 min' ],
	[ 3, '59 min' ], [ 4, '61 min' ];
$node->append_conf('postgresql.conf', "supaglue.enabled = on\nsupaglue.event_retention = '1h'");
$node->restart;
wait_until(sub { is_empty(2) && is_empty(0) }, 'slots whose events are all past their retention are emptied');
is(count_of(3), '3', 'one with an event that is not stays whole');
is(count_of(4), '1', 'and so does one whose events are past it, but come after such a one');
is(read_from('null'), join(' ', @put[4 .. 6]), 'the feed begins behind the newest that went');
is(read_from("'$put[3]'"), join(' ', @put[4 .. 6]), 'a consumer that had read so far goes on');
is(read_from("'$put[4]'"), join(' ', @put[5 .. 6]), 'one that is further, too');
is(refused("'$_'", '55000'), 'refused', 'one that is not is told') foreach $oldest, @put[0, 1];
is(refused("'$put[2]'", '55000'), 'refused', 'even where its own event is left: one after it is not');
is(refused("'$put[3]0'", '22023'), 'refused', 'another event of the last one\'s id is none of this feed');

query('create database again template template0');
$node->command_ok([ 'pg_dump', '-f', $dump, '-d', $node->connstr('postgres') ], 'the database is dumped');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $node->connstr('again') ],
	'and restored');
is($node->safe_psql('again', "select string_agg(cursor, ' ') from supaglue.read_events('$put[3]')"),
	join(' ', @put[4 .. 6]), 'the feed is the same');
like(($node->psql('again', "select * from supaglue.read_events('$put[2]')"))[2], qr/may have been deleted/,
	'and begins where it did');

# All of it is past.
query("update supaglue_internal.events set at = now() - interval '61 min' where $named = '$put[5]'");
sweep();
wait_until(sub { is_empty(3) && is_empty(4) }, 'what stayed for a while goes');
is(query('select count(*) from supaglue_internal.events'), '0', 'in the end nothing is left');
is(read_from("'$put[6]'"), '', 'a consumer that has seen all goes on');
is(refused("'$put[4]'", '55000'), 'refused', 'one that has not is told');
is(query("${\ materialize('alpha')}; select event from supaglue.read_events('$put[6]')"), 'sync.complete',
	'and what comes next is read');

# A slot that somebody reads or writes, and events that a transaction under way keeps from being read. Mergers may be at
# their looks all the while: what is to stay is held before it is there.
query("update supaglue_internal.events set at = at - interval '61 min'");
$reader = $node->background_psql('postgres');
$reader->query_safe("begin; select from supaglue_internal.events_$slots[2]");
my $writer = $node->background_psql('postgres');
$writer->query_safe("begin; update supaglue_internal.events set payload = '{}' where slot = $slots[3]");
@put = map { put(@$_) } [ 2, '2 hours' ], [ 3, '2 hours' ], [ 5, '2 hours' ];
$writer->query_safe("select supaglue.create_connection('{\"customer_id\": \"erased\",
	\"provider_name\": \"salesforce\", \"credentials\": {\"refresh_token\": \"alpha\"}}')");
push @put, put(4, '2 hours');
sweep();
wait_until(sub { is_empty(5) }, 'another slot is emptied');
is(join(' ', map { count_of($_) } 2 .. 4), '1 1 1', 'those stay');
is(query('select count(*) from pg_locks where not granted'), '0', 'nobody waits for the other');
is(refused("'$put[1]'", '55000'), 'refused', 'what is left of what was before is told no more');
is(read_from("'$put[2]'"), '', 'the rest waits for the transaction');
$reader->query_safe("select from supaglue_internal.events_$slots[4]");
$writer->query_safe('rollback');
is(read_from("'$put[2]'"), $put[3], 'then it is read');
$reader->query_safe('rollback');
sweep();
wait_until(sub { is_empty(2) && is_empty(3) && is_empty(4) }, 'then they go');
is(read_from("'$put[3]'"), '', 'then they go');
$_->quit foreach $reader, $writer;

# --- NOTIFY ---------------------------------------------------------------------------------------------------------------
my (undef, $notified) = $node->psql('postgres', "listen supaglue; ${\ materialize('alpha')}");
like($notified, qr/"supaglue" with payload "\{"id" : \d+, "kind" : "sync.complete", "run" : \d+, "sync" : \d+\}"/,
	'NOTIFY tells the id, the kind, the run and the sync, and nothing else');

$node->stop;
done_testing();
