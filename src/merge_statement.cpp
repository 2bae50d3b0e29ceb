// pg: the statements of a merge. See merge_statement.hpp.
//
// What holds the plans on the key's index, however large the table and old its statistics: each
// record is probed by a LATERAL subselect that OFFSET 0 keeps from being flattened; the rest of the
// key comes from the source row, not from a parameter, so that no plan can start from all rows of a
// customer; the destination plans with other paths off. The cast of a parameter stands in a
// subselect where it would be evaluated for every row.
#include "merge_statement.hpp"

#include "pg.hpp"
#include "sql.hpp"

namespace supaglue {

namespace {

/// Text for each column of a projection, with its quoted name and its number.
char *for_columns(const Projection *projection, const char *pattern_of_two) {
  StringInfoData text;
  initStringInfo(&text);
  for (int i = 0; i < projection->count; ++i) {
    const char *name = quote_identifier(projection->columns[i].name);
    for (const char *c = pattern_of_two; *c != '\0'; ++c) {
      if (*c == '@')
        appendStringInfoString(&text, name);
      else if (*c == '#')
        appendStringInfo(&text, "%d", i + 1);
      else
        appendStringInfoChar(&text, *c);
    }
  }
  return text.data;
}

/// ", <value> AS value_1, ..." over a row that has `raw` and `lookup`.
char *values_of(const Projection *projection) {
  StringInfoData text;
  initStringInfo(&text);
  for (int i = 0; i < projection->count; ++i)
    appendStringInfo(&text, ", %s AS value_%d", projection->columns[i].value, i + 1);
  appendStringInfo(&text, ", %s AS misfits", projection->misfits);
  return text.data;
}

// $1 application, $2 customer, $3 provider, $4 emitted_at; $9 lookup. $6 has the type that the
// destination gives an array of jsonb.
constexpr const char *kPage =
    R"(SELECT $1::text AS application, $2::text AS customer, $3::text AS provider,
         pg_catalog.unnest($5::text[]) AS id,
         pg_catalog.unnest($6)::jsonb AS raw,
         pg_catalog.unnest($7::timestamptz[]) AS modified,
         pg_catalog.unnest($8::boolean[]) AS deleted)";

constexpr const char *kColumns =
    R"(_supaglue_application_id, _supaglue_customer_id, _supaglue_provider_name, id,
    _supaglue_emitted_at, _supaglue_is_deleted, _supaglue_raw_data, _supaglue_last_modified_at)";

/// What is stored of each record of a page.
char *stored_beside_page(const char *table) {
  return format(
      R"(LEFT JOIN LATERAL (
      SELECT t.id, t._supaglue_raw_data AS raw, t._supaglue_last_modified_at AS modified,
             t._supaglue_is_deleted AS deleted, t._supaglue_emitted_at AS emitted_at
      FROM %s AS t
      WHERE t._supaglue_application_id = page.application AND t._supaglue_customer_id = page.customer
        AND t._supaglue_provider_name = page.provider AND t.id = page.id
      OFFSET 0) AS stored ON true)",
      table);
}

// The image of a record is compared, not its meaning: it is cheaper, and 1.0 is not 1.00.
constexpr const char *kDiffers =
    R"(stored.modified IS DISTINCT FROM page.modified OR stored.deleted <> page.deleted
                OR pg_catalog.record_image_ne(ROW(stored.raw), ROW(page.raw)))";

}  // namespace

char *page_statement(const char *table, const Projection *projection, Older older) {
  const bool postpones = older == Older::kPostponed;
  return format(
      R"(WITH page AS (
  %7$s%9$s
), change AS MATERIALIZED (
  SELECT application, customer, provider, id, raw, modified, deleted, known, was_deleted, counted, postponed%3$s
  FROM (
    SELECT page.*, stored.id IS NOT NULL AS known, stored.deleted AS was_deleted,
           stored.emitted_at = (SELECT $4::timestamptz) AS counted, %10$s AS postponed, $9::text::jsonb AS lookup
    FROM page %11$s
    WHERE CASE WHEN stored.id IS NULL THEN NOT page.deleted
          ELSE (%12$s)%2$s END) AS record
), inserted AS (
  INSERT INTO %1$s (%8$s%4$s)
  SELECT application, customer, provider, id, (SELECT $4::timestamptz), false, raw, modified%5$s
  FROM change WHERE NOT known
  RETURNING id
), updated AS (
  UPDATE %1$s AS t SET _supaglue_emitted_at = (SELECT $4::timestamptz),
    _supaglue_is_deleted = change.deleted, _supaglue_raw_data = change.raw,
    _supaglue_last_modified_at = change.modified%6$s
  FROM change
  WHERE change.known AND change.postponed IS NULL
    AND t._supaglue_application_id = change.application AND t._supaglue_customer_id = change.customer
    AND t._supaglue_provider_name = change.provider AND t.id = change.id
  RETURNING t.id, change.counted, change.deleted AND NOT change.was_deleted AS vanished
)
SELECT (SELECT pg_catalog.count(*) FROM inserted), (SELECT pg_catalog.count(*) FROM updated WHERE NOT counted),
       (SELECT pg_catalog.count(*) FROM updated WHERE vanished AND NOT counted),
       (SELECT coalesce(pg_catalog.sum(misfits), 0) FROM change WHERE postponed IS NULL),
       greatest((SELECT pg_catalog.max(id) FROM inserted), (SELECT pg_catalog.max(id) FROM updated)),
       (SELECT pg_catalog.string_agg(postponed::text, ' ') FROM change))",
      table, older == Older::kIgnored ? " AND (page.modified < stored.modified) IS NOT TRUE" : "",
      values_of(projection), for_columns(projection, ", @"), for_columns(projection, ", value_#"),
      for_columns(projection, ", @ = change.value_#"), kPage, kColumns,
      postpones ? ", pg_catalog.generate_subscripts($5::text[], 1) AS number" : "",
      postpones ? "CASE WHEN page.modified < stored.modified THEN page.number END"
                : "NULL::integer",
      stored_beside_page(table), kDiffers);
}

char *insert_statement(const char *table) {
  return format(
      R"(INSERT INTO %1$s (%3$s)
SELECT application, customer, provider, id, (SELECT $4::timestamptz), false, raw, modified
FROM (%2$s) AS page WHERE NOT page.deleted)",
      table, kPage, kColumns);
}

char *new_statement(const char *table, const Projection *projection) {
  return format(
      R"(WITH change AS MATERIALIZED (
  SELECT application, customer, provider, id, raw, modified%2$s
  FROM (SELECT page.*, $9::text::jsonb AS lookup FROM (%5$s) AS page WHERE NOT page.deleted) AS record
), inserted AS (
  INSERT INTO %1$s (%6$s%3$s)
  SELECT application, customer, provider, id, (SELECT $4::timestamptz), false, raw, modified%4$s FROM change
  RETURNING id
)
SELECT (SELECT pg_catalog.count(*) FROM inserted), 0, 0,
       (SELECT coalesce(pg_catalog.sum(misfits), 0) FROM change),
       (SELECT pg_catalog.max(id) FROM inserted), NULL)",
      table, values_of(projection), for_columns(projection, ", @"),
      for_columns(projection, ", value_#"), kPage, kColumns);
}

char *slice_statement(const char *table, const Projection *projection, int rows) {
  return format(
      R"(WITH slice AS MATERIALIZED (
  SELECT $1::text AS application, $2::text AS customer, $3::text AS provider, t.id,
         t._supaglue_raw_data AS raw, $6::text::jsonb AS lookup
  FROM %1$s AS t
  WHERE t._supaglue_application_id = $1::text AND t._supaglue_customer_id = $2::text
    AND t._supaglue_provider_name = $3::text AND t.id COLLATE "C" > $5::text
  ORDER BY t.id COLLATE "C" LIMIT %2$d
), projected AS MATERIALIZED (
  SELECT application, customer, provider, id%3$s FROM slice
), updated AS (
  UPDATE %1$s AS t SET _supaglue_emitted_at = (SELECT $4::timestamptz)%4$s
  FROM projected AS change
  WHERE t._supaglue_application_id = change.application AND t._supaglue_customer_id = change.customer
    AND t._supaglue_provider_name = change.provider AND t.id = change.id
    AND (false%5$s)
  RETURNING change.misfits
)
SELECT (SELECT pg_catalog.max(id COLLATE "C") FROM slice), (SELECT pg_catalog.count(*) FROM slice),
       (SELECT pg_catalog.count(*) FROM updated), (SELECT coalesce(pg_catalog.sum(misfits), 0) FROM updated))",
      table, rows, values_of(projection), for_columns(projection, ", @ = change.value_#"),
      for_columns(projection, " OR t.@ IS DISTINCT FROM change.value_#"));
}

char *comparing_statement(const char *table) {
  return format(R"(WITH page AS (
  %s, pg_catalog.generate_subscripts($5::text[], 1) AS number
)
SELECT page.number FROM page %s WHERE stored.id IS NULL OR %s)",
                kPage, stored_beside_page(table), kDiffers);
}

char *range_statement(const char *table) {
  return format(
      R"(SELECT t.id, t._supaglue_last_modified_at, t._supaglue_is_deleted, t._supaglue_raw_data
FROM %s AS t
WHERE t._supaglue_application_id = $1::text AND t._supaglue_customer_id = $2::text
  AND t._supaglue_provider_name = $3::text
  AND t.id COLLATE "C" >= $4::text AND t.id COLLATE "C" <= $5::text
ORDER BY t.id COLLATE "C" LIMIT $6::text::bigint)",
      table);
}

}  // namespace supaglue
