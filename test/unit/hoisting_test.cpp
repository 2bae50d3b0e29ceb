// Unit tests of the columns that are hoisted out of records.
#include "hoisting.hpp"

#include <gtest/gtest.h>

#include "common_schema.hpp"

namespace supaglue {
namespace {

Hoisting of(const char *object_type, const char *object) {
  Hoisting hoisting;
  hoisting.connector = Connector::builtin("salesforce");
  hoisting.object_type = object_type;
  hoisting.object = object;
  return hoisting;
}

HoistedColumn find(const std::vector<HoistedColumn> &columns, const std::string &name) {
  for (const HoistedColumn &column : columns)
    if (column.name == name) return column;
  return {"none", "", "", ""};
}

TEST(Hoisting, RawDataAloneHasNoColumns) {
  EXPECT_TRUE(hoisted_columns(of("standard", "Account")).empty());
}

TEST(Hoisting, CommonObjectsHaveTheColumnsOfTheCommonSchema) {
  for (const std::string &name : common_objects("crm")) {
    const auto columns = hoisted_columns(of("common", name.c_str()));
    const CommonObject *schema = common_object("crm", name);
    ASSERT_EQ(columns.size(), schema->columns.size()) << name;
    for (size_t i = 0; i < columns.size(); ++i) EXPECT_EQ(columns[i].name, schema->columns[i].name);
  }
  const auto contact = hoisted_columns(of("common", "contact"));
  EXPECT_EQ(find(contact, "first_name").field, "FirstName");
  EXPECT_EQ(find(contact, "addresses").field, "");
  // Salesforce has none: NULL, never an error.
  EXPECT_EQ(find(contact, "lifecycle_stage").source, "NULL::pg_catalog.text");
}

TEST(Hoisting, ListedColumnsAreAsTheyAreSaid) {
  Hoisting hoisting = of("standard", "Opportunity");
  hoisting.columns =
      Json::parse(R"([{"field": "Name"}, {"field": "Amount", "type": "numeric", "as": "amount"},
                      {"field": "Tags__c", "type": "jsonb"}])");
  const auto columns = hoisted_columns(hoisting);
  ASSERT_EQ(columns.size(), 3);
  EXPECT_EQ(columns[0].name, "Name");
  EXPECT_EQ(columns[0].source, "raw ->> 'Name'");
  EXPECT_EQ(columns[1].name, "amount");
  EXPECT_EQ(columns[1].type, "numeric");
  EXPECT_EQ(columns[1].field, "Amount");
  EXPECT_EQ(columns[2].source, "nullif(raw -> 'Tags__c', 'null'::pg_catalog.jsonb)");
}

TEST(Hoisting, TypedColumnsAreTheProvidersOwnFields) {
  Hoisting hoisting = of("standard", "Opportunity");
  hoisting.columns = "typed";
  EXPECT_TRUE(hoisted_columns(hoisting).empty());  // nothing is known of it yet
  hoisting.metadata = Json::parse(R"({"fields": [{"name": "Name", "type": "string"},
    {"name": "Amount", "type": "currency"}, {"name": "Mine__c", "type": "double"},
    {"name": "id", "type": "string"}, {"name": "_supaglue_x", "type": "string"}]})");
  const auto columns = hoisted_columns(hoisting);
  ASSERT_EQ(columns.size(), 2);
  EXPECT_EQ(columns[1].name, "Amount");
  EXPECT_EQ(columns[1].type, "numeric");
}

Hoisting with_schema() {
  Hoisting hoisting = of("standard", "Opportunity");
  hoisting.schema = Json::parse(R"({"fields": [{"name": "description", "type": "text"},
    {"name": "revenue", "type": "numeric"}, {"name": "title", "type": "text", "mapped_name": "Name"}],
    "allow_additional_field_mappings": true})");
  return hoisting;
}

TEST(Hoisting, EachCustomerMapsTheFieldsOfASchema) {
  Hoisting hoisting = with_schema();
  hoisting.mappings = Json::parse(R"({"revenue": "Amount__c", "title": "Hers", "mine": "Own__c"})");
  const auto columns = hoisted_columns(hoisting);
  ASSERT_EQ(columns.size(), 4);
  EXPECT_EQ(find(columns, "revenue").field, "Amount__c");
  EXPECT_EQ(find(columns, "description").source, "NULL::pg_catalog.text");
  EXPECT_EQ(find(columns, "title").field, "Name");  // the developer's word
  const HoistedColumn mapped = columns[3];
  EXPECT_EQ(mapped.name, "_supaglue_mapped_data");
  EXPECT_NE(mapped.source.find("'additional_fields', pg_catalog.jsonb_build_object('mine'"),
            std::string::npos);
  EXPECT_EQ(mapped.source.find("'description'"), std::string::npos);
}

TEST(Hoisting, AFieldOfTheSchemaWinsOverATypedColumn) {
  Hoisting hoisting = with_schema();
  hoisting.columns = "typed";
  hoisting.metadata = Json::parse(R"({"fields": [{"name": "revenue", "type": "string"},
    {"name": "Amount", "type": "currency"}]})");
  hoisting.mappings = Json::parse(R"({"revenue": "Amount"})");
  const auto columns = hoisted_columns(hoisting);
  EXPECT_EQ(find(columns, "revenue").type, "numeric");
  EXPECT_EQ(find(columns, "revenue").field, "Amount");
}

TEST(Hoisting, AddedFieldsNeedTheDevelopersLeave) {
  Hoisting hoisting = with_schema();
  hoisting.schema["allow_additional_field_mappings"] = false;
  hoisting.mappings = Json::parse(R"({"mine": "Own__c"})");
  EXPECT_EQ(hoisted_columns(hoisting).back().source.find("mine"), std::string::npos);
}

TEST(Hoisting, AMappingToAFieldThatIsGoneIsBroken) {
  Hoisting hoisting = with_schema();
  hoisting.mappings = Json::parse(R"({"revenue": "Gone__c", "description": "Description"})");
  EXPECT_TRUE(broken_mappings(hoisting).empty());  // nobody knows yet
  const auto before = fingerprint(hoisting, hoisted_columns(hoisting));
  hoisting.metadata = Json::parse(
      R"({"fields": [{"name": "Name", "type": "string"}, {"name": "Description", "type": "textarea"}]})");
  EXPECT_EQ(broken_mappings(hoisting), std::vector<std::string>{"revenue"});
  EXPECT_NE(fingerprint(hoisting, hoisted_columns(hoisting)), before);
}

TEST(Hoisting, FingerprintsFollowMappingsAndLookups) {
  Hoisting hoisting = with_schema();
  const auto print = [&] { return fingerprint(hoisting, hoisted_columns(hoisting)); };
  const std::string before = print();
  EXPECT_EQ(print(), before);
  hoisting.mappings = Json::parse(R"({"revenue": "Amount"})");
  const std::string mapped = print();
  EXPECT_NE(mapped, before);
  hoisting.metadata = Json::parse(
      R"({"fields": [{"name": "Amount", "type": "currency"}, {"name": "Name", "type": "string"}]})");
  EXPECT_EQ(print(), mapped);
  hoisting.metadata["lookups"] = Json::parse(R"({"pipelines": {"1": {"label": "Sales"}}})");
  EXPECT_NE(print(), mapped);
}

TEST(Hoisting, NamesAreQuotedAsTexts) {
  EXPECT_EQ(sql_text("it's"), "'it''s'");
  EXPECT_EQ(sql_text("a\\b"), "E'a\\\\b'");
  const auto column =
      field_column(*Connector::builtin("salesforce"), "x", "text", "a' || version() || '");
  EXPECT_EQ(column.source, "raw ->> 'a'' || version() || '''");
}

TEST(Hoisting, MoreFieldsThanAFunctionTakesArguments) {
  Hoisting hoisting = of("entity", "thing");
  hoisting.schema = Json{{"fields", Json::array()}};
  hoisting.mappings = Json::object();
  for (int i = 0; i < 100; ++i) {
    const std::string name = "f" + std::to_string(i);
    hoisting.schema["fields"].push_back({{"name", name}, {"type", "text"}});
    hoisting.mappings[name] = "F" + std::to_string(i);
  }
  const std::string source = hoisted_columns(hoisting).back().source;
  size_t calls = 0;
  for (size_t at = 0; (at = source.find("jsonb_build_object", at)) != std::string::npos; ++at)
    ++calls;
  EXPECT_EQ(calls, 3);
}

}  // namespace
}  // namespace supaglue
