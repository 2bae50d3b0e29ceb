// The agenda of a fetcher.
#include "agenda.hpp"

#include <gtest/gtest.h>

namespace supaglue {
namespace {

using Verdict = Agenda::Verdict;
const auto kPlenty = [](const Agenda::Entry &) { return Verdict::kBegins; };

TEST(Agenda, GivesWhatIsDueLongestDueFirst) {
  Agenda agenda;
  agenda.put({1, 10, 1, 300});
  agenda.put({2, 10, 1, 100});
  agenda.put({3, 11, 1, 200});
  EXPECT_EQ(agenda.due(250, 10, kPlenty), (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(agenda.due(250, 1, kPlenty), (std::vector<int64_t>{2}));
  EXPECT_TRUE(agenda.due(99, 10, kPlenty).empty());
}

TEST(Agenda, ALaterWordReplacesTheEarlier) {
  Agenda agenda;
  agenda.put({1, 10, 1, 100});
  agenda.put({1, 10, 1, 500});
  EXPECT_EQ(agenda.size(), 1u);
  EXPECT_TRUE(agenda.due(400, 10, kPlenty).empty());
  agenda.remove(1);
  agenda.remove(1);
  EXPECT_EQ(agenda.next_after(0), 0);
}

TEST(Agenda, WhoIsNotAdmittedStandsInNobodysWay) {
  Agenda agenda;
  for (int64_t sync = 1; sync <= 5; ++sync) agenda.put({sync, 10, 1, sync});
  agenda.put({6, 11, 1, 6});
  int left = 2;
  const auto admit = [&](const Agenda::Entry &sync) {
    return sync.connection_id != 10 || left-- > 0 ? Verdict::kBegins : Verdict::kWaits;
  };
  EXPECT_EQ(agenda.due(100, 10, admit), (std::vector<int64_t>{1, 2, 6}));
}

TEST(Agenda, AsksNobodyWhoIsKnownToWait) {
  Agenda agenda;
  for (int64_t sync = 1; sync <= 5; ++sync) agenda.put({sync, 10, 1, 2 * sync});
  for (int64_t sync = 6; sync <= 8; ++sync) agenda.put({sync, 11, 2, 2 * sync - 9});
  std::vector<int64_t> asked;
  const auto judge = [&](const Agenda::Entry &sync) {
    asked.push_back(sync.sync_id);
    if (sync.sync_id == 7) return Verdict::kAllWait;
    return sync.provider_id == 1 ? Verdict::kProviderWaits : Verdict::kBegins;
  };
  EXPECT_EQ(agenda.due(100, 10, judge), (std::vector<int64_t>{6}));
  EXPECT_EQ(asked, (std::vector<int64_t>{1, 6, 7}));
}

TEST(Agenda, KnowsWhetherAnyIsDue) {
  Agenda agenda;
  EXPECT_FALSE(agenda.is_due(100));
  agenda.put({1, 10, 1, 200});
  agenda.put({2, 11, 2, 100});
  EXPECT_FALSE(agenda.is_due(99));
  EXPECT_TRUE(agenda.is_due(100));
}

TEST(Agenda, KnowsWhetherProvidersShareIt) {
  Agenda agenda;
  agenda.put({1, 10, 1, 100});
  EXPECT_FALSE(agenda.is_shared());
  agenda.put({2, 11, 2, 100});
  EXPECT_TRUE(agenda.is_shared());
  agenda.put({2, 11, 2, 200});
  agenda.postpone(2, 300);
  EXPECT_TRUE(agenda.is_shared());
  agenda.remove(2);
  EXPECT_FALSE(agenda.is_shared());
}

TEST(Agenda, NextIsStrictlyInTheFuture) {
  Agenda agenda;
  agenda.put({1, 10, 1, 100});
  agenda.put({2, 10, 1, 200});
  EXPECT_EQ(agenda.next_after(50), 100);
  EXPECT_EQ(agenda.next_after(100), 200);
  EXPECT_EQ(agenda.next_after(200), 0);
  agenda.clear();
  EXPECT_EQ(agenda.next_after(0), 0);
}

TEST(Agenda, PostponesOnlyWhatItKnowsAndNeverToAnEarlierTime) {
  Agenda agenda;
  agenda.postpone(1, 500);
  EXPECT_EQ(agenda.size(), 0u);
  agenda.put({1, 10, 1, 100});
  agenda.postpone(1, 500);
  EXPECT_EQ(agenda.next_after(0), 500);
  agenda.postpone(1, 200);
  EXPECT_EQ(agenda.next_after(0), 500);
}

}  // namespace
}  // namespace supaglue
