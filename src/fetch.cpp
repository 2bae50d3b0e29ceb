// pure: the steps of one reading. See fetch.hpp.
#include "fetch.hpp"

#include <chrono>
#include <optional>
#include <utility>
#include <variant>

#include "helper.hpp"

#include "pure.hpp"

namespace supaglue {

namespace {

// A list that never ends is told from one with holes by the length of a hole.
constexpr int kMostEmptyPages = 16;
constexpr int64_t kPatienceMs = 5'000;    // an answer that takes longer is waited for
constexpr size_t kLargeBody = 256 << 10;  // bytes; less is read at once
constexpr int64_t kDigestLookMs = 1;      // between looks whether a large answer is taken apart

bool is_same(const Request &a, const Request &b) {
  return a.method == b.method && a.url == b.url && a.body == b.body &&
         a.host_relative == b.host_relative && a.delay_ms == b.delay_ms;
}

Accepted kept_answer(Response response, int64_t records) {
  Accepted accepted;
  accepted.is_page = true;
  accepted.page.answer = std::move(response.received);
  accepted.page.answer_records = records;
  return accepted;
}

// For a source that takes refusals: its request may have had an effect, so it is not sent again.
Verdict once_only(Verdict verdict, const Response &response) {
  if (verdict.kind == Verdict::Kind::kRefresh) return verdict;
  verdict.kind =
      response.failure == Response::Failure::kNone ? Verdict::Kind::kDeliver : Verdict::Kind::kFail;
  return verdict;
}

}  // namespace

Fetch::Fetch(Pool &pool, std::shared_ptr<const Connector> connector, std::unique_ptr<Source> source)
    : pool_(pool), connector_(std::move(connector)), source_(std::move(source)) {
  access_.generation = -1;  // so that any access that is given is newer
}

Fetch::~Fetch() {
  if (digest_.valid()) digest_.wait();
  drop_ahead();
  if (transfer_ != 0) pool_.cancel(transfer_);
}

const Source &Fetch::source() const {
  if (digest_.valid()) digest_.wait();
  return *source_;
}

Fetch::State Fetch::advance(int64_t now_ms, double jitter) {
  while (state_ == State::kBusy) {
    if (digest_.valid()) {
      wake_at_ms_ = now_ms + kDigestLookMs;
      if (digest_.wait_for(std::chrono::seconds(0)) != std::future_status::ready) break;
      wake_at_ms_ = 0;
      state_ = State::kFailed;  // stands if the source has thrown
      take(digest_.get());
      continue;
    }
    if (transfer_ == 0) {
      if (wake_at_ms_ > now_ms && !is_held_) break;
      send(now_ms);
      if (transfer_ == 0) break;
    }
    Response response;
    if (!pool_.take(transfer_, &response)) break;
    transfer_ = 0;
    receive(std::move(response), now_ms, jitter);
  }
  return state_;
}

void Fetch::give_access(Access access) {
  if (access.generation <= access_.generation || access.access_token.empty()) return;
  access_ = std::move(access);
  is_unused_ = true;
  if (state_ == State::kNeedsToken) state_ = State::kBusy;
}

Page Fetch::take_page() {
  if (state_ == State::kPage) state_ = State::kBusy;
  return std::exchange(page_, Page());
}

bool Fetch::waits(int64_t now_ms) const {
  if (state_ != State::kBusy || digest_.valid()) return false;
  return transfer_ == 0 ? wake_at_ms_ > now_ms : now_ms - asked_at_ms_ > kPatienceMs;
}

bool Fetch::hold(int64_t now_ms) {
  const int64_t at = budget_ == nullptr ? 0 : budget_->may_send_at(now_ms);
  is_held_ = at > now_ms;
  if (is_held_) wake_at_ms_ = at;
  return is_held_;
}

// The same request again, unless it was to wait for something, would be so for ever. Circles are
// the sources' to see: their cursors outlive us.
void Fetch::must_progress(const Request &request) {
  std::string asked = request.method + ' ' + request.url + '\n' + request.body;
  if (attempts_.sent == 0 && request.delay_ms == 0 && asked == last_request_)
    throw Error(ErrorClass::kProvider, "the list of " + connector_->name + " does not go on",
                "It names the page that was just read as the next one.");
  last_request_ = std::move(asked);
}

Pool::Transfer Fetch::start(const Request &wanted) {
  Request request = authorize(*connector_, access_, wanted);
  request.keeps_received = keeps_answers_;
  return pool_.start(request);
}

void Fetch::send(int64_t now_ms) {
  if (waits_to_send_ && hold(now_ms)) return;
  wake_at_ms_ = 0;
  const bool is_old = access_.good_until_ms != 0 && access_.good_until_ms < now_ms;
  if (access_.access_token.empty() || (is_old && !is_unused_)) {
    state_ = State::kNeedsToken;
    return;
  }
  state_ = State::kFailed;  // stands if the source or the session throws
  Want want = source_->next();
  if (std::holds_alternative<Done>(want)) {
    drop_ahead();
    state_ = State::kDone;
    return;
  }
  if (adopt(std::get<Request>(want))) {
    state_ = State::kBusy;
    return;
  }
  waits_to_send_ = true;
  if (hold(now_ms)) {
    state_ = State::kBusy;
    return;
  }
  const int64_t not_before_ms = answered_at_ms_ + std::get<Request>(want).delay_ms;
  if (not_before_ms > now_ms) {
    wake_at_ms_ = not_before_ms;
    state_ = State::kBusy;
    return;
  }
  must_progress(std::get<Request>(want));
  transfer_ = start(std::get<Request>(want));
  if (budget_ != nullptr) budget_->sent(now_ms);
  if (attempts_.sent == 0) asked_at_ms_ = now_ms;
  is_unused_ = false;
  state_ = State::kBusy;
  sent_at_ms_ = now_ms;
  attempts_.sent++;
  counters_.requests++;
}

// What was sent ahead is the request that is wanted, or it is forgotten.
bool Fetch::adopt(const Request &request) {
  if (ahead_.transfer == 0) return false;
  if (attempts_.sent > 0 || !is_same(request, ahead_.request)) {
    drop_ahead();
    return false;
  }
  must_progress(request);
  transfer_ = std::exchange(ahead_.transfer, 0);
  asked_at_ms_ = sent_at_ms_ = ahead_.sent_at_ms;
  attempts_.sent++;
  return true;
}

// While an answer is taken apart, the next one may be on its way.
void Fetch::send_ahead(const std::optional<Request> &request, int64_t now_ms) {
  const bool is_old = access_.good_until_ms != 0 && access_.good_until_ms < now_ms;
  if (!request || is_old || request->delay_ms > 0) return;
  if (budget_ != nullptr && budget_->may_send_at(now_ms) > now_ms) return;
  ahead_ = {start(*request), *request, now_ms};
  if (budget_ != nullptr) budget_->sent(now_ms);
  counters_.requests++;
}

void Fetch::drop_ahead() {
  if (ahead_.transfer == 0) return;
  pool_.cancel(std::exchange(ahead_.transfer, 0));
  if (budget_ != nullptr) budget_->unanswered();
}

void Fetch::receive(Response response, int64_t now_ms, double jitter) {
  counters_.bytes_received += response.bytes_received;
  answered_at_ms_ = now_ms;
  Verdict verdict = judge(*connector_, response, attempts_, now_ms, jitter);
  tell_budget(response, verdict, now_ms);
  if (source_->takes_refusals()) verdict = once_only(std::move(verdict), response);
  switch (verdict.kind) {
    case Verdict::Kind::kRetry:
      wake_at_ms_ = verdict.retry_at_ms;
      return;
    case Verdict::Kind::kRefresh:
      attempts_.refreshed = true;
      state_ = State::kNeedsToken;
      return;
    case Verdict::Kind::kFail:
      not_before_ms_ = verdict.retry_at_ms;
      return fail(std::move(verdict.error));
    case Verdict::Kind::kDeliver:
      break;
  }
  attempts_ = {0, false};
  if (first_request_at_ms_ == 0) {
    // Their Date is cut to whole seconds and the round trip is ours to the full: never too late.
    int64_t provider_now = provider_time_ms(response);
    first_request_at_ms_ = provider_now != 0 ? provider_now - (now_ms - sent_at_ms_) : sent_at_ms_;
  }
  waits_to_send_ = false;
  if (response.body.size() >= kLargeBody) return digest(std::move(response), now_ms);
  state_ = State::kFailed;  // stands if the source throws
  take(source_->accept(response));
}

void Fetch::digest(Response response, int64_t now_ms) {
  if (runs_ahead_) send_ahead(source_->next_after(response), now_ms);
  digest_ = do_beside([source = source_.get(), response = std::move(response)]() mutable {
    if (response.received.empty()) return source->accept(response);
    const std::optional<int64_t> count = source->skim(response);
    return count ? kept_answer(std::move(response), *count) : source->accept(response);
  });
}

void Fetch::take(Accepted accepted) {
  state_ = State::kBusy;
  if (!accepted.is_page && !accepted.keep) return;
  page_ = std::move(accepted.page);
  keeps_cursor_ = accepted.keep;
  counters_.records += page_.count() - static_cast<int64_t>(page_.rejects.size());
  empty_pages_ = page_.count() == 0 ? empty_pages_ + 1 : 0;
  if (empty_pages_ > kMostEmptyPages) {
    state_ = State::kFailed;
    throw Error(ErrorClass::kProvider, "the list of " + connector_->name + " does not end",
                "Its last " + std::to_string(empty_pages_) + " pages are empty.");
  }
  state_ = State::kPage;
}

void Fetch::tell_budget(const Response &response, const Verdict &verdict, int64_t now_ms) {
  if (budget_ == nullptr) return;
  if (response.failure != Response::Failure::kNone) return budget_->unanswered();
  const LimitRules &rules = connector_->limits;
  budget_->learn(told_limit(rules.quota, response, now_ms),
                 told_limit(rules.window, response, now_ms), now_ms);
  const bool is_failure =
      verdict.kind == Verdict::Kind::kRetry || verdict.kind == Verdict::Kind::kFail;
  const bool is_too_many = is_failure && verdict.error.error_class == ErrorClass::kQuota;
  is_too_many ? budget_->refused(now_ms) : budget_->served(now_ms);
  if (!is_failure) return;
  const int64_t asked = asked_wait_ms(response, now_ms);
  if (asked > 0) {
    budget_->park(now_ms + asked, is_too_many ? ErrorClass::kQuota : ErrorClass::kTransient,
                  now_ms);
  } else if (is_too_many && verdict.kind == Verdict::Kind::kFail) {
    budget_->back_off(ErrorClass::kQuota, now_ms);
  }
}

void Fetch::fail(Error error) {
  state_ = State::kFailed;  // stands if the source throws
  if (source_->recover(error)) {
    attempts_ = {0, false};
    waits_to_send_ = false;
    last_request_.clear();
    state_ = State::kBusy;
    return;
  }
  error_ = std::move(error);
}

}  // namespace supaglue
