// pg: the life of a run. See run.hpp.
#include "run.hpp"

#include "catalog.hpp"
#include "pg.hpp"
#include "projection.hpp"
#include "ring.hpp"
#include "schema_changes.hpp"
#include "settings.hpp"
#include "sql.hpp"
#include "worker.hpp"

namespace supaglue {

const Ring kRunLog = {"run_log", "finished_at", &settings.run_retention_min, nullptr};

namespace {

constexpr int64 kDayMs = 24 * 3600 * 1000;
// The provider does not say when a quota is whole again: asking more often than this would use up
// what is left.
constexpr int64 kQuotaWaitMs = 15 * 60 * 1000;
// By so much a provider's clock, told in whole seconds and by several machines, may waver.
constexpr int64 kClockSlackMs = 5'000;

TimestampTz later(TimestampTz time, int64 ms) { return time + ms * 1000; }

bool must_be_full(const Sync *sync, bool force_full, TimestampTz now) {
  return force_full || sync->full_only || strcmp(sync->phase, "created") == 0 ||
         TIMESTAMP_IS_NOBEGIN(sync->watermark) || TIMESTAMP_IS_NOBEGIN(sync->last_full_at) ||
         (sync->full_sync_every_n_incrementals > 0 &&
          sync->incrementals_since_full >= sync->full_sync_every_n_incrementals) ||
         (sync->full_refresh_every_ms > 0 &&
          later(sync->last_full_at, sync->full_refresh_every_ms) <= now);
}

/// Whether the source said that the provider stamps no record of the object: then nothing can be
/// read incrementally.
bool is_unstamped(const char *metadata) {
  if (metadata == nullptr) return false;
  return guard([&] {
    const Json learned = Json::parse(metadata);
    const auto stamp = learned.find("stamp");
    return stamp != learned.end() && (stamp->is_null() || *stamp == "");
  });
}

/// What every event about a sync says of it; the table as a statement writes it.
Json about(const Sync *sync) {
  const char *table =
      pg_call([&] { return quote_qualified_identifier(sync->schema_name, sync->table_name); });
  return {{"connection_id", sync->connection_id},
          {"customer_id", sync->customer_id},
          {"provider_name", sync->provider_name},
          {"type", "object"},
          {"object_type", sync->object_type},
          {"object", sync->object},
          {"table", table}};
}

void event(const char *kind, const Sync *sync, const Run *run, const char *payload) {
  write_event(kind, sync->application_id, sync->customer_id, sync->provider_name, sync->id, run->id,
              payload);
}

void error_event(const char *kind, const Sync *sync, const Run *run, const char *error_class,
                 const char *message) {
  event(kind, sync, run, guarded_text([&] {
          Json payload = about(sync);
          payload["run_id"] = run->id;
          payload["error_class"] = error_class;
          payload["error_message"] = message;
          return payload.dump(-1, ' ', false, Json::error_handler_t::replace);
        }));
}

/// Returns the time that is logged as the run's end.
TimestampTz log_run(const Sync *sync, const Run *run, const char *status, const char *error_class,
                    const char *message) {
  const bool succeeded = error_class == nullptr;
  const TimestampTz finished_at = GetCurrentTimestamp();
  sql(R"(INSERT INTO supaglue_internal.run_log (id, sync_id, status, strategy, reason, started_at,
  emitted_at, error_class, error_message, records_read, records_inserted, records_updated,
  records_unchanged, records_deleted, records_rejected, values_nulled, requests, bytes_received,
  provider_count, warnings, finished_at, slot)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
  nullif($19, -1), coalesce(pg_catalog.string_to_array($20, E'\n'), '{}'), $21, $22))",
      {int_arg(run->id), int_arg(sync->id), text_arg(status),
       text_arg(run->full ? "full" : "incremental"), text_arg(run->reason),
       time_arg(run->started_at), time_arg(succeeded ? run->emitted_at : DT_NOBEGIN),
       text_arg(error_class), text_arg(message), int_arg(run->records_read),
       // What a failed run did was rolled back.
       int_arg(succeeded ? run->inserted : 0), int_arg(succeeded ? run->updated : 0),
       int_arg(succeeded ? run->unchanged : 0), int_arg(succeeded ? run->deleted : 0),
       int_arg(run->rejected), int_arg(succeeded ? run->values_nulled : 0), int_arg(run->requests),
       int_arg(run->bytes_received), int_arg(run->provider_count), text_arg(run->warnings),
       time_arg(finished_at), int_arg(slot_of(kRunLog, finished_at))});
  return finished_at;
}

/// What a failure does to its sync.
struct Consequence {
  const char *pause;        // a cause for paused_by, or null
  const char *waiting_for;  // or null
  bool unavailable;
  int64 next_run_ms;
};

Consequence consequence_of(const Sync *sync, const char *error_class, bool ever_succeeded,
                           int64 not_before_ms) {
  const int64 now = now_ms();
  const int64 tick =
      next_tick(now, sync->period_ms, phase_of(sync->connection_id, sync->period_ms));
  if (strcmp(error_class, "authentication") == 0 || strcmp(error_class, "permission") == 0)
    return {error_class, nullptr, false, tick};
  if (strcmp(error_class, "gone") == 0 && ever_succeeded) return {"gone", nullptr, false, tick};
  if (strcmp(error_class, "gone") == 0) return {nullptr, nullptr, true, now + kDayMs};
  const int64 retry = Max(retry_at(now, sync->consecutive_failures + 1, sync->period_ms, jitter()),
                          Min(not_before_ms, now + kDayMs));
  if (strcmp(error_class, "quota") == 0)
    return {nullptr, "quota", false, Max(retry, now + Min(sync->period_ms, kQuotaWaitMs))};
  const bool destination = strcmp(error_class, "destination") == 0;
  return {nullptr, destination ? "destination" : "backoff", false, retry};
}

/// The provider no longer lets the customer's connection in: all its syncs will find out, the
/// connection says it now.
void require_reauthorization(const Sync *sync, const Run *run, const char *message) {
  if (sql("UPDATE supaglue_internal.connections SET status = 'reauthorization_required', "
          "status_reason = $2"
          " WHERE id = $1 AND status <> 'reauthorization_required'",
          {int_arg(sync->connection_id), text_arg(message)}) > 0)
    error_event("connection.reauthorization_required", sync, run, "authentication", message);
}

}  // namespace

namespace {

/// Where an incremental run reads from: once a day from a watermark that stays further behind, for
/// records that the provider stamped long before anybody could see them. Both are of its clock.
TimestampTz read_from(const Sync *sync) {
  const bool wide = !TIMESTAMP_IS_NOBEGIN(sync->wide_watermark) &&
                    later(sync->wide_watermark, sync->wide_lookback_ms + kDayMs) <=
                        later(sync->watermark, sync->lookback_ms);
  return wide ? Min(sync->wide_watermark, sync->watermark) : sync->watermark;
}

/// Whether a run read all that was stamped since that time.
bool goes_on_from(const Run *run, TimestampTz time) {
  if (run->full || run->keys_only) return run->full;
  return run->since <= time && (TIMESTAMP_IS_NOBEGIN(run->until) || TIMESTAMP_IS_NOEND(run->until));
}

TimestampTz read_at(const Run *run) {
  return TIMESTAMP_IS_NOBEGIN(run->provider_time) ? run->started_at : run->provider_time;
}

Run *new_run() {
  auto *run = static_cast<Run *>(palloc0(sizeof(Run)));
  const Oid sequence = get_relname_relid("run_id", get_namespace_oid("supaglue_internal", false));
  run->id = DatumGetInt64(DirectFunctionCall1(nextval_oid, ObjectIdGetDatum(sequence)));
  run->started_at = GetCurrentTimestamp();
  run->until = DT_NOBEGIN;
  run->provider_time = DT_NOBEGIN;
  run->emitted_at = DT_NOBEGIN;
  run->provider_count = -1;
  return run;
}

bool is_next(const Sync *sync, const char *reason) {
  return sync->next_reason != nullptr && strcmp(sync->next_reason, reason) == 0;
}

}  // namespace

char *completion_of(const Sync *sync, const Run *run) {
  const char *emitted_at = iso_of_time(run->emitted_at);
  return guarded_text([&] {
    Json payload = about(sync);
    payload["run_id"] = run->id;
    payload["result"] = "SUCCESS";
    payload["strategy"] = run->full ? "full" : "incremental";
    payload["emitted_at"] = emitted_at;
    payload["num_records_synced"] = run->records_read;
    payload["records_inserted"] = run->inserted;
    payload["records_updated"] = run->updated;
    payload["records_deleted"] = run->deleted;
    return payload.dump();
  });
}

void warn(Run *run, const char *warning) {
  run->warnings = run->warnings == nullptr ? warning : format("%s\n%s", run->warnings, warning);
}

Run *plan_remap(const Sync *sync) {
  Run *run = new_run();
  run->mapping_only = true;
  run->reason = "mapping";
  run->since = sync->watermark;
  return run;
}

Run *plan_confirmation(const Sync *sync) {
  Run *run = plan_remap(sync);
  run->confirms = true;
  run->reason = "manual";
  return run;
}

Run *plan_backfill(const Sync *sync) {
  if (TIMESTAMP_IS_NOBEGIN(sync->backfill_to)) return nullptr;
  // A run that must be full reads the window, too. One that failed lets other runs pass.
  if (strcmp(sync->phase, "created") == 0 || TIMESTAMP_IS_NOBEGIN(sync->watermark) ||
      is_next(sync, "fields"))
    return nullptr;
  if (!sync->backfill_asked && (sync->triggered || sync->paused || sync->consecutive_failures > 0))
    return nullptr;
  Run *run = new_run();
  run->reason = "backfill";
  run->since = sync->backfill_from;
  run->until = sync->backfill_to;
  return run;
}

Run *plan_sweep(const Sync *sync) {
  const TimestampTz now = GetCurrentTimestamp();
  // A full run sees the same, and more. One that failed lets other runs pass.
  if (sync->sweep_every_ms == 0 || must_be_full(sync, false, now) || sync->next_reason != nullptr ||
      sync->triggered || sync->paused || sync->consecutive_failures > 0 ||
      later(Max(sync->last_full_at, sync->last_sweep_at), sync->sweep_every_ms) > now)
    return nullptr;
  Run *run = new_run();
  run->keys_only = true;
  run->reason = "sweep";
  run->since = DT_NOBEGIN;
  return run;
}

Run *plan_run(const Sync *sync, bool manual, bool force_full) {
  const bool is_new = strcmp(sync->phase, "created") == 0;
  if (is_next(sync, "mapping") && !manual && !force_full && !is_new) return plan_remap(sync);
  Run *run = new_run();
  run->full = must_be_full(sync, force_full, run->started_at) || is_next(sync, "fields");
  // Without a watermark the provider's clock may have gone back.
  run->forced = force_full || TIMESTAMP_IS_NOBEGIN(sync->watermark);
  run->reason = is_new                           ? "initial"
                : manual                         ? "manual"
                : is_next(sync, "fields")        ? "fields"
                : sync->consecutive_failures > 0 ? "retry"
                                                 : "schedule";
  run->since = run->full ? DT_NOBEGIN : read_from(sync);
  return run;
}

TimestampTz watermark_after(const Sync *sync, const Run *run) {
  if (is_unstamped(run->metadata != nullptr ? run->metadata : sync->metadata)) return DT_NOBEGIN;
  if (run->mapping_only || !goes_on_from(run, sync->watermark)) return sync->watermark;
  const TimestampTz watermark = later(read_at(run), -sync->lookback_ms);
  if (run->full) return watermark;
  // The provider's clock was put back behind what was read already: what it stamped since then was
  // not asked for, and no watermark can tell. Only a full run can.
  if (later(read_at(run), kClockSlackMs) < sync->watermark) return DT_NOBEGIN;
  return Max(watermark, sync->watermark);
}

TimestampTz wide_watermark_after(const Sync *sync, const Run *run, TimestampTz watermark) {
  if (TIMESTAMP_IS_NOBEGIN(watermark)) return DT_NOBEGIN;
  return goes_on_from(run, sync->wide_watermark) ? later(read_at(run), -sync->wide_lookback_ms)
                                                 : sync->wide_watermark;
}

TimestampTz emitted_after(TimestampTz earlier) {
  const TimestampTz now = GetCurrentTimestamp();
  return TIMESTAMP_IS_NOBEGIN(earlier) ? now : Max(now, earlier + 1);
}

TimestampTz next_run_of(const Sync *sync) {
  return time_of_ms(
      next_tick(now_ms(), sync->period_ms, phase_of(sync->connection_id, sync->period_ms)));
}

/// What the run leaves to the next one. The sync's row is locked first, so that whoever changes a
/// mapping now says so after us.
static const char *reason_left(const Sync *sync, const Run *run) {
  sql("SELECT next_reason = 'fields' FROM supaglue_internal.syncs WHERE id = $1 FOR NO KEY UPDATE",
      {int_arg(sync->id)});
  if (run->mapping_only && SPI_processed > 0 && bool_at(0, 1)) return "fields";
  // The mapping may have changed since the merge looked.
  const Projection *projection =
      load_projection(sync->object_id, sync->connection_id,
                      run->metadata != nullptr ? run->metadata : sync->metadata);
  return run->projection != nullptr && strcmp(run->projection, projection->hash) != 0 ? "mapping"
                                                                                      : nullptr;
}

static void finish_remap(const Sync *sync, const Run *run) {
  const char *next_reason = reason_left(sync, run);
  const TimestampTz finished_at = log_run(sync, run, "SUCCESS", nullptr, nullptr);
  sql("UPDATE supaglue_internal.syncs SET last_run_id = $2, last_run_at = $7, emitted_at = $3,"
      " rows_stored = $4, projection = $5, next_reason = $6, waiting_for = NULL WHERE id = $1",
      {int_arg(sync->id), int_arg(run->id), time_arg(run->emitted_at), bool_arg(run->rows_stored),
       text_arg(run->projection), text_arg(next_reason), time_arg(finished_at)});
}

static void tell_broken_mapping(const Sync *sync, const Run *run) {
  event("mapping.broken", sync, run, guarded_text([&] {
          Json payload = about(sync);
          payload["run_id"] = run->id;
          payload["fields"] = run->broken;
          return payload.dump();
        }));
}

static void tell_schema_changes(const Sync *sync, const Run *run, const char *changes) {
  event("schema.changed", sync, run, guarded_text([&] {
          Json payload = about(sync);
          payload["run_id"] = run->id;
          payload["changes"] = Json::parse(changes);
          return payload.dump();
        }));
}

bool must_describe(const Sync *sync, bool full, TimestampTz now) {
  return full || TIMESTAMP_IS_NOBEGIN(sync->described_at) ||
         later(sync->described_at, kDayMs) <= now;
}

static void tell_held_deletions(const Sync *sync, const Run *run) {
  event("sync.deletions_held", sync, run, guarded_text([&] {
          Json payload = about(sync);
          payload["run_id"] = run->id;
          payload["held_deletions"] = run->held;
          payload["rows"] = run->held_of;
          return payload.dump();
        }));
}

static void finish_reading(const Sync *sync, const Run *run) {
  const TimestampTz next = next_run_of(sync);
  const TimestampTz watermark = watermark_after(sync, run);
  const bool is_beside = run->keys_only || !TIMESTAMP_IS_NOBEGIN(run->until);
  const TimestampTz finished_at = log_run(sync, run, "SUCCESS", nullptr, nullptr);
  const SchemaChanges drift = write_schema_changes(sync, run);
  if (drift.changes != nullptr) tell_schema_changes(sync, run, drift.changes);
  // What other records hold in a field that is new, only a full run can tell.
  const char *next_reason = drift.reads_more && !run->full ? "fields" : reason_left(sync, run);
  // A trigger that came meanwhile stays: it means one more run. Causes of a pause that this run
  // disproved go.
  // Sweeps and backfills are beside the schedule, and no step in the sync's life.
  sql(R"(UPDATE supaglue_internal.syncs SET phase = CASE WHEN $13 THEN phase ELSE $2 END,
  watermark = $3, wide_watermark = $14, data_through = coalesce($3, data_through),
  next_run_at = CASE WHEN $13 THEN next_run_at ELSE $4 END, last_run_id = $5,
  last_run_at = $17, last_success_at = $17,
  last_full_at = CASE WHEN $2 = 'full' THEN $6 ELSE last_full_at END,
  last_sweep_at = CASE WHEN $16 THEN $6 ELSE last_sweep_at END,
  incrementals_since_full = CASE WHEN $2 = 'full' THEN 0 WHEN $13 THEN incrementals_since_full
                                 ELSE incrementals_since_full + 1 END,
  last_error_class = NULL, last_error = NULL, consecutive_failures = 0, waiting_for = NULL,
  unavailable = false,
  pause_reason = CASE WHEN paused_by <@ '{authentication,permission,gone,quarantine}' THEN NULL
                      ELSE pause_reason END,
  paused_by = ARRAY(SELECT cause FROM pg_catalog.unnest(paused_by) AS cause
                    WHERE cause <> ALL ('{authentication,permission,gone,quarantine}')),
  emitted_at = $7, rows_stored = $8, metadata = coalesce($9::jsonb, metadata),
  projection = coalesce($10, projection), next_reason = $11,
  described_at = CASE WHEN $12 THEN $6 ELSE described_at END,
  witness = coalesce($15, witness), witness_at = CASE WHEN $15 IS NULL THEN witness_at ELSE $7 END
WHERE id = $1)",
      {int_arg(sync->id), text_arg(run->full ? "full" : "incremental"), time_arg(watermark),
       time_arg(next), int_arg(run->id), time_arg(run->started_at), time_arg(run->emitted_at),
       bool_arg(run->rows_stored), text_arg(run->metadata), text_arg(run->projection),
       text_arg(next_reason), bool_arg(must_describe(sync, run->full, run->started_at)),
       bool_arg(is_beside), time_arg(wide_watermark_after(sync, run, watermark)),
       text_arg(run->witness), bool_arg(run->keys_only), time_arg(finished_at)});
}

void finish_run(const Sync *sync, const Run *run) {
  run->mapping_only ? finish_remap(sync, run) : finish_reading(sync, run);
  event("sync.complete", sync, run, completion_of(sync, run));
  // Told once: the projection's hash changes when another mapping breaks.
  if (run->broken != nullptr &&
      (sync->projection == nullptr || strcmp(sync->projection, run->projection) != 0))
    tell_broken_mapping(sync, run);
  if (run->held > 0) tell_held_deletions(sync, run);
  if (sync->consecutive_failures > 0)
    event("sync.recovered", sync, run, guarded_text([&] { return about(sync).dump(); }));
  sync_changed(sync->id);
}

static void write_failure(const Sync *sync, const Run *run, const char *error_class,
                          const char *message, const Consequence *consequence,
                          const char *pause_reason) {
  const TimestampTz finished_at = log_run(sync, run, "FAILURE", error_class, message);
  sql(R"(UPDATE supaglue_internal.syncs SET last_run_id = $2, last_run_at = $12,
  last_error_class = $3, last_error = $4, consecutive_failures = consecutive_failures + 1,
  next_run_at = $5, waiting_for = $6, unavailable = $7,
  pause_reason = CASE WHEN $8 IS NULL THEN pause_reason ELSE $9 END,
  paused_by = CASE WHEN $8 IS NULL OR $8 = ANY (paused_by) THEN paused_by
                   ELSE paused_by || $8 END,
  backfill_from = CASE WHEN $11 IS NULL THEN backfill_from
                       ELSE least(backfill_from, coalesce($10, '-infinity')) END,
  backfill_to = greatest(backfill_to, $11)
WHERE id = $1)",
      {int_arg(sync->id), int_arg(run->id), text_arg(error_class), text_arg(message),
       time_arg(time_of_ms(consequence->next_run_ms)), text_arg(consequence->waiting_for),
       bool_arg(consequence->unavailable), text_arg(consequence->pause), text_arg(pause_reason),
       time_arg(run->since), time_arg(run->until), time_arg(finished_at)});
  if (strcmp(error_class, "authentication") == 0) require_reauthorization(sync, run, message);
  if (sync->consecutive_failures == 0) error_event("sync.failing", sync, run, error_class, message);
  if (consequence->pause != nullptr)
    error_event("sync.paused", sync, run, error_class, pause_reason);
  sync_changed(sync->id);
}

void fail_run(const Sync *sync, const Run *run, const char *error_class, const char *message,
              int64 not_before_ms) {
  sql("SELECT last_success_at IS NOT NULL FROM supaglue_internal.syncs WHERE id = $1",
      {int_arg(sync->id)});
  if (SPI_processed == 0) return;  // deleted meanwhile, and its record with it
  const Consequence consequence = consequence_of(sync, error_class, bool_at(0, 1), not_before_ms);
  write_failure(sync, run, error_class, message, &consequence, message);
}

void quarantine_run(const Sync *sync, const Run *run, const char *error_class,
                    const char *message) {
  const Consequence consequence = {"quarantine", nullptr, false, now_ms()};
  const char *reason =
      format("%s. When the cause is removed, call supaglue.resume_sync(" INT64_FORMAT ")", message,
             sync->id);
  write_failure(sync, run, error_class, message, &consequence, reason);
}

void sync_changed(int64 sync_id) {
  sql("INSERT INTO supaglue_internal.sync_changes (sync_id) VALUES ($1)", {int_arg(sync_id)});
  wake_at_commit(WorkerKind::kFetcher);
}

const char *words_of(const ErrorData *error) {
  if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
    return format("%s: a statement of the merge may take as long as supaglue.merge_timeout says",
                  error->message);
  if (error->detail == nullptr) return error->message;
  return format("%s: %s", error->message, error->detail);
}

void await_destination(Arg sync_ids, const char *error_class, const char *message) {
  sql("UPDATE supaglue_internal.syncs SET waiting_for = 'destination', last_error_class = $2,"
      " last_error = $3 WHERE id = ANY ($1)",
      {sync_ids, text_arg(error_class), text_arg(message)});
}

}  // namespace supaglue
