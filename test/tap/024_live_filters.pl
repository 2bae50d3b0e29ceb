# What is told to a provider changes no answer: a thousand random conditions, orders, limits and counts give the
# same on a live table and on a local copy of its rows. The provider compares as it does: texts without regard to
# case and blanks, nulls found by !=, numbers as doubles; and one customer lacks a field and has another of
# another type.
use strict;
use warnings;
use lib 'lib';

use Supaglue;
use Test::More;

my $seed = $ENV{SUPAGLUE_SEED} // 20261123;
my $rounds = $ENV{SUPAGLUE_ROUNDS} // 1000;
srand($seed);
note("seed $seed, $rounds rounds");

my $node = new_node('filters', preload => 0);
my $simulator = new_simulator('--records', '1');
sub query { return $node->safe_psql('postgres', $_[0]) }
sub pick { return $_[ rand @_ ] }

# --- The records: values that are told apart by one side and not by the other; numbers as far as a double holds them.
my @texts = ('Acme', 'acme', 'ACME', 'Acme Inc', 'acme  inc', "O'Neil", 'o"neil', 'back\\slash', 'a%b', 'a_b', 'axb', 'ab',
	'Ünal', 'ünal', 'UNAL', 'straße', 'STRASSE', 'Éa', 'éa', 'zebra', 'Zebra', '10', '9', 'null', 'é', 'a', 'A', 'b ', 'x' x 200);
my @numbers = ('0', '0.1', '-0.1', '1', '2.5', '2.4999', '-7', '1000000', '99999999999999.98', '12345678901234.568', '12345678901234.57');
my @wholes = (0, 1, -1, 5, 6, 2147483647, -2147483648);
my @large = ('0', '5', '9007199254740992', '9007199254740993', '123456789012345678', '123456789012345679', '-123456789012345678');
my @prices = ('0', '0.01', '10', '10.5', '999999999999.99', '1234567890123.45', '-10.5');
my @days = ('2024-02-29', '2024-03-01', '1999-12-31', '2000-01-01', '2038-01-19', '1970-01-01');
my @moments = ('2024-03-10T06:59:59.000Z', '2024-03-10T07:00:00.000Z', '2024-02-29T00:00:00.000Z', '2024-02-28T23:59:59.000Z',
	'1999-12-31T18:30:00.000Z', '2038-01-19T03:14:07.000Z');
my @colors = ('Red', 'Green', 'Blue');
my @references = ('001000000000001AAA', '001000000000002AAA', '001abcdefABCDEFAQ5', '001ABCDEFabcdefYPA');

my @fields = (
	{ name => 'Text__c', type => 'string', length => 255 }, { name => 'Number__c', type => 'double', precision => 18, scale => 4 },
	{ name => 'Whole__c', type => 'int', precision => 9, scale => 0 }, { name => 'Large__c', type => 'long', precision => 18, scale => 0 },
	{ name => 'Price__c', type => 'currency', precision => 15, scale => 2 }, { name => 'Flag__c', type => 'boolean' },
	{ name => 'Day__c', type => 'date' }, { name => 'Moment__c', type => 'datetime' }, { name => 'Color__c', type => 'picklist' },
	{ name => 'Parent__c', type => 'reference', referenceTo => ['Account'] },
	{ name => 'Notes__c', type => 'textarea', length => 32000, filterable => JSON::PP::false() });
my %values = (Text__c => \@texts, Number__c => \@numbers, Whole__c => \@wholes, Large__c => \@large, Price__c => \@prices,
	Flag__c => [ JSON::PP::true(), JSON::PP::false() ], Day__c => \@days, Moment__c => \@moments, Color__c => \@colors,
	Parent__c => \@references, Notes__c => \@texts);

sub fill
{
	my ($org, $own) = @_;
	$simulator->control('create_org', { org => $org });
	$simulator->control('add_object', { org => $org, object => 'Test__c', fields => $own });
	my @records = map {
		my $record = { Name => "record $_" };
		foreach my $field (@$own)
		{
			next if rand() < 0.15 && $field->{type} ne 'boolean';
			my $value = pick(@{ $values{ $field->{name} } });
			# Of a text, whatever is a number to others.
			$record->{ $field->{name} } = $field->{type} eq 'string' ? "$value" : $value;
		}
		$record
	} 1 .. 150;
	$simulator->control('insert', { org => $org, object => 'Test__c', records => \@records });
}
fill('a', \@fields);
# Another customer has no price, and his numbers are texts.
fill('b', [ map { $_->{name} eq 'Number__c' ? { name => 'Number__c', type => 'string', length => 255 } : $_ }
	  grep { $_->{name} ne 'Price__c' } @fields ]);

sync_salesforce($node, $simulator, standard => [], custom => ['Test'], customers => [ 'a', 'b' ],
	config => { period_ms => 3600000, strategy => 'full then incremental', auto_start_on_connection => JSON::PP::false() });
query(<<'SQL');
create foreign table live (_supaglue_customer_id text, id text collate "C", t text options (field 'Text__c'), n numeric options (field 'Number__c'),
	f double precision options (field 'Number__c'), w int options (field 'Whole__c'), i bigint options (field 'Large__c'),
	p numeric options (field 'Price__c'), flag boolean options (field 'Flag__c'), d date options (field 'Day__c'),
	m timestamptz options (field 'Moment__c'), color text options (field 'Color__c'), parent text options (field 'Parent__c') collate "C",
	notes text options (field 'Notes__c'), _supaglue_last_modified_at timestamptz, _supaglue_is_deleted boolean)
	server supaglue_salesforce options (object 'Test__c', object_type 'custom');
create table local as select * from live;
create table conditions (number int primary key, condition text, how text, zone text);
create function answer(relation text, condition text, how text) returns text language plpgsql as $$
declare
	answer text;
begin
	if how = 'rows' then
		execute format('select string_agg(id, '' '' order by id) from %I where %s', relation, condition) into answer;
	elsif how = 'count' then
		execute format('select count(*) from %I where %s', relation, condition) into answer;
	else
		execute format('select string_agg(r::text, '' '') from (select %s as key from %I where %s order by %s) r',
			regexp_replace(split_part(how, ' ', 1), '^([np])$', 'trim_scale(\1)'), relation, condition, how) into answer;
	end if;
	return coalesce(answer, '');
exception when others then
	return sqlstate || ' ' || sqlerrm;
end $$;
create function request(condition text, how text) returns text language plpgsql as $$
declare
	line text;
begin
	for line in execute format(case how when 'count' then 'explain verbose select count(*) from live where %s'
			when 'rows' then 'explain verbose select id from live where %s'
			else 'explain verbose select ' || split_part(how, ' ', 1) || ' from live where %s order by ' || how end, condition)
	loop
		if line ~ 'Remote request' then return line; end if;
	end loop;
end $$;
SQL
is(query('select count(*) from local'), '300', 'all records are there');
is(query("select count(*) from local where _supaglue_customer_id = 'b' and (p is not null or n is null and f is not null)"), '0', 'as each customer has them');

# --- Conditions -------------------------------------------------------------------------------------
sub text_literal { my ($text) = @_; $text =~ s/'/''/g; return "'$text'" }

sub one_value
{
	my ($column) = @_;
	my %of = (
		t => sub { text_literal(pick(@texts, 'nothing', '', ' ', 'acme ', ' acme', 'ACME INC')) },
		notes => sub { text_literal(pick(@texts)) },
		color => sub { text_literal(pick(@colors, 'red', 'Redd')) },
		parent => sub { text_literal(pick(@references, '001000000000001', 'nonsense', '001000000000001AAB')) },
		n => sub { pick(@numbers, '99999999999999.9999', '99999999999999.981', '100000000000000', '0.10', '1e3', "'NaN'", '12345678901234.5681', '12345678901234.6', '0.0000001') },
		f => sub { pick(@numbers, '0.1::float8', '100000000000000', '1e300', "'infinity'") . '::float8' },
		w => sub { pick(@wholes, '5::bigint', '3000000000', '-5') },
		i => sub { pick(@large, '9007199254740991', '123456789012345680', '1') . '::bigint' },
		p => sub { pick(@prices, '10.50', '10.001', '999999999999.985', '1e20') },
		d => sub { "date '" . pick(@days, '2024-02-28', '0044-03-15 BC', 'infinity', '9999-01-01') . "'" },
		m => sub { pick(map({ my $m = $_; $m =~ s/Z$//; "timestamptz '$m" . pick('', 'Z', '+05:30') . "'" } @moments),
				"timestamptz '2024-03-10 07:00:00.5Z'", "timestamptz '2024-03-10'", "timestamptz 'infinity'", "date '2024-03-10'") },
		_supaglue_last_modified_at => sub { pick("now() - interval '1 hour'", "timestamptz '2001-01-01'", 'now()') });
	my $value = $of{$column}->();
	my $roll = rand();
	return $roll < 0.06 ? 'NULL' : $roll < 0.16 ? "(select $value)" : $value;
}

my @comparable = qw(t t t n n n f w w i p p d d m m color parent notes _supaglue_last_modified_at);
sub leaf
{
	my $roll = rand();
	return pick('flag', 'not flag', 'flag is true', 'flag is not true', 'flag is unknown', 'flag = (select true)', '_supaglue_is_deleted', 'not _supaglue_is_deleted')
	  if $roll < 0.08;
	return "_supaglue_customer_id " . pick("= 'a'", "<> 'a'", "in ('a', 'c')", "> 'a'") if $roll < 0.12;
	return 't ' . pick('like', 'like', 'not like', 'ilike') . ' ' . text_literal(pick('a%', 'Acme%', 'acme %', 'a\\%%', 'a\\_b', 'a_b', '%e', 'Ü%', 'É%', 'str%', '10%', "O'%", 'back\\\\%', 'zeb%a', 'ab', ' %', 'A%'))
	  if $roll < 0.22;
	my $column = pick(@comparable);
	return "$column is " . pick('null', 'not null') if $roll < 0.32;
	return "id " . pick('=', '<>') . " (select max(id) from local where w = 5)" if $roll < 0.34;
	return 'w = i' if $roll < 0.35;
	return 'length(t) > ' . int(rand(8)) if $roll < 0.37;
	return "coalesce($column, NULL) is null" if $roll < 0.38;
	return "$column is distinct from " . one_value($column) if $roll < 0.40;
	if ($roll < 0.50)
	{
		my $list = join(', ', map { one_value($column) } 1 .. 1 + rand 3);
		return "$column " . pick('in', 'in', 'not in') . " ($list)";
	}
	return "$column between " . one_value($column) . ' and ' . one_value($column) if $roll < 0.58;
	return one_value($column) . ' ' . pick('=', '<', '>=') . " $column" if $roll < 0.63;
	return "$column " . pick(qw(= = = <> < <= > >=)) . ' ' . one_value($column);
}

sub condition
{
	my ($depth) = @_;
	my $roll = rand();
	return leaf() if $depth == 0 || $roll < 0.3;
	return 'not (' . condition($depth - 1) . ')' if $roll < 0.42;
	return '(' . join(pick(' and ', ' and ', ' or '), map { condition($depth - 1) } 1 .. 2 + rand 2) . ')';
}

my @rows;
foreach my $number (1 .. $rounds)
{
	my $condition = condition(int(rand(3)));
	my $how = pick('rows', 'rows', 'rows', 'count', 'order');
	if ($how eq 'order')
	{
		my $key = pick(qw(n f w i p flag d m t _supaglue_last_modified_at));
		$how = "$key " . pick('asc', 'desc') . pick('', ' nulls first', ' nulls last') . pick('', ' limit ' . (1 + int(rand(20))));
		$condition = "_supaglue_customer_id = '" . pick('a', 'a', 'b') . "' and $condition" if rand() < 0.8;
	}
	elsif (rand() < 0.5) { $condition = "_supaglue_customer_id = '" . pick('a', 'b') . "' and $condition" }
	push @rows, join("\t", $number, map({ my $text = $_; $text =~ s/\\/\\\\/g; $text } $condition, $how),
		pick('UTC', 'America/New_York', 'Asia/Kolkata'));
}
query("copy conditions from stdin;\n" . join("\n", @rows) . "\n\\.\n");

# --- The comparison ---------------------------------------------------------------------------------
my $different = query(<<'SQL');
create table answers (number int, live text, local text, request text);
do $$
declare
	c record;
begin
	for c in select * from conditions order by number loop
		perform set_config('timezone', c.zone, true);
		insert into answers values (c.number, answer('live', c.condition, c.how), answer('local', c.condition, c.how), '');
		begin
			update answers set request = request(c.condition, c.how) where number = c.number;
		exception when others then null;
		end;
	end loop;
end $$;
select c.number, c.how, c.condition, a.request, left(a.live, 200), left(a.local, 200) from answers a join conditions c using (number) where a.live is distinct from a.local order by 1 limit 10;
SQL
is($different, '', 'every answer is the same');
my ($failed, $told, $exact, $found) = split /\|/, query(<<'SQL');
select count(*) filter (where local ~ '^\d\d\w{3} '), count(*) filter (where request ~ 'WHERE'),
	count(*) filter (where request ~ 'COUNT\(\)|ORDER BY'), count(*) filter (where local not in ('', '0')) from answers;
SQL
note("$told told to the provider, $exact counted or ordered by it, $found found something, $failed cannot be asked");
cmp_ok($failed, '<', $rounds / 10, 'few conditions cannot be asked');
cmp_ok($told, '>', $rounds / 2, 'most conditions are told to the provider');
cmp_ok($exact, '>', $rounds / 20, 'counts and orders too');
cmp_ok($found, '>', $rounds / 3, 'many find something');

$node->stop;
done_testing();
