// simulator: which records a search of HubSpot's finds. Reads the records as the search index shows
// them, which may lag behind.
#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <set>

#include "hubspot.hpp"

namespace simulator::hubspot {

using nlohmann::json;

namespace {

struct Filter {
  const Property *property;
  std::string operation;
  std::vector<std::string> values;  // BETWEEN has two
};

[[noreturn]] void complain(const std::string &message) {
  throw Refusal{400, "VALIDATION_ERROR", message};
}

bool is_stamp(const Property &property) {
  return property.type == "date" || property.type == "datetime";
}

// A moment in milliseconds, however it is written.
std::optional<double> moment(const std::string &text) {
  if (const auto ms = parse_datetime(text)) return static_cast<double>(*ms);
  if (const auto days = parse_date(text)) return static_cast<double>(*days) * 86400000;
  char *end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  if (text.empty() || *end) return {};
  return number;
}

std::optional<double> number(const std::string &text) {
  char *end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end) return {};
  return value;
}

// Less than zero, zero, more than zero; nothing where the two cannot be compared.
std::optional<int> compare(const Property &property, const std::string &a, const std::string &b) {
  if (is_stamp(property) || property.type == "number") {
    const auto one = is_stamp(property) ? moment(a) : number(a);
    const auto two = is_stamp(property) ? moment(b) : number(b);
    if (!one || !two) return {};
    return *one < *two ? -1 : *one > *two;
  }
  const int order = lower(a).compare(lower(b));
  return order < 0 ? -1 : order > 0;
}

// A * stands for any characters; a token is what white space and punctuation leave.
bool matches_token(const std::string &pattern, const std::string &text) {
  if (pattern.empty()) return text.empty();
  if (pattern[0] == '*')
    return matches_token(pattern.substr(1), text) ||
           (!text.empty() && matches_token(pattern, text.substr(1)));
  return !text.empty() && text[0] == pattern[0] && matches_token(pattern.substr(1), text.substr(1));
}

bool contains_token(const std::string &text, const std::string &pattern) {
  if (matches_token(pattern, text)) return true;
  std::string token;
  for (const char c : text + " ") {
    const auto byte = static_cast<unsigned char>(c);
    if (isalnum(byte) || byte >= 0x80) {
      token += c;
      continue;
    }
    if (!token.empty() && matches_token(pattern, token)) return true;
    token.clear();
  }
  return false;
}

bool holds(const Filter &filter, const Text &value) {
  const std::string &operation = filter.operation;
  const bool is_there = value && !value->empty();
  if (operation == "HAS_PROPERTY") return is_there;
  if (operation == "NOT_HAS_PROPERTY") return !is_there;
  if (!is_there) return operation.starts_with("N");  // NEQ, NOT_IN, NOT_CONTAINS_TOKEN
  const Property &property = *filter.property;
  if (operation == "IN" || operation == "NOT_IN") {
    // The index has strings in lower case, and compares them with the values as they are.
    const bool is_text = property.type == "string";
    const bool is_in =
        std::any_of(filter.values.begin(), filter.values.end(), [&](const std::string &candidate) {
          return is_text ? lower(*value) == candidate : compare(property, *value, candidate) == 0;
        });
    return is_in == (operation == "IN");
  }
  const std::string &first = filter.values[0];
  if (operation == "CONTAINS_TOKEN") return contains_token(lower(*value), lower(first));
  if (operation == "NOT_CONTAINS_TOKEN") return !contains_token(lower(*value), lower(first));
  const auto order = compare(property, *value, first);
  if (!order) return operation == "NEQ";
  if (operation == "EQ") return *order == 0;
  if (operation == "NEQ") return *order != 0;
  if (operation == "LT") return *order < 0;
  if (operation == "LTE") return *order <= 0;
  if (operation == "GT") return *order > 0;
  if (operation == "GTE") return *order >= 0;
  const auto end = compare(property, *value, filter.values[1]);
  return *order >= 0 && end && *end <= 0;
}

std::string text_of(const json &value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

Filter filter_from(const ObjectType &type, const json &document) {
  static const std::set<std::string> of_one = {
      "EQ", "NEQ", "LT", "LTE", "GT", "GTE", "CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"};
  Filter filter;
  const std::string name = document.at("propertyName");
  filter.property = type.find(name);
  if (!filter.property || filter.property->archived)
    complain("There was a problem with the request: propertyName '" + name + "' does not exist");
  filter.operation = document.at("operator");
  if (of_one.count(filter.operation)) {
    filter.values = {text_of(document.at("value"))};
    if (is_stamp(*filter.property) && !moment(filter.values[0]))
      complain("'" + filter.values[0] + "' is no date for " + name);
  } else if (filter.operation == "BETWEEN") {
    filter.values = {text_of(document.at("value")), text_of(document.at("highValue"))};
  } else if (filter.operation == "IN" || filter.operation == "NOT_IN") {
    for (const json &value : document.at("values")) filter.values.push_back(text_of(value));
    if (filter.values.empty()) complain(filter.operation + " needs values");
  } else if (filter.operation != "HAS_PROPERTY" && filter.operation != "NOT_HAS_PROPERTY") {
    complain("no such operator: " + filter.operation);
  }
  return filter;
}

using Groups = std::vector<std::vector<Filter>>;

Groups groups_from(const ObjectType &type, const json &body) {
  Groups groups;
  size_t count = 0;
  for (const json &group : body.value("filterGroups", json::array())) {
    auto &filters = groups.emplace_back();
    for (const json &filter : group.at("filters")) filters.push_back(filter_from(type, filter));
    if (filters.size() > 6) complain("a group has at most 6 filters");
    count += filters.size();
  }
  if (groups.size() > 5) complain("there are at most 5 groups of filters");
  if (count > 18) complain("there are at most 18 filters");
  return groups;
}

}  // namespace

std::vector<Row> rows_found(const Portal &portal, const Records &records, const json &body,
                            std::int64_t now_ms) {
  const ObjectType &type = records.type();
  const Groups groups = groups_from(type, body);
  const std::string query = lower(body.value("query", ""));
  if (query.size() > 3000) complain("the query is longer than 3000 characters");
  std::vector<const Property *> searched;  // by `query`
  for (const std::string &name : type.shown)
    if (const Property *property = type.find(name); property && property->type == "string")
      searched.push_back(property);

  std::vector<Row> rows;
  for (Row row = 0; row < records.size(); row++) {
    const Change *change = nullptr;
    if (!records.indexed(row, now_ms, portal.index_lag_ms, change)) continue;
    if (!Records::is_visible(change, false)) continue;
    const bool is_in_a_group =
        groups.empty() || std::any_of(groups.begin(), groups.end(), [&](const auto &filters) {
          return std::all_of(filters.begin(), filters.end(), [&](const Filter &filter) {
            return holds(filter, records.get(row, change, *filter.property));
          });
        });
    const bool is_asked_for =
        query.empty() || std::any_of(searched.begin(), searched.end(), [&](const Property *of) {
          return lower(records.get(row, change, *of).value_or("")).find(query) != std::string::npos;
        });
    if (is_in_a_group && is_asked_for) rows.push_back(row);
  }

  const json sorts = body.value("sorts", json::array());
  if (sorts.size() > 1) complain("there is at most one sort");
  if (sorts.empty()) return rows;
  const json &sort = sorts[0];
  const std::string name = (sort.is_string() ? sort : sort.at("propertyName")).get<std::string>();
  const Property *by = type.find(name);
  if (!by) complain("propertyName '" + name + "' does not exist");
  const bool falls = sort.is_object() && sort.value("direction", "ASCENDING") == "DESCENDING";
  std::vector<std::pair<Text, Row>> keyed;
  for (const Row row : rows) {
    const Change *change = nullptr;
    records.indexed(row, now_ms, portal.index_lag_ms, change);
    keyed.emplace_back(records.get(row, change, *by), row);
  }
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto &a, const auto &b) {
    if (!a.first || !b.first) return a.first.has_value() && !b.first.has_value();
    const int order = compare(*by, *a.first, *b.first).value_or(0);
    return falls ? order > 0 : order < 0;
  });
  std::transform(keyed.begin(), keyed.end(), rows.begin(),
                 [](const auto &one) { return one.second; });
  return rows;
}

}  // namespace simulator::hubspot
