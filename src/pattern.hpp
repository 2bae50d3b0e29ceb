// pure: a regular expression, of RE2: it takes time in proportion to the text, whatever the
// expression and the text are, and never recurses over either.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pure.hpp"

namespace re2 {
class RE2;
}

namespace supaglue {

class Pattern {
 public:
  Pattern() = default;  // empty: says nothing of any text
  explicit Pattern(std::string_view expression);

  bool empty() const { return compiled_ == nullptr; }
  /// What is wrong with the expression, in RE2's words; "": nothing.
  std::string complaint() const;
  /// The text and then what its groups took, when the expression describes the whole of it; else
  /// nothing.
  std::vector<std::string> match(std::string_view text) const;
  /// Likewise of the first place in the text that the expression describes.
  std::vector<std::string> search(std::string_view text) const;

 private:
  std::shared_ptr<const re2::RE2> compiled_;
};

}  // namespace supaglue
