# The extension with and without preload: it installs, its workers run, it goes away again.
use strict;
use warnings;
use lib 'lib';

use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;

my $plain = new_node('plain', preload => 0);
is($plain->safe_psql('postgres', 'select count(*) from supaglue.syncs'), '0',
	'without preload the extension installs and its views can be read');
is($plain->safe_psql('postgres', "select count(*) from pg_stat_activity where backend_type like 'supaglue%'"),
	'0', 'without preload nothing runs by itself');
$plain->safe_psql('postgres', 'drop extension supaglue cascade');
is($plain->safe_psql('postgres', "select count(*) from pg_namespace where nspname = 'supaglue_internal'"),
	'0', 'dropped, it leaves nothing of its own');
$plain->stop;

my $node = new_node('preloaded');
my $simulator = new_simulator('--records', '5');
my $ids = sync_salesforce($node, $simulator);
is(wait_for_sync($node, 'acme', 'Contact'), 'SUCCESS', 'the workers run a new sync by themselves');
is($node->safe_psql('postgres', 'select count(*) from supaglue_data."salesforce_Contact"'), '5',
	'the table has the provider\'s records');
$node->restart;
wait_until(
	sub {
		$node->safe_psql('postgres',
			"select count(*) > 0 from pg_stat_activity where backend_type like 'supaglue%'") eq 't';
	},
	'the workers are back after a restart');
$node->stop;

done_testing();
