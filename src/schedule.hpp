// pure: when a sync is due. All syncs of a connection share a phase, connections are spread;
// missed ticks count once. Pure functions of their arguments; milliseconds since 1970.
#pragma once

#include <cstdint>

#include "pure.hpp"

namespace supaglue {

/// The phase of a connection in [0, period_ms), from its id.
int64_t phase_of(int64_t connection_id, int64_t period_ms);
/// The first tick of the period and phase after `after_ms`.
int64_t next_tick(int64_t after_ms, int64_t period_ms, int64_t phase_ms);
/// When to try again after the nth consecutive failure (n >= 1): full jitter, base 1 s doubling up
/// to max(period, 1 h). `jitter` is in [0, 1).
int64_t retry_at(int64_t now_ms, int consecutive_failures, int64_t period_ms, double jitter);

}  // namespace supaglue
