// simulator: SOQL as text: tokens and syntax tree. Knows no org and no field.
#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace simulator {

// An answer of Salesforce that is an error: HTTP status, error code and message.
struct ApiError : std::runtime_error {
  ApiError(int http_status, std::string error_code, const std::string &message)
      : std::runtime_error(message), status(http_status), code(std::move(error_code)) {}
  int status;
  std::string code;
};

// An error at a place of a query, in Salesforce's form: the text around it, a caret, row and
// column.
ApiError query_error(const std::string &code, const std::string &query, size_t at,
                     const std::string &message);

struct SoqlField {
  std::string path;
  size_t at = 0;
};

struct SoqlItem {
  std::string function;  // COUNT, SUM, ...; FIELDS; empty for a plain field
  SoqlField field;       // FIELDS: ALL, STANDARD or CUSTOM; COUNT(): empty
  std::string alias;
  size_t at = 0;
};

struct SoqlLiteral {
  enum class Kind { null, boolean, number, text, date, datetime, range };
  Kind kind = Kind::null;
  std::string text;  // range: the name in upper case
  int count = 0;     // range: the n of LAST_N_DAYS:n
  size_t at = 0;
};

struct SoqlCondition {
  enum class Kind { all, any, negation, comparison };
  Kind kind = Kind::comparison;
  std::vector<SoqlCondition> parts;
  SoqlField field;
  std::string op;  // = != < <= > >= LIKE IN NOT IN INCLUDES EXCLUDES
  std::vector<SoqlLiteral> values;
};

struct SoqlOrder {
  SoqlItem item;
  bool is_descending = false;
  bool nulls_last = false;
};

struct SoqlQuery {
  std::string text;
  std::vector<SoqlItem> select;
  std::string object, alias;
  size_t object_at = 0;
  std::optional<SoqlCondition> where;
  std::vector<SoqlField> group_by;
  std::vector<SoqlOrder> order_by;
  std::optional<size_t> limit;
  size_t offset = 0;
};

SoqlQuery parse_soql(const std::string &text);  // throws ApiError

}  // namespace simulator
