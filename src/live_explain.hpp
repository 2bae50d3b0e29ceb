// pg: what EXPLAIN shows of a foreign scan: whom it asks, the request in the provider's words, and
// what it cost. It must not use the network.
#pragma once

#include "live_scan.hpp"
#include "pg.hpp"

namespace supaglue {

/// `scan` is null before the execution.
void explain_live_scan(ForeignScanState *node, const LiveScan *scan, ExplainState *out);

}  // namespace supaglue
