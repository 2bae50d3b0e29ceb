// simulator: records; see org.hpp.
#include "org.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>

namespace simulator {

using nlohmann::json;

// --- Ids
// ------------------------------------------------------------------------------------------ 3
// characters of the object, 3 of the org, 9 that count (in ASCII order, so that ids sort as they
// were made), 3 that tell which of the others are upper case.
static constexpr std::string_view base62 =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static void append_base62(std::string &out, std::uint64_t number, size_t width) {
  out.append(width, '0');
  for (size_t i = out.size(); number; number /= 62) out[--i] = base62[number % 62];
}

static std::string base62_text(std::uint64_t number, size_t width) {
  std::string text(width, '0');
  for (size_t i = width; i-- > 0; number /= 62) text[i] = base62[number % 62];
  return text;
}

// Of the 15 characters at the end.
static void append_checksum(std::string &id) {
  const size_t start = id.size() - 15;
  for (size_t group = 0; group < 3; group++) {
    unsigned bits = 0;
    for (size_t i = 0; i < 5; i++) {
      const char c = id[start + group * 5 + i];
      if (c >= 'A' && c <= 'Z') bits |= 1u << i;
    }
    id += "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"[bits];
  }
}

std::string Org::instance() const { return base62_text(hash(name_), 3); }

std::string Org::id() const {
  std::string id = "00D" + instance() + base62_text(hash(name_) >> 20, 9);
  append_checksum(id);
  return id;
}

void Table::append_id(std::string &out, RowNumber row) const {
  out += stem_;
  append_base62(out, row + 1, 9);
  append_checksum(out);
}

std::string Table::id(RowNumber row) const {
  std::string id;
  id.reserve(18);
  append_id(id, row);
  return id;
}

std::optional<RowNumber> Table::row_of(std::string_view text) const {
  if ((text.size() != 15 && text.size() != 18) || text.substr(0, 6) != stem_) return {};
  std::uint64_t number = 0;
  for (const char c : text.substr(6, 9)) {
    const size_t digit = base62.find(c);
    if (digit == std::string_view::npos) return {};
    number = number * 62 + digit;
  }
  if (number == 0 || number > size_) return {};
  return static_cast<RowNumber>(number - 1);
}

// --- Values that follow from the seed
// ---------------------------------------------------------------
template <size_t N>
static const char *pick(const std::array<const char *, N> &words, std::uint64_t dice) {
  return words[dice % N];
}

static constexpr std::array first_names{"Ada",   "Björn", "Chloé", "Dmitri", "Elena", "Farid",
                                        "Grace", "Hiro",  "Inès",  "José",   "Kofi",  "Léa",
                                        "Mina",  "Noah",  "Olga",  "Pablo",  "Zoë",   "Rosa"};
static constexpr std::array last_names{"Abbott",  "Bauer",     "Costa",  "Dubois",   "Eriksen",
                                       "Fischer", "García",    "Hansen", "Ivanova",  "Jansen",
                                       "Kim",     "Lindqvist", "Müller", "Nakamura", "O'Brien",
                                       "Petrov",  "Quinn",     "Rossi",  "Şahin",    "Taylor"};
static constexpr std::array companies{"Acme",     "Globex", "Initech", "Umbrella", "Hooli",
                                      "Vandelay", "Stark",  "Wayne",   "Wonka",    "Tyrell"};
static constexpr std::array forms{"Inc.", "GmbH", "Ltd", "S.A.", "& Sons", "LLC"};
static constexpr std::array streets{"Market Street", "Rue de la Paix", "Hauptstraße",
                                    "High Street",   "Via Roma",       "Broadway"};
static constexpr std::array cities{"San Francisco", "Paris", "München", "London",
                                   "São Paulo",     "Tokyo", "Lyon",    "Austin"};
static constexpr std::array states{"California", "Texas", "Bavaria", "New York", "Ontario"};
static constexpr std::array state_codes{"CA", "TX", "BY", "NY", "ON"};
static constexpr std::array countries{"United States", "France", "Germany", "Brazil", "Japan"};
static constexpr std::array country_codes{"US", "FR", "DE", "BR", "JP"};
static constexpr std::array titles{
    "VP of Sales", "Buyer", "CFO", "Director, \"Special\" Projects", "Engineer", "Head of R&D"};
static constexpr std::array words{"amber",   "basalt",  "cedar",  "delta",  "ember",
                                  "fjord",   "granite", "harbor", "indigo", "jasper",
                                  "krypton", "lagoon",  "meadow"};
static constexpr std::array sentences{"Met at the spring conference; asked for a quote.",
                                      "Prefers to be called in the afternoon.",
                                      "Line one\nLine two, with a \"quote\" and a \\ backslash.",
                                      "Renewal due, budget confirmed.",
                                      "Très intéressé — rappeler lundi ☎.",
                                      "No news since the last visit."};

static void append_number(std::string &out, std::uint64_t number) {
  char text[24];
  out.append(text, std::to_chars(text, text + sizeof text, number).ptr);
}

static void append_hundredths(std::string &out, std::uint64_t number) {
  append_number(out, number / 100);
  if (number % 100 == 0) return;
  out += '.';
  out += static_cast<char>('0' + number / 10 % 10);
  if (number % 10) out += static_cast<char>('0' + number % 10);
}

static void append_coordinate(std::string &out, std::uint64_t dice, std::uint64_t range) {
  const std::uint64_t micro = dice % (1000000 * range);
  if (dice >> 60 & 1 && micro) out += '-';
  append_number(out, micro / 1000000);
  out += '.';
  for (std::uint64_t weight = 100000; weight; weight /= 10)
    out += static_cast<char>('0' + micro / weight % 10);
  out.resize(out.find_last_not_of('0') + 1);
  if (out.back() == '.') out.pop_back();
}

void Table::make_reference(Value &into, std::uint64_t dice, const Field &field) const {
  into.begin(Value::Kind::null);
  if (field.reference_to.empty()) return;
  const Table *target = org_.find_exactly(field.reference_to.back());
  if (!target || target->generated_ == 0) return;
  target->append_id(into.begin(Value::Kind::text),
                    static_cast<RowNumber>(dice % target->generated_));
}

void Table::make_user(Value &into, std::uint64_t dice) const {
  into.begin(Value::Kind::null);
  const Table *users = org_.find_exactly("User");
  if (!users || users->size_ == 0) return;
  users->append_id(into.begin(Value::Kind::text), static_cast<RowNumber>(dice % users->size_));
}

void Table::make_text(std::string &out, std::uint64_t dice, RowNumber row,
                      const Field &field) const {
  switch (field.maker) {
    case Maker::first_name:
      out += pick(first_names, mix(salt_ + row * 7919));
      return;
    case Maker::city:
      out += pick(cities, dice);
      return;
    case Maker::state:
      out += pick(states, dice);
      return;
    case Maker::state_code:
      out += pick(state_codes, dice);
      return;
    case Maker::country:
      out += pick(countries, dice);
      return;
    case Maker::country_code:
      out += pick(country_codes, dice);
      return;
    case Maker::title:
      out += pick(titles, dice);
      return;
    case Maker::sentence:
      out += pick(sentences, dice);
      return;
    case Maker::postal_code:
      append_number(out, 10000 + dice % 89999);
      return;
    case Maker::street:
      append_number(out, 1 + dice % 999);
      (out += ' ') += pick(streets, dice >> 12);
      return;
    case Maker::phone:
      append_number(out += '(', 200 + dice % 700);
      append_number(out += ") 555-", 1000 + (dice >> 16) % 9000);
      return;
    case Maker::email:
      append_number(out += "person.", row + 1);
      out += "@example.com";
      return;
    case Maker::url:
      out += "https://www.example.com/record/";
      break;
    case Maker::last_name:
      (out += pick(last_names, mix(salt_ + row * 104729))) += ' ';
      break;
    case Maker::company:
      ((out += pick(companies, dice)) += ' ') += pick(forms, dice >> 8);
      out += ' ';
      break;
    default:
      (out += pick(words, dice)) += ' ';
  }
  append_number(out, row + 1);
  if (field.length && out.size() > static_cast<size_t>(field.length)) out.resize(field.length);
}

static void make_picklist(Value &into, std::uint64_t dice, const Field &field) {
  into.begin(Value::Kind::null);
  if (field.picklist.empty()) return;
  const size_t choice = dice % field.picklist.size();
  into.begin(Value::Kind::text) += field.picklist[choice];
  if (field.type == "multipicklist" && choice + 1 < field.picklist.size())
    (into.text += ';') += field.picklist[choice + 1];
}

static constexpr std::int64_t ms_per_day = 86400000;
static const std::int64_t epoch_2021 = days_from_civil(2021, 1, 1) * ms_per_day;

void Table::make(Value &into, RowNumber row, const Field &field) const {
  using Kind = Value::Kind;
  const std::uint64_t dice = mix(salt_ ^ mix(field.salt + row));
  const auto boolean = [&](bool is_true) {
    into.begin(Kind::boolean) += is_true ? "true" : "false";
  };
  if (field.type == "boolean") return boolean(field.maker == Maker::boolean && (dice & 1));
  if (field.maker == Maker::none || (field.nillable && (dice >> 56) < 24)) {
    into.begin(Kind::null);
    return;
  }
  switch (field.maker) {
    case Maker::reference:
      return make_reference(into, dice, field);
    case Maker::picklist:
      return make_picklist(into, dice, field);
    case Maker::integer:
      return append_number(into.begin(Kind::number), dice % 100000);
    case Maker::percent:
      return append_number(into.begin(Kind::number), dice % 101);
    case Maker::money:
      return append_hundredths(into.begin(Kind::number), dice % 5000000000);
    case Maker::latitude:
      return append_coordinate(into.begin(Kind::number), dice, 90);
    case Maker::longitude:
      return append_coordinate(into.begin(Kind::number), dice, 180);
    case Maker::date:
      return append_date(into.begin(Kind::text), (field.name == "Birthdate" ? -7305 : 18628) +
                                                     static_cast<std::int64_t>(dice % 1460));
    case Maker::datetime:
      return append_datetime(into.begin(Kind::text),
                             epoch_2021 + static_cast<std::int64_t>(dice % 126230400) * 1000);
    case Maker::time:
      append_datetime(into.begin(Kind::text), static_cast<std::int64_t>(dice % 86400) * 1000);
      into.text = into.text.substr(11, 12) + "Z";
      return;
    default:
      return make_text(into.begin(Kind::text), dice, row, field);
  }
}

std::int64_t Table::created_ms(RowNumber row) const {
  return epoch_2021 + static_cast<std::int64_t>(mix(salt_ + row) % (3 * 365 * 86400)) * 1000;
}

std::int64_t Table::modified_ms(RowNumber row) const {
  return created_ms(row) + static_cast<std::int64_t>(mix(salt_ + row + 1) % (365 * 86400)) * 1000;
}

// --- Table
// ----------------------------------------------------------------------------------------
Table::Table(const Org &org, std::shared_ptr<const Schema> schema, size_t generated)
    : org_(org),
      stem_(schema->prefix + org.instance()),
      salt_(mix(org.seed() ^ hash(org.name()) ^ mix(hash(schema->name)))),
      generated_(generated),
      size_(generated) {
  set_schema(std::move(schema));
}

void Table::set_schema(std::shared_ptr<const Schema> schema) {
  schema_ = std::move(schema);
  first_name_ = schema_->find("FirstName");
  last_name_ = schema_->find("LastName");
}

const Change *Table::change(RowNumber row) const {
  const auto found = changes_.find(row);
  return found == changes_.end() ? nullptr : &found->second;
}

bool Table::is_visible(RowNumber row, bool with_deleted) const {
  const Change *changed = change(row);
  return !changed || (!changed->purged && (with_deleted || !changed->deleted));
}

size_t Table::count_visible() const {
  const auto hidden = std::count_if(changes_.begin(), changes_.end(), [&](const auto &changed) {
    return !is_visible(changed.first, false);
  });
  return size_ - static_cast<size_t>(hidden);
}

// The few formulas that appear in exported orgs' fields: a path, VALUE(TEXT(path)), a quotient.
Value Table::formula(RowNumber row, const std::string &text) const {
  if (text.starts_with("VALUE(TEXT(") && text.ends_with("))")) {
    const Value value = org_.read(*this, row, text.substr(11, text.size() - 13));
    return value.is_null() ? value : Value::number(value.text);
  }
  if (const size_t slash = text.find(" / "); slash != std::string::npos) {
    const Value above = org_.read(*this, row, text.substr(0, slash));
    const Value below = org_.read(*this, row, text.substr(slash + 3));
    if (above.is_null() || below.is_null() || below.to_double() == 0) return {};
    return Value::number(std::to_string(above.to_double() / below.to_double()));
  }
  return org_.read(*this, row, text);
}

Value Table::get(RowNumber row, const Change *change, const Field &field) const {
  Value value;
  get(value, row, change, field);
  return value;
}

void Table::get(Value &into, RowNumber row, const Change *change, const Field &field) const {
  using Kind = Value::Kind;
  switch (field.role) {
    case Role::id:
      return append_id(into.begin(Kind::text), row);
    case Role::is_deleted:
      into = Value::boolean(change && change->deleted);
      return;
    case Role::formula:
      into = field.formula.empty() ? Value{} : formula(row, field.formula);
      return;
    case Role::full_name: {
      const Value first = first_name_ ? get(row, change, *first_name_) : Value{};
      get(into, row, change, *last_name_);
      if (!first.is_null()) into = Value::of(first.text + " " + into.text);
      return;
    }
    default:
      break;
  }
  if (change) {
    const auto found = change->values.find(field.name);
    if (found != change->values.end()) {
      into = found->second;
      return;
    }
  }
  const bool is_made = row < generated_;
  switch (field.role) {
    case Role::created_date:
      return append_datetime(into.begin(Kind::text), created_ms(row));
    case Role::modified_date:
      return append_datetime(into.begin(Kind::text), modified_ms(row));
    case Role::system_user:
      return make_user(into, mix(salt_ + row));
    case Role::auto_number: {
      const std::string number = std::to_string(row + 1);
      into = Value::of(std::string(number.size() < 8 ? 8 - number.size() : 0, '0') + number);
      return;
    }
    case Role::blob:
      into = is_made ? Value::of("blob") : Value{};
      return;
    case Role::compound:
      into.begin(Kind::null);
      return;
    default:
      break;
  }
  if (is_made) return make(into, row, field);
  into = field.type == "boolean" ? Value::boolean(false) : Value{};
}

// MailingPostalCode of MailingAddress: postalCode; Place__Latitude__s of Place__c: latitude.
static std::string part_name(const Field &part) {
  std::string name = part.name;
  if (name.ends_with("__s") || name.ends_with("__c")) name.resize(name.size() - 3);
  for (const char *known : {"Street", "City", "StateCode", "State", "PostalCode", "CountryCode",
                            "Country", "Latitude", "Longitude", "GeocodeAccuracy"})
    if (name.ends_with(known)) {
      name = known;
      name[0] = static_cast<char>(name[0] + 32);
      return name;
    }
  return name;
}

static void append_scalar(std::string &out, const Value &value, const Field &field) {
  if (value.is_null())
    out += "null";
  else if (value.kind == Value::Kind::boolean)
    out += value.text;
  else if (value.kind == Value::Kind::number && field.type != "int" && field.type != "long")
    append_java_double(out, value.text);
  else if (value.kind == Value::Kind::number)
    out += value.text;
  else
    append_json_text(out, value.text);
}

void Table::append_json(std::string &out, RowNumber row, const Change *change, const Field &field,
                        const std::string &base) const {
  if (field.role == Role::blob) {
    if (get(row, change, field).is_null())
      out += "null";
    else
      append_json_text(out, base + "/sobjects/" + schema_->name + "/" + id(row) + "/" + field.name);
    return;
  }
  if (field.role != Role::compound) {
    thread_local Value value;
    get(value, row, change, field);
    return append_scalar(out, value, field);
  }
  std::string object;
  bool is_empty = true;
  for (const Field &part : schema_->fields) {
    if (part.compound != field.name) continue;
    const Value value = get(row, change, part);
    is_empty = is_empty && value.is_null();
    object += object.empty() ? "{" : ",";
    append_json_text(object, part_name(part));
    object += ":";
    append_scalar(object, value, part);
  }
  out += is_empty ? "null" : object + "}";
}

// Stamps are kept to the second.
void Table::stamp(Change &change, std::int64_t now_ms) {
  const Value now = Value::of(format_datetime(now_ms / 1000 * 1000));
  change.values["LastModifiedDate"] = now;
  change.values["SystemModstamp"] = now;
}

RowNumber Table::insert(Values values, std::int64_t now_ms) {
  const auto row = static_cast<RowNumber>(size_++);
  Change &change = changes_[row];
  Value user;
  make_user(user, 0);
  stamp(change, now_ms);
  change.values["CreatedDate"] = change.values["SystemModstamp"];
  change.values["CreatedById"] = change.values["LastModifiedById"] = user;
  if (schema_->find("OwnerId")) change.values["OwnerId"] = user;
  for (auto &[name, value] : values) change.values[name] = std::move(value);
  return row;
}

void Table::update(RowNumber row, Values values, std::int64_t now_ms, bool moves_stamp) {
  Change &change = changes_[row];
  if (moves_stamp) stamp(change, now_ms);
  for (auto &[name, value] : values) change.values[name] = std::move(value);
}

void Table::remove(RowNumber row, std::int64_t now_ms, bool purge) {
  Change &change = changes_[row];
  stamp(change, now_ms);
  change.deleted = true;
  change.purged = purge;
}

void Table::undelete(RowNumber row, std::int64_t now_ms) {
  Change &change = changes_[row];
  if (change.purged) return;
  stamp(change, now_ms);
  change.deleted = false;
}

// --- Org
// ------------------------------------------------------------------------------------------
Table &Org::add_table(std::shared_ptr<const Schema> schema, size_t generated) {
  const std::string key = lower(schema->name);
  Table &table = tables_.try_emplace(key, *this, std::move(schema), generated).first->second;
  by_prefix_[table.schema().prefix] = by_name_[table.schema().name] = &table;
  return table;
}

bool Org::remove_table(const std::string &name) {
  const auto found = tables_.find(lower(name));
  if (found == tables_.end()) return false;
  by_prefix_.erase(found->second.schema().prefix);
  by_name_.erase(found->second.schema().name);
  tables_.erase(found);
  return true;
}

Table *Org::find(std::string_view name) {
  const auto found = tables_.find(lower(name));
  return found == tables_.end() ? nullptr : &found->second;
}

const Table *Org::find(std::string_view name) const {
  const auto found = tables_.find(lower(name));
  return found == tables_.end() ? nullptr : &found->second;
}

const Table *Org::find_exactly(const std::string &name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

std::vector<const Table *> Org::tables() const {
  std::vector<const Table *> all;
  for (const auto &[key, table] : tables_) all.push_back(&table);
  return all;
}

std::pair<const Table *, RowNumber> Org::locate(const std::string &id) const {
  const auto table = by_prefix_.find(id.substr(0, 3));
  if (table == by_prefix_.end()) return {nullptr, 0};
  const auto row = table->second->row_of(id);
  return row ? std::pair(table->second, *row) : std::pair<const Table *, RowNumber>(nullptr, 0);
}

Value Org::read(const Table &table, RowNumber row, const std::string &path) const {
  const size_t dot = path.find('.');
  if (dot == std::string::npos) {
    const Field *field = table.schema().find(path);
    return field ? table.get(row, *field) : Value{};
  }
  const Field *reference = table.schema().find_relationship(path.substr(0, dot));
  if (!reference) return {};
  const auto [target, target_row] = locate(table.get(row, *reference).text);
  return target ? read(*target, target_row, path.substr(dot + 1)) : Value{};
}

// --- DataSet
// --------------------------------------------------------------------------------------
static json read_json(const std::filesystem::path &path) {
  std::ifstream in(path);
  if (!in) throw std::runtime_error("cannot read " + path.string());
  return json::parse(in);
}

DataSet::DataSet(const std::string &directory) {
  std::set<std::filesystem::path> files;
  for (const auto &entry : std::filesystem::directory_iterator(directory))
    if (entry.path().extension() == ".json") files.insert(entry.path());
  const std::string ending = ".fields.json";
  for (const auto &path : files)
    if (const std::string name = path.filename(); name.ends_with(ending))
      declare(name.substr(0, name.size() - ending.size()), read_json(path));
  for (const auto &path : files)
    if (const std::string name = path.filename(); !name.ends_with(ending))
      if (const json document = read_json(path); document.is_object()) load(document);
  for (auto &[name, object] : objects_) infer_fields(object);
}

DataSet::Object &DataSet::object(const std::string &name) {
  const auto [found, is_new] = objects_.try_emplace(name);
  if (!is_new) return found->second;
  for (const auto &standard : standard_schemas())
    if (standard->name == name) {
      found->second.schema = std::make_shared<Schema>(*standard);
      return found->second;
    }
  const std::string prefix = "a" + base62_text(objects_.size(), 2);
  found->second.schema = std::make_shared<Schema>(custom_schema(name, "", prefix));
  return found->second;
}

void DataSet::declare(const std::string &name, const json &fields) {
  Schema &schema = *object(name).schema;
  for (const json &field : fields)
    if (!schema.find(field.at("name").get<std::string>()))
      add_with_parts(schema, field_from_json(field));
}

void DataSet::load(const json &document) {
  for (const json &record : document.value("records", json::array())) {
    const json &attributes = record.at("attributes");
    const std::string type = attributes.at("type");
    Record &loaded = object(type).records.emplace_back();
    loaded.reference = attributes.value("referenceId", "");
    object_of_reference_[loaded.reference] = type;
    for (const auto &[name, value] : record.items()) {
      if (value.is_boolean())
        loaded.values.emplace_back(name, Value::boolean(value.get<bool>()));
      else if (value.is_number())
        loaded.values.emplace_back(name, Value::number(value.dump()));
      else if (value.is_string())
        loaded.values.emplace_back(name, Value::of(value.get<std::string>()));
    }
  }
}

// A field that nobody declared has the type that its first value suggests.
void DataSet::infer_fields(Object &object) const {
  bool has_name = false;
  for (const Record &record : object.records)
    for (const auto &[name, value] : record.values) {
      has_name = has_name || name == "Name";
      if (object.schema->find(name)) continue;
      Field field;
      field.name = name;
      if (value.kind == Value::Kind::boolean) field.type = "boolean";
      if (value.kind == Value::Kind::number) field.type = "double", field.scale = 2;
      if (value.text.starts_with("@") && object_of_reference_.count(value.text.substr(1))) {
        field.type = "reference";
        field.reference_to = {object_of_reference_.at(value.text.substr(1))};
      } else if (value.kind == Value::Kind::text) {
        if (parse_date(value.text)) field.type = "date";
        if (parse_datetime(value.text)) field.type = "datetime";
        if (is_time(value.text)) field.type = "time";
        if (value.text.size() > 255) field.type = "textarea", field.filterable = false;
      }
      object.schema->add(field);
    }
  std::map<std::string, std::set<std::string>> picked;
  for (const Record &record : object.records)
    for (const auto &[name, value] : record.values)
      if (const Field *field = object.schema->find(name); field && field->type == "picklist")
        picked[field->name].insert(value.text);
  for (Field &field : object.schema->fields)
    if (picked.count(field.name))
      field.picklist.assign(picked[field.name].begin(), picked[field.name].end());
  // Records of a custom object without names are numbered.
  const Field *name = object.schema->find("Name");
  if (!has_name && object.schema->custom && name && name->role == Role::plain) {
    Field numbered = *name;
    numbered.auto_number = true;
    numbered.nillable = false;
    object.schema->remove("Name");
    object.schema->add(numbered);
  }
}

std::map<std::string, std::shared_ptr<const Schema>> DataSet::schemas() const {
  std::map<std::string, std::shared_ptr<const Schema>> schemas;
  for (const auto &[name, object] : objects_) schemas[name] = object.schema;
  return schemas;
}

size_t DataSet::count(const std::string &name) const {
  const auto found = objects_.find(name);
  return found == objects_.end() ? 0 : found->second.records.size();
}

// First every record gets its id, then its values, since references may point anywhere.
void DataSet::fill(Org &org, const std::map<std::string, size_t> &made) const {
  const std::int64_t start = days_from_civil(2024, 1, 1) * ms_per_day;
  std::map<std::string, std::string> ids;
  for (const auto &[name, object] : objects_) {
    if (made.count(name)) continue;
    Table &table = *org.find(name);
    for (const Record &record : object.records) {
      const auto minutes = static_cast<std::int64_t>(&record - object.records.data());
      ids["@" + record.reference] = table.id(table.insert({}, start + minutes * 60000));
    }
  }
  for (const auto &[name, object] : objects_) {
    if (made.count(name)) continue;
    Table &table = *org.find(name);
    auto row = static_cast<RowNumber>(table.generated());
    for (const Record &record : object.records) {
      Values values;
      for (const auto &[field_name, value] : record.values) {
        const Field &field = *table.schema().find(field_name);
        const bool is_reference = field.is_id() && value.text.starts_with("@");
        values[field.name] = is_reference ? Value::of(ids[value.text]) : value;
      }
      table.update(row++, std::move(values), 0, false);
    }
  }
}

// --- World
// ----------------------------------------------------------------------------------------
World::World(Options options) : options_(std::move(options)) {
  if (!options_.data_directory.empty()) data_ = std::make_unique<DataSet>(options_.data_directory);
}

size_t World::made_of(const Schema &schema) const {
  const auto found = options_.records.find(schema.name);
  if (found != options_.records.end()) return found->second;
  if (data_ && data_->count(schema.name)) return 0;
  if (schema.name == "User" || schema.name == "MyCustomObject__c") return 5;
  const auto all = options_.records.find("");
  if (schema.custom) return 0;
  return all != options_.records.end() ? all->second : data_ ? 0 : 20;
}

Org *World::find(const std::string &name) {
  const std::lock_guard lock(mutex_);
  const auto found = orgs_.find(name);
  return found == orgs_.end() ? nullptr : found->second.get();
}

Org &World::create(const std::string &name) {
  const std::lock_guard lock(mutex_);
  std::unique_ptr<Org> &org = orgs_[name];
  if (org) return *org;
  org = std::make_unique<Org>(name, options_.seed);
  std::map<std::string, std::shared_ptr<const Schema>> schemas;
  if (data_) schemas = data_->schemas();
  for (const auto &schema : standard_schemas()) schemas.try_emplace(schema->name, schema);
  for (const auto &[object, schema] : schemas) org->add_table(schema, made_of(*schema));
  if (data_) data_->fill(*org, options_.records);
  return *org;
}

Org *World::open(const std::string &name) {
  if (Org *org = find(name); org || options_.strict) return org;
  return &create(name);
}

// --- Values from documents
// ------------------------------------------------------------------------
Value value_from_json(const Field &field, const json &document) {
  const auto refuse = [&]() -> Value {
    throw std::invalid_argument("field " + field.name + " of type " + field.type + " cannot be " +
                                document.dump());
  };
  if (document.is_null()) return {};
  if (field.type == "boolean")
    return document.is_boolean() ? Value::boolean(document.get<bool>()) : refuse();
  if (field.is_numeric()) {
    const std::string text = document.is_string() ? document.get<std::string>() : document.dump();
    if (text.empty() || text.find_first_not_of("0123456789+-.eE") != std::string::npos) refuse();
    return Value::number(text);
  }
  if (!document.is_string()) return refuse();
  const auto text = document.get<std::string>();
  if (text.empty()) return {};
  if (field.type == "date" && !parse_date(text)) return refuse();
  if (field.type == "datetime") {
    const auto ms = parse_datetime(text);
    return ms ? Value::of(format_datetime(*ms)) : refuse();
  }
  return Value::of(text);
}

}  // namespace simulator
