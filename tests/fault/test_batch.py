#!/usr/bin/env python3
"""Batch runs that are killed, stopped, or find the store taken or full; and the runs after them, which must end with the view of an undisturbed one.

    test_batch.py LAMINA [TEST…]

Invariants 1, 5, 8, 11 and 12. Moments are random within a run, from a printed seed; what must hold does not depend on them.
"""
import glob
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "pipeline", "batch"))
from support import LIMIT, BatchCase, Store, gz, jsonl, main, naive_upsert, ranks_of, records, report_of, text_of  # noqa: E402

SMALL = {"batch": {"split": "256 KiB", "memory": "64 MiB", "workers": 1}, "limits": {"document": "1 MiB"}}  # groups of 8 MiB: staged early
ENDS_WITHIN = 10  # seconds after a rank died
RESUME = 75


class Disturbed(BatchCase):
    """One corpus for all tests, and the view of a run that nobody disturbs."""

    expected = None

    @classmethod
    def setUpClass(cls):
        rng = random.Random(cls.seed)
        cls.shared = tempfile.mkdtemp(prefix="lamina_fault_")
        cls.addClassCleanup(shutil.rmtree, cls.shared, ignore_errors=True)
        cls.known = {}
        os.mkdir(os.path.join(cls.shared, "data"))
        for name, count, pack in (("a.jsonl", 26000, None), ("b.jsonl", 26000, None), ("c.jsonl.gz", 12000, gz)):
            content, cls.known[name] = jsonl(rng, records(rng, count, 50000, text=20), bad=0.001)
            with open(os.path.join(cls.shared, "data", name), "wb") as file:
                file.write(pack(content) if pack else content)
            os.utime(file.name, (time.time() - 60, time.time() - 60))

    def setUp(self):
        super().setUp()
        os.rmdir(self.data)
        os.symlink(os.path.join(self.shared, "data"), self.data)
        if Disturbed.expected is None:
            began = time.monotonic()
            self.batch(self.job("calm", **SMALL), 3)
            Disturbed.seconds = time.monotonic() - began
            store = Store(self.store("calm"))
            Disturbed.expected = store.answer(), {c: n for c, n in store.totals().items()}
            self.check_naive(store)

    def check_naive(self, store):
        naive = naive_upsert({name: (1, known) for name, known in self.known.items()})
        rows = {row["key"].decode(): row for row in store.rows()}
        self.assertEqual(set(rows), {key for key in naive})
        for key, ((when, _, _, offset), rec) in naive.items():
            self.assertEqual((rows[key]["event_time"], rows[key]["offset"], rows[key]["text"].decode()), (when, offset, text_of(rec)), key)

    def check_as_if_calm(self, store="out"):
        found = Store(self.store(store))
        self.assertEqual(found.view, 1)
        self.assertEqual(found.totals(), self.expected[1])
        found.check_counts(self)
        self.assertTrue(found.answer() == self.expected[0], "the view is another one than that of an undisturbed run")
        self.assertTrue(report_of(found.root)["balanced"])

    def staged(self, store="out"):
        return sorted(glob.glob(os.path.join(self.store(store), "runs", "*", "staged-*.json")))

    def wait_for(self, process, condition, limit=LIMIT):
        """True when the condition holds, False when the process ended before."""
        until = time.monotonic() + limit
        while time.monotonic() < until:
            value = condition()
            if value:
                return value
            if process.poll() is not None:
                return False
            time.sleep(0.005)
        self.fail("nothing came of %d s of waiting" % limit)

    def begin(self, ranks, store="out"):
        """A run whose ranks are all there."""
        process = self.start(self.job(store, **SMALL), ranks)
        found = self.wait_for(process, lambda: (lambda r: r if len(r) == ranks else None)(ranks_of(process.pid)))
        self.assertTrue(found, "the job ended before its ranks were seen")
        return process, found

    def kill(self, process, pid):
        """kill -9 of one rank: the job ends non-zero in time. False where it was done before."""
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        began = time.monotonic()
        code, out = self.finish(process)
        if code == 0:  # it had ended
            return False
        self.assertLess(time.monotonic() - began, ENDS_WITHIN, out)
        self.assertNotEqual(code, 0, out)
        self.assertEqual(ranks_of(process.pid), {})
        return True

    # --- kill -9 ---

    def kill_once_staged(self, rank, ranks=3):
        process, pids = self.begin(ranks)
        self.assertTrue(self.wait_for(process, lambda: len(self.staged()) >= 2), "the run ended with less than two groups staged")
        self.assertTrue(self.kill(process, pids[rank]), "the run was over before the kill")
        self.assertEqual(Store(self.store()).view, 0)

    def test_kill_of_rank_0_after_groups_were_staged_then_1_rank_takes_them_over(self):
        self.kill_once_staged(0)
        self.batch(self.job(**SMALL), 0)
        self.assertGreater(report_of(self.store())["adopted"], 0)
        self.check_as_if_calm()

    def test_kill_of_another_rank_after_groups_were_staged_then_5_ranks_take_them_over(self):
        self.kill_once_staged(2)
        self.batch(self.job(**SMALL), 5)
        self.assertGreater(report_of(self.store())["adopted"], 0)
        self.check_as_if_calm()

    def test_kill_of_one_process_without_a_launcher(self):
        process = self.start(self.job(**SMALL), 0)
        self.assertTrue(self.wait_for(process, lambda: len(self.staged()) >= 1))
        self.assertTrue(self.kill(process, process.pid))
        self.batch(self.job(**SMALL), 2)
        self.assertGreater(report_of(self.store())["adopted"], 0)
        self.check_as_if_calm()

    def test_two_killed_runs_in_a_row_and_the_third_takes_over_from_both(self):
        self.kill_once_staged(0)
        first = len(self.staged())
        process, pids = self.begin(2)
        self.wait_for(process, lambda: len(self.staged()) > first)
        self.assertTrue(self.kill(process, pids[1]))
        pieces = len(self.staged())
        self.assertGreater(pieces, first)
        self.batch(self.job(**SMALL), 3)
        self.assertGreater(report_of(self.store())["adopted"], 0)
        self.check_as_if_calm()

    def test_kill_at_random_moments_until_it_is_done(self):
        """Any number of runs, each killed at any rank and moment, on changing ranks; then one that is left alone."""
        for store in ("one", "two", "three"):
            for _ in range(3):
                ranks = self.random.choice((1, 2, 3, 4))
                process, pids = self.begin(ranks, store)
                time.sleep(self.random.uniform(0, 1.1 * self.seconds))
                if not self.kill(process, pids[self.random.choice(sorted(pids))]):
                    break
            self.batch(self.job(store, **SMALL), self.random.choice((0, 1, 3)))
            found = Store(self.store(store))
            self.assertEqual(found.view, 1)
            self.assertEqual(found.totals(), self.expected[1])
            self.assertTrue(found.answer() == self.expected[0], "the view is another one than that of an undisturbed run")

    def test_kill_around_the_publishing_commit(self):
        """Invariant 1: before it there is no view, after it all of it."""
        for turn in range(6):
            store = "p%d" % turn
            process, pids = self.begin(2, store)
            run = lambda: glob.glob(os.path.join(self.store(store), "silver", "*"))
            self.wait_for(process, lambda: any("staged" not in os.path.basename(p) for p in run()) or Store(self.store(store)).view)
            time.sleep(self.random.uniform(0, 0.15))
            self.kill(process, pids[turn % 2])
            found = Store(self.store(store))
            self.assertIn(found.view, (0, 1))
            if found.view:
                self.assertTrue(found.answer() == self.expected[0])
            self.batch(self.job(store, **SMALL), 2)
            found = Store(self.store(store))
            self.assertEqual(found.view, 1)
            self.assertTrue(found.answer() == self.expected[0], "the view is another one than that of an undisturbed run")
            self.assertEqual(found.totals(), self.expected[1])

    def test_file_that_is_edited_between_a_kill_and_the_next_run(self):
        """What was staged of the old file must not count."""
        real = os.path.join(self.folder, "real")
        os.unlink(self.data)
        shutil.copytree(os.path.join(self.shared, "data"), real)
        os.rename(real, self.data)
        self.kill_once_staged(1)
        rng = self.random
        content, known = jsonl(rng, records(rng, 3000, 50000), bad=0.001)
        self.write("a.jsonl", content, time.time() - 30)
        self.batch(self.job(**SMALL), 2)
        store = Store(self.store())
        self.check_naive_of(store, {**self.known, "a.jsonl": known})

    def check_naive_of(self, store, known):
        naive, paths = naive_upsert({name: (1, k) for name, k in known.items()}), store.paths()
        rows = {row["key"].decode(): row for row in store.rows()}
        self.assertEqual(set(rows), set(naive))
        for key, ((when, _, path, offset), rec) in naive.items():
            self.assertEqual((rows[key]["event_time"], paths[rows[key]["partition"]].encode(), rows[key]["offset"], rows[key]["text"].decode()),
                             (when, path, offset, text_of(rec)), key)
        self.assertEqual(store.totals()["read"], sum(len(k) for k in known.values()))
        self.assertEqual(store.totals()["quarantined"], sum(rec is None for k in known.values() for _, rec in k))
        store.check_counts(self)

    def test_append_dataset_has_each_record_once_after_kills(self):
        fields = {**SMALL, "dataset": {"kind": "append", "key": None, "deleted": None, "order_by": None}}
        for rank in (0, 1):
            process = self.start(self.job(**fields), 2)
            pids = self.wait_for(process, lambda: (lambda r: r if len(r) == 2 else None)(ranks_of(process.pid)))
            before = len(self.staged())
            self.wait_for(process, lambda: len(self.staged()) > before)
            self.kill(process, pids[rank])
        self.batch(self.job(**fields), 3)
        store = Store(self.store())
        paths = store.paths()
        rows = sorted((paths[row["partition"]], row["offset"]) for row in store.rows())
        self.assertEqual(rows, sorted((name, offset) for name, known in self.known.items() for offset, rec in known if rec is not None))
        store.check_counts(self)

    # --- stopped ---

    def stop(self, signal_number):
        process, _ = self.begin(3)
        self.wait_for(process, self.staged)
        os.kill(process.pid, signal_number)
        began = time.monotonic()
        code, out = self.finish(process)
        self.assertEqual(code, RESUME, out)
        self.assertLess(time.monotonic() - began, ENDS_WITHIN, out)
        self.assertEqual(Store(self.store()).view, 0)
        self.batch(self.job(**SMALL), 2)
        self.assertGreater(report_of(self.store())["adopted"], 0)
        self.check_as_if_calm()

    def test_sigterm_to_launch_is_75_within_seconds_and_the_next_run_goes_on(self):
        self.stop(signal.SIGTERM)

    def test_sigint_to_launch_is_75_within_seconds_and_the_next_run_goes_on(self):
        self.stop(signal.SIGINT)

    def test_sigterm_to_one_rank_ends_the_whole_job_with_75(self):
        """It tells rank 0 within a second, so the run must last longer: four times the corpus."""
        real = os.path.join(self.folder, "real")
        os.unlink(self.data)
        os.mkdir(real)
        for turn in range(4):
            for name in self.known:
                os.link(os.path.join(self.shared, "data", name), os.path.join(real, "%d-%s" % (turn, name)))
        os.rename(real, self.data)
        process, pids = self.begin(3)
        self.wait_for(process, self.staged)
        os.kill(pids[2], signal.SIGTERM)
        began = time.monotonic()
        code, out = self.finish(process)
        self.assertEqual(code, RESUME, out)
        self.assertLess(time.monotonic() - began, ENDS_WITHIN, out)
        self.batch(self.job(**SMALL), 2)
        self.assertGreater(report_of(self.store())["adopted"], 0)
        store = Store(self.store())
        self.assertEqual(store.totals()["read"], 4 * self.expected[1]["read"])
        self.assertEqual(store.totals()["live"], self.expected[1]["live"])
        store.check_counts(self)

    # --- taken ---

    def test_stopped_rank_is_named_and_ends_the_job_within_the_deadline(self):
        """Invariant 12. SIGSTOP: the process is there, the launcher sees nothing wrong."""
        process = self.start(self.job("silent", **{**SMALL, "deadline": 3}), 3)
        self.assertTrue(self.wait_for(process, lambda: glob.glob(os.path.join(self.store("silent"), "runs", "*", "adopted"))), "the run was over before")
        stopped = ranks_of(process.pid)[1]
        os.kill(stopped, signal.SIGSTOP)
        try:
            code, out = self.finish(process, 60)
        finally:
            try:
                os.kill(stopped, signal.SIGKILL)
            except OSError:
                pass
        self.assertEqual(code, 1, out)
        self.assertRegex(out, r"rank [12] said nothing for 3\.0 s")
        self.batch(self.job("silent", **SMALL), 2)
        self.assertEqual(Store(self.store("silent")).answer(), Disturbed.expected[0])

    def test_second_job_of_the_layer_exits_1_and_names_host_process_and_job(self):
        process, pids = self.begin(2)
        self.wait_for(process, self.staged)
        for pid in pids.values():  # it lives, and does not end meanwhile
            os.kill(pid, signal.SIGSTOP)
        for ranks in (0, 2):
            code, out = self.finish(self.start(self.job(**SMALL), ranks))
            self.assertEqual(code, 1, out)
            for word in (os.uname().nodename, str(pids[0]), "batch-test"):
                self.assertIn(word, out)
        for pid in pids.values():
            os.kill(pid, signal.SIGCONT)
        code, out = self.finish(process)
        self.assertEqual(code, 0, out)
        self.check_as_if_calm()

    # --- stores that cannot be written ---

    def test_full_disk_is_1_with_the_reason_and_a_larger_one_goes_on(self):
        small = os.path.join(self.folder, "small")
        os.mkdir(small)
        mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=10m", "tmpfs", small], capture_output=True, text=True)
        if mount.returncode:
            self.skipTest("no tmpfs can be mounted here: " + mount.stderr.strip())
        self.addCleanup(subprocess.run, ["umount", "-l", small])
        for ranks in (0, 3):
            code, out = self.finish(self.start(self.small_job(), ranks))
            self.assertEqual(code, 1, out)
            self.assertIn("No space left", out)
        subprocess.run(["mount", "-o", "remount,size=1g", small], check=True)
        self.batch(self.small_job(), 2)
        found = Store(os.path.join(small, "out"))
        self.assertTrue(found.answer() == self.expected[0])
        self.assertEqual(found.totals(), self.expected[1])

    def small_job(self):
        job = self.job(**SMALL)
        with open(job) as file:
            text = file.read().replace('"store": "out"', '"store": "small/out"')
        with open(job, "w") as file:
            file.write(text)
        return job

    def test_read_only_store_is_1_with_the_reason(self):
        small = os.path.join(self.folder, "small")
        os.mkdir(small)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,ro", "tmpfs", small], capture_output=True).returncode:
            self.skipTest("no tmpfs can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", small])
        for ranks in (0, 2):
            code, out = self.finish(self.start(self.small_job(), ranks))
            self.assertEqual(code, 1, out)
            self.assertIn("Read-only", out)

    def test_damaged_list_of_a_dead_run_is_not_used_and_not_fatal(self):
        self.kill_once_staged(0)
        path = self.staged()[0]
        with open(path, "rb") as file:
            content = file.read()
        with open(path, "wb") as file:
            file.write(content[: len(content) // 2])
        self.batch(self.job(**SMALL), 2)
        self.check_as_if_calm()

    def test_damaged_and_missing_staged_segments_are_named_and_their_work_is_done_again(self):
        self.kill_once_staged(0)
        segments = sorted(glob.glob(os.path.join(self.store(), "runs", "*", "rows-*.h5")))
        with open(segments[0], "r+b") as file:
            file.seek(os.path.getsize(segments[0]) // 2)
            file.write(b"\xff" * 64)
        os.unlink(segments[1])
        out = self.batch(self.job(**SMALL), 2)
        for path in segments[:2]:
            self.assertIn(os.path.basename(path), out)
        self.check_as_if_calm()


if __name__ == "__main__":
    main("__main__", sys.argv[1], sys.argv[2:])
