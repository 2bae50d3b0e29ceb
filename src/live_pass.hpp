// pg: the inside of a foreign scan, for the files that execute it: its state, and one pass over the
// provider, from a (re)start to the next: which connections are read, several at once, and the
// records that come. It must not know rows.
#pragma once

#include "fdw_options.hpp"
#include "live_connections.hpp"
#include "live_plan.hpp"
#include "live_scan.hpp"
#include "pg.hpp"
#include "reading.hpp"

namespace supaglue {

/// A column that the query needs, and where it stands in the slot.
struct NeededColumn {
  const LiveColumn *column;
  int index;
};

/// What is kept of a connection from one pass to the next.
struct Known {
  int64 connection_id;
  const char *metadata;     // what a reading learned, or null
  const Hoisted **hoisted;  // beside the table's columns
  BoundValues *values;      // or null: no hoisted column is needed
  List *fields;
};

/// One reading: a connection, and some of the ids.
struct Part {
  const LiveConnection *connection;
  Known *known;
  const Selection *selection;
  List *ids;
  MemoryContext context;
  Reading *reading;  // null: not begun, or closed
  bool begun, ended;
  const Page *page;
  size_t record;
  int pages;
  Datum customer_id;
};

/// A record of a batch, as a row.
struct BatchRow {
  const char *id;
  MinimalTuple row;
};

/// What a pass has read for many outer rows, from which each is answered.
struct Batch {
  int64 number;  // the announced one's; 0: of one outer row
  const List *ids;
  const List *customers;  // String; NIL: not narrowed by the outer rows
  BatchRow *rows;
  int count, size;
};

struct LiveScan {
  ForeignScanState *node;
  LiveTable table;
  LiveColumns columns;
  MemoryContext context;       // of the whole scan
  MemoryContext pass_context;  // from a (re)start to the next
  MemoryContext row_context;   // of batches: from an outer row to the next
  NeededColumn *needed;
  int needed_count;
  List *needed_numbers;
  List *values;           // ExprState
  Bitmapset *parameters;  // that they depend on
  ExprState *conditions;  // of a count
  List *known;            // Known
  LiveCosts costs;        // of the readings that are closed
  bool asynchronous;
  // of the pass
  bool started, waits;
  const char *application;
  Datum application_id, provider_name;
  List *parts;    // Part
  Part *part;     // that gives records now
  int under_way;  // parts that wait for the network
  int64 wake_at;
  bool in_order, counted;
  int64 count;
  Tuplesortstate *sort;
  TupleTableSlot *sorted;
  // of batches
  Batch *batch;          // in pass_context; null: none is read
  TupleTableSlot *kept;  // shows its rows
  bool looking;          // in the batch, for the outer row's id
  const char *id;        // null: NULL, or nothing is to be found
  int next;
};

// The values of the plan's expressions, by their numbers.
Datum plan_value(LiveScan *scan, int number, bool *null);
/// Of a narrowing, as a text[]; null: it is NULL, and nothing is equal to that.
ArrayType *narrowing_texts(LiveScan *scan, int number, int form);
/// Of the filter's form, which begin at `first`.
FormValue *filter_values(LiveScan *scan, int first);

/// What a pass needs beside connections and ids.
void prepare_pass(LiveScan *scan);
/// The pass that the plan's narrowings name.
void start_pass(LiveScan *scan);
/// Reads `ids` (of String; NIL: all) of these customers' (text[]; null: everybody's) records.
void add_readings(LiveScan *scan, const ArrayType *customers, const List *ids,
                  const FormValue *values);
/// The next record, of scan->part; null at the end of the pass, or when the scan must wait.
const Record *next_record(LiveScan *scan);
/// While no part has read more than one page, all pages are still there.
bool is_repeatable(const LiveScan *scan);
/// Ends the readings, and what was built on them.
void close_readings(LiveScan *scan);
void close_pass(LiveScan *scan);

// Rows, for what keeps them: live_scan.cpp.
/// Fills a slot with a record of scan->part; values live in the current context.
void fill_row(const LiveScan *scan, const Record *record, TupleTableSlot *slot);
/// Shows a row that was kept in the scan's own slot.
TupleTableSlot *show_kept(TupleTableSlot *kept, TupleTableSlot *slot);

// Batches of ids, for many outer rows: live_batch.cpp.
void prepare_batches(LiveScan *scan);
/// The next row for the outer row's id; the slot is empty at the end.
TupleTableSlot *next_of_batch(LiveScan *scan, TupleTableSlot *slot);

}  // namespace supaglue
