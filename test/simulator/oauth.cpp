// simulator: the token endpoint; see oauth.hpp.
#include "oauth.hpp"

#include <openssl/sha.h>

#include <nlohmann/json.hpp>
#include <random>
#include <stdexcept>

#include "consent.hpp"

namespace simulator {

using nlohmann::json;

static Response refuse(const std::string &error, const std::string &description) {
  return {400, json{{"error", error}, {"error_description", description}}.dump()};
}

// What of a text can be an org's name: up to the first : or @.
static std::string org_name(const std::string &text) {
  const std::string name = text.substr(0, text.find_first_of(":@"));
  for (const char c : name)
    if (!isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '-') return "";
  return name;
}

static std::string base64url_decode(const std::string &text) {
  static constexpr std::string_view alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out;
  unsigned bits = 0;
  int count = 0;
  for (const char c : text) {
    const size_t digit = alphabet.find(c);
    if (digit == std::string_view::npos) break;
    bits = bits << 6 | static_cast<unsigned>(digit);
    count += 6;
    if (count >= 8) out += static_cast<char>(bits >> (count -= 8) & 0xff);
  }
  return out;
}

static std::string jwt_subject(const std::string &assertion) {
  const size_t dot = assertion.find('.');
  if (dot == std::string::npos) return "";
  const json claims = json::parse(base64url_decode(assertion.substr(dot + 1)), nullptr, false);
  const bool names_one = claims.is_object() && claims.contains("sub") && claims["sub"].is_string();
  return names_one ? claims["sub"].get<std::string>() : "";
}

std::string OAuth::org_of_grant(const Request &request) {
  const std::string grant = request.param("grant_type");
  if (grant == "refresh_token") return org_name(request.param("refresh_token"));
  if (grant == "authorization_code") return org_name(request.param("code"));
  if (grant == "password") return org_name(request.param("username"));
  if (grant.ends_with("jwt-bearer")) return org_name(jwt_subject(request.param("assertion")));
  return "default";
}

void OAuth::set_rotation(Rotation rotation) {
  const std::lock_guard lock(mutex_);
  rotation_ = rotation;
}

void OAuth::set_access_token_ttl_ms(std::int64_t ttl) {
  const std::lock_guard lock(mutex_);
  ttl_ms_ = ttl;
}

std::string OAuth::random_text() {
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

// The caller holds the org's mutex.
static std::string user_of(const Org &org) {
  const Table *users = org.find("User");
  return users ? users->id(0) : "";
}

std::string OAuth::identity_url(const Org &org) const {
  return base_url_ + "/id/" + org.id() + "/" + user_of(org);
}

Response OAuth::issue(const Org &org, const std::string &refresh_token) {
  const std::shared_lock lock(org.mutex);
  const std::int64_t now = clock_.now_ms();
  const std::string access_token = org.id().substr(0, 15) + "!AQ" + random_text();
  access_tokens_[access_token] = {org.name(), now};
  json answer = {
      {"access_token", access_token},     {"instance_url", base_url_ + "/org/" + org.name()},
      {"id", identity_url(org)},          {"token_type", "Bearer"},
      {"issued_at", std::to_string(now)}, {"signature", "c2lnbmF0dXJlIG9mIHRoZSBzaW11bGF0b3I="},
      {"scope", "api refresh_token"}};
  if (!refresh_token.empty()) answer["refresh_token"] = refresh_token;
  return {200, answer.dump()};
}

Response OAuth::refresh_grant(const Request &request, const Org &org) {
  const std::string used = request.param("refresh_token");
  if (dead_refresh_tokens_.count(used)) {
    reuse_counts_[org.name()]++;
    return refuse("invalid_grant", "expired access/refresh token");
  }
  if (rotation_ == Rotation::none) return issue(org, "");
  if (rotation_ == Rotation::strict) dead_refresh_tokens_.insert(used);
  return issue(org, org.name() + ":" + random_text());
}

// --- Consent
// --------------------------------------------------------------------------------------
constexpr std::int64_t code_lives_ms = 15 * 60 * 1000;

static std::string base64url_sha256(const std::string &text) {
  static constexpr char alphabet[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  unsigned char digest[SHA256_DIGEST_LENGTH + 1] = {};
  SHA256(reinterpret_cast<const unsigned char *>(text.data()), text.size(), digest);
  std::string out;
  for (size_t bit = 0; bit < 256; bit += 6) {
    const unsigned pair = digest[bit / 8] << 8 | digest[bit / 8 + 1];
    out += alphabet[pair >> (10 - bit % 8) & 63];
  }
  return out;
}

static bool names(const std::string &scopes, const std::string &scope) {
  return (" " + scopes + " ").find(" " + scope + " ") != std::string::npos;
}

Response OAuth::authorize(const Request &request) {
  static const char *const kept_names[] = {"response_type", "client_id", "redirect_uri",
                                           "scope",         "state",     "code_challenge"};
  const std::string redirect_uri = request.param("redirect_uri");
  if (request.param("client_id").empty())
    return complaint_page(400, "Salesforce", "error=invalid_client_id");
  if (redirect_uri.find("://") == std::string::npos)
    return complaint_page(400, "Salesforce", "error=redirect_uri_missing");
  Form answer;
  if (!request.param("state").empty()) answer["state"] = request.param("state");
  const auto refusal = [&](const std::string &error, const std::string &description) {
    answer["error"] = error;
    answer["error_description"] = description;
    return redirect(redirect_uri, answer);
  };
  if (request.param("response_type") != "code")
    return refusal("unsupported_response_type", "response type not supported");
  const std::string method = request.param("code_challenge_method", "S256");
  if (method != "S256") return refusal("invalid_request", "code challenge method not supported");
  if (request.method != "POST") {
    Form kept;
    for (const char *name : kept_names)
      if (!request.param(name).empty()) kept[name] = request.param(name);
    return consent_page("Salesforce", "The application " + request.param("client_id"),
                        request.param("login_hint", "default"), "/services/oauth2/authorize", kept);
  }
  if (request.param("decision") != "allow")
    return refusal("access_denied", "end-user denied authorization");
  const std::string name = org_name(request.param("account"));
  if (name.empty() || !world_.open(name))
    return complaint_page(400, "Salesforce", "There is no such account.");
  const std::lock_guard lock(mutex_);
  const std::string scopes = request.param("scope"), code = name + ":" + random_text();
  codes_[code] = {
      request.param("client_id"), redirect_uri, request.param("code_challenge"),
      scopes.empty() || names(scopes, "refresh_token") || names(scopes, "offline_access"),
      clock_.now_ms()};
  answer["code"] = code;
  return redirect(redirect_uri, answer);
}

// Codes that no page has given, ORG:anything, are good for anybody, and again.
std::string OAuth::redeem_code(const Request &request, bool *refreshes) {
  const std::string code = request.param("code");
  const auto found = codes_.find(code);
  if (found == codes_.end()) return "";
  if (!used_codes_.insert(code).second) return "expired authorization code";
  const Code &given = found->second;
  *refreshes = given.refreshes;
  if (clock_.now_ms() - given.issued_ms >= code_lives_ms) return "expired authorization code";
  if (given.client_id != request.param("client_id")) return "client identifier mismatch";
  if (given.redirect_uri != request.param("redirect_uri"))
    return "redirect_uri must match configuration";
  if (!given.challenge.empty() &&
      given.challenge != base64url_sha256(request.param("code_verifier")))
    return "invalid code verifier";
  return "";
}

Response OAuth::token(const Request &request, const std::string &org_of_path) {
  const std::string grant = request.param("grant_type");
  if (grant.empty()) return refuse("invalid_request", "must supply grant_type");
  if (request.method != "POST") return refuse("invalid_request", "must use HTTP POST");
  if (grant != "refresh_token" && grant != "authorization_code" && grant != "client_credentials" &&
      grant != "password" && grant != "urn:ietf:params:oauth:grant-type:jwt-bearer")
    return refuse("unsupported_grant_type", "grant type not supported");
  if (grant == "refresh_token" && request.param("client_id").empty() &&
      request.header("authorization").empty())
    return refuse("invalid_client_id", "client identifier invalid");
  const std::string name =
      grant == "client_credentials" && !org_of_path.empty() ? org_of_path : org_of_grant(request);
  Org *org = name.empty() ? nullptr : world_.open(name);
  const std::lock_guard lock(mutex_);
  if (!org || revoked_orgs_.count(name))
    return refuse("invalid_grant", grant == "authorization_code" ? "expired authorization code"
                                   : grant == "refresh_token"    ? "expired access/refresh token"
                                                                 : "authentication failure");
  if (grant == "refresh_token") return refresh_grant(request, *org);
  bool refreshes = grant == "authorization_code";
  if (grant == "authorization_code")
    if (const std::string complaint = redeem_code(request, &refreshes); !complaint.empty())
      return refuse("invalid_grant", complaint);
  return issue(*org, refreshes ? name + ":" + random_text() : "");
}

Response OAuth::revoke(const Request &request) {
  const std::string token = request.param("token");
  const std::lock_guard lock(mutex_);
  if (!access_tokens_.erase(token)) dead_refresh_tokens_.insert(token);
  return {200, ""};
}

Response OAuth::user_info(const Org &org) const {
  const std::shared_lock lock(org.mutex);
  const std::string user = user_of(org), url = identity_url(org);
  const json answer = {{"sub", url},
                       {"id", url},
                       {"user_id", user},
                       {"organization_id", org.id()},
                       {"preferred_username", "user@" + org.name() + ".example.com"},
                       {"username", "user@" + org.name() + ".example.com"},
                       {"name", org.name() + " user"},
                       {"display_name", org.name() + " user"},
                       {"email", "user@" + org.name() + ".example.com"},
                       {"active", true},
                       {"user_type", "STANDARD"}};
  return {200, answer.dump()};
}

std::string OAuth::org_of(const std::string &access_token) {
  const std::lock_guard lock(mutex_);
  const auto found = access_tokens_.find(access_token);
  return found == access_tokens_.end() ? "" : found->second.org;
}

bool OAuth::is_valid(const std::string &access_token, const std::string &org) {
  const std::lock_guard lock(mutex_);
  const auto found = access_tokens_.find(access_token);
  if (found == access_tokens_.end()) return false;
  if (ttl_ms_ && clock_.now_ms() - found->second.issued_ms >= ttl_ms_) {
    access_tokens_.erase(found);
    return false;
  }
  return found->second.org == org;
}

void OAuth::expire_tokens(const std::string &org) {
  const std::lock_guard lock(mutex_);
  std::erase_if(access_tokens_,
                [&](const auto &token) { return org.empty() || token.second.org == org; });
}

void OAuth::set_revoked(const std::string &org, bool is_revoked) {
  if (is_revoked) expire_tokens(org);
  const std::lock_guard lock(mutex_);
  if (is_revoked)
    revoked_orgs_.insert(org);
  else
    revoked_orgs_.erase(org);
}

std::map<std::string, size_t> OAuth::reuse_counts() {
  const std::lock_guard lock(mutex_);
  return reuse_counts_;
}

void OAuth::reset_reuse_counts() {
  const std::lock_guard lock(mutex_);
  reuse_counts_.clear();
}

OAuth::Rotation rotation_from(const std::string &mode) {
  if (mode == "none") return OAuth::Rotation::none;
  if (mode == "grace") return OAuth::Rotation::grace;
  if (mode == "strict") return OAuth::Rotation::strict;
  throw std::invalid_argument("rotation is none, grace or strict, not '" + mode + "'");
}

}  // namespace simulator
