// pg: what a customer's provider is asked of its objects and their fields. What it answers is read
// by directory.hpp.
#pragma once

#include "pg.hpp"

namespace supaglue {

/// A provider's connector; raises 22023 when its objects cannot be listed.
const Connector *listing_connector(const char *provider_name);
/// The body of the answer that names the objects; "" when the provider is not asked for it. In the
/// current context; raises the provider's error.
const std::string *ask_for_objects(int64 connection_id, const Connector *connector);
/// The same of an object's fields; `object` is its exact name.
const std::string *ask_for_properties(int64 connection_id, const Connector *connector,
                                      const char *object);

}  // namespace supaglue
