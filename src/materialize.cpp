// pg: materialize(): a run of a sync here and now, in the caller's transaction, with the same
// reading and merge as the workers' and no spool.
#include "catalog.hpp"
#include "comparison.hpp"
#include "destination.hpp"
#include "epoch.hpp"
#include "held_deletions.hpp"
#include "merge.hpp"
#include "pg.hpp"
#include "placement.hpp"
#include "reading.hpp"
#include "reemit.hpp"
#include "run.hpp"
#include "sql.hpp"
#include "sync.hpp"
#include "sync_rows.hpp"
#include "time_argument.hpp"

namespace supaglue {

namespace {

/// The sync, and the right to run it until the transaction ends.
Sync *take_sync(int64 id) {
  if (installation_is_elsewhere())
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("this database is a copy of the one that the syncs belong to"),
                    errhint("Call supaglue.adopt_database() if the syncs shall run here.")));
  Sync *sync = load_sync(id, SyncLock::kNoWait);
  if (sync == nullptr)
    ereport(ERROR,
            (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("sync " INT64_FORMAT " does not exist", id),
             errhint("The view supaglue.syncs lists them; supaglue.sync_id() finds one.")));
  if (sync->remote_object == nullptr)
    ereport(ERROR, (errcode(ERRCODE_FDW_TABLE_NOT_FOUND),
                    errmsg("entity \"%s\" is not mapped for customer \"%s\"", sync->object,
                           sync->customer_id),
                    errhint("Call supaglue.set_entity_mapping().")));
  // A worker's run outlives its transactions: its lease is a row. The newest snapshot, because the
  // lock was only just had.
  if (sql_latest("SELECT FROM supaglue_internal.runs WHERE sync_id = $1", {int_arg(id)}) > 0)
    ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE), errmsg("sync " INT64_FORMAT " is running", id),
                    errhint("supaglue.wait_for_sync() waits for it.")));
  return sync;
}

/// Opens the merge before anything is read, because what it finds decides what must be read.
Merge *open_merge(Destination *destination, Sync *sync, Run *run) {
  place_sync(destination, sync, sync->metadata);
  bool holds;
  ask_what_is_stored(destination, sync, run, &holds);
  const bool is_recent = heed_record(destination, lock_record(destination, sync), sync, run);
  if (Merge *merge = is_recent ? begin_merge(destination, sync, run, holds) : nullptr) return merge;
  run->full = true;
  run->since = DT_NOBEGIN;
  warn(run, "the table had lost the rows of earlier runs, so everything was read again");
  return begin_merge(destination, sync, run, holds);
}

/// What the source has told of the object, before its first page is merged.
void note_metadata(Destination *destination, const Sync *sync, Run *run, const Reading *reading) {
  if (run->metadata != nullptr) return;
  run->metadata = reading_metadata(reading);
  if (run->metadata != nullptr &&
      (sync->metadata == nullptr || strcmp(run->metadata, sync->metadata) != 0))
    place_sync(destination, sync, run->metadata);
}

void read_and_merge(Destination *destination, const Sync *sync, Run *run, Merge *merge) {
  ReadingSpec spec = {};
  spec.connection_id = sync->connection_id;
  spec.provider_name = sync->provider_name;
  spec.object_type = sync->remote_type;
  spec.object = sync->remote_object;
  spec.since = TIMESTAMP_IS_NOBEGIN(run->since)
                   ? nullptr
                   : guarded_text([&] { return write_stamp(ms_of_time(run->since)); });
  spec.with_deleted = true;
  spec.runs_ahead = true;
  spec.metadata = must_describe(sync, run->full, run->started_at) ? nullptr : sync->metadata;
  spec.known = sync->metadata;
  spec.config = sync->config;
  Reading *reading = open_reading(CurrentMemoryContext, &spec);
  Comparison *comparison = nullptr;
  if (run->full && sync->rows_stored && !destination->is_remote()) {
    comparison = make_in<Comparison>(CurrentMemoryContext, *sync);
    comparison->here = open_here(sync->owner);
  }
  while (Page *page = next_page(reading)) {
    note_metadata(destination, sync, run, reading);
    if (comparison != nullptr) take_out_unchanged(comparison, page);
    merge_page(merge, page);
    CHECK_FOR_INTERRUPTS();
  }
  int64 provider_time_ms;
  reading_counts(reading, &run->requests, &run->bytes_received, &provider_time_ms,
                 &run->provider_count);
  if (provider_time_ms > 0) run->provider_time = time_of_ms(provider_time_ms);
  note_metadata(destination, sync, run, reading);
  if (!finish_merge(merge))
    ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                    errmsg("rows of %s.%s were deleted while the sync was materialized",
                           quote_identifier(sync->schema_name), quote_identifier(sync->table_name)),
                    errhint("Call materialize() again.")));
}

}  // namespace

}  // namespace supaglue

using namespace supaglue;

namespace {

/// The row of supaglue.sync_runs, in the memory of the caller of SPI.
Datum run_row(int64 run_id) {
  sql("SELECT r FROM supaglue.sync_runs AS r WHERE id = $1", {int_arg(run_id)});
  bool null;
  const Datum row = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null);
  return SPI_datumTransfer(row, false, -1);
}

/// Opens the merge of a run that works on the stored rows only.
Merge *open_merge_of_stored(Destination *destination, Sync *sync, Run *run) {
  place_sync(destination, sync, sync->metadata);
  bool holds;
  ask_what_is_stored(destination, sync, run, &holds);
  const bool is_recent = heed_record(destination, lock_record(destination, sync), sync, run);
  Merge *merge = is_recent ? begin_merge(destination, sync, run, holds) : nullptr;
  if (merge == nullptr)
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("the table of sync " INT64_FORMAT " has lost its rows", sync->id),
                    errhint("The next run reads them again; supaglue.materialize() does it now.")));
  return merge;
}

/// Such a run, from its beginning to its end; its row.
Datum run_without_reading(Sync *sync, Run *run) {
  Destination *destination = join_destination(sync->destination_id, sync->owner);
  static_cast<void>(finish_merge(open_merge_of_stored(destination, sync, run)));
  finish_run(sync, run);
  return run_row(run->id);
}

}  // namespace

SUPAGLUE_FUNCTION(supaglue_remap) {
  const int64 sync_id = int_argument(fcinfo, 0, "sync_id");
  PreventCommandIfReadOnly("remap()");
  PreventCommandDuringRecovery("remap()");
  const Api api = open_api();
  Sync *sync = take_sync(sync_id);
  sync->projection = nullptr;  // whatever the rows have
  const Datum result = run_without_reading(sync, plan_remap(sync));
  close_api(api);
  PG_RETURN_DATUM(result);
}

SUPAGLUE_FUNCTION(supaglue_confirm_deletions) {
  const int64 sync_id = int_argument(fcinfo, 0, "sync_id");
  PreventCommandIfReadOnly("confirm_deletions()");
  PreventCommandDuringRecovery("confirm_deletions()");
  const Api api = open_api();
  Sync *sync = take_sync(sync_id);
  if (!has_held(sync_id)) nothing_held(sync_id);
  const Datum result = run_without_reading(sync, plan_confirmation(sync));
  close_api(api);
  PG_RETURN_DATUM(result);
}

SUPAGLUE_FUNCTION(supaglue_reemit) {
  const int64 sync_id = int_argument(fcinfo, 0, "sync_id");
  const TimestampTz from = time_argument(fcinfo, 1, "from_time");
  PreventCommandIfReadOnly("reemit()");
  PreventCommandDuringRecovery("reemit()");
  const Api api = open_api();
  Sync *sync = take_sync(sync_id);
  Run *run = plan_remap(sync);
  run->reason = "manual";
  Destination *destination = join_destination(sync->destination_id, sync->owner);
  Merge *merge = open_merge_of_stored(destination, sync, run);
  run->updated += reemit_rows(destination, sync, from, run->emitted_at);
  finish_merge(merge);
  finish_run(sync, run);
  const Datum result = run_row(run->id);
  close_api(api);
  PG_RETURN_DATUM(result);
}

SUPAGLUE_FUNCTION(supaglue_materialize) {
  const int64 sync_id = int_argument(fcinfo, 0, "sync_id");
  const bool force_full = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1);
  PreventCommandIfReadOnly("materialize()");
  PreventCommandDuringRecovery("materialize()");
  const Api api = open_api();
  Sync *sync = take_sync(sync_id);
  Run *run = plan_run(sync, true, force_full);
  Destination *destination = join_destination(sync->destination_id, sync->owner);
  Merge *merge = open_merge(destination, sync, run);
  read_and_merge(destination, sync, run, merge);
  finish_run(sync, run);
  // It worked, so nobody refuses the connection any more. The token keeper may have said so
  // already.
  if (sql_latest("SELECT FROM supaglue_internal.connections WHERE id = $1 "
                 "AND status = 'reauthorization_required'",
                 {int_arg(sync->connection_id)}) > 0)
    readmit_connection(sync->connection_id);
  const Datum result = run_row(run->id);
  close_api(api);
  PG_RETURN_DATUM(result);
}
