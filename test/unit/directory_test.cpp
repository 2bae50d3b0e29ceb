// pure: tests of directory.hpp: what providers tell of objects and fields, in one form.
#include <gtest/gtest.h>

#include <string>

#include "connector.hpp"
#include "directory.hpp"

#include "pure.hpp"

namespace supaglue {
namespace {

const Directory &salesforce() {
  static const auto connector = Connector::builtin("salesforce");
  return connector->directory;
}

TEST(DirectoryTest, Asks) {
  EXPECT_EQ(listing_request(salesforce().objects, "", "").url, "/services/data/v62.0/sobjects");
  EXPECT_EQ(listing_request(salesforce().properties, "x", "A/b ?").url,
            "/services/data/v62.0/sobjects/A%2Fb%20%3F/describe");
}

TEST(DirectoryTest, ListsObjectsThatCanBeRead) {
  const Json rows = list_objects(salesforce(), R"({"sobjects": [
    {"name": "Zoo__c", "label": "Zoo", "custom": true, "queryable": true, "deprecatedAndHidden": false},
    {"name": "Contact", "label": "Contact", "custom": false, "queryable": true, "deprecatedAndHidden": false},
    {"name": "Account", "label": "Con\u0000to", "custom": false, "queryable": true, "deprecatedAndHidden": false},
    {"name": "Name", "label": "Name", "custom": false, "queryable": false, "deprecatedAndHidden": false},
    {"name": "Old", "label": "Old", "custom": false, "queryable": true, "deprecatedAndHidden": true},
    {"name": "AccountChangeEvent", "custom": false, "queryable": true},
    {"name": "Big__b", "custom": true, "queryable": true},
    {"name": "Hint__e", "custom": true, "queryable": true},
    {"label": "nameless", "custom": true, "queryable": true}]})");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0]["object"], "Account");
  EXPECT_EQ(rows[0]["label"], "Con\xef\xbf\xbdto");
  EXPECT_EQ(rows[0]["raw"]["label"], "Con\xef\xbf\xbdto");
  EXPECT_EQ(rows[1]["object"], "Contact");
  EXPECT_EQ(rows[1]["object_type"], "standard");
  EXPECT_EQ(rows[2]["object"], "Zoo__c");
  EXPECT_EQ(rows[2]["object_type"], "custom");
}

TEST(DirectoryTest, ListsFieldsInOneForm) {
  const Json rows = list_properties(salesforce(), "Contact", R"({"fields": [
    {"name": "Id", "label": "Contact ID", "type": "id", "custom": false, "inlineHelpText": null,
     "picklistValues": []},
    {"name": "MailingAddress", "label": "Address", "type": "address", "custom": false},
    {"name": "Level__c", "label": "Level", "type": "picklist", "custom": true, "inlineHelpText": "How well",
     "picklistValues": [{"value": "1", "label": "low", "active": true}, {"value": "2", "label": null, "active": false}]},
    {"name": "Odd__c", "label": "", "type": "anyType", "custom": true}]})");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0]["type"], "text");
  EXPECT_EQ(rows[0]["provider_type"], "id");
  EXPECT_TRUE(rows[0]["description"].is_null());
  EXPECT_TRUE(rows[0]["options"].is_null());
  EXPECT_EQ(rows[0]["custom"], false);
  EXPECT_EQ(rows[1]["description"], "How well");
  EXPECT_EQ(rows[1]["custom"], true);
  EXPECT_EQ(rows[1]["options"], Json::parse(R"([{"value": "1", "label": "low", "hidden": false},
                            {"value": "2", "label": "2", "hidden": true}])"));
  EXPECT_EQ(rows[2]["type"], "other");
  EXPECT_TRUE(rows[2]["label"].is_null());
}

TEST(DirectoryTest, RefusesOtherAnswers) {
  for (const char *body : {"<html>", "[]", "{}", R"({"sobjects": {}})", R"({"sobjects": [)"})
    EXPECT_THROW(list_objects(salesforce(), body), Error) << body;
}

TEST(DirectoryTest, KnowsWhatIsNotTold) {
  const Directory directory = read_directory("connector", "metadata", Json::parse(R"({
    "objects": {"name": "/name", "label": "/label", "known": [{"name": "owner", "label": "Owners"}]},
    "properties": {"path": "/p/{object}", "items": "/results", "name": "/name", "type": "/type", "subtype": "/how",
                   "standard": [{"pointer": "/ours", "is": true}],
                   "known": {"owner": [{"name": "email", "type": "string", "ours": true}]}},
    "types": {"string": "text", "string/long": "textarea"}})"));
  EXPECT_EQ(listing_request(directory.objects, "", "").url, "");
  EXPECT_EQ(list_objects(directory, "")[0]["object"], "owner");
  EXPECT_EQ(listing_request(directory.properties, "owner", "owners").url, "");
  EXPECT_EQ(listing_request(directory.properties, "deal", "deals").url, "/p/deals");
  EXPECT_THROW(listing_request(directory.properties, "x", ".."), Error);
  EXPECT_EQ(list_properties(directory, "owner", "")[0]["type"], "text");
  const Json rows = list_properties(
      directory, "deal",
      R"({"results": [{"name": "a", "type": "string", "how": "long", "ours": false}, {"ours": true, "name": "b", "type": "string", "how": "short"}]})");
  EXPECT_EQ(rows[0]["type"], "textarea");
  EXPECT_EQ(rows[0]["custom"], true);
  EXPECT_EQ(rows[1]["type"], "text");
  EXPECT_EQ(rows[1]["custom"], false);
}

TEST(DirectoryTest, ChecksTheDocument) {
  for (const char *document :
       {R"({"objects": {"path": "x", "name": "/n"}})", R"({"objects": {"path": "/x"}})",
        R"({"objects": {"name": "n"}})", R"({"objects": {"name": "/n", "nme": 1}})",
        R"({"objects": {"name": "/n", "only": [{"pointer": "/a"}]}})", R"({"types": {"a": "b"}})",
        R"({"options": {"items": "/a"}})"})
    EXPECT_THROW(read_directory("connector", "metadata", Json::parse(document)), Error) << document;
}

}  // namespace
}  // namespace supaglue
