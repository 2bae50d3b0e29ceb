// Unit tests of the types of hoisted columns. What the SQL does is tested by sql/projections.sql.
#include "column_type.hpp"

#include <gtest/gtest.h>

#include "common_schema.hpp"
#include "connector.hpp"

namespace supaglue {
namespace {

TEST(ColumnType, HasOneSpelling) {
  EXPECT_EQ(column_type("String"), "text");
  EXPECT_EQ(column_type("timestamp with time zone"), "timestamptz");
  EXPECT_EQ(column_type("int8"), "bigint");
  EXPECT_FALSE(column_type("bytea"));
  EXPECT_FALSE(column_type(""));
  for (const std::string &type : column_types()) EXPECT_EQ(column_type(type), type);
}

TEST(ColumnType, TextAndJsonAlwaysFit) {
  EXPECT_EQ(fitting_value("text", "x"), "x");
  EXPECT_EQ(fitting_value("text COLLATE \"C\"", "x"), "x");
  EXPECT_EQ(fitting_value("jsonb", "x"), "x");
  for (const std::string &type : column_types())
    EXPECT_EQ(fits_always(type), type == "text" || type == "jsonb") << type;
}

TEST(CommonSchema, KnowsTheObjectsOfACategory) {
  EXPECT_EQ(common_objects("crm"),
            (std::vector<std::string>{"account", "contact", "lead", "opportunity", "user"}));
  ASSERT_NE(common_object("crm", "opportunity"), nullptr);
  EXPECT_STREQ(common_object("crm", "opportunity")->table, "crm_opportunities");
  EXPECT_EQ(common_object("crm", "Contact"), nullptr);
  EXPECT_EQ(common_object("engagement", "contact"), nullptr);
}

TEST(Connector, FindsFieldsInRecords) {
  const auto connector = Connector::builtin("salesforce");
  EXPECT_EQ(connector->field_path("Name"), std::vector<std::string>{"Name"});
  EXPECT_EQ(connector->field_path("/a/b~1c"), (std::vector<std::string>{"a", "b/c"}));
  EXPECT_EQ(connector->type_of("currency"), "numeric");
  EXPECT_EQ(connector->type_of("picklist"), "text");
  EXPECT_EQ(connector->common_objects.at("contact").object, "Contact");
}

}  // namespace
}  // namespace supaglue
