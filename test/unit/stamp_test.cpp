// pure: tests of stamp.hpp.
#include <gtest/gtest.h>

#include <string>

#include "stamp.hpp"

#include "pure.hpp"

namespace supaglue {
namespace {

TEST(StampTest, BringsEveryFormToOne) {
  struct Case {
    const char *written, *normal;
  };
  for (const Case &c : {
           Case{"2024-01-02T03:04:05.000+0000", "2024-01-02T03:04:05.000Z"},
           Case{"2024-01-02T03:04:05Z", "2024-01-02T03:04:05.000Z"},
           Case{"2024-01-02T03:04:05.6789Z", "2024-01-02T03:04:05.678Z"},
           Case{"2024-01-02T03:04:05.5+00:00", "2024-01-02T03:04:05.500Z"},
           Case{"2024-03-01T00:30:00.000+0100", "2024-02-29T23:30:00.000Z"},
           Case{"1969-12-31T22:59:59.999-0100", "1969-12-31T23:59:59.999Z"},
           Case{"1700-01-01T00:00:00.001Z", "1700-01-01T00:00:00.001Z"},
           Case{"9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"},
       }) {
    std::optional<int64_t> ms = read_stamp(c.written);
    ASSERT_TRUE(ms) << c.written;
    EXPECT_EQ(write_stamp(*ms), c.normal);
  }
  EXPECT_EQ(read_stamp("1970-01-01T00:00:01.002Z"), 1002);
}

TEST(StampTest, TakesNothingElse) {
  for (const char *text :
       {"", "2024-01-02", "2024-01-02T03:04:05", "2024-01-02 03:04:05Z", "2024-13-02T03:04:05Z",
        "2024-02-30T03:04:05Z", "2024-01-02T24:00:00Z", "2024-01-02T03:04:05.Z",
        "2024-01-02T03:04:05Zx", "2024-01-02T03:04:05+0", "0000-01-01T00:00:00Z", "x"}) {
    EXPECT_FALSE(read_stamp(text)) << text;
  }
}

}  // namespace
}  // namespace supaglue
