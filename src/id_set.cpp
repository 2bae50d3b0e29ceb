// pg: a set of ids. See id_set.hpp.
//
// Providers tell of nearly all ids in their order. Those that come so are written down as they are,
// a chunk after the other; only the rest is sorted. The two are read side by side.
#include "id_set.hpp"

#include "pg.hpp"

namespace supaglue {

namespace {

constexpr uint32 kChunk = 64 << 10;

// The mark of an id that is sorted. It stands behind it, after a byte that no id has and that is
// the least of all: so the order is still that of the ids.
constexpr char kMarked = 'm', kPlain = 'p';
constexpr size_t kMarkLength = 2;

/// What is to be read next, of those in order or of the others.
struct Head {
  std::string_view id;
  bool marked;
  bool is_there;
};

}  // namespace

struct IdSet {
  MemoryContext context;
  // In order. An id in the chunk stands between its length and its mark.
  char *chunk;
  uint32 end, at;         // of what the chunk holds, and of what is read of it
  std::string_view last;  // in the chunk, where it stays until the next one is there
  BufFile *file;          // chunks, each behind its length; null: the one is all
  // Others.
  Tuplesortstate *sort;  // null: there are none
  StringInfoData marked;
  text *sorted;
  // Reading.
  bool reads;
  Head in_order, other;
  StringInfoData current;
};

namespace {

void write_chunk(IdSet *set) {
  if (set->file == nullptr) {
    const MemoryContext caller = MemoryContextSwitchTo(set->context);
    set->file = BufFileCreateTemp(false);
    MemoryContextSwitchTo(caller);
  }
  BufFileWrite(set->file, &set->end, sizeof set->end);
  BufFileWrite(set->file, set->chunk, set->end);
  set->end = 0;
}

/// False at the end.
bool read_chunk(IdSet *set) {
  if (set->file == nullptr || BufFileRead(set->file, &set->end, sizeof set->end) == 0) return false;
  if (BufFileRead(set->file, set->chunk, set->end) != set->end)
    elog(ERROR, "a temporary file of ids ends in the midst of a chunk");
  set->at = 0;
  return true;
}

void append(IdSet *set, std::string_view id, bool marked) {
  const auto length = static_cast<uint32>(id.size());
  if (set->end + sizeof length + length + sizeof marked > kChunk) write_chunk(set);
  char *to = set->chunk + set->end;
  memcpy(to, &length, sizeof length);
  memcpy(to += sizeof length, id.data(), length);
  set->last = {to, length};
  memcpy(to += length, &marked, sizeof marked);
  set->end = static_cast<uint32>(to + sizeof marked - set->chunk);
}

void sort(IdSet *set, std::string_view id, bool marked) {
  if (set->sort == nullptr) {
    const MemoryContext caller = MemoryContextSwitchTo(set->context);
    set->sort = tuplesort_begin_datum(TEXTOID, TextLessOperator, C_COLLATION_OID, false, work_mem,
                                      nullptr, false);
    MemoryContextSwitchTo(caller);
  }
  StringInfo value = &set->marked;
  resetStringInfo(value);
  appendStringInfoSpaces(value, VARHDRSZ);
  appendBinaryStringInfo(value, id.data(), static_cast<int>(id.size()));
  appendStringInfoChar(value, '\0');
  appendStringInfoChar(value, marked ? kMarked : kPlain);
  SET_VARSIZE(value->data, value->len);
  tuplesort_putdatum(set->sort, PointerGetDatum(value->data), false);
}

void read_in_order(IdSet *set) {
  Head *head = &set->in_order;
  head->is_there = set->at < set->end || read_chunk(set);
  if (!head->is_there) return;
  uint32 length;
  const char *from = set->chunk + set->at;
  memcpy(&length, from, sizeof length);
  head->id = {from += sizeof length, length};
  memcpy(&head->marked, from += length, sizeof head->marked);
  set->at = static_cast<uint32>(from + sizeof head->marked - set->chunk);
}

void read_other(IdSet *set) {
  Head *head = &set->other;
  if (set->sorted != nullptr) pfree(set->sorted);
  set->sorted = nullptr;
  Datum value;
  bool null;
  const MemoryContext caller = MemoryContextSwitchTo(set->context);
  head->is_there = set->sort != nullptr && next_datum(set->sort, &value, &null);
  MemoryContextSwitchTo(caller);
  if (!head->is_there) return;
  set->sorted = DatumGetTextP(value);
  head->id = {VARDATA(set->sorted), VARSIZE(set->sorted) - VARHDRSZ};
  head->marked = head->id.back() == kMarked;
  head->id.remove_suffix(kMarkLength);
}

void read(IdSet *set, const Head *head) {
  head == &set->in_order ? read_in_order(set) : read_other(set);
}

void begin_reading(IdSet *set) {
  set->reads = true;
  if (set->file != nullptr) {
    write_chunk(set);
    if (BufFileSeek(set->file, 0, 0, SEEK_SET) != 0)
      elog(ERROR, "a temporary file of ids cannot be read from its beginning");
  }
  if (set->sort != nullptr) tuplesort_performsort(set->sort);
  read_in_order(set);
  read_other(set);
}

/// The one that comes first; null at the end.
const Head *first_head(const IdSet *set) {
  const Head *one = &set->in_order, *other = &set->other;
  if (!other->is_there) return one->is_there ? one : nullptr;
  return one->is_there && one->id < other->id ? one : other;
}

}  // namespace

IdSet *make_id_set() {
  auto *set = static_cast<IdSet *>(palloc0(sizeof(IdSet)));
  set->context = CurrentMemoryContext;
  set->chunk = static_cast<char *>(palloc(kChunk));
  initStringInfo(&set->marked);
  initStringInfo(&set->current);
  return set;
}

void add_id(IdSet *set, std::string_view id, bool marked) {
  const bool is_in_order = id >= set->last, fits = id.size() < kChunk / 2;
  if (is_in_order && fits)
    append(set, id, marked);
  else
    sort(set, id, marked);
}

bool next_id(IdSet *set, Member *member) {
  if (!set->reads) begin_reading(set);
  const Head *head = first_head(set);
  if (head == nullptr) return false;
  resetStringInfo(&set->current);
  appendBinaryStringInfo(&set->current, head->id.data(), static_cast<int>(head->id.size()));
  *member = {{set->current.data, head->id.size()}, 0, false};
  for (; head != nullptr && head->id == member->id; head = first_head(set)) {
    ++member->times;
    member->marked = member->marked || head->marked;
    read(set, head);
  }
  return true;
}

void end_id_set(IdSet *set) {
  if (set->file != nullptr) BufFileClose(set->file);
  if (set->sort != nullptr) tuplesort_end(set->sort);
}

}  // namespace supaglue
