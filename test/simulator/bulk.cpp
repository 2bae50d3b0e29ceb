// simulator: query jobs; see bulk.hpp.
#include "bulk.hpp"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>

#include "query.hpp"

namespace simulator {

using nlohmann::json;

static constexpr size_t most_jobs = 100;            // of an org that are kept; the oldest go
static constexpr size_t most_page_records = 50000;  // when the client does not say
static constexpr size_t pages_at_once = 5;          // of resultPages
static constexpr size_t jobs_at_once = 1000;        // of a list

static ApiError not_found() { return {404, "NOT_FOUND", "The requested resource does not exist"}; }

static const std::map<std::string, std::string> delimiters = {{"BACKQUOTE", "`"}, {"CARET", "^"},
                                                              {"COMMA", ","},     {"PIPE", "|"},
                                                              {"SEMICOLON", ";"}, {"TAB", "\t"}};

// --- Locators: where a page begins, in base64 as Salesforce's look ------------------------------
static constexpr char letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static std::string locator_of(size_t offset) {
  const std::string plain = std::to_string(offset);
  std::string out;
  unsigned bits = 0;
  int held = 0;
  for (const char c : plain) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    for (held += 8; held >= 6; held -= 6) out += letters[bits >> (held - 6) & 63];
  }
  if (held > 0) out += letters[bits << (6 - held) & 63];
  return out;
}

static size_t offset_of(const std::string &locator, size_t end) {
  std::string plain;
  unsigned bits = 0;
  int held = 0;
  for (const char c : locator) {
    const std::string_view all(letters, 64);
    bits = bits << 6 | static_cast<unsigned>(std::min(all.find(c), size_t{63}));
    held += 6;
    if (held >= 8) plain += static_cast<char>(bits >> (held -= 8) & 255);
  }
  const bool is_number = !plain.empty() && plain.size() < 10 &&
                         plain.find_first_not_of("0123456789") == std::string::npos;
  const size_t offset = is_number ? std::stoul(plain) : end;
  if (offset >= end || locator_of(offset) != locator)
    throw ApiError(400, "INVALID_QUERY_LOCATOR", "invalid query locator");
  return offset;
}

// --- Routes
// ---------------------------------------------------------------------------------------
std::string Bulk::kind_of(const Request &request, const std::vector<std::string> &parts) {
  if (parts.empty() && request.method == "POST") return "bulk_create";
  if (parts.size() == 1 && request.method == "GET") return "bulk_poll";
  if (parts.size() == 2 && request.method == "GET" && parts[1] == "results") return "bulk_results";
  return "other";
}

std::string Bulk::soql_of(const Request &request, const std::string &org,
                          const std::vector<std::string> &parts) {
  if (parts.empty()) {
    const json document = json::parse(request.body, nullptr, false);
    return document.is_object() && document.contains("query") && document["query"].is_string()
               ? document["query"].get<std::string>()
               : "";
  }
  const std::lock_guard lock(mutex_);
  const auto &jobs = orgs_[org].jobs;
  const auto found = jobs.find(parts[0]);
  return found == jobs.end() ? "" : found->second->soql;
}

Response Bulk::answer(const Request &request, const Org &org, const std::string &base,
                      const std::vector<std::string> &parts) {
  const std::string version = base.substr(base.rfind("/v") + 2);
  if (parts.empty()) {
    if (request.method == "POST") return create(request, org, version);
    if (request.method == "GET") return list(request, org.name(), base);
    throw ApiError(405, "METHOD_NOT_ALLOWED",
                   "HTTP Method '" + request.method + "' not allowed. Allowed are HEAD,GET,POST");
  }
  std::shared_ptr<Job> job;
  {
    const std::lock_guard lock(mutex_);
    const auto &jobs = orgs_[org.name()].jobs;
    if (const auto found = jobs.find(parts[0]); found != jobs.end()) job = found->second;
  }
  if (!job || parts.size() > 2) throw not_found();
  if (parts.size() == 2) {
    if (request.method != "GET") throw not_found();
    if (job->version != version)
      throw ApiError(409, "API_ERROR",
                     "Job " + job->id + " was created with API version " + job->version +
                         ", its results can't be retrieved with " + version);
    if (parts[1] == "results") return results(request, org, *job);
    if (parts[1] == "resultPages") return result_pages(request, org, base, *job);
    throw not_found();
  }
  if (request.method == "PATCH") return abort(request, *job);
  if (request.method == "DELETE") return remove(org.name(), *job);
  const std::lock_guard lock(mutex_);
  const json document = describe(*job, true);
  job->polls++;
  return {200, document.dump()};
}

// --- Jobs
// -----------------------------------------------------------------------------------------
static std::string choice(const json &document, const char *key, const std::string &otherwise,
                          const std::set<std::string> &among) {
  const json value = document.value(key, json(otherwise));
  if (!value.is_string() || !among.count(value.get<std::string>()))
    throw ApiError(400, "INVALIDJOB", std::string("Invalid value for ") + key);
  return value;
}

Response Bulk::create(const Request &request, const Org &org, const std::string &version) {
  const json document = json::parse(request.body, nullptr, false);
  if (!document.is_object())
    throw ApiError(400, "JSON_PARSER_ERROR", "The body is not a JSON object");
  for (const auto &[key, value] : document.items())
    if (!std::set<std::string>{"operation", "query", "contentType", "columnDelimiter", "lineEnding"}
             .count(key))
      throw ApiError(400, "JSON_PARSER_ERROR", "Unrecognized field \"" + key + "\"");
  auto job = std::make_shared<Job>();
  job->version = version;
  job->operation = choice(document, "operation", "", {"query", "queryAll"});
  choice(document, "contentType", "CSV", {"CSV"});
  job->line_ending = choice(document, "lineEnding", "LF", {"LF", "CRLF"});
  std::set<std::string> names;
  for (const auto &[name, delimiter] : delimiters) names.insert(name);
  job->delimiter = choice(document, "columnDelimiter", "COMMA", names);
  if (!document.contains("query") || !document["query"].is_string())
    throw ApiError(400, "INVALIDJOB", "Must specify a query");
  job->soql = document["query"];
  const Query query(org, job->soql, clock_.now_ms());
  query.csv_columns();  // refuses what a job cannot be asked
  job->object = query.table().schema().name;
  job->rows = query.run(job->operation == "queryAll");
  job->created_ms = clock_.now_ms();
  if (const Table *users = org.find("User"); users && users->size() > 0)
    job->created_by = users->id(0);

  const std::lock_guard lock(mutex_);
  OrgState &state = orgs_[org.name()];
  if (state.unsupported.count(lower(job->object)))
    throw ApiError(400, "INVALIDENTITY",
                   "Entity '" + job->object + "' is not supported by the Bulk API.");
  if (state.jobs_left == 0)
    throw ApiError(400, "LIMIT_EXCEEDED",
                   "ApiBatchItems Limit exceeded: too many query jobs in the last 24 hours");
  state.jobs_left--;
  char id[32];
  std::snprintf(id, sizeof id, "750R0%010zuIAA", ++state.made);
  job->id = id;
  job->polls_before_end = state.polls;
  job->ms_before_end = state.ms;
  if (!state.fail.empty()) {
    job->ends_as = "Failed";
    job->error = std::exchange(state.fail, "");
  }
  state.jobs[job->id] = job;
  state.order.push_back(job->id);
  if (state.order.size() > most_jobs) {
    state.jobs.erase(state.order.front());
    state.order.pop_front();
  }
  return {200, describe(*job, false).dump()};
}

std::string Bulk::state_of(const Job &job) const {
  if (job.is_aborted) return "Aborted";
  const bool is_over =
      job.polls >= job.polls_before_end && clock_.now_ms() - job.created_ms >= job.ms_before_end;
  if (is_over) return job.ends_as;
  return "InProgress";
}

json Bulk::describe(const Job &job, bool in_full) const {
  json document = {{"id", job.id},
                   {"operation", job.operation},
                   {"object", job.object},
                   {"createdById", job.created_by},
                   {"createdDate", format_datetime(job.created_ms)},
                   {"systemModstamp", format_datetime(job.created_ms)},
                   {"state", in_full ? state_of(job) : "UploadComplete"},
                   {"concurrencyMode", "Parallel"},
                   {"contentType", "CSV"},
                   {"apiVersion", std::stod(job.version)},
                   {"lineEnding", job.line_ending},
                   {"columnDelimiter", job.delimiter}};
  if (!in_full) return document;
  const bool is_complete = document["state"] == "JobComplete";
  document["jobType"] = "V2Query";
  document["numberRecordsProcessed"] = is_complete ? job.rows.size() : 0;
  document["retries"] = 0;
  document["totalProcessingTime"] = is_complete ? 100 + job.rows.size() / 100 : 0;
  document["isPkChunkingSupported"] = true;
  if (document["state"] == "Failed") document["errorMessage"] = job.error;
  return document;
}

Response Bulk::list(const Request &request, const std::string &org, const std::string &base) {
  const std::string mode = request.param("concurrencyMode"), type = request.param("jobType");
  const bool is_ours =
      (mode.empty() || lower(mode) == "parallel") && (type.empty() || lower(type) == "v2query");
  const std::lock_guard lock(mutex_);
  const OrgState &state = orgs_[org];
  json records = json::array();
  const std::string from = request.param("queryLocator");
  size_t at = from.empty() ? 0 : offset_of(from, state.order.size());
  for (; is_ours && at < state.order.size() && records.size() < jobs_at_once; at++)
    records.push_back(describe(*state.jobs.at(state.order[at]), true));
  const bool is_done = !is_ours || at == state.order.size();
  json document = {{"done", is_done}, {"records", records}, {"nextRecordsUrl", nullptr}};
  if (!is_done) document["nextRecordsUrl"] = base + "/jobs/query?queryLocator=" + locator_of(at);
  return {200, document.dump()};
}

Response Bulk::abort(const Request &request, Job &job) {
  const json document = json::parse(request.body, nullptr, false);
  if (!document.is_object() || document.value("state", json()) != "Aborted")
    throw ApiError(400, "INVALIDJOBSTATE", "A query job's state can only be set to Aborted");
  const std::lock_guard lock(mutex_);
  if (state_of(job) != "InProgress")
    throw ApiError(400, "INVALIDJOBSTATE",
                   "Aborting already completed Job not allowed: it is " + state_of(job));
  job.is_aborted = true;
  return {200, describe(job, true).dump()};
}

Response Bulk::remove(const std::string &org, const Job &job) {
  const std::lock_guard lock(mutex_);
  if (state_of(job) == "InProgress")
    throw ApiError(400, "INVALIDJOBSTATE", "A job in progress can't be deleted");
  OrgState &state = orgs_[org];
  const std::string id = job.id;
  std::erase(state.order, id);
  state.jobs.erase(id);
  return {204, ""};
}

// --- Results
// --------------------------------------------------------------------------------------
void Bulk::check_is_complete(const Job &job) const {
  if (state_of(job) == "JobComplete") return;
  throw ApiError(400, "INVALIDJOBSTATE",
                 "Results of job " + job.id + " can't be read: it is " + state_of(job));
}

size_t Bulk::page_size(const Request &request, const std::string &org) {
  const std::string asked = request.param("maxRecords");
  const bool is_number = !asked.empty() && asked.size() < 10 && asked != "0" &&
                         asked.find_first_not_of("0123456789") == std::string::npos;
  if (!asked.empty() && !is_number)
    throw ApiError(400, "INVALID_PARAMETER", "maxRecords must be a positive number");
  const size_t wanted = is_number ? std::stoul(asked) : most_page_records;
  const size_t most = orgs_[org].page_size;
  return most == 0 ? wanted : std::min(wanted, most);
}

Response Bulk::results(const Request &request, const Org &org, const Job &job) {
  size_t size;
  {
    const std::lock_guard lock(mutex_);
    check_is_complete(job);
    size = page_size(request, org.name());
  }
  const std::string locator = request.param("locator");
  const size_t offset = locator.empty() ? 0 : offset_of(locator, job.rows.size());
  const size_t count = std::min(size, job.rows.size() - offset);
  // Another job for the same, while nothing has changed, has the same pages.
  const std::string key = "bulk " + org.name() + "@" + std::to_string(org.version) + " " +
                          job.operation + job.delimiter + job.line_ending + std::to_string(offset) +
                          "+" + std::to_string(count) + "/" + std::to_string(job.rows.size()) +
                          " " + job.soql;
  Response response =
      cache_.answer(request, key, [&] { return page_text(org, job, offset, count); });
  response.type = "text/csv";
  const size_t end = offset + count;
  response.headers.emplace_back("Sforce-Locator", end < job.rows.size() ? locator_of(end) : "null");
  response.headers.emplace_back("Sforce-NumberOfRecords", std::to_string(count));
  return response;
}

// Every page names its columns. Values are as they are now, of deleted records too: a job's results
// do not shrink.
std::string Bulk::page_text(const Org &org, const Job &job, size_t offset, size_t count) const {
  const Query query(org, job.soql, clock_.now_ms());
  const std::string &delimiter = delimiters.at(job.delimiter);
  const std::string end = job.line_ending == "CRLF" ? "\r\n" : "\n";
  std::string out;
  out.reserve(count * 900 + 1000);
  for (const std::string &column : query.csv_columns())
    out += (out.empty() ? "\"" : delimiter + "\"") + column + "\"";
  out += end;
  for (size_t i = offset; i < offset + count; i++) {
    query.append_csv(out, job.rows[i], delimiter);
    out += end;
  }
  return out;
}

// Where the pages begin, for clients that read several at once.
Response Bulk::result_pages(const Request &request, const Org &org, const std::string &base,
                            const Job &job) {
  const std::lock_guard lock(mutex_);
  check_is_complete(job);
  const size_t size = page_size(request, org.name());
  const std::string from = request.param("locator");
  size_t at = from.empty() ? 0 : offset_of(from, job.rows.size());
  const std::string path = base + "/jobs/query/" + job.id;
  json pages = json::array();
  do {
    pages.push_back({{"resultUrl", path + "/results?maxRecords=" + std::to_string(size) +
                                       "&locator=" + locator_of(at)}});
    at += size;
  } while (at < job.rows.size() && pages.size() < pages_at_once);
  const bool is_done = at >= job.rows.size();
  json document = {{"resultPages", pages}, {"done", is_done}};
  if (!is_done)
    document["nextRecordsUrl"] =
        path + "/resultPages?maxRecords=" + std::to_string(size) + "&locator=" + locator_of(at);
  return {200, document.dump()};
}

// --- The control endpoint's words
// -----------------------------------------------------------------
size_t Bulk::jobs_left(const std::string &org) {
  const std::lock_guard lock(mutex_);
  return orgs_[org].jobs_left;
}

void Bulk::tell(const std::string &org, const json &document) {
  const std::lock_guard lock(mutex_);
  OrgState &state = orgs_[org];
  for (const auto &[key, value] : document.items()) {
    if (key == "polls") {
      state.polls = value;
    } else if (key == "ms") {
      state.ms = value;
    } else if (key == "page_size") {
      state.page_size = value;
    } else if (key == "jobs_left") {
      state.jobs_left = value;
    } else if (key == "fail") {
      state.fail = value;
    } else if (key == "unsupported") {
      state.unsupported.clear();
      for (const std::string object : value) state.unsupported.insert(lower(object));
    } else if (key == "finish") {
      for (auto &[id, job] : state.jobs) job->polls_before_end = 0, job->ms_before_end = 0;
    } else if (key == "abort") {
      for (auto &[id, job] : state.jobs)
        if (state_of(*job) == "InProgress") job->is_aborted = true;
    } else if (key == "drop") {
      state.jobs.clear();
      state.order.clear();
    } else if (key != "org") {
      throw std::invalid_argument("unknown key '" + key + "'");
    }
  }
}

json Bulk::jobs(const std::string &org) {
  const std::lock_guard lock(mutex_);
  const OrgState &state = orgs_[org];
  json jobs = json::array();
  for (const std::string &id : state.order) {
    const Job &job = *state.jobs.at(id);
    jobs.push_back({{"id", id},
                    {"object", job.object},
                    {"operation", job.operation},
                    {"state", state_of(job)},
                    {"records", job.rows.size()}});
  }
  return {{"made", state.made}, {"jobs", jobs}};
}

}  // namespace simulator
