// pure: writes Salesforce's records into a page in the one form that they have from here on, field
// by field, whichever format they came in. It knows what the fields stand for and nothing of
// answers.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "page.hpp"

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

class SalesforceRecordWriter {
 public:
  /// `bytes`: about what the records will take.
  SalesforceRecordWriter(const SalesforceFields &fields, size_t bytes) : fields_(fields) {
    page_.storage.reserve(bytes + 64);
  }

  void begin();
  void put_null(std::string_view key);
  /// A JSON string with its quotes, valid UTF-8 without control characters. False when an escape in
  /// it is none of JSON's.
  bool put_json_string(std::string_view key, std::string_view token);
  /// Any text, valid UTF-8.
  void put_text(std::string_view key, std::string_view text);
  /// A number, true, false or null, as JSON spells it. What is beyond a number of Postgres is text.
  void put_scalar(std::string_view key, std::string_view token);
  /// Keeps the record that began, or sets it aside.
  void end();
  /// Something that is no record.
  void reject(const std::string &reason, std::string_view received);
  /// The page with all that was written; the writer is done.
  Page finish();

 private:
  // Views cannot be taken while the storage still grows.
  struct Span {
    size_t at = 0;
    size_t length = 0;
  };
  struct Spans {
    Span raw, id, modified;
    bool deleted = false;
    std::string unfit;  // why the record cannot be kept
  };
  /// What a field stands for.
  struct Role {
    std::string key;
    bool is_id, is_stamp, is_deleted;  // of the record
    bool holds_stamp, is_untyped;
  };

  const Role &role_of(std::string_view key);
  const Role &put_key(std::string_view key);
  bool put_stamp(const Role &role, std::string_view text);
  void put_string_from(const Role &role, size_t at);

  const SalesforceFields &fields_;
  std::vector<Role> roles_;  // by place in the record: all have their fields in one order
  size_t place_ = 0;
  Page page_;
  Spans record_;
  std::vector<Spans> records_;
};

}  // namespace supaglue
