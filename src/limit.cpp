// pure: what a provider's headers tell of its limits. See limit.hpp.
#include "limit.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "document.hpp"
#include "pure.hpp"

namespace supaglue {

namespace {

constexpr int64_t kMost = int64_t{1} << 50;  // so that no arithmetic overflows

/// The whole number at the beginning of a text, and how much of the text it is; -1: there is none.
int64_t number_at(std::string_view text, size_t *length) {
  int64_t number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  *length = static_cast<size_t>(end - text.data());
  return error == std::errc() && number >= 0 && number <= kMost ? number : -1;
}

int64_t number_of(const Response &response, const std::string &header) {
  if (header.empty()) return -1;
  size_t length;
  return number_at(response.header(header), &length);
}

void read_used_and_limit(std::string_view text, std::string_view behind, ToldLimit *told) {
  const size_t at = text.find(behind);
  if (at == text.npos) return;
  text.remove_prefix(at + behind.size());
  size_t length;
  const int64_t used = number_at(text, &length);
  if (used < 0 || length >= text.size() || text[length] != '/') return;
  const int64_t limit = number_at(text.substr(length + 1), &length);
  if (limit <= 0) return;
  told->used = used;
  told->limit = limit;
}

std::string lower(std::string text) {
  for (char &c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

LimitHeaders read_headers(const std::string &kind, const std::string &path, const Json &object) {
  ObjectReader reader(kind, path, object,
                      {{"used_and_limit", "used_and_limit"},
                       {"behind", "behind"},
                       {"limit", "limit"},
                       {"remaining", "remaining"},
                       {"resets_in_seconds", "resets_in_seconds"},
                       {"length_ms", "length_ms"}});
  const auto header = [&](const char *key) { return lower(reader.text(key).value_or("")); };
  LimitHeaders headers{
      header("used_and_limit"), reader.text("behind").value_or(""), header("limit"),
      header("remaining"),      header("resets_in_seconds"),        header("length_ms")};
  if (headers.used_and_limit.empty() && (headers.limit.empty() || headers.remaining.empty()))
    reader.fail("used_and_limit", "must be given, or \"limit\" and \"remaining\"");
  return headers;
}

}  // namespace

LimitRules read_limit_rules(const std::string &kind, const Json &object) {
  ObjectReader reader(kind, "limits", object, {{"quota", "quota"}, {"window", "window"}});
  LimitRules rules;
  if (const Json *quota = reader.find("quota"))
    rules.quota = read_headers(kind, "limits.quota", *quota);
  if (const Json *window = reader.find("window")) {
    rules.window = read_headers(kind, "limits.window", *window);
    if (rules.window.length_ms.empty()) reader.fail("window", "must name the header \"length_ms\"");
  }
  return rules;
}

ToldLimit told_limit(const LimitHeaders &headers, const Response &response, int64_t now_ms) {
  ToldLimit told;
  if (!headers.used_and_limit.empty()) {
    read_used_and_limit(response.header(headers.used_and_limit), headers.behind, &told);
  } else {
    const int64_t limit = number_of(response, headers.limit);
    const int64_t remaining = number_of(response, headers.remaining);
    if (limit > 0 && remaining >= 0) {
      told.limit = limit;
      told.used = std::max<int64_t>(0, limit - remaining);
    }
  }
  if (!told.is_told()) return told;
  const int64_t seconds = number_of(response, headers.resets_in_seconds);
  if (seconds >= 0) told.resets_at_ms = now_ms + std::min(seconds, kMost / 1000) * 1000;
  told.length_ms = std::max<int64_t>(0, number_of(response, headers.length_ms));
  return told;
}

}  // namespace supaglue
