"""What a run paid stands in its report, however it ends; and limits of tokens and money hold over ranks, and are used."""
import json
import os
import signal
import subprocess
import sys
import time

import test_llm
from test_llm import support


class MoneyCase(test_llm.LlmRuns):
    def paid(self, report):
        """An answer is in the sums, or its request among those that nobody saw answered."""
        told = report["llm"]
        with self.model.lock:
            self.assertEqual(told["requests"] + told["unseen"]["requests"], len(self.model.asked) + self.model.vector_requests)
            self.assertLessEqual(told["tokens_in"], self.model.tokens_in)
            if not told["unseen"]["requests"]:
                self.assertEqual((told["tokens_in"], told["tokens_out"]), (self.model.tokens_in, self.model.tokens_out))
        self.assertEqual(told["estimated"], 0)

    def test_a_run_that_an_endpoint_ends_reports_what_it_paid(self):
        self.write("a.jsonl", self.records(60))
        self.model.dim = 3
        self.model.vectors_after = 60  # and all of them answered
        vectors = {"url": self.model.url, "model": "vectors", "kind": "embeddings"}
        for ranks in 1, 3:
            store = "ended%d" % ranks
            self.model.asked.clear()
            self.model.tokens_in = self.model.tokens_out = self.model.vector_requests = 0
            job = self.llm_job(store, deep={"endpoints": [{"url": self.model.url, "model": "small", "price_in": 1}, vectors]}, tasks={"classify": {"labels": test_llm.LABELS}, "embed": {"dim": 16}})
            out = self.batch(job, ranks, 2)
            self.assertIn("vectors of 3 dimensions", out)
            self.assertIn("vectors at http://", out)  # the table
            report = self.report(store)
            self.assertEqual(report["exit"], 2)
            self.assertIn("vectors of 3 dimensions", report["ended"])
            self.assertGreater(report["llm"]["requests"], 20)
            self.paid(report)

    def test_a_run_that_is_stopped_reports_what_it_paid(self):
        self.write("a.jsonl", self.records(300))
        self.model.delay = 0.2
        job = self.llm_job(deep={"endpoints": [{"url": self.model.url, "model": "small", "concurrency": 4, "price_in": 1}]})
        process = subprocess.Popen([self.lamina, "batch", job, "--quiet"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=support.clean_environment())
        while len(self.model.texts()) < 30:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        out = process.communicate(timeout=support.LIMIT)[0]
        self.assertEqual(process.returncode, 75, out)
        report = self.report("out")
        self.assertEqual(report["exit"], 75)
        self.assertIn("No view was published", out)
        self.assertGreaterEqual(report["llm"]["requests"], 20)
        self.paid(report)
        self.assertGreater(report["llm"]["cost"], 0)


if __name__ == "__main__":
    support.main("__main__", sys.argv[1], sys.argv[2:])
