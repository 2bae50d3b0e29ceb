// pure: one request and its answer. See call.hpp.
#include "call.hpp"

#include <utility>

#include "pure.hpp"

namespace supaglue {

CallSource::CallSource(Request request, bool takes_refusals)
    : request_(std::move(request)), takes_refusals_(takes_refusals) {}

Want CallSource::next() const {
  if (is_answered_) return Done{};
  return request_;
}

Accepted CallSource::accept(const Response &response) {
  is_answered_ = true;
  answer_ = response;
  return {};
}

}  // namespace supaglue
