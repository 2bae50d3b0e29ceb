// pg: asynchronous foreign scans. See live_async.hpp.
#include "live_async.hpp"

#include "live_scan.hpp"
#include "pg.hpp"
#include "reading.hpp"
#include "sql.hpp"

namespace supaglue {

namespace {

/// How long others' descriptors are left alone while ours are waited for.
constexpr int64 kTurnMs = 10;

LiveScan *scan_of(const AsyncRequest *request) {
  return static_cast<LiveScan *>(
      reinterpret_cast<ForeignScanState *>(request->requestee)->fdw_state);
}

bool is_ours(const AsyncRequest *request) {
  if (!IsA(request->requestee, ForeignScanState)) return false;
  const auto *node = reinterpret_cast<const ForeignScanState *>(request->requestee);
  return node->fdwroutine->ForeignAsyncRequest == request_live_row;
}

/// Moves a scan on, as far as the network was moved on.
void produce(AsyncRequest *request) {
  auto *node = reinterpret_cast<ForeignScanState *>(request->requestee);
  TupleTableSlot *row = node->ss.ps.ExecProcNodeReal(&node->ss.ps);
  int64 wake_at;
  if (TupIsNull(row) && live_scan_waits(scan_of(request), &wake_at))
    ExecAsyncRequestPending(request);
  else
    ExecAsyncRequestDone(request, TupIsNull(row) ? nullptr : row);
}

/// Tries again; true when the request is done, with a row or with the end.
bool try_again(AsyncRequest *request) {
  request->callback_pending = false;
  produce(request);
  if (!request->request_complete) return false;
  ExecAsyncResponse(request);
  if (request->requestee->instrument != nullptr)
    InstrUpdateTupleCount(request->requestee->instrument, TupIsNull(request->result) ? 0.0 : 1.0);
  return true;
}

struct Turn {
  bool done;    // something was given to the Append
  bool others;  // it also waits for scans that are not ours
  int64 wake_at;
};

/// Moves all scans of an Append on that wait.
Turn take_turn(const AppendState *append) {
  Turn turn = {};
  for (int i = -1; (i = bms_next_member(append->as_asyncplans, i)) >= 0;) {
    AsyncRequest *request = append->as_asyncrequests[i];
    if (!request->callback_pending) continue;
    if (!is_ours(request)) {
      turn.others = true;
      continue;
    }
    turn.done = try_again(request) || turn.done;
    int64 wake_at;
    if (live_scan_waits(scan_of(request), &wake_at) && wake_at != 0 &&
        (turn.wake_at == 0 || wake_at < turn.wake_at))
      turn.wake_at = wake_at;
  }
  return turn;
}

}  // namespace

void request_live_row(AsyncRequest *request) {
  pump_network();
  produce(request);
}

/// All transfers of the backend are behind one descriptor, whose silence ends for one scan what is
/// news for another, and a retry is due by the clock: so the waiting is done here, for all scans of
/// the Append, and no descriptor is left to it.
void configure_live_wait(AsyncRequest *request) {
  if (!IsA(request->requestor, AppendState))
    elog(ERROR, "an asynchronous foreign scan is under a node that is not an Append");
  const auto *append = reinterpret_cast<const AppendState *>(request->requestor);
  while (append->as_nasyncresults == 0) {
    CHECK_FOR_INTERRUPTS();
    pump_network();
    const Turn turn = take_turn(append);
    // Synchronous plans go on meanwhile.
    if (turn.done || !append->as_syncdone) return;
    int64 wake_at = turn.wake_at;
    if (turn.others && (wake_at == 0 || wake_at > now_ms() + kTurnMs)) wake_at = now_ms() + kTurnMs;
    wait_for_network(wake_at);
    if (turn.others) return;
  }
}

void notify_live_scan(AsyncRequest *request) {
  pump_network();
  produce(request);
}

}  // namespace supaglue
