// Tests of the schedule's arithmetic.
#include "schedule.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace supaglue {
namespace {

constexpr int64_t kMinute = 60'000;
constexpr int64_t kHour = 60 * kMinute;

TEST(Phase, IsStableAndInsideThePeriod) {
  for (int64_t id : {int64_t{0}, int64_t{1}, int64_t{-7}, std::numeric_limits<int64_t>::max()})
    for (int64_t period : {int64_t{1}, int64_t{1000}, 15 * kMinute, 24 * kHour}) {
      EXPECT_GE(phase_of(id, period), 0);
      EXPECT_LT(phase_of(id, period), period);
      EXPECT_EQ(phase_of(id, period), phase_of(id, period));
    }
  EXPECT_EQ(phase_of(1, 0), 0);
}

TEST(Phase, SpreadsNeighbours) {
  std::vector<int> tenths(10);
  for (int64_t id = 1; id <= 10'000; id++)
    tenths[phase_of(id, 15 * kMinute) * 10 / (15 * kMinute)]++;
  for (int count : tenths) EXPECT_NEAR(count, 1000, 150);
}

TEST(NextTick, IsTheFirstAfter) {
  struct Case {
    int64_t after, period, phase, expected;
  };
  for (const Case &c :
       {Case{0, 100, 0, 100}, Case{99, 100, 0, 100}, Case{100, 100, 0, 200}, Case{0, 100, 30, 30},
        Case{29, 100, 30, 30}, Case{30, 100, 30, 130}, Case{-1, 100, 0, 0},
        Case{-100, 100, 30, -70}, Case{1'000'000, 100, 30, 1'000'030}, Case{5, 0, 0, 6}})
    EXPECT_EQ(next_tick(c.after, c.period, c.phase), c.expected) << c.after << " " << c.phase;
}

TEST(RetryAt, DoublesUpToTheCap) {
  const double almost_one = 0.999999;
  EXPECT_EQ(retry_at(1000, 1, kMinute, 0.0), 1000);
  EXPECT_EQ(retry_at(0, 1, kMinute, 0.5), 500);
  EXPECT_EQ(retry_at(0, 4, kMinute, 0.5), 4000);
  EXPECT_LE(retry_at(0, 1'000'000, kMinute, almost_one), kHour);
  EXPECT_GT(retry_at(0, 1'000'000, kMinute, almost_one), kHour - 1000);
  EXPECT_GT(retry_at(0, 100, 24 * kHour, almost_one), 23 * kHour);
  EXPECT_EQ(retry_at(7, 0, kMinute, 0.0), 7);
}

}  // namespace
}  // namespace supaglue
