// pg: the fetcher: one event loop that holds many runs at once. It looks which syncs are due,
// leases their runs, and moves runs and token refreshes on. It writes our own tables only and must
// never wait for anything but its loop.
#include <algorithm>
#include <set>
#include <unordered_map>

#include "admission.hpp"
#include "agenda.hpp"

#include "claim.hpp"
#include "helping.hpp"
#include "job.hpp"
#include "lease.hpp"
#include "parking.hpp"
#include "pg.hpp"
#include "refresh.hpp"
#include "revocation.hpp"
#include "settings.hpp"
#include "spool.hpp"
#include "sql.hpp"
#include "stopwatch.hpp"
#include "worker.hpp"

namespace supaglue {

namespace {

constexpr size_t kParkedAtOnce = 100;
constexpr size_t kClaimsAtOnce = 200;  // so that the first of many soon ask
constexpr int64 kCrowdedMs = 1'000;
constexpr size_t kCrowdAtOnce = 100;   // of those that wait for a slot, to be told
constexpr int64 kWorthMs = 2'000;      // of a wait, for its being told
constexpr int64 kLookMs = 60'000;      // for changes that nobody woke us for
constexpr int64 kReloadMs = 300'000;   // of the whole agenda
constexpr int64 kSettleMs = 2'000;     // and again, while fetchers come and go
constexpr int64 kTidyMs = 30'000;      // the spool
constexpr int kStatementMs = 2'000;    // for one that reads a user's table
constexpr int64 kIdleMs = 5'000;       // between looks while there is nothing to serve
constexpr int64 kLockRetryMs = 1'000;  // a lock was not to be had

struct Fetcher {
  explicit Fetcher(Place place_in) : place(place_in), pool(pool_limits()) {}
  Place place;
  Pool pool;
  Agenda agenda;
  Jobs jobs{pool};
  Refreshes refreshes;
  Revocations revocations;
  Oid extension = InvalidOid;
  int workers = 0;
  int slot = 0;
  bool crowded = false;      // a sync that is due found no slot
  bool freed = false;        // ... but now there may be one
  bool claims_more = false;  // there may be more that are due and admitted
  std::set<int64> told;      // of those that wait for a slot, whose rows say so
  int64 next_telling_ms = 0;
  size_t turn = 0;           // whose turn it is to be tended first
  std::vector<Job *> whole;  // of this round: fetched whole, to be handed over
  int64 next_look_ms = 0, next_reload_ms = 0, next_tidy_ms = 0;
  XLogRecPtr claimed = InvalidXLogRecPtr;  // behind the last claim's commit
};

// Whether runs may begin, as those under way leave it. Parked ones take nothing from others. For
// guard().
Admission admission(const Fetcher *fetcher) {
  const int64 now = now_ms();
  Admission admission(settings.fetch_concurrency, fetcher->agenda.is_shared());
  for (const auto &[fetch_id, job] : fetcher->jobs.by_fetch)
    if (!job->parked)
      admission.count(job->connection_id, job->provider_key,
                      job->needs_token || (job->fetch != nullptr && job->fetch->waits(now)));
  return admission;
}

bool stays_parked(Fetcher *fetcher, Job *job) {
  if (!job->parked) return false;
  if (parked(&fetcher->jobs.budgets, job->connection_id) != nullptr) return true;
  if (guard([&] { return admission(fetcher).free(); }) <= 0) return true;
  resume_job(&fetcher->jobs, job);
  return false;
}

// Moves a job on until it has to wait, or is no more.
void tend(Fetcher *fetcher, Job *job) {
  if (stays_parked(fetcher, job)) return;
  while (fetcher->jobs.served && job->not_before_ms <= now_ms()) {
    watch_job(job);
    if (job->pending == Job::Pending::kEnd) return guard([&] { fetcher->whole.push_back(job); });
    if (job->pending != Job::Pending::kNothing) {
      if (!record_job(&fetcher->jobs, job)) return;
    } else if (job->needs_token) {
      if (!see_to_token(&fetcher->refreshes, &fetcher->jobs, job)) return;
    } else if (!advance_job(&fetcher->jobs, job)) {
      return park_job(&fetcher->jobs, job);
    }
    CHECK_FOR_INTERRUPTS();
  }
}

// Forgets everything: this database is not to be served, for now or any more.
void forget(Fetcher *fetcher) {
  drop_refreshes(&fetcher->refreshes, &fetcher->pool);
  drop_revocations(&fetcher->revocations, &fetcher->pool);
  guard([&] {
    fetcher->jobs.by_fetch.clear();
    fetcher->jobs.budgets = Budgets();
    fetcher->agenda.clear();
    fetcher->told.clear();
  });
  fetcher->next_reload_ms = 0;
  fetcher->jobs.served = false;
}

void before_exit(int, Datum argument) {
  auto *fetcher = reinterpret_cast<Fetcher *>(DatumGetPointer(argument));
  AbortOutOfAnyTransaction();
  MemoryContextSwitchTo(TopMemoryContext);
  if (!fetcher->refreshes.by_connection.empty())
    finish_refreshes(&fetcher->refreshes, &fetcher->jobs);
  const bool has_taken_over = guard([&] {
    return std::any_of(fetcher->jobs.by_fetch.begin(), fetcher->jobs.by_fetch.end(),
                       [](const auto &entry) { return entry.second->taken_over > 0; });
  });
  if (was_told_to_end() && has_taken_over) work([&] { give_back_runs(fetcher->place.number); });
}

using RunOfSync = std::unordered_map<int64, int64>;

// Drops the jobs of which no run is left. `runs`: of some syncs, the ones that they have now.
void drop_jobs(Jobs *jobs, const RunOfSync *runs) {
  const auto is_gone = [&](const LeasedRun &of_job) {
    const auto run = runs->find(of_job.sync_id);
    return run != runs->end() && run->second != of_job.run_id;
  };
  guard([&] {
    std::erase_if(jobs->by_fetch, [&](const auto &entry) {
      std::erase_if(entry.second->runs, is_gone);
      return entry.second->runs.empty();
    });
  });
}

// Puts syncs into the agenda as they stand in their table: some, or with null all. Jobs whose runs
// are no more are dropped.
void read_syncs(Fetcher *fetcher, const int64 *ids, int count) {
  sql("SELECT wanted.id, s.connection_id, r.id,"
      " CASE WHEN s.id IS NULL OR r.id IS NOT NULL THEN NULL"
      " WHEN (s.triggered OR s.backfill_asked) AND s.paused_by <@ ARRAY['user'] THEN 'epoch'"
      " WHEN s.paused_by <> '{}' THEN NULL"
      " WHEN s.next_reason = 'mapping' THEN 'epoch'"
      " ELSE coalesce(s.next_run_at, 'epoch') END, p.name"
      " FROM (SELECT id FROM supaglue_internal.syncs WHERE $1 IS NULL"
      "       UNION ALL SELECT DISTINCT pg_catalog.unnest($1)) wanted"
      " LEFT JOIN supaglue_internal.syncs s ON s.id = wanted.id"
      " LEFT JOIN supaglue_internal.objects o ON o.id = s.object_id"
      " LEFT JOIN supaglue_internal.providers p ON p.id = o.provider_id"
      " LEFT JOIN supaglue_internal.runs r ON r.sync_id = s.id"
      " WHERE s.id IS NULL OR s.connection_id % $2 = $3",
      {ids == nullptr ? null_arg(INT8ARRAYOID) : ints_arg(ids, count), int_arg(fetcher->workers),
       int_arg(fetcher->place.number)});
  auto *runs = make_in<RunOfSync>(CurrentMemoryContext);
  for (uint64 row = 0; row < SPI_tuptable->numvals; ++row) {
    const int64 sync_id = int_at(row, 1), connection_id = int_at(row, 2), run_id = int_at(row, 3);
    const TimestampTz due = time_at(row, 4);
    const char *provider_name = text_at(row, 5);
    guard([&] {
      runs->insert_or_assign(sync_id, run_id);
      if (TIMESTAMP_IS_NOBEGIN(due))
        fetcher->agenda.remove(sync_id);
      else
        fetcher->agenda.put({sync_id, connection_id, provider_key(provider_name), ms_of_time(due)});
    });
  }
  drop_jobs(&fetcher->jobs, runs);
}

void read_changes(Fetcher *fetcher) {
  sql("DELETE FROM supaglue_internal.sync_changes c WHERE NOT EXISTS ("
      " SELECT FROM supaglue_internal.syncs s WHERE s.id = c.sync_id AND s.connection_id % $1 <> "
      "$2)"
      " RETURNING sync_id, (SELECT s.connection_id FROM supaglue_internal.syncs s"
      "                     WHERE s.id = c.sync_id AND c.unparks)",
      {int_arg(fetcher->workers), int_arg(fetcher->place.number)});
  const int count = static_cast<int>(SPI_processed);
  if (count == 0) return;
  auto *ids = static_cast<int64 *>(palloc(sizeof(int64) * count));
  for (int i = 0; i < count; ++i) {
    ids[i] = int_at(i, 1);
    if (!null_at(i, 2)) unpark(&fetcher->jobs.budgets, int_at(i, 2));
  }
  read_syncs(fetcher, ids, count);
}

// True: there are more, but they must wait.
bool take_over(Fetcher *fetcher) {
  size_t count;
  Job **jobs = all_jobs(&fetcher->jobs, &count);
  auto *own = static_cast<int64 *>(palloc(sizeof(int64) * (count + 1)));
  for (size_t i = 0; i < count; ++i) own[i] = jobs[i]->fetch_id;
  bool left;
  ListCell *cell;
  foreach (cell, take_over_runs(fetcher->place.number, own, static_cast<int>(count),
                                !suspect_under_way(&fetcher->jobs), &left))
    begin_job(&fetcher->jobs, static_cast<const Lease *>(lfirst(cell)));
  return left;
}

// Reads the whole agenda, and takes over what predecessors left. True: that settles it. When the
// number of fetchers changes, another may not have seen it yet, and still take changes or hold runs
// of what is this one's now.
bool reload(Fetcher *fetcher) {
  const bool same_share = fetcher->workers == settings.workers;
  fetcher->workers = settings.workers;
  guard([&] { fetcher->agenda.clear(); });
  load_budgets(&fetcher->jobs.budgets, fetcher->place.number, fetcher->workers);
  read_changes(fetcher);
  read_syncs(fetcher, nullptr, 0);
  const bool inherited_all = inherit_runs(fetcher->place.number, fetcher->workers);
  const bool left = take_over(fetcher);
  wake_now(WorkerKind::kMerger);
  return same_share && inherited_all && !left;
}

// Looks into the database. False: it is not to be served; why not has been reported.
bool look(Fetcher *fetcher) {
  const int64 now = now_ms();
  const bool whole = now >= fetcher->next_reload_ms || fetcher->workers != settings.workers;
  bool another = false, settled = true;
  const Outcome outcome = work([&] {
    another = extension_served() != fetcher->extension && OidIsValid(fetcher->extension);
    fetcher->extension = extension_served();
    if (another) return;
    if (whole)
      settled = reload(fetcher);
    else
      read_changes(fetcher);
    if (fetcher->place.number == 0) read_revocations(&fetcher->revocations);
    if (now >= fetcher->next_tidy_ms) fetcher->slot = tidy_spool(fetcher->slot);
  });
  if (outcome.standing == Standing::kDisabled)
    finish_refreshes(&fetcher->refreshes, &fetcher->jobs);
  if (outcome.standing != Standing::kReady || another) {
    forget(fetcher);
    report_work(false, reason_of(outcome.standing));
    return another && look(fetcher);
  }
  fetcher->jobs.served = outcome.error == nullptr;
  if (whole) fetcher->claimed = XactLastCommitEnd;
  if (whole && fetcher->jobs.served)
    fetcher->next_reload_ms = now + (settled ? kReloadMs : kSettleMs);
  fetcher->next_look_ms = std::min(now + kLookMs, fetcher->next_reload_ms);
  if (fetcher->revocations.next_ms != 0)
    fetcher->next_look_ms = std::min(fetcher->next_look_ms, fetcher->revocations.next_ms);
  if (whole && fetcher->jobs.served)
    keep_alive(&fetcher->refreshes, &fetcher->jobs, fetcher->workers, fetcher->place.number);
  if (now >= fetcher->next_tidy_ms) {
    fetcher->next_tidy_ms = now + kTidyMs;
    if (fetcher->jobs.by_fetch.empty()) give_back_memory();
  }
  return fetcher->jobs.served;
}

bool is_leased(const List *leases, int64 sync_id) {
  const ListCell *lease, *run;
  foreach (lease, leases)
    foreach (run, static_cast<const Lease *>(lfirst(lease))->runs)
      if (static_cast<const LeasedRun *>(lfirst(run))->sync_id == sync_id) return true;
  return false;
}

// A fetch that is claimed begins; its syncs are not due any more.
void begin(Fetcher *fetcher, const Lease *lease) {
  if (lease->manual) unpark(&fetcher->jobs.budgets, lease->connection_id);
  fetcher->claimed = XactLastCommitEnd;
  begin_job(&fetcher->jobs, lease);
  guard([&] {
    const ListCell *run;
    foreach (run, lease->runs) {
      const int64 sync_id = static_cast<const LeasedRun *>(lfirst(run))->sync_id;
      fetcher->agenda.remove(sync_id);
      fetcher->told.erase(sync_id);
    }
  });
}

// Claims some, in one transaction unless one of them is in the others' way.
void claim(Fetcher *fetcher, const int64 *sync_ids, size_t count) {
  MemoryContext context = CurrentMemoryContext;
  List *leases = NIL;
  auto *refused = static_cast<int64 *>(palloc(sizeof(int64) * count));
  int refused_count = 0;
  const Outcome outcome = work([&] {
    MemoryContextSwitchTo(context);
    leases = claim_runs(sync_ids, static_cast<int>(count), fetcher->place.number, fetcher->slot);
    for (size_t i = 0; i < count; ++i)
      if (!is_leased(leases, sync_ids[i])) refused[refused_count++] = sync_ids[i];
    if (refused_count > 0) read_syncs(fetcher, refused, refused_count);
  });
  if (outcome.standing != Standing::kReady) {
    fetcher->jobs.served = false;
    return;
  }
  if (outcome.error != nullptr && count > 1) {
    for (size_t i = 0; i < count && fetcher->jobs.served; ++i) claim(fetcher, &sync_ids[i], 1);
    return;
  }
  // Another process has them for now (or had, a moment ago): not again in this very round.
  const auto postpone = [&](const int64 *ids, size_t some) {
    guard([&] {
      for (size_t i = 0; i < some; ++i) fetcher->agenda.postpone(ids[i], now_ms() + kLockRetryMs);
    });
  };
  if (!outcome.done()) return postpone(sync_ids, count);
  postpone(refused, static_cast<size_t>(refused_count));
  const ListCell *lease;
  foreach (lease, leases) begin(fetcher, static_cast<const Lease *>(lfirst(lease)));
}

void leave_parked(Fetcher *fetcher, const Agenda::Entry *syncs, size_t count) {
  park_syncs(&fetcher->jobs, syncs, count);
  guard([&] {
    for (size_t i = 0; i < count; ++i) {
      const KnownLimits *known = parked(&fetcher->jobs.budgets, syncs[i].connection_id);
      if (known != nullptr) fetcher->agenda.postpone(syncs[i].sync_id, known->parked_until_ms);
    }
  });
}

// Those for whom there is no slot, to be told of it, and those whose connection is parked.
struct Waiting {
  int64 crowd[kCrowdAtOnce];
  Agenda::Entry parked[kParkedAtOnce];
  size_t crowd_count = 0, parked_count = 0;
  bool tells;  // it is time to tell of those in the crowd
};

void note_crowd(const Fetcher *fetcher, const Agenda::Entry &sync, int64 now, Waiting *waiting) {
  if (now - sync.due_ms < kWorthMs || fetcher->told.count(sync.sync_id) > 0) return;
  waiting->crowd[waiting->crowd_count++] = sync.sync_id;
  waiting->tells = waiting->crowd_count < kCrowdAtOnce;
}

// Of a connection that is parked, syncs wait unless somebody asked for them. Who comes behind those
// that find no slot is looked at only as often as they are told.
Agenda::Verdict judge(Fetcher *fetcher, Admission *admission, const Agenda::Entry &sync, int64 now,
                      Waiting *waiting) {
  if (sync.due_ms > 0 && parked(&fetcher->jobs.budgets, sync.connection_id) != nullptr) {
    if (waiting->parked_count < kParkedAtOnce) waiting->parked[waiting->parked_count++] = sync;
    return Agenda::Verdict::kWaits;
  }
  if (admission->admit(sync.connection_id, sync.provider_id)) return Agenda::Verdict::kBegins;
  fetcher->crowded = true;
  if (waiting->tells) note_crowd(fetcher, sync, now, waiting);
  if (waiting->tells) return Agenda::Verdict::kWaits;
  if (admission->free() <= 0) return Agenda::Verdict::kAllWait;
  return admission->is_full(sync.provider_id) ? Agenda::Verdict::kProviderWaits
                                              : Agenda::Verdict::kWaits;
}

void tell_crowd(Fetcher *fetcher, const Waiting *waiting) {
  if (waiting->crowd_count == 0) return;
  supaglue::tell_crowd(&fetcher->jobs, waiting->crowd, static_cast<int>(waiting->crowd_count));
  guard([&] { fetcher->told.insert(waiting->crowd, waiting->crowd + waiting->crowd_count); });
}

// Begins the runs that are due and admitted.
void claim_due(Fetcher *fetcher) {
  const int64 now = now_ms();
  fetcher->crowded = fetcher->claims_more = false;
  if (!guard([&] { return fetcher->agenda.is_due(now); })) return;
  int64 due[kClaimsAtOnce];
  auto *waiting = static_cast<Waiting *>(palloc0(sizeof(Waiting)));
  waiting->tells = now >= fetcher->next_telling_ms;
  if (waiting->tells) fetcher->next_telling_ms = now + kCrowdedMs;
  const size_t count = guard([&] {
    Admission admission = supaglue::admission(fetcher);
    const auto syncs = fetcher->agenda.due(now, kClaimsAtOnce, [&](const Agenda::Entry &sync) {
      return judge(fetcher, &admission, sync, now, waiting);
    });
    std::copy(syncs.begin(), syncs.end(), due);
    return syncs.size();
  });
  if (waiting->parked_count > 0) leave_parked(fetcher, waiting->parked, waiting->parked_count);
  tell_crowd(fetcher, waiting);
  if (count > 0 && fetcher->jobs.served) claim(fetcher, due, count);
  fetcher->claims_more = count == kClaimsAtOnce;
}

// For how long there is nothing to do unless something happens.
int64 rest_ms(const Fetcher *fetcher) {
  const int64 now = now_ms();
  const Jobs &jobs = fetcher->jobs;
  if (jobs.starved && jobs.moved) return 0;  // memory became free
  if (fetcher->claims_more || (fetcher->crowded && fetcher->freed)) return 0;
  int64 until = std::min(fetcher->next_look_ms, fetcher->next_tidy_ms);
  const auto at = [&](int64 time) {
    if (time > 0) until = std::min(until, time);
  };
  at(fetcher->agenda.next_after(now));
  if (fetcher->crowded) at(now + kCrowdedMs);  // who merely waits gives up his slot
  for (const auto &[fetch_id, job] : jobs.by_fetch) {
    if (job->not_before_ms > now) at(job->not_before_ms);
    if (job->fetch == nullptr) continue;
    // What waits for a slot or for memory is woken by who gives it up.
    const int64 wake_at = job->fetch->wake_at_ms();
    if (job->in_flight || wake_at > now) at(wake_at);
    if (job->in_flight) at(patience_ends_ms(job.get()));
  }
  for (const auto &[connection_id, refresh] : fetcher->refreshes.by_connection)
    if (refresh->transfer == 0) at(refresh->not_before_ms);
  if (!jobs.budgets.untold.empty()) at(jobs.budgets.next_telling_ms);
  return std::max<int64>(until - now, 0);
}

// Whoever is tended first takes of what is scarce first, so each has his turn.
void tend_all(Fetcher *fetcher) {
  fetcher->jobs.starved = fetcher->jobs.moved = false;
  // An answer that ends the process must find its run's claim on disk, or it would be asked for
  // again for ever.
  if (fetcher->claimed != InvalidXLogRecPtr) XLogFlush(fetcher->claimed);
  fetcher->claimed = InvalidXLogRecPtr;
  guard([&] { fetcher->pool.pump(); });
  tend_refreshes(&fetcher->refreshes, &fetcher->jobs);
  tend_revocations(&fetcher->revocations, &fetcher->pool);
  claim_due(fetcher);
  guard([&] { count_awaited(&fetcher->jobs); });
  size_t count;
  Job **jobs = all_jobs(&fetcher->jobs, &count);
  offer_tokens(&fetcher->refreshes, &fetcher->jobs, jobs, count);
  const size_t first = count == 0 ? 0 : fetcher->turn++ % count;
  fetcher->whole.clear();
  for (size_t i = 0; i < count; ++i) tend(fetcher, jobs[(first + i) % count]);
  if (fetcher->jobs.served)
    hand_over_jobs(&fetcher->jobs, fetcher->whole.data(), fetcher->whole.size());
  fetcher->freed = fetcher->jobs.by_fetch.size() < count;
  tell_budgets(&fetcher->jobs.budgets);
}

}  // namespace

}  // namespace supaglue

using namespace supaglue;

SUPAGLUE_WORKER_MAIN(supaglue_fetcher_main, argument) {
  Place place;
  if (!begin_worker(WorkerKind::kFetcher, &place)) return;
  watch_statements(kStatementMs);
  allow_helper();
  auto *fetcher = make_in<Fetcher>(TopMemoryContext, place);
  before_shmem_exit(before_exit, PointerGetDatum(fetcher));
  MemoryContext round =
      AllocSetContextCreate(TopMemoryContext, "supaglue fetcher", ALLOCSET_DEFAULT_SIZES);
  bool woken = true;
  for (;;) {
    MemoryContextSwitchTo(round);
    MemoryContextReset(round);
    if ((woken || now_ms() >= std::min(fetcher->next_look_ms, fetcher->next_tidy_ms) ||
         !fetcher->jobs.served) &&
        !look(fetcher)) {
      woken = wait_for_work(-1, kIdleMs);
      continue;
    }
    if (woken) guard([&] { fetcher->pool.set_limits(pool_limits()); });
    tend_all(fetcher);
    if (!fetcher->jobs.served) continue;
    const size_t runs = count_runs(&fetcher->jobs);
    report_work(false,
                runs == 0 ? reason_of(Standing::kReady) : format("%zu runs in progress", runs));
    woken = wait_for_work(fetcher->pool.fd(), guard([&] { return rest_ms(fetcher); }));
  }
}
