// pg: the rows of connections and their tokens, as both ways of connecting a customer write them:
// create_connection() with credentials that somebody has, oauth_callback() with new ones.
#pragma once

#include "erasure.hpp"
#include "pg.hpp"

namespace supaglue {

/// What a connection consists of; plain memory, null where there is nothing.
struct ConnectionRow {
  const char *application_id;
  const char *customer_id;
  int64 provider_id;
  const char *provider_name;
  const char *config;      // JSON: {auth_type, instance_url?, login_url?}
  const char *secret;      // JSON: the credentials
  TimestampTz expires_at;  // of an access token among them; DT_NOBEGIN: not known
  bool granted;            // by the provider, just now
  const char *base_url;    // as a token answer told it
  const char *account_id;
  const char *account_name;
};

/// Raises 42704 for a customer who is not known; else he stays for this transaction.
void require_customer(const char *application_id, const char *customer_id);
/// Makes a connection with its syncs and tells of it. The provider's row is locked by the caller.
void insert_connection(int64 id, const ConnectionRow *row);
/// Gives a connection other credentials (secret, expiry and base url of the row): it is active, and
/// what a refusal of the old ones paused goes on. A refresh that is under way with those finds
/// another generation, and is not stored.
void replace_credentials(int64 id, const ConnectionRow *row);
/// Ends a connection with its syncs, their runs and its credentials, and tells of it. `erase`: our
/// own records of it go, too; `revoke`: the provider is to end its token once this is committed.
/// Whose rows are left; raises 42704 when there is no such connection.
Whose end_connection(int64 id, bool erase, bool revoke);
/// "connection.created" and the like.
void write_connection_event(const char *kind, const char *application_id, const char *customer_id,
                            const char *provider_name, int64 id);

}  // namespace supaglue
