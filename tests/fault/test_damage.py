#!/usr/bin/env python3
"""Damaged stores: bytes of each kind of file are flipped, cut off, or gone. `store check` names what is damaged; a query, a batch and a speed run either do as if
nothing were, and are right, or end with 1 and name the file. Nothing crashes, hangs, or answers wrongly.

    test_damage.py LAMINA MOCK_KAFKA [TEST…]

The places are chosen from a printed seed (LAMINA_TEST_SEED); LAMINA_TEST_DAMAGES (1) is how often each kind of damage is done to each kind of file.
"""
import json
import os
import random
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "pipeline", "speed"))
from speed_support import LIMIT, SpeedCase, main  # noqa: E402
import support  # noqa: E402

TIMES = int(os.environ.get("LAMINA_TEST_DAMAGES", "1"))


def flip(rng, path):
    with open(path, "r+b") as file:
        size = os.path.getsize(path)
        at = rng.randrange(size)
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ (1 << rng.randrange(8))]))
    return "bit flipped at %d of %d" % (at, size)


def zero(rng, path):
    size = os.path.getsize(path)
    at = rng.randrange(size)
    length = min(size - at, 512)
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(bytes(length))
    return "%d zeros at %d of %d" % (length, at, size)


def cut(rng, path):
    """Two bytes at least: the last one of a commit is a line break, which is not missed."""
    size = os.path.getsize(path)
    at = rng.randrange(size - 1)
    os.truncate(path, at)
    return "cut to %d of %d" % (at, size)


def empty(rng, path):
    os.truncate(path, 0)
    return "emptied"


def remove(rng, path):
    os.unlink(path)
    return "removed"


DAMAGES = (flip, zero, cut, empty, remove)


class Damage(SpeedCase):
    events = 600

    def setUp(self):
        super().setUp()
        self.seed = int(os.environ.get("LAMINA_TEST_SEED") or random.randrange(1 << 30))
        print("seed", self.seed)
        self.rng = random.Random(self.seed)

    def documents(self, name, text):
        """One more document of the corpus, which is this test's own."""
        path = os.path.join(self.folder, "documents", name)
        with open(path, "w") as file:
            file.write(text)
        os.utime(path, (1700000000, 1700000000))

    def prepared(self):
        """All kinds of files: a view with masks and a model, what the speed layer has on top of it, quarantine, and a checkpoint."""
        shutil.copytree(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "jobs", "data", "quickstart", "documents"),
                        os.path.join(self.folder, "documents"))
        first, second = 500, 520
        with open(self.speed_job("whole")) as file:
            job = json.load(file)
        job["sources"][0].update(path=os.path.join(self.folder, "documents") + "/**", bronze="copy")
        path = self.with_store(job, "whole")
        self.documents("many.jsonl", "".join(json.dumps({"id": "many%d" % i, "text": support.sentence(self.rng, 12)}) + "\n" for i in range(150)))  # for a model
        self.fill(self.lines[:first])
        self.speed(path)
        self.to_end(path, verb="batch")
        self.documents("more.txt", "The server is down again.")
        self.fill(self.lines[first:second])
        self.speed(path)
        self.to_end(path, verb="batch")
        while not any(name.endswith(".ckpt") for _, _, names in os.walk(self.store("whole") + "/log") for name in names):
            self.to_end(path, verb="batch")
        self.fill(self.lines[second:])
        self.speed(path)
        self.tool("store", "check", self.store("whole"))
        return job

    def with_store(self, job, name):
        path = os.path.join(self.folder, name + ".json")
        with open(path, "w") as file:
            json.dump({**job, "store": self.store(name)}, file)
        return path

    def ask(self, *words):
        """(code, output, errors): 0 or 1, no signal and no sanitizer."""
        environment = {**support.clean_environment(), "ASAN_OPTIONS": "exitcode=99:" + os.environ.get("ASAN_OPTIONS", ""),
                       "UBSAN_OPTIONS": "halt_on_error=1:exitcode=98:" + os.environ.get("UBSAN_OPTIONS", "")}
        done = subprocess.run([self.lamina, *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT, env=environment)
        err = done.stderr.decode(errors="replace")
        self.assertIn(done.returncode, (0, 1), "%s\n%s" % (" ".join(words), err))
        return done.returncode, done.stdout.decode(errors="replace"), err

    def kinds(self):
        """{kind: paths below the store} of what somebody reads."""
        found, root = {}, self.store("whole")
        for entry in support.Store(root).live.values():
            found.setdefault(entry["kind"], []).append(entry["path"])
        found["mask"] = [entry["path"] for entry in support.Store(root).masks.values() if entry]
        for folder, _, names in os.walk(root):
            for name in names:
                path = os.path.relpath(os.path.join(folder, name), root)
                kind = {".ckpt": "checkpoint", ".json": "commit", ".bin": "model"}.get(os.path.splitext(name)[1])
                if path.startswith(("log/", "models/")):
                    found.setdefault(kind, []).append(path)
                elif path.startswith("runs/"):
                    found.setdefault("of a run", []).append(path)
        found["commit"].sort()
        last = int(os.path.basename(found["checkpoint"][0]).split(".")[0])
        found["commit behind the checkpoint"] = found["commit"][:last]
        found["commit"] = found["commit"][last:-1]  # the last one may be missing: then it was never there
        return found

    def named(self, path, text):
        """Commits and checkpoints are named by their number, segments by their path."""
        number = os.path.basename(path).split(".")[0]
        return path in text or (path.startswith("log/") and ("commit %d" % int(number) in text or "checkpoint %d" % int(number) in text))

    def rows(self, out):
        """What queries see, but for what a new view makes otherwise: its own number and times."""
        return sorted((row["key"], row["source"], row["text"], json.dumps(row["metadata"], sort_keys=True)) for row in map(json.loads, out.splitlines()))

    def check_asking(self, kind, path):
        """What reads a damaged store is right, or says which file is not."""
        code, out, err = self.ask("store", "check", self.store("hurt"))
        seen = code == 1
        self.assertTrue(not seen or self.named(path, out + err), "the check does not name %s:\n%s%s" % (path, out, err))
        code, out, err = self.ask("export", self.store("hurt"), "--sort")
        if code:
            self.assertTrue(seen, "an export fails where the check sees nothing:\n" + err)
            self.assertTrue(self.named(path, err), err)
            self.assertIn("store check" if kind not in ("commit",) else "backup", err)
        else:
            self.assertEqual(self.rows(out), self.expected_rows, "an export is wrong")
        self.assertEqual(self.ask("query", self.store("hurt"), "--limit", "1000", "--json")[0] == 0, code == 0, "a query and an export differ")
        return seen

    def check_working(self, job, path):
        """So is what writes one: it ends with 1 and names the file, or all is as it should be afterwards."""
        job = self.with_store(job, "hurt")
        for words in (["batch", job, "--quiet"], ["speed", job, "--until-end"]):
            code, out, err = self.ask(*words)
            if code:
                self.assertTrue(self.named(path, err), "%s:\n%s" % (words[0], err))
                return False
        code, out, err = self.ask("export", self.store("hurt"), "--sort")
        if code:
            self.assertTrue(self.named(path, err), err)
        else:
            self.assertEqual(self.rows(out), self.expected_rows, "records are lost")
        return True

    def mended(self, job, kind, path, worked):
        """What `store check` and docs/operations.md say is to be done is done, and the store is whole again, or as whole as it can be."""
        job = self.with_store(job, "hurt")
        if kind in ("run", "mask", "manifest", "model"):
            code, _, err = self.ask("batch", job, "--quiet", "--retrain")
        elif kind == "speed":
            code, _, err = self.ask("batch", job, "--quiet")
        elif kind == "checkpoint":
            if os.path.exists(os.path.join(self.store("hurt"), path)):
                os.unlink(os.path.join(self.store("hurt"), path))
            code, err = 0, ""
        else:
            return
        self.assertEqual(code, 0, "%s: %s" % (kind, err))
        code, out, err = self.ask("store", "check", self.store("hurt"))
        self.assertEqual(code, 0, out + err)
        self.assertEqual(self.rows(self.ask("export", self.store("hurt"), "--sort")[1]), self.expected_rows)

    def test_no_damage_goes_unseen_or_does_harm(self):
        job = self.prepared()
        kinds = self.kinds()
        self.assertEqual(set(kinds), {"bronze_stream", "bronze_corpus", "manifest", "speed", "run", "mask", "quarantine", "checkpoint", "commit", "commit behind the checkpoint",
                                      "model", "of a run"})
        self.expected_rows = self.rows(self.ask("export", self.store("whole"), "--sort")[1])
        self.assertEqual([key for key, *_ in self.expected_rows], sorted({*self.expected.live, "more.txt", *("many%d" % i for i in range(150))}))
        for kind in sorted(kinds):
            for damage in DAMAGES * TIMES:
                path = self.rng.choice(kinds[kind])
                shutil.copytree(self.store("whole"), self.store("hurt"))
                what = damage(self.rng, os.path.join(self.store("hurt"), path))
                with self.subTest(seed=self.seed, kind=kind, path=path, what=what):
                    seen = self.check_asking(kind, path)
                    if kind == "of a run":
                        self.assertFalse(seen, "what no commit names is no part of the store")
                    elif damage in (cut, empty, remove) and (kind, damage) != ("checkpoint", remove):
                        self.assertTrue(seen, "unseen")
                    worked = self.check_working(job, path)
                    if seen:
                        self.mended(job, kind, path, worked)
                shutil.rmtree(self.store("hurt"))


if __name__ == "__main__":
    main("__main__")
