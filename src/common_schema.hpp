// pure: the common schema: our normalized objects of each category, their tables and columns. How
// a provider's record becomes one is said in the provider's connector document.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pure.hpp"

namespace supaglue {

struct CommonColumn {
  const char *name;
  const char *type;  // as column_type() spells it
};

struct CommonObject {
  const char *category;  // "crm"
  const char *name;      // "contact"
  const char *table;     // "crm_contacts"
  std::vector<CommonColumn> columns;
};

/// Null when the category has no such object.
const CommonObject *common_object(std::string_view category, std::string_view name);
/// The names of a category's objects.
std::vector<std::string> common_objects(std::string_view category);

}  // namespace supaglue
