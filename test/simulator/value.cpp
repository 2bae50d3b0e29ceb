// simulator: the forms of values; see value.hpp.
#include "value.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace simulator {

Value Value::of(std::string text) {
  if (text.empty()) return {};
  return {Kind::text, std::move(text)};
}

double Value::to_double() const { return std::strtod(text.c_str(), nullptr); }

std::int64_t Clock::now_ms() const {
  auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count() + offset_ms_;
}

// Howard Hinnant's days_from_civil and its inverse.
std::int64_t days_from_civil(std::int64_t year, unsigned month, unsigned day) {
  year -= month <= 2;
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const auto yoe = static_cast<unsigned>(year - era * 400);
  const unsigned doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
  return era * 146097 + static_cast<std::int64_t>(doe) - 719468;
}

Civil civil_from_days(std::int64_t days) {
  days += 719468;
  const std::int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  const auto doe = static_cast<unsigned>(days - era * 146097);
  const unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const unsigned mp = (5 * doy + 2) / 153;
  const unsigned month = mp < 10 ? mp + 3 : mp - 9;
  return {static_cast<std::int64_t>(yoe) + era * 400 + (month <= 2), month,
          doy - (153 * mp + 2) / 5 + 1};
}

static void put(char *at, std::int64_t number, int digits) {
  for (int i = digits - 1; i >= 0; i--, number /= 10) at[i] = static_cast<char>('0' + number % 10);
}

void append_date(std::string &out, std::int64_t days) {
  char text[] = "0000-00-00";
  const Civil civil = civil_from_days(days);
  put(text, civil.year, 4);
  put(text + 5, civil.month, 2);
  put(text + 8, civil.day, 2);
  out.append(text, 10);
}

std::string format_date(std::int64_t days) {
  std::string out;
  append_date(out, days);
  return out;
}

static constexpr std::int64_t ms_per_day = 86400000;

static std::int64_t floor_days(std::int64_t ms) {
  return (ms >= 0 ? ms : ms - ms_per_day + 1) / ms_per_day;
}

void append_datetime(std::string &out, std::int64_t ms) {
  const std::int64_t days = floor_days(ms);
  const std::int64_t rest = ms - days * ms_per_day;
  char text[] = "T00:00:00.000+0000";
  put(text + 1, rest / 3600000, 2);
  put(text + 4, rest / 60000 % 60, 2);
  put(text + 7, rest / 1000 % 60, 2);
  put(text + 10, rest % 1000, 3);
  append_date(out, days);
  out.append(text, 18);
}

std::string format_datetime(std::int64_t ms) {
  std::string out;
  append_datetime(out, ms);
  return out;
}

std::string format_http_date(std::int64_t ms) {
  const std::time_t seconds = ms / 1000;
  std::tm tm{};
  gmtime_r(&seconds, &tm);
  char text[64];
  std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
  return text;
}

std::optional<std::int64_t> parse_http_date(const std::string &text) {
  std::tm tm{};
  if (!strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S", &tm)) return {};
  return static_cast<std::int64_t>(timegm(&tm)) * 1000;
}

// A number of exactly so many digits, or -1.
static int digits(std::string_view text, size_t at, size_t count) {
  if (at + count > text.size()) return -1;
  int number = 0;
  for (size_t i = at; i < at + count; i++) {
    if (text[i] < '0' || text[i] > '9') return -1;
    number = number * 10 + (text[i] - '0');
  }
  return number;
}

std::optional<std::int64_t> parse_date(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return {};
  const int year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
  if (year < 0 || month < 1 || month > 12 || day < 1 || day > 31) return {};
  return days_from_civil(year, static_cast<unsigned>(month), static_cast<unsigned>(day));
}

std::optional<std::int64_t> parse_datetime(std::string_view text) {
  if (text.size() < 20 || (text[10] != 'T' && text[10] != 't')) return {};
  const auto days = parse_date(text.substr(0, 10));
  const int hour = digits(text, 11, 2), minute = digits(text, 14, 2), second = digits(text, 17, 2);
  if (!days || hour < 0 || hour > 24 || minute < 0 || minute > 59 || second < 0 || second > 60 ||
      text[13] != ':' || text[16] != ':')
    return {};
  size_t at = 19;
  int ms = 0;
  if (text[at] == '.') {
    int weight = 100;
    for (at++; at < text.size() && text[at] >= '0' && text[at] <= '9'; at++, weight /= 10)
      ms += (text[at] - '0') * weight;
  }
  std::int64_t offset = 0;
  const std::string_view zone = text.substr(std::min(at, text.size()));
  if (zone != "Z" && zone != "z") {
    if (zone.size() < 5 || (zone[0] != '+' && zone[0] != '-')) return {};
    const int hours = digits(zone, 1, 2), minutes = digits(zone, zone[3] == ':' ? 4 : 3, 2);
    if (hours < 0 || minutes < 0 || zone.size() != (zone[3] == ':' ? 6u : 5u)) return {};
    offset = (zone[0] == '-' ? -1 : 1) * (hours * 60 + minutes);
  }
  return *days * ms_per_day + ((hour * 60 + minute - offset) * 60 + second) * 1000 + ms;
}

bool is_time(std::string_view text) {
  return text.size() == 13 && text[2] == ':' && text[5] == ':' && text[8] == '.' &&
         text[12] == 'Z' && digits(text, 0, 2) >= 0 && digits(text, 3, 2) >= 0;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char &c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

std::uint64_t hash(std::string_view text) {
  std::uint64_t h = 0xcbf29ce484222325;
  for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return h;
}

void append_json_text(std::string &out, std::string_view text) {
  out += '"';
  size_t start = 0;
  for (size_t i = 0; i < text.size(); i++) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    out.append(text, start, i - start);
    start = i + 1;
    char escape[8];
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        std::snprintf(escape, sizeof escape, "\\u%04x", c);
        out += escape;
    }
  }
  out.append(text, start, text.size() - start);
  out += '"';
}

// Java switches to computerized scientific notation from 10^7 up.
void append_java_double(std::string &out, const std::string &decimal) {
  size_t point = decimal.find('.');
  if (decimal.find_first_of("eE") != std::string::npos) {
    out += decimal;
    return;
  }
  std::string whole = decimal.substr(0, point);
  std::string fraction = point == std::string::npos ? "" : decimal.substr(point + 1);
  while (!fraction.empty() && fraction.back() == '0') fraction.pop_back();
  const bool negative = !whole.empty() && whole[0] == '-';
  if (negative) whole.erase(0, 1);
  if (negative) out += '-';
  if (whole.size() <= 7) {
    out += whole + "." + (fraction.empty() ? "0" : fraction);
    return;
  }
  std::string mantissa = whole.substr(1) + fraction;
  while (!mantissa.empty() && mantissa.back() == '0') mantissa.pop_back();
  out += whole.substr(0, 1) + "." + (mantissa.empty() ? "0" : mantissa) + "E" +
         std::to_string(whole.size() - 1);
}

}  // namespace simulator
