// pg: nested loops over live tables by batches. See batched_join.hpp.
#include "batched_join.hpp"

#include "fdw.hpp"
#include "live_scan.hpp"
#include "pg.hpp"

namespace supaglue {

namespace {

/// So many outer rows are read ahead: as many ids as a request holds.
constexpr int kBatchRows = kIdsPerReading;

set_join_pathlist_hook_type next_hook = nullptr;

// --- Planning
// ----------------------------------------------------------------------------------------

Plan *plan_batches(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *target,
                   List *conditions, List *children);
const CustomPathMethods kPathMethods = {"Supaglue Batches", plan_batches, nullptr};

Node *create_state(CustomScan *plan);
const CustomScanMethods kPlanMethods = {"Supaglue Batches", create_state};

/// Whether the outer rows have the column that a value is, perhaps under another text type. No
/// other expression is evaluated ahead: it might fail for a row that is never reached.
bool is_column_of(Expr *value, const Path *outer) {
  while (IsA(value, RelabelType)) value = reinterpret_cast<RelabelType *>(value)->arg;
  return IsA(value, Var) && list_member(outer->pathtarget->exprs, value);
}

Path *batches_path(Path *outer, const BatchableScan *scan) {
  CustomPath *path = makeNode(CustomPath);
  path->path.pathtype = T_CustomScan;
  path->path.parent = outer->parent;
  path->path.pathtarget = outer->pathtarget;
  path->path.rows = outer->rows;
  path->path.pathkeys = outer->pathkeys;
  // The inner side's requests are counted here, one a batch.
  path->path.startup_cost = outer->startup_cost + kRequestCost;
  path->path.total_cost = outer->total_cost +
                          kRequestCost * Max(1, ceil(outer->rows / kBatchRows)) +
                          cpu_tuple_cost * outer->rows;
  path->custom_paths = list_make1(outer);
  path->custom_private = list_make2(
      list_make1_int(scan->slot),
      scan->customers == nullptr ? list_make1(scan->ids) : list_make2(scan->ids, scan->customers));
  path->methods = &kPathMethods;
  return &path->path;
}

void add_batched_join(PlannerInfo *root, RelOptInfo *join, RelOptInfo *inner, JoinType type,
                      JoinPathExtraData *extra, Path *outer, BatchableScan *scan) {
  if (!is_column_of(scan->ids, outer) ||
      (scan->customers != nullptr && !is_column_of(scan->customers, outer)))
    return;
  Path *batches = batches_path(outer, scan);
  Path *scanned = &batched_scan_path(root, inner, scan)->path;
  JoinCostWorkspace costs;
  initial_cost_nestloop(root, &costs, type, batches, scanned, extra);
  List *order = build_join_pathkeys(root, join, type, outer->pathkeys);
  add_path(join, reinterpret_cast<Path *>(
                     create_nestloop_path(root, join, type, &costs, extra, batches, scanned,
                                          extra->restrictlist, order, nullptr)));
}

void add_batched_joins(PlannerInfo *root, RelOptInfo *join, RelOptInfo *outer, RelOptInfo *inner,
                       JoinType type, JoinPathExtraData *extra) {
  if (next_hook != nullptr) next_hook(root, join, outer, inner, type, extra);
  if ((type != JOIN_INNER && type != JOIN_LEFT && type != JOIN_SEMI && type != JOIN_ANTI) ||
      !bms_is_empty(join->lateral_relids))
    return;
  const ListCell *cell, *path_cell;
  List *scans = batchable_scans(inner);
  foreach (cell, scans) {
    auto *scan = static_cast<BatchableScan *>(lfirst(cell));
    if (!bms_is_subset(scan->param->ppi_req_outer, outer->relids)) continue;
    foreach (path_cell, outer->pathlist) {
      auto *path = static_cast<Path *>(lfirst(path_cell));
      if (path->param_info == nullptr) add_batched_join(root, join, inner, type, extra, path, scan);
    }
  }
}

Plan *plan_batches(PlannerInfo *, RelOptInfo *, CustomPath *path, List *target, List *,
                   List *children) {
  CustomScan *plan = makeNode(CustomScan);
  plan->scan.plan.targetlist = target;
  plan->custom_plans = children;
  plan->custom_private = list_make1(linitial(path->custom_private));
  plan->custom_exprs = static_cast<List *>(copyObjectImpl(lsecond(path->custom_private)));
  plan->methods = &kPlanMethods;
  // Rows are passed on as they are; the conditions are the outer side's, which has checked them.
  const ListCell *cell;
  foreach (cell, linitial_node(Plan, children)->targetlist) {
    const auto *entry = static_cast<TargetEntry *>(lfirst(cell));
    plan->custom_scan_tlist =
        lappend(plan->custom_scan_tlist,
                makeTargetEntry(static_cast<Expr *>(copyObjectImpl(entry->expr)),
                                static_cast<AttrNumber>(list_length(plan->custom_scan_tlist) + 1),
                                nullptr, false));
  }
  return &plan->scan.plan;
}

// --- Execution
// ----------------------------------------------------------------------------------------

struct Batches {
  CustomScanState node;  // first: Postgres knows us by it
  int slot;
  List *values;                      // ExprState: the id, perhaps the customer
  TupleTableSlot *rows[kBatchRows];  // read ahead
  int count, next;
  bool ended;  // the outer side
  int64 made;
  MemoryContext context;  // of the batch
  AnnouncedBatch announced;
};

Batches *batches_of(CustomScanState *node) { return reinterpret_cast<Batches *>(node); }
PlanState *outer_of(const Batches *batches) {
  return static_cast<PlanState *>(linitial(batches->node.custom_ps));
}

void begin_batches(CustomScanState *node, EState *state, int flags) {
  Batches *batches = batches_of(node);
  const auto *plan = reinterpret_cast<const CustomScan *>(node->ss.ps.plan);
  batches->slot = linitial_int(linitial_node(List, plan->custom_private));
  batches->values = ExecInitExprList(plan->custom_exprs, &node->ss.ps);
  PlanState *outer = ExecInitNode(linitial_node(Plan, plan->custom_plans), state, flags);
  node->custom_ps = list_make1(outer);
  for (TupleTableSlot *&row : batches->rows)
    row = MakeSingleTupleTableSlot(ExecGetResultType(outer), &TTSOpsMinimalTuple);
  batches->context =
      AllocSetContextCreate(CurrentMemoryContext, "supaglue batch", ALLOCSET_DEFAULT_SIZES);
  // As a recursive union tells its work table: the inner side looks here.
  state->es_param_exec_vals[batches->slot].execPlan = nullptr;
  state->es_param_exec_vals[batches->slot].isnull = false;
  state->es_param_exec_vals[batches->slot].value = PointerGetDatum(&batches->announced);
}

/// Puts a row that was read ahead into the scan's slot.
TupleTableSlot *show(Batches *batches, int number) {
  TupleTableSlot *from = batches->rows[number], *slot = batches->node.ss.ss_ScanTupleSlot;
  ExecClearTuple(slot);
  slot_getallattrs(from);
  const int count = slot->tts_tupleDescriptor->natts;
  memcpy(slot->tts_values, from->tts_values, sizeof(Datum) * count);
  memcpy(slot->tts_isnull, from->tts_isnull, sizeof(bool) * count);
  return ExecStoreVirtualTuple(slot);
}

/// The values of one expression over the rows; NULLs left out.
ArrayType *texts_of_rows(Batches *batches, int value) {
  ExprContext *expressions = batches->node.ss.ps.ps_ExprContext;
  Datum texts[kBatchRows];
  int count = 0;
  for (int i = 0; i < batches->count; ++i) {
    bool null;
    expressions->ecxt_scantuple = show(batches, i);
    // In the batch's context: the values must stay until all are there.
    const Datum text = ExecEvalExpr(static_cast<ExprState *>(list_nth(batches->values, value)),
                                    expressions, &null);
    if (!null) texts[count++] = text;
  }
  return construct_array(texts, count, TEXTOID, -1, false, TYPALIGN_INT);
}

void read_batch(Batches *batches) {
  batches->count = batches->next = 0;
  batches->announced = {};
  MemoryContextReset(batches->context);
  while (batches->count < kBatchRows && !batches->ended) {
    TupleTableSlot *row = ExecProcNode(outer_of(batches));
    if (TupIsNull(row))
      batches->ended = true;
    else
      ExecCopySlot(batches->rows[batches->count++], row);
  }
  if (batches->count == 0) return;
  MemoryContext before = MemoryContextSwitchTo(batches->context);
  batches->announced.ids = distinct_texts(texts_of_rows(batches, 0));
  if (list_length(batches->values) > 1) batches->announced.customers = texts_of_rows(batches, 1);
  batches->announced.number = ++batches->made;
  MemoryContextSwitchTo(before);
}

TupleTableSlot *next_outer_row(CustomScanState *node) {
  Batches *batches = batches_of(node);
  ExprContext *expressions = node->ss.ps.ps_ExprContext;
  ResetExprContext(expressions);
  if (batches->next == batches->count) read_batch(batches);
  if (batches->count == 0) return ExecClearTuple(node->ss.ss_ScanTupleSlot);
  expressions->ecxt_scantuple = show(batches, batches->next++);
  return node->ss.ps.ps_ProjInfo == nullptr ? expressions->ecxt_scantuple
                                            : ExecProject(node->ss.ps.ps_ProjInfo);
}

void restart_batches(CustomScanState *node) {
  Batches *batches = batches_of(node);
  PlanState *outer = outer_of(batches);
  batches->count = batches->next = 0;
  batches->announced = {};
  batches->ended = false;
  if (node->ss.ps.chgParam != nullptr) UpdateChangedParamSet(outer, node->ss.ps.chgParam);
  // With other parameters it begins anew by itself.
  if (outer->chgParam == nullptr) ExecReScan(outer);
}

void end_batches(CustomScanState *node) {
  Batches *batches = batches_of(node);
  for (TupleTableSlot *row : batches->rows) ExecDropSingleTupleTableSlot(row);
  ExecEndNode(outer_of(batches));
}

void explain_batches(CustomScanState *node, List *, ExplainState *out) {
  if (out->verbose) ExplainPropertyInteger("Rows at once", nullptr, kBatchRows, out);
  if (out->analyze) ExplainPropertyInteger("Batches", nullptr, batches_of(node)->made, out);
}

CustomExecMethods exec_methods() {
  CustomExecMethods methods = {};
  methods.CustomName = "Supaglue Batches";
  methods.BeginCustomScan = begin_batches;
  methods.ExecCustomScan = next_outer_row;
  methods.EndCustomScan = end_batches;
  methods.ReScanCustomScan = restart_batches;
  methods.ExplainCustomScan = explain_batches;
  return methods;
}

Node *create_state(CustomScan *) {
  static const CustomExecMethods methods = exec_methods();
  auto *batches = static_cast<Batches *>(palloc0(sizeof(Batches)));
  batches->node.ss.ps.type = T_CustomScanState;
  batches->node.methods = &methods;
  return reinterpret_cast<Node *>(batches);
}

}  // namespace

const AnnouncedBatch *announced_batch(const EState *state, int slot) {
  const auto *batch = reinterpret_cast<const AnnouncedBatch *>(
      DatumGetPointer(state->es_param_exec_vals[slot].value));
  return batch == nullptr || batch->number == 0 ? nullptr : batch;
}

void init_batched_joins() {
  RegisterCustomScanMethods(&kPlanMethods);
  next_hook = set_join_pathlist_hook;
  set_join_pathlist_hook = add_batched_joins;
}

}  // namespace supaglue
