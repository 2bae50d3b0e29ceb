// pure: reads the documents of schemas and entities, and the mappings of their fields.
#include <algorithm>
#include <set>
#include <utility>

#include "column_type.hpp"
#include "config.hpp"
#include "config_parts.hpp"
#include "connector.hpp"
#include "encoding.hpp"
#include "pure.hpp"

namespace supaglue {

const Spellings &schema_spellings() {
  static const Spellings spellings = {
      {"id", "id"},
      {"application_id", "application_id"},
      {"name", "name"},
      {"fields", "config.fields"},
      {"fields", "fields"},
      {"allow_additional_field_mappings", "config.allow_additional_field_mappings"},
      {"allow_additional_field_mappings", "allow_additional_field_mappings"},
  };
  return spellings;
}

namespace {

constexpr char kFieldMappings[] = "field mappings";
constexpr char kEntityMapping[] = "entity mapping";
// Under this key _supaglue_mapped_data has what customers added.
constexpr char kAdditional[] = "additional_fields";

Spellings field_spellings(bool may_be_mapped) {
  Spellings spellings = {{"name", "name"}, {"type", "type"}};
  if (may_be_mapped) spellings.push_back({"mapped_name", "mapped_name"});
  return spellings;
}

Json read_field(const std::string &kind, const std::string &path, const Json &item,
                bool may_be_mapped) {
  const Json whole = item.is_string() ? Json{{"name", item}} : item;
  ObjectReader reader(kind, path, whole, field_spellings(may_be_mapped));
  const std::string name = reader.required_text("name");
  check_column_name(reader, "name", name);
  if (name == kAdditional) {
    reader.fail("name", "must not be \"additional_fields\"",
                "Under it stand the fields that customers add.");
  }
  const std::string written = reader.text("type").value_or("text");
  const std::optional<std::string> type = column_type(written);
  if (!type) {
    reader.fail("type", "must be one of " + quoted_list(column_types()),
                "It is \"" + clipped(written) + "\".", perhaps(written, column_types()));
  }
  Json field = {{"name", name}, {"type", *type}};
  put(field, "mapped_name", reader.text("mapped_name", kLongestName));
  return field;
}

// A schema, or an entity: that has no one provider whose field a developer could name.
Document read_template(const std::string &kind, std::string_view text, bool may_be_mapped) {
  ObjectReader reader(kind, "", parse_document(kind, text), schema_spellings());
  Document document = begin(reader);
  document.name = reader.required_text("name", kLongestName);
  const Json *items = reader.list("fields");
  if (!items) reader.missing("fields");
  Json fields = Json::array();
  std::set<std::string> names;
  for (size_t i = 0; i < items->size(); ++i) {
    const std::string path = item_path(reader, "fields", i);
    Json field = read_field(kind, path, (*items)[i], may_be_mapped);
    const std::string name = field["name"].get<std::string>();
    if (!names.insert(name).second) {
      throw Error(ErrorClass::kBadDocument, '"' + path + "\" in " + kind + " names a field again",
                  "It is \"" + name + "\".");
    }
    fields.push_back(std::move(field));
  }
  document.plain["fields"] = std::move(fields);
  document.plain["allow_additional_field_mappings"] =
      reader.boolean("allow_additional_field_mappings").value_or(false);
  return document;
}

bool is_word(const std::string &text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

}  // namespace

Document read_schema(std::string_view text) { return read_template(kSchema, text, true); }

Document read_entity(std::string_view text) {
  Document document = read_template(kEntity, text, false);
  if (!is_word(document.name)) {
    throw Error(ErrorClass::kBadDocument,
                "\"name\" in entity must be of letters, digits and underscores",
                "It is \"" + document.name + "\".");
  }
  return document;
}

namespace {

[[noreturn]] void fail(const std::string &path, const std::string &kind, const std::string &what) {
  throw Error(ErrorClass::kBadDocument, '"' + path + "\" in " + kind + " " + what);
}

void put_mapping(const std::string &kind, const std::string &path, const std::string &field,
                 const Json &mapped, Json &mappings) {
  if (field.empty()) fail(path, kind, "must not name an empty field");
  if (is_reserved(field)) fail(path, kind, "must not begin with \"_supaglue\"");
  if (field.size() > kLongestName) {
    fail(path, kind, "must not be longer than " + std::to_string(kLongestName) + " bytes");
  }
  if (mappings.contains(field)) fail(path, kind, "maps a field again");
  const bool good =
      mapped.is_null() || (mapped.is_string() && !mapped.get_ref<const std::string &>().empty() &&
                           mapped.get_ref<const std::string &>().size() <= kLongestName);
  if (!good) fail(path, kind, "must be the name of a field of the provider, or null");
  mappings[field] = mapped;
}

// {field: mapped} or [{<field_key>: field, "mapped_field": mapped}].
Json read_mappings(const std::string &kind, const std::string &path, const Json &value,
                   const char *field_key) {
  Json mappings = Json::object();
  if (value.is_object()) {
    for (const auto &[field, mapped] : value.items()) {
      put_mapping(kind, path + "." + clipped(field), field, mapped, mappings);
    }
  } else if (value.is_array()) {
    for (size_t i = 0; i < value.size(); ++i) {
      const std::string here = path + "[" + std::to_string(i) + "]";
      ObjectReader reader(kind, here, value[i],
                          {{field_key, field_key}, {"mapped_field", "mapped_field"}});
      const std::optional<std::string> mapped = reader.text("mapped_field");
      put_mapping(kind, here, reader.required_text(field_key),
                  mapped ? Json(*mapped) : Json(nullptr), mappings);
    }
  } else {
    fail(path, kind, "must be an object");
  }
  return mappings;
}

// A common object's name is ours; the others are as exact as the connector can make them.
std::string exact_name(std::string_view provider_name, std::string_view object_type,
                       const std::string &written) {
  const std::shared_ptr<const Connector> connector = Connector::builtin(provider_name);
  if (!connector || object_type == "common") return written;
  return connector->exact_object(object_type, written);
}

}  // namespace

Json read_field_mappings(std::string_view text, std::string_view provider_name) {
  ObjectReader reader(kFieldMappings, "", parse_document(kFieldMappings, text),
                      {{"common", "common"}, {"standard", "standard"}, {"custom", "custom"}});
  Json result = Json::array();
  for (const auto &[type, objects] : reader.values().items()) {
    if (objects.is_null()) continue;
    if (!objects.is_object()) fail(type, kFieldMappings, "must be an object");
    for (const auto &[name, value] : objects.items()) {
      const std::string path = type + "." + clipped(name);
      const std::string exact = exact_name(provider_name, type, name);
      if (exact.empty()) {
        fail(path, kFieldMappings,
             "cannot be the name of an object of " + std::string(provider_name));
      }
      Json mappings = nullptr;
      if (!value.is_null()) mappings = read_mappings(kFieldMappings, path, value, "schema_field");
      result.push_back({{"object_type", type}, {"object", exact}, {"mappings", mappings}});
    }
  }
  return result;
}

Json read_entity_mapping(std::string_view text, std::string_view provider_name) {
  ObjectReader reader(kEntityMapping, "", parse_document(kEntityMapping, text),
                      {{"object", "object"}, {"field_mappings", "field_mappings"}});
  Json result = Json::object();
  if (const Json *object = reader.find("object")) {
    ObjectReader inner(kEntityMapping, "object", *object, {{"type", "type"}, {"name", "name"}});
    const std::optional<std::string> type = inner.choice("type", {"standard", "custom"});
    if (!type) inner.missing("type");
    const std::string exact =
        exact_name(provider_name, *type, inner.required_text("name", kLongestName));
    if (exact.empty()) {
      inner.fail("name", "cannot be the name of an object of " + std::string(provider_name));
    }
    result["object_type"] = *type;
    result["object"] = exact;
  } else if (reader.values().contains("object")) {
    result["object_type"] = nullptr;
    result["object"] = nullptr;
  }
  if (const Json *mappings = reader.find("field_mappings")) {
    result["mappings"] = read_mappings(kEntityMapping, "field_mappings", *mappings, "entity_field");
  } else if (reader.values().contains("field_mappings")) {
    result["mappings"] = nullptr;
  }
  return result;
}

void check_mappings(const Json &mappings, const Json &current, const Json &config,
                    const std::string &where) {
  std::vector<std::string> names;
  for (const Json &field : config["fields"]) {
    const std::string name = field["name"].get<std::string>();
    names.push_back(name);
    if (mappings.contains(name) && field.contains("mapped_name")) {
      throw Error(ErrorClass::kBadDocument,
                  "field \"" + name + "\" of " + where + " is mapped by the developer",
                  "It is mapped to \"" + field["mapped_name"].get<std::string>() + "\".",
                  "Only the schema can map it elsewhere.");
    }
  }
  if (config["allow_additional_field_mappings"] == true) {
    if (mappings.contains(kAdditional)) {
      throw Error(ErrorClass::kBadDocument,
                  "a field that is added must not be \"additional_fields\"",
                  "Under it stand the fields that customers add.");
    }
    return;
  }
  for (const auto &[name, mapped] : mappings.items()) {
    // What was added while that was allowed can still be unmapped.
    if (mapped.is_null() && current.contains(name)) continue;
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    const std::string close = perhaps(name, names);
    throw Error(ErrorClass::kBadDocument, where + " has no field \"" + name + "\"",
                "It does not allow additional field mappings.",
                close.empty() ? "Its fields are: " + quoted_list(names) + "." : close);
  }
}

}  // namespace supaglue
