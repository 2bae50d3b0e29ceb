// simulator: who may ask HubSpot: consent, codes, refresh tokens, access tokens, private apps.
// Reads no records.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>

#include "consent.hpp"
#include "hubspot_schema.hpp"
#include "message.hpp"
#include "value.hpp"

namespace simulator::hubspot {

// What a bearer token is worth.
struct Bearer {
  enum class State { unknown, expired, valid } state = State::unknown;
  std::string org;
  std::int64_t expired_ms = 0;
};

class Grants {
 public:
  explicit Grants(const Clock &clock) : clock_(clock) {}

  // The account that a text names: ORG of ORG or ORG:anything; empty when it cannot be one.
  static std::string org_named_by(const std::string &text);
  // The account of a request to one of the routes below, as far as the request tells.
  static std::string org_of(const Request &request);
  static bool is_token_request(const std::string &path);

  // /oauth/...; `opens` tells whether there is such an account.
  template <typename Opens>
  Response answer(const Request &request, const Opens &opens) {
    const std::string org = org_of(request);
    return route(request, !org.empty() && opens(org) ? org : "");
  }
  Bearer bearer(const std::string &token);

  void set_ttl_ms(std::int64_t ttl);
  void expire_tokens(const std::string &org);  // all accounts when empty
  void set_revoked(const std::string &org, bool is_revoked);

 private:
  struct Code {
    std::string client_id, redirect_uri;
    std::int64_t issued_ms;
  };
  struct Access {
    std::string org, client_id;
    std::int64_t issued_ms, expires_ms;
  };
  Response route(const Request &request, const std::string &org);
  Response consent(const Request &request, const std::string &org);
  Response token(const Form &form, const std::string &org, bool is_v3);
  Response issue(const Form &form, const std::string &org, const std::string &refresh_token);
  Response introspect(const Form &form, const std::string &org);
  Response access_info(const std::string &token);
  Response refresh_info(const std::string &token, const std::string &org);
  nlohmann::json identity(const std::string &org) const;
  bool is_alive(const std::string &refresh_token, const std::string &org) const;
  std::string random_text();

  const Clock &clock_;
  std::mutex mutex_;
  std::int64_t ttl_ms_ = 1800000;
  std::map<std::string, Access> access_tokens_;
  std::map<std::string, Code> codes_;
  std::set<std::string> used_codes_, dead_refresh_tokens_, revoked_;
  std::uint64_t issued_ = 0;
};

// HubSpot's errors.
Response refuse(int status, const std::string &category, const std::string &message);
Response refuse(int status, nlohmann::json body);

}  // namespace simulator::hubspot
