#!/usr/bin/env python3
"""The real binary with recorded answers of models: replay, record, the cache and its verb; and embeddings from a static table.

    test_answers.py LAMINA SOURCE_FOLDER [TEST…]
"""
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

LAMINA, SOURCE = sys.argv[1], sys.argv[2]
LIMIT = 120  # seconds that nothing here takes
LABELS = {"billing": "invoices, charges, refunds", "outage": "service down, errors"}
TEXTS = {"a": "I was charged twice", "b": "the service is down since noon", "c": "where is my refund", "d": "nothing but errors today"}
TRUTH = {"a": "billing", "b": "outage", "c": "billing", "d": "outage"}


def completion(category):
    return {"model": "m-recorded", "usage": {"prompt_tokens": 100, "completion_tokens": 10},
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": json.dumps({"category": category, "confidence": 9})}}]}


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="lamina_answers_")
        self.addCleanup(shutil.rmtree, self.folder)
        self.write("in.jsonl", "".join(json.dumps({"id": k, "text": t}) + "\n" for k, t in TEXTS.items()))
        self.write("replay.jsonl", "".join(json.dumps({"model": "m", "contains": t, "seconds": 0.01, "answer": completion(TRUTH[k])}) + "\n" for k, t in TEXTS.items()))

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(content if isinstance(content, str) else json.dumps(content))
        return self.path(name)

    def job(self, name="job.json", **changes):
        job = {"name": "t", "store": "store", "dataset": {"kind": "upsert", "key": ["/id"], "text": ["/text"]}, "sources": [{"type": "files", "path": "in.jsonl"}],
               "tasks": {"classify": {"labels": LABELS}},
               "deep": {"analyzer": "openai", "endpoints": [{"url": "http://127.0.0.1:9/v1", "model": "m"}], "replay": {"path": "replay.jsonl", "speed": 0}}}
        job.update(changes)
        return self.write(name, job)

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def deep_of(self, name):
        return json.loads(self.read(name))["deep"]

    def lamina(self, *words, code=0):
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PMI", "OMPI_COMM", "SLURM_", "PRTE"))}
        done = subprocess.run([LAMINA, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT, env=environment, check=False)
        self.assertEqual(done.returncode, code, done.stderr + done.stdout)
        return done.stdout

    def records(self, store="store", *words):
        out = {}
        for line in self.lamina("export", self.path(store), *words).splitlines():
            record = json.loads(line)
            out[record["key"]] = record["enrichment"]
        return out

    def stat(self, job):
        return json.loads(self.lamina("cache", "stat", job, "--json"))


class Replay(Case):
    def test_recorded_answers_reach_the_records_and_the_cache(self):
        job = self.job()
        self.lamina("batch", job)
        self.assertEqual({k: r["category"] for k, r in self.records().items()}, TRUTH)
        stat = self.stat(job)
        self.assertEqual((stat["answers"], stat["tokens_in"], stat["tokens_out"]), (4, 400, 40))

    def test_a_run_is_recorded_and_its_recording_replayed(self):
        self.job()
        deep = self.deep_of("job.json")
        self.lamina("batch", self.job(deep={**deep, "record": "recorded"}))
        lines = [json.loads(line) for name in sorted(os.listdir(self.path("recorded"))) for line in self.read("recorded/" + name).splitlines()]
        self.assertEqual(len(lines), 4)
        self.assertTrue(all(line["status"] == 200 and json.loads(line["request"])["model"] == "m" for line in lines))
        again = self.job("again.json", store="again", deep={**deep, "replay": {"path": "recorded", "speed": 0}})
        self.lamina("batch", again)
        self.assertEqual({k: r["category"] for k, r in self.records("again").items()}, TRUTH)

    def test_what_is_in_the_cache_is_not_asked_again(self):
        job = self.job()
        self.lamina("batch", job)
        self.lamina("cache", "export", job, "--output", self.path("answers.jsonl"))
        self.write("empty.jsonl", "")
        deep = self.deep_of("job.json")
        other = self.job("other.json", store="other", deep={**deep, "replay": {"path": "empty.jsonl", "speed": 0}, "record": "asked"})
        self.lamina("cache", "import", other, self.path("answers.jsonl"))
        self.lamina("batch", other)
        self.assertEqual({k: r["category"] for k, r in self.records("other").items()}, TRUTH)
        self.assertEqual([n for n in os.listdir(self.path("asked")) if os.path.getsize(self.path("asked/" + n))], [])


class BatchFiles(Case):
    """Requests go out as a file, nobody is asked; the answers come back as another one."""

    def answers(self, *names, without=None):
        lines = [json.loads(line) for name in names for line in self.read(name).splitlines()]
        for line in lines:
            self.assertEqual((line["method"], line["url"], line["body"]["model"]), ("POST", "/v1/chat/completions", "m"))
            self.assertEqual(line["body"]["response_format"]["type"], "json_schema")
        out = []
        for line in reversed(lines):  # in whatever order
            key = next(k for k, t in TEXTS.items() if t in line["body"]["messages"][-1]["content"])
            out.append({"id": "b", "custom_id": line["custom_id"], "error": None,
                        "response": {"status_code": 500 if key == without else 200, "request_id": "r", "body": completion(TRUTH[key])}})
        self.assertEqual(len({line["custom_id"] for line in lines}), len(lines))
        return self.write("responses.jsonl", "".join(json.dumps(line) + "\n" for line in out)), len(lines)

    def test_requests_go_out_and_answers_come_in(self):
        deep = {"analyzer": "openai", "endpoints": [{"url": "http://127.0.0.1:9/v1", "model": "m"}]}
        job = self.job(deep=deep)
        self.lamina("batch", job, "--write-requests", self.path("requests.jsonl"))
        self.assertEqual({k: r["category"] for k, r in self.records().items()}, dict.fromkeys(TEXTS, None))
        responses, count = self.answers("requests.jsonl")
        self.assertEqual(count, 4)
        self.write("empty.jsonl", "")
        job = self.job(deep={**deep, "replay": {"path": "empty.jsonl", "speed": 0}, "record": "asked"})
        self.lamina("batch", job, "--read-responses", responses)
        self.assertEqual({k: r["category"] for k, r in self.records().items()}, TRUTH)
        self.assertEqual([n for n in os.listdir(self.path("asked")) if os.path.getsize(self.path("asked/" + n))], [])

    def test_requests_that_cannot_be_written_end_the_run_without_a_view(self):
        for ranks, taken in ((0, "requests.jsonl"), (2, "requests.jsonl.1")):  # of two ranks the second's file, which it has also where it read nothing
            os.mkdir(self.path(taken))  # a name that no file can take
            job = self.job(store="store%d" % ranks)
            launch = ["launch", "-n", "2"] if ranks else []
            self.lamina(*launch, "batch", job, "--write-requests", self.path("requests.jsonl"), code=1)
            self.assertEqual([n for n in os.listdir(self.folder) if ".tmp" in n], [])
            os.rmdir(self.path(taken))
            report = json.loads(self.lamina("batch", job, "--write-requests", self.path("requests.jsonl"), "--json"))
            self.assertEqual((report["view"], self.answers("requests.jsonl")[1]), (1, 4))
            os.unlink(self.path("requests.jsonl"))

    def test_what_the_file_does_not_answer_is_asked(self):
        job = self.job()
        self.lamina("launch", "-n", "2", "batch", job, "--write-requests", self.path("requests.jsonl"))
        names = [n for n in ("requests.jsonl", "requests.jsonl.1") if os.path.exists(self.path(n))]
        responses, count = self.answers(*names, without="c")
        self.assertEqual(count, 4)
        deep = self.deep_of("job.json")
        self.lamina("batch", self.job(deep={**deep, "record": "asked"}), "--read-responses", responses)
        self.assertEqual({k: r["category"] for k, r in self.records().items()}, TRUTH)
        asked = [line for n in os.listdir(self.path("asked")) for line in self.read("asked/" + n).splitlines()]
        self.assertEqual(len(asked), 1)


class CacheVerb(Case):
    def test_answers_go_out_and_come_in_as_lines_and_as_a_batch_file(self):
        job, other = self.job(), self.job("other.json", store="other")
        self.lamina("batch", job)
        for form in ("lines", "batch"):
            self.lamina("cache", "export", job, "--format", form, "-o", self.path(form))
            taken = json.loads(self.lamina("cache", "import", other, self.path(form), "--json"))
            self.assertEqual((taken["lines"], taken["taken"], taken["failed"], taken["unusable"]), (4, 4, 0, 0))
        self.assertEqual(self.stat(other)["answers"], 4)
        self.assertEqual(self.stat(other)["entries"], 8)
        self.lamina("cache", "prune", other)
        self.assertEqual(self.stat(other)["entries"], 4)
        self.lamina("cache", "prune", other, "--max-bytes", "1")
        self.assertEqual(self.stat(other)["answers"], 0)

    def test_words_that_are_wrong_are_told(self):
        job = self.job()
        for words in (("count", job), ("stat", job, "x"), ("import", job), ("export", job, "--format", "xml"), ("stat", self.path("none.json"))):
            self.lamina("cache", *words, code=2)
        self.lamina("cache", "import", job, self.path("none.jsonl"), code=1)


class StaticTable(Case):
    def table(self, rows):
        os.mkdir(self.path("table"))
        header = json.dumps({"embedding.weight": {"dtype": "I8", "shape": [rows, 16], "data_offsets": [0, rows * 16]}}).encode()
        with open(self.path("table/model.safetensors"), "wb") as file:
            file.write(struct.pack("<Q", len(header)) + header + bytes((i * 2654435761 >> 13) & 255 for i in range(rows * 16)))
        shutil.copy(os.path.join(SOURCE, "tests/data/static/wordpiece.json"), self.path("table/tokenizer.json"))

    def test_embeddings_are_of_the_table(self):
        self.table(1000)
        tasks = {"language": {}, "embed": {"analyzer": "static", "path": "table", "dim": 8}}
        self.lamina("batch", self.job(tasks=tasks, deep={"analyzer": "builtin"}))
        vectors = [r["embedding"] for r in self.records("store", "--embedding").values()]
        self.assertEqual(len(vectors), 4)
        for vector in vectors:
            values = vector if isinstance(vector, list) else vector["values"]
            self.assertEqual(len(values), 8)
            self.assertAlmostEqual(sum(v * v for v in values), 1, places=5)

    def test_a_table_that_changed_under_its_path_is_a_new_full_view(self):
        self.table(1000)
        job = self.job(tasks={"language": {}, "embed": {"analyzer": "static", "path": "table", "dim": 8}}, deep={"analyzer": "builtin"})
        first = json.loads(self.lamina("batch", job, "--json"))
        self.assertEqual(json.loads(self.lamina("batch", job, "--json"))["nothing_new"], True)
        before = {k: r["embedding"] for k, r in self.records("store", "--embedding").items()}
        with open(self.path("table/model.safetensors"), "r+b") as file:  # the same size, other numbers
            file.seek(-1000 * 16, os.SEEK_END)
            file.write(bytes((i * 2246822519 >> 11) & 255 for i in range(1000 * 16)))
        again = json.loads(self.lamina("batch", job, "--json"))
        self.assertEqual((again["nothing_new"], again["rebuilt"], again["view"]), (False, True, first["view"] + 1))
        for key, record in self.records("store", "--embedding").items():
            self.assertNotEqual(record["embedding"], before[key])

    def test_a_table_that_does_not_fit_ends_the_run(self):
        self.table(10)
        self.lamina("batch", self.job(tasks={"embed": {"analyzer": "static", "path": "table", "dim": 8}}, deep={"analyzer": "builtin"}), code=2)

    def test_a_job_that_names_no_table_is_refused(self):
        for embed in ({"analyzer": "static"}, {"path": "table"}, {"analyzer": "other"}):
            self.lamina("job", "check", self.job(tasks={"embed": embed}, deep={"analyzer": "builtin"}), code=2)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
