#!/usr/bin/env python3
"""Reading a store by the real binary: query, export, store, status, stop and serve answer what a naive recomputation of the documents says.

    test_query.py LAMINA [TEST…]
"""
import collections
import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

LAMINA = sys.argv[1]
LIMIT = 120  # seconds that nothing here takes: a hang fails instead of waiting
LABELS = ["billing", "outage", "question", "praise"]
RANKS = (0, 3)  # 0: one process without a launcher


def environment():
    """Not that of a rank or a Slurm job, which would change what launch does."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("PMI", "OMPI_COMM", "SLURM_", "PRTE"))}


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="lamina_query_")
        self.addCleanup(shutil.rmtree, self.folder)
        self.seed = int(os.environ.get("LAMINA_TEST_SEED", random.randrange(1 << 32)))
        self.rng = random.Random(self.seed)
        self.rev = 0
        print("%s: LAMINA_TEST_SEED=%d" % (self.id(), self.seed), file=sys.stderr)

    def lamina(self, *words, code=0):
        done = subprocess.run([LAMINA, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT, env=environment(), cwd=self.folder)
        self.assertEqual(done.returncode, code, "%s\n%s\n%s" % (words, done.stdout[-3000:], done.stderr[-3000:]))
        return done

    def json(self, *words, code=0):
        return json.loads(self.lamina(*words, "--json", code=code).stdout)

    def records(self, count, keys):
        made = []
        for _ in range(count):
            self.rev += 1
            made.append({"id": "k%d é" % self.rng.randrange(keys), "rev": self.rev, "label": self.rng.choice(LABELS), "gone": self.rng.random() < 0.1,
                         "text": "%s, \"quoted\"\nline %d %s" % (self.rng.choice(LABELS), self.rev, "word " * self.rng.randrange(60))})
        self.rng.shuffle(made)
        return made

    def write(self, name, records, mode="w"):
        path = os.path.join(self.folder, "data", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, mode) as file:
            for rec in records:
                file.write(json.dumps(rec) + "\n")

    def batch(self, kind, ranks):
        job = {"name": "q", "store": "out", "dataset": {"kind": kind, "text": ["/text"]}, "sources": [{"name": "docs", "type": "files", "path": "data/**"}],
               "batch": {"split": "32 KiB"}, "serve": {"listen": "127.0.0.1:0"}, "tasks": {"sentiment": {}, "embed": {"dim": 16}}}
        if kind == "upsert":
            job["dataset"].update({"key": ["/id"], "order_by": "/rev", "deleted": "/gone"})
        with open(os.path.join(self.folder, "job.json"), "w") as file:
            json.dump(job, file)
        words = ["batch", "-q", "job.json"]
        return self.json(*(["launch", "-n", str(ranks)] if ranks else []), *words)

    # --- what is expected ---

    def check_rows(self, expected, append):
        """expected: the records that are to be seen."""
        exported = [json.loads(line) for line in self.lamina("export", "out").stdout.splitlines()]
        self.assertEqual(sorted(r["metadata"]["rev"] for r in exported), sorted(r["rev"] for r in expected))
        by_rev = {r["rev"]: r for r in expected}
        for row in exported:
            self.assertEqual(row["metadata"], by_rev[row["metadata"]["rev"]])
            self.assertEqual(row["text"], row["metadata"]["text"])
            self.assertEqual((row["source"], row["layer"]), ("docs", "batch"))
        self.check_pages(exported)
        self.check_sorted(exported)
        self.check_filters(exported, expected)
        self.check_aggregate(expected)
        if not append:
            self.check_keys(exported)

    def check_pages(self, exported):
        """Pages of any size have each record once, in the order of the export."""
        for limit in (97, 1000):
            paged, cursor = [], None
            while True:
                page = self.json("query", "out", "--limit", str(limit), *(["--cursor", cursor] if cursor else []))
                self.assertLessEqual(len(page["records"]), limit)
                paged += page["records"]
                cursor = page["next_cursor"]
                if not cursor:
                    break
            self.assertTrue(paged == exported, "pages of %d are not the export" % limit)

    def check_sorted(self, exported):
        keys = [json.loads(line)["key"] for line in self.lamina("export", "out", "--sort").stdout.splitlines()]
        self.assertEqual(keys, sorted((r["key"] for r in exported), key=lambda k: k.encode()))
        self.lamina("export", "out", "--format", "csv", "--sort", "--output", "rows.csv")
        with open(os.path.join(self.folder, "rows.csv"), newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual([r["key"] for r in rows], keys)
        self.assertEqual(sorted(r["text"] for r in rows), sorted(r["text"] for r in exported))

    def check_filters(self, exported, expected):
        for words, holds in ((["--filter", "/label=outage"], lambda r: r["label"] == "outage"),
                             (["--filter", "/label.in=billing,praise", "--filter", "/rev.ge=700"], lambda r: r["label"] in ("billing", "praise") and r["rev"] >= 700),
                             (["--filter", '{"not":{"field":"/label","eq":"outage"}}'], lambda r: r["label"] != "outage")):
            wanted = sorted(r["rev"] for r in expected if holds(r))
            found = [json.loads(line)["metadata"]["rev"] for line in self.lamina("export", "out", *words).stdout.splitlines()]
            self.assertEqual(sorted(found), wanted)
            queried = self.json("query", "out", "--limit", "10000", *words)
            self.assertEqual([r["metadata"]["rev"] for r in queried["records"]], found)

    def check_aggregate(self, expected):
        ask = {"metrics": [{"op": "count"}, {"op": "sum", "field": "/rev"}, {"op": "max", "field": "/rev"}], "group_by": ["/label"]}
        answer = self.json("query", "out", "--aggregate", json.dumps(ask))
        naive = collections.defaultdict(list)
        for rec in expected:
            naive[rec["label"]].append(rec["rev"])
        self.assertEqual(answer["rows"], len(expected))
        self.assertEqual({g["by"]["/label"]: (g["count"], g["metrics"]["sum(/rev)"], g["metrics"]["max(/rev)"]) for g in answer["groups"]},
                         {label: (len(revs), sum(revs), max(revs)) for label, revs in naive.items()})

    def check_keys(self, exported):
        for row in self.rng.sample(exported, min(20, len(exported))):
            self.assertEqual(self.json("query", "out", "--key", row["key"])["record"], row)

    def check_counts(self, **wanted):
        status = self.json("query", "out", "--status")
        for name, value in wanted.items():
            self.assertEqual(status["counts"][name], value, name)
        self.assertTrue(status["counts"]["balanced"])
        self.assertTrue(all(s["balanced"] for s in status["sources"]))
        counts = self.json("status", "out")["counts"]["totals"]
        self.assertEqual({name: counts[name] for name in wanted}, wanted)
        self.assertTrue(self.json("store", "check", "out")["ok"])

    def segment(self, kind):
        return max((s for s in self.json("store", "ls", "out")["segments"] if s["kind"] == kind), key=lambda s: s["bytes"])


class Answers(Case):
    def upsert(self, files):
        versions = collections.defaultdict(list)
        for records in files:
            for rec in records:
                versions[rec["id"]].append(rec)
        newest = [max(v, key=lambda r: r["rev"]) for v in versions.values()]
        return [r for r in newest if not r["gone"]], [r for r in newest if r["gone"]]

    def test_upsert_answers_are_the_naive_ones_over_two_views_on_any_ranks(self):
        for ranks in RANKS:
            with self.subTest(ranks=ranks):
                shutil.rmtree(os.path.join(self.folder, "out"), ignore_errors=True)
                shutil.rmtree(os.path.join(self.folder, "data"), ignore_errors=True)
                files = [self.records(400, 900) for _ in range(5)]
                for i, records in enumerate(files):
                    self.write("f%d.jsonl" % i, records)
                self.batch("upsert", ranks)
                live, gone = self.upsert(files)
                self.check_rows(live, False)
                self.check_counts(read=2000, live=len(live), deleted=len(gone), quarantined=0)
                for rec in gone[:5]:
                    self.assertIn("no record", self.lamina("query", "out", "--key", rec["id"], code=1).stderr)

                changed, more, new = self.records(400, 900), self.records(300, 900), self.records(300, 900)
                self.write("f0.jsonl", changed)         # read anew; keys that it no longer has stay
                self.write("f1.jsonl", more, mode="a")  # grown
                os.unlink(os.path.join(self.folder, "data", "f2.jsonl"))  # its rows stay
                self.write("new/f5.jsonl", new)
                self.assertEqual(self.batch("upsert", ranks)["view"], 2)
                live, gone = self.upsert(files + [changed, more, new])
                self.check_rows(live, False)
                self.check_counts(read=3000, live=len(live), deleted=len(gone))
                self.assertTrue(self.batch("upsert", ranks)["nothing_new"])

    def test_append_answers_have_each_record_once_over_two_views(self):
        for ranks in RANKS:
            with self.subTest(ranks=ranks):
                shutil.rmtree(os.path.join(self.folder, "out"), ignore_errors=True)
                shutil.rmtree(os.path.join(self.folder, "data"), ignore_errors=True)
                files = [self.records(300, 900) for _ in range(4)]
                for i, records in enumerate(files):
                    self.write("f%d.jsonl" % i, records)
                self.batch("append", ranks)
                self.check_rows(sum(files, []), True)
                changed, more = self.records(200, 900), self.records(100, 900)
                self.write("f0.jsonl", changed)  # its older rows are superseded
                self.write("f1.jsonl", more, mode="a")
                self.batch("append", ranks)
                expected = sum(files[1:], []) + changed + more
                self.check_rows(expected, True)
                self.check_counts(read=1500, live=len(expected), superseded=300, deleted=0)


class Damage(Case):
    def test_a_flipped_byte_is_named_by_check_and_by_queries(self):
        self.write("f.jsonl", self.records(500, 10000))
        self.batch("upsert", 0)
        path = self.segment("run")["path"]
        file = os.path.join(self.folder, "out", path)
        os.chmod(file, 0o644)
        with open(file, "r+b") as f:
            data = f.read()
            at = data.index(b"quoted")
            f.seek(at)
            f.write(b"Q")
        found = self.json("store", "check", "out", code=1)
        self.assertFalse(found["ok"])
        self.assertEqual([p["path"] for p in found["problems"]], [path])
        self.assertIn(path, self.lamina("query", "out", code=1).stderr)
        self.assertIn(path, self.lamina("export", "out", code=1).stderr)
        self.json("query", "out", "--aggregate", '{"metrics":[{"op":"count"}]}')  # reads no text: the rest is whole
        os.truncate(file, 4096)
        self.assertIn(path, self.lamina("query", "out", code=1).stderr)
        os.unlink(file)
        error = self.lamina("query", "out", code=1).stderr
        self.assertIn("missing", error)
        self.assertIn(path, error)

    def test_bad_usage_is_exit_2(self):
        self.write("f.jsonl", self.records(10, 100))
        self.batch("upsert", 0)
        for words in (("query", "nowhere"), ("query", "out", "--filter", "nonsense"), ("query", "out", "--filter", "nofield=1"), ("query", "out", "--cursor", "x"),
                      ("query", "out", "--key", "a", "--limit", "3"), ("query", "out", "--aggregate", "{"), ("export", "out", "--format", "xml"),
                      ("store", "burn", "out"), ("status", "nowhere"), ("stop", "nowhere")):
            self.lamina(*words, code=2)
        self.assertIn("No job", self.lamina("stop", "out").stdout)
        jobs = self.json("status", "out")["jobs"]
        self.assertEqual([(j["layers"], j["state"]) for j in jobs], [(["batch"], "ended")])


class Serving(Case):
    def get(self, url):
        with urllib.request.urlopen(url, timeout=30) as answer:
            return json.load(answer)

    def test_serve_answers_as_query_does_and_follows_new_views(self):
        self.write("f.jsonl", self.records(300, 10000))
        self.batch("upsert", 0)
        server = subprocess.Popen([LAMINA, "serve", "job.json", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(), cwd=self.folder)
        self.addCleanup(server.communicate)
        self.addCleanup(server.kill)
        url = json.loads(server.stdout.readline())["url"]
        served = self.get(url + "/v1/records?limit=1000")
        queried = self.json("query", "out", "--limit", "1000")
        self.assertEqual(served["records"], queried["records"])
        self.assertEqual(served["as_of"]["view"], 1)
        with self.assertRaises(urllib.error.HTTPError) as missing:
            self.get(url + "/v1/records/nobody")
        self.assertEqual(missing.exception.code, 404)
        missing.exception.close()
        self.write("g.jsonl", self.records(100, 10000))
        self.batch("upsert", 0)
        until = time.monotonic() + 30
        while self.get(url + "/v1/status")["as_of"]["view"] < 2:
            self.assertLess(time.monotonic(), until, "the new view is never taken up")
            time.sleep(0.1)
        self.assertEqual(self.get(url + "/v1/records?limit=1000")["records"], self.json("query", "out", "--limit", "1000")["records"])
        server.send_signal(signal.SIGTERM)
        self.assertEqual(server.wait(timeout=30), 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:], verbosity=2)
