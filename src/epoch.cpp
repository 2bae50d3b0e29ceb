// pg: which server may write at a remote destination. See epoch.hpp.
#include "epoch.hpp"

#include "pg.hpp"
#include "sql.hpp"
#include "table.hpp"

namespace supaglue {

namespace {

/// What the destination says of the last run of a sync.
struct LastRun {
  int64 run_id;
  const char *started_at;  // with it a run's id is the same on no other server
  TimestampTz emitted_at;
  Epoch epoch;
};

/// Null: it says nothing.
LastRun *lock_record(Destination *destination, const Sync *sync) {
  const uint64 found = destination->execute(
      format(R"(SELECT run_id, (extract(epoch FROM emitted_at) * 1000000)::bigint,
  (extract(epoch FROM adopted_at) * 1000000)::bigint, timeline, started_at
FROM %s
WHERE application_id = $1::text AND customer_id = $2::text AND provider_name = $3::text
  AND object_type = $4::text AND object = $5::text AND table_name = $6::text
FOR NO KEY UPDATE)",
             syncs_table(sync->schema_name)),
      {value_of(sync->application_id), value_of(sync->customer_id), value_of(sync->provider_name),
       value_of(sync->object_type), value_of(sync->object), value_of(sync->table_name)});
  if (found == 0) return nullptr;
  const auto number = [&](int column) {
    const char *text = destination->field(0, column);
    return text == nullptr ? int64{0} : static_cast<int64>(strtoll(text, nullptr, 10));
  };
  auto *record = static_cast<LastRun *>(palloc(sizeof(LastRun)));
  const char *started_at = destination->field(0, 4);
  *record = {number(0),
             started_at == nullptr ? nullptr : pstrdup(started_at),
             time_of_ms(0) + number(1),
             {time_of_ms(0) + number(2), number(3)}};
  return record;
}

/// Whether the run is one of this very server's, whatever became of it here.
bool is_known(const Sync *sync, const LastRun *run) {
  return sql("SELECT FROM supaglue_internal.run_log"
             " WHERE id = $1 AND sync_id = $2 AND started_at = $3::timestamptz",
             {int_arg(run->run_id), int_arg(sync->id), text_arg(run->started_at)}) > 0;
}

[[noreturn]] void refuse(const Destination *destination, const Sync *sync, const char *why) {
  ereport(ERROR,
          (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
           errmsg("another server has written the rows of sync " INT64_FORMAT " to %s", sync->id,
                  destination->label()),
           errdetail_internal("%s", why),
           errhint("If this server is the one that shall go on, call supaglue.adopt_database(); "
                   "if not, set supaglue.enabled to off.")));
  pg_unreachable();
}

}  // namespace

Epoch epoch_of_here() {
  sql("SELECT adopted_at FROM supaglue_internal.installation");
  return {SPI_processed == 0 ? time_of_ms(0) : time_at(0, 1),
          static_cast<int64>(GetWALInsertionTimeLine())};
}

bool heed_record(Destination *destination, Sync *sync, const Run *run) {
  if (!destination->is_remote()) return true;
  const LastRun *record = lock_record(destination, sync);
  const bool has_run = !TIMESTAMP_IS_NOBEGIN(sync->emitted_at) && sync->rows_stored;
  if (record == nullptr) return run->full || !has_run;
  const Epoch here = epoch_of_here(), there = record->epoch;
  if (there.adopted_at > here.adopted_at)
    refuse(destination, sync, "It was configured, or adopted its database, later than this one.");
  const bool same = there.adopted_at == here.adopted_at;
  if (same && there.timeline > here.timeline)
    refuse(destination, sync, "It was promoted after this one had been left behind.");
  const bool is_new = TIMESTAMP_IS_NOBEGIN(sync->emitted_at);
  const bool is_ahead = !is_new && record->emitted_at > sync->emitted_at;
  if (is_ahead && same && there.timeline == here.timeline && !is_known(sync, record))
    refuse(destination, sync,
           "The rows there are newer than what this server knows of: it is an older copy.");
  const bool is_behind = has_run && record->emitted_at < sync->emitted_at;
  // Also a successor's runs come after those of the server that it succeeds.
  if (is_new || is_ahead) sync->emitted_at = record->emitted_at;
  return run->full || !is_behind;
}

}  // namespace supaglue
