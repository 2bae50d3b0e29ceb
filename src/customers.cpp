// pg: upsert_customer(), delete_customer().
#include "catalog.hpp"
#include "connection_rows.hpp"
#include "erasure.hpp"
#include "pg.hpp"
#include "resource.hpp"
#include "sql.hpp"
#include "sync_rows.hpp"

using namespace supaglue;

static constexpr size_t kLongestId = 255;

static char *optional_text(FunctionCallInfo fcinfo, int argument) {
  return PG_ARGISNULL(argument) ? nullptr : text_to_cstring(PG_GETARG_TEXT_PP(argument));
}

SUPAGLUE_FUNCTION(supaglue_upsert_customer) {
  const char *customer = text_argument(fcinfo, 0, "customer_id");
  const char *name = optional_text(fcinfo, 1), *email = optional_text(fcinfo, 2);
  const char *application = application_of(fcinfo, 3);
  if (customer[0] == '\0' || strlen(customer) > kLongestId)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("customer_id must have between 1 and 255 bytes")));
  const Api api = open_api();
  sql("INSERT INTO supaglue_internal.customers AS c (application_id, customer_id, name, email) "
      "VALUES ($1, $2, $3, $4) ON CONFLICT (application_id, customer_id) DO UPDATE "
      "SET name = coalesce(excluded.name, c.name), email = coalesce(excluded.email, c.email)",
      {text_arg(application), text_arg(customer), text_arg(name), text_arg(email)});
  close_api(api);
  PG_RETURN_VOID();
}

SUPAGLUE_FUNCTION(supaglue_delete_customer) {
  const char *customer = text_argument(fcinfo, 0, "customer_id");
  const char *application = application_of(fcinfo, 1);
  const Api api = open_api();
  if (sql("SELECT FROM supaglue_internal.customers WHERE application_id = $1 AND customer_id = $2 "
          "FOR UPDATE",
          {text_arg(application), text_arg(customer)}) == 0)
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                    errmsg("customer \"%s\" does not exist in application \"%s\"", customer,
                           application)));
  sql("SELECT pg_catalog.count(*) FROM supaglue_internal.connections "
      "WHERE application_id = $1 AND customer_id = $2",
      {text_arg(application), text_arg(customer)});
  if (const int64 connections = int_at(0, 1); connections > 0)
    ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
                    errmsg("customer \"%s\" is in use", customer),
                    errdetail("The customer has %s.", counted(connections, "connection")),
                    errhint("Call supaglue.delete_connection() first.")));
  sql("DELETE FROM supaglue_internal.customers WHERE application_id = $1 AND customer_id = $2",
      {text_arg(application), text_arg(customer)});
  close_api(api);
  PG_RETURN_VOID();
}

namespace {

// No connection is made for the customer before this transaction ends, and none has a run.
List *lock_connections(const char *application, const char *customer) {
  sql("SELECT FROM supaglue_internal.customers WHERE application_id = $1 AND customer_id = $2 "
      "FOR UPDATE",
      {text_arg(application), text_arg(customer)});
  const uint64 count =
      sql("SELECT id FROM supaglue_internal.connections "
          "WHERE application_id = $1 AND customer_id = $2 ORDER BY id",
          {text_arg(application), text_arg(customer)});
  List *ids = NIL;
  for (uint64 row = 0; row < count; ++row) {
    auto *id = static_cast<int64 *>(palloc(sizeof(int64)));
    *id = int_at(row, 1);
    ids = lappend(ids, id);
  }
  ListCell *cell;
  foreach (cell, ids)
    stop_runs(find_syncs({.connection_id = *static_cast<const int64 *>(lfirst(cell))}));
  return ids;
}

// A row for each table.
void return_erased(FunctionCallInfo fcinfo, const List *erased) {
  StringInfoData rows;
  initStringInfo(&rows);
  const ListCell *cell;
  foreach (cell, erased) {
    const auto *table = static_cast<const Erased *>(lfirst(cell));
    appendStringInfo(&rows, " UNION ALL SELECT %s, %s, %s::bigint",
                     table->destination ? quote_literal_cstr(table->destination) : "NULL",
                     quote_literal_cstr(table->table),
                     table->rows < 0 ? "NULL" : format(INT64_FORMAT, table->rows));
  }
  sql(format("SELECT ''::text, ''::text, 0::bigint WHERE false%s", rows.data));
  return_rows(fcinfo);
}

}  // namespace

SUPAGLUE_FUNCTION(supaglue_erase_customer) {
  const char *customer = text_argument(fcinfo, 0, "customer_id");
  const char *application = application_of(fcinfo, 1);
  const Api api = open_api();
  const Whose whose = {application, customer, nullptr};
  const List *connections = lock_connections(application, customer);
  erase_records(&whose);
  const ListCell *cell;
  foreach (cell, connections)
    end_connection(*static_cast<const int64 *>(lfirst(cell)), false, true);
  erase_orphans();
  sql("DELETE FROM supaglue_internal.customers WHERE application_id = $1 AND customer_id = $2",
      {text_arg(application), text_arg(customer)});
  return_erased(fcinfo, erase_rows(&whose, api.caller));
  close_api(api);
  PG_RETURN_VOID();
}
