// pg: the spool: pages that were fetched and are not merged yet, in a few partitions ("slots") that
// are emptied by truncating them whole. It must not know what a fetch is but by its number.
#pragma once

#include "pg.hpp"

namespace supaglue {

/// Keeps a page (counted from 1) with the cursor after it.
void keep_in_spool(int slot, int64 fetch_id, int page, const char *cursor, const char *packed,
                   size_t length);
/// The cursor after a page, in the current context; null when the page is not there.
char *cursor_in_spool(int slot, int64 fetch_id, int page);
/// A page as it was kept, in the current context. Raises when it is not there.
bytea *read_from_spool(int slot, int64 fetch_id, int page);

/// The slot that new runs use; moves on from one that has become large or old when another is free.
/// Empties slots that no run uses. Never waits for a lock.
int tidy_spool(int slot);

}  // namespace supaglue
