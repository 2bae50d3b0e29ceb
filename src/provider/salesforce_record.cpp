// pure: the one form of Salesforce's records; see salesforce_record.hpp.
#include "provider/salesforce_record.hpp"

#include <optional>

#include "stamp.hpp"

#include "pure.hpp"

namespace supaglue {

void SalesforceRecords::begin() {
  place_ = 0;
  page.begin();
}

const SalesforceRecords::Role &SalesforceRecords::role_of(std::string_view key) {
  if (place_ == roles_.size()) roles_.emplace_back();
  Role &role = roles_[place_++];
  if (role.key != key || key.empty())
    role = {std::string(key),
            key == fields_.id,
            key == fields_.stamp,
            key == fields_.deleted,
            fields_.stamps.contains(key),
            fields_.untyped.contains(key)};
  // Of a key that comes twice the last value stands, as it does for jsonb.
  if (role.is_id) page.known.id = {};
  if (role.is_stamp) page.known.modified = {};
  if (role.is_deleted) page.known.deleted = false;
  return role;
}

void SalesforceRecords::put_null(std::string_view key) {
  role_of(key);
  page.record.add_null(key);
}

// Salesforce holds no empty texts.
void SalesforceRecords::put_text(std::string_view key, std::string_view text) {
  if (text.empty()) return put_null(key);
  const Role &role = role_of(key);
  if (role.is_id) page.known.id = text;
  if (role.holds_stamp) {
    if (const std::optional<int64_t> ms = read_stamp(text)) {
      text = page.record.keep(write_stamp(*ms));
      if (role.is_stamp) page.known.modified = text;
    }
  }
  page.record.add_string(key, text);
}

void SalesforceRecords::put_scalar(std::string_view key, std::string_view token) {
  const Role &role = role_of(key);
  if (role.is_deleted) page.known.deleted = token == "true";
  if (role.is_untyped && token != "null") return page.record.add_string(key, token);
  add_scalar(page.record, key, token);
}

}  // namespace supaglue
