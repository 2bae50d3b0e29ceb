// simulator: query jobs of Salesforce's Bulk API 2.0, of every org, under jobs/query. A job keeps
// the numbers of the records that it found; their values are read when a page is asked for.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <vector>

#include "message.hpp"
#include "org.hpp"
#include "page_cache.hpp"

namespace simulator {

class Bulk {
 public:
  Bulk(const Clock &clock, PageCache &cache) : clock_(clock), cache_(cache) {}

  // parts: what comes after jobs/query; base: /services/data/vNN.0 with the org's prefix. The org's
  // mutex is held shared. Throws ApiError.
  Response answer(const Request &request, const Org &org, const std::string &base,
                  const std::vector<std::string> &parts);
  // "bulk_create", "bulk_poll", "bulk_results" or "other".
  static std::string kind_of(const Request &request, const std::vector<std::string> &parts);
  // The query that a request is about: of the job that it names or makes; empty if there is none.
  std::string soql_of(const Request &request, const std::string &org,
                      const std::vector<std::string> &parts);
  size_t jobs_left(const std::string &org);

  // What the control endpoint says about the jobs of an org: see README.md. Throws
  // std::invalid_argument.
  void tell(const std::string &org, const nlohmann::json &document);
  nlohmann::json jobs(const std::string &org);

 private:
  struct Job {
    std::string id, operation, soql, object, created_by;
    std::string version;  // 62.0
    std::string delimiter, line_ending;
    std::vector<RowNumber> rows;
    std::int64_t created_ms = 0;
    size_t polls = 0;  // so many were answered before it was complete
    size_t polls_before_end = 0;
    std::int64_t ms_before_end = 0;
    std::string ends_as = "JobComplete", error;
    bool is_aborted = false;
  };
  struct OrgState {
    std::map<std::string, std::shared_ptr<Job>> jobs;
    std::deque<std::string> order;
    std::set<std::string> unsupported;  // objects, in lower case
    size_t polls = 1, page_size = 0, jobs_left = 10000, made = 0;
    std::int64_t ms = 0;
    std::string fail;
  };

  Response create(const Request &request, const Org &org, const std::string &version);
  Response list(const Request &request, const std::string &org, const std::string &base);
  Response abort(const Request &request, Job &job);
  Response remove(const std::string &org, const Job &job);
  Response results(const Request &request, const Org &org, const Job &job);
  Response result_pages(const Request &request, const Org &org, const std::string &base,
                        const Job &job);
  std::string state_of(const Job &job) const;
  nlohmann::json describe(const Job &job, bool in_full) const;
  std::string page_text(const Org &org, const Job &job, size_t offset, size_t count) const;
  size_t page_size(const Request &request, const std::string &org);
  void check_is_complete(const Job &job) const;

  const Clock &clock_;
  PageCache &cache_;
  std::mutex mutex_;  // of what follows
  std::map<std::string, OrgState> orgs_;
};

}  // namespace simulator
