// pure: the types that hoisted columns can have, and the SQL that turns a text into one of them
// without ever raising: a text that does not fit is NULL. The SQL runs here and at remote
// destinations that have nothing installed. It knows no object.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pure.hpp"

namespace supaglue {

/// The type's one spelling for what people write ("string", "int8", "timestamp with time zone");
/// none when columns cannot be of it.
std::optional<std::string> column_type(std::string_view written);
/// The types, for messages.
const std::vector<std::string> &column_types();

/// SQL of the type for SQL of type text (of jsonb: for SQL of type jsonb).
std::string fitting_value(std::string_view type, std::string_view source);
/// Whether every text fits the type.
bool fits_always(std::string_view type);

}  // namespace supaglue
