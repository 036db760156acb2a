#!/usr/bin/env python3
"""A full view keeps what it cannot read again: vanished and unreadable files, what edited files no longer have, sources that were taken out of the job.

    test_carry.py LAMINA [TEST…]
"""
import json
import math
import os
import shutil
import struct
import subprocess
import sys
import time

from support import LIMIT, BatchCase, Store, clean_environment, jsonl, main, records, report_of

APPEND = {"kind": "append", "key": None, "deleted": None, "order_by": None}
OTHER = {"classify": {"labels": {"money": "invoice, refund, charged", "trouble": "down, error, server"}}, "sentiment": {}, "embed": {"dim": 16}}
PENDING, UNAVAILABLE = 1, 128


def lines(*made):
    return "".join(json.dumps(rec) + "\n" for rec in made)


def source(name="data", path="data/**", **fields):
    return {"type": "files", "name": name, "path": path, **fields}


class Carried(BatchCase):
    def check(self, store="out"):
        """Whole, and its counts are those of its rows; what it has."""
        found = Store(self.store(store))
        found.check_counts(self)
        marked = sum(row["op"] == 0 and row["flags"] & UNAVAILABLE > 0 for row in found.rows())
        self.assertEqual(sum(counts["unavailable"] for counts in found.counts.values()), marked)
        run = subprocess.run([self.lamina, "store", "check", self.store(store)], capture_output=True, text=True, timeout=LIMIT)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        return found

    def texts(self, store="out"):
        return sorted(row["text"].decode() for row in self.check(store).rows() if row["op"] == 0)

    def copies(self, store="out"):
        return {(row["partition"], row["life"], row["offset"]): row["raw"] for segment in Store(self.store(store)).segments("bronze_corpus") for row in segment.dicts()}

    def away(self, name):
        os.rename(os.path.join(self.data, name), os.path.join(self.folder, "away-" + name))

    def back(self, name):
        os.rename(os.path.join(self.folder, "away-" + name), os.path.join(self.data, name))

    def test_rows_of_vanished_files_stay_as_they_were(self):
        """Invariant 2: rows, positions, answers; and the copies of their bytes."""
        for kind, dataset in (("u", {}), ("a", APPEND)):
            for bronze in ("copy", "reference"):
                for ranks in (0, 3):
                    with self.subTest(kind=kind, bronze=bronze, ranks=ranks):
                        self.stays("%s-%s-%d" % (kind, bronze, ranks), dataset, bronze, ranks)

    def stays(self, name, dataset, bronze, ranks):
        shutil.rmtree(self.data)
        os.mkdir(self.data)
        self.write("a.jsonl", lines({"id": "a", "at": 1, "text": "The invoice was charged twice."}, {"id": "b", "at": 2, "text": "The server is down."}) + "broken\n")
        self.write("b.jsonl", lines({"id": "c", "at": 3, "text": "A refund please."}))
        self.write("c.jsonl", lines({"id": "a", "at": 0, "text": "Older than the other one."}))
        fields = {"dataset": dataset, "sources": [source(bronze=bronze)]}
        self.batch(self.job(name, **fields), ranks)
        before = {(row["partition"], row["offset"]): row for row in Store(self.store(name)).rows()}
        copied = self.copies(name)
        self.assertEqual(bool(copied), bronze == "copy")
        self.away("a.jsonl")
        out = self.batch(self.job(name, tasks=OTHER, **fields), ranks)
        store = self.check(name)
        gone = next(row["partition"] for row in before.values() if row["text"] == b"The server is down.")
        after = {(row["partition"], row["offset"]): row for row in store.rows()}
        self.assertEqual(sorted(after), sorted(before), "no record is lost")
        for place, row in after.items():
            if place[0] != gone:
                self.assertEqual((row["life"], row["summary"]), (2, b""), "read again, by the new analysis")
                continue
            self.assertEqual(row["flags"] & UNAVAILABLE > 0, bronze == "reference")
            self.assertEqual({**row, "flags": 0}, {**before[place], "flags": 0}, "as it was")
        self.assertEqual([row["life"] for row in store.rejects()], [1], "the broken line stays in quarantine")
        self.assertTrue({place: raw for place, raw in copied.items() if place[0] == gone}.items() <= self.copies(name).items(), "its bytes stay")
        self.assertIn("2 records of 1 files", out)
        self.assertIn("a.jsonl", out)
        self.assertEqual([report_of(self.store(name))[what] for what in ("carried", "carried_files")], [2, 1])
        self.assertIn("unavailable", subprocess.run([self.lamina, "store", "show", self.store(name)], capture_output=True, text=True, timeout=LIMIT).stdout)
        self.batch(self.job(name, **fields), ranks)  # and once more
        self.assertEqual({(row["partition"], row["offset"], row["life"]) for row in self.check(name).rows() if row["partition"] == gone}, {(*place, 1) for place in before if place[0] == gone})
        self.back("a.jsonl")
        self.batch(self.job(name, **fields), ranks)
        self.assertEqual(self.texts(name), sorted(row["text"].decode() for row in before.values()), "it is back, and nothing stands twice")
        store = self.check(name)
        self.assertEqual([sum(counts["unavailable"] for counts in store.counts.values()), {row["life"] for row in store.rows() if row["partition"] == gone}], [0, {4}])

    def test_deleted_key_stays_deleted(self):
        """Invariant 4: the delete's file is gone."""
        for ranks in (0, 2):
            name = "d%d" % ranks
            self.write("1.jsonl", lines({"id": "gone", "at": 1, "text": "one"}, {"id": "kept", "at": 1, "text": "two"}))
            self.write("2.jsonl", lines({"id": "gone", "at": 2, "gone": True}))
            self.batch(self.job(name), ranks)
            os.remove(os.path.join(self.data, "2.jsonl"))
            self.batch(self.job(name, tasks=OTHER), ranks)
            self.assertEqual(self.texts(name), ["two"])
            self.assertEqual(self.check(name).totals()["deleted"], 1)
            self.write("3.jsonl", lines({"id": "gone", "at": 1, "text": "late"}))
            self.batch(self.job(name, tasks=OTHER), ranks)
            self.assertEqual(self.texts(name), ["two"])
            os.remove(os.path.join(self.data, "3.jsonl"))

    def test_newer_version_in_a_vanished_file_wins_and_an_older_one_does_not(self):
        self.write("1.jsonl", lines({"id": "a", "at": 5, "text": "five"}, {"id": "b", "at": 5, "text": "FIVE"}))
        self.write("2.jsonl", lines({"id": "a", "at": 9, "text": "nine"}))
        self.batch(self.job())
        self.away("2.jsonl")
        self.write("3.jsonl", lines({"id": "b", "at": 7, "text": "SEVEN"}))
        self.batch(self.job(tasks=OTHER), 2)
        self.assertEqual(self.texts(), ["SEVEN", "nine"])

    def test_source_that_was_taken_out_keeps_its_rows_and_may_come_back(self):
        os.mkdir(os.path.join(self.folder, "more"))
        with open(os.path.join(self.folder, "more", "x.jsonl"), "w") as file:
            file.write(lines({"id": "x", "text": "from more"}))
        self.write("a.jsonl", lines({"id": "a", "text": "from data"}))
        for kind, dataset in (("u", {}), ("a", APPEND)):
            more = source("more", "more/*")
            self.batch(self.job(kind, dataset=dataset, sources=[source(), more]), 2)
            out = self.batch(self.job(kind, dataset=dataset, sources=[source()], tasks=OTHER), 2)
            self.assertIn("more", out)
            self.assertEqual(self.texts(kind), ["from data", "from more"])
            self.batch(self.job(kind, dataset=dataset, sources=[source(), more], tasks=OTHER))
            self.assertEqual(self.texts(kind), ["from data", "from more"])
            rows = {row["text"]: row for row in self.check(kind).rows()}
            self.assertEqual(rows[b"from more"]["summary"], b"", "it was read again, by the analysis that there is now")
            self.assertEqual([row["flags"] & UNAVAILABLE for row in rows.values()], [0, 0])

    def test_what_an_edited_file_no_longer_has(self):
        for kind, dataset, expected in (("u", {}, ["ONE", "stays", "two"]), ("a", APPEND, ["ONE", "two"])):
            self.write("a.jsonl", lines({"id": "a", "text": "one"}, {"id": "gone from the file", "text": "stays"}), time.time() - 100)
            self.batch(self.job(kind, dataset=dataset))
            self.write("a.jsonl", lines({"id": "a", "text": "ONE"}, {"id": "b", "text": "two"}), time.time() - 50)
            self.batch(self.job(kind, dataset=dataset, tasks=OTHER), 2)
            self.assertEqual(self.texts(kind), expected)
            self.batch(self.job(kind, dataset=dataset))
            self.assertEqual(self.texts(kind), expected)

    def test_grown_file_was_read_again_whatever_its_records_are_now(self):
        """Its rows are of several scans; the new analysis gives them other keys, or rejects them. It may grow once more just then, or have been edited before."""
        csv = lambda delimiter: [source(csv={"delimiter": delimiter, "header": "yes"})]
        keyed = {"key": ["/id", "/id;n"], "text": None, "order_by": None, "event_time": None, "deleted": None}
        for edited in (False, True):
            for grows in (False, True):
                with self.subTest(edited=edited, grows=grows):
                    name, at = "g%d%d" % (edited, grows), time.time() - 1000
                    shutil.rmtree(self.data)
                    if edited:
                        self.write("a.csv", "id;n,text\n0;edited away,zero\n", at)
                        self.batch(self.job(name, dataset=keyed, sources=csv(",")))
                    content, kept = "id;n,text\n1;x,one\n2;y,two\n", 1 if edited else 0
                    self.write("a.csv", content, at + 100)
                    self.batch(self.job(name, dataset=keyed, sources=csv(",")))
                    for more in ("3;z,three\n", "4;w,four\n"):
                        content += more
                        self.write("a.csv", content, at + 200 + len(content))
                        self.batch(self.job(name, dataset=keyed, sources=csv(",")), 2)
                    if grows:
                        content += "5;v,five\n"
                        self.write("a.csv", content, at + 500)
                    out = self.batch(self.job(name, dataset=keyed, sources=csv(";")), 2)
                    self.assertEqual("could not be read again" in out, edited)
                    self.assertEqual(len([row for row in self.check(name).rows() if row["op"] == 0]), 4 + grows + kept)

    def test_record_of_a_grown_file_that_is_rejected_now_is_not_live_as_well(self):
        first = lines({"id": "a", "text": "x " * 2000}, {"id": "b", "text": "one"})
        self.write("a.jsonl", first, time.time() - 100)
        self.batch(self.job())
        self.write("a.jsonl", first + lines({"id": "c", "text": "two"}), time.time() - 50)
        self.batch(self.job())
        self.batch(self.job(limits={"record": 1024}))
        self.assertEqual([row["key"] for row in self.check().rows() if len(row["text"]) > 10], [])
        self.assertEqual((self.texts(), len(self.check().rejects())), (["one", "two"], 1))

    def test_pending_rows_that_are_carried_over_are_answered_by_the_built_in_analyzer(self):
        deep = {"analyzer": "openai", "endpoints": [{"url": "http://127.0.0.1:1/v1", "model": "m"}], "patience": 0.2, "timeout": 1}
        for kind, dataset in (("u", {}), ("a", APPEND)):
            for ranks in (0, 2):
                with self.subTest(kind=kind, ranks=ranks):
                    name = "%s%d" % (kind, ranks)
                    self.write("a.jsonl", lines({"id": "a", "text": "The server is down."}))
                    self.write("b.jsonl", lines({"id": "b", "text": "A refund please."}))
                    self.batch(self.job(name, dataset=dataset, tasks={"sentiment": {}}, deep=deep), ranks)
                    self.assertEqual(self.pending(name), 2)
                    os.remove(os.path.join(self.data, "a.jsonl"))
                    self.assertIn("1 records of 1 files", self.batch(self.job(name, dataset=dataset, tasks={"sentiment": {}}), ranks))
                    self.assertEqual((self.pending(name), self.texts(name)), (0, ["A refund please.", "The server is down."]))

    def pending(self, name):
        found = self.check(name)
        marked = sum(row["flags"] & PENDING > 0 for row in found.rows())
        self.assertEqual(sum(counts["pending"] for counts in found.counts.values()), marked)
        return marked

    def test_stream_that_was_taken_out_is_in_the_archive(self):
        with open(os.path.join(self.folder, "events.jsonl"), "w") as file:
            file.write("".join(lines({"id": "e%d" % i, "at": i, "text": "The server is down."}) for i in range(50)) + "broken\n")
        self.write("a.jsonl", lines({"id": "a", "text": "from data"}))
        stream = {"brokers": "local", "topic": "events", "partitions": 2, "route": "out", "roll": {"seconds": 1}, "replay": {"path": "events.jsonl", "rate": 2000}}
        job = self.job(stream=stream, commit_interval=1, batch={"every": {"records": 20}})
        run = subprocess.run([self.lamina, "run", job], capture_output=True, text=True, errors="replace", timeout=LIMIT, env=clean_environment())
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        self.assertEqual(len(self.texts()), 51)
        out = self.batch(self.job(tasks=OTHER), 2)
        self.assertIn("50 records could not be read again", out)
        self.assertNotIn("are unavailable: ", out)
        self.assertEqual(len(self.texts()), 51)
        self.assertEqual({row["flags"] & UNAVAILABLE for row in self.check().rows()}, {0})
        self.assertEqual([report_of(self.store())[what] for what in ("carried", "carried_files")], [50, 0])

    def test_vectors_of_another_length_are_left_out_and_counted(self):
        self.write("a.jsonl", lines({"id": "a", "text": "The server is down."}))
        self.write("b.jsonl", lines({"id": "b", "text": "A refund please."}))
        for kind, dataset in (("u", {}), ("a", APPEND)):
            self.batch(self.job(kind, dataset=dataset, tasks={"embed": {"dim": 8}}))
            self.away("a.jsonl")
            self.assertIn("1 have no vector any more", self.batch(self.job(kind, dataset=dataset, tasks={"embed": {"dim": 16}}), 2))
            vectors = {row["text"]: not math.isnan(struct.unpack_from("<f", row["embedding"])[0]) for row in self.check(kind).rows()}
            self.assertEqual(vectors, {b"The server is down.": False, b"A refund please.": True})
            self.assertNotIn("vector", self.batch(self.job(kind, dataset=dataset, tasks={"embed": {"dim": 16}, "language": {}})), "there is none to be left out")
            self.back("a.jsonl")

    def test_on_missing_delete_holds_in_a_full_view(self):
        fields = {"sources": [source(on_missing="delete")]}
        self.write("a.jsonl", lines({"id": "a", "at": 1, "text": "one"}, {"id": "dropped", "at": 1, "text": "two"}), time.time() - 100)
        self.write("b.jsonl", lines({"id": "b", "at": 1, "text": "three"}), time.time() - 100)
        self.write("c.jsonl", lines({"id": "c", "at": 1, "text": "four"}), time.time() - 100)
        self.batch(self.job(**fields))
        self.write("a.jsonl", lines({"id": "a", "at": 1, "text": "ONE"}), time.time() - 50)
        self.away("b.jsonl")
        self.batch(self.job(tasks=OTHER, **fields), 2)
        self.assertEqual(self.texts(), ["ONE", "four"])
        self.assertEqual(self.check().totals()["deleted"], 2)
        self.back("b.jsonl")
        self.batch(self.job(tasks=OTHER, **fields))
        self.assertEqual(self.texts(), ["ONE", "four", "three"])
        self.away("c.jsonl")
        self.batch(self.job(tasks=OTHER, **fields))
        self.batch(self.job(**fields))
        self.assertEqual(self.texts(), ["ONE", "three"], "deletes stay deletes")

    def test_file_that_cannot_be_read_this_time(self):
        user = None
        if os.geteuid() == 0:  # root can read every file: as nobody then
            user = 65534
            os.chmod(self.folder, 0o777)
        for kind, dataset in (("u", {}), ("a", APPEND)):
            path = self.write("a.jsonl", lines({"id": "a", "text": "one"}))
            self.write("b.jsonl", lines({"id": "b", "text": "two"}))
            self.plain(self.job(kind, dataset=dataset), user)
            os.chmod(path, 0)
            self.assertIn("could not be read again", self.plain(self.job(kind, dataset=dataset, tasks=OTHER), user))
            self.assertEqual(self.texts(kind), ["one", "two"])
            os.chmod(path, 0o644)
            self.plain(self.job(kind, dataset=dataset, tasks=OTHER), user)
            self.assertEqual(self.texts(kind), ["one", "two"])
            self.assertEqual({row["flags"] & UNAVAILABLE for row in self.check(kind).rows()}, {0})

    def plain(self, job, user):
        run = subprocess.run(self.command(job, 0), user=user, capture_output=True, text=True, timeout=LIMIT)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        return run.stdout + run.stderr

    def test_full_view_helps_where_the_old_one_is_damaged(self):
        self.write("a.jsonl", lines({"id": "a", "text": "one"}, {"id": "b", "text": "two"}))
        for kind in ("run", "manifest"):
            self.batch(self.job(kind))
            path = self.damage(kind, kind)
            self.assertIn(path, self.batch(self.job(kind, tasks=OTHER)))
            self.assertEqual(self.texts(kind), ["one", "two"])

    def test_damaged_copies_are_named_and_stay(self):
        self.write("a.jsonl", lines({"id": "a", "text": "one"}))
        self.write("b.jsonl", lines({"id": "b", "text": "two"}))
        fields = {"sources": [source(bronze="copy")]}
        self.batch(self.job(**fields))
        path = self.damage("out", "bronze_corpus")
        self.away("a.jsonl")
        self.assertIn(path, self.batch(self.job(tasks=OTHER, **fields)))
        store = Store(self.store())
        self.assertEqual({row["text"]: row["flags"] & UNAVAILABLE for row in store.rows()}, {b"one": UNAVAILABLE, b"two": 0})
        self.assertIn(path, store.live)

    def damage(self, store, kind):
        """Flips all bits of the first column of the first segment of this kind; its path."""
        segment = Store(self.store(store)).segments(kind)[0]
        with open(os.path.join(self.store(store), segment.entry["path"]), "r+b") as file:
            file.seek(segment.entry["datasets"][0][0])
            file.write(bytes(byte ^ 255 for byte in segment.dataset(0)))
        return segment.entry["path"]

    def test_killed_full_view_goes_on(self):
        made = records(self.random, 3000, 2000, deletes=0)
        self.write("a.jsonl", lines(*made[:1500]))
        self.write("b.jsonl", lines(*made[1500:]))
        for name in ("whole", "killed"):
            self.batch(self.job(name))
        self.away("b.jsonl")
        self.batch(self.job("whole", tasks=OTHER))
        for wait in (0.02, 0.1, 0.2, 0.3):
            process = self.start(self.job("killed", tasks=OTHER), 0)
            time.sleep(wait)
            process.kill()
            self.finish(process)
        self.batch(self.job("killed", tasks=OTHER), 2)
        strip = lambda store: sorted((row["key"], row["text"], row["summary"], row["category"], row["offset"], row["flags"]) for row in store.rows())
        self.assertEqual(strip(self.check("killed")), strip(self.check("whole")))

    def test_edits_vanished_files_and_full_views_equal_a_naive_recomputation(self):
        """Every version that was ever read counts, whatever became of its file; a full view reads what is there once more. Files are edited, and grow."""
        rng, content, history, kept = self.random, {}, [], 1  # content: {path: (bytes, known)}; history: (path, life, known)
        for turn in range(1, 9):
            full = turn > 1 and rng.random() < 0.5
            for name in ("a.jsonl", "b.jsonl", "c.jsonl", "d.jsonl"):
                how = rng.choice(("new", "grow", "grow", "leave", "vanish")) if name in content else "new"
                if name == "a.jsonl" and how in ("leave", "vanish"):  # a run without news opens no scan
                    how = "new"
                if how == "vanish":
                    os.remove(os.path.join(self.data, name))
                    del content[name]
                elif how != "leave":
                    old, before = content[name] if how == "grow" else (b"", [])
                    data, known = jsonl(rng, records(rng, 100, 120, deletes=0.1), bad=0.01)
                    known = [(len(old) + offset, rec) for offset, rec in known]
                    self.write(name, old + data, time.time() - 1000 + 100 * turn)
                    content[name] = old + data, before + known
                    if not full:
                        history.append((name, turn, known))
                if name in content and full:
                    history.append((name, turn, content[name][1]))
            kept = turn if full else kept
            out = self.batch(self.job(tasks={"language": {}, "keywords": {"max": kept}}), rng.choice((0, 1, 2, 3)))
            self.assertEqual("full view" in out, full)
            self.check_history(history)

    def check_history(self, history):
        self.check_winners(self.check(), history)


if __name__ == "__main__":
    main("__main__", sys.argv[1], sys.argv[2:])
