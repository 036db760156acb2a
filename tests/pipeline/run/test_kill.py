#!/usr/bin/env python3
"""kill -9 of each role in the middle of `lamina launch run`: the job ends within seconds, and the next one, on other ranks, ends with the same answers.

    test_kill.py LAMINA [TEST…]
"""
import os
import signal
import sys
import time

from run_support import SECONDS, RunCase, main
import support


class Killed(RunCase):
    def kill(self, rank, ranks, at, then):
        job = self.job(rate=400)
        run = self.start(job, ranks)
        run.wait_for(lambda: run.url and run.sum() >= at * self.printed)
        pids = support.ranks_of(run.process.pid)
        self.assertEqual(sorted(pids), list(range(ranks)))
        began = time.monotonic()
        os.kill(pids[rank], signal.SIGKILL)
        code, _ = run.finish(3 * SECONDS)
        self.assertLess(time.monotonic() - began, SECONDS)
        self.assertNotEqual(code, 0)
        self.assertFalse([pid for pid in pids.values() if self.lives(pid)], "a rank outlives its job")
        _, out = self.to_end(job, then, ["--json"])
        self.check_report(out)
        self.check_final()

    @staticmethod
    def lives(pid):
        try:
            with open("/proc/%d/stat" % pid) as file:
                return file.read().rsplit(")", 1)[1].split()[0] != "Z"
        except OSError:
            return False

    def test_speed_rank(self):
        self.kill(1, 4, 0.5, 2)

    def test_batch_rank(self):
        self.kill(2, 4, 0.3, 0)

    def test_rank_0(self):
        self.kill(0, 4, 0.6, 3)

    def test_one_process(self):
        job = self.job(rate=400)
        run = self.start(job)
        run.wait_for(lambda: run.url and run.sum() >= 0.5 * self.printed)
        run.process.kill()
        run.finish()
        _, out = self.to_end(job, 4, ["--json"])
        self.check_report(out)
        self.check_final()


if __name__ == "__main__":
    main("__main__", sys.argv[1:])
