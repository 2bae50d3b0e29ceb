// pure: the agenda of a fetcher. See agenda.hpp.
#include "agenda.hpp"

#include <limits>

#include "pure.hpp"

namespace supaglue {

void Agenda::clear() {
  entries_.clear();
  by_time_.clear();
  by_provider_.clear();
}

void Agenda::put(const Entry &entry) {
  remove(entry.sync_id);
  entries_.emplace(entry.sync_id, entry);
  by_time_.emplace(entry.due_ms, entry.sync_id);
  ++by_provider_[entry.provider_id];
}

void Agenda::remove(int64_t sync_id) {
  const auto found = entries_.find(sync_id);
  if (found == entries_.end()) return;
  by_time_.erase({found->second.due_ms, sync_id});
  const auto provider = by_provider_.find(found->second.provider_id);
  if (--provider->second == 0) by_provider_.erase(provider);
  entries_.erase(found);
}

void Agenda::postpone(int64_t sync_id, int64_t until_ms) {
  const auto found = entries_.find(sync_id);
  if (found == entries_.end() || found->second.due_ms >= until_ms) return;
  Entry later = found->second;
  later.due_ms = until_ms;
  put(later);
}

std::vector<int64_t> Agenda::due(int64_t now_ms, size_t most,
                                 const std::function<bool(const Entry &)> &admit) const {
  std::vector<int64_t> syncs;
  for (const auto &[due_ms, sync_id] : by_time_) {
    if (due_ms > now_ms || syncs.size() >= most) break;
    if (admit(entries_.at(sync_id))) syncs.push_back(sync_id);
  }
  return syncs;
}

int64_t Agenda::next_after(int64_t now_ms) const {
  const auto next = by_time_.upper_bound({now_ms, std::numeric_limits<int64_t>::max()});
  return next == by_time_.end() ? 0 : next->first;
}

}  // namespace supaglue
