// pg: the conditions of a query that make a live scan smaller: `_supaglue_customer_id` or `id`
// equal to a value, or to one of an array's. Postgres checks all of them again, so what is found
// here may ask for too much, never for too little.
#pragma once

#include "pg.hpp"

namespace supaglue {

struct Narrowing {
  enum Form { kNone, kOne, kAny } form;
  Expr *value;  // text, or text[] with kAny; free of the scanned table's columns
  const Expr *condition;
};

/// Whether a condition narrows a text column of a relation, and to what.
Narrowing narrowing_by(PlannerInfo *root, Expr *condition, const RelOptInfo *rel,
                       AttrNumber column);
/// The first of these RestrictInfos that does.
Narrowing narrowing_among(PlannerInfo *root, const List *conditions, const RelOptInfo *rel,
                          AttrNumber column);

}  // namespace supaglue
