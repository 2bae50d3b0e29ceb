// pg: schemas and entities as they are stored. See field_template.hpp.
#include "field_template.hpp"

#include "catalog.hpp"
#include "pg.hpp"
#include "sql.hpp"
#include "sync_configs.hpp"
#include "sync_rows.hpp"

namespace supaglue {

namespace {

// The providers of the sync configs that use it come first, as everywhere, so that no sync config
// begins to use it meanwhile; then its own row.
Resource *lock_template(const TemplateKind &kind, int64 id) {
  sql(format("SELECT FROM supaglue_internal.providers WHERE id IN "
             "(SELECT provider_id FROM supaglue_internal.objects WHERE %s = $1) "
             "ORDER BY id FOR NO KEY UPDATE",
             kind.reference),
      {int_arg(id)});
  if (sql(format("SELECT application_id, name, config::text FROM %s WHERE id = $1 FOR UPDATE",
                 kind.kind->table),
          {int_arg(id)}) == 0)
    no_such(*kind.kind, id);
  const char *application = text_at(0, 1), *name = text_at(0, 2), *plain = text_at(0, 3);
  return stored_resource(*kind.kind, id, application, name, plain, nullptr);
}

void refresh_users(const TemplateKind &kind, int64 id, Oid caller) {
  const uint64 count =
      sql(format("SELECT DISTINCT sync_config_id FROM supaglue_internal.objects WHERE %s = $1 "
                 "ORDER BY sync_config_id",
                 kind.reference),
          {int_arg(id)});
  SPITupleTable *users = SPI_tuptable;
  for (uint64 i = 0; i < count; ++i) {
    SPI_tuptable = users;
    refresh_sync_config(int_at(i, 1), caller);
  }
}

}  // namespace

int64 create_template(const TemplateKind &kind, FunctionCallInfo fcinfo) {
  const char *document = document_argument(fcinfo, 0, "config");
  const Api api = open_api();
  const Resource *resource = read_resource([&] { return kind.read(document); });
  require_new_name(*kind.kind, resource, 0);
  claim_installation();
  const int64 id = take_id(*kind.kind, resource->id);
  sql(format("INSERT INTO %s (id, application_id, name, config) VALUES ($1, $2, $3, $4::jsonb)",
             kind.kind->table),
      {int_arg(id), text_arg(resource->application_id), text_arg(resource->name),
       text_arg(resource->plain)});
  close_api(api);
  return id;
}

void update_template(const TemplateKind &kind, FunctionCallInfo fcinfo) {
  const int64 id = int_argument(fcinfo, 0, "id");
  const char *patch = document_argument(fcinfo, 1, "config");
  const Api api = open_api();
  const Resource *stored = lock_template(kind, id);
  const char *as_it_was = patched_document(*kind.kind, stored, "{}");
  const Resource *before = read_resource([&] { return kind.read(as_it_was); });
  const char *document = patched_document(*kind.kind, stored, patch);
  Resource *next = read_resource([&] { return kind.read(document); });
  require_same_identity(*kind.kind, stored, next);
  // Sync configs and tables are named by it.
  if (strcmp(next->name, stored->name) != 0)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("the name of %s %s cannot change", kind.kind == &kEntity ? "an" : "a",
                           kind.kind->noun),
                    errhint("Create another one.")));
  if (strcmp(next->plain, before->plain) != 0) {
    sql(format("UPDATE %s SET config = $2::jsonb WHERE id = $1", kind.kind->table),
        {int_arg(id), text_arg(next->plain)});
    refresh_users(kind, id, api.caller);
    SyncFilter filter;
    (kind.kind == &kEntity ? filter.entity_id : filter.schema_id) = id;
    remap_syncs(find_syncs(filter));
  }
  close_api(api);
}

void delete_template(const TemplateKind &kind, FunctionCallInfo fcinfo) {
  const int64 id = int_argument(fcinfo, 0, "id");
  const Api api = open_api();
  const Resource *stored = lock_template(kind, id);
  sql(format("SELECT pg_catalog.string_agg(DISTINCT '\"' || c.name || '\"', ', ') "
             "FROM supaglue_internal.objects o "
             "JOIN supaglue_internal.sync_configs c ON c.id = o.sync_config_id WHERE o.%s = $1",
             kind.reference),
      {int_arg(id)});
  if (!null_at(0, 1))
    ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
                    errmsg("%s \"%s\" is in use", kind.kind->noun, stored->name),
                    errdetail("It is used by sync configs: %s.", text_at(0, 1)),
                    errhint("Take it out of them first.")));
  sql(format("DELETE FROM %s WHERE id = $1", kind.kind->table), {int_arg(id)});
  close_api(api);
}

}  // namespace supaglue
