// pg: the token refreshes that a fetcher has under way, one at most of a connection, for the jobs
// that need a new token. Like the keeper it commits a token before that is used; unlike it, it
// never waits. It must not know what the jobs read.
#pragma once

#include <map>
#include <memory>

#include "job.hpp"
#include "pg.hpp"

namespace supaglue {

/// A refresh of a connection's tokens in progress; the connection's lock is ours.
struct Refresh {
  int64 connection_id = 0;
  int64 generation = 0;
  std::shared_ptr<const Connector> connector;
  Grant grant;
  Pool::Transfer transfer = 0;
  int attempts = 0;
  int refusals = 0;   // in a row
  bool lost = false;  // the grant was thought to be, before
  int64 not_before_ms = 0;
};

struct Refreshes {
  std::map<int64, std::unique_ptr<Refresh>> by_connection;
};

/// Gives the tokens that there are to jobs that have had none yet: to most it is all they need. Who
/// gets none is seen to alone.
void offer_tokens(const Refreshes *refreshes, Jobs *jobs, Job *const *all, size_t count);
/// Sees to a job that needs a token. False: it has to wait, or it failed.
bool see_to_token(Refreshes *refreshes, Jobs *jobs, Job *job);
/// Refreshes the tokens of connections that nothing has refreshed for so long that their provider
/// might forget them; of those whose number is this fetcher's.
void keep_alive(Refreshes *refreshes, Jobs *jobs, int workers, int number);
/// Moves them on without waiting; the jobs of one that is over go on or fail.
void tend_refreshes(Refreshes *refreshes, Jobs *jobs);
/// Waits for the answers that are under way, but only for a moment: what a provider that rotates
/// has answered once, it does not answer again. For a fetcher that ends, or shall rest.
void finish_refreshes(Refreshes *refreshes, Jobs *jobs);
/// Forgets them, and gives up the locks.
void drop_refreshes(Refreshes *refreshes, Pool *pool);

}  // namespace supaglue
