// pure: tests of page.hpp: what is packed comes back whole, and bytes that are no page are refused.
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "error.hpp"
#include "helper.hpp"
#include "page.hpp"

#include "pure.hpp"

namespace supaglue {
namespace {

Page sample(int count) {
  Page page;
  page.storage.reserve(64 + static_cast<size_t>(count) * 200);
  for (int i = 0; i < count; ++i) {
    size_t at = page.storage.size();
    std::string id = "003" + std::to_string(100'000'000 + i);
    page.storage += "{\"Id\":\"" + id + "\",\"Name\":\"N" + std::to_string(i) + "\"}";
    std::string_view raw = std::string_view(page.storage).substr(at);
    page.records.push_back({raw.substr(7, id.size()), "2024-01-02T03:04:05.000Z", raw, i % 3 == 0});
  }
  page.unchanged = {"003700000000", "", "003700000001"};
  page.rejects.push_back({"the record has no Id", "{\"Name\":\"x\"}"});
  page.replaced_characters = 7;
  return page;
}

void expect_same(const Page &a, const Page &b) {
  ASSERT_EQ(a.records.size(), b.records.size());
  for (size_t i = 0; i < a.records.size(); ++i) {
    EXPECT_EQ(a.records[i].id, b.records[i].id);
    EXPECT_EQ(a.records[i].modified, b.records[i].modified);
    EXPECT_EQ(a.records[i].raw, b.records[i].raw);
    EXPECT_EQ(a.records[i].deleted, b.records[i].deleted);
  }
  EXPECT_EQ(a.unchanged, b.unchanged);
  ASSERT_EQ(a.rejects.size(), b.rejects.size());
  for (size_t i = 0; i < a.rejects.size(); ++i) {
    EXPECT_EQ(a.rejects[i].reason, b.rejects[i].reason);
    EXPECT_EQ(a.rejects[i].record, b.rejects[i].record);
  }
  EXPECT_EQ(a.replaced_characters, b.replaced_characters);
}

TEST(PageTest, ComesBackWhole) {
  for (int count : {0, 1, 2, 2000}) {
    Page page = sample(count);
    expect_same(page, Page::unpack(page.pack()));
  }
  expect_same(Page(), Page::unpack(Page().pack()));
}

TEST(PageTest, PacksOnlyTheRecordsThatAreLeft) {
  Page page = sample(2000);
  size_t whole = page.pack().size();
  page.records.resize(1);
  EXPECT_LT(page.pack().size(), whole / 10);
  EXPECT_EQ(Page::unpack(page.pack()).records.size(), 1U);
}

TEST(PageTest, KeepsAnAnswerAsItCame) {
  Page page;
  page.answer = std::string("\x1f\x8b and so on\0\xff", 14);
  page.answer_records = 2000;
  const std::string packed = page.pack();
  EXPECT_TRUE(Page::is_answer(packed));
  EXPECT_EQ(Page::unpack(packed).answer, page.answer);
  EXPECT_EQ(Page::unpack(packed).count(), 2000);
  EXPECT_FALSE(Page::is_answer(Page().pack()));
  EXPECT_FALSE(Page::is_answer(""));
}

TEST(PageTest, SurvivesAMove) {
  Page tiny;
  tiny.records.push_back({"1", "", "{}", false});
  Page unpacked = Page::unpack(tiny.pack());
  Page moved = std::move(unpacked);
  EXPECT_EQ(moved.records[0].id, "1");
  EXPECT_EQ(moved.records[0].raw, "{}");
}

TEST(PageTest, IsUnpackedBesideOrHere) {
  Page page = sample(2000);
  for (const bool helped : {false, true}) {
    if (helped) Helper::of_process().allow();
    const auto unpacked = [](std::string packed) {
      return do_beside([packed = std::move(packed)] { return Page::unpack(packed); });
    };
    expect_same(page, unpacked(page.pack()).get());
    EXPECT_THROW(unpacked("no page").get(), Error);
    unpacked(page.pack());  // and nobody takes it
  }
  Helper::of_process().end();
}

TEST(PageTest, RefusesEveryPrefixAndEveryFlippedByte) {
  const std::string packed = sample(20).pack();
  for (size_t length = 0; length < packed.size(); ++length) {
    EXPECT_THROW(Page::unpack(packed.substr(0, length)), Error) << length;
  }
  EXPECT_THROW(Page::unpack(packed + "x"), Error);
  // A flip in a part of the frame that carries no meaning may go unnoticed; nothing may differ
  // then.
  for (size_t at = 0; at < packed.size(); ++at) {
    std::string damaged = packed;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x41);
    try {
      expect_same(sample(20), Page::unpack(damaged));
    } catch (const Error &error) {
      EXPECT_STREQ(error.sqlstate.c_str(), "XX000");
    }
  }
}

}  // namespace
}  // namespace supaglue
