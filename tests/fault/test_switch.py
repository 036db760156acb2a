#!/usr/bin/env python3
"""A crash at each step of a view switch: the batch run that takes over what the speed layer archived, and the job that holds all three layers, are killed at each call
that makes, names, removes or syncs a file, before it and after it. What is asked then, and what the next run ends with, is the same as ever.

    test_switch.py LAMINA MOCK_KAFKA KILL_AT.so [TEST…]

Invariants 1, 2 and 6. Each test tries the moments that LAMINA_TEST_MOMENTS (40) allows, spread over all of them from a printed seed; 0 tries every one.
"""
import os
import random
import shutil
import signal
import subprocess
import sys

PRELOAD = sys.argv.pop(3)
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "pipeline", "speed"))
from speed_support import LIMIT, SpeedCase, main  # noqa: E402
import support  # noqa: E402

MOMENTS = int(os.environ.get("LAMINA_TEST_MOMENTS", "40"))


class Switch(SpeedCase):
    events = 240

    def setUp(self):
        super().setUp()
        self.seed = int(os.environ.get("LAMINA_TEST_SEED") or random.randrange(1 << 30))
        print("seed", self.seed)

    def chosen(self, total):
        """-n: after the n-th call is done; n: instead of it. Neighbours are spread over all of the run."""
        every = [n for k in range(1, total + 1) for n in (k, -k)]
        if not MOMENTS or MOMENTS >= len(every):
            return every
        step = len(every) / MOMENTS
        rng = random.Random(self.seed)
        return [every[int((i + rng.random()) * step)] for i in range(MOMENTS)]

    def spoiled(self, job, store, words, at=None, count=None):
        env = {**support.clean_environment(), "LD_PRELOAD": PRELOAD, "LAMINA_KILL_UNDER": store}
        if at:
            env["LAMINA_KILL_AT"] = str(at)
        if count:
            env["LAMINA_KILL_COUNT"] = count
        return subprocess.run([self.lamina, *words, job], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT, env=env)

    def calls(self, job, store, words):
        path = os.path.join(self.folder, "calls")
        done = self.spoiled(job, store, words, count=path)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(path) as file:
            return int(file.read())

    def answers(self, name):
        return sorted((row["key"], row["source"], row["text"], str(row["metadata"])) for row in self.exported(name))

    def prepared(self):
        """View 1 covers half of the events, and all of the speed layer's first half; the other half is archived and is to change hands."""
        half = len(self.lines) // 2
        job = self.speed_job("before")
        self.fill(self.lines[:half])
        self.speed(job)
        self.to_end(job, verb="batch")
        self.fill(self.lines[half:])
        self.speed(job)
        return job

    def test_a_batch_killed_at_each_step_of_its_view(self):
        self.prepared()
        expected = self.answers("before")
        self.assertEqual(sorted(key for key, *_ in expected), sorted(self.expected.live))
        shutil.copytree(self.store("before"), self.store("calm"))
        calls = self.calls(self.speed_job("calm"), self.store("calm"), ["batch"])
        self.assertEqual(support.Store(self.store("calm")).view, 2)
        self.assertEqual(self.answers("calm"), expected, "the seam shows")
        self.assertGreater(calls, 30)
        for at in self.chosen(calls):
            with self.subTest(seed=self.seed, at=at, of=calls):
                shutil.rmtree(self.store(), ignore_errors=True)
                shutil.copytree(self.store("before"), self.store())
                job = self.speed_job()
                done = self.spoiled(job, self.store(), ["batch"], at=at)
                self.assertEqual(done.returncode, -signal.SIGKILL, done.stderr)
                self.tool("store", "check", self.store())
                self.assertEqual(self.answers("out"), expected, "after the crash")
                self.to_end(job, verb="batch")
                self.tool("store", "check", self.store())
                self.assertEqual(self.answers("out"), expected, "after the next run")
                store = support.Store(self.store())
                self.assertEqual(store.view, 2)
                store.check_counts(self)
                self.assertFalse([entry for entry in store.live.values() if entry["kind"] == "speed"], "the speed layer did not let go")

    def test_all_three_layers_killed_while_views_are_switched(self):
        """One process consumes, archives, publishes and answers; its next life goes on from wherever it was."""
        job = self.job("calm", rate=1000, every=80)
        calls = self.calls(job, self.store("calm"), ["run", "--quiet"])
        self.assertGreater(support.Store(self.store("calm")).view, 1)
        self.to_end(job, verb="batch")
        expected = self.answers("calm")
        for at in self.chosen(calls)[::2]:
            with self.subTest(seed=self.seed, at=at, of=calls):
                shutil.rmtree(self.store(), ignore_errors=True)
                job = self.job(rate=1000, every=80)
                done = self.spoiled(job, self.store(), ["run", "--quiet"], at=at)
                self.assertIn(done.returncode, (-signal.SIGKILL, 0), done.stderr)  # 0: this time there were fewer calls
                if os.path.isdir(os.path.join(self.store(), "log")):
                    self.tool("store", "check", self.store())
                self.to_end(job)
                self.tool("store", "check", self.store())
                self.assertEqual(self.answers("out"), expected)
                self.check_bronze()


if __name__ == "__main__":
    main("__main__")
