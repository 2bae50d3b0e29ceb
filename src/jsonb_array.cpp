// pg: an array of jsonb. See jsonb_array.hpp.
#include "jsonb.hpp"

#include "jsonb_array.hpp"

#include "pg.hpp"

namespace supaglue {

namespace {

constexpr Size kSpare = 1 << 16;

/// Room for so much more behind what is there.
char *make_room(char *bytes, Size used, Size *capacity, Size more) {
  if (used + more <= *capacity) return bytes;
  *capacity = Max(used + more, *capacity * 2) + kSpare;
  return static_cast<char *>(repalloc_huge(bytes, *capacity));
}

}  // namespace

ArrayType *jsonb_array(JsonbWriter *writer, const Text *texts, int count) {
  if (count == 0) return construct_empty_array(JSONBOID);
  Size capacity = kSpare, used = ARR_OVERHEAD_NONULLS(1);
  auto *bytes = static_cast<char *>(palloc(capacity));
  for (int i = 0; i < count; ++i) {
    const Size most = guard([&] {
      return writer->read({texts[i].data, static_cast<size_t>(texts[i].length)});
    });
    bytes = make_room(bytes, used, &capacity, most + ALIGNOF_INT);
    used += guard([&] { return writer->write(bytes + used); });
    while (used % ALIGNOF_INT != 0) bytes[used++] = 0;
  }
  if (!AllocSizeIsValid(used))
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("%d records are too large for one statement", count)));
  auto *array = reinterpret_cast<ArrayType *>(bytes);
  SET_VARSIZE(array, used);
  array->ndim = 1;
  array->dataoffset = 0;
  array->elemtype = JSONBOID;
  ARR_DIMS(array)[0] = count;
  ARR_LBOUND(array)[0] = 1;
  return array;
}

}  // namespace supaglue
