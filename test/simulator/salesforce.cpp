// simulator: routes, pages and locators; see salesforce.hpp.
#include "salesforce.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "query.hpp"

namespace simulator {

using nlohmann::json;

static constexpr size_t most_cursors = 100;  // of an org; the oldest goes

static Response error(int status, const std::string &code, const std::string &message) {
  const json document = json::array({{{"message", message}, {"errorCode", code}}});
  return {status, document.dump(-1, ' ', false, json::error_handler_t::replace)};
}

static Response not_found() {
  return error(404, "NOT_FOUND", "The requested resource does not exist");
}

// --- What a request is about
// ------------------------------------------------------------------------
static std::vector<std::string> segments(const std::string &path) {
  std::vector<std::string> parts;
  for (size_t start = 0, slash; start < path.size(); start = slash + 1) {
    slash = std::min(path.find('/', start), path.size());
    if (slash > start) parts.push_back(path.substr(start, slash - start));
  }
  return parts;
}

// The word after FROM, for counters and faults; the parser decides what a query means.
static std::string object_of(const std::string &soql) {
  const std::string text = lower(soql);
  for (size_t at = 0; (at = text.find("from", at)) != std::string::npos; at += 4) {
    if (at == 0 || !isspace(static_cast<unsigned char>(text[at - 1]))) continue;
    const size_t start = text.find_first_not_of(" \n\t\r", at + 4);
    if (start == std::string::npos || start == at + 4) continue;
    return soql.substr(start, text.find_first_of(" \n\t\r", start) - start);
  }
  return "";
}

static bool is_of_jobs(const std::vector<std::string> &parts) {
  return parts.size() > 1 && parts[0] == "jobs" && parts[1] == "query";
}

Target Salesforce::target_of(const Request &request) {
  Target target;
  target.org = "default";
  target.path = request.path;
  if (request.path.starts_with("/org/")) {
    const size_t end = std::min(request.path.find('/', 5), request.path.size());
    target.prefix = request.path.substr(0, end);
    target.org = request.path.substr(5, end - 5);
    target.path = request.path.substr(end);
  }
  if (target.path.starts_with("/services/oauth2/token")) {
    target.kind = "token";
    const std::string named = OAuth::org_of_grant(request);
    if (target.prefix.empty() && !named.empty()) target.org = named;
    return target;
  }
  const std::vector<std::string> parts = segments(target.path);  // services data vNN.0 ...
  if (parts.size() < 4 || parts[1] != "data") return target;
  if (parts[3] == "sobjects") {
    if (parts.size() > 4) target.object = parts[4];
    if (parts.size() == 4 || parts.back() == "describe") target.kind = "describe";
  } else if (parts[3] == "query" || parts[3] == "queryAll") {
    target.kind = parts.size() > 4 ? "query_more" : "query";
    target.object = object_of(request.param("q"));
    if (parts.size() > 4) {
      const std::lock_guard lock(mutex_);
      const auto &cursors = states_[target.org].cursors;
      const auto cursor = cursors.find(parts[4].substr(0, parts[4].rfind('-')));
      if (cursor != cursors.end()) target.object = object_of(cursor->second->soql);
    }
  } else if (is_of_jobs({parts.begin() + 3, parts.end()})) {
    const std::vector<std::string> rest(parts.begin() + 5, parts.end());
    target.kind = Bulk::kind_of(request, rest);
    target.object = object_of(bulk_.soql_of(request, target.org, rest));
  }
  return target;
}

// --- Routes
// -----------------------------------------------------------------------------------------
Response Salesforce::answer(const Request &request, const Target &target) {
  if (target.path.starts_with("/services/data")) return data(request, target);
  if (target.kind == "token") return oauth_.token(request, target.prefix.empty() ? "" : target.org);
  if (target.path == "/services/oauth2/authorize") return oauth_.authorize(request);
  if (target.path == "/services/oauth2/revoke") return oauth_.revoke(request);
  if (target.path == "/services/oauth2/userinfo" || target.path.starts_with("/id/"))
    return identity(request, target);
  return not_found();
}

static std::string bearer(const Request &request) {
  const std::string header = request.header("authorization");
  return lower(header.substr(0, 7)) == "bearer " ? header.substr(7) : "";
}

static Org *org_of_session(World &world, OAuth &oauth, const Request &request,
                           const std::string &name) {
  Org *org = world.find(name);
  return org && oauth.is_valid(bearer(request), name) ? org : nullptr;
}

// Both belong to the login host, so the token alone says whose they are.
Response Salesforce::identity(const Request &request, const Target &target) {
  const Org *org = org_of_session(world_, oauth_, request, oauth_.org_of(bearer(request)));
  const auto refuse = [](const char *why) {
    Response response(403, why);
    response.type = "text/html;charset=UTF-8";
    return response;
  };
  if (!org) return refuse("Bad_OAuth_Token");
  const std::vector<std::string> parts = segments(target.path);
  if (parts[0] == "id" && (parts.size() < 2 || parts[1] != org->id())) return refuse("Bad_Id");
  return oauth_.user_info(*org);
}

static const std::vector<int> versions{58, 59, 60, 61, 62, 63, 64, 65, 66};

static Response version_list() {
  static const char *const seasons[] = {"Winter", "Spring", "Summer"};  // v62.0 is Winter '25
  json list = json::array();
  for (const int version : versions) {
    const std::string number = std::to_string(version) + ".0";
    list.push_back({{"label", std::string(seasons[(version + 1) % 3]) + " '" +
                                  std::to_string(25 + (version - 62 + 6) / 3 - 2)},
                    {"url", "/services/data/v" + number},
                    {"version", number}});
  }
  return {200, list.dump()};
}

static bool is_known_version(const std::string &text) {
  return std::any_of(versions.begin(), versions.end(),
                     [&](int version) { return text == "v" + std::to_string(version) + ".0"; });
}

Response Salesforce::data(const Request &request, const Target &target) {
  const std::vector<std::string> parts = segments(target.path);
  if (parts.size() == 2) return version_list();
  if (!is_known_version(parts[2])) return not_found();
  Org *org = org_of_session(world_, oauth_, request, target.org);
  Response response;
  if (!org) {
    response = error(401, "INVALID_SESSION_ID", "Session expired or invalid");
    response.headers.emplace_back("WWW-Authenticate", "Token");
  } else {
    std::string rest;
    for (size_t i = 3; i < parts.size(); i++) rest += (i > 3 ? "/" : "") + parts[i];
    try {
      response = route(request, target, *org, target.prefix + "/services/data/" + parts[2], rest);
    } catch (const ApiError &refused) {
      response = error(refused.status, refused.code, refused.what());
    }
    response.headers.emplace_back("Sforce-Limit-Info", usage(target.org));
  }
  if (!response.is_gzip && request.accepts_gzip() && response.body->size() > 1024) {
    response.body = gzip(*response.body);
    response.is_gzip = true;
  }
  return response;
}

Response Salesforce::route(const Request &request, const Target &, Org &org,
                           const std::string &base, const std::string &rest) {
  const std::vector<std::string> parts = segments(rest);
  const std::shared_lock lock(org.mutex);
  if (is_of_jobs(parts)) return bulk_.answer(request, org, base, {parts.begin() + 2, parts.end()});
  if (request.method != "GET" && request.method != "HEAD")
    return error(405, "METHOD_NOT_ALLOWED",
                 "HTTP Method '" + request.method + "' not allowed. Allowed are HEAD,GET");
  if (parts.empty()) {
    json resources;
    for (const char *name : {"sobjects", "query", "queryAll", "jobs", "limits"})
      resources[name] = base + "/" + name;
    resources["identity"] = oauth_.identity_url(org);
    return {200, resources.dump()};
  }
  if (parts[0] == "query" || parts[0] == "queryAll")
    return parts.size() > 1 ? query_more(request, org, base, parts[1])
                            : query(request, org, base, parts[0] == "queryAll");
  if (parts[0] == "limits") return limits(request, org, rest);
  if (parts[0] != "sobjects" || parts.size() > 4) return not_found();
  if (parts.size() == 1) return sobjects(org, base);
  if (!org.find(parts[1])) return not_found();
  if (parts.size() == 2) {
    const Schema &schema = org.find(parts[1])->schema();
    return {200, "{\"objectDescribe\":" + describe_entry(schema, base) + ",\"recentItems\":[]}"};
  }
  if (parts[2] == "describe") return describe(request, org, base, parts[1]);
  if (parts[2] == "updated" || parts[2] == "deleted")
    return replication(request, org, parts[1], parts[2] == "deleted");
  return record(request, org, base, parts[1], parts[2]);
}

Response Salesforce::sobjects(const Org &org, const std::string &base) {
  std::string out = "{\"encoding\":\"UTF-8\",\"maxBatchSize\":200,\"sobjects\":[";
  for (const Table *table : org.tables()) {
    if (out.back() != '[') out += ",";
    out += describe_entry(table->schema(), base);
  }
  return {200, out + "]}"};
}

Response Salesforce::describe(const Request &request, const Org &org, const std::string &base,
                              const std::string &object) {
  const Schema &schema = org.find(object)->schema();
  const std::int64_t changed = (schema.changed_ms + 999) / 1000 * 1000;
  const auto since = parse_http_date(request.header("if-modified-since"));
  Response response;
  if (since && changed <= *since) {
    response.status = 304;
  } else {
    std::vector<const Schema *> all;
    for (const Table *table : org.tables()) all.push_back(&table->schema());
    response = {200, describe_object(schema, base, all)};
  }
  response.headers.emplace_back("Last-Modified", format_http_date(changed));
  return response;
}

Response Salesforce::record(const Request &request, const Org &org, const std::string &base,
                            const std::string &object, const std::string &id) {
  const Table &table = *org.find(object);
  const auto row = table.row_of(id);
  if (!row || !table.is_visible(*row, false))
    return error(404, "NOT_FOUND",
                 "Provided external ID field does not exist or is not accessible: " + id);
  std::vector<const Field *> fields;
  const std::string names = request.param("fields");
  if (names.empty())
    for (const Field &field : table.schema().fields) fields.push_back(&field);
  for (size_t start = 0, comma; !names.empty() && start <= names.size(); start = comma + 1) {
    comma = std::min(names.find(',', start), names.size());
    const Field *field = table.schema().find(names.substr(start, comma - start));
    if (!field)
      return error(400, "INVALID_FIELD",
                   "No such column '" + names.substr(start, comma - start) +
                       "' on sobject of type " + table.schema().name);
    fields.push_back(field);
  }
  return {200, record_json(table, *row, fields, base)};
}

// What changed or went away between two stamps, to the minute.
Response Salesforce::replication(const Request &request, const Org &org, const std::string &object,
                                 bool of_deleted) {
  const auto start = parse_datetime(request.param("start"));
  const auto end = parse_datetime(request.param("end"));
  if (!start || !end || *end - *start < 60000)
    return error(400, "INVALID_REPLICATION_DATE",
                 "startDate must be at least one minute before endDate");
  const std::string lo = format_datetime(*start / 60000 * 60000);
  const std::string hi = format_datetime(*end / 60000 * 60000);
  const Table &table = *org.find(object);
  const Field &stamp = *table.schema().find("SystemModstamp");
  json found = json::array();
  const auto add = [&](RowNumber row, const Change *change) {
    if (of_deleted != (change && change->deleted)) return;
    const std::string at = table.get(row, change, stamp).text;
    if (at < lo || at > hi) return;
    if (of_deleted)
      found.push_back({{"id", table.id(row)}, {"deletedDate", at}});
    else
      found.push_back(table.id(row));
  };
  for (RowNumber row = 0; row < table.size(); row++) add(row, table.change(row));
  json answer = {{of_deleted ? "deletedRecords" : "ids", found}, {"latestDateCovered", hi}};
  if (of_deleted)
    answer["earliestDateAvailable"] = format_datetime(clock_.now_ms() - 15 * 86400000ll);
  return {200, answer.dump()};
}

Response Salesforce::limits(const Request &request, const Org &org, const std::string &rest) {
  if (rest == "limits/recordCount") {
    json counts = json::array();
    const std::string wanted = "," + lower(request.param("sObjects")) + ",";
    for (const Table *table : org.tables()) {
      const std::string &name = table->schema().name;
      if (wanted == ",," || wanted.find("," + lower(name) + ",") != std::string::npos)
        counts.push_back({{"name", name}, {"count", table->count_visible()}});
    }
    return {200, json{{"sObjects", counts}}.dump()};
  }
  if (rest != "limits") return not_found();
  const size_t jobs_left = bulk_.jobs_left(org.name());
  const std::lock_guard lock(mutex_);
  const OrgState &state = states_[org.name()];
  const size_t remaining = state.limit > state.used ? state.limit - state.used : 0;
  return {200, json{{"DailyApiRequests", {{"Max", state.limit}, {"Remaining", remaining}}},
                    {"DailyBulkV2QueryJobs", {{"Max", 10000}, {"Remaining", jobs_left}}}}
                   .dump()};
}

std::string Salesforce::usage(const std::string &org) {
  const std::lock_guard lock(mutex_);
  OrgState &state = states_[org];
  return "api-usage=" + std::to_string(++state.used) + "/" + std::to_string(state.limit);
}

void Salesforce::set_usage(const std::string &org, size_t used, size_t limit) {
  const std::lock_guard lock(mutex_);
  states_[org].used = used;
  states_[org].limit = limit;
}

void Salesforce::drop_locators(const std::string &org) {
  const std::lock_guard lock(mutex_);
  states_[org].cursors.clear();
  states_[org].order.clear();
}

// --- Queries and their pages
// -----------------------------------------------------------------------
static size_t batch_size(const Request &request, size_t otherwise, bool is_free) {
  const std::string options = lower(request.header("sforce-query-options"));
  const size_t at = options.find("batchsize=");
  if (at == std::string::npos || is_free) return otherwise;
  const size_t asked = std::strtoul(options.c_str() + at + 10, nullptr, 10);
  return std::clamp<size_t>(asked, 200, 2000);
}

static Response explain(const Query &query) {
  const size_t rows = query.run(false).size();
  return {200, json{{"plans", json::array({{{"cardinality", rows},
                                            {"fields", json::array()},
                                            {"leadingOperationType", "TableScan"},
                                            {"relativeCost", 1.0},
                                            {"sobjectCardinality", query.table().size()},
                                            {"sobjectType", query.table().schema().name}}})}}
                   .dump()};
}

Response Salesforce::query(const Request &request, const Org &org, const std::string &base,
                           bool all) {
  if (request.params.count("explain"))
    return explain(Query(org, request.param("explain"), clock_.now_ms()));
  if (request.param("q").empty())
    return error(400, "MALFORMED_QUERY", "A query string has to be specified");
  const Query query(org, request.param("q"), clock_.now_ms());
  if (query.is_count()) {
    const std::string count = std::to_string(query.run(all).size());
    return {200, "{\"totalSize\":" + count + ",\"done\":true,\"records\":[]}"};
  }
  if (query.is_aggregate()) {
    std::string records;
    const std::vector<std::string> groups = query.run_aggregate(all);
    for (const std::string &group : groups) records += (records.empty() ? "" : ",") + group;
    return {200, "{\"totalSize\":" + std::to_string(groups.size()) +
                     ",\"done\":true,\"records\":[" + records + "]}"};
  }
  const size_t batch = batch_size(request, options_.page_size, options_.any_page_size);
  std::shared_ptr<const Cursor> cursor;
  const std::string locator = keep(org, {request.param("q"), all, batch, query.run(all)}, cursor);
  return page(request, org, base, locator, *cursor, query, 0);
}

// The same query over the same records has the same locator, so that its pages, which then are the
// same too, need not be written again.
std::string Salesforce::keep(const Org &org, Cursor cursor, std::shared_ptr<const Cursor> &kept) {
  std::uint64_t digest = mix(hash(cursor.soql) + org.version * 2 + cursor.with_deleted);
  for (const RowNumber row : cursor.rows) digest = (digest ^ row) * 0x100000001b3;
  char locator[32];
  std::snprintf(locator, sizeof locator, "0r8%015llx",
                static_cast<unsigned long long>(mix(digest) >> 4));
  const bool is_whole = cursor.rows.size() <= cursor.batch;
  kept = std::make_shared<const Cursor>(std::move(cursor));
  if (is_whole) return locator;
  const std::lock_guard lock(mutex_);
  OrgState &state = states_[org.name()];
  if (state.cursors.insert_or_assign(locator, kept).second) state.order.push_back(locator);
  if (state.order.size() > most_cursors) {
    state.cursors.erase(state.order.front());
    state.order.pop_front();
  }
  return locator;
}

Response Salesforce::query_more(const Request &request, const Org &org, const std::string &base,
                                const std::string &text) {
  const size_t dash = text.rfind('-');
  const std::string locator = text.substr(0, dash);
  std::shared_ptr<const Cursor> cursor;
  {
    const std::lock_guard lock(mutex_);
    const auto &cursors = states_[org.name()].cursors;
    if (const auto found = cursors.find(locator); found != cursors.end()) cursor = found->second;
  }
  const std::string digits = dash == std::string::npos ? "0" : text.substr(dash + 1);
  const bool is_number = !digits.empty() && digits.size() < 10 &&
                         digits.find_first_not_of("0123456789") == std::string::npos;
  if (!cursor || !is_number || std::stoul(digits) >= cursor->rows.size())
    return error(400, "INVALID_QUERY_LOCATOR", "invalid query locator");
  const Query query(org, cursor->soql, clock_.now_ms());
  return page(request, org, base, locator, *cursor, query, std::stoul(digits));
}

// Values are as they are now. Records that are gone by now are left out, as are, of a query that
// hides deleted ones, those that were deleted since.
std::string Salesforce::page_text(const std::string &base, const std::string &locator,
                                  const Cursor &cursor, const Query &query, size_t offset,
                                  size_t batch) const {
  const size_t end = std::min(offset + batch, cursor.rows.size());
  const bool is_last = end == cursor.rows.size();
  std::string out = "{\"totalSize\":" + std::to_string(cursor.rows.size()) + ",\"done\":";
  out += is_last ? "true"
                 : "false,\"nextRecordsUrl\":\"" + base + "/query/" + locator + "-" +
                       std::to_string(end) + "\"";
  out += ",\"records\":[";
  out.reserve((end - offset) * 2000 + 200);
  for (size_t i = offset; i < end; i++) {
    if (!query.table().is_visible(cursor.rows[i], cursor.with_deleted)) continue;
    if (out.back() != '[') out += ',';
    query.append_record(out, cursor.rows[i], base);
  }
  out += "]}";
  return out;
}

Response Salesforce::page(const Request &request, const Org &org, const std::string &base,
                          const std::string &locator, const Cursor &cursor, const Query &query,
                          size_t offset) {
  const size_t batch = batch_size(request, cursor.batch, options_.any_page_size);
  const std::string key = base + "/" + locator + "-" + std::to_string(offset) + "+" +
                          std::to_string(batch) + "@" + org.name() + std::to_string(org.version);
  return pages_.answer(request, key,
                       [&] { return page_text(base, locator, cursor, query, offset, batch); });
}

}  // namespace simulator
