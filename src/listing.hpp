// pure: how a provider lists its objects, as the connector's document says it: the paths, what the
// answers look like, how values are typed, and what else is asked for beforehand. It is compiled
// here once, every key checked, and run by provider/listing_source; it makes no requests.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "document.hpp"
#include "json.hpp"
#include "pure.hpp"

namespace supaglue {

enum class ListedType { kText, kNumber, kBoolean, kDate, kTime };

using Parameters = std::vector<std::pair<std::string, std::string>>;

/// The values of a record that the provider describes apart ("properties").
struct ListedFields {
  std::string path;     // where they are described
  std::string records;  // JSON pointer to the descriptions in the answer
  std::string name;     // keys of a description
  std::string type;
  std::string values;     // key of a record, under which the values are
  std::string parameter;  // of a list request: the names that are wanted, with commas
  std::map<std::string, ListedType, std::less<>> types;  // what the provider calls them; else text
};

/// Reading many records by their ids, the names of the values in the body.
struct ListedBatch {
  std::string path;
  std::string records;  // JSON pointer to the records in the answer
  std::string inputs;   // keys of the body: the list of {id: ...}, and the list of names
  std::string id;
  std::string fields;
  size_t most = 100;
};

/// One way to list records.
struct RecordList {
  std::string path;
  Parameters query;
  std::string records;              // JSON pointer to the records in an answer
  std::string next;                 // JSON pointer to what the next request is to be given
  std::string next_parameter;       // and its name
  std::string id;                   // keys of a record
  bool numeric_ids = false;         // nothing else is an id
  std::vector<std::string> keep;    // empty: all
  std::vector<std::string> times;   // brought to one form
  std::vector<std::string> stamps;  // the latest of them is when the record changed
  std::string deleted;              // true when the record is deleted; empty: never told
  std::string one_path;             // reads the record of an {id}; empty: there is no such request
  size_t longest_url = 14'000;
  std::optional<ListedFields> fields;
  std::optional<ListedBatch> batch;

  // The ids of other records.
  std::string associations;            // key of a record; empty: none
  std::string associations_parameter;  // of a list request
  std::string association_records;     // of one kind: key of the list
  std::string association_id;          // of its items: key of the id

  // A second pass over what is archived, so often.
  bool has_archive = false;
  Parameters archive_query;
  int64_t archive_every_ms = 0;
};

/// A list that gives names to ids of the records: {"<key>": {"label": ..., "stages": {...}}}.
struct Lookup {
  struct Nested {
    std::string name, records, key, value;
  };
  std::string path;
  std::string records;  // JSON pointer
  std::string key;      // keys of an item
  std::vector<std::string> values;
  std::vector<Nested> nested;
};

struct ListedObject {
  std::string list;      // which of the listings
  std::string api_name;  // "{api_name}" in paths
  std::vector<std::string> associations;
  std::vector<std::string> lookups;
};

struct Listings {
  std::map<std::string, RecordList, std::less<>> lists;
  std::map<std::string, Lookup, std::less<>> lookups;
  std::map<std::string, ListedObject, std::less<>> objects;
};

/// Compiles the keys "lists", "lookups" and "objects" of a connector's document. Throws
/// kBadDocument naming the JSON path.
Listings read_listings(const ObjectReader &document);

/// A JSON pointer under a key: empty, or it begins with "/". Throws kBadDocument.
std::string read_pointer(const ObjectReader &reader, const char *key);

}  // namespace supaglue
