-- A destination in another Postgres, reached by libpq: here another database of the same server, which is all that a
-- connection can tell. The same merge, and the row of the sync that commits with it.
\getenv simulator SUPAGLUE_SIMULATOR
SET supaglue.application_id = 'remote';
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS supaglue;
\set SHOW_CONTEXT never
SELECT current_database() AS here, current_setting('port')::int AS port \gset
CREATE ROLE remote_owner LOGIN;
CREATE ROLE remote_limited;
CREATE DATABASE supaglue_remote OWNER remote_owner;
SELECT jsonb_build_object('name', 'far', 'credentials', jsonb_build_object('host', '127.0.0.1', 'port', :port,
  'database', 'supaglue_remote', 'user', 'remote_owner', 'schema', 'far away')) AS far \gset

\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/create_org" -d '{"org":"far"}'
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/add_object" -d '{"org":"far","object":"Book__c","fields":[{"name":"Copies__c","type":"double"}]}'
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/insert" -d '{"org":"far","object":"Book__c","records":[{"Name":"Emma","Copies__c":1},{"Name":"Žižek \"quoted\" \\ and {braced}","Copies__c":2.5},{"Name":"Walden"}]}'

SELECT supaglue.create_provider(jsonb_build_object('provider_name', 'salesforce', 'category', 'crm', 'auth_type', 'oauth2',
  'config', jsonb_build_object('login_url', :'simulator', 'oauth', jsonb_build_object(
    'credentials', '{"client_id": "a", "client_secret": "b"}'::jsonb)))) AS provider_id \gset
SELECT supaglue.create_destination(:'far') AS destination_id \gset
SELECT * FROM supaglue.test_destination(:destination_id);
SELECT success FROM supaglue.test_destination(jsonb_set(:'far', '{credentials,database}', '"nowhere"'));
SELECT supaglue.create_sync_config(jsonb_build_object('name', 'books', 'destination_name', 'far', 'provider_name', 'salesforce',
  'default_config', '{"period_ms": 3600000, "strategy": "full then incremental", "auto_start_on_connection": false}'::jsonb,
  'custom_objects', '[{"object": "Book", "table": "books"}]'::jsonb)) AS config_id \gset
SELECT supaglue.upsert_customer('acme');
SELECT supaglue.create_connection('{"customer_id": "acme", "provider_name": "salesforce", "credentials": {"refresh_token": "far"}}') AS connection_id \gset
SELECT supaglue.sync_id('acme', 'salesforce', 'Book__c') AS sync \gset
SELECT 'SELECT status, strategy, reason, records_read AS read, records_inserted AS inserted, records_updated AS updated,'
  || ' records_unchanged AS unchanged, records_deleted AS deleted FROM supaglue.materialize(' || :sync || ')' AS run \gset

-- By hand it is made by this, with the record of its syncs.
SELECT supaglue.destination_ddl(:config_id);

-- The table was made there when the sync config was.
\c supaglue_remote
\d "far away".books
SELECT count(*) FROM "far away".books;
\c :here
SET supaglue.application_id = 'remote';
SET client_min_messages = warning;

-- A transaction that is rolled back here is rolled back there.
BEGIN;
:run;
ROLLBACK;
:run;
:run;
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/update" -d '{"org":"far","object":"Book__c","where":"Name = '"'Emma'"'","set":{"Copies__c":10}}'
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/delete" -d '{"org":"far","object":"Book__c","where":"Name = '"'Walden'"'","hard":true}'

-- Two runs in one transaction share the one there.
BEGIN;
:run;
SELECT strategy, records_deleted FROM supaglue.materialize(:sync, true);
COMMIT;
SELECT run_id = s.last_run_id AS recorded FROM supaglue.syncs s, LATERAL (SELECT last_run_id AS run_id) x WHERE id = :sync;
SELECT last_run_id AS run_id, emitted_at::text AS emitted_at, watermark::text AS watermark
FROM supaglue.syncs s JOIN supaglue.sync_runs r ON r.id = s.last_run_id WHERE s.id = :sync \gset
\c supaglue_remote
SELECT _supaglue_raw_data ->> 'Name' AS name, _supaglue_raw_data ->> 'Copies__c' AS copies, _supaglue_is_deleted AS deleted
FROM "far away".books ORDER BY id;
SELECT application_id, customer_id, provider_name, object_type, object, table_name, run_id = :run_id AS run,
       emitted_at = :'emitted_at' AS emitted, watermark = :'watermark' AS watermark, counts
FROM "far away"._supaglue_syncs;
\c :here
SET supaglue.application_id = 'remote';
SET client_min_messages = warning;

-- A savepoint: what is rolled back to it, is there too; but it cannot cut a transaction there in two.
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/insert" -d '{"org":"far","object":"Book__c","records":[{"Name":"Candide"}]}'
BEGIN;
SAVEPOINT one;
:run;
ROLLBACK TO one;
COMMIT;
BEGIN;
SAVEPOINT one;
:run;
RELEASE one;
SAVEPOINT two;
:run;
ROLLBACK TO two;
COMMIT;
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/insert" -d '{"org":"far","object":"Book__c","records":[{"Name":"Hamlet"}]}'

-- Errors there are errors here.
\c supaglue_remote
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'no more books' USING ERRCODE = 'P0099', DETAIL = 'The shelf is full.', HINT = 'Buy another.'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON "far away".books FOR EACH ROW EXECUTE FUNCTION refuse();
\c :here
SET supaglue.application_id = 'remote';
SET client_min_messages = warning;
\set SHOW_CONTEXT errors
:run;
\echo :LAST_ERROR_SQLSTATE
\set SHOW_CONTEXT never
\c supaglue_remote
DROP TRIGGER refuse ON "far away".books;
\c :here
SET supaglue.application_id = 'remote';
SET client_min_messages = warning;

-- A connection that is lost before the end: nothing is here, nothing there.
BEGIN;
:run;
SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE datname = 'supaglue_remote' AND application_name = 'supaglue';
\set VERBOSITY terse
COMMIT;
\set VERBOSITY default
\echo :LAST_ERROR_SQLSTATE
:run;

-- A destination that is away.
ALTER DATABASE supaglue_remote ALLOW_CONNECTIONS false;
\set VERBOSITY terse
:run;
\echo :LAST_ERROR_SQLSTATE
ALTER DATABASE supaglue_remote ALLOW_CONNECTIONS true;

-- A role that is no superuser cannot use what the server itself may do.
UPDATE supaglue_internal.sync_configs SET owner = 'remote_limited' WHERE id = :config_id;
\set VERBOSITY default
:run;
SELECT supaglue.update_destination(:destination_id, '{"credentials": {"password": "unasked"}}');
:run;
UPDATE supaglue_internal.sync_configs SET owner = CURRENT_USER::regrole WHERE id = :config_id;
:run;

SELECT supaglue.delete_connection(:connection_id);
SELECT supaglue.delete_customer('acme');
SELECT supaglue.delete_sync_config(:config_id, true);
SELECT supaglue.delete_destination(:destination_id);
SELECT supaglue.delete_provider(:provider_id);
DROP DATABASE supaglue_remote;
DROP ROLE remote_owner;
DROP ROLE remote_limited;
