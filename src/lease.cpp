// pg: the rows of runs under way. See lease.hpp.
#include "stamp.hpp"

#include "lease.hpp"

#include "columns.hpp"
#include "pg.hpp"
#include "spool.hpp"
#include "sql.hpp"
#include "worker.hpp"

namespace supaglue {

namespace {

constexpr int64 kSmallRun = 10'000;  // records

char *stamp_of(TimestampTz time) {
  if (TIMESTAMP_NOT_FINITE(time)) return nullptr;
  return guarded_text([&] { return write_stamp(ms_of_time(time)); });
}

Lease *lease_of(const Sync *sync, int64 run_id, int slot, bool full, TimestampTz since,
                TimestampTz until) {
  auto *lease = static_cast<Lease *>(palloc0(sizeof(Lease)));
  lease->run_id = run_id;
  lease->sync_id = sync->id;
  lease->connection_id = sync->connection_id;
  lease->slot = slot;
  lease->first_page = 1;
  lease->provider_name = sync->provider_name;
  lease->object = sync->remote_object;
  lease->config = sync->config;
  lease->since = stamp_of(since);
  lease->until = stamp_of(until);
  lease->known = must_describe(sync, full, GetCurrentTimestamp()) ? nullptr : sync->metadata;
  lease->last_known = sync->metadata;
  lease->compared_with = full && sync->rows_stored && !sync->is_remote ? sync : nullptr;
  return lease;
}

/// A sync and the run that begins.
struct Claim {
  const Sync *sync;
  const Run *run;
};

Lease *lease_of_claim(const Claim *claim, int slot) {
  const Sync *sync = claim->sync;
  const Run *run = claim->run;
  Lease *lease = lease_of(sync, run->id, slot, run->full, run->since, run->until);
  lease->manual = sync->triggered;
  lease->keys_only = run->keys_only;
  return lease;
}

/// Keeps the claims of syncs that may run now. Their rows are locked: what is said of them stands.
int keep_runnable(Claim *claims, int count) {
  // Somebody who asks for a run overrules a pause by a user, but no other.
  const auto runnable = static_cast<int>(sql(
      "SELECT s.id FROM supaglue_internal.syncs s WHERE s.id = ANY ($1)"
      " AND (s.paused_by = '{}'"
      "      OR (s.triggered OR s.backfill_asked) AND s.paused_by = ARRAY['user'])"
      " AND NOT EXISTS (SELECT FROM supaglue_internal.runs r WHERE r.sync_id = s.id)"
      " AND (s.triggered OR s.backfill_asked OR s.next_reason = 'mapping' OR s.next_run_at IS NULL"
      "      OR s.next_run_at <= pg_catalog.clock_timestamp())"
      " ORDER BY s.id",
      {ints_of(count, [&](int i) { return claims[i].sync->id; })}));
  int kept = 0;
  for (int i = 0; i < count && kept < runnable; ++i)
    if (claims[i].sync->id == int_at(static_cast<uint64>(kept), 1)) claims[kept++] = claims[i];
  return kept;
}

const Run *plan(const Sync *sync) {
  const Run *run = plan_backfill(sync);
  if (run == nullptr) run = plan_sweep(sync);
  return run != nullptr ? run : plan_run(sync, sync->triggered, sync->trigger_full);
}

void begin_runs(const Claim *claims, int count, int worker, int slot) {
  const auto run = [&](int i) { return claims[i].run; };
  sql("INSERT INTO supaglue_internal.runs"
      " (id, sync_id, worker, stage, slot, strategy, reason, started_at, since, forced, until)"
      " SELECT q.id, q.sync_id, $1, q.stage, $2, q.strategy, q.reason, q.started_at, q.since,"
      "  q.forced <> 0, q.until"
      " FROM ROWS FROM (pg_catalog.unnest($3::bigint[]), pg_catalog.unnest($4::bigint[]),"
      "  pg_catalog.unnest($5::text[]), pg_catalog.unnest($6::text[]),"
      "  pg_catalog.unnest($7::text[]), pg_catalog.unnest($8::timestamptz[]),"
      "  pg_catalog.unnest($9::timestamptz[]), pg_catalog.unnest($10::bigint[]),"
      "  pg_catalog.unnest($11::timestamptz[]))"
      " AS q (id, sync_id, stage, strategy, reason, started_at, since, forced, until)",
      {int_arg(worker), int_arg(slot), ints_of(count, [&](int i) { return run(i)->id; }),
       ints_of(count, [&](int i) { return claims[i].sync->id; }),
       texts_of(count, [&](int i) { return run(i)->mapping_only ? "merge" : "fetch"; }),
       texts_of(count, [&](int i) { return run(i)->full ? "full" : "incremental"; }),
       texts_of(count, [&](int i) { return run(i)->reason; }),
       times_of(count, [&](int i) { return run(i)->started_at; }),
       times_of(count, [&](int i) { return run(i)->since; }),
       ints_of(count, [&](int i) { return int64{run(i)->forced}; }),
       times_of(count, [&](int i) { return run(i)->until; })});
}

/// Whether a run takes with it what backfill() asked for. A full run for want of a watermark or of
/// a field reads every window, and is tried until it succeeds.
bool takes_backfill(const Claim *claim) {
  const bool must_be_full =
      TIMESTAMP_IS_NOBEGIN(claim->sync->watermark) || strcmp(claim->run->reason, "fields") == 0;
  return !TIMESTAMP_IS_NOBEGIN(claim->run->until) || (must_be_full && !claim->sync->triggered);
}

/// What was asked for and is under way now is not asked for any more.
void take_wishes(const Claim *claims, int count) {
  auto *backfills = static_cast<int64 *>(palloc(sizeof(int64) * Max(count, 1)));
  auto *triggers = static_cast<int64 *>(palloc(sizeof(int64) * Max(count, 1)));
  int backfill_count = 0, trigger_count = 0;
  for (int i = 0; i < count; ++i) {
    const int64 id = claims[i].sync->id;
    if (claims[i].run->mapping_only) continue;
    if (takes_backfill(&claims[i]))
      backfills[backfill_count++] = id;
    else if (claims[i].sync->triggered)
      triggers[trigger_count++] = id;
  }
  if (backfill_count > 0)
    sql("UPDATE supaglue_internal.syncs SET backfill_asked = false, backfill_from = NULL,"
        " backfill_to = NULL WHERE id = ANY ($1)",
        {ints_arg(backfills, backfill_count)});
  if (trigger_count > 0)
    sql("UPDATE supaglue_internal.syncs SET triggered = false, trigger_full = false"
        " WHERE id = ANY ($1)",
        {ints_arg(triggers, trigger_count)});
}

}  // namespace

void claim_runs(const int64 *sync_ids, int count, int worker, int slot, Lease **leases) {
  auto **syncs = static_cast<Sync **>(palloc(sizeof(Sync *) * Max(count, 1)));
  auto *claims = static_cast<Claim *>(palloc(sizeof(Claim) * Max(count, 1)));
  int claimed = lock_syncs(sync_ids, count, syncs);
  for (int i = 0; i < claimed; ++i) claims[i] = {syncs[i], nullptr};
  claimed = keep_runnable(claims, claimed);
  for (int i = 0; i < claimed; ++i) claims[i].run = plan(claims[i].sync);
  begin_runs(claims, claimed, worker, slot);
  take_wishes(claims, claimed);
  for (int i = 0; i < count; ++i) {
    leases[i] = nullptr;
    for (int j = 0; j < claimed; ++j) {
      if (claims[j].sync->id != sync_ids[i]) continue;
      if (claims[j].run->mapping_only)
        wake_at_commit(WorkerKind::kMerger);  // nothing is to be fetched
      else
        leases[i] = lease_of_claim(&claims[j], slot);
    }
  }
}

static const char *const kRunColumns =
    "id, strategy = 'full', reason, started_at, since, provider_time, records_read, requests,"
    " bytes_received, coalesce(provider_count, -1), metadata, forced, until";
static Run *run_of_row(uint64 row = 0);

// A run that ended, or seems to have, every process that took it up.
static void quarantine_lease(int64 run_id, int64 sync_id, int times) {
  sql(format("SELECT %s FROM supaglue_internal.runs WHERE id = $1", kRunColumns),
      {int_arg(run_id)});
  const Run *run = run_of_row();
  const Sync *sync = load_sync(sync_id, SyncLock::kNone);
  if (sync != nullptr)
    quarantine_run(
        sync, run, name_of(ErrorClass::kInternal),
        format("the worker that read the provider's answers ended %d times in the midst", times));
  end_lease(run_id);
}

List *take_over_runs(int worker, const int64 *own, int count, bool take_suspect, bool *left) {
  List *leases = NIL;
  *left = false;
  sql("SELECT id, sync_id, slot, strategy = 'full', since, pages, plan, records_read, requests,"
      " bytes_received, first_page, restarts, taken_over + 1, until, reason = 'sweep'"
      " FROM supaglue_internal.runs WHERE worker = $1 AND stage = 'fetch' AND id <> ALL ($2)"
      " ORDER BY id FOR UPDATE SKIP LOCKED",
      {int_arg(worker), ints_arg(own, count)});
  SPITupleTable *rows = SPI_tuptable;
  for (uint64 row = 0; row < rows->numvals; ++row) {
    SPI_tuptable = rows;  // the statements below leave theirs there
    const int64 run_id = int_at(row, 1), sync_id = int_at(row, 2);
    const int first_page = static_cast<int>(int_at(row, 11)),
              restarts = static_cast<int>(int_at(row, 12)),
              taken_over = static_cast<int>(int_at(row, 13));
    if (taken_over >= kMostStrikes) {
      quarantine_lease(run_id, sync_id, taken_over);
      continue;
    }
    if (taken_over > 1 && !take_suspect) {
      *left = true;
      continue;
    }
    take_suspect = take_suspect && taken_over == 1;
    const bool full = bool_at(row, 4);
    const TimestampTz since = time_at(row, 5), until = time_at(row, 14);
    const int slot = static_cast<int>(int_at(row, 3)), pages = static_cast<int>(int_at(row, 6));
    const bool keys_only = bool_at(row, 15);
    const char *plan = text_at(row, 7);
    const int64 records = int_at(row, 8), requests = int_at(row, 9), bytes = int_at(row, 10);
    const Sync *sync = load_sync(sync_id, SyncLock::kNone);
    if (sync == nullptr) continue;
    Lease *lease = lease_of(sync, run_id, slot, full, since, until);
    lease->keys_only = keys_only;
    lease->pages = pages;
    lease->first_page = first_page;
    lease->restarts = restarts;
    lease->taken_over = taken_over;
    lease->cursor =
        pages >= first_page && plan != nullptr ? cursor_in_spool(slot, run_id, pages) : nullptr;
    if (lease->cursor != nullptr) {
      lease->plan = plan;
      lease->records_read = records;
    } else {
      lease->first_page = pages + 1;
    }
    sql("UPDATE supaglue_internal.runs SET taken_over = $2 WHERE id = $1",
        {int_arg(run_id), int_arg(taken_over)});
    lease->requests = requests;
    lease->bytes_received = bytes;
    leases = lappend(leases, lease);
  }
  return leases;
}

void give_back_runs(int worker) {
  sql("UPDATE supaglue_internal.runs SET taken_over = taken_over - 1"
      " WHERE worker = $1 AND stage = 'fetch' AND taken_over > 0",
      {int_arg(worker)});
}

bool inherit_runs(int worker, int workers) {
  sql("SELECT DISTINCT worker FROM supaglue_internal.runs WHERE worker >= $1 AND worker % $1 = $2",
      {int_arg(workers), int_arg(worker)});
  SPITupleTable *rows = SPI_tuptable;
  bool all = true;
  for (uint64 row = 0; row < rows->numvals; ++row) {
    SPI_tuptable = rows;
    const int64 other = int_at(row, 1);
    if (worker_pid(WorkerKind::kFetcher, static_cast<int>(other)) != 0) {
      all = false;
      continue;
    }
    sql("UPDATE supaglue_internal.runs SET worker = $2 WHERE worker = $1",
        {int_arg(other), int_arg(worker)});
  }
  return all;
}

// Of runs that are being fetched; returns how many are, yet. `pages`: how many more than before.
static uint64 write_progress(const Lease *leases, const Progress *progress, int count, int pages,
                             bool whole) {
  return sql(
      "UPDATE supaglue_internal.runs r SET pages = q.pages, records_read = q.records_read,"
      " requests = q.requests, bytes_received = q.bytes_received,"
      " provider_count = coalesce(nullif(q.provider_count, -1), r.provider_count),"
      " provider_time = coalesce(r.provider_time, q.provider_time),"
      " plan = coalesce(q.plan, r.plan), metadata = coalesce(q.metadata, r.metadata),"
      " first_page = q.first_page, restarts = q.restarts,"
      " taken_over = CASE WHEN r.pages < q.pages THEN 0 ELSE r.taken_over END,"
      " stage = CASE WHEN $1 THEN 'merge' ELSE r.stage END,"
      " not_before = CASE WHEN $1 THEN NULL ELSE r.not_before END,"
      " fetched_at = CASE WHEN $1 THEN pg_catalog.clock_timestamp() ELSE r.fetched_at END"
      " FROM ROWS FROM (pg_catalog.unnest($2::bigint[]), pg_catalog.unnest($3::bigint[]),"
      "  pg_catalog.unnest($4::bigint[]), pg_catalog.unnest($5::bigint[]),"
      "  pg_catalog.unnest($6::bigint[]), pg_catalog.unnest($7::bigint[]),"
      "  pg_catalog.unnest($8::timestamptz[]), pg_catalog.unnest($9::text[]),"
      "  pg_catalog.unnest($10::text[]), pg_catalog.unnest($11::bigint[]),"
      "  pg_catalog.unnest($12::bigint[]))"
      " AS q (id, pages, records_read, requests, bytes_received, provider_count, provider_time,"
      "  plan, metadata, first_page, restarts)"
      " WHERE r.id = q.id AND r.stage = 'fetch'",
      {bool_arg(whole), ints_of(count, [&](int i) { return leases[i].run_id; }),
       ints_of(count, [&](int i) { return int64{leases[i].pages + pages}; }),
       ints_of(count, [&](int i) { return progress[i].records_read; }),
       ints_of(count, [&](int i) { return progress[i].requests; }),
       ints_of(count, [&](int i) { return progress[i].bytes_received; }),
       ints_of(count, [&](int i) { return progress[i].provider_count; }),
       times_of(count,
                [&](int i) {
                  const int64 time = progress[i].provider_time_ms;
                  return time == 0 ? DT_NOBEGIN : time_of_ms(time);
                }),
       texts_of(count, [&](int i) { return progress[i].plan; }),
       texts_of(count, [&](int i) { return progress[i].metadata; }),
       ints_of(count, [&](int i) { return int64{progress[i].first_page}; }),
       ints_of(count, [&](int i) { return int64{progress[i].restarts}; })});
}

bool keep_progress(const Lease *lease, const Progress *progress, int pages) {
  return write_progress(lease, progress, 1, pages - lease->pages, false) > 0;
}

void hand_over(const Lease *leases, const Progress *progress, int count) {
  if (write_progress(leases, progress, count, 0, true) > 0) wake_at_commit(WorkerKind::kMerger);
}

static Run *run_of_row(uint64 row) {
  auto *run = static_cast<Run *>(palloc0(sizeof(Run)));
  run->id = int_at(row, 1);
  run->full = bool_at(row, 2);
  run->reason = text_at(row, 3);
  run->started_at = time_at(row, 4);
  run->since = time_at(row, 5);
  run->provider_time = time_at(row, 6);
  run->records_read = int_at(row, 7);
  run->requests = int_at(row, 8);
  run->bytes_received = int_at(row, 9);
  run->provider_count = int_at(row, 10);
  run->metadata = text_at(row, 11);
  run->forced = bool_at(row, 12);
  run->until = time_at(row, 13);
  run->emitted_at = DT_NOBEGIN;
  run->mapping_only = strcmp(run->reason, "mapping") == 0;
  run->keys_only = strcmp(run->reason, "sweep") == 0;
  return run;
}

bool fail_lease(const Lease *lease, const Progress *progress, const char *error_class,
                const char *message, int64 not_before_ms) {
  if (!keep_progress(lease, progress, lease->pages)) return false;
  sql(format("SELECT %s FROM supaglue_internal.runs WHERE id = $1", kRunColumns),
      {int_arg(lease->run_id)});
  const Run *run = run_of_row();
  const Sync *sync = load_sync(lease->sync_id, SyncLock::kNone);
  if (sync != nullptr) fail_run(sync, run, error_class, message, not_before_ms);
  end_lease(lease->run_id);
  return true;
}

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
                       " merge_strikes FROM supaglue_internal.runs"
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
  return run_of_row();
}

char *plan_of_run(int64 run_id) {
  sql("SELECT plan FROM supaglue_internal.runs WHERE id = $1", {int_arg(run_id)});
  return text_at(0, 1);
}

int lock_quiet(QuietRun *runs, int most) {
  const auto found = static_cast<int>(
      sql("SELECT r.id, false, r.reason, r.started_at, r.since, r.provider_time, 0::bigint,"
          " r.requests, r.bytes_received, coalesce(r.provider_count, -1), NULL::text, false,"
          " NULL::timestamptz, r.sync_id"
          " FROM supaglue_internal.runs r JOIN supaglue_internal.syncs s ON s.id = r.sync_id"
          " JOIN supaglue_internal.objects o ON o.id = s.object_id"
          " JOIN supaglue_internal.sync_configs c ON c.id = o.sync_config_id"
          " JOIN supaglue_internal.destinations d ON d.id = c.destination_id"
          " WHERE r.stage = 'merge' AND r.strategy = 'incremental' AND r.reason NOT IN ('mapping', "
          "'sweep')"
          " AND r.records_read = 0 AND r.pages = 0 AND r.metadata IS NULL AND r.until IS NULL"
          " AND r.restarts = 0"
          " AND r.merge_attempts = 0 AND r.merge_strikes = 0 AND r.not_before IS NULL"
          " AND s.phase <> 'created' AND s.next_reason IS NULL AND s.consecutive_failures = 0"
          " AND (s.witness IS NOT NULL OR NOT s.rows_stored) AND NOT d.config ? 'host'"
          " AND s.watermark IS NOT NULL"
          " ORDER BY r.fetched_at LIMIT $1"
          " FOR UPDATE OF r SKIP LOCKED FOR NO KEY UPDATE OF s SKIP LOCKED",
          {int_arg(most)}));
  for (int i = 0; i < found; ++i) {
    const auto row = static_cast<uint64>(i);
    runs[i] = {run_of_row(row), int_at(row, 14)};
  }
  return found;
}

void strike_merge(int64 run_id, int strikes) {
  sql("UPDATE supaglue_internal.runs SET merge_strikes = greatest(merge_strikes + $2, 0)"
      " WHERE id = $1",
      {int_arg(run_id), int_arg(strikes)});
}

void postpone_merge(int64 run_id, TimestampTz not_before) {
  sql("UPDATE supaglue_internal.runs SET merge_attempts = merge_attempts + 1, not_before = $2"
      " WHERE id = $1",
      {int_arg(run_id), time_arg(not_before)});
}

TimestampTz next_merge_at() {
  sql("SELECT pg_catalog.min(not_before) FROM supaglue_internal.runs"
      " WHERE stage = 'merge' AND not_before > pg_catalog.clock_timestamp()");
  return time_at(0, 1);
}

void end_lease(int64 run_id) {
  sql("DELETE FROM supaglue_internal.runs WHERE id = $1", {int_arg(run_id)});
}

}  // namespace supaglue
