#!/usr/bin/env python3
"""Runs that train a model, killed between any two of its steps; and the runs after them, which end with the model and the view of an undisturbed one.

    test_model.py LAMINA [TEST…]

Invariants 1, 2 and 8. The moments are told by what stands in the store; where a run was over before the kill, the corpus is too small: the test fails.
"""
import glob
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "pipeline", "batch"))
from support import LIMIT, BatchCase, Store, jsonl, main, ranks_of, records, report_of  # noqa: E402

SMALL = {"batch": {"split": "256 KiB", "memory": "64 MiB", "workers": 1}, "limits": {"document": "1 MiB"}}
KINDS = {"upsert": {}, "append": {"kind": "append", "key": None, "deleted": None, "order_by": None}}


class Interrupted(BatchCase):
    @classmethod
    def setUpClass(cls):
        rng = random.Random(cls.seed)
        cls.shared = tempfile.mkdtemp(prefix="lamina_fault_")
        cls.addClassCleanup(shutil.rmtree, cls.shared, ignore_errors=True)
        cls.expected, cls.rows = {}, 0
        for name in ("a.jsonl", "b.jsonl"):
            content, known = jsonl(rng, records(rng, 24000, 40000, text=20))
            cls.rows += len(known)
            with open(os.path.join(cls.shared, name), "wb") as file:
                file.write(content)
            os.utime(file.name, (time.time() - 60, time.time() - 60))

    def setUp(self):
        super().setUp()
        os.rmdir(self.data)
        os.symlink(self.shared, self.data)

    def calm(self, kind):
        """View, counts and model of a run that nobody disturbs."""
        if kind not in self.expected:
            self.batch(self.job("calm-" + kind, dataset=dict(KINDS[kind]), **SMALL), 2)
            store = Store(self.store("calm-" + kind))
            self.expected[kind] = store.answer(), store.totals(), self.model_of(store)
        return self.expected[kind]

    def model_of(self, store):
        model = [m for m in store.models if m["kind"] == "builtin"][-1]
        with open(os.path.join(store.root, model["path"]), "rb") as file:
            return file.read()

    # --- moments ---

    def staged_rows(self):
        count = 0
        for path in glob.glob(os.path.join(self.store(), "runs", "*", "staged-*.json")):
            with open(path) as file:
                count += sum(piece["rows"] for piece in json.load(file)["pieces"])
        return count

    def while_reading(self):
        return self.staged_rows() > 0

    def after_pass_1(self):
        return self.staged_rows() >= self.rows

    def model_written(self):
        return glob.glob(os.path.join(self.store(), "models", "*"))

    def model_committed(self):
        return Store(self.store()).models

    def in_pass_2(self):
        return glob.glob(os.path.join(self.store(), "silver", "*")) and self.model_committed()

    def kill_when(self, moment, job, ranks, rank, words=()):
        process = self.start(job, ranks, words)
        until = time.monotonic() + LIMIT
        while not moment():
            self.assertIsNone(process.poll(), "the run ended before its moment came")
            self.assertLess(time.monotonic(), until)
            time.sleep(0.002)
        pid = ranks_of(process.pid)[rank] if ranks else process.pid
        os.kill(pid, signal.SIGKILL)
        code, out = self.finish(process)
        self.assertNotEqual(code, 0, "the run was over before the kill: %s" % out)

    def check(self, kind, view=1):
        answer, totals, model = self.calm(kind)
        store = Store(self.store())
        self.assertEqual(store.view, view)
        self.assertEqual(store.totals(), totals)
        store.check_counts(self)
        self.assertEqual(sum(c["pending"] for c in store.counts.values()), 0)
        self.assertEqual(self.model_of(store), model, "the model is another one than that of an undisturbed run")
        apart = ("model", "space") if view == 1 else ("model", "space", "life", "order")  # the scan of another view is another life
        same = lambda rows: [sorted(tuple(f for f in row if f[0] not in apart) for row in part) for part in rows]
        self.assertTrue(same(store.answer()) == same(answer), "the view is another one than that of an undisturbed run")
        self.assertEqual(len({row["model"] for row in store.rows()}), 1)
        for row in store.rows():
            self.assertTrue(row["space"].endswith(b"+m%d" % row["model"]), "a vector's space names the model that it was made with")

    def interrupted(self, moment, kind, ranks, rank, then):
        job = self.job(dataset=dict(KINDS[kind]), **SMALL)
        self.kill_when(moment, job, ranks, rank)
        self.assertEqual(Store(self.store()).view, 0)
        self.batch(job, then)
        self.assertGreater(report_of(self.store())["adopted"], 0, "the next run takes over what was staged")
        self.check(kind)

    def test_kill_in_pass_1(self):
        self.interrupted(self.while_reading, "upsert", 2, 1, 3)

    def test_kill_after_pass_1_before_there_is_a_model(self):
        self.interrupted(self.after_pass_1, "upsert", 3, 0, 1)

    def test_kill_of_another_rank_after_pass_1(self):
        self.interrupted(self.after_pass_1, "upsert", 2, 1, 0)

    def test_kill_when_the_model_is_written(self):
        self.interrupted(self.model_written, "upsert", 0, 0, 2)

    def test_kill_when_the_model_is_committed(self):
        self.interrupted(self.model_committed, "upsert", 2, 0, 3)
        self.assertEqual(len(Store(self.store()).models), 1, "it is not trained again")

    def test_kill_in_pass_2_of_upsert(self):
        self.interrupted(self.in_pass_2, "upsert", 1, 0, 2)
        self.assertEqual(len(Store(self.store()).models), 1)

    def test_kill_in_pass_2_of_append(self):
        self.calm("append")  # silver of append is staged before there is a model
        self.interrupted(self.model_committed, "append", 2, 1, 1)
        self.assertEqual(len(Store(self.store()).models), 1)

    def test_two_kills_in_a_row(self):
        job = self.job(**SMALL)
        self.kill_when(self.after_pass_1, job, 2, 0)
        self.kill_when(self.model_committed, job, 1, 0)
        self.batch(job, 3)
        self.check("upsert")

    def test_retrain_that_is_killed_leaves_the_view_and_goes_on_when_it_had_its_model(self):
        job = self.job(**SMALL)
        self.batch(job, 1)
        before, staged = Store(self.store()).answer(), self.staged_rows()
        self.kill_when(lambda: self.staged_rows() >= staged + self.rows, job, 2, 0, ["--retrain"])
        self.assertIn("Nothing new", self.batch(job), "it had none yet: the view stands")
        self.assertTrue(Store(self.store()).answer() == before)
        self.kill_when(lambda: len(self.model_committed()) > 1, job, 1, 0, ["--retrain"])
        self.assertEqual(Store(self.store()).view, 1)
        self.batch(job, 2)
        self.assertEqual({row["model"] for row in Store(self.store()).rows()}, {2})
        self.check("upsert", view=2)


if __name__ == "__main__":
    main("__main__", sys.argv[1], sys.argv[2:])
