// pure: what of a page is to be merged, and in which order. It knows no table.
#pragma once

#include <vector>

#include "page.hpp"
#include "pure.hpp"

namespace supaglue {

/// Of each id the newest version, the later one when stamps are equal; sorted by the bytes of the
/// id, which keeps neighbours of an index together and locks rows in one order. The records stay
/// the page's.
void newest_versions(const Page &page, std::vector<const Record *> *newest);

/// Leaves of a page's records that are stored as they came no more than the ids, in `unchanged`,
/// and with them their older versions. `newest` is what newest_versions() gave, `changed` says of
/// each whether it is anything else than stored. Records that are deleted stay. Returns how many
/// different records have gone.
size_t keep_ids_of_unchanged(Page *page, const std::vector<const Record *> &newest,
                             const std::vector<bool> &changed);

}  // namespace supaglue
