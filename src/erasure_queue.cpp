// pg: erasures that wait for their destination. See erasure_queue.hpp.
#include "erasure_queue.hpp"

#include "destination.hpp"
#include "pg.hpp"
#include "sql.hpp"
#include "sync_rows.hpp"
#include "worker.hpp"

namespace supaglue {

namespace {

constexpr int64 kLookMs = 60'000;

const char *message_of(const ErrorData *error) {
  if (error->detail == nullptr || error->detail[0] == '\0') return error->message;
  return format("%s: %s", error->message, error->detail);
}

/// The syncs that have written there for the customer since: what they know of their rows is void.
SyncList syncs_at(int64 destination_id, const Whose *whose) {
  SyncList syncs;
  syncs.count = static_cast<int>(
      sql("SELECT s.id FROM supaglue_internal.syncs s"
          " JOIN supaglue_internal.connections c ON c.id = s.connection_id"
          " JOIN supaglue_internal.providers p ON p.id = c.provider_id"
          " JOIN supaglue_internal.objects o ON o.id = s.object_id"
          " JOIN supaglue_internal.sync_configs k ON k.id = o.sync_config_id"
          " WHERE c.application_id = $1 AND c.customer_id = $2 AND p.name = coalesce($3, p.name)"
          " AND k.destination_id = $4 ORDER BY s.id",
          {text_arg(whose->application_id), text_arg(whose->customer_id),
           text_arg(whose->provider_name), int_arg(destination_id)}));
  syncs.ids = static_cast<int64 *>(palloc(sizeof(int64) * Max(syncs.count, 1)));
  for (int i = 0; i < syncs.count; ++i) syncs.ids[i] = int_at(i, 1);
  return syncs;
}

// A crash between the two commits does it again, which does no harm.
void erase_queued(int64 id) {
  if (sql("SELECT e.application_id, e.customer_id, e.provider_name, e.destination_id, e.asked_by,"
          " d.name, d.config ->> 'schema' FROM supaglue_internal.erasures e"
          " JOIN supaglue_internal.destinations d ON d.id = e.destination_id"
          " WHERE e.id = $1 FOR UPDATE OF e SKIP LOCKED",
          {int_arg(id)}) == 0)
    return;
  const Whose whose = {text_at(0, 1), text_at(0, 2), text_at(0, 3)};
  const int64 destination_id = int_at(0, 4);
  const Oid asked_by = static_cast<Oid>(int_at(0, 5));
  const char *name = text_at(0, 6), *schema = text_at(0, 7);
  const SyncList syncs = syncs_at(destination_id, &whose);
  stop_runs(syncs);
  Destination *there = open_destination(destination_id, role_at(destination_id, asked_by));
  there->begin();
  if (erase_at(there, name, schema, &whose) != NIL) restart_syncs(syncs);
  there->commit();
  sql("DELETE FROM supaglue_internal.erasures WHERE id = $1", {int_arg(id)});
}

void postpone(int64 id, const ErrorData *error) {
  if (sql("SELECT attempts + 1 FROM supaglue_internal.erasures WHERE id = $1", {int_arg(id)}) == 0)
    return;
  const int attempts = static_cast<int>(int_at(0, 1));
  sql("UPDATE supaglue_internal.erasures SET attempts = $2, next_attempt_at = $3, last_error = $4"
      " WHERE id = $1",
      {int_arg(id), int_arg(attempts),
       time_arg(time_of_ms(retry_at(now_ms(), Min(attempts, 20), 0, jitter()))),
       text_arg(message_of(error))});
}

}  // namespace

void queue_erasure(int64 destination_id, const Whose *whose, Oid asked_by, const ErrorData *error) {
  const std::initializer_list<Arg> args = {text_arg(whose->application_id),
                                           text_arg(whose->customer_id),
                                           text_arg(whose->provider_name),
                                           int_arg(destination_id),
                                           int_arg(asked_by),
                                           text_arg(message_of(error))};
  sql("INSERT INTO supaglue_internal.erasures (what, application_id, customer_id, provider_name,"
      " destination_id, asked_by, last_error, attempts)"
      " SELECT 'rows', $1, $2, $3, $4, $5::oid::regrole, $6, 1"
      " WHERE NOT EXISTS (SELECT FROM supaglue_internal.erasures WHERE application_id = $1"
      "   AND customer_id = $2 AND provider_name IS NOT DISTINCT FROM $3 AND destination_id = $4)",
      args);
  wake_at_commit(WorkerKind::kMerger);
}

int64 tend_erasures() {
  int64 id = 0, rest_ms = kLookMs;
  const Outcome looked = work([&] {
    if (sql("SELECT id, next_attempt_at FROM supaglue_internal.erasures WHERE what = 'rows'"
            " ORDER BY next_attempt_at LIMIT 1") == 0)
      return;
    const int64 wait_ms = ms_of_time(time_at(0, 2)) - now_ms();
    if (wait_ms > 0)
      rest_ms = Min(rest_ms, wait_ms);
    else
      id = int_at(0, 1);
  });
  if (!looked.done() || id == 0) return rest_ms;
  report_work(true, "erases rows of a customer");
  const Outcome tried = work([&] { erase_queued(id); });
  if (tried.error != nullptr && work([&] { postpone(id, tried.error); }).error != nullptr)
    return kLookMs;
  return 1;
}

}  // namespace supaglue
