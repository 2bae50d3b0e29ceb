// pure: when the grant of a connection's token counts as lost. One rule for the fetcher and the
// token keeper.
#pragma once

#include <cstdint>

#include "pure.hpp"

namespace supaglue {

/// How long to wait before a grant is tried again that the provider has refused so often in a row
/// (from 1), because some refuse now and then what they grant a moment later; 0: it is lost.
/// `known`: it was thought to be lost before. All tries are over within five seconds, because
/// somebody may wait for them.
constexpr int64_t wait_after_refusal_ms(int refusals, bool known) {
  return known || refusals > 2 ? 0 : refusals == 1 ? 1'000 : 4'000;
}

}  // namespace supaglue
