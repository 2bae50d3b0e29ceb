// pg: marks stored rows as new. See reemit.hpp.
#include "reemit.hpp"

#include "pg.hpp"
#include "sql.hpp"

namespace supaglue {

int64 reemit_rows(Destination *destination, const Sync *sync, TimestampTz from,
                  TimestampTz emitted_at) {
  const char *statement = format(
      R"(UPDATE %s AS t SET _supaglue_emitted_at = $4::timestamptz
WHERE t._supaglue_application_id = $1::text AND t._supaglue_customer_id = $2::text
  AND t._supaglue_provider_name = $3::text AND t._supaglue_emitted_at >= $5::timestamptz)",
      quote_qualified_identifier(sync->schema_name, sync->table_name));
  const char *since = TIMESTAMP_IS_NOBEGIN(from) ? "-infinity" : iso_of_time(from);
  return static_cast<int64>(destination->execute(
      statement,
      {value_of(sync->application_id), value_of(sync->customer_id), value_of(sync->provider_name),
       value_of(iso_of_time(emitted_at)), value_of(since)}));
}

}  // namespace supaglue
