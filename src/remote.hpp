// pg: a destination in another Postgres, through libpq. It must not know tables or merges.
#pragma once

#include "destination.hpp"
#include "pg.hpp"

namespace supaglue {

/// Connects, in the current memory context, which owns the connection. `config` and `secret` are
/// JSON; `secret` may be null. Raises when it cannot. A role that is no superuser must not get in
/// by what the server itself may do.
Destination *open_remote(const char *name, const char *config, const char *secret, Oid owner);

/// The failure of doing so and of creating tables there, or null.
char *remote_failure(const char *name, const char *config, const char *secret, Oid owner);

}  // namespace supaglue
