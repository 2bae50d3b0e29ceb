// pure: reads pages as they lie in the spool: packed, or as the provider's answer, compressed as it
// came, whose records a source has left where they were (Source::skim()). To pack them anew would
// cost the fetcher more than all else that it does with an answer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "connector.hpp"
#include "json.hpp"
#include "page.hpp"

#include "pure.hpp"

namespace supaglue {

/// Takes the records out of answers; for any thread.
class PageReader {
 public:
  virtual ~PageReader() = default;
  /// `body`: as Response::body; `records`: how many they are, as it was skimmed. Throws kProvider
  /// for what is none of the provider's answers.
  virtual Page read(const std::string &body, int64_t records) const = 0;
};

/// For the answers that a source of this plan has skimmed. Throws kInternal when there are none.
std::shared_ptr<const PageReader> make_page_reader(
    const std::shared_ptr<const Connector> &connector, const Json &plan);

/// As Page::unpack(), with an answer's records taken out by `reader`, which others do not need.
Page read_kept_page(const PageReader *reader, std::string_view packed);

}  // namespace supaglue
