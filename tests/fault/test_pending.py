"""Killed at each call that changes the store while pending rows of an append dataset are asked about again: nothing is lost, doubled or paid twice.

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
    def spoiled(self, job, at=None, count=None):
        env = {**support.clean_environment(), "LD_PRELOAD": PRELOAD, "LAMINA_KILL_UNDER": self.store("out")}
        if at:
            env["LAMINA_KILL_AT"] = str(at)
        if count:
            env["LAMINA_KILL_COUNT"] = count
        return subprocess.run([self.lamina, "batch", job], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT, env=env)

    def test_killed_at_each_step_of_asking_again(self):
        self.write("a.jsonl", self.records(60))
        self.model.fail = lambda documents: (503, {"error": {"message": "busy"}})
        job = self.append_job()
        self.run_batch(job, 0)
        self.check_counts(60, 60)
        # of 60, three wait for ever: rows that were asked about again, and still have no usable answer
        no_answer = {"choices": [{"finish_reason": "stop", "message": {"content": "no thanks"}}]}
        self.model.fail = lambda documents: (200, no_answer) if documents[0][2].split()[2] in ("7", "20", "41") else None
        shutil.copytree(self.store("out"), self.store("before"))
        path = os.path.join(self.folder, "calls")
        done = self.spoiled(job, count=path)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.check_counts(3, 60)
        with open(path) as file:
            calls = int(file.read())
        every = [n for k in range(1, calls + 1) for n in (k, -k)]
        killed = 0
        for at in every[-2 * MOMENTS::2]:  # the last ones: what is staged, and the commit
            with self.subTest(at=at):
                shutil.rmtree(self.store("out"))
                shutil.copytree(self.store("before"), self.store("out"))
                done = self.spoiled(job, at=at)
                self.assertIn(done.returncode, (-9, 0), done.stderr)
                killed += done.returncode == -9
                view = support.Store(self.store("out")).view
                self.check_counts(60 if view == 1 else 3, 60)
                self.model.asked.clear()
                report = self.run_batch(job, 0)
                self.assertTrue(report["balanced"])
                self.assertLessEqual(len(set(self.model.texts())), 60 if view == 1 else 3)
                self.check_counts(3, 60)
        self.assertGreater(killed, MOMENTS // 2)  # answers are flushed together as they come: a run may make a few calls less than the calm one
        self.model.fail = None
        self.run_batch(job, 0)
        self.check_counts(0, 60)
        self.check_answers(self.rows())


def load_tests(loader, tests, pattern):
    """Not those that are inherited."""
    return unittest.TestSuite(PendingCase(name) for name in PendingCase.__dict__ if name.startswith("test_"))


if __name__ == "__main__":
    PRELOAD = os.path.abspath(sys.argv[2])
    support.main("__main__", sys.argv[1], sys.argv[3:])
