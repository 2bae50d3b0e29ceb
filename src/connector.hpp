// pure: a connector: the description of a provider's API that the engine runs, compiled once
// from a JSON document (connectors/*.json). It holds what is plain about an API as data and names
// the strategy in C++ (source.hpp) for what is odd. It makes no requests and keeps no state.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "directory.hpp"
#include "error.hpp"
#include "json.hpp"
#include "limit.hpp"
#include "listing.hpp"
#include "pattern.hpp"
#include "pure.hpp"

namespace supaglue {

/// A rule that sorts a provider's failing answer: the first that matches decides.
struct ErrorRule {
  enum class Action { kFail, kRetry, kRefresh };
  long status = 0;                 // 0: any
  std::vector<std::string> codes;  // the provider's own error codes; empty: any
  std::string message_contains;    // empty: any
  Action action = Action::kFail;
  ErrorClass error_class = ErrorClass::kProvider;
  std::map<std::string, std::vector<std::string>> body;  // texts at JSON pointers; empty: any
};

/// Where a request carries the connection's credential: an access token, a key, or "name:password".
struct Carrier {
  enum class Where { kHeader, kQuery, kBasic };
  Where where = Where::kHeader;
  std::string name = "Authorization";  // of the header, or of the query's parameter
  std::string prefix = "Bearer ";      // stands before it in a header
};

struct OAuth {
  std::string authorize_host;  // where customers consent when that is not the login url; an
                               // address that somebody set wins over both
  std::string authorize_path;  // joined to it
  Json authorize_parameters;   // an object of texts: what the provider wants besides
  bool pkce = true;            // whether it understands a code challenge
  std::string token_path;      // joined to the login url
  bool token_basic = false;  // the app's id and secret go as Basic authentication, not in the form
  bool refreshes = true;     // false: access tokens do not expire, no refresh token comes
  std::string revoke_path;
  std::string scope_separator = " ";
  std::string capture_base_url;    // JSON pointer into the token answer: "/instance_url"
  std::string capture_account_id;  // JSON pointer into the token answer
  Pattern account_id_pattern;      // its first group is the account id; empty: all of it is
  int64_t keep_alive_ms = 0;       // a token that nothing has refreshed for so long is refreshed
};

/// The cheapest request that shows whether a connection works.
struct Probe {
  std::string path;                  // empty: the provider has none
  std::string account_name_pointer;  // JSON pointers into its answer; empty: it does not tell
  std::string account_id_pointer;    // for providers whose token answer does not name the account
};

/// How a provider spells the names of its objects.
struct ObjectNames {
  Pattern pattern;            // every name matches it; empty: any name
  bool capitalized = false;   // standard names begin with a capital
  std::string custom_suffix;  // custom names end so unless they end with one of `suffixes`
  std::vector<std::string> suffixes;
};

/// Which object of the provider one of the common schema's is read from, and how: SQL expressions
/// over `raw` (the record) and `lookup` (what is looked up beside the records), both jsonb. They
/// give text, which the engine fits into the column's type, or jsonb for a list. A column of the
/// common schema that is not here is NULL.
struct CommonMapping {
  std::string object_type;  // "standard", "custom"
  std::string object;
  std::map<std::string, std::string> columns;
};

struct Connector {
  std::string name;      // "salesforce"
  std::string category;  // "crm"
  std::vector<std::string> auth_types;
  std::string login_url;  // default; the provider or the connection may override it
  std::string base_url;   // default; empty when it comes with the token
  std::map<std::string, Carrier> carriers;  // by auth type, where they differ from the usual
  OAuth oauth;
  Probe probe;
  std::string strategy;                                 // names the source: "salesforce"
  std::map<std::string, CommonMapping> common_objects;  // by our names: "contact"
  std::string field_prefix;  // where in a record its fields stand: "properties"; empty: at its top
  std::map<std::string, std::string> column_types;  // of hoisted columns, by the provider's types
  Directory directory;                              // of objects and fields
  ObjectNames object_names;
  int64_t lookback_ms = 0;       // the watermark stays this far behind the provider's clock
  int64_t wide_lookback_ms = 0;  // once a day a run reads back that far
  int quota_reserve_percent = 20;
  std::vector<ErrorRule> errors;
  std::string error_code_pointer;  // JSON pointers into a failing answer's body
  std::string error_message_pointer;
  Listings listings;  // of the strategy "listing"
  Json settings;  // the strategy's own part of the document (API version, page size, type map, ...)
  LimitRules limits;  // which headers tell of limits

  /// Where the credential of an auth type goes: as the document says, else Basic for names with
  /// passwords and a bearer token for the others.
  Carrier carrier(const std::string &auth_type) const;

  /// The exact object name for what a user wrote: `object_type` is "standard" or "custom".
  /// Empty when the provider can have no object of that name.
  std::string exact_object(std::string_view object_type, std::string_view object) const;
  /// What names there are, as a sentence for a hint; empty when the provider alone knows.
  std::string offered_objects() const;

  /// The path of a field in a record: {"properties", "amount"}; a name that begins with a slash is
  /// a JSON pointer from the record's top.
  std::vector<std::string> field_path(const std::string &field) const;
  /// The column type for a type of the provider's; "text" when the document does not say.
  std::string type_of(const std::string &provider_type) const;
  /// Every auth type that a connector may name.
  static const std::vector<std::string> &known_auth_types();

  /// Compiles a document. Throws kBadDocument naming the JSON path.
  static std::shared_ptr<const Connector> parse(std::string_view document);
  /// A built-in connector by name; null when there is none.
  static std::shared_ptr<const Connector> builtin(std::string_view name);
  /// The names of the built-in ones, sorted.
  static std::vector<std::string> builtin_names();
};

/// The documents under connectors/, embedded at build time.
struct BuiltinConnector {
  const char *name;
  const char *document;
};
extern const BuiltinConnector builtin_connectors[];
extern const int builtin_connector_count;

}  // namespace supaglue
