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

/// What the record of a sync at a remote destination, which is locked, says of a run that is to go
/// there. Without an objection the run does not go on when the record, and so the rows, are from
/// before the sync's last run, and must be read in full.
struct Judgement {
  bool goes_on;
  const char *objection;
};
/// It objects when a newer server has written the rows, or when this one knows less than the record
/// says: then it is an older copy. What the record says of the last emitted_at is taken over.
Judgement judge_record(const SyncRecord *record, Sync *sync, const Run *run);

/// The same of any destination; raises 55000 with the objection. False: read in full.
bool heed_record(const Destination *destination, const SyncRecord *record, Sync *sync,
                 const Run *run);

}  // namespace supaglue
