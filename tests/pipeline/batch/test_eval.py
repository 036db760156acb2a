#!/usr/bin/env python3
"""lamina eval: its figures against a recomputation in Python, on any number of ranks; and the published ones on real data, where it lies beside the checkout.

    test_eval.py LAMINA [TEST…]
"""
import json
import os
import subprocess
import sys

from support import BatchCase, Store, clean_environment, csv_bytes, jsonl, main, sentence

HERE = os.path.dirname(os.path.abspath(__file__))
JOBS = os.path.join(HERE, "..", "..", "data", "eval")
DATA = os.environ.get("LAMINA_TEST_DATA") or os.path.join(HERE, "..", "..", "..", "..", "shared", "data")


class Eval(BatchCase):
    def run_eval(self, job, ranks=0, words=(), expect=0):
        launch = ["launch", "-n", str(ranks)] if ranks else []
        done = subprocess.run([self.lamina, *launch, "eval", job, "--quiet", *words], capture_output=True, text=True, timeout=180, env=clean_environment())
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done

    def figures(self, job, ranks, words):
        found = json.loads(self.run_eval(job, ranks, [*words, "--json"]).stdout)
        return {name: value for name, value in found.items() if name not in ("seconds", "ranks")}

    def corpus(self):
        made = [{"id": "k%d" % i, "text": sentence(self.random, 12)} for i in range(400)]
        for rec in made:
            if self.random.random() < 0.9:
                rec["kind"] = self.random.choice(["billing", "outage", "nothing of the job's"])
        self.write("a.jsonl", jsonl(self.random, made)[0])
        return {rec["id"]: rec for rec in made}

    def test_figures_are_those_of_a_recomputation_on_any_ranks(self):
        made = self.corpus()
        answers = [self.figures(self.job("out%d" % ranks), ranks, ["--labels", "/kind"]) for ranks in (0, 1, 2, 3)]
        self.assertTrue(all(answer == answers[0] for answer in answers), answers)
        found, rows = answers[0], {row["key"].decode(): row for row in Store(self.store("out0")).rows()}
        labelled = {key: rec for key, rec in made.items() if "kind" in rec}
        self.assertEqual((found["records"], found["labelled"], found["without_label"]), (400, len(labelled), 400 - len(labelled)))
        self.assertEqual(found["with_unknown_label"], sum(rec["kind"] not in ("billing", "outage") for rec in labelled.values()))
        right = sum(rows[key]["category"].decode() == rec["kind"] for key, rec in labelled.items())
        self.assertEqual(found["right"], right)
        self.assertAlmostEqual(found["accuracy"], right / len(labelled), places=5)
        self.assertEqual(found["answered"], sum(rows[key]["category"] != b"" for key in labelled))
        cells = {}
        for key, rec in labelled.items():
            pair = rec["kind"], rows[key]["category"].decode() or None
            cells[pair] = cells.get(pair, 0) + 1
        self.assertEqual({(c["truth"], c["answer"]): c["records"] for c in found["confusion"]}, cells)
        f1 = []
        for kind in {truth for truth, _ in cells}:
            said = sum(n for (_, answer), n in cells.items() if answer == kind)
            f1.append(2 * cells.get((kind, kind), 0) / (said + sum(n for (truth, _), n in cells.items() if truth == kind)))
        self.assertAlmostEqual(found["macro_f1"], sum(f1) / len(f1), places=5)

    def test_one_source_and_the_view_as_it_is(self):
        self.corpus()
        job = self.job()
        self.assertIn("no view yet", self.run_eval(job, words=["--labels", "/kind", "--as-is"], expect=1).stderr)
        self.run_eval(job, words=["--labels", "/kind"])
        self.write("b.jsonl", '{"id":"new","text":"invoice","kind":"billing"}\n')
        self.assertEqual(self.figures(job, 0, ["--labels", "/kind", "--as-is"])["records"], 400)
        self.assertEqual(self.figures(job, 0, ["--labels", "/kind", "--source", "data"])["records"], 401)
        self.assertIn("none of 0 records", self.run_eval(job, words=["--labels", "/kind", "--source", "nobody"], expect=1).stderr)

    def test_columns_of_csv_are_labels_too(self):
        made = [{"id": "k%d" % i, "at": "", "subject": self.random.choice(["billing", "outage"]), "text": sentence(self.random, 9)} for i in range(120)]
        self.write("a.csv", csv_bytes(self.random, made)[0])
        self.assertEqual(self.figures(self.job(dataset={"text": "/text"}), 0, ["--labels", "/subject"])["labelled"], 120)

    def test_what_cannot_be_evaluated_is_said(self):
        self.corpus()
        self.assertIn("a JSON pointer", self.run_eval(self.job(), expect=2).stderr)
        self.assertIn("a JSON pointer", self.run_eval(self.job(), words=["--labels", "kind"], expect=2).stderr)
        self.assertIn("none of 400 records", self.run_eval(self.job(), words=["--labels", "/nowhere"], expect=1).stderr)
        self.assertIn("classifies nothing", self.run_eval(self.job("other", tasks={"language": {}}), words=["--labels", "/kind"], expect=2).stderr)

    def test_labels_that_the_job_learned_from_are_told(self):
        self.corpus()
        job = self.job(tasks={"classify": {"labels": {"billing": "invoice", "outage": "down"}, "label_field": "/kind"}})
        self.assertIn("learned from these very labels", self.run_eval(job).stdout)
        self.assertTrue(self.figures(job, 0, [])["learned_from_labels"])

    def real(self, name, data, labels, least):
        path = os.path.join(DATA, data)
        if not os.path.exists(path):
            self.skipTest("%s is not here (LAMINA_TEST_DATA)" % path)
        found = []
        for ranks in (0, 1, 2, 3):
            words = ["--set", "sources.0.path=" + os.path.abspath(path), "--set", "store.path=" + self.store("%s%d" % (name, ranks)), "--labels", labels]
            found.append(self.figures(os.path.join(JOBS, name + ".json"), ranks, words))
        self.assertTrue(all(answer == found[0] for answer in found), "another number of ranks, another answer")
        print("%s: accuracy %.3f, macro F1 %.3f, calibration error %.3f" % (name, found[0]["accuracy"], found[0]["macro_f1"], found[0]["calibration_error"]))
        self.assertGreaterEqual(found[0]["accuracy"], least)

    def test_news(self):
        self.real("news", "news.jsonl", "/label", 0.84)

    def test_complaints(self):
        self.real("complaints", "complaints-answered.csv", "/product", 0.70)


if __name__ == "__main__":
    main("__main__", sys.argv[1], sys.argv[2:])
