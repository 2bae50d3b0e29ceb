// pg: the record of drift: what changed of an object's fields at the provider, as rows and an
// event.
#pragma once

#include "pg.hpp"
#include "run.hpp"
#include "sync.hpp"

namespace supaglue {

/// What was found: written already, but for the event, whose JSON array it is.
struct SchemaChanges {
  const char *changes;  // null: none
  bool reads_more;      // records hold something else now
};

/// Compares what a run learned of the object with what its sync knew, and writes the differences.
SchemaChanges write_schema_changes(const Sync *sync, const Run *run);

}  // namespace supaglue
