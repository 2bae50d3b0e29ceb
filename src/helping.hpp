// pg: the process's helper thread, from the first use until the process exits.
#pragma once

#include "pg.hpp"

namespace supaglue {

/// What is read from now on may be taken apart by the helper.
void allow_helper();

}  // namespace supaglue
