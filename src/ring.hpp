// pg: rings of partitions, for rows that are inserted once and kept for a time: a few partitions
// ("slots") take their turns by the clock, and are emptied by truncating them whole. It must not
// know what a row tells, and writes none: who does asks for the slot here.
#pragma once

#include "pg.hpp"

namespace supaglue {

struct Ring {
  const char *table;         // its partitions are named after it, and numbered
  const char *time;          // the column that says how old a row is
  const int *retention_min;  // how long a row is kept at least, in minutes
  /// Asked before a slot is emptied of which all rows are past their retention, while nobody writes
  /// to it: whether it may be. Null: yes.
  bool (*lets_go)(const char *partition);
};

/// The slot of a row of that time, which is about now.
int slot_of(const Ring &ring, TimestampTz time);

/// What SQL says of a row that is past its retention.
const char *past(const Ring &ring);

/// Empties the first slot, from the oldest on, of which all rows are past their retention. Never
/// waits for a lock: a slot that somebody reads or writes stays as it is. False: there was none.
bool empty_past_slot(const Ring &ring);

}  // namespace supaglue
