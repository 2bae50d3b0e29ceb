// pg: what the background workers have in common: which process serves what (a session lock is both
// the proof that a worker is the only one of its kind and the way to find it), starting, stopping
// and waking them, pinned settings, and the frame of a unit of work. It must not know what they do.
#pragma once

#include "pg.hpp"
#include "plans.hpp"

namespace supaglue {

enum class WorkerKind { kFetcher = 1, kMerger = 2 };

/// A place that one worker fills; it travels to the worker in bgw_extra.
struct Place {
  Oid database;
  WorkerKind kind;
  int number;
};

/// Wakes a kind of worker of this database when the current transaction commits (all numbers).
void wake_at_commit(WorkerKind kind);
/// Wakes it now.
void wake_now(WorkerKind kind);
/// The pid of a worker of this database, 0 when it does not run.
int worker_pid(WorkerKind kind, int number);
/// The same for any database.
int worker_pid(Place place);
/// How many workers of a kind a database is to have.
int workers_wanted(WorkerKind kind);

/// Asks for a process for a place; `notify` is told when it starts and ends. False: no free slot.
bool launch_worker(Place place, pid_t notify, BackgroundWorkerHandle **handle);
/// Ends the workers of a database and waits for it, at most so long. Returns how many were told to
/// end.
int stop_workers(Oid database, int timeout_ms);

/// Whether a worker may serve its database now, and if not, why.
enum class Standing { kReady, kDisabled, kNoExtension, kNothingConfigured, kCopy };
const char *reason_of(Standing standing);

/// The beginning of a worker's main function: signals, connection, settings, its place. False:
/// another process has the place.
bool begin_worker(WorkerKind kind, Place *place);
/// Whether the process ends because it was told to, for those who tidy up before it does.
bool was_told_to_end();
/// Of the transaction under way: locks the extension against being dropped while it lasts.
Standing standing();
/// Counts CREATE EXTENSIONs: whatever a worker remembers of an earlier one is void.
Oid extension_served();

/// What came of a unit of work.
struct Outcome {
  Standing standing;
  ErrorData *error;  // in the context of the call
  bool done() const { return standing == Standing::kReady && error == nullptr; }
};
/// Runs `body` in a transaction of its own if the worker may serve its database.
template <typename Body>
Outcome work(Body &&body) {
  Outcome outcome{Standing::kReady, nullptr};
  plans_of_process()->trim();
  outcome.error = unit_of_work([&] {
    outcome.standing = standing();
    if (outcome.standing == Standing::kReady) body();
  });
  return outcome;
}

/// Waits for the latch, a descriptor (-1: none) or the timeout, and takes care of signals. True
/// when the latch was set. Ends the process when it is told to.
bool wait_for_work(int fd, int64 timeout_ms);
/// Gives memory that was freed back to the system: for those who rest after much work.
void give_back_memory();
/// The worker's line in pg_stat_activity and worker_status. `busy`: it works; else it waits.
void report_work(bool busy, const char *what);

/// Called by _PG_init: registers the launcher and the ProcessUtility hook when preloaded.
void init_workers();

/// Whatever ALTER DATABASE or ALTER ROLE ... SET say, the statements of a process of ours mean the
/// same.
void pin_settings(const char *application_name);

}  // namespace supaglue
