// pg: a sync with all that is needed to run it: its row joined with those of its object, sync
// config, connection, provider and destination. Read here, changed by run.hpp.
#pragma once

#include "pg.hpp"

namespace supaglue {

struct Sync {
  int64 id;
  int64 connection_id;
  int64 provider_id;
  int64 destination_id;
  char *application_id;
  char *customer_id;
  char *provider_name;  // the connector's
  int64 object_id;
  char *object_type;    // "common", "standard", "custom", "entity"
  char *object;         // the provider's exact name; of a common object and an entity ours
  char *remote_type;    // "standard", "custom"
  char *remote_object;  // what is read, by the provider's exact name; null: an entity not mapped
  char *schema_name;    // of the destination table
  char *table_name;
  Oid owner;                // of the sync config
  bool is_remote;           // the destination
  char *connection_config;  // JSON: {auth_type, instance_url?, login_url?}
  char *provider_config;    // JSON, normal form
  char *config;    // JSON of the object: {strategy, period_ms, lookback_ms?, full_refresh_every_ms,
                   // ...}
  bool full_only;  // strategy "full"
  int64 period_ms;  // the real one: not below supaglue.min_period_ms
  int64 full_refresh_every_ms;
  int64 sweep_every_ms;                // 0: never
  int full_sync_every_n_incrementals;  // 0: never
  int64 lookback_ms;                   // the config's, else the connector's
  int64 wide_lookback_ms;              // the connector's
  // state
  char *phase;
  bool paused;
  bool unavailable;
  bool triggered;
  bool trigger_full;
  TimestampTz watermark;       // DT_NOBEGIN: none
  TimestampTz wide_watermark;  // where the next wide reading begins; DT_NOBEGIN: none
  bool backfill_asked;         // the window is to be read now, not with the next run only
  TimestampTz backfill_from;   // DT_NOBEGIN: of all times
  TimestampTz backfill_to;     // DT_NOBEGIN: no window is to be read; DT_NOEND: up to now
  TimestampTz next_run_at;
  TimestampTz last_full_at;
  TimestampTz last_sweep_at;
  int incrementals_since_full;
  int consecutive_failures;
  TimestampTz emitted_at;
  bool rows_stored;
  char *witness;             // the id of a row that a run wrote, or null
  TimestampTz witness_at;    // and its emitted_at
  TimestampTz described_at;  // when the provider was last asked for the metadata; DT_NOBEGIN: never
  char *metadata;            // JSON, or null
  char *projection;          // hash of the projection that the stored rows have, or null
  char *next_reason;         // 'mapping', 'fields', or null
};

enum class SyncLock {
  kNone,
  kNoWait,      // FOR UPDATE NOWAIT: raises 55006 when another process has the sync
  kSkipLocked,  // FOR UPDATE SKIP LOCKED: null then
};

/// Reads a sync in the current context (SPI connected, acting as the extension's owner, in a
/// transaction with a snapshot). Null when there is none (or it is locked, with kSkipLocked).
Sync *load_sync(int64 id, SyncLock lock);
/// The same of many, in the order of their ids, without locks, without metadata and what is read
/// at the provider (remote_type, remote_object); returns how many there are.
int load_syncs(const int64 *ids, int count, Sync **syncs);
/// Locks those of many that nobody else has locked, and reads them whole, in the order of their
/// ids; returns how many.
int lock_syncs(const int64 *ids, int count, Sync **syncs);

}  // namespace supaglue
