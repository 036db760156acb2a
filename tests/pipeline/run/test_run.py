#!/usr/bin/env python3
"""`lamina run`: three layers in one job, asked all the time, against a naive recomputation of the same documents and events.

    test_run.py LAMINA [TEST…]
"""
import json
import os
import random
import signal
import socket
import sys
import time
import urllib.error

from run_support import SECONDS, STREAM, Asker, RunCase, answers_of, event_time, main
import support


class Whole(RunCase):
    def run_through(self, ranks):
        job = self.job()
        run = self.start(job, ranks, ["--json"])
        asker = Asker(run)
        asker.start()
        code, out = run.finish()
        asker.stop()
        self.assertEqual(code, 0, "".join(run.lines[-20:]))
        report = self.check_report(out)
        self.assertEqual(report["ranks"], ranks or 1)
        self.assertGreater(len(asker.sums), 20)
        self.check_never_falls(asker)
        self.check_moving(asker.answers, report)
        self.assertEqual(report["speed"]["archived"], len(self.lines))
        self.assertGreater(report["speed"]["p99_ms"], 0)
        self.check_ranks(report, ranks or 1)
        self.check_final()
        sums = json.loads(self.tool("query", self.store(), "--json", "--aggregate", '{"metrics":[{"op":"sum","field":"/revision"}]}'))
        self.assertEqual(sums["groups"][0]["metrics"]["sum(/revision)"], self.printed)

    def check_ranks(self, report, ranks):
        """Memory, its peak and work of each rank: what they did adds up to what was done."""
        each = report["each_rank"]
        self.assertEqual([one["rank"] for one in each], list(range(ranks)))
        self.assertEqual(sorted(role for one in each for role in one["roles"]), sorted(["serve", "speed"] + ["batch"] * max(1, ranks - 2)))
        for one in each:
            self.assertGreater(one["rss_anon_kib"], 0, one)
            self.assertGreaterEqual(one["peak_kib"], one["rss_anon_kib"], one)
            self.assertTrue("speed" in one["roles"] or one["events"] == 0, one)
            self.assertTrue("batch" in one["roles"] or one["documents"] == 0, one)
        self.assertEqual(sum(one["events"] for one in each), len(self.lines))
        documents = sum(view["read"] for view in report["views"])
        self.assertGreaterEqual(sum(one["documents"] for one in each), documents)

    def check_moving(self, answers, report):
        """Both cutoffs move: that of the view, and how far the speed layer has come."""
        views = [answer["as_of"]["view"] for answer in answers]
        self.assertEqual(views, sorted(views))
        self.assertGreaterEqual(report["views"][-1]["view"], 2)
        self.assertGreaterEqual(report["views"][-1]["stream_next"], 1000)
        self.assertEqual(report["views"][0]["stream_next"], 0)
        for view in report["views"]:
            self.assertEqual(view["stream_read"], view["stream_next"], "of one life, without gaps")
        reached = [sum(answer["as_of"]["speed"].get(STREAM, {}).values()) for answer in answers]
        self.assertGreater(len(set(reached)), 5, "the speed layer's position did not move")

    def test_one_process(self):
        self.run_through(0)

    def test_four_ranks(self):
        self.run_through(4)

    def test_ranks_give_equal_answers(self):
        """Invariant 8, and bit-equal answers whatever the ranks."""
        seen = []
        for ranks in (1, 3, 5):
            self.to_end(self.job("ranks%d" % ranks, rate=2000), ranks)
            self.check_bronze("ranks%d" % ranks)
            seen.append(answers_of(self.exported("ranks%d" % ranks)))
        self.assertEqual(seen[0], seen[1])
        self.assertEqual(seen[0], seen[2])

    def test_nothing_new_publishes_nothing(self):
        job = self.job(rate=2000)
        self.to_end(job)
        self.to_end(job)  # takes in what came after the last view
        before = support.Store(self.store()).view
        run, out = self.to_end(job, words=["--json"])
        self.assertEqual(support.Store(self.store()).view, before)
        self.assertTrue(run.said("nothing new"), "".join(run.lines))
        self.assertEqual(self.check_report(out)["views"], [])
        self.check_final()

    def keep_serving(self, ranks, end):
        run = self.start(self.job(rate=2000, every=10**6), ranks, ["--keep-serving"])
        run.wait_for(lambda: run.url and run.sum() == self.printed)
        run.wait_for(lambda: self.archived() == len(self.lines))  # else something is left to the next run: 75
        self.assertEqual(run.sum(), self.printed)
        self.assertEqual(run.ask("/v1/status")["as_of"]["store"], "quickstart")
        began = time.monotonic()
        run.process.send_signal(end)
        code, _ = run.finish(3 * SECONDS)
        self.assertLess(time.monotonic() - began, SECONDS)
        self.assertEqual(code, 0, "".join(run.lines[-20:]))
        self.check_final()

    def test_keep_serving_one_process(self):
        self.keep_serving(0, signal.SIGINT)

    def test_keep_serving_four_ranks(self):
        self.keep_serving(4, signal.SIGTERM)


class Fails(RunCase):
    events = 100

    def test_a_replay_that_cannot_go_on_ends_the_job(self):
        with open(os.path.join(self.folder, "events.jsonl"), "ab") as file:
            file.write(b'{"id":"X","text":"' + b"x" * (4 << 20) + b'"}\n')  # no broker takes it
        for ranks in (0, 3):
            run, _ = self.to_end(self.job("large%d" % ranks), ranks, expect=1)
            self.assertTrue(run.said("line 101: producer of incoming_events: Broker: Message size too large"), "".join(run.lines[-10:]))

    def test_an_address_that_is_taken_ends_all_ranks(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            for ranks in (0, 3):
                began = time.monotonic()
                run, _ = self.to_end(self.job(), ranks, ["--set", "serve.listen=127.0.0.1:%d" % taken.getsockname()[1]], expect=1)
                self.assertLess(time.monotonic() - began, SECONDS, "".join(run.lines[-10:]))


class Append(RunCase):
    def test_every_event_counts_once(self):
        """Of an append dataset counts add up: a row that is in the tail and in a segment at once would show."""
        path = self.job(rate=1000)
        with open(path) as file:
            job = json.load(file)
        job["dataset"] = {"kind": "append", "event_time": "/created_at", "text": ["/subject", "/text", "/body"], "deleted": "/deleted"}
        job["quarantine"] = {"max": 0.5}
        job["batch"]["every"] = {"records": 300}
        with open(path, "w") as file:
            json.dump(job, file)
        run = self.start(path, 4, ["--json"])
        counts, refused = [], []
        while run.process.poll() is None:
            try:
                counts.append(run.aggregate({"metrics": [{"op": "count"}]})["groups"][0]["count"] if run.url else 0)
            except IndexError:  # no row yet
                counts.append(0)
            except urllib.error.HTTPError as error:
                refused.append((error.code, error.read()))
            except (OSError, AssertionError):
                time.sleep(0.01)
        code, out = run.finish()
        self.assertEqual(code, 0, "".join(run.lines[-20:]))
        self.assertFalse(refused, refused[:3])
        self.assertEqual(counts, sorted(counts), "the count fell")
        report = json.loads(out)
        good = sum(self.is_good(line) for line in self.lines)
        events = [one for one in report["counts"] if one["name"] == STREAM][0]
        self.assertEqual((events["read"], events["live"], events["quarantined"]), (len(self.lines), good, len(self.lines) - good))
        total = sum(one["live"] for one in report["counts"])
        self.assertEqual(report["merged"]["rows"], total)
        self.assertLessEqual(max(counts), total)
        self.assertEqual(len(self.exported()), total)

    @staticmethod
    def is_good(line):
        """Has a time that is one, and deletes nothing: an append dataset quarantines deletes, and needs no key."""
        try:
            event = json.loads(line)
            event_time(event.get("created_at"))
        except ValueError:
            return False
        return not event.get("deleted")


class Stopped(RunCase):
    def stop_in_the_middle(self, ranks, at):
        job = self.job(rate=400)
        run = self.start(job, ranks)
        asker = Asker(run)
        asker.start()
        run.wait_for(lambda: run.url and run.sum() >= at * self.printed)
        began = time.monotonic()
        run.process.send_signal(signal.SIGTERM)
        code, _ = run.finish(3 * SECONDS)
        took = time.monotonic() - began
        asker.stop()
        self.check_stopped(code, run)
        self.assertLess(took, SECONDS)
        self.check_never_falls(asker)
        return job, asker.sums[-1]

    def check_stopped(self, code, run):
        """75, or, where the signal came when all was done already, 0: the truth in any case. Where a machine is busy the last events need not wait for a signal."""
        if code == 0:
            self.assertEqual(self.archived(), len(self.lines), "0, and something is left:\n" + "".join(run.lines[-20:]))
            self.assertTrue(run.said("published view") or support.Store(self.store()).view, "".join(run.lines[-20:]))
        else:
            self.assertEqual(code, 75, "".join(run.lines[-20:]))

    def go_on(self, job, ranks, low):
        run = self.start(job, ranks, ["--json"])
        asker = Asker(run)
        asker.start()
        code, out = run.finish()
        asker.stop()
        self.assertEqual(code, 0, "".join(run.lines[-20:]))
        report = self.check_report(out)
        for view in report["views"]:  # a new life of the local broker begins at 0 again, what the view covers does not
            self.assertGreaterEqual(view["stream_read"], view["stream_next"])
        self.check_never_falls(asker)
        self.assertGreaterEqual(asker.sums[0], low, "what was answered before the stop is not answered after it")
        self.check_final()

    def test_one_process(self):
        self.go_on(*self.order(self.stop_in_the_middle(0, 0.4), 0))

    def test_four_ranks_then_two(self):
        self.go_on(*self.order(self.stop_in_the_middle(4, 0.6), 2))

    def test_stopped_three_times(self):
        for at, ranks in ((0.2, 3), (0.5, 0), (0.8, 4)):
            job, low = self.stop_in_the_middle(ranks, at)
        self.go_on(job, 5, low)

    def test_stopped_at_random_moments(self):
        """From before the ranks are there to after the last event; with whatever is there the next one goes on."""
        seed = int(os.environ.get("LAMINA_TEST_SEED") or random.randrange(1 << 30))
        print("seed", seed)
        chance = random.Random(seed)
        job = self.job(rate=1200)
        for at in (0, *(chance.uniform(0, 2) for _ in range(5))):
            with self.subTest(seed=seed, at=at):
                run = self.start(job, 4)
                time.sleep(at)
                run.process.send_signal(signal.SIGTERM)
                code, _ = run.finish(3 * SECONDS)
                if code != -signal.SIGTERM:  # else it came before main
                    self.check_stopped(code, run)
                self.tool("store", "check", self.store(), expect=0 if os.path.isdir(self.store() + "/log") else 2)  # 2: there was no time to make a store
        self.go_on(job, 4, 0)

    def test_stop_by_name_of_the_store(self):
        job = self.job(rate=300)
        run = self.start(job, 4)
        run.wait_for(lambda: run.url and run.sum() >= 0.3 * self.printed)
        self.tool("stop", self.store())
        code, _ = run.finish(3 * SECONDS)
        self.assertEqual(code, 75, "".join(run.lines[-20:]))
        self.go_on(job, 0, 0)

    @staticmethod
    def order(stopped, ranks):
        job, low = stopped
        return job, ranks, low


if __name__ == "__main__":
    main("__main__", sys.argv[1:])
