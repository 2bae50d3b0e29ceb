// pg: the token keeper of backends: a one-shot worker that refreshes a connection's token and
// commits it in a transaction of its own, whatever becomes of the backend's, and the backend's side
// that starts it and waits. It leaves in shared memory what it came to; the tokens go only into
// their table.
#include "refusal.hpp"
#include "token.hpp"

#include "catalog.hpp"
#include "pg.hpp"
#include "reading.hpp"
#include "settings.hpp"
#include "sql.hpp"
#include "worker.hpp"

namespace supaglue {

namespace {

/// What the keeper came to, in shared memory.
struct Report {
  enum State { kUnfinished, kFresh, kMissing, kFailed } state;
  int sqlerrcode;
  char message[1024], detail[2048], hint[1024];
};

/// What the keeper is to do; it travels in bgw_extra.
struct Errand {
  Oid database;
  dsm_handle report;
  int64 connection_id;
  int64 generation;  // the token that is no longer good
};
static_assert(sizeof(Errand) <= BGW_EXTRALEN);

// --- The keeper's side
// -----------------------------------------------------------------------------

/// Requests that no answer came to are sent again, so often in all.
constexpr int kMostSends = 3;

/// Whether it is our turn to ask again: the provider did not speak its mind.
bool is_transient(const Response *response) {
  if (response->failure != Response::Failure::kNone)
    return response->failure == Response::Failure::kTimeout ||
           response->failure == Response::Failure::kUnreachable ||
           response->failure == Response::Failure::kCutOff;
  return response->status == 429 || response->status >= 500;
}

void wait_until(int64 until_ms, int fd) {
  const int64 wait_ms = until_ms - now_ms();
  const int events = WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH |
                     (fd >= 0 ? static_cast<int>(WL_SOCKET_READABLE) : 0);
  if (WaitLatchOrSocket(MyLatch, events, fd, static_cast<long>(Max(wait_ms, 0)),
                        PG_WAIT_EXTENSION) &
      WL_LATCH_SET)
    ResetLatch(MyLatch);
  CHECK_FOR_INTERRUPTS();
}

/// Sends the request and waits for the answer, with no transaction open.
void exchange(const Request *request, Response *response) {
  Pool *pool = backend_pool();
  for (int sent = 1;; ++sent) {
    const Pool::Transfer transfer = guard([&] { return pool->start(*request); });
    while (!guard([&] {
      pool->pump();
      return pool->take(transfer, response);
    }))
      wait_until(now_ms() + 60'000, pool->fd());
    if (!is_transient(response) || sent == kMostSends) return;
    const int64 again_at = now_ms() + static_cast<int64>(sent * 1000 * (0.5 + jitter() / 2));
    while (now_ms() < again_at) wait_until(again_at, -1);
  }
}

void report_failure(Report *report, const ErrorData *error) {
  report->sqlerrcode = error->sqlerrcode;
  strlcpy(report->message, error->message ? error->message : "", sizeof report->message);
  strlcpy(report->detail, error->detail ? error->detail : "", sizeof report->detail);
  strlcpy(report->hint, error->hint ? error->hint : "", sizeof report->hint);
  report->state = Report::kFailed;
}

/// The reason of a refusal, in the provider's words where there are some.
const char *reason_of(const ErrorData *error) {
  return error->detail != nullptr && error->detail[0] != '\0' ? error->detail : error->message;
}

/// The objects of one refresh, for guard bodies.
struct Refresh {
  std::shared_ptr<const Connector> connector;
  Request request;
  Response response;
  Tokens tokens;
};

void refresh(const Errand *errand, Report *report) {
  auto *work = make_in<Refresh>(CurrentMemoryContext);
  MemoryContext context = CurrentMemoryContext;
  const int64 id = errand->connection_id;
  TokenState *state = nullptr;
  ErrorData *error = unit_of_work([&] {
    if (!extension_exists()) return;
    if (sql("SELECT p.name FROM supaglue_internal.connections c, supaglue_internal.providers p"
            " WHERE c.id = $1 AND p.id = c.provider_id",
            {int_arg(id)}) == 0)
      return;
    const char *provider_name = text_at(0, 1);
    state = load_tokens(context, id);
    // Whoever held the lock before us may have done our errand.
    if (state->access.generation > errand->generation) return;
    const int64 now = now_ms();
    guard([&] {
      work->connector = Connector::builtin(provider_name);
      work->request = token_request(*work->connector, state->grant, now);
    });
  });
  if (error != nullptr) {
    // What no request can renew, the provider has refused already.
    if (state != nullptr && error->sqlerrcode == ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION)
      refuse_tokens(id, state->access.generation, reason_of(error), true);
    return report_failure(report, error);
  }
  if (state == nullptr) {
    report->state = Report::kMissing;
    return;
  }
  if (state->access.generation > errand->generation) {
    report->state = Report::kFresh;
    return;
  }

  for (int refusals = 1;; ++refusals) {
    exchange(&work->request, &work->response);
    const int64 now = now_ms();
    error = unit_of_work([&] {
      guard([&] {
        work->tokens = token_answer(*work->connector, state->grant, work->response, now);
      });
    });
    if (error == nullptr) break;
    if (error->sqlerrcode != ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION)
      return report_failure(report, error);
    const int64 wait_ms = wait_after_refusal_ms(refusals, state->lost);
    if (!refuse_tokens(id, state->access.generation, reason_of(error), wait_ms == 0)) {
      report->state = Report::kFresh;  // by other credentials
      return;
    }
    if (wait_ms == 0) return report_failure(report, error);
    const int64 again_at = now_ms() + wait_ms;
    while (now_ms() < again_at) wait_until(again_at, -1);
  }
  const Renewal renewal = {id, state->access.generation, &work->tokens};
  error = store_tokens(&renewal, 1);
  if (error != nullptr) return report_failure(report, error);
  report->state = Report::kFresh;
}

// --- The backend's side
// ----------------------------------------------------------------------------

/// The keeper sees only what is committed, and would wait for rows that this transaction has
/// changed.
void require_committed(int64 connection_id) {
  sql_latest(
      "SELECT c.xmin::pg_catalog.text, t.xmin::pg_catalog.text, p.xmin::pg_catalog.text"
      " FROM supaglue_internal.connections c"
      " JOIN supaglue_internal.tokens t ON t.connection_id OPERATOR(pg_catalog.=) c.id"
      " JOIN supaglue_internal.providers p ON p.id OPERATOR(pg_catalog.=) c.provider_id"
      " WHERE c.id OPERATOR(pg_catalog.=) $1",
      {int_arg(connection_id)});
  for (int column = 1; SPI_processed > 0 && column <= 3; ++column)
    if (TransactionIdIsCurrentTransactionId(
            static_cast<TransactionId>(strtoul(text_at(0, column), nullptr, 10))))
      ereport(ERROR,
              (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
               errmsg("connection " INT64_FORMAT " is not committed yet", connection_id),
               errdetail("Its token is refreshed in another process."), errhint("COMMIT first.")));
}

BackgroundWorkerHandle *start_keeper(const Errand *errand) {
  BackgroundWorker worker;
  memset(&worker, 0, sizeof worker);
  worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
  worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
  worker.bgw_restart_time = BGW_NEVER_RESTART;
  worker.bgw_notify_pid = MyProcPid;
  snprintf(worker.bgw_library_name, BGW_MAXLEN, "supaglue");
  snprintf(worker.bgw_function_name, BGW_MAXLEN, "supaglue_keeper_main");
  snprintf(worker.bgw_name, BGW_MAXLEN, "supaglue token keeper of connection " INT64_FORMAT,
           errand->connection_id);
  snprintf(worker.bgw_type, BGW_MAXLEN, "supaglue token keeper");
  memcpy(worker.bgw_extra, errand, sizeof *errand);
  BackgroundWorkerHandle *handle;
  if (!RegisterDynamicBackgroundWorker(&worker, &handle))
    ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES),
                    errmsg("no process is free to refresh the token of connection " INT64_FORMAT,
                           errand->connection_id),
                    errhint("Raise max_worker_processes.")));
  return handle;
}

[[noreturn]] void raise_report(const Report *report, int64 connection_id) {
  if (report->state == Report::kFailed)
    ereport(ERROR, (errcode(report->sqlerrcode), errmsg_internal("%s", report->message),
                    report->detail[0] ? errdetail_internal("%s", report->detail) : 0,
                    report->hint[0] ? errhint("%s", report->hint) : 0));
  if (report->state == Report::kMissing)
    ereport(ERROR,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
             errmsg("connection " INT64_FORMAT " is not committed yet", connection_id),
             errdetail("Its token is refreshed in another process."), errhint("COMMIT first.")));
  ereport(ERROR,
          (errcode(ERRCODE_INTERNAL_ERROR),
           errmsg("the token of connection " INT64_FORMAT " was not refreshed", connection_id),
           errhint("The server's log tells why the token keeper ended.")));
  pg_unreachable();
}

}  // namespace

void refresh_elsewhere(int64 connection_id, int64 generation) {
  if (RecoveryInProgress())
    ereport(ERROR,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
             errmsg("the token of connection " INT64_FORMAT " must be refreshed", connection_id),
             errdetail("A standby cannot keep the new token."),
             errhint("Read from the primary; its next run refreshes the token.")));
  if (installation_is_elsewhere())
    ereport(
        ERROR,
        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
         errmsg("the token of connection " INT64_FORMAT " must be refreshed", connection_id),
         errdetail("This database is a copy: a refresh here could end the token of the one that "
                   "the syncs belong to."),
         errhint("Call supaglue.adopt_database() if this one shall take its place.")));
  require_committed(connection_id);
  dsm_segment *segment = dsm_create(sizeof(Report), 0);
  auto *report = static_cast<Report *>(dsm_segment_address(segment));
  memset(report, 0, sizeof *report);
  const Errand errand = {MyDatabaseId, dsm_segment_handle(segment), connection_id, generation};
  BackgroundWorkerHandle *handle = start_keeper(&errand);
  // When this wait is cancelled, the keeper goes on by itself: the provider may have rotated the
  // token.
  if (WaitForBackgroundWorkerShutdown(handle) == BGWH_POSTMASTER_DIED) proc_exit(1);
  if (report->state != Report::kFresh) {
    Report copy = *report;
    raise_report(&copy, connection_id);
  }
  dsm_detach(segment);
}

}  // namespace supaglue

using namespace supaglue;

SUPAGLUE_WORKER_MAIN(supaglue_keeper_main, argument) {
  Errand errand;
  memcpy(&errand, MyBgworkerEntry->bgw_extra, sizeof errand);
  pqsignal(SIGTERM, die);
  BackgroundWorkerUnblockSignals();
  // The backend that sent us may have gone; then nobody reads the report.
  dsm_segment *segment = dsm_attach(errand.report);
  Report unread = {};
  auto *report = segment == nullptr ? &unread : static_cast<Report *>(dsm_segment_address(segment));
  BackgroundWorkerInitializeConnectionByOid(errand.database, InvalidOid, BGWORKER_BYPASS_ALLOWCONN);
  pin_settings("supaglue token keeper");
  MemoryContext context =
      AllocSetContextCreate(TopMemoryContext, "supaglue token keeper", ALLOCSET_DEFAULT_SIZES);
  MemoryContextSwitchTo(context);
  wait_for_tokens(errand.connection_id);
  refresh(&errand, report);
  MemoryContextSwitchTo(TopMemoryContext);
  MemoryContextDelete(context);
  unlock_tokens(errand.connection_id);
}
