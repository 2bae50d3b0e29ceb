// pure: a customer's consent by OAuth's authorization code: the address that a browser is sent to,
// what comes back with it, and whose account it is. It makes no requests and keeps nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "connector.hpp"
#include "http.hpp"
#include "json.hpp"
#include "pure.hpp"

namespace supaglue {

/// What an application may ask for, beside what the provider's configuration says.
struct ConsentOptions {
  std::string login_url;  // empty: as configured
  std::optional<std::vector<std::string>> scopes;
  bool replace_account = false;
  Json extras = Json::object();  // parameters of the provider's own, as texts
};
/// Reads them. Throws kBadDocument, for a parameter too that is not the application's to set.
ConsentOptions read_consent_options(std::string_view document);

/// Two secrets: `state` goes through the browser and names the consent, `verifier` stays here and
/// proves at the end that it was us who asked (PKCE, RFC 7636).
struct ConsentSecrets {
  std::string state;
  std::string verifier;
};
ConsentSecrets new_consent_secrets();

struct ConsentRequest {
  std::string login_url;  // empty: nobody set one
  std::string client_id;
  std::string redirect_uri;
  std::vector<std::string> scopes;
  Json extras = Json::object();
};
/// The address of the provider's page.
std::string consent_url(const Connector &connector, const ConsentRequest &request,
                        const ConsentSecrets &secrets);

/// The parameters with which the provider sends the browser back.
struct ConsentAnswer {
  std::string state;
  std::string code;
  std::string error;              // instead of a code
  std::string error_description;  // the provider's words, printable
};
/// Reads the query string as an object; what else there is, is ignored. Throws kBadDocument when it
/// is none of a callback.
ConsentAnswer read_consent_answer(std::string_view parameters);

/// Throws kBadDocument unless a browser may be sent there: http, https, or a path.
void check_return_url(const std::string &return_url);

/// Whose account it is, as the answer to the connector's probe tells; empty where it does not.
struct Account {
  std::string id;
  std::string name;
};
Account account_in(const Probe &probe, const Response &response);

}  // namespace supaglue
