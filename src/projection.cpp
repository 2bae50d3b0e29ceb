// pg: projections. See projection.hpp.
#include "projection.hpp"

#include <string>
#include <vector>

#include "catalog.hpp"
#include "pg.hpp"
#include "sql.hpp"

namespace supaglue {

namespace {

/// The texts that a Projection points to.
struct Texts {
  std::vector<HoistedColumn> columns;
  std::vector<std::string> values;
  std::string misfits, lookup = "{}", hash, broken;
  std::vector<Hoisted> hoisted;
};

/// For guard bodies.
void spell_out(Texts *texts) {
  texts->values.clear();
  for (const HoistedColumn &column : texts->columns)
    texts->values.push_back(fitting_value(column.type, column.source));
  texts->misfits = misfits(texts->columns);
  texts->hoisted.clear();
  for (size_t i = 0; i < texts->columns.size(); ++i) {
    const HoistedColumn &column = texts->columns[i];
    texts->hoisted.push_back({column.name.c_str(), column.type.c_str(), column.source.c_str(),
                              texts->values[i].c_str(),
                              column.field.empty() ? nullptr : column.field.c_str()});
  }
}

Projection *projection_of(Texts *texts) {
  auto *projection = static_cast<Projection *>(palloc(sizeof(Projection)));
  *projection = {texts->hoisted.data(),  static_cast<int>(texts->hoisted.size()),
                 texts->misfits.c_str(), texts->lookup.c_str(),
                 texts->hash.c_str(),    texts->broken.empty() ? nullptr : texts->broken.c_str()};
  return projection;
}

Json json_of(const char *text) {
  return text == nullptr ? Json() : Json::parse(text, nullptr, false);
}

/// What an object and a connection say of the columns, as texts of SPI's.
struct Row {
  const char *provider_name, *object_type, *object, *columns, *schema, *mappings, *remote_type,
      *remote_object;
};

Row load_row(int64 object_id, int64 connection_id) {
  if (sql("SELECT p.name, o.object_type, o.object, (o.config -> 'columns')::text,"
          " coalesce(s.config, e.config)::text,"
          " CASE WHEN o.object_type = 'entity' THEN m.mappings ELSE f.mappings END::text,"
          " m.object_type, m.object"
          " FROM supaglue_internal.objects o"
          " JOIN supaglue_internal.providers p ON p.id = o.provider_id"
          " LEFT JOIN supaglue_internal.schemas s ON s.id = o.schema_id"
          " LEFT JOIN supaglue_internal.entities e ON e.id = o.entity_id"
          " LEFT JOIN LATERAL supaglue_internal.mapped_entity(e.id, p.id, $2) m"
          "  ON e.id IS NOT NULL"
          " LEFT JOIN supaglue_internal.field_mappings f ON f.connection_id = $2"
          "  AND f.object_type = o.object_type AND f.object = o.object"
          " WHERE o.id = $1",
          {int_arg(object_id), int_arg(connection_id)}) == 0)
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                    errmsg("object " INT64_FORMAT " does not exist", object_id)));
  return {text_at(0, 1), text_at(0, 2), text_at(0, 3), text_at(0, 4),
          text_at(0, 5), text_at(0, 6), text_at(0, 7), text_at(0, 8)};
}

Hoisting hoisting_of(const Row &row, const char *metadata) {
  Hoisting hoisting;
  hoisting.connector = Connector::builtin(row.provider_name);
  if (hoisting.connector == nullptr)
    throw Error(ErrorClass::kInternal,
                std::string("there is no connector \"") + row.provider_name + "\"");
  hoisting.object_type = row.object_type;
  hoisting.object = row.object;
  hoisting.columns = json_of(row.columns);
  hoisting.schema = json_of(row.schema);
  hoisting.mappings = json_of(row.mappings);
  hoisting.metadata = json_of(metadata);
  return hoisting;
}

}  // namespace

Projection *load_projection(int64 object_id, int64 connection_id, const char *metadata) {
  const Row row = load_row(object_id, connection_id);
  auto *texts = make_in<Texts>(CurrentMemoryContext);
  guard([&] {
    const Hoisting hoisting = hoisting_of(row, metadata);
    texts->columns = hoisted_columns(hoisting);
    texts->hash = fingerprint(hoisting, texts->columns);
    if (hoisting.metadata.is_object() && hoisting.metadata.contains("lookups"))
      texts->lookup = hoisting.metadata["lookups"].dump();
    for (const std::string &name : broken_mappings(hoisting))
      texts->broken += (texts->broken.empty() ? "" : ", ") + name;
    spell_out(texts);
  });
  return projection_of(texts);
}

Projection *retyped(const Projection *base, const char *const *types) {
  auto *texts = make_in<Texts>(CurrentMemoryContext);
  guard([&] {
    for (int i = 0; i < base->count; ++i) {
      const Hoisted &column = base->columns[i];
      if (types[i] == nullptr) continue;
      const bool was_json = std::string_view(column.type) == "jsonb";
      const bool is_json = std::string_view(types[i]) == "jsonb";
      if (was_json != is_json && std::string_view(types[i]) != "text") continue;
      const std::string source = was_json && !is_json
                                     ? std::string("(") + column.source + ")::pg_catalog.text"
                                     : column.source;
      texts->columns.push_back(
          {column.name, types[i], source, column.field == nullptr ? "" : column.field});
    }
    texts->lookup = base->lookup;
    texts->hash = base->hash;
    if (base->broken != nullptr) texts->broken = base->broken;
    spell_out(texts);
  });
  return projection_of(texts);
}

RemoteObject *load_remote_object(int64 object_id, int64 connection_id) {
  const Row row = load_row(object_id, connection_id);
  auto *remote = static_cast<RemoteObject *>(palloc0(sizeof(RemoteObject)));
  if (strcmp(row.object_type, "entity") == 0) {
    *remote = {const_cast<char *>(row.remote_type), const_cast<char *>(row.remote_object)};
    return row.remote_object == nullptr ? nullptr : remote;
  }
  if (strcmp(row.object_type, "common") != 0) {
    *remote = {const_cast<char *>(row.object_type), const_cast<char *>(row.object)};
    return remote;
  }
  const CommonMapping *mapping = guard([&]() -> const CommonMapping * {
    const auto connector = Connector::builtin(row.provider_name);
    if (connector == nullptr) return nullptr;
    const auto found = connector->common_objects.find(row.object);
    return found == connector->common_objects.end() ? nullptr : &found->second;
  });
  if (mapping == nullptr) return nullptr;
  *remote = {pstrdup(mapping->object_type.c_str()), pstrdup(mapping->object.c_str())};
  return remote;
}

Projection *field_projection(const char *provider_name, const NamedField *fields, int count) {
  auto *texts = make_in<Texts>(CurrentMemoryContext);
  guard([&] {
    const auto connector = Connector::builtin(provider_name);
    if (connector == nullptr)
      throw Error(ErrorClass::kInternal,
                  std::string("there is no connector \"") + provider_name + "\"");
    for (int i = 0; i < count; ++i)
      texts->columns.push_back(
          field_column(*connector, fields[i].name, fields[i].type, fields[i].field));
    spell_out(texts);
  });
  return projection_of(texts);
}

// --- Expressions ---------------------------------------------------------------------------------

namespace {

enum Parameter { kRaw = 1, kLookup = 2, kParameters = 2 };

Node *parameter_of_column(ParseState *, ColumnRef *reference) {
  if (list_length(reference->fields) != 1 || !IsA(linitial(reference->fields), String))
    return nullptr;
  const char *name = strVal(linitial(reference->fields));
  const int number = strcmp(name, "raw") == 0 ? kRaw : strcmp(name, "lookup") == 0 ? kLookup : 0;
  if (number == 0) return nullptr;
  Param *parameter = makeNode(Param);
  parameter->paramkind = PARAM_EXTERN;
  parameter->paramid = number;
  parameter->paramtype = JSONBOID;
  parameter->paramtypmod = -1;
  parameter->location = reference->location;
  return reinterpret_cast<Node *>(parameter);
}

/// Parses an expression over `raw` and `lookup`, with names taken from pg_catalog alone.
Expr *analyzed(const char *expression) {
  const int level = NewGUCNestLevel();
  set_config_option("search_path", "pg_catalog", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true,
                    0, false);
  List *statements = raw_parser(format("SELECT %s", expression), RAW_PARSE_DEFAULT);
  auto *select = castNode(SelectStmt, linitial_node(RawStmt, statements)->stmt);
  if (list_length(statements) != 1 || list_length(select->targetList) != 1 ||
      select->fromClause != NIL || select->whereClause != nullptr || select->op != SETOP_NONE)
    ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("not one expression: %s", expression)));
  ParseState *state = make_parsestate(nullptr);
  state->p_pre_columnref_hook = parameter_of_column;
  Node *node =
      transformExpr(state, linitial_node(ResTarget, select->targetList)->val, EXPR_KIND_OTHER);
  node = coerce_to_common_type(state, node, exprType(node) == UNKNOWNOID ? TEXTOID : exprType(node),
                               "SELECT");
  assign_expr_collations(state, node);
  free_parsestate(state);
  AtEOXact_GUC(false, level);
  return reinterpret_cast<Expr *>(node);
}

bool is_foreign_function(Oid function, void *) {
  return function >= FirstNormalObjectId || get_func_namespace(function) != PG_CATALOG_NAMESPACE ||
         func_volatile(function) != PROVOLATILE_IMMUTABLE;
}

bool is_forbidden(Node *node, void *context) {
  if (node == nullptr) return false;
  if (IsA(node, SubLink) || IsA(node, Aggref) || IsA(node, WindowFunc) || IsA(node, GroupingFunc) ||
      IsA(node, SQLValueFunction) || IsA(node, CurrentOfExpr) || IsA(node, SetToDefault) ||
      IsA(node, NextValueExpr) || IsA(node, XmlExpr) || IsA(node, Var))
    return true;
  if (IsA(node, FuncExpr) && reinterpret_cast<FuncExpr *>(node)->funcretset) return true;
  if (IsA(node, Param) && reinterpret_cast<Param *>(node)->paramkind != PARAM_EXTERN) return true;
  if (check_functions_in_node(node, is_foreign_function, context)) return true;
  return walk_expression(node, is_forbidden, context);
}

}  // namespace

void check_expression(const char *expression) {
  auto *node = reinterpret_cast<Node *>(analyzed(expression));
  if (is_forbidden(node, nullptr))
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("an expression of a connector may not do this: %s", expression),
                    errhint("It may use raw and lookup, and immutable functions of pg_catalog.")));
  if (exprType(node) != TEXTOID && exprType(node) != JSONBOID)
    ereport(ERROR,
            (errcode(ERRCODE_DATATYPE_MISMATCH),
             errmsg("an expression of a connector must give text or jsonb: %s", expression)));
}

struct Values {
  ExprState **states;
  int count;
  ExprContext *context;
  ParamListInfo parameters;
};

Values *compile_values(const Projection *projection, const int *columns, int count) {
  auto *values = static_cast<Values *>(palloc(sizeof(Values)));
  values->count = count;
  values->states = static_cast<ExprState **>(palloc(sizeof(ExprState *) * Max(count, 1)));
  values->parameters = makeParamList(kParameters);
  for (int i = 0; i < kParameters; ++i) {
    values->parameters->params[i] = {static_cast<Datum>(0), true, PARAM_FLAG_CONST, JSONBOID};
  }
  values->parameters->params[kLookup - 1].value =
      DirectFunctionCall1(jsonb_in, CStringGetDatum(projection->lookup));
  values->parameters->params[kLookup - 1].isnull = false;
  for (int i = 0; i < count; ++i)
    values->states[i] = ExecInitExprWithParams(
        expression_planner(analyzed(projection->columns[columns[i]].value)), values->parameters);
  values->context = CreateStandaloneExprContext();
  values->context->ecxt_param_list_info = values->parameters;
  return values;
}

void evaluate_values(Values *values, Datum raw, Datum *datums, bool *nulls) {
  values->parameters->params[kRaw - 1].value = raw;
  values->parameters->params[kRaw - 1].isnull = false;
  for (int i = 0; i < values->count; ++i)
    datums[i] = ExecEvalExpr(values->states[i], values->context, &nulls[i]);
}

}  // namespace supaglue

using namespace supaglue;

SUPAGLUE_FUNCTION(supaglue_check_connector) {
  const char *name = text_argument(fcinfo, 0, "name");
  auto *expressions = make_in<std::vector<std::string>>(CurrentMemoryContext);
  guard([&] {
    const auto connector = Connector::builtin(name);
    if (connector == nullptr) return;
    for (const auto &[object, mapping] : connector->common_objects)
      for (const auto &[column, expression] : mapping.columns) expressions->push_back(expression);
  });
  for (const std::string &expression : *expressions) check_expression(expression.c_str());
  PG_RETURN_INT32(static_cast<int32>(expressions->size()));
}
