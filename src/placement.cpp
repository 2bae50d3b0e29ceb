// pg: tables and live twins of sync configs. See placement.hpp.
#include "placement.hpp"

#include "destination.hpp"
#include "live.hpp"
#include "pg.hpp"
#include "resource.hpp"
#include "secret.hpp"
#include "sql.hpp"
#include "table.hpp"

namespace supaglue {

void require_owner(int64 sync_config_id, Oid role) {
  sql("SELECT owner, name FROM supaglue_internal.sync_configs WHERE id = $1",
      {int_arg(sync_config_id)});
  const Oid owner = static_cast<Oid>(int_at(0, 1));
  const char *name = text_at(0, 2);
  if (!has_privs_of_role(role, owner))
    ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                    errmsg("must be able to act as the owner of sync config \"%s\"", name)));
  if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(owner)))
    sql("UPDATE supaglue_internal.sync_configs SET owner = $2::oid WHERE id = $1",
        {int_arg(sync_config_id), int_arg(static_cast<int64>(role))});
}

void require_own_tables(int64 sync_config_id) {
  // Two destinations may be the same place, and two applications may share the table of the same
  // object there.
  if (sql("WITH placed AS ("
          "  SELECT o.id, o.sync_config_id, o.object_type, o.object, o.table_name, p.name AS "
          "provider,"
          "         c.application_id, d.config ->> 'host' AS host, d.config ->> 'port' AS port,"
          "         d.config ->> 'database' AS database, d.config ->> 'schema' AS schema"
          "  FROM supaglue_internal.objects o"
          "  JOIN supaglue_internal.sync_configs c ON c.id = o.sync_config_id"
          "  JOIN supaglue_internal.providers p ON p.id = o.provider_id"
          "  JOIN supaglue_internal.destinations d ON d.id = c.destination_id)"
          "SELECT a.object, b.object, a.table_name FROM placed a JOIN placed b"
          "  ON a.id <> b.id AND a.table_name = b.table_name"
          "  AND (a.host, a.port, a.database, a.schema) IS NOT DISTINCT FROM"
          "      (b.host, b.port, b.database, b.schema)"
          "  AND (a.application_id = b.application_id"
          "       OR (a.provider, a.object_type, a.object) <> (b.provider, b.object_type, "
          "b.object)) "
          // What is normalized is one table for all providers.
          "  AND NOT (a.object_type IN ('common', 'entity') AND a.object_type = b.object_type"
          "           AND a.object = b.object AND a.provider <> b.provider) "
          "WHERE a.sync_config_id = $1 ORDER BY a.id, b.id LIMIT 1",
          {int_arg(sync_config_id)}) > 0)
    ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT),
                    errmsg("\"%s\" and \"%s\" would share the table \"%s\"", text_at(0, 1),
                           text_at(0, 2), text_at(0, 3)),
                    errhint("Give one of them another \"table\".")));
}

namespace {

struct Placed {
  int64 id;
  char *table_name;
  char *object_type;
  char *object;
};

struct Placement {
  Oid owner;
  int64 destination_id;
  char *destination_name;
  char *destination_config;
  bytea *destination_secret;
  bool remote;
  char *schema_name;
  char *provider_name;
  Placed *objects;
  int count;
};

Placement load_placement(int64 sync_config_id) {
  sql("SELECT c.owner, d.id, d.name, d.config::text, d.secret, d.config ? 'host', d.config ->> "
      "'schema', "
      "p.name FROM supaglue_internal.sync_configs c "
      "JOIN supaglue_internal.destinations d ON d.id = c.destination_id "
      "JOIN supaglue_internal.providers p ON p.id = c.provider_id WHERE c.id = $1",
      {int_arg(sync_config_id)});
  Placement placement = {static_cast<Oid>(int_at(0, 1)),
                         int_at(0, 2),
                         text_at(0, 3),
                         text_at(0, 4),
                         bytes_at(0, 5),
                         bool_at(0, 6),
                         text_at(0, 7),
                         text_at(0, 8),
                         nullptr,
                         0};
  placement.count = static_cast<int>(
      sql("SELECT id, table_name, object_type, object FROM supaglue_internal.objects "
          "WHERE sync_config_id = $1 ORDER BY id",
          {int_arg(sync_config_id)}));
  placement.objects = static_cast<Placed *>(palloc(sizeof(Placed) * Max(placement.count, 1)));
  for (int i = 0; i < placement.count; ++i)
    placement.objects[i] = {int_at(i, 1), text_at(i, 2), text_at(i, 3), text_at(i, 4)};
  return placement;
}

// Why nothing can be made at a remote destination now; null: it can.
const char *failure_of(const Placement &placement) {
  if (!placement.remote) return nullptr;
  const char *secret = placement.destination_secret == nullptr
                           ? nullptr
                           : unseal_secret(purpose_of(kDestination, placement.destination_id),
                                           placement.destination_secret);
  return destination_failure(placement.destination_name, placement.destination_config, secret,
                             placement.owner);
}

}  // namespace

namespace {

bool is_rehearsal = false;

struct Rehearsal {
  Rehearsal() { is_rehearsal = true; }
  ~Rehearsal() { is_rehearsal = false; }
};

}  // namespace

void rehearse_placement() { make_in<Rehearsal>(CurTransactionContext); }

void make_tables(int64 sync_config_id) {
  const Placement placement = load_placement(sync_config_id);
  if (placement.count == 0 || (placement.remote && is_rehearsal)) return;
  if (const char *failure = failure_of(placement); failure != nullptr) {
    ereport(WARNING,
            (errmsg("destination \"%s\" cannot be used now", placement.destination_name),
             errdetail_internal("%s", failure), errhint("Its tables are made at the first run.")));
    return;
  }
  Destination *destination = join_destination(placement.destination_id, placement.owner);
  for (int i = 0; i < placement.count; ++i)
    ensure_table(destination, placement.schema_name, placement.objects[i].table_name,
                 load_projection(placement.objects[i].id, 0, nullptr));
}

void make_twins(int64 sync_config_id) {
  const Placement placement = load_placement(sync_config_id);
  for (int i = 0; i < placement.count; ++i) {
    const Placed &object = placement.objects[i];
    ensure_twin(placement.owner, placement.provider_name, object.table_name, object.object_type,
                object.object, load_projection(object.id, 0, nullptr));
  }
}

bool place_sync(Destination *destination, const Sync *sync, const char *metadata) {
  const Projection *projection = load_projection(sync->object_id, sync->connection_id, metadata);
  const bool made = ensure_table(destination, sync->schema_name, sync->table_name, projection);
  // A twin that is being read, or that its owner made otherwise, is no reason not to sync.
  const ErrorData *error = attempt([&] {
    ensure_twin(sync->owner, sync->provider_name, sync->table_name, sync->object_type, sync->object,
                projection);
  });
  if (error != nullptr)
    ereport(LOG, (errmsg("the live twin of table \"%s\" lacks columns", sync->table_name),
                  errdetail_internal("%s", error->message)));
  return made;
}

}  // namespace supaglue
