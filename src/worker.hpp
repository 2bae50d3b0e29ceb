// pg: what the background workers have in common: which process serves what (a session lock is both the proof that a worker
// is the only one of its kind and the address to wake it at), waking, pinned settings, the loop's frame.
#pragma once

#include "pg.hpp"

namespace supaglue {

enum class WorkerKind { kFetcher = 1, kMerger = 2 };

/// Wakes a kind of worker of this database when the current transaction commits (all numbers).
void wake_at_commit(WorkerKind kind);
/// Wakes it now.
void wake_now(WorkerKind kind);
/// The pid of a worker of this database, 0 when it does not run.
int worker_pid(WorkerKind kind, int number);

/// Called by _PG_init: registers the launcher and the ProcessUtility hook when preloaded.
void init_workers();

}  // namespace supaglue
