#include "credential.hpp"

#include <gtest/gtest.h>

#include "error.hpp"
#include "json.hpp"

namespace supaglue {
namespace {

CredentialTexts texts() {
  CredentialTexts all = {};
  all.provider_name = "salesforce";
  all.connection_config = R"({"auth_type": "oauth2"})";
  all.provider_config = R"({"client_id": "client"})";
  all.provider_secret = R"({"client_secret": "hidden"})";
  all.secret = R"({"refresh_token": "refresh", "access_token": "access"})";
  all.base_url = "https://acme.my.salesforce.com";
  all.generation = 7;
  return all;
}

struct Resolved {
  explicit Resolved(const CredentialTexts &all) { resolve_credential(all, &access, &grant); }
  Access access;
  Grant grant;
};

TEST(Credential, IsPutTogether) {
  const Resolved resolved(texts());
  EXPECT_EQ(resolved.grant.auth_type, "oauth2");
  EXPECT_EQ(resolved.grant.login_url, "https://login.salesforce.com");
  EXPECT_EQ(resolved.grant.client_id, "client");
  EXPECT_EQ(resolved.grant.client_secret, "hidden");
  EXPECT_EQ(resolved.grant.refresh_token, "refresh");
  EXPECT_EQ(resolved.access.access_token, "access");
  EXPECT_EQ(resolved.access.base_url, "https://acme.my.salesforce.com");
  EXPECT_EQ(resolved.access.generation, 7);
}

TEST(Credential, AddressesThatWereSetWin) {
  CredentialTexts all = texts();
  all.provider_config =
      R"({"login_url": "https://p.example", "base_url": "https://proxy.example"})";
  EXPECT_EQ(Resolved(all).grant.login_url, "https://p.example");
  EXPECT_EQ(Resolved(all).access.base_url, "https://proxy.example");
  all.connection_config =
      R"({"login_url": "https://c.example", "instance_url": "https://i.example"})";
  EXPECT_EQ(Resolved(all).grant.login_url, "https://c.example");
  EXPECT_EQ(Resolved(all).access.base_url, "https://i.example");
}

TEST(Credential, ATokenThatCannotBeUsedIsNone) {
  CredentialTexts all = texts();
  all.expired = true;
  EXPECT_EQ(Resolved(all).access.access_token, "");
  all = texts();
  all.base_url = nullptr;  // nowhere to send it
  EXPECT_EQ(Resolved(all).access.access_token, "");
  all.provider_secret = nullptr;
  EXPECT_EQ(Resolved(all).grant.client_secret, "");
}

TEST(Credential, SomeAreSentAsTheyAre) {
  struct Case {
    const char *auth_type, *secret, *sent;
  };
  for (const Case &c :
       {Case{"api_key", R"({"api_key": "k"})", "k"},
        Case{"access_key_secret", R"({"access_key": "a", "access_key_secret": "s"})", "a:s"},
        Case{"basic", R"({"username": "u", "password": "p"})", "u:p"}}) {
    CredentialTexts all = texts();
    const std::string config = std::string(R"({"auth_type": ")") + c.auth_type + "\"}";
    all.connection_config = config.c_str();
    all.secret = c.secret;
    all.base_url = nullptr;
    EXPECT_EQ(Resolved(all).access.access_token, c.sent);
    EXPECT_EQ(Resolved(all).access.auth_type, c.auth_type);
  }
}

TEST(Credential, AnAppOfItsOwnWins) {
  CredentialTexts all = texts();
  all.connection_config = R"({"auth_type": "client_credentials"})";
  all.secret = R"({"client_id": "own", "client_secret": "own secret", "access_token": "got"})";
  EXPECT_EQ(Resolved(all).grant.client_id, "own");
  EXPECT_EQ(Resolved(all).grant.client_secret, "own secret");
  EXPECT_EQ(Resolved(all).access.access_token, "got");
  all.connection_config = R"({"auth_type": "jwt_bearer"})";
  all.secret = R"({"client_id": "own", "username": "u", "private_key": "pem"})";
  EXPECT_EQ(Resolved(all).grant.client_secret, "");
  EXPECT_EQ(Resolved(all).grant.username, "u");
  EXPECT_EQ(Resolved(all).grant.private_key, "pem");
}

TEST(Credential, NoConnector) {
  CredentialTexts all = texts();
  all.provider_name = "nobody";
  EXPECT_THROW(Resolved{all}, Error);
}

TEST(Credential, ARefreshChangesOnlyWhatItGave) {
  Tokens tokens;
  tokens.access_token = "new access";
  tokens.refresh_token = "refresh";
  const char *stored = R"({"refresh_token": {"file": "/run/token"}, "expires_at": "2020-01-01"})";
  const char *resolved = R"({"refresh_token": "refresh", "expires_at": "2020-01-01"})";
  EXPECT_EQ(
      Json::parse(refreshed_secret(stored, resolved, tokens)),
      Json::parse(R"({"refresh_token": {"file": "/run/token"}, "access_token": "new access"})"));
  tokens.refresh_token = "rotated";
  EXPECT_EQ(Json::parse(refreshed_secret(stored, resolved, tokens)),
            Json::parse(R"({"refresh_token": "rotated", "access_token": "new access"})"));
}

}  // namespace
}  // namespace supaglue
