// What of a page is merged.
#include "batch.hpp"

#include <gtest/gtest.h>

#include <string>

namespace supaglue {
namespace {

std::string merged(const std::vector<Record> &records) {
  Page page;
  page.records = records;
  std::vector<const Record *> newest;
  newest_versions(page, &newest);
  std::string text;
  for (const Record *record : newest)
    text += std::string(record->id) + "=" + std::string(record->raw) + " ";
  return text;
}

TEST(Batch, SortsByTheBytesOfTheId) {
  EXPECT_EQ(merged({}), "");
  EXPECT_EQ(merged({{"b", "", "1"}, {"B", "", "2"}, {"a", "", "3"}, {"\xc3\xa4", "", "4"}}),
            "B=2 a=3 b=1 \xc3\xa4=4 ");
}

TEST(Batch, LeavesInOrderWhatComesInOrder) {
  EXPECT_EQ(merged({{"B", "", "1"}, {"a", "", "2"}, {"aa", "", "3"}, {"\xc3\xa4", "", "4"}}),
            "B=1 a=2 aa=3 \xc3\xa4=4 ");
  EXPECT_EQ(merged({{"a", "", "1"}, {"b", "2", "new"}, {"b", "1", "old"}, {"c", "", "2"}}),
            "a=1 b=new c=2 ");
}

TEST(Batch, KeepsTheNewestVersion) {
  EXPECT_EQ(merged({{"a", "2024-01-01T00:00:02.000Z", "new"},
                    {"b", "2024-01-01T00:00:00.000Z", "only"},
                    {"a", "2024-01-01T00:00:01.000Z", "old"}}),
            "a=new b=only ");
}

TEST(Batch, KeepsTheLaterOneOfEqualStamps) {
  EXPECT_EQ(merged({{"a", "", "1"}, {"a", "", "2"}, {"a", "", "3"}}), "a=3 ");
  EXPECT_EQ(merged({{"a", "2024-01-01T00:00:00.000Z", "stamped"}, {"a", "", "unstamped"}}),
            "a=stamped ");
}

TEST(Batch, KeepsTheIdsOfWhatIsStoredAsItCame) {
  Page page;
  page.records = {{"b", "2", "new"},
                  {"a", "", "same"},
                  {"c", "", "gone", true},
                  {"d", "", "changed"},
                  {"b", "1", "old"}};
  std::vector<const Record *> newest;
  newest_versions(page, &newest);
  EXPECT_EQ(keep_ids_of_unchanged(&page, newest, {false, false, false, true}), 2U);
  std::string left;
  for (const Record &record : page.records) left += std::string(record.raw) + " ";
  EXPECT_EQ(left, "gone changed ");
  EXPECT_EQ(page.unchanged, (std::vector<std::string_view>{"b", "a", "b"}));
}

}  // namespace
}  // namespace supaglue
