// pure: readers of JSON answers; see json_answer.hpp.
#include "provider/json_answer.hpp"

#include "json.hpp"

#include "pure.hpp"

namespace supaglue {

std::string_view token_of(ondemand::value &value) {
  std::string_view token = value.raw_json_token();
  while (!token.empty() && std::string_view(" \t\r\n").find(token.back()) != token.npos) {
    token.remove_suffix(1);
  }
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

}  // namespace supaglue
