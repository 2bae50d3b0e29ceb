// pg: statements through SPI.
#include "sql.hpp"

#include "pg.hpp"
#include "plans.hpp"

namespace supaglue {

Arg text_arg(const char *value) {
  if (value == nullptr) return null_arg(TEXTOID);
  return {TEXTOID, CStringGetTextDatum(value), false};
}
Arg text_arg(const char *value, size_t length) {
  return {TEXTOID, PointerGetDatum(cstring_to_text_with_len(value, static_cast<int>(length))),
          false};
}
Arg int_arg(int64 value) { return {INT8OID, Int64GetDatum(value), false}; }
Arg bool_arg(bool value) { return {BOOLOID, BoolGetDatum(value), false}; }
Arg time_arg(TimestampTz value) {
  return {TIMESTAMPTZOID, TimestampTzGetDatum(value), TIMESTAMP_IS_NOBEGIN(value)};
}
Arg bytes_arg(const char *value, size_t length) {
  auto *bytes = static_cast<bytea *>(palloc(VARHDRSZ + length));
  SET_VARSIZE(bytes, VARHDRSZ + length);
  memcpy(VARDATA(bytes), value, length);
  return {BYTEAOID, PointerGetDatum(bytes), false};
}
Arg ints_arg(const int64 *values, int count) {
  auto *datums = static_cast<Datum *>(palloc(sizeof(Datum) * Max(count, 1)));
  for (int i = 0; i < count; ++i) datums[i] = Int64GetDatum(values[i]);
  return {INT8ARRAYOID,
          PointerGetDatum(construct_array(datums, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
                                          TYPALIGN_DOUBLE)),
          false};
}
Arg null_arg(Oid type) { return {type, static_cast<Datum>(0), true}; }

static uint64 run(const char *statement, std::initializer_list<Arg> args, bool latest) {
  const int count = static_cast<int>(args.size());
  Oid types[64];
  Datum values[64];
  char nulls[64];
  if (count > 64) elog(ERROR, "too many arguments");
  int i = 0;
  for (const Arg &arg : args) {
    types[i] = arg.type;
    values[i] = arg.value;
    nulls[i++] = arg.null ? 'n' : ' ';
  }
  // SPI leaves its own context current; whoever called may have chosen another for the results.
  MemoryContext context = CurrentMemoryContext;
  Plans *plans = plans_of_process();
  SPIPlanPtr plan = nullptr;
  if (plans != nullptr) {
    plan = plans->prepared(statement, types, count);
    plan_for_any_size(plan);
  } else if (latest) {
    plan = SPI_prepare(statement, count, types);
    if (plan == nullptr) elog(ERROR, "cannot prepare: %s", SPI_result_code_string(SPI_result));
  }
  int result;
  if (latest) {
    // A new catalog snapshot is just that: the newest; GetLatestSnapshot() is refused while a
    // parallel query runs.
    Snapshot snapshot = RegisterSnapshot(GetCatalogSnapshot(InvalidOid));
    result = SPI_execute_snapshot(plan, values, nulls, snapshot, InvalidSnapshot, true, false, 0);
    UnregisterSnapshot(snapshot);
    if (plans == nullptr) SPI_freeplan(plan);
  } else if (plan != nullptr) {
    result = SPI_execute_plan(plan, values, nulls, false, 0);
  } else {
    result = SPI_execute_with_args(statement, count, types, values, nulls, false, 0);
  }
  MemoryContextSwitchTo(context);
  if (result < 0) elog(ERROR, "statement failed: %s", SPI_result_code_string(result));
  return SPI_processed;
}

uint64 sql(const char *statement, std::initializer_list<Arg> args) {
  return run(statement, args, false);
}

uint64 sql_latest(const char *statement, std::initializer_list<Arg> args) {
  return run(statement, args, true);
}

static Datum datum_at(uint64 row, int column, bool *null) {
  if (SPI_tuptable == nullptr || row >= SPI_tuptable->numvals) elog(ERROR, "no such row");
  return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, null);
}

bool null_at(uint64 row, int column) {
  bool null;
  datum_at(row, column, &null);
  return null;
}

char *text_at(uint64 row, int column) {
  if (null_at(row, column)) return nullptr;
  return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
}

int64 int_at(uint64 row, int column) {
  bool null;
  const Datum value = datum_at(row, column, &null);
  if (null) return 0;
  switch (SPI_gettypeid(SPI_tuptable->tupdesc, column)) {
    case INT8OID:
      return DatumGetInt64(value);
    case INT4OID:
      return DatumGetInt32(value);
    case OIDOID:
    case REGROLEOID:
      return DatumGetObjectId(value);
    default:
      elog(ERROR, "column %d is not an integer", column);
  }
}

bool bool_at(uint64 row, int column) {
  bool null;
  const Datum value = datum_at(row, column, &null);
  return !null && DatumGetBool(value);
}

TimestampTz time_at(uint64 row, int column) {
  bool null;
  const Datum value = datum_at(row, column, &null);
  return null ? DT_NOBEGIN : DatumGetTimestampTz(value);
}

bytea *bytes_at(uint64 row, int column) {
  bool null;
  const Datum value = datum_at(row, column, &null);
  return null ? nullptr : DatumGetByteaPCopy(value);
}

void return_rows(FunctionCallInfo fcinfo) {
  auto *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
  if (result == nullptr || !IsA(result, ReturnSetInfo) ||
      (result->allowedModes & SFRM_Materialize) == 0)
    ereport(ERROR,
            (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("a set of rows cannot be taken here"),
             errhint("Call the function in FROM.")));
  MemoryContext context = MemoryContextSwitchTo(result->econtext->ecxt_per_query_memory);
  TupleDesc descriptor;
  if (get_call_result_type(fcinfo, nullptr, &descriptor) != TYPEFUNC_COMPOSITE)
    elog(ERROR, "the function returns no rows");
  result->returnMode = SFRM_Materialize;
  result->setDesc = descriptor;
  result->setResult =
      tuplestore_begin_heap((result->allowedModes & SFRM_Materialize_Random) != 0, false, work_mem);
  MemoryContextSwitchTo(context);
  for (uint64 row = 0; row < SPI_tuptable->numvals; ++row)
    tuplestore_puttuple(result->setResult, SPI_tuptable->vals[row]);
}

char *format(const char *pattern, ...) {
  StringInfoData buffer;
  initStringInfo(&buffer);
  for (;;) {
    va_list args;
    va_start(args, pattern);
    const int needed = appendStringInfoVA(&buffer, pattern, args);
    va_end(args);
    if (needed == 0) return buffer.data;
    enlargeStringInfo(&buffer, needed);
  }
}

static constexpr int64 kEpochMs =
    static_cast<int64>(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY * 1000;

TimestampTz time_of_ms(int64 ms) { return (ms - kEpochMs) * 1000; }
int64 ms_of_time(TimestampTz time) { return time / 1000 + kEpochMs; }
char *iso_of_time(TimestampTz time) {
  if (TIMESTAMP_IS_NOBEGIN(time)) return nullptr;
  auto *text = static_cast<char *>(palloc(129));  // MAXDATELEN, whose header defines too much
  const int utc = 0;
  return JsonEncodeDateTime(text, TimestampTzGetDatum(time), TIMESTAMPTZOID, &utc);
}

int64 now_ms() { return ms_of_time(GetCurrentTimestamp()); }
double jitter() { return random_fraction(); }

}  // namespace supaglue
