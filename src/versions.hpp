// pg: versions of records, column by column, as statements take them.
#pragma once

#include <string_view>

#include "destination.hpp"
#include "page.hpp"
#include "pg.hpp"

namespace supaglue {

struct Versions {
  int count;
  Text *ids, *raws;
  TimestampTz *stamps;
  bool *deleted;
};

/// Some records, in the current context; their bytes are the page's.
Versions versions_of(const Record *const *records, int count);
/// Their ids alone.
Text *ids_of(const Record *const *records, int count);

}  // namespace supaglue
