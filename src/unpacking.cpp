// pure: the next page of a run. See unpacking.hpp.
#include "unpacking.hpp"

#include <memory>
#include <utility>

#include "helper.hpp"

#include "pure.hpp"

namespace supaglue {

void Unpacking::begin(std::string packed) {
  auto task = std::make_shared<std::packaged_task<Page()>>(
      [packed = std::move(packed)] { return Page::unpack(packed); });
  page_ = task->get_future();
  if (!Helper::of_process().begin([task] { (*task)(); })) (*task)();
}

}  // namespace supaglue
