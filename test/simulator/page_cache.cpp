// simulator: pages that are kept; see page_cache.hpp.
#include "page_cache.hpp"

namespace simulator {

static constexpr size_t most_bytes = 256u << 20;  // the oldest go
static constexpr size_t least_bytes = 10000;      // of a page that is worth keeping

Response PageCache::answer(const Request &request, const std::string &key,
                           const std::function<std::string()> &make) {
  Page page;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = pages_.find(key); found != pages_.end()) page = found->second;
  }
  const bool is_new = !page.plain;
  if (is_new) page.plain = std::make_shared<const std::string>(make());
  const bool wants_gzip = request.accepts_gzip() && page.plain->size() > 1024;
  const bool is_zipping = wants_gzip && !page.zipped;
  if (is_zipping) page.zipped = gzip(*page.plain);
  if ((is_new || is_zipping) && page.plain->size() > least_bytes)
    keep(key, page, (is_new ? page.plain->size() : 0) + (is_zipping ? page.zipped->size() : 0));
  Response response;
  response.body = wants_gzip ? page.zipped : page.plain;
  response.is_gzip = wants_gzip;
  return response;
}

void PageCache::keep(const std::string &key, const Page &page, size_t new_bytes) {
  const std::lock_guard lock(mutex_);
  if (pages_.insert_or_assign(key, page).second) order_.push_back(key);
  bytes_ += new_bytes;
  while (bytes_ > most_bytes && !order_.empty()) {
    const Page &oldest = pages_.at(order_.front());
    const size_t bytes = oldest.plain->size() + (oldest.zipped ? oldest.zipped->size() : 0);
    bytes_ -= std::min(bytes_, bytes);
    pages_.erase(order_.front());
    order_.pop_front();
  }
}

}  // namespace simulator
