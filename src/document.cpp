// pure: checks the keys and values of the JSON documents that people write; see document.hpp.
#include "document.hpp"

#include <algorithm>
#include <utility>

#include "encoding.hpp"

#include "pure.hpp"

namespace supaglue {
namespace {

size_t edit_distance(const std::string &a, const std::string &b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

bool is_printable_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 127; });
}

bool is_address(std::string_view text) {
  size_t scheme = text.starts_with("https://") ? 8 : text.starts_with("http://") ? 7 : 0;
  if (scheme == 0 || text.size() > 2000 || !is_printable_ascii(text)) return false;
  if (text.find_first_of("?#@\\", scheme) != std::string_view::npos) return false;
  return text.size() > scheme && text[scheme] != '/' && text[scheme] != ':';
}

}  // namespace

std::string quoted_list(const std::vector<std::string> &names) {
  std::string list;
  for (const std::string &name : names) list += (list.empty() ? "\"" : ", \"") + name + "\"";
  return list;
}

std::string perhaps(const std::string &written, const std::vector<std::string> &names) {
  std::string best;
  size_t best_distance = 3;
  if (written.size() > 100) return {};
  for (const std::string &name : names) {
    size_t distance = edit_distance(written, name);
    if (distance < best_distance && distance < name.size()) {
      best = name;
      best_distance = distance;
    }
  }
  return best.empty() ? std::string() : "Perhaps you meant \"" + best + "\".";
}

Json parse_document(const std::string &kind, std::string_view text) {
  // The parser's own words would quote what it last read, which may be a secret.
  Json value = Json::parse(text, nullptr, false);
  if (value.is_discarded()) {
    throw Error(ErrorClass::kBadDocument, "the " + kind + " document is not valid JSON");
  }
  if (!value.is_object()) {
    throw Error(ErrorClass::kBadDocument, "the " + kind + " document must be a JSON object");
  }
  return value;
}

ObjectReader::ObjectReader(std::string kind, std::string base, const Json &object,
                           std::vector<Spelling> spellings)
    : kind_(std::move(kind)), base_(std::move(base)), spellings_(std::move(spellings)) {
  if (!object.is_object()) {
    throw Error(ErrorClass::kBadDocument, '"' + base_ + "\" in " + kind_ + " must be an object");
  }
  if (!base_.empty()) base_ += '.';
  collect(object, "");
}

void ObjectReader::collect(const Json &object, const std::string &prefix) {
  for (const auto &[key, value] : object.items()) {
    std::string here = prefix + key;
    if (key.find('.') == std::string::npos && place(here, value)) continue;
    bool inner = std::any_of(spellings_.begin(), spellings_.end(), [&](const Spelling &s) {
      return std::string_view(s.path).starts_with(here + ".");
    });
    if (!inner || key.find('.') != std::string::npos) unknown(prefix, key);
    if (value.is_null()) {
      for (const Spelling &s : spellings_) {
        if (std::string_view(s.path).starts_with(here + ".") && !values_.contains(s.key)) {
          values_[s.key] = nullptr;
        }
      }
    } else if (!value.is_object()) {
      throw Error(ErrorClass::kBadDocument,
                  '"' + base_ + here + "\" in " + kind_ + " must be an object");
    } else {
      collect(value, here + ".");
    }
  }
}

bool ObjectReader::place(const std::string &path, const Json &value) {
  for (const Spelling &s : spellings_) {
    if (path != s.path) continue;
    auto [known, fresh] = paths_.emplace(s.key, path);
    if (!fresh) {
      throw Error(ErrorClass::kBadDocument,
                  '"' + base_ + known->second + "\" and \"" + base_ + path + "\" in " + kind_ +
                      " mean the same",
                  {}, "Give only one of them.");
    }
    values_[s.key] = value;
    return true;
  }
  return false;
}

void ObjectReader::unknown(const std::string &prefix, const std::string &key) const {
  std::vector<std::string> allowed;
  for (const Spelling &s : spellings_) {
    std::string_view path(s.path);
    if (!path.starts_with(prefix)) continue;
    path.remove_prefix(prefix.size());
    std::string name(path.substr(0, path.find('.')));
    if (std::find(allowed.begin(), allowed.end(), name) == allowed.end()) allowed.push_back(name);
  }
  std::string close = perhaps(key, allowed);
  throw Error(
      ErrorClass::kBadDocument, "unknown key \"" + base_ + prefix + clipped(key) + "\" in " + kind_,
      {}, close + (close.empty() ? "" : " ") + "Allowed here are: " + quoted_list(allowed) + ".");
}

const Json *ObjectReader::find(const char *key) const {
  auto found = values_.find(key);
  return found == values_.end() || found->is_null() ? nullptr : &*found;
}

std::string ObjectReader::path(const char *key) const {
  auto written = paths_.find(key);
  if (written != paths_.end()) return base_ + written->second;
  for (const Spelling &s : spellings_) {
    if (std::string_view(s.key) == key) return base_ + s.path;
  }
  return base_ + key;
}

void ObjectReader::fail(const char *key, const std::string &what, const std::string &detail,
                        const std::string &hint) const {
  throw Error(ErrorClass::kBadDocument, '"' + path(key) + "\" in " + kind_ + " " + what, detail,
              hint);
}

void ObjectReader::missing(const char *key, const std::string &hint) const {
  throw Error(ErrorClass::kBadDocument, "missing key \"" + path(key) + "\" in " + kind_, {}, hint);
}

std::optional<std::string> ObjectReader::text(const char *key, size_t most_bytes) const {
  const Json *value = find(key);
  if (!value) return std::nullopt;
  if (!value->is_string()) fail(key, "must be a string");
  std::string result = value->get<std::string>();
  if (result.empty()) fail(key, "must not be empty");
  if (result.find('\0') != std::string::npos) fail(key, "must not contain a NUL character");
  if (result.size() > most_bytes) {
    fail(key, "must not be longer than " + std::to_string(most_bytes) + " bytes");
  }
  return result;
}

std::string ObjectReader::required_text(const char *key, size_t most_bytes) const {
  std::optional<std::string> result = text(key, most_bytes);
  if (!result) missing(key);
  return *result;
}

std::optional<int64_t> ObjectReader::integer(const char *key, int64_t least, int64_t most) const {
  const Json *value = find(key);
  if (!value) return std::nullopt;
  bool fits = value->is_number_integer() &&
              !(value->is_number_unsigned() && value->get<uint64_t>() > uint64_t{INT64_MAX});
  if (!fits || value->get<int64_t>() < least || value->get<int64_t>() > most) {
    fail(key, "must be an integer " + (most == INT64_MAX ? "of at least " + std::to_string(least)
                                                         : "from " + std::to_string(least) +
                                                               " to " + std::to_string(most)));
  }
  return value->get<int64_t>();
}

std::optional<double> ObjectReader::share(const char *key) const {
  const Json *value = find(key);
  if (!value) return std::nullopt;
  if (!value->is_number() || !(value->get<double>() > 0 && value->get<double>() <= 1)) {
    fail(key, "must be a number greater than 0 and at most 1");
  }
  return value->get<double>();
}

std::optional<bool> ObjectReader::boolean(const char *key) const {
  const Json *value = find(key);
  if (!value) return std::nullopt;
  if (!value->is_boolean()) fail(key, "must be true or false");
  return value->get<bool>();
}

std::optional<std::string> ObjectReader::choice(const char *key,
                                                const std::vector<std::string> &among) const {
  std::optional<std::string> value = text(key);
  if (!value || std::find(among.begin(), among.end(), *value) != among.end()) return value;
  fail(key, (among.size() == 1 ? "must be " : "must be one of ") + quoted_list(among),
       "It is \"" + clipped(*value) + "\".", perhaps(*value, among));
}

const Json *ObjectReader::list(const char *key) const {
  const Json *value = find(key);
  if (value && !value->is_array()) fail(key, "must be an array");
  return value;
}

std::optional<std::vector<std::string>> ObjectReader::texts(const char *key) const {
  const Json *array = list(key);
  if (!array) return std::nullopt;
  std::vector<std::string> result;
  for (const Json &item : *array) {
    if (!item.is_string() || item.get_ref<const std::string &>().empty()) {
      fail(key, "must be an array of strings that are not empty");
    }
    result.push_back(item.get<std::string>());
  }
  return result;
}

Json ObjectReader::secret(const char *key) const {
  const Json *value = find(key);
  if (!value) return nullptr;
  if (value->is_string()) return *text(key);
  bool is_file = value->is_object() && value->size() == 1 && value->contains("file") &&
                 value->at("file").is_string();
  if (!is_file) fail(key, "must be a string or {\"file\": \"/path\"}");
  std::string file = value->at("file").get<std::string>();
  if (!file.starts_with("/") || file.find('\0') != std::string::npos) {
    fail(key, "must name its file by an absolute path");
  }
  return *value;
}

std::optional<std::string> ObjectReader::address(const char *key) const {
  std::optional<std::string> value = text(key);
  if (!value) return value;
  if (!is_address(*value)) {
    fail(key, "must be an http or https address without user, query and fragment", {},
         "For example \"https://acme.my.salesforce.com\".");
  }
  while (value->ends_with('/')) value->pop_back();
  return value;
}

}  // namespace supaglue
