// pure: one answer of Salesforce's query API as a page: records as they are from here on, and where
// the next page is. It knows the shape of the answer and nothing of how it was asked for.
#pragma once

#include <set>
#include <string>

#include "error.hpp"
#include "page.hpp"

#include "pure.hpp"

namespace supaglue {

/// What must be known of the object's fields to read its records.
struct SalesforceFields {
  std::string id;
  std::string stamp;                          // empty: the object has none
  std::string deleted;                        // empty: the object has none
  std::set<std::string, std::less<>> stamps;  // every field that holds a date and time
};

struct SalesforceAnswer {
  Page page;
  int64_t total = -1;
  bool done = true;
  std::string next;  // where the next page is, unless done
};

/// Throws kProvider when the text is not such an answer.
SalesforceAnswer read_salesforce_answer(const std::string &body, const SalesforceFields &fields);

/// "the answer of salesforce is not the JSON that was expected"
Error salesforce_malformed(const std::string &detail);

}  // namespace supaglue
