// pg: what configuring does to syncs: makes those that are missing, starts them over, counts those
// that would end. Their runs are run.hpp's.
#pragma once

#include "pg.hpp"

namespace supaglue {

/// Makes the syncs that a provider's connections and objects lack, due at once (or paused, where
/// auto_start_on_connection is false). The provider's row is locked by the caller, so that none is
/// missed.
void make_missing_syncs(int64 provider_id);
/// Likewise those of one connection alone.
void make_syncs_of(int64 connection_id);

/// Syncs, by their ids.
struct SyncList {
  int64 *ids;
  int count;
};
/// The syncs for which all that is given (not 0) is so.
struct SyncFilter {
  int64 sync_config_id = 0;
  int64 connection_id = 0;
  int64 object_id = 0;
  int64 schema_id = 0;
  int64 entity_id = 0;
};
SyncList find_syncs(const SyncFilter &filter);

/// Ends the runs of syncs, and no other begins before the transaction ends. What is merging now is
/// waited for. The rows of the syncs are locked afterwards.
void stop_runs(const SyncList &syncs);
/// Starts syncs over, in full, with nothing known of their objects.
void restart_syncs(const SyncList &syncs);
/// What the syncs of an object fetch of each record has changed: what they have fetched so far of a
/// run is given up, and the next run is full.
void refetch_syncs(int64 object_id);
/// Makes syncs due because what their columns hold was defined anew: their next run computes the
/// columns of the stored rows again.
void remap_syncs(const SyncList &syncs);
/// Brings forward what the periods of a sync config now make due earlier, and tells the workers.
void reschedule_syncs(int64 sync_config_id);
/// Lets a connection that the provider refused try again: it is active, and the syncs that the
/// refusal paused are due.
void readmit_connection(int64 connection_id);
/// A connection that has got other credentials is not parked any more: those waits were for the old
/// ones.
void unpark_connection(int64 connection_id);
/// readmit_connection() without ever waiting, for the token keeper: a row that is locked is left as
/// it is; its holder will tell.
void readmit_unlocked(int64 connection_id);
/// readmit_connection() for all of a provider's connections that it refused.
void readmit_connections(int64 provider_id);

struct SyncCount {
  int64 syncs;
  int64 customers;
};
/// Of these objects.
SyncCount count_syncs(const int64 *object_ids, int count);

}  // namespace supaglue
