// pg: the execution of one foreign scan: connection after connection, it reads the provider's pages
// and makes rows of their records. What the planner decided comes in by the plan's private part. It
// must not plan.
#pragma once

#include "narrowing.hpp"
#include "pg.hpp"

namespace supaglue {

/// The columns of a live table; they are known by their names.
enum class LiveColumn {
  kApplicationId,
  kCustomerId,
  kProviderName,
  kId,
  kEmittedAt,
  kIsDeleted,
  kRawData,
  kLastModifiedAt,
};
constexpr const char *kCustomerIdName = "_supaglue_customer_id";
constexpr const char *kIdName = "id";

/// The plan's fdw_private: lists of integers. Its fdw_exprs are the values of the narrowings that
/// there are: the customers' first, then the ids'.
enum PlanPart {
  kNeededColumns,  // attribute numbers; 0: the whole row
  kForms,          // Narrowing::Form of the customers and of the ids
};

struct LiveScan;

LiveScan *begin_live_scan(ForeignScanState *node);
/// Fills and returns the node's slot; an empty one at the end.
TupleTableSlot *next_live_row(LiveScan *scan);
void restart_live_scan(LiveScan *scan);
void end_live_scan(LiveScan *scan);
int64 live_scan_requests(const LiveScan *scan);
/// The request and the customers of a plan, in words and without the network.
void explain_live_scan(ForeignScanState *node, ExplainState *out);

}  // namespace supaglue
