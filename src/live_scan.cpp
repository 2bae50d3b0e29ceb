// pg: the execution of one foreign scan. See live_scan.hpp.
#include "live_scan.hpp"

#include "pg.hpp"

#include "fdw_options.hpp"
#include "live_connections.hpp"
#include "reading.hpp"
#include "settings.hpp"

namespace supaglue {

namespace {

/// A query for more ids than this would not fit into a request: they are read in parts.
constexpr int kIdsPerReading = 100;

struct ColumnType {
  const char *name;
  LiveColumn column;
  Oid type;
};
constexpr ColumnType kColumns[] = {
    {"_supaglue_application_id", LiveColumn::kApplicationId, TEXTOID},
    {kCustomerIdName, LiveColumn::kCustomerId, TEXTOID},
    {"_supaglue_provider_name", LiveColumn::kProviderName, TEXTOID},
    {kIdName, LiveColumn::kId, TEXTOID},
    {"_supaglue_emitted_at", LiveColumn::kEmittedAt, TIMESTAMPTZOID},
    {"_supaglue_is_deleted", LiveColumn::kIsDeleted, BOOLOID},
    {"_supaglue_raw_data", LiveColumn::kRawData, JSONBOID},
    {"_supaglue_last_modified_at", LiveColumn::kLastModifiedAt, TIMESTAMPTZOID},
};

/// A column that the query needs, and where it stands in the slot.
struct NeededColumn {
  LiveColumn column;
  int index;
};

struct Learned {
  int64 connection_id;
  char *metadata;
};

}  // namespace

struct LiveScan {
  ForeignScanState *node;
  LiveTable table;
  MemoryContext context;       // of the whole scan
  MemoryContext pass_context;  // from a (re)start to the next
  MemoryContext part_context;  // of one reading
  NeededColumn *needed;
  int needed_count;
  bool needs_raw;
  List *values;           // ExprState, of the narrowings that there are
  Bitmapset *parameters;  // that they depend on
  Narrowing::Form customers_form, ids_form;
  List *learned;   // Learned
  int64 requests;  // of the readings that have ended
  // of the pass
  bool started, finished;
  const char *application;
  List *connections;  // LiveConnection
  List *ids;          // String; those of the narrowing
  int connection;     // the one to read next
  int first_id;       // and where in `ids` it goes on
  int parts_read;
  // of the part
  Reading *reading;
  const LiveConnection *read_connection;
  Datum application_id, customer_id, provider_name;
  const Page *page;
  size_t record;
  int pages_read;
};

namespace {

// --- Beginning
// -----------------------------------------------------------------------------------------

const ForeignScan *plan_of(const ForeignScanState *node) {
  return reinterpret_cast<const ForeignScan *>(node->ss.ps.plan);
}

const List *plan_part(const ForeignScanState *node, PlanPart part) {
  return static_cast<const List *>(list_nth(plan_of(node)->fdw_private, part));
}

const ColumnType *column_named(const char *name) {
  for (const ColumnType &column : kColumns)
    if (strcmp(column.name, name) == 0) return &column;
  return nullptr;
}

/// The column that an attribute stands for; it must be one that a live table can have.
LiveColumn column_of(Form_pg_attribute attribute) {
  const char *name = NameStr(attribute->attname);
  const ColumnType *column = column_named(name);
  if (column == nullptr)
    ereport(ERROR, (errcode(ERRCODE_FDW_COLUMN_NAME_NOT_FOUND),
                    errmsg("a live table has no column \"%s\"", name),
                    errhint("Its columns are those of the synced table.")));
  if (attribute->atttypid != column->type)
    ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_DATA_TYPE),
                    errmsg("column \"%s\" of a live table must be of type %s", name,
                           format_type_be(column->type))));
  return column->column;
}

bool is_needed(const List *needed, AttrNumber number) {
  return list_member_int(needed, 0) || list_member_int(needed, number);
}

void find_columns(LiveScan *scan) {
  const TupleDesc row = RelationGetDescr(scan->node->ss.ss_currentRelation);
  const List *needed = plan_part(scan->node, kNeededColumns);
  scan->needed = static_cast<NeededColumn *>(palloc(sizeof(NeededColumn) * Max(row->natts, 1)));
  for (int i = 0; i < row->natts; ++i) {
    Form_pg_attribute attribute = TupleDescAttr(row, i);
    if (attribute->attisdropped) continue;
    const LiveColumn column = column_of(attribute);
    if (!is_needed(needed, attribute->attnum)) continue;
    scan->needed[scan->needed_count++] = {column, i};
    scan->needs_raw = scan->needs_raw || column == LiveColumn::kRawData;
  }
}

Narrowing::Form form_of(const ForeignScanState *node, int which) {
  return static_cast<Narrowing::Form>(list_nth_int(plan_part(node, kForms), which));
}

Bitmapset *parameters_of(const List *values) {
  Bitmapset *parameters = nullptr;
  const ListCell *cell;
  foreach (cell, values)
    parameters = bms_join(parameters, pull_paramids(static_cast<Expr *>(lfirst(cell))));
  return parameters;
}

// --- A pass: the values, the connections
// ------------------------------------------------------------

/// The value of a narrowing as a text[]; null: it is NULL, and nothing is equal to that.
ArrayType *texts_of(LiveScan *scan, int which, Narrowing::Form form) {
  auto *state = static_cast<ExprState *>(list_nth(scan->values, which));
  bool null;
  Datum value = ExecEvalExprSwitchContext(state, scan->node->ss.ps.ps_ExprContext, &null);
  if (null) return nullptr;
  if (form == Narrowing::kAny) return DatumGetArrayTypePCopy(value);
  return construct_array(&value, 1, TEXTOID, -1, false, TYPALIGN_INT);
}

int compare_texts(const ListCell *a, const ListCell *b) {
  return strcmp(strVal(lfirst(a)), strVal(lfirst(b)));
}

/// The ids, each once: one that is read twice would be two rows.
List *distinct_ids(ArrayType *texts) {
  Datum *values;
  bool *nulls;
  int count;
  deconstruct_array(texts, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &count);
  List *all = NIL;
  for (int i = 0; i < count; ++i)
    if (!nulls[i]) all = lappend(all, makeString(TextDatumGetCString(values[i])));
  list_sort(all, compare_texts);
  List *ids = NIL;
  const ListCell *cell;
  foreach (cell, all)
    if (ids == NIL || strcmp(strVal(llast(ids)), strVal(lfirst(cell))) != 0)
      ids = lappend(ids, lfirst(cell));
  return ids;
}

void start_pass(LiveScan *scan) {
  MemoryContext before = MemoryContextSwitchTo(scan->pass_context);
  scan->started = true;
  scan->finished = false;
  scan->application = pstrdup(settings.application_id);
  scan->connections = scan->ids = NIL;
  scan->connection = scan->first_id = scan->parts_read = 0;
  int value = 0;
  bool nothing = false;
  ArrayType *customers = nullptr;
  if (scan->customers_form != Narrowing::kNone) {
    customers = texts_of(scan, value++, scan->customers_form);
    nothing = customers == nullptr;
  }
  if (scan->ids_form != Narrowing::kNone) {
    ArrayType *ids = texts_of(scan, value, scan->ids_form);
    if (ids != nullptr) scan->ids = distinct_ids(ids);
    nothing = nothing || scan->ids == NIL;
  }
  if (!nothing) scan->connections = live_connections(&scan->table, customers);
  MemoryContextSwitchTo(before);
}

// --- A part: one reading
// ------------------------------------------------------------------------------

Learned *learned_of(LiveScan *scan, int64 connection_id) {
  const ListCell *cell;
  foreach (cell, scan->learned) {
    auto *learned = static_cast<Learned *>(lfirst(cell));
    if (learned->connection_id == connection_id) return learned;
  }
  return nullptr;
}

/// Keeps what the reading learned of the object, so that a rescan need not ask again.
void remember(LiveScan *scan) {
  const int64 connection_id = scan->read_connection->id;
  if (scan->read_connection->metadata != nullptr || learned_of(scan, connection_id) != nullptr)
    return;
  MemoryContext before = MemoryContextSwitchTo(scan->context);
  if (char *metadata = reading_metadata(scan->reading); metadata != nullptr) {
    auto *learned = static_cast<Learned *>(palloc(sizeof(Learned)));
    *learned = {connection_id, metadata};
    scan->learned = lappend(scan->learned, learned);
  }
  MemoryContextSwitchTo(before);
}

int64 requests_of(const Reading *reading) {
  int64 requests, bytes, provider_time, total;
  reading_counts(reading, &requests, &bytes, &provider_time, &total);
  return requests;
}

void close_part(LiveScan *scan) {
  if (scan->reading == nullptr) return;
  remember(scan);
  scan->requests += requests_of(scan->reading);
  scan->reading = nullptr;
  scan->page = nullptr;
  MemoryContextReset(scan->part_context);
}

/// What a scan without the raw data asks for.
List *key_fields(const char *provider_name) {
  const char *id = guarded_text([&] {
    const auto connector = Connector::builtin(provider_name);
    return connector == nullptr ? std::string("id") : connector->settings.value("id_field", "id");
  });
  return list_make1(makeString(pstrdup(id)));
}

ReadingSpec spec_of(const LiveTable *table, bool needs_raw, List *ids) {
  ReadingSpec spec = {};
  spec.provider_name = table->provider_name;
  spec.object_type = table->object_type;
  spec.object = table->object;
  spec.fields = needs_raw ? NIL : key_fields(table->provider_name);
  spec.ids = ids;
  spec.no_repeats = spec.live = true;
  return spec;
}

/// Opens the next reading of the pass; false when there is none.
bool open_part(LiveScan *scan) {
  if (scan->connection >= list_length(scan->connections)) return false;
  const auto *connection =
      static_cast<const LiveConnection *>(list_nth(scan->connections, scan->connection));
  MemoryContext before = MemoryContextSwitchTo(scan->part_context);
  List *ids = list_copy_tail(scan->ids, scan->first_id);
  ids = list_truncate(ids, kIdsPerReading);
  ReadingSpec spec = spec_of(&scan->table, scan->needs_raw, ids);
  spec.connection_id = connection->id;
  spec.config = connection->config;
  spec.metadata = connection->metadata;
  if (const Learned *learned = learned_of(scan, connection->id); learned != nullptr)
    spec.metadata = learned->metadata;
  const int64 left = settings.live_max_requests - scan->requests;
  spec.max_requests = left > 0 ? static_cast<int>(left) : -1;
  scan->reading = open_reading(scan->part_context, &spec);
  scan->read_connection = connection;
  scan->application_id = CStringGetTextDatum(scan->application);
  scan->customer_id = CStringGetTextDatum(connection->customer_id);
  scan->provider_name = CStringGetTextDatum(scan->table.provider_name);
  MemoryContextSwitchTo(before);
  scan->page = nullptr;
  scan->pages_read = 0;
  scan->parts_read++;
  scan->first_id += list_length(ids);
  if (scan->first_id >= list_length(scan->ids)) {
    scan->first_id = 0;
    scan->connection++;
  }
  return true;
}

/// The next page of the reading; one without records is as good as any. False at its end.
bool read_page(LiveScan *scan) {
  const Page *page = next_page(scan->reading);
  if (page == nullptr) return false;
  if (!page->rejects.empty())
    ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
                    errmsg("a record of %s \"%s\" cannot be used", scan->table.provider_name,
                           scan->table.object),
                    errdetail_internal("%s", page->rejects.front().reason.c_str())));
  scan->page = page;
  scan->record = 0;
  scan->pages_read++;
  return true;
}

/// The next record; null at the end of the pass. The last part stays open, for a rescan.
const Record *next_record(LiveScan *scan) {
  for (;;) {
    if (scan->page != nullptr && scan->record < scan->page->records.size())
      return &scan->page->records[scan->record++];
    if (scan->finished) return nullptr;
    if (scan->reading == nullptr && !open_part(scan)) {
      scan->finished = true;
    } else if (!read_page(scan)) {
      scan->finished = scan->connection >= list_length(scan->connections);
      if (!scan->finished) close_part(scan);
    }
  }
}

// --- Rows: their values live in the tuple's context, which is the current one
// --------------------------------

Datum json_datum(std::string_view text) {
  char *copy = pnstrdup(text.data(), text.size());
  copy = pg_any_to_server(copy, static_cast<int>(text.size()), PG_UTF8);
  return DirectFunctionCall1(jsonb_in, CStringGetDatum(copy));
}

Datum stamp_datum(std::string_view text) {
  return DirectFunctionCall3(timestamptz_in, CStringGetDatum(pnstrdup(text.data(), text.size())),
                             ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
}

Datum column_datum(const LiveScan *scan, const Record *record, LiveColumn column, bool *null) {
  switch (column) {
    case LiveColumn::kApplicationId:
      return scan->application_id;
    case LiveColumn::kCustomerId:
      return scan->customer_id;
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
      return json_datum(record->raw);
    case LiveColumn::kLastModifiedAt:
      *null = record->modified.empty();
      return *null ? static_cast<Datum>(0) : stamp_datum(record->modified);
  }
  pg_unreachable();
}

}  // namespace

LiveScan *begin_live_scan(ForeignScanState *node) {
  const Oid relation = RelationGetRelid(node->ss.ss_currentRelation);
  auto *scan = static_cast<LiveScan *>(palloc0(sizeof(LiveScan)));
  scan->node = node;
  scan->table = live_table(relation);
  const AclResult rights =
      rights_on(ForeignServerRelationId, scan->table.server, scan_user(node), ACL_USAGE);
  if (rights != ACLCHECK_OK) aclcheck_error(rights, OBJECT_FOREIGN_SERVER, scan->table.server_name);
  scan->context =
      AllocSetContextCreate(CurrentMemoryContext, "supaglue live scan", ALLOCSET_DEFAULT_SIZES);
  scan->pass_context =
      AllocSetContextCreate(scan->context, "supaglue live scan pass", ALLOCSET_DEFAULT_SIZES);
  scan->part_context =
      AllocSetContextCreate(scan->context, "supaglue live scan part", ALLOCSET_DEFAULT_SIZES);
  find_columns(scan);
  scan->values = ExecInitExprList(plan_of(node)->fdw_exprs, &node->ss.ps);
  scan->parameters = parameters_of(plan_of(node)->fdw_exprs);
  scan->customers_form = form_of(node, 0);
  scan->ids_form = form_of(node, 1);
  return scan;
}

TupleTableSlot *next_live_row(LiveScan *scan) {
  TupleTableSlot *slot = scan->node->ss.ss_ScanTupleSlot;
  ExecClearTuple(slot);
  CHECK_FOR_INTERRUPTS();
  if (!scan->started) start_pass(scan);
  const Record *record = next_record(scan);
  if (record == nullptr) return slot;
  memset(slot->tts_isnull, true, sizeof(bool) * slot->tts_tupleDescriptor->natts);
  for (int i = 0; i < scan->needed_count; ++i) {
    const NeededColumn *needed = &scan->needed[i];
    bool null = false;
    slot->tts_values[needed->index] = column_datum(scan, record, needed->column, &null);
    slot->tts_isnull[needed->index] = null;
  }
  return ExecStoreVirtualTuple(slot);
}

void restart_live_scan(LiveScan *scan) {
  if (!scan->started) return;
  const bool same_values = !bms_overlap(scan->parameters, scan->node->ss.ps.chgParam);
  // While only one page has been read, it is all still there.
  if (same_values && scan->reading != nullptr && scan->parts_read == 1 && scan->pages_read == 1) {
    scan->record = 0;
    return;
  }
  close_part(scan);
  MemoryContextReset(scan->pass_context);
  scan->started = false;
}

void end_live_scan(LiveScan *scan) { MemoryContextDelete(scan->context); }

int64 live_scan_requests(const LiveScan *scan) {
  return scan->requests + (scan->reading == nullptr ? 0 : requests_of(scan->reading));
}

// --- EXPLAIN
// ---------------------------------------------------------------------------------------------

namespace {

/// An id that a source takes for one, and that no record has: stands for a value that is not known
/// yet.
constexpr const char *kPlaceholder = "000000000000000000";

/// The texts of a narrowing's value when the plan holds them; else null.
ArrayType *constant_texts(const Expr *value, Narrowing::Form form) {
  if (!IsA(value, Const)) return nullptr;
  const auto *constant = reinterpret_cast<const Const *>(value);
  if (constant->constisnull) return construct_empty_array(TEXTOID);
  Datum text = constant->constvalue;
  if (form == Narrowing::kAny) return DatumGetArrayTypeP(text);
  return construct_array(&text, 1, TEXTOID, -1, false, TYPALIGN_INT);
}

char *joined(const List *texts) {
  StringInfoData out;
  initStringInfo(&out);
  const ListCell *cell;
  foreach (cell, texts)
    appendStringInfo(&out, "%s%s", out.len > 0 ? ", " : "", strVal(lfirst(cell)));
  return out.data;
}

/// How a value is shown that the plan does not hold: by the parameter's own number, or as the n-th
/// of the scan.
char *explain_parameter(const Expr *value, Narrowing::Form form, int number) {
  if (IsA(value, Param) && reinterpret_cast<const Param *>(value)->paramkind == PARAM_EXTERN)
    number = reinterpret_cast<const Param *>(value)->paramid;
  return psprintf(form == Narrowing::kAny ? "any of $%d" : "$%d", number);
}

char *explain_customers(const Expr *value, Narrowing::Form form, int number) {
  if (form == Narrowing::kNone)
    return settings.customer_id != nullptr && settings.customer_id[0] != '\0'
               ? psprintf("%s (supaglue.customer_id)", settings.customer_id)
               : pstrdup("all");
  ArrayType *texts = constant_texts(value, form);
  if (texts != nullptr) return joined(distinct_ids(texts));
  return explain_parameter(value, form, number);
}

char *explain_request(const LiveTable *table, bool needs_raw, const Expr *value,
                      Narrowing::Form form, int number) {
  if (form == Narrowing::kNone) {
    const ReadingSpec spec = spec_of(table, needs_raw, NIL);
    return describe_reading(&spec);
  }
  ArrayType *texts = constant_texts(value, form);
  List *ids =
      texts == nullptr ? list_make1(makeString(pstrdup(kPlaceholder))) : distinct_ids(texts);
  if (list_length(ids) > kIdsPerReading) ids = list_truncate(ids, kIdsPerReading);
  const ReadingSpec spec = spec_of(table, needs_raw, ids);
  char *request = describe_reading(&spec);
  if (texts != nullptr) return request;
  const char *parameter = explain_parameter(value, form, number);
  char *at = strstr(request, psprintf("'%s'", kPlaceholder));
  if (at == nullptr) return request;
  *at = '\0';
  return psprintf("%s%s%s", request, parameter, at + strlen(kPlaceholder) + 2);
}

bool plan_needs_raw(const ForeignScanState *node) {
  const List *needed = plan_part(node, kNeededColumns);
  const AttrNumber raw =
      get_attnum(RelationGetRelid(node->ss.ss_currentRelation), "_supaglue_raw_data");
  return is_needed(needed, raw);
}

}  // namespace

void explain_live_scan(ForeignScanState *node, ExplainState *out) {
  const LiveTable table = live_table(RelationGetRelid(node->ss.ss_currentRelation));
  const List *values = plan_of(node)->fdw_exprs;
  const Narrowing::Form customers_form = form_of(node, 0), ids_form = form_of(node, 1);
  int number = 0;
  const auto next_value = [&](Narrowing::Form form) -> const Expr * {
    return form == Narrowing::kNone ? nullptr
                                    : static_cast<const Expr *>(list_nth(values, number++));
  };
  const Expr *customers = next_value(customers_form);
  ExplainPropertyText("Customers", explain_customers(customers, customers_form, number), out);
  const Expr *ids = next_value(ids_form);
  ExplainPropertyText("Remote request",
                      explain_request(&table, plan_needs_raw(node), ids, ids_form, number), out);
}

}  // namespace supaglue
