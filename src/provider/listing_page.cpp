// pure: reads answers of lists; see listing_page.hpp.
#include "provider/listing_page.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "json.hpp"
#include "page_writer.hpp"
#include "provider/json_answer.hpp"
#include "stamp.hpp"

#include "pure.hpp"

namespace supaglue {
namespace {

constexpr size_t kDateLength = 10;  // of a stamp

bool contains(const std::vector<std::string> &list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
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

/// Adds a value that came as text, as one of its type; false when it is none of that type.
bool add_typed(JsonbWriter &record, std::string_view key, std::string_view text, ListedType type) {
  if ((type == ListedType::kNumber && is_number(text)) ||
      (type == ListedType::kBoolean && (text == "true" || text == "false"))) {
    add_scalar(record, key, text);
    return true;
  }
  if (type != ListedType::kDate && type != ListedType::kTime) return false;
  std::optional<int64_t> ms = epoch_ms(text);
  if (!ms && type == ListedType::kTime) ms = read_stamp(text);
  if (!ms) return false;
  std::string stamp = write_stamp(*ms);
  if (type == ListedType::kDate) stamp.resize(kDateLength);
  record.add_string(key, record.keep(stamp));
  return true;
}

class AnswerReader : JsonAnswer {
 public:
  AnswerReader(simdjson::padded_string_view body, const ListingShape &shape)
      : JsonAnswer(shape.provider, body),
        shape_(shape),
        listing_(*shape.listing),
        record_(page_.record) {}

  ListingAnswer read(ondemand::parser &parser);

 private:
  void find(ondemand::value value, std::string &path);
  void read_records(ondemand::value value);
  void read_record(ondemand::value value);
  void read_key(std::string_view key, ondemand::value value);
  void read_values(std::string_view key, ondemand::value value);
  void read_associations(ondemand::value value);
  void add_associations(const Json &associations);
  void read_id(std::string_view key, ondemand::value value, std::string_view token);
  bool read_time(std::string_view key, ondemand::value value, std::string_view token);

  const ListingShape &shape_;
  const RecordList &listing_;
  PageWriter page_;
  JsonbWriter &record_;
  std::string next_;
  bool has_records_ = false;
};

ListingAnswer AnswerReader::read(ondemand::parser &parser) {
  page_.reserve(body_.size() * 5 / 4);
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
  return {page_.finish(replaced_), std::move(next_)};
}

// Walks the whole answer: what is not looked for is checked to be JSON.
void AnswerReader::find(ondemand::value value, std::string &path) {
  if (path == shape_.records) {
    has_records_ = true;
    return shape_.records.empty() ? read_record(value) : read_records(value);
  }
  std::string_view token = token_of(value);
  if (path == listing_.next && (token.starts_with('"') || is_number(token))) {
    next_ = token.starts_with('"') ? std::string(take(value.get_string())) : std::string(token);
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
  const std::string_view token = token_of(value);
  if (!token.starts_with('{')) {
    walk(value, 0);
    return page_.reject("the record is not an object", token);
  }
  page_.begin();
  each_field(value, [&](std::string_view key, ondemand::value inner) { read_key(key, inner); });
  if (shape_.associations != nullptr) {
    const auto found = shape_.associations->find(page_.known.id);
    if (found != shape_.associations->end()) add_associations(found->second);
  }
  page_.end(listing_.id);
}

void AnswerReader::read_key(std::string_view key, ondemand::value value) {
  if (!listing_.keep.empty() && !contains(listing_.keep, key)) return walk(value, 0);
  const std::string_view token = token_of(value);
  const bool is_bag = token.starts_with('{');
  if (key == listing_.associations && is_bag)
    return shape_.associations != nullptr ? walk(value, 0) : read_associations(value);
  if (listing_.fields && key == listing_.fields->values && is_bag) return read_values(key, value);
  if (key == listing_.id) return read_id(key, value, token);
  if (contains(listing_.times, key) && read_time(key, value, token)) return;
  if (key == listing_.deleted) page_.known.deleted = token == "true";
  add(record_, key, value);
}

void AnswerReader::read_id(std::string_view key, ondemand::value value, std::string_view token) {
  // Of a key that comes twice the last value stands, as it does for jsonb.
  page_.known.id = {};
  if (!token.starts_with('"')) {
    if (is_number(token)) page_.known.id = token;
    return add(record_, key, value);
  }
  consume(value, token);
  const int64_t replaced_before = replaced_;
  const std::string_view id = text_of(record_, token);
  // One of which something was replaced could be another's, too.
  if (replaced_ == replaced_before) page_.known.id = id;
  record_.add_string(key, id);
}

/// Writes a time in its one form; false: it is none.
bool AnswerReader::read_time(std::string_view key, ondemand::value value, std::string_view token) {
  if (!token.starts_with('"')) return false;
  const std::optional<int64_t> ms = read_stamp(token.substr(1, token.size() - 2));
  if (!ms) return false;
  consume(value, token);
  const std::string_view stamp = record_.keep(write_stamp(*ms));
  if (contains(listing_.stamps, key) && stamp > page_.known.modified) page_.known.modified = stamp;
  record_.add_string(key, stamp);
  return true;
}

// The provider sends every value as text, whatever its type.
void AnswerReader::read_values(std::string_view key, ondemand::value value) {
  record_.begin_object(key);
  each_field(value, [&](std::string_view name, ondemand::value inner) {
    const auto type = shape_.types.find(name);
    if (type == shape_.types.end()) return walk(inner, 0);
    const std::string_view token = token_of(inner);
    if (type->second == ListedType::kText || !token.starts_with('"'))
      return add(record_, name, inner);
    consume(inner, token);
    if (token.size() == 2) return record_.add_null(name);
    if (!add_typed(record_, name, token.substr(1, token.size() - 2), type->second))
      record_.add_string(name, text_of(record_, token));
  });
  record_.end();
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
      ids.push_back(id.is_string() ? id.get<std::string>() : id.dump());
    }
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    if (!ids.empty()) kept[kind] = ids;
  }
  if (!kept.empty()) add_associations(kept);
}

void AnswerReader::add_associations(const Json &associations) {
  const auto text = [&](const std::string &borrowed) {
    return record_.storable(record_.keep(borrowed), &replaced_);
  };
  record_.begin_object(listing_.associations);
  for (const auto &[kind, ids] : associations.items()) {
    record_.begin_array(text(kind));
    for (const Json &id : ids) record_.add_string({}, text(id.get_ref<const std::string &>()));
    record_.end();
  }
  record_.end();
}

}  // namespace

ListingAnswer read_listing_answer(const std::string &body, const ListingShape &shape) {
  return read_json_answer(body, [&](simdjson::padded_string_view view, ondemand::parser &parser) {
    return AnswerReader(view, shape).read(parser);
  });
}

}  // namespace supaglue
