// pg: the table of held deletions, and discard_deletions(). See held_deletions.hpp.
#include "held_deletions.hpp"

#include "catalog.hpp"
#include "pg.hpp"
#include "sql.hpp"

namespace supaglue {

namespace {

Arg texts_arg(const Text *texts, int count) {
  auto *datums = static_cast<Datum *>(palloc(sizeof(Datum) * Max(count, 1)));
  for (int i = 0; i < count; ++i)
    datums[i] = PointerGetDatum(cstring_to_text_with_len(texts[i].data, texts[i].length));
  return {TEXTARRAYOID,
          PointerGetDatum(construct_array(datums, count, TEXTOID, -1, false, TYPALIGN_INT)), false};
}

/// The first column of the last result, copied.
HeldIds taken_ids() {
  SPITupleTable *rows = SPI_tuptable;
  const auto count = static_cast<int>(rows->numvals);
  HeldIds held = {static_cast<Text *>(palloc(sizeof(Text) * Max(count, 1))), count};
  for (int i = 0; i < count; ++i) {
    const char *id = text_at(static_cast<uint64>(i), 1);
    held.ids[i] = {id, static_cast<int>(strlen(id))};
  }
  SPI_freetuptable(rows);
  return held;
}

[[noreturn]] void no_such_sync(int64 sync_id) {
  ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                  errmsg("sync " INT64_FORMAT " does not exist", sync_id),
                  errhint("The view supaglue.syncs lists them; supaglue.sync_id() finds one.")));
  pg_unreachable();
}

}  // namespace

bool has_held(int64 sync_id) {
  return sql("SELECT FROM supaglue_internal.held_deletions WHERE sync_id = $1 LIMIT 1",
             {int_arg(sync_id)}) > 0;
}

void nothing_held(int64 sync_id) {
  ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                  errmsg("no deletions of sync " INT64_FORMAT " are held", sync_id),
                  errhint("held_deletions in the view supaglue.syncs says where some are.")));
  pg_unreachable();
}

HeldIds held_among(int64 sync_id, const Text *ids, int count) {
  sql("SELECT id FROM supaglue_internal.held_deletions WHERE sync_id = $1 AND id = ANY ($2)"
      " ORDER BY id",
      {int_arg(sync_id), texts_arg(ids, count)});
  return taken_ids();
}

HeldIds held_after(int64 sync_id, const char *after, int most) {
  sql("SELECT id FROM supaglue_internal.held_deletions WHERE sync_id = $1 AND id > $2"
      " ORDER BY id LIMIT $3",
      {int_arg(sync_id), text_arg(after), int_arg(most)});
  return taken_ids();
}

void hold(int64 sync_id, const Text *ids, int count) {
  sql("INSERT INTO supaglue_internal.held_deletions (sync_id, id)"
      " SELECT $1, pg_catalog.unnest($2)",
      {int_arg(sync_id), texts_arg(ids, count)});
}

void release_held(int64 sync_id, const Text *ids, int count) {
  sql("DELETE FROM supaglue_internal.held_deletions WHERE sync_id = $1 AND id = ANY ($2)",
      {int_arg(sync_id), texts_arg(ids, count)});
}

int64 forget_held(int64 sync_id) {
  return static_cast<int64>(
      sql("DELETE FROM supaglue_internal.held_deletions WHERE sync_id = $1", {int_arg(sync_id)}));
}

void forget_held(const SyncList &syncs) {
  sql("DELETE FROM supaglue_internal.held_deletions WHERE sync_id = ANY ($1)",
      {ints_arg(syncs.ids, syncs.count)});
}

}  // namespace supaglue

using namespace supaglue;

SUPAGLUE_FUNCTION(supaglue_discard_deletions) {
  const int64 sync_id = int_argument(fcinfo, 0, "sync_id");
  const Api api = open_api();
  if (sql("SELECT FROM supaglue_internal.syncs WHERE id = $1", {int_arg(sync_id)}) == 0)
    no_such_sync(sync_id);
  if (forget_held(sync_id) == 0) nothing_held(sync_id);
  close_api(api);
  PG_RETURN_VOID();
}
