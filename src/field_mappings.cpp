// pg: field_mappings(), set_field_mappings(): what a customer means by the fields of the schemas
// that objects are synced with. The columns follow at each sync's next run.
#include "catalog.hpp"
#include "connection_key.hpp"
#include "pg.hpp"
#include "resource.hpp"
#include "sql.hpp"
#include "sync_rows.hpp"

using namespace supaglue;

// A field that is mapped is broken when it is not among what is fetched; until the provider has
// told which fields there are, nobody knows.
static constexpr const char *kFieldMappings =
    R"(WITH synced AS (
  SELECT o.id, o.object_type, o.object, o.config AS fetched, t.name AS schema_name, t.config,
    coalesce(m.mappings, '{}') AS mappings, s.metadata
  FROM supaglue_internal.connections c
  JOIN supaglue_internal.objects o ON o.provider_id = c.provider_id
  JOIN supaglue_internal.schemas t ON t.id = o.schema_id
  LEFT JOIN supaglue_internal.field_mappings m ON m.connection_id = c.id
    AND m.object_type = o.object_type AND m.object = o.object
  LEFT JOIN supaglue_internal.syncs s ON s.connection_id = c.id AND s.object_id = o.id
  WHERE c.id = $1),
fields AS (
  SELECT synced.*, position, field ->> 'name' AS field, field ->> 'type' AS type,
    coalesce(field ->> 'mapped_name', mappings ->> (field ->> 'name')) AS mapped_to,
    CASE WHEN field ? 'mapped_name' THEN 'developer'
         WHEN mappings ->> (field ->> 'name') IS NOT NULL THEN 'customer' END AS mapped_by,
    false AS additional
  FROM synced, pg_catalog.jsonb_array_elements(config -> 'fields')
    WITH ORDINALITY AS listed (field, position)
  UNION ALL
  SELECT synced.*, NULL, added.key, NULL, added.value, 'customer', true
  FROM synced, pg_catalog.jsonb_each_text(mappings) AS added
  WHERE added.value IS NOT NULL
    AND NOT config -> 'fields' @> pg_catalog.jsonb_build_array(
      pg_catalog.jsonb_build_object('name', added.key)))
SELECT object_type, object, schema_name, field, type, mapped_to, mapped_by, additional,
  CASE WHEN mapped_to IS NULL THEN 'unmapped'
       WHEN additional AND NOT (config ->> 'allow_additional_field_mappings')::boolean
         THEN 'ignored'
       WHEN fetched -> 'exclude_fields' ? mapped_to OR NOT fetched -> 'fields' ? mapped_to
         THEN 'broken'
       WHEN metadata IS NULL THEN 'unchecked'
       WHEN mapped_to LIKE '/%' OR metadata -> 'fields' @> pg_catalog.jsonb_build_array(
         pg_catalog.jsonb_build_object('name', mapped_to)) THEN 'ok'
       ELSE 'broken' END
FROM fields ORDER BY id, additional, position, field)";

SUPAGLUE_FUNCTION(supaglue_field_mappings) {
  const char *customer = text_argument(fcinfo, 0, "customer_id");
  const char *provider = text_argument(fcinfo, 1, "provider_name");
  const char *application = application_of(fcinfo, 2);
  const Api api = open_api();
  sql(kFieldMappings, {int_arg(find_connection(application, customer, provider))});
  return_rows(fcinfo);
  close_api(api);
  return static_cast<Datum>(0);
}

namespace {

/// The connection whose mappings are set.
struct Mapper {
  int64 connection_id;
  int64 provider_id;
  const char *provider_name;
};

/// The mappings of one object, as they are given.
struct Given {
  const char *object_type, *object;
  const char *mappings;  // JSON; null: none are left
};

[[noreturn]] void no_schema(const Mapper &mapper, const Given &given) {
  sql("SELECT pg_catalog.string_agg(pg_catalog.format('%s \"%s\"', object_type, object), ', ' "
      "ORDER BY id) FROM supaglue_internal.objects "
      "WHERE provider_id = $1 AND schema_id IS NOT NULL",
      {int_arg(mapper.provider_id)});
  const char *others = text_at(0, 1);
  ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                  errmsg("%s object \"%s\" of provider \"%s\" is not synced with a schema",
                         given.object_type, given.object, mapper.provider_name),
                  others != nullptr
                      ? errhint("With a schema are synced: %s.", others)
                      : errhint("A sync config gives an object a schema by the key \"schema\".")));
  pg_unreachable();
}

// What is never fetched cannot be mapped.
void require_fetched(const Given &given, const char *fetched) {
  if (sql("SELECT key, value FROM pg_catalog.jsonb_each_text($1::jsonb) WHERE value IS NOT NULL "
          "AND ($2::jsonb -> 'exclude_fields' ? value OR NOT $2::jsonb -> 'fields' ? value) "
          "ORDER BY key LIMIT 1",
          {text_arg(given.mappings), text_arg(fetched)}) > 0)
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
             errmsg("field \"%s\" cannot be mapped to \"%s\"", text_at(0, 1), text_at(0, 2)),
             errdetail("The sync config does not fetch that field of \"%s\".", given.object)));
}

void set_mappings(const Mapper &mapper, const Given &given) {
  if (sql("SELECT o.id, t.name, t.config::text, coalesce(m.mappings, '{}')::text, o.config::text "
          "FROM supaglue_internal.objects o "
          "JOIN supaglue_internal.schemas t ON t.id = o.schema_id "
          "LEFT JOIN supaglue_internal.field_mappings m ON m.connection_id = $4 "
          "  AND m.object_type = o.object_type AND m.object = o.object "
          "WHERE o.provider_id = $1 AND o.object_type = $2 AND o.object = $3",
          {int_arg(mapper.provider_id), text_arg(given.object_type), text_arg(given.object),
           int_arg(mapper.connection_id)}) == 0)
    no_schema(mapper, given);
  const int64 object_id = int_at(0, 1);
  const char *schema = text_at(0, 2), *config = text_at(0, 3), *current = text_at(0, 4),
             *fetched = text_at(0, 5);
  if (given.mappings != nullptr) {
    guard([&] {
      check_mappings(Json::parse(given.mappings), Json::parse(current), Json::parse(config),
                     std::string("schema \"") + schema + '"');
    });
    require_fetched(given, fetched);
  }
  if (sql("INSERT INTO supaglue_internal.field_mappings AS m "
          "(connection_id, object_type, object, mappings) "
          "VALUES ($1, $2, $3, pg_catalog.jsonb_strip_nulls(coalesce($4::jsonb, '{}'))) "
          "ON CONFLICT (connection_id, object_type, object) DO UPDATE SET mappings = CASE "
          "  WHEN $4 IS NULL THEN '{}' "
          "  ELSE pg_catalog.jsonb_strip_nulls(m.mappings || $4::jsonb) END "
          "RETURNING mappings <> $5::jsonb",
          {int_arg(mapper.connection_id), text_arg(given.object_type), text_arg(given.object),
           text_arg(given.mappings), text_arg(current)}) > 0 &&
      bool_at(0, 1))
    remap_syncs(find_syncs({.connection_id = mapper.connection_id, .object_id = object_id}));
}

}  // namespace

SUPAGLUE_FUNCTION(supaglue_set_field_mappings) {
  const char *customer = text_argument(fcinfo, 0, "customer_id");
  const char *provider = text_argument(fcinfo, 1, "provider_name");
  const char *document = document_argument(fcinfo, 2, "mappings");
  const char *application = application_of(fcinfo, 3);
  const Api api = open_api();
  Mapper mapper = {find_connection(application, customer, provider), 0, provider};
  // Kept from going, and from being given another schema meanwhile.
  sql("SELECT p.id FROM supaglue_internal.connections c "
      "JOIN supaglue_internal.providers p ON p.id = c.provider_id WHERE c.id = $1 "
      "FOR NO KEY UPDATE OF p FOR KEY SHARE OF c",
      {int_arg(mapper.connection_id)});
  mapper.provider_id = int_at(0, 1);
  const char *objects =
      guarded_text([&] { return read_field_mappings(document, provider).dump(); });
  const uint64 count =
      sql("SELECT item ->> 'object_type', item ->> 'object', item ->> 'mappings' "
          "FROM pg_catalog.jsonb_array_elements($1::jsonb) AS item",
          {text_arg(objects)});
  SPITupleTable *items = SPI_tuptable;
  for (uint64 i = 0; i < count; ++i) {
    SPI_tuptable = items;
    const Given given = {text_at(i, 1), text_at(i, 2), text_at(i, 3)};
    set_mappings(mapper, given);
  }
  close_api(api);
  PG_RETURN_VOID();
}
