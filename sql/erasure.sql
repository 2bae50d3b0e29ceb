-- Erasure: delete_connection() with erase, erase_customer(), what is queued. No worker serves this database.
\getenv simulator SUPAGLUE_SIMULATOR
CREATE DATABASE regress_erasure;
\c regress_erasure
SET client_min_messages = warning;
CREATE EXTENSION supaglue;
\set SHOW_CONTEXT never
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/create_org" -d '{"org":"era"}'
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/add_object" -d '{"org":"era","object":"Song__c","fields":[{"name":"Bars__c","type":"double"}]}'
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/insert" -d '{"org":"era","object":"Song__c","records":[{"Name":"One"},{"Name":"Two"},{"Name":"Three"}]}'
SELECT supaglue.create_provider(jsonb_build_object('name', 'salesforce', 'config', jsonb_build_object('login_url', :'simulator',
  'oauth', '{"redirect_uri": "https://app.example.com/callback", "credentials": {"client_id": "a", "client_secret": "b"}}'::jsonb)));
SELECT supaglue.create_destination('{"name": "here", "schema": "era"}');
SELECT supaglue.create_sync_config('{"name": "old", "destination_name": "here", "provider_name": "salesforce",
  "custom_objects": [{"object": "Song", "table": "old_songs"}]}');
CREATE FUNCTION pg_temp.connect(customer text) RETURNS bigint LANGUAGE sql AS $$
  SELECT supaglue.upsert_customer(customer);
  SELECT supaglue.create_connection(jsonb_build_object('customer_id', customer, 'provider_name', 'salesforce',
    'credentials', jsonb_build_object('refresh_token', 'era:' || customer))) $$;
CREATE FUNCTION pg_temp.read(customer text) RETURNS bigint LANGUAGE sql AS $$
  SELECT records_read FROM supaglue.materialize(supaglue.sync_id(customer, 'salesforce', 'Song__c'), true) $$;
SELECT pg_temp.connect('acme') AS acme \gset
SELECT pg_temp.connect('globex') AS globex \gset
SELECT pg_temp.read('acme'), pg_temp.read('globex');
-- The sync config goes, its table stays; another takes its place.
SELECT supaglue.delete_sync_config(1, true);
SELECT supaglue.create_sync_config('{"name": "songs", "destination_name": "here", "provider_name": "salesforce",
  "custom_objects": [{"object": "Song", "table": "songs"}]}');
SELECT pg_temp.read('acme'), pg_temp.read('globex');
CREATE VIEW held AS
SELECT 'old_songs' AS table_name, _supaglue_customer_id AS customer, _supaglue_provider_name AS provider, count(*) FROM era.old_songs GROUP BY 2, 3
UNION ALL SELECT 'songs', _supaglue_customer_id, _supaglue_provider_name, count(*) FROM era.songs GROUP BY 2, 3;
-- What users made of it is theirs.
CREATE TABLE era.copy AS SELECT * FROM era.songs;
-- Another provider's rows, and a table that somebody else owns, whose triggers run as him.
INSERT INTO era.songs SELECT _supaglue_application_id, _supaglue_customer_id, 'hubspot', id, _supaglue_emitted_at, false, '{}', NULL
FROM era.songs WHERE _supaglue_customer_id = 'acme';
CREATE ROLE regress_owner;
CREATE SCHEMA theirs AUTHORIZATION regress_owner;
SET ROLE regress_owner;
CREATE TABLE theirs.parts (_supaglue_application_id text, _supaglue_customer_id text, _supaglue_provider_name text, id text,
  PRIMARY KEY (_supaglue_application_id, _supaglue_customer_id, _supaglue_provider_name, id)) PARTITION BY LIST (_supaglue_customer_id);
CREATE TABLE theirs.acme PARTITION OF theirs.parts FOR VALUES IN ('acme');
CREATE TABLE theirs.others PARTITION OF theirs.parts DEFAULT;
CREATE TABLE theirs.seen (who text);
CREATE FUNCTION theirs.see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO theirs.seen VALUES (current_user); RETURN old; END $$;
CREATE TRIGGER see BEFORE DELETE ON theirs.acme FOR EACH ROW EXECUTE FUNCTION theirs.see();
INSERT INTO theirs.parts SELECT 'default', c, 'salesforce', n FROM (VALUES ('acme'), ('globex')) AS c (c), generate_series(1, 2) AS n;
RESET ROLE;
INSERT INTO supaglue_internal.rejects (run_id, sync_id, reason, record) SELECT last_run_id, id, 'bad', '{}' FROM supaglue.syncs;
INSERT INTO supaglue_internal.rejects (run_id, sync_id, reason, record) VALUES (1, 1, 'of a sync that is no more', '{}');
INSERT INTO supaglue_internal.schema_changes (sync_id, run_id, application_id, customer_id, provider_name, object_type, object, change, field)
SELECT id, 1, application_id, customer_id, provider_name, object_type, object, 'added', 'Secret__c' FROM supaglue.syncs;
INSERT INTO supaglue_internal.spool VALUES (0, 1, 1, '{}', 'a page of a run that is no more');
CREATE VIEW traces AS
SELECT c.customer_id, (SELECT count(*) FROM supaglue.sync_rejects j JOIN supaglue.syncs s ON s.id = j.sync_id WHERE s.customer_id = c.customer_id) AS rejects,
  (SELECT count(*) > 0 FROM supaglue.sync_runs r JOIN supaglue.events e ON e.run_id = r.id WHERE e.customer_id = c.customer_id) AS runs,
  (SELECT count(*) FROM supaglue.schema_changes h WHERE h.customer_id = c.customer_id) AS schema_changes,
  (SELECT string_agg(DISTINCT kind, ' ' ORDER BY kind) FROM supaglue.events e WHERE e.customer_id = c.customer_id) AS events
FROM (VALUES ('acme'), ('globex')) AS c (customer_id);
SELECT * FROM held ORDER BY 1, 2, 3;
SELECT * FROM traces;

-- Without erase, rows and records stay.
BEGIN;
SELECT supaglue.delete_connection(:acme);
SELECT count(*) FROM held WHERE customer = 'acme';
SELECT customer_id, runs, schema_changes, events FROM traces;
SELECT what, customer_id, provider_name, destination, table_name, attempts, last_error FROM supaglue.erasures;
ROLLBACK;
-- With it, those of this provider go, everywhere; a rollback brings them back.
BEGIN;
SELECT supaglue.delete_connection(:acme, erase => true, revoke => false);
SELECT * FROM held ORDER BY 1, 2, 3;
SELECT * FROM traces;
SELECT * FROM supaglue.erasures;
SELECT count(*) FROM supaglue.sync_rejects WHERE record = '{}';
SELECT count(*) FROM supaglue_internal.spool;
SELECT _supaglue_customer_id, count(*) FROM theirs.parts GROUP BY 1 ORDER BY 1;
SELECT * FROM theirs.seen;
ROLLBACK;
SELECT * FROM held ORDER BY 1, 2, 3;
SELECT pg_temp.read('acme');

-- Everything of a customer.
SELECT * FROM supaglue.erase_customer('acme') ORDER BY 2;
SELECT * FROM held ORDER BY 1, 2, 3;
SELECT * FROM traces;
SELECT customer_id FROM supaglue.customers;
SELECT customer_id FROM supaglue.connections;
SELECT count(*) AS copies FROM era.copy WHERE _supaglue_customer_id = 'acme';
SELECT what, customer_id, provider_name, destination, table_name, attempts, last_error FROM supaglue.erasures;
SELECT position('era:acme'::bytea IN secret) AS readable_at FROM supaglue_internal.erasures;
-- Again there is nothing, nor of one who never was.
SELECT * FROM supaglue.erase_customer('acme');
SELECT * FROM supaglue.erase_customer('globex', 'another application');
SELECT supaglue.erase_customer(NULL);
\echo :LAST_ERROR_SQLSTATE

-- A destination that is away keeps its rows until it is back; it is not forgotten meanwhile.
SELECT supaglue.create_destination('{"name": "far", "credentials": {"host": "127.0.0.1", "port": 1, "database": "d", "user": "u", "password": "s3cret"}}') AS far \gset
\set VERBOSITY terse
SELECT supaglue.delete_connection(:globex, erase => true);
SELECT what, customer_id, provider_name, destination, table_name, attempts, last_error LIKE 'could not connect to destination "far": %' AS why
FROM supaglue.erasures WHERE what = 'rows';
SELECT * FROM supaglue.erase_customer('globex') ORDER BY 2;
SELECT customer_id, provider_name, destination FROM supaglue.erasures WHERE what = 'rows' ORDER BY id;
SELECT supaglue.delete_destination(:far);
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY default
SELECT * FROM held ORDER BY 1, 2, 3;

-- The key changes, the secrets stay; a rollback leaves the old ones readable, as another database of the server has them.
SELECT pg_temp.connect('hooli') AS hooli \gset
CREATE VIEW keys AS SELECT 'token' AS what, substr(secret, 2, 4) AS key FROM supaglue_internal.tokens WHERE secret <> ''
UNION ALL SELECT 'provider', substr(secret, 2, 4) FROM supaglue_internal.providers WHERE secret <> ''
UNION ALL SELECT 'erasure', substr(secret, 2, 4) FROM supaglue_internal.erasures WHERE secret <> '';
CREATE TABLE old_keys AS SELECT DISTINCT key FROM keys;
SELECT supaglue.rotate_encryption_key();
SELECT count(DISTINCT key) AS keys, count(*) FILTER (WHERE key IN (SELECT key FROM old_keys)) AS old FROM keys;
SELECT pg_temp.read('hooli');
INSERT INTO old_keys SELECT DISTINCT key FROM keys;
BEGIN;
SELECT supaglue.rotate_encryption_key();
ROLLBACK;
SELECT count(DISTINCT key) AS keys, count(*) = count(*) FILTER (WHERE key IN (SELECT key FROM old_keys)) AS old FROM keys;
SELECT success FROM supaglue.test_connection(:hooli);
SELECT pg_temp.read('hooli');
SELECT supaglue.rotate_encryption_key();
SELECT count(DISTINCT key) AS keys, count(*) FILTER (WHERE key IN (SELECT key FROM old_keys)) AS old FROM keys;
SELECT pg_temp.read('hooli');
SELECT supaglue.delete_connection(:hooli, true);

-- Secrets are forgotten, all of them, and nothing else; new ones are taken.
SELECT pg_temp.connect('initech') AS initech \gset
SELECT pg_temp.read('initech');
SELECT supaglue.oauth_connect_url('initech', 'salesforce', 'https://app.example.com', jsonb_build_object('login_url', :'simulator')) IS NOT NULL AS asked;
SELECT supaglue.forget_secrets();
SELECT (SELECT string_agg(encode(secret, 'hex'), ' ') FROM supaglue_internal.tokens) AS tokens,
  (SELECT string_agg(encode(secret, 'hex'), ' ') FROM supaglue_internal.providers) AS providers,
  (SELECT string_agg(encode(secret, 'hex'), ' ') FROM supaglue_internal.destinations) AS destinations,
  (SELECT count(*) FROM supaglue_internal.oauth_states) AS states, (SELECT count(*) FROM supaglue_internal.erasures WHERE what = 'token') AS revocations;
SELECT status, status_reason, instance_url IS NOT NULL AS has_address FROM supaglue.connections;
SELECT state, paused_by FROM supaglue.syncs;
SELECT count(*) FROM era.songs;
SELECT pg_temp.read('initech');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.update_provider(1, '{"client_secret": "n3w"}');
SELECT supaglue.update_connection(:initech, '{"credentials": {"refresh_token": "era:again"}}');
SELECT status, status_reason FROM supaglue.connections;
SELECT state, paused_by FROM supaglue.syncs;
SELECT pg_temp.read('initech');

\c regression
DROP DATABASE regress_erasure;
DROP ROLE regress_owner;
