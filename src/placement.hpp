// pg: where the objects of a sync config come to stand: their tables at the destination and their
// live twins. It works from the stored rows. It must not know documents.
#pragma once

#include "destination.hpp"
#include "pg.hpp"
#include "sync.hpp"

namespace supaglue {

/// Raises 42501 unless a role may act as the owner of the sync config, whose tables are made in the
/// owner's name. Where the owner was dropped, who may act as anybody takes it over.
void require_owner(int64 sync_config_id, Oid role);
/// Raises 42710 when a table of the sync config is another object's, too.
void require_own_tables(int64 sync_config_id);
/// Makes the tables at the destination, as the sync config's owner. A remote destination that is
/// away gives a WARNING.
void make_tables(int64 sync_config_id);
/// Until the end of this subtransaction, which will be rolled back, make_tables() leaves remote
/// destinations alone: nothing there would be undone.
void rehearse_placement();
/// Makes the live twins, as the sync config's owner.
void make_twins(int64 sync_config_id);
/// Gives a sync's table at an open destination, and its live twin, the columns that they lack now
/// that the source has told of the object (`metadata`, JSON or null). False: the table lacked none.
bool place_sync(Destination *destination, const Sync *sync, const char *metadata);

}  // namespace supaglue
