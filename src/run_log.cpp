// pg: the ring of finished runs. See run_log.hpp.
#include "run_log.hpp"

#include "pg.hpp"
#include "settings.hpp"
#include "sql.hpp"

namespace supaglue {

namespace {

constexpr int kSlots = 8;
// Mergers look at the ring every ten minutes: with turns as short as that, a slot might be written
// anew before they saw it with nothing young in it.
constexpr int64 kShortestTurnMs = 20 * 60'000;

char *table_of(int slot) { return format("supaglue_internal.run_log_%d", slot); }

// Rows say what is past its retention, not the clock: whatever the setting was when they were
// written, and however long nobody emptied a slot, none goes too early.
const char *const kPast =
    "finished_at < pg_catalog.now() - pg_catalog.make_interval(mins => $1::int)";

// Of most slots the last run that began tells that they are not to be emptied.
bool seems_past(int slot) {
  return sql(format("SELECT %s FROM %s ORDER BY id DESC LIMIT 1", kPast, table_of(slot)),
             {int_arg(settings.run_retention_min)}) > 0 &&
         bool_at(0, 1);
}

// Reads a slot that is past to its end.
bool is_past(int slot) {
  return sql(format("SELECT FROM %s WHERE NOT (%s) LIMIT 1", table_of(slot), kPast),
             {int_arg(settings.run_retention_min)}) == 0;
}

bool lock(int slot, LOCKMODE mode) {
  sql("SELECT $1::pg_catalog.regclass::oid", {text_arg(table_of(slot))});
  return ConditionalLockRelationOid(static_cast<Oid>(int_at(0, 1)), mode);
}

// Under the first lock nobody writes, and the snapshot of the look that follows is younger than all
// that was written; who reads goes on. A reader with an older snapshot than the truncation finds
// the slot empty: what he misses was past its retention.
bool empty(int slot) {
  if (!lock(slot, ShareLock) || !is_past(slot) || !lock(slot, AccessExclusiveLock)) return false;
  sql(format("TRUNCATE %s", table_of(slot)));
  return true;
}

}  // namespace

// Six turns are the retention, and the ring has eight: all runs of a slot are past it for a whole
// turn before its own comes again.
int log_slot(TimestampTz finished_at) {
  const int64 retention_ms = int64{settings.run_retention_min} * 60'000;
  const int64 turn_ms = Max(retention_ms / (kSlots - 2), kShortestTurnMs);
  return static_cast<int>(ms_of_time(finished_at) / turn_ms % kSlots);
}

bool empty_past_slot() {
  // One in a transaction: nothing else is looked at while its readers must wait.
  for (int slot = 0; slot < kSlots; ++slot)
    if (seems_past(slot) && empty(slot)) return true;
  return false;
}

}  // namespace supaglue
