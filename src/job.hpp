// pg: what a fetcher has under way: jobs, each a Fetch for one run or several, that waits for its
// provider while no transaction is open: beginning one, moving it on, recording what has come. It
// must not know when a run is due, nor where tokens come from.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "budgets.hpp"
#include "comparison.hpp"
#include "lease.hpp"
#include "pg.hpp"

namespace supaglue {

/// A fetch in progress. What a transaction is still to record of it stands in `pending`.
struct Job {
  enum class Pending { kNothing, kPage, kEnd, kFailure };

  int64 fetch_id = 0, connection_id = 0;
  std::vector<LeasedRun> runs;
  int slot = 0, pages = 0;
  int first_page = 1;       // earlier ones are of a beginning that was given up
  int restarts = 0;         // how often that was
  int source_restarts = 0;  // of the source that it has now
  int taken_over = 0;       // since a page came
  int64 begun_ms = 0;
  int64 moved_at_ms = 0;  // when a request was last sent or answered, or a page kept
  int64 moves = 0;
  int64 records = 0, requests_before = 0, bytes_before = 0;
  int64 provider_key = 0;
  bool keys_only = false;  // as Run::keys_only
  std::unique_ptr<Fetch> fetch;
  bool parked = false;  // its connection is, and the run's row says so
  bool in_flight = false;
  bool needs_token = false;
  int refreshes = 0;        // begun since it was last given a token
  size_t weight = 2 << 20;  // what its answer may take in memory: a guess before the first
  bool is_guess = false;    // ... by what others of its kind took: incremental runs
  int64 not_before_ms = 0;
  Pending pending = Pending::kNothing;
  Page page;
  std::unique_ptr<Comparison> comparison;  // null: pages are kept as they come
  std::string packed, cursor, plan, plan_kept;
  std::string metadata;      // when it is not what is kept already
  size_t metadata_told = 0;  // a digest of what the source has
  size_t metadata_kept = 0;  // ... and of what is kept
  int64 total = -1;          // as Source::total()
  char error_class[32] = "";
  char error_message[2048] = "";
};

struct Jobs {
  explicit Jobs(Pool &pool_in) : pool(pool_in) {}
  Pool &pool;
  std::map<int64, std::unique_ptr<Job>> by_fetch;
  Budgets budgets;
  size_t awaited = 0;             // memory that the answers may take that are asked for
  size_t usual_weight = 2 << 20;  // of first answers to incremental runs, larger ones of late
  // Of this round: whether one was not let ask for lack of memory, and whether an answer was taken.
  bool starved = false, moved = false;
  bool served = false;  // whether the database may be served, as the last transaction found
};

/// The beginning of a round: counts anew what of memory the answers in flight may take.
void count_awaited(Jobs *jobs);
/// All of them as a plain array, in the current context.
Job **all_jobs(const Jobs *jobs, size_t *count);
/// How many runs they are for.
size_t count_runs(const Jobs *jobs);
/// Begins, or goes on with, a fetch that is leased.
void begin_job(Jobs *jobs, const Lease *lease);
/// Lets the fetch go on as far as it goes without waiting. False: it waits.
bool advance_job(Jobs *jobs, Job *job);
/// Ends a job that has stood still for too long, by whosever fault.
void watch_job(Job *job);
/// When that will be so, unless it moves.
int64 patience_ends_ms(const Job *job);
/// Whether one is under way of which it is not known yet that it did not end the last process.
bool suspect_under_way(const Jobs *jobs);
/// Records what is pending. False: not now, or the job is no more.
bool record_job(Jobs *jobs, Job *job);
/// Records those that are fetched whole, in one transaction; those that it cannot record stay.
void hand_over_jobs(Jobs *jobs, Job *const *whole, size_t count);
/// Ends a job by an error, which is to be recorded.
void fail_job(Job *job, const char *error_class, const char *message, const char *detail);
void fail_job(Job *job, const Raised *raised);
void fail_job(Job *job, const ErrorData *error);

}  // namespace supaglue
