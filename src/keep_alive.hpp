// pg: connections that nothing has refreshed for long: paused, say, or read rarely. Providers
// forget refresh tokens that nobody uses.
#pragma once

#include "pg.hpp"

namespace supaglue {

struct IdleConnection {
  int64 id;
  int64 generation;
  const char *provider_name;
};
/// Those of a fetcher's share, longest idle first, not too many at once; in no transaction. List of
/// IdleConnection.
List *idle_connections(int workers, int number);

}  // namespace supaglue
