// Tests of when a grant counts as lost.
#include "refusal.hpp"

#include <gtest/gtest.h>

namespace supaglue {
namespace {

TEST(RefusalTest, AGrantIsLostAtTheThirdRefusal) {
  EXPECT_EQ(wait_after_refusal_ms(1, false), 1'000);
  EXPECT_EQ(wait_after_refusal_ms(2, false), 4'000);
  EXPECT_EQ(wait_after_refusal_ms(3, false), 0);
  EXPECT_EQ(wait_after_refusal_ms(4, false), 0);
}

TEST(RefusalTest, OneThatWasLostIsTriedOnce) {
  for (int refusals = 1; refusals <= 3; ++refusals)
    EXPECT_EQ(wait_after_refusal_ms(refusals, true), 0);
}

}  // namespace
}  // namespace supaglue
