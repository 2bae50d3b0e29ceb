// pg: reads a sync with all that is needed to run it. See sync.hpp.
#include "sync.hpp"

#include "pg.hpp"
#include "projection.hpp"
#include "settings.hpp"
#include "sql.hpp"

namespace supaglue {

namespace {

constexpr const char *kLoad =
    R"(SELECT s.id, s.connection_id, p.id, d.id, n.application_id, n.customer_id, p.name,
  o.id, o.object_type, o.object, d.config ->> 'schema', o.table_name, c.owner, d.config ? 'host',
  n.config, p.config, o.config, o.config ->> 'strategy' = 'full',
  (o.config ->> 'period_ms')::bigint, (o.config ->> 'full_refresh_every_ms')::bigint,
  coalesce((o.config ->> 'sweep_every_ms')::bigint, 0),
  (o.config ->> 'full_sync_every_n_incrementals')::int, (o.config ->> 'lookback_ms')::bigint,
  s.phase, s.paused_by <> '{}', s.unavailable, s.triggered, s.trigger_full, s.watermark,
  s.next_run_at, s.last_full_at, s.last_sweep_at, s.incrementals_since_full, s.consecutive_failures,
  s.emitted_at, s.rows_stored, s.described_at, %s, s.projection, s.next_reason,
  s.witness, s.witness_at,
  s.wide_watermark, s.backfill_asked, s.backfill_from, s.backfill_to
FROM supaglue_internal.syncs s
JOIN supaglue_internal.connections n ON n.id = s.connection_id
JOIN supaglue_internal.objects o ON o.id = s.object_id
JOIN supaglue_internal.sync_configs c ON c.id = o.sync_config_id
JOIN supaglue_internal.providers p ON p.id = o.provider_id
JOIN supaglue_internal.destinations d ON d.id = c.destination_id)";

// Runs need the row to themselves; references to it (runs.sync_id) may go on.
constexpr const char *kLock = " FOR NO KEY UPDATE OF s SKIP LOCKED";

// What the connector says of how far runs read back.
void set_lookbacks(Sync *sync) {
  guard([&] {
    const auto connector = Connector::builtin(sync->provider_name);
    if (connector == nullptr) return;
    sync->lookback_ms = connector->lookback_ms;
    sync->wide_lookback_ms = connector->wide_lookback_ms;
  });
}

Sync *sync_of_row(uint64 row) {
  auto *sync = static_cast<Sync *>(palloc0(sizeof(Sync)));
  int column = 0;
  sync->id = int_at(row, ++column);
  sync->connection_id = int_at(row, ++column);
  sync->provider_id = int_at(row, ++column);
  sync->destination_id = int_at(row, ++column);
  sync->application_id = text_at(row, ++column);
  sync->customer_id = text_at(row, ++column);
  sync->provider_name = text_at(row, ++column);
  sync->object_id = int_at(row, ++column);
  sync->object_type = text_at(row, ++column);
  sync->object = text_at(row, ++column);
  sync->schema_name = text_at(row, ++column);
  sync->table_name = text_at(row, ++column);
  sync->owner = static_cast<Oid>(int_at(row, ++column));
  sync->is_remote = bool_at(row, ++column);
  sync->connection_config = text_at(row, ++column);
  sync->provider_config = text_at(row, ++column);
  sync->config = text_at(row, ++column);
  sync->full_only = bool_at(row, ++column);
  const int64 period_ms = int_at(row, ++column);
  sync->period_ms = Max(period_ms, settings.min_period_ms);
  sync->full_refresh_every_ms = int_at(row, ++column);
  sync->sweep_every_ms = int_at(row, ++column);
  sync->full_sync_every_n_incrementals = static_cast<int>(int_at(row, ++column));
  set_lookbacks(sync);
  if (!null_at(row, ++column)) sync->lookback_ms = int_at(row, column);
  sync->phase = text_at(row, ++column);
  sync->paused = bool_at(row, ++column);
  sync->unavailable = bool_at(row, ++column);
  sync->triggered = bool_at(row, ++column);
  sync->trigger_full = bool_at(row, ++column);
  sync->watermark = time_at(row, ++column);
  sync->next_run_at = time_at(row, ++column);
  sync->last_full_at = time_at(row, ++column);
  sync->last_sweep_at = time_at(row, ++column);
  sync->incrementals_since_full = static_cast<int>(int_at(row, ++column));
  sync->consecutive_failures = static_cast<int>(int_at(row, ++column));
  sync->emitted_at = time_at(row, ++column);
  sync->rows_stored = bool_at(row, ++column);
  sync->described_at = time_at(row, ++column);
  sync->metadata = text_at(row, ++column);
  sync->projection = text_at(row, ++column);
  sync->next_reason = text_at(row, ++column);
  sync->witness = text_at(row, ++column);
  sync->witness_at = time_at(row, ++column);
  sync->wide_watermark = time_at(row, ++column);
  sync->backfill_asked = bool_at(row, ++column);
  sync->backfill_from = time_at(row, ++column);
  sync->backfill_to = time_at(row, ++column);
  return sync;
}

/// Of common objects and entities a mapping says what is read.
Sync *with_remote_object(Sync *sync) {
  if (strcmp(sync->object_type, "standard") == 0 || strcmp(sync->object_type, "custom") == 0) {
    sync->remote_type = sync->object_type;
    sync->remote_object = sync->object;
    return sync;
  }
  const RemoteObject *remote = load_remote_object(sync->object_id, sync->connection_id);
  if (remote != nullptr) {
    sync->remote_type = remote->object_type;
    sync->remote_object = remote->object;
  }
  return sync;
}

}  // namespace

Sync *load_sync(int64 id, SyncLock lock) {
  const char *statement = format("%s WHERE s.id = $1%s", format(kLoad, "s.metadata"),
                                 lock == SyncLock::kNone ? "" : kLock);
  if (sql(statement, {int_arg(id)}) > 0) return with_remote_object(sync_of_row(0));
  if (lock == SyncLock::kNoWait &&
      sql("SELECT FROM supaglue_internal.syncs WHERE id = $1", {int_arg(id)}) > 0)
    ereport(ERROR,
            (errcode(ERRCODE_OBJECT_IN_USE), errmsg("sync " INT64_FORMAT " is running", id)));
  return nullptr;
}

int load_syncs(const int64 *ids, int count, Sync **syncs) {
  const auto found = static_cast<int>(
      sql(format("%s WHERE s.id = ANY ($1) ORDER BY s.id", format(kLoad, "NULL::text")),
          {ints_arg(ids, count)}));
  for (int i = 0; i < found; ++i) syncs[i] = sync_of_row(static_cast<uint64>(i));
  return found;
}

int lock_syncs(const int64 *ids, int count, Sync **syncs) {
  const auto found = static_cast<int>(
      sql(format("%s WHERE s.id = ANY ($1) ORDER BY s.id%s", format(kLoad, "s.metadata"), kLock),
          {ints_arg(ids, count)}));
  for (int i = 0; i < found; ++i) syncs[i] = sync_of_row(static_cast<uint64>(i));
  for (int i = 0; i < found; ++i) with_remote_object(syncs[i]);
  return found;
}

}  // namespace supaglue
