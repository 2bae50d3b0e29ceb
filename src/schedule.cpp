// pure: the arithmetic of ticks and of waiting after failures. See schedule.hpp.
#include "schedule.hpp"

#include <algorithm>

#include "pure.hpp"

namespace supaglue {

namespace {

// splitmix64: neighbouring ids fall far apart.
uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace

int64_t phase_of(int64_t connection_id, int64_t period_ms) {
  if (period_ms <= 1) return 0;
  return static_cast<int64_t>(mix(static_cast<uint64_t>(connection_id)) %
                              static_cast<uint64_t>(period_ms));
}

int64_t next_tick(int64_t after_ms, int64_t period_ms, int64_t phase_ms) {
  if (period_ms <= 0) return after_ms + 1;
  int64_t into_period = (after_ms - phase_ms) % period_ms;
  if (into_period < 0) into_period += period_ms;
  return after_ms - into_period + period_ms;
}

int64_t retry_at(int64_t now_ms, int consecutive_failures, int64_t period_ms, double jitter) {
  constexpr int64_t kBase = 1000;
  constexpr int64_t kHour = 3'600'000;
  int doublings = std::clamp(consecutive_failures - 1, 0, 40);
  int64_t longest = std::min(kBase << doublings, std::max(period_ms, kHour));
  return now_ms + static_cast<int64_t>(static_cast<double>(longest) * jitter);
}

}  // namespace supaglue
