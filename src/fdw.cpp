// pg: the foreign data wrapper: its handler, and what it tells the planner. Planning uses no
// network and no table of ours. The execution is live_scan.hpp's.
#include "pg.hpp"

#include "live_scan.hpp"
#include "narrowing.hpp"

namespace supaglue {

namespace {

/// Of a table that nothing is known of.
constexpr double kUnknownTuples = 10'000;
constexpr double kTuplesPerRequest = 2'000;
/// A request takes as long as reading a thousand pages from disk, more or less.
constexpr Cost kRequestCost = 1'000;
/// Rows of an array of ids that is not known yet.
constexpr double kUnknownIds = 10;

/// What the callbacks of one relation hand on.
struct Planned {
  AttrNumber customer_column, id_column;
};

const Planned *planned(const RelOptInfo *rel) { return static_cast<Planned *>(rel->fdw_private); }

double count_of(PlannerInfo *root, const Narrowing *ids) {
  if (ids->form == Narrowing::kOne) return 1;
  const Node *value = estimate_expression_value(root, reinterpret_cast<Node *>(ids->value));
  if (!IsA(value, Const)) return kUnknownIds;
  const auto *constant = reinterpret_cast<const Const *>(value);
  if (constant->constisnull) return 1;
  const ArrayType *texts = DatumGetArrayTypeP(constant->constvalue);
  return Max(1, ArrayGetNItems(ARR_NDIM(texts), ARR_DIMS(texts)));
}

void rel_size(PlannerInfo *root, RelOptInfo *rel, Oid relation) {
  auto *plan = static_cast<Planned *>(palloc(sizeof(Planned)));
  plan->customer_column = get_attnum(relation, kCustomerIdName);
  plan->id_column = get_attnum(relation, kIdName);
  rel->fdw_private = plan;
  if (rel->tuples < 0) rel->tuples = kUnknownTuples;
  set_baserel_size_estimates(root, rel);
  const Narrowing ids = narrowing_among(root, rel->baserestrictinfo, rel, plan->id_column);
  if (ids.form != Narrowing::kNone) rel->rows = clamp_row_est(Min(rel->rows, count_of(root, &ids)));
}

/// How many rows the provider sends, given the conditions that it is told.
double rows_sent(PlannerInfo *root, const RelOptInfo *rel, const List *conditions) {
  const Narrowing ids = narrowing_among(root, conditions, rel, planned(rel)->id_column);
  if (ids.form != Narrowing::kNone) return count_of(root, &ids);
  double rows = rel->tuples;
  const ListCell *cell;
  foreach (cell, conditions) {
    auto *info = static_cast<RestrictInfo *>(lfirst(cell));
    if (narrowing_by(root, info->clause, rel, planned(rel)->customer_column).form !=
        Narrowing::kNone)
      rows *= clause_selectivity(root, reinterpret_cast<Node *>(info), static_cast<int>(rel->relid),
                                 JOIN_INNER, nullptr);
  }
  return clamp_row_est(rows);
}

void add_scan_path(PlannerInfo *root, RelOptInfo *rel, const List *conditions, double rows,
                   Relids required_outer) {
  const double sent = rows_sent(root, rel, conditions);
  const Cost total = kRequestCost * (1 + floor(sent / kTuplesPerRequest)) +
                     rel->baserestrictcost.startup + rel->reltarget->cost.startup +
                     sent * (cpu_tuple_cost + rel->baserestrictcost.per_tuple) +
                     rows * rel->reltarget->cost.per_tuple;
  ForeignPath *path = make_foreign_path(root, rel, rows, kRequestCost, total, required_outer);
  add_path(rel, &path->path);
}

/// A column in a member of an equivalence class: generate_implied_equalities_for_column() asks.
bool is_wanted_column(PlannerInfo *, RelOptInfo *rel, EquivalenceClass *, EquivalenceMember *member,
                      void *column) {
  if (!IsA(member->em_expr, Var)) return false;
  const auto *var = reinterpret_cast<const Var *>(member->em_expr);
  return var->varno == static_cast<int>(rel->relid) &&
         var->varattno == *static_cast<AttrNumber *>(column);
}

/// The join conditions that would narrow the scan by a column if the other side came first.
List *join_conditions(PlannerInfo *root, RelOptInfo *rel, AttrNumber column) {
  List *found = NIL;
  const ListCell *cell;
  foreach (cell, rel->joininfo) {
    auto *info = static_cast<RestrictInfo *>(lfirst(cell));
    if (join_clause_is_movable_to(info, rel) &&
        narrowing_by(root, info->clause, rel, column).form != Narrowing::kNone)
      found = lappend(found, info);
  }
  if (!rel->has_eclass_joins || column == InvalidAttrNumber) return found;
  List *implied = generate_implied_equalities_for_column(root, rel, is_wanted_column, &column,
                                                         rel->lateral_referencers);
  foreach (cell, implied) {
    auto *info = static_cast<RestrictInfo *>(lfirst(cell));
    if (join_clause_is_movable_to(info, rel) &&
        narrowing_by(root, info->clause, rel, column).form != Narrowing::kNone)
      found = lappend(found, info);
  }
  return found;
}

/// One path for each set of other tables that can name ids or customers.
void add_parameterized_paths(PlannerInfo *root, RelOptInfo *rel) {
  List *conditions = list_concat(join_conditions(root, rel, planned(rel)->id_column),
                                 join_conditions(root, rel, planned(rel)->customer_column));
  List *done = NIL;
  const ListCell *cell;
  foreach (cell, conditions) {
    const auto *info = static_cast<const RestrictInfo *>(lfirst(cell));
    Relids outer = bms_union(info->clause_relids, rel->lateral_relids);
    outer = bms_del_member(outer, static_cast<int>(rel->relid));
    if (bms_is_empty(outer)) continue;
    ParamPathInfo *param = get_baserel_parampathinfo(root, rel, outer);
    if (list_member_ptr(done, param)) continue;
    done = lappend(done, param);
    List *all = list_concat_copy(rel->baserestrictinfo, param->ppi_clauses);
    const Narrowing ids = narrowing_among(root, all, rel, planned(rel)->id_column);
    if (ids.form != Narrowing::kNone)
      param->ppi_rows = clamp_row_est(Min(param->ppi_rows, count_of(root, &ids)));
    add_scan_path(root, rel, all, param->ppi_rows, outer);
  }
}

void rel_paths(PlannerInfo *root, RelOptInfo *rel, Oid) {
  add_scan_path(root, rel, rel->baserestrictinfo, rel->rows, rel->lateral_relids);
  add_parameterized_paths(root, rel);
}

/// The attributes that the query reads of the relation; 0 stands for the whole row.
List *needed_columns(RelOptInfo *rel, const List *conditions) {
  Bitmapset *attributes = nullptr;
  pull_varattnos(reinterpret_cast<Node *>(rel->reltarget->exprs), rel->relid, &attributes);
  const ListCell *cell;
  foreach (cell, conditions)
    pull_varattnos(reinterpret_cast<Node *>(static_cast<RestrictInfo *>(lfirst(cell))->clause),
                   rel->relid, &attributes);
  List *needed = NIL;
  for (int member = -1; (member = bms_next_member(attributes, member)) >= 0;)
    needed = lappend_int(needed, member + FirstLowInvalidHeapAttributeNumber);
  return needed;
}

ForeignScan *plan_scan(PlannerInfo *root, RelOptInfo *rel, Oid, ForeignPath *, List *target,
                       List *conditions, Plan *outer) {
  const Narrowing customers = narrowing_among(root, conditions, rel, planned(rel)->customer_column);
  const Narrowing ids = narrowing_among(root, conditions, rel, planned(rel)->id_column);
  List *values = NIL;
  if (customers.form != Narrowing::kNone) values = lappend(values, customers.value);
  if (ids.form != Narrowing::kNone) values = lappend(values, ids.value);
  List *parts =
      list_make2(needed_columns(rel, conditions), list_make2_int(customers.form, ids.form));
  // All conditions are checked here again.
  return make_foreignscan(target, extract_actual_clauses(conditions, false), rel->relid, values,
                          parts, NIL, NIL, outer);
}

// --- Execution: live_scan.hpp
// ---------------------------------------------------------------------------

LiveScan *scan_of(ForeignScanState *node) { return static_cast<LiveScan *>(node->fdw_state); }

void begin_scan(ForeignScanState *node, int flags) {
  if ((flags & EXEC_FLAG_EXPLAIN_ONLY) == 0) node->fdw_state = begin_live_scan(node);
}

TupleTableSlot *iterate_scan(ForeignScanState *node) { return next_live_row(scan_of(node)); }

void rescan(ForeignScanState *node) { restart_live_scan(scan_of(node)); }

void end_scan(ForeignScanState *node) {
  if (node->fdw_state != nullptr) end_live_scan(scan_of(node));
}

void explain_scan(ForeignScanState *node, ExplainState *out) {
  if (out->verbose) explain_live_scan(node, out);
  if (out->analyze)
    ExplainPropertyInteger("Requests", nullptr, live_scan_requests(scan_of(node)), out);
}

bool analyze_table(Relation, AcquireSampleRowsFunc *, BlockNumber *) { return false; }

int updatable_events(Relation) { return 0; }

}  // namespace

}  // namespace supaglue

using namespace supaglue;

SUPAGLUE_FUNCTION(supaglue_fdw_handler) {
  FdwRoutine *routine = makeNode(FdwRoutine);
  routine->GetForeignRelSize = rel_size;
  routine->GetForeignPaths = rel_paths;
  routine->GetForeignPlan = plan_scan;
  routine->BeginForeignScan = begin_scan;
  routine->IterateForeignScan = iterate_scan;
  routine->ReScanForeignScan = rescan;
  routine->EndForeignScan = end_scan;
  routine->ExplainForeignScan = explain_scan;
  routine->AnalyzeForeignTable = analyze_table;
  routine->IsForeignRelUpdatable = updatable_events;
  PG_RETURN_POINTER(routine);
}
