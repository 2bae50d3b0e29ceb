// pg: runs that found nothing new, which most are: many of them are ended in one transaction, with
// all that the end of a run writes. It writes no rows of destinations.
#pragma once

#include "pg.hpp"

namespace supaglue {

/// What became of them.
struct QuietEnd {
  int ended;
  int left;          // to be merged one by one
  TimestampTz look;  // how long it took to find them (us)
  bool more;         // there may be others, for which there was no room
};

/// Ends such runs to this database in the caller's transaction, some at a time. Those whose table
/// lost what was written, or cannot be looked into, are left.
QuietEnd end_quiet_runs();
/// The same of runs to one remote destination, which are written there in one transaction, too. If
/// it is away, they are all postponed.
QuietEnd end_quiet_runs_there();

}  // namespace supaglue
