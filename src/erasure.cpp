// pg: erasing what is held of a customer. See erasure.hpp.
#include "erasure.hpp"

#include "catalog.hpp"
#include "erasure_queue.hpp"
#include "pg.hpp"
#include "sql.hpp"

namespace supaglue {

namespace {

/// The tables that have our key, whoever made them: partitions are their parent's.
constexpr const char *kTables = R"(SELECT n.nspname::text, c.relname::text, c.relowner::text
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE k.contype = 'p' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND c.relpersistence <> 't' AND ($1::text IS NULL OR n.nspname = $1::text)
  AND (SELECT pg_catalog.array_agg(a.attname::text ORDER BY a.attname)
       FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (k.conkey))
    = '{_supaglue_application_id,_supaglue_customer_id,_supaglue_provider_name,id}'::text[]
ORDER BY 1, 2)";

/// Where a remote destination keeps the record of runs.
constexpr const char *kSyncsTable = "_supaglue_syncs";

struct Table {
  const char *schema;
  const char *name;
  Oid owner;
};

List *tables_at(Destination *destination, const char *schema) {
  const uint64 count = destination->execute(kTables, {value_of(schema)});
  List *tables = NIL;
  for (uint64 row = 0; row < count; ++row) {
    auto *table = static_cast<Table *>(palloc(sizeof(Table)));
    table->schema = pstrdup(destination->field(row, 0));
    table->name = pstrdup(destination->field(row, 1));
    table->owner = static_cast<Oid>(strtoul(destination->field(row, 2), nullptr, 10));
    tables = lappend(tables, table);
  }
  return tables;
}

int64 erase_in(Destination *destination, const Table *table, const Whose *whose) {
  return static_cast<int64>(
      destination->execute(format("DELETE FROM %s WHERE _supaglue_application_id = $1::text"
                                  " AND _supaglue_customer_id = $2::text"
                                  " AND ($3::text IS NULL OR _supaglue_provider_name = $3::text)",
                                  quote_qualified_identifier(table->schema, table->name)),
                           {value_of(whose->application_id), value_of(whose->customer_id),
                            value_of(whose->provider_name)}));
}

List *append_erased(List *list, const char *destination, const Table *table, int64 rows) {
  if (rows == 0) return list;
  auto *erased = static_cast<Erased *>(palloc(sizeof(Erased)));
  erased->destination = destination;
  erased->table = quote_qualified_identifier(table->schema, table->name);
  erased->rows = rows;
  return lappend(list, erased);
}

/// The destination whose schema it is; null: none any more.
char *destination_here(const char *application_id, const char *schema) {
  if (sql("SELECT name FROM supaglue_internal.destinations WHERE application_id = $1"
          " AND NOT config ? 'host' AND config ->> 'schema' = $2 ORDER BY id LIMIT 1",
          {text_arg(application_id), text_arg(schema)}) == 0)
    return nullptr;
  return text_at(0, 1);
}

/// In all schemas, as the owner of each table: he may, and it is his triggers that run.
List *erase_here(const Whose *whose) {
  List *erased = NIL;
  ListCell *cell;
  foreach (cell, tables_at(open_here(extension_owner()), nullptr)) {
    const auto *table = static_cast<const Table *>(lfirst(cell));
    Destination *here = open_here(table->owner);
    here->begin();
    const int64 rows = erase_in(here, table, whose);
    if (rows > 0)
      erased = append_erased(erased, destination_here(whose->application_id, table->schema), table,
                             rows);
  }
  return erased;
}

bool has_records(Destination *there, const char *schema) {
  return there->execute("SELECT 1 WHERE pg_catalog.to_regclass($1::text) IS NOT NULL",
                        {value_of(quote_qualified_identifier(schema, kSyncsTable))}) > 0;
}

/// The destination's schema, and those that it had before: there we have left the record of runs.
List *schemas_at(Destination *there, const char *schema) {
  List *schemas = list_make1(makeString(pstrdup(schema)));
  const char *source = format(UINT64_FORMAT "/%u", GetSystemIdentifier(), MyDatabaseId);
  const uint64 count = there->execute(
      "SELECT n.nspname::text FROM pg_catalog.pg_class c"
      " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
      " WHERE c.relname = $1::text AND c.relkind = 'r' AND n.nspname <> $2::text"
      " AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')"
      " AND pg_catalog.has_table_privilege(c.oid, 'SELECT') ORDER BY 1",
      {value_of(kSyncsTable), value_of(schema)});
  List *others = NIL;
  for (uint64 row = 0; row < count; ++row)
    others = lappend(others, makeString(pstrdup(there->field(row, 0))));
  const ListCell *cell;
  foreach (cell, others) {
    const char *table = quote_qualified_identifier(strVal(lfirst(cell)), kSyncsTable);
    if (there->execute(format("SELECT 1 FROM %s WHERE source = $1::text LIMIT 1", table),
                       {value_of(source)}) > 0)
      schemas = lappend(schemas, lfirst(cell));
  }
  return schemas;
}

List *erase_in_schema(Destination *there, const char *name, const char *schema,
                      const Whose *whose) {
  List *erased = NIL;
  const ListCell *cell;
  foreach (cell, tables_at(there, schema)) {
    const auto *table = static_cast<const Table *>(lfirst(cell));
    erased = append_erased(erased, name, table, erase_in(there, table, whose));
  }
  if (has_records(there, schema))
    there->execute(format("DELETE FROM %s WHERE application_id = $1::text AND customer_id = "
                          "$2::text AND ($3::text IS NULL OR provider_name = $3::text)",
                          quote_qualified_identifier(schema, kSyncsTable)),
                   {value_of(whose->application_id), value_of(whose->customer_id),
                    value_of(whose->provider_name)});
  return erased;
}

/// A destination that cannot be reached now, whatever the reason, waits its turn.
List *erase_there(int64 id, const char *name, const char *schema, const Whose *whose,
                  Oid asked_by) {
  List *erased = NIL;
  auto erase = [&] {
    erased = erase_at(join_destination(id, role_at(id, asked_by)), name, schema, whose);
  };
  // What was written there before is lost with it, so this transaction is, too.
  if (has_joined(id)) {
    erase();
    return erased;
  }
  ErrorData *error = attempt(erase);
  if (error == nullptr) return erased;
  queue_erasure(id, whose, asked_by, error);
  ereport(WARNING,
          (errmsg("rows in destination \"%s\" are to be erased later", name),
           errdetail_internal("%s%s%s", error->message, error->detail == nullptr ? "" : ": ",
                              error->detail == nullptr ? "" : error->detail),
           errhint("View supaglue.erasures shows them until they are.")));
  const Table every = {schema, "*", InvalidOid};
  erased = append_erased(NIL, name, &every, -1);
  static_cast<Erased *>(linitial(erased))->table = format("%s.*", quote_identifier(schema));
  return erased;
}

}  // namespace

Oid role_at(int64 destination_id, Oid asked_by) {
  if (sql("SELECT owner FROM supaglue_internal.sync_configs WHERE destination_id = $1"
          " ORDER BY id LIMIT 1",
          {int_arg(destination_id)}) == 0)
    return asked_by;
  return static_cast<Oid>(int_at(0, 1));
}

List *erase_at(Destination *there, const char *name, const char *schema, const Whose *whose) {
  List *erased = NIL;
  const ListCell *cell;
  foreach (cell, schemas_at(there, schema))
    erased = list_concat(erased, erase_in_schema(there, name, strVal(lfirst(cell)), whose));
  return erased;
}

List *erase_rows(const Whose *whose, Oid asked_by) {
  List *erased = erase_here(whose);
  const uint64 count =
      sql("SELECT id, name, config ->> 'schema' FROM supaglue_internal.destinations"
          " WHERE application_id = $1 AND config ? 'host' ORDER BY id FOR KEY SHARE",
          {text_arg(whose->application_id)});
  SPITupleTable *rows = SPI_tuptable;
  for (uint64 row = 0; row < count; ++row) {
    SPI_tuptable = rows;
    const int64 id = int_at(row, 1);
    const char *name = text_at(row, 2), *schema = text_at(row, 3);
    erased = list_concat(erased, erase_there(id, name, schema, whose, asked_by));
  }
  return erased;
}

void erase_records(const Whose *whose) {
  const std::initializer_list<Arg> args = {text_arg(whose->application_id),
                                           text_arg(whose->customer_id),
                                           text_arg(whose->provider_name)};
  // Syncs that are no more are known from what they told.
  static const char *const kSyncs =
      "WITH syncs AS ("
      "  SELECT s.id FROM supaglue_internal.syncs s"
      "  JOIN supaglue_internal.connections c ON c.id = s.connection_id"
      "  JOIN supaglue_internal.providers p ON p.id = c.provider_id"
      "  WHERE c.application_id = $1 AND c.customer_id = $2 AND p.name = coalesce($3, p.name)"
      "  UNION SELECT sync_id FROM supaglue_internal.events WHERE application_id = $1"
      "  AND customer_id = $2 AND provider_name = coalesce($3, provider_name)"
      "  UNION SELECT sync_id FROM supaglue_internal.schema_changes WHERE application_id = $1"
      "  AND customer_id = $2 AND provider_name = coalesce($3, provider_name)) ";
  sql(format("%sDELETE FROM supaglue_internal.rejects WHERE sync_id IN (SELECT id FROM syncs)",
             kSyncs),
      args);
  sql(format("%sDELETE FROM supaglue_internal.run_log WHERE sync_id IN (SELECT id FROM syncs)",
             kSyncs),
      args);
  sql("SELECT supaglue_internal.erase_events($1, $2, $3)", args);
  sql("DELETE FROM supaglue_internal.schema_changes WHERE application_id = $1"
      " AND customer_id = $2 AND ($3 IS NULL OR provider_name = $3)",
      args);
  sql("DELETE FROM supaglue_internal.oauth_states o USING supaglue_internal.providers p"
      " WHERE p.id = o.provider_id AND o.application_id = $1 AND o.customer_id = $2"
      " AND p.name = coalesce($3, p.name)",
      args);
}

// Of rejected records whose sync is no more nobody can say any more whose they are.
void erase_orphans() {
  sql("DELETE FROM supaglue_internal.spool s WHERE NOT EXISTS ("
      " SELECT FROM supaglue_internal.runs r WHERE r.fetch_id = s.fetch_id)");
  sql("DELETE FROM supaglue_internal.rejects j WHERE NOT EXISTS ("
      " SELECT FROM supaglue_internal.syncs s WHERE s.id = j.sync_id)");
}

}  // namespace supaglue
