// pg: which server may write the rows of a sync at a remote destination, when there is more than
// one that would: the one whose database was adopted last, and of a failed-over cluster the one on
// the newest timeline. The record of the sync there says who wrote last. It must not know how rows
// are merged.
#pragma once

#include "destination.hpp"
#include "pg.hpp"
#include "run.hpp"
#include "sync.hpp"

namespace supaglue {

/// When this database was adopted, and the timeline of its server.
struct Epoch {
  TimestampTz adopted_at;
  int64 timeline;
};
Epoch epoch_of_here();

/// Locks the record of a sync at a remote destination until the end of the transaction there.
/// Raises 55000 when a newer server has written the rows, or when this one knows less than the
/// record says: then it is an older copy. False: the record, and so the rows, are from before the
/// sync's last run, and must be read in full. What the record says of the last emitted_at is taken
/// over.
bool heed_record(Destination *destination, Sync *sync, const Run *run);

}  // namespace supaglue
