// pg: what the plan of a foreign scan says: the planner writes it, the scan and EXPLAIN read it. It
// must not read anything of a provider.
#pragma once

#include "live_columns.hpp"
#include "narrowing.hpp"
#include "pg.hpp"
#include "pushdown.hpp"

namespace supaglue {

/// The plan's fdw_private.
enum PlanPart {
  kNeededColumns,  // integers: attribute numbers; of a scan of rows, 0 is the whole row
  kFigures,        // integers: see below
  kFilterForm,     // see pushdown.hpp
  kOrderForm,      // the order in which the rows must come
  kLimit,          // a string: how many rows are wanted at most, or empty
};
enum PlanFigure {
  kCustomersForm,   // Narrowing::Form
  kIdsForm,         // the same
  kValueCount,      // of fdw_exprs: of the customers, of the ids, then of the filter's form
  kCounting,        // not 0: count(*), and the rest of fdw_exprs are the conditions
  kBatchSlot,       // -1, or where batches of ids are announced: see batched_join.hpp
  kBatchCustomers,  // not 0: the batches' customers, too
};

const ForeignScan *plan_of(const ForeignScanState *node);
/// The right to use the server, of whoever the scan is for.
void check_usage(ForeignScanState *node, const LiveTable *table);
const List *plan_part(const ForeignScanState *node, PlanPart part);
int plan_figure(const ForeignScanState *node, PlanFigure figure);
Oid plan_relation(const ForeignScanState *node);
/// The values of narrowings and form in a plan; null where there is none.
struct PlanValues {
  const Expr *customers, *ids;
  List *form;  // Expr
};
PlanValues plan_values(const ForeignScanState *node);
/// A query for more ids than this would not fit into a request: they are read in parts.
constexpr int kIdsPerReading = 100;
/// The texts of a text[], each once: an id that is read twice would be two rows.
List *distinct_texts(ArrayType *texts);
/// The fields that must be fetched for some columns; NIL: every readable one.
List *fields_for(const LiveTable *table, const LiveColumns *columns, const Hoisted *const *hoisted,
                 const List *needed);
/// The columns that a plan needs, by their numbers.
List *plan_columns(const ForeignScanState *node, const LiveColumns *columns);
/// The parameters that expressions depend on.
Bitmapset *parameters_of(const List *values);
/// What is told to the provider; lives in the current context.
Selection *make_selection(const ForeignScanState *node, const FormValue *values,
                          const FormBinding *binding);

}  // namespace supaglue
