// pg: where tables land: this database through SPI, or a remote Postgres through libpq, behind one interface and by the
// same SQL text; whoever uses it does not know which. Arguments are text and arrays of text, cast in the SQL.
#pragma once

#include "pg.hpp"

namespace supaglue {

/// An argument: one text, or an array of texts; a null pointer is NULL. The bytes are borrowed until the call returns.
struct Text {
  const char *data;
  int length;
};
struct Value {
  bool is_array;
  Text one;
  const Text *many;
  int count;
};
Value value_of(const char *text);
Value value_of(const Text *many, int count);

class Destination {
 public:
  /// Runs a statement and returns its number of rows (or of rows touched); the rows stay readable until the next call.
  /// Raises with the SQLSTATE that the destination gave; a lost connection raises 08006.
  virtual uint64 execute(const char *statement, std::initializer_list<Value> args = {}) = 0;
  /// A field of the last result as text; null for NULL. Valid until the next call.
  virtual const char *field(uint64 row, int column) = 0;
  /// begin() as the role that owns the sync config; for this database it is part of the current transaction.
  virtual void begin() = 0;
  virtual void commit() = 0;
  virtual bool is_remote() const = 0;
  /// "this database" or "destination \"name\""; for messages.
  virtual const char *label() const = 0;

 protected:
  ~Destination() = default;
};

/// Opens a destination for a role, in the current memory context (which owns the connection). SPI is connected,
/// we act as the extension's owner.
Destination *open_destination(int64 destination_id, Oid owner);

}  // namespace supaglue
