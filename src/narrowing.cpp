// pg: the conditions that make a live scan smaller. See narrowing.hpp.
#include "narrowing.hpp"

#include "pg.hpp"

namespace supaglue {

namespace {

bool is_column(const Node *node, const RelOptInfo *rel, AttrNumber column) {
  if (!IsA(node, Var)) return false;
  const auto *var = reinterpret_cast<const Var *>(node);
  return var->varno == static_cast<int>(rel->relid) && var->varattno == column &&
         var->varlevelsup == 0 && var->vartype == TEXTOID;
}

/// A value that is known before the scan begins, or that another table gives.
bool is_value(PlannerInfo *root, Node *node, const RelOptInfo *rel) {
  return !bms_is_member(static_cast<int>(rel->relid), pull_varnos(root, node)) &&
         !contain_volatile_functions(node) && !contain_subplans(node);
}

/// Equality of texts as bytes: some collations hold different texts for equal.
bool is_equality(Oid function, Oid collation) {
  return function == F_TEXTEQ &&
         (!OidIsValid(collation) || get_collation_isdeterministic(collation));
}

}  // namespace

Narrowing narrowing_by(PlannerInfo *root, Expr *condition, const RelOptInfo *rel,
                       AttrNumber column) {
  const Narrowing none = {Narrowing::kNone, nullptr, nullptr};
  if (column == InvalidAttrNumber) return none;
  if (IsA(condition, OpExpr)) {
    auto *equality = reinterpret_cast<OpExpr *>(condition);
    set_opfuncid(equality);
    if (list_length(equality->args) != 2 || !is_equality(equality->opfuncid, equality->inputcollid))
      return none;
    auto *left = static_cast<Node *>(linitial(equality->args));
    auto *right = static_cast<Node *>(lsecond(equality->args));
    if (is_column(right, rel, column)) std::swap(left, right);
    if (!is_column(left, rel, column) || !is_value(root, right, rel)) return none;
    return {Narrowing::kOne, reinterpret_cast<Expr *>(right), condition};
  }
  if (IsA(condition, ScalarArrayOpExpr)) {
    auto *any = reinterpret_cast<ScalarArrayOpExpr *>(condition);
    set_sa_opfuncid(any);
    auto *left = static_cast<Node *>(linitial(any->args));
    auto *right = static_cast<Node *>(lsecond(any->args));
    if (!any->useOr || !is_equality(any->opfuncid, any->inputcollid) ||
        !is_column(left, rel, column) || !is_value(root, right, rel) ||
        exprType(right) != TEXTARRAYOID)
      return none;
    return {Narrowing::kAny, reinterpret_cast<Expr *>(right), condition};
  }
  return none;
}

Narrowing narrowing_among(PlannerInfo *root, const List *conditions, const RelOptInfo *rel,
                          AttrNumber column) {
  const ListCell *cell;
  foreach (cell, conditions) {
    const auto *info = static_cast<const RestrictInfo *>(lfirst(cell));
    const Narrowing found = narrowing_by(root, info->clause, rel, column);
    if (found.form != Narrowing::kNone) return found;
  }
  return {Narrowing::kNone, nullptr, nullptr};
}

}  // namespace supaglue
