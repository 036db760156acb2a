#!/usr/bin/env python3
"""The model that the built-in analyzer learns from a corpus: when it is trained, what it is a function of, who answers with it, when another one is made.

    test_model.py LAMINA [TEST…]
"""
import json
import os
import struct
import subprocess
import sys

from support import BatchCase, Store, clean_environment, jsonl, main, peak_of, report_of

TOPICS = {"billing": "invoice refund charge card payment price account".split(), "outage": "down error timeout unreachable server failed slow".split(),
          "praise": "great thanks lovely happy excellent wonderful friendly".split()}
COMPANY = {"billing": "ledger wire euros balance overdue statement".split(), "outage": "reboot latency packets gateway router cluster".split(),
           "praise": "smile recommend again delightful service staff".split()}
FILLER = "the and of customer order number plan please since monday with for that this from page account our your".split()
LABELS = {name: " ".join(words) for name, words in TOPICS.items()}
TASKS = {"classify": {"labels": LABELS}, "entities": {}, "summarize": {}, "sentiment": {}, "keywords": {}, "language": {}, "embed": {"dim": 16}}
ANSWERS = ("category", "confidence", "sentiment", "entities", "summary", "language", "keywords", "embedding", "analyzer", "model")


def documents(rng, count, first=0):
    """Records of three kinds. A third has none of the words that describe its kind, only words that go along with them elsewhere."""
    made = []
    for i in range(first, first + count):
        kind = rng.choice(sorted(TOPICS))
        words = [rng.choice(FILLER) for _ in range(8)] + [rng.choice(COMPANY[kind]) for _ in range(4)]
        if rng.random() < 0.66:
            words += [rng.choice(TOPICS[kind]) for _ in range(2)]
        rng.shuffle(words)
        made.append({"id": "k%d" % i, "at": 1700000000 + i, "kind": kind, "text": " ".join(words).capitalize() + "."})
    return made


class Model(BatchCase):
    def corpus(self, count=1500, name="a.jsonl", first=0):
        made = documents(self.random, count, first)
        self.write(name, jsonl(self.random, made)[0])
        return made

    def job(self, store="out", **fields):
        return super().job(store, **{"tasks": TASKS, **fields})

    def rows_of(self, store="out"):
        return {row["key"].decode(): row for row in Store(self.store(store)).rows()}

    def right(self, rows, made):
        return sum(rows[rec["id"]]["category"].decode() == rec["kind"] for rec in made) / len(made)

    def model_bytes(self, store="out", number=1):
        found = Store(self.store(store))
        with open(os.path.join(found.root, found.models[number - 1]["path"]), "rb") as file:
            return file.read()

    def check_whole(self, store="out"):
        done = subprocess.run([self.lamina, "store", "check", self.store(store)], capture_output=True, text=True, env=clean_environment())
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_first_run_trains_commits_the_model_before_the_view_and_answers_with_it(self):
        made = self.corpus()
        self.batch(self.job())
        store, rows = Store(self.store()), self.rows_of()
        self.assertEqual([m["kind"] for m in store.models], ["builtin"])
        self.assertLess(store.models[0]["commit"], store.commits)
        self.assertEqual({(row["model"], row["analyzer"], row["flags"] & 1) for row in rows.values()}, {(1, b"builtin", 0)})
        self.assertGreater(self.right(rows, made), 0.9, "it learned the words that go along with the descriptions")
        report = report_of(store.root)
        self.assertEqual((report["model"]["number"], report["model"]["trained"], report["model"]["artifact"]["documents"]), (1, True, 1500))
        self.assertEqual(report["model"]["artifact"]["died_out"], [])
        self.assertEqual(report["counts"]["totals"]["pending"], 0)
        self.assertEqual(sum(c["pending"] for c in store.counts.values()), 0)
        store.check_counts(self)
        self.check_whole()

    def test_invariant_2_model_and_answers_are_the_same_on_any_ranks_and_splits(self):
        for part in range(4):
            self.corpus(900, "p%d.jsonl" % part, 700 * part)  # keys overlap: old versions are in no sample and are never answered
        for kind in ("upsert", "append"):
            dataset = {} if kind == "upsert" else {"kind": "append", "key": None, "deleted": None, "order_by": None}
            answers, models = [], []
            for ranks, split in ((0, "64 MiB"), (1, "8 KiB"), (2, "64 KiB"), (3, "8 KiB"), (5, "1 MiB")):
                name = "%s%d" % (kind, ranks)
                self.batch(self.job(name, dataset=dict(dataset), batch={"split": split}), ranks)
                store = Store(self.store(name))
                store.check_counts(self)
                self.assertEqual(sum(c["pending"] for c in store.counts.values()), 0)
                self.assertEqual({row["model"] for row in store.rows()}, {1})
                answers.append(store.answer())
                models.append(self.model_bytes(name))
                self.check_whole(name)
            self.assertEqual(len(set(models)), 1, "the model is another one on another number of ranks")
            self.assertTrue(all(answer == answers[0] for answer in answers[1:]), "answers differ")

    def test_an_answer_is_a_function_of_text_and_model_whichever_run_gave_it(self):
        """Invariant 2, from the other side: the texts of the first run come again under other keys, and are answered while they are read."""
        made = self.corpus(800)
        self.batch(self.job(), 2)
        before = self.rows_of()
        self.write("b.jsonl", jsonl(self.random, [{**rec, "id": "again-" + rec["id"]} for rec in made])[0])
        self.batch(self.job(), 1)
        rows = self.rows_of()
        self.assertEqual(len(Store(self.store()).models), 1, "a later run uses the model that is there")
        for rec in made:
            self.assertEqual({n: rows[rec["id"]][n] for n in ANSWERS}, {n: rows["again-" + rec["id"]][n] for n in ANSWERS}, rec["id"])
            self.assertEqual(rows[rec["id"]], before[rec["id"]], "what did not change is not answered again")
        self.assertEqual(report_of(self.store())["model"], {**report_of(self.store())["model"], "number": 1, "trained": False})

    def test_retrain_makes_another_model_and_a_full_view_and_nothing_else_does(self):
        self.corpus(600)
        self.batch(self.job())
        self.assertIn("Nothing new", self.batch(self.job()))
        self.batch(self.job(), 2, words=["--retrain"])
        store = Store(self.store())
        self.assertEqual((len(store.models), store.view), (2, 2))
        self.assertEqual({row["model"] for row in store.rows()}, {2})
        self.assertEqual(self.model_bytes(number=1), self.model_bytes(number=2), "of the same corpus the same model")
        self.assertIn("Nothing new", self.batch(self.job(), 2))
        self.batch(self.job(tasks={**TASKS, "summarize": {"sentences": 1}}))
        store = Store(self.store())
        self.assertEqual((len(store.models), store.view), (2, 3), "what is not of the labels is a new full view with the old model")
        self.batch(self.job(tasks={**TASKS, "classify": {"labels": {**LABELS, "praise": LABELS["praise"] + " kind"}}}))
        store = Store(self.store())
        self.assertEqual((len(store.models), store.view), (3, 4), "changed labels ask for another model")
        self.assertEqual({row["model"] for row in store.rows()}, {3})
        store.check_counts(self)
        self.batch(self.job())
        store = Store(self.store())
        self.assertEqual((len(store.models), store.view), (3, 5), "labels as they were before have their model")
        self.assertEqual({row["model"] for row in store.rows()}, {2})
        self.check_whole()

    def test_too_few_documents_are_answered_by_the_descriptions_and_a_grown_corpus_is_learned_from(self):
        self.corpus(20)
        out = self.batch(self.job())
        store = Store(self.store())
        self.assertIn("too few", out)
        self.assertEqual([m["kind"] for m in store.models], ["builtin-none"])
        self.assertEqual({(row["model"], row["flags"] & 1) for row in store.rows()}, {(0, 0)})
        self.assertIn("too few", report_of(store.root)["model"]["why"])
        self.assertIn("Nothing new", self.batch(self.job()))
        self.corpus(500, "b.jsonl", 100)
        self.batch(self.job())
        self.assertEqual({row["model"] for row in Store(self.store()).rows()}, {0}, "it is told by the view, which did not have them yet")
        self.batch(self.job())
        store = Store(self.store())
        self.assertEqual({row["model"] for row in store.rows()}, {2})
        self.assertEqual(len(store.rows()), 520)
        store.check_counts(self)
        self.check_whole()

    def test_descriptions_that_match_nothing_are_tried_once_and_said(self):
        self.corpus(300)
        job = self.job(tasks={"classify": {"labels": {"one": "xyzzy plugh", "two": "quux corge"}}})
        self.assertIn("no model was trained", self.batch(job))
        self.assertIn("Nothing new", self.batch(job))
        self.assertEqual({(row["model"], row["category"]) for row in Store(self.store()).rows()}, {(0, b"")})

    def test_labelled_records_teach_what_descriptions_cannot(self):
        made = self.corpus(600)
        labels = {"billing": "", "outage": "", "praise": ""}
        self.batch(self.job(tasks={"classify": {"labels": labels, "label_field": "/kind"}}))
        self.assertGreater(self.right(self.rows_of(), made), 0.95)

    def test_damaged_model_is_named_by_check_and_by_the_next_run_and_retrain_mends_it(self):
        self.corpus(300)
        self.batch(self.job())
        path = os.path.join(self.store(), Store(self.store()).models[0]["path"])
        with open(path, "r+b") as file:
            file.seek(200)
            file.write(b"\xff\xff\xff\xff")
        done = subprocess.run([self.lamina, "store", "check", self.store(), "--json"], capture_output=True, text=True, env=clean_environment())
        self.assertEqual(done.returncode, 1)
        self.assertEqual([p["path"] for p in json.loads(done.stdout)["problems"]], ["models/" + os.path.basename(path)])
        self.corpus(100, "b.jsonl", 300)
        self.assertIn("--retrain", self.batch(self.job(), expect=1))
        self.batch(self.job(), words=["--retrain"])
        self.assertEqual({row["model"] for row in Store(self.store()).rows()}, {2})

    def test_unsure_answers_are_other_and_several_labels_are_told_where_the_job_asks(self):
        self.corpus(400)
        self.batch(self.job(tasks={"classify": {"labels": LABELS, "abstain_below": 0.8, "other": "unsure", "multi_label": 0.1}}))
        unsure = sure = 0
        for row in self.rows_of().values():
            confidence = struct.unpack("<f", row["confidence"])[0]
            told = json.loads(row["custom"])["categories"]
            self.assertEqual([t["confidence"] for t in told], sorted((t["confidence"] for t in told), reverse=True))
            self.assertTrue(all(t["confidence"] >= 0.0999 for t in told))
            self.assertAlmostEqual(told[0]["confidence"], confidence, places=3)
            if confidence < 0.8:
                unsure += 1
                self.assertEqual(row["category"], b"unsure")
            else:
                sure += 1
                self.assertEqual(row["category"].decode(), told[0]["name"])
        self.assertGreater(unsure, 0)
        self.assertGreater(sure, 0)

    def test_five_thousand_labels_train_and_answer(self):
        made = self.corpus(400)
        labels = {**LABELS, **{"rare-%d" % i: "word%da word%db" % (i, i) for i in range(4997)}}
        self.batch(self.job(tasks={"classify": {"labels": labels}}))
        self.assertGreater(self.right(self.rows_of(), made), 0.6)
        self.assertEqual({row["model"] for row in Store(self.store()).rows()}, {1})

    def test_invariant_10_memory_of_a_run_that_trains_stays_below_what_the_job_allows(self):
        for part in range(4):
            made = documents(self.random, 8000, 8000 * part)
            for rec in made:
                rec["text"] = " ".join([rec["text"]] * 12)  # 1 KiB each: texts and answers are more than what is allowed
            self.write("p%d.jsonl" % part, jsonl(self.random, made)[0])
        for kind in ("upsert", "append"):
            dataset = {} if kind == "upsert" else {"kind": "append", "key": None, "deleted": None, "order_by": None}
            process = self.start(self.job(kind, dataset=dataset, batch={"memory": "64 MiB", "workers": 2}, limits={"document": "1 MiB"}), 0)
            peak = peak_of(process)
            code, out = self.finish(process)
            self.assertEqual(code, 0, out)
            store = Store(self.store(kind))
            self.assertGreater(sum(entry["bytes"] for entry in store.live.values()), 80 << 20)
            self.assertLess(peak, 64 << 10, "KiB at most at once, %s" % kind)

    def test_speed_layer_answers_with_the_model_of_the_log(self):
        made = self.corpus(600)
        events = os.path.join(self.folder, "events.jsonl")
        with open(events, "wb") as file:
            file.write(jsonl(self.random, [{**rec, "id": "event-" + rec["id"]} for rec in made[:200]])[0])
        fields = {"dataset": {"key": "/id"}, "stream": {"brokers": "local", "topic": "in", "partitions": 2, "replay": {"path": "events.jsonl"}, "roll": {"seconds": 1}}, "commit_interval": 0.2}
        for ranks in (0, 3):
            job = self.job("out%d" % ranks, **fields)
            self.batch(job)
            words = [self.lamina, *(["launch", "-n", str(ranks)] if ranks else []), "run", job, "--quiet", "--set", "serve.listen=127.0.0.1:0"]
            done = subprocess.run(words, capture_output=True, text=True, timeout=120, env=clean_environment())
            self.assertEqual(done.returncode, 0, done.stderr)
            self.check_speed("out%d" % ranks, made)

    def check_speed(self, name, made):
        store, rows = Store(self.store(name)), self.rows_of(name)
        speed = {row["key"].decode(): row for segment in store.segments("speed") for row in segment.dicts()}
        self.assertEqual(len(speed), 200)
        for rec in made[:200]:
            self.assertEqual({n: speed["event-" + rec["id"]][n] for n in ANSWERS}, {n: rows[rec["id"]][n] for n in ANSWERS})


if __name__ == "__main__":
    main("__main__", sys.argv[1], sys.argv[2:])
