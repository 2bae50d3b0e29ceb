// pg: why(): the answer at 3 a.m. The causes and their order are in the script, in SQL; here is
// what only the server knows.
#include "catalog.hpp"
#include "pg.hpp"
#include "settings.hpp"
#include "sql.hpp"

using namespace supaglue;

// What is wrong with the whole database, as the script names it; null: nothing.
static const char *trouble() {
  if (RecoveryInProgress()) return "standby";
  if (installation_is_elsewhere()) return "copy";
  return settings.enabled ? nullptr : "disabled";
}

SUPAGLUE_FUNCTION(supaglue_why) {
  const char *customer = text_argument(fcinfo, 0, "customer_id");
  const char *provider = PG_ARGISNULL(1) ? nullptr : text_argument(fcinfo, 1, "provider_name");
  const char *object = PG_ARGISNULL(2) ? nullptr : text_argument(fcinfo, 2, "object");
  const char *application = application_of(fcinfo, 3);
  const Api api = open_api();
  sql("SELECT provider_name, object, state, data_through, behind, cause, since, provider_says,"
      "  next_attempt_at, what_to_do FROM ("
      "  SELECT * FROM supaglue_internal.causes_of_syncs($1, $2, $3, $4, $5) UNION ALL"
      "  SELECT provider_name, object, NULL, NULL, NULL, cause, NULL, NULL, NULL, what_to_do, 0"
      "  FROM supaglue_internal.cause_without_sync($1, $2, $3, $4)) AS answers"
      " ORDER BY rank, provider_name, object",
      {text_arg(application), text_arg(customer), text_arg(provider), text_arg(object),
       text_arg(trouble())});
  return_rows(fcinfo);
  close_api(api);
  return static_cast<Datum>(0);
}
