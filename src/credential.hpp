// pure: a connection's credential, put together from the documents of its rows: where the provider
// is spoken to and with which token, and what a refresh needs. It does not know how they are stored
// or sealed.
#pragma once

#include <cstdint>
#include <string>

#include "session.hpp"

#include "pure.hpp"

namespace supaglue {

/// The documents as JSON texts; null where there is none.
struct CredentialTexts {
  const char *provider_name;
  const char *connection_config;
  const char *provider_config;
  const char *provider_secret;
  const char *secret;
  const char *base_url;  // as a token answer told it
  int64_t generation;
  bool expired;           // the access token
  int64_t good_until_ms;  // no later is it worth sending; 0: unknown
};

/// Throws kInternal when the connector is not there.
void resolve_credential(const CredentialTexts &texts, Access *access, Grant *grant);

/// The secret to keep after a refresh: the stored one with what the refresh changed. `resolved` is
/// the stored one with the contents of its files.
std::string refreshed_secret(const char *stored, const char *resolved, const Tokens &tokens);

}  // namespace supaglue
