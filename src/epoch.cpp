// pg: which server may write at a remote destination. See epoch.hpp.
#include "epoch.hpp"

#include "pg.hpp"
#include "sql.hpp"

namespace supaglue {

namespace {

/// Whether the run there is one of this very server's, whatever became of it here.
bool is_known(const SyncRecord *record, const Sync *sync, const Run *run) {
  return is_of_run(record, run) ||
         sql("SELECT FROM supaglue_internal.run_log"
             " WHERE id = $1 AND sync_id = $2 AND started_at = $3",
             {int_arg(record->run_id), int_arg(sync->id), time_arg(record->started_at)}) > 0;
}

}  // namespace

Judgement judge_record(const SyncRecord *record, Sync *sync, const Run *run) {
  const bool has_run = !TIMESTAMP_IS_NOBEGIN(sync->emitted_at) && sync->rows_stored;
  if (record == nullptr || strcmp(record->table_name, sync->table_name) != 0)
    return {run->full || !has_run, nullptr};
  const Epoch here = epoch_of_here(), there = record->epoch;
  if (there.adopted_at > here.adopted_at)
    return {false, "It was configured, or adopted its database, later than this one."};
  const bool same = there.adopted_at == here.adopted_at;
  if (same && there.timeline > here.timeline)
    return {false, "It was promoted after this one had been left behind."};
  const bool is_new = TIMESTAMP_IS_NOBEGIN(sync->emitted_at);
  const bool is_ahead = !is_new && record->emitted_at > sync->emitted_at;
  if (is_ahead && same && there.timeline == here.timeline && !is_known(record, sync, run))
    return {false, "The rows there are newer than what this server knows of: it is an older copy."};
  const bool is_behind = has_run && record->emitted_at < sync->emitted_at;
  // Also a successor's runs come after those of the server that it succeeds.
  if (is_new || is_ahead) sync->emitted_at = record->emitted_at;
  return {run->full || !is_behind, nullptr};
}

bool heed_record(const Destination *destination, const SyncRecord *record, Sync *sync,
                 const Run *run) {
  if (!destination->is_remote()) return true;
  const Judgement judgement = judge_record(record, sync, run);
  if (judgement.objection != nullptr)
    ereport(ERROR,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
             errmsg("another server has written the rows of sync " INT64_FORMAT " to %s", sync->id,
                    destination->label()),
             errdetail_internal("%s", judgement.objection),
             errhint("If this server is the one that shall go on, call supaglue.adopt_database(); "
                     "if not, set supaglue.enabled to off.")));
  return judgement.goes_on;
}

}  // namespace supaglue
