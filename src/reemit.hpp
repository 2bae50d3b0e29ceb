// pg: marks stored rows as new, for a consumer that lost them. It must not know who asks, nor what
// the run's record says.
#pragma once

#include "destination.hpp"
#include "pg.hpp"
#include "sync.hpp"

namespace supaglue {

/// Gives the rows of a sync that were emitted at that time or later a new stamp, in the
/// destination's current transaction. Returns how many.
int64 reemit_rows(Destination *destination, const Sync *sync, TimestampTz from,
                  TimestampTz emitted_at);

}  // namespace supaglue
