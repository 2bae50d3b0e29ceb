// pure: what the readers of the configuration documents have in common: their kinds in messages,
// limits, ids, references and the names of columns. It knows no document whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config.hpp"
#include "document.hpp"
#include "pure.hpp"

namespace supaglue {

using Spellings = std::vector<Spelling>;

constexpr size_t kLongestName = 255;
constexpr size_t kLongestTable = 63;
constexpr size_t kLongestColumn = 63;

constexpr char kProvider[] = "provider";
constexpr char kDestination[] = "destination";
constexpr char kSyncConfig[] = "sync config";
constexpr char kSchema[] = "schema";
constexpr char kEntity[] = "entity";
constexpr char kConnection[] = "connection";

/// Sets a key when there is a value for it.
template <typename T>
void put(Json &object, const char *key, const std::optional<T> &value) {
  if (value) object[key] = *value;
}

/// A document with its id and its application.
Document begin(const ObjectReader &reader);
/// Reads "<what>_id" or "<what>_name", whichever is given; it must be exactly one.
void read_reference(const ObjectReader &reader, const char *id, const char *name, Json &plain);

/// Complains of a name that no column of a destination table can have beside ours.
void check_column_name(const ObjectReader &reader, const char *key, const std::string &name);
/// Whether a name belongs to our own columns.
bool is_reserved(const std::string &name);
/// `<path>[<index>]`
std::string item_path(const ObjectReader &reader, const char *key, size_t index);

/// The keys of the documents that have files of their own.
const Spellings &sync_config_spellings();
const Spellings &schema_spellings();
/// The stored sync config as a document again: objects by their kind, without what was merged.
Json unread_sync_config(Json plain);

}  // namespace supaglue
