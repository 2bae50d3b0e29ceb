// pure: JSON web tokens by which an app vouches for itself, signed by RS256. It knows no claims.
#pragma once

#include <string>
#include <string_view>

#include "pure.hpp"

namespace supaglue {

/// Throws kAuthentication when the PEM holds no usable RSA key; never with a part of it.
std::string signed_jwt(std::string_view claims, const std::string &private_key);

}  // namespace supaglue
