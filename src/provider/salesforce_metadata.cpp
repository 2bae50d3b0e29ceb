// pure: reads what was learned of an object; see salesforce_metadata.hpp.
#include "provider/salesforce_metadata.hpp"

#include <simdjson.h>

#include "pure.hpp"

namespace supaglue {
namespace {

namespace dom = simdjson::dom;

std::optional<SoqlField> read_field(const dom::element &item) {
  std::string_view name, type;
  if (item["name"].get(name) || item["type"].get(type)) return std::nullopt;
  SoqlField field;
  field.name = name;
  field.type = type;
  int64_t scale;
  if (!item["scale"].get(scale)) field.scale = static_cast<int>(scale);
  bool ability;
  if (!item["filterable"].get(ability)) field.filterable = ability;
  if (!item["sortable"].get(ability)) field.sortable = ability;
  return field;
}

}  // namespace

std::optional<SoqlObject> read_salesforce_metadata(const std::string &text) {
  dom::parser parser;
  dom::element metadata, stamp, deleted;
  dom::array fields;
  if (parser.parse(text).get(metadata) || metadata["fields"].get(fields) ||
      metadata["stamp"].get(stamp) || metadata["deleted"].get(deleted)) {
    return std::nullopt;
  }
  SoqlObject object;
  std::string_view name;
  if (!stamp.get(name)) object.stamp_field = name;
  if (!deleted.get(name)) object.deleted_field = name;
  object.fields.reserve(fields.size());
  for (const dom::element item : fields) {
    std::optional<SoqlField> field = read_field(item);
    if (!field) return std::nullopt;
    object.fields.push_back(std::move(*field));
  }
  return object;
}

}  // namespace supaglue
