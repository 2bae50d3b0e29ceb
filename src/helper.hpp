// pure: a thread of the process for pure work that takes milliseconds, beside the process's own,
// which alone may call Postgres. One piece of work at a time: whoever has another does it himself.
#pragma once

#include <pthread.h>

#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>

#include "pure.hpp"

namespace supaglue {

class Helper {
 public:
  /// This process's; its thread starts with the first piece of work.
  static Helper &of_process();

  /// From now on there is work for it. Before the process exits, end() must be called.
  void allow() { allowed_ = true; }
  /// Begins a piece of work, which throws nothing; false: not allowed, at another, or no thread is
  /// to be had.
  bool begin(std::function<void()> work);
  /// Waits for the piece of work under way, and is not allowed any more.
  void end();

 private:
  bool start();
  void run();

  bool allowed_ = false;
  bool is_started_ = false;
  pthread_t thread_{};
  std::mutex mutex_;
  std::condition_variable wakes_;
  std::function<void()> work_;  // under way, or about to be; under the mutex, as is `ends_`
  bool ends_ = false;
};

/// Has work done by the process's helper, or does it before it returns. What comes of it, or what
/// it throws, is in the future, which may be forgotten.
template <typename Work>
auto do_beside(Work work) {
  using Result = std::invoke_result_t<Work>;
  auto task = std::make_shared<std::packaged_task<Result()>>(std::move(work));
  std::future<Result> result = task->get_future();
  if (!Helper::of_process().begin([task] { (*task)(); })) (*task)();
  return result;
}

}  // namespace supaglue
