// pg: the DDL of the foreign side: the server of a provider and the live twins of synced tables, as
// ordinary objects of the role that configures. It must not know how they are scanned.
#pragma once

#include "pg.hpp"
#include "projection.hpp"

namespace supaglue {

/// Makes the foreign server supaglue_<provider>, unless it exists.
void ensure_server(Oid role, const char *provider_name);
/// Drops it when no provider of the name is left; what depends on it keeps it, with a NOTICE.
void drop_unused_server(Oid role, const char *provider_name);

/// Makes supaglue_live."<table>", the twin of an object, or adds the columns that it lacks; an
/// existing one of the same object is shared, anything else in its place raises 42710. The twin of
/// what several providers may feed (common objects, entities) is partitioned by provider.
void ensure_twin(Oid role, const char *provider_name, const char *table_name,
                 const char *object_type, const char *object, const Projection *projection);
/// Drops a twin when no object is left that it shows; what depends on it keeps it, with a NOTICE.
void drop_unused_twin(Oid role, const char *provider_name, const char *table_name);

}  // namespace supaglue
