// pure: the agenda of a fetcher. See agenda.hpp.
#include "agenda.hpp"

#include <algorithm>
#include <limits>

#include "pure.hpp"

namespace supaglue {

namespace {
constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
}

void Agenda::clear() {
  entries_.clear();
  by_provider_.clear();
}

void Agenda::put(const Entry &entry) {
  remove(entry.sync_id);
  entries_.emplace(entry.sync_id, entry);
  by_provider_[entry.provider_id].emplace(entry.due_ms, entry.sync_id);
}

void Agenda::remove(int64_t sync_id) {
  const auto found = entries_.find(sync_id);
  if (found == entries_.end()) return;
  const auto provider = by_provider_.find(found->second.provider_id);
  provider->second.erase({found->second.due_ms, sync_id});
  if (provider->second.empty()) by_provider_.erase(provider);
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
                                 const std::function<Verdict(const Entry &)> &judge) const {
  struct Due {
    Queue::const_iterator next, end;
  };
  std::vector<Due> queues;
  for (const auto &[provider_id, queue] : by_provider_)
    queues.push_back({queue.begin(), queue.upper_bound({now_ms, kMost})});
  std::vector<int64_t> syncs;
  while (syncs.size() < most) {
    std::erase_if(queues, [](const Due &queue) { return queue.next == queue.end; });
    const auto longest = std::min_element(
        queues.begin(), queues.end(), [](const Due &a, const Due &b) { return *a.next < *b.next; });
    if (longest == queues.end()) break;
    const int64_t sync_id = (longest->next++)->second;
    const Verdict verdict = judge(entries_.at(sync_id));
    if (verdict == Verdict::kBegins) syncs.push_back(sync_id);
    if (verdict == Verdict::kProviderWaits) longest->next = longest->end;
    if (verdict == Verdict::kAllWait) break;
  }
  return syncs;
}

bool Agenda::is_due(int64_t now_ms) const {
  return std::any_of(by_provider_.begin(), by_provider_.end(),
                     [&](const auto &entry) { return entry.second.begin()->first <= now_ms; });
}

int64_t Agenda::next_after(int64_t now_ms) const {
  int64_t first = 0;
  for (const auto &[provider_id, queue] : by_provider_) {
    const auto next = queue.upper_bound({now_ms, kMost});
    if (next != queue.end() && (first == 0 || next->first < first)) first = next->first;
  }
  return first;
}

}  // namespace supaglue
