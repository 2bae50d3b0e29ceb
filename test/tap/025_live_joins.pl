# A join by the ids of another table's rows asks for a hundred of them at once, and gives what the same join gives
# on a local copy.
use strict;
use warnings;
use lib 'lib';

use IPC::Run ();
use Supaglue;
use Test::More;

my $seed = $ENV{SUPAGLUE_SEED} // 20261123;
srand($seed);
note("seed $seed");

my $node = new_node('joins', preload => 0);
my $simulator = new_simulator('--records', '1,Contact=400');
sync_salesforce($node, $simulator, customers => [ 'acme', 'globex' ],
	config => { period_ms => 3600000, strategy => 'full then incremental', auto_start_on_connection => JSON::PP::false() });
sub query { return $node->safe_psql('postgres', $_[0]) }

# Requests for records that a statement makes.
sub requests
{
	my ($statement) = @_;
	query('select count(*) from live where id is null');    # tokens and metadata are there
	$simulator->control('reset_counters');
	my $result = query($statement);
	my $orgs = $simulator->counters->{orgs};
	my $count = 0;
	$count += ($_->{query} // 0) + ($_->{query_more} // 0) foreach values %$orgs;
	return ($count, $result);
}

query(<<'SQL');
create foreign table live (_supaglue_customer_id text, id text collate "C", last_name text options (field 'LastName'),
	_supaglue_raw_data jsonb) server supaglue_salesforce options (object 'Contact');
create table copied as select * from live;
-- Rows of which some find nothing, some the same, and some have no id; some are the other customer's.
create table local as
	select n as k, case when n % 10 = 0 then null when n % 7 = 0 then 'none' || n else c.id end as x, c._supaglue_customer_id as c, n % 5 as g
	from generate_series(1, 250) n
	join (select *, row_number() over (partition by _supaglue_customer_id order by id) as r from copied) c
		on c.r = 1 + n % 120 and c._supaglue_customer_id = case when n % 100 > 80 then 'globex' else 'acme' end
	order by n;
create table varying as select k, x::varchar, c::varchar(40), g from local;
create table few as select * from local where k <= 12;
create table many as select k * 1000 + i as k, x, c, g from local, generate_series(1, 40) i;
create index on local (k);
analyze local; analyze varying; analyze few; analyze many;
SQL
is(query('select count(*), count(distinct _supaglue_customer_id) from copied'), '800|2', 'both customers are read');

# The same statement on the live table and on the copy.
sub same
{
	my ($statement, $what) = @_;
	my ($count, $live) = requests($statement);
	(my $on_copy = $statement) =~ s/\blive\b/copied/g;
	is($live, query($on_copy), $what);
	return $count;
}

my $by_customer = 't.id = l.x and t._supaglue_customer_id = l.c';
my $list = q{string_agg(format('%s %s %s %s', l.k, t.id, t._supaglue_customer_id, t.last_name), ',' order by l.k, t.id, t._supaglue_customer_id)};

# --- Plans -------------------------------------------------------------------------------------------
my $plan = query("explain (verbose, costs off) select l.k, t.last_name from local l join live t on $by_customer");
like($plan, qr/Nested Loop.*Custom Scan \(Supaglue Batches\).*Rows at once: 100.*Foreign Scan/s, 'a nested loop by batches');
like($plan, qr/Customers: any of \$\d+/, 'shows that it asks for several customers');
like($plan, qr/Remote request:.*any of \$\d+/, 'and for several ids');
$plan = query("explain (costs off) select l.k, t.last_name from many l join live t on $by_customer");
like($plan, qr/Hash Join|Merge Join/, 'of many rows it reads the table once');
unlike($plan, qr/Supaglue Batches/, 'and asks for no ids');
$plan = query("explain (analyze, costs off, timing off, summary off) select l.k, t.last_name from local l join live t on t.id = l.x where t._supaglue_customer_id = 'acme'");
like($plan, qr/Batches: 3\b.*Requests: [34]\b/s, 'EXPLAIN ANALYZE counts the batches and the requests, one perhaps for what fields there are');

# --- Requests and rows ---------------------------------------------------------------------------------
my $one = "t._supaglue_customer_id = 'acme'";
is(same("select $list from local l join live t on t.id = l.x and $one", 'an inner join'), 3, 'three requests for 250 rows');
is(same("select $list from local l left join live t on t.id = l.x and $one", 'a left join, with misses and NULLs'), 3, 'three requests');
is(same("select $list from local l join live t on $by_customer", 'customers by the join'), 5, 'one request a batch and customer');
is(same("select $list from local l left join live t on $by_customer", 'the same as a left join'), 5, 'as many');
is(same("select $list from varying l left join live t on $by_customer", 'by varchar'), 5, 'as many');
cmp_ok(same("select $list from local l join live t on t.id = l.x", 'all customers'), '<=', 6, 'a request a batch for each');
is(same("select $list from few l left join live t on t.id = l.x and $one and t.last_name > 'M' and length(t.last_name) > l.g", 'conditions of both sides'), 1, 'one request');
is(same("select string_agg(k::text, ',' order by k) from local l where exists (select from live t where t.id = l.x and $one)", 'a semijoin'), 3, 'three requests');
is(same("select string_agg(k::text, ',' order by k) from local l where not exists (select from live t where t.id = l.x and $one)", 'an antijoin'), 3, 'three requests');
is(same("select l.k, t.id from local l left join live t on t.id = l.x and $one order by l.k limit 5", 'a limit'), 1, 'needs one batch');
is(same("select string_agg(t.id, ',') from (select null::text as x, g from few) l join live t on t.id = l.x", 'nothing but NULLs'), 0, 'no request');
same("select string_agg(l.k || (t.*)::text, ',' order by l.k) from few l left join live t on $by_customer", 'whole rows');
same("select string_agg(l::text || t.id, ',' order by l.k) from few l join live t on $by_customer", 'whole outer rows');
same("select string_agg(l.k || coalesce(u.id, '-') || coalesce(t._supaglue_raw_data->>'LastName', ''), ',' order by l.k) from few l left join live t on $by_customer left join live u on u.id = t.id and u._supaglue_customer_id = l.c", 'two live tables, one by the other');

# --- Rescans ---------------------------------------------------------------------------------------------
same("select string_agg(o.n || j.list, ';' order by o.n) from generate_series(0, 3) o(n), lateral (select coalesce(string_agg(l.k || t.id, ',' order by l.k), '') as list
	from (select * from local where g = o.n offset 0) l join live t on $by_customer where t.last_name <> o.n::text) j", 'in a lateral subquery');
same("select string_agg(o.k || coalesce((select string_agg(t.id, ',' order by l.k) from few l join live t on t.id = l.x and t._supaglue_customer_id = o.c where l.g = o.g), '-'), ';' order by o.k) from local o where k % 40 = 1",
	'in a subquery, of the customer of its outer row');
same("with recursive r(k, x, c, depth) as (select k, x, c, 0 from few union all select r.k + 1, t.id, r.c, depth + 1 from r join live t on t.id = r.x and t._supaglue_customer_id = r.c where depth < 2) select string_agg(k || x, ',' order by k, x, depth) from r", 'in a recursion');
is(query("begin; declare c scroll cursor for select l.k from local l left join live t on t.id = l.x and $one order by l.k; fetch 3 from c; fetch backward 2 from c; move 150 in c; fetch 2 from c; close c; commit"),
	join("\n", 1, 2, 3, 2, 1, 152, 153), 'a cursor');

# --- Prepared, and with locks ---------------------------------------------------------------------------
foreach my $mode ('force_generic_plan', 'force_custom_plan')
{
	is(query("set plan_cache_mode = $mode; prepare p(text, int) as select count(*), count(t.id) from local l left join live t on t.id = l.x and t._supaglue_customer_id = \$1 where l.g = \$2;
			execute p('acme', 1); execute p('globex', 2)"),
		query("select count(*), count(t.id) from local l left join copied t on t.id = l.x and t._supaglue_customer_id = 'acme' where l.g = 1;
			select count(*), count(t.id) from local l left join copied t on t.id = l.x and t._supaglue_customer_id = 'globex' where l.g = 2"), "prepared, $mode");
}
is(query("begin; select l.k from few l join live t on $by_customer order by l.k for update of l; rollback"),
	query("select l.k from few l join copied t on $by_customer order by l.k"), 'rows are locked');
is(query("begin; update few l set g = 9 from live t where $by_customer; select count(*) from few where g = 9; rollback"),
	query("select count(*) from few l join copied t on $by_customer"), 'an update');

# A row that another transaction changes meanwhile is joined as it is then.
query('create table raced as select * from few; analyze raced');
like(query("explain update raced l set g = 9 from live t where $by_customer"), qr/Supaglue Batches/, 'an update goes by batches');
my ($in, $out, $done) = ('', '', '');
my $holder = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$out);
$in = "begin; update raced set x = (select x from few where k = 3), c = (select c from few where k = 3) where k in (1, 2);\n\\echo ready\n";
$holder->pump until $out =~ /ready/;
my $waiter = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') . ' application_name=waiter', '-c',
		"with changed as (update raced l set g = 9 from live t where $by_customer returning l.k, t.id) select count(*), count(*) filter (where id = (select x from few where k = 3)) from changed" ],
	'<', \undef, '>', \$done);
wait_until(sub { query("select count(*) from pg_stat_activity where application_name = 'waiter' and wait_event_type = 'Lock'") eq '1' }, 'the update waits');
$in = "commit;\n\\q\n";
$holder->finish;
$waiter->finish;
my $found = query("select count(*) from few l join copied t on $by_customer where k not in (1, 2)");
is($done, "$found|1\n", 'rows that have changed meanwhile no longer match what was read for them');
is(query('select count(*) from raced where g = 9'), $found, 'and stay as they are');

# --- Random joins -----------------------------------------------------------------------------------------
sub pick { return $_[ rand @_ ] }
my ($batched, $different) = (0, 0);
my $script = "set jit = off;\n";
my @statements;
foreach my $round (1 .. 60)
{
	my $on = 't.id = ' . pick('l.x', 'l.x', 'm.x');
	$on .= ' and t._supaglue_customer_id = ' . pick('l.c', 'm.c', "'acme'", "'globex'") if rand() < 0.8;
	$on .= ' and ' . pick("t.last_name > 'K'", 'length(t.last_name) > l.g', 'l.k < m.k + 20', 't.last_name is not null', 'l.g = 2') if rand() < 0.5;
	my $from = pick('local l join few m on m.g = l.g', 'few l left join local m on m.k = l.k + 3', 'varying l join few m on m.k = l.k');
	my $where = pick('true', 'l.g <> 3', 't.id is null', 't.id is not null or l.k > 100', "t.last_name like 'A%'");
	my $limit = rand() < 0.3 ? ' limit ' . (1 + int(rand(150))) : '';
	push @statements, "select l.k, m.k, t.id, t._supaglue_customer_id from $from " . pick('join', 'left join') . " live t on $on where $where order by 1, 2, 3, 4$limit";
}
foreach my $statement (@statements)
{
	(my $on_copy = $statement) =~ s/\blive\b/copied/;
	my $off = pick('', '', 'set geqo_threshold = 2;', 'set enable_hashjoin = off; set enable_mergejoin = off;');
	$different++, diag($statement) if query("$off $statement") ne query($on_copy);
	$batched++ if query("$off explain $statement") =~ /Supaglue Batches/;
}
is($different, 0, 'every random join gives the same');
cmp_ok($batched, '>', 20, "most go by batches: $batched of 60");

$node->stop;
done_testing();
