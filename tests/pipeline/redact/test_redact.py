#!/usr/bin/env python3
"""Masked entities by the real binary: nothing that leaves a store, by export, query or HTTP, holds a value that the job masks; what is stored stays.

    test_redact.py LAMINA [TEST…]
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import urllib.parse
import urllib.request

LAMINA = sys.argv[1]
LIMIT = 120  # seconds that nothing here takes: a hang fails instead of waiting

DOCUMENTS = [
    {"id": "a", "title": "Complaint of Maria Gonzalez", "when": "2024-05-10T12:00:00Z", "from": "Maria@Example.com", "card": 4111111111111111,
     "text": "Mr. Smith, my mail is maria@example.com and my card 4111 1111 1111 1111 was charged in Lisbon yesterday. Ticket ABC-1234."},
    {"id": "b", "title": "Second", "when": "2024-05-11T12:00:00Z",
     "text": "Write to maria@example.com, says Maria Gonzalez of Acme Inc. in Berlin. Gonzalez will call, ABC-9999 is hers."},
]
SECRETS = ["maria", "gonzalez", "4111", "abc-1234", "abc-9999", "smith"]


def environment(**more):
    known = {k: v for k, v in os.environ.items() if not k.startswith(("PMI", "OMPI_COMM", "SLURM_", "PRTE"))}
    return {**known, **more}


class Redact(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="lamina_redact_")
        self.addCleanup(shutil.rmtree, self.folder)
        with open(os.path.join(self.folder, "docs.jsonl"), "w") as file:
            file.writelines(json.dumps(document) + "\n" for document in DOCUMENTS)

    def job(self, name="job.json", store="store", **redact):
        tasks = {"entities": {"patterns": {"ticket": "\\b[A-Z]{3}-[0-9]{4}\\b"}}, "keywords": {}, "summarize": {}}
        if redact:
            tasks["redact"] = redact
        job = {"name": "masked", "store": {"path": store}, "dataset": {"kind": "upsert", "key": "/id", "text": "/text", "event_time": "/when"},
               "sources": [{"type": "files", "path": "docs.jsonl"}], "tasks": tasks, "serve": {"listen": "127.0.0.1:0"}}
        with open(os.path.join(self.folder, name), "w") as file:
            json.dump(job, file)
        return name

    def lamina(self, *words, code=0, **more):
        done = subprocess.run([LAMINA, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT, env=environment(**more),
                              cwd=self.folder)
        self.assertEqual(done.returncode, code, "%s\n%s\n%s" % (words, done.stdout[-3000:], done.stderr[-3000:]))
        return done

    def check(self, text):
        for secret in SECRETS:
            self.assertNotIn(secret, text.lower())

    KINDS = ["email", "person", "ticket", "card"]

    def test_export_and_query_show_pseudonyms(self):
        self.lamina("batch", self.job(kinds=self.KINDS))
        text = self.lamina("export", "store").stdout
        self.check(text)
        self.check(self.lamina("export", "store", "--format", "csv").stdout)
        self.check(self.lamina("query", "store", "--key", "a", "--json").stdout)
        rows = {row["key"]: row for row in map(json.loads, text.splitlines())}
        for row in rows.values():  # offsets are those of what is shown
            shown = row["text"].encode()
            for entity in row["enrichment"]["entities"]:
                self.assertEqual(shown[entity["start"]:entity["end"]].decode(), entity["text"])
        mails = {re.search(r"\[MAIL-[0-9a-f]{8}\]", row["text"]).group() for row in rows.values()}
        people = re.search(r"\[PERSON-[0-9a-f]{8}\]", rows["b"]["text"]).group()
        self.assertEqual(len(mails), 1)
        self.assertIn(people, json.dumps(rows["a"]))
        self.assertEqual(rows["b"]["text"].count(people), 2)  # by the family name alone she is the same
        self.assertIn("Berlin", rows["b"]["text"])
        self.assertEqual(rows["a"]["metadata"]["from"], mails.pop())

    def test_what_is_stored_stays_and_a_filter_finds_nothing_of_it(self):
        self.lamina("batch", self.job(kinds=self.KINDS))
        rule = json.dumps({"field": "/from", "contains": "maria"})
        masked = self.lamina("export", "store", "--filter", rule)
        self.assertEqual(masked.stdout, "")
        with open(os.path.join(self.folder, "docs.jsonl"), "a") as file:
            file.write('{"id": "c", "text": "one more"}\n')
        self.lamina("batch", self.job())  # a job that masks nothing
        self.assertIn("maria@example.com", self.lamina("export", "store").stdout)

    def test_a_secret_decides_the_pseudonyms(self):
        found = []
        for store, secret in (("one", "x"), ("two", "x"), ("three", "y")):
            name = self.job(name=store + ".json", store=store, kinds=["email"], secret_env="PSEUDONYMS")
            self.lamina("batch", name, PSEUDONYMS=secret)
            text = self.lamina("export", store, PSEUDONYMS=secret).stdout
            found.append(re.search(r"\[MAIL-[0-9a-f]{8}\]", text).group())
            self.assertIn("PSEUDONYMS", self.lamina("export", store, code=1).stderr)  # not set: nothing is shown
        self.assertEqual(found[0], found[1])
        self.assertNotEqual(found[0], found[2])

    def test_the_server_shows_pseudonyms(self):
        name = self.job(kinds=self.KINDS)
        self.lamina("batch", name)
        server = subprocess.Popen([LAMINA, "serve", name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  cwd=self.folder, env=environment())
        try:
            for line in server.stdout:
                found = re.search(r"http://127\.0\.0\.1:[0-9]+", line)
                if found:
                    break
            base = found.group()
            for path in ("/v1/records/a", "/v1/records?limit=10"):
                with urllib.request.urlopen(base + path, timeout=LIMIT) as answer:
                    body = answer.read().decode()
                self.assertIn("[MAIL-", body)
                self.check(body)
        finally:
            server.terminate()
            server.communicate(timeout=LIMIT)

    def test_an_unknown_kind_is_told(self):
        name = self.job(kinds=["shoe_size"])
        self.lamina("batch", name)
        self.assertIn("shoe_size", self.lamina("export", "store", code=1).stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:], verbosity=2)
