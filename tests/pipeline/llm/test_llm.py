"""Whole batch runs whose answers come from a scripted model server: nothing is lost, nothing is paid twice, whatever happens to endpoints and ranks."""
import glob
import http.server
import json
import os
import re
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "batch"))
import support  # noqa: E402

PENDING = 1  # a row's flag
LABELS = {"billing": "invoice, refund, charge", "outage": "down, error, timeout"}


class Model(http.server.ThreadingHTTPServer):
    """Answers by the words of a document; says what it counted; fails on demand."""
    daemon_threads = True
    request_queue_size = 256

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.asked, self.open, self.tokens_in, self.tokens_out = [], 0, 0, 0
        self.sent = {}  # text: when its answer was, if it was since it was last asked
        self.counted = {}  # body of a request: tokens in and out, documents
        self.delay, self.fail, self.slow = 0.0, None, None
        self.dim, self.vectors_after, self.vector_requests = 16, 0, 0  # of vectors; once so many texts were asked about
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """Ranks that are killed reset their connections."""

    @property
    def url(self):
        return "http://127.0.0.1:%d/v1" % self.server_port

    def texts(self):
        with self.lock:
            return list(self.asked)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "input" in body:
            self.reply(200, self.vectors(body["input"]))
            return
        documents = re.findall(r"<document (\d+)(?: id=\"(d\d+)\")?[^>]*>\n(.*?)\n</document \1>", body["messages"][1]["content"], re.S)
        with server.lock:
            server.asked += [text for _, _, text in documents]
            for _, _, text in documents:
                server.sent.pop(text, None)
            server.counted[json.dumps(body)] = (len(json.dumps(body)) // 4, 30 * len(documents), len(documents))
            server.open += 1
        time.sleep(server.slow(documents) if server.slow else server.delay)
        status, answer = 200, self.answer(documents, len(json.dumps(body)) // 4)
        if server.fail and server.fail(documents):
            status, answer = server.fail(documents)
        with server.lock:
            server.open -= 1
        if self.reply(status, answer):
            server.sent.update((text, time.monotonic()) for _, _, text in documents)

    def reply(self, status, answer):
        text = json.dumps(answer).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
            return True
        except OSError:
            return False

    def vectors(self, texts):
        server = self.server
        while len(server.texts()) < server.vectors_after or (server.vectors_after and server.open):
            time.sleep(0.1)
        with server.lock:
            server.tokens_in += 5 * len(texts)
            server.vector_requests += 1
        return {"model": "vectors-1", "data": [{"index": i, "embedding": [1.0 + i] * server.dim} for i in range(len(texts))], "usage": {"prompt_tokens": 5 * len(texts)}}

    def answer(self, documents, tokens):
        def one(text):
            category = "billing" if "invoice" in text else "outage"
            return {"category": category, "confidence": 9, "sentiment": -2, "keywords": text.split()[:2], "summary": "About " + category}
        packed = bool(documents[0][1])
        content = {"answers": [{"id": number, **one(text)} for _, number, text in documents]} if packed else one(documents[0][2])
        with self.server.lock:
            self.server.tokens_in += tokens
            self.server.tokens_out += 30 * len(documents)
        return {"model": "scripted-1", "choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": json.dumps(content)}}],
                "usage": {"prompt_tokens": tokens, "completion_tokens": 30 * len(documents)}}


class LlmRuns(support.BatchCase):
    """What cases need."""

    def setUp(self):
        super().setUp()
        self.model = Model()
        self.addCleanup(self.model.server_close)
        self.addCleanup(self.model.shutdown)

    def records(self, count, first=0):
        lines = [json.dumps({"id": "k%04d" % i, "text": "%s number %d of %s" % ("invoice" if i % 2 else "server", i, self.id())}) for i in range(first, first + count)]
        return "\n".join(lines) + "\n"

    def llm_job(self, store="out", deep=None, **fields):
        deep = {"analyzer": "openai", "endpoints": [{"url": self.model.url, "model": "small", "concurrency": 16, "price_in": 1.0, "price_out": 2.0}],
                "answer_tokens": 128, **(deep or {})}
        dataset = {"key": ["/id"], "order_by": None, "event_time": None, "text": ["/text"], "deleted": None, **fields.pop("dataset", {})}
        return self.job(store, dataset=dataset, deep=deep,
                        **{"tasks": {"classify": {"labels": LABELS}, "sentiment": {}, "keywords": {"max": 3}, "summarize": {"sentences": 1}}, "batch": {"split": "4 KiB"}, **fields})

    def run_batch(self, job, ranks=2, expect=0):
        self.batch(job, ranks, expect)
        return self.report(os.path.basename(job)[len("job-"):-len(".json")])

    def estimate(self, job, ranks=2, options=()):
        out = self.batch(job, ranks, 0, ["--estimate", "--json", *options])  # and what the log says
        return json.loads(out[out.index('{"records"'):].splitlines()[0])

    def report(self, store):
        newest = max(glob.glob(os.path.join(self.store(store), "runs", "*", "report.json")), key=os.path.getmtime)
        with open(newest) as file:
            return json.load(file)

    def rows(self, store="out"):
        out = support.subprocess.run([self.lamina, "query", self.store(store), "--limit", "1000", "--json"], stdout=support.subprocess.PIPE, text=True, check=True).stdout
        return {record["key"]: record for record in json.loads(out)["records"]}

    def check_answers(self, rows):
        for key, record in rows.items():
            odd = int(key[1:]) % 2
            self.assertFalse(record["pending"], key)
            self.assertEqual(record["enrichment"]["category"], "billing" if odd else "outage", key)
            self.assertEqual(record["provenance"]["analyzer"], "openai")
            self.assertEqual(record["provenance"]["trace"]["asks"][0]["model"], "scripted-1")


class LlmCase(LlmRuns):
    def test_each_text_is_asked_once_and_the_report_counts_what_the_server_counted(self):
        self.write("a.jsonl", self.records(300))
        for mode in ("combined", "packed", "per_task"):
            self.model.counted.clear()
            asked = len(self.model.texts())
            job = self.llm_job(mode, {"request_mode": mode, "token_budget": 4000})
            llm = self.run_batch(job)["llm"]
            self.assertEqual(llm["answered"], 300)
            tokens_in, tokens_out, documents = map(sum, zip(*self.model.counted.values()))
            self.assertEqual((llm["tokens_in"], llm["tokens_out"]), (tokens_in, tokens_out), mode)
            self.assertAlmostEqual(llm["cost"], (tokens_in + 2 * tokens_out) / 1e6, places=4)
            self.assertEqual(documents, 300 * (4 if mode == "per_task" else 1))
            self.assertEqual(llm["requests"], len(self.model.counted))
            if not llm["unseen"]["requests"]:  # else the machine was busy for a second, and something was sent twice at once
                self.assertEqual(len(self.model.texts()) - asked, documents)
            sent = len(self.model.texts())
            if mode == "packed":
                self.assertLess(llm["requests"], 100)
            rows = self.rows(mode)
            self.assertEqual(len(rows), 300)
            self.check_answers(rows)
            self.assertTrue(self.run_batch(job)["nothing_new"])
            job = self.llm_job(mode, {"request_mode": mode, "token_budget": 4000}, limits={"depth": 50})  # the analysis changed: all is analysed again
            llm = self.run_batch(job)["llm"]
            self.assertEqual((llm["answered"], llm["requests"]), (300, 0))
            self.assertEqual(len(self.model.texts()), sent)

    def test_what_could_not_be_answered_is_pending_and_the_next_run_asks_for_it_alone(self):
        self.write("a.jsonl", self.records(120))
        number = re.compile(r"number (\d+) ")
        self.model.fail = lambda documents: (503, {"error": {"message": "busy"}}) if int(number.search(documents[0][2]).group(1)) % 10 == 3 else None
        job = self.llm_job(deep={"timeout": 2, "patience": 1})
        report = self.run_batch(job)
        waiting = report["llm"]["pending"]  # those, and what else was to be asked while the endpoint was held for down
        self.assertGreaterEqual(waiting, 12)
        self.assertEqual(report["counts"]["totals"]["pending"], waiting)
        self.assertEqual((report["counts"]["totals"]["live"], report["balanced"]), (120, True))
        rows = self.rows()
        owed = {key for key in rows if rows[key]["pending"]}
        self.assertEqual(len(owed), waiting)
        self.assertLessEqual({"k%04d" % i for i in range(3, 120, 10)}, owed)
        self.model.fail = None
        self.model.asked.clear()
        report = self.run_batch(job)
        self.assertEqual(report["llm"]["answered"], waiting)
        self.assertEqual({"k%04d" % int(number.search(text).group(1)) for text in self.model.texts()}, owed)
        self.assertEqual(len(self.model.texts()), waiting)
        self.assertEqual((report["counts"]["totals"]["pending"], report["counts"]["totals"]["live"], report["balanced"]), (0, 120, True))
        self.check_answers(self.rows())
        self.assertTrue(self.run_batch(job)["nothing_new"])

    def append_job(self, **fields):
        return self.llm_job(deep={"timeout": 2, "patience": 1}, dataset={"kind": "append"}, **fields)

    def check_counts(self, pending, live, superseded=0):
        """What the log's commits add up to is what stands in the segments."""
        store = support.Store(self.store("out"))
        rows = store.rows()
        totals = {name: sum(counts[name] for counts in store.counts.values()) for name in ("read", "live", "superseded", "pending")}
        self.assertEqual(totals, {"read": live + superseded, "live": live, "superseded": superseded, "pending": pending})
        self.assertEqual((len(rows), len({row["key"] for row in rows}), sum(row["flags"] & PENDING > 0 for row in rows)), (live, live, pending))
        for (source, life), counts in store.counts.items():
            mine = [row for row in rows if (row["source"], row["life"]) == (source, life)]
            self.assertEqual((counts["live"], counts["pending"]), (len(mine), sum(row["flags"] & PENDING > 0 for row in mine)), (source, life))

    def test_of_an_append_dataset_too_what_is_pending_is_asked_for_by_the_next_run_alone(self):
        number = re.compile(r"number (\d+) ")
        self.write("a.jsonl", self.records(120))
        self.model.fail = lambda documents: (503, {"error": {"message": "busy"}})
        job = self.append_job()
        report = self.run_batch(job)
        self.assertEqual((report["llm"]["pending"], report["balanced"]), (120, True))
        self.check_counts(120, 120)
        self.model.fail = lambda documents: (503, {"error": {"message": "busy"}}) if int(number.search(documents[0][2]).group(1)) % 10 == 3 else None
        self.write("b.jsonl", self.records(60, 120))  # and new ones beside them
        report = self.run_batch(job)
        waiting = report["counts"]["totals"]["pending"]
        self.assertTrue(18 <= waiting < 180 and report["balanced"], report["counts"])
        self.check_counts(waiting, 180)
        owed = {key for key, record in self.rows().items() if record["pending"]}
        self.model.fail = None
        self.model.asked.clear()
        report = self.run_batch(job, 3)
        self.assertEqual((report["llm"]["answered"], len(self.model.texts())), (waiting, waiting))
        self.assertEqual({"k%04d" % int(number.search(text).group(1)) for text in self.model.texts()}, owed)
        self.check_counts(0, 180)
        self.check_answers(self.rows())
        self.assertTrue(self.run_batch(job)["nothing_new"])
        self.assertEqual(len(self.model.texts()), waiting)

    def test_a_file_that_changed_takes_its_pending_records_of_an_append_dataset_with_it(self):
        self.write("a.jsonl", self.records(40), time.time() - 120)
        self.write("b.jsonl", self.records(40, 100))
        self.model.fail = lambda documents: (503, {"error": {"message": "busy"}})
        job = self.append_job()
        self.run_batch(job)
        self.model.fail = None
        self.write("a.jsonl", self.records(30, 200))  # another scan: its old rows are superseded, waiting or not
        report = self.run_batch(job)
        self.assertTrue(report["balanced"])
        self.check_counts(0, 70, 40)
        self.check_answers(self.rows())

    def test_a_run_that_dies_while_it_asks_again_loses_and_doubles_nothing(self):
        self.write("a.jsonl", self.records(700))
        self.model.fail = lambda documents: (503, {"error": {"message": "busy"}})
        job = self.append_job(batch={"split": "4 KiB", "memory": "256 MiB"})
        self.run_batch(job)
        self.check_counts(700, 700)
        self.model.fail, self.model.delay = None, 0.05
        self.model.asked.clear()
        for kill in range(3):
            before, process = len(self.model.texts()), self.start(job, 2)
            deadline, goal = time.time() + 60, before + self.random.randrange(20, 90)
            while len(self.model.texts()) < goal and process.poll() is None and time.time() < deadline:
                time.sleep(0.01)
            self.kill_a_rank(process)
            self.check_counts(700, 700)
        self.model.delay = 0
        report = self.run_batch(job)
        self.assertTrue(report["balanced"])
        asked = self.model.texts()
        self.assertEqual(len(set(asked)), 700)
        self.assertLessEqual(len(asked) - 700, 3 * (16 + 8), "sent again: more than was under way")
        self.check_counts(0, 700)
        self.check_answers(self.rows())
        self.assertTrue(self.run_batch(job)["nothing_new"])

    def test_a_limit_ends_the_asking_and_the_next_run_goes_on(self):
        self.write("a.jsonl", self.records(100))
        job = self.llm_job(deep={"max_tokens": 20000, "endpoints": [{"url": self.model.url, "model": "small", "concurrency": 2}]})
        out = self.batch(job, 2, 1)
        self.assertIn("deep.max_tokens (20000) was reached", out)
        first = self.report("out")
        self.assertLessEqual(first["llm"]["tokens_in"] + first["llm"]["tokens_out"], 22000)
        self.assertGreater(first["llm"]["answered"], 0)
        self.assertEqual(first["llm"]["answered"] + first["llm"]["pending"], 100)
        job = self.llm_job()
        second = self.run_batch(job)
        self.assertEqual(second["llm"]["answered"], first["llm"]["pending"])
        self.assertEqual(len(self.model.texts()), 100)
        self.check_answers(self.rows())

    def test_with_require_no_view_is_published_while_answers_are_missing(self):
        self.write("a.jsonl", self.records(40))
        self.model.fail = lambda documents: (503, {"error": {"message": "busy"}}) if "number 7 " in documents[0][2] else None
        job = self.llm_job(deep={"require": True, "timeout": 2, "patience": 1})
        out = self.batch(job, 2, 75)
        self.assertIn("1 records have no answer yet", out)
        self.model.fail = None
        self.model.asked.clear()
        self.assertEqual(self.run_batch(job)["view"], 1)
        self.assertLessEqual(len(self.model.texts()), 1)
        self.check_answers(self.rows())

    def test_ranks_that_want_the_same_answer_ask_for_it_once(self):
        self.model.delay = 0.05
        self.write("a.jsonl", "".join(json.dumps({"id": "k%04d" % i, "text": "%s about %d" % ("invoice" if i % 2 else "server", i % 24)}) + "\n" for i in range(480)))
        report = self.run_batch(self.llm_job(batch={"split": "4 KiB", "workers": 1}), 3)
        self.assertEqual(report["llm"]["answered"], 480)
        self.assertEqual(len(self.model.texts()), 24)
        self.check_answers(self.rows())
        self.model.asked.clear()  # and in a run of all layers, where not all ranks have the batch layer's role
        job = self.llm_job("all", batch={"split": "4 KiB", "workers": 1})
        done = support.subprocess.run([self.lamina, "launch", "-n", "4", "run", job, "--quiet"], stdin=support.subprocess.DEVNULL, capture_output=True, text=True, timeout=support.LIMIT,
                                      env=support.clean_environment())
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(self.model.texts()), 24)
        self.assertEqual(len(self.rows("all")), 480)
        self.check_answers(self.rows("all"))

    def test_long_texts_are_cut_and_not_paid_again(self):
        self.write("a.jsonl", "".join(json.dumps({"id": "k%04d" % i, "text": ("invoice %d. " % i if i % 2 else "server %d. " % i) + " ".join("w%d" % (i * 1000 + n) for n in range(1500))}) + "\n" for i in range(12)))
        deep = {"endpoints": [{"url": self.model.url, "model": "small", "context": 2048}]}
        job = self.llm_job(deep=deep)
        llm = self.run_batch(job)["llm"]
        self.assertEqual((llm["answered"], llm["cut"]), (12, 12))
        texts = self.model.texts()
        self.assertTrue(all(len(text) < 9000 for text in texts))
        self.assertEqual(sum("Summaries of all parts" in text for text in texts), 12)
        for record in self.rows().values():  # all of it was seen, in parts
            ask = record["provenance"]["trace"]["asks"][0]
            self.assertEqual(ask["seen"], {"bytes": len(record["text"]), "of": len(record["text"])})
            self.assertGreater(ask["requests"], 2)
        self.assertEqual(llm["requests"], len(texts))
        llm = self.run_batch(self.llm_job(deep=deep, limits={"depth": 50}))["llm"]
        self.assertEqual((llm["answered"], llm["requests"]), (12, 0))

    def test_an_estimate_asks_nobody_and_comes_close(self):
        self.write("a.jsonl", self.records(200))
        for mode in ("combined", "packed"):
            job = self.llm_job(mode, {"request_mode": mode, "token_budget": 4000})
            self.model.asked.clear()
            told = self.estimate(job)
            self.assertEqual((told["records"], len(self.model.texts())), (200, 0))
            self.assertFalse(glob.glob(os.path.join(self.store(mode), "runs", "*", "report.json")))
            llm = self.run_batch(job)["llm"]
            for name in ("tokens_in", "cost", "requests"):
                self.assertTrue(0.4 < told[name] / llm[name] < 2.5, (mode, name, told[name], llm[name]))
            self.assertEqual(llm["answered"], 200)
            told = self.estimate(self.llm_job(mode, {"request_mode": mode}, limits={"depth": 50}))
            self.assertEqual((told["cache_hits"], told["requests"]), (200, 0))

    def test_an_estimate_of_little_is_exact_and_counts_equal_texts_once(self):
        self.model.delay = 0.02
        self.write("a.jsonl", "".join(json.dumps({"id": "k%04d" % i, "text": "%s about %d" % ("invoice" if i % 2 else "server", i % 30)}) + "\n" for i in range(300)))
        job = self.llm_job()
        for ranks in (1, 3):
            told = self.estimate(job, ranks)
            self.assertEqual((told["records"], told["questions"], told["repeats"], told["requests"]), (300, 300, 270, 30), ranks)
            self.assertEqual((told["sample"]["exact"], told["sample"]["records"], told["error"]["cost"]), (True, 300, 0))
        self.assertEqual((told["latency_s"], told["latency_from"]), (2.0, "assumed"))
        self.assertEqual(told["seconds"], 2.0 * 30 / 16)
        llm = self.run_batch(job)["llm"]
        self.assertEqual(llm["requests"], 30)
        told = self.estimate(self.llm_job(limits={"depth": 50}))  # all is asked anew, and known
        self.assertEqual((told["cache_hits"], told["requests"], told["latency_from"]), (300, 0, "as in the last view"))
        self.assertEqual(told["latency_s"], llm["latency_s"])
        self.assertGreater(told["latency_s"], 0.02)
        told = self.estimate(self.llm_job("limited", {"endpoints": [{"url": self.model.url, "model": "small", "rpm": 10}]}))
        self.assertEqual((told["seconds"], told["by_limit"]), (180.0, True))
        self.model.asked.clear()
        for words in (["--sample", "1 MiB"], ["--latency", "1s"]):  # nobody means to pay who says so
            self.assertIn("of --estimate alone", self.batch(self.llm_job("unasked"), 2, 2, words))
        self.assertEqual(self.model.texts(), [])

    def test_an_estimate_of_much_reads_a_sample_and_says_how_far_off_it_may_be(self):
        words = ["invoice", "server", "refund", "timeout", "please", "help"]
        sizes = {}
        for name, count, length in (("a", 3000, 10), ("b", 2500, 60), ("c", 400, 300)):  # three sources of their own kinds
            lines = []
            for i in range(count):
                text = " ".join(self.random.choice(words) for _ in range(self.random.randrange(length // 2, 2 * length)))
                lines.append(json.dumps({"id": "%s%04d" % (name, i), "text": "%s %d" % (text, i)}) + "\n")
            self.write("in-%s/x.jsonl" % name, "".join(lines))
            sizes[name] = sum(map(len, lines))
        sources = [{"name": name, "type": "files", "path": "data/in-%s/**" % name, "format": "jsonl"} for name in sizes]
        job = self.llm_job(sources=sources, batch={"split": "32 KiB"}, dataset={"order_by": "position"})
        whole = self.estimate(job)
        self.assertTrue(whole["sample"]["exact"])
        self.assertEqual((whole["records"], whole["requests"]), (5900, 5900))
        for ranks in (1, 2):
            told = self.estimate(job, ranks, ["--sample", "512 KiB"])
            self.assertFalse(told["sample"]["exact"])
            self.assertEqual(told["sample"]["of_bytes"], sum(sizes.values()))
            self.assertTrue(0.8 < told["sample"]["bytes"] / (512 << 10) < 1.5, told["sample"])
            self.assertLess(told["sample"]["records"], 3000)
            for name in ("requests", "tokens_in", "tokens_out", "cost"):
                self.assertGreater(told["error"][name], 0)
                self.assertLess(told["error"][name], 0.2 * whole[name], name)
                self.assertLess(abs(told[name] - whole[name]), 5 * told["error"][name], (name, told[name], whole[name], told["error"][name]))
            first = told if ranks == 1 else first
        self.assertEqual({name: first[name] for name in ("requests", "tokens_in", "sample")}, {name: told[name] for name in ("requests", "tokens_in", "sample")})
        out = self.batch(job, 1, 0, ["--estimate", "--sample", "512 KiB"])
        self.assertIn("From a sample of %d of about %d records" % (told["sample"]["records"], told["records"]), out)
        self.assertIn("±", out)
        self.assertEqual(self.model.texts(), [])

    def test_an_estimate_measures_the_first_step_of_a_cascade_and_says_what_it_assumes_of_the_others(self):
        self.write("a.jsonl", self.records(200))
        endpoints = [{"url": self.model.url, "model": "cheap", "price_in": 1.0}, {"url": self.model.url, "model": "strong", "price_in": 10.0}]
        cascade = {"endpoints": endpoints, "cascade": [{"model": "builtin", "accept": 0.99}, {"model": "cheap", "accept": 0.95}, "strong"]}
        told = self.estimate(self.llm_job(deep=cascade))
        self.assertEqual(told["records"] + told["decided_without"], 200)
        self.assertEqual((told["goes_on"], told["goes_on_from"]), ([0.5], "assumed"))
        self.assertEqual(told["least"]["requests"], told["records"])
        self.assertEqual(told["most"]["requests"], 2 * told["records"])
        self.assertEqual(told["requests"], 1.5 * told["records"])
        self.assertAlmostEqual(told["most"]["cost"], 11 * told["least"]["cost"], places=5)
        llm = self.run_batch(self.llm_job(deep=cascade))["llm"]  # confidence is 0.9: each record of the cheap model goes on
        self.assertEqual([step["decided"] for step in llm["cascade"]], [told["decided_without"], 0, told["records"]])
        self.write("b.jsonl", self.records(100, 200))
        told = self.estimate(self.llm_job(deep=cascade))
        self.assertEqual((told["goes_on"], told["goes_on_from"]), ([1.0], "the last view") if told["records"] else ([0.5], "assumed"))
        self.assertEqual(told["requests"], 2 * told["records"])

    def test_unusable_answers_end_in_quarantine_with_the_raw_answer(self):
        self.write("a.jsonl", self.records(20))
        self.model.fail = lambda documents: (200, {"choices": [{"finish_reason": "stop", "message": {"content": "no thanks"}}]}) if "number 4 " in documents[0][2] else None
        report = self.run_batch(self.llm_job())
        totals = report["counts"]["totals"]
        self.assertEqual((totals["live"], totals["quarantined"], totals["read"], report["balanced"]), (19, 1, 20, True))
        self.assertEqual(report["llm"]["rejected"], 1)

    def test_records_that_a_policy_forbids_end_no_run_even_if_they_come_first(self):
        number = re.compile(r"number (\d+) ")
        forbidden = (400, {"error": {"message": "The content violates our policy"}})
        self.write("a.jsonl", self.records(100))
        for mode in ("combined", "packed"):
            self.model.asked.clear()
            self.model.fail = lambda documents: forbidden if any(number.search(text) and int(number.search(text).group(1)) < 70 for _, _, text in documents) else None
            llm = self.run_batch(self.llm_job(mode, {"request_mode": mode}, batch={"split": "1 MiB"}, quarantine={"max": 1}), 1)["llm"]
            self.assertEqual((llm["answered"], llm["rejected"] + llm["pending"]), (30, 70), mode)
            self.assertLess(llm["pending"], 8, mode)  # the last ones, if nothing is answered after them: too few for a trial
            trials = [text for text in self.model.texts() if "number" not in text]
            tasks = {task["task"]: task for task in llm["tasks"]}
            if mode == "combined":
                self.assertTrue(1 <= len(trials) <= 70 // 8, trials)
            self.assertLessEqual(len(trials), 70 // 8)
            self.assertEqual(len(set(trials)), min(1, len(trials)))  # always the same text, which is no record's
            self.assertEqual(tasks.get("trial", {"requests": 0})["requests"], len(trials))
            for name in ("requests", "tokens_in", "tokens_out"):  # paid, and told
                self.assertEqual(llm[name], sum(task[name] for task in tasks.values()))
                self.assertEqual(llm[name], llm["endpoints"][0][name])
        self.model.fail = lambda documents: forbidden  # and an endpoint that refuses everything ends it as before
        self.assertIn("The content violates our policy", self.batch(self.llm_job("all"), 1, 2))

    def test_a_pending_record_that_no_model_answers_leaves_the_view_for_the_quarantine(self):
        number = re.compile(r"number (\d+) ")
        bad = {4, 14, 24, 34}
        for kind in ("upsert", "append"):
            self.write("a.jsonl", self.records(40), time.time() - 120)
            self.model.fail = lambda documents: (503, {"error": {"message": "busy"}})
            job = self.llm_job(kind, {"timeout": 2, "patience": 1}, dataset={"kind": kind}, quarantine={"max": 0.2})
            self.assertEqual(self.run_batch(job)["llm"]["pending"], 40)
            self.model.fail = lambda documents: (200, {"choices": [{"finish_reason": "stop", "message": {"content": "no thanks"}}]}) \
                if int(number.search(documents[0][2]).group(1)) in bad and "newer" not in documents[0][2] else None
            self.write("b.jsonl", json.dumps({"id": "k0014", "text": "a newer server number 14 of it"}) + "\n")  # and one of them has a newer version now
            report = self.run_batch(job)
            totals, log = report["counts"]["totals"], support.Store(self.store(kind))
            self.assertEqual((totals["live"], totals["pending"], totals["superseded"], totals["deleted"], totals["quarantined"], totals["read"], report["balanced"]),
                             (37, 0, 0, 0, 4, 41, True), kind)
            self.assertEqual({name: sum(counts[name] for counts in log.counts.values()) for name in ("live", "pending", "quarantined", "read")},
                             {"live": 37, "pending": 0, "quarantined": 4, "read": 41})
            self.assertEqual(report["llm"]["rejected"], 4)
            rows = self.rows(kind)
            self.assertEqual(set(rows), {"k%04d" % i for i in range(40) if i not in bad or i == 14})
            self.check_answers(rows)
            log.check_counts(self)
            self.assertEqual({(reject["place"], reject["raw"]) for reject in log.rejects()}, {(b"k%04d" % i, b"no thanks") for i in bad})
            support.subprocess.run([self.lamina, "store", "check", self.store(kind)], stdout=support.subprocess.PIPE, check=True)
            self.model.asked.clear()
            self.assertTrue(self.run_batch(job)["nothing_new"])
            self.assertEqual(self.model.texts(), [])
            self.write("c.jsonl", json.dumps({"id": "k0004", "text": "a newer server number 4 of it"}) + "\n")
            report = self.run_batch(job)
            self.assertEqual((report["counts"]["totals"]["live"], report["balanced"]), (38, True))
            support.Store(self.store(kind)).check_counts(self)
            for name in ("a.jsonl", "b.jsonl", "c.jsonl"):
                os.remove(os.path.join(self.data, name))

    def test_pending_records_in_quarantine_are_counted_against_its_limit(self):
        self.write("a.jsonl", self.records(10))
        self.model.fail = lambda documents: (503, {"error": {"message": "busy"}})
        job = self.llm_job(deep={"timeout": 2, "patience": 1}, quarantine={"max": 0.05})
        self.run_batch(job)
        self.model.fail = lambda documents: (200, {"choices": [{"finish_reason": "stop", "message": {"content": "no thanks"}}]}) if "number 4 " in documents[0][2] else None
        self.assertIn("1 of 10 records are in quarantine", self.batch(job, 2, 3))
        self.assertTrue(self.run_batch(job)["nothing_new"])

    def test_what_was_sent_and_never_answered_is_told_beside_what_was(self):
        number, slow = re.compile(r"number (\d+) "), set()

        def hang_once(documents):
            which = int(number.search(documents[0][2]).group(1))
            if which % 20 != 3 or which in slow:
                return 0.01
            slow.add(which)
            return 2.5

        self.write("a.jsonl", self.records(200))
        self.model.slow = hang_once
        llm = self.run_batch(self.llm_job(deep={"timeout": 1}))["llm"]
        self.assertEqual((llm["answered"], len(slow)), (200, 10))
        deadline = time.time() + 20
        while self.model.open and time.time() < deadline:  # it works on what nobody waits for
            time.sleep(0.05)
        self.assertEqual(llm["requests"], 200)
        self.assertEqual(llm["unseen"]["requests"], len(self.model.texts()) - 200)
        self.assertGreaterEqual(llm["unseen"]["requests"], 10)
        for ours, estimated, theirs in ((llm["tokens_in"], llm["unseen"]["estimated_in"], self.model.tokens_in), (llm["tokens_out"], llm["unseen"]["estimated_out"], self.model.tokens_out)):
            self.assertLess(ours, theirs)
            self.assertTrue(0.7 < estimated / (theirs - ours) < 1.4, (ours, estimated, theirs))
        self.assertEqual(self.run_batch(self.llm_job(deep={"timeout": 1}, limits={"depth": 50}))["llm"]["unseen"]["requests"], 0)

    def kill_a_rank(self, process):
        ranks = []
        for pid in support.descendants(process.pid):
            with open("/proc/%d/cmdline" % pid, "rb") as file:
                ranks += [pid] if b"batch" in file.read() else []
        if not ranks:
            self.fail("it ended before it was killed: %s" % (self.finish(process),))
        os.kill(self.random.choice(ranks[-2:]), signal.SIGKILL)
        self.finish(process)

    def test_a_refused_key_ends_the_run_with_a_word(self):
        self.write("a.jsonl", self.records(20))
        self.model.fail = lambda documents: (401, {"error": {"message": "Incorrect API key"}})
        out = self.batch(self.llm_job(), 2, 2)
        self.assertIn("401", out)

    def test_a_model_that_nobody_knows_ends_the_run_and_takes_no_record(self):
        self.write("a.jsonl", self.records(60))
        self.model.fail = lambda documents: (400, {"error": {"message": "Invalid model name passed in model=small", "type": "invalid_request_error", "code": "400"}})
        job = self.llm_job()
        self.assertIn("Invalid model name passed in model=small", self.batch(job, 2, 2))
        self.assertLess(len(self.model.texts()), 60)
        self.model.fail = None
        report = self.run_batch(job)
        self.assertEqual((report["counts"]["totals"]["live"], report["counts"]["totals"]["quarantined"]), (60, 0))

    def test_one_document_that_no_server_takes_costs_itself_alone(self):
        self.write("a.jsonl", self.records(60))
        self.model.delay = 0.1
        self.model.fail = lambda documents: (400, {"error": {"message": "cannot read: unknown model"}}) if "number 0 " in documents[0][2] else None
        report = self.run_batch(self.llm_job())
        self.assertEqual((report["counts"]["totals"]["live"], report["counts"]["totals"]["quarantined"]), (59, 1))

    def test_an_account_that_runs_dry_ends_the_run_and_costs_no_record(self):
        self.write("a.jsonl", self.records(120))
        self.model.fail = lambda documents: (403, {"error": {"message": "This key has reached its spending limit"}}) if len(self.model.asked) > 30 else None
        job = self.llm_job()
        self.assertIn("spending limit", self.batch(job, 2, 2))
        self.model.fail = None
        report = self.run_batch(job)
        self.assertEqual((report["counts"]["totals"]["live"], report["counts"]["totals"]["quarantined"]), (120, 0))
        self.assertLess(report["llm"]["requests"], 120)  # what was answered before is not asked again

    def test_a_refused_document_that_is_alone_is_pending_until_others_are_answered_beside_it(self):
        self.write("a.jsonl", self.records(1))
        self.model.fail = lambda documents: (403, {"error": {"message": "Blocked by content firewall"}}) if "number 0 " in documents[0][2] else None
        job = self.llm_job()
        totals = self.run_batch(job)["counts"]["totals"]
        self.assertEqual((totals["live"], totals["pending"], totals["quarantined"]), (1, 1, 0))
        self.write("b.jsonl", self.records(60, 1))
        self.model.delay = 0.1
        totals = self.run_batch(job)["counts"]["totals"]
        self.assertEqual((totals["live"], totals["pending"], totals["quarantined"]), (60, 0, 1))

    def test_too_many_in_quarantine_is_said_with_a_reason_with_json_too(self):
        self.write("a.jsonl", self.records(10))
        self.model.fail = lambda documents: (200, {"choices": [{"finish_reason": "stop", "message": {"content": "no thanks"}}]}) if "number 4 " in documents[0][2] else None
        done = support.subprocess.run(self.command(self.llm_job(quarantine={"max": 0.01}), 2, ["--json"]), stdout=support.subprocess.PIPE, stderr=support.subprocess.PIPE, text=True,
                                      env=support.clean_environment(), timeout=support.LIMIT)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertEqual(json.loads(done.stdout)["counts"]["totals"]["quarantined"], 1)
        self.assertIn("1 of 10 records are in quarantine", done.stderr)
        self.assertIn("a record has no usable answer", done.stderr)

    def test_an_endpoint_that_only_says_not_now_leaves_its_records_pending(self):
        self.write("a.jsonl", self.records(30))
        self.model.fail = lambda documents: (429, {"error": {"message": "slow down"}})
        job = self.llm_job(deep={"patience": "1 s"})
        out = self.batch(job, 2, 0)
        self.assertIn("slow down", out)
        self.assertEqual(self.report("out")["llm"]["pending"], 30)
        self.model.fail = None
        self.run_batch(job)
        self.assertEqual(sum(record.get("pending", False) for record in self.rows().values()), 0)

    def test_a_rate_limit_holds_over_ranks_and_is_used(self):
        self.write("a.jsonl", self.records(90))
        process = self.start(self.llm_job(deep={"endpoints": [{"url": self.model.url, "model": "small", "concurrency": 16, "rpm": 20}]}), 3)
        deadline = time.time() + 45  # well within the minute in which no more may come
        while len(self.model.texts()) < 20 and process.poll() is None and time.time() < deadline:
            time.sleep(0.05)
        self.assertEqual(len(self.model.texts()), 20, "ranks without work leave theirs to the others")
        time.sleep(3)
        self.assertEqual(len(self.model.texts()), 20)
        process.terminate()
        self.finish(process)

    def test_a_killed_run_goes_on_and_asks_again_only_for_what_was_under_way(self):
        self.write("a.jsonl", self.records(700))
        self.model.delay = 0.05
        job = self.llm_job()
        for kill in range(4):
            before, process = len(self.model.texts()), self.start(job, 2)
            deadline, goal = time.time() + 60, before + self.random.randrange(20, 90)
            while len(self.model.texts()) < goal and process.poll() is None and time.time() < deadline:
                time.sleep(0.01)
            self.kill_a_rank(process)
        self.model.delay = 0
        self.run_batch(job)
        asked = self.model.texts()
        self.assertEqual(len(set(asked)), 700)
        self.assertLessEqual(len(asked) - 700, 4 * (16 + 8), "sent again: more than was under way")
        self.check_answers(self.rows())
        self.assertTrue(self.run_batch(job)["nothing_new"])
        self.assertEqual(len(self.model.texts()), len(asked))


if __name__ == "__main__":
    support.main("__main__", sys.argv[1], sys.argv[2:])
