// pg: an array of jsonb. See jsonb_array.hpp.
#include "jsonb_array.hpp"

#include "pg.hpp"

namespace supaglue {

ArrayType *jsonb_array(const Text *jsonbs, int count) {
  if (count == 0) return construct_empty_array(JSONBOID);
  Size size = ARR_OVERHEAD_NONULLS(1);
  for (int i = 0; i < count; ++i) size += INTALIGN(static_cast<Size>(jsonbs[i].length));
  if (!AllocSizeIsValid(size))
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("%d records are too large for one statement", count)));
  auto *array = static_cast<ArrayType *>(palloc(size));
  SET_VARSIZE(array, size);
  array->ndim = 1;
  array->dataoffset = 0;
  array->elemtype = JSONBOID;
  ARR_DIMS(array)[0] = count;
  ARR_LBOUND(array)[0] = 1;
  char *at = ARR_DATA_PTR(array);
  for (int i = 0; i < count; ++i) {
    const auto length = static_cast<Size>(jsonbs[i].length);
    memcpy(at, jsonbs[i].data, length);
    memset(at + length, 0, INTALIGN(length) - length);
    at += INTALIGN(length);
  }
  return array;
}

}  // namespace supaglue
