// pure: what changed of an object's fields. See drift.hpp.
#include "drift.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pure.hpp"

namespace supaglue {
namespace {

using Fields = std::map<std::string, std::string>;

/// None when the metadata does not tell them.
std::optional<Fields> fields_of(std::string_view metadata) {
  const Json told = Json::parse(metadata.begin(), metadata.end(), nullptr, false);
  if (!told.is_object() || !told.contains("fields") || !told["fields"].is_array()) return {};
  Fields fields;
  for (const Json &field : told["fields"])
    if (field.is_object() && field.contains("name") && field["name"].is_string())
      fields[field["name"].get<std::string>()] = field.value("type", std::string());
  return fields;
}

}  // namespace

Json drift(std::string_view before, std::string_view after) {
  Json changes = Json::array();
  const std::optional<Fields> old_fields = fields_of(before), new_fields = fields_of(after);
  if (!old_fields || !new_fields) return changes;
  Fields all = *old_fields;
  all.insert(new_fields->begin(), new_fields->end());
  for (const auto &[name, type] : all) {
    const auto was = old_fields->find(name), is = new_fields->find(name);
    Json change = {{"change", "retyped"}, {"field", name}};
    if (was == old_fields->end()) change["change"] = "added";
    if (is == new_fields->end()) change["change"] = "removed";
    if (was != old_fields->end()) change["old_type"] = was->second;
    if (is != new_fields->end()) change["new_type"] = is->second;
    const bool same =
        was != old_fields->end() && is != new_fields->end() && was->second == is->second;
    if (!same) changes.push_back(std::move(change));
  }
  return changes;
}

bool reads_more(const Json &drift, std::string_view config) {
  const Json object = Json::parse(config.begin(), config.end(), nullptr, false);
  std::vector<std::string> excluded;
  if (object.is_object() && object.contains("exclude_fields"))
    excluded = object["exclude_fields"].get<std::vector<std::string>>();
  return std::any_of(drift.begin(), drift.end(), [&](const Json &change) {
    return change["change"] != "removed" &&
           std::find(excluded.begin(), excluded.end(), change["field"]) == excluded.end();
  });
}

}  // namespace supaglue
