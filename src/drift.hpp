// pure: drift: how the fields of an object at the provider changed between two readings.
#pragma once

#include <string_view>

#include "json.hpp"

#include "pure.hpp"

namespace supaglue {

/// The changes from one Source::metadata() to another, as JSON: an array of {change: "added" |
/// "removed" | "retyped", field, old_type?, new_type?}, by field. Empty when either tells no
/// fields.
Json drift(std::string_view before, std::string_view after);
/// Whether records hold something else now, but for excluded fields: `config` is the object's.
bool reads_more(const Json &drift, std::string_view config);

}  // namespace supaglue
