// pure: tests of drift.hpp.
#include <gtest/gtest.h>

#include "drift.hpp"

#include "pure.hpp"

namespace supaglue {
namespace {

const char kBefore[] = R"({"fields": [{"name": "Id", "type": "id"}, {"name": "b", "type": "int"},
    {"name": "gone", "type": "date"}], "stamp": "x"})";
const char kAfter[] =
    R"({"stamp": null, "fields": [{"type": "string", "name": "b"}, {"name": "a", "type": "url"},
    {"name": "Id", "type": "id"}]})";

TEST(DriftTest, FindsWhatChanged) {
  EXPECT_EQ(drift(kBefore, kAfter), Json::parse(R"([
      {"change": "added", "field": "a", "new_type": "url"},
      {"change": "retyped", "field": "b", "old_type": "int", "new_type": "string"},
      {"change": "removed", "field": "gone", "old_type": "date"}])"));
  EXPECT_TRUE(drift(kAfter, kAfter).empty());
}

TEST(DriftTest, WhatTellsNoFieldsTellsNoChange) {
  for (const char *other : {"null", "{}", "", "[1]", R"({"fields": null})"}) {
    EXPECT_TRUE(drift(other, kAfter).empty()) << other;
    EXPECT_TRUE(drift(kBefore, other).empty()) << other;
  }
}

TEST(DriftTest, KnowsWhetherMoreIsRead) {
  EXPECT_TRUE(reads_more(drift(kBefore, kAfter), "{}"));
  EXPECT_TRUE(reads_more(drift(kBefore, kAfter), R"({"exclude_fields": ["a"]})"));
  EXPECT_FALSE(reads_more(drift(kBefore, kAfter), R"({"exclude_fields": ["a", "b"]})"));
  EXPECT_FALSE(
      reads_more(drift(R"({"fields": [{"name": "a", "type": "x"}]})", R"({"fields": []})"), "{}"));
}

}  // namespace
}  // namespace supaglue
