-- Calls to a provider's own API with a customer's credentials. An org of our own.
\getenv simulator SUPAGLUE_SIMULATOR
SET supaglue.application_id = 'passthrough';
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS supaglue;
\set SHOW_CONTEXT never

\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/create_org" -d '{"org":"hatch"}'
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/add_object" -d '{"org":"hatch","object":"Egg__c","fields":[{"name":"Grams__c","type":"double"}]}'
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/insert" -d '{"org":"hatch","object":"Egg__c","records":[{"Name":"ostrich & emu","Grams__c":1400.5}]}'
SELECT supaglue.create_provider(jsonb_build_object('name', 'salesforce', 'login_url', :'simulator', 'client_id', 'a', 'client_secret', 'b')) AS provider_id \gset
SELECT supaglue.upsert_customer('hen');
SELECT supaglue.create_connection('{"customer_id": "hen", "provider_name": "salesforce", "credentials": {"refresh_token": "hatch"}}') AS connection_id \gset
CREATE FUNCTION pg_temp.pass(request jsonb) RETURNS jsonb LANGUAGE sql AS
$$ SELECT supaglue.passthrough('hen', 'salesforce', request) $$;

-- Status, address, headers and body; a query is encoded; numbers are exact.
SELECT answer -> 'status' AS status, answer ->> 'url' = :'simulator' || '/org/hatch/services/data/v62.0/query?q=SELECT%20Name%2C%20Grams__c%20FROM%20Egg__c%20WHERE%20Name%20%3D%20%27ostrich%20%26%20emu%27' AS url,
       answer #>> '{headers,content-type}' AS type, answer #>> '{headers,sforce-limit-info}' LIKE 'api-usage=%' AS limits,
       answer #> '{body,records,0,Grams__c}' AS grams
FROM pg_temp.pass('{"method": "GET", "path": "/services/data/v62.0/query", "query": {"q": "SELECT Name, Grams__c FROM Egg__c WHERE Name = ''ostrich & emu''"}}') AS answer;

-- A provider's status is no error.
SELECT answer -> 'status', answer -> 'body' FROM pg_temp.pass('{"method": "GET", "path": "/services/data/v62.0/sobjects/Nothing"}') AS answer;
SELECT answer -> 'status', answer -> 'body' FROM pg_temp.pass('{"method": "DELETE", "path": "/services/data/v62.0/sobjects/Nothing"}') AS answer;
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/fault" -d '{"kind":"status","status":503,"match":{"org":"hatch","path_contains":"sobjects"},"headers":{"Retry-After":"1"},"body":[{"errorCode":"SERVER_UNAVAILABLE"}]}'
SELECT answer -> 'status', answer #> '{headers,retry-after}', answer -> 'body'
FROM pg_temp.pass('{"method": "GET", "path": "/services/data/v62.0/sobjects/Egg__c"}') AS answer;
SELECT answer -> 'status' FROM pg_temp.pass('{"method": "GET", "path": "/services/data/v62.0/sobjects/Egg__c"}') AS answer;
-- Whatever the body is: nothing, JSON that jsonb cannot hold.
SELECT answer - 'url' - 'headers' FROM pg_temp.pass('{"method": "HEAD", "path": "/services/data/v62.0/sobjects/Egg__c"}') AS answer;
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/fault" -d '{"kind":"status","status":200,"match":{"org":"hatch","path_contains":"sobjects"},"body":{"a":"\u0000"}}'
SELECT answer - 'url' - 'headers' FROM pg_temp.pass('{"method": "GET", "path": "/services/data/v62.0/sobjects/Egg__c"}') AS answer;
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/fault" -d '{"kind":"garbage","match":{"org":"hatch","path_contains":"sobjects"}}'
SELECT answer -> 'status', jsonb_typeof(answer -> 'body') <> 'object' AS no_json FROM pg_temp.pass('{"method": "GET", "path": "/services/data/v62.0/sobjects/Egg__c"}') AS answer;

-- What is sent arrives: a form that ends a token.
SELECT answer -> 'status' FROM pg_temp.pass('{"method": "POST", "path": "/services/oauth2/revoke",
  "headers": {"Content-Type": "application/x-www-form-urlencoded"}, "body": "token=another"}') AS answer;
\! curl -s "$SUPAGLUE_SIMULATOR/services/oauth2/token" -d grant_type=refresh_token -d client_id=a -d refresh_token=another; echo

-- JSON arrives as JSON, and what it did at the provider outlives a rollback.
BEGIN;
SELECT answer -> 'status' AS status, answer #>> '{body,object}' AS object, answer #>> '{body,id}' AS job
FROM pg_temp.pass('{"method": "POST", "path": "/services/data/v62.0/jobs/query", "body": {"operation": "query", "query": "SELECT Id FROM Egg__c"}}') AS answer \gset
ROLLBACK;
\echo :status :object
SELECT answer -> 'status' AS status, answer #>> '{body,id}' = :'job' AS same
FROM pg_temp.pass(jsonb_build_object('method', 'GET', 'path', '/services/data/v62.0/jobs/query/' || :'job')) AS answer;
-- A copy of the database reads, and changes nothing.
BEGIN;
UPDATE supaglue_internal.installation SET database = 0;
SELECT answer -> 'status' FROM pg_temp.pass('{"method": "GET", "path": "/services/data/v62.0/limits"}') AS answer;
SELECT pg_temp.pass('{"method": "DELETE", "path": "/services/data/v62.0/limits"}');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;

-- A refused token is refreshed once; then its refusal is the answer.
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/expire_tokens" -d '{"org":"hatch"}'
BEGIN READ ONLY;
SELECT answer -> 'status' FROM pg_temp.pass('{"method": "GET", "path": "/services/data/v62.0/limits"}') AS answer;
-- What may write is not for a transaction that must not.
SELECT pg_temp.pass('{"method": "POST", "path": "/services/data/v62.0/sobjects/Egg__c", "body": {}}');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/fault" -d '{"kind":"status","status":401,"times":2,"match":{"org":"hatch","path_contains":"limits"},"body":[{"errorCode":"INVALID_SESSION_ID"}]}'
SELECT answer -> 'status', answer -> 'body' FROM pg_temp.pass('{"method": "GET", "path": "/services/data/v62.0/limits"}') AS answer;
SELECT answer -> 'status' FROM pg_temp.pass('{"method": "GET", "path": "/services/data/v62.0/limits"}') AS answer;

-- What is not sent.
SELECT pg_temp.pass('{"method": "GET", "path": "https://example.com/"}');
\echo :LAST_ERROR_SQLSTATE
SELECT pg_temp.pass('{"method": "GET", "path": "/services/../../limits"}');
\echo :LAST_ERROR_SQLSTATE
SELECT pg_temp.pass('{"method": "GET", "path": "/a\r\nX: y"}');
\echo :LAST_ERROR_SQLSTATE
SELECT pg_temp.pass('{"method": "GET", "path": "/a", "headers": {"Authorization": "Bearer mine"}}');
\echo :LAST_ERROR_SQLSTATE
SELECT pg_temp.pass('{"method": "GET", "path": "/a", "headers": {"X": "y\r\nAuthorization: z"}}');
\echo :LAST_ERROR_SQLSTATE
SELECT pg_temp.pass('{"method": "FETCH", "path": "/a"}');
\echo :LAST_ERROR_SQLSTATE
SELECT pg_temp.pass('{"method": "GET", "pth": "/a"}');
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.passthrough('hen', 'salesforce', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT supaglue.passthrough('cock', 'salesforce', '{"method": "GET", "path": "/"}');
\echo :LAST_ERROR_SQLSTATE
-- The limits hold, and a provider that is away is an error.
SET supaglue.max_response_bytes = '1kB';
SELECT pg_temp.pass('{"method": "GET", "path": "/services/data/v62.0/sobjects"}');
\echo :LAST_ERROR_SQLSTATE
RESET supaglue.max_response_bytes;
-- For ever: a connection that was kept alive, and ends before it answers, is asked again by another.
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/fault" -d '{"kind":"close","times":-1,"match":{"org":"hatch","path_contains":"limits"}}'
SELECT pg_temp.pass('{"method": "GET", "path": "/services/data/v62.0/limits"}');
\echo :LAST_ERROR_SQLSTATE
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/clear_faults" -d '{}'
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/revoke" -d '{"org":"hatch"}'
SELECT pg_temp.pass('{"method": "GET", "path": "/services/data/v62.0/limits"}');
\echo :LAST_ERROR_SQLSTATE

SELECT supaglue.delete_connection(:connection_id), supaglue.delete_customer('hen'), supaglue.delete_provider(:provider_id);
