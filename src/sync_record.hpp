// pg: the record of a sync's last run that a remote destination has, in _supaglue_syncs, committed
// with the run's rows: what was written there is known without this server's memory of it.
#pragma once

#include "destination.hpp"
#include "pg.hpp"
#include "run.hpp"
#include "sync.hpp"

namespace supaglue {

/// When a server's database was adopted, and its timeline.
struct Epoch {
  TimestampTz adopted_at;
  int64 timeline;
};
Epoch epoch_of_here();

struct SyncRecord {
  const char *table_name;
  const char *source;  // the database that wrote it
  Epoch epoch;         // of its server
  int64 run_id;
  TimestampTz started_at;  // with it a run's id is the same on no other server
  TimestampTz emitted_at;
  TimestampTz watermark;  // DT_NOBEGIN: none
  int64 records_read, inserted, updated, unchanged, deleted, rejected;
  bool rows_stored;
};

/// Locks the record until the end of the transaction there. Null: there is none, or no need for one
/// because the destination is this database.
const SyncRecord *lock_record(Destination *destination, const Sync *sync);
/// The same of many syncs of one remote destination.
void lock_records(Destination *destination, const Sync *const *syncs, int count,
                  const SyncRecord **records);

/// Whether it is of this very run, which was committed there though this server did not live to
/// note it.
bool is_of_run(const SyncRecord *record, const Run *run);
/// Whether what was committed there of it is what is fetched: not so when this server lost the end
/// of the fetch, too, and fetched it again.
bool is_of_fetch(const SyncRecord *record, const Sync *sync, const Run *run);
/// Gives that run the emitted_at, the counts and rows_stored that it had.
void take_over(const SyncRecord *record, Run *run);

/// Writes the records of syncs of one remote destination, by the end of the transaction.
void write_records(Destination *destination, const Sync *const *syncs, const Run *const *runs,
                   int count);

}  // namespace supaglue
