// pg: what the background workers have in common. See worker.hpp.
#include "worker.hpp"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "catalog.hpp"
#include "pg.hpp"
#include "settings.hpp"

namespace supaglue {

// --- Places
// --------------------------------------------------------------------------------------- A worker
// holds a lock of its session on its place. Field 4 keeps it apart from all advisory locks that SQL
// can take. The lock table is the one registry that survives nobody: no shared memory of ours, no
// preload, and nothing to clean up after a crash.

static LOCKTAG tag_of(Place place) {
  LOCKTAG tag;
  SET_LOCKTAG_ADVISORY(tag, place.database, static_cast<uint32>(place.kind),
                       static_cast<uint32>(place.number), 78);
  return tag;
}

static bool is_place(const LockInstanceData *lock, Oid database) {
  const LOCKTAG *tag = &lock->locktag;
  return tag->locktag_type == LOCKTAG_ADVISORY && tag->locktag_field4 == 78 &&
         tag->locktag_field1 == database && lock->holdMask != 0;
}

int worker_pid(Place place) {
  const LockData *data = GetLockStatusData();
  const LOCKTAG tag = tag_of(place);
  for (int i = 0; i < data->nelements; ++i) {
    const LockInstanceData *lock = &data->locks[i];
    if (is_place(lock, place.database) && memcmp(&lock->locktag, &tag, sizeof tag) == 0)
      return lock->pid;
  }
  return 0;
}

int worker_pid(WorkerKind kind, int number) { return worker_pid({MyDatabaseId, kind, number}); }

int workers_wanted(WorkerKind kind) {
  return kind == WorkerKind::kFetcher ? settings.workers : settings.merge_workers;
}

// --- Waking
// ---------------------------------------------------------------------------------------

// Sets the latch of every background worker of this database. A latch that is set for nothing is
// harmless by Postgres's own rules, and this can neither fail nor wait, as code after a commit must
// not. A worker that wakes another kind is not to look again itself.
static void wake_workers(bool self_too) {
  for (uint32 i = 0; i < ProcGlobal->allProcCount; ++i) {
    PGPROC *process = &ProcGlobal->allProcs[i];
    if (process->pid != 0 && process->isBackgroundWorker && process->databaseId == MyDatabaseId &&
        (self_too || process != MyProc))
      SetLatch(&process->procLatch);
  }
}

static Place here = {InvalidOid, WorkerKind::kFetcher, 0};

static bool is_own(WorkerKind kind) { return OidIsValid(here.database) && here.kind == kind; }

void wake_now(WorkerKind kind) { wake_workers(is_own(kind)); }

static bool wake_wanted = false, self_wanted = false;

static void at_transaction_end(XactEvent event, void *) {
  if (event == XACT_EVENT_COMMIT && wake_wanted) wake_workers(self_wanted);
  if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
    wake_wanted = self_wanted = false;
}

void wake_at_commit(WorkerKind kind) {
  static bool registered = false;
  if (!registered) RegisterXactCallback(at_transaction_end, nullptr);
  registered = true;
  wake_wanted = true;
  self_wanted = self_wanted || is_own(kind);
}

// --- Starting and stopping
// -------------------------------------------------------------------------

bool launch_worker(Place place, pid_t notify, BackgroundWorkerHandle **handle) {
  const char *kind = place.kind == WorkerKind::kFetcher ? "fetcher" : "merger";
  BackgroundWorker worker;
  memset(&worker, 0, sizeof worker);
  worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
  worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
  worker.bgw_restart_time = BGW_NEVER_RESTART;
  worker.bgw_notify_pid = notify;
  snprintf(worker.bgw_library_name, BGW_MAXLEN, "supaglue");
  snprintf(worker.bgw_function_name, BGW_MAXLEN, "supaglue_%s_main", kind);
  snprintf(worker.bgw_name, BGW_MAXLEN, "supaglue %s %d of database %u", kind, place.number,
           place.database);
  snprintf(worker.bgw_type, BGW_MAXLEN, "supaglue %s", kind);
  static_assert(sizeof place <= BGW_EXTRALEN);
  memcpy(worker.bgw_extra, &place, sizeof place);
  return RegisterDynamicBackgroundWorker(&worker, handle);
}

int stop_workers(Oid database, int timeout_ms) {
  const TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout_ms);
  int stopped = 0;
  for (bool first = true;; first = false) {
    const LockData *data = GetLockStatusData();
    int running = 0;
    for (int i = 0; i < data->nelements; ++i) {
      if (!is_place(&data->locks[i], database)) continue;
      ++running;
      if (first) kill(data->locks[i].pid, SIGTERM);
    }
    if (first) stopped = running;
    if (running == 0 || GetCurrentTimestamp() >= deadline) return stopped;
    WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 20, PG_WAIT_EXTENSION);
    ResetLatch(MyLatch);
    CHECK_FOR_INTERRUPTS();
  }
}

void pin_settings(const char *application_name) {
  static const char *const pinned[][2] = {
      {"role", "none"},
      {"search_path", "pg_catalog, pg_temp"},
      {"default_transaction_isolation", "read committed"},
      {"default_transaction_read_only", "off"},
      {"default_transaction_deferrable", "off"},
      {"session_replication_role", "origin"},
      {"row_security", "on"},
      {"TimeZone", "UTC"},
      {"DateStyle", "ISO, YMD"},
      {"IntervalStyle", "postgres"},
      {"statement_timeout", "0"},
      {"lock_timeout", "0"},
      {"idle_in_transaction_session_timeout", "0"},
      {"idle_session_timeout", "0"},
      {"synchronous_commit", "on"},
      {"jit", "off"},
      {"client_min_messages", "warning"},
  };
  for (const auto &setting : pinned)
    SetConfigOption(setting[0], setting[1], PGC_SUSET, PGC_S_OVERRIDE);
  SetConfigOption("application_name", application_name, PGC_USERSET, PGC_S_OVERRIDE);
}

static void pin_settings_of(WorkerKind kind) {
  if (kind != WorkerKind::kFetcher) return pin_settings("supaglue merger");
  pin_settings("supaglue fetcher");
  // A fetcher has many runs to serve and must not stand behind anybody's lock. A page and its
  // cursor are in one commit, so that a lost one is just fetched again.
  SetConfigOption("lock_timeout", "1s", PGC_SUSET, PGC_S_OVERRIDE);
  SetConfigOption("synchronous_commit", "off", PGC_SUSET, PGC_S_OVERRIDE);
}

static volatile sig_atomic_t told_to_end = 0;

static void end_when_safe(SIGNAL_ARGS) {
  told_to_end = 1;
  die(postgres_signal_arg);
}

bool was_told_to_end() { return told_to_end != 0; }

bool begin_worker(WorkerKind kind, Place *place) {
  memcpy(place, MyBgworkerEntry->bgw_extra, sizeof *place);
  here = *place;
  pqsignal(SIGHUP, SignalHandlerForConfigReload);
  pqsignal(SIGTERM, end_when_safe);
  BackgroundWorkerUnblockSignals();
  BackgroundWorkerInitializeConnectionByOid(place->database, InvalidOid, 0);
  pin_settings_of(kind);
  keep_plans();
  const LOCKTAG tag = tag_of(*place);
  StartTransactionCommand();
  const bool ours = LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL;
  CommitTransactionCommand();
  return ours;
}

// --- The frame of the loop
// ---------------------------------------------------------------------------

static Oid served = InvalidOid;

Oid extension_served() { return served; }

const char *reason_of(Standing standing) {
  switch (standing) {
    case Standing::kReady:
      return "nothing is due";
    case Standing::kDisabled:
      return "supaglue.enabled is off";
    case Standing::kNoExtension:
      return "this database has no extension supaglue";
    case Standing::kNothingConfigured:
      return "nothing is configured";
    case Standing::kCopy:
      return "this database is a copy: call supaglue.adopt_database()";
  }
  return "";
}

Standing standing() {
  // The lock that DROP EXTENSION takes first: taken here before any table's, so that the two never
  // deadlock, and nothing that we use goes away under us.
  const Oid extension = get_extension_oid("supaglue", true);
  if (OidIsValid(extension)) LockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock);
  served = get_extension_oid("supaglue", true) == extension ? extension : InvalidOid;
  if (!OidIsValid(served)) return Standing::kNoExtension;
  if (!settings.enabled) return Standing::kDisabled;
  switch (installation()) {
    case Installation::kHere:
      return Standing::kReady;
    case Installation::kElsewhere:
      return Standing::kCopy;
    default:
      return Standing::kNothingConfigured;
  }
}

bool wait_for_work(int fd, int64 timeout_ms) {
  const int events = WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH |
                     (fd >= 0 ? static_cast<int>(WL_SOCKET_READABLE) : 0);
  const int happened = WaitLatchOrSocket(MyLatch, events, fd >= 0 ? fd : PGINVALID_SOCKET,
                                         static_cast<long>(Max(timeout_ms, 0)), PG_WAIT_EXTENSION);
  if (happened & WL_LATCH_SET) ResetLatch(MyLatch);
  CHECK_FOR_INTERRUPTS();
  if (ConfigReloadPending) {
    ConfigReloadPending = false;
    ProcessConfigFile(PGC_SIGHUP);
    // Not left to the launcher: it may have been replaced by one that does not know us.
    if (OidIsValid(here.database) && here.number >= workers_wanted(here.kind)) {
      told_to_end = 1;
      proc_exit(0);
    }
  }
  return happened & WL_LATCH_SET;
}

void give_back_memory() {
#ifdef __GLIBC__  // others do so themselves
  malloc_trim(0);
#endif
}

void report_work(bool busy, const char *what) {
  pgstat_report_activity(busy ? STATE_RUNNING : STATE_IDLE, what);
}

}  // namespace supaglue
