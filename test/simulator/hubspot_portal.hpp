// simulator: a HubSpot account (a "portal"): its records, made from a seed, what was changed of
// them since, how they are associated, its pipelines. Speaks no protocol. Readers hold the portal's
// mutex shared, writers alone.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "hubspot_schema.hpp"
#include "value.hpp"

namespace simulator::hubspot {

class Portal;
using Row = std::uint32_t;
using Text = std::optional<std::string>;     // HubSpot has no other values
using Values = std::map<std::string, Text>;  // by the property's name

// What differs of a record from what the seed gives; all of it, for one that was made later.
struct Change {
  std::int64_t at_ms = 0;  // when it was done
  bool gone = false;       // deleted for good, or merged into another
  std::optional<std::int64_t> archived_ms, created_ms, modified_ms;
  std::optional<Row> merged_into;
  Values values;
  // What the search index still shows for as long as it lags; none: what the seed gives, or
  // nothing.
  std::shared_ptr<const Change> before;
};

// The records of a type are numbered from 0 and keep their number, which their id follows from; the
// first `made` follow from the seed, property by property, so that a million of them need no
// memory.
class Records {
 public:
  Records(const Portal &portal, ObjectType type, size_t made);

  const ObjectType &type() const { return type_; }
  ObjectType &type() { return type_; }
  size_t size() const { return size_; }
  size_t made() const { return made_; }
  const std::map<Row, std::shared_ptr<const Change>> &changes() const { return changes_; }

  std::string id(Row row) const { return std::to_string(type_.first_id + row); }
  std::optional<Row> row_of(std::string_view id) const;
  // The first row whose id is greater.
  Row row_after(std::uint64_t id) const;
  const Change *change(Row row) const;
  // As the search index shows it when it lags: false if it shows no such record.
  bool indexed(Row row, std::int64_t now_ms, std::int64_t lag_ms, const Change *&change) const;

  static bool is_visible(const Change *change, bool archived);
  Text get(Row row, const Change *change, const Property &property) const;
  std::int64_t created_ms(Row row, const Change *change) const;
  std::int64_t modified_ms(Row row, const Change *change) const;

  Row insert(Values values, std::int64_t now_ms);
  void update(Row row, Values values, std::int64_t now_ms, bool moves_stamp);
  void archive(Row row, std::int64_t now_ms);
  void restore(Row row, std::int64_t now_ms, bool moves_stamp);
  void purge(Row row, std::int64_t now_ms);
  // Both vanish into a new record; or, as it was until 2025, the first one takes in the second.
  Row merge(Row primary, Row other, std::int64_t now_ms, bool keeps_id);

 private:
  Text make(Row row, const Change *change, const Property &property) const;
  Text make_plain(std::uint64_t dice, Row row, const Property &property) const;
  Change &changed(Row row, std::int64_t now_ms);
  void stamp(Change &change, Row row, std::int64_t now_ms);

  const Portal &portal_;
  ObjectType type_;
  std::uint64_t salt_;
  size_t made_, size_;
  std::map<Row, std::shared_ptr<const Change>> changes_;
};

struct Association {
  Row row;
  bool is_primary;  // is labelled so, besides being there
};

class Portal {
 public:
  struct Options {
    std::map<std::string, size_t> records;  // by type; "" for all but owners and cars
    std::uint64_t seed = 1;
  };
  Portal(std::string name, const Options &options);
  Portal(const Portal &) = delete;

  const std::string &name() const { return name_; }
  std::uint64_t seed() const { return seed_; }
  unsigned long hub_id() const { return hub_id_; }

  // By any of the names that an address may use; not the owners.
  Records *find(std::string_view type);
  const Records *find(std::string_view type) const;
  Records *find_exactly(std::string_view name);
  const Records *find_exactly(std::string_view name) const;
  const std::vector<std::unique_ptr<Records>> &all() const { return records_; }
  Records &add_type(const std::string &name);
  bool remove_type(const std::string &name);

  const nlohmann::json &pipelines(const std::string &type) const;
  void set_pipelines(const std::string &type, nlohmann::json pipelines);

  // As Records::merge(); what was associated with either is so with the result.
  Row merge(Records &records, Row primary, Row other, std::int64_t now_ms, bool keeps_id);

  // In the order of their ids; records that are archived or gone are nobody's.
  std::vector<Association> associated(const Records &from, Row row, const Records &to) const;
  void associate(const Records &from, Row row, const Records &to, Row other, bool is_associated);

  mutable std::shared_mutex mutex;
  std::uint64_t version = 0;                    // moves with every change
  std::int64_t index_lag_ms = 0;                // how long search knows nothing of a change
  std::optional<std::set<std::string>> scopes;  // granted ones; none: all

 private:
  using Pair = std::pair<std::string, Row>;
  bool by_seed(const Records &from, Row row, const Records &to, std::vector<Row> &rows) const;

  std::string name_;
  std::uint64_t seed_;
  unsigned long hub_id_;
  size_t custom_types_ = 1;
  std::vector<std::unique_ptr<Records>> records_;
  std::map<std::string, nlohmann::json> pipelines_;
  std::map<Pair, std::set<Pair>> associated_, dissociated_;  // both ways
};

// 2024-01-02T03:04:05.678Z
std::string iso_stamp(std::int64_t ms);

}  // namespace simulator::hubspot
