// pure: compiles connector documents; see connector.hpp.
#include "connector.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "column_type.hpp"
#include "common_schema.hpp"
#include "document.hpp"
#include "pure.hpp"

namespace supaglue {
namespace {

constexpr size_t kLongestName = 255;
constexpr int64_t kUsualLookbackMs = 5 * 60 * 1000;
constexpr int64_t kHourMs = 3'600'000;
// A provider may stamp a record so long before it shows it.
constexpr int64_t kUsualWideLookbackMs = 24 * kHourMs;
constexpr int64_t kLongestWideLookbackMs = 31 * 24 * kHourMs;
// Providers that forget what is unused take a month for it at least.
constexpr int64_t kUsualKeepAliveMs = 7 * 24 * kHourMs;
constexpr int64_t kLongestKeepAliveMs = 366 * 24 * kHourMs;

struct NamedClass {
  const char *name;
  ErrorClass error_class;
};
constexpr NamedClass kClasses[] = {
    {"permission", ErrorClass::kPermission},
    {"authentication", ErrorClass::kAuthentication},
    {"object_gone", ErrorClass::kObjectGone},
    {"field_gone", ErrorClass::kFieldGone},
    {"quota", ErrorClass::kQuota},
    {"transient", ErrorClass::kTransient},
    {"provider", ErrorClass::kProvider},
    {"data", ErrorClass::kData},
};

std::vector<std::string> class_names() {
  std::vector<std::string> names;
  for (const NamedClass &row : kClasses) names.emplace_back(row.name);
  return names;
}

Pattern read_pattern(const ObjectReader &reader, const char *key) {
  const std::optional<std::string> expression = reader.text(key);
  if (!expression) return {};
  Pattern pattern(*expression);
  const std::string complaint = pattern.complaint();
  if (!complaint.empty()) {
    reader.fail(key, "is not a regular expression", "RE2 says: " + complaint + ".",
                "It is written as RE2 has it: without back references and looking around.");
  }
  return pattern;
}

OAuth read_oauth(const std::string &kind, const Json &object) {
  ObjectReader reader(kind, "oauth", object,
                      {{"authorize_host", "authorize_host"},
                       {"authorize_path", "authorize_path"},
                       {"authorize_parameters", "authorize_parameters"},
                       {"pkce", "pkce"},
                       {"token_path", "token_path"},
                       {"token_auth", "token_auth"},
                       {"refreshes", "refreshes"},
                       {"revoke_path", "revoke_path"},
                       {"scope_separator", "scope_separator"},
                       {"capture_base_url", "capture_base_url"},
                       {"capture_account_id", "capture_account_id"},
                       {"account_id_pattern", "account_id_pattern"},
                       {"keep_alive_ms", "keep_alive_ms"}});
  OAuth oauth;
  oauth.authorize_host = reader.address("authorize_host").value_or("");
  oauth.authorize_path = reader.text("authorize_path").value_or("");
  if (const Json *parameters = reader.find("authorize_parameters")) {
    bool good =
        parameters->is_object() && std::all_of(parameters->begin(), parameters->end(),
                                               [](const Json &value) { return value.is_string(); });
    if (!good) reader.fail("authorize_parameters", "must be an object of texts");
    oauth.authorize_parameters = *parameters;
  }
  oauth.pkce = reader.boolean("pkce").value_or(true);
  oauth.token_basic = reader.choice("token_auth", {"form", "basic"}).value_or("form") == "basic";
  oauth.refreshes = reader.boolean("refreshes").value_or(true);
  oauth.token_path = reader.required_text("token_path");
  oauth.revoke_path = reader.text("revoke_path").value_or("");
  oauth.scope_separator = reader.text("scope_separator").value_or(" ");
  oauth.capture_base_url = read_pointer(reader, "capture_base_url");
  oauth.capture_account_id = read_pointer(reader, "capture_account_id");
  oauth.account_id_pattern = read_pattern(reader, "account_id_pattern");
  oauth.keep_alive_ms =
      reader.integer("keep_alive_ms", kHourMs, kLongestKeepAliveMs).value_or(kUsualKeepAliveMs);
  return oauth;
}

Probe read_probe(const std::string &kind, const Json &object) {
  ObjectReader reader(kind, "probe", object,
                      {{"path", "path"},
                       {"account_name_pointer", "account_name_pointer"},
                       {"account_id_pointer", "account_id_pointer"}});
  return {reader.required_text("path"), read_pointer(reader, "account_name_pointer"),
          read_pointer(reader, "account_id_pointer")};
}

Carrier read_carrier(const std::string &kind, const std::string &path, const Json &object) {
  ObjectReader reader(
      kind, path, object,
      {{"header", "header"}, {"prefix", "prefix"}, {"query", "query"}, {"basic", "basic"}});
  std::optional<std::string> header = reader.text("header"), query = reader.text("query");
  bool basic = reader.boolean("basic").value_or(false);
  if ((header ? 1 : 0) + (query ? 1 : 0) + (basic ? 1 : 0) != 1) {
    throw Error(ErrorClass::kBadDocument,
                '"' + path + "\" in " + kind + " must say one place for the credential", {},
                "\"header\" (with a \"prefix\" if need be), \"query\", or \"basic\": true.");
  }
  std::string prefix = reader.text("prefix").value_or("");
  if (!prefix.empty() && !header) reader.fail("prefix", "stands beside \"header\" only");
  if (basic) return {Carrier::Where::kBasic, "Authorization", "Basic "};
  if (query) return {Carrier::Where::kQuery, *query, ""};
  return {Carrier::Where::kHeader, *header, prefix};
}

// How each auth type's credential travels, for those whose way is not the usual one.
std::map<std::string, Carrier> read_carriers(const std::string &kind, const Json &object,
                                             const std::vector<std::string> &types) {
  std::vector<Spelling> spellings;
  for (const std::string &type : types) spellings.push_back({type.c_str(), type.c_str()});
  ObjectReader reader(kind, "auth", object, spellings);
  std::map<std::string, Carrier> carriers;
  for (const std::string &type : types) {
    if (const Json *carrier = reader.find(type.c_str())) {
      carriers[type] = read_carrier(kind, reader.path(type.c_str()), *carrier);
    }
  }
  return carriers;
}

ObjectNames read_object_names(const std::string &kind, const Json &object) {
  ObjectReader reader(kind, "object_names", object,
                      {{"pattern", "pattern"},
                       {"capitalized", "capitalized"},
                       {"custom_suffix", "custom_suffix"},
                       {"suffixes", "suffixes"}});
  ObjectNames names;
  names.pattern = read_pattern(reader, "pattern");
  names.capitalized = reader.boolean("capitalized").value_or(false);
  names.custom_suffix = reader.text("custom_suffix").value_or("");
  names.suffixes = reader.texts("suffixes").value_or(std::vector<std::string>{});
  return names;
}

std::map<std::string, std::vector<std::string>> read_rule_body(const ObjectReader &reader) {
  std::map<std::string, std::vector<std::string>> body;
  const Json *object = reader.find("body");
  if (!object) return body;
  bool good = object->is_object();
  for (const auto &[pointer, values] : object->items()) {
    good = good && pointer.starts_with('/') && values.is_array() &&
           std::all_of(values.begin(), values.end(), [](const Json &v) { return v.is_string(); });
    if (good) body[pointer] = values.get<std::vector<std::string>>();
  }
  if (!good) reader.fail("body", "must be an object of arrays of strings by JSON pointers");
  return body;
}

ErrorRule read_rule(const std::string &kind, const std::string &path, const Json &object) {
  ObjectReader reader(kind, path, object,
                      {{"status", "status"},
                       {"codes", "codes"},
                       {"message_contains", "message_contains"},
                       {"body", "body"},
                       {"action", "action"},
                       {"class", "class"}});
  ErrorRule rule;
  rule.status = static_cast<long>(reader.integer("status", 100, 599).value_or(0));
  rule.codes = reader.texts("codes").value_or(std::vector<std::string>{});
  rule.message_contains = reader.text("message_contains").value_or("");
  rule.body = read_rule_body(reader);
  std::string action = reader.choice("action", {"fail", "retry", "refresh"}).value_or("fail");
  rule.action = action == "retry"     ? ErrorRule::Action::kRetry
                : action == "refresh" ? ErrorRule::Action::kRefresh
                                      : ErrorRule::Action::kFail;
  // What is left when trying again has not helped.
  rule.error_class = rule.action == ErrorRule::Action::kRetry     ? ErrorClass::kTransient
                     : rule.action == ErrorRule::Action::kRefresh ? ErrorClass::kAuthentication
                                                                  : ErrorClass::kProvider;
  if (std::optional<std::string> name = reader.choice("class", class_names())) {
    rule.error_class = std::find_if(std::begin(kClasses), std::end(kClasses), [&](const auto &row) {
                         return *name == row.name;
                       })->error_class;
  }
  return rule;
}

CommonMapping read_common_object(const std::string &kind, const std::string &path,
                                 const CommonObject &schema, const Json &object) {
  ObjectReader reader(kind, path, object,
                      {{"type", "object.type"}, {"name", "object.name"}, {"columns", "columns"}});
  CommonMapping mapping;
  mapping.object_type = reader.choice("type", {"standard", "custom"}).value_or("standard");
  mapping.object = reader.required_text("name", kLongestName);
  const Json *columns = reader.find("columns");
  if (!columns || !columns->is_object()) reader.fail("columns", "must be an object");
  std::vector<std::string> known;
  for (const CommonColumn &column : schema.columns) known.emplace_back(column.name);
  for (const auto &[name, expression] : columns->items()) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      reader.fail("columns", "names \"" + name + "\", which the common schema does not have", {},
                  "It has " + quoted_list(known) + ".");
    }
    if (!expression.is_string()) reader.fail("columns", "must hold SQL expressions");
    mapping.columns[name] = expression;
  }
  return mapping;
}

void read_common_objects(const ObjectReader &reader, Connector *connector) {
  const Json *objects = reader.find("common_objects");
  if (!objects) return;
  if (!objects->is_object()) reader.fail("common_objects", "must be an object");
  for (const auto &[name, object] : objects->items()) {
    const CommonObject *schema = common_object(connector->category, name);
    if (schema == nullptr) {
      reader.fail("common_objects", "names \"" + name + "\", which is no common object", {},
                  "They are " + quoted_list(supaglue::common_objects(connector->category)) + ".");
    }
    connector->common_objects[name] =
        read_common_object(reader.kind(), "common_objects." + name, *schema, object);
  }
}

void read_column_types(const ObjectReader &reader, Connector *connector) {
  const Json *types = reader.find("column_types");
  if (!types) return;
  if (!types->is_object()) reader.fail("column_types", "must be an object");
  for (const auto &[name, type] : types->items()) {
    std::optional<std::string> known =
        type.is_string() ? column_type(type.get<std::string>()) : std::nullopt;
    if (!known) {
      reader.fail("column_types", "must name types of columns", {},
                  "They are " + quoted_list(supaglue::column_types()) + ".");
    }
    connector->column_types[name] = *known;
  }
}

std::vector<Spelling> spellings() {
  std::vector<Spelling> all;
  for (const char *key : {"name",
                          "category",
                          "auth_types",
                          "login_url",
                          "base_url",
                          "auth",
                          "oauth",
                          "probe",
                          "strategy",
                          "object_names",
                          "common_objects",
                          "field_prefix",
                          "column_types",
                          "metadata",
                          "lookback_ms",
                          "wide_lookback_ms",
                          "limits",
                          "quota_reserve_percent",
                          "error_code_pointer",
                          "error_message_pointer",
                          "errors",
                          "lists",
                          "lookups",
                          "objects",
                          "settings"})
    all.push_back({key, key});
  return all;
}

// Who the provider is, and how its customers' credentials come to it.
void read_access(const ObjectReader &reader, Connector *connector) {
  std::optional<std::vector<std::string>> types = reader.texts("auth_types");
  if (!types || types->empty()) reader.missing("auth_types");
  for (const std::string &type : *types) {
    const std::vector<std::string> &known = Connector::known_auth_types();
    if (std::find(known.begin(), known.end(), type) == known.end()) {
      reader.fail("auth_types", "must be an array of " + quoted_list(known), {},
                  perhaps(type, known));
    }
  }
  connector->auth_types = *types;
  connector->login_url = reader.address("login_url").value_or("");
  connector->base_url = reader.address("base_url").value_or("");
  if (const Json *auth = reader.find("auth")) {
    connector->carriers = read_carriers(reader.kind(), *auth, connector->auth_types);
  }
  if (const Json *oauth = reader.find("oauth")) {
    connector->oauth = read_oauth(reader.kind(), *oauth);
  }
  if (const Json *probe = reader.find("probe")) {
    connector->probe = read_probe(reader.kind(), *probe);
  }
}

// What it has: objects, fields and their types.
void read_content(const ObjectReader &reader, Connector *connector) {
  connector->strategy = reader.required_text("strategy", 63);
  if (const Json *names = reader.find("object_names")) {
    connector->object_names = read_object_names(reader.kind(), *names);
  }
  read_common_objects(reader, connector);
  connector->field_prefix = reader.text("field_prefix").value_or("");
  read_column_types(reader, connector);
  if (const Json *metadata = reader.find("metadata")) {
    connector->directory = read_directory(reader.kind(), "metadata", *metadata);
  }
  connector->listings = read_listings(reader);
}

// How it wants to be read, and how it refuses.
void read_manners(const ObjectReader &reader, Connector *connector) {
  connector->lookback_ms =
      reader.integer("lookback_ms", 0, 24 * kHourMs).value_or(kUsualLookbackMs);
  connector->wide_lookback_ms =
      reader.integer("wide_lookback_ms", 0, kLongestWideLookbackMs).value_or(kUsualWideLookbackMs);
  if (const Json *limits = reader.find("limits")) {
    connector->limits = read_limit_rules(reader.kind(), *limits);
  }
  connector->quota_reserve_percent =
      static_cast<int>(reader.integer("quota_reserve_percent", 0, 99).value_or(20));
  connector->error_code_pointer = read_pointer(reader, "error_code_pointer");
  connector->error_message_pointer = read_pointer(reader, "error_message_pointer");
  const Json *rules = reader.list("errors");
  for (size_t i = 0; rules != nullptr && i < rules->size(); ++i) {
    std::string path = "errors[" + std::to_string(i) + "]";
    connector->errors.push_back(read_rule(reader.kind(), path, (*rules)[i]));
  }
}

}  // namespace

std::shared_ptr<const Connector> Connector::parse(std::string_view document) {
  const std::string kind = "connector";
  Json object = parse_document(kind, document);
  ObjectReader reader(kind, "", object, spellings());
  auto connector = std::make_shared<Connector>();
  connector->name = reader.required_text("name", 63);
  connector->category = reader.required_text("category", 63);
  read_access(reader, connector.get());
  read_content(reader, connector.get());
  read_manners(reader, connector.get());
  const Json *settings = reader.find("settings");
  if (settings && !settings->is_object()) reader.fail("settings", "must be an object");
  connector->settings = settings ? *settings : Json::object();
  return connector;
}

const std::vector<std::string> &Connector::known_auth_types() {
  static const std::vector<std::string> types = {
      "oauth2", "api_key", "access_key_secret", "basic", "client_credentials", "jwt_bearer"};
  return types;
}

Carrier Connector::carrier(const std::string &auth_type) const {
  if (auto said = carriers.find(auth_type); said != carriers.end()) return said->second;
  if (auth_type != "basic" && auth_type != "access_key_secret") return {};
  return {Carrier::Where::kBasic, "Authorization", "Basic "};
}

std::string Connector::exact_object(std::string_view object_type, std::string_view object) const {
  std::string exact(object);
  if (exact.empty() || exact.size() > kLongestName) return {};
  if (strategy == "listing") {
    return object_type == "standard" && listings.objects.contains(exact) ? exact : "";
  }
  if (!object_names.pattern.empty() && object_names.pattern.match(exact).empty()) {
    return {};
  }
  if (object_type == "custom") {
    const std::vector<std::string> &suffixes = object_names.suffixes;
    bool has_suffix = std::any_of(suffixes.begin(), suffixes.end(), [&](const std::string &suffix) {
      return exact.ends_with(suffix);
    });
    return has_suffix || exact.ends_with(object_names.custom_suffix)
               ? exact
               : exact + object_names.custom_suffix;
  }
  if (object_names.capitalized && exact[0] >= 'a' && exact[0] <= 'z') {
    exact[0] = static_cast<char>(exact[0] - 'a' + 'A');
  }
  return exact;
}

std::string Connector::offered_objects() const {
  if (strategy != "listing") return {};
  std::vector<std::string> names;
  for (const auto &[object, listed] : listings.objects) names.push_back(object);
  return "Its standard objects are " + quoted_list(names) + "; custom ones are not offered.";
}

std::vector<std::string> Connector::field_path(const std::string &field) const {
  if (!field.starts_with('/')) {
    return field_prefix.empty() ? std::vector<std::string>{field}
                                : std::vector<std::string>{field_prefix, field};
  }
  std::vector<std::string> path;
  for (Json::json_pointer pointer(field); !pointer.empty(); pointer.pop_back()) {
    path.insert(path.begin(), pointer.back());
  }
  return path;
}

std::string Connector::type_of(const std::string &provider_type) const {
  auto found = column_types.find(provider_type);
  return found == column_types.end() ? "text" : found->second;
}

namespace {
using Builtins = std::map<std::string, std::shared_ptr<const Connector>, std::less<>>;

const Builtins &builtins() {
  // Compiled at the first need and kept for the life of the process.
  static const Builtins connectors = [] {
    Builtins map;
    for (int i = 0; i < builtin_connector_count; ++i) {
      map[builtin_connectors[i].name] = Connector::parse(builtin_connectors[i].document);
    }
    return map;
  }();
  return connectors;
}
}  // namespace

std::shared_ptr<const Connector> Connector::builtin(std::string_view name) {
  auto found = builtins().find(name);
  return found == builtins().end() ? nullptr : found->second;
}

std::vector<std::string> Connector::builtin_names() {
  std::vector<std::string> names;
  for (const auto &[name, connector] : builtins()) names.push_back(name);
  return names;
}

}  // namespace supaglue
