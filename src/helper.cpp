// pure: a thread for pure work. See helper.hpp.
#include "helper.hpp"

#include "signal_block.hpp"

#include "pure.hpp"

namespace supaglue {

// Never destroyed: its thread may not outlive what it waits on.
Helper &Helper::of_process() {
  static auto *helper = new Helper();
  return *helper;
}

// Not by std::thread, which throws where the system has no more threads.
bool Helper::start() {
  const SignalBlock block;
  const auto body = [](void *helper) -> void * {
    static_cast<Helper *>(helper)->run();
    return nullptr;
  };
  is_started_ = pthread_create(&thread_, nullptr, body, this) == 0;
  return is_started_;
}

bool Helper::begin(std::function<void()> work) {
  if (!allowed_) return false;
  const std::lock_guard lock(mutex_);
  if (work_ || (!is_started_ && !start())) return false;
  work_ = std::move(work);
  wakes_.notify_one();
  return true;
}

void Helper::end() {
  allowed_ = false;
  if (!is_started_) return;
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
    wakes_.notify_one();
  }
  pthread_join(thread_, nullptr);
  is_started_ = ends_ = false;
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
