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
};
LiveTable live_table(Oid relation);

}  // namespace supaglue
