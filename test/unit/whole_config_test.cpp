// pure: tests of whole_config.hpp: what must change for a resource to be what is wanted.
#include <gtest/gtest.h>

#include <string>

#include "error.hpp"
#include "whole_config.hpp"

#include "pure.hpp"

namespace supaglue {
namespace {

Json patch(const std::string &stored, const std::string &wanted) {
  return resource_patch("destination", read_destination(stored), read_destination(wanted));
}

std::string place(const std::string &more) {
  return R"({"name": "x", "database": "d", "user": "u", )" + more + "}";
}

TEST(WholeConfigTest, ReadsLists) {
  const auto sections = read_sections(R"({"b": [{"x": 1}, {}], "c": []})", {"a", "b", "c"});
  EXPECT_FALSE(sections[0].given);
  ASSERT_EQ(sections[1].documents.size(), 2u);
  EXPECT_EQ(sections[1].documents[0], R"({"x":1})");
  EXPECT_TRUE(sections[2].given);
  EXPECT_TRUE(sections[2].documents.empty());
  for (const char *document : {"[]", R"({"d": []})", R"({"a": {}})", R"({"a": [1]})"})
    EXPECT_THROW(read_sections(document, {"a"}), Error) << document;
}

TEST(WholeConfigTest, NothingChangesWhatIsTheSame) {
  const std::string stored = place(R"("host": "h", "password": "p")");
  EXPECT_EQ(patch(stored, stored), Json::object());
  EXPECT_EQ(patch(stored, place(R"("host": "h")")), Json::object());
  EXPECT_EQ(patch(stored, place(R"("host": "h", "port": 5432, "ssl_mode": "verify-full")")),
            Json::object());
}

TEST(WholeConfigTest, WhatIsNotGivenReturnsToItsDefault) {
  EXPECT_EQ(patch(place(R"("host": "h", "port": 1, "server_name": "s", "password": "p")"),
                  place(R"("host": "h")")),
            Json::parse(R"({"port": 5432, "server_name": null})"));
}

TEST(WholeConfigTest, SecretsAreComparedAndNeverShown) {
  const std::string stored = place(R"("host": "h", "password": "p")");
  EXPECT_EQ(patch(stored, place(R"("host": "h", "password": {"file": "/p"})")),
            Json::parse(R"({"password": {"file": "/p"}})"));
  EXPECT_EQ(resource_document("destination", read_destination(stored)).dump().find("\"p\""),
            std::string::npos);
}

// The patch must give what is wanted although an update derives some values anew.
TEST(WholeConfigTest, ThePatchGivesWhatIsWanted) {
  const std::string remote = place(R"("host": "h", "password": "p")");
  for (const std::string &wanted :
       {place(R"("host": "127.0.0.1", "ssl_mode": "verify-full")"), place(R"("host": "localhost")"),
        std::string(R"({"name": "x", "schema": "s"})"), remote}) {
    for (const std::string &stored : {remote, std::string(R"({"name": "x"})")}) {
      const Document before = read_destination(stored);
      const std::string changed = patched("destination", before, patch(stored, wanted).dump());
      const Document after = read_destination(changed), expected = read_destination(wanted);
      EXPECT_EQ(nlohmann::json::parse(after.plain.dump()),
                nlohmann::json::parse(expected.plain.dump()))
          << stored << " to " << wanted;
    }
  }
}

TEST(WholeConfigTest, NamesKeys) {
  EXPECT_EQ(patch_keys(Json::parse(R"({"a": 1, "b": null})")), "a, b");
  EXPECT_EQ(patch_keys(Json::object()), "");
}

}  // namespace
}  // namespace supaglue
