// pg: servers and live twins. See live.hpp.
#include "live.hpp"

#include "catalog.hpp"
#include "pg.hpp"
#include "sql.hpp"
#include "table.hpp"

namespace supaglue {

namespace {

constexpr const char *kSchema = "supaglue_live";

void run_as(Oid role, const char *statement) {
  const Identity acting = become(role, false);
  sql(statement);
  restore(acting);
}

const char *server_of(const char *provider_name) { return format("supaglue_%s", provider_name); }

void drop_unused(Oid role, const char *what) {
  const ErrorData *error = attempt([&] { run_as(role, format("DROP %s RESTRICT", what)); });
  if (error != nullptr)
    ereport(NOTICE, (errcode(error->sqlerrcode),
                     errmsg("%s stays, although nothing is synced for it", what),
                     errdetail_internal("%s", error->detail ? error->detail : error->message)));
}

void ensure_schema(Oid role) {
  if (OidIsValid(get_namespace_oid(kSchema, true))) return;
  run_as(role, format("CREATE SCHEMA %s", kSchema));
  run_as(role, format("COMMENT ON SCHEMA %s IS 'supaglue: what the providers hold now, by the "
                      "names of the tables it is synced to'",
                      kSchema));
}

/// Whether several providers may feed the table.
bool is_shared(const char *object_type) {
  return strcmp(object_type, "common") == 0 || strcmp(object_type, "entity") == 0;
}

/// Of a shared twin, the part that is one provider's.
char *partition_name(const char *table_name, const char *provider_name) {
  return fitting_name(format("%s_%s", table_name, provider_name));
}

void append_columns(StringInfo ddl, const ColumnList &list) {
  appendStringInfoString(ddl, " (");
  for (int i = 0; i < list.count; ++i) {
    const Column &column = list.columns[i];
    appendStringInfo(ddl, "%s%s %s%s", i == 0 ? "" : ", ", quote_identifier(column.name),
                     column.type, column.not_null ? " NOT NULL" : "");
  }
  appendStringInfoString(ddl, ")");
}

/// What stands under a twin's name, and which columns of a list it lacks.
struct Standing {
  bool exists;
  bool is_parent;                             // partitioned by provider, as shared twins are
  const char *object_type, *object, *server;  // of a foreign table
  const char *missing;                        // "<a><b>", or null
};

Standing look_at(const char *name, const ColumnList &list) {
  StringInfoData names;
  initStringInfo(&names);
  for (int i = 0; i < list.count; ++i)
    appendStringInfo(&names, "%s%s", i == 0 ? "" : ",", quote_literal_cstr(list.columns[i].name));
  if (sql(format(
              "SELECT c.relkind = 'p' AND coalesce(p.partstrat = 'l' AND p.partnatts = 1, false),"
              " (SELECT pg_catalog.split_part(o, '=', 2) FROM pg_catalog.unnest(t.ftoptions) o"
              "  WHERE o LIKE 'object\\_type=%%'),"
              " (SELECT pg_catalog.substr(o, 8) FROM pg_catalog.unnest(t.ftoptions) o"
              "  WHERE o LIKE 'object=%%'), s.srvname,"
              " (SELECT pg_catalog.string_agg('<' || w || '>', '')"
              "  FROM pg_catalog.unnest(ARRAY[%s]::text[]) w WHERE NOT EXISTS ("
              "   SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid"
              "   AND a.attname = w AND a.attnum > 0 AND NOT a.attisdropped))"
              " FROM pg_catalog.pg_class c"
              " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
              " LEFT JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = c.oid"
              " LEFT JOIN pg_catalog.pg_foreign_table t ON t.ftrelid = c.oid"
              " LEFT JOIN pg_catalog.pg_foreign_server s ON s.oid = t.ftserver"
              " WHERE n.nspname = $1 AND c.relname = $2",
              names.data),
          {text_arg(kSchema), text_arg(name)}) == 0)
    return {};
  return {true, bool_at(0, 1), text_at(0, 2), text_at(0, 3), text_at(0, 4), text_at(0, 5)};
}

void add_columns(Oid role, const char *twin, const ColumnList &list, const Standing &standing) {
  if (standing.missing == nullptr) return;
  for (int i = 0; i < list.count; ++i) {
    const Column &column = list.columns[i];
    if (strstr(standing.missing, format("<%s>", column.name)) == nullptr) continue;
    run_as(role, format("ALTER TABLE %s ADD COLUMN %s %s", twin, quote_identifier(column.name),
                        column.type));
  }
}

[[noreturn]] void refuse(const char *twin, const char *object) {
  ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT),
                  errmsg("%s exists already and is not the live twin of %s", twin, object),
                  errhint("Choose another \"table\" for the object.")));
  pg_unreachable();
}

/// What is to stand as one foreign table.
struct Twin {
  const char *name;
  const char *parent;  // quoted; null: it is no partition
  const char *provider_name, *object_type, *object;
};

void ensure_foreign_table(Oid role, const Twin &twin, const ColumnList &list) {
  const char *name = quote_qualified_identifier(kSchema, twin.name);
  const char *server = server_of(twin.provider_name);
  const Standing standing = look_at(twin.name, list);
  if (standing.exists) {
    const auto is = [](const char *given, const char *wanted) {
      return given != nullptr && strcmp(given, wanted) == 0;
    };
    if (!is(standing.server, server) || !is(standing.object_type, twin.object_type) ||
        !is(standing.object, twin.object))
      refuse(name, twin.object);
    // A partition gets its columns from its parent.
    if (twin.parent == nullptr) add_columns(role, name, list, standing);
    return;
  }
  StringInfoData ddl;
  initStringInfo(&ddl);
  appendStringInfo(&ddl, "CREATE FOREIGN TABLE %s", name);
  if (twin.parent == nullptr)
    append_columns(&ddl, list);
  else
    appendStringInfo(&ddl, " PARTITION OF %s FOR VALUES IN (%s)", twin.parent,
                     quote_literal_cstr(twin.provider_name));
  appendStringInfo(&ddl, " SERVER %s OPTIONS (object_type %s, object %s)", quote_identifier(server),
                   quote_literal_cstr(twin.object_type), quote_literal_cstr(twin.object));
  run_as(role, ddl.data);
  run_as(
      role,
      format("COMMENT ON FOREIGN TABLE %s IS %s", name,
             quote_literal_cstr(format("%s of %s as it is now", twin.object, twin.provider_name))));
}

/// The partitioned table over the providers' foreign tables; returns its quoted name.
const char *ensure_parent(Oid role, const char *table_name, const char *object,
                          const ColumnList &list) {
  const char *name = quote_qualified_identifier(kSchema, table_name);
  const Standing standing = look_at(table_name, list);
  if (standing.exists) {
    if (!standing.is_parent) refuse(name, object);
    add_columns(role, name, list, standing);
    return name;
  }
  StringInfoData ddl;
  initStringInfo(&ddl);
  appendStringInfo(&ddl, "CREATE TABLE %s", name);
  append_columns(&ddl, list);
  appendStringInfoString(&ddl, " PARTITION BY LIST (_supaglue_provider_name)");
  run_as(role, ddl.data);
  run_as(role, format("COMMENT ON TABLE %s IS %s", name,
                      quote_literal_cstr(format("%s of all providers as it is now", object))));
  return name;
}

bool is_foreign_table_of(const char *name, const char *provider_name) {
  return sql("SELECT FROM pg_catalog.pg_class c "
             "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
             "JOIN pg_catalog.pg_foreign_table t ON t.ftrelid = c.oid "
             "JOIN pg_catalog.pg_foreign_server s ON s.oid = t.ftserver "
             "WHERE n.nspname = $1 AND c.relname = $2 AND s.srvname = $3",
             {text_arg(kSchema), text_arg(name), text_arg(server_of(provider_name))}) > 0;
}

/// Whether it is a partitioned table without partitions.
bool is_empty_parent(const char *name) {
  return sql("SELECT FROM pg_catalog.pg_class c "
             "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
             "WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind = 'p' "
             "AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid)",
             {text_arg(kSchema), text_arg(name)}) > 0;
}

}  // namespace

void ensure_server(Oid role, const char *provider_name) {
  const char *server = server_of(provider_name);
  if (sql("SELECT f.fdwname = 'supaglue' FROM pg_catalog.pg_foreign_server s "
          "JOIN pg_catalog.pg_foreign_data_wrapper f ON f.oid = s.srvfdw WHERE s.srvname = $1",
          {text_arg(server)}) > 0) {
    if (bool_at(0, 1)) return;
    ereport(ERROR,
            (errcode(ERRCODE_DUPLICATE_OBJECT),
             errmsg("server \"%s\" exists already and is of another foreign-data wrapper", server),
             errhint("Rename it.")));
  }
  run_as(role, format("CREATE SERVER %s FOREIGN DATA WRAPPER supaglue OPTIONS (provider %s)",
                      quote_identifier(server), quote_literal_cstr(provider_name)));
  run_as(role, format("COMMENT ON SERVER %s IS %s", quote_identifier(server),
                      quote_literal_cstr(format("supaglue: %s, read live", provider_name))));
}

void drop_unused_server(Oid role, const char *provider_name) {
  const char *server = server_of(provider_name);
  if (sql("SELECT FROM supaglue_internal.providers WHERE name = $1", {text_arg(provider_name)}) >
          0 ||
      !OidIsValid(get_foreign_server_oid(server, true)))
    return;
  drop_unused(role, format("server %s", quote_identifier(server)));
}

void ensure_twin(Oid role, const char *provider_name, const char *table_name,
                 const char *object_type, const char *object, const Projection *projection) {
  ensure_schema(role);
  const ColumnList list = columns_of_table(projection);
  Twin twin = {table_name, nullptr, provider_name, object_type, object};
  if (is_shared(object_type)) {
    twin.parent = ensure_parent(role, table_name, object, list);
    twin.name = partition_name(table_name, provider_name);
  }
  ensure_foreign_table(role, twin, list);
}

void drop_unused_twin(Oid role, const char *provider_name, const char *table_name) {
  if (sql("SELECT FROM supaglue_internal.objects o "
          "JOIN supaglue_internal.providers p ON p.id = o.provider_id "
          "WHERE p.name = $1 AND o.table_name = $2",
          {text_arg(provider_name), text_arg(table_name)}) > 0)
    return;
  for (const char *name :
       {table_name, const_cast<const char *>(partition_name(table_name, provider_name))})
    if (is_foreign_table_of(name, provider_name))
      drop_unused(role, format("foreign table %s", quote_qualified_identifier(kSchema, name)));
  if (is_empty_parent(table_name))
    drop_unused(role, format("table %s", quote_qualified_identifier(kSchema, table_name)));
}

}  // namespace supaglue
