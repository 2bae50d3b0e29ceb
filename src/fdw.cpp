// pg: the foreign data wrapper: its handler, and what it tells the planner. Planning uses no
// network and no table of ours. The execution is live_scan.hpp's.
#include "fdw.hpp"

#include "pg.hpp"

#include "live_async.hpp"
#include "live_columns.hpp"
#include "live_explain.hpp"
#include "live_import.hpp"
#include "live_sample.hpp"
#include "live_scan.hpp"
#include "narrowing.hpp"
#include "pushdown.hpp"

namespace supaglue {

namespace {

/// Of a table that nothing is known of.
constexpr double kUnknownTuples = 10'000;
constexpr double kTuplesPerRequest = 2'000;
/// Rows of an array of ids that is not known yet.
constexpr double kUnknownIds = 10;

/// What the callbacks of one relation hand on.
struct Planned {
  LiveTable table;
  LiveColumns columns;
  AttrNumber customer_column, id_column;
  bool guessed;     // nothing is known of how many rows there are
  List *batchable;  // BatchableScan
};

const Planned *planned(const RelOptInfo *rel) { return static_cast<Planned *>(rel->fdw_private); }

AttrNumber metadata_column(const LiveColumns *columns, LiveColumn::Kind kind) {
  for (int i = 0; i < columns->count; ++i)
    if (columns->columns[i].kind == kind) return columns->columns[i].number;
  return InvalidAttrNumber;
}

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
  auto *plan = static_cast<Planned *>(palloc0(sizeof(Planned)));
  plan->table = live_table(relation);
  plan->columns = live_columns(relation);
  plan->customer_column = metadata_column(&plan->columns, LiveColumn::kCustomerId);
  plan->id_column = metadata_column(&plan->columns, LiveColumn::kId);
  rel->fdw_private = plan;
  plan->guessed = rel->tuples < 0;
  if (plan->guessed) rel->tuples = kUnknownTuples;
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
    // What is guessed may as well be so of each customer.
    if (planned(rel)->guessed &&
        narrowing_by(root, info->clause, rel, planned(rel)->customer_column).form !=
            Narrowing::kNone)
      continue;
    if (is_pushable(root, rel, &planned(rel)->columns, info->clause))
      rows *= clause_selectivity(root, reinterpret_cast<Node *>(info), static_cast<int>(rel->relid),
                                 JOIN_INNER, nullptr);
  }
  return clamp_row_est(rows);
}

/// How many rows the query wants of a relation that is all that it reads, when the plan knows; -1.
/// The rows must come in the query's order if it has one.
int64 rows_wanted(const PlannerInfo *root, const RelOptInfo *rel) {
  const Query *query = root->parse;
  const auto constant = [](const Node *node, int64 *value) {
    if (node == nullptr || !IsA(node, Const)) return false;
    const auto *number = reinterpret_cast<const Const *>(node);
    if (number->constisnull || number->consttype != INT8OID) return false;
    *value = DatumGetInt64(number->constvalue);
    return true;
  };
  int64 count, offset = 0;
  // Without a bound no grouping, no window and no function of rows stands between.
  if (root->limit_tuples < 1 || query->limitOption != LIMIT_OPTION_COUNT ||
      query->rowMarks != NIL || bms_membership(root->all_baserels) != BMS_SINGLETON ||
      rel->joininfo != NIL || !bms_is_empty(rel->lateral_relids) ||
      !constant(query->limitCount, &count) ||
      (query->limitOffset != nullptr && !constant(query->limitOffset, &offset)))
    return -1;
  return count < 1 || offset < 0 || count > 1'000'000'000 || offset > 1'000'000'000
             ? -1
             : count + offset;
}

/// What a path says to plan_scan().
enum PathPart { kPathLimit, kPathOrder, kPathCount, kPathBatch };
List *path_parts(int64 limit, List *order, List *count) {
  return list_make4(makeString(limit < 0 ? pstrdup("") : psprintf(INT64_FORMAT, limit)), order,
                    count, NIL);
}

void add_scan_path(PlannerInfo *root, RelOptInfo *rel, const List *conditions, double rows,
                   Relids required_outer, int64 limit, List *pathkeys, List *order) {
  double sent = rows_sent(root, rel, conditions);
  if (limit >= 0) sent = Min(sent, static_cast<double>(limit));
  const Cost total = kRequestCost * (1 + floor(sent / kTuplesPerRequest)) +
                     rel->baserestrictcost.startup + rel->reltarget->cost.startup +
                     sent * (cpu_tuple_cost + rel->baserestrictcost.per_tuple) +
                     Min(rows, sent) * rel->reltarget->cost.per_tuple;
  ForeignPath *path = make_foreign_path(root, rel, rows, kRequestCost, total, pathkeys,
                                        required_outer, path_parts(limit, order, NIL));
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

/// Notes how the ids of other tables' rows can be asked for many at once, if they can.
void note_batchable(PlannerInfo *root, RelOptInfo *rel, ParamPathInfo *param) {
  auto *plan = static_cast<Planned *>(rel->fdw_private);
  const List *own = rel->baserestrictinfo, *joined = param->ppi_clauses;
  const Narrowing ids = narrowing_among(root, joined, rel, plan->id_column);
  if (ids.form != Narrowing::kOne || !bms_is_empty(rel->lateral_relids) ||
      narrowing_among(root, own, rel, plan->id_column).form != Narrowing::kNone)
    return;
  auto *scan = static_cast<BatchableScan *>(palloc0(sizeof(BatchableScan)));
  scan->param = param;
  scan->ids = ids.value;
  // The relation is scanned once in a plan, so one slot will do for all its paths.
  scan->slot = plan->batchable == NIL
                   ? assign_special_exec_param(root)
                   : static_cast<BatchableScan *>(linitial(plan->batchable))->slot;
  const Narrowing customers = narrowing_among(root, joined, rel, plan->customer_column);
  if (customers.form == Narrowing::kOne &&
      narrowing_among(root, own, rel, plan->customer_column).form == Narrowing::kNone)
    scan->customers = customers.value;
  plan->batchable = lappend(plan->batchable, scan);
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
    add_scan_path(root, rel, all, param->ppi_rows, outer, -1, NIL, NIL);
    note_batchable(root, rel, param);
  }
}

/// Whether the scan can be of one connection only.
bool is_of_one_customer(PlannerInfo *root, const RelOptInfo *rel) {
  return planned(rel)->table.customer != nullptr ||
         narrowing_among(root, rel->baserestrictinfo, rel, planned(rel)->customer_column).form ==
             Narrowing::kOne;
}

void rel_paths(PlannerInfo *root, RelOptInfo *rel, Oid) {
  const int64 wanted = rows_wanted(root, rel);
  add_scan_path(root, rel, rel->baserestrictinfo, rel->rows, rel->lateral_relids,
                root->query_pathkeys == NIL ? wanted : -1, NIL, NIL);
  if (root->query_pathkeys != NIL && is_of_one_customer(root, rel)) {
    List *order = order_form(rel, &planned(rel)->columns, root->query_pathkeys);
    if (order != NIL)
      add_scan_path(root, rel, rel->baserestrictinfo, rel->rows, rel->lateral_relids, wanted,
                    root->query_pathkeys, order);
  }
  add_parameterized_paths(root, rel);
}

// --- count(*) as a whole
// ------------------------------------------------------------------------------------------------

/// Whether a query is nothing but count(*) over one live table.
bool is_plain_count(const PlannerInfo *root, const RelOptInfo *input, const RelOptInfo *output) {
  const Query *query = root->parse;
  if (query->groupClause != NIL || query->groupingSets != NIL || root->hasHavingQual ||
      input->reloptkind != RELOPT_BASEREL || !bms_is_empty(input->lateral_relids) ||
      list_length(output->reltarget->exprs) != 1 ||
      !IsA(linitial(output->reltarget->exprs), Aggref))
    return false;
  const auto *aggregate = linitial_node(Aggref, output->reltarget->exprs);
  return aggregate->aggfnoid == F_COUNT_ && aggregate->aggfilter == nullptr &&
         aggregate->aggorder == NIL && aggregate->agglevelsup == 0;
}

void upper_paths(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input, RelOptInfo *output,
                 void *) {
  if (stage != UPPERREL_GROUP_AGG || !is_plain_count(root, input, output)) return;
  if (planned(input) == nullptr) return;  // WHERE false: nobody is asked, nor was its size
  List *values = NIL;
  List *form = filter_form(root, input, &planned(input)->columns, input->baserestrictinfo, &values);
  if (!may_be_exact(&planned(input)->columns, form)) return;
  const ListCell *cell;
  foreach (cell, input->baserestrictinfo)
    if (static_cast<RestrictInfo *>(lfirst(cell))->pseudoconstant) return;
  ForeignPath *path =
      make_foreign_upper_path(root, output, 1, kRequestCost, kRequestCost + cpu_tuple_cost,
                              path_parts(-1, NIL, list_make1_int(static_cast<int>(input->relid))));
  add_path(output, &path->path);
}

// --- The plan
// ----------------------------------------------------------------------------------------

void add_columns(List **needed, Node *node, Index relid) {
  Bitmapset *attributes = nullptr;
  pull_varattnos(node, relid, &attributes);
  for (int member = -1; (member = bms_next_member(attributes, member)) >= 0;)
    *needed = list_append_unique_int(*needed, member + FirstLowInvalidHeapAttributeNumber);
}

/// The attributes that the query reads of the relation; 0 stands for the whole row.
List *needed_columns(const List *targets, const List *conditions, const List *order, Index relid) {
  List *needed = NIL;
  const ListCell *cell;
  foreach (cell, targets) add_columns(&needed, static_cast<Node *>(lfirst(cell)), relid);
  foreach (cell, conditions)
    add_columns(&needed,
                reinterpret_cast<Node *>(static_cast<RestrictInfo *>(lfirst(cell))->clause), relid);
  foreach (cell, order)
    needed = list_append_unique_int(
        needed, list_nth_int(static_cast<const List *>(lfirst(cell)), kOrderColumn));
  return needed;
}

/// The conditions but the one that already says which ids.
List *without(const List *conditions, const Expr *condition) {
  List *others = NIL;
  const ListCell *cell;
  foreach (cell, conditions) {
    auto *info = static_cast<RestrictInfo *>(lfirst(cell));
    if (info->clause != condition) others = lappend(others, info);
  }
  return others;
}

/// A count's row: the count, then the columns that its conditions read.
List *count_target(RelOptInfo *counted, List *target, const List *columns) {
  List *row = list_make1(
      makeTargetEntry(linitial_node(TargetEntry, target)->expr, 1, pstrdup("count"), false));
  const ListCell *cell;
  foreach (cell, columns) {
    const auto number = static_cast<AttrNumber>(lfirst_int(cell));
    const LiveColumn *column = column_of(&planned(counted)->columns, number);
    Var *var = makeVar(static_cast<int>(counted->relid), number, column->type, -1,
                       get_typcollation(column->type), 0);
    row = lappend(row,
                  makeTargetEntry(reinterpret_cast<Expr *>(var),
                                  static_cast<AttrNumber>(list_length(row) + 1), nullptr, false));
  }
  return row;
}

ForeignScan *plan_scan(PlannerInfo *root, RelOptInfo *rel, Oid, ForeignPath *path, List *target,
                       List *conditions, Plan *outer) {
  const auto *count = static_cast<const List *>(list_nth(path->fdw_private, kPathCount));
  RelOptInfo *scanned = count == NIL ? rel : find_base_rel(root, linitial_int(count));
  if (count != NIL) conditions = scanned->baserestrictinfo;
  const Planned *plan = planned(scanned);
  auto *order = static_cast<List *>(list_nth(path->fdw_private, kPathOrder));
  const auto *parts_of_batch = static_cast<List *>(list_nth(path->fdw_private, kPathBatch));
  const auto *batch = parts_of_batch == NIL
                          ? nullptr
                          : static_cast<const BatchableScan *>(linitial(parts_of_batch));
  Narrowing customers = narrowing_among(root, conditions, scanned, plan->customer_column);
  Narrowing ids = narrowing_among(root, conditions, scanned, plan->id_column);
  if (batch != nullptr) {
    // Those that the other side announces, and not others that the conditions have, too.
    ids = {Narrowing::kOne, batch->ids, nullptr};
    customers = batch->customers != nullptr ? Narrowing{Narrowing::kOne, batch->customers, nullptr}
                                            : narrowing_among(root, scanned->baserestrictinfo,
                                                              scanned, plan->customer_column);
  }
  List *values = NIL, *form_values = NIL;
  if (customers.form != Narrowing::kNone) values = lappend(values, customers.value);
  if (ids.form != Narrowing::kNone) values = lappend(values, ids.value);
  // A batch is asked for once for many outer rows, so nothing else of theirs is told.
  List *told = batch == nullptr ? without(conditions, ids.condition) : scanned->baserestrictinfo;
  List *form = filter_form(root, scanned, &plan->columns, told, &form_values);
  values = list_concat(values, form_values);
  List *figures = list_make4_int(customers.form, ids.form, list_length(values), count != NIL);
  figures = lappend_int(figures, batch == nullptr ? -1 : batch->slot);
  figures = lappend_int(figures, batch != nullptr && batch->customers != nullptr);
  List *needed = needed_columns(count == NIL ? scanned->reltarget->exprs : NIL, conditions, order,
                                scanned->relid);
  List *parts = list_make5(needed, figures, form, order, list_nth(path->fdw_private, kPathLimit));
  // All conditions are checked here again; those of a count by the scan itself, where it must.
  List *clauses = extract_actual_clauses(conditions, false);
  if (count == NIL)
    return make_foreignscan(target, clauses, scanned->relid, values, parts, NIL, NIL, outer);
  return make_foreignscan(target, NIL, 0, list_concat(values, clauses), parts,
                          count_target(scanned, target, needed), NIL, outer);
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
  explain_live_scan(node, scan_of(node), out);
}

bool is_async_capable(ForeignPath *) { return true; }

int updatable_events(Relation) { return 0; }

}  // namespace

List *batchable_scans(const RelOptInfo *rel) {
  return rel->fdwroutine != nullptr && rel->fdwroutine->GetForeignRelSize == rel_size &&
                 rel->reloptkind == RELOPT_BASEREL
             ? planned(rel)->batchable
             : NIL;
}

ForeignPath *batched_scan_path(PlannerInfo *root, RelOptInfo *rel, BatchableScan *scan) {
  const ParamPathInfo *param = scan->param;
  List *parts = path_parts(-1, NIL, NIL);
  lfirst(list_nth_cell(parts, kPathBatch)) = list_make1(scan);
  const Cost total = rel->baserestrictcost.startup + rel->reltarget->cost.startup +
                     param->ppi_rows * (cpu_tuple_cost + rel->baserestrictcost.per_tuple +
                                        rel->reltarget->cost.per_tuple);
  return make_foreign_path(root, rel, param->ppi_rows, 0, total, NIL, param->ppi_req_outer, parts);
}

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
  routine->GetForeignUpperPaths = upper_paths;
  routine->AnalyzeForeignTable = sample_live_table;
  routine->ImportForeignSchema = import_live_schema;
  routine->IsForeignPathAsyncCapable = is_async_capable;
  routine->ForeignAsyncRequest = request_live_row;
  routine->ForeignAsyncConfigureWait = configure_live_wait;
  routine->ForeignAsyncNotify = notify_live_scan;
  routine->IsForeignRelUpdatable = updatable_events;
  PG_RETURN_POINTER(routine);
}
