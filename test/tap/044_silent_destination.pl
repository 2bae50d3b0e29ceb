# A destination that lets everybody wait in vain is asked once for many runs, and holds up nobody else's.
use strict;
use warnings;
use lib 'lib';

use IO::Socket::INET;
use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;

# The kernel accepts connections; nobody ever says a word.
my $silent = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 100, Blocking => 0) or die;
my @heard;
sub heard
{
	while (my $connection = $silent->accept) { push @heard, $connection }
	return scalar @heard;
}

my $node = new_node('node');
my $simulator = new_simulator('--records', 'Contact=3');
sub query { return $node->safe_psql('postgres', $_[0]) }
$node->append_conf('postgresql.conf', "supaglue.connect_timeout = '300ms'\nsupaglue.merge_workers = 1");
$node->reload;
my $customers = 12;
sync_salesforce($node, $simulator, customers => [ map { "c$_" } 1 .. $customers ],
	config => { period_ms => 3600000, strategy => 'full then incremental' },
	destination => { host => '127.0.0.1', port => $silent->sockport, database => 'postgres', user => 'nobody', schema => 'public' });
heard();
my $configured = @heard;
wait_until(sub { heard(); query("select count(*) from supaglue.syncs where waiting_for = 'destination' and state = 'waiting'
	and last_error like 'could not connect to destination%timed out'") eq $customers }, 'all runs wait for it, and say why');
cmp_ok(heard() - $configured, '<=', 4, 'after very few tries');

# Another destination's runs go on meanwhile.
query("set supaglue.application_id = 'other'; select supaglue.create_provider(jsonb_build_object('name', 'salesforce', 'auth_type', 'oauth2',
	'category', 'crm', 'config', jsonb_build_object('login_url', '${\ $simulator->url}', 'oauth',
	'{\"credentials\": {\"client_id\": \"c\", \"client_secret\": \"s\"}}'::jsonb))), supaglue.create_destination('{\"name\": \"here\"}'),
	supaglue.create_sync_config('{\"name\": \"here\", \"destination_name\": \"here\", \"provider_name\": \"salesforce\",
		\"default_config\": {\"period_ms\": 3600000}, \"standard_objects\": [{\"object\": \"Contact\"}]}'),
	supaglue.upsert_customer('here', 'Here'), supaglue.create_connection('{\"customer_id\": \"here\", \"provider_name\": \"salesforce\",
		\"credentials\": {\"refresh_token\": \"acme\"}}')");
is(query("select r.status from supaglue.syncs s, supaglue.wait_for_sync(s.id, '60 s') r where s.application_id = 'other'"), 'SUCCESS',
	'a run to another destination ends');
cmp_ok(query("select count(*) from supaglue.syncs where waiting_for = 'destination'"), '>', 0, 'while those wait');
$node->stop;
done_testing();
