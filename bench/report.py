"""report.py RESULTS DOCS: writes performance.md and performance.svg of the results that are there."""
import glob
import json
import os
import statistics
import sys
from xml.sax.saxutils import escape

RESULTS, DOCS = sys.argv[1:]
NAMES = {
    "copy": "COPY of the finished rows from a CSV file",
    "jsonb_array_elements": "INSERT ... SELECT ... jsonb_array_elements(), pages in a table",
    "node": "Node: fetch, CSV, COPY, batched upsert",
    "materialize first": "materialize(), first sync",
    "materialize unchanged": "materialize(), full refresh, nothing changed",
    "materialize 1 % changed": "materialize(), full refresh, 1 % changed",
    "workers first": "workers, first sync",
    "workers first, Bulk API": "workers, first sync by the Bulk API",
    "workers unchanged": "workers, full refresh, nothing changed",
    "workers sweep": "workers, sweep of the ids, nothing gone",
    "workers 1 % changed": "workers, full refresh, 1 % changed",
    "workers incremental": "workers, incremental, 1 % changed",
    "here": "this database", "near": "another server, without delay", "far": "another server, delayed",
    "far copy": "COPY of the finished rows into another server, delayed",
}
PARTS = ("backend", "fetcher", "merger", "node")  # whose work counts; the provider's is not ours


def load():
    documents = {}
    for path in sorted(glob.glob(os.path.join(RESULTS, "*.json"))):
        with open(path) as file:
            documents[os.path.basename(path).removesuffix(".json")] = json.load(file)
    return documents


def median(runs, what):
    return statistics.median(what(run) for run in runs)


def cpu(run):
    return sum(seconds for part, seconds in run["cpu"].items() if part in PARTS)


def times(rival, runs, what):
    """How many times as fast as the rival of the same round."""
    return statistics.median(what(theirs) / max(what(ours), 0.001) for theirs, ours in zip(rival, runs))


def wall(run):
    return run["wall"]


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def place(document):
    machine = document["machine"]
    return (f"{machine['date']}, {machine['cores']} cores of {machine['cpu']}, {machine['memory_gb']} GB, Linux {machine['kernel']}, "
            f"PostgreSQL {machine['postgres']}. " + others(document))


def others(document):
    """What else the machine did meanwhile: figures of a busy machine say so."""
    runs = [run for of_case in document["runs"].values() if isinstance(of_case, list) for run in of_case if "busy" in run]
    if not runs:
        load = document["machine"]["load_before"]
        return f"Its load was {load:.1f} when this began" + (": then CPU tells, not seconds." if load > 1 else ".")
    seconds = document["machine"]["cores"] * sum(wall(run) for run in runs)
    share = max(0.0, sum(run["busy"] - sum(run["cpu"].values()) for run in runs) / seconds)
    return f"Others had {share * 100:.0f} % of the machine meanwhile" + (": then CPU tells, not seconds." if share > 0.1 else ".")


def memory_of(runs):
    parts = {}
    for run in runs:
        for part, mb in run["private_mb"].items():
            if part in PARTS:
                parts[part] = max(parts.get(part, 0), mb)
    return ", ".join(f"{part} {mb:.0f}" for part, mb in parts.items())


def sync_part(document):
    runs, rows = document["runs"], document["rows"]
    first = runs["workers first"]
    lines = []
    for name, of_case in runs.items():
        lines.append([
            NAMES[name], f"{median(of_case, wall):.2f}", f"{rows / median(of_case, wall):,.0f}",
            f"{median(of_case, cpu) / rows * 1e6:.1f}", f"{median(of_case, lambda r: r['wal']) / rows:,.0f}", memory_of(of_case),
            f"{times(runs['copy'], of_case, wall):.2f}", f"{times(runs['copy'], of_case, cpu):.2f}"])
    text = f"## One object, from HTTP to commit\n\n{rows:,} Salesforce contacts of {document['record_bytes']:,.0f} bytes in pages of 2,000, "
    text += f"compressed; medians of {document['n']} rounds, in each of which every case has its turn. {place(document)}\n\n"
    text += "![How many times as fast as COPY: by CPU, and by the clock](performance.svg)\n\n"
    text += table(["case", "s", "rows a second", "CPU s per million rows", "WAL bytes a row", "private MB at the peak",
                   "times as fast as COPY", "by CPU"], lines)
    facts = []
    for name in ("workers 1 % changed", "workers incremental", "materialize 1 % changed"):
        whole = first if name.startswith("workers") else runs["materialize first"]
        written = median(runs[name], lambda r: r["updated"]) / rows * 100
        wal = median(runs[name], lambda r: r["wal"]) / median(whole, lambda r: r["wal"]) * 100
        facts.append(f"* {NAMES[name]}: {written:.2f} % of the rows written, {wal:.1f} % of the first sync's WAL.")
    for name in ("workers unchanged", "materialize unchanged"):
        whole = first if name.startswith("workers") else runs["materialize first"]
        wal = median(runs[name], lambda r: r["wal"]) / median(whole, lambda r: r["wal"]) * 100
        facts.append(f"* {NAMES[name]}: nothing written, {wal:.1f} % of the first sync's WAL.")
    sweep = median(runs["workers sweep"], lambda r: r["cpu"]["merger"]) / rows * 1e6
    facts.append(f"* A sweep takes {sweep:.2f} s of the merger's CPU for a million ids.")
    if jsonb := document.get("jsonb"):
        facts.append(f"* jsonb of a record's text: {median(jsonb, lambda t: t['ours']):.2f} us by the extension, "
                     f"{median(jsonb, lambda t: t['jsonb_in']):.2f} us by jsonb_in(), {median(jsonb, lambda t: t['jsonb_in'] / t['ours']):.1f} times as fast.")
    if "node" in runs:
        facts.append(f"* The first sync through the workers is {times(runs['node'], first, wall):.1f} times as fast as the Node pipeline, "
                     f"and takes {times(runs['node'], first, cpu):.1f} times less CPU.")
    return text + "\n" + "\n".join(facts) + "\n"


def memory_part(documents):
    lines = [[f"{d['rows']:,}", NAMES.get(name, name), f"{d['rows'] / wall(runs[0]):,.0f}", memory_of(runs)]
             for d in documents for name, runs in d["runs"].items()]
    return ("## Memory\n\nPrivate memory of each process at its peak. The provider's pages are written while they are asked for. "
            f"{place(documents[-1])}\n\n" + table(["records", "case", "rows a second", "private MB at the peak"], lines))


def remote_part(document):
    runs, small = document["runs"], document["small"]
    lines = [[NAMES[name], f"{median(of_case, wall):.2f}", f"{1 / times(runs['here'], of_case, wall):.2f}",
              f"{median(of_case, lambda r: r['cpu']['server']) / document['rows'] * 1e6:.1f}"]
             for name, of_case in runs.items()]
    return (f"## A destination in another server\n\nThe first sync of {document['rows']:,} records through the workers; delayed is a "
            f"way of {document['latency_ms']} ms there and back. That server must parse every record by its own jsonb_in(), which takes "
            f"most of its CPU. {place(document)}\n\n"
            + table(["destination", "s", "times as long as here", "that server's CPU s per million rows"], lines)
            + f"\n* {document['small_syncs']} syncs of few rows there, delayed, one merger: {small['first']:.0f} first syncs a second; "
            f"with nothing new {statistics.median(small['nothing new']):.0f} a second.\n")


def scheduler_part(document):
    polls, idle = document["runs"]["polls"], document["runs"]["idle"][0]
    each = median(polls, cpu) / document["connections"]
    lines = [
        ["polls a second, flat out", f"{median(polls, lambda r: r['per_second']):,.0f}"],
        ["requests of a poll", f"{median(polls, lambda r: r['requests']):.3f}"],
        ["CPU of a poll, fetcher and merger", f"{each * 1000:.2f} ms"],
        ["50,000 polls an hour", f"{each * 50000 / 3600 * 100:.1f} % of a core"],
        ["WAL of a poll", f"{median(polls, lambda r: r['wal']) / document['connections']:,.0f} bytes"],
        ["private MB at the peak", memory_of(polls)],
        [f"idle with {idle['syncs']:,} scheduled syncs", f"{cpu(idle) / wall(idle) * 100:.2f} % of a core; private MB: {memory_of([idle])}"]]
    return (f"## Many connections with nothing new\n\n{document['connections']:,} connections, one sync each, a provider that takes "
            f"{document['latency_ms']} ms, one fetcher. {place(document)}\n\n" + table(["", ""], lines))


def flood_part(document):
    def at(values, which):
        return f"{values[min(len(values) - 1, int(len(values) * which))]:.2f}"

    lines = [[name, told["runs"]] + [at(told[part], which) for part in ("begun", "ended") for which in (0.5, 0.99)]
             for name, told in (("nobody else", document["runs"]["alone"]), ("the flood", document["runs"]["flooded"]))]
    return (f"## One customer who floods\n\nSeconds from when a sync of another was told to run, with nothing new, while one customer's "
            f"{document['rows']:,} records come for the first time; one fetcher, two mergers. {place(document)}\n\n"
            + table(["beside", "runs", "begun, median", "99th percentile", "ended, median", "99th percentile"], lines))


def pieces_part(document):
    lines = [[b["run_name"].replace("_", " "), f"{1e6 / b['items_per_second']:.3g}",
              f"{b['bytes_per_second'] / 1e6:,.0f}" if "bytes_per_second" in b else ""]
             for b in document["benchmarks"] if b.get("aggregate_name") == "median"]
    return ("## Pieces\n\nCPU of the pure code, by Google Benchmark; medians. Each: of a record, where there are many.\n\n"
            + table(["piece", "us each", "MB/s"], lines))


def chart(document):
    runs = document["runs"]
    bars = [(name, times(runs["copy"], of_case, cpu), times(runs["copy"], of_case, wall)) for name, of_case in runs.items()
            if name != "workers incremental"]  # which reads a hundredth of the records
    left, width, step = 440, 400, 34
    most = max(max(ratios) for _, *ratios in bars)
    height = step * len(bars) + 50
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 130}" height="{height}" font-family="sans-serif" font-size="13">',
           f'<rect width="100%" height="100%" fill="white"/><text x="10" y="20" font-weight="bold">Times as fast as COPY of the '
           f'finished rows, {document["rows"]:,} records: by CPU, and below by the clock</text>']
    for i, (name, by_cpu, by_clock) in enumerate(bars):
        y = 34 + i * step
        color = "#2f6fab" if name.startswith(("materialize", "workers")) else "#909090"
        out.append(f'<text x="{left - 8}" y="{y + 18}" text-anchor="end">{escape(NAMES[name])}</text>'
                   f'<rect x="{left}" y="{y}" width="{by_cpu / most * width:.1f}" height="16" fill="{color}"/>'
                   f'<rect x="{left}" y="{y + 17}" width="{by_clock / most * width:.1f}" height="9" fill="{color}" opacity="0.45"/>'
                   f'<text x="{left + max(by_cpu, by_clock) / most * width + 6:.1f}" y="{y + 18}">{by_cpu:.2f}, {by_clock:.2f}</text>')
    line = left + width / most
    out.append(f'<line x1="{line:.1f}" y1="28" x2="{line:.1f}" y2="{height - 14}" stroke="#444" stroke-dasharray="3 3"/></svg>')
    return "\n".join(out) + "\n"


def write(name, text):
    with open(os.path.join(DOCS, name), "w") as file:
        file.write(text)


documents = load()
parts = ["""# Performance

Made by `bench/run`, which measures and then writes this page; nothing here is by hand. *s* is from the request to the commit, with
the provider's answers ready to be sent from the same machine, so that a real provider is slower than all of it: CPU is what carries over. CPU is that of the
processes that do the work (backend, fetcher, merger, Node), their I/O in the kernel included; the provider's is not. Private memory is `RssAnon`, looked at every 20 ms.
Postgres has `fsync` and `wal_level = replica`, 1 GB of shared buffers, no autovacuum but with many connections (a table is vacuumed before its sweep, as it would be); before each run is a checkpoint.

The rivals write to a table that is made as ours is. COPY has the rows finished, each record's JSON as the provider wrote it, and asks nobody; `jsonb_array_elements()` has the pages in a
table, uncompressed. The Node pipeline (`bench/node`) reads the same pages by HTTP and upserts as the product did that went before this one.
"""]
if "sync" in documents:
    parts.append(sync_part(documents["sync"]))
    write("performance.svg", chart(documents["sync"]))
memory = sorted((d for name, d in documents.items() if name.startswith("memory-")), key=lambda d: d["rows"])
if memory:
    parts.append(memory_part(memory))
for name, part in (("remote", remote_part), ("scheduler", scheduler_part), ("flood", flood_part), ("pieces", pieces_part)):
    if name in documents:
        parts.append(part(documents[name]))
write("performance.md", "\n".join(parts))
