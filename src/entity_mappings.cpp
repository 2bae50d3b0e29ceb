// pg: entity_mappings(), set_entity_mapping(), delete_entity_mapping(): which object of a provider
// an entity is, and which of its fields are the entity's: for every customer, or for one instead.
#include "catalog.hpp"
#include "connection_key.hpp"
#include "pg.hpp"
#include "resource.hpp"
#include "sql.hpp"
#include "sync_rows.hpp"

using namespace supaglue;

static constexpr const char *kEntityMappings =
    R"(WITH mapped AS (
  SELECT e.id, e.name, e.config, o.config AS fetched, s.metadata,
    m.object_type, m.object, m.object_by, m.mappings, m.own_mappings
  FROM supaglue_internal.providers p
  JOIN supaglue_internal.entities e ON e.application_id = p.application_id
  CROSS JOIN LATERAL supaglue_internal.mapped_entity(e.id, p.id, $2) m
  LEFT JOIN supaglue_internal.objects o ON o.entity_id = e.id AND o.provider_id = p.id
  LEFT JOIN supaglue_internal.syncs s ON s.object_id = o.id AND s.connection_id = $2
  WHERE p.id = $1),
fields AS (
  SELECT mapped.*, position, field ->> 'name' AS field, field ->> 'type' AS type,
    mappings ->> (field ->> 'name') AS mapped_to, own_mappings ? (field ->> 'name') AS is_own,
    false AS additional
  FROM mapped, pg_catalog.jsonb_array_elements(config -> 'fields')
    WITH ORDINALITY AS listed (field, position)
  UNION ALL
  SELECT mapped.*, NULL, added.key, NULL, added.value, own_mappings ? added.key, true
  FROM mapped, pg_catalog.jsonb_each_text(mappings) AS added
  WHERE added.value IS NOT NULL
    AND NOT config -> 'fields' @> pg_catalog.jsonb_build_array(
      pg_catalog.jsonb_build_object('name', added.key)))
SELECT name, object_type, object, object_by, field, type, mapped_to,
  CASE WHEN is_own THEN 'customer' WHEN mapped_to IS NOT NULL THEN 'developer' END, additional,
  CASE WHEN object IS NULL OR mapped_to IS NULL THEN 'unmapped'
       WHEN additional AND NOT (config ->> 'allow_additional_field_mappings')::boolean
         THEN 'ignored'
       WHEN fetched -> 'exclude_fields' ? mapped_to THEN 'broken'
       WHEN metadata IS NULL THEN 'unchecked'
       WHEN mapped_to LIKE '/%' OR metadata -> 'fields' @> pg_catalog.jsonb_build_array(
         pg_catalog.jsonb_build_object('name', mapped_to)) THEN 'ok'
       ELSE 'broken' END
FROM fields ORDER BY id, additional, position, field)";

namespace {

char *optional_text(FunctionCallInfo fcinfo, int argument) {
  return PG_ARGISNULL(argument) ? nullptr : text_to_cstring(PG_GETARG_TEXT_PP(argument));
}

int64 find_provider(const char *application, const char *name, const char *lock) {
  if (sql(format("SELECT id FROM supaglue_internal.providers "
                 "WHERE application_id = $1 AND name = $2 %s",
                 lock),
          {text_arg(application), text_arg(name)}) > 0)
    return int_at(0, 1);
  ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                  errmsg("provider \"%s\" does not exist in application \"%s\"", name, application),
                  errhint("The view supaglue.providers lists what there is.")));
  pg_unreachable();
}

/// Whose mapping of what: the arguments of the functions that change one.
struct Target {
  int64 entity_id;
  const char *entity, *entity_config;
  int64 provider_id;
  const char *provider, *customer;
  int64 connection_id;  // 0: every customer's
};

Target lock_target(const char *entity, const char *provider, const char *customer,
                   const char *application) {
  Target target = {};
  target.provider_id = find_provider(application, provider, "FOR NO KEY UPDATE");
  if (sql("SELECT id, config::text FROM supaglue_internal.entities "
          "WHERE application_id = $1 AND name = $2 FOR KEY SHARE",
          {text_arg(application), text_arg(entity)}) == 0)
    ereport(ERROR,
            (errcode(ERRCODE_UNDEFINED_OBJECT),
             errmsg("entity \"%s\" does not exist in application \"%s\"", entity, application),
             errhint("The view supaglue.entities lists what there is.")));
  target.entity_id = int_at(0, 1);
  target.entity_config = text_at(0, 2);
  target.entity = entity;
  target.provider = provider;
  target.customer = customer;
  if (customer != nullptr) {
    target.connection_id = find_connection(application, customer, provider);
    sql("SELECT FROM supaglue_internal.connections WHERE id = $1 FOR KEY SHARE",
        {int_arg(target.connection_id)});
  }
  return target;
}

/// What the syncs of an entity of one provider read, each for its connection.
struct Reading {
  int64 sync_id;
  const char *object;    // null: not mapped
  const char *mappings;  // in one order, to be compared
};
struct Readings {
  Reading *all;
  int count;
};

Readings load_readings(const Target &target) {
  Readings readings;
  readings.count = static_cast<int>(
      sql("SELECT s.id, m.object_type || ' ' || m.object, m.mappings::text "
          "FROM supaglue_internal.syncs s "
          "JOIN supaglue_internal.objects o ON o.id = s.object_id "
          "CROSS JOIN LATERAL supaglue_internal.mapped_entity(o.entity_id, o.provider_id, "
          "  s.connection_id) m "
          "WHERE o.entity_id = $1 AND o.provider_id = $2 AND $3 IN (0, s.connection_id) "
          "ORDER BY s.id",
          {int_arg(target.entity_id), int_arg(target.provider_id), int_arg(target.connection_id)}));
  readings.all = static_cast<Reading *>(palloc(sizeof(Reading) * Max(readings.count, 1)));
  for (int i = 0; i < readings.count; ++i)
    readings.all[i] = {int_at(i, 1), text_at(i, 2), text_at(i, 3)};
  return readings;
}

// Another object's records are others: its sync starts over. Another mapping's are the same. The
// provider's row is locked, so that both lists are of the same syncs.
void follow(const Target &target, const Readings &before) {
  const Readings after = load_readings(target);
  SyncList restarted = {static_cast<int64 *>(palloc(sizeof(int64) * Max(after.count, 1))), 0};
  SyncList remapped = {static_cast<int64 *>(palloc(sizeof(int64) * Max(after.count, 1))), 0};
  for (int i = 0; i < after.count; ++i) {
    const Reading &was = before.all[i], &is = after.all[i];
    if (!same_text(was.object, is.object))
      restarted.ids[restarted.count++] = is.sync_id;
    else if (!same_text(was.mappings, is.mappings))
      remapped.ids[remapped.count++] = is.sync_id;
  }
  restart_syncs(restarted);
  remap_syncs(remapped);
}

constexpr const char *kOne =
    "entity_id = $1 AND provider_id = $2 AND coalesce(connection_id, 0) = $3";

/// A mapping as it is stored, or shall be.
struct Mapping {
  const char *object_type, *object;  // null: everybody's
  const char *mappings;              // JSON
};

Mapping load_mapping(const Target &target, int64 connection_id) {
  if (sql(format(
              "SELECT object_type, object, mappings::text FROM supaglue_internal.entity_mappings "
              "WHERE %s",
              kOne),
          {int_arg(target.entity_id), int_arg(target.provider_id), int_arg(connection_id)}) == 0)
    return {nullptr, nullptr, "{}"};
  return {text_at(0, 1), text_at(0, 2), text_at(0, 3)};
}

void store_mapping(const Target &target, const Mapping &mapping) {
  sql(format("DELETE FROM supaglue_internal.entity_mappings WHERE %s", kOne),
      {int_arg(target.entity_id), int_arg(target.provider_id), int_arg(target.connection_id)});
  sql("INSERT INTO supaglue_internal.entity_mappings "
      "(entity_id, provider_id, connection_id, object_type, object, mappings) "
      "VALUES ($1, $2, nullif($3, 0), $4, $5, $6::jsonb)",
      {int_arg(target.entity_id), int_arg(target.provider_id), int_arg(target.connection_id),
       text_arg(mapping.object_type), text_arg(mapping.object), text_arg(mapping.mappings)});
}

// For guard bodies. A null is kept where it unmaps what everybody's mapping has.
Json merged_mappings(const Json &current, const Json &given, const Json &everybodys) {
  Json merged = current;
  for (const auto &[field, mapped] : given.items()) {
    if (mapped.is_null() && !everybodys.contains(field))
      merged.erase(field);
    else
      merged[field] = mapped;
  }
  return merged;
}

Mapping patched_mapping(const Target &target, const char *document) {
  Mapping mapping = load_mapping(target, target.connection_id);
  const char *everybodys = target.connection_id == 0 ? "{}" : load_mapping(target, 0).mappings;
  const char *current = mapping.mappings;
  auto *given = make_in<Json>(CurrentMemoryContext);
  mapping.mappings = guarded_text([&] {
    *given = read_entity_mapping(document, target.provider);
    if (!given->contains("mappings")) return std::string(current);
    const Json &fields = (*given)["mappings"];
    if (fields.is_null()) return std::string("{}");
    const Json own = Json::parse(current), every = Json::parse(everybodys);
    Json known = every;
    known.update(own);
    check_mappings(fields, known, Json::parse(target.entity_config),
                   std::string("entity \"") + target.entity + '"');
    return merged_mappings(own, fields, every).dump();
  });
  const auto text = [&](const char *key) {
    return guard([&]() -> const char * {
      const Json &value = (*given)[key];
      return value.is_string() ? value.get_ref<const std::string &>().c_str() : nullptr;
    });
  };
  if (guard([&] { return given->contains("object"); })) {
    mapping.object_type = text("object_type");
    mapping.object = text("object");
  }
  return mapping;
}

}  // namespace

SUPAGLUE_FUNCTION(supaglue_entity_mappings) {
  const char *customer = optional_text(fcinfo, 0);
  const char *provider = text_argument(fcinfo, 1, "provider_name");
  const char *application = application_of(fcinfo, 2);
  const Api api = open_api();
  const int64 connection_id =
      customer == nullptr ? 0 : find_connection(application, customer, provider);
  const int64 provider_id = find_provider(application, provider, "");
  sql(kEntityMappings, {int_arg(provider_id), int_arg(connection_id)});
  return_rows(fcinfo);
  close_api(api);
  return static_cast<Datum>(0);
}

SUPAGLUE_FUNCTION(supaglue_set_entity_mapping) {
  const char *entity = text_argument(fcinfo, 0, "entity_name");
  const char *provider = text_argument(fcinfo, 1, "provider_name");
  const char *document = document_argument(fcinfo, 2, "mapping");
  const char *customer = optional_text(fcinfo, 3);
  const char *application = application_of(fcinfo, 4);
  const Api api = open_api();
  const Target target = lock_target(entity, provider, customer, application);
  const Readings before = load_readings(target);
  const Mapping mapping = patched_mapping(target, document);
  if (customer == nullptr && mapping.object == nullptr)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("missing key \"object\" in entity mapping"),
                    errdetail("What is for every customer names the object, too."),
                    errhint("To end the mapping, call supaglue.delete_entity_mapping().")));
  store_mapping(target, mapping);
  follow(target, before);
  close_api(api);
  PG_RETURN_VOID();
}

SUPAGLUE_FUNCTION(supaglue_delete_entity_mapping) {
  const char *entity = text_argument(fcinfo, 0, "entity_name");
  const char *provider = text_argument(fcinfo, 1, "provider_name");
  const char *customer = optional_text(fcinfo, 2);
  const char *application = application_of(fcinfo, 3);
  const Api api = open_api();
  const Target target = lock_target(entity, provider, customer, application);
  const Readings before = load_readings(target);
  if (sql(format("DELETE FROM supaglue_internal.entity_mappings WHERE %s", kOne),
          {int_arg(target.entity_id), int_arg(target.provider_id),
           int_arg(target.connection_id)}) == 0)
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                    customer == nullptr
                        ? errmsg("entity \"%s\" has no mapping to \"%s\" for every customer",
                                 entity, provider)
                        : errmsg("entity \"%s\" has no mapping to \"%s\" of customer \"%s\"",
                                 entity, provider, customer)));
  follow(target, before);
  close_api(api);
  PG_RETURN_VOID();
}
