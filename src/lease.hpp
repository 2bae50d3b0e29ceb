// pg: the rows of runs under way, which are the leases of their syncs: taking one, keeping its
// progress, handing it on to the merger, giving it up. Transactions are the caller's. It must not
// know how a run is fetched or merged.
#pragma once

#include "pg.hpp"
#include "run.hpp"
#include "sync.hpp"

namespace supaglue {

/// What a fetcher needs of a run that it has leased; plain memory in the current context.
struct Lease {
  int64 run_id;
  int64 sync_id;
  int64 connection_id;
  int slot;
  int pages;       // kept in the spool
  bool manual;     // somebody asked for it
  bool keys_only;  // as Run::keys_only
  int first_page;  // earlier ones are of a beginning that was given up
  int restarts;    // how often that was
  int taken_over;  // by other fetchers since a page came
  const char *provider_name;
  const char *object;
  const char *config;      // of the object, JSON
  const char *since;       // ISO stamp or null
  const char *until;       // the same
  const char *known;       // metadata that need not be asked for again, JSON or null
  const char *last_known;  // the last run's metadata, JSON or null
  const char *plan;        // where to go on: JSON, or null for the beginning
  const char *cursor;
  int64 records_read, requests, bytes_received;
  const Sync *compared_with;  // whose rows most of what comes is likely to be; null: no one's
};

/// How far a run has come.
struct Progress {
  int first_page, restarts;
  int64 records_read, requests, bytes_received;
  int64 provider_count;    // -1: unknown
  int64 provider_time_ms;  // 0: unknown
  const char *plan;
  const char *metadata;
};

/// Begins the runs that syncs are due for. A lease is null where none may begin now: the sync is
/// gone, locked, paused, or runs already.
void claim_runs(const int64 *sync_ids, int count, int worker, int slot, Lease **leases);
/// How often a run may end the process that works on it, or fail its merge for good, before its
/// sync is put in quarantine.
constexpr int kMostStrikes = 3;
/// Leases the runs of a fetcher's number that are being fetched, but for some: what a predecessor
/// left. Each is counted; one that was taken over too often without a page having come goes into
/// quarantine, and of those that are suspect at most one is taken, and that only when told to, so
/// that none suffers for another. List of Lease; `left`: there are more.
List *take_over_runs(int worker, const int64 *own, int count, bool take_suspect, bool *left);
/// A fetcher ends because it is told to: that speaks against none of its runs.
void give_back_runs(int worker);
/// Makes the runs of fetchers that are no more this one's own. `workers` is how many there are.
/// False: one that is to be no more still lives; its runs are to be asked for again.
bool inherit_runs(int worker, int workers);

/// Records progress; with a page also that. False: the lease is lost, the run is to be dropped.
bool keep_progress(const Lease *lease, const Progress *progress, int pages);
/// Runs are fetched whole: the merger's turn. Leases that are lost are left alone.
void hand_over(const Lease *leases, const Progress *progress, int count);
/// Ends the run as failed; `not_before_ms` as for fail_run(). False: the lease was lost before.
bool fail_lease(const Lease *lease, const Progress *progress, const char *error_class,
                const char *message, int64 not_before_ms);

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
  int64 sync_id;
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
};
/// Locks such runs, and their syncs, that nothing but their record is to be written of: incremental
/// ones to this database, of syncs that fare well, whose objects are stamped (so they have a
/// watermark), and whose table has a witness or no rows. Those that wait longest first; returns how
/// many.
int lock_quiet(QuietRun *runs, int most);
/// Counts a merge that begins (or one less), in a transaction of its own, so that it stays counted
/// when the process does not see its end.
void strike_merge(int64 run_id, int strikes);
/// The merge failed and is to be tried again at that time.
void postpone_merge(int64 run_id, TimestampTz not_before);
/// When a merge that was postponed is due; DT_NOBEGIN: none waits.
TimestampTz next_merge_at();
/// Ends the lease; the run's record is written already.
void end_lease(int64 run_id);

}  // namespace supaglue
