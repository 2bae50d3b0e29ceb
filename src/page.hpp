// pure: a page of records in the one form that they have from here on, whichever way they
// came: id, the stamp of the last change, a deletion flag, and the normalized record as jsonb.
// Also its packed form, in which a page lies in the spool. It knows no provider.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pure.hpp"

namespace supaglue {

struct Record {
  std::string_view id;
  std::string_view modified;  // "YYYY-MM-DDTHH:MM:SS.mmmZ"; empty when the provider gives none
  std::string_view raw;       // an object as the bytes of a jsonb value, not aligned
  bool deleted = false;
};

/// A record that could not be used, and why.
struct Reject {
  std::string reason;
  std::string record;  // as received, at most a few kB
};

/// The views of `records` and `unchanged` point into `storage`; so a page is moved, never copied.
/// Whoever fills `storage` reserves at least 64 bytes, so that it never lies in the string object
/// itself.
class Page {
 public:
  Page() = default;
  Page(Page &&) = default;
  Page &operator=(Page &&) = default;
  Page(const Page &) = delete;
  Page &operator=(const Page &) = delete;

  std::vector<Record> records;
  std::vector<std::string_view> unchanged;  // ids of records that are stored as they came
  std::vector<Reject> rejects;
  int64_t replaced_characters = 0;  // NUL and lone surrogates, replaced by U+FFFD
  std::string storage;
  std::string answer;  // instead of all that: as it came, gzip (page_reader.hpp)
  int64_t answer_records = 0;

  /// Records and rejects.
  int64_t count() const {
    return static_cast<int64_t>(records.size() + rejects.size()) + answer_records;
  }

  /// The page as bytes, compressed (zstd, one of its fast levels), or the answer as it is.
  std::string pack() const;
  /// Throws kInternal when the bytes are not a whole page.
  static Page unpack(std::string_view packed);
  /// Whether packed bytes are an answer's.
  static bool is_answer(std::string_view packed);
};

}  // namespace supaglue
