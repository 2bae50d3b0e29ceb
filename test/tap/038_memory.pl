# What a run holds does not grow with its pages, though all of them are merged in one transaction.
use strict;
use warnings;
use lib 'lib';

use Supaglue;
use Test::More;

plan skip_all => 'sanitizers keep memory that was freed' if $ENV{SUPAGLUE_SANITIZER_LOGS};

my $node = new_node('node', conf => "fsync = off\nshared_buffers = 2MB");
my $simulator = new_simulator('--records', 'Contact=20000,Lead=500', '--page-size', '10');
$simulator->control('bulk', { org => 'acme', unsupported => ['Contact'] });
sync_salesforce($node, $simulator, standard => [ 'Contact', 'Lead' ], config => { period_ms => 3600000, strategy => 'full only' });

# The most that a session held, in kB, that found nothing changed: with as good as no buffers, which would count as its own.
sub peak_of
{
	my ($object, $asked) = @_;
	my ($read, $peak) = split /\n/, $node->safe_psql('postgres', "
		select records_unchanged || ' ' || requests from supaglue.materialize(supaglue.sync_id('acme', 'salesforce', '$object'), true);
		select substring(pg_read_file('/proc/self/status') from 'VmHWM:\\s+(\\d+)')");
	like($read, $asked, "$object is unchanged");
	return $peak;
}
foreach my $object ('Contact', 'Lead')
{
	is($node->safe_psql('postgres', "select status from supaglue.wait_for_sync(supaglue.sync_id('acme', 'salesforce', '$object'), '5 min')"),
		'SUCCESS', "$object is read");
}
my $small = peak_of('Lead', qr/^500 5\d$/);
my $large = peak_of('Contact', qr/^20000 200\d$/);
note("$small, $large kB");
cmp_ok($large - $small, '<', 24 * 1024, '2,000 pages need no more than 50');

$node->stop;
done_testing();
