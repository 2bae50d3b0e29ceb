// pg: syncs and runs of connections that are to be asked nothing for a while. See parking.hpp.
#include "parking.hpp"

#include "columns.hpp"
#include "pg.hpp"
#include "sql.hpp"
#include "worker.hpp"

namespace supaglue {

namespace {

constexpr int64 kWorthMs = 2'000;  // of a wait, for its being written down

const char *waiting_for(const KnownLimits *known) {
  return known->cause == ErrorClass::kQuota ? "quota" : "backoff";
}

const char *message_of(const Jobs *jobs, int64 connection_id, const KnownLimits *known) {
  return guarded_text([&] {
    return parked_message(jobs->budgets.by_connection.at(connection_id).provider_name, *known);
  });
}

// Syncs that somebody changes now are left to him, and looked at again.
void mark_syncs(const char *which, Arg sync_ids, const KnownLimits *known, const char *message) {
  sql(format("UPDATE supaglue_internal.syncs SET waiting_for = $2, last_error_class = $3,"
             " last_error = $4, next_run_at = greatest(next_run_at, $5) WHERE id IN (SELECT id FROM"
             " supaglue_internal.syncs WHERE id = ANY ($1) AND %s FOR NO KEY UPDATE SKIP LOCKED)",
             which),
      {sync_ids, text_arg(waiting_for(known)), text_arg(name_of(known->cause)), text_arg(message),
       time_arg(time_of_ms(known->parked_until_ms))});
}

Arg syncs_of(const Job *job) {
  return ints_of(static_cast<int>(job->runs.size()),
                 [&](int i) { return job->runs[static_cast<size_t>(i)].sync_id; });
}

// Of the runs that a job is for.
void postpone_runs(const Job *job, TimestampTz not_before) {
  sql("UPDATE supaglue_internal.runs SET not_before = $2 WHERE fetch_id = $1 AND stage = 'fetch'",
      {int_arg(job->fetch_id), time_arg(not_before)});
}

}  // namespace

void park_syncs(Jobs *jobs, const Agenda::Entry *syncs, size_t count) {
  const Outcome outcome = work([&] {
    for (size_t i = 0; i < count; ++i) {
      const KnownLimits *known = parked(&jobs->budgets, syncs[i].connection_id);
      if (known != nullptr)
        mark_syncs("paused_by = '{}' AND NOT triggered", ints_arg(&syncs[i].sync_id, 1), known,
                   message_of(jobs, syncs[i].connection_id, known));
    }
  });
  if (outcome.standing != Standing::kReady) jobs->served = false;
}

void tell_crowd(Jobs *jobs, const int64 *syncs, int count) {
  const Outcome outcome = work([&] {
    sql("UPDATE supaglue_internal.syncs SET waiting_for = 'slot' WHERE id IN ("
        " SELECT id FROM supaglue_internal.syncs WHERE id = ANY ($1) AND waiting_for IS DISTINCT "
        "FROM 'slot'"
        " FOR NO KEY UPDATE SKIP LOCKED)",
        {ints_arg(syncs, count)});
  });
  if (outcome.standing != Standing::kReady) jobs->served = false;
}

void park_job(Jobs *jobs, Job *job) {
  const KnownLimits *known = parked(&jobs->budgets, job->connection_id);
  if (job->parked || known == nullptr || job->fetch == nullptr || !job->fetch->is_held() ||
      known->parked_until_ms < now_ms() + kWorthMs)
    return;
  job->parked = true;
  job->in_flight = false;
  const Outcome outcome = work([&] {
    postpone_runs(job, time_of_ms(known->parked_until_ms));
    mark_syncs("true", syncs_of(job), known, message_of(jobs, job->connection_id, known));
  });
  if (outcome.standing != Standing::kReady) jobs->served = false;
}

void resume_job(Jobs *jobs, Job *job) {
  job->parked = false;
  job->moved_at_ms = now_ms();  // it was not idle, it waited
  const Outcome outcome = work([&] {
    postpone_runs(job, DT_NOBEGIN);
    sql("UPDATE supaglue_internal.syncs SET waiting_for = NULL,"
        " last_error_class = CASE WHEN consecutive_failures > 0 THEN last_error_class END,"
        " last_error = CASE WHEN consecutive_failures > 0 THEN last_error END"
        " WHERE id IN (SELECT id FROM supaglue_internal.syncs WHERE id = ANY ($1)"
        "              FOR NO KEY UPDATE SKIP LOCKED)",
        {syncs_of(job)});
  });
  if (outcome.standing != Standing::kReady) jobs->served = false;
}

}  // namespace supaglue
