"""measure.py CASE NAME: runs a case; bench/run calls it. Results go to $BENCH_OUT/NAME.json."""
import importlib
import json
import os
import sys

import watch
from world import Database

case, name = sys.argv[1:]
with Database() as admin:
    admin.run("set client_min_messages = warning; create extension if not exists supaglue")
    started = watch.machine()
    started["postgres"] = admin.value("show server_version")
    results = importlib.import_module(f"case_{case}").run(admin)
document = {"case": case, "machine": started, **results}
path = os.path.join(os.environ["BENCH_OUT"], f"{name}.json")
with open(path + ".new", "w") as file:
    json.dump(document, file, indent=1)
os.rename(path + ".new", path)
