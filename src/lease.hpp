// pg: the rows of runs under way, which are the leases of their syncs: taking one over, keeping its
// progress, handing it on to the merger, giving it up. Runs that share a fetch go this way together
// until they are merged. Transactions are the caller's. It must not know how a run is fetched or
// merged, nor when one begins.
#pragma once

#include "pg.hpp"
#include "run.hpp"
#include "sync.hpp"

namespace supaglue {

struct LeasedRun {
  int64 run_id, sync_id;
};

/// What a fetcher needs of a fetch that it has leased, with all the runs that it is for; plain
/// memory in the current context.
struct Lease {
  int64 fetch_id;  // the run that it began with
  List *runs;      // of LeasedRun
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
  List *compared_with;  // Syncs whose rows most of what comes is likely to be; NIL: no one's
};

/// A lease of a fetch that is to be begun for a run.
Lease *make_lease(const Sync *sync, int64 run_id, int slot, bool full, TimestampTz since,
                  TimestampTz until);
/// It is for this run, too, which reads the same.
void add_run(Lease *lease, const Sync *sync, int64 run_id);

/// What SQL reads of a run's row for run_of_row(), which is given its place in the result.
constexpr const char *kRunColumns =
    "id, strategy = 'full', reason, started_at, since, provider_time, records_read, requests,"
    " bytes_received, coalesce(provider_count, -1), metadata, forced, until";
Run *run_of_row(uint64 row = 0);

/// How far a run has come.
struct Progress {
  int first_page, restarts;
  int64 records_read, requests, bytes_received;
  int64 provider_count;    // -1: unknown
  int64 provider_time_ms;  // 0: unknown
  const char *plan;
  const char *metadata;
};

/// How often a run may end the process that works on it, or fail its merge for good, before its
/// sync is put in quarantine.
constexpr int kMostStrikes = 3;
/// Leases the fetches of a fetcher's number that are under way, but for some: what a predecessor
/// left. Each is counted; one that was taken over too often without a page having come goes into
/// quarantine, and of those that are suspect at most one is taken, and that only when told to, so
/// that none suffers for another. Runs that shared a fetch of which nothing is kept begin anew,
/// each by itself. List of Lease; `left`: there are more.
List *take_over_runs(int worker, const int64 *own, int count, bool take_suspect, bool *left);
/// A fetcher ends because it is told to: that speaks against none of its runs.
void give_back_runs(int worker);
/// Makes the runs of fetchers that are no more this one's own. `workers` is how many there are.
/// False: one that is to be no more still lives; its runs are to be asked for again.
bool inherit_runs(int worker, int workers);

/// Records progress; with a page also that. False: no run is left, the fetch is to be dropped.
bool keep_progress(const Lease *lease, const Progress *progress, int pages);
/// Runs are fetched whole: the merger's turn. Those that are no more are left alone.
void hand_over(const Lease *leases, const Progress *progress, int count);
/// Ends the runs as failed; `not_before_ms` as for fail_run(). False: none was left.
bool fail_lease(const Lease *lease, const Progress *progress, const char *error_class,
                const char *message, int64 not_before_ms);

/// Ends the lease; the run's record is written already.
void end_lease(int64 run_id);

}  // namespace supaglue
