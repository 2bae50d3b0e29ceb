"""The server and the provider that are measured: configuring, timing, and talking to both."""
import gzip
import http.client
import json
import os
import re
import time
import urllib.parse

import psycopg2

import watch

SIMULATOR = os.environ["SUPAGLUE_SIMULATOR"]
SCRATCH = os.environ["BENCH_SCRATCH"]
EXCLUDED = ("address", "location", "base64", "complexvalue")  # as the connector has it


def connect(**options):
    connection = psycopg2.connect("", **options)
    connection.autocommit = True
    return connection


class Database:
    """A session. Every timed run has one of its own, so that memory begins small."""

    def __init__(self, **options):
        self.connection = connect(**options)
        self.cursor = self.connection.cursor()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def run(self, statement, *values):
        self.cursor.execute(statement, values or None)
        return self.cursor.fetchall() if self.cursor.description else []

    def value(self, statement, *values):
        return self.run(statement, *values)[0][0]

    def pid(self):
        return self.connection.get_backend_pid()


def workers(db):
    """The processes of the extension, by their part."""
    rows = db.run("select backend_type, pid from pg_stat_activity where backend_type in "
                  "('supaglue fetcher', 'supaglue merger')")
    return {kind.split()[1]: pid for kind, pid in rows}


def wait_until(condition, what, seconds=600):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited in vain until {what}")
        time.sleep(0.05)


def timed(admin, pids, work):
    """Runs work(watch) after a checkpoint, and tells what it cost."""
    admin.run("checkpoint")
    watcher = watch.Watch({**pids, "provider": int(os.environ["SUPAGLUE_SIMULATOR_PID"])})
    watcher.start()
    busy = watch.busy_seconds()
    lsn = admin.value("select pg_current_wal_insert_lsn()")
    start = time.monotonic()
    told = work(watcher)
    wall = time.monotonic() - start
    busy = watch.busy_seconds() - busy
    cpu, peak = watcher.finish()
    wal = admin.value("select pg_current_wal_insert_lsn() - %s::pg_lsn", lsn)
    return {"wall": wall, "cpu": cpu, "private_mb": peak, "wal": float(wal), "busy": busy, **(told or {})}


class Provider:
    """The simulator, seen by a client that reads all pages of an object."""

    def __init__(self, org):
        self.org = org
        self.http = http.client.HTTPConnection(SIMULATOR.removeprefix("http://"))
        form = urllib.parse.urlencode({"grant_type": "refresh_token", "client_id": "bench", "refresh_token": org})
        self.token = json.loads(self.ask("POST", "/services/oauth2/token", form,
                                         {"Content-Type": "application/x-www-form-urlencoded"}))["access_token"]

    def ask(self, method, path, body=None, headers=()):
        self.http.request(method, path, body, dict(headers))
        response = self.http.getresponse()
        content = response.read()
        if response.status != 200:
            raise SystemExit(f"the simulator answered {response.status} to {path}: {content[:300]}")
        return gzip.decompress(content) if response.headers.get("Content-Encoding") == "gzip" else content

    def get(self, path):
        return self.ask("GET", path, headers={"Authorization": f"Bearer {self.token}", "Accept-Encoding": "gzip",
                                              "Sforce-Query-Options": "batchSize=2000"})

    def soql(self, name):
        described = json.loads(self.get(f"/org/{self.org}/services/data/v62.0/sobjects/{name}/describe"))
        fields = [field["name"] for field in described["fields"] if field["type"] not in EXCLUDED]
        return f"SELECT {', '.join(fields)} FROM {name}"

    def pages(self, name):
        self.http.close()  # the simulator lets those go that were idle for long
        path = f"/org/{self.org}/services/data/v62.0/queryAll?" + urllib.parse.urlencode({"q": self.soql(name)})
        while path:
            page = self.get(path)
            yield page
            path = (re.search(rb'"nextRecordsUrl":"([^"]+)"', page[:500]) or [None, b""])[1].decode()

    def warm(self, name):
        """Has all pages written, so that nobody who is measured waits for the simulator's own work."""
        for _ in self.pages(name):
            pass


def finished_rows(page):
    """The rows of a page as any program would write them to a table like ours."""
    for record in json.loads(page)["records"]:
        del record["attributes"]
        text = json.dumps(record, separators=(",", ":"), ensure_ascii=False)
        yield ["default", "acme", "salesforce", record["Id"], "2026-01-01T00:00:00Z", record["IsDeleted"], text,
               record["SystemModstamp"]]


def control(name, document):
    request = http.client.HTTPConnection(SIMULATOR.removeprefix("http://"))
    request.request("POST", f"/control/{name}", json.dumps(document), {"Content-Type": "application/json"})
    response = request.getresponse()
    content = response.read()
    if response.status != 200:
        raise SystemExit(f"/control/{name}: {content}")
    return json.loads(content)


def counters():
    request = http.client.HTTPConnection(SIMULATOR.removeprefix("http://"))
    request.request("GET", "/control/counters")
    return json.loads(request.getresponse().read())


def configure(db, objects, destination=None, application="default", period_ms=86400000, start=False):
    """A provider, a destination, and a sync config; unless they start, its syncs wait to be told."""
    def call(function, document):
        return db.value(f"select supaglue.{function}(%s::jsonb)", json.dumps(document))

    db.run("select set_config('supaglue.application_id', %s, false)", application)
    call("create_provider", {"provider_name": "salesforce", "auth_type": "oauth2", "category": "crm", "config": {
        "login_url": SIMULATOR, "oauth": {"credentials": {"client_id": "bench", "client_secret": "secret"}}}})
    call("create_destination", {"name": "destination", "type": "postgres",
                                **({"credentials": destination} if destination else {})})
    call("create_sync_config", {
        "name": "sync", "destination_name": "destination", "provider_name": "salesforce",
        "default_config": {"period_ms": period_ms, "strategy": "full then incremental",
                           "auto_start_on_connection": start},
        "standard_objects": [{"object": name} for name in objects]})


class Customer:
    """A customer whose connection leads to an org; to the provider each of an org is the same."""

    def __init__(self, db, name, org):
        self.db, self.name = db, name
        db.run("select supaglue.upsert_customer(%s, %s)", name, name)
        self.connection = db.value("select supaglue.create_connection(%s::jsonb)", json.dumps({
            "customer_id": name, "provider_name": "salesforce", "credentials": {"refresh_token": f"{org}:{name}"}}))

    def sync(self, name):
        return self.db.value("select supaglue.sync_id(%s, 'salesforce', %s)", self.name, name)

    def leave(self):
        self.db.run("select supaglue.delete_connection(%s, revoke => false)", self.connection)


def told(run):
    """What a run says of itself."""
    status, read, inserted, updated, unchanged, requests = run
    if status != "SUCCESS":
        raise SystemExit(f"a run ended as {status}")
    return {"read": read, "inserted": inserted, "updated": updated, "unchanged": unchanged, "requests": requests}


RUN = "status, records_read, records_inserted, records_updated, records_unchanged, requests"


def by_materialize(sync, full=False):
    def work(watcher, db):
        return told(db.run(f"select {RUN} from supaglue.materialize(%s, %s)", sync, full)[0])
    return work


def by_sweep(sync):
    """Reads the ids alone, to find the stored ones that are gone; what the schedule has next follows. Between two of them must
    be a full run: none is due before."""
    def configure_sweep(db, every_ms):
        db.run("select supaglue.update_sync_config(id, %s::jsonb) from supaglue.sync_configs",
               json.dumps({"default_config": {"sweep_every_ms": every_ms}}))

    def work(watcher, db):
        ended = f"select {RUN} from supaglue.sync_runs where sync_id = %s and reason = 'sweep' and id > %s and status <> 'IN_PROGRESS'"
        last = db.value("select coalesce(max(id), 0) from supaglue.sync_runs where sync_id = %s", sync)
        db.run("update supaglue_internal.syncs set next_run_at = now(), last_full_at = last_full_at - interval '1 hour' where id = %s", sync)
        configure_sweep(db, 60000)
        db.run("select supaglue.resume_sync(%s)", sync)
        wait_until(lambda: db.run(ended, sync, last), "a sweep has ended", 3600)
        db.run("select supaglue.pause_sync(%s)", sync)
        configure_sweep(db, None)
        db.run("select supaglue.wait_for_sync(%s)", sync)
        return told(db.run(ended, sync, last)[0])
    return work


def by_workers(sync, full=False):
    def work(watcher, db):
        db.run("select supaglue.trigger_sync(%s, %s)", sync, full)
        return told(db.run(f"select {RUN} from supaglue.wait_for_sync(%s, '1 h')", sync)[0])
    return work
