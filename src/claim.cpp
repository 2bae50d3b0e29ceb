// pg: the beginning of runs. See claim.hpp.
#include "claim.hpp"

#include <algorithm>

#include "columns.hpp"
#include "pg.hpp"
#include "source.hpp"
#include "sql.hpp"
#include "worker.hpp"

namespace supaglue {

namespace {

/// A sync and the run that begins.
struct Claim {
  Sync *sync;
  Run *run;
  bool is_asked;  // the caller's; another begins only if it shares the fetch of one that is
  int leader;     // whose fetch it shares, by its place; its own when it begins one
};

/// The syncs that are asked for and those that may share a fetch with one of them: they are due,
/// too, and read an object of the same connection that may be the same, for all that their own rows
/// tell. Returns how many; `ids` begins with those that are asked for.
int with_companions(const int64 *asked, int count, int64 **ids) {
  const uint64 found = sql(
      "SELECT DISTINCT s.id FROM supaglue_internal.syncs a"
      " JOIN supaglue_internal.objects ao ON ao.id = a.object_id"
      " JOIN supaglue_internal.syncs s ON s.connection_id = a.connection_id AND s.id <> ALL ($1)"
      " JOIN supaglue_internal.objects o ON o.id = s.object_id"
      " WHERE a.id = ANY ($1) AND s.paused_by = '{}' AND (s.triggered OR s.next_run_at IS NULL"
      "      OR s.next_run_at <= pg_catalog.clock_timestamp())"
      " AND (o.object = ao.object"
      "      OR o.object_type IN ('common', 'entity') OR ao.object_type IN ('common', 'entity'))",
      {ints_arg(asked, count)});
  *ids = static_cast<int64 *>(palloc(sizeof(int64) * (static_cast<uint64>(count) + found)));
  std::copy(asked, asked + count, *ids);
  for (uint64 row = 0; row < found; ++row) (*ids)[count + static_cast<int>(row)] = int_at(row, 1);
  return count + static_cast<int>(found);
}

/// Keeps the claims of syncs that may run now. Their rows are locked: what is said of them stands.
int keep_runnable(Claim *claims, int count) {
  // Somebody who asks for a run overrules a pause by a user, but no other.
  const auto runnable = static_cast<int>(sql(
      "SELECT s.id FROM supaglue_internal.syncs s WHERE s.id = ANY ($1)"
      " AND (s.paused_by = '{}'"
      "      OR (s.triggered OR s.backfill_asked) AND s.paused_by = ARRAY['user'])"
      " AND NOT EXISTS (SELECT FROM supaglue_internal.runs r WHERE r.sync_id = s.id)"
      " AND (s.triggered OR s.backfill_asked OR s.next_reason = 'mapping' OR s.next_run_at IS NULL"
      "      OR s.next_run_at <= pg_catalog.clock_timestamp())"
      " ORDER BY s.id",
      {ints_of(count, [&](int i) { return claims[i].sync->id; })}));
  int kept = 0;
  for (int i = 0; i < count && kept < runnable; ++i)
    if (claims[i].sync->id == int_at(static_cast<uint64>(kept), 1)) claims[kept++] = claims[i];
  return kept;
}

Run *plan(const Sync *sync) {
  Run *run = plan_backfill(sync);
  if (run == nullptr) run = plan_sweep(sync);
  return run != nullptr ? run : plan_run(sync, sync->triggered, sync->trigger_full);
}

void begin_runs(const Claim *claims, int count, int worker, int slot) {
  const auto run = [&](int i) { return claims[i].run; };
  sql("INSERT INTO supaglue_internal.runs"
      " (id, sync_id, worker, stage, slot, strategy, reason, started_at, since, forced, until,"
      "  fetch_id)"
      " SELECT q.id, q.sync_id, $1, q.stage, $2, q.strategy, q.reason, q.started_at, q.since,"
      "  q.forced <> 0, q.until, q.fetch_id"
      " FROM ROWS FROM (pg_catalog.unnest($3::bigint[]), pg_catalog.unnest($4::bigint[]),"
      "  pg_catalog.unnest($5::text[]), pg_catalog.unnest($6::text[]),"
      "  pg_catalog.unnest($7::text[]), pg_catalog.unnest($8::timestamptz[]),"
      "  pg_catalog.unnest($9::timestamptz[]), pg_catalog.unnest($10::bigint[]),"
      "  pg_catalog.unnest($11::timestamptz[]), pg_catalog.unnest($12::bigint[]))"
      " AS q (id, sync_id, stage, strategy, reason, started_at, since, forced, until, fetch_id)",
      {int_arg(worker), int_arg(slot), ints_of(count, [&](int i) { return run(i)->id; }),
       ints_of(count, [&](int i) { return claims[i].sync->id; }),
       texts_of(count, [&](int i) { return run(i)->mapping_only ? "merge" : "fetch"; }),
       texts_of(count, [&](int i) { return run(i)->full ? "full" : "incremental"; }),
       texts_of(count, [&](int i) { return run(i)->reason; }),
       times_of(count, [&](int i) { return run(i)->started_at; }),
       times_of(count, [&](int i) { return run(i)->since; }),
       ints_of(count, [&](int i) { return int64{run(i)->forced}; }),
       times_of(count, [&](int i) { return run(i)->until; }),
       ints_of(count, [&](int i) { return run(claims[i].leader)->id; })});
}

bool want_same_fields(const Sync *a, const Sync *b) {
  return guard([&] {
    Task of_a, of_b;
    choose_fields(of_a, a->config);
    choose_fields(of_b, b->config);
    return of_a.fields == of_b.fields && of_a.exclude_fields == of_b.exclude_fields;
  });
}

/// Whether what is known of the object makes two runs ask the same. A full one learns all anew.
bool know_same(const Claim *a, const Claim *b) {
  if (a->run->full) return true;
  const char *of_a = a->sync->metadata, *of_b = b->sync->metadata;
  return must_describe(a->sync, false, a->run->started_at) ==
             must_describe(b->sync, false, b->run->started_at) &&
         (of_a == nullptr || of_b == nullptr ? of_a == of_b : strcmp(of_a, of_b) == 0);
}

/// Whether one fetch serves two runs, if it begins where the one begins that reads more.
bool read_same(const Claim *a, const Claim *b) {
  const char *of_a = a->sync->remote_object, *of_b = b->sync->remote_object;
  const auto is_usual = [](const Run *run) {
    return !run->mapping_only && TIMESTAMP_IS_NOBEGIN(run->until);
  };
  return a->sync->connection_id == b->sync->connection_id && of_a != nullptr && of_b != nullptr &&
         strcmp(of_a, of_b) == 0 && is_usual(a->run) && is_usual(b->run) &&
         a->run->full == b->run->full && a->run->keys_only == b->run->keys_only &&
         know_same(a, b) && want_same_fields(a->sync, b->sync);
}

/// Puts those together that share a fetch: with one of them one begins it, and all read from where
/// the first of their watermarks says.
int share_fetches(Claim *claims, int count) {
  auto *shared = static_cast<Claim *>(palloc(sizeof(Claim) * Max(count, 1)));
  int kept = 0;
  const auto take = [&](Claim claim) {
    for (claim.leader = 0; claim.leader < kept; ++claim.leader)
      if (shared[claim.leader].leader == claim.leader && read_same(&shared[claim.leader], &claim))
        break;
    if (claim.leader == kept && !claim.is_asked) return;
    shared[kept++] = claim;
    Run *first = shared[claim.leader].run;
    first->since = Min(first->since, claim.run->since);
  };
  for (const bool asked : {true, false})
    for (int i = 0; i < count; ++i)
      if (claims[i].is_asked == asked) take(claims[i]);
  for (int i = 0; i < kept; ++i) {
    claims[i] = shared[i];
    const Run *first = claims[claims[i].leader].run;
    claims[i].run->since = first->since;
    claims[i].run->started_at = first->started_at;
  }
  return kept;
}

/// Whether a run takes with it what backfill() asked for. A full run for want of a watermark or of
/// a field reads every window, and is tried until it succeeds.
bool takes_backfill(const Claim *claim) {
  const bool must_be_full =
      TIMESTAMP_IS_NOBEGIN(claim->sync->watermark) || strcmp(claim->run->reason, "fields") == 0;
  return !TIMESTAMP_IS_NOBEGIN(claim->run->until) || (must_be_full && !claim->sync->triggered);
}

/// What was asked for and is under way now is not asked for any more.
void take_wishes(const Claim *claims, int count) {
  auto *backfills = static_cast<int64 *>(palloc(sizeof(int64) * Max(count, 1)));
  auto *triggers = static_cast<int64 *>(palloc(sizeof(int64) * Max(count, 1)));
  int backfill_count = 0, trigger_count = 0;
  for (int i = 0; i < count; ++i) {
    const int64 id = claims[i].sync->id;
    if (claims[i].run->mapping_only) continue;
    if (takes_backfill(&claims[i]))
      backfills[backfill_count++] = id;
    else if (claims[i].sync->triggered)
      triggers[trigger_count++] = id;
  }
  if (backfill_count > 0)
    sql("UPDATE supaglue_internal.syncs SET backfill_asked = false, backfill_from = NULL,"
        " backfill_to = NULL WHERE id = ANY ($1)",
        {ints_arg(backfills, backfill_count)});
  if (trigger_count > 0)
    sql("UPDATE supaglue_internal.syncs SET triggered = false, trigger_full = false"
        " WHERE id = ANY ($1)",
        {ints_arg(triggers, trigger_count)});
}

List *lease_fetches(const Claim *claims, int count, int slot) {
  List *leases = NIL;
  auto **of = static_cast<Lease **>(palloc0(sizeof(Lease *) * Max(count, 1)));
  for (int i = 0; i < count; ++i) {
    const Sync *sync = claims[i].sync;
    const Run *run = claims[i].run;
    if (run->mapping_only) {
      wake_at_commit(WorkerKind::kMerger);  // nothing is to be fetched
      continue;
    }
    Lease *&lease = of[claims[i].leader];
    if (lease == nullptr) {
      lease = make_lease(sync, run->id, slot, run->full, run->since, run->until);
      lease->keys_only = run->keys_only;
      leases = lappend(leases, lease);
    } else {
      add_run(lease, sync, run->id);
    }
    lease->manual = lease->manual || sync->triggered;
  }
  return leases;
}

}  // namespace

List *claim_runs(const int64 *sync_ids, int count, int worker, int slot) {
  int64 *ids;
  const int wanted = with_companions(sync_ids, count, &ids);
  auto **syncs = static_cast<Sync **>(palloc(sizeof(Sync *) * Max(wanted, 1)));
  auto *claims = static_cast<Claim *>(palloc(sizeof(Claim) * Max(wanted, 1)));
  int claimed = lock_syncs(ids, wanted, syncs);
  for (int i = 0; i < claimed; ++i)
    claims[i] = {syncs[i], nullptr,
                 std::find(sync_ids, sync_ids + count, syncs[i]->id) != sync_ids + count, i};
  claimed = keep_runnable(claims, claimed);
  for (int i = 0; i < claimed; ++i) claims[i].run = plan(claims[i].sync);
  claimed = share_fetches(claims, claimed);
  begin_runs(claims, claimed, worker, slot);
  take_wishes(claims, claimed);
  return lease_fetches(claims, claimed, slot);
}

}  // namespace supaglue
