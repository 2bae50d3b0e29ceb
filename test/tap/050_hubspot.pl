# HubSpot by its document: the tables are the provider's truth after a first run, after changes of every kind, on a
# portal of many properties, and after a server was killed; and HubSpot's refusals end in their class.
use strict;
use warnings;
use lib 'lib';

use JSON::PP ();
use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;

my $node = new_node('node');
my $simulator = new_simulator('--records', 'contacts=250,companies=30,deals=120,owners=5');
sub query { return $node->safe_psql('postgres', $_[0]) }
sub hubspot { my ($command, %more) = @_; return $simulator->control($command, { provider => 'hubspot', org => 'acme', %more }) }
sub call { my ($function, $document) = @_; return query("select supaglue.$function(\$json\$" . to_json($document) . '$json$)') }

call('create_provider', {
	provider_name => 'hubspot', auth_type => 'oauth2', category => 'crm',
	config => { login_url => $simulator->url, base_url => $simulator->url,
		oauth => { credentials => { client_id => 'client', client_secret => 'secret' } } } });
my $destination = call('create_destination', { name => 'destination', type => 'postgres' });
my %sync_config = (name => 'sync', provider_name => 'hubspot', destination_name => 'destination',
	default_config => { period_ms => 3600000, strategy => 'full then incremental' });

# --- What there is --------------------------------------------------------------------------------------------------
foreach my $wrong ([ standard_objects => 'contacts' ], [ standard_objects => 'ticket' ], [ custom_objects => 'cars' ])
{
	my ($status, undef, $said) = $node->psql('postgres', 'select supaglue.create_sync_config($json$'
		  . to_json({ %sync_config, $wrong->[0] => [ { object => $wrong->[1] } ] }) . '$json$)');
	like($said, qr/cannot be the name of an object of hubspot.*Its standard objects are "company", "contact", "deal", "owner"/s,
		"$wrong->[1] is refused, and what there is named");
}
call('create_sync_config', { %sync_config, standard_objects => [ map { { object => $_ } } qw(contact company deal owner) ],
	common_objects => [ map { { object => $_ } } qw(account contact opportunity user) ] });

my %plural = (contact => 'contacts', company => 'companies', deal => 'deals', owner => 'owners');
my %associated = (contact => '&associations=companies', deal => '&associations=companies');
sub sync_id
{
	my ($object, $customer, $type) = @_;
	return query("select supaglue.sync_id('" . ($customer // 'acme') . "', 'hubspot', '$object', '" . ($type // 'standard') . "')");
}

# Whether the rows that are not deleted are the provider's records, value by value.
sub is_truth
{
	my ($object, $what, $customer, $schema) = @_;
	$customer //= 'acme';
	$schema //= 'supaglue_data';
	my $answer = $simulator->{http}->get($simulator->url
		  . "/control/records?provider=hubspot&org=$customer&object=$plural{$object}" . ($associated{$object} // ''));
	die $answer->{content} unless $answer->{success};
	my $file = PostgreSQL::Test::Utils::tempdir() . '/truth';
	PostgreSQL::Test::Utils::append_to_file($file, '[' . join(',', split(/\n/, $answer->{content})) . ']');
	chmod 0644, $file;
	is(query(qq{
		with truth as (select value from jsonb_array_elements(replace(pg_read_file('$file'), '\\u0000', '\\ufffd')::jsonb)),
			stored as (select id, _supaglue_raw_data as value from $schema."hubspot_$object"
				where not _supaglue_is_deleted and _supaglue_customer_id = '$customer')
		select concat_ws(' ', (select count(*) > 0 from truth),
			(select count(*) from (select value from truth except select value from stored) as lacking),
			(select count(*) from (select value from stored except select value from truth) as extra),
			(select count(*) from stored) - (select count(*) from truth),
			(select count(*) from stored where id is distinct from value ->> 'id'))}),
		't 0 0 0 0', $what);
}
sub run_again
{
	my ($object, $customer, $type) = @_;
	my $sync = sync_id($object, $customer, $type);
	query("select supaglue.trigger_sync($sync)");
	return query("select status || coalesce(' ' || error_class, '') from supaglue.wait_for_sync($sync)");
}

query("select supaglue.upsert_customer('acme')");
call('create_connection', { customer_id => 'acme', provider_name => 'hubspot', credentials => { type => 'oauth2', refresh_token => 'acme' } });
foreach my $object (sort keys %plural)
{
	is(query('select status from supaglue.wait_for_sync(' . sync_id($object) . ')'), 'SUCCESS', "$object syncs");
	is_truth($object, "hubspot_$object is the truth");
}
is(query("select count(*) from supaglue_data.hubspot_contact"), '250', 'three pages of contacts');
is(query("select account_id is not null from supaglue.connections"), 't', 'the portal is known by its number');

# --- Values ---------------------------------------------------------------------------------------------------------
is(query(q{select count(*) > 0 from supaglue_data.hubspot_deal
	where jsonb_typeof(_supaglue_raw_data #> '{properties,amount}') = 'number'}), 't', 'numbers are numbers');
is(query(q{select count(*) from supaglue_data.hubspot_deal
	where jsonb_typeof(_supaglue_raw_data #> '{properties,hs_is_closed}') not in ('boolean', 'null')}), '0', 'booleans are booleans');
is(query(q{select count(*) > 0 from supaglue_data.hubspot_contact where _supaglue_raw_data #>> '{associations,companies,0}'
	in (select id from supaglue_data.hubspot_company)}), 't', 'associations refer to companies');
is(query(q{select count(*) from supaglue_data.hubspot_contact where _supaglue_last_modified_at
	is distinct from (_supaglue_raw_data ->> 'updatedAt')::timestamptz}), '0', 'the stamp is hoisted');

# --- Changes --------------------------------------------------------------------------------------------------------
$simulator->control('reset_counters');
is(run_again('contact'), 'SUCCESS', 'a run with nothing new');
is(query('select count(distinct _supaglue_emitted_at) from supaglue_data.hubspot_contact'), '1', 'it writes nothing');
my $counters = $simulator->counters;
is("$counters->{properties} $counters->{list} $counters->{token}", '1 3 0', 'it asks for the properties and three pages');

my @ids = split /\n/, query('select id from supaglue_data.hubspot_contact order by id::bigint limit 8');
hubspot('update', object => 'contacts', id => [ @ids[ 0, 1 ] ], set => { firstname => 'Renamed' });
hubspot('delete', object => 'contacts', id => $ids[2]);
hubspot('delete', object => 'contacts', id => $ids[3], hard => JSON::PP::true);
my $merged = hubspot('merge', object => 'contacts', id => $ids[4], loser => $ids[5])->{ids}[0];
hubspot('insert', object => 'contacts', records => [ { firstname => 'New', email => "nul\0\"\\ " } ]);
is(run_again('contact'), 'SUCCESS', 'a run with changes of all kinds');
is(query("select string_agg(_supaglue_is_deleted::text, ' ' order by id::bigint) from supaglue_data.hubspot_contact
	where id in ('" . join("','", @ids[ 2 .. 5 ]) . "')"), 'true true true true', 'what is archived, erased or merged away is deleted');
is(query("select not _supaglue_is_deleted from supaglue_data.hubspot_contact where id = '$merged'"), 't', 'a merge comes with its new id');
is(query('select count(*) from supaglue_data.hubspot_contact where _supaglue_emitted_at = (select max(_supaglue_emitted_at) from supaglue_data.hubspot_contact)'),
	'8', 'nothing else is written');
like(query("select _supaglue_raw_data #>> '{properties,email}' from supaglue_data.hubspot_contact where _supaglue_raw_data #>> '{properties,firstname}' = 'New'"),
	qr/^nul.*"\\ /, 'characters that Postgres cannot hold stop nothing');

# The archive says of a record that it is there; it is read once a day, here because a day is over.
sub let_a_day_pass { query("update supaglue_internal.syncs set metadata = metadata || '{\"archived_read_at\": 0}' where id = " . sync_id($_[0])) }
is(query("select _supaglue_raw_data ->> 'archived' from supaglue_data.hubspot_contact where id = '$ids[2]'"), 'false', 'the record is as it was last seen');
let_a_day_pass('contact');
is(run_again('contact'), 'SUCCESS', 'a run that reads the archive');
is(query("select (_supaglue_raw_data ->> 'archived') || (_supaglue_last_modified_at = (_supaglue_raw_data ->> 'archivedAt')::timestamptz)
	from supaglue_data.hubspot_contact where id = '$ids[2]'"), 'truetrue', 'an archived record says so, and when');
is(query('select count(*) from supaglue_data.hubspot_contact where _supaglue_is_deleted'), '4', 'and no others');
hubspot('undelete', object => 'contacts', id => $ids[2], stamp => JSON::PP::false);
is(run_again('contact'), 'SUCCESS', 'a run after it was restored');
is(query("select _supaglue_is_deleted from supaglue_data.hubspot_contact where id = '$ids[2]'"), 'f', 'what is restored is there again, though its stamp is the older one');
is_truth('contact', 'hubspot_contact is the truth after all this');

# --- Owners and pipelines ---------------------------------------------------------------------------------------------
my $owner = query('select min(id) from supaglue_data.hubspot_owner');
hubspot('delete', object => 'owners', id => $owner);
is(run_again('owner'), 'SUCCESS', 'a run after an owner was archived');
is(query("select _supaglue_is_deleted and (_supaglue_raw_data ->> 'archived')::boolean from supaglue_data.hubspot_owner where id = '$owner'"),
	't', 'the owner is deleted, and says that it is archived');
is_truth('owner', 'the other owners are the truth');
is(query("select count(*) > 0 from supaglue_internal.syncs, jsonb_each(metadata #> '{lookups,pipelines}') as pipeline
	where id = " . sync_id('deal') . " and pipeline.value ->> 'label' <> '' and pipeline.value -> 'stages' <> '{}'"), 't', 'the labels of the stages are known');

# --- Common objects ------------------------------------------------------------------------------------------------------
sub are_equal
{
	my ($common, $standard, $what, %columns) = @_;
	my @names = sort keys %columns;
	is(query("with common as (select id, " . join(', ', @names) . " from supaglue_data.crm_$common where not _supaglue_is_deleted and _supaglue_provider_name = 'hubspot'),
		raw as (select id, _supaglue_raw_data as raw, _supaglue_raw_data -> 'properties' as p from supaglue_data.hubspot_$standard where not _supaglue_is_deleted),
		expected as (select id, " . join(', ', @columns{@names}) . " from raw)
		select (select count(*) > 0 from common) || ' ' || (select count(*) from (select * from common except select * from expected) as extra)
			|| ' ' || (select count(*) from (select * from expected except select * from common) as lacking)"), 'true 0 0', $what);
}
my @companies = split /\n/, query('select id from supaglue_data.hubspot_company order by id limit 4');
my @employees = ('7000000000', '7000000001', '12.7', '1,234');
hubspot('update', object => 'companies', id => $companies[$_], set => { numberofemployees => $employees[$_] }) foreach (0 .. 3);
is(run_again('company'), 'SUCCESS', 'companies, once more');
is(run_again($_, 'acme', 'common'), 'SUCCESS', "the common object $_ syncs") foreach (qw(account contact opportunity user));
is(query("select string_agg(coalesce(number_of_employees::text, 'null'), ' ' order by id) from supaglue_data.crm_accounts where id in ('" . join("','", @companies) . "')"),
	'7000000000 null 12 null', 'numbers of employees that are none are not taken for some');
are_equal('accounts', 'company', 'accounts are companies', name => "p ->> 'name'", created_at => "(raw ->> 'createdAt')::timestamptz",
	phone_numbers => q{case when p ->> 'phone' <> '' then jsonb_build_array(jsonb_build_object('phone_number', p ->> 'phone', 'phone_number_type', 'primary')) else '[]' end});
are_equal('contacts', 'contact', 'contacts are contacts', first_name => "nullif(p ->> 'firstname', '')", account_id => "raw #>> '{associations,companies,0}'",
	last_activity_at => "(p ->> 'notes_last_updated')::timestamptz", owner_id => "nullif(p ->> 'hubspot_owner_id', '')",
	email_addresses => q{coalesce((select jsonb_agg(jsonb_build_object('email_address', p ->> key, 'email_address_type', type) order by type)
		from (values ('email', 'primary'), ('work_email', 'work')) as kind (key, type) where p ->> key <> ''), '[]')});
my $pipelines = $simulator->{http}->get($simulator->url . '/crm/v3/pipelines/deals', { headers => { Authorization => 'Bearer pat-acme' } })->{content};
my $label = sub { qq{(select item ->> 'label' from jsonb_array_elements(\$json\$$pipelines\$json\$::jsonb -> 'results') as pipeline, $_[0])} };
are_equal('opportunities', 'deal', 'opportunities are deals, with the labels of their stages',
	pipeline => $label->("jsonb_array_elements(jsonb_build_array(pipeline)) as item where item ->> 'id' = p ->> 'pipeline'"),
	stage => $label->("jsonb_array_elements(pipeline -> 'stages') as item where pipeline ->> 'id' = p ->> 'pipeline' and item ->> 'id' = p ->> 'dealstage'"),
	status => "case p ->> 'hs_is_closed_won' when 'true' then 'WON' else case p ->> 'hs_is_closed' when 'true' then 'LOST' else 'OPEN' end end",
	amount => "case jsonb_typeof(p -> 'amount') when 'number' then (p ->> 'amount')::numeric end", currency => "nullif(p ->> 'deal_currency_code', '')");
are_equal('users', 'owner', 'users are owners', name => "trim(concat_ws(' ', raw ->> 'firstName', raw ->> 'lastName'))", email => "raw ->> 'email'", is_active => 'true');

# --- The live side ------------------------------------------------------------------------------------------------------
query("set supaglue.customer_id = 'acme'");
is(query(q{with live as (select id, _supaglue_raw_data from supaglue_live.hubspot_contact where _supaglue_customer_id = 'acme'),
	stored as (select id, _supaglue_raw_data from supaglue_data.hubspot_contact where not _supaglue_is_deleted)
	select (select count(*) from live) || ' ' || (select count(*) from (select * from live except select * from stored) as other)}),
	query('select count(*) from supaglue_data.hubspot_contact where not _supaglue_is_deleted') . ' 0', 'the live twin is the table');
is(query(q{with live as (select id, stage, pipeline, amount from supaglue_live.crm_opportunities where _supaglue_customer_id = 'acme'),
	stored as (select id, stage, pipeline, amount from supaglue_data.crm_opportunities where not _supaglue_is_deleted)
	select (select count(*) from live) || ' ' || (select count(*) from (select * from live except select * from stored) as other)}),
	'120 0', 'the live common object has the labels, too');
foreach my $object (qw(contact company))
{
	my @some = split /\n/, query("select id from supaglue_data.hubspot_$object where not _supaglue_is_deleted order by id limit 2");
	$simulator->control('reset_counters');
	is(query("select count(*) from supaglue_live.hubspot_$object as live join supaglue_data.hubspot_$object as stored using (id, _supaglue_raw_data)
		where live._supaglue_customer_id = 'acme' and live.id in ('$some[0]', '$some[1]', '4711', 'none')"), '2', "some of hubspot_$object by their ids");
	is($simulator->counters->{list}, '0', 'without the list');
}

# --- Many properties ------------------------------------------------------------------------------------------------------
hubspot('add_field', object => 'contacts', field => { name => "a_property_of_this_portal_with_a_long_name_$_", type => 'number', label => "P$_" }) foreach (1 .. 250);
hubspot('update', object => 'contacts', id => $ids[0], set => { a_property_of_this_portal_with_a_long_name_7 => '12.50' });
$simulator->control('reset_counters');
is(run_again('contact'), 'SUCCESS', 'a portal with many properties');
is_truth('contact', 'it is the truth, too');
is($simulator->counters->{batch}, '3', 'whose records are read in batches');
is(query("select _supaglue_raw_data #>> '{properties,a_property_of_this_portal_with_a_long_name_7}' from supaglue_data.hubspot_contact where id = '$ids[0]'"),
	'12.50', 'numbers keep their digits');

# --- A server that is killed ------------------------------------------------------------------------------------------------
query("select supaglue.upsert_customer('large')");
hubspot('insert', org => 'large', object => 'contacts', records => [ map { { firstname => "F$_", email => "e$_\@x.io" } } (1 .. 1187) ]) foreach (1 .. 4);
call('create_connection', { customer_id => 'large', provider_name => 'hubspot', credentials => { type => 'oauth2', refresh_token => 'large' } });
is(query('select status || records_read from supaglue.wait_for_sync(' . sync_id('contact', 'large') . ')'), 'SUCCESS4998', 'five thousand contacts');
is_truth('contact', 'they are the truth', 'large');
my $cursor = query("select _supaglue_raw_data ->> 'id' from supaglue_data.hubspot_contact where _supaglue_customer_id = 'large' order by id::bigint offset 2499 limit 1");
$simulator->control('hold', { match => { provider => 'hubspot', org => 'large', kind => 'list', path_contains => "&after=$cursor" } });
query('select supaglue.trigger_sync(' . sync_id('contact', 'large') . ')');
wait_until(sub { $simulator->ask('held')->{held} == 1 }, 'a page in the middle is held');
wait_until(sub { query('select max(pages) from supaglue_internal.runs') eq '25' }, 'twenty-five pages are kept');
wait_until(sub { query('select pg_current_wal_insert_lsn() <= pg_current_wal_flush_lsn()') eq 't' }, 'what was written is on disk');
$simulator->control('reset_counters');
$node->stop('immediate');
$simulator->control('release');
$node->start;
is(query('select status || records_read from supaglue.wait_for_sync(' . sync_id('contact', 'large') . ')'), 'SUCCESS4998', 'the run ends well');
is($simulator->counters->{orgs}{large}{list}, 25, 'it went on after the page last kept');
is_truth('contact', 'and is the truth', 'large');

# --- Refusals --------------------------------------------------------------------------------------------------------------
hubspot('scopes', scopes => []);
is(run_again('company'), 'FAILURE permission', 'a scope that is missing is a matter of permission');
hubspot('scopes', scopes => undef);
sub refuses
{
	my ($object, $status, $body, $times, $ends, $what) = @_;
	$simulator->control('fault', { match => { provider => 'hubspot', org => 'acme', kind => 'list' }, kind => 'status', status => $status,
		times => $times, body => to_json({ status => 'error', message => 'words of the provider', %$body }) });
	is(run_again($object), $ends, $what);
	$simulator->control('clear_faults');
	like(query("select coalesce(error_message, 'words of the provider') from supaglue.sync_runs where sync_id = " . sync_id($object) . ' order by id desc limit 1'),
		qr/words of the provider/, 'in the words of the provider');
}
refuses('deal', 429, { errorType => 'RATE_LIMIT', policyName => 'TEN_SECONDLY_ROLLING' }, 1, 'SUCCESS', 'a limit of seconds is waited for');
refuses('deal', 429, { errorType => 'RATE_LIMIT', policyName => 'DAILY' }, -1, 'FAILURE quota', 'the limit of a day is a quota');
refuses('deal', 401, { category => 'EXPIRED_AUTHENTICATION' }, 1, 'SUCCESS', 'an expired token is renewed');
refuses('deal', 404, { category => 'OBJECT_NOT_FOUND' }, -1, 'FAILURE gone', 'an object that is not there is gone');
refuses('contact', 401, { category => 'INVALID_AUTHENTICATION' }, -1, 'FAILURE authentication', 'a token that is none needs the customer');

# --- A private app ----------------------------------------------------------------------------------------------------------
my %app = (application_id => 'private');
call('create_provider', { %app, provider_name => 'hubspot', auth_type => 'api_key', config => { base_url => $simulator->url } });
call('create_destination', { %app, name => 'destination', type => 'postgres', credentials => { schema => 'private' } });
call('create_sync_config', { %sync_config, %app, standard_objects => [ { object => 'company' } ] });
query("set supaglue.application_id = 'private'; select supaglue.upsert_customer('private')");
call('create_connection', { %app, customer_id => 'private', provider_name => 'hubspot', credentials => { type => 'api_key', api_key => 'pat-private' } });
is(query("select status from supaglue.wait_for_sync(supaglue.sync_id('private', 'hubspot', 'company', application_id => 'private'))"), 'SUCCESS',
	'a private app syncs by its token');
is_truth('company', 'and has the truth', 'private', 'private');

$node->stop;
done_testing();
