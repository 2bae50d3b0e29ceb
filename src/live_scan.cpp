// pg: the execution of one foreign scan. See live_scan.hpp.
#include "live_scan.hpp"

#include "pg.hpp"

#include "batched_join.hpp"
#include "fdw_options.hpp"
#include "live_connections.hpp"
#include "reading.hpp"
#include "settings.hpp"
#include "sql.hpp"

namespace supaglue {

namespace {

/// So many readings of a scan are under way at once.
constexpr int kReadingsAtOnce = 10;

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

}  // namespace

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

// --- The plan
// ----------------------------------------------------------------------------------------

namespace {
const ForeignScan *plan_of(const ForeignScanState *node) {
  return reinterpret_cast<const ForeignScan *>(node->ss.ps.plan);
}
}  // namespace

const List *plan_part(const ForeignScanState *node, PlanPart part) {
  return static_cast<const List *>(list_nth(plan_of(node)->fdw_private, part));
}

int plan_figure(const ForeignScanState *node, PlanFigure figure) {
  return list_nth_int(plan_part(node, kFigures), figure);
}

Oid plan_relation(const ForeignScanState *node) {
  return exec_rt_fetch(scanned_relation(node), node->ss.ps.state)->relid;
}

PlanValues plan_values(const ForeignScanState *node) {
  PlanValues values = {nullptr, nullptr, NIL};
  List *all = list_truncate(list_copy(plan_of(node)->fdw_exprs), plan_figure(node, kValueCount));
  int number = 0;
  if (plan_figure(node, kCustomersForm) != Narrowing::kNone)
    values.customers = static_cast<const Expr *>(list_nth(all, number++));
  if (plan_figure(node, kIdsForm) != Narrowing::kNone)
    values.ids = static_cast<const Expr *>(list_nth(all, number++));
  values.form = list_copy_tail(all, number);
  return values;
}

List *plan_columns(const ForeignScanState *node, const LiveColumns *columns) {
  const List *needed = plan_part(node, kNeededColumns);
  const bool all = plan_figure(node, kCounting) == 0 && list_member_int(needed, 0);
  List *numbers = NIL;
  if (plan_figure(node, kCounting) != 0) return list_copy(needed);
  for (int i = 0; i < columns->count; ++i)
    if (all || list_member_int(needed, columns->columns[i].number))
      numbers = lappend_int(numbers, columns->columns[i].number);
  return numbers;
}

List *fields_for(const LiveTable *table, const LiveColumns *columns, const Hoisted *const *hoisted,
                 const List *needed) {
  const char *id = guarded_text([&] {
    const auto connector = Connector::builtin(table->provider_name);
    return connector == nullptr ? std::string("id") : connector->settings.value("id_field", "id");
  });
  List *fields = list_make1(makeString(pstrdup(id)));
  for (int i = 0; i < columns->count; ++i) {
    if (!list_member_int(needed, columns->columns[i].number)) continue;
    if (columns->columns[i].kind == LiveColumn::kRawData) return NIL;
    if (columns->columns[i].kind != LiveColumn::kHoisted) continue;
    // A computed value may need any field.
    if (hoisted == nullptr || hoisted[i]->field == nullptr || hoisted[i]->field[0] == '\0')
      return NIL;
    fields = list_append_unique(fields, makeString(pstrdup(hoisted[i]->field)));
  }
  return fields;
}

Selection *make_selection(const ForeignScanState *node, const FormValue *values,
                          const FormBinding *binding) {
  auto *selection = make_in<Selection>(CurrentMemoryContext);
  const List *filter = plan_part(node, kFilterForm), *order = plan_part(node, kOrderForm);
  const char *limit =
      strVal(reinterpret_cast<const String *>(list_nth(plan_of(node)->fdw_private, kLimit)));
  const bool counting = plan_figure(node, kCounting) != 0;
  guard([&] {
    selection->filter = fill_filter(filter, values, binding);
    fill_order(order, binding, &selection->order);
    if (limit[0] != '\0') selection->limit = std::strtoll(limit, nullptr, 10);
    selection->count = counting;
  });
  return selection;
}

List *distinct_texts(ArrayType *texts) {
  Datum *values;
  bool *nulls;
  int count;
  deconstruct_array(texts, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &count);
  List *all = NIL;
  for (int i = 0; i < count; ++i)
    if (!nulls[i]) all = lappend(all, makeString(TextDatumGetCString(values[i])));
  list_sort(all, [](const ListCell *a, const ListCell *b) {
    return strcmp(strVal(lfirst(a)), strVal(lfirst(b)));
  });
  List *distinct = NIL;
  const ListCell *cell;
  foreach (cell, all)
    if (distinct == NIL || strcmp(strVal(llast(distinct)), strVal(lfirst(cell))) != 0)
      distinct = lappend(distinct, lfirst(cell));
  return distinct;
}

namespace {

// --- Beginning
// -----------------------------------------------------------------------------------------

void find_columns(LiveScan *scan) {
  scan->needed_numbers = plan_columns(scan->node, &scan->columns);
  scan->needed = static_cast<NeededColumn *>(
      palloc(sizeof(NeededColumn) * Max(list_length(scan->needed_numbers), 1)));
  const bool counting = plan_figure(scan->node, kCounting) != 0;
  const ListCell *cell;
  foreach (cell, scan->needed_numbers) {
    const auto number = static_cast<AttrNumber>(lfirst_int(cell));
    // The row of a count is the count, then what its conditions need.
    const int index = counting ? scan->needed_count + 1 : number - 1;
    scan->needed[scan->needed_count++] = {column_of(&scan->columns, number), index};
  }
}

Bitmapset *parameters_of(const List *values) {
  Bitmapset *parameters = nullptr;
  const ListCell *cell;
  foreach (cell, values)
    parameters = bms_join(parameters, pull_paramids(static_cast<Expr *>(lfirst(cell))));
  return parameters;
}

// --- A pass: the values, the connections, the parts
// ------------------------------------------------------------------------------------------------

Datum evaluate(LiveScan *scan, int number, bool *null) {
  auto *state = static_cast<ExprState *>(list_nth(scan->values, number));
  return ExecEvalExprSwitchContext(state, scan->node->ss.ps.ps_ExprContext, null);
}

/// The value of a narrowing as a text[]; null: it is NULL, and nothing is equal to that.
ArrayType *texts_of(LiveScan *scan, int number, int form) {
  bool null;
  Datum value = evaluate(scan, number, &null);
  if (null) return nullptr;
  if (form == Narrowing::kAny) return DatumGetArrayTypePCopy(value);
  return construct_array(&value, 1, TEXTOID, -1, false, TYPALIGN_INT);
}

FormValue *evaluate_form(LiveScan *scan, const List *expressions, int first) {
  auto *values =
      static_cast<FormValue *>(palloc(sizeof(FormValue) * (list_length(expressions) + 1)));
  for (int i = 0; i < list_length(expressions); ++i) {
    bool null;
    const Datum value = evaluate(scan, first + i, &null);
    values[i] = form_value(value, null, exprType(static_cast<Node *>(list_nth(expressions, i))));
  }
  return values;
}

Known *known_of(const LiveScan *scan, int64 connection_id) {
  const ListCell *cell;
  foreach (cell, scan->known) {
    auto *known = static_cast<Known *>(lfirst(cell));
    if (known->connection_id == connection_id) return known;
  }
  return nullptr;
}

bool has_hoisted(const LiveColumns *columns) {
  for (int i = 0; i < columns->count; ++i)
    if (columns->columns[i].kind == LiveColumn::kHoisted) return true;
  return false;
}

void learn(LiveScan *scan, const LiveConnection *connection) {
  auto *known = static_cast<Known *>(palloc0(sizeof(Known)));
  known->connection_id = connection->id;
  known->hoisted =
      bind_columns(&scan->table, &scan->columns, connection->projection, connection->all_fields);
  known->values =
      compile_columns(&scan->columns, known->hoisted,
                      connection->projection == nullptr ? "{}" : connection->projection->lookup,
                      scan->needed_numbers);
  known->fields = fields_for(&scan->table, &scan->columns, known->hoisted, scan->needed_numbers);
  if (connection->metadata != nullptr) known->metadata = pstrdup(connection->metadata);
  scan->known = lappend(scan->known, known);
}

/// The connections; their columns are looked up once, and again when there is a new one.
List *find_connections(LiveScan *scan, const ArrayType *customers) {
  List *connections = live_connections(&scan->table, customers, false);
  bool all_known = true;
  const ListCell *cell;
  foreach (cell, connections)
    all_known =
        all_known && known_of(scan, static_cast<LiveConnection *>(lfirst(cell))->id) != nullptr;
  if (all_known) return connections;
  MemoryContext before = MemoryContextSwitchTo(scan->context);
  if (has_hoisted(&scan->columns)) connections = live_connections(&scan->table, customers, true);
  foreach (cell, connections) {
    const auto *connection = static_cast<LiveConnection *>(lfirst(cell));
    if (known_of(scan, connection->id) == nullptr) learn(scan, connection);
  }
  MemoryContextSwitchTo(before);
  return connections;
}

void add_parts(LiveScan *scan, const LiveConnection *connection, const List *ids,
               const FormValue *values) {
  Known *known = known_of(scan, connection->id);
  const FormBinding binding = {&scan->columns, known->hoisted, scan->application,
                               connection->customer_id, scan->table.provider_name};
  const Selection *selection = make_selection(scan->node, values, &binding);
  const Datum customer_id = CStringGetTextDatum(connection->customer_id);
  int first = 0;
  do {
    auto *part = static_cast<Part *>(palloc0(sizeof(Part)));
    part->connection = connection;
    part->known = known;
    part->selection = selection;
    part->ids = list_truncate(list_copy_tail(ids, first), kIdsPerReading);
    part->customer_id = customer_id;
    scan->parts = lappend(scan->parts, part);
    first += kIdsPerReading;
  } while (first < list_length(ids));
}

/// What a pass needs beside connections and ids.
void prepare_pass(LiveScan *scan) {
  scan->started = true;
  scan->application = pstrdup(settings.application_id);
  scan->application_id = CStringGetTextDatum(scan->application);
  scan->provider_name = CStringGetTextDatum(scan->table.provider_name);
}

void start_pass(LiveScan *scan) {
  MemoryContext before = MemoryContextSwitchTo(scan->pass_context);
  prepare_pass(scan);
  const int customers_form = plan_figure(scan->node, kCustomersForm);
  const int ids_form = plan_figure(scan->node, kIdsForm);
  int number = 0;
  bool nothing = false;
  ArrayType *customers = nullptr;
  List *ids = NIL;
  if (customers_form != Narrowing::kNone) {
    customers = texts_of(scan, number++, customers_form);
    nothing = customers == nullptr;
  }
  if (ids_form != Narrowing::kNone) {
    ArrayType *texts = texts_of(scan, number++, ids_form);
    if (texts != nullptr) ids = distinct_texts(texts);
    nothing = nothing || ids == NIL;
  }
  if (!nothing) {
    const FormValue *values = evaluate_form(scan, plan_values(scan->node).form, number);
    List *connections = find_connections(scan, customers);
    const ListCell *cell;
    foreach (cell, connections)
      add_parts(scan, static_cast<LiveConnection *>(lfirst(cell)), ids, values);
  }
  MemoryContextSwitchTo(before);
}

// --- Parts: readings under way
// ------------------------------------------------------------------------------------------------

void add_costs(LiveCosts *costs, const Part *part) {
  if (part->reading == nullptr) return;
  int64 requests, bytes, provider_time, total;
  reading_counts(part->reading, &requests, &bytes, &provider_time, &total);
  costs->requests += requests;
  costs->bytes += bytes;
}

void close_part(LiveScan *scan, Part *part) {
  if (part->reading == nullptr) return;
  add_costs(&scan->costs, part);
  part->reading = nullptr;
  part->page = nullptr;
  MemoryContextDelete(part->context);
}

/// Keeps what the reading learned of the object, so that nobody need ask again.
void remember(LiveScan *scan, Part *part) {
  if (part->known->metadata != nullptr) return;
  MemoryContext before = MemoryContextSwitchTo(scan->context);
  part->known->metadata = reading_metadata(part->reading);
  MemoryContextSwitchTo(before);
}

/// The parts of a connection that is not known yet wait for the first of them to learn.
bool may_begin(const LiveScan *scan, const Part *part) {
  if (part->known->metadata != nullptr) return true;
  const ListCell *cell;
  foreach (cell, scan->parts) {
    const auto *other = static_cast<Part *>(lfirst(cell));
    if (other->known == part->known && other->begun && !other->ended) return false;
  }
  return true;
}

void begin_part(LiveScan *scan, Part *part) {
  part->context =
      AllocSetContextCreate(scan->pass_context, "supaglue live scan part", ALLOCSET_DEFAULT_SIZES);
  MemoryContext before = MemoryContextSwitchTo(part->context);
  ReadingSpec spec = {};
  spec.connection_id = part->connection->id;
  spec.provider_name = scan->table.provider_name;
  spec.object_type = part->connection->object_type;
  spec.object = part->connection->object;
  spec.config = part->connection->config;
  spec.metadata = part->known->metadata;
  spec.fields = part->known->fields;
  spec.ids = part->ids;
  spec.selection = part->selection;
  spec.no_repeats = spec.live = true;
  part->reading = open_reading(part->context, &spec);
  part->begun = true;
  MemoryContextSwitchTo(before);
}

void check_page(const LiveScan *scan, const Page *page) {
  if (!page->rejects.empty())
    ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
                    errmsg("a record of %s \"%s\" cannot be used", scan->table.provider_name,
                           scan->table.object),
                    errdetail_internal("%s", page->rejects.front().reason.c_str())));
}

void check_requests(const LiveScan *scan) {
  if (live_scan_costs(scan).requests <= settings.live_max_requests) return;
  ereport(ERROR,
          (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
           errmsg("the scan needs more than %d requests", settings.live_max_requests),
           errhint("Narrow it, read the synced table, or raise supaglue.live_max_requests.")));
}

/// While no part has read more than one page, all pages are still there.
bool is_repeatable(const LiveScan *scan) {
  const ListCell *cell;
  foreach (cell, scan->parts) {
    const auto *part = static_cast<Part *>(lfirst(cell));
    if (part->pages > 1 || (part->begun && part->reading == nullptr)) return false;
  }
  return true;
}

void end_part(LiveScan *scan, Part *part) {
  part->ended = true;
  remember(scan, part);
  if (plan_figure(scan->node, kCounting) != 0 && reading_is_counted(part->reading)) {
    int64 requests, bytes, provider_time, total;
    reading_counts(part->reading, &requests, &bytes, &provider_time, &total);
    scan->count += total;
  }
  if (!is_repeatable(scan)) close_part(scan, part);
}

bool has_records(const Part *part) {
  return part->page != nullptr && part->record < part->page->records.size();
}

/// Moves a part on without waiting; true when it has records.
bool poll_part(LiveScan *scan, Part *part) {
  bool ended;
  const Page *page = poll_page(part->reading, &ended);
  if (ended) {
    end_part(scan, part);
  } else if (page != nullptr) {
    check_page(scan, page);
    remember(scan, part);
    part->page = page;
    part->record = 0;
    part->pages++;
    scan->costs.records += static_cast<int64>(page->records.size());
  }
  return has_records(part);
}

/// Moves all parts on; the one that has records, or null: none has yet, or `all_ended`.
Part *poll_parts(LiveScan *scan, bool *all_ended) {
  int under_way = 0;
  Part *ready = nullptr;
  *all_ended = true;
  scan->wake_at = 0;
  const ListCell *cell;
  foreach (cell, scan->parts) {
    auto *part = static_cast<Part *>(lfirst(cell));
    if (has_records(part)) {
      ready = ready == nullptr ? part : ready;
      ++under_way;
      continue;
    }
    if (part->ended) continue;
    if (!part->begun) {
      *all_ended = false;
      if (under_way >= kReadingsAtOnce || !may_begin(scan, part)) continue;
      begin_part(scan, part);
    }
    // An answer may lead to the next request at once, or to the end.
    while (!part->ended && !has_records(part)) {
      const int pages = part->pages;
      poll_part(scan, part);
      if (part->pages == pages) break;
    }
    if (has_records(part) && ready == nullptr) ready = part;
    if (part->ended) continue;
    *all_ended = false;
    ++under_way;
    const int64 wake_at = reading_wakes_at(part->reading);
    if (wake_at != 0 && (scan->wake_at == 0 || wake_at < scan->wake_at)) scan->wake_at = wake_at;
  }
  check_requests(scan);
  scan->under_way = under_way;
  return ready;
}

/// The next record, of scan->part; null at the end of the pass, or when the scan must wait.
const Record *next_record(LiveScan *scan) {
  scan->waits = false;
  while (scan->part == nullptr || !has_records(scan->part)) {
    CHECK_FOR_INTERRUPTS();
    if (!scan->asynchronous) pump_network();
    bool all_ended;
    scan->part = poll_parts(scan, &all_ended);
    if (scan->part != nullptr) break;
    if (all_ended) return nullptr;
    // What ended without the network has made way for others.
    if (scan->under_way == 0) continue;
    if (scan->asynchronous) {
      scan->waits = true;
      return nullptr;
    }
    wait_for_network(scan->wake_at);
  }
  return &scan->part->page->records[scan->part->record++];
}

// --- Rows: their values live in the tuple's context, which is the current one
// --------------------------------------------------------------------------------

Datum json_datum(std::string_view text) {
  char *copy = pnstrdup(text.data(), text.size());
  copy = pg_any_to_server(copy, static_cast<int>(text.size()), PG_UTF8);
  return DirectFunctionCall1(jsonb_in, CStringGetDatum(copy));
}

Datum stamp_datum(std::string_view text) {
  return DirectFunctionCall3(timestamptz_in, CStringGetDatum(pnstrdup(text.data(), text.size())),
                             ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
}

/// What the columns of one record are made of.
struct Row {
  const Record *record;
  Datum raw;  // 0: nobody needs it
  Datum *hoisted;
  bool *hoisted_nulls;
};

Row row_of(const LiveScan *scan, const Record *record) {
  Row row = {record, 0, nullptr, nullptr};
  const BoundValues *values = scan->part->known->values;
  bool needs_raw = values != nullptr;
  for (int i = 0; i < scan->needed_count; ++i)
    needs_raw = needs_raw || scan->needed[i].column->kind == LiveColumn::kRawData;
  if (needs_raw) row.raw = json_datum(record->raw);
  if (values == nullptr) return row;
  row.hoisted = static_cast<Datum *>(palloc(sizeof(Datum) * values->count));
  row.hoisted_nulls = static_cast<bool *>(palloc(sizeof(bool) * values->count));
  evaluate_values(values->values, row.raw, row.hoisted, row.hoisted_nulls);
  return row;
}

Datum hoisted_datum(const BoundValues *values, const Row *row, AttrNumber number, bool *null) {
  for (int i = 0; i < values->count; ++i) {
    if (values->numbers[i] != number) continue;
    *null = row->hoisted_nulls[i];
    return row->hoisted[i];
  }
  pg_unreachable();
}

Datum column_datum(const LiveScan *scan, const Row *row, const LiveColumn *column, bool *null) {
  const Record *record = row->record;
  switch (column->kind) {
    case LiveColumn::kApplicationId:
      return scan->application_id;
    case LiveColumn::kCustomerId:
      return scan->part->customer_id;
    case LiveColumn::kProviderName:
      return scan->provider_name;
    case LiveColumn::kId:
      return PointerGetDatum(
          cstring_to_text_with_len(record->id.data(), static_cast<int>(record->id.size())));
    case LiveColumn::kEmittedAt:
      return TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());
    case LiveColumn::kIsDeleted:
      return BoolGetDatum(record->deleted);
    case LiveColumn::kRawData:
      return row->raw;
    case LiveColumn::kLastModifiedAt:
      *null = record->modified.empty();
      return *null ? static_cast<Datum>(0) : stamp_datum(record->modified);
    case LiveColumn::kHoisted:
      return hoisted_datum(scan->part->known->values, row, column->number, null);
  }
  pg_unreachable();
}

void fill(const LiveScan *scan, const Record *record, TupleTableSlot *slot) {
  const Row row = row_of(scan, record);
  memset(slot->tts_isnull, true, sizeof(bool) * slot->tts_tupleDescriptor->natts);
  for (int i = 0; i < scan->needed_count; ++i) {
    const NeededColumn *needed = &scan->needed[i];
    bool null = false;
    slot->tts_values[needed->index] = column_datum(scan, &row, needed->column, &null);
    slot->tts_isnull[needed->index] = null;
  }
  ExecStoreVirtualTuple(slot);
}

// --- Order: the provider's, or ours where it cannot
// ------------------------------------------------------------------------------------------------

Tuplesortstate *begin_sort(const LiveScan *scan, TupleDesc row) {
  const List *order = plan_part(scan->node, kOrderForm);
  const int count = list_length(order);
  auto *columns = static_cast<AttrNumber *>(palloc(sizeof(AttrNumber) * count));
  auto *operators = static_cast<Oid *>(palloc(sizeof(Oid) * count));
  auto *collations = static_cast<Oid *>(palloc0(sizeof(Oid) * count));
  auto *nulls_first = static_cast<bool *>(palloc(sizeof(bool) * count));
  for (int i = 0; i < count; ++i) {
    const auto *part = static_cast<const List *>(list_nth(order, i));
    columns[i] = static_cast<AttrNumber>(list_nth_int(part, kOrderColumn));
    operators[i] = static_cast<Oid>(list_nth_int(part, kOrderOperator));
    nulls_first[i] = list_nth_int(part, kOrderNullsFirst) != 0;
  }
  return tuplesort_begin_heap(row, count, columns, operators, collations, nulls_first, work_mem,
                              nullptr, TUPLESORT_NONE);
}

void sort_rows(LiveScan *scan, TupleTableSlot *slot) {
  MemoryContext before = MemoryContextSwitchTo(scan->pass_context);
  scan->sort = begin_sort(scan, slot->tts_tupleDescriptor);
  ExprContext *expressions = scan->node->ss.ps.ps_ExprContext;
  while (const Record *record = next_record(scan)) {
    ResetExprContext(expressions);
    MemoryContextSwitchTo(expressions->ecxt_per_tuple_memory);
    fill(scan, record, slot);
    tuplesort_puttupleslot(scan->sort, slot);
    ExecClearTuple(slot);
    MemoryContextSwitchTo(scan->pass_context);
  }
  tuplesort_performsort(scan->sort);
  scan->sorted = MakeSingleTupleTableSlot(slot->tts_tupleDescriptor, &TTSOpsMinimalTuple);
  MemoryContextSwitchTo(before);
}

/// Shows a row that was kept in the scan's own slot.
TupleTableSlot *show_kept(TupleTableSlot *kept, TupleTableSlot *slot) {
  slot_getallattrs(kept);
  const int count = slot->tts_tupleDescriptor->natts;
  memcpy(slot->tts_values, kept->tts_values, sizeof(Datum) * count);
  memcpy(slot->tts_isnull, kept->tts_isnull, sizeof(bool) * count);
  return ExecStoreVirtualTuple(slot);
}

TupleTableSlot *next_sorted(LiveScan *scan, TupleTableSlot *slot) {
  if (!tuplesort_gettupleslot(scan->sort, true, false, scan->sorted, nullptr)) return slot;
  return show_kept(scan->sorted, slot);
}

/// Sees to it that rows come in the plan's order. Under an asynchronous Append there is none.
void see_to_order(LiveScan *scan, TupleTableSlot *slot) {
  if (plan_part(scan->node, kOrderForm) == NIL || scan->asynchronous || scan->in_order) return;
  scan->in_order = true;
  if (list_length(scan->parts) == 1) {
    const Record *first = next_record(scan);
    if (first == nullptr) return;
    scan->part->record--;
    if (reading_is_ordered(scan->part->reading)) return;
  }
  sort_rows(scan, slot);
}

// --- Counting
// ----------------------------------------------------------------------------------------

/// What the provider has counted, and the records that it could only give.
TupleTableSlot *count_rows(LiveScan *scan, TupleTableSlot *slot) {
  if (scan->counted) return slot;
  ExprContext *expressions = scan->node->ss.ps.ps_ExprContext;
  MemoryContext before = CurrentMemoryContext;
  while (const Record *record = next_record(scan)) {
    ResetExprContext(expressions);
    MemoryContextSwitchTo(expressions->ecxt_per_tuple_memory);
    fill(scan, record, slot);
    expressions->ecxt_scantuple = slot;
    if (ExecQual(scan->conditions, expressions)) scan->count++;
    ExecClearTuple(slot);
    MemoryContextSwitchTo(before);
  }
  if (scan->waits) return slot;
  scan->counted = true;
  memset(slot->tts_isnull, true, sizeof(bool) * slot->tts_tupleDescriptor->natts);
  slot->tts_values[0] = Int64GetDatum(scan->count);
  slot->tts_isnull[0] = false;
  return ExecStoreVirtualTuple(slot);
}

void close_pass(LiveScan *scan);

// --- Batches of ids: one pass for many outer rows
// ------------------------------------------------------------------------------------------------

/// The text of a narrowing for the outer row; null: it is NULL.
const char *text_of(LiveScan *scan, int number) {
  bool null;
  const Datum value = evaluate(scan, number, &null);
  return null ? nullptr : TextDatumGetCString(value);
}

bool has_text(const List *texts, const char *text) {
  const ListCell *cell;
  foreach (cell, texts)
    if (strcmp(strVal(lfirst(cell)), text) == 0) return true;
  return false;
}

void keep_row(Batch *batch, const char *id, MinimalTuple row) {
  if (batch->count == batch->size) {
    batch->size *= 2;
    batch->rows = static_cast<BatchRow *>(repalloc(batch->rows, sizeof(BatchRow) * batch->size));
  }
  batch->rows[batch->count++] = {id, row};
}

/// Reads what `ids` and `customers` (null: not narrowed by the outer rows) name, and keeps it.
void read_batch(LiveScan *scan, int64 number, const List *ids, ArrayType *customers,
                TupleTableSlot *slot) {
  close_pass(scan);
  MemoryContext before = MemoryContextSwitchTo(scan->pass_context);
  prepare_pass(scan);
  auto *batch = static_cast<Batch *>(palloc0(sizeof(Batch)));
  batch->number = number;
  batch->size = kIdsPerReading;
  batch->rows = static_cast<BatchRow *>(palloc(sizeof(BatchRow) * batch->size));
  List *all_ids = static_cast<List *>(copyObjectImpl(ids));
  batch->ids = all_ids;
  const ListCell *cell;
  bool nothing = ids == NIL;
  const bool outer_customers = plan_figure(scan->node, kBatchCustomers) != 0;
  const int customers_form = plan_figure(scan->node, kCustomersForm);
  if (outer_customers) {
    customers = DatumGetArrayTypePCopy(PointerGetDatum(customers));
    batch->customers = distinct_texts(customers);
  } else if (customers_form != Narrowing::kNone) {
    customers = texts_of(scan, 0, customers_form);
    nothing = nothing || customers == nullptr;
  }
  if (!nothing) {
    const int first = customers_form != Narrowing::kNone ? 2 : 1;
    const FormValue *values = evaluate_form(scan, plan_values(scan->node).form, first);
    const List *connections = find_connections(scan, customers);
    foreach (cell, connections)
      add_parts(scan, static_cast<LiveConnection *>(lfirst(cell)), all_ids, values);
  }
  ExprContext *expressions = scan->node->ss.ps.ps_ExprContext;
  while (const Record *record = next_record(scan)) {
    ResetExprContext(expressions);
    MemoryContextSwitchTo(expressions->ecxt_per_tuple_memory);
    fill(scan, record, slot);
    MemoryContextSwitchTo(scan->pass_context);
    const char *id = pnstrdup(record->id.data(), record->id.size());
    keep_row(batch, id, ExecCopySlotMinimalTuple(slot));
    ExecClearTuple(slot);
  }
  foreach (cell, scan->parts) close_part(scan, static_cast<Part *>(lfirst(cell)));
  scan->part = nullptr;
  scan->batch = batch;
  MemoryContextSwitchTo(before);
}

/// Whether the batch that is there was read for this outer row, too.
bool covers(const Batch *batch, int64 number, const char *id, const char *customer) {
  if (batch == nullptr || batch->number != number || !has_text(batch->ids, id)) return false;
  return batch->customers == NIL || has_text(batch->customers, customer);
}

/// Sees to it that the records of the outer row's id are there.
void see_to_batch(LiveScan *scan, const char *customer, TupleTableSlot *slot) {
  const AnnouncedBatch *announced =
      announced_batch(scan->node->ss.ps.state, plan_figure(scan->node, kBatchSlot));
  const int64 number = announced == nullptr ? 0 : announced->number;
  if (covers(scan->batch, number, scan->id, customer)) return;
  if (announced != nullptr) read_batch(scan, number, announced->ids, announced->customers, slot);
  if (covers(scan->batch, number, scan->id, customer)) return;
  // What nobody has announced is asked for by itself.
  ArrayType *customers = nullptr;
  if (customer != nullptr) {
    Datum named = CStringGetTextDatum(customer);
    customers = construct_array(&named, 1, TEXTOID, -1, false, TYPALIGN_INT);
  }
  read_batch(scan, number, list_make1(makeString(pstrdup(scan->id))), customers, slot);
}

/// Takes the outer row's values.
void begin_looking(LiveScan *scan, TupleTableSlot *slot) {
  const bool outer_customers = plan_figure(scan->node, kBatchCustomers) != 0;
  const int ids_number = plan_figure(scan->node, kCustomersForm) != Narrowing::kNone ? 1 : 0;
  MemoryContextReset(scan->row_context);
  MemoryContext before = MemoryContextSwitchTo(scan->row_context);
  scan->looking = true;
  scan->next = 0;
  scan->id = text_of(scan, ids_number);
  const char *customer = outer_customers ? text_of(scan, 0) : nullptr;
  if (outer_customers && customer == nullptr) scan->id = nullptr;
  if (scan->id != nullptr) see_to_batch(scan, customer, slot);
  MemoryContextSwitchTo(before);
}

TupleTableSlot *next_of_batch(LiveScan *scan, TupleTableSlot *slot) {
  if (!scan->looking) begin_looking(scan, slot);
  if (scan->id == nullptr) return slot;
  const Batch *batch = scan->batch;
  while (scan->next < batch->count && strcmp(batch->rows[scan->next].id, scan->id) != 0)
    scan->next++;
  if (scan->next == batch->count) return slot;
  ExecStoreMinimalTuple(batch->rows[scan->next++].row, scan->kept, false);
  return show_kept(scan->kept, slot);
}

void close_pass(LiveScan *scan) {
  const ListCell *cell;
  foreach (cell, scan->parts) close_part(scan, static_cast<Part *>(lfirst(cell)));
  if (scan->sort != nullptr) {
    ExecDropSingleTupleTableSlot(scan->sorted);
    tuplesort_end(scan->sort);
  }
  scan->sort = nullptr;
  scan->parts = NIL;
  scan->part = nullptr;
  scan->started = scan->in_order = scan->counted = false;
  scan->count = 0;
  scan->batch = nullptr;
  MemoryContextReset(scan->pass_context);
}

}  // namespace

void check_usage(ForeignScanState *node, const LiveTable *table) {
  const AclResult rights =
      rights_on(ForeignServerRelationId, table->server, scan_user(node), ACL_USAGE);
  if (rights != ACLCHECK_OK) aclcheck_error(rights, OBJECT_FOREIGN_SERVER, table->server_name);
}

namespace {

void prepare_batches(LiveScan *scan) {
  scan->row_context =
      AllocSetContextCreate(scan->context, "supaglue live scan row", ALLOCSET_DEFAULT_SIZES);
  scan->kept = MakeSingleTupleTableSlot(scan->node->ss.ss_ScanTupleSlot->tts_tupleDescriptor,
                                        &TTSOpsMinimalTuple);
  // A batch is good while all but the outer rows' values stays as it is.
  const PlanValues values = plan_values(scan->node);
  scan->parameters = parameters_of(values.form);
  if (values.customers != nullptr && plan_figure(scan->node, kBatchCustomers) == 0)
    scan->parameters =
        bms_join(scan->parameters, pull_paramids(const_cast<Expr *>(values.customers)));
}

}  // namespace

LiveScan *begin_live_scan(ForeignScanState *node) {
  auto *scan = static_cast<LiveScan *>(palloc0(sizeof(LiveScan)));
  const Oid relation = plan_relation(node);
  scan->node = node;
  scan->table = live_table(relation);
  check_usage(node, &scan->table);
  scan->context =
      AllocSetContextCreate(CurrentMemoryContext, "supaglue live scan", ALLOCSET_DEFAULT_SIZES);
  scan->pass_context =
      AllocSetContextCreate(scan->context, "supaglue live scan pass", ALLOCSET_DEFAULT_SIZES);
  scan->columns = live_columns(relation);
  find_columns(scan);
  List *expressions = plan_of(node)->fdw_exprs;
  const int value_count = plan_figure(node, kValueCount);
  scan->values = ExecInitExprList(list_truncate(list_copy(expressions), value_count), &node->ss.ps);
  scan->conditions = ExecInitQual(list_copy_tail(expressions, value_count), &node->ss.ps);
  scan->parameters = parameters_of(expressions);
  if (plan_figure(node, kBatchSlot) >= 0) prepare_batches(scan);
  scan->asynchronous = node->ss.ps.async_capable;
  return scan;
}

TupleTableSlot *next_live_row(LiveScan *scan) {
  TupleTableSlot *slot = scan->node->ss.ss_ScanTupleSlot;
  ExecClearTuple(slot);
  CHECK_FOR_INTERRUPTS();
  if (plan_figure(scan->node, kBatchSlot) >= 0) return next_of_batch(scan, slot);
  if (!scan->started) start_pass(scan);
  if (plan_figure(scan->node, kCounting) != 0) return count_rows(scan, slot);
  see_to_order(scan, slot);
  if (scan->sort != nullptr) return next_sorted(scan, slot);
  const Record *record = next_record(scan);
  if (record != nullptr) fill(scan, record, slot);
  return slot;
}

void restart_live_scan(LiveScan *scan) {
  scan->looking = false;
  if (!scan->started) return;
  const bool same_values = !bms_overlap(scan->parameters, scan->node->ss.ps.chgParam);
  if (plan_figure(scan->node, kBatchSlot) >= 0) {
    if (!same_values) close_pass(scan);
    return;
  }
  if (!same_values || !is_repeatable(scan) || scan->sort != nullptr ||
      plan_figure(scan->node, kCounting) != 0) {
    close_pass(scan);
    return;
  }
  const ListCell *cell;
  foreach (cell, scan->parts) static_cast<Part *>(lfirst(cell))->record = 0;
  scan->part = nullptr;
}

void end_live_scan(LiveScan *scan) {
  close_pass(scan);
  if (scan->kept != nullptr) ExecDropSingleTupleTableSlot(scan->kept);
  MemoryContextDelete(scan->context);
}

bool live_scan_waits(const LiveScan *scan, int64 *wake_at_ms) {
  *wake_at_ms = scan->wake_at;
  return scan->waits;
}

LiveCosts live_scan_costs(const LiveScan *scan) {
  LiveCosts costs = scan->costs;
  const ListCell *cell;
  foreach (cell, scan->parts) add_costs(&costs, static_cast<Part *>(lfirst(cell)));
  return costs;
}

}  // namespace supaglue
