// pg: one pass of a foreign scan over the provider. See live_pass.hpp.
#include "live_pass.hpp"

#include "pg.hpp"
#include "settings.hpp"

namespace supaglue {

// --- The values, the connections, the parts
// ------------------------------------------------------------------------------------------------

Datum plan_value(LiveScan *scan, int number, bool *null) {
  auto *state = static_cast<ExprState *>(list_nth(scan->values, number));
  return ExecEvalExprSwitchContext(state, scan->node->ss.ps.ps_ExprContext, null);
}

ArrayType *narrowing_texts(LiveScan *scan, int number, int form) {
  bool null;
  Datum value = plan_value(scan, number, &null);
  if (null) return nullptr;
  if (form == Narrowing::kAny) return DatumGetArrayTypePCopy(value);
  return construct_array(&value, 1, TEXTOID, -1, false, TYPALIGN_INT);
}

FormValue *filter_values(LiveScan *scan, int first) {
  const List *expressions = plan_values(scan->node).form;
  auto *values =
      static_cast<FormValue *>(palloc(sizeof(FormValue) * (list_length(expressions) + 1)));
  for (int i = 0; i < list_length(expressions); ++i) {
    bool null;
    const Datum value = plan_value(scan, first + i, &null);
    values[i] = form_value(value, null, exprType(static_cast<Node *>(list_nth(expressions, i))));
  }
  return values;
}

namespace {

/// So many readings of a scan are under way at once.
constexpr int kReadingsAtOnce = 10;

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

}  // namespace

void add_readings(LiveScan *scan, const ArrayType *customers, const List *ids,
                  const FormValue *values) {
  const List *connections = find_connections(scan, customers);
  const ListCell *cell;
  foreach (cell, connections)
    add_parts(scan, static_cast<LiveConnection *>(lfirst(cell)), ids, values);
}

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
    customers = narrowing_texts(scan, number++, customers_form);
    nothing = customers == nullptr;
  }
  if (ids_form != Narrowing::kNone) {
    ArrayType *texts = narrowing_texts(scan, number++, ids_form);
    if (texts != nullptr) ids = distinct_texts(texts);
    nothing = nothing || ids == NIL;
  }
  if (!nothing) add_readings(scan, customers, ids, filter_values(scan, number));
  MemoryContextSwitchTo(before);
}

// --- Parts: readings under way
// ------------------------------------------------------------------------------------------------

namespace {

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

}  // namespace

bool is_repeatable(const LiveScan *scan) {
  const ListCell *cell;
  foreach (cell, scan->parts) {
    const auto *part = static_cast<Part *>(lfirst(cell));
    if (part->pages > 1 || (part->begun && part->reading == nullptr)) return false;
  }
  return true;
}

namespace {

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

}  // namespace

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

void close_readings(LiveScan *scan) {
  const ListCell *cell;
  foreach (cell, scan->parts) close_part(scan, static_cast<Part *>(lfirst(cell)));
  scan->part = nullptr;
}

void close_pass(LiveScan *scan) {
  close_readings(scan);
  if (scan->sort != nullptr) {
    ExecDropSingleTupleTableSlot(scan->sorted);
    tuplesort_end(scan->sort);
  }
  scan->sort = nullptr;
  scan->parts = NIL;
  scan->started = scan->in_order = scan->counted = false;
  scan->count = 0;
  scan->batch = nullptr;
  MemoryContextReset(scan->pass_context);
}

LiveCosts live_scan_costs(const LiveScan *scan) {
  LiveCosts costs = scan->costs;
  const ListCell *cell;
  foreach (cell, scan->parts) add_costs(&costs, static_cast<Part *>(lfirst(cell)));
  return costs;
}

}  // namespace supaglue
