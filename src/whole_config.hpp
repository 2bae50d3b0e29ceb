// pure: the whole configuration of an application as one document, and what must change for a
// resource to become what its part of the document says.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config.hpp"
#include "json.hpp"

#include "pure.hpp"

namespace supaglue {

/// One list of the document: {"providers": [...], ...}.
struct ConfigSection {
  bool given = false;  // what a document does not speak of is left alone
  std::vector<std::string> documents;
};
/// Reads the lists of these keys. Throws kBadDocument for other keys, and for what is no list of
/// objects.
std::vector<ConfigSection> read_sections(std::string_view document,
                                         const std::vector<const char *> &keys);

/// The document that makes a resource: as create_*() takes it, without its secrets and its id.
Json resource_document(std::string_view kind, const Document &resource);
/// The merge patch that makes of a stored resource what is wanted; an empty object: it is that
/// already. Secrets that are not given stay.
Json resource_patch(std::string_view kind, const Document &stored, const Document &wanted);
/// The keys of a patch, for people: "client_id, scopes".
std::string patch_keys(const Json &patch);

}  // namespace supaglue
