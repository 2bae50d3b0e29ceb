-- Reading a provider live through foreign tables: what is asked, what comes back, and when it is refused. An application
-- and orgs of our own; the syncs are paused for the workers, so that no request but ours is counted.
\getenv simulator SUPAGLUE_SIMULATOR
SET supaglue.application_id = 'live';
-- Long before a wait for an event that never comes is over.
SET statement_timeout = '45s';
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS supaglue;
\set SHOW_CONTEXT never
CREATE SCHEMA live;

-- What the provider was asked since the last call.
CREATE TABLE live.answers (answer jsonb);
CREATE FUNCTION live.fetch(command text, options text DEFAULT '') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('COPY live.answers FROM PROGRAM %L',
                 format('curl -fsS %s/control/%s %s', current_setting('live.simulator'), command, options));
END $$;
CREATE FUNCTION live.control(command text, document text) RETURNS void LANGUAGE sql AS
$$ SELECT live.fetch(command, format('-d ''%s''', document)) $$;
CREATE FUNCTION live.asked(OUT a text, OUT b text) LANGUAGE plpgsql AS $$
DECLARE
  orgs jsonb;
BEGIN
  TRUNCATE live.answers;
  PERFORM live.fetch('counters');
  SELECT answer -> 'orgs' INTO orgs FROM live.answers;
  PERFORM live.control('reset_counters', '{}');
  SELECT string_agg(kind || ' ' || (orgs -> 'live_a' ->> kind), ', ') FILTER (WHERE (orgs -> 'live_a' ->> kind)::int > 0),
         string_agg(kind || ' ' || (orgs -> 'live_b' ->> kind), ', ') FILTER (WHERE (orgs -> 'live_b' ->> kind)::int > 0)
  INTO a, b FROM unnest('{token,describe,query,query_more}'::text[]) kind;
END $$;
-- What a statement fails with.
CREATE FUNCTION live.failure(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  hint text;
BEGIN
  EXECUTE statement;
  RETURN 'none';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
  RETURN concat_ws(' | ', SQLSTATE, SQLERRM, hint);
END $$;
SET live.simulator = :'simulator';

SELECT live.control('create_org', '{"org": "live_a"}'), live.control('create_org', '{"org": "live_b"}');
SELECT live.control('add_object', format('{"org": "live_%s", "object": "Animal__c", "fields": [{"name": "Legs__c", "type": "double"}]}', org))
FROM unnest('{a,b}'::text[]) AS org;
SELECT live.control('insert', '{"org": "live_a", "object": "Animal__c", "records": [{"Name": "ant", "Legs__c": 6},
  {"Name": "bee", "Legs__c": 6}, {"Name": "cat", "Legs__c": 4}, {"Name": "dodo", "Legs__c": 2}]}');
SELECT live.control('delete', '{"org": "live_a", "object": "Animal__c", "where": "Legs__c = 2"}');
SELECT live.control('insert', '{"org": "live_b", "object": "Animal__c", "records": [{"Name": "eel \u2603", "Legs__c": 0}]}');

SELECT supaglue.create_provider(jsonb_build_object('provider_name', 'salesforce', 'category', 'crm', 'auth_type', 'oauth2',
  'config', jsonb_build_object('login_url', :'simulator', 'oauth', jsonb_build_object(
    'credentials', '{"client_id": "a", "client_secret": "b"}'::jsonb)))) AS provider_id \gset
SELECT supaglue.create_destination('{"name": "here", "schema": "live"}') AS destination_id \gset
SELECT supaglue.create_sync_config('{"name": "animals", "destination_name": "here", "provider_name": "salesforce",
  "default_config": {"period_ms": 3600000, "strategy": "full then incremental", "auto_start_on_connection": false},
  "custom_objects": [{"object": "Animal", "table": "animals"}]}') AS config_id \gset
SELECT supaglue.upsert_customer('anna'), supaglue.upsert_customer('bert');
SELECT supaglue.create_connection('{"customer_id": "anna", "provider_name": "salesforce", "credentials": {"refresh_token": "live_a"}}') AS anna \gset
SELECT supaglue.create_connection('{"customer_id": "bert", "provider_name": "salesforce", "credentials": {"refresh_token": "live_b"}}') AS bert \gset
SELECT * FROM live.asked();

-- All records that exist now, of all customers.
SELECT _supaglue_application_id AS application, _supaglue_customer_id AS customer, _supaglue_provider_name AS provider,
       length(id) AS id, _supaglue_emitted_at = now() AS emitted, _supaglue_is_deleted AS deleted,
       _supaglue_raw_data ->> 'Name' AS name, _supaglue_raw_data -> 'Legs__c' AS legs,
       _supaglue_last_modified_at = (_supaglue_raw_data ->> 'SystemModstamp')::timestamptz AS stamp
FROM supaglue_live.animals ORDER BY name;
SELECT * FROM live.asked();

-- The synced table's rows that are not deleted are the same, raw data included; and what the sync learned saves a request.
SELECT status, records_inserted FROM supaglue.materialize(supaglue.sync_id('anna', 'salesforce', 'Animal__c'));
SELECT status, records_inserted FROM supaglue.materialize(supaglue.sync_id('bert', 'salesforce', 'Animal__c'));
SELECT * FROM live.asked();
CREATE FUNCTION live.differences() RETURNS bigint LANGUAGE sql AS $$
  SELECT count(*)
  FROM (SELECT _supaglue_application_id, _supaglue_customer_id, _supaglue_provider_name, id, _supaglue_is_deleted,
               _supaglue_raw_data, _supaglue_last_modified_at FROM live.animals WHERE NOT _supaglue_is_deleted) t
  FULL JOIN supaglue_live.animals l USING (_supaglue_application_id, _supaglue_customer_id, _supaglue_provider_name, id,
               _supaglue_is_deleted, _supaglue_raw_data, _supaglue_last_modified_at)
  WHERE l.id IS NULL OR t.id IS NULL $$;
SELECT live.differences();
SELECT * FROM live.asked();

-- What is asked is only what is needed.
EXPLAIN (VERBOSE, COSTS OFF) SELECT * FROM supaglue_live.animals;
EXPLAIN (VERBOSE, COSTS OFF) SELECT count(*) FROM supaglue_live.animals WHERE _supaglue_customer_id = 'anna';
EXPLAIN (VERBOSE, COSTS OFF) SELECT _supaglue_last_modified_at FROM supaglue_live.animals
WHERE _supaglue_customer_id IN ('anna', 'bert') AND id = 'a00000000000000AAA';
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM supaglue_live.animals WHERE id = ANY ('{a00000000000000AAA,a00000000000001AAA,no id}');
EXPLAIN (VERBOSE, COSTS OFF) SELECT a FROM supaglue_live.animals a WHERE id = current_user AND _supaglue_customer_id = lower('ANNA');
EXPLAIN (COSTS OFF) SELECT id FROM supaglue_live.animals;
SELECT * FROM live.asked();
SELECT count(*) FROM supaglue_live.animals WHERE _supaglue_customer_id = 'bert';
SELECT * FROM live.asked();

-- Ids: the provider gives only those; what is no id finds nothing, as in any table.
SELECT id AS ant FROM live.animals WHERE _supaglue_raw_data ->> 'Name' = 'ant' \gset
SELECT id AS cat FROM live.animals WHERE _supaglue_raw_data ->> 'Name' = 'cat' \gset
SELECT _supaglue_raw_data ->> 'Name' FROM supaglue_live.animals WHERE _supaglue_customer_id = 'anna' AND id = :'ant';
SELECT count(*) FROM supaglue_live.animals WHERE _supaglue_customer_id = 'anna' AND id IN (:'ant', :'cat', :'ant');
SELECT count(*) FROM supaglue_live.animals WHERE _supaglue_customer_id = 'anna' AND id = left(:'ant', 15);
SELECT * FROM live.asked();
SELECT count(*) FROM supaglue_live.animals WHERE id = 'it''s no id';
SELECT count(*) FROM supaglue_live.animals WHERE id IN ('x', 'y');
SELECT count(*) FROM supaglue_live.animals WHERE id = NULL::text;
SELECT count(*) FROM supaglue_live.animals WHERE id = ANY (NULL::text[]);
SELECT count(*) FROM supaglue_live.animals WHERE id = ANY ('{}');
SELECT count(*) FROM supaglue_live.animals WHERE _supaglue_customer_id = 'nobody';
SELECT * FROM live.asked();
-- More ids than a request can hold.
SELECT count(*) FROM supaglue_live.animals WHERE _supaglue_customer_id = 'anna'
  AND id = ANY (ARRAY(SELECT 'a00' || lpad(n::text, 15, '0') FROM generate_series(1, 250) n) || ARRAY[:'cat', :'ant', :'cat']);
SELECT * FROM live.asked();
-- An equality that is not one of bytes is not for the provider.
CREATE COLLATION live.loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
SELECT _supaglue_raw_data ->> 'Name' AS name FROM supaglue_live.animals WHERE id COLLATE live.loose = lower(:'ant');

-- A prepared statement's parameters.
PREPARE by_id(text, text) AS SELECT _supaglue_raw_data ->> 'Name' AS name FROM supaglue_live.animals WHERE _supaglue_customer_id = $1 AND id = $2;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (VERBOSE, COSTS OFF) EXECUTE by_id('anna', 'x');
EXECUTE by_id('anna', :'ant');
EXECUTE by_id('anna', :'cat');
EXECUTE by_id('bert', :'cat');
RESET plan_cache_mode;
SELECT * FROM live.asked();

-- The customer of the setting, when the query names none.
SET supaglue.customer_id = 'bert';
SELECT DISTINCT _supaglue_customer_id FROM supaglue_live.animals;
SELECT DISTINCT _supaglue_customer_id FROM supaglue_live.animals WHERE _supaglue_customer_id = 'anna';
EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM supaglue_live.animals;
RESET supaglue.customer_id;
SELECT * FROM live.asked();

-- Joins: the ids, or the customers, come from the other side; each pass asks for its own.
CREATE TABLE live.wanted (customer text, id text COLLATE "C");
INSERT INTO live.wanted VALUES ('anna', :'cat'), ('anna', :'ant'), ('anna', :'cat'), ('anna', NULL), ('anna', 'nothing');
ANALYZE live.wanted;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_material = off;
SET enable_memoize = off;
EXPLAIN (VERBOSE, COSTS OFF) SELECT a._supaglue_raw_data ->> 'Name' FROM live.wanted w JOIN supaglue_live.animals a ON a.id = w.id AND a._supaglue_customer_id = w.customer;
SELECT a._supaglue_raw_data ->> 'Name' AS name FROM live.wanted w JOIN supaglue_live.animals a ON a.id = w.id AND a._supaglue_customer_id = w.customer ORDER BY 1;
SELECT * FROM live.asked();
SELECT w.id IS NULL AS null, a._supaglue_raw_data ->> 'Name' AS name FROM live.wanted w LEFT JOIN supaglue_live.animals a ON a.id = w.id ORDER BY 1, 2;
SELECT * FROM live.asked();
SELECT w.customer, s.name FROM (VALUES ('bert'), ('anna'), ('bert')) w(customer), LATERAL (
  SELECT _supaglue_raw_data ->> 'Name' AS name FROM supaglue_live.animals WHERE _supaglue_customer_id = w.customer ORDER BY 1 DESC LIMIT 2) s;
SELECT * FROM live.asked();
-- A pass with the same values gives its page again, also when it was left in the middle.
SELECT n, count(a.id) FROM generate_series(1, 3) n LEFT JOIN supaglue_live.animals a ON a._supaglue_customer_id = 'anna' AND length(a.id) > n GROUP BY n ORDER BY n;
SELECT * FROM live.asked();
SELECT n, (SELECT count(*) FROM (SELECT FROM supaglue_live.animals a WHERE a._supaglue_customer_id = 'anna' AND length(a.id) > n LIMIT 2) s) FROM generate_series(1, 3) n;
SELECT * FROM live.asked();
SELECT n, EXISTS (SELECT FROM supaglue_live.animals a WHERE a._supaglue_raw_data ->> 'Name' = n) FROM unnest('{eel,ant,bee,fly}'::text[]) n;
RESET enable_hashjoin;
RESET enable_mergejoin;
RESET enable_material;
RESET enable_memoize;
SELECT a IS NOT NULL AS a FROM live.asked();

-- Beside a parallel scan, and with a token that has just expired.
CREATE TABLE live.large AS SELECT n, 'anna' AS customer FROM generate_series(1, 20000) n;
ANALYZE live.large;
SELECT live.control('expire_tokens', '{"org": "live_a"}');
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
EXPLAIN (COSTS OFF) SELECT count(*) FROM (SELECT customer, count(*) FROM live.large GROUP BY customer) l JOIN supaglue_live.animals a ON a._supaglue_customer_id = l.customer;
SELECT count(*) FROM (SELECT customer, count(*) FROM live.large GROUP BY customer) l JOIN supaglue_live.animals a ON a._supaglue_customer_id = l.customer;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
SELECT * FROM live.asked();

-- Several pages: 4,100 records come in three; a scan that stops early asks for no more.
SELECT live.control('add_object', '{"org": "live_a", "object": "Number__c", "fields": [{"name": "N__c", "type": "double"}]}');
\copy (SELECT jsonb_build_object('org', 'live_a', 'object', 'Number__c', 'records', jsonb_agg(jsonb_build_object('N__c', n))) FROM generate_series(1, 4100) n) TO PROGRAM 'curl -fsS -o /dev/null -H Content-Type:application/json "$SUPAGLUE_SIMULATOR/control/insert" -d @-'
CREATE FOREIGN TABLE live.numbers (_supaglue_customer_id text, id text COLLATE "C", _supaglue_raw_data jsonb)
SERVER supaglue_salesforce OPTIONS (object 'Number', object_type 'custom');
SET supaglue.customer_id = 'anna';
SELECT count(*), sum((_supaglue_raw_data -> 'N__c')::numeric), count(DISTINCT id) FROM live.numbers;
SELECT * FROM live.asked();
SELECT count(*) FROM (SELECT FROM live.numbers LIMIT 2000) s;
SELECT * FROM live.asked();
SELECT n, count(r.id) FROM generate_series(1, 2) n, LATERAL (SELECT id FROM live.numbers LIMIT 3000 + n) r GROUP BY n ORDER BY n;
SELECT * FROM live.asked();
-- A cursor goes on where it stood, and can go back.
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT (_supaglue_raw_data -> 'N__c')::int AS n FROM live.numbers;
FETCH 2 FROM c;
MOVE 1999 FROM c;
FETCH 1 FROM c;
FETCH BACKWARD 1 FROM c;
MOVE ALL FROM c;
FETCH RELATIVE 0 FROM c;
FETCH LAST FROM c;
COMMIT;
SELECT * FROM live.asked();
-- Two readings at once.
SELECT count(*) FROM live.numbers a JOIN live.numbers b USING (id);
SELECT * FROM live.asked();

-- Never fewer rows: an error on the way is an error, in the provider's words.
SELECT live.control('fault', '{"match": {"org": "live_a", "kind": "query_more"}, "after": 1, "kind": "status", "status": 403,
  "body": "[{\"errorCode\": \"INSUFFICIENT_ACCESS\", \"message\": \"you may not see this page\"}]"}');
SELECT count(id) FROM live.numbers;
\echo :LAST_ERROR_SQLSTATE
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM live.numbers;
MOVE 10 FROM c;
SELECT live.control('drop_locators', '{"org": "live_a"}');
MOVE ALL FROM c;
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
SELECT live.control('fault', '{"match": {"org": "live_a", "kind": "query"}, "kind": "garbage"}');
SELECT count(id) FROM live.numbers;
\echo :LAST_ERROR_SQLSTATE
SELECT live.control('clear_faults', '{}');
CREATE FOREIGN TABLE live.nothing (id text) SERVER supaglue_salesforce OPTIONS (object 'Nothing');
SELECT * FROM live.nothing;
\echo :LAST_ERROR_SQLSTATE
CREATE FOREIGN TABLE live.misspelt (id text) SERVER supaglue_salesforce OPTIONS (object 'No object');
SELECT * FROM live.misspelt;
\echo :LAST_ERROR_SQLSTATE
RESET supaglue.customer_id;

-- The limits of a scan.
SET supaglue.live_max_connections = 1;
SELECT count(*) FROM supaglue_live.animals;
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM supaglue_live.animals WHERE _supaglue_customer_id IN ('anna', 'bert');
RESET supaglue.live_max_connections;
SET supaglue.live_max_requests = 2;
SELECT count(*) FROM supaglue_live.animals;
SELECT count(id) FROM live.numbers WHERE _supaglue_customer_id = 'anna';
\echo :LAST_ERROR_SQLSTATE
SET enable_material = off;
SELECT count(*) FROM (VALUES ('anna'), ('bert'), ('anna')) w(customer), LATERAL (
  SELECT FROM supaglue_live.animals WHERE _supaglue_customer_id = w.customer LIMIT 1) s;
\echo :LAST_ERROR_SQLSTATE
RESET enable_material;
RESET supaglue.live_max_requests;

-- The right to read is SELECT on the table and USAGE on the server; through a view, its owner's.
CREATE ROLE live_reader;
GRANT USAGE ON SCHEMA live TO live_reader;
CREATE VIEW live.owned AS SELECT _supaglue_raw_data ->> 'Name' AS name FROM supaglue_live.animals;
GRANT SELECT ON live.owned TO live_reader;
SET ROLE live_reader;
SELECT count(*) FROM supaglue_live.animals;
RESET ROLE;
GRANT USAGE ON SCHEMA supaglue_live TO live_reader;
GRANT SELECT ON supaglue_live.animals TO live_reader;
SET ROLE live_reader;
SELECT count(*) FROM supaglue_live.animals;
\echo :LAST_ERROR_SQLSTATE
EXPLAIN (VERBOSE, COSTS OFF) SELECT count(*) FROM supaglue_live.animals;
SELECT count(*) FROM live.owned;
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER supaglue_salesforce TO live_reader;
SET ROLE live_reader;
SELECT count(*) FROM supaglue_live.animals;
SET search_path = public, pg_catalog;
SELECT count(*) FROM supaglue_live.animals WHERE id = 'x';
RESET search_path;
RESET ROLE;

-- Tokens are refreshed by a process of its own, whatever becomes of the transaction that needed one.
SELECT a IS NOT NULL AS a FROM live.asked();
SELECT live.control('rotate', '{"mode": "strict"}'), live.control('expire_tokens', '{}');
BEGIN READ ONLY;
SELECT count(*) FROM supaglue_live.animals WHERE _supaglue_customer_id = 'anna';
ROLLBACK;
SELECT live.control('expire_tokens', '{}');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT 1;
SELECT count(*) FROM supaglue_live.animals WHERE _supaglue_customer_id = 'anna';
SELECT 1 / 0;
ROLLBACK;
SELECT live.control('expire_tokens', '{}');
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT count(*) FROM supaglue_live.animals WHERE _supaglue_customer_id = 'anna';
ROLLBACK;
SELECT count(*) FROM supaglue_live.animals WHERE _supaglue_customer_id = 'anna';
SELECT * FROM live.asked();
SELECT live.control('rotate', '{"mode": "none"}');
SELECT token_refreshed_at > now() - interval '1 minute' AS refreshed, account_id IS NOT NULL AS account, status FROM supaglue.connections WHERE customer_id = 'anna';
-- A connection that nobody else can see yet has no keeper.
BEGIN;
SELECT supaglue.upsert_customer('carl');
SELECT supaglue.create_connection('{"customer_id": "carl", "provider_name": "salesforce", "credentials": {"refresh_token": "live_b"}}') AS carl \gset
SELECT regexp_replace(live.failure('SELECT FROM supaglue_live.animals WHERE _supaglue_customer_id = ''carl'''), '\d+ is', 'N is');
ROLLBACK;
BEGIN;
SELECT supaglue.update_connection(:anna, '{"credentials": {"refresh_token": "live_a:new"}}');
SELECT regexp_replace(live.failure('SELECT FROM supaglue_live.animals WHERE _supaglue_customer_id = ''anna'''), '\d+ is', 'N is');
ROLLBACK;
-- A grant that the provider takes back.
SELECT live.control('revoke', '{"org": "live_b"}'), live.control('expire_tokens', '{"org": "live_b"}');
SELECT count(*) FROM supaglue_live.animals WHERE _supaglue_customer_id = 'bert';
\echo :LAST_ERROR_SQLSTATE
SELECT status, status_reason FROM supaglue.connections WHERE customer_id = 'bert';
SELECT kind, customer_id, provider_name, payload ->> 'reason' AS reason FROM supaglue.events
WHERE application_id = 'live' AND kind = 'connection.reauthorization_required';

-- The columns are known by their names.
CREATE FOREIGN TABLE live.typed (id text, "Name" text) SERVER supaglue_salesforce OPTIONS (object 'Animal__c', object_type 'custom');
SELECT id FROM live.typed;
\echo :LAST_ERROR_SQLSTATE
CREATE FOREIGN TABLE live.mistyped (id uuid) SERVER supaglue_salesforce OPTIONS (object 'Animal__c', object_type 'custom');
SELECT id FROM live.mistyped;
\echo :LAST_ERROR_SQLSTATE
CREATE FOREIGN TABLE live.reordered (_supaglue_raw_data jsonb, gone int, id text, _supaglue_customer_id text)
SERVER supaglue_salesforce OPTIONS (object 'Animal__c', object_type 'custom');
ALTER FOREIGN TABLE live.reordered DROP COLUMN gone;
SELECT r.id = :'ant' AS id, r._supaglue_raw_data ->> 'Name' AS name, r IS NOT NULL AS whole
FROM live.reordered r WHERE _supaglue_customer_id = 'anna' AND id = :'ant';
SELECT tableoid::regclass, count(*) FROM live.reordered WHERE _supaglue_customer_id = 'anna' GROUP BY 1;

-- Options.
CREATE SERVER live_bad FOREIGN DATA WRAPPER supaglue;
\echo :LAST_ERROR_SQLSTATE
CREATE SERVER live_bad FOREIGN DATA WRAPPER supaglue OPTIONS (provider 'salesfarce');
\echo :LAST_ERROR_SQLSTATE
CREATE SERVER live_bad FOREIGN DATA WRAPPER supaglue OPTIONS (provider 'salesforce', password 'secret');
\echo :LAST_ERROR_SQLSTATE
CREATE FOREIGN TABLE live.bad (id text) SERVER supaglue_salesforce;
CREATE FOREIGN TABLE live.bad (id text) SERVER supaglue_salesforce OPTIONS (object 'Contact', object_type 'usual');
CREATE FOREIGN TABLE live.bad (id text OPTIONS (column 'Id')) SERVER supaglue_salesforce OPTIONS (object 'Contact');
CREATE USER MAPPING FOR PUBLIC SERVER supaglue_salesforce OPTIONS (token 'secret');
ALTER FOREIGN TABLE live.numbers OPTIONS (DROP object);
ALTER FOREIGN DATA WRAPPER supaglue OPTIONS (ADD debug 'on');

-- A live table is for reading.
INSERT INTO live.numbers VALUES ('anna', 'x', '{}');
UPDATE live.numbers SET id = 'x';
DELETE FROM live.numbers;
TRUNCATE live.numbers;

-- Typed tables of one customer's objects, as the provider describes them; what is known of them guides the planner.
IMPORT FOREIGN SCHEMA anna LIMIT TO ("Animal__c", "Nothing") FROM SERVER supaglue_salesforce INTO live;
SELECT attname, format_type(atttypid, NULL) AS type, attfdwoptions AS options FROM pg_attribute
WHERE attrelid = 'live."Animal__c"'::regclass AND attname IN ('id', 'Id', 'Name', 'Legs__c', 'IsDeleted', '_supaglue_last_modified_at') ORDER BY attnum;
SELECT ftoptions FROM pg_foreign_table WHERE ftrelid = 'live."Animal__c"'::regclass;
EXPLAIN (VERBOSE, COSTS OFF) SELECT "Name" FROM live."Animal__c" WHERE "Legs__c" >= 4 ORDER BY "Legs__c", "SystemModstamp" DESC LIMIT 2;
SELECT "Name", "Legs__c" FROM live."Animal__c" WHERE "Legs__c" >= 4 ORDER BY "Legs__c" LIMIT 1;
SELECT "Name" FROM live."Animal__c" WHERE "Name" = 'ANT' OR "Legs__c" = 4;
SELECT * FROM live.asked();
ANALYZE live."Animal__c";
SELECT reltuples FROM pg_class WHERE oid = 'live."Animal__c"'::regclass;
SELECT n_distinct, null_frac FROM pg_stats WHERE schemaname = 'live' AND tablename = 'Animal__c' AND attname = 'Legs__c';
IMPORT FOREIGN SCHEMA nobody FROM SERVER supaglue_salesforce INTO live;
IMPORT FOREIGN SCHEMA anna FROM SERVER supaglue_salesforce INTO live OPTIONS (prefix 'x');
SET supaglue.live_max_requests = 2;
IMPORT FOREIGN SCHEMA anna FROM SERVER supaglue_salesforce INTO live;
RESET supaglue.live_max_requests;

-- Everything is put away.
SELECT supaglue.delete_connection(:anna), supaglue.delete_connection(:bert);
SELECT count(*) FROM live.numbers;
SELECT supaglue.delete_sync_config(:config_id, true);
SELECT supaglue.delete_destination(:destination_id);
REVOKE ALL ON FOREIGN SERVER supaglue_salesforce FROM live_reader;
DROP SCHEMA live CASCADE;
REVOKE ALL ON SCHEMA supaglue_live FROM live_reader;
DROP OWNED BY live_reader;
DROP ROLE live_reader;
SELECT supaglue.delete_provider(:provider_id);
