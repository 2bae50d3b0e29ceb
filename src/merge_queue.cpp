// pg: what a merger does next. See merge_queue.hpp.
#include "merge_queue.hpp"

#include "lease.hpp"
#include "pg.hpp"
#include "quiet_runs.hpp"
#include "settings.hpp"
#include "sql.hpp"
#include "stopwatch.hpp"
#include "worker.hpp"

namespace supaglue {

namespace {

constexpr int64 kLookMs = 60'000;   // for runs that nobody woke us for
constexpr int64 kPassedMs = 1'000;  // between looks while others merge all there is
constexpr int64 kFailedMs = 5'000;
constexpr int64 kQuietMs = 200;  // between looks for runs that found nothing
constexpr int kShare = 20;       // what was seen is good for so many times as long as it took

void forget(MergeQueue *queue) { queue->count = queue->next = queue->passed = 0; }

// Runs that found nothing are ended together. Those for which that cannot be have their turn alone,
// and are not tried again at every one of them.
void end_quiet(MergeQueue *queue) {
  const TimestampTz start = GetCurrentTimestamp();
  if (ms_of_time(start) < Max(queue->not_together_until_ms, queue->none_until_ms)) return;
  QuietEnd end = QuietEnd::kAll;
  const Outcome outcome = work([&] { end = end_quiet_runs(); });
  stop_stopwatch();
  const TimestampTz now = GetCurrentTimestamp();
  if (end == QuietEnd::kNone)
    queue->none_until_ms = ms_of_time(now + kShare * (now - start)) + kQuietMs;
  else
    forget(queue);
  if (outcome.error != nullptr || end == QuietEnd::kLeft)
    queue->not_together_until_ms = ms_of_time(now) + kFailedMs;
}

// Whether a run that found nothing may have come while others like it were ended: then it is with
// the next of them.
bool may_be_quiet(const WaitingRun *run, MergeQueue *queue) {
  if (!run->found_nothing || run->id == queue->left_alone ||
      now_ms() < queue->not_together_until_ms)
    return false;
  queue->left_alone = run->id;
  queue->none_until_ms = 0;
  return true;
}

Outcome see(const Place *place, MergeQueue *queue, int64 *rest_ms) {
  const TimestampTz start = GetCurrentTimestamp();
  const Outcome outcome = work([&] {
    // Of several mergers one is kept for small runs.
    const bool small_only = settings.merge_workers > 1 && place->number == 0;
    queue->count = waiting_runs(queue->runs, MergeQueue::kMost, small_only);
    if (queue->count > 0) return;
    const TimestampTz at = next_merge_at();
    if (!TIMESTAMP_IS_NOBEGIN(at))
      *rest_ms = Min(kLookMs, Max(ms_of_time(at) - now_ms(), int64{100}));
  });
  const TimestampTz now = GetCurrentTimestamp();
  queue->good_until = now + kShare * (now - start);
  if (!outcome.done()) *rest_ms = kFailedMs;
  return outcome;
}

}  // namespace

int64 next_turn(const Place *place, MergeQueue *queue, Outcome *outcome, int64 *rest_ms) {
  *outcome = {Standing::kReady, nullptr};
  *rest_ms = kLookMs;
  end_quiet(queue);
  if (queue->next == queue->count) {
    const bool others_have_all = queue->count > 0 && queue->passed == queue->count;
    forget(queue);
    if (others_have_all)
      *rest_ms = kPassedMs;
    else
      *outcome = see(place, queue, rest_ms);
    if (queue->count == 0) return 0;
  }
  const WaitingRun *run = &queue->runs[queue->next];
  if (!may_be_quiet(run, queue)) return run->id;
  *rest_ms = 0;
  return 0;
}

void end_turn(MergeQueue *queue, bool ours) {
  queue->next++;
  if (!ours)
    queue->passed++;
  else if (GetCurrentTimestamp() > queue->good_until)
    forget(queue);
}

}  // namespace supaglue
