#!/usr/bin/env python3
"""Agents in the speed layer: events whose rule asks for one, with a model that is played by script, on a broker that outlives the job.

    test_agents.py LAMINA MOCK_KAFKA [TEST…]
"""
import json
import os
import random
import re
import signal
import sys
import time

from speed_support import OUT, PARTITIONS, TOPIC, SpeedCase, main

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "agent"))
from played_model import Model  # noqa: E402

EVENTS, DOCUMENTS = 60, 40
ASKED = {"e%02d" % i for i in range(EVENTS) if i % 10 == 4}
SCRIPT = [("aggregate", {"op": "count", "tests": [{"field": "/town", "test": "eq", "value": "Bonn"}]}), ("get_record", {"key": "d01"}), ("answer", {"count": 20})]
ANSWER = {"agent": {"count": 20}}


def when(i):
    return "2026-03-01T00:%02d:%02dZ" % (i // 60, i % 60)


class AgentsCase(SpeedCase):
    events = 10

    def setUp(self):
        super().setUp()
        self.lines = [json.dumps({"id": "e%02d" % i, "text": "Water stands in street number %d." % i, "open": i % 10 == 4, "at": when(i)}).encode() for i in range(EVENTS)]
        with open(os.path.join(self.folder, "events.jsonl"), "wb") as file:
            file.write(b"".join(line + b"\n" for line in self.lines))
        os.mkdir(os.path.join(self.folder, "data"))
        with open(os.path.join(self.folder, "data", "a.jsonl"), "w") as file:
            for i in range(DOCUMENTS):
                file.write(json.dumps({"id": "d%02d" % i, "text": "Report number %d of a river." % i, "open": False, "at": when(i), "town": "Ulm" if i % 2 else "Bonn"}) + "\n")
        self.model = Model(SCRIPT, "tools")
        self.addCleanup(self.model.server_close)
        self.addCleanup(self.model.shutdown)
        self.addCleanup(self.model.hang, set())
        self.fill()

    def write_job(self, stream=None, roll=3600, more=None, **agent):
        job = {
            "name": "agents", "store": self.store(), "sources": [{"name": "docs", "type": "files", "path": os.path.join(self.folder, "data", "*.jsonl")}],
            "dataset": {"kind": "upsert", "key": "/id", "text": "/text", "order_by": "event_time", "event_time": "/at"},
            "stream": stream or {"brokers": self.broker.address, "topic": TOPIC, "route": OUT, "route_default": OUT, "roll": {"seconds": roll}},
            "tasks": {"classify": {"labels": {"flood": "river water", "fire": "smoke"}}}, "commit_interval": 1, "serve": {"listen": "127.0.0.1:0"},
            "deep": {"analyzer": "openai", "endpoints": [{"url": "http://127.0.0.1:%d/v1" % self.model.server_port, "model": "played"}],
                     "agent": {"question": "How many records of its town are there?", "when": {"field": "/open", "eq": True}, "time": 60,
                               "schema": {"type": "object", "properties": {"count": {"type": "integer", "minimum": 0, "maximum": 100}}, "required": ["count"]}, **agent}},
        }
        for section, fields in (more or {}).items():
            job[section].update(fields)
        path = os.path.join(self.folder, "job.json")
        with open(path, "w") as file:
            json.dump(job, file)
        return path

    def batch(self, job, *words):
        self.to_end(job, words=words, verb="batch")

    def record(self, key):
        return json.loads(self.tool("query", self.store(), "--key", key, "--json"))["record"]

    def outputs(self):
        """By key; each of them once."""
        values = [json.loads(message["value"]) for message in self.broker.read(OUT)]
        keys = [value["id"] for value in values]
        self.assertEqual(len(set(keys)), len(keys), "an output came twice")
        return dict(zip(keys, (value["ai_analysis"] for value in values)))

    def committed(self):
        return json.loads(self.broker.tell("committed", "lamina-agents", TOPIC))

    def held(self):
        """Outputs that are owed below the output position, by the notes beside it."""
        notes = [note.split() for note in json.loads(self.broker.tell("notes", "lamina-agents", TOPIC))]
        return sum(len(note[3].split("+")) for note in notes if len(note) > 3)

    def wait_for_position(self, run, held):
        run.wait_for(lambda: sum(self.committed()) == EVENTS and self.held() == held)

    def wait_for_outputs(self, run, count):
        run.wait_for(lambda: len(self.broker.read(OUT)) == count)

    def check_all_answered(self):
        outputs = self.outputs()
        self.assertEqual(len(outputs), EVENTS)
        for key, analysis in outputs.items():
            self.assertEqual(analysis.get("custom"), ANSWER if key in ASKED else None, key)
            self.assertNotIn("pending", analysis)
        self.check_bronze()

    def check_batch_asks_no_agent(self, job):
        asked = self.model.asked()
        self.batch(job)
        self.assertEqual(self.model.asked(), asked)
        for key in sorted(ASKED):
            record = self.record(key)
            self.assertEqual((record["provenance"]["layer"], record["pending"], record["enrichment"]["custom"]), ("batch", False, ANSWER))
            self.assertEqual(record["provenance"]["trace"]["agent"]["outcome"], "answered")


class Answers(AgentsCase):
    def test_an_agent_uses_two_tools_over_the_view_and_its_answer_is_everywhere(self):
        job = self.write_job()
        self.batch(job)
        _, report = self.speed(job)
        agents = report["agents"]
        self.assertEqual((agents["records"], agents["answered"], agents["open"], agents["from_cache"], agents["limit"]), (len(ASKED), len(ASKED), 0, 0, ""))
        self.assertEqual((agents["tokens_in"], agents["tokens_out"]), (100 * 3 * len(ASKED), 10 * 3 * len(ASKED)))
        self.assertEqual(self.model.asked(), dict.fromkeys(ASKED, 1))
        self.check_all_answered()
        record = self.record("e14")
        self.assertEqual((record["provenance"]["layer"], record["pending"], record["enrichment"]["custom"]), ("speed", False, ANSWER))
        counted, got, answer = record["provenance"]["trace"]["agent"]["steps"]
        self.assertIn('"count":20', counted["result"])
        self.assertIn('"key":"d01"', got["result"])
        self.assertEqual(answer["tool"], "answer")
        audit = self.tool("query", self.store(), "--audit", "e14")
        self.assertIn("aggregate", audit)
        self.assertIn('{"count":20}', audit)
        self.assertIn("no agent worked on this record", self.tool("query", self.store(), "--audit", "e15"))
        self.check_batch_asks_no_agent(job)

    def test_a_limit_that_was_reached_is_found_again_and_not_asked_for(self):
        self.model.script = ["I would rather talk."]
        job = self.write_job(steps=2)
        _, report = self.speed(job)
        self.assertEqual((report["agents"]["answered"], report["agents"]["gave_up"]), (0, len(ASKED)))
        self.assertEqual(self.record("e04")["provenance"]["trace"]["agent"]["outcome"], "limit: its steps are used up")
        self.assertFalse(self.record("e04")["pending"])
        self.assertEqual(len(self.outputs()), EVENTS)
        asked = len(self.model.agent_requests)
        self.batch(job)
        self.assertEqual(len(self.model.agent_requests), asked)
        self.assertEqual(self.record("e04")["provenance"]["trace"]["agent"]["outcome"], "limit: its steps are used up")

    def test_ranks_share_the_work_and_what_is_masked_is_shown_to_no_agent(self):
        self.model.script = [("answer", {"count": 20})]
        events = [json.dumps({"id": "x%02d" % i, "text": "Write to ann@example.com about street number %d." % i, "open": True, "at": when(i)}).encode() for i in range(20)]
        self.lines += events
        self.fill(events)
        _, report = self.speed(self.write_job(more={"tasks": {"entities": {}, "redact": {"kinds": ["email"]}}}), ranks=2)
        self.assertEqual((report["agents"]["answered"], report["archived"]), (len(ASKED) + len(events), EVENTS + len(events)))
        said = json.dumps(self.model.agent_requests)
        self.assertNotIn("ann@example.com", said)
        self.assertIn("[MAIL-", said)
        outputs = self.outputs()
        self.assertEqual(len(outputs), EVENTS + len(events))
        self.assertEqual(outputs["x07"]["custom"], ANSWER)
        self.assertNotIn("ann@example.com", json.dumps(outputs))

    def leave_to_batch(self, *words):
        """The model answers no agent: events go on, and the batch layer asks when it answers again."""
        job = self.write_job()
        run, report = self.speed(job, *words)
        self.assertEqual((report["agents"]["records"], report["agents"]["pending"], report["archived"]), (len(ASKED), len(ASKED), EVENTS))
        outputs = self.outputs()
        self.assertEqual({key for key, analysis in outputs.items() if analysis.get("pending")}, ASKED)
        self.assertEqual(len(outputs), EVENTS)
        self.assertTrue(self.record("e04")["pending"])
        self.assertFalse(self.record("e05")["pending"])
        return run

    def test_an_endpoint_that_refuses_ends_no_speed_layer(self):
        self.model.step_status = 401
        run = self.leave_to_batch()
        self.assertTrue(run.said("no agent can be asked"), "".join(run.lines))
        self.model.step_status = 200
        self.batch(self.write_job())
        self.assertEqual(self.record("e04")["enrichment"]["custom"], ANSWER)

    def test_an_endpoint_that_is_down_leaves_records_to_the_batch_layer(self):
        gone = self.model
        gone.shutdown()
        gone.server_close()
        self.leave_to_batch("--set", "deep.patience=2")
        self.model = Model(SCRIPT, "tools")
        self.addCleanup(self.model.server_close)
        self.addCleanup(self.model.shutdown)
        self.batch(self.write_job())
        self.assertEqual(self.record("e04")["enrichment"]["custom"], ANSWER)
        self.assertEqual(self.model.asked(), dict.fromkeys(ASKED, 1))

    def test_batch_alone_leaves_events_to_the_next_view(self):
        job = self.write_job(layers="batch")
        _, report = self.speed(job)
        self.assertNotIn("agents", report)
        self.assertEqual(self.model.asked(), {})
        self.assertIsNone(self.record("e14")["enrichment"].get("custom"))
        self.batch(job)
        self.assertEqual(self.model.asked(), dict.fromkeys(ASKED, 1))

    def test_a_limit_of_the_run_leaves_records_to_the_batch_layer(self):
        job = self.write_job(parallel=1)
        run, report = self.speed(job, "--set", "deep.max_tokens=3000")
        agents = report["agents"]
        self.assertEqual(agents["limit"], "deep.max_tokens (3000)")
        self.assertTrue(run.said("deep.max_tokens (3000) was reached"), "".join(run.lines))
        self.assertLessEqual(agents["tokens_in"] + agents["tokens_out"], 3000)
        self.assertTrue(agents["answered"] and agents["pending"], agents)
        self.assertEqual(agents["answered"] + agents["pending"], len(ASKED))
        outputs = self.outputs()
        self.assertEqual(sum(bool(analysis.get("pending")) for analysis in outputs.values()), agents["pending"])
        self.assertEqual(len(outputs), EVENTS)
        self.batch(job)
        self.assertEqual(self.record("e54")["enrichment"]["custom"], ANSWER)


class Waiting(AgentsCase):
    """The model does not answer: only what asked it waits."""

    def start_hung(self, hung=True, **agent):
        self.model.hang(hung)
        run = self.start(self.write_job(roll=1, **agent), verb="speed", words=["--json"])
        waiting = len(ASKED) if hung is True else len(hung)
        self.wait_for_outputs(run, EVENTS - waiting)
        self.wait_for_position(run, waiting)
        return run

    def end(self, run, expect=0):
        run.process.send_signal(signal.SIGTERM)
        started = time.monotonic()
        code, out = run.finish()
        self.assertEqual(code, expect, "".join(run.lines))
        return time.monotonic() - started, json.loads(out)

    def test_other_outputs_go_out_and_no_position_passes_what_waits(self):
        run = self.start_hung()
        self.assertFalse(ASKED & set(self.outputs()))
        time.sleep(2)  # longer than it takes to roll
        self.assertEqual(self.archived(), 0)
        self.model.hang(set())
        self.wait_for_outputs(run, EVENTS)
        run.wait_for(lambda: self.archived() == EVENTS)
        self.wait_for_position(run, 0)
        self.end(run)
        self.check_all_answered()

    def test_a_stop_leaves_what_waits_to_the_next_run(self):
        run = self.start_hung()
        seconds, report = self.end(run)
        self.assertLess(seconds, 10)
        self.assertEqual((report["archived"], report["agents"]["open"]), (0, len(ASKED)))
        self.model.hang(set())
        _, report = self.speed(self.write_job())
        self.assertEqual((report["consumed"], report["archived"], report["answered_before"]), (EVENTS, EVENTS, EVENTS - len(ASKED)))
        self.check_all_answered()

    def test_a_kill_loses_nothing_and_pays_only_for_what_was_in_flight(self):
        hung = set(sorted(ASKED)[2:])
        run = self.start_hung(hung)
        run.process.kill()
        run.finish()
        self.assertEqual(self.archived(), 0)
        self.model.hang(set())
        job = self.write_job()
        _, report = self.speed(job)
        self.assertEqual((report["archived"], report["agents"]["answered"], report["agents"]["from_cache"]), (EVENTS, len(ASKED), len(ASKED) - len(hung)))
        self.assertEqual(self.model.asked(), {key: 1 + (key in hung) for key in ASKED})
        self.check_all_answered()
        self.check_batch_asks_no_agent(job)

    def test_a_chunk_waits_no_longer_than_an_agent_may_take(self):
        """The chunk and the first agent end in the same moment, each by its own clock: either may be first. Agents work one after the other, in order."""
        run = self.start_hung(time=2, parallel=1)
        run.wait_for(lambda: self.archived() == EVENTS)
        run.wait_for(lambda: len(self.broker.read(OUT)) >= EVENTS - 3)  # the others are with agents, and their outputs wait on
        pending = [key for key in sorted(ASKED) if self.record(key)["pending"]]
        in_time = len(ASKED) - len(pending)
        self.assertEqual(pending, sorted(ASKED)[in_time:])
        self.assertLessEqual(in_time, 1)
        self.assertEqual(self.record(pending[0])["provenance"]["trace"]["agent"]["outcome"], "pending")
        self.assertIn("has not answered yet", self.tool("query", self.store(), "--audit", pending[0]))
        self.model.hang(set())
        self.wait_for_outputs(run, EVENTS)
        _, report = self.end(run)
        agents = report["agents"]
        asked, no_time = len(ASKED) - agents["passed_on"], agents["gave_up"]
        self.assertIn(asked, (2, 2 + in_time))  # one at work, one behind it
        self.assertGreaterEqual(no_time, 1)  # while the model hung; the next begins when that is done, and where the machine is busy it does so too
        self.assertEqual((agents["pending"], agents["answered"], agents["late"]), (agents["passed_on"], asked - no_time, asked - in_time))
        self.assertEqual(len(self.outputs()), EVENTS)
        self.batch(self.write_job())
        for key in sorted(ASKED):
            self.assertEqual((self.record(key)["pending"], self.record(key)["enrichment"]["custom"]), (False, ANSWER))
        self.assertEqual(sum(self.model.asked().values()), len(ASKED) + no_time)  # what only the clock ended is asked again

    def test_outputs_that_are_owed_below_the_archive_are_sent_and_no_others(self):
        """Archived without its agent, then killed: its output is still owed, and the others are not sent again."""
        run = self.start_hung(time=8, parallel=1)  # one runs out of its time as the chunk does; the other began then, and holds its output for as long again
        run.wait_for(lambda: self.archived() == EVENTS and len(self.broker.read(OUT)) == EVENTS - 1)
        self.wait_for_position(run, 1)
        run.process.kill()
        run.finish()
        self.model.hang(set())
        _, report = self.speed(self.write_job())
        self.assertEqual((report["archived"], report["agents"]["records"], report["agents"]["answered"]), (0, 1, 1))
        outputs = self.outputs()
        self.assertEqual(len(outputs), EVENTS)
        self.assertEqual(sum(analysis.get("custom") == ANSWER for analysis in outputs.values()), 1)
        _, report = self.speed(self.write_job())
        self.assertEqual(report["consumed"], 0)


class Kills(AgentsCase):
    """Killed again and again at random moments, with agents in flight all the time."""

    KILLS, PARALLEL = 4, 3

    def test_nothing_is_lost_and_only_what_was_in_flight_is_asked_again(self):
        seed = int(time.time())
        print("seed", seed, file=sys.stderr)
        chance = random.Random(seed)
        events = [json.dumps({"id": "z%03d" % i, "text": "Water in street %d." % i, "open": i % 2 == 0, "at": when(i % 60)}).encode() for i in range(400)]
        self.fill(events)
        self.lines += events
        asked = ASKED | {"z%03d" % i for i in range(0, 400, 2)}
        self.model.delay = lambda: chance.uniform(0, 0.2)
        job = self.write_job(roll=1, parallel=self.PARALLEL)
        for _ in range(self.KILLS):
            run = self.start(job, verb="speed")
            run.wait_for(lambda: run.said(" consumed, ") or run.process.poll() is not None)
            time.sleep(chance.uniform(0, 2.5))
            run.process.kill()
            run.finish()
        _, report = self.speed(job)
        self.assertEqual(report["agents"]["open"], 0)
        self.assertGreater(report["agents"]["answered"], report["agents"]["from_cache"])  # else the kills came too late
        self.check_bronze()
        begun = self.model.asked()
        self.assertEqual(set(begun), asked)
        self.assertLessEqual(sum(begun.values()) - len(begun), self.KILLS * self.PARALLEL)
        sent = {}
        for message in self.broker.read(OUT):  # at least once: what was sent within a second of a kill may come again
            value = json.loads(message["value"])
            sent.setdefault(value["id"], []).append(value["ai_analysis"].get("custom"))
        self.assertEqual(len(sent), EVENTS + len(events))
        for key, customs in sent.items():
            self.assertEqual(set(map(str, customs)), {str(ANSWER if key in asked else None)}, key)
        for key in sorted(asked)[::10]:
            self.assertEqual(self.record(key)["enrichment"]["custom"], ANSWER)
        self.assertEqual(self.held(), 0)
        self.tool("store", "check", self.store())


class Run(AgentsCase):
    """All layers in one job, with the broker that lives in it."""

    def run_job(self, **agent):
        return self.write_job(stream={"brokers": "local", "topic": TOPIC, "partitions": PARTITIONS, "route": OUT, "route_default": OUT, "roll": {"seconds": 1},
                                      "replay": {"path": os.path.join(self.folder, "events.jsonl"), "rate": 60}}, **agent)

    def asked_again(self, before):
        return {key: count - before.get(key, 0) for key, count in self.model.asked().items() if count != before.get(key, 0)}

    def check_end(self, out):
        report = json.loads(out)
        self.assertTrue(report["balanced"])
        self.assertEqual({one["name"]: one["live"] for one in report["counts"]}, {"docs": DOCUMENTS, "stream:" + TOPIC: EVENTS})
        self.check_bronze()
        return report

    def test_answers_are_served_and_the_next_view_asks_no_agent(self):
        for ranks in (0, 3):
            self.model.agent_requests.clear()
            run = self.start(self.run_job(), ranks, ["--keep-serving", "--json"])
            for key in sorted(ASKED):
                record = run.wait_for(lambda: self.served(run, key, lambda r: not r["pending"]))
                self.assertEqual(record["enrichment"]["custom"], ANSWER)
            run.wait_for(lambda: self.archived() == EVENTS and run.said("published view"))
            run.wait_for(lambda: run.ask("/v1/status").get("agents", {}).get("answered") == len(ASKED))
            run.process.send_signal(signal.SIGTERM)
            code, out = run.finish()
            self.assertEqual(code, 0, "".join(run.lines))
            report = self.check_end(out)
            self.assertEqual(report["speed"]["agents"]["answered"], len(ASKED))
            self.check_batch_asks_no_agent(self.write_job())
            self.assertEqual(self.model.asked(), dict.fromkeys(ASKED, 1))
            self.tool("store", "check", self.store())
            os.rename(self.store(), self.store("before-%d" % ranks))

    def test_metrics_tell_what_endpoints_took_in_all_views_and_layers(self):
        labels = 'model="played",host="127.0.0.1:%d"' % self.model.server_port
        one = {"requests": 1, "in": 100, "out": 10, "cost": 100 * 2e-6 + 10 * 5e-6}
        job = self.run_job(more={"deep": {"endpoints": [{"url": "http://127.0.0.1:%d/v1" % self.model.server_port, "model": "played", "price_in": 2, "price_out": 5}]}})
        for ranks in (0, 3):
            run = self.start(job, ranks, ["--keep-serving", "--set", "batch.every.records=1"])
            run.wait_for(lambda: self.took(run, labels, "batch").get("requests") == DOCUMENTS + EVENTS)
            run.wait_for(lambda: self.took(run, labels, "speed").get("requests") == len(SCRIPT) * len(ASKED))
            for layer, requests in (("batch", DOCUMENTS + EVENTS), ("speed", len(SCRIPT) * len(ASKED))):
                took = self.took(run, labels, layer)
                self.assertEqual(set(took), set(one))
                for name, value in one.items():
                    self.assertAlmostEqual(took[name], requests * value, msg=name)
            self.assertTrue(run.said("published view 1"), "".join(run.lines))
            run.process.send_signal(signal.SIGTERM)
            self.assertIn(run.finish()[0], (0, 75), "".join(run.lines))
            os.rename(self.store(), self.store("before-%d" % ranks))

    def took(self, run, labels, layer):
        """Of /metrics: requests, tokens in and out, and cost of the only endpoint."""
        try:
            text = run.fetch("/metrics").decode()
        except OSError:
            return {}
        self.assertNotIn("/v1\"", text)
        found = re.findall(r'^lamina_model_(\w+)_total\{%s,layer="%s"(?:,direction="(\w+)")?\} (\S+)$' % (re.escape(labels), layer), text, re.M)
        return {direction or name: float(value) for name, direction, value in found}

    def served(self, run, key, wanted):
        try:
            record = run.ask("/v1/records/" + key)["record"]
        except OSError:
            return None
        return record if wanted(record) else None

    def test_a_record_that_waits_is_served_as_pending(self):
        self.model.hang(True)
        run = self.start(self.run_job(), 0, ["--keep-serving"])
        record = run.wait_for(lambda: self.served(run, "e04", lambda r: r["enrichment"]["category"]))
        self.assertEqual((record["pending"], record["provenance"]["trace"]["agent"]["outcome"]), (True, "pending"))
        run.wait_for(lambda: self.served(run, "e59", lambda r: not r["pending"]))  # nothing else waits
        self.model.hang(set())
        run.wait_for(lambda: self.served(run, "e04", lambda r: r["enrichment"].get("custom") == ANSWER))
        run.process.send_signal(signal.SIGTERM)
        self.assertIn(run.finish()[0], (0, 75), "".join(run.lines))

    def test_a_stop_of_all_layers_leaves_what_waits_to_the_next_run(self):
        self.model.hang(True)
        run = self.start(self.run_job(), 3, ["--json"])
        run.wait_for(lambda: self.served(run, "e59", lambda r: not r["pending"]) and run.said("published view"))
        started = time.monotonic()
        run.process.send_signal(signal.SIGTERM)
        code, out = run.finish()
        self.assertLess(time.monotonic() - started, 15)
        self.assertEqual(code, 75, "".join(run.lines))
        self.assertTrue(json.loads(out)["balanced"])
        self.model.hang(set())
        _, out = self.to_end(self.run_job(), 3, ["--json"])
        self.assertEqual(self.check_end(out)["speed"]["agents"]["answered"], len(ASKED))
        self.check_batch_asks_no_agent(self.write_job())

    def test_a_killed_speed_rank_is_gone_on_from(self):
        hung = set(sorted(ASKED)[3:])
        self.model.hang(hung)
        run = self.start(self.run_job(), 3, ["--json"])
        run.wait_for(lambda: len(self.model.asked()) == len(ASKED))
        for key in sorted(ASKED - hung):
            run.wait_for(lambda: self.served(run, key, lambda r: not r["pending"]))
        speed = [pid for pid in self.lamina_pids(run) if self.rank_of(pid) == 1]
        os.kill(speed[0], signal.SIGKILL)
        self.assertNotEqual(run.finish()[0], 0)
        self.model.hang(set())
        run, out = self.to_end(self.run_job(), 3, ["--json"])
        report = self.check_end(out)
        self.assertEqual(report["speed"]["agents"]["answered"], report["speed"]["agents"]["records"])
        self.assertEqual(self.model.asked(), {key: 1 + (key in hung) for key in ASKED})
        self.check_batch_asks_no_agent(self.write_job())

    def lamina_pids(self, run):
        import support
        return [pid for pid in support.descendants(run.process.pid) if self.rank_of(pid) is not None]

    @staticmethod
    def rank_of(pid):
        try:
            with open("/proc/%d/environ" % pid, "rb") as file:
                words = dict(word.split(b"=", 1) for word in file.read().split(b"\0") if b"=" in word)
        except OSError:
            return None
        rank = words.get(b"OMPI_COMM_WORLD_RANK", words.get(b"PMI_RANK"))
        return None if rank is None else int(rank)


if __name__ == "__main__":
    main("__main__")
