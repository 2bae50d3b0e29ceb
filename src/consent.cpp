// pure: the authorization code's way through the browser. See consent.hpp.
#include "consent.hpp"

#include <algorithm>
#include <array>

#include "crypto.hpp"
#include "document.hpp"
#include "encoding.hpp"
#include "error.hpp"
#include "pure.hpp"

namespace supaglue {

namespace {

constexpr size_t kSecretBytes = 32;
constexpr size_t kLongestValue = 4096;
const char kOptions[] = "options";

// What the protocol says by itself.
constexpr std::array kReserved = {
    "response_type", "client_id", "client_secret",  "redirect_uri",
    "scope",         "state",     "code_challenge", "code_challenge_method",
    "code_verifier", "request",   "request_uri",    "response_mode"};

[[noreturn]] void bad(std::string message, std::string hint = {}) {
  throw Error(ErrorClass::kBadDocument, std::move(message), {}, std::move(hint));
}

// The options that are ours have names of their own; every other is the provider's.
void read_extra(const std::string &name, const Json &value, ConsentOptions *options) {
  if (std::find(kReserved.begin(), kReserved.end(), name) != kReserved.end())
    bad("\"" + name + "\" in options cannot be set",
        name == "redirect_uri" ? "The provider's redirect_uri is used." : "");
  const std::string meant = perhaps(name, {"login_url", "scopes", "replace_account"});
  if (!meant.empty()) bad("unknown key \"" + name + "\" in options", meant);
  if (!value.is_string())
    bad("\"" + name + "\" in options must be a string",
        "What is not login_url, scopes or replace_account is a parameter of the provider's.");
  options->extras[name] = value;
}

std::string joined(const std::vector<std::string> &texts, const std::string &separator) {
  std::string all;
  for (const std::string &text : texts) {
    if (!all.empty()) all += separator;
    all += text;
  }
  return all;
}

std::string parameter(const Json &parameters, const char *name) {
  const auto found = parameters.find(name);
  if (found == parameters.end() || found->is_null()) return {};
  if (!found->is_string())
    bad(std::string("\"") + name + "\" of the callback must be a string",
        "Give the parameters of the query string as they came, each once.");
  std::string text = *found;
  if (text.size() > kLongestValue) bad(std::string("\"") + name + "\" of the callback is too long");
  return text;
}

// A text, or a number as HubSpot's portal ids are.
std::string text_at(const Json &body, const std::string &pointer) {
  const Json::json_pointer where(pointer);
  if (pointer.empty() || !body.is_structured() || !body.contains(where)) return {};
  const Json &value = body[where];
  if (value.is_number_integer()) return value.dump();
  return value.is_string() ? value.get<std::string>() : std::string();
}

}  // namespace

ConsentOptions read_consent_options(std::string_view document) {
  const Json given = parse_document(kOptions, document);
  Json ours = Json::object();
  ConsentOptions options;
  for (const auto &[name, value] : given.items()) {
    if (name == "login_url" || name == "scopes" || name == "replace_account")
      ours[name] = value;
    else
      read_extra(name, value, &options);
  }
  const ObjectReader reader(
      kOptions, "", ours,
      {{"login_url", "login_url"}, {"scopes", "scopes"}, {"replace_account", "replace_account"}});
  options.login_url = reader.address("login_url").value_or("");
  options.scopes = reader.texts("scopes");
  options.replace_account = reader.boolean("replace_account").value_or(false);
  return options;
}

ConsentSecrets new_consent_secrets() {
  return {base64url(random_bytes(kSecretBytes)), base64url(random_bytes(kSecretBytes))};
}

std::string consent_url(const Connector &connector, const ConsentRequest &request,
                        const ConsentSecrets &secrets) {
  const OAuth &oauth = connector.oauth;
  std::string host = request.login_url;
  if (host.empty())
    host = oauth.authorize_host.empty() ? connector.login_url : oauth.authorize_host;
  while (host.ends_with('/')) host.pop_back();
  Json parameters = {{"response_type", "code"},
                     {"client_id", request.client_id},
                     {"redirect_uri", request.redirect_uri}};
  if (!request.scopes.empty()) parameters["scope"] = joined(request.scopes, oauth.scope_separator);
  parameters["state"] = secrets.state;
  if (oauth.pkce) {
    parameters["code_challenge"] = base64url(sha256(secrets.verifier));
    parameters["code_challenge_method"] = "S256";
  }
  for (const Json *more : {&oauth.authorize_parameters, &request.extras})
    if (more->is_object()) parameters.update(*more);
  std::string url = host + oauth.authorize_path;
  char before = url.find('?') == std::string::npos ? '?' : '&';
  for (const auto &[name, value] : parameters.items()) {
    url += before + url_encoded(name) + '=' + url_encoded(value.get_ref<const std::string &>());
    before = '&';
  }
  return url;
}

ConsentAnswer read_consent_answer(std::string_view parameters) {
  const Json given = parse_document("callback", parameters);
  ConsentAnswer answer = {parameter(given, "state"), parameter(given, "code"),
                          printable(parameter(given, "error")),
                          printable(parameter(given, "error_description"))};
  if (answer.state.empty())
    bad("the callback has no \"state\"", "Give the parameters of the query string as they came.");
  if (answer.code.empty() && answer.error.empty())
    bad("the callback has neither \"code\" nor \"error\"",
        "Give the parameters of the query string as they came.");
  return answer;
}

void check_return_url(const std::string &return_url) {
  // Browsers read a backslash as a slash, and leave out control characters.
  const bool clean = std::none_of(return_url.begin(), return_url.end(), [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || c == 0x7f || c == '\\';
  });
  const bool is_path = return_url.starts_with('/') && !return_url.starts_with("//");
  if (!clean || (!is_path && origin_of(return_url).empty()))
    bad("return_url must be an http or https address, or a path",
        "For example \"https://app.example.com/integrations\" or \"/integrations\".");
}

Account account_in(const Probe &probe, const Response &response) {
  const Json body = Json::parse(response.body, nullptr, false);
  return {text_at(body, probe.account_id_pointer), text_at(body, probe.account_name_pointer)};
}

}  // namespace supaglue
