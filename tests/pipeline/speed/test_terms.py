#!/usr/bin/env python3
"""Two jobs of one layer on one store: who is there holds its term; --wait waits for its end, --take-over ends it.

    test_terms.py LAMINA MOCK_KAFKA [TEST…]
"""
import json
import os
import signal
import time

from speed_support import SECONDS, SpeedCase, main


class Speed(SpeedCase):
    events = 100

    def holder(self):
        """A speed job that is at work, and commits as soon as something comes."""
        self.fill()
        job = self.speed_job(roll={"seconds": 1})
        run = self.start(job, verb="speed")
        run.wait_for(lambda: self.archived() == len(self.lines))
        return job, run

    def test_a_layer_that_is_held_is_refused_and_the_holder_named(self):
        job, first = self.holder()
        second, _ = self.speed(job, expect=1)
        self.assertTrue(second.said("the speed layer of this store is held by job 'quickstart'"), "".join(second.lines))
        self.assertTrue(second.said("process %d" % first.process.pid), "".join(second.lines))
        first.process.send_signal(signal.SIGTERM)
        self.assertEqual(first.finish()[0], 0)

    def test_wait_begins_when_the_holder_has_ended(self):
        job, first = self.holder()
        second = self.start(job, verb="speed", words=["--until-end", "--wait"])
        second.wait_for(lambda: second.said("waits: "))
        self.fill(self.lines)
        first.wait_for(lambda: self.archived() == 2 * len(self.lines))  # by the holder: the other one waits
        self.assertIsNone(second.process.poll())
        first.process.send_signal(signal.SIGTERM)
        self.assertEqual(first.finish()[0], 0)
        self.assertEqual(second.finish()[0], 0, "".join(second.lines))
        self.assertEqual(sum("waits: " in line for line in second.lines), 1)
        self.check_bronze(lines=self.lines * 2)

    def test_wait_begins_when_the_holder_was_killed(self):
        job, first = self.holder()
        second = self.start(job, verb="speed", words=["--until-end", "--wait"])
        second.wait_for(lambda: second.said("waits: "))
        first.process.kill()
        first.finish()
        self.assertEqual(second.finish()[0], 0, "".join(second.lines))

    def test_who_waits_can_be_stopped(self):
        job, first = self.holder()
        for ranks in (0, 3):
            second = self.start(job, ranks, verb="speed", words=["--wait"])
            second.wait_for(lambda run=second: run.said("waits: "))
            began = time.monotonic()
            second.process.send_signal(signal.SIGTERM)
            self.assertEqual(second.finish()[0], 75, "".join(second.lines))
            self.assertLess(time.monotonic() - began, SECONDS)
        first.process.send_signal(signal.SIGTERM)
        self.assertEqual(first.finish()[0], 0)

    def test_take_over_ends_the_holder(self):
        job, first = self.holder()
        second = self.start(job, verb="speed", words=["--take-over"])
        second.wait_for(lambda: second.said("consumed"))
        self.fill(self.lines)  # both read it, one may commit it
        second.wait_for(lambda: self.archived() == 2 * len(self.lines))
        code, _ = first.finish()
        self.assertEqual(code, 1)
        self.assertTrue(first.said("fenced"), "".join(first.lines))
        second.process.send_signal(signal.SIGTERM)
        self.assertEqual(second.finish()[0], 0, "".join(second.lines))
        self.check_bronze(lines=self.lines * 2)


class Batch(SpeedCase):
    events = 1500

    def run_with_views(self, ranks):
        """`run` takes a term for each of its views; nobody gets in between them."""
        return self.job(rate=500, every=150), ranks

    def without_stream(self):
        """Of the same store, and with the batch layer alone."""
        with open(self.job("documents")) as file:
            job = json.load(file)
        del job["stream"], job["roles"]
        job["store"] = self.store()
        path = os.path.join(self.folder, "documents.json")
        with open(path, "w") as file:
            json.dump(job, file)
        return path

    def test_a_view_taken_over_from_a_run_counts_nothing_twice(self):
        """Between two of its views the run is a newcomer like any other, and goes on; within one it is fenced. Then the next run goes on."""
        job, _ = self.run_with_views(0)
        first = self.start(job)
        first.wait_for(lambda: first.said("published view 1"))
        self.to_end(job, verb="batch", words=["--take-over"])
        code, _ = first.finish()
        if code:
            self.assertEqual(code, 1, "".join(first.lines[-20:]))
            self.assertTrue(first.said("fenced") or first.said("the batch layer of this store is held by"), "".join(first.lines[-20:]))
        self.to_end(job)
        self.check_final()

    def between_views(self, ranks=0):
        """A run whose first view is there, and whose next one is due with the next 50 events."""
        job = self.job(every=50, stream={"brokers": self.broker.address, "replay": None, "partitions": None})
        run = self.start(job, ranks)
        run.wait_for(lambda: run.said("published view 1"))
        return run

    def test_a_batch_that_waits_for_a_run_does_not_slip_in_between_its_views(self):
        first = self.between_views(3)
        second = self.start(os.path.join(self.folder, "out.json"), verb="batch", words=["--wait"])
        second.wait_for(lambda: second.said("waits: the batch layer"))
        for view in (2, 3, 4):
            self.fill(self.lines[60 * (view - 2):60 * (view - 1)])  # one view's worth: none is under way at the end
            first.wait_for(lambda: first.said("published view %d:" % view))
        self.assertIsNone(second.process.poll(), "it slipped in:\n" + "".join(second.lines[-20:]))
        first.process.send_signal(signal.SIGTERM)
        self.assertEqual(first.finish()[0], 0, "".join(first.lines[-20:]))
        self.assertEqual(second.finish()[0], 0, "".join(second.lines[-20:]))
        self.check_bronze(lines=self.lines[:180])

    def test_a_run_taken_over_between_its_views_goes_on_once_the_other_one_has_ended(self):
        first = self.between_views()
        self.to_end(self.without_stream(), verb="batch", words=["--take-over"])
        self.fill(self.lines[:60])  # one view's worth: none is under way at the end
        first.wait_for(lambda: first.said("published view 2"))
        first.process.send_signal(signal.SIGTERM)
        self.assertEqual(first.finish()[0], 0, "".join(first.lines[-20:]))

    def test_a_run_taken_over_between_its_views_by_one_that_stays_ends_with_1_when_a_view_is_due(self):
        first = self.between_views()
        second = self.start(self.without_stream(), words=["--keep-serving", "--take-over"])
        second.wait_for(lambda: second.said("nothing new"))
        self.assertIsNone(first.process.poll(), "no view was due")
        self.fill(self.lines[:100])
        self.assertEqual(first.finish()[0], 1, "".join(first.lines[-20:]))
        self.assertTrue(first.said("the batch layer of this store is held by"), "".join(first.lines[-20:]))
        second.process.send_signal(signal.SIGTERM)
        self.assertEqual(second.finish()[0], 0, "".join(second.lines[-20:]))

    def test_a_run_serves_and_consumes_while_it_waits_for_the_batch_layer(self):
        holder = self.start(self.without_stream(), words=["--keep-serving"])
        holder.wait_for(lambda: holder.said("published view 1"))
        job, _ = self.run_with_views(0)
        run = self.start(job, 3, words=["--wait"])
        run.wait_for(lambda: run.said("waits: the batch layer"))
        run.wait_for(lambda: self.archived() > 0)
        self.assertGreater(run.sum(), 0)
        holder.process.send_signal(signal.SIGTERM)
        self.assertEqual(holder.finish()[0], 0, "".join(holder.lines[-20:]))
        self.assertEqual(run.finish()[0], 0, "".join(run.lines[-20:]))
        self.check_final()


if __name__ == "__main__":
    main("__main__")
