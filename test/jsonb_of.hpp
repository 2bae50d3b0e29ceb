// pure: JSON text as jsonb, for tests: an array or an object is written as every value of a
// provider's answer is.
#pragma once

#include <string>
#include <string_view>

#include "pure.hpp"

namespace supaglue {

/// Throws kProvider when it is no JSON, or a scalar.
std::string jsonb_of(std::string_view json);

}  // namespace supaglue
