// Tests of the authorization code's way through the browser.
#include "consent.hpp"

#include <gtest/gtest.h>

#include "crypto.hpp"
#include "encoding.hpp"
#include "error.hpp"

namespace supaglue {
namespace {

template <typename Call>
std::string complaint(Call &&call) {
  try {
    call();
  } catch (const Error &error) {
    EXPECT_EQ(error.sqlstate, "22023");
    return error.message;
  }
  return "nothing was thrown";
}

TEST(Consent, AsksInTheOpenWithoutSecrets) {
  const auto connector = Connector::builtin("salesforce");
  ConsentRequest request = {"", "an id", "https://app.example/cb?x=1", {"api", "refresh_token"}};
  request.extras = {{"prompt", "login consent"}};
  const ConsentSecrets secrets = {"the-state", "the-verifier"};
  EXPECT_EQ(consent_url(*connector, request, secrets),
            "https://login.salesforce.com/services/oauth2/authorize?response_type=code"
            "&client_id=an%20id&redirect_uri=https%3A%2F%2Fapp.example%2Fcb%3Fx%3D1"
            "&scope=api%20refresh_token&state=the-state&code_challenge=" +
                base64url(sha256("the-verifier")) +
                "&code_challenge_method=S256&prompt=login%20consent");
}

TEST(Consent, ChallengeIsThatOfTheStandard) {  // RFC 7636, appendix B
  EXPECT_EQ(base64url(sha256("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
}

TEST(Consent, GoesWhereTheConnectorOrSomebodySays) {
  const auto connector = Connector::parse(R"({"name":"x","category":"crm","strategy":"s",
      "auth_types":["oauth2"],"login_url":"https://api.x.example",
      "oauth":{"authorize_host":"https://app.x.example","authorize_path":"/a?v=2","pkce":false,
               "authorize_parameters":{"access_type":"offline","prompt":"consent"},
               "scope_separator":",","token_path":"/t"}})");
  ConsentRequest request = {"", "id", "https://app.example/cb", {"a", "b"}};
  EXPECT_EQ(consent_url(*connector, request, {"s", "v"}),
            "https://app.x.example/a?v=2&response_type=code&client_id=id"
            "&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&scope=a%2Cb&state=s"
            "&access_type=offline&prompt=consent");
  request.login_url = "http://127.0.0.1:1/";
  request.scopes = {};
  request.extras = {{"prompt", "none"}};
  EXPECT_EQ(consent_url(*connector, request, {"s", "v"}),
            "http://127.0.0.1:1/a?v=2&response_type=code&client_id=id"
            "&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&state=s&access_type=offline&prompt=none");
}

TEST(Consent, SecretsAreNeverTheSame) {
  const ConsentSecrets one = new_consent_secrets(), other = new_consent_secrets();
  EXPECT_EQ(one.state.size(), 43u);
  EXPECT_EQ(one.verifier.size(), 43u);
  EXPECT_NE(one.state, other.state);
  EXPECT_NE(one.verifier, other.verifier);
  EXPECT_NE(one.state, one.verifier);
}

TEST(Consent, Options) {
  ConsentOptions options = read_consent_options("{}");
  EXPECT_FALSE(options.scopes);
  EXPECT_FALSE(options.replace_account);
  options = read_consent_options(R"({"login_url":"https://test.salesforce.com/","scopes":["api"],
      "replace_account":true,"prompt":"login"})");
  EXPECT_EQ(options.login_url, "https://test.salesforce.com");
  EXPECT_EQ(options.scopes, std::vector<std::string>{"api"});
  EXPECT_TRUE(options.replace_account);
  EXPECT_EQ(options.extras.dump(), R"({"prompt":"login"})");
  struct Case {
    const char *document, *message;
  };
  for (const Case &c : {
           Case{"[]", "the options document must be a JSON object"},
           Case{R"({"state":"mine"})", "\"state\" in options cannot be set"},
           Case{R"({"redirect_uri":"https://evil.example"})",
                "\"redirect_uri\" in options cannot be set"},
           Case{R"({"login_ulr":"https://x.example"})", "unknown key \"login_ulr\" in options"},
           Case{R"({"replace_acount":"yes"})", "unknown key \"replace_acount\" in options"},
           Case{R"({"max_age":7})", "\"max_age\" in options must be a string"},
           Case{R"({"replace_account":"yes"})",
                "\"replace_account\" in options must be true or false"},
           Case{R"({"scopes":"api"})", "\"scopes\" in options must be an array"},
       })
    EXPECT_EQ(complaint([&] { read_consent_options(c.document); }), c.message);
}

TEST(Consent, Answer) {
  ConsentAnswer answer = read_consent_answer(R"({"code":"c","state":"s","iss":"x","n":[1]})");
  EXPECT_EQ(answer.code, "c");
  EXPECT_EQ(answer.state, "s");
  answer = read_consent_answer(
      R"({"error":"access_denied","error_description":"end-user\ndenied","state":"s"})");
  EXPECT_EQ(answer.error, "access_denied");
  EXPECT_EQ(answer.error_description, "end-user denied");
  struct Case {
    const char *document, *message;
  };
  for (const Case &c : {
           Case{R"({"code":"c"})", "the callback has no \"state\""},
           Case{R"({"code":"c","state":null})", "the callback has no \"state\""},
           Case{R"({"state":"s"})", "the callback has neither \"code\" nor \"error\""},
           Case{R"({"code":["a","b"],"state":"s"})", "\"code\" of the callback must be a string"},
       })
    EXPECT_EQ(complaint([&] { read_consent_answer(c.document); }), c.message);
}

TEST(Consent, ReturnsOnlyToPages) {
  for (const char *good :
       {"/", "/integrations?a=b", "https://app.example/x#y", "http://localhost:3000"})
    check_return_url(good);
  for (const char *evil : {"", "//evil.example", "/\\evil.example", "javascript:alert(1)",
                           "data:text/html,x", "integrations", "/a\nSet-Cookie: b", "https://",
                           "ftp://a.example", "https://user:pass@a.example"})
    EXPECT_EQ(complaint([&] { check_return_url(evil); }),
              "return_url must be an http or https address, or a path")
        << evil;
}

TEST(Consent, Account) {
  const Probe probe = {"/me", "/user", "/hub"};
  Response response;
  response.body = R"({"user":"a@b","hub":62515})";
  EXPECT_EQ(account_in(probe, response).id, "62515");
  EXPECT_EQ(account_in(probe, response).name, "a@b");
  response.body = "<html>";
  EXPECT_EQ(account_in(probe, response).id, "");
  EXPECT_EQ(account_in({"/me", "", ""}, response).name, "");
}

}  // namespace
}  // namespace supaglue
