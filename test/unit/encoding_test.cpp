// Tests of bytes as text.
#include "encoding.hpp"

#include <gtest/gtest.h>

namespace supaglue {
namespace {

TEST(EncodingTest, ClipsAtACharactersStart) {
  EXPECT_EQ(clipped("abc", 3), "abc");
  EXPECT_EQ(clipped("abcd", 3), "abc");
  EXPECT_EQ(clipped("\xc3\xa4\xc3\xb6", 3), "\xc3\xa4");
  EXPECT_EQ(clipped("\xf0\x9f\x98\x80\xf0\x9f\x98\x80", 7), "\xf0\x9f\x98\x80");
  EXPECT_EQ(clipped("\xc3\xa4", 1), "");
  EXPECT_EQ(clipped(std::string(99, 'x') + "\xc3\xa4"), std::string(99, 'x'));
}

TEST(EncodingTest, PrintsAKilobyteAtMost) {
  EXPECT_EQ(printable("a\nb\x7f "), "a b");
  EXPECT_EQ(printable(std::string(1000, 'x')), std::string(1000, 'x'));
  EXPECT_EQ(printable(std::string(999, 'x') + "\xc3\xa4"), std::string(999, 'x') + "...");
  // Its last character is whole, and stays.
  EXPECT_EQ(printable(std::string(998, 'x') + "\xc3\xa4y"), std::string(998, 'x') + "\xc3\xa4...");
}

}  // namespace
}  // namespace supaglue
