// pg: the budgets of a fetcher's connections. See budgets.hpp.
#include "budgets.hpp"

#include <functional>
#include <string_view>

#include "pg.hpp"
#include "sql.hpp"
#include "worker.hpp"

namespace supaglue {

namespace {

constexpr int64 kTellingMs = 1'000;

struct News {
  int64 connection_id;
  KnownLimits known;
};

void write_row(const News *news) {
  const KnownLimits &known = news->known;
  const auto count = [](int64 number) { return number < 0 ? null_arg(INT8OID) : int_arg(number); };
  const auto time = [](int64 ms) { return time_arg(ms == 0 ? DT_NOBEGIN : time_of_ms(ms)); };
  const bool is_limited = known.requests_per_second > 0;
  sql("INSERT INTO supaglue_internal.rate_limits AS l (connection_id, used, quota, reserve,"
      " resets_at, parked_until, parked_for, requests_per_second, seen_at)"
      " VALUES ($1, $2, $3, $4, $5, $6, $7, $8::numeric, $9)"
      " ON CONFLICT (connection_id) DO UPDATE SET used = coalesce(EXCLUDED.used, l.used),"
      " quota = coalesce(EXCLUDED.quota, l.quota), reserve = coalesce(EXCLUDED.reserve, l.reserve),"
      " resets_at = EXCLUDED.resets_at, parked_until = EXCLUDED.parked_until,"
      " parked_for = EXCLUDED.parked_for, requests_per_second = EXCLUDED.requests_per_second,"
      " seen_at = coalesce(EXCLUDED.seen_at, l.seen_at)",
      {int_arg(news->connection_id), count(known.used), count(known.quota),
       count(known.quota < 0 ? -1 : known.reserve), time(known.resets_at_ms),
       time(known.parked_until_ms),
       text_arg(known.parked_until_ms == 0 ? nullptr : name_of(known.cause)),
       text_arg(is_limited ? format("%.2f", known.requests_per_second) : nullptr),
       time(known.seen_at_ms)});
}

}  // namespace

const std::shared_ptr<Budget> &budget_of(Budgets *budgets, int64 connection_id,
                                         const char *provider_name) {
  ToldBudget &entry = budgets->by_connection[connection_id];
  if (entry.budget == nullptr) {
    const auto connector = Connector::builtin(provider_name);
    entry.budget = connector == nullptr
                       ? std::make_shared<Budget>()
                       : std::make_shared<Budget>(connector->quota_reserve_percent);
    entry.provider_name = provider_name;
  }
  return entry.budget;
}

const KnownLimits *parked(const Budgets *budgets, int64 connection_id) {
  const auto found = budgets->by_connection.find(connection_id);
  if (found == budgets->by_connection.end()) return nullptr;
  const Budget &budget = *found->second.budget;
  return budget.is_parked(now_ms()) ? &budget.known() : nullptr;
}

void unpark(Budgets *budgets, int64 connection_id) {
  guard([&] {
    const auto found = budgets->by_connection.find(connection_id);
    if (found == budgets->by_connection.end()) return;
    found->second.budget->unpark();
    budgets->untold.insert(connection_id);
  });
}

int64 provider_key(const char *provider_name) {
  return static_cast<int64>(std::hash<std::string_view>()(provider_name));
}

void load_budgets(Budgets *budgets, int worker, int workers) {
  sql("DELETE FROM supaglue_internal.rate_limits l WHERE NOT EXISTS ("
      " SELECT FROM supaglue_internal.connections n WHERE n.id = l.connection_id)");
  sql("SELECT l.connection_id, p.name, l.parked_until, l.parked_for = 'quota'"
      " FROM supaglue_internal.rate_limits l"
      " JOIN supaglue_internal.connections n ON n.id = l.connection_id"
      " JOIN supaglue_internal.providers p ON p.id = n.provider_id"
      " WHERE l.parked_until > pg_catalog.clock_timestamp() AND l.connection_id % $1 = $2",
      {int_arg(workers), int_arg(worker)});
  const int64 now = now_ms();
  for (uint64 row = 0; row < SPI_tuptable->numvals; ++row) {
    const int64 connection_id = int_at(row, 1);
    const char *provider_name = text_at(row, 2);
    const int64 until_ms = ms_of_time(time_at(row, 3));
    const ErrorClass cause = bool_at(row, 4) ? ErrorClass::kQuota : ErrorClass::kTransient;
    guard([&] {
      if (budgets->by_connection.count(connection_id) > 0) return;  // we know better
      budget_of(budgets, connection_id, provider_name)->park(until_ms, cause, now);
      ToldBudget &entry = budgets->by_connection.at(connection_id);
      entry.told = entry.budget->known();
      entry.told_at_ms = now;
    });
  }
}

void tell_budgets(Budgets *budgets) {
  const int64 now = now_ms();
  if (budgets->untold.empty() || now < budgets->next_telling_ms) return;
  budgets->next_telling_ms = now + kTellingMs;
  auto *news = static_cast<News *>(palloc(sizeof(News) * budgets->untold.size()));
  const size_t count = guard([&] {
    News *next = news;
    std::erase_if(budgets->untold, [&](int64 connection_id) {
      ToldBudget &entry = budgets->by_connection.at(connection_id);
      const KnownLimits &known = entry.budget->known();
      if (!worth_telling(entry.told, entry.told_at_ms, known, now))
        return known.seen_at_ms == entry.told.seen_at_ms || entry.told_at_ms == 0;
      *next++ = {connection_id, known};
      entry.told = known;
      entry.told_at_ms = now;
      return true;
    });
    return static_cast<size_t>(next - news);
  });
  if (count == 0) return;
  // A row that cannot be written now is written with the next change.
  work([&] {
    for (size_t i = 0; i < count; ++i) write_row(&news[i]);
  });
}

}  // namespace supaglue
