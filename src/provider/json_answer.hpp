// pure: what readers of a provider's JSON answers share: simdjson's on-demand values, each step
// checked, so that an answer that is cut off or damaged anywhere is never taken for a whole one. It
// knows the shape of no answer.
#pragma once

#include <simdjson.h>

#include <string>
#include <string_view>
#include <utility>

#include "error.hpp"
#include "http.hpp"
#include "jsonb.hpp"

#include "pure.hpp"

namespace supaglue {

namespace ondemand = simdjson::ondemand;

/// A value's text up to the next token: a scalar whole, of an object or array its first character.
std::string_view token_of(ondemand::value &value);
/// "the answer of salesforce is not the JSON that was expected"
Error malformed_answer(const std::string &provider, const std::string &detail);

class JsonAnswer {
 public:
  JsonAnswer(std::string provider, simdjson::padded_string_view body)
      : body_(body), provider_(std::move(provider)) {}

 protected:
  static constexpr int kDeepest = 64;

  void iterate(ondemand::parser &parser);
  /// Throws unless the whole answer was visited.
  void check_end();
  [[noreturn]] void damaged();
  [[noreturn]] void malformed(const std::string &detail) const;

  template <typename T>
  T take(simdjson::simdjson_result<T> result) {
    T value;
    if (std::move(result).get(value)) damaged();
    return value;
  }
  template <typename Read>
  void each_field(ondemand::value value, const Read &read) {
    for (auto item : take(value.get_object())) {
      ondemand::field field = take(std::move(item));
      const std::string_view key = key_of(field);
      read(key, field.value());
    }
  }
  std::string_view key_of(ondemand::field &field);
  /// On-Demand checks only what is visited: what is not kept is visited here.
  void walk(ondemand::value value, int depth);
  void consume(ondemand::value value, std::string_view token);
  /// Adds a value to a record. What Postgres cannot hold of it is made such as it can: a NUL and a
  /// lone surrogate become U+FFFD, a number beyond numeric a text.
  void add(JsonbWriter &record, std::string_view key, ondemand::value value, int depth = 0);
  /// What a string says, as long as the record is being written.
  std::string_view text_of(JsonbWriter &record, std::string_view token);
  /// What has been read of the answer since a place in it.
  std::string_view since(const char *place);

  simdjson::padded_string_view body_;
  std::string provider_;
  ondemand::document document_;
  int64_t replaced_ = 0;  // characters that no text can hold
};

/// Calls read(view, parser) with an answer's body as simdjson wants it.
template <typename Read>
auto read_json_answer(const std::string &body, const Read &read) {
  static_assert(Response::kPadding >= simdjson::SIMDJSON_PADDING);
  constexpr size_t kKeptParser = 4 << 20;
  simdjson::padded_string copy;
  simdjson::padded_string_view view(body.data(), body.size(), body.capacity());
  if (body.capacity() - body.size() < simdjson::SIMDJSON_PADDING) {
    copy = simdjson::padded_string(body);
    view = copy;
  }
  // A parser keeps what the largest answer needed: one is kept for usual answers.
  thread_local ondemand::parser kept;
  if (body.size() <= kKeptParser) return read(view, kept);
  ondemand::parser large;
  return read(view, large);
}

}  // namespace supaglue
