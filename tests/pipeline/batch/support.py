"""What the tests of the batch layer share: corpora whose records are known, jobs, runs of the real binary, and a reader of stores that knows docs/formats-*.md alone.

Nothing here asks Lamina what is in a store: the log is folded and the segments are read by their entries, with Python's standard library.
"""
import gzip
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import tempfile
import time
import unittest

LIMIT = 180  # seconds that no run here takes: a hang fails instead of waiting
MIB = 1 << 20

# docs/formats.md, layout 1 to 5: columns and what each value is
POSITION = [("source", "I"), ("life", "I"), ("partition", "16"), ("offset", "Q")]
ROWS = POSITION + [("hash", "Q"), ("key", "s"), ("order", "s"), ("event_time", "q"), ("arrival", "q"), ("op", "B"), ("flags", "I"), ("media_type", "s"), ("title", "s"),
                   ("text", "s"), ("structure", "s"), ("metadata", "s"), ("category", "s"), ("confidence", "4"), ("sentiment", "4"), ("entities", "s"), ("summary", "s"),
                   ("language", "s"), ("keywords", "s"), ("embedding", "v"), ("layer", "B"), ("depth", "B"), ("analyzer", "s"), ("model", "I"), ("prompt", "I"),
                   ("tokens", "I"), ("processed_at", "q"), ("custom", "s"), ("trace", "s"), ("space", "s")]
BRONZE = POSITION + [("arrival", "q"), ("timestamp", "q"), ("has_key", "B"), ("key", "s"), ("has_raw", "B"), ("raw", "s"), ("headers", "s")]
REJECTS = POSITION + [("kind", "B"), ("arrival", "q"), ("place", "s"), ("reason", "s"), ("raw", "s")]
MANIFEST = [("path", "s"), ("partition", "16"), ("size", "Q"), ("mtime_ns", "q"), ("digest", "16"), ("ended", "B"), ("rows", "Q"), ("life", "I"), ("media", "s")]
LAYOUTS = {1: ROWS, 2: BRONZE, 3: REJECTS, 4: MANIFEST}
TIMES = ("arrival", "processed_at")  # no part of what runs have in common
NO_TIME = -(1 << 63)
ENDS = ("live", "superseded", "deleted", "quarantined", "filtered")


# --- stores ---

class Segment:
    def __init__(self, root, entry):
        self.entry, self.rows = entry, entry["rows"]
        with open(os.path.join(root, entry["path"]), "rb") as file:
            self.data = file.read()
        assert len(self.data) == entry["bytes"], entry["path"]

    def dataset(self, index):
        offset, length, _ = self.entry["datasets"][index]
        return self.data[offset : offset + length]

    def columns(self):
        """{name: list of values}; floats and vectors as their bytes, so that equal means bit-equal."""
        columns, index = {}, 0
        for name, kind in LAYOUTS[self.entry["layout"]]:
            data = self.dataset(index)
            index += 1
            if kind == "s":
                off = struct.unpack("<%dQ" % (self.rows + 1), data)
                data = self.dataset(index)
                index += 1
                assert off[0] == 0 and off[-1] == len(data)
                columns[name] = [data[a:b] for a, b in zip(off, off[1:])]
            elif kind in ("16", "4", "v"):
                width = {"16": 16, "4": 4, "v": 4 * self.entry.get("dim", 0)}[kind]
                columns[name] = [data[i * width : (i + 1) * width] for i in range(self.rows)]
            else:
                columns[name] = list(struct.unpack("<%d%s" % (self.rows, kind), data))
        assert index == len(self.entry["datasets"])
        return columns

    def dicts(self):
        columns = self.columns()
        return [dict(zip(columns, values)) for values in zip(*columns.values())]


class Store:
    """The state after the newest commit, from the log alone."""

    def __init__(self, root):
        self.root, self.live, self.masks, self.counts, self.published, self.sources, self.commits = root, {}, {}, {}, [], [], 0
        self.lives, self.models, terms = {}, [], {}
        log = os.path.join(root, "log")
        for folder in sorted(os.listdir(log)) if os.path.isdir(log) else []:  # none: nothing was ever committed
            if not folder.isdigit():
                continue
            for name in sorted(os.listdir(os.path.join(root, "log", folder))):
                if name.endswith(".json") and ".tmp." not in name:
                    with open(os.path.join(root, "log", folder, name)) as file:
                        self.fold(int(name.split(".")[0]), json.load(file), terms)

    def fold(self, number, commit, terms):
        self.commits = number
        if any(terms.get(layer) != term for layer, term in commit["terms"].items()):
            return  # fenced: void
        for action in sorted(commit["actions"], key=lambda a: {"remove": 0, "add": 1}.get(a["action"], 2)):
            what = action["action"]
            if what == "term":
                terms.update({layer: number for layer in action["layers"]})
            elif what == "source" and action["name"] not in self.sources:
                self.sources.append(action["name"])
            elif what == "life":
                self.lives.setdefault(action["source"], []).append(action["name"])
            elif what == "remove":
                del self.live[action["path"]]
                self.masks.pop(action["path"], None)
            elif what == "add":
                assert action["segment"]["path"] not in self.live
                self.live[action["segment"]["path"]] = action["segment"]
            elif what == "mask":
                assert action["path"] in self.live
                self.masks[action["path"]] = action.get("segment")
            elif what == "model":
                self.models.append({**action, "commit": number})
            elif what == "publish":
                self.published.append(action)
                for more in action["counts"]:
                    sums = self.counts.setdefault((more["source"], more["life"]), dict.fromkeys(("read",) + ENDS + ("pending", "unavailable"), 0))
                    for name in sums:
                        sums[name] += more[name]

    @property
    def view(self):
        return self.published[-1]["view"] if self.published else 0

    def totals(self):
        return {name: sum(c[name] for c in self.counts.values()) for name in ("read",) + ENDS}

    def segments(self, *kinds):
        return [Segment(self.root, entry) for _, entry in sorted(self.live.items()) if entry["kind"] in kinds]

    def rows(self):
        """All rows of the view that no mask covers."""
        rows = []
        for segment in self.segments("run", "silver"):
            mask = self.masks.get(segment.entry["path"])
            bits = Segment(self.root, mask).dataset(0) if mask else bytes((segment.rows + 7) // 8)
            rows += [row for i, row in enumerate(segment.dicts()) if not bits[i // 8] >> i % 8 & 1]
        return rows

    def rejects(self):
        return [row for segment in self.segments("quarantine") for row in segment.dicts()]

    def paths(self):
        """{partition: path} of all files that the last scans saw."""
        return {row["partition"]: row["path"].decode() for segment in self.segments("manifest") for row in segment.dicts()}

    def manifest(self):
        return {row["path"].decode(): row for segment in self.segments("manifest") for row in segment.dicts()}

    def answer(self):
        """What has to be the same whatever the ranks: every live row without times, and every reject."""
        strip = lambda row: tuple((k, v) for k, v in sorted(row.items()) if k not in TIMES)
        return sorted(map(strip, self.rows())), sorted(map(strip, self.rejects()))

    def check_counts(self, test):
        """Counts against what lies in the segments: nothing here is the engine's own arithmetic."""
        totals, rows = self.totals(), self.rows()
        for (source, life), counts in self.counts.items():
            test.assertEqual(counts["read"], sum(counts[end] for end in ENDS), (source, life, counts))
            mine = [row for row in rows if (row["source"], row["life"]) == (source, life)]
            test.assertEqual(counts["live"], sum(row["op"] == 0 for row in mine), (source, life))
            test.assertEqual(counts["deleted"], sum(row["op"] == 1 for row in mine), (source, life))
        test.assertEqual(totals["quarantined"], sum(row["kind"] == 0 for row in self.rejects()))
        test.assertEqual(totals["filtered"], sum(row["kind"] == 1 for row in self.rejects()))


# --- runs of the binary ---

def clean_environment():
    """Not that of a rank or a Slurm job; root may run mpirun in tests, as the launcher does."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("PMI", "OMPI_COMM", "SLURM_", "PRTE"))}


def report_of(store):
    """The newest report: of the run of the newest view."""
    reports = [os.path.join(store, "runs", run, "report.json") for run in os.listdir(os.path.join(store, "runs"))]
    newest = max((path for path in reports if os.path.exists(path)), key=os.path.getmtime)
    with open(newest) as file:
        return json.load(file)


def descendants(pid):
    """Living descendants of a process: {pid: environment of it}."""
    children, found = {}, {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name) as file:
                    stat = file.read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if stat[0] != "Z":
                children.setdefault(int(stat[1]), []).append(int(name))
    todo = [pid]
    while todo:
        for child in children.get(todo.pop(), []):
            todo.append(child)
            try:
                with open("/proc/%d/environ" % child, "rb") as file:
                    found[child] = dict(item.split(b"=", 1) for item in file.read().split(b"\0") if b"=" in item)
            except OSError:
                pass
    return found


def peak_of(process):
    """KiB of memory of its own that a process had at most, until it ended."""
    peak = 0
    while process.poll() is None:
        try:
            with open("/proc/%d/status" % process.pid) as file:
                status = dict(line.split(":", 1) for line in file)
            peak = max(peak, sum(int(status[name].split()[0]) for name in ("RssAnon", "RssShmem")))
        except (OSError, KeyError):  # it has just ended
            pass
        time.sleep(0.005)
    return peak


def ranks_of(launcher):
    """{rank: pid} of the ranks below a launcher, as far as they live."""
    ranks = {}
    for pid, environment in descendants(launcher).items():
        rank = environment.get(b"OMPI_COMM_WORLD_RANK") or environment.get(b"PMIX_RANK")
        if rank is None:
            continue
        try:
            with open("/proc/%d/cmdline" % pid, "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if os.path.basename(words[0]).startswith(b"lamina"):
            ranks[int(rank)] = pid
    return ranks


class BatchCase(unittest.TestCase):
    """A folder with a corpus and any number of stores of it."""

    lamina = None  # set by main
    seed = 20260722

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="lamina_batch_")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.random = random.Random("%s %s" % (self.seed, self.id()))
        self.data = os.path.join(self.folder, "data")
        os.mkdir(self.data)
        self.started = []
        self.addCleanup(self.end_all)

    def end_all(self):
        for process in self.started:
            if process.poll() is None:
                for pid in [*descendants(process.pid), process.pid]:
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except OSError:
                        pass
            process.wait()
            process.stdout.close()

    def store(self, name="out"):
        return os.path.join(self.folder, name)

    def write(self, name, content, mtime=None):
        """A file of the corpus; old enough that a scan trusts its mtime."""
        path = os.path.join(self.data, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        at = mtime or time.time() - 60
        os.utime(path, (at, at))
        return path

    def job(self, store="out", **fields):
        """The job file of a store; fields replace those of the plain job, dataset's are merged."""
        job = {"name": "batch-test", "store": store,
               "dataset": {"kind": "upsert", "key": ["/id", "$path"], "order_by": "event_time", "event_time": "/at", "text": ["/subject", "/text"], "deleted": "/gone"},
               "sources": [{"type": "files", "name": "data", "path": "data/**"}],
               "tasks": {"classify": {"labels": {"billing": "invoice, refund, charge, card", "outage": "down, error, timeout, unreachable"}}, "entities": {},
                         "summarize": {}, "sentiment": {}, "keywords": {}, "language": {}, "embed": {"dim": 16}},
               "batch": {"split": "1 MiB"}, "quarantine": {"max": 0.5}}
        dataset = {**job["dataset"], **fields.pop("dataset", {})}
        job.update(fields)
        job["dataset"] = {k: v for k, v in dataset.items() if v is not None}
        path = os.path.join(self.folder, "job-%s.json" % store)
        with open(path, "w") as file:
            json.dump(job, file)
        return path

    def command(self, job, ranks, words=()):
        """ranks 0: one process without a launcher."""
        launch = ["launch", "-n", str(ranks)] if ranks else []
        return [self.lamina, *launch, "batch", job, "--quiet", *words]

    def start(self, job, ranks, words=(), env=None):
        process = subprocess.Popen(self.command(job, ranks, words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   env={**clean_environment(), **(env or {})})
        self.started.append(process)
        return process

    def finish(self, process, limit=LIMIT):
        out, _ = process.communicate(timeout=limit)
        return process.returncode, out

    def batch(self, job, ranks=0, expect=0, words=()):
        """Runs to the end; the exit code must be the expected one. The output."""
        code, out = self.finish(self.start(job, ranks, words))
        self.assertEqual(code, expect, out)
        return out

    def check_winners(self, store, history):
        """The rows of an upsert view against a naive recomputation of all that was ever read: (file, life, known records), in any order."""
        winners, paths = {}, store.paths()
        for name, life, known in history:
            for key, version in naive_upsert({name: (life, known)}).items():
                if key not in winners or version[0] > winners[key][0]:
                    winners[key] = version
        rows = {row["key"].decode(): row for row in store.rows()}
        self.assertEqual(set(rows), set(winners))
        for key, ((when, life, path, offset), rec) in winners.items():
            row = rows[key]
            self.assertEqual((row["event_time"], row["life"], paths[row["partition"]].encode(), row["offset"], row["op"], row["text"].decode()),
                             (when, life, path, offset, int(rec.get("gone", False)), text_of(rec)), key)

# --- corpora ---

WORDS = ("invoice refund charged card billing server down error timeout unreachable please help since monday the and of customer order number plan "
         "account login slow great thanks broken update version page load request failed again never always price").split()


def sentence(rng, words):
    return " ".join(rng.choice(WORDS) for _ in range(words)).capitalize() + "."


def records(rng, count, keys, text=12, deletes=0.03, no_time=0.05):
    """Records with repeated keys, equal times, missing times and deletes."""
    made = []
    for _ in range(count):
        rec = {"id": "k%d" % rng.randrange(keys)}
        if rng.random() >= no_time:
            rec["at"] = 1700000000 + rng.randrange(200)  # few times: many ties
        if rng.random() < deletes:
            rec["gone"] = True
        if rng.random() < 0.5:
            rec["subject"] = sentence(rng, 3)
        rec["text"] = " ".join(sentence(rng, rng.randrange(3, text)) for _ in range(rng.randrange(1, 4)))
        made.append(rec)
    return made


def jsonl(rng, made, bad=0.0):
    """The bytes, and [(offset, record or None where the line is broken)]."""
    out, at, known = [], 0, []
    for rec in made:
        broken = rng.random() < bad
        line = b"{broken " + rec["id"].encode() + b"\n" if broken else json.dumps(rec, ensure_ascii=rng.random() < 0.5).encode() + b"\n"
        known.append((at, None if broken else rec))
        out.append(line)
        at += len(line)
    return b"".join(out), known


def csv_bytes(rng, made):
    """RFC 4180 with quoted newlines, quotes and commas; the same form of result."""
    names, out, known = ["id", "at", "subject", "text"], [b"id,at,subject,text\r\n"], []
    at = len(out[0])
    for rec in made:
        row = {name: str(rec.get(name, "")) for name in names}
        if rng.random() < 0.4:
            row["text"] += '\nsecond line, with "quotes"\r\nthird'
        quoted = {name: '"%s"' % value.replace('"', '""') if any(c in value for c in '",\r\n') or rng.random() < 0.2 else value for name, value in row.items()}
        line = (",".join(quoted[name] for name in names) + "\r\n").encode()
        known.append((at, {name: value for name, value in row.items()}))
        out.append(line)
        at += len(line)
    return b"".join(out), known


def zst(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


def gz(data):
    return gzip.compress(data, 6, mtime=0)


def time_us(value):
    return NO_TIME if value in (None, "") else int(value) * 1000000


def text_of(rec):
    """As the job says: subject and text, what is there."""
    return "\n\n".join(str(rec[name]) for name in ("subject", "text") if rec.get(name) not in (None, ""))


def naive_upsert(files):
    """{key: (time, life, path, offset, record)} of the newest version, by time, then position. files: {path: (life, [(offset, record)])}."""
    winners = {}
    for path, (life, known) in files.items():
        for offset, rec in known:
            if rec is None:
                continue
            version = (time_us(rec.get("at")), life, path.encode(), offset)
            if rec["id"] not in winners or version > winners[rec["id"]][0]:
                winners[rec["id"]] = (version, rec)
    return winners


def main(module, lamina, words):
    """unittest with the binary's path first."""
    BatchCase.lamina = os.path.abspath(lamina)
    print("seed %d" % BatchCase.seed)
    unittest.main(module=module, argv=["test", *words], verbosity=2)
