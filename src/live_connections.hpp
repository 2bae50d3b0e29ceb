// pg: which connections a live scan covers: those of the application to the provider, or only those
// of the customers that are named, each with what is known of the object from its sync. It must not
// know how they are read.
#pragma once

#include "pg.hpp"
#include "fdw_options.hpp"
#include "projection.hpp"

namespace supaglue {

struct LiveConnection {
  int64 id;
  const char *customer_id;
  const char *metadata;              // what an earlier reading learned, or null
  const char *config;                // the object's, or null
  const char *object_type, *object;  // at the provider
  const Projection *projection;      // of the synced table, or null
  bool all_fields;                   // it has all of the provider's own fields as columns
};

/// The connections, in the current context. `customers` is a text[], or null: all, or the one in
/// supaglue.customer_id. Too many without naming are an error. `with_projection`: those of the
/// synced table are wanted.
List *live_connections(const LiveTable *table, const ArrayType *customers, bool with_projection);
/// As it is for nobody: the columns without any customer's mapping. Null when nothing is
/// configured.
const LiveConnection *live_connection_of_nobody(const LiveTable *table);

}  // namespace supaglue
