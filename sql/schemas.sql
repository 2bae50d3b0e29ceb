-- Schemas and what customers mean by their fields: documents, columns, mappings, and what follows from them.
CREATE DATABASE regress_schemas;
\c regress_schemas
\getenv simulator SUPAGLUE_SIMULATOR
\set VERBOSITY default
\set SHOW_CONTEXT never
CREATE EXTENSION supaglue;
\! for org in one two three; do curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/create_org" -d '{"org":"schemas_'$org'"}'; done
\! for org in two three; do curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/add_object" -d '{"org":"schemas_'$org'","object":"Deal__c","fields":[{"name":"Amount__c","type":"double"},{"name":"Total__c","type":"string"},{"name":"Region__c","type":"string"},{"name":"Stage__c","type":"string"}]}'; done
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/add_object" -d '{"org":"schemas_one","object":"Deal__c","fields":[{"name":"Amount__c","type":"double"},{"name":"Stage__c","type":"string"}]}'
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/insert" -d '{"org":"schemas_one","object":"Deal__c","records":[{"Name":"a","Amount__c":1.5,"Stage__c":"new"}]}'
\! for org in two three; do curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/insert" -d '{"org":"schemas_'$org'","object":"Deal__c","records":[{"Name":"b","Amount__c":2,"Total__c":"20.25","Region__c":"north","Stage__c":"won"},{"Name":"c","Amount__c":3,"Total__c":"many","Stage__c":"lost"}]}'; done

-- Documents.
SELECT supaglue.create_schema('{"id": 3, "name": "deal", "config": {"fields": [
  {"name": "description"}, {"name": "revenue", "type": "decimal"}, {"name": "stage", "mapped_name": "Stage__c"}],
  "allow_additional_field_mappings": true}}');
SELECT supaglue.create_schema('{"name": "plain", "fields": ["note"]}') AS plain;
SELECT id, application_id, name, config FROM supaglue.schemas ORDER BY id;
SELECT supaglue.create_schema(NULL);
SELECT supaglue.create_schema('{"fields": []}');
SELECT supaglue.create_schema('{"name": "deal", "fields": []}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_schema('{"id": 3, "name": "x", "fields": []}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_schema('{"name": "x", "fields": [{"name": "id"}]}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_schema('{"name": "x", "fields": [{"name": "a", "type": "nubmer"}]}');
SELECT supaglue.create_schema('{"name": "x", "fields": [{"name": "a", "maped_name": "b"}]}');

-- A sync config with a schema: its fields are columns.
SELECT supaglue.create_provider(jsonb_build_object('name', 'salesforce', 'client_id', 'a', 'login_url', :'simulator')) AS provider \gset
SELECT supaglue.create_destination('{"name": "here", "schema": "data"}');
SELECT supaglue.create_sync_config('{"name": "x", "provider_name": "salesforce", "destination_name": "here", "custom_objects": [{"object": "Deal", "schema": "dael"}]}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_sync_config('{"name": "deals", "provider_name": "salesforce", "destination_name": "here",
  "default_config": {"auto_start_on_connection": false},
  "standard_objects": [{"object": "Lead", "exclude_fields": ["Fax"], "schema": "plain"}, {"object": "Campaign"}],
  "custom_objects": [{"object": "Deal", "schema": "deal"}]}') AS config \gset
SELECT object_type, object, config - '{period_ms,strategy,full_refresh_every_ms,auto_start_on_connection}'::text[] AS config, schema_id = 3 AS deal
FROM supaglue_internal.objects ORDER BY id;
SELECT jsonb_path_query_array(config, '$.objects[*].schema') AS schemas FROM supaglue.sync_configs;
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = 'data."salesforce_Deal__c"'::regclass AND attnum > 8 ORDER BY attnum;
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = 'supaglue_live."salesforce_Deal__c"'::regclass AND attnum > 8 ORDER BY attnum;
-- An update of something else keeps it.
SELECT supaglue.update_sync_config(:config, '{"default_config": {"period_ms": 7200000}}');
SELECT object, schema_id IS NOT NULL AS has_schema FROM supaglue_internal.objects ORDER BY id;

-- Three customers mean three things by a field.
SELECT supaglue.upsert_customer(c), supaglue.create_connection(jsonb_build_object('customer_id', c, 'provider_name', 'salesforce',
  'credentials', jsonb_build_object('refresh_token', 'schemas_' || c))) > 0 FROM unnest('{one,two,three}'::text[]) AS c;
SELECT * FROM supaglue.field_mappings('one', 'salesforce');
SELECT supaglue.set_field_mappings('one', 'salesforce', '{"custom": {"Deal__c": {"revenue": "Amount__c"}}}');
SELECT supaglue.set_field_mappings('two', 'salesforce', '{"custom": {"Deal": {"revenue": "Total__c", "description": "Name"}}, "standard": {"lead": {"note": "Title"}}}');
SELECT supaglue.set_field_mappings('three', 'salesforce', '{"custom": {"Deal__c": [{"schema_field": "revenue", "mapped_field": "Amount__c"}, {"schema_field": "region", "mapped_field": "Region__c"}]}}');
SELECT object, field, type, mapped_to, mapped_by, additional, status FROM supaglue.field_mappings('two', 'salesforce');
SELECT object, field, type, mapped_to, mapped_by, additional, status FROM supaglue.field_mappings('three', 'salesforce') WHERE object = 'Deal__c';

-- Keys given are set, null unmaps, others stay.
SELECT supaglue.set_field_mappings('two', 'salesforce', '{"custom": {"Deal__c": {"description": null, "extra": "Name"}}}');
SELECT field, mapped_to FROM supaglue.field_mappings('two', 'salesforce') WHERE object = 'Deal__c';
SELECT supaglue.set_field_mappings('two', 'salesforce', '{"custom": {"Deal__c": {"extra": null}}, "standard": {"Lead": null}, "common": {}}');
SELECT object, field, mapped_to FROM supaglue.field_mappings('two', 'salesforce');

-- Refusals.
SELECT supaglue.set_field_mappings('four', 'salesforce', '{}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.set_field_mappings('one', 'hubspot', '{}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.field_mappings('four', 'salesforce');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.set_field_mappings('one', 'salesforce', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.set_field_mappings('one', 'salesforce', '{"standrad": {}}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.set_field_mappings('one', 'salesforce', '{"standard": {"Campaign": {"revenue": "Amount"}}}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.set_field_mappings('one', 'salesforce', '{"custom": {"Deal": {"stage": "Name"}}}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.set_field_mappings('one', 'salesforce', '{"standard": {"Lead": {"other": "Title"}}}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.set_field_mappings('one', 'salesforce', '{"standard": {"Lead": {"note": "Fax"}}}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.set_field_mappings('one', 'salesforce', '{"custom": {"Deal": {"_supaglue_x": "Name"}}}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.set_field_mappings('one', 'salesforce', '{"custom": {"Deal": {"revenue": 7}}}');
\echo :LAST_ERROR_SQLSTATE
-- One that is refused leaves nothing of the others.
SELECT supaglue.set_field_mappings('one', 'salesforce', '{"custom": {"Deal": {"revenue": "Name"}}, "standard": {"Lead": {"other": "Title"}}}');
SELECT field, mapped_to FROM supaglue.field_mappings('one', 'salesforce') WHERE mapped_by = 'customer';

-- What is meant is what the columns hold.
CREATE FUNCTION run(customer text) RETURNS TABLE (status text, reason text, read bigint, inserted bigint, updated bigint, unchanged bigint, nulled bigint)
LANGUAGE sql AS $$ SELECT status, reason, records_read, records_inserted, records_updated, records_unchanged, values_nulled
FROM supaglue.materialize(supaglue.sync_id(customer, 'salesforce', 'Deal__c')) $$;
SELECT c, r.* FROM unnest('{one,two,three}'::text[]) WITH ORDINALITY AS u (c, n), run(c) AS r ORDER BY n;
CREATE VIEW deals AS SELECT _supaglue_customer_id AS customer, _supaglue_raw_data ->> 'Name' AS name, description, revenue, stage, _supaglue_mapped_data AS mapped
FROM data."salesforce_Deal__c" ORDER BY 1, 2;
SELECT * FROM deals;
SELECT customer, field, mapped_to, status FROM unnest('{one,two,three}'::text[]) AS customer, supaglue.field_mappings(customer, 'salesforce')
WHERE object = 'Deal__c' AND mapped_to IS NOT NULL ORDER BY customer, field;

-- Another mapping is computed from what is stored, without a request.
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/reset_counters" -d '{}'
SELECT supaglue.set_field_mappings('two', 'salesforce', '{"custom": {"Deal": {"revenue": "Amount__c", "description": "Region__c"}}}');
SELECT customer_id, next_reason FROM supaglue_internal.syncs s JOIN supaglue_internal.connections c ON c.id = s.connection_id
JOIN supaglue_internal.objects o ON o.id = s.object_id WHERE object = 'Deal__c' ORDER BY c.id;
SELECT status, reason, records_updated, requests FROM supaglue.remap(supaglue.sync_id('two', 'salesforce', 'Deal__c'));
SELECT * FROM deals WHERE customer = 'two';
\! curl -fsS "$SUPAGLUE_SIMULATOR/control/counters" | sed 's/.*"requests": *\([0-9]*\).*/\1 requests\n/'
-- The same again is no change.
SELECT supaglue.set_field_mappings('two', 'salesforce', '{"custom": {"Deal": {"revenue": "Amount__c"}}}');
SELECT count(*) FROM supaglue_internal.syncs WHERE next_reason IS NOT NULL;

-- A field that the provider does not have is broken, and the sync goes on.
SELECT supaglue.set_field_mappings('one', 'salesforce', '{"custom": {"Deal": {"description": "Region__c"}}}');
SELECT field, mapped_to, status FROM supaglue.field_mappings('one', 'salesforce') WHERE object = 'Deal__c';
SELECT status, reason FROM run('one');
SELECT * FROM deals WHERE customer = 'one';

-- A schema grows: its columns are there when the update returns.
SELECT supaglue.update_schema(3, '{"config": {"fields": [{"name": "description"}, {"name": "revenue", "type": "numeric"},
  {"name": "stage", "mapped_name": "Stage__c"}, {"name": "area", "mapped_name": "Region__c"}]}}');
SELECT customer_id, next_reason FROM supaglue_internal.syncs s JOIN supaglue_internal.connections c ON c.id = s.connection_id
JOIN supaglue_internal.objects o ON o.id = s.object_id WHERE object = 'Deal__c' ORDER BY c.id;
SELECT status, reason, requests FROM supaglue.remap(supaglue.sync_id('three', 'salesforce', 'Deal__c'));
SELECT _supaglue_raw_data ->> 'Name' AS name, revenue, area, _supaglue_mapped_data AS mapped FROM data."salesforce_Deal__c"
WHERE _supaglue_customer_id = 'three' ORDER BY 1;
-- What is no longer allowed is kept and ignored; what is no field any more leaves its column.
SELECT supaglue.update_schema(3, '{"config": {"fields": [{"name": "revenue", "type": "numeric"}, {"name": "area", "mapped_name": "Region__c"}], "allow_additional_field_mappings": false}}');
SELECT field, mapped_to, mapped_by, additional, status FROM supaglue.field_mappings('three', 'salesforce') WHERE object = 'Deal__c';
SELECT supaglue.set_field_mappings('three', 'salesforce', '{"custom": {"Deal": {"region": "Name"}}}');
SELECT supaglue.set_field_mappings('three', 'salesforce', '{"custom": {"Deal": {"region": null}}}');
SELECT status, reason FROM run('three');
SELECT name, description, revenue, stage, mapped FROM deals WHERE customer = 'three';

-- What cannot change, and what is in use.
SELECT supaglue.update_schema(3, '{"name": "other"}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.update_schema(3, '{"id": 4}');
SELECT supaglue.update_schema(3, '{"fields": ["id"]}');
SELECT supaglue.update_schema(3, '{"fields": [{"name": "x", "mapped_name": "Fax"}]}');
SELECT supaglue.update_sync_config(:config, '{"custom_objects": [{"object": "Deal", "schema": "deal", "columns": [{"field": "Name", "as": "x"}]}]}');
SELECT supaglue.update_schema(3, '{"fields": ["x"]}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.update_schema((SELECT id FROM supaglue.schemas WHERE name = 'plain'), '{"fields": [{"name": "note", "mapped_name": "Fax"}]}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.update_schema(99, '{}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.delete_schema(3);
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.delete_schema(99);
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.update_sync_config(:config, '{"custom_objects": [{"object": "Deal"}]}');
SELECT supaglue.delete_schema(3);
SELECT name FROM supaglue.schemas ORDER BY id;
-- Without its schema the object keeps its columns, and nothing is mapped.
SELECT count(*) FROM supaglue.field_mappings('three', 'salesforce') WHERE object = 'Deal__c';
SELECT supaglue.set_field_mappings('three', 'salesforce', '{"custom": {"Deal": {"revenue": "Amount__c"}}}');

-- Whoever may not act as the owner of a sync config may not change its columns by its schema.
CREATE ROLE regress_schemas_other;
GRANT USAGE ON SCHEMA supaglue TO regress_schemas_other;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA supaglue TO regress_schemas_other;
SET ROLE regress_schemas_other;
SELECT supaglue.update_schema(4, '{"fields": ["note", "more"]}');
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
DROP OWNED BY regress_schemas_other;
DROP ROLE regress_schemas_other;

-- columns, fields and exclude_fields.
SELECT supaglue.update_sync_config(:config, '{"custom_objects": [{"object": "Deal", "table": "typed_deals", "fields": ["Name", "Amount__c", "Stage__c"],
  "columns": ["Name", {"field": "Amount__c", "type": "numeric", "as": "amount"}]}]}');
SELECT status, reason FROM run('two');
SELECT "Name", amount, _supaglue_raw_data ? 'Region__c' AS region FROM data.typed_deals ORDER BY 1;
SELECT config -> 'columns' AS columns, config -> 'fields' AS fields FROM supaglue_internal.objects WHERE object = 'Deal__c';
SELECT supaglue.update_sync_config(:config, '{"custom_objects": [{"object": "Deal", "table": "typed_deals", "columns": [{"field": "Name", "type": "uuid"}]}]}');
\echo :LAST_ERROR_SQLSTATE

\c regression
DROP DATABASE regress_schemas;
