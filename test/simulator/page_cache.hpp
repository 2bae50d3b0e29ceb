// simulator: pages of answers that were written before, as they were asked for: plain or
// compressed, so that the next who asks for the same need not wait. Knows nothing of what they say.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "message.hpp"

namespace simulator {

class PageCache {
 public:
  explicit PageCache(size_t most_bytes) : most_bytes_(most_bytes) {}

  // The page of that key, made if it is not there, as the request wants it.
  Response answer(const Request &request, const std::string &key,
                  const std::function<std::string()> &make);

 private:
  using Body = std::shared_ptr<const std::string>;
  Body find(const std::string &key);
  void keep(const std::string &key, const Body &body);

  const size_t most_bytes_;  // the oldest go
  std::mutex mutex_;         // of what follows
  std::map<std::string, Body> pages_;
  std::deque<std::string> order_;
  size_t bytes_ = 0;
};

}  // namespace simulator
