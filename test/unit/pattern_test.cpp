// Tests of regular expressions.
#include "pattern.hpp"

#include <gtest/gtest.h>

namespace supaglue {
namespace {

using Texts = std::vector<std::string>;

TEST(PatternTest, MatchesTheWholeOrAPlace) {
  const Pattern pattern("([a-z]+)-(x)?");
  EXPECT_EQ(pattern.match("ab-x"), (Texts{"ab-x", "ab", "x"}));
  EXPECT_EQ(pattern.match("ab-"), (Texts{"ab-", "ab", ""}));
  EXPECT_EQ(pattern.match("1ab-x"), Texts());
  EXPECT_EQ(pattern.search("1ab-x2cd-"), (Texts{"ab-x", "ab", "x"}));
  EXPECT_EQ(pattern.search(""), Texts());
  EXPECT_EQ(Pattern("\xc3\xa4.").search("a\xc3\xa4\xc3\xb6"), (Texts{"\xc3\xa4\xc3\xb6"}));
}

TEST(PatternTest, EmptyIsNone) {
  EXPECT_TRUE(Pattern().empty());
  EXPECT_EQ(Pattern().complaint(), "");
  EXPECT_EQ(Pattern().match(""), Texts());
  EXPECT_FALSE(Pattern("").empty());
  EXPECT_EQ(Pattern("").match(""), Texts{""});
}

TEST(PatternTest, SaysWhatIsWrong) {
  EXPECT_EQ(Pattern("a").complaint(), "");
  EXPECT_EQ(Pattern("[a").complaint(), "missing ]: [a");
  EXPECT_EQ(Pattern("[a").match("a"), Texts());
  EXPECT_EQ(Pattern("(a)\\1").complaint(), "invalid escape sequence: \\1");
  EXPECT_EQ(Pattern("((a{1000}){1000}){1000}").complaint(), "invalid repetition size: {1000}");
  EXPECT_LE(Pattern("[" + std::string(10'000, 'a')).complaint().size(), 200u);
}

// Of which some engines recurse over the text, and others try every way to read it.
TEST(PatternTest, TakesLongTexts) {
  const std::string text(1'000'000, 'a');
  EXPECT_EQ(Pattern("(a|b)*").match(text).size(), 2u);
  EXPECT_EQ(Pattern("(a*)*(a*)*(a*)*b").search(text), Texts());
}

}  // namespace
}  // namespace supaglue
