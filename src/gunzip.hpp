// pure: gzip, decompressed. It knows nothing of where the bytes come from.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "pure.hpp"

namespace supaglue {

enum class Gunzipped { kWhole, kGarbled, kTooLarge };

/// Decompresses one gzip stream of any number of members, the whole of it; nothing is nothing.
/// A stream that ends too early is garbled: curl's own decoder takes it for a whole one, which
/// would lose records. Too large: more than `most` bytes would come out. `out` keeps room for
/// `padding` bytes more.
Gunzipped gunzip(std::string_view packed, size_t most, size_t padding, std::string *out);

}  // namespace supaglue
