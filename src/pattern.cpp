// pure: regular expressions. See pattern.hpp.
#include "pattern.hpp"

#include <re2/re2.h>

#include "encoding.hpp"

#include "pure.hpp"

namespace supaglue {

namespace {

constexpr size_t kMostTold = 200;

RE2::Options options() {
  RE2::Options options;
  options.set_log_errors(false);  // they would go to the server's stderr
  return options;
}

std::vector<std::string> groups(const RE2 *compiled, std::string_view text, RE2::Anchor anchor) {
  if (compiled == nullptr || !compiled->ok()) return {};
  std::vector<re2::StringPiece> parts(1 + compiled->NumberOfCapturingGroups());
  if (!compiled->Match(text, 0, text.size(), anchor, parts.data(), static_cast<int>(parts.size())))
    return {};
  std::vector<std::string> texts;
  for (const re2::StringPiece &part : parts) texts.emplace_back(part);
  return texts;
}

}  // namespace

Pattern::Pattern(std::string_view expression)
    : compiled_(std::make_shared<const RE2>(expression, options())) {}

std::string Pattern::complaint() const {
  return compiled_ == nullptr || compiled_->ok() ? "" : clipped(compiled_->error(), kMostTold);
}

std::vector<std::string> Pattern::match(std::string_view text) const {
  return groups(compiled_.get(), text, RE2::ANCHOR_BOTH);
}

std::vector<std::string> Pattern::search(std::string_view text) const {
  return groups(compiled_.get(), text, RE2::UNANCHORED);
}

}  // namespace supaglue
