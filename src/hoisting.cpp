// pure: the columns that are hoisted out of records; see hoisting.hpp.
#include "hoisting.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <set>
#include <utility>

#include "column_type.hpp"
#include "common_schema.hpp"
#include "pattern.hpp"
#include "pure.hpp"

namespace supaglue {
namespace {

constexpr size_t kLongestName = 63;
// A function takes at most 100 arguments.
constexpr size_t kPairsPerObject = 40;

// `raw -> 'a' -> 'b'`, with the last arrow the one that gives text or jsonb.
std::string path_sql(const std::vector<std::string> &path, bool as_text) {
  std::string sql = "raw";
  for (size_t i = 0; i < path.size(); ++i)
    sql += (as_text && i + 1 == path.size() ? " ->> " : " -> ") + sql_text(path[i]);
  return sql;
}

std::string field_sql(const Connector &connector, const std::string &field, bool as_text) {
  const std::string sql = path_sql(connector.field_path(field), as_text);
  return as_text ? sql : "nullif(" + sql + ", 'null'::pg_catalog.jsonb)";
}

// The field that an expression takes as it is: `raw->>'Name'`, `raw #>> '{properties,name}'`.
std::string field_of(const Connector &connector, const std::string &expression) {
  static const Pattern arrow(R"(\s*raw\s*->>\s*'([A-Za-z0-9_]+)'\s*)");
  static const Pattern path(R"(\s*raw\s*#>>\s*'\{([A-Za-z0-9_]+),([A-Za-z0-9_]+)\}'\s*)");
  if (const auto match = arrow.match(expression); !match.empty())
    return connector.field_prefix.empty() ? match[1] : "/" + match[1];
  const auto match = path.match(expression);
  return !match.empty() && match[1] == connector.field_prefix ? match[2] : std::string();
}

void add_common_columns(const Hoisting &hoisting, std::vector<HoistedColumn> *columns) {
  const CommonObject *schema = common_object(hoisting.connector->category, hoisting.object);
  if (schema == nullptr) return;
  const auto found = hoisting.connector->common_objects.find(hoisting.object);
  for (const CommonColumn &column : schema->columns) {
    const bool is_list = std::string_view(column.type) == "jsonb";
    std::string source = is_list ? "'[]'::pg_catalog.jsonb" : "NULL::pg_catalog.text", field;
    if (found != hoisting.connector->common_objects.end()) {
      const auto expression = found->second.columns.find(column.name);
      if (expression != found->second.columns.end()) {
        source = "(" + expression->second + ")";
        field = field_of(*hoisting.connector, expression->second);
      }
    }
    columns->push_back({column.name, column.type, source, field});
  }
}

// The provider's field that a field of the schema means; empty: none.
std::string mapped_to(const Hoisting &hoisting, const Json &field) {
  if (field.contains("mapped_name")) return field["mapped_name"].get<std::string>();
  if (!hoisting.mappings.is_object()) return {};
  const auto mapped = hoisting.mappings.find(field["name"].get<std::string>());
  return mapped == hoisting.mappings.end() || !mapped->is_string() ? std::string()
                                                                   : mapped->get<std::string>();
}

using Pairs = std::vector<std::pair<std::string, std::string>>;  // key, SQL

std::string object_sql(const Pairs &pairs) {
  std::string sql;
  for (size_t from = 0; from < pairs.size() || sql.empty(); from += kPairsPerObject) {
    sql += sql.empty() ? "pg_catalog.jsonb_build_object(" : " || pg_catalog.jsonb_build_object(";
    const size_t to = std::min(pairs.size(), from + kPairsPerObject);
    for (size_t i = from; i < to; ++i)
      sql += (i == from ? "" : ", ") + sql_text(pairs[i].first) + ", " + pairs[i].second;
    sql += ")";
  }
  return sql;
}

// The fields that the customer added, by their names.
Pairs added_fields(const Hoisting &hoisting) {
  Pairs added;
  if (!hoisting.schema.value("allow_additional_field_mappings", false) ||
      !hoisting.mappings.is_object())
    return added;
  const Json &fields = hoisting.schema["fields"];
  for (const auto &[name, field] : hoisting.mappings.items()) {
    const bool known = std::any_of(fields.begin(), fields.end(),
                                   [&](const Json &own) { return own["name"] == name; });
    if (!known && field.is_string())
      added.emplace_back(name, field_sql(*hoisting.connector, field.get<std::string>(), false));
  }
  return added;
}

void add_schema_columns(const Hoisting &hoisting, std::vector<HoistedColumn> *columns) {
  if (!hoisting.schema.is_object()) return;
  Pairs pairs;
  for (const Json &field : hoisting.schema["fields"]) {
    const std::string name = field["name"], type = field.value("type", "text");
    const std::string mapped = mapped_to(hoisting, field);
    if (mapped.empty()) {
      const bool is_json = type == "jsonb";
      columns->push_back(
          {name, type, is_json ? "NULL::pg_catalog.jsonb" : "NULL::pg_catalog.text", ""});
      continue;
    }
    columns->push_back(field_column(*hoisting.connector, name, type, mapped));
    pairs.emplace_back(name, field_sql(*hoisting.connector, mapped, false));
  }
  if (const Pairs added = added_fields(hoisting); !added.empty())
    pairs.emplace_back("additional_fields", object_sql(added));
  columns->push_back({kMappedDataName, "jsonb", object_sql(pairs), ""});
}

bool is_own(const std::string &name) { return name == "id" || name.starts_with("_supaglue"); }

void add_listed_columns(const Hoisting &hoisting, std::vector<HoistedColumn> *columns) {
  for (const Json &column : hoisting.columns) {
    const std::string field = column["field"];
    columns->push_back(field_column(*hoisting.connector, column.value("as", field),
                                    column.value("type", "text"), field));
  }
}

// What the developer named in a schema is the schema's column.
bool in_schema(const Hoisting &hoisting, const std::string &name) {
  if (!hoisting.schema.is_object()) return false;
  const Json &fields = hoisting.schema["fields"];
  return std::any_of(fields.begin(), fields.end(),
                     [&](const Json &field) { return field["name"] == name; });
}

// The provider's own fields, each of the type that it tells.
void add_typed_columns(const Hoisting &hoisting, std::vector<HoistedColumn> *columns) {
  if (!hoisting.metadata.is_object()) return;
  const Connector &connector = *hoisting.connector;
  const std::string &suffix = connector.object_names.custom_suffix;
  for (const Json &field : hoisting.metadata["fields"]) {
    const std::string name = field["name"];
    const bool custom = field.value("custom", false) || (!suffix.empty() && name.ends_with(suffix));
    if (custom || is_own(name) || name.size() > kLongestName || in_schema(hoisting, name)) continue;
    columns->push_back(field_column(connector, name, connector.type_of(field["type"]), name));
  }
}

}  // namespace

std::string sql_text(std::string_view text) {
  std::string sql;
  bool escapes = false;
  for (char c : text) {
    if (c == '\'' || c == '\\') sql += c;
    escapes = escapes || c == '\\';
    sql += c;
  }
  return (escapes ? "E'" : "'") + sql + "'";
}

HoistedColumn field_column(const Connector &connector, const std::string &name,
                           const std::string &type, const std::string &field) {
  return {name, type, field_sql(connector, field, type != "jsonb"), field};
}

std::vector<HoistedColumn> hoisted_columns(const Hoisting &hoisting) {
  std::vector<HoistedColumn> columns;
  if (hoisting.object_type == "common") add_common_columns(hoisting, &columns);
  if (hoisting.columns.is_array()) add_listed_columns(hoisting, &columns);
  if (hoisting.columns == "typed") add_typed_columns(hoisting, &columns);
  add_schema_columns(hoisting, &columns);
  std::set<std::string> names;
  std::erase_if(columns, [&](const HoistedColumn &column) {
    return !names.insert(column.name).second ||
           (is_own(column.name) && column.name != kMappedDataName);
  });
  return columns;
}

std::vector<std::string> broken_mappings(const Hoisting &hoisting) {
  std::vector<std::string> broken;
  if (!hoisting.schema.is_object() || !hoisting.metadata.is_object()) return broken;
  std::set<std::string> known;
  for (const Json &field : hoisting.metadata["fields"]) known.insert(field["name"]);
  const auto check = [&](const std::string &name, const std::string &mapped) {
    if (!mapped.empty() && mapped[0] != '/' && !known.contains(mapped)) broken.push_back(name);
  };
  for (const Json &field : hoisting.schema["fields"])
    check(field["name"], mapped_to(hoisting, field));
  if (hoisting.mappings.is_object())
    for (const auto &[name, added] : added_fields(hoisting))
      check(name, hoisting.mappings[name].get<std::string>());
  return broken;
}

std::string fingerprint(const Hoisting &hoisting, const std::vector<HoistedColumn> &columns) {
  std::string all;
  for (const HoistedColumn &column : columns)
    all += column.name + '\n' + column.type + '\n' + column.source + '\n';
  if (hoisting.metadata.is_object() && hoisting.metadata.contains("lookups"))
    all += hoisting.metadata["lookups"].dump();
  for (const std::string &name : broken_mappings(hoisting)) all += '\n' + name;
  uint64_t hash = 14695981039346656037U;  // FNV-1a: the same on every machine
  for (char c : all) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

std::string misfits(const std::vector<HoistedColumn> &columns) {
  std::string sql;
  for (const HoistedColumn &column : columns) {
    if (fits_always(column.type)) continue;
    sql += (sql.empty() ? "(" : " + (") + column.source + " IS NOT NULL AND " +
           fitting_value(column.type, column.source) + " IS NULL)::pg_catalog.int4";
  }
  return sql.empty() ? "0" : sql;
}

}  // namespace supaglue
