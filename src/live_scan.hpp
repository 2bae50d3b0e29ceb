// pg: the execution of one foreign scan: it reads the connections that the query is about, several
// at once, and makes rows of their records. What the planner decided comes in by the plan's private
// part. It must not plan.
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

struct LiveScan;

LiveScan *begin_live_scan(ForeignScanState *node);
/// Fills and returns the node's slot; an empty one at the end, and when an asynchronous scan has to
/// wait.
TupleTableSlot *next_live_row(LiveScan *scan);
void restart_live_scan(LiveScan *scan);
void end_live_scan(LiveScan *scan);

/// Whether the last row was missing only because the network has not answered yet, and when to ask
/// again though it stays silent (0: never).
bool live_scan_waits(const LiveScan *scan, int64 *wake_at_ms);

/// What it cost until now.
struct LiveCosts {
  int64 requests, records, bytes;
};
LiveCosts live_scan_costs(const LiveScan *scan);

// What a plan says of itself, for the scan and for EXPLAIN.
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
/// What is told to the provider; lives in the current context.
Selection *make_selection(const ForeignScanState *node, const FormValue *values,
                          const FormBinding *binding);

}  // namespace supaglue
