#!/usr/bin/env python3
"""Queries while a job runs: view, speed segments and the tail in memory are one answer, whose counts balance at every moment, and which ends as the naive one.

    test_tail.py LAMINA [TEST…]
"""
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import unittest
import urllib.request

from test_query import LAMINA, Case, environment

EVENTS, DOCUMENTS = 1500, 300


class Tail(Case):
    def generate(self):
        documents = [{"id": "k%d" % self.rng.randrange(400), "rev": i + 1, "text": "refund %d" % i} for i in range(DOCUMENTS)]
        events = [{"id": "k%d" % self.rng.randrange(600), "rev": 10000 + i, "gone": self.rng.random() < 0.1, "text": "outage %d" % i} for i in range(EVENTS)]
        self.write("d.jsonl", documents)
        with open(os.path.join(self.folder, "events.jsonl"), "w") as file:
            file.writelines(json.dumps(e) + "\n" for e in events)
        job = {"name": "tail", "store": "out", "dataset": {"kind": "upsert", "key": ["/id"], "order_by": "/rev", "text": ["/text"], "deleted": "/gone"},
               "sources": [{"name": "docs", "type": "files", "path": "data/**"}],
               "stream": {"name": "events", "brokers": "local", "topic": "in", "partitions": 3, "roll": {"seconds": 1}, "replay": {"path": "events.jsonl", "rate": 500},
                          "route": "out_{category}", "route_default": "out_default"},
               "tasks": {"sentiment": {}}, "batch": {"every": {"records": EVENTS * 3 // 4}}, "commit_interval": 1, "serve": {"listen": "127.0.0.1:0", "keep": True}}
        with open(os.path.join(self.folder, "job.json"), "w") as file:
            json.dump(job, file)
        newest = {}
        for rec in documents + events:
            newest[rec["id"]] = rec
        return newest

    def get(self, path, body=None):
        request = urllib.request.Request(self.url + path, data=body and json.dumps(body).encode(), headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def start(self, ranks):
        self.errors = open(os.path.join(self.folder, "run.err"), "w+")
        self.addCleanup(self.errors.close)
        words = ["launch", "-n", str(ranks)] if ranks else []
        job = subprocess.Popen([LAMINA, *words, "run", "job.json"], stdout=subprocess.DEVNULL, stderr=self.errors, env=environment(), cwd=self.folder)
        self.addCleanup(job.wait)
        self.addCleanup(job.kill)
        until = time.monotonic() + 60
        while True:
            with open(self.errors.name) as file:
                found = re.search(r"http://127\.0\.0\.1:\d+", file.read())
            if found:
                self.url = found.group(0)
                return job
            self.assertIsNone(job.poll(), "the job ended")
            self.assertLess(time.monotonic(), until, "no address was told")
            time.sleep(0.1)

    def check(self, ranks):
        newest, read, layers, until = self.generate(), 0, set(), time.monotonic() + 90
        job = self.start(ranks)
        while read < DOCUMENTS + EVENTS:
            self.assertLess(time.monotonic(), until, "read %d" % read)
            status = self.get("/v1/status")
            self.assertTrue(all(s["balanced"] for s in status["sources"]), status)
            self.assertGreaterEqual(status["counts"]["read"], read, "what was read stays read")
            read = status["counts"]["read"]
            layers |= {name for name, rows in status["rows"].items() if rows}
            revs = {}
            for row in self.get("/v1/records?limit=10000")["records"]:
                self.assertNotIn(row["key"], revs, "a key twice")
                revs[row["key"]] = row["metadata"]["rev"]
            time.sleep(0.05)
        self.assertEqual(layers, {"view", "speed", "tail"}, "all of them were merged")
        live = {key: rec["rev"] for key, rec in newest.items() if not rec.get("gone")}
        self.assertEqual({r["key"]: r["metadata"]["rev"] for r in self.get("/v1/records?limit=10000")["records"]}, live)
        total = self.get("/v1/aggregate", {"metrics": [{"op": "sum", "field": "/rev"}]})
        self.assertEqual((total["rows"], total["groups"][0]["metrics"]["sum(/rev)"]), (len(live), sum(live.values())))
        counts = self.get("/v1/status")["counts"]
        self.assertEqual((counts["read"], counts["live"], counts["deleted"]), (DOCUMENTS + EVENTS, len(live), len(newest) - len(live)))
        for key in random.Random(self.seed).sample(sorted(live), 10):
            self.assertEqual(self.get("/v1/records/" + key)["record"]["metadata"]["rev"], live[key])
        job.send_signal(signal.SIGTERM)
        self.assertIn(job.wait(timeout=60), (0, 75))
        self.assertTrue(self.json("store", "check", "out")["ok"])
        offline = [json.loads(line) for line in self.lamina("export", "out").stdout.splitlines()]
        self.assertEqual({r["key"]: r["metadata"]["rev"] for r in offline}, live, "what was in memory is archived by a clean stop")

    def test_answers_of_one_process_are_exact_at_every_moment(self):
        self.check(0)

    def test_answers_of_three_ranks_are_exact_at_every_moment(self):
        self.check(3)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:], verbosity=2)
