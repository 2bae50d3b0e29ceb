// pg: versions of records. See versions.hpp.
#include "stamp.hpp"

#include "pg.hpp"
#include "sql.hpp"
#include "versions.hpp"

namespace supaglue {

namespace {

Text text_of(std::string_view text) { return {text.data(), static_cast<int>(text.size())}; }

template <typename Element>
Element *array_for(int count) {
  return static_cast<Element *>(palloc(sizeof(Element) * static_cast<size_t>(Max(count, 1))));
}

}  // namespace

Text *ids_of(const Record *const *records, int count) {
  auto *ids = array_for<Text>(count);
  for (int i = 0; i < count; ++i) ids[i] = text_of(records[i]->id);
  return ids;
}

Versions versions_of(const Record *const *records, int count) {
  const Versions versions = {count, ids_of(records, count), array_for<Text>(count),
                             array_for<TimestampTz>(count), array_for<bool>(count)};
  guard([&] {
    for (int i = 0; i < count; ++i) {
      const Record &record = *records[i];
      const auto stamp = read_stamp(record.modified);
      versions.raws[i] = text_of(record.raw);
      versions.stamps[i] = stamp ? time_of_ms(*stamp) : DT_NOBEGIN;
      versions.deleted[i] = record.deleted;
    }
  });
  return versions;
}

}  // namespace supaglue
