// pg: runs that are fetched whole and wait to be merged: which there are, taking one, trying it
// again later. A lock of the session holds one for its merger over several transactions, a lock on
// its row within one. Transactions are the caller's. It must not know how a run is merged.
#pragma once

#include "lease.hpp"
#include "pg.hpp"

namespace supaglue {

/// A run that waits to be merged.
struct WaitingRun {
  int64 id;
  bool found_nothing;  // so that it may be one of those that are ended together
};
/// The runs that wait, at most so many, in the order in which they are to be merged; returns how
/// many. Small runs go before large ones, but for ten minutes at most. Those that somebody merges
/// now are among them. `small_only`: large ones are left to others.
int waiting_runs(WaitingRun *runs, int most, bool small_only);
/// Makes a run this merger's, over all the transactions that its merge takes, until leave_merge()
/// or the end of the process. False: another merger has it.
bool take_merge(int64 run_id);
void leave_merge(int64 run_id);
/// Where a run's pages lie, and how often its merge was tried.
struct Fetched {
  int64 sync_id, fetch_id;
  int slot, pages, attempts;
  int first_page, restarts;
  int strikes;
};
/// Locks a run that waits to be merged for this transaction, which is its lease; waits a moment for
/// whoever only looks at it. Null: it is no more, was postponed, or somebody else has it.
Run *lock_merge(int64 run_id, Fetched *fetched);
/// The plan of a run's source, as JSON.
char *plan_of_run(int64 run_id);
/// A run that found nothing.
struct QuietRun {
  Run *run;
  int64 sync_id;
  int attempts;  // to write to its destination
};
/// Where such runs go, and in whose name.
struct QuietPlace {
  int64 destination_id;  // 0: this database, in any name
  Oid owner;
};
/// The remote destination whose quiet runs wait longest; false: none wait for any.
bool find_quiet_place(QuietPlace *place);
/// Locks such runs, of this database also their syncs, that nothing but their record is to be
/// written of: incremental ones of syncs that fare well, whose objects are stamped (so they have a
/// watermark), and whose table has a witness or no rows. Those that wait longest first; returns how
/// many.
int lock_quiet(const QuietPlace *place, QuietRun *runs, int most);
/// Counts a merge that begins (or one less), in a transaction of its own, so that it stays counted
/// when the process does not see its end.
void strike_merge(int64 run_id, int strikes);
/// The merge failed and is to be tried again at that time.
void postpone_merge(int64 run_id, TimestampTz not_before);
/// The same of many.
void postpone_merges(Arg run_ids, TimestampTz not_before);
/// When a merge that was postponed is due; DT_NOBEGIN: none waits.
TimestampTz next_merge_at();

}  // namespace supaglue
