// pg: runs that found nothing new. See quiet_runs.hpp.
#include "quiet_runs.hpp"

#include <algorithm>

#include "catalog.hpp"
#include "columns.hpp"
#include "destination.hpp"
#include "epoch.hpp"
#include "feed.hpp"
#include "fetched.hpp"
#include "pg.hpp"
#include "ring.hpp"
#include "run.hpp"
#include "sql.hpp"
#include "stopwatch.hpp"
#include "sync.hpp"
#include "sync_record.hpp"
#include "worker.hpp"

namespace supaglue {

namespace {

constexpr int kMost = 1'000;
constexpr int kLockTimeoutMs = 1'000;

/// A run and its sync; without one it is not to be ended here.
struct Quiet {
  Run *run;
  Sync *sync;
};

void take(const QuietRun *runs, int count, Quiet *quiet) {
  int64 ids[kMost] = {};
  Sync *syncs[kMost];
  for (int i = 0; i < count; ++i) ids[i] = runs[i].sync_id;
  const int loaded = load_syncs(ids, count, syncs);
  for (int i = 0; i < count; ++i) {
    quiet[i] = {runs[i].run, nullptr};
    for (int j = 0; j < loaded; ++j)
      if (syncs[j]->id == runs[i].sync_id) quiet[i].sync = syncs[j];
  }
}

bool share_table(const Sync *a, const Sync *b) {
  return a->owner == b->owner && strcmp(a->schema_name, b->schema_name) == 0 &&
         strcmp(a->table_name, b->table_name) == 0;
}

Arg run_ids_of(const Quiet *quiet, int count) {
  return ints_of(count, [&](int i) { return quiet[i].run->id; });
}
Arg sync_ids_of(const Quiet *quiet, int count) {
  return ints_of(count, [&](int i) { return quiet[i].sync->id; });
}
Arg emitted_of(const Quiet *quiet, int count) {
  return times_of(count, [&](int i) { return quiet[i].run->emitted_at; });
}

/// The syncs whose rows are to be looked for in one table.
struct Witnesses {
  int count;
  int places[kMost];
  Text applications[kMost], customers[kMost], providers[kMost], ids[kMost];
  TimestampTz times[kMost];
};

void add(Witnesses *witnesses, int place, const Sync *sync) {
  const int i = witnesses->count++;
  witnesses->places[i] = place;
  witnesses->applications[i] = text_of(sync->application_id);
  witnesses->customers[i] = text_of(sync->customer_id);
  witnesses->providers[i] = text_of(sync->provider_name);
  witnesses->ids[i] = text_of(sync->witness);
  witnesses->times[i] = sync->witness_at;
}

/// Leaves those out whose witness is gone: their table must be read again.
void leave_out_robbed(Destination *destination, const Sync *sync, const Witnesses *witnesses,
                      Quiet *quiet) {
  const int count = witnesses->count;
  const uint64 missing = destination->execute(
      format(
          R"(SELECT w.number FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]),
  pg_catalog.unnest($3::text[]), pg_catalog.unnest($4::text[]), pg_catalog.unnest($5::timestamptz[]))
  WITH ORDINALITY AS w (application, customer, provider, id, at, number)
LEFT JOIN LATERAL (
  SELECT t.id FROM %s AS t
  WHERE t._supaglue_application_id = w.application AND t._supaglue_customer_id = w.customer
    AND t._supaglue_provider_name = w.provider AND t.id = w.id AND t._supaglue_emitted_at >= w.at
  OFFSET 0) AS stored ON true
WHERE stored.id IS NULL)",
          quote_qualified_identifier(sync->schema_name, sync->table_name)),
      {value_of(witnesses->applications, count), value_of(witnesses->customers, count),
       value_of(witnesses->providers, count), value_of(witnesses->ids, count),
       value_of(witnesses->times, count)});
  for (uint64 row = 0; row < missing; ++row) {
    const int number = atoi(destination->field(row, 0));
    quiet[witnesses->places[number - 1]].sync = nullptr;
  }
}

void leave_out_robbed_here(const Sync *sync, const Witnesses *witnesses, Quiet *quiet) {
  Destination *here = open_here(sync->owner);
  here->set_lock_timeout(kLockTimeoutMs);
  here->begin();
  leave_out_robbed(here, sync, witnesses, quiet);
}

bool has_table(const Sync *sync) {
  const Oid schema = get_namespace_oid(sync->schema_name, true);
  return OidIsValid(schema) && OidIsValid(get_relname_relid(sync->table_name, schema));
}

/// Each table is asked once. One of this database that somebody locks keeps its own runs waiting,
/// and no other's. `there`: the remote destination that has them, or null.
void check_tables(Destination *there, Quiet *quiet, int count) {
  auto *witnesses = static_cast<Witnesses *>(palloc(sizeof(Witnesses)));
  auto *asked = static_cast<bool *>(palloc0(static_cast<size_t>(Max(count, 1))));
  for (int i = 0; i < count; ++i) {
    const Sync *first = quiet[i].sync;
    if (asked[i] || first == nullptr) continue;
    if (there == nullptr && !first->rows_stored) {
      if (!has_table(first)) quiet[i].sync = nullptr;  // a merge makes it anew
      continue;
    }
    witnesses->count = 0;
    for (int j = i; j < count; ++j) {
      const Sync *sync = quiet[j].sync;
      if (sync == nullptr || !share_table(sync, first)) continue;
      asked[j] = sync->rows_stored || there != nullptr;
      if (sync->rows_stored) add(witnesses, j, sync);
    }
    if (there != nullptr) {
      leave_out_robbed(there, first, witnesses, quiet);
      continue;
    }
    if (attempt([&] { leave_out_robbed_here(first, witnesses, quiet); }) == nullptr) continue;
    stop_stopwatch();
    for (int k = 0; k < witnesses->count; ++k) quiet[witnesses->places[k]].sync = nullptr;
  }
}

/// Those that are still to be ended here, which get their stamps; returns how many.
int keep_good(Quiet *quiet, int found) {
  int count = 0;
  for (int i = 0; i < found; ++i) {
    if (quiet[i].sync == nullptr) continue;
    quiet[i].run->emitted_at = emitted_after(quiet[i].sync->emitted_at);
    quiet[i].run->rows_stored = quiet[i].sync->rows_stored;
    quiet[count++] = quiet[i];
  }
  return count;
}

/// Leaves those out of which the records there say anything but that the last run is the last.
void check_records(Destination *there, Quiet *quiet, int count) {
  const Sync *syncs[kMost];
  const SyncRecord *records[kMost];
  for (int i = 0; i < count; ++i) syncs[i] = quiet[i].sync;
  lock_records(there, syncs, count, records);
  for (int i = 0; i < count; ++i)
    if (is_of_run(records[i], quiet[i].run) ||
        !judge_record(records[i], quiet[i].sync, quiet[i].run).goes_on)
      quiet[i].sync = nullptr;
}

/// Locks their syncs. Where somebody has one, or has changed what is to come of it, the run goes on
/// alone, as one that is committed there.
int keep_free(Quiet *quiet, int count) {
  const auto free = static_cast<int>(
      sql("SELECT id FROM supaglue_internal.syncs"
          " WHERE id = ANY ($1) AND phase <> 'created' AND next_reason IS NULL ORDER BY id"
          " FOR NO KEY UPDATE SKIP LOCKED",
          {sync_ids_of(quiet, count)}));
  int64 ids[kMost];
  for (int i = 0; i < free; ++i) ids[i] = int_at(static_cast<uint64>(i), 1);
  int kept = 0;
  for (int i = 0; i < count; ++i)
    if (std::binary_search(ids, ids + free, quiet[i].sync->id)) quiet[kept++] = quiet[i];
  return kept;
}

/// Ends the runs at their remote destination; returns how many are left of them, to be ended here.
int commit_there(const QuietPlace *place, Quiet *quiet, int found) {
  Destination *there = open_destination(place->destination_id, place->owner);
  there->begin();
  there->set_lock_timeout(kLockTimeoutMs);
  check_records(there, quiet, found);
  check_tables(there, quiet, found);
  const int count = keep_good(quiet, found);
  if (count == 0) return 0;
  const Sync *syncs[kMost];
  const Run *runs[kMost];
  for (int i = 0; i < count; ++i) {
    syncs[i] = quiet[i].sync;
    runs[i] = quiet[i].run;
  }
  write_records(there, syncs, runs, count);
  there->commit();
  return count;
}

void log_runs(const Quiet *quiet, int count, TimestampTz finished_at) {
  sql("INSERT INTO supaglue_internal.run_log (id, sync_id, status, strategy, reason, started_at,"
      " finished_at, emitted_at, requests, bytes_received, provider_count, slot)"
      " SELECT q.id, q.sync_id, 'SUCCESS', 'incremental', q.reason, q.started_at,"
      " $9, q.emitted_at, q.requests, q.bytes, nullif(q.provider_count, -1), $10"
      " FROM ROWS FROM (pg_catalog.unnest($1::bigint[]), pg_catalog.unnest($2::bigint[]),"
      " pg_catalog.unnest($3::text[]), pg_catalog.unnest($4::timestamptz[]),"
      " pg_catalog.unnest($5::timestamptz[]), pg_catalog.unnest($6::bigint[]),"
      " pg_catalog.unnest($7::bigint[]), pg_catalog.unnest($8::bigint[]))"
      " AS q (id, sync_id, reason, started_at, emitted_at, requests, bytes, provider_count)",
      {run_ids_of(quiet, count), sync_ids_of(quiet, count),
       texts_of(count, [&](int i) { return quiet[i].run->reason; }),
       times_of(count, [&](int i) { return quiet[i].run->started_at; }), emitted_of(quiet, count),
       ints_of(count, [&](int i) { return quiet[i].run->requests; }),
       ints_of(count, [&](int i) { return quiet[i].run->bytes_received; }),
       ints_of(count, [&](int i) { return quiet[i].run->provider_count; }), time_arg(finished_at),
       int_arg(slot_of(kRunLog, finished_at))});
}

void move_syncs_on(const Quiet *quiet, int count, TimestampTz finished_at) {
  TimestampTz watermarks[kMost];
  for (int i = 0; i < count; ++i) watermarks[i] = watermark_after(quiet[i].sync, quiet[i].run);
  sql(R"(UPDATE supaglue_internal.syncs s SET phase = 'incremental', watermark = q.watermark,
  wide_watermark = q.wide_watermark, data_through = coalesce(q.watermark, s.data_through),
  next_run_at = q.next_run_at, last_run_id = q.run_id,
  last_run_at = $7, last_success_at = $7,
  incrementals_since_full = s.incrementals_since_full + 1, last_error_class = NULL,
  last_error = NULL, waiting_for = NULL, unavailable = false,
  pause_reason = CASE WHEN s.paused_by <@ '{authentication,permission,gone,quarantine}' THEN NULL
                      ELSE s.pause_reason END,
  paused_by = ARRAY(SELECT cause FROM pg_catalog.unnest(s.paused_by) AS cause
                    WHERE cause <> ALL ('{authentication,permission,gone,quarantine}')),
  emitted_at = q.emitted_at
FROM ROWS FROM (pg_catalog.unnest($1::bigint[]), pg_catalog.unnest($2::bigint[]),
  pg_catalog.unnest($3::timestamptz[]), pg_catalog.unnest($4::timestamptz[]),
  pg_catalog.unnest($5::timestamptz[]), pg_catalog.unnest($6::timestamptz[]))
  AS q (run_id, sync_id, watermark, wide_watermark, next_run_at, emitted_at)
WHERE s.id = q.sync_id)",
      {run_ids_of(quiet, count), sync_ids_of(quiet, count),
       times_of(count, [&](int i) { return watermarks[i]; }),
       times_of(
           count,
           [&](int i) { return wide_watermark_after(quiet[i].sync, quiet[i].run, watermarks[i]); }),
       times_of(count, [&](int i) { return next_run_of(quiet[i].sync); }), emitted_of(quiet, count),
       time_arg(finished_at)});
}

void tell(const Quiet *quiet, int count) {
  hold_feed();
  const TimestampTz now = GetCurrentTimestamp();
  sql("WITH event AS ("
      "  INSERT INTO supaglue_internal.events"
      "    (kind, application_id, customer_id, provider_name, sync_id, run_id, payload, at, slot)"
      "  SELECT 'sync.complete', q.application, q.customer, q.provider, q.sync_id, q.run_id,"
      "         q.payload::jsonb, $7, $8"
      "  FROM ROWS FROM (pg_catalog.unnest($1::bigint[]), pg_catalog.unnest($2::bigint[]),"
      "    pg_catalog.unnest($3::text[]), pg_catalog.unnest($4::text[]),"
      "    pg_catalog.unnest($5::text[]), pg_catalog.unnest($6::text[]))"
      "    AS q (run_id, sync_id, application, customer, provider, payload)"
      "  RETURNING id, kind, sync_id, run_id)"
      "SELECT pg_catalog.pg_notify('supaglue', pg_catalog.json_build_object("
      "  'id', id, 'kind', kind, 'run', run_id, 'sync', sync_id)::text) FROM event",
      {run_ids_of(quiet, count), sync_ids_of(quiet, count),
       texts_of(count, [&](int i) { return quiet[i].sync->application_id; }),
       texts_of(count, [&](int i) { return quiet[i].sync->customer_id; }),
       texts_of(count, [&](int i) { return quiet[i].sync->provider_name; }),
       texts_of(count, [&](int i) { return completion_of(quiet[i].sync, quiet[i].run); }),
       time_arg(now), int_arg(slot_of(kEvents, now))});
}

/// What is written of them in this database.
void end_here(const Quiet *quiet, int count) {
  const TimestampTz finished_at = GetCurrentTimestamp();
  log_runs(quiet, count, finished_at);
  move_syncs_on(quiet, count, finished_at);
  tell(quiet, count);
  sql("DELETE FROM supaglue_internal.runs WHERE id = ANY ($1)", {run_ids_of(quiet, count)});
  sql("INSERT INTO supaglue_internal.sync_changes SELECT pg_catalog.unnest($1)",
      {sync_ids_of(quiet, count)});
  wake_at_commit(WorkerKind::kFetcher);
}

/// Their destination is away: one try is one for all.
void postpone(const QuietRun *runs, int count, const ErrorData *error) {
  const Arg run_ids = ints_of(count, [&](int i) { return runs[i].run->id; });
  const Arg sync_ids = ints_of(count, [&](int i) { return runs[i].sync_id; });
  const int attempts = runs[0].attempts + 1;
  postpone_merges(run_ids, time_of_ms(retry_at(now_ms(), Min(attempts, 7), 0, jitter())));
  await_destination(sync_ids, name_of(ErrorClass::kDestination), words_of(error));
}

}  // namespace

QuietEnd end_quiet_runs() {
  const TimestampTz start = GetCurrentTimestamp();
  const QuietPlace here = {0, InvalidOid};
  Quiet quiet[kMost];
  QuietRun runs[kMost];
  const int found = lock_quiet(&here, runs, kMost);
  const TimestampTz look = GetCurrentTimestamp() - start;
  if (found == 0) return {0, 0, look, false};
  take(runs, found, quiet);
  check_tables(nullptr, quiet, found);
  const int count = keep_good(quiet, found);
  if (count > 0) end_here(quiet, count);
  return {count, found - count, look, found == kMost};
}

QuietEnd end_quiet_runs_there() {
  const TimestampTz start = GetCurrentTimestamp();
  QuietPlace place;
  Quiet quiet[kMost];
  QuietRun runs[kMost];
  const int found = find_quiet_place(&place) ? lock_quiet(&place, runs, kMost) : 0;
  const TimestampTz look = GetCurrentTimestamp() - start;
  if (found == 0) return {0, 0, look, false};
  take(runs, found, quiet);
  int count = 0;
  const ErrorData *error = attempt([&] { count = commit_there(&place, quiet, found); });
  if (error == nullptr) {
    if (count > 0) count = keep_free(quiet, count);
    if (count > 0) end_here(quiet, count);
    return {count, found - count, look, found == kMost};
  }
  stop_stopwatch();
  if (ERRCODE_TO_CATEGORY(error->sqlerrcode) != ERRCODE_CONNECTION_EXCEPTION)
    return {0, found, look, found == kMost};
  postpone(runs, found, error);
  return {found, 0, look, found == kMost};
}

}  // namespace supaglue
