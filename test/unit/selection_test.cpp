// pure: what SOQL is made of a selection: never a condition that loses a record, and `exact` only
// where Postgres would say the same.
#include <gtest/gtest.h>

#include "provider/soql.hpp"

#include "pure.hpp"

using namespace supaglue;
using Kind = Filter::Kind;
using Op = Filter::Op;

namespace {

SoqlObject object() {
  SoqlObject known;
  known.id_field = "Id";
  known.stamp_field = "SystemModstamp";
  const auto add = [&](const char *name, const char *type, int scale) {
    known.fields.push_back({name, type, scale});
  };
  add("Name", "string", -1);
  add("Amount", "currency", 2);
  add("Formula", "double", -1);
  add("Count", "int", 0);
  add("Large", "long", 0);
  add("Flag", "boolean", -1);
  add("Day", "date", -1);
  add("SystemModstamp", "datetime", -1);
  add("OwnerId", "reference", -1);
  add("Tags", "multipicklist", -1);
  known.fields.push_back({"Notes", "textarea", -1, false, false});
  return known;
}

Filter leaf(Kind kind, const char *field, ValueType type, std::vector<std::string> values = {},
            Op op = Op::kEqual) {
  return {kind, {}, {SelectedColumn::Role::kField, field, type}, op, std::move(values)};
}
Filter compare(const char *field, ValueType type, Op op, const char *value) {
  return leaf(Kind::kCompare, field, type, {value}, op);
}

// "text" when it is exact, "text ~" when it admits more.
std::string soql(const Filter &filter) {
  const SoqlCondition condition = soql_condition(object(), filter);
  const std::string text = condition.kind == SoqlCondition::Kind::kAlways  ? "always"
                           : condition.kind == SoqlCondition::Kind::kNever ? "never"
                                                                           : condition.text;
  return text + (condition.exact ? "" : " ~");
}

TEST(Selection, TextsAreFoundByEqualityAloneAndCheckedAgain) {
  const auto name = [](Op op, const char *value) {
    return soql(compare("Name", ValueType::kText, op, value));
  };
  EXPECT_EQ(name(Op::kEqual, "O'Neil \\ co"), R"(Name = 'O\'Neil \\ co' ~)");
  EXPECT_EQ(name(Op::kEqual, ""), "never");
  EXPECT_EQ(name(Op::kNotEqual, "acme"), "Name != null ~");
  EXPECT_EQ(name(Op::kLess, "acme"), "Name != null ~");
  EXPECT_EQ(name(Op::kEqual, " acme"), "Name != null ~");
  EXPECT_EQ(name(Op::kEqual, "acme "), "Name != null ~");
  EXPECT_EQ(name(Op::kEqual, "a\nb"), "Name != null ~");
  EXPECT_EQ(name(Op::kEqual, "\xEF\xBF\xBD"), "Name != null ~");
  EXPECT_EQ(soql(leaf(Kind::kAmong, "Name", ValueType::kText, {"a", "", "b"})),
            "Name IN ('a', 'b') ~");
  EXPECT_EQ(soql(leaf(Kind::kNotAmong, "Name", ValueType::kText, {"a"})), "Name != null ~");
  EXPECT_EQ(soql(leaf(Kind::kNull, "Name", ValueType::kText)), "Name = null");
}

TEST(Selection, PrefixesEndAtTheFirstSpecialCharacter) {
  const auto like = [](const char *pattern) {
    return soql(leaf(Kind::kBeginsWith, "Name", ValueType::kText, {pattern}));
  };
  EXPECT_EQ(like("ab%"), "Name LIKE 'ab%' ~");
  EXPECT_EQ(like("a_b%c"), "Name LIKE 'a%' ~");
  EXPECT_EQ(like("a\\%%"), "Name LIKE 'a%' ~");
  EXPECT_EQ(like("a %"), "Name LIKE 'a%' ~");
  EXPECT_EQ(like("%a"), "Name != null ~");
  EXPECT_EQ(like(" %"), "Name != null ~");
  EXPECT_EQ(like("ab"), "Name = 'ab' ~");
}

TEST(Selection, NumbersAreExactAsFarAsDoublesAre) {
  const auto amount = [](Op op, const char *value) {
    return soql(compare("Amount", ValueType::kNumber, op, value));
  };
  EXPECT_EQ(amount(Op::kMore, "1000.50"), "Amount > 1000.5");
  EXPECT_EQ(amount(Op::kNotEqual, "0"), "Amount != 0 AND Amount != null");
  EXPECT_EQ(amount(Op::kEqual, "-0.0"), "Amount = 0");
  EXPECT_EQ(amount(Op::kLess, "10000000000000"), "Amount <= 10000000000000.099609 ~");
  EXPECT_EQ(amount(Op::kEqual, "NaN"), "Amount != null ~");
  EXPECT_EQ(amount(Op::kLess, "1e20"), "Amount != null ~");
  EXPECT_EQ(soql(compare("Formula", ValueType::kNumber, Op::kAtLeast, "1")),
            "Formula >= 0.999999 ~");
  EXPECT_EQ(soql(compare("Count", ValueType::kSmall, Op::kLess, "3000000000")), "Count != null ~");
  EXPECT_EQ(soql(compare("Count", ValueType::kNumber, Op::kLess, "2.5")), "Count != null ~");
  EXPECT_EQ(soql(compare("Large", ValueType::kWhole, Op::kEqual, "9007199254740993")),
            "Large != null ~");
  // What does not fit the reader's column is NULL for him.
  EXPECT_EQ(soql(leaf(Kind::kNull, "Amount", ValueType::kWhole)), "always ~");
  EXPECT_EQ(soql(leaf(Kind::kNotNull, "Amount", ValueType::kWhole)), "Amount != null ~");
  EXPECT_EQ(soql(leaf(Kind::kNull, "Count", ValueType::kSmall)), "Count = null");
}

TEST(Selection, MomentsAreOfWholeSeconds) {
  const auto moment = [](Op op, const char *value) {
    return soql(compare("SystemModstamp", ValueType::kMoment, op, value));
  };
  EXPECT_EQ(moment(Op::kLess, "2024-01-02T03:04:05+00:00"),
            "SystemModstamp < 2024-01-02T03:04:05Z");
  EXPECT_EQ(moment(Op::kLess, "2024-01-02T03:04:59.5+00:00"),
            "SystemModstamp <= 2024-01-02T03:05:00Z ~");
  EXPECT_EQ(moment(Op::kMore, "2024-01-02T03:04:05.5+00:00"),
            "SystemModstamp >= 2024-01-02T03:04:05Z ~");
  EXPECT_EQ(moment(Op::kLess, "infinity"), "SystemModstamp != null ~");
  EXPECT_EQ(soql(compare("Day", ValueType::kDate, Op::kAtLeast, "2024-02-29")),
            "Day >= 2024-02-29");
  EXPECT_EQ(soql(compare("Day", ValueType::kDate, Op::kAtLeast, "0044-03-15 BC")), "Day != null ~");
  EXPECT_EQ(soql(compare("Day", ValueType::kMoment, Op::kAtLeast, "2024-01-02T03:04:05+00:00")),
            "Day != null ~");
}

TEST(Selection, IdsAreExactWhenTheyAreIds) {
  const auto owner = [](Op op, const char *value) {
    return soql(compare("OwnerId", ValueType::kText, op, value));
  };
  EXPECT_EQ(owner(Op::kEqual, "005000000000001AAA"), "OwnerId = '005000000000001AAA'");
  EXPECT_EQ(owner(Op::kEqual, "005000000000001AAB"), "OwnerId = '005000000000001AAB' ~");
  EXPECT_EQ(owner(Op::kNotEqual, "005000000000001AAB"), "OwnerId != null ~");
  EXPECT_EQ(owner(Op::kEqual, "005000000000001"), "never");
  EXPECT_EQ(owner(Op::kNotEqual, "nonsense"), "OwnerId != null");
  EXPECT_EQ(owner(Op::kLess, "005000000000001AAA"), "OwnerId != null ~");
}

TEST(Selection, WhatCannotBeToldIsLeftOutOnlyWhereThatLosesNothing) {
  const Filter unknown = {Kind::kUnknown, {}, {}, Op::kEqual, {}};
  const Filter flag = compare("Flag", ValueType::kBoolean, Op::kEqual, "true");
  const Filter missing = compare("Missing", ValueType::kText, Op::kEqual, "x");
  const Filter notes = compare("Notes", ValueType::kText, Op::kEqual, "x");
  const auto of = [](Kind kind, std::vector<Filter> parts) {
    return Filter{kind, std::move(parts), {}, Op::kEqual, {}};
  };
  EXPECT_EQ(soql(of(Kind::kAll, {unknown, flag})), "Flag = true ~");
  EXPECT_EQ(soql(of(Kind::kAny, {unknown, flag})), "always ~");
  EXPECT_EQ(soql(of(Kind::kAny, {missing, flag})), "always ~");
  EXPECT_EQ(soql(of(Kind::kAny, {notes, flag})), "always ~");
  EXPECT_EQ(soql(of(Kind::kAny, {Filter::never(), flag})), "Flag = true");
  EXPECT_EQ(soql(of(Kind::kAny, {Filter::always(), unknown})), "always");
  EXPECT_EQ(soql(of(Kind::kAll, {Filter::never(), unknown})), "never");
  EXPECT_EQ(soql(compare("Tags", ValueType::kText, Op::kEqual, "x")), "Tags != null ~");
  const Filter day = leaf(Kind::kNull, "Day", ValueType::kDate);
  EXPECT_EQ(soql(of(Kind::kAll, {flag, of(Kind::kAny, {flag, of(Kind::kAll, {flag, day})})})),
            "Flag = true AND (Flag = true OR (Flag = true AND Day = null))");
}

TEST(Selection, OrdersAreExactOrNotAtAll) {
  const auto order = [](const char *field, ValueType type) {
    return soql_order(object(), {{{SelectedColumn::Role::kField, field, type}, true, false}});
  };
  EXPECT_EQ(order("Amount", ValueType::kNumber), "Amount DESC NULLS LAST");
  EXPECT_EQ(order("Day", ValueType::kDate), "Day DESC NULLS LAST");
  EXPECT_EQ(order("Name", ValueType::kText), "");
  EXPECT_EQ(order("Amount", ValueType::kWhole), "");
  EXPECT_EQ(order("Large", ValueType::kWhole), "");
  EXPECT_EQ(order("Missing", ValueType::kNumber), "");
}

TEST(Selection, AnIdEndsWithTheCapitalsOfItsCharacters) {
  EXPECT_TRUE(is_salesforce_id("001abcdefABCDEFAQ5"));
  EXPECT_FALSE(is_salesforce_id("001abcdefABCDEFAQA"));
  EXPECT_FALSE(is_salesforce_id("001abcdefABCDEF"));
}

}  // namespace
