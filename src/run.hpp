// pg: the life of a run: which kind it must be, its beginning and its end, with all that commits
// together: run record, watermark, state of the sync, event. Shared by the workers and
// materialize().
#pragma once

#include "pg.hpp"
#include "sql.hpp"
#include "ring.hpp"
#include "sync.hpp"

namespace supaglue {

/// The log of finished runs: who ends a run inserts it there.
extern const Ring kRunLog;

struct Run {
  int64 id;
  bool full;
  bool forced;        // full because the user asked for it
  bool mapping_only;  // recomputes the columns of stored rows, and reads nothing
  bool confirms;      // with mapping_only: marks what is held, too
  bool keys_only;     // sweeps: reads the ids that there are, to find the stored ones that are gone
  const char *reason;  // 'initial', 'schedule', 'manual', ...
  TimestampTz started_at;
  TimestampTz since;          // incremental: the watermark to read from; DT_NOBEGIN: everything
  TimestampTz until;          // of a backfill; DT_NOEND: up to now. DT_NOBEGIN: it is none
  TimestampTz provider_time;  // at the first request; DT_NOBEGIN: not known
  TimestampTz emitted_at;     // chosen by the merge
  // counts
  int64 records_read, inserted, updated, unchanged, deleted, rejected, values_nulled;
  int64 requests, bytes_received, provider_count;  // provider_count -1: unknown
  int64 held, held_of;     // deletions that it found and holds; of so many rows
  bool rows_stored;        // rows of the connection in the table after it
  const char *metadata;    // JSON of the source, or null
  const char *projection;  // hash of the rows' projection, by the merge
  const char *broken;      // fields whose mapping is found broken by this run, or null
  const char *witness;     // the id of a row that it wrote, or null
  const char *warnings;    // a line each, or null
};

/// Whether what a run did not see is gone.
inline bool sees_all(const Run *run) { return run->full || run->keys_only; }

/// Adds to the run's warnings.
void warn(Run *run, const char *warning);

/// Decides what the next run of a sync is. `force_full`: the user asked; `manual`: by materialize()
/// or trigger_sync().
Run *plan_run(const Sync *sync, bool manual, bool force_full);
/// A run that recomputes the columns of the stored rows from their raw data, and reads nothing.
/// plan_run() gives one when a mapping has changed and nobody asked for more.
Run *plan_remap(const Sync *sync);
/// The same of one that marks what is held as deleted.
Run *plan_confirmation(const Sync *sync);

/// A run that reads the window that backfill() was asked for, if it is its turn; null: it is not.
Run *plan_backfill(const Sync *sync);

/// A run that sweeps, if it is its turn (`sweep_every_ms`); null: it is not.
Run *plan_sweep(const Sync *sync);

/// Whether a run asks the provider what the object looks like: full ones do, and one a day, so that
/// fields that were added come along; others rely on what is known, and so cost no request for it.
bool must_describe(const Sync *sync, bool full, TimestampTz now);

/// The watermark that a run which succeeds leaves: the provider's time at its first request less
/// the lookback, or what it was when the run read a window that does not go on from there; none for
/// an object that the provider does not stamp, nor when the provider's clock went back.
TimestampTz watermark_after(const Sync *sync, const Run *run);

/// The same of the watermark that stays further behind and from which a run reads once a day.
TimestampTz wide_watermark_after(const Sync *sync, const Run *run, TimestampTz watermark);
/// A run's stamp, greater than every earlier one of its sync, whatever the clock does.
TimestampTz emitted_after(TimestampTz earlier);
/// When a sync is due next.
TimestampTz next_run_of(const Sync *sync);
/// What the event sync.complete says of a run, as JSON.
char *completion_of(const Sync *sync, const Run *run);

/// Writes the end of a run: run_log, syncs (phase, watermark = provider_time - lookback,
/// next_run_at, counters), schema changes, the events sync.complete, schema.changed,
/// sync.deletions_held, sync.recovered. In the transaction of the merge.
void finish_run(const Sync *sync, const Run *run);

/// Writes the end of a run that failed, in a transaction of its own: run_log, syncs (last_error,
/// consecutive_failures, next_run_at by backoff, paused_by for authentication and permission,
/// unavailable for an object never had), events (sync.failing at the first failure, sync.paused,
/// connection.reauthorization_required). `not_before_ms`: the provider asked not to be asked again
/// before; obeyed for a day, 0 when it did not.
void fail_run(const Sync *sync, const Run *run, const char *error_class, const char *message,
              int64 not_before_ms = 0);

/// Writes the end of a run that no other attempt will change: as fail_run(), but the sync stops
/// until somebody calls resume_sync(), which pause_reason says.
void quarantine_run(const Sync *sync, const Run *run, const char *error_class, const char *message);

/// Tells the fetcher that a sync's row changed: writes sync_changes and wakes it at commit.
void sync_changed(int64 sync_id);

/// What a merge failed of, for users.
const char *words_of(const ErrorData *error);
/// Notes that runs of these syncs are to be merged later, since their destinations would not have
/// them now.
void await_destination(Arg sync_ids, const char *error_class, const char *message);

}  // namespace supaglue
