// simulator: pages of answers that were written before, plain and compressed, so that the next who
// asks for the same need not wait. Knows nothing of what they say.
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
  // The page of that key, made if it is not there, as the request wants it.
  Response answer(const Request &request, const std::string &key,
                  const std::function<std::string()> &make);

 private:
  struct Page {
    std::shared_ptr<const std::string> plain, zipped;
  };
  void keep(const std::string &key, const Page &page, size_t new_bytes);

  std::mutex mutex_;  // of what follows
  std::map<std::string, Page> pages_;
  std::deque<std::string> order_;
  size_t bytes_ = 0;
};

}  // namespace simulator
