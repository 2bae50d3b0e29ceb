// pure: bytes as text: percent-encoding for forms and queries, base64 and base64url.
#pragma once

#include <string>
#include <string_view>

#include "pure.hpp"

namespace supaglue {

/// Everything but letters, digits and -._~ as %XX.
std::string url_encoded(std::string_view text);
std::string base64(std::string_view bytes);
/// RFC 4648's other alphabet, without padding.
std::string base64url(std::string_view bytes);

}  // namespace supaglue
