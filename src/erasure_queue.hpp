// pg: erasures that could not be done at once, because the destination was away: the rows of
// supaglue_internal.erasures that the merger tries again until they are done.
#pragma once

#include "erasure.hpp"
#include "pg.hpp"

namespace supaglue {

/// Keeps an erasure at a destination for later, in the transaction under way.
void queue_erasure(int64 destination_id, const Whose *whose, Oid asked_by, const ErrorData *error);

/// For a merger, in no transaction: tries the one that is due. For how long there is none.
int64 tend_erasures();

}  // namespace supaglue
