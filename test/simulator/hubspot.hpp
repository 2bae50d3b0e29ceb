// simulator: HubSpot's routes: /crm, /crm-object-schemas, /account-info and /oauth, in the classic
// form and the one with a date for a version. The bearer token alone tells the account. Counts
// nothing and breaks nothing: the control endpoint does.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "hubspot_oauth.hpp"
#include "hubspot_portal.hpp"
#include "message.hpp"
#include "salesforce.hpp"

namespace simulator::hubspot {

// All accounts; they come into being when they are first asked for.
class Portals {
 public:
  Portals(Portal::Options options, bool is_strict) : options_(options), is_strict_(is_strict) {}
  Portal *open(const std::string &name);  // null when there is none and strict
  Portal &create(const std::string &name);

 private:
  const Portal::Options options_;
  const bool is_strict_;
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Portal>> portals_;
};

class Api {
 public:
  Api(Portals &portals, const Clock &clock) : portals_(portals), clock_(clock), grants_(clock) {}
  void set_base_url(std::string url) { base_url_ = std::move(url); }

  static bool owns(const std::string &path);
  Target target_of(const Request &request);
  Response answer(const Request &request, const Target &target);
  // What HubSpot says with a status, for faults that say nothing themselves.
  static Response mishap(int status);

  // The control endpoint's part that is about HubSpot; throws what the endpoint answers with 400.
  nlohmann::json command(const std::string &name, const nlohmann::json &document);
  Response truth(const Request &request);

 private:
  struct Rates {
    std::int64_t day = 0, interval = 0;
    size_t used_in_day = 0, used_in_interval = 0;
  };
  // What a search found, for the pages after the first.
  struct Found {
    std::string key;
    std::shared_ptr<const std::vector<Row>> rows;
  };
  using Parts = std::vector<std::string>;  // of a path, without the version

  Response checked(const Request &request);
  Response route(const Request &request, Portal &portal, const Parts &parts);
  Response objects(const Request &request, Portal &portal, const Parts &parts);
  Response list(const Request &request, const Portal &portal, const Records &records);
  Response one(const Request &request, const Portal &portal, const Records &records,
               const std::string &id);
  Response batch_read(const Request &request, const Portal &portal, const Records &records);
  Response search(const Request &request, const Portal &portal, const Records &records);
  Response properties(const Request &request, Portal &portal, const Parts &parts);
  Response owners(const Request &request, const Portal &portal, const Parts &parts);
  Response pipelines(const Request &request, const Portal &portal, const Parts &parts);
  Response schemas(const Request &request, const Portal &portal, const Parts &parts);
  Response associations(const Request &request, const Portal &portal, const Parts &parts);
  Response write(const Request &request, Portal &portal, Records &records, const Parts &parts);
  Response write_batch(const Request &request, Portal &portal, Records &records,
                       const std::string &what);
  void tell_rates(Response &response, const std::string &org);
  std::string link(const Request &request, const std::string &after) const;
  nlohmann::json change_records(const std::string &name, const nlohmann::json &document);
  nlohmann::json change_account(const std::string &name, const nlohmann::json &document);

  Portals &portals_;
  const Clock &clock_;
  Grants grants_;
  std::string base_url_;
  std::mutex mutex_;  // of what follows
  std::map<std::string, Rates> rates_;
  std::deque<Found> found_;
};

// What is thrown where a request makes no sense.
struct Refusal {
  int status;
  std::string category, message;
};

// The records of an address; throws a Refusal.
const Records &records_called(const Portal &portal, const std::string &type);
nlohmann::json body_of(const Request &request);

// A record as the API writes it, with these properties, which are in the order of their names, and
// with the ids of associated records of these types.
void append_record(std::string &out, const Portal &portal, const Records &records, Row row,
                   const Change *change, const std::vector<const Property *> &properties,
                   const std::vector<const Records *> &associated);
// Those that are named, what is named always, and what is shown when none are named.
std::vector<const Property *> properties_named(const ObjectType &type,
                                               const std::vector<std::string> &names);
std::vector<std::string> split_list(const std::string &text);  // at commas
std::string association_type(const ObjectType &from, const ObjectType &to);
nlohmann::json property_document(const Property &property);
nlohmann::json owner_document(const Records &owners, Row row);

// The rows that a search finds, in its order; throws a Refusal.
std::vector<Row> rows_found(const Portal &portal, const Records &records,
                            const nlohmann::json &body, std::int64_t now_ms);

}  // namespace simulator::hubspot
