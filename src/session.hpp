// pure: the session stands between a source and the pool for one connection: it adds
// authentication, sorts answers, and says when to try again. Every decision is a function of its
// arguments, the time included (milliseconds since 1970). It starts no transfer and keeps no secret
// longer than a request.
#pragma once

#include <cstdint>
#include <string>

#include "connector.hpp"
#include "error.hpp"
#include "http.hpp"
#include "json.hpp"
#include "pure.hpp"

namespace supaglue {

/// What the session needs of a connection to speak to the provider now.
struct Access {
  std::string base_url;       // "https://acme.my.salesforce.com"
  std::string access_token;   // empty: none yet
  int64_t generation = 0;     // grows with every refresh
  std::string auth_type;      // says how the token travels; an API key stands in its place, or
                              // "name:password"
  int64_t good_until_ms = 0;  // no later is the token worth sending; 0: unknown
};

/// What a refresh needs (made from the provider's and the connection's secrets).
struct Grant {
  std::string auth_type;  // "oauth2", ...
  std::string login_url;
  std::string client_id;
  std::string client_secret;
  std::string refresh_token;
  std::string username;     // jwt_bearer
  std::string private_key;  // jwt_bearer, PEM
  // Of a customer's consent, once: they give the first refresh token.
  std::string code;
  std::string code_verifier;
  std::string redirect_uri;
};

/// What a refresh gives.
struct Tokens {
  std::string access_token;
  std::string refresh_token;  // the one to use from now on (the old one when none came back)
  std::string base_url;       // empty: unchanged
  std::string account_id;     // empty: not told
  int64_t expires_at_ms = 0;  // 0: unknown
};

/// A source's request with an absolute url and the connection's authentication.
/// A path that is already absolute must have the base url's host; else kProvider.
Request authorize(const Connector &connector, const Access &access, Request request);

struct Verdict {
  enum class Kind {
    kDeliver,  // a good answer: give it to the source
    kRefresh,  // the token is no longer good: refresh once, then send again
    kRetry,    // send again at `retry_at_ms`
    kFail,     // `error` says why
  };
  Kind kind = Kind::kDeliver;
  int64_t retry_at_ms = 0;  // of a failure: before which the provider wants no other request
  Error error{ErrorClass::kInternal, ""};
};

/// How often this very request was sent before, and whether the token was refreshed for it.
struct Attempts {
  int sent = 1;
  bool refreshed = false;
};

/// What to do with an answer. `jitter` is in [0, 1). Transient failures and short waits are
/// retried (at most 5 times, full jitter, Retry-After obeyed up to a minute); a longer wait fails
/// as kQuota or kTransient with the time in the detail.
Verdict judge(const Connector &connector, const Response &response, const Attempts &attempts,
              int64_t now_ms, double jitter);

/// How long an answer's Retry-After asks to wait, in seconds or until a date; 0: it does not.
int64_t asked_wait_ms(const Response &response, int64_t now_ms);

/// The request that gets a connection a new token, by its refresh token, by a code, or by the grant
/// of its auth type; its url is absolute. Throws kAuthentication where no request can: a key does
/// not refresh.
Request token_request(const Connector &connector, const Grant &grant, int64_t now_ms);
/// What it answered. Throws kAuthentication when the grant was refused, kTransient or kProvider
/// otherwise; never with a token in any text.
Tokens token_answer(const Connector &connector, const Grant &grant, const Response &response,
                    int64_t now_ms);

/// The request that ends a token, `grant.refresh_token`, at the provider (RFC 7009); its url is
/// absolute. Only for connectors with a `revoke_path`.
Request revocation_request(const Connector &connector, const Grant &grant);
/// What it answered. Throws unless the token is no more; kTransient where trying again may help.
void revocation_answer(const Response &response);
/// Whether credentials of a type are exchanged for tokens, which a provider can end.
bool is_token_granted(const std::string &auth_type);

/// The provider's clock in an answer (its Date header), milliseconds since 1970; 0 without one.
int64_t provider_time_ms(const Response &response);

}  // namespace supaglue
