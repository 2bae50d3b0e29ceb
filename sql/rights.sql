-- Who may do what: nobody until granted; a role without other rights can configure, and owns what it makes.
CREATE DATABASE regress_rights;
\c regress_rights
CREATE EXTENSION supaglue;
-- Nothing is open to everybody, and everything says what it is.
SELECT p.oid::regprocedure FROM pg_proc p WHERE pronamespace::regnamespace::text ~ '^supaglue'
  AND has_function_privilege('public', p.oid, 'EXECUTE');
SELECT c.oid::regclass FROM pg_class c WHERE relnamespace::regnamespace::text ~ '^supaglue' AND relkind IN ('r', 'v', 'S', 'p')
  AND CASE relkind WHEN 'S' THEN has_sequence_privilege('public', c.oid, 'USAGE, SELECT, UPDATE')
      ELSE has_table_privilege('public', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') END;
SELECT p.oid::regprocedure FROM pg_proc p WHERE pronamespace::regnamespace::text ~ '^supaglue'
  AND (proisstrict OR provolatile <> 'v' OR proparallel <> 'u' OR prosecdef OR obj_description(p.oid, 'pg_proc') IS NULL
       OR proconfig IS DISTINCT FROM '{"search_path=pg_catalog, pg_temp"}');
SELECT c.oid::regclass FROM pg_class c WHERE relnamespace::regnamespace::text ~ '^supaglue' AND relkind IN ('r', 'v', 'p')
  AND obj_description(c.oid, 'pg_class') IS NULL;

CREATE ROLE regress_configurer;
CREATE ROLE regress_other;
SET ROLE regress_configurer;
SELECT supaglue.create_destination('{"name": "here"}');
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
GRANT USAGE ON SCHEMA supaglue TO regress_configurer, regress_other;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA supaglue TO regress_configurer, regress_other;
GRANT SELECT ON ALL TABLES IN SCHEMA supaglue TO regress_configurer;
GRANT USAGE ON FOREIGN DATA WRAPPER supaglue TO regress_configurer;
GRANT CREATE ON DATABASE regress_rights TO regress_configurer;

SET ROLE regress_configurer;
SELECT supaglue.create_provider('{"name": "salesforce", "config": {"oauth": {"credentials": {"client_id": "client", "client_secret": "s3cret"}}}}');
SELECT supaglue.create_destination('{"name": "here"}');
SELECT supaglue.create_sync_config('{"name": "sync", "provider_id": 1, "destination_id": 1, "standard_objects": [{"object": "Contact"}]}');
SELECT supaglue.upsert_customer('acme');
SELECT supaglue.create_connection('{"customer_id": "acme", "provider_id": 1, "credentials": {"refresh_token": "acme"}}');
SELECT owner FROM supaglue.syncs;
SELECT c.oid::regclass, relowner::regrole FROM pg_class c WHERE relname = 'salesforce_Contact' ORDER BY 1;
SELECT nspname, nspowner::regrole FROM pg_namespace WHERE nspname IN ('supaglue_data', 'supaglue_live') ORDER BY 1;
SELECT srvname, srvowner::regrole FROM pg_foreign_server;
-- Our own tables stay closed.
SELECT * FROM supaglue_internal.tokens;
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;

-- Another role neither makes tables where it may not nor changes what is not its own.
SET ROLE regress_other;
SELECT supaglue.update_sync_config(1, '{"name": "mine"}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.delete_sync_config(1, true);
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.update_destination(1, '{"credentials": {"schema": "mine"}}');
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY terse
SELECT supaglue.create_sync_config('{"name": "other", "provider_id": 1, "destination_id": 1, "standard_objects": [{"object": "Lead"}]}');
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY default
SELECT * FROM supaglue.test_destination(1);
RESET ROLE;

\c regression
DROP DATABASE regress_rights;
DROP ROLE regress_configurer, regress_other;
