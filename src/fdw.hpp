// pg: what the foreign data wrapper's planning tells the planning of joins. It must not plan joins.
#pragma once

#include "pg.hpp"

namespace supaglue {

/// A request takes as long as reading a thousand pages from disk, more or less.
constexpr Cost kRequestCost = 1'000;

/// A way to scan a live table for the ids of many rows of other tables at once.
struct BatchableScan {
  ParamPathInfo *param;  // the other tables, and their conditions on this one
  Expr *ids;             // a column of theirs: what id is equal to
  Expr *customers;       // the same of the customer; or null
  int slot;              // the executor's parameter by which the two sides meet
};

/// BatchableScan: those of a relation; NIL for one that is no live table.
List *batchable_scans(const RelOptInfo *rel);
/// A path that takes its ids from the batch that is announced; requests are not in its cost.
ForeignPath *batched_scan_path(PlannerInfo *root, RelOptInfo *rel, BatchableScan *scan);

}  // namespace supaglue
