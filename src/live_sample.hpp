// pg: ANALYZE of live tables: a sample of rows, and how many there are.
#pragma once

#include "pg.hpp"

namespace supaglue {

bool sample_live_table(Relation relation, AcquireSampleRowsFunc *sample, BlockNumber *pages);

}  // namespace supaglue
