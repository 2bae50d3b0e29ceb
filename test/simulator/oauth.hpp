// simulator: who may ask: access tokens, refresh tokens and their rotation. Reads no records.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>

#include "message.hpp"
#include "org.hpp"

namespace simulator {

class OAuth {
 public:
  enum class Rotation { none, grace, strict };

  OAuth(World &world, const Clock &clock) : world_(world), clock_(clock) {}
  void set_base_url(std::string url) { base_url_ = std::move(url); }
  void set_rotation(Rotation rotation);
  void set_access_token_ttl_ms(std::int64_t ttl);

  // The org that a grant names: ORG of the refresh token or code ORG:anything, and so on.
  static std::string org_of_grant(const Request &request);

  // The page on which a person consents, and where the browser goes when they have decided.
  Response authorize(const Request &request);
  Response token(const Request &request, const std::string &org_of_path);
  Response revoke(const Request &request);
  std::string identity_url(const Org &org) const;  // the caller holds the org's mutex
  Response user_info(const Org &org) const;
  std::string org_of(const std::string &access_token);  // empty: nobody's
  bool is_valid(const std::string &access_token, const std::string &org);

  // For the control endpoint.
  void expire_tokens(const std::string &org);  // all orgs when empty
  void set_revoked(const std::string &org, bool is_revoked);
  std::map<std::string, size_t> reuse_counts();  // refresh tokens used after their rotation, by org
  void reset_reuse_counts();

 private:
  struct Access {
    std::string org;
    std::int64_t issued_ms;
  };
  // What a code was given for; it can be redeemed by nobody else, and once.
  struct Code {
    std::string client_id, redirect_uri, challenge;
    bool refreshes;
    std::int64_t issued_ms;
  };
  std::string random_text();
  std::string redeem_code(const Request &request, bool *refreshes);  // empty: it is good
  Response refresh_grant(const Request &request, const Org &org);
  Response issue(const Org &org, const std::string &refresh_token);

  World &world_;
  const Clock &clock_;
  std::string base_url_;
  std::mutex mutex_;
  Rotation rotation_ = Rotation::none;
  std::int64_t ttl_ms_ = 0;
  std::map<std::string, Access> access_tokens_;
  std::map<std::string, Code> codes_;
  std::set<std::string> used_codes_, dead_refresh_tokens_, revoked_orgs_;
  std::map<std::string, size_t> reuse_counts_;
  std::uint64_t issued_ = 0;
};

OAuth::Rotation rotation_from(const std::string &mode);  // none, grace, strict

}  // namespace simulator
