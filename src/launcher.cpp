// pg: the launcher, one process per cluster: keeps the fetchers and mergers of the databases in
// supaglue.database running, with backoff; and the hook that makes way for commands on a whole
// database. It is connected to no database and must not know what its workers do.
#include <algorithm>

#include "pg.hpp"
#include "settings.hpp"
#include "worker.hpp"

namespace supaglue {

namespace {

constexpr int64 kFirstBackoffMs = 1000;
constexpr int64 kLongestBackoffMs = 60'000;
constexpr int64 kLookMs = 3000;  // at databases that come and go

// A worker that the launcher keeps running.
struct Child {
  char database[NAMEDATALEN];
  WorkerKind kind;
  int number;
  bool wanted;
  BackgroundWorkerHandle *handle;
  TimestampTz started_at;
  TimestampTz start_at;
  int64 backoff_ms;
};

List *children = NIL;  // of Child

Child *find_child(const char *database, WorkerKind kind, int number) {
  ListCell *cell;
  foreach (cell, children) {
    auto *child = static_cast<Child *>(lfirst(cell));
    if (strcmp(child->database, database) == 0 && child->kind == kind && child->number == number)
      return child;
  }
  auto *child = static_cast<Child *>(MemoryContextAllocZero(TopMemoryContext, sizeof(Child)));
  strlcpy(child->database, database, NAMEDATALEN);
  child->kind = kind;
  child->number = number;
  child->backoff_ms = kFirstBackoffMs;
  const MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);
  children = lappend(children, child);
  MemoryContextSwitchTo(before);
  return child;
}

// Brings the list of children in line with the settings.
void read_wishes() {
  ListCell *cell;
  foreach (cell, children) static_cast<Child *>(lfirst(cell))->wanted = false;
  List *names = NIL;
  if (!SplitGUCList(pstrdup(settings.database), ',', &names)) {
    ereport(LOG, (errmsg("supaglue.database is not a list of names: \"%s\"", settings.database)));
    return;
  }
  foreach (cell, names) {
    const auto *name = static_cast<const char *>(lfirst(cell));
    for (const WorkerKind kind : {WorkerKind::kFetcher, WorkerKind::kMerger})
      for (int number = 0; number < workers_wanted(kind); ++number)
        find_child(name, kind, number)->wanted = true;
  }
}

// Sees whether a child still runs. When it ended, says when it may start again.
bool still_runs(Child *child, TimestampTz now) {
  if (child->handle == nullptr) return false;
  pid_t pid;
  if (GetBackgroundWorkerPid(child->handle, &pid) != BGWH_STOPPED) return true;
  pfree(child->handle);
  child->handle = nullptr;
  if (TimestampDifferenceMilliseconds(child->started_at, now) >= kLongestBackoffMs)
    child->backoff_ms = kFirstBackoffMs;
  child->start_at = TimestampTzPlusMilliseconds(now, child->backoff_ms);
  child->backoff_ms = std::min(child->backoff_ms * 2, kLongestBackoffMs);
  return false;
}

// get_database_oid() for a process without a database: it may have no shared index to scan by yet.
Oid database_named(const char *name) {
  Relation catalog = table_open(DatabaseRelationId, AccessShareLock);
  ScanKeyData key;
  ScanKeyInit(&key, Anum_pg_database_datname, BTEqualStrategyNumber, F_NAMEEQ,
              CStringGetDatum(name));
  SysScanDesc scan = systable_beginscan(catalog, DatabaseNameIndexId, criticalSharedRelcachesBuilt,
                                        nullptr, 1, &key);
  HeapTuple tuple = systable_getnext(scan);
  const Oid database = HeapTupleIsValid(tuple)
                           ? reinterpret_cast<Form_pg_database>(GETSTRUCT(tuple))->oid
                           : InvalidOid;
  systable_endscan(scan);
  table_close(catalog, AccessShareLock);
  return database;
}

void start(Child *child, TimestampTz now) {
  const Oid database = database_named(child->database);
  const Place place{database, child->kind, child->number};
  if (!OidIsValid(database) || worker_pid(place) != 0) {
    child->start_at = TimestampTzPlusMilliseconds(now, kLookMs);
    return;
  }
  child->started_at = now;
  const MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);
  const bool registered = launch_worker(place, MyProcPid, &child->handle);
  MemoryContextSwitchTo(before);
  if (registered) return;
  child->handle = nullptr;
  child->start_at = TimestampTzPlusMilliseconds(now, kLongestBackoffMs);
  ereport(LOG, (errmsg("no process is left for supaglue in database \"%s\"", child->database),
                errhint("Raise max_worker_processes.")));
}

// Starts and stops what must be, and returns for how long nothing else is to be done.
int64 tend_children() {
  const TimestampTz now = GetCurrentTimestamp();
  int64 rest_ms = kLookMs;
  ListCell *cell;
  foreach (cell, children) {
    auto *child = static_cast<Child *>(lfirst(cell));
    if (still_runs(child, now)) {
      if (!child->wanted) TerminateBackgroundWorker(child->handle);
    } else if (child->wanted) {
      if (child->start_at <= now) start(child, now);
      if (child->handle == nullptr)
        rest_ms = std::min<int64>(rest_ms, TimestampDifferenceMilliseconds(now, child->start_at));
    }
  }
  return rest_ms;
}

// --- Commands on a whole database
// -------------------------------------------------------------------

ProcessUtility_hook_type next_utility = nullptr;

// The database that a command wants for itself, if the caller may have it: nobody else can stop
// workers.
Oid database_to_clear(Node *command) {
  const char *name = nullptr;
  bool copies = false;
  if (IsA(command, DropdbStmt)) name = reinterpret_cast<DropdbStmt *>(command)->dbname;
  if (IsA(command, RenameStmt) &&
      reinterpret_cast<RenameStmt *>(command)->renameType == OBJECT_DATABASE)
    name = reinterpret_cast<RenameStmt *>(command)->subname;
  List *options = NIL;
  if (IsA(command, CreatedbStmt)) options = reinterpret_cast<CreatedbStmt *>(command)->options;
  if (IsA(command, AlterDatabaseStmt))
    options = reinterpret_cast<AlterDatabaseStmt *>(command)->options;
  ListCell *cell;
  foreach (cell, options) {
    auto *option = static_cast<DefElem *>(lfirst(cell));
    if (IsA(command, CreatedbStmt) && strcmp(option->defname, "template") == 0 &&
        option->arg != nullptr) {
      name = defGetString(option);
      copies = true;
    }
    if (IsA(command, AlterDatabaseStmt) && strcmp(option->defname, "tablespace") == 0)
      name = reinterpret_cast<AlterDatabaseStmt *>(command)->dbname;
  }
  if (name == nullptr) return InvalidOid;
  const Oid database = get_database_oid(name, true);
  if (!OidIsValid(database) || !owns_database(database, GetUserId())) return InvalidOid;
  if (copies && !superuser()) {
    HeapTuple role = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
    const bool may =
        HeapTupleIsValid(role) && reinterpret_cast<Form_pg_authid>(GETSTRUCT(role))->rolcreatedb;
    if (HeapTupleIsValid(role)) ReleaseSysCache(role);
    if (!may) return InvalidOid;
  }
  return database;
}

// These commands fail while anybody is connected. The launcher starts the workers again a second
// later at the earliest; by then the command holds the lock that a new connection waits for.
void before_utility(PlannedStmt *statement, const char *query, bool read_only_tree,
                    ProcessUtilityContext context, ParamListInfo params,
                    QueryEnvironment *environment, DestReceiver *destination,
                    QueryCompletion *completion) {
  if (context == PROCESS_UTILITY_TOPLEVEL) {
    const Oid database = database_to_clear(statement->utilityStmt);
    if (OidIsValid(database) && database != MyDatabaseId) stop_workers(database, 10'000);
  }
  (next_utility != nullptr ? next_utility : standard_ProcessUtility)(
      statement, query, read_only_tree, context, params, environment, destination, completion);
}

}  // namespace

void init_workers() {
  if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade) return;
  next_utility = ProcessUtility_hook;
  ProcessUtility_hook = before_utility;
  BackgroundWorker worker;
  memset(&worker, 0, sizeof worker);
  worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
  // A standby has none; it gets one when it is promoted.
  worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
  worker.bgw_restart_time = 5;
  snprintf(worker.bgw_library_name, BGW_MAXLEN, "supaglue");
  snprintf(worker.bgw_function_name, BGW_MAXLEN, "supaglue_launcher_main");
  snprintf(worker.bgw_name, BGW_MAXLEN, "supaglue launcher");
  snprintf(worker.bgw_type, BGW_MAXLEN, "supaglue launcher");
  RegisterBackgroundWorker(&worker);
}

}  // namespace supaglue

using namespace supaglue;

SUPAGLUE_WORKER_MAIN(supaglue_launcher_main, argument) {
  pqsignal(SIGHUP, SignalHandlerForConfigReload);
  pqsignal(SIGTERM, die);
  BackgroundWorkerUnblockSignals();
  BackgroundWorkerInitializeConnection(nullptr, nullptr, 0);
  MemoryContext round =
      AllocSetContextCreate(TopMemoryContext, "supaglue launcher", ALLOCSET_DEFAULT_SIZES);
  for (;;) {
    MemoryContextSwitchTo(round);
    MemoryContextReset(round);
    StartTransactionCommand();
    read_wishes();
    const int64 rest_ms = tend_children();
    CommitTransactionCommand();
    report_work(false, "keeps the workers running");
    wait_for_work(-1, rest_ms);
  }
}
