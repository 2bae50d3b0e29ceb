// pure: reads what a provider tells of objects and fields. See directory.hpp.
#include "directory.hpp"

#include <algorithm>
#include <utility>

#include "document.hpp"
#include "encoding.hpp"
#include "error.hpp"

#include "pure.hpp"

namespace supaglue {
namespace {

// What a mapping screen tells apart.
const std::vector<std::string> &field_types() {
  static const std::vector<std::string> types = {
      "text", "textarea", "number",  "picklist", "multipicklist",
      "date", "datetime", "boolean", "url",      "other"};
  return types;
}

std::string pointer(const ObjectReader &reader, const char *key) {
  std::string text = reader.text(key).value_or("");
  if (!text.empty() && (text.front() != '/' || text.find('~') != std::string::npos))
    reader.fail(key, "must be a JSON pointer", {}, "For example \"/label\".");
  return text;
}

std::vector<Condition> conditions(const ObjectReader &reader, const char *key) {
  std::vector<Condition> result;
  const Json *list = reader.list(key);
  for (size_t i = 0; list != nullptr && i < list->size(); ++i) {
    ObjectReader item(reader.kind(), reader.path(key) + "[" + std::to_string(i) + "]", (*list)[i],
                      {{"pointer", "pointer"}, {"is", "is"}, {"ends_with", "ends_with"}});
    item.required_text("pointer");
    const Json *value = item.find("is");
    if (value == nullptr && !item.has("ends_with")) item.missing("is", "Or give \"ends_with\".");
    result.push_back({pointer(item, "pointer"), value == nullptr ? Json() : *value,
                      item.text("ends_with").value_or("")});
  }
  return result;
}

Listing read_listing(const ObjectReader &parent, const char *key) {
  Listing listing;
  const Json *object = parent.find(key);
  if (object == nullptr) return listing;
  ObjectReader reader(parent.kind(), parent.path(key), *object,
                      {{"path", "path"},
                       {"items", "items"},
                       {"name", "name"},
                       {"label", "label"},
                       {"description", "description"},
                       {"type", "type"},
                       {"subtype", "subtype"},
                       {"custom", "custom"},
                       {"standard", "standard"},
                       {"only", "only"},
                       {"except", "except"},
                       {"known", "known"}});
  listing.path = reader.text("path").value_or("");
  if (!listing.path.empty() && listing.path.front() != '/')
    reader.fail("path", "must be a path", {}, "It begins with a slash.");
  listing.items = pointer(reader, "items");
  reader.required_text("name");
  listing.name = pointer(reader, "name");
  listing.label = pointer(reader, "label");
  listing.description = pointer(reader, "description");
  listing.type = pointer(reader, "type");
  listing.subtype = pointer(reader, "subtype");
  listing.custom = conditions(reader, "custom");
  listing.standard = conditions(reader, "standard");
  listing.only = conditions(reader, "only");
  listing.except = conditions(reader, "except");
  if (const Json *known = reader.find("known")) {
    if (!known->is_structured()) reader.fail("known", "must be an array, or an object of them");
    listing.known = *known;
  }
  return listing;
}

Options read_options(const ObjectReader &parent) {
  Options options;
  const Json *object = parent.find("options");
  if (object == nullptr) return options;
  ObjectReader reader(
      parent.kind(), parent.path("options"), *object,
      {{"items", "items"}, {"value", "value"}, {"label", "label"}, {"hidden", "hidden"}});
  reader.required_text("items");
  options.items = pointer(reader, "items");
  reader.required_text("value");
  options.value = pointer(reader, "value");
  options.label = pointer(reader, "label");
  options.hidden = conditions(reader, "hidden");
  return options;
}

// ---- what the provider told ----

/// Null when there is nothing.
const Json *at(const Json &item, const std::string &where) {
  const Json::json_pointer place(where);
  return !where.empty() && item.is_structured() && item.contains(place) ? &item[place] : nullptr;
}

Json text_at(const Json &item, const std::string &where) {
  const Json *value = at(item, where);
  if (value == nullptr || value->is_null() || *value == "") return nullptr;
  return value->is_string() ? *value : Json(value->dump());
}

bool holds(const Condition &condition, const Json &item) {
  const Json *value = at(item, condition.pointer);
  if (value == nullptr) return false;
  if (condition.ending.empty()) return *value == condition.value;
  return value->is_string() && value->get_ref<const std::string &>().ends_with(condition.ending);
}

bool any_holds(const std::vector<Condition> &conditions, const Json &item) {
  return std::any_of(conditions.begin(), conditions.end(),
                     [&](const Condition &condition) { return holds(condition, item); });
}

bool is_custom(const Listing &listing, const Json &item) {
  return any_holds(listing.custom, item) ||
         (!listing.standard.empty() && !any_holds(listing.standard, item));
}

bool all_hold(const std::vector<Condition> &conditions, const Json &item) {
  return std::all_of(conditions.begin(), conditions.end(),
                     [&](const Condition &condition) { return holds(condition, item); });
}

/// jsonb holds no NUL.
void replace_nul(Json &value) {
  if (value.is_string()) {
    std::string text = value.get<std::string>();
    for (size_t i = 0; (i = text.find('\0', i)) != text.npos; i += 3)
      text.replace(i, 1, "\xef\xbf\xbd");
    value = text;
  } else if (value.is_structured()) {
    for (Json &part : value) replace_nul(part);
  }
}

void append_items(const Listing &listing, const Json *told, Json *items) {
  if (told == nullptr || !told->is_array()) return;
  for (const Json &item : *told) {
    if (text_at(item, listing.name).is_null() || !all_hold(listing.only, item) ||
        any_holds(listing.except, item))
      continue;
    items->push_back(item);
    replace_nul(items->back());
  }
}

Json items_of(const Listing &listing, std::string_view object, std::string_view body) {
  Json items = Json::array();
  const std::string name(object);
  if (listing.known.is_array())
    append_items(listing, &listing.known, &items);
  else if (listing.known.is_object() && listing.known.contains(name))
    append_items(listing, &listing.known[name], &items);
  if (body.empty()) return items;
  const Json answer = Json::parse(body.begin(), body.end(), nullptr, false);
  const Json *told = listing.items.empty() ? &answer : at(answer, listing.items);
  if (answer.is_discarded() || told == nullptr || !told->is_array())
    throw Error(ErrorClass::kProvider, "the answer of the provider is not what was expected",
                "It is no JSON document with an array at \"" + listing.items + "\".");
  append_items(listing, told, &items);
  return items;
}

Json options_of(const Options &rules, const Json &item) {
  const Json *told = at(item, rules.items);
  if (told == nullptr || !told->is_array() || told->empty()) return nullptr;
  Json options = Json::array();
  for (const Json &option : *told) {
    const Json value = text_at(option, rules.value), label = text_at(option, rules.label);
    if (value.is_null()) continue;
    options.push_back({{"value", value},
                       {"label", label.is_null() ? value : label},
                       {"hidden", any_holds(rules.hidden, option)}});
  }
  return options;
}

std::string type_of(const Directory &directory, const Json &item) {
  const Json type = text_at(item, directory.properties.type),
             subtype = text_at(item, directory.properties.subtype);
  if (!type.is_string()) return "other";
  const std::string name = type.get<std::string>();
  auto found = directory.types.end();
  if (subtype.is_string()) found = directory.types.find(name + "/" + subtype.get<std::string>());
  if (found == directory.types.end()) found = directory.types.find(name);
  return found == directory.types.end() ? "other" : found->second;
}

}  // namespace

Directory read_directory(const std::string &kind, const std::string &path, const Json &object) {
  ObjectReader reader(kind, path, object,
                      {{"objects", "objects"},
                       {"properties", "properties"},
                       {"options", "options"},
                       {"types", "types"}});
  Directory directory;
  directory.objects = read_listing(reader, "objects");
  directory.properties = read_listing(reader, "properties");
  directory.options = read_options(reader);
  const Json *types = reader.find("types");
  if (types == nullptr) return directory;
  if (!types->is_object()) reader.fail("types", "must be an object");
  for (const auto &[name, type] : types->items()) {
    const std::vector<std::string> &ours = field_types();
    if (!type.is_string() || std::find(ours.begin(), ours.end(), type) == ours.end())
      reader.fail("types", "must hold " + quoted_list(ours), "That of \"" + name + "\" does not.");
    directory.types[name] = type;
  }
  return directory;
}

Request listing_request(const Listing &listing, std::string_view object,
                        std::string_view api_name) {
  constexpr std::string_view kObject = "{object}";
  if (api_name == "." || api_name == "..")
    throw Error(ErrorClass::kBadDocument,
                "no object can have the name \"" + std::string(api_name) + "\"");
  Request request;
  if (listing.known.is_object() && listing.known.contains(std::string(object))) return request;
  request.url = listing.path;
  if (const size_t place = request.url.find(kObject); place != std::string::npos)
    request.url.replace(place, kObject.size(), url_encoded(api_name));
  request.headers = {{"Accept", "application/json"}};
  return request;
}

Json list_objects(const Directory &directory, std::string_view body) {
  const Listing &listing = directory.objects;
  std::vector<Json> rows;
  for (const Json &item : items_of(listing, "", body))
    rows.push_back({{"object_type", is_custom(listing, item) ? "custom" : "standard"},
                    {"object", text_at(item, listing.name)},
                    {"label", text_at(item, listing.label)},
                    {"raw", item}});
  std::sort(rows.begin(), rows.end(), [](const Json &a, const Json &b) {
    return std::pair(b["object_type"].get_ref<const std::string &>(),
                     a["object"].get_ref<const std::string &>()) <
           std::pair(a["object_type"].get_ref<const std::string &>(),
                     b["object"].get_ref<const std::string &>());
  });
  return rows;
}

Json list_properties(const Directory &directory, std::string_view object, std::string_view body) {
  const Listing &listing = directory.properties;
  Json rows = Json::array();
  for (const Json &item : items_of(listing, object, body))
    rows.push_back({{"name", text_at(item, listing.name)},
                    {"label", text_at(item, listing.label)},
                    {"description", text_at(item, listing.description)},
                    {"type", type_of(directory, item)},
                    {"provider_type", text_at(item, listing.type)},
                    {"custom", is_custom(listing, item)},
                    {"options", options_of(directory.options, item)},
                    {"raw", item}});
  return rows;
}

}  // namespace supaglue
