// pg: columns of many rows. See columns.hpp.
#include "columns.hpp"

#include "pg.hpp"

namespace supaglue {

Arg array_arg(const Datum *values, const bool *nulls, int count, Oid type, Oid array_type) {
  int16 length;
  bool by_value;
  char alignment;
  get_typlenbyvalalign(type, &length, &by_value, &alignment);
  int dimension = count, lower_bound = 1;
  return {array_type,
          PointerGetDatum(construct_md_array(const_cast<Datum *>(values), const_cast<bool *>(nulls),
                                             1, &dimension, &lower_bound, type, length, by_value,
                                             alignment)),
          false};
}

}  // namespace supaglue
