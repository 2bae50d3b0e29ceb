// pg: records as a statement takes them: an array for each column.
#pragma once

#include "page.hpp"
#include "pg.hpp"

namespace supaglue {

struct Text;

/// The columns of some records, in the current context; their bytes are the page's.
struct RecordColumns {
  Text *ids, *raws;
  TimestampTz *stamps;
  bool *deleted;
};
RecordColumns columns_of(const Record *const *records, int count);
/// Their ids alone.
Text *ids_of(const Record *const *records, int count);
Text *texts_of(const std::string_view *texts, int count);

}  // namespace supaglue
