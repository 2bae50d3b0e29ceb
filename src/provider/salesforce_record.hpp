// pure: makes Salesforce's records in the one form that they have from here on, field by field,
// whichever format they came in. It knows what the fields stand for and nothing of answers.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "page_writer.hpp"

#include "pure.hpp"

namespace supaglue {

/// What must be known of the object's fields to write its records.
struct SalesforceFields {
  using Names = std::set<std::string, std::less<>>;
  std::string id;
  std::string stamp;    // empty: the object has none
  std::string deleted;  // empty: the object has none
  Names stamps;         // every field that holds a date and time
  Names booleans, numbers;
  Names untyped;  // whose type differs from record to record: always kept as text
};

/// Keys and texts are borrowed until the record ends.
class SalesforceRecords {
 public:
  explicit SalesforceRecords(const SalesforceFields &fields) : fields_(fields) {}

  PageWriter page;

  void begin();
  void put_null(std::string_view key);
  /// A text that Postgres can hold.
  void put_text(std::string_view key, std::string_view text);
  /// A number, true, false or null, as JSON spells it.
  void put_scalar(std::string_view key, std::string_view token);
  void end() { page.end(fields_.id); }

 private:
  /// What a field stands for.
  struct Role {
    std::string key;
    bool is_id, is_stamp, is_deleted;  // of the record
    bool holds_stamp, is_untyped;
  };

  const Role &role_of(std::string_view key);

  const SalesforceFields &fields_;
  std::vector<Role> roles_;  // by place in the record: all have their fields in one order
  size_t place_ = 0;
};

}  // namespace supaglue
