// pg: the merge of one run. See merge.hpp.
#include "batch.hpp"
#include "stamp.hpp"

#include <vector>

#include "absence.hpp"
#include "held_deletions.hpp"
#include "merge.hpp"
#include "merge_statement.hpp"
#include "pg.hpp"
#include "postponed.hpp"
#include "projection.hpp"
#include "sql.hpp"
#include "sync_record.hpp"
#include "versions.hpp"

namespace supaglue {

namespace {

constexpr int kBatch = 1000;            // records of a statement
constexpr int kSlice = 2000;            // stored rows of a step of recomputing columns
constexpr int64 kClockSlackMs = 5'000;  // by so much a provider's clock may waver
constexpr int64 kRejectsAllowed = 20;
constexpr int64 kRejectsPercent = 1;

}  // namespace

struct Merge {
  Destination *destination;
  const Sync *sync;
  Run *run;
  MemoryContext context;  // lives as long as the merge
  MemoryContext scratch;  // a page
  const char *emitted_at;
  const Projection *projection;  // null until the first page, or the end, needs it
  char *page_statement;
  char *new_statement;                  // of records that are proven new
  char *insert_statement;               // of those when there is no projection
  bool was_empty;                       // before the run; what lies beyond `last_id` is new then
  bool all_new;                         // so far: whatever is stored, the run has brought
  int64 versions;                       // that were merged
  std::string *last_id;                 // the greatest of the run
  std::vector<const Record *> *newest;  // of the page
  Absence *absence;                     // of a full run
  Postponed *postponed;                 // of a forced one; null: nothing is
  bool has_held;                        // of another: deletions that it may disprove
  int64 replaced_characters;
};

namespace {

const char *any_row_statement(const char *table) {
  return format(
      "SELECT t.id FROM %s AS t WHERE t._supaglue_application_id = $1::text"
      " AND t._supaglue_customer_id = $2::text AND t._supaglue_provider_name = $3::text LIMIT 1",
      table);
}

const char *table_of(const Sync *sync) {
  return quote_qualified_identifier(sync->schema_name, sync->table_name);
}

/// Whether none of the records can be in the table: it held nothing of the customer's before the
/// run, and their ids, which ascend, are beyond all that the run has merged.
bool are_new(Merge *merge, const Record *const *records, int count) {
  if (!merge->was_empty) return false;
  return guard([&] {
    const bool beyond = records[0]->id > *merge->last_id;
    if (records[count - 1]->id > *merge->last_id) *merge->last_id = records[count - 1]->id;
    return beyond;
  });
}

void note_rows_stored(void *of, uint64 rows) {
  const auto *merge = static_cast<Merge *>(of);
  merge->run->rows_stored = rows > 0;
  // All that there is, this run has written.
  if (rows > 0 && merge->was_empty)
    merge->run->witness = MemoryContextStrdup(merge->context, merge->destination->field(0, 0));
}

/// Whether there are rows after the run, which takes none away; without waiting for the answer.
void ask_for_rows_stored(Merge *merge) {
  const Sync *sync = merge->sync;
  merge->destination->send(
      any_row_statement(table_of(sync)),
      {value_of(sync->application_id), value_of(sync->customer_id), value_of(sync->provider_name)},
      note_rows_stored, merge);
}

/// Counts what was plainly inserted of the versions that count as unchanged.
void count_inserted(void *of, uint64 rows) {
  const auto *merge = static_cast<Merge *>(of);
  merge->run->inserted += static_cast<int64>(rows);
  merge->run->unchanged -= static_cast<int64>(rows);
}

/// Counts what merging some versions has changed of those that count as unchanged.
void count_changes(void *of, uint64) {
  const auto *merge = static_cast<Merge *>(of);
  Run *run = merge->run;
  const auto count_at = [&](int column) {
    return strtoll(merge->destination->field(0, column), nullptr, 10);
  };
  const int64 inserted = count_at(0), updated = count_at(1), vanished = count_at(2);
  run->inserted += inserted;
  run->updated += updated - vanished;
  run->deleted += vanished;
  run->unchanged -= inserted + updated;
  run->values_nulled += count_at(3);
  if (const char *written = merge->destination->field(0, 4))
    run->witness = MemoryContextStrdup(merge->context, written);
}

/// Merges some versions, which count as unchanged before.
void merge_versions(Merge *merge, const char *statement, const Versions *versions,
                    void (*count_them)(void *, uint64)) {
  const Sync *sync = merge->sync;
  const int count = versions->count;
  merge->destination->send(
      statement,
      {value_of(sync->application_id), value_of(sync->customer_id), value_of(sync->provider_name),
       value_of(merge->emitted_at), value_of(versions->ids, count),
       jsonbs_of(versions->raws, count), value_of(versions->stamps, count),
       value_of(versions->deleted, count), value_of(merge->projection->lookup)},
      count_them, merge);
}

/// Those versions of the last statement that it found to be older than what is stored.
void postpone_older(Merge *merge, const Versions *versions) {
  merge->destination->take_sent();
  const char *numbers = merge->destination->field(0, 5);
  if (numbers == nullptr) return;
  if (merge->postponed == nullptr) merge->postponed = begin_postponed(merge->context);
  char *end = nullptr;
  for (const char *at = numbers; *at != '\0'; at = end)
    postpone(merge->postponed, versions, static_cast<int>(strtol(at, &end, 10)) - 1);
}

void merge_batch(Merge *merge, int from, int count) {
  const Record *const *records = merge->newest->data() + from;
  const MemoryContext caller = MemoryContextSwitchTo(merge->scratch);
  const Versions versions = versions_of(records, count);
  MemoryContextSwitchTo(caller);
  const bool new_ones = are_new(merge, records, count);
  merge->all_new = merge->all_new && new_ones;
  merge->versions += count;
  if (new_ones && merge->projection->count == 0)
    merge_versions(merge, merge->insert_statement, &versions, count_inserted);
  else
    merge_versions(merge, new_ones ? merge->new_statement : merge->page_statement, &versions,
                   count_changes);
  if (merge->run->forced && !new_ones) postpone_older(merge, &versions);
  MemoryContextReset(merge->scratch);
}

/// The projection with the types that the table's columns have: a user's column stays what it is,
/// and a column that is gone, generated or of another kind is left alone.
const Projection *fit_to_table(Merge *merge, const Projection *wanted) {
  if (wanted->count == 0) return wanted;
  auto *names = static_cast<Text *>(palloc(sizeof(Text) * static_cast<size_t>(wanted->count)));
  for (int i = 0; i < wanted->count; ++i) names[i] = text_of(wanted->columns[i].name);
  merge->destination->execute(
      R"(SELECT pg_catalog.format_type(a.atttypid, NULL)
FROM pg_catalog.unnest($2::text[]) WITH ORDINALITY AS w (name, number)
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = $1::text::regclass AND a.attname = w.name
  AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
ORDER BY w.number)",
      {value_of(table_of(merge->sync)), value_of(names, wanted->count)});
  auto **types = static_cast<const char **>(palloc(sizeof(char *) * wanted->count));
  bool same = true;
  for (int i = 0; i < wanted->count; ++i) {
    const char *type = merge->destination->field(static_cast<uint64>(i), 0);
    types[i] =
        type == nullptr ? nullptr : guarded_text([&] { return column_type(type).value_or(""); });
    if (types[i] != nullptr && types[i][0] == '\0') types[i] = nullptr;
    const bool is_wanted =
        types[i] != nullptr && strncmp(wanted->columns[i].type, types[i], strlen(types[i])) == 0;
    if (is_wanted) types[i] = wanted->columns[i].type;
    same = same && is_wanted;
  }
  return same ? wanted : retyped(wanted, types);
}

/// Brings the columns of all stored rows up to date when their projection is another now.
void recompute(Merge *merge) {
  const Sync *sync = merge->sync;
  Run *run = merge->run;
  const char *hash = merge->projection->hash;
  run->projection = hash;
  if (merge->projection->count == 0 || strcmp(sync->phase, "created") == 0 ||
      (sync->projection != nullptr && strcmp(sync->projection, hash) == 0))
    return;
  const char *statement = slice_statement(table_of(sync), merge->projection, kSlice);
  char *after = pstrdup("");
  for (int64 rows = kSlice; rows == kSlice;) {
    merge->destination->execute(
        statement,
        {value_of(sync->application_id), value_of(sync->customer_id), value_of(sync->provider_name),
         value_of(merge->emitted_at), value_of(after), value_of(merge->projection->lookup)});
    const auto count_at = [&](int column) {
      return strtoll(merge->destination->field(0, column), nullptr, 10);
    };
    rows = count_at(1);
    run->updated += count_at(2);
    run->values_nulled += count_at(3);
    pfree(after);
    after = rows == 0 ? nullptr : pstrdup(merge->destination->field(0, 0));
    CHECK_FOR_INTERRUPTS();
  }
}

/// What the source told of the object decides the projection, so it is made when that is known.
void project(Merge *merge) {
  if (merge->projection != nullptr) return;
  const Sync *sync = merge->sync;
  Run *run = merge->run;
  const MemoryContext caller = MemoryContextSwitchTo(merge->context);
  const Projection *wanted =
      load_projection(sync->object_id, sync->connection_id,
                      run->metadata != nullptr ? run->metadata : sync->metadata);
  run->broken = wanted->broken;
  if (run->broken != nullptr)
    warn(run, format("mapped to fields that the object does not have: %s", run->broken));
  merge->projection = fit_to_table(merge, wanted);
  merge->page_statement = page_statement(table_of(sync), merge->projection,
                                         run->forced ? Older::kPostponed : Older::kIgnored);
  merge->new_statement = new_statement(table_of(sync), merge->projection);
  merge->insert_statement = insert_statement(table_of(sync));
  recompute(merge);
  MemoryContextSwitchTo(caller);
}

void store_rejects(const Merge *merge, const Page *page) {
  for (const Reject &reject : page->rejects)
    sql("INSERT INTO supaglue_internal.rejects (run_id, sync_id, reason, record) VALUES ($1, $2, "
        "$3, $4)",
        {int_arg(merge->run->id), int_arg(merge->sync->id),
         text_arg(reject.reason.data(), reject.reason.size()),
         text_arg(reject.record.data(), reject.record.size())});
}

void check_rejects(const Run *run) {
  if (run->rejected <= kRejectsAllowed ||
      run->rejected * 100 <= run->records_read * kRejectsPercent)
    return;
  ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
                  errmsg(INT64_FORMAT " of " INT64_FORMAT " records cannot be used", run->rejected,
                         run->records_read),
                  errhint("The provider's answers are not what its metadata says.")));
}

AbsentMarking marking_of(const Merge *merge) {
  return {merge->destination, merge->sync, merge->run, table_of(merge->sync), merge->emitted_at};
}

/// What this run has seen, the provider has.
void release_seen(Merge *merge) {
  const MemoryContext caller = MemoryContextSwitchTo(merge->scratch);
  const auto count = static_cast<int>(merge->newest->size());
  if (count > 0) release_held(merge->sync->id, ids_of(merge->newest->data(), count), count);
  MemoryContextSwitchTo(caller);
  MemoryContextReset(merge->scratch);
}

/// What is flagged as deleted is not there.
void leave_out_deleted(Merge *merge) {
  guard(
      [&] { std::erase_if(*merge->newest, [](const Record *record) { return record->deleted; }); });
}

/// What the fetcher found stored as it came is seen, and counted.
void note_unchanged(Merge *merge, const Page *page) {
  const auto count = static_cast<int64>(page->unchanged.size());
  if (count > 0) {
    note_stored(merge->absence, &page->unchanged);
    merge->all_new = false;
  }
  merge->run->records_read += count;
  merge->run->unchanged += count;
}

void merge_records(Merge *merge, const Page *page) {
  const int count = static_cast<int>(merge->newest->size());
  merge->run->unchanged += static_cast<int64>(page->records.size());
  for (int from = 0; from < count; from += kBatch)
    merge_batch(merge, from, Min(kBatch, count - from));
  if (merge->has_held) release_seen(merge);
}

/// Of what was postponed, and so counted as unchanged, that which the provider has nothing newer
/// of.
void write_postponed(Merge *merge) {
  const char *statement = page_statement(table_of(merge->sync), merge->projection, Older::kWritten);
  for (bool more = true; more;) {
    const MemoryContext caller = MemoryContextSwitchTo(merge->scratch);
    const Versions versions = due_versions(merge->postponed, kBatch);
    MemoryContextSwitchTo(caller);
    more = versions.count > 0;
    if (more) merge_versions(merge, statement, &versions, count_changes);
    MemoryContextReset(merge->scratch);
    CHECK_FOR_INTERRUPTS();
  }
  merge->destination->take_sent();
  end_postponed(merge->postponed);
}

/// How many stored records were changed since the run began.
int64 changed_meanwhile(Merge *merge) {
  const Sync *sync = merge->sync;
  const Run *run = merge->run;
  const TimestampTz began =
      TIMESTAMP_IS_NOBEGIN(run->provider_time) ? run->started_at : run->provider_time;
  merge->destination->execute(
      format("SELECT pg_catalog.count(*) FROM %s AS t WHERE t._supaglue_application_id = $1::text"
             " AND t._supaglue_customer_id = $2::text AND t._supaglue_provider_name = $3::text"
             " AND t._supaglue_last_modified_at >= $4::timestamptz",
             table_of(sync)),
      {value_of(sync->application_id), value_of(sync->customer_id), value_of(sync->provider_name),
       value_of(iso_of_time(began - kClockSlackMs * 1000))});
  return strtoll(merge->destination->field(0, 0), nullptr, 10);
}

/// Compares what came with what the provider says there is, deleted records included in both.
void check_count(Merge *merge, int64 different) {
  Run *run = merge->run;
  const int64 said = run->provider_count;
  // What cannot be used may have no id, and come twice.
  const int64 missing = said - different - run->rejected, excess = different - said;
  if (said < 0 || (missing <= 0 && excess <= 0)) return;
  if (Max(missing, excess) <= changed_meanwhile(merge)) return;
  warn(run,
       format("the provider said that there are " INT64_FORMAT " records, " INT64_FORMAT " came",
              said, different));
}

/// What was not seen, and what was seen in older versions only. False: rows that the pages count on
/// are gone.
bool settle(Merge *merge) {
  if (merge->all_new) {
    end_absence(merge->absence);
    check_count(merge, merge->versions);
    return true;
  }
  const Settled settled = settle_absent(merge->absence, merge->postponed);
  if (settled.lost > 0) return false;
  if (merge->postponed != nullptr) write_postponed(merge);
  check_count(merge, settled.different);
  return true;
}

}  // namespace

void ask_what_is_stored(Destination *destination, const Sync *sync, const Run *run, bool *holds) {
  *holds = false;
  if (run->full == sync->rows_stored) return;  // nothing depends on it
  const auto note = [](void *of, uint64 rows) { *static_cast<bool *>(of) = rows > 0; };
  const char *table = table_of(sync);
  const Value application = value_of(sync->application_id);
  const Value customer = value_of(sync->customer_id);
  const Value provider = value_of(sync->provider_name);
  if (run->full || sync->witness == nullptr)
    destination->send(any_row_statement(table), {application, customer, provider}, note, holds);
  else  // one row stands for all: it costs a probe to find out that a table was emptied or restored
    destination->send(
        format("SELECT 1 FROM %s AS t WHERE t._supaglue_application_id = $1::text"
               " AND t._supaglue_customer_id = $2::text AND t._supaglue_provider_name = $3::text"
               " AND t.id = $4::text AND t._supaglue_emitted_at >= $5::text::timestamptz",
               table),
        {application, customer, provider, value_of(sync->witness),
         value_of(iso_of_time(sync->witness_at))},
        note, holds);
}

Merge *begin_merge(Destination *destination, const Sync *sync, Run *run, bool holds) {
  if (sync->rows_stored && !run->full && !holds) return nullptr;
  auto *merge = static_cast<Merge *>(palloc0(sizeof(Merge)));
  merge->destination = destination;
  merge->sync = sync;
  merge->run = run;
  merge->context = CurrentMemoryContext;
  merge->scratch = AllocSetContextCreate(merge->context, "supaglue merge", ALLOCSET_DEFAULT_SIZES);
  run->records_read = run->inserted = run->updated = run->unchanged = run->deleted = 0;
  run->rejected = run->values_nulled = run->held = 0;
  run->emitted_at = emitted_after(sync->emitted_at);
  merge->emitted_at = iso_of_time(run->emitted_at);
  merge->newest = make_in<std::vector<const Record *>>(merge->context);
  merge->was_empty = run->full && !sync->rows_stored && !holds;
  merge->all_new = merge->was_empty && !run->keys_only && !has_held(sync->id);
  merge->last_id = make_in<std::string>(merge->context);
  const AbsentMarking marking = marking_of(merge);
  if (sees_all(run)) merge->absence = begin_absence(&marking);
  merge->has_held = !sees_all(run) && !run->mapping_only && has_held(sync->id);
  return merge;
}

void merge_page(Merge *merge, const Page *page) {
  Run *run = merge->run;
  project(merge);
  note_unchanged(merge, page);
  guard([&] { newest_versions(*page, merge->newest); });
  run->keys_only ? leave_out_deleted(merge) : merge_records(merge, page);
  run->records_read += static_cast<int64>(page->records.size() + page->rejects.size());
  run->rejected += static_cast<int64>(page->rejects.size());
  merge->replaced_characters += page->replaced_characters;
  if (merge->absence != nullptr) note_seen(merge->absence, merge->newest);
  store_rejects(merge, page);
}

bool finish_merge(Merge *merge) {
  Run *run = merge->run;
  ask_for_rows_stored(merge);
  merge->destination->take_sent();
  project(merge);
  check_rejects(run);
  if (merge->absence != nullptr && !settle(merge)) return false;
  if (run->held > 0)
    warn(run, format(INT64_FORMAT " of " INT64_FORMAT
                                  " rows were absent at the provider: their deletion is held",
                     run->held, run->held_of));
  const AbsentMarking marking = marking_of(merge);
  if (run->confirms) mark_held(&marking);
  if (merge->replaced_characters > 0)
    warn(run, format(INT64_FORMAT " characters that no text can hold were replaced by U+FFFD",
                     merge->replaced_characters));
  if (merge->destination->is_remote()) {
    const Run *const runs[] = {run};
    write_records(merge->destination, &merge->sync, runs, 1);
  }
  return true;
}

}  // namespace supaglue
