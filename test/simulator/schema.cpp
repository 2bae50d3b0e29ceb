// simulator: the objects that every org has, and describe; see schema.hpp.
#include "schema.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <stdexcept>

#include "value.hpp"

namespace simulator {

using nlohmann::json;

bool Field::is_numeric() const {
  static const std::set<std::string> types{"double", "currency", "percent", "int", "long"};
  return types.count(type) > 0;
}

const Field *Schema::find(std::string_view field_name) const {
  const auto found = index_.find(lower(field_name));
  return found == index_.end() ? nullptr : &fields[found->second];
}

const Field *Schema::find_relationship(std::string_view relationship_name) const {
  const std::string wanted = lower(relationship_name);
  for (const Field &field : fields)
    if (!field.relationship.empty() && lower(field.relationship) == wanted) return &field;
  return nullptr;
}

void Schema::reindex() {
  index_.clear();
  for (size_t i = 0; i < fields.size(); i++) index_[lower(fields[i].name)] = i;
}

bool Schema::remove(std::string_view field_name) {
  const Field *field = find(field_name);
  if (!field) return false;
  fields.erase(fields.begin() + (field - fields.data()));
  reindex();
  return true;
}

static bool ends_with(const std::string &text, const std::string &end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// MailingPostalCode: "Mailing Postal Code"; Average_Cost__c: "Average Cost".
static std::string label_of(std::string name) {
  if (ends_with(name, "__c")) name.resize(name.size() - 3);
  std::string label;
  for (size_t i = 0; i < name.size(); i++) {
    if (name[i] == '_') {
      label += ' ';
      continue;
    }
    if (i && isupper(name[i]) && islower(name[i - 1])) label += ' ';
    label += name[i];
  }
  return label;
}

static Maker maker_of_text(const std::string &name) {
  static const std::vector<std::pair<const char *, Maker>> by_ending = {
      {"FirstName", Maker::first_name},   {"LastName", Maker::last_name},
      {"Street", Maker::street},          {"City", Maker::city},
      {"StateCode", Maker::state_code},   {"State", Maker::state},
      {"PostalCode", Maker::postal_code}, {"CountryCode", Maker::country_code},
      {"Country", Maker::country},        {"Company", Maker::company},
      {"CompanyName", Maker::company},    {"Title", Maker::title},
      {"Subject", Maker::sentence}};
  for (const auto &[ending, maker] : by_ending)
    if (ends_with(name, ending)) return maker;
  return Maker::word;
}

static Maker maker_of(const std::string &object, const Field &field) {
  static const std::map<std::string, Maker> by_type = {{"boolean", Maker::boolean},
                                                       {"date", Maker::date},
                                                       {"datetime", Maker::datetime},
                                                       {"time", Maker::time},
                                                       {"email", Maker::email},
                                                       {"phone", Maker::phone},
                                                       {"url", Maker::url},
                                                       {"int", Maker::integer},
                                                       {"long", Maker::integer},
                                                       {"currency", Maker::money},
                                                       {"percent", Maker::percent},
                                                       {"picklist", Maker::picklist},
                                                       {"multipicklist", Maker::picklist},
                                                       {"reference", Maker::reference},
                                                       {"textarea", Maker::sentence},
                                                       {"base64", Maker::word},
                                                       {"combobox", Maker::picklist},
                                                       {"encryptedstring", Maker::word}};
  if (field.auto_number || field.is_compound() || field.calculated) return Maker::none;
  if (ends_with(field.name, "Latitude") || ends_with(field.name, "Latitude__s"))
    return Maker::latitude;
  if (ends_with(field.name, "Longitude") || ends_with(field.name, "Longitude__s"))
    return Maker::longitude;
  if (ends_with(field.name, "Street")) return Maker::street;
  if (field.name == "Name") return object == "User" ? Maker::none : Maker::company;
  const auto found = by_type.find(field.type);
  if (found != by_type.end()) return found->second;
  return field.type == "double" ? Maker::money : maker_of_text(field.name);
}

static Role role_of(const Schema &schema, const Field &field) {
  static const std::map<std::string, Role> by_name = {{"Id", Role::id},
                                                      {"IsDeleted", Role::is_deleted},
                                                      {"CreatedDate", Role::created_date},
                                                      {"LastModifiedDate", Role::modified_date},
                                                      {"SystemModstamp", Role::modified_date},
                                                      {"CreatedById", Role::system_user},
                                                      {"LastModifiedById", Role::system_user}};
  if (const auto found = by_name.find(field.name); found != by_name.end()) return found->second;
  if (field.is_compound()) return Role::compound;
  if (field.type == "base64") return Role::blob;
  if (field.calculated) return Role::formula;
  if (field.auto_number) return Role::auto_number;
  if (field.name == "Name" && schema.find("LastName")) return Role::full_name;
  return Role::plain;
}

void Schema::add(Field field) {
  if (find(field.name)) return;
  field.custom = ends_with(field.name, "__c") || ends_with(field.name, "__s");
  if (field.label.empty()) field.label = label_of(field.name);
  if (field.type == "reference" && field.relationship.empty())
    field.relationship = ends_with(field.name, "__c")
                             ? field.name.substr(0, field.name.size() - 1) + "r"
                             : field.name.substr(0, field.name.size() - 2);
  if (field.type == "string" && !field.length) field.length = 255;
  if (field.type == "textarea" && !field.length) field.length = field.filterable ? 255 : 32768;
  if (field.is_id()) field.length = 18;
  if (field.is_numeric() && !field.precision) field.precision = 18;
  if (field.is_compound() || field.type == "base64" || field.type == "encryptedstring")
    field.filterable = field.sortable = false;
  if (field.type == "multipicklist" || !field.filterable) field.sortable = false;
  field.groupable = field.filterable && field.sortable && field.type != "datetime" &&
                    field.type != "double" && field.type != "currency" && field.type != "percent" &&
                    field.type != "textarea" && field.type != "time";
  if (field.formula.size()) field.calculated = true;
  if (field.calculated || field.auto_number || field.is_compound()) field.writable = false;
  field.salt = hash(field.name);
  field.role = role_of(*this, field);
  fields.push_back(std::move(field));
  index_[lower(fields.back().name)] = fields.size() - 1;
}

// --- The objects that every org has
// --------------------------------------------------------------- A line: name, type, then any of a
// length, p=precision.scale, to=Object|Object, of=Compound, values=A|B, required, unfilterable,
// unique, external, autonumber, readonly, empty (never made).
static const char *const contact_fields = R"(
MasterRecordId reference to=Contact readonly empty
AccountId reference to=Account
LastName string 80 required
FirstName string 40
Salutation picklist values=Mr.|Ms.|Mrs.|Dr.|Prof.
Name string 121 readonly required
OtherStreet textarea of=OtherAddress
OtherCity string 40 of=OtherAddress
OtherState string 80 of=OtherAddress
OtherPostalCode string 20 of=OtherAddress
OtherCountry string 80 of=OtherAddress
OtherAddress address
MailingStreet textarea of=MailingAddress
MailingCity string 40 of=MailingAddress
MailingState string 80 of=MailingAddress
MailingPostalCode string 20 of=MailingAddress
MailingCountry string 80 of=MailingAddress
MailingLatitude double p=18.15 of=MailingAddress
MailingLongitude double p=18.15 of=MailingAddress
MailingGeocodeAccuracy picklist values=Street|Block|Zip of=MailingAddress
MailingAddress address
Phone phone 40
Fax phone 40
MobilePhone phone 40
HomePhone phone 40
OtherPhone phone 40
AssistantPhone phone 40
ReportsToId reference to=Contact
Email email 80
Title string 128
Department string 80
AssistantName string 40
LeadSource picklist values=Web|Phone~Inquiry|Partner~Referral|Purchased~List|Other
Birthdate date
Description textarea 32000 unfilterable
OwnerId reference to=User required
HasOptedOutOfEmail boolean
HasOptedOutOfFax boolean
DoNotCall boolean
LastActivityDate date readonly
LastCURequestDate datetime readonly
LastCUUpdateDate datetime readonly
EmailBouncedReason string 255
EmailBouncedDate datetime
IsEmailBounced boolean readonly
PhotoUrl url readonly
Jigsaw string 20
CleanStatus picklist values=Matched|Different|Pending
IndividualId reference to=Individual empty
)";

static const char *const account_fields = R"(
MasterRecordId reference to=Account readonly empty
Name string 255 required
Type picklist values=Prospect|Customer~-~Direct|Customer~-~Channel|Other
ParentId reference to=Account
BillingStreet textarea of=BillingAddress
BillingCity string 40 of=BillingAddress
BillingState string 80 of=BillingAddress
BillingPostalCode string 20 of=BillingAddress
BillingCountry string 80 of=BillingAddress
BillingLatitude double p=18.15 of=BillingAddress
BillingLongitude double p=18.15 of=BillingAddress
BillingAddress address
ShippingStreet textarea of=ShippingAddress
ShippingCity string 40 of=ShippingAddress
ShippingState string 80 of=ShippingAddress
ShippingPostalCode string 20 of=ShippingAddress
ShippingCountry string 80 of=ShippingAddress
ShippingAddress address
Phone phone 40
Fax phone 40
AccountNumber string 40
Website url 255
Sic string 20
Industry picklist values=Agriculture|Banking|Biotechnology|Energy|Retail|Technology
AnnualRevenue currency p=18.0
NumberOfEmployees int
Ownership picklist values=Public|Private|Subsidiary|Other
TickerSymbol string 20
Description textarea 32000 unfilterable
Rating picklist values=Hot|Warm|Cold
Site string 80
OwnerId reference to=User required
LastActivityDate date readonly
AccountSource picklist values=Web|Phone~Inquiry|Partner~Referral|Other
)";

static const char *const lead_fields = R"(
MasterRecordId reference to=Lead readonly empty
LastName string 80 required
FirstName string 40
Salutation picklist values=Mr.|Ms.|Mrs.|Dr.|Prof.
Name string 121 readonly required
Title string 128
Company string 255 required
Street textarea of=Address
City string 40 of=Address
State string 80 of=Address
PostalCode string 20 of=Address
Country string 80 of=Address
Latitude double p=18.15 of=Address
Longitude double p=18.15 of=Address
Address address
Phone phone 40
MobilePhone phone 40
Fax phone 40
Email email 80
Website url 255
Description textarea 32000 unfilterable
LeadSource picklist values=Web|Phone~Inquiry|Partner~Referral|Purchased~List|Other
Status picklist values=Open~-~Not~Contacted|Working~-~Contacted|Closed~-~Converted required
Industry picklist values=Agriculture|Banking|Biotechnology|Energy|Retail|Technology
Rating picklist values=Hot|Warm|Cold
AnnualRevenue currency p=18.0
NumberOfEmployees int
OwnerId reference to=Group|User required
IsConverted boolean readonly
ConvertedDate date readonly
ConvertedAccountId reference to=Account readonly empty
ConvertedContactId reference to=Contact readonly empty
ConvertedOpportunityId reference to=Opportunity readonly empty
IsUnreadByOwner boolean
LastActivityDate date readonly
)";

static const char *const opportunity_fields = R"(
AccountId reference to=Account
IsPrivate boolean
Name string 120 required
Description textarea 32000 unfilterable
StageName picklist values=Prospecting|Qualification|Proposal/Price~Quote|Closed~Won|Closed~Lost required
Amount currency p=18.2
Probability percent p=3.0
ExpectedRevenue currency p=18.2 readonly
TotalOpportunityQuantity double p=18.2
CloseDate date required
Type picklist values=Existing~Customer~-~Upgrade|New~Customer
NextStep string 255
LeadSource picklist values=Web|Phone~Inquiry|Partner~Referral|Other
IsClosed boolean readonly
IsWon boolean readonly
ForecastCategory picklist values=Pipeline|BestCase|Closed|Omitted readonly
ForecastCategoryName picklist values=Pipeline|Best~Case|Closed|Omitted
CampaignId reference to=Campaign empty
HasOpportunityLineItem boolean readonly
Pricebook2Id reference to=Pricebook2 empty
OwnerId reference to=User required
ContactId reference to=Contact
LastActivityDate date readonly
FiscalQuarter int readonly
FiscalYear int readonly
Fiscal string 6 readonly
LastStageChangeDate datetime readonly
)";

static const char *const case_fields = R"(
MasterRecordId reference to=Case readonly empty
CaseNumber string 30 autonumber required
ContactId reference to=Contact
AccountId reference to=Account
ParentId reference to=Case empty
SuppliedName string 80
SuppliedEmail email
SuppliedPhone string 40
SuppliedCompany string 80
Type picklist values=Mechanical|Electrical|Problem|Question
Status picklist values=New|Working|Escalated|Closed
Reason picklist values=Installation|Performance|Breakdown|New~problem
Origin picklist values=Phone|Email|Web
Subject string 255
Priority picklist values=High|Medium|Low
Description textarea 32000 unfilterable
IsClosed boolean readonly
ClosedDate datetime readonly
IsEscalated boolean
OwnerId reference to=Group|User required
)";

static const char *const user_fields = R"(
Username string 80 required
LastName string 80 required
FirstName string 40
Name string 121 readonly required
CompanyName string 80
Division string 80
Department string 80
Title string 80
Street textarea of=Address
City string 40 of=Address
State string 80 of=Address
PostalCode string 20 of=Address
Country string 80 of=Address
Address address
Email email 128 required
Phone phone 40
MobilePhone phone 40
Alias string 8 required
IsActive boolean
TimeZoneSidKey picklist values=America/Los_Angeles|Europe/Paris required
LocaleSidKey picklist values=en_US|fr_FR required
UserType picklist values=Standard readonly
ManagerId reference to=User empty
LastLoginDate datetime readonly
)";

static const char *const my_custom_object_fields = R"(
Name string 80
OwnerId reference to=Group|User required
Text__c string 255
External_Key__c string 40 external unique
Long_Text__c textarea 32768 unfilterable
Short_Text__c textarea
Secret__c encryptedstring 175
Checkbox__c boolean
Number__c double p=18.4
Whole__c int p=9.0
Big__c long p=18.0
Price__c currency p=16.2
Share__c percent p=5.2
Day__c date
Moment__c datetime
Time_Of_Day__c time
Email__c email 80
Phone__c phone 40
Website__c url 255
Color__c picklist values=Red|Green|Blue
Tags__c multipicklist values=Alpha|Beta|Gamma
Account__c reference to=Account
Place__Latitude__s double p=18.15 of=Place__c
Place__Longitude__s double p=18.15 of=Place__c
Place__c location
Home_Street__c textarea of=Home__c
Home_City__c string 40 of=Home__c
Home_Country__c string 80 of=Home__c
Home__c address
Body__c base64
Label__c string formula=Name
)";

static std::vector<std::string> split(const std::string &text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);) {
    std::replace(part.begin(), part.end(), '~', ' ');
    parts.push_back(part);
  }
  return parts;
}

static Field field_from_line(const std::string &object, const std::string &line) {
  std::istringstream in(line);
  Field field;
  in >> field.name >> field.type;
  bool empty = false;
  for (std::string word; in >> word;) {
    const std::string value = word.substr(word.find('=') + 1);
    if (isdigit(word[0])) field.length = std::stoi(word);
    if (word == "required") field.nillable = false;
    if (word == "unfilterable") field.filterable = false;
    if (word == "unique") field.unique = true;
    if (word == "external") field.external_id = true;
    if (word == "autonumber") field.auto_number = true;
    if (word == "readonly") field.writable = false;
    if (word == "empty") empty = true;
    if (word.starts_with("p=")) {
      field.precision = std::stoi(value);
      field.scale = std::stoi(value.substr(value.find('.') + 1));
    }
    if (word.starts_with("to=")) field.reference_to = split(value, '|');
    if (word.starts_with("of=")) field.compound = value;
    if (word.starts_with("values=")) field.picklist = split(value, '|');
    if (word.starts_with("formula=")) field.formula = value, field.calculated = true;
  }
  if (!empty) field.maker = maker_of(object, field);
  return field;
}

static Field system_field(const char *name, const char *type) {
  Field field;
  field.name = name;
  field.type = type;
  field.nillable = field.writable = false;
  if (field.type == "reference") field.reference_to = {"User"};
  return field;
}

static void add_system_fields(Schema &schema) {
  schema.add(system_field("CreatedDate", "datetime"));
  schema.add(system_field("CreatedById", "reference"));
  schema.add(system_field("LastModifiedDate", "datetime"));
  schema.add(system_field("LastModifiedById", "reference"));
  schema.add(system_field("SystemModstamp", "datetime"));
}

static std::shared_ptr<const Schema> schema_from_text(const char *name, const char *plural,
                                                      const char *prefix, const char *lines) {
  auto schema = std::make_shared<Schema>();
  schema->name = name;
  schema->custom = ends_with(name, "__c");
  schema->label = label_of(name);
  schema->plural = plural;
  schema->prefix = prefix;
  schema->add(system_field("Id", "id"));
  if (schema->name != "User") schema->add(system_field("IsDeleted", "boolean"));
  std::istringstream in(lines);
  for (std::string line; std::getline(in, line);)
    if (!line.empty()) schema->add(field_from_line(name, line));
  add_system_fields(*schema);
  return schema;
}

const std::vector<std::shared_ptr<const Schema>> &standard_schemas() {
  static const std::vector<std::shared_ptr<const Schema>> schemas = {
      schema_from_text("Account", "Accounts", "001", account_fields),
      schema_from_text("Case", "Cases", "500", case_fields),
      schema_from_text("Contact", "Contacts", "003", contact_fields),
      schema_from_text("Lead", "Leads", "00Q", lead_fields),
      schema_from_text("MyCustomObject__c", "My Custom Objects", "a00", my_custom_object_fields),
      schema_from_text("Opportunity", "Opportunities", "006", opportunity_fields),
      schema_from_text("User", "Users", "005", user_fields)};
  return schemas;
}

Schema custom_schema(const std::string &name, const std::string &label, const std::string &prefix) {
  Schema schema;
  schema.name = name;
  schema.custom = ends_with(name, "__c");
  schema.label = label.empty() ? label_of(name) : label;
  schema.plural = schema.label + "s";
  schema.prefix = prefix;
  schema.add(system_field("Id", "id"));
  schema.add(system_field("IsDeleted", "boolean"));
  schema.add(field_from_line(name, "OwnerId reference to=Group|User required"));
  schema.add(field_from_line(name, "Name string 80"));
  add_system_fields(schema);
  return schema;
}

// --- Fields from documents
// ------------------------------------------------------------------------
static std::string describe_type(const std::string &type) {
  static const std::map<std::string, std::string> words = {
      {"Text", "string"},
      {"AutoNumber", "string"},
      {"Number", "double"},
      {"Currency", "currency"},
      {"Percent", "percent"},
      {"Checkbox", "boolean"},
      {"Date", "date"},
      {"DateTime", "datetime"},
      {"Time", "time"},
      {"Email", "email"},
      {"Phone", "phone"},
      {"Url", "url"},
      {"Picklist", "picklist"},
      {"TextArea", "textarea"},
      {"LongTextArea", "textarea"},
      {"Html", "textarea"},
      {"EncryptedText", "encryptedstring"},
      {"Lookup", "reference"},
      {"MasterDetail", "reference"},
      {"Hierarchy", "reference"},
      {"Location", "location"},
      {"Summary", "double"},
      {"File", "base64"},
      {"MultiselectPicklist", "multipicklist"}};
  static const std::set<std::string> types = {
      "string", "double",  "currency",  "percent",       "boolean",  "date",     "datetime",
      "time",   "email",   "phone",     "url",           "picklist", "textarea", "encryptedstring",
      "int",    "long",    "reference", "multipicklist", "combobox", "address",  "location",
      "base64", "anyType", "id"};
  const auto found = words.find(type);
  if (found != words.end()) return found->second;
  if (!types.count(type)) throw std::invalid_argument("unknown field type '" + type + "'");
  return type;
}

Field field_from_json(const json &document) {
  Field field;
  field.name = document.at("name").get<std::string>();
  const std::string type = document.value("type", "string");
  field.type = describe_type(type);
  field.label = document.value("label", "");
  field.length = document.value("length", 0);
  field.precision = document.value("precision", 0);
  field.scale = document.value("scale", 0);
  field.nillable = !document.value("required", false) && document.value("nillable", true);
  field.unique = document.value("unique", false);
  field.external_id = document.value("externalId", false);
  field.formula = document.value("formula", "");
  field.calculated = type == "Summary" || document.value("calculated", false);
  field.auto_number = type == "AutoNumber" || document.value("autoNumber", false);
  field.filterable = document.value("filterable", type != "LongTextArea" && type != "Html");
  field.compound = document.value("compoundFieldName", "");
  field.relationship = document.value("relationshipName", "");
  if (document.contains("referenceTo")) {
    const json &to = document["referenceTo"];
    field.reference_to = to.is_array() ? to.get<std::vector<std::string>>()
                                       : std::vector<std::string>{to.get<std::string>()};
  }
  if (document.contains("picklist"))
    field.picklist = document["picklist"].get<std::vector<std::string>>();
  if (document.value("generate", false)) field.maker = maker_of("", field);
  return field;
}

void add_with_parts(Schema &schema, Field field) {
  if (field.type == "location" && ends_with(field.name, "__c")) {
    for (const char *part : {"Latitude", "Longitude"}) {
      Field component;
      component.name = field.name.substr(0, field.name.size() - 1) + part + "__s";
      component.type = "double";
      component.scale = 15;
      component.compound = field.name;
      schema.add(component);
    }
  }
  schema.add(std::move(field));
}

// --- describe
// -------------------------------------------------------------------------------------
static const char *soap_type(const Field &field) {
  static const std::map<std::string, const char *> types = {{"id", "tns:ID"},
                                                            {"reference", "tns:ID"},
                                                            {"boolean", "xsd:boolean"},
                                                            {"int", "xsd:int"},
                                                            {"long", "xsd:long"},
                                                            {"double", "xsd:double"},
                                                            {"currency", "xsd:double"},
                                                            {"percent", "xsd:double"},
                                                            {"date", "xsd:date"},
                                                            {"datetime", "xsd:dateTime"},
                                                            {"time", "xsd:time"},
                                                            {"address", "urn:address"},
                                                            {"location", "urn:location"},
                                                            {"base64", "xsd:base64Binary"}};
  const auto found = types.find(field.type);
  return found == types.end() ? "xsd:string" : found->second;
}

static json picklist_values(const Field &field) {
  json values = json::array();
  for (const std::string &value : field.picklist)
    values.push_back({{"active", true},
                      {"defaultValue", false},
                      {"label", value},
                      {"validFor", nullptr},
                      {"value", value}});
  return values;
}

static json describe_field(const Field &field) {
  auto text = [](const std::string &value) { return value.empty() ? json(nullptr) : json(value); };
  const bool is_whole = field.type == "int" || field.type == "long";
  const bool is_decimal = field.is_numeric() && !is_whole;
  return {{"aggregatable", field.filterable && field.type != "boolean"},
          {"aiPredictionField", false},
          {"autoNumber", field.auto_number},
          {"byteLength", field.length * 3},
          {"calculated", field.calculated},
          {"calculatedFormula", text(field.formula)},
          {"cascadeDelete", false},
          {"caseSensitive", field.is_id()},
          {"compoundFieldName", text(field.compound)},
          {"controllerName", nullptr},
          {"createable", field.writable},
          {"custom", field.custom},
          {"defaultValue", field.type == "boolean" ? json(false) : json(nullptr)},
          {"defaultValueFormula", nullptr},
          {"defaultedOnCreate", field.type == "boolean" || !field.writable},
          {"dependentPicklist", false},
          {"deprecatedAndHidden", false},
          {"digits", is_whole ? (field.type == "int" ? 9 : 18) : 0},
          {"displayLocationInDecimal", field.type == "location"},
          {"encrypted", field.type == "encryptedstring"},
          {"externalId", field.external_id},
          {"extraTypeInfo", field.type == "textarea" ? json("plaintextarea") : json(nullptr)},
          {"filterable", field.filterable},
          {"filteredLookupInfo", nullptr},
          {"formulaTreatNullNumberAsZero", false},
          {"groupable", field.groupable},
          {"highScaleNumber", false},
          {"htmlFormatted", false},
          {"idLookup", field.type == "id" || field.external_id || field.type == "email"},
          {"inlineHelpText", nullptr},
          {"label", field.label},
          {"length", field.length},
          {"mask", nullptr},
          {"maskType", field.type == "encryptedstring" ? json("all") : json(nullptr)},
          {"name", field.name},
          {"nameField", field.name == "Name" || field.name == "CaseNumber"},
          {"namePointing", field.reference_to.size() > 1},
          {"nillable", field.nillable},
          {"permissionable", field.nillable},
          {"picklistValues", picklist_values(field)},
          {"polymorphicForeignKey", field.reference_to.size() > 1},
          {"precision", is_decimal ? field.precision : 0},
          {"queryByDistance", false},
          {"referenceTargetField", nullptr},
          {"referenceTo", field.reference_to},
          {"relationshipName", text(field.relationship)},
          {"relationshipOrder", nullptr},
          {"restrictedDelete", false},
          {"restrictedPicklist", false},
          {"scale", is_decimal ? field.scale : 0},
          {"searchPrefilterable", field.is_id()},
          {"soapType", soap_type(field)},
          {"sortable", field.sortable},
          {"type", field.type},
          {"unique", field.unique},
          {"updateable", field.writable},
          {"writeRequiresMasterRead", false}};
}

static json describe_common(const Schema &schema, const std::string &base) {
  const std::string url = base + "/sobjects/" + schema.name;
  json document;
  for (const char *yes : {"activateable", "createable", "deletable", "layoutable", "mruEnabled",
                          "queryable", "replicateable", "retrieveable", "searchable", "triggerable",
                          "undeletable", "updateable", "feedEnabled"})
    document[yes] = true;
  for (const char *no : {"customSetting", "deepCloneable", "deprecatedAndHidden", "hasSubtypes",
                         "isInterface", "isSubtype", "mergeable"})
    document[no] = false;
  document["activateable"] = false;
  document["mergeable"] = schema.find("MasterRecordId") != nullptr;
  document["associateEntityType"] = nullptr;
  document["associateParentEntity"] = nullptr;
  document["custom"] = schema.custom;
  document["keyPrefix"] = schema.prefix;
  document["label"] = schema.label;
  document["labelPlural"] = schema.plural;
  document["name"] = schema.name;
  document["urls"] = {
      {"sobject", url}, {"describe", url + "/describe"}, {"rowTemplate", url + "/{ID}"}};
  return document;
}

std::string describe_entry(const Schema &schema, const std::string &base) {
  return describe_common(schema, base).dump();
}

std::string describe_object(const Schema &schema, const std::string &base,
                            const std::vector<const Schema *> &all) {
  json document = describe_common(schema, base);
  json &fields = document["fields"] = json::array();
  for (const Field &field : schema.fields) fields.push_back(describe_field(field));
  json &children = document["childRelationships"] = json::array();
  for (const Schema *other : all)
    for (const Field &field : other->fields)
      for (const std::string &target : field.reference_to)
        if (target == schema.name)
          children.push_back({{"cascadeDelete", false},
                              {"childSObject", other->name},
                              {"deprecatedAndHidden", false},
                              {"field", field.name},
                              {"relationshipName", nullptr}});
  document["recordTypeInfos"] = json::array();
  document["supportedScopes"] = json::array(
      {{{"label", "All"}, {"name", "everything"}}, {{"label", "Mine"}, {"name", "mine"}}});
  return document.dump();
}

}  // namespace simulator
