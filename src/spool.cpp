// pg: the spool. See spool.hpp.
#include "spool.hpp"

#include "pg.hpp"
#include "sql.hpp"

namespace supaglue {

namespace {

constexpr int kSlots = 4;
constexpr int64 kLargeSlot = 64 << 20;

// The partition itself: statements on the parent would lock all partitions, and a slot could never
// be emptied while another one is read.
char *table_of(int slot) { return format("supaglue_internal.spool_%d", slot); }

int64 size_of(int slot) {
  sql("SELECT pg_catalog.pg_table_size($1::pg_catalog.regclass)", {text_arg(table_of(slot))});
  return int_at(0, 1);
}

// Not by its size with all that belongs to it: that is never zero.
bool holds_pages(int slot) {
  sql("SELECT pg_catalog.pg_relation_size($1::pg_catalog.regclass) > 0",
      {text_arg(table_of(slot))});
  return bool_at(0, 1);
}

// Whether the slot holds pages of runs that are over.
bool holds_leftovers(int slot) {
  return sql(format("SELECT FROM %s AS page WHERE NOT EXISTS (SELECT FROM supaglue_internal.runs r"
                    " WHERE r.fetch_id = page.fetch_id) LIMIT 1",
                    table_of(slot))) > 0;
}

bool in_use(int slot) {
  return sql("SELECT FROM supaglue_internal.runs WHERE slot = $1 LIMIT 1", {int_arg(slot)}) > 0;
}

// A run that is just being claimed for the slot writes its first page after its row in `runs` is
// committed: either we see the row here, under the lock, or its page waits for the lock and comes
// after the truncation.
bool empty(int slot) {
  sql("SELECT $1::pg_catalog.regclass::oid", {text_arg(table_of(slot))});
  if (!ConditionalLockRelationOid(static_cast<Oid>(int_at(0, 1)), AccessExclusiveLock))
    return false;
  if (in_use(slot)) return false;
  sql(format("TRUNCATE %s", table_of(slot)));
  return true;
}

}  // namespace

void keep_in_spool(int slot, int64 fetch_id, int page, const char *cursor, const char *packed,
                   size_t length) {
  sql(format("INSERT INTO %s (slot, fetch_id, page, cursor, packed) VALUES ($1, $2, $3, $4, $5)",
             table_of(slot)),
      {int_arg(slot), int_arg(fetch_id), int_arg(page), text_arg(cursor),
       bytes_arg(packed, length)});
}

char *cursor_in_spool(int slot, int64 fetch_id, int page) {
  if (sql(format("SELECT cursor FROM %s WHERE slot = $1 AND fetch_id = $2 AND page = $3",
                 table_of(slot)),
          {int_arg(slot), int_arg(fetch_id), int_arg(page)}) == 0)
    return nullptr;
  return text_at(0, 1);
}

bytea *read_from_spool(int slot, int64 fetch_id, int page) {
  if (sql(format("SELECT packed FROM %s WHERE slot = $1 AND fetch_id = $2 AND page = $3",
                 table_of(slot)),
          {int_arg(slot), int_arg(fetch_id), int_arg(page)}) == 0)
    elog(ERROR, "page %d of fetch " INT64_FORMAT " is not in the spool", page, fetch_id);
  bytea *packed = bytes_at(0, 1);
  // Or all pages of a run would stay until the transaction ends.
  SPI_freetuptable(SPI_tuptable);
  return packed;
}

int tidy_spool(int slot) {
  for (int other = 0; other < kSlots; ++other)
    if (holds_pages(other) && !in_use(other)) empty(other);
  if (!holds_pages(slot) || !in_use(slot) || (size_of(slot) < kLargeSlot && !holds_leftovers(slot)))
    return slot;
  for (int step = 1; step < kSlots; ++step) {
    const int next = (slot + step) % kSlots;
    if (!in_use(next)) return next;
  }
  return slot;
}

}  // namespace supaglue
