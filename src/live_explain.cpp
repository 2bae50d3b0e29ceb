// pg: EXPLAIN of foreign scans. See live_explain.hpp.
#include "live_explain.hpp"

#include "pg.hpp"

#include "live_connections.hpp"
#include "reading.hpp"
#include "settings.hpp"

namespace supaglue {

namespace {

/// An id that a source takes for one, and that no record has: stands for a value that is not known
/// yet.
constexpr const char *kPlaceholder = "000000000000000AAA";

/// The texts of a narrowing's value when the plan holds them; else null.
ArrayType *constant_texts(const Expr *value, int form) {
  if (!IsA(value, Const)) return nullptr;
  const auto *constant = reinterpret_cast<const Const *>(value);
  if (constant->constisnull) return construct_empty_array(TEXTOID);
  Datum text = constant->constvalue;
  if (form == Narrowing::kAny) return DatumGetArrayTypeP(text);
  return construct_array(&text, 1, TEXTOID, -1, false, TYPALIGN_INT);
}

char *joined(const List *texts) {
  StringInfoData out;
  initStringInfo(&out);
  const ListCell *cell;
  foreach (cell, texts)
    appendStringInfo(&out, "%s%s", out.len > 0 ? ", " : "", strVal(lfirst(cell)));
  return out.data;
}

/// How a value is shown that the plan does not hold: by the parameter's own number, or as the n-th
/// of the scan.
char *parameter(const Expr *value, int number) {
  if (IsA(value, Param) && reinterpret_cast<const Param *>(value)->paramkind == PARAM_EXTERN)
    number = reinterpret_cast<const Param *>(value)->paramid;
  return psprintf("$%d", number);
}

char *narrowing_parameter(const Expr *value, int form, int number) {
  return psprintf(form == Narrowing::kAny ? "any of %s" : "%s", parameter(value, number));
}

const char *explain_customers(const LiveTable *table, const Expr *value, int form) {
  if (value == nullptr) {
    if (table->customer != nullptr) return table->customer;
    return settings.customer_id != nullptr && settings.customer_id[0] != '\0'
               ? psprintf("%s (supaglue.customer_id)", settings.customer_id)
               : "all";
  }
  ArrayType *texts = constant_texts(value, form);
  if (texts != nullptr) return joined(distinct_texts(texts));
  return narrowing_parameter(value, form, 1);
}

FormValue *form_values(const PlanValues *values) {
  auto *made =
      static_cast<FormValue *>(palloc(sizeof(FormValue) * (list_length(values->form) + 1)));
  int number = (values->customers != nullptr) + (values->ids != nullptr);
  for (int i = 0; i < list_length(values->form); ++i) {
    const auto *value = static_cast<const Expr *>(list_nth(values->form, i));
    ++number;
    if (IsA(value, Const)) {
      const auto *constant = reinterpret_cast<const Const *>(value);
      made[i] = form_value(constant->constvalue, constant->constisnull, constant->consttype);
    } else {
      made[i] = shown_value(parameter(value, number));
    }
  }
  return made;
}

/// Of the first customer that the plan names, if it does; else as for nobody.
const LiveConnection *example(const LiveTable *table, const Expr *customers, int form) {
  ArrayType *named = nullptr;
  if (customers != nullptr) named = constant_texts(customers, form);
  if (table->customer != nullptr || named != nullptr) {
    List *connections = live_connections(table, named, true);
    if (connections != NIL) return static_cast<LiveConnection *>(linitial(connections));
  }
  return live_connection_of_nobody(table);
}

char *explain_request(ForeignScanState *node, const LiveTable *table, const PlanValues *values,
                      const LiveConnection *connection) {
  const LiveColumns columns = live_columns(plan_relation(node));
  const Hoisted **hoisted =
      bind_columns(table, &columns, connection->projection, connection->all_fields);
  const FormBinding binding = {&columns, hoisted, nullptr, nullptr, table->provider_name};
  ReadingSpec spec = {};
  spec.provider_name = table->provider_name;
  spec.object_type = connection->object_type;
  spec.object = connection->object;
  spec.fields = fields_for(table, &columns, hoisted, plan_columns(node, &columns));
  spec.selection = make_selection(node, form_values(values), &binding);
  spec.live = true;
  if (values->ids == nullptr) return describe_reading(&spec);
  const int form = plan_figure(node, kIdsForm);
  ArrayType *texts = constant_texts(values->ids, form);
  spec.ids =
      texts == nullptr ? list_make1(makeString(pstrdup(kPlaceholder))) : distinct_texts(texts);
  spec.ids = list_truncate(spec.ids, kIdsPerReading);
  char *request = describe_reading(&spec);
  if (texts != nullptr) return request;
  const bool batch = plan_figure(node, kBatchSlot) >= 0;
  const char *shown = narrowing_parameter(values->ids, batch ? Narrowing::kAny : form,
                                          1 + (values->customers != nullptr));
  char *at = strstr(request, psprintf("'%s'", kPlaceholder));
  if (at == nullptr) return request;
  *at = '\0';
  return psprintf("%s%s%s", request, shown, at + strlen(kPlaceholder) + 2);
}

}  // namespace

void explain_live_scan(ForeignScanState *node, const LiveScan *scan, ExplainState *out) {
  if (out->verbose) {
    const LiveTable table = live_table(plan_relation(node));
    check_usage(node, &table);  // the request tells what fields customers have
    const PlanValues values = plan_values(node);
    const int form = plan_figure(node, kBatchCustomers) != 0 ? Narrowing::kAny
                                                             : plan_figure(node, kCustomersForm);
    ExplainPropertyText("Customers", explain_customers(&table, values.customers, form), out);
    const LiveConnection *connection = example(&table, values.customers, form);
    ExplainPropertyText("Remote request",
                        connection == nullptr ? "none: nothing is configured for the object"
                                              : explain_request(node, &table, &values, connection),
                        out);
  }
  if (!out->analyze || scan == nullptr) return;
  const LiveCosts costs = live_scan_costs(scan);
  ExplainPropertyInteger("Requests", nullptr, costs.requests, out);
  ExplainPropertyInteger("Rows fetched", nullptr, costs.records, out);
  ExplainPropertyInteger("Bytes received", nullptr, costs.bytes, out);
}

}  // namespace supaglue
