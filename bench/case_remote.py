"""A destination in another server, far away, against the same here."""
import os
import subprocess
import sys

import watch
import world
from world import Customer, Database, by_workers, timed

N = int(os.environ.get("N", 5))
ROWS = int(os.environ.get("ROWS", 100000))
LATENCY_MS = 20


def destination(port, schema):
    return {"host": "127.0.0.1", "port": port, "database": "postgres", "schema": schema, "user": "far", "password": "far"}


def run(admin):
    far_port = int(os.environ["BENCH_FAR_PORT"])
    proxy = os.path.join(os.path.dirname(__file__), "delay.py")
    with subprocess.Popen([sys.executable, proxy, str(far_port), str(LATENCY_MS)], stdout=subprocess.PIPE) as process:
        slow_port = int(process.stdout.readline())
        try:
            return compare(admin, {"here": None, "near": destination(far_port, "near"), "far": destination(slow_port, "far")})
        finally:
            process.terminate()


def compare(admin, places):
    with Database(host="127.0.0.1", port=os.environ["BENCH_FAR_PORT"]) as far:
        far.run("create role far login password 'far'; grant create on database postgres to far")
        world.control("bulk", {"org": "acme", "unsupported": ["Contact"]})
        provider = world.Provider("acme")
        postmaster = int(far.value("select pg_read_file('postmaster.pid', 0, 20)").split()[0])
        for place, credentials in places.items():
            world.configure(admin, ["Contact"], credentials, application=place)
        runs = {}
        for number in range(-1, N):
            provider.warm("Contact")
            names = list(places)
            first = number % len(names)  # nobody has always the same one before him
            for place in names[first:] + names[:first]:
                result = once(admin, far, postmaster, place)
                print(f"{place:<6} {result['wall']:6.2f} s  { {name: round(seconds, 2) for name, seconds in result['cpu'].items()} }", flush=True)
                if number >= 0:
                    runs.setdefault(place, []).append(result)
    return {"rows": ROWS, "n": N, "latency_ms": LATENCY_MS, "runs": runs}


def once(admin, far, postmaster, place):
    admin.run("select set_config('supaglue.application_id', %s, false)", place)
    with Database(options=f"-c supaglue.application_id={place}") as db:
        customer = Customer(db, "w", "acme")
        far.run("checkpoint")
        server = watch.family_seconds(postmaster)
        result = timed(admin, world.workers(admin),
                       lambda watcher: by_workers(customer.sync("Contact"))(watcher, db))
        result["cpu"]["server"] = watch.family_seconds(postmaster) - server
        table = "supaglue_data" if place == "here" else place
        (db if place == "here" else far).run(f'truncate {table}."salesforce_Contact"')
        customer.leave()
    return result
