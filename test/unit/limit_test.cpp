// What providers' headers tell of their limits.
#include "limit.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "connector.hpp"

namespace supaglue {
namespace {

constexpr int64_t kNow = 1'700'000'000'000;

Response answer(std::vector<Header> headers) {
  Response response;
  response.status = 200;
  response.headers = std::move(headers);
  return response;
}

TEST(Limit, ReadsSalesforcesUsage) {
  const LimitHeaders &quota = Connector::builtin("salesforce")->limits.quota;
  ToldLimit told =
      told_limit(quota, answer({{"sforce-limit-info", "api-usage=10018/100000"}}), kNow);
  EXPECT_EQ(told.used, 10018);
  EXPECT_EQ(told.limit, 100000);
  EXPECT_EQ(told.resets_at_ms, 0);
  told = told_limit(
      quota, answer({{"sforce-limit-info", "api-usage=7/15; per-app-api-usage=17/250(appName=x)"}}),
      kNow);
  EXPECT_EQ(told.used, 7);
  EXPECT_EQ(told.limit, 15);
}

TEST(Limit, ReadsHubSpotsDayAndWindow) {
  const LimitRules &rules = Connector::builtin("hubspot")->limits;
  const Response response = answer({{"x-hubspot-ratelimit-daily", "650000"},
                                    {"x-hubspot-ratelimit-daily-remaining", "649000"},
                                    {"x-hubspot-ratelimit-interval-milliseconds", "10000"},
                                    {"x-hubspot-ratelimit-max", "190"},
                                    {"x-hubspot-ratelimit-remaining", "0"}});
  const ToldLimit quota = told_limit(rules.quota, response, kNow);
  EXPECT_EQ(quota.used, 1000);
  EXPECT_EQ(quota.limit, 650000);
  const ToldLimit window = told_limit(rules.window, response, kNow);
  EXPECT_EQ(window.used, 190);
  EXPECT_EQ(window.limit, 190);
  EXPECT_EQ(window.length_ms, 10'000);
}

TEST(Limit, NonsenseTellsNothing) {
  const LimitHeaders &quota = Connector::builtin("salesforce")->limits.quota;
  for (const char *text :
       {"", "api-usage=", "api-usage=1", "api-usage=1/", "api-usage=/5", "api-usage=1/0",
        "api-usage=-1/5", "api-usage=1/-5", "api-usage=x/y", "usage=1/5",
        "api-usage=99999999999999999999999/5", "api-usage=1/9999999999999999999"})
    EXPECT_FALSE(told_limit(quota, answer({{"sforce-limit-info", text}}), kNow).is_told()) << text;
  EXPECT_FALSE(told_limit(quota, answer({}), kNow).is_told());
  EXPECT_FALSE(told_limit({}, answer({{"", "api-usage=1/5"}}), kNow).is_told());
  const LimitHeaders &daily = Connector::builtin("hubspot")->limits.quota;
  EXPECT_FALSE(told_limit(daily, answer({{"x-hubspot-ratelimit-daily", "5"}}), kNow).is_told());
}

TEST(Limit, ResetsAreTimes) {
  const LimitRules rules = read_limit_rules(
      "connector", Json::parse(R"({"quota": {"limit": "X-Limit", "remaining": "X-Left",
                                             "resets_in_seconds": "X-Reset"}})"));
  const ToldLimit told = told_limit(
      rules.quota, answer({{"x-limit", "10"}, {"x-left", "12"}, {"x-reset", "30"}}), kNow);
  EXPECT_EQ(told.used, 0);
  EXPECT_EQ(told.resets_at_ms, kNow + 30'000);
}

TEST(Limit, ADocumentMustBeWhole) {
  for (const char *text :
       {R"({"quotas": {}})", R"({"quota": {}})", R"({"quota": {"limit": "A"}})",
        R"({"quota": {"limit": 1}})", R"({"window": {"limit": "A", "remaining": "B"}})"})
    EXPECT_THROW(read_limit_rules("connector", Json::parse(text)), Error) << text;
}

}  // namespace
}  // namespace supaglue
