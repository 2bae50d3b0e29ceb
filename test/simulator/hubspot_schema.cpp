// simulator: kinds of object of a HubSpot account; see hubspot_schema.hpp.
#include "hubspot_schema.hpp"

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "value.hpp"

namespace simulator::hubspot {

using nlohmann::json;

namespace {

// A property in a line: name, type, field type, label, maker, and either options as value=Label;...
// or flags: c calculated, r read only, u unique, h hidden, x the customer's own.
struct Line {
  const char *name, *type, *field_type, *label, *maker;
  const char *flags = "", *options = "";
};

const std::map<std::string, Maker> makers = {
    {"", Maker::none},
    {"boolean", Maker::boolean},
    {"city", Maker::city},
    {"closed", Maker::closed},
    {"company", Maker::company},
    {"country", Maker::country},
    {"created", Maker::created},
    {"date", Maker::date},
    {"datetime", Maker::datetime},
    {"decimal", Maker::decimal},
    {"domain", Maker::domain},
    {"email", Maker::email},
    {"first_name", Maker::first_name},
    {"full_name", Maker::full_name},
    {"id", Maker::id},
    {"integer", Maker::integer},
    {"last_name", Maker::last_name},
    {"modified", Maker::modified},
    {"option", Maker::option},
    {"options", Maker::options},
    {"owner", Maker::owner},
    {"phone", Maker::phone},
    {"pipeline", Maker::pipeline},
    {"probability", Maker::probability},
    {"sentence", Maker::sentence},
    {"stage", Maker::stage},
    {"state", Maker::state},
    {"street", Maker::street},
    {"title", Maker::title},
    {"website", Maker::website},
    {"won", Maker::won},
    {"word", Maker::word},
    {"zip", Maker::zip},
};

constexpr const char *lifecycle =
    "subscriber=Subscriber;lead=Lead;marketingqualifiedlead=Marketing Qualified Lead;"
    "salesqualifiedlead=Sales Qualified Lead;opportunity=Opportunity;customer=Customer;other=Other";
constexpr const char *lead_status =
    "NEW=New;OPEN=Open;IN_PROGRESS=In Progress;CONNECTED=Connected;UNQUALIFIED=Unqualified";

constexpr Line contact_lines[] = {
    {"hs_object_id", "number", "number", "Record ID", "id", "r"},
    {"createdate", "datetime", "date", "Create Date", "created", "r"},
    {"lastmodifieddate", "datetime", "date", "Last Modified Date", "modified", "r"},
    {"firstname", "string", "text", "First Name", "first_name"},
    {"lastname", "string", "text", "Last Name", "last_name"},
    {"email", "string", "text", "Email", "email", "u"},
    {"work_email", "string", "text", "Work email", "email"},
    {"phone", "string", "phonenumber", "Phone Number", "phone"},
    {"mobilephone", "string", "phonenumber", "Mobile Phone Number", "phone"},
    {"fax", "string", "text", "Fax Number", "phone"},
    {"whatsapp_number", "phone_number", "phonenumber", "WhatsApp", "phone", "x"},
    {"jobtitle", "string", "text", "Job Title", "title"},
    {"company", "string", "text", "Company Name", "company"},
    {"website", "string", "text", "Website URL", "website"},
    {"address", "string", "text", "Street Address", "street"},
    {"city", "string", "text", "City", "city"},
    {"state", "string", "text", "State/Region", "state"},
    {"zip", "string", "text", "Postal Code", "zip"},
    {"country", "string", "text", "Country/Region", "country"},
    {"lifecyclestage", "enumeration", "radio", "Lifecycle Stage", "option", "", lifecycle},
    {"hs_lead_status", "enumeration", "radio", "Lead Status", "option", "", lead_status},
    {"hubspot_owner_id", "enumeration", "select", "Contact owner", "owner"},
    {"hubspot_owner_assigneddate", "datetime", "date", "Owner Assigned Date", "datetime", "r"},
    {"notes_last_updated", "datetime", "date", "Last Activity Date", "datetime", "r"},
    {"notes_last_contacted", "datetime", "date", "Last Contacted", "datetime", "r"},
    {"notes_next_activity_date", "datetime", "date", "Next Activity Date", "datetime", "r"},
    {"num_notes", "number", "number", "Number of Sales Activities", "integer", "r"},
    {"num_contacted_notes", "number", "number", "Number of times contacted", "integer", "r"},
    {"salutation", "string", "text", "Salutation", "word"},
    {"date_of_birth", "string", "text", "Date of birth", "date"},
    {"industry", "string", "text", "Industry", "word"},
    {"annualrevenue", "string", "text", "Annual Revenue", "integer"},
    {"numemployees", "enumeration", "select", "Number of Employees", "option", "",
     "1-5=1-5;5-25=5-25;25-50=25-50;50-100=50-100;100-500=100-500;500-1000=500-1000;1000+=1000+"},
    {"message", "string", "textarea", "Message", "sentence"},
    {"hs_language", "enumeration", "select", "Preferred language", "option", "",
     "en=English;de=German;fr=French;pt-br=Portuguese - Brazil;ja=Japanese"},
    {"hs_buying_role", "enumeration", "checkbox", "Buying Role", "options", "",
     "BLOCKER=Blocker;BUDGET_HOLDER=Budget Holder;CHAMPION=Champion;DECISION_MAKER=Decision Maker;"
     "END_USER=End User"},
    {"hs_email_optout", "bool", "booleancheckbox", "Unsubscribed from all email", "boolean", "r"},
    {"hs_email_domain", "string", "text", "Email Domain", "domain", "r"},
    {"hs_full_name_or_email", "string", "calculation_equation", "Full name or email", "full_name",
     "crh"},
    {"hs_merged_object_ids", "enumeration", "checkbox", "Merged record IDs", "", "rh"},
    {"hs_calculated_merged_vids", "enumeration", "calculation_equation",
     "Merged vids with timestamps of a contact", "", "rh"},
    {"hs_analytics_source", "enumeration", "select", "Original Traffic Source", "option", "r",
     "ORGANIC_SEARCH=Organic Search;DIRECT_TRAFFIC=Direct Traffic;EMAIL_MARKETING=Email Marketing;"
     "OFFLINE=Offline Sources"},
    {"hs_analytics_num_visits", "number", "number", "Number of Sessions", "integer", "r"},
    {"recent_deal_amount", "number", "number", "Recent Deal Amount", "decimal", "r"},
    {"total_revenue", "number", "number", "Total Revenue", "decimal", "r"},
    {"closedate", "datetime", "date", "Close Date", "datetime"},
    {"favorite_color", "enumeration", "select", "Favorite color", "option", "x",
     "red=Red;green=Green;blue=Blue"},
    {"credit_score", "number", "number", "Credit score", "integer", "x"},
    {"contract_start", "date", "date", "Contract start", "date", "x"},
    {"last_demo_at", "datetime", "date", "Last demo", "datetime", "x"},
};

constexpr Line company_lines[] = {
    {"hs_object_id", "number", "number", "Record ID", "id", "r"},
    {"createdate", "datetime", "date", "Create Date", "created", "r"},
    {"hs_lastmodifieddate", "datetime", "date", "Last Modified Date", "modified", "r"},
    {"name", "string", "text", "Company name", "company"},
    {"domain", "string", "text", "Company Domain Name", "domain"},
    {"website", "string", "text", "Website URL", "website"},
    {"phone", "string", "phonenumber", "Phone Number", "phone"},
    {"address", "string", "text", "Street Address", "street"},
    {"address2", "string", "text", "Street Address 2", ""},
    {"city", "string", "text", "City", "city"},
    {"state", "string", "text", "State/Region", "state"},
    {"zip", "string", "text", "Postal Code", "zip"},
    {"country", "string", "text", "Country/Region", "country"},
    {"industry", "enumeration", "select", "Industry", "option", "",
     "ACCOUNTING=Accounting;BANKING=Banking;COMPUTER_SOFTWARE=Computer Software;FARMING=Farming;"
     "RETAIL=Retail;WINE_AND_SPIRITS=Wine and Spirits"},
    {"type", "enumeration", "select", "Type", "option", "",
     "PROSPECT=Prospect;PARTNER=Partner;RESELLER=Reseller;VENDOR=Vendor;OTHER=Other"},
    {"numberofemployees", "number", "number", "Number of Employees", "integer"},
    {"annualrevenue", "number", "number", "Annual Revenue", "integer"},
    {"founded_year", "string", "text", "Year Founded", ""},
    {"description", "string", "textarea", "Description", "sentence"},
    {"lifecyclestage", "enumeration", "radio", "Lifecycle Stage", "option", "", lifecycle},
    {"hs_lead_status", "enumeration", "radio", "Lead Status", "option", "", lead_status},
    {"hubspot_owner_id", "enumeration", "select", "Company owner", "owner"},
    {"hubspot_owner_assigneddate", "datetime", "date", "Owner Assigned Date", "datetime", "r"},
    {"notes_last_updated", "datetime", "date", "Last Activity Date", "datetime", "r"},
    {"notes_last_contacted", "datetime", "date", "Last Contacted", "datetime", "r"},
    {"timezone", "string", "text", "Time Zone", "word"},
    {"is_public", "bool", "booleancheckbox", "Is Public", "boolean"},
    {"hs_is_target_account", "bool", "booleancheckbox", "Target Account", "boolean"},
    {"total_money_raised", "string", "text", "Total Money Raised", "decimal"},
    {"linkedin_company_page", "string", "text", "LinkedIn Company Page", "website"},
    {"hs_num_open_deals", "number", "number", "Number of open deals", "integer", "r"},
    {"days_to_close", "number", "number", "Days to Close", "integer", "r"},
    {"closedate", "datetime", "date", "Close Date", "datetime"},
    {"first_deal_created_date", "datetime", "date", "First Deal Created Date", "datetime", "r"},
    {"hs_merged_object_ids", "enumeration", "checkbox", "Merged record IDs", "", "rh"},
    {"tier", "enumeration", "radio", "Tier", "option", "x", "gold=Gold;silver=Silver"},
    {"renewal_date", "date", "date", "Renewal date", "date", "x"},
};

constexpr Line deal_lines[] = {
    {"hs_object_id", "number", "number", "Record ID", "id", "r"},
    {"createdate", "datetime", "date", "Create Date", "created", "r"},
    {"hs_lastmodifieddate", "datetime", "date", "Last Modified Date", "modified", "r"},
    {"dealname", "string", "text", "Deal Name", "company"},
    {"amount", "number", "number", "Amount", "decimal"},
    {"deal_currency_code", "enumeration", "select", "Currency", "option", "",
     "USD=US Dollar;EUR=Euro;JPY=Yen"},
    {"dealstage", "enumeration", "radio", "Deal Stage", "stage"},
    {"pipeline", "enumeration", "select", "Pipeline", "pipeline"},
    {"dealtype", "enumeration", "radio", "Deal Type", "option", "",
     "newbusiness=New Business;existingbusiness=Existing Business"},
    {"closedate", "datetime", "date", "Close Date", "datetime"},
    {"hubspot_owner_id", "enumeration", "select", "Deal owner", "owner"},
    {"hubspot_owner_assigneddate", "datetime", "date", "Owner Assigned Date", "datetime", "r"},
    {"description", "string", "textarea", "Deal Description", "sentence"},
    {"hs_priority", "enumeration", "select", "Priority", "option", "",
     "low=Low;medium=Medium;high=High"},
    {"hs_is_closed", "bool", "calculation_equation", "Is Closed", "closed", "cr"},
    {"hs_is_closed_won", "bool", "calculation_equation", "Is Closed Won", "won", "cr"},
    {"hs_deal_stage_probability", "number", "calculation_equation", "Deal probability",
     "probability", "cr"},
    {"hs_forecast_amount", "number", "number", "Forecast amount", "decimal"},
    {"hs_next_step", "string", "text", "Next step", "sentence"},
    {"closed_lost_reason", "string", "textarea", "Closed Lost Reason", "sentence"},
    {"closed_won_reason", "string", "textarea", "Closed Won Reason", "sentence"},
    {"num_notes", "number", "number", "Number of Sales Activities", "integer", "r"},
    {"notes_last_updated", "datetime", "date", "Last Activity Date", "datetime", "r"},
    {"notes_last_contacted", "datetime", "date", "Last Contacted", "datetime", "r"},
    {"hs_arr", "number", "number", "Annual recurring revenue", "decimal", "r"},
    {"hs_merged_object_ids", "enumeration", "checkbox", "Merged record IDs", "", "rh"},
    {"signed_on", "date", "date", "Signed on", "date", "x"},
};

constexpr Line ticket_lines[] = {
    {"hs_object_id", "number", "number", "Record ID", "id", "r"},
    {"createdate", "datetime", "date", "Create date", "created", "r"},
    {"hs_lastmodifieddate", "datetime", "date", "Last modified date", "modified", "r"},
    {"subject", "string", "text", "Ticket name", "word"},
    {"content", "string", "textarea", "Ticket description", "sentence"},
    {"hs_pipeline", "enumeration", "select", "Pipeline", "pipeline"},
    {"hs_pipeline_stage", "enumeration", "select", "Ticket status", "stage"},
    {"hs_ticket_priority", "enumeration", "select", "Priority", "option", "",
     "LOW=Low;MEDIUM=Medium;HIGH=High;URGENT=Urgent"},
    {"hs_ticket_category", "enumeration", "checkbox", "Category", "options", "",
     "PRODUCT_ISSUE=Product issue;BILLING_ISSUE=Billing issue;GENERAL_INQUIRY=General inquiry"},
    {"hubspot_owner_id", "enumeration", "select", "Ticket owner", "owner"},
    {"closed_date", "datetime", "date", "Close date", "datetime"},
};

constexpr Line car_lines[] = {
    {"hs_object_id", "number", "number", "Record ID", "id", "r"},
    {"hs_createdate", "datetime", "date", "Object create date/time", "created", "r"},
    {"hs_lastmodifieddate", "datetime", "date", "Object last modified date/time", "modified", "r"},
    {"hubspot_owner_id", "enumeration", "select", "Owner", "owner"},
    {"model", "string", "text", "Model", "word", "x"},
    {"year", "number", "number", "Year", "integer", "x"},
    {"price", "number", "number", "Price", "decimal", "x"},
    {"electric", "bool", "booleancheckbox", "Electric", "boolean", "x"},
    {"date_received", "date", "date", "Date received", "date", "x"},
};

constexpr Line owner_lines[] = {
    {"id", "string", "text", "", "id", "r"},
    {"createdAt", "datetime", "date", "", "created", "r"},
    {"updatedAt", "datetime", "date", "", "modified", "r"},
    {"email", "string", "text", "", "email"},
    {"firstName", "string", "text", "", "first_name"},
    {"lastName", "string", "text", "", "last_name"},
};

std::string before(std::string &text, char end) {
  const size_t at = text.find(end);
  std::string part = text.substr(0, at);
  text.erase(0, at == std::string::npos ? text.size() : at + 1);
  return part;
}

Property property_of(const ObjectType &type, const Line &line) {
  const std::string flags = line.flags;
  const auto has = [&](char flag) { return flags.find(flag) != std::string::npos; };
  Property property;
  property.name = line.name;
  property.type = line.type;
  property.field_type = line.field_type;
  property.label = line.label;
  property.group = type.singular + "information";
  property.maker = makers.at(line.maker);
  property.calculated = has('c');
  property.read_only = has('r');
  property.unique = has('u');
  property.hidden = has('h');
  property.defined_by_hubspot = !has('x');
  property.salt = hash(type.name + "." + property.name);
  for (std::string rest = line.options; !rest.empty();) {
    std::string option = before(rest, ';');
    const std::string value = before(option, '=');
    property.options.emplace_back(value, option);
  }
  if (property.maker == Maker::stage || property.maker == Maker::pipeline)
    for (const json &pipeline : standard_pipelines(type.name)) {
      if (property.maker == Maker::pipeline)
        property.options.emplace_back(pipeline["id"], pipeline["label"]);
      else
        for (const json &stage : pipeline["stages"])
          property.options.emplace_back(stage["id"], stage["label"]);
    }
  return property;
}

template <size_t N>
ObjectType with(ObjectType type, const Line (&lines)[N]) {
  for (const Line &line : lines) type.properties.push_back(property_of(type, line));
  return type;
}

ObjectType standard(const char *name, const char *singular, const char *type_id,
                    unsigned long first_id, const char *scope, std::vector<std::string> shown) {
  ObjectType type;
  type.name = name;
  type.singular = singular;
  type.type_id = type_id;
  type.first_id = first_id;
  type.created = "createdate";
  if (type.name == "contacts") type.modified = "lastmodifieddate";
  type.owner_scope = scope;
  type.shown = std::move(shown);
  return type;
}

json stage(const char *id, const char *label, int order, json metadata) {
  return {{"id", id},
          {"label", label},
          {"displayOrder", order},
          {"metadata", std::move(metadata)},
          {"createdAt", "2020-01-02T03:04:05.678Z"},
          {"updatedAt", "2020-01-02T03:04:05.678Z"},
          {"archived", false},
          {"writePermissions", "CRM_PERMISSIONS_ENFORCEMENT"}};
}

json deal_stage(const char *id, const char *label, int order, const char *probability) {
  const bool is_closed = std::string(probability) == "0.0" || std::string(probability) == "1.0";
  return stage(id, label, order,
               {{"isClosed", is_closed ? "true" : "false"}, {"probability", probability}});
}

json ticket_stage(const char *id, const char *label, int order, bool is_closed) {
  return stage(
      id, label, order,
      {{"isClosed", is_closed ? "true" : "false"}, {"ticketState", is_closed ? "CLOSED" : "OPEN"}});
}

json pipeline(const char *id, const char *label, int order, json stages) {
  return {{"id", id},
          {"label", label},
          {"displayOrder", order},
          {"stages", std::move(stages)},
          {"createdAt", "2020-01-02T03:04:05.678Z"},
          {"updatedAt", "2020-01-02T03:04:05.678Z"},
          {"archived", false}};
}

}  // namespace

unsigned long hub_id_of(const std::string &org) {
  return static_cast<unsigned long>(10000000 + hash(org) % 40000000);
}

const Property *ObjectType::find(std::string_view property) const {
  for (const Property &candidate : properties)
    if (candidate.name == property) return &candidate;
  return nullptr;
}

bool ObjectType::is_called(std::string_view text) const {
  const std::string asked = lower(text);
  return asked == name || asked == singular || asked == type_id ||
         (custom && (asked == lower(fully_qualified) || asked == "p_" + name));
}

std::vector<ObjectType> standard_types(unsigned long hub_id) {
  // Ids that pass from one length to another sort otherwise as numbers than as text.
  std::vector<ObjectType> types;
  types.push_back(with(standard("contacts", "contact", "0-1", 991, "crm.objects.contacts.read",
                                {"createdate", "email", "firstname", "hs_object_id",
                                 "lastmodifieddate", "lastname"}),
                       contact_lines));
  types.push_back(
      with(standard("companies", "company", "0-2", 9991, "crm.objects.companies.read",
                    {"createdate", "domain", "hs_lastmodifieddate", "hs_object_id", "name"}),
           company_lines));
  types.push_back(with(standard("deals", "deal", "0-3", 99991, "crm.objects.deals.read",
                                {"amount", "closedate", "createdate", "dealname", "dealstage",
                                 "hs_lastmodifieddate", "hs_object_id", "pipeline"}),
                       deal_lines));
  types.push_back(
      with(standard("tickets", "ticket", "0-5", 995, "tickets",
                    {"content", "createdate", "hs_lastmodifieddate", "hs_object_id", "hs_pipeline",
                     "hs_pipeline_stage", "hs_ticket_category", "hs_ticket_priority", "subject"}),
           ticket_lines));
  ObjectType cars = custom_type("cars", hub_id, 0);
  cars.singular = "car";
  cars.properties.clear();
  types.push_back(with(cars, car_lines));
  ObjectType owners = standard("owners", "owner", "0-115", 8997, "crm.objects.owners.read", {});
  owners.created = "createdAt";
  owners.modified = "updatedAt";
  types.push_back(with(owners, owner_lines));
  return types;
}

ObjectType custom_type(const std::string &name, unsigned long hub_id, size_t number) {
  ObjectType type;
  type.name = type.singular = lower(name);
  type.custom = true;
  type.type_id = "2-" + std::to_string(hub_id % 9000000 + 1000000 + number);
  type.fully_qualified = "p" + std::to_string(hub_id) + "_" + name;
  type.first_id = 7000000991;
  type.owner_scope = "crm.objects.custom.read";
  type.shown = {"hs_createdate", "hs_lastmodifieddate", "hs_object_id"};
  for (const Line &line : car_lines)
    if (std::string_view(line.name).starts_with("hs_"))
      type.properties.push_back(property_of(type, line));
  return type;
}

Property property_from_json(const json &document) {
  static const std::map<std::string, Maker> maker_of_type = {
      {"string", Maker::word}, {"number", Maker::integer},     {"bool", Maker::boolean},
      {"date", Maker::date},   {"datetime", Maker::datetime},  {"phone_number", Maker::phone},
      {"json", Maker::none},   {"enumeration", Maker::option}, {"object_coordinates", Maker::none}};
  Property property;
  property.name = document.at("name");
  property.type = document.value("type", "string");
  const auto maker = maker_of_type.find(property.type);
  if (maker == maker_of_type.end())
    throw std::invalid_argument("no type of property '" + property.type + "'");
  property.label = document.value("label", property.name);
  property.group = document.value("groupName", "");
  property.field_type = document.value("fieldType", property.type == "bool" ? "booleancheckbox"
                                                    : property.type == "enumeration" ? "select"
                                                    : property.type == "string"      ? "text"
                                                                                : property.type);
  property.unique = document.value("hasUniqueValue", false);
  property.hidden = document.value("hidden", false);
  property.defined_by_hubspot = false;
  for (const json &option : document.value("options", json::array()))
    property.options.emplace_back(option.at("value"), option.value("label", ""));
  // A property that is added has no values yet, unless it is told to have some.
  property.maker = document.value("made", false) ? maker->second : Maker::none;
  property.salt = hash(property.name);
  return property;
}

const json &standard_pipelines(const std::string &type) {
  static const json of_deals = {
      pipeline("default", "Sales Pipeline", 0,
               {deal_stage("appointmentscheduled", "Appointment Scheduled", 0, "0.2"),
                deal_stage("qualifiedtobuy", "Qualified To Buy", 1, "0.4"),
                deal_stage("presentationscheduled", "Presentation Scheduled", 2, "0.6"),
                deal_stage("decisionmakerboughtin", "Decision Maker Bought-In", 3, "0.8"),
                deal_stage("contractsent", "Contract Sent", 4, "0.9"),
                deal_stage("closedwon", "Closed Won", 5, "1.0"),
                deal_stage("closedlost", "Closed Lost", 6, "0.0")}),
      pipeline("8213451", "Renewals", 1,
               {deal_stage("8213452", "Up for renewal", 0, "0.5"),
                deal_stage("8213453", "Renewed", 1, "1.0"),
                deal_stage("8213454", "Churned", 2, "0.0")})};
  static const json of_tickets = json::array({pipeline(
      "0", "Support Pipeline", 0,
      {ticket_stage("1", "New", 0, false), ticket_stage("2", "Waiting on contact", 1, false),
       ticket_stage("3", "Waiting on us", 2, false), ticket_stage("4", "Closed", 3, true)})});
  static const json none = json::array();
  return type == "deals" ? of_deals : type == "tickets" ? of_tickets : none;
}

}  // namespace simulator::hubspot
