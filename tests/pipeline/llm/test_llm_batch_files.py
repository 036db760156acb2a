"""Overnight by the batch API: a job that asks for answers and for vectors writes a file for each endpoint, and asks nobody for what the files bring back."""
import base64
import json
import math
import os
import struct
import sys

import test_llm
from test_llm import support

DIM = 16
CHAT, VECTORS = "/v1/chat/completions", "/v1/embeddings"


def vector_of(text):
    """Of a text's own, and not of unit length."""
    return [float(1 + (sum(text.encode()) * (i + 3)) % 17) for i in range(DIM)]


def unit(vector):
    length = math.sqrt(sum(v * v for v in vector))
    return [v / length for v in vector]


class BatchFileCase(test_llm.LlmRuns):
    def setUp(self):
        super().setUp()
        self.model.dim = DIM

    def both_job(self, store="out", tasks=None, **fields):
        endpoints = [{"url": self.model.url, "model": "small"}, {"url": self.model.url, "model": "vectors", "kind": "embeddings"}]
        return self.llm_job(store, deep={"endpoints": endpoints}, tasks=tasks or {"classify": {"labels": test_llm.LABELS}, "embed": {"dim": DIM}}, **fields)

    def path(self, name):
        return os.path.join(self.folder, name)

    def lines(self, name):
        with open(self.path(name)) as file:
            return [json.loads(line) for line in file]

    def said(self, *words, expect=0):
        done = support.subprocess.run([self.lamina, *words], stdin=support.subprocess.DEVNULL, stdout=support.subprocess.PIPE, stderr=support.subprocess.STDOUT, text=True,
                                      timeout=support.LIMIT, env=support.clean_environment())
        self.assertEqual(done.returncode, expect, done.stdout)
        return done.stdout

    def save(self, name, lines):
        with open(self.path(name), "w") as file:
            file.writelines(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines)
        return self.path(name)

    def requests(self, name, url, model):
        """A file that the batch API takes: one url, one model, no custom_id twice."""
        lines = self.lines(name)
        self.assertEqual({(line["method"], line["url"], line["body"]["model"]) for line in lines}, {("POST", url, model)})
        self.assertEqual(len({line["custom_id"] for line in lines}), len(lines))
        return lines

    def done(self, line, body, status=200, error=None):
        return {"id": "batch_req_1", "custom_id": line["custom_id"], "response": {"status_code": status, "request_id": "r", "body": body}, "error": error}

    def vector_answer(self, line, as_numbers=False, dim=DIM):
        self.assertEqual({**line["body"], "input": None}, {"model": "vectors", "input": None, "encoding_format": "base64", "dimensions": DIM})
        self.assertEqual(len(line["body"]["input"]), 1)
        vector = vector_of(line["body"]["input"][0])[:dim]
        embedding = vector if as_numbers else base64.b64encode(struct.pack("<%df" % dim, *vector)).decode()
        return self.done(line, {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": embedding}], "model": "vectors-2", "usage": {"prompt_tokens": 7, "total_tokens": 7}})

    def chat_answer(self, line):
        category = "billing" if "invoice" in line["body"]["messages"][1]["content"] else "outage"
        return self.done(line, {"model": "small-2", "choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": json.dumps({"category": category, "confidence": 9})}}],
                                "usage": {"prompt_tokens": 100, "completion_tokens": 10}})

    def vectors(self, store="out"):
        out = support.subprocess.run([self.lamina, "export", self.store(store), "--embedding"], stdout=support.subprocess.PIPE, text=True, check=True).stdout
        records = [json.loads(line) for line in out.splitlines()]
        found = {record["key"]: record["enrichment"]["embedding"] for record in records}
        return {key: vector if isinstance(vector, list) or vector is None else vector["values"] for key, vector in found.items()}

    def check_vectors(self, count, store="out", but=()):
        """Each record has that of its text; those in but the server's own, which are all alike."""
        vectors, texts = self.vectors(store), {json.loads(line)["id"]: json.loads(line)["text"] for line in self.corpus.splitlines()}
        self.assertEqual(len(vectors), count)
        for key, vector in vectors.items():
            expected = unit([1.0] * DIM) if key in but else unit(vector_of(texts[key]))
            for a, b in zip(vector, expected):
                self.assertAlmostEqual(a, b, places=5, msg=key)

    def corpus_of(self, count):
        self.corpus = self.records(count)
        self.write("a.jsonl", self.corpus)

    def asked(self):
        return len(self.model.texts()), self.model.vector_requests

    def test_each_endpoint_has_a_file_of_its_own_and_the_next_run_asks_nobody(self):
        self.corpus_of(40)
        for ranks in (1, 2):
            store = "ranks%d" % ranks
            job = self.both_job(store)
            out = self.batch(job, ranks, 0, ["--write-requests", self.path("night.jsonl")])
            self.assertIn("requests for vectors are written for the batch API to %s: a batch is of one endpoint" % self.path("night.embeddings.jsonl"), out)
            self.assertEqual(self.report(store)["llm"]["pending"], 40)
            suffixes = [""] if ranks == 1 else ["", ".1"]
            chats = [line for suffix in suffixes if os.path.getsize(self.path("night.jsonl" + suffix)) for line in self.requests("night.jsonl" + suffix, CHAT, "small")]
            vectors = [line for suffix in suffixes if os.path.getsize(self.path("night.embeddings.jsonl" + suffix))
                       for line in self.requests("night.embeddings.jsonl" + suffix, VECTORS, "vectors")]
            self.assertEqual((len(chats), len(vectors)), (40, 40))
            first = self.save("chats.jsonl", [self.chat_answer(line) for line in reversed(chats)])
            second = self.save("vectors.jsonl", [self.vector_answer(line, i % 2) for i, line in enumerate(reversed(vectors))])
            out = self.batch(job, ranks, 0, ["--read-responses", first, "--read-responses", second])
            for name in (first, second):
                self.assertIn("%s: 40 answers taken, 0 requests had failed, 0 lines are unusable" % name, out)
            llm = self.report(store)["llm"]
            self.assertEqual((llm["answered"], llm["requests"], llm["unseen"]["requests"]), (40, 0, 0))
            self.assertEqual((llm["saved_in"], llm["saved_out"], self.asked()), (40 * 107, 40 * 10, (0, 0)))
            self.check_vectors(40, store)
            rows = self.rows(store)
            self.assertEqual({row["enrichment"]["category"] for row in rows.values()}, {"billing", "outage"})
            self.assertEqual({(ask["ask"], ask["model"]) for row in rows.values() for ask in row["provenance"]["trace"]["asks"]}, {("combined", "small-2"), ("embed", "vectors-2")})
            explained = self.said("query", self.store(store), "--key", next(iter(rows)), "--explain")
            self.assertIn("combined: answered by small-2", explained)
            self.assertIn("--- the prompt, ", explained)

    def test_a_job_of_vectors_alone_writes_the_one_file_that_it_was_told(self):
        self.corpus_of(10)
        self.save("night", ["precious\n"])
        self.batch(self.both_job(tasks={"embed": {"dim": DIM}}), 1, 0, ["--write-requests", self.path("night")])
        self.assertEqual(len(self.requests("night", VECTORS, "vectors")), 10)
        self.assertFalse([name for name in os.listdir(self.folder) if "embeddings" in name or ".tmp" in name])

    def test_texts_that_occur_again_are_in_a_file_once(self):
        self.corpus = "".join(json.dumps({"id": "k%04d" % i, "text": "%s again and again" % ("invoice" if i % 2 else "server")}) + "\n" for i in range(4000))
        self.write("a.jsonl", self.corpus)  # in many splits
        job = self.both_job()
        self.batch(job, 1, 0, ["--write-requests", self.path("night.jsonl")])
        chats, vectors = self.requests("night.jsonl", CHAT, "small"), self.requests("night.embeddings.jsonl", VECTORS, "vectors")
        self.assertEqual((len(chats), len(vectors)), (2, 2))
        self.batch(job, 1, 0, ["--read-responses", self.save("back.jsonl", [self.vector_answer(line) for line in vectors] + [self.chat_answer(line) for line in chats])])
        self.assertEqual((self.asked(), self.report("out")["llm"]["answered"]), ((0, 0), 4000))
        self.check_vectors(4000)

    def test_what_is_no_vector_is_named_with_its_line_and_asked_for(self):
        self.corpus_of(12)
        job = self.both_job()
        self.batch(job, 1, 0, ["--write-requests", self.path("night.jsonl")])
        chats, vectors = self.requests("night.jsonl", CHAT, "small"), self.requests("night.embeddings.jsonl", VECTORS, "vectors")
        good = [self.vector_answer(line) for line in vectors]
        two = json.loads(json.dumps(good[5]))
        two["response"]["body"]["data"] *= 2
        wrong = [self.done(vectors[0], {"error": {"message": "this model does not support dimensions"}}, 400), self.vector_answer(vectors[1], dim=8),
                 self.done(vectors[2], None, 0, {"code": "batch_expired", "message": "too late"}), json.dumps(good[3])[:60] + "\n", {**good[4], "custom_id": "request-4"}, two]
        back = self.save("back.jsonl", wrong + good[7:] + [self.chat_answer(line) for line in chats])  # and nothing about the seventh
        words = ["line 1: status 400", "does not support dimensions", "line 2: an embedding has 8 dimensions, and tasks.embed.dim is 16", "line 3: status 0", "batch_expired", "line 4: ",
                 "line 5: its custom_id", "line 6: the answer has not one vector for its text"]
        for out in (self.said("cache", "import", job, back), self.batch(job, 1, 0, ["--read-responses", back])):
            for word in words:
                self.assertIn(word, out)
            self.assertIn(back + ", line 6", out)
            self.assertIn("17 answers taken, 2 requests had failed, 4 lines are unusable", out)
        llm = self.report("out")["llm"]
        self.assertEqual((llm["answered"], llm["pending"], llm["rejected"]), (12, 0, 0))
        self.assertEqual(self.asked()[0], 0)
        owed = {json.loads(line)["id"] for line in self.corpus.splitlines() if json.loads(line)["text"] in {line["body"]["input"][0] for line in vectors[:7]}}
        self.assertEqual(len(owed), 7)
        self.check_vectors(12, but=owed)

    def test_a_file_without_one_good_vector_is_refused_by_import(self):
        self.corpus_of(3)
        job = self.both_job()
        self.batch(job, 1, 0, ["--write-requests", self.path("night.jsonl")])
        back = self.save("back.jsonl", [self.vector_answer(line, dim=8) for line in self.requests("night.embeddings.jsonl", VECTORS, "vectors")])
        self.assertIn("no line of %s is an answer" % back, self.said("cache", "import", job, back, expect=1))

    def test_vectors_go_from_one_cache_to_another_in_either_form(self):
        self.corpus_of(6)
        job = self.both_job("from")
        self.batch(job, 1, 0)
        asked = self.asked()
        vectors = self.vectors("from")
        for form in ("lines", "batch"):
            other = self.both_job("to" + form)
            self.said("cache", "export", job, "--format", form, "-o", self.path(form))
            self.said("cache", "import", other, self.path(form))
            self.batch(other, 1, 0)
            self.assertEqual((self.asked(), self.vectors("to" + form)), (asked, vectors))
        bodies = [line["response"]["body"] for line in self.lines("batch")]
        self.assertEqual(sorted(body["object"] for body in bodies), ["chat.completion"] * 6 + ["list"] * 6)


if __name__ == "__main__":
    support.main("__main__", sys.argv[1], sys.argv[2:])
