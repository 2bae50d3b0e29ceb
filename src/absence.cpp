// pg: what a full run did not see. See absence.hpp.
//
// Both the ids that the run saw and those that are stored are read in the order of the bytes, side
// by side, so that memory holds a step of the walk, whatever the size of the table.
#include "absence.hpp"

#include "held_deletions.hpp"
#include "id_set.hpp"
#include "pg.hpp"
#include "postponed.hpp"
#include "sql.hpp"

namespace supaglue {

namespace {

constexpr int kStep = 5000;  // ids of a statement

constexpr double kStopShare = 0.2;
constexpr int64 kStopRows = 50;

}  // namespace

struct Absence {
  AbsentMarking marking;
  MemoryContext context;
  MemoryContext scratch;  // a step
  IdSet *seen;            // ids of the run; marked when some version came, not just the word that
                          // it is stored
  Member current;         // one of them
  bool at_end;            // there is none
  bool found;             // it is among the stored
  int64 lost;             // stored ids that are not
  int64 different;        // ids that were read of them
  Postponed *postponed;   // is told of each; or null
  IdSet *absent;          // ids that are stored, were not seen, and are not held already
  int64 absent_count;
  int64 stored;  // rows that were there before the run and are not deleted
  bool has_held;
};

namespace {

// Stored ids after $4, in the order of the bytes. For a sweep, deleted ones too: without them the
// rows themselves would be read, and the index is enough where the table is vacuumed. What is
// selected is what it is ordered by, or it would be computed twice.
char *walk_statement(const AbsentMarking *marking) {
  return format(
      R"(SELECT t.id COLLATE "C" FROM %s AS t
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

Text copy_of(std::string_view id) {
  return {pnstrdup(id.data(), id.size()), static_cast<int>(id.size())};
}

void see_next(Absence *absence) {
  absence->found = false;
  absence->at_end = !next_id(absence->seen, &absence->current);
  if (!absence->at_end) ++absence->different;
}

/// Leaves one id that the run saw for the next.
void advance(Absence *absence) {
  const Member *current = &absence->current;
  if (!current->marked && !absence->found) ++absence->lost;
  if (absence->postponed != nullptr)
    judge_postponed(absence->postponed, current->id, current->times);
  see_next(absence);
}

/// Whether the run has seen an id; ids are asked for in ascending order.
bool was_seen(Absence *absence, std::string_view id) {
  for (; !absence->at_end; advance(absence)) {
    const int order = absence->current.id.compare(id);
    if (order >= 0) return absence->found = order == 0;
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
    add_id(absence->absent, {ids[i].data, static_cast<size_t>(ids[i].length)}, false);
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

// A step of the walk.
struct Step {
  Absence *absence;
  int64 rows;
  char *last;    // its last id, when more may follow
  Text *absent;  // ids of it
  int count;
};

void take_stored(void *of, std::string_view id) {
  auto *step = static_cast<Step *>(of);
  const MemoryContext caller = MemoryContextSwitchTo(step->absence->scratch);
  if (!was_seen(step->absence, id)) step->absent[step->count++] = copy_of(id);
  if (++step->rows == kStep) step->last = pnstrdup(id.data(), id.size());
  MemoryContextSwitchTo(caller);
}

/// One step of the walk: the stored ids after `after`; returns the last of them, or null at the
/// end.
char *walk_after(Absence *absence, const char *walk, const char *marks, const char *after) {
  const Sync *sync = absence->marking.sync;
  const MemoryContext caller = MemoryContextSwitchTo(absence->scratch);
  Step step = {absence, 0, nullptr, static_cast<Text *>(palloc(sizeof(Text) * kStep)), 0};
  absence->marking.destination->stream(walk,
                                       {value_of(sync->application_id), value_of(sync->customer_id),
                                        value_of(sync->provider_name), value_of(after)},
                                       take_stored, &step);
  const int left = absence->marking.run->keys_only
                       ? leave_out_deleted(absence, step.absent, step.count)
                       : step.count;
  absence->stored += step.rows - (step.count - left);
  sort_out(absence, marks, step.absent, left);
  MemoryContextSwitchTo(caller);
  char *result = step.last == nullptr ? nullptr : pstrdup(step.last);
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
      Member member;
      more = next_id(absence->absent, &member);
      if (more) ids[count++] = copy_of(member.id);
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
  if (!unsure) mark_or_hold(absence, holds, marks);
  run->held = holds ? absence->absent_count : 0;
  run->held_of = absence->stored;
}

}  // namespace

Absence *begin_absence(const AbsentMarking *marking) {
  auto *absence = static_cast<Absence *>(palloc0(sizeof(Absence)));
  absence->marking = *marking;
  absence->context = CurrentMemoryContext;
  absence->scratch =
      AllocSetContextCreate(absence->context, "supaglue absence", ALLOCSET_DEFAULT_SIZES);
  absence->seen = make_id_set();
  return absence;
}

void note_seen(Absence *absence, const std::vector<const Record *> *records) {
  for (const Record *record : *records) add_id(absence->seen, record->id, true);
}

void note_stored(Absence *absence, const std::vector<std::string_view> *ids) {
  for (const std::string_view id : *ids) add_id(absence->seen, id, false);
}

Settled settle_absent(Absence *absence, Postponed *postponed) {
  const AbsentMarking &marking = absence->marking;
  const MemoryContext caller = MemoryContextSwitchTo(absence->context);
  absence->absent = make_id_set();
  absence->has_held = marking.run->rejected == 0 && has_held(marking.sync->id);
  absence->postponed = postponed;
  see_next(absence);
  const char *walk = walk_statement(&marking);
  const char *marks = mark_statement(marking.table);
  for (char *after = pstrdup(""); after != nullptr;) {
    char *last = walk_after(absence, walk, marks, after);
    pfree(after);
    after = last;
  }
  while (!absence->at_end) advance(absence);
  end_id_set(absence->seen);
  if (absence->lost == 0) settle(absence, marks);
  end_id_set(absence->absent);
  MemoryContextSwitchTo(caller);
  return {absence->different, absence->lost};
}

void end_absence(Absence *absence) { end_id_set(absence->seen); }

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
