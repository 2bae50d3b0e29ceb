// simulator: an org: its tables of records, made from a seed or loaded from a folder, and what was
// changed since. Speaks no protocol. Readers hold the org's mutex shared, writers alone.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "schema.hpp"
#include "value.hpp"

namespace simulator {

class Org;
using RowNumber = std::uint32_t;
using Values = std::unordered_map<std::string, Value>;  // by the field's exact name

// What differs of a record from what the seed gives; all of it, for a record that was inserted.
struct Change {
  bool deleted = false, purged = false;
  Values values;
};

// Records are numbered from 0 and keep their number; the first `generated` follow from the seed,
// field by field, so that a million of them need no memory.
class Table {
 public:
  Table(const Org &org, std::shared_ptr<const Schema> schema, size_t generated);

  const Schema &schema() const { return *schema_; }
  void set_schema(std::shared_ptr<const Schema> schema);
  size_t size() const { return size_; }
  size_t generated() const { return generated_; }
  const std::map<RowNumber, Change> &changes() const { return changes_; }

  std::string id(RowNumber row) const;
  std::optional<RowNumber> row_of(std::string_view id) const;  // of 15 or 18 characters
  const Change *change(RowNumber row) const;
  bool is_visible(RowNumber row, bool with_deleted) const;
  size_t count_visible() const;  // without deleted ones
  Value get(RowNumber row, const Field &field) const { return get(row, change(row), field); }
  Value get(RowNumber row, const Change *change, const Field &field) const;
  void get(Value &into, RowNumber row, const Change *change, const Field &field) const;
  // The JSON text of a value as the REST API writes it.
  void append_json(std::string &out, RowNumber row, const Change *change, const Field &field,
                   const std::string &base) const;

  RowNumber insert(Values values, std::int64_t now_ms);
  void update(RowNumber row, Values values, std::int64_t now_ms, bool moves_stamp);
  void remove(RowNumber row, std::int64_t now_ms, bool purge);
  void undelete(RowNumber row, std::int64_t now_ms);

  // No generated record has a stamp that is as late.
  static constexpr const char *made_before = "2025-01-01T00:00:00.000+0000";

 private:
  void append_id(std::string &out, RowNumber row) const;
  void make(Value &into, RowNumber row, const Field &field) const;
  void make_text(std::string &out, std::uint64_t dice, RowNumber row, const Field &field) const;
  void make_reference(Value &into, std::uint64_t dice, const Field &field) const;
  void make_user(Value &into, std::uint64_t dice) const;
  std::int64_t created_ms(RowNumber row) const;
  std::int64_t modified_ms(RowNumber row) const;
  Value formula(RowNumber row, const std::string &text) const;
  void stamp(Change &change, std::int64_t now_ms);

  const Org &org_;
  std::shared_ptr<const Schema> schema_;
  const Field *first_name_ = nullptr, *last_name_ = nullptr;
  std::string stem_;  // what the ids of all records begin with
  std::uint64_t salt_;
  size_t generated_, size_;
  std::map<RowNumber, Change> changes_;
};

class Org {
 public:
  Org(std::string name, std::uint64_t seed) : name_(std::move(name)), seed_(seed) {}
  Org(const Org &) = delete;

  const std::string &name() const { return name_; }
  std::uint64_t seed() const { return seed_; }
  std::string id() const;        // 00D...
  std::string instance() const;  // what is the same in all ids of the org

  Table &add_table(std::shared_ptr<const Schema> schema, size_t generated);
  bool remove_table(const std::string &name);
  Table *find(std::string_view name_in_any_case);
  const Table *find(std::string_view name_in_any_case) const;
  const Table *find_exactly(const std::string &name) const;
  std::vector<const Table *> tables() const;
  // The record with that id, whatever its object.
  std::pair<const Table *, RowNumber> locate(const std::string &id) const;
  // The value at the end of a path such as Account.Owner.Name; null where the path breaks off.
  Value read(const Table &table, RowNumber row, const std::string &path) const;

  mutable std::shared_mutex mutex;
  std::uint64_t version = 0;  // moves with every change of a record or a schema

 private:
  std::string name_;
  std::uint64_t seed_;
  std::map<std::string, Table> tables_;  // by lower-case name
  std::unordered_map<std::string, const Table *> by_prefix_, by_name_;
};

// Records of a folder, in the layout of the Salesforce CLI's `data export tree`.
class DataSet {
 public:
  explicit DataSet(const std::string &directory);
  // By object. Objects that `made` names are made from the seed instead of loaded.
  std::map<std::string, std::shared_ptr<const Schema>> schemas() const;
  size_t count(const std::string &object) const;
  void fill(Org &org, const std::map<std::string, size_t> &made) const;

 private:
  struct Record {
    std::string reference;
    std::vector<std::pair<std::string, Value>> values;  // a reference is the text @Name
  };
  struct Object {
    std::shared_ptr<Schema> schema;
    std::vector<Record> records;
  };
  void declare(const std::string &object, const nlohmann::json &fields);
  void load(const nlohmann::json &document);
  void infer_fields(Object &object) const;
  Object &object(const std::string &name);

  std::map<std::string, Object> objects_;
  std::map<std::string, std::string> object_of_reference_;
};

// All orgs; they come into being when they are first asked for.
class World {
 public:
  struct Options {
    std::string data_directory;
    std::map<std::string, size_t> records;  // by object; "" for all standard ones
    std::uint64_t seed = 1;
    bool strict = false;
  };
  explicit World(Options options);
  Org *find(const std::string &name);  // null when there is none
  Org *open(const std::string &name);  // makes it, unless strict
  Org &create(const std::string &name);
  const Options &options() const { return options_; }

 private:
  size_t made_of(const Schema &schema) const;

  Options options_;
  std::unique_ptr<DataSet> data_;
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Org>> orgs_;
};

// A value for a field from a document; throws std::invalid_argument.
Value value_from_json(const Field &field, const nlohmann::json &document);

}  // namespace simulator
