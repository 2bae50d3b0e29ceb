// pg: the ring that the log of finished runs is kept in: a few partitions ("slots") that take their
// turns by the clock, and are emptied by truncating them whole. It must not know what a run is, and
// writes none: who ends a run inserts it, into the slot that is told here.
#pragma once

#include "pg.hpp"

namespace supaglue {

/// The slot of a run that finished at that time, which is about now.
int log_slot(TimestampTz finished_at);

/// Empties a slot of which all runs are past their retention. Never waits for a lock: a slot that
/// somebody reads or writes stays as it is. False: there was none.
bool empty_past_slot();

}  // namespace supaglue
