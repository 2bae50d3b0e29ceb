// pure: see batch.hpp.
#include "batch.hpp"

#include <algorithm>
#include <functional>

#include "pure.hpp"

namespace supaglue {

void newest_versions(const Page &page, std::vector<const Record *> *newest) {
  newest->clear();
  newest->reserve(page.records.size());
  for (const Record &record : page.records) newest->push_back(&record);
  // Nearly always they come like that.
  const auto is_before = [](const Record *a, const Record *b) { return a->id < b->id; };
  if (std::adjacent_find(newest->begin(), newest->end(), std::not_fn(is_before)) == newest->end())
    return;
  std::stable_sort(newest->begin(), newest->end(), [](const Record *a, const Record *b) {
    return a->id != b->id ? a->id < b->id : a->modified < b->modified;
  });
  // Backwards, the newest of an id comes first, and unique() keeps the first.
  const auto same_id = [](const Record *a, const Record *b) { return a->id == b->id; };
  const auto kept = std::unique(newest->rbegin(), newest->rend(), same_id);
  newest->erase(newest->begin(), kept.base());
}

size_t keep_ids_of_unchanged(Page *page, const std::vector<const Record *> &newest,
                             const std::vector<bool> &changed) {
  std::vector<std::string_view> unchanged;  // sorted, as `newest` is
  for (size_t i = 0; i < newest.size(); ++i)
    if (!changed[i] && !newest[i]->deleted) unchanged.push_back(newest[i]->id);
  std::erase_if(page->records, [&](const Record &record) {
    if (!std::binary_search(unchanged.begin(), unchanged.end(), record.id)) return false;
    page->unchanged.push_back(record.id);
    return true;
  });
  return unchanged.size();
}

}  // namespace supaglue
