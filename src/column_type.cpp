// pure: the types of hoisted columns; see column_type.hpp.
//
// No function of Postgres 15 tells whether a text is a value of a type, so each is first matched by
// a pattern that admits only what the type's input function takes.
#include "column_type.hpp"

#include <algorithm>
#include <cctype>

#include "pure.hpp"

namespace supaglue {
namespace {

struct Spelling {
  const char *written;
  const char *type;
};
constexpr Spelling kSpellings[] = {
    {"text", "text"},
    {"string", "text"},
    {"varchar", "text"},
    {"character varying", "text"},
    {"boolean", "boolean"},
    {"bool", "boolean"},
    {"bigint", "bigint"},
    {"int8", "bigint"},
    {"integer", "integer"},
    {"int", "integer"},
    {"int4", "integer"},
    {"numeric", "numeric"},
    {"decimal", "numeric"},
    {"number", "numeric"},
    {"double precision", "double precision"},
    {"double", "double precision"},
    {"float8", "double precision"},
    {"date", "date"},
    {"timestamptz", "timestamptz"},
    {"timestamp with time zone", "timestamptz"},
    {"timestamp", "timestamptz"},
    {"datetime", "timestamptz"},
    {"jsonb", "jsonb"},
    {"json", "jsonb"},
};

const char kNumber[] = R"(^\s*[+-]?(\d{1,255}(\.\d{0,255})?|\.\d{1,255})([eE][+-]?\d{1,3})?\s*$)";
const char kWhole[] = R"(^\s*[+-]?\d{1,255}(\.0*)?\s*$)";
// A double holds from 1e-307 to 1e308 without raising.
const char kDouble[] = R"(^\s*[+-]?(\d{1,200}(\.\d{0,50})?|\.\d{1,50})([eE][+-]?\d{1,2})?\s*$)";
const char kDate[] = R"(^(?!0000)\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01]))";
const char kTime[] = R"([T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?)";
const char kZone[] = R"((Z|[+-](0\d|1[0-4])(:?[0-5]\d)?))";

std::string matches(std::string_view source, const std::string &pattern) {
  return "(" + std::string(source) + ") OPERATOR(pg_catalog.~) '" + pattern + "'";
}

std::string fitting(const std::string &condition, const std::string &value) {
  return "CASE WHEN " + condition + " THEN " + value + " END";
}

std::string cast(std::string_view source, const char *type) {
  return "(" + std::string(source) + ")::pg_catalog." + type;
}

// The pattern lets 31 days into every month: the day must be one of its own.
std::string day_exists(std::string_view source) {
  const std::string text = std::string(source);
  return "pg_catalog.substr(" + text +
         ", 9, 2)::pg_catalog.int4 <= extract(day FROM "
         "pg_catalog.make_date(pg_catalog.substr(" +
         text +
         ", 1, 4)::pg_catalog.int4, "
         "pg_catalog.substr(" +
         text + ", 6, 2)::pg_catalog.int4, 1) + interval '1 month - 1 day')";
}

std::string whole_number(std::string_view source, const char *type, const char *least,
                         const char *most) {
  const std::string number = cast(source, "numeric");
  return fitting(matches(source, kWhole), fitting(number + " BETWEEN " + least + " AND " + most,
                                                  number + "::pg_catalog." + type));
}

std::string moment(std::string_view source) {
  const std::string text(source);
  const std::string day_only = std::string(kDate) + "$";
  const std::string without_zone = std::string(kDate) + "(" + kTime + ")?$";
  const std::string whole = std::string(kDate) + "(" + kTime + kZone + "?)?$";
  // What names no zone is UTC, whatever the session's zone is.
  return fitting(matches(source, whole),
                 fitting(day_exists(source), "(CASE WHEN " + matches(source, without_zone) +
                                                 " THEN (" + text + ") || '+00' ELSE (" + text +
                                                 ") END)::pg_catalog.timestamptz"));
}

}  // namespace

std::optional<std::string> column_type(std::string_view written) {
  std::string lower;
  for (char c : written) lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const Spelling &spelling : kSpellings)
    if (lower == spelling.written) return spelling.type;
  return std::nullopt;
}

const std::vector<std::string> &column_types() {
  static const std::vector<std::string> types = {"text",    "boolean",     "bigint",
                                                 "integer", "numeric",     "double precision",
                                                 "date",    "timestamptz", "jsonb"};
  return types;
}

bool fits_always(std::string_view type) { return type.starts_with("text") || type == "jsonb"; }

std::string fitting_value(std::string_view type, std::string_view source) {
  if (fits_always(type)) return std::string(source);
  if (type == "boolean")
    return "CASE pg_catalog.lower(" + std::string(source) +
           ") WHEN 'true' THEN true WHEN 'false' THEN false END";
  if (type == "bigint")
    return whole_number(source, "int8", "-9223372036854775808", "9223372036854775807");
  if (type == "integer") return whole_number(source, "int4", "-2147483648", "2147483647");
  if (type == "numeric") return fitting(matches(source, kNumber), cast(source, "numeric"));
  if (type == "double precision") return fitting(matches(source, kDouble), cast(source, "float8"));
  if (type == "date")
    return fitting(matches(source, std::string(kDate) + "$"),
                   fitting(day_exists(source), cast(source, "date")));
  return moment(source);
}

}  // namespace supaglue
