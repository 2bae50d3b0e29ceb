// pure: reads answers of Salesforce's query API; see salesforce_page.hpp.
#include "provider/salesforce_page.hpp"

#include <simdjson.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "http.hpp"
#include "json.hpp"

#include "pure.hpp"

namespace supaglue {
namespace {

namespace ondemand = simdjson::ondemand;

constexpr int kDeepest = 64;
constexpr size_t kKeptParser = 4 << 20;

// A value's text up to the next token: a scalar whole, of an object or array its first character.
std::string_view token_of(ondemand::value &value) {
  std::string_view token = value.raw_json_token();
  while (!token.empty() && std::string_view(" \t\r\n").find(token.back()) != token.npos) {
    token.remove_suffix(1);
  }
  return token;
}

bool is_nested(std::string_view token) { return token.starts_with('{') || token.starts_with('['); }

bool is_identifier(std::string_view key) {
  return !key.empty() && std::all_of(key.begin(), key.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

class AnswerReader {
 public:
  AnswerReader(simdjson::padded_string_view body, const SalesforceFields &fields)
      : body_(body), writer_(fields, body.size()) {}

  SalesforceAnswer read(ondemand::parser &parser);

 private:
  template <typename T>
  T take(simdjson::simdjson_result<T> result) {
    T value;
    if (std::move(result).get(value)) damaged();
    return value;
  }
  [[noreturn]] void damaged();
  void read_key(std::string_view key, ondemand::value value);
  void read_records(ondemand::value value);
  void read_record(ondemand::value value);
  void read_field(std::string_view key, ondemand::value value);
  void walk(ondemand::value value, int depth);
  void consume(ondemand::value value, std::string_view token);

  simdjson::padded_string_view body_;
  SalesforceRecordWriter writer_;
  ondemand::document document_;
  SalesforceAnswer answer_;
  bool has_records_ = false;
  bool has_done_ = false;
};

void AnswerReader::damaged() {
  const char *location = nullptr;
  std::string where;
  if (!document_.current_location().get(location) && location >= body_.data() &&
      location <= body_.data() + body_.size()) {
    where = " near byte " + std::to_string(location - body_.data());
  }
  throw salesforce_malformed("It is cut off or damaged" + where + ".");
}

SalesforceAnswer AnswerReader::read(ondemand::parser &parser) {
  if (parser.iterate(body_).get(document_)) {
    throw salesforce_malformed("It is cut off or damaged.");
  }
  ondemand::object object = take(document_.get_object());
  for (auto item : object) {
    ondemand::field field = take(std::move(item));
    std::string_view key = take(field.unescaped_key());
    read_key(key, field.value());
  }
  if (document_.current_location().error() != simdjson::OUT_OF_BOUNDS) damaged();
  if (!has_records_) throw salesforce_malformed("It has no \"records\".");
  if (!has_done_) throw salesforce_malformed("It has no \"done\".");
  if (!answer_.done && answer_.next.empty()) {
    throw salesforce_malformed("It says that there is more, but not where.");
  }
  answer_.page = writer_.finish();
  return std::move(answer_);
}

void AnswerReader::read_key(std::string_view key, ondemand::value value) {
  if (key == "records") {
    read_records(value);
  } else if (key == "done") {
    answer_.done = take(value.get_bool());
    has_done_ = true;
  } else if (key == "totalSize") {
    answer_.total = take(value.get_int64());
  } else if (key == "nextRecordsUrl" && value.raw_json_token().starts_with('"')) {
    answer_.next = take(value.get_string());
  } else {
    walk(value, 0);
  }
}

void AnswerReader::read_records(ondemand::value value) {
  has_records_ = true;
  for (auto item : take(value.get_array())) read_record(take(std::move(item)));
}

void AnswerReader::read_record(ondemand::value value) {
  std::string_view token = token_of(value);
  if (!token.starts_with('{')) {
    walk(value, 0);
    writer_.reject("the record is not an object", token);
    return;
  }
  writer_.begin();
  for (auto item : take(value.get_object())) {
    ondemand::field field = take(std::move(item));
    std::string_view key = take(field.unescaped_key());
    read_field(key, field.value());
  }
  writer_.end();
}

void AnswerReader::read_field(std::string_view key, ondemand::value value) {
  std::string_view token = token_of(value);
  if (is_nested(token) || !is_identifier(key)) return walk(value, 0);
  consume(value, token);
  if (!token.starts_with('"')) return writer_.put_scalar(key, token);
  if (!writer_.put_json_string(key, token)) damaged();
}

// On-Demand checks only what is visited: what is not kept is visited here.
void AnswerReader::walk(ondemand::value value, int depth) {
  if (depth > kDeepest) throw salesforce_malformed("It is nested too deeply.");
  std::string_view token = token_of(value);
  if (token.starts_with('{')) {
    for (auto item : take(value.get_object())) {
      ondemand::field field = take(std::move(item));
      walk(field.value(), depth + 1);
    }
  } else if (token.starts_with('[')) {
    for (auto item : take(value.get_array())) walk(take(std::move(item)), depth + 1);
  } else {
    consume(value, token);
  }
}

// A string that is only looked at would be taken for a key if a colon came after it.
void AnswerReader::consume(ondemand::value value, std::string_view token) {
  if (token.starts_with('"')) {
    take(value.get_raw_json_string());
  } else if (!is_json_scalar(token)) {
    damaged();
  }
}

}  // namespace

Error salesforce_malformed(const std::string &detail) {
  return {ErrorClass::kProvider, "the answer of salesforce is not the JSON that was expected",
          detail};
}

// An address that was seen before would lead round for ever. One address is remembered, at the
// first, second, fourth, eighth ... page: no circle escapes it.
void salesforce_go_on(Json &place, const std::string &next) {
  if (next == place.value("next", "") || next == place.value("mark", "")) {
    throw salesforce_malformed("It names a page as the next one that was read before.");
  }
  const int64_t pages = place.value("pages", int64_t{0}) + 1;
  place["next"] = next;
  place["pages"] = pages;
  if ((pages & (pages - 1)) == 0) place["mark"] = next;
}

SalesforceAnswer read_salesforce_answer(const std::string &body, const SalesforceFields &fields) {
  static_assert(Response::kPadding >= simdjson::SIMDJSON_PADDING);
  simdjson::padded_string copy;
  simdjson::padded_string_view view(body.data(), body.size(), body.capacity());
  if (body.capacity() - body.size() < simdjson::SIMDJSON_PADDING) {
    copy = simdjson::padded_string(body);
    view = copy;
  }
  // A parser keeps what the largest answer needed: one is kept for usual answers.
  static ondemand::parser kept;
  if (body.size() <= kKeptParser) return AnswerReader(view, fields).read(kept);
  ondemand::parser large;
  return AnswerReader(view, fields).read(large);
}

}  // namespace supaglue
