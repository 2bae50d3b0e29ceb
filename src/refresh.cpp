// pg: the token refreshes that a fetcher has under way. See refresh.hpp.
#include "refusal.hpp"

#include "refresh.hpp"

#include <algorithm>

#include "keep_alive.hpp"
#include "pg.hpp"
#include "sql.hpp"
#include "token.hpp"
#include "worker.hpp"

namespace supaglue {

namespace {

constexpr int kTokenAttempts = 3;
constexpr int64 kLongestWaitMs = 60'000;  // that a run sits out
constexpr int64 kTokenRetryMs = 100;      // another process refreshes
constexpr int64 kLastWordsMs = 3'000;     // for answers to refreshes when the process ends

enum class Token { kGiven, kStale, kFailed };

bool give_token(Job *job, const TokenState *state) {
  const bool given = guard([&] {
    const Access &access = state->access;
    if (access.access_token.empty() || access.generation <= job->fetch->access().generation)
      return false;
    job->fetch->give_access(access);
    return true;
  });
  if (given) {
    job->needs_token = false;
    job->refreshes = 0;
  }
  return given;
}

// Gives a job the newest token there is, if it is newer than the one that it has.
Token offer_token(Jobs *jobs, Job *job, TokenState **state) {
  MemoryContext context = CurrentMemoryContext;
  const Outcome outcome = work([&] { *state = load_tokens(context, job->connection_id); });
  if (outcome.standing != Standing::kReady) {
    jobs->served = false;
    return Token::kFailed;
  }
  if (outcome.error != nullptr) {
    fail_job(job, outcome.error);
    return Token::kFailed;
  }
  return give_token(job, *state) ? Token::kGiven : Token::kStale;
}

// Asks the provider, by a connector that the guard body `connector_of` gives. The lock is ours; it
// is given up when that fails.
template <typename ConnectorOf>
bool ask_for_token(Refreshes *refreshes, Pool *pool, int64 connection_id, const TokenState *state,
                   ConnectorOf &&connector_of, Raised *raised) {
  const int64 now = now_ms();
  const bool asked = attempt(
      [&] {
        auto refresh = std::make_unique<Refresh>();
        refresh->connection_id = connection_id;
        refresh->generation = state->access.generation;
        refresh->grant = state->grant;
        refresh->lost = state->lost;
        refresh->connector = connector_of();
        refresh->transfer = pool->start(token_request(*refresh->connector, refresh->grant, now));
        refresh->attempts = 1;
        refreshes->by_connection.emplace(int64{connection_id}, std::move(refresh));
      },
      raised);
  if (!asked) unlock_tokens(connection_id);
  return asked;
}

// A refresh that is over, well or not: its jobs go on or fail.
void end_refresh(Refreshes *refreshes, Jobs *jobs, Refresh *refresh, const Raised *failure) {
  const int64 connection_id = refresh->connection_id;
  unlock_tokens(connection_id);
  guard([&] { refreshes->by_connection.erase(int64{connection_id}); });
  if (failure == nullptr) return;
  size_t count;
  Job **all = all_jobs(jobs, &count);
  for (size_t i = 0; i < count; ++i)
    if (all[i]->connection_id == connection_id && all[i]->needs_token) fail_job(all[i], failure);
}

void raised_of(const ErrorData *error, Raised *raised) {
  raised->postgres = nullptr;
  strlcpy(raised->sqlstate, sqlstate_text(error->sqlerrcode), sizeof raised->sqlstate);
  strlcpy(raised->message, error->message, sizeof raised->message);
  strlcpy(raised->detail, error->detail != nullptr ? error->detail : "", sizeof raised->detail);
  raised->hint[0] = '\0';
}

// Without a token no run of the connection comes far.
void park_connection(Jobs *jobs, int64 connection_id, int64 asked_ms) {
  const int64 now = now_ms();
  guard([&] {
    const auto found = jobs->budgets.by_connection.find(connection_id);
    if (found == jobs->budgets.by_connection.end()) return;
    if (asked_ms > 0)
      found->second.budget->park(now + asked_ms, ErrorClass::kTransient, now);
    else
      found->second.budget->back_off(ErrorClass::kTransient, now);
    jobs->budgets.untold.insert(connection_id);
  });
}

// What the provider gave, to be stored; null: nothing, and that is seen to.
const Tokens *take_token_answer(Refreshes *refreshes, Jobs *jobs, Refresh *refresh,
                                const Response *response) {
  Raised raised;
  auto *tokens = make_in<Tokens>(CurrentMemoryContext);
  const int64 now = now_ms();
  const bool granted =
      attempt([&] { *tokens = token_answer(*refresh->connector, refresh->grant, *response, now); },
              &raised);
  if (granted) return tokens;
  if (strcmp(raised.sqlstate, sqlstate_of(ErrorClass::kAuthentication)) == 0) {
    const int64 wait_ms = wait_after_refusal_ms(++refresh->refusals, refresh->lost);
    if (!refuse_tokens(refresh->connection_id, refresh->generation,
                       raised.detail[0] != '\0' ? raised.detail : raised.message, wait_ms == 0)) {
      end_refresh(refreshes, jobs, refresh, nullptr);
      return nullptr;
    }
    if (wait_ms > 0) {
      refresh->not_before_ms = now + wait_ms;
      return nullptr;
    }
  } else {
    const int64 asked = guard([&] { return asked_wait_ms(*response, now); });
    const bool passes = strcmp(raised.sqlstate, sqlstate_of(ErrorClass::kTransient)) == 0;
    if (passes && refresh->attempts < kTokenAttempts && asked <= kLongestWaitMs) {
      const double backoff = 1000 * refresh->attempts * jitter();
      refresh->not_before_ms = now + asked + static_cast<int64>(backoff);
      return nullptr;
    }
    park_connection(jobs, refresh->connection_id, asked);
  }
  end_refresh(refreshes, jobs, refresh, &raised);
  return nullptr;
}

// Refreshes that were granted, and what is to be stored of each.
struct Granted {
  Refresh **refreshes;
  Renewal *renewals;
  int count;
};

// Together, because a commit waits for the disk; one by one when one is in the others' way.
void end_granted(Refreshes *refreshes, Jobs *jobs, const Granted *granted) {
  if (granted->count == 0) return;
  const ErrorData *error = store_tokens(granted->renewals, granted->count);
  Raised raised;
  if (error != nullptr) raised_of(error, &raised);
  for (int i = 0; i < granted->count; ++i) {
    const Granted one = {&granted->refreshes[i], &granted->renewals[i], 1};
    if (error != nullptr && granted->count > 1)
      end_granted(refreshes, jobs, &one);
    else
      end_refresh(refreshes, jobs, *one.refreshes, error == nullptr ? nullptr : &raised);
  }
}

}  // namespace

void offer_tokens(const Refreshes *refreshes, Jobs *jobs, Job *const *all, size_t count) {
  const int64 now = now_ms();
  auto **needy = static_cast<Job **>(palloc(sizeof(Job *) * (count + 1)));
  auto **states = static_cast<TokenState **>(palloc(sizeof(TokenState *) * (count + 1)));
  size_t needy_count = 0;
  for (size_t i = 0; i < count; ++i)
    if (all[i]->fetch != nullptr && all[i]->pending == Job::Pending::kNothing &&
        all[i]->fetch->access().generation < 0 && all[i]->not_before_ms <= now &&
        refreshes->by_connection.count(all[i]->connection_id) == 0)
      needy[needy_count++] = all[i];
  if (needy_count < 2) return;
  auto *connections = static_cast<int64 *>(palloc(sizeof(int64) * needy_count));
  for (size_t i = 0; i < needy_count; ++i) connections[i] = needy[i]->connection_id;
  MemoryContext context = CurrentMemoryContext;
  const Outcome outcome =
      work([&] { load_tokens(context, connections, static_cast<int>(needy_count), states); });
  if (outcome.standing != Standing::kReady) jobs->served = false;
  for (size_t i = 0; i < needy_count && outcome.done(); ++i)
    if (states[i] != nullptr) give_token(needy[i], states[i]);
}

bool see_to_token(Refreshes *refreshes, Jobs *jobs, Job *job) {
  if (refreshes->by_connection.count(job->connection_id) > 0) return false;
  TokenState *state = nullptr;
  Token token = offer_token(jobs, job, &state);
  if (token != Token::kStale) return token == Token::kGiven;
  if (!lock_tokens(job->connection_id)) {
    job->not_before_ms = now_ms() + kTokenRetryMs;
    return false;
  }
  // Whoever had the lock before us may have refreshed.
  token = offer_token(jobs, job, &state);
  if (token != Token::kStale) {
    unlock_tokens(job->connection_id);
    return token == Token::kGiven;
  }
  if (job->refreshes++ < kTokenAttempts) {
    Raised raised;
    if (!ask_for_token(
            refreshes, &jobs->pool, job->connection_id, state,
            [&] { return job->fetch->connector(); }, &raised))
      fail_job(job, &raised);
    return false;
  }
  unlock_tokens(job->connection_id);
  fail_job(job, name_of(ErrorClass::kAuthentication),
           format("connection " INT64_FORMAT " has no usable token", job->connection_id),
           "The provider's answer to the refresh named none, or no address.");
  return true;
}

void keep_alive(Refreshes *refreshes, Jobs *jobs, int workers, int number) {
  MemoryContext context = CurrentMemoryContext;
  ListCell *cell;
  foreach (cell, idle_connections(workers, number)) {
    const auto *idle = static_cast<const IdleConnection *>(lfirst(cell));
    if (refreshes->by_connection.count(idle->id) > 0 || !lock_tokens(idle->id)) continue;
    TokenState *state = nullptr;
    const Outcome outcome = work([&] { state = load_tokens(context, idle->id); });
    // Whoever had the lock before us may have refreshed.
    if (!outcome.done() || state->access.generation != idle->generation) {
      unlock_tokens(idle->id);
      continue;
    }
    Raised raised;
    ask_for_token(
        refreshes, &jobs->pool, idle->id, state,
        [&] { return Connector::builtin(idle->provider_name); }, &raised);
  }
}

void tend_refreshes(Refreshes *refreshes, Jobs *jobs) {
  const size_t count = refreshes->by_connection.size();
  auto **all = static_cast<Refresh **>(palloc(sizeof(Refresh *) * (count + 1)));
  guard([&] {
    Refresh **next = all;
    for (const auto &[connection_id, refresh] : refreshes->by_connection) *next++ = refresh.get();
  });
  auto *response = make_in<Response>(CurrentMemoryContext);
  Granted granted = {static_cast<Refresh **>(palloc(sizeof(Refresh *) * (count + 1))),
                     static_cast<Renewal *>(palloc(sizeof(Renewal) * (count + 1))), 0};
  for (size_t i = 0; i < count; ++i) {
    Refresh *refresh = all[i];
    const int64 now = now_ms();
    const bool answered = guard([&] {
      if (refresh->transfer == 0 && refresh->not_before_ms <= now) {
        refresh->transfer =
            jobs->pool.start(token_request(*refresh->connector, refresh->grant, now));
        ++refresh->attempts;
      }
      if (refresh->transfer == 0 || !jobs->pool.take(refresh->transfer, response)) return false;
      refresh->transfer = 0;
      return true;
    });
    if (!answered) continue;
    const int64 connection_id = refresh->connection_id, generation = refresh->generation;
    const Tokens *tokens = take_token_answer(refreshes, jobs, refresh, response);
    if (tokens == nullptr) continue;
    granted.refreshes[granted.count] = refresh;
    granted.renewals[granted.count++] = {connection_id, generation, tokens};
  }
  end_granted(refreshes, jobs, &granted);
}

void finish_refreshes(Refreshes *refreshes, Jobs *jobs) {
  const int64 deadline = now_ms() + kLastWordsMs;
  for (;;) {
    guard([&] { jobs->pool.pump(); });
    tend_refreshes(refreshes, jobs);
    const bool waiting =
        std::any_of(refreshes->by_connection.begin(), refreshes->by_connection.end(),
                    [](const auto &entry) { return entry.second->transfer != 0; });
    const int64 rest_ms = deadline - now_ms();
    if (!waiting || rest_ms <= 0) return;
    if (WaitLatchOrSocket(nullptr, WL_SOCKET_READABLE | WL_TIMEOUT | WL_POSTMASTER_DEATH,
                          jobs->pool.fd(), static_cast<long>(rest_ms), PG_WAIT_EXTENSION) &
        WL_POSTMASTER_DEATH)
      return;
  }
}

void drop_refreshes(Refreshes *refreshes, Pool *pool) {
  const size_t count = refreshes->by_connection.size();
  auto *connections = static_cast<int64 *>(palloc(sizeof(int64) * (count + 1)));
  guard([&] {
    int64 *next = connections;
    for (const auto &[connection_id, refresh] : refreshes->by_connection) {
      *next++ = connection_id;
      if (refresh->transfer != 0) pool->cancel(refresh->transfer);
    }
    refreshes->by_connection.clear();
  });
  for (size_t i = 0; i < count; ++i) unlock_tokens(connections[i]);
}

}  // namespace supaglue
