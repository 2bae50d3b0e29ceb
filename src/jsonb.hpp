// pure: JSON text into the bytes of a jsonb value, byte for byte those that jsonb_in makes, without
// a tree in between: simdjson reads, one pass writes. It knows the format of utils/jsonb.h and
// utils/numeric.c, which has been the same since Postgres 9.4, and nothing else of Postgres.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "pure.hpp"

namespace supaglue {

/// Used again and again, it keeps its buffers. read() and write() come in pairs, so that the caller
/// can allocate between them.
class JsonbWriter {
 public:
  JsonbWriter();
  ~JsonbWriter();
  JsonbWriter(const JsonbWriter &) = delete;
  JsonbWriter &operator=(const JsonbWriter &) = delete;

  /// Reads the text of an object or an array. Returns how many bytes write() needs at most. Throws
  /// kData where jsonb_in would raise: the text is no JSON, holds \u0000 or half a surrogate pair,
  /// or a number beyond numeric.
  size_t read(std::string_view json);
  /// Writes what was read at an address that is aligned to four bytes, with the varlena header.
  /// Returns the number of bytes.
  size_t write(char *out);

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace supaglue
