-- The whole configuration as one document. In a database of its own, which no worker serves.
\getenv simulator SUPAGLUE_SIMULATOR
CREATE DATABASE regress_apply;
\c regress_apply
SET client_min_messages = warning;
CREATE EXTENSION supaglue;
\set SHOW_CONTEXT errors

SELECT supaglue.export_config();
SELECT '{
  "providers": [{"name": "salesforce", "config": {"oauth": {"oauth_scopes": ["api"], "credentials": {"client_id": "app", "client_secret": "s3cret"}}}}],
  "destinations": [{"name": "here", "schema": "applied"},
                   {"name": "far", "credentials": {"host": "127.0.0.1", "port": 1, "database": "d", "user": "u", "password": "pa55"}}],
  "sync_configs": [{"name": "crm", "destination_name": "here", "provider_name": "salesforce",
                    "config": {"default_config": {"period_ms": 60000, "strategy": "full then incremental"},
                               "standard_objects": [{"object": "Contact"}, {"object": "Account", "table": "accounts"}]}}]
}' AS config \gset
-- A rehearsal says what would be, and leaves nothing behind; it speaks to nobody.
SELECT * FROM supaglue.apply(:'config', dry_run => true);
SELECT (SELECT count(*) FROM supaglue.providers) AS providers, (SELECT count(*) FROM supaglue.sync_configs) AS sync_configs,
       to_regclass('applied.accounts') AS "table", (SELECT count(*) FROM pg_foreign_server) AS servers,
       (SELECT count(*) FROM supaglue_internal.installation) AS installations;
SELECT * FROM supaglue.apply(:'config');
SELECT name, destination_name, config #>> '{objects,1,table}' AS "table" FROM supaglue.sync_configs;
SELECT to_regclass('applied.accounts') AS "table";
-- Schemas, entities and common objects: made before the sync configs that name them, and exported as they are.
SELECT '{
  "schemas": [{"name": "deal", "config": {"fields": [{"name": "revenue", "type": "numeric"}, {"name": "note", "mapped_name": "Description"}], "allow_additional_field_mappings": true}}],
  "entities": [{"name": "place", "fields": ["city"]}],
  "sync_configs": [{"name": "mapped", "destination_name": "here", "provider_name": "salesforce",
    "common_objects": [{"object": "contact"}],
    "standard_objects": [{"object": "Opportunity", "schema": "deal"}, {"object": "Lead", "columns": ["Email", {"field": "NumberOfEmployees", "type": "bigint", "as": "employees"}], "exclude_fields": ["Fax"]}],
    "custom_objects": [{"object": "Thing", "columns": "typed", "sync_strategy_override": {"strategy": "full only"}}],
    "entities": [{"entity_name": "place"}]}]
}' AS mapped \gset
BEGIN;
SELECT * FROM supaglue.apply(:'mapped', dry_run => true);
SELECT * FROM supaglue.apply(:'mapped');
SELECT * FROM supaglue.apply(:'mapped');
SELECT jsonb_pretty(supaglue.export_config() - 'providers' - 'destinations' #- '{sync_configs,0}');
SELECT * FROM supaglue.apply(supaglue.export_config(), prune => true);
SELECT * FROM supaglue.apply('{"schemas": [{"name": "deal", "fields": ["revenue"]}], "entities": [{"name": "place", "fields": ["city", "country"]}]}');
SELECT * FROM supaglue.apply('{"schemas": [{"name": "deal", "fields": ["revenue"]}], "sync_configs": []}', prune => true);
SELECT * FROM supaglue.apply('{"schemas": [], "entities": []}', prune => true);
ROLLBACK;
-- Once more: nothing.
CREATE TEMPORARY TABLE rows_before AS
SELECT 'p' AS t, p::text, p.xmin::text AS written_by FROM supaglue_internal.providers p UNION ALL
SELECT 'd', d::text, d.xmin::text FROM supaglue_internal.destinations d UNION ALL
SELECT 'c', c::text, c.xmin::text FROM supaglue_internal.sync_configs c;
SELECT * FROM supaglue.apply(:'config', prune => true);
-- What is exported is what is there, without secrets, and changes nothing when it is applied.
SELECT jsonb_pretty(supaglue.export_config());
SELECT * FROM supaglue.apply(supaglue.export_config(), prune => true);
SELECT count(*) AS written FROM (
  (SELECT 'p' AS t, p::text, p.xmin::text FROM supaglue_internal.providers p UNION ALL
   SELECT 'd', d::text, d.xmin::text FROM supaglue_internal.destinations d UNION ALL
   SELECT 'c', c::text, c.xmin::text FROM supaglue_internal.sync_configs c) EXCEPT TABLE rows_before) AS other;

-- Changes: a value, a value that is given no more, a secret; secrets that are not given stay.
SELECT * FROM supaglue.apply('{"providers": [{"name": "salesforce", "client_id": "other app"}]}', dry_run => true);
SELECT config ->> 'client_id' FROM supaglue.providers;
SELECT * FROM supaglue.apply('{"providers": [{"name": "salesforce", "client_id": "other app"}]}');
SELECT config FROM supaglue.providers;
SELECT * FROM supaglue.apply('{"providers": [{"name": "salesforce", "client_id": "other app", "client_secret": "s3cret"}]}');
SELECT * FROM supaglue.apply('{"providers": [{"name": "salesforce", "client_id": "other app", "client_secret": "n3w"}]}');
SELECT * FROM supaglue.apply('{"destinations": [{"name": "far", "host": "127.0.0.2", "database": "d", "user": "u", "ssl_mode": "require"}]}');
SELECT config FROM supaglue.destinations WHERE name = 'far';
SELECT * FROM supaglue.apply('{"sync_configs": [{"name": "crm", "destination_name": "here", "provider_name": "salesforce",
  "standard_objects": [{"object": "Contact"}, {"object": "Account", "table": "accounts"}, {"object": "Lead"}]}]}');
SELECT config #> '{default_config,period_ms}' AS period, jsonb_array_length(config -> 'objects') AS objects FROM supaglue.sync_configs;

-- A remote destination that is away: a rehearsal does not find out, the real one warns.
\set remote '{"sync_configs": [{"name": "far away", "destination_name": "far", "provider_name": "salesforce", "standard_objects": [{"object": "Case"}]}]}'
BEGIN;
SELECT * FROM supaglue.apply('{"destinations": [{"name": "far", "host": "127.0.0.1", "port": 1, "database": "d", "user": "u"}]}');
SELECT * FROM supaglue.apply(:'remote', dry_run => true);
\set VERBOSITY terse
SELECT * FROM supaglue.apply(:'remote');
\set VERBOSITY default
ROLLBACK;

-- What ends syncs, and what is deleted, needs prune.
SELECT supaglue.upsert_customer('acme');
SELECT supaglue.create_connection('{"customer_id": "acme", "provider_name": "salesforce", "credentials": {"refresh_token": "x"}}') AS connection_id \gset
\set fewer '{"sync_configs": [{"name": "crm", "destination_name": "here", "provider_name": "salesforce", "standard_objects": [{"object": "Contact"}]}]}'
SELECT * FROM supaglue.apply(:'fewer');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM supaglue.apply(:'fewer', prune => true);
SELECT object FROM supaglue.syncs;
-- Lists that are not there are left alone; a sync config that goes gives up its objects to one that comes.
SELECT * FROM supaglue.apply('{"destinations": [{"name": "here", "schema": "applied"}],
  "sync_configs": [{"destination_name": "here", "provider_name": "salesforce", "standard_objects": [{"object": "Contact"}]}]}', prune => true);
SELECT name FROM supaglue.sync_configs;
-- A sync config that has its provider's name, by the provider's id.
SELECT applied.* FROM supaglue.providers,
  supaglue.apply(format('{"sync_configs": [{"destination_name": "here", "provider_id": %s, "standard_objects": [{"object": "Contact"}]}]}', id)::jsonb, prune => true) AS applied;
-- Customers and their connections are never touched: what they need stays, or all fails.
SELECT * FROM supaglue.apply('{"providers": [], "destinations": [], "schemas": [], "entities": [], "sync_configs": []}', dry_run => true, prune => true);
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM supaglue.sync_configs;
SELECT supaglue.delete_connection(:connection_id);
SELECT * FROM supaglue.apply('{"providers": [], "destinations": [], "schemas": [], "entities": [], "sync_configs": []}', dry_run => true, prune => true);
SELECT * FROM supaglue.apply('{"providers": [], "destinations": [], "schemas": [], "entities": [], "sync_configs": []}', prune => true);
SELECT supaglue.export_config();

-- Errors name the item, and leave nothing behind.
SELECT supaglue.apply(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.apply('{"provider": []}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.apply('{"providers": {}}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.apply('{"providers": ["salesforce"]}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.apply('{"destinations": [{"name": "a"}, {"name": "b", "shema": "x"}]}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.apply('{"destinations": [{"name": "a"}, {"name": "a"}]}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.apply('{"destinations": [{"name": "a", "application_id": "other"}]}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.apply('{"sync_configs": [{"destination_name": "a", "provider_name": "salesforce"}]}');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM supaglue.apply('{"destinations": [{"id": 90, "name": "a"}]}');
SELECT supaglue.apply('{"destinations": [{"id": 91, "name": "a"}]}');
\echo :LAST_ERROR_SQLSTATE
SELECT name FROM supaglue.destinations;
-- A rehearsal that fails, fails as the real one; the transaction can go on from a savepoint.
BEGIN;
SAVEPOINT s;
SELECT supaglue.apply('{"destinations": [{"name": "c"}, {"name": "c"}]}', true);
ROLLBACK TO s;
SELECT * FROM supaglue.apply('{"destinations": [{"name": "c"}]}', true);
SELECT * FROM supaglue.apply('{"destinations": [{"name": "c"}]}');
COMMIT;
SELECT name FROM supaglue.destinations ORDER BY name;

-- Another application has its own; and apply() gives no right that its caller has not.
SET supaglue.application_id = 'second';
SELECT supaglue.export_config();
CREATE ROLE regress_apply_admin;
GRANT USAGE ON SCHEMA supaglue TO regress_apply_admin;
GRANT EXECUTE ON FUNCTION supaglue.apply, supaglue.create_destination(jsonb) TO regress_apply_admin;
SET ROLE regress_apply_admin;
SELECT * FROM supaglue.apply('{"destinations": [{"name": "mine"}]}');
SELECT * FROM supaglue.apply('{"destinations": [{"name": "mine"}]}');
SELECT * FROM supaglue.apply('{"destinations": [{"name": "mine", "schema": "elsewhere"}]}');
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
SELECT proname FROM pg_proc WHERE pronamespace = 'supaglue'::regnamespace
  AND proname IN ('apply', 'export_config') AND has_function_privilege('public', oid, 'EXECUTE');

\c regression
DROP DATABASE regress_apply;
DROP ROLE regress_apply_admin;
