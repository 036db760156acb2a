"""A broker that is told what to do (mock_kafka.c), and `lamina speed` on it."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "run"))
from run_support import LIMIT, SECONDS, RunCase, event_time, main as run_main  # noqa: E402
import support  # noqa: E402

TOPIC = "incoming_events"
OUT = "processed"
GROUP = "lamina-quickstart"
PARTITIONS = 2
MOCK = sys.argv[2]


class Broker:
    def __init__(self):
        self.process = subprocess.Popen([MOCK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().strip()

    def tell(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if answer.startswith("error"):
            raise AssertionError("%s: %s" % (words, answer))
        return answer

    def read(self, topic):
        return sorted(json.loads(self.tell("read", topic)), key=lambda message: (message["partition"], message["offset"]))

    def committed(self):
        return json.loads(self.tell("committed", GROUP, TOPIC))

    def close(self):
        self.process.stdin.close()
        self.process.wait(LIMIT)
        self.process.stdout.close()


class SpeedCase(RunCase):
    events = 200

    def setUp(self):
        super().setUp()
        self.broker = Broker()
        self.addCleanup(self.broker.close)
        self.broker.tell("topic", TOPIC, PARTITIONS)

    def fill(self, lines=None):
        """All events, or these lines, into the topic."""
        path = os.path.join(self.folder, "fill.jsonl")
        with open(path, "wb") as file:
            file.write(b"".join(line + b"\n" for line in (self.lines if lines is None else lines)))
        return int(self.broker.tell("fill", TOPIC, PARTITIONS, path))

    def speed_job(self, name="out", **stream):
        """One output topic, rolled when the run ends and not before."""
        return self.job(name, stream={"brokers": self.broker.address, "route": OUT, "route_default": OUT, "replay": None, "partitions": None,
                                      "roll": {"seconds": 3600}, **stream})

    def speed(self, job, *words, expect=0, ranks=0):
        """A whole `lamina speed --until-end`: what it reports."""
        run, out = self.to_end(job, ranks, ["--until-end", "--json", *words], expect, "speed")
        return run, json.loads(out) if out else None

    def owed(self):
        """Events that have an output: those that are not quarantined."""
        count = 0
        for line in self.lines:
            try:
                event = json.loads(line)
                event_time(event.get("created_at"))
                count += bool(event.get("id"))
            except ValueError:
                pass
        return count


def main(name):
    run_main(name, [sys.argv[1], *sys.argv[3:]])
