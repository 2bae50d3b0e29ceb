// The budget of a connection: every decision by what was told and the time.
#include "budget.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace supaglue {
namespace {

constexpr int64_t kNow = 1'700'000'000'000;
constexpr int64_t kMinute = 60'000;
const ToldLimit kNothing;

ToldLimit told(int64_t used, int64_t limit, int64_t resets_at_ms = 0, int64_t length_ms = 0) {
  return {used, limit, resets_at_ms, length_ms};
}

/// Sends as fast as it may until the end of a time; how many.
int sent_within(Budget &budget, int64_t now, int64_t length_ms) {
  int count = 0;
  for (int64_t at = budget.may_send_at(now); at < now + length_ms; at = budget.may_send_at(at)) {
    budget.sent(at);
    ++count;
    if (count > 100'000) break;
    if (budget.may_send_at(at) <= at && count % 1000 == 0) ++at;
  }
  return count;
}

TEST(Budget, KnowsNoLimitUntilItIsToldOne) {
  Budget budget;
  for (int i = 0; i < 1000; ++i) {
    EXPECT_LE(budget.may_send_at(kNow), kNow);
    budget.sent(kNow);
    budget.served(kNow);
  }
  EXPECT_FALSE(budget.is_parked(kNow));
  EXPECT_EQ(budget.known().requests_per_second, 0);
}

TEST(Budget, TooManyHalvesTheRateThatWasSeen) {
  Budget budget;
  int64_t now = kNow;
  for (int i = 0; i < 600; ++i) budget.sent(now += 50);  // 20 a second
  budget.refused(now);
  EXPECT_NEAR(budget.known().requests_per_second, 10, 1);
  budget.refused(now + 10);  // of the same burst
  EXPECT_NEAR(budget.known().requests_per_second, 10, 1);
  budget.refused(now + 2000);
  EXPECT_NEAR(budget.known().requests_per_second, 5, 0.5);
  EXPECT_NEAR(sent_within(budget, now + 2000, 60'000), 300, 30);
}

TEST(Budget, TheRateNeverFallsToNothing) {
  Budget budget;
  for (int i = 0; i < 100; ++i) budget.refused(kNow + i * 2000);
  EXPECT_DOUBLE_EQ(budget.known().requests_per_second, 0.1);
  EXPECT_LE(budget.may_send_at(kNow + 200'000), kNow + 200'000 + 10'000);
}

TEST(Budget, TheRateGrowsBackSlowlyUntilItIsNoLimit) {
  Budget budget;
  budget.sent(kNow);
  budget.refused(kNow);
  int64_t now = kNow;
  double before = budget.known().requests_per_second;
  while (now < kNow + 100'000) {
    now = budget.may_send_at(now);
    budget.sent(now);
    budget.served(now);
  }
  EXPECT_NEAR(budget.known().requests_per_second - before, 10, 2);  // in a hundred seconds
  while (budget.known().requests_per_second > 0 && now < kNow + 3'600'000) {
    now = budget.may_send_at(now);
    budget.sent(now);
    budget.served(now);
  }
  EXPECT_EQ(budget.known().requests_per_second, 0);
}

TEST(Budget, LeavesTheReserveAlone) {
  Budget budget(20);
  budget.learn(told(79'000, 100'000), kNothing, kNow);
  EXPECT_EQ(budget.known().used, 79'000);
  EXPECT_EQ(budget.known().quota, 100'000);
  EXPECT_EQ(budget.known().reserve, 20'000);
  EXPECT_FALSE(budget.is_parked(kNow));
  budget.learn(told(80'000, 100'000), kNothing, kNow);
  EXPECT_FALSE(budget.is_parked(kNow));
  budget.learn(told(80'001, 100'000), kNothing, kNow);
  EXPECT_TRUE(budget.is_parked(kNow));
  EXPECT_EQ(budget.known().cause, ErrorClass::kQuota);
  EXPECT_EQ(budget.may_send_at(kNow), budget.known().parked_until_ms);
  Budget generous(0);
  generous.learn(told(100'000, 100'000), kNothing, kNow);
  EXPECT_FALSE(generous.is_parked(kNow));
}

TEST(Budget, WaitsForTheResetWhereItIsTold) {
  Budget budget;
  budget.learn(told(95, 100, kNow + 40 * kMinute), kNothing, kNow);
  EXPECT_EQ(budget.may_send_at(kNow), kNow + 40 * kMinute);
  EXPECT_LE(budget.may_send_at(kNow + 40 * kMinute), kNow + 40 * kMinute);
}

TEST(Budget, ElseLooksAgainLessAndLessOften) {
  Budget budget;
  int64_t now = kNow;
  std::vector<int64_t> waits;
  for (int i = 0; i < 9; ++i) {
    budget.learn(told(90, 100), kNothing, now);
    budget.learn(told(91, 100), kNothing, now);  // another answer of the same moment
    waits.push_back(budget.may_send_at(now) - now);
    now = budget.may_send_at(now);
  }
  EXPECT_EQ(waits[0], 10'000);
  EXPECT_EQ(waits[1], 20'000);
  EXPECT_EQ(waits[8], 15 * kMinute);
  budget.learn(told(10, 100), kNothing, now);  // it is whole again
  EXPECT_FALSE(budget.is_parked(now));
  budget.learn(told(90, 100), kNothing, now);
  EXPECT_EQ(budget.may_send_at(now) - now, 10'000);
}

TEST(Budget, AfterParkingOneRequestGoesAhead) {
  Budget budget;
  budget.park(kNow + 5000, ErrorClass::kTransient, kNow);
  const int64_t then = kNow + 5000;
  EXPECT_LE(budget.may_send_at(then), then);
  budget.sent(then);
  EXPECT_GT(budget.may_send_at(then), then + kMinute);
  budget.served(then + 100);
  EXPECT_LE(budget.may_send_at(then + 100), then + 100);
  budget.sent(then + 100);
  EXPECT_LE(budget.may_send_at(then + 100), then + 100);
}

TEST(Budget, ARequestThatIsNotAnsweredHoldsNobodyUp) {
  Budget budget;
  budget.park(kNow + 5000, ErrorClass::kTransient, kNow);
  budget.sent(kNow + 5000);
  budget.unanswered();
  EXPECT_LE(budget.may_send_at(kNow + 6000), kNow + 6000);
}

TEST(Budget, ParkingIsNeverShortenedAndEndsWithinADay) {
  Budget budget;
  budget.park(kNow + 5000, ErrorClass::kQuota, kNow);
  budget.park(kNow + 1000, ErrorClass::kTransient, kNow);
  EXPECT_EQ(budget.may_send_at(kNow), kNow + 5000);
  EXPECT_EQ(budget.known().cause, ErrorClass::kQuota);
  budget.park(kNow + int64_t{366} * 24 * 60 * kMinute, ErrorClass::kQuota, kNow);
  EXPECT_EQ(budget.may_send_at(kNow), kNow + 24 * 60 * kMinute);
  budget.park(kNow - 1, ErrorClass::kQuota, kNow);
  budget.unpark();
  EXPECT_LE(budget.may_send_at(kNow), kNow);
}

TEST(Budget, TroubleIsWaitedOutALittleLongerEachTime) {
  Budget budget;
  int64_t now = kNow;
  for (int64_t expected : {1000, 2000, 4000}) {
    budget.back_off(ErrorClass::kTransient, now);
    EXPECT_EQ(budget.may_send_at(now) - now, expected);
    now = budget.may_send_at(now);
  }
  budget.served(now);
  budget.back_off(ErrorClass::kTransient, now);
  EXPECT_EQ(budget.may_send_at(now) - now, 1000);
}

TEST(Budget, AWindowIsNotUsedToItsEnd) {
  Budget budget;
  budget.learn(kNothing, told(1, 190, 0, 10'000), kNow);
  budget.learn(kNothing, told(170, 190, 0, 10'000), kNow + 4000);
  EXPECT_LE(budget.may_send_at(kNow + 4000), kNow + 4000);
  budget.learn(kNothing, told(171, 190, 0, 10'000), kNow + 4100);
  EXPECT_EQ(budget.may_send_at(kNow + 4100), kNow + 10'000);
  EXPECT_FALSE(budget.is_parked(kNow + 4100));
  budget.learn(kNothing, told(1, 190, 0, 10'000), kNow + 10'000);
  EXPECT_LE(budget.may_send_at(kNow + 10'000), kNow + 10'000);
  // A provider that tells nonsense is not waited for for ever.
  budget.learn(kNothing, told(9, 9, 0, int64_t{1} << 50), kNow + 20'000);
  EXPECT_LE(budget.may_send_at(kNow + 20'000), kNow + 80'000);
}

TEST(Budget, SaysWhyInWords) {
  KnownLimits known;
  known.used = 90;
  known.quota = 100;
  known.reserve = 20;
  EXPECT_EQ(
      parked_message("salesforce", known),
      "the request limit of salesforce is nearly reached: 90 of 100 requests are used, and 20 "
      "are left to the customer's other programs");
  known.used = 10;
  EXPECT_EQ(parked_message("salesforce", known), "the request limit of salesforce is reached");
  known.cause = ErrorClass::kTransient;
  EXPECT_EQ(parked_message("salesforce", known),
            "salesforce asked to wait before the next request");
}

TEST(Budget, IsToldSeldom) {
  KnownLimits told, known;
  known.seen_at_ms = kNow;
  EXPECT_FALSE(worth_telling(told, 0, known, kNow));  // of a provider that tells nothing
  known.quota = 100;
  known.used = 1;
  EXPECT_TRUE(worth_telling(told, 0, known, kNow));
  told = known;
  EXPECT_FALSE(worth_telling(told, kNow, known, kNow + 10 * kMinute));  // nothing new
  known.seen_at_ms = kNow + 1000;
  known.used = 2;
  EXPECT_FALSE(worth_telling(told, kNow, known, kNow + 1000));
  EXPECT_TRUE(worth_telling(told, kNow, known, kNow + kMinute));
  known.parked_until_ms = kNow + 10'000;
  EXPECT_TRUE(worth_telling(told, kNow, known, kNow + 1000));
  told = known;
  known.parked_until_ms = 0;  // somebody ended it
  EXPECT_TRUE(worth_telling(told, kNow + 1000, known, kNow + 2000));
}

}  // namespace
}  // namespace supaglue
