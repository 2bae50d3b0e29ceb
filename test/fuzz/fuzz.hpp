// fuzz: what the fuzz targets share: how a broken promise is told, a JSON checker that is nobody
// else's, and what must be so of every error and of every page.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "error.hpp"
#include "page.hpp"

#include "pure.hpp"

namespace fuzz {

/// Ends the process, for libFuzzer to keep the input, unless the promise holds.
void expect(bool holds, std::string_view promise, std::string_view what = {});

/// Calls it; whatever it throws must be an Error that can be told. False: it threw.
bool succeeds(const std::function<void()> &call);

/// Whether a text is JSON. `storable`: jsonb can hold it, too; else escapes are not looked into, as
/// they are not in the parts of an answer that nobody keeps. `member` is told of each member of an
/// object at the top.
struct JsonCheck {
  bool storable = false;
  std::function<void(std::string_view key, std::string_view value)> member;
};
bool is_json(std::string_view text, const JsonCheck &check = {});

/// What is so of every page, made of an answer of so many bytes whose records have their id under
/// this key.
void expect_page(const supaglue::Page &page, std::string_view id_key, size_t answer_bytes);

/// Takes decisions and texts from an input.
class Choices {
 public:
  explicit Choices(std::string_view input) : rest_(input) {}
  bool empty() const { return rest_.empty(); }
  /// Less than `count`.
  size_t below(size_t count);
  /// Up to the next newline.
  std::string line();
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

}  // namespace fuzz
