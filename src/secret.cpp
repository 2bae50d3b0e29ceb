// pg: secrets of this server. See secret.hpp.
#include "secret.hpp"

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

char *unsealed(const char *purpose, const bytea *sealed, bool read_files) {
  const char *path = key_path();
  const std::string_view bytes(VARDATA_ANY(sealed), VARSIZE_ANY_EXHDR(sealed));
  return guarded_text([&] {
    const std::string plain = unseal(read_key(path), purpose, bytes);
    return read_files ? with_secret_files(plain) : plain;
  });
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
