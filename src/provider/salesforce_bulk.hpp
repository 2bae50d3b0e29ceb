// pure: a query by Salesforce's Bulk API 2.0: a job is created, asked after until it is complete,
// and its results are read page by page. It knows the shapes of these answers. Whether a query goes
// by a job, and what follows when one is refused or gone, is the source's to decide.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "provider/salesforce_record.hpp"
#include "source.hpp"

#include "pure.hpp"

namespace supaglue {

struct SalesforceQuery {
  std::string soql;
  bool with_deleted = true;
  std::vector<std::string> columns;  // what it selects, in its order
};

/// The state of a job is a JSON object that its owner keeps: empty, the job is to be created; it
/// has an "id" from then on, "records" once it is complete, and "done" at its end.
class SalesforceBulk {
 public:
  /// The strategy's part of the connector document.
  explicit SalesforceBulk(const Json &settings);

  bool is_offered() const { return !path_.empty(); }
  /// Whether a job reads so many records better than the query API.
  bool suits(int64_t records) const { return is_offered() && records > from_records_; }

  Request next(const Json &job, const SalesforceQuery &query) const;
  /// As Source::next_after().
  std::optional<Request> next_after(const Response &response, const Json &job,
                                    const SalesforceQuery &query) const;
  /// Throws kProvider for a job that has failed or an answer that is garbled, kTransient for a job
  /// that makes no progress.
  Accepted accept(const Response &response, const SalesforceQuery &query,
                  const SalesforceFields &fields, Json &job) const;
  /// As Source::skim(): of a page of results that says how many records it has.
  std::optional<int64_t> skim(const Response &response, const SalesforceQuery &query,
                              Json &job) const;

 private:
  Request creation(const SalesforceQuery &query) const;
  Request results(const Json &job, const SalesforceQuery &query) const;
  int64_t wait_before_poll(const Json &job) const;
  void take_status(const Response &response, Json &job) const;

  std::string path_;  // empty: the provider is not to be asked for jobs
  int64_t from_records_, page_values_, most_page_records_;
  int64_t first_poll_ms_, longest_poll_ms_, patience_ms_;
};

/// The page of results that was skimmed. Throws kProvider.
Page read_salesforce_csv(const std::string &body, int64_t records,
                         const std::vector<std::string> &columns, const SalesforceFields &fields);

}  // namespace supaglue
