"""What processes cost: CPU seconds, and their peak of private memory."""
import os
import threading
import time

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """User and system time of all threads, I/O in the kernel included."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def family_seconds(pid):
    """The same of a process with its children, those that have ended included."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        children = file.read().split()
    return sum(map(int, fields[11:15])) / TICKS + sum(map(cpu_seconds, children))


def busy_seconds():
    """What all cores together have worked, for anybody."""
    with open("/proc/stat") as file:
        user, nice, system, _, _, irq, softirq, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS


def private_mb(pid):
    """RssAnon: what no other process shares; shared buffers and program text are not in it."""
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) / 1024
    return 0.0


class Watch(threading.Thread):
    """Looks at the memory of some processes every 20 ms, from start() to finish()."""

    def __init__(self, pids):
        super().__init__(daemon=True)
        self.pids = dict(pids)  # by the name of their part
        self.before = {name: cpu_seconds(pid) for name, pid in self.pids.items()}
        self.peak = {}
        self.done = threading.Event()

    def add(self, name, pid, cpu_before=0.0):
        self.before[name] = cpu_before
        self.pids = {**self.pids, name: pid}

    def run(self):
        while not self.done.wait(0.02):
            self.look()

    def look(self):
        for name, pid in self.pids.items():
            try:
                self.peak[name] = max(self.peak.get(name, 0.0), private_mb(pid))
            except (FileNotFoundError, ProcessLookupError):
                pass

    def finish(self):
        self.done.set()
        self.join()
        self.look()
        cpu = {}
        for name, pid in self.pids.items():
            try:
                cpu[name] = cpu_seconds(pid) - self.before[name]
            except (FileNotFoundError, ProcessLookupError):
                pass
        return cpu, dict(self.peak)


def machine():
    """Where the figures come from."""
    def first(path, key):
        with open(path) as file:
            for line in file:
                if line.startswith(key):
                    return line.partition(":")[2].strip()
        return "?"

    memory = int(first("/proc/meminfo", "MemTotal").split()[0]) / 1024 / 1024
    return {"cpu": first("/proc/cpuinfo", "model name"), "cores": os.cpu_count(), "memory_gb": round(memory),
            "kernel": os.uname().release, "load_before": os.getloadavg()[0], "date": time.strftime("%Y-%m-%d")}
