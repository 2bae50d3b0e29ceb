// simulator: the value of a field, and the forms in which Salesforce writes values: text, numbers,
// stamps. Knows no objects and no records.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace simulator {

// Stamps, dates and times are text in Salesforce's canonical form, which also sorts as they do;
// numbers are decimal text, so that no digit is lost.
struct Value {
  enum class Kind : std::uint8_t { null, boolean, number, text };
  Kind kind = Kind::null;
  std::string text;

  // For values that are made by the million: the text's memory is used again.
  std::string &begin(Kind of_kind) {
    kind = of_kind;
    text.clear();
    return text;
  }
  static Value of(std::string text);  // null when empty: Salesforce keeps no empty strings
  static Value number(std::string decimal) { return {Kind::number, std::move(decimal)}; }
  static Value boolean(bool is_true) { return {Kind::boolean, is_true ? "true" : "false"}; }
  bool is_null() const { return kind == Kind::null; }
  double to_double() const;
  bool operator==(const Value &) const = default;
};

// The simulator's own time, which the control endpoint can move.
class Clock {
 public:
  std::int64_t now_ms() const;
  void set_offset_ms(std::int64_t offset) { offset_ms_ = offset; }

 private:
  std::atomic<std::int64_t> offset_ms_{0};
};

std::int64_t days_from_civil(std::int64_t year, unsigned month, unsigned day);
struct Civil {
  std::int64_t year;
  unsigned month, day;
};
Civil civil_from_days(std::int64_t days);

void append_date(std::string &out, std::int64_t days);
void append_datetime(std::string &out, std::int64_t ms);
std::string format_date(std::int64_t days);     // 2024-01-02
std::string format_datetime(std::int64_t ms);   // 2024-01-02T03:04:05.000+0000
std::string format_http_date(std::int64_t ms);  // Tue, 02 Jan 2024 03:04:05 GMT
std::optional<std::int64_t> parse_date(std::string_view text);
std::optional<std::int64_t> parse_datetime(std::string_view text);  // with Z or an offset
std::optional<std::int64_t> parse_http_date(const std::string &text);
bool is_time(std::string_view text);  // 03:04:05.000Z

std::string lower(std::string_view text);
std::uint64_t mix(std::uint64_t x);         // splitmix64's finalizer
std::uint64_t hash(std::string_view text);  // FNV-1a, the same in every run

void append_json_text(std::string &out, std::string_view text);
// As Salesforce writes a double: 25.0, 12.5, 1.39E8.
void append_java_double(std::string &out, const std::string &decimal);

}  // namespace simulator
