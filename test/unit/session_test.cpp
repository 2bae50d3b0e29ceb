// Tests of the session: authentication, the sorting of answers, the token exchange.
#include "session.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace supaglue {
namespace {

using Failure = Response::Failure;
using Kind = Verdict::Kind;
using Action = ErrorRule::Action;

constexpr int64_t kNow = 1'700'000'000'000;  // Tue, 14 Nov 2023 22:13:20 GMT

Connector connector() {
  Connector c;
  c.name = "salesforce";
  c.login_url = "https://login.salesforce.com";
  c.oauth.token_path = "/services/oauth2/token";
  c.oauth.capture_base_url = "/instance_url";
  c.oauth.capture_account_id = "/id";
  c.oauth.account_id_pattern = Pattern("/id/([A-Za-z0-9]{15,18})/");
  c.error_code_pointer = "/0/errorCode";
  c.error_message_pointer = "/0/message";
  c.errors = {
      {401, {}, "not valid for use with the REST API", Action::kFail, ErrorClass::kAuthentication},
      {401, {}, "", Action::kRefresh, ErrorClass::kProvider},
      {0, {"INVALID_SESSION_ID"}, "", Action::kRefresh, ErrorClass::kAuthentication},
      {0, {"REQUEST_LIMIT_EXCEEDED"}, "", Action::kFail, ErrorClass::kQuota},
      {0, {"INVALID_FIELD"}, "", Action::kFail, ErrorClass::kFieldGone},
      {404, {"NOT_FOUND"}, "", Action::kFail, ErrorClass::kObjectGone},
      {406, {}, "", Action::kRetry, ErrorClass::kProvider},
      {0, {"UNABLE_TO_LOCK_ROW", "QUERY_TIMEOUT"}, "", Action::kRetry, ErrorClass::kTransient},
  };
  return c;
}

Response answer(long status, std::string body = "", std::vector<Header> headers = {}) {
  Response response;
  response.status = status;
  response.body = std::move(body);
  response.headers = std::move(headers);
  return response;
}

std::string salesforce_error(const std::string &code, const std::string &message) {
  return "[{\"message\":\"" + message + "\",\"errorCode\":\"" + code + "\"}]";
}

template <typename Call>
Error error_of(Call &&call) {
  try {
    call();
  } catch (const Error &error) {
    return error;
  }
  return {ErrorClass::kInternal, "nothing was thrown"};
}

struct Sorting {
  const char *what;
  Response response;
  Kind kind;
  ErrorClass error_class;
  std::string detail;
};

TEST(Judge, SortsAnswers) {
  const std::string field = salesforce_error("INVALID_FIELD", "No such column 'X__c'");
  const std::vector<Sorting> cases = {
      {"refresh by default", answer(401), Kind::kRefresh, ErrorClass::kAuthentication,
       "The provider answered HTTP 401."},
      {"refresh by code", answer(403, salesforce_error("INVALID_SESSION_ID", "Session expired")),
       Kind::kRefresh, ErrorClass::kAuthentication,
       "The provider answered HTTP 403 INVALID_SESSION_ID: Session expired."},
      {"the first rule wins",
       answer(401, salesforce_error("INVALID_SESSION_ID",
                                    "This session is not valid for use with the REST API")),
       Kind::kFail, ErrorClass::kAuthentication,
       "The provider answered HTTP 401 INVALID_SESSION_ID: This session is not valid for use with "
       "the REST API."},
      {"quota", answer(403, salesforce_error("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit.")),
       Kind::kFail, ErrorClass::kQuota,
       "The provider answered HTTP 403 REQUEST_LIMIT_EXCEEDED: TotalRequests Limit."},
      {"permission by default", answer(403, salesforce_error("ODD", "no")), Kind::kFail,
       ErrorClass::kPermission, "The provider answered HTTP 403 ODD: no."},
      {"field gone", answer(400, field), Kind::kFail, ErrorClass::kFieldGone,
       "The provider answered HTTP 400 INVALID_FIELD: No such column 'X__c'."},
      {"object gone", answer(404, salesforce_error("NOT_FOUND", "gone")), Kind::kFail,
       ErrorClass::kObjectGone, "The provider answered HTTP 404 NOT_FOUND: gone."},
      {"404 without a rule", answer(404), Kind::kFail, ErrorClass::kProvider,
       "The provider answered HTTP 404."},
      {"retry by status", answer(406), Kind::kRetry, ErrorClass::kTransient, ""},
      {"retry by code", answer(400, salesforce_error("QUERY_TIMEOUT", "slow")), Kind::kRetry,
       ErrorClass::kTransient, ""},
      {"408", answer(408), Kind::kRetry, ErrorClass::kTransient, ""},
      {"429", answer(429), Kind::kRetry, ErrorClass::kQuota, ""},
      {"500", answer(500), Kind::kRetry, ErrorClass::kTransient, ""},
      {"503 of a page",
       answer(503, "<html><head><title>Down for\nmaintenance</title></head></html>"), Kind::kRetry,
       ErrorClass::kTransient, "The provider answered HTTP 503: Down for maintenance."},
      {"xml", answer(400, "<?xml version=\"1.0\"?><error/>"), Kind::kFail, ErrorClass::kProvider,
       "The provider answered HTTP 400."},
      {"text", answer(400, "  no idea\n"), Kind::kFail, ErrorClass::kProvider,
       "The provider answered HTTP 400: no idea."},
      {"another encoding", answer(400, "\xe9t\xe9s"), Kind::kFail, ErrorClass::kProvider,
       "The provider answered HTTP 400: ?t?s."},
      {"another shape", answer(400, "{\"error\":1}"), Kind::kFail, ErrorClass::kProvider,
       "The provider answered HTTP 400."},
      {"redirect", answer(302), Kind::kFail, ErrorClass::kProvider,
       "The provider answered HTTP 302."},
  };
  for (const Sorting &c : cases) {
    Verdict verdict = judge(connector(), c.response, {1, false}, kNow, 0.5);
    EXPECT_EQ(verdict.kind, c.kind) << c.what;
    EXPECT_EQ(verdict.error.error_class, c.error_class) << c.what;
    if (c.detail.empty()) continue;
    EXPECT_EQ(verdict.error.detail, c.detail) << c.what;
  }
  for (long status : {200, 201, 204, 304})
    EXPECT_EQ(judge(connector(), answer(status), {1, false}, kNow, 0).kind, Kind::kDeliver);
}

TEST(Judge, RefreshesOnce) {
  Verdict verdict = judge(connector(), answer(401), {2, true}, kNow, 0.5);
  EXPECT_EQ(verdict.kind, Kind::kFail);
  EXPECT_EQ(verdict.error.sqlstate, "28000");
  EXPECT_EQ(verdict.error.message, "salesforce did not accept the connection's token");
  EXPECT_NE(verdict.error.hint, "");
}

TEST(Judge, SortsFailures) {
  struct Case {
    Failure failure;
    Kind kind;
    ErrorClass error_class;
    const char *hint;  // what it names
  };
  for (const Case &c :
       {Case{Failure::kTimeout, Kind::kRetry, ErrorClass::kTransient, ""},
        Case{Failure::kUnreachable, Kind::kRetry, ErrorClass::kTransient, ""},
        Case{Failure::kCutOff, Kind::kRetry, ErrorClass::kTransient, ""},
        Case{Failure::kTls, Kind::kFail, ErrorClass::kTransient, "supaglue.ca_bundle"},
        Case{Failure::kForbidden, Kind::kFail, ErrorClass::kPermission,
             "supaglue.allow_private_networks"},
        Case{Failure::kTooLarge, Kind::kFail, ErrorClass::kProvider,
             "supaglue.max_response_bytes"}}) {
    Response response;
    response.failure = c.failure;
    response.failure_text = "acme.com did something";
    Verdict verdict = judge(connector(), response, {1, false}, kNow, 0.5);
    EXPECT_EQ(verdict.kind, c.kind);
    EXPECT_EQ(verdict.error.error_class, c.error_class);
    EXPECT_EQ(verdict.error.detail, "The request failed: acme.com did something.");
    EXPECT_NE(verdict.error.hint.find(c.hint), std::string::npos);
    EXPECT_EQ(judge(connector(), response, {5, false}, kNow, 0.5).kind, Kind::kFail);
  }
}

TEST(Judge, BacksOffWithFullJitterFiveTimes) {
  const int64_t most[] = {500, 1000, 2000, 4000};
  for (int sent = 1; sent <= 4; sent++) {
    EXPECT_EQ(judge(connector(), answer(503), {sent, false}, kNow, 0).retry_at_ms, kNow);
    EXPECT_EQ(judge(connector(), answer(503), {sent, false}, kNow, 0.5).retry_at_ms,
              kNow + most[sent - 1] / 2);
  }
  EXPECT_EQ(judge(connector(), answer(503), {5, false}, kNow, 0).kind, Kind::kFail);
}

TEST(Judge, ObeysRetryAfter) {
  struct Case {
    const char *retry_after;
    const char *date;  // the provider's clock
    int64_t wait;      // -1: too long
  };
  for (const Case &c :
       {Case{"0", "", 0}, Case{"7", "", 7000}, Case{"60", "", 60'000}, Case{"61", "", -1},
        Case{"99999999999999999999999", "", -1}, Case{"Tue, 14 Nov 2023 22:13:50 GMT", "", 30'000},
        Case{"Tue, 14 Nov 2023 22:13:10 GMT", "", 0}, Case{"Tue, 14 Nov 2023 23:13:20 GMT", "", -1},
        Case{"Tue, 14 Nov 2023 23:13:25 GMT", "Tue, 14 Nov 2023 23:13:20 GMT", 5000},
        Case{"whenever", "", 0}, Case{"-5", "", 0}}) {
    Response response = answer(429, "", {{"retry-after", c.retry_after}, {"date", c.date}});
    Verdict verdict = judge(connector(), response, {1, false}, kNow, 0);
    if (c.wait >= 0) {
      EXPECT_EQ(verdict.kind, Kind::kRetry) << c.retry_after;
      EXPECT_EQ(verdict.retry_at_ms, kNow + c.wait) << c.retry_after;
    } else {
      EXPECT_EQ(verdict.kind, Kind::kFail) << c.retry_after;
      EXPECT_EQ(verdict.error.error_class, ErrorClass::kQuota);
    }
  }
  Verdict down =
      judge(connector(), answer(503, "", {{"retry-after", "3600"}}), {1, false}, kNow, 0);
  EXPECT_EQ(down.error.error_class, ErrorClass::kTransient);
  EXPECT_EQ(down.error.detail,
            "The provider answered HTTP 503. It asks to wait until 2023-11-14T23:13:20Z.");
  EXPECT_EQ(down.kind, Kind::kFail);
  EXPECT_EQ(down.retry_at_ms, kNow + 3'600'000);
}

TEST(Judge, KeepsTheProvidersWordsPrintable) {
  std::string message = "a\\u0000b\\n" + std::string(5000, 'x');
  Error error =
      judge(connector(), answer(400, salesforce_error("C", message)), {1, false}, kNow, 0).error;
  EXPECT_TRUE(error.detail.starts_with("The provider answered HTTP 400 C: a b xxx"));
  EXPECT_LT(error.detail.size(), 1100u);
  std::string umlauts;
  for (int i = 0; i < 3000; i++) umlauts += "\xc3\xa4";
  error = judge(connector(), answer(400, salesforce_error("C", "x" + umlauts)), {1, false}, kNow, 0)
              .error;
  EXPECT_NE(error.detail.find("\xc3\xa4..."), std::string::npos);
}

TEST(Authorize, JoinsAndSigns) {
  struct Case {
    const char *base;
    const char *url;
    bool host_relative;
    const char *expected;
  };
  for (const Case &c :
       {Case{"https://a.com", "/x?q=1", false, "https://a.com/x?q=1"},
        Case{"https://a.com/", "/x", false, "https://a.com/x"},
        Case{"http://127.0.0.1:8080/org/A", "/x", false, "http://127.0.0.1:8080/org/A/x"},
        Case{"http://127.0.0.1:8080/org/A/", "/org/A/x", true, "http://127.0.0.1:8080/org/A/x"},
        Case{"https://a.com", "/x", true, "https://a.com/x"},
        Case{"https://a.com", "https://a.com/next", false, "https://a.com/next"},
        Case{"https://a.com", "https://A.com:443/next", false, "https://A.com:443/next"}}) {
    Request request;
    request.url = c.url;
    request.host_relative = c.host_relative;
    request = authorize(connector(), {c.base, "token", 1}, request);
    EXPECT_EQ(request.url, c.expected);
    ASSERT_EQ(request.headers.size(), 1u);
    EXPECT_EQ(request.headers[0].name, "Authorization");
    EXPECT_EQ(request.headers[0].value, "Bearer token");
  }
}

TEST(Authorize, RefusesOtherHosts) {
  for (const char *url : {"https://b.com/x", "http://a.com/x", "https://a.com:8443/x",
                          "https://a.com@b.com/x", "@b.com/x", ".b.com/x", "x", ""}) {
    Request request;
    request.url = url;
    Error error = error_of([&] {
      authorize(connector(), {"https://a.com", "secret", 1}, request);
    });
    EXPECT_EQ(error.error_class, ErrorClass::kProvider) << url;
    EXPECT_EQ((error.message + error.detail).find("secret"), std::string::npos);
  }
  EXPECT_EQ(error_of([&] {
              authorize(connector(), {"", "t", 1}, {});
            }).message,
            "the address of salesforce is not known");
}

TEST(Authorize, CarriesEachCredentialInItsWay) {
  Connector c = connector();
  c.carriers["api_key"] = {Carrier::Where::kHeader, "X-Key", "key "};
  Request request = authorize(c, {"https://a.com", "k", 1, "api_key"}, {.url = "/x"});
  EXPECT_EQ(request.headers[0].name, "X-Key");
  EXPECT_EQ(request.headers[0].value, "key k");
  c.carriers["api_key"] = {Carrier::Where::kQuery, "api_key", ""};
  request = authorize(c, {"https://a.com", "k&1", 1, "api_key"}, {.url = "/x"});
  EXPECT_EQ(request.url, "https://a.com/x?api_key=k%261");
  EXPECT_TRUE(request.headers.empty());
  request = authorize(c, {"https://a.com", "k", 1, "api_key"}, {.url = "/x?a=b"});
  EXPECT_EQ(request.url, "https://a.com/x?a=b&api_key=k");
  c.carriers["api_key"] = {Carrier::Where::kBasic, "Authorization", "Basic "};
  request = authorize(c, {"https://a.com", "key", 1, "api_key"}, {.url = "/x"});
  EXPECT_EQ(request.headers[0].value, "Basic a2V5Og==");  // "key:"
  request = authorize(c, {"https://a.com", "user:pass", 1, "basic"}, {.url = "/x"});
  EXPECT_EQ(request.headers[0].value, "Basic dXNlcjpwYXNz");
}

Grant grant() { return {"oauth2", "", "app id", "app&secret", "refresh/token"}; }

TEST(Token, RequestIsAForm) {
  Request request = token_request(connector(), grant(), kNow);
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.url, "https://login.salesforce.com/services/oauth2/token");
  EXPECT_EQ(request.body,
            "grant_type=refresh_token&refresh_token=refresh%2Ftoken&client_id=app%20id"
            "&client_secret=app%26secret");
  Grant other = grant();
  other.login_url = "http://127.0.0.1:1/";
  other.client_secret = "";
  request = token_request(connector(), other, kNow);
  EXPECT_EQ(request.url, "http://127.0.0.1:1/services/oauth2/token");
  EXPECT_EQ(request.body.find("client_secret"), std::string::npos);
  other.refresh_token = "";
  EXPECT_EQ(error_of([&] { token_request(connector(), other, kNow); }).sqlstate, "28000");
  other = grant();
  other.auth_type = "api_key";
  EXPECT_EQ(error_of([&] { token_request(connector(), other, kNow); }).sqlstate, "28000");
}

TEST(Token, RequestByACode) {
  Grant consent = grant();
  consent.code = "a/code";
  consent.code_verifier = "verifier";
  consent.redirect_uri = "https://app.example/cb";
  Request request = token_request(connector(), consent, kNow);
  EXPECT_EQ(
      request.body,
      "grant_type=authorization_code&code=a%2Fcode&redirect_uri=https%3A%2F%2Fapp.example%2Fcb"
      "&code_verifier=verifier&client_id=app%20id&client_secret=app%26secret");
  const Response refusal =
      answer(400, R"({"error":"invalid_grant","error_description":"bad a/code, verifier"})");
  EXPECT_EQ(error_of([&] { token_answer(connector(), consent, refusal, kNow); }).detail,
            "The provider answered HTTP 400 invalid_grant: bad ***, ***.");
}

TEST(Token, RequestByClientCredentials) {
  Grant app = grant();
  app.auth_type = "client_credentials";
  app.refresh_token = "";
  Connector c = connector();
  EXPECT_EQ(token_request(c, app, kNow).body,
            "grant_type=client_credentials&client_id=app%20id&client_secret=app%26secret");
  c.oauth.token_basic = true;
  Request request = token_request(c, app, kNow);
  EXPECT_EQ(request.body, "grant_type=client_credentials");
  EXPECT_EQ(request.headers.back().value, "Basic YXBwJTIwaWQ6YXBwJTI2c2VjcmV0");
  // Such a grant is asked for again; a refresh token that comes with it is not kept.
  const Response given = answer(200, R"({"access_token":"a","refresh_token":"unasked"})");
  EXPECT_EQ(token_answer(c, app, given, kNow).refresh_token, "");
}

TEST(Token, RequestByAnAssertion) {
  Grant user = grant();
  user.auth_type = "jwt_bearer";
  user.username = "user@acme.example";
  user.private_key = "no key";
  Error error = error_of([&] { token_request(connector(), user, kNow); });
  EXPECT_EQ(error.sqlstate, "28000");
  EXPECT_EQ((error.message + error.detail).find("no key"), std::string::npos);
}

TEST(Token, AnswerIsTaken) {
  Tokens tokens = token_answer(
      connector(), grant(),
      answer(200,
             R"({"access_token":"00D!x","instance_url":"https://acme.my.salesforce.com/",
                 "id":"https://login.salesforce.com/id/00Dxx0000000001EAA/005xx0000000001AAA",
                 "issued_at":"1735689600000"})"),
      kNow);
  EXPECT_EQ(tokens.access_token, "00D!x");
  EXPECT_EQ(tokens.refresh_token, "refresh/token");
  EXPECT_EQ(tokens.base_url, "https://acme.my.salesforce.com");
  EXPECT_EQ(tokens.account_id, "00Dxx0000000001EAA");
  EXPECT_EQ(tokens.expires_at_ms, 0);
  for (const char *expires : {"3600", "\"3600\""}) {
    tokens = token_answer(connector(), grant(),
                          answer(200, std::string(R"({"access_token":"a","refresh_token":"new",)") +
                                          "\"expires_in\":" + expires + "}"),
                          kNow);
    EXPECT_EQ(tokens.refresh_token, "new");
    EXPECT_EQ(tokens.base_url, "");
    EXPECT_EQ(tokens.account_id, "");
    EXPECT_EQ(tokens.expires_at_ms, kNow + 3'600'000);
  }
}

TEST(Token, RefusalsAreSortedAndKeepSecrets) {
  struct Case {
    Response response;
    ErrorClass error_class;
    const char *detail;
    const char *hint;  // what it names
  };
  Response away;
  away.failure = Failure::kTimeout;
  away.failure_text = "login.salesforce.com did not answer within 1 s";
  const Case cases[] = {
      {answer(400, R"({"error":"invalid_grant","error_description":"expired refresh/token"})"),
       ErrorClass::kAuthentication, "The provider answered HTTP 400 invalid_grant: expired ***.",
       "update_connection"},
      {answer(400, R"({"error":"inactive_org"})"), ErrorClass::kAuthentication,
       "The provider answered HTTP 400 inactive_org.", "update_connection"},
      {answer(401, R"({"error":"invalid_client","error_description":"app&secret is wrong"})"),
       ErrorClass::kAuthentication, "The provider answered HTTP 401 invalid_client: *** is wrong.",
       "client_secret"},
      {answer(400, "error=invalid_grant&token=refresh/token"), ErrorClass::kAuthentication,
       "The provider answered HTTP 400.", "update_connection"},
      {answer(400, R"({"error":"rate_limit_exceeded"})"), ErrorClass::kTransient, nullptr, ""},
      {answer(429), ErrorClass::kTransient, nullptr, ""},
      {answer(503, "<html>"), ErrorClass::kTransient, "The provider answered HTTP 503.", ""},
      {away, ErrorClass::kTransient,
       "The request failed: login.salesforce.com did not answer within 1 s.", ""},
      {answer(404), ErrorClass::kProvider, nullptr, ""},
      {answer(302), ErrorClass::kProvider, nullptr, ""},
      {answer(200, "<html>"), ErrorClass::kProvider, "It has no access token.", ""},
      {answer(200, "{\"access_token\":\"\"}"), ErrorClass::kProvider, nullptr, ""},
      {answer(200, R"({"access_token":"a","instance_url":"file:///x"})"), ErrorClass::kProvider,
       "Its base url is not an http url.", ""},
  };
  for (const Case &c : cases) {
    Error error = error_of([&] { token_answer(connector(), grant(), c.response, kNow); });
    EXPECT_EQ(error.error_class, c.error_class) << c.response.body << ": " << error.message;
    EXPECT_NE(error.hint.find(c.hint), std::string::npos);
    if (c.detail == nullptr) continue;
    EXPECT_EQ(error.detail, c.detail);
  }
}

TEST(Token, AnAccountIsWhereItsPatternFindsIt) {
  Connector c = connector();
  Grant grant;
  grant.auth_type = "oauth2";
  const auto account = [&](const char *pattern, const std::string &id) {
    c.oauth.account_id_pattern = Pattern(pattern);
    const std::string body = R"({"access_token":"a","id":")" + id + "\"}";
    return token_answer(c, grant, answer(200, body), kNow).account_id;
  };
  EXPECT_EQ(account("/id/([^/]*)/", "https://x.test/id/00D1/005"), "00D1");
  EXPECT_EQ(account("00D.", "https://x.test/id/00D1/005"), "00D1");
  EXPECT_EQ(account("nowhere", "https://x.test/id/00D1/005"), "");
  EXPECT_EQ(account("(a|b)*c", std::string(1'000'000, 'a')), "");
}

TEST(Revocation, IsAskedForByTheApp) {
  Connector c = connector();
  c.oauth.revoke_path = "/services/oauth2/revoke";
  Grant grant;
  grant.refresh_token = "r/1";
  grant.client_id = "app";
  grant.client_secret = "s&t";
  Request request = revocation_request(c, grant);
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.url, "https://login.salesforce.com/services/oauth2/revoke");
  EXPECT_EQ(request.body, "token=r%2F1&client_id=app&client_secret=s%26t");
  grant.login_url = "https://test.salesforce.com/";
  c.oauth.token_basic = true;
  request = revocation_request(c, grant);
  EXPECT_EQ(request.url, "https://test.salesforce.com/services/oauth2/revoke");
  EXPECT_EQ(request.body, "token=r%2F1");
  EXPECT_EQ(request.headers.back().name, "Authorization");
  EXPECT_EQ(request.headers.back().value, "Basic YXBwOnMlMjZ0");
}

TEST(Revocation, IsOverWhenTheTokenIsNoMore) {
  for (const long status : {200, 204, 404}) EXPECT_NO_THROW(revocation_answer(answer(status)));
  const auto class_of = [](const Response &response) {
    return error_of([&] { revocation_answer(response); }).error_class;
  };
  for (const long status : {408, 429, 500, 503})
    EXPECT_EQ(class_of(answer(status)), ErrorClass::kTransient);
  for (const long status : {302, 400, 401})
    EXPECT_EQ(class_of(answer(status)), ErrorClass::kProvider);
  Response response;
  response.failure = Failure::kUnreachable;
  EXPECT_EQ(class_of(response), ErrorClass::kTransient);
  response.failure = Failure::kForbidden;
  EXPECT_EQ(class_of(response), ErrorClass::kPermission);
}

TEST(ProviderTime, IsTheDateHeader) {
  EXPECT_EQ(provider_time_ms(answer(200, "", {{"date", "Tue, 14 Nov 2023 22:13:20 GMT"}})), kNow);
  EXPECT_EQ(provider_time_ms(answer(200)), 0);
}

}  // namespace
}  // namespace supaglue
