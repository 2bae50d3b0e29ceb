// pure: tests of jsonb.hpp without Postgres: a few values byte by byte, what is refused or made
// fit, and the way back. That the bytes are jsonb_in's, sql/jsonb.sql shows.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "error.hpp"
#include "jsonb.hpp"
#include "jsonb_of.hpp"

#include "pure.hpp"

namespace supaglue {
namespace {

std::string hex(std::string_view bytes) {
  static const char digits[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : bytes) text += {digits[byte >> 4], digits[byte & 15]};
  return text;
}

std::string kept(std::string_view json) { return jsonb_text(jsonb_of(json)); }

TEST(JsonbTest, WritesTheFormat) {
  EXPECT_EQ(hex(jsonb_of("{}")), "2000000000000020");
  EXPECT_EQ(hex(jsonb_of("[]")), "2000000000000040");
  EXPECT_EQ(hex(jsonb_of(R"({"a":"b"})")),
            "48000000"
            "01000020"
            "01000080"
            "01000000"
            "6162");
  // 1.10: a number of scale 2, of the digits 1 and 1000.
  EXPECT_EQ(hex(jsonb_of("[1.10]")),
            "58000000"
            "01000040"
            "0a000090"
            "28000000"
            "0081"
            "0100"
            "e803");
}

TEST(JsonbTest, TheSameAgainAndAgain) {
  const std::string json = R"({"bb":[1,{"c":null,"a":"x"}],"a":true,"bb":2})";
  const std::string first = jsonb_of(json);
  jsonb_of(R"({"z":1,"a":2})");
  EXPECT_EQ(jsonb_of(json), first);
  EXPECT_EQ(jsonb_of(json), first);
}

TEST(JsonbTest, WritesBehindWhatIsThere) {
  JsonbWriter writer;
  std::string bytes = "odd";
  for (int i = 0; i < 2; ++i) {
    writer.clear();
    writer.begin_object();
    writer.add_number("n", "7");
    writer.end();
    writer.write(&bytes);
  }
  const std::string one = jsonb_of(R"({"n":7})");
  EXPECT_EQ(bytes, "odd" + one + one);
}

TEST(JsonbTest, KeepsTextsUntilTheyAreWritten) {
  JsonbWriter writer;
  std::string json = "[";
  writer.clear();
  writer.begin_array();
  for (int i = 0; i < 3000; ++i) {
    const std::string text(static_cast<size_t>(i % 50 * (i % 40 == 0 ? 1000 : 1)), 'x');
    writer.add_string({}, writer.keep(text));
    json += (i > 0 ? ",\"" : "\"") + text + '"';
  }
  writer.end();
  std::string bytes;
  writer.write(&bytes);
  EXPECT_EQ(jsonb_text(bytes), json + "]");
}

TEST(JsonbTest, ReadsWhatItWrote) {
  for (const char *json :
       {"{}", "[]", "[[],{}]", R"({"a":[1,{"b":null}],"bb":"x\u0001\"\\y"})", "[true,false,null]",
        "[0,0.0,0.00,1,10,9999,10000,100000000]", "[-1.10,0.0005,-0.00000001,0.00010,12345.6789]",
        "[123456789012345678901234567890.000000000000000000000000000000000000000000000000000000000"
        "00000000001]"})
    EXPECT_EQ(kept(json), json);
  EXPECT_EQ(kept("[1e5,1E-3,-12.50e1,-0,1.5e-2]"), "[100000,0.001,-125.0,0,0.015]");
  EXPECT_EQ(kept(R"({"bb":1,"a":2,"bb":3})"), R"({"a":2,"bb":3})");
  std::string many = "{";
  for (int i = 1000; i < 1100; ++i)
    many += (i > 1000 ? ",\"" : "\"") + std::to_string(i) + "\":" + std::to_string(i) + ".5";
  EXPECT_EQ(kept(many + "}"), many + "}");
}

TEST(JsonbTest, MakesFitWhatPostgresCannotHold) {
  EXPECT_EQ(kept(R"({"a\u0000":"\u0000x","b":"\ud800","c":"\udc00\ud83d\ude00"})"),
            "{\"b\":\"\xef\xbf\xbd\",\"c\":\"\xef\xbf\xbd\xf0\x9f\x98\x80\",\"a\xef\xbf\xbd\":"
            "\"\xef\xbf\xbdx\"}");
  EXPECT_EQ(kept("[1e131073,1e-16384]"), R"(["1e131073","1e-16384"])");
}

TEST(JsonbTest, RefusesWhatIsNoJson) {
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
                           "[\"\\x\"]",
                           "[\"\\u12g4\"]",
                           "[\"\x01\"]",
                           "[\"\xff\"]",
                           "[NaN]",
                           "[\"a\":1]",
                           "[1:2]",
                           "{\"a\":\"b\":1}",
                           "{\"a\":1 \"b\":2}"})
    EXPECT_THROW(jsonb_of(json), Error) << json;
  // And goes on.
  EXPECT_EQ(hex(jsonb_of("{}")), "2000000000000020");
}

}  // namespace
}  // namespace supaglue
