// pure: the agenda of a fetcher: when each of its syncs is due, in the order of time. It keeps no
// clock and makes no decision of its own; the database is the truth, this is its image in memory.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "pure.hpp"

namespace supaglue {

class Agenda {
 public:
  struct Entry {
    int64_t sync_id, connection_id, provider_id;
    int64_t due_ms;  // 0: somebody asked for it
  };
  void clear();
  /// Sets when a sync is due (milliseconds since 1970), whether it was known or not.
  void put(const Entry &entry);
  void remove(int64_t sync_id);
  /// A sync that is known is not due before that time.
  void postpone(int64_t sync_id, int64_t until_ms);
  size_t size() const { return entries_.size(); }
  /// What becomes of a sync that is due: it begins, or has to wait, and with it, as the case may
  /// be, all of its provider that have been due for less long, or all there are.
  enum class Verdict { kBegins, kWaits, kProviderWaits, kAllWait };
  /// The syncs that are due and may begin, longest due first, at most `most`.
  std::vector<int64_t> due(int64_t now_ms, size_t most,
                           const std::function<Verdict(const Entry &)> &judge) const;
  /// Whether any sync is due.
  bool is_due(int64_t now_ms) const;
  /// Whether it has syncs of several providers.
  bool is_shared() const { return by_provider_.size() > 1; }
  /// The first time after `now_ms` at which a sync is due; 0: none.
  int64_t next_after(int64_t now_ms) const;

 private:
  using Queue = std::set<std::pair<int64_t, int64_t>>;  // (due, sync)
  std::unordered_map<int64_t, Entry> entries_;
  std::map<int64_t, Queue> by_provider_;  // none is empty
};

}  // namespace supaglue
