// pure: one answer of a list as a page: records in the one form, their values typed, and what the
// next request is to be given. It knows what the document says of the answer's shape, and nothing
// of how it was asked for.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "error.hpp"
#include "json.hpp"
#include "listing.hpp"
#include "page.hpp"

#include "pure.hpp"

namespace supaglue {

/// The associations that were read before the rest of a record, {kind: [id]}, by the record's id.
using Associations = std::map<std::string, Json, std::less<>>;

struct ListingShape {
  std::string provider;  // for messages
  const RecordList *listing = nullptr;
  std::string records;  // JSON pointer to the records; empty: the answer is one record
  std::map<std::string, ListedType, std::less<>> types;  // the values that are kept
  const Associations *associations = nullptr;  // to be added; null: as the answer has them
};

struct ListingAnswer {
  Page page;
  std::string next;  // empty: it was the last page
};

/// Throws kProvider when the text is not such an answer.
ListingAnswer read_listing_answer(const std::string &body, const ListingShape &shape);

}  // namespace supaglue
