// pg: the access tokens of connections: reading them, and the token keeper, the only code that
// refreshes one. A refresh is single flight across processes (a session lock on the connection),
// commits durably before the new token is used, and never shares a transaction with its caller.
#pragma once

#include "pg.hpp"

namespace supaglue {

/// What the keeper needs to refresh a connection's token, and where the connection stands (for
/// guard bodies).
struct TokenState {
  Access access;  // generation 0 and an empty access token before the first refresh
  Grant grant;
  bool lost = false;  // the provider has refused it, as far as we know for good
};

/// Reads a connection's tokens with the newest snapshot (in a transaction, SPI connected, acting as
/// the extension's owner) into an object owned by `context`.
TokenState *load_tokens(MemoryContext context, int64 connection_id);
/// The same of several; null for a connection that there is not.
void load_tokens(MemoryContext context, const int64 *connection_ids, int count,
                 TokenState **states);

/// Makes sure that the connection has a token of a generation above `generation`: a one-shot worker
/// refreshes it while this backend waits on its latch. Raises the provider's refusal (28000), or
/// 55000 where no worker can be started.
void refresh_elsewhere(int64 connection_id, int64 generation);

/// Waits for the connection's session lock: in a process without a transaction.
void wait_for_tokens(int64 connection_id);
/// For the fetcher: takes the connection's session lock without waiting; false: another process
/// refreshes it now.
bool lock_tokens(int64 connection_id);
void unlock_tokens(int64 connection_id);
/// What a provider gave a connection. `generation` is the one that was refreshed: when the
/// connection has got other credentials meanwhile, nothing is stored.
struct Renewal {
  int64 connection_id, generation;
  const Tokens *tokens;
};
/// Stores refreshed tokens, commits with synchronous_commit on (one transaction), and records
/// account ids and base urls. A connection that was thought to be lost is active again, and its
/// syncs are due. An error is logged and returned, and nothing is stored: of several, one may be in
/// the others' way. Null when all went well; no transaction may be under way.
ErrorData *store_tokens(const Renewal *renewals, int count);
/// Records that the provider refused the grant: connection status, event; `lost`: for good, else
/// the connection is degraded until another try. False: nothing is said of the connection by that,
/// because it has got other credentials meanwhile. Errors are logged; no transaction may be under
/// way.
bool refuse_tokens(int64 connection_id, int64 generation, const char *reason, bool lost);

}  // namespace supaglue
