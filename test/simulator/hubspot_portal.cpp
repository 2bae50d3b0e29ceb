// simulator: records of a HubSpot account; see hubspot_portal.hpp.
#include "hubspot_portal.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <stdexcept>

namespace simulator::hubspot {

using nlohmann::json;

std::string iso_stamp(std::int64_t ms) {
  std::string text = format_datetime(ms);
  text.replace(text.size() - 5, 5, "Z");
  return text;
}

// --- Values that follow from the seed -----------------------------------------------------------
template <size_t N>
static const char *pick(const std::array<const char *, N> &words, std::uint64_t dice) {
  return words[dice % N];
}

static constexpr std::array first_names{"Ada",  "Björn", "Chloé", "Dmitri", "Elena",
                                        "Hiro", "José",  "Kofi",  "Mina",   "Zoë"};
static constexpr std::array last_names{"Abbott", "Costa",   "Fischer", "García", "Kim",
                                       "Müller", "O'Brien", "Petrov",  "Şahin",  "Taylor"};
static constexpr std::array companies{"Acme", "Globex", "Initech", "Umbrella", "Hooli", "Wonka"};
static constexpr std::array forms{"Inc.", "GmbH", "Ltd", "S.A.", "& Sons"};
static constexpr std::array streets{"Market Street", "Rue de la Paix", "Hauptstraße", "Broadway"};
static constexpr std::array cities{"San Francisco", "Paris", "München", "São Paulo", "Tokyo"};
static constexpr std::array states{"California", "Texas", "Bavaria", "Ontario"};
static constexpr std::array countries{"United States", "France", "Germany", "Brazil", "Japan"};
static constexpr std::array titles{"VP of Sales", "Buyer", "Director, \"Special\" Projects",
                                   "Head of R&D"};
static constexpr std::array words{"amber", "basalt", "cedar", "fjord", "granite", "lagoon"};
static constexpr std::array sentences{"Met at the spring conference; asked for a quote.",
                                      "Line one\nLine two, with a \"quote\" and a \\ backslash.",
                                      "Très intéressé — rappeler lundi ☎.",
                                      "No news since the last visit."};

static constexpr std::int64_t ms_per_day = 86400000;
static const std::int64_t first_day = days_from_civil(2020, 1, 1);
static const std::int64_t last_day = days_from_civil(2024, 12, 31);

// Numbers are text, and in a few records what people and imports made of them.
static std::string number_text(std::uint64_t dice, bool has_cents) {
  const std::uint64_t whole = dice % 5000000;
  std::string text = std::to_string(whole);
  if (dice % 41 == 0) {
    for (size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
    return text;
  }
  if (dice % 43 == 0) return "1;2;3";
  if (has_cents && dice % 3) text += "." + std::to_string(10 + (dice >> 32) % 90);
  return text;
}

static std::string join_options(std::uint64_t dice, const Property &property) {
  std::string text;
  for (size_t i = 0; i < property.options.size(); i++)
    if (dice >> (i + 8) & 1) text += (text.empty() ? "" : ";") + property.options[i].first;
  return text;
}

// What depends on nothing but the dice, the number of the record and the property.
Text Records::make_plain(std::uint64_t dice, Row row, const Property &property) const {
  const std::string number = std::to_string(row + 1);
  const std::int64_t day = first_day + static_cast<std::int64_t>((dice >> 8) % 2000);
  switch (property.maker) {
    case Maker::boolean:
      return dice % 2 ? "true" : "false";
    case Maker::city:
      return pick(cities, dice);
    case Maker::company:
      return std::string(pick(companies, dice)) + " " + pick(forms, dice >> 8) + " " + number;
    case Maker::country:
      return pick(countries, dice);
    case Maker::date:  // older payloads have them in milliseconds
      return property.type == "date" && dice % 11 == 3 ? std::to_string(day * ms_per_day)
                                                       : format_date(day);
    case Maker::datetime: {
      const std::int64_t ms = day * ms_per_day + static_cast<std::int64_t>((dice >> 24) % 86400000);
      return property.defined_by_hubspot || dice % 5 ? iso_stamp(ms) : std::to_string(ms);
    }
    case Maker::decimal:
      return number_text(dice, true);
    case Maker::domain:
      return "company" + number + ".example.com";
    case Maker::email:
      return "person." + number + "@" + (property.name == "work_email" ? "work." : "") +
             "example.com";
    case Maker::first_name:
      return pick(first_names, dice);
    case Maker::integer:
      return number_text(dice, false);
    case Maker::last_name:
      return std::string(pick(last_names, dice)) + " " + number;
    case Maker::option:
      if (property.options.empty()) return {};
      return property.options[dice % property.options.size()].first;
    case Maker::options:
      return join_options(dice, property);
    case Maker::phone:
      return "+1 555 " + std::to_string(1000000 + dice % 9000000);
    case Maker::sentence:
      return pick(sentences, dice);
    case Maker::state:
      return pick(states, dice);
    case Maker::street:
      return std::to_string(1 + dice % 999) + " " + pick(streets, dice >> 12);
    case Maker::title:
      return pick(titles, dice);
    case Maker::website:
      return "https://www.example.com/" + number;
    case Maker::word:
      return std::string(pick(words, dice)) + " " + number;
    case Maker::zip:
      return std::to_string(10000 + dice % 89999);
    default:
      return {};
  }
}

// Of the stage in which a deal or a ticket is; null when no pipeline has it any more.
static json stage_metadata(const json &pipelines, const Text &stage) {
  if (stage)
    for (const json &pipeline : pipelines)
      for (const json &candidate : pipeline.at("stages"))
        if (candidate.at("id") == *stage) return candidate.at("metadata");
  return {};
}

Text Records::make(Row row, const Change *change, const Property &property) const {
  const std::uint64_t dice = mix(salt_ ^ mix(property.salt + row));
  switch (property.maker) {
    case Maker::id:
      return id(row);
    case Maker::created:
      return iso_stamp(created_ms(row, change));
    case Maker::modified:
      return iso_stamp(modified_ms(row, change));
    case Maker::full_name: {
      const auto part = [&](const char *name) {
        const Property *of = type_.find(name);
        return of ? get(row, change, *of).value_or("") : "";
      };
      const std::string first = part("firstname"), last = part("lastname");
      const std::string name = first + (first.empty() || last.empty() ? "" : " ") + last;
      return name.empty() ? part("email") : name;
    }
    case Maker::closed:
    case Maker::won:
    case Maker::probability: {
      const Property *of = type_.find("dealstage");
      const json metadata =
          stage_metadata(portal_.pipelines(type_.name), of ? get(row, change, *of) : Text());
      const std::string probability = metadata.is_null() ? "" : metadata.value("probability", "");
      if (property.maker == Maker::probability) return probability;
      if (property.maker == Maker::won) return probability == "1.0" ? "true" : "false";
      return metadata.is_null() ? "false" : metadata.value("isClosed", "false");
    }
    default:
      break;
  }
  if (row >= made_) return {};
  if (property.maker == Maker::pipeline || property.maker == Maker::stage) {
    // One throw for both, so that the stage is one of the pipeline's.
    const std::uint64_t throw_of_both = mix(salt_ + row * 31);
    const json &pipelines = standard_pipelines(type_.name);
    if (pipelines.empty()) return {};
    const json &pipeline = pipelines[throw_of_both % pipelines.size()];
    if (property.maker == Maker::pipeline) return pipeline["id"].get<std::string>();
    const json &stages = pipeline["stages"];
    return stages[(throw_of_both >> 16) % stages.size()]["id"].get<std::string>();
  }
  if (property.maker == Maker::owner) {
    const Records *owners = portal_.find_exactly("owners");
    if (!owners || !owners->made_ || dice % 9 == 0) return {};
    return owners->id(static_cast<Row>(dice % owners->made_));
  }
  const bool is_essential = property.unique || property.maker == Maker::last_name ||
                            property.maker == Maker::company || type_.name == "owners";
  if (!is_essential && (dice >> 40) % 8 == 0) return {};
  if (!is_essential && (dice >> 40) % 37 == 1) return "";  // it was cleared
  return make_plain(dice, row, property);
}

Text Records::get(Row row, const Change *change, const Property &property) const {
  if (change) {
    const auto found = change->values.find(property.name);
    if (found != change->values.end()) return found->second;
  }
  return make(row, change, property);
}

std::int64_t Records::created_ms(Row row, const Change *change) const {
  if (change && change->created_ms) return *change->created_ms;
  const std::uint64_t span = static_cast<std::uint64_t>((last_day - first_day) * ms_per_day);
  return first_day * ms_per_day + static_cast<std::int64_t>(mix(salt_ + row * 3 + 1) % span);
}

std::int64_t Records::modified_ms(Row row, const Change *change) const {
  if (change && change->modified_ms) return *change->modified_ms;
  const std::int64_t created = created_ms(row, change);
  const auto span =
      static_cast<std::uint64_t>(std::max<std::int64_t>(1, last_day * ms_per_day - created));
  return created + static_cast<std::int64_t>(mix(salt_ + row * 3 + 2) % span);
}

// --- Records ------------------------------------------------------------------------------------
Records::Records(const Portal &portal, ObjectType type, size_t made)
    : portal_(portal),
      type_(std::move(type)),
      salt_(mix(portal.seed() ^ hash(portal.name() + "/" + type_.name))),
      made_(made),
      size_(made) {}

static std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return number;
}

std::optional<Row> Records::row_of(std::string_view text) const {
  const auto number = number_of(text);
  if (!number || *number < type_.first_id || *number - type_.first_id >= size_) return {};
  return static_cast<Row>(*number - type_.first_id);
}

Row Records::row_after(std::uint64_t id) const {
  if (id < type_.first_id) return 0;
  return static_cast<Row>(std::min<std::uint64_t>(id - type_.first_id + 1, size_));
}

const Change *Records::change(Row row) const {
  const auto found = changes_.find(row);
  return found == changes_.end() ? nullptr : found->second.get();
}

bool Records::indexed(Row row, std::int64_t now_ms, std::int64_t lag_ms,
                      const Change *&shown) const {
  shown = change(row);
  while (shown && lag_ms > 0 && now_ms - shown->at_ms < lag_ms) shown = shown->before.get();
  return shown || row < made_;
}

bool Records::is_visible(const Change *change, bool archived) {
  if (!change) return !archived;
  return !change->gone && change->archived_ms.has_value() == archived;
}

// A copy to be changed, with what was before. Of what was before that, only so much is kept as a
// lagging index could still show.
Change &Records::changed(Row row, std::int64_t now_ms) {
  std::shared_ptr<const Change> &kept = changes_[row];
  auto next = std::make_shared<Change>(kept ? *kept : Change());
  next->at_ms = now_ms;
  next->before = kept;
  if (kept && now_ms - kept->at_ms >= portal_.index_lag_ms) {
    auto last = std::make_shared<Change>(*kept);
    last->before = nullptr;
    next->before = last;
  }
  Change &change = *next;
  kept = std::move(next);
  return change;
}

// Never the same twice, so that a change is seen by whoever compares stamps.
void Records::stamp(Change &change, Row row, std::int64_t now_ms) {
  change.modified_ms = std::max(now_ms, modified_ms(row, &change) + 1);
}

Row Records::insert(Values values, std::int64_t now_ms) {
  const Row row = static_cast<Row>(size_++);
  Change &change = changed(row, now_ms);
  change.created_ms = change.modified_ms = now_ms;
  change.values = std::move(values);
  return row;
}

void Records::update(Row row, Values values, std::int64_t now_ms, bool moves_stamp) {
  Change &change = changed(row, now_ms);
  for (auto &[name, value] : values) change.values[name] = std::move(value);
  if (moves_stamp) stamp(change, row, now_ms);
}

void Records::archive(Row row, std::int64_t now_ms) { changed(row, now_ms).archived_ms = now_ms; }

void Records::restore(Row row, std::int64_t now_ms, bool moves_stamp) {
  Change &change = changed(row, now_ms);
  change.archived_ms.reset();
  if (moves_stamp) stamp(change, row, now_ms);
}

void Records::purge(Row row, std::int64_t now_ms) { changed(row, now_ms).gone = true; }

Row Records::merge(Row primary, Row other, std::int64_t now_ms, bool keeps_id) {
  Values values;
  for (const Property &property : type_.properties) {
    if (property.maker == Maker::id || property.maker == Maker::created ||
        property.maker == Maker::modified || property.calculated)
      continue;
    Text value = get(primary, change(primary), property);
    if (!value || value->empty()) value = get(other, change(other), property);
    if (value) values[property.name] = value;
  }
  const Text merged_before = keeps_id ? values["hs_merged_object_ids"] : Text();
  values["hs_merged_object_ids"] = keeps_id
                                       ? (merged_before ? *merged_before + ";" : "") + id(other)
                                       : id(primary) + ";" + id(other);
  Row result = primary;
  if (keeps_id)
    update(primary, std::move(values), now_ms, true);
  else
    result = insert(std::move(values), now_ms);
  for (const Row row : {primary, other}) {
    if (row == result) continue;
    Change &change = changed(row, now_ms);
    change.gone = true;
    change.merged_into = result;
  }
  return result;
}

// --- Portal -------------------------------------------------------------------------------------
Portal::Portal(std::string name, const Options &options)
    : name_(std::move(name)), seed_(mix(options.seed) ^ hash(name_)), hub_id_(hub_id_of(name_)) {
  for (ObjectType &type : standard_types(hub_id_)) {
    const auto named = options.records.find(type.name), all = options.records.find("");
    const bool is_small = type.custom || type.name == "owners";
    const size_t made = named != options.records.end() ? named->second
                        : is_small                     ? 5
                        : all != options.records.end() ? all->second
                                                       : 20;
    pipelines_[type.name] = standard_pipelines(type.name);
    records_.push_back(std::make_unique<Records>(*this, std::move(type), made));
  }
}

const Records *Portal::find(std::string_view type) const {
  for (const auto &records : records_)
    if (records->type().name != "owners" && records->type().is_called(type)) return records.get();
  return nullptr;
}

Records *Portal::find(std::string_view type) {
  return const_cast<Records *>(std::as_const(*this).find(type));
}

const Records *Portal::find_exactly(std::string_view name) const {
  for (const auto &records : records_)
    if (records->type().name == name) return records.get();
  return nullptr;
}

Records *Portal::find_exactly(std::string_view name) {
  return const_cast<Records *>(std::as_const(*this).find_exactly(name));
}

Records &Portal::add_type(const std::string &name) {
  records_.push_back(
      std::make_unique<Records>(*this, custom_type(name, hub_id_, custom_types_++), 0));
  return *records_.back();
}

bool Portal::remove_type(const std::string &name) {
  return std::erase_if(records_, [&](const auto &records) {
           return records->type().custom && records->type().is_called(name);
         }) > 0;
}

const json &Portal::pipelines(const std::string &type) const {
  static const json none = json::array();
  const auto found = pipelines_.find(type);
  return found == pipelines_.end() ? none : found->second;
}

void Portal::set_pipelines(const std::string &type, json pipelines) {
  pipelines_[type] = std::move(pipelines);
}

Row Portal::merge(Records &records, Row primary, Row other, std::int64_t now_ms, bool keeps_id) {
  const Row result = records.merge(primary, other, now_ms, keeps_id);
  for (const auto &to : records_)
    for (const Row row : {primary, other})
      if (row != result)
        for (const Association &association : associated(records, row, *to))
          associate(records, result, *to, association.row, true);
  return result;
}

// --- Associations -------------------------------------------------------------------------------
// Of two types, one has its records spread over the other's by their number, so that both ways are
// found without a search. Those of the first type that have none are every seventh.
static bool is_first(const std::string &type, const std::string &other) {
  static const std::map<std::string, int> order = {
      {"tickets", 0}, {"deals", 1}, {"cars", 2}, {"contacts", 3}, {"companies", 4}};
  const auto one = order.find(type), two = order.find(other);
  return one != order.end() && two != order.end() && one->second < two->second;
}

bool Portal::by_seed(const Records &from, Row row, const Records &to,
                     std::vector<Row> &rows) const {
  const bool forth = is_first(from.type().name, to.type().name);
  if (!forth && !is_first(to.type().name, from.type().name)) return false;
  if (row >= from.made() || from.made() == 0 || to.made() == 0) return true;
  if (forth) {
    if (row % 7 != 6) rows.push_back(static_cast<Row>(row % to.made()));
    return true;
  }
  for (size_t other = row; other < to.made(); other += from.made())
    if (other % 7 != 6) rows.push_back(static_cast<Row>(other));
  return true;
}

std::vector<Association> Portal::associated(const Records &from, Row row, const Records &to) const {
  std::vector<Row> rows;
  by_seed(from, row, to, rows);
  const size_t seeded = rows.size();
  const Pair own{from.type().name, row};
  const auto gone = dissociated_.find(own);
  if (gone != dissociated_.end())
    std::erase_if(rows, [&](Row other) { return gone->second.count({to.type().name, other}) > 0; });
  std::vector<Association> found;
  for (const Row other : rows)
    found.push_back(
        {other, seeded > 0 && (from.type().name == "companies" || to.type().name == "companies")});
  const auto more = associated_.find(own);
  if (more != associated_.end())
    for (const auto &[type, other] : more->second)
      if (type == to.type().name) found.push_back({other, false});
  std::erase_if(found, [&](const Association &association) {
    return !Records::is_visible(to.change(association.row), false);
  });
  std::sort(found.begin(), found.end(),
            [](const Association &a, const Association &b) { return a.row < b.row; });
  return found;
}

void Portal::associate(const Records &from, Row row, const Records &to, Row other,
                       bool is_associated) {
  const Pair one{from.type().name, row}, two{to.type().name, other};
  std::vector<Row> rows;
  by_seed(from, row, to, rows);
  const bool is_seeded = std::find(rows.begin(), rows.end(), other) != rows.end();
  const auto put = [](std::map<Pair, std::set<Pair>> &map, const Pair &a, const Pair &b, bool in) {
    if (in)
      map[a].insert(b), map[b].insert(a);
    else
      map[a].erase(b), map[b].erase(a);
  };
  put(dissociated_, one, two, is_seeded && !is_associated);
  put(associated_, one, two, !is_seeded && is_associated);
}

}  // namespace simulator::hubspot
