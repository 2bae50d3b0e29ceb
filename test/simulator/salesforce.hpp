// simulator: Salesforce's REST routes under /services, of every org under /org/NAME, of the org
// "default" also without. Counts nothing and breaks nothing: the control endpoint does.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "bulk.hpp"
#include "message.hpp"
#include "oauth.hpp"
#include "org.hpp"
#include "page_cache.hpp"

namespace simulator {

class Query;

// What a request is about, as far as its address tells.
struct Target {
  std::string prefix;  // /org/NAME, or empty
  std::string org;
  std::string path;            // without the prefix
  std::string kind = "other";  // token, describe, query, query_more, bulk_*, other
  std::string object;
  std::string provider = "salesforce";
};

class Salesforce {
 public:
  struct Options {
    size_t page_size = 2000;
    bool any_page_size = false;  // --page-size: whatever the client asks for
    size_t page_cache_bytes = 256u << 20;
  };

  Salesforce(World &world, const Clock &clock, Options options)
      : world_(world),
        clock_(clock),
        options_(options),
        oauth_(world, clock),
        pages_(options.page_cache_bytes),
        bulk_(clock, pages_) {}

  Target target_of(const Request &request);
  Response answer(const Request &request, const Target &target);
  OAuth &oauth() { return oauth_; }
  Bulk &bulk() { return bulk_; }
  void drop_locators(const std::string &org);
  void set_usage(const std::string &org, size_t used, size_t limit);

 private:
  // The rows of a query as they were found; their values are read when a page is asked for.
  struct Cursor {
    std::string soql;
    bool with_deleted;
    size_t batch;
    std::vector<RowNumber> rows;
  };
  struct OrgState {
    std::map<std::string, std::shared_ptr<const Cursor>> cursors;
    std::deque<std::string> order;
    size_t used = 0, limit = 100000;
  };

  Response identity(const Request &request, const Target &target);
  Response data(const Request &request, const Target &target);
  Response route(const Request &request, const Target &target, Org &org, const std::string &base,
                 const std::string &rest);
  Response sobjects(const Org &org, const std::string &base);
  Response describe(const Request &request, const Org &org, const std::string &base,
                    const std::string &object);
  Response record(const Request &request, const Org &org, const std::string &base,
                  const std::string &object, const std::string &id);
  Response replication(const Request &request, const Org &org, const std::string &object,
                       bool of_deleted);
  Response limits(const Request &request, const Org &org, const std::string &rest);
  Response query(const Request &request, const Org &org, const std::string &base, bool all);
  Response query_more(const Request &request, const Org &org, const std::string &base,
                      const std::string &locator);
  Response page(const Request &request, const Org &org, const std::string &base,
                const std::string &locator, const Cursor &cursor, const Query &query,
                size_t offset);
  std::string page_text(const std::string &base, const std::string &locator, const Cursor &cursor,
                        const Query &query, size_t offset, size_t batch) const;
  std::string keep(const Org &org, Cursor cursor, std::shared_ptr<const Cursor> &kept);
  std::string usage(const std::string &org);

  World &world_;
  const Clock &clock_;
  Options options_;
  OAuth oauth_;
  PageCache pages_;
  Bulk bulk_;
  std::mutex mutex_;  // of what follows
  std::map<std::string, OrgState> states_;
};

}  // namespace simulator
