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

template <typename TextAt>
const Text *column_of(int count, TextAt &&text_at) {
  auto *texts = static_cast<Text *>(palloc(sizeof(Text) * static_cast<size_t>(count)));
  for (int i = 0; i < count; ++i) texts[i] = text_of(text_at(i));
  return texts;
}

/// What a record is found by.
struct Keys {
  const Text *applications, *customers, *providers, *types, *objects;
};

Keys keys_of(const Sync *const *syncs, int count) {
  return {column_of(count, [&](int i) { return syncs[i]->application_id; }),
          column_of(count, [&](int i) { return syncs[i]->customer_id; }),
          column_of(count, [&](int i) { return syncs[i]->provider_name; }),
          column_of(count, [&](int i) { return syncs[i]->object_type; }),
          column_of(count, [&](int i) { return syncs[i]->object; })};
}

}  // namespace

Epoch epoch_of_here() {
  sql("SELECT adopted_at FROM supaglue_internal.installation");
  return {SPI_processed == 0 ? time_of_ms(0) : time_at(0, 1),
          static_cast<int64>(GetWALInsertionTimeLine())};
}

const SyncRecord *lock_record(Destination *destination, const Sync *sync) {
  const SyncRecord *record = nullptr;
  if (destination->is_remote()) lock_records(destination, &sync, 1, &record);
  return record;
}

void lock_records(Destination *destination, const Sync *const *syncs, int count,
                  const SyncRecord **records) {
  const Keys keys = keys_of(syncs, count);
  const uint64 found = destination->execute(
      format(
          R"(SELECT k.number, s.table_name, s.source, (extract(epoch FROM s.adopted_at) * 1000000)::bigint,
  s.timeline, s.run_id, (extract(epoch FROM s.started_at) * 1000000)::bigint,
  (extract(epoch FROM s.emitted_at) * 1000000)::bigint,
  (extract(epoch FROM s.watermark) * 1000000)::bigint, s.counts ->> 'read', s.counts ->> 'inserted',
  s.counts ->> 'updated', s.counts ->> 'unchanged', s.counts ->> 'deleted', s.counts ->> 'rejected',
  s.counts ->> 'rows_stored'
FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]),
  pg_catalog.unnest($3::text[]), pg_catalog.unnest($4::text[]), pg_catalog.unnest($5::text[]))
  WITH ORDINALITY AS k (application, customer, provider, type, object, number)
JOIN %s AS s ON s.application_id = k.application AND s.customer_id = k.customer
  AND s.provider_name = k.provider AND s.object_type = k.type AND s.object = k.object
FOR NO KEY UPDATE OF s)",
          syncs_table(syncs[0]->schema_name)),
      {value_of(keys.applications, count), value_of(keys.customers, count),
       value_of(keys.providers, count), value_of(keys.types, count),
       value_of(keys.objects, count)});
  for (int i = 0; i < count; ++i) records[i] = nullptr;
  for (uint64 row = 0; row < found; ++row) {
    const auto number = [&](int column) {
      const char *text = destination->field(row, column);
      return text == nullptr ? int64{0} : static_cast<int64>(strtoll(text, nullptr, 10));
    };
    const auto time = [&](int column) {
      return destination->field(row, column) == nullptr ? DT_NOBEGIN
                                                        : time_of_ms(0) + number(column);
    };
    auto *record = static_cast<SyncRecord *>(palloc(sizeof(SyncRecord)));
    *record = {pstrdup(destination->field(row, 1)),
               pstrdup(destination->field(row, 2)),
               {time(3), number(4)},
               number(5),
               time(6),
               time(7),
               time(8),
               number(9),
               number(10),
               number(11),
               number(12),
               number(13),
               number(14),
               number(15) != 0};
    records[number(0) - 1] = record;
  }
}

bool is_of_run(const SyncRecord *record, const Run *run) {
  return record != nullptr && strcmp(record->source, source_of_here()) == 0 &&
         record->run_id == run->id && record->started_at == run->started_at;
}

bool is_of_fetch(const SyncRecord *record, const Sync *sync, const Run *run) {
  return is_of_run(record, run) && record->watermark == watermark_after(sync, run);
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

void write_records(Destination *destination, const Sync *const *syncs, const Run *const *runs,
                   int count) {
  const Epoch epoch = epoch_of_here();
  const Keys keys = keys_of(syncs, count);
  const auto texts = [&](auto &&text_at) { return value_of(column_of(count, text_at), count); };
  const auto times = [&](auto &&time_at) {
    auto *values = static_cast<TimestampTz *>(palloc(sizeof(TimestampTz) * count));
    for (int i = 0; i < count; ++i) values[i] = time_at(i);
    return value_of(values, count);
  };
  destination->tell(
      format(
          R"(INSERT INTO %s AS s (application_id, customer_id, provider_name, object_type, object,
  table_name, source, run_id, emitted_at, watermark, counts, committed_at, started_at,
  adopted_at, timeline)
SELECT q.application, q.customer, q.provider, q.type, q.object, q.table_name, $12::text,
  q.run_id::bigint, q.emitted_at, q.watermark, q.counts::jsonb, pg_catalog.now(), q.started_at,
  $13::text::timestamptz, $14::text::bigint
FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]),
  pg_catalog.unnest($3::text[]), pg_catalog.unnest($4::text[]), pg_catalog.unnest($5::text[]),
  pg_catalog.unnest($6::text[]), pg_catalog.unnest($7::text[]), pg_catalog.unnest($8::text[]),
  pg_catalog.unnest($9::timestamptz[]), pg_catalog.unnest($10::timestamptz[]),
  pg_catalog.unnest($11::timestamptz[]))
  AS q (application, customer, provider, type, object, table_name, run_id, counts, emitted_at,
    watermark, started_at)
ON CONFLICT (application_id, customer_id, provider_name, object_type, object)
DO UPDATE SET table_name = excluded.table_name, source = excluded.source,
  run_id = excluded.run_id, emitted_at = excluded.emitted_at, watermark = excluded.watermark,
  counts = excluded.counts, committed_at = excluded.committed_at,
  started_at = excluded.started_at, adopted_at = excluded.adopted_at, timeline = excluded.timeline)",
          syncs_table(syncs[0]->schema_name)),
      {value_of(keys.applications, count), value_of(keys.customers, count),
       value_of(keys.providers, count), value_of(keys.types, count), value_of(keys.objects, count),
       texts([&](int i) { return syncs[i]->table_name; }),
       texts([&](int i) { return format(INT64_FORMAT, runs[i]->id); }),
       texts([&](int i) { return counts_of(runs[i]); }),
       times([&](int i) { return runs[i]->emitted_at; }),
       times([&](int i) { return watermark_after(syncs[i], runs[i]); }),
       times([&](int i) { return runs[i]->started_at; }), value_of(source_of_here()),
       value_of(iso_of_time(epoch.adopted_at)), value_of(format(INT64_FORMAT, epoch.timeline))});
}

}  // namespace supaglue
