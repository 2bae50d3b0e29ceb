-- The tokens of connections: test_connection(), what a refusal does, and what undoes it. The syncs are paused
-- for the workers.
\getenv simulator SUPAGLUE_SIMULATOR
SET supaglue.application_id = 'tokens';
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS supaglue;
\set SHOW_CONTEXT never

\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/create_org" -d '{"org":"mint"}'
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/add_object" -d '{"org":"mint","object":"Coin__c","fields":[{"name":"Cents__c","type":"double"}]}'
SELECT supaglue.create_provider(jsonb_build_object('provider_name', 'salesforce', 'category', 'crm', 'auth_type', 'oauth2',
  'config', jsonb_build_object('login_url', :'simulator', 'oauth', jsonb_build_object(
    'credentials', '{"client_id": "a", "client_secret": "b"}'::jsonb)))) AS provider_id \gset
SELECT supaglue.create_destination('{"name": "here", "schema": "tok"}') AS destination_id \gset
SELECT supaglue.create_sync_config(jsonb_build_object('name', 'coins', 'destination_name', 'here', 'provider_name', 'salesforce',
  'default_config', '{"period_ms": 3600000, "auto_start_on_connection": false}'::jsonb,
  'custom_objects', '[{"object": "Coin", "table": "coins"}]'::jsonb)) AS config_id \gset
SELECT supaglue.upsert_customer('acme');
SELECT supaglue.create_connection('{"customer_id": "acme", "provider_name": "salesforce", "credentials": {"refresh_token": "mint"}}') AS connection_id \gset
SELECT supaglue.sync_id('acme', 'salesforce', 'Coin__c') AS sync \gset

-- It works, with a token that has to be got first, with that token, and with one that has expired.
SELECT token_refreshed_at, last_used_at FROM supaglue.connections WHERE id = :connection_id;
SELECT * FROM supaglue.test_connection(:connection_id);
SELECT token_refreshed_at IS NOT NULL AS refreshed, account_id IS NOT NULL AS account_id, last_used_at
FROM supaglue.connections WHERE id = :connection_id;
SELECT * FROM supaglue.test_connection(:connection_id);
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/expire_tokens" -d '{"org":"mint"}'
BEGIN READ ONLY;
SELECT * FROM supaglue.test_connection(:connection_id);
COMMIT;
-- An answer that does not name the account.
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/fault" -d '{"kind":"status","status":200,"match":{"org":"mint","path_contains":"userinfo"},"body":[]}'
SELECT * FROM supaglue.test_connection(:connection_id);

-- It does not, and the transaction goes on.
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/fault" -d '{"kind":"status","status":403,"match":{"org":"mint","path_contains":"userinfo"},"body":[{"errorCode":"API_DISABLED_FOR_ORG","message":"API is disabled for this org"}]}'
BEGIN;
SELECT * FROM supaglue.test_connection(:connection_id);
SELECT success FROM supaglue.test_connection(:connection_id);
COMMIT;
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/revoke" -d '{"org":"mint"}'
SELECT * FROM supaglue.test_connection(:connection_id);
SELECT status, status_reason FROM supaglue.connections WHERE id = :connection_id;

-- A refresh that is granted undoes it, and what the syncs suffered by it; nothing else.
UPDATE supaglue_internal.syncs SET paused_by = '{user,authentication}', pause_reason = 'refused', next_run_at = 'infinity' WHERE id = :sync;
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/revoke" -d '{"org":"mint","revoked":false}'
SELECT * FROM supaglue.test_connection(:connection_id);
SELECT status, status_reason FROM supaglue.connections WHERE id = :connection_id;
SELECT paused_by, pause_reason, next_run_at <= now() AS due FROM supaglue.syncs WHERE id = :sync;
SELECT kind FROM supaglue.events WHERE application_id = 'tokens' ORDER BY id;
-- So does a run that is good, of its sync.
UPDATE supaglue_internal.syncs SET paused_by = '{gone,user,authentication}', pause_reason = 'refused' WHERE id = :sync;
SELECT status FROM supaglue.materialize(:sync);
SELECT paused_by, pause_reason FROM supaglue.syncs WHERE id = :sync;
SELECT last_used_at = finished_at AS used FROM supaglue.connections c, supaglue.sync_runs WHERE c.id = :connection_id AND sync_id = :sync;
-- One that holds its sync while its token is refreshed does not wait for itself.
UPDATE supaglue_internal.connections SET status = 'reauthorization_required' WHERE id = :connection_id;
UPDATE supaglue_internal.syncs SET paused_by = '{user,authentication}' WHERE id = :sync;
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/expire_tokens" -d '{"org":"mint"}'
SET statement_timeout = '20s';
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT status FROM supaglue.connections WHERE id = :connection_id;
SELECT status FROM supaglue.materialize(:sync);
COMMIT;
RESET statement_timeout;
SELECT status, paused_by FROM supaglue.connections c JOIN supaglue.syncs s ON s.connection_id = c.id WHERE c.id = :connection_id;

-- Misuse.
SELECT supaglue.test_connection(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.test_connection(-1);
\echo :LAST_ERROR_SQLSTATE
BEGIN;
SELECT supaglue.update_connection(:connection_id, '{"credentials": {"refresh_token": "mint:new"}}');
\set VERBOSITY sqlstate
SELECT supaglue.test_connection(:connection_id);
\set VERBOSITY default
ROLLBACK;

SELECT supaglue.delete_connection(:connection_id);
SELECT supaglue.delete_customer('acme');
SELECT supaglue.delete_sync_config(:config_id, true);
SELECT supaglue.delete_destination(:destination_id);
SELECT supaglue.delete_provider(:provider_id);
DROP SCHEMA tok CASCADE;
