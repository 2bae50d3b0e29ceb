// pg: the destination tables: their columns, the DDL that makes them or adds what is missing, and
// the check that an existing one has the key. It must not know how rows are merged.
#pragma once

#include "destination.hpp"
#include "pg.hpp"
#include "projection.hpp"

namespace supaglue {

/// The columns that every table begins with, in order; the live twins have the same.
struct Column {
  const char *name;
  const char *type;  // with its collation
  bool not_null;
  const char *backfill;  // for rows that were there before the column; null for key columns
  const char *comment;
};
constexpr int kColumnCount = 8;
extern const Column table_columns[kColumnCount];

/// All columns of a table: those, and behind them the hoisted ones.
struct ColumnList {
  Column *columns;
  int count;
};
ColumnList columns_of_table(const Projection *projection);

/// The DDL of a table as one script, as destination_ddl() shows it.
char *table_ddl(const char *schema_name, const char *table_name, const Projection *projection);
/// Makes the schema and the table, or adds the missing columns, in the destination's current
/// transaction, with supaglue.ddl_lock_timeout. An existing table without the key raises 42P16 and
/// is left alone. A remote destination gets its _supaglue_syncs, too. Returns whether there was
/// anything to do.
bool ensure_table(Destination *destination, const char *schema_name, const char *table_name,
                  const Projection *projection);
/// The same of the _supaglue_syncs that a remote destination has.
char *syncs_table_ddl(const char *schema_name);
/// Its name, with the schema.
const char *syncs_table(const char *schema_name);

/// "<provider>_<Object>", of a common object the common schema's, of an entity "entity_<name>"; cut
/// to 63 bytes with a hash when longer.
char *default_table_name(const char *provider_name, const char *object_type, const char *object);
/// A name that is not longer than names can be: cut, with a hash, when it is.
char *fitting_name(const char *name);

}  // namespace supaglue
