// pure: which columns are hoisted out of the records of an object, and the SQL that fills each: of
// common objects by the connector's mapping, of schemas and entities by what developer and
// customer mapped, of "columns" as they are listed. It knows no table and runs nothing.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "connector.hpp"
#include "json.hpp"
#include "pure.hpp"

namespace supaglue {

/// What decides the columns of an object, for one connection.
struct Hoisting {
  std::shared_ptr<const Connector> connector;
  std::string object_type;  // "common", "standard", "custom", "entity"
  std::string object;       // ours
  Json columns;             // of the sync config's object: null, "typed", or
                            // [{"field", "type"?, "as"?}]
  Json schema;              // of the schema or the entity: null, or {"fields": [{"name", "type",
                            // "mapped_name"?}], "allow_additional_field_mappings"?}
  Json mappings;            // of the connection: {field: field of the provider or null}
  Json metadata;            // of the sync: null, or {"fields": [{"name", "type"}], "lookups"?}
};

struct HoistedColumn {
  std::string name;
  std::string type;    // as column_type() spells it
  std::string source;  // SQL over `raw` and `lookup`: text, or jsonb when the type is
  std::string field;   // the provider's field when `source` is that; else empty
};

constexpr char kMappedDataName[] = "_supaglue_mapped_data";

/// In the table's order. Names are unique, and none is one of the table's own.
std::vector<HoistedColumn> hoisted_columns(const Hoisting &hoisting);
/// A column that takes one field as it is.
HoistedColumn field_column(const Connector &connector, const std::string &name,
                           const std::string &type, const std::string &field);
/// Fields of the schema, or added ones, that are mapped to a field that the object does not have.
std::vector<std::string> broken_mappings(const Hoisting &hoisting);
/// Changes when what the columns hold changes, and when another mapping breaks.
std::string fingerprint(const Hoisting &hoisting, const std::vector<HoistedColumn> &columns);
/// SQL: how many of these columns' texts do not fit their types.
std::string misfits(const std::vector<HoistedColumn> &columns);
/// A text constant of SQL, whatever standard_conforming_strings says.
std::string sql_text(std::string_view text);

}  // namespace supaglue
