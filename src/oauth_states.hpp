// pg: consents that customers have been asked for and have not answered: each is known by the
// digest of its state, is answered once, and is forgotten. It speaks to no provider.
#pragma once

#include "pg.hpp"

namespace supaglue {

/// Asks: the address of the provider's page, for a customer's browser. `provider_name` is looked up
/// in the application; `options` is JSON.
char *ask_for_consent(const char *application_id, const char *customer_id,
                      const char *provider_name, const char *return_url, const char *options);

/// What a state stands for; plain memory.
struct PendingConsent {
  char *digest;  // of the state, in hexadecimal digits
  char *application_id;
  char *customer_id;
  int64 provider_id;
  char *return_url;
  char *redirect_uri;
  char *login_url;  // null: nobody set one
  bool replace_account;
  char *verifier;
  bool expired;
};
/// Null for one that is not known (any more), or that another callback answers right now.
PendingConsent *find_consent(const char *state);
/// Forgets it. False: another callback has done so.
bool forget_consent(const PendingConsent *consent);

/// The provider's id, and whether customers can be asked for consent; raises what is in the way.
int64 require_consenting_provider(const char *application_id, const char *provider_name);
/// Raises 22023 unless a browser may be sent there.
void require_return_url(const char *return_url);

}  // namespace supaglue
