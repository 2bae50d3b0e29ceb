// pg: sealing and unsealing of secrets with this server's key: the only caller of crypto.hpp. The
// key comes from supaglue.encryption_key_file, or, when that is empty, from "supaglue.key" in the
// data directory, made at first need.
#pragma once

#include "pg.hpp"

namespace supaglue {

/// `purpose` names the row ("provider 3"); `plain` is JSON text.
bytea *seal_secret(const char *purpose, const char *plain);
/// The JSON text, in the current context. {"file": "/path"} values are replaced by the files'
/// contents (trailing newline cut). Raises XX000 with a hint when the key does not fit.
char *unseal_secret(const char *purpose, const bytea *sealed);
/// The same without reading the files: for update_*(). Null gives null.
char *unseal_secret_as_stored(const char *purpose, const bytea *sealed);

/// Makes a new key; the one that was is kept beside it, under its name ("<file>.<id>"), and unseals
/// what it has sealed, here and in other databases of this server.
void replace_key();
/// Whether the key as it is now unseals it.
bool has_current_key(const char *purpose, const bytea *sealed);

/// The same replacement in a secret that is not sealed. Null gives null.
char *read_secret_files(const char *plain);

/// Raises 42501 when a secret is {"file": ...} and the role may not read the server's files.
/// `plain` may be null.
void check_secret_files(Oid role, const char *plain);

}  // namespace supaglue
