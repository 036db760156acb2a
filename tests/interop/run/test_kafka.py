#!/usr/bin/env python3
"""The same job on a real broker: `run` with one field changed, `speed --until-end` and `batch` as jobs of their own, a topic made anew, records that retention took.

    test_kafka.py LAMINA [TEST…]

The broker's address is in $LAMINA_TEST_KAFKA_DIR/bootstrap, and its classes are where tests/support/kafka_broker.sh put them.
"""
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "pipeline", "run"))
from run_support import LIMIT, SECONDS, Asker, RunCase, main  # noqa: E402
import support  # noqa: E402

SKIP = 77


def broker():
    path = os.path.join(os.environ.get("LAMINA_TEST_KAFKA_DIR", ""), "bootstrap")
    if not os.path.exists(path):
        print("skipped: no broker (its registry was not reached, or Java is missing)")
        sys.exit(SKIP)
    if not shutil.which("kcat"):
        print("skipped: no kcat (Debian: apt-get install kcat)")
        sys.exit(SKIP)
    with open(path) as file:
        return file.read().strip()


def classes():
    cache = os.environ.get("LAMINA_KAFKA_CACHE") or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "lamina", "kafka-*")
    return max(glob.glob(os.path.join(cache, "libs")))


class Kafka(RunCase):
    events = 1000

    def setUp(self):
        super().setUp()
        self.topic = "run-" + uuid.uuid4().hex[:12]
        self.prefix = self.topic + "-out-"

    def tool_of_kafka(self, name, *words):
        done = subprocess.run(["java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", classes() + "/*", "org.apache.kafka.tools." + name, "--bootstrap-server", BROKER, *words],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def create(self, partitions=3):
        self.tool_of_kafka("TopicCommand", "--create", "--topic", self.topic, "--partitions", str(partitions), "--replication-factor", "1")
        self.wait_for_leaders(partitions)

    def delete(self):
        self.tool_of_kafka("TopicCommand", "--delete", "--topic", self.topic)
        self.wait_for_leaders(0)

    def wait_for_leaders(self, count):
        """What was made, or deleted, is not known at once."""
        until = time.monotonic() + LIMIT
        while sum(one["leader"] >= 0 for topic in self.listed() if topic["topic"] == self.topic for one in topic["partitions"]) != count:
            self.assertLess(time.monotonic(), until)
            time.sleep(0.2)

    def fill(self, lines):
        """By kcat: keys are those of the events, so that a key stays in one partition and in order."""
        keyed = []
        for line in lines:
            try:
                key = json.loads(line).get("id") or "none"
            except ValueError:
                key = "none"
            keyed.append(key.encode() + b"\x01" + line)
        subprocess.run(["kcat", "-b", BROKER, "-P", "-t", self.topic, "-K", "\x01"], input=b"\n".join(keyed) + b"\n", check=True, timeout=LIMIT)

    @staticmethod
    def listed():
        return json.loads(subprocess.run(["kcat", "-b", BROKER, "-L", "-J"], capture_output=True, check=True, timeout=LIMIT).stdout)["topics"]

    def topics(self):
        return [one["topic"] for one in self.listed() if one["topic"].startswith(self.prefix)]

    def outputs(self):
        """[(topic, key, value or None)] of all output topics."""
        found = []
        for topic in self.topics():
            out = subprocess.run(["kcat", "-b", BROKER, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-J"], capture_output=True, check=True, timeout=LIMIT).stdout
            for line in out.splitlines():
                message = json.loads(line)
                found.append((topic, message["key"], json.loads(message["payload"]) if message["payload"] else None))
        return found

    def kafka_job(self, replay=True, **stream):
        fields = {"topic": self.topic, "name": "stream:incoming_events", "route": self.prefix + "{category}", "route_default": self.prefix + "default", **stream}
        if not replay:
            fields["replay"] = None
        return self.job(stream=fields)

    def check_outputs(self, exactly=True):
        """Every event that is none of the quarantined went to a topic of its category, with its analysis; at least once."""
        want = {}
        for line in self.lines:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if event.get("id") and event["created_at"].startswith("20") and not event.get("deleted"):
                want.setdefault(json.dumps(event, sort_keys=True), []).append(1)
        got = {}
        for topic, key, value in self.outputs():
            if value is None:
                continue
            self.assertIn("processed_at", value)
            analysis = value.pop("ai_analysis")
            value.pop("processed_at")
            self.assertEqual(topic, self.prefix + (analysis["category"] or "default"))
            self.assertEqual(analysis["layer"], "speed")
            self.assertEqual(key, value["id"])
            got.setdefault(json.dumps(value, sort_keys=True), []).append(1)
        self.assertEqual(set(want), set(got))
        for event, times in want.items():
            self.assertGreaterEqual(len(got[event]), len(times), event)
            if exactly:
                self.assertEqual(len(got[event]), len(times), event)

    def test_outputs_too_large_for_their_topic_are_given_up_and_the_rest_is_delivered(self):
        """The broker refuses a whole batch for one record: those that fit are sent again by themselves."""
        self.create()
        self.fill(self.lines)
        out = self.prefix + "all"
        self.tool_of_kafka("TopicCommand", "--create", "--topic", out, "--partitions", "2", "--replication-factor", "1", "--config", "max.message.bytes=760")
        job = self.kafka_job(replay=False, brokers=BROKER, route=out, route_default=out)
        _, told = self.to_end(job, 2, ["--until-end", "--json"], verb="speed")
        report = json.loads(told)
        delivered = len(self.outputs())
        self.assertEqual((report["archived"], report["answered"]), (len(self.lines), delivered + report["undelivered"]))
        self.assertGreater(report["undelivered"], 0)
        self.assertGreater(delivered, 0)
        _, told = self.to_end(job, 2, ["--until-end", "--json"], verb="speed")
        self.assertEqual((json.loads(told)["consumed"], len(self.outputs())), (0, delivered))

    def test_run_with_one_field_changed(self):
        self.create()
        run = self.start(self.kafka_job(), 4, ["--json", "--set", "stream.brokers=" + BROKER])
        asker = Asker(run)
        asker.start()
        code, out = run.finish()
        asker.stop()
        self.assertEqual(code, 0, "".join(run.lines[-20:]))
        self.check_report(out)
        self.check_never_falls(asker)
        self.check_final()
        self.check_outputs()

    def test_layers_as_jobs_of_their_own(self):
        self.create()
        self.fill(self.lines)
        job = self.kafka_job(replay=False, brokers=BROKER)
        _, out = self.to_end(job, 2, ["--until-end", "--json"], verb="speed")
        self.assertEqual(json.loads(out)["archived"], len(self.lines))
        self.check_outputs()
        self.to_end(job, 3, ["--quiet"], verb="batch")
        self.check_final()
        self.check_counts(self.counts())
        _, out = self.to_end(job, 1, ["--until-end", "--json"], verb="speed")  # nothing new
        self.assertEqual(json.loads(out)["consumed"], 0)
        self.check_final()

    def counts(self):
        store = support.Store(self.store())
        return [{"name": store.sources[source - 1], **sums} for (source, _), sums in store.counts.items()]

    def test_killed_and_taken_up(self):
        """kill -9 of the speed job in the middle: nothing archived twice, no output lost."""
        self.create()
        self.fill(self.lines)
        job = self.kafka_job(replay=False, brokers=BROKER)
        run = self.start(job, 2, ["--json"], verb="speed")
        run.wait_for(lambda: self.archived() > 0)
        os.kill(support.ranks_of(run.process.pid)[1], signal.SIGKILL)
        self.assertNotEqual(run.finish(3 * SECONDS)[0], 0)
        self.to_end(job, 0, ["--until-end"], verb="speed")
        self.to_end(job, 0, ["--quiet"], verb="batch")
        self.check_final()
        self.check_outputs(exactly=False)

    def test_topic_made_anew(self):
        """Another topic of the same name is another life: its rows come beside the old ones, which stay."""
        half = len(self.lines) // 2
        self.create()
        self.fill(self.lines[:half])
        job = self.kafka_job(replay=False, brokers=BROKER)
        self.to_end(job, 0, ["--until-end"], verb="speed")
        self.delete()
        self.create()
        self.fill(self.lines[half:])
        run, _ = self.to_end(job, 2, ["--until-end"], verb="speed")
        self.assertTrue(run.said("a new life begins"), "".join(run.lines))
        self.to_end(job, 0, ["--quiet"], verb="batch")
        rows = self.check_bronze()
        self.assertEqual({row["life"] for row in rows}, {1, 2})
        self.check_export()

    def test_what_retention_took_is_reported(self):
        half = len(self.lines) // 2
        self.create(partitions=1)
        self.fill(self.lines[:half])
        job = self.kafka_job(replay=False, brokers=BROKER)
        self.to_end(job, 0, ["--until-end"], verb="speed")
        self.fill(self.lines[half:])
        path = os.path.join(self.folder, "below.json")
        with open(path, "w") as file:
            json.dump({"version": 1, "partitions": [{"topic": self.topic, "partition": 0, "offset": half + 100}]}, file)
        self.tool_of_kafka("DeleteRecordsCommand", "--offset-json-file", path)
        run, _ = self.to_end(job, 0, ["--until-end"], expect=1, verb="speed")
        self.assertTrue(run.said(str(half)), "the gap names where it begins:\n" + "".join(run.lines))
        self.check_bronze(lines=self.lines[:half])


if __name__ == "__main__":
    BROKER = broker()
    main("__main__", sys.argv[1:])
