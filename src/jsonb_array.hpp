// pg: an array of jsonb, of the bytes of its elements.
#pragma once

#include "destination.hpp"
#include "pg.hpp"

namespace supaglue {

/// In the current memory context. The bytes need not be aligned.
ArrayType *jsonb_array(const Text *jsonbs, int count);

}  // namespace supaglue
