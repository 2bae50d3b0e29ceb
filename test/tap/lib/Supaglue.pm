# What the TAP tests share: servers with the extension, a configured sync, and waiting for a
# condition. Tests never sleep: they wait until something is so.
package Supaglue;

use strict;
use warnings;

use Carp;
use Exporter 'import';
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

use Supaglue::Simulator;

our @EXPORT = qw(new_node new_simulator wait_until sync_salesforce sync_hubspot wait_for_sync untrue to_json);

my $json = JSON::PP->new->canonical->allow_nonref;

sub to_json { return $json->encode($_[0]) }

# A started server. preload => 0: without shared_preload_libraries; extension => 0: without CREATE
# EXTENSION; conf: more lines of postgresql.conf.
sub new_node
{
	my ($name, %args) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(%{ $args{init} // {} });
	$node->append_conf('postgresql.conf', <<'CONF');
listen_addresses = '127.0.0.1'
max_worker_processes = 32
jit = off
CONF
	my $preload = $args{preload} // 1;
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'supaglue'") if $preload;
	$node->append_conf('postgresql.conf', <<'CONF');
supaglue.min_period_ms = 1000
supaglue.allow_private_networks = on
supaglue.allow_insecure_http = on
CONF
	$node->append_conf('postgresql.conf', $args{conf}) if defined $args{conf};
	$node->start;
	$node->safe_psql('postgres', 'create extension supaglue') if $args{extension} // 1;
	return $node;
}

# A started provider simulator, with arguments as its README has them; it ends with the test.
sub new_simulator { return Supaglue::Simulator->new(@_) }

# Waits until the condition is true and returns its value; a test that waits in vain ends.
sub wait_until
{
	my ($condition, $what, $timeout) = @_;
	my $deadline = time + ($timeout // $PostgreSQL::Test::Utils::timeout_default);
	while (1)
	{
		my $value = $condition->();
		return $value if $value;
		croak("waited in vain until $what") if time > $deadline;
		usleep(50_000);
	}
}

# A function that calls one of ours with a document.
sub configurer
{
	my ($node, $dbname) = @_;
	return sub {
		my ($function, $document) = @_;
		return $node->safe_psql($dbname,
			"select supaglue.$function(\$json\$" . to_json($document) . "\$json\$)");
	};
}

# Connects a customer to the org of his own name, and returns the connection's id.
sub connect_customer
{
	my ($node, $dbname, $customer, $provider) = @_;
	$node->safe_psql($dbname, "select supaglue.upsert_customer('$customer')");
	return configurer($node, $dbname)->('create_connection', {
		customer_id => $customer, provider_name => $provider,
		credentials => { type => 'oauth2', refresh_token => $customer } });
}

# Configures Salesforce on the simulator for some customers, each an org of its own name, and
# returns the ids of the provider, the destination, the sync config and, by customer, the connection.
#   customers => [...], common => [objects], standard => [objects], custom => [objects],
#   config => {default_config}; an object is a name or its document;
#   destination => {credentials of a remote one}, dbname
sub sync_salesforce
{
	my ($node, $simulator, %args) = @_;
	my $dbname = $args{dbname} // 'postgres';
	my $call = configurer($node, $dbname);
	my %ids;
	$ids{provider} = $call->('create_provider', {
		provider_name => 'salesforce', auth_type => 'oauth2', category => 'crm',
		config => {
			login_url => $simulator->url,
			oauth => { oauth_scopes => [ 'api', 'refresh_token' ],
				credentials => { client_id => 'client', client_secret => 'secret' } } } });
	$ids{destination} = $call->('create_destination', {
		name => 'destination', type => 'postgres',
		$args{destination} ? (credentials => $args{destination}) : () });
	$ids{sync_config} = $call->('create_sync_config', {
		name => 'sync', destination_id => $ids{destination} + 0, provider_id => $ids{provider} + 0,
		default_config => $args{config} // { period_ms => 1000, strategy => 'full then incremental' },
		common_objects => objects($args{common} // []),
		standard_objects => objects($args{standard} // ['Contact']),
		custom_objects => objects($args{custom} // []),
		entities => $args{entities} // [] });
	$ids{connection}{$_} = connect_customer($node, $dbname, $_, 'salesforce')
	  foreach @{ $args{customers} // ['acme'] };
	return \%ids;
}

sub objects
{
	my ($given) = @_;
	return [ map { ref $_ ? $_ : { object => $_ } } @$given ];
}

# The same for HubSpot, into a destination that exists:
#   customers => [...], destination => id, common => [...], standard => [...], config => {...}
sub sync_hubspot
{
	my ($node, $simulator, %args) = @_;
	my $dbname = $args{dbname} // 'postgres';
	my $call = configurer($node, $dbname);
	my %ids;
	$ids{provider} = $call->('create_provider', {
		provider_name => 'hubspot', auth_type => 'oauth2', category => 'crm',
		config => {
			login_url => $simulator->url, base_url => $simulator->url,
			oauth => { credentials => { client_id => 'client', client_secret => 'secret' } } } });
	$ids{sync_config} = $call->('create_sync_config', {
		name => 'hubspot sync', destination_id => $args{destination} + 0,
		provider_id => $ids{provider} + 0,
		default_config => $args{config} // { period_ms => 1000, strategy => 'full then incremental' },
		common_objects => objects($args{common} // []),
		standard_objects => objects($args{standard} // []),
		entities => $args{entities} // [] });
	$ids{connection}{$_} = connect_customer($node, $dbname, $_, 'hubspot')
	  foreach @{ $args{customers} };
	return \%ids;
}

# Waits for the run that is due or under way, and returns its status. The object is a name, or
# "provider/type/name".
sub wait_for_sync
{
	my ($node, $customer, $object, $dbname) = @_;
	my ($provider, $type) = ('salesforce', 'null');
	($provider, $type, $object) = ($1, "'$2'", $3) if $object =~ m{^(\w+)/(\w+)/(.+)$};
	return $node->safe_psql($dbname // 'postgres',
		"select status from supaglue.wait_for_sync("
		  . "supaglue.sync_id('$customer', '$provider', '$object', $type))");
}

# How many of the records that Salesforce has are not so in the table of their object, or are not there.
sub untrue
{
	my ($node, $simulator, $org, $object) = @_;
	my $answer = $simulator->{http}->get($simulator->url . "/control/records?org=$org&object=$object&iso=1");
	croak "records: $answer->{status}" unless $answer->{success};
	my $truth = join ',', grep { /\S/ } split /\n/, $answer->{content};
	return $node->safe_psql('postgres', "select count(*) from jsonb_array_elements(\$truth\$[$truth]\$truth\$) as record
		full join (select * from supaglue_data.\"salesforce_$object\" where not _supaglue_is_deleted and _supaglue_customer_id = '$org') t
			on t.id = record->>'Id'
		where record is distinct from _supaglue_raw_data");
}

1;
