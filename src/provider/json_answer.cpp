// pure: readers of JSON answers; see json_answer.hpp.
#include "provider/json_answer.hpp"

#include "json.hpp"

#include "pure.hpp"

namespace supaglue {

std::string_view token_of(ondemand::value &value) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  std::string_view token = value.raw_json_token();
  while (!token.empty() && is_blank(token.back())) token.remove_suffix(1);
  return token;
}

Error malformed_answer(const std::string &provider, const std::string &detail) {
  return {ErrorClass::kProvider, "the answer of " + provider + " is not the JSON that was expected",
          detail};
}

void JsonAnswer::malformed(const std::string &detail) const {
  throw malformed_answer(provider_, detail);
}

void JsonAnswer::damaged() {
  const char *location = nullptr;
  std::string where;
  if (!document_.current_location().get(location) && location >= body_.data() &&
      location <= body_.data() + body_.size()) {
    where = " near byte " + std::to_string(location - body_.data());
  }
  malformed("It is cut off or damaged" + where + ".");
}

void JsonAnswer::iterate(ondemand::parser &parser) {
  if (parser.iterate(body_).get(document_)) malformed("It is cut off or damaged.");
}

void JsonAnswer::check_end() {
  if (document_.current_location().error() != simdjson::OUT_OF_BOUNDS) damaged();
}

void JsonAnswer::walk(ondemand::value value, int depth) {
  if (depth > kDeepest) malformed("It is nested too deeply.");
  std::string_view token = token_of(value);
  if (token.starts_with('{')) {
    each_field(value, [&](std::string_view, ondemand::value inner) { walk(inner, depth + 1); });
  } else if (token.starts_with('[')) {
    for (auto item : take(value.get_array())) walk(take(std::move(item)), depth + 1);
  } else {
    consume(value, token);
  }
}

// A string that is only looked at would be taken for a key if a colon came after it.
void JsonAnswer::consume(ondemand::value value, std::string_view token) {
  if (token.starts_with('"')) {
    take(value.get_raw_json_string());
  } else if (!is_json_scalar(token)) {
    damaged();
  }
}

// A key without escapes is taken as it stands.
std::string_view JsonAnswer::key_of(ondemand::field &field) {
  const char *raw = field.key().raw();
  size_t length = 0;
  while (raw[length] != '"' && raw[length] != '\\') ++length;
  return raw[length] == '"' ? std::string_view(raw, length) : take(field.unescaped_key());
}

std::string_view JsonAnswer::text_of(JsonbWriter &record, std::string_view token) {
  const std::string_view inside = token.substr(1, token.size() - 2);
  if (inside.find('\\') == inside.npos) return inside;
  std::string text;
  if (!append_unescaped(text, token, &replaced_)) damaged();
  return record.keep(text);
}

void JsonAnswer::add(JsonbWriter &record, std::string_view key, ondemand::value value, int depth) {
  if (depth > kDeepest) malformed("It is nested too deeply.");
  key = record.storable(key, &replaced_);
  const std::string_view token = token_of(value);
  if (token.starts_with('{')) {
    record.begin_object(key);
    each_field(value, [&](std::string_view inner_key, ondemand::value inner) {
      add(record, inner_key, inner, depth + 1);
    });
    return record.end();
  }
  if (token.starts_with('[')) {
    record.begin_array(key);
    for (auto item : take(value.get_array())) add(record, {}, take(std::move(item)), depth + 1);
    return record.end();
  }
  consume(value, token);
  if (token.starts_with('"')) return record.add_string(key, text_of(record, token));
  add_scalar(record, key, token);
}

std::string_view JsonAnswer::since(const char *place) {
  const char *end = nullptr;
  if (document_.current_location().get(end)) end = body_.data() + body_.size();
  return {place, static_cast<size_t>(end - place)};
}

}  // namespace supaglue
