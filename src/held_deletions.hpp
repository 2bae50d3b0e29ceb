// pg: deletions that are held: rows that a complete full run did not see, too many to believe it at
// once. They stay as they are until somebody confirms them or the next such run misses them again;
// one that is seen meanwhile is forgotten. Ids only, by sync, in our own table.
#pragma once

#include "destination.hpp"
#include "pg.hpp"
#include "sync_rows.hpp"

namespace supaglue {

/// Whether a sync has any.
bool has_held(int64 sync_id);
/// That it has none is an error.
[[noreturn]] void nothing_held(int64 sync_id);
/// Of these ids those that are held, in the order of the bytes, in the current context.
struct HeldIds {
  Text *ids;
  int count;
};
HeldIds held_among(int64 sync_id, const Text *ids, int count);
/// As many as `most` held ids after one, in the order of the bytes.
HeldIds held_after(int64 sync_id, const char *after, int most);

/// Holds more ids; they are none that are held already.
void hold(int64 sync_id, const Text *ids, int count);
/// These are held no more.
void release_held(int64 sync_id, const Text *ids, int count);
/// None of a sync's, or of some syncs', are held any more. Returns how many were.
int64 forget_held(int64 sync_id);
void forget_held(const SyncList &syncs);

}  // namespace supaglue
