// pure: the budget of a connection. See budget.hpp.
#include "budget.hpp"

#include <algorithm>
#include <cmath>

#include "pure.hpp"

namespace supaglue {

namespace {

constexpr int64_t kDayMs = 24 * 3'600'000;
constexpr int64_t kMinuteMs = 60'000;
constexpr int64_t kFirstQuotaWaitMs = 10'000, kFirstTroubleWaitMs = 1'000;
constexpr int64_t kLongestWaitMs = 15 * kMinuteMs;
constexpr int64_t kProbeAnswerMs = 150'000;  // longer than a request may take
constexpr int64_t kHalvingMs = 1'000;        // refusals of one burst halve once
constexpr double kSlowest = 0.1;             // requests a second
constexpr double kUnlimited = 100;           // from here on the rate is no limit any more
constexpr double kGrowth = 0.1;              // requests a second, in a second
constexpr double kMemoryMs = 10'000;         // of the rate that is observed
constexpr int kWindowReservePercent = 10;

}  // namespace

double Budget::tokens_at(int64_t now_ms) const {
  const double passed = static_cast<double>(std::max<int64_t>(0, now_ms - counted_at_ms_)) / 1000;
  const double most = std::max(1.0, known_.requests_per_second);
  return std::min(most, tokens_ + passed * known_.requests_per_second);
}

double Budget::observed_at(int64_t now_ms) const {
  const auto passed = static_cast<double>(std::max<int64_t>(0, now_ms - counted_at_ms_));
  return observed_ * std::exp(-passed / kMemoryMs);
}

int64_t Budget::may_send_at(int64_t now_ms) const {
  int64_t at = std::max({now_ms, known_.parked_until_ms, window_closed_until_ms_});
  if (is_probing_ && probe_sent_at_ms_ != 0) at = std::max(at, probe_sent_at_ms_ + kProbeAnswerMs);
  if (known_.requests_per_second > 0) {
    const double missing = 1 - tokens_at(now_ms);
    if (missing > 0) {
      const double wait = std::ceil(missing / known_.requests_per_second * 1000);
      at = std::max(at, now_ms + static_cast<int64_t>(wait));
    }
  }
  return at;
}

void Budget::sent(int64_t now_ms) {
  tokens_ = known_.requests_per_second > 0 ? tokens_at(now_ms) - 1 : 0;
  observed_ = observed_at(now_ms) + 1000 / kMemoryMs;
  counted_at_ms_ = now_ms;
  if (is_probing_) probe_sent_at_ms_ = now_ms;
}

void Budget::learn(const ToldLimit &quota, const ToldLimit &window, int64_t now_ms) {
  known_.seen_at_ms = now_ms;
  if (window.is_told() && window.length_ms > 0) {
    const bool is_new =
        window.used < window_used_ || now_ms - window_began_at_ms_ >= window.length_ms;
    if (is_new) window_began_at_ms_ = now_ms;
    window_used_ = window.used;
    if ((window.limit - window.used) * 100 <= window.limit * kWindowReservePercent)
      window_closed_until_ms_ = window_began_at_ms_ + std::min(window.length_ms, kMinuteMs);
  }
  if (!quota.is_told()) return;
  known_.used = quota.used;
  known_.quota = quota.limit;
  known_.reserve = static_cast<int64_t>(static_cast<double>(quota.limit) * reserve_percent_ / 100);
  known_.resets_at_ms = quota.resets_at_ms;
  if (quota.used <= quota.limit - known_.reserve) {
    quota_wait_ms_ = 0;
  } else if (quota.resets_at_ms > now_ms) {
    park(quota.resets_at_ms, ErrorClass::kQuota, now_ms);
  } else {
    back_off(ErrorClass::kQuota, now_ms);
  }
}

void Budget::served(int64_t now_ms) {
  known_.seen_at_ms = now_ms;
  probe_sent_at_ms_ = 0;
  trouble_wait_ms_ = 0;
  if (known_.quota < 0) quota_wait_ms_ = 0;  // else its number decides
  if (!is_parked(now_ms)) is_probing_ = false;
  if (known_.requests_per_second <= 0) return;
  const double rate = known_.requests_per_second;
  known_.requests_per_second = rate + kGrowth / rate;
  if (known_.requests_per_second >= kUnlimited) known_.requests_per_second = 0;
}

void Budget::refused(int64_t now_ms) {
  known_.seen_at_ms = now_ms;
  probe_sent_at_ms_ = 0;
  if (now_ms - halved_at_ms_ < kHalvingMs) return;
  halved_at_ms_ = now_ms;
  const double rate =
      known_.requests_per_second > 0 ? known_.requests_per_second : observed_at(now_ms);
  known_.requests_per_second = std::clamp(rate / 2, kSlowest, kUnlimited / 2);
  tokens_ = 0;
  counted_at_ms_ = now_ms;
}

void Budget::park(int64_t until_ms, ErrorClass cause, int64_t now_ms) {
  until_ms = std::min(until_ms, now_ms + kDayMs);
  if (until_ms <= now_ms || until_ms <= known_.parked_until_ms) return;
  known_.parked_until_ms = until_ms;
  known_.cause = cause;
  is_probing_ = true;
  probe_sent_at_ms_ = 0;
}

void Budget::back_off(ErrorClass cause, int64_t now_ms) {
  // Answers that were under way say the same once more.
  if (is_parked(now_ms) && known_.cause == cause) return;
  const bool is_quota = cause == ErrorClass::kQuota;
  int64_t &wait = is_quota ? quota_wait_ms_ : trouble_wait_ms_;
  wait = std::clamp(wait * 2, is_quota ? kFirstQuotaWaitMs : kFirstTroubleWaitMs, kLongestWaitMs);
  park(now_ms + wait, cause, now_ms);
}

void Budget::unpark() {
  if (known_.parked_until_ms == 0) return;
  known_.parked_until_ms = 0;
  probe_sent_at_ms_ = 0;
}

std::string parked_message(const std::string &provider_name, const KnownLimits &known) {
  if (known.cause != ErrorClass::kQuota)
    return provider_name + " asked to wait before the next request";
  if (known.quota <= 0 || known.used <= known.quota - known.reserve)
    return "the request limit of " + provider_name + " is reached";
  return "the request limit of " + provider_name +
         " is nearly reached: " + std::to_string(known.used) + " of " +
         std::to_string(known.quota) + " requests are used, and " + std::to_string(known.reserve) +
         " are left to the customer's other programs";
}

bool worth_telling(const KnownLimits &told, int64_t told_at_ms, const KnownLimits &known,
                   int64_t now_ms) {
  if (known.seen_at_ms == told.seen_at_ms && known.parked_until_ms == told.parked_until_ms)
    return false;
  if (known.parked_until_ms != told.parked_until_ms &&
      std::max(known.parked_until_ms, told.parked_until_ms) > now_ms)
    return true;
  const bool is_news = (known.quota > 0) != (told.quota > 0) ||
                       (known.requests_per_second > 0) != (told.requests_per_second > 0);
  const bool tells_something = known.quota > 0 || known.requests_per_second > 0 || told_at_ms != 0;
  return is_news || (tells_something && now_ms - told_at_ms >= kMinuteMs);
}

}  // namespace supaglue
