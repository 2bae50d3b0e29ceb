-- Fields that come, go and change their type at the provider, and what the next runs make of it. An org of our own; the
-- sync is paused for the workers, but where a run of theirs is waited for.
\getenv simulator SUPAGLUE_SIMULATOR
SET supaglue.application_id = 'drift';
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS supaglue;
\set SHOW_CONTEXT never

\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/create_org" -d '{"org":"river"}'
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/add_object" -d '{"org":"river","object":"Stone__c","fields":[{"name":"Grams__c","type":"double"}]}'
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/insert" -d '{"org":"river","object":"Stone__c","records":[{"Name":"flint","Grams__c":5},{"Name":"slate","Grams__c":7}]}'
SELECT supaglue.create_provider(jsonb_build_object('name', 'salesforce', 'login_url', :'simulator', 'client_id', 'a', 'client_secret', 'b')) AS provider_id \gset
SELECT supaglue.create_destination('{"name": "here", "schema": "drift"}') AS destination_id \gset
SELECT supaglue.create_sync_config('{"name": "stones", "destination_name": "here", "provider_name": "salesforce",
  "default_config": {"period_ms": 3600000, "auto_start_on_connection": false},
  "custom_objects": [{"object": "Stone", "table": "stones"}]}') AS config_id \gset
SELECT supaglue.upsert_customer('otter');
SELECT supaglue.create_connection('{"customer_id": "otter", "provider_name": "salesforce", "credentials": {"refresh_token": "river"}}') AS connection_id \gset
SELECT supaglue.sync_id('otter', 'salesforce', 'Stone__c') AS sync \gset
CREATE VIEW pg_temp.changes AS
SELECT change, field, old_type, new_type, object_type, object, customer_id FROM supaglue.schema_changes WHERE sync_id = :sync ORDER BY id;
CREATE VIEW pg_temp.state AS SELECT next_reason, described_at > last_full_at AS described FROM supaglue_internal.syncs WHERE id = :sync;

SELECT strategy, records_inserted, requests FROM supaglue.materialize(:sync);
TABLE pg_temp.changes;

-- Within a day nobody asks: a poll is one request.
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/add_field" -d '{"org":"river","object":"Stone__c","field":{"name":"Hue__c","type":"string"}}'
SELECT strategy, requests FROM supaglue.materialize(:sync);
TABLE pg_temp.changes;
-- After that, one more. The field that is new comes along, and the next run is full for the sake of the other records.
UPDATE supaglue_internal.syncs SET described_at = now() - interval '1 day' WHERE id = :sync;
SELECT strategy, requests FROM supaglue.materialize(:sync);
TABLE pg_temp.changes;
TABLE pg_temp.state;
SELECT payload - 'connection_id' - 'run_id' FROM supaglue.events WHERE sync_id = :sync AND kind = 'schema.changed' ORDER BY id;
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/update" -d '{"org":"river","object":"Stone__c","where":"Name = '"'"'flint'"'"'","set":{"Hue__c":"grey"},"stamp":false}'
SELECT supaglue.resume_sync(:sync);
UPDATE supaglue_internal.syncs SET next_run_at = now() WHERE id = :sync;
INSERT INTO supaglue_internal.sync_changes VALUES (:sync);
SELECT supaglue_internal.wake_workers();
SELECT status, reason FROM supaglue.wait_for_sync(:sync);
SELECT supaglue.pause_sync(:sync);
SELECT status, strategy, reason, records_updated FROM supaglue.sync_runs WHERE sync_id = :sync ORDER BY id DESC LIMIT 1;
SELECT _supaglue_raw_data ->> 'Name' AS name, _supaglue_raw_data -> 'Hue__c' AS hue FROM drift.stones ORDER BY name;
TABLE pg_temp.state;
SELECT strategy, requests FROM supaglue.materialize(:sync);

-- A field that is gone is found out when it is asked for; another type is a change, too.
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/remove_field" -d '{"org":"river","object":"Stone__c","field":"Hue__c"}'
SELECT status, strategy FROM supaglue.materialize(:sync);
TABLE pg_temp.state;
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/remove_field" -d '{"org":"river","object":"Stone__c","field":"Grams__c"}'
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/add_field" -d '{"org":"river","object":"Stone__c","field":{"name":"Grams__c","type":"string"}}'
SELECT status, strategy FROM supaglue.materialize(:sync, true);
TABLE pg_temp.changes;
TABLE pg_temp.state;

-- A field that is excluded is told of, and nothing more is to be read for it. By the workers, this time.
SELECT supaglue.update_sync_config(:config_id, '{"custom_objects": [{"object": "Stone", "table": "stones", "exclude_fields": ["Age__c", "Grams__c"]}]}');
TABLE pg_temp.state;
SELECT strategy FROM supaglue.materialize(:sync);
SELECT count(*) FROM drift.stones WHERE _supaglue_raw_data ? 'Grams__c';
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/add_field" -d '{"org":"river","object":"Stone__c","field":{"name":"Age__c","type":"double"}}'
UPDATE supaglue_internal.syncs SET described_at = now() - interval '1 day' WHERE id = :sync;
SELECT supaglue.trigger_sync(:sync);
SELECT strategy, requests FROM supaglue.wait_for_sync(:sync);
SELECT change, field FROM pg_temp.changes OFFSET 3;
TABLE pg_temp.state;
-- No longer excluded: the next run is full. Another change of the sync config is none of the fields.
SELECT supaglue.update_sync_config(:config_id, '{"custom_objects": [{"object": "Stone", "table": "stones", "exclude_fields": ["Age__c"]}]}');
SELECT strategy FROM supaglue.materialize(:sync);
SELECT count(*) FROM drift.stones WHERE _supaglue_raw_data ? 'Grams__c';
SELECT supaglue.update_sync_config(:config_id, '{"default_config": {"period_ms": 7200000}}');
TABLE pg_temp.state;
-- What is rolled back has not been.
SELECT count(*) FROM supaglue.events WHERE sync_id = :sync AND kind = 'schema.changed';
BEGIN;
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/add_field" -d '{"org":"river","object":"Stone__c","field":{"name":"Void__c","type":"double"}}'
SELECT strategy FROM supaglue.materialize(:sync, true);
SELECT change, field FROM pg_temp.changes OFFSET 4;
ROLLBACK;
SELECT count(*) FROM pg_temp.changes WHERE field = 'Void__c';

SELECT supaglue.delete_sync_config(:config_id, true);
SELECT supaglue.delete_connection(:connection_id);
SELECT supaglue.delete_customer('otter'), supaglue.delete_destination(:destination_id), supaglue.delete_provider(:provider_id);
DROP VIEW pg_temp.changes, pg_temp.state;
DROP SCHEMA drift CASCADE;
