// pg: the options of the foreign data wrapper's objects: which there are, their check, and reading
// them.
#pragma once

#include "pg.hpp"

namespace supaglue {

/// What a foreign table stands for.
struct LiveTable {
  Oid server;
  const char *server_name;
  const char *provider_name;
  const char *object_type;
  const char *object;
  const char *customer;  // the only one that it shows, or null
};
LiveTable live_table(Oid relation);
/// The provider of a foreign server.
const char *provider_of(Oid server);
/// The provider's field that a column's option names; null: it has none.
const char *column_field(Oid relation, AttrNumber number);

}  // namespace supaglue
