-- Customers who connect by consenting on the provider's page: oauth_connect_url(), oauth_callback(), magic links,
-- and the types of credentials that are given instead. The syncs are paused for the workers.
\getenv simulator SUPAGLUE_SIMULATOR
SET supaglue.application_id = 'auth';
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS supaglue;
\set SHOW_CONTEXT never

\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/create_org" -d '{"org":"north"}'
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/create_org" -d '{"org":"south"}'
SELECT supaglue.create_provider(jsonb_build_object('id', 7000, 'provider_name', 'salesforce',
  'config', jsonb_build_object('login_url', :'simulator', 'oauth',
    '{"oauth_scopes": ["api", "refresh_token"],
      "credentials": {"client_id": "our app", "client_secret": "app-s3cret"}}'::jsonb))) AS provider_id \gset
SELECT supaglue.create_destination('{"name": "here", "schema": "auth"}') AS destination_id \gset
SELECT supaglue.create_sync_config(jsonb_build_object('name', 'contacts', 'destination_name', 'here', 'provider_name', 'salesforce',
  'default_config', '{"period_ms": 3600000, "auto_start_on_connection": false}'::jsonb,
  'standard_objects', '[{"object": "Contact", "table": "people"}]'::jsonb)) AS config_id \gset
SELECT supaglue.upsert_customer('acme');
SELECT supaglue.upsert_customer('globex');

-- The parameters of an address, as an application has them.
CREATE FUNCTION pg_temp.parameters(url text) RETURNS jsonb LANGUAGE sql AS $$
  SELECT jsonb_object_agg(split_part(pair, '=', 1),
    replace(replace(replace(replace(split_part(pair, '=', 2), '%3A', ':'), '%2F', '/'), '%20', ' '), '%3F', '?'))
  FROM regexp_split_to_table(regexp_replace(url, '^[^?]*\?', ''), '&') AS pair $$;

-- What the provider must know of the application first.
SELECT supaglue.oauth_connect_url('acme', 'salesforce', '/done');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.update_provider(:provider_id, '{"config": {"oauth": {"redirect_uri": "https://app.example/callback"}}}');

-- The address shows what it must and hides what it can.
SELECT supaglue.oauth_connect_url('acme', 'salesforce', 'https://app.example/done', '{"prompt": "login", "login_hint": "north"}') AS url \gset
SELECT replace(split_part(:'url', '?', 1), :'simulator', 'SIMULATOR') AS page;
SELECT key, CASE WHEN key IN ('state', 'code_challenge') THEN length(value)::text ELSE value END AS value
FROM jsonb_each_text(pg_temp.parameters(:'url')) ORDER BY key;
SELECT count(*), bool_or(s::text LIKE '%' || (pg_temp.parameters(:'url') ->> 'state') || '%') AS shows_state,
  min(expires_at) > now() + '9 min' AND max(expires_at) <= now() + '11 min' AS ten_minutes
FROM supaglue_internal.oauth_states s;

-- Nothing is changed by asking.
SELECT count(*) FROM supaglue.connections WHERE application_id = 'auth';

-- The customer consents.
\setenv CONNECT_URL :url
\set back `curl -fsS -o /dev/null -w '%{redirect_url}' "$CONNECT_URL" -d decision=allow -d account=north`
SELECT * FROM supaglue.oauth_callback(pg_temp.parameters(:'back'), 'acme') \gset
SELECT :connection_id > 0 AS connection, :'customer_id' AS customer_id, :'return_url' AS return_url, :'outcome' AS outcome, :'message' AS message;
SELECT status, account_id IS NOT NULL AS account_id, account_name, replace(instance_url, :'simulator', 'SIMULATOR') AS instance_url,
  token_refreshed_at IS NOT NULL AS token FROM supaglue.connections WHERE id = :connection_id;
SELECT object, paused_by FROM supaglue.syncs WHERE connection_id = :connection_id;
SELECT kind FROM supaglue.events WHERE application_id = 'auth' ORDER BY id;
SELECT supaglue.sync_id('acme', 'salesforce', 'Contact') AS sync \gset
SELECT status, records_inserted > 0 AS has_records FROM supaglue.materialize(:sync);

-- A state is good once.
SELECT * FROM supaglue.oauth_callback(pg_temp.parameters(:'back'), 'acme');

-- Again: the same connection with other credentials; what the refusal paused goes on, what a user paused stays.
UPDATE supaglue_internal.connections SET status = 'reauthorization_required', status_reason = 'refused' WHERE id = :connection_id;
UPDATE supaglue_internal.syncs SET paused_by = '{user,authentication}', next_run_at = 'infinity' WHERE id = :sync;
SELECT generation AS before FROM supaglue_internal.tokens WHERE connection_id = :connection_id \gset
SELECT supaglue.oauth_connect_url('acme', 'salesforce', '/done') AS url \gset
\setenv CONNECT_URL :url
\set back `curl -fsS -o /dev/null -w '%{redirect_url}' "$CONNECT_URL" -d decision=allow -d account=north`
SELECT connection_id = :connection_id AS same, customer_id, return_url, outcome, message FROM supaglue.oauth_callback(pg_temp.parameters(:'back'));
SELECT status, status_reason, generation - :before AS renewed, paused_by, next_run_at <= now() AS due, watermark IS NOT NULL AS watermark
FROM supaglue.connections c JOIN supaglue_internal.tokens t ON t.connection_id = c.id JOIN supaglue.syncs s ON s.connection_id = c.id WHERE c.id = :connection_id;
SELECT status FROM supaglue.materialize(:sync);

-- Another account is refused ...
SELECT supaglue.oauth_connect_url('acme', 'salesforce', '/done') AS url \gset
\setenv CONNECT_URL :url
\set back `curl -fsS -o /dev/null -w '%{redirect_url}' "$CONNECT_URL" -d decision=allow -d account=south`
SELECT connection_id = :connection_id AS same, outcome, message FROM supaglue.oauth_callback(pg_temp.parameters(:'back'));
SELECT account_name, generation - :before AS renewed FROM supaglue.connections c JOIN supaglue_internal.tokens t ON t.connection_id = c.id WHERE c.id = :connection_id;
-- ... unless it was asked for: then everything is read anew, and what the old one had is marked.
SELECT count(*) AS of_north FROM auth.people WHERE NOT _supaglue_is_deleted \gset
UPDATE supaglue_internal.connections SET config = config || jsonb_build_object('instance_url', :'simulator' || '/org/north') WHERE id = :connection_id;
SELECT supaglue.oauth_connect_url('acme', 'salesforce', '/done', '{"replace_account": true}') AS url \gset
\setenv CONNECT_URL :url
\set back `curl -fsS -o /dev/null -w '%{redirect_url}' "$CONNECT_URL" -d decision=allow -d account=south`
SELECT connection_id = :connection_id AS same, outcome, message FROM supaglue.oauth_callback(pg_temp.parameters(:'back'));
SELECT account_name, replace(instance_url, :'simulator', 'SIMULATOR') AS instance_url, phase, watermark FROM supaglue.connections c JOIN supaglue.syncs s ON s.connection_id = c.id WHERE c.id = :connection_id;
SELECT status, strategy, records_deleted = :of_north AS all_of_north FROM supaglue.materialize(:sync);

-- The customer denies; the provider fails by itself.
SELECT supaglue.oauth_connect_url('globex', 'salesforce', '/done') AS url \gset
\setenv CONNECT_URL :url
\set back `curl -fsS -o /dev/null -w '%{redirect_url}' "$CONNECT_URL" -d decision=deny -d account=south`
SELECT * FROM supaglue.oauth_callback(pg_temp.parameters(:'back'), 'globex');
SELECT * FROM supaglue.oauth_callback(pg_temp.parameters(:'back'), 'globex');
SELECT supaglue.oauth_connect_url('globex', 'salesforce', '/done') AS url \gset
SELECT * FROM supaglue.oauth_callback(jsonb_build_object('state', pg_temp.parameters(:'url') -> 'state', 'error', 'invalid_scope'));

-- Too late.
SELECT supaglue.oauth_connect_url('globex', 'salesforce', '/done') AS url \gset
UPDATE supaglue_internal.oauth_states SET expires_at = now();
\setenv CONNECT_URL :url
\set back `curl -fsS -o /dev/null -w '%{redirect_url}' "$CONNECT_URL" -d decision=allow -d account=south`
SELECT * FROM supaglue.oauth_callback(pg_temp.parameters(:'back'), 'globex');
SELECT count(*) FROM supaglue_internal.oauth_states;

-- In another customer's session: he learns nothing, and it is spent.
SELECT supaglue.oauth_connect_url('globex', 'salesforce', '/done') AS url \gset
\setenv CONNECT_URL :url
\set back `curl -fsS -o /dev/null -w '%{redirect_url}' "$CONNECT_URL" -d decision=allow -d account=south`
SELECT * FROM supaglue.oauth_callback(pg_temp.parameters(:'back'), 'acme');
SELECT * FROM supaglue.oauth_callback(pg_temp.parameters(:'back'), 'globex');
-- A state that nobody gave.
SELECT * FROM supaglue.oauth_callback('{"state": "guessed", "code": "south:code"}');

-- The code of another consent: the provider finds that the verifier is not its.
SELECT supaglue.oauth_connect_url('acme', 'salesforce', '/done') AS other \gset
SELECT supaglue.oauth_connect_url('globex', 'salesforce', '/done') AS url \gset
\setenv CONNECT_URL :other
\set back `curl -fsS -o /dev/null -w '%{redirect_url}' "$CONNECT_URL" -d decision=allow -d account=south`
SELECT outcome, message FROM supaglue.oauth_callback(pg_temp.parameters(:'back') || jsonb_build_object('state', pg_temp.parameters(:'url') -> 'state'), 'globex');

-- The provider is away; it refuses the app, and repeats what it must not; it gives no refresh token.
SELECT supaglue.oauth_connect_url('globex', 'salesforce', '/done') AS url \gset
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/fault" -d '{"kind":"status","status":503,"match":{"org":"south","kind":"token"}}'
SELECT * FROM supaglue.oauth_callback(jsonb_build_object('state', pg_temp.parameters(:'url') -> 'state', 'code', 'south:code'));
SELECT outcome FROM supaglue.oauth_callback(jsonb_build_object('state', pg_temp.parameters(:'url') -> 'state', 'code', 'south:code'));
SELECT supaglue.oauth_connect_url('globex', 'salesforce', '/done') AS url \gset
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/fault" -d '{"kind":"status","status":400,"match":{"org":"south","kind":"token"},"body":{"error":"invalid_client","error_description":"app-s3cret is not the secret, nor is south:c0de"}}'
SELECT outcome, message FROM supaglue.oauth_callback(jsonb_build_object('state', pg_temp.parameters(:'url') -> 'state', 'code', 'south:c0de'));
SELECT supaglue.oauth_connect_url('globex', 'salesforce', '/done', '{"scopes": ["api"]}') AS url \gset
\setenv CONNECT_URL :url
\set back `curl -fsS -o /dev/null -w '%{redirect_url}' "$CONNECT_URL" -d decision=allow -d account=south`
SELECT outcome, message FROM supaglue.oauth_callback(pg_temp.parameters(:'back'));
SELECT count(*) FROM supaglue.connections WHERE customer_id = 'globex';
-- Whose account it is, is told by the token already: that the name cannot be asked for does not matter.
SELECT supaglue.oauth_connect_url('globex', 'salesforce', '/done', jsonb_build_object('login_url', :'simulator')) AS url \gset
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/fault" -d '{"kind":"status","status":403,"match":{"org":"south","path_contains":"userinfo"}}'
SELECT connection_id AS globex, outcome, message FROM supaglue.oauth_callback(jsonb_build_object('state', pg_temp.parameters(:'url') -> 'state', 'code', 'south:code')) \gset
SELECT :'outcome' AS outcome, :'message' AS message;
SELECT account_id IS NOT NULL AS account_id, account_name FROM supaglue.connections WHERE id = :globex;
SELECT success FROM supaglue.test_connection(:globex);
SELECT config ->> 'login_url' = :'simulator' AS login_url FROM supaglue_internal.connections WHERE id = :globex;

-- Rolled back, nothing is there, and the provider takes the code no more.
SELECT supaglue.delete_connection(:globex);
SELECT supaglue.oauth_connect_url('globex', 'salesforce', '/done') AS url \gset
\setenv CONNECT_URL :url
\set back `curl -fsS -o /dev/null -w '%{redirect_url}' "$CONNECT_URL" -d decision=allow -d account=south`
BEGIN;
SELECT outcome FROM supaglue.oauth_callback(pg_temp.parameters(:'back'));
ROLLBACK;
SELECT outcome, message FROM supaglue.oauth_callback(pg_temp.parameters(:'back'));
SELECT count(*) FROM supaglue.connections WHERE customer_id = 'globex';

-- Magic links.
SELECT id AS link, token, expires_at FROM supaglue.create_magic_link('globex', 'salesforce', '/thanks', '1 hour') \gset
SELECT length(:'token'), :'expires_at'::timestamptz > now() + '59 min' AS an_hour;
SELECT count(*) FROM supaglue_internal.magic_links l WHERE l::text LIKE '%' || :'token' || '%';
SELECT supaglue.redeem_magic_link(:'token') AS url \gset
SELECT supaglue.redeem_magic_link(:'token');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.redeem_magic_link('guessed');
\echo :LAST_ERROR_SQLSTATE
SELECT token FROM supaglue.create_magic_link('globex', 'salesforce', '/thanks') \gset
UPDATE supaglue_internal.magic_links SET expires_at = now() WHERE redeemed_at IS NULL;
SELECT supaglue.redeem_magic_link(:'token');
\echo :LAST_ERROR_SQLSTATE
\setenv CONNECT_URL :url
\set back `curl -fsS -o /dev/null -w '%{redirect_url}' "$CONNECT_URL" -d decision=allow -d account=south`
SELECT customer_id, return_url, outcome, message FROM supaglue.oauth_callback(pg_temp.parameters(:'back'));

-- Misuse.
SELECT supaglue.oauth_callback('{"code": "south:code"}');
SELECT supaglue.oauth_callback('{"state": "s"}');
SELECT supaglue.oauth_callback('{"state": ["s", "s"], "code": "c"}');
SELECT supaglue.oauth_callback('[]');
SELECT supaglue.oauth_callback(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.oauth_connect_url('acme', 'salesforce', '/done') AS url \gset
BEGIN READ ONLY;
SELECT supaglue.oauth_callback(jsonb_build_object('state', pg_temp.parameters(:'url') -> 'state', 'code', 'south:code'));
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
SELECT supaglue.oauth_connect_url('acme', 'nobody', '/done');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.oauth_connect_url('nobody', 'salesforce', '/done');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.oauth_connect_url('acme', 'salesforce', '/done', application_id => 'elsewhere');
SELECT supaglue.oauth_connect_url('acme', 'salesforce', NULL);
SELECT supaglue.oauth_connect_url('acme', 'salesforce', 'javascript:alert(1)');
SELECT supaglue.oauth_connect_url('acme', 'salesforce', '//evil.example');
SELECT supaglue.oauth_connect_url('acme', 'salesforce', '/done', '{"redirect_uri": "https://evil.example"}');
SELECT supaglue.oauth_connect_url('acme', 'salesforce', '/done', '{"replace_acount": true}');
SELECT supaglue.oauth_connect_url('acme', 'salesforce', '/done', '{"login_url": "login.salesforce.com"}');
SELECT supaglue.create_magic_link('acme', 'salesforce', '/done', '-1 day');
SELECT supaglue.create_magic_link('nobody', 'salesforce', '/done');
SELECT supaglue.create_magic_link('acme', 'salesforce', '//evil.example');

-- Nobody is let in unasked, and no secret is anywhere to be read.
CREATE ROLE regress_visitor;
GRANT USAGE ON SCHEMA supaglue TO regress_visitor;
SET ROLE regress_visitor;
SELECT supaglue.oauth_connect_url('acme', 'salesforce', '/done');
SELECT supaglue.oauth_callback('{"state": "s", "code": "c"}');
SELECT supaglue.create_magic_link('acme', 'salesforce', '/done');
SELECT supaglue.redeem_magic_link('t');
SELECT * FROM supaglue_internal.oauth_states;
RESET ROLE;
-- Those who are need no right on what lies behind.
GRANT EXECUTE ON FUNCTION supaglue.oauth_connect_url(text, text, text, jsonb, text), supaglue.oauth_callback(jsonb, text) TO regress_visitor;
SET ROLE regress_visitor;
SELECT supaglue.oauth_connect_url('acme', 'salesforce', '/done', '{"replace_account": true}') AS url \gset
SELECT outcome FROM supaglue.oauth_callback(jsonb_build_object('state', pg_temp.parameters(:'url') -> 'state', 'code', 'south:code'));
RESET ROLE;
REVOKE ALL ON FUNCTION supaglue.oauth_connect_url(text, text, text, jsonb, text), supaglue.oauth_callback(jsonb, text) FROM regress_visitor;
REVOKE ALL ON SCHEMA supaglue FROM regress_visitor;
DROP ROLE regress_visitor;
SELECT count(*) > 9 AS looked, string_agg(t::text, '') ~ 'app-s3cret|south:|north:|!AQ|verifier' AS shown FROM (
  SELECT p::text FROM supaglue.providers p UNION ALL SELECT c::text FROM supaglue.connections c
  UNION ALL SELECT e::text FROM supaglue.events e UNION ALL SELECT s::text FROM supaglue_internal.oauth_states s
  UNION ALL SELECT encode(verifier, 'escape') FROM supaglue_internal.oauth_states
  UNION ALL SELECT encode(secret, 'escape') FROM supaglue_internal.tokens
  UNION ALL SELECT encode(secret, 'escape') FROM supaglue_internal.providers) AS t (t);

-- A customer who goes takes open consents and links along.
SELECT supaglue.delete_connection(id) FROM supaglue.connections WHERE customer_id = 'globex';
SELECT supaglue.oauth_connect_url('globex', 'salesforce', '/done') AS url \gset
SELECT supaglue.delete_customer('globex');
SELECT * FROM supaglue.oauth_callback(jsonb_build_object('state', pg_temp.parameters(:'url') -> 'state', 'code', 'south:code'));

-- Credentials that are given instead: those of an app that acts for itself, and of one that vouches for a user.
SELECT supaglue.delete_connection(:connection_id);
SELECT supaglue.update_provider(:provider_id, '{"auth_type": "client_credentials"}');
SELECT supaglue.oauth_connect_url('acme', 'salesforce', '/done');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.create_connection('{"customer_id": "acme", "provider_name": "salesforce", "credentials": {"refresh_token": "north"}}');
SELECT supaglue.create_connection(jsonb_build_object('customer_id', 'acme', 'provider_name', 'salesforce', 'login_url', :'simulator' || '/org/north',
  'credentials', '{"type": "client_credentials", "client_id": "theirs", "client_secret": "their-s3cret"}'::jsonb)) AS connection_id \gset
SELECT * FROM supaglue.test_connection(:connection_id);
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/expire_tokens" -d '{"org":"north"}'
SELECT success FROM supaglue.test_connection(:connection_id);
SELECT supaglue.update_connection(:connection_id, '{"credentials": {"client_secret": "n3w"}}');
SELECT success FROM supaglue.test_connection(:connection_id);
SELECT supaglue.update_connection(:connection_id, '{"credentials": {"type": "basic", "username": "u", "password": "p"}}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.delete_connection(:connection_id);
SELECT supaglue.update_provider(:provider_id, '{"auth_type": "jwt_bearer"}');
\set key `openssl genrsa 2048 2>/dev/null`
SELECT supaglue.create_connection(jsonb_build_object('customer_id', 'acme', 'provider_name', 'salesforce',
  'credentials', jsonb_build_object('client_id', 'ours', 'username', 'south@acme.example', 'private_key', :'key'))) AS connection_id \gset
SELECT * FROM supaglue.test_connection(:connection_id);
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/expire_tokens" -d '{"org":"south"}'
SELECT success FROM supaglue.test_connection(:connection_id);
SELECT supaglue.update_connection(:connection_id, '{"credentials": {"private_key": "no k3y"}}');
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/expire_tokens" -d '{"org":"south"}'
SELECT * FROM supaglue.test_connection(:connection_id);
SELECT status, status_reason FROM supaglue.connections WHERE id = :connection_id;

-- HubSpot: no challenge, whose account it is is asked for; a private app's token instead, which no request renews.
SELECT supaglue.create_provider(jsonb_build_object('id', 7001, 'provider_name', 'hubspot',
  'config', jsonb_build_object('login_url', :'simulator', 'base_url', :'simulator', 'oauth',
    '{"oauth_scopes": ["oauth"], "redirect_uri": "https://app.example/callback", "credentials": {"client_id": "our app", "client_secret": "app-s3cret"}}'::jsonb))) AS hubspot \gset
SELECT supaglue.oauth_connect_url('acme', 'hubspot', '/done') AS url \gset
SELECT jsonb_object_keys(pg_temp.parameters(:'url')) AS parameter ORDER BY 1;
\setenv CONNECT_URL :url
\set back `curl -fsS -o /dev/null -w '%{redirect_url}' "$SUPAGLUE_SIMULATOR/oauth/authorize" -d "${CONNECT_URL#*\?}&decision=allow&account=north"`
SELECT outcome, message FROM supaglue.oauth_callback(pg_temp.parameters(:'back'), 'acme');
SELECT id AS portal, account_id ~ '^\d+$' AS account_id FROM supaglue.connections WHERE provider_name = 'hubspot' AND application_id = 'auth' \gset
SELECT :'account_id' AS account_id;
SELECT success FROM supaglue.test_connection(:portal);
SELECT supaglue.oauth_connect_url('acme', 'hubspot', '/done') AS url \gset
SELECT outcome FROM supaglue.oauth_callback(jsonb_build_object('state', pg_temp.parameters(:'url') -> 'state', 'code', 'south:code'));
-- Where nobody says whose account it is, nothing is connected.
SELECT supaglue.oauth_connect_url('acme', 'hubspot', '/done') AS url \gset
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/fault" -d '{"kind":"status","status":200,"match":{"provider":"hubspot","kind":"token"},"body":{"access_token":"pat-north","refresh_token":"north:x","expires_in":1800}}'
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/fault" -d '{"kind":"status","status":403,"match":{"provider":"hubspot","path_contains":"account-info"},"body":{"category":"MISSING_SCOPES","message":"no"}}'
SELECT outcome, message FROM supaglue.oauth_callback(jsonb_build_object('state', pg_temp.parameters(:'url') -> 'state', 'code', 'north:code'));
SELECT supaglue.delete_connection(:portal);
SELECT supaglue.update_provider(:hubspot, '{"auth_type": "api_key"}');
SELECT supaglue.create_connection('{"customer_id": "acme", "provider_name": "hubspot", "credentials": {"api_key": "pat-north"}}') AS portal \gset
SELECT success FROM supaglue.test_connection(:portal);
SELECT supaglue.update_connection(:portal, '{"credentials": {"api_key": "no k3y"}}');
SELECT success, message ~ 'k3y' AS shown FROM supaglue.test_connection(:portal);
SELECT supaglue.delete_connection(:portal);
SELECT supaglue.delete_provider(:hubspot);

SELECT supaglue.delete_connection(:connection_id);
SELECT supaglue.delete_customer('acme');
SELECT supaglue.delete_sync_config(:config_id, true);
SELECT supaglue.delete_destination(:destination_id);
SELECT supaglue.delete_provider(:provider_id);
DROP SCHEMA auth CASCADE;
