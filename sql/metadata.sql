-- What a provider tells of a customer's objects and fields. An org of our own.
\getenv simulator SUPAGLUE_SIMULATOR
SET supaglue.application_id = 'metadata';
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS supaglue;
\set SHOW_CONTEXT never

\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/create_org" -d '{"org":"library"}'
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/add_object" -d '{"org":"library","object":"Book__c","fields":[{"name":"Pages__c","type":"double"}]}'
SELECT supaglue.create_provider(jsonb_build_object('name', 'salesforce', 'login_url', :'simulator', 'client_id', 'a', 'client_secret', 'b')) AS provider_id \gset
SELECT supaglue.upsert_customer('reader'), supaglue.upsert_customer('nobody');
SELECT supaglue.create_connection('{"customer_id": "reader", "provider_name": "salesforce", "credentials": {"refresh_token": "library"}}') AS connection_id \gset

-- Standard objects, then the customer's own; as names that a sync config takes.
SELECT object_type, object, label, raw ->> 'name' = object AS told
FROM supaglue.list_objects('reader', 'salesforce') WHERE object IN ('Contact', 'Opportunity', 'Book__c');
SELECT count(*) FILTER (WHERE object_type = 'custom') AS custom, count(*) > 5 AS more, count(*) = count(DISTINCT object) AS once
FROM supaglue.list_objects('reader', 'salesforce');

-- Fields, in one form for all providers.
SELECT name, label, description, type, provider_type, custom, options, raw ->> 'name' = name AS told
FROM supaglue.list_properties('reader', 'salesforce', 'Book__c') WHERE custom OR name IN ('Id', 'Name', 'CreatedDate') ORDER BY name;
SELECT type, options FROM supaglue.list_properties('reader', 'salesforce', 'Opportunity') WHERE name = 'Type';
-- Whatever is in the raw data is in the list, and nothing else.
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/insert" -d '{"org":"library","object":"Contact","records":[{"LastName":"Borges"}]}'
SELECT supaglue.create_destination('{"name": "here", "schema": "metadata"}') AS destination_id \gset
SELECT supaglue.create_sync_config('{"name": "contacts", "destination_name": "here", "provider_name": "salesforce",
  "default_config": {"auto_start_on_connection": false}, "standard_objects": [{"object": "Contact"}]}') AS config_id \gset
SELECT records_inserted FROM supaglue.materialize(supaglue.sync_id('reader', 'salesforce', 'Contact'));
SELECT count(*) AS different
FROM (SELECT jsonb_object_keys(_supaglue_raw_data) AS name FROM metadata."salesforce_Contact") AS synced
FULL JOIN supaglue.list_properties('reader', 'salesforce', 'contact') AS listed USING (name)
WHERE synced.name IS NULL OR listed.name IS NULL;

-- HubSpot: the objects that it has for everybody, the properties of this account, and owners, whose fields it does not tell.
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/create_org" -d '{"provider":"hubspot","org":"bureau"}'
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/add_field" -d '{"provider":"hubspot","org":"bureau","object":"contacts","field":{"name":"shoe_size","label":"Shoe size","type":"number","fieldType":"number"}}'
SELECT supaglue.create_provider(jsonb_build_object('name', 'hubspot', 'login_url', :'simulator', 'base_url', :'simulator', 'client_id', 'a', 'client_secret', 'b')) AS hubspot_id \gset
SELECT supaglue.create_connection('{"customer_id": "reader", "provider_name": "hubspot", "credentials": {"refresh_token": "bureau"}}') AS hubspot_connection_id \gset
SELECT object_type, object, label FROM supaglue.list_objects('reader', 'hubspot');
SELECT name, label, type, provider_type, custom, jsonb_array_length(options) > 2 AS options
FROM supaglue.list_properties('reader', 'hubspot', 'contact')
WHERE name IN ('email', 'shoe_size', 'createdate', 'lifecyclestage', 'hs_object_id') ORDER BY name;
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/insert" -d '{"provider":"hubspot","org":"bureau","object":"contacts","records":[{"email":"a@example.com"}]}'
SELECT supaglue.create_sync_config('{"name": "hub", "destination_name": "here", "provider_name": "hubspot",
  "default_config": {"auto_start_on_connection": false}, "standard_objects": [{"object": "contact"}, {"object": "owner"}]}') AS hub_config_id \gset
SELECT o.name, status FROM unnest('{contact,owner}'::text[]) AS o (name), supaglue.materialize(supaglue.sync_id('reader', 'hubspot', o.name));
SELECT count(*) AS different
FROM (SELECT DISTINCT jsonb_object_keys(_supaglue_raw_data -> 'properties') AS name FROM metadata.hubspot_contact) AS synced
FULL JOIN supaglue.list_properties('reader', 'hubspot', 'contact') AS listed USING (name)
WHERE synced.name IS NULL OR listed.name IS NULL;
SELECT count(*) > 5 AS some, count(*) FILTER (WHERE l.name IS NULL) AS untold
FROM (SELECT DISTINCT '/' || jsonb_object_keys(_supaglue_raw_data) AS name FROM metadata.hubspot_owner) AS synced
LEFT JOIN supaglue.list_properties('reader', 'hubspot', 'owner') AS l USING (name);
SELECT FROM supaglue.list_properties('reader', 'hubspot', 'contacts');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.delete_sync_config(:hub_config_id, true), supaglue.delete_connection(:hubspot_connection_id);
SELECT supaglue.delete_provider(:hubspot_id);

-- A refused token is refreshed; a provider that stumbles is asked again.
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/expire_tokens" -d '{"org":"library"}'
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/fault" -d '{"kind":"status","status":503,"match":{"org":"library","kind":"describe"}}'
SELECT count(*) FROM supaglue.list_properties('reader', 'salesforce', 'Book__c') WHERE custom;

-- Errors.
SELECT FROM supaglue.list_objects(NULL, 'salesforce');
\echo :LAST_ERROR_SQLSTATE
SELECT FROM supaglue.list_objects('reader', 'hubspott');
\echo :LAST_ERROR_SQLSTATE
SELECT FROM supaglue.list_objects('nobody', 'salesforce');
\echo :LAST_ERROR_SQLSTATE
SELECT FROM supaglue.list_objects('reader', 'salesforce', 'other');
\echo :LAST_ERROR_SQLSTATE
SELECT FROM supaglue.list_properties('reader', 'salesforce', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT FROM supaglue.list_properties('reader', 'salesforce', '../limits?');
\echo :LAST_ERROR_SQLSTATE
SELECT FROM supaglue.list_properties('reader', 'salesforce', 'Nothing__c');
\echo :LAST_ERROR_SQLSTATE
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/fault" -d '{"kind":"status","status":200,"match":{"org":"library","kind":"describe"},"body":{"fields":"none"}}'
SELECT FROM supaglue.list_properties('reader', 'salesforce', 'Book__c');
\echo :LAST_ERROR_SQLSTATE
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/revoke" -d '{"org":"library"}'
SELECT FROM supaglue.list_objects('reader', 'salesforce');
\echo :LAST_ERROR_SQLSTATE
-- Granted to nobody.
SELECT proname FROM pg_proc WHERE pronamespace = 'supaglue'::regnamespace
  AND proname IN ('list_objects', 'list_properties', 'passthrough') AND has_function_privilege('public', oid, 'EXECUTE');

SELECT supaglue.delete_sync_config(:config_id, true);
SELECT supaglue.delete_connection(:connection_id);
SELECT supaglue.delete_customer(c) FROM unnest('{reader,nobody}'::text[]) AS c;
SELECT supaglue.delete_destination(:destination_id), supaglue.delete_provider(:provider_id);
DROP SCHEMA metadata CASCADE;
