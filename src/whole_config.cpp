// pure: the whole configuration as a document. See whole_config.hpp.
#include "whole_config.hpp"

#include <utility>

#include "document.hpp"

#include "pure.hpp"

namespace supaglue {
namespace {

constexpr char kConfiguration[] = "configuration";

// Keys are compared in no order, as jsonb has none.
nlohmann::json unordered(const Json &value) { return nlohmann::json::parse(value.dump()); }

// The merge patch from one value to another, both of which hold no null.
nlohmann::json difference(const nlohmann::json &from, const nlohmann::json &to) {
  nlohmann::json patch = nlohmann::json::object();
  for (const auto &[key, value] : from.items())
    if (!to.contains(key)) patch[key] = nullptr;
  for (const auto &[key, value] : to.items()) {
    if (from.contains(key) && from[key] == value) continue;
    const bool both = from.contains(key) && from[key].is_object() && value.is_object();
    patch[key] = both ? difference(from[key], value) : value;
  }
  return patch;
}

}  // namespace

std::vector<ConfigSection> read_sections(std::string_view document,
                                         const std::vector<const char *> &keys) {
  std::vector<Spelling> spellings;
  for (const char *key : keys) spellings.push_back({key, key});
  ObjectReader reader(kConfiguration, "", parse_document(kConfiguration, document), spellings);
  std::vector<ConfigSection> sections(keys.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    const Json *list = reader.list(keys[i]);
    if (list == nullptr) continue;
    sections[i].given = true;
    for (const Json &item : *list) {
      if (!item.is_object()) reader.fail(keys[i], "must be a list of objects");
      sections[i].documents.push_back(item.dump());
    }
  }
  return sections;
}

Json resource_document(std::string_view kind, const Document &resource) {
  Document open = resource;
  open.secret = nullptr;
  Json document = Json::parse(patched(kind, open, "{}"));
  document.erase("application_id");
  return document;
}

Json resource_patch(std::string_view kind, const Document &stored, const Document &wanted) {
  const nlohmann::json to = unordered(resource_document(kind, wanted));
  Json patch = Json::parse(difference(unordered(resource_document(kind, stored)), to).dump());
  if (wanted.secret.is_object())
    for (const auto &[key, value] : wanted.secret.items())
      if (!stored.secret.is_object() || stored.secret.value(key, Json()) != value)
        patch[key] = value;
  if (kind != "destination" || !patch.contains("host")) return patch;
  // With the place go the secrets that only a remote one has; another one keeps the mode that is
  // wanted, not the one that its address suggests.
  if (to.contains("ssl_mode")) patch["ssl_mode"] = to["ssl_mode"].get<std::string>();
  if (!to.contains("host") && stored.secret.is_object())
    for (const auto &[key, value] : stored.secret.items()) patch[key] = nullptr;
  return patch;
}

std::string patch_keys(const Json &patch) {
  std::string keys;
  for (const auto &[key, value] : patch.items()) keys += (keys.empty() ? "" : ", ") + key;
  return keys;
}

}  // namespace supaglue
