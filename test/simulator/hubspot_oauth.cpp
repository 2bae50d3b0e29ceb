// simulator: HubSpot's grants; see hubspot_oauth.hpp.
#include "hubspot_oauth.hpp"

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <random>

namespace simulator::hubspot {

using nlohmann::json;

static constexpr std::int64_t code_lives_ms = 600000;

// --- Errors -------------------------------------------------------------------------------------
static std::string correlation_id() {
  static std::atomic<std::uint64_t> count{0};
  const std::uint64_t one = mix(++count), two = mix(one);
  char text[40];
  std::snprintf(text, sizeof text, "%08x-%04x-4%03x-8%03x-%012llx", static_cast<unsigned>(one),
                static_cast<unsigned>(one >> 32 & 0xffff), static_cast<unsigned>(one >> 52),
                static_cast<unsigned>(two & 0xfff),
                static_cast<unsigned long long>(two >> 16 & 0xffffffffffff));
  return text;
}

Response refuse(int status, json body) {
  json whole = {{"status", "error"}, {"correlationId", correlation_id()}};
  whole.update(body);
  return {status, whole.dump()};
}

Response refuse(int status, const std::string &category, const std::string &message) {
  return refuse(status, json{{"message", message}, {"category", category}});
}

// The older endpoint tells what is wrong by the status, the newer one as RFC 6749 does.
static Response refuse_grant(bool is_v3, const char *status, const char *error,
                             const std::string &message) {
  json body = {{"status", status}, {"message", message}};
  if (is_v3) body.update({{"error", error}, {"error_description", message}});
  return refuse(400, std::move(body));
}

// --- Accounts -----------------------------------------------------------------------------------
std::string Grants::org_named_by(const std::string &text) {
  const std::string name = text.substr(0, text.find(':'));
  for (const char c : name)
    if (!isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '-') return "";
  return name;
}

static std::string version_of(const std::string &path) {
  return path.substr(7, path.find('/', 7) - 7);
}

bool Grants::is_token_request(const std::string &path) {
  return path.starts_with("/oauth/") && path.find('/', 7) != std::string::npos &&
         path.substr(path.find('/', 7)) == "/token";
}

static std::string after(const std::string &path, const std::string &prefix) {
  return path.starts_with(prefix) ? path.substr(prefix.size()) : "";
}

// The newer endpoint wants its parameters in the body; the older one takes them wherever they are.
static Form form_of(const Request &request) {
  if (version_of(request.path) != "v1") return form_from(request.body);
  Form form = form_from(request.body);
  for (const auto &[name, value] : request.params) form.emplace(name, value);
  return form;
}

static std::string at(const Form &form, const std::string &name) {
  const auto found = form.find(name);
  return found == form.end() ? "" : found->second;
}

std::string Grants::org_of(const Request &request) {
  if (request.path == "/oauth/authorize")
    return org_named_by(at(form_from(request.body), "account"));
  const std::string refresh = after(request.path, "/oauth/v1/refresh-tokens/");
  if (!refresh.empty()) return org_named_by(refresh);
  const Form form = form_of(request);
  const std::string token = at(form, "refresh_token"), code = at(form, "code");
  return org_named_by(!token.empty() ? token : !code.empty() ? code : at(form, "token"));
}

json Grants::identity(const std::string &org) const {
  const unsigned long hub = hub_id_of(org);
  return {{"hub_id", hub},
          {"user_id", hub / 7},
          {"scopes",
           {"oauth", "crm.objects.contacts.read", "crm.objects.companies.read",
            "crm.objects.deals.read", "crm.objects.owners.read"}}};
}

std::string Grants::random_text() {
  static const std::uint64_t start = std::random_device{}();
  std::string text;
  issued_++;
  for (std::uint64_t part = 0; part < 4; part++) {
    char hex[20];
    const std::uint64_t bits = mix(start * 0x100000001ull + issued_ * 4 + part);
    std::snprintf(hex, sizeof hex, "%016llx", static_cast<unsigned long long>(bits));
    text += hex;
  }
  return text;
}

// --- Routes -------------------------------------------------------------------------------------
Response Grants::route(const Request &request, const std::string &org) {
  const std::string &path = request.path, version = version_of(path);
  if (path == "/oauth/authorize") return consent(request, org);
  const std::string access = after(path, "/oauth/v1/access-tokens/");
  if (!access.empty() && request.method == "GET") return access_info(access);
  const std::string refresh = after(path, "/oauth/v1/refresh-tokens/");
  const std::lock_guard lock(mutex_);
  if (!refresh.empty() && request.method == "DELETE") {
    dead_refresh_tokens_.insert(refresh);
    return {204, ""};
  }
  if (!refresh.empty()) return refresh_info(refresh, org);
  if (is_token_request(path) && request.method == "POST")
    return token(form_of(request), org, version != "v1");
  if (path == "/oauth/" + version + "/token/introspect") return introspect(form_of(request), org);
  if (path == "/oauth/" + version + "/token/revoke") {
    const std::string token = at(form_of(request), "token");
    access_tokens_.erase(token);
    dead_refresh_tokens_.insert(token);
    return {200, "{}"};
  }
  return refuse(404, "OBJECT_NOT_FOUND", "no such route: " + request.method + " " + path);
}

// The page is asked for by GET, and answered by the person's POST.
Response Grants::consent(const Request &request, const std::string &org) {
  const bool is_decided = request.method == "POST";
  const Form form = is_decided ? form_from(request.body) : Form(request.params);
  for (const char *needed : {"client_id", "redirect_uri", "scope"})
    if (at(form, needed).empty())
      return complaint_page(400, "HubSpot", std::string("Missing parameter: ") + needed);
  const std::string state = at(form, "state"), redirect_uri = at(form, "redirect_uri");
  if (!is_decided) {
    Form kept;
    for (const char *name : {"client_id", "redirect_uri", "scope", "state"})
      kept[name] = at(form, name);
    const std::string account = at(form, "account");
    return consent_page("HubSpot", "The application " + at(form, "client_id"),
                        account.empty() ? "default" : account, "/oauth/authorize", kept);
  }
  Form answer;
  if (!state.empty()) answer["state"] = state;
  if (at(form, "decision") != "allow") {
    answer["error"] = "access_denied";
    answer["error_description"] = "The user denied the request";
    return redirect(redirect_uri, answer);
  }
  if (org.empty()) return complaint_page(400, "HubSpot", "There is no such account.");
  const std::lock_guard lock(mutex_);
  const std::string code = org + ":" + random_text();
  codes_[code] = {at(form, "client_id"), redirect_uri, clock_.now_ms()};
  answer["code"] = code;
  return redirect(redirect_uri, answer);
}

bool Grants::is_alive(const std::string &refresh_token, const std::string &org) const {
  return !org.empty() && !revoked_.count(org) && !dead_refresh_tokens_.count(refresh_token);
}

Response Grants::token(const Form &form, const std::string &org, bool is_v3) {
  const std::string grant = at(form, "grant_type");
  const auto no = [&](const char *status, const char *error, const std::string &message) {
    return refuse_grant(is_v3, status, error, message);
  };
  if (grant != "refresh_token" && grant != "authorization_code")
    return no("BAD_GRANT_TYPE", grant.empty() ? "invalid_request" : "unsupported_grant_type",
              "missing or unknown grant type");
  if (at(form, "client_id").empty())
    return no("BAD_CLIENT_ID", "invalid_client", "missing or unknown client id");
  if (at(form, "client_secret").empty())
    return no("BAD_CLIENT_SECRET", "invalid_client", "missing or invalid client secret");
  if (grant == "refresh_token") {
    const std::string used = at(form, "refresh_token");
    if (!is_alive(used, org))
      return no("BAD_REFRESH_TOKEN", "invalid_grant", "missing or invalid refresh token");
    return issue(form, org, used);
  }
  const std::string code = at(form, "code"), redirect_uri = at(form, "redirect_uri");
  if (redirect_uri.empty())
    return no("BAD_REDIRECT_URI", "invalid_request", "missing or invalid redirect uri");
  if (org.empty() || revoked_.count(org) || !used_codes_.insert(code).second)
    return no("BAD_AUTH_CODE", "invalid_grant", "missing or unknown auth code");
  const auto asked = codes_.find(code);
  if (asked != codes_.end()) {
    if (clock_.now_ms() - asked->second.issued_ms >= code_lives_ms)
      return no("EXPIRED_AUTH_CODE", "invalid_grant", "auth code is expired");
    if (asked->second.client_id != at(form, "client_id"))
      return no("MISMATCH_CLIENT_ID", "invalid_grant", "mismatch client id for auth code");
    if (asked->second.redirect_uri != redirect_uri)
      return no("MISMATCH_REDIRECT_URI_AUTH_CODE", "invalid_grant",
                "redirect uri does not match initial redirect uri for auth code");
  }
  return issue(form, org, org + ":" + random_text());
}

Response Grants::issue(const Form &form, const std::string &org, const std::string &refresh_token) {
  const std::int64_t now = clock_.now_ms();
  std::string access_token = "C";  // real ones have up to 300 characters
  for (int part = 0; part < 4; part++) access_token += random_text().substr(0, 60);
  access_tokens_[access_token] = {org, at(form, "client_id"), now, now + ttl_ms_};
  json answer = identity(org);
  answer.update({{"access_token", access_token},
                 {"refresh_token", refresh_token},
                 {"expires_in", ttl_ms_ / 1000},
                 {"token_type", "bearer"},
                 {"token_use", "access_token"}});
  return {200, answer.dump()};
}

Response Grants::refresh_info(const std::string &token, const std::string &org) {
  if (!is_alive(token, org))
    return refuse(404,
                  json{{"message", "refresh token not found"}, {"category", "OBJECT_NOT_FOUND"}});
  json answer = identity(org);
  answer.update({{"token", token},
                 {"client_id", "simulated-client"},
                 {"hub_domain", org + ".example.com"},
                 {"user", "user@" + org + ".example.com"},
                 {"token_type", "refresh"}});
  return {200, answer.dump()};
}

Response Grants::access_info(const std::string &token) {
  const Bearer known = bearer(token);
  if (known.state != Bearer::State::valid || token.starts_with("pat-"))
    return refuse(404, "OBJECT_NOT_FOUND", "access token not found");
  const std::lock_guard lock(mutex_);
  json answer = identity(known.org);
  answer.update({{"token", token},
                 {"hub_domain", known.org + ".example.com"},
                 {"user", "user@" + known.org + ".example.com"},
                 {"app_id", 1234567},
                 {"expires_in", (access_tokens_[token].expires_ms - clock_.now_ms()) / 1000},
                 {"token_type", "access"}});
  return {200, answer.dump()};
}

Response Grants::introspect(const Form &form, const std::string &org) {
  const std::string token = at(form, "token");
  const auto access = access_tokens_.find(token);
  const bool is_access = access != access_tokens_.end();
  const bool is_active =
      is_access ? clock_.now_ms() < access->second.expires_ms : is_alive(token, org);
  if (!is_active) return {200, json{{"active", false}}.dump()};
  const std::string name = is_access ? access->second.org : org;
  json answer = identity(name);
  answer.update({{"active", true},
                 {"app_id", 1234567},
                 {"client_id", is_access ? access->second.client_id : "simulated-client"},
                 {"hub_domain", name + ".example.com"},
                 {"user", "user@" + name + ".example.com"},
                 {"token", token},
                 {"token_type", "bearer"},
                 {"token_use", is_access ? "access_token" : "refresh_token"}});
  if (is_access) answer["is_private_distribution"] = false;
  if (is_access) answer["expires_in"] = (access->second.expires_ms - clock_.now_ms()) / 1000;
  return {200, answer.dump()};
}

// --- Tokens -------------------------------------------------------------------------------------
Bearer Grants::bearer(const std::string &token) {
  const std::lock_guard lock(mutex_);
  if (token.starts_with("pat-")) {
    const std::string org = org_named_by(token.substr(4));
    const bool is_valid = !org.empty() && !revoked_.count(org);
    return {is_valid ? Bearer::State::valid : Bearer::State::unknown, org};
  }
  const auto found = access_tokens_.find(token);
  if (found == access_tokens_.end()) return {};
  const Access &access = found->second;
  const bool is_expired = clock_.now_ms() >= access.expires_ms;
  if (revoked_.count(access.org)) return {Bearer::State::unknown, access.org};
  return {is_expired ? Bearer::State::expired : Bearer::State::valid, access.org,
          access.expires_ms};
}

void Grants::set_ttl_ms(std::int64_t ttl) {
  const std::lock_guard lock(mutex_);
  ttl_ms_ = ttl;
}

void Grants::expire_tokens(const std::string &org) {
  const std::lock_guard lock(mutex_);
  for (auto &[token, access] : access_tokens_)
    if (org.empty() || access.org == org)
      access.expires_ms = std::min(access.expires_ms, clock_.now_ms());
}

void Grants::set_revoked(const std::string &org, bool is_revoked) {
  const std::lock_guard lock(mutex_);
  if (is_revoked)
    revoked_.insert(org);
  else
    revoked_.erase(org);
}

}  // namespace simulator::hubspot
