-- Of what comes more than once in a full run that the user asks for, the newest version stays, on whichever page it is; what the
-- provider has only in an older version than ours is as the provider has it. The sync is paused for the workers.
\getenv simulator SUPAGLUE_SIMULATOR
SET supaglue.application_id = 'newest';
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS supaglue;
\set SHOW_CONTEXT never

\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/create_org" -d '{"org":"new"}'
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/add_object" -d '{"org":"new","object":"Shell__c","fields":[{"name":"Weight__c","type":"string","length":255}]}'

SELECT supaglue.create_provider(jsonb_build_object('provider_name', 'salesforce', 'category', 'crm', 'auth_type', 'oauth2',
  'config', jsonb_build_object('login_url', :'simulator', 'oauth', jsonb_build_object(
    'credentials', '{"client_id": "a", "client_secret": "b"}'::jsonb)))) AS provider_id \gset
SELECT supaglue.create_destination('{"name": "here", "schema": "new"}') AS destination_id \gset
SELECT supaglue.create_sync_config(jsonb_build_object('name', 'shells', 'destination_name', 'here', 'provider_name', 'salesforce',
  'default_config', '{"period_ms": 3600000, "strategy": "full then incremental", "auto_start_on_connection": false}'::jsonb,
  'custom_objects', '[{"object": "Shell", "table": "shells", "columns": [{"field": "Weight__c", "as": "weight", "type": "integer"}]}]'::jsonb))
  AS config_id \gset
SELECT supaglue.upsert_customer('acme');
SELECT supaglue.create_connection('{"customer_id": "acme", "provider_name": "salesforce", "credentials": {"refresh_token": "new"}}') AS connection_id \gset
SELECT supaglue.sync_id('acme', 'salesforce', 'Shell__c') AS sync \gset

SELECT 'SELECT strategy, records_read AS read, records_inserted AS inserted, records_updated AS updated,'
  || ' records_unchanged AS unchanged, records_deleted AS deleted, values_nulled AS nulled FROM supaglue.materialize(' || :sync AS start \gset
\set run :start ');'
\set run_full :start ', true);'
SELECT 'SELECT t.id, extract(second FROM _supaglue_last_modified_at)::int AS stamp, _supaglue_raw_data ->> ''Weight__c'' AS raw, weight,'
  || ' _supaglue_is_deleted AS deleted, _supaglue_emitted_at = r.emitted_at AS written FROM new.shells t, supaglue.syncs s'
  || ' JOIN supaglue.sync_runs r ON r.id = s.last_run_id WHERE s.id = ' || :sync || ' ORDER BY t.id;' AS rows \gset

-- Gives the simulator a document, a page that it answers with.
\set told '\\setenv BODY :page \\\\ \\! curl -fsS -o /dev/null -H "Content-Type: application/json" "$SUPAGLUE_SIMULATOR/control/fault" -d "$BODY"'
-- A page of versions, each as "id second weight" or "id second weight deleted".
CREATE FUNCTION page(number int, of int, VARIADIC versions text[]) RETURNS text LANGUAGE sql AS $$
  SELECT jsonb_build_object('kind', 'status', 'status', 200,
    'match', jsonb_build_object('org', 'new', 'kind', CASE number WHEN 1 THEN 'query' ELSE 'query_more' END),
    'body', jsonb_build_object('totalSize', 3, 'done', number = of, 'records', jsonb_agg(jsonb_build_object(
        'Id', w[1], 'IsDeleted', w[4] IS NOT NULL, 'Weight__c', w[3], 'SystemModstamp', format('2030-01-01T00:00:%s.000+0000', w[2]))))
      || CASE WHEN number < of THEN jsonb_build_object('nextRecordsUrl', '/org/new/services/data/v62.0/query/01g-' || number) ELSE '{}' END)::text
  FROM unnest(versions) AS v, string_to_array(v, ' ') AS w
$$;

SELECT page(1, 1, 'a 30 30', 'b 30 30', 'c 30 30') AS page \gset
:told
:run
:rows

-- The newest comes first and is what we have; an older one follows.
SELECT page(1, 2, 'a 30 30', 'b 30 30', 'c 30 30') AS page \gset
:told
SELECT page(2, 2, 'a 20 heavy', 'b 30 30', 'c 10 10 deleted') AS page \gset
:told
:run_full
:rows

-- It comes after the older one.
SELECT page(1, 2, 'a 20 heavy', 'b 30 30', 'c 10 10 deleted') AS page \gset
:told
SELECT page(2, 2, 'a 30 30', 'c 30 30') AS page \gset
:told
:run_full
:rows

-- It comes between two, and is newer than what we have.
SELECT page(1, 3, 'a 20 20', 'b 10 heavy', 'c 30 30') AS page \gset
:told
SELECT page(2, 3, 'a 31 31', 'b 31 31') AS page \gset
:told
SELECT page(3, 3, 'a 29 29 deleted', 'b 30 30') AS page \gset
:told
:run_full
:rows

-- The provider has nothing but older ones. They change nothing unless the user asks for a full run.
SELECT page(1, 1, 'a 25 25', 'b 25 heavy', 'c 25 30 deleted') AS page \gset
:told
:run
:told
UPDATE supaglue_internal.syncs SET last_full_at = NULL WHERE id = :sync;
:run
:rows
:told
:run_full
:rows

-- One that was deleted is there again; of two that are older the newer is written, on whichever page it is.
SELECT page(1, 2, 'a 10 10', 'b 21 21', 'c 20 20') AS page \gset
:told
SELECT page(2, 2, 'a 20 20', 'b 11 heavy') AS page \gset
:told
:run_full
:rows
-- Of three, too; and of those that are equally new the one that came last.
SELECT page(1, 3, 'a 11 11', 'b 13 1', 'c 13 1') AS page \gset
:told
SELECT page(2, 3, 'a 12 12', 'b 13 2', 'c 13 2 deleted') AS page \gset
:told
SELECT page(3, 3, 'a 10 10', 'b 13 3', 'c 12 3') AS page \gset
:told
:run_full
:rows

-- That it is deleted is what we have, and stays.
SELECT page(1, 2, 'a 12 12', 'b 13 3', 'c 13 2 deleted') AS page \gset
:told
SELECT page(2, 2, 'c 10 10') AS page \gset
:told
:run_full
:rows

-- A run that recomputes all columns has written every row, but has seen nothing newer by that.
SELECT supaglue.update_sync_config(:config_id, '{"custom_objects": [{"object": "Shell", "table": "shells", "columns": [
  {"field": "Weight__c", "as": "weight", "type": "integer"}, {"field": "Weight__c", "as": "heft", "type": "text"}]}]}');
SELECT page(1, 2, 'a 09 9', 'b 13 3', 'c 09 9') AS page \gset
:told
SELECT page(2, 2, 'a 08 8', 'b 12 2') AS page \gset
:told
:run_full
:rows

-- What is new in this run is as any other.
SELECT page(1, 2, 'a 09 9', 'b 13 3', 'c 09 9', 'd 20 20', 'e 10 10') AS page \gset
:told
SELECT page(2, 2, 'd 10 heavy', 'e 20 20') AS page \gset
:told
:run_full
:rows

SELECT supaglue.delete_connection(:connection_id);
SELECT supaglue.delete_customer('acme');
SELECT supaglue.delete_sync_config(:config_id, true);
SELECT supaglue.delete_destination(:destination_id);
SELECT supaglue.delete_provider(:provider_id);
DROP FUNCTION page;
DROP SCHEMA new CASCADE;
