// fuzz: promises, and the checks that targets share; see fuzz.hpp.
#include "fuzz.hpp"

#include <simdjson.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "json.hpp"
#include "jsonb.hpp"
#include "jsonb_of.hpp"
#include "stamp.hpp"

#include "pure.hpp"

namespace fuzz {

void expect(bool holds, std::string_view promise, std::string_view what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %.*s: %.*s\n", static_cast<int>(promise.size()), promise.data(),
               static_cast<int>(std::min<size_t>(what.size(), 2000)), what.data());
  std::abort();
}

static bool is_tellable(const std::string &text) {
  return simdjson::validate_utf8(text) && text.find('\0') == text.npos;
}

bool succeeds(const std::function<void()> &call) {
  try {
    call();
    return true;
  } catch (const supaglue::Error &error) {
    expect(!error.message.empty(), "an error has a message");
    for (const std::string *text : {&error.message, &error.detail, &error.hint})
      expect(is_tellable(*text), "an error is a text that Postgres can tell", *text);
    return false;
  }
}

// --- JSON
// ------------------------------------------------------------------------------------------------------------
namespace {

class Checker {
 public:
  Checker(std::string_view text, const JsonCheck &check) : rest_(text), check_(check) {}
  bool whole() {
    skip_blanks();
    if (!value(0)) return false;
    skip_blanks();
    return rest_.empty();
  }

 private:
  void skip_blanks() {
    while (!rest_.empty() && std::string_view(" \t\r\n").find(rest_.front()) != rest_.npos)
      rest_.remove_prefix(1);
  }
  bool take(char c) {
    skip_blanks();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool value(int depth) {
    if (depth > 2000) return false;
    skip_blanks();
    if (rest_.starts_with('{')) return members(depth);
    if (rest_.starts_with('[')) return items(depth);
    if (rest_.starts_with('"')) return string();
    const size_t end = std::min(rest_.find_first_of(" \t\r\n,]}:\"[{"), rest_.size());
    const std::string_view token = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return supaglue::is_json_scalar(token) && (!check_.storable || supaglue::fits_jsonb(token));
  }
  bool members(int depth) {
    take('{');
    if (take('}')) return true;
    do {
      skip_blanks();
      const std::string_view key_at = rest_;
      if (!rest_.starts_with('"') || !string()) return false;
      const std::string_view key = key_at.substr(1, key_at.size() - rest_.size() - 2);
      if (!take(':')) return false;
      skip_blanks();
      const std::string_view value_at = rest_;
      if (!value(depth + 1)) return false;
      if (depth == 0 && check_.member)
        check_.member(key, value_at.substr(0, value_at.size() - rest_.size()));
    } while (take(','));
    return take('}');
  }
  bool items(int depth) {
    take('[');
    if (take(']')) return true;
    do {
      if (!value(depth + 1)) return false;
    } while (take(','));
    return take(']');
  }
  int unit() {  // of \uXXXX, which is next
    if (rest_.size() < 6 || !rest_.starts_with("\\u")) return -1;
    int number = 0;
    for (const char c : rest_.substr(2, 4)) {
      if (!std::isxdigit(static_cast<unsigned char>(c))) return -1;
      number = number * 16 + (c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    }
    rest_.remove_prefix(6);
    return number;
  }
  bool escape() {
    if (!check_.storable) {
      const bool whole = rest_.size() > 1 && static_cast<unsigned char>(rest_[1]) >= 0x20;
      rest_.remove_prefix(std::min<size_t>(2, rest_.size()));
      return whole;
    }
    if (!rest_.starts_with("\\u")) {
      const bool known =
          rest_.size() > 1 && std::string_view("\"\\/bfnrt").find(rest_[1]) != rest_.npos;
      rest_.remove_prefix(std::min<size_t>(2, rest_.size()));
      return known;
    }
    const int first = unit();
    if (first < 0) return false;
    if (first == 0 || (first >= 0xdc00 && first <= 0xdfff)) return false;
    if (first < 0xd800 || first > 0xdbff) return true;
    const int second = unit();
    return second >= 0xdc00 && second <= 0xdfff;
  }
  bool string() {
    rest_.remove_prefix(1);
    while (!rest_.empty()) {
      const auto c = static_cast<unsigned char>(rest_.front());
      if (c < 0x20) return false;
      if (c == '\\') {
        if (!escape()) return false;
        continue;
      }
      rest_.remove_prefix(1);
      if (c == '"') return true;
    }
    return false;
  }

  std::string_view rest_;
  const JsonCheck &check_;
};

}  // namespace

bool is_json(std::string_view text, const JsonCheck &check) {
  return simdjson::validate_utf8(text.data(), text.size()) && Checker(text, check).whole();
}

// --- Pages
// -----------------------------------------------------------------------------------------------------------
static void expect_same(const supaglue::Page &a, const supaglue::Page &b) {
  bool same = a.records.size() == b.records.size() && a.rejects.size() == b.rejects.size() &&
              a.replaced_characters == b.replaced_characters;
  for (size_t i = 0; same && i < a.records.size(); ++i)
    same = a.records[i].id == b.records[i].id && a.records[i].modified == b.records[i].modified &&
           a.records[i].raw == b.records[i].raw && a.records[i].deleted == b.records[i].deleted;
  for (size_t i = 0; same && i < a.rejects.size(); ++i)
    same = a.rejects[i].reason == b.rejects[i].reason && a.rejects[i].record == b.rejects[i].record;
  expect(same, "a page is the same when it was packed and unpacked");
}

/// Whether a text or a number of jsonb is what the provider has sent as one.
static bool says(std::string_view json, std::string_view sent) {
  if (json.starts_with('"')) return supaglue::Json::parse(json).get<std::string>() == sent;
  const std::string number = supaglue::jsonb_of("[" + std::string(sent) + "]");
  return supaglue::jsonb_text(number) == "[" + std::string(json) + "]";
}

void expect_page(const supaglue::Page &page, std::string_view id_key, size_t answer_bytes) {
  expect(page.storage.size() <= 16 * answer_bytes + 4096,
         "a page is not much larger than its answer");
  for (const supaglue::Record &record : page.records) {
    const std::string raw = supaglue::jsonb_text(record.raw);
    std::string_view id;
    const JsonCheck check{true, [&](std::string_view key, std::string_view value) {
                            if (key == id_key) id = value;
                          }};
    expect(raw.starts_with('{') && is_json(raw, check), "a record is an object of jsonb", raw);
    expect(!record.id.empty() && record.id.size() <= 255, "an id has a length", raw);
    expect(says(id, record.id), "a record's id is the one inside it", raw);
    if (record.modified.empty()) continue;
    const auto stamp = supaglue::read_stamp(record.modified);
    expect(stamp && supaglue::write_stamp(*stamp) == record.modified, "a stamp has one form",
           record.modified);
  }
  for (const supaglue::Reject &reject : page.rejects) {
    expect(reject.record.size() <= 2000 && reject.reason.size() <= 2000,
           "what is set aside is short");
    expect(is_tellable(reject.record) && is_tellable(reject.reason),
           "what is set aside can be told", reject.record);
  }
  expect_same(page, supaglue::Page::unpack(page.pack()));
}

// --- Choices
// ---------------------------------------------------------------------------------------------------------
size_t Choices::below(size_t count) {
  if (rest_.empty()) return 0;
  const auto byte = static_cast<unsigned char>(rest_.front());
  rest_.remove_prefix(1);
  return byte % count;
}

std::string Choices::line() {
  const size_t end = std::min(rest_.find('\n'), rest_.size());
  std::string text(rest_.substr(0, end));
  rest_.remove_prefix(std::min(end + 1, rest_.size()));
  // Texts come from Postgres.
  if (!simdjson::validate_utf8(text) || text.find('\0') != text.npos) text.clear();
  return text;
}

}  // namespace fuzz
