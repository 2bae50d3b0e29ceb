// pure: see batch.hpp.
#include "batch.hpp"

#include <algorithm>

#include "pure.hpp"

namespace supaglue {

void newest_versions(const Page &page, std::vector<const Record *> *newest) {
  newest->clear();
  newest->reserve(page.records.size());
  for (const Record &record : page.records) newest->push_back(&record);
  std::stable_sort(newest->begin(), newest->end(), [](const Record *a, const Record *b) {
    return a->id != b->id ? a->id < b->id : a->modified < b->modified;
  });
  // Backwards, the newest of an id comes first, and unique() keeps the first.
  const auto same_id = [](const Record *a, const Record *b) { return a->id == b->id; };
  const auto kept = std::unique(newest->rbegin(), newest->rend(), same_id);
  newest->erase(newest->begin(), kept.base());
}

}  // namespace supaglue
