// pure: common parts of the configuration documents; see config_parts.hpp.
#include "config_parts.hpp"

#include <algorithm>
#include <iterator>

#include "pure.hpp"

namespace supaglue {

Document begin(const ObjectReader &reader) {
  Document document;
  document.id = reader.integer("id", 1, INT64_MAX);
  document.plain = Json::object();
  document.secret = nullptr;
  put(document.plain, "application_id", reader.text("application_id", kLongestName));
  return document;
}

void read_reference(const ObjectReader &reader, const char *id, const char *name, Json &plain) {
  std::optional<int64_t> number = reader.integer(id, 1, INT64_MAX);
  std::optional<std::string> text = reader.text(name, kLongestName);
  if (number && text) {
    throw Error(ErrorClass::kBadDocument,
                '"' + reader.path(id) + "\" and \"" + reader.path(name) + "\" in " + reader.kind() +
                    " exclude each other",
                {}, "Give only one of them.");
  }
  if (!number && !text) reader.missing(id, "Or give \"" + reader.path(name) + "\".");
  put(plain, id, number);
  put(plain, name, text);
}

bool is_reserved(const std::string &name) { return name.starts_with("_supaglue"); }

void check_column_name(const ObjectReader &reader, const char *key, const std::string &name) {
  // "id" is ours, the others are Postgres's own in every table.
  static const char *const taken[] = {"id", "tableoid", "ctid", "xmin", "xmax", "cmin", "cmax"};
  if (is_reserved(name)) reader.fail(key, "must not begin with \"_supaglue\"");
  if (std::find(std::begin(taken), std::end(taken), name) != std::end(taken)) {
    reader.fail(key, "must not be \"" + name + "\"", "Every table has a column of that name.");
  }
  if (name.size() > kLongestColumn) {
    reader.fail(key, "must not be longer than " + std::to_string(kLongestColumn) + " bytes",
                "It is the name of a column.");
  }
}

std::string item_path(const ObjectReader &reader, const char *key, size_t index) {
  return reader.path(key) + "[" + std::to_string(index) + "]";
}

}  // namespace supaglue
