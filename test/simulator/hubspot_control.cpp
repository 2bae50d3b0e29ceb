// simulator: the control endpoint's part that is about HubSpot: records, properties, access; and
// the truth about records, in the form to which a reader that types them by the account's
// properties should come.
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>

#include "hubspot.hpp"

namespace simulator::hubspot {

using nlohmann::json;

static void allow(const json &document, const std::set<std::string> &keys) {
  for (const auto &[key, value] : document.items())
    if (!keys.count(key)) throw std::runtime_error("unknown key '" + key + "'");
}

static Records &records_named(Portal &portal, const std::string &name) {
  Records *records = name == "owners" ? portal.find_exactly(name) : portal.find(name);
  if (!records) throw std::runtime_error("no object '" + name + "' in account " + portal.name());
  return *records;
}

// Whatever a person or an import may have brought in: nothing is checked but the name.
static Values values_from(const Records &records, const json &document) {
  Values values;
  for (const auto &[name, value] : document.items()) {
    const Property *property = records.type().find(name);
    if (!property) throw std::runtime_error("no property '" + name + "' on " + records.type().name);
    if (property->maker == Maker::id || property->maker == Maker::created ||
        property->maker == Maker::modified || property->calculated)
      throw std::runtime_error("property '" + name + "' cannot be set");
    values[name] = value.is_null()     ? Text()
                   : value.is_string() ? Text(value.get<std::string>())
                                       : Text(value.dump());
  }
  return values;
}

static std::vector<Row> rows_from(const Portal &portal, const Records &records,
                                  const json &document, std::int64_t now) {
  std::vector<Row> rows;
  if (document.contains("where")) {  // a search's filters
    json filters = document["where"];
    if (filters.is_object()) filters = json::array({filters});
    try {
      rows = rows_found(portal, records,
                        json{{"filterGroups", json::array({{{"filters", filters}}})}}, now);
    } catch (const Refusal &refusal) {
      throw std::runtime_error(refusal.message);
    }
    return rows;
  }
  const json ids = document.at("id").is_array() ? document["id"] : json::array({document["id"]});
  for (const json &id : ids) {
    const auto row = records.row_of(id.is_string() ? id.get<std::string>() : id.dump());
    const Change *change = row ? records.change(*row) : nullptr;
    if (!row || (change && change->gone)) throw std::runtime_error("no record " + id.dump());
    rows.push_back(*row);
  }
  return rows;
}

json Api::change_records(const std::string &name, const json &document) {
  allow(document, {"org", "object", "id", "where", "set", "records", "hard", "stamp", "loser",
                   "keeps_id", "to", "to_id", "associated"});
  Portal &portal = portals_.create(document.value("org", "default"));
  const std::unique_lock lock(portal.mutex);
  Records &records = records_named(portal, document.at("object"));
  const std::int64_t now = clock_.now_ms();
  const bool moves_stamp = document.value("stamp", true);
  std::vector<Row> rows;
  if (name == "insert") {
    std::vector<Values> all;
    for (const json &record : document.at("records")) all.push_back(values_from(records, record));
    for (Values &values : all) rows.push_back(records.insert(std::move(values), now));
  } else {
    rows = rows_from(portal, records, document, now);
  }
  if (name == "update") {
    const Values values = values_from(records, document.value("set", json::object()));
    for (const Row row : rows) records.update(row, values, now, moves_stamp);
  }
  for (const Row row : rows) {
    if (name == "delete" && document.value("hard", false))
      records.purge(row, now);
    else if (name == "delete")
      records.archive(row, now);
    if (name == "undelete") records.restore(row, now, moves_stamp);
  }
  if (name == "merge") {
    const auto loser = rows_from(portal, records, {{"id", document.at("loser")}}, now);
    if (rows.size() != 1 || loser.size() != 1 || rows == loser)
      throw std::runtime_error("merge takes one id and one other loser");
    rows = {portal.merge(records, rows[0], loser[0], now, document.value("keeps_id", false))};
  }
  if (name == "associate") {
    const Records &to = records_named(portal, document.at("to"));
    for (const Row other : rows_from(portal, to, {{"id", document.at("to_id")}}, now))
      for (const Row row : rows)
        portal.associate(records, row, to, other, document.value("associated", true));
  }
  portal.version++;
  json ids = json::array();
  for (const Row row : rows) ids.push_back(records.id(row));
  return {{"count", rows.size()}, {"ids", ids}};
}

json Api::change_account(const std::string &name, const json &document) {
  allow(document,
        {"org", "object", "field", "fields", "label", "ms", "revoked", "scopes", "pipelines"});
  if (name == "expire_tokens") {
    grants_.expire_tokens(document.value("org", ""));
    return json::object();
  }
  if (name == "token_ttl") {
    grants_.set_ttl_ms(document.at("ms"));
    return json::object();
  }
  Portal &portal = portals_.create(document.value("org", "default"));
  const std::unique_lock lock(portal.mutex);
  if (name == "revoke") grants_.set_revoked(portal.name(), document.value("revoked", true));
  if (name == "index_lag") portal.index_lag_ms = document.at("ms");
  if (name == "scopes") {
    portal.scopes.reset();
    if (!document.at("scopes").is_null())
      portal.scopes = document["scopes"].get<std::set<std::string>>();
  }
  if (name == "pipelines")
    portal.set_pipelines(records_named(portal, document.at("object")).type().name,
                         document.at("pipelines"));
  if (name == "add_field") {
    Property property = property_from_json(document.at("field"));
    ObjectType &type = records_named(portal, document.at("object")).type();
    if (type.find(property.name))
      throw std::runtime_error("property '" + property.name + "' exists");
    type.properties.push_back(std::move(property));
  }
  if (name == "remove_field") {
    ObjectType &type = records_named(portal, document.at("object")).type();
    const std::string field = document.at("field");
    if (std::erase_if(type.properties,
                      [&](const Property &property) { return property.name == field; }) == 0)
      throw std::runtime_error("no property '" + field + "'");
  }
  if (name == "add_object") {
    const std::string object = document.at("object");
    if (portal.find(object)) throw std::runtime_error("object '" + object + "' exists");
    ObjectType &type = portal.add_type(object).type();
    for (const json &field : document.value("fields", json::array()))
      type.properties.push_back(property_from_json(field));
  }
  if (name == "remove_object" && !portal.remove_type(document.at("object")))
    throw std::runtime_error("no such custom object");
  portal.version++;
  return json::object();
}

json Api::command(const std::string &name, const json &document) {
  static const std::set<std::string> of_records = {"insert",   "update", "delete",
                                                   "undelete", "merge",  "associate"};
  static const std::set<std::string> of_account = {
      "create_org", "expire_tokens", "token_ttl",    "revoke",     "index_lag",    "scopes",
      "pipelines",  "add_field",     "remove_field", "add_object", "remove_object"};
  json rest = document;
  rest.erase("provider");
  if (of_records.count(name)) return change_records(name, rest);
  if (of_account.count(name)) return change_account(name, rest);
  throw std::runtime_error("no such command for HubSpot: POST /control/" + name);
}

// --- The truth ----------------------------------------------------------------------------------
// By JSON's own grammar; what is none is told as it is.
static bool is_json_number(const std::string &text) {
  const json number = json::parse(text, nullptr, false);
  return number.is_number() && text.find_first_not_of("-+.0123456789eE") == std::string::npos;
}

static bool is_milliseconds(const std::string &text) {
  const size_t start = text.starts_with("-");
  return text.size() > start && text.size() < 16 &&
         text.find_first_not_of("0123456789", start) == std::string::npos;
}

static void append_typed(std::string &out, const Property &property, const Text &value) {
  const std::string &type = property.type;
  const bool is_text = type == "string" || type == "enumeration" || type == "phone_number";
  if (!value || (value->empty() && !is_text))
    out += "null";
  else if ((type == "number" && is_json_number(*value)) ||
           (type == "bool" && (*value == "true" || *value == "false")))
    out += *value;
  else if (type == "date" && is_milliseconds(*value))
    append_json_text(out, format_date(std::stoll(*value) / 86400000));
  else if (type == "datetime" && is_milliseconds(*value))
    append_json_text(out, iso_stamp(std::stoll(*value)));
  else
    append_json_text(out, *value);
}

static void append_truth(std::string &out, const Portal &portal, const Records &records, Row row,
                         const std::vector<const Records *> &associated) {
  const Change *change = records.change(row);
  out += R"({"id":")" + records.id(row) + R"(","properties":{)";
  for (const Property &property : records.type().properties) {
    if (property.archived) continue;
    if (out.back() != '{') out += ',';
    append_json_text(out, property.name);
    out += ':';
    append_typed(out, property, records.get(row, change, property));
  }
  out += R"(},"createdAt":")" + iso_stamp(records.created_ms(row, change)) + R"(","updatedAt":")" +
         iso_stamp(records.modified_ms(row, change)) + R"(","archived":)";
  out += change && change->archived_ms
             ? R"(true,"archivedAt":")" + iso_stamp(*change->archived_ms) + "\""
             : "false";
  if (!associated.empty()) {
    json all = json::object();
    for (const Records *to : associated) {
      std::set<std::string> ids;  // as text they are sorted
      for (const Association &one : portal.associated(records, row, *to))
        ids.insert(to->id(one.row));
      if (!ids.empty()) all[to->type().name] = ids;
    }
    if (!all.empty()) out += R"(,"associations":)" + all.dump();
  }
  out += "}\n";
}

// A line a record, some at a time; records that are changed meanwhile are as they are when told.
Response Api::truth(const Request &request) {
  Portal &portal = portals_.create(request.param("org", "default"));
  const std::string object = request.param("object");
  const bool with_archived = request.param("deleted") == "1";
  std::vector<std::string> to = split_list(request.param("associations"));
  {
    const std::shared_lock lock(portal.mutex);
    records_named(portal, object);
    for (const std::string &name : to) records_named(portal, name);
  }
  Response response;
  response.type = "application/x-ndjson";
  response.next_chunk = [&portal, object, with_archived, to,
                         row = Row{0}](std::string &out) mutable {
    const std::shared_lock lock(portal.mutex);
    const Records &records = records_named(portal, object);
    std::vector<const Records *> associated;
    for (const std::string &name : to) associated.push_back(&records_named(portal, name));
    for (; row < records.size() && out.size() < 1000000; row++) {
      const Change *change = records.change(row);
      if (!Records::is_visible(change, false) &&
          !(with_archived && Records::is_visible(change, true)))
        continue;
      if (object == "owners")
        out += owner_document(records, row).dump() + "\n";
      else
        append_truth(out, portal, records, row, associated);
    }
    return row < records.size();
  };
  return response;
}

}  // namespace simulator::hubspot
