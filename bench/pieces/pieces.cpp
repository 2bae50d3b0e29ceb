// pure: how long the pieces of a record's way take that need no Postgres.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "batch.hpp"
#include "contacts.hpp"
#include "csv.hpp"
#include "jsonb_of.hpp"
#include "page.hpp"
#include "provider/salesforce_page.hpp"
#include "provider/soql.hpp"
#include "schedule.hpp"

#include "pure.hpp"

namespace supaglue {
namespace {

constexpr int kRecords = 2000;  // of a page

void count(benchmark::State &state, size_t items, size_t bytes) {
  const auto rounds = static_cast<int64_t>(state.iterations());
  state.SetItemsProcessed(rounds * static_cast<int64_t>(items));
  if (bytes > 0) state.SetBytesProcessed(rounds * static_cast<int64_t>(bytes));
}

void read_page_of_2000(benchmark::State &state) {
  const std::string body = contacts_page(kRecords);
  const SalesforceFields fields = contact_fields();
  for (auto _ : state) benchmark::DoNotOptimize(read_salesforce_answer(body, fields));
  count(state, kRecords, body.size());
}
BENCHMARK(read_page_of_2000)->Unit(benchmark::kMillisecond);

void pack_page_of_2000(benchmark::State &state) {
  const SalesforceAnswer answer = read_salesforce_answer(contacts_page(kRecords), contact_fields());
  for (auto _ : state) benchmark::DoNotOptimize(answer.page.pack());
  count(state, kRecords, answer.page.storage.size());
}
BENCHMARK(pack_page_of_2000)->Unit(benchmark::kMillisecond);

void unpack_page_of_2000(benchmark::State &state) {
  const SalesforceAnswer answer = read_salesforce_answer(contacts_page(kRecords), contact_fields());
  const std::string packed = answer.page.pack();
  for (auto _ : state) benchmark::DoNotOptimize(Page::unpack(packed));
  count(state, kRecords, answer.page.storage.size());
}
BENCHMARK(unpack_page_of_2000)->Unit(benchmark::kMillisecond);

void write_jsonb_of_a_record(benchmark::State &state) {
  const std::string json = contact_json(1);
  for (auto _ : state) benchmark::DoNotOptimize(jsonb_of(json));
  count(state, 1, json.size());
}
BENCHMARK(write_jsonb_of_a_record);

void read_csv_of_2000_records(benchmark::State &state) {
  std::string text;
  for (int record = 0; record < kRecords; ++record) {
    for (int field = 0; field < 48; ++field)
      text +=
          (field ? ",\"" : "\"") + std::string(field % 3 * 12, 'x') + std::to_string(record) + "\"";
    text += "\n";
  }
  for (auto _ : state) benchmark::DoNotOptimize(read_csv(text));
  count(state, kRecords, text.size());
}
BENCHMARK(read_csv_of_2000_records)->Unit(benchmark::kMillisecond);

void newest_versions_of_2000_records(benchmark::State &state) {
  const SalesforceAnswer answer = read_salesforce_answer(contacts_page(kRecords), contact_fields());
  std::vector<const Record *> newest;
  for (auto _ : state) {
    newest.clear();
    newest_versions(answer.page, &newest);
    benchmark::DoNotOptimize(newest.data());
  }
  count(state, kRecords, 0);
}
BENCHMARK(newest_versions_of_2000_records);

void soql_of_a_condition(benchmark::State &state) {
  SoqlObject object;
  object.id_field = "Id";
  for (int field = 0; field < 48; ++field) object.fields.push_back({contact_name(field), "string"});
  Filter filter, part;
  part.kind = Filter::Kind::kCompare;
  part.column = {SelectedColumn::Role::kField, contact_name(4), ValueType::kText};
  part.values = {"a text"};
  filter.parts.assign(3, part);
  for (auto _ : state) benchmark::DoNotOptimize(soql_condition(object, filter));
  count(state, 1, 0);
}
BENCHMARK(soql_of_a_condition);

void next_tick_of_a_sync(benchmark::State &state) {
  int64_t connection = 0;
  for (auto _ : state) {
    ++connection;
    benchmark::DoNotOptimize(
        next_tick(1764000000000 + connection, 3600000, phase_of(connection, 3600000)));
  }
  count(state, 1, 0);
}
BENCHMARK(next_tick_of_a_sync);

}  // namespace
}  // namespace supaglue

BENCHMARK_MAIN();
