// pure: a thread for pure work. See helper.hpp.
#include "helper.hpp"

#include <utility>

#include "signal_block.hpp"

#include "pure.hpp"

namespace supaglue {

// Never destroyed: its thread may not outlive what it waits on.
Helper &Helper::of_process() {
  static auto *helper = new Helper();
  return *helper;
}

bool Helper::begin(std::function<void()> work) {
  if (!allowed_) return false;
  const std::lock_guard lock(mutex_);
  if (work_) return false;
  if (!thread_.joinable()) {
    const SignalBlock block;
    thread_ = std::thread([this] { run(); });
  }
  work_ = std::move(work);
  wakes_.notify_one();
  return true;
}

void Helper::end() {
  allowed_ = false;
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
    wakes_.notify_one();
  }
  thread_.join();
  ends_ = false;
}

void Helper::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wakes_.wait(lock, [this] { return work_ || ends_; });
    if (!work_) return;
    lock.unlock();
    work_();
    lock.lock();
    work_ = nullptr;
  }
}

}  // namespace supaglue
