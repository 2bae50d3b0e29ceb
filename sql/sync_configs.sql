-- Sync configs: what they make, change and end.
CREATE DATABASE regress_sync_configs;
\c regress_sync_configs
CREATE EXTENSION supaglue;
SELECT supaglue.create_provider('{"id": 2, "name": "salesforce", "config": {"oauth": {"credentials": {"client_id": "client", "client_secret": "s3cret"}}}}');
SELECT supaglue.create_destination('{"id": 1, "name": "here"}');
SELECT supaglue.upsert_customer('acme');
SELECT supaglue.create_connection('{"customer_id": "acme", "provider_name": "salesforce", "credentials": {"refresh_token": "acme"}}');

-- The seed's document.
SELECT supaglue.create_sync_config('{
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
}');
SELECT id, application_id, name, provider_id, provider_name, destination_id, destination_name,
       owner = current_user::regrole AS mine, jsonb_pretty(config) AS config
FROM supaglue.sync_configs;
-- The tables, and their live twins: ordinary objects.
\d supaglue_data."salesforce_Opportunity"
\d supaglue_live."salesforce_Opportunity"
SELECT c.oid::regclass, c.relkind, obj_description(c.oid) AS comment,
       EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') AS member
FROM pg_class c WHERE relname ~ '^salesforce_' AND relkind IN ('r', 'f') ORDER BY 1;
-- The syncs of the connection that was there.
SELECT id, application_id, customer_id, provider_name, connection_id, sync_config_id, object_type, object,
       destination_table, strategy, period_ms, phase, state, paused_by, next_run_at <= now() AS due, held_deletions
FROM supaglue.syncs ORDER BY id;
-- The script of the tables.
SELECT destination_ddl FROM supaglue.destination_ddl(1) \g (format=unaligned tuples_only=on)

-- Errors.
SELECT supaglue.create_sync_config(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_sync_config('{"name": "x", "provider_id": 3, "destination_id": 1}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_sync_config('{"name": "x", "provider_name": "salesforce", "destination_name": "nowhere"}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_sync_config('{"application_id": "second", "name": "x", "provider_id": 2, "destination_id": 1}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_sync_config('{"name": "x", "provider_id": 2}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_sync_config('{"name": "x", "provider_id": 2, "provider_name": "salesforce", "destination_id": 1}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_sync_config('{"name": "x", "provider_id": 2, "destination_id": 1, "default_config": {"perod_ms": 1}}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_sync_config('{"name": "x", "provider_id": 2, "destination_id": 1, "default_config": {"strategy": "now and then"}}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_sync_config('{"name": "x", "provider_id": 2, "destination_id": 1, "standard_objects": [{"object": "no such name"}]}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_sync_config('{"name": "x", "provider_id": 2, "destination_id": 1, "standard_objects": [{"object": "Account", "schema": "s"}]}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_sync_config('{"name": "my salesforce sync", "provider_id": 2, "destination_id": 1}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_sync_config('{"id": 1, "name": "x", "provider_id": 2, "destination_id": 1}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_sync_config('{"name": "x", "provider_id": 2, "destination_id": 1, "standard_objects": [{"object": "opportunity"}]}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_sync_config('{"name": "x", "provider_id": 2, "destination_id": 1, "standard_objects": [{"object": "Account", "table": "salesforce_Opportunity"}]}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_sync_config('{"name": "x", "provider_id": 2, "destination_id": 1, "standard_objects": [{"object": "Account", "table": "t"}, {"object": "Lead", "table": "t"}]}');
\echo :LAST_ERROR_SQLSTATE
-- A table without the key is not adopted, something else in the place of the twin neither.
CREATE TABLE supaglue_data.foreign_to_us (id text);
SELECT supaglue.create_sync_config('{"name": "x", "provider_id": 2, "destination_id": 1, "standard_objects": [{"object": "Account", "table": "foreign_to_us"}]}');
\echo :LAST_ERROR_SQLSTATE
CREATE VIEW supaglue_live.taken AS SELECT;
SELECT supaglue.create_sync_config('{"name": "x", "provider_id": 2, "destination_id": 1, "standard_objects": [{"object": "Account", "table": "taken"}]}');
\echo :LAST_ERROR_SQLSTATE
SELECT to_regclass('supaglue_data.taken') AS left_behind, (SELECT count(*) FROM supaglue.sync_configs) AS sync_configs;
DROP VIEW supaglue_live.taken;

-- What is taken for later versions says so.
SELECT supaglue.create_sync_config('{"name": "careful", "destination_id": 1, "provider_name": "salesforce", "default_config": {"deletion_stop_share": 0.5},
  "standard_objects": [{"object": "Campaign"}]}') AS careful \gset
SELECT supaglue.delete_sync_config(:careful, true);

-- Periods below the least one, overrides, exact names, a destination that is away.
SELECT supaglue.create_destination('{"name": "far", "credentials": {"host": "127.0.0.1", "port": 1, "database": "app", "user": "app", "password": "s3cret"}}');
SELECT supaglue.create_sync_config('{"destination_name": "far", "provider_name": "salesforce", "default_config": {"period_ms": 50, "auto_start_on_connection": false},
  "standard_objects": [{"object": "account"}], "custom_objects": [{"object": "Thing", "exclude_fields": ["Notes__c"], "sync_strategy_override": {"period_ms": 5000, "strategy": "full only"}}]}') AS far \gset
SELECT object_type, object, table_name, config FROM supaglue_internal.objects WHERE sync_config_id = :far ORDER BY id;
SELECT name, destination_name FROM supaglue.sync_configs WHERE id = :far;
SELECT object, destination_table, strategy, period_ms, state, paused_by, pause_reason FROM supaglue.syncs WHERE sync_config_id = :far ORDER BY id;

-- Another application shares table and twin of the same object, not those of another object.
SET supaglue.application_id = 'second';
SELECT supaglue.create_provider('{"name": "salesforce", "config": {"oauth": {"credentials": {"client_id": "client"}}}}');
SELECT supaglue.create_destination('{"name": "here"}');
SELECT supaglue.create_sync_config('{"name": "shared", "provider_name": "salesforce", "destination_name": "here", "standard_objects": [{"object": "Lead", "table": "salesforce_Opportunity"}]}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_sync_config('{"name": "shared", "provider_name": "salesforce", "destination_name": "here", "standard_objects": [{"object": "Opportunity"}]}') AS shared \gset
RESET supaglue.application_id;

-- Updates: kept objects keep their syncs, others end only with force.
UPDATE supaglue_internal.syncs SET phase = 'incremental', watermark = '2024-01-01', next_run_at = 'infinity';
SELECT supaglue.update_sync_config(1, '{"default_config": {"period_ms": 60000, "strategy": "full then incremental"}, "standard_objects": [{"object": "Opportunity"}, {"object": "Case"}]}');
SELECT id, object, strategy, period_ms, phase, watermark = '2024-01-01' AS kept, next_run_at <= now() + '1 min' AS sooner
FROM supaglue.syncs WHERE sync_config_id = 1 ORDER BY id;
SELECT supaglue.update_sync_config(1, '{"custom_objects": null}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.update_sync_config(1, '{"custom_objects": null}', force => true);
SELECT object FROM supaglue.syncs WHERE sync_config_id = 1 ORDER BY id;
SELECT to_regclass('supaglue_data."salesforce_MyCustomObject__c"') AS table_stays, to_regclass('supaglue_live."salesforce_MyCustomObject__c"') AS twin_goes;
-- Another table or another destination: from the start.
SELECT supaglue.update_sync_config(1, '{"name": "renamed", "standard_objects": [{"object": "Opportunity"}, {"object": "Case", "table": "cases"}]}');
SELECT object, destination_table, phase FROM supaglue.syncs WHERE sync_config_id = 1 ORDER BY id;
SELECT to_regclass('supaglue_live.cases') AS new_twin, to_regclass('supaglue_live."salesforce_Case"') AS old_twin;
SELECT supaglue.create_destination('{"name": "other schema", "credentials": {"schema": "crm"}}');
SELECT supaglue.update_sync_config(1, '{"destination_name": "other schema"}');
SELECT object, destination_table, phase, watermark FROM supaglue.syncs WHERE sync_config_id = 1 ORDER BY id;
UPDATE supaglue_internal.syncs SET phase = 'incremental';
SELECT supaglue.update_destination(id, '{"credentials": {"schema": "crm2"}}') FROM supaglue.destinations WHERE name = 'other schema';
SELECT object, destination_table, phase, to_regclass(destination_table) IS NOT NULL AS made FROM supaglue.syncs WHERE sync_config_id = 1 ORDER BY id;
SELECT supaglue.update_sync_config(1, '{"provider_id": 3}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.update_sync_config(99, '{}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.update_sync_config(1, NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.destination_ddl(99);
\echo :LAST_ERROR_SQLSTATE

-- What is in use stays.
SELECT supaglue.delete_provider(2);
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.delete_destination(id) FROM supaglue.destinations WHERE name = 'other schema';
\echo :LAST_ERROR_SQLSTATE
-- Deleting: the twin of a shared object stays, one that something depends on too.
SELECT supaglue.delete_sync_config(1);
\echo :LAST_ERROR_SQLSTATE
CREATE VIEW open_cases AS SELECT id FROM supaglue_live.cases;
SELECT supaglue.delete_sync_config(1, force => true);
SELECT c.oid::regclass FROM pg_class c WHERE relkind = 'f' ORDER BY 1;
SELECT supaglue.delete_sync_config(:shared);
SELECT c.oid::regclass FROM pg_class c WHERE relkind = 'f' ORDER BY 1;
SELECT supaglue.delete_sync_config(99);
\echo :LAST_ERROR_SQLSTATE
SELECT c.oid::regclass FROM pg_class c WHERE relnamespace::regnamespace::text IN ('supaglue_data', 'crm', 'crm2') AND relkind = 'r' ORDER BY 1;
-- The tables outlive the extension.
SET client_min_messages = warning;
DROP EXTENSION supaglue CASCADE;
SELECT c.oid::regclass FROM pg_class c WHERE relnamespace::regnamespace::text IN ('supaglue_data', 'crm', 'crm2') AND relkind = 'r' ORDER BY 1;

\c regression
DROP DATABASE regress_sync_configs;
