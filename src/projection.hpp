// pg: a projection: what is hoisted out of the raw data of one object into columns beside it, for
// one connection, each column with the SQL expression over the record that fills it. The merge puts
// the expressions into its statements, the foreign scan evaluates them row by row; both get them
// here. It must not know tables or records.
#pragma once

#include "pg.hpp"

namespace supaglue {

/// One hoisted column. Expressions see two jsonb columns: `raw`, the record, and `lookup`, what the
/// source looked up beside the records. They count on search_path being pg_catalog.
struct Hoisted {
  const char *name;    // of the column
  const char *type;    // as column_type() spells it: "numeric", "text COLLATE \"C\"", ...
  const char *source;  // SQL: the value as text; of a jsonb column: as jsonb
  const char *value;   // SQL: `source` as the column's type; NULL where it does not fit
  const char *field;   // the provider's field that is taken as it is; null: computed, or not mapped
};

struct Projection {
  Hoisted *columns;
  int count;
  const char *misfits;  // SQL: how many values of a record do not fit their columns
  const char *lookup;   // JSON of `lookup`; "{}" when there is none
  const char *hash;     // of all that decides what the columns hold
  const char *broken;   // fields that are mapped to what is not there: "a, b"; null: none
};

/// The projection of an object for a connection, by its sync's metadata (JSON, or null). With
/// connection 0 it is nobody's: fields that customers map are not mapped. In the current context;
/// in an open_api().
Projection *load_projection(int64 object_id, int64 connection_id, const char *metadata);
/// The same with columns of other types: `types` has one of column_types(), or null for a column
/// that is to be left out, for each of `base`.
Projection *retyped(const Projection *base, const char *const *types);

/// The provider's exact object that is read for an object of ours on a connection (0: everybody's);
/// null: the entity is not mapped.
struct RemoteObject {
  char *object_type;  // "standard", "custom"
  char *object;
};
RemoteObject *load_remote_object(int64 object_id, int64 connection_id);

/// A projection of fields that are taken as they are, for foreign tables that name the field of
/// each column: `fields` has count entries of name, type and field.
struct NamedField {
  const char *name;
  const char *type;
  const char *field;
};
Projection *field_projection(const char *provider_name, const NamedField *fields, int count);

/// Compiled expressions, to be evaluated record by record without a query.
struct Values;
/// Compiles the values of some columns (by their numbers), in the current context.
Values *compile_values(const Projection *projection, const int *columns, int count);
/// Evaluates them for a record (jsonb): `datums` and `nulls` have one for each of those columns;
/// datums live in the current context.
void evaluate_values(Values *values, Datum raw, Datum *datums, bool *nulls);

/// Raises unless an expression of a connector document is one that may be run: over `raw` and
/// `lookup` alone, without subqueries, by immutable functions of pg_catalog, giving text or jsonb.
void check_expression(const char *expression);

}  // namespace supaglue
