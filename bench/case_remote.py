"""A destination in another server, far away, against the same here, and against COPY into that server."""
import csv
import os
import subprocess
import sys
import time

import watch
import world
from world import Customer, Database, by_workers, timed, wait_until

N = int(os.environ.get("N", 5))
ROWS = int(os.environ.get("ROWS", 100000))
SMALL = int(os.environ.get("SMALL", 200))
LATENCY_MS = 20


def destination(port, schema):
    return {"host": "127.0.0.1", "port": port, "database": "postgres", "schema": schema, "user": "far", "password": "far"}


def run(admin):
    far_port = int(os.environ["BENCH_FAR_PORT"])
    proxy = os.path.join(os.path.dirname(__file__), "delay.py")
    with subprocess.Popen([sys.executable, proxy, str(far_port), str(LATENCY_MS)], stdout=subprocess.PIPE) as process:
        slow_port = int(process.stdout.readline())
        try:
            with Database(host="127.0.0.1", port=far_port) as far:
                far.run("create role far login password 'far'; grant create on database postgres to far")
                world.control("bulk", {"org": "acme", "unsupported": ["Contact"]})
                return {"rows": ROWS, "n": N, "latency_ms": LATENCY_MS, "small_syncs": SMALL,
                        "runs": Comparison(admin, far, slow_port).rounds(), "small": small(admin, slow_port)}
        finally:
            process.terminate()


class Comparison:
    def __init__(self, admin, far, slow_port):
        self.admin, self.far, self.slow_port = admin, far, slow_port
        self.postmaster = int(far.value("select pg_read_file('postmaster.pid', 0, 20)").split()[0])
        self.places = {"here": None, "near": destination(int(os.environ["BENCH_FAR_PORT"]), "near"),
                       "far": destination(slow_port, "far")}
        for place, credentials in self.places.items():
            world.configure(admin, ["Contact"], credentials, application=place)
        provider = world.Provider("acme")
        self.warm = lambda: provider.warm("Contact")
        self.csv = os.path.join(world.SCRATCH, "rows.csv")
        with open(self.csv, "w", newline="") as file:
            for page in provider.pages("Contact"):
                csv.writer(file).writerows(world.finished_rows(page))

    def rounds(self):
        runs = {}
        for number in range(-1, N):
            self.warm()
            names = list(self.places)
            first = number % len(names)  # nobody has always the same one before him
            for name in [*names[first:], *names[:first], "far copy"]:
                result = self.copy() if name == "far copy" else self.sync(name)
                print(f"{name:<9} {result['wall']:6.2f} s  { {part: round(cpu, 2) for part, cpu in result['cpu'].items()} }", flush=True)
                if number >= 0:
                    runs.setdefault(name, []).append(result)
        return runs

    def timed(self, pids, work):
        self.far.run("checkpoint")
        before = watch.family_seconds(self.postmaster)
        result = timed(self.admin, pids, work)
        result["cpu"]["server"] = watch.family_seconds(self.postmaster) - before
        return result

    def sync(self, place):
        self.admin.run("select set_config('supaglue.application_id', %s, false)", place)
        with Database(options=f"-c supaglue.application_id={place}") as db:
            customer = Customer(db, "w", "acme")
            result = self.timed(world.workers(self.admin), lambda watcher: by_workers(customer.sync("Contact"))(watcher, db))
            table = "supaglue_data" if place == "here" else place
            (db if place == "here" else self.far).run(f'truncate {table}."salesforce_Contact"')
            customer.leave()
        return result

    def copy(self):
        """The finished rows, sent by psql's own means into a table that is made as ours is."""
        self.far.run('drop table if exists copied; create table copied (like far."salesforce_Contact" including all) '
                     "with (fillfactor = 90); grant all on copied to far")
        with Database(host="127.0.0.1", port=self.slow_port, user="far", password="far") as db, open(self.csv) as file:
            result = self.timed({}, lambda _: db.cursor.copy_expert("copy copied from stdin (format csv)", file, 1 << 16))
        copied = self.far.value("select count(*) from copied")
        if copied != ROWS:
            raise SystemExit(f"{copied} rows were copied")
        return result


def small(admin, slow_port):
    """Many syncs of few rows, there: at first, and with nothing new. How many a second."""
    world.configure(admin, ["Lead"], destination(slow_port, "small"), application="small")
    with Database(options="-c supaglue.application_id=small") as db:
        for number in range(SMALL):
            Customer(db, f"s{number}", "acme")
        ids = [row[0] for row in db.run("select id from supaglue.syncs where application_id = 'small'")]

        def per_second():
            since = db.value("select clock_timestamp()")
            start = time.monotonic()
            db.run("select supaglue.trigger_sync(id) from unnest(%s::bigint[]) as id", ids)
            wait_until(lambda: db.value("select count(*) from supaglue.syncs where id = any (%s) and last_success_at > %s",
                                        ids, since) == SMALL, "all have run")
            return SMALL / (time.monotonic() - start)

        result = {"first": per_second(), "nothing new": [per_second() for _ in range(N)]}
        print(f"small     {result}", flush=True)
        return result
