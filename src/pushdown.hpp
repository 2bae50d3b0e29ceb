// pg: what of a query's conditions and order can be told to a provider. Planning makes a form of
// them that a plan can hold, without knowing any customer's fields; a scan fills it in for each
// connection. Postgres checks every condition again. It must not know a provider's language.
#pragma once

#include "live_columns.hpp"
#include "pg.hpp"

namespace supaglue {

/// The conditions of a scan as a tree of lists: a leaf is a list of integers, a branch begins with
/// one. The expressions that give its values are appended to `values`; leaves know their numbers.
List *filter_form(PlannerInfo *root, const RelOptInfo *rel, const LiveColumns *columns,
                  const List *conditions, List **values);
/// Whether a provider can be told something of one condition.
bool is_pushable(PlannerInfo *root, const RelOptInfo *rel, const LiveColumns *columns,
                 Expr *condition);
/// Whether a provider might decide all of it exactly.
bool may_be_exact(const LiveColumns *columns, const List *form);

/// The order that pathkeys ask for, if a provider might give it: a list of integer lists, each an
/// attribute number, descending or not, nulls first or not, and the sort operator.
enum OrderPart { kOrderColumn, kOrderDescending, kOrderNullsFirst, kOrderOperator };
List *order_form(const RelOptInfo *rel, const LiveColumns *columns, const List *pathkeys);

/// A value of the form: texts as selection.hpp has them.
struct FormValue {
  bool null;      // the value is, or the array
  bool has_null;  // an element is
  List *texts;    // String; of one value one
};
FormValue form_value(Datum value, bool null, Oid type);
/// How a value is shown that is not known yet.
FormValue shown_value(const char *text);

/// What a connection makes of the form.
struct FormBinding {
  const LiveColumns *columns;
  const Hoisted *const *hoisted;  // beside the columns
  const char *application, *customer, *provider_name;
};
/// For guard bodies.
Filter fill_filter(const List *form, const FormValue *values, const FormBinding *binding);
void fill_order(const List *order, const FormBinding *binding, std::vector<SelectedOrder> *filled);

}  // namespace supaglue
