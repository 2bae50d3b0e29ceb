// pg: rings of partitions. See ring.hpp.
#include "ring.hpp"

#include "pg.hpp"
#include "sql.hpp"

namespace supaglue {

namespace {

constexpr int kSlots = 8;
// Mergers look at the rings every ten minutes: with turns as short as that, a slot might be written
// anew before they saw it with nothing young in it.
constexpr int64 kShortestTurnMs = 20 * 60'000;

// Of most slots the last row that was begun tells that they are not to be emptied.
bool seems_past(const Ring &ring, const char *partition) {
  return sql(format("SELECT %s FROM %s ORDER BY id DESC LIMIT 1", past(ring), partition)) > 0 &&
         bool_at(0, 1);
}

// Reads a slot that is past to its end.
bool is_past(const Ring &ring, const char *partition) {
  return sql(format("SELECT FROM %s WHERE NOT (%s) LIMIT 1", partition, past(ring))) == 0;
}

bool lock(const char *partition, LOCKMODE mode) {
  sql("SELECT $1::pg_catalog.regclass::oid", {text_arg(partition)});
  return ConditionalLockRelationOid(static_cast<Oid>(int_at(0, 1)), mode);
}

// Under the first lock nobody writes, and the snapshot of the look that follows is younger than all
// that was written; who reads goes on. A reader with an older snapshot than the truncation finds
// the slot empty: what he misses was past its retention.
bool empty(const Ring &ring, const char *partition) {
  if (!lock(partition, ShareLock) || !is_past(ring, partition)) return false;
  if (ring.lets_go != nullptr && !ring.lets_go(partition)) return false;
  if (!lock(partition, AccessExclusiveLock)) return false;
  sql(format("TRUNCATE %s", partition));
  return true;
}

}  // namespace

// Six turns are the retention, and the ring has eight: all rows of a slot are past it for a whole
// turn before its own comes again.
int slot_of(const Ring &ring, TimestampTz time) {
  const int64 retention_ms = int64{*ring.retention_min} * 60'000;
  const int64 turn_ms = Max(retention_ms / (kSlots - 2), kShortestTurnMs);
  return static_cast<int>(ms_of_time(time) / turn_ms % kSlots);
}

// Rows say it, not the clock: whatever the setting was when they were written, and however long
// nobody emptied a slot, none goes too early.
const char *past(const Ring &ring) {
  return format("%s < pg_catalog.now() - pg_catalog.make_interval(mins => %d)", ring.time,
                *ring.retention_min);
}

bool empty_past_slot(const Ring &ring) {
  const int now = slot_of(ring, GetCurrentTimestamp());
  // One in a transaction: nothing else is looked at while its readers must wait.
  for (int i = 1; i <= kSlots; ++i) {
    const char *partition = format("supaglue_internal.%s_%d", ring.table, (now + i) % kSlots);
    if (seems_past(ring, partition) && empty(ring, partition)) return true;
  }
  return false;
}

}  // namespace supaglue
