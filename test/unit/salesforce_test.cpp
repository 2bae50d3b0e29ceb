// pure: tests of the Salesforce source, fed with answers in the shapes that the provider gives:
// what it asks for, what it makes of the answers, and that it goes on from its state at every
// point.
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "connector.hpp"
#include "error.hpp"
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
           {[](Task &t) { t.with_deleted = false; }, all, "query"},
           {[](Task &t) {
              t.fields = {"Name", "Gone__c"};
            },
            "SELECT Id, IsDeleted, Name, SystemModstamp FROM Contact", "queryAll"},
           {[](Task &t) { t.fields = {"Id"}; }, needed, "queryAll"},
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
  task.metadata = described(task)->metadata();
  EXPECT_EQ(request_of(*source_of(task)).url, kQuery);
  task.metadata = Json::parse(R"({"columns":[]})");  // an older form
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
  EXPECT_EQ(page.records[0].raw,
            R"({"Id":"003A","IsDeleted":false,"Name":"A \"quoted\" \u00e9 name",)"
            R"("Amount__c":1.10,"Birthdate":"2024-01-02","Empty":null,"Null":null,)"
            R"("Big":12345678901234567890.12300,"Exp":1E-3,)"
            R"("CreatedDate":"2024-01-02T03:04:05.678Z","LastModifiedDate":null,)"
            R"("SystemModstamp":"2024-02-03T04:05:06.000Z","Last":true})");
  EXPECT_EQ(page.replaced_characters, 0);
}

TEST(SalesforceTest, ReplacesWhatPostgresCannotHold) {
  Page page = read_records(
      R"({"Id":"003A","A":"x\u0000y","B":"\ud83d\ude00","C":"\ud83dz","D":"\ude00\ud83d"})");
  ASSERT_EQ(page.records.size(), 1U);
  EXPECT_EQ(page.records[0].raw, R"({"Id":"003A","A":"x\ufffdy","B":"\ud83d\ude00","C":"\ufffdz",)"
                                 R"("D":"\ufffd\ufffd"})");
  EXPECT_EQ(page.replaced_characters, 4);
}

TEST(SalesforceTest, SetsUnusableRecordsAside) {
  Page page =
      read_records(R"(7,{"Id":"003A"},{"Name":"no id"},{"Id":null},{"Id":""},null,"x",[1])");
  ASSERT_EQ(page.records.size(), 1U);
  EXPECT_EQ(page.records[0].raw, R"({"Id":"003A"})");
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
    ASSERT_EQ(page.rejects.size(), 1U) << number;
    EXPECT_EQ(page.rejects[0].reason, "the number of N is beyond what Postgres can hold");
  }
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

TEST(SalesforceTest, RefusesAQueryThatIsTooLong) {
  std::string body = R"({"fields":[{"name":"Id","type":"id"})";
  for (int i = 0; i < 800; ++i) {
    body += R"(,{"name":"A_rather_long_field_)" + std::to_string(i) + R"(__c","type":"string"})";
  }
  try {
    source_of(contacts())->accept(answer(body + "]}"));
    ADD_FAILURE();
  } catch (const Error &error) {
    EXPECT_EQ(error.message, "the query for \"Contact\" of salesforce is too long");
    EXPECT_EQ(error.hint, "Leave fields out with \"exclude_fields\".");
    EXPECT_EQ(error.error_class, ErrorClass::kProvider);
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
  task.metadata = described(task)->metadata();
  std::unique_ptr<Source> source = source_of(task);
  EXPECT_TRUE(source->recover(kFieldGone));
  EXPECT_TRUE(source->plan().is_null());
  source->accept(answer(
      R"({"fields":[{"name":"Id","type":"id"},{"name":"SystemModstamp","type":"datetime"}]})"));
  EXPECT_EQ(source->describe_request(), "SELECT Id, SystemModstamp FROM Contact");
  EXPECT_FALSE(source->recover(kFieldGone));
  EXPECT_FALSE(source->recover(Error(ErrorClass::kProvider, "x", "MALFORMED_QUERY")));
}

}  // namespace
}  // namespace supaglue
