// pure: blocks all signals. A thread that is started meanwhile (by us, or by curl for its resolver)
// inherits that for ever: no handler of the server's may run on it.
#pragma once

#include <csignal>

#include "pure.hpp"

namespace supaglue {

class SignalBlock {
 public:
  SignalBlock() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalBlock() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalBlock(const SignalBlock &) = delete;
  SignalBlock &operator=(const SignalBlock &) = delete;

 private:
  sigset_t before_;
};

}  // namespace supaglue
