// pure: reads and writes stamps; see stamp.hpp.
#include "stamp.hpp"

#include <chrono>
#include <cstdlib>

#include "pure.hpp"

namespace supaglue {
namespace {

constexpr int64_t kDay = 86'400'000;

struct Scanner {
  std::string_view rest;
  bool good = true;

  int64_t digits(size_t count) {
    int64_t number = 0;
    for (; count > 0; --count) {
      if (rest.empty() || rest[0] < '0' || rest[0] > '9') return good = false, 0;
      number = number * 10 + (rest[0] - '0');
      rest.remove_prefix(1);
    }
    return number;
  }
  bool take(char c) {
    if (rest.empty() || rest[0] != c) return false;
    rest.remove_prefix(1);
    return true;
  }
  void expect(char c) { good = take(c) && good; }

  int64_t fraction_ms() {
    int64_t ms = 0;
    int places = 0;
    for (; !rest.empty() && rest[0] >= '0' && rest[0] <= '9'; rest.remove_prefix(1), ++places) {
      if (places < 3) ms = ms * 10 + (rest[0] - '0');
    }
    if (places == 0) good = false;
    for (; places < 3; ++places) ms *= 10;
    return ms;
  }
  int64_t offset_ms() {
    if (take('Z')) return 0;
    int64_t sign = take('-') ? -1 : 1;
    if (sign > 0) expect('+');
    int64_t hours = digits(2);
    take(':');
    int64_t minutes = digits(2);
    if (hours > 15 || minutes > 59) good = false;
    return sign * (hours * 60 + minutes) * 60'000;
  }
};

}  // namespace

std::optional<int64_t> read_stamp(std::string_view text) {
  Scanner scanner{text};
  int64_t year = scanner.digits(4);
  scanner.expect('-');
  int64_t month = scanner.digits(2);
  scanner.expect('-');
  int64_t day = scanner.digits(2);
  scanner.expect('T');
  int64_t hour = scanner.digits(2);
  scanner.expect(':');
  int64_t minute = scanner.digits(2);
  scanner.expect(':');
  int64_t second = scanner.digits(2);
  int64_t ms = scanner.take('.') ? scanner.fraction_ms() : 0;
  int64_t offset = scanner.offset_ms();
  std::chrono::year_month_day date{std::chrono::year(static_cast<int>(year)),
                                   std::chrono::month(static_cast<unsigned>(month)),
                                   std::chrono::day(static_cast<unsigned>(day))};
  if (!scanner.good || !scanner.rest.empty() || !date.ok() || year < 1) return std::nullopt;
  if (hour > 23 || minute > 59 || second > 60) return std::nullopt;
  int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return days * kDay + (hour * 3600 + minute * 60 + second) * 1000 + ms - offset;
}

std::string write_stamp(int64_t ms) {
  const int64_t days = ms / kDay - (ms % kDay < 0 ? 1 : 0);
  const auto rest = static_cast<unsigned>(ms - days * kDay);
  const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(days))};
  char text[sizeof "-YYYYY-MM-DDTHH:MM:SS.mmmZ"];
  char *end = text;
  const auto put = [&](unsigned number, unsigned unit, char after) {
    for (; unit > 0; unit /= 10) *end++ = static_cast<char>('0' + number / unit % 10);
    *end++ = after;
  };
  const int year = static_cast<int>(date.year());
  if (year < 0) *end++ = '-';
  put(static_cast<unsigned>(std::abs(year)), std::abs(year) > 9999 ? 10'000 : 1'000, '-');
  put(static_cast<unsigned>(date.month()), 10, '-');
  put(static_cast<unsigned>(date.day()), 10, 'T');
  put(rest / 3'600'000, 10, ':');
  put(rest / 60'000 % 60, 10, ':');
  put(rest / 1000 % 60, 10, '.');
  put(rest % 1000, 100, 'Z');
  return {text, end};
}

}  // namespace supaglue
