\echo Use "CREATE EXTENSION supaglue" to load this file. \quit

-- The install script, in sections: 1 tables, 2 views, 3 functions, 4 the foreign data wrapper, 5 rights.

-- Records reach the tables as the UTF-8 that providers send.
DO $$
BEGIN
  IF pg_catalog.current_setting('server_encoding') <> 'UTF8' THEN
    RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
      MESSAGE = 'supaglue needs a database whose encoding is UTF8',
      DETAIL = pg_catalog.format('The encoding of this one is %s.', pg_catalog.current_setting('server_encoding')),
      HINT = 'CREATE DATABASE ... ENCODING ''UTF8'' TEMPLATE template0 makes one.';
  END IF;
END
$$;

-- 1. Tables ------------------------------------------------------------------------------------
-- Everything that users configured and every state that must survive a dump lies in
-- supaglue_internal and is dumped; what a restored copy must not believe (runs under way, the spool) is not.

CREATE SCHEMA supaglue_internal;
COMMENT ON SCHEMA supaglue_internal IS 'supaglue: tables and functions that are nobody else''s business';

-- Which database the workers may serve. Empty until the first configuration; a restored or cloned copy
-- finds another database's row here, and idles until adopt_database().
CREATE TABLE supaglue_internal.installation (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  system_identifier text NOT NULL,
  database oid NOT NULL,
  adopted_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE supaglue_internal.installation IS 'the database that the syncs belong to';

CREATE SEQUENCE supaglue_internal.provider_id;
CREATE TABLE supaglue_internal.providers (
  id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('supaglue_internal.provider_id'),
  application_id text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,  -- the connector's
  config jsonb NOT NULL,           -- normal form, no secret in it
  secret bytea,                    -- sealed
  created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  UNIQUE (application_id, name)
);
COMMENT ON TABLE supaglue_internal.providers IS 'providers, as create_provider() took them';

CREATE SEQUENCE supaglue_internal.destination_id;
CREATE TABLE supaglue_internal.destinations (
  id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('supaglue_internal.destination_id'),
  application_id text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  config jsonb NOT NULL,
  secret bytea,
  created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  UNIQUE (application_id, name)
);
COMMENT ON TABLE supaglue_internal.destinations IS 'destinations, as create_destination() took them';

CREATE SEQUENCE supaglue_internal.sync_config_id;
CREATE TABLE supaglue_internal.sync_configs (
  id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('supaglue_internal.sync_config_id'),
  application_id text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  provider_id bigint NOT NULL REFERENCES supaglue_internal.providers,
  destination_id bigint NOT NULL REFERENCES supaglue_internal.destinations,
  config jsonb NOT NULL,
  owner regrole NOT NULL,          -- merges run as this role
  created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  UNIQUE (application_id, name)
);
COMMENT ON TABLE supaglue_internal.sync_configs IS 'sync configs, as create_sync_config() took them';

-- Templates of the fields that are hoisted into columns; each customer may map them (field_mappings).
CREATE SEQUENCE supaglue_internal.schema_id;
CREATE TABLE supaglue_internal.schemas (
  id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('supaglue_internal.schema_id'),
  application_id text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  config jsonb NOT NULL,  -- {fields: [{name, type, mapped_name?}], allow_additional_field_mappings}
  created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  UNIQUE (application_id, name)
);
COMMENT ON TABLE supaglue_internal.schemas IS 'field templates, as create_schema() took them';

-- Objects that the developer defines, read from whatever object of a provider they are mapped to.
CREATE SEQUENCE supaglue_internal.entity_id;
CREATE TABLE supaglue_internal.entities (
  id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('supaglue_internal.entity_id'),
  application_id text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  config jsonb NOT NULL,  -- as a schema's
  created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  UNIQUE (application_id, name)
);
COMMENT ON TABLE supaglue_internal.entities IS 'entities, as create_entity() took them';

-- The objects of the sync configs, one row each: what a sync reads and where it writes.
CREATE SEQUENCE supaglue_internal.object_id;
CREATE TABLE supaglue_internal.objects (
  id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('supaglue_internal.object_id'),
  sync_config_id bigint NOT NULL REFERENCES supaglue_internal.sync_configs ON DELETE CASCADE,
  provider_id bigint NOT NULL REFERENCES supaglue_internal.providers,
  object_type text COLLATE "C" NOT NULL CHECK (object_type IN ('common', 'standard', 'custom', 'entity')),
  object text COLLATE "C" NOT NULL,      -- the provider's exact name; of a common object and an entity ours
  table_name text COLLATE "C" NOT NULL,  -- in the destination's schema
  config jsonb NOT NULL,                 -- default_config with the override merged over it; columns, fields, exclude_fields
  schema_id bigint REFERENCES supaglue_internal.schemas,
  entity_id bigint REFERENCES supaglue_internal.entities,
  UNIQUE (provider_id, object_type, object)
);
CREATE INDEX ON supaglue_internal.objects (sync_config_id);
CREATE INDEX ON supaglue_internal.objects (schema_id);
CREATE INDEX ON supaglue_internal.objects (entity_id);
COMMENT ON TABLE supaglue_internal.objects IS 'objects of the sync configs';

CREATE TABLE supaglue_internal.customers (
  application_id text COLLATE "C" NOT NULL,
  customer_id text COLLATE "C" NOT NULL,
  name text,
  email text,
  created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  PRIMARY KEY (application_id, customer_id)
);
COMMENT ON TABLE supaglue_internal.customers IS 'customers, under the company''s own ids';

CREATE SEQUENCE supaglue_internal.connection_id;
CREATE TABLE supaglue_internal.connections (
  id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('supaglue_internal.connection_id'),
  application_id text COLLATE "C" NOT NULL,
  customer_id text COLLATE "C" NOT NULL,
  provider_id bigint NOT NULL REFERENCES supaglue_internal.providers,
  config jsonb NOT NULL,           -- {auth_type, instance_url?, login_url?}
  status text NOT NULL DEFAULT 'active'
    CHECK (status IN ('active', 'reauthorization_required', 'degraded', 'disabled')),
  status_reason text,
  account_id text,
  account_name text,
  created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  UNIQUE (application_id, customer_id, provider_id),
  FOREIGN KEY (application_id, customer_id) REFERENCES supaglue_internal.customers
);
CREATE INDEX ON supaglue_internal.connections (provider_id);
COMMENT ON TABLE supaglue_internal.connections IS 'customers'' authorized accesses to providers';

-- Which field of the provider a customer means by each field of a schema; a null unmaps.
CREATE TABLE supaglue_internal.field_mappings (
  connection_id bigint NOT NULL REFERENCES supaglue_internal.connections ON DELETE CASCADE,
  object_type text COLLATE "C" NOT NULL,
  object text COLLATE "C" NOT NULL,
  mappings jsonb NOT NULL,  -- {field of the schema, or added: field of the provider}
  PRIMARY KEY (connection_id, object_type, object)
);
COMMENT ON TABLE supaglue_internal.field_mappings IS 'customers'' own mappings of the fields of schemas';

-- What an entity is at a provider: for everybody, or for one customer instead.
CREATE TABLE supaglue_internal.entity_mappings (
  entity_id bigint NOT NULL REFERENCES supaglue_internal.entities ON DELETE CASCADE,
  provider_id bigint NOT NULL REFERENCES supaglue_internal.providers ON DELETE CASCADE,
  connection_id bigint REFERENCES supaglue_internal.connections ON DELETE CASCADE,  -- null: every customer's
  object_type text COLLATE "C",  -- null: the object of every customer's
  object text COLLATE "C",
  mappings jsonb NOT NULL,       -- {field of the entity, or added: field of the provider}
  CHECK (object IS NOT NULL OR connection_id IS NOT NULL)
);
CREATE UNIQUE INDEX ON supaglue_internal.entity_mappings (entity_id, provider_id, coalesce(connection_id, 0));
COMMENT ON TABLE supaglue_internal.entity_mappings IS 'what entities are at the providers';

-- Apart from connections, because the token keeper writes it while others read those.
CREATE TABLE supaglue_internal.tokens (
  connection_id bigint PRIMARY KEY REFERENCES supaglue_internal.connections ON DELETE CASCADE,
  secret bytea NOT NULL,           -- sealed {refresh_token, access_token?}
  generation bigint NOT NULL DEFAULT 0,  -- grows with every refresh and every new credential
  base_url text,                   -- as the token answer told it
  expires_at timestamptz,
  refreshed_at timestamptz
);
COMMENT ON TABLE supaglue_internal.tokens IS 'the credentials of connections, sealed';

-- Consents that customers were asked for and have not answered. Never dumped: they are good for ten minutes.
CREATE TABLE supaglue_internal.oauth_states (
  digest text COLLATE "C" PRIMARY KEY,  -- of the state, which goes through the browser
  application_id text COLLATE "C" NOT NULL,
  customer_id text COLLATE "C" NOT NULL,
  provider_id bigint NOT NULL REFERENCES supaglue_internal.providers ON DELETE CASCADE,
  return_url text NOT NULL,
  request jsonb NOT NULL,               -- {redirect_uri, login_url?, replace_account}
  verifier bytea NOT NULL,              -- sealed
  expires_at timestamptz NOT NULL,
  FOREIGN KEY (application_id, customer_id) REFERENCES supaglue_internal.customers ON DELETE CASCADE
);
CREATE INDEX ON supaglue_internal.oauth_states (application_id, customer_id);
COMMENT ON TABLE supaglue_internal.oauth_states IS 'consents under way, by the digest of their state';

CREATE SEQUENCE supaglue_internal.magic_link_id;
CREATE TABLE supaglue_internal.magic_links (
  id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('supaglue_internal.magic_link_id'),
  digest text COLLATE "C" NOT NULL UNIQUE,  -- of the token, which only the customer has
  application_id text COLLATE "C" NOT NULL,
  customer_id text COLLATE "C" NOT NULL,
  provider_id bigint NOT NULL REFERENCES supaglue_internal.providers ON DELETE CASCADE,
  return_url text NOT NULL,
  expires_at timestamptz NOT NULL,
  redeemed_at timestamptz,
  FOREIGN KEY (application_id, customer_id) REFERENCES supaglue_internal.customers ON DELETE CASCADE
);
CREATE INDEX ON supaglue_internal.magic_links (application_id, customer_id);
COMMENT ON TABLE supaglue_internal.magic_links IS 'magic links, by the digest of their token';

CREATE SEQUENCE supaglue_internal.sync_id;
CREATE TABLE supaglue_internal.syncs (
  id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('supaglue_internal.sync_id'),
  connection_id bigint NOT NULL REFERENCES supaglue_internal.connections ON DELETE CASCADE,
  object_id bigint NOT NULL REFERENCES supaglue_internal.objects ON DELETE CASCADE,
  phase text NOT NULL DEFAULT 'created' CHECK (phase IN ('created', 'full', 'incremental')),
  paused_by text[] NOT NULL DEFAULT '{}',
  pause_reason text,
  unavailable boolean NOT NULL DEFAULT false,  -- the customer never had the object; probed daily
  waiting_for text CHECK (waiting_for IN ('quota', 'backoff', 'slot', 'destination')),
  triggered boolean NOT NULL DEFAULT false,      -- asked for, and not yet begun
  trigger_full boolean NOT NULL DEFAULT false,
  watermark timestamptz,           -- the next incremental run reads from here, inclusively
  wide_watermark timestamptz,      -- and once a day from here
  backfill_asked boolean NOT NULL DEFAULT false,
  backfill_from timestamptz,       -- a window that is to be read again
  backfill_to timestamptz,
  data_through timestamptz,
  next_run_at timestamptz,         -- not indexed, so that updates stay HOT
  last_run_id bigint,
  last_run_at timestamptz,         -- when that was over
  last_success_at timestamptz,
  last_full_at timestamptz,
  last_sweep_at timestamptz,       -- when the ids were last read to find those that are gone
  incrementals_since_full int NOT NULL DEFAULT 0,
  last_error_class text,
  last_error text,
  consecutive_failures int NOT NULL DEFAULT 0,
  emitted_at timestamptz,          -- of the last run that committed
  rows_stored boolean NOT NULL DEFAULT false,  -- whether the last run left rows in the table
  witness text,                    -- the id of a row that a run wrote: while it is there, so are the others
  witness_at timestamptz,          -- that run's emitted_at
  metadata jsonb,                  -- what the source learned of the object
  described_at timestamptz,        -- and when the provider was last asked for it
  projection text,                 -- hash of the projection that the stored rows have
  next_reason text,                -- why the next run must be full, or no more than a projection
  UNIQUE (connection_id, object_id)
) WITH (fillfactor = 50);
CREATE INDEX ON supaglue_internal.syncs (object_id);
COMMENT ON TABLE supaglue_internal.syncs IS 'schedule, state and watermark of each (connection, object)';

-- Rows that a complete full run did not see, too many to mark them at once.
CREATE TABLE supaglue_internal.held_deletions (
  sync_id bigint NOT NULL REFERENCES supaglue_internal.syncs ON DELETE CASCADE,
  id text COLLATE "C" NOT NULL,
  PRIMARY KEY (sync_id, id)
);
COMMENT ON TABLE supaglue_internal.held_deletions IS 'ids of the records whose deletion is held';

-- Runs under way: the row is the lease of its sync. A worker inserts it under a lock on the sync's
-- row; materialize() holds that lock instead. Never dumped: a copy has no runs.
CREATE SEQUENCE supaglue_internal.run_id;
CREATE TABLE supaglue_internal.runs (
  id bigint PRIMARY KEY,
  sync_id bigint NOT NULL UNIQUE REFERENCES supaglue_internal.syncs ON DELETE CASCADE,
  fetch_id bigint NOT NULL,        -- the run that its fetch began with; several may share one
  worker int NOT NULL,             -- the fetcher's number; its successor takes the run over
  stage text NOT NULL CHECK (stage IN ('fetch', 'merge')),
  slot int NOT NULL,               -- the partition of the spool
  strategy text NOT NULL CHECK (strategy IN ('full', 'incremental')),
  reason text NOT NULL,
  started_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  since timestamptz,               -- the watermark that it reads from
  until timestamptz,               -- of a backfill
  forced boolean NOT NULL DEFAULT false,  -- full because the user asked for it
  provider_time timestamptz,       -- the provider's clock at the first request
  plan text,                       -- the source's, as JSON
  metadata text,                   -- what the source learned, as JSON
  pages int NOT NULL DEFAULT 0,    -- pages in the spool; the last one's cursor is where to go on
  records_read bigint NOT NULL DEFAULT 0,
  requests bigint NOT NULL DEFAULT 0,
  bytes_received bigint NOT NULL DEFAULT 0,
  provider_count bigint,
  fetched_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),  -- since when it waits to be merged
  first_page int NOT NULL DEFAULT 1,     -- earlier ones are of a beginning that was given up
  restarts int NOT NULL DEFAULT 0,       -- how often that was
  taken_over int NOT NULL DEFAULT 0,     -- by other fetchers since a page came
  merge_attempts int NOT NULL DEFAULT 0,
  merge_strikes int NOT NULL DEFAULT 0,  -- those that failed and will again, and those that nobody saw the end of
  not_before timestamptz           -- a merge that failed, or a run whose provider wants no request, waits until then
) WITH (fillfactor = 50);
CREATE INDEX ON supaglue_internal.runs (fetch_id);
COMMENT ON TABLE supaglue_internal.runs IS 'runs under way; each is the lease of its sync';

-- What a fetcher knows of the limits of a connection's provider, for people and for its successor. Written
-- seldom, and never dumped.
CREATE TABLE supaglue_internal.rate_limits (
  connection_id bigint PRIMARY KEY,  -- no foreign key: it would lock the connection's row
  used bigint,
  quota bigint,
  reserve bigint,
  resets_at timestamptz,
  parked_until timestamptz,
  parked_for text,                 -- an error class: quota or transient
  requests_per_second numeric,
  seen_at timestamptz
) WITH (fillfactor = 50);
COMMENT ON TABLE supaglue_internal.rate_limits IS 'what connections'' providers told of their limits';

CREATE TABLE supaglue_internal.spool (
  slot int NOT NULL,
  fetch_id bigint NOT NULL,
  page int NOT NULL,
  cursor text NOT NULL,            -- the source's, after this page, as JSON
  packed bytea NOT NULL,
  PRIMARY KEY (slot, fetch_id, page)
) PARTITION BY LIST (slot);
COMMENT ON TABLE supaglue_internal.spool IS 'pages fetched and not yet merged; emptied by truncating partitions';
DO $$
BEGIN
  FOR slot IN 0..3 LOOP
    EXECUTE pg_catalog.format(
      'CREATE TABLE supaglue_internal.spool_%1$s PARTITION OF supaglue_internal.spool FOR VALUES IN (%1$s)', slot);
    EXECUTE pg_catalog.format(
      'ALTER TABLE supaglue_internal.spool_%1$s ALTER packed SET STORAGE EXTERNAL', slot);
    EXECUTE pg_catalog.format(
      'COMMENT ON TABLE supaglue_internal.spool_%1$s IS ''partition of the spool''', slot);
  END LOOP;
END $$;

CREATE TABLE supaglue_internal.run_log (
  slot int NOT NULL,
  id bigint NOT NULL,              -- of a sequence: no two slots have the same
  sync_id bigint NOT NULL,
  status text NOT NULL CHECK (status IN ('SUCCESS', 'FAILURE')),
  strategy text NOT NULL,
  reason text NOT NULL,
  started_at timestamptz NOT NULL,
  finished_at timestamptz NOT NULL,
  emitted_at timestamptz,
  error_class text,
  error_message text,
  records_read bigint NOT NULL DEFAULT 0,
  records_inserted bigint NOT NULL DEFAULT 0,
  records_updated bigint NOT NULL DEFAULT 0,
  records_unchanged bigint NOT NULL DEFAULT 0,
  records_deleted bigint NOT NULL DEFAULT 0,
  records_rejected bigint NOT NULL DEFAULT 0,
  values_nulled bigint NOT NULL DEFAULT 0,
  requests bigint NOT NULL DEFAULT 0,
  bytes_received bigint NOT NULL DEFAULT 0,
  provider_count bigint,
  warnings text[] NOT NULL DEFAULT '{}',
  PRIMARY KEY (id, slot)
) PARTITION BY LIST (slot);
CREATE INDEX ON supaglue_internal.run_log (sync_id, id);
CREATE INDEX ON supaglue_internal.run_log USING brin (finished_at);
COMMENT ON TABLE supaglue_internal.run_log IS 'finished runs, inserted once; emptied by truncating partitions';

CREATE TABLE supaglue_internal.rejects (
  run_id bigint NOT NULL,
  sync_id bigint NOT NULL,
  at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  reason text NOT NULL,
  record text NOT NULL             -- as received, cut after a few kB
);
CREATE INDEX ON supaglue_internal.rejects (sync_id, run_id);
COMMENT ON TABLE supaglue_internal.rejects IS 'records that could not be used, and why';

CREATE SEQUENCE supaglue_internal.schema_change_id;
CREATE TABLE supaglue_internal.schema_changes (
  id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('supaglue_internal.schema_change_id'),
  at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  sync_id bigint NOT NULL,
  run_id bigint NOT NULL,
  application_id text NOT NULL,
  customer_id text NOT NULL,
  provider_name text NOT NULL,
  object_type text NOT NULL,
  object text NOT NULL,
  change text NOT NULL CHECK (change IN ('added', 'removed', 'retyped')),
  field text NOT NULL,
  old_type text,                   -- the provider's words
  new_type text
);
CREATE INDEX ON supaglue_internal.schema_changes USING brin (at);
COMMENT ON TABLE supaglue_internal.schema_changes IS 'fields of synced objects that customers changed at the provider';

CREATE SEQUENCE supaglue_internal.event_id;
CREATE TABLE supaglue_internal.events (
  slot int NOT NULL,
  id bigint NOT NULL DEFAULT pg_catalog.nextval('supaglue_internal.event_id'),
  at timestamptz NOT NULL,
  kind text NOT NULL,
  application_id text NOT NULL,
  customer_id text,
  provider_name text,
  sync_id bigint,
  run_id bigint,
  payload jsonb NOT NULL DEFAULT '{}',
  PRIMARY KEY (id, slot)
) PARTITION BY LIST (slot);
CREATE INDEX ON supaglue_internal.events USING brin (at);
CREATE INDEX ON supaglue_internal.events (customer_id) WHERE kind IN ('connection.reauthorization_required', 'sync.deletions_held');
COMMENT ON TABLE supaglue_internal.events IS
  'what happened, written in the transaction of what it tells; emptied by truncating partitions';

CREATE TABLE supaglue_internal.feed_start (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  id bigint NOT NULL,
  at timestamptz NOT NULL
);
COMMENT ON TABLE supaglue_internal.feed_start IS
  'the newest event that the feed has forgotten: who has read it missed nothing. Empty until there is one';

-- Rings: the writer says the slot, by the clock, and what is past its retention is truncated with its slot.
DO $$
DECLARE
  ring text;
BEGIN
  FOREACH ring IN ARRAY '{run_log,events}'::text[] LOOP
    FOR slot IN 0..7 LOOP
      EXECUTE pg_catalog.format(
        'CREATE TABLE supaglue_internal.%1$s_%2$s PARTITION OF supaglue_internal.%1$s FOR VALUES IN (%2$s)',
        ring, slot);
      EXECUTE pg_catalog.format('COMMENT ON TABLE supaglue_internal.%1$s_%2$s IS ''partition of %1$s''', ring, slot);
    END LOOP;
  END LOOP;
END $$;

-- What is still to be ended elsewhere of what was ended here: rows in a destination that could not be reached,
-- tokens at their provider.
CREATE SEQUENCE supaglue_internal.erasure_id;
CREATE TABLE supaglue_internal.erasures (
  id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('supaglue_internal.erasure_id'),
  what text NOT NULL CHECK (what IN ('rows', 'token')),
  application_id text COLLATE "C" NOT NULL,
  customer_id text COLLATE "C" NOT NULL,
  provider_name text COLLATE "C",  -- null: of all providers
  destination_id bigint REFERENCES supaglue_internal.destinations,
  asked_by regrole,                -- whose rights at the destination count where it has no sync config
  secret bytea,                    -- sealed: what the provider must be told
  since timestamptz NOT NULL DEFAULT pg_catalog.now(),
  attempts int NOT NULL DEFAULT 0,
  next_attempt_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  last_error text,
  CHECK (CASE what WHEN 'rows' THEN destination_id IS NOT NULL ELSE secret IS NOT NULL END)
);
CREATE INDEX ON supaglue_internal.erasures (destination_id);
COMMENT ON TABLE supaglue_internal.erasures IS 'rows to be erased and tokens to be revoked that could not be yet';

-- Syncs whose row changed, for the fetcher's schedule in memory; losing it costs a full reload.
CREATE UNLOGGED TABLE supaglue_internal.sync_changes (
  sync_id bigint NOT NULL,
  unparks boolean NOT NULL DEFAULT false  -- its connection has got other credentials: it may be asked again
);
COMMENT ON TABLE supaglue_internal.sync_changes IS 'syncs that the fetcher must look at again';

-- One statement for each: every call updates the extension's row. Of a partitioned table pg_dump takes the
-- partitions.
DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['installation', 'provider_id', 'providers', 'destination_id', 'destinations',
    'sync_config_id', 'sync_configs', 'schema_id', 'schemas', 'entity_id', 'entities', 'object_id', 'objects', 'customers',
    'connection_id', 'connections', 'field_mappings', 'entity_mappings', 'tokens',
    'sync_id', 'syncs', 'held_deletions', 'run_id', 'rejects', 'event_id', 'feed_start',
    'schema_change_id', 'schema_changes', 'erasure_id', 'erasures']
    || ARRAY(SELECT ring || '_' || slot FROM pg_catalog.unnest('{run_log,events}'::text[]) AS ring,
             pg_catalog.generate_series(0, 7) AS slot)
  LOOP
    PERFORM pg_catalog.pg_extension_config_dump(('supaglue_internal.' || name)::regclass, '');
  END LOOP;
END $$;

-- 2. Views -------------------------------------------------------------------------------------
-- What scripts and people read. They run as the extension's owner, so SELECT on the view is all that a reader
-- needs; no secret is in any. They stand before the functions, because some return their rows.

CREATE VIEW supaglue.providers AS
SELECT id, application_id, name, config ->> 'category' AS category, config ->> 'auth_type' AS auth_type,
       config - 'category' - 'auth_type' AS config, created_at
FROM supaglue_internal.providers;
COMMENT ON VIEW supaglue.providers IS 'providers as they are configured, without their secrets';

CREATE VIEW supaglue.destinations AS
SELECT id, application_id, name, config ->> 'type' AS type, config - 'type' AS config, created_at
FROM supaglue_internal.destinations;
COMMENT ON VIEW supaglue.destinations IS 'destinations as they are configured, without their secrets';

CREATE VIEW supaglue.sync_configs AS
SELECT c.id, c.application_id, c.name, c.provider_id, p.name AS provider_name, c.destination_id,
       d.name AS destination_name, c.config, c.owner, c.created_at
FROM supaglue_internal.sync_configs c
JOIN supaglue_internal.providers p ON p.id = c.provider_id
JOIN supaglue_internal.destinations d ON d.id = c.destination_id;
COMMENT ON VIEW supaglue.sync_configs IS 'sync configs in their normal form';

CREATE VIEW supaglue.schemas AS
SELECT id, application_id, name, config, created_at FROM supaglue_internal.schemas;
COMMENT ON VIEW supaglue.schemas IS 'field templates in their normal form';

CREATE VIEW supaglue.entities AS
SELECT id, application_id, name, config, created_at FROM supaglue_internal.entities;
COMMENT ON VIEW supaglue.entities IS 'entities in their normal form';

CREATE VIEW supaglue.customers AS
SELECT application_id, customer_id, name, email, created_at FROM supaglue_internal.customers;
COMMENT ON VIEW supaglue.customers IS 'customers';

CREATE VIEW supaglue.connections AS
SELECT c.id, c.application_id, c.customer_id, p.name AS provider_name,
       CASE WHEN trouble.reason IS NULL THEN c.status ELSE 'degraded' END AS status,
       coalesce(trouble.reason, c.status_reason) AS status_reason, c.account_id,
       c.account_name, coalesce(c.config ->> 'instance_url', t.base_url) AS instance_url, c.created_at,
       -- Not a column: a run must not lock the row that the token keeper may need meanwhile.
       (SELECT pg_catalog.max(s.last_run_at) FROM supaglue_internal.syncs s WHERE s.connection_id = c.id) AS last_used_at,
       t.refreshed_at AS token_refreshed_at
FROM supaglue_internal.connections c
JOIN supaglue_internal.providers p ON p.id = c.provider_id
LEFT JOIN supaglue_internal.tokens t ON t.connection_id = c.id
-- It is let in, but not everywhere. Waiting for a quota or a destination says nothing against it.
LEFT JOIN LATERAL (
  SELECT pg_catalog.format('%s: %s', o.object, s.last_error) AS reason
  FROM supaglue_internal.syncs s JOIN supaglue_internal.objects o ON o.id = s.object_id
  WHERE s.connection_id = c.id AND NOT s.unavailable
    AND s.last_error_class IN ('permission', 'gone', 'data', 'provider', 'transient')
  ORDER BY s.id LIMIT 1) AS trouble ON c.status = 'active';
COMMENT ON VIEW supaglue.connections IS 'connections and whether they work, without their credentials';

CREATE VIEW supaglue.erasures AS
SELECT e.id, e.application_id, e.customer_id, e.provider_name, e.what, d.name AS destination,
       pg_catalog.quote_ident(d.config ->> 'schema') || '.*' AS table_name, e.since, e.attempts, e.next_attempt_at, e.last_error
FROM supaglue_internal.erasures e
LEFT JOIN supaglue_internal.destinations d ON d.id = e.destination_id;
COMMENT ON VIEW supaglue.erasures IS
  'what of customers could not be ended elsewhere yet: rows in a destination that is away, tokens at their provider';

CREATE VIEW supaglue.syncs AS
SELECT s.id, n.application_id, n.customer_id, p.name AS provider_name, s.connection_id, o.sync_config_id,
       o.object_type, o.object,
       pg_catalog.format('%I.%I', d.config ->> 'schema', o.table_name) AS destination_table,
       o.config ->> 'strategy' AS strategy, (o.config ->> 'period_ms')::bigint AS period_ms, s.phase,
       CASE WHEN 'quarantine' = ANY (s.paused_by) THEN 'quarantined'
            WHEN s.paused_by <> '{}' THEN 'paused'
            WHEN s.unavailable THEN 'unavailable'
            WHEN r.not_before > pg_catalog.clock_timestamp() THEN 'waiting'
            WHEN r.id IS NOT NULL THEN 'running'
            WHEN s.waiting_for IS NOT NULL THEN 'waiting'
            WHEN s.triggered OR s.backfill_asked THEN 'queued'
            ELSE 'idle' END AS state,
       s.paused_by, s.pause_reason,
       -- While a run fetches, what its failed predecessor waited for is over; and a run has its place.
       CASE WHEN r.id IS NULL OR r.stage = 'merge' AND s.waiting_for <> 'slot' OR r.not_before > pg_catalog.clock_timestamp()
            THEN s.waiting_for END AS waiting_for,
       CASE WHEN s.waiting_for IS NULL OR s.waiting_for = 'slot' THEN NULL
            WHEN r.id IS NULL THEN s.next_run_at
            WHEN r.stage = 'merge' OR r.not_before > pg_catalog.clock_timestamp() THEN r.not_before END AS waiting_until,
       s.watermark, s.data_through, s.next_run_at, s.last_run_id, s.last_success_at, s.last_error_class,
       s.last_error, s.consecutive_failures,
       (SELECT pg_catalog.count(*) FROM supaglue_internal.held_deletions h WHERE h.sync_id = s.id) AS held_deletions,
       c.owner
FROM supaglue_internal.syncs s
JOIN supaglue_internal.connections n ON n.id = s.connection_id
JOIN supaglue_internal.objects o ON o.id = s.object_id
JOIN supaglue_internal.sync_configs c ON c.id = o.sync_config_id
JOIN supaglue_internal.providers p ON p.id = o.provider_id
JOIN supaglue_internal.destinations d ON d.id = c.destination_id
LEFT JOIN supaglue_internal.runs r ON r.sync_id = s.id;
COMMENT ON VIEW supaglue.syncs IS 'each (connection, object): its schedule, state and watermark';

CREATE VIEW supaglue.sync_runs AS
SELECT id, sync_id, status, strategy, reason, started_at, finished_at, emitted_at, error_class, error_message,
       records_read, records_inserted, records_updated, records_unchanged, records_deleted, records_rejected,
       values_nulled, requests, bytes_received, provider_count, warnings
FROM supaglue_internal.run_log
UNION ALL
SELECT id, sync_id, 'IN_PROGRESS', strategy, reason, started_at, NULL, NULL, NULL, NULL,
       records_read, 0, 0, 0, 0, 0, 0, requests, bytes_received, provider_count, '{}'
FROM supaglue_internal.runs;
COMMENT ON VIEW supaglue.sync_runs IS 'runs, finished and under way';

CREATE VIEW supaglue.sync_rejects AS
SELECT run_id, sync_id, at, reason, record FROM supaglue_internal.rejects;
COMMENT ON VIEW supaglue.sync_rejects IS 'records that could not be used, and why';

CREATE VIEW supaglue.rate_limits AS
SELECT l.connection_id, n.application_id, n.customer_id, p.name AS provider_name, l.used, l.quota, l.reserve,
       greatest(l.quota - l.used, 0) AS remaining, l.resets_at,
       CASE WHEN l.parked_until > pg_catalog.clock_timestamp() THEN l.parked_until END AS parked_until,
       CASE WHEN l.parked_until > pg_catalog.clock_timestamp() THEN l.parked_for END AS parked_for,
       l.requests_per_second, l.seen_at
FROM supaglue_internal.rate_limits l
JOIN supaglue_internal.connections n ON n.id = l.connection_id
JOIN supaglue_internal.providers p ON p.id = n.provider_id;
COMMENT ON VIEW supaglue.rate_limits IS
  'what connections'' providers told of their limits, and which of them are asked nothing now; at most a minute old while they are asked';

CREATE VIEW supaglue.events AS
SELECT id, at, kind, application_id, customer_id, provider_name, sync_id, run_id, payload
FROM supaglue_internal.events WHERE kind <> 'erased';
COMMENT ON VIEW supaglue.events IS 'what happened; supaglue.read_events() reads it so that nothing is passed over';

CREATE VIEW supaglue.schema_changes AS
SELECT id, at, sync_id, run_id, application_id, customer_id, provider_name, object_type, object, change, field,
       old_type, new_type
FROM supaglue_internal.schema_changes;
COMMENT ON VIEW supaglue.schema_changes IS
  'fields of synced objects that were added, removed or given another type at the provider, as runs found it';

-- How the workers are is read off their locks: each holds one of its session on its place, which no advisory
-- function can take.
CREATE VIEW supaglue.worker_status AS
SELECT pg_catalog.current_database() AS database, place.kind, place.number, l.pid, l.pid IS NOT NULL AS running,
       a.backend_start AS started_at,
       CASE WHEN l.pid IS NULL THEN 'not running: see supaglue.database and supaglue.start_worker()'
            ELSE a.query END AS message
FROM (
  SELECT k.kind, k.class, n.number
  FROM (VALUES ('fetcher', 1::oid, 'supaglue.workers'), ('merger', 2::oid, 'supaglue.merge_workers'))
    AS k (kind, class, setting),
    pg_catalog.generate_series(0, coalesce(pg_catalog.current_setting(k.setting, true), '1')::int - 1) AS n (number)
) AS place
LEFT JOIN pg_catalog.pg_locks l ON l.locktype = 'advisory' AND l.granted AND l.objsubid = 78
  AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
  AND l.classid = place.class AND l.objid = place.number::oid
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid;
COMMENT ON VIEW supaglue.worker_status IS
  'the workers that this database is to have, and what each does or why it idles (for pg_read_all_stats)';

-- 3. Functions ---------------------------------------------------------------------------------
-- Nobody may execute them until granted (section 5). They act as the caller, except where they touch our own tables.


-- Configuration
CREATE FUNCTION supaglue.create_provider(config jsonb) RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_create_provider';
COMMENT ON FUNCTION supaglue.create_provider(jsonb) IS
  'configures a provider and makes its foreign server; returns its id';

CREATE FUNCTION supaglue.update_provider(id bigint, config jsonb) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_update_provider';
COMMENT ON FUNCTION supaglue.update_provider(bigint, jsonb) IS
  'changes a provider by a JSON merge patch; what is not given, secrets too, stays; connections that were refused try again';

CREATE FUNCTION supaglue.delete_provider(id bigint) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_delete_provider';
COMMENT ON FUNCTION supaglue.delete_provider(bigint) IS
  'deletes a provider that nothing uses';

CREATE FUNCTION supaglue.create_destination(config jsonb) RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_create_destination';
COMMENT ON FUNCTION supaglue.create_destination(jsonb) IS
  'configures a destination, without a host this database; returns its id';

CREATE FUNCTION supaglue.update_destination(id bigint, config jsonb) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_update_destination';
COMMENT ON FUNCTION supaglue.update_destination(bigint, jsonb) IS
  'changes a destination by a JSON merge patch; when it is another place then, its syncs start over';

CREATE FUNCTION supaglue.delete_destination(id bigint) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_delete_destination';
COMMENT ON FUNCTION supaglue.delete_destination(bigint) IS
  'deletes a destination that nothing uses';

CREATE FUNCTION supaglue.test_destination(config jsonb, OUT success boolean, OUT message text, OUT detail text)
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_test_destination_config';
COMMENT ON FUNCTION supaglue.test_destination(jsonb) IS
  'whether a destination of this document can be reached and written to; stores nothing';

CREATE FUNCTION supaglue.test_destination(id bigint, OUT success boolean, OUT message text, OUT detail text)
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_test_destination';
COMMENT ON FUNCTION supaglue.test_destination(bigint) IS
  'whether a destination can be reached and written to';

CREATE FUNCTION supaglue.create_sync_config(config jsonb) RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_create_sync_config';
COMMENT ON FUNCTION supaglue.create_sync_config(jsonb) IS
  'configures what is synced from a provider to a destination: makes tables, live twins and the syncs of existing connections; returns its id';

CREATE FUNCTION supaglue.update_sync_config(id bigint, config jsonb, force boolean DEFAULT false) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_update_sync_config';
COMMENT ON FUNCTION supaglue.update_sync_config(bigint, jsonb, boolean) IS
  'changes a sync config by a JSON merge patch; ending syncs needs force; tables and rows stay';

CREATE FUNCTION supaglue.delete_sync_config(id bigint, force boolean DEFAULT false) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_delete_sync_config';
COMMENT ON FUNCTION supaglue.delete_sync_config(bigint, boolean) IS
  'deletes a sync config; ending syncs needs force; tables and rows stay';

CREATE FUNCTION supaglue.destination_ddl(id bigint) RETURNS text
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_destination_ddl';
COMMENT ON FUNCTION supaglue.destination_ddl(bigint) IS
  'the script that makes the tables of a sync config, at a remote destination the record of its syncs, too';

-- Schemas, entities, and what customers mean by their fields

CREATE FUNCTION supaglue.create_schema(config jsonb) RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_create_schema';
COMMENT ON FUNCTION supaglue.create_schema(jsonb) IS
  'configures a schema: fields that are hoisted into columns, and that each customer may map; returns its id';

CREATE FUNCTION supaglue.update_schema(id bigint, config jsonb) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_update_schema';
COMMENT ON FUNCTION supaglue.update_schema(bigint, jsonb) IS
  'changes a schema by a JSON merge patch: missing columns are added, stored rows are mapped anew at the next runs';

CREATE FUNCTION supaglue.delete_schema(id bigint) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_delete_schema';
COMMENT ON FUNCTION supaglue.delete_schema(bigint) IS
  'deletes a schema that no sync config uses';

CREATE FUNCTION supaglue.create_entity(config jsonb) RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_create_entity';
COMMENT ON FUNCTION supaglue.create_entity(jsonb) IS
  'configures an entity: an object of the developers, mapped to objects of providers; returns its id';

CREATE FUNCTION supaglue.update_entity(id bigint, config jsonb) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_update_entity';
COMMENT ON FUNCTION supaglue.update_entity(bigint, jsonb) IS
  'changes an entity by a JSON merge patch: missing columns are added, stored rows are mapped anew at the next runs';

CREATE FUNCTION supaglue.delete_entity(id bigint) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_delete_entity';
COMMENT ON FUNCTION supaglue.delete_entity(bigint) IS
  'deletes an entity that no sync config uses';

CREATE FUNCTION supaglue.field_mappings(customer_id text, provider_name text, application_id text DEFAULT NULL) RETURNS TABLE (
  object_type text, object text, schema_name text, field text, type text, mapped_to text, mapped_by text,
  additional boolean, status text)
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_field_mappings';
COMMENT ON FUNCTION supaglue.field_mappings(text, text, text) IS
  'what a customer means by the fields of the schemas, and whether the provider has what is meant';

CREATE FUNCTION supaglue.set_field_mappings(customer_id text, provider_name text, mappings jsonb, application_id text DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_set_field_mappings';
COMMENT ON FUNCTION supaglue.set_field_mappings(text, text, jsonb, text) IS
  'maps fields of schemas for a customer: keys given are set, null unmaps, others stay';

CREATE FUNCTION supaglue.entity_mappings(customer_id text, provider_name text, application_id text DEFAULT NULL) RETURNS TABLE (
  entity_name text, object_type text, object text, object_by text, field text, type text, mapped_to text,
  mapped_by text, additional boolean, status text)
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_entity_mappings';
COMMENT ON FUNCTION supaglue.entity_mappings(text, text, text) IS
  'what entities are at a provider for a customer (NULL: for those who have no mappings of their own)';

CREATE FUNCTION supaglue.set_entity_mapping(entity_name text, provider_name text, mapping jsonb, customer_id text DEFAULT NULL, application_id text DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_set_entity_mapping';
COMMENT ON FUNCTION supaglue.set_entity_mapping(text, text, jsonb, text, text) IS
  'maps an entity to an object of a provider and its fields, for every customer or for one instead';

CREATE FUNCTION supaglue.delete_entity_mapping(entity_name text, provider_name text, customer_id text DEFAULT NULL, application_id text DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_delete_entity_mapping';
COMMENT ON FUNCTION supaglue.delete_entity_mapping(text, text, text, text) IS
  'ends what set_entity_mapping() did for every customer, or for one';

-- Customers and connections

CREATE FUNCTION supaglue.upsert_customer(customer_id text, name text DEFAULT NULL, email text DEFAULT NULL, application_id text DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_upsert_customer';
COMMENT ON FUNCTION supaglue.upsert_customer(text, text, text, text) IS
  'makes a customer known, or changes name and email where they are given';

CREATE FUNCTION supaglue.delete_customer(customer_id text, application_id text DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_delete_customer';
COMMENT ON FUNCTION supaglue.delete_customer(text, text) IS
  'deletes a customer who has no connections; rows stay';

CREATE FUNCTION supaglue.erase_customer(customer_id text, application_id text DEFAULT NULL)
RETURNS TABLE (destination text, table_name text, rows_erased bigint)
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_erase_customer';
COMMENT ON FUNCTION supaglue.erase_customer(text, text) IS
  'deletes a customer with the connections, and the rows in every destination; what cannot be reached (rows_erased is null) is erased later, see erasures';

CREATE FUNCTION supaglue.create_connection(config jsonb) RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_create_connection';
COMMENT ON FUNCTION supaglue.create_connection(jsonb) IS
  'configures a customer''s access to a provider and starts the syncs; returns its id';

CREATE FUNCTION supaglue.update_connection(id bigint, config jsonb) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_update_connection';
COMMENT ON FUNCTION supaglue.update_connection(bigint, jsonb) IS
  'changes a connection by a JSON merge patch; new credentials make it active and its syncs due';

CREATE FUNCTION supaglue.delete_connection(id bigint, erase boolean DEFAULT false, revoke boolean DEFAULT true) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_delete_connection';
COMMENT ON FUNCTION supaglue.delete_connection(bigint, boolean, boolean) IS
  'deletes a connection and its syncs, and with erase its rows in every destination; with revoke, the provider is asked to end the token once this is committed';

CREATE FUNCTION supaglue.test_connection(id bigint, OUT success boolean, OUT message text, OUT account_name text)
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_test_connection';
COMMENT ON FUNCTION supaglue.test_connection(bigint) IS
  'whether the provider lets a connection in, in its own words, and the account''s name; stores nothing';

CREATE FUNCTION supaglue.oauth_connect_url(customer_id text, provider_name text, return_url text, options jsonb DEFAULT '{}', application_id text DEFAULT NULL) RETURNS text
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_oauth_connect_url';
COMMENT ON FUNCTION supaglue.oauth_connect_url(text, text, text, jsonb, text) IS
  'the address of the provider''s page on which a customer consents; good once, for ten minutes';

CREATE FUNCTION supaglue.oauth_callback(params jsonb, expected_customer_id text DEFAULT NULL, OUT connection_id bigint, OUT customer_id text, OUT return_url text, OUT outcome text, OUT message text)
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_oauth_callback';
COMMENT ON FUNCTION supaglue.oauth_callback(jsonb, text) IS
  'takes what came back with the customer''s browser: makes the connection, or gives it new credentials; outcome is connected, reconnected, denied, expired, wrong_account or failed';

CREATE FUNCTION supaglue.create_magic_link(customer_id text, provider_name text, return_url text, expires_in interval DEFAULT '7 days', application_id text DEFAULT NULL, OUT id bigint, OUT token text, OUT expires_at timestamptz)
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_create_magic_link';
COMMENT ON FUNCTION supaglue.create_magic_link(text, text, text, interval, text) IS
  'a token by which a customer may begin to connect, once; it is shown only here';

CREATE FUNCTION supaglue.redeem_magic_link(token text) RETURNS text
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_redeem_magic_link';
COMMENT ON FUNCTION supaglue.redeem_magic_link(text) IS
  'spends a magic link; the address of the provider''s page on which its customer consents';

CREATE FUNCTION supaglue.sync_id(customer_id text, provider_name text, object text, object_type text DEFAULT NULL, application_id text DEFAULT NULL) RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_sync_id';
COMMENT ON FUNCTION supaglue.sync_id(text, text, text, text, text) IS
  'the id of a customer''s sync of an object';

CREATE FUNCTION supaglue.adopt_database() RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_adopt_database';
COMMENT ON FUNCTION supaglue.adopt_database() IS
  'lets the syncs of a restored or cloned database run here';

CREATE FUNCTION supaglue.forget_secrets() RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_forget_secrets';
COMMENT ON FUNCTION supaglue.forget_secrets() IS
  'deletes every secret of this database, so that a copy can be given away; connections are disabled until they get new ones';

CREATE FUNCTION supaglue.rotate_encryption_key() RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_rotate_encryption_key';
COMMENT ON FUNCTION supaglue.rotate_encryption_key() IS
  'makes a new encryption key and seals every secret of this database with it; the old key stays beside it';


-- A sync here and now

CREATE FUNCTION supaglue.materialize(sync_id bigint, perform_full_refresh boolean DEFAULT false) RETURNS supaglue.sync_runs
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_materialize';
COMMENT ON FUNCTION supaglue.materialize(bigint, boolean) IS
  'runs a sync, paused or not, in the transaction of the caller, whose constraints become immediate; a remote destination commits just before it does';


CREATE FUNCTION supaglue.remap(sync_id bigint) RETURNS supaglue.sync_runs
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_remap';
COMMENT ON FUNCTION supaglue.remap(bigint) IS
  'recomputes the columns of the stored rows from their raw data, without a request to the provider';

CREATE FUNCTION supaglue.confirm_deletions(sync_id bigint) RETURNS supaglue.sync_runs
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_confirm_deletions';
COMMENT ON FUNCTION supaglue.confirm_deletions(bigint) IS
  'marks the rows as deleted whose deletion is held, in the transaction of the caller, without a request to the provider';

CREATE FUNCTION supaglue.discard_deletions(sync_id bigint) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_discard_deletions';
COMMENT ON FUNCTION supaglue.discard_deletions(bigint) IS
  'forgets the deletions that are held: the rows stay, until full runs miss them twice more';
CREATE FUNCTION supaglue.reemit(sync_id bigint, from_time timestamptz DEFAULT '-infinity') RETURNS supaglue.sync_runs
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_reemit';
COMMENT ON FUNCTION supaglue.reemit(bigint, timestamptz) IS
  'marks the rows that were emitted since a time as new, for a consumer that lost them, without a request to the provider';

-- A customer's own mapping lies over everybody's: its object replaces theirs, its fields theirs one by
-- one; a null there unmaps what they map.
CREATE FUNCTION supaglue_internal.mapped_entity(entity_id bigint, provider_id bigint, connection_id bigint,
  OUT object_type text, OUT object text, OUT object_by text, OUT mappings jsonb, OUT own_mappings jsonb)
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT CASE WHEN own.object IS NULL THEN every.object_type ELSE own.object_type END,
    coalesce(own.object, every.object),
    CASE WHEN own.object IS NOT NULL THEN 'customer' WHEN every.object IS NOT NULL THEN 'developer' END,
    coalesce(every.mappings, '{}') || coalesce(own.mappings, '{}'), coalesce(own.mappings, '{}')
  FROM (SELECT) AS one
  LEFT JOIN supaglue_internal.entity_mappings every ON every.entity_id = $1 AND every.provider_id = $2
    AND every.connection_id IS NULL
  LEFT JOIN supaglue_internal.entity_mappings own ON own.entity_id = $1 AND own.provider_id = $2
    AND own.connection_id = $3;
END;
COMMENT ON FUNCTION supaglue_internal.mapped_entity(bigint, bigint, bigint) IS
  'what an entity is at a provider for a connection (0: for everybody), and which of its fields are the entity''s';

CREATE FUNCTION supaglue_internal.check_connector(name text) RETURNS int
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_check_connector';
COMMENT ON FUNCTION supaglue_internal.check_connector(text) IS
  'raises unless every expression of a connector document may be run; returns how many there are';


-- The provider, live

CREATE FUNCTION supaglue.list_objects(customer_id text, provider_name text, application_id text DEFAULT NULL)
RETURNS TABLE (object_type text, object text, label text, raw jsonb)
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_list_objects';
COMMENT ON FUNCTION supaglue.list_objects(text, text, text) IS
  'the objects that a customer has at a provider and that can be read, custom ones included, as the provider tells it now';

CREATE FUNCTION supaglue.list_properties(customer_id text, provider_name text, object text, application_id text DEFAULT NULL)
RETURNS TABLE (name text, label text, description text, type text, provider_type text, custom boolean, options jsonb, raw jsonb)
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_list_properties';
COMMENT ON FUNCTION supaglue.list_properties(text, text, text, text) IS
  'the fields of a customer''s object that can be read, custom ones included, as the provider tells it now';

CREATE FUNCTION supaglue.passthrough(customer_id text, provider_name text, request jsonb, application_id text DEFAULT NULL) RETURNS jsonb
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_passthrough';
COMMENT ON FUNCTION supaglue.passthrough(text, text, jsonb, text) IS
  'sends a request to the provider''s own API with a customer''s credentials and returns its answer, whatever the status; is not undone by a rollback';


-- The whole configuration

CREATE FUNCTION supaglue.apply(config jsonb, dry_run boolean DEFAULT false, prune boolean DEFAULT false)
RETURNS TABLE (action text, kind text, name text, detail text)
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_apply';
COMMENT ON FUNCTION supaglue.apply(jsonb, boolean, boolean) IS
  'makes the configuration of the application what the document says: creates, updates, and with prune deletes what its lists do not name; customers and connections stay';

CREATE FUNCTION supaglue.export_config() RETURNS jsonb
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_export_config';
COMMENT ON FUNCTION supaglue.export_config() IS
  'the configuration of the application as one document, without secrets, as apply() takes it';


-- The feed of events

-- The events of a customer forget all but their place, so that a cursor that names one stays good.
CREATE FUNCTION supaglue_internal.erase_events(application_id text, customer_id text, provider_name text) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  UPDATE supaglue_internal.events e
  SET kind = 'erased', customer_id = NULL, provider_name = NULL, sync_id = NULL, run_id = NULL, payload = '{}'
  WHERE e.application_id = $1 AND e.customer_id = $2 AND ($3 IS NULL OR e.provider_name = $3);
END;
COMMENT ON FUNCTION supaglue_internal.erase_events(text, text, text) IS
  'takes what it tells out of the events of a customer, of one provider or of all; they are not shown any more';

CREATE FUNCTION supaglue.read_events(after text DEFAULT NULL, max_events int DEFAULT 1000)
RETURNS TABLE (cursor text, event text, at timestamptz, payload jsonb)
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_read_events';
COMMENT ON FUNCTION supaglue.read_events(text, int) IS
  'the events after a cursor, in an order in which nothing ever appears behind a cursor already returned';


-- The answer at 3 a.m.

-- What is known of the syncs of a customer, one row each.
CREATE FUNCTION supaglue_internal.facts_of_syncs(application_id text, customer_id text, provider_name text, object text)
RETURNS TABLE (sync supaglue.syncs, connection_status text, status_reason text, provider_id bigint, auth_type text,
  destination_id bigint, destination_name text, host text, unmapped boolean, stage text, run_started_at timestamptz,
  records_read bigint, failing_since timestamptz, refused_since timestamptz, held_since timestamptz,
  broken text, rejected bigint, has_fetcher boolean, has_merger boolean)
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT s, n.status, n.status_reason, p.id, p.config ->> 'auth_type', d.id, d.name, d.config ->> 'host',
    s.object_type = 'entity' AND (SELECT m.object IS NULL FROM supaglue_internal.objects o,
      supaglue_internal.mapped_entity(o.entity_id, o.provider_id, n.id) m
      WHERE o.sync_config_id = s.sync_config_id AND o.object_type = s.object_type AND o.object = s.object),
    r.stage, r.started_at, r.records_read,
    coalesce((SELECT min(l.finished_at) FROM supaglue_internal.run_log l WHERE l.sync_id = s.id
      AND l.error_class IS NOT NULL AND l.finished_at > coalesce(s.last_success_at, '-infinity')), r.started_at),
    (SELECT max(e.at) FROM supaglue_internal.events e WHERE e.kind = 'connection.reauthorization_required'
      AND e.application_id = $1 AND e.customer_id = $2 AND e.provider_name = s.provider_name),
    (SELECT max(e.at) FROM supaglue_internal.events e WHERE e.kind = 'sync.deletions_held'
      AND e.customer_id = $2 AND e.sync_id = s.id),
    (SELECT w FROM pg_catalog.unnest(last.warnings) AS w WHERE w LIKE 'mapped to fields%' LIMIT 1),
    last.records_rejected,
    coalesce((SELECT bool_or(w.running) FROM supaglue.worker_status w WHERE w.kind = 'fetcher'
      AND w.number = n.id % (SELECT count(*) FROM supaglue.worker_status f WHERE f.kind = 'fetcher')), false),
    coalesce((SELECT bool_or(w.running) FROM supaglue.worker_status w WHERE w.kind = 'merger'), false)
  FROM supaglue.syncs s
  JOIN supaglue_internal.connections n ON n.id = s.connection_id
  JOIN supaglue_internal.providers p ON p.id = n.provider_id
  JOIN supaglue_internal.sync_configs c ON c.id = s.sync_config_id
  JOIN supaglue_internal.destinations d ON d.id = c.destination_id
  LEFT JOIN supaglue_internal.runs r ON r.sync_id = s.id
  -- The limit tells the planner that there is one: each partition may hold any id.
  LEFT JOIN LATERAL (SELECT l.warnings, l.records_rejected FROM supaglue_internal.run_log l
    WHERE l.id = s.last_run_id AND l.status = 'SUCCESS' LIMIT 1) AS last ON true
  WHERE s.application_id = $1 AND s.customer_id = $2 AND s.provider_name = coalesce($3, s.provider_name)
    AND ($4 IS NULL OR pg_catalog.lower(s.object) IN (pg_catalog.lower($4), pg_catalog.lower($4) || '__c'));
END;
COMMENT ON FUNCTION supaglue_internal.facts_of_syncs(text, text, text, text) IS
  'what is known of the syncs of a customer, for why()';

-- The causes in their order: the first that holds is the answer. Of what is wrong with the whole database
-- (`trouble`) no view tells.
CREATE FUNCTION supaglue_internal.causes_of_syncs(application_id text, customer_id text, provider_name text, object text,
  trouble text)
RETURNS TABLE (provider_name text, object text, state text, data_through timestamptz, behind interval, cause text,
  since timestamptz, provider_says text, next_attempt_at timestamptz, what_to_do text, rank int)
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT s.provider_name, s.object, s.state, s.data_through, pg_catalog.clock_timestamp() - s.data_through,
    first.cause, first.since,
    CASE WHEN f.connection_status = 'active' OR s.last_error_class = 'authentication' THEN s.last_error
         ELSE coalesce(f.status_reason, s.last_error) END,
    CASE WHEN $5 IS NOT NULL OR NOT f.has_fetcher OR s.paused_by <> '{}' OR s.state = 'running' THEN NULL
         ELSE coalesce(s.waiting_until, s.next_run_at) END,
    first.what_to_do, first.rank
  FROM supaglue_internal.facts_of_syncs($1, $2, $3, $4) f,
  LATERAL (SELECT (f.sync).*) AS s,
  -- The calls that the advice is made of.
  LATERAL (SELECT
    pg_catalog.format('SELECT supaglue.materialize(%s)', s.id) AS try_now,
    pg_catalog.format('SELECT supaglue.trigger_sync(%s)', s.id) AS trigger,
    CASE WHEN f.auth_type = 'oauth2' THEN pg_catalog.format(
      'let the customer consent again: SELECT supaglue.oauth_connect_url(%L, %L, ''<your page>''%s), or ', $2,
      s.provider_name, CASE WHEN $1 = pg_catalog.current_setting('supaglue.application_id', true) THEN ''
                            ELSE pg_catalog.format(', application_id => %L', $1) END)
         ELSE '' END || pg_catalog.format(
      'give the connection new credentials: SELECT supaglue.update_connection(%s, ''{"credentials": {...}}'')',
      s.connection_id) AS reconnect,
    pg_catalog.format('SELECT supaglue.update_provider(%s, ''{...}'')', f.provider_id) AS update_provider,
    pg_catalog.format('SELECT supaglue.update_sync_config(%s, ''{...}'', force => true)', s.sync_config_id) AS update_config,
    pg_catalog.format('SELECT * FROM supaglue.sync_rejects WHERE sync_id = %s', s.id) AS rejects,
    CASE WHEN f.host IS NULL THEN 'the table' ELSE pg_catalog.format('the destination %I', f.destination_name) END AS target
  ) AS call,
  LATERAL (SELECT v.* FROM (VALUES
    -- The whole database.
    (10, $5 = 'standby', 'this server is a standby: its primary syncs', NULL::timestamptz,
      'ask the primary; when it is gone, promote this server'),
    (11, $5 = 'copy', 'this database is a copy of the one that the syncs belong to', NULL,
      'if the original syncs no more: SELECT supaglue.adopt_database()'),
    (12, $5 = 'disabled', 'supaglue.enabled is off', NULL,
      'ALTER SYSTEM SET supaglue.enabled = on; SELECT pg_reload_conf()'),
    (13, NOT f.has_fetcher OR NOT f.has_merger, CASE WHEN f.has_fetcher OR f.has_merger
        THEN pg_catalog.format('the %s of this database does not run', CASE WHEN f.has_fetcher THEN 'merger' ELSE 'fetcher' END)
        ELSE 'no worker serves this database' END, NULL,
      pg_catalog.format('SELECT supaglue.start_worker(); for good: preload supaglue, with %I in supaglue.database (now: %s)',
        pg_catalog.current_database(), coalesce(pg_catalog.current_setting('supaglue.database', true), 'unset'))),
    -- The connection, and pauses.
    (20, f.connection_status = 'disabled', 'the connection is disabled', NULL, call.reconnect),
    (21, (f.connection_status = 'reauthorization_required' OR s.paused_by @> '{authentication}')
        AND pg_catalog.concat_ws(' ', f.status_reason, s.last_error)
          ~ 'did not accept the provider''s app|invalid_client|unauthorized_client',
      'the provider refuses your own app, not the customer', coalesce(f.refused_since, f.failing_since),
      'check client_id and client_secret: ' || call.update_provider),
    (22, f.connection_status = 'reauthorization_required' OR s.paused_by @> '{authentication}',
      'the provider does not accept the customer''s credentials any more', coalesce(f.refused_since, f.failing_since),
      call.reconnect),
    (23, s.paused_by @> '{user}', CASE WHEN s.pause_reason = 'auto_start_on_connection is false' THEN 'not started: '
        ELSE 'paused by a user' || CASE WHEN s.pause_reason IS NULL THEN '' ELSE ': ' END END || coalesce(s.pause_reason, ''), NULL,
      pg_catalog.format('SELECT supaglue.resume_sync(%s)', s.id)),
    (24, s.paused_by @> '{permission}' AND s.last_error LIKE 'the address of % is not allowed%',
      'the provider''s address is not allowed here', f.failing_since,
      'for development: supaglue.allow_private_networks, supaglue.allow_insecure_http; then ' || call.try_now),
    (25, s.paused_by @> '{permission}', 'the provider forbids it: the user who connected lacks the right', f.failing_since,
      'let the customer give that user the right, then ' || call.try_now),
    (26, f.unmapped, 'the entity is not mapped to an object of the provider for this customer', f.failing_since,
      pg_catalog.format('SELECT supaglue.set_entity_mapping(%L, %L, ''{"object": {...}}'', %L), then %s', s.object,
        s.provider_name, $2, CASE WHEN s.paused_by = '{}' THEN call.trigger ELSE call.try_now END)),
    (27, s.paused_by @> '{gone}', 'the provider has the object, or a field that is asked for, no more', f.failing_since,
      'when it is there again: ' || call.try_now || '; to sync it no more: ' || call.update_config),
    (28, s.paused_by @> '{data}', 'too many records cannot be used', f.failing_since,
      call.rejects || ', then ' || call.try_now),
    (29, s.paused_by @> '{quarantine}', 'given up, because its run fails or ends its worker each time', f.failing_since,
      pg_catalog.format('remove what the error names, then SELECT supaglue.resume_sync(%s)', s.id)),
    (30, s.paused_by <> '{}', 'paused by ' || pg_catalog.array_to_string(s.paused_by, ', '), NULL, call.try_now),
    (31, s.state = 'unavailable', 'the customer does not have this object', f.failing_since,
      'nothing: it is looked for daily; now: ' || call.trigger),
    -- Failures, which are tried again.
    (40, s.waiting_for = 'destination' OR s.last_error_class = 'destination',
      CASE WHEN f.stage = 'merge' THEN 'the records are fetched, but ' ELSE '' END || call.target || ' refuses or is away',
      f.failing_since, CASE WHEN f.host IS NULL
        THEN pg_catalog.format('remove what the error names (the table must be as SELECT supaglue.destination_ddl(%s) shows it)', s.sync_config_id)
        ELSE pg_catalog.format('SELECT * FROM supaglue.test_destination(%s)', f.destination_id) END
        || CASE WHEN f.stage = 'merge' THEN '; it is tried again by itself' ELSE '; then ' || call.trigger END),
    (41, s.waiting_for = 'quota' OR s.last_error_class = 'quota', 'the customer''s limit of requests at the provider is reached',
      f.failing_since, 'nothing: it goes on when the limit allows; fewer requests: a longer period_ms, by ' || call.update_config),
    (42, s.last_error_class = 'transient' OR s.waiting_for = 'backoff' AND s.last_error_class IS NULL,
      'the provider is down, slow, or cannot be reached', f.failing_since,
      'nothing: it is tried again; now: ' || call.trigger),
    (43, s.last_error_class = 'data', 'too many records cannot be used', f.failing_since, call.rejects || ', then ' || call.trigger),
    (44, s.last_error_class = 'provider', 'the provider answers what makes no sense here', f.failing_since,
      'it is tried again; if it stays so, ask the provider with these words'),
    (45, s.last_error_class = 'internal', 'an error of supaglue''s own', f.failing_since,
      'see the server''s log; it is tried again; now: ' || call.trigger),
    (46, s.last_error_class IS NOT NULL, 'it fails: ' || s.last_error_class, f.failing_since, 'it is tried again; now: ' || call.trigger),
    -- Under way, or about to be.
    (50, s.waiting_for = 'slot', 'other syncs have all places: it waits for one', s.next_run_at,
      'nothing; more at once: supaglue.fetch_concurrency, supaglue.workers'),
    (51, f.stage = 'merge', 'fetched, and being written to ' || call.target, f.run_started_at,
      'nothing; if it takes long, somebody may hold a lock: SELECT * FROM pg_stat_activity WHERE backend_type = ''supaglue merger'''),
    (52, f.stage = 'fetch', pg_catalog.format('a run reads: %s records so far', f.records_read), f.run_started_at,
      pg_catalog.format('nothing; to stop it: SELECT supaglue.pause_sync(%s)', s.id)),
    (53, s.state = 'queued' OR s.next_run_at < pg_catalog.clock_timestamp() - '1 min'::interval
        OR s.phase = 'created',
      CASE WHEN s.next_run_at < pg_catalog.clock_timestamp() - '1 min'::interval
             THEN 'late: it is due, and no worker has taken it yet'
           WHEN s.phase = 'created' THEN 'new: it has not run yet'
           ELSE 'asked for, and not begun yet' END, s.next_run_at,
      'nothing if it begins soon; else SELECT * FROM supaglue.worker_status'),
    -- It goes on, but for a part of it.
    (60, s.held_deletions > 0, pg_catalog.format('%s deletions are held: so many at once may be a mistake', s.held_deletions),
      f.held_since, pg_catalog.format('SELECT supaglue.confirm_deletions(%1$s), or SELECT supaglue.discard_deletions(%1$s)', s.id)),
    (61, f.broken IS NOT NULL, 'a mapping is broken: ' || f.broken, s.last_success_at,
      CASE WHEN s.object_type = 'entity'
        THEN pg_catalog.format('SELECT supaglue.set_entity_mapping(%L, %L, ''{"fields": {...}}'', %L)', s.object, s.provider_name, $2)
        ELSE pg_catalog.format('SELECT supaglue.set_field_mappings(%L, %L, ''{%s: {%s: {...}}}'')', $2, s.provider_name,
          pg_catalog.to_json(s.object_type), pg_catalog.to_json(s.object)) END),
    (62, f.rejected > 0, pg_catalog.format('%s records could not be used', f.rejected), s.last_success_at, call.rejects),
    (99, true, 'up to date', s.last_success_at, 'nothing')
  ) AS v (rank, holds, cause, since, what_to_do) WHERE v.holds ORDER BY v.rank LIMIT 1) AS first;
END;
COMMENT ON FUNCTION supaglue_internal.causes_of_syncs(text, text, text, text, text) IS
  'why the syncs of a customer are as they are, for why()';

-- Where there is no sync to ask.
CREATE FUNCTION supaglue_internal.cause_without_sync(application_id text, customer_id text, provider_name text, object text)
RETURNS TABLE (provider_name text, object text, cause text, what_to_do text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  WITH connected AS (
    SELECT n.id, p.id AS provider_id, p.name FROM supaglue_internal.connections n
    JOIN supaglue_internal.providers p ON p.id = n.provider_id
    WHERE n.application_id = $1 AND n.customer_id = $2 AND p.name = coalesce($3, p.name)),
  words AS (
    SELECT CASE WHEN $1 = pg_catalog.current_setting('supaglue.application_id', true) THEN ''
                ELSE pg_catalog.format(', application_id => %L', $1) END AS also,
      (SELECT pg_catalog.string_agg(DISTINCT pg_catalog.quote_ident(k.application_id), ', ')
       FROM supaglue_internal.customers k WHERE k.customer_id = $2) AS known_in)
  SELECT c.name, $4, CASE WHEN $4 IS NULL THEN pg_catalog.format('nothing of %s is synced', c.name)
      ELSE pg_catalog.format('no sync config has the object %I of %s', $4, c.name) END,
    coalesce((SELECT pg_catalog.format('SELECT supaglue.update_sync_config(%s, ''{...}'') with the object in it', min(s.id))
      FROM supaglue_internal.sync_configs s WHERE s.provider_id = c.provider_id HAVING count(*) > 0),
      pg_catalog.format('SELECT supaglue.create_sync_config(''{"provider_name": %s, ...}'')', pg_catalog.to_json(c.name)))
  FROM connected c
  WHERE NOT EXISTS (SELECT FROM supaglue_internal.syncs s WHERE s.connection_id = c.id)
     OR $4 IS NOT NULL AND NOT EXISTS (SELECT FROM supaglue_internal.facts_of_syncs($1, $2, $3, $4))
  UNION ALL
  SELECT $3, $4,
    CASE WHEN w.known_in IS NULL THEN pg_catalog.format('customer %L is not known', $2)
         WHEN k.customer_id IS NULL THEN pg_catalog.format('customer %L is not known in application %I, but in %s', $2, $1, w.known_in)
         WHEN $3 IS NOT NULL AND p.id IS NULL THEN pg_catalog.format('provider %L is not configured', $3)
         WHEN $3 IS NULL THEN pg_catalog.format('customer %L has no connection', $2)
         ELSE pg_catalog.format('customer %L has no connection to %s', $2, $3) END,
    CASE WHEN w.known_in IS NULL THEN pg_catalog.format('SELECT supaglue.upsert_customer(%L%s)', $2, w.also)
         WHEN k.customer_id IS NULL THEN 'ask with application_id, or set supaglue.application_id'
         WHEN $3 IS NOT NULL AND p.id IS NULL
           THEN pg_catalog.format('SELECT supaglue.create_provider(''{"name": %s, ...}'')', pg_catalog.to_json($3))
         ELSE pg_catalog.format(
           'SELECT supaglue.oauth_connect_url(%L, %s, ''<your page>''%s), or SELECT supaglue.create_connection(''{...}'')',
           $2, coalesce(pg_catalog.quote_literal($3), '<provider>'), w.also) END
  FROM words w
  LEFT JOIN supaglue_internal.customers k ON k.application_id = $1 AND k.customer_id = $2
  LEFT JOIN supaglue_internal.providers p ON p.application_id = $1 AND p.name = $3
  WHERE NOT EXISTS (SELECT FROM connected);
END;
COMMENT ON FUNCTION supaglue_internal.cause_without_sync(text, text, text, text) IS
  'why a customer has no sync, for why()';

CREATE FUNCTION supaglue.why(customer_id text, provider_name text DEFAULT NULL, object text DEFAULT NULL, application_id text DEFAULT NULL)
RETURNS TABLE (provider_name text, object text, state text, data_through timestamptz, behind interval, cause text,
  since timestamptz, provider_says text, next_attempt_at timestamptz, what_to_do text)
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_why';
COMMENT ON FUNCTION supaglue.why(text, text, text, text) IS
  'why the data of a customer is as fresh or as old as it is, what the provider says, and what to do; what is worst comes first';


-- Steering syncs and workers

CREATE FUNCTION supaglue.trigger_sync(sync_id bigint, perform_full_refresh boolean DEFAULT false) RETURNS text
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_trigger_sync';
COMMENT ON FUNCTION supaglue.trigger_sync(bigint, boolean) IS
  'asks the workers for a run; during one it means exactly one more; works once while a user has paused the sync';

CREATE FUNCTION supaglue.backfill(sync_id bigint, from_time timestamptz, to_time timestamptz DEFAULT 'infinity') RETURNS text
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_backfill';
COMMENT ON FUNCTION supaglue.backfill(bigint, timestamptz, timestamptz) IS
  'asks the workers to read again what the provider stamped within a window; the watermark does not move back';

CREATE FUNCTION supaglue.pause_sync(sync_id bigint, reason text DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_pause_sync';
COMMENT ON FUNCTION supaglue.pause_sync(bigint, text) IS
  'no more runs until resume_sync(); a run that is fetching stops, one that is merging completes';

CREATE FUNCTION supaglue.resume_sync(sync_id bigint) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_resume_sync';
COMMENT ON FUNCTION supaglue.resume_sync(bigint) IS
  'undoes pause_sync(), and ends a quarantine; a pause for another cause stays';

CREATE FUNCTION supaglue.wait_for_sync(sync_id bigint, timeout interval DEFAULT '5 min') RETURNS supaglue.sync_runs
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_wait_for_sync';
COMMENT ON FUNCTION supaglue.wait_for_sync(bigint, interval) IS
  'waits until the runs that are under way, asked for or due have finished and returns the last one; what the caller''s transaction has not committed is not waited for';

CREATE FUNCTION supaglue.start_worker() RETURNS text
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_start_worker';
COMMENT ON FUNCTION supaglue.start_worker() IS
  'starts the workers of this database until the server''s next restart; for servers that do not preload supaglue';

CREATE FUNCTION supaglue.stop_worker() RETURNS text
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_stop_worker';
COMMENT ON FUNCTION supaglue.stop_worker() IS 'ends the workers of this database';

CREATE FUNCTION supaglue_internal.wake_workers() RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_wake_workers';
COMMENT ON FUNCTION supaglue_internal.wake_workers() IS 'wakes the workers when the transaction commits';


-- 4. The foreign data wrapper -------------------------------------------------------------------
-- Servers and foreign tables are made by create_provider() and create_sync_config(), or by hand.

CREATE FUNCTION supaglue_internal.fdw_handler() RETURNS fdw_handler
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_fdw_handler';
COMMENT ON FUNCTION supaglue_internal.fdw_handler() IS 'how foreign tables of wrapper supaglue are read';

CREATE FUNCTION supaglue_internal.fdw_validator(options text[], catalog oid) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'supaglue_fdw_validator';
COMMENT ON FUNCTION supaglue_internal.fdw_validator(text[], oid) IS 'checks the options of servers and foreign tables of wrapper supaglue';

CREATE FOREIGN DATA WRAPPER supaglue
  HANDLER supaglue_internal.fdw_handler VALIDATOR supaglue_internal.fdw_validator;
COMMENT ON FOREIGN DATA WRAPPER supaglue IS 'reads providers live: one server per provider, one foreign table per object';

-- 5. Rights ------------------------------------------------------------------------------------
-- Nothing of ours is executable by PUBLIC; a role is let in by plain GRANTs.

DO $$
DECLARE
  function regprocedure;
BEGIN
  FOR function IN
    SELECT objid FROM pg_catalog.pg_depend
    WHERE classid = 'pg_catalog.pg_proc'::regclass AND deptype = 'e'
      AND refclassid = 'pg_catalog.pg_extension'::regclass
      AND refobjid = (SELECT oid FROM pg_catalog.pg_extension WHERE extname = 'supaglue')
  LOOP
    EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', function);
  END LOOP;
END $$;

-- Workers that were waiting for the extension begin now.
SELECT supaglue_internal.wake_workers();
