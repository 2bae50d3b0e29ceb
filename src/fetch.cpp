// pure: the steps of one reading. See fetch.hpp.
#include "fetch.hpp"

#include <utility>
#include <variant>

#include "pure.hpp"

namespace supaglue {

namespace {

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
  if (transfer_ != 0) pool_.cancel(transfer_);
}

Fetch::State Fetch::advance(int64_t now_ms, double jitter) {
  while (state_ == State::kBusy) {
    if (transfer_ == 0) {
      if (wake_at_ms_ > now_ms) break;
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

void Fetch::send(int64_t now_ms) {
  wake_at_ms_ = 0;
  const bool is_old = access_.good_until_ms != 0 && access_.good_until_ms < now_ms;
  if (access_.access_token.empty() || (is_old && !is_unused_)) {
    state_ = State::kNeedsToken;
    return;
  }
  state_ = State::kFailed;  // stands if the source or the session throws
  Want want = source_->next();
  if (std::holds_alternative<Done>(want)) {
    state_ = State::kDone;
    return;
  }
  const int64_t not_before_ms = answered_at_ms_ + std::get<Request>(want).delay_ms;
  if (not_before_ms > now_ms) {
    wake_at_ms_ = not_before_ms;
    state_ = State::kBusy;
    return;
  }
  Request request = authorize(*connector_, access_, std::get<Request>(std::move(want)));
  transfer_ = pool_.start(request);
  is_unused_ = false;
  state_ = State::kBusy;
  sent_at_ms_ = now_ms;
  attempts_.sent++;
  counters_.requests++;
}

void Fetch::receive(Response response, int64_t now_ms, double jitter) {
  counters_.bytes_received += response.bytes_received;
  answered_at_ms_ = now_ms;
  Verdict verdict = judge(*connector_, response, attempts_, now_ms, jitter);
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
  state_ = State::kFailed;  // stands if the source throws
  Accepted accepted = source_->accept(response);
  state_ = State::kBusy;
  if (!accepted.is_page && !accepted.keep) return;
  page_ = std::move(accepted.page);
  keeps_cursor_ = accepted.keep;
  counters_.records += static_cast<int64_t>(page_.records.size());
  state_ = State::kPage;
}

void Fetch::fail(Error error) {
  state_ = State::kFailed;  // stands if the source throws
  if (source_->recover(error)) {
    attempts_ = {0, false};
    state_ = State::kBusy;
    return;
  }
  error_ = std::move(error);
}

}  // namespace supaglue
