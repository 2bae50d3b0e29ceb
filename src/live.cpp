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

const char *twin_ddl(const char *twin, const char *provider_name, const char *object_type,
                     const char *object) {
  StringInfoData ddl;
  initStringInfo(&ddl);
  appendStringInfo(&ddl, "CREATE FOREIGN TABLE %s (", twin);
  for (const Column &column : table_columns)
    appendStringInfo(&ddl, "%s%s %s%s", &column == table_columns ? "" : ", ", column.name,
                     column.type, column.not_null ? " NOT NULL" : "");
  appendStringInfo(&ddl, ") SERVER %s OPTIONS (object_type %s, object %s)",
                   quote_identifier(server_of(provider_name)), quote_literal_cstr(object_type),
                   quote_literal_cstr(object));
  return ddl.data;
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
                 const char *object_type, const char *object) {
  const char *twin = quote_qualified_identifier(kSchema, table_name);
  ensure_schema(role);
  if (sql("SELECT coalesce(s.srvname = $3 AND t.ftoptions @> ARRAY['object_type=' || $4, 'object=' "
          "|| $5], "
          "false) FROM pg_catalog.pg_class c "
          "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
          "LEFT JOIN pg_catalog.pg_foreign_table t ON t.ftrelid = c.oid "
          "LEFT JOIN pg_catalog.pg_foreign_server s ON s.oid = t.ftserver "
          "WHERE n.nspname = $1 AND c.relname = $2",
          {text_arg(kSchema), text_arg(table_name), text_arg(server_of(provider_name)),
           text_arg(object_type), text_arg(object)}) > 0) {
    if (bool_at(0, 1)) return;
    ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT),
                    errmsg("%s exists already and is not the live twin of %s", twin, object),
                    errhint("Choose another \"table\" for the object.")));
  }
  run_as(role, twin_ddl(twin, provider_name, object_type, object));
  run_as(role, format("COMMENT ON FOREIGN TABLE %s IS %s", twin,
                      quote_literal_cstr(format("%s of %s as it is now", object, provider_name))));
}

void drop_unused_twin(Oid role, const char *provider_name, const char *table_name) {
  if (sql("SELECT FROM supaglue_internal.objects o "
          "JOIN supaglue_internal.providers p ON p.id = o.provider_id "
          "WHERE p.name = $1 AND o.table_name = $2",
          {text_arg(provider_name), text_arg(table_name)}) > 0)
    return;
  if (sql("SELECT FROM pg_catalog.pg_class c "
          "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
          "JOIN pg_catalog.pg_foreign_table t ON t.ftrelid = c.oid "
          "JOIN pg_catalog.pg_foreign_server s ON s.oid = t.ftserver "
          "WHERE n.nspname = $1 AND c.relname = $2 AND s.srvname = $3",
          {text_arg(kSchema), text_arg(table_name), text_arg(server_of(provider_name))}) == 0)
    return;
  drop_unused(role, format("foreign table %s", quote_qualified_identifier(kSchema, table_name)));
}

}  // namespace supaglue
