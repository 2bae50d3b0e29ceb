"""One object from HTTP to commit: materialize(), the workers, and their rivals, taking turns in one run."""
import csv
import json
import os
import subprocess

import watch
import world
from world import Customer, Database, Provider, by_materialize, by_sweep, by_workers, timed

ROWS = int(os.environ.get("ROWS", 200000))
N = int(os.environ.get("N", 5))
WITH_NODE = os.environ.get("NODE", "yes") == "yes"
ORG, OBJECT, TABLE = "acme", "Contact", 'supaglue_data."salesforce_Contact"'

# The rivals' table is made as ours is.
PREPARE = """
create schema bench;
create table bench.rows (like supaglue_data."salesforce_Contact" including all) with (fillfactor = 90);
create table bench.pages (body text);
alter table bench.pages alter body set storage external
"""

# The records' texts, a thousand at once.
PREPARE_TEXTS = """
create function bench.time_jsonb(text[], boolean) returns float8 language c strict
  as '$libdir/supaglue_door_test', 'supaglue_door_time_jsonb';
create table bench.texts as
  select array_agg(r::text) as texts
    from (select r, row_number() over () as n from bench.pages, json_array_elements(body::json->'records') r limit 20000) t
   group by n / 1000
"""

INSERT_SELECT = """
insert into bench.rows (_supaglue_application_id, _supaglue_customer_id, _supaglue_provider_name, id, _supaglue_emitted_at,
  _supaglue_is_deleted, _supaglue_raw_data, _supaglue_last_modified_at)
select 'default', 'acme', 'salesforce', r->>'Id', now(), (r->>'IsDeleted')::boolean, r - 'attributes',
  (r->>'SystemModstamp')::timestamptz
  from bench.pages, jsonb_array_elements(body::jsonb->'records') r
"""


def keep_pages(admin, provider):
    """The pages for the rival that has them in a table, and the finished rows as any program would write them."""
    size = 0
    path = os.path.join(world.SCRATCH, "rows.csv")
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        for page in provider.pages(OBJECT):
            admin.run("insert into bench.pages values (%s)", page.decode())
            for row in world.finished_rows(page):
                size += len(row[6].encode())
                writer.writerow(row)
    os.chmod(path, 0o644)
    return path, size


class Round:
    """Every case once, each on an empty table or on the one it needs."""

    def __init__(self, admin, results, csv_path):
        self.admin, self.results, self.csv = admin, results, csv_path

    def note(self, name, result):
        self.results.setdefault(name, []).append(result)
        cpu = ", ".join(f"{part} {seconds:.2f}" for part, seconds in result["cpu"].items())
        memory = ", ".join(f"{part} {mb:.0f}" for part, mb in result["private_mb"].items())
        print(f"{name:<28} {result['wall']:7.2f} s   CPU s: {cpu}   MB: {memory}   WAL {result['wal'] / ROWS:.0f} B a row",
              flush=True)

    def expect(self, name, found, wanted):
        if found != wanted:
            raise SystemExit(f"{name}: {found} instead of {wanted}")

    def in_backend(self, name, work):
        with Database() as db:
            self.note(name, timed(self.admin, {"backend": db.pid()}, lambda watcher: work(watcher, db)))

    def in_workers(self, name, work):
        with Database() as db:
            self.note(name, timed(self.admin, world.workers(self.admin), lambda watcher: work(watcher, db)))

    def rivals(self):
        self.in_backend("copy", lambda _, db: db.run(f"copy bench.rows from '{self.csv}' (format csv)"))
        self.empty_after("copy")
        self.in_backend("jsonb_array_elements", lambda _, db: db.run(INSERT_SELECT))
        self.empty_after("jsonb_array_elements")
        if WITH_NODE:
            self.node()
            self.empty_after("node")

    def empty_after(self, name):
        self.expect(name, self.admin.value("select count(*) from bench.rows"), ROWS)
        self.admin.run("truncate bench.rows")

    def node(self):
        def work(watcher):
            command = ["node", os.path.join(os.environ["BENCH_NODE"], "pipeline.mjs"), world.SIMULATOR, ORG, OBJECT,
                       "bench.rows"]
            with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as process:
                watcher.add("node", process.pid)
                watcher.add("backend", int(process.stdout.readline()))
                for line in process.stdout:
                    if line.startswith("done "):
                        told = json.loads(line.removeprefix("done "))
                        watcher.look()
                        told["parts"] = {part: watch.cpu_seconds(pid) for part, pid in watcher.pids.items()}
                        process.stdin.close()
            return told

        result = timed(self.admin, {}, work)
        # Both processes have ended; what they had used is what counts. Starting Node is not counted.
        parts = result.pop("parts")
        result["cpu"].update(node=parts["node"], backend=parts["backend"])
        result["wall"] = result.pop("seconds")
        self.note("node", result)

    def changes(self, name, inserted=0, updated=0):
        run = self.results[name][-1]
        self.expect(name, (run["inserted"], run["updated"]), (inserted, updated))

    def materialize(self):
        customer = Customer(self.admin, "m", ORG)
        sync = customer.sync(OBJECT)
        self.in_backend("materialize first", by_materialize(sync))
        self.changes("materialize first", inserted=ROWS)
        self.in_backend("materialize unchanged", by_materialize(sync, full=True))
        self.changes("materialize unchanged")
        self.admin.run(f"truncate {TABLE}")
        customer.leave()

    def bulk(self):
        """The way that Salesforce's many records go. Its org never changes, so that its pages stay ready."""
        customer = Customer(self.admin, "b", "bulk")
        self.in_workers("workers first, Bulk API", by_workers(customer.sync(OBJECT)))
        self.changes("workers first, Bulk API", inserted=ROWS)
        self.admin.run(f"truncate {TABLE}")
        customer.leave()

    def workers(self, provider, number):
        customer = Customer(self.admin, "w", ORG)
        sync = customer.sync(OBJECT)
        self.in_workers("workers first", by_workers(sync))
        self.in_workers("workers unchanged", by_workers(sync, full=True))
        self.admin.run(f"vacuum {TABLE}")  # as autovacuum has after a first sync
        self.in_workers("workers sweep", by_sweep(sync))
        self.changes("workers first", inserted=ROWS)
        self.changes("workers unchanged")
        self.changes("workers sweep")
        for name, work in (("workers 1 % changed", by_workers(sync, full=True)), ("workers incremental", by_workers(sync)),
                           ("materialize 1 % changed", by_materialize(sync, full=True))):
            changed = change(provider, f"{number} {name}")
            (self.in_workers if name.startswith("workers") else self.in_backend)(name, work)
            self.changes(name, updated=changed)
        self.admin.run(f"truncate {TABLE}")
        customer.leave()


def change(provider, word):
    """One record in a hundred, if it has the field by which they are told. Returns how many."""
    told = world.control("update", {"org": ORG, "object": OBJECT, "where": "PhotoUrl LIKE '%00'",
                                    "set": {"Title": f"Changed {word}"}})
    provider.warm(OBJECT)
    return told["count"]


def run(admin):
    world.configure(admin, [OBJECT])
    admin.run(PREPARE)
    provider = Provider(ORG)
    world.control("bulk", {"org": ORG, "unsupported": [OBJECT]})
    csv_path, size = keep_pages(admin, provider)
    admin.run(PREPARE_TEXTS)
    results, jsonb = {}, []
    for number in range(-1 if N > 1 else 0, N):
        print("a round that does not count" if number < 0 else f"round {number + 1} of {N}", flush=True)
        this = Round(admin, {} if number < 0 else results, csv_path)
        this.rivals()
        this.materialize()
        this.bulk()
        this.workers(provider, number)
        jsonb.append(admin.run("select sum(bench.time_jsonb(texts, false)), sum(bench.time_jsonb(texts, true)), "
                               "sum(cardinality(texts)) from bench.texts")[0])
    return {"rows": ROWS, "n": N, "record_bytes": size / ROWS, "runs": results,
            "jsonb": [{"jsonb_in": theirs / count * 1e6, "ours": ours / count * 1e6} for theirs, ours, count in jsonb[-N:]]}
