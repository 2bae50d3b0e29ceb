// pg: create_destination(), update_destination(), delete_destination(), test_destination().
#include "catalog.hpp"
#include "destination.hpp"
#include "pg.hpp"
#include "placement.hpp"
#include "resource.hpp"
#include "secret.hpp"
#include "sql.hpp"
#include "sync_rows.hpp"

using namespace supaglue;

SUPAGLUE_FUNCTION(supaglue_create_destination) {
  const char *document = document_argument(fcinfo, 0, "config");
  const Api api = open_api();
  const Resource *destination = read_resource([&] { return read_destination(document); });
  check_secret_files(api.caller, destination->secret);
  require_new_name(kDestination, destination, 0);
  claim_installation();
  const int64 id = take_id(kDestination, destination->id);
  sql("INSERT INTO supaglue_internal.destinations (id, application_id, name, config, secret) "
      "VALUES ($1, $2, $3, $4::jsonb, $5)",
      {int_arg(id), text_arg(destination->application_id), text_arg(destination->name),
       text_arg(destination->plain), sealed_arg(kDestination, id, destination->secret)});
  close_api(api);
  PG_RETURN_INT64(id);
}

namespace {

Resource *load_destination(int64 id, const char *lock) {
  if (sql(format("SELECT application_id, name, config::text, secret "
                 "FROM supaglue_internal.destinations WHERE id = $1 %s",
                 lock),
          {int_arg(id)}) == 0)
    no_such(kDestination, id);
  const char *application = text_at(0, 1), *name = text_at(0, 2), *plain = text_at(0, 3);
  return stored_resource(kDestination, id, application, name, plain, bytes_at(0, 4));
}

bool same_place(const Resource *a, const Resource *b) {
  return int_of(a, "port") == int_of(b, "port") &&
         same_text(text_of(a, "host"), text_of(b, "host")) &&
         same_text(text_of(a, "database"), text_of(b, "database")) &&
         same_text(text_of(a, "schema"), text_of(b, "schema"));
}

// What was synced to another place must be read in full for this one.
void move_sync_configs(int64 destination_id, Oid caller) {
  const uint64 count =
      sql("SELECT id FROM supaglue_internal.sync_configs WHERE destination_id = $1 ORDER BY id",
          {int_arg(destination_id)});
  auto *ids = static_cast<int64 *>(palloc(sizeof(int64) * Max(count, 1)));
  for (uint64 i = 0; i < count; ++i) ids[i] = int_at(i, 1);
  for (uint64 i = 0; i < count; ++i) {
    require_owner(ids[i], caller);
    require_own_tables(ids[i]);
    make_tables(ids[i]);
    restart_syncs(find_syncs({.sync_config_id = ids[i]}));
  }
}

}  // namespace

SUPAGLUE_FUNCTION(supaglue_update_destination) {
  const int64 id = int_argument(fcinfo, 0, "id");
  const char *patch = document_argument(fcinfo, 1, "config");
  const Api api = open_api();
  const Resource *stored = load_destination(id, "FOR UPDATE");
  const char *document = patched_document(kDestination, stored, patch);
  Resource *next = read_resource([&] { return read_destination(document); });
  require_same_identity(kDestination, stored, next);
  require_new_name(kDestination, next, id);
  if (!same_text(next->secret, stored->secret)) check_secret_files(api.caller, next->secret);
  sql("UPDATE supaglue_internal.destinations SET name = $2, config = $3::jsonb, secret = $4 WHERE "
      "id = $1",
      {int_arg(id), text_arg(next->name), text_arg(next->plain),
       sealed_arg(kDestination, id, next->secret)});
  if (!same_place(stored, next)) move_sync_configs(id, api.caller);
  close_api(api);
  PG_RETURN_VOID();
}

SUPAGLUE_FUNCTION(supaglue_delete_destination) {
  const int64 id = int_argument(fcinfo, 0, "id");
  const Api api = open_api();
  if (sql("SELECT name FROM supaglue_internal.destinations WHERE id = $1 FOR UPDATE",
          {int_arg(id)}) == 0)
    no_such(kDestination, id);
  const char *name = text_at(0, 1);
  sql("SELECT pg_catalog.count(*), pg_catalog.string_agg(pg_catalog.format('\"%s\"', name), ', ' "
      "ORDER BY id) "
      "FROM supaglue_internal.sync_configs WHERE destination_id = $1",
      {int_arg(id)});
  if (int_at(0, 1) > 0)
    ereport(ERROR,
            (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
             errmsg("destination \"%s\" is in use", name),
             errdetail("Used by %s: %s.", counted(int_at(0, 1), "sync config"), text_at(0, 2)),
             errhint("Delete what uses it first.")));
  if (sql("SELECT FROM supaglue_internal.erasures WHERE destination_id = $1 LIMIT 1",
          {int_arg(id)}) > 0)
    ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
                    errmsg("destination \"%s\" is in use", name),
                    errdetail("Rows of customers are still to be erased there."),
                    errhint("View supaglue.erasures shows them and why they are still there.")));
  sql("DELETE FROM supaglue_internal.destinations WHERE id = $1", {int_arg(id)});
  close_api(api);
  PG_RETURN_VOID();
}

// The row (success, message, detail).
static Datum test_result(FunctionCallInfo fcinfo, const char *name, const char *failure) {
  TupleDesc descriptor;
  if (get_call_result_type(fcinfo, nullptr, &descriptor) != TYPEFUNC_COMPOSITE)
    elog(ERROR, "test_destination() returns a row");
  const char *message = format("destination \"%s\" %s", name,
                               failure ? "cannot be used" : "can be reached and written to");
  Datum values[] = {BoolGetDatum(failure == nullptr), CStringGetTextDatum(message),
                    failure ? CStringGetTextDatum(failure) : static_cast<Datum>(0)};
  bool nulls[] = {false, false, failure == nullptr};
  return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls));
}

// Test of a document, which nothing is stored of.
SUPAGLUE_FUNCTION(supaglue_test_destination_config) {
  const char *document = document_argument(fcinfo, 0, "config");
  const MemoryContext caller = CurrentMemoryContext;
  const Api api = open_api();
  const Resource *destination = read_resource([&] { return read_destination(document); });
  check_secret_files(api.caller, destination->secret);
  const char *failure = destination_failure(destination->name, destination->plain,
                                            read_secret_files(destination->secret), api.caller);
  MemoryContextSwitchTo(caller);  // the row must outlive SPI's memory
  const Datum row = test_result(fcinfo, destination->name, failure);
  close_api(api);
  return row;
}

SUPAGLUE_FUNCTION(supaglue_test_destination) {
  const int64 id = int_argument(fcinfo, 0, "id");
  const MemoryContext caller = CurrentMemoryContext;
  const Api api = open_api();
  const Resource *destination = load_destination(id, "");
  require_readable(destination);
  const char *failure = destination_failure(destination->name, destination->plain,
                                            read_secret_files(destination->secret), api.caller);
  MemoryContextSwitchTo(caller);
  const Datum row = test_result(fcinfo, destination->name, failure);
  close_api(api);
  return row;
}
