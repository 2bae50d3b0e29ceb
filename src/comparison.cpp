// pg: pages compared with what is stored. See comparison.hpp.
#include "batch.hpp"

#include "comparison.hpp"

#include <algorithm>

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
  const bool plain = SPI_processed > 0 && bool_at(0, 1);
  SPI_freetuptable(SPI_tuptable);  // there may be very many pages in a transaction
  return plain;
}

/// The records of a page that are compared at once.
struct Batch {
  Comparison *comparison;
  Here *here;
  const char *table;
  size_t from;  // in `newest`
  Versions versions;
};

std::string_view view(const Text &text) { return {text.data, static_cast<size_t>(text.length)}; }

bool is_same_raw(Datum stored, const Text &raw) {
  varlena *bytes = PG_DETOAST_DATUM(stored);
  const Size length = VARSIZE_ANY_EXHDR(bytes);
  const bool same = length + VARHDRSZ == static_cast<Size>(raw.length) &&
                    memcmp(VARDATA_ANY(bytes), raw.data + VARHDRSZ, length) == 0;
  if (PointerGetDatum(bytes) != stored) pfree(bytes);
  return same;
}

/// Whether a version is what a row (as range_statement() gives it) holds.
bool is_stored(const Versions &versions, int number, HeapTuple row, TupleDesc type) {
  bool null;
  const Datum modified = SPI_getbinval(row, type, 2, &null);
  const TimestampTz stamp = null ? DT_NOBEGIN : DatumGetTimestampTz(modified);
  if (stamp != versions.stamps[number]) return false;
  if (DatumGetBool(SPI_getbinval(row, type, 3, &null)) != versions.deleted[number]) return false;
  const Datum raw = SPI_getbinval(row, type, 4, &null);
  return !null && is_same_raw(raw, versions.raws[number]);
}

/// Reads all that is stored between the first and the last of them, which costs less than to look
/// for each. False: that is too much.
bool compare_with_range(const Batch *batch) {
  const Versions &versions = batch->versions;
  Comparison *comparison = batch->comparison;
  const int last = versions.count - 1;
  const auto most = static_cast<uint64>(versions.count) * 2;
  const uint64 rows = batch->here->read(
      range_statement(batch->table),
      {value_of(comparison->application_id.c_str()), value_of(comparison->customer_id.c_str()),
       value_of(comparison->provider_name.c_str()),
       value_of(pnstrdup(versions.ids[0].data, versions.ids[0].length)),
       value_of(pnstrdup(versions.ids[last].data, versions.ids[last].length)),
       value_of(format(UINT64_FORMAT, most))});
  SPITupleTable *stored = SPI_tuptable;
  int number = 0;
  for (uint64 i = 0; i < rows && rows < most; ++i) {
    HeapTuple row = stored->vals[i];
    bool null;
    const text *id = DatumGetTextPP(SPI_getbinval(row, stored->tupdesc, 1, &null));
    const std::string_view key(VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id));
    while (number <= last && view(versions.ids[number]) < key) ++number;
    if (number <= last && view(versions.ids[number]) == key)
      comparison->differs[batch->from + static_cast<size_t>(number)] =
          !is_stored(versions, number, row, stored->tupdesc);
  }
  SPI_freetuptable(stored);
  return rows < most;
}

/// Looks for each of them.
void compare_with_probes(const Batch *batch) {
  const Versions &versions = batch->versions;
  Comparison *comparison = batch->comparison;
  const uint64 changed = batch->here->execute(
      comparing_statement(batch->table),
      {value_of(comparison->application_id.c_str()), value_of(comparison->customer_id.c_str()),
       value_of(comparison->provider_name.c_str()), value_of(static_cast<const char *>(nullptr)),
       value_of(versions.ids, versions.count), jsonbs_of(versions.raws, versions.count),
       value_of(versions.stamps, versions.count), value_of(versions.deleted, versions.count)});
  const auto from = comparison->differs.begin() + static_cast<std::ptrdiff_t>(batch->from);
  std::fill(from, from + versions.count, false);
  for (uint64 row = 0; row < changed; ++row)
    comparison->differs[batch->from + static_cast<size_t>(atoi(batch->here->field(row, 0))) - 1] =
        true;
}

// False: the table is none to be read here.
bool compare_with(Comparison *comparison, Comparison::Table *stored) {
  const char *table =
      quote_qualified_identifier(stored->schema_name.c_str(), stored->table_name.c_str());
  if (!is_plain(table)) return false;
  Here *here = comparison->here != nullptr ? comparison->here : open_here(stored->owner);
  here->set_lock_timeout(kLockTimeoutMs);
  const size_t all = comparison->newest.size();
  for (size_t from = 0; from < all; from += kBatch) {
    const auto count = static_cast<int>(std::min(kBatch, all - from));
    const Batch batch = {comparison, here, table, from,
                         versions_of(comparison->newest.data() + from, count)};
    if (!stored->is_sparse && compare_with_range(&batch)) continue;
    stored->is_sparse = true;
    compare_with_probes(&batch);
  }
  return true;
}

bool compare(Comparison *comparison) {
  const size_t count = comparison->newest.size();
  for (Comparison::Table &table : comparison->tables) {
    guard([&] { comparison->differs.assign(count, true); });
    if (!compare_with(comparison, &table)) return false;
    for (size_t i = 0; i < count; ++i)
      if (comparison->differs[i]) comparison->changed[i] = true;
  }
  return true;
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
      provider_name(sync.provider_name) {
  add(sync);
}

void Comparison::add(const Sync &sync) {
  tables.push_back({sync.schema_name, sync.table_name, sync.owner});
}

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
  attempt([&] { comparison->is_given_up = !compare(comparison); });
  stop_stopwatch();
  MemoryContextSwitchTo(caller);
  MemoryContextDelete(scratch);
  if (!comparison->is_given_up) guard([&] { move_out(comparison, page); });
}

}  // namespace supaglue
