// pure: makes a page record by record: each is put together as a jsonb value, and then kept with
// its id and its stamp, or set aside when it cannot be. It knows no provider.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "jsonb.hpp"
#include "page.hpp"

#include "pure.hpp"

namespace supaglue {

class PageWriter {
 public:
  /// `bytes`: about what the records will take.
  void reserve(size_t bytes) { page_.storage.reserve(bytes + 64); }

  /// Begins a record: its members are to be added to `record`, what stands beside them to `known`.
  void begin();
  JsonbWriter record;
  struct Known {
    std::string_view id, modified;  // borrowed, as keys and texts of the record are
    bool deleted = false;
  } known;
  /// Keeps the record, or sets it aside because its id is missing or too long. `id_name`: how the
  /// provider calls it.
  void end(const std::string &id_name);
  /// Sets something aside that is no record.
  void reject(std::string reason, std::string_view received);

  /// The page with all that was written; the writer is done.
  Page finish(int64_t replaced_characters);

 private:
  /// Texts of a record, one after the other. Views cannot be taken while the storage still grows.
  struct Lengths {
    size_t id, modified, raw;
    bool deleted;
  };

  void set_aside(std::string reason);

  Page page_;
  std::vector<Lengths> lengths_;
};

}  // namespace supaglue
