// pg: connections that nothing has refreshed for long. See keep_alive.hpp.
#include "keep_alive.hpp"

#include "pg.hpp"
#include "sql.hpp"
#include "worker.hpp"

namespace supaglue {

namespace {

constexpr int kMostAtOnce = 100;

// Providers that forget what is unused take a month for it at least.
constexpr int64 kPatienceMs = int64{7} * 24 * 3600 * 1000;

// Those whose tokens are refreshed at all, for a list in SQL.
char *refreshing_providers() {
  return guarded_text([] {
    std::string names;
    for (const std::string &name : Connector::builtin_names())
      if (Connector::builtin(name)->oauth.refreshes)
        names += (names.empty() ? "'" : ", '") + name + '\'';
    return names;
  });
}

}  // namespace

List *idle_connections(int workers, int number) {
  MemoryContext context = CurrentMemoryContext;
  const char *names = refreshing_providers();
  List *idle = NIL;
  work([&] {
    const uint64 count =
        sql(format("SELECT c.id, t.generation, p.name FROM supaglue_internal.connections c"
                   " JOIN supaglue_internal.tokens t ON t.connection_id = c.id"
                   " JOIN supaglue_internal.providers p ON p.id = c.provider_id"
                   " WHERE c.id %% $1 = $2 AND c.status IN ('active', 'degraded')"
                   " AND c.config ->> 'auth_type' = 'oauth2' AND p.name IN (%s)"
                   " AND coalesce(t.refreshed_at, c.created_at) < $3"
                   " ORDER BY coalesce(t.refreshed_at, c.created_at) LIMIT %d",
                   names, kMostAtOnce),
            {int_arg(workers), int_arg(number), time_arg(time_of_ms(now_ms() - kPatienceMs))});
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
