// simulator: SOQL's syntax and meaning, as Salesforce documents them, on an org of six contacts.
#include <gtest/gtest.h>

#include "query.hpp"

namespace simulator {
namespace {

// 2024-05-15T10:00:00Z, a Wednesday
const std::int64_t now = *parse_datetime("2024-05-15T10:00:00Z");

class Soql : public testing::Test {
 protected:
  Soql() : org_("test", 1) {
    for (const auto &schema : standard_schemas())
      org_.add_table(schema, schema->name == "User" ? 2 : 0);
    Table &accounts = *org_.find("Account");
    const RowNumber acme = accounts.insert({{"Name", Value::of("Acme")}}, now);
    const Value acme_id = Value::of(accounts.id(acme));
    add({{"LastName", Value::of("Alpha")},
         {"AccountId", acme_id},
         {"Department", Value::of("Sales")}});
    add({{"LastName", Value::of("bravo")}, {"Department", Value::of("sales")}});
    add({{"LastName", Value::of("Charlie")}, {"Department", Value::of("100%_R\\D")}});
    add({{"LastName", Value::of("O'Neil")}, {"Birthdate", Value::of("2024-05-14")}});
    add({{"LastName", Value::of("Echo")},
         {"Birthdate", Value::of("2024-05-01")},
         {"MailingLatitude", Value::number("10")}});
    add({{"LastName", Value::of("Foxtrot")}, {"MailingLatitude", Value::number("9.5")}});
    Table &custom = *org_.find("MyCustomObject__c");
    custom.insert({{"Name", Value::of("one")}, {"Tags__c", Value::of("Alpha;Beta")}}, now);
    custom.insert({{"Name", Value::of("two")}, {"Tags__c", Value::of("Beta")}}, now);
    custom.insert({{"Name", Value::of("three")}}, now);
  }

  void add(Values values) { org_.find("Contact")->insert(std::move(values), now); }

  // The last names, or names, that a query finds, in its order.
  std::string find(const std::string &soql, bool with_deleted = false) {
    const Query query(org_, soql, now);
    const Schema &schema = query.table().schema();
    const Field *name = schema.find("LastName");
    if (!name) name = schema.find("Name");
    std::string names;
    for (const RowNumber row : query.run(with_deleted))
      names += (names.empty() ? "" : " ") + query.table().get(row, *name).text;
    return names;
  }
  std::string where(const std::string &condition) {
    return find("SELECT Id FROM Contact WHERE " + condition);
  }
  std::string tagged(const std::string &condition) {
    return find("SELECT Id FROM MyCustomObject__c WHERE Tags__c " + condition);
  }
  std::string error(const std::string &soql) {
    try {
      Query(org_, soql, now);
    } catch (const ApiError &refused) {
      return refused.code + refused.what();
    }
    return "none";
  }
  std::string code(const std::string &soql) {
    const std::string text = error(soql);
    return text.substr(0, text.find('\n'));
  }

  Org org_;
};

TEST_F(Soql, EqualityIgnoresCaseAndTrailingBlanks) {
  EXPECT_EQ(where("Department = 'SALES'"), "Alpha bravo");
  EXPECT_EQ(where("LastName = 'alpha '"), "Alpha");
  EXPECT_EQ(where("LastName = 'O\\'Neil'"), "O'Neil");
  EXPECT_EQ(where("LastName IN ('echo', 'ALPHA')"), "Alpha Echo");
}

TEST_F(Soql, InequalityIncludesNulls) {
  EXPECT_EQ(where("Department != 'sales'"), "Charlie O'Neil Echo Foxtrot");
  EXPECT_EQ(where("Department NOT IN ('sales')"), "Charlie O'Neil Echo Foxtrot");
  EXPECT_EQ(where("(NOT Department LIKE 's%')"), "Charlie O'Neil Echo Foxtrot");
  EXPECT_EQ(where("Department = null"), "O'Neil Echo Foxtrot");
  EXPECT_EQ(where("Department = ''"), "O'Neil Echo Foxtrot");
  EXPECT_EQ(where("Department <> NULL"), "Alpha bravo Charlie");
}

TEST_F(Soql, OrderingExcludesNullsAndIsNumericForNumbers) {
  EXPECT_EQ(where("MailingLatitude < 100"), "Echo Foxtrot");
  EXPECT_EQ(where("MailingLatitude > 9.5"), "Echo");
  EXPECT_EQ(where("LastName >= 'e' AND LastName < 'g'"), "Echo Foxtrot");
}

TEST_F(Soql, LikeKnowsWildcardsAndEscapes) {
  EXPECT_EQ(where("LastName LIKE '_r%'"), "bravo");
  EXPECT_EQ(where("LastName LIKE '%O'"), "bravo Echo");
  EXPECT_EQ(where("Department LIKE '100\\%\\_R\\\\D'"), "Charlie");
  EXPECT_EQ(where("Department LIKE '%\\%\\%%'"), "");
}

TEST_F(Soql, MultipicklistsIncludeAllOfOneChoice) {
  EXPECT_EQ(tagged("INCLUDES ('Alpha;Beta')"), "one");
  EXPECT_EQ(tagged("INCLUDES ('Alpha', 'Beta')"), "one two");
  EXPECT_EQ(tagged("EXCLUDES ('Alpha')"), "two three");
}

TEST_F(Soql, DatesAndTheirWords) {
  EXPECT_EQ(where("Birthdate = YESTERDAY"), "O'Neil");
  EXPECT_EQ(where("Birthdate = THIS_MONTH"), "O'Neil Echo");
  EXPECT_EQ(where("Birthdate < LAST_N_DAYS:7"), "Echo");
  EXPECT_EQ(where("Birthdate = 2024-05-01"), "Echo");
  EXPECT_EQ(where("Birthdate = LAST_WEEK"), "");
  EXPECT_EQ(where("CreatedDate = TODAY AND LastName = 'Echo'"), "Echo");
  EXPECT_EQ(where("CreatedDate >= 2024-05-15T12:00:00.000+02:00 AND LastName LIKE 'A%'"), "Alpha");
  EXPECT_EQ(where("SystemModstamp > 2024-05-15T10:00:00Z"), "");
}

TEST_F(Soql, AndOrNeedParentheses) {
  EXPECT_EQ(where("LastName = 'Echo' OR (LastName = 'Alpha' AND Department = 'sales')"),
            "Alpha Echo");
  EXPECT_EQ(code("SELECT Id FROM Contact WHERE Id = null OR Id = null AND Id = null"),
            "MALFORMED_QUERY");
}

TEST_F(Soql, ParentsAreReached) {
  EXPECT_EQ(where("Account.Name = 'acme'"), "Alpha");
  EXPECT_EQ(where("Account.Name != 'acme'"), "bravo Charlie O'Neil Echo Foxtrot");
  EXPECT_EQ(find("SELECT c.Id, Contact.Name FROM Contact c WHERE c.Account.Owner.Name != null"),
            "Alpha");
}

TEST_F(Soql, OrderLimitOffset) {
  EXPECT_EQ(find("SELECT Id FROM Contact ORDER BY LastName DESC LIMIT 2"), "O'Neil Foxtrot");
  EXPECT_EQ(find("SELECT Id FROM Contact ORDER BY Birthdate NULLS LAST, LastName LIMIT 3"),
            "Echo O'Neil Alpha");
  EXPECT_EQ(find("SELECT Id FROM Contact ORDER BY MailingLatitude DESC NULLS LAST LIMIT 2"),
            "Echo Foxtrot");
  EXPECT_EQ(find("SELECT Id FROM Contact ORDER BY Id LIMIT 2 OFFSET 3"), "O'Neil Echo");
  EXPECT_EQ(code("SELECT Id FROM Contact OFFSET 2001"), "NUMBER_OUTSIDE_VALID_RANGE");
}

TEST_F(Soql, IdsAreOfFifteenOrEighteenCharacters) {
  const std::string id = org_.find("Contact")->id(4);
  EXPECT_EQ(where("Id = '" + id + "'"), "Echo");
  EXPECT_EQ(where("Id = '" + id.substr(0, 15) + "'"), "Echo");
  EXPECT_EQ(where("Id > '" + id + "'"), "Foxtrot");
  EXPECT_EQ(code("SELECT Id FROM Contact WHERE Id = '12'"), "INVALID_QUERY_FILTER_OPERATOR");
}

TEST_F(Soql, DeletedOnesAreSeenOnlyWhenAsked) {
  org_.find("Contact")->remove(0, now, false);
  org_.find("Contact")->remove(1, now, true);
  EXPECT_EQ(where("Department LIKE 'sales'"), "");
  EXPECT_EQ(find("SELECT Id FROM Contact WHERE Department = 'sales'", true), "Alpha");
  EXPECT_EQ(find("SELECT Id FROM Contact WHERE IsDeleted = true", true), "Alpha");
}

TEST_F(Soql, Groups) {
  const Query query(org_,
                    "SELECT Department d, COUNT(Id), MAX(LastName) m FROM Contact "
                    "GROUP BY Department ORDER BY COUNT(Id) DESC LIMIT 1",
                    now);
  EXPECT_TRUE(query.is_aggregate() && !query.is_count());
  EXPECT_EQ(code("SELECT Name, COUNT(Id) FROM Contact GROUP BY Department"), "MALFORMED_QUERY");
  const Query plain(org_,
                    "SELECT Department, COUNT(Id), MAX(LastName) m FROM Contact "
                    "WHERE Department = 'sales' GROUP BY Department",
                    now);
  ASSERT_EQ(plain.run_aggregate(false).size(), 1u);
  EXPECT_EQ(
      plain.run_aggregate(false)[0],
      R"({"attributes":{"type":"AggregateResult"},"Department":"Sales","expr0":2,"m":"bravo"})");
}

TEST_F(Soql, RecordsAreWrittenAsSalesforceDoes) {
  const Query query(org_,
                    "SELECT Id, MailingLatitude, Account.Name, MailingAddress, Birthdate "
                    "FROM Contact WHERE LastName = 'Echo'",
                    now);
  std::string out;
  query.append_record(out, query.run(false).at(0), "/b");
  const std::string id = org_.find("Contact")->id(4);
  EXPECT_EQ(out, R"({"attributes":{"type":"Contact","url":"/b/sobjects/Contact/)" + id +
                     R"("},"Id":")" + id +
                     R"(","MailingLatitude":10.0,"Account":null,"MailingAddress":{"street":null,)"
                     R"("city":null,"state":null,"postalCode":null,"country":null,"latitude":10.0,)"
                     R"("longitude":null,"geocodeAccuracy":null},"Birthdate":"2024-05-01"})");
}

TEST_F(Soql, NumbersLookLikeJavas) {
  const auto written = [](const char *decimal) {
    std::string out;
    append_java_double(out, decimal);
    return out;
  };
  EXPECT_EQ(written("25"), "25.0");
  EXPECT_EQ(written("-0.50"), "-0.5");
  EXPECT_EQ(written("9999999.99"), "9999999.99");
  EXPECT_EQ(written("139000000"), "1.39E8");
  EXPECT_EQ(written("10000000"), "1.0E7");
}

TEST_F(Soql, ErrorsPointAtTheirPlace) {
  EXPECT_EQ(error("SELECT Nme FROM Contact").substr(0, 70),
            "INVALID_FIELD\nSELECT Nme FROM Contact\n       ^\nERROR at Row:1:Column:8");
  EXPECT_EQ(code("SELECT Id FROM Nothing"), "INVALID_TYPE");
  EXPECT_EQ(code("SELECT Id FORM Contact"), "MALFORMED_QUERY");
  EXPECT_EQ(code("SELECT Id FROM Contact WHERE"), "MALFORMED_QUERY");
  EXPECT_EQ(code("SELECT Id FROM Contact WHERE Name = 'x"), "MALFORMED_QUERY");
  EXPECT_EQ(code("SELECT Id, id FROM Contact"), "INVALID_FIELD");
  EXPECT_EQ(code("SELECT Id FROM Contact WHERE CreatedDate > 2024-01-01"), "INVALID_FIELD");
  EXPECT_EQ(code("SELECT Id FROM Contact WHERE Description = 'x'"), "INVALID_FIELD");
  EXPECT_EQ(code("SELECT Id FROM Contact WHERE OwnerId LIKE '005%'"),
            "INVALID_QUERY_FILTER_OPERATOR");
  EXPECT_EQ(code("SELECT Nope.Name FROM Contact"), "INVALID_FIELD");
  EXPECT_EQ(code("SELECT FIELDS(ALL) FROM Contact"), "MALFORMED_QUERY");
  EXPECT_EQ(code("SELECT FIELDS(ALL) FROM Contact LIMIT 200"), "none");
}

TEST(Generated, RecordsFollowFromTheSeed) {
  const auto text = [](std::uint64_t seed) {
    World::Options options;
    options.seed = seed;
    options.records["Contact"] = 100;
    World world(options);
    const Org &org = world.create("acme");
    const Query query(org, "SELECT FIELDS(STANDARD) FROM Contact LIMIT 50", now);
    std::string out;
    for (const RowNumber row : query.run(false)) query.append_record(out, row, "");
    return out;
  };
  EXPECT_EQ(text(1), text(1));
  EXPECT_NE(text(1), text(2));
}

}  // namespace
}  // namespace simulator
