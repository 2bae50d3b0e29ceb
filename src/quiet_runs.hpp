// pg: runs that found nothing new, which most are: many of them are ended in one transaction, with
// all that the end of a run writes. It writes no rows of destinations.
#pragma once

#include "pg.hpp"

namespace supaglue {

/// Ends such runs in the caller's transaction. Those whose table lost what was written, or cannot
/// be looked into, are left to be merged one by one; true: there are such.
bool end_quiet_runs();

}  // namespace supaglue
