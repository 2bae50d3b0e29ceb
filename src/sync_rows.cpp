// pg: the rows of syncs, as configuring changes them. See sync_rows.hpp.
#include "sync_rows.hpp"

#include "held_deletions.hpp"
#include "pg.hpp"
#include "settings.hpp"
#include "sql.hpp"
#include "worker.hpp"

namespace supaglue {

// `which` is a condition on connections, of $1.
static void make_syncs(const char *which, int64 id) {
  sql(format("WITH made AS ("
             "  INSERT INTO supaglue_internal.syncs (connection_id, object_id, paused_by, "
             "pause_reason, "
             "next_run_at)"
             "  SELECT c.id, o.id,"
             "         CASE WHEN paused THEN '{user}' ELSE '{}' END::text[]"
             "           || CASE WHEN refused THEN '{authentication}' ELSE '{}' END::text[],"
             "         CASE WHEN refused THEN c.status_reason"
             "              WHEN paused THEN 'auto_start_on_connection is false' END,"
             "         pg_catalog.now()"
             "  FROM supaglue_internal.connections c"
             "  JOIN supaglue_internal.objects o ON o.provider_id = c.provider_id,"
             "  LATERAL (SELECT NOT (o.config ->> 'auto_start_on_connection')::boolean AS paused,"
             "                  c.status = 'reauthorization_required' AS refused) AS state"
             "  WHERE %s"
             "  ON CONFLICT (connection_id, object_id) DO NOTHING RETURNING id)"
             "INSERT INTO supaglue_internal.sync_changes SELECT id FROM made",
             which),
      {int_arg(id)});
  wake_at_commit(WorkerKind::kFetcher);
}

void make_missing_syncs(int64 provider_id) { make_syncs("c.provider_id = $1", provider_id); }

void make_syncs_of(int64 connection_id) { make_syncs("c.id = $1", connection_id); }

SyncList find_syncs(const SyncFilter &filter) {
  SyncList syncs;
  syncs.count = static_cast<int>(
      sql("SELECT s.id FROM supaglue_internal.syncs s "
          "JOIN supaglue_internal.objects o ON o.id = s.object_id "
          "WHERE $1 IN (0, o.sync_config_id) AND $2 IN (0, s.connection_id) AND $3 IN (0, o.id) "
          "AND ($4 = 0 OR o.schema_id = $4) AND ($5 = 0 OR o.entity_id = $5) ORDER BY s.id",
          {int_arg(filter.sync_config_id), int_arg(filter.connection_id), int_arg(filter.object_id),
           int_arg(filter.schema_id), int_arg(filter.entity_id)}));
  syncs.ids = static_cast<int64 *>(palloc(sizeof(int64) * Max(syncs.count, 1)));
  for (int i = 0; i < syncs.count; ++i) syncs.ids[i] = int_at(i, 1);
  return syncs;
}

// Locks the rows of syncs that have no run; false, and nothing is locked: one has begun meanwhile.
static bool lock_without_runs(Arg ids) {
  ErrorData *error = attempt([&] {
    sql("SELECT FROM supaglue_internal.syncs WHERE id = ANY ($1) ORDER BY id FOR UPDATE", {ids});
    if (sql_latest("SELECT FROM supaglue_internal.runs WHERE sync_id = ANY ($1) LIMIT 1", {ids}) >
        0)
      ereport(ERROR,
              (errcode(ERRCODE_OBJECT_IN_USE), errmsg("the syncs begin runs again and again")));
  });
  if (error != nullptr && error->sqlerrcode != ERRCODE_OBJECT_IN_USE) ReThrowError(error);
  return error == nullptr;
}

void stop_runs(const SyncList &syncs) {
  constexpr int kMostTries = 100;
  const Arg ids = ints_arg(syncs.ids, syncs.count);
  // A merge holds the row of its run and then takes that of its sync, so runs come first here, too:
  // a lock on the sync that keeps others from beginning is given up when one has begun before it.
  for (int tries = 0;; ++tries) {
    sql("WITH stopped AS ("
        "  DELETE FROM supaglue_internal.runs WHERE sync_id = ANY ($1) RETURNING sync_id) "
        "INSERT INTO supaglue_internal.sync_changes SELECT sync_id FROM stopped",
        {ids});
    if (lock_without_runs(ids)) break;
    if (tries == kMostTries)
      ereport(ERROR,
              (errcode(ERRCODE_OBJECT_IN_USE), errmsg("the syncs begin runs again and again"),
               errhint("Pause them with supaglue.pause_sync(), or try again.")));
  }
  wake_at_commit(WorkerKind::kFetcher);
}

void restart_syncs(const SyncList &syncs) {
  stop_runs(syncs);
  forget_held(syncs);
  const Arg ids = ints_arg(syncs.ids, syncs.count);
  sql("WITH restarted AS ("
      "  UPDATE supaglue_internal.syncs SET phase = 'created', watermark = NULL,"
      "    data_through = NULL, last_full_at = NULL, incrementals_since_full = 0,"
      "    rows_stored = false, witness = NULL, unavailable = false, waiting_for = NULL, "
      "consecutive_failures = 0,"
      "    metadata = NULL, projection = NULL, next_reason = NULL, next_run_at = pg_catalog.now()"
      "  WHERE id = ANY ($1) RETURNING id)"
      "INSERT INTO supaglue_internal.sync_changes SELECT id FROM restarted",
      {ids});
  wake_at_commit(WorkerKind::kFetcher);
}

void remap_syncs(const SyncList &syncs) {
  // A sync that begins anew, or fetches more, computes all columns anyway.
  sql("WITH due AS ("
      "  UPDATE supaglue_internal.syncs SET next_reason = coalesce(next_reason, 'mapping')"
      "  WHERE id = ANY ($1) AND phase <> 'created' RETURNING id)"
      "INSERT INTO supaglue_internal.sync_changes SELECT id FROM due",
      {ints_arg(syncs.ids, syncs.count)});
  wake_at_commit(WorkerKind::kFetcher);
}

void refetch_syncs(int64 object_id) {
  const SyncList syncs = find_syncs({.object_id = object_id});
  stop_runs(syncs);
  sql("UPDATE supaglue_internal.syncs SET next_reason = 'fields' WHERE id = ANY ($1)",
      {ints_arg(syncs.ids, syncs.count)});
  sql("INSERT INTO supaglue_internal.sync_changes SELECT pg_catalog.unnest($1)",
      {ints_arg(syncs.ids, syncs.count)});
}

void reschedule_syncs(int64 sync_config_id) {
  sql("WITH due AS ("
      "  SELECT s.id, pg_catalog.now() + greatest((o.config ->> 'period_ms')::bigint, $2)"
      "           * '1 millisecond'::interval AS latest"
      "  FROM supaglue_internal.syncs s JOIN supaglue_internal.objects o ON o.id = s.object_id"
      "  WHERE o.sync_config_id = $1), "
      "earlier AS ("
      "  UPDATE supaglue_internal.syncs s SET next_run_at = latest FROM due"
      "  WHERE s.id = due.id AND s.next_run_at > latest AND s.waiting_for IS NULL)"
      "INSERT INTO supaglue_internal.sync_changes SELECT id FROM due",
      {int_arg(sync_config_id), int_arg(settings.min_period_ms)});
  wake_at_commit(WorkerKind::kFetcher);
}

// Makes the syncs due that a refusal paused. `which` and `lock` are parts of the query for them.
static void unpause(int64 connection_id, const char *which, const char *lock) {
  sql(format("WITH freed AS ("
             "  UPDATE supaglue_internal.syncs SET"
             "    paused_by = pg_catalog.array_remove(paused_by, 'authentication'),"
             "    pause_reason = CASE WHEN paused_by <@ '{authentication}' THEN NULL"
             "                        ELSE pause_reason END,"
             "    waiting_for = NULL, next_run_at = pg_catalog.now()"
             "  WHERE id IN (SELECT id FROM supaglue_internal.syncs"
             "               WHERE connection_id = $1 AND (%s) FOR NO KEY UPDATE %s)"
             "  RETURNING id)"
             "INSERT INTO supaglue_internal.sync_changes SELECT id FROM freed",
             which, lock),
      {int_arg(connection_id)});
  wake_at_commit(WorkerKind::kFetcher);
}

void readmit_connection(int64 connection_id) {
  sql("UPDATE supaglue_internal.connections SET status = 'active', status_reason = NULL "
      "WHERE id = $1",
      {int_arg(connection_id)});
  unpause(connection_id, "paused_by @> '{authentication}' OR waiting_for = 'backoff'", "");
}

void unpark_connection(int64 connection_id) {
  sql("UPDATE supaglue_internal.syncs SET waiting_for = NULL, next_run_at = pg_catalog.now()"
      " WHERE connection_id = $1 AND waiting_for = 'quota'",
      {int_arg(connection_id)});
  sql("INSERT INTO supaglue_internal.sync_changes (sync_id, unparks)"
      " SELECT id, true FROM supaglue_internal.syncs WHERE connection_id = $1",
      {int_arg(connection_id)});
}

void readmit_unlocked(int64 connection_id) {
  sql("UPDATE supaglue_internal.connections SET status = 'active', status_reason = NULL "
      "WHERE id IN (SELECT id FROM supaglue_internal.connections "
      "             WHERE id = $1 AND status IN ('reauthorization_required', 'degraded') "
      "             FOR NO KEY UPDATE SKIP LOCKED)",
      {int_arg(connection_id)});
  unpause(connection_id, "paused_by @> '{authentication}'", "SKIP LOCKED");
}

void readmit_connections(int64 provider_id) {
  const uint64 count =
      sql("SELECT id FROM supaglue_internal.connections WHERE provider_id = $1 "
          "AND status = 'reauthorization_required' ORDER BY id FOR UPDATE",
          {int_arg(provider_id)});
  SPITupleTable *rows = SPI_tuptable;
  for (uint64 row = 0; row < count; ++row) {
    SPI_tuptable = rows;
    readmit_connection(int_at(row, 1));
  }
}

SyncCount count_syncs(const int64 *object_ids, int count) {
  sql("SELECT pg_catalog.count(*), pg_catalog.count(DISTINCT c.customer_id) "
      "FROM supaglue_internal.syncs s "
      "JOIN supaglue_internal.connections c ON c.id = s.connection_id WHERE s.object_id = ANY ($1)",
      {ints_arg(object_ids, count)});
  return {int_at(0, 1), int_at(0, 2)};
}

}  // namespace supaglue
