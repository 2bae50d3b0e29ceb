// simulator: writing by HubSpot's API: records one by one and in batches, archiving, merging,
// deleting for good. The caller holds the portal's mutex alone.
#include <nlohmann/json.hpp>

#include "hubspot.hpp"

namespace simulator::hubspot {

using nlohmann::json;

// As a browser's form would have them, everything is text.
static Values values_from(const Records &records, const json &properties) {
  Values values;
  json wrong = json::array();
  for (const auto &[name, value] : properties.items()) {
    const Property *property = records.type().find(name);
    const auto complain = [&](const std::string &message, const char *error) {
      wrong.push_back({{"isValid", false}, {"message", message}, {"error", error}, {"name", name}});
    };
    const Text text = value.is_null()     ? Text()
                      : value.is_string() ? Text(value.get<std::string>())
                                          : Text(value.dump());
    char *end = nullptr;
    if (!property || property->archived)
      complain("Property \"" + name + "\" does not exist", "PROPERTY_DOESNT_EXIST");
    else if (property->read_only)
      complain("\"" + name + "\" is a read only property", "READ_ONLY_VALUE");
    else if (property->type == "number" && text && !text->empty() &&
             (std::strtod(text->c_str(), &end), *end))
      complain(*text + " was not a valid number.", "INVALID_DOUBLE");
    else
      values[name] = text;
  }
  if (!wrong.empty())
    throw Refusal{400, "VALIDATION_ERROR", "Property values were not valid: " + wrong.dump()};
  return values;
}

static Row row_of(const Records &records, const std::string &id) {
  const auto row = records.row_of(id);
  if (!row || !Records::is_visible(records.change(*row), false))
    throw Refusal{404, "OBJECT_NOT_FOUND", "resource not found"};
  return *row;
}

static std::string document_of(const Portal &portal, const Records &records, Row row,
                               const json &properties) {
  std::vector<std::string> names = records.type().shown;
  for (const auto &[name, value] : properties.items()) names.push_back(name);
  std::string out;
  append_record(out, portal, records, row, records.change(row),
                properties_named(records.type(), names), {});
  return out;
}

static Row create(Portal &portal, Records &records, const json &input, std::int64_t now) {
  const Row row = records.insert(values_from(records, input.at("properties")), now);
  for (const json &association : input.value("associations", json::array())) {
    const long type_id = association.at("types").at(0).value("associationTypeId", 0L);
    static const std::map<long, const char *> targets = {
        {1, "companies"}, {279, "companies"}, {5, "companies"}, {341, "companies"},
        {2, "contacts"},  {280, "contacts"},  {3, "contacts"},  {4, "deals"},
        {6, "deals"},     {342, "deals"},     {15, "tickets"},  {16, "contacts"}};
    const auto target = targets.find(type_id);
    if (target == targets.end())
      throw Refusal{400, "VALIDATION_ERROR", "no association of type " + std::to_string(type_id)};
    const Records &to = *portal.find_exactly(target->second);
    portal.associate(records, row, to, row_of(to, association.at("to").at("id")), true);
  }
  return row;
}

Response Api::write_batch(const Request &request, Portal &portal, Records &records,
                          const std::string &what) {
  const std::int64_t now = clock_.now_ms();
  const json inputs = body_of(request).at("inputs");
  if (inputs.size() > 100)
    throw Refusal{400, "VALIDATION_ERROR", "The maximum number of inputs is 100"};
  json results = json::array();
  for (const json &input : inputs) {
    if (what == "archive") {
      const auto row = records.row_of(input.at("id").get<std::string>());
      if (row && Records::is_visible(records.change(*row), false)) records.archive(*row, now);
      continue;
    }
    const json properties = input.at("properties");
    const Row row =
        what == "create" ? create(portal, records, input, now) : row_of(records, input.at("id"));
    if (what == "update") records.update(row, values_from(records, properties), now, true);
    results.push_back(json::parse(document_of(portal, records, row, properties)));
  }
  if (what == "archive") return {204, ""};
  const std::string stamp = iso_stamp(now);
  return {what == "create" ? 201 : 200, json{{"status", "COMPLETE"},
                                             {"results", std::move(results)},
                                             {"startedAt", stamp},
                                             {"completedAt", stamp}}
                                            .dump()};
}

Response Api::write(const Request &request, Portal &portal, Records &records, const Parts &parts) {
  const std::int64_t now = clock_.now_ms();
  const std::string last = parts.back();
  portal.version++;
  if (request.method == "DELETE" && parts.size() == 4) {  // of what is not there, too
    const auto row = records.row_of(last);
    if (row && Records::is_visible(records.change(*row), false)) records.archive(*row, now);
    return {204, ""};
  }
  if (request.method == "PATCH" && parts.size() == 4) {
    const Row row = row_of(records, last);
    const json properties = body_of(request).at("properties");
    records.update(row, values_from(records, properties), now, true);
    return {200, document_of(portal, records, row, properties)};
  }
  const bool is_batch = parts.size() == 5 && parts[3] == "batch";
  if (request.method == "POST" && is_batch &&
      (last == "create" || last == "update" || last == "archive"))
    return write_batch(request, portal, records, last);
  if (request.method == "POST" && parts.size() == 3) {
    const json body = body_of(request);
    const Row row = create(portal, records, body, now);
    return {201, document_of(portal, records, row, body.at("properties"))};
  }
  if (request.method == "POST" && parts.size() == 4 && last == "merge") {
    const json body = body_of(request);
    const Row primary = row_of(records, body.at("primaryObjectId"));
    const Row other = row_of(records, body.at("objectIdToMerge"));
    if (primary == other)
      throw Refusal{400, "VALIDATION_ERROR", "a record cannot be merged with itself"};
    const Row row = portal.merge(records, primary, other, now, false);
    return {200, document_of(portal, records, row, json::object())};
  }
  if (request.method == "POST" && parts.size() == 4 && last == "gdpr-delete") {
    const auto row = records.row_of(body_of(request).at("objectId").get<std::string>());
    if (row) records.purge(*row, now);
    return {204, ""};
  }
  throw Refusal{404, "OBJECT_NOT_FOUND", "no such route: " + request.method + " " + request.path};
}

}  // namespace simulator::hubspot
