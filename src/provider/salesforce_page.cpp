// pure: reads answers of Salesforce's query API; see salesforce_page.hpp.
#include "provider/salesforce_page.hpp"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "json.hpp"
#include "provider/json_answer.hpp"

#include "pure.hpp"

namespace supaglue {
namespace {

const char kProvider[] = "salesforce";

bool is_nested(std::string_view token) { return token.starts_with('{') || token.starts_with('['); }

bool is_identifier(std::string_view key) {
  return !key.empty() && std::all_of(key.begin(), key.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

class AnswerReader : JsonAnswer {
 public:
  /// Without fields the records are counted only.
  AnswerReader(simdjson::padded_string_view body, const SalesforceFields *fields)
      : JsonAnswer(kProvider, body) {
    if (fields == nullptr) return;
    records_.emplace(*fields);
    records_->page.reserve(body.size() * 5 / 4);
  }

  SalesforceAnswer read(ondemand::parser &parser);

 private:
  void read_key(std::string_view key, ondemand::value value);
  void read_records(ondemand::value value);
  void read_record(ondemand::value value);
  void read_field(std::string_view key, ondemand::value value);

  std::optional<SalesforceRecords> records_;
  SalesforceAnswer answer_;
  bool has_records_ = false;
  bool has_done_ = false;
};

SalesforceAnswer AnswerReader::read(ondemand::parser &parser) {
  iterate(parser);
  ondemand::object object = take(document_.get_object());
  for (auto item : object) {
    ondemand::field field = take(std::move(item));
    std::string_view key = take(field.unescaped_key());
    read_key(key, field.value());
  }
  check_end();
  if (!has_records_) malformed("It has no \"records\".");
  if (!has_done_) malformed("It has no \"done\".");
  if (!answer_.done && answer_.next.empty()) {
    malformed("It says that there is more, but not where.");
  }
  if (records_) answer_.page = records_->page.finish(replaced_);
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
  ondemand::array records = take(value.get_array());
  if (!records_) {
    answer_.records += static_cast<int64_t>(take(records.count_elements()));
    return;
  }
  for (auto item : records) {
    read_record(take(std::move(item)));
    answer_.records++;
  }
}

void AnswerReader::read_record(ondemand::value value) {
  std::string_view token = token_of(value);
  if (!token.starts_with('{')) {
    walk(value, 0);
    records_->page.reject("the record is not an object", token);
    return;
  }
  records_->begin();
  each_field(value, [&](std::string_view key, ondemand::value inner) { read_field(key, inner); });
  records_->end();
}

void AnswerReader::read_field(std::string_view key, ondemand::value value) {
  std::string_view token = token_of(value);
  if (is_nested(token) || !is_identifier(key)) return walk(value, 0);
  consume(value, token);
  if (!token.starts_with('"')) return records_->put_scalar(key, token);
  records_->put_text(key, text_of(records_->page.record, token));
}

}  // namespace

Error salesforce_malformed(const std::string &detail) {
  return malformed_answer(kProvider, detail);
}

// It stands before the records.
std::string salesforce_next_page(std::string_view body) {
  constexpr std::string_view kKey = "\"nextRecordsUrl\":\"";
  constexpr size_t kHead = 1000;
  body = body.substr(0, kHead);
  const size_t at = body.find(kKey);
  if (at == body.npos) return {};
  body.remove_prefix(at + kKey.size());
  const size_t end = body.find_first_of("\"\\");
  return end == body.npos || body[end] != '"' ? std::string() : std::string(body.substr(0, end));
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
  return read_json_answer(body, [&](simdjson::padded_string_view view, ondemand::parser &parser) {
    return AnswerReader(view, &fields).read(parser);
  });
}

SalesforceAnswer skim_salesforce_answer(const std::string &body) {
  return read_json_answer(body, [&](simdjson::padded_string_view view, ondemand::parser &parser) {
    return AnswerReader(view, nullptr).read(parser);
  });
}

}  // namespace supaglue
