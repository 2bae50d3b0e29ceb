// pure: the one form of Salesforce's records; see salesforce_record.hpp.
#include "provider/salesforce_record.hpp"

#include <optional>
#include <utility>

#include "encoding.hpp"
#include "json.hpp"
#include "stamp.hpp"

#include "pure.hpp"

namespace supaglue {
namespace {

constexpr size_t kLongestReject = 2000;
constexpr size_t kLongestId = 255;  // it is part of a key
constexpr std::string_view kReplacement = "\xef\xbf\xbd";

// NUL, which no text of Postgres can hold, becomes U+FFFD and is counted.
void append_text(std::string &out, std::string_view text, int64_t *replaced) {
  static const char digits[] = "0123456789abcdef";
  size_t start = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    out.append(text, start, i - start);
    start = i + 1;
    if (c == '"' || c == '\\') {
      out += {'\\', static_cast<char>(c)};
    } else if (c == 0) {
      out += kReplacement;
      ++*replaced;
    } else {
      out += {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
    }
  }
  out.append(text, start);
}

}  // namespace

void SalesforceRecordWriter::begin() {
  record_ = {};
  place_ = 0;
  record_.raw.at = page_.storage.size();
  page_.storage += '{';
}

const SalesforceRecordWriter::Role &SalesforceRecordWriter::role_of(std::string_view key) {
  if (place_ == roles_.size()) roles_.emplace_back();
  Role &role = roles_[place_++];
  if (role.key != key || key.empty())
    role = {std::string(key),
            key == fields_.id,
            key == fields_.stamp,
            key == fields_.deleted,
            fields_.stamps.contains(key),
            fields_.untyped.contains(key)};
  return role;
}

const SalesforceRecordWriter::Role &SalesforceRecordWriter::put_key(std::string_view key) {
  const Role &role = role_of(key);
  // Of a key that comes twice the last value stands, as it does for jsonb.
  if (role.is_id) record_.id = {};
  if (role.is_stamp) record_.modified = {};
  if (role.is_deleted) record_.deleted = false;
  if (page_.storage.back() != '{') page_.storage += ',';
  page_.storage.append("\"").append(key).append("\":");
  return role;
}

void SalesforceRecordWriter::put_null(std::string_view key) {
  put_key(key);
  page_.storage.append("null");
}

bool SalesforceRecordWriter::put_json_string(std::string_view key, std::string_view token) {
  if (token == "\"\"") {
    put_null(key);
    return true;
  }
  const Role &role = put_key(key);
  if (put_stamp(role, token.substr(1, token.size() - 2))) return true;
  const size_t at = page_.storage.size() + 1;
  if (!append_json_string(page_.storage, token, &page_.replaced_characters)) return false;
  put_string_from(role, at);
  return true;
}

void SalesforceRecordWriter::put_text(std::string_view key, std::string_view text) {
  if (text.empty()) return put_null(key);
  const Role &role = put_key(key);
  if (put_stamp(role, text)) return;
  page_.storage += '"';
  const size_t at = page_.storage.size();
  append_text(page_.storage, text, &page_.replaced_characters);
  page_.storage += '"';
  put_string_from(role, at);
}

// Writes a stamp in its one form; false when it is none.
bool SalesforceRecordWriter::put_stamp(const Role &role, std::string_view text) {
  if (!role.holds_stamp) return false;
  const std::optional<int64_t> ms = read_stamp(text);
  if (!ms) return false;
  page_.storage += '"';
  const size_t at = page_.storage.size();
  page_.storage.append(write_stamp(*ms)).append("\"");
  if (role.is_stamp) record_.modified = {at, page_.storage.size() - at - 1};
  return true;
}

// The string that was written from `at` on, up to its closing quote.
void SalesforceRecordWriter::put_string_from(const Role &role, size_t at) {
  if (!role.is_id) return;
  const std::string_view text(page_.storage.data() + at, page_.storage.size() - at - 1);
  if (text.find('\\') == text.npos) record_.id = {at, text.size()};
}

void SalesforceRecordWriter::put_scalar(std::string_view key, std::string_view token) {
  const Role &role = put_key(key);
  if (role.is_deleted) record_.deleted = token == "true";
  // A number beyond what Postgres can hold is kept as text: whole, and no reason to lose the
  // record.
  const bool quoted = (token != "null" && role.is_untyped) || !fits_jsonb(token);
  if (quoted) page_.storage += '"';
  page_.storage.append(token);
  if (quoted) page_.storage += '"';
}

void SalesforceRecordWriter::end() {
  std::string &out = page_.storage;
  out += '}';
  record_.raw.length = out.size() - record_.raw.at;
  if (record_.id.length == 0) record_.unfit = "the record has no " + fields_.id;
  if (record_.id.length > kLongestId) record_.unfit = "the record's " + fields_.id + " is too long";
  if (record_.unfit.empty()) {
    records_.push_back(std::move(record_));
    return;
  }
  reject(record_.unfit, std::string_view(out).substr(record_.raw.at));
  out.resize(record_.raw.at);
}

void SalesforceRecordWriter::reject(const std::string &reason, std::string_view received) {
  page_.rejects.push_back({reason, clipped(received, kLongestReject)});
}

Page SalesforceRecordWriter::finish() {
  const std::string_view storage = page_.storage;
  page_.records.reserve(records_.size());
  for (const Spans &spans : records_) {
    Record record;
    record.id = storage.substr(spans.id.at, spans.id.length);
    record.modified = storage.substr(spans.modified.at, spans.modified.length);
    record.raw = storage.substr(spans.raw.at, spans.raw.length);
    record.deleted = spans.deleted;
    page_.records.push_back(record);
  }
  return std::move(page_);
}

}  // namespace supaglue
