// pg: prepared statements with their plans. See plans.hpp.
#include "plans.hpp"

#include <algorithm>
#include <functional>

#include "pg.hpp"

namespace supaglue {

namespace {

constexpr size_t kMost = 400;

Plans *of_process = nullptr;

/// Whether a plan still means what its statement says. With the locks it goes on to do so.
bool lock_relations(SPIPlanPtr plan) {
  bool valid = true;
  const ListCell *source;
  foreach (source, SPI_plan_get_plan_sources(plan)) {
    const auto *cached = static_cast<const CachedPlanSource *>(lfirst(source));
    const ListCell *relation;
    foreach (relation, cached->relationOids) LockRelationOid(lfirst_oid(relation), AccessShareLock);
    valid = valid && cached->is_valid;
  }
  return valid;
}

SPIPlanPtr prepare(const char *statement, const Oid *types, int count) {
  SPIPlanPtr made =
      SPI_prepare_cursor(statement, count, const_cast<Oid *>(types), CURSOR_OPT_GENERIC_PLAN);
  if (made == nullptr) elog(ERROR, "cannot prepare: %s", SPI_result_code_string(SPI_result));
  if (SPI_keepplan(made) != 0) elog(ERROR, "cannot keep a plan");
  return made;
}

}  // namespace

Plans::~Plans() {
  for (const auto &[statement, plan] : by_statement_)
    if (plan.plan != nullptr) SPI_freeplan(plan.plan);
  for (const SPIPlanPtr plan : void_) SPI_freeplan(plan);
}

SPIPlanPtr Plans::prepared(const char *statement, const Oid *types, int count) {
  Plan *plan = guard([&] {
    std::string key(statement);
    key.append(reinterpret_cast<const char *>(types), sizeof(Oid) * static_cast<size_t>(count));
    return &by_statement_.try_emplace(std::move(key), Plan{nullptr, 0}).first->second;
  });
  plan->used = ++uses_;
  if (plan->plan != nullptr && !lock_relations(plan->plan)) {
    guard([&] { void_.push_back(plan->plan); });
    plan->plan = nullptr;
  }
  if (plan->plan == nullptr) plan->plan = prepare(statement, types, count);
  return plan->plan;
}

void Plans::trim() {
  const size_t count = by_statement_.size();
  if (void_.empty() && count <= kMost) return;
  auto *gone = static_cast<SPIPlanPtr *>(palloc0(sizeof(SPIPlanPtr) * (count + void_.size())));
  const size_t gone_count = guard([&] {
    size_t found = 0;
    for (const SPIPlanPtr plan : void_) gone[found++] = plan;
    void_.clear();
    if (count <= kMost) return found;
    std::vector<uint64> uses;
    for (const auto &[statement, plan] : by_statement_) uses.push_back(plan.used);
    std::nth_element(uses.begin(), uses.begin() + kMost / 2, uses.end(), std::greater<>());
    std::erase_if(by_statement_, [&, last = uses[kMost / 2]](const auto &entry) {
      if (entry.second.used > last) return false;
      if (entry.second.plan != nullptr) gone[found++] = entry.second.plan;
      return true;
    });
    return found;
  });
  for (size_t i = 0; i < gone_count; ++i) SPI_freeplan(gone[i]);
  pfree(gone);
}

void plan_for_any_size(SPIPlanPtr plan) {
  // The settings hold while planning only, because triggers of users keep plans of their own.
  const int level = NewGUCNestLevel();
  for (const char *name : {"enable_seqscan", "enable_bitmapscan", "enable_hashjoin",
                           "enable_mergejoin", "enable_material", "jit"})
    set_config_option(name, "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
  CachedPlan *cached = SPI_plan_get_cached_plan(plan);
  if (cached != nullptr) ReleaseCachedPlan(cached, CurrentResourceOwner);
  AtEOXact_GUC(false, level);
}

Plans *plans_of_process() { return of_process; }

void keep_plans() { of_process = make_in<Plans>(TopMemoryContext); }

}  // namespace supaglue
