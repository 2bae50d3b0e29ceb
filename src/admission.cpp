// pure: whether another run may begin. See admission.hpp.
#include "admission.hpp"

#include <algorithm>

#include "pure.hpp"

namespace supaglue {

namespace {
constexpr int kRunsPerConnection = 4;
constexpr int kShareOfConnection = 4;  // at most a quarter of the slots
}  // namespace

int Admission::free() const { return slots_ - working_ - std::max(0, waiting_ - slots_); }

void Admission::count(int64_t connection_id, int64_t provider_id, bool waits) {
  ++(waits ? waiting_ : working_);
  ++by_connection_[connection_id];
  ++by_provider_[provider_id];
}

bool Admission::is_full(int64_t provider_id) const {
  const auto found = by_provider_.find(provider_id);
  if (found == by_provider_.end()) return false;
  // Those that merely wait count, too: a provider that hangs has no more than one that works.
  const bool is_shared = is_shared_ || by_provider_.size() > 1;
  return is_shared && found->second >= std::max(1, slots_ / 2);
}

bool Admission::admit(int64_t connection_id, int64_t provider_id) {
  if (free() <= 0) return false;
  if (by_connection_[connection_id] >=
      std::clamp(slots_ / kShareOfConnection, 1, kRunsPerConnection))
    return false;
  if (is_full(provider_id)) return false;
  count(connection_id, provider_id, false);
  return true;
}

}  // namespace supaglue
