// pure: tests of the Salesforce source, fed with answers in the shapes that the provider gives:
// what it asks for, what it makes of the answers, and that it goes on from its state at every
// point.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "connector.hpp"
#include "error.hpp"
#include "jsonb.hpp"
#include "page_reader.hpp"
#include "source.hpp"

#include "pure.hpp"

namespace supaglue {
namespace {

const char kDescribe[] = R"({"name":"Contact","queryable":true,"fields":[
  {"name":"Id","type":"id","custom":false},{"name":"IsDeleted","type":"boolean"},
  {"name":"Name","type":"string","compoundFieldName":null},
  {"name":"MailingAddress","type":"address"},{"name":"Where__c","type":"location"},
  {"name":"Photo__c","type":"base64"},{"name":"Amount__c","type":"currency"},
  {"name":"Birthdate","type":"date"},{"name":"CreatedDate","type":"datetime"},
  {"name":"LastModifiedDate","type":"datetime"},{"name":"SystemModstamp","type":"datetime"}
]})";

const char kAllFields[] =
    "Id, IsDeleted, Name, Amount__c, Birthdate, CreatedDate, LastModifiedDate, SystemModstamp";

Response answer(const std::string &body) {
  Response response;
  response.status = 200;
  response.body = body;
  response.body.reserve(body.size() + Response::kPadding);
  return response;
}

std::string record(int number, const std::string &more = "") {
  std::string digits = std::to_string(100'000'000'000'000 + number);
  return R"({"attributes":{"type":"Contact","url":"/x/\"}"},"Id":"003)" + digits +
         R"(","IsDeleted":)" + (number % 2 ? "true" : "false") +
         R"(,"SystemModstamp":"2024-01-02T03:04:05.000+0000")" + more + "}";
}

std::string page_of(int first, int count, int total, const std::string &next) {
  std::string body = R"({"totalSize":)" + std::to_string(total) + R"(,"done":)" +
                     (next.empty() ? "true" : "false");
  if (!next.empty()) body += R"(,"nextRecordsUrl":")" + next + '"';
  body += R"(,"records":[)";
  for (int i = 0; i < count; ++i) body += (i ? "," : "") + record(first + i);
  return body + "]}";
}

const char kQuery[] =
    "/services/data/v62.0/queryAll?q=SELECT+Id,+IsDeleted,+Name,+Amount__c,+Birthdate,"
    "+CreatedDate,+LastModifiedDate,+SystemModstamp+FROM+Contact";

// The provider, as far as these tests go: 7 records on 3 pages.
std::string provide(const Request &request) {
  if (request.url == "/services/data/v62.0/sobjects/Contact/describe") return kDescribe;
  if (request.url == kQuery) return page_of(0, 3, 7, "/org/a/services/data/v62.0/query/0r8-3");
  if (request.url == "/org/a/services/data/v62.0/query/0r8-3") {
    return page_of(3, 3, 7, "/org/a/services/data/v62.0/query/0r8-6");
  }
  if (request.url == "/org/a/services/data/v62.0/query/0r8-6") return page_of(6, 1, 7, "");
  ADD_FAILURE() << "asked for " << request.url;
  return "{}";
}

std::unique_ptr<Source> source_of(const Task &task, const Json &plan = nullptr,
                                  const Json &cursor = nullptr) {
  return make_source(Connector::builtin("salesforce"), task, plan, cursor);
}

Task contacts() {
  Task task;
  task.object = "Contact";
  return task;
}

Request request_of(const Source &source) {
  Want want = source.next();
  EXPECT_TRUE(std::holds_alternative<Request>(want));
  return std::holds_alternative<Request>(want) ? std::get<Request>(want) : Request();
}

bool is_done(const Source &source) { return std::holds_alternative<Done>(source.next()); }

// A source that has described the object and waits for its first page.
std::unique_ptr<Source> described(const Task &task) {
  std::unique_ptr<Source> source = source_of(task);
  source->accept(answer(kDescribe));
  return source;
}

// The page of records that a task finds, when the provider answers with these records.
/// Whatever the order of its members.
nlohmann::json value_of(const std::string &json) { return nlohmann::json::parse(json); }

std::string raw_of(const Page &page, size_t number) { return jsonb_text(page.records[number].raw); }

Page read_records(const std::string &records) {
  std::unique_ptr<Source> source = described(contacts());
  return std::move(
      source->accept(answer(R"({"totalSize":1,"done":true,"records":[)" + records + "]}")).page);
}

TEST(SalesforceTest, DescribesThenQueries) {
  std::unique_ptr<Source> source = source_of(contacts());
  EXPECT_TRUE(source->plan().is_null());
  EXPECT_TRUE(source->metadata().is_null());
  EXPECT_EQ(source->describe_request(), "SELECT <every readable field> FROM Contact");
  Request request = request_of(*source);
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.url, "/services/data/v62.0/sobjects/Contact/describe");
  EXPECT_FALSE(source->accept(answer(kDescribe)).is_page);
  EXPECT_EQ(source->describe_request(), std::string("SELECT ") + kAllFields + " FROM Contact");
  EXPECT_EQ(source->metadata()["stamp"], "SystemModstamp");
  EXPECT_EQ(source->metadata()["deleted"], "IsDeleted");
  EXPECT_EQ(source->metadata()["fields"].size(), 8U);
  EXPECT_EQ(source->metadata()["fields"][3].dump(), R"({"name":"Amount__c","type":"currency"})");
  request = request_of(*source);
  EXPECT_EQ(request.url, kQuery);
  EXPECT_FALSE(request.host_relative);
  ASSERT_EQ(request.headers.size(), 1U);
  EXPECT_EQ(request.headers[0].name, "Sforce-Query-Options");
  EXPECT_EQ(request.headers[0].value, "batchSize=2000");
}

TEST(SalesforceTest, FollowsPagesAgainstTheHost) {
  std::unique_ptr<Source> source = described(contacts());
  EXPECT_EQ(source->total(), -1);
  source->accept(answer(provide(request_of(*source))));
  EXPECT_EQ(source->total(), 7);
  Request request = request_of(*source);
  EXPECT_EQ(request.url, "/org/a/services/data/v62.0/query/0r8-3");
  EXPECT_TRUE(request.host_relative);
}

TEST(SalesforceTest, GoesOnFromEveryPoint) {
  // With 0 the source is never made anew, with n after n answers, and with 1 after each.
  for (int every = 0; every <= 4; ++every) {
    std::unique_ptr<Source> source = source_of(contacts());
    std::vector<std::string> ids;
    int answers = 0;
    while (!is_done(*source)) {
      Accepted accepted = source->accept(answer(provide(request_of(*source))));
      for (const Record &r : accepted.page.records) ids.emplace_back(r.id);
      if (every != 0 && ++answers % every == 0) {
        Json plan = Json::parse(source->plan().dump()),
             cursor = Json::parse(source->cursor().dump());
        source = source_of(contacts(), plan, cursor);
        EXPECT_EQ(source->metadata()["fields"].size(), 8U);
      }
    }
    ASSERT_EQ(ids.size(), 7U) << every;
    for (int i = 0; i < 7; ++i) {
      EXPECT_EQ(ids[static_cast<size_t>(i)], "003" + std::to_string(100'000'000'000'000 + i));
    }
    EXPECT_EQ(source->cursor().dump(), R"({"done":true})");
  }
}

// After the first page of others a job may be better.
Task contacts_without_jobs() {
  Task task = contacts();
  task.live = true;
  return task;
}

TEST(SalesforceTest, SkimsWhatAReaderReads) {
  std::unique_ptr<Source> skimming = described(contacts_without_jobs());
  std::unique_ptr<Source> accepting = described(contacts_without_jobs());
  const Json plan = Json::parse(skimming->plan().dump());
  const auto reader = make_page_reader(Connector::builtin("salesforce"), plan);
  while (!is_done(*skimming)) {
    const Response response = answer(provide(request_of(*skimming)));
    const std::optional<int64_t> count = skimming->skim(response);
    ASSERT_TRUE(count);
    const Page accepted = std::move(accepting->accept(response).page);
    const Page read = reader->read(response.body, *count);
    EXPECT_EQ(*count, accepted.count());
    ASSERT_EQ(read.records.size(), accepted.records.size());
    for (size_t i = 0; i < read.records.size(); ++i) {
      EXPECT_EQ(read.records[i].id, accepted.records[i].id);
      EXPECT_EQ(raw_of(read, i), raw_of(accepted, i));
    }
    EXPECT_EQ(skimming->cursor(), accepting->cursor());
    EXPECT_EQ(skimming->total(), accepting->total());
  }
  EXPECT_TRUE(is_done(*accepting));
}

TEST(SalesforceTest, SkimsOnlyWhatGoesOn) {
  std::unique_ptr<Source> source = source_of(contacts());
  EXPECT_FALSE(source->skim(answer(kDescribe)));  // no page
  source = described(contacts());
  EXPECT_FALSE(source->skim(answer(provide(request_of(*source)))));
  source = described(contacts_without_jobs());
  for (const char *body : {"", "[]"}) EXPECT_FALSE(source->skim(answer(body)));
  for (const char *body : {"{", R"({"done":true})", R"({"totalSize":1,"records":[]})",
                           R"({"done":false,"records":[{}]})", R"({"done":true,"records":[{])"}) {
    EXPECT_THROW(source->skim(answer(body)), Error) << body;
  }
  EXPECT_EQ(source->skim(answer(R"({"records":[1,{"a":[{}]},null],"done":true})")), 3);
  EXPECT_TRUE(is_done(*source));
}

// As a backfill asks.
Filter stamped_until(const char *stamp) {
  Filter filter;
  filter.kind = Filter::Kind::kCompare;
  filter.column = {SelectedColumn::Role::kStamp, "", ValueType::kMoment};
  filter.op = Filter::Op::kAtMost;
  filter.values = {stamp};
  return filter;
}

TEST(SalesforceTest, AsksForWhatTheTaskSays) {
  struct Case {
    std::function<void(Task &)> change;
    std::string soql, path;
  };
  const std::string all = std::string("SELECT ") + kAllFields + " FROM Contact";
  const std::string needed = "SELECT Id, IsDeleted, SystemModstamp FROM Contact";
  for (const Case &c : std::vector<Case>{
           {[](Task &t) { t.since = "2024-01-02T03:04:05Z"; },
            all + " WHERE SystemModstamp >= 2024-01-02T03:04:05.000Z", "queryAll"},
           {[](Task &t) {
              t.since = "2024-01-02T03:04:05Z";
              t.selection.filter = stamped_until("2024-02-02T00:00:00.000Z");
            },
            all + " WHERE SystemModstamp >= 2024-01-02T03:04:05.000Z"
                  " AND SystemModstamp <= 2024-02-02T00:00:00Z",
            "queryAll"},
           {[](Task &t) { t.with_deleted = false; }, all, "query"},
           {[](Task &t) {
              t.fields = {"Name", "Gone__c"};
            },
            "SELECT Id, IsDeleted, Name, SystemModstamp FROM Contact", "queryAll"},
           {[](Task &t) { t.fields = {"Id"}; }, needed, "queryAll"},
           {[](Task &t) { t.keys_only = true; }, needed, "queryAll"},
           {[](Task &t) {
              t.keys_only = true;
              t.with_deleted = false;
              t.fields = {"Name"};
            },
            needed, "query"},
           {[](Task &t) {
              t.exclude_fields = {"Name",           "Amount__c",        "Birthdate",
                                  "CreatedDate",    "LastModifiedDate", "Id",
                                  "SystemModstamp", "IsDeleted"};
            },
            needed, "queryAll"},
           {[](Task &t) {
              t.fields = {"Id"};
              t.ids = {"003000000000001AAA"};
            },
            needed + " WHERE Id = '003000000000001AAA'", "queryAll"},
           {[](Task &t) {
              t.fields = {"Id"};
              t.since = "2024-01-02T03:04:05.999999+01:00";
              t.ids = {"003000000000001AAA", "x' OR Name != '", "003000000000002"};
            },
            needed + " WHERE SystemModstamp >= 2024-01-02T02:04:05.999Z AND "
                     "Id IN ('003000000000001AAA', '003000000000002')",
            "queryAll"},
       }) {
    Task task = contacts();
    c.change(task);
    std::unique_ptr<Source> source = described(task);
    EXPECT_EQ(source->describe_request(), c.soql);
    EXPECT_TRUE(request_of(*source).url.starts_with("/services/data/v62.0/" + c.path + "?q="));
  }
}

TEST(SalesforceTest, EncodesTheQuery) {
  Task task = contacts();
  task.fields = {"Id"};
  task.since = "2024-01-02T03:04:05Z";
  task.ids = {"003000000000001AAA"};
  EXPECT_EQ(request_of(*described(task)).url,
            "/services/data/v62.0/queryAll?q=SELECT+Id,+IsDeleted,+SystemModstamp+FROM+Contact"
            "+WHERE+SystemModstamp+%3E%3D+2024-01-02T03:04:05.000Z+AND+Id+%3D+"
            "%27003000000000001AAA%27");
}

TEST(SalesforceTest, NeedsNoRequestForWhatIsNoId) {
  Task task = contacts();
  task.ids = {"nonsense", "003-00000000000001"};
  EXPECT_TRUE(is_done(*source_of(task)));
}

TEST(SalesforceTest, NeedsNoDescribeWithMetadata) {
  Task task = contacts();
  task.metadata = described(task)->metadata().dump();
  EXPECT_EQ(request_of(*source_of(task)).url, kQuery);
  task.metadata = R"({"columns":[]})";  // an older form
  EXPECT_EQ(request_of(*source_of(task)).url, "/services/data/v62.0/sobjects/Contact/describe");
}

TEST(SalesforceTest, PrefersTheBestStamp) {
  struct Case {
    const char *fields, *stamp, *soql;
  };
  for (
      const Case &c : std::vector<Case>{
          {R"({"name":"CreatedDate","type":"datetime"},{"name":"LastModifiedDate","type":"datetime"})",
           R"("LastModifiedDate")",
           "SELECT Id, CreatedDate, LastModifiedDate FROM Contact"
           " WHERE LastModifiedDate >= 2024-01-02T03:04:05.000Z"},
          {R"({"name":"CreatedDate","type":"datetime"})", R"("CreatedDate")",
           "SELECT Id, CreatedDate FROM Contact WHERE CreatedDate >= 2024-01-02T03:04:05.000Z"},
          {R"({"name":"Label","type":"string"})", "null", "SELECT Id, Label FROM Contact"},
      }) {
    Task task = contacts();
    task.since = "2024-01-02T03:04:05Z";
    std::unique_ptr<Source> source = source_of(task);
    source->accept(
        answer(R"({"fields":[{"name":"Id","type":"id"},)" + std::string(c.fields) + "]}"));
    EXPECT_EQ(source->metadata()["stamp"].dump(), c.stamp);
    EXPECT_EQ(source->describe_request(), c.soql);
  }
}

TEST(SalesforceTest, NormalizesRecords) {
  Page page = read_records(
      R"({"attributes":{"type":"Contact","deep":[1,{"a":null}]},"Id":"003A","IsDeleted":false,)"
      R"("Name":"A \"quoted\" \u00e9 name","Amount__c":1.10,"Birthdate":"2024-01-02","Empty":"",)"
      R"("Null":null,"Big":12345678901234567890.12300,"Exp":1E-3,)"
      R"("MailingAddress":{"city":"Bonn"},"List":[1,2],"Owner":{"attributes":{},"Name":"x"},)"
      R"("CreatedDate":"2024-01-02T03:04:05.678+0000","LastModifiedDate":null,)"
      R"("SystemModstamp":"2024-02-03T04:05:06.000+0000" , "Last" : true })");
  ASSERT_EQ(page.records.size(), 1U);
  EXPECT_EQ(page.records[0].id, "003A");
  EXPECT_EQ(page.records[0].modified, "2024-02-03T04:05:06.000Z");
  EXPECT_FALSE(page.records[0].deleted);
  EXPECT_EQ(
      raw_of(page, 0),
      R"({"Id":"003A","Big":12345678901234567890.12300,"Exp":0.001,"Last":true,)"
      R"("Name":"A \"quoted\" é name","Null":null,"Empty":null,"Amount__c":1.10,)"
      R"("Birthdate":"2024-01-02","IsDeleted":false,"CreatedDate":"2024-01-02T03:04:05.678Z",)"
      R"("SystemModstamp":"2024-02-03T04:05:06.000Z","LastModifiedDate":null})");
  EXPECT_EQ(page.replaced_characters, 0);
}

TEST(SalesforceTest, ReplacesWhatPostgresCannotHold) {
  Page page = read_records(
      R"({"Id":"003A","A":"x\u0000y","B":"\ud83d\ude00","C":"\ud83dz","D":"\ude00\ud83d"})");
  ASSERT_EQ(page.records.size(), 1U);
  EXPECT_EQ(raw_of(page, 0), R"({"A":"x�y","B":"😀","C":"�z","D":"��","Id":"003A"})");
  EXPECT_EQ(page.replaced_characters, 4);
}

TEST(SalesforceTest, SetsUnusableRecordsAside) {
  Page page =
      read_records(R"(7,{"Id":"003A"},{"Name":"no id"},{"Id":null},{"Id":""},null,"x",[1])");
  ASSERT_EQ(page.records.size(), 1U);
  EXPECT_EQ(raw_of(page, 0), R"({"Id":"003A"})");
  ASSERT_EQ(page.rejects.size(), 7U);
  EXPECT_EQ(page.rejects[0].reason, "the record is not an object");
  EXPECT_EQ(page.rejects[0].record, "7");
  EXPECT_EQ(page.rejects[1].reason, "the record has no Id");
  EXPECT_EQ(page.rejects[1].record, R"({"Name":"no id"})");
  Page huge = read_records(R"({"Text":")" + std::string(100'000, 'x') + "\"}");
  EXPECT_EQ(huge.rejects[0].record.size(), 2000U);
}

TEST(SalesforceTest, SetsAsideWhatPostgresCannotHold) {
  const std::string id = std::string(255, 'a');
  EXPECT_EQ(read_records(R"({"Id":")" + id + "\"}").records.size(), 1U);
  Page page = read_records(R"({"Id":"a)" + id + "\"}");
  ASSERT_EQ(page.rejects.size(), 1U);
  EXPECT_EQ(page.rejects[0].reason, "the record's Id is too long");
  for (const char *number : {"1e400", "1E+131071", "1e-16383", "-0.1e131071", "12.5e131070", "0"})
    EXPECT_EQ(read_records(R"({"N":)" + std::string(number) + R"(,"Id":"a"})").records.size(), 1U)
        << number;
  for (const char *number : {"1e131072", "1e200000", "-1e-16384", "0.1e-16383", "10e131071",
                             "1e99999999999999999999", "1e-99999999999999999999"}) {
    page = read_records(R"({"N":)" + std::string(number) + R"(,"Id":"a"})");
    ASSERT_EQ(page.records.size(), 1U) << number;
    EXPECT_EQ(Json::parse(raw_of(page, 0))["N"], number);
  }
}

TEST(SalesforceTest, TakesTheLastValueOfAKeyThatComesTwice) {
  Page page = read_records(
      R"({"Id":"a","Id":"b","IsDeleted":true,"IsDeleted":null,"SystemModstamp":"2024-01-31T10:00:00.000+0000","SystemModstamp":null})");
  ASSERT_EQ(page.records.size(), 1U);
  EXPECT_EQ(page.records[0].id, "b");
  EXPECT_EQ(page.records[0].modified, "");
  EXPECT_FALSE(page.records[0].deleted);
  for (const char *last : {"5", "null", R"("")"}) {
    page = read_records(R"({"Id":"a","Id":)" + std::string(last) + "}");
    ASSERT_EQ(page.rejects.size(), 1U) << last;
    EXPECT_EQ(page.rejects[0].reason, "the record has no Id");
  }
}

TEST(SalesforceTest, TakesAnIdWithEscapesForWhatItSays) {
  Page page = read_records(R"({"Id":"a\/\"\u00e9"})");
  ASSERT_EQ(page.records.size(), 1U);
  EXPECT_EQ(page.records[0].id, "a/\"é");
}

TEST(SalesforceTest, ReadsAnEmptyAnswer) {
  std::unique_ptr<Source> source = described(contacts());
  Accepted accepted = source->accept(answer(R"({"totalSize":0,"done":true,"records":[]})"));
  EXPECT_TRUE(accepted.is_page);
  EXPECT_TRUE(accepted.page.records.empty());
  EXPECT_EQ(source->total(), 0);
  EXPECT_TRUE(is_done(*source));
}

TEST(SalesforceTest, RefusesWhatIsNotTheExpectedJson) {
  for (const char *body : {
           "",
           "null",
           "7",
           "[]",
           "<html>sorry</html>",
           "{}",
           R"({"records":[]})",
           R"({"done":true})",
           R"({"done":1,"records":[]})",
           R"({"done":true,"records":{}})",
           R"({"done":false,"records":[]})",
           R"({"done":false,"nextRecordsUrl":null,"records":[]})",
           R"({"done":true,"records":[]} x)",
           R"({"done":true,"records":[]}{})",
           R"({"done":true,"records":[{"Id":"003A"}])",
           R"({"done":true,"records":[{"Id":"003A"])",
           R"({"done":true,"records":[{"Id":"003A","A":tru}]})",
           R"({"done":true,"records":[{"Id":"003A","A":01}]})",
           R"({"done":true,"records":[{"Id":"003A","A":"\x"}]})",
           R"({"done":true,"records":[{"Id":"003A","A":"\u12"}]})",
           R"({"done":true,"records":[{"Id":"003A" "A":1}]})",
           R"({"done":true,"records":[{"Id":"003A","A" 1}]})",
           R"({"done":true,"records":[{"Id":"003A"},"A":"B"}]})",
           R"({"done":true,"records":[{"Id":"003A":"B"}]})",
           R"({"done":true,"records":[{"Id":"003A"}],"x":["A":1]})",
           R"({"done":true,"records":[{"Id":"003A","attributes":{"x":nul}}]})",
           "{\"done\":true,\"records\":[{\"Id\":\"\xff\"}]}",
       }) {
    try {
      described(contacts())->accept(answer(body));
      ADD_FAILURE() << "accepted: " << body;
    } catch (const Error &error) {
      EXPECT_EQ(error.message, "the answer of salesforce is not the JSON that was expected");
      EXPECT_EQ(error.error_class, ErrorClass::kProvider);
      EXPECT_FALSE(error.detail.empty()) << body;
    }
  }
}

TEST(SalesforceTest, RefusesEveryCutOffAnswer) {
  const std::string whole = page_of(0, 3, 7, "/next");
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_THROW(described(contacts())->accept(answer(whole.substr(0, length))), Error) << length;
  }
}

TEST(SalesforceTest, SeesTheNextPageAtTheFirstLook) {
  std::unique_ptr<Source> source = described(contacts());
  EXPECT_EQ(source->next_after(answer(page_of(0, 3, 7, ""))), std::nullopt);
  // It may yet go by a job.
  EXPECT_EQ(source->next_after(answer(page_of(0, 3, 7, "/next"))), std::nullopt);
  source->accept(answer(page_of(0, 3, 7, "/next")));
  const Response page = answer(page_of(3, 3, 7, "/org/a/services/data/v62.0/query/0r8-6"));
  const std::optional<Request> guess = source->next_after(page);
  source->accept(page);
  const Request wanted = request_of(*source);
  ASSERT_TRUE(guess.has_value());
  EXPECT_EQ(guess->url, wanted.url);
  EXPECT_EQ(guess->host_relative, wanted.host_relative);
  EXPECT_EQ(guess->headers.size(), wanted.headers.size());
}

TEST(SalesforceTest, RefusesAPageThatNamesItself) {
  std::unique_ptr<Source> source = described(contacts());
  source->accept(answer(page_of(0, 1, 2, "/next")));
  EXPECT_THROW(source->accept(answer(page_of(0, 1, 2, "/next"))), Error);
}

// However long the circle is and wherever it begins, and across a restart.
TEST(SalesforceTest, RefusesToGoRoundInACircle) {
  for (int before : {0, 1, 5})
    for (int length : {1, 2, 3, 7, 16}) {
      std::unique_ptr<Source> source = described(contacts());
      int read = 0;
      const auto go_round = [&] {
        for (; read < 1000; ++read) {
          const int page = read < before ? read : before + (read - before) % length;
          source->accept(answer(page_of(0, 1, 2, "/page" + std::to_string(page))));
          source = source_of(contacts(), source->plan(), source->cursor());
        }
      };
      EXPECT_THROW(go_round(), Error) << before << " " << length;
      EXPECT_LE(read, 4 * (before + length)) << before << " " << length;
    }
}

TEST(SalesforceTest, RefusesADescriptionThatItCannotUse) {
  struct Case {
    const char *body;
    ErrorClass error_class;
  };
  for (const Case &c : std::vector<Case>{
           {"<html>", ErrorClass::kProvider},
           {"{}", ErrorClass::kProvider},
           {R"({"fields":[7]})", ErrorClass::kProvider},
           {R"({"fields":[{"name":"Name","type":"string"}]})", ErrorClass::kObjectGone},
           {R"({"queryable":false,"fields":[]})", ErrorClass::kObjectGone},
       }) {
    try {
      source_of(contacts())->accept(answer(c.body));
      ADD_FAILURE() << c.body;
    } catch (const Error &error) {
      EXPECT_EQ(error.error_class, c.error_class) << c.body;
    }
  }
}

// A description with so many fields that a query for them is too long for an address.
std::string wide_describe() {
  std::string body =
      R"({"fields":[{"name":"Id","type":"id"},{"name":"SystemModstamp","type":"datetime"})";
  for (int i = 0; i < 800; ++i) {
    body += R"(,{"name":"A_rather_long_field_)" + std::to_string(i) + R"(__c","type":"string"})";
  }
  return body + "]}";
}

// A live scan cannot wait for a job, and ids are few.
TEST(SalesforceTest, RefusesAQueryThatIsTooLong) {
  for (bool live : {true, false}) {
    Task task = contacts();
    task.live = live;
    if (!live) task.ids = {"003000000000001AAA"};
    try {
      source_of(task)->accept(answer(wide_describe()));
      ADD_FAILURE();
    } catch (const Error &error) {
      EXPECT_EQ(error.message, "the query for \"Contact\" of salesforce is too long");
      EXPECT_EQ(error.hint, "Leave fields out with \"exclude_fields\".");
      EXPECT_EQ(error.error_class, ErrorClass::kProvider);
    }
  }
}

TEST(SalesforceTest, RefusesObjectsThatCannotBeRead) {
  for (const char *object : {"", "Account; x", "AccountChangeEvent", "Order__e", "Big__b"}) {
    Task task;
    task.object = object;
    try {
      source_of(task);
      ADD_FAILURE() << object;
    } catch (const Error &error) {
      EXPECT_EQ(error.error_class, ErrorClass::kBadDocument);
    }
  }
}

const Error kLocatorGone(ErrorClass::kProvider, "salesforce refused",
                         "The provider answered HTTP 400 INVALID_QUERY_LOCATOR: invalid locator");
const Error kFieldGone(ErrorClass::kFieldGone, "salesforce refused",
                       "The provider answered HTTP 400 INVALID_FIELD: No such column 'Name'");

TEST(SalesforceTest, StartsOverWhenThePageIsGone) {
  std::unique_ptr<Source> source = described(contacts());
  EXPECT_FALSE(source->recover(kLocatorGone));  // not on a further page
  for (int i = 0; i < 3; ++i) {
    source->accept(answer(provide(request_of(*source))));
    EXPECT_TRUE(source->recover(kLocatorGone));
    EXPECT_EQ(request_of(*source).url, kQuery);
    source = source_of(contacts(), source->plan(), source->cursor());
  }
  source->accept(answer(provide(request_of(*source))));
  EXPECT_FALSE(source->recover(kLocatorGone));
}

TEST(SalesforceTest, DescribesAgainOnceWhenAFieldIsGone) {
  Task task = contacts();
  task.metadata = described(task)->metadata().dump();
  std::unique_ptr<Source> source = source_of(task);
  EXPECT_TRUE(source->recover(kFieldGone));
  EXPECT_TRUE(source->plan().is_null());
  source->accept(answer(
      R"({"fields":[{"name":"Id","type":"id"},{"name":"SystemModstamp","type":"datetime"}]})"));
  EXPECT_EQ(source->describe_request(), "SELECT Id, SystemModstamp FROM Contact");
  EXPECT_FALSE(source->recover(kFieldGone));
  EXPECT_FALSE(source->recover(Error(ErrorClass::kProvider, "x", "MALFORMED_QUERY")));
}

// --- Jobs
// -----------------------------------------------------------------------------------------

const char kJobs[] = "/services/data/v62.0/jobs/query";
const char kCreated[] =
    R"({"id":"750R0000000zlh9IAA","operation":"queryAll","object":"Contact","state":"UploadComplete",)"
    R"("concurrencyMode":"Parallel","contentType":"CSV","apiVersion":62.0,"lineEnding":"LF"})";

std::string status(const std::string &state, int processed, const std::string &more = "") {
  return R"({"id":"750R0000000zlh9IAA","state":")" + state + R"(","numberRecordsProcessed":)" +
         std::to_string(processed) + more + "}";
}

Response page_of_job(const std::string &body, const std::string &locator, int count) {
  Response response = answer(body);
  response.headers = {{"sforce-locator", locator},
                      {"sforce-numberofrecords", std::to_string(count)}};
  return response;
}

const char kHeader[] =
    R"("Id","IsDeleted","Name","Amount__c","Birthdate","CreatedDate","LastModifiedDate","SystemModstamp")"
    "\n";

std::string line(const std::string &id, const std::string &name = "x") {
  return '"' + id + R"(","false",")" + name +
         R"(","1.10","2024-01-02","2024-01-02T03:04:05.000Z","","2024-02-03T04:05:06.000Z")"
         "\n";
}

// A source whose query is one for a job, which is still to be created.
std::unique_ptr<Source> before_job(const Task &task = contacts()) {
  std::unique_ptr<Source> source = described(task);
  Accepted accepted = source->accept(answer(page_of(0, 3, 10'001, "/next")));
  EXPECT_FALSE(accepted.is_page);
  return source;
}
// One whose job is created, and one whose job is complete.
std::unique_ptr<Source> with_job() {
  std::unique_ptr<Source> source = before_job();
  source->accept(answer(kCreated));
  return source;
}
std::unique_ptr<Source> with_results(int records = 3) {
  std::unique_ptr<Source> source = with_job();
  source->accept(answer(status("JobComplete", records)));
  return source;
}

// The page of an answer whose records are taken out later, if the source lets them.
Page skim_and_read(Source &source, const Response &response) {
  const Json plan = source.plan();
  const std::optional<int64_t> count = source.skim(response);
  if (!count) return std::move(source.accept(response).page);
  return make_page_reader(Connector::builtin("salesforce"), plan)->read(response.body, *count);
}

Error refusal(const std::string &detail, ErrorClass error_class = ErrorClass::kProvider) {
  return {error_class, "salesforce refused the request",
          "The provider answered HTTP 400 " + detail};
}

TEST(SalesforceBulkTest, ReadsMuchByAJob) {
  std::unique_ptr<Source> source = before_job();
  EXPECT_EQ(source->total(), 10'001);
  Request request = request_of(*source);
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.url, kJobs);
  ASSERT_EQ(request.headers.size(), 1U);
  EXPECT_EQ(request.headers[0].value, "application/json");
  EXPECT_EQ(Json::parse(request.body),
            Json::parse(R"({"operation":"queryAll","query":"SELECT )" + std::string(kAllFields) +
                        R"( FROM Contact","contentType":"CSV","columnDelimiter":"COMMA",)"
                        R"("lineEnding":"LF"})"));
  Accepted accepted = source->accept(answer(kCreated));
  EXPECT_FALSE(accepted.is_page);
  EXPECT_TRUE(accepted.keep);
  request = request_of(*source);
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.url, std::string(kJobs) + "/750R0000000zlh9IAA");
  EXPECT_EQ(request.delay_ms, 1000);
  EXPECT_FALSE(source->accept(answer(status("InProgress", 0))).keep);
  EXPECT_FALSE(source->accept(answer(status("JobComplete", 3))).is_page);
  EXPECT_EQ(source->total(), 3);
  request = request_of(*source);
  EXPECT_EQ(request.url, std::string(kJobs) + "/750R0000000zlh9IAA/results?maxRecords=25000");
  EXPECT_EQ(request.delay_ms, 0);
  ASSERT_EQ(request.headers.size(), 1U);
  EXPECT_EQ(request.headers[0].value, "text/csv");
  accepted = source->accept(page_of_job(kHeader + line("a") + line("b"), "MTAw+/=", 2));
  EXPECT_TRUE(accepted.is_page);
  EXPECT_EQ(accepted.page.records.size(), 2U);
  EXPECT_TRUE(request_of(*source).url.ends_with("?maxRecords=25000&locator=MTAw%2B%2F%3D"));
  accepted = source->accept(page_of_job(kHeader + line("c"), "null", 1));
  ASSERT_EQ(accepted.page.records.size(), 1U);
  EXPECT_EQ(accepted.page.records[0].id, "c");
  EXPECT_TRUE(is_done(*source));
  EXPECT_EQ(source->cursor().dump(), R"({"done":true})");
  EXPECT_EQ(source->total(), 3);
}

TEST(SalesforceBulkTest, GoesOnFromEveryPoint) {
  const std::vector<Response> answers = {
      answer(kDescribe),
      answer(page_of(0, 3, 10'001, "/next")),
      answer(kCreated),
      answer(status("UploadComplete", 0)),
      answer(status("InProgress", 2)),
      answer(status("JobComplete", 4)),
      page_of_job(kHeader + line("a") + line("b"), "one", 2),
      page_of_job(kHeader + line("c"), "two", 1),
      page_of_job(kHeader + line("d"), "null", 1),
  };
  std::vector<std::string> asked;
  for (bool anew : {false, true}) {
    std::unique_ptr<Source> source = source_of(contacts());
    std::string ids;
    for (size_t i = 0; i < answers.size(); ++i) {
      const std::string url = request_of(*source).url;
      if (!anew) asked.push_back(url);
      EXPECT_EQ(url, asked[i]);
      for (const Record &r : source->accept(answers[i]).page.records) ids += r.id;
      if (i >= 5) {
        EXPECT_EQ(source->total(), 4) << i;
      }
      if (anew) {
        source = source_of(contacts(), Json::parse(source->plan().dump()),
                           Json::parse(source->cursor().dump()));
      }
    }
    EXPECT_TRUE(is_done(*source));
    EXPECT_EQ(ids, "abcd");
  }
}

TEST(SalesforceBulkTest, GoesByRestForLittleForIdsAndForTheLive) {
  std::unique_ptr<Source> source = described(contacts());
  EXPECT_TRUE(source->accept(answer(page_of(0, 3, 10'000, "/next"))).is_page);
  EXPECT_EQ(request_of(*source).url, "/next");
  source = described(contacts());  // much, and all of it came at once
  EXPECT_TRUE(source->accept(answer(page_of(0, 3, 10'001, ""))).is_page);
  Task live = contacts(), ids = contacts();
  live.live = true;
  ids.ids = {"003000000000001AAA"};
  for (const Task &task : {live, ids}) {
    source = described(task);
    EXPECT_TRUE(source->accept(answer(page_of(0, 3, 10'001, "/next"))).is_page);
    EXPECT_EQ(request_of(*source).url, "/next");
  }
}

TEST(SalesforceBulkTest, AsksForDeletedRecordsOrNot) {
  Task task = contacts();
  task.with_deleted = false;
  task.since = "2024-01-02T03:04:05Z";
  task.selection.filter = stamped_until("2024-02-02T00:00:00.000Z");
  const Json body = Json::parse(request_of(*before_job(task)).body);
  EXPECT_EQ(body["operation"], "query");
  EXPECT_TRUE(body["query"].get<std::string>().ends_with(
      " FROM Contact WHERE SystemModstamp >= 2024-01-02T03:04:05.000Z"
      " AND SystemModstamp <= 2024-02-02T00:00:00Z"));
}

TEST(SalesforceBulkTest, WaitsLongerAndLonger) {
  std::unique_ptr<Source> source = with_job();
  int64_t waited = 0, before = 0;
  for (int polls = 0; polls < 200; ++polls) {
    const int64_t delay = request_of(*source).delay_ms;
    EXPECT_GE(delay, before);
    EXPECT_EQ(delay, std::clamp<int64_t>(waited / 4, 1000, 10'000));
    waited += delay;
    before = delay;
    source->accept(answer(status("InProgress", polls)));
  }
  EXPECT_EQ(before, 10'000);
}

TEST(SalesforceBulkTest, GivesUpAJobThatMakesNoProgress) {
  std::unique_ptr<Source> source = with_job();
  source->accept(answer(status("InProgress", 7)));
  int polls = 0;
  try {
    for (; polls < 2000; ++polls) source->accept(answer(status("InProgress", 7)));
    ADD_FAILURE();
  } catch (const Error &error) {
    EXPECT_EQ(error.error_class, ErrorClass::kTransient);
    EXPECT_EQ(error.message, "the bulk job of salesforce makes no progress");
  }
  EXPECT_GT(polls, 720);
}

TEST(SalesforceBulkTest, FailsWithTheJobsWords) {
  struct Case {
    std::string body, detail;
  };
  for (const Case &c : std::vector<Case>{
           {status("Failed", 0, R"(,"errorMessage":"InvalidBatch : it was too slow")"),
            "It ended as Failed: InvalidBatch : it was too slow."},
           {status("Failed", 0), "It ended as Failed."},
           {status("Aborted", 0, R"(,"errorMessage":null)"), "It ended as Aborted."}}) {
    try {
      with_job()->accept(answer(c.body));
      ADD_FAILURE() << c.body;
    } catch (const Error &error) {
      EXPECT_EQ(error.error_class, ErrorClass::kProvider);
      EXPECT_EQ(error.message, "the bulk job of salesforce has not succeeded");
      EXPECT_EQ(error.detail, c.detail);
    }
  }
}

TEST(SalesforceBulkTest, RefusesAnswersOfAJobThatAreNone) {
  for (const char *body : {"", "[]", "{}", "<html>", R"({"id":7})", R"({"id":"../x"})"})
    EXPECT_THROW(before_job()->accept(answer(body)), Error) << body;
  for (const char *body : {"", "[]", "{}", "<html>", R"({"state":7})"})
    EXPECT_THROW(with_job()->accept(answer(body)), Error) << body;
}

// What is told of an error, and a place in the results, is kept as text.
TEST(SalesforceBulkTest, RefusesHeadersThatAreNoText) {
  const std::string row = R"("b","true","","","","2024-01-02T03:04:05.000+0000","","")";
  const auto detail_of = [&](Response response) {
    try {
      with_results(2)->accept(response);
    } catch (const Error &error) {
      return error.detail;
    }
    return std::string();
  };
  Response response = page_of_job(kHeader + row, "null", 1);
  response.headers.back().value = "\xff";
  EXPECT_EQ(detail_of(response), "It has 1 records and says that they are others.");
  EXPECT_EQ(detail_of(page_of_job(kHeader + row, "MTA\xff", 1)),
            "It does not say where the other records are.");
}

// Whichever way a record comes, its JSON means the same.
TEST(SalesforceBulkTest, WritesRecordsAsRestDoes) {
  std::unique_ptr<Source> source = with_results(2);
  Page page = std::move(
      source
          ->accept(page_of_job(kHeader + line("a", "A \"\"quoted\"\" \\ é,\n\tname ") +
                                   R"("b","true","  ","","","2024-01-02T03:04:05.000+0000","","")",
                               "null", 2))
          .page);
  ASSERT_EQ(page.records.size(), 2U);
  EXPECT_EQ(page.records[0].id, "a");
  EXPECT_EQ(page.records[0].modified, "2024-02-03T04:05:06.000Z");
  EXPECT_FALSE(page.records[0].deleted);
  EXPECT_EQ(value_of(raw_of(page, 0)),
            value_of(R"({"Id":"a","IsDeleted":false,"Name":"A \"quoted\" \\ é,\n\tname ",)"
                     R"("Amount__c":1.10,"Birthdate":"2024-01-02",)"
                     R"("CreatedDate":"2024-01-02T03:04:05.000Z","LastModifiedDate":null,)"
                     R"("SystemModstamp":"2024-02-03T04:05:06.000Z"})"));
  EXPECT_NE(raw_of(page, 0).find("1.10"), std::string::npos);
  EXPECT_EQ(page.records[1].modified, "");
  EXPECT_TRUE(page.records[1].deleted);
  EXPECT_EQ(value_of(raw_of(page, 1)),
            value_of(R"({"Id":"b","IsDeleted":true,"Name":"  ","Amount__c":null,)"
                     R"("Birthdate":null,"CreatedDate":"2024-01-02T03:04:05.000Z",)"
                     R"("LastModifiedDate":null,"SystemModstamp":null})"));
}

// The same record by the query API and by a job, of every type that there is.
TEST(SalesforceBulkTest, IsOneFormWhicheverWay) {
  const std::vector<std::array<const char *, 3>> fields = {
      // type, as JSON, as CSV
      {"id", R"("003A")", "003A"},
      {"boolean", "false", "false"},
      {"int", "-7", "-7"},
      {"long", "12345678901234567", "12345678901234567"},
      {"double", "25.0", "25.0"},
      {"currency", "1.39E8", "1.39E8"},
      {"currency", "139000000.0", "1.39E8"},
      {"percent", "null", ""},
      {"date", R"("2024-01-02")", "2024-01-02"},
      {"datetime", R"("2024-01-02T03:04:05.000+0000")", "2024-01-02T03:04:05.000Z"},
      {"time", R"("03:04:05.000Z")", "03:04:05.000Z"},
      {"string", R"("true")", "true"},
      {"string", R"("12")", "12"},
      {"string", R"("a\r\nb\u0007")", "a\r\nb\a"},
      {"string", R"("")", ""},
      {"multipicklist", R"("A;B")", "A;B"},
      {"anyType", "true", "true"},
      {"anyType", "12.50", "12.50"},
      {"anyType", R"("x")", "x"},
      {"anyType", "null", ""},
  };
  std::string describe, json, header, csv;
  for (size_t i = 0; i < fields.size(); ++i) {
    const std::string name = i == 0 ? "Id" : "F" + std::to_string(i);
    const std::string comma = i == 0 ? "" : ",";
    describe += comma + R"({"name":")" + name + R"(","type":")" + fields[i][0] + "\"}";
    json += comma + '"' + name + "\":" + fields[i][1];
    header += comma + '"' + name + '"';
    csv += comma + '"' + fields[i][2] + '"';
  }
  describe = R"({"fields":[)" + describe + "]}";
  std::unique_ptr<Source> rest = source_of(contacts()), bulk = source_of(contacts());
  rest->accept(answer(describe));
  bulk->accept(answer(describe));
  bulk->accept(answer(page_of(0, 1, 20'000, "/next")));
  bulk->accept(answer(kCreated));
  bulk->accept(answer(status("JobComplete", 1)));
  Accepted one = rest->accept(answer(R"({"totalSize":1,"done":true,"records":[{)" + json + "}]}"));
  Accepted other = bulk->accept(page_of_job(header + "\n" + csv + "\n", "null", 1));
  ASSERT_EQ(one.page.records.size(), 1U);
  ASSERT_EQ(other.page.records.size(), 1U);
  EXPECT_EQ(value_of(raw_of(one.page, 0)), value_of(raw_of(other.page, 0)));
}

TEST(SalesforceBulkTest, ReplacesAndSetsAsideWhatPostgresCannotHold) {
  std::unique_ptr<Source> source = with_results(3);
  std::string body = kHeader + line("a", std::string("x\0y", 3)) + line("") +
                     R"("c","false","x","1e200000","","","","")";
  Page page = std::move(source->accept(page_of_job(body, "null", 3)).page);
  ASSERT_EQ(page.records.size(), 2U);
  EXPECT_EQ(Json::parse(raw_of(page, 0))["Name"], "x\ufffdy");
  EXPECT_EQ(page.replaced_characters, 1);
  EXPECT_EQ(Json::parse(raw_of(page, 1))["Amount__c"], "1e200000");
  ASSERT_EQ(page.rejects.size(), 1U);
  EXPECT_EQ(page.rejects[0].reason, "the record has no Id");
}

TEST(SalesforceBulkTest, ReadsAnEmptyResult) {
  for (const std::string &body : {std::string(), std::string(kHeader)}) {
    std::unique_ptr<Source> source = with_results(0);
    Accepted accepted = source->accept(answer(body));
    EXPECT_TRUE(accepted.is_page);
    EXPECT_TRUE(accepted.page.records.empty());
    EXPECT_TRUE(is_done(*source));
  }
}

TEST(SalesforceBulkTest, TakesALaterPageWithoutAHeaderForRecords) {
  std::unique_ptr<Source> source = with_results();
  source->accept(page_of_job(kHeader + line("a"), "next", 1));
  Accepted accepted = source->accept(page_of_job(line("Id") + line("b"), "null", 2));
  EXPECT_EQ(accepted.page.records.size(), 2U);
}

TEST(SalesforceBulkTest, SkimsResultsThatSayWhatTheyAre) {
  const std::unique_ptr<Source> skimming = with_results(), accepting = with_results();
  for (const char *locator : {"one", "null"}) {
    const Response response = page_of_job(kHeader + line("a") + line("b", "ä\nb"), locator, 2);
    ASSERT_FALSE(is_done(*skimming));
    const Page accepted = std::move(accepting->accept(response).page);
    const Page read = skim_and_read(*skimming, response);
    ASSERT_EQ(read.records.size(), 2U);
    for (size_t i = 0; i < 2; ++i) EXPECT_EQ(raw_of(read, i), raw_of(accepted, i));
    EXPECT_EQ(skimming->cursor(), accepting->cursor());
  }
  EXPECT_TRUE(is_done(*skimming));

  EXPECT_FALSE(with_job()->skim(answer(status("JobComplete", 3))));
  Response silent = page_of_job(kHeader + line("a"), "next", 1);
  for (const char *said : {"", "one", "1 ", "-1", "0x1"}) {
    silent.headers[1].value = said;
    EXPECT_FALSE(with_results()->skim(silent)) << said;
  }
  EXPECT_FALSE(with_results()->skim(page_of_job(line("a"), "next", 1)));
}

TEST(SalesforceBulkTest, RefusesWhatIsNotTheExpectedCsv) {
  const std::string id_first = std::string(kHeader).substr(4);
  const std::vector<Response> answers = {
      page_of_job(line("a"), "null", 1),                                   // no header
      page_of_job(std::string(kHeader) + "\"a\",\"false\"\n", "null", 1),  // too few values
      page_of_job(kHeader + line("a") + "x,", "null", 2),
      page_of_job(kHeader + line("a\",\"b"), "null", 1),    // too many
      page_of_job(kHeader + line("a") + "\"b", "null", 2),  // a quote that is not closed
      page_of_job(kHeader + line("a") + "\"b\"c", "null", 2),
      page_of_job(kHeader + line("a\xff"), "null", 1),
      page_of_job(kHeader + line("a"), "null", 2),  // fewer records than it says
      page_of_job(kHeader + line("a"), "", 1),      // there are more, and no way to them
      page_of_job("\"ID\"" + id_first + line("a"), "null", 1),
      page_of_job("<html>sorry</html>", "null", 1),
      page_of_job("", "", 0),
  };
  for (const Response &response : answers) {
    for (const bool skims : {false, true}) {
      try {
        skims ? skim_and_read(*with_results(), response)
              : std::move(with_results()->accept(response).page);
        ADD_FAILURE() << "accepted: " << response.body;
      } catch (const Error &error) {
        EXPECT_EQ(error.message, "the answer of salesforce is not the CSV that was expected");
        EXPECT_EQ(error.error_class, ErrorClass::kProvider);
      }
    }
  }
}

TEST(SalesforceBulkTest, RefusesEveryCutOffPage) {
  const std::string whole = kHeader + line("a") + line("b");
  for (size_t length = 0; length + 1 < whole.size(); ++length) {  // but for the last line's end
    const Response response = page_of_job(whole.substr(0, length), "null", 2);
    EXPECT_THROW(with_results()->accept(response), Error) << length;
    EXPECT_THROW(skim_and_read(*with_results(), response), Error) << length;
  }
}

TEST(SalesforceBulkTest, RefusesToGoRoundInACircle) {
  std::unique_ptr<Source> source = with_results();
  const auto go_round = [&] {
    for (int i = 0; i < 20; ++i)
      source->accept(page_of_job(kHeader + line("a"), "L" + std::to_string(i % 3), 1));
  };
  EXPECT_THROW(go_round(), Error);
}

TEST(SalesforceBulkTest, GoesByRestWhenAJobIsRefused) {
  for (const Error &error :
       {refusal("INVALIDENTITY: Entity 'Contact' is not supported by the Bulk API."),
        refusal("API_ERROR: Implementation restriction: ..."),
        refusal("LIMIT_EXCEEDED: ...", ErrorClass::kPermission),
        refusal("NOT_FOUND: ...", ErrorClass::kObjectGone)}) {
    std::unique_ptr<Source> source = before_job();
    EXPECT_TRUE(source->recover(error));
    source = source_of(contacts(), source->plan(), source->cursor());
    EXPECT_EQ(request_of(*source).url, kQuery);
    // And it is not tried again, not even when the query must begin anew.
    EXPECT_TRUE(source->accept(answer(page_of(0, 3, 10'001, "/next"))).is_page);
    EXPECT_TRUE(source->recover(kLocatorGone));
    EXPECT_TRUE(source->accept(answer(page_of(0, 3, 10'001, "/next"))).is_page);
    EXPECT_EQ(source->restarts(), 1);
  }
  for (ErrorClass error_class :
       {ErrorClass::kQuota, ErrorClass::kTransient, ErrorClass::kAuthentication}) {
    EXPECT_FALSE(before_job()->recover(refusal("X", error_class)));
  }
}

TEST(SalesforceBulkTest, DescribesAgainWhenAFieldOfTheJobIsGone) {
  std::unique_ptr<Source> source = before_job();
  EXPECT_TRUE(source->recover(kFieldGone));
  EXPECT_TRUE(source->plan().is_null());
}

TEST(SalesforceBulkTest, StartsOverWhenTheJobIsGone) {
  for (const Error &error : {refusal("NOT_FOUND: ...", ErrorClass::kObjectGone),
                             refusal("INVALIDJOBSTATE: ..."), kLocatorGone}) {
    std::unique_ptr<Source> source = with_results();
    source->accept(page_of_job(kHeader + line("a"), "next", 1));
    EXPECT_TRUE(source->recover(error));
    EXPECT_EQ(source->restarts(), 1);
    EXPECT_EQ(request_of(*source).url, kQuery);
    source->accept(answer(page_of(0, 3, 10'001, "/next")));
    EXPECT_EQ(request_of(*source).url, kJobs);
  }
  // Another version of the API, say: no use in trying.
  EXPECT_FALSE(with_results()->recover(refusal("HTTP 409")));
}

TEST(SalesforceBulkTest, GoesByAJobWhenTheQueryIsTooMuchForRest) {
  for (const char *words : {"HTTP 414", "HTTP 431", "QUERY_TIMEOUT: ..."}) {
    std::unique_ptr<Source> source = described(contacts());
    EXPECT_TRUE(source->recover(refusal(words, ErrorClass::kTransient)));
    EXPECT_EQ(request_of(*source).url, kJobs);
    Task live = contacts();
    live.live = true;
    EXPECT_FALSE(described(live)->recover(refusal(words)));
  }
}

// Whether there is anything at all to read is asked in one short request.
TEST(SalesforceBulkTest, CountsBeforeAQueryThatIsTooLong) {
  Task task = contacts();
  task.since = "2024-01-02T03:04:05Z";
  const auto wide = [&] {
    std::unique_ptr<Source> source = source_of(task);
    source->accept(answer(wide_describe()));
    return source;
  };
  std::unique_ptr<Source> source = wide();
  EXPECT_EQ(request_of(*source).url,
            "/services/data/v62.0/queryAll?q=SELECT+COUNT()+FROM+Contact+WHERE+SystemModstamp+%3E"
            "%3D+2024-01-02T03:04:05.000Z");
  EXPECT_TRUE(source->accept(answer(R"({"totalSize":0,"done":true,"records":[]})")).is_page);
  EXPECT_TRUE(is_done(*source));
  source = wide();
  EXPECT_FALSE(source->accept(answer(R"({"totalSize":1,"done":true,"records":[]})")).is_page);
  EXPECT_EQ(request_of(*source).url, kJobs);
  EXPECT_GT(Json::parse(request_of(*source).body)["query"].get<std::string>().size(), 16'000U);
  try {
    source->recover(refusal("INVALIDENTITY: Entity 'Contact' is not supported by the Bulk API."));
    ADD_FAILURE();
  } catch (const Error &error) {
    EXPECT_EQ(error.message, "the query for \"Contact\" of salesforce is too long");
    EXPECT_NE(error.detail.find("INVALIDENTITY"), std::string::npos);
  }
  source->accept(answer(kCreated));
  source->accept(answer(status("JobComplete", 1)));
  EXPECT_TRUE(request_of(*source).url.ends_with("?maxRecords=249"));
}

}  // namespace
}  // namespace supaglue
