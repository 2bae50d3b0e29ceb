// pg: the execution of one foreign scan: the rows of a pass's records, in the order of the plan, or
// their count. See live_scan.hpp.
#include "live_pass.hpp"

#include "pg.hpp"

namespace supaglue {

namespace {

// --- Rows: their values live in the tuple's context, which is the current one
// --------------------------------------------------------------------------------

Datum jsonb_datum(std::string_view bytes) {
  void *copy = palloc(bytes.size());
  memcpy(copy, bytes.data(), bytes.size());
  return PointerGetDatum(copy);
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
  if (needs_raw) row.raw = jsonb_datum(record->raw);
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

}  // namespace

void fill_row(const LiveScan *scan, const Record *record, TupleTableSlot *slot) {
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

TupleTableSlot *show_kept(TupleTableSlot *kept, TupleTableSlot *slot) {
  slot_getallattrs(kept);
  const int count = slot->tts_tupleDescriptor->natts;
  memcpy(slot->tts_values, kept->tts_values, sizeof(Datum) * count);
  memcpy(slot->tts_isnull, kept->tts_isnull, sizeof(bool) * count);
  return ExecStoreVirtualTuple(slot);
}

namespace {

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
    fill_row(scan, record, slot);
    tuplesort_puttupleslot(scan->sort, slot);
    ExecClearTuple(slot);
    MemoryContextSwitchTo(scan->pass_context);
  }
  tuplesort_performsort(scan->sort);
  scan->sorted = MakeSingleTupleTableSlot(slot->tts_tupleDescriptor, &TTSOpsMinimalTuple);
  MemoryContextSwitchTo(before);
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
    fill_row(scan, record, slot);
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
  if (record != nullptr) fill_row(scan, record, slot);
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

}  // namespace supaglue
