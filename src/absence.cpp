// pg: what a full run did not see. See absence.hpp.
//
// Both the ids that the run saw and those that are stored are read in the order of the bytes, side
// by side, so that memory holds a step of the walk, whatever the size of the table.
#include "absence.hpp"

#include "held_deletions.hpp"
#include "pg.hpp"
#include "postponed.hpp"
#include "sql.hpp"

namespace supaglue {

namespace {

constexpr int kStep = 5000;  // ids of a statement

// How a record was seen. It stands behind the id, after a byte that no id has and that is the least
// of all: so the order is still that of the ids.
constexpr char kCame = 'c', kStored = 's';
constexpr int kMarkLength = 2;

constexpr double kStopShare = 0.2;
constexpr int64 kStopRows = 50;

}  // namespace

struct Absence {
  AbsentMarking marking;
  MemoryContext context;
  MemoryContext scratch;   // a step
  Tuplesortstate *seen;    // ids of the run; may spill to disk
  text *current;           // the id of one; null: the end
  bool came;               // some version of it, not just the word that it is stored
  bool found;              // among the stored
  int64 lost;              // stored ids that are not
  int64 different;         // ids that were read of them
  Postponed *postponed;    // is told of each; or null
  Tuplesortstate *absent;  // ids that are stored, were not seen, and are not held already
  int64 absent_count;
  int64 stored;  // rows that were there before the run and are not deleted
  bool has_held;
};

namespace {

// Stored ids after $4, in the order of the bytes. For a sweep, deleted ones too: without them the
// rows themselves would be read, and the index is enough where the table is vacuumed.
char *walk_statement(const AbsentMarking *marking) {
  return format(
      R"(SELECT t.id FROM %s AS t
WHERE t._supaglue_application_id = $1::text AND t._supaglue_customer_id = $2::text
  AND t._supaglue_provider_name = $3::text AND t.id COLLATE "C" > $4::text
  %s
ORDER BY t.id COLLATE "C" LIMIT %d)",
      marking->table, marking->run->keys_only ? "" : "AND NOT t._supaglue_is_deleted", kStep);
}

char *deleted_statement(const char *table) {
  return format(
      R"(SELECT t.id FROM %s AS t
WHERE t._supaglue_application_id = $1::text AND t._supaglue_customer_id = $2::text
  AND t._supaglue_provider_name = $3::text AND t.id = ANY ($4::text[])
  AND t._supaglue_is_deleted
ORDER BY t.id COLLATE "C")",
      table);
}

char *mark_statement(const char *table) {
  return format(
      R"(WITH absent AS MATERIALIZED (
  SELECT $1::text AS application, $2::text AS customer, $3::text AS provider,
         pg_catalog.unnest($5::text[]) AS id
)
UPDATE %s AS t SET _supaglue_is_deleted = true, _supaglue_emitted_at = $4::timestamptz
FROM absent
WHERE t._supaglue_application_id = absent.application AND t._supaglue_customer_id = absent.customer
  AND t._supaglue_provider_name = absent.provider AND t.id = absent.id
  AND NOT t._supaglue_is_deleted)",
      table);
}

void mark(const AbsentMarking *marking, const char *statement, const Text *ids, int count) {
  if (count == 0) return;
  const Sync *sync = marking->sync;
  marking->run->deleted += static_cast<int64>(marking->destination->execute(
      statement,
      {value_of(sync->application_id), value_of(sync->customer_id), value_of(sync->provider_name),
       value_of(marking->emitted_at), value_of(ids, count)}));
}

Text copy_of(const char *id) {
  const char *copy = pstrdup(id);
  return {copy, static_cast<int>(strlen(copy))};
}

Datum datum_of_id(const Text *id) {
  return PointerGetDatum(cstring_to_text_with_len(id->data, id->length));
}

void note(Absence *absence, std::string_view id, char how) {
  const size_t length = id.size() + kMarkLength;
  auto *marked = static_cast<text *>(palloc(VARHDRSZ + length));
  SET_VARSIZE(marked, VARHDRSZ + length);
  memcpy(VARDATA(marked), id.data(), id.size());
  VARDATA(marked)[id.size()] = '\0';
  VARDATA(marked)[id.size() + 1] = how;
  tuplesort_putdatum(absence->seen, PointerGetDatum(marked), false);
}

/// The next sighting, without its mark; null at the end.
text *next_sighting(Absence *absence, bool *came) {
  Datum value;
  bool null;
  if (!next_datum(absence->seen, &value, &null)) return nullptr;
  text *id = DatumGetTextP(value);
  *came = VARDATA(id)[VARSIZE(id) - VARHDRSZ - 1] == kCame;
  SET_VARSIZE(id, VARSIZE(id) - kMarkLength);
  return id;
}

/// The next different id that the run saw.
void advance(Absence *absence) {
  text *last = absence->current;
  bool last_came = absence->came;
  int64 sightings = 1;
  const MemoryContext caller = MemoryContextSwitchTo(absence->context);
  for (;;) {
    absence->current = next_sighting(absence, &absence->came);
    if (absence->current == nullptr) break;
    const size_t length = VARSIZE_ANY_EXHDR(absence->current);
    if (last == nullptr || VARSIZE_ANY_EXHDR(last) != length ||
        memcmp(VARDATA_ANY(last), VARDATA_ANY(absence->current), length) != 0) {
      ++absence->different;
      break;
    }
    pfree(absence->current);
    ++sightings;
    last_came = last_came || absence->came;
  }
  if (last != nullptr && !last_came && !absence->found) ++absence->lost;
  absence->found = false;
  if (last != nullptr && absence->postponed != nullptr)
    judge_postponed(absence->postponed, last, sightings);
  if (last != nullptr) pfree(last);
  MemoryContextSwitchTo(caller);
}

/// Whether the run has seen an id; ids are asked for in ascending order.
bool was_seen(Absence *absence, const char *id) {
  const size_t length = strlen(id);
  for (; absence->current != nullptr; advance(absence)) {
    const size_t seen_length = VARSIZE_ANY_EXHDR(absence->current);
    const int common = memcmp(VARDATA_ANY(absence->current), id, Min(seen_length, length));
    if (common > 0 || (common == 0 && seen_length >= length))
      return absence->found = common == 0 && seen_length == length;
  }
  return false;
}

/// Of some absent ids, those that were held are seen to be absent again: they are marked. The
/// others wait for the end of the walk.
void sort_out(Absence *absence, const char *statement, const Text *ids, int count) {
  const HeldIds held = absence->has_held && count > 0
                           ? held_among(absence->marking.sync->id, ids, count)
                           : HeldIds{nullptr, 0};
  int next = 0;
  for (int i = 0; i < count; ++i) {
    const bool is_held = next < held.count && strcmp(held.ids[next].data, ids[i].data) == 0;
    if (is_held) {
      ++next;
      continue;
    }
    tuplesort_putdatum(absence->absent, datum_of_id(&ids[i]), false);
    ++absence->absent_count;
  }
  mark(&absence->marking, statement, held.ids, held.count);
}

/// Of some ascending ids, leaves those that are not deleted already; returns how many.
int leave_out_deleted(const Absence *absence, Text *ids, int count) {
  if (count == 0) return 0;
  const Sync *sync = absence->marking.sync;
  Destination *destination = absence->marking.destination;
  const uint64 deleted =
      destination->execute(deleted_statement(absence->marking.table),
                           {value_of(sync->application_id), value_of(sync->customer_id),
                            value_of(sync->provider_name), value_of(ids, count)});
  uint64 next = 0;
  int left = 0;
  for (int i = 0; i < count; ++i) {
    if (next < deleted && strcmp(destination->field(next, 0), ids[i].data) == 0)
      ++next;
    else
      ids[left++] = ids[i];
  }
  return left;
}

/// One step of the walk: the stored ids after `after`; returns the last of them, or null at the
/// end.
char *walk_after(Absence *absence, const char *walk, const char *marks, const char *after) {
  const Sync *sync = absence->marking.sync;
  Destination *destination = absence->marking.destination;
  const uint64 rows =
      destination->execute(walk, {value_of(sync->application_id), value_of(sync->customer_id),
                                  value_of(sync->provider_name), value_of(after)});
  const MemoryContext caller = MemoryContextSwitchTo(absence->scratch);
  auto *absent = static_cast<Text *>(palloc(sizeof(Text) * kStep));
  int count = 0;
  for (uint64 row = 0; row < rows; ++row) {
    const char *id = destination->field(row, 0);
    if (!was_seen(absence, id)) absent[count++] = copy_of(id);
  }
  const char *last = rows == kStep ? pstrdup(destination->field(rows - 1, 0)) : nullptr;
  const int left =
      absence->marking.run->keys_only ? leave_out_deleted(absence, absent, count) : count;
  absence->stored += static_cast<int64>(rows) - (count - left);
  sort_out(absence, marks, absent, left);
  MemoryContextSwitchTo(caller);
  char *result = last == nullptr ? nullptr : pstrdup(last);
  MemoryContextReset(absence->scratch);
  CHECK_FOR_INTERRUPTS();
  return result;
}

/// Whether the absent are too many to be believed at once. What a sync that was started over finds
/// in the table is of another account, object or place: then everything may be absent.
bool must_hold(const Absence *absence) {
  const Sync *sync = absence->marking.sync;
  const bool started_over =
      strcmp(sync->phase, "created") == 0 && !TIMESTAMP_IS_NOBEGIN(sync->emitted_at);
  if (started_over || absence->absent_count == 0) return false;
  double share;
  int64 rows;
  guard([&] {
    const Json config = Json::parse(sync->config);
    share = config.value("deletion_stop_share", kStopShare);
    rows = config.value("deletion_stop_rows", kStopRows);
  });
  return absence->absent_count > rows &&
         static_cast<double>(absence->absent_count) > share * static_cast<double>(absence->stored);
}

/// The absent, a step at a time: marked, or held.
void mark_or_hold(Absence *absence, bool holds, const char *statement) {
  const MemoryContext caller = MemoryContextSwitchTo(absence->scratch);
  for (bool more = true; more;) {
    auto *ids = static_cast<Text *>(palloc(sizeof(Text) * kStep));
    int count = 0;
    for (; more && count < kStep;) {
      Datum value;
      bool null;
      more = next_datum(absence->absent, &value, &null);
      if (more) ids[count++] = copy_of(TextDatumGetCString(value));
    }
    if (count > 0 && holds) hold(absence->marking.sync->id, ids, count);
    if (count > 0 && !holds) mark(&absence->marking, statement, ids, count);
    MemoryContextReset(absence->scratch);
    CHECK_FOR_INTERRUPTS();
  }
  MemoryContextSwitchTo(caller);
}

/// Judges the absent, when all of them are known.
void settle(Absence *absence, const char *marks) {
  Run *run = absence->marking.run;
  absence->stored -= run->inserted;
  // A record that came without its id may be any of those that are absent.
  const bool unsure = run->rejected > 0;
  if (unsure && absence->absent_count > 0)
    warn(run, format(INT64_FORMAT " rows were absent at the provider and stay: they may be the "
                                  "records that cannot be used",
                     absence->absent_count));
  if (unsure) absence->absent_count = 0;
  const bool holds = must_hold(absence);
  if (absence->has_held) forget_held(absence->marking.sync->id);
  tuplesort_performsort(absence->absent);
  if (!unsure) mark_or_hold(absence, holds, marks);
  tuplesort_end(absence->absent);
  run->held = holds ? absence->absent_count : 0;
  run->held_of = absence->stored;
}

Tuplesortstate *begin_sort() {
  return tuplesort_begin_datum(TEXTOID, TextLessOperator, C_COLLATION_OID, false, work_mem, nullptr,
                               false);
}

}  // namespace

Absence *begin_absence(const AbsentMarking *marking) {
  auto *absence = static_cast<Absence *>(palloc0(sizeof(Absence)));
  absence->marking = *marking;
  absence->context = CurrentMemoryContext;
  absence->scratch =
      AllocSetContextCreate(absence->context, "supaglue absence", ALLOCSET_DEFAULT_SIZES);
  absence->seen = begin_sort();
  return absence;
}

void note_seen(Absence *absence, const std::vector<const Record *> *records) {
  const MemoryContext caller = MemoryContextSwitchTo(absence->scratch);
  for (const Record *record : *records) note(absence, record->id, kCame);
  MemoryContextSwitchTo(caller);
  MemoryContextReset(absence->scratch);
}

void note_stored(Absence *absence, const std::vector<std::string_view> *ids) {
  const MemoryContext caller = MemoryContextSwitchTo(absence->scratch);
  for (const std::string_view id : *ids) note(absence, id, kStored);
  MemoryContextSwitchTo(caller);
  MemoryContextReset(absence->scratch);
}

Settled settle_absent(Absence *absence, Postponed *postponed) {
  const AbsentMarking &marking = absence->marking;
  const MemoryContext caller = MemoryContextSwitchTo(absence->context);
  absence->absent = begin_sort();
  absence->has_held = marking.run->rejected == 0 && has_held(marking.sync->id);
  absence->postponed = postponed;
  tuplesort_performsort(absence->seen);
  advance(absence);
  const char *walk = walk_statement(&marking);
  const char *marks = mark_statement(marking.table);
  for (char *after = pstrdup(""); after != nullptr;) {
    char *last = walk_after(absence, walk, marks, after);
    pfree(after);
    after = last;
  }
  while (absence->current != nullptr) advance(absence);
  tuplesort_end(absence->seen);
  if (absence->lost == 0) settle(absence, marks);
  MemoryContextSwitchTo(caller);
  return {absence->different, absence->lost};
}

void end_absence(Absence *absence) { tuplesort_end(absence->seen); }

void mark_held(const AbsentMarking *marking) {
  MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "supaglue held deletions",
                                                ALLOCSET_DEFAULT_SIZES);
  const char *statement = mark_statement(marking->table);
  const char *after = "";
  const MemoryContext caller = MemoryContextSwitchTo(scratch);
  for (int count = kStep; count == kStep;) {
    const HeldIds held = held_after(marking->sync->id, after, kStep);
    mark(marking, statement, held.ids, held.count);
    count = held.count;
    if (count == 0) break;
    after = MemoryContextStrdup(caller, held.ids[count - 1].data);
    MemoryContextReset(scratch);
    CHECK_FOR_INTERRUPTS();
  }
  MemoryContextSwitchTo(caller);
  MemoryContextDelete(scratch);
  forget_held(marking->sync->id);
}

}  // namespace supaglue
