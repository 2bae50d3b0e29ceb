# Records that vanish without a trace, among more than one step of the walk through the stored ids takes: exactly they
# are marked by the next full run.
use strict;
use warnings;
use lib 'lib';

use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;

my $node = new_node('node');
my $simulator = new_simulator('--records', 'Contact=12000');

sync_salesforce($node, $simulator, config => { period_ms => 3600000, strategy => 'full then incremental' });
is(wait_for_sync($node, 'acme', 'Contact'), 'SUCCESS', 'the contacts are read');

$node->safe_psql('postgres', 'create table gone as select id from supaglue_data."salesforce_Contact" order by md5(id) limit 600');
my $ids = $node->safe_psql('postgres', 'select string_agg(quote_literal(id), chr(44)) from gone');
$simulator->control('delete', { org => 'acme', object => 'Contact', where => "Id IN ($ids)", hard => JSON::PP::true });
$node->safe_psql('postgres', q{select supaglue.trigger_sync(supaglue.sync_id('acme', 'salesforce', 'Contact'), true)});
is(wait_for_sync($node, 'acme', 'Contact'), 'SUCCESS', 'they are read again');
is($node->safe_psql('postgres', q{
	select count(*), count(*) filter (where _supaglue_is_deleted), count(*) filter (where _supaglue_is_deleted and g.id is null),
		count(g.id) filter (where not _supaglue_is_deleted)
	from supaglue_data."salesforce_Contact" left join gone g using (id)}), '12000|600|0|0',
	'those that are gone, and no others, are marked');

$node->stop;
done_testing();
