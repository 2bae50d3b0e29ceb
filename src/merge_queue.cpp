// pg: what a merger does next. See merge_queue.hpp.
#include "merge_queue.hpp"

#include "fetched.hpp"
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
constexpr int kShare = 20;                       // what a look found is good for so many times
constexpr TimestampTz kLongestGood = 1'000'000;  // as long as it took, but for no longer (us)

TimestampTz good_until(TimestampTz look) {
  return GetCurrentTimestamp() + Min(kShare * look, kLongestGood);
}

int64 ms_until(TimestampTz time) {
  return Max((time - GetCurrentTimestamp()) / 1000 + 1, int64{1});
}

void forget(MergeQueue *queue) { queue->count = queue->next = queue->passed = 0; }

// Those that are still there when they are seen again could not be ended with others.
void note_left(MergeQueue *queue) {
  queue->left_count = 0;
  for (int i = 0; i < queue->count; ++i)
    if (queue->runs[i].found_nothing) queue->left[queue->left_count++] = queue->runs[i].id;
}

// Most of them are no more.
void leave_out_quiet(MergeQueue *queue) {
  int kept = 0;
  for (int i = queue->next; i < queue->count; ++i)
    if (!queue->runs[i].found_nothing) queue->runs[kept++] = queue->runs[i];
  forget(queue);
  queue->count = kept;
}

void end_quiet(MergeQueue *queue) {
  if (GetCurrentTimestamp() < Max(queue->together_from, queue->alone_until)) return;
  QuietEnd here = {}, there = {};
  const Outcome outcome = work([&] { here = end_quiet_runs(); });
  stop_stopwatch();
  if (outcome.done() && GetCurrentTimestamp() >= queue->there_from) {
    const Outcome outcome_there = work([&] { there = end_quiet_runs_there(); });
    stop_stopwatch();
    queue->there_from = there.more ? 0 : good_until(there.look);
    if (outcome_there.error != nullptr || there.left > 0)
      queue->there_from = GetCurrentTimestamp() + kFailedMs * 1000;
  }
  queue->together_from = here.more ? 0 : good_until(here.look);
  if (outcome.error != nullptr || here.left > 0)
    queue->alone_until = GetCurrentTimestamp() + kFailedMs * 1000;
  note_left(queue);
  if (here.ended + here.left + there.ended + there.left > 0) leave_out_quiet(queue);
}

bool waits_for_others(const MergeQueue *queue, const WaitingRun *run) {
  if (!run->found_nothing || GetCurrentTimestamp() < queue->alone_until) return false;
  for (int i = 0; i < queue->left_count; ++i)
    if (queue->left[i] == run->id) return false;
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
    if (!TIMESTAMP_IS_NOBEGIN(at)) *rest_ms = Min(*rest_ms, Max(ms_until(at), int64{100}));
  });
  queue->good_until = good_until(GetCurrentTimestamp() - start);
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
    if (others_have_all || GetCurrentTimestamp() < queue->good_until) {
      *rest_ms = others_have_all ? kPassedMs : ms_until(queue->good_until);
      return 0;
    }
    *outcome = see(place, queue, rest_ms);
  }
  for (; queue->next < queue->count; ++queue->next) {
    const WaitingRun *run = &queue->runs[queue->next];
    if (!waits_for_others(queue, run)) return run->id;
    *rest_ms = ms_until(queue->together_from);
  }
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
