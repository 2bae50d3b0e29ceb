// pure: authentication, the sorting of answers, and the token exchange. See session.hpp.
#include "session.hpp"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <string_view>

#include "encoding.hpp"
#include "jwt.hpp"
#include "pure.hpp"

namespace supaglue {

namespace {

constexpr int kMaxSends = 5;
constexpr int64_t kBackoffBaseMs = 500;
constexpr int64_t kBackoffCapMs = 30'000;
constexpr int64_t kLongestWaitMs = 60'000;
constexpr const char *kReconnect =
    "Let the customer connect again (oauth_connect_url), or give update_connection new "
    "credentials.";

// ---- texts ----

std::string sentence(std::string text) {
  if (!text.empty() && std::string_view(".!?").find(text.back()) == std::string_view::npos)
    text += '.';
  return text;
}

std::string utc(int64_t time_ms) {
  time_t time = time_ms / 1000;
  tm parts{};
  gmtime_r(&time, &parts);
  char text[32];
  return std::string(text, strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts));
}

std::string redacted(std::string text, const std::string &secret) {
  if (secret.empty()) return text;
  for (size_t at = 0; (at = text.find(secret, at)) != std::string::npos; at += 3)
    text.replace(at, secret.size(), "***");
  return text;
}

// ---- what the provider said ----

Json parsed(std::string_view text) {
  return Json::parse(text.begin(), text.end(), nullptr, false);  // "discarded" when it is no JSON
}

/// The text at a JSON pointer; empty when there is none.
std::string text_at(const Json &json, const std::string &pointer) {
  if (json.is_discarded() || pointer.empty()) return {};
  Json::json_pointer where(pointer);
  if (!json.contains(where)) return {};
  const Json &value = json[where];
  if (value.is_string()) return value.get<std::string>();
  return value.is_number() ? value.dump() : std::string();
}

struct ProviderWords {
  std::string code;
  std::string message;
  Json body = nullptr;
};

// Of an answer that is no JSON: a page's title, or the beginning of a plain text.
std::string words_without_json(std::string_view body) {
  size_t first = body.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  body.remove_prefix(first);
  if (body.front() == '<') {
    size_t begin = body.find("<title>");
    size_t end = body.find("</title>");
    if (begin == std::string_view::npos || end == std::string_view::npos || end < begin) return {};
    body = body.substr(begin + 7, end - begin - 7);
  }
  std::string text(body.substr(0, 200));
  for (char &c : text)
    if (static_cast<unsigned char>(c) >= 0x80) c = '?';  // its encoding is not known
  return text;
}

ProviderWords words_of(const Connector &connector, const Response &response) {
  Json body = parsed(response.body);
  if (body.is_discarded()) return {"", printable(words_without_json(response.body))};
  std::string code = printable(text_at(body, connector.error_code_pointer));
  std::string message = printable(text_at(body, connector.error_message_pointer));
  return {std::move(code), std::move(message), std::move(body)};
}

std::string detail_of(long status, const ProviderWords &words) {
  std::string detail = "The provider answered HTTP " + std::to_string(status);
  if (!words.code.empty()) detail += " " + words.code;
  if (!words.message.empty()) detail += ": " + words.message;
  return sentence(std::move(detail));
}

// ---- sorting ----

std::string message_for(const Connector &connector, ErrorClass error_class) {
  const std::string &name = connector.name;
  switch (error_class) {
    case ErrorClass::kPermission:
      return name + " does not permit this";
    case ErrorClass::kAuthentication:
      return name + " did not accept the connection's token";
    case ErrorClass::kObjectGone:
      return name + " does not have this object";
    case ErrorClass::kFieldGone:
      return name + " does not have a field that was asked for";
    case ErrorClass::kQuota:
      return "the request limit of " + name + " is reached";
    case ErrorClass::kTransient:
      return name + " is unavailable";
    default:
      return name + " refused the request";
  }
}

Error answer_error(const Connector &connector, ErrorClass error_class, std::string detail) {
  return {error_class, message_for(connector, error_class), std::move(detail),
          error_class == ErrorClass::kAuthentication ? kReconnect : ""};
}

bool is_passing(Response::Failure failure) {
  return failure == Response::Failure::kTimeout || failure == Response::Failure::kUnreachable ||
         failure == Response::Failure::kCutOff;
}

Error failure_error(const Connector &connector, const Response &response) {
  const std::string &name = connector.name;
  std::string detail = sentence("The request failed: " + response.failure_text);
  switch (response.failure) {
    case Response::Failure::kTls:
      return {ErrorClass::kTransient, "no secure connection to " + name, std::move(detail),
              "The setting supaglue.ca_bundle names the certificates that are trusted."};
    case Response::Failure::kForbidden:
      return {ErrorClass::kPermission, "the address of " + name + " is not allowed",
              std::move(detail),
              "The settings supaglue.allow_private_networks and supaglue.allow_insecure_http "
              "allow such addresses, for development."};
    case Response::Failure::kTooLarge:
      return {ErrorClass::kProvider, "the answer of " + name + " is too large", std::move(detail),
              "The setting supaglue.max_response_bytes is the limit."};
    case Response::Failure::kTimeout:
      return {ErrorClass::kTransient, name + " did not answer in time", std::move(detail)};
    case Response::Failure::kCutOff:
      return {ErrorClass::kTransient, "the answer of " + name + " was cut off", std::move(detail)};
    default:
      return {ErrorClass::kTransient, name + " could not be reached", std::move(detail)};
  }
}

Verdict deliver() { return {}; }

Verdict fail(Error error) { return {Verdict::Kind::kFail, 0, std::move(error)}; }

Verdict refresh_or_fail(const Attempts &attempts, Error error) {
  if (attempts.refreshed) return fail(std::move(error));
  return {Verdict::Kind::kRefresh, 0, std::move(error)};
}

Verdict retry_or_fail(const Response &response, const Attempts &attempts, int64_t now_ms,
                      double jitter, Error error) {
  int64_t asked = asked_wait_ms(response, now_ms);
  if (asked > kLongestWaitMs) {
    error.detail += " It asks to wait until " + utc(now_ms + asked) + ".";
    return {Verdict::Kind::kFail, now_ms + asked, std::move(error)};
  }
  if (attempts.sent >= kMaxSends) return fail(std::move(error));
  int doublings = std::clamp(attempts.sent - 1, 0, 16);
  int64_t backoff = std::min(kBackoffCapMs, kBackoffBaseMs << doublings);
  int64_t wait = asked + static_cast<int64_t>(static_cast<double>(backoff) * jitter);
  return {Verdict::Kind::kRetry, now_ms + wait, std::move(error)};
}

bool matches(const ErrorRule &rule, long status, const ProviderWords &words) {
  const bool has_body = std::all_of(rule.body.begin(), rule.body.end(), [&](const auto &expected) {
    const std::string text = text_at(words.body, expected.first);
    return std::find(expected.second.begin(), expected.second.end(), text) != expected.second.end();
  });
  return has_body && (rule.status == 0 || rule.status == status) &&
         (rule.codes.empty() ||
          std::find(rule.codes.begin(), rule.codes.end(), words.code) != rule.codes.end()) &&
         (rule.message_contains.empty() ||
          words.message.find(rule.message_contains) != std::string::npos);
}

// What holds where the connector has no rule.
ErrorRule default_rule(long status) {
  ErrorRule rule;
  if (status == 401) {
    rule.action = ErrorRule::Action::kRefresh;
    rule.error_class = ErrorClass::kAuthentication;
  } else if (status == 403) {
    rule.error_class = ErrorClass::kPermission;
  } else if (status == 429) {
    rule.action = ErrorRule::Action::kRetry;
    rule.error_class = ErrorClass::kQuota;
  } else if (status == 408 || status >= 500) {
    rule.action = ErrorRule::Action::kRetry;
    rule.error_class = ErrorClass::kTransient;
  }
  return rule;
}

ErrorRule rule_for(const Connector &connector, long status, const ProviderWords &words) {
  ErrorRule rule = default_rule(status);
  if (status >= 400) {
    auto found =
        std::find_if(connector.errors.begin(), connector.errors.end(),
                     [&](const ErrorRule &candidate) { return matches(candidate, status, words); });
    if (found != connector.errors.end()) rule = *found;
  }
  // A rule that names no class means the one that its action stands for.
  if (rule.error_class == ErrorClass::kProvider) {
    if (rule.action == ErrorRule::Action::kRetry) rule.error_class = ErrorClass::kTransient;
    if (rule.action == ErrorRule::Action::kRefresh) rule.error_class = ErrorClass::kAuthentication;
  }
  return rule;
}

// ---- tokens ----

bool is_one_of(std::string_view code, std::initializer_list<std::string_view> codes) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

Error token_error(const Connector &connector, const Grant &grant, const Response &response) {
  Json body = parsed(response.body);
  ProviderWords words{text_at(body, "/error"), text_at(body, "/error_description")};
  if (words.code.empty()) words.code = text_at(body, connector.error_code_pointer);
  if (words.message.empty()) words.message = text_at(body, connector.error_message_pointer);
  for (std::string *text : {&words.code, &words.message}) {
    for (const std::string *secret : {&grant.refresh_token, &grant.client_secret,
                                      &grant.private_key, &grant.code, &grant.code_verifier})
      *text = redacted(std::move(*text), *secret);
    *text = printable(*text);
  }
  std::string detail = detail_of(response.status, words);
  long status = response.status;
  if (status == 408 || status == 429 || status >= 500 ||
      is_one_of(words.code, {"rate_limit_exceeded", "temporarily_unavailable", "server_error"}))
    return {ErrorClass::kTransient, connector.name + " gives no token now", std::move(detail)};
  if (status != 400 && status != 401)
    return {ErrorClass::kProvider, connector.name + " refused the token request",
            std::move(detail)};
  bool ours = is_one_of(words.code, {"invalid_client", "invalid_client_id",
                                     "invalid_client_credentials", "unauthorized_client"});
  if (ours)
    return {ErrorClass::kAuthentication, connector.name + " did not accept the provider's app",
            std::move(detail), "Check the provider's client_id and client_secret."};
  return {ErrorClass::kAuthentication,
          connector.name + (grant.code.empty() ? " refused to refresh the token"
                                               : " refused the code of the consent"),
          std::move(detail), kReconnect};
}

int64_t expiry_ms(const Json &body, int64_t now_ms) {
  std::string text = text_at(body, "/expires_in");
  int64_t seconds = 0;
  std::from_chars(text.data(), text.data() + text.size(), seconds);
  constexpr int64_t kCenturySeconds = int64_t{100} * 366 * 86'400;
  return seconds <= 0 ? 0 : now_ms + std::min(seconds, kCenturySeconds) * 1000;
}

std::string account_id_of(const OAuth &oauth, const Json &body) {
  std::string text = text_at(body, oauth.capture_account_id);
  if (text.empty() || oauth.account_id_pattern.empty()) return text;
  const std::vector<std::string> found = oauth.account_id_pattern.search(text);
  return found.empty() ? "" : found.size() > 1 ? found[1] : found[0];
}

std::string without_trailing_slash(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url;
}

// Providers refuse an assertion that outlives some minutes.
constexpr int64_t kAssertionLifeMs = 180'000;

std::string jwt_bearer_form(const Connector &connector, const Grant &grant, int64_t now_ms) {
  const std::string &login = grant.login_url.empty() ? connector.login_url : grant.login_url;
  const Json claims = {{"iss", grant.client_id},
                       {"sub", grant.username},
                       {"aud", login},
                       {"exp", (now_ms + kAssertionLifeMs) / 1000}};
  const std::string text = claims.dump(-1, ' ', false, Json::error_handler_t::replace);
  return "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=" +
         signed_jwt(text, grant.private_key);
}

// The app asks at an address of the login host: RFC 6749, 2.3.1.
Request app_request(const Connector &connector, const Grant &grant, const std::string &path,
                    std::string form) {
  Request request;
  request.method = "POST";
  request.url =
      without_trailing_slash(grant.login_url.empty() ? connector.login_url : grant.login_url) +
      path;
  request.headers = {{"Content-Type", "application/x-www-form-urlencoded"},
                     {"Accept", "application/json"}};
  request.body = std::move(form);
  if (connector.oauth.token_basic) {
    request.headers.push_back(
        {"Authorization",
         "Basic " + base64(url_encoded(grant.client_id) + ':' + url_encoded(grant.client_secret))});
    return request;
  }
  request.body += "&client_id=" + url_encoded(grant.client_id);
  if (!grant.client_secret.empty())
    request.body += "&client_secret=" + url_encoded(grant.client_secret);
  return request;
}

Request grant_request(const Connector &connector, const Grant &grant, std::string form) {
  return app_request(connector, grant, connector.oauth.token_path, std::move(form));
}

std::string code_form(const Grant &grant) {
  std::string form = "grant_type=authorization_code&code=" + url_encoded(grant.code) +
                     "&redirect_uri=" + url_encoded(grant.redirect_uri);
  if (!grant.code_verifier.empty()) form += "&code_verifier=" + url_encoded(grant.code_verifier);
  return form;
}

void place_in_query(std::string &url, const std::string &name, const std::string &token) {
  url += url.find('?') == std::string::npos ? '?' : '&';
  url += url_encoded(name) + '=' + url_encoded(token);
}

}  // namespace

Request authorize(const Connector &connector, const Access &access, Request request) {
  std::string base =
      without_trailing_slash(access.base_url.empty() ? connector.base_url : access.base_url);
  std::string origin = origin_of(base);
  if (origin.empty())
    throw Error(ErrorClass::kProvider, "the address of " + connector.name + " is not known",
                "Neither the connection nor the connector has a usable base url.",
                "Give the connection an instance_url.");
  if (request.url.starts_with('/')) {
    size_t authority = base.find("://");
    if (request.host_relative && authority != std::string::npos)
      base.resize(std::min(base.size(), base.find_first_of("/?#", authority + 3)));
    request.url.insert(0, base);
  }
  if (origin_of(request.url) != origin)
    throw Error(ErrorClass::kProvider, connector.name + " named an address on another host",
                "Requests go to the connection's own base url only.");
  const Carrier carrier = connector.carrier(access.auth_type);
  const std::string &token = access.access_token;
  switch (carrier.where) {
    case Carrier::Where::kHeader:
      request.headers.push_back({carrier.name, carrier.prefix + token});
      break;
    case Carrier::Where::kBasic:
      // A key is a name without a password.
      request.headers.push_back(
          {"Authorization",
           "Basic " + base64(access.auth_type == "api_key" ? token + ':' : token)});
      break;
    case Carrier::Where::kQuery:
      place_in_query(request.url, carrier.name, token);
      break;
  }
  return request;
}

Verdict judge(const Connector &connector, const Response &response, const Attempts &attempts,
              int64_t now_ms, double jitter) {
  if (response.failure != Response::Failure::kNone) {
    Error error = failure_error(connector, response);
    if (!is_passing(response.failure)) return fail(std::move(error));
    return retry_or_fail(response, attempts, now_ms, jitter, std::move(error));
  }
  long status = response.status;
  if ((status >= 200 && status < 300) || status == 304) return deliver();
  ProviderWords words = words_of(connector, response);
  ErrorRule rule = rule_for(connector, status, words);
  Error error = answer_error(connector, rule.error_class, detail_of(status, words));
  switch (rule.action) {
    case ErrorRule::Action::kRefresh:
      return refresh_or_fail(attempts, std::move(error));
    case ErrorRule::Action::kRetry:
      return retry_or_fail(response, attempts, now_ms, jitter, std::move(error));
    case ErrorRule::Action::kFail:
      break;
  }
  return fail(std::move(error));
}

int64_t asked_wait_ms(const Response &response, int64_t now_ms) {
  constexpr int64_t kYearSeconds = 366 * 86'400;
  std::string_view text = response.header("retry-after");
  if (text.empty()) return 0;
  if (text.find_first_not_of("0123456789") == std::string_view::npos) {
    int64_t seconds = kYearSeconds;  // stays when there are too many digits
    std::from_chars(text.data(), text.data() + text.size(), seconds);
    return std::min(seconds, kYearSeconds) * 1000;
  }
  int64_t until = http_date_ms(text);
  if (until == 0) return 0;
  int64_t provider_now = provider_time_ms(response);  // their clock, where they tell it
  return std::max<int64_t>(0, until - (provider_now != 0 ? provider_now : now_ms));
}

Request token_request(const Connector &connector, const Grant &grant, int64_t now_ms) {
  if (!is_token_granted(grant.auth_type))
    throw Error(ErrorClass::kAuthentication,
                connector.name + " did not accept the connection's credentials",
                "Credentials of the type \"" + grant.auth_type + "\" cannot be refreshed.",
                kReconnect);
  if (grant.auth_type == "client_credentials")
    return grant_request(connector, grant, "grant_type=client_credentials");
  if (grant.auth_type == "jwt_bearer")
    return grant_request(connector, grant, jwt_bearer_form(connector, grant, now_ms));
  if (!grant.code.empty()) return grant_request(connector, grant, code_form(grant));
  if (grant.refresh_token.empty())
    throw Error(ErrorClass::kAuthentication, "the connection has no refresh token", "", kReconnect);
  return grant_request(
      connector, grant,
      "grant_type=refresh_token&refresh_token=" + url_encoded(grant.refresh_token));
}

Tokens token_answer(const Connector &connector, const Grant &grant, const Response &response,
                    int64_t now_ms) {
  if (response.failure != Response::Failure::kNone) throw failure_error(connector, response);
  if (response.status < 200 || response.status >= 300)
    throw token_error(connector, grant, response);
  Json body = parsed(response.body);
  Tokens tokens;
  tokens.access_token = text_at(body, "/access_token");
  if (grant.auth_type == "oauth2") tokens.refresh_token = text_at(body, "/refresh_token");
  tokens.base_url = without_trailing_slash(text_at(body, connector.oauth.capture_base_url));
  tokens.account_id = account_id_of(connector.oauth, body);
  tokens.expires_at_ms = expiry_ms(body, now_ms);
  if (tokens.refresh_token.empty()) tokens.refresh_token = grant.refresh_token;
  if (tokens.access_token.empty() ||
      (!tokens.base_url.empty() && origin_of(tokens.base_url).empty()))
    throw Error(ErrorClass::kProvider,
                "the token answer of " + connector.name + " is not what was expected",
                tokens.access_token.empty() ? "It has no access token."
                                            : "Its base url is not an http url.");
  return tokens;
}

bool is_token_granted(const std::string &auth_type) {
  return auth_type == "oauth2" || auth_type == "client_credentials" || auth_type == "jwt_bearer";
}

Request revocation_request(const Connector &connector, const Grant &grant) {
  return app_request(connector, grant, connector.oauth.revoke_path,
                     "token=" + url_encoded(grant.refresh_token));
}

void revocation_answer(const Response &response) {
  if (response.failure == Response::Failure::kForbidden)
    throw Error(ErrorClass::kPermission, response.failure_text);
  if (response.failure != Response::Failure::kNone)
    throw Error(ErrorClass::kTransient, response.failure_text);
  // A token that the provider does not know is one that it does not take.
  if ((response.status >= 200 && response.status < 300) || response.status == 404) return;
  const bool passing = response.status == 408 || response.status == 429 || response.status >= 500;
  throw Error(passing ? ErrorClass::kTransient : ErrorClass::kProvider,
              "the provider answered HTTP " + std::to_string(response.status));
}

int64_t provider_time_ms(const Response &response) { return http_date_ms(response.header("date")); }

}  // namespace supaglue
