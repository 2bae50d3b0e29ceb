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

}  // namespace supaglue
