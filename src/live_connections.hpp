// pg: which connections a live scan covers: those of the application to the provider, or only those
// of the customers that are named, each with what is known of the object from its sync. It must not
// know how they are read.
#pragma once

#include "pg.hpp"
#include "fdw_options.hpp"

namespace supaglue {

struct LiveConnection {
  int64 id;
  const char *customer_id;
  const char *metadata;  // what an earlier reading learned, or null
  const char *config;    // the object's, or null
};

/// The connections, in the current context. `customers` is a text[], or null: all, or the one in
/// supaglue.customer_id. Too many without naming are an error.
List *live_connections(const LiveTable *table, const ArrayType *customers);

}  // namespace supaglue
