// fuzz: JSON into jsonb and back: what Postgres can hold is taken, and the bytes are jsonb's: a
// reader of our own finds in them the values that nlohmann finds in the text. What it cannot hold
// is made fit.
#include "jsonb.hpp"
#include "jsonb_of.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "fuzz.hpp"
#include "json.hpp"

#include "pure.hpp"

using namespace supaglue;

namespace {

constexpr size_t kDeepest = 60;  // values of answers go to 64

// --- What the text says: each value in words of one form, members in jsonb's order --------------

// A number by its sign, its digits without zeros around them, the place of the first one and the
// scale, as numeric has it.
std::string number_words(bool negative, std::string digits, int64_t point, int64_t scale) {
  const size_t first = std::min(digits.find_first_not_of('0'), digits.size());
  digits.erase(0, first);
  digits.resize(digits.find_last_not_of('0') + 1);
  if (digits.empty()) return "0 scale " + std::to_string(scale);
  return (negative ? "-" : "") + digits + " at " +
         std::to_string(point - static_cast<int64_t>(first)) + " scale " + std::to_string(scale);
}

std::string number_of(std::string text) {
  const bool negative = text.starts_with('-');
  if (negative) text.erase(0, 1);
  int64_t exponent = 0;
  if (const size_t mark = text.find_first_of("eE"); mark != text.npos) {
    std::string written = text.substr(mark + 1);
    const bool small = written.starts_with('-');
    written.erase(0, std::min(written.find_first_of("123456789"), written.size()));
    // Nothing that is taken has so long a one.
    exponent = written.empty() || written.size() > 9 ? 0 : std::stoll(written) * (small ? -1 : 1);
    text.resize(mark);
  }
  const size_t point = std::min(text.find('.'), text.size());
  const int64_t fraction = point == text.size() ? 0 : static_cast<int64_t>(text.size() - point - 1);
  if (point < text.size()) text.erase(point, 1);
  return number_words(negative, text, static_cast<int64_t>(point) + exponent,
                      std::max<int64_t>(0, fraction - exponent));
}

struct Longer {  // jsonb's order of keys
  bool operator()(const std::string &a, const std::string &b) const {
    return a.size() != b.size() ? a.size() < b.size() : a < b;
  }
};

struct Value {
  std::string words;
  std::vector<Value> items;
  std::map<std::string, Value, Longer> members;
};

class Reader : public Json::json_sax_t {
 public:
  Value root;
  size_t deepest = 0;
  bool is_scalar = false;
  bool too_large = false;  // a number, for a double: nlohmann reads no further

  bool null() override { return add("null"); }
  bool boolean(bool value) override { return add(value ? "true" : "false"); }
  bool number_integer(number_integer_t value) override {
    return add(number_of(std::to_string(value)));
  }
  bool number_unsigned(number_unsigned_t value) override {
    return add(number_of(std::to_string(value)));
  }
  bool number_float(number_float_t, const string_t &text) override { return add(number_of(text)); }
  bool string(string_t &text) override { return add('"' + text); }
  bool binary(binary_t &) override { return false; }
  bool start_object(size_t) override { return begin("{"); }
  bool key(string_t &text) override {
    key_ = text;
    return true;
  }
  bool end_object() override { return end(); }
  bool start_array(size_t) override { return begin("["); }
  bool end_array() override { return end(); }
  bool parse_error(size_t, const std::string &,
                   const nlohmann::detail::exception &complaint) override {
    too_large = complaint.id == 406;
    return false;
  }

 private:
  Value *place() {
    if (open_.empty()) return &root;
    Value *parent = open_.back();
    if (parent->words == "[") return &parent->items.emplace_back();
    return &(parent->members[key_] = Value());  // the last of a key stays
  }
  bool add(std::string words) {
    if (open_.empty()) is_scalar = true;
    place()->words = std::move(words);
    return true;
  }
  bool begin(const char *words) {
    Value *value = place();
    value->words = words;
    open_.push_back(value);
    deepest = std::max(deepest, open_.size());
    return true;
  }
  bool end() {
    open_.pop_back();
    return true;
  }

  std::vector<Value *> open_;
  std::string key_;
};

// --- What the bytes say: utils/jsonb.h and utils/numeric.c ---------------------------------------

class Walker {
 public:
  Walker(std::string_view bytes, const std::string &json) : bytes_(bytes), json_(json) {}

  void require(bool holds, const char *promise) { fuzz::expect(holds, promise, json_); }
  uint32_t word(size_t at) {
    require(at + 4 <= bytes_.size(), "jsonb is whole");
    uint32_t value;
    std::memcpy(&value, bytes_.data() + at, 4);
    return value;
  }
  uint16_t half(size_t at) {
    require(at + 2 <= bytes_.size(), "jsonb is whole");
    uint16_t value;
    std::memcpy(&value, bytes_.data() + at, 2);
    return value;
  }

  std::string number(size_t at, size_t size) {
    require(at % 4 == 0 && size >= 6 && word(at) == size << 2, "a number is a varlena");
    const uint16_t header = half(at + 4);
    require((header & 0xc000) != 0xc000, "a number is finite");
    const bool is_short = (header & 0x8000) != 0;
    const bool negative = is_short ? (header & 0x2000) != 0 : (header & 0xc000) == 0x4000;
    const int64_t scale = is_short ? (header & 0x1f80) >> 7 : header & 0x3fff;
    int64_t weight = (header & 0x3f) - ((header & 0x40) != 0 ? 64 : 0);
    if (!is_short) weight = static_cast<int16_t>(half(at + 6));
    std::string digits;
    for (size_t i = at + (is_short ? 6 : 8); i < at + size; i += 2) {
      const uint16_t digit = half(i);
      require(digit < 10'000, "a digit is one");
      const std::string text = std::to_string(digit);
      digits += std::string(4 - text.size(), '0') + text;
    }
    return number_words(negative, digits, (weight + 1) * 4, scale);
  }

  // A value at its aligned place.
  void value(uint32_t type, size_t at, size_t size, const Value &said) {
    const std::string bytes(bytes_.substr(at, size));
    if (type == 0x00000000) return require('"' + bytes == said.words, "a text is the same");
    if (type == 0x20000000) return require(said.words == "false" && size == 0, "false is");
    if (type == 0x30000000) return require(said.words == "true" && size == 0, "true is");
    if (type == 0x40000000) return require(said.words == "null" && size == 0, "null is");
    if (type == 0x10000000) return require(number(at, size) == said.words, "a number is the same");
    require(type == 0x50000000, "a type is one");
    container(at, size, said);
  }

  void container(size_t at, size_t size, const Value &said) {
    const uint32_t header = word(at);
    const size_t count = header & 0x0fffffff;
    const bool is_object = (header & 0xf0000000) == 0x20000000;
    require(is_object || (header & 0xf0000000) == 0x40000000, "a container is one");
    require(said.words == (is_object ? "{" : "["), "a container is the same");
    require(count == (is_object ? said.members.size() : said.items.size()), "none is lost");
    const size_t entries = is_object ? 2 * count : count, base = at + 4 + 4 * entries;
    auto member = said.members.begin();
    size_t from = 0;
    for (size_t i = 0; i < entries; ++i) {
      const uint32_t entry = word(at + 4 + 4 * i);
      const size_t told = entry & 0x0fffffff;
      require(((entry & 0x80000000) != 0) == (i % 32 == 0), "every 32nd tells its end");
      const size_t to = i % 32 == 0 ? told : from + told;
      require(to >= from && base + to <= at + size, "a value is inside of its container");
      const uint32_t type = entry & 0x70000000;
      const bool aligned = type == 0x10000000 || type == 0x50000000;
      const size_t begin = aligned ? (base + from + 3) / 4 * 4 : base + from;
      require(begin <= base + to, "a value is inside of its container");
      if (is_object && i == count) member = said.members.begin();
      if (is_object && i < count)
        require(type == 0 && bytes_.substr(begin, base + to - begin) == member++->first,
                "a key is the same");
      else
        value(type, begin, base + to - begin, is_object ? member++->second : said.items[i]);
      from = to;
    }
    require(base + from == at + size, "nothing is left over");
  }

 private:
  std::string_view bytes_;
  const std::string &json_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::string json(reinterpret_cast<const char *>(data), size);
  Reader reader;
  const bool is_json = Json::sax_parse(json, &reader);
  if (is_json && reader.deepest > kDeepest) return 0;
  std::string bytes;
  const bool taken = fuzz::succeeds([&] { bytes = jsonb_of(json); });
  // What Postgres cannot hold is made fit, and is not what the text says.
  const bool storable = fuzz::is_json(json, {.storable = true, .member = {}});
  if (taken) {
    const std::string text = jsonb_text(bytes);
    fuzz::expect(fuzz::is_json(text, {.storable = true, .member = {}}), "its text is JSON", text);
    fuzz::expect(jsonb_of(text) == bytes, "its text is the same value", text);
  }
  if (reader.too_large) return 0;
  if (storable && is_json && !reader.is_scalar) fuzz::expect(taken, "what is JSON is taken", json);
  if (is_json && reader.is_scalar) fuzz::expect(!taken, "a scalar is refused", json);
  if (!is_json || !storable || !taken) return 0;
  Walker walker(bytes, json);
  walker.require(walker.word(0) == bytes.size() << 2, "a value is a varlena");
  walker.container(4, bytes.size() - 4, reader.root);
  return 0;
}
