// pg: the merger: takes runs that are fetched whole out of the spool and merges each into its
// destination, in one transaction with the run's record. It may wait for locks and for remote
// servers; nobody waits for it but its own run. It never speaks to a provider.
#include "helper.hpp"

#include "catalog.hpp"
#include "destination.hpp"
#include "epoch.hpp"
#include "erasure_queue.hpp"
#include "feed.hpp"
#include "fetched.hpp"
#include "held_deletions.hpp"
#include "helping.hpp"
#include "merge.hpp"
#include "merge_queue.hpp"
#include "page_reader.hpp"
#include "pg.hpp"
#include "placement.hpp"
#include "remote_connection.hpp"
#include "ring.hpp"
#include "run.hpp"
#include "settings.hpp"
#include "spool.hpp"
#include "sql.hpp"
#include "stopwatch.hpp"
#include "worker.hpp"

namespace supaglue {

namespace {

constexpr int64 kIdleMs = 5'000;     // after a failure that could not be written down
constexpr int64 kSweepMs = 600'000;  // of what is past its retention
constexpr int64 kSpoolLifeMs = int64{7} * 24 * 3600 * 1000;

// The merge under way.
struct Merging {
  int64 run_id;
  MemoryContext context;  // all that it needs, from the first transaction to the last
  Destination *destination;
  bool has_begun;  // the transaction there
  bool struck;     // its attempt is counted
  bool robbed;     // rows that it counted on are gone
  bool reads;      // it takes a page out of the spool
};

using Reader = std::shared_ptr<const PageReader>;

// Its end will find it here when the process must go before the merge is done.
Merging *under_way = nullptr;

// For what is of no use without a later commit: it need not wait for the disk.
void commit_lazily() { sql("SET LOCAL synchronous_commit = off"); }

// Counts the attempt, for the case that nobody sees its end: what kills the process that merges it
// shall not do so for ever. A run that found nothing, as most do, writes nothing and can do no
// harm.
void begin_attempt(Merging *merging) {
  Fetched fetched;
  const Run *run = lock_merge(merging->run_id, &fetched);
  if (run == nullptr || (fetched.pages == 0 && !sees_all(run) && !run->mapping_only)) return;
  if (fetched.strikes < kMostStrikes) {
    strike_merge(run->id, 1);
    merging->struck = true;
    return;
  }
  const Sync *sync = load_sync(fetched.sync_id, SyncLock::kNone);
  if (sync != nullptr)
    quarantine_run(
        sync, run, name_of(ErrorClass::kInternal),
        format("the worker that merged the run ended %d times in the midst", fetched.strikes));
  end_lease(run->id);
}

// The table is made, or given what it lacks, in a transaction of its own: a merge never waits with
// DDL's locks.
void prepare_table(Merging *merging) {
  commit_lazily();
  Fetched fetched;
  const Run *run = lock_merge(merging->run_id, &fetched);
  const Sync *sync = run == nullptr ? nullptr : load_sync(fetched.sync_id, SyncLock::kNone);
  if (sync == nullptr) return;
  report_work(true, format("merges run " INT64_FORMAT " of sync " INT64_FORMAT, run->id, sync->id));
  MemoryContextSwitchTo(merging->context);
  Destination *destination = open_destination(sync->destination_id, sync->owner);
  destination->begin();
  const bool made =
      place_sync(destination, sync, run->metadata != nullptr ? run->metadata : sync->metadata);
  if (made || !destination->is_remote())
    destination->commit();
  else
    merging->has_begun = true;  // it has no locks, and a round trip less
  merging->destination = destination;
}

// For the answers among the pages.
void make_reader(Reader *reader, const Run *run, const Sync *sync) {
  const char *plan = plan_of_run(run->id);
  guard([&] {
    *reader = make_page_reader(Connector::builtin(sync->provider_name), Json::parse(plan));
  });
}

// Has a page read while the one before is merged.
void begin_page(std::future<Page> *next, Reader *reader, const Run *run, const Sync *sync,
                const Fetched *fetched, int number) {
  if (number > fetched->pages) return;
  const bytea *kept = read_from_spool(fetched->slot, fetched->fetch_id, number);
  const char *bytes = VARDATA_ANY(kept);
  const size_t length = VARSIZE_ANY_EXHDR(kept);
  if (*reader == nullptr && Page::is_answer({bytes, length})) make_reader(reader, run, sync);
  guard([&] {
    *next = do_beside([reader = *reader, page = std::string(bytes, length)] {
      return read_kept_page(reader.get(), page);
    });
  });
}

void merge_pages(Merging *merging, Merge *merge, const Run *run, const Sync *sync,
                 const Fetched *fetched) {
  MemoryContext page_context =
      AllocSetContextCreate(CurrentMemoryContext, "supaglue page", ALLOCSET_DEFAULT_SIZES);
  auto *next = make_in<std::future<Page>>(CurrentMemoryContext);
  auto *reader = make_in<Reader>(CurrentMemoryContext);
  const MemoryContext before = MemoryContextSwitchTo(page_context);
  begin_page(next, reader, run, sync, fetched, fetched->first_page);
  for (int number = fetched->first_page; number <= fetched->pages; ++number) {
    auto *page = make_in<Page>(page_context);
    merging->reads = true;
    guard([&] { *page = next->get(); });
    merging->reads = false;
    begin_page(next, reader, run, sync, fetched, number + 1);
    merge_page(merge, page);
    MemoryContextReset(page_context);
    CHECK_FOR_INTERRUPTS();
  }
  MemoryContextSwitchTo(before);
  MemoryContextDelete(page_context);
}

// The rows that the last run left are gone: the watermark is ahead of the data.
void start_over(const Sync *sync, const Run *run) {
  fail_run(sync, run, name_of(ErrorClass::kDestination),
           "the table lost the rows that the last run left: the next run reads everything");
  sql("UPDATE supaglue_internal.syncs SET phase = 'created', watermark = NULL, rows_stored = false,"
      " witness = NULL,"
      " waiting_for = NULL, next_run_at = pg_catalog.now() WHERE id = $1",
      {int_arg(sync->id)});
}

// Which deletions that run holds is not known any more: the next full one finds them anew.
void take_over_merged(const SyncRecord *record, const Sync *sync, Run *run) {
  if (sees_all(run)) forget_held(sync->id);
  take_over(record, run);
}

void merge_run(Merging *merging) {
  MemoryContextSwitchTo(merging->context);
  Fetched fetched;
  Run *run = lock_merge(merging->run_id, &fetched);
  Sync *sync = run == nullptr ? nullptr : load_sync(fetched.sync_id, SyncLock::kNone);
  if (sync == nullptr) return;
  if (fetched.restarts > 0)
    warn(run, format("the provider lost its place in the result, and everything was read again"
                     " (times: %d)",
                     fetched.restarts));
  Destination *destination = merging->destination;
  if (!merging->has_begun) destination->begin();
  Merge *merge = nullptr;
  bool holds;
  ask_what_is_stored(destination, sync, run, &holds);
  const SyncRecord *record = lock_record(destination, sync);
  // A crash may have come between a remote commit and ours: then only our record is missing.
  const bool merged = is_of_fetch(record, sync, run);
  if (merged)
    take_over_merged(record, sync, run);
  else if (heed_record(destination, record, sync, run))
    merge = begin_merge(destination, sync, run, holds);
  if (merge != nullptr) {
    merge_pages(merging, merge, run, sync, &fetched);
    merging->robbed = !finish_merge(merge);
    if (merging->robbed)  // what it has written is to be undone
      elog(ERROR, "the table lost rows while run " INT64_FORMAT " was under way", run->id);
  }
  destination->commit();
  merged || merge != nullptr ? finish_run(sync, run) : start_over(sync, run);
  end_lease(run->id);
}

// The same when that is found in the midst of the merge, which is undone.
void start_over_robbed(const Merging *merging) {
  Fetched fetched;
  const Run *run = lock_merge(merging->run_id, &fetched);
  const Sync *sync = run == nullptr ? nullptr : load_sync(fetched.sync_id, SyncLock::kNone);
  if (sync == nullptr) return;
  start_over(sync, run);
  end_lease(run->id);
}

// Whether the same may well succeed later, without anybody changing anything.
bool is_passing(int sqlerrcode) {
  switch (ERRCODE_TO_CATEGORY(sqlerrcode)) {
    case ERRCODE_CONNECTION_EXCEPTION:
    case ERRCODE_TRANSACTION_ROLLBACK:
    case ERRCODE_INSUFFICIENT_RESOURCES:
    case ERRCODE_OPERATOR_INTERVENTION:
      return sqlerrcode != ERRCODE_QUERY_CANCELED;
    default:
      return sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
             sqlerrcode == ERRCODE_READ_ONLY_SQL_TRANSACTION;
  }
}

// Whether it is the destination that will not have the run, as it would have no other.
bool is_refusal(int sqlerrcode) {
  switch (sqlerrcode) {
    case ERRCODE_INSUFFICIENT_PRIVILEGE:
    case ERRCODE_UNDEFINED_SCHEMA:
    case ERRCODE_UNDEFINED_TABLE:
    case ERRCODE_UNDEFINED_OBJECT:
    case ERRCODE_INVALID_TABLE_DEFINITION:
    case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
      return true;
    default:
      return ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION;
  }
}

// A merge failed, and nothing of it is left: tries again later, or ends the run. What fails again
// and again by what is in the run, or in the way of its table, is not to be read anew for ever.
void record_failure(const Merging *merging, const ErrorData *error) {
  Fetched fetched;
  const Run *run = lock_merge(merging->run_id, &fetched);
  const Sync *sync = run == nullptr ? nullptr : load_sync(fetched.sync_id, SyncLock::kNone);
  if (sync == nullptr) return;
  const char *own_class = error_class_of(error->sqlerrcode);
  // What the provider sent is not what it should be: an answer as a whole, or too many records.
  const bool is_answer_bad =
      merging->reads && strcmp(own_class, name_of(ErrorClass::kProvider)) == 0;
  const bool is_data = is_answer_bad || error->sqlerrcode == ERRCODE_DATA_EXCEPTION;
  const char *error_class = is_answer_bad ? own_class
                            : is_data     ? name_of(ErrorClass::kData)
                            : ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_INTERNAL_ERROR
                                ? name_of(ErrorClass::kInternal)
                                : name_of(ErrorClass::kDestination);
  const char *message = words_of(error);
  const bool passes = is_passing(error->sqlerrcode);
  const int strikes = fetched.strikes + !merging->struck;
  const int64 age_ms = now_ms() - ms_of_time(run->started_at);
  if (passes ? age_ms < kSpoolLifeMs : !is_data && strikes < kMostStrikes) {
    if (passes == merging->struck) strike_merge(run->id, passes ? -1 : 1);
    const int64 at = retry_at(now_ms(), Min(fetched.attempts + 1, 7), 0, jitter());
    postpone_merge(run->id, time_of_ms(at));
    await_destination(ints_arg(&sync->id, 1), error_class, message);
    return;
  }
  if (passes || is_data || is_refusal(error->sqlerrcode))
    fail_run(sync, run, error_class, message);
  else
    quarantine_run(sync, run, error_class, message);
  end_lease(run->id);
}

// False: another merger has the run.
bool merge_one(int64 run_id) {
  if (!take_merge(run_id)) return false;
  MemoryContext context =
      AllocSetContextCreate(TopMemoryContext, "supaglue merge", ALLOCSET_DEFAULT_SIZES);
  Merging merging = {run_id, context, nullptr, false, false, false, false};
  Outcome outcome = work([&] { begin_attempt(&merging); });
  under_way = &merging;
  if (outcome.done()) outcome = work([&] { prepare_table(&merging); });
  if (outcome.done() && merging.destination != nullptr)
    outcome = work([&] { merge_run(&merging); });
  stop_stopwatch();
  under_way = nullptr;
  if (outcome.error != nullptr) {
    const Outcome recorded = work([&] {
      merging.robbed ? start_over_robbed(&merging) : record_failure(&merging, outcome.error);
    });
    // Not even that: no tight loop.
    if (recorded.error != nullptr) wait_for_work(-1, kIdleMs);
  }
  leave_merge(run_id);
  MemoryContextDelete(context);
  return true;
}

// The process ends in the midst of a merge, because it is told to: that speaks against no run.
void before_exit(int, Datum) {
  if (under_way == nullptr || !under_way->struck || !was_told_to_end() || ran_out_of_time()) return;
  AbortOutOfAnyTransaction();
  MemoryContextSwitchTo(TopMemoryContext);
  work([&] { strike_merge(under_way->run_id, -1); });
}

// Takes away what is past its retention, a little at a time. True: there may be more.
bool sweep() {
  static const char *const statements[] = {
      "DELETE FROM supaglue_internal.rejects WHERE ctid = ANY (ARRAY(SELECT ctid FROM"
      " supaglue_internal.rejects"
      " WHERE at < pg_catalog.now() - pg_catalog.make_interval(mins => $1::int) LIMIT 1000))",
      "DELETE FROM supaglue_internal.schema_changes WHERE id IN (SELECT id FROM"
      " supaglue_internal.schema_changes"
      " WHERE at < pg_catalog.now() - pg_catalog.make_interval(mins => $1::int) LIMIT 1000)",
  };
  const int minutes[] = {settings.reject_retention_min, settings.run_retention_min};
  bool more = false;
  for (const Ring *ring : {&kRunLog, &kEvents}) {
    bool emptied = false;
    if (work([&] { emptied = empty_past_slot(*ring); }).done() && emptied) more = true;
  }
  for (size_t i = 0; i < lengthof(statements); ++i) {
    uint64 rows = 0;
    const Outcome outcome = work([&] { rows = sql(statements[i], {int_arg(minutes[i])}); });
    if (outcome.done() && rows == 1000) more = true;
  }
  return more;
}

}  // namespace

}  // namespace supaglue

using namespace supaglue;

SUPAGLUE_WORKER_MAIN(supaglue_merger_main, argument) {
  Place place;
  if (!begin_worker(WorkerKind::kMerger, &place)) return;
  watch_statements();
  allow_helper();
  keep_connections();
  before_shmem_exit(before_exit, 0);
  MemoryContext round =
      AllocSetContextCreate(TopMemoryContext, "supaglue merger", ALLOCSET_DEFAULT_SIZES);
  int64 next_erasure_ms = 0;
  int64 next_sweep_ms = 0;  // at once: a server may never run for that long
  MergeQueue queue;
  for (;;) {
    MemoryContextSwitchTo(round);
    MemoryContextReset(round);
    Outcome outcome;
    int64 rest_ms;
    const int64 run_id = next_turn(&place, &queue, &outcome, &rest_ms);
    if (place.number == 0 && outcome.done() && (run_id == 0 || now_ms() >= next_erasure_ms)) {
      const int64 erasure_ms = tend_erasures();
      rest_ms = Min(rest_ms, erasure_ms);
      next_erasure_ms = now_ms() + erasure_ms;
    }
    if (run_id != 0) {
      end_turn(&queue, merge_one(run_id));
      CHECK_FOR_INTERRUPTS();
      continue;
    }
    if (place.number == 0 && outcome.done() && now_ms() >= next_sweep_ms)
      next_sweep_ms = now_ms() + (sweep() ? 1000 : kSweepMs);
    rest_ms = Min(rest_ms, close_stale_connections());
    report_work(false, reason_of(outcome.standing));
    const bool woken = wait_for_work(-1, Min(rest_ms, Max(next_sweep_ms - now_ms(), int64{1})));
    if (!woken) give_back_memory();  // what the last runs took is not needed soon
  }
}
