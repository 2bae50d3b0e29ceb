// pg: tokens that their providers are to end, because their connection was deleted: rows of
// supaglue_internal.erasures, and the requests for them that a fetcher has under way. Never before
// the deletion is committed.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "erasure.hpp"
#include "pg.hpp"

namespace supaglue {

/// Keeps a connection's token to be ended by its provider, in the transaction under way. Does
/// nothing for credentials that no provider takes back; warns when they cannot be read.
void queue_revocation(int64 connection_id, const Whose *whose);

/// A request that is to be sent, or is.
struct Revocation {
  int64 id = 0;
  std::shared_ptr<const Connector> connector;
  Grant grant;
  Pool::Transfer transfer = 0;
};
struct Revocations {
  std::map<int64, std::unique_ptr<Revocation>> by_id;
  int64 next_ms = 0;  // when the next one is due; 0: none waits
};

/// Reads what is due, in a transaction.
void read_revocations(Revocations *revocations);
/// Moves them on without waiting.
void tend_revocations(Revocations *revocations, Pool *pool);
/// Forgets those under way; their rows stay.
void drop_revocations(Revocations *revocations, Pool *pool);

}  // namespace supaglue
