"""Ten times kill -9 to one of two ranks at a random moment: what is asked again was in flight at the kill, and nothing else.

In flight is what the server has not answered yet, and what it answered so shortly before that the answer cannot have been flushed: answers are
flushed 20 ms after the first one that waits (group commit), or later where the machine is busy. Which requests these are the server knows, one by
one; so the bound is of texts, not only of numbers.
"""
import os
import signal
import sys
import time
import zlib

import test_llm
from test_llm import support

KILLS = 10
AT_ONCE = 16
FLUSHED = 0.5  # seconds after an answer was sent: it counts by then, whatever else the machine does


class KillCase(test_llm.LlmRuns):
    def wait_for_answers(self, process, goal):
        deadline = time.time() + 60
        while len(self.model.sent) < goal and process.poll() is None and time.time() < deadline:
            time.sleep(0.005)
        self.assertIsNone(process.poll(), "it ended before it could be killed")
        time.sleep(self.random.random() * 0.1)

    def kill_one_rank(self, process):
        """How many requests were open, how many the server has had when the other rank was gone too, and the texts that were in flight."""
        ranks = support.ranks_of(process.pid)
        with self.model.lock:
            killed_at, opened, had = time.monotonic(), self.model.open, len(self.model.asked)
            answered = {text for text, at in self.model.sent.items() if at < killed_at - FLUSHED}
        os.kill(ranks[self.random.randrange(2)], signal.SIGKILL)
        self.finish(process)  # the launcher ends the other rank, which may have sent more until then
        while self.model.open:
            time.sleep(0.01)
        with self.model.lock:
            for text in [text for text, at in self.model.sent.items() if at > killed_at]:
                del self.model.sent[text]  # nobody may have heard it
            return opened, len(self.model.asked), set(self.model.asked[:had]) - answered | set(self.model.asked[had:])

    def test_what_is_asked_again_was_in_flight_at_the_kill(self):
        self.write("a.jsonl", self.records(1000))
        self.model.slow = lambda documents: 0.2 + zlib.crc32(documents[0][2].encode()) % 1000 / 4000
        job = self.llm_job(deep={"endpoints": [{"url": self.model.url, "model": "small", "concurrency": AT_ONCE}]})
        kills = []
        for _ in range(KILLS):
            answered = len(self.model.sent)
            process = self.start(job, 2)
            self.wait_for_answers(process, answered + self.random.randrange(1, 80))
            kills.append(self.kill_one_rank(process))
        self.model.slow = None
        self.run_batch(job)
        asked, again, said, first = self.model.texts(), 0, [], 0
        self.assertEqual(len(set(asked)), 1000)
        for opened, last, in_flight in kills:
            repeated = set(asked[first:last]) & set(asked[last:])
            self.assertFalse(repeated - in_flight, "asked again, though their answers had come")
            again += len(repeated)
            said.append("%d of %d" % (len(repeated), opened))
            first = last
        print("asked again, of those that were open at the server:", ", ".join(said))
        self.assertEqual(again, len(asked) - 1000, "asked twice by one run")
        self.check_answers(self.rows())
        self.assertTrue(self.run_batch(job)["nothing_new"])
        self.assertEqual(len(self.model.texts()), len(asked), "the next run asks nobody")


if __name__ == "__main__":
    support.main("__main__", sys.argv[1], sys.argv[2:])
