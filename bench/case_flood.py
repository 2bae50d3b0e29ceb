"""One customer with very many records, and others who want theirs meanwhile: how long after it was told to a run begins."""
import os
import time

import world
from world import Customer

ROWS = int(os.environ["ROWS"])
OTHERS = int(os.environ.get("OTHERS", 200))
PAUSE = 0.1  # between two runs of others


def delays(admin, going_on):
    """Tells one of the others after another to run, as long as it lasts; returns the seconds until each began, and until it ended."""
    admin.run("create temp table told (sync_id bigint, at timestamptz)")
    syncs = [row[0] for row in admin.run("select id from supaglue.syncs where object = 'Lead' order by id")]
    count = 0
    while going_on() or count < 50:
        admin.run("insert into told select s, clock_timestamp() from (select %s::bigint) as t (s)", syncs[count % OTHERS])
        admin.run("select supaglue.trigger_sync(%s)", syncs[count % OTHERS])
        count += 1
        time.sleep(PAUSE)
    world.wait_until(lambda: admin.value("select count(*) from supaglue.syncs where object = 'Lead' and state <> 'idle'") == 0,
                     "the others have run")
    rows = admin.run("select extract(epoch from r.started_at - t.at), extract(epoch from r.finished_at - t.at) from told t, "
                     "lateral (select * from supaglue.sync_runs r where r.sync_id = t.sync_id and r.finished_at > t.at "
                     "order by r.finished_at limit 1) r")
    admin.run("drop table told")
    return {"runs": len(rows), "begun": sorted(float(row[0]) for row in rows), "ended": sorted(float(row[1]) for row in rows)}


def run(admin):
    world.configure(admin, ["Contact"], application="flood")
    flood = Customer(admin, "flood", "flood").sync("Contact")
    world.control("bulk", {"org": "flood", "unsupported": ["Contact"]})
    world.configure(admin, ["Lead"], application="others", start=True)
    for number in range(OTHERS):
        Customer(admin, f"other{number}", f"other{number % 20}")
    world.wait_until(lambda: admin.value("select count(*) from supaglue.syncs where object = 'Lead' and last_success_at is null") == 0,
                     "the others have run once", 1200)
    alone = delays(admin, lambda: False)
    start = time.monotonic()
    admin.run("select supaglue.trigger_sync(%s)", flood)
    flooded = delays(admin, lambda: not admin.run(
        "select 1 from supaglue.sync_runs where sync_id = %s and finished_at is not null", flood))
    flooded["seconds"] = time.monotonic() - start
    read = admin.value("select records_inserted from supaglue.sync_runs where sync_id = %s", flood)
    if read != ROWS:
        raise SystemExit(f"the flood brought {read} records")
    for name, told in (("alone", alone), ("flooded", flooded)):
        print(name, told["runs"], {part: f"{percentile(told[part], 0.99):.2f} s" for part in ("begun", "ended")}, flush=True)
    return {"rows": ROWS, "others": OTHERS, "n": 1, "runs": {"alone": alone, "flooded": flooded}}


def percentile(values, which):
    return values[min(len(values) - 1, int(len(values) * which))]
