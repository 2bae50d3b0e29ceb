// pg: records as columns. See record_columns.hpp.
#include "stamp.hpp"

#include "destination.hpp"
#include "pg.hpp"
#include "record_columns.hpp"
#include "sql.hpp"

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

Text *texts_of(const std::string_view *texts, int count) {
  auto *result = array_for<Text>(count);
  for (int i = 0; i < count; ++i) result[i] = text_of(texts[i]);
  return result;
}

RecordColumns columns_of(const Record *const *records, int count) {
  const RecordColumns columns = {ids_of(records, count), array_for<Text>(count),
                                 array_for<TimestampTz>(count), array_for<bool>(count)};
  guard([&] {
    for (int i = 0; i < count; ++i) {
      const Record &record = *records[i];
      const auto stamp = read_stamp(record.modified);
      columns.raws[i] = text_of(record.raw);
      columns.stamps[i] = stamp ? time_of_ms(*stamp) : DT_NOBEGIN;
      columns.deleted[i] = record.deleted;
    }
  });
  return columns;
}

}  // namespace supaglue
