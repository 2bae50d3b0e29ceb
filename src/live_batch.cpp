// pg: foreign scans that answer each outer row of a join from what one pass has read for many: see
// batched_join.hpp, which announces their ids.
#include "batched_join.hpp"
#include "live_pass.hpp"

#include "pg.hpp"

namespace supaglue {

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

namespace {

/// The text of a narrowing for the outer row; null: it is NULL.
const char *text_of(LiveScan *scan, int number) {
  bool null;
  const Datum value = plan_value(scan, number, &null);
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

/// An empty batch of these ids, and of the customers that go with them: null when the outer rows
/// do not narrow them.
Batch *new_batch(int64 number, const List *ids, const ArrayType *customers) {
  auto *batch = static_cast<Batch *>(palloc0(sizeof(Batch)));
  batch->number = number;
  batch->size = kIdsPerReading;
  batch->rows = static_cast<BatchRow *>(palloc(sizeof(BatchRow) * batch->size));
  batch->ids = static_cast<List *>(copyObjectImpl(ids));
  if (customers != nullptr)
    batch->customers = distinct_texts(DatumGetArrayTypePCopy(PointerGetDatum(customers)));
  return batch;
}

/// Keeps every record of the pass.
void keep_records(LiveScan *scan, Batch *batch, TupleTableSlot *slot) {
  ExprContext *expressions = scan->node->ss.ps.ps_ExprContext;
  while (const Record *record = next_record(scan)) {
    ResetExprContext(expressions);
    MemoryContextSwitchTo(expressions->ecxt_per_tuple_memory);
    fill_row(scan, record, slot);
    MemoryContextSwitchTo(scan->pass_context);
    const char *id = pnstrdup(record->id.data(), record->id.size());
    keep_row(batch, id, ExecCopySlotMinimalTuple(slot));
    ExecClearTuple(slot);
  }
}

/// Reads what `ids` and `customers` (null: not narrowed by the outer rows) name, and keeps it.
void read_batch(LiveScan *scan, int64 number, const List *ids, const ArrayType *customers,
                TupleTableSlot *slot) {
  close_pass(scan);
  MemoryContext before = MemoryContextSwitchTo(scan->pass_context);
  prepare_pass(scan);
  const int customers_form = plan_figure(scan->node, kCustomersForm);
  const bool outer_customers = plan_figure(scan->node, kBatchCustomers) != 0;
  Batch *batch = new_batch(number, ids, outer_customers ? customers : nullptr);
  bool nothing = ids == NIL;
  if (!outer_customers && customers_form != Narrowing::kNone) {
    customers = narrowing_texts(scan, 0, customers_form);
    nothing = nothing || customers == nullptr;
  }
  if (!nothing) {
    const int first = customers_form != Narrowing::kNone ? 2 : 1;
    add_readings(scan, customers, batch->ids, filter_values(scan, first));
  }
  keep_records(scan, batch, slot);
  close_readings(scan);
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

}  // namespace

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

}  // namespace supaglue
