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

    def limited(self, store, ranks, expect, **limit):
        """What was spent, and what was said."""
        self.model.asked.clear()
        out = self.batch(self.llm_job(store, deep=limit), ranks, expect)
        return self.report(store)["llm"], out

    def test_a_limit_is_used_up_whatever_the_number_of_ranks(self):
        self.write("a.jsonl", self.records(60))
        one, out = self.limited("tokens1", 1, 1, max_tokens=4000)
        self.assertIn("deep.max_tokens (4000) was reached: %d tokens and " % (one["tokens_in"] + one["tokens_out"]), out)
        for ranks in 3, 6:  # an even part is less than two requests, or than one
            many, out = self.limited("tokens%d" % ranks, ranks, 1, max_tokens=4000)
            self.assertGreaterEqual(many["answered"], one["answered"] - 1)
            self.assertLessEqual(many["tokens_in"] + many["tokens_out"], 4000)
            self.assertIn("deep.max_tokens (4000) was reached: %d tokens" % (many["tokens_in"] + many["tokens_out"]), out)
            again, _ = self.limited("tokens%d" % ranks, ranks, 1, max_tokens=4000)
            self.assertGreaterEqual(again["answered"], one["answered"] - 1)
        money, _ = self.limited("money1", 1, 1, max_cost=0.008)
        shared, _ = self.limited("money3", 3, 1, max_cost=0.008)
        self.assertGreaterEqual(shared["answered"], money["answered"] - 1)
        self.assertLessEqual(shared["cost"], 0.008)
        self.assertGreater(shared["cost"], 0.006)

    def test_a_limit_that_is_less_than_a_request_is_said_to_be(self):
        self.write("a.jsonl", self.records(5))
        for ranks in 1, 3:
            _, out = self.limited("little%d" % ranks, ranks, 2, max_tokens=10)
            self.assertIn("deep.max_tokens (10) is less than one request takes", out)
            self.assertEqual(self.model.texts(), [])

    def test_one_record_that_is_too_much_for_a_limit_is_passed_by(self):
        endpoints = [{"url": self.model.url, "model": "small", "context": 131072}]
        self.write("a.jsonl", self.records(20) + json.dumps({"id": "large", "text": "a word and more " * 6000}) + "\n")
        for ranks in 1, 3:
            store = "large%d" % ranks
            llm, out = self.limited(store, ranks, 1, max_tokens=15000, endpoints=endpoints)
            self.assertEqual((llm["answered"], llm["pending"]), (20, 1))
            self.assertIn("deep.max_tokens (15000) is less than one request takes", out)
            self.assertIn("its record is pending", out)
            llm, out = self.limited(store, ranks, 2, max_tokens=15000, endpoints=endpoints)  # nothing else is left
            self.assertEqual(llm["answered"], 0)
            self.assertIn("nobody was asked", out)
            llm, out = self.limited(store, ranks, 0, max_tokens=100000, endpoints=endpoints)
            self.assertEqual((llm["answered"], llm["pending"]), (1, 0))

    def test_the_report_tells_what_a_cascade_saved_and_which_model_was_asked(self):
        self.write("a.jsonl", self.records(40))
        endpoints = [{"url": self.model.url, "model": "cheap", "price_in": 1}, {"url": self.model.url, "model": "strong", "price_in": 10}]
        job = self.llm_job(deep={"endpoints": endpoints, "cascade": [{"model": "cheap", "accept": 0.5}, "strong"]})
        out = self.batch(job, 2, 0)
        llm = self.report("out")["llm"]
        self.assertEqual([step["decided"] for step in llm["cascade"]], [40, 0])
        saved = llm["cascade_saved"]
        self.assertEqual((saved["records"], saved["requests"]), (40, 40))
        self.assertAlmostEqual(saved["cost"], 10 * llm["cost"], 4)  # the same tokens at the strong one's price
        self.assertIn("at the last one's price", saved["basis"])
        self.assertEqual([endpoint["model"] for endpoint in llm["endpoints"]], ["cheap", "strong"])
        self.assertIn("the last model alone would have taken about 40 requests", out)
        self.assertIn("strong at http://", out)
        self.assertNotIn("  part ", out)
        self.assertIn("were shared by equal texts", out)

    def said(self, *words, expect=0):
        done = subprocess.run([self.lamina, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=support.LIMIT,
                              env=support.clean_environment())
        self.assertEqual(done.returncode, expect, done.stdout)
        return done.stdout

    def test_a_file_of_requests_needs_no_key_and_comes_whole_or_not_at_all(self):
        self.write("a.jsonl", self.records(5))
        endpoint = {"url": self.model.url, "model": "small", "key_env": "LAMINA_NO_SUCH_KEY"}
        path = os.path.join(self.folder, "requests.jsonl")
        with open(path, "w") as file:
            file.write("precious")
        job = self.llm_job(deep={"endpoints": [endpoint]})
        self.batch(job, 1, 0, ["--estimate"])
        os.mkdir(os.path.join(self.folder, "words"))
        with open(os.path.join(self.folder, "words", "head.txt"), "w") as file:
            file.write("no version in the first line\n")
        self.batch(self.llm_job("wrong", deep={"endpoints": [endpoint], "prompts": "words"}), 1, 2, ["--write-requests", path])
        with open(path) as file:
            self.assertEqual(file.read(), "precious")
        self.batch(job, 1, 0, ["--write-requests", path])
        with open(path) as file:
            self.assertEqual(len([json.loads(line) for line in file]), 5)
        self.assertEqual(self.model.texts(), [])
        self.assertIn("5 are pending", self.said("status", self.store("out")))
        self.assertIn("5 are pending", self.said("query", self.store("out"), "--status"))
        self.assertIn("no model has answered yet", self.said("query", self.store("out"), "--key", "k0001", "--explain"))
        answers = os.path.join(self.folder, "answers.jsonl")
        with open(answers, "w") as file:
            file.write(json.dumps({"custom_id": "0" * 32, "response": {"status_code": 429, "body": {"error": {"message": "too many"}}}, "error": None}) + "\n")
        out = self.said("cache", "import", job, answers, expect=1)
        self.assertIn("status 429", out)
        self.assertIn("too many", out)
        self.assertIn("no line of", out)


if __name__ == "__main__":
    support.main("__main__", sys.argv[1], sys.argv[2:])
