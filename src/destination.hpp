// pg: where tables land: this database through SPI, or a remote Postgres through libpq, behind one
// interface and by the same SQL text; whoever uses it does not know which. Arguments are text and
// arrays of text, cast in the SQL, and arrays of jsonb (whose elements the SQL casts: a remote
// server gets them as text), timestamptz and boolean.
#pragma once

#include <string_view>

#include "pg.hpp"

namespace supaglue {

/// An argument: one text, or an array: of texts, of jsonb whose bytes are given, of times, of
/// booleans. A null pointer, and DT_NOBEGIN, are NULL. The bytes are borrowed until the call
/// returns, and need no alignment.
struct Text {
  const char *data;
  int length;
};
struct Value {
  enum class Kind { kText, kTexts, kJsonbs, kTimes, kBooleans } kind;
  int count;  // of an array
  Text one;
  const Text *texts;  // or jsonbs
  const TimestampTz *times;
  const bool *booleans;
};
Text text_of(const char *text);
Value value_of(const char *text);
Value value_of(const Text *texts, int count);
Value value_of(const TimestampTz *times, int count);
Value value_of(const bool *booleans, int count);
Value jsonbs_of(const Text *jsonbs, int count);
/// The type of an argument, and that of an array's elements.
Oid type_of(Value::Kind kind);
Oid element_type(Value::Kind kind);

class Destination {
 public:
  /// How long the statements from here on wait for a lock; a merge's by default.
  virtual void set_lock_timeout(int ms) = 0;
  /// Runs a statement and returns its number of rows (or of rows touched); the rows stay readable
  /// until the next call. Raises with the SQLSTATE that the destination gave; a lost connection
  /// raises 08006.
  virtual uint64 execute(const char *statement, std::initializer_list<Value> args = {}) = 0;
  /// Runs a statement whose result nobody reads. A remote server gets it together with the next
  /// statement, which does not run when this one fails, and raises for it.
  virtual void tell(const char *statement, std::initializer_list<Value> args = {}) = 0;
  /// As execute(), for a caller that need not wait: `take(of, rows)` is called with what execute()
  /// would return when the result can be read, by the end of this call, or of a later one. So a
  /// remote server has the next statement by when it is through with the last.
  virtual void send(const char *statement, std::initializer_list<Value> args,
                    void (*take)(void *, uint64), void *of) = 0;
  /// Waits until the results of all that was sent are taken, as every call that gives a result
  /// does.
  virtual void take_sent() = 0;
  /// A field of the last result as text; null for NULL. Valid until the next call.
  virtual const char *field(uint64 row, int column) = 0;
  /// Runs a statement whose rows are one text each, none of them null, and gives the texts to
  /// `take`, which borrows them, one after the other; it must not use a destination.
  virtual void stream(const char *statement, std::initializer_list<Value> args,
                      void (*take)(void *, std::string_view), void *of) = 0;
  /// A transaction of a remote destination; for this database it is the current one, and every
  /// statement alone runs as the owner, so that between statements we are who we were.
  virtual void begin() = 0;
  virtual void commit() = 0;
  virtual bool is_remote() const = 0;
  /// "this database" or "destination \"name\""; for messages.
  virtual const char *label() const = 0;

 protected:
  ~Destination() = default;
};

/// Opens a destination for a role, in the current memory context (which owns the connection). SPI
/// is connected, we act as the extension's owner.
Destination *open_destination(int64 destination_id, Oid owner);

/// The same for a caller whose transaction goes on: a remote destination's transaction is begun, is
/// shared by all that join it in this transaction, and commits just before this one does, or rolls
/// back with it (or with its savepoint).
Destination *join_destination(int64 destination_id, Oid owner);

/// Whether this transaction, at its present depth of savepoints, has joined a destination.
bool has_joined(int64 destination_id);

/// This database, for a role, outside any destination that is configured.
class Here : public Destination {
 public:
  /// As execute(), but the rows are in SPI_tuptable as they are; whoever calls it frees them.
  virtual uint64 read(const char *statement, std::initializer_list<Value> args) = 0;

 protected:
  ~Here() = default;
};
Here *open_here(Oid owner);

/// Whether a destination can be reached and written to, without raising when it cannot: null, or
/// why not. `config` and `secret` are JSON in normal form; `secret` may be null. Nothing of a
/// secret is in the answer.
char *destination_failure(const char *name, const char *config, const char *secret, Oid owner);

}  // namespace supaglue
