// pure: JSON text as jsonb; see jsonb_of.hpp.
#include "jsonb_of.hpp"

#include "jsonb.hpp"
#include "provider/json_answer.hpp"

#include "pure.hpp"

namespace supaglue {

namespace {

class Text : JsonAnswer {
 public:
  explicit Text(simdjson::padded_string_view text) : JsonAnswer("a test", text) {}
  void write(ondemand::parser &parser, JsonbWriter &writer, std::string *bytes) {
    iterate(parser);
    writer.clear();
    add(writer, {}, take(document_.get_value()));
    check_end();
    writer.write(bytes);
  }
};

}  // namespace

std::string jsonb_of(std::string_view json) {
  static ondemand::parser parser;
  static JsonbWriter writer;
  const simdjson::padded_string text(json);
  std::string bytes;
  Text(text).write(parser, writer, &bytes);
  return bytes;
}

}  // namespace supaglue
