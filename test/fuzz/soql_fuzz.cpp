// fuzz: SOQL: whatever fields are called and whatever values are compared with, each value stays
// inside its quotes: outside of them stand words of SOQL, fields that the object has, numbers and
// dates only, and what is in quotes is one of the texts that were given.
#include <algorithm>
#include <memory>
#include <set>
#include <vector>

#include "connector.hpp"
#include "fuzz.hpp"
#include "source.hpp"

#include "pure.hpp"

using namespace supaglue;

namespace {

constexpr int kDeepest = 4;

struct Given {
  std::vector<std::string> names = {"Id", "SystemModstamp", "IsDeleted"};
  std::set<std::string> texts;
};

bool is_word(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return c < 0x80 && (std::isalnum(c) || c == '_');
  });
}

SelectedColumn column(fuzz::Choices &choices, const Given &given) {
  SelectedColumn chosen;
  chosen.role = static_cast<SelectedColumn::Role>(choices.below(3));
  chosen.field = given.names[choices.below(given.names.size())];
  chosen.type = static_cast<ValueType>(choices.below(9));
  return chosen;
}

// As live_plan makes them: numbers, dates and moments come from Postgres in their one form, texts
// as they are.
std::string value(fuzz::Choices &choices, ValueType type, Given *given) {
  if (type == ValueType::kBoolean) return choices.below(2) ? "true" : "false";
  if (type == ValueType::kDate) return choices.below(2) ? "2024-01-31" : "0044-03-15";
  if (type == ValueType::kMoment)
    return choices.below(2) ? "2024-01-31T10:00:00.000000Z" : "2024-01-31T10:00:00.123456Z";
  if (type != ValueType::kText && type != ValueType::kOther && choices.below(4)) {
    static const char *const numbers[] = {"0",        "-1", "12.50", "99999999999999999999",
                                          "0.000001", "-0"};
    return numbers[choices.below(6)];
  }
  std::string text = choices.line();
  while (text.starts_with(kNotKnownYet)) text.erase(0, 1);  // as pushdown sees to it
  given->texts.insert(text);
  return text;
}

Filter filter(fuzz::Choices &choices, Given *given, int depth) {
  using Kind = Filter::Kind;
  Filter chosen;
  chosen.kind = static_cast<Kind>(choices.below(9));
  if (chosen.kind == Kind::kAll || chosen.kind == Kind::kAny) {
    for (size_t n = choices.below(4); n > 0 && depth < kDeepest; --n)
      chosen.parts.push_back(filter(choices, given, depth + 1));
    return chosen;
  }
  chosen.column = column(choices, *given);
  chosen.op = static_cast<Filter::Op>(choices.below(6));
  const bool many = chosen.kind == Kind::kAmong || chosen.kind == Kind::kNotAmong;
  for (size_t n = many ? choices.below(4) : 1; n > 0; --n) {
    if (chosen.kind == Kind::kBeginsWith) chosen.column.type = ValueType::kText;
    chosen.values.push_back(value(choices, chosen.column.type, given));
  }
  return chosen;
}

// --- What the query says
// ---------------------------------------------------------------------------------------------
std::string decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      fuzz::expect(i + 2 < text.size() && std::isxdigit(text[i + 1]) && std::isxdigit(text[i + 2]),
                   "an address is well encoded", text);
      out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

// Reads a literal up to its closing quote, and what it means.
std::string literal(std::string_view soql, size_t *at) {
  std::string text;
  for (size_t i = *at + 1; i < soql.size(); ++i) {
    if (soql[i] == '\'') {
      *at = i + 1;
      return text;
    }
    if (soql[i] == '\\') {
      ++i;
      fuzz::expect(
          i < soql.size() && std::string_view("'\\%_").find(soql[i]) != std::string_view::npos,
          "an escape is one of SOQL's", soql);
    }
    text += soql[i];
  }
  fuzz::expect(false, "a quote is closed", soql);
  return text;
}

bool is_literal_word(const std::string &word) {  // 12.5, 2024-01-31T10:00:00Z
  return std::isdigit(static_cast<unsigned char>(word[0])) || word[0] == '-';
}

void expect_sound(std::string_view soql, const std::string &object, const Given &given) {
  static const std::set<std::string> words = {
      "SELECT", "FROM", "WHERE", "AND",   "OR",   "NOT",   "IN",   "LIKE", "ORDER", "BY",
      "ASC",    "DESC", "NULLS", "FIRST", "LAST", "LIMIT", "null", "true", "false", "COUNT"};
  int open = 0;
  for (size_t at = 0; at < soql.size();) {
    const char c = soql[at];
    if (c == '\'') {
      std::string text = literal(soql, &at);
      const std::string_view prefix(text.data(), text.size() - (text.ends_with('%') ? 1 : 0));
      const bool begins =
          prefix.size() < text.size() &&
          std::any_of(given.texts.begin(), given.texts.end(),
                      [&](const std::string &one) { return one.starts_with(prefix); });
      fuzz::expect(begins || given.texts.contains(text), "a literal is a text that was given",
                   soql);
    } else if (c == '(' || c == ')') {
      open += c == '(' ? 1 : -1;
      fuzz::expect(open >= 0, "parentheses match", soql);
      ++at;
    } else if (std::string_view(" ,=!<>").find(c) != std::string_view::npos) {
      ++at;
    } else {
      const size_t end = std::min(soql.find_first_of(" ,=!<>()'", at), soql.size());
      const std::string word(soql.substr(at, end - at));
      const bool named =
          is_word(word) && (word == object || std::find(given.names.begin(), given.names.end(),
                                                        word) != given.names.end());
      const bool number =
          is_literal_word(word) && word.find_first_not_of("0123456789-.:TZ") == std::string::npos;
      fuzz::expect(named || number || words.contains(word), "a word outside of quotes is ours",
                   soql);
      at = end;
    }
  }
  fuzz::expect(open == 0, "parentheses match", soql);
}

Response described(fuzz::Choices &choices, Given *given) {
  static const char *const types[] = {"string",   "double",    "int",      "boolean", "date",
                                      "datetime", "reference", "picklist", "long",    "anyType"};
  Json fields = Json::array({{{"name", "Id"}, {"type", "id"}},
                             {{"name", "SystemModstamp"}, {"type", "datetime"}},
                             {{"name", "IsDeleted"}, {"type", "boolean"}}});
  for (size_t n = choices.below(4); n > 0; --n) {
    const std::string type = types[choices.below(10)];
    const std::string name = choices.line();
    fields.push_back(
        {{"name", name}, {"type", type}, {"scale", static_cast<int>(choices.below(4))}});
    given->names.push_back(name);
  }
  Response response;
  response.status = 200;
  response.body = Json{{"fields", fields}}.dump(-1, ' ', false, Json::error_handler_t::replace);
  return response;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const std::shared_ptr<const Connector> salesforce = Connector::builtin("salesforce");
  fuzz::Choices choices({reinterpret_cast<const char *>(data), size});
  Given given;
  Task task;
  task.live = true;
  task.object = choices.below(4) ? "Contact" : choices.line();
  const Response description = described(choices, &given);
  for (size_t n = choices.below(3); n > 0; --n) {
    task.ids.push_back(choices.below(2) ? "003000000000001AAA" : choices.line());
    given.texts.insert(task.ids.back());
  }
  for (size_t n = choices.below(3); n > 0; --n) task.fields.push_back(choices.line());
  for (size_t n = choices.below(2); n > 0; --n) task.exclude_fields.push_back(choices.line());
  if (choices.below(2)) task.since = "2024-01-31T10:00:00.000Z";
  task.selection.filter = filter(choices, &given, 0);
  for (size_t n = choices.below(3); n > 0; --n)
    task.selection.order.push_back(
        {column(choices, given), choices.below(2) == 1, choices.below(2) == 1});
  if (choices.below(2)) task.selection.limit = static_cast<int64_t>(choices.below(100));
  fuzz::succeeds([&] {
    const std::unique_ptr<Source> source = make_source(salesforce, task);
    if (std::holds_alternative<Done>(source->next())) return;
    source->accept(description);
    const Want want = source->next();
    if (std::holds_alternative<Done>(want)) return;
    const std::string &url = std::get<Request>(want).url;
    const size_t at = url.find("?q=");
    fuzz::expect(at != url.npos &&
                     std::all_of(url.begin(), url.end(), [](char c) { return c > ' ' && c < 127; }),
                 "an address is one", url);
    expect_sound(decoded(std::string_view(url).substr(at + 3)), task.object, given);
    // A source goes on from its state.
    const std::unique_ptr<Source> again =
        make_source(salesforce, task, source->plan(), source->cursor());
    fuzz::expect(std::get<Request>(again->next()).url == url, "a source goes on from its state",
                 url);
  });
  return 0;
}
