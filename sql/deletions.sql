-- Deletions by absence: when they are applied and when held, what confirms and what disproves them, and the provider's
-- own count. An application and an org of our own; the sync is paused for the workers.
\getenv simulator SUPAGLUE_SIMULATOR
SET supaglue.application_id = 'deletions';
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS supaglue;
\set SHOW_CONTEXT never

\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/create_org" -d '{"org":"del"}'
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/add_object" -d '{"org":"del","object":"Pebble__c","fields":[{"name":"Weight__c","type":"double"}]}'
-- 60 whose name begins with a, 50 with b, 70 with c, 120 with d.
SELECT jsonb_build_object('org', 'del', 'object', 'Pebble__c', 'records', jsonb_agg(jsonb_build_object('Name',
  CASE WHEN n <= 60 THEN 'a' WHEN n <= 110 THEN 'b' WHEN n <= 180 THEN 'c' ELSE 'd' END || n))) AS body
FROM generate_series(1, 300) AS n \gset
\setenv BODY :body
\! curl -fsS -o /dev/null -H 'Content-Type: application/json' "$SUPAGLUE_SIMULATOR/control/insert" -d "$BODY"

SELECT supaglue.create_provider(jsonb_build_object('provider_name', 'salesforce', 'category', 'crm', 'auth_type', 'oauth2',
  'config', jsonb_build_object('login_url', :'simulator', 'oauth', jsonb_build_object(
    'credentials', '{"client_id": "a", "client_secret": "b"}'::jsonb)))) AS provider_id \gset
SELECT supaglue.create_destination('{"name": "here", "schema": "del"}') AS destination_id \gset
SELECT supaglue.create_sync_config(jsonb_build_object('name', 'pebbles', 'destination_name', 'here', 'provider_name', 'salesforce',
  'default_config', '{"period_ms": 3600000, "strategy": "full then incremental", "auto_start_on_connection": false}'::jsonb,
  'custom_objects', '[{"object": "Pebble", "table": "pebbles"}]'::jsonb)) AS config_id \gset
SELECT supaglue.upsert_customer('acme');
SELECT supaglue.create_connection('{"customer_id": "acme", "provider_name": "salesforce", "credentials": {"refresh_token": "del"}}') AS connection_id \gset
SELECT supaglue.sync_id('acme', 'salesforce', 'Pebble__c') AS sync \gset

SELECT 'SELECT strategy, records_read AS read, records_inserted AS inserted, records_updated AS updated,'
  || ' records_unchanged AS unchanged, records_deleted AS deleted, provider_count AS said, warnings FROM supaglue.materialize('
  || :sync AS start \gset
\set run :start ');'
\set run_full :start ', true);'
SELECT 'SELECT count(*) FILTER (WHERE _supaglue_is_deleted) AS gone, count(*) FILTER (WHERE NOT _supaglue_is_deleted) AS there,'
  || ' (SELECT held_deletions FROM supaglue.syncs WHERE id = ' || :sync || ') AS held FROM del.pebbles;' AS rows \gset

-- Gives the simulator a document, its next answer.
\set told '\\setenv BODY :body \\\\ \\! curl -fsS -o /dev/null -H "Content-Type: application/json" "$SUPAGLUE_SIMULATOR/control/fault" -d "$BODY"'
-- The provider's next answer lacks records by their names: their rows are absent then.
CREATE FUNCTION answer_without(lacking text, lacks int DEFAULT 0) RETURNS text LANGUAGE sql AS $$
  SELECT jsonb_build_object('kind', 'status', 'status', 200, 'match', '{"org": "del", "kind": "query"}'::jsonb,
    'body', jsonb_build_object('totalSize', count(*) + lacks, 'done', true, 'records', jsonb_agg(_supaglue_raw_data)))::text
  FROM del.pebbles WHERE _supaglue_raw_data ->> 'Name' !~ lacking
$$;

:run
:rows

-- 60 of 300 are 20 %, not more: they are marked; and come back.
SELECT answer_without('^a') AS body \gset
:told
:run_full
:rows
:run_full
:rows

-- 70 are more: they are held, and what else the run found is written.
SELECT answer_without('^c') AS body \gset
:told
UPDATE del.pebbles SET _supaglue_raw_data = '{}' WHERE _supaglue_raw_data ->> 'Name' = 'd300';
:run_full
:rows
SELECT kind, run_id = (SELECT last_run_id FROM supaglue.syncs WHERE id = :sync) AS of_the_run, payload - 'connection_id' - 'run_id' AS payload
FROM supaglue.events WHERE sync_id = :sync AND kind = 'sync.deletions_held';

-- A full run that finds them again disproves it.
:run_full
:rows

-- So does an incremental run for those that it reads; one that the provider says is deleted is deleted.
SELECT answer_without('^c') AS body \gset
:told
:run_full
UPDATE supaglue_internal.syncs SET watermark = (
  SELECT max(_supaglue_last_modified_at) + interval '1 ms' FROM del.pebbles) WHERE id = :sync;
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/clock" -d '{"offset_seconds":3600}'
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/update" -d '{"org":"del","object":"Pebble__c","where":"Name = '"'c111'"'","set":{"Weight__c":8}}'
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/delete" -d '{"org":"del","object":"Pebble__c","where":"Name = '"'c112'"'"}'
:run
:rows

-- Confirming is a run that asks the provider nothing, and rolls back with the caller.
BEGIN;
SELECT status, strategy, reason, records_deleted, requests, emitted_at > started_at AS emitted FROM supaglue.confirm_deletions(:sync);
:rows
ROLLBACK;
:rows
SELECT watermark AS watermark_before, next_run_at AS next_before FROM supaglue.syncs WHERE id = :sync \gset
SELECT id AS confirmation, records_deleted FROM supaglue.confirm_deletions(:sync) \gset
SELECT count(*) AS marked, :records_deleted AS told FROM del.pebbles
WHERE _supaglue_emitted_at = (SELECT emitted_at FROM supaglue.sync_runs WHERE id = :confirmation) AND _supaglue_is_deleted;
:rows
SELECT kind, payload ->> 'records_deleted' AS deleted FROM supaglue.events WHERE run_id = :confirmation;
SELECT watermark = :'watermark_before' AS watermark, next_run_at = :'next_before' AS next FROM supaglue.syncs WHERE id = :sync;
:run_full
:rows

-- What was held and is absent again is deleted; what is absent for the first time is judged by itself.
SELECT answer_without('^c') AS body \gset
:told
:run_full
:rows
SELECT answer_without('^(c|d)') AS body \gset
:told
:run_full
:rows
SELECT answer_without('^(c|d|b11)') AS body \gset
:told
:run_full
:rows
:run_full
:rows

-- Discarding forgets: the same is held anew.
SELECT answer_without('^c') AS body \gset
:told
:run_full
SELECT supaglue.discard_deletions(:sync);
:rows
:told
:run_full
:rows

-- Neither without anything that is held, nor of a sync that does not exist, nor while it runs.
BEGIN;
INSERT INTO supaglue_internal.runs (id, sync_id, fetch_id, worker, stage, slot, strategy, reason)
VALUES (-1, :sync, -1, 0, 'fetch', 0, 'full', 'manual');
\set VERBOSITY sqlstate
SELECT supaglue.confirm_deletions(:sync);
\set VERBOSITY default
ROLLBACK;
SELECT supaglue.discard_deletions(:sync);
\set VERBOSITY sqlstate
SELECT supaglue.confirm_deletions(:sync);
SELECT supaglue.discard_deletions(:sync);
\set VERBOSITY default
SELECT replace(:'LAST_ERROR_MESSAGE', :'sync', 'N') AS message;
SELECT supaglue.confirm_deletions(-1);
SELECT supaglue.discard_deletions(-1);
SELECT supaglue.confirm_deletions(NULL);
SELECT supaglue.discard_deletions(NULL);
BEGIN READ ONLY;
SELECT supaglue.confirm_deletions(:sync);
ROLLBACK;

-- The limits are configured: more than 10 %, but 50 rows are not more than 50; 49 are; never at 100 %.
SELECT supaglue.update_sync_config(:config_id, '{"default_config": {"deletion_stop_share": 0.1}}');
SELECT answer_without('^b') AS body \gset
:told
:run_full
:run_full
SELECT supaglue.update_sync_config(:config_id, '{"default_config": {"deletion_stop_rows": 49}}');
:told
:run_full
:rows
:run_full
SELECT supaglue.update_sync_config(:config_id, '{"default_config": {"deletion_stop_share": 1}}');
SELECT answer_without('^[bcd]') AS body \gset
:told
:run_full
:run_full
SELECT supaglue.update_sync_config(:config_id, '{"default_config": {"deletion_stop_share": null, "deletion_stop_rows": null}}');

-- New records do not make the share of the old ones smaller.
SELECT jsonb_set(b, '{body,records}', (SELECT jsonb_agg(jsonb_set(r, '{Id}', to_jsonb(left(r ->> 'Id', 12) || 'z' || right(r ->> 'Id', 5))))
    FROM jsonb_array_elements(b #> '{body,records}') AS r)) AS body FROM (SELECT answer_without('^[cd]')::jsonb) AS a (b) \gset
:told
:run_full
:rows
:run_full
:rows
:run_full
:rows

DELETE FROM del.pebbles WHERE id LIKE '____________z%';

-- A record that came without its id may be any of those that are absent: nothing is marked. Then it is.
SELECT jsonb_set(b, '{body,records}', (SELECT jsonb_agg(CASE r ->> 'Name' WHEN 'd300' THEN r || '{"Id": null}' ELSE r END)
    FROM jsonb_array_elements(b #> '{body,records}') AS r)) AS body FROM (SELECT answer_without('^d299')::jsonb) AS a (b) \gset
:told
:run_full
:rows
SELECT answer_without('^d299') AS body \gset
:told
:run_full
:run_full
:rows

-- A sync that starts over holds nothing: what is in the table is of another account, object or place.
SELECT answer_without('^c') AS body \gset
:told
:run_full
:rows
SELECT supaglue.update_sync_config(:config_id, '{"custom_objects": [{"object": "Pebble", "table": "stones"}]}');
:rows
SELECT supaglue.update_sync_config(:config_id, '{"custom_objects": [{"object": "Pebble", "table": "pebbles"}]}');
:told
:run
:rows
:run_full

-- The provider's own count: said and come differ, and no change explains it.
SELECT answer_without('^$', 10) AS body \gset
:told
:run_full
SELECT answer_without('^$', -10) AS body \gset
:told
:run_full

\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/clock" -d '{"offset_seconds":0}'
SELECT supaglue.delete_connection(:connection_id);
SELECT count(*) FROM supaglue_internal.held_deletions;
SELECT supaglue.delete_customer('acme');
SELECT supaglue.delete_sync_config(:config_id, true);
SELECT supaglue.delete_destination(:destination_id);
SELECT supaglue.delete_provider(:provider_id);
DROP FUNCTION answer_without;
DROP SCHEMA del CASCADE;
