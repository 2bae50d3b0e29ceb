// pg: what is written of many rows, a column each, as arrays that a statement unnests. It must not
// know any table.
#pragma once

#include "pg.hpp"
#include "sql.hpp"

namespace supaglue {

/// An array of a type from values that are plain or pointers; `nulls` may be null: none is NULL.
Arg array_arg(const Datum *values, const bool *nulls, int count, Oid type, Oid array_type);

/// Columns of `count` rows; `value_of(i)` gives the value of one, and must not throw.
template <typename ValueOf>
Arg ints_of(int count, ValueOf &&value_of) {
  auto *values = static_cast<int64 *>(palloc(sizeof(int64) * Max(count, 1)));
  for (int i = 0; i < count; ++i) values[i] = value_of(i);
  return ints_arg(values, count);
}
/// DT_NOBEGIN: NULL.
template <typename ValueOf>
Arg times_of(int count, ValueOf &&value_of) {
  auto *values = static_cast<Datum *>(palloc(sizeof(Datum) * Max(count, 1)));
  auto *nulls = static_cast<bool *>(palloc(sizeof(bool) * Max(count, 1)));
  for (int i = 0; i < count; ++i) {
    const TimestampTz time = value_of(i);
    values[i] = TimestampTzGetDatum(time);
    nulls[i] = TIMESTAMP_IS_NOBEGIN(time);
  }
  return array_arg(values, nulls, count, TIMESTAMPTZOID, TIMESTAMPTZARRAYOID);
}
/// A null pointer: NULL.
template <typename ValueOf>
Arg texts_of(int count, ValueOf &&value_of) {
  auto *values = static_cast<Datum *>(palloc(sizeof(Datum) * Max(count, 1)));
  auto *nulls = static_cast<bool *>(palloc(sizeof(bool) * Max(count, 1)));
  for (int i = 0; i < count; ++i) {
    const char *text = value_of(i);
    nulls[i] = text == nullptr;
    values[i] = nulls[i] ? static_cast<Datum>(0) : CStringGetTextDatum(text);
  }
  return array_arg(values, nulls, count, TEXTOID, TEXTARRAYOID);
}

}  // namespace supaglue
