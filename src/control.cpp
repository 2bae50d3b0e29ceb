// pg: the functions by which people steer syncs and workers: trigger, pause, resume, wait; start
// and stop the workers of this database, and see how they are. They write wishes; the workers act.
#include "catalog.hpp"
#include "pg.hpp"
#include "ring.hpp"
#include "run.hpp"
#include "settings.hpp"
#include "sql.hpp"
#include "time_argument.hpp"
#include "worker.hpp"

namespace supaglue {

namespace {

constexpr int kPollMs = 50;
constexpr int kSeatMs = 5;

[[noreturn]] void no_such_sync(int64 sync_id) {
  ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                  errmsg("sync " INT64_FORMAT " does not exist", sync_id),
                  errhint("The view supaglue.syncs lists them; supaglue.sync_id() finds one.")));
  pg_unreachable();
}

// Ends a run that is under way, on a user's word; one that is just being merged is let be.
void stop_run(int64 sync_id) {
  const TimestampTz now = GetCurrentTimestamp();
  sql("WITH stopped AS ("
      " DELETE FROM supaglue_internal.runs WHERE id IN (SELECT id FROM supaglue_internal.runs"
      "  WHERE sync_id = $1 AND stage = 'fetch' FOR UPDATE)"
      " OR id IN (SELECT id FROM supaglue_internal.runs"
      "  WHERE sync_id = $1 AND stage = 'merge' FOR UPDATE SKIP LOCKED) RETURNING *), "
      // A window that is not read yet will be.
      "wished AS (UPDATE supaglue_internal.syncs s SET"
      "  backfill_from = least(s.backfill_from, coalesce(r.since, '-infinity')),"
      "  backfill_to = greatest(s.backfill_to, r.until)"
      "  FROM stopped r WHERE r.sync_id = s.id AND r.until IS NOT NULL) "
      "INSERT INTO supaglue_internal.run_log (id, sync_id, status, strategy, reason, started_at,"
      " finished_at, error_message, records_read, requests, bytes_received, provider_count, slot)"
      " SELECT id, sync_id, 'FAILURE', strategy, reason, started_at, $2,"
      " 'stopped by pause_sync()', records_read, requests, bytes_received, provider_count, $3"
      " FROM stopped",
      {int_arg(sync_id), time_arg(now), int_arg(slot_of(kRunLog, now))});
}

// What a caller of wait_for_sync() waits for.
struct Waiting {
  int64 last_run_id;  // the last one that had finished
  int64 runs;         // how many more are to finish
};

Waiting begin_waiting(int64 sync_id) {
  sql_latest(
      "SELECT coalesce((SELECT max(id) FROM supaglue_internal.run_log WHERE sync_id = s.id), 0),"
      " (SELECT count(*) FROM supaglue_internal.runs WHERE sync_id = s.id),"
      " s.triggered::int + s.backfill_asked::int, s.paused_by <> '{}',"
      " s.next_reason IS NOT DISTINCT FROM 'mapping' OR s.next_run_at IS NULL"
      " OR s.next_run_at <= pg_catalog.clock_timestamp()"
      " FROM supaglue_internal.syncs s WHERE id = $1",
      {int_arg(sync_id)});
  if (SPI_processed == 0) no_such_sync(sync_id);
  const int64 last = int_at(0, 1), running = int_at(0, 2), asked = int_at(0, 3);
  const bool paused = bool_at(0, 4), due = bool_at(0, 5);
  if (running + asked > 0) return {last, running + asked};
  if (!paused) return {last, due || last == 0 ? 1 : 0};
  if (last == 0)
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("sync " INT64_FORMAT " is paused and has never run", sync_id),
                    errhint("Call supaglue.resume_sync() or supaglue.trigger_sync().")));
  return {last, 0};
}

// The run that was waited for; 0: not yet.
int64 finished_run(int64 sync_id, const Waiting *waiting) {
  if (waiting->runs == 0) return waiting->last_run_id;
  const uint64 rows = sql_latest(
      "SELECT id FROM supaglue_internal.run_log WHERE sync_id = $1 AND id > $2 ORDER BY id LIMIT "
      "$3",
      {int_arg(sync_id), int_arg(waiting->last_run_id), int_arg(waiting->runs)});
  return rows == static_cast<uint64>(waiting->runs) ? int_at(rows - 1, 1) : 0;
}

[[noreturn]] void timed_out(int64 sync_id) {
  const char *hint =
      !settings.enabled ? "supaglue.enabled is off: nothing runs."
      : worker_pid(WorkerKind::kFetcher, 0) == 0
          ? "No worker serves this database: see supaglue.database and supaglue.start_worker()."
          : "The view supaglue.syncs says how the sync stands, supaglue.worker_status how the "
            "workers "
            "do.";
  ereport(ERROR,
          (errcode(ERRCODE_QUERY_CANCELED),
           errmsg("timed out waiting for sync " INT64_FORMAT, sync_id), errhint("%s", hint)));
  pg_unreachable();
}

TimestampTz deadline_of(FunctionCallInfo fcinfo, int argument) {
  if (PG_ARGISNULL(argument))
    ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("timeout must not be null")));
  return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
                                                 TimestampTzGetDatum(GetCurrentTimestamp()),
                                                 PG_GETARG_DATUM(argument)));
}

// A run as supaglue.sync_runs shows it, for the caller of a function that returns that type.
Datum run_row(int64 run_id) {
  sql_latest("SELECT r FROM supaglue.sync_runs r WHERE r.id = $1", {int_arg(run_id)});
  if (SPI_processed == 0) elog(ERROR, "the record of run " INT64_FORMAT " is gone", run_id);
  bool null;
  const Datum row = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null);
  return SPI_datumTransfer(row, false, -1);
}

bool launcher_runs() {
  return sql("SELECT FROM pg_catalog.pg_stat_activity WHERE backend_type = 'supaglue launcher'") >
         0;
}

// Until a worker that was started has its place, or has ended.
void wait_until_seated(WorkerKind kind, int number, BackgroundWorkerHandle *handle) {
  pid_t pid;
  while (worker_pid(kind, number) == 0 && GetBackgroundWorkerPid(handle, &pid) == BGWH_STARTED) {
    WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, kSeatMs, PG_WAIT_EXTENSION);
    ResetLatch(MyLatch);
    CHECK_FOR_INTERRUPTS();
  }
}

// Starts what is missing of a kind. Returns how many were started.
int start_missing(WorkerKind kind) {
  int started = 0;
  for (int number = 0; number < workers_wanted(kind); ++number) {
    if (worker_pid(kind, number) != 0) continue;
    BackgroundWorkerHandle *handle;
    pid_t pid;
    if (!launch_worker({MyDatabaseId, kind, number}, MyProcPid, &handle))
      ereport(ERROR, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
                      errmsg("no process is left for supaglue's workers"),
                      errhint("Raise max_worker_processes.")));
    if (WaitForBackgroundWorkerStartup(handle, &pid) != BGWH_STARTED) continue;
    ++started;
    wait_until_seated(kind, number, handle);
  }
  return started;
}

}  // namespace

}  // namespace supaglue

using namespace supaglue;

// Ends a call that asks the workers for a run, and whose UPDATE of the sync returned the causes of
// a pause that nobody can overrule, and the reason. What the caller is told.
static Datum asked_for_run(int64 sync_id, const Api &api) {
  if (const char *causes = text_at(0, 1); causes[0] != '\0') {
    const char *reason = text_at(0, 2);
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("sync " INT64_FORMAT " is paused: %s", sync_id, causes),
                    reason == nullptr ? 0 : errdetail("%s", reason),
                    errhint("It goes on once the cause is removed, from quarantine by "
                            "supaglue.resume_sync(); supaglue.materialize() tries it here and "
                            "now.")));
  }
  sync_changed(sync_id);
  const bool running =
      sql_latest("SELECT FROM supaglue_internal.runs WHERE sync_id = $1", {int_arg(sync_id)}) > 0;
  close_api(api);
  PG_RETURN_TEXT_P(cstring_to_text(running ? "queued after the run in progress" : "queued"));
}

static const char *const kCausesOfPause =
    "pg_catalog.array_to_string(pg_catalog.array_remove(paused_by, 'user'), ', '), pause_reason";

SUPAGLUE_FUNCTION(supaglue_trigger_sync) {
  const int64 sync_id = int_argument(fcinfo, 0, "sync_id");
  const bool full = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1);
  const Api api = open_api();
  if (sql(format("UPDATE supaglue_internal.syncs SET triggered = true,"
                 " trigger_full = trigger_full OR $2 WHERE id = $1 RETURNING %s",
                 kCausesOfPause),
          {int_arg(sync_id), bool_arg(full)}) == 0)
    no_such_sync(sync_id);
  return asked_for_run(sync_id, api);
}

// Whether nothing can be read by a window, because the provider stamps no record.
static bool is_without_stamps(int64 sync_id) {
  if (sql("SELECT coalesce(metadata ? 'stamp' AND coalesce(metadata ->> 'stamp', '') = '', false)"
          " FROM supaglue_internal.syncs WHERE id = $1",
          {int_arg(sync_id)}) == 0)
    no_such_sync(sync_id);
  return bool_at(0, 1);
}

SUPAGLUE_FUNCTION(supaglue_backfill) {
  const int64 sync_id = int_argument(fcinfo, 0, "sync_id");
  const TimestampTz from = time_argument(fcinfo, 1, "from_time");
  const TimestampTz to = time_argument(fcinfo, 2, "to_time");
  if (from > to || TIMESTAMP_IS_NOBEGIN(to))
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("from_time must not be later than to_time")));
  const Api api = open_api();
  if (is_without_stamps(sync_id))
    ereport(ERROR,
            (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
             errmsg("sync " INT64_FORMAT " cannot read a window of time", sync_id),
             errdetail("The provider does not say of its records when they changed, or "
                       "cannot be asked for it."),
             errhint("supaglue.trigger_sync(" INT64_FORMAT ", true) reads everything.", sync_id)));
  // Times that no provider can tell are all times.
  if (sql(format(
              "UPDATE supaglue_internal.syncs SET backfill_asked = true,"
              " backfill_from = least(backfill_from, CASE WHEN wanted.since < '1700-01-01 00:00Z'"
              "  THEN '-infinity' ELSE wanted.since END),"
              " backfill_to = greatest(backfill_to, CASE WHEN wanted.until > '4000-01-01 00:00Z'"
              "  THEN 'infinity' ELSE wanted.until END)"
              " FROM (SELECT $2::timestamptz AS since, $3::timestamptz AS until) AS wanted"
              " WHERE id = $1 RETURNING %s",
              kCausesOfPause),
          {int_arg(sync_id), {TIMESTAMPTZOID, TimestampTzGetDatum(from), false}, time_arg(to)}) ==
      0)
    no_such_sync(sync_id);
  return asked_for_run(sync_id, api);
}

SUPAGLUE_FUNCTION(supaglue_pause_sync) {
  const int64 sync_id = int_argument(fcinfo, 0, "sync_id");
  const char *reason = PG_ARGISNULL(1) ? nullptr : text_argument(fcinfo, 1, "reason");
  const Api api = open_api();
  stop_run(sync_id);
  if (sql("UPDATE supaglue_internal.syncs SET pause_reason = $2, triggered = false,"
          " trigger_full = false, backfill_asked = false,"
          " paused_by = CASE WHEN 'user' = ANY (paused_by) THEN paused_by ELSE paused_by || "
          "'user'::text END"
          " WHERE id = $1 RETURNING id",
          {int_arg(sync_id), text_arg(reason)}) == 0)
    no_such_sync(sync_id);
  sync_changed(sync_id);
  close_api(api);
  PG_RETURN_VOID();
}

SUPAGLUE_FUNCTION(supaglue_resume_sync) {
  const int64 sync_id = int_argument(fcinfo, 0, "sync_id");
  const Api api = open_api();
  if (sql("UPDATE supaglue_internal.syncs SET"
          " paused_by = pg_catalog.array_remove(pg_catalog.array_remove(paused_by, 'user'),"
          "   'quarantine'),"
          " pause_reason = CASE WHEN paused_by <@ '{user,quarantine}' THEN NULL"
          "   ELSE pause_reason END,"
          // Whoever lets a sync out of quarantine wants to see how it fares.
          " next_run_at = CASE WHEN 'quarantine' = ANY (paused_by) THEN pg_catalog.now()"
          "   ELSE next_run_at END"
          " WHERE id = $1",
          {int_arg(sync_id)}) == 0)
    no_such_sync(sync_id);
  sync_changed(sync_id);
  close_api(api);
  PG_RETURN_VOID();
}

SUPAGLUE_FUNCTION(supaglue_wait_for_sync) {
  const int64 sync_id = int_argument(fcinfo, 0, "sync_id");
  const TimestampTz deadline = deadline_of(fcinfo, 1);
  const Api api = open_api();
  const Waiting waiting = begin_waiting(sync_id);
  int64 run_id;
  while ((run_id = finished_run(sync_id, &waiting)) == 0) {
    SPI_freetuptable(SPI_tuptable);
    if (GetCurrentTimestamp() >= deadline) timed_out(sync_id);
    WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, kPollMs, PG_WAIT_EXTENSION);
    ResetLatch(MyLatch);
    CHECK_FOR_INTERRUPTS();
    if (sql_latest("SELECT FROM supaglue_internal.syncs WHERE id = $1", {int_arg(sync_id)}) == 0)
      no_such_sync(sync_id);
    SPI_freetuptable(SPI_tuptable);
  }
  const Datum row = run_row(run_id);
  close_api(api);
  PG_RETURN_DATUM(row);
}

SUPAGLUE_FUNCTION(supaglue_start_worker) {
  if (RecoveryInProgress())
    ereport(ERROR,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("a standby has no workers"),
             errhint("Workers start by themselves when it is promoted.")));
  const int started = start_missing(WorkerKind::kFetcher) + start_missing(WorkerKind::kMerger);
  if (started == 0) ereport(NOTICE, (errmsg("the workers of this database run already")));
  PG_RETURN_TEXT_P(cstring_to_text(started == 0 ? "running already" : "started"));
}

SUPAGLUE_FUNCTION(supaglue_stop_worker) {
  const Api api = open_api();
  const bool launched = launcher_runs();
  close_api(api);
  const int stopped = stop_workers(MyDatabaseId, 10'000);
  if (launched && stopped > 0)
    ereport(NOTICE,
            (errmsg("the launcher starts the workers of the databases in supaglue.database again"),
             errhint("Set supaglue.enabled to off to let them rest.")));
  PG_RETURN_TEXT_P(cstring_to_text(stopped == 0 ? "not running" : "stopped"));
}

SUPAGLUE_FUNCTION(supaglue_wake_workers) {
  wake_at_commit(WorkerKind::kFetcher);
  wake_at_commit(WorkerKind::kMerger);
  PG_RETURN_VOID();
}
