// pg: the fetcher: one event loop that holds many runs at once, each a Fetch that waits for its
// provider while no transaction is open. It leases runs that are due, keeps their pages in the
// spool, gets them tokens, and hands them on. It writes our own tables only and must never wait for
// anything but its loop.
#include <algorithm>
#include <map>
#include <string>

#include "agenda.hpp"

#include "lease.hpp"
#include "pg.hpp"
#include "settings.hpp"
#include "spool.hpp"
#include "sql.hpp"
#include "token.hpp"
#include "worker.hpp"

namespace supaglue {

namespace {

constexpr int kRunsPerConnection = 4;
constexpr int kTokenAttempts = 3;
constexpr int64 kLookMs = 60'000;      // for changes that nobody woke us for
constexpr int64 kReloadMs = 300'000;   // of the whole agenda
constexpr int64 kTidyMs = 30'000;      // the spool
constexpr int64 kIdleMs = 5'000;       // between looks while there is nothing to serve
constexpr int64 kLockRetryMs = 1'000;  // a lock was not to be had
constexpr int64 kTokenRetryMs = 100;   // another process refreshes
constexpr size_t kGuessedPage = 2 << 20;

// A run in progress. What a transaction is still to record of it stands in `pending`.
struct Job {
  enum class Pending { kNothing, kPage, kEnd, kFailure };

  int64 run_id = 0, sync_id = 0, connection_id = 0;
  int slot = 0, pages = 0;
  int64 records = 0, requests_before = 0, bytes_before = 0;
  std::unique_ptr<Fetch> fetch;
  bool in_flight = false;
  bool needs_token = false;
  size_t weight = kGuessedPage;  // what its answer may take in memory
  int64 not_before_ms = 0;
  Pending pending = Pending::kNothing;
  std::string packed, cursor, plan, plan_kept, metadata, metadata_kept;
  char error_class[32] = "";
  char error_message[2048] = "";
};

// A refresh of a connection's tokens in progress; the connection's lock is ours.
struct Refresh {
  int64 connection_id = 0;
  int64 generation = 0;
  std::shared_ptr<const Connector> connector;
  Grant grant;
  Pool::Transfer transfer = 0;
  int attempts = 0;
  int64 not_before_ms = 0;
};

struct Fetcher {
  explicit Fetcher(Place place_in) : place(place_in), pool(pool_limits()) {}
  Place place;
  Pool pool;
  Agenda agenda;
  std::map<int64, std::unique_ptr<Job>> jobs;           // by run
  std::map<int64, std::unique_ptr<Refresh>> refreshes;  // by connection
  Oid extension = InvalidOid;
  int workers = 0;
  int slot = 0;
  bool ready = false;
  int64 next_look_ms = 0, next_reload_ms = 0, next_tidy_ms = 0;
};

// --- Jobs
// -------------------------------------------------------------------------------------------

// The jobs as a plain array, in the current context.
Job **all_jobs(Fetcher *fetcher, size_t *count) {
  *count = fetcher->jobs.size();
  auto **jobs = static_cast<Job **>(palloc(sizeof(Job *) * (*count + 1)));
  guard([&] {
    Job **next = jobs;
    for (const auto &[run_id, job] : fetcher->jobs) *next++ = job.get();
  });
  return jobs;
}

void drop_job(Fetcher *fetcher, Job *job) {
  guard([&] { fetcher->jobs.erase(int64{job->run_id}); });
}

void fail_job(Job *job, const char *error_class, const char *message, const char *detail) {
  strlcpy(job->error_class, error_class, sizeof job->error_class);
  if (detail != nullptr && detail[0] != '\0')
    snprintf(job->error_message, sizeof job->error_message, "%s: %s", message, detail);
  else
    strlcpy(job->error_message, message, sizeof job->error_message);
  job->error_message[pg_mbcliplen(job->error_message, static_cast<int>(strlen(job->error_message)),
                                  sizeof job->error_message - 1)] = '\0';
  job->pending = Job::Pending::kFailure;
  job->in_flight = job->needs_token = false;
  job->not_before_ms = 0;
}

void fail_job(Job *job, const Raised *raised) {
  const char *s = raised->sqlstate;
  fail_job(job, error_class_of(MAKE_SQLSTATE(s[0], s[1], s[2], s[3], s[4])), raised->message,
           raised->detail);
}

void begin_job(Fetcher *fetcher, const Lease *lease) {
  Raised raised;
  Job *job = nullptr;
  const bool made = attempt(
      [&] {
        job = fetcher->jobs.insert_or_assign(lease->run_id, std::make_unique<Job>())
                  .first->second.get();
        job->run_id = lease->run_id;
        job->sync_id = lease->sync_id;
        job->connection_id = lease->connection_id;
        job->slot = lease->slot;
        job->pages = lease->pages;
        job->records = lease->records_read;
        job->requests_before = lease->requests;
        job->bytes_before = lease->bytes_received;
        const auto connector = Connector::builtin(lease->provider_name);
        if (connector == nullptr)
          throw Error(ErrorClass::kInternal,
                      std::string("there is no connector \"") + lease->provider_name + "\"");
        Task task;
        task.object = lease->object;
        if (lease->since != nullptr) task.since = lease->since;
        if (lease->known != nullptr) task.metadata = Json::parse(lease->known);
        if (!task.metadata.is_null()) job->metadata_kept = task.metadata.dump();
        const Json config = Json::parse(lease->config);
        if (const auto excluded = config.find("exclude_fields"); excluded != config.end())
          task.exclude_fields = excluded->get<std::vector<std::string>>();
        auto source = lease->cursor == nullptr
                          ? make_source(connector, task)
                          : make_source(connector, task, Json::parse(lease->plan),
                                        Json::parse(lease->cursor));
        if (lease->plan != nullptr) job->plan_kept = lease->plan;
        job->fetch = std::make_unique<Fetch>(fetcher->pool, connector, std::move(source));
      },
      &raised);
  if (made) return;
  if (job == nullptr)
    ereport(LOG,
            (errmsg("run " INT64_FORMAT " cannot be begun: %s", lease->run_id, raised.message)));
  else
    fail_job(job, &raised);
}

// Whether another answer may be asked for without too much lying in memory.
bool memory_allows(const Fetcher *fetcher, const Job *job) {
  const size_t limit = static_cast<size_t>(settings.memory_limit_mb) << 20;
  size_t taken = 0;
  for (const auto &[run_id, other] : fetcher->jobs)
    if (other->in_flight) taken += other->weight;
  return taken == 0 || taken + job->weight <= limit;
}

// Takes the page that has come and makes it ready to be kept.
void take_page(Job *job) {
  const Page page = job->fetch->take_page();
  job->records += static_cast<int64>(page.records.size() + page.rejects.size());
  job->weight = std::max<size_t>(page.storage.size() * 2, 64 << 10);
  // A page of nothing need not be kept: reading it again costs what it cost.
  if (page.records.empty() && page.rejects.empty()) return;
  const Source &source = job->fetch->source();
  job->packed = page.pack();
  job->cursor = source.cursor().dump();
  job->pending = Job::Pending::kPage;
}

// What the source tells of itself, when it is new.
void take_notes(Job *job) {
  const Source &source = job->fetch->source();
  const Json plan = source.plan(), metadata = source.metadata();
  job->plan = plan.is_null() ? "" : plan.dump();
  job->metadata = metadata.is_null() ? "" : metadata.dump();
}

// Lets the fetch go on as far as it goes without waiting. False: it waits.
bool advance(Fetcher *fetcher, Job *job) {
  const int64 now = now_ms();
  const double random = jitter();
  bool moved = false;
  Raised raised;
  const bool well = attempt(
      [&] {
        if (!job->in_flight && !memory_allows(fetcher, job)) return;
        const Fetch::State state = job->fetch->advance(now, random);
        job->in_flight = state == Fetch::State::kBusy;
        job->needs_token = state == Fetch::State::kNeedsToken;
        moved = state != Fetch::State::kBusy;
        if (state == Fetch::State::kPage) take_page(job);
        if (state == Fetch::State::kDone) job->pending = Job::Pending::kEnd;
        if (state == Fetch::State::kPage || state == Fetch::State::kDone) take_notes(job);
        if (state == Fetch::State::kFailed) throw job->fetch->error();
      },
      &raised);
  if (!well) fail_job(job, &raised);
  return moved || !well;
}

Progress progress_of(const Job *job) {
  Progress progress = {};
  progress.records_read = job->records;
  progress.requests = job->requests_before;
  progress.bytes_received = job->bytes_before;
  progress.provider_count = -1;
  if (job->fetch != nullptr) {
    progress.requests += job->fetch->counters().requests;
    progress.bytes_received += job->fetch->counters().bytes_received;
    progress.provider_count = job->fetch->source().total();
    progress.provider_time_ms = job->fetch->first_request_at_ms();
    // The plan is for a successor, who needs it with a page only.
    if (job->pending == Job::Pending::kPage && job->plan != job->plan_kept)
      progress.plan = job->plan.c_str();
    if (!job->metadata.empty() && job->metadata != job->metadata_kept)
      progress.metadata = job->metadata.c_str();
  }
  return progress;
}

Lease lease_of(const Job *job) {
  Lease lease = {};
  lease.run_id = job->run_id;
  lease.sync_id = job->sync_id;
  lease.connection_id = job->connection_id;
  lease.slot = job->slot;
  lease.pages = job->pages;
  return lease;
}

void kept_page(Job *job) {
  ++job->pages;
  job->pending = Job::Pending::kNothing;
  guard([&] {
    job->packed = std::string();
    job->plan_kept = job->plan;
    job->metadata_kept = job->metadata;
  });
}

bool is_about_locks(const ErrorData *error) {
  return error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
         error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED ||
         error->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE;
}

// Records what is pending. False: not now, or the job is no more.
bool record(Fetcher *fetcher, Job *job) {
  const Lease lease = lease_of(job);
  const Progress progress = guard([&] { return progress_of(job); });
  const Job::Pending pending = job->pending;
  bool held = false;
  const Outcome outcome = work([&] {
    if (pending == Job::Pending::kPage) {
      held = keep_progress(&lease, &progress, job->pages + 1);
      if (held)
        keep_in_spool(job->slot, job->run_id, job->pages + 1, job->cursor.c_str(),
                      job->packed.data(), job->packed.size());
    } else if (pending == Job::Pending::kEnd) {
      held = hand_over(&lease, &progress);
    } else {
      held = fail_lease(&lease, &progress, job->error_class, job->error_message);
    }
  });
  if (outcome.standing != Standing::kReady) {
    fetcher->ready = false;
    return false;
  }
  if (outcome.error != nullptr) {
    if (is_about_locks(outcome.error) || pending == Job::Pending::kFailure)
      job->not_before_ms = now_ms() + kLockRetryMs;
    else
      fail_job(job, error_class_of(outcome.error->sqlerrcode), outcome.error->message,
               outcome.error->detail);
    return false;
  }
  if (held && pending == Job::Pending::kPage) {
    kept_page(job);
    return true;
  }
  drop_job(fetcher, job);
  return false;
}

// --- Tokens
// -----------------------------------------------------------------------------------------

enum class Token { kGiven, kStale, kFailed };

// Gives a job the newest token there is, if it is newer than the one that it has.
Token offer_token(Fetcher *fetcher, Job *job, TokenState **state) {
  MemoryContext context = CurrentMemoryContext;
  const Outcome outcome = work([&] { *state = load_tokens(context, job->connection_id); });
  if (outcome.standing != Standing::kReady) {
    fetcher->ready = false;
    return Token::kFailed;
  }
  if (outcome.error != nullptr) {
    fail_job(job, error_class_of(outcome.error->sqlerrcode), outcome.error->message,
             outcome.error->detail);
    return Token::kFailed;
  }
  const bool given = guard([&] {
    const Access &access = (*state)->access;
    if (access.access_token.empty() || access.generation <= job->fetch->access().generation)
      return false;
    job->fetch->give_access(access);
    return true;
  });
  if (given) job->needs_token = false;
  return given ? Token::kGiven : Token::kStale;
}

void ask_for_token(Fetcher *fetcher, Job *job, const TokenState *state) {
  Raised raised;
  const bool asked = attempt(
      [&] {
        auto refresh = std::make_unique<Refresh>();
        refresh->connection_id = job->connection_id;
        refresh->generation = state->access.generation;
        refresh->grant = state->grant;
        refresh->connector = job->fetch->connector();
        refresh->transfer = fetcher->pool.start(token_request(*refresh->connector, refresh->grant));
        refresh->attempts = 1;
        fetcher->refreshes.emplace(job->connection_id, std::move(refresh));
      },
      &raised);
  if (asked) return;
  unlock_tokens(job->connection_id);
  fail_job(job, &raised);
}

// Sees to a job that needs a token. False: it has to wait, or it failed.
bool see_to_token(Fetcher *fetcher, Job *job) {
  if (fetcher->refreshes.count(job->connection_id) > 0) return false;
  TokenState *state = nullptr;
  Token token = offer_token(fetcher, job, &state);
  if (token != Token::kStale) return token == Token::kGiven;
  if (!lock_tokens(job->connection_id)) {
    job->not_before_ms = now_ms() + kTokenRetryMs;
    return false;
  }
  // Whoever had the lock before us may have refreshed.
  token = offer_token(fetcher, job, &state);
  if (token == Token::kStale)
    ask_for_token(fetcher, job, state);
  else
    unlock_tokens(job->connection_id);
  return token == Token::kGiven;
}

// A refresh that is over, well or not: its jobs go on or fail.
void end_refresh(Fetcher *fetcher, Refresh *refresh, const Raised *failure) {
  const int64 connection_id = refresh->connection_id;
  unlock_tokens(connection_id);
  guard([&] { fetcher->refreshes.erase(int64{connection_id}); });
  if (failure == nullptr) return;
  size_t count;
  Job **jobs = all_jobs(fetcher, &count);
  for (size_t i = 0; i < count; ++i)
    if (jobs[i]->connection_id == connection_id && jobs[i]->needs_token) fail_job(jobs[i], failure);
}

void raised_of(const ErrorData *error, Raised *raised) {
  raised->postgres = nullptr;
  strlcpy(raised->sqlstate, sqlstate_text(error->sqlerrcode), sizeof raised->sqlstate);
  strlcpy(raised->message, error->message, sizeof raised->message);
  strlcpy(raised->detail, error->detail != nullptr ? error->detail : "", sizeof raised->detail);
  raised->hint[0] = '\0';
}

void take_token_answer(Fetcher *fetcher, Refresh *refresh, const Response *response) {
  Raised raised;
  auto *tokens = make_in<Tokens>(CurrentMemoryContext);
  const int64 now = now_ms();
  const bool granted =
      attempt([&] { *tokens = token_answer(*refresh->connector, refresh->grant, *response, now); },
              &raised);
  if (granted) {
    const ErrorData *error = store_tokens(refresh->connection_id, refresh->generation, tokens);
    if (error != nullptr) raised_of(error, &raised);
    return end_refresh(fetcher, refresh, error == nullptr ? nullptr : &raised);
  }
  if (strcmp(raised.sqlstate, sqlstate_of(ErrorClass::kAuthentication)) == 0) {
    refuse_tokens(refresh->connection_id,
                  raised.detail[0] != '\0' ? raised.detail : raised.message);
  } else if (strcmp(raised.sqlstate, sqlstate_of(ErrorClass::kTransient)) == 0 &&
             refresh->attempts < kTokenAttempts) {
    refresh->not_before_ms = now + static_cast<int64>(1000 * refresh->attempts * jitter());
    return;
  }
  end_refresh(fetcher, refresh, &raised);
}

void tend_refreshes(Fetcher *fetcher) {
  const size_t count = fetcher->refreshes.size();
  auto **refreshes = static_cast<Refresh **>(palloc(sizeof(Refresh *) * (count + 1)));
  guard([&] {
    Refresh **next = refreshes;
    for (const auto &[connection_id, refresh] : fetcher->refreshes) *next++ = refresh.get();
  });
  auto *response = make_in<Response>(CurrentMemoryContext);
  for (size_t i = 0; i < count; ++i) {
    Refresh *refresh = refreshes[i];
    const bool answered = guard([&] {
      if (refresh->transfer == 0 && refresh->not_before_ms <= now_ms()) {
        refresh->transfer = fetcher->pool.start(token_request(*refresh->connector, refresh->grant));
        ++refresh->attempts;
      }
      if (refresh->transfer == 0 || !fetcher->pool.take(refresh->transfer, response)) return false;
      refresh->transfer = 0;
      return true;
    });
    if (answered) take_token_answer(fetcher, refresh, response);
  }
}

// --- The loop
// ---------------------------------------------------------------------------------------

// Moves a job on until it has to wait, or is no more.
void tend(Fetcher *fetcher, Job *job) {
  while (fetcher->ready && job->not_before_ms <= now_ms()) {
    if (job->pending != Job::Pending::kNothing) {
      if (!record(fetcher, job)) return;
    } else if (job->needs_token) {
      if (!see_to_token(fetcher, job)) return;
    } else if (!advance(fetcher, job)) {
      return;
    }
    CHECK_FOR_INTERRUPTS();
  }
}

// Forgets everything: this database is not to be served, for now or any more.
void forget(Fetcher *fetcher) {
  const size_t count = fetcher->refreshes.size();
  auto *connections = static_cast<int64 *>(palloc(sizeof(int64) * (count + 1)));
  guard([&] {
    int64 *next = connections;
    for (const auto &[connection_id, refresh] : fetcher->refreshes) {
      *next++ = connection_id;
      if (refresh->transfer != 0) fetcher->pool.cancel(refresh->transfer);
    }
    fetcher->refreshes.clear();
    fetcher->jobs.clear();
    fetcher->agenda.clear();
  });
  for (size_t i = 0; i < count; ++i) unlock_tokens(connections[i]);
  fetcher->next_reload_ms = 0;
  fetcher->ready = false;
}

// Puts syncs into the agenda as they stand in their table: some, or with null all. Jobs whose run
// is no more are dropped.
void read_syncs(Fetcher *fetcher, const int64 *ids, int count) {
  sql("SELECT wanted.id, s.connection_id, r.id,"
      " CASE WHEN s.id IS NULL OR r.id IS NOT NULL THEN NULL"
      " WHEN s.triggered AND s.paused_by <@ ARRAY['user'] THEN 'epoch'"
      " WHEN s.paused_by <> '{}' THEN NULL"
      " ELSE coalesce(s.next_run_at, 'epoch') END"
      " FROM (SELECT id FROM supaglue_internal.syncs WHERE $1 IS NULL"
      "       UNION ALL SELECT DISTINCT pg_catalog.unnest($1)) wanted"
      " LEFT JOIN supaglue_internal.syncs s ON s.id = wanted.id"
      " LEFT JOIN supaglue_internal.runs r ON r.sync_id = s.id"
      " WHERE s.id IS NULL OR s.connection_id % $2 = $3",
      {ids == nullptr ? null_arg(INT8ARRAYOID) : ints_arg(ids, count), int_arg(fetcher->workers),
       int_arg(fetcher->place.number)});
  for (uint64 row = 0; row < SPI_tuptable->numvals; ++row) {
    const int64 sync_id = int_at(row, 1), connection_id = int_at(row, 2), run_id = int_at(row, 3);
    const TimestampTz due = time_at(row, 4);
    guard([&] {
      std::erase_if(fetcher->jobs, [&](const auto &entry) {
        return entry.second->sync_id == sync_id && entry.first != run_id;
      });
      if (TIMESTAMP_IS_NOBEGIN(due))
        fetcher->agenda.remove(sync_id);
      else
        fetcher->agenda.put(sync_id, connection_id, ms_of_time(due));
    });
  }
}

void read_changes(Fetcher *fetcher) {
  sql("DELETE FROM supaglue_internal.sync_changes c WHERE NOT EXISTS ("
      " SELECT FROM supaglue_internal.syncs s WHERE s.id = c.sync_id AND s.connection_id % $1 <> "
      "$2)"
      " RETURNING sync_id",
      {int_arg(fetcher->workers), int_arg(fetcher->place.number)});
  const int count = static_cast<int>(SPI_processed);
  if (count == 0) return;
  auto *ids = static_cast<int64 *>(palloc(sizeof(int64) * count));
  for (int i = 0; i < count; ++i) ids[i] = int_at(i, 1);
  read_syncs(fetcher, ids, count);
}

// Reads the whole agenda, and takes over what a predecessor left.
void reload(Fetcher *fetcher) {
  fetcher->workers = settings.workers;
  guard([&] { fetcher->agenda.clear(); });
  read_changes(fetcher);
  read_syncs(fetcher, nullptr, 0);
  inherit_runs(fetcher->place.number, fetcher->workers);
  ListCell *cell;
  foreach (cell, take_over_runs(fetcher->place.number)) {
    const auto *lease = static_cast<const Lease *>(lfirst(cell));
    if (fetcher->jobs.count(lease->run_id) == 0) begin_job(fetcher, lease);
  }
  wake_now(WorkerKind::kMerger);
}

// Looks into the database. False: it is not to be served; why not has been reported.
bool look(Fetcher *fetcher) {
  const int64 now = now_ms();
  const bool whole = now >= fetcher->next_reload_ms || fetcher->workers != settings.workers;
  bool another = false;
  const Outcome outcome = work([&] {
    another = extension_served() != fetcher->extension && OidIsValid(fetcher->extension);
    fetcher->extension = extension_served();
    if (another) return;
    whole ? reload(fetcher) : read_changes(fetcher);
    if (now >= fetcher->next_tidy_ms) fetcher->slot = tidy_spool(fetcher->slot);
  });
  if (outcome.standing != Standing::kReady || another) {
    forget(fetcher);
    report_work(false, reason_of(outcome.standing));
    return another && look(fetcher);
  }
  fetcher->ready = outcome.error == nullptr;
  fetcher->next_look_ms = now + kLookMs;
  if (now >= fetcher->next_tidy_ms) fetcher->next_tidy_ms = now + kTidyMs;
  if (whole && fetcher->ready) fetcher->next_reload_ms = now + kReloadMs;
  return fetcher->ready;
}

void claim(Fetcher *fetcher, int64 sync_id) {
  MemoryContext context = CurrentMemoryContext;
  Lease *lease = nullptr;
  const Outcome outcome = work([&] {
    MemoryContextSwitchTo(context);
    lease = claim_run(sync_id, fetcher->place.number, fetcher->slot);
    if (lease == nullptr) read_syncs(fetcher, &sync_id, 1);
  });
  if (outcome.standing != Standing::kReady) {
    fetcher->ready = false;
    return;
  }
  if (outcome.done() && lease != nullptr) {
    begin_job(fetcher, lease);
    guard([&] { fetcher->agenda.remove(sync_id); });
    return;
  }
  // Another process has it for now (or had, a moment ago): not again in this very round.
  guard([&] { fetcher->agenda.postpone(sync_id, now_ms() + kLockRetryMs); });
}

void claim_due(Fetcher *fetcher) {
  const size_t most = static_cast<size_t>(settings.fetch_concurrency);
  if (fetcher->jobs.size() >= most) return;
  auto *due = static_cast<int64 *>(palloc(sizeof(int64) * most));
  const size_t count = guard([&] {
    std::map<int64, int> taken;
    for (const auto &[run_id, job] : fetcher->jobs) ++taken[job->connection_id];
    const auto room = [&](int64 connection_id) {
      return kRunsPerConnection - taken[connection_id];
    };
    const auto syncs = fetcher->agenda.due(now_ms(), most - fetcher->jobs.size(), room);
    std::copy(syncs.begin(), syncs.end(), due);
    return syncs.size();
  });
  for (size_t i = 0; i < count && fetcher->ready; ++i) {
    claim(fetcher, due[i]);
    CHECK_FOR_INTERRUPTS();
  }
}

// For how long there is nothing to do unless something happens.
int64 rest_ms(const Fetcher *fetcher) {
  const int64 now = now_ms();
  int64 until = std::min(fetcher->next_look_ms, fetcher->next_tidy_ms);
  const auto at = [&](int64 time) {
    if (time > 0) until = std::min(until, time);
  };
  if (fetcher->jobs.size() < static_cast<size_t>(settings.fetch_concurrency))
    at(fetcher->agenda.next_after(now));
  for (const auto &[run_id, job] : fetcher->jobs) {
    if (job->not_before_ms > now) at(job->not_before_ms);
    if (job->fetch != nullptr) at(job->fetch->wake_at_ms());
  }
  for (const auto &[connection_id, refresh] : fetcher->refreshes)
    if (refresh->transfer == 0) at(refresh->not_before_ms);
  return std::max<int64>(until - now, 0);
}

void tend_all(Fetcher *fetcher) {
  guard([&] { fetcher->pool.pump(); });
  tend_refreshes(fetcher);
  claim_due(fetcher);
  size_t count;
  Job **jobs = all_jobs(fetcher, &count);
  for (size_t i = 0; i < count; ++i) tend(fetcher, jobs[i]);
}

}  // namespace

}  // namespace supaglue

using namespace supaglue;

SUPAGLUE_WORKER_MAIN(supaglue_fetcher_main, argument) {
  Place place;
  if (!begin_worker(WorkerKind::kFetcher, &place)) return;
  auto *fetcher = make_in<Fetcher>(TopMemoryContext, place);
  MemoryContext round =
      AllocSetContextCreate(TopMemoryContext, "supaglue fetcher", ALLOCSET_DEFAULT_SIZES);
  bool woken = true;
  for (;;) {
    MemoryContextSwitchTo(round);
    MemoryContextReset(round);
    if ((woken || now_ms() >= std::min(fetcher->next_look_ms, fetcher->next_tidy_ms) ||
         !fetcher->ready) &&
        !look(fetcher)) {
      woken = wait_for_work(-1, kIdleMs);
      continue;
    }
    if (woken) guard([&] { fetcher->pool.set_limits(pool_limits()); });
    tend_all(fetcher);
    if (!fetcher->ready) continue;
    const size_t runs = fetcher->jobs.size();
    report_work(false,
                runs == 0 ? reason_of(Standing::kReady) : format("%zu runs in progress", runs));
    woken = wait_for_work(fetcher->pool.fd(), guard([&] { return rest_ms(fetcher); }));
  }
}
