// pure: the JSON value of documents (configuration, connectors, a source's state, token answers).
// Records of a provider never pass through it: they are read by simdjson (page.hpp).
#pragma once

#include <nlohmann/json.hpp>

#include "pure.hpp"

namespace supaglue {
using Json = nlohmann::ordered_json;
}  // namespace supaglue
