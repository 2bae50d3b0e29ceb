// pg: adopt_database(): a restored or cloned database becomes the one that syncs.
#include "catalog.hpp"
#include "pg.hpp"
#include "sql.hpp"
#include "worker.hpp"

using namespace supaglue;

SUPAGLUE_FUNCTION(supaglue_adopt_database) {
  const Api api = open_api();
  move_installation_here();
  // Runs that a clone brought along belong to the workers of the original.
  sql("DELETE FROM supaglue_internal.runs");
  wake_at_commit(WorkerKind::kFetcher);
  wake_at_commit(WorkerKind::kMerger);
  close_api(api);
  PG_RETURN_VOID();
}
