// pg: sync configs, for those who change or compare what they are made of.
#pragma once

#include "pg.hpp"
#include "resource.hpp"

namespace supaglue {

/// What create_sync_config() would store of a document, by its checks; its references are names.
Resource *read_wanted_sync_config(const char *document);
/// Checks a stored sync config once more and makes the columns that are new, because a schema or an
/// entity of it has changed. The caller must be able to act as its owner.
void refresh_sync_config(int64 id, Oid caller);

}  // namespace supaglue
