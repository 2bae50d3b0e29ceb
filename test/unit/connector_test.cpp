// pure: tests of connector.hpp: the built-in documents, exact names, and what a wrong document
// says.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "connector.hpp"

#include "pure.hpp"

namespace supaglue {
namespace {

TEST(ConnectorTest, KnowsSalesforce) {
  std::vector<std::string> names = Connector::builtin_names();
  EXPECT_NE(std::find(names.begin(), names.end(), "salesforce"), names.end());
  std::shared_ptr<const Connector> connector = Connector::builtin("salesforce");
  ASSERT_TRUE(connector);
  EXPECT_EQ(connector->category, "crm");
  EXPECT_EQ(connector->auth_types,
            (std::vector<std::string>{"oauth2", "client_credentials", "jwt_bearer"}));
  EXPECT_EQ(connector->login_url, "https://login.salesforce.com");
  EXPECT_EQ(connector->oauth.token_path, "/services/oauth2/token");
  EXPECT_EQ(connector->oauth.capture_base_url, "/instance_url");
  EXPECT_EQ(connector->lookback_ms, 600'000);
  EXPECT_EQ(Connector::builtin("hubspot")->lookback_ms, 900'000);
  EXPECT_EQ(connector->error_code_pointer, "/0/errorCode");
  EXPECT_EQ(connector->probe.path, "/services/oauth2/userinfo");
  EXPECT_FALSE(Connector::builtin("nonesuch"));
}

const ErrorRule *rule_for(const Connector &connector, long status, const std::string &code) {
  for (const ErrorRule &rule : connector.errors) {
    bool has_code = rule.codes.empty() ||
                    std::find(rule.codes.begin(), rule.codes.end(), code) != rule.codes.end();
    if ((rule.status == 0 || rule.status == status) && has_code && rule.message_contains.empty()) {
      return &rule;
    }
  }
  return nullptr;
}

TEST(ConnectorTest, SortsTheErrorsOfSalesforce) {
  struct Case {
    long status;
    const char *code;
    ErrorRule::Action action;
    ErrorClass error_class;
  };
  using Action = ErrorRule::Action;
  for (const Case &c : {
           Case{401, "INVALID_SESSION_ID", Action::kRefresh, ErrorClass::kAuthentication},
           Case{403, "REQUEST_LIMIT_EXCEEDED", Action::kFail, ErrorClass::kQuota},
           Case{403, "API_DISABLED_FOR_ORG", Action::kFail, ErrorClass::kPermission},
           Case{403, "INSUFFICIENT_ACCESS", Action::kFail, ErrorClass::kPermission},
           Case{400, "INVALID_FIELD", Action::kFail, ErrorClass::kFieldGone},
           Case{400, "INVALID_TYPE", Action::kFail, ErrorClass::kObjectGone},
           Case{404, "NOT_FOUND", Action::kFail, ErrorClass::kObjectGone},
           Case{400, "QUERY_TIMEOUT", Action::kRetry, ErrorClass::kTransient},
           Case{503, "SERVER_UNAVAILABLE", Action::kRetry, ErrorClass::kTransient},
           Case{406, "", Action::kRetry, ErrorClass::kTransient},
           Case{420, "", Action::kRetry, ErrorClass::kTransient},
           Case{400, "MALFORMED_QUERY", Action::kFail, ErrorClass::kProvider},
           Case{400, "INVALID_QUERY_LOCATOR", Action::kFail, ErrorClass::kProvider},
       }) {
    const ErrorRule *rule = rule_for(*Connector::builtin("salesforce"), c.status, c.code);
    ASSERT_TRUE(rule) << c.code;
    EXPECT_EQ(rule->action, c.action) << c.code;
    EXPECT_EQ(rule->error_class, c.error_class) << c.code;
  }
}

TEST(ConnectorTest, MakesObjectNamesExact) {
  struct Case {
    const char *type, *written, *exact;
  };
  for (const Case &c : {
           Case{"standard", "Opportunity", "Opportunity"},
           Case{"standard", "opportunity", "Opportunity"},
           Case{"standard", "opportunityLineItem", "OpportunityLineItem"},
           Case{"custom", "MyCustomObject__c", "MyCustomObject__c"},
           Case{"custom", "MyCustomObject", "MyCustomObject__c"},
           Case{"custom", "my_object", "my_object__c"},
           Case{"custom", "ns__Thing__c", "ns__Thing__c"},
           Case{"custom", "ns__Thing", "ns__Thing__c"},
           Case{"custom", "Setting__mdt", "Setting__mdt"},
           Case{"custom", "External__x", "External__x"},
           Case{"custom", "Article__kav", "Article__kav"},
           Case{"standard", "Account; DROP", ""},
           Case{"custom", "", ""},
           Case{"custom", "1abc", ""},
       }) {
    EXPECT_EQ(Connector::builtin("salesforce")->exact_object(c.type, c.written), c.exact)
        << c.written;
  }
}

TEST(ConnectorTest, SaysWhereCredentialsGo) {
  const auto connector = Connector::parse(R"({"name":"x","category":"crm","strategy":"s",
      "auth_types":["oauth2","api_key","basic","access_key_secret"],
      "auth":{"oauth2":{"header":"Authorization","prefix":"Zoho-oauthtoken "},
              "api_key":{"query":"key"}},
      "oauth":{"authorize_host":"https://app.x.example","authorize_path":"/a","pkce":false,
               "authorize_parameters":{"prompt":"consent"},"token_path":"/t",
               "token_auth":"basic","refreshes":false}})");
  EXPECT_EQ(connector->carrier("oauth2").prefix, "Zoho-oauthtoken ");
  EXPECT_EQ(connector->carrier("api_key").where, Carrier::Where::kQuery);
  EXPECT_EQ(connector->carrier("api_key").name, "key");
  EXPECT_EQ(connector->carrier("basic").where, Carrier::Where::kBasic);
  EXPECT_EQ(connector->carrier("access_key_secret").where, Carrier::Where::kBasic);
  EXPECT_EQ(connector->carrier("jwt_bearer").prefix, "Bearer ");
  EXPECT_EQ(connector->oauth.authorize_host, "https://app.x.example");
  EXPECT_EQ(connector->oauth.authorize_parameters["prompt"], "consent");
  EXPECT_TRUE(connector->oauth.token_basic);
  EXPECT_FALSE(connector->oauth.pkce);
  EXPECT_FALSE(connector->oauth.refreshes);
  EXPECT_TRUE(Connector::builtin("salesforce")->oauth.pkce);
  EXPECT_TRUE(Connector::builtin("salesforce")->oauth.refreshes);
  EXPECT_FALSE(Connector::builtin("salesforce")->oauth.token_basic);
}

TEST(ConnectorTest, SaysWhatIsWrongWithADocument) {
  const std::string good = R"("name":"x","category":"crm","auth_types":["oauth2"],"strategy":"s")";
  struct Case {
    std::string document, message;
  };
  for (const Case &c : {
           Case{"[", "the connector document is not valid JSON"},
           Case{"[]", "the connector document must be a JSON object"},
           Case{"{}", "missing key \"name\" in connector"},
           Case{"{" + good + R"(,"oauht":{}})", "unknown key \"oauht\" in connector"},
           Case{"{" + good + R"(,"oauth":{"token_path":7}})",
                "\"oauth.token_path\" in connector must be a string"},
           Case{"{" + good + R"(,"oauth":{}})", "missing key \"oauth.token_path\" in connector"},
           Case{"{" + good + R"(,"oauth":{"token_path":"/t","token_auth":"both"}})",
                "\"oauth.token_auth\" in connector must be one of \"form\", \"basic\""},
           Case{"{" + good + R"(,"oauth":{"token_path":"/t","authorize_parameters":{"a":1}}})",
                "\"oauth.authorize_parameters\" in connector must be an object of texts"},
           Case{"{" + good + R"(,"auth":{"api_key":{"basic":true}}})",
                "unknown key \"auth.api_key\" in connector"},
           Case{"{" + good + R"(,"auth":{"oauth2":{}}})",
                "\"auth.oauth2\" in connector must say one place for the credential"},
           Case{"{" + good + R"(,"auth":{"oauth2":{"query":"k","header":"X-Key"}}})",
                "\"auth.oauth2\" in connector must say one place for the credential"},
           Case{"{" + good + R"(,"auth":{"oauth2":{"query":"k","prefix":"x"}}})",
                "\"auth.oauth2.prefix\" in connector stands beside \"header\" only"},
           Case{"{" + good + R"(,"errors":[{"class":"gone"}]})",
                R"("errors[0].class" in connector must be one of "permission", )"
                R"("authentication", "object_gone", "field_gone", "quota", "transient", )"
                R"("provider", "data")"},
           Case{"{" + good + R"(,"error_code_pointer":"x"})",
                "\"error_code_pointer\" in connector must be a JSON pointer"},
           Case{"{" + good + R"(,"oauth":{"token_path":"/t","account_id_pattern":"/[A(-/diZa"}})",
                "\"oauth.account_id_pattern\" in connector is not a regular expression"},
           Case{"{" + good + R"(,"object_names":{"pattern":"(a)\\1"}})",
                "\"object_names.pattern\" in connector is not a regular expression"},
           Case{"{" + good + R"(,"oauth":{"token_path":"/t","keep_alive_ms":1000}})",
                "\"oauth.keep_alive_ms\" in connector must be an integer from 3600000 to "
                "31622400000"},
           Case{"{" + good + R"(,"settings":[]})", "\"settings\" in connector must be an object"},
       }) {
    try {
      Connector::parse(c.document);
      ADD_FAILURE() << c.document;
    } catch (const Error &error) {
      EXPECT_EQ(error.message, c.message);
      EXPECT_EQ(error.sqlstate, "22023");
    }
  }
  EXPECT_EQ(Connector::parse("{" + good + "}")->name, "x");
  EXPECT_EQ(Connector::parse("{" + good + "}")->lookback_ms, 300'000);
}

TEST(ConnectorTest, SaysInRe2sWordsWhatIsWrongWithAPattern) {
  try {
    Connector::parse(R"({"name":"x","category":"crm","auth_types":["oauth2"],"strategy":"s",)"
                     R"("object_names":{"pattern":"[A-Z"}})");
    ADD_FAILURE();
  } catch (const Error &error) {
    EXPECT_EQ(error.detail, "RE2 says: missing ]: [A-Z.");
    EXPECT_EQ(error.hint,
              "It is written as RE2 has it: without back references and looking around.");
  }
}

TEST(ConnectorTest, HasItsTimesOrTheUsualOnes) {
  const std::string good = R"({"name":"x","category":"crm","auth_types":["oauth2"],"strategy":"s")";
  const auto usual = Connector::parse(good + R"(,"oauth":{"token_path":"/t"}})");
  EXPECT_EQ(usual->wide_lookback_ms, 86'400'000);
  EXPECT_EQ(usual->oauth.keep_alive_ms, 604'800'000);
  const auto own = Connector::parse(
      good + R"(,"wide_lookback_ms":0,"oauth":{"token_path":"/t","keep_alive_ms":3600000}})");
  EXPECT_EQ(own->wide_lookback_ms, 0);
  EXPECT_EQ(own->oauth.keep_alive_ms, 3'600'000);
}

}  // namespace
}  // namespace supaglue
