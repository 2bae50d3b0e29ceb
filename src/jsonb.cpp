// pure: JSON values and jsonb; see jsonb.hpp. "Entry", "offset" and "stride" are the words of
// utils/jsonb.h; the digits of a number are numeric.c's, four decimal ones each.
#include "jsonb.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <numeric>

#include "error.hpp"
#include "json.hpp"
#include "pure.hpp"

namespace supaglue {
namespace {

constexpr uint32_t kArrayFlag = 0x40000000, kObjectFlag = 0x20000000;
constexpr uint32_t kEntryString = 0, kEntryNumber = 0x10000000, kEntryFalse = 0x20000000,
                   kEntryTrue = 0x30000000, kEntryNull = 0x40000000, kEntryContainer = 0x50000000;
constexpr uint32_t kEntryHasOffset = 0x80000000, kEntryType = 0x70000000, kMostBytes = 0x0FFFFFFF;
constexpr size_t kStride = 32;
constexpr size_t kVarlenaHeader = 4;
constexpr size_t kKeptBlock = 16 << 10;
constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

constexpr int64_t kDigits = 4;  // decimal ones in one of numeric's

[[noreturn]] void refuse(std::string detail) {
  throw Error(ErrorClass::kData, "a record is not what jsonb can hold", std::move(detail));
}

void check_length(std::string_view text) {
  if (text.size() > kMostBytes) refuse("A text is too long.");
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

// --- Taking
// --------------------------------------------------------------------------------------

void JsonbWriter::clear() {
  nodes_.clear();
  open_.clear();
  bound_ = kVarlenaHeader;
  kept_.large.clear();
  kept_.used = 0;
  if (kept_.blocks.size() > 1) kept_.blocks.resize(1);
}

void JsonbWriter::begin(Kind kind, std::string_view key) {
  open_.push_back(static_cast<uint32_t>(nodes_.size()));
  add(kind, key, {});
}

void JsonbWriter::end() {
  nodes_[open_.back()].end = static_cast<uint32_t>(nodes_.size());
  open_.pop_back();
}

void JsonbWriter::begin_object(std::string_view key) { begin(Kind::kObject, key); }
void JsonbWriter::begin_array(std::string_view key) { begin(Kind::kArray, key); }

std::string_view JsonbWriter::keep(std::string_view text) {
  if (text.size() > kKeptBlock / 4) return kept_.large.emplace_back(text);
  if (kept_.blocks.empty() || kept_.used + text.size() > kKeptBlock) {
    kept_.blocks.push_back(std::make_unique<char[]>(kKeptBlock));
    kept_.used = 0;
  }
  char *copy = kept_.blocks.back().get() + kept_.used;
  memcpy(copy, text.data(), text.size());
  kept_.used += text.size();
  return {copy, text.size()};
}

std::string_view JsonbWriter::storable(std::string_view text, int64_t *replaced) {
  if (text.find('\0') == text.npos) return text;
  std::string without;
  for (const char c : text) {
    if (c != '\0')
      without += c;
    else
      without += kReplacement, ++*replaced;
  }
  return keep(without);
}

void add_scalar(JsonbWriter &record, std::string_view key, std::string_view token) {
  if (token == "null") return record.add_null(key);
  if (token == "true" || token == "false") return record.add_boolean(key, token == "true");
  fits_jsonb(token) ? record.add_number(key, token) : record.add_string(key, token);
}

// --- Writing
// --------------------------------------------------------------------------------------

void JsonbWriter::write(std::string *out) {
  const size_t at = out->size();
  out->resize(at + bound_);
  start_ = out->data() + at;
  out_ = start_ + kVarlenaHeader;
  children_.clear();
  write_container(0, 0);
  const auto size = static_cast<size_t>(out_ - start_);
  put(start_, varlena_header(size));
  out->resize(at + size);
}

/// Padding counts as a part of what it precedes, and is zero.
void JsonbWriter::align() {
  while ((out_ - start_) % 4 != 0) *out_++ = 0;
}

/// Writes a value and returns its entry, with its length.
uint32_t JsonbWriter::write_value(uint32_t at, size_t depth) {
  const Node &node = nodes_[at];
  switch (node.kind) {
    case Kind::kString:
      check_length(node.text);
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

uint32_t JsonbWriter::write_number(std::string_view text) {
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

bool JsonbWriter::has_shape(const Shape &shape, const uint32_t *pairs, size_t count) const {
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
const std::vector<uint32_t> &JsonbWriter::order_of(const uint32_t *pairs, size_t count,
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

uint32_t JsonbWriter::write_container(uint32_t at, size_t depth) {
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
    check_length(key);
    memcpy(out_, key.data(), key.size());
    out_ += key.size();
    enter(kEntryString | static_cast<uint32_t>(key.size()));
  }
  for (size_t i = 0; i < count; ++i) enter(write_value(children_[first + i], depth + 1));
  children_.resize(base);
  return static_cast<uint32_t>(out_ - begin);
}

// --- Reading
// --------------------------------------------------------------------------------------

namespace {

uint32_t word_at(const char *at) {
  uint32_t word;
  memcpy(&word, at, sizeof word);
  return word;
}
uint16_t half_at(const char *at) {
  uint16_t half;
  memcpy(&half, at, sizeof half);
  return half;
}

void append_quoted(std::string &out, std::string_view text) {
  static const char digits[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\')
      out += {'\\', c};
    else if (static_cast<unsigned char>(c) < 0x20)
      out += {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
    else
      out += c;
  }
  out += '"';
}

/// A number without its varlena header.
void append_number(std::string &out, std::string_view bytes) {
  const uint16_t header = half_at(bytes.data());
  const bool is_short = (header & 0x8000) != 0;
  const bool negative = is_short ? (header & 0x2000) != 0 : (header & 0x4000) != 0;
  const int64_t scale = is_short ? (header & 0x1F80) >> 7 : header & 0x3FFF;
  const int64_t weight = is_short ? (header & 0x3F) - ((header & 0x40) != 0 ? 64 : 0)
                                  : static_cast<int16_t>(half_at(bytes.data() + 2));
  bytes.remove_prefix(is_short ? 2 : 4);
  const auto count = static_cast<int64_t>(bytes.size() / 2);
  // Groups of four digits are counted from the first one, which stands `weight` before the point.
  const auto group_at = [&](int64_t number) {
    const int value = number < 0 || number >= count ? 0 : half_at(bytes.data() + number * 2);
    const std::string text = std::to_string(value);
    return std::string(kDigits - text.size(), '0') + text;
  };
  std::string whole, fraction;
  for (int64_t number = 0; number <= weight; ++number) whole += group_at(number);
  for (int64_t number = weight + 1; static_cast<int64_t>(fraction.size()) < scale; ++number)
    fraction += group_at(number);
  whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size()));
  if (negative) out += '-';
  out += whole.empty() ? "0" : whole;
  if (scale > 0) out.append(".").append(fraction, 0, static_cast<size_t>(scale));
}

class JsonbText {
 public:
  explicit JsonbText(std::string_view bytes) : bytes_(bytes) {}
  std::string read() {
    container(kVarlenaHeader);
    return std::move(out_);
  }

 private:
  void container(size_t at);
  void value(uint32_t type, size_t from, size_t to);

  std::string_view bytes_;
  std::string out_;
};

void JsonbText::value(uint32_t type, size_t from, size_t to) {
  const size_t aligned = (from + 3) / 4 * 4;
  if (type == kEntryString) append_quoted(out_, bytes_.substr(from, to - from));
  if (type == kEntryNumber)
    append_number(out_, bytes_.substr(aligned + kVarlenaHeader, to - aligned - kVarlenaHeader));
  if (type == kEntryContainer) container(aligned);
  if (type == kEntryFalse) out_ += "false";
  if (type == kEntryTrue) out_ += "true";
  if (type == kEntryNull) out_ += "null";
}

void JsonbText::container(size_t at) {
  const uint32_t header = word_at(bytes_.data() + at);
  const bool is_object = (header & kObjectFlag) != 0;
  const size_t count = header & kMostBytes, entries = is_object ? count * 2 : count;
  const char *const entry = bytes_.data() + at + sizeof header;
  const size_t base = at + sizeof header + entries * sizeof(uint32_t);
  std::vector<size_t> ends;
  for (size_t i = 0; i < entries; ++i) {
    const uint32_t word = word_at(entry + i * sizeof word);
    const size_t told = word & kMostBytes;
    ends.push_back((word & kEntryHasOffset) != 0 ? base + told : (i ? ends[i - 1] : base) + told);
  }
  const auto begin_of = [&](size_t i) { return i == 0 ? base : ends[i - 1]; };
  out_ += is_object ? '{' : '[';
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) out_ += ',';
    const size_t number = is_object ? count + i : i;
    if (is_object) {
      append_quoted(out_, bytes_.substr(begin_of(i), ends[i] - begin_of(i)));
      out_ += ':';
    }
    value(word_at(entry + number * sizeof(uint32_t)) & kEntryType, begin_of(number), ends[number]);
  }
  out_ += is_object ? '}' : ']';
}

}  // namespace

std::string jsonb_text(std::string_view jsonb) { return JsonbText(jsonb).read(); }

}  // namespace supaglue
