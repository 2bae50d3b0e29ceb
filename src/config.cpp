// pure: reads the configuration documents into one normal form; see config.hpp. Which spellings a
// key has is said by a table per document; what a value may be, by the reader below it.
#include "config.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "config_parts.hpp"
#include "connector.hpp"
#include "document.hpp"
#include "http.hpp"
#include "pure.hpp"
#include "stamp.hpp"

namespace supaglue {
namespace {

constexpr int64_t kLatestTime = 253'402'300'799'999;  // the end of the year 9999
constexpr int64_t kPostgresPort = 5432;

// By these a document's secrets are given; what may stand beside them is worth nothing alone.
const char *const kSecrets[] = {"client_secret", "password",          "client_key", "refresh_token",
                                "api_key",       "access_key_secret", "private_key"};

// What each type of credentials consists of; the optional ones are a token that is at hand already.
struct CredentialType {
  const char *name;
  std::vector<const char *> required;
  std::vector<const char *> optional;
};

const std::vector<CredentialType> &credential_types() {
  static const std::vector<CredentialType> types = {
      {"oauth2", {"refresh_token"}, {"access_token", "expires_at"}},
      {"api_key", {"api_key"}, {}},
      {"access_key_secret", {"access_key", "access_key_secret"}, {}},
      {"basic", {"username", "password"}, {}},
      {"jwt_bearer", {"client_id", "username", "private_key"}, {}},
      {"client_credentials", {"client_id", "client_secret"}, {}},
  };
  return types;
}

const Spellings &provider_spellings() {
  static const Spellings spellings = {
      {"id", "id"},
      {"application_id", "application_id"},
      {"name", "provider_name"},
      {"name", "name"},
      {"category", "category"},
      {"auth_type", "auth_type"},
      {"client_id", "config.oauth.credentials.client_id"},
      {"client_id", "config.oauth.credentials.oauth_client_id"},
      {"client_id", "client_id"},
      {"client_secret", "config.oauth.credentials.client_secret"},
      {"client_secret", "config.oauth.credentials.oauth_client_secret"},
      {"client_secret", "client_secret"},
      {"redirect_uri", "config.oauth.redirect_uri"},
      {"redirect_uri", "redirect_uri"},
      {"scopes", "config.oauth.oauth_scopes"},
      {"scopes", "scopes"},
      {"provider_app_id", "config.provider_app_id"},
      {"provider_app_id", "provider_app_id"},
      {"login_url", "config.login_url"},
      {"login_url", "login_url"},
      {"base_url", "config.base_url"},
      {"base_url", "base_url"},
  };
  return spellings;
}

const Spellings &destination_spellings() {
  static const Spellings spellings = {
      {"id", "id"},
      {"application_id", "application_id"},
      {"name", "name"},
      {"type", "type"},
      {"host", "credentials.host"},
      {"host", "config.host"},
      {"host", "host"},
      {"port", "credentials.port"},
      {"port", "config.port"},
      {"port", "port"},
      {"database", "credentials.database"},
      {"database", "config.database"},
      {"database", "database"},
      {"schema", "credentials.schema"},
      {"schema", "config.schema"},
      {"schema", "schema"},
      {"user", "credentials.user"},
      {"user", "config.user"},
      {"user", "user"},
      {"password", "credentials.password"},
      {"password", "config.password"},
      {"password", "password"},
      {"ssl_mode", "credentials.ssl_mode"},
      {"ssl_mode", "config.ssl_mode"},
      {"ssl_mode", "ssl_mode"},
      {"server_ca_cert", "credentials.server_ca_cert"},
      {"server_ca_cert", "config.server_ca_cert"},
      {"server_ca_cert", "server_ca_cert"},
      {"client_cert", "credentials.client_cert"},
      {"client_cert", "config.client_cert"},
      {"client_cert", "client_cert"},
      {"client_key", "credentials.client_key"},
      {"client_key", "config.client_key"},
      {"client_key", "client_key"},
      {"server_name", "credentials.server_name"},
      {"server_name", "config.server_name"},
      {"server_name", "server_name"},
  };
  return spellings;
}

const Spellings &connection_spellings() {
  static const Spellings spellings = {
      {"id", "id"},
      {"application_id", "application_id"},
      {"customer_id", "customer_id"},
      {"provider_name", "provider_name"},
      {"provider_id", "provider_id"},
      {"instance_url", "instance_url"},
      {"instance_url", "credentials.instance_url"},
      {"login_url", "login_url"},
      {"login_url", "credentials.login_url"},
      {"auth_type", "credentials.type"},
      {"auth_type", "auth_type"},
      {"auth_type", "type"},
      {"refresh_token", "credentials.refresh_token"},
      {"refresh_token", "refresh_token"},
      {"access_token", "credentials.access_token"},
      {"access_token", "access_token"},
      {"expires_at", "credentials.expires_at"},
      {"expires_at", "expires_at"},
      {"api_key", "credentials.api_key"},
      {"api_key", "api_key"},
      {"access_key", "credentials.access_key"},
      {"access_key", "access_key"},
      {"access_key_secret", "credentials.access_key_secret"},
      {"access_key_secret", "access_key_secret"},
      {"username", "credentials.username"},
      {"username", "username"},
      {"password", "credentials.password"},
      {"password", "password"},
      {"client_id", "credentials.client_id"},
      {"client_id", "client_id"},
      {"client_secret", "credentials.client_secret"},
      {"client_secret", "client_secret"},
      {"private_key", "credentials.private_key"},
      {"private_key", "private_key"},
  };
  return spellings;
}

void put_secret(Json &object, const ObjectReader &reader, const char *key) {
  Json value = reader.secret(key);
  if (!value.is_null()) object[key] = std::move(value);
}

bool is_socket(std::string_view host) { return host.starts_with("/"); }

const char *default_ssl_mode(std::string_view host) {
  bool here = is_socket(host) || host == "localhost" || host == "::1" || host.starts_with("127.");
  return here ? "prefer" : "verify-full";
}

void check_host(const ObjectReader &reader, const std::string &host) {
  bool good = std::all_of(host.begin(), host.end(), [](char c) {
    return c > ' ' && c < 127 && std::string_view("@?#,\\").find(c) == std::string_view::npos;
  });
  if (!is_socket(host) && host.find('/') != std::string::npos) good = false;
  if (!good) {
    reader.fail("host", "must be a host name, an IP address or the directory of a socket", {},
                "Without scheme, port, user and database: they have keys of their own.");
  }
}

// Where the provider sends customers back to, exactly as it is registered there.
std::optional<std::string> read_redirect(const ObjectReader &reader) {
  std::optional<std::string> address = reader.text("redirect_uri");
  if (address && (origin_of(*address).empty() || address->find('#') != std::string::npos)) {
    reader.fail("redirect_uri", "must be an http or https address", {},
                "For example \"https://app.example.com/oauth/callback\".");
  }
  return address;
}

}  // namespace

Document read_provider(std::string_view text) {
  ObjectReader reader(kProvider, "", parse_document(kProvider, text), provider_spellings());
  Document document = begin(reader);
  std::optional<std::string> name = reader.choice("name", Connector::builtin_names());
  if (!name) reader.missing("name");
  document.name = *name;
  std::shared_ptr<const Connector> connector = Connector::builtin(*name);
  Json &plain = document.plain;
  plain["category"] =
      reader.choice("category", {connector->category}).value_or(connector->category);
  plain["auth_type"] =
      reader.choice("auth_type", connector->auth_types).value_or(connector->auth_types.front());
  if (plain["auth_type"] == "oauth2") {
    plain["client_id"] = reader.required_text("client_id");
  } else {
    put(plain, "client_id", reader.text("client_id"));
  }
  put(plain, "redirect_uri", read_redirect(reader));
  plain["scopes"] = reader.texts("scopes").value_or(std::vector<std::string>{});
  put(plain, "login_url", reader.address("login_url"));
  put(plain, "base_url", reader.address("base_url"));
  put(plain, "provider_app_id", reader.text("provider_app_id", kLongestName));
  Json secret = Json::object();
  put_secret(secret, reader, "client_secret");
  if (!secret.empty()) document.secret = std::move(secret);
  return document;
}

Document read_destination(std::string_view text) {
  ObjectReader reader(kDestination, "", parse_document(kDestination, text),
                      destination_spellings());
  Document document = begin(reader);
  document.name = reader.required_text("name", kLongestName);
  Json &plain = document.plain;
  plain["type"] = reader.choice("type", {"postgres"}).value_or("postgres");
  std::optional<std::string> host = reader.text("host");
  std::optional<std::string> schema = reader.text("schema", kLongestTable);
  plain["schema"] = schema.value_or(host ? "public" : "supaglue_data");
  if (!host) {
    for (const char *key : {"port", "database", "user", "password", "ssl_mode", "server_ca_cert",
                            "client_cert", "client_key", "server_name"}) {
      if (reader.has(key)) {
        reader.missing("host",
                       "Without a host the destination is this database, and takes only "
                       "\"schema\".");
      }
    }
    return document;
  }
  check_host(reader, *host);
  plain["host"] = *host;
  plain["port"] = reader.integer("port", 1, 65535).value_or(kPostgresPort);
  plain["database"] = reader.required_text("database", kLongestTable);
  plain["user"] = reader.required_text("user", kLongestTable);
  std::string ssl_mode = reader
                             .choice("ssl_mode", {"disable", "allow", "prefer", "require",
                                                  "verify-ca", "verify-full", "no-verify"})
                             .value_or(default_ssl_mode(*host));
  plain["ssl_mode"] = ssl_mode == "no-verify" ? "require" : ssl_mode;
  put(plain, "server_ca_cert", reader.text("server_ca_cert"));
  put(plain, "client_cert", reader.text("client_cert"));
  put(plain, "server_name", reader.text("server_name", kLongestName));
  Json secret = Json::object();
  put_secret(secret, reader, "password");
  put_secret(secret, reader, "client_key");
  if (!secret.empty()) document.secret = std::move(secret);
  return document;
}

namespace {

// A stamp, or a number since 1970.
void read_expiry(const ObjectReader &reader, Json &secret) {
  const Json *expires = reader.find("expires_at");
  if (!expires || !expires->is_string()) {
    put(secret, "expires_at", reader.integer("expires_at", 0, kLatestTime));
    return;
  }
  std::string stamp = *reader.text("expires_at", kLongestName);
  if (!read_stamp(stamp)) {
    reader.fail("expires_at", "must be a stamp, or seconds or milliseconds since 1970", {},
                "For example \"2030-01-31T12:00:00Z\".");
  }
  secret["expires_at"] = stamp;
}

// The type that the document names, else the one that its keys make up.
const CredentialType &credential_type(const ObjectReader &reader) {
  const std::vector<CredentialType> &types = credential_types();
  std::optional<std::string> named = reader.choice("auth_type", Connector::known_auth_types());
  auto found = std::find_if(types.begin(), types.end(), [&](const CredentialType &type) {
    if (named) return *named == type.name;
    return std::all_of(type.required.begin(), type.required.end(),
                       [&](const char *key) { return reader.has(key); });
  });
  return found == types.end() ? types.front() : *found;
}

bool is_among(const std::vector<const char *> &keys, std::string_view key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

// The credentials of a type, whole, and no others.
Json read_credentials(const ObjectReader &reader, const CredentialType &type) {
  for (const CredentialType &other : credential_types()) {
    for (const auto &keys : {other.required, other.optional}) {
      for (const char *key : keys) {
        if (reader.has(key) && !is_among(type.required, key) && !is_among(type.optional, key)) {
          reader.fail(
              key, std::string("does not belong to credentials of the type \"") + type.name + '"');
        }
      }
    }
  }
  Json secret = Json::object();
  for (const char *key : type.required) {
    put_secret(secret, reader, key);
    if (!secret.contains(key)) reader.missing(key);
  }
  put_secret(secret, reader, "access_token");
  read_expiry(reader, secret);
  return secret;
}

}  // namespace

Document read_connection(std::string_view text) {
  ObjectReader reader(kConnection, "", parse_document(kConnection, text), connection_spellings());
  Document document = begin(reader);
  Json &plain = document.plain;
  plain["customer_id"] = reader.required_text("customer_id", kLongestName);
  read_reference(reader, "provider_id", "provider_name", plain);
  put(plain, "instance_url", reader.address("instance_url"));
  put(plain, "login_url", reader.address("login_url"));
  const CredentialType &type = credential_type(reader);
  plain["auth_type"] = type.name;
  document.secret = read_credentials(reader, type);
  return document;
}

namespace {

const Spellings &spellings_of(std::string_view kind) {
  if (kind == kProvider) return provider_spellings();
  if (kind == kDestination) return destination_spellings();
  if (kind == kSyncConfig) return sync_config_spellings();
  if (kind == kSchema || kind == kEntity) return schema_spellings();
  if (kind == kConnection) return connection_spellings();
  throw Error(ErrorClass::kInternal, "there is no document of kind \"" + std::string(kind) + "\"");
}

// A token that was got by a grant is no part of the document; and credentials of another type leave
// nothing of the ones before.
void forget_credentials(Json &stored, const Json &patch) {
  const std::string before = stored.value("auth_type", "");
  const bool is_connection = stored.contains("customer_id");
  if (!is_connection) return;
  if (before != "oauth2") stored.erase("access_token");
  const CredentialType *next = nullptr;
  for (const CredentialType &type : credential_types()) {
    const bool is_named = patch.contains("auth_type") && patch["auth_type"] == type.name;
    const bool is_given = !patch.contains("auth_type") &&
                          std::all_of(type.required.begin(), type.required.end(),
                                      [&](const char *key) { return patch.contains(key); });
    if (next == nullptr && (is_named || is_given)) next = &type;
  }
  if (next == nullptr || next->name == before) return;
  stored.erase("auth_type");
  for (const CredentialType &type : credential_types()) {
    for (const char *key : type.required) stored.erase(key);
    for (const char *key : type.optional) stored.erase(key);
  }
}

// What must not outlive the stored value that it was derived from.
void forget_derived(Json &stored, const Json &patch) {
  for (auto [given, dropped] : {std::pair("destination_id", "destination_name"),
                                {"destination_name", "destination_id"},
                                {"provider_id", "provider_name"},
                                {"provider_name", "provider_id"},
                                {"refresh_token", "access_token"},
                                {"refresh_token", "expires_at"},
                                {"access_token", "expires_at"}}) {
    if (patch.contains(given) && !patch[given].is_null()) stored.erase(dropped);
  }
  forget_credentials(stored, patch);
  if (patch.contains("host") && stored.contains("host") &&
      stored["ssl_mode"] == default_ssl_mode(stored["host"].get<std::string>())) {
    stored.erase("ssl_mode");
  }
}

}  // namespace

std::string patched(std::string_view kind, const Document &stored, std::string_view patch) {
  const std::string kind_name(kind);
  ObjectReader reader(kind_name, "", parse_document(kind_name, patch), spellings_of(kind));
  Json document = kind == kSyncConfig ? unread_sync_config(stored.plain) : stored.plain;
  if (stored.secret.is_object()) document.update(stored.secret);
  if (!stored.name.empty()) document["name"] = stored.name;
  forget_derived(document, reader.values());
  document.merge_patch(reader.values());
  return document.dump();
}

bool names_secret(std::string_view kind, std::string_view patch) {
  const std::string kind_name(kind);
  ObjectReader reader(kind_name, "", parse_document(kind_name, patch), spellings_of(kind));
  return std::any_of(std::begin(kSecrets), std::end(kSecrets),
                     [&](const char *key) { return reader.values().contains(key); });
}

}  // namespace supaglue
