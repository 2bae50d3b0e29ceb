// pg: the extension as an object of this database: who owns it, whether this database may sync, and
// acting as another role. It must not know providers, syncs or tables of users.
#pragma once

#include "pg.hpp"

namespace supaglue {

/// Whether CREATE EXTENSION supaglue was done in this database (needs a transaction).
bool extension_exists();
Oid extension_owner();

/// The role that acts, to be given back. A transaction that aborts gives it back by itself.
struct Identity {
  Oid role;
  int security_context;
};
/// Acts as a role until restore(): our own tables as extension_owner(); DDL and merges as a sync
/// config's owner, who must not be led to run a user's code with more rights
/// (SECURITY_RESTRICTED_OPERATION).
Identity become(Oid role, bool restricted);
void restore(Identity identity);

/// Opens an API function: connects SPI and acts as the extension's owner, so that the caller needs
/// no right on our own tables, with a search_path in which he has no say. close_api() undoes all.
/// `caller` is the role that called.
struct Api {
  Identity identity;
  Oid caller;
  int settings_level;
};
Api open_api();
void close_api(Api api);

/// supaglue.application_id; an empty one is an error.
const char *default_application();
/// The application an API call works for: the argument when given, else supaglue.application_id.
const char *application_of(FunctionCallInfo fcinfo, int argument);
/// A text argument as a C string; NULL is an error that names it.
char *text_argument(FunctionCallInfo fcinfo, int argument, const char *name);
int64 int_argument(FunctionCallInfo fcinfo, int argument, const char *name);

/// Marks this database as the one that syncs, unless one is marked already (configuring calls it).
void claim_installation();
/// Whether workers may serve this database: the installation row names it, or another one of which
/// this is a restored or cloned copy, or there is none before any configuration.
enum class Installation { kHere, kElsewhere, kNone };
Installation installation();
bool installation_is_elsewhere();
/// Marks this database as the one that syncs, whatever was marked before.
void move_installation_here();

/// Writes an event and notifies channel `supaglue` with its id, kind, run and sync (0: none) at
/// commit. `payload` is JSON text or null.
void write_event(const char *kind, const char *application_id, const char *customer_id,
                 const char *provider_name, int64 sync_id, int64 run_id, const char *payload);

}  // namespace supaglue
