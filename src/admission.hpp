// pure: whether another run may begin, so that nobody takes what others need: not a connection with
// many objects, not a provider that hangs. It counts the runs of one moment, and keeps no clock.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "pure.hpp"

namespace supaglue {

class Admission {
 public:
  /// `slots`: so many runs at once; `is_shared`: there are other providers, who may come.
  Admission(int slots, bool is_shared) : slots_(slots), is_shared_(is_shared) {}

  /// A run under way. One that merely waits (for an answer that does not come, for a job at the
  /// provider) gives up its slot, up to as many as there are slots.
  void count(int64_t connection_id, int64_t provider_id, bool waits);
  /// Whether another may begin; if so it is counted.
  bool admit(int64_t connection_id, int64_t provider_id);
  int free() const;
  /// Whether a provider has as many as it may have, whoever of its connections asks.
  bool is_full(int64_t provider_id) const;

 private:
  int slots_;
  bool is_shared_;
  int working_ = 0, waiting_ = 0;
  std::unordered_map<int64_t, int> by_connection_, by_provider_;
};

}  // namespace supaglue
