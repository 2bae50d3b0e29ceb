\echo Use "CREATE EXTENSION supaglue" to load this file. \quit

-- The install script, in sections: 1 tables, 2 functions, 3 views, 4 the foreign data wrapper, 5 rights.

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

-- The objects of the sync configs, one row each: what a sync reads and where it writes.
CREATE SEQUENCE supaglue_internal.object_id;
CREATE TABLE supaglue_internal.objects (
  id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('supaglue_internal.object_id'),
  sync_config_id bigint NOT NULL REFERENCES supaglue_internal.sync_configs ON DELETE CASCADE,
  provider_id bigint NOT NULL REFERENCES supaglue_internal.providers,
  object_type text COLLATE "C" NOT NULL CHECK (object_type IN ('standard', 'custom')),
  object text COLLATE "C" NOT NULL,      -- the provider's exact name
  table_name text COLLATE "C" NOT NULL,  -- in the destination's schema
  config jsonb NOT NULL,                 -- default_config with the override merged over it, exclude_fields
  UNIQUE (provider_id, object_type, object)
);
CREATE INDEX ON supaglue_internal.objects (sync_config_id);
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
  last_used_at timestamptz,
  UNIQUE (application_id, customer_id, provider_id),
  FOREIGN KEY (application_id, customer_id) REFERENCES supaglue_internal.customers
);
CREATE INDEX ON supaglue_internal.connections (provider_id);
COMMENT ON TABLE supaglue_internal.connections IS 'customers'' authorized accesses to providers';

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
  data_through timestamptz,
  next_run_at timestamptz,         -- not indexed, so that updates stay HOT
  last_run_id bigint,
  last_success_at timestamptz,
  last_full_at timestamptz,
  incrementals_since_full int NOT NULL DEFAULT 0,
  last_error_class text,
  last_error text,
  consecutive_failures int NOT NULL DEFAULT 0,
  emitted_at timestamptz,          -- of the last run that committed
  rows_stored boolean NOT NULL DEFAULT false,  -- whether the last run left rows in the table
  metadata jsonb,                  -- what the source learned of the object
  UNIQUE (connection_id, object_id)
) WITH (fillfactor = 50);
CREATE INDEX ON supaglue_internal.syncs (object_id);
COMMENT ON TABLE supaglue_internal.syncs IS 'schedule, state and watermark of each (connection, object)';

-- Runs under way: the row is the lease of its sync. A worker inserts it under a lock on the sync's
-- row; materialize() holds that lock instead. Never dumped: a copy has no runs.
CREATE SEQUENCE supaglue_internal.run_id;
CREATE TABLE supaglue_internal.runs (
  id bigint PRIMARY KEY,
  sync_id bigint NOT NULL UNIQUE REFERENCES supaglue_internal.syncs ON DELETE CASCADE,
  worker int NOT NULL,             -- the fetcher's number; its successor takes the run over
  stage text NOT NULL CHECK (stage IN ('fetch', 'merge')),
  slot int NOT NULL,               -- the partition of the spool
  strategy text NOT NULL CHECK (strategy IN ('full', 'incremental')),
  reason text NOT NULL,
  started_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  since timestamptz,               -- the watermark that it reads from
  provider_time timestamptz,       -- the provider's clock at the first request
  plan text,                       -- the source's, as JSON
  metadata text,                   -- what the source learned, as JSON
  pages int NOT NULL DEFAULT 0,    -- pages in the spool; the last one's cursor is where to go on
  records_read bigint NOT NULL DEFAULT 0,
  requests bigint NOT NULL DEFAULT 0,
  bytes_received bigint NOT NULL DEFAULT 0,
  provider_count bigint,
  merge_attempts int NOT NULL DEFAULT 0,
  not_before timestamptz           -- a merge that failed waits until then
) WITH (fillfactor = 50);
COMMENT ON TABLE supaglue_internal.runs IS 'runs under way; each is the lease of its sync';

CREATE TABLE supaglue_internal.spool (
  slot int NOT NULL,
  run_id bigint NOT NULL,
  page int NOT NULL,
  cursor text NOT NULL,            -- the source's, after this page, as JSON
  packed bytea NOT NULL,
  PRIMARY KEY (slot, run_id, page)
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
  id bigint PRIMARY KEY,
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
  warnings text[] NOT NULL DEFAULT '{}'
);
CREATE INDEX ON supaglue_internal.run_log (sync_id, id);
CREATE INDEX ON supaglue_internal.run_log USING brin (finished_at);
COMMENT ON TABLE supaglue_internal.run_log IS 'finished runs, inserted once';

CREATE TABLE supaglue_internal.rejects (
  run_id bigint NOT NULL,
  sync_id bigint NOT NULL,
  at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  reason text NOT NULL,
  record text NOT NULL             -- as received, cut after a few kB
);
CREATE INDEX ON supaglue_internal.rejects (sync_id, run_id);
COMMENT ON TABLE supaglue_internal.rejects IS 'records that could not be used, and why';

CREATE SEQUENCE supaglue_internal.event_id;
CREATE TABLE supaglue_internal.events (
  id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('supaglue_internal.event_id'),
  at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  kind text NOT NULL,
  application_id text NOT NULL,
  customer_id text,
  provider_name text,
  sync_id bigint,
  run_id bigint,
  payload jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX ON supaglue_internal.events USING brin (at);
COMMENT ON TABLE supaglue_internal.events IS 'what happened, written in the transaction of what it tells';

-- Syncs whose row changed, for the fetcher's schedule in memory; losing it costs a full reload.
CREATE UNLOGGED TABLE supaglue_internal.sync_changes (sync_id bigint NOT NULL);
COMMENT ON TABLE supaglue_internal.sync_changes IS 'syncs that the fetcher must look at again';

SELECT pg_catalog.pg_extension_config_dump('supaglue_internal.' || name, '')
FROM pg_catalog.unnest(ARRAY['installation', 'provider_id', 'providers', 'destination_id', 'destinations',
  'sync_config_id', 'sync_configs', 'object_id', 'objects', 'customers', 'connection_id', 'connections', 'tokens',
  'sync_id', 'syncs', 'run_id', 'run_log', 'rejects', 'event_id', 'events']) AS name;
