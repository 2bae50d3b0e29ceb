// simulator: HubSpot's routes; see hubspot.hpp.
#include "hubspot.hpp"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

namespace simulator::hubspot {

using nlohmann::json;

// --- Accounts -----------------------------------------------------------------------------------
Portal &Portals::create(const std::string &name) {
  const std::lock_guard lock(mutex_);
  auto &portal = portals_[name];
  if (!portal) portal = std::make_unique<Portal>(name, options_);
  return *portal;
}

Portal *Portals::open(const std::string &name) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = portals_.find(name);
    if (found != portals_.end()) return found->second.get();
    if (is_strict_) return nullptr;
  }
  return &create(name);
}

// --- Addresses ----------------------------------------------------------------------------------
bool Api::owns(const std::string &path) {
  return path.starts_with("/crm/") || path.starts_with("/oauth/") ||
         path.starts_with("/crm-object-schemas/") || path.starts_with("/account-info/");
}

// 2026-09, 2026-09-beta
static bool is_date(const std::string &text) {
  return text.size() >= 7 && text[4] == '-' && text.starts_with("20");
}

// crm objects contacts 17, however the version is written: /crm/v3/objects/contacts/17 and
// /crm/objects/2026-09/contacts/17. The schemas of custom objects have several addresses.
static std::vector<std::string> parts_of(const std::string &path) {
  std::vector<std::string> parts;
  size_t number = 0;
  for (size_t start = 1; start <= path.size(); number++) {
    const size_t end = std::min(path.find('/', start), path.size());
    const std::string part = path.substr(start, end - start);
    const bool is_version =
        (number == 1 || number == 2) && (part == "v3" || part == "v4" || is_date(part));
    if (!part.empty() && !is_version) parts.push_back(part);
    start = end + 1;
  }
  if (parts.size() > 1 && parts[0] == "crm" && parts[1] == "schemas")
    parts[0] = "crm-object-schemas";
  return parts;
}

static bool is_at(const std::vector<std::string> &parts, size_t at, std::string_view text) {
  return parts.size() > at && parts[at] == text;
}

static std::string kind_of(const std::vector<std::string> &parts, const Request &request) {
  if (parts.size() < 2 || parts[0] != "crm") return "other";
  const std::string &noun = parts[1];
  if (noun == "properties" || noun == "owners" || noun == "pipelines") return noun;
  if (is_at(parts, 3, "search")) return "search";
  if (is_at(parts, 3, "batch") || is_at(parts, 4, "batch")) return "batch";
  const bool is_list = noun == "objects" && parts.size() == 3 && request.method == "GET";
  return is_list ? "list" : "other";
}

static std::string bearer_of(const Request &request) {
  const std::string header = request.header("authorization");
  return lower(header.substr(0, 7)) == "bearer " ? header.substr(7) : "";
}

Target Api::target_of(const Request &request) {
  Target target;
  target.provider = "hubspot";
  target.path = request.path;
  if (request.path.starts_with("/oauth/")) {
    target.org = Grants::org_of(request);
    if (Grants::is_token_request(request.path)) target.kind = "token";
    return target;
  }
  target.org = grants_.bearer(bearer_of(request)).org;
  const Parts parts = parts_of(request.path);
  target.kind = kind_of(parts, request);
  if (is_at(parts, 1, "owners")) target.object = "owners";
  if (parts.size() < 3 || target.org.empty()) return target;
  const Portal *portal = portals_.open(target.org);
  if (!portal) return target;
  const std::shared_lock lock(portal->mutex);
  const Records *records = portal->find(parts[2]);
  target.object = records ? records->type().name : target.object;
  return target;
}

// --- What is true of every request --------------------------------------------------------------
Response Api::mishap(int status) {
  if (status == 429)
    return refuse(429, json{{"message", "You have reached your ten_secondly_rolling limit."},
                            {"errorType", "RATE_LIMIT"},
                            {"policyName", "TEN_SECONDLY_ROLLING"}});
  if (status == 401)
    return refuse(401, "INVALID_AUTHENTICATION", "Authentication credentials invalid");
  if (status == 403)
    return refuse(403, "MISSING_SCOPES", "The scope needed for this API call isn't granted");
  if (status == 404) return refuse(404, "OBJECT_NOT_FOUND", "resource not found");
  return refuse(status, json{{"message", "internal error"}});
}

void Api::tell_rates(Response &response, const std::string &org) {
  static constexpr size_t daily = 650000, interval = 190;
  const std::int64_t now = clock_.now_ms();
  const std::lock_guard lock(mutex_);
  Rates &rates = rates_[org];
  if (rates.day != now / 86400000) rates.used_in_day = 0;
  if (rates.interval != now / 10000) rates.used_in_interval = 0;
  rates.day = now / 86400000;
  rates.interval = now / 10000;
  const auto left = [](size_t limit, size_t used) {
    return std::to_string(limit > used ? limit - used : 0);
  };
  const std::string left_in_day = left(daily, ++rates.used_in_day);
  const std::string left_in_interval = left(interval, ++rates.used_in_interval);
  response.headers.insert(response.headers.end(),
                          {{"X-HubSpot-RateLimit-Daily", std::to_string(daily)},
                           {"X-HubSpot-RateLimit-Daily-Remaining", left_in_day},
                           {"X-HubSpot-RateLimit-Interval-Milliseconds", "10000"},
                           {"X-HubSpot-RateLimit-Max", std::to_string(interval)},
                           {"X-HubSpot-RateLimit-Remaining", left_in_interval}});
}

Response Api::answer(const Request &request, const Target &target) {
  if (request.path.starts_with("/oauth/"))
    return grants_.answer(request,
                          [&](const std::string &org) { return portals_.open(org) != nullptr; });
  Response response;
  try {
    response = checked(request);
  } catch (const Refusal &refusal) {
    response = refuse(refusal.status, refusal.category, refusal.message);
  } catch (const json::exception &error) {
    response = refuse(400, "VALIDATION_ERROR", std::string("Invalid input JSON: ") + error.what());
  }
  if (!target.org.empty() && target.kind != "search" && response.status != 401)
    tell_rates(response, target.org);
  if (request.accepts_gzip() && response.body->size() > 1000) {
    response.body = gzip(*response.body);
    response.is_gzip = true;
  }
  return response;
}

static std::string scope_of(const std::vector<std::string> &parts, const Portal &portal) {
  if (is_at(parts, 1, "owners")) return "crm.objects.owners.read";
  if (parts[0] == "crm-object-schemas") return "crm.schemas.custom.read";
  const Records *records = parts.size() > 2 ? portal.find(parts[2]) : nullptr;
  if (!records) return "";
  const std::string &scope = records->type().owner_scope;
  if (parts[1] != "properties" && parts[1] != "pipelines") return scope;
  const size_t at = scope.find("objects");
  return at == std::string::npos ? scope : scope.substr(0, at) + "schemas" + scope.substr(at + 7);
}

// Whoever may read an object may read what its properties are.
static bool is_granted(const std::set<std::string> &scopes, std::string scope) {
  if (scope.empty() || scopes.count(scope)) return true;
  const size_t at = scope.find("schemas");
  return at != std::string::npos && scopes.count(scope.replace(at, 7, "objects"));
}

Response Api::checked(const Request &request) {
  const std::string token = bearer_of(request);
  const Bearer bearer = grants_.bearer(token);
  if (token.empty())
    throw Refusal{
        401, "INVALID_AUTHENTICATION",
        "Authentication credentials not found. This API supports OAuth 2.0 authentication "
        "and you can find more details at "
        "https://developers.hubspot.com/docs/methods/auth/oauth-overview"};
  if (bearer.state == Bearer::State::expired) {
    const std::int64_t seconds = (clock_.now_ms() - bearer.expired_ms) / 1000;
    return refuse(401, json{{"message", "The OAuth token used to make this call expired " +
                                            std::to_string(seconds) + " second(s) ago."},
                            {"category", "EXPIRED_AUTHENTICATION"},
                            {"context", {{"expire time", {iso_stamp(bearer.expired_ms)}}}}});
  }
  Portal *portal = bearer.state == Bearer::State::valid ? portals_.open(bearer.org) : nullptr;
  if (!portal)
    throw Refusal{401, "INVALID_AUTHENTICATION",
                  "Authentication credentials invalid: the access token is not valid."};
  const Parts parts = parts_of(request.path);
  {
    const std::shared_lock lock(portal->mutex);
    const std::string scope = scope_of(parts, *portal);
    if (portal->scopes && !is_granted(*portal->scopes, scope))
      return refuse(
          403,
          json{{"message", "This app hasn't been granted all required scopes to make this call."},
               {"category", "MISSING_SCOPES"},
               {"errors",
                {{{"message", "One or more of the following scopes are required."},
                  {"context", {{"requiredGranularScopes", {scope}}}}}}},
               {"links", {{"scopes", "https://developers.hubspot.com/scopes"}}}});
  }
  return route(request, *portal, parts);
}

Response Api::route(const Request &request, Portal &portal, const Parts &parts) {
  const std::string noun = parts[0] == "crm" && parts.size() > 1 ? parts[1] : parts[0];
  if (noun == "objects" && is_at(parts, 4, "associations"))
    return associations(request, portal, parts);
  if (noun == "objects" && parts.size() > 2) return objects(request, portal, parts);
  if (noun == "properties" && parts.size() > 2) return properties(request, portal, parts);
  if (noun == "owners") return owners(request, portal, parts);
  if (noun == "pipelines" && parts.size() > 2) return pipelines(request, portal, parts);
  if (noun == "associations") return associations(request, portal, parts);
  if (noun == "crm-object-schemas") return schemas(request, portal, parts);
  if (noun == "account-info" && is_at(parts, 1, "details"))
    return {200, json{{"portalId", portal.hub_id()},
                      {"accountType", "DEVELOPER_TEST"},
                      {"timeZone", "UTC"},
                      {"companyCurrency", "USD"},
                      {"additionalCurrencies", json::array()},
                      {"utcOffset", "+00:00"},
                      {"utcOffsetMilliseconds", 0},
                      {"uiDomain", "app.hubspot.com"},
                      {"dataHostingLocation", "na1"}}
                     .dump()};
  throw Refusal{404, "OBJECT_NOT_FOUND", "no such route: " + request.method + " " + request.path};
}

// --- Small things that routes share -------------------------------------------------------------
const Records &records_called(const Portal &portal, const std::string &type) {
  const Records *records = portal.find(type);
  if (!records) throw Refusal{400, "VALIDATION_ERROR", "Unable to infer object type from: " + type};
  return *records;
}

json body_of(const Request &request) {
  const json body = request.body.empty() ? json::object() : json::parse(request.body);
  if (!body.is_object()) throw Refusal{400, "VALIDATION_ERROR", "Invalid input JSON"};
  return body;
}

std::vector<std::string> split_list(const std::string &text) {
  std::vector<std::string> names;
  for (size_t start = 0; start < text.size();) {
    const size_t end = std::min(text.find(',', start), text.size());
    if (end > start) names.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return names;
}

static size_t number_param(const Request &request, const std::string &name, size_t otherwise,
                           size_t most) {
  const std::string text = request.param(name);
  if (text.empty()) return otherwise;
  size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size())
    throw Refusal{400, "VALIDATION_ERROR", "Unable to parse value for parameter '" + name + "'."};
  if (number > most)
    throw Refusal{400, "VALIDATION_ERROR",
                  "The parameter '" + name + "' must be at most " + std::to_string(most) + "."};
  return number;
}

static bool wants_archived(const Request &request) { return request.param("archived") == "true"; }

static void refuse_history(const std::string &wished) {
  if (!wished.empty())
    throw Refusal{400, "VALIDATION_ERROR", "propertiesWithHistory is not kept by the simulator"};
}

// The address of the next page: this one's, further on.
std::string Api::link(const Request &request, const std::string &after) const {
  std::string query;
  for (const auto &[name, value] : request.params)
    if (name != "after") query += name + "=" + value + "&";
  return base_url_ + request.path + "?" + query + "after=" + after;
}

static void append_paging(std::string &out, const std::string &after, const std::string &link) {
  out += R"(,"paging":{"next":{"after":")" + after + R"(","link":)";
  append_json_text(out, link);
  out += "}}";
}

// --- Records ------------------------------------------------------------------------------------
std::vector<const Property *> properties_named(const ObjectType &type,
                                               const std::vector<std::string> &names) {
  std::set<std::string> wanted(names.begin(), names.end());
  if (names.empty()) wanted.insert(type.shown.begin(), type.shown.end());
  wanted.insert({"hs_object_id", type.created, type.modified});
  std::vector<const Property *> properties;
  for (const std::string &name : wanted) {
    const Property *property = type.find(name);
    if (property && !property->archived) properties.push_back(property);
  }
  return properties;
}

std::string association_type(const ObjectType &from, const ObjectType &to) {
  return from.singular + "_to_" + to.singular;
}

static void append_associations(std::string &out, const Portal &portal, const Records &records,
                                Row row, const std::vector<const Records *> &types) {
  std::string found;
  for (const Records *to : types) {
    const std::string type = association_type(records.type(), to->type());
    std::string results;
    const auto append = [&](const Association &association, const std::string &named) {
      results += results.empty() ? "" : ",";
      results += R"({"id":")" + to->id(association.row) + R"(","type":")" + named + "\"}";
    };
    // One that has a label is listed once with it and once without.
    for (const Association &association : portal.associated(records, row, *to)) {
      append(association, type);
      if (association.is_primary) append(association, type + "_unlabeled");
    }
    if (results.empty()) continue;
    found += found.empty() ? "" : ",";
    append_json_text(found, to->type().name);
    found += R"(:{"results":[)" + results + "]}";
  }
  if (!found.empty()) out += R"(,"associations":{)" + found + "}";
}

void append_record(std::string &out, const Portal &portal, const Records &records, Row row,
                   const Change *change, const std::vector<const Property *> &properties,
                   const std::vector<const Records *> &associated) {
  out += R"({"id":")" + records.id(row) + R"(","properties":{)";
  bool is_first = true;
  for (const Property *property : properties) {
    if (!is_first) out += ',';
    is_first = false;
    append_json_text(out, property->name);
    out += ':';
    const Text value = records.get(row, change, *property);
    if (value)
      append_json_text(out, *value);
    else
      out += "null";
  }
  out += R"(},"createdAt":")" + iso_stamp(records.created_ms(row, change)) + R"(","updatedAt":")" +
         iso_stamp(records.modified_ms(row, change)) + "\"";
  const bool is_archived = change && change->archived_ms;
  out += is_archived ? R"(,"archived":true,"archivedAt":")" + iso_stamp(*change->archived_ms) + "\""
                     : R"(,"archived":false)";
  append_associations(out, portal, records, row, associated);
  out += '}';
}

Response Api::objects(const Request &request, Portal &portal, const Parts &parts) {
  const bool is_read =
      is_at(parts, 3, "search") || (is_at(parts, 3, "batch") && is_at(parts, 4, "read"));
  if (request.method == "GET" || is_read) {
    const std::shared_lock lock(portal.mutex);
    const Records &records = records_called(portal, parts[2]);
    if (parts.size() == 3) return list(request, portal, records);
    if (is_at(parts, 3, "search")) return search(request, portal, records);
    if (is_read) return batch_read(request, portal, records);
    if (parts.size() == 4) return one(request, portal, records, parts[3]);
    throw Refusal{404, "OBJECT_NOT_FOUND", "no such route: " + request.path};
  }
  const std::unique_lock lock(portal.mutex);
  records_called(portal, parts[2]);
  return write(request, portal, *portal.find(parts[2]), parts);
}

static std::vector<const Records *> associations_named(const Portal &portal,
                                                       const std::string &names) {
  std::vector<const Records *> types;
  for (const std::string &name : split_list(names)) types.push_back(&records_called(portal, name));
  return types;
}

// A page is of the ids that are greater than `after`, so that nothing is missed or told twice
// whatever is made or archived meanwhile.
Response Api::list(const Request &request, const Portal &portal, const Records &records) {
  refuse_history(request.param("propertiesWithHistory"));
  const size_t limit = std::max<size_t>(1, number_param(request, "limit", 10, 100));
  const size_t after = number_param(request, "after", 0, ~size_t{0});
  const bool archived = wants_archived(request);
  const auto properties = properties_named(records.type(), split_list(request.param("properties")));
  const auto associated = associations_named(portal, request.param("associations"));
  std::string out = R"({"results":[)";
  size_t count = 0;
  Row last = 0;
  bool is_more = false;
  const auto take = [&](Row row, const Change *change) {
    if (!Records::is_visible(change, archived)) return true;
    if (count == limit) {
      is_more = true;
      return false;
    }
    if (count++) out += ',';
    append_record(out, portal, records, row, change, properties, associated);
    last = row;
    return true;
  };
  const Row first = records.row_after(after);
  if (archived) {  // only what was changed can be: no need to go through all
    for (auto at = records.changes().lower_bound(first); at != records.changes().end(); ++at)
      if (!take(at->first, at->second.get())) break;
  } else {
    for (Row row = first; row < records.size(); row++)
      if (!take(row, records.change(row))) break;
  }
  out += ']';
  if (is_more) append_paging(out, records.id(last), link(request, records.id(last)));
  return {200, out + "}"};
}

// By an id, or by the value of a property that is unique. The id of a record that was merged leads
// to what it was merged into.
static std::optional<Row> row_called(const Records &records, const std::string &id,
                                     const std::string &by, bool archived) {
  if (by.empty() || by == "hs_object_id") {
    std::optional<Row> row = records.row_of(id);
    while (row && records.change(*row) && records.change(*row)->merged_into)
      row = records.change(*row)->merged_into;
    if (row && !Records::is_visible(records.change(*row), archived)) row.reset();
    return row;
  }
  const Property *property = records.type().find(by);
  if (!property || !property->unique)
    throw Refusal{400, "VALIDATION_ERROR", "Property " + by + " is not a unique property"};
  for (Row row = 0; row < records.size(); row++)
    if (Records::is_visible(records.change(row), archived) &&
        lower(records.get(row, records.change(row), *property).value_or("")) == lower(id))
      return row;
  return {};
}

Response Api::one(const Request &request, const Portal &portal, const Records &records,
                  const std::string &id) {
  refuse_history(request.param("propertiesWithHistory"));
  const auto row = row_called(records, id, request.param("idProperty"), wants_archived(request));
  if (!row) throw Refusal{404, "OBJECT_NOT_FOUND", "resource not found"};
  std::string out;
  append_record(out, portal, records, *row, records.change(*row),
                properties_named(records.type(), split_list(request.param("properties"))),
                associations_named(portal, request.param("associations")));
  return {200, out};
}

Response Api::batch_read(const Request &request, const Portal &portal, const Records &records) {
  const json body = body_of(request);
  const json history = body.value("propertiesWithHistory", json::array());
  refuse_history(history.empty() ? "" : "some");
  const json inputs = body.at("inputs");
  if (inputs.size() > 100)
    throw Refusal{400, "VALIDATION_ERROR", "The maximum number of inputs is 100"};
  std::set<Row> rows;  // each once, and not in the order asked for: HubSpot promises none
  json missing = json::array();
  const std::string by = body.value("idProperty", "");
  for (const json &input : inputs) {
    const std::string id = input.at("id");
    const auto row = row_called(records, id, by, wants_archived(request));
    if (row)
      rows.insert(*row);
    else
      missing.push_back(id);
  }
  const std::string started = iso_stamp(clock_.now_ms());
  const auto properties =
      properties_named(records.type(), body.value("properties", std::vector<std::string>()));
  std::string out = R"({"status":"COMPLETE","results":[)";
  for (const Row row : rows) {
    if (out.back() != '[') out += ',';
    append_record(out, portal, records, row, records.change(row), properties, {});
  }
  out += R"(],"startedAt":")" + started + R"(","completedAt":")" + started + "\"";
  if (missing.empty()) return {200, out + "}"};
  const json errors = json::array(
      {{{"status", "error"},
        {"category", "OBJECT_NOT_FOUND"},
        {"message", "Could not get some " + records.type().singular +
                        " objects, they may be deleted or not exist. Check that ids are valid."},
        {"context", {{"ids", missing}}},
        {"errors", json::array()},
        {"links", json::object()}}});
  return {207, out + R"(,"numErrors":1,"errors":)" + errors.dump() + "}"};
}

// --- Properties ---------------------------------------------------------------------------------
json property_document(const Property &property) {
  json options = json::array();
  for (const auto &[value, label] : property.options)
    options.push_back(
        {{"value", value}, {"label", label}, {"displayOrder", options.size()}, {"hidden", false}});
  json document = {{"name", property.name},
                   {"label", property.label},
                   {"type", property.type},
                   {"fieldType", property.field_type},
                   {"description", ""},
                   {"groupName", property.group},
                   {"options", std::move(options)},
                   {"displayOrder", -1},
                   {"calculated", property.calculated},
                   {"externalOptions", property.is_owner()},
                   {"hasUniqueValue", property.unique},
                   {"hidden", property.hidden},
                   {"hubspotDefined", property.defined_by_hubspot},
                   {"formField", !property.read_only},
                   {"dataSensitivity", "non_sensitive"},
                   {"archived", property.archived},
                   {"createdAt", "2019-08-06T02:41:08.029Z"},
                   {"updatedAt", "2024-08-06T02:41:08.029Z"},
                   {"modificationMetadata",
                    {{"archivable", !property.defined_by_hubspot},
                     {"readOnlyDefinition", property.defined_by_hubspot},
                     {"readOnlyValue", property.read_only}}}};
  if (property.is_owner()) document["referencedObjectType"] = "OWNER";
  return document;
}

Response Api::properties(const Request &request, Portal &portal, const Parts &parts) {
  const std::unique_lock lock(portal.mutex);
  records_called(portal, parts[2]);
  ObjectType &type = portal.find(parts[2])->type();
  if (request.method == "POST" && parts.size() == 3) {
    Property property;
    try {
      property = property_from_json(body_of(request));
    } catch (const std::invalid_argument &error) {
      throw Refusal{400, "VALIDATION_ERROR", error.what()};
    }
    if (type.find(property.name))
      throw Refusal{409, "OBJECT_ALREADY_EXISTS",
                    "Property named '" + property.name + "' already exists."};
    type.properties.push_back(property);
    portal.version++;
    return {201, property_document(property).dump()};
  }
  if (parts.size() == 4) {
    for (Property &property : type.properties)
      if (property.name == parts[3]) {
        if (request.method == "DELETE") {
          property.archived = true;
          portal.version++;
          return {204, ""};
        }
        return {200, property_document(property).dump()};
      }
    throw Refusal{404, "OBJECT_NOT_FOUND", "Property '" + parts[3] + "' does not exist"};
  }
  json results = json::array();
  for (const Property &property : type.properties)
    if (property.archived == wants_archived(request))
      results.push_back(property_document(property));
  return {200, json{{"results", std::move(results)}}.dump()};
}

// --- Owners -------------------------------------------------------------------------------------
json owner_document(const Records &owners, Row row) {
  const Change *change = owners.change(row);
  const auto text = [&](const char *name) {
    return owners.get(row, change, *owners.type().find(name)).value_or("");
  };
  const bool is_archived = change && change->archived_ms;
  json document = {{"id", owners.id(row)},           {"type", "PERSON"},
                   {"email", text("email")},         {"firstName", text("firstName")},
                   {"lastName", text("lastName")},   {"userIdIncludingInactive", 60000 + row},
                   {"createdAt", text("createdAt")}, {"updatedAt", text("updatedAt")},
                   {"archived", is_archived}};
  if (!is_archived) document["userId"] = 60000 + row;  // who left is no user any more
  if (row % 2 == 0)
    document["teams"] = json::array({{{"id", "178588"}, {"name", "Sales"}, {"primary", true}}});
  return document;
}

Response Api::owners(const Request &request, const Portal &portal, const Parts &parts) {
  const std::shared_lock lock(portal.mutex);
  const Records &owners = *portal.find_exactly("owners");
  const bool archived = wants_archived(request);
  if (parts.size() == 3) {
    const auto row = owners.row_of(parts[2]);
    if (!row || !Records::is_visible(owners.change(*row), archived))
      throw Refusal{404, "OBJECT_NOT_FOUND", "resource not found"};
    return {200, owner_document(owners, *row).dump()};
  }
  const size_t limit = std::max<size_t>(1, number_param(request, "limit", 100, 500));
  const std::string email = request.param("email");
  json answer = {{"results", json::array()}};
  json &results = answer["results"];
  Row row = owners.row_after(number_param(request, "after", 0, ~size_t{0}));
  for (; row < owners.size(); row++) {
    if (!Records::is_visible(owners.change(row), archived)) continue;
    json document = owner_document(owners, row);
    if (!email.empty() && document["email"] != email) continue;
    if (results.size() == limit) {
      const std::string after = results.back()["id"];
      answer["paging"]["next"] = {{"after", after}, {"link", link(request, after)}};
      break;
    }
    results.push_back(std::move(document));
  }
  return {200, answer.dump()};
}

// --- Pipelines ----------------------------------------------------------------------------------
Response Api::pipelines(const Request &, const Portal &portal, const Parts &parts) {
  const std::shared_lock lock(portal.mutex);
  const json &all = portal.pipelines(records_called(portal, parts[2]).type().name);
  if (parts.size() == 3) return {200, json{{"results", all}}.dump()};
  for (const json &pipeline : all) {
    if (pipeline.at("id") != parts[3]) continue;
    if (parts.size() == 4) return {200, pipeline.dump()};
    if (parts.size() == 5 && parts[4] == "stages")
      return {200, json{{"results", pipeline.at("stages")}}.dump()};
    for (const json &stage : pipeline.at("stages"))
      if (parts.size() == 6 && stage.at("id") == parts[5]) return {200, stage.dump()};
  }
  throw Refusal{404, "OBJECT_NOT_FOUND", "Pipeline or stage not found"};
}

// --- Schemas of custom objects ------------------------------------------------------------------
static json schema_document(const ObjectType &type) {
  json properties = json::array();
  for (const Property &property : type.properties)
    properties.push_back(property_document(property));
  const auto label = [](std::string name) {
    if (!name.empty())
      name[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(name[0])));
    return name;
  };
  json associations = json::array();
  if (type.name == "cars")
    associations.push_back({{"id", "105"},
                            {"name", "cars_to_contacts"},
                            {"fromObjectTypeId", type.type_id},
                            {"toObjectTypeId", "0-1"}});
  return {{"id", type.type_id.substr(2)},
          {"name", type.name},
          {"labels", {{"singular", label(type.singular)}, {"plural", label(type.name)}}},
          {"objectTypeId", type.type_id},
          {"fullyQualifiedName", type.fully_qualified},
          {"primaryDisplayProperty", "hs_object_id"},
          {"requiredProperties", json::array()},
          {"searchableProperties", json::array()},
          {"secondaryDisplayProperties", json::array()},
          {"properties", std::move(properties)},
          {"associations", std::move(associations)},
          {"archived", false},
          {"createdAt", "2023-02-03T04:05:06.789Z"},
          {"updatedAt", "2023-02-03T04:05:06.789Z"}};
}

Response Api::schemas(const Request &, const Portal &portal, const Parts &parts) {
  const std::shared_lock lock(portal.mutex);
  if (parts.size() == 3) {
    const Records &records = records_called(portal, parts[2]);
    return {200, schema_document(records.type()).dump()};
  }
  json results = json::array();
  for (const auto &records : portal.all())
    if (records->type().custom) results.push_back(schema_document(records->type()));
  return {200, json{{"results", std::move(results)}}.dump()};
}

// --- Associations, version 4 --------------------------------------------------------------------
static json labels_of(const ObjectType &from, const ObjectType &to, bool is_primary) {
  static const std::map<std::string, std::pair<int, int>> ids = {
      // without and with a label
      {"contact_to_company", {279, 1}}, {"company_to_contact", {280, 2}},
      {"deal_to_contact", {3, 3}},      {"contact_to_deal", {4, 4}},
      {"deal_to_company", {341, 5}},    {"company_to_deal", {342, 6}},
      {"contact_to_ticket", {15, 15}},  {"ticket_to_contact", {16, 16}},
      {"company_to_ticket", {340, 25}}, {"ticket_to_company", {339, 26}}};
  const auto found = ids.find(association_type(from, to));
  const bool is_known = found != ids.end();
  const char *category = is_known ? "HUBSPOT_DEFINED" : "USER_DEFINED";
  json types = json::array({{{"category", category},
                             {"typeId", is_known ? found->second.first : 105},
                             {"label", nullptr}}});
  if (is_primary && is_known)
    types.push_back(
        {{"category", category}, {"typeId", found->second.second}, {"label", "Primary"}});
  return types;
}

static json associated_page(const Portal &portal, const Records &from, Row row, const Records &to,
                            size_t limit, const std::string &after, std::string &next) {
  json list = json::array();
  const auto start = after.empty() ? std::optional<Row>() : to.row_of(after);
  for (const Association &association : portal.associated(from, row, to)) {
    if (start && association.row <= *start) continue;
    if (list.size() == limit) {
      next = list.back()["toObjectId"];
      break;
    }
    list.push_back(
        {{"toObjectId", to.id(association.row)},
         {"associationTypes", labels_of(from.type(), to.type(), association.is_primary)}});
  }
  return list;
}

// /crm/v4/objects/{from}/{id}/associations/{to}, and /crm/v4/associations/{from}/{to}/batch/read or
// /labels.
Response Api::associations(const Request &request, const Portal &portal, const Parts &parts) {
  const std::shared_lock lock(portal.mutex);
  std::string next;
  if (parts[1] == "objects" && parts.size() == 6 && request.method == "GET") {
    const Records &from = records_called(portal, parts[2]), &to = records_called(portal, parts[5]);
    const auto row = row_called(from, parts[3], "", false);
    if (!row) throw Refusal{404, "OBJECT_NOT_FOUND", "resource not found"};
    const size_t limit = std::max<size_t>(1, number_param(request, "limit", 500, 500));
    json answer = {
        {"results", associated_page(portal, from, *row, to, limit, request.param("after"), next)}};
    if (!next.empty()) answer["paging"]["next"] = {{"after", next}, {"link", link(request, next)}};
    return {200, answer.dump()};
  }
  if (parts.size() < 5 || parts[1] != "associations")
    throw Refusal{404, "OBJECT_NOT_FOUND", "no such route: " + request.path};
  const Records &from = records_called(portal, parts[2]), &to = records_called(portal, parts[3]);
  if (parts[4] == "labels")
    return {200, json{{"results", labels_of(from.type(), to.type(), true)}}.dump()};
  if (!is_at(parts, 5, "read"))
    throw Refusal{404, "OBJECT_NOT_FOUND", "no such route: " + request.path};
  json results = json::array(), errors = json::array();
  const json inputs = body_of(request).at("inputs");
  if (inputs.size() > 1000)
    throw Refusal{400, "VALIDATION_ERROR", "The maximum number of inputs is 1000"};
  for (const json &input : inputs) {
    const std::string id = input.at("id");
    const auto row = row_called(from, id, "", false);
    next.clear();
    json list = row ? associated_page(portal, from, *row, to, 500, input.value("after", ""), next)
                    : json::array();
    if (list.empty()) {
      errors.push_back({{"status", "error"},
                        {"category", "OBJECT_NOT_FOUND"},
                        {"subCategory", "crm.associations.NO_ASSOCIATIONS_FOUND"},
                        {"message", "No " + association_type(from.type(), to.type()) +
                                        " associations found for " + id},
                        {"context", {{"fromObjectId", {id}}}},
                        {"errors", json::array()},
                        {"links", json::object()}});
      continue;
    }
    json result = {{"from", {{"id", from.id(*row)}}}, {"to", std::move(list)}};
    if (!next.empty()) result["paging"]["next"] = {{"after", next}};
    results.push_back(std::move(result));
  }
  const std::string now = iso_stamp(clock_.now_ms());
  json answer = {{"status", "COMPLETE"},
                 {"results", std::move(results)},
                 {"startedAt", now},
                 {"completedAt", now}};
  if (errors.empty()) return {200, answer.dump()};
  answer["numErrors"] = errors.size();
  answer["errors"] = std::move(errors);
  return {207, answer.dump()};
}

// --- Search -------------------------------------------------------------------------------------
// Its pages are told by an offset, of which there is an end.
Response Api::search(const Request &request, const Portal &portal, const Records &records) {
  const json body = body_of(request);
  const size_t limit = body.value("limit", size_t{10});
  const json from = body.value("after", json("0"));
  const std::string after = from.is_string() ? from.get<std::string>() : from.dump();
  if (after.empty()
          ? false
          : after.find_first_not_of("0123456789") != std::string::npos || after.size() > 9)
    throw Refusal{400, "VALIDATION_ERROR", "after must be a number"};
  const size_t offset = after.empty() ? 0 : std::stoul(after);
  if (limit > 200) throw Refusal{400, "VALIDATION_ERROR", "limit must be at most 200"};
  if (offset + limit > 10000)
    throw Refusal{400, "VALIDATION_ERROR",
                  "A search returns at most 10000 results: after + limit is more"};
  const std::int64_t now = clock_.now_ms();
  std::shared_ptr<const std::vector<Row>> rows;
  json what = body;
  for (const char *name : {"limit", "after", "properties"}) what.erase(name);
  const std::string key = portal.name() + "/" + records.type().name + "/" +
                          std::to_string(portal.version) + what.dump();
  // A lagging index shows something else from one moment to the next.
  const bool is_kept = portal.index_lag_ms == 0;
  if (is_kept) {
    const std::lock_guard lock(mutex_);
    for (const Found &found : found_)
      if (found.key == key) rows = found.rows;
  }
  if (!rows) {
    rows = std::make_shared<const std::vector<Row>>(rows_found(portal, records, what, now));
    const std::lock_guard lock(mutex_);
    if (is_kept) found_.push_back({key, rows});
    if (found_.size() > 8) found_.pop_front();
  }
  const auto properties =
      properties_named(records.type(), body.value("properties", std::vector<std::string>()));
  std::string out = R"({"total":)" + std::to_string(rows->size()) + R"(,"results":[)";
  const size_t end = std::min(offset + limit, rows->size());
  for (size_t at = offset; at < end; at++) {
    if (at > offset) out += ',';
    const Change *change = nullptr;
    records.indexed((*rows)[at], now, portal.index_lag_ms, change);
    append_record(out, portal, records, (*rows)[at], change, properties, {});
  }
  out += ']';
  if (limit > 0 && end < rows->size())
    out += R"(,"paging":{"next":{"after":")" + std::to_string(end) + "\"}}";
  return {200, out + "}"};
}

}  // namespace simulator::hubspot
