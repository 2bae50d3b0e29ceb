// pure: JSON text into jsonb; see jsonb.hpp. "Entry", "offset" and "stride" are the words of
// utils/jsonb.h; the digits of a number are numeric.c's, four decimal ones each.
#include "jsonb.hpp"

#include <simdjson.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "error.hpp"
#include "json.hpp"
#include "pure.hpp"

namespace supaglue {
namespace {

namespace ondemand = simdjson::ondemand;

constexpr uint32_t kArrayFlag = 0x40000000, kObjectFlag = 0x20000000;
constexpr uint32_t kEntryString = 0, kEntryNumber = 0x10000000, kEntryFalse = 0x20000000,
                   kEntryTrue = 0x30000000, kEntryNull = 0x40000000, kEntryContainer = 0x50000000;
constexpr uint32_t kEntryHasOffset = 0x80000000, kEntryType = 0x70000000, kMostBytes = 0x0FFFFFFF;
constexpr size_t kStride = 32;
constexpr size_t kVarlenaHeader = 4;

constexpr int64_t kDigits = 4;  // decimal ones in one of numeric's

[[noreturn]] void refuse(std::string detail) {
  throw Error(ErrorClass::kData, "a record is not what jsonb can hold", std::move(detail));
}

template <typename T>
T need(simdjson::simdjson_result<T> result) {
  T value;
  if (const auto error = std::move(result).get(value); error != simdjson::SUCCESS)
    refuse(std::string("It is not valid JSON: ") + simdjson::error_message(error));
  return value;
}

// simdjson's token goes up to the next one; what stands between that is no blank is part of it, and
// makes it none.
std::string_view trimmed(std::string_view token) {
  while (!token.empty() && std::string_view(" \t\r\n").find(token.back()) != token.npos)
    token.remove_suffix(1);
  return token;
}

void check_text(std::string_view text) {
  if (text.find('\0') != text.npos) refuse("\\u0000 cannot be converted to text.");
  if (text.size() > kMostBytes) refuse("A string is too long.");
}

void put(char *at, uint32_t word) { memcpy(at, &word, sizeof word); }
void put(char *at, uint16_t half) { memcpy(at, &half, sizeof half); }

/// The length word of a varlena of four-byte headers (postgres.h).
uint32_t varlena_header(size_t size) {
  const auto length = static_cast<uint32_t>(size);
  return std::endian::native == std::endian::little ? length << 2 : length & 0x3FFFFFFF;
}

/// A decimal number in parts: its digits without sign and point, and where the point is.
struct Decimal {
  bool negative;
  std::string_view whole, fraction;
  int64_t exponent;

  int64_t count() const { return static_cast<int64_t>(whole.size() + fraction.size()); }
  int digit(int64_t at) const {
    if (at < 0 || at >= count()) return 0;
    const auto i = static_cast<size_t>(at);
    return (i < whole.size() ? whole[i] : fraction[i - whole.size()]) - '0';
  }
};

Decimal decimal_of(std::string_view text) {
  Decimal decimal = {text.front() == '-', {}, {}, 0};
  if (decimal.negative) text.remove_prefix(1);
  if (const size_t mark = text.find_first_of("eE"); mark != text.npos) {
    std::string_view exponent = text.substr(mark + 1);
    if (exponent.front() == '+') exponent.remove_prefix(1);
    // fits_jsonb() has seen that it is small.
    std::from_chars(exponent.data(), exponent.data() + exponent.size(), decimal.exponent);
    text = text.substr(0, mark);
  }
  const size_t point = std::min(text.find('.'), text.size());
  decimal.whole = text.substr(0, point);
  if (point < text.size()) decimal.fraction = text.substr(point + 1);
  return decimal;
}

}  // namespace

class JsonbWriter::State {
 public:
  size_t read(std::string_view json);
  size_t write(char *out);

 private:
  enum class Kind : uint8_t { kString, kNumber, kFalse, kTrue, kNull, kArray, kObject };
  /// A value: what is below a container follows it, up to `end`.
  struct Node {
    Kind kind;
    uint32_t end;
    std::string_view text;  // of strings without their quotes and escapes; of numbers as they are
    std::string_view key;
  };
  /// The keys of the last object at a depth, and the order in which jsonb keeps them: records of
  /// one page have the same.
  struct Shape {
    std::string keys;
    std::vector<uint32_t> lengths;
    std::vector<uint32_t> order;  // of the pairs that stay, by their places in the text
  };

  void read_value(ondemand::value &value, std::string_view key);
  void read_array(ondemand::array array);
  void read_object(ondemand::object object);
  void add(Kind kind, std::string_view text, std::string_view key);

  uint32_t write_value(uint32_t at, size_t depth);
  uint32_t write_number(std::string_view text);
  uint32_t write_container(uint32_t at, size_t depth);
  const std::vector<uint32_t> &order_of(const uint32_t *pairs, size_t count, size_t depth);
  bool has_shape(const Shape &shape, const uint32_t *pairs, size_t count) const;
  void align();

  ondemand::parser parser_;
  std::string text_;  // with the padding that simdjson wants
  std::vector<Node> nodes_;
  size_t bound_ = 0;
  std::vector<uint32_t> children_;  // a stack: of the containers that are being written
  std::vector<Shape> shapes_;       // by depth
  char *start_ = nullptr;
  char *out_ = nullptr;
};

JsonbWriter::JsonbWriter() : state_(std::make_unique<State>()) {}
JsonbWriter::~JsonbWriter() = default;
size_t JsonbWriter::read(std::string_view json) { return state_->read(json); }
size_t JsonbWriter::write(char *out) { return state_->write(out); }

// --- Reading
// --------------------------------------------------------------------------------------

size_t JsonbWriter::State::read(std::string_view json) {
  nodes_.clear();
  bound_ = kVarlenaHeader;
  text_.reserve(json.size() + simdjson::SIMDJSON_PADDING);
  text_.assign(json);
  ondemand::document document =
      need(parser_.iterate(text_.data(), text_.size(), text_.size() + simdjson::SIMDJSON_PADDING));
  switch (need(document.type())) {
    case ondemand::json_type::object:
      add(Kind::kObject, {}, {});
      read_object(need(document.get_object()));
      break;
    case ondemand::json_type::array:
      add(Kind::kArray, {}, {});
      read_array(need(document.get_array()));
      break;
    default:
      refuse("It is neither an object nor an array.");
  }
  if (document.current_location().error() != simdjson::OUT_OF_BOUNDS)
    refuse("Something follows the JSON value.");
  return bound_;
}

void JsonbWriter::State::add(Kind kind, std::string_view text, std::string_view key) {
  nodes_.push_back({kind, static_cast<uint32_t>(nodes_.size() + 1), text, key});
  // Two entries, the texts, and what aligns a number or a container and what stands before it.
  bound_ += 2 * sizeof(uint32_t) + text.size() + key.size() + 20;
}

void JsonbWriter::State::read_array(ondemand::array array) {
  const size_t at = nodes_.size() - 1;
  for (auto element : array) {
    ondemand::value value = need(std::move(element));
    read_value(value, {});
  }
  nodes_[at].end = static_cast<uint32_t>(nodes_.size());
}

void JsonbWriter::State::read_object(ondemand::object object) {
  const size_t at = nodes_.size() - 1;
  for (auto pair : object) {
    ondemand::field field = need(std::move(pair));
    // A key without escapes is taken as it stands.
    const char *raw = field.key().raw();
    const size_t length = strcspn(raw, "\"\\");
    const std::string_view key =
        raw[length] == '"' ? std::string_view(raw, length) : need(field.unescaped_key());
    check_text(key);
    read_value(field.value(), key);
  }
  nodes_[at].end = static_cast<uint32_t>(nodes_.size());
}

void JsonbWriter::State::read_value(ondemand::value &value, std::string_view key) {
  switch (need(value.type())) {
    case ondemand::json_type::object:
      add(Kind::kObject, {}, key);
      return read_object(need(value.get_object()));
    case ondemand::json_type::array:
      add(Kind::kArray, {}, key);
      return read_array(need(value.get_array()));
    case ondemand::json_type::string: {
      const std::string_view token = trimmed(value.raw_json_token());
      const bool plain = token.find('\\') == token.npos;
      // Even then it is taken: one that was only looked at would pass for a key before a colon.
      if (plain) need(value.get_raw_json_string());
      const std::string_view text =
          plain ? token.substr(1, token.size() - 2) : need(value.get_string());
      if (!plain) check_text(text);
      add(Kind::kString, text, key);
      return;
    }
    case ondemand::json_type::number: {
      const std::string_view token = trimmed(value.raw_json_token());
      if (!is_json_scalar(token)) refuse("A number is not one.");
      if (!fits_jsonb(token)) refuse("A number is beyond what numeric can hold.");
      add(Kind::kNumber, token, key);
      return;
    }
    case ondemand::json_type::boolean:
      add(need(value.get_bool()) ? Kind::kTrue : Kind::kFalse, {}, key);
      return;
    case ondemand::json_type::null:
      if (trimmed(value.raw_json_token()) != "null") refuse("A word is not null.");
      add(Kind::kNull, {}, key);
      return;
  }
}

// --- Writing
// --------------------------------------------------------------------------------------

size_t JsonbWriter::State::write(char *out) {
  start_ = out;
  out_ = out + kVarlenaHeader;
  children_.clear();
  write_container(0, 0);
  const auto size = static_cast<size_t>(out_ - start_);
  put(start_, varlena_header(size));
  return size;
}

/// Padding counts as a part of what it precedes, and is zero.
void JsonbWriter::State::align() {
  while ((out_ - start_) % 4 != 0) *out_++ = 0;
}

/// Writes a value and returns its entry, with its length.
uint32_t JsonbWriter::State::write_value(uint32_t at, size_t depth) {
  const Node &node = nodes_[at];
  switch (node.kind) {
    case Kind::kString:
      memcpy(out_, node.text.data(), node.text.size());
      out_ += node.text.size();
      return kEntryString | static_cast<uint32_t>(node.text.size());
    case Kind::kNumber:
      return kEntryNumber | write_number(node.text);
    case Kind::kFalse:
      return kEntryFalse;
    case Kind::kTrue:
      return kEntryTrue;
    case Kind::kNull:
      return kEntryNull;
    case Kind::kArray:
    case Kind::kObject:
      return kEntryContainer | write_container(at, depth);
  }
  return kEntryNull;
}

uint32_t JsonbWriter::State::write_number(std::string_view text) {
  const char *begin = out_;
  align();
  char *header = out_;
  const Decimal decimal = decimal_of(text);
  // As set_var_from_str() does it: groups of four are counted from the point.
  const int64_t before_point = static_cast<int64_t>(decimal.whole.size()) + decimal.exponent;
  int64_t weight = before_point > 0 ? (before_point + kDigits - 1) / kDigits - 1
                                    : -((-before_point) / kDigits + 1);
  const int64_t offset = (weight + 1) * kDigits - before_point;
  int64_t groups = (decimal.count() + offset + kDigits - 1) / kDigits;
  int64_t first = 0;
  const auto group = [&](int64_t number) {
    int value = 0;
    for (int64_t i = 0; i < kDigits; ++i)
      value = value * 10 + decimal.digit(number * kDigits - offset + i);
    return static_cast<uint16_t>(value);
  };
  while (groups > first && group(first) == 0) ++first, --weight;
  while (groups > first && group(groups - 1) == 0) --groups;
  const bool zero = groups == first;
  if (zero) weight = 0;
  const bool negative = decimal.negative && !zero;
  const int64_t scale =
      std::max<int64_t>(static_cast<int64_t>(decimal.fraction.size()) - decimal.exponent, 0);
  out_ += 4;  // the varlena header
  if (scale <= 63 && weight >= -64 && weight <= 63) {
    put(out_, static_cast<uint16_t>(0x8000 | (negative ? 0x2000 : 0) | (scale << 7) |
                                    (weight < 0 ? 0x40 : 0) | (weight & 0x3F)));
    out_ += 2;
  } else {
    put(out_, static_cast<uint16_t>((negative ? 0x4000 : 0) | scale));
    put(out_ + 2, static_cast<uint16_t>(weight));
    out_ += 4;
  }
  for (int64_t number = first; number < groups; ++number, out_ += 2) put(out_, group(number));
  put(header, varlena_header(static_cast<size_t>(out_ - header)));
  return static_cast<uint32_t>(out_ - begin);
}

bool JsonbWriter::State::has_shape(const Shape &shape, const uint32_t *pairs, size_t count) const {
  if (shape.lengths.size() != count) return false;
  const char *known = shape.keys.data();
  for (size_t i = 0; i < count; ++i) {
    const std::string_view key = nodes_[pairs[i]].key;
    if (key.size() != shape.lengths[i] || memcmp(key.data(), known, key.size()) != 0) return false;
    known += key.size();
  }
  return true;
}

/// The places of an object's pairs in the order of their keys, shorter ones first; of one key the
/// last pair counts.
const std::vector<uint32_t> &JsonbWriter::State::order_of(const uint32_t *pairs, size_t count,
                                                          size_t depth) {
  if (shapes_.size() <= depth) shapes_.resize(depth + 1);
  Shape &shape = shapes_[depth];
  if (has_shape(shape, pairs, count)) return shape.order;
  shape.keys.clear();
  shape.lengths.clear();
  for (size_t i = 0; i < count; ++i) {
    const std::string_view key = nodes_[pairs[i]].key;
    shape.keys.append(key);
    shape.lengths.push_back(static_cast<uint32_t>(key.size()));
  }
  shape.order.resize(count);
  std::iota(shape.order.begin(), shape.order.end(), 0);
  const auto key_at = [&](uint32_t place) { return nodes_[pairs[place]].key; };
  std::sort(shape.order.begin(), shape.order.end(), [&](uint32_t a, uint32_t b) {
    const std::string_view x = key_at(a), y = key_at(b);
    if (x.size() != y.size()) return x.size() < y.size();
    const int order = memcmp(x.data(), y.data(), x.size());
    return order != 0 ? order < 0 : a > b;
  });
  const auto same_key = [&](uint32_t a, uint32_t b) { return key_at(a) == key_at(b); };
  shape.order.erase(std::unique(shape.order.begin(), shape.order.end(), same_key),
                    shape.order.end());
  return shape.order;
}

uint32_t JsonbWriter::State::write_container(uint32_t at, size_t depth) {
  const char *begin = out_;
  align();
  const bool is_object = nodes_[at].kind == Kind::kObject;
  const size_t base = children_.size();
  for (uint32_t child = at + 1; child < nodes_[at].end; child = nodes_[child].end)
    children_.push_back(child);
  size_t count = children_.size() - base;
  if (is_object) {
    const auto &order = order_of(children_.data() + base, count, depth);
    // Behind the pairs as they came, the pairs as they are kept.
    for (const uint32_t place : order) children_.push_back(children_[base + place]);
    count = order.size();
  }
  const size_t first = children_.size() - count;
  put(out_, (is_object ? kObjectFlag : kArrayFlag) | static_cast<uint32_t>(count));
  char *entry = out_ + sizeof(uint32_t);
  out_ = entry + sizeof(uint32_t) * count * (is_object ? 2 : 1);
  uint64_t total = 0;
  size_t number = 0;
  const auto enter = [&](uint32_t word) {
    total += word & kMostBytes;
    if (total > kMostBytes) refuse("It is too large.");
    // Every so often an entry tells where it ends instead of how long it is.
    if (number++ % kStride == 0)
      word = (word & kEntryType) | static_cast<uint32_t>(total) | kEntryHasOffset;
    put(entry, word);
    entry += sizeof word;
  };
  for (size_t i = 0; is_object && i < count; ++i) {
    const std::string_view key = nodes_[children_[first + i]].key;
    memcpy(out_, key.data(), key.size());
    out_ += key.size();
    enter(kEntryString | static_cast<uint32_t>(key.size()));
  }
  for (size_t i = 0; i < count; ++i) enter(write_value(children_[first + i], depth + 1));
  children_.resize(base);
  return static_cast<uint32_t>(out_ - begin);
}

}  // namespace supaglue
