// pure: bytes as text: percent-encoding for forms and queries, hexadecimal, base64; and words of
// others made fit for a message.
#pragma once

#include <string>
#include <string_view>

#include "pure.hpp"

namespace supaglue {

/// Everything but letters, digits and -._~ as %XX.
std::string url_encoded(std::string_view text);
std::string hexadecimal(std::string_view bytes);
std::string base64(std::string_view bytes);
/// RFC 4648's other alphabet, without padding.
std::string base64url(std::string_view bytes);
/// At most so many bytes of a text, and no half character at its end.
std::string clipped(std::string_view text, size_t most_bytes = 100);
/// What somebody else says, of at most a kilobyte (cut at a character's start), and without control
/// characters.
std::string printable(std::string_view text);

}  // namespace supaglue
