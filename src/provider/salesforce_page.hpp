// pure: one answer of Salesforce's query API as a page: records as they are from here on, and where
// the next page is. It knows the shape of the answer and nothing of how it was asked for.
#pragma once

#include <string>
#include <string_view>

#include "error.hpp"
#include "json.hpp"
#include "page.hpp"
#include "provider/salesforce_record.hpp"

#include "pure.hpp"

namespace supaglue {

struct SalesforceAnswer {
  Page page;
  int64_t total = -1;
  bool done = true;
  std::string next;     // where the next page is, unless done
  int64_t records = 0;  // how many it has
};

/// Throws kProvider when the text is not such an answer.
SalesforceAnswer read_salesforce_answer(const std::string &body, const SalesforceFields &fields);

/// The same without the page: the records are counted, and not looked into.
SalesforceAnswer skim_salesforce_answer(const std::string &body);

/// Where an answer says that its next page is, at the first look; empty: it does not.
std::string salesforce_next_page(std::string_view body);

/// Notes in a reading's place where its next page is. Throws kProvider when that leads round in a
/// circle.
void salesforce_go_on(Json &place, const std::string &next);

/// "the answer of salesforce is not the JSON that was expected"
Error salesforce_malformed(const std::string &detail);

}  // namespace supaglue
