-- Destinations: this database, or another Postgres.
CREATE DATABASE regress_destinations;
\c regress_destinations
CREATE EXTENSION supaglue;

-- The seed's document, with a server that cannot be reached: configuring does not ask it.
SELECT supaglue.create_destination('{
  "id": 2,
  "name": "my production postgres",
  "type": "postgres",
  "credentials": {
    "host": "db.jqmzyaitgfisezefyosx.supabase.co",
    "port": 5432,
    "database": "postgres",
    "schema": "supaglue",
    "user": "admin",
    "password": "admin"
  }
}');
-- The later form; loopback needs no TLS.
SELECT supaglue.create_destination('{"name": "near", "config":
  {"host": "127.0.0.1", "port": 1, "database": "app", "user": "app", "password": "s3cret"}}');
-- This database.
SELECT supaglue.create_destination('{"name": "here"}');
SELECT supaglue.create_destination('{"name": "here, elsewhere", "credentials": {"schema": "crm"}}');
SELECT id, application_id, name, type, config FROM supaglue.destinations ORDER BY id;

-- Errors.
SELECT supaglue.create_destination(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_destination('{}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_destination('{"name": "here"}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_destination('{"id": 2, "name": "again"}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_destination('{"name": "x", "type": "mysql"}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_destination('{"name": "x", "credentials": {"user": "app"}}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_destination('{"name": "x", "credentials": {"host": "h", "database": "d", "user": "u", "port": "5432"}}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_destination('{"name": "x", "credentials": {"host": "h", "database": "d", "user": "u", "ssl_mode": "always"}}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_destination('{"name": "x", "credentials": {"host": "h", "database": "d", "user": "u", "pasword": "s3cret"}}');
\echo :LAST_ERROR_SQLSTATE

-- Whether one can be used, before and after it is configured.
SELECT * FROM supaglue.test_destination('{"name": "unconfigured"}'::jsonb);
SELECT * FROM supaglue.test_destination(4);
SELECT success, message, detail ~ 'Connection refused' AS refused, detail ~ 's3cret' AS shows_secret
FROM supaglue.test_destination(3);
SELECT * FROM supaglue.test_destination('{"nam": "x"}'::jsonb);
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM supaglue.test_destination(99);
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM supaglue.test_destination(NULL::bigint);
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM supaglue.test_destination(NULL::jsonb);
\echo :LAST_ERROR_SQLSTATE

-- Merge patches.
SELECT supaglue.update_destination(3, '{"name": "nearer", "credentials": {"port": 2}}');
SELECT name, config FROM supaglue.destinations WHERE id = 3;
SELECT secret IS NOT NULL AS keeps_password FROM supaglue_internal.destinations WHERE id = 3;
-- Without the key: what gives the secrets anew needs no old one.
UPDATE supaglue_internal.destinations SET secret = '\x00' WHERE id = 3;
SELECT supaglue.update_destination(3, '{"credentials": {"port": 3}}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.test_destination(3);
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.update_destination(3, '{"credentials": {"password": "n3w"}}');
SELECT supaglue.update_destination(3, '{"credentials": {"port": 3}}');
SELECT config, length(secret) > 20 AS sealed FROM supaglue_internal.destinations WHERE id = 3;
SELECT supaglue.update_destination(3, '{"name": "here"}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.update_destination(3, '{"credentials": {"database": null}}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.update_destination(99, '{}');
\echo :LAST_ERROR_SQLSTATE

SELECT supaglue.delete_destination(99);
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.delete_destination(id) FROM supaglue.destinations ORDER BY id;
SELECT count(*) FROM supaglue.destinations;

\c regression
DROP DATABASE regress_destinations;
