#!/usr/bin/env python3
"""The output position and the archive of `lamina speed`: what is sent again after a kill and what is not, and what becomes of outputs that a broker refuses.

    test_speed.py LAMINA MOCK_KAFKA [TEST…]
"""
import glob
import json
import os

from speed_support import GROUP, OUT, PARTITIONS, TOPIC, SpeedCase, main
import support

TOO_LARGE, LOADING, NOT_COORDINATOR, NOT_ALLOWED = 10, 14, 16, 29  # of Kafka's protocol


class OutputPosition(SpeedCase):
    def answer_and_die(self, job):
        """Everything is answered, nothing is archived: the outputs there are."""
        run = self.start(job, verb="speed")
        run.wait_for(lambda: sum(self.broker.committed()) == len(self.lines))
        run.process.kill()
        run.finish()
        self.assertEqual(self.archived(), 0)
        outputs = self.broker.read(OUT)
        self.assertEqual(len(outputs), self.owed())
        return outputs

    def test_what_was_answered_and_not_archived_is_archived_and_not_answered_again(self):
        self.fill()
        job = self.speed_job()
        outputs = self.answer_and_die(job)
        _, report = self.speed(job)
        self.assertEqual((report["consumed"], report["archived"], report["answered_before"]), (len(self.lines), len(self.lines), len(outputs)))
        self.assertEqual(self.broker.read(OUT), outputs, "outputs were sent again")
        self.check_bronze()
        self.fill(self.lines[:20])  # new ones are answered as ever
        _, report = self.speed(job)
        self.assertEqual((report["consumed"], report["answered_before"]), (20, 0))
        self.assertGreater(len(self.broker.read(OUT)), len(outputs))

    def test_the_output_position_does_not_fall_back_to_the_archive(self):
        """Killed again while it catches up with the archive: what was answered stays answered."""
        self.fill()
        job = self.speed_job()
        outputs = self.answer_and_die(job)
        before = self.broker.committed()
        run = self.start(job, verb="speed")
        run.wait_for(lambda: run.said("%d consumed" % len(self.lines)))
        run.process.kill()
        run.finish()
        self.assertEqual(self.broker.committed(), before)
        self.speed(job)
        self.assertEqual(self.broker.read(OUT), outputs)

    def test_a_group_whose_coordinator_is_not_there_yet_is_asked_again(self):
        """As when a broker has just begun, or has lost its partitions for a while."""
        self.fill()
        job = self.speed_job()
        outputs = self.answer_and_die(job)
        for code in (LOADING, NOT_COORDINATOR):
            self.broker.tell("forget", code, 3)
            _, report = self.speed(job)
            self.assertEqual(self.broker.read(OUT), outputs)
        self.broker.tell("forget", NOT_ALLOWED, 1)
        run, _ = self.speed(job, expect=2)
        self.assertTrue(run.said("the group's offsets: Broker: Topic authorization failed"), "".join(run.lines))

    def test_a_position_that_is_not_of_this_topic_is_not_believed(self):
        """A group's offset outlives its topic. One that nothing witnesses would take outputs away."""
        self.fill()
        self.broker.tell("commit", GROUP, TOPIC, len(self.lines) // PARTITIONS)
        run, report = self.speed(self.speed_job())
        self.assertEqual(report["answered_before"], 0)
        self.assertTrue(run.said("is not of this topic"), "".join(run.lines))
        self.assertEqual(len(self.broker.read(OUT)), self.owed())


class Refused(SpeedCase):
    events = 60

    def undelivered(self):
        lines = []
        for path in glob.glob(os.path.join(self.store(), "runs", "*", "undelivered-*.jsonl")):
            with open(path) as file:
                lines += [json.loads(line) for line in file]
        return lines

    def test_a_batch_that_is_refused_is_sent_again_one_by_one(self):
        self.fill()
        self.broker.tell("refuse", TOO_LARGE, 1)
        _, report = self.speed(self.speed_job())
        self.assertEqual(report["undelivered"], 0)
        self.assertEqual(len(self.broker.read(OUT)), self.owed())
        self.assertEqual(sum(self.broker.committed()), len(self.lines))

    def test_what_is_refused_for_good_is_given_up_and_named_and_holds_up_nothing(self):
        self.fill()
        self.broker.tell("refuse", TOO_LARGE, 10000)
        job = self.speed_job()
        run, report = self.speed(job)
        self.assertEqual((report["undelivered"], report["archived"]), (self.owed(), len(self.lines)))
        self.assertTrue(run.said("is given up after 3 tries: Broker: Message size too large"), "".join(run.lines[-5:]))
        given_up = self.undelivered()
        self.assertEqual(len({(one["partition"], one["offset"]) for one in given_up}), self.owed())
        for one in given_up:
            record = json.loads(self.lines[one["offset"] * PARTITIONS + one["partition"]])
            self.assertEqual((one["topic"], one["key"]), (OUT, record["id"]))
            self.assertEqual(one["value"] is None, bool(record.get("deleted")))
        self.assertEqual(sum(self.broker.committed()), len(self.lines), "the output position must pass what is given up")
        self.check_bronze()
        self.broker.tell("refuse", 0, 0)
        _, report = self.speed(job)
        self.assertEqual(report["consumed"], 0)
        self.assertEqual(self.broker.read(OUT), [])

    def test_what_somebody_can_mend_ends_the_job_and_is_owed(self):
        self.fill()
        self.broker.tell("refuse", NOT_ALLOWED, 10000)
        job = self.speed_job()
        run, _ = self.speed(job, expect=1)
        self.assertTrue(run.said("Topic authorization failed"), "".join(run.lines[-5:]))
        self.assertEqual(sum(self.broker.committed()), 0)
        self.broker.tell("refuse", 0, 0)
        _, report = self.speed(job)
        self.assertEqual(report["undelivered"], 0)
        self.assertEqual({message["key"] for message in self.broker.read(OUT)}, {json.loads(line)["id"] for line in self.good()})

    def test_the_end_is_not_reached_before_all_outputs_are_delivered(self):
        """However long the broker takes none of them."""
        self.fill()
        self.broker.tell("topic", OUT, PARTITIONS)
        self.broker.tell("lead", OUT, PARTITIONS, 0)
        run = self.start(self.speed_job(), verb="speed", words=["--until-end", "--json"])
        run.wait_for(lambda: run.said("outputs wait for the broker: producer: "))
        self.broker.tell("lead", OUT, PARTITIONS, 1)
        code, out = run.finish()
        self.assertEqual(code, 0, "".join(run.lines))
        report = json.loads(out)
        said = out + "".join(run.lines)
        self.assertEqual((report["consumed"], report["archived"], report["undelivered"]), (len(self.lines), len(self.lines), 0), said)
        self.assertEqual(sorted(message["key"] for message in self.broker.read(OUT)), sorted(json.loads(line)["id"] for line in self.lines), said)
        self.assertEqual(sum(self.broker.committed()), len(self.lines))

    def good(self):
        for line in self.lines:
            try:
                if json.loads(line).get("id") and json.loads(line)["created_at"].startswith("20"):
                    yield line
            except ValueError:
                pass


class Job(SpeedCase):
    """The store remembers a job: the batch layer writes it, the speed layer compares."""

    events = 60

    def changed(self, **fields):
        with open(self.speed_job()) as file:
            job = json.load(file)
        for pointer, value in fields.items():
            at = job
            *path, last = pointer.split("__")
            for name in path:
                at = at[name]
            at[last] = value
        path = os.path.join(self.folder, "changed.json")
        with open(path, "w") as file:
            json.dump(job, file)
        return path

    def setUp(self):
        super().setUp()
        self.fill()
        self.to_end(self.speed_job(), verb="batch")

    def test_another_identity_is_refused(self):
        run, _ = self.speed(self.changed(dataset__key="/other"), expect=2)
        self.assertTrue(run.said("belongs to another job"), "".join(run.lines))
        self.assertEqual(self.archived(), 0)

    def test_another_analysis_goes_on_and_says_so_until_a_batch_takes_it_up(self):
        _, report = self.speed(self.speed_job())
        self.assertFalse(any("other_analysis" in message["value"] for message in self.broker.read(OUT)))
        job = self.changed(tasks__summarize={"sentences": 1})
        self.fill(self.lines)
        sent = self.broker.read(OUT)
        run, report = self.speed(job)
        self.assertEqual(report["archived"], len(self.lines))
        self.assertTrue(run.said("the analysis is not the store's (/tasks/summarize/sentences)"), "".join(run.lines))
        values = [json.loads(message["value"]) for message in self.broker.read(OUT) if message not in sent and message["value"]]
        self.assertTrue(values)
        self.assertTrue(all(value["ai_analysis"]["other_analysis"] for value in values))
        marked = [row for row in self.queried() if row["provenance"].get("other_analysis")]
        self.assertTrue(marked)
        self.to_end(job, verb="batch")
        self.assertFalse([row for row in self.queried() if row["provenance"].get("other_analysis")])

    def queried(self):
        return json.loads(self.tool("query", self.store(), "--json", "--limit", "1000"))["records"]


if __name__ == "__main__":
    main("__main__")
