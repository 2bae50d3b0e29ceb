// pure: the agenda of a fetcher. See agenda.hpp.
#include "agenda.hpp"

#include <limits>

#include "pure.hpp"

namespace supaglue {

void Agenda::clear() {
  entries_.clear();
  by_time_.clear();
}

void Agenda::put(int64_t sync_id, int64_t connection_id, int64_t due_ms) {
  remove(sync_id);
  entries_.emplace(sync_id, Entry{connection_id, due_ms});
  by_time_.emplace(due_ms, sync_id);
}

void Agenda::remove(int64_t sync_id) {
  const auto found = entries_.find(sync_id);
  if (found == entries_.end()) return;
  by_time_.erase({found->second.due_ms, sync_id});
  entries_.erase(found);
}

void Agenda::postpone(int64_t sync_id, int64_t until_ms) {
  const auto found = entries_.find(sync_id);
  if (found == entries_.end() || found->second.due_ms >= until_ms) return;
  put(sync_id, int64_t{found->second.connection_id}, until_ms);
}

std::vector<int64_t> Agenda::due(int64_t now_ms, size_t most,
                                 const std::function<int(int64_t)> &room) const {
  std::vector<int64_t> syncs;
  std::unordered_map<int64_t, int> left;
  for (const auto &[due_ms, sync_id] : by_time_) {
    if (due_ms > now_ms || syncs.size() >= most) break;
    const int64_t connection_id = entries_.at(sync_id).connection_id;
    auto [here, is_new] = left.try_emplace(connection_id, 0);
    if (is_new) here->second = room(connection_id);
    if (here->second <= 0) continue;
    --here->second;
    syncs.push_back(sync_id);
  }
  return syncs;
}

int64_t Agenda::next_after(int64_t now_ms) const {
  const auto next = by_time_.upper_bound({now_ms, std::numeric_limits<int64_t>::max()});
  return next == by_time_.end() ? 0 : next->first;
}

}  // namespace supaglue
