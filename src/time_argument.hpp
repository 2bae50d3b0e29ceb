// pg: a time that a function is called with.
#pragma once

#include "pg.hpp"

namespace supaglue {

/// NULL is an error that names it.
inline TimestampTz time_argument(FunctionCallInfo fcinfo, int argument, const char *name) {
  if (PG_ARGISNULL(argument))
    ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("%s must not be null", name)));
  return PG_GETARG_TIMESTAMPTZ(argument);
}

}  // namespace supaglue
