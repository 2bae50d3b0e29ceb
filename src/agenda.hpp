// pure: the agenda of a fetcher: when each of its syncs is due, in the order of time. It keeps no
// clock and makes no decision of its own; the database is the truth, this is its image in memory.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "pure.hpp"

namespace supaglue {

class Agenda {
 public:
  void clear();
  /// Sets when a sync is due (milliseconds since 1970), whether it was known or not.
  void put(int64_t sync_id, int64_t connection_id, int64_t due_ms);
  void remove(int64_t sync_id);
  /// A sync that is known is not due before that time.
  void postpone(int64_t sync_id, int64_t until_ms);
  size_t size() const { return entries_.size(); }
  /// The syncs that are due, longest due first, at most `most`, and at most as many of a connection
  /// as `room` says it has left.
  std::vector<int64_t> due(int64_t now_ms, size_t most,
                           const std::function<int(int64_t connection_id)> &room) const;
  /// The first time after `now_ms` at which a sync is due; 0: none.
  int64_t next_after(int64_t now_ms) const;

 private:
  struct Entry {
    int64_t connection_id;
    int64_t due_ms;
  };
  std::unordered_map<int64_t, Entry> entries_;
  std::set<std::pair<int64_t, int64_t>> by_time_;  // (due, sync)
};

}  // namespace supaglue
