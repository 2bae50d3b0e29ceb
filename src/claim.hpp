// pg: the beginning of runs: which of the syncs that are due may run now, what kind of run each
// gets, and which of these share a fetch, because they read the same of the same connection. The
// transaction is the caller's. It must not know when a sync is due, nor how a run goes on.
#pragma once

#include "lease.hpp"
#include "pg.hpp"

namespace supaglue {

/// Begins the runs that syncs are due for, and those of other syncs that are due, too, and read the
/// same. List of Lease. Syncs of the caller's that are in none may not begin now (they are gone,
/// locked, paused, or run already), or have nothing to be fetched.
List *claim_runs(const int64 *sync_ids, int count, int worker, int slot);

}  // namespace supaglue
