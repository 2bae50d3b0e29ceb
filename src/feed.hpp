// pg: the order of the feed of events: what keeps a reader from passing over an event that is
// written, or still to be written, by a transaction under way, or that is forgotten. It must not
// know kinds of events.
#pragma once

#include "pg.hpp"
#include "ring.hpp"

namespace supaglue {

/// The events that the feed tells of, and that it forgets once they are past their retention.
extern const Ring kEvents;

/// To be called before a transaction takes the id of an event: until it ends, no reader goes beyond
/// the ids that were taken before. It waits for nobody, and keeps nobody waiting but readers.
void hold_feed();

}  // namespace supaglue
