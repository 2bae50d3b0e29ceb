// pure: a fetch is one reading under way: a source, the session's decisions and the transfer
// in the pool, moved on step by step by whoever waits (the fetcher's event loop, a foreign scan,
// materialize()). It never waits itself and never refreshes a token: it says that it needs one.
// A large answer is taken apart by the process's helper thread.
#pragma once

#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <string>

#include "budget.hpp"
#include "connector.hpp"
#include "http.hpp"
#include "session.hpp"
#include "source.hpp"

#include "pure.hpp"

namespace supaglue {

class Fetch {
 public:
  enum class State {
    kBusy,        // waits for the pool, or until wake_at_ms()
    kNeedsToken,  // call give_access() with a generation greater than access().generation
    kPage,        // take_page() has one; nothing is begun until it is taken
    kDone,        // the source has reached its end
    kFailed,      // error() says why
  };
  struct Counters {
    int64_t requests = 0;
    int64_t bytes_received = 0;
    int64_t records = 0;
  };

  Fetch(Pool &pool, std::shared_ptr<const Connector> connector, std::unique_ptr<Source> source);
  ~Fetch();  // cancels what is under way
  Fetch(const Fetch &) = delete;
  Fetch &operator=(const Fetch &) = delete;

  /// From now on it asks no more than the connection's budget allows, and tells it what comes.
  void share(std::shared_ptr<Budget> budget) { budget_ = std::move(budget); }
  /// From now on all pages are known to be wanted: the next one may be asked for before the one at
  /// hand is taken apart.
  void run_ahead() { runs_ahead_ = true; }
  /// From now on large pages may come as answers whose records are not taken out (Page::answer).
  void keep_answers() { keeps_answers_ = true; }
  /// Moves on as far as it goes without waiting. `jitter` is in [0, 1). What the source throws
  /// goes through to the caller; the fetch is kFailed from then on.
  State advance(int64_t now_ms, double jitter);
  State state() const { return state_; }
  /// When advance() is to be called although the pool is silent; 0: never.
  int64_t wake_at_ms() const { return wake_at_ms_; }
  void give_access(Access access);
  const Access &access() const { return access_; }
  /// The page that kPage announced; the source's cursor is the one after it.
  Page take_page();
  /// Whether that page's cursor is worth keeping although the page holds nothing.
  bool keeps_cursor() const { return keeps_cursor_; }
  const Error &error() const { return error_; }
  /// Before which the provider wants no other request, as it said when it failed us; 0: it did not.
  int64_t not_before_ms() const { return not_before_ms_; }
  /// Whether it merely waits: to send, or for an answer that does not come.
  bool waits(int64_t now_ms) const;
  /// Whether the budget does not let it send.
  bool is_held() const { return is_held_; }
  /// Waits for an answer that is being taken apart.
  const Source &source() const;
  /// Whether one is.
  bool is_digesting() const { return digest_.valid(); }
  const std::shared_ptr<const Connector> &connector() const { return connector_; }
  const Counters &counters() const { return counters_; }
  /// The provider's time at the first answer, less the round trip; 0 before it.
  int64_t first_request_at_ms() const { return first_request_at_ms_; }

 private:
  Pool::Transfer start(const Request &wanted);
  void send(int64_t now_ms);
  bool hold(int64_t now_ms);
  void must_progress(const Request &request);
  void tell_budget(const Response &response, const Verdict &verdict, int64_t now_ms);
  bool adopt(const Request &request);
  void send_ahead(const std::optional<Request> &request, int64_t now_ms);
  void drop_ahead();
  void receive(Response response, int64_t now_ms, double jitter);
  void digest(Response response, int64_t now_ms);
  void take(Accepted accepted);
  void fail(Error error);

  Pool &pool_;
  std::shared_ptr<const Connector> connector_;
  std::unique_ptr<Source> source_;
  std::shared_ptr<Budget> budget_;  // null: nobody counts
  Access access_;
  State state_ = State::kBusy;
  Pool::Transfer transfer_ = 0;
  Attempts attempts_{0, false};
  bool is_unused_ = false;  // the token: one that is new is sent at least once, however short-lived
  int64_t wake_at_ms_ = 0;
  bool waits_to_send_ = false;  // the source is known to want a request
  bool is_held_ = false;        // ... and the budget does not allow it
  int64_t sent_at_ms_ = 0;
  int64_t asked_at_ms_ = 0;  // the same, when it was sent for the first time
  int64_t answered_at_ms_ = 0;
  int64_t first_request_at_ms_ = 0;
  /// A request that was sent while the answer before it is taken apart.
  struct Ahead {
    Pool::Transfer transfer = 0;  // 0: there is none
    Request request;              // as the source is expected to want it
    int64_t sent_at_ms = 0;
  };
  Ahead ahead_;
  bool runs_ahead_ = false;
  bool keeps_answers_ = false;
  std::future<Accepted> digest_;  // of a large answer; till it is taken, the source is the helper's
  Page page_;
  bool keeps_cursor_ = false;
  int empty_pages_ = 0;       // in a row
  std::string last_request_;  // that was answered well; empty: none, or it may come again
  int64_t not_before_ms_ = 0;
  Error error_{ErrorClass::kInternal, "an error ended this fetch before"};
  Counters counters_;
};

}  // namespace supaglue
