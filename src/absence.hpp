// pg: the stored rows that a complete full run, or a sweep, did not see: finds them, and marks them
// as deleted, or holds them when they are too many. It walks ids only, however many there are.
#pragma once

#include <vector>

#include "destination.hpp"
#include "pg.hpp"
#include "run.hpp"
#include "sync.hpp"

namespace supaglue {

/// What becomes of the absent: the run's merge, its table and its stamp.
struct AbsentMarking {
  Destination *destination;
  const Sync *sync;
  Run *run;
  const char *table;  // quoted
  const char *emitted_at;
};

struct Absence;
struct Postponed;

/// Begins to remember what a full run sees, in the current memory context.
Absence *begin_absence(const AbsentMarking *marking);
void note_seen(Absence *absence, const std::vector<const Record *> *records);
/// The same of records of which it is counted on that they are stored.
void note_stored(Absence *absence, const std::vector<std::string_view> *ids);
/// After the last page: marks what is absent, or holds it; adds to run->deleted, sets run->held.
/// On its way it tells `postponed`, unless that is null, of each record how often the run has seen
/// it. Nothing is marked when rows that were counted on are not stored.
struct Settled {
  int64 different;  // records that the run has seen
  int64 lost;       // rows that were counted on
};
Settled settle_absent(Absence *absence, Postponed *postponed);
/// Instead of that, when nothing can be absent.
void end_absence(Absence *absence);

/// Marks what the sync holds.
void mark_held(const AbsentMarking *marking);

}  // namespace supaglue
