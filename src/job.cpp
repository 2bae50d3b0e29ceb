// pg: the fetches that a fetcher has under way. See job.hpp.
#include "job.hpp"

#include <algorithm>

#include "pg.hpp"
#include "settings.hpp"
#include "spool.hpp"
#include "sql.hpp"
#include "stopwatch.hpp"
#include "worker.hpp"

namespace supaglue {

namespace {

constexpr int64 kLockRetryMs = 1'000;  // a lock was not to be had
constexpr int64 kSuspicionMs = 60'000;
constexpr int kStandstillTimeouts = 4;  // so many requests could have timed out
constexpr int kMostRestarts = 3;
constexpr size_t kLeastGuess = 256 << 10;
constexpr size_t kUnpacked = 12;  // times as large as it came, is an answer at most, as a rule

// Of a backfill. For guard bodies.
Filter stamped_until(const char *stamp) {
  Filter filter;
  filter.kind = Filter::Kind::kCompare;
  filter.column = {SelectedColumn::Role::kStamp, "", ValueType::kMoment};
  filter.op = Filter::Op::kAtMost;
  filter.values = {stamp};
  return filter;
}

void drop_job(Jobs *jobs, Job *job) {
  guard([&] { jobs->by_fetch.erase(int64{job->fetch_id}); });
}

// Whether another answer may be asked for without too much lying in memory.
bool memory_allows(const Jobs *jobs, const Job *job) {
  const size_t limit = static_cast<size_t>(settings.memory_limit_mb) << 20;
  return jobs->awaited == 0 || jobs->awaited + job->weight <= limit;
}

// Most incremental runs find next to nothing: more of them may ask at once. One that finds much is
// heeded at once, and forgotten slowly.
void learn_weight(Jobs *jobs, Job *job) {
  if (!job->is_guess) return;
  job->is_guess = false;
  const size_t usual = jobs->usual_weight;
  jobs->usual_weight = std::max({job->weight, usual - usual / 8, kLeastGuess});
}

// Providers may tell more than was asked for.
void leave_keys(Page *page) {
  for (Record &record : page->records) record.raw = record.modified = {};
}

// Takes the page that has come and makes it ready to be kept.
void take_page(Job *job) {
  Page page = job->fetch->take_page();
  job->records += page.count();
  // The page, its packed form, and the answer that is taken apart meanwhile.
  job->weight =
      std::max<size_t>({page.storage.size() * 3, page.answer.size() * kUnpacked, 64 << 10});
  // A page of nothing need not be kept: reading it again costs what it cost.
  if (page.count() == 0 && !job->fetch->keeps_cursor()) return;
  const Source &source = job->fetch->source();
  if (job->keys_only) leave_keys(&page);
  job->page = std::move(page);
  job->cursor = source.cursor().dump();
  job->pending = Job::Pending::kPage;
}

// The source began anew, because its place in the provider's result is lost: what was kept of the
// run is void, and counted anew.
void take_restart(Job *job) {
  const int restarts = job->fetch->source().restarts();
  if (restarts == job->source_restarts) return;
  job->source_restarts = restarts;
  job->first_page = job->pages + 1;
  job->records = 0;
  if (++job->restarts > kMostRestarts)
    throw Error(ErrorClass::kTransient, "the provider lost its place in the result again and again",
                "The run began " + std::to_string(job->restarts) + " times.");
}

// The next answer is asked for, or taken apart, while this page is kept. What comes of that is seen
// when the page is.
void run_ahead(Jobs *jobs, Job *job, int64 now, double random) {
  if (!memory_allows(jobs, job)) return;
  job->in_flight = job->fetch->advance(now, random) == Fetch::State::kBusy;
}

// What the source tells of itself, when it is new. The plan is for a successor, who needs it with a
// page only.
void take_notes(Job *job) {
  const Source &source = job->fetch->source();
  if (job->pending == Job::Pending::kPage) {
    const Json plan = source.plan();
    job->plan = plan.is_null() ? "" : plan.dump();
  }
  job->total = source.total();
  job->metadata.clear();
  if (!source.has_learned()) return;
  const Json metadata = source.metadata();
  if (metadata.is_null()) return;
  job->metadata_told = std::hash<Json>()(metadata);
  if (job->metadata_told != job->metadata_kept) job->metadata = metadata.dump();
}

void note_moves(Job *job, int64 now) {
  const Fetch::Counters &counters = job->fetch->counters();
  const int64 moves = counters.requests + counters.bytes_received;
  if (moves != job->moves) job->moved_at_ms = now;
  job->moves = moves;
}

Progress progress_of(const Job *job) {
  Progress progress = {};
  progress.first_page = job->first_page;
  progress.restarts = job->restarts;
  progress.records_read = job->records;
  progress.requests = job->requests_before;
  progress.bytes_received = job->bytes_before;
  progress.provider_count = -1;
  if (job->fetch != nullptr) {
    progress.requests += job->fetch->counters().requests;
    progress.bytes_received += job->fetch->counters().bytes_received;
    progress.provider_count = job->total;
    progress.provider_time_ms = job->fetch->first_request_at_ms();
    if (job->pending == Job::Pending::kPage && job->plan != job->plan_kept)
      progress.plan = job->plan.c_str();
    if (!job->metadata.empty()) progress.metadata = job->metadata.c_str();
  }
  return progress;
}

Lease lease_of(const Job *job) {
  Lease lease = {};
  lease.fetch_id = job->fetch_id;
  lease.connection_id = job->connection_id;
  lease.slot = job->slot;
  lease.pages = job->pages;
  return lease;
}

// Before when the next run makes no sense; 0: it is not known.
int64 not_before_of(Jobs *jobs, const Job *job) {
  if (job->fetch == nullptr) return 0;
  const KnownLimits *known = parked(&jobs->budgets, job->connection_id);
  return Max(job->fetch->not_before_ms(), known == nullptr ? 0 : known->parked_until_ms);
}

void kept_page(Job *job) {
  ++job->pages;
  job->taken_over = 0;
  job->moved_at_ms = now_ms();
  job->pending = Job::Pending::kNothing;
  guard([&] {
    job->page = Page();
    job->packed = std::string();
    job->plan_kept = job->plan;
    if (!job->metadata.empty()) job->metadata_kept = job->metadata_told;
    job->metadata.clear();
  });
}

bool is_passing(const ErrorData *error) {
  return error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
         error->sqlerrcode == ERRCODE_QUERY_CANCELED ||
         error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED ||
         error->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE;
}

}  // namespace

void count_awaited(Jobs *jobs) {
  jobs->awaited = 0;
  for (const auto &[fetch_id, job] : jobs->by_fetch)
    if (job->in_flight) jobs->awaited += job->weight;
}

size_t count_runs(const Jobs *jobs) {
  size_t count = 0;
  for (const auto &[fetch_id, job] : jobs->by_fetch) count += job->runs.size();
  return count;
}

Job **all_jobs(const Jobs *jobs, size_t *count) {
  *count = jobs->by_fetch.size();
  auto **all = static_cast<Job **>(palloc(sizeof(Job *) * (*count + 1)));
  guard([&] {
    Job **next = all;
    for (const auto &[fetch_id, job] : jobs->by_fetch) *next++ = job.get();
  });
  return all;
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

void fail_job(Job *job, const ErrorData *error) {
  fail_job(job, error_class_of(error->sqlerrcode), error->message, error->detail);
}

void begin_job(Jobs *jobs, const Lease *lease) {
  const int64 now_ms = supaglue::now_ms();
  Raised raised;
  Job *job = nullptr;
  const bool made = attempt(
      [&] {
        job = jobs->by_fetch.insert_or_assign(lease->fetch_id, std::make_unique<Job>())
                  .first->second.get();
        job->fetch_id = lease->fetch_id;
        const ListCell *run;
        foreach (run, lease->runs)
          job->runs.push_back(*static_cast<const LeasedRun *>(lfirst(run)));
        job->connection_id = lease->connection_id;
        job->provider_key = provider_key(lease->provider_name);
        job->slot = lease->slot;
        job->pages = lease->pages;
        job->first_page = lease->first_page;
        job->restarts = lease->restarts;
        job->taken_over = lease->taken_over;
        job->begun_ms = job->moved_at_ms = now_ms;
        job->records = lease->records_read;
        job->requests_before = lease->requests;
        const ListCell *sync;
        foreach (sync, lease->compared_with) {
          const Sync &stored = *static_cast<const Sync *>(lfirst(sync));
          if (job->comparison == nullptr)
            job->comparison = std::make_unique<Comparison>(stored);
          else
            job->comparison->add(stored);
        }
        job->bytes_before = lease->bytes_received;
        const auto connector = Connector::builtin(lease->provider_name);
        if (connector == nullptr)
          throw Error(ErrorClass::kInternal,
                      std::string("there is no connector \"") + lease->provider_name + "\"");
        Task task;
        if (lease->object == nullptr)
          throw Error(ErrorClass::kObjectGone, "the entity is not mapped for this customer",
                      "No object of the provider is named for it.",
                      "Call supaglue.set_entity_mapping().");
        task.object = lease->object;
        task.keys_only = job->keys_only = lease->keys_only;
        task.with_deleted = !lease->keys_only;
        if (lease->since != nullptr) task.since = lease->since;
        job->is_guess = lease->since != nullptr && lease->until == nullptr;
        if (lease->until != nullptr) task.selection.filter = stamped_until(lease->until);
        if (lease->known != nullptr) task.metadata = lease->known;
        // What may be relied on is what the last run knew.
        if (lease->known == nullptr && lease->last_known != nullptr)
          task.known = Json::parse(lease->last_known);
        task.now_ms = now_ms;
        choose_fields(task, lease->config);
        auto source = lease->cursor == nullptr
                          ? make_source(connector, std::move(task))
                          : make_source(connector, std::move(task), Json::parse(lease->plan),
                                        Json::parse(lease->cursor));
        if (lease->plan != nullptr) job->plan_kept = lease->plan;
        job->source_restarts = source->restarts();
        job->fetch = std::make_unique<Fetch>(jobs->pool, connector, std::move(source));
        job->fetch->run_ahead();
        if (job->comparison == nullptr && !job->keys_only) job->fetch->keep_answers();
        job->fetch->share(budget_of(&jobs->budgets, lease->connection_id, lease->provider_name));
      },
      &raised);
  if (made) return;
  if (job == nullptr)
    ereport(LOG,
            (errmsg("run " INT64_FORMAT " cannot be begun: %s", lease->fetch_id, raised.message)));
  else
    fail_job(job, &raised);
}

bool advance_job(Jobs *jobs, Job *job) {
  const int64 now = now_ms();
  const double random = jitter();
  bool moved = false;
  Raised raised;
  const bool well = attempt(
      [&] {
        if (!job->in_flight && job->is_guess) job->weight = jobs->usual_weight;
        if (!job->in_flight && !memory_allows(jobs, job)) {
          jobs->starved = true;
          job->moved_at_ms = now;  // it waits for others
          return;
        }
        if (job->in_flight) jobs->awaited -= job->weight;
        const Fetch::State state = job->fetch->advance(now, random);
        note_moves(job, now);
        if (!job->fetch->is_digesting()) take_restart(job);
        job->in_flight = state == Fetch::State::kBusy;
        job->needs_token = state == Fetch::State::kNeedsToken;
        moved = state != Fetch::State::kBusy;
        if (state == Fetch::State::kPage) {
          take_page(job);
          learn_weight(jobs, job);
        }
        if (state == Fetch::State::kDone) job->pending = Job::Pending::kEnd;
        if (state == Fetch::State::kPage || state == Fetch::State::kDone) take_notes(job);
        if (state == Fetch::State::kPage) run_ahead(jobs, job, now, random);
        if (job->in_flight) jobs->awaited += job->weight;
        if (moved) {
          jobs->moved = true;
          jobs->budgets.untold.insert(job->connection_id);
        }
        if (state == Fetch::State::kFailed) throw job->fetch->error();
      },
      &raised);
  if (!well) fail_job(job, &raised);
  return moved || !well;
}

int64 patience_ends_ms(const Job *job) {
  const int64 waits_until =
      job->fetch == nullptr ? 0 : std::max(job->fetch->wake_at_ms(), job->not_before_ms);
  return std::max(job->moved_at_ms, job->pending == Job::Pending::kNothing ? waits_until : 0) +
         int64{kStandstillTimeouts} * settings.request_timeout_ms;
}

void watch_job(Job *job) {
  if (job->needs_token) job->moved_at_ms = now_ms();  // a refresh has bounds of its own
  if (job->pending == Job::Pending::kFailure || now_ms() < patience_ends_ms(job)) return;
  const int64 seconds = (now_ms() - job->moved_at_ms) / 1000;
  fail_job(job, name_of(ErrorClass::kTransient), "the run made no progress",
           format("For " INT64_FORMAT " seconds %s.", seconds,
                  job->pending == Job::Pending::kNothing
                      ? "no request was answered"
                      : "what was read could not be kept: somebody locks supaglue's tables"));
}

bool suspect_under_way(const Jobs *jobs) {
  const int64 now = now_ms();
  return guard([&] {
    return std::any_of(jobs->by_fetch.begin(), jobs->by_fetch.end(), [&](const auto &entry) {
      return entry.second->taken_over > 1 && now - entry.second->begun_ms < kSuspicionMs;
    });
  });
}

// Keeps a page, in the transaction under way.
static bool keep_page(Job *job, const Lease *lease, const Progress *progress) {
  if (job->comparison != nullptr) take_out_unchanged(job->comparison.get(), &job->page);
  const int number = job->pages + 1;
  if (!keep_progress(lease, progress, number)) return false;
  guard([&] { job->packed = job->page.pack(); });
  keep_in_spool(job->slot, job->fetch_id, number, job->cursor.c_str(), job->packed.data(),
                job->packed.size());
  return true;
}

bool record_job(Jobs *jobs, Job *job) {
  const Lease lease = lease_of(job);
  const Progress progress = guard([&] { return progress_of(job); });
  const Job::Pending pending = job->pending;
  bool held = false;
  const Outcome outcome = work([&] {
    if (pending == Job::Pending::kPage) {
      held = keep_page(job, &lease, &progress);
    } else if (pending == Job::Pending::kEnd) {
      hand_over(&lease, &progress, 1);
    } else {
      const int64 not_before_ms = not_before_of(jobs, job);
      held = fail_lease(&lease, &progress, job->error_class, job->error_message, not_before_ms);
    }
  });
  stop_stopwatch();  // of a comparison that was cancelled
  if (outcome.standing != Standing::kReady) {
    jobs->served = false;
    return false;
  }
  if (outcome.error != nullptr) {
    if (is_passing(outcome.error) || pending == Job::Pending::kFailure)
      job->not_before_ms = now_ms() + kLockRetryMs;
    else
      fail_job(job, outcome.error);
    return false;
  }
  if (held && pending == Job::Pending::kPage) {
    kept_page(job);
    return true;
  }
  drop_job(jobs, job);
  return false;
}

void hand_over_jobs(Jobs *jobs, Job *const *whole, size_t count) {
  if (count == 0) return;
  auto *leases = static_cast<Lease *>(palloc(sizeof(Lease) * count));
  auto *progress = static_cast<Progress *>(palloc(sizeof(Progress) * count));
  for (size_t i = 0; i < count; ++i) {
    leases[i] = lease_of(whole[i]);
    progress[i] = guard([&] { return progress_of(whole[i]); });
  }
  const Outcome outcome = work([&] { hand_over(leases, progress, static_cast<int>(count)); });
  if (outcome.standing != Standing::kReady) jobs->served = false;
  for (size_t i = 0; i < count && jobs->served; ++i)
    outcome.done() ? drop_job(jobs, whole[i]) : static_cast<void>(record_job(jobs, whole[i]));
}

}  // namespace supaglue
