// simulator: the control endpoint: what a test or a person does to the provider from behind: change
// records, break answers, hold requests, count them. Speaks no provider's protocol.
#pragma once

#include <condition_variable>
#include <list>
#include <map>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "hubspot.hpp"
#include "message.hpp"
#include "salesforce.hpp"

namespace simulator {

class Control {
 public:
  Control(World &world, Clock &clock, Salesforce &salesforce, hubspot::Api &hubspot, int latency_ms)
      : world_(world),
        clock_(clock),
        salesforce_(salesforce),
        hubspot_(hubspot),
        latency_ms_(latency_ms) {}

  // A request of the provider's: counted, held, broken if told so, and answered.
  Response serve(const Request &request);

 private:
  struct Match {
    std::string path_contains, provider, org, object, kind;
  };
  struct Fault {
    Match match;
    long times = 1, after = 0;
    std::string kind, find, body;
    int ms = 0, status = 503;
    std::vector<std::pair<std::string, std::string>> headers;
    size_t happened = 0;
  };
  struct Counters {
    std::map<std::string, size_t> by_kind;
  };

  Response provider(const Request &request);
  void count(const Target &target);
  static bool matches(const Match &match, const Request &request, const Target &target);
  static Match match_from(const nlohmann::json &document);
  void wait_while_held(const Request &request, const Target &target);
  std::optional<Fault> take_fault(const Request &request, const Target &target);
  static void break_answer(Response &response, const Fault &fault, bool accepts_gzip);

  Response command(const Request &request);
  nlohmann::json post(const std::string &name, const nlohmann::json &document);
  nlohmann::json change_records(const std::string &name, const nlohmann::json &document);
  nlohmann::json change_schema(const std::string &name, const nlohmann::json &document);
  nlohmann::json change_access(const std::string &name, const nlohmann::json &document);
  nlohmann::json disturb(const std::string &name, const nlohmann::json &document);
  nlohmann::json counters(const std::string &org);
  Response records(const Request &request);
  Org &org_from(const nlohmann::json &document);

  World &world_;
  Clock &clock_;
  Salesforce &salesforce_;
  hubspot::Api &hubspot_;
  std::atomic<int> latency_ms_;

  std::mutex mutex_;  // of what follows
  std::map<std::string, Counters> counters_;
  size_t concurrent_ = 0, most_concurrent_ = 0;
  std::list<Fault> faults_;
  std::list<Match> holds_;
  std::condition_variable released_;
  size_t held_ = 0;
  size_t releases_ = 0;
};

}  // namespace simulator
