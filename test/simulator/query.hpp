// simulator: a SOQL query bound to an org: which records it finds, in which order, and their JSON.
// Valid only while the org's mutex is held, because it points into schemas.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "org.hpp"
#include "soql.hpp"

namespace simulator {

class Query {
 public:
  // Throws ApiError for what Salesforce refuses.
  Query(const Org &org, const std::string &text, std::int64_t now_ms);
  ~Query();

  const Table &table() const { return table_; }
  bool is_count() const;      // SELECT COUNT() FROM ...
  bool is_aggregate() const;  // answers groups instead of records
  std::vector<RowNumber> run(bool with_deleted) const;
  std::vector<std::string> run_aggregate(bool with_deleted) const;  // each a record's JSON
  // base: /services/data/vNN.0 with the org's prefix
  void append_record(std::string &out, RowNumber row, const std::string &base) const;
  // Of a query for a job: what its columns are headed by, and a record's line without its end.
  // Throws ApiError for what a job cannot be asked.
  std::vector<std::string> csv_columns() const;
  void append_csv(std::string &out, RowNumber row, const std::string &delimiter) const;

 private:
  struct Path;
  struct Test;
  struct Node;
  struct Aggregator;

  const Table &find_table() const;
  Path bind(const SoqlField &field) const;
  Test bind(const SoqlCondition &condition) const;
  void bind_values(Test &test, const SoqlCondition &condition) const;
  void bind_select();
  void select_all(const std::string &which);
  void select(const SoqlField &field);
  Value read(const Path &path, RowNumber row) const;
  void read(Value &into, const Path &path, RowNumber row) const;
  bool matches(const Test &test, RowNumber row) const;
  std::vector<RowNumber> candidates() const;
  std::vector<RowNumber> found(bool with_deleted) const;
  void sort(std::vector<RowNumber> &rows) const;
  void append_node(std::string &out, const Node &node, const Table &table, RowNumber row,
                   const std::string &base) const;
  void check_grouping() const;
  [[noreturn]] void refuse(const std::string &code, size_t at, const std::string &message) const;

  const Org &org_;
  SoqlQuery soql_;
  std::int64_t now_ms_;
  const Table &table_;
  std::unique_ptr<Test> where_;
  std::unique_ptr<Node> select_;
  std::vector<Path> columns_;  // of a query that is no aggregate
};

// The JSON of a record with all its fields, or those given.
std::string record_json(const Table &table, RowNumber row, const std::vector<const Field *> &fields,
                        const std::string &base);

// The record that an id names, or those that a condition finds, deleted ones included.
std::vector<RowNumber> rows_where(const Org &org, const std::string &object,
                                  const std::string &condition, std::int64_t now_ms);

}  // namespace simulator
