// pure: what a provider's headers tell of its limits: which headers, as the connector's document
// says, and what an answer's say. It decides nothing: that is the budget's.
#pragma once

#include <cstdint>
#include <string>

#include "http.hpp"
#include "json.hpp"
#include "pure.hpp"

namespace supaglue {

/// The headers that tell one limit, in lower case; empty: not told.
struct LimitHeaders {
  std::string used_and_limit;     // "api-usage=10018/100000", of which `behind` is "api-usage="
  std::string behind;             // what stands before the two numbers
  std::string limit, remaining;   // a number each
  std::string resets_in_seconds;  // when the limit is whole again
  std::string length_ms;          // of a window: how long it lasts
};

struct LimitRules {
  LimitHeaders quota;   // of a day, or longer
  LimitHeaders window;  // of seconds
};

/// Compiles a connector's "limits". Throws kBadDocument naming the JSON path.
LimitRules read_limit_rules(const std::string &kind, const Json &object);

struct ToldLimit {
  int64_t used = -1, limit = -1;  // -1: not told
  int64_t resets_at_ms = 0;       // 0: not told
  int64_t length_ms = 0;
  bool is_told() const { return limit > 0; }
};

/// What an answer tells; nothing when a number is none.
ToldLimit told_limit(const LimitHeaders &headers, const Response &response, int64_t now_ms);

}  // namespace supaglue
