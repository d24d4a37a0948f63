#!/usr/bin/env python3
"""Snapshots beside restic and borg, on the same closed data directory: full, a second incremental after 1 % changed, restore, full verify.

Usage: snapshots.py CAIRN DEBIAN_DIR [ROUNDS]. Needs the Debian packages restic and borgbackup. All are local, with warm caches, the three in turn; medians of the
rounds in seconds. restic always encrypts; it and cairn run once as they come and once without compression, borg without encryption.
"""
import gzip, json, os, random, shutil, statistics, subprocess, sys, tempfile, time

cairn, debian = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 3
work = tempfile.mkdtemp(prefix="cairn-snapshots-", dir=os.environ.get("TMPDIR", "."))
env = dict(os.environ, RESTIC_PASSWORD="x", BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK="yes",
           BORG_RELOCATED_REPO_ACCESS_IS_OK="yes", HOME=work, XDG_CACHE_HOME=f"{work}/cache")

def run(*args):
    done = subprocess.run(args, env=env, cwd=work, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(args)}: {done.stdout}{done.stderr}")
    return done.stdout

def prepare():
    """Six collections of the 30,000 vectors, and the events."""
    for n in range(6):
        run(cairn, "import", f"{debian}/vectors.f16.npy", "--id-prefix", "item-", "--collection", f"c{n}", "--create",
            "-d", "384", "--on-disk", "--index", "flat", "--data", "data")
    run(cairn, "import", f"{debian}/events.txt.gz", "--format", "lines", "--data", "data")

def change():
    with open(f"{work}/changed.jsonl", "w") as out:
        for n in random.sample(range(30_000), 300):
            out.write(json.dumps({"id": f"item-{n}", "vector": [random.random() for _ in range(384)]}) + "\n")
    for n in range(6):
        run(cairn, "import", "changed.jsonl", "--collection", f"c{n}", "--data", "data")

class Cairn:
    def __init__(self, name, compression):
        self.name, self.compression = name, compression
    def reset(self):
        shutil.rmtree(f"{work}/cairn-repo", ignore_errors=True)
    def full(self):
        run(cairn, "snapshot", "create", "--data", "data", "--repo", "cairn-repo", "--compression", self.compression, "--name", "first")
    def second(self):
        run(cairn, "snapshot", "create", "--data", "data", "--repo", "cairn-repo", "--compression", self.compression, "--incremental", "--name", "second")
    def restore(self):
        shutil.rmtree(f"{work}/back", ignore_errors=True)
        run(cairn, "snapshot", "restore", "second", "--repo", "cairn-repo", "--data", "back")
    def verify(self):
        run(cairn, "snapshot", "verify", "--all", "--repo", "cairn-repo")
    repo = "cairn-repo"

class Restic:
    def __init__(self, name, *more):
        self.name, self.more = name, more
    def reset(self):
        shutil.rmtree(f"{work}/restic-repo", ignore_errors=True)
        run("restic", "init", "-q", "-r", "restic-repo")
    def full(self):
        run("restic", "backup", "-q", "-r", "restic-repo", *self.more, "data")
    second = full
    def restore(self):
        shutil.rmtree(f"{work}/back", ignore_errors=True)
        run("restic", "restore", "latest", "-q", "-r", "restic-repo", "--target", "back")
    def verify(self):
        run("restic", "check", "-q", "-r", "restic-repo", "--read-data")
    repo = "restic-repo"

class Borg:
    name, repo = "borg", "borg-repo"
    def reset(self):
        shutil.rmtree(f"{work}/borg-repo", ignore_errors=True)
        run("borg", "init", "-e", "none", "borg-repo")
        self.n = 0
    def full(self):
        self.n += 1
        run("borg", "create", f"borg-repo::a{self.n}", "data")
    second = full
    def restore(self):
        shutil.rmtree(f"{work}/back", ignore_errors=True)
        os.mkdir(f"{work}/back")
        done = subprocess.run(["borg", "extract", f"../borg-repo::a{self.n}"], env=env, cwd=f"{work}/back")
        assert done.returncode == 0
    def verify(self):
        run("borg", "check", "--verify-data", "borg-repo")

def size(path):
    return sum(os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(path) for f in files)

prepare()
tools = [Cairn("cairn, zstd", "zstd"), Cairn("cairn, none", "none"), Restic("restic"),
         Restic("restic, no compression", "--compression", "off"), Borg()]
steps = ["full", "second", "restore", "verify"]
times = {(tool.name, step): [] for tool in tools for step in steps}
sizes = {}
print(f"data directory: {size(f'{work}/data') / 2**20:.0f} MiB", file=sys.stderr)
for _ in range(rounds):
    for tool in tools:
        shutil.rmtree(f"{work}/data.kept", ignore_errors=True)
        shutil.copytree(f"{work}/data", f"{work}/data.kept")
        tool.reset()
        for step in steps:
            if step == "second":
                before = size(f"{work}/{tool.repo}")
                change()
            os.sync()
            began = time.monotonic()
            getattr(tool, step)()
            times[tool.name, step].append(time.monotonic() - began)
            if step == "second":
                sizes[tool.name] = (before, size(f"{work}/{tool.repo}") - before)
        shutil.rmtree(f"{work}/data")
        os.rename(f"{work}/data.kept", f"{work}/data")
print("| tool | full s | second s | restore s | verify s | full MiB | second MiB |")
print("|---|---|---|---|---|---|---|")
for tool in tools:
    cells = [f"{statistics.median(times[tool.name, step]):.2f}" for step in steps]
    cells += [f"{n / 2**20:.1f}" for n in sizes[tool.name]]
    print(f"| {tool.name} | " + " | ".join(cells) + " |")
best = {step: min(statistics.median(times[t.name, step]) for t in tools if not t.name.startswith("cairn")) for step in steps}
for tool in tools[:2]:
    ratios = [f"{step} {best[step] / statistics.median(times[tool.name, step]):.1f} x" for step in steps]
    print(f"\n{tool.name}, as many times as fast as the better of them: " + ", ".join(ratios))
shutil.rmtree(work)
