// pg: which connections a live scan covers. See live_connections.hpp.
#include "live_connections.hpp"

#include "pg.hpp"

#include "catalog.hpp"
#include "settings.hpp"
#include "sql.hpp"

namespace supaglue {

namespace {

// Operators and types by their full names: the user's search_path holds here.
constexpr const char *kQuery =
    "SELECT c.id, c.customer_id, s.metadata::pg_catalog.text, o.config::pg_catalog.text, o.id,"
    " o.config OPERATOR(pg_catalog.->>) 'columns' OPERATOR(pg_catalog.=) 'typed'"
    " FROM supaglue_internal.connections c"
    " JOIN supaglue_internal.providers p ON p.id OPERATOR(pg_catalog.=) c.provider_id"
    " LEFT JOIN supaglue_internal.objects o ON o.provider_id OPERATOR(pg_catalog.=) p.id"
    "  AND o.object_type OPERATOR(pg_catalog.=) $3 AND o.object OPERATOR(pg_catalog.=) $4"
    " LEFT JOIN supaglue_internal.syncs s ON s.connection_id OPERATOR(pg_catalog.=) c.id"
    "  AND s.object_id OPERATOR(pg_catalog.=) o.id"
    " WHERE c.application_id OPERATOR(pg_catalog.=) $1 AND p.name OPERATOR(pg_catalog.=) $2"
    "  AND ($5 IS NULL OR c.customer_id OPERATOR(pg_catalog.=) ANY ($5))"
    "  AND ($6 IS NULL OR c.customer_id OPERATOR(pg_catalog.=) $6)"
    " ORDER BY c.id";

constexpr const char *kObjectQuery =
    "SELECT o.id, o.config OPERATOR(pg_catalog.->>) 'columns' OPERATOR(pg_catalog.=) 'typed'"
    " FROM supaglue_internal.objects o"
    " JOIN supaglue_internal.providers p ON p.id OPERATOR(pg_catalog.=) o.provider_id"
    " WHERE p.application_id OPERATOR(pg_catalog.=) $1 AND p.name OPERATOR(pg_catalog.=) $2"
    "  AND o.object_type OPERATOR(pg_catalog.=) $3 AND o.object OPERATOR(pg_catalog.=) $4";

ArrayType *customer_of_setting() {
  if (settings.customer_id == nullptr || settings.customer_id[0] == '\0') return nullptr;
  Datum one = CStringGetTextDatum(settings.customer_id);
  return construct_array(&one, 1, TEXTOID, -1, false, TYPALIGN_INT);
}

/// Objects of ours are whatever the connector, or the customer, says that they are.
bool is_ours(const LiveTable *table) {
  return strcmp(table->object_type, "common") == 0 || strcmp(table->object_type, "entity") == 0;
}

/// What the connection has for the table; false: nothing.
bool find_object(const LiveTable *table, int64 object_id, bool with_projection,
                 LiveConnection *connection) {
  connection->object_type = table->object_type;
  connection->object = table->object;
  if (is_ours(table)) {
    const RemoteObject *remote =
        object_id == 0 ? nullptr : load_remote_object(object_id, connection->id);
    if (remote == nullptr) return false;
    connection->object_type = remote->object_type;
    connection->object = remote->object;
  }
  connection->projection = with_projection && object_id != 0
                               ? load_projection(object_id, connection->id, connection->metadata)
                               : nullptr;
  return true;
}

struct Found {
  LiveConnection connection;
  int64 object_id;
};

void check_count(const LiveTable *table, const ArrayType *customers, uint64 count) {
  if (customers != nullptr || table->customer != nullptr ||
      count <= static_cast<uint64>(settings.live_max_connections))
    return;
  ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                  errmsg("the scan covers " UINT64_FORMAT " connections, more than %d", count,
                         settings.live_max_connections),
                  errhint("Name customers with WHERE _supaglue_customer_id = ..., or set "
                          "supaglue.customer_id, or raise supaglue.live_max_connections.")));
}

/// The rows of the last query, before another one takes its place.
List *found_connections(uint64 count) {
  List *found = NIL;
  for (uint64 row = 0; row < count; ++row) {
    auto *one = static_cast<Found *>(palloc0(sizeof(Found)));
    one->connection.id = int_at(row, 1);
    one->connection.customer_id = text_at(row, 2);
    one->connection.metadata = text_at(row, 3);
    one->connection.config = text_at(row, 4);
    one->object_id = int_at(row, 5);
    one->connection.all_fields = bool_at(row, 6);
    found = lappend(found, one);
  }
  return found;
}

}  // namespace

List *live_connections(const LiveTable *table, const ArrayType *customers, bool with_projection) {
  MemoryContext context = CurrentMemoryContext;
  const Api api = open_api();
  if (customers == nullptr && table->customer == nullptr) customers = customer_of_setting();
  const Arg named = customers == nullptr ? null_arg(TEXTARRAYOID)
                                         : Arg{TEXTARRAYOID, PointerGetDatum(customers), false};
  const uint64 count =
      sql_latest(kQuery, {text_arg(default_application()), text_arg(table->provider_name),
                          text_arg(table->object_type), text_arg(table->object), named,
                          text_arg(table->customer)});
  check_count(table, customers, count);
  MemoryContextSwitchTo(context);
  List *connections = NIL;
  const ListCell *cell;
  List *found = found_connections(count);
  foreach (cell, found) {
    auto *one = static_cast<Found *>(lfirst(cell));
    if (find_object(table, one->object_id, with_projection, &one->connection))
      connections = lappend(connections, &one->connection);
    MemoryContextSwitchTo(context);
  }
  close_api(api);
  return connections;
}

const LiveConnection *live_connection_of_nobody(const LiveTable *table) {
  MemoryContext context = CurrentMemoryContext;
  const Api api = open_api();
  const uint64 count =
      sql_latest(kObjectQuery, {text_arg(default_application()), text_arg(table->provider_name),
                                text_arg(table->object_type), text_arg(table->object)});
  const int64 object_id = count == 0 ? 0 : int_at(0, 1);
  const bool all_fields = count > 0 && bool_at(0, 2);
  MemoryContextSwitchTo(context);
  auto *connection = static_cast<LiveConnection *>(palloc0(sizeof(LiveConnection)));
  connection->customer_id = "";
  connection->all_fields = all_fields;
  const bool is_there = find_object(table, object_id, true, connection);
  MemoryContextSwitchTo(context);
  close_api(api);
  return is_there ? connection : nullptr;
}

}  // namespace supaglue
