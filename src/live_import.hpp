// pg: IMPORT FOREIGN SCHEMA: typed foreign tables of one customer's objects, as the provider
// describes them now.
#pragma once

#include "pg.hpp"

namespace supaglue {

List *import_live_schema(ImportForeignSchemaStmt *statement, Oid server);

}  // namespace supaglue
