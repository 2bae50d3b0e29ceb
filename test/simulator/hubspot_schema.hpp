// simulator: what a HubSpot account says about its kinds of object: their names and properties.
// Holds no records.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace simulator::hubspot {

// How a generated record gets the value of a property.
enum class Maker : unsigned char {
  none,
  boolean,
  city,
  closed,
  company,
  country,
  created,
  date,
  datetime,
  decimal,
  domain,
  email,
  first_name,
  full_name,
  id,
  integer,
  last_name,
  modified,
  option,
  options,
  owner,
  phone,
  pipeline,
  probability,
  sentence,
  stage,
  state,
  street,
  title,
  website,
  won,
  word,
  zip
};

struct Property {
  std::string name, type = "string", field_type = "text", label, group;
  std::vector<std::pair<std::string, std::string>> options;  // value, label
  Maker maker = Maker::none;
  bool defined_by_hubspot = true, calculated = false, read_only = false, unique = false,
       hidden = false, archived = false;
  std::uint64_t salt = 0;

  bool is_owner() const { return maker == Maker::owner; }
};

struct ObjectType {
  std::string name, singular, type_id;  // contacts, contact, 0-1
  std::string fully_qualified;          // of a custom one: p123_cars
  bool custom = false;
  unsigned long first_id = 1;
  std::string created = "hs_createdate", modified = "hs_lastmodifieddate";
  std::vector<std::string> shown;  // properties of an answer when none are asked for
  std::string owner_scope;         // what an application must have been granted to read them
  std::vector<Property> properties;

  const Property *find(std::string_view property) const;
  bool is_called(std::string_view text) const;  // in any of the ways that an address has for it
};

// A number that looks like an account's and follows from its name.
unsigned long hub_id_of(const std::string &org);

// contacts, companies, deals, tickets, the custom object cars, and owners, which have no properties
// API but are kept like the others.
std::vector<ObjectType> standard_types(unsigned long hub_id);
ObjectType custom_type(const std::string &name, unsigned long hub_id, size_t number);

// From a document as the properties API takes it; throws std::invalid_argument.
Property property_from_json(const nlohmann::json &document);

// The pipelines that an account has from the start, as the API writes them.
const nlohmann::json &standard_pipelines(const std::string &type);

}  // namespace simulator::hubspot
