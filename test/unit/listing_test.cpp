// pure: tests of the source of lists by HubSpot's document, fed with answers in the shapes that
// HubSpot publishes: what it asks for, what it makes of the answers, and that it goes on from its
// state at every point; and of what a wrong document says.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "connector.hpp"
#include "error.hpp"
#include "jsonb.hpp"
#include "session.hpp"
#include "source.hpp"

#include "pure.hpp"

namespace supaglue {
namespace {

const char kProperties[] = R"({"results":[
  {"name":"email","label":"Email","type":"string","fieldType":"text","hubspotDefined":true},
  {"name":"score","label":"Score","type":"number","fieldType":"number"},
  {"name":"vip","label":"VIP","type":"bool","fieldType":"booleancheckbox"},
  {"name":"born","label":"Born","type":"date","fieldType":"date"},
  {"name":"seen","label":"Seen","type":"datetime","fieldType":"date"},
  {"name":"kind","label":"Kind","type":"enumeration","fieldType":"checkbox","options":[]}]})";

const char kPipelines[] = R"({"results":[
  {"id":"default","label":"Sales Pipeline","displayOrder":0,"archived":false,"stages":[
    {"id":"won","label":"Closed won","metadata":{"isClosed":"true","probability":"1.0"}},
    {"id":"12","label":"Talks","metadata":{}}]},
  {"id":"7","label":"Partners","stages":[]}]})";

const char kNames[] = "email,score,vip,born,seen,kind";
const std::string kList =
    "/crm/v3/objects/contacts?limit=100&archived=false&properties=" + std::string(kNames) +
    "&associations=companies";

Response answer(const std::string &body) {
  Response response;
  response.status = 200;
  response.body = body;
  response.body.reserve(body.size() + Response::kPadding);
  return response;
}

std::string record(int id, const std::string &properties = R"("email":"a@x.io")",
                   const std::string &more = "") {
  return R"({"id":")" + std::to_string(id) + R"(","properties":{"createdate":"x",)" + properties +
         R"(},"createdAt":"2024-01-02T03:04:05Z","updatedAt":"2024-02-03T04:05:06.007Z",)" +
         R"("archived":false,"url":"https://app.hubspot.com/x")" + more + "}";
}

std::string list_of(const std::string &records, const std::string &after = "") {
  std::string body = R"({"results":[)" + records + "]";
  if (!after.empty()) {
    body += R"(,"paging":{"next":{"after":")" + after + R"(","link":"https://api.hubapi.com/x"}})";
  }
  return body + "}";
}

Task task_of(const std::string &object) {
  Task task;
  task.object = object;
  task.now_ms = 1'700'000'000'000;
  return task;
}

std::unique_ptr<Source> source_of(const Task &task, const Json &plan = nullptr,
                                  const Json &cursor = nullptr) {
  return make_source(Connector::builtin("hubspot"), task, plan, cursor);
}

Request request_of(const Source &source) {
  Want want = source.next();
  EXPECT_TRUE(std::holds_alternative<Request>(want));
  return std::holds_alternative<Request>(want) ? std::get<Request>(want) : Request();
}

bool is_done(const Source &source) { return std::holds_alternative<Done>(source.next()); }

// A source that knows the properties and waits for its first page.
std::unique_ptr<Source> described(const Task &task) {
  std::unique_ptr<Source> source = source_of(task);
  EXPECT_EQ(request_of(*source).url.substr(0, 19), "/crm/v3/properties/");
  EXPECT_FALSE(source->accept(answer(kProperties)).is_page);
  return source;
}

Page read_records(const std::string &records) {
  return std::move(described(task_of("contact"))->accept(answer(list_of(records))).page);
}

std::string raw_of(const std::string &properties, const std::string &more = "") {
  Page page = read_records(record(1, properties, more));
  return page.records.size() == 1 ? jsonb_text(page.records[0].raw) : "";
}

TEST(ListingTest, AsksForThePropertiesThenForPages) {
  std::unique_ptr<Source> source = source_of(task_of("contact"));
  EXPECT_TRUE(source->plan().is_null());
  EXPECT_EQ(source->describe_request(),
            "GET /crm/v3/objects/contacts?limit=100&archived=false&associations=companies"
            "&properties=<every field>");
  EXPECT_EQ(request_of(*source).url, "/crm/v3/properties/contacts");
  EXPECT_FALSE(source->accept(answer(kProperties)).is_page);
  EXPECT_EQ(request_of(*source).url, kList);
  EXPECT_EQ(source->describe_request(), "GET " + kList);
  EXPECT_EQ(source->accept(answer(list_of(record(1) + "," + record(2), "2"))).page.records.size(),
            2U);
  EXPECT_EQ(request_of(*source).url, kList + "&after=2");
  Accepted last = source->accept(answer(list_of(record(3))));
  EXPECT_TRUE(last.is_page);
  EXPECT_EQ(last.page.records.at(0).id, "3");
  EXPECT_TRUE(is_done(*source));
  EXPECT_EQ(source->cursor().dump(), R"({"done":true})");
}

TEST(ListingTest, TellsFieldsAndThatNothingIsIncremental) {
  Json metadata = described(task_of("contact"))->metadata();
  EXPECT_EQ(metadata["fields"][1].dump(), R"({"name":"score","type":"number"})");
  EXPECT_TRUE(metadata["stamp"].is_null());
  EXPECT_EQ(metadata["deleted"], "archived");
  EXPECT_EQ(metadata["archived_read_at"], 1'700'000'000'000);
}

TEST(ListingTest, GoesOnFromItsStateAtEveryPoint) {
  std::unique_ptr<Source> source = described(task_of("contact"));
  source->accept(answer(list_of(record(1), "1")));
  std::unique_ptr<Source> next = source_of(task_of("contact"), Json::parse(source->plan().dump()),
                                           Json::parse(source->cursor().dump()));
  EXPECT_EQ(request_of(*next).url, kList + "&after=1");
  EXPECT_EQ(next->metadata(), source->metadata());
  Page page = std::move(next->accept(answer(list_of(record(2, R"("score":"7")")))).page);
  EXPECT_NE(jsonb_text(page.records.at(0).raw).find(R"("score":7)"), std::string::npos);
}

TEST(ListingTest, MakesOneFormOfARecord) {
  EXPECT_EQ(raw_of(R"("email":"a@x.io","unknown":"1")",
                   R"(,"associations":{"companies":{"results":[{"id":"30","type":"a"},)"
                   R"({"id":"4","type":"a"},{"id":"30","type":"b"}]},"tickets":{"results":[]}})"),
            R"({"id":"1","archived":false,"createdAt":"2024-01-02T03:04:05.000Z",)"
            R"("updatedAt":"2024-02-03T04:05:06.007Z","properties":{"email":"a@x.io"},)"
            R"("associations":{"companies":["30","4"]}})");
  Page page = read_records(record(1));
  EXPECT_EQ(page.records[0].modified, "2024-02-03T04:05:06.007Z");
  EXPECT_FALSE(page.records[0].deleted);
}

TEST(ListingTest, TypesValuesByThePropertiesOfThePortal) {
  struct Case {
    const char *name, *given, *kept;
  };
  for (const Case &c : {
           Case{"score", R"("12.50")", "12.50"},
           Case{"score", R"("-3e2")", "-300"},
           Case{"score", R"("1;2;3")", R"("1;2;3")"},
           Case{"score", R"("1,234")", R"("1,234")"},
           Case{"score", R"("007")", R"("007")"},
           Case{"score", R"("1e999999")", R"("1e999999")"},
           Case{"score", R"("true")", R"("true")"},
           Case{"score", R"("")", "null"},
           Case{"score", "null", "null"},
           Case{"score", "5", "5"},
           Case{"vip", R"("true")", "true"},
           Case{"vip", R"("false")", "false"},
           Case{"vip", R"("yes")", R"("yes")"},
           Case{"vip", R"("")", "null"},
           Case{"born", R"("1990-05-17")", R"("1990-05-17")"},
           Case{"born", R"("642902400000")", R"("1990-05-17")"},
           Case{"born", R"("-86400000")", R"("1969-12-31")"},
           Case{"born", R"("")", "null"},
           Case{"seen", R"("2024-02-03T04:05:06Z")", R"("2024-02-03T04:05:06.000Z")"},
           Case{"seen", R"("1706933106007")", R"("2024-02-03T04:05:06.007Z")"},
           Case{"seen", R"("99999999999999999")", R"("99999999999999999")"},
           Case{"seen", R"("soon")", R"("soon")"},
           Case{"email", R"("")", R"("")"},
           Case{"email", R"("12")", R"("12")"},
           Case{"email", R"("a\u0000b\"")", R"("a�b\"")"},
           Case{"kind", R"("a;b")", R"("a;b")"},
           Case{"email", R"({"a":[1.10,"x"]})", R"({"a":[1.10,"x"]})"},
       }) {
    Page page = read_records(record(1, std::string("\"") + c.name + "\":" + c.given));
    ASSERT_EQ(page.records.size(), 1U) << c.given;
    const std::string expected = std::string("\"properties\":{\"") + c.name + "\":" + c.kept + "}";
    EXPECT_NE(jsonb_text(page.records[0].raw).find(expected), std::string::npos)
        << c.given << " became " << jsonb_text(page.records[0].raw);
  }
}

TEST(ListingTest, SetsAsideAnIdThatPostgresCannotHold) {
  Page page = read_records(R"({"id":"a\u0000"},{"id":"a\/\u00e9"})");
  ASSERT_EQ(page.records.size(), 1U);
  EXPECT_EQ(page.records[0].id, "a/é");
  ASSERT_EQ(page.rejects.size(), 1U);
  EXPECT_EQ(page.rejects[0].record, R"({"id":"a�"})");
}

TEST(ListingTest, LeavesOutWhatIsNotWanted) {
  Task task = task_of("contact");
  task.exclude_fields = {"email", "seen"};
  std::unique_ptr<Source> source = described(task);
  EXPECT_NE(request_of(*source).url.find("&properties=score,vip,born,kind&"), std::string::npos);
  Page page = std::move(
      source->accept(answer(list_of(record(1, R"("email":"a@x.io","vip":"true")")))).page);
  EXPECT_NE(jsonb_text(page.records[0].raw).find(R"("properties":{"vip":true})"),
            std::string::npos);
  task.exclude_fields = {};
  task.fields = {"kind", "id"};
  EXPECT_NE(request_of(*described(task)).url.find("&properties=kind&"), std::string::npos);
  task.keys_only = true;
  EXPECT_EQ(request_of(*described(task)).url.find("properties="), std::string::npos);
}

TEST(ListingTest, ReadsTheArchiveWhenItIsDue) {
  Task task = task_of("company");
  task.known = {{"archived_read_at", task.now_ms - 86'400'000}};
  std::unique_ptr<Source> source = described(task);
  EXPECT_EQ(source->metadata()["archived_read_at"], task.now_ms);
  source->accept(answer(list_of(record(1))));
  EXPECT_EQ(request_of(*source).url,
            "/crm/v3/objects/companies?limit=100&archived=true&properties=" + std::string(kNames));
  std::string archived = record(2);
  archived.replace(archived.find("\"archived\":false"), 16,
                   R"("archivedAt":"2024-03-01T00:00:00Z","archived":true)");
  Page page = std::move(source->accept(answer(list_of(archived, "2"))).page);
  EXPECT_TRUE(page.records.at(0).deleted);
  EXPECT_EQ(page.records.at(0).modified, "2024-03-01T00:00:00.000Z");
  // A successor goes on in the archive.
  source = source_of(task, source->plan(), source->cursor());
  EXPECT_TRUE(request_of(*source).url.ends_with("&after=2")) << request_of(*source).url;
  EXPECT_NE(request_of(*source).url.find("archived=true"), std::string::npos);
  source->accept(answer(list_of("")));
  EXPECT_TRUE(is_done(*source));
}

TEST(ListingTest, LeavesTheArchiveAloneWhenItIsNotDue) {
  Task task = task_of("company");
  task.known = {{"archived_read_at", task.now_ms - 86'399'999}};
  std::unique_ptr<Source> source = described(task);
  EXPECT_EQ(source->metadata()["archived_read_at"], task.now_ms - 86'399'999);
  source->accept(answer(list_of(record(1))));
  EXPECT_TRUE(is_done(*source));
  task.known = {{"archived_read_at", 0}};
  task.with_deleted = false;
  source = described(task);
  source->accept(answer(list_of(record(1))));
  EXPECT_TRUE(is_done(*source));
}

TEST(ListingTest, LooksUpTheLabelsOfPipelines) {
  std::unique_ptr<Source> source = source_of(task_of("deal"));
  EXPECT_EQ(request_of(*source).url, "/crm/v3/properties/deals");
  source->accept(answer(kProperties));
  EXPECT_TRUE(source->metadata().is_null());
  EXPECT_EQ(request_of(*source).url, "/crm/v3/pipelines/deals");
  source->accept(answer(kPipelines));
  EXPECT_EQ(source->metadata()["lookups"].dump(),
            R"({"pipelines":{"default":{"label":"Sales Pipeline","stages":)"
            R"({"won":"Closed won","12":"Talks"}},"7":{"label":"Partners","stages":{}}}})");
  // What was learned is relied on.
  Task task = task_of("deal");
  Json metadata = source->metadata();
  task.metadata = metadata.dump();
  EXPECT_EQ(request_of(*source_of(task)).url.substr(0, 21), "/crm/v3/objects/deals");
  metadata.erase("lookups");
  task.metadata = metadata.dump();
  EXPECT_EQ(request_of(*source_of(task)).url, "/crm/v3/properties/deals");
}

TEST(ListingTest, ReadsOwnersAsTheyAre) {
  std::unique_ptr<Source> source = source_of(task_of("owner"));
  EXPECT_EQ(request_of(*source).url, "/crm/v3/owners?limit=100&archived=false");
  Page page = std::move(
      source
          ->accept(answer(list_of(R"({"id":"41629779","email":"j@x.io","type":"PERSON",)"
                                  R"("firstName":"Jim","lastName":"","userId":9586504,)"
                                  R"("createdAt":"2019-10-30T03:30:17.883Z",)"
                                  R"("updatedAt":"2019-12-07T16:50:06.678Z","archived":false,)"
                                  R"("teams":[{"id":"368389","name":"S \"1\"","primary":true}]})")))
          .page);
  EXPECT_EQ(
      jsonb_text(page.records.at(0).raw),
      R"({"id":"41629779","type":"PERSON","email":"j@x.io",)"
      R"("teams":[{"id":"368389","name":"S \"1\"","primary":true}],)"
      R"("userId":9586504,"archived":false,"lastName":"","createdAt":"2019-10-30T03:30:17.883Z",)"
      R"("firstName":"Jim","updatedAt":"2019-12-07T16:50:06.678Z"})");
  EXPECT_EQ(page.records.at(0).modified, "2019-12-07T16:50:06.678Z");
  EXPECT_TRUE(is_done(*source));
}

std::string wide_properties() {
  std::string body = R"({"results":[{"name":"email","type":"string"})";
  for (int i = 0; i < 700; ++i) {
    body +=
        R"(,{"name":"a_property_with_a_long_name_)" + std::to_string(i) + R"(","type":"number"})";
  }
  return body + "]}";
}

TEST(ListingTest, ReadsManyPropertiesByTheirIds) {
  std::unique_ptr<Source> source = source_of(task_of("contact"));
  source->accept(answer(wide_properties()));
  EXPECT_EQ(request_of(*source).url,
            "/crm/v3/objects/contacts?limit=100&archived=false&associations=companies");
  Accepted skeleton = source->accept(answer(list_of(
      record(5, R"("email":"old")", R"(,"associations":{"companies":{"results":[{"id":"9"}]}})") +
          "," + record(6) + R"(,{"properties":{}})",
      "6")));
  EXPECT_FALSE(skeleton.is_page);
  Request request = request_of(*source);
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.url, "/crm/v3/objects/contacts/batch/read");
  Json body = Json::parse(request.body);
  EXPECT_EQ(body["inputs"].dump(), R"([{"id":"5"},{"id":"6"}])");
  EXPECT_EQ(body["properties"].size(), 701U);
  Page page = std::move(source
                            ->accept(answer(R"({"status":"COMPLETE","results":[)" +
                                            record(5, R"("a_property_with_a_long_name_3":"3")") +
                                            R"(],"numErrors":1,"errors":[{"status":"error"}]})"))
                            .page);
  ASSERT_EQ(page.records.size(), 1U);
  EXPECT_NE(
      jsonb_text(page.records[0].raw).find(R"("properties":{"a_property_with_a_long_name_3":3})"),
      std::string::npos);
  EXPECT_TRUE(jsonb_text(page.records[0].raw).ends_with(R"(,"associations":{"companies":["9"]}})"));
  ASSERT_EQ(page.rejects.size(), 1U);
  EXPECT_EQ(page.rejects[0].reason, "the record has no id");
  EXPECT_TRUE(request_of(*source).url.ends_with("&after=6"));
  // The last list, then its records, then the end.
  source->accept(answer(list_of(record(7))));
  EXPECT_EQ(request_of(*source).method, "POST");
  source->accept(answer(R"({"results":[)" + record(7) + "]}"));
  EXPECT_TRUE(is_done(*source));
}

TEST(ListingTest, ReadsTheArchiveOfAWidePortal) {
  Task task = task_of("contact");
  task.known = {{"archived_read_at", 0}};
  std::unique_ptr<Source> source = source_of(task);
  source->accept(answer(wide_properties()));
  source->accept(answer(list_of(record(1))));
  EXPECT_EQ(request_of(*source).url, "/crm/v3/objects/contacts/batch/read");
  source->accept(answer(R"({"results":[)" + record(1) + "]}"));
  EXPECT_NE(request_of(*source).url.find("archived=true"), std::string::npos);
  source->accept(answer(list_of(record(2))));
  EXPECT_EQ(request_of(*source).url, "/crm/v3/objects/contacts/batch/read?archived=true");
  source->accept(answer(R"({"results":[)" + record(2) + "]}"));
  EXPECT_TRUE(is_done(*source));
}

TEST(ListingTest, ReadsByIds) {
  Task task = task_of("company");
  task.with_deleted = false;
  for (int i = 1; i <= 101; ++i) task.ids.push_back(std::to_string(i));
  task.ids.push_back("no id");
  std::unique_ptr<Source> source = described(task);
  EXPECT_EQ(Json::parse(request_of(*source).body)["inputs"].size(), 100U);
  EXPECT_EQ(source->accept(answer(list_of(record(1) + "," + record(500)))).page.records.size(), 1U);
  EXPECT_EQ(Json::parse(request_of(*source).body)["inputs"].dump(), R"([{"id":"101"}])");
  source->accept(answer(list_of("")));
  EXPECT_TRUE(is_done(*source));

  task.ids = {"no id"};
  EXPECT_TRUE(is_done(*source_of(task)));
}

TEST(ListingTest, ReadsOneByOneWhereThereAreAssociations) {
  Task task = task_of("contact");
  task.ids = {"7", "8"};
  std::unique_ptr<Source> source = described(task);
  EXPECT_EQ(request_of(*source).url, "/crm/v3/objects/contacts/7?properties=" +
                                         std::string(kNames) + "&associations=companies");
  EXPECT_TRUE(source->recover(Error(ErrorClass::kObjectGone, "no such record")));
  EXPECT_EQ(request_of(*source).url.substr(0, 26), "/crm/v3/objects/contacts/8");
  EXPECT_FALSE(source->recover(Error(ErrorClass::kPermission, "no")));
  EXPECT_EQ(source->accept(answer(record(8))).page.records.at(0).id, "8");
  EXPECT_TRUE(is_done(*source));
}

TEST(ListingTest, RefusesAnswersThatAreNone) {
  for (const char *body :
       {"", "7", "[]", "{}", R"({"results":7})", R"({"results":[)", R"({"results":[{"id":"1",]})",
        R"({"results":[],"paging":{"next":{"after":"1"}})", R"({"results":[]} x)",
        R"({"results":[{"id":"1","properties":{"email":tru}}]})",
        R"({"results":[{"id":"1","associations":{"companies":7}}]})"}) {
    std::unique_ptr<Source> source = described(task_of("contact"));
    try {
      source->accept(answer(body));
      ADD_FAILURE() << body;
    } catch (const Error &error) {
      EXPECT_EQ(error.error_class, ErrorClass::kProvider) << body;
      EXPECT_EQ(error.message, "the answer of hubspot is not the JSON that was expected") << body;
    }
  }
}

TEST(ListingTest, SetsUnusableRecordsAside) {
  Page page = read_records(R"(7,{"id":""},{"id":{}},)" + record(1));
  EXPECT_EQ(page.rejects.size(), 3U);
  EXPECT_EQ(page.records.size(), 1U);
}

TEST(ListingTest, DoesNotGoRoundForEver) {
  std::unique_ptr<Source> source = described(task_of("contact"));
  source->accept(answer(list_of(record(1), "1")));
  EXPECT_THROW(source->accept(answer(list_of(record(1), "1"))), Error);
}

TEST(ListingTest, KnowsTheObjectsThatThereAre) {
  std::shared_ptr<const Connector> hubspot = Connector::builtin("hubspot");
  EXPECT_EQ(hubspot->exact_object("standard", "contact"), "contact");
  EXPECT_EQ(hubspot->exact_object("standard", "contacts"), "");
  EXPECT_EQ(hubspot->exact_object("custom", "contact"), "");
  EXPECT_EQ(hubspot->offered_objects(),
            R"(Its standard objects are "company", "contact", "deal", "owner"; )"
            "custom ones are not offered.");
  EXPECT_THROW(source_of(task_of("ticket")), Error);
  EXPECT_EQ(Connector::builtin("salesforce")->offered_objects(), "");
}

TEST(ListingTest, SortsTheErrorsOfHubSpot) {
  struct Case {
    long status;
    const char *body;
    Verdict::Kind kind;
    ErrorClass error_class;
  };
  using Kind = Verdict::Kind;
  for (const Case &c : {
           Case{401, R"({"category":"EXPIRED_AUTHENTICATION"})", Kind::kRefresh,
                ErrorClass::kAuthentication},
           Case{401, R"({"category":"INVALID_AUTHENTICATION"})", Kind::kFail,
                ErrorClass::kAuthentication},
           Case{403, R"({"category":"MISSING_SCOPES"})", Kind::kFail, ErrorClass::kPermission},
           Case{404, "", Kind::kFail, ErrorClass::kObjectGone},
           Case{429, R"({"policyName":"DAILY"})", Kind::kFail, ErrorClass::kQuota},
           Case{429, R"({"policyName":"TEN_SECONDLY_ROLLING"})", Kind::kRetry, ErrorClass::kQuota},
           Case{423, "", Kind::kRetry, ErrorClass::kTransient},
           Case{477, "", Kind::kRetry, ErrorClass::kTransient},
           Case{502, "<html>", Kind::kRetry, ErrorClass::kTransient},
           Case{414, "", Kind::kFail, ErrorClass::kProvider},
       }) {
    Response response = answer(c.body);
    response.status = c.status;
    Verdict verdict = judge(*Connector::builtin("hubspot"), response, {}, 0, 0.5);
    EXPECT_EQ(verdict.kind, c.kind) << c.status << c.body;
    EXPECT_EQ(verdict.error.error_class, c.error_class) << c.status << c.body;
  }
}

TEST(ListingTest, SaysWhatIsWrongWithADocument) {
  const std::string head = R"({"name":"x","category":"crm","auth_types":["oauth2"],)"
                           R"("strategy":"listing",)";
  const std::string list = R"("path":"/a","records":"/r","id":"id","incremental":"none")";
  struct Case {
    std::string body, message;
  };
  for (const Case &c : {
           Case{R"("lists":[])", R"("lists" in connector must be an object)"},
           Case{R"("lists":{"a":{}})", R"(missing key "lists.a.path" in connector)"},
           Case{R"("lists":{"a":{"path":"a"}})", R"("lists.a.path" in connector must be a path)"},
           Case{R"("lists":{"a":{"path":"/a","records":"/r","id":"id"}})",
                R"(missing key "lists.a.incremental" in connector)"},
           Case{R"("lists":{"a":{"path":"/a","records":"/r","id":"id","incremental":"search"}})",
                R"("lists.a.incremental" in connector must be "none")"},
           Case{R"("lists":{"a":{)" + list + R"(,"next":"/n"}})",
                R"(missing key "lists.a.next_parameter" in connector)"},
           Case{R"("lists":{"a":{)" + list + R"(,"search":{}}})",
                R"(unknown key "lists.a.search" in connector)"},
           Case{R"("lists":{"a":{)" + list + R"(,"query":{"a":1}}})",
                R"("lists.a.query" in connector must be an object of strings)"},
           Case{R"("lists":{"a":{)" + list + R"(,"fields":{"path":"/p","name":"n","type":"t",)" +
                    R"("values":"v","parameter":"p","types":{"x":"bytes"}}}})",
                R"("lists.a.fields.types" in connector must name "text", "number", "boolean", )"
                R"("date" or "time")"},
           Case{R"("objects":{"o":{"list":"b","api_name":"o"}})",
                R"("objects.o.list" in connector must be one of )"},
           Case{R"("lists":{"a":{)" + list + R"(}},"objects":{"o":{"list":"a"}})",
                R"(missing key "objects.o.api_name" in connector)"},
           Case{R"("lists":{"a":{)" + list + R"(}},"objects":{"o":{"list":"a","api_name":"o",)" +
                    R"("associations":["x"]}})",
                R"("objects.o.associations" in connector needs a list that says where they are)"},
           Case{R"("lists":{"a":{)" + list + R"(}},"objects":{"o":{"list":"a","api_name":"o",)" +
                    R"("lookups":["x"]}})",
                R"("objects.o.lookups" in connector must be an array of )"},
           Case{R"("errors":[{"body":{"x":["y"]}}])",
                R"("errors[0].body" in connector must be an object of arrays of strings by JSON )"
                R"(pointers)"},
       }) {
    try {
      Connector::parse(head + c.body + "}");
      ADD_FAILURE() << c.body;
    } catch (const Error &error) {
      EXPECT_EQ(error.message, c.message) << c.body;
      EXPECT_EQ(error.sqlstate, "22023");
    }
  }
}

}  // namespace
}  // namespace supaglue
