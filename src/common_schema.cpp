// pure: the common schema; see common_schema.hpp. Lists are jsonb arrays of objects: addresses of
// {street_1, street_2, city, state, postal_code, country, address_type}, phone numbers of
// {phone_number, phone_number_type}, email addresses of {email_address, email_address_type}.
#include "common_schema.hpp"

#include "pure.hpp"

namespace supaglue {
namespace {

// Compared byte by byte, as the id column that it refers to.
constexpr const char *kReference = "text COLLATE \"C\"";

const std::vector<CommonObject> &objects() {
  static const std::vector<CommonObject> all = {
      {"crm",
       "account",
       "crm_accounts",
       {{"created_at", "timestamptz"},
        {"updated_at", "timestamptz"},
        {"name", "text"},
        {"description", "text"},
        {"industry", "text"},
        {"website", "text"},
        {"number_of_employees", "bigint"},
        {"addresses", "jsonb"},
        {"phone_numbers", "jsonb"},
        {"last_activity_at", "timestamptz"},
        {"lifecycle_stage", "text"},
        {"owner_id", kReference}}},
      {"crm",
       "contact",
       "crm_contacts",
       {{"created_at", "timestamptz"},
        {"updated_at", "timestamptz"},
        {"first_name", "text"},
        {"last_name", "text"},
        {"addresses", "jsonb"},
        {"email_addresses", "jsonb"},
        {"phone_numbers", "jsonb"},
        {"lifecycle_stage", "text"},
        {"account_id", kReference},
        {"owner_id", kReference},
        {"last_activity_at", "timestamptz"}}},
      {"crm",
       "lead",
       "crm_leads",
       {{"created_at", "timestamptz"},
        {"updated_at", "timestamptz"},
        {"lead_source", "text"},
        {"title", "text"},
        {"company", "text"},
        {"first_name", "text"},
        {"last_name", "text"},
        {"addresses", "jsonb"},
        {"email_addresses", "jsonb"},
        {"phone_numbers", "jsonb"},
        {"converted_date", "timestamptz"},
        {"converted_contact_id", kReference},
        {"converted_account_id", kReference},
        {"owner_id", kReference}}},
      {"crm",
       "opportunity",
       "crm_opportunities",
       {{"created_at", "timestamptz"},
        {"updated_at", "timestamptz"},
        {"name", "text"},
        {"description", "text"},
        {"amount", "numeric"},
        {"currency", "text"},
        {"stage", "text"},
        {"status", "text"},
        {"last_activity_at", "timestamptz"},
        {"close_date", "timestamptz"},
        {"pipeline", "text"},
        {"account_id", kReference},
        {"owner_id", kReference}}},
      {"crm",
       "user",
       "crm_users",
       {{"created_at", "timestamptz"},
        {"updated_at", "timestamptz"},
        {"name", "text"},
        {"email", "text"},
        {"is_active", "boolean"}}},
  };
  return all;
}

}  // namespace

const CommonObject *common_object(std::string_view category, std::string_view name) {
  for (const CommonObject &object : objects())
    if (category == object.category && name == object.name) return &object;
  return nullptr;
}

std::vector<std::string> common_objects(std::string_view category) {
  std::vector<std::string> names;
  for (const CommonObject &object : objects())
    if (category == object.category) names.emplace_back(object.name);
  return names;
}

}  // namespace supaglue
