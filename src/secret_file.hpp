// pure: secrets that lie in files of the server: {"file": "/path"} in the place of a text. It knows
// nothing of keys and of who may read files.
#pragma once

#include <string>
#include <string_view>

#include "pure.hpp"

namespace supaglue {

/// Whether a JSON object of secrets has one that lies in a file.
bool has_secret_file(std::string_view secrets);
/// The object with the files' contents (a newline at the end is cut). Throws kInternal, with the
/// path and never the content, when one cannot be read.
std::string with_secret_files(std::string_view secrets);

}  // namespace supaglue
