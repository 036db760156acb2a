#!/usr/bin/env python3
"""What waits for agents takes room: rows of every size, a tail that is full, queries over a tail that waits, and what a stop leaves of it.

    test_agents_room.py LAMINA MOCK_KAFKA [TEST…]
"""
import json
import os
import re
import signal

from speed_support import OUT, TOPIC, main
from test_agents import ANSWER, EVENTS, AgentsCase, when

import support

LONG = 4200  # bytes of a long event's text; the broker keeps 5 MB a partition


class RoomCase(AgentsCase):
    def fill_topic(self, events, partitions=1):
        """A topic of its own with these events; what a job says of it."""
        self.broker.tell("topic", "many", partitions)
        self.add(events, partitions)
        return {"topic": "many"}

    def add(self, events, partitions=1):
        path = os.path.join(self.folder, "many.jsonl")
        with open(path, "wb") as file:
            file.write(b"".join(line + b"\n" for line in events))
        self.broker.tell("fill", "many", partitions, path)

    def long_events(self, count, asks):
        return [json.dumps({"id": "y%04d" % i, "text": "Water. " * (LONG // 7), "open": asks(i), "at": when(0)}).encode() for i in range(count)]

    def stop(self, run, expect=0):
        run.process.send_signal(signal.SIGTERM)
        code, out = run.finish()
        self.assertEqual(code, expect, "".join(run.lines[-5:]))
        return json.loads(out)


class Sizes(RoomCase):
    def test_rows_of_any_size_are_asked_about(self):
        sizes = [1, 32700, 33000, 65500, 66000, 131000]
        events = [json.dumps({"id": "s%d-%d" % (text, more), "text": "w" * text, "open": True, "at": when(0), "more": "m" * more}).encode() for text in sizes for more in sizes]
        self.model.script = [("answer", {"count": 20})]
        _, report = self.speed(self.write_job(tokens=10**9, parallel=8, more={"stream": self.fill_topic(events)}))
        self.assertEqual((report["archived"], report["agents"]["answered"]), (len(events), len(events)))
        outputs = self.outputs()
        self.assertEqual(len(outputs), len(events))
        self.assertTrue(all(analysis["custom"] == ANSWER for analysis in outputs.values()))
        self.assertEqual(self.record("s65500-33000")["enrichment"]["custom"], ANSWER)


class Full(RoomCase):
    TAIL = 1 << 20

    def test_one_agent_that_hangs_does_not_stop_the_stream(self):
        events = self.long_events(500, lambda i: i == 3)
        self.model.hang(True)
        job = self.write_job(time=300, more={"stream": {"tail": self.TAIL, "roll": {"seconds": 1}, **self.fill_topic(events[:10])}})
        run = self.start(job, verb="speed", words=["--json"])
        run.wait_for(lambda: self.model.asked())
        self.add(events[10:])
        run.wait_for(lambda: self.archived() == len(events))
        self.wait_for_outputs(run, len(events) - 1)
        self.assertTrue(self.record("y0003")["pending"])
        self.model.script = [("answer", {"count": 20})]
        self.model.hang(set())
        self.wait_for_outputs(run, len(events))
        self.assertEqual(self.outputs()["y0003"]["custom"], ANSWER)
        agents = self.stop(run)["agents"]
        self.assertEqual((agents["answered"], agents["late"]), (1, 1))
        self.batch(job)
        self.assertEqual(self.record("y0003")["enrichment"]["custom"], ANSWER)
        self.assertEqual(self.model.asked(), {"y0003": 1})

    def test_memory_is_bounded_while_all_agents_hang(self):
        """What no agent is free for goes on to the batch layer, as fast as the tail is archived; what is held is what agents work on, and at the end what does not
        fill the tail: it waits for them."""
        events, fills = self.long_events(2500, lambda i: True), self.TAIL // LONG
        self.model.hang(True)
        job = self.write_job(time=300, parallel=4, more={"stream": {"tail": self.TAIL, "roll": {"seconds": 1}, **self.fill_topic(events, 4)}})
        run = self.start(job, verb="speed", words=["--json"])
        run.wait_for(lambda: run.said("%d consumed" % len(events)) and self.archived() > len(events) - fills)
        run.wait_for(lambda: self.at_work(run) <= 8 + len(events) - self.archived())  # two for each of parallel
        in_tail = [int(line.split(" archived, ")[1].split()[0]) for line in run.lines if " in the tail" in line]
        self.assertTrue(in_tail and max(in_tail) < 1300, in_tail)  # two polls of 512, and what 1 MiB holds
        report = self.stop(run)
        agents = report["agents"]
        self.assertEqual((agents["records"], agents["passed_on"], report["delivered"]), (len(events), len(events) - agents["open"], len(events) - agents["open"]))

    def at_work(self, run):
        """By the last line of its progress."""
        return int(re.findall(r"(\d+) at work", "".join(run.lines))[-1])

    def test_large_chunks_are_closed_while_an_older_one_waits(self):
        """So that none grows without an end, and each is rolled as soon as its own agents are done."""
        events, parts = self.long_events(400, lambda i: i == 3), 4
        self.lines = []
        self.model.hang(True)
        job = self.write_job(time=300, more={"stream": {"roll": {"bytes": 1 << 20, "seconds": 3600}, **self.fill_topic([])}})
        run = self.start(job, verb="speed", words=["--json"])
        for i in range(parts):
            self.add(events[100 * i:100 * (i + 1)])
            self.wait_for_outputs(run, 100 * (i + 1) - 1)
        self.assertEqual(self.archived(), 0)
        self.model.script = [("answer", {"count": 20})]
        self.model.hang(set())
        self.wait_for_outputs(run, len(events))
        self.stop(run)
        self.assertEqual(self.archived(), len(events))
        self.assertGreaterEqual(len(list(support.Store(self.store()).segments("bronze_stream"))), parts)


class Limit(RoomCase):
    def ask_about(self, words, limit, ranks=0):
        """Events x0, x1, … with so many words, one after another, and `deep.max_tokens`."""
        events = [json.dumps({"id": "x%d" % i, "text": "Water. " * count, "open": True, "at": when(0)}).encode() for i, count in enumerate(words)]
        self.model.script = [("answer", {"count": 20})]
        job = self.write_job(parallel=1, tokens=10**6, more={"stream": self.fill_topic(events)})
        run, report = self.speed(job, "--set", "deep.max_tokens=%d" % limit, ranks=ranks)
        self.assertEqual(len(self.outputs()), len(events))
        self.assertEqual(report["archived"], len(events))
        return job, run, report["agents"]

    def pending(self, count):
        return [self.record("x%d" % i)["pending"] for i in range(count)]

    def test_one_that_takes_more_than_all_of_it_is_passed_by(self):
        """The batch layer, which may spend more, asks about it."""
        job, run, agents = self.ask_about([1, 4000, 1, 4000, 1], 4000)
        self.assertEqual((agents["answered"], agents["pending"], agents["limit"]), (3, 2, ""))
        self.assertEqual(self.model.asked(), {"x0": 1, "x2": 1, "x4": 1})
        self.assertEqual(self.pending(5), [False, True, False, True, False])
        self.assertEqual(sum("and deep.max_tokens (4000) is less" in line for line in run.lines), 1, "".join(run.lines))
        self.assertFalse(run.said("was reached"))
        self.batch(job)
        self.assertEqual((self.pending(5), self.record("x1")["enrichment"]["custom"]), ([False] * 5, ANSWER))
        self.assertEqual(set(self.model.asked().values()), {1})

    def test_one_that_takes_more_than_a_rank_may_is_passed_by(self):
        _, run, agents = self.ask_about([1000, 1], 5000, ranks=2)
        self.assertEqual((agents["answered"], agents["pending"], agents["limit"]), (1, 1, ""))
        self.assertTrue(run.said("and a rank's part of deep.max_tokens (5000) is less"), "".join(run.lines))

    def test_once_it_is_reached_no_agent_begins(self):
        """However little it would take: the next run of the batch layer asks."""
        self.model.usage = (1000, 10)
        _, run, agents = self.ask_about([1, 1, 1000, 1], 5000)
        self.assertTrue(run.said("deep.max_tokens (5000) was reached"), "".join(run.lines))
        self.assertEqual((agents["answered"], agents["pending"], agents["limit"]), (2, 2, "deep.max_tokens (5000)"))
        self.assertEqual(self.model.asked(), {"x0": 1, "x1": 1})


class Queries(RoomCase):
    def test_a_tail_that_is_larger_than_a_message_is_queried(self):
        events = self.long_events(7500, lambda i: i == 5)
        self.model.hang(True)
        job = self.write_job(time=300, more={"stream": {"tail": 512 << 20, "roll": {"seconds": 3600}, **self.fill_topic(events, 16)}})
        for ranks in (0, 3):
            run = self.start(job, ranks, ["--keep-serving", "--json"])
            run.wait_for(lambda: run.said("speed: %d events" % len(events)))
            counted = run.ask("/v1/aggregate", {"metrics": [{"op": "count"}], "group_by": ["source"]})
            self.assertIn(len(events), [group["count"] for group in counted["groups"]])
            self.assertEqual(run.ask("/v1/records/y7499")["record"]["key"], "y7499")
            self.assertEqual(self.archived(), 0)
            run.process.kill()
            run.finish()


class Local(RoomCase):
    def test_a_stop_on_a_broker_that_forgets_leaves_no_row_behind(self):
        """Nobody could consume them again: they are archived without their agents, which the batch layer asks."""
        job = self.write_job(stream={"brokers": "local", "topic": TOPIC, "partitions": 1, "route": OUT, "route_default": OUT, "roll": {"seconds": 1}})
        self.model.hang({"e04"})
        run = self.start(job, 0, ["--keep-serving", "--json"])
        run.wait_for(lambda: run.said("published view"))
        address = next(line for line in run.lines if "local broker" in line).split("listens at ")[1].split(";")[0]
        self.broker.tell("fill", TOPIC, 1, os.path.join(self.folder, "events.jsonl"), address)
        run.wait_for(lambda: self.is_served(run, "e59") and self.is_served(run, "e04"))
        self.stop(run, expect=0)
        self.assertEqual(self.archived(), EVENTS)
        self.assertTrue(self.record("e04")["pending"])
        self.model.hang(set())
        self.batch(job)
        self.assertEqual(self.record("e04")["enrichment"]["custom"], ANSWER)
        self.assertEqual(self.model.asked()["e04"], 2)

    def is_served(self, run, key):
        try:
            return run.ask("/v1/records/" + key)["record"]
        except OSError:
            return None


if __name__ == "__main__":
    main("__main__")
