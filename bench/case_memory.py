"""What each process holds at its peak while so many records pass through it."""
import os

import world
from world import Customer, Database, by_materialize, by_workers, timed

ROWS = int(os.environ["ROWS"])


def run(admin):
    world.configure(admin, ["Contact"])
    world.control("bulk", {"org": "acme", "unsupported": ["Contact"]})
    customer = Customer(admin, "w", "acme")
    sync = customer.sync("Contact")
    runs = {}
    for name, work in (("workers first", by_workers(sync)), ("workers unchanged", by_workers(sync, full=True))):
        with Database() as db:
            runs[name] = [timed(admin, world.workers(admin), lambda watcher, work=work: work(watcher, db))]
        print(name, runs[name][0], flush=True)
    with Database() as db:
        runs["materialize unchanged"] = [timed(admin, {"backend": db.pid()},
                                               lambda watcher: by_materialize(sync, full=True)(watcher, db))]
    print(runs["materialize unchanged"][0], flush=True)
    return {"rows": ROWS, "n": 1, "runs": runs}
