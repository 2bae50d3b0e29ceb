# The documents that this was made from, word for word (only the server's address is another, and the ids those that the
# sync config names), and what is said of them.
use strict;
use warnings;
use lib 'lib';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Supaglue;
use Test::More;

my $provider = <<'JSON';
{
  "provider_name": "salesforce",
  "auth_type": "oauth2",
  "category": "crm",
  "config": {
    "oauth": {
      "oauth_scopes": ["api", "id", "refresh_token"],
      "credentials": {
        "client_id": "7393b5a4-5e20-4648-87af-b7b297793fd1",
        "client_secret": "941b846a-5a8c-48b8-b0e1-41b6d4bc4f1a"
      }
    }
  }
}
JSON
my $destination = <<'JSON';
{
  "id": 2,
  "name": "my production postgres",
  "type": "postgres",
  "credentials": {
    "host": "db.jqmzyaitgfisezefyosx.supabase.co",
    "port": 5432,
    "database": "postgres",
    "schema": "supaglue",
    "user": "admin",
    "password": "admin"
  }
}
JSON
my $sync_config = <<'JSON';
{
  "id": 1,
  "name": "my salesforce sync",
  "destination_id": 1,
  "provider_id": 2,
  "default_config": {
    "period_ms": 3600,
    "strategy": "full refresh"
  },
  "common_objects": [
    {
      "object": "contact"
    },
    {
      "object": "account"
    }
  ],
  "standard_objects": [
    {
      "object": "Opportunity"
    }
  ],
  "custom_objects": [
    {
      "object": "MyCustomObject__c"
    }
  ]
}
JSON

# A data store of our own somewhere else, with nothing installed, that asks for a password.
my $cloud = PostgreSQL::Test::Cluster->new('cloud');
$cloud->init;
$cloud->append_conf('postgresql.conf', "listen_addresses = '127.0.0.1'");
unlink $cloud->data_dir . '/pg_hba.conf';
$cloud->append_conf('pg_hba.conf', "local all all trust\nhost all admin 127.0.0.1/32 scram-sha-256\n");
$cloud->start;
$cloud->safe_psql('postgres', q(create role admin login password 'admin'; grant create on database postgres to admin));
sub there { return $cloud->safe_psql('postgres', $_[0]) }

my $node = new_node('node');
my $simulator = new_simulator('--records', 'Contact=12,Account=7,Opportunity=9,MyCustomObject__c=4');
sub query { return $node->safe_psql('postgres', $_[0]) }
sub literal { return '$json$' . $_[0] . '$json$' }

# --- Provider configuration -------------------------------------------------------------------------------------
is(query('select supaglue.create_provider(' . literal($provider) . ')'), '1', 'the provider is taken as it stands');
is(query('select name, category, auth_type, config from supaglue.providers'),
	'salesforce|crm|oauth2|{"scopes": ["api", "id", "refresh_token"], "client_id": "7393b5a4-5e20-4648-87af-b7b297793fd1"}',
	'and shown without its secret');
query('select supaglue.delete_provider(1)');
my $login = $simulator->url;
query('select supaglue.create_provider(' . literal($provider =~ s/\{/{ "id": 2,/r) . ')');
query(qq(select supaglue.update_provider(2, '{"config": {"login_url": "$login"}}')));

# --- Destination configuration ----------------------------------------------------------------------------------
is(query('select supaglue.create_destination(' . literal($destination) . ')'), '2', 'the destination is taken as it stands');
is(query(q(select concat_ws(' ', config ->> 'host', config ->> 'ssl_mode') from supaglue.destinations)),
	'db.jqmzyaitgfisezefyosx.supabase.co verify-full', 'and must prove who it is');
query('select supaglue.delete_destination(2)');
my %ours = ('"id": 2' => '"id": 1', 'db.jqmzyaitgfisezefyosx.supabase.co' => '127.0.0.1', '5432' => $cloud->port);
query('select supaglue.create_destination(' . literal($destination =~ s/("id": 2|db\.\S+\.co|5432)/$ours{$1}/gr) . ')');

# --- Sync configuration -----------------------------------------------------------------------------------------
is(query('select supaglue.create_sync_config(' . literal($sync_config) . ')'), '1', 'the sync config is taken as it stands');
is(there(q(select string_agg(relname, ' ' order by relname collate "C") from pg_class
	where relnamespace = 'supaglue'::regnamespace and relkind = 'r')),
	'_supaglue_syncs crm_accounts crm_contacts salesforce_MyCustomObject__c salesforce_Opportunity',
	'its tables are there before anything is synced');
is(there(q(select string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' order by attnum) from pg_attribute
	where attrelid = 'supaglue."salesforce_Opportunity"'::regclass and attnum > 0)),
	'_supaglue_application_id text, _supaglue_customer_id text, _supaglue_provider_name text, id text, '
	  . '_supaglue_emitted_at timestamp with time zone, _supaglue_is_deleted boolean, _supaglue_raw_data jsonb, '
	  . '_supaglue_last_modified_at timestamp with time zone', 'with the columns of the destination schema');
is(there(q(select pg_get_constraintdef(oid) from pg_constraint where conrelid = 'supaglue."salesforce_Opportunity"'::regclass)),
	'PRIMARY KEY (_supaglue_application_id, _supaglue_customer_id, _supaglue_provider_name, id)', 'and the primary key');

# --- Customers connect, and the data lands ----------------------------------------------------------------------
foreach my $customer (qw(acme globex))
{
	query("select supaglue.upsert_customer('$customer')");
	query(qq(select supaglue.create_connection('{"customer_id": "$customer", "provider_name": "salesforce",
		"credentials": {"refresh_token": "$customer"}}')));
}
wait_until(sub { query('select bool_and(last_success_at is not null) from supaglue.syncs') eq 't' }, 'every sync has run');
is(query(q(select string_agg(run, ', ' order by run collate "C") from (
	select distinct concat_ws(' ', s.object, r.status, r.strategy, r.records_inserted) as run
	from supaglue.syncs s join supaglue.sync_runs r on r.sync_id = s.id and r.reason = 'initial') x)),
	'MyCustomObject__c SUCCESS full 4, Opportunity SUCCESS full 9, account SUCCESS full 7, contact SUCCESS full 12',
	'each object of each customer is fetched');
is(there(q(select count(*) from supaglue.crm_contacts where first_name is not distinct from _supaglue_raw_data ->> 'FirstName'
	and last_name = _supaglue_raw_data ->> 'LastName' and account_id is not distinct from _supaglue_raw_data ->> 'AccountId'
	and email_addresses #>> '{0,email_address}' is not distinct from _supaglue_raw_data ->> 'Email'
	and created_at = (_supaglue_raw_data ->> 'CreatedDate')::timestamptz)), '24', 'contacts are normalized');
is(there(q(select count(*) from supaglue.crm_accounts where name = _supaglue_raw_data ->> 'Name'
	and number_of_employees is not distinct from (_supaglue_raw_data ->> 'NumberOfEmployees')::numeric)), '14', 'and accounts');
is(there(q(select count(*) from supaglue.crm_contacts c join supaglue.crm_accounts a
	on (a._supaglue_application_id, a._supaglue_customer_id, a._supaglue_provider_name, a.id)
	 = (c._supaglue_application_id, c._supaglue_customer_id, c._supaglue_provider_name, c.account_id))),
	there('select count(account_id) from supaglue.crm_contacts'), 'which join');
my $written = q(select max(_supaglue_emitted_at) from supaglue."salesforce_Opportunity");
my $emitted = there($written);

# Every 3.6 seconds, by themselves, and all of it each time.
wait_until(sub { query(q(select min(runs) from (select count(r.id) as runs from supaglue.syncs s left join supaglue.sync_runs r
	on r.sync_id = s.id and r.status = 'SUCCESS' and r.reason = 'schedule' and r.strategy = 'full' group by s.id) x)) >= 2 },
	'each sync has run twice more');
is(query(q(select string_agg(distinct period_ms || ' ' || strategy, ', ') from supaglue.syncs)), '3600 full',
	'by its period and strategy');
is(there($written), $emitted, 'without writing rows that are as they were');

# --- "description" and "revenue" can be mapped by each customer -------------------------------------------------
query(q(select supaglue.create_schema('{"name": "deal", "config": {"fields": [{"name": "description"}, {"name": "revenue", "type": "numeric"}],
	"allow_additional_field_mappings": true}}')));
query(q(select supaglue.create_schema('{"name": "person", "config": {"fields": [{"name": "job"}]}}')));
query(q(select supaglue.update_sync_config(1, '{"default_config": {"period_ms": 3600000},
	"common_objects": [{"object": "contact", "schema": "person"}, {"object": "account"}],
	"standard_objects": [{"object": "Opportunity", "schema": "deal"}]}')));
wait_until(sub { query(q(select bool_and(state = 'idle' and next_run_at > now() + '1 min') from supaglue.syncs)) eq 't' }, 'nothing runs any more');
query(q(select supaglue.set_field_mappings('acme', 'salesforce',
	'{"standard": {"Opportunity": {"description": "NextStep", "revenue": "Amount"}}, "common": {"contact": {"job": "Title"}}}')));
query(q(select supaglue.set_field_mappings('globex', 'salesforce',
	'{"standard": {"Opportunity": {"description": "Description", "revenue": "ExpectedRevenue", "odds": "Probability"}}}')));
is(query(q(select string_agg(distinct concat_ws(' ', r.status, r.reason, r.requests), ', ') from supaglue.syncs s, supaglue.wait_for_sync(s.id) r
	where s.object = 'Opportunity')), 'SUCCESS mapping 0', 'a mapping takes effect at once, without a request');
is(there(q(select count(*) from supaglue."salesforce_Opportunity" where case _supaglue_customer_id
	when 'acme' then description is not distinct from _supaglue_raw_data ->> 'NextStep'
	  and revenue is not distinct from (_supaglue_raw_data ->> 'Amount')::numeric
	else description is not distinct from _supaglue_raw_data ->> 'Description'
	  and revenue is not distinct from (_supaglue_raw_data ->> 'ExpectedRevenue')::numeric
	  and _supaglue_mapped_data #>> '{additional_fields,odds}' is not distinct from _supaglue_raw_data ->> 'Probability' end)), '18',
	'the columns hold what each customer mapped to them');
is(there(q(select count(distinct _supaglue_customer_id) from supaglue."salesforce_Opportunity"
	where revenue > 0 and description is not null)), '2', 'which is something');
is(query(q(select status || ' ' || requests from supaglue.wait_for_sync(supaglue.sync_id('acme', 'salesforce', 'contact')))),
	'SUCCESS 0', 'of a common object, too');
is(there(q(select count(*) from supaglue.crm_contacts where job is not distinct from
	case _supaglue_customer_id when 'acme' then _supaglue_raw_data ->> 'Title' end)), '24', 'what each customer mapped');

$node->stop;
$cloud->stop;
done_testing();
