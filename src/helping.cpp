// pg: the process's helper thread. See helping.hpp.
#include "helper.hpp"

#include "helping.hpp"

#include "pg.hpp"

namespace supaglue {

namespace {

// It must not be at work while the process takes its memory down.
void end_helper(int, Datum) {
  guard([] { Helper::of_process().end(); });
}

}  // namespace

void allow_helper() {
  static bool allowed = false;
  if (!allowed) on_proc_exit(end_helper, 0);
  allowed = true;
  guard([] { Helper::of_process().allow(); });
}

}  // namespace supaglue
