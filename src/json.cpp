// pure: checks and unescapes the scalars of JSON texts; see json.hpp.
#include "json.hpp"

#include <algorithm>
#include <charconv>

#include "pure.hpp"

namespace supaglue {
namespace {

constexpr int kReplacement = 0xfffd;

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

void append_utf8(std::string &out, int point) {
  const auto tail = [&](int shift) { return static_cast<char>(0x80 | ((point >> shift) & 0x3f)); };
  if (point < 0x80)
    out += static_cast<char>(point);
  else if (point < 0x800)
    out += {static_cast<char>(0xc0 | point >> 6), tail(0)};
  else if (point < 0x10000)
    out += {static_cast<char>(0xe0 | point >> 12), tail(6), tail(0)};
  else
    out += {static_cast<char>(0xf0 | point >> 18), tail(12), tail(6), tail(0)};
}

/// The character that stands for `\b` and its like; 0 when there is none.
char character_of(char escape) {
  const size_t at = std::string_view("\"\\/bfnrt").find(escape);
  return at == std::string_view::npos ? '\0' : "\"\\/\b\f\n\r\t"[at];
}

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

bool append_unescaped(std::string &out, std::string_view token, int64_t *replaced) {
  if (token.size() < 2 || token.front() != '"' || token.back() != '"') return false;
  token = token.substr(1, token.size() - 2);
  for (;;) {
    const size_t escape = token.find('\\');
    out.append(token.substr(0, escape));
    if (escape == std::string_view::npos) return true;
    token.remove_prefix(escape);
    if (token.size() < 2) return false;
    if (token[1] != 'u') {
      const char character = character_of(token[1]);
      if (character == '\0') return false;
      out += character;
      token.remove_prefix(2);
      continue;
    }
    int point = code_unit(token, 0);
    if (point < 0) return false;
    token.remove_prefix(6);
    const int second = is_high_surrogate(point) ? code_unit(token, 0) : -1;
    if (is_low_surrogate(second)) {
      point = 0x10000 + ((point - 0xd800) << 10) + (second - 0xdc00);
      token.remove_prefix(6);
    } else if (point == 0 || is_high_surrogate(point) || is_low_surrogate(point)) {
      point = kReplacement;
      ++*replaced;
    }
    append_utf8(out, point);
  }
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
