// pure: the JSON value of documents (configuration, connectors, a source's state, token answers).
// Records of a provider never pass through it: they are read by simdjson, and their scalars are
// checked and unescaped by the functions below.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "pure.hpp"

namespace supaglue {
using Json = nlohmann::ordered_json;

/// Appends what a JSON string says, given with its quotes and known to be valid UTF-8 without
/// control characters. NUL and lone surrogates, which no text of Postgres can hold, become U+FFFD
/// and are counted. False when an escape is none of JSON's.
bool append_unescaped(std::string &out, std::string_view token, int64_t *replaced);
/// Whether a token is a number, true, false or null, exactly as JSON spells them.
bool is_json_scalar(std::string_view token);
/// Whether jsonb can hold a scalar: a number must not be too large or too exact for numeric.
bool fits_jsonb(std::string_view scalar);
}  // namespace supaglue
