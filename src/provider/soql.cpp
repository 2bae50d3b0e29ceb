// pure: selections in SOQL; see soql.hpp.
#include "provider/soql.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <set>
#include <string_view>

#include "stamp.hpp"

#include "pure.hpp"

namespace supaglue {
namespace {

using Op = Filter::Op;
using Kind = SoqlCondition::Kind;

constexpr size_t kMostValues = 200;
constexpr size_t kLongestText = 1000;
// So many digits of a number are the same in decimal and in the provider's doubles.
constexpr size_t kExactDigits = 15;

SoqlCondition always(bool exact) { return {Kind::kAlways, exact, "", false}; }
SoqlCondition never() { return {Kind::kNever, true, "", false}; }
SoqlCondition some(std::string text, bool exact, bool joined = false) {
  return {Kind::kSome, exact, std::move(text), joined};
}

const char *symbol(Op op) {
  switch (op) {
    case Op::kEqual:
      return " = ";
    case Op::kNotEqual:
      return " != ";
    case Op::kLess:
      return " < ";
    case Op::kAtMost:
      return " <= ";
    case Op::kMore:
      return " > ";
    case Op::kAtLeast:
      return " >= ";
  }
  return "";
}

bool is_shown(const std::string &value) { return !value.empty() && value[0] == kNotKnownYet; }

// --- Fields
// ------------------------------------------------------------------------------------------

enum class Sort { kText, kId, kNumber, kBoolean, kDate, kMoment, kOther };

Sort sort_of(const std::string &type) {
  static const std::set<std::string> texts = {"string", "textarea", "picklist", "phone",
                                              "email",  "url",      "combobox"};
  static const std::set<std::string> numbers = {"int", "long", "double", "currency", "percent"};
  if (texts.contains(type)) return Sort::kText;
  if (numbers.contains(type)) return Sort::kNumber;
  if (type == "id" || type == "reference") return Sort::kId;
  if (type == "boolean") return Sort::kBoolean;
  if (type == "date") return Sort::kDate;
  if (type == "datetime") return Sort::kMoment;
  return Sort::kOther;
}

// The type of a field that is only supposed to be there.
const char *supposed_type(ValueType type) {
  switch (type) {
    case ValueType::kWhole:
    case ValueType::kNumber:
    case ValueType::kDouble:
      return "double";
    case ValueType::kSmall:
      return "int";
    case ValueType::kBoolean:
      return "boolean";
    case ValueType::kDate:
      return "date";
    case ValueType::kMoment:
      return "datetime";
    default:
      return "string";
  }
}

std::optional<SoqlField> find_field(const SoqlObject &object, const SelectedColumn &column) {
  if (column.role == SelectedColumn::Role::kId) return SoqlField{object.id_field, "id", -1};
  const bool is_stamp = column.role == SelectedColumn::Role::kStamp;
  const std::string &name = is_stamp ? object.stamp_field : column.field;
  if (name.empty()) return std::nullopt;
  if (!object.described) return SoqlField{name, supposed_type(column.type), 0};
  for (const SoqlField &field : object.fields) {
    if (field.name == name) return field;
  }
  return std::nullopt;
}

// Whether the reader's value is the field's, or NULL where that does not fit.
bool is_same(const SoqlField &field, ValueType type) {
  switch (sort_of(field.type)) {
    case Sort::kText:
    case Sort::kId:
      return type == ValueType::kText;
    case Sort::kNumber:
      return type == ValueType::kWhole || type == ValueType::kSmall || type == ValueType::kNumber ||
             type == ValueType::kDouble;
    case Sort::kBoolean:
      return type == ValueType::kBoolean;
    case Sort::kDate:
      return type == ValueType::kDate;
    case Sort::kMoment:
      return type == ValueType::kMoment;
    case Sort::kOther:
      return false;
  }
  return false;
}

// Whether every value of the field is one of the reader's.
bool fits_always(const SoqlField &field, ValueType type) {
  if (type == ValueType::kText || type == ValueType::kOther) return true;
  if (!is_same(field, type)) return false;
  if (type == ValueType::kSmall) return field.type == "int";
  if (type == ValueType::kWhole) return field.type == "int" || field.scale == 0;
  return true;
}

SoqlCondition not_null(const SoqlField &field, bool exact) {
  // A checkbox and an id are never null.
  if (field.type == "boolean") return always(false);
  if (field.type == "id") return always(exact);
  return some(field.name + " != null", exact);
}

SoqlCondition is_null(const SoqlField &field, ValueType type) {
  if (field.type == "id") return never();
  if (field.type == "boolean" || !fits_always(field, type)) return always(false);
  return some(field.name + " = null", true);
}

// --- Values: as SOQL writes them
// --------------------------------------------------------------------

struct Number {
  std::string text;
  bool is_whole;
  size_t digits;     // that count
  double magnitude;  // of the absolute value
};

std::optional<Number> read_number(const std::string &text) {
  std::string digits = text;
  const bool negative = !digits.empty() && digits[0] == '-';
  if (negative) digits.erase(0, 1);
  const size_t point = digits.find('.');
  std::string whole = digits.substr(0, point);
  std::string fraction = point == std::string::npos ? "" : digits.substr(point + 1);
  const auto are_digits = [](const std::string &part) {
    return part.find_first_not_of("0123456789") == std::string::npos;
  };
  if (whole.empty() || !are_digits(whole) || !are_digits(fraction)) return std::nullopt;
  while (!fraction.empty() && fraction.back() == '0') fraction.pop_back();
  whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size() - 1));
  const std::string plain = whole + (fraction.empty() ? "" : "." + fraction);
  std::string significant = (whole == "0" ? "" : whole) + fraction;
  significant.erase(0, std::min(significant.find_first_not_of('0'), significant.size()));
  return Number{(negative && plain != "0" ? "-" : "") + plain, fraction.empty(), significant.size(),
                std::strtod(plain.c_str(), nullptr)};
}

// Whether the provider compares the field with this number as Postgres does: values of the
// field that are near enough to it to be taken for it have no more digits than a double keeps.
bool compares_exactly(const SoqlField &field, const Number &number) {
  return field.scale >= 0 && number.digits <= kExactDigits &&
         number.magnitude < std::pow(10.0, static_cast<int>(kExactDigits) - field.scale);
}

std::string quote(std::string_view text) {
  std::string out = "'";
  for (char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Whether no text that is equal to it as bytes could differ from it for the provider.
bool is_tellable(std::string_view text) {
  if (text.empty() || text.size() > kLongestText || is_blank(text.front()) || is_blank(text.back()))
    return false;
  // The replacement character stands for what Postgres cannot hold.
  if (text.find("\xEF\xBF\xBD") != text.npos) return false;
  return std::none_of(text.begin(), text.end(),
                      [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}

bool is_date(const std::string &text) {
  // Salesforce knows the years from 1700 to 4000.
  return text.size() == 10 && text[4] == '-' && text[7] == '-' && text >= "1700-01-01" &&
         text < "4000-01-01";
}

// --- Leaves
// ------------------------------------------------------------------------------------------

using Literals = std::vector<std::string>;

std::string joined(const Literals &literals) {
  std::string out;
  for (const std::string &literal : literals) out += (out.empty() ? "" : ", ") + literal;
  return out;
}

SoqlCondition one_of(const SoqlField &field, const Literals &literals, bool exact) {
  if (literals.empty()) return never();
  if (literals.size() == 1) return some(field.name + " = " + literals[0], exact);
  if (literals.size() > kMostValues) return not_null(field, false);
  return some(field.name + " IN (" + joined(literals) + ")", exact);
}

// Nulls are found by `!=` and NOT IN: they are excluded here.
SoqlCondition none_of(const SoqlField &field, const Literals &literals, bool exact) {
  if (literals.empty()) return not_null(field, exact);
  if (literals.size() > kMostValues) return not_null(field, false);
  const std::string differs = literals.size() == 1
                                  ? field.name + " != " + literals[0]
                                  : field.name + " NOT IN (" + joined(literals) + ")";
  if (field.type == "id") return some(differs, exact);
  return some(differs + " AND " + field.name + " != null", exact, true);
}

SoqlCondition between(const SoqlField &field, Op op, const std::string &low,
                      const std::string &high) {
  switch (op) {
    case Op::kLess:
    case Op::kAtMost:
      return some(field.name + " <= " + high, false);
    case Op::kMore:
    case Op::kAtLeast:
      return some(field.name + " >= " + low, false);
    case Op::kEqual:
      return some(field.name + " >= " + low + " AND " + field.name + " <= " + high, false, true);
    default:
      return not_null(field, false);
  }
}

// Comparisons whose values the provider compares as Postgres does.
SoqlCondition exact_leaf(const SoqlField &field, const Filter &filter, const Literals &literals) {
  if (filter.kind == Filter::Kind::kAmong) return one_of(field, literals, true);
  if (filter.kind == Filter::Kind::kNotAmong) return none_of(field, literals, true);
  if (filter.op == Op::kNotEqual) return none_of(field, literals, true);
  return some(field.name + symbol(filter.op) + literals.front(), true);
}

SoqlCondition number_leaf(const SoqlField &field, const Filter &filter) {
  Literals literals;
  bool exact = true;
  for (const std::string &value : filter.values) {
    const std::optional<Number> number = read_number(value);
    const bool is_int = field.type == "int" || field.type == "long";
    if (!number || (is_int && !number->is_whole) ||
        (field.type == "int" && number->magnitude > 2147483647.0))
      return not_null(field, false);
    exact = exact && compares_exactly(field, *number);
    literals.push_back(number->text);
  }
  if (exact) return exact_leaf(field, filter, literals);
  if (filter.kind != Filter::Kind::kCompare || field.type == "int" || field.type == "long")
    return not_null(field, false);
  // A little more than what was meant, because values may be rounded on their way.
  const double number = std::strtod(literals[0].c_str(), nullptr);
  if (!(std::fabs(number) < 1e18)) return not_null(field, false);
  const double margin = std::fabs(number) * 1e-14 + 1e-6;
  char low[64], high[64];
  std::snprintf(low, sizeof low, "%.6f", number - margin);
  std::snprintf(high, sizeof high, "%.6f", number + margin);
  return between(field, filter.op, low, high);
}

SoqlCondition boolean_leaf(const SoqlField &field, const Filter &filter) {
  if (filter.kind != Filter::Kind::kCompare) return always(false);
  if (filter.op != Op::kEqual && filter.op != Op::kNotEqual) return always(false);
  const bool wanted = (filter.values[0] == "true") == (filter.op == Op::kEqual);
  return some(field.name + (wanted ? " = true" : " = false"), true);
}

SoqlCondition date_leaf(const SoqlField &field, const Filter &filter) {
  if (!std::all_of(filter.values.begin(), filter.values.end(), is_date))
    return not_null(field, false);
  return exact_leaf(field, filter, filter.values);
}

// Stamps are of whole seconds for SOQL's literals.
SoqlCondition moment_leaf(const SoqlField &field, const Filter &filter) {
  Literals literals;
  bool whole = true;
  for (const std::string &value : filter.values) {
    if (value.size() < 20 || !is_date(value.substr(0, 10)) || !read_stamp(value))
      return not_null(field, false);
    const std::string fraction = value.substr(19, value.find_first_of("Z+", 19) - 19);
    whole = whole && fraction.find_first_not_of(".0") == std::string::npos;
    literals.push_back(value.substr(0, 19) + "Z");
  }
  if (whole) return exact_leaf(field, filter, literals);
  if (filter.kind != Filter::Kind::kCompare) return not_null(field, false);
  const std::string next = write_stamp(*read_stamp(literals[0]) + 1000);
  return between(field, filter.op, literals[0], next.substr(0, 19) + "Z");
}

bool looks_like_id(std::string_view text) {
  return text.size() == 18 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
         });
}

SoqlCondition id_leaf(const SoqlField &field, const Filter &filter) {
  const bool equal = filter.kind == Filter::Kind::kAmong ||
                     (filter.kind == Filter::Kind::kCompare && filter.op == Op::kEqual);
  const bool differs = filter.kind == Filter::Kind::kNotAmong ||
                       (filter.kind == Filter::Kind::kCompare && filter.op == Op::kNotEqual);
  if (!equal && !differs) return not_null(field, false);
  Literals literals;
  bool exact = true;
  for (const std::string &value : filter.values) {
    // Salesforce refuses what is no id; and an id of 15 characters is never given.
    if (!looks_like_id(value)) continue;
    literals.push_back(quote(value));
    exact = exact && is_salesforce_id(value);
  }
  if (equal) return one_of(field, literals, exact);
  return exact ? none_of(field, literals, true) : not_null(field, false);
}

SoqlCondition prefix_leaf(const SoqlField &field, const Filter &filter) {
  // Up to the first character that means something else to either side.
  const std::string &pattern = filter.values[0];
  std::string prefix = pattern.substr(0, pattern.find_first_of("%_\\"));
  if (prefix.size() == pattern.size())
    return is_tellable(prefix) ? some(field.name + " = " + quote(prefix), false)
                               : not_null(field, false);
  while (!prefix.empty() && is_blank(prefix.back())) prefix.pop_back();
  if (!is_tellable(prefix)) return not_null(field, false);
  std::string literal = quote(prefix);
  literal.insert(literal.size() - 1, "%");
  return some(field.name + " LIKE " + literal, false);
}

SoqlCondition text_leaf(const SoqlField &field, const Filter &filter) {
  if (filter.kind == Filter::Kind::kBeginsWith) return prefix_leaf(field, filter);
  const bool equal = filter.kind == Filter::Kind::kAmong ||
                     (filter.kind == Filter::Kind::kCompare && filter.op == Op::kEqual);
  if (!equal) return not_null(field, false);
  Literals literals;
  for (const std::string &value : filter.values) {
    if (value.empty()) continue;  // the provider has no empty texts
    if (!is_tellable(value)) return not_null(field, false);
    literals.push_back(quote(value));
  }
  return one_of(field, literals, false);
}

SoqlCondition shown_leaf(const SoqlField &field, const Filter &filter) {
  Literals literals;
  for (const std::string &value : filter.values)
    literals.push_back(is_shown(value) ? value.substr(1) : value);
  if (filter.kind == Filter::Kind::kBeginsWith)
    return some(field.name + " LIKE " + literals[0], false);
  const bool is_text = sort_of(field.type) == Sort::kText;
  const bool equal = filter.kind == Filter::Kind::kAmong || filter.op == Op::kEqual;
  if (is_text && (!equal || filter.kind == Filter::Kind::kNotAmong)) return not_null(field, false);
  if (filter.kind == Filter::Kind::kAmong)
    return some(field.name + " IN (" + joined(literals) + ")", !is_text);
  if (filter.kind == Filter::Kind::kNotAmong)
    return some(field.name + " NOT IN (" + joined(literals) + ") AND " + field.name + " != null",
                true, true);
  return exact_leaf(field, filter, literals);
}

SoqlCondition leaf(const SoqlObject &object, const Filter &filter) {
  const std::optional<SoqlField> field = find_field(object, filter.column);
  if (!field || !field->filterable) return always(false);
  const ValueType type = filter.column.type;
  if (filter.kind == Filter::Kind::kNull) return is_null(*field, type);
  if (filter.kind == Filter::Kind::kNotNull) return not_null(*field, fits_always(*field, type));
  if (filter.kind == Filter::Kind::kNotAmong && filter.values.empty()) return always(true);
  if (filter.kind == Filter::Kind::kAmong && filter.values.empty()) return never();
  // Whatever is asked of a value, there is one.
  if (!is_same(*field, type)) return not_null(*field, false);
  if (std::any_of(filter.values.begin(), filter.values.end(), is_shown))
    return shown_leaf(*field, filter);
  switch (sort_of(field->type)) {
    case Sort::kText:
      return text_leaf(*field, filter);
    case Sort::kId:
      return id_leaf(*field, filter);
    case Sort::kNumber:
      return number_leaf(*field, filter);
    case Sort::kBoolean:
      return boolean_leaf(*field, filter);
    case Sort::kDate:
      return date_leaf(*field, filter);
    case Sort::kMoment:
      return moment_leaf(*field, filter);
    case Sort::kOther:
      break;
  }
  return not_null(*field, false);
}

// --- Branches
// ----------------------------------------------------------------------------------------

SoqlCondition branch(const SoqlObject &object, const Filter &filter) {
  const bool all = filter.kind == Filter::Kind::kAll;
  // What decides alone, and what says nothing.
  const Kind decisive = all ? Kind::kNever : Kind::kAlways;
  std::vector<SoqlCondition> parts;
  bool exact = true, open = false;
  for (const Filter &part : filter.parts) {
    SoqlCondition condition = soql_condition(object, part);
    if (condition.kind == decisive && condition.exact) return condition;
    exact = exact && condition.exact;
    if (condition.kind == Kind::kSome)
      parts.push_back(std::move(condition));
    else if (condition.kind == decisive)
      open = true;
  }
  if (open) return always(false);
  if (parts.empty()) return all ? always(exact) : never();
  if (parts.size() == 1) return some(parts[0].text, exact, parts[0].joined);
  std::string text;
  for (const SoqlCondition &part : parts)
    text += (text.empty() ? ""
             : all        ? " AND "
                          : " OR ") +
            (part.joined ? "(" + part.text + ")" : part.text);
  return some(std::move(text), exact, true);
}

}  // namespace

SoqlCondition soql_condition(const SoqlObject &object, const Filter &filter) {
  switch (filter.kind) {
    case Filter::Kind::kUnknown:
      return always(false);
    case Filter::Kind::kAll:
    case Filter::Kind::kAny:
      return branch(object, filter);
    default:
      return leaf(object, filter);
  }
}

std::string soql_order(const SoqlObject &object, const std::vector<SelectedOrder> &order) {
  std::string text;
  for (const SelectedOrder &part : order) {
    const std::optional<SoqlField> field = find_field(object, part.column);
    if (!field || !field->sortable || part.column.type == ValueType::kOther) return "";
    const Sort sort = sort_of(field->type);
    // Whole numbers of 64 bits may be more exact than the doubles they are ordered by.
    if (sort == Sort::kText || sort == Sort::kId || field->type == "long" ||
        !is_same(*field, part.column.type) || !fits_always(*field, part.column.type))
      return "";
    text += (text.empty() ? "" : ", ") + field->name + (part.descending ? " DESC" : " ASC") +
            (part.nulls_first ? " NULLS FIRST" : " NULLS LAST");
  }
  return text;
}

bool is_salesforce_id(std::string_view text) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
  if (text.size() != 18) return false;
  for (size_t chunk = 0; chunk < 3; ++chunk) {
    int capitals = 0;
    for (size_t i = 0; i < 5; ++i) {
      const char c = text[chunk * 5 + i];
      const bool capital = c >= 'A' && c <= 'Z';
      if (!capital && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9')) return false;
      if (capital) capitals |= 1 << i;
    }
    if (text[15 + chunk] != digits[capitals]) return false;
  }
  return true;
}

}  // namespace supaglue
