// pg: samples of live tables. See live_sample.hpp.
#include "live_sample.hpp"

#include "pg.hpp"

#include "sql.hpp"

namespace supaglue {

namespace {

/// So many rows are read at most; a sample of them is better than none, and reading all may take
/// hours.
constexpr uint64 kMostRead = 10'000;
constexpr long kBatch = 500;

char *name_of(Relation relation) {
  return quote_qualified_identifier(get_namespace_name(RelationGetNamespace(relation)),
                                    RelationGetRelationName(relation));
}

/// Rows of the table's own form, each as likely as any other.
struct Sample {
  TupleDesc form;
  HeapTuple *rows;
  int wanted, count;
  double seen;
  MemoryContext context;
};

void take(Sample *sample, HeapTuple row, TupleConversionMap *map) {
  int place = sample->count;
  sample->seen++;
  if (sample->count == sample->wanted) {
    place = static_cast<int>(random_fraction() * sample->seen);
    if (place >= sample->wanted) return;
    heap_freetuple(sample->rows[place]);
  } else {
    sample->count++;
  }
  MemoryContext before = MemoryContextSwitchTo(sample->context);
  sample->rows[place] = map == nullptr ? heap_copytuple(row) : execute_attr_map_tuple(row, map);
  MemoryContextSwitchTo(before);
}

/// Reads the table; false: there are more rows than were read.
bool read_rows(const char *name, Sample *sample) {
  SPIPlanPtr plan = SPI_prepare(format("SELECT * FROM %s", name), 0, nullptr);
  if (plan == nullptr) elog(ERROR, "cannot prepare a sample of %s", name);
  Portal portal = SPI_cursor_open(nullptr, plan, nullptr, nullptr, true);
  uint64 read = 0;
  bool ended = false;
  while (!ended && read < kMostRead) {
    SPI_cursor_fetch(portal, true, kBatch);
    ended = SPI_processed == 0;
    read += SPI_processed;
    // A column that was dropped is not in the result.
    TupleConversionMap *map = convert_tuples_by_name(SPI_tuptable->tupdesc, sample->form);
    for (uint64 i = 0; i < SPI_processed; ++i) take(sample, SPI_tuptable->vals[i], map);
    SPI_freetuptable(SPI_tuptable);
  }
  SPI_cursor_close(portal);
  return ended;
}

int acquire_rows(Relation relation, int, HeapTuple *rows, int wanted, double *total, double *dead) {
  Sample sample = {RelationGetDescr(relation), rows, wanted, 0, 0, CurrentMemoryContext};
  const char *name = name_of(relation);
  *dead = 0;
  if (SPI_connect() != SPI_OK_CONNECT) elog(ERROR, "cannot connect to SPI");
  if (read_rows(name, &sample)) {
    *total = sample.seen;
  } else {
    // The provider counts, if it can.
    sql(format("SELECT pg_catalog.count(*) FROM %s", name));
    *total = static_cast<double>(int_at(0, 1));
  }
  SPI_finish();
  return sample.count;
}

}  // namespace

bool sample_live_table(Relation, AcquireSampleRowsFunc *sample, BlockNumber *pages) {
  *sample = acquire_rows;
  *pages = 1;  // they are the provider's
  return true;
}

}  // namespace supaglue
