// pure: reads answers of Salesforce's query API; see salesforce_page.hpp.
#include "provider/salesforce_page.hpp"

#include <simdjson.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "http.hpp"
#include "json.hpp"
#include "stamp.hpp"

#include "pure.hpp"

namespace supaglue {
namespace {

namespace ondemand = simdjson::ondemand;

constexpr int kDeepest = 64;
constexpr size_t kLongestReject = 2000;
constexpr size_t kKeptParser = 4 << 20;
constexpr size_t kLongestId = 255;  // it is part of a key

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

// At most a few kB, and no half character at the end.
std::string clipped(std::string_view text) {
  if (text.size() <= kLongestReject) return std::string(text);
  size_t end = kLongestReject;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return std::string(text.substr(0, end));
}

// Views cannot be taken while the storage still grows.
struct Span {
  size_t at = 0;
  size_t length = 0;
};
struct RecordSpans {
  Span raw, id, modified;
  bool deleted = false;
  std::string unfit;  // why the record cannot be kept
};

class AnswerReader {
 public:
  AnswerReader(simdjson::padded_string_view body, const SalesforceFields &fields)
      : body_(body), fields_(fields) {}

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
  void read_field(std::string_view key, ondemand::value value, RecordSpans &spans);
  Span write_string(std::string_view key, std::string_view token, RecordSpans &spans);
  void walk(ondemand::value value, int depth);
  void consume(ondemand::value value, std::string_view token);
  void point_records();

  simdjson::padded_string_view body_;
  const SalesforceFields &fields_;
  ondemand::document document_;
  SalesforceAnswer answer_;
  std::vector<RecordSpans> spans_;
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
  answer_.page.storage.reserve(body_.size() + 64);
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
  point_records();
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
    answer_.page.rejects.push_back({"the record is not an object", clipped(token)});
    return;
  }
  std::string &out = answer_.page.storage;
  RecordSpans spans;
  spans.raw.at = out.size();
  out += '{';
  for (auto item : take(value.get_object())) {
    ondemand::field field = take(std::move(item));
    std::string_view key = take(field.unescaped_key());
    read_field(key, field.value(), spans);
  }
  if (out.back() == ',') out.pop_back();
  out += '}';
  spans.raw.length = out.size() - spans.raw.at;
  if (spans.id.length == 0) spans.unfit = "the record has no " + fields_.id;
  if (spans.id.length > kLongestId) spans.unfit = "the record's " + fields_.id + " is too long";
  if (!spans.unfit.empty()) {
    std::string_view raw = std::string_view(out).substr(spans.raw.at);
    answer_.page.rejects.push_back({std::move(spans.unfit), clipped(raw)});
    out.resize(spans.raw.at);
    return;
  }
  spans_.push_back(std::move(spans));
}

void AnswerReader::read_field(std::string_view key, ondemand::value value, RecordSpans &spans) {
  std::string_view token = token_of(value);
  if (is_nested(token) || !is_identifier(key)) return walk(value, 0);
  consume(value, token);
  std::string &out = answer_.page.storage;
  out.append("\"").append(key).append("\":");
  if (token == "\"\"") {
    out.append("null");
  } else if (token.starts_with('"')) {
    Span text = write_string(key, token, spans);
    bool plain = std::string_view(out).substr(text.at, text.length).find('\\') == out.npos;
    if (key == fields_.id && plain) spans.id = text;
  } else {
    if (key == fields_.deleted) spans.deleted = token == "true";
    if (!fits_jsonb(token))
      spans.unfit = "the number of " + std::string(key) + " is beyond what Postgres can hold";
    out.append(token);
  }
  out += ',';
}

// Writes a text, a stamp in its one form; where it stands, without its quotes.
Span AnswerReader::write_string(std::string_view key, std::string_view token, RecordSpans &spans) {
  std::string &out = answer_.page.storage;
  size_t at = out.size() + 1;
  if (fields_.stamps.contains(key)) {
    if (std::optional<int64_t> ms = read_stamp(token.substr(1, token.size() - 2))) {
      out.append("\"").append(write_stamp(*ms)).append("\"");
      Span stamp{at, out.size() - at - 1};
      if (key == fields_.stamp) spans.modified = stamp;
      return stamp;
    }
  }
  if (!append_json_string(out, token, &answer_.page.replaced_characters)) damaged();
  return {at, out.size() - at - 1};
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

void AnswerReader::point_records() {
  std::string_view storage = answer_.page.storage;
  answer_.page.records.reserve(spans_.size());
  for (const RecordSpans &spans : spans_) {
    Record record;
    record.id = storage.substr(spans.id.at, spans.id.length);
    record.modified = storage.substr(spans.modified.at, spans.modified.length);
    record.raw = storage.substr(spans.raw.at, spans.raw.length);
    record.deleted = spans.deleted;
    answer_.page.records.push_back(record);
  }
}

}  // namespace

Error salesforce_malformed(const std::string &detail) {
  return {ErrorClass::kProvider, "the answer of salesforce is not the JSON that was expected",
          detail};
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
