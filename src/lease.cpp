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

char *stamp_of(TimestampTz time) {
  if (TIMESTAMP_NOT_FINITE(time)) return nullptr;
  return guarded_text([&] { return write_stamp(ms_of_time(time)); });
}

LeasedRun *leased_run(const Sync *sync, int64 run_id) {
  auto *run = static_cast<LeasedRun *>(palloc(sizeof(LeasedRun)));
  *run = {run_id, sync->id};
  return run;
}

bool may_compare(const Sync *sync) { return sync->rows_stored && !sync->is_remote; }

}  // namespace

Lease *make_lease(const Sync *sync, int64 run_id, int slot, bool full, TimestampTz since,
                  TimestampTz until) {
  auto *lease = static_cast<Lease *>(palloc0(sizeof(Lease)));
  lease->fetch_id = run_id;
  lease->runs = list_make1(leased_run(sync, run_id));
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
  if (full && may_compare(sync)) lease->compared_with = list_make1(const_cast<Sync *>(sync));
  return lease;
}

void add_run(Lease *lease, const Sync *sync, int64 run_id) {
  lease->runs = lappend(lease->runs, leased_run(sync, run_id));
  if (lease->compared_with == NIL) return;
  lease->compared_with =
      may_compare(sync) ? lappend(lease->compared_with, const_cast<Sync *>(sync)) : NIL;
}

Run *run_of_row(uint64 row) {
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

// A run that a predecessor left, as its row has it.
struct LeftRun {
  int64 id, sync_id, fetch_id;
  int slot, pages, first_page, restarts;
  int taken_over;  // this time, too
  bool full, keys_only;
  TimestampTz since, until;
  const char *plan;
  int64 records_read, requests, bytes_received;
};

static uint64 lock_left_runs(int worker, const int64 *own, int count) {
  return sql(
      "SELECT id, sync_id, fetch_id, slot, pages, first_page, restarts, taken_over + 1,"
      " strategy = 'full', reason = 'sweep', since, until, plan, records_read, requests,"
      " bytes_received FROM supaglue_internal.runs"
      " WHERE worker = $1 AND stage = 'fetch' AND fetch_id <> ALL ($2)"
      " ORDER BY fetch_id, id FOR UPDATE SKIP LOCKED",
      {int_arg(worker), ints_arg(own, count)});
}

static LeftRun left_run_at(uint64 row) {
  const auto number_at = [&](int column) { return static_cast<int>(int_at(row, column)); };
  return {int_at(row, 1),   int_at(row, 2),   int_at(row, 3),   number_at(4),
          number_at(5),     number_at(6),     number_at(7),     number_at(8),
          bool_at(row, 9),  bool_at(row, 10), time_at(row, 11), time_at(row, 12),
          text_at(row, 13), int_at(row, 14),  int_at(row, 15),  int_at(row, 16)};
}

// Without a cursor the fetch begins anew, behind the pages that are kept of it.
static Lease *take_up(const LeftRun *left, const Sync *sync, const char *cursor) {
  Lease *lease = make_lease(sync, left->id, left->slot, left->full, left->since, left->until);
  lease->keys_only = left->keys_only;
  lease->pages = left->pages;
  lease->first_page = left->pages + 1;
  lease->restarts = left->restarts;
  lease->taken_over = left->taken_over;
  lease->requests = left->requests;
  lease->bytes_received = left->bytes_received;
  if (cursor == nullptr) return lease;
  lease->fetch_id = left->fetch_id;
  lease->first_page = left->first_page;
  lease->cursor = cursor;
  lease->plan = left->plan;
  lease->records_read = left->records_read;
  return lease;
}

List *take_over_runs(int worker, const int64 *own, int count, bool take_suspect, bool *left) {
  List *leases = NIL;
  *left = false;
  const uint64 found = lock_left_runs(worker, own, count);
  SPITupleTable *rows = SPI_tuptable;
  for (uint64 row = 0; row < found; ++row) {
    SPI_tuptable = rows;  // the statements below leave theirs there
    const LeftRun run = left_run_at(row);
    if (run.taken_over >= kMostStrikes) {
      quarantine_lease(run.id, run.sync_id, run.taken_over);
      continue;
    }
    Lease *last = leases == NIL ? nullptr : static_cast<Lease *>(llast(leases));
    const bool joins = last != nullptr && last->fetch_id == run.fetch_id && last->cursor != nullptr;
    if (run.taken_over > 1 && !take_suspect && !joins) {
      *left = true;
      continue;
    }
    take_suspect = take_suspect && run.taken_over == 1;
    const Sync *sync = load_sync(run.sync_id, SyncLock::kNone);
    if (sync == nullptr) continue;
    const char *cursor = run.pages >= run.first_page && run.plan != nullptr
                             ? cursor_in_spool(run.slot, run.fetch_id, run.pages)
                             : nullptr;
    sql("UPDATE supaglue_internal.runs SET taken_over = $2, fetch_id = $3 WHERE id = $1",
        {int_arg(run.id), int_arg(run.taken_over),
         int_arg(cursor == nullptr ? run.id : run.fetch_id)});
    if (joins)
      add_run(last, sync, run.id);
    else
      leases = lappend(leases, take_up(&run, sync, cursor));
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
      // What a fetch costs is told of the run that it began with.
      " requests = CASE WHEN r.id = r.fetch_id THEN q.requests ELSE r.requests END,"
      " bytes_received = CASE WHEN r.id = r.fetch_id THEN q.bytes_received"
      "  ELSE r.bytes_received END,"
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
      " WHERE r.fetch_id = q.id AND r.stage = 'fetch'",
      {bool_arg(whole), ints_of(count, [&](int i) { return leases[i].fetch_id; }),
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

// Syncs whose runs shared a fetch that failed try again together.
static void retry_together(const int64 *sync_ids, int count) {
  if (count < 2) return;
  sql("UPDATE supaglue_internal.syncs SET next_run_at = (SELECT max(next_run_at)"
      "  FROM supaglue_internal.syncs WHERE id = ANY ($1) AND waiting_for IS NOT NULL)"
      " WHERE id = ANY ($1) AND waiting_for IS NOT NULL",
      {ints_arg(sync_ids, count)});
}

bool fail_lease(const Lease *lease, const Progress *progress, const char *error_class,
                const char *message, int64 not_before_ms) {
  if (!keep_progress(lease, progress, lease->pages)) return false;
  const uint64 count = sql(format("SELECT %s, sync_id FROM supaglue_internal.runs"
                                  " WHERE fetch_id = $1 AND stage = 'fetch' ORDER BY id",
                                  kRunColumns),
                           {int_arg(lease->fetch_id)});
  SPITupleTable *rows = SPI_tuptable;
  auto *sync_ids = static_cast<int64 *>(palloc(sizeof(int64) * Max(count, 1)));
  for (uint64 row = 0; row < count; ++row) {
    SPI_tuptable = rows;  // the statements below leave theirs there
    const Run *run = run_of_row(row);
    sync_ids[row] = int_at(row, 14);
    const Sync *sync = load_sync(sync_ids[row], SyncLock::kNone);
    if (sync != nullptr) fail_run(sync, run, error_class, message, not_before_ms);
    end_lease(run->id);
  }
  retry_together(sync_ids, static_cast<int>(count));
  return true;
}

void end_lease(int64 run_id) {
  sql("DELETE FROM supaglue_internal.runs WHERE id = $1", {int_arg(run_id)});
}

}  // namespace supaglue
