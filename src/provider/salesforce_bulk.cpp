// pure: jobs of Salesforce's Bulk API 2.0; see salesforce_bulk.hpp.
#include "provider/salesforce_bulk.hpp"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "csv.hpp"
#include "error.hpp"
#include "provider/salesforce_page.hpp"

#include "pure.hpp"

namespace supaglue {
namespace {

// Waiting grows with what was waited before, so that a long job costs few requests and no job is
// noticed late by more than a quarter of its time.
constexpr int64_t kWaitShare = 4;

const char kLocator[] = "sforce-locator", kNumberOfRecords[] = "sforce-numberofrecords";

Error garbled(const std::string &detail) {
  return {ErrorClass::kProvider, "the answer of salesforce is not the CSV that was expected",
          detail};
}

Json answer_object(const Response &response) {
  Json answer = Json::parse(response.body, nullptr, false);
  if (answer.is_discarded()) throw salesforce_malformed("It is cut off or damaged.");
  if (!answer.is_object()) throw salesforce_malformed("It is no object.");
  return answer;
}

std::string text_of(const Json &answer, const char *key) {
  const auto found = answer.find(key);
  return found != answer.end() && found->is_string() ? found->get<std::string>() : std::string();
}

int64_t number_of(const Json &answer, const char *key) {
  const auto found = answer.find(key);
  return found != answer.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
}

std::string percent_encoded(std::string_view text) {
  static const char digits[] = "0123456789ABCDEF";
  std::string out;
  for (unsigned char c : text) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
        std::string_view("-._~").find(static_cast<char>(c)) != std::string_view::npos;
    if (plain) {
      out += static_cast<char>(c);
    } else {
      out += {'%', digits[c >> 4], digits[c & 15]};
    }
  }
  return out;
}

Error job_ended(const std::string &state, std::string why) {
  if (!why.empty() && std::string_view(".!?").find(why.back()) == std::string_view::npos)
    why += '.';
  return {ErrorClass::kProvider, "the bulk job of salesforce has not succeeded",
          "It ended as " + state + (why.empty() ? "." : ": " + why)};
}

// --- A page of results ------------------------------------------------------------------------

bool is_header(const CsvTable &table, const std::vector<std::string> &columns) {
  if (table.rows() == 0 || table.width(0) != columns.size()) return false;
  for (size_t i = 0; i < columns.size(); ++i) {
    if (table.value(0, i) != columns[i]) return false;
  }
  return true;
}

bool is_number(std::string_view text) {
  return !text.empty() && (text[0] == '-' || (text[0] >= '0' && text[0] <= '9')) &&
         is_json_scalar(text);
}

enum class Kind { kText, kBoolean, kNumber };

Kind kind_of(const SalesforceFields &fields, const std::string &column) {
  if (fields.booleans.contains(column)) return Kind::kBoolean;
  return fields.numbers.contains(column) ? Kind::kNumber : Kind::kText;
}

// An empty value is null, whatever its type.
void put_value(SalesforceRecords &records, const std::string &column, Kind kind,
               std::string_view text, int64_t *replaced) {
  if ((kind == Kind::kBoolean && (text == "true" || text == "false")) ||
      (kind == Kind::kNumber && is_number(text))) {
    records.put_scalar(column, text);
  } else {
    records.put_text(column, records.page.record.storable(text, replaced));
  }
}

Page write_page(const CsvTable &table, size_t first_row, size_t bytes,
                const std::vector<std::string> &columns, const SalesforceFields &fields) {
  size_t names = 0;
  std::vector<Kind> kinds;
  for (const std::string &column : columns) {
    names += column.size() + 8;
    kinds.push_back(kind_of(fields, column));
  }
  SalesforceRecords records(fields);
  records.page.reserve(bytes + names * table.rows());
  int64_t replaced = 0;
  for (size_t row = first_row; row < table.rows(); ++row) {
    if (table.width(row) != columns.size()) {
      throw garbled("Line " + std::to_string(row + 1) + " has " + std::to_string(table.width(row)) +
                    " values instead of " + std::to_string(columns.size()) + ".");
    }
    records.begin();
    for (size_t i = 0; i < columns.size(); ++i) {
      put_value(records, columns[i], kinds[i], table.value(row, i), &replaced);
    }
    records.end();
  }
  return records.page.finish(replaced);
}

// Every page names its columns; one that begins with a record instead is taken at its word, but for
// the first, which must prove that the columns are those that were asked for.
// `said`: how many records there are, as the answer says, or nothing.
Page read_page(const std::string &body, std::string_view said, bool is_first,
               const std::vector<std::string> &columns, const SalesforceFields &fields) {
  if (!simdjson::validate_utf8(body)) throw garbled("It is not UTF-8.");
  const std::optional<CsvTable> table = read_csv(body);
  // Values are quoted, empty ones too: after a comma there must be more.
  if (!table || body.ends_with(',')) throw garbled("It is cut off or damaged.");
  const bool has_header = is_header(*table, columns);
  if (is_first && !has_header && table->rows() > 0) {
    throw garbled("Its first line does not name the fields that were asked for.");
  }
  const size_t first_row = has_header ? 1 : 0;
  const std::string found = std::to_string(table->rows() - first_row);
  if (!said.empty() && said != found) {
    const bool is_number = said.find_first_not_of("0123456789") == said.npos;
    throw garbled("It has " + found + " records and says that they are " +
                  (is_number ? std::string(said.substr(0, 20)) : "others") + ".");
  }
  return write_page(*table, first_row, body.size(), columns, fields);
}

// Moves the job's place on behind a page of so many records.
void go_on_behind(int64_t records, std::string_view locator, Json &job) {
  const int64_t read = number_of(job, "read") + records;
  // The last page says "null". One that says nothing is the last when nothing is missing.
  const bool is_plain = std::all_of(locator.begin(), locator.end(),
                                    [](unsigned char c) { return c > ' ' && c < 0x7f; });
  if (!is_plain || (locator.empty() && read < number_of(job, "records"))) {
    throw garbled("It does not say where the other records are.");
  }
  if (locator.empty() || locator == "null") {
    job = {{"done", true}};
    return;
  }
  salesforce_go_on(job, std::string(locator));
  job["read"] = read;
}

}  // namespace

SalesforceBulk::SalesforceBulk(const Json &settings)
    : path_(settings.value("bulk_path", "")),
      from_records_(settings.value("bulk_from_records", int64_t{10'000})),
      page_values_(settings.value("bulk_page_values", int64_t{200'000})),
      most_page_records_(settings.value("bulk_most_page_records", int64_t{50'000})),
      first_poll_ms_(settings.value("bulk_first_poll_ms", int64_t{1'000})),
      longest_poll_ms_(settings.value("bulk_longest_poll_ms", int64_t{10'000})),
      patience_ms_(settings.value("bulk_patience_ms", int64_t{7'200'000})) {}

Request SalesforceBulk::next(const Json &job, const SalesforceQuery &query) const {
  if (!job.contains("id")) return creation(query);
  if (job.contains("records")) return results(job, query);
  Request request;
  request.url = path_ + "/" + text_of(job, "id");
  request.delay_ms = wait_before_poll(job);
  return request;
}

std::optional<Request> SalesforceBulk::next_after(const Response &response, const Json &job,
                                                  const SalesforceQuery &query) const {
  const std::string_view locator = response.header(kLocator);
  if (!job.contains("records") || locator.empty() || locator == "null") return std::nullopt;
  Json after = job;
  after["next"] = std::string(locator);
  return results(after, query);
}

Request SalesforceBulk::creation(const SalesforceQuery &query) const {
  Request request;
  request.method = "POST";
  request.url = path_;
  request.headers = {{"Content-Type", "application/json"}};
  request.body = Json{
      {"operation", query.with_deleted ? "queryAll" : "query"},
      {"query", query.soql},
      {"contentType", "CSV"},
      {"columnDelimiter", "COMMA"},
      {"lineEnding",
       "LF"}}.dump();
  return request;
}

// A page's size is meant in values, since records are small or large by how many fields they have.
Request SalesforceBulk::results(const Json &job, const SalesforceQuery &query) const {
  const auto columns = static_cast<int64_t>(std::max<size_t>(query.columns.size(), 1));
  const int64_t records = std::clamp<int64_t>(page_values_ / columns, 1, most_page_records_);
  Request request;
  request.url = path_ + "/" + text_of(job, "id") + "/results?maxRecords=" + std::to_string(records);
  if (job.contains("next")) request.url += "&locator=" + percent_encoded(text_of(job, "next"));
  request.headers = {{"Accept", "text/csv"}};
  return request;
}

int64_t SalesforceBulk::wait_before_poll(const Json &job) const {
  return std::clamp(number_of(job, "waited") / kWaitShare, first_poll_ms_, longest_poll_ms_);
}

Accepted SalesforceBulk::accept(const Response &response, const SalesforceQuery &query,
                                const SalesforceFields &fields, Json &job) const {
  Accepted accepted;
  if (!job.contains("id")) {
    const std::string id = text_of(answer_object(response), "id");
    const auto is_plain = [](unsigned char c) { return std::isalnum(c) != 0; };
    if (id.empty() || !std::all_of(id.begin(), id.end(), is_plain)) {
      throw salesforce_malformed("It does not name the job.");
    }
    job = {{"id", id}};
    // A server that is killed meanwhile shall go on with this job instead of making another.
    accepted.keep = true;
  } else if (!job.contains("records")) {
    take_status(response, job);
  } else {
    accepted.page = read_page(response.body, response.header(kNumberOfRecords),
                              !job.contains("next"), query.columns, fields);
    accepted.is_page = true;
    go_on_behind(accepted.page.count(), response.header(kLocator), job);
  }
  return accepted;
}

// One that does not say what it is in the usual way is looked at more closely.
std::optional<int64_t> SalesforceBulk::skim(const Response &response, const SalesforceQuery &query,
                                            Json &job) const {
  if (!job.contains("id") || !job.contains("records")) return std::nullopt;
  const std::string_view said = response.header(kNumberOfRecords);
  int64_t records = 0;
  const auto [end, error] = std::from_chars(said.data(), said.data() + said.size(), records);
  if (error != std::errc() || end != said.data() + said.size() || records < 0) return std::nullopt;
  const std::optional<CsvTable> head = read_csv(response.body.substr(0, response.body.find('\n')));
  if (!head || !is_header(*head, query.columns)) return std::nullopt;
  go_on_behind(records, response.header(kLocator), job);
  return records;
}

Page read_salesforce_csv(const std::string &body, int64_t records,
                         const std::vector<std::string> &columns, const SalesforceFields &fields) {
  return read_page(body, std::to_string(records), true, columns, fields);
}

void SalesforceBulk::take_status(const Response &response, Json &job) const {
  const Json answer = answer_object(response);
  const std::string state = text_of(answer, "state");
  const int64_t processed = number_of(answer, "numberRecordsProcessed");
  if (state.empty()) throw salesforce_malformed("It does not tell the job's state.");
  if (state == "Failed" || state == "Aborted")
    throw job_ended(state, text_of(answer, "errorMessage"));
  if (state == "JobComplete") {
    job = {{"id", job["id"]}, {"records", processed}};
    return;
  }
  const int64_t waited = wait_before_poll(job);
  const bool moves = processed > number_of(job, "processed");
  const int64_t stalled = moves ? 0 : number_of(job, "stalled") + waited;
  if (stalled >= patience_ms_) {
    throw Error(ErrorClass::kTransient, "the bulk job of salesforce makes no progress",
                "Its state is " + state + " for " + std::to_string(stalled / 60'000) + " minutes.");
  }
  job["waited"] = number_of(job, "waited") + waited;
  job["stalled"] = stalled;
  job["processed"] = processed;
}

}  // namespace supaglue
