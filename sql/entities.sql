-- Entities: one table for what customers keep in different objects.
CREATE DATABASE regress_entities;
\c regress_entities
\getenv simulator SUPAGLUE_SIMULATOR
\set SHOW_CONTEXT never
CREATE EXTENSION supaglue;
\! for org in one two; do curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/create_org" -d '{"org":"entities_'$org'"}'; done
\! for org in one two; do curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/add_object" -d '{"org":"entities_'$org'","object":"Issue__c","fields":[{"name":"Text__c","type":"string"},{"name":"Rank__c","type":"double"}]}'; done
\! for org in one two; do curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/add_object" -d '{"org":"entities_'$org'","object":"Bug__c","fields":[{"name":"Summary__c","type":"string"},{"name":"Weight__c","type":"string"}]}'; done
\! for org in one two; do curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/insert" -d '{"org":"entities_'$org'","object":"Issue__c","records":[{"Name":"I-1","Text__c":"slow","Rank__c":1},{"Name":"I-2","Text__c":"odd","Rank__c":2}]}'; done
\! for org in one two; do curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/insert" -d '{"org":"entities_'$org'","object":"Bug__c","records":[{"Name":"B-1","Summary__c":"crash","Weight__c":"9.5"}]}'; done

-- Documents.
SELECT supaglue.create_entity('{"id": 5, "name": "ticket", "config": {"fields": [{"name": "subject"}, {"name": "weight", "type": "numeric"}],
  "allow_additional_field_mappings": true}}');
SELECT supaglue.create_entity('{"name": "car", "fields": ["plate"]}') AS car \gset
SELECT id, application_id, name, config FROM supaglue.entities ORDER BY id;
SELECT supaglue.create_entity('{"name": "a b", "fields": []}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_entity('{"name": "x", "fields": [{"name": "a", "mapped_name": "b"}]}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_entity('{"name": "ticket", "fields": []}');
\echo :LAST_ERROR_SQLSTATE

-- Synced by name or by id, into the entity's own table.
SELECT supaglue.create_provider(jsonb_build_object('name', 'salesforce', 'client_id', 'a', 'login_url', :'simulator')) AS provider \gset
SELECT supaglue.create_destination('{"name": "here", "schema": "data"}');
SELECT supaglue.create_sync_config('{"provider_name": "salesforce", "destination_name": "here", "entities": [{"entity_id": 9}]}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_sync_config('{"provider_name": "salesforce", "destination_name": "here", "default_config": {"auto_start_on_connection": false},
  "entities": [{"entity_id": 5}, "car"]}') AS config \gset
SELECT object_type, object, table_name, entity_id = 5 AS ticket FROM supaglue_internal.objects ORDER BY id;
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'data.entity_ticket'::regclass AND attnum > 8 ORDER BY attnum;
SELECT supaglue.update_sync_config(:config, '{"name": "renamed"}');
SELECT object, entity_id = 5 AS ticket FROM supaglue_internal.objects ORDER BY id;
SELECT supaglue.upsert_customer(c), supaglue.create_connection(jsonb_build_object('customer_id', c, 'provider_name', 'salesforce',
  'credentials', jsonb_build_object('refresh_token', 'entities_' || c))) > 0 FROM unnest('{one,two}'::text[]) AS c;
SELECT object_type, object, destination_table FROM supaglue.syncs WHERE customer_id = 'one' ORDER BY id;
SELECT supaglue.sync_id('one', 'salesforce', 'ticket') = supaglue.sync_id('one', 'salesforce', 'ticket', 'entity') AS found;

-- Until it is mapped, nothing can be read.
SELECT * FROM supaglue.entity_mappings('one', 'salesforce');
SELECT supaglue.materialize(supaglue.sync_id('one', 'salesforce', 'ticket'));
\echo :LAST_ERROR_SQLSTATE

-- For every customer, and for one instead.
SELECT supaglue.set_entity_mapping('ticket', 'salesforce', '{"object": {"type": "custom", "name": "Issue"}, "field_mappings": {"subject": "Text__c", "weight": "Rank__c"}}');
SELECT supaglue.set_entity_mapping('ticket', 'salesforce', '{"object": {"type": "custom", "name": "Bug__c"},
  "field_mappings": [{"entity_field": "subject", "mapped_field": "Summary__c"}, {"entity_field": "label", "mapped_field": "Name"}]}', 'two');
SELECT object, object_by, field, type, mapped_to, mapped_by, additional, status FROM supaglue.entity_mappings(NULL, 'salesforce') WHERE entity_name = 'ticket';
SELECT object, object_by, field, mapped_to, mapped_by, additional, status FROM supaglue.entity_mappings('one', 'salesforce') WHERE entity_name = 'ticket';
SELECT object, object_by, field, mapped_to, mapped_by, additional, status FROM supaglue.entity_mappings('two', 'salesforce') WHERE entity_name = 'ticket';
CREATE FUNCTION run(customer text) RETURNS TABLE (status text, strategy text, reason text, read bigint, inserted bigint, updated bigint, deleted bigint)
LANGUAGE sql AS $$ SELECT status, strategy, reason, records_read, records_inserted, records_updated, records_deleted
FROM supaglue.materialize(supaglue.sync_id(customer, 'salesforce', 'ticket')) $$;
SELECT c, r.* FROM unnest('{one,two}'::text[]) AS c, run(c) AS r ORDER BY c;
CREATE VIEW tickets AS SELECT _supaglue_customer_id AS customer, subject, weight, _supaglue_is_deleted AS deleted, _supaglue_mapped_data AS mapped
FROM data.entity_ticket ORDER BY 1, 2;
SELECT * FROM tickets;
SELECT field, mapped_to, status FROM supaglue.entity_mappings('two', 'salesforce') WHERE entity_name = 'ticket';

-- Other fields are computed from what is stored; null unmaps what every customer's mapping has.
SELECT supaglue.set_entity_mapping('ticket', 'salesforce', '{"field_mappings": {"weight": "Weight__c", "label": null}}', 'two');
SELECT object, field, mapped_to, mapped_by, status FROM supaglue.entity_mappings('two', 'salesforce') WHERE entity_name = 'ticket';
SELECT phase, next_reason FROM supaglue_internal.syncs WHERE id = supaglue.sync_id('two', 'salesforce', 'ticket');
SELECT status, reason, records_updated, requests FROM supaglue.remap(supaglue.sync_id('two', 'salesforce', 'ticket'));
SELECT * FROM tickets WHERE customer = 'two';
SELECT supaglue.set_entity_mapping('ticket', 'salesforce', '{"field_mappings": {"weight": null}}', 'two');
SELECT field, mapped_to, mapped_by, status FROM supaglue.entity_mappings('two', 'salesforce') WHERE entity_name = 'ticket';

-- Another object: the sync starts over, and the rows of the old one are deleted.
SELECT supaglue.set_entity_mapping('ticket', 'salesforce', '{"object": null}', 'two');
SELECT object, object_by, field, mapped_to, status FROM supaglue.entity_mappings('two', 'salesforce') WHERE entity_name = 'ticket';
SELECT c.customer_id, s.phase, s.metadata IS NULL AS forgotten FROM supaglue_internal.syncs s JOIN supaglue_internal.connections c ON c.id = s.connection_id
WHERE s.id IN (supaglue.sync_id('one', 'salesforce', 'ticket'), supaglue.sync_id('two', 'salesforce', 'ticket')) ORDER BY 1;
SELECT supaglue.set_entity_mapping('ticket', 'salesforce', '{"field_mappings": null}', 'two');
SELECT * FROM run('two');
SELECT customer, subject, weight, deleted FROM tickets WHERE customer = 'two';
-- Every customer's mapping moves those that have no object of their own.
SELECT supaglue.set_entity_mapping('ticket', 'salesforce', '{"object": {"type": "custom", "name": "Issue"}}', 'two');
SELECT supaglue.set_entity_mapping('ticket', 'salesforce', '{"object": {"type": "custom", "name": "Bug"}, "field_mappings": {"subject": "Summary__c"}}');
SELECT c.customer_id, s.phase FROM supaglue_internal.syncs s JOIN supaglue_internal.connections c ON c.id = s.connection_id
WHERE s.id IN (supaglue.sync_id('one', 'salesforce', 'ticket'), supaglue.sync_id('two', 'salesforce', 'ticket')) ORDER BY 1;
SELECT supaglue.delete_entity_mapping('ticket', 'salesforce', 'two');
SELECT object, object_by, field, mapped_to FROM supaglue.entity_mappings('two', 'salesforce') WHERE entity_name = 'ticket';
SELECT supaglue.delete_entity_mapping('ticket', 'salesforce');
SELECT object, field, mapped_to, status FROM supaglue.entity_mappings('two', 'salesforce') WHERE entity_name = 'ticket';

-- Refusals.
SELECT supaglue.delete_entity_mapping('ticket', 'salesforce');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.delete_entity_mapping('ticket', 'salesforce', 'two');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.set_entity_mapping('ticket', 'salesforce', '{"field_mappings": {"subject": "Name"}}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.set_entity_mapping('tickte', 'salesforce', '{}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.set_entity_mapping('ticket', 'hubspot', '{}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.set_entity_mapping('ticket', 'salesforce', '{}', 'nobody');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.set_entity_mapping('ticket', 'salesforce', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.set_entity_mapping('ticket', 'salesforce', '{"object": {"type": "common", "name": "contact"}}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.set_entity_mapping('ticket', 'salesforce', '{"object": {"type": "standard", "name": "a b"}}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.set_entity_mapping('car', 'salesforce', '{"object": {"type": "standard", "name": "Asset"}, "field_mappings": {"color": "Name"}}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.set_entity_mapping('car', 'salesforce', '{"object": {"type": "standard", "name": "Asset"}, "field_mappings": {"_supaglue_x": "Name"}}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.entity_mappings('nobody', 'salesforce');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.update_entity(5, '{"name": "issue"}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.delete_entity(5);
\echo :LAST_ERROR_SQLSTATE

-- It grows, and goes when nothing syncs it; its mappings go with it.
SELECT supaglue.update_entity(5, '{"fields": ["subject", "weight", "owner"]}');
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'data.entity_ticket'::regclass AND attnum > 8 ORDER BY attnum;
SELECT supaglue.set_entity_mapping('ticket', 'salesforce', '{"object": {"type": "custom", "name": "Bug"}}');
SELECT supaglue.update_sync_config(:config, '{"entities": ["car"]}', force => true);
SELECT supaglue.delete_entity(5);
SELECT name FROM supaglue.entities;
SELECT count(*) FROM supaglue_internal.entity_mappings;
SELECT to_regclass('data.entity_ticket') IS NOT NULL AS stays;

\c regression
DROP DATABASE regress_entities;
