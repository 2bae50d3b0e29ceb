// pure: reads the configuration documents into one normal form; see config.hpp. Which spellings a
// key has is said by a table per document; what a value may be, by the reader below it.
#include "config.hpp"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "connector.hpp"
#include "document.hpp"
#include "http.hpp"
#include "pure.hpp"
#include "stamp.hpp"

namespace supaglue {
namespace {

using Spellings = std::vector<Spelling>;

constexpr size_t kLongestName = 255;
constexpr size_t kLongestTable = 63;
constexpr int64_t kLongestTime = 315'576'000'000;     // ten years
constexpr int64_t kLatestTime = 253'402'300'799'999;  // the end of the year 9999
constexpr int64_t kDefaultPeriod = 900'000;
constexpr int64_t kDefaultFullRefresh = 604'800'000;  // 7 days
constexpr int64_t kPostgresPort = 5432;

const char kProvider[] = "provider";
const char kDestination[] = "destination";
const char kSyncConfig[] = "sync config";
const char kConnection[] = "connection";

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

const Spellings &sync_config_spellings() {
  static const Spellings spellings = {
      {"id", "id"},
      {"application_id", "application_id"},
      {"name", "name"},
      {"destination_id", "destination_id"},
      {"destination_name", "destination_name"},
      {"provider_id", "provider_id"},
      {"provider_name", "provider_name"},
      {"default_config", "default_config"},
      {"default_config", "config.default_config"},
      {"common_objects", "common_objects"},
      {"common_objects", "config.common_objects"},
      {"standard_objects", "standard_objects"},
      {"standard_objects", "config.standard_objects"},
      {"custom_objects", "custom_objects"},
      {"custom_objects", "config.custom_objects"},
      {"entities", "entities"},
      {"entities", "config.entities"},
  };
  return spellings;
}

const Spellings &schedule_spellings() {
  static const Spellings spellings = {
      {"period_ms", "period_ms"},
      {"strategy", "strategy"},
      {"full_sync_every_n_incrementals", "full_sync_every_n_incrementals"},
      {"full_refresh_every_ms", "full_refresh_every_ms"},
      {"lookback_ms", "lookback_ms"},
      {"auto_start_on_connection", "auto_start_on_connection"},
      {"deletion_stop_share", "deletion_stop_share"},
      {"deletion_stop_rows", "deletion_stop_rows"},
  };
  return spellings;
}

const Spellings &object_spellings() {
  static const Spellings spellings = {
      {"object", "object"},
      {"table", "table"},
      {"exclude_fields", "exclude_fields"},
      {"sync_strategy_override", "sync_strategy_override"},
      {"schema", "schema"},
      {"columns", "columns"},
      {"fields", "fields"},
      {"associations_to_fetch", "associations_to_fetch"},
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

// Sets a key when there is a value for it.
template <typename T>
void put(Json &object, const char *key, const std::optional<T> &value) {
  if (value) object[key] = *value;
}

void put_secret(Json &object, const ObjectReader &reader, const char *key) {
  Json value = reader.secret(key);
  if (!value.is_null()) object[key] = std::move(value);
}

Document begin(const ObjectReader &reader) {
  Document document;
  document.id = reader.integer("id", 1, INT64_MAX);
  document.plain = Json::object();
  document.secret = nullptr;
  put(document.plain, "application_id", reader.text("application_id", kLongestName));
  return document;
}

// Reads "<what>_id" or "<what>_name", whichever is given; it must be exactly one.
void read_reference(const ObjectReader &reader, const char *id, const char *name, Json &plain) {
  std::optional<int64_t> number = reader.integer(id, 1, INT64_MAX);
  std::optional<std::string> text = reader.text(name, kLongestName);
  if (number && text) {
    throw Error(ErrorClass::kBadDocument,
                '"' + reader.path(id) + "\" and \"" + reader.path(name) + "\" in " + reader.kind() +
                    " exclude each other",
                {}, "Give only one of them.");
  }
  if (!number && !text) reader.missing(id, "Or give \"" + reader.path(name) + "\".");
  put(plain, id, number);
  put(plain, name, text);
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

// default_config or an override: the keys that are given, in normal form.
Json read_schedule(const std::string &path, const Json &object) {
  ObjectReader reader(kSyncConfig, path, object, schedule_spellings());
  Json schedule = Json::object();
  put(schedule, "period_ms", reader.integer("period_ms", 1, kLongestTime));
  std::optional<std::string> strategy = reader.choice(
      "strategy", {"full refresh", "full only", "full then incremental", "incremental", "full"});
  if (strategy) {
    bool incremental = strategy->ends_with("incremental");
    schedule["strategy"] = incremental ? "incremental" : "full";
  }
  put(schedule, "full_sync_every_n_incrementals",
      reader.integer("full_sync_every_n_incrementals", 1, 1'000'000));
  if (reader.has("full_sync_every_n_incrementals") && strategy && schedule["strategy"] == "full") {
    reader.fail("full_sync_every_n_incrementals", "needs the strategy \"full then incremental\"");
  }
  put(schedule, "full_refresh_every_ms", reader.integer("full_refresh_every_ms", 1, kLongestTime));
  put(schedule, "lookback_ms", reader.integer("lookback_ms", 0, kLongestTime));
  put(schedule, "auto_start_on_connection", reader.boolean("auto_start_on_connection"));
  put(schedule, "deletion_stop_share", reader.share("deletion_stop_share"));
  put(schedule, "deletion_stop_rows", reader.integer("deletion_stop_rows", 0, INT64_MAX));
  return schedule;
}

Json default_schedule(const ObjectReader &reader) {
  Json schedule = {{"period_ms", kDefaultPeriod},
                   {"strategy", "incremental"},
                   {"full_refresh_every_ms", kDefaultFullRefresh},
                   {"auto_start_on_connection", true}};
  if (const Json *given = reader.find("default_config")) {
    schedule.update(read_schedule(reader.path("default_config"), *given));
  }
  return schedule;
}

Json merged_schedule(const Json &defaults, const Json &override_given) {
  Json merged = defaults;
  merged.update(override_given);
  // An inherited count has no meaning when the override asks for full runs only.
  if (merged["strategy"] == "full") merged.erase("full_sync_every_n_incrementals");
  return merged;
}

[[noreturn]] void not_yet(const std::string &path, const std::string &detail) {
  Error error(ErrorClass::kBadDocument,
              '"' + path + "\" in " + kSyncConfig + " is not offered by this version", detail,
              "Leave it out.");
  error.sqlstate = "0A000";
  throw error;
}

// The keys of an object that shape its columns: their form is checked, then they are refused.
void refuse_shaping(const ObjectReader &reader) {
  const std::string whole = "Every readable field is in _supaglue_raw_data.";
  if (reader.text("schema", kLongestName)) not_yet(reader.path("schema"), whole);
  if (const Json *columns = reader.find("columns")) {
    if (columns->is_string() ? *columns != "typed" : !columns->is_array()) {
      reader.fail("columns", "must be an array or \"typed\"");
    }
    not_yet(reader.path("columns"), whole);
  }
  if (reader.list("fields")) not_yet(reader.path("fields"), whole);
  if (reader.list("associations_to_fetch")) {
    not_yet(reader.path("associations_to_fetch"), "No connector of this version has associations.");
  }
}

std::string exact_name(const ObjectReader &reader, const Connector *connector,
                       const char *object_type) {
  std::string written = reader.required_text("object", kLongestName);
  if (!connector) return written;
  std::string exact = connector->exact_object(object_type, written);
  if (exact.empty()) {
    reader.fail("object", "cannot be the name of an object of " + connector->name,
                "It is \"" + written + "\".");
  }
  return exact;
}

Json read_object(const std::string &path, const Json &item, const Connector *connector,
                 const char *object_type, const Json &defaults) {
  ObjectReader reader(kSyncConfig, path, item, object_spellings());
  Json object = {{"object_type", object_type},
                 {"object", exact_name(reader, connector, object_type)}};
  put(object, "table", reader.text("table", kLongestTable));
  put(object, "exclude_fields", reader.texts("exclude_fields"));
  Json given = Json::object();
  if (const Json *value = reader.find("sync_strategy_override")) {
    given = read_schedule(reader.path("sync_strategy_override"), *value);
    object["sync_strategy_override"] = given;
  }
  object["config"] = merged_schedule(defaults, given);
  refuse_shaping(reader);
  return object;
}

std::string item_path(const ObjectReader &reader, const char *key, size_t index) {
  return reader.path(key) + "[" + std::to_string(index) + "]";
}

// What later versions sync: the lists' form is checked, then their content is refused.
void refuse_other_kinds(const ObjectReader &reader, const Json &defaults) {
  if (const Json *items = reader.list("common_objects")) {
    for (size_t i = 0; i < items->size(); ++i) {
      read_object(item_path(reader, "common_objects", i), (*items)[i], nullptr, "common", defaults);
    }
    if (!items->empty()) {
      not_yet(reader.path("common_objects"), "It syncs standard and custom objects.");
    }
  }
  if (const Json *items = reader.list("entities")) {
    for (size_t i = 0; i < items->size(); ++i) {
      ObjectReader entity(kSyncConfig, item_path(reader, "entities", i), (*items)[i],
                          {{"entity_id", "entity_id"}, {"entity_name", "entity_name"}});
    }
    if (!items->empty()) not_yet(reader.path("entities"), "It syncs standard and custom objects.");
  }
}

Json read_objects(const ObjectReader &reader, const Connector *connector, const Json &defaults) {
  Json objects = Json::array();
  std::set<std::string> names;
  for (auto [key, type] :
       {std::pair("standard_objects", "standard"), {"custom_objects", "custom"}}) {
    const Json *items = reader.list(key);
    for (size_t i = 0; items && i < items->size(); ++i) {
      std::string path = item_path(reader, key, i);
      Json object = read_object(path, (*items)[i], connector, type, defaults);
      if (!names.insert(object["object"].get<std::string>()).second) {
        throw Error(ErrorClass::kBadDocument,
                    '"' + path + ".object\" in " + kSyncConfig + " names an object again",
                    "It is \"" + object["object"].get<std::string>() + "\".",
                    "A sync config may name an object once.");
      }
      objects.push_back(std::move(object));
    }
  }
  return objects;
}

}  // namespace

Document read_sync_config(std::string_view text, std::string_view provider_name) {
  ObjectReader reader(kSyncConfig, "", parse_document(kSyncConfig, text), sync_config_spellings());
  Document document = begin(reader);
  document.name = reader.text("name", kLongestName).value_or("");
  Json &plain = document.plain;
  read_reference(reader, "destination_id", "destination_name", plain);
  read_reference(reader, "provider_id", "provider_name", plain);
  std::string provider = plain.value("provider_name", std::string(provider_name));
  std::shared_ptr<const Connector> connector = Connector::builtin(provider);
  Json defaults = default_schedule(reader);
  Json objects = read_objects(reader, connector.get(), defaults);
  refuse_other_kinds(reader, defaults);
  plain["default_config"] = std::move(defaults);
  plain["objects"] = std::move(objects);
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

// The stored sync config as a document again: objects by their type, without what was merged.
Json unread_sync_config(Json plain) {
  Json standard = Json::array(), custom = Json::array();
  for (Json object : plain["objects"]) {
    bool is_custom = object["object_type"] == "custom";
    object.erase("object_type");
    object.erase("config");
    (is_custom ? custom : standard).push_back(std::move(object));
  }
  plain.erase("objects");
  plain["standard_objects"] = std::move(standard);
  plain["custom_objects"] = std::move(custom);
  return plain;
}

const Spellings &spellings_of(std::string_view kind) {
  if (kind == kProvider) return provider_spellings();
  if (kind == kDestination) return destination_spellings();
  if (kind == kSyncConfig) return sync_config_spellings();
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
