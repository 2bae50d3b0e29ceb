// pg: the natural key of a connection. See connection_key.hpp.
#include "connection_key.hpp"

#include "pg.hpp"
#include "sql.hpp"

namespace supaglue {

int64 find_connection(const char *application_id, const char *customer_id,
                      const char *provider_name) {
  if (sql("SELECT c.id FROM supaglue_internal.connections c "
          "JOIN supaglue_internal.providers p ON p.id = c.provider_id "
          "WHERE c.application_id = $1 AND c.customer_id = $2 AND p.name = $3",
          {text_arg(application_id), text_arg(customer_id), text_arg(provider_name)}) > 0)
    return int_at(0, 1);
  ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                  errmsg("customer \"%s\" has no connection to \"%s\" in application \"%s\"",
                         customer_id, provider_name, application_id),
                  errhint("The view supaglue.connections lists what there is.")));
  pg_unreachable();
}

}  // namespace supaglue
