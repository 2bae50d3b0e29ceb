// pg: what a merger does next: the runs that wait, in their order, and those that found nothing,
// which are ended together. It must not know how a run is merged.
#pragma once

#include "fetched.hpp"
#include "pg.hpp"
#include "worker.hpp"

namespace supaglue {

/// The runs that wait, as they were a moment ago: the more there are or were of late, the longer it
/// takes to see them, and the longer what was seen is good.
struct MergeQueue {
  static constexpr int kMost = 256;
  WaitingRun runs[kMost];
  int count = 0;
  int next = 0;    // the first that had no turn yet
  int passed = 0;  // those that other mergers had
  TimestampTz good_until = 0;

  // Of runs that found nothing:
  TimestampTz together_from = 0;  // not before are more of them ended
  TimestampTz there_from = 0;     // the same of those to remote destinations
  TimestampTz alone_until = 0;    // some could not be ended together: each has its turn
  int64 left[kMost];              // those that waited when others were ended
  int left_count = 0;
};

/// Ends what is to be ended together, and returns the run whose turn it is then; 0: none, for so
/// long, unless something comes. `outcome`: whether this could be seen.
int64 next_turn(const Place *place, MergeQueue *queue, Outcome *outcome, int64 *rest_ms);
/// `ours`: the run was merged; false: another merger has it.
void end_turn(MergeQueue *queue, bool ours);

}  // namespace supaglue
