// pure: reads what was learned of an object, in the form that it is kept in with a sync: that is
// done for every poll, most of which find nothing.
#pragma once

#include <optional>
#include <string>

#include "provider/soql.hpp"

#include "pure.hpp"

namespace supaglue {

/// Without the id's name. None for what this version did not write: it is to be learned anew.
std::optional<SoqlObject> read_salesforce_metadata(const std::string &text);

}  // namespace supaglue
