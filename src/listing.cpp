// pure: compiles how a provider lists its objects; see listing.hpp.
#include "listing.hpp"

#include "pure.hpp"

namespace supaglue {
namespace {

constexpr int64_t kLongestPeriodMs = int64_t{366} * 86'400'000;

std::string path_of(const ObjectReader &reader, const char *key) {
  std::string path = reader.required_text(key, 2000);
  if (!path.starts_with('/')) reader.fail(key, "must be a path", {}, "It begins with \"/\".");
  return path;
}

Parameters read_parameters(const ObjectReader &reader, const char *key) {
  Parameters parameters;
  const Json *object = reader.find(key);
  if (!object) return parameters;
  if (!object->is_object()) reader.fail(key, "must be an object of strings");
  for (const auto &[name, value] : object->items()) {
    if (!value.is_string()) reader.fail(key, "must be an object of strings");
    parameters.emplace_back(name, value.get<std::string>());
  }
  return parameters;
}

/// The members of an object, each an object of its own kind.
template <typename Read>
void each(const ObjectReader &reader, const char *key, const Read &read) {
  const Json *object = reader.find(key);
  if (!object) return;
  if (!object->is_object()) reader.fail(key, "must be an object");
  for (const auto &[name, member] : object->items()) {
    read(name, reader.path(key) + "." + name, member);
  }
}

ListedType read_type(const ObjectReader &reader, const std::string &name) {
  if (name == "text") return ListedType::kText;
  if (name == "number") return ListedType::kNumber;
  if (name == "boolean") return ListedType::kBoolean;
  if (name == "date") return ListedType::kDate;
  if (name == "time") return ListedType::kTime;
  reader.fail("types", "must name \"text\", \"number\", \"boolean\", \"date\" or \"time\"", {},
              "It has \"" + name + "\".");
}

ListedFields read_fields(const std::string &kind, const std::string &path, const Json &object) {
  ObjectReader reader(kind, path, object,
                      {{"path", "path"},
                       {"records", "records"},
                       {"name", "name"},
                       {"type", "type"},
                       {"values", "values"},
                       {"parameter", "parameter"},
                       {"types", "types"}});
  ListedFields fields;
  fields.path = path_of(reader, "path");
  fields.records = read_pointer(reader, "records");
  fields.name = reader.required_text("name");
  fields.type = reader.required_text("type");
  fields.values = reader.required_text("values");
  fields.parameter = reader.required_text("parameter");
  for (const auto &[name, type] : read_parameters(reader, "types")) {
    fields.types[name] = read_type(reader, type);
  }
  return fields;
}

ListedBatch read_batch(const std::string &kind, const std::string &path, const Json &object) {
  ObjectReader reader(kind, path, object,
                      {{"path", "path"},
                       {"records", "records"},
                       {"inputs", "inputs"},
                       {"id", "id"},
                       {"fields", "fields"},
                       {"most", "most"}});
  ListedBatch batch;
  batch.path = path_of(reader, "path");
  batch.records = read_pointer(reader, "records");
  batch.inputs = reader.required_text("inputs");
  batch.id = reader.required_text("id");
  batch.fields = reader.required_text("fields");
  batch.most = static_cast<size_t>(reader.integer("most", 1, 10'000).value_or(100));
  return batch;
}

void read_associations(const std::string &kind, const std::string &path, const Json &object,
                       RecordList *listing) {
  ObjectReader reader(
      kind, path, object,
      {{"values", "values"}, {"parameter", "parameter"}, {"records", "records"}, {"id", "id"}});
  listing->associations = reader.required_text("values");
  listing->associations_parameter = reader.required_text("parameter");
  listing->association_records = reader.required_text("records");
  listing->association_id = reader.required_text("id");
}

void read_archive(const std::string &kind, const std::string &path, const Json &object,
                  RecordList *listing) {
  ObjectReader reader(kind, path, object, {{"query", "query"}, {"every_ms", "every_ms"}});
  listing->has_archive = true;
  listing->archive_query = read_parameters(reader, "query");
  listing->archive_every_ms = reader.integer("every_ms", 0, kLongestPeriodMs).value_or(0);
}

void read_parts(const ObjectReader &reader, RecordList *listing) {
  const std::string &kind = reader.kind();
  if (const Json *fields = reader.find("fields")) {
    listing->fields = read_fields(kind, reader.path("fields"), *fields);
  }
  if (const Json *batch = reader.find("batch")) {
    listing->batch = read_batch(kind, reader.path("batch"), *batch);
  }
  if (const Json *associations = reader.find("associations")) {
    read_associations(kind, reader.path("associations"), *associations, listing);
  }
  if (const Json *archive = reader.find("archive")) {
    read_archive(kind, reader.path("archive"), *archive, listing);
  }
}

RecordList read_listing(const std::string &kind, const std::string &path, const Json &object) {
  ObjectReader reader(kind, path, object,
                      {{"path", "path"},
                       {"query", "query"},
                       {"records", "records"},
                       {"next", "next"},
                       {"next_parameter", "next_parameter"},
                       {"id", "id"},
                       {"numeric_ids", "numeric_ids"},
                       {"keep", "keep"},
                       {"times", "times"},
                       {"stamps", "stamps"},
                       {"deleted", "deleted"},
                       {"incremental", "incremental"},
                       {"one", "one"},
                       {"longest_url", "longest_url"},
                       {"fields", "fields"},
                       {"batch", "batch"},
                       {"associations", "associations"},
                       {"archive", "archive"}});
  RecordList listing;
  listing.path = path_of(reader, "path");
  listing.query = read_parameters(reader, "query");
  listing.records = read_pointer(reader, "records");
  listing.next = read_pointer(reader, "next");
  if (!listing.next.empty()) listing.next_parameter = reader.required_text("next_parameter");
  listing.id = reader.required_text("id");
  listing.numeric_ids = reader.boolean("numeric_ids").value_or(false);
  listing.keep = reader.texts("keep").value_or(std::vector<std::string>{});
  listing.times = reader.texts("times").value_or(std::vector<std::string>{});
  listing.stamps = reader.texts("stamps").value_or(std::vector<std::string>{});
  listing.deleted = reader.text("deleted").value_or("");
  // Said in so many words, so that nobody takes a list for more than it is.
  if (!reader.choice("incremental", {"none"})) reader.missing("incremental");
  if (reader.has("one")) listing.one_path = path_of(reader, "one");
  listing.longest_url =
      static_cast<size_t>(reader.integer("longest_url", 500, 1'000'000).value_or(14'000));
  read_parts(reader, &listing);
  return listing;
}

Lookup::Nested read_nested(const std::string &kind, const std::string &path,
                           const std::string &name, const Json &object) {
  ObjectReader reader(kind, path, object,
                      {{"records", "records"}, {"key", "key"}, {"value", "value"}});
  return {name, reader.required_text("records"), reader.required_text("key"),
          reader.required_text("value")};
}

Lookup read_lookup(const std::string &kind, const std::string &path, const Json &object) {
  ObjectReader reader(kind, path, object,
                      {{"path", "path"},
                       {"records", "records"},
                       {"key", "key"},
                       {"values", "values"},
                       {"nested", "nested"}});
  Lookup lookup;
  lookup.path = path_of(reader, "path");
  lookup.records = read_pointer(reader, "records");
  lookup.key = reader.required_text("key");
  lookup.values = reader.texts("values").value_or(std::vector<std::string>{});
  each(reader, "nested", [&](const std::string &name, const std::string &at, const Json &nested) {
    lookup.nested.push_back(read_nested(kind, at, name, nested));
  });
  return lookup;
}

template <typename Map>
std::vector<std::string> names_of(const Map &map) {
  std::vector<std::string> names;
  for (const auto &[name, value] : map) names.push_back(name);
  return names;
}

ListedObject read_object(const std::string &kind, const std::string &path, const Json &object,
                         const Listings &listings) {
  ObjectReader reader(kind, path, object,
                      {{"list", "list"},
                       {"api_name", "api_name"},
                       {"associations", "associations"},
                       {"lookups", "lookups"}});
  ListedObject listed;
  std::optional<std::string> list = reader.choice("list", names_of(listings.lists));
  if (!list) reader.missing("list");
  listed.list = *list;
  listed.api_name = reader.required_text("api_name");
  listed.associations = reader.texts("associations").value_or(std::vector<std::string>{});
  if (!listed.associations.empty() && listings.lists.at(*list).associations.empty()) {
    reader.fail("associations", "needs a list that says where they are");
  }
  listed.lookups = reader.texts("lookups").value_or(std::vector<std::string>{});
  for (const std::string &lookup : listed.lookups) {
    if (!listings.lookups.contains(lookup)) {
      reader.fail("lookups", "must be an array of " + quoted_list(names_of(listings.lookups)));
    }
  }
  return listed;
}

}  // namespace

std::string read_pointer(const ObjectReader &reader, const char *key) {
  std::string text = reader.text(key).value_or("");
  bool good = text.empty() || text.front() == '/';
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '~' && (i + 1 == text.size() || (text[i + 1] != '0' && text[i + 1] != '1'))) {
      good = false;
    }
  }
  if (!good) reader.fail(key, "must be a JSON pointer", {}, "For example \"/0/message\".");
  return text;
}

Listings read_listings(const ObjectReader &document) {
  const std::string &kind = document.kind();
  Listings listings;
  each(document, "lists", [&](const std::string &name, const std::string &path, const Json &list) {
    listings.lists.emplace(name, read_listing(kind, path, list));
  });
  each(document, "lookups",
       [&](const std::string &name, const std::string &path, const Json &lookup) {
         listings.lookups.emplace(name, read_lookup(kind, path, lookup));
       });
  each(document, "objects",
       [&](const std::string &name, const std::string &path, const Json &object) {
         listings.objects.emplace(name, read_object(kind, path, object, listings));
       });
  return listings;
}

}  // namespace supaglue
