// pure: tests of the documents of schemas and entities and of the mappings of their fields.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "config.hpp"
#include "error.hpp"

#include "pure.hpp"

namespace supaglue {
namespace {

TEST(SchemaDocumentTest, ReadsEveryAcceptedForm) {
  Document schema = read_schema(R"({"id":3,"name":"deal","config":{"fields":["description",
      {"name":"revenue","type":"decimal"},{"name":"stage","mapped_name":"StageName"}],
      "allow_additional_field_mappings":true}})");
  EXPECT_EQ(schema.id, 3);
  EXPECT_EQ(schema.name, "deal");
  EXPECT_EQ(schema.plain.dump(), R"({"fields":[{"name":"description","type":"text"},)"
                                 R"({"name":"revenue","type":"numeric"},)"
                                 R"({"name":"stage","type":"text","mapped_name":"StageName"}],)"
                                 R"("allow_additional_field_mappings":true})");
  EXPECT_EQ(read_schema(patched("schema", schema, "{}")).plain, schema.plain);
  Document changed =
      read_schema(patched("schema", schema, R"({"config":{"fields":[{"name":"x"}]}})"));
  EXPECT_EQ(changed.plain.dump(), R"({"fields":[{"name":"x","type":"text"}],)"
                                  R"("allow_additional_field_mappings":true})");

  Document entity =
      read_entity(R"({"name":"ticket","application_id":"a","fields":[{"name":"subject"}]})");
  EXPECT_EQ(entity.plain.dump(), R"({"application_id":"a","fields":[{"name":"subject",)"
                                 R"("type":"text"}],"allow_additional_field_mappings":false})");
  EXPECT_EQ(read_entity(patched("entity", entity, "{}")).plain, entity.plain);
}

TEST(SchemaDocumentTest, SaysWhatIsWrong) {
  struct Case {
    std::string fields, message;
  };
  for (const Case &c : std::vector<Case>{
           {R"({})", "\"fields\" in schema must be an array"},
           {R"([7])", "\"fields[0]\" in schema must be an object"},
           {R"([{"type":"text"}])", "missing key \"fields[0].name\" in schema"},
           {R"([{"name":"id"}])", "\"fields[0].name\" in schema must not be \"id\""},
           {R"(["xmin"])", "\"fields[0].name\" in schema must not be \"xmin\""},
           {R"(["additional_fields"])",
            "\"fields[0].name\" in schema must not be \"additional_fields\""},
           {R"(["_supaglue_id"])",
            "\"fields[0].name\" in schema must not begin with \"_supaglue\""},
           {"[\"" + std::string(64, 'x') + "\"]",
            "\"fields[0].name\" in schema must not be longer than 63 bytes"},
           {R"(["a",{"name":"a"}])", "\"fields[1]\" in schema names a field again"},
           {R"([{"name":"a","type":"money"}])",
            "\"fields[0].type\" in schema must be one of \"text\", \"boolean\", \"bigint\", "
            "\"integer\", \"numeric\", \"double precision\", \"date\", \"timestamptz\", \"jsonb\""},
           {R"([{"name":"a","mapped":"b"}])", "unknown key \"fields[0].mapped\" in schema"},
       }) {
    try {
      read_schema(R"({"name":"s","fields":)" + c.fields + "}");
      ADD_FAILURE() << "accepted: " << c.fields;
    } catch (const Error &error) {
      EXPECT_EQ(error.message, c.message);
      EXPECT_EQ(error.sqlstate, "22023");
    }
  }
  EXPECT_THROW(read_schema(R"({"name":"s"})"), Error);
  EXPECT_THROW(read_schema(R"({"fields":[]})"), Error);
  EXPECT_THROW(read_entity(R"({"name":"a b","fields":[]})"), Error);
  EXPECT_THROW(read_entity(R"({"name":"a","fields":[{"name":"b","mapped_name":"c"}]})"), Error);
}

TEST(SchemaDocumentTest, ReadsFieldMappings) {
  EXPECT_EQ(read_field_mappings(R"({"standard":{"opportunity":{"revenue":"Amount__c","x":null}},
      "custom":{"Thing":[{"schema_field":"a","mapped_field":"A__c"},{"schema_field":"b"}]},
      "common":{"contact":null}})",
                                "salesforce"),
            Json::parse(R"([
      {"object_type":"standard","object":"Opportunity",
       "mappings":{"revenue":"Amount__c","x":null}},
      {"object_type":"custom","object":"Thing__c","mappings":{"a":"A__c","b":null}},
      {"object_type":"common","object":"contact","mappings":null}])"));
  struct Case {
    const char *document, *message;
  };
  for (const Case &c : std::vector<Case>{
           {R"({"standart":{}})", "unknown key \"standart\" in field mappings"},
           {R"({"standard":[]})", "\"standard\" in field mappings must be an object"},
           {R"({"standard":{"a b":{}}})",
            "\"standard.a b\" in field mappings cannot be the name of an object of salesforce"},
           {R"({"standard":{"Lead":7}})", "\"standard.Lead\" in field mappings must be an object"},
           {R"({"standard":{"Lead":{"a":7}}})",
            "\"standard.Lead.a\" in field mappings must be the name of a field of the provider, or "
            "null"},
           {R"({"standard":{"Lead":{"a":""}}})",
            "\"standard.Lead.a\" in field mappings must be the name of a field of the provider, or "
            "null"},
           {R"({"standard":{"Lead":{"_supaglue_a":"b"}}})",
            "\"standard.Lead._supaglue_a\" in field mappings must not begin with \"_supaglue\""},
           {R"({"standard":{"Lead":[{"schema_field":"a"},{"schema_field":"a"}]}})",
            "\"standard.Lead[1]\" in field mappings maps a field again"},
       }) {
    try {
      read_field_mappings(c.document, "salesforce");
      ADD_FAILURE() << "accepted: " << c.document;
    } catch (const Error &error) {
      EXPECT_EQ(error.message, c.message);
    }
  }
}

TEST(SchemaDocumentTest, ReadsEntityMappings) {
  EXPECT_EQ(read_entity_mapping(R"({"object":{"type":"custom","name":"Thing"},
      "field_mappings":[{"entity_field":"a","mapped_field":"A__c"}]})",
                                "salesforce"),
            Json::parse(R"({"object_type":"custom","object":"Thing__c","mappings":{"a":"A__c"}})"));
  EXPECT_EQ(read_entity_mapping("{}", "salesforce"), Json::object());
  EXPECT_EQ(read_entity_mapping(R"({"object":null,"field_mappings":null})", "salesforce"),
            Json::parse(R"({"object_type":null,"object":null,"mappings":null})"));
  for (const char *document :
       {R"({"object":"Lead"})", R"({"object":{"name":"Lead"}})", R"({"object":{"type":"common",
        "name":"lead"}})",
        R"({"object":{"type":"standard","name":"a b"}})", R"({"field_mappings":7})",
        R"({"objects":{}})"}) {
    EXPECT_THROW(read_entity_mapping(document, "salesforce"), Error) << document;
  }
}

TEST(SchemaDocumentTest, ChecksMappingsByTheTemplate) {
  Json config = Json::parse(R"({"fields":[{"name":"revenue","type":"numeric"},
      {"name":"stage","type":"text","mapped_name":"StageName"}],
      "allow_additional_field_mappings":false})");
  const Json none = Json::object();
  auto message = [&](const char *mappings, const Json &current) -> std::string {
    try {
      check_mappings(Json::parse(mappings), current, config, "schema \"deal\"");
    } catch (const Error &error) {
      return error.message;
    }
    return "";
  };
  EXPECT_EQ(message(R"({"revenue":"Amount"})", none), "");
  EXPECT_EQ(message(R"({"revenue":null})", none), "");
  EXPECT_EQ(message(R"({"stage":"Other"})", none),
            "field \"stage\" of schema \"deal\" is mapped by the developer");
  EXPECT_EQ(message(R"({"stage":null})", none),
            "field \"stage\" of schema \"deal\" is mapped by the developer");
  EXPECT_EQ(message(R"({"revenu":"Amount"})", none), "schema \"deal\" has no field \"revenu\"");
  EXPECT_EQ(message(R"({"revenu":null})", none), "schema \"deal\" has no field \"revenu\"");
  // What was added while that was allowed can still be unmapped, but not mapped again.
  EXPECT_EQ(message(R"({"old":null})", Json{{"old", "Old__c"}}), "");
  EXPECT_EQ(message(R"({"old":"New__c"})", Json{{"old", "Old__c"}}),
            "schema \"deal\" has no field \"old\"");
  config["allow_additional_field_mappings"] = true;
  EXPECT_EQ(message(R"({"added":"X__c"})", none), "");
  EXPECT_EQ(message(R"({"additional_fields":"X__c"})", none),
            "a field that is added must not be \"additional_fields\"");
}

}  // namespace
}  // namespace supaglue
