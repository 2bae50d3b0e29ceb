// simulator: what an org says about its objects: fields, types, and the describe documents.
// Holds no records.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace simulator {

// How a generated record gets the value of a field.
enum class Maker : std::uint8_t {
  none,
  boolean,
  city,
  company,
  country,
  country_code,
  date,
  datetime,
  email,
  first_name,
  integer,
  last_name,
  latitude,
  longitude,
  money,
  percent,
  phone,
  picklist,
  postal_code,
  reference,
  sentence,
  state,
  state_code,
  street,
  time,
  title,
  url,
  word
};

// Where the value of a field comes from when nobody has set it.
enum class Role : std::uint8_t {
  plain,
  id,
  is_deleted,
  created_date,
  modified_date,
  system_user,
  auto_number,
  full_name,
  compound,
  formula,
  blob
};

struct Field {
  std::string name, label, type = "string";
  int length = 0, precision = 0, scale = 0;
  bool custom = false, nillable = true, unique = false, external_id = false, auto_number = false;
  bool filterable = true, sortable = true, groupable = true, writable = true;
  std::vector<std::string> reference_to;
  std::string relationship;  // Owner for OwnerId
  std::string compound;      // the compound field that it is a part of
  std::vector<std::string> picklist;
  std::string formula;
  bool calculated = false;
  Maker maker = Maker::none;
  Role role = Role::plain;
  std::uint64_t salt = 0;

  bool is_numeric() const;
  bool is_compound() const { return type == "address" || type == "location"; }
  bool is_id() const { return type == "id" || type == "reference"; }
};

struct Schema {
  std::string name, label, plural, prefix;
  bool custom = false;
  std::int64_t changed_ms = 0;
  std::vector<Field> fields;

  const Field *find(std::string_view name_in_any_case) const;
  const Field *find_relationship(std::string_view name_in_any_case) const;
  void add(Field field);  // with all that follows from its name and type; a namesake is left alone
  bool remove(std::string_view field_name);
  void reindex();

 private:
  std::unordered_map<std::string, size_t> index_;
};

// Account, Contact, Lead, Opportunity, Case, User and MyCustomObject__c.
const std::vector<std::shared_ptr<const Schema>> &standard_schemas();

// A custom object with its system fields and Name only.
Schema custom_schema(const std::string &name, const std::string &label, const std::string &prefix);

// A field from a document in describe's words or in the Metadata API's.
Field field_from_json(const nlohmann::json &document);
// A location's own fields, which the Metadata API does not list.
void add_with_parts(Schema &schema, Field field);

std::string describe_entry(const Schema &schema,
                           const std::string &base);  // one of global describe
std::string describe_object(const Schema &schema, const std::string &base,
                            const std::vector<const Schema *> &all);

}  // namespace simulator
