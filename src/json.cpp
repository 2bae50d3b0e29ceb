// pure: checks and copies the scalars of JSON texts; see json.hpp.
#include "json.hpp"

#include <algorithm>
#include <charconv>

#include "pure.hpp"

namespace supaglue {
namespace {

constexpr std::string_view kReplacement = "\\ufffd";

// The code unit of the escape `\uXXXX` that begins at `at`; -1 when there is none.
int code_unit(std::string_view text, size_t at) {
  if (text.size() < at + 6 || text[at] != '\\' || text[at + 1] != 'u') return -1;
  int unit = 0;
  for (size_t i = at + 2; i < at + 6; ++i) {
    char c = text[i];
    int digit = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
    if (digit < 0) return -1;
    unit = unit * 16 + digit;
  }
  return unit;
}

bool is_high_surrogate(int unit) { return unit >= 0xd800 && unit <= 0xdbff; }
bool is_low_surrogate(int unit) { return unit >= 0xdc00 && unit <= 0xdfff; }

size_t skip_digits(std::string_view text, size_t at) {
  while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
  return at;
}

bool is_json_number(std::string_view text) {
  size_t at = text.starts_with('-') ? 1 : 0;
  size_t whole = skip_digits(text, at);
  if (whole == at || (text[at] == '0' && whole > at + 1)) return false;
  at = whole;
  if (at < text.size() && text[at] == '.') {
    size_t fraction = skip_digits(text, at + 1);
    if (fraction == at + 1) return false;
    at = fraction;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    size_t exponent = skip_digits(text, at);
    if (exponent == at) return false;
    at = exponent;
  }
  return at == text.size();
}

}  // namespace

bool append_json_string(std::string &out, std::string_view token, int64_t *replaced) {
  if (token.size() < 2 || token.front() != '"' || token.back() != '"') return false;
  out += '"';
  token = token.substr(1, token.size() - 2);
  while (true) {
    size_t escape = token.find('\\');
    out.append(token.substr(0, escape));
    if (escape == std::string_view::npos) break;
    token.remove_prefix(escape);
    if (token.size() < 2) return false;
    size_t length = 2;
    if (token[1] == 'u') {
      length = 6;
      int unit = code_unit(token, 0);
      if (unit < 0) return false;
      if (is_high_surrogate(unit) && is_low_surrogate(code_unit(token, 6))) length = 12;
      if (unit == 0 || (length == 6 && (is_high_surrogate(unit) || is_low_surrogate(unit)))) {
        out.append(kReplacement);
        ++*replaced;
        token.remove_prefix(length);
        continue;
      }
    } else if (std::string_view("\"\\/bfnrt").find(token[1]) == std::string_view::npos) {
      return false;
    }
    out.append(token.substr(0, length));
    token.remove_prefix(length);
  }
  out += '"';
  return true;
}

bool is_json_scalar(std::string_view token) {
  return token == "true" || token == "false" || token == "null" || is_json_number(token);
}

bool fits_jsonb(std::string_view scalar) {
  constexpr int64_t kMostWhole = 131'072, kMostFraction = 16'383;  // digits of numeric
  if (!is_json_number(scalar)) return true;
  if (scalar.starts_with('-')) scalar.remove_prefix(1);
  const size_t mark = scalar.find_first_of("eE");
  const std::string_view digits = scalar.substr(0, mark);
  const size_t point = std::min(digits.find('.'), digits.size());
  int64_t exponent = 0;
  if (mark != scalar.npos) {
    std::string_view text = scalar.substr(mark + 1);
    if (text.starts_with('+')) text.remove_prefix(1);
    if (std::from_chars(text.data(), text.data() + text.size(), exponent).ec != std::errc())
      return false;
  }
  exponent = std::clamp(exponent, -kMostWhole * 2, kMostWhole * 2);
  const auto whole = static_cast<int64_t>(point);
  const auto fraction = static_cast<int64_t>(digits.substr(point).size()) - 1;
  return whole + exponent <= kMostWhole &&
         std::max<int64_t>(fraction, 0) - exponent <= kMostFraction;
}

}  // namespace supaglue
