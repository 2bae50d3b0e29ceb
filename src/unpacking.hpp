// pure: the next page of a run, unpacked by the helper while the one before is merged.
#pragma once

#include <future>
#include <string>

#include "page.hpp"

#include "pure.hpp"

namespace supaglue {

class Unpacking {
 public:
  /// Begins with a page as it lies in the spool.
  void begin(std::string packed);
  /// The page that was begun with, or what Page::unpack() throws of it.
  Page take() { return page_.get(); }

 private:
  std::future<Page> page_;
};

}  // namespace supaglue
