-- Providers: documents in, ids out; the foreign server; secrets stay inside.
-- In a database of its own, which no worker serves.
CREATE DATABASE regress_providers;
\c regress_providers
CREATE EXTENSION supaglue;

-- The seed's document.
SELECT supaglue.create_provider('{
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
}');
SELECT id, application_id, name, category, auth_type, config FROM supaglue.providers;
SELECT srvname, srvoptions, srvowner = current_user::regrole AS mine,
       obj_description(oid, 'pg_foreign_server') AS comment
FROM pg_foreign_server;
-- It is an ordinary object.
SELECT count(*) FROM pg_depend WHERE classid = 'pg_foreign_server'::regclass AND deptype = 'e';

-- The later form, an explicit id, another application; the server is shared, the sequence moves on.
SELECT supaglue.create_provider('{"id": 7, "application_id": "second", "name": "salesforce",
  "config": {"login_url": "https://test.salesforce.com/", "oauth": {"credentials":
    {"oauth_client_id": "client", "oauth_client_secret": "s3cret"}}}}');
SET supaglue.application_id = 'third';
SELECT supaglue.create_provider('{"name": "salesforce", "config": {"oauth": {"credentials": {"client_id": "client"}}}}');
RESET supaglue.application_id;
SELECT id, application_id, name, config FROM supaglue.providers ORDER BY id;
SELECT count(*) FROM pg_foreign_server;

-- Errors name the path and say what is allowed, and leave nothing behind.
SELECT supaglue.create_provider(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_provider('[]');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_provider('{"name": "salesforce", "config": {"oauth": {"credentials": {"client_idd": "x"}}}}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_provider('{"name": "salesforce"}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_provider('{"name": "hubspott", "config": {"oauth": {"credentials": {"client_id": "x"}}}}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_provider('{"name": "salesforce", "category": "engagement", "config": {"oauth": {"credentials": {"client_id": "x"}}}}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_provider('{"name": "salesforce", "config": {"oauth": {"credentials": {"client_id": "x", "client_secret": 5}}}}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_provider('{"name": "salesforce", "config": {"login_url": "ftp://example.com", "oauth": {"credentials": {"client_id": "x"}}}}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_provider('{"name": "salesforce", "config": {"oauth": {"credentials": {"client_id": "x"}}}}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_provider('{"id": 7, "application_id": "fourth", "name": "salesforce", "config": {"oauth": {"credentials": {"client_id": "x"}}}}');
\echo :LAST_ERROR_SQLSTATE
SET supaglue.application_id = '';
SELECT supaglue.create_provider('{"name": "salesforce", "config": {"oauth": {"credentials": {"client_id": "x"}}}}');
\echo :LAST_ERROR_SQLSTATE
RESET supaglue.application_id;
SELECT count(*) FROM supaglue.providers;

-- A merge patch: keys given replace, null removes, absent keys stay.
SELECT supaglue.update_provider(7, '{"config": {"login_url": null, "base_url": "https://acme.my.salesforce.com"}}');
SELECT id, config FROM supaglue.providers WHERE id = 7;
SELECT supaglue.update_provider(7, '{"oauth_client_id": "other"}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.update_provider(7, '{"application_id": "elsewhere"}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.update_provider(7, '{"id": 8}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.update_provider(99, '{}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.update_provider(NULL, '{}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.update_provider(7, NULL);
\echo :LAST_ERROR_SQLSTATE

-- Secrets lie encrypted, and are nowhere to be read.
SELECT id, secret IS NOT NULL AS has_secret, position('s3cret'::bytea IN secret) AS readable_at
FROM supaglue_internal.providers ORDER BY id;
SELECT count(*) FROM supaglue.providers p WHERE p::text ~ 's3cret|941b846a';
SELECT count(*) FROM pg_foreign_server s WHERE s::text ~ 's3cret|941b846a';
-- Without the key: what gives the secret anew needs no old one, and nothing else is done.
UPDATE supaglue_internal.providers SET secret = '\x00' WHERE id = 7;
SELECT supaglue.update_provider(7, '{"config": {"base_url": null}}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.update_provider(7, '{"oauth_client_secrt": "n3w"}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.update_provider(7, '{"config": {"oauth": {"credentials": {"client_secret": "n3w"}}}}');
SELECT config, length(secret) > 20 AS sealed FROM supaglue_internal.providers WHERE id = 7;
SELECT supaglue.update_provider(7, '{"config": {"base_url": null}}');
-- From a file: for those who may read the server's files.
CREATE ROLE regress_provider_admin;
GRANT USAGE ON SCHEMA supaglue TO regress_provider_admin;
GRANT EXECUTE ON FUNCTION supaglue.create_provider(jsonb) TO regress_provider_admin;
GRANT USAGE ON FOREIGN DATA WRAPPER supaglue TO regress_provider_admin;
SET ROLE regress_provider_admin;
SELECT supaglue.create_provider('{"application_id": "files", "name": "salesforce", "config": {"oauth": {"credentials": {"client_id": "x", "client_secret": {"file": "/etc/secret"}}}}}');
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
GRANT pg_read_server_files TO regress_provider_admin;
SET ROLE regress_provider_admin;
SELECT supaglue.create_provider('{"application_id": "files", "name": "salesforce", "config": {"oauth": {"credentials": {"client_id": "x", "client_secret": {"file": "/etc/secret"}}}}}');
SELECT supaglue.create_provider('{"application_id": "files", "name": "salesforce", "config": {"oauth": {"credentials": {"client_id": "x", "client_secret": {"file": "secret"}}}}}');
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;

-- The server goes with the last provider of its name.
SELECT supaglue.delete_provider(99);
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.delete_provider(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.delete_provider(id) FROM supaglue.providers ORDER BY id;
SELECT count(*) FROM pg_foreign_server;
-- What depends on it keeps it.
SELECT supaglue.create_provider('{"name": "salesforce", "config": {"oauth": {"credentials": {"client_id": "x"}}}}') AS id \gset
CREATE FOREIGN TABLE mine (id text) SERVER supaglue_salesforce OPTIONS (object 'Account', object_type 'standard');
SELECT supaglue.delete_provider(:id);
DROP FOREIGN TABLE mine;
DROP SERVER supaglue_salesforce;
-- A server of that name which is not ours is left alone.
CREATE FOREIGN DATA WRAPPER other;
CREATE SERVER supaglue_salesforce FOREIGN DATA WRAPPER other;
SELECT supaglue.create_provider('{"name": "salesforce", "config": {"oauth": {"credentials": {"client_id": "x"}}}}');
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM supaglue.providers;

\c regression
DROP DATABASE regress_providers;
DROP ROLE regress_provider_admin;
