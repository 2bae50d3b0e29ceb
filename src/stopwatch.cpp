// pg: how long one statement of a worker's merge may take. See stopwatch.hpp.
#include "stopwatch.hpp"

#include "pg.hpp"
#include "settings.hpp"

namespace supaglue {

static bool watched = false;
static int fixed_ms = 0;
static TimeoutId last_resort;
static volatile sig_atomic_t out_of_time = 0;

static void end_process() {
  out_of_time = 1;
  ProcDiePending = true;
  InterruptPending = true;
  SetLatch(MyLatch);
}

void watch_statements(int most_ms) {
  fixed_ms = most_ms;
  last_resort = RegisterTimeout(USER_TIMEOUT, end_process);
  watched = true;
}

void start_stopwatch() {
  const int ms = fixed_ms != 0 ? fixed_ms : settings.merge_timeout_ms;
  if (!watched || ms == 0) return;
  enable_timeout_after(STATEMENT_TIMEOUT, ms);
  enable_timeout_after(last_resort, static_cast<int>(Min(int64{ms} * 2, int64{INT_MAX})));
}

void stop_stopwatch() {
  if (!watched) return;
  disable_timeout(STATEMENT_TIMEOUT, false);
  disable_timeout(last_resort, false);
}

bool ran_out_of_time() { return out_of_time != 0; }

}  // namespace supaglue
