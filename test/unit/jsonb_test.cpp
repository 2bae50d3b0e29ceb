// pure: tests of jsonb.hpp without Postgres: a few values byte by byte, and what is refused. That
// the bytes are jsonb_in's, sql/jsonb.sql shows.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "error.hpp"
#include "jsonb.hpp"

#include "pure.hpp"

namespace supaglue {
namespace {

std::string written(JsonbWriter &writer, std::string_view json) {
  std::string bytes(writer.read(json), '\xff');
  bytes.resize(writer.write(bytes.data()));
  return bytes;
}

std::string hex(std::string_view bytes) {
  static const char digits[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : bytes) text += {digits[byte >> 4], digits[byte & 15]};
  return text;
}

TEST(JsonbTest, WritesTheFormat) {
  JsonbWriter writer;
  EXPECT_EQ(hex(written(writer, "{}")), "2000000000000020");
  EXPECT_EQ(hex(written(writer, "[]")), "2000000000000040");
  EXPECT_EQ(hex(written(writer, R"({"a":"b"})")),
            "48000000"
            "01000020"
            "01000080"
            "01000000"
            "6162");
  // 1.10: a number of scale 2, of the digits 1 and 1000.
  EXPECT_EQ(hex(written(writer, "[1.10]")),
            "58000000"
            "01000040"
            "0a000090"
            "28000000"
            "0081"
            "0100"
            "e803");
}

TEST(JsonbTest, TheSameAgainAndAgain) {
  JsonbWriter writer;
  const std::string json = R"({"bb":[1,{"c":null,"a":"x"}],"a":true,"bb":2})";
  const std::string first = written(writer, json);
  written(writer, R"({"z":1,"a":2})");
  EXPECT_EQ(written(writer, json), first);
  EXPECT_EQ(written(writer, json), first);
}

TEST(JsonbTest, RefusesWhatJsonbCannotHold) {
  JsonbWriter writer;
  for (const char *json : {"",
                           "1",
                           "\"x\"",
                           "{",
                           "[1",
                           "{\"a\"}",
                           "[1,]",
                           "[01]",
                           "[1.]",
                           "[nul]",
                           "[nulls]",
                           "[tru]",
                           "[+1]",
                           "[1\x1c]",
                           "[1,2\x01 ]",
                           "[true\x1c]",
                           "[null\x1c]",
                           "[\"a\"\x1c]",
                           "{\"a\"\x1c:1}",
                           "[1] 2",
                           "[\"\\u0000\"]",
                           "[\"\\ud800\"]",
                           "[\"\\x\"]",
                           "[\"\x01\"]",
                           "[\"\xff\"]",
                           "{\"\\u0000\":1}",
                           "[1e131073]",
                           "[1e-16384]",
                           "[NaN]",
                           "[\"a\":1]",
                           "[1:2]",
                           "{\"a\":\"b\":1}",
                           "{\"a\":1 \"b\":2}"})
    EXPECT_THROW(writer.read(json), Error) << json;
  // And goes on.
  EXPECT_EQ(hex(written(writer, "{}")), "2000000000000020");
}

TEST(JsonbTest, NeverNeedsMoreThanItSaid) {
  JsonbWriter writer;
  std::string deep = "1";
  for (int i = 0; i < 900; ++i) deep = "[" + deep + "]";
  std::string many = "{";
  for (int i = 0; i < 1000; ++i)
    many += (i ? ",\"k" : "\"k") + std::to_string(i * 7919 % 1000) + "\":-0.0001";
  many += "}";
  for (const std::string &json :
       {deep, many, std::string("[1e131071,1e-16383,0.00010000,-0,0e0]")}) {
    const size_t most = writer.read(json);
    std::vector<char> bytes(most + 64, '\x55');
    EXPECT_LE(writer.write(bytes.data()), most);
    for (size_t i = most; i < bytes.size(); ++i) EXPECT_EQ(bytes[i], '\x55');
  }
}

}  // namespace
}  // namespace supaglue
