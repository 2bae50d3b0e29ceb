// simulator: a recursive-descent parser; see soql.hpp.
#include "soql.hpp"

#include <algorithm>
#include <set>

#include "value.hpp"

namespace simulator {

ApiError query_error(const std::string &code, const std::string &query, size_t at,
                     const std::string &message) {
  at = std::min(at, query.size());
  const size_t row_start = at ? query.rfind('\n', at - 1) + 1 : 0;
  const auto row = 1 + std::count(query.begin(), query.begin() + static_cast<long>(at), '\n');
  const size_t from = at - row_start > 40 ? at - 40 : row_start;
  const size_t row_end = std::min(query.find('\n', at), query.size());
  const std::string around = query.substr(from, std::min(row_end, at + 40) - from);
  return ApiError(400, code,
                  "\n" + around + "\n" + std::string(at - from, ' ') +
                      "^\nERROR at Row:" + std::to_string(row) +
                      ":Column:" + std::to_string(at - row_start + 1) + "\n" + message);
}

namespace {

std::string upper(std::string text) {
  for (char &c : text)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  return text;
}

struct Token {
  enum class Kind { end, word, number, text, symbol };
  Kind kind = Kind::end;
  std::string text;  // a quoted text: unescaped
  size_t at = 0;
};

// Words hold dots and colons (Owner.Name, LAST_N_DAYS:3); numbers hold dates and stamps too.
class Lexer {
 public:
  explicit Lexer(const std::string &query) : query_(query) {}

  Token next() {
    while (at_ < query_.size() && isspace(static_cast<unsigned char>(query_[at_]))) at_++;
    Token token;
    token.at = at_;
    if (at_ == query_.size()) return token;
    const char c = query_[at_];
    if (c == '\'') return text();
    if (isalpha(static_cast<unsigned char>(c)) || c == '_') {
      token.kind = Token::Kind::word;
      token.text = run([](char d) { return isalnum(d) || d == '_' || d == '.' || d == ':'; });
    } else if (isdigit(static_cast<unsigned char>(c)) || is_sign(c)) {
      token.kind = Token::Kind::number;
      at_++;
      token.text = c + run([](char d) {
                     return isalnum(d) || d == '.' || d == ':' || d == '-' || d == '+';
                   });
    } else {
      token.kind = Token::Kind::symbol;
      token.text = symbol();
    }
    return token;
  }

 private:
  bool is_sign(char c) const {
    return (c == '-' || c == '+') && at_ + 1 < query_.size() &&
           isdigit(static_cast<unsigned char>(query_[at_ + 1]));
  }

  template <typename Predicate>
  std::string run(Predicate belongs) {
    const size_t start = at_;
    while (at_ < query_.size() && static_cast<unsigned char>(query_[at_]) < 128 &&
           belongs(query_[at_]))
      at_++;
    return query_.substr(start, at_ - start);
  }

  std::string symbol() {
    for (const char *pair : {"!=", "<>", "<=", ">="})
      if (query_.compare(at_, 2, pair) == 0) {
        at_ += 2;
        return std::string(pair) == "<>" ? "!=" : pair;
      }
    return std::string(1, query_[at_++]);
  }

  // The escapes of LIKE, \% and \_, stay for LIKE to read.
  Token text() {
    Token token{Token::Kind::text, "", at_};
    for (at_++; at_ < query_.size(); at_++) {
      char c = query_[at_];
      if (c == '\'') {
        at_++;
        return token;
      }
      if (c != '\\') {
        token.text += c;
        continue;
      }
      if (++at_ == query_.size()) break;
      c = query_[at_];
      const std::string_view escapes = "nrtbf\"'\\NRTBF";
      const std::string_view meanings = "\n\r\t\b\f\"'\\\n\r\t\b\f";
      if (c == '%' || c == '_')
        token.text += std::string("\\") + c;
      else if (const size_t i = escapes.find(c); i != std::string_view::npos)
        token.text += c == '\\' ? std::string("\\\\") : std::string(1, meanings[i]);
      else
        throw query_error(
            "MALFORMED_QUERY", query_, at_ - 1,
            "Illegal character sequence '\\" + std::string(1, c) + "' in string literal.");
    }
    throw query_error("MALFORMED_QUERY", query_, token.at, "unterminated string literal");
  }

  const std::string &query_;
  size_t at_ = 0;
};

// Apart from LIKE, which keeps its escapes, a text's double backslash is one.
std::string plain_text(const std::string &text) {
  std::string out;
  for (size_t i = 0; i < text.size(); i++) {
    if (text[i] == '\\' && i + 1 < text.size()) i++;
    out += text[i];
  }
  return out;
}

const std::set<std::string> range_words = {
    "TODAY",        "YESTERDAY",    "TOMORROW",   "LAST_WEEK",    "THIS_WEEK",    "NEXT_WEEK",
    "LAST_MONTH",   "THIS_MONTH",   "NEXT_MONTH", "LAST_90_DAYS", "NEXT_90_DAYS", "THIS_QUARTER",
    "LAST_QUARTER", "NEXT_QUARTER", "THIS_YEAR",  "LAST_YEAR",    "NEXT_YEAR"};
const std::set<std::string> counted_ranges = {"LAST_N_DAYS",  "NEXT_N_DAYS",   "N_DAYS_AGO",
                                              "LAST_N_WEEKS", "LAST_N_MONTHS", "LAST_N_QUARTERS",
                                              "LAST_N_YEARS"};
const std::set<std::string> functions = {"COUNT", "COUNT_DISTINCT", "SUM", "AVG", "MIN",
                                         "MAX",   "FIELDS"};

class Parser {
 public:
  explicit Parser(const std::string &text) : lexer_(text) {
    query_.text = text;
    advance();
  }

  SoqlQuery parse() {
    expect("SELECT");
    do query_.select.push_back(select_item());
    while (accept(","));
    expect("FROM");
    query_.object_at = token_.at;
    query_.object = word();
    if (accept("AS") || (is_word() && !is_clause())) query_.alias = word();
    if (is("USING")) advance(), expect("SCOPE"), word();
    if (accept("WHERE")) query_.where = condition();
    while (accept("WITH")) word();
    if (accept("GROUP")) group_by();
    if (is("HAVING")) refuse("HAVING is not supported by this simulator");
    if (accept("ORDER")) order_by();
    if (accept("LIMIT")) query_.limit = count();
    if (accept("OFFSET")) offset();
    while (accept("FOR")) word();
    if (token_.kind != Token::Kind::end) unexpected();
    return std::move(query_);
  }

 private:
  [[noreturn]] void refuse(const std::string &message) const {
    throw query_error("MALFORMED_QUERY", query_.text, token_.at, message);
  }
  [[noreturn]] void unexpected() const {
    refuse("unexpected token: '" +
           (token_.kind == Token::Kind::end ? std::string("<EOF>") : token_.text) + "'");
  }

  void advance() { token_ = lexer_.next(); }
  bool is_word() const { return token_.kind == Token::Kind::word; }
  bool is(const char *text) const {
    return (is_word() || token_.kind == Token::Kind::symbol) && upper(token_.text) == text;
  }
  bool is_clause() const {
    for (const char *clause :
         {"WHERE", "WITH", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "FOR", "USING", "FROM"})
      if (is(clause)) return true;
    return false;
  }
  bool accept(const char *text) {
    if (!is(text)) return false;
    advance();
    return true;
  }
  void expect(const char *text) {
    if (!accept(text)) unexpected();
  }
  std::string word() {
    if (!is_word()) unexpected();
    std::string text = token_.text;
    advance();
    return text;
  }
  SoqlField field() {
    SoqlField field{"", token_.at};
    field.path = word();
    return field;
  }

  // A field, or FUNCTION(field).
  SoqlItem item() {
    SoqlItem item;
    item.at = token_.at;
    if (is("(")) refuse("subqueries are not supported by this simulator");
    if (is("TYPEOF")) refuse("TYPEOF is not supported by this simulator");
    item.field = field();
    if (!is("(")) return item;
    item.function = upper(item.field.path);
    if (!functions.count(item.function))
      throw query_error("MALFORMED_QUERY", query_.text, item.at,
                        "unknown function '" + item.field.path + "'");
    advance();
    item.field = {};
    if (!is(")")) item.field = field();
    expect(")");
    return item;
  }

  SoqlItem select_item() {
    if (is("FROM")) unexpected();
    SoqlItem selected = item();
    if (is_word() && !is("FROM")) selected.alias = word();
    return selected;
  }

  // AND and OR cannot be mixed without parentheses.
  SoqlCondition condition() {
    SoqlCondition first = negatable();
    if (!is("AND") && !is("OR")) return first;
    const char *joiner = is("AND") ? "AND" : "OR";
    SoqlCondition joined;
    joined.kind = is("AND") ? SoqlCondition::Kind::all : SoqlCondition::Kind::any;
    joined.parts.push_back(std::move(first));
    while (accept(joiner)) joined.parts.push_back(negatable());
    if (is("AND") || is("OR")) unexpected();
    return joined;
  }

  SoqlCondition negatable() {
    if (accept("NOT")) {
      SoqlCondition negation;
      negation.kind = SoqlCondition::Kind::negation;
      negation.parts.push_back(negatable());
      return negation;
    }
    if (accept("(")) {
      SoqlCondition inner = condition();
      expect(")");
      return inner;
    }
    return comparison();
  }

  SoqlCondition comparison() {
    SoqlCondition result;
    result.field = field();
    if (is("(")) refuse("functions in WHERE are not supported by this simulator");
    result.op = comparison_operator();
    const bool takes_list = result.op == "IN" || result.op == "NOT IN" || result.op == "INCLUDES" ||
                            result.op == "EXCLUDES";
    if (!takes_list) {
      result.values.push_back(literal(result.op == "LIKE"));
      return result;
    }
    expect("(");
    if (is("SELECT")) refuse("semi-joins are not supported by this simulator");
    do result.values.push_back(literal(false));
    while (accept(","));
    expect(")");
    return result;
  }

  std::string comparison_operator() {
    for (const char *op : {"=", "!=", "<", "<=", ">", ">=", "LIKE", "IN", "INCLUDES", "EXCLUDES"})
      if (accept(op)) return op;
    if (accept("NOT")) {
      expect("IN");
      return "NOT IN";
    }
    unexpected();
  }

  SoqlLiteral literal(bool keeps_escapes) {
    using Kind = SoqlLiteral::Kind;
    SoqlLiteral result;
    result.at = token_.at;
    result.text = token_.text;
    if (token_.kind == Token::Kind::text) {
      result.kind = Kind::text;
      if (!keeps_escapes) result.text = plain_text(result.text);
    } else if (token_.kind == Token::Kind::number) {
      result.kind = parse_date(result.text)       ? Kind::date
                    : parse_datetime(result.text) ? Kind::datetime
                                                  : Kind::number;
      if (result.kind == Kind::number &&
          result.text.find_first_not_of("0123456789.+-eE") != std::string::npos)
        unexpected();
    } else if (is_word()) {
      word_literal(result);
    } else {
      unexpected();
    }
    advance();
    return result;
  }

  void word_literal(SoqlLiteral &result) const {
    using Kind = SoqlLiteral::Kind;
    result.text = upper(token_.text);
    const size_t colon = result.text.find(':');
    const std::string digits = colon == std::string::npos ? "" : result.text.substr(colon + 1);
    if (result.text == "NULL") {
      result.kind = Kind::null;
    } else if (result.text == "TRUE" || result.text == "FALSE") {
      result.kind = Kind::boolean;
      result.text = lower(result.text);
    } else if (range_words.count(result.text)) {
      result.kind = Kind::range;
    } else if (counted_ranges.count(result.text.substr(0, colon)) && !digits.empty() &&
               digits.size() < 6 && digits.find_first_not_of("0123456789") == std::string::npos) {
      result.kind = Kind::range;
      result.count = std::stoi(digits);
      result.text.resize(colon);
    } else if (result.text.size() > 3 && isdigit(result.text[3]) &&
               result.text.find_first_not_of("0123456789.", 3) == std::string::npos) {
      result.kind = Kind::number;  // USD500
      result.text.erase(0, 3);
    } else {
      unexpected();
    }
  }

  void group_by() {
    expect("BY");
    if (is("ROLLUP") || is("CUBE")) refuse("ROLLUP and CUBE are not supported by this simulator");
    do query_.group_by.push_back(field());
    while (accept(","));
  }

  void order_by() {
    expect("BY");
    do {
      SoqlOrder order;
      order.item = item();
      if (accept("DESC"))
        order.is_descending = true;
      else
        accept("ASC");
      if (accept("NULLS")) {
        order.nulls_last = is("LAST");
        if (!accept("FIRST")) expect("LAST");
      }
      query_.order_by.push_back(std::move(order));
    } while (accept(","));
  }

  size_t count() {
    if (token_.kind != Token::Kind::number || token_.text.size() > 9 ||
        token_.text.find_first_not_of("0123456789") != std::string::npos)
      unexpected();
    const size_t number = std::stoul(token_.text);
    advance();
    return number;
  }

  void offset() {
    const size_t at = token_.at;
    query_.offset = count();
    if (query_.offset > 2000)
      throw query_error("NUMBER_OUTSIDE_VALID_RANGE", query_.text, at,
                        "Maximum SOQL offset allowed is 2000");
  }

  Lexer lexer_;
  Token token_;
  SoqlQuery query_;
};

}  // namespace

SoqlQuery parse_soql(const std::string &text) { return Parser(text).parse(); }

}  // namespace simulator
