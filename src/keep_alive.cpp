// pg: connections that nothing has refreshed for long. See keep_alive.hpp.
#include "keep_alive.hpp"

#include "pg.hpp"
#include "sql.hpp"
#include "worker.hpp"

namespace supaglue {

namespace {

constexpr int kMostAtOnce = 100;

// How long each provider's tokens may lie, of those that are refreshed at all: {"name": ms}.
char *patience_by_provider() {
  return guarded_text([] {
    Json patience = Json::object();
    for (const std::string &name : Connector::builtin_names()) {
      const OAuth &oauth = Connector::builtin(name)->oauth;
      if (oauth.refreshes) patience[name] = oauth.keep_alive_ms;
    }
    return patience.dump();
  });
}

}  // namespace

List *idle_connections(int workers, int number) {
  MemoryContext context = CurrentMemoryContext;
  const char *patience = patience_by_provider();
  List *idle = NIL;
  work([&] {
    const uint64 count =
        sql("SELECT c.id, t.generation, p.name FROM supaglue_internal.connections c"
            " JOIN supaglue_internal.tokens t ON t.connection_id = c.id"
            " JOIN supaglue_internal.providers p ON p.id = c.provider_id"
            " JOIN jsonb_each_text($3::jsonb) AS patience (name, ms) ON patience.name = p.name"
            " WHERE c.id % $1 = $2 AND c.status IN ('active', 'degraded')"
            " AND c.config ->> 'auth_type' = 'oauth2'"
            " AND coalesce(t.refreshed_at, c.created_at)"
            "     < clock_timestamp() - patience.ms::float8 * interval '1 ms'"
            " ORDER BY coalesce(t.refreshed_at, c.created_at) LIMIT $4",
            {int_arg(workers), int_arg(number), text_arg(patience), int_arg(kMostAtOnce)});
    MemoryContextSwitchTo(context);
    for (uint64 row = 0; row < count; ++row) {
      auto *connection = static_cast<IdleConnection *>(palloc(sizeof(IdleConnection)));
      *connection = {int_at(row, 1), int_at(row, 2), text_at(row, 3)};
      idle = lappend(idle, connection);
    }
  });
  return idle;
}

}  // namespace supaglue
