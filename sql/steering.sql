-- Steering syncs and workers: trigger, pause, resume, wait, start, stop, status. An application and an org of our own.
\getenv simulator SUPAGLUE_SIMULATOR
SET supaglue.application_id = 'steering';
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS supaglue;
RESET client_min_messages;
\set SHOW_CONTEXT never
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/create_org" -d '{"org":"steering"}'

SELECT supaglue.create_provider(jsonb_build_object('provider_name', 'salesforce', 'category', 'crm', 'auth_type', 'oauth2',
  'config', jsonb_build_object('login_url', :'simulator', 'oauth', jsonb_build_object(
    'credentials', '{"client_id": "a", "client_secret": "b"}'::jsonb)))) AS provider_id \gset
SELECT supaglue.create_destination('{"name": "here", "schema": "steering"}') AS destination_id \gset
SELECT supaglue.create_sync_config('{"name": "leads", "destination_name": "here", "provider_name": "salesforce",
  "default_config": {"period_ms": 3600000, "strategy": "full then incremental", "auto_start_on_connection": false},
  "standard_objects": [{"object": "Lead"}]}') AS config_id \gset
SELECT supaglue.upsert_customer('acme');
SELECT supaglue.create_connection('{"customer_id": "acme", "provider_name": "salesforce",
  "credentials": {"refresh_token": "steering"}}') AS connection_id \gset
SELECT supaglue.sync_id('acme', 'salesforce', 'Lead') AS sync \gset

-- Arguments.
SELECT supaglue.trigger_sync(NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.wait_for_sync(-1, NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.trigger_sync(-1);
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.pause_sync(-1);
SELECT supaglue.resume_sync(-1);
SELECT supaglue.wait_for_sync(-1);
\echo :LAST_ERROR_SQLSTATE

-- A sync that is paused from the start waits for nobody. Its number may differ from run to run.
DO $$
BEGIN
  PERFORM supaglue.wait_for_sync(supaglue.sync_id('acme', 'salesforce', 'Lead'));
EXCEPTION WHEN object_not_in_prerequisite_state THEN
  RAISE NOTICE '% %', SQLSTATE, regexp_replace(SQLERRM, '\d+', 'N');
END $$;

-- A trigger runs it once; what rolls back was never asked for.
BEGIN;
SELECT supaglue.trigger_sync(:sync);
ROLLBACK;
SELECT triggered, trigger_full FROM supaglue_internal.syncs WHERE id = :sync;
SELECT supaglue.trigger_sync(:sync);
SELECT status, strategy, reason, records_read, records_inserted FROM supaglue.wait_for_sync(:sync);
SELECT state, paused_by, pause_reason FROM supaglue.syncs WHERE id = :sync;
SELECT status FROM supaglue.wait_for_sync(:sync);

-- Resumed, it goes on by its schedule; that a full run was asked for is not forgotten by a second trigger.
SELECT supaglue.resume_sync(:sync);
SELECT state, paused_by, pause_reason FROM supaglue.syncs WHERE id = :sync;
BEGIN;
SELECT supaglue.trigger_sync(:sync, true);
SELECT supaglue.trigger_sync(:sync);
COMMIT;
SELECT status, strategy, reason, records_unchanged FROM supaglue.wait_for_sync(:sync);

-- Waiting sees what others commit, whatever the isolation of its own transaction.
SELECT supaglue.trigger_sync(:sync);
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) > 0 AS seen FROM supaglue.sync_runs;
SELECT status, strategy FROM supaglue.wait_for_sync(:sync);
COMMIT;

-- Pausing, twice, with and without a reason.
SELECT supaglue.pause_sync(:sync, 'moving house');
SELECT state, paused_by, pause_reason FROM supaglue.syncs WHERE id = :sync;
SELECT supaglue.pause_sync(:sync);
SELECT state, paused_by, pause_reason FROM supaglue.syncs WHERE id = :sync;

-- A pause for another reason is no user's to overrule or to end.
UPDATE supaglue_internal.syncs SET paused_by = '{user,permission}', pause_reason = 'the provider forbids' WHERE id = :sync;
DO $$
BEGIN
  PERFORM supaglue.trigger_sync(supaglue.sync_id('acme', 'salesforce', 'Lead'));
EXCEPTION WHEN object_not_in_prerequisite_state THEN
  RAISE NOTICE '% %', SQLSTATE, regexp_replace(SQLERRM, '\d+', 'N');
END $$;
SELECT supaglue.resume_sync(:sync);
SELECT state, paused_by, pause_reason FROM supaglue.syncs WHERE id = :sync;
UPDATE supaglue_internal.syncs SET paused_by = '{}', pause_reason = NULL WHERE id = :sync;

-- Waiting has an end.
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/hold" -d '{"match":{"org":"steering"}}'
SELECT supaglue.trigger_sync(:sync);
DO $$
BEGIN
  PERFORM supaglue.wait_for_sync(supaglue.sync_id('acme', 'salesforce', 'Lead'), '100 ms');
EXCEPTION WHEN query_canceled THEN
  RAISE NOTICE '% %', SQLSTATE, regexp_replace(SQLERRM, '\d+', 'N');
END $$;
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/release" -d '{}'
SELECT status FROM supaglue.wait_for_sync(:sync);

-- The workers. Those that were stopped are started again by the launcher.
SELECT kind, number, running, pid IS NOT NULL AS pid, started_at IS NOT NULL AS started FROM supaglue.worker_status ORDER BY 1;
SELECT supaglue.start_worker();
SELECT supaglue.stop_worker();
SELECT kind, number, running, message FROM supaglue.worker_status ORDER BY 1;
SELECT supaglue.trigger_sync(:sync);
SELECT status FROM supaglue.wait_for_sync(:sync);

SELECT supaglue.delete_sync_config(:config_id, true);
SELECT count(*) FROM supaglue_internal.runs WHERE sync_id = :sync;
