// pg: runs that are fetched whole. See fetched.hpp.
#include "fetched.hpp"

#include "pg.hpp"
#include "sql.hpp"

namespace supaglue {

namespace {

constexpr int64 kSmallRun = 10'000;  // records

}  // namespace

int waiting_runs(WaitingRun *runs, int most, bool small_only) {
  // Who has more to write stands back by a millisecond for each record. What a mapping rewrites is
  // not known, and counts as large.
  const auto count = static_cast<int>(
      sql("SELECT id, strategy = 'incremental' AND records_read = 0 AND pages = 0"
          " AND merge_attempts = 0 FROM supaglue_internal.runs WHERE stage = 'merge'"
          " AND (not_before IS NULL OR not_before <= pg_catalog.clock_timestamp())"
          " AND (NOT $1 OR records_read <= $2 AND reason <> 'mapping')"
          " ORDER BY fetched_at + least(records_read, 600000) * '1 millisecond'::interval, id"
          " LIMIT $3",
          {bool_arg(small_only), int_arg(kSmallRun), int_arg(most)}));
  for (int i = 0; i < count; ++i) {
    const auto row = static_cast<uint64>(i);
    runs[i] = {int_at(row, 1), bool_at(row, 2)};
  }
  return count;
}

// Its fourth field keeps it apart from what SQL's advisory functions can lock.
static LOCKTAG merge_tag(int64 run_id) {
  LOCKTAG tag;
  SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, static_cast<uint32>(run_id >> 32),
                       static_cast<uint32>(run_id), 80);
  return tag;
}

bool take_merge(int64 run_id) {
  const LOCKTAG tag = merge_tag(run_id);
  return LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL;
}

void leave_merge(int64 run_id) {
  const LOCKTAG tag = merge_tag(run_id);
  LockRelease(&tag, ExclusiveLock, true);
}

// Another merger that ends runs together may hold the row for a moment. False: it is no more, has
// been postponed since it was seen, or is held for longer than that.
static bool lock_row_to_merge(int64 run_id) {
  uint64 found = 0;
  const int level = NewGUCNestLevel();
  set_config_option("lock_timeout", "1s", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
                    false);
  ErrorData *error = attempt([&] {
    found = sql(format("SELECT %s, sync_id, slot, pages, merge_attempts, first_page, restarts,"
                       " merge_strikes, fetch_id FROM supaglue_internal.runs"
                       " WHERE id = $1 AND stage = 'merge'"
                       " AND (not_before IS NULL OR not_before <= pg_catalog.clock_timestamp())"
                       " FOR UPDATE",
                       kRunColumns),
                {int_arg(run_id)});
  });
  AtEOXact_GUC(false, level);
  if (error != nullptr && error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE) ReThrowError(error);
  return error == nullptr && found > 0;
}

Run *lock_merge(int64 run_id, Fetched *fetched) {
  if (!lock_row_to_merge(run_id)) return nullptr;
  fetched->sync_id = int_at(0, 14);
  fetched->slot = static_cast<int>(int_at(0, 15));
  fetched->pages = static_cast<int>(int_at(0, 16));
  fetched->attempts = static_cast<int>(int_at(0, 17));
  fetched->first_page = static_cast<int>(int_at(0, 18));
  fetched->restarts = static_cast<int>(int_at(0, 19));
  fetched->strikes = static_cast<int>(int_at(0, 20));
  fetched->fetch_id = int_at(0, 21);
  return run_of_row();
}

char *plan_of_run(int64 run_id) {
  sql("SELECT plan FROM supaglue_internal.runs WHERE id = $1", {int_arg(run_id)});
  return text_at(0, 1);
}

// Remote ones may have been tried before, when their destination was away; after a day each is on
// its own.
#define FROM_QUIET                                                                         \
  " FROM supaglue_internal.runs r JOIN supaglue_internal.syncs s ON s.id = r.sync_id"      \
  " JOIN supaglue_internal.objects o ON o.id = s.object_id"                                \
  " JOIN supaglue_internal.sync_configs c ON c.id = o.sync_config_id"                      \
  " JOIN supaglue_internal.destinations d ON d.id = c.destination_id"                      \
  " WHERE r.stage = 'merge' AND r.strategy = 'incremental'"                                \
  " AND r.reason NOT IN ('mapping', 'sweep') AND r.records_read = 0 AND r.pages = 0"       \
  " AND r.metadata IS NULL AND r.until IS NULL AND r.restarts = 0 AND r.merge_strikes = 0" \
  " AND CASE WHEN d.config ? 'host'"                                                       \
  "     THEN coalesce(r.not_before, r.started_at) <= pg_catalog.clock_timestamp()"         \
  "       AND r.started_at > pg_catalog.now() - '1 day'::interval"                         \
  "     ELSE r.not_before IS NULL AND r.merge_attempts = 0 END"                            \
  " AND s.phase <> 'created' AND s.next_reason IS NULL AND s.consecutive_failures = 0"     \
  " AND (s.witness IS NOT NULL OR NOT s.rows_stored) AND s.watermark IS NOT NULL"

bool find_quiet_place(QuietPlace *place) {
  if (sql("SELECT d.id, c.owner" FROM_QUIET " AND d.config ? 'host'"
          " AND EXISTS (SELECT FROM supaglue_internal.destinations WHERE config ? 'host')"
          " ORDER BY r.fetched_at LIMIT 1") == 0)
    return false;
  *place = {int_at(0, 1), static_cast<Oid>(int_at(0, 2))};
  return true;
}

int lock_quiet(const QuietPlace *place, QuietRun *runs, int most) {
  // While another server is waited for, whoever steers a sync shall not wait.
  const char *locks_syncs = place->destination_id == 0 ? " FOR NO KEY UPDATE OF s SKIP LOCKED" : "";
  const auto found = static_cast<int>(
      sql(format("SELECT r.id, false, r.reason, r.started_at, r.since, r.provider_time, 0::bigint,"
                 " r.requests, r.bytes_received, coalesce(r.provider_count, -1), NULL::text, false,"
                 " NULL::timestamptz, r.sync_id, r.merge_attempts" FROM_QUIET
                 " AND CASE WHEN $2 = 0 THEN NOT d.config ? 'host'"
                 "     ELSE d.id = $2 AND c.owner = $3::oid END"
                 " ORDER BY r.fetched_at LIMIT $1 FOR UPDATE OF r SKIP LOCKED%s",
                 locks_syncs),
          {int_arg(most), int_arg(place->destination_id), int_arg(place->owner)}));
  for (int i = 0; i < found; ++i) {
    const auto row = static_cast<uint64>(i);
    runs[i] = {run_of_row(row), int_at(row, 14), static_cast<int>(int_at(row, 15))};
  }
  return found;
}

void strike_merge(int64 run_id, int strikes) {
  sql("UPDATE supaglue_internal.runs SET merge_strikes = greatest(merge_strikes + $2, 0)"
      " WHERE id = $1",
      {int_arg(run_id), int_arg(strikes)});
}

void postpone_merge(int64 run_id, TimestampTz not_before) {
  postpone_merges(ints_arg(&run_id, 1), not_before);
}

void postpone_merges(Arg run_ids, TimestampTz not_before) {
  sql("UPDATE supaglue_internal.runs SET merge_attempts = merge_attempts + 1, not_before = $2"
      " WHERE id = ANY ($1)",
      {run_ids, time_arg(not_before)});
}

TimestampTz next_merge_at() {
  sql("SELECT pg_catalog.min(not_before) FROM supaglue_internal.runs"
      " WHERE stage = 'merge' AND not_before > pg_catalog.clock_timestamp()");
  return time_at(0, 1);
}

}  // namespace supaglue
