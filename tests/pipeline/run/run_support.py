"""What the tests of `run`, of `speed` and of the seam share: the quickstart's job with a store and a port of its own, a naive recomputation
of what it must end at, somebody who asks all the time, and bronze as it lies on disk.

The recomputation knows the documents, the events and the rules of docs/, and nothing of the engine: winners by event time, then by position.
"""
import csv
import datetime
import gzip
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.normpath(os.path.join(HERE, "..", "..", ".."))
sys.path.insert(0, os.path.join(HERE, "..", "batch"))
import support  # noqa: E402  the reader of stores that the tests of the batch layer have

support.LAYOUTS.setdefault(2, support.POSITION + [("arrival", "q"), ("timestamp", "q"), ("has_key", "B"), ("key", "s"), ("has_raw", "B"), ("raw", "s"), ("headers", "s")])
LIMIT = 120  # seconds that no run here takes: a hang fails instead of waiting
SECONDS = 30  # an end takes two or three, on a machine with much else to do more; what has not come by then hangs
DOCUMENTS = os.path.join(SOURCE, "jobs", "data", "quickstart", "documents")
GENERATE = os.path.join(SOURCE, "jobs", "data", "quickstart", "events", "generate.sh")
STREAM = "stream:incoming_events"


# --- what must come out ---

class Version:
    def __init__(self, order, key, fields, deleted):
        self.order, self.key, self.fields, self.deleted = order, key, fields, deleted


def event_time(value):
    """Seconds since 1970; None: missing. ValueError: no time."""
    if value is None:
        return None
    return datetime.datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc).timestamp()


def decoded(path):
    with open(path, "rb") as file:
        data = file.read()
    if path.endswith(".gz"):
        return gzip.decompress(data)
    if path.endswith(".zst"):
        return subprocess.run(["zstd", "-dc"], input=data, stdout=subprocess.PIPE, check=True).stdout
    return data


def records_of(path):
    """The records of one document file: objects, or None for one that is damaged. A plain document is {}."""
    name = os.path.basename(path)
    try:
        text = decoded(path).decode("utf-8")
    except (UnicodeDecodeError, EOFError, OSError):
        return [None]
    if ".jsonl" in name:
        made = []
        for line in text.splitlines():
            try:
                made.append(json.loads(line))
            except ValueError:
                made.append(None)
        return made
    if ".csv" in name:
        return list(csv.DictReader(io.StringIO(text, newline="")))
    return [{}]


class Expected:
    """The sums of one source and life are added up over lives: which life an event falls in is a matter of when the job was stopped."""

    def __init__(self, lines):
        versions, self.read, self.quarantined = [], {"documents": 0, STREAM: 0}, {"documents": 0, STREAM: 0}
        for path in sorted(os.listdir(DOCUMENTS)):
            for i, record in enumerate(records_of(os.path.join(DOCUMENTS, path))):
                # where times are equal positions decide: source numbers are the log's, and no time of a document is one of an event
                self.add(versions, "documents", record, path, (0, path.encode(), i))
        for i, line in enumerate(lines):
            try:
                record = json.loads(line)
            except ValueError:
                record = None
            self.add(versions, STREAM, record, None, (1, b"", i))
        self.winners = {}
        for source, version in versions:
            if version.key not in self.winners or version.order > self.winners[version.key][1].order:
                self.winners[version.key] = (source, version)
        self.live = {key: version for key, (_, version) in self.winners.items() if not version.deleted}
        self.sum = sum(int(version.fields.get("revision", 0) or 0) for version in self.live.values())
        self.counts = {}
        for source in self.read:
            live = sum(s == source and not v.deleted for s, v in self.winners.values())
            deleted = sum(s == source and v.deleted for s, v in self.winners.values())
            self.counts[source] = {"read": self.read[source], "live": live, "deleted": deleted, "quarantined": self.quarantined[source], "filtered": 0,
                                   "superseded": self.read[source] - live - deleted - self.quarantined[source]}

    def add(self, versions, source, record, path, place):
        self.read[source] += 1
        try:
            if record is None:
                raise ValueError("damaged")
            key = record.get("id") or path
            when = event_time(record.get("created_at"))
            if key is None:
                raise ValueError("no key")
        except ValueError:
            self.quarantined[source] += 1
            return
        order = (when is not None, when or 0, place)
        versions.append((source, Version(order, key, record, bool(record.get("deleted")))))


# --- the job ---

class Asker(threading.Thread):
    """Asks for the sum of /revision all the time, and keeps what it was told."""

    def __init__(self, run):
        super().__init__(daemon=True)
        self.run_, self.sums, self.answers, self.refused, self.stopping = run, [], [], [], threading.Event()

    def run(self):
        while not self.stopping.is_set():
            try:
                answer = self.run_.aggregate({"metrics": [{"op": "sum", "field": "/revision"}, {"op": "count"}]})
            except urllib.error.HTTPError as error:
                self.refused.append((error.code, error.read().decode(errors="replace")))
                continue
            except (OSError, ValueError):  # the job has ended, or not begun: not an answer
                time.sleep(0.01)
                continue
            self.answers.append(answer)
            self.sums.append(sum_of(answer))
            time.sleep(0.002)

    def stop(self):
        self.stopping.set()
        self.join(LIMIT)


def sum_of(answer):
    groups = answer["groups"]
    return int(groups[0]["metrics"]["sum(/revision)"] or 0) if groups else 0


class Run:
    """One started `lamina run`, or another verb: its lines, its port, its end."""

    def __init__(self, process):
        self.process, self.lines, self.url, self.out = process, [], None, ""
        self.readers = [threading.Thread(target=read, daemon=True) for read in (self.read, self.read_out)]
        for reader in self.readers:
            reader.start()

    def read_out(self):
        self.out = self.process.stdout.read()

    def read(self):
        for line in self.process.stderr:
            self.lines.append(line)
            found = re.search(r'area=serve msg="(http://[0-9.:]+)', line)
            if found:
                self.url = found.group(1)

    def wait_for(self, what, seconds=LIMIT):
        until = time.monotonic() + seconds
        while not (value := what()):
            if self.process.poll() is not None or time.monotonic() > until:
                raise AssertionError("the job ended, or %d s passed, before that:\n%s" % (seconds, "".join(self.lines[-20:])))
            time.sleep(0.01)
        return value

    def said(self, words):
        return any(words in line for line in self.lines)

    def ask(self, path, body=None):
        return json.loads(self.fetch(path, body))

    def fetch(self, path, body=None):
        url = self.url or self.wait_for(lambda: self.url)
        request = urllib.request.Request(url + path, data=None if body is None else json.dumps(body).encode(), headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.read()

    def aggregate(self, body):
        return self.ask("/v1/aggregate", body)

    def sum(self):
        try:
            return sum_of(self.aggregate({"metrics": [{"op": "sum", "field": "/revision"}]}))
        except OSError:
            return -1

    def finish(self, seconds=LIMIT):
        """(exit code, standard output)."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise AssertionError("still running after %d s:\n%s" % (seconds, "".join(self.lines[-20:]))) from error
        for reader in self.readers:
            reader.join(10)
        return self.process.returncode, self.out


class RunCase(unittest.TestCase):
    lamina = None
    events = 2000

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="lamina_run_")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.started = []
        self.addCleanup(self.end_all)
        self.make_events(self.events)

    def make_events(self, count):
        made = subprocess.run(["sh", GENERATE, str(count)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True)
        with open(os.path.join(self.folder, "events.jsonl"), "wb") as file:
            file.write(made.stdout)
        self.lines = made.stdout.splitlines()
        self.printed = int(made.stderr)  # what the generator says the sum must end at
        self.expected = Expected(self.lines)
        self.assertEqual(self.expected.sum, self.printed, "the generator and the recomputation disagree")

    def end_all(self):
        for process in self.started:
            if process.poll() is None:
                for pid in [*support.descendants(process.pid), process.pid]:
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except OSError:
                        pass
                process.wait()
            for pipe in (process.stdout, process.stderr):
                pipe.close()

    def store(self, name="out"):
        return os.path.join(self.folder, name)

    def job(self, name="out", rate=500, stream=(), every=1000):
        """The quickstart's, with a store, a port and a rate of its own; values of stream that are None are taken away."""
        with open(os.path.join(SOURCE, "jobs", "quickstart.json")) as file:
            job = json.load(file)
        job["store"] = self.store(name)
        job["sources"][0]["path"] = DOCUMENTS + "/**"
        job["stream"]["replay"] = {"path": os.path.join(self.folder, "events.jsonl"), "rate": rate}
        job["stream"].update(stream)
        job["stream"] = {k: v for k, v in job["stream"].items() if v is not None}
        job["serve"]["listen"] = "127.0.0.1:0"
        job["batch"]["every"] = {"records": every}
        path = os.path.join(self.folder, "%s.json" % name)
        with open(path, "w") as file:
            json.dump(job, file)
        return path

    def start(self, job, ranks=0, words=(), verb="run"):
        """ranks 0: one process without a launcher."""
        command = [self.lamina, *(["launch", "-n", str(ranks)] if ranks else []), verb, job, *words]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
                                   env=support.clean_environment())
        self.started.append(process)
        return Run(process)

    def to_end(self, job, ranks=0, words=(), expect=0, verb="run"):
        run = self.start(job, ranks, words, verb)
        code, out = run.finish()
        self.assertEqual(code, expect, "".join(run.lines[-30:]) + out)
        return run, out

    def tool(self, *words, expect=0):
        done = subprocess.run([self.lamina, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT, env=support.clean_environment())
        self.assertEqual(done.returncode, expect, done.stderr)
        return done.stdout

    def archived(self, name="out"):
        """Events in bronze, by the log alone."""
        try:
            store = support.Store(self.store(name))
        except (OSError, ValueError):  # none yet, or a commit that is just being linked
            return 0
        return sum(entry["rows"] for entry in store.live.values() if entry["kind"] == "bronze_stream")

    # --- what holds of a store ---

    def check_report(self, out):
        """A report with --json: balanced, and equal to the recomputation."""
        report = json.loads(out)
        self.assertTrue(report["balanced"])
        self.check_counts(report["counts"])
        return report

    def check_counts(self, counts):
        sums = {}
        for one in counts:
            self.assertEqual(one["read"], one["live"] + one["superseded"] + one["deleted"] + one["quarantined"] + one["filtered"], one)
            total = sums.setdefault(one["name"], dict.fromkeys(("read", "live", "superseded", "deleted", "quarantined", "filtered"), 0))
            for name in total:
                total[name] += one[name]
        self.assertEqual(sums, self.expected.counts)

    def check_bronze(self, name="out", lines=None):
        """Every event stands in bronze once, whatever lives it came in: nothing lost, nothing archived twice."""
        store = support.Store(self.store(name))
        rows = [row for segment in store.segments("bronze_stream") for row in segment.dicts()]
        positions = {(row["source"], row["life"], row["partition"], row["offset"]) for row in rows}
        self.assertEqual(len(positions), len(rows), "a position is archived twice")
        self.assertEqual(sorted(row["raw"] for row in rows), sorted(self.lines if lines is None else lines), "bronze is not what was replayed")
        return rows

    def exported(self, name="out"):
        return [json.loads(line) for line in self.tool("export", self.store(name), "--sort").splitlines()]

    def check_export(self, name="out"):
        """Invariant 2: what queries see is the recomputation, key by key: winner and source fields."""
        exported = self.exported(name)
        self.assertEqual([row["key"] for row in exported], sorted(self.expected.live, key=str.encode))
        for row in exported:
            source, version = self.expected.winners[row["key"]]
            self.assertEqual(row["source"], source, row["key"])
            if version.fields and source == STREAM:
                self.assertEqual(row["metadata"], version.fields, row["key"])
                self.assertEqual(row["text"], "%s\n\n%s" % (version.fields["subject"], version.fields["text"]))
            elif version.fields:  # of a line of CSV all values are text
                self.assertEqual({k: str(v) for k, v in row["metadata"].items()}, {k: str(v) for k, v in version.fields.items()}, row["key"])
        return exported

    def check_final(self, name="out"):
        self.check_bronze(name)
        return self.check_export(name)

    def check_never_falls(self, asker, end=None):
        self.assertFalse(asker.refused, asker.refused[:3])
        for before, after in zip(asker.sums, asker.sums[1:]):
            self.assertGreaterEqual(after, before, "the sum fell")
        for answer in asker.answers:
            self.assertIn("view", answer["as_of"])
            self.assertIn("cutoff", answer["as_of"])
            self.assertIn("speed", answer["as_of"])
        if end is not None:
            self.assertEqual(asker.sums[-1], end)


def answers_of(exported):
    """What has to be the same whatever the ranks and the interruptions: all but times, places and who answered."""
    return [(row["key"], row["source"], row["text"], row["title"], json.dumps(row["metadata"], sort_keys=True), json.dumps(row["enrichment"], sort_keys=True))
            for row in exported]


def main(module, words):
    RunCase.lamina = os.path.abspath(words[0])
    unittest.main(module=module, argv=["test", *words[1:]], verbosity=2)
