"""Killed at each call that changes the store while pending rows are asked about again, of which some have no answer: nothing is lost, doubled or paid twice.

    test_pending.py LAMINA KILL_AT.so [TEST…]
"""
import os
import shutil
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("batch", "llm"):
    sys.path.insert(0, os.path.join(HERE, "..", "pipeline", folder))
import support  # noqa: E402
import test_llm  # noqa: E402

LIMIT = 120  # seconds that no run here takes
MOMENTS = int(os.environ.get("LAMINA_TEST_MOMENTS") or 20)
PRELOAD = ""


class PendingCase(test_llm.LlmCase):
    def spoiled(self, job, store, at=None, count=None):
        env = {**support.clean_environment(), "LD_PRELOAD": PRELOAD, "LAMINA_KILL_UNDER": self.store(store)}
        if at:
            env["LAMINA_KILL_AT"] = str(at)
        if count:
            env["LAMINA_KILL_COUNT"] = count
        return subprocess.run([self.lamina, "batch", job], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT, env=env)

    def check_store(self, name):
        """The whole of one view or of the other; the number of its view."""
        store = support.Store(self.store(name))
        store.check_counts(self)
        totals = {end: sum(counts[end] for counts in store.counts.values()) for end in ("read", "live", "pending", "quarantined")}
        before, after = {"read": 60, "live": 60, "pending": 60, "quarantined": 0}, {"read": 60, "live": 57, "pending": 0, "quarantined": 3}
        self.assertEqual(totals, before if store.view == 1 else after)
        return store.view

    def test_killed_at_each_step_of_asking_again_in_an_append_dataset(self):
        self.kill_at_each_step("append")

    def test_killed_at_each_step_of_asking_again_in_an_upsert_dataset(self):
        self.kill_at_each_step("upsert")

    def kill_at_each_step(self, kind):
        self.write("a.jsonl", self.records(60))
        self.model.fail = lambda documents: (503, {"error": {"message": "busy"}})
        job = self.llm_job(kind, {"timeout": 2, "patience": 1}, dataset={"kind": kind})
        self.run_batch(job, 0)
        self.assertEqual(self.check_store(kind), 1)
        # of 60, three have no usable answer
        no_answer = {"choices": [{"finish_reason": "stop", "message": {"content": "no thanks"}}]}
        self.model.fail = lambda documents: (200, no_answer) if documents[0][2].split()[2] in ("7", "20", "41") else None
        shutil.copytree(self.store(kind), self.store("before"))
        path = os.path.join(self.folder, "calls")
        done = self.spoiled(job, kind, count=path)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.check_store(kind), 2)
        with open(path) as file:
            calls = int(file.read())
        every = [n for k in range(1, calls + 1) for n in (k, -k)]
        killed = 0
        for at in every[-2 * MOMENTS::2]:  # the last ones: what is staged, and the commit
            with self.subTest(at=at):
                shutil.rmtree(self.store(kind))
                shutil.copytree(self.store("before"), self.store(kind))
                done = self.spoiled(job, kind, at=at)
                self.assertIn(done.returncode, (-9, 0), done.stderr)
                killed += done.returncode == -9
                view = self.check_store(kind)
                self.model.asked.clear()
                report = self.run_batch(job, 0)
                self.assertTrue(report["balanced"])
                self.assertLessEqual(len(set(self.model.texts())), 60 if view == 1 else 0)
                self.assertEqual(self.check_store(kind), 2)
        self.assertGreater(killed, MOMENTS // 2)  # answers are flushed together as they come: a run may make a few calls less than the calm one
        self.check_answers(self.rows(kind))


def load_tests(loader, tests, pattern):
    """Not those that are inherited."""
    return unittest.TestSuite(PendingCase(name) for name in PendingCase.__dict__ if name.startswith("test_"))


if __name__ == "__main__":
    PRELOAD = os.path.abspath(sys.argv[2])
    support.main("__main__", sys.argv[1], sys.argv[3:])
