// pg: statements of our own through SPI: arguments with their types, results as plain values.
// It must not know any table.
#pragma once

#include "pg.hpp"

namespace supaglue {

/// An argument of a statement. A null pointer is SQL's NULL.
struct Arg {
  Oid type;
  Datum value;
  bool null;
};
Arg text_arg(const char *value);
Arg text_arg(const char *value, size_t length);
Arg int_arg(int64 value);
Arg bool_arg(bool value);
Arg time_arg(TimestampTz value);  // DT_NOBEGIN: NULL
Arg bytes_arg(const char *value, size_t length);
Arg ints_arg(const int64 *values, int count);
Arg null_arg(Oid type);

/// Runs one statement with SPI (connected by the caller) and returns how many rows it gave or
/// touched. Raises when it fails. The result stays in SPI_tuptable until the next one.
uint64 sql(const char *statement, std::initializer_list<Arg> args = {});

/// The same with the newest snapshot, whatever the isolation level of the caller's transaction; for
/// reading only.
uint64 sql_latest(const char *statement, std::initializer_list<Arg> args = {});

/// Columns (from 1) of a row (from 0) of the last result; allocated in the current context, which
/// is SPI's own after SPI_connect: switch before if the value must outlive SPI_finish.
char *text_at(uint64 row, int column);        // NULL: nullptr
int64 int_at(uint64 row, int column);         // NULL: 0
bool bool_at(uint64 row, int column);         // NULL: false
TimestampTz time_at(uint64 row, int column);  // NULL: DT_NOBEGIN
bytea *bytes_at(uint64 row, int column);      // NULL: nullptr
bool null_at(uint64 row, int column);

/// Gives the rows of the last result, whose columns are of the function's types, as what a function
/// that returns a set returns.
void return_rows(FunctionCallInfo fcinfo);

/// A printf-style string in the current memory context, for statements whose names are not known
/// before; names must pass quote_identifier(), values quote_literal_cstr().
char *format(const char *pattern, ...) pg_attribute_printf(1, 2);

/// Milliseconds since 1970, the time that pure code speaks, and timestamptz.
TimestampTz time_of_ms(int64 ms);
int64 ms_of_time(TimestampTz time);
int64 now_ms();
/// The whole of it as ISO 8601 text in UTC, microseconds too; null for DT_NOBEGIN.
char *iso_of_time(TimestampTz time);
/// A number in [0, 1).
double jitter();

}  // namespace supaglue
