// pg: secrets of this server. See secret.hpp.
#include "secret.hpp"

#include <unistd.h>

#include "pg.hpp"
#include "settings.hpp"
#include "sql.hpp"

namespace supaglue {

namespace {

bool key_is_configured() {
  return settings.encryption_key_file != nullptr && settings.encryption_key_file[0] != '\0';
}

// The key is read each time: 65 bytes, and a key file that was put back works at once.
const char *key_path() {
  return key_is_configured() ? settings.encryption_key_file : format("%s/supaglue.key", DataDir);
}

// Where the key is that sealed it, if it was replaced: a sealed secret names its key behind its
// first byte.
char *replaced_path(const bytea *sealed) {
  if (VARSIZE_ANY_EXHDR(sealed) < 5) return pstrdup("");
  const auto *id = reinterpret_cast<const unsigned char *>(VARDATA_ANY(sealed)) + 1;
  return format("%s.%02x%02x%02x%02x", key_path(), id[0], id[1], id[2], id[3]);
}

// With the key of that path. Null: it does not fit, and `raised` says why.
char *unsealed_by(const char *path, const char *purpose, const bytea *sealed, bool read_files,
                  Raised *raised) {
  const std::string_view bytes(VARDATA_ANY(sealed), VARSIZE_ANY_EXHDR(sealed));
  auto *plain = make_in<std::string>(CurrentMemoryContext);
  if (!attempt([&] { *plain = unseal(read_key(path), purpose, bytes); }, raised)) return nullptr;
  if (read_files) guard([&] { *plain = with_secret_files(*plain); });
  return pnstrdup(plain->data(), plain->size());
}

char *unsealed(const char *purpose, const bytea *sealed, bool read_files) {
  Raised raised, of_replaced;
  char *plain = unsealed_by(key_path(), purpose, sealed, read_files, &raised);
  const char *replaced = replaced_path(sealed);
  if (plain == nullptr && access(replaced, F_OK) == 0)
    plain = unsealed_by(replaced, purpose, sealed, read_files, &of_replaced);
  if (plain == nullptr) raised.raise();
  return plain;
}

void require_done(bool done, const char *path) {
  if (!done)
    ereport(ERROR, (errcode_for_file_access(),
                    errmsg("could not write the encryption key file \"%s\": %m", path),
                    errhint("The server must be able to write the folder of the key file.")));
}

}  // namespace

bytea *seal_secret(const char *purpose, const char *plain) {
  const char *path = key_path();
  const bool configured = key_is_configured();
  auto *sealed = make_in<std::string>(CurrentMemoryContext);
  guard([&] {
    if (!configured) make_key(path);
    *sealed = seal(read_key(path), purpose, plain);
  });
  auto *bytes = static_cast<bytea *>(palloc(VARHDRSZ + sealed->size()));
  SET_VARSIZE(bytes, VARHDRSZ + sealed->size());
  memcpy(VARDATA(bytes), sealed->data(), sealed->size());
  return bytes;
}

char *unseal_secret(const char *purpose, const bytea *sealed) {
  return unsealed(purpose, sealed, true);
}

char *unseal_secret_as_stored(const char *purpose, const bytea *sealed) {
  if (sealed == nullptr) return nullptr;
  return unsealed(purpose, sealed, false);
}

// No crash leaves the file missing: the new key is written whole, and takes its place in one step.
void replace_key() {
  const char *path = key_path(), *next = format("%s.next", path);
  const char *replaced = replaced_path(seal_secret("", "{}"));
  require_done(unlink(next) == 0 || errno == ENOENT, next);
  guard([&] { make_key(next); });
  require_done(link(path, replaced) == 0 || errno == EEXIST, replaced);
  durable_rename(next, path, ERROR);
}

bool has_current_key(const char *purpose, const bytea *sealed) {
  Raised raised;
  return unsealed_by(key_path(), purpose, sealed, false, &raised) != nullptr;
}

char *read_secret_files(const char *plain) {
  if (plain == nullptr) return nullptr;
  return guarded_text([&] { return with_secret_files(plain); });
}

void check_secret_files(Oid role, const char *plain) {
  const bool has_files = plain != nullptr && guard([&] { return has_secret_file(plain); });
  if (has_files && !has_privs_of_role(role, ROLE_PG_READ_SERVER_FILES))
    ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                    errmsg("permission denied to read a secret from a file"),
                    errhint("Only members of pg_read_server_files may give {\"file\": ...}.")));
}

}  // namespace supaglue
