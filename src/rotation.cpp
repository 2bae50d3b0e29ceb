// pg: rotate_encryption_key(): seals every stored secret anew with a new key. The file changes at
// once, the rows when the transaction commits; in between, after a rollback, and in other databases
// of the server, the key that was is read from beside it. Consents under way are left: they last
// ten minutes.
#include "catalog.hpp"
#include "pg.hpp"
#include "secret.hpp"
#include "sql.hpp"

using namespace supaglue;

namespace {

struct Sealed {
  const char *noun;  // what the purpose begins with
  const char *table;
  const char *id;
};
constexpr Sealed kSealed[] = {
    {"provider", "supaglue_internal.providers", "id"},
    {"destination", "supaglue_internal.destinations", "id"},
    {"connection", "supaglue_internal.tokens", "connection_id"},
    {"erasure", "supaglue_internal.erasures", "id"},
};

// Calls `visit(id, purpose, secret)` for each secret of a table; forgotten ones are none.
template <typename Visit>
void for_each_secret(const Sealed &where, Visit &&visit) {
  const uint64 count =
      sql(format("SELECT %s, secret FROM %s WHERE secret <> '' ORDER BY 1", where.id, where.table));
  SPITupleTable *rows = SPI_tuptable;
  for (uint64 row = 0; row < count; ++row) {
    SPI_tuptable = rows;
    const int64 id = int_at(row, 1);
    visit(id, format("%s " INT64_FORMAT, where.noun, id), bytes_at(row, 2));
  }
}

void seal_anew() {
  for (const Sealed &where : kSealed)
    for_each_secret(where, [&](int64 id, const char *purpose, const bytea *secret) {
      if (has_current_key(purpose, secret)) return;
      const bytea *sealed = seal_secret(purpose, unseal_secret_as_stored(purpose, secret));
      sql(format("UPDATE %s SET secret = $2 WHERE %s = $1", where.table, where.id),
          {int_arg(id), bytes_arg(VARDATA_ANY(sealed), VARSIZE_ANY_EXHDR(sealed))});
    });
}

}  // namespace

SUPAGLUE_FUNCTION(supaglue_rotate_encryption_key) {
  const Api api = open_api();
  // Who has sealed something with the old key has committed it; who is about to, waits.
  sql("LOCK TABLE supaglue_internal.providers, supaglue_internal.destinations,"
      " supaglue_internal.tokens, supaglue_internal.erasures IN SHARE ROW EXCLUSIVE MODE");
  replace_key();
  seal_anew();
  close_api(api);
  PG_RETURN_VOID();
}
