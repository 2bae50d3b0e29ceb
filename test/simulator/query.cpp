// simulator: SOQL's meaning; see query.hpp.
#include "query.hpp"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>
#include <utility>

namespace simulator {

// --- What a query is bound to
// -----------------------------------------------------------------------
struct Query::Path {
  std::vector<const Field *> hops;  // reference fields
  const Field *leaf = nullptr;
};

// What a field is compared with: one value, or the time from lo up to, not including, hi.
struct Comparand {
  Value lo, hi;
  bool is_range = false;
  double number = 0;
  std::set<std::string> choices;  // INCLUDES ('A;B')
};

struct Query::Test {
  SoqlCondition::Kind kind;
  std::vector<Test> parts;
  Path path;
  std::string op;
  std::vector<Comparand> comparands;
};

// What is selected of one object: fields, and parents in turn.
struct Query::Node {
  const Table *table = nullptr;
  struct Item {
    std::string key;  // "Name":
    const Field *field;
    std::unique_ptr<Node> parent;
  };
  std::vector<Item> items;
};

void Query::refuse(const std::string &code, size_t at, const std::string &message) const {
  throw query_error(code, soql_.text, at, message);
}

Query::Query(const Org &org, const std::string &text, std::int64_t now_ms)
    : org_(org), soql_(parse_soql(text)), now_ms_(now_ms), table_(find_table()) {
  for (const SoqlField &field : soql_.group_by)
    if (!bind(field).leaf->groupable)
      refuse("MALFORMED_QUERY", field.at,
             "field '" + field.path + "' can not be grouped in a query call");
  if (is_aggregate())
    check_grouping();
  else
    bind_select();
  if (soql_.where) where_ = std::make_unique<Test>(bind(*soql_.where));
  for (const SoqlOrder &order : soql_.order_by)
    if (order.item.function.empty() && !is_aggregate() && !bind(order.item.field).leaf->sortable)
      refuse("INVALID_FIELD", order.item.at,
             "field '" + order.item.field.path + "' can not be sorted in a query call");
}

Query::~Query() = default;

bool Query::is_count() const {
  return soql_.select.size() == 1 && soql_.select[0].function == "COUNT" &&
         soql_.select[0].field.path.empty();
}

bool Query::is_aggregate() const {
  if (!soql_.group_by.empty()) return true;
  return std::any_of(soql_.select.begin(), soql_.select.end(), [](const SoqlItem &item) {
    return !item.function.empty() && item.function != "FIELDS";
  });
}

const Table &Query::find_table() const {
  if (const Table *table = org_.find(soql_.object)) return *table;
  refuse("INVALID_TYPE", soql_.object_at,
         "sObject type '" + soql_.object +
             "' is not supported. If you are attempting to use a custom object, be sure to append "
             "the '__c' after the entity name. Please reference your WSDL or the describe call for "
             "the appropriate names.");
}

static std::vector<std::string> split_path(const std::string &path) {
  std::vector<std::string> parts;
  size_t start = 0;
  for (size_t dot; (dot = path.find('.', start)) != std::string::npos; start = dot + 1)
    parts.push_back(path.substr(start, dot - start));
  parts.push_back(path.substr(start));
  return parts;
}

// A polymorphic reference is bound to the last of its objects that the org has: users, for owners.
static const Table *target_of(const Org &org, const Field &reference) {
  for (auto name = reference.reference_to.rbegin(); name != reference.reference_to.rend(); ++name)
    if (const Table *table = org.find(*name)) return table;
  return nullptr;
}

Query::Path Query::bind(const SoqlField &field) const {
  std::vector<std::string> parts = split_path(field.path);
  const std::string first = lower(parts[0]);
  if (parts.size() > 1 && (first == lower(soql_.alias) || first == lower(table_.schema().name)))
    parts.erase(parts.begin());
  Path path;
  const Table *table = &table_;
  for (size_t i = 0; i + 1 < parts.size(); i++) {
    const Field *reference = table->schema().find_relationship(parts[i]);
    const Table *target = reference ? target_of(org_, *reference) : nullptr;
    if (!target)
      refuse("INVALID_FIELD", field.at,
             "Didn't understand relationship '" + parts[i] +
                 "' in field path. If you are attempting to use a custom relationship, be sure to "
                 "append the '__r' after the custom relationship name. Please reference your WSDL "
                 "or the describe call for the appropriate names.");
    path.hops.push_back(reference);
    table = target;
  }
  path.leaf = table->schema().find(parts.back());
  if (!path.leaf)
    refuse("INVALID_FIELD", field.at,
           "No such column '" + parts.back() + "' on entity '" + table->schema().name +
               "'. If you are attempting to use a custom field, be sure to append the '__c' after "
               "the custom field name. Please reference your WSDL or the describe call for the "
               "appropriate names.");
  return path;
}

// --- SELECT
// -----------------------------------------------------------------------------------------
void Query::bind_select() {
  select_ = std::make_unique<Node>();
  select_->table = &table_;
  for (const SoqlItem &item : soql_.select) {
    if (!item.alias.empty())
      refuse("MALFORMED_QUERY", item.at, "only aggregate expressions use field aliasing");
    if (item.function == "FIELDS")
      select_all(lower(item.field.path));
    else
      select(item.field);
  }
}

void Query::select_all(const std::string &which) {
  const size_t at = soql_.select[0].at;
  if (which != "all" && which != "standard" && which != "custom")
    refuse("MALFORMED_QUERY", at, "FIELDS() takes ALL, STANDARD or CUSTOM");
  if (which != "standard" && (!soql_.limit || *soql_.limit > 200))
    refuse("MALFORMED_QUERY", at, "The SOQL FIELDS function must have a LIMIT of at most 200");
  for (const Field &field : table_.schema().fields)
    if (which == "all" || field.custom == (which == "custom")) select({field.name, at});
}

void Query::select(const SoqlField &field) {
  const Path path = bind(field);
  Node *node = select_.get();
  for (const Field *hop : path.hops) {
    auto found = std::find_if(node->items.begin(), node->items.end(), [&](const Node::Item &item) {
      return item.parent && item.field == hop;
    });
    if (found == node->items.end()) {
      auto parent = std::make_unique<Node>();
      parent->table = target_of(org_, *hop);
      node->items.push_back({"\"" + hop->relationship + "\":", hop, std::move(parent)});
      found = node->items.end() - 1;
    }
    node = found->parent.get();
  }
  for (const Node::Item &item : node->items)
    if (!item.parent && item.field == path.leaf)
      refuse("INVALID_FIELD", field.at, "duplicate field selected: " + field.path);
  node->items.push_back({"\"" + path.leaf->name + "\":", path.leaf, nullptr});
  columns_.push_back(path);
}

static void append_attributes(std::string &out, const Table &table, RowNumber row,
                              const std::string &base) {
  out += "{\"attributes\":{\"type\":\"" + table.schema().name + "\",\"url\":\"" + base +
         "/sobjects/" + table.schema().name + "/" + table.id(row) + "\"}";
}

void Query::append_node(std::string &out, const Node &node, const Table &table, RowNumber row,
                        const std::string &base) const {
  append_attributes(out, table, row, base);
  const Change *change = table.change(row);
  for (const Node::Item &item : node.items) {
    out += ',';
    out += item.key;
    // A polymorphic reference may lead to another object than the one bound.
    const Field *field = &table == node.table ? item.field : table.schema().find(item.field->name);
    if (!field) {
      out += "null";
    } else if (!item.parent) {
      table.append_json(out, row, change, *field, base);
    } else {
      const auto [target, target_row] = org_.locate(table.get(row, change, *field).text);
      if (target && target->is_visible(target_row, true))
        append_node(out, *item.parent, *target, target_row, base);
      else
        out += "null";
    }
  }
  out += '}';
}

void Query::append_record(std::string &out, RowNumber row, const std::string &base) const {
  append_node(out, *select_, table_, row, base);
}

std::string record_json(const Table &table, RowNumber row, const std::vector<const Field *> &fields,
                        const std::string &base) {
  std::string out;
  append_attributes(out, table, row, base);
  for (const Field *field : fields) {
    out += ",\"" + field->name + "\":";
    table.append_json(out, row, table.change(row), *field, base);
  }
  return out + "}";
}

// --- CSV
// ------------------------------------------------------------------------------------------
std::vector<std::string> Query::csv_columns() const {
  const bool is_beyond = is_aggregate() || soql_.offset > 0 || soql_.select[0].function == "FIELDS";
  if (is_beyond)
    throw ApiError(400, "API_ERROR",
                   "Implementation restriction: aggregates, FIELDS() and OFFSET are not supported "
                   "in Bulk Query");
  std::vector<std::string> names;
  for (const Path &path : columns_) {
    if (path.leaf->is_compound())
      throw ApiError(400, "FUNCTIONALITY_NOT_ENABLED",
                     "Selecting compound data not supported in Bulk Query");
    if (path.leaf->role == Role::blob)
      throw ApiError(400, "API_ERROR", "Selecting binary data not supported in Bulk Query");
    std::string name;
    for (const Field *hop : path.hops) name += hop->relationship + ".";
    names.push_back(name + path.leaf->name);
  }
  return names;
}

void Query::append_csv(std::string &out, RowNumber row, const std::string &delimiter) const {
  thread_local Value value;
  bool is_first = true;
  for (const Path &path : columns_) {
    if (!std::exchange(is_first, false)) out += delimiter;
    read(value, path, row);
    out += '"';
    if (value.kind == Value::Kind::number && path.leaf->type != "int" && path.leaf->type != "long")
      append_java_double(out, value.text);
    else if (path.leaf->type == "datetime" && !value.is_null())
      out.append(value.text, 0, value.text.size() - 5) += 'Z';
    else if (!value.is_null())
      for (const char c : value.text) out.append(c == '"' ? 2 : 1, c);
    out += '"';
  }
}

// --- WHERE: binding
// -----------------------------------------------------------------------------------
static constexpr std::int64_t ms_per_day = 86400000;

// The days from .first up to, not including, .second that a date word means, in UTC.
static std::pair<std::int64_t, std::int64_t> days_of(const std::string &word, int n,
                                                     std::int64_t today) {
  const Civil now = civil_from_days(today);
  const auto month_start = [&](std::int64_t months) {
    const std::int64_t index = now.year * 12 + now.month - 1 + months;
    return days_from_civil(index / 12, static_cast<unsigned>(index % 12 + 1), 1);
  };
  const std::int64_t in_quarter = (now.month - 1) % 3, in_year = now.month - 1;
  const std::int64_t week = today - (today + 4) % 7;  // the last Sunday
  const auto months = [&](std::int64_t from, std::int64_t to) {
    return std::pair(month_start(from), month_start(to));
  };
  const auto quarter = [&](std::int64_t from, std::int64_t to) {
    return months(from * 3 - in_quarter, to * 3 - in_quarter);
  };
  const auto year = [&](std::int64_t from, std::int64_t to) {
    return months(from * 12 - in_year, to * 12 - in_year);
  };
  const std::map<std::string, std::pair<std::int64_t, std::int64_t>> meanings = {
      {"TODAY", {today, today + 1}},
      {"YESTERDAY", {today - 1, today}},
      {"TOMORROW", {today + 1, today + 2}},
      {"LAST_WEEK", {week - 7, week}},
      {"THIS_WEEK", {week, week + 7}},
      {"NEXT_WEEK", {week + 7, week + 14}},
      {"LAST_MONTH", months(-1, 0)},
      {"THIS_MONTH", months(0, 1)},
      {"NEXT_MONTH", months(1, 2)},
      {"LAST_90_DAYS", {today - 90, today + 1}},
      {"NEXT_90_DAYS", {today + 1, today + 91}},
      {"THIS_QUARTER", quarter(0, 1)},
      {"LAST_QUARTER", quarter(-1, 0)},
      {"NEXT_QUARTER", quarter(1, 2)},
      {"THIS_YEAR", year(0, 1)},
      {"LAST_YEAR", year(-1, 0)},
      {"NEXT_YEAR", year(1, 2)},
      {"LAST_N_DAYS", {today - n, today + 1}},
      {"NEXT_N_DAYS", {today + 1, today + n + 1}},
      {"N_DAYS_AGO", {today - n, today - n + 1}},
      {"LAST_N_WEEKS", {week - 7 * n, week}},
      {"LAST_N_MONTHS", months(-n, 0)},
      {"LAST_N_QUARTERS", quarter(-n, 0)},
      {"LAST_N_YEARS", year(-n, 0)}};
  return meanings.at(word);
}

static std::string expected_type(const Field &field) {
  if (field.type == "datetime") return "dateTime and should not be enclosed in quotes";
  if (field.is_numeric())
    return (field.type == "int" ? "int" : "double") +
           std::string(" and should not be enclosed in quotes");
  if (field.type == "date" || field.type == "time" || field.type == "boolean")
    return field.type + " and should not be enclosed in quotes";
  return "string and should be enclosed in quotes";
}

static bool fits(const Field &field, SoqlLiteral::Kind kind) {
  using Kind = SoqlLiteral::Kind;
  if (kind == Kind::null) return true;
  if (field.type == "datetime") return kind == Kind::datetime || kind == Kind::range;
  if (field.type == "date") return kind == Kind::date || kind == Kind::range;
  if (field.is_numeric()) return kind == Kind::number;
  if (field.type == "boolean") return kind == Kind::boolean;
  if (field.type == "time") return kind == Kind::number;
  return kind == Kind::text;
}

// Ids are compared by their first 15 characters, other texts without regard to case or blanks.
static std::string comparable(const Field &field, const std::string &text) {
  if (field.is_id()) return text.substr(0, 15);
  if (field.is_numeric() || field.type == "date" || field.type == "datetime") return text;
  const size_t end = text.find_last_not_of(' ');
  return lower(std::string_view(text).substr(0, end == std::string::npos ? 0 : end + 1));
}

static std::set<std::string> choices_of(const std::string &text) {
  std::set<std::string> choices;
  size_t start = 0;
  for (size_t end; (end = text.find(';', start)) != std::string::npos; start = end + 1)
    choices.insert(lower(text.substr(start, end - start)));
  choices.insert(lower(text.substr(start)));
  return choices;
}

static Comparand comparand_of(const Field &field, const SoqlLiteral &literal, std::int64_t now_ms) {
  Comparand comparand;
  if (literal.kind == SoqlLiteral::Kind::null || literal.text.empty()) return comparand;
  if (literal.kind == SoqlLiteral::Kind::range) {
    const auto [first, end] = days_of(literal.text, literal.count, now_ms / ms_per_day);
    const bool is_date = field.type == "date";
    comparand.is_range = true;
    comparand.lo = Value::of(is_date ? format_date(first) : format_datetime(first * ms_per_day));
    comparand.hi = Value::of(is_date ? format_date(end) : format_datetime(end * ms_per_day));
  } else if (field.type == "datetime") {
    comparand.lo = Value::of(format_datetime(*parse_datetime(literal.text)));
  } else {
    comparand.lo = Value::of(comparable(field, literal.text));
    comparand.number = comparand.lo.to_double();
    comparand.choices = choices_of(literal.text);
  }
  return comparand;
}

void Query::bind_values(Test &test, const SoqlCondition &condition) const {
  const Field &field = *test.path.leaf;
  for (const SoqlLiteral &literal : condition.values) {
    if (!fits(field, literal.kind))
      refuse("INVALID_FIELD", condition.field.at,
             "value of filter criterion for field '" + condition.field.path + "' must be of type " +
                 expected_type(field));
    const size_t size = literal.text.size();
    if (field.is_id() && literal.kind == SoqlLiteral::Kind::text && size && size != 15 &&
        size != 18)
      refuse("INVALID_QUERY_FILTER_OPERATOR", condition.field.at,
             "invalid ID field: " + literal.text);
    test.comparands.push_back(comparand_of(field, literal, now_ms_));
    if (test.op == "LIKE") test.comparands.back().lo.text = lower(literal.text);
  }
}

Query::Test Query::bind(const SoqlCondition &condition) const {
  Test test{condition.kind, {}, {}, condition.op, {}};
  for (const SoqlCondition &part : condition.parts) test.parts.push_back(bind(part));
  if (condition.kind != SoqlCondition::Kind::comparison) return test;
  test.path = bind(condition.field);
  const Field &field = *test.path.leaf;
  if (!field.filterable)
    refuse("INVALID_FIELD", condition.field.at,
           "field '" + condition.field.path + "' can not be filtered in a query call");
  static const std::set<std::string> not_text = {"id",   "reference", "boolean",
                                                 "date", "time",      "datetime"};
  const bool is_text = !not_text.count(field.type) && !field.is_numeric();
  const bool is_choice_test = test.op == "INCLUDES" || test.op == "EXCLUDES";
  if ((test.op == "LIKE" && !is_text) || (is_choice_test && field.type != "multipicklist"))
    refuse("INVALID_QUERY_FILTER_OPERATOR", condition.field.at, "invalid operator");
  bind_values(test, condition);
  const bool is_order = test.op[0] == '<' || test.op[0] == '>';
  if (is_order && (test.comparands[0].lo.is_null() || field.type == "boolean"))
    refuse("INVALID_QUERY_FILTER_OPERATOR", condition.field.at, "invalid operator");
  return test;
}

// --- WHERE: evaluation
// --------------------------------------------------------------------------------
Value Query::read(const Path &path, RowNumber row) const {
  Value value;
  read(value, path, row);
  return value;
}

void Query::read(Value &into, const Path &path, RowNumber row) const {
  const Table *table = &table_;
  for (const Field *hop : path.hops) {
    const auto [target, target_row] = org_.locate(table->get(row, *hop).text);
    if (!target) {
      into = {};
      return;
    }
    table = target;
    row = target_row;
  }
  table->get(into, row, table->change(row), *path.leaf);
}

// The pattern is in lower case and keeps the escapes \% \_ and \\.
static bool like(std::string_view text, std::string_view pattern) {
  while (!pattern.empty()) {
    if (pattern[0] == '%') {
      for (size_t i = 0; i <= text.size(); i++)
        if (like(text.substr(i), pattern.substr(1))) return true;
      return false;
    }
    if (text.empty()) return false;
    const bool is_escape = pattern[0] == '\\' && pattern.size() > 1;
    if (pattern[0] == '_' && !is_escape) {
      do text.remove_prefix(1);  // a character of UTF-8, not a byte
      while (!text.empty() && (static_cast<unsigned char>(text[0]) & 0xC0) == 0x80);
      pattern.remove_prefix(1);
      continue;
    }
    if (is_escape) pattern.remove_prefix(1);
    if (text[0] != pattern[0]) return false;
    text.remove_prefix(1);
    pattern.remove_prefix(1);
  }
  return text.empty();
}

static int order_of(const Field &field, const Value &value, const Value &other, double number) {
  if (field.is_numeric()) {
    const double mine = value.to_double();
    return mine < number ? -1 : mine > number;
  }
  if (field.type == "datetime" || field.type == "date") return value.text.compare(other.text);
  return comparable(field, value.text).compare(other.text);
}

static bool equals(const Field &field, const Value &value, const Comparand &comparand) {
  if (comparand.lo.is_null() || value.is_null()) return comparand.lo.is_null() && value.is_null();
  if (comparand.is_range) return value.text >= comparand.lo.text && value.text < comparand.hi.text;
  return order_of(field, value, comparand.lo, comparand.number) == 0;
}

static bool is_ordered(const Field &field, const Value &value, const std::string &op,
                       const Comparand &comparand) {
  if (value.is_null()) return false;
  if (comparand.is_range) {
    if (op == "<") return value.text < comparand.lo.text;
    if (op == "<=") return value.text < comparand.hi.text;
    if (op == ">") return value.text >= comparand.hi.text;
    return value.text >= comparand.lo.text;
  }
  const int order = order_of(field, value, comparand.lo, comparand.number);
  if (op == "<") return order < 0;
  if (op == "<=") return order <= 0;
  if (op == ">") return order > 0;
  return order >= 0;
}

static bool includes(const Value &value, const std::vector<Comparand> &comparands) {
  if (value.is_null()) return false;
  const std::set<std::string> held = choices_of(value.text);
  return std::any_of(comparands.begin(), comparands.end(), [&](const Comparand &wanted) {
    return std::includes(held.begin(), held.end(), wanted.choices.begin(), wanted.choices.end());
  });
}

bool Query::matches(const Test &test, RowNumber row) const {
  using Kind = SoqlCondition::Kind;
  const auto is_true = [&](const Test &part) { return matches(part, row); };
  if (test.kind == Kind::all) return std::all_of(test.parts.begin(), test.parts.end(), is_true);
  if (test.kind == Kind::any) return std::any_of(test.parts.begin(), test.parts.end(), is_true);
  if (test.kind == Kind::negation) return !is_true(test.parts[0]);
  const Field &field = *test.path.leaf;
  thread_local Value value;
  read(value, test.path, row);
  const auto is_equal = [&](const Comparand &comparand) { return equals(field, value, comparand); };
  const bool is_among = std::any_of(test.comparands.begin(), test.comparands.end(), is_equal);
  if (test.op == "=" || test.op == "IN") return is_among;
  if (test.op == "!=" || test.op == "NOT IN") return !is_among;
  if (test.op == "LIKE")
    return !value.is_null() && like(lower(value.text), test.comparands[0].lo.text);
  if (test.op == "INCLUDES") return includes(value, test.comparands);
  if (test.op == "EXCLUDES") return !includes(value, test.comparands);
  return is_ordered(field, value, test.op, test.comparands[0]);
}

// The records that may match: all, unless the condition names ids, or asks for what changed later
// than any generated record.
std::vector<RowNumber> Query::candidates() const {
  std::vector<const Test *> required;
  if (where_ && where_->kind == SoqlCondition::Kind::comparison) required.push_back(where_.get());
  if (where_ && where_->kind == SoqlCondition::Kind::all)
    for (const Test &part : where_->parts)
      if (part.kind == SoqlCondition::Kind::comparison) required.push_back(&part);
  std::vector<RowNumber> rows;
  for (const Test *test : required) {
    if (!test->path.hops.empty() || test->comparands.empty()) continue;
    const Role role = test->path.leaf->role;
    if (role == Role::id && (test->op == "=" || test->op == "IN")) {
      for (const Comparand &comparand : test->comparands)
        if (const auto row = table_.row_of(comparand.lo.text)) rows.push_back(*row);
      std::sort(rows.begin(), rows.end());
      rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
      return rows;
    }
    if (role == Role::modified_date && test->op[0] == '>' &&
        test->comparands[0].lo.text >= Table::made_before) {
      for (const auto &[row, change] : table_.changes()) rows.push_back(row);
      return rows;
    }
  }
  rows.resize(table_.size());
  for (size_t i = 0; i < rows.size(); i++) rows[i] = static_cast<RowNumber>(i);
  return rows;
}

std::vector<RowNumber> Query::found(bool with_deleted) const {
  std::vector<RowNumber> rows = candidates();
  std::erase_if(rows, [&](RowNumber row) {
    return !table_.is_visible(row, with_deleted) || (where_ && !matches(*where_, row));
  });
  return rows;
}

// --- ORDER BY, LIMIT
// ------------------------------------------------------------------------------
struct SortKey {
  bool is_null = true;
  double number = 0;
  std::string text;
};

static SortKey sort_key(const Field *field, const Value &value) {
  if (value.is_null()) return {};
  if (field && field->is_numeric()) return {false, value.to_double(), ""};
  return {false, 0, field ? comparable(*field, value.text) : value.text};
}

static int compare(const SortKey &a, const SortKey &b, const SoqlOrder &order) {
  if (a.is_null || b.is_null) {
    const int first = static_cast<int>(b.is_null) - static_cast<int>(a.is_null);
    return order.nulls_last ? -first : first;
  }
  const int result = a.number != b.number ? (a.number < b.number ? -1 : 1) : a.text.compare(b.text);
  return order.is_descending ? -result : result;
}

// Candidates come in the order of their ids, and that is what is left between equals.
void Query::sort(std::vector<RowNumber> &rows) const {
  if (soql_.order_by.empty()) return;
  std::vector<Path> paths;
  for (const SoqlOrder &order : soql_.order_by) paths.push_back(bind(order.item.field));
  if (paths[0].hops.empty() && paths[0].leaf->role == Role::id && !soql_.order_by[0].is_descending)
    return;
  std::vector<std::pair<std::vector<SortKey>, RowNumber>> keyed;
  keyed.reserve(rows.size());
  for (const RowNumber row : rows) {
    std::vector<SortKey> keys;
    for (const Path &path : paths) keys.push_back(sort_key(path.leaf, read(path, row)));
    keyed.emplace_back(std::move(keys), row);
  }
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto &a, const auto &b) {
    for (size_t i = 0; i < paths.size(); i++)
      if (const int order = compare(a.first[i], b.first[i], soql_.order_by[i])) return order < 0;
    return false;
  });
  for (size_t i = 0; i < rows.size(); i++) rows[i] = keyed[i].second;
}

template <typename T>
static void cut(std::vector<T> &rows, size_t offset, const std::optional<size_t> &limit) {
  rows.erase(rows.begin(), rows.begin() + static_cast<long>(std::min(offset, rows.size())));
  if (limit && rows.size() > *limit) rows.resize(*limit);
}

std::vector<RowNumber> Query::run(bool with_deleted) const {
  std::vector<RowNumber> rows = found(with_deleted);
  if (!is_count()) sort(rows);
  cut(rows, soql_.offset, soql_.limit);
  return rows;
}

// --- GROUP BY and aggregates
// ----------------------------------------------------------------------
struct Query::Aggregator {
  size_t count = 0;
  double sum = 0;
  std::set<std::string> distinct;
  std::optional<Value> least, most;

  void add(const Field &field, const Value &value) {
    if (value.is_null()) return;
    count++;
    sum += value.to_double();
    distinct.insert(comparable(field, value.text));
    if (!least || less(field, value, *least)) least = value;
    if (!most || less(field, *most, value)) most = value;
  }

  Value result(const std::string &function) const {
    char text[64];
    if (function == "COUNT") return Value::number(std::to_string(count));
    if (function == "COUNT_DISTINCT") return Value::number(std::to_string(distinct.size()));
    if (function == "MIN") return least.value_or(Value{});
    if (function == "MAX") return most.value_or(Value{});
    if (!count) return {};
    std::snprintf(text, sizeof text, "%.15g",
                  function == "SUM" ? sum : sum / static_cast<double>(count));
    return Value::number(text);
  }

 private:
  static bool less(const Field &field, const Value &a, const Value &b) {
    if (field.is_numeric()) return a.to_double() < b.to_double();
    return comparable(field, a.text) < comparable(field, b.text);
  }
};

void Query::check_grouping() const {
  const auto is_grouped = [&](const std::string &path) {
    return std::any_of(soql_.group_by.begin(), soql_.group_by.end(),
                       [&](const SoqlField &field) { return lower(field.path) == lower(path); });
  };
  for (const SoqlItem &item : soql_.select) {
    if (item.function.empty() || !item.field.path.empty()) bind(item.field);
    if (item.function.empty() && !is_grouped(item.field.path))
      refuse("MALFORMED_QUERY", item.at, "Field must be grouped or aggregated: " + item.field.path);
    if (item.function == "FIELDS" || (item.field.path.empty() && !is_count()))
      refuse("MALFORMED_QUERY", item.at, "unexpected token: '" + item.function + "'");
  }
  for (const SoqlOrder &order : soql_.order_by)
    if (order.item.function.empty() && !is_grouped(order.item.field.path))
      refuse("MALFORMED_QUERY", order.item.at,
             "Ordered field must be grouped or aggregated: " + order.item.field.path);
}

std::vector<std::string> Query::run_aggregate(bool with_deleted) const {
  struct Group {
    std::vector<Value> values;
    std::vector<Aggregator> selected, ordered;
    std::vector<SortKey> keys;
  };
  const auto bind_or_id = [&](const SoqlItem &item) {
    return item.field.path.empty() ? Path{{}, table_.schema().find("Id")} : bind(item.field);
  };
  std::vector<Path> group_paths, selected, ordered;
  for (const SoqlField &field : soql_.group_by) group_paths.push_back(bind(field));
  for (const SoqlItem &item : soql_.select) selected.push_back(bind_or_id(item));
  for (const SoqlOrder &order : soql_.order_by) ordered.push_back(bind_or_id(order.item));

  std::map<std::vector<std::string>, Group> groups;
  if (soql_.group_by.empty()) groups[{}] = {{}, std::vector<Aggregator>(selected.size()), {}, {}};
  for (const RowNumber row : found(with_deleted)) {
    std::vector<std::string> key;
    std::vector<Value> values;
    for (const Path &path : group_paths) {
      values.push_back(read(path, row));
      key.push_back(comparable(*path.leaf, values.back().text));
    }
    auto [found_group, is_new] = groups.try_emplace(std::move(key));
    Group &group = found_group->second;
    if (is_new) group.values = std::move(values);
    group.selected.resize(selected.size());
    group.ordered.resize(ordered.size());
    for (size_t i = 0; i < selected.size(); i++)
      group.selected[i].add(*selected[i].leaf, read(selected[i], row));
    for (size_t i = 0; i < ordered.size(); i++)
      group.ordered[i].add(*ordered[i].leaf, read(ordered[i], row));
  }

  std::vector<Group *> sorted;
  for (auto &[key, group] : groups) {
    group.ordered.resize(ordered.size());
    for (size_t i = 0; i < ordered.size(); i++) {
      const std::string &function = soql_.order_by[i].item.function;
      const Value value = group.ordered[i].result(function.empty() ? "MIN" : function);
      group.keys.push_back(value.kind == Value::Kind::number ? SortKey{false, value.to_double(), ""}
                                                             : sort_key(nullptr, value));
    }
    sorted.push_back(&group);
  }
  std::stable_sort(sorted.begin(), sorted.end(), [&](const Group *a, const Group *b) {
    for (size_t i = 0; i < ordered.size(); i++)
      if (const int order = compare(a->keys[i], b->keys[i], soql_.order_by[i])) return order < 0;
    return false;
  });
  cut(sorted, soql_.offset, soql_.limit);

  std::vector<std::string> records;
  for (const Group *group : sorted) {
    std::string out = "{\"attributes\":{\"type\":\"AggregateResult\"}";
    int unnamed = 0;
    for (size_t i = 0; i < selected.size(); i++) {
      const SoqlItem &item = soql_.select[i];
      const bool is_function = !item.function.empty();
      const Value value = group->selected[i].result(is_function ? item.function : "MIN");
      out += ",\"" +
             (!item.alias.empty() ? item.alias
              : is_function       ? "expr" + std::to_string(unnamed++)
                                  : selected[i].leaf->name) +
             "\":";
      if (value.is_null())
        out += "null";
      else if (value.kind == Value::Kind::text)
        append_json_text(out, value.text);
      else if (value.kind == Value::Kind::number && !item.function.starts_with("COUNT"))
        append_java_double(out, value.text);
      else
        out += value.text;
    }
    records.push_back(out + "}");
  }
  return records;
}

std::vector<RowNumber> rows_where(const Org &org, const std::string &object,
                                  const std::string &condition, std::int64_t now_ms) {
  return Query(org, "SELECT Id FROM " + object + " WHERE " + condition, now_ms).run(true);
}

}  // namespace simulator
