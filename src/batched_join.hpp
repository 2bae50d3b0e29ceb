// pg: nested loops over a live table that ask for the ids of many outer rows at once. The join is
// Postgres's own nested loop; what is ours is a node over its outer side, that reads rows ahead and
// announces their ids, and a live scan on its inner side that asks for all of these and answers
// each row from what came. It must not join.
#pragma once

#include "pg.hpp"

namespace supaglue {

/// What the outer rows that come next have in common.
struct AnnouncedBatch {
  int64 number;          // never the same twice in a query's execution; 0: there is none
  List *ids;             // String, each once
  ArrayType *customers;  // null: not narrowed by the outer rows
};
/// The batch under way at a slot, or null; good until the outer side goes on.
const AnnouncedBatch *announced_batch(const EState *state, int slot);

/// Called by _PG_init.
void init_batched_joins();

}  // namespace supaglue
