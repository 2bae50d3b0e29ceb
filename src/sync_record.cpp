// pg: the record of a sync at a remote destination. See sync_record.hpp.
#include "sync_record.hpp"

#include "pg.hpp"
#include "sql.hpp"
#include "table.hpp"

namespace supaglue {

namespace {

/// Names this database among all that may write to one destination.
const char *source_of_here() {
  return format(UINT64_FORMAT "/%u", GetSystemIdentifier(), MyDatabaseId);
}

const char *counts_of(const Run *run) {
  return guarded_text([&] {
    return Json{{"read", run->records_read},
                {"inserted", run->inserted},
                {"updated", run->updated},
                {"unchanged", run->unchanged},
                {"deleted", run->deleted},
                {"rejected", run->rejected},
                {"rows_stored", run->rows_stored ? 1 : 0}}
        .dump();
  });
}

}  // namespace

Epoch epoch_of_here() {
  sql("SELECT adopted_at FROM supaglue_internal.installation");
  return {SPI_processed == 0 ? time_of_ms(0) : time_at(0, 1),
          static_cast<int64>(GetWALInsertionTimeLine())};
}

const SyncRecord *lock_record(Destination *destination, const Sync *sync) {
  if (!destination->is_remote()) return nullptr;
  const uint64 found = destination->execute(
      format(
          R"(SELECT table_name, source, (extract(epoch FROM adopted_at) * 1000000)::bigint, timeline,
  run_id, (extract(epoch FROM started_at) * 1000000)::bigint,
  (extract(epoch FROM emitted_at) * 1000000)::bigint, counts ->> 'read', counts ->> 'inserted',
  counts ->> 'updated', counts ->> 'unchanged', counts ->> 'deleted', counts ->> 'rejected',
  counts ->> 'rows_stored'
FROM %s
WHERE application_id = $1::text AND customer_id = $2::text AND provider_name = $3::text
  AND object_type = $4::text AND object = $5::text
FOR NO KEY UPDATE)",
          syncs_table(sync->schema_name)),
      {value_of(sync->application_id), value_of(sync->customer_id), value_of(sync->provider_name),
       value_of(sync->object_type), value_of(sync->object)});
  if (found == 0) return nullptr;
  const auto number = [&](int column) {
    const char *text = destination->field(0, column);
    return text == nullptr ? int64{0} : static_cast<int64>(strtoll(text, nullptr, 10));
  };
  const auto time = [&](int column) { return time_of_ms(0) + number(column); };
  auto *record = static_cast<SyncRecord *>(palloc(sizeof(SyncRecord)));
  *record = {pstrdup(destination->field(0, 0)),
             pstrdup(destination->field(0, 1)),
             {time(2), number(3)},
             number(4),
             time(5),
             time(6),
             number(7),
             number(8),
             number(9),
             number(10),
             number(11),
             number(12),
             number(13) != 0};
  return record;
}

bool is_of_run(const SyncRecord *record, const Run *run) {
  return record != nullptr && strcmp(record->source, source_of_here()) == 0 &&
         record->run_id == run->id && record->started_at == run->started_at;
}

void take_over(const SyncRecord *record, Run *run) {
  run->emitted_at = record->emitted_at;
  run->records_read = record->records_read;
  run->inserted = record->inserted;
  run->updated = record->updated;
  run->unchanged = record->unchanged;
  run->deleted = record->deleted;
  run->rejected = record->rejected;
  run->rows_stored = record->rows_stored;
}

void write_record(Destination *destination, const Sync *sync, const Run *run) {
  const Epoch epoch = epoch_of_here();
  destination->tell(
      format(
          R"(INSERT INTO %s AS s (application_id, customer_id, provider_name, object_type, object,
  table_name, source, run_id, emitted_at, watermark, counts, committed_at, started_at,
  adopted_at, timeline)
VALUES ($1::text, $2::text, $3::text, $4::text, $5::text, $6::text, $7::text, $8::text::bigint,
  $9::text::timestamptz, $10::text::timestamptz, $11::text::jsonb, pg_catalog.now(),
  $12::text::timestamptz, $13::text::timestamptz, $14::text::bigint)
ON CONFLICT (application_id, customer_id, provider_name, object_type, object)
DO UPDATE SET table_name = excluded.table_name, source = excluded.source,
  run_id = excluded.run_id, emitted_at = excluded.emitted_at, watermark = excluded.watermark,
  counts = excluded.counts, committed_at = excluded.committed_at,
  started_at = excluded.started_at, adopted_at = excluded.adopted_at, timeline = excluded.timeline)",
          syncs_table(sync->schema_name)),
      {value_of(sync->application_id), value_of(sync->customer_id), value_of(sync->provider_name),
       value_of(sync->object_type), value_of(sync->object), value_of(sync->table_name),
       value_of(source_of_here()), value_of(format(INT64_FORMAT, run->id)),
       value_of(iso_of_time(run->emitted_at)), value_of(iso_of_time(watermark_after(sync, run))),
       value_of(counts_of(run)), value_of(iso_of_time(run->started_at)),
       value_of(iso_of_time(epoch.adopted_at)), value_of(format(INT64_FORMAT, epoch.timeline))});
}

}  // namespace supaglue
