// pure: tests of config.hpp: every accepted form gives the one normal form, every wrong document
// says where and what, no secret is ever quoted.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "config.hpp"
#include "error.hpp"

#include "pure.hpp"

namespace supaglue {
namespace {

Document read(const std::string &kind, const std::string &text) {
  if (kind == "provider") return read_provider(text);
  if (kind == "destination") return read_destination(text);
  if (kind == "sync config") return read_sync_config(text, "salesforce");
  return read_connection(text);
}

const char kSeedProvider[] = R"({
  "provider_name": "salesforce",
  "auth_type": "oauth2",
  "category": "crm",
  "config": {
    "oauth": {
      "oauth_scopes": ["api", "id", "refresh_token"],
      "credentials": {
        "client_id": "7393b5a4-5e20-4648-87af-b7b297793fd1",
        "client_secret": "941b846a-5a8c-48b8-b0e1-41b6d4bc4f1a"
      }
    }
  }
})";

const char kSeedDestination[] = R"({
  "id": 2,
  "name": "my production postgres",
  "type": "postgres",
  "credentials": {
    "host": "db.jqmzyaitgfisezefyosx.supabase.co",
    "port": 5432,
    "database": "postgres",
    "schema": "supaglue",
    "user": "admin",
    "password": "admin"
  }
})";

const char kSeedSyncConfig[] = R"({
  "id": 1,
  "name": "my salesforce sync",
  "destination_id": 1,
  "provider_id": 2,
  "default_config": {
    "period_ms": 3600,
    "strategy": "full refresh"
  },
  "common_objects": [
    {
      "object": "contact"
    },
    {
      "object": "account"
    }
  ],
  "standard_objects": [
    {
      "object": "Opportunity"
    }
  ],
  "custom_objects": [
    {
      "object": "MyCustomObject__c"
    }
  ]
})";

TEST(ConfigTest, ReadsTheSeed) {
  Document provider = read_provider(kSeedProvider);
  EXPECT_EQ(provider.name, "salesforce");
  EXPECT_FALSE(provider.id);
  EXPECT_EQ(provider.plain.dump(), R"({"category":"crm","auth_type":"oauth2",)"
                                   R"("client_id":"7393b5a4-5e20-4648-87af-b7b297793fd1",)"
                                   R"("scopes":["api","id","refresh_token"]})");
  EXPECT_EQ(provider.secret.dump(), R"({"client_secret":"941b846a-5a8c-48b8-b0e1-41b6d4bc4f1a"})");

  Document destination = read_destination(kSeedDestination);
  EXPECT_EQ(destination.id, 2);
  EXPECT_EQ(destination.name, "my production postgres");
  EXPECT_EQ(destination.plain.dump(),
            R"({"type":"postgres","schema":"supaglue",)"
            R"("host":"db.jqmzyaitgfisezefyosx.supabase.co","port":5432,"database":"postgres",)"
            R"("user":"admin","ssl_mode":"verify-full"})");
  EXPECT_EQ(destination.secret.dump(), R"({"password":"admin"})");

  const std::string schedule =
      R"("config":{"period_ms":3600,"strategy":"full","full_refresh_every_ms":604800000,)"
      R"("auto_start_on_connection":true}})";
  Document sync = read_sync_config(kSeedSyncConfig, "salesforce");
  EXPECT_EQ(sync.id, 1);
  EXPECT_EQ(sync.name, "my salesforce sync");
  EXPECT_EQ(sync.plain.dump(),
            R"({"destination_id":1,"provider_id":2,"default_config":{"period_ms":3600,)"
            R"("strategy":"full","full_refresh_every_ms":604800000,)"
            R"("auto_start_on_connection":true},"objects":[)"
            R"({"object_type":"common","object":"contact",)" +
                schedule + R"(,{"object_type":"common","object":"account",)" + schedule +
                R"(,{"object_type":"standard","object":"Opportunity",)" + schedule +
                R"(,{"object_type":"custom","object":"MyCustomObject__c",)" + schedule + "]}");
  EXPECT_TRUE(sync.secret.is_null());
}

struct Good {
  const char *kind, *document, *plain, *secret;
};

TEST(ConfigTest, ReadsEveryAcceptedForm) {
  for (const Good &c : std::vector<Good>{
           {"provider", R"({"id":5,"name":"salesforce","application_id":"app",
              "config":{"provider_app_id":"p","login_url":"https://test.salesforce.com/",
              "base_url":"http://127.0.0.1:99/x/","oauth":{"credentials":{
              "oauth_client_id":"a","oauth_client_secret":{"file":"/run/secret"}}}}})",
            R"({"application_id":"app","category":"crm","auth_type":"oauth2","client_id":"a",)"
            R"("scopes":[],"login_url":"https://test.salesforce.com",)"
            R"("base_url":"http://127.0.0.1:99/x","provider_app_id":"p"})",
            R"({"client_secret":{"file":"/run/secret"}})"},
           {"provider", R"({"name":"salesforce","client_id":"a","scopes":["api"],"config":null})",
            R"({"category":"crm","auth_type":"oauth2","client_id":"a","scopes":["api"]})", "null"},
           {"destination", R"({"name":"here"})", R"({"type":"postgres","schema":"supaglue_data"})",
            "null"},
           {"destination", R"({"name":"here","config":{"schema":"s"}})",
            R"({"type":"postgres","schema":"s"})", "null"},
           {"destination",
            R"({"name":"d","config":{"host":"/tmp","database":"d","user":"u","port":5433}})",
            R"({"type":"postgres","schema":"public","host":"/tmp","port":5433,"database":"d",)"
            R"("user":"u","ssl_mode":"prefer"})",
            "null"},
           {"destination", R"({"name":"d","host":"127.0.0.1","database":"d","user":"u",
              "ssl_mode":"no-verify","server_ca_cert":"c","client_cert":"c","client_key":"k",
              "server_name":"n","password":{"file":"/p"}})",
            R"({"type":"postgres","schema":"public","host":"127.0.0.1","port":5432,)"
            R"("database":"d","user":"u","ssl_mode":"require","server_ca_cert":"c",)"
            R"("client_cert":"c","server_name":"n"})",
            R"({"password":{"file":"/p"},"client_key":"k"})"},
           {"destination", R"({"name":"d","host":"::1","database":"d","user":"u"})",
            R"({"type":"postgres","schema":"public","host":"::1","port":5432,"database":"d",)"
            R"("user":"u","ssl_mode":"prefer"})",
            "null"},
           {"connection", R"({"customer_id":"acme","provider_name":"salesforce",
              "credentials":{"type":"oauth2","refresh_token":"r","access_token":"a",
              "expires_at":"2024-01-02T03:04:05Z"},"instance_url":"https://acme.my.salesforce.com/"})",
            R"({"customer_id":"acme","provider_name":"salesforce",)"
            R"("instance_url":"https://acme.my.salesforce.com","auth_type":"oauth2"})",
            R"({"refresh_token":"r","access_token":"a","expires_at":"2024-01-02T03:04:05Z"})"},
           {"connection", R"({"id":7,"customer_id":"acme","provider_id":2,"type":"oauth2",
              "refresh_token":{"file":"/r"},"expires_at":17,"login_url":"https://x.example"})",
            R"({"customer_id":"acme","provider_id":2,"login_url":"https://x.example",)"
            R"("auth_type":"oauth2"})",
            R"({"refresh_token":{"file":"/r"},"expires_at":17})"},
           {"connection", R"({"customer_id":"acme","provider_id":2,"credentials":{"type":"api_key",
              "api_key":"k"}})",
            R"({"customer_id":"acme","provider_id":2,"auth_type":"api_key"})",
            R"({"api_key":"k"})"},
           {"connection", R"({"customer_id":"acme","provider_id":2,"credentials":{
              "access_key":"a","access_key_secret":{"file":"/s"}}})",
            R"({"customer_id":"acme","provider_id":2,"auth_type":"access_key_secret"})",
            R"({"access_key":"a","access_key_secret":{"file":"/s"}})"},
           {"connection", R"({"customer_id":"acme","provider_id":2,"credentials":{
              "username":"u","password":"p"}})",
            R"({"customer_id":"acme","provider_id":2,"auth_type":"basic"})",
            R"({"username":"u","password":"p"})"},
           {"connection", R"({"customer_id":"acme","provider_id":2,"credentials":{
              "client_id":"c","client_secret":"s"}})",
            R"({"customer_id":"acme","provider_id":2,"auth_type":"client_credentials"})",
            R"({"client_id":"c","client_secret":"s"})"},
           {"connection", R"({"customer_id":"acme","provider_id":2,"credentials":{
              "client_id":"c","username":"u","private_key":"k"}})",
            R"({"customer_id":"acme","provider_id":2,"auth_type":"jwt_bearer"})",
            R"({"client_id":"c","username":"u","private_key":"k"})"},
           {"provider", R"({"name":"salesforce","auth_type":"jwt_bearer","config":{"oauth":{
              "redirect_uri":"https://app.example.com/callback/"}}})",
            R"({"category":"crm","auth_type":"jwt_bearer",)"
            R"("redirect_uri":"https://app.example.com/callback/","scopes":[]})",
            "null"},
           {"sync config", R"({"destination_name":"d","provider_name":"salesforce","config":{
              "default_config":{"strategy":"full then incremental","period_ms":60000,
                "full_sync_every_n_incrementals":4,"lookback_ms":0,"deletion_stop_share":0.5,
                "sweep_every_ms":3600000,"deletion_stop_rows":10,"auto_start_on_connection":false,
                "full_refresh_every_ms":86400000},
              "standard_objects":[{"object":"lead","table":"leads","exclude_fields":["A"],
                "sync_strategy_override":{"strategy":"full only"}}],
              "custom_objects":[{"object":"Thing","associations_to_fetch":null}],
              "common_objects":[],"entities":[]}})",
            R"({"destination_name":"d","provider_name":"salesforce","default_config":)"
            R"({"period_ms":60000,"strategy":"incremental","full_refresh_every_ms":86400000,)"
            R"("auto_start_on_connection":false,"full_sync_every_n_incrementals":4,)"
            R"("sweep_every_ms":3600000,"lookback_ms":0,"deletion_stop_share":0.5,)"
            R"("deletion_stop_rows":10},)"
            R"("objects":[{"object_type":"standard","object":"Lead","table":"leads",)"
            R"("exclude_fields":["A"],"sync_strategy_override":{"strategy":"full"},)"
            R"("config":{"period_ms":60000,"strategy":"full","full_refresh_every_ms":86400000,)"
            R"("auto_start_on_connection":false,"lookback_ms":0,"deletion_stop_share":0.5,)"
            R"("deletion_stop_rows":10}},{"object_type":"custom","object":"Thing__c",)"
            R"("config":{"period_ms":60000,"strategy":"incremental",)"
            R"("full_refresh_every_ms":86400000,"auto_start_on_connection":false,)"
            R"("full_sync_every_n_incrementals":4,"sweep_every_ms":3600000,"lookback_ms":0,)"
            R"("deletion_stop_share":0.5,"deletion_stop_rows":10}}]})",
            "null"},
           {"sync config", R"({"destination_id":1,"provider_id":2})",
            R"({"destination_id":1,"provider_id":2,"default_config":{"period_ms":900000,)"
            R"("strategy":"incremental","full_refresh_every_ms":604800000,)"
            R"("auto_start_on_connection":true},"objects":[]})",
            "null"},
       }) {
    try {
      Document document = read(c.kind, c.document);
      EXPECT_EQ(document.plain.dump(), c.plain);
      EXPECT_EQ(document.secret.dump(), c.secret);
      // The normal form is itself accepted, and gives itself.
      Document again = read(c.kind, patched(c.kind, document, "{}"));
      EXPECT_EQ(again.name, document.name);
      EXPECT_EQ(again.plain, document.plain);
      EXPECT_EQ(again.secret, document.secret);
    } catch (const Error &error) {
      ADD_FAILURE() << c.document << ": " << error.message;
    }
  }
}

TEST(ConfigTest, LeavesNamesOfAnUnknownProviderAsTheyAre) {
  Document document = read_sync_config(
      R"({"destination_id":1,"provider_id":2,"custom_objects":[{"object":"thing"}]})");
  EXPECT_EQ(document.plain["objects"][0]["object"], "thing");
}

TEST(ConfigTest, CredentialsOfAnotherTypeLeaveNothingBehind) {
  Document stored = read_connection(
      R"({"customer_id":"acme","provider_id":2,"client_id":"c","client_secret":"s"})");
  stored.secret["access_token"] = "got by the grant";
  EXPECT_EQ(read_connection(patched("connection", stored, "{}")).secret.dump(),
            R"({"client_id":"c","client_secret":"s"})");
  const std::string patch = R"({"credentials":{"api_key":"k"}})";
  Document next = read_connection(patched("connection", stored, patch));
  EXPECT_EQ(next.plain["auth_type"], "api_key");
  EXPECT_EQ(next.secret.dump(), R"({"api_key":"k"})");
}

struct Bad {
  std::string kind, document, message, hint;
};

std::string with(const std::string &base, const std::string &more) {
  return base.substr(0, base.size() - 1) + "," + more + "}";
}

TEST(ConfigTest, SaysWhatIsWrong) {
  const std::string provider = R"({"name":"salesforce","client_id":"a"})";
  const std::string here = R"({"name":"d"})";
  const std::string there = R"({"name":"d","host":"h","database":"d","user":"u"})";
  const std::string sync = R"({"destination_id":1,"provider_id":2})";
  const std::string connection = R"({"customer_id":"c","provider_id":2,"refresh_token":"r"})";
  for (
      const Bad &c : std::vector<Bad>{
          {"provider", "", "the provider document is not valid JSON", ""},
          {"provider", "7", "the provider document must be a JSON object", ""},
          {"provider", "{}", "missing key \"provider_name\" in provider", ""},
          {"provider", R"({"provider_name":"salesfroce"})",
           "\"provider_name\" in provider must be one of \"hubspot\", \"salesforce\"",
           "Perhaps you meant \"salesforce\"."},
          {"provider", R"({"name":"salesforce"})",
           "missing key \"config.oauth.credentials.client_id\" in provider", ""},
          {"provider", with(provider, R"("provider_name":"salesforce")"),
           "\"name\" and \"provider_name\" in provider mean the same", "Give only one of them."},
          {"provider", with(provider, R"("category":"engagement")"),
           "\"category\" in provider must be \"crm\"", ""},
          {"provider", with(provider, R"("auth_type":"api_key")"),
           "\"auth_type\" in provider must be one of \"oauth2\", \"client_credentials\", "
           "\"jwt_bearer\"",
           ""},
          {"provider", with(provider, R"("redirect_uri":"app.example.com/callback")"),
           "\"redirect_uri\" in provider must be an http or https address", "*"},
          {"provider", with(provider, R"("config":{"oauth":{"oauth_scope":["api"]}})"),
           "unknown key \"config.oauth.oauth_scope\" in provider",
           "Perhaps you meant \"oauth_scopes\". Allowed here are: \"credentials\", "
           "\"redirect_uri\", \"oauth_scopes\"."},
          {"provider", with(provider, R"("config":{"oauth":7})"),
           "\"config.oauth\" in provider must be an object", ""},
          {"provider", with(provider, R"("scopes":"api")"),
           "\"scopes\" in provider must be an array", ""},
          {"provider", with(provider, R"("client_secret":7)"),
           "\"client_secret\" in provider must be a string or {\"file\": \"/path\"}", ""},
          {"provider", with(provider, R"("client_secret":{"file":"relative"})"),
           "\"client_secret\" in provider must name its file by an absolute path", ""},
          {"provider", with(provider, R"("id":0)"),
           "\"id\" in provider must be an integer of at least 1", ""},
          {"provider", with(provider, R"("config.login_url":"x")"),
           "unknown key \"config.login_url\" in provider", "*"},
          {"destination", "{}", "missing key \"name\" in destination", ""},
          {"destination", R"({"name":""})", "\"name\" in destination must not be empty", ""},
          {"destination", R"({"name":")" + std::string(256, 'x') + R"("})",
           "\"name\" in destination must not be longer than 255 bytes", ""},
          {"destination", with(here, R"("type":"mysql")"),
           "\"type\" in destination must be \"postgres\"", ""},
          {"destination", with(here, R"("credentials":{"port":5432})"),
           "missing key \"credentials.host\" in destination",
           "Without a host the destination is this database, and takes only \"schema\"."},
          {"destination", with(here, R"("credentials":{"hots":"x"})"),
           "unknown key \"credentials.hots\" in destination",
           "Perhaps you meant \"host\". Allowed here are: \"host\", \"port\", \"database\", "
           "\"schema\", \"user\", \"password\", \"ssl_mode\", \"server_ca_cert\", "
           "\"client_cert\", \"client_key\", \"server_name\"."},
          {"destination", R"({"name":"d","host":"h"})",
           "missing key \"credentials.database\" in destination", ""},
          {"destination", R"({"name":"d","host":"https://h","database":"d","user":"u"})",
           "\"host\" in destination must be a host name, an IP address or the directory of a "
           "socket",
           "*"},
          {"destination", with(there, R"("port":65536)"),
           "\"port\" in destination must be an integer from 1 to 65535", ""},
          {"destination", with(there, R"("port":"5432")"),
           "\"port\" in destination must be an integer from 1 to 65535", ""},
          {"destination", with(there, R"("ssl_mode":"verify_full")"),
           "\"ssl_mode\" in destination must be one of \"disable\", \"allow\", \"prefer\", "
           "\"require\", \"verify-ca\", \"verify-full\", \"no-verify\"",
           "Perhaps you meant \"verify-full\"."},
          {"sync config", R"({"provider_id":2})", "missing key \"destination_id\" in sync config",
           "Or give \"destination_name\"."},
          {"sync config", with(sync, R"("provider_name":"salesforce")"),
           "\"provider_id\" and \"provider_name\" in sync config exclude each other",
           "Give only one of them."},
          {"sync config", with(sync, R"("default_config":{"perod_ms":1})"),
           "unknown key \"default_config.perod_ms\" in sync config",
           "Perhaps you meant \"period_ms\". Allowed here are: \"period_ms\", \"strategy\", "
           "\"full_sync_every_n_incrementals\", \"full_refresh_every_ms\", "
           "\"sweep_every_ms\", \"lookback_ms\", \"auto_start_on_connection\", "
           "\"deletion_stop_share\", \"deletion_stop_rows\"."},
          {"sync config", with(sync, R"("config":{"default_config":{"period_ms":0}})"),
           "\"config.default_config.period_ms\" in sync config must be an integer from 1 to "
           "315576000000",
           ""},
          {"sync config", with(sync, R"("default_config":{"period_ms":1.5})"),
           "\"default_config.period_ms\" in sync config must be an integer from 1 to 315576000000",
           ""},
          {"sync config", with(sync, R"("default_config":{"strategy":"reverse then forward"})"),
           "\"default_config.strategy\" in sync config must be one of \"full refresh\", "
           "\"full only\", \"full then incremental\", \"incremental\", \"full\"",
           ""},
          {"sync config", with(sync, R"("default_config":{"strategy":"full only",
              "full_sync_every_n_incrementals":2})"),
           "\"default_config.full_sync_every_n_incrementals\" in sync config needs the strategy "
           "\"full then incremental\"",
           ""},
          {"sync config", with(sync, R"("default_config":{"strategy":"full","sweep_every_ms":2})"),
           "\"default_config.sweep_every_ms\" in sync config needs the strategy "
           "\"full then incremental\"",
           ""},
          {"sync config", with(sync, R"("default_config":{"deletion_stop_share":1.5})"),
           "\"default_config.deletion_stop_share\" in sync config must be a number greater than 0 "
           "and at most 1",
           ""},
          {"sync config", with(sync, R"("default_config":{"auto_start_on_connection":"yes"})"),
           "\"default_config.auto_start_on_connection\" in sync config must be true or false", ""},
          {"sync config", with(sync, R"("default_config":[])"),
           "\"default_config\" in sync config must be an object", ""},
          {"sync config", with(sync, R"("standard_objects":{})"),
           "\"standard_objects\" in sync config must be an array", ""},
          {"sync config", with(sync, R"("standard_objects":["Lead"])"),
           "\"standard_objects[0]\" in sync config must be an object", ""},
          {"sync config", with(sync, R"("standard_objects":[{}])"),
           "missing key \"standard_objects[0].object\" in sync config", ""},
          {"sync config", with(sync, R"("standard_objects":[{"object":"a b"}])"),
           "\"standard_objects[0].object\" in sync config cannot be the name of an object of "
           "salesforce",
           ""},
          {"sync config", with(sync, R"("custom_objects":[{"object":"A"},{"object":"A__c"}])"),
           "\"custom_objects[1].object\" in sync config names an object again", "*"},
          {"sync config", with(sync, R"("standard_objects":[{"object":"A__c"}],
              "custom_objects":[{"object":"A"}])"),
           "\"custom_objects[0].object\" in sync config names an object again", "*"},
          {"sync config", with(sync, R"("standard_objects":[{"object":"A","sync_strategy_override":
              {"period":1}}])"),
           "unknown key \"standard_objects[0].sync_strategy_override.period\" in sync config", "*"},
          {"sync config", with(sync, R"("common_objects":[7])"),
           "\"common_objects[0]\" in sync config must be an object", ""},
          {"connection", R"({"customer_id":"c","provider_id":2})",
           "missing key \"credentials.refresh_token\" in connection", ""},
          {"connection", with(connection, R"("credentials":{"api_key":"k"})"),
           "\"credentials.api_key\" in connection does not belong to credentials of the type "
           "\"oauth2\"",
           ""},
          {"connection", with(connection, R"("type":"api_key")"),
           "\"refresh_token\" in connection does not belong to credentials of the type \"api_key\"",
           ""},
          {"connection", with(connection, R"("type":"token")"),
           "\"type\" in connection must be one of \"oauth2\", \"api_key\", "
           "\"access_key_secret\", \"basic\", \"client_credentials\", \"jwt_bearer\"",
           ""},
          {"connection", R"({"customer_id":"c","provider_id":2,"credentials":{"type":"basic",
              "username":"u"}})",
           "missing key \"credentials.password\" in connection", ""},
          {"connection", R"({"customer_id":"c","provider_id":2,"credentials":{
              "api_key":"k","access_token":"t"}})",
           "\"credentials.access_token\" in connection does not belong to credentials of the type "
           "\"api_key\"",
           ""},
          {"connection", with(connection, R"("instance_url":"acme.my.salesforce.com")"),
           "\"instance_url\" in connection must be an http or https address without user, query "
           "and fragment",
           "*"},
          {"connection", with(connection, R"("instance_url":"https://u:p@h")"),
           "\"instance_url\" in connection must be an http or https address without user, query "
           "and fragment",
           "*"},
          {"connection", with(connection, R"("login_url":"https://h?x=1")"),
           "\"login_url\" in connection must be an http or https address without user, query "
           "and fragment",
           "*"},
          {"connection", with(connection, R"("expires_at":"tomorrow")"),
           "\"expires_at\" in connection must be a stamp, or seconds or milliseconds since 1970",
           "For example \"2030-01-31T12:00:00Z\"."},
          {"connection", with(connection, R"("expires_at":253402300800000)"),
           "\"expires_at\" in connection must be an integer from 0 to 253402300799999", ""},
          {"connection", R"({"provider_id":2,"refresh_token":"r"})",
           "missing key \"customer_id\" in connection", ""},
      }) {
    try {
      read(c.kind, c.document);
      ADD_FAILURE() << "accepted: " << c.document;
    } catch (const Error &error) {
      EXPECT_EQ(error.message, c.message);
      EXPECT_EQ(c.hint == "*" ? c.hint : error.hint, c.hint) << c.document;
      EXPECT_EQ(error.sqlstate, "22023");
    }
  }
}

TEST(ConfigTest, NeverQuotesASecret) {
  for (const char *document :
       {R"({"name":"salesforce","client_id":"a","client_secret":["TOPSECRET"]})",
        R"({"name":"salesforce","client_id":"a","client_secret":{"TOPSECRET":1}})",
        R"({"name":"salesforce","client_secret":"TOPSECRET","clientid":1})",
        R"({"name":"salesforce","client_secret":"TOPSECRET)"}) {
    try {
      read_provider(document);
      ADD_FAILURE() << document;
    } catch (const Error &error) {
      EXPECT_EQ((error.message + error.detail + error.hint).find("TOPSECRET"), std::string::npos);
    }
  }
}

TEST(ConfigTest, PatchesTheNormalForm) {
  Document provider = read_provider(kSeedProvider);
  Document changed = read_provider(patched(
      "provider", provider, R"({"config":{"oauth":{"credentials":{"oauth_client_id":"new"}}}})"));
  EXPECT_EQ(changed.plain["client_id"], "new");
  EXPECT_EQ(changed.secret, provider.secret);
  changed = read_provider(patched(
      "provider", provider, R"({"config":{"oauth":{"credentials":{"client_secret":null}}}})"));
  EXPECT_TRUE(changed.secret.is_null());
  EXPECT_THROW(patched("provider", provider, R"({"clientid":"x"})"), Error);

  Document connection = read_connection(
      R"({"customer_id":"c","provider_name":"salesforce","refresh_token":"r","access_token":"a",
          "expires_at":5,"instance_url":"https://h"})");
  Document moved = read_connection(
      patched("connection", connection, R"({"credentials":{"refresh_token":"s"}})"));
  EXPECT_EQ(moved.secret.dump(), R"({"refresh_token":"s"})");
  EXPECT_EQ(moved.plain, connection.plain);

  Document destination =
      read_destination(R"({"name":"d","host":"localhost","database":"d","user":"u"})");
  EXPECT_EQ(destination.plain["ssl_mode"], "prefer");
  Document away = read_destination(patched("destination", destination, R"({"host":"db.example"})"));
  EXPECT_EQ(away.plain["ssl_mode"], "verify-full");
}

TEST(ConfigTest, PatchesASyncConfig) {
  Document stored = read_sync_config(
      R"({"name":"n","destination_id":1,"provider_id":2,"default_config":{"period_ms":1000},
          "standard_objects":[{"object":"Lead","sync_strategy_override":{"strategy":"full only"}}],
          "custom_objects":[{"object":"A"}]})",
      "salesforce");
  Document faster = read_sync_config(
      patched("sync config", stored, R"({"config":{"default_config":{"period_ms":5000}}})"),
      "salesforce");
  EXPECT_EQ(faster.name, "n");
  EXPECT_EQ(faster.plain["objects"].size(), 2U);
  EXPECT_EQ(faster.plain["objects"][0]["config"]["period_ms"], 5000);
  EXPECT_EQ(faster.plain["objects"][0]["config"]["strategy"], "full");
  EXPECT_EQ(faster.plain["objects"][1]["config"]["strategy"], "incremental");
  Document fewer = read_sync_config(
      patched("sync config", stored, R"({"standard_objects":null,"destination_name":"d"})"),
      "salesforce");
  EXPECT_EQ(fewer.plain["objects"].size(), 1U);
  EXPECT_EQ(fewer.plain["objects"][0]["object"], "A__c");
  EXPECT_EQ(fewer.plain["destination_name"], "d");
  EXPECT_FALSE(fewer.plain.contains("destination_id"));
}

}  // namespace
}  // namespace supaglue
