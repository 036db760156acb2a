"""lamina eval with models that answer: on any number of ranks it asks as a batch run does, and measures what the view then says.

    test_llm_eval.py LAMINA [TEST…]
"""
import json
import os
import subprocess
import sys

from test_llm import LlmRuns, support


class Evaluated(LlmRuns):
    def run_eval(self, job, ranks, words=()):
        done = subprocess.run([self.lamina, *(["launch", "-n", str(ranks)] if ranks > 1 else []), "eval", job, "--quiet", "--json", "--labels", "/kind", *words],
                              capture_output=True, text=True, timeout=120, env=support.clean_environment())
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def labelled(self, count):
        """The model is right about all but those whose number ends with 0. Each text stands twice: ranks want the same answers."""
        lines = []
        for i in range(count):
            word, kind = ("invoice", "billing") if i % 2 else ("server", "outage")
            lines.append(json.dumps({"id": "k%04d" % i, "text": "%s number %d of %s" % (word, i // 4 * 2 + i % 2, self.id()), "kind": "billing" if i % 10 == 0 else kind}))
        return "\n".join(lines) + "\n"

    def test_ranks_ask_models_as_a_batch_run_does(self):
        self.write("a.jsonl", self.labelled(400).encode())
        for ranks in (1, 2, 3):
            job = self.llm_job("out%d" % ranks)
            before = len(self.model.texts())
            found = self.run_eval(job, ranks)
            self.assertEqual((found["records"], found["labelled"], found["answered"], found["right"]), (400, 400, 400, 360), "%d ranks" % ranks)
            asked = self.model.texts()[before:]
            self.assertEqual((len(asked), len(set(asked))), (200, 200), "each text once, whatever rank wants it")
            self.assertEqual(self.run_eval(job, ranks, ["--as-is"])["right"], 360)
            self.assertEqual(len(self.model.texts()), before + 200)


if __name__ == "__main__":
    support.main("__main__", sys.argv[1], sys.argv[2:])
