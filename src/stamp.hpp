// pure: a stamp: a moment as the text that records carry, "YYYY-MM-DDTHH:MM:SS.mmmZ", and as
// milliseconds since 1970. It knows no clock.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "pure.hpp"

namespace supaglue {

/// The moment that an ISO 8601 date and time with an offset ("Z", "+0000", "+00:00") names; what is
/// finer than a millisecond is cut. Nothing when it is no such text.
std::optional<int64_t> read_stamp(std::string_view text);
/// The moment in the one form. For years 1 to 9999.
std::string write_stamp(int64_t ms);

}  // namespace supaglue
