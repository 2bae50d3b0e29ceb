// pg: pages compared with what is stored. See comparison.hpp.
#include "batch.hpp"

#include "comparison.hpp"

#include <algorithm>

#include "destination.hpp"
#include "pg.hpp"
#include "sql.hpp"
#include "stopwatch.hpp"
#include "versions.hpp"

namespace supaglue {

namespace {

constexpr size_t kBatch = 2000;    // records of a statement
constexpr int kLockTimeoutMs = 1;  // whoever locks the table shall not delay the runs of others
constexpr size_t kTrial = 2000;    // records after which it is seen whether it is worth its while

// Reading a view, or what has policies, runs code of its owner's choice.
bool is_plain(const char *table) {
  sql("SELECT c.relkind IN ('r', 'p') AND NOT c.relrowsecurity FROM pg_catalog.pg_class c"
      " WHERE c.oid = pg_catalog.to_regclass($1)",
      {text_arg(table)});
  return SPI_processed > 0 && bool_at(0, 1);
}

// The numbers of the records that are not stored as they came: as the merge compares them. What
// holds the plan on the key's index is said in merge.cpp.
char *statement_for(const char *table) {
  return format(
      R"(SELECT page.number
FROM (SELECT $1::text AS application, $2::text AS customer, $3::text AS provider,
        pg_catalog.unnest($4::text[]) AS id, pg_catalog.unnest($5::jsonb[]) AS raw,
        pg_catalog.unnest($6::timestamptz[]) AS modified, pg_catalog.unnest($7::boolean[]) AS deleted,
        pg_catalog.generate_series(0, pg_catalog.cardinality($4::text[]) - 1) AS number) AS page
LEFT JOIN LATERAL (
  SELECT t.id, t._supaglue_raw_data AS raw, t._supaglue_last_modified_at AS modified,
         t._supaglue_is_deleted AS deleted
  FROM %s AS t
  WHERE t._supaglue_application_id = page.application AND t._supaglue_customer_id = page.customer
    AND t._supaglue_provider_name = page.provider AND t.id = page.id
  OFFSET 0) AS stored ON true
WHERE stored.id IS NULL OR stored.modified IS DISTINCT FROM page.modified OR stored.deleted <> page.deleted
   OR pg_catalog.record_image_ne(ROW(stored.raw), ROW(page.raw)))",
      table);
}

void compare(Comparison *comparison) {
  const char *table =
      quote_qualified_identifier(comparison->schema_name.c_str(), comparison->table_name.c_str());
  if (!comparison->is_checked && !is_plain(table)) return;
  comparison->is_checked = true;
  Destination *destination = open_here(comparison->owner);
  destination->set_lock_timeout(kLockTimeoutMs);
  const char *statement = statement_for(table);
  const size_t all = comparison->newest.size();
  for (size_t from = 0; from < all; from += kBatch) {
    const auto count = static_cast<int>(std::min(kBatch, all - from));
    const Versions versions = versions_of(comparison->newest.data() + from, count);
    const uint64 changed = destination->execute(
        statement,
        {value_of(comparison->application_id.c_str()), value_of(comparison->customer_id.c_str()),
         value_of(comparison->provider_name.c_str()), value_of(versions.ids, count),
         jsonbs_of(versions.raws, count), value_of(versions.stamps, count),
         value_of(versions.deleted, count)});
    for (uint64 row = 0; row < changed; ++row)
      comparison->changed[from + static_cast<size_t>(atoi(destination->field(row, 0)))] = true;
  }
  comparison->is_given_up = false;
}

// Whether comparing is worth its while is seen after some records.
void move_out(Comparison *comparison, Page *page) {
  comparison->compared += comparison->newest.size();
  comparison->found += keep_ids_of_unchanged(page, comparison->newest, comparison->changed);
  comparison->is_given_up =
      comparison->compared >= kTrial && comparison->found * 2 < comparison->compared;
}

}  // namespace

Comparison::Comparison(const Sync &sync)
    : application_id(sync.application_id),
      customer_id(sync.customer_id),
      provider_name(sync.provider_name),
      schema_name(sync.schema_name),
      table_name(sync.table_name),
      owner(sync.owner) {}

void take_out_unchanged(Comparison *comparison, Page *page) {
  if (comparison->is_given_up || page->records.empty()) return;
  guard([&] {
    newest_versions(*page, &comparison->newest);
    comparison->changed.assign(comparison->newest.size(), false);
  });
  MemoryContext scratch =
      AllocSetContextCreate(CurrentMemoryContext, "supaglue comparison", ALLOCSET_DEFAULT_SIZES);
  const MemoryContext caller = MemoryContextSwitchTo(scratch);
  comparison->is_given_up = true;  // unless it comes to its end
  attempt([&] { compare(comparison); });
  stop_stopwatch();
  MemoryContextSwitchTo(caller);
  MemoryContextDelete(scratch);
  if (!comparison->is_given_up) guard([&] { move_out(comparison, page); });
}

}  // namespace supaglue
