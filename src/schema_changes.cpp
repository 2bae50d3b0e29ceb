// pg: the record of drift. See schema_changes.hpp.
#include "drift.hpp"

#include "schema_changes.hpp"

#include "pg.hpp"
#include "sql.hpp"

namespace supaglue {

SchemaChanges write_schema_changes(const Sync *sync, const Run *run) {
  SchemaChanges found = {};
  // A sync that starts over may read another object, or from another account.
  if (run->metadata == nullptr || sync->metadata == nullptr || strcmp(sync->phase, "created") == 0)
    return found;
  char *changes = guarded_text([&] {
    const Json changed = drift(sync->metadata, run->metadata);
    found.reads_more = reads_more(changed, sync->config);
    return changed.empty() ? std::string() : changed.dump();
  });
  if (changes[0] == '\0') return found;
  found.changes = changes;
  sql("INSERT INTO supaglue_internal.schema_changes (sync_id, run_id, application_id, customer_id, "
      "provider_name, object_type, object, change, field, old_type, new_type) "
      "SELECT $1, $2, $3, $4, $5, $6, $7, c.change, c.field, c.old_type, c.new_type "
      "FROM pg_catalog.jsonb_to_recordset($8::jsonb) "
      "AS c (change text, field text, old_type text, new_type text) ORDER BY c.field",
      {int_arg(sync->id), int_arg(run->id), text_arg(sync->application_id),
       text_arg(sync->customer_id), text_arg(sync->provider_name), text_arg(sync->object_type),
       text_arg(sync->object), text_arg(changes)});
  return found;
}

}  // namespace supaglue
