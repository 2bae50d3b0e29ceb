-- materialize(): what a run reads, what it writes and what it leaves alone. An application and an org of our own;
-- the syncs are paused for the workers, so that nobody else runs them.
\getenv simulator SUPAGLUE_SIMULATOR
SET supaglue.application_id = 'materialize';
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS supaglue;
\set SHOW_CONTEXT never

-- An object with few fields at the provider, and four records of it.
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/create_org" -d '{"org":"mat"}'
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/add_object" -d '{"org":"mat","object":"Book__c","fields":[{"name":"Copies__c","type":"double"}]}'
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/insert" -d '{"org":"mat","object":"Book__c","records":[{"Name":"Emma","Copies__c":1},{"Name":"Ulysses","Copies__c":2.5},{"Name":"Walden","Copies__c":3},{"Name":"Zadig"}]}'

SELECT supaglue.create_provider(jsonb_build_object('provider_name', 'salesforce', 'category', 'crm', 'auth_type', 'oauth2',
  'config', jsonb_build_object('login_url', :'simulator', 'oauth', jsonb_build_object(
    'credentials', '{"client_id": "a", "client_secret": "b"}'::jsonb)))) AS provider_id \gset
SELECT supaglue.create_destination('{"name": "here", "schema": "mat"}') AS destination_id \gset
SELECT supaglue.create_sync_config(jsonb_build_object('name', 'books', 'destination_name', 'here', 'provider_name', 'salesforce',
  'default_config', '{"period_ms": 3600000, "strategy": "full then incremental", "auto_start_on_connection": false}'::jsonb,
  'custom_objects', '[{"object": "Book", "table": "books"}]'::jsonb)) AS config_id \gset
SELECT supaglue.upsert_customer('acme');
SELECT supaglue.create_connection('{"customer_id": "acme", "provider_name": "salesforce", "credentials": {"refresh_token": "mat"}}') AS connection_id \gset
SELECT supaglue.sync_id('acme', 'salesforce', 'Book__c') AS sync \gset

CREATE VIEW shelf AS
SELECT _supaglue_raw_data ->> 'Name' AS name, _supaglue_raw_data -> 'Copies__c' AS copies, _supaglue_is_deleted AS deleted,
       row_number() OVER (ORDER BY id) AS n, dense_rank() OVER (ORDER BY _supaglue_emitted_at) AS run
FROM mat.books;
SELECT 'SELECT status, strategy, reason, records_read AS read, records_inserted AS inserted, records_updated AS updated,'
  || ' records_unchanged AS unchanged, records_deleted AS deleted FROM supaglue.materialize(' || :sync || ')' AS run,
  'SELECT status, strategy, reason, records_read AS read, records_inserted AS inserted, records_updated AS updated,'
  || ' records_unchanged AS unchanged, records_deleted AS deleted FROM supaglue.materialize(' || :sync || ', true)' AS run_full \gset

-- The first run is full.
:run;
SELECT name, copies, deleted FROM shelf ORDER BY n;
SELECT _supaglue_application_id, _supaglue_customer_id, _supaglue_provider_name, length(b.id),
       _supaglue_last_modified_at = (_supaglue_raw_data ->> 'SystemModstamp')::timestamptz AS stamp,
       _supaglue_emitted_at = emitted_at AS emitted
FROM mat.books b, supaglue.syncs s JOIN supaglue.sync_runs r ON r.id = s.last_run_id WHERE s.id = :sync LIMIT 1;
SELECT phase, state, paused_by, watermark < now() - interval '9 min' AND watermark > now() - interval '12 min' AS looks_back,
       data_through = watermark AS through, next_run_at > now() AS scheduled, consecutive_failures
FROM supaglue.syncs WHERE id = :sync;
SELECT kind, payload ->> 'result' AS result, payload ->> 'object' AS object, payload ->> 'num_records_synced' AS records,
       (payload ->> 'emitted_at')::timestamptz = r.emitted_at AS emitted
FROM supaglue.events e JOIN supaglue.sync_runs r ON r.id = e.run_id WHERE e.sync_id = :sync ORDER BY e.id;

-- Nothing changed: nothing is written, not even locked.
CREATE TABLE before AS SELECT id, ctid AS place, xmin::text AS written, xmax::text AS locked FROM mat.books;
:run;
SELECT count(*) FROM mat.books b JOIN before USING (id) WHERE b.ctid = place AND b.xmin::text = written AND b.xmax::text = locked;

-- Changed, deleted, new, and new but already deleted.
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/update" -d '{"org":"mat","object":"Book__c","where":"Name = '"'Emma'"'","set":{"Copies__c":10}}'
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/delete" -d '{"org":"mat","object":"Book__c","where":"Name = '"'Ulysses'"'"}'
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/insert" -d '{"org":"mat","object":"Book__c","records":[{"Name":"Candide"},{"Name":"Never here"}]}'
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/delete" -d '{"org":"mat","object":"Book__c","where":"Name = '"'Never here'"'"}'
:run;
SELECT name, copies, deleted, run FROM shelf ORDER BY n;

-- It comes back.
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/undelete" -d '{"org":"mat","object":"Book__c","where":"Name = '"'Ulysses'"'"}'
:run;
SELECT name, deleted, run FROM shelf ORDER BY n;

-- What vanishes without a trace is found missing by a full run only.
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/delete" -d '{"org":"mat","object":"Book__c","where":"Name = '"'Walden'"'","hard":true}'
:run;
:run_full;
SELECT name, deleted, run FROM shelf ORDER BY n;
:run_full;

-- Of duplicates the newest stays, wherever it stands; an older version than the stored one changes nothing.
SELECT id AS emma FROM mat.books WHERE _supaglue_raw_data ->> 'Name' = 'Emma' \gset
SELECT jsonb_build_object('kind', 'status', 'status', 200, 'match', '{"org": "mat", "kind": "query"}'::jsonb,
  'body', jsonb_build_object('totalSize', 4, 'done', true, 'records', jsonb_agg(jsonb_build_object(
    'Id', :'emma', 'IsDeleted', false, 'Name', name, 'Copies__c', copies, 'SystemModstamp', stamp)))) AS body
FROM (VALUES ('Emma', 30, '2099-01-01T00:00:03.000+0000'), ('Emma', 40, '2099-01-01T00:00:04.000+0000'),
             ('Emma', 20, '2099-01-01T00:00:02.000+0000'), ('Emma', 5, '2001-01-01T00:00:00.000+0000')) AS r(name, copies, stamp) \gset
\setenv BODY :body
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/fault" -d "$BODY"
:run;
SELECT name, copies FROM shelf WHERE name = 'Emma';
:run;
SELECT name, copies FROM shelf WHERE name = 'Emma';
-- Nor does a run that is full for a reason of our own.
UPDATE supaglue_internal.syncs SET last_full_at = NULL WHERE id = :sync;
:run;
SELECT name, copies FROM shelf WHERE name = 'Emma';
-- But a full run that the user asks for believes the provider.
:run_full;
SELECT name, copies FROM shelf WHERE name = 'Emma';

-- Whatever users put on the table survives and works: columns, triggers, indexes; all as the table's owner.
ALTER TABLE mat.books ADD COLUMN note text, ADD COLUMN title text GENERATED ALWAYS AS (_supaglue_raw_data ->> 'Name') STORED;
CREATE TABLE mat.history (what text, title text, who name);
CREATE FUNCTION mat.remember() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO mat.history VALUES (TG_OP, NEW._supaglue_raw_data ->> 'Name', current_user);
  RETURN NULL;
END $$;
CREATE TRIGGER remember AFTER INSERT OR UPDATE ON mat.books FOR EACH ROW EXECUTE FUNCTION mat.remember();
CREATE ROLE mat_owner;
SELECT format('GRANT CREATE ON DATABASE %I TO mat_owner', current_database()) \gexec
GRANT USAGE, CREATE ON SCHEMA mat TO mat_owner;
ALTER TABLE mat.books OWNER TO mat_owner;
ALTER TABLE mat.history OWNER TO mat_owner;
UPDATE supaglue_internal.sync_configs SET owner = 'mat_owner' WHERE id = :config_id;
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/insert" -d '{"org":"mat","object":"Book__c","records":[{"Name":"Hamlet"}]}'
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/update" -d '{"org":"mat","object":"Book__c","where":"Name = '"'Zadig'"'","set":{"Copies__c":7}}'
:run;
SELECT * FROM mat.history ORDER BY title;
SELECT title, note FROM mat.books WHERE title = 'Hamlet';
SELECT current_user = session_user AS myself, current_setting('row_security') AS row_security, current_setting('enable_seqscan') AS enable_seqscan;

-- A trigger that fails, fails the run, and nothing is left of it.
CREATE FUNCTION mat.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'no more books' USING ERRCODE = 'P0099'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON mat.books FOR EACH ROW EXECUTE FUNCTION mat.refuse();
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/insert" -d '{"org":"mat","object":"Book__c","records":[{"Name":"Faust"}]}'
SELECT count(*) AS runs FROM supaglue.sync_runs WHERE sync_id = :sync \gset before_
:run;
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) - :before_runs AS new_runs FROM supaglue.sync_runs WHERE sync_id = :sync;
DROP TRIGGER refuse ON mat.books;

-- A deferred trigger would run at commit, as the caller; so it runs at once, as the owner.
DROP TRIGGER remember ON mat.books;
TRUNCATE mat.history;
CREATE CONSTRAINT TRIGGER remember AFTER INSERT ON mat.books DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION mat.remember();
BEGIN;
:run;
SELECT * FROM mat.history;
COMMIT;

-- The owner may do no more than he may: here he lost the right to his table.
ALTER TABLE mat.books OWNER TO CURRENT_USER;
:run;
\echo :LAST_ERROR_SQLSTATE
UPDATE supaglue_internal.sync_configs SET owner = CURRENT_USER::regrole WHERE id = :config_id;

-- The caller's transaction decides, and a token that was refreshed meanwhile is not lost with it.
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/rotate" -d '{"mode":"strict"}'
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/expire_tokens" -d '{"org":"mat"}'
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/insert" -d '{"org":"mat","object":"Book__c","records":[{"Name":"Ivanhoe"}]}'
BEGIN;
:run;
ROLLBACK;
SELECT count(*) FROM shelf WHERE name = 'Ivanhoe';
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/expire_tokens" -d '{"org":"mat"}'
BEGIN ISOLATION LEVEL REPEATABLE READ;
:run;
COMMIT;
SELECT count(*) FROM shelf WHERE name = 'Ivanhoe';
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/expire_tokens" -d '{"org":"mat"}'
BEGIN READ ONLY;
:run;
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
:run;
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/rotate" -d '{"mode":"none"}'

-- Rows that are gone are read again.
TRUNCATE mat.books;
SELECT strategy, reason, records_inserted, warnings FROM supaglue.materialize(:sync);
DROP VIEW shelf;
DROP TABLE mat.books;
SELECT strategy, records_inserted FROM supaglue.materialize(:sync);
ALTER TABLE mat.books DROP COLUMN _supaglue_is_deleted, DROP COLUMN _supaglue_last_modified_at;
SELECT strategy, records_updated, records_unchanged FROM supaglue.materialize(:sync);

-- A table without the key is not ours.
ALTER TABLE mat.books DROP CONSTRAINT books_pkey;
:run;
\echo :LAST_ERROR_SQLSTATE
DROP TABLE mat.books;

-- A partitioned one is, if it has the key.
CREATE TABLE mat.books (
  _supaglue_application_id text COLLATE "C", _supaglue_customer_id text COLLATE "C",
  _supaglue_provider_name text COLLATE "C", id text COLLATE "C", shelf int DEFAULT 7,
  PRIMARY KEY (id, _supaglue_application_id, _supaglue_customer_id, _supaglue_provider_name)
) PARTITION BY HASH (id);
CREATE TABLE mat.books_0 PARTITION OF mat.books FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE mat.books_1 PARTITION OF mat.books FOR VALUES WITH (MODULUS 2, REMAINDER 1);
SELECT strategy, records_inserted FROM supaglue.materialize(:sync);
:run_full;
SELECT shelf, count(*) FROM mat.books GROUP BY 1;

-- Errors have the class of what happened, and leave nothing.
\set VERBOSITY terse
SELECT jsonb_build_object('kind', 'status', 'status', 403, 'match', '{"org": "mat", "kind": "query"}'::jsonb,
  'body', '[{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]'::jsonb) AS body \gset
\setenv BODY :body
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/fault" -d "$BODY"
:run;
\echo :LAST_ERROR_SQLSTATE
SELECT jsonb_build_object('kind', 'status', 'status', 403, 'match', '{"org": "mat", "kind": "query"}'::jsonb,
  'body', '[{"message": "insufficient access rights on object", "errorCode": "INSUFFICIENT_ACCESS"}]'::jsonb) AS body \gset
\setenv BODY :body
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/fault" -d "$BODY"
:run;
\echo :LAST_ERROR_SQLSTATE
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/fault" -d '{"kind":"garbage","match":{"org":"mat","kind":"query"}}'
:run;
\echo :LAST_ERROR_SQLSTATE
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/revoke" -d '{"org":"mat"}'
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/expire_tokens" -d '{"org":"mat"}'
:run;
\echo :LAST_ERROR_SQLSTATE
SELECT status, status_reason FROM supaglue.connections WHERE id = :connection_id;
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/revoke" -d '{"org":"mat","revoked":false}'
:run;
SELECT status, status_reason FROM supaglue.connections WHERE id = :connection_id;
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/remove_object" -d '{"org":"mat","object":"Book__c"}'
:run;
\echo :LAST_ERROR_SQLSTATE
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/clear_faults" -d '{}'
SELECT status, count(*) FROM supaglue.sync_runs WHERE sync_id = :sync GROUP BY 1;
SELECT count(*) FROM mat.books;
\set VERBOSITY default

-- Not while somebody else runs it.
BEGIN;
INSERT INTO supaglue_internal.runs (id, sync_id, fetch_id, worker, stage, slot, strategy, reason)
VALUES (-1, :sync, -1, 0, 'fetch', 0, 'full', 'manual');
\set VERBOSITY sqlstate
:run;
\set VERBOSITY default
ROLLBACK;
SELECT :'LAST_ERROR_MESSAGE' = 'sync ' || :sync || ' is running' AS told;
SELECT supaglue.materialize(NULL);
SELECT supaglue.materialize(-1);

-- Not in a copy.
BEGIN;
UPDATE supaglue_internal.installation SET system_identifier = 'another';
:run;
ROLLBACK;

SELECT supaglue.delete_connection(:connection_id);
SELECT supaglue.delete_customer('acme');
SELECT supaglue.delete_sync_config(:config_id, true);
SELECT supaglue.delete_destination(:destination_id);
SELECT supaglue.delete_provider(:provider_id);
SELECT count(*) FROM mat.books;
DROP TABLE before;
DROP SCHEMA mat CASCADE;
DROP OWNED BY mat_owner;
DROP ROLE mat_owner;
