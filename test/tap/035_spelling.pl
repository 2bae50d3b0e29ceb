# The raw data is the provider's own: a number that is spelled otherwise is another record, the same spelling is not.
use strict;
use warnings;
use lib 'lib';

use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;

my $node = new_node('node');
my $simulator = new_simulator('--records', 'Contact=3');
sub query { return $node->safe_psql('postgres', $_[0]) }
sub spell
{
	my ($number) = @_;
	$simulator->control('clear_faults');
	$simulator->control('fault', { match => { kind => 'query' }, kind => 'edit', times => -1,
		find => '"IsDeleted":false', body => qq("IsDeleted":false,"Odd":$number) });
	return query(q{select records_inserted, records_updated, records_unchanged
		from supaglue.materialize(supaglue.sync_id('acme', 'salesforce', 'Contact'), true)});
}
sub spelled { return query(qq{select count(*) from supaglue_data."salesforce_Contact" where _supaglue_raw_data ->> 'Odd' = '$_[0]'}) }

sync_salesforce($node, $simulator, config => { period_ms => 3600000, strategy => 'full then incremental', auto_start_on_connection => JSON::PP::false });
is(spell('1.0'), '3|0|0', 'records with a number are new');
my $odd = spelled('1.0');
cmp_ok($odd, '>', 0, 'and have it as it was spelled');
is(spell('1.0'), '0|0|3', 'the same again is no change');
is(spell('1.00'), "0|$odd|" . (3 - $odd), 'another spelling is one');
is(spelled('1.00'), $odd, 'and is what is stored');
$node->stop;
done_testing();
