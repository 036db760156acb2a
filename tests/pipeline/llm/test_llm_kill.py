"""Ten times kill -9 to one of two ranks at a random moment: what is asked again was in flight at the kill, and nothing else.

In flight is what a process has sent and has not shown to have the answer of. It shows that by what it asks next: here each text goes through two models, and
the second is asked because of what the first one said. An answer is written to the cache's file, though not flushed, before anything follows from
it; so once the server has seen the second question about a text, no later run asks the first one, however soon the kill came. That holds for each process at
its own end: of those killed at once, and of the others, which ask on until the launcher ends them.

Of the second questions nothing follows. What became of their answers is told and not judged: a connection that was cut before its answer was sent, or with
the answer unread in it, was in flight; one whose answer was read had it in its hands for a moment.
"""
import http.client
import json
import os
import re
import select
import signal
import sys
import time
import zlib

import test_llm
from test_llm import support

KILLS = 10
AT_ONCE = 8  # of each model
TEXTS = 2000  # more than ten runs come to, with the seconds that a launcher may take


class Question:
    """One question about one text: of which run, and how it ended."""

    def __init__(self, run, model, text):
        self.run, self.model, self.text, self.end = run, model, text, "cut"


class KillHandler(test_llm.Handler):
    def do_POST(self):
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        documents = re.findall(r"<document (\d+)(?: id=\"(d\d+)\")?[^>]*>\n(.*?)\n</document \1>", body["messages"][1]["content"], re.S)
        text = json.dumps(self.answer(documents, 100)).encode()
        self.question = server.take(body["model"], documents[0][2])
        time.sleep(server.slow(documents) if server.slow else 0)
        if select.select([self.connection], [], [], 0)[0]:  # nobody sends more before it is answered: who asked is gone
            self.close_connection = True
            return
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))
        self.question.end = "read"  # unless it turns out otherwise

    def handle(self):
        self.question = None
        try:
            super().handle()
        except OSError:  # a connection that is closed with something unread in it is reset
            if self.question and self.question.end == "read":
                self.question.end = "unread"


class KillModel(test_llm.Model):
    """Keeps what each run asked, and kills a process when it is asked about the second step."""

    def __init__(self):
        self.run, self.questions, self.connections, self.kill = 0, [], 0, None
        super().__init__()
        self.RequestHandlerClass = KillHandler

    def process_request(self, request, client_address):
        with self.lock:
            self.connections += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        super().shutdown_request(request)
        with self.lock:
            self.connections -= 1

    def take(self, model, text):
        question = Question(self.run, model, text)
        with self.lock:
            self.questions.append(question)
            if model == "strong" and self.kill:
                left, pid = self.kill
                self.kill = (left - 1, pid) if left else None
                if not left:
                    os.kill(pid, signal.SIGKILL)
        return question

    def settle(self):
        """All that the processes which have ended sent is taken, and its end is known."""
        probe = http.client.HTTPConnection("127.0.0.1", self.server_port)
        probe.request("GET", "/")  # who came before was accepted before
        probe.getresponse().read()
        probe.close()
        while self.connections:
            time.sleep(0.01)


class KillCase(test_llm.LlmRuns):
    def setUp(self):
        super().setUp()
        self.model = KillModel()
        self.addCleanup(self.model.server_close)
        self.addCleanup(self.model.shutdown)

    def run_and_kill(self, job):
        """One of two ranks is killed when the second model is asked for the so-manieth time; the launcher ends the other, which may send more until then."""
        process, ranks, deadline = self.start(job, 2), {}, time.time() + 60
        while len(ranks) < 2 and process.poll() is None and time.time() < deadline:
            ranks = support.ranks_of(process.pid)
            time.sleep(0.01)
        self.assertEqual(len(ranks), 2, "it ended before it could be killed")
        with self.model.lock:
            self.model.kill = (self.random.randrange(50), ranks[self.random.randrange(2)])
        code, out = self.finish(process)
        self.assertIsNone(self.model.kill, out)
        self.assertNotEqual(code, 0)
        self.model.settle()

    def tell(self, again):
        ends = {end: sum(request.end == end for request in again) for end in ("cut", "unread", "read")}
        print("asked again after %d kills: %d, of which %d had no answer, %d an unread one, and %d one that was just read" %
              (KILLS, len(again), ends["cut"], ends["unread"], ends["read"]))

    def test_what_is_asked_again_was_in_flight_at_the_kill(self):
        self.write("a.jsonl", self.records(TEXTS))
        self.model.slow = lambda documents: 0.1 + zlib.crc32(documents[0][2].encode()) % 1000 / 4000
        endpoints = [{"url": self.model.url, "model": model, "concurrency": AT_ONCE} for model in ("cheap", "strong")]
        job = self.llm_job(deep={"endpoints": endpoints, "cascade": [{"model": "cheap", "accept": 0.95}, "strong"]})  # its answers have 0.9: all go on
        for self.model.run in range(KILLS):
            self.run_and_kill(job)
        self.model.run, self.model.slow = KILLS, None
        self.run_batch(job)
        self.model.settle()
        last, seconds = {}, {}  # the last run that asked each question; the first that asked the second one about a text
        for request in self.model.questions:
            last[request.model, request.text] = request.run
            if request.model == "strong":
                seconds.setdefault(request.text, request.run)
        self.assertEqual((len(last), len(seconds)), (2 * TEXTS, TEXTS))
        for text, run in seconds.items():
            self.assertLessEqual(last["cheap", text], run, "asked again though its answer had come: %s" % text)
        self.tell([request for request in self.model.questions if request.run < last[request.model, request.text]])
        self.check_answers(self.rows())
        asked = len(self.model.questions)
        self.assertTrue(self.run_batch(job)["nothing_new"])
        self.assertEqual(len(self.model.questions), asked, "the next run asks nobody")


if __name__ == "__main__":
    support.main("__main__", sys.argv[1], sys.argv[2:])
