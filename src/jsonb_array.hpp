// pg: an array of jsonb, written in place from the texts of its elements.
#pragma once

#include "destination.hpp"
#include "pg.hpp"

namespace supaglue {

class JsonbWriter;

/// In the current memory context. Raises 22000 where a text is none that jsonb can hold.
ArrayType *jsonb_array(JsonbWriter *writer, const Text *texts, int count);

}  // namespace supaglue
