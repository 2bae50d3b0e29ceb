// pg: the rows of connections. See connection_rows.hpp.
#include "connection_rows.hpp"

#include "catalog.hpp"
#include "pg.hpp"
#include "resource.hpp"
#include "revocation.hpp"
#include "sql.hpp"
#include "sync_rows.hpp"

namespace supaglue {

void require_customer(const char *application_id, const char *customer_id) {
  if (sql("SELECT FROM supaglue_internal.customers WHERE application_id = $1 AND customer_id = $2 "
          "FOR KEY SHARE",
          {text_arg(application_id), text_arg(customer_id)}) == 0)
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                    errmsg("customer \"%s\" does not exist in application \"%s\"", customer_id,
                           application_id),
                    errhint("Call supaglue.upsert_customer() first.")));
}

void insert_connection(int64 id, const ConnectionRow *row) {
  sql("INSERT INTO supaglue_internal.connections (id, application_id, customer_id, provider_id, "
      "config, account_id, account_name) "
      "VALUES ($1, $2, $3, $4, $5::jsonb, $6, $7)",
      {int_arg(id), text_arg(row->application_id), text_arg(row->customer_id),
       int_arg(row->provider_id), text_arg(row->config), text_arg(row->account_id),
       text_arg(row->account_name)});
  sql("INSERT INTO supaglue_internal.tokens (connection_id, secret, base_url, expires_at, "
      "refreshed_at) "
      "VALUES ($1, $2, $3, $4, CASE WHEN $5 THEN pg_catalog.clock_timestamp() END)",
      {int_arg(id), sealed_arg(kConnection, id, row->secret), text_arg(row->base_url),
       time_arg(row->expires_at), bool_arg(row->granted)});
  write_connection_event("connection.created", row->application_id, row->customer_id,
                         row->provider_name, id);
  make_syncs_of(id);
}

void replace_credentials(int64 id, const ConnectionRow *row) {
  sql("UPDATE supaglue_internal.tokens SET secret = $2, generation = generation + 1, "
      "base_url = $3, expires_at = $4, "
      "refreshed_at = CASE WHEN $5 THEN pg_catalog.clock_timestamp() ELSE refreshed_at END "
      "WHERE connection_id = $1",
      {int_arg(id), sealed_arg(kConnection, id, row->secret), text_arg(row->base_url),
       time_arg(row->expires_at), bool_arg(row->granted)});
  readmit_connection(id);
  unpark_connection(id);
}

Whose end_connection(int64 id, bool erase, bool revoke) {
  stop_runs(find_syncs({.connection_id = id}));
  if (sql("SELECT c.application_id, c.customer_id, p.name FROM supaglue_internal.connections c "
          "JOIN supaglue_internal.providers p ON p.id = c.provider_id WHERE c.id = $1 "
          "FOR UPDATE OF c",
          {int_arg(id)}) == 0)
    no_such(kConnection, id);
  const Whose whose = {text_at(0, 1), text_at(0, 2), text_at(0, 3)};
  if (revoke) queue_revocation(id, &whose);
  if (erase) erase_records(&whose);
  sql("DELETE FROM supaglue_internal.connections WHERE id = $1", {int_arg(id)});
  if (erase) erase_orphans();
  write_connection_event("connection.deleted", whose.application_id, whose.customer_id,
                         whose.provider_name, id);
  return whose;
}

void write_connection_event(const char *kind, const char *application_id, const char *customer_id,
                            const char *provider_name, int64 id) {
  write_event(kind, application_id, customer_id, provider_name, 0, 0,
              format("{\"connection_id\": " INT64_FORMAT "}", id));
}

}  // namespace supaglue
