// pg: from conditions to a filter. See pushdown.hpp.
#include "pushdown.hpp"

#include "pg.hpp"
#include "sql.hpp"

namespace supaglue {

namespace {

/// The kinds of nodes: the branches, then the leaves: kind, column, operator, number of the value.
enum Form { kUnknown, kAll, kAny, kCompare, kAmong, kNotAmong, kNull, kNotNull, kBeginsWith, kIs };
enum LeafPart { kLeafKind, kLeafColumn, kLeafOperator, kLeafValue };

using Op = Filter::Op;

// --- Planning
// ----------------------------------------------------------------------------------------

struct Planning {
  PlannerInfo *root;
  const RelOptInfo *rel;
  const LiveColumns *columns;
  List **values;
};

List *branch(Form kind) { return list_make1(list_make1_int(kind)); }
List *unknown() { return list_make1_int(kUnknown); }

/// The column that an expression is; null: it is none, or of another relation.
const LiveColumn *column_in(const Planning *planning, const Node *node) {
  if (!IsA(node, Var)) return nullptr;
  const auto *var = reinterpret_cast<const Var *>(node);
  if (var->varno != static_cast<int>(planning->rel->relid) || var->varlevelsup != 0) return nullptr;
  return column_of(planning->columns, var->varattno);
}

/// A value that is known before the scan begins, or that another table gives.
bool is_value(const Planning *planning, Node *node) {
  return !bms_is_member(static_cast<int>(planning->rel->relid),
                        pull_varnos(planning->root, node)) &&
         !contain_volatile_functions(node) && !contain_subplans(node);
}

List *leaf(const Planning *planning, Form kind, const LiveColumn *column, int op, Node *value) {
  int number = -1;
  if (value != nullptr) {
    number = list_length(*planning->values);
    *planning->values = lappend(*planning->values, value);
  }
  List *made = list_make3_int(kind, column->number, op);
  return lappend_int(made, number);
}

bool is_integer(Oid type) { return type == INT2OID || type == INT4OID || type == INT8OID; }

/// What an operator of the column's own btree order means; false: it is none, or its other side is
/// of a type whose values would have to be converted.
bool meaning_of(Oid op, Oid column_type, Oid value_type, Op *meaning) {
  if (column_type != value_type && !(is_integer(column_type) && is_integer(value_type)))
    return false;
  const Oid opclass = GetDefaultOpClass(column_type, BTREE_AM_OID);
  if (!OidIsValid(opclass)) return false;
  const Oid family = get_opclass_family(opclass);
  bool negated = false;
  if (!op_in_opfamily(op, family)) {
    op = get_negator(op);
    negated = true;
    if (!OidIsValid(op) || !op_in_opfamily(op, family)) return false;
  }
  int strategy;
  Oid left, right;
  get_op_opfamily_properties(op, family, false, &strategy, &left, &right);
  if (negated && strategy != BTEqualStrategyNumber) return false;
  switch (strategy) {
    case BTLessStrategyNumber:
      *meaning = Op::kLess;
      return true;
    case BTLessEqualStrategyNumber:
      *meaning = Op::kAtMost;
      return true;
    case BTEqualStrategyNumber:
      *meaning = negated ? Op::kNotEqual : Op::kEqual;
      return true;
    case BTGreaterEqualStrategyNumber:
      *meaning = Op::kAtLeast;
      return true;
    case BTGreaterStrategyNumber:
      *meaning = Op::kMore;
      return true;
    default:
      return false;
  }
}

/// Whether equality under a collation is one of bytes: some hold different texts for equal.
bool is_of_bytes(Oid collation) {
  return !OidIsValid(collation) || get_collation_isdeterministic(collation);
}

Op opposite(Op op) {
  switch (op) {
    case Op::kEqual:
      return Op::kNotEqual;
    case Op::kNotEqual:
      return Op::kEqual;
    case Op::kLess:
      return Op::kAtLeast;
    case Op::kAtMost:
      return Op::kMore;
    case Op::kMore:
      return Op::kAtMost;
    case Op::kAtLeast:
      return Op::kLess;
  }
  pg_unreachable();
}

List *form_of(const Planning *planning, Node *node, bool negated);

List *comparison(const Planning *planning, OpExpr *condition, bool negated) {
  if (list_length(condition->args) != 2) return unknown();
  set_opfuncid(condition);
  auto *left = static_cast<Node *>(linitial(condition->args));
  auto *right = static_cast<Node *>(lsecond(condition->args));
  Oid op = condition->opno;
  if (column_in(planning, left) == nullptr) {
    std::swap(left, right);
    op = get_commutator(op);
  }
  const LiveColumn *column = column_in(planning, left);
  if (column == nullptr || !OidIsValid(op) || !is_value(planning, right)) return unknown();
  if (condition->opfuncid == F_TEXTLIKE)
    return negated || left != linitial(condition->args) || column->type != TEXTOID ||
                   exprType(right) != TEXTOID
               ? unknown()
               : leaf(planning, kBeginsWith, column, 0, right);
  Op meaning;
  if (!is_of_bytes(condition->inputcollid) ||
      !meaning_of(op, column->type, exprType(right), &meaning))
    return unknown();
  return leaf(planning, kCompare, column, static_cast<int>(negated ? opposite(meaning) : meaning),
              right);
}

List *membership(const Planning *planning, ScalarArrayOpExpr *condition, bool negated) {
  const LiveColumn *column = column_in(planning, static_cast<Node *>(linitial(condition->args)));
  auto *right = static_cast<Node *>(lsecond(condition->args));
  Op meaning;
  if (column == nullptr || !is_value(planning, right) || !is_of_bytes(condition->inputcollid) ||
      !meaning_of(condition->opno, column->type, get_element_type(exprType(right)), &meaning))
    return unknown();
  // NOT (x = ANY (...)) is x <> ALL (...), and the other way round.
  const bool any = condition->useOr != negated;
  if (negated) meaning = opposite(meaning);
  if (any && meaning == Op::kEqual) return leaf(planning, kAmong, column, 0, right);
  if (!any && meaning == Op::kNotEqual) return leaf(planning, kNotAmong, column, 0, right);
  return unknown();
}

List *truth(const Planning *planning, const LiveColumn *column, bool value) {
  return leaf(planning, kIs, column, value, nullptr);
}

/// `column IS [NOT] TRUE|FALSE|UNKNOWN`
List *boolean_test(const Planning *planning, const BooleanTest *test, bool negated) {
  const LiveColumn *column = column_in(planning, reinterpret_cast<Node *>(test->arg));
  if (column == nullptr || column->type != BOOLOID) return unknown();
  bool value = false, is_not = negated, is_unknown = false;
  switch (test->booltesttype) {
    case IS_TRUE:
    case IS_NOT_TRUE:
      value = true;
      break;
    case IS_UNKNOWN:
    case IS_NOT_UNKNOWN:
      is_unknown = true;
      break;
    default:
      break;
  }
  if (test->booltesttype == IS_NOT_TRUE || test->booltesttype == IS_NOT_FALSE ||
      test->booltesttype == IS_NOT_UNKNOWN)
    is_not = !is_not;
  if (is_unknown) return leaf(planning, is_not ? kNotNull : kNull, column, 0, nullptr);
  if (!is_not) return truth(planning, column, value);
  List *either = branch(kAny);
  either = lappend(either, truth(planning, column, !value));
  return lappend(either, leaf(planning, kNull, column, 0, nullptr));
}

List *form_of_all(const Planning *planning, Form kind, const List *conditions, bool negated) {
  List *all = branch(kind);
  const ListCell *cell;
  foreach (cell, conditions)
    all = lappend(all, form_of(planning, static_cast<Node *>(lfirst(cell)), negated));
  return all;
}

/// NOT goes down to the leaves: it changes AND and OR, and turns each comparison round.
List *form_of(const Planning *planning, Node *node, bool negated) {
  check_stack_depth();
  if (IsA(node, RestrictInfo))
    node = reinterpret_cast<Node *>(reinterpret_cast<RestrictInfo *>(node)->clause);
  if (IsA(node, BoolExpr)) {
    const auto *condition = reinterpret_cast<const BoolExpr *>(node);
    if (condition->boolop == NOT_EXPR)
      return form_of(planning, static_cast<Node *>(linitial(condition->args)), !negated);
    return form_of_all(planning, (condition->boolop == AND_EXPR) != negated ? kAll : kAny,
                       condition->args, negated);
  }
  if (IsA(node, OpExpr)) return comparison(planning, reinterpret_cast<OpExpr *>(node), negated);
  if (IsA(node, ScalarArrayOpExpr))
    return membership(planning, reinterpret_cast<ScalarArrayOpExpr *>(node), negated);
  if (IsA(node, NullTest)) {
    const auto *test = reinterpret_cast<const NullTest *>(node);
    const LiveColumn *column = column_in(planning, reinterpret_cast<Node *>(test->arg));
    if (column == nullptr || test->argisrow) return unknown();
    return leaf(planning, (test->nulltesttype == IS_NULL) != negated ? kNull : kNotNull, column, 0,
                nullptr);
  }
  if (IsA(node, BooleanTest))
    return boolean_test(planning, reinterpret_cast<BooleanTest *>(node), negated);
  const LiveColumn *column = column_in(planning, node);
  if (column == nullptr || column->type != BOOLOID) return unknown();
  return truth(planning, column, !negated);
}

bool is_branch(const List *form) { return !IsA(form, IntList); }
Form kind_of(const List *form) {
  return static_cast<Form>(linitial_int(is_branch(form) ? linitial_node(List, form) : form));
}

bool says_something(const List *form) {
  if (!is_branch(form)) return kind_of(form) != kUnknown;
  const bool any = kind_of(form) == kAny;
  for (int i = 1; i < list_length(form); ++i)
    if (says_something(static_cast<const List *>(list_nth(form, i))) != any) return !any;
  return any;
}

// --- Values
// ------------------------------------------------------------------------------------------

/// A text as selection.hpp has it; null: no provider would understand the value.
char *value_text(Datum value, Oid type) {
  switch (type) {
    case TEXTOID:
      return TextDatumGetCString(value);
    case INT2OID:
      return psprintf("%d", DatumGetInt16(value));
    case INT4OID:
      return psprintf("%d", DatumGetInt32(value));
    case INT8OID:
      return psprintf(INT64_FORMAT, DatumGetInt64(value));
    case NUMERICOID:
      return DatumGetCString(DirectFunctionCall1(numeric_out, value));
    case FLOAT8OID: {
      // As few digits as will do, so that a number that is meant as a decimal one is one.
      const double number = DatumGetFloat8(value);
      char *text = psprintf("%.15g", number);
      return strtod(text, nullptr) == number ? text : psprintf("%.17g", number);
    }
    case BOOLOID:
      return pstrdup(DatumGetBool(value) ? "true" : "false");
    case DATEOID: {
      const DateADT date = DatumGetDateADT(value);
      if (DATE_NOT_FINITE(date)) return pstrdup("infinity");
      auto *text = static_cast<char *>(palloc(129));  // MAXDATELEN, whose header defines too much
      return JsonEncodeDateTime(text, value, DATEOID, nullptr);
    }
    case TIMESTAMPTZOID: {
      const TimestampTz moment = DatumGetTimestampTz(value);
      return TIMESTAMP_NOT_FINITE(moment) ? pstrdup("infinity") : iso_of_time(moment);
    }
    default:
      elog(ERROR, "values of type %u are not told to providers", type);
  }
}

// --- Filling in: for guard bodies, so nothing of Postgres that may raise
// ------------------------------------------------------------------------------------------------

Filter constant(bool value) { return value ? Filter::always() : Filter::never(); }

Filter of_kind(Filter::Kind kind) {
  Filter filter;
  filter.kind = kind;
  return filter;
}

/// The text that a column has in all rows of a connection; null: it differs, or is not known here.
const char *constant_of(const LiveColumn *column, const FormBinding *binding) {
  switch (column->kind) {
    case LiveColumn::kApplicationId:
      return binding->application;
    case LiveColumn::kCustomerId:
      return binding->customer;
    case LiveColumn::kProviderName:
      return binding->provider_name;
    case LiveColumn::kIsDeleted:
      return "false";
    default:
      return nullptr;
  }
}

bool is_constant(const LiveColumn *column) {
  return column->kind == LiveColumn::kApplicationId || column->kind == LiveColumn::kCustomerId ||
         column->kind == LiveColumn::kProviderName || column->kind == LiveColumn::kIsDeleted;
}

/// False: nothing can be said of the column to the provider.
bool bind(const LiveColumn *column, const FormBinding *binding, SelectedColumn *selected) {
  selected->type = value_type_of(column->type);
  if (column->kind == LiveColumn::kId) {
    selected->role = SelectedColumn::Role::kId;
    return true;
  }
  if (column->kind == LiveColumn::kLastModifiedAt) {
    selected->role = SelectedColumn::Role::kStamp;
    return true;
  }
  if (column->kind != LiveColumn::kHoisted) return false;
  const Hoisted *hoisted = binding->hoisted[column - binding->columns->columns];
  if (hoisted == nullptr || hoisted->field == nullptr || hoisted->field[0] == '\0') return false;
  selected->role = SelectedColumn::Role::kField;
  selected->field = hoisted->field;
  return true;
}

/// Begins a text that was given and began with kNotKnownYet: it must not pass for one that is
/// shown, which stands without quotes. No provider is told of such a text, and the reader checks
/// the condition.
constexpr char kLooksShown = '\x02';

bool is_known(const FormValue *value) {
  const ListCell *cell;
  if (value == nullptr) return true;
  foreach (cell, value->texts)
    if (strVal(lfirst(cell))[0] == kNotKnownYet || strVal(lfirst(cell))[0] == kLooksShown)
      return false;
  return true;
}

bool holds(const FormValue *value, const char *text) {
  const ListCell *cell;
  foreach (cell, value->texts)
    if (strcmp(strVal(lfirst(cell)), text) == 0) return true;
  return false;
}

/// A leaf about a column that is the same in all rows of the connection.
Filter decide(Form kind, Op op, const FormValue *value, const char *text) {
  if (text == nullptr || !is_known(value)) return constant(true);  // EXPLAIN: whoever it is for
  switch (kind) {
    case kNull:
      return constant(false);
    case kNotNull:
      return constant(true);
    case kAmong:
      return constant(holds(value, text));
    case kNotAmong:
      return constant(!value->has_null && !holds(value, text));
    case kCompare:
      if (op == Op::kEqual) return constant(holds(value, text));
      if (op == Op::kNotEqual) return constant(!holds(value, text));
      break;
    default:
      break;
  }
  return of_kind(Filter::Kind::kUnknown);
}

void append_texts(const FormValue *value, std::vector<std::string> *texts) {
  const ListCell *cell;
  foreach (cell, value->texts) texts->emplace_back(strVal(lfirst(cell)));
}

Filter fill_leaf(const List *form, const FormValue *values, const FormBinding *binding) {
  const Form kind = kind_of(form);
  if (kind == kUnknown) return of_kind(Filter::Kind::kUnknown);
  const auto op = static_cast<Op>(list_nth_int(form, kLeafOperator));
  const int number = list_nth_int(form, kLeafValue);
  const FormValue *value = number < 0 ? nullptr : &values[number];
  const LiveColumn *column =
      column_of(binding->columns, static_cast<AttrNumber>(list_nth_int(form, kLeafColumn)));
  if (value != nullptr && value->null) return constant(false);
  if (value != nullptr && kind == kNotAmong && value->has_null) return constant(false);
  if (is_constant(column)) {
    if (kind == kIs) return constant(list_nth_int(form, kLeafOperator) == 0);
    return decide(kind, op, value, constant_of(column, binding));
  }
  Filter filter;
  if (!bind(column, binding, &filter.column)) return of_kind(Filter::Kind::kUnknown);
  if (value != nullptr) append_texts(value, &filter.values);
  filter.op = op;
  switch (kind) {
    case kIs:
      filter.kind = Filter::Kind::kCompare;
      filter.op = Op::kEqual;
      filter.values = {list_nth_int(form, kLeafOperator) != 0 ? "true" : "false"};
      break;
    case kCompare:
      filter.kind = Filter::Kind::kCompare;
      break;
    case kAmong:
      filter.kind = Filter::Kind::kAmong;
      break;
    case kNotAmong:
      filter.kind = Filter::Kind::kNotAmong;
      break;
    case kNull:
      filter.kind = Filter::Kind::kNull;
      break;
    case kNotNull:
      filter.kind = Filter::Kind::kNotNull;
      break;
    default:
      filter.kind = Filter::Kind::kBeginsWith;
      break;
  }
  return filter;
}

}  // namespace

List *filter_form(PlannerInfo *root, const RelOptInfo *rel, const LiveColumns *columns,
                  const List *conditions, List **values) {
  const Planning planning = {root, rel, columns, values};
  List *form = branch(kAll);
  const ListCell *cell;
  foreach (cell, conditions) {
    auto *info = static_cast<RestrictInfo *>(lfirst(cell));
    if (!info->pseudoconstant)
      form = lappend(form, form_of(&planning, reinterpret_cast<Node *>(info->clause), false));
  }
  return form;
}

bool is_pushable(PlannerInfo *root, const RelOptInfo *rel, const LiveColumns *columns,
                 Expr *condition) {
  List *values = NIL;
  const Planning planning = {root, rel, columns, &values};
  return says_something(form_of(&planning, reinterpret_cast<Node *>(condition), false));
}

bool may_be_exact(const LiveColumns *columns, const List *form) {
  if (is_branch(form)) {
    for (int i = 1; i < list_length(form); ++i)
      if (!may_be_exact(columns, static_cast<const List *>(list_nth(form, i)))) return false;
    return true;
  }
  const Form kind = kind_of(form);
  if (kind == kUnknown || kind == kBeginsWith) return false;
  const LiveColumn *column =
      column_of(columns, static_cast<AttrNumber>(list_nth_int(form, kLeafColumn)));
  if (kind == kNull || kind == kNotNull || is_constant(column)) return true;
  if (column->kind == LiveColumn::kId) {
    const auto op = static_cast<Op>(list_nth_int(form, kLeafOperator));
    return kind != kCompare || op == Op::kEqual || op == Op::kNotEqual;
  }
  return column->kind == LiveColumn::kLastModifiedAt ||
         (column->kind == LiveColumn::kHoisted && column->type != TEXTOID);
}

List *order_form(const RelOptInfo *rel, const LiveColumns *columns, const List *pathkeys) {
  List *order = NIL;
  const ListCell *cell;
  foreach (cell, pathkeys) {
    const auto *key = static_cast<const PathKey *>(lfirst(cell));
    const EquivalenceClass *equal = key->pk_eclass;
    if (equal->ec_has_volatile) return NIL;
    const LiveColumn *column = nullptr;
    const ListCell *members;
    foreach (members, equal->ec_members) {
      const auto *member = static_cast<const EquivalenceMember *>(lfirst(members));
      if (!bms_equal(member->em_relids, rel->relids) || !IsA(member->em_expr, Var)) continue;
      column = column_of(columns, reinterpret_cast<const Var *>(member->em_expr)->varattno);
      if (column != nullptr) break;
    }
    if (column == nullptr || column->type == TEXTOID || column->type == JSONBOID ||
        (column->kind != LiveColumn::kHoisted && column->kind != LiveColumn::kLastModifiedAt))
      return NIL;
    const Oid op =
        get_opfamily_member(key->pk_opfamily, column->type, column->type, key->pk_strategy);
    if (!OidIsValid(op) ||
        key->pk_opfamily != get_opclass_family(GetDefaultOpClass(column->type, BTREE_AM_OID)))
      return NIL;
    List *part = list_make3_int(column->number, key->pk_strategy == BTGreaterStrategyNumber,
                                key->pk_nulls_first);
    order = lappend(order, lappend_int(part, static_cast<int>(op)));
  }
  return order;
}

static String *given_text(Datum value, Oid type) {
  const char *text = value_text(value, type);
  return makeString(text[0] == kNotKnownYet ? psprintf("%c%s", kLooksShown, text + 1)
                                            : pstrdup(text));
}

FormValue form_value(Datum value, bool null, Oid type) {
  FormValue made = {null, false, NIL};
  if (null) return made;
  const Oid element = get_element_type(type);
  if (!OidIsValid(element)) {
    made.texts = list_make1(given_text(value, type));
    return made;
  }
  int16 length;
  bool by_value;
  char align;
  get_typlenbyvalalign(element, &length, &by_value, &align);
  Datum *elements;
  bool *nulls;
  int count;
  deconstruct_array(DatumGetArrayTypeP(value), element, length, by_value, align, &elements, &nulls,
                    &count);
  for (int i = 0; i < count; ++i) {
    made.has_null = made.has_null || nulls[i];
    if (!nulls[i]) made.texts = lappend(made.texts, given_text(elements[i], element));
  }
  return made;
}

FormValue shown_value(const char *text) {
  return {false, false, list_make1(makeString(psprintf("%c%s", kNotKnownYet, text)))};
}

Filter fill_filter(const List *form, const FormValue *values, const FormBinding *binding) {
  if (!is_branch(form)) return fill_leaf(form, values, binding);
  Filter filter;
  filter.kind = kind_of(form) == kAll ? Filter::Kind::kAll : Filter::Kind::kAny;
  for (int i = 1; i < list_length(form); ++i)
    filter.parts.push_back(
        fill_filter(static_cast<const List *>(list_nth(form, i)), values, binding));
  return filter;
}

void fill_order(const List *order, const FormBinding *binding, std::vector<SelectedOrder> *filled) {
  const ListCell *cell;
  foreach (cell, order) {
    const auto *part = static_cast<const List *>(lfirst(cell));
    SelectedOrder one;
    const LiveColumn *column =
        column_of(binding->columns, static_cast<AttrNumber>(list_nth_int(part, kOrderColumn)));
    // What the provider does not know it cannot order by; such a column stands for itself.
    if (!bind(column, binding, &one.column)) one.column.type = ValueType::kOther;
    one.descending = list_nth_int(part, kOrderDescending) != 0;
    one.nulls_first = list_nth_int(part, kOrderNullsFirst) != 0;
    filled->push_back(one);
  }
}

}  // namespace supaglue
