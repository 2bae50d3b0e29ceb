// pg: the natural key of a connection: whose it is, and to which provider.
#pragma once

#include "pg.hpp"

namespace supaglue {

/// The id of a customer's connection to a provider; 42704 when there is none. In the extension's
/// own rights (open_api).
int64 find_connection(const char *application_id, const char *customer_id,
                      const char *provider_name);

}  // namespace supaglue
