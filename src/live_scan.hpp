// pg: the execution of one foreign scan: it reads the connections that the query is about, several
// at once, and makes rows of their records. What the planner decided comes in by the plan's private
// part. It must not plan.
#pragma once

#include "live_plan.hpp"
#include "pg.hpp"

namespace supaglue {

struct LiveScan;

LiveScan *begin_live_scan(ForeignScanState *node);
/// Fills and returns the node's slot; an empty one at the end, and when an asynchronous scan has to
/// wait.
TupleTableSlot *next_live_row(LiveScan *scan);
void restart_live_scan(LiveScan *scan);
void end_live_scan(LiveScan *scan);

/// Whether the last row was missing only because the network has not answered yet, and when to ask
/// again though it stays silent (0: never).
bool live_scan_waits(const LiveScan *scan, int64 *wake_at_ms);

/// What it cost until now.
struct LiveCosts {
  int64 requests, records, bytes;
};
LiveCosts live_scan_costs(const LiveScan *scan);

}  // namespace supaglue
