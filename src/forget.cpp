// pg: forget_secrets(): a copy of a database, for tests or for others, that can neither reach
// anybody's account nor be opened by whoever gets the key.
#include "catalog.hpp"
#include "pg.hpp"
#include "sql.hpp"
#include "sync_rows.hpp"

using namespace supaglue;

namespace {

constexpr const char *kReason = "its secrets were forgotten by supaglue.forget_secrets()";

// A sealed secret of no bytes is one that cannot be read: only a new one helps.
void forget() {
  sql("UPDATE supaglue_internal.tokens SET secret = '', generation = generation + 1,"
      " expires_at = NULL");
  sql("UPDATE supaglue_internal.providers SET secret = '' WHERE secret IS NOT NULL");
  sql("UPDATE supaglue_internal.destinations SET secret = '' WHERE secret IS NOT NULL");
  sql("DELETE FROM supaglue_internal.oauth_states");
  sql("DELETE FROM supaglue_internal.magic_links WHERE redeemed_at IS NULL");
  sql("DELETE FROM supaglue_internal.erasures WHERE what = 'token'");
}

}  // namespace

SUPAGLUE_FUNCTION(supaglue_forget_secrets) {
  const Api api = open_api();
  sql("SELECT FROM supaglue_internal.connections ORDER BY id FOR NO KEY UPDATE");
  stop_runs(find_syncs({}));
  forget();
  sql("UPDATE supaglue_internal.connections SET status = 'disabled', status_reason = $1",
      {text_arg(kReason)});
  sql("WITH paused AS ("
      "  UPDATE supaglue_internal.syncs SET pause_reason = $1,"
      "    paused_by = pg_catalog.array_remove(paused_by, 'authentication') || '{authentication}'"
      "  RETURNING id)"
      "INSERT INTO supaglue_internal.sync_changes SELECT id FROM paused",
      {text_arg(kReason)});
  close_api(api);
  PG_RETURN_VOID();
}
