# 100,000 contacts through the workers: every row right, no snapshot while the network is waited for, flat memory; and the
# same when all that the provider has is older than what is stored.
use strict;
use warnings;
use lib 'lib';

use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;

my $records = $ENV{SUPAGLUE_TEST_RECORDS} // 100_000;

# Small shared buffers, so that a process's peak is its own memory.
my $node = new_node('large', conf => "shared_buffers = '16MB'\nmax_wal_size = '4GB'");
my $simulator = new_simulator('--records', "Contact=$records,Lead=0");

# The peak resident memory of the workers, kB.
my $peaks = sub {
	my %peak;
	foreach my $row (split /\n/, $node->safe_psql('postgres',
		"select backend_type, pid from pg_stat_activity where backend_type in ('supaglue fetcher', 'supaglue merger')"))
	{
		my ($type, $pid) = split /\|/, $row;
		($peak{$type}) = slurp_file("/proc/$pid/status") =~ /VmHWM:\s+(\d+) kB/;
	}
	return \%peak;
};

sync_salesforce($node, $simulator, standard => ['Lead']);
is(wait_for_sync($node, 'acme', 'Lead'), 'SUCCESS', 'an empty object syncs');
my $before = $peaks->();
is(scalar keys %$before, 2, 'a fetcher and a merger run');

# The second page is held back, so that there is a moment to look at.
$simulator->control('hold', { match => { kind => 'bulk_results', path_contains => '&locator=' } });
$node->safe_psql('postgres', q{
	select supaglue.create_sync_config('{"name": "large", "destination_name": "destination", "provider_name": "salesforce",
		"default_config": {"period_ms": 3600000, "strategy": "full then incremental"},
		"standard_objects": [{"object": "Contact"}]}')});
wait_until(sub { ($simulator->ask('held')->{held} // 0) > 0 }, 'a page is held back');
# (What one did a moment ago may just be ending.)
wait_until(sub { $node->safe_psql('postgres', q{
	select count(*) from pg_stat_activity where backend_type like 'supaglue%'
		and (backend_xmin is not null or backend_xid is not null)}) eq '0' },
	'no worker has a snapshot while it waits on the network');
is($node->safe_psql('postgres', 'select count(*) from supaglue_data."salesforce_Contact"'), '0', 'nothing of an unfinished run is seen');
$simulator->control('release');

is(wait_for_sync($node, 'acme', 'Contact'), 'SUCCESS', "$records contacts sync");
is($node->safe_psql('postgres', 'select count(*) from supaglue_data."salesforce_Contact"'), $records, 'every row is there');

# The simulator's truth, line by line, beside the table.
my $truth = "$PostgreSQL::Test::Utils::tmp_check/truth.json";
my $answer = HTTP::Tiny->new(timeout => 120)->mirror($simulator->url . '/control/records?org=acme&object=Contact&iso=1', $truth);
ok($answer->{success}, 'the simulator tells the truth');
$node->safe_psql('postgres', qq{
	create table truth (record jsonb);
	copy truth from '$truth' with (format csv, quote e'\\x01', delimiter e'\\x02')});
is($node->safe_psql('postgres', q{
	select count(*), count(t.id), count(*) filter (where t._supaglue_raw_data = record),
		count(*) filter (where not t._supaglue_is_deleted and t._supaglue_customer_id = 'acme'
			and t._supaglue_last_modified_at = (record ->> 'SystemModstamp')::timestamptz)
	from truth left join supaglue_data."salesforce_Contact" t on t.id = record ->> 'Id'}),
	join('|', ($records) x 4), 'every row equals the provider\'s record');

# The provider is restored from a backup: it has an older version of every record, and a newer one might come on a later page.
$simulator->control('update', { org => 'acme', object => 'Contact', where => 'LastName != null',
	set => { Title => 'Restored', SystemModstamp => '1999-01-01T00:00:00.000+0000' } });
$node->safe_psql('postgres', q{select supaglue.trigger_sync(supaglue.sync_id('acme', 'salesforce', 'Contact'), true)});
is(wait_for_sync($node, 'acme', 'Contact'), 'SUCCESS', 'all are read again');
my ($counts, $time) = split /\|/, $node->safe_psql('postgres', q{
	select records_updated || ' ' || records_unchanged, finished_at - started_at from supaglue.sync_runs
	where id = (select last_run_id from supaglue.syncs where id = supaglue.sync_id('acme', 'salesforce', 'Contact'))});
is($counts, "$records 0", 'are older, and written');
is($node->safe_psql('postgres', q{select count(*) from supaglue_data."salesforce_Contact"
	where _supaglue_raw_data ->> 'Title' = 'Restored' and _supaglue_last_modified_at = '1999-01-01Z'}), $records, 'as the provider has them');
diag("older versions of all took $time");

my $after = $peaks->();
# A sanitizer's allocator keeps what was freed for a while.
my $most = $ENV{SUPAGLUE_SANITIZER_LOGS} ? 640 : 64;
foreach my $type (sort keys %$before)
{
	my $grown = ($after->{$type} - $before->{$type}) / 1024;
	diag(sprintf "%s: %.0f MB at its peak, %.0f MB more than for nothing", $type, $after->{$type} / 1024, $grown);
	cmp_ok($grown, '<', $most, "the $type stays within $most MB of an empty sync's memory");
}

$node->stop;
done_testing();
