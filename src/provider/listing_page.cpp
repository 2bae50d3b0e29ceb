// pure: reads answers of lists; see listing_page.hpp.
#include "provider/listing_page.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "encoding.hpp"
#include "json.hpp"
#include "provider/json_answer.hpp"
#include "stamp.hpp"

#include "pure.hpp"

namespace supaglue {
namespace {

constexpr size_t kLongestReject = 2000;  // bytes
constexpr size_t kLongestId = 255;       // it is part of a key
constexpr size_t kDateLength = 10;       // of a stamp

bool contains(const std::vector<std::string> &list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

/// Whether it stands in JSON as it is.
bool is_plain(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](unsigned char c) { return c < ' ' || c == '"' || c == '\\'; });
}

bool is_number(std::string_view text) {
  return !text.empty() && (text[0] == '-' || (text[0] >= '0' && text[0] <= '9')) &&
         is_json_scalar(text) && fits_jsonb(text);
}

/// The moment that milliseconds since 1970, written as a whole number, name.
std::optional<int64_t> epoch_ms(std::string_view text) {
  constexpr int64_t kYear1 = -62'135'596'800'000, kYear10000 = 253'402'300'800'000;
  int64_t ms = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), ms);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return ms >= kYear1 && ms < kYear10000 ? std::optional(ms) : std::nullopt;
}

/// A value that came as text, as JSON of its type; nothing when it is none of that type.
std::string typed(std::string_view text, ListedType type) {
  if (type == ListedType::kNumber && is_number(text)) return std::string(text);
  if (type == ListedType::kBoolean && (text == "true" || text == "false")) return std::string(text);
  if (type != ListedType::kDate && type != ListedType::kTime) return {};
  std::optional<int64_t> ms = epoch_ms(text);
  if (!ms && type == ListedType::kTime) ms = read_stamp(text);
  if (!ms) return {};
  std::string stamp = write_stamp(*ms);
  if (type == ListedType::kDate) stamp.resize(kDateLength);
  return '"' + stamp + '"';
}

// Views cannot be taken while the storage still grows.
struct Span {
  size_t at = 0;
  size_t length = 0;
};
struct RecordSpans {
  Span raw, id;
  std::string modified;
  Span stamp;  // of `modified`, in the raw record
  bool deleted = false;
  std::string unfit;  // why the record cannot be kept
};

class AnswerReader : JsonAnswer {
 public:
  AnswerReader(simdjson::padded_string_view body, const ListingShape &shape)
      : JsonAnswer(shape.provider, body), shape_(shape), listing_(*shape.listing) {}

  ListingAnswer read(ondemand::parser &parser);

 private:
  void find(ondemand::value value, std::string &path);
  void read_records(ondemand::value value);
  void read_record(ondemand::value value);
  void read_key(std::string_view key, ondemand::value value, RecordSpans &spans);
  void read_values(ondemand::value value);
  void read_associations(ondemand::value value);
  void read_id(ondemand::value value, std::string_view token, RecordSpans &spans);
  bool read_time(std::string_view key, ondemand::value value, std::string_view token,
                 RecordSpans &spans);
  void put_key(std::string_view key);
  void copy(ondemand::value value, int depth);
  void point_records();

  const ListingShape &shape_;
  const RecordList &listing_;
  ListingAnswer answer_;
  std::vector<RecordSpans> spans_;
  bool has_records_ = false;
};

ListingAnswer AnswerReader::read(ondemand::parser &parser) {
  answer_.page.storage.reserve(body_.size() + 64);
  iterate(parser);
  // A scalar alone is no value to it.
  ondemand::json_type type = take(document_.type());
  if (type == ondemand::json_type::object || type == ondemand::json_type::array) {
    std::string path;
    find(take(document_.get_value()), path);
    check_end();
  }
  if (!has_records_) {
    malformed("It has no \"" + shape_.records + "\".");
  }
  point_records();
  return std::move(answer_);
}

// Walks the whole answer: what is not looked for is checked to be JSON.
void AnswerReader::find(ondemand::value value, std::string &path) {
  if (path == shape_.records) {
    has_records_ = true;
    return shape_.records.empty() ? read_record(value) : read_records(value);
  }
  std::string_view token = token_of(value);
  if (path == listing_.next && (token.starts_with('"') || is_number(token))) {
    answer_.next =
        token.starts_with('"') ? std::string(take(value.get_string())) : std::string(token);
    if (!token.starts_with('"')) consume(value, token);
    return;
  }
  if (!token.starts_with('{')) return walk(value, 0);
  if (path.size() > 1000) malformed("It is nested too deeply.");
  each_field(value, [&](std::string_view key, ondemand::value inner) {
    const size_t length = path.size();
    path.append("/").append(key);
    find(inner, path);
    path.resize(length);
  });
}

void AnswerReader::read_records(ondemand::value value) {
  for (auto item : take(value.get_array())) read_record(take(std::move(item)));
}

void AnswerReader::read_record(ondemand::value value) {
  std::string_view token = token_of(value);
  if (!token.starts_with('{')) {
    walk(value, 0);
    answer_.page.rejects.push_back({"the record is not an object", clipped(token, kLongestReject)});
    return;
  }
  std::string &out = answer_.page.storage;
  RecordSpans spans;
  spans.raw.at = out.size();
  out += '{';
  each_field(value,
             [&](std::string_view key, ondemand::value inner) { read_key(key, inner, spans); });
  if (shape_.associations != nullptr) {
    auto found =
        shape_.associations->find(std::string_view(out).substr(spans.id.at, spans.id.length));
    if (found != shape_.associations->end() && !found->second.empty()) {
      put_key(listing_.associations);
      out.append(found->second) += ',';
    }
  }
  if (out.back() == ',') out.pop_back();
  out += '}';
  spans.raw.length = out.size() - spans.raw.at;
  if (spans.id.length == 0) spans.unfit = "the record has no " + listing_.id;
  if (spans.id.length > kLongestId) spans.unfit = "the record's " + listing_.id + " is too long";
  if (!spans.unfit.empty()) {
    std::string_view raw = std::string_view(out).substr(spans.raw.at);
    answer_.page.rejects.push_back({std::move(spans.unfit), clipped(raw, kLongestReject)});
    out.resize(spans.raw.at);
    return;
  }
  spans_.push_back(std::move(spans));
}

void AnswerReader::read_key(std::string_view key, ondemand::value value, RecordSpans &spans) {
  if (!listing_.keep.empty() && !contains(listing_.keep, key)) return walk(value, 0);
  std::string_view token = token_of(value);
  std::string &out = answer_.page.storage;
  const bool is_bag = token.starts_with('{');
  if (key == listing_.associations && is_bag) {
    if (shape_.associations != nullptr) return walk(value, 0);
    return read_associations(value);
  }
  put_key(key);
  if (listing_.fields && key == listing_.fields->values && is_bag) {
    read_values(value);
  } else if (key == listing_.id) {
    read_id(value, token, spans);
  } else if (!contains(listing_.times, key) || !read_time(key, value, token, spans)) {
    if (key == listing_.deleted) spans.deleted = token == "true";
    copy(value, 0);
  }
  out += ',';
}

void AnswerReader::read_id(ondemand::value value, std::string_view token, RecordSpans &spans) {
  std::string &out = answer_.page.storage;
  const bool is_text = token.starts_with('"');
  const size_t at = out.size() + (is_text ? 1 : 0);
  copy(value, 0);
  const size_t length = out.size() - at - (is_text ? 1 : 0);
  const bool plain = std::string_view(out).substr(at, length).find('\\') == out.npos;
  // Of a key that comes twice the last value stands, as it does for jsonb.
  spans.id = (is_text || is_number(token)) && plain ? Span{at, length} : Span{};
}

/// Writes a time in its one form; false: it is none.
bool AnswerReader::read_time(std::string_view key, ondemand::value value, std::string_view token,
                             RecordSpans &spans) {
  if (!token.starts_with('"')) return false;
  std::optional<int64_t> ms = read_stamp(token.substr(1, token.size() - 2));
  if (!ms) return false;
  consume(value, token);
  std::string &out = answer_.page.storage;
  std::string stamp = write_stamp(*ms);
  if (contains(listing_.stamps, key) && stamp > spans.modified) {
    spans.modified = stamp;
    spans.stamp = {out.size() + 1, stamp.size()};
  }
  out.append("\"").append(stamp).append("\"");
  return true;
}

// The provider sends every value as text, whatever its type.
void AnswerReader::read_values(ondemand::value value) {
  std::string &out = answer_.page.storage;
  out += '{';
  each_field(value, [&](std::string_view key, ondemand::value inner) {
    auto type = shape_.types.find(key);
    if (type == shape_.types.end()) return walk(inner, 0);
    put_key(key);
    std::string_view token = token_of(inner);
    std::string text;
    if (type->second != ListedType::kText && token.starts_with('"')) {
      text = token.size() == 2 ? "null" : typed(token.substr(1, token.size() - 2), type->second);
    }
    if (text.empty()) {
      copy(inner, 0);
    } else {
      consume(inner, token);
      out.append(text);
    }
    out += ',';
  });
  if (out.back() == ',') out.pop_back();
  out += '}';
}

// {"companies": {"results": [{"id": "7", "type": ...}]}} is {"companies": ["7"]} from here on.
void AnswerReader::read_associations(ondemand::value value) {
  ondemand::object object = take(value.get_object());
  Json given = Json::parse(take(object.raw_json()), nullptr, false);
  if (!given.is_object()) damaged();
  Json kept = Json::object();
  for (const auto &[kind, list] : given.items()) {
    std::vector<std::string> ids;
    const Json items = list.is_object() ? list.value(listing_.association_records, Json()) : Json();
    if (!items.is_array()) malformed("It has no ids of " + kind + ".");
    for (const Json &item : items) {
      const Json id = item.is_object() ? item.value(listing_.association_id, Json()) : Json();
      std::string text = id.is_string() ? id.get<std::string>() : id.dump();
      if (is_plain(text)) ids.push_back(std::move(text));
    }
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    if (!ids.empty() && is_plain(kind)) kept[kind] = ids;
  }
  if (kept.empty()) return;
  put_key(listing_.associations);
  answer_.page.storage.append(kept.dump()) += ',';
}

void AnswerReader::put_key(std::string_view key) {
  std::string &out = answer_.page.storage;
  if (is_plain(key)) {
    out.append("\"").append(key).append("\":");
  } else {
    append_json_string(out, Json(std::string(key)).dump(), &answer_.page.replaced_characters);
    out += ':';
  }
}

// On-Demand checks only what is visited.
void AnswerReader::copy(ondemand::value value, int depth) {
  if (depth > kDeepest) malformed("It is nested too deeply.");
  std::string &out = answer_.page.storage;
  std::string_view token = token_of(value);
  if (token.starts_with('{')) {
    out += '{';
    each_field(value, [&](std::string_view key, ondemand::value inner) {
      put_key(key);
      copy(inner, depth + 1);
      out += ',';
    });
    if (out.back() == ',') out.pop_back();
    out += '}';
  } else if (token.starts_with('[')) {
    out += '[';
    for (auto item : take(value.get_array())) {
      copy(take(std::move(item)), depth + 1);
      out += ',';
    }
    if (out.back() == ',') out.pop_back();
    out += ']';
  } else if (token.starts_with('"')) {
    consume(value, token);
    if (!append_json_string(out, token, &answer_.page.replaced_characters)) damaged();
  } else {
    consume(value, token);
    // Beyond what Postgres can hold as a number.
    if (fits_jsonb(token)) {
      out.append(token);
    } else {
      out.append("\"").append(token).append("\"");
    }
  }
}

void AnswerReader::point_records() {
  std::string_view storage = answer_.page.storage;
  answer_.page.records.reserve(spans_.size());
  for (const RecordSpans &spans : spans_) {
    Record record;
    record.id = storage.substr(spans.id.at, spans.id.length);
    record.modified = storage.substr(spans.stamp.at, spans.stamp.length);
    record.raw = storage.substr(spans.raw.at, spans.raw.length);
    record.deleted = spans.deleted;
    answer_.page.records.push_back(record);
  }
}

}  // namespace

ListingAnswer read_listing_answer(const std::string &body, const ListingShape &shape) {
  return read_json_answer(body, [&](simdjson::padded_string_view view, ondemand::parser &parser) {
    return AnswerReader(view, shape).read(parser);
  });
}

}  // namespace supaglue
