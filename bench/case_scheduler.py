"""Many connections with nothing new: how fast they are asked, what that costs, and what waiting costs."""
import json
import os
import time

import world
from world import control, counters, timed, wait_until

CONNECTIONS = int(os.environ.get("CONNECTIONS", 10000))
SYNCS = int(os.environ.get("SYNCS", 50000))
N = int(os.environ.get("N", 5))
IDLE_SECONDS = float(os.environ.get("IDLE_SECONDS", 300))
SETTLE_SECONDS = 70  # of rest, then memory is given back
LATENCY_MS = 200
OBJECTS = ["Contact", "Lead", "Account", "Opportunity", "Case", "Task", "Event", "Campaign"]

CONNECT = """
select count(supaglue.create_connection(jsonb_build_object('customer_id', 'c' || n, 'provider_name', 'salesforce',
  'credentials', jsonb_build_object('refresh_token', 'c' || n))))
  from (select n, supaglue.upsert_customer('c' || n, 'c' || n) from generate_series(%s, %s) n offset 0) made
"""


def wait_for_all(admin):
    wait_until(lambda: admin.value("select exists (select from supaglue_internal.runs) or exists (select from "
                                   "supaglue_internal.syncs where triggered or last_success_at is null)") is False,
               "all have run", 3600)


def trigger_all(admin):
    """Returns when the last of them has run; the time counts from when all were told to."""
    admin.run("select count(supaglue.trigger_sync(id)) from supaglue.syncs")
    start = time.monotonic()
    wait_for_all(admin)
    return time.monotonic() - start


def run(admin):
    world.configure(admin, OBJECTS[:1], period_ms=30 * 86400000, start=True)
    start = time.monotonic()
    for first in range(1, CONNECTIONS + 1, 1000):
        admin.run(CONNECT, first, min(first + 999, CONNECTIONS))
    connecting = time.monotonic() - start
    print(f"{CONNECTIONS} connections made in {connecting:.1f} s", flush=True)
    wait_for_all(admin)
    print(f"and synced, {time.monotonic() - start:.1f} s", flush=True)
    control("latency", {"ms": LATENCY_MS})
    polls = []
    for _ in range(N):
        control("reset_counters", {})
        result = timed(admin, world.workers(admin), lambda watcher: {"wall": trigger_all(admin)})
        result["requests"] = counters()["requests"] / CONNECTIONS
        result["per_second"] = CONNECTIONS / result["wall"]
        polls.append(result)
        print(json.dumps(result), flush=True)
    control("latency", {"ms": 0})
    return {"connections": CONNECTIONS, "latency_ms": LATENCY_MS, "n": N, "runs": {"polls": polls, "idle": [idle(admin)]}}


def idle(admin):
    """Syncs that are scheduled for later, and nobody else at work."""
    objects = OBJECTS[:max(1, SYNCS // CONNECTIONS)]
    admin.run("select supaglue.update_sync_config((select id from supaglue.sync_configs), %s::jsonb)",
              json.dumps({"standard_objects": [{"object": name} for name in objects]}))
    start = time.monotonic()
    wait_for_all(admin)
    print(f"first runs of all others: {time.monotonic() - start:.1f} s", flush=True)
    time.sleep(SETTLE_SECONDS)
    result = timed(admin, world.workers(admin), lambda watcher: time.sleep(IDLE_SECONDS))
    result["syncs"] = admin.value("select count(*) from supaglue.syncs")
    print(json.dumps(result), flush=True)
    return result
