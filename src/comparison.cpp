// pg: pages compared with what is stored. See comparison.hpp.
#include "batch.hpp"

#include "comparison.hpp"

#include <algorithm>

#include "destination.hpp"
#include "merge_statement.hpp"
#include "pg.hpp"
#include "sql.hpp"
#include "stopwatch.hpp"
#include "versions.hpp"

namespace supaglue {

namespace {

constexpr size_t kBatch = 2000;    // records of a statement
constexpr int kLockTimeoutMs = 1;  // whoever locks the table shall not delay the runs of others
constexpr size_t kTrial = 2000;    // records after which it is seen whether it is worth its while

// Reading anything but a plain table runs code of its owner's choice: a view, what has policies or
// partitions, and, while it is planned, what has expressions in indexes or statistics.
bool is_plain(const char *table) {
  sql("SELECT c.relkind = 'r' AND NOT c.relrowsecurity AND NOT c.relhassubclass"
      " AND NOT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid"
      "   AND (i.indpred IS NOT NULL OR i.indexprs IS NOT NULL))"
      " AND NOT EXISTS (SELECT FROM pg_catalog.pg_statistic_ext s WHERE s.stxrelid = c.oid"
      "   AND s.stxexprs IS NOT NULL)"
      " FROM pg_catalog.pg_class c WHERE c.oid = pg_catalog.to_regclass($1)",
      {text_arg(table)});
  return SPI_processed > 0 && bool_at(0, 1);
}

void compare(Comparison *comparison) {
  const char *table =
      quote_qualified_identifier(comparison->schema_name.c_str(), comparison->table_name.c_str());
  if (!is_plain(table)) return;
  Destination *destination = open_here(comparison->owner);
  destination->set_lock_timeout(kLockTimeoutMs);
  const char *statement = comparing_statement(table);
  const size_t all = comparison->newest.size();
  for (size_t from = 0; from < all; from += kBatch) {
    const auto count = static_cast<int>(std::min(kBatch, all - from));
    const Versions versions = versions_of(comparison->newest.data() + from, count);
    const uint64 changed = destination->execute(
        statement,
        {value_of(comparison->application_id.c_str()), value_of(comparison->customer_id.c_str()),
         value_of(comparison->provider_name.c_str()), value_of(static_cast<const char *>(nullptr)),
         value_of(versions.ids, count), jsonbs_of(versions.raws, count),
         value_of(versions.stamps, count), value_of(versions.deleted, count)});
    for (uint64 row = 0; row < changed; ++row)
      comparison->changed[from + static_cast<size_t>(atoi(destination->field(row, 0))) - 1] = true;
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
