// pg: connections to other Postgres servers: how one is made without ever blocking, and kept for
// the next run that goes to the same place. It must not know statements.
#pragma once

#include "pg.hpp"

using PGconn = struct pg_conn;

namespace supaglue {

/// Where a connection leads and in whose name: what two must have in common to be the same.
char *place_of(const char *config, const char *secret, Oid owner);

/// Makes a connection, in pipeline mode, that never blocks; null, or why it could not be done. The
/// caller has it as soon as there is anything of it. `config` and `secret` are JSON; `secret` may
/// be null. A role that is no superuser must not get in by what the server itself may do.
const char *connect_to_server(PGconn **connection, const char *place, const char *config,
                              const char *secret, Oid owner);

/// Whether its socket is ready, and not the latch or the time is up. On the latch as well, so that
/// cancel and shutdown are immediate.
bool wait_for_server(PGconn *connection, int events, TimestampTz until);

/// The connection's last error, on one line.
const char *connection_error(PGconn *connection);

/// For a process that goes from run to run: some connections stay open for a few seconds after
/// their use; sound ones only, and no transaction is open on them. And a server that has let us
/// wait in vain is not asked again at once: what failed then fails until it is.
void keep_connections();
/// One to that place that was kept, or null.
PGconn *take_kept_connection(const char *place);
/// Closes a connection, or keeps it. May be null.
void leave_connection(PGconn *connection, const char *place);
/// Closes those that were kept for long enough, and returns in how many ms (perhaps very many) this
/// is to be called again.
int64 close_stale_connections();

}  // namespace supaglue
