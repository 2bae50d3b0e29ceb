// pure: what the pieces are measured with: contacts of about 1.4 kB, as the provider sends them.
#pragma once

#include <string>
#include <vector>

#include "provider/salesforce_record.hpp"

#include "pure.hpp"

namespace supaglue {

/// Of texts, numbers, booleans, stamps and nulls, one after the other: 48 fields.
inline std::string contact_value(int field, int record) {
  switch (field % 8) {
    case 0:
      return "null";
    case 1:
      return "\"2024-03-" + std::to_string(10 + record % 20) + "T10:20:30.000+0000\"";
    case 2:
      return record % 2 ? "true" : "false";
    case 3:
      return std::to_string(record % 1000) + ".25";
    default:
      return "\"a text of the contact's, number " + std::to_string(record) + "\"";
  }
}

inline std::string contact_name(int field) {
  static const char *const kinds[] = {"Empty", "Stamp", "Is",     "Amount",
                                      "Text",  "Name",  "Street", "Note"};
  return kinds[field % 8] + std::to_string(field);
}

inline std::string contact_id(int record) {
  const std::string number = std::to_string(record);
  return "003QP10000" + std::string(5 - number.size(), '0') + number + "YAA";
}

inline std::string contact_json(int record) {
  std::string json =
      R"({"attributes":{"type":"Contact","url":"/services/data/v62.0/sobjects/Contact/)" +
      contact_id(record) + R"("},"Id":")" + contact_id(record) +
      R"(","SystemModstamp":"2024-03-01T00:00:00.000+0000","IsDeleted":false)";
  for (int field = 0; field < 45; ++field)
    json += ",\"" + contact_name(field) + "\":" + contact_value(field, record);
  return json + "}";
}

/// A page of the query API.
inline std::string contacts_page(int records) {
  std::string page = "{\"totalSize\":" + std::to_string(records) + ",\"done\":true,\"records\":[";
  for (int record = 0; record < records; ++record)
    page += (record ? "," : "") + contact_json(record);
  return page + "]}";
}

inline SalesforceFields contact_fields() {
  SalesforceFields fields;
  fields.id = "Id";
  fields.stamp = "SystemModstamp";
  fields.deleted = "IsDeleted";
  fields.stamps = {"SystemModstamp"};
  for (int field = 1; field < 45; field += 8) {
    fields.stamps.insert(contact_name(field));
    fields.booleans.insert(contact_name(field + 1));
    fields.numbers.insert(contact_name(field + 2));
  }
  return fields;
}

}  // namespace supaglue
