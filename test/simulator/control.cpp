// simulator: the control endpoint; see control.hpp and README.md.
#include "control.hpp"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "query.hpp"

namespace simulator {

using nlohmann::json;

static void pause_ms(int ms) {
  if (ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(ms));
}

Response Control::serve(const Request &request) {
  Response response = request.path.starts_with("/control/") ? command(request) : provider(request);
  response.headers.emplace_back("Date", format_http_date(clock_.now_ms()));
  return response;
}

// --- The provider's requests --------------------------------------------------------------------
Response Control::provider(const Request &request) {
  const bool is_hubspot = hubspot::Api::owns(request.path);
  const Target target = is_hubspot ? hubspot_.target_of(request) : salesforce_.target_of(request);
  count(target);
  pause_ms(latency_ms_);
  wait_while_held(request, target);
  const std::optional<Fault> fault = take_fault(request, target);
  if (fault && fault->kind != "drip") pause_ms(fault->ms);
  Response response;
  if (fault && fault->kind == "status" && fault->body.empty() && is_hubspot) {
    response = hubspot::Api::mishap(fault->status);
  } else if (fault && (fault->kind == "status" || fault->kind == "garbage")) {
    response = {fault->kind == "garbage" ? 200 : fault->status, fault->body};
    if (fault->body.starts_with("<")) response.type = "text/html;charset=utf-8";
  } else {
    Request asked = request;
    if (fault && fault->kind == "edit") asked.headers.erase("accept-encoding");
    response = is_hubspot ? hubspot_.answer(asked, target) : salesforce_.answer(asked, target);
  }
  if (fault) break_answer(response, *fault, request.accepts_gzip());
  const std::lock_guard lock(mutex_);
  concurrent_--;
  return response;
}

void Control::count(const Target &target) {
  const std::lock_guard lock(mutex_);
  counters_[target.org].by_kind[target.kind]++;
  most_concurrent_ = std::max(most_concurrent_, ++concurrent_);
}

bool Control::matches(const Match &match, const Request &request, const Target &target) {
  if (!match.provider.empty() && match.provider != target.provider) return false;
  if (!match.org.empty() && match.org != target.org) return false;
  if (!match.object.empty() && lower(match.object) != lower(target.object)) return false;
  if (!match.kind.empty() && match.kind != target.kind) return false;
  if (match.path_contains.empty()) return true;
  std::string address = request.path;
  for (const auto &[name, value] : request.params) address += "&" + name + "=" + value;
  return address.find(match.path_contains) != std::string::npos;
}

void Control::wait_while_held(const Request &request, const Target &target) {
  std::unique_lock lock(mutex_);
  const auto holds = [&](const Match &hold) { return matches(hold, request, target); };
  if (std::none_of(holds_.begin(), holds_.end(), holds)) return;
  // Once it is released it goes, however soon there is another hold.
  const size_t before = releases_;
  held_++;
  released_.wait(lock, [&] { return releases_ != before; });
  held_--;
}

std::optional<Control::Fault> Control::take_fault(const Request &request, const Target &target) {
  const std::lock_guard lock(mutex_);
  for (auto fault = faults_.begin(); fault != faults_.end(); ++fault) {
    if (!matches(fault->match, request, target)) continue;
    if (fault->after > 0) {
      fault->after--;
      continue;
    }
    Fault taken = *fault;
    const std::string number = std::to_string(++fault->happened);
    for (size_t at = 0; (at = taken.body.find("{n}", at)) != std::string::npos;)
      taken.body.replace(at, 3, number);
    if (fault->times > 0 && --fault->times == 0) faults_.erase(fault);
    return taken;
  }
  return {};
}

void Control::break_answer(Response &response, const Fault &fault, bool accepts_gzip) {
  for (const auto &header : fault.headers) response.headers.push_back(header);
  response.mishap_ms = fault.ms;
  if (fault.kind == "cut") response.mishap = Mishap::cut;
  if (fault.kind == "drip") response.mishap = Mishap::drip;
  if (fault.kind == "close") response.mishap = Mishap::close;
  if (fault.kind == "edit") {
    std::string text = *response.body;
    const size_t at = text.find(fault.find);
    if (at != text.npos) text.replace(at, fault.find.size(), fault.body);
    response.is_gzip = accepts_gzip && text.size() > 1024;
    response.body = response.is_gzip ? gzip(text) : std::make_shared<const std::string>(text);
  }
  if (fault.kind != "truncate_gzip") return;
  const std::string zipped = response.is_gzip ? *response.body : *gzip(*response.body);
  response.body = std::make_shared<const std::string>(zipped.substr(0, zipped.size() / 2));
  response.is_gzip = true;
}

// --- Commands -----------------------------------------------------------------------------------
struct CommandError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

Response Control::command(const Request &request) {
  const std::string name = request.path.substr(9);
  try {
    if (request.method == "GET") {
      if (name == "counters") return {200, counters(request.param("org")).dump()};
      if (name == "records")
        return request.param("provider") == "hubspot" ? hubspot_.truth(request) : records(request);
      if (name == "bulk")
        return {200, salesforce_.bulk().jobs(request.param("org", "default")).dump()};
      if (name == "held") {
        const std::lock_guard lock(mutex_);
        return {200, json{{"held", held_}}.dump()};
      }
    } else {
      const json document = request.body.empty() ? json::object() : json::parse(request.body);
      if (!document.is_object()) throw CommandError("the document must be an object");
      return {200, post(name, document).dump()};
    }
    throw CommandError("no such command: " + request.method + " /control/" + name);
  } catch (const std::exception &error) {
    return {400, json{{"error", error.what()}}.dump()};
  }
}

json Control::post(const std::string &name, const json &document) {
  static const std::map<std::string, json (Control::*)(const std::string &, const json &)> groups =
      {{"insert", &Control::change_records},
       {"update", &Control::change_records},
       {"delete", &Control::change_records},
       {"undelete", &Control::change_records},
       {"merge", &Control::change_records},
       {"add_field", &Control::change_schema},
       {"remove_field", &Control::change_schema},
       {"add_object", &Control::change_schema},
       {"remove_object", &Control::change_schema},
       {"bulk", &Control::change_access},
       {"create_org", &Control::change_access},
       {"expire_tokens", &Control::change_access},
       {"revoke", &Control::change_access},
       {"rotate", &Control::change_access},
       {"token_ttl", &Control::change_access},
       {"usage", &Control::change_access},
       {"drop_locators", &Control::change_access},
       {"clock", &Control::disturb},
       {"fault", &Control::disturb},
       {"clear_faults", &Control::disturb},
       {"hold", &Control::disturb},
       {"release", &Control::disturb},
       {"latency", &Control::disturb},
       {"reset_counters", &Control::disturb}};
  const std::string provider = document.value("provider", "salesforce");
  if (provider == "hubspot") return hubspot_.command(name, document);
  if (provider != "salesforce") throw CommandError("no such provider: " + provider);
  const auto found = groups.find(name);
  if (found == groups.end()) throw CommandError("no such command: POST /control/" + name);
  return (this->*found->second)(name, document);
}

// A misspelt key must not pass for an absent one.
static void allow(const json &document, const std::set<std::string> &keys) {
  for (const auto &[key, value] : document.items())
    if (!keys.count(key)) throw CommandError("unknown key '" + key + "'");
}

Org &Control::org_from(const json &document) {
  return world_.create(document.value("org", "default"));
}

static Table &table_from(Org &org, const json &document) {
  const std::string object = document.at("object");
  Table *table = org.find(object);
  if (!table) throw CommandError("no object '" + object + "' in org " + org.name());
  return *table;
}

static Values values_from(const Table &table, const json &document) {
  Values values;
  for (const auto &[name, value] : document.items()) {
    const Field *field = table.schema().find(name);
    if (!field) throw CommandError("no field '" + name + "' on " + table.schema().name);
    if (field->role == Role::id || field->role == Role::formula || field->role == Role::compound ||
        field->role == Role::full_name || field->role == Role::is_deleted)
      throw CommandError("field '" + name + "' cannot be set");
    values[field->name] = value_from_json(*field, value);
  }
  return values;
}

// The records that "id" or "where" names; purged ones never.
static std::vector<RowNumber> rows_from(const Org &org, const Table &table, const json &document,
                                        const Clock &clock) {
  if (document.contains("where"))
    return rows_where(org, table.schema().name, document["where"], clock.now_ms());
  std::vector<RowNumber> rows;
  const json ids = document.at("id").is_array() ? document["id"] : json::array({document["id"]});
  for (const json &id : ids) {
    const auto row = table.row_of(id.get<std::string>());
    if (!row || !table.is_visible(*row, true)) throw CommandError("no record " + id.dump());
    rows.push_back(*row);
  }
  return rows;
}

json Control::change_records(const std::string &name, const json &document) {
  allow(document, {"org", "object", "id", "where", "set", "records", "hard", "stamp", "loser"});
  Org &org = org_from(document);
  const std::unique_lock lock(org.mutex);
  Table &table = table_from(org, document);
  const std::int64_t now = clock_.now_ms();
  std::vector<RowNumber> rows;
  if (name == "insert") {
    std::vector<Values> all;
    for (const json &record : document.at("records")) all.push_back(values_from(table, record));
    for (Values &values : all) rows.push_back(table.insert(std::move(values), now));
  } else {
    rows = rows_from(org, table, document, clock_);
  }
  if (name == "update") {
    const Values values = values_from(table, document.value("set", json::object()));
    for (const RowNumber row : rows) table.update(row, values, now, document.value("stamp", true));
  }
  for (const RowNumber row : rows) {
    if (name == "delete") table.remove(row, now, document.value("hard", false));
    if (name == "undelete") table.undelete(row, now);
  }
  if (name == "merge") {  // the loser goes, and says into which
    const auto loser = table.row_of(document.at("loser").get<std::string>());
    if (!loser || rows.size() != 1) throw CommandError("merge takes one id and one loser");
    table.update(*loser, {{"MasterRecordId", Value::of(table.id(rows[0]))}}, now, true);
    table.remove(*loser, now, false);
    table.update(rows[0], {}, now, true);
  }
  org.version++;
  json ids = json::array();
  for (const RowNumber row : rows) ids.push_back(table.id(row));
  return {{"count", rows.size()}, {"ids", ids}};
}

json Control::change_schema(const std::string &name, const json &document) {
  allow(document, {"org", "object", "field", "fields", "label"});
  Org &org = org_from(document);
  const std::unique_lock lock(org.mutex);
  if (name == "add_object") {
    const std::string object = document.at("object");
    if (org.find(object)) throw CommandError("object '" + object + "' exists");
    static constexpr char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    const size_t number = org.tables().size();
    const std::string prefix = std::string("aZ") + digits[number % 36];
    auto schema =
        std::make_shared<Schema>(custom_schema(object, document.value("label", ""), prefix));
    for (const json &field : document.value("fields", json::array()))
      add_with_parts(*schema, field_from_json(field));
    org.add_table(schema, 0);
  } else if (name == "remove_object") {
    if (!org.remove_table(document.at("object"))) throw CommandError("no such object");
  } else {
    Table &table = table_from(org, document);
    auto schema = std::make_shared<Schema>(table.schema());
    if (name == "add_field")
      add_with_parts(*schema, field_from_json(document.at("field")));
    else if (!schema->remove(document.at("field").get<std::string>()))
      throw CommandError("no such field");
    schema->changed_ms = std::max(clock_.now_ms(), schema->changed_ms + 1000);
    table.set_schema(std::move(schema));
  }
  org.version++;
  return json::object();
}

json Control::change_access(const std::string &name, const json &document) {
  const std::string org = document.value("org", "default");
  if (name == "bulk") {
    salesforce_.bulk().tell(org, document);
    return json::object();
  }
  allow(document, {"org", "revoked", "mode", "ms", "used", "limit"});
  OAuth &oauth = salesforce_.oauth();
  if (name == "create_org") world_.create(org);
  if (name == "expire_tokens") oauth.expire_tokens(document.value("org", ""));
  if (name == "revoke") oauth.set_revoked(org, document.value("revoked", true));
  if (name == "token_ttl") oauth.set_access_token_ttl_ms(document.at("ms"));
  if (name == "usage")
    salesforce_.set_usage(org, document.at("used"), document.value("limit", 100000));
  if (name == "drop_locators") salesforce_.drop_locators(org);
  if (name == "rotate") oauth.set_rotation(rotation_from(document.at("mode")));
  return json::object();
}

Control::Match Control::match_from(const json &document) {
  allow(document, {"path_contains", "provider", "org", "object", "kind"});
  return {document.value("path_contains", ""), document.value("provider", ""),
          document.value("org", ""), document.value("object", ""), document.value("kind", "")};
}

json Control::disturb(const std::string &name, const json &document) {
  const std::lock_guard lock(mutex_);
  if (name == "clock")
    clock_.set_offset_ms(
        static_cast<std::int64_t>(document.at("offset_seconds").get<double>() * 1000));
  if (name == "latency") latency_ms_ = document.at("ms");
  if (name == "clear_faults") faults_.clear();
  if (name == "reset_counters") {
    counters_.clear();
    most_concurrent_ = concurrent_;
    salesforce_.oauth().reset_reuse_counts();
  }
  if (name == "hold") holds_.push_back(match_from(document.value("match", json::object())));
  if (name == "release") {
    holds_.clear();
    releases_++;
    released_.notify_all();
  }
  if (name == "fault") {
    static const std::set<std::string> kinds = {"delay", "status", "cut",           "garbage",
                                                "drip",  "close",  "truncate_gzip", "edit"};
    allow(document, {"match", "times", "after", "kind", "ms", "status", "find", "body", "headers"});
    Fault fault;
    fault.match = match_from(document.value("match", json::object()));
    fault.times = document.value("times", 1);
    fault.after = document.value("after", 0);
    fault.kind = document.at("kind");
    if (!kinds.count(fault.kind)) throw CommandError("unknown kind of fault '" + fault.kind + "'");
    fault.ms = document.value("ms", 0);
    fault.status = document.value("status", 503);
    fault.find = document.value("find", "");
    const json body = document.value("body", json(""));
    fault.body = body.is_string() ? body.get<std::string>() : body.dump();
    if (fault.kind == "garbage" && fault.body.empty())
      fault.body = "\x1f{\"records\":[{\"Id\":\xff";
    const json headers = document.value("headers", json::object());
    for (const auto &[header, value] : headers.items())
      fault.headers.emplace_back(header,
                                 value.is_string() ? value.get<std::string>() : value.dump());
    faults_.push_back(std::move(fault));
  }
  return json::object();
}

// --- Answers
// --------------------------------------------------------------------------------------
json Control::counters(const std::string &only) {
  static const char *const kinds[] = {
      "token", "describe", "query", "query_more", "bulk_create", "bulk_poll", "bulk_results",
      "list",  "search",   "batch", "properties", "owners",      "pipelines", "other"};
  const std::map<std::string, size_t> reuse = salesforce_.oauth().reuse_counts();
  const std::lock_guard lock(mutex_);
  json total = {{"requests", 0}, {"refresh_reuse", 0}, {"max_concurrent", most_concurrent_}};
  for (const char *kind : kinds) total[kind] = 0;
  json orgs = json::object();
  for (const auto &[org, counted] : counters_) {
    if (!only.empty() && org != only) continue;
    json &own = orgs[org];
    const auto reused = reuse.find(org);
    own["refresh_reuse"] = reused == reuse.end() ? 0 : reused->second;
    own["requests"] = 0;
    for (const char *kind : kinds) {
      const auto found = counted.by_kind.find(kind);
      const size_t number = found == counted.by_kind.end() ? 0 : found->second;
      own[kind] = number;
      own["requests"] = own["requests"].get<size_t>() + number;
    }
    for (const auto &[key, value] : own.items())
      total[key] = total[key].get<size_t>() + value.get<size_t>();
  }
  total["orgs"] = orgs;
  return total;
}

// One record as the truth to compare with: plain numbers, no compound fields, no blobs.
static void append_truth(std::string &out, const Table &table, RowNumber row, bool iso) {
  const Change *change = table.change(row);
  for (const Field &field : table.schema().fields) {
    if (field.role == Role::compound || field.role == Role::blob) continue;
    out += out.empty() || out.back() == '\n' ? "{\"" : ",\"";
    out += field.name + "\":";
    Value value = table.get(row, change, field);
    if (iso && field.type == "datetime" && !value.is_null())
      value.text.replace(value.text.size() - 5, 5, "Z");
    if (value.is_null())
      out += "null";
    else if (value.kind == Value::Kind::text)
      append_json_text(out, value.text);
    else
      out += value.text;
  }
  out += "}\n";
}

// A line a record, some at a time; records that are changed meanwhile are as they are when told.
Response Control::records(const Request &request) {
  Org &org = world_.create(request.param("org", "default"));
  const std::string object = request.param("object");
  const bool with_deleted = !request.param("deleted").empty() && request.param("deleted") != "0";
  const bool iso = request.param("iso") == "1";
  {
    const std::shared_lock lock(org.mutex);
    if (!org.find(object)) throw CommandError("no object '" + object + "' in org " + org.name());
  }
  Response response;
  response.type = "application/x-ndjson";
  response.next_chunk = [&org, object, with_deleted, iso,
                         row = RowNumber{0}](std::string &out) mutable {
    const std::shared_lock lock(org.mutex);
    const Table *table = org.find(object);
    for (; table && row < table->size() && out.size() < 1000000; row++)
      if (table->is_visible(row, with_deleted)) append_truth(out, *table, row, iso);
    return table && row < table->size();
  };
  return response;
}

}  // namespace simulator
