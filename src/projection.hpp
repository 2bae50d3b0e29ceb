// pg: a projection: what is hoisted out of the raw data of one object into columns beside it, each
// column with the SQL expression over the record that fills it. The merge puts the expressions into
// its statements, the foreign scan evaluates them row by row; both read them here. It must not know
// tables or records.
#pragma once

#include "pg.hpp"

namespace supaglue {

/// One hoisted column. Expressions see two jsonb columns: `raw`, the record, and `lookup`, what the
/// source looked up beside the records.
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
  const char *lookup;  // JSON of `lookup`; "{}" when there is none
  const char *hash;    // of all that decides what the columns hold
};

/// The projection of an object for a connection, by its sync's metadata (JSON, or null). With
/// connection 0 it is nobody's: names and types are the same, fields that customers map are not
/// mapped. In the current context; SPI connected, acting as the extension's owner.
Projection *load_projection(int64 object_id, int64 connection_id, const char *metadata);

/// The provider's exact object that is read for an object of ours on a connection; null: the entity
/// is not mapped for it.
struct RemoteObject {
  char *object_type;  // "standard", "custom"
  char *object;
};
RemoteObject *load_remote_object(int64 object_id, int64 connection_id);

/// A column that takes one field as it is, for foreign tables that name the field of each column.
/// `type` is any type that column_type() knows.
Hoisted field_column(const char *provider_name, const char *name, const char *type,
                     const char *field);
/// How many values of a record do not fit their columns: an int, over `raw` and `lookup`.
char *misfits_expression(const Projection *projection);

/// Compiled expressions, to be evaluated record by record without a query: see compile_values().
struct Values;
/// Compiles the values of some columns (by their numbers in `columns`).
Values *compile_values(const Projection *projection, const int *columns, int count);
/// Evaluates them for a record; datums live in the current context.
void evaluate_values(Values *values, Datum raw, Datum *datums, bool *nulls);

}  // namespace supaglue
