// simulator: pages that are kept; see page_cache.hpp.
#include "page_cache.hpp"

namespace simulator {

static constexpr size_t least_bytes = 10000;  // of a page that is worth keeping
static constexpr size_t least_to_compress = 1024;

Response PageCache::answer(const Request &request, const std::string &key,
                           const std::function<std::string()> &make) {
  const bool wants_gzip = request.accepts_gzip();
  const std::string kept_as = key + (wants_gzip ? "#gzip" : "#plain");
  Response response;
  response.is_gzip = wants_gzip;
  response.body = find(kept_as);
  if (response.body) return response;
  response.body = std::make_shared<const std::string>(make());
  const size_t bytes = response.body->size();
  response.is_gzip = wants_gzip && bytes > least_to_compress;
  if (response.is_gzip) response.body = gzip(*response.body);
  if (bytes > least_bytes) keep(kept_as, response.body);
  return response;
}

PageCache::Body PageCache::find(const std::string &key) {
  const std::lock_guard lock(mutex_);
  const auto found = pages_.find(key);
  return found == pages_.end() ? nullptr : found->second;
}

void PageCache::keep(const std::string &key, const Body &body) {
  const std::lock_guard lock(mutex_);
  if (!pages_.try_emplace(key, body).second) return;  // another was as quick
  order_.push_back(key);
  bytes_ += body->size();
  while (bytes_ > most_bytes_ && !order_.empty()) {
    const auto oldest = pages_.find(order_.front());
    bytes_ -= oldest->second->size();
    pages_.erase(oldest);
    order_.pop_front();
  }
}

}  // namespace simulator
