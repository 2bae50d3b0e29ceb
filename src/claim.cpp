// pg: the beginning of runs. See claim.hpp.
#include "claim.hpp"

#include <algorithm>

#include "columns.hpp"
#include "pg.hpp"
#include "projection.hpp"
#include "source.hpp"
#include "sql.hpp"
#include "worker.hpp"

namespace supaglue {

namespace {

/// A sync and the run that begins.
struct Claim {
  Sync *sync;
  Run *run;
  int leader;  // whose fetch it shares, by its place; its own when it begins one
};

struct Claims {
  Claim *all;
  int count;
};

/// Of syncs, which are locked so that what is said of them stands, those that may run now.
int keep_runnable(Sync **syncs, int count) {
  // Somebody who asks for a run overrules a pause by a user, but no other.
  const auto runnable = static_cast<int>(sql(
      "SELECT s.id FROM supaglue_internal.syncs s WHERE s.id = ANY ($1)"
      " AND (s.paused_by = '{}'"
      "      OR (s.triggered OR s.backfill_asked) AND s.paused_by = ARRAY['user'])"
      " AND NOT EXISTS (SELECT FROM supaglue_internal.runs r WHERE r.sync_id = s.id)"
      " AND (s.triggered OR s.backfill_asked OR s.next_reason = 'mapping' OR s.next_run_at IS NULL"
      "      OR s.next_run_at <= pg_catalog.clock_timestamp())"
      " ORDER BY s.id",
      {ints_of(count, [&](int i) { return syncs[i]->id; })}));
  int kept = 0;
  for (int i = 0; i < count && kept < runnable; ++i)
    if (syncs[i]->id == int_at(static_cast<uint64>(kept), 1)) syncs[kept++] = syncs[i];
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

/// Takes the syncs that may run. Those who share a fetch do so with the first of them, which reads
/// from where the earliest of their watermarks says.
void take(Claims *claims, const int64 *sync_ids, int count, bool is_asked) {
  if (count == 0) return;
  auto **syncs = static_cast<Sync **>(palloc(sizeof(Sync *) * static_cast<size_t>(count)));
  const int runnable = keep_runnable(syncs, lock_syncs(sync_ids, count, syncs));
  for (int i = 0; i < runnable; ++i) {
    Claim claim = {syncs[i], plan(syncs[i]), 0};
    while (claim.leader < claims->count && (claims->all[claim.leader].leader != claim.leader ||
                                            !read_same(&claims->all[claim.leader], &claim)))
      ++claim.leader;
    if (claim.leader == claims->count && !is_asked) continue;
    claims->all[claims->count++] = claim;
    Run *first = claims->all[claim.leader].run;
    first->since = Min(first->since, claim.run->since);
  }
}

/// Runs that share a fetch begin at one time and read from one watermark.
void begin_together(const Claims *claims) {
  for (int i = 0; i < claims->count; ++i) {
    const Run *first = claims->all[claims->all[i].leader].run;
    claims->all[i].run->since = first->since;
    claims->all[i].run->started_at = first->started_at;
  }
}

/// Of a sync as `find_companions()` finds it, what it reads.
const char *remote_object_at(uint64 row) {
  const char *type = text_at(row, 4), *object = text_at(row, 5);
  if (strcmp(type, "standard") == 0 || strcmp(type, "custom") == 0) return object;
  const RemoteObject *remote = load_remote_object(int_at(row, 3), int_at(row, 2));
  return remote == nullptr ? nullptr : remote->object;
}

/// Other syncs that are due, too, and read an object that one of those that begin reads; returns
/// how many. They are looked for because they may be waiting for a slot that they need not have.
int find_companions(const Claims *claims, int64 **ids) {
  const auto found = static_cast<int>(sql(
      "SELECT DISTINCT s.id, s.connection_id, s.object_id, o.object_type, o.object"
      " FROM supaglue_internal.syncs a"
      " JOIN supaglue_internal.objects ao ON ao.id = a.object_id"
      " JOIN supaglue_internal.syncs s ON s.connection_id = a.connection_id AND s.id <> ALL ($1)"
      " JOIN supaglue_internal.objects o ON o.id = s.object_id"
      " WHERE a.id = ANY ($1) AND s.paused_by = '{}' AND (s.triggered OR s.next_run_at IS NULL"
      "      OR s.next_run_at <= pg_catalog.clock_timestamp())"
      " AND (o.object = ao.object"
      "      OR o.object_type IN ('common', 'entity') OR ao.object_type IN ('common', 'entity'))",
      {ints_of(claims->count, [&](int i) { return claims->all[i].sync->id; })}));
  SPITupleTable *rows = SPI_tuptable;
  *ids = static_cast<int64 *>(palloc(sizeof(int64) * static_cast<size_t>(Max(found, 1))));
  int count = 0;
  for (int row = 0; row < found; ++row) {
    SPI_tuptable = rows;  // loading leaves its own there
    const auto place = static_cast<uint64>(row);
    const int64 id = int_at(place, 1), connection_id = int_at(place, 2);
    const char *object = remote_object_at(place);
    const auto reads_it = [&](const Claim &claim) {
      return claim.sync->connection_id == connection_id && object != nullptr &&
             claim.sync->remote_object != nullptr && strcmp(claim.sync->remote_object, object) == 0;
    };
    if (std::any_of(claims->all, claims->all + claims->count, reads_it)) (*ids)[count++] = id;
  }
  return count;
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
  Claims claims = {static_cast<Claim *>(palloc(sizeof(Claim) * Max(count, 1))), 0};
  take(&claims, sync_ids, count, true);
  int64 *companions = nullptr;
  const int more = claims.count == 0 ? 0 : find_companions(&claims, &companions);
  claims.all =
      static_cast<Claim *>(repalloc(claims.all, sizeof(Claim) * (claims.count + more + 1)));
  take(&claims, companions, more, false);
  begin_together(&claims);
  begin_runs(claims.all, claims.count, worker, slot);
  take_wishes(claims.all, claims.count);
  return lease_fetches(claims.all, claims.count, slot);
}

}  // namespace supaglue
