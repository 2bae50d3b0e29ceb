// pg: what the plan of a foreign scan says. See live_plan.hpp.
#include "live_plan.hpp"

#include "pg.hpp"

namespace supaglue {

const ForeignScan *plan_of(const ForeignScanState *node) {
  return reinterpret_cast<const ForeignScan *>(node->ss.ps.plan);
}

const List *plan_part(const ForeignScanState *node, PlanPart part) {
  return static_cast<const List *>(list_nth(plan_of(node)->fdw_private, part));
}

int plan_figure(const ForeignScanState *node, PlanFigure figure) {
  return list_nth_int(plan_part(node, kFigures), figure);
}

Oid plan_relation(const ForeignScanState *node) {
  return exec_rt_fetch(scanned_relation(node), node->ss.ps.state)->relid;
}

PlanValues plan_values(const ForeignScanState *node) {
  PlanValues values = {nullptr, nullptr, NIL};
  List *all = list_truncate(list_copy(plan_of(node)->fdw_exprs), plan_figure(node, kValueCount));
  int number = 0;
  if (plan_figure(node, kCustomersForm) != Narrowing::kNone)
    values.customers = static_cast<const Expr *>(list_nth(all, number++));
  if (plan_figure(node, kIdsForm) != Narrowing::kNone)
    values.ids = static_cast<const Expr *>(list_nth(all, number++));
  values.form = list_copy_tail(all, number);
  return values;
}

List *plan_columns(const ForeignScanState *node, const LiveColumns *columns) {
  const List *needed = plan_part(node, kNeededColumns);
  const bool all = plan_figure(node, kCounting) == 0 && list_member_int(needed, 0);
  List *numbers = NIL;
  if (plan_figure(node, kCounting) != 0) return list_copy(needed);
  for (int i = 0; i < columns->count; ++i)
    if (all || list_member_int(needed, columns->columns[i].number))
      numbers = lappend_int(numbers, columns->columns[i].number);
  return numbers;
}

List *fields_for(const LiveTable *table, const LiveColumns *columns, const Hoisted *const *hoisted,
                 const List *needed) {
  const char *id = guarded_text([&] {
    const auto connector = Connector::builtin(table->provider_name);
    return connector == nullptr ? std::string("id") : connector->settings.value("id_field", "id");
  });
  List *fields = list_make1(makeString(pstrdup(id)));
  for (int i = 0; i < columns->count; ++i) {
    if (!list_member_int(needed, columns->columns[i].number)) continue;
    if (columns->columns[i].kind == LiveColumn::kRawData) return NIL;
    if (columns->columns[i].kind != LiveColumn::kHoisted) continue;
    // A computed value may need any field.
    if (hoisted == nullptr || hoisted[i]->field == nullptr || hoisted[i]->field[0] == '\0')
      return NIL;
    fields = list_append_unique(fields, makeString(pstrdup(hoisted[i]->field)));
  }
  return fields;
}

Selection *make_selection(const ForeignScanState *node, const FormValue *values,
                          const FormBinding *binding) {
  auto *selection = make_in<Selection>(CurrentMemoryContext);
  const List *filter = plan_part(node, kFilterForm), *order = plan_part(node, kOrderForm);
  const char *limit =
      strVal(reinterpret_cast<const String *>(list_nth(plan_of(node)->fdw_private, kLimit)));
  const bool counting = plan_figure(node, kCounting) != 0;
  guard([&] {
    selection->filter = fill_filter(filter, values, binding);
    fill_order(order, binding, &selection->order);
    if (limit[0] != '\0') selection->limit = std::strtoll(limit, nullptr, 10);
    selection->count = counting;
  });
  return selection;
}

List *distinct_texts(ArrayType *texts) {
  Datum *values;
  bool *nulls;
  int count;
  deconstruct_array(texts, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &count);
  List *all = NIL;
  for (int i = 0; i < count; ++i)
    if (!nulls[i]) all = lappend(all, makeString(TextDatumGetCString(values[i])));
  list_sort(all, [](const ListCell *a, const ListCell *b) {
    return strcmp(strVal(lfirst(a)), strVal(lfirst(b)));
  });
  List *distinct = NIL;
  const ListCell *cell;
  foreach (cell, all)
    if (distinct == NIL || strcmp(strVal(llast(distinct)), strVal(lfirst(cell))) != 0)
      distinct = lappend(distinct, lfirst(cell));
  return distinct;
}

void check_usage(ForeignScanState *node, const LiveTable *table) {
  const AclResult rights =
      rights_on(ForeignServerRelationId, table->server, scan_user(node), ACL_USAGE);
  if (rights != ACLCHECK_OK) aclcheck_error(rights, OBJECT_FOREIGN_SERVER, table->server_name);
}

Bitmapset *parameters_of(const List *values) {
  Bitmapset *parameters = nullptr;
  const ListCell *cell;
  foreach (cell, values)
    parameters = bms_join(parameters, pull_paramids(static_cast<Expr *>(lfirst(cell))));
  return parameters;
}

}  // namespace supaglue
