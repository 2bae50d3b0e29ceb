// pure: tests of what a sync config says of its objects' columns: the one normal form, and every
// refusal.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "config.hpp"
#include "error.hpp"

#include "pure.hpp"

namespace supaglue {
namespace {

const Templates &templates() {
  static const Templates all = {
      Json::parse(R"({"deal":{"fields":[{"name":"description","type":"text"},
        {"name":"revenue","type":"numeric"},
        {"name":"stage","type":"text","mapped_name":"StageName"}],
        "allow_additional_field_mappings":true},
        "named":{"fields":[{"name":"name","type":"text"}],
        "allow_additional_field_mappings":false}})"),
      Json::parse(R"({"ticket":{"id":7,"config":{"fields":[{"name":"subject","type":"text"}],
        "allow_additional_field_mappings":false}},"car":{"id":8,"config":{"fields":[]}}})")};
  return all;
}

std::string with(const std::string &objects) {
  return R"({"destination_id":1,"provider_id":2,)" + objects + "}";
}

Document read(const std::string &document) {
  return read_sync_config(document, "salesforce", &templates());
}

// The objects, without the schedule that they all have.
Json objects_of(const Document &document) {
  Json objects = document.plain["objects"];
  for (Json &object : objects) object.erase("config");
  return objects;
}

TEST(SyncConfigDocumentTest, ReadsWhatShapesColumns) {
  struct Case {
    const char *objects, *normal;
  };
  for (
      const Case &c : std::vector<Case>{
          {R"("common_objects":[{"object":"contact"},{"object":"user","table":"people"}])",
           R"([{"object_type":"common","object":"contact"},
               {"object_type":"common","object":"user","table":"people"}])"},
          {R"("standard_objects":[{"object":"opportunity","schema":"deal"}])",
           R"([{"object_type":"standard","object":"Opportunity","schema":"deal"}])"},
          {R"("custom_objects":[{"object":"Thing","columns":"typed","schema":"deal"}])",
           R"([{"object_type":"custom","object":"Thing__c","schema":"deal","columns":"typed"}])"},
          {R"("standard_objects":[{"object":"Lead","fields":["Name","Phone","Amount"],
               "exclude_fields":["Fax"],"columns":["Name",{"field":"Amount","type":"decimal"},
               {"field":"Phone","as":"phone","type":"string"}]}])",
           R"([{"object_type":"standard","object":"Lead","fields":["Name","Phone","Amount"],
               "exclude_fields":["Fax"],"columns":[{"field":"Name","type":"text","as":"Name"},
               {"field":"Amount","type":"numeric","as":"Amount"},
               {"field":"Phone","type":"text","as":"phone"}]}])"},
          {R"("standard_objects":[{"object":"Lead","columns":[],"associations_to_fetch":[]}])",
           R"([{"object_type":"standard","object":"Lead"}])"},
          {R"("entities":["car",{"entity_id":7,"table":"tickets","exclude_fields":["Fax"]}])",
           R"([{"object_type":"entity","object":"car"},
               {"object_type":"entity","object":"ticket","table":"tickets",
                "exclude_fields":["Fax"]}])"},
          {R"("entities":[{"entity_name":"car","sync_strategy_override":{"strategy":"full only"}}])",
           R"([{"object_type":"entity","object":"car","sync_strategy_override":
               {"strategy":"full"}}])"},
          // A common object and the provider's own of the same name are two objects.
          {R"("common_objects":[{"object":"account"}],"standard_objects":[{"object":"account"}])",
           R"([{"object_type":"common","object":"account"},
               {"object_type":"standard","object":"Account"}])"},
      }) {
    try {
      Document document = read(with(c.objects));
      EXPECT_EQ(objects_of(document), Json::parse(c.normal)) << objects_of(document);
      // The normal form, patched by nothing, gives itself.
      Document again = read(patched("sync config", document, "{}"));
      EXPECT_EQ(again.plain, document.plain);
    } catch (const Error &error) {
      ADD_FAILURE() << c.objects << ": " << error.message << " " << error.detail;
    }
  }
}

TEST(SyncConfigDocumentTest, RefusesWhatCannotBe) {
  struct Case {
    std::string objects, message, sqlstate;
  };
  const std::string lead = R"("standard_objects":[{"object":"Lead",)";
  const std::string path = "\"standard_objects[0].";
  const std::string long_name(64, 'x');
  for (const Case &c : std::vector<Case>{
           {R"("common_objects":[{"object":"deal"}])",
            "\"common_objects[0].object\" in sync config must be one of \"account\", \"contact\", "
            "\"lead\", \"opportunity\", \"user\"",
            "22023"},
           {R"("common_objects":[{"object":"account"},{"object":"account"}])",
            "\"common_objects[1].object\" in sync config names an object again", "22023"},
           {R"("common_objects":[{"object":"account","columns":"typed"}])",
            "\"common_objects[0].columns\" in sync config must be an array", "22023"},
           {R"("common_objects":[{"object":"account","schema":"named"}])",
            "\"common_objects[0].schema\" in sync config names a column again", "22023"},
           {R"("common_objects":[{"object":"account","columns":[{"field":"Name","as":"name"}]}])",
            "\"common_objects[0].columns\" in sync config names a column again", "22023"},
           {lead + R"("associations_to_fetch":["Contact"]}])",
            path + "associations_to_fetch\" in sync config is not offered by this version",
            "0A000"},
           {lead + R"("schema":"dael"}])", "schema \"dael\" does not exist in the application",
            "42704"},
           {lead + R"("columns":"all"}])",
            path + "columns\" in sync config must be an array or \"typed\"", "22023"},
           {lead + R"("columns":7}])",
            path + "columns\" in sync config must be an array or \"typed\"", "22023"},
           {lead + R"("columns":[{"as":"x"}]}])",
            "missing key " + path + "columns[0].field\" in sync config", "22023"},
           {lead + R"("columns":[{"feild":"x"}]}])",
            "unknown key " + path + "columns[0].feild\" in sync config", "22023"},
           {lead + R"("columns":["Id",{"field":"Name","as":"id"}]}])",
            path + "columns[1].as\" in sync config must not be \"id\"", "22023"},
           {lead + R"("columns":["ctid"]}])",
            path + "columns[0].field\" in sync config must not be \"ctid\"", "22023"},
           {lead + R"("columns":[{"field":"Name","as":"_supaglue_x"}]}])",
            path + "columns[0].as\" in sync config must not begin with \"_supaglue\"", "22023"},
           {lead + R"("columns":[")" + long_name + R"("]}])",
            path + "columns[0].field\" in sync config must not be longer than 63 bytes", "22023"},
           {lead + R"("columns":[{"field":"Name","type":"uuid"}]}])",
            path + "columns[0].type\" in sync config must be one of \"text\", \"boolean\", "
                   "\"bigint\", \"integer\", \"numeric\", \"double precision\", \"date\", "
                   "\"timestamptz\", \"jsonb\"",
            "22023"},
           {lead + R"("columns":["Name",{"field":"Title","as":"Name"}]}])",
            path + "columns\" in sync config names a column again", "22023"},
           {lead + R"("schema":"deal","columns":[{"field":"Name","as":"revenue"}]}])",
            path + "columns\" in sync config names a column again", "22023"},
           {lead + R"("fields":[]}])", path + "fields\" in sync config must not be empty", "22023"},
           {lead + R"("fields":["A","B"],"exclude_fields":["B"]}])",
            path + "exclude_fields\" in sync config and \"fields\" have a field in common",
            "22023"},
           {lead + R"("fields":["Name"],"columns":["Name","Phone"]}])",
            path + "columns[1].field\" in sync config is not in \"fields\" of the object", "22023"},
           {lead + R"("exclude_fields":["Phone"],"columns":["Phone"]}])",
            path + "columns[0].field\" in sync config is in \"exclude_fields\" of the object",
            "22023"},
           {lead + R"("exclude_fields":["StageName"],"schema":"deal"}])",
            path + "schema\" in sync config is in \"exclude_fields\" of the object", "22023"},
           {R"("entities":[{"entity_name":"cra"}])",
            "entity \"cra\" does not exist in the application", "42704"},
           {R"("entities":[{"entity_id":9}])", "entity \"9\" does not exist in the application",
            "42704"},
           {R"("entities":[{"entity_id":8},"car"])",
            "\"entities[1]\" in sync config names an entity again", "22023"},
           {R"("entities":[{"entity_id":8,"entity_name":"car"}])",
            "\"entities[0].entity_id\" and \"entities[0].entity_name\" in sync config exclude each "
            "other",
            "22023"},
           {R"("entities":[{"entity_name":"car","columns":"typed"}])",
            "unknown key \"entities[0].columns\" in sync config", "22023"},
           {R"("entities":[{}])", "missing key \"entities[0].entity_id\" in sync config", "22023"},
       }) {
    try {
      read(with(c.objects));
      ADD_FAILURE() << "accepted: " << c.objects;
    } catch (const Error &error) {
      EXPECT_EQ(error.message, c.message);
      EXPECT_EQ(error.sqlstate, c.sqlstate) << c.objects;
    }
  }
}

// Until the provider and the application are known, names are taken as they are.
TEST(SyncConfigDocumentTest, ReadsWithoutKnowingTheApplication) {
  Document document = read_sync_config(
      with(R"("common_objects":[{"object":"x"}],"standard_objects":[{"object":"a","schema":"s"}],
              "entities":[{"entity_id":1},{"entity_id":2}])"));
  EXPECT_EQ(document.plain["objects"].size(), 4U);
}

TEST(SyncConfigDocumentTest, PatchesEachListOfObjects) {
  Document stored = read(with(
      R"("common_objects":[{"object":"account"}],"standard_objects":[{"object":"Lead"}],
         "custom_objects":[{"object":"A"}],"entities":["car"])"));
  Document changed = read(patched("sync config", stored, R"({"common_objects":null,
      "entities":[{"entity_id":7}],"standard_objects":[{"object":"Lead","schema":"deal"}]})"));
  EXPECT_EQ(objects_of(changed), Json::parse(R"([
      {"object_type":"standard","object":"Lead","schema":"deal"},
      {"object_type":"custom","object":"A__c"},{"object_type":"entity","object":"ticket"}])"));
}

}  // namespace
}  // namespace supaglue
