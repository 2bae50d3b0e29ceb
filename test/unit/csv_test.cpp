// pure: tests of CSV as RFC 4180 has it, and of what is none.
#include "csv.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "pure.hpp"

namespace supaglue {
namespace {

using Rows = std::vector<std::vector<std::string>>;

Rows rows_of(const std::string &text) {
  const std::optional<CsvTable> table = read_csv(text);
  if (!table) return {{"garbled"}};
  Rows rows;
  for (size_t row = 0; row < table->rows(); ++row) {
    rows.emplace_back();
    for (size_t i = 0; i < table->width(row); ++i) rows.back().emplace_back(table->value(row, i));
  }
  return rows;
}

TEST(CsvTest, TakesLinesApart) {
  EXPECT_EQ(rows_of(""), Rows{});
  EXPECT_EQ(rows_of("a"), (Rows{{"a"}}));
  EXPECT_EQ(rows_of("a,b\nc,d\n"), (Rows{{"a", "b"}, {"c", "d"}}));
  EXPECT_EQ(rows_of("a,b\r\n\r\nc,d"), (Rows{{"a", "b"}, {"c", "d"}}));
  EXPECT_EQ(rows_of(",\n\"\",\n"), (Rows{{"", ""}, {"", ""}}));
  EXPECT_EQ(rows_of("a\nb,c,d\n"), (Rows{{"a"}, {"b", "c", "d"}}));
}

TEST(CsvTest, KeepsValuesAsTheyAre) {
  EXPECT_EQ(rows_of("\"a \"\"b\"\", c\",\"d\r\ne\"\n"), (Rows{{"a \"b\", c", "d\r\ne"}}));
  EXPECT_EQ(rows_of(" a ,\t\n\" \",\"\"\"\"\n"), (Rows{{" a ", "\t"}, {" ", "\""}}));
  const std::string nul("x\0y", 3), big(300'000, 'x');
  EXPECT_EQ(rows_of(nul + ",\xff"), (Rows{{nul, "\xff"}}));
  EXPECT_EQ(rows_of('"' + big + "\"," + big), (Rows{{big, big}}));
}

TEST(CsvTest, RefusesQuotesOutOfPlace) {
  for (const char *text : {"\"", "a\"b", "a,\"b", "\"a\"b", "\"a\" ,b", "a\n\"b\n"})
    EXPECT_EQ(rows_of(text), (Rows{{"garbled"}})) << text;
}

}  // namespace
}  // namespace supaglue
