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
    "SELECT c.id, c.customer_id, s.metadata::pg_catalog.text, o.config::pg_catalog.text"
    " FROM supaglue_internal.connections c"
    " JOIN supaglue_internal.providers p ON p.id OPERATOR(pg_catalog.=) c.provider_id"
    " LEFT JOIN supaglue_internal.objects o ON o.provider_id OPERATOR(pg_catalog.=) p.id"
    "  AND o.object_type OPERATOR(pg_catalog.=) $3 AND o.object OPERATOR(pg_catalog.=) $4"
    " LEFT JOIN supaglue_internal.syncs s ON s.connection_id OPERATOR(pg_catalog.=) c.id"
    "  AND s.object_id OPERATOR(pg_catalog.=) o.id"
    " WHERE c.application_id OPERATOR(pg_catalog.=) $1 AND p.name OPERATOR(pg_catalog.=) $2"
    "  AND ($5 IS NULL OR c.customer_id OPERATOR(pg_catalog.=) ANY ($5))"
    " ORDER BY c.id";

ArrayType *customer_of_setting() {
  if (settings.customer_id == nullptr || settings.customer_id[0] == '\0') return nullptr;
  Datum one = CStringGetTextDatum(settings.customer_id);
  return construct_array(&one, 1, TEXTOID, -1, false, TYPALIGN_INT);
}

}  // namespace

List *live_connections(const LiveTable *table, const ArrayType *customers) {
  MemoryContext context = CurrentMemoryContext;
  const Api api = open_api();
  if (customers == nullptr) customers = customer_of_setting();
  const Arg named = customers == nullptr ? null_arg(TEXTARRAYOID)
                                         : Arg{TEXTARRAYOID, PointerGetDatum(customers), false};
  const char *application_id = default_application();
  const uint64 count =
      sql_latest(kQuery, {text_arg(application_id), text_arg(table->provider_name),
                          text_arg(table->object_type), text_arg(table->object), named});
  if (customers == nullptr && count > static_cast<uint64>(settings.live_max_connections))
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("the scan covers " UINT64_FORMAT " connections, more than %d", count,
                           settings.live_max_connections),
                    errhint("Name customers with WHERE _supaglue_customer_id = ..., or set "
                            "supaglue.customer_id, or raise supaglue.live_max_connections.")));
  MemoryContextSwitchTo(context);
  List *connections = NIL;
  for (uint64 row = 0; row < count; ++row) {
    auto *connection = static_cast<LiveConnection *>(palloc(sizeof(LiveConnection)));
    connection->id = int_at(row, 1);
    connection->customer_id = text_at(row, 2);
    connection->metadata = text_at(row, 3);
    connection->config = text_at(row, 4);
    connections = lappend(connections, connection);
  }
  close_api(api);
  return connections;
}

}  // namespace supaglue
