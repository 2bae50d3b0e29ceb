// pure: checks the keys and values of the JSON documents that people write. It knows no kind of
// document: the caller says which keys there may be, and where; every complaint is an Error of
// class kBadDocument that names the JSON path. It never quotes the value of a secret.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "error.hpp"
#include "json.hpp"
#include "pure.hpp"

namespace supaglue {

/// A place where a key of the normal form may stand in a document: "client_id" may be written at
/// "config.oauth.credentials.client_id". The first spelling of a key is the one that messages name.
struct Spelling {
  const char *key;
  const char *path;
};

/// One JSON object of a document, its keys checked and brought to their normal names. A null is the
/// same as an absent key.
class ObjectReader {
 public:
  /// `kind` names the document in messages ("sync config"), `base` is the object's path in it.
  ObjectReader(std::string kind, std::string base, const Json &object,
               std::vector<Spelling> spellings);

  const std::string &kind() const { return kind_; }
  /// The keys as given, by their normal names; nulls are kept.
  const Json &values() const { return values_; }
  bool has(const char *key) const { return find(key) != nullptr; }
  const Json *find(const char *key) const;
  /// Where the key was written, or where it should have been.
  std::string path(const char *key) const;

  std::optional<std::string> text(const char *key, size_t most_bytes = SIZE_MAX) const;
  std::string required_text(const char *key, size_t most_bytes = SIZE_MAX) const;
  std::optional<int64_t> integer(const char *key, int64_t least, int64_t most) const;
  /// A number greater than 0 and at most 1.
  std::optional<double> share(const char *key) const;
  std::optional<bool> boolean(const char *key) const;
  std::optional<std::string> choice(const char *key, const std::vector<std::string> &among) const;
  /// An array; null when absent.
  const Json *list(const char *key) const;
  std::optional<std::vector<std::string>> texts(const char *key) const;
  /// A text, or {"file": "/absolute/path"}; null when absent.
  Json secret(const char *key) const;
  /// An http or https address, without a slash at its end.
  std::optional<std::string> address(const char *key) const;

  /// Complains: `"<path>" in <kind> <what>`.
  [[noreturn]] void fail(const char *key, const std::string &what, const std::string &detail = {},
                         const std::string &hint = {}) const;
  [[noreturn]] void missing(const char *key, const std::string &hint = {}) const;

 private:
  void collect(const Json &object, const std::string &prefix);
  bool place(const std::string &path, const Json &value);
  [[noreturn]] void unknown(const std::string &prefix, const std::string &key) const;

  std::string kind_;
  std::string base_;
  std::vector<Spelling> spellings_;
  Json values_ = Json::object();
  std::map<std::string, std::string> paths_;
};

/// Parses a document; it must be an object.
Json parse_document(const std::string &kind, std::string_view text);
/// `"a", "b", "c"`
std::string quoted_list(const std::vector<std::string> &names);
/// `Perhaps you meant "period_ms".` when one of the names is close to what was written, else "".
std::string perhaps(const std::string &written, const std::vector<std::string> &names);

}  // namespace supaglue
