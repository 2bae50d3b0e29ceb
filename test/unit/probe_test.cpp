// pure: tests of probe.hpp: one request, and the account's name in its answer.
#include <gtest/gtest.h>

#include <string>

#include "probe.hpp"

#include "pure.hpp"

namespace supaglue {
namespace {

std::shared_ptr<const Connector> connector(const std::string &probe) {
  return Connector::parse(R"({"name": "x", "category": "crm", "auth_types": ["oauth2"],
      "strategy": "salesforce")" +
                          probe + "}");
}

const char kProbe[] = R"(, "probe": {"path": "/me", "account_name_pointer": "/user/name"})";

Json told_by(const std::string &body) {
  std::unique_ptr<Source> probe = make_probe(connector(kProbe));
  Response response;
  response.status = 200;
  response.body = body;
  EXPECT_FALSE(probe->accept(response).is_page);
  EXPECT_TRUE(std::holds_alternative<Done>(probe->next()));
  return probe->metadata();
}

TEST(ProbeTest, AsksOnceAndFindsTheName) {
  std::unique_ptr<Source> probe = make_probe(connector(kProbe));
  EXPECT_EQ(std::get<Request>(probe->next()).url, "/me");
  EXPECT_EQ(std::get<Request>(probe->next()).method, "GET");
  EXPECT_TRUE(probe->metadata().is_null());
  EXPECT_EQ(told_by(R"({"user": {"name": "Ada"}})"), "Ada");
}

TEST(ProbeTest, AnyGoodAnswerWillDo) {
  for (const char *body : {"", "<html>", "[]", "{}", R"({"user": "Ada"})",
                           R"({"user": {"name": null}})", R"({"user": {"name": 1}})"})
    EXPECT_TRUE(told_by(body).is_null()) << body;
}

TEST(ProbeTest, NeedsAConnectorThatNamesTheRequest) {
  EXPECT_THROW(make_probe(connector("")), Error);
  EXPECT_THROW(connector(R"(, "probe": {"account_name_pointer": "/name"})"), Error);
  EXPECT_THROW(connector(R"(, "probe": {"path": "/me", "account_name_pointer": "name"})"), Error);
}

}  // namespace
}  // namespace supaglue
