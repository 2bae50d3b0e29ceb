// pure: the directory of a provider: which request tells a customer's objects and an object's
// fields, and how the answer is read into one form for all providers. Said in the connector
// document ("metadata"). It makes no requests.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "http.hpp"
#include "json.hpp"

#include "pure.hpp"

namespace supaglue {

/// What an item has at a JSON pointer: a value, or a text that ends so.
struct Condition {
  std::string pointer;
  Json value;
  std::string ending;
};

/// A list of items in an answer. Pointers are JSON pointers into an item; an empty one: it is not
/// told.
struct Listing {
  std::string path;   // with {object}, where there is one; empty: the provider is not asked
  std::string items;  // JSON pointer to the array
  std::string name, label, description, type;
  std::string subtype;  // tells types apart that `type` does not: "string/textarea"
  // Made by the customer if one of these holds; or, where `standard` is given, none of those.
  std::vector<Condition> custom, standard;
  std::vector<Condition> only;    // left out unless all of them hold
  std::vector<Condition> except;  // left out if one of them holds
  Json known;  // items that the provider does not tell: an array, or one by object
};

/// The values that a field can have.
struct Options {
  std::string items, value, label;
  std::vector<Condition> hidden;
};

struct Directory {
  Listing objects, properties;
  Options options;
  std::map<std::string, std::string> types;  // ours by the provider's type, or "type/subtype"
};

/// Compiles the part of a connector document. `kind` and `path` name it in messages.
Directory read_directory(const std::string &kind, const std::string &path, const Json &object);

/// The request for a listing; its url is empty when the provider is not asked. `object` is the name
/// that documents use, `api_name` the one that paths do.
Request listing_request(const Listing &listing, std::string_view object, std::string_view api_name);
/// Rows {object_type, object, label, raw} of an answer's body ("" when none was asked for), sorted.
/// Throws kProvider for what is not the JSON that was expected.
Json list_objects(const Directory &directory, std::string_view body);
/// Rows {name, label, description, type, provider_type, custom, options, raw}, in the provider's
/// order.
Json list_properties(const Directory &directory, std::string_view object, std::string_view body);

}  // namespace supaglue
