// pg: prepared statements with their plans. A plan is made once for tables of any size: no
// statistics, taken while a table was empty say, make it read all of a table. It must not know what
// the statements are for.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "pg.hpp"

namespace supaglue {

class Plans {
 public:
  Plans() = default;
  Plans(const Plans &) = delete;
  Plans &operator=(const Plans &) = delete;
  ~Plans();
  /// A statement with arguments of these types, prepared when it is not here yet. Its relations are
  /// those that the names mean now, and are locked, so that they stay so. SPI is connected.
  SPIPlanPtr prepared(const char *statement, const Oid *types, int count);
  /// Frees what is void, and when there are many plans, those that were used longest ago. None may
  /// be executing.
  void trim();

 private:
  struct Plan {
    SPIPlanPtr plan;
    uint64 used;  // the greater the later
  };
  std::map<std::string, Plan> by_statement_;
  std::vector<SPIPlanPtr> void_;
  uint64 uses_ = 0;
};

/// Plans a prepared statement unless it is; as the role that we act as, whose code it may run.
void plan_for_any_size(SPIPlanPtr plan);

/// The plans of a process that runs the same statements again and again, which says so once; until
/// then, and in the sessions of users, null.
Plans *plans_of_process();
void keep_plans();

}  // namespace supaglue
