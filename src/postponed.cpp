// pg: the older versions of a forced full run. See postponed.hpp.
#include "postponed.hpp"

#include "destination.hpp"
#include "pg.hpp"

namespace supaglue {

namespace {

constexpr int64 kDueBytes = 16 << 20;  // of a step, in which records may be large

// A stamp is sorted as the number that it is.
enum Column { kId, kStamp, kNumber, kDeleted, kRaw };
constexpr Oid kTypes[] = {TEXTOID, INT8OID, INT8OID, BOOLOID, BYTEAOID};

}  // namespace

struct Postponed {
  MemoryContext context;
  int64 count;
  Tuplesortstate *sort;  // by id, the newest version last, the later one when stamps are equal
  Tuplestorestate *due;  // null until the first is judged
  TupleTableSlot *row;   // to be put
  TupleTableSlot *next;  // the first that is not judged
  TupleTableSlot *newest;
};

namespace {

TupleDesc make_row_type() {
  TupleDesc type = CreateTemplateTupleDesc(lengthof(kTypes));
  for (AttrNumber i = 0; i < type->natts; ++i)
    TupleDescInitEntry(type, static_cast<AttrNumber>(i + 1), nullptr, kTypes[i], -1, 0);
  return type;
}

Tuplesortstate *begin_sort(TupleDesc type) {
  AttrNumber columns[] = {kId + 1, kStamp + 1, kNumber + 1};
  Oid operators[] = {TextLessOperator, Int8LessOperator, Int8LessOperator};
  Oid collations[] = {C_COLLATION_OID, InvalidOid, InvalidOid};
  bool nulls_first[] = {false, false, false};
  return tuplesort_begin_heap(type, lengthof(columns), columns, operators, collations, nulls_first,
                              work_mem, nullptr, false);
}

Datum datum_of(const Text &value) {
  return PointerGetDatum(cstring_to_text_with_len(value.data, value.length));
}

Datum datum_at(TupleTableSlot *slot, Column column) {
  bool null;
  return slot_getattr(slot, column + 1, &null);
}

/// Sees the next one that is to be judged; none at the end.
void advance(Postponed *postponed) {
  tuplesort_gettupleslot(postponed->sort, true, false, postponed->next, nullptr);
}

void begin_judging(Postponed *postponed) {
  const MemoryContext caller = MemoryContextSwitchTo(postponed->context);
  tuplesort_performsort(postponed->sort);
  postponed->due = tuplestore_begin_heap(false, false, work_mem);
  MemoryContextSwitchTo(caller);
  advance(postponed);
}

bool is_next(const Postponed *postponed, std::string_view id) {
  if (TupIsNull(postponed->next)) return false;
  const text *next = DatumGetTextPP(datum_at(postponed->next, kId));
  return id == std::string_view(VARDATA_ANY(next), VARSIZE_ANY_EXHDR(next));
}

Text copy_of(Datum datum) {
  const text *value = DatumGetTextPP(datum);
  const auto length = static_cast<int>(VARSIZE_ANY_EXHDR(value));
  auto *copy = static_cast<char *>(palloc(length));
  memcpy(copy, VARDATA_ANY(value), length);
  return {copy, length};
}

}  // namespace

Postponed *begin_postponed(MemoryContext context) {
  const MemoryContext caller = MemoryContextSwitchTo(context);
  auto *postponed = static_cast<Postponed *>(palloc0(sizeof(Postponed)));
  postponed->context = context;
  TupleDesc type = make_row_type();
  postponed->sort = begin_sort(type);
  postponed->row = MakeSingleTupleTableSlot(type, &TTSOpsVirtual);
  postponed->next = MakeSingleTupleTableSlot(type, &TTSOpsMinimalTuple);
  postponed->newest = MakeSingleTupleTableSlot(type, &TTSOpsMinimalTuple);
  MemoryContextSwitchTo(caller);
  return postponed;
}

void postpone(Postponed *postponed, const Versions *versions, int number) {
  TupleTableSlot *row = postponed->row;
  Datum *values = row->tts_values;
  values[kId] = datum_of(versions->ids[number]);
  values[kStamp] = Int64GetDatum(versions->stamps[number]);
  values[kNumber] = Int64GetDatum(postponed->count++);
  values[kDeleted] = BoolGetDatum(versions->deleted[number]);
  values[kRaw] = datum_of(versions->raws[number]);
  memset(row->tts_isnull, 0, lengthof(kTypes));
  ExecStoreVirtualTuple(row);
  tuplesort_puttupleslot(postponed->sort, row);
  ExecClearTuple(row);
  pfree(DatumGetPointer(values[kId]));
  pfree(DatumGetPointer(values[kRaw]));
}

void judge_postponed(Postponed *postponed, std::string_view id, int64 sightings) {
  if (postponed->due == nullptr) begin_judging(postponed);
  int64 count = 0;
  for (; is_next(postponed, id); advance(postponed)) {
    ExecCopySlot(postponed->newest, postponed->next);
    ++count;
  }
  if (count > 0 && count == sightings) tuplestore_puttupleslot(postponed->due, postponed->newest);
}

Versions due_versions(Postponed *postponed, int most) {
  const auto number = static_cast<size_t>(most);
  Versions due = {0, static_cast<Text *>(palloc(sizeof(Text) * number)),
                  static_cast<Text *>(palloc(sizeof(Text) * number)),
                  static_cast<TimestampTz *>(palloc(sizeof(TimestampTz) * number)),
                  static_cast<bool *>(palloc(sizeof(bool) * number))};
  TupleTableSlot *row = postponed->newest;
  for (int64 bytes = 0; due.count < most && bytes < kDueBytes; ++due.count) {
    if (!tuplestore_gettupleslot(postponed->due, true, false, row)) break;
    due.ids[due.count] = copy_of(datum_at(row, kId));
    due.raws[due.count] = copy_of(datum_at(row, kRaw));
    due.stamps[due.count] = DatumGetInt64(datum_at(row, kStamp));
    due.deleted[due.count] = DatumGetBool(datum_at(row, kDeleted));
    bytes += due.raws[due.count].length;
  }
  ExecClearTuple(row);  // what it holds may be of the current context
  return due;
}

void end_postponed(Postponed *postponed) {
  tuplesort_end(postponed->sort);
  tuplestore_end(postponed->due);
}

}  // namespace supaglue
