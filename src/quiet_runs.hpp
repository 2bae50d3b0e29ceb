// pg: runs that found nothing new, which most are: many of them are ended in one transaction, with
// all that the end of a run writes. It writes no rows of destinations.
#pragma once

#include "pg.hpp"

namespace supaglue {

/// What became of them: there were none, or all were ended, or some left.
enum class QuietEnd { kNone, kAll, kLeft };

/// Ends such runs in the caller's transaction. Those whose table lost what was written, or cannot
/// be looked into, are left to be merged one by one.
QuietEnd end_quiet_runs();

}  // namespace supaglue
