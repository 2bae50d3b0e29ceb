// pg: the budgets of a fetcher's connections: in memory, where they are kept, and as rows, for
// people and for its successor. It must not know runs.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "budget.hpp"
#include "pg.hpp"

namespace supaglue {

struct ToldBudget {
  std::shared_ptr<Budget> budget;
  std::string provider_name;
  KnownLimits told;  // by the row
  int64 told_at_ms = 0;
};

struct Budgets {
  std::map<int64, ToldBudget> by_connection;
  std::set<int64> untold;  // connections of which something may be worth telling
  int64 next_telling_ms = 0;
};

/// The budget of a connection, a new one if need be. Throws: for guard().
const std::shared_ptr<Budget> &budget_of(Budgets *budgets, int64 connection_id,
                                         const char *provider_name);
/// What is known of a connection that is to be asked nothing now; null: it may be asked.
const KnownLimits *parked(const Budgets *budgets, int64 connection_id);
/// Lets a connection be asked: somebody wants to see what comes.
void unpark(Budgets *budgets, int64 connection_id);
/// One number for all of a provider's connections, whatever their application.
int64 provider_key(const char *provider_name);

/// Reads the parkings that a predecessor left, and deletes rows of connections that are no more.
/// In a transaction, as the next.
void load_budgets(Budgets *budgets, int worker, int workers);
/// Writes what is worth telling, in a transaction of its own, about once a second.
void tell_budgets(Budgets *budgets);

}  // namespace supaglue
