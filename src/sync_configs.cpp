// pg: create_sync_config(), update_sync_config(), delete_sync_config(), destination_ddl().
#include "catalog.hpp"
#include "live.hpp"
#include "pg.hpp"
#include "placement.hpp"
#include "resource.hpp"
#include "settings.hpp"
#include "sql.hpp"
#include "sync_configs.hpp"
#include "sync_rows.hpp"
#include "table.hpp"

using namespace supaglue;

namespace {

/// A sync config's document with what it refers to.
struct Wanted {
  Resource *resource;
  Reference provider;
  Reference destination;
  const char *name;
  const char *config;  // what is stored of it
};

// The schemas and entities of an application; none of them goes or changes before the transaction
// ends.
Templates *load_templates(const char *application_id) {
  sql("SELECT (SELECT pg_catalog.jsonb_object_agg(name, config)"
      "  FROM (SELECT name, config FROM supaglue_internal.schemas"
      "        WHERE application_id = $1 ORDER BY id FOR KEY SHARE) AS schemas)::text,"
      " (SELECT pg_catalog.jsonb_object_agg(name,"
      "         pg_catalog.jsonb_build_object('id', id, 'config', config))"
      "  FROM (SELECT id, name, config FROM supaglue_internal.entities"
      "        WHERE application_id = $1 ORDER BY id FOR KEY SHARE) AS entities)::text",
      {text_arg(application_id)});
  const char *schemas = text_at(0, 1), *entities = text_at(0, 2);
  auto *templates = make_in<Templates>(CurrentMemoryContext);
  guard([&] {
    if (schemas != nullptr) templates->schemas = Json::parse(schemas);
    if (entities != nullptr) templates->entities = Json::parse(entities);
  });
  return templates;
}

Wanted read_wanted(const char *document) {
  Wanted wanted;
  // What the provider is must be known before its objects can be named exactly.
  wanted.resource = read_resource([&] { return read_sync_config(document); });
  wanted.provider = resolve(kProvider, wanted.resource, "provider_id", "provider_name");
  const char *provider_name = wanted.provider.name;
  const Templates *templates = load_templates(wanted.resource->application_id);
  wanted.resource =
      read_resource([&] { return read_sync_config(document, provider_name, templates); });
  wanted.destination = resolve(kDestination, wanted.resource, "destination_id", "destination_name");
  if (wanted.resource->name[0] == '\0') wanted.resource->name = provider_name;
  wanted.config = guarded_text([&] {
    const Json &plain = wanted.resource->document->plain;
    return Json{{"default_config", plain["default_config"]}, {"objects", plain["objects"]}}.dump();
  });
  return wanted;
}

void require_unsynced(const Wanted &wanted, int64 own_id) {
  // A provider's own objects are of one name space, standard or custom.
  if (sql("SELECT o.object, c.name FROM supaglue_internal.objects o "
          "JOIN supaglue_internal.sync_configs c ON c.id = o.sync_config_id "
          "JOIN pg_catalog.jsonb_array_elements($3::jsonb -> 'objects') AS item "
          "  ON item ->> 'object' = o.object AND pg_catalog.replace(item ->> 'object_type', "
          "    'custom', 'standard') = pg_catalog.replace(o.object_type, 'custom', 'standard') "
          "WHERE o.provider_id = $1 AND c.id <> $2 ORDER BY o.id LIMIT 1",
          {int_arg(wanted.provider.id), int_arg(own_id), text_arg(wanted.config)}) > 0)
    ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT),
                    errmsg("\"%s\" of provider \"%s\" is synced by sync config \"%s\" already",
                           text_at(0, 1), wanted.provider.name, text_at(0, 2)),
                    errhint("An object is in at most one sync config of an application.")));
}

/// One object of the document, as it is stored.
struct Item {
  const char *object_type, *object, *table_name, *config, *schema;
};

// It is updated where the sync config has it: started over when its table is another, its columns
// computed anew when they are others; else made.
void write_object(int64 id, const Wanted &wanted, const Item &item) {
  const char *application = wanted.resource->application_id;
  if (sql("SELECT o.id, o.table_name <> $4, o.config -> 'columns' IS DISTINCT FROM $5::jsonb -> "
          "  'columns' OR s.name IS DISTINCT FROM $6, "
          "(o.config -> 'fields', o.config -> 'exclude_fields') IS DISTINCT FROM "
          "  ($5::jsonb -> 'fields', $5::jsonb -> 'exclude_fields') "
          "FROM supaglue_internal.objects o "
          "LEFT JOIN supaglue_internal.schemas s ON s.id = o.schema_id "
          "WHERE o.sync_config_id = $1 AND o.object_type = $2 AND o.object = $3",
          {int_arg(id), text_arg(item.object_type), text_arg(item.object),
           text_arg(item.table_name), text_arg(item.config), text_arg(item.schema)}) == 0) {
    sql("INSERT INTO supaglue_internal.objects (sync_config_id, provider_id, object_type, object, "
        "  table_name, config, schema_id, entity_id) VALUES ($1, $2, $3, $4, $5, $6::jsonb, "
        "(SELECT id FROM supaglue_internal.schemas WHERE application_id = $7 AND name = $8), "
        "(SELECT id FROM supaglue_internal.entities "
        " WHERE application_id = $7 AND name = $4 AND $3 = 'entity'))",
        {int_arg(id), int_arg(wanted.provider.id), text_arg(item.object_type),
         text_arg(item.object), text_arg(item.table_name), text_arg(item.config),
         text_arg(application), text_arg(item.schema)});
    return;
  }
  const int64 object_id = int_at(0, 1);
  const bool moved = bool_at(0, 2), reshaped = bool_at(0, 3), fetches_otherwise = bool_at(0, 4);
  sql("UPDATE supaglue_internal.objects SET table_name = $2, config = $3::jsonb, schema_id = "
      "(SELECT id FROM supaglue_internal.schemas WHERE application_id = $4 AND name = $5) "
      "WHERE id = $1",
      {int_arg(object_id), text_arg(item.table_name), text_arg(item.config), text_arg(application),
       text_arg(item.schema)});
  if (fetches_otherwise) refetch_syncs(object_id);
  if (moved)
    restart_syncs(find_syncs({.object_id = object_id}));
  else if (reshaped)
    remap_syncs(find_syncs({.object_id = object_id}));
}

void write_objects(int64 id, const Wanted &wanted) {
  const uint64 count = sql(
      "SELECT item ->> 'object_type', item ->> 'object', item ->> 'table', ((item -> 'config') || "
      "  pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('columns', item -> 'columns', "
      "    'fields', item -> 'fields', 'exclude_fields', item -> 'exclude_fields')))::text, "
      "  item ->> 'schema' "
      "FROM pg_catalog.jsonb_array_elements($1::jsonb -> 'objects') AS item",
      {text_arg(wanted.config)});
  SPITupleTable *items = SPI_tuptable;
  for (uint64 i = 0; i < count; ++i) {
    SPI_tuptable = items;
    Item item = {text_at(i, 1), text_at(i, 2), text_at(i, 3), text_at(i, 4), text_at(i, 5)};
    if (item.table_name == nullptr)
      item.table_name = default_table_name(wanted.provider.name, item.object_type, item.object);
    write_object(id, wanted, item);
  }
}

// What stands at the destination and in the foreign side, by the stored rows.
void place(int64 id) {
  require_own_tables(id);
  make_tables(id);
  make_twins(id);
}

// Everything that follows from the stored rows.
void put_into_effect(int64 id, int64 provider_id) {
  place(id);
  make_missing_syncs(provider_id);
  sql("SELECT pg_catalog.min((config ->> 'period_ms')::bigint) FROM supaglue_internal.objects "
      "WHERE sync_config_id = $1",
      {int_arg(id)});
  if (!null_at(0, 1) && int_at(0, 1) < settings.min_period_ms)
    ereport(NOTICE,
            (errmsg("period_ms " INT64_FORMAT " is below supaglue.min_period_ms", int_at(0, 1)),
             errdetail("Syncs start at most every %d ms.", settings.min_period_ms)));
}

}  // namespace

Resource *supaglue::read_wanted_sync_config(const char *document) {
  const Wanted wanted = read_wanted(document);
  auto *named = make_in<Document>(CurrentMemoryContext);
  guard([&] {
    *named = *wanted.resource->document;
    named->name = wanted.resource->name;
    for (const char *key : {"destination_id", "provider_id"}) named->plain.erase(key);
    named->plain["destination_name"] = wanted.destination.name;
    named->plain["provider_name"] = wanted.provider.name;
  });
  return resource_of(named);
}

SUPAGLUE_FUNCTION(supaglue_create_sync_config) {
  const char *document = document_argument(fcinfo, 0, "config");
  const Api api = open_api();
  const Wanted wanted = read_wanted(document);
  require_new_name(kSyncConfig, wanted.resource, 0);
  require_unsynced(wanted, 0);
  claim_installation();
  const int64 id = take_id(kSyncConfig, wanted.resource->id);
  sql("INSERT INTO supaglue_internal.sync_configs "
      "(id, application_id, name, provider_id, destination_id, config, owner) "
      "VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7::oid)",
      {int_arg(id), text_arg(wanted.resource->application_id), text_arg(wanted.resource->name),
       int_arg(wanted.provider.id), int_arg(wanted.destination.id), text_arg(wanted.config),
       int_arg(static_cast<int64>(api.caller))});
  write_objects(id, wanted);
  put_into_effect(id, wanted.provider.id);
  close_api(api);
  PG_RETURN_INT64(id);
}

namespace {

struct Stored {
  Resource *resource;
  int64 provider_id;
  char *provider_name;
  int64 destination_id;
  Oid owner;
};

Stored load_sync_config(int64 id, Oid caller) {
  // The provider's row first, as everywhere, so that nobody makes a connection meanwhile.
  if (sql("SELECT FROM supaglue_internal.providers WHERE id = "
          "(SELECT provider_id FROM supaglue_internal.sync_configs WHERE id = $1) FOR NO KEY "
          "UPDATE",
          {int_arg(id)}) == 0)
    no_such(kSyncConfig, id);
  require_owner(id, caller);
  sql("SELECT c.application_id, c.name, (c.config || pg_catalog.jsonb_build_object("
      "  'destination_id', c.destination_id, 'provider_name', p.name))::text, p.id, p.name, "
      "  c.destination_id, c.owner "
      "FROM supaglue_internal.sync_configs c "
      "JOIN supaglue_internal.providers p ON p.id = c.provider_id WHERE c.id = $1 FOR UPDATE OF c",
      {int_arg(id)});
  const char *application = text_at(0, 1), *name = text_at(0, 2), *plain = text_at(0, 3);
  Stored stored = {nullptr, int_at(0, 4), text_at(0, 5), int_at(0, 6),
                   static_cast<Oid>(int_at(0, 7))};
  stored.resource = stored_resource(kSyncConfig, id, application, name, plain, nullptr);
  return stored;
}

/// The objects of a sync config as they were before a change.
struct Objects {
  int64 *ids;
  char **tables;
  int count;
};

// Those that a document no longer has; with a null `config`, and for `all`, every one.
Objects load_objects(int64 id, const char *config) {
  Objects objects;
  objects.count = static_cast<int>(
      sql("SELECT id, table_name FROM supaglue_internal.objects o WHERE sync_config_id = $1 "
          "AND ($2 IS NULL OR NOT EXISTS ("
          "  SELECT FROM pg_catalog.jsonb_array_elements($2::jsonb -> 'objects') AS item "
          "  WHERE item ->> 'object_type' = o.object_type AND item ->> 'object' = o.object)) "
          "ORDER BY id",
          {int_arg(id), text_arg(config)}));
  objects.ids = static_cast<int64 *>(palloc(sizeof(int64) * Max(objects.count, 1)));
  objects.tables = static_cast<char **>(palloc(sizeof(char *) * Max(objects.count, 1)));
  for (int i = 0; i < objects.count; ++i) {
    objects.ids[i] = int_at(i, 1);
    objects.tables[i] = text_at(i, 2);
  }
  return objects;
}

void require_force(const Objects &ended, bool force, const char *what) {
  const SyncCount count = count_syncs(ended.ids, ended.count);
  if (force || count.syncs == 0) return;
  ereport(ERROR,
          (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
           errmsg("%s would end %s of %s", what, counted(count.syncs, "sync"),
                  counted(count.customers, "customer")),
           errdetail("Tables and rows would stay."), errhint("Pass force => true to end them.")));
}

void end_objects(const Objects &ended) {
  for (int i = 0; i < ended.count; ++i) stop_runs(find_syncs({.object_id = ended.ids[i]}));
  sql("DELETE FROM supaglue_internal.objects WHERE id = ANY ($1)",
      {ints_arg(ended.ids, ended.count)});
}

void drop_unused_twins(const Objects &before, const Stored &stored) {
  for (int i = 0; i < before.count; ++i)
    drop_unused_twin(stored.owner, stored.provider_name, before.tables[i]);
}

bool force_argument(FunctionCallInfo fcinfo, int argument) {
  return !PG_ARGISNULL(argument) && PG_GETARG_BOOL(argument);
}

}  // namespace

void supaglue::refresh_sync_config(int64 id, Oid caller) {
  const Stored stored = load_sync_config(id, caller);
  read_wanted(patched_document(kSyncConfig, stored.resource, "{}"));
  place(id);
}

SUPAGLUE_FUNCTION(supaglue_update_sync_config) {
  const int64 id = int_argument(fcinfo, 0, "id");
  const char *patch = document_argument(fcinfo, 1, "config");
  const Api api = open_api();
  const Stored stored = load_sync_config(id, api.caller);
  const Wanted wanted = read_wanted(patched_document(kSyncConfig, stored.resource, patch));
  require_same_identity(kSyncConfig, stored.resource, wanted.resource);
  if (wanted.provider.id != stored.provider_id)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("the provider of a sync config cannot change"),
                    errhint("Create another sync config.")));
  require_new_name(kSyncConfig, wanted.resource, id);
  require_unsynced(wanted, id);
  const Objects before = load_objects(id, nullptr), ended = load_objects(id, wanted.config);
  require_force(ended, force_argument(fcinfo, 2), "the change");
  end_objects(ended);
  sql("UPDATE supaglue_internal.sync_configs SET name = $2, destination_id = $3, config = "
      "$4::jsonb WHERE id = $1",
      {int_arg(id), text_arg(wanted.resource->name), int_arg(wanted.destination.id),
       text_arg(wanted.config)});
  write_objects(id, wanted);
  put_into_effect(id, stored.provider_id);
  drop_unused_twins(before, stored);
  if (wanted.destination.id != stored.destination_id)
    restart_syncs(find_syncs({.sync_config_id = id}));
  reschedule_syncs(id);
  close_api(api);
  PG_RETURN_VOID();
}

SUPAGLUE_FUNCTION(supaglue_delete_sync_config) {
  const int64 id = int_argument(fcinfo, 0, "id");
  const Api api = open_api();
  const Stored stored = load_sync_config(id, api.caller);
  const Objects all = load_objects(id, nullptr);
  require_force(all, force_argument(fcinfo, 1), "deleting the sync config");
  end_objects(all);
  sql("DELETE FROM supaglue_internal.sync_configs WHERE id = $1", {int_arg(id)});
  drop_unused_twins(all, stored);
  close_api(api);
  PG_RETURN_VOID();
}

SUPAGLUE_FUNCTION(supaglue_destination_ddl) {
  const int64 id = int_argument(fcinfo, 0, "id");
  const MemoryContext caller = CurrentMemoryContext;
  const Api api = open_api();
  if (sql("SELECT d.config ->> 'schema', d.config ? 'host' FROM supaglue_internal.sync_configs c "
          "JOIN supaglue_internal.destinations d ON d.id = c.destination_id WHERE c.id = $1",
          {int_arg(id)}) == 0)
    no_such(kSyncConfig, id);
  const char *schema = text_at(0, 1);
  const bool remote = bool_at(0, 2);
  const Objects objects = load_objects(id, nullptr);
  MemoryContextSwitchTo(caller);  // the text must outlive SPI's memory
  StringInfoData ddl;
  initStringInfo(&ddl);
  for (int i = 0; i < objects.count; ++i)
    appendStringInfo(
        &ddl, "%s%s", i == 0 ? "" : "\n",
        table_ddl(schema, objects.tables[i], load_projection(objects.ids[i], 0, nullptr)));
  if (remote && objects.count > 0) appendStringInfo(&ddl, "\n%s", syncs_table_ddl(schema));
  const Datum script = CStringGetTextDatum(ddl.data);
  close_api(api);
  return script;
}
