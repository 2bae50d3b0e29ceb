// pg: a destination in another Postgres. See remote.hpp.
#include "remote.hpp"

#include <arpa/inet.h>

#include <algorithm>

#include "pg.hpp"
#include "remote_connection.hpp"
#include "settings.hpp"
#include "sql.hpp"
#include "stopwatch.hpp"

#include "libpq-fe.h"

namespace supaglue {

namespace {

constexpr int kMostSent = 4;  // the server never waits for the next

class RemoteDestination final : public Destination {
 public:
  RemoteDestination(const char *label, MemoryContext scratch) : label_(label), scratch_(scratch) {}
  RemoteDestination(const RemoteDestination &) = delete;
  RemoteDestination &operator=(const RemoteDestination &) = delete;
  ~RemoteDestination() {
    PQclear(result_);
    leave_connection(connection_, place_);
  }

  /// Null, or why it could not be done.
  const char *connect(const char *config, const char *secret, Oid owner);
  /// Runs a statement; false when it failed: result_ says why, or is null when the connection was
  /// lost.
  bool run(const char *statement, std::initializer_list<Value> args);
  const char *failure() const;

  uint64 execute(const char *statement, std::initializer_list<Value> args) override;
  void tell(const char *statement, std::initializer_list<Value> args) override;
  void send(const char *statement, std::initializer_list<Value> args, void (*take)(void *, uint64),
            void *of) override;
  void take_sent() override;
  const char *field(uint64 row, int column) override;
  void stream(const char *statement, std::initializer_list<Value> args,
              void (*take)(void *, std::string_view), void *of) override;
  void set_lock_timeout(int ms) override;
  void begin() override;
  void commit() override { execute("COMMIT", {}); }
  bool is_remote() const override { return true; }
  const char *label() const override { return label_; }

 private:
  bool put(const char *statement, std::initializer_list<Value> args);
  bool put_segment(const char *statement, std::initializer_list<Value> args);
  bool receive();
  void require_put(bool put);
  uint64 require_result();
  void take_first();
  [[noreturn]] void raise();

  const char *label_;
  MemoryContext scratch_;
  const char *place_ = "";
  PGconn *connection_ = nullptr;
  PGresult *result_ = nullptr;
  /// Statements that were sent, whose results are not taken yet, the oldest first. Each is a
  /// segment of libpq's pipeline, together with what was told before it: the server passes over the
  /// rest of a segment in which one fails.
  struct Sent {
    void (*take)(void *, uint64);
    void *of;
  };
  Sent sent_[kMostSent];
  int sent_count_ = 0;
};

const char *RemoteDestination::connect(const char *config, const char *secret, Oid owner) {
  place_ = place_of(config, secret, owner);
  connection_ = take_kept_connection(place_);
  if (connection_ != nullptr) return nullptr;
  return connect_to_server(&connection_, place_, config, secret, owner);
}

void append_int(StringInfo to, int value) {
  const uint32 bytes = htonl(static_cast<uint32>(value));
  appendBinaryStringInfo(to, reinterpret_cast<const char *>(&bytes), sizeof bytes);
}

void append_jsonb(StringInfo to, const Text &bytes) {
  auto *jsonb = static_cast<Jsonb *>(palloc(bytes.length));  // aligned
  memcpy(jsonb, bytes.data, bytes.length);
  const int at = to->len;
  append_int(to, 0);
  JsonbToCString(to, &jsonb->root, bytes.length);
  const uint32 length = pg_hton32(static_cast<uint32>(to->len - at) - sizeof(uint32));
  memcpy(to->data + at, &length, sizeof length);
  pfree(jsonb);
}

void append_element(StringInfo to, const Value &value, int i) {
  switch (value.kind) {
    case Value::Kind::kTimes:
      if (TIMESTAMP_IS_NOBEGIN(value.times[i])) return append_int(to, -1);
      append_int(to, sizeof(TimestampTz));
      append_int(to, static_cast<int>(value.times[i] >> 32));
      return append_int(to, static_cast<int>(value.times[i]));
    case Value::Kind::kBooleans:
      append_int(to, 1);
      return appendStringInfoChar(to, value.booleans[i]);
    case Value::Kind::kJsonbs:
      return append_jsonb(to, value.texts[i]);
    default: {
      const Text &text = value.texts[i];
      append_int(to, text.data == nullptr ? -1 : text.length);
      if (text.data != nullptr) appendBinaryStringInfo(to, text.data, text.length);
    }
  }
}

/// jsonb goes as text that the statement casts row by row: jsonb_recv() would keep what parsing one
/// leaves behind until it is through with all, and takes a sixth longer for it.
Value::Kind kind_there(Value::Kind kind) {
  return kind == Value::Kind::kJsonbs ? Value::Kind::kTexts : kind;
}

/// An array as array_recv() reads it: no quoting, no copy of a copy.
StringInfo binary_array(const Value &value) {
  StringInfo array = makeStringInfo();
  const bool has_texts = value.texts != nullptr;
  int64 size = 20;
  for (int i = 0; i < value.count; ++i)
    size += has_texts ? 5 + int64{value.texts[i].length} : int64{12};
  if (size >= static_cast<int64>(MaxAllocSize))
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("page is too large")));
  enlargeStringInfo(array, static_cast<int>(size));
  append_int(array, value.count == 0 ? 0 : 1);
  append_int(array, 1);  // there may be nulls
  append_int(array, static_cast<int>(element_type(kind_there(value.kind))));
  if (value.count == 0) return array;
  append_int(array, value.count);
  append_int(array, 1);
  for (int i = 0; i < value.count; ++i) append_element(array, value, i);
  return array;
}

/// Receives a segment, while what follows it is still being sent. The result of its last statement
/// is the one that is kept, or that of the first that failed.
bool RemoteDestination::receive() {
  PQclear(result_);
  result_ = nullptr;
  bool succeeded = true;
  while (PQstatus(connection_) == CONNECTION_OK) {
    while (PQisBusy(connection_)) {
      const int left = PQflush(connection_);
      if (left < 0) return false;
      wait_for_server(connection_, WL_SOCKET_READABLE | (left > 0 ? WL_SOCKET_WRITEABLE : 0),
                      DT_NOEND);
      if (!PQconsumeInput(connection_)) return false;
    }
    PGresult *result = PQgetResult(connection_);
    if (result == nullptr) continue;  // the end of one statement
    const ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_PIPELINE_SYNC || !succeeded) {
      PQclear(result);
      if (status == PGRES_PIPELINE_SYNC) return succeeded;
      continue;
    }
    PQclear(result_);
    result_ = result;
    succeeded = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
  }
  return false;
}

/// Puts a statement at the end of what is sent.
bool RemoteDestination::put(const char *statement, std::initializer_list<Value> args) {
  MemoryContextReset(scratch_);
  const MemoryContext caller = MemoryContextSwitchTo(scratch_);
  const size_t count = args.size();
  auto *types = static_cast<Oid *>(palloc(sizeof(Oid) * (count + 1)));
  auto *values = static_cast<const char **>(palloc(sizeof(char *) * (count + 1)));
  auto *lengths = static_cast<int *>(palloc(sizeof(int) * (count + 1)));
  auto *formats = static_cast<int *>(palloc(sizeof(int) * (count + 1)));
  int i = 0;
  for (const Value &value : args) {
    const bool is_array = value.kind != Value::Kind::kText;
    const StringInfo array = is_array ? binary_array(value) : nullptr;
    types[i] = type_of(kind_there(value.kind));
    values[i] = is_array ? array->data : value.one.data;
    lengths[i] = is_array ? array->len : value.one.length;
    // A text's binary form is its bytes: it needs no end and no escape.
    formats[i++] = 1;
  }
  const int sent = PQsendQueryParams(connection_, statement, static_cast<int>(count), types, values,
                                     lengths, formats, 0);
  MemoryContextSwitchTo(caller);
  return sent == 1;
}

/// Ends a segment with a statement, and sends it.
bool RemoteDestination::put_segment(const char *statement, std::initializer_list<Value> args) {
  return put(statement, args) && PQpipelineSync(connection_) && PQflush(connection_) >= 0;
}

bool RemoteDestination::run(const char *statement, std::initializer_list<Value> args) {
  return put_segment(statement, args) && receive();
}

const char *RemoteDestination::failure() const {
  const char *message =
      result_ == nullptr ? nullptr : PQresultErrorField(result_, PG_DIAG_MESSAGE_PRIMARY);
  return message != nullptr ? pstrdup(message) : connection_error(connection_);
}

void RemoteDestination::raise() {
  const auto text_of = [this](int code) {
    const char *text = result_ == nullptr ? nullptr : PQresultErrorField(result_, code);
    return text == nullptr ? nullptr : pstrdup(text);
  };
  const char *sqlstate = text_of(PG_DIAG_SQLSTATE);
  if (sqlstate == nullptr || strlen(sqlstate) != 5 || PQstatus(connection_) == CONNECTION_BAD)
    ereport(ERROR,
            (errcode(ERRCODE_CONNECTION_FAILURE), errmsg("lost the connection to %s", label_),
             errdetail_internal("%s", connection_error(connection_))));
  const char *detail = text_of(PG_DIAG_MESSAGE_DETAIL);
  const char *hint = text_of(PG_DIAG_MESSAGE_HINT);
  ereport(ERROR,
          (errcode(MAKE_SQLSTATE(sqlstate[0], sqlstate[1], sqlstate[2], sqlstate[3], sqlstate[4])),
           errmsg_internal("%s", failure()), detail ? errdetail_internal("%s", detail) : 0,
           hint ? errhint("%s", hint) : 0, errcontext("%s", label_)));
  pg_unreachable();
}

void RemoteDestination::require_put(bool put) {
  if (put) return;
  PQclear(result_);
  result_ = nullptr;
  raise();
}

/// Its number of rows, or of rows touched.
uint64 RemoteDestination::require_result() {
  start_stopwatch();
  const bool succeeded = receive();
  stop_stopwatch();
  if (!succeeded) raise();
  if (PQresultStatus(result_) == PGRES_TUPLES_OK) return static_cast<uint64>(PQntuples(result_));
  return strtoull(PQcmdTuples(result_), nullptr, 10);
}

uint64 RemoteDestination::execute(const char *statement, std::initializer_list<Value> args) {
  require_put(put_segment(statement, args));
  take_sent();
  return require_result();
}

void RemoteDestination::tell(const char *statement, std::initializer_list<Value> args) {
  require_put(put(statement, args));
}

void RemoteDestination::send(const char *statement, std::initializer_list<Value> args,
                             void (*take)(void *, uint64), void *of) {
  if (sent_count_ == kMostSent) take_first();
  require_put(put_segment(statement, args));
  sent_[sent_count_++] = {take, of};
}

void RemoteDestination::take_first() {
  const uint64 rows = require_result();
  const Sent first = sent_[0];
  std::copy(sent_ + 1, sent_ + sent_count_, sent_);
  sent_count_--;
  first.take(first.of, rows);
}

void RemoteDestination::take_sent() {
  while (sent_count_ > 0) take_first();
}

const char *RemoteDestination::field(uint64 row, int column) {
  const int r = static_cast<int>(row);
  return PQgetisnull(result_, r, column) ? nullptr : PQgetvalue(result_, r, column);
}

void RemoteDestination::stream(const char *statement, std::initializer_list<Value> args,
                               void (*take)(void *, std::string_view), void *of) {
  const int rows = static_cast<int>(execute(statement, args));
  for (int row = 0; row < rows; ++row)
    take(of, {PQgetvalue(result_, row, 0), static_cast<size_t>(PQgetlength(result_, row, 0))});
}

void RemoteDestination::set_lock_timeout(int ms) {
  tell(format("SET LOCAL lock_timeout = %d", ms), {});
}

// Everything is set for the transaction alone, so that a pooler between us does no harm. The plan
// settings keep a generic plan on the key's index however old the statistics are (see merge.cpp);
// nothing but our statements runs here. Whether it may write is the server's to say: those that
// others run become read-only by default when their disk is nearly full. When we are gone, a
// statement that waits there keeps no locks.
void RemoteDestination::begin() {
  const char *const values[][2] = {
      {"search_path", "pg_catalog, pg_temp"},
      {"timezone", "UTC"},
      {"datestyle", "ISO"},
      {"row_security", "off"},
      {"statement_timeout", format("%d", settings.merge_timeout_ms)},
      {"idle_in_transaction_session_timeout", "0"},
      {"lock_timeout", format("%d", settings.lock_timeout_ms)},
      {"standard_conforming_strings", "on"},
      {"jit", "off"},
      {"plan_cache_mode", "force_generic_plan"},
      {"enable_seqscan", "off"},
      {"enable_bitmapscan", "off"},
      {"enable_hashjoin", "off"},
      {"enable_mergejoin", "off"},
      {"enable_material", "off"},
      {"client_connection_check_interval", "2s"},  // the last: not every version has it
  };
  const size_t count = lengthof(values) - (PQserverVersion(connection_) < 140000);
  StringInfoData sets;
  initStringInfo(&sets);
  for (size_t i = 0; i < count; ++i)
    appendStringInfo(&sets, "%s pg_catalog.set_config('%s', '%s', true)", i == 0 ? "SELECT" : ",",
                     values[i][0], values[i][1]);
  tell("BEGIN ISOLATION LEVEL READ COMMITTED", {});
  tell(sets.data, {});
  tell("SET CONSTRAINTS ALL IMMEDIATE", {});
}

RemoteDestination *make_remote(const char *name) {
  MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "supaglue remote destination",
                                                ALLOCSET_DEFAULT_SIZES);
  return make_in<RemoteDestination>(CurrentMemoryContext, format("destination \"%s\"", name),
                                    scratch);
}

}  // namespace

Destination *open_remote(const char *name, const char *config, const char *secret, Oid owner) {
  RemoteDestination *destination = make_remote(name);
  if (const char *failure = destination->connect(config, secret, owner))
    ereport(ERROR, (errcode(ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION),
                    errmsg("could not connect to %s", destination->label()),
                    errdetail_internal("%s", failure)));
  return destination;
}

char *remote_failure(const char *name, const char *config, const char *secret, Oid owner) {
  RemoteDestination *destination = make_remote(name);
  if (const char *failure = destination->connect(config, secret, owner)) return pstrdup(failure);
  const char *schema = guarded_text([&] { return Json::parse(config).value("schema", "public"); });
  if (!destination->run(
          "SELECT coalesce((SELECT pg_catalog.has_schema_privilege(oid, 'CREATE')"
          " FROM pg_catalog.pg_namespace WHERE nspname = $1::text),"
          " pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'))",
          {value_of(schema)}))
    return pstrdup(destination->failure());
  if (strcmp(destination->field(0, 0), "t") != 0)
    return format("its user may not create tables in schema \"%s\"", schema);
  return nullptr;
}

}  // namespace supaglue
