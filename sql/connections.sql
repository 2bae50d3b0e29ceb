-- Customers, connections and their credentials; the natural key of a sync.
CREATE DATABASE regress_connections;
\c regress_connections
CREATE EXTENSION supaglue;
SELECT supaglue.create_provider('{"name": "salesforce", "config": {"oauth": {"credentials": {"client_id": "client"}}}}');
SELECT supaglue.create_destination('{"name": "here"}');
SELECT supaglue.create_sync_config('{"name": "sync", "provider_id": 1, "destination_id": 1, "standard_objects": [{"object": "Contact"}], "custom_objects": [{"object": "Thing__c"}]}');

-- Customers.
SELECT supaglue.upsert_customer('acme', 'Acme', 'it@acme.example');
SELECT supaglue.upsert_customer('acme', email => 'crm@acme.example');
SELECT supaglue.upsert_customer('globex', application_id => 'second');
SELECT application_id, customer_id, name, email FROM supaglue.customers ORDER BY 1, 2;
SELECT supaglue.upsert_customer(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.upsert_customer('');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.upsert_customer('globex', application_id => '');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.delete_customer('globex', repeat('x', 256));
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.delete_customer('globex');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.delete_customer('globex', 'second');
SELECT supaglue.delete_customer(NULL);
\echo :LAST_ERROR_SQLSTATE

-- Connections: the syncs are due at once.
SELECT supaglue.create_connection('{"id": 5, "customer_id": "acme", "provider_name": "salesforce",
  "instance_url": "https://acme.my.salesforce.com/", "credentials": {"type": "oauth2", "refresh_token": "s3cret"}}');
SELECT id, application_id, customer_id, provider_name, status, status_reason, account_id, account_name, instance_url,
       last_used_at, token_refreshed_at FROM supaglue.connections;
SELECT id, object, state, next_run_at <= now() AS due FROM supaglue.syncs ORDER BY id;
SELECT id, kind, application_id, customer_id, provider_name, sync_id, run_id, payload FROM supaglue.events;
SELECT position('s3cret'::bytea IN secret) AS readable_at, generation FROM supaglue_internal.tokens;
SELECT config FROM supaglue_internal.connections;

-- Errors.
SELECT supaglue.create_connection(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_connection('{"customer_id": "acme", "provider_name": "salesforce"}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_connection('{"customer_id": "acme", "provider_name": "salesforce", "credentials": {"refresh_tokn": "s3cret"}}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_connection('{"customer_id": "acme", "provider_name": "salesforce", "credentials": {"refresh_token": 1}}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_connection('{"customer_id": "acme", "provider_name": "salesforce", "credentials": {"type": "api_key", "refresh_token": "s3cret"}}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_connection('{"customer_id": "acme", "provider_name": "hubspot", "credentials": {"refresh_token": "s3cret"}}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_connection('{"customer_id": "nobody", "provider_name": "salesforce", "credentials": {"refresh_token": "s3cret"}}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_connection('{"customer_id": "acme", "provider_name": "salesforce", "credentials": {"refresh_token": "s3cret"}}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.upsert_customer('initech');
SELECT supaglue.create_connection('{"id": 5, "customer_id": "initech", "provider_name": "salesforce", "credentials": {"refresh_token": "s3cret"}}');
\echo :LAST_ERROR_SQLSTATE
-- The sequence has moved past the id that was given.
SELECT supaglue.create_connection('{"customer_id": "initech", "provider_id": 1, "credentials": {"refresh_token": "initech", "access_token": "a", "expires_at": 1700000000}}');
SELECT connection_id, expires_at AT TIME ZONE 'UTC' AS expires_at FROM supaglue_internal.tokens ORDER BY 1;

-- New credentials undo what the loss of the old ones did, and nothing else.
UPDATE supaglue_internal.connections SET status = 'reauthorization_required', status_reason = 'expired' WHERE id = 5;
UPDATE supaglue_internal.syncs SET paused_by = '{authentication}', pause_reason = 'expired' WHERE id = 1;
UPDATE supaglue_internal.syncs SET paused_by = '{user,authentication}' WHERE id = 2;
SELECT supaglue.update_connection(5, '{"instance_url": null, "credentials": {"refresh_token": "n3w"}}');
SELECT id, status, status_reason, instance_url FROM supaglue.connections WHERE id = 5;
SELECT id, state, paused_by, pause_reason FROM supaglue.syncs WHERE connection_id = 5 ORDER BY id;
SELECT generation FROM supaglue_internal.tokens WHERE connection_id = 5;
SELECT supaglue.update_connection(5, '{"login_url": "https://test.salesforce.com"}');
SELECT generation FROM supaglue_internal.tokens WHERE connection_id = 5;
SELECT supaglue.update_connection(5, '{"customer_id": "initech"}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.update_connection(5, '{"credentials": {"refresh_token": null}}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.update_connection(99, '{}');
\echo :LAST_ERROR_SQLSTATE

-- So does a change of the provider, for all of its connections.
UPDATE supaglue_internal.connections SET status = 'reauthorization_required', status_reason = 'no such client';
UPDATE supaglue_internal.syncs SET paused_by = '{authentication}', pause_reason = 'no such client';
SELECT supaglue.update_provider(1, '{"client_secret": "right"}');
SELECT DISTINCT status, status_reason FROM supaglue.connections;
SELECT DISTINCT state, paused_by, pause_reason FROM supaglue.syncs;

-- Without the key: new credentials need no old ones.
UPDATE supaglue_internal.tokens SET secret = '\x00' WHERE connection_id = 5;
SELECT supaglue.update_connection(5, '{"login_url": null}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.update_connection(5, '{"credentials": {"refresh_token": "n3w"}}');
SELECT generation, length(secret) > 20 AS sealed FROM supaglue_internal.tokens WHERE connection_id = 5;
SELECT supaglue.update_connection(5, '{"login_url": null}');

-- The natural key of a sync.
SELECT supaglue.sync_id('acme', 'salesforce', 'Contact') AS exact, supaglue.sync_id('acme', 'salesforce', 'contact', 'standard') AS small,
       supaglue.sync_id('acme', 'salesforce', 'Thing') AS without_suffix, supaglue.sync_id('acme', 'salesforce', 'Thing__c', 'custom', 'default') AS full;
SELECT supaglue.sync_id('acme', 'salesforce', 'Contact', 'custom');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.sync_id('acme', 'salesforce', 'Lead');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.sync_id('acme', 'salesforce', NULL);
\echo :LAST_ERROR_SQLSTATE
UPDATE supaglue_internal.objects SET object = 'Contact__c' WHERE object_type = 'standard';
UPDATE supaglue_internal.objects SET object = 'Contact__c' WHERE object_type = 'custom';
SELECT supaglue.sync_id('acme', 'salesforce', 'Contact__c');
\echo :LAST_ERROR_SQLSTATE

-- Deleting.
SELECT supaglue.delete_customer('acme');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.delete_connection(99);
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.delete_connection(5);
SELECT count(*) FILTER (WHERE connection_id = 5) AS of_deleted, count(*) AS of_all FROM supaglue.syncs;
SELECT count(*) FROM supaglue_internal.tokens;
SELECT id, kind, customer_id, payload FROM supaglue.events ORDER BY id;
SELECT supaglue.delete_customer('acme');

-- A copy does not sync, and says so where it is configured, until it is adopted.
UPDATE supaglue_internal.installation SET database = 1;
SELECT supaglue.create_destination('{"name": "in a copy"}');
SELECT supaglue.adopt_database();
SELECT database = (SELECT oid FROM pg_database WHERE datname = current_database()) AS here FROM supaglue_internal.installation;
SELECT supaglue.create_destination('{"name": "at home"}');

\c regression
DROP DATABASE regress_connections;
