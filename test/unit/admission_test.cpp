// Whether another run may begin.
#include "admission.hpp"

#include <gtest/gtest.h>

namespace supaglue {
namespace {

/// Begins runs of ever other connections of a provider until no more are admitted; how many.
int fill(Admission &admission, int64_t provider) {
  int count = 0;
  while (count < 10'000 && admission.admit(provider * 100'000 + count, provider)) ++count;
  return count;
}

TEST(Admission, AProviderAloneHasAllSlots) {
  Admission admission(64, false);
  EXPECT_EQ(fill(admission, 1), 64);
  EXPECT_EQ(admission.free(), 0);
}

TEST(Admission, OfSeveralProvidersNoneTakesAll) {
  Admission admission(64, true);
  EXPECT_EQ(fill(admission, 1), 32);
  EXPECT_EQ(fill(admission, 2), 32);
  EXPECT_EQ(fill(admission, 3), 0);
  EXPECT_TRUE(admission.is_full(1));
  EXPECT_FALSE(admission.is_full(3));
  Admission narrow(1, true);
  EXPECT_EQ(fill(narrow, 1), 1);
  EXPECT_EQ(fill(narrow, 2), 0);
  Admission under_way(8, false);
  under_way.count(1, 2, false);
  EXPECT_EQ(fill(under_way, 1), 4);
}

TEST(Admission, ProvidersThatHangLeaveRoom) {
  Admission admission(8, true);
  for (int i = 0; i < 4; ++i) admission.count(i, 1, true);
  for (int i = 10; i < 14; ++i) admission.count(i, 2, true);
  EXPECT_EQ(fill(admission, 1), 0);
  EXPECT_EQ(fill(admission, 2), 0);
  EXPECT_EQ(fill(admission, 3), 4);
  Admission narrow(1, true);
  narrow.count(1, 1, true);
  EXPECT_EQ(fill(narrow, 1), 0);
  EXPECT_EQ(fill(narrow, 2), 1);
}

TEST(Admission, AConnectionHasAShare) {
  for (auto [slots, share] : {std::pair{64, 4}, {16, 4}, {8, 2}, {4, 1}, {1, 1}}) {
    Admission admission(slots, false);
    int count = 0;
    while (admission.admit(7, 1)) ++count;
    EXPECT_EQ(count, share) << slots;
  }
}

TEST(Admission, WhoMerelyWaitsGivesUpHisSlot) {
  Admission admission(8, false);
  for (int i = 0; i < 8; ++i) admission.count(i, 1, true);
  EXPECT_EQ(admission.free(), 8);
  EXPECT_EQ(fill(admission, 1), 8);
  Admission more(8, false);
  for (int i = 0; i < 12; ++i) more.count(i, 1, true);  // but not without end
  EXPECT_EQ(more.free(), 4);
}

TEST(Admission, AProviderThatHangsTakesNoMoreThanThere) {
  Admission admission(8, true);
  for (int i = 0; i < 8; ++i) admission.count(i, 1, true);
  EXPECT_FALSE(admission.admit(100, 1));
  EXPECT_TRUE(admission.admit(200, 2));
}

TEST(Admission, ConnectionsOfRunsUnderWayCount) {
  Admission admission(64, false);
  for (int i = 0; i < 4; ++i) admission.count(7, 1, i % 2 == 0);
  EXPECT_FALSE(admission.admit(7, 1));
  EXPECT_TRUE(admission.admit(8, 1));
}

}  // namespace
}  // namespace supaglue
