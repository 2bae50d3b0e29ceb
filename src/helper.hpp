// pure: a thread of the process for pure work that takes milliseconds, beside the process's own,
// which alone may call Postgres. One piece of work at a time: whoever has another does it himself.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "pure.hpp"

namespace supaglue {

class Helper {
 public:
  /// This process's; its thread starts with the first piece of work.
  static Helper &of_process();

  /// From now on there is work for it. Before the process exits, end() must be called.
  void allow() { allowed_ = true; }
  /// Begins a piece of work, which throws nothing; false: not allowed, or it is at another.
  bool begin(std::function<void()> work);
  /// Waits for the piece of work under way, and is not allowed any more.
  void end();

 private:
  void run();

  bool allowed_ = false;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable wakes_;
  std::function<void()> work_;  // under way, or about to be; under the mutex, as is `ends_`
  bool ends_ = false;
};

}  // namespace supaglue
