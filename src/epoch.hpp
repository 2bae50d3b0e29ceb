// pg: which server may write the rows of a sync at a remote destination, when there is more than
// one that would: the one whose database was adopted last, and of a failed-over cluster the one on
// the newest timeline. The record of the sync there says who wrote last. It must not know how rows
// are merged.
#pragma once

#include "destination.hpp"
#include "pg.hpp"
#include "run.hpp"
#include "sync.hpp"
#include "sync_record.hpp"

namespace supaglue {

/// Looks at the record of a sync at a remote destination, which is locked. Raises 55000 when a
/// newer server has written the rows, or when this one knows less than the record says: then it is
/// an older copy. False: the record, and so the rows, are from before the sync's last run, and must
/// be read in full. What the record says of the last emitted_at is taken over.
bool heed_record(const Destination *destination, const SyncRecord *record, Sync *sync,
                 const Run *run);

}  // namespace supaglue
