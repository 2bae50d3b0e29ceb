// pg: create_provider(), update_provider(), delete_provider().
#include "catalog.hpp"
#include "live.hpp"
#include "pg.hpp"
#include "resource.hpp"
#include "secret.hpp"
#include "sql.hpp"
#include "sync_rows.hpp"

using namespace supaglue;

SUPAGLUE_FUNCTION(supaglue_create_provider) {
  const char *document = document_argument(fcinfo, 0, "config");
  const Api api = open_api();
  const Resource *provider = read_resource([&] { return read_provider(document); });
  check_secret_files(api.caller, provider->secret);
  require_new_name(kProvider, provider, 0);
  claim_installation();
  const int64 id = take_id(kProvider, provider->id);
  sql("INSERT INTO supaglue_internal.providers (id, application_id, name, config, secret) "
      "VALUES ($1, $2, $3, $4::jsonb, $5)",
      {int_arg(id), text_arg(provider->application_id), text_arg(provider->name),
       text_arg(provider->plain), sealed_arg(kProvider, id, provider->secret)});
  ensure_server(api.caller, provider->name);
  close_api(api);
  PG_RETURN_INT64(id);
}

static Resource *load_provider(int64 id) {
  if (sql("SELECT application_id, name, config::text, secret FROM supaglue_internal.providers "
          "WHERE id = $1 FOR UPDATE",
          {int_arg(id)}) == 0)
    no_such(kProvider, id);
  const char *application = text_at(0, 1), *name = text_at(0, 2), *plain = text_at(0, 3);
  return stored_resource(kProvider, id, application, name, plain, bytes_at(0, 4));
}

SUPAGLUE_FUNCTION(supaglue_update_provider) {
  const int64 id = int_argument(fcinfo, 0, "id");
  const char *patch = document_argument(fcinfo, 1, "config");
  const Api api = open_api();
  const Resource *stored = load_provider(id);
  const char *document = patched_document(kProvider, stored, patch);
  Resource *next = read_resource([&] { return read_provider(document); });
  require_same_identity(kProvider, stored, next);
  if (strcmp(next->name, stored->name) != 0)
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
             errmsg("the name of a provider cannot change"), errhint("Create another provider.")));
  if (!same_text(next->secret, stored->secret)) check_secret_files(api.caller, next->secret);
  sql("UPDATE supaglue_internal.providers SET config = $2::jsonb, secret = $3 WHERE id = $1",
      {int_arg(id), text_arg(next->plain), sealed_arg(kProvider, id, next->secret)});
  // Those that were refused may have been so for the old app's sake.
  readmit_connections(id);
  close_api(api);
  PG_RETURN_VOID();
}

SUPAGLUE_FUNCTION(supaglue_delete_provider) {
  const int64 id = int_argument(fcinfo, 0, "id");
  const Api api = open_api();
  if (sql("SELECT name FROM supaglue_internal.providers WHERE id = $1 FOR UPDATE", {int_arg(id)}) ==
      0)
    no_such(kProvider, id);
  const char *name = text_at(0, 1);
  sql("SELECT (SELECT pg_catalog.count(*) FROM supaglue_internal.sync_configs WHERE provider_id = "
      "$1), "
      "(SELECT pg_catalog.count(*) FROM supaglue_internal.connections WHERE provider_id = $1)",
      {int_arg(id)});
  const int64 sync_configs = int_at(0, 1), connections = int_at(0, 2);
  if (sync_configs + connections > 0)
    ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
                    errmsg("provider \"%s\" is in use", name),
                    errdetail("%s and %s use it.", counted(sync_configs, "sync config"),
                              counted(connections, "connection")),
                    errhint("Delete them first.")));
  sql("DELETE FROM supaglue_internal.providers WHERE id = $1", {int_arg(id)});
  drop_unused_server(api.caller, name);
  close_api(api);
  PG_RETURN_VOID();
}
