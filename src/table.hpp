// pg: the destination tables: their columns, the DDL that makes them or adds what is missing, and
// the check that an existing one has the key. It must not know how rows are merged.
#pragma once

#include "destination.hpp"
#include "pg.hpp"

namespace supaglue {

/// The columns of every table, in order; the live twins have the same.
struct Column {
  const char *name;
  const char *type;  // with its collation
  bool not_null;
  const char *backfill;  // for rows that were there before the column; null for key columns
  const char *comment;
};
constexpr int kColumnCount = 8;
extern const Column table_columns[kColumnCount];

/// The DDL of a table as one script, as destination_ddl() shows it.
char *table_ddl(const char *schema_name, const char *table_name);
/// Makes the schema and the table, or adds the missing columns, in the destination's current
/// transaction, with supaglue.ddl_lock_timeout. An existing table without the key raises 42P16 and
/// is left alone. Returns whether the table was made.
bool ensure_table(Destination *destination, const char *schema_name, const char *table_name);
/// The same for the _supaglue_syncs that a remote destination has.
char *syncs_table_ddl(const char *schema_name);
/// For a remote destination also its _supaglue_syncs.
void ensure_syncs_table(Destination *destination, const char *schema_name);

/// "<provider>_<Object>", cut to 63 bytes with a hash when longer.
char *default_table_name(const char *provider_name, const char *object);

}  // namespace supaglue
