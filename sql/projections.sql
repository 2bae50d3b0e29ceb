-- Hoisted columns: what fits a type and what does not, common objects, columns as they are listed, what is
-- recomputed without a request. The syncs are paused for the workers, so that nobody else runs them.
\getenv simulator SUPAGLUE_SIMULATOR
SET supaglue.application_id = 'projections';
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS supaglue;
\set SHOW_CONTEXT never

-- Every expression of a connector document is one that may be run.
SELECT name, supaglue_internal.check_connector(name) > 0 AS has_expressions
FROM (VALUES ('hubspot'), ('salesforce')) AS connectors (name) ORDER BY name;
SELECT supaglue_internal.check_connector(NULL);

-- An object with a text field, whose values fit the types or do not.
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/create_org" -d '{"org":"pro"}'
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/add_object" -d '{"org":"pro","object":"Value__c","fields":[{"name":"T__c","type":"string","length":255},{"name":"N__c","type":"double"}]}'
CREATE TEMP TABLE given (n int GENERATED ALWAYS AS IDENTITY, t text);
INSERT INTO given (t) VALUES ('12'), ('12.0'), ('12.5'), (' -7 '), ('1e3'), ('.5'), ('1,000'), ('1;2'), ('abc'), ('--1'), ('NaN'),
  ('9223372036854775807'), ('9223372036854775808'), ('2147483648'), ('1e400'),
  ('true'), ('FALSE'), ('yes'), ('2024-02-29'), ('2023-02-29'), ('2024-04-31'), ('2024-13-01'), ('0000-01-01'), ('2024-1-1'),
  ('2024-02-29T23:59:59Z'), ('2024-02-29T23:59:59.123+02:00'), ('2024-02-29 10:00'), ('2024-02-30T00:00:00Z'), ('2024-02-29T24:00:00Z'),
  ('2024-02-29T10:00:00+15:00'), ('2024-06-01T10:00:00+0530'), ('yesterday'), ('now'), ('epoch'), ('infinity');
SELECT jsonb_build_object('org', 'pro', 'object', 'Value__c', 'records',
  (SELECT jsonb_agg(jsonb_build_object('Name', to_char(n, 'FM000'), 'T__c', t, 'N__c', n) ORDER BY n) FROM given)) AS body \gset
\setenv BODY :body
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/insert" -H 'Content-Type: application/json' -d "$BODY"

SELECT supaglue.create_provider(jsonb_build_object('provider_name', 'salesforce', 'category', 'crm', 'auth_type', 'oauth2',
  'config', jsonb_build_object('login_url', :'simulator', 'oauth', jsonb_build_object(
    'credentials', '{"client_id": "a", "client_secret": "b"}'::jsonb)))) AS provider_id \gset
SELECT supaglue.create_destination('{"name": "here", "schema": "pro"}') AS destination_id \gset
SELECT supaglue.create_sync_config('{"name": "values", "destination_name": "here", "provider_name": "salesforce",
  "default_config": {"period_ms": 3600000, "strategy": "full then incremental", "auto_start_on_connection": false},
  "common_objects": [{"object": "contact"}, {"object": "account"}, {"object": "lead"}, {"object": "opportunity"}, {"object": "user"}],
  "standard_objects": [{"object": "Account", "columns": "typed"}],
  "custom_objects": [{"object": "Value__c", "table": "values", "columns": [
    {"field": "T__c", "as": "as_text"},
    {"field": "T__c", "as": "as_boolean", "type": "boolean"},
    {"field": "T__c", "as": "as_bigint", "type": "bigint"},
    {"field": "T__c", "as": "as_integer", "type": "integer"},
    {"field": "T__c", "as": "as_numeric", "type": "numeric"},
    {"field": "T__c", "as": "as_double", "type": "double precision"},
    {"field": "T__c", "as": "as_date", "type": "date"},
    {"field": "T__c", "as": "as_stamp", "type": "timestamptz"},
    {"field": "T__c", "as": "as_json", "type": "jsonb"}]}]}') AS config_id \gset
SELECT supaglue.upsert_customer('acme');
SELECT supaglue.create_connection('{"customer_id": "acme", "provider_name": "salesforce", "credentials": {"refresh_token": "pro"}}') AS connection_id \gset
SELECT supaglue.sync_id('acme', 'salesforce', 'Value__c') AS sync \gset

-- A value that does not fit its column is NULL there, and counted; it never rejects the record. What names no zone is UTC.
SET timezone = 'America/New_York';
SELECT status, records_inserted AS inserted, records_rejected AS rejected, values_nulled AS nulled FROM supaglue.materialize(:sync);
SET timezone = 'UTC';
SELECT as_text, as_boolean AS bool, as_bigint, as_integer, as_numeric, as_double FROM pro.values
WHERE num_nonnulls(as_boolean, as_bigint, as_integer, as_numeric, as_double) > 0 ORDER BY _supaglue_raw_data ->> 'Name';
SELECT as_text, as_date, as_stamp FROM pro.values WHERE num_nonnulls(as_date, as_stamp) > 0 ORDER BY _supaglue_raw_data ->> 'Name';
SELECT count(*) FROM pro.values WHERE as_json #>> '{}' IS DISTINCT FROM as_text;

-- Nothing changed: nothing is written. Other columns: what is there is recomputed without a request.
SELECT status, reason, records_updated AS updated, records_unchanged AS unchanged FROM supaglue.materialize(:sync, true);
SELECT supaglue.update_sync_config(:config_id, '{"custom_objects": [{"object": "Value__c", "table": "values", "columns": [
  {"field": "N__c", "as": "number", "type": "bigint"}, {"field": "Name", "as": "as_text"}]}]}', force => false);
SELECT status, reason, requests, records_updated AS updated FROM supaglue.remap(:sync);
SELECT count(*), sum(number), min(as_text), count(as_numeric) AS left_alone FROM pro.values;
SELECT status, reason, requests, records_updated AS updated FROM supaglue.remap(:sync);

-- A column that a user made otherwise stays what it is.
ALTER TABLE pro.values ALTER number TYPE text;
UPDATE pro.values SET number = NULL;
SELECT status, records_updated AS updated FROM supaglue.remap(:sync);
SELECT pg_typeof(number), sum(number::numeric) FROM pro.values GROUP BY 1;
ALTER TABLE pro.values DROP number;
ALTER TABLE pro.values ADD number int GENERATED ALWAYS AS (length(as_text)) STORED;
SELECT status, records_updated AS updated FROM supaglue.remap(:sync);
SELECT sum(number) FROM pro.values;

-- Common objects: the columns, and the edge cases of the common schema.
\d pro.crm_contacts
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/update" -d '{"org":"pro","object":"Contact","where":"Id != null","set":{"FirstName":null,"Email":null,"Phone":null,"MobilePhone":null,"Fax":null,"MailingStreet":null,"MailingCity":null,"MailingState":null,"MailingPostalCode":null,"MailingCountry":null,"OtherStreet":null,"OtherCity":null,"OtherState":null,"OtherPostalCode":null,"OtherCountry":null,"LastName":"Bare"}}'
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/insert" -H 'Content-Type: application/json' -d '{"org":"pro","object":"Contact","records":[{"FirstName":"Ann","LastName":"Full","Email":"ann@x.example","Phone":"1","MobilePhone":"2","Fax":"3","MailingStreet":"Main 1","MailingCity":"Bern","OtherCountry":"CH"}]}'
SELECT status, values_nulled FROM supaglue.materialize(supaglue.sync_id('acme', 'salesforce', 'contact'));
SELECT first_name, last_name, addresses, email_addresses, phone_numbers, lifecycle_stage, created_at IS NULL AS created,
  updated_at = _supaglue_last_modified_at AS updated, count(*)
FROM pro.crm_contacts GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 ORDER BY 1;
SELECT count(*) FROM pro.crm_contacts WHERE account_id IS DISTINCT FROM _supaglue_raw_data ->> 'AccountId';

\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/update" -d '{"org":"pro","object":"Opportunity","where":"Id != null","set":{"StageName":"Prospecting","IsWon":false,"IsClosed":false,"Amount":null}}'
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/insert" -H 'Content-Type: application/json' -d '{"org":"pro","object":"Opportunity","records":[{"Name":"won","StageName":"Closed Won","IsWon":true,"IsClosed":true,"Amount":12.34,"CloseDate":"2024-02-29"},{"Name":"lost","StageName":"Closed Lost","IsWon":false,"IsClosed":true,"Amount":1e9}]}'
SELECT status, values_nulled FROM supaglue.materialize(supaglue.sync_id('acme', 'salesforce', 'opportunity'));
SELECT status, count(*), max(amount) AS amount, min(stage) AS stage, count(pipeline) AS pipelines, bool_or(close_date = '2024-02-29Z') AS closed
FROM pro.crm_opportunities GROUP BY 1 ORDER BY 1;

SELECT status, values_nulled FROM supaglue.materialize(supaglue.sync_id('acme', 'salesforce', 'account', 'common'));
SELECT status, values_nulled FROM supaglue.materialize(supaglue.sync_id('acme', 'salesforce', 'lead'));
SELECT status, values_nulled FROM supaglue.materialize(supaglue.sync_id('acme', 'salesforce', 'user'));
SELECT count(*) = count(name) AS named, bool_and(jsonb_typeof(addresses) = 'array' AND jsonb_typeof(phone_numbers) = 'array') AS lists,
  bool_and(number_of_employees IS NOT DISTINCT FROM (_supaglue_raw_data ->> 'NumberOfEmployees')::numeric) AS employees
FROM pro.crm_accounts;
SELECT count(*) = count(company) AS with_company, bool_and(jsonb_typeof(addresses) = 'array') AS lists FROM pro.crm_leads;
SELECT count(*) = count(is_active) AS active_known, bool_and(NOT _supaglue_is_deleted) AS there FROM pro.crm_users;

-- Typed columns: the provider's own fields, none of the customer's, each of its type; known once the object has been
-- read, for the live twin too.
\! curl -fsS -o /dev/null "$SUPAGLUE_SIMULATOR/control/add_field" -d '{"org":"pro","object":"Account","field":{"name":"Own__c","type":"double"}}'
SELECT count(*) FROM pg_attribute WHERE attrelid = 'pro."salesforce_Account"'::regclass AND attnum > 0;
SELECT status, values_nulled FROM supaglue.materialize(supaglue.sync_id('acme', 'salesforce', 'Account', 'standard'));
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'pro."salesforce_Account"'::regclass
  AND attname IN ('Name', 'NumberOfEmployees', 'AnnualRevenue', 'IsDeleted', 'CreatedDate', 'LastActivityDate', 'Own__c') ORDER BY 1;
SELECT count(*) > 0 AS rows, bool_and("Name" = _supaglue_raw_data ->> 'Name' AND "SystemModstamp" = _supaglue_last_modified_at
  AND "AnnualRevenue" IS NOT DISTINCT FROM (_supaglue_raw_data ->> 'AnnualRevenue')::numeric
  AND "IsDeleted" = (_supaglue_raw_data ->> 'IsDeleted')::boolean) AS as_the_record_has_it FROM pro."salesforce_Account";
SELECT count(*) > 0 AS rows, bool_and((t."Name", t."AnnualRevenue", t."CreatedDate") IS NOT DISTINCT FROM
  (l."Name", l."AnnualRevenue", l."CreatedDate")) AS live FROM pro."salesforce_Account" t JOIN supaglue_live."salesforce_Account" l USING (id);
SELECT status, records_updated AS updated FROM supaglue.materialize(supaglue.sync_id('acme', 'salesforce', 'Account', 'standard'), true);

-- The live twins of what several providers may feed are partitioned by provider.
SELECT c.relname, c.relkind, pg_get_expr(c.relpartbound, c.oid) AS bound
FROM pg_class c WHERE relnamespace = 'supaglue_live'::regnamespace AND relname LIKE 'crm\_%' AND relkind <> 'i' ORDER BY 1;
SELECT supaglue.delete_sync_config(:config_id, force => true);
SELECT count(*) AS left_over FROM pg_class WHERE relnamespace = 'supaglue_live'::regnamespace AND relname LIKE 'crm\_%';
