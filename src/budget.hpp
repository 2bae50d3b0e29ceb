// pure: the budget of a connection: when its provider may be asked again. A rate that halves when
// the provider says "too many" and grows back slowly, a window of seconds that is not used to its
// end, a reserve of the customer's own quota that is left alone, and the times before which the
// provider wants no request. Every decision is a function of what it was told and of the time
// (milliseconds since 1970); soft state, whose loss costs a few refusals.
#pragma once

#include <cstdint>
#include <string>

#include "error.hpp"
#include "limit.hpp"
#include "pure.hpp"

namespace supaglue {

/// What is known of a connection's limits, as people see it.
struct KnownLimits {
  int64_t used = -1, quota = -1;          // -1: the provider has not told
  int64_t reserve = 0;                    // of the quota, left to others
  int64_t resets_at_ms = 0;               // 0: not told
  int64_t parked_until_ms = 0;            // no request before; 0: none is waited for
  ErrorClass cause = ErrorClass::kQuota;  // of the parking: kQuota or kTransient
  double requests_per_second = 0;         // 0: not limited
  int64_t seen_at_ms = 0;                 // the last answer
};

class Budget {
 public:
  explicit Budget(int reserve_percent = 20) : reserve_percent_(reserve_percent) {}

  /// When the next request may be sent: `now_ms` or earlier: now.
  int64_t may_send_at(int64_t now_ms) const;
  void sent(int64_t now_ms);
  /// Of every answer: what its headers tell.
  void learn(const ToldLimit &quota, const ToldLimit &window, int64_t now_ms);
  /// The provider answered, and not with "too many".
  void served(int64_t now_ms);
  /// The provider says that there were too many requests.
  void refused(int64_t now_ms);
  /// There was no answer.
  void unanswered() { probe_sent_at_ms_ = 0; }
  /// No request before: as the provider asked, at most a day; never shortens.
  void park(int64_t until_ms, ErrorClass cause, int64_t now_ms);
  /// The quota is used up, or no token is to be had, and nobody says for how long: waits a little
  /// longer each time.
  void back_off(ErrorClass cause, int64_t now_ms);
  /// Somebody wants to see what the provider says now.
  void unpark();

  bool is_parked(int64_t now_ms) const { return known_.parked_until_ms > now_ms; }
  const KnownLimits &known() const { return known_; }

 private:
  double tokens_at(int64_t now_ms) const;
  double observed_at(int64_t now_ms) const;

  int reserve_percent_;
  KnownLimits known_;
  // The rate: tokens of a bucket, while it is limited; else how fast requests went out, lately.
  double tokens_ = 0, observed_ = 0;
  int64_t counted_at_ms_ = 0, halved_at_ms_ = 0;
  // The window of seconds.
  int64_t window_began_at_ms_ = 0, window_used_ = 0, window_closed_until_ms_ = 0;
  // After parking one request goes ahead of the others, to see.
  bool is_probing_ = false;
  int64_t probe_sent_at_ms_ = 0;
  int64_t quota_wait_ms_ = 0, trouble_wait_ms_ = 0;
};

/// Why a connection is parked, in words: the message of an error.
std::string parked_message(const std::string &provider_name, const KnownLimits &known);
/// Whether what was told last, at `told_at_ms`, should be told anew: at once when a parking begins
/// or ends or something is known for the first time, else at most once a minute.
bool worth_telling(const KnownLimits &told, int64_t told_at_ms, const KnownLimits &known,
                   int64_t now_ms);

}  // namespace supaglue
