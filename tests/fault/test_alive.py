#!/usr/bin/env python3
"""Who is alive: a job whose disk is slow goes on being so, one whose threads hang ends, and its counter stands still where it cannot.

    test_alive.py LAMINA MOCK_KAFKA HANG_AT.so [TEST…]
"""
import glob
import os
import signal
import sys
import time

PRELOAD = sys.argv.pop(3)
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "pipeline", "speed"))
from speed_support import SpeedCase, main  # noqa: E402
import support  # noqa: E402

WATCHED = 10  # seconds that a newcomer on another host looks at a counter


class Alive(SpeedCase):
    events = 100

    def setUp(self):
        super().setUp()
        self.fill()
        self.file = os.path.join(self.folder, "hang")
        before = support.clean_environment
        self.addCleanup(setattr, support, "clean_environment", before)
        support.clean_environment = lambda: {**before(), "LD_PRELOAD": PRELOAD, **self.env}
        self.env = {}

    def hang(self, what):
        self.env[what] = self.file
        open(self.file, "w").close()

    def go_on(self):
        os.unlink(self.file)

    def hangs(self):
        return os.path.exists(self.file + ".hangs")

    def counter(self):
        path, = glob.glob(os.path.join(self.store(), "runs", "*", "alive"))
        with open(path) as file:
            return file.read()

    def moves(self, run):
        """Within what a newcomer watches?"""
        first, until = self.counter(), time.monotonic() + WATCHED
        while time.monotonic() < until:
            self.assertIsNone(run.process.poll(), "".join(run.lines))
            if self.counter() != first:
                return True
            time.sleep(0.1)
        return False

    def test_a_disk_that_hangs_over_a_roll_is_no_death(self):
        self.hang("LAMINA_HANG_SYNC")
        run = self.start(self.speed_job(roll={"seconds": 1}), verb="speed", words=["--until-end"])
        run.wait_for(self.hangs)
        self.assertTrue(self.moves(run))
        self.go_on()
        self.assertEqual(run.finish()[0], 0, "".join(run.lines))
        self.check_bronze()

    def test_a_thread_that_hangs_ends_the_job_and_the_next_one_goes_on(self):
        job = self.speed_job()
        for ranks, deadline in ((0, 1), (3, 4)):  # ranks on a busy machine may be silent for a second
            self.hang("LAMINA_HANG_POLL")
            run = self.start(job, ranks, verb="speed", words=["--set", "deadline=%d" % deadline])
            run.wait_for(self.hangs)
            self.assertEqual(run.finish()[0], 1, "".join(run.lines))
            self.assertTrue(run.said("the thread that consumes has done nothing for %d.0 s" % (5 * deadline)), "".join(run.lines))
            os.unlink(self.file + ".hangs")
        self.go_on()
        self.speed(job)
        self.check_bronze()

    def test_a_job_that_was_stopped_and_goes_on_does_not_hang(self):
        run = self.start(self.speed_job(), verb="speed", words=["--set", "deadline=1"])
        run.wait_for(lambda: sum(self.broker.committed()) == len(self.lines))
        run.process.send_signal(signal.SIGSTOP)
        time.sleep(6)  # beyond what the thread may be silent for
        run.process.send_signal(signal.SIGCONT)
        time.sleep(1)
        run.process.send_signal(signal.SIGTERM)
        self.assertEqual(run.finish()[0], 0, "".join(run.lines))
        self.check_bronze()


if __name__ == "__main__":
    main("__main__")
