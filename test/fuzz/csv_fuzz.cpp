// fuzz: results of the Bulk API: whatever comes as CSV is refused by an Error or becomes records
// that jsonb can hold, one for each row; and a table that was read is the same when it is written
// and read again.
#include "csv.hpp"
#include "fuzz.hpp"
#include "provider/salesforce_bulk.hpp"

#include "pure.hpp"

using namespace supaglue;

static void read_table(std::string_view text) {
  const std::optional<CsvTable> table = read_csv(text);
  if (!table) return;
  std::string written;
  for (size_t row = 0; row < table->rows(); ++row) {
    for (size_t i = 0; i < table->width(row); ++i) {
      written += i == 0 ? "\"" : ",\"";
      for (const char c : table->value(row, i))
        written += c == '"' ? std::string("\"\"") : std::string(1, c);
      written += '"';
    }
    written += '\n';
  }
  const std::optional<CsvTable> again = read_csv(written);
  bool same = again && again->rows() == table->rows();
  for (size_t row = 0; same && row < table->rows(); ++row) {
    same = again->width(row) == table->width(row);
    for (size_t i = 0; same && i < table->width(row); ++i)
      same = again->value(row, i) == table->value(row, i);
  }
  fuzz::expect(same, "a table is the same when it is written and read again", written);
}

static void read_results(const std::string &body, bool is_first, const std::string &locator,
                         const std::string &count = {}) {
  static const SalesforceFields fields = {
      "Id",          "SystemModstamp", "IsDeleted", {"SystemModstamp"},
      {"IsDeleted"}, {"Amount"},       {"NewValue"}};
  static const SalesforceQuery query = {
      "SELECT", true, {"Id", "IsDeleted", "SystemModstamp", "Name", "Amount", "NewValue"}};
  static const SalesforceBulk bulk(Json::parse(R"({"bulk_path": "/jobs"})"));
  Response response;
  response.status = 200;
  response.body = body;
  response.headers = {{"sforce-locator", locator}};
  if (!count.empty()) response.headers.push_back({"sforce-numberofrecords", count});
  Json job = {{"id", "750"}, {"records", 2}};
  if (!is_first) job["next"] = "MTA";
  fuzz::succeeds([&] {
    const Accepted accepted = bulk.accept(response, query, fields, job);
    const size_t rows = read_csv(body)->rows(),
                 kept = accepted.page.records.size() + accepted.page.rejects.size();
    fuzz::expect(kept == rows || kept + 1 == rows, "no row is lost", body);
    fuzz::expect_page(accepted.page, "Id", body.size() + 100 * kept);
    fuzz::expect(job.contains("done") || job.contains("next"), "a job goes on or ends");
    job.dump();  // as it is stored
  });
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::string body(reinterpret_cast<const char *>(data), size);
  read_table(body);
  read_results(body, true, "null");
  read_results(body, true, "MjA");
  read_results(body, false, "null");
  read_results(body, false, "MTA");
  // Headers are bytes, too.
  const std::string line = body.substr(0, body.find('\n'));
  read_results(body, false, line);
  read_results(body, false, "null", line);
  return 0;
}
