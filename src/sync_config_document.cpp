// pure: reads the sync config's document: schedules, the objects of each kind, and what shapes
// their columns. What the document names of the application is looked up in the templates that it
// is given.
#include <algorithm>
#include <set>
#include <utility>

#include "column_type.hpp"
#include "common_schema.hpp"
#include "config.hpp"
#include "config_parts.hpp"
#include "connector.hpp"
#include "encoding.hpp"
#include "pure.hpp"

namespace supaglue {

const Spellings &sync_config_spellings() {
  static const Spellings spellings = {
      {"id", "id"},
      {"application_id", "application_id"},
      {"name", "name"},
      {"destination_id", "destination_id"},
      {"destination_name", "destination_name"},
      {"provider_id", "provider_id"},
      {"provider_name", "provider_name"},
      {"default_config", "default_config"},
      {"default_config", "config.default_config"},
      {"common_objects", "common_objects"},
      {"common_objects", "config.common_objects"},
      {"standard_objects", "standard_objects"},
      {"standard_objects", "config.standard_objects"},
      {"custom_objects", "custom_objects"},
      {"custom_objects", "config.custom_objects"},
      {"entities", "entities"},
      {"entities", "config.entities"},
  };
  return spellings;
}

namespace {

constexpr int64_t kLongestTime = 315'576'000'000;  // ten years
constexpr int64_t kDefaultPeriod = 900'000;
constexpr int64_t kDefaultFullRefresh = 604'800'000;  // 7 days
constexpr char kTyped[] = "typed";
// Keys of incremental strategies only.
constexpr const char *kOfIncremental[] = {"full_sync_every_n_incrementals", "sweep_every_ms"};

const Spellings &schedule_spellings() {
  static const Spellings spellings = {
      {"period_ms", "period_ms"},
      {"strategy", "strategy"},
      {"full_sync_every_n_incrementals", "full_sync_every_n_incrementals"},
      {"full_refresh_every_ms", "full_refresh_every_ms"},
      {"sweep_every_ms", "sweep_every_ms"},
      {"lookback_ms", "lookback_ms"},
      {"auto_start_on_connection", "auto_start_on_connection"},
      {"deletion_stop_share", "deletion_stop_share"},
      {"deletion_stop_rows", "deletion_stop_rows"},
  };
  return spellings;
}

const Spellings &object_spellings() {
  static const Spellings spellings = {
      {"object", "object"},
      {"table", "table"},
      {"exclude_fields", "exclude_fields"},
      {"sync_strategy_override", "sync_strategy_override"},
      {"schema", "schema"},
      {"columns", "columns"},
      {"fields", "fields"},
      {"associations_to_fetch", "associations_to_fetch"},
  };
  return spellings;
}

const Spellings &entity_spellings() {
  static const Spellings spellings = {
      {"entity_id", "entity_id"},
      {"entity_name", "entity_name"},
      {"table", "table"},
      {"exclude_fields", "exclude_fields"},
      {"sync_strategy_override", "sync_strategy_override"},
  };
  return spellings;
}

const Spellings &column_spellings() {
  static const Spellings spellings = {{"field", "field"}, {"type", "type"}, {"as", "as"}};
  return spellings;
}

/// What the objects of one document have in common.
struct Context {
  const Connector *connector;  // null: not known yet
  const Templates *templates;  // null: not to be looked up
  Json defaults;               // default_config
};

// default_config or an override: the keys that are given, in normal form.
Json read_schedule(const std::string &path, const Json &object) {
  ObjectReader reader(kSyncConfig, path, object, schedule_spellings());
  Json schedule = Json::object();
  put(schedule, "period_ms", reader.integer("period_ms", 1, kLongestTime));
  std::optional<std::string> strategy = reader.choice(
      "strategy", {"full refresh", "full only", "full then incremental", "incremental", "full"});
  if (strategy) {
    bool incremental = strategy->ends_with("incremental");
    schedule["strategy"] = incremental ? "incremental" : "full";
  }
  put(schedule, "full_sync_every_n_incrementals",
      reader.integer("full_sync_every_n_incrementals", 1, 1'000'000));
  put(schedule, "full_refresh_every_ms", reader.integer("full_refresh_every_ms", 1, kLongestTime));
  put(schedule, "sweep_every_ms", reader.integer("sweep_every_ms", 1, kLongestTime));
  for (const char *key : kOfIncremental) {
    if (reader.has(key) && strategy && schedule["strategy"] == "full")
      reader.fail(key, "needs the strategy \"full then incremental\"");
  }
  put(schedule, "lookback_ms", reader.integer("lookback_ms", 0, kLongestTime));
  put(schedule, "auto_start_on_connection", reader.boolean("auto_start_on_connection"));
  put(schedule, "deletion_stop_share", reader.share("deletion_stop_share"));
  put(schedule, "deletion_stop_rows", reader.integer("deletion_stop_rows", 0, INT64_MAX));
  return schedule;
}

Json default_schedule(const ObjectReader &reader) {
  Json schedule = {{"period_ms", kDefaultPeriod},
                   {"strategy", "incremental"},
                   {"full_refresh_every_ms", kDefaultFullRefresh},
                   {"auto_start_on_connection", true}};
  if (const Json *given = reader.find("default_config")) {
    schedule.update(read_schedule(reader.path("default_config"), *given));
  }
  return schedule;
}

Json merged_schedule(const Json &defaults, const Json &override_given) {
  Json merged = defaults;
  merged.update(override_given);
  // What is inherited has no meaning when the override asks for full runs only.
  if (merged["strategy"] == "full") {
    for (const char *key : kOfIncremental) merged.erase(key);
  }
  return merged;
}

void refuse_associations(const ObjectReader &reader) {
  const Json *associations = reader.list("associations_to_fetch");
  if (!associations || associations->empty()) return;
  Error error(ErrorClass::kBadDocument,
              '"' + reader.path("associations_to_fetch") + "\" in " + reader.kind() +
                  " is not offered by this version",
              "Associations that come with the records are in _supaglue_raw_data.",
              "Leave it out.");
  error.sqlstate = "0A000";
  throw error;
}

// Names of fields; an empty list would be taken for its contrary.
std::optional<std::vector<std::string>> read_fields(const ObjectReader &reader, const char *key) {
  std::optional<std::vector<std::string>> fields = reader.texts(key);
  if (fields && fields->empty() && std::string_view(key) == "fields") {
    reader.fail(key, "must not be empty", {}, "Leave it out to fetch every readable field.");
  }
  return fields;
}

bool lists(const Json &object, const char *key, const std::string &field) {
  return object.contains(key) &&
         std::find(object[key].begin(), object[key].end(), field) != object[key].end();
}

// A column whose field is never fetched would be empty for ever.
void require_fetched(const ObjectReader &reader, const char *key, const Json &object,
                     const std::string &field) {
  if (lists(object, "exclude_fields", field)) {
    reader.fail(key, "is in \"exclude_fields\" of the object", "It is \"" + field + "\".");
  }
  if (object.contains("fields") && !lists(object, "fields", field)) {
    reader.fail(key, "is not in \"fields\" of the object", "It is \"" + field + "\".");
  }
}

Json read_column(const std::string &path, const Json &item, const Json &object) {
  const Json whole = item.is_string() ? Json{{"field", item}} : item;
  ObjectReader reader(kSyncConfig, path, whole, column_spellings());
  const std::string field = reader.required_text("field", kLongestName);
  require_fetched(reader, "field", object, field);
  const std::string written = reader.text("type").value_or("text");
  const std::optional<std::string> type = column_type(written);
  if (!type) {
    reader.fail("type", "must be one of " + quoted_list(column_types()),
                "It is \"" + clipped(written) + "\".", perhaps(written, column_types()));
  }
  const std::string name = reader.text("as").value_or(field);
  check_column_name(reader, reader.has("as") ? "as" : "field", name);
  return {{"field", field}, {"type", *type}, {"as", name}};
}

// The list of columns in normal form, or "typed".
void read_columns(const ObjectReader &reader, const char *object_type, Json &object) {
  const Json *columns = reader.find("columns");
  if (!columns) return;
  if (columns->is_string()) {
    if (*columns != kTyped) reader.fail("columns", "must be an array or \"typed\"");
    if (std::string_view(object_type) == "common") {
      reader.fail("columns", "must be an array", "A common object has its own typed columns.");
    }
    object["columns"] = kTyped;
    return;
  }
  if (!columns->is_array()) reader.fail("columns", "must be an array or \"typed\"");
  Json list = Json::array();
  for (size_t i = 0; i < columns->size(); ++i) {
    list.push_back(read_column(item_path(reader, "columns", i), (*columns)[i], object));
  }
  if (!list.empty()) object["columns"] = std::move(list);
}

/// A template that the document names.
const Json &find_template(const ObjectReader &reader, const char *key, const Json &among,
                          const char *kind, const std::string &name) {
  const auto found = among.find(name);
  if (found != among.end()) return *found;
  std::vector<std::string> names;
  for (const auto &[there, config] : among.items()) names.push_back(there);
  Error error(ErrorClass::kBadDocument,
              std::string(kind) + " \"" + name + "\" does not exist in the application",
              '"' + reader.path(key) + "\" in " + reader.kind() + " names it.",
              names.empty() ? std::string("Call supaglue.create_") + kind + "() first."
                            : "There are: " + quoted_list(names) + ".");
  error.sqlstate = "42704";
  throw error;
}

// Columns come from up to three places; each name may be there once.
void check_columns(const ObjectReader &reader, const Json &object, const Json *schema,
                   const CommonObject *common) {
  std::set<std::string> names;
  if (common) {
    for (const CommonColumn &column : common->columns) names.insert(column.name);
  }
  auto add = [&](const std::string &name, const char *key) {
    if (names.insert(name).second) return;
    reader.fail(key, "names a column again", "It is \"" + name + "\".",
                "Every column of a table needs a name of its own.");
  };
  if (schema) {
    for (const Json &field : (*schema)["fields"]) {
      add(field["name"].get<std::string>(), "schema");
      if (field.contains("mapped_name")) {
        require_fetched(reader, "schema", object, field["mapped_name"].get<std::string>());
      }
    }
  }
  if (object.contains("columns") && object["columns"].is_array()) {
    for (const Json &column : object["columns"]) add(column["as"].get<std::string>(), "columns");
  }
}

std::string exact_name(const ObjectReader &reader, const Connector *connector,
                       const char *object_type) {
  std::string written = reader.required_text("object", kLongestName);
  if (!connector) return written;
  if (std::string_view(object_type) == "common") {
    std::vector<std::string> names;
    for (const auto &[name, mapping] : connector->common_objects) names.push_back(name);
    if (names.empty()) reader.fail("object", "cannot be common: " + connector->name + " maps none");
    return *reader.choice("object", names);
  }
  std::string exact = connector->exact_object(object_type, written);
  if (exact.empty()) {
    reader.fail("object", "cannot be the name of an object of " + connector->name,
                "It is \"" + written + "\".", connector->offered_objects());
  }
  return exact;
}

// What every kind of object may say of its table and its schedule.
void read_placing(const ObjectReader &reader, const Context &context, Json &object) {
  Json given = Json::object();
  if (const Json *value = reader.find("sync_strategy_override")) {
    given = read_schedule(reader.path("sync_strategy_override"), *value);
    object["sync_strategy_override"] = given;
  }
  object["config"] = merged_schedule(context.defaults, given);
}

Json read_object(const std::string &path, const Json &item, const Context &context,
                 const char *object_type) {
  ObjectReader reader(kSyncConfig, path, item, object_spellings());
  Json object = {{"object_type", object_type},
                 {"object", exact_name(reader, context.connector, object_type)}};
  put(object, "table", reader.text("table", kLongestTable));
  const std::optional<std::string> schema = reader.text("schema", kLongestName);
  put(object, "schema", schema);
  put(object, "fields", read_fields(reader, "fields"));
  put(object, "exclude_fields", read_fields(reader, "exclude_fields"));
  for (const Json &field : object.value("fields", Json::array())) {
    if (lists(object, "exclude_fields", field)) {
      reader.fail("exclude_fields", "and \"fields\" have a field in common",
                  "It is \"" + field.get<std::string>() + "\".");
    }
  }
  read_columns(reader, object_type, object);
  refuse_associations(reader);
  const Json *config = nullptr;
  if (schema && context.templates) {
    config = &find_template(reader, "schema", context.templates->schemas, kSchema, *schema);
  }
  const bool is_common = std::string_view(object_type) == "common";
  check_columns(reader, object, config,
                is_common && context.connector ? common_object(context.connector->category,
                                                               object["object"].get<std::string>())
                                               : nullptr);
  read_placing(reader, context, object);
  return object;
}

// The entity's name, whether it is given by name or by id; "" for an id that is not to be looked
// up.
std::string entity_name(const ObjectReader &reader, const Templates *templates) {
  Json reference = Json::object();
  read_reference(reader, "entity_id", "entity_name", reference);
  if (reference.contains("entity_name")) {
    const std::string name = reference["entity_name"].get<std::string>();
    if (templates) find_template(reader, "entity_name", templates->entities, kEntity, name);
    return name;
  }
  if (!templates) return {};
  for (const auto &[name, entity] : templates->entities.items()) {
    if (entity["id"] == reference["entity_id"]) return name;
  }
  find_template(reader, "entity_id", templates->entities, kEntity, reference["entity_id"].dump());
  return {};
}

Json read_entity_item(const std::string &path, const Json &item, const Context &context) {
  const Json whole = item.is_string() ? Json{{"entity_name", item}} : item;
  ObjectReader reader(kSyncConfig, path, whole, entity_spellings());
  Json object = {{"object_type", "entity"}, {"object", entity_name(reader, context.templates)}};
  put(object, "table", reader.text("table", kLongestTable));
  put(object, "exclude_fields", read_fields(reader, "exclude_fields"));
  read_placing(reader, context, object);
  return object;
}

struct ObjectList {
  const char *key;
  const char *object_type;
};
constexpr ObjectList kObjectLists[] = {{"common_objects", "common"},
                                       {"standard_objects", "standard"},
                                       {"custom_objects", "custom"},
                                       {"entities", "entity"}};

Json read_objects(const ObjectReader &reader, const Context &context) {
  Json objects = Json::array();
  std::set<std::pair<std::string, std::string>> names;
  for (const auto &[key, type] : kObjectLists) {
    const Json *items = reader.list(key);
    const std::string kind = type;
    for (size_t i = 0; items && i < items->size(); ++i) {
      const std::string path = item_path(reader, key, i);
      Json object = kind == "entity" ? read_entity_item(path, (*items)[i], context)
                                     : read_object(path, (*items)[i], context, type);
      const std::string name = object["object"].get<std::string>();
      // A provider's own objects are of one name space, standard or custom.
      const std::string space = kind == "custom" ? "standard" : kind;
      if (!name.empty() && !names.emplace(space, name).second) {
        throw Error(ErrorClass::kBadDocument,
                    '"' + path + (kind == "entity" ? "" : ".object") + "\" in " + kSyncConfig +
                        " names " + (kind == "entity" ? "an entity" : "an object") + " again",
                    "It is \"" + name + "\".", "A sync config may name it once.");
      }
      objects.push_back(std::move(object));
    }
  }
  return objects;
}

}  // namespace

Document read_sync_config(std::string_view text, std::string_view provider_name,
                          const Templates *templates) {
  ObjectReader reader(kSyncConfig, "", parse_document(kSyncConfig, text), sync_config_spellings());
  Document document = begin(reader);
  document.name = reader.text("name", kLongestName).value_or("");
  Json &plain = document.plain;
  read_reference(reader, "destination_id", "destination_name", plain);
  read_reference(reader, "provider_id", "provider_name", plain);
  const std::string provider = plain.value("provider_name", std::string(provider_name));
  const std::shared_ptr<const Connector> connector = Connector::builtin(provider);
  const Context context = {connector.get(), templates, default_schedule(reader)};
  plain["default_config"] = context.defaults;
  plain["objects"] = read_objects(reader, context);
  return document;
}

Json unread_sync_config(Json plain) {
  const Json objects = std::move(plain["objects"]);
  plain.erase("objects");
  for (Json object : objects) {
    const std::string type = object["object_type"].get<std::string>();
    if (type == "entity") {
      object["entity_name"] = object["object"];
      object.erase("object");
    }
    object.erase("object_type");
    object.erase("config");
    for (const auto &[key, listed] : kObjectLists) {
      if (type == listed) plain[key].push_back(object);
    }
  }
  return plain;
}

}  // namespace supaglue
