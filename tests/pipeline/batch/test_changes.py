#!/usr/bin/env python3
"""What a further run makes of files that were edited, grew, vanished, were only touched, or cannot be read; of an edited job; and what its exit code says.

    test_changes.py LAMINA [TEST…]
"""
import json
import os
import socket
import subprocess
import sys
import time

from support import LIMIT, BatchCase, Store, csv_bytes, gz, jsonl, main, naive_upsert, records, report_of, text_of

APPEND = {"kind": "append", "key": None, "deleted": None, "order_by": None}


def lines(*made):
    return "".join(json.dumps(rec) + "\n" for rec in made)


class ChangedFiles(BatchCase):
    def rows(self, store="out"):
        return {row["key"].decode(): row for row in Store(self.store(store)).rows() if row["op"] == 0}

    def texts(self, store="out"):
        return sorted(row["text"].decode() for row in Store(self.store(store)).rows() if row["op"] == 0)

    def counts(self, store="out"):
        """live, superseded, deleted, quarantined; after a recount."""
        found = Store(self.store(store))
        found.check_counts(self)
        return [found.totals()[name] for name in ("live", "superseded", "deleted", "quarantined")]

    def test_second_run_with_nothing_new_publishes_nothing_and_says_so(self):
        self.write("a.jsonl", lines({"id": "a", "text": "one"}, {"id": "b", "text": "two"}))
        self.write("b.txt", "a document")
        job = self.job()
        self.batch(job, 2)
        before = Store(self.store())
        for ranks in (0, 3):
            out = self.batch(job, ranks)
            self.assertIn("othing new", out)
            after = Store(self.store())
            self.assertEqual((after.view, after.live, after.masks), (1, before.live, before.masks))
            self.assertEqual(after.answer(), before.answer())

    def test_touched_file_is_not_read_again_nor_published(self):
        path = self.write("a.jsonl", lines({"id": "a", "text": "one"}, {"id": "b", "text": "two"}))
        for kind, dataset in (("u", {}), ("a", APPEND)):
            job = self.job(kind, dataset=dataset)
            self.batch(job)
            before = Store(self.store(kind)).answer()
            os.utime(path, (time.time() - 30, time.time() - 30))
            self.batch(job)
            after = Store(self.store(kind))
            self.assertEqual(after.answer(), before)
            self.assertEqual(after.totals()["read"], 2)
            self.assertEqual({entry["path"] for entry in after.live.values() if entry["kind"] in ("run", "silver")},
                             {entry["path"] for entry in after.live.values() if entry["kind"] in ("run", "silver") and entry["view"] == 1})

    def test_grown_file_keeps_its_positions_and_only_new_bytes_are_read(self):
        first, more = lines({"id": "a", "text": "one"}, {"id": "b", "text": "two"}), lines({"id": "b", "at": 1700000000, "text": "newer"}, {"id": "c", "text": "three"})
        for kind, dataset, expected in (("u", {}, ["newer", "one", "three"]), ("a", APPEND, ["newer", "one", "three", "two"])):
            self.write("a.jsonl", first, time.time() - 100)
            job = self.job(kind, dataset=dataset)
            self.batch(job)
            before = {row["offset"]: (row["life"], row["text"]) for row in Store(self.store(kind)).rows()}
            self.write("a.jsonl", first + more, time.time() - 50)
            self.batch(job, 2)
            store = Store(self.store(kind))
            self.assertEqual(self.texts(kind), expected)
            self.assertEqual(store.totals()["read"], 4, "the old lines were not counted again")
            for row in store.rows():
                if row["offset"] < len(first):
                    self.assertEqual((row["life"], row["text"]), before[row["offset"]])
            self.counts(kind)

    def test_file_that_grew_after_half_a_line_is_read_anew(self):
        self.write("a.jsonl", lines({"id": "a", "text": "one"}) + '{"id":"b","text":"tw', time.time() - 100)
        job = self.job(quarantine={"max": 1})
        self.batch(job)
        self.assertEqual((self.texts(), self.counts()), (["one"], [1, 0, 0, 1]))
        self.write("a.jsonl", lines({"id": "a", "text": "one"}, {"id": "b", "text": "two"}), time.time() - 50)
        self.batch(job)
        self.assertEqual(self.texts(), ["one", "two"])
        self.counts()

    def test_edited_file_supersedes_by_key_in_an_upsert_dataset(self):
        self.write("a.jsonl", lines({"id": "a", "text": "one"}, {"id": "b", "text": "two"}, {"id": "gone from the file", "text": "stays"}))
        self.write("z.jsonl", lines({"id": "z", "text": "other file"}))
        job = self.job()
        self.batch(job)
        self.write("a.jsonl", lines({"id": "b", "text": "TWO"}, {"id": "a", "text": "one"}, {"id": "c", "text": "three"}), time.time() - 20)
        self.batch(job, 3)
        rows = self.rows()
        self.assertEqual({key: row["text"].decode() for key, row in rows.items()},
                         {"a": "one", "b": "TWO", "c": "three", "gone from the file": "stays", "z": "other file"})
        self.assertEqual({key: row["life"] for key, row in rows.items()}, {"a": 2, "b": 2, "c": 2, "gone from the file": 1, "z": 1})
        self.assertEqual(self.counts(), [5, 2, 0, 0])

    def test_edited_file_supersedes_all_its_rows_in_an_append_dataset(self):
        self.write("a.jsonl", lines({"text": "one"}, {"text": "two"}, {"text": "three"}))
        self.write("z.jsonl", lines({"text": "other file"}))
        job = self.job(dataset=APPEND)
        self.batch(job, 2)
        self.write("a.jsonl", lines({"text": "two"}, {"text": "four"}), time.time() - 20)
        self.batch(job, 2)
        self.assertEqual(self.texts(), ["four", "other file", "two"])
        self.assertEqual(self.counts(), [3, 3, 0, 0])
        self.write("a.jsonl", lines({"text": "five"}), time.time() - 10)
        self.batch(job)
        self.assertEqual(self.texts(), ["five", "other file"])
        self.assertEqual(self.counts(), [2, 5, 0, 0])

    def test_same_size_and_another_content_is_an_edit(self):
        for kind, dataset in (("u", {}), ("a", APPEND)):
            self.write("a.jsonl", lines({"id": "a", "text": "one"}), time.time() - 100)
            job = self.job(kind, dataset=dataset)
            self.batch(job)
            self.write("a.jsonl", lines({"id": "a", "text": "two"}), time.time() - 50)
            self.batch(job)
            self.assertEqual(self.texts(kind), ["two"])
            self.assertEqual(self.counts(kind), [1, 1, 0, 0])

    def test_vanished_file_keeps_its_rows_and_a_return_is_no_news(self):
        for kind, dataset in (("u", {}), ("a", APPEND)):
            path = self.write("a.jsonl", lines({"id": "a", "text": "one"}), time.time() - 100)
            self.write("b.jsonl", lines({"id": "b", "text": "two"}), time.time() - 100)
            job = self.job(kind, dataset=dataset)
            self.batch(job)
            os.rename(path, path + ".away~")
            os.rename(path + ".away~", os.path.join(self.folder, "away"))
            self.batch(job, 2)
            self.assertEqual(self.texts(kind), ["one", "two"])
            self.assertEqual(self.counts(kind), [2, 0, 0, 0])
            os.rename(os.path.join(self.folder, "away"), path)
            self.batch(job)
            self.assertEqual(self.texts(kind), ["one", "two"])
            self.assertEqual(self.counts(kind), [2, 0, 0, 0])

    def test_on_missing_delete_deletes_what_is_not_found_any_more(self):
        for kind, dataset in (("t", {}), ("p", {"order_by": "position", "event_time": None})):
            job = self.job(kind, dataset=dataset, sources=[{"type": "files", "name": "data", "path": "data/**", "on_missing": "delete"}])
            self.write("a.jsonl", lines({"id": "a", "at": 1700000001, "text": "one"}, {"id": "b", "at": 1700000009, "text": "two"}), time.time() - 200)
            gone = self.write("m.jsonl", lines({"id": "c", "at": 1700000001, "text": "three"}), time.time() - 200)
            self.write("k.jsonl", lines({"id": "k", "text": "kept"}), time.time() - 200)
            self.batch(job)
            self.write("a.jsonl", lines({"id": "a", "at": 1700000001, "text": "one again"}), time.time() - 100)
            os.rename(gone, os.path.join(self.folder, "m.jsonl"))
            self.batch(job, 2)
            self.assertEqual(sorted(self.rows(kind)), ["a", "k"])
            self.assertEqual(self.counts(kind), [2, 2 + 1, 2, 0])
            self.assertIn("othing new", self.batch(job))
            for name in ("m.jsonl", "b.jsonl", "z.jsonl"):  # it comes back, and moves up and down
                os.rename(os.path.join(self.folder, "m.jsonl"), os.path.join(self.data, name))
                self.batch(job)
                self.assertEqual(sorted(self.rows(kind)), ["a", "c", "k"])
                self.counts(kind)
                os.rename(os.path.join(self.data, name), os.path.join(self.folder, "m.jsonl"))

    def test_edited_packed_file_and_csv(self):
        rng = self.random
        first, _ = csv_bytes(rng, records(rng, 300, 400, deletes=0))
        self.write("a.csv.gz", gz(first), time.time() - 100)
        job = self.job()
        self.batch(job, 2)
        second, known = csv_bytes(rng, [{**rec, "at": 1700001000} for rec in records(rng, 300, 200, deletes=0)])
        self.write("a.csv.gz", gz(second), time.time() - 50)
        self.batch(job, 3)
        rows = self.rows()
        for key, ((when, _, _, offset), rec) in naive_upsert({"a.csv.gz": (2, known)}).items():
            self.assertEqual((rows[key]["event_time"], rows[key]["offset"], rows[key]["text"].decode(), rows[key]["life"]), (when, offset, text_of(rec), 2), key)
        self.counts()

    def test_many_edits_in_a_row_equal_a_naive_recomputation(self):
        """A corpus that is edited, grown, deleted from and added to, on changing ranks; after every run the view is what the history says."""
        rng, content, history = self.random, {}, []  # history: (path, life, known), in order of the runs
        job = self.job()
        for turn in range(1, 7):
            at = time.time() - 1000 + 100 * turn
            for name in ("a.jsonl", "b.jsonl", "c.jsonl", "d.jsonl"):
                how = rng.choice(("new", "grow", "leave")) if name in content else rng.choice(("new", "leave", "new"))
                if name == "a.jsonl" and how == "leave":  # a run without news opens no scan
                    how = "new"
                bytes_, known = jsonl(rng, records(rng, 150, 120), bad=0.01)
                if how == "new":
                    content[name] = bytes_
                    history.append((name, turn, known))
                elif how == "grow":
                    history.append((name, turn, [(offset + len(content[name]), rec) for offset, rec in known]))
                    content[name] += bytes_
                if how != "leave":
                    self.write(name, content[name], at)
            self.batch(job, rng.choice((0, 1, 2, 3)))
            store = Store(self.store())
            self.check_history(store, history)

    def check_history(self, store, history):
        self.check_winners(store, history)
        self.assertEqual(store.totals()["read"], sum(len(known) for _, _, known in history))
        store.check_counts(self)

    def test_deleted_key_stays_deleted_when_older_versions_come_later(self):
        """Invariant 4."""
        self.write("a.jsonl", lines({"id": "a", "at": 1700000000, "text": "one"}, {"id": "a", "at": 1700000500, "gone": True}), time.time() - 100)
        job = self.job()
        self.batch(job)
        self.assertEqual((self.texts(), self.counts()), ([], [0, 1, 1, 0]))
        self.write("b.jsonl", lines({"id": "a", "at": 1700000400, "text": "late"}), time.time() - 50)
        self.batch(job, 2)
        self.assertEqual((self.texts(), self.counts()), ([], [0, 2, 1, 0]))
        self.write("c.jsonl", lines({"id": "a", "at": 1700000600, "text": "again"}), time.time() - 20)
        self.batch(job)
        self.assertEqual((self.texts(), self.counts()), (["again"], [1, 3, 0, 0]))


class EditedJobs(BatchCase):
    def setUp(self):
        super().setUp()
        self.write("a.jsonl", lines({"id": "a", "text": "The invoice was charged twice, a refund please."}, {"id": "b", "text": "The server is down."}))
        self.write("b.txt", "a document")
        self.batch(self.job())

    def refused(self, *words, **fields):
        commits = Store(self.store()).commits
        out = self.batch(self.job(**fields), 2, expect=2)
        for word in words:
            self.assertIn(word, out)
        self.assertEqual(Store(self.store()).commits, commits, "nothing was written")

    def test_identity_is_refused_and_the_difference_named(self):
        self.refused("/dataset/kind", dataset=APPEND)
        self.refused("/dataset/order_by", dataset={"order_by": "position"})
        self.refused("key", dataset={"key": ["/other", "$path"]})
        self.refused("deleted", dataset={"deleted": "/removed"})
        self.refused("event_time", dataset={"event_time": "/when"})

    def test_analysis_is_a_new_full_view_and_announced(self):
        before = {row["key"]: row for row in Store(self.store()).rows()}
        labels = {"classify": {"labels": {"money": "invoice, refund, charged", "trouble": "down, error, server"}}, "summarize": {}}
        out = self.batch(self.job(tasks=labels), 3)
        self.assertIn("full view", out)
        self.assertIn("/tasks", out)
        store = Store(self.store())
        self.assertEqual(store.view, 2)
        self.assertEqual({row["key"]: row["category"] for row in store.rows()}[b"a"], b"money")
        self.assertEqual({(k, r["text"]) for k, r in before.items()}, {(r["key"], r["text"]) for r in store.rows()})
        self.assertEqual(store.totals(), {"read": 3, "live": 3, "superseded": 0, "deleted": 0, "quarantined": 0, "filtered": 0})
        store.check_counts(self)
        self.assertIn("othing new", self.batch(self.job(tasks=labels)))

    def test_new_full_view_after_an_edit_covers_what_is_there_now(self):
        self.write("a.jsonl", lines({"id": "a", "text": "edited"}, {"id": "c", "text": "new"}), time.time() - 20)
        self.batch(self.job())
        self.batch(self.job(dataset={"text": "/text"}), 2)
        store = Store(self.store())
        self.assertEqual(store.view, 3)
        rows = {row["key"]: row["text"] for row in store.rows()}
        self.assertEqual({k: rows[k] for k in (b"a", b"c", b"b.txt")}, {b"a": b"edited", b"c": b"new", b"b.txt": b"a document"})
        store.check_counts(self)

    def test_the_rest_changes_nothing(self):
        before = Store(self.store())
        out = self.batch(self.job(name="renamed", batch={"split": "2 MiB", "workers": 1}, quarantine={"max": 0.9}, commit_interval=1), 2)
        self.assertIn("othing new", out)
        after = Store(self.store())
        self.assertEqual((after.view, after.live), (before.view, before.live))

    def test_added_source_is_read_and_one_that_is_gone_keeps_its_rows(self):
        os.mkdir(os.path.join(self.folder, "more"))
        with open(os.path.join(self.folder, "more", "x.jsonl"), "w") as file:
            file.write(lines({"id": "x", "text": "more"}))
        both = [{"type": "files", "name": "data", "path": "data/**"}, {"type": "files", "name": "more", "path": "more/*"}]
        self.batch(self.job(sources=both), 2)
        self.assertEqual({row["key"] for row in Store(self.store()).rows()}, {b"a", b"b", b"b.txt", b"x"})
        out = self.batch(self.job(sources=both[1:]))
        self.assertIn("data", out)
        self.assertEqual({row["key"] for row in Store(self.store()).rows()}, {b"a", b"b", b"b.txt", b"x"})
        Store(self.store()).check_counts(self)


class ExitCodes(BatchCase):
    def test_3_where_more_is_quarantined_than_allowed_and_the_view_is_there(self):
        self.write("a.jsonl", lines({"id": "a", "text": "one"}) + "broken\n" + lines({"id": "b", "text": "two"}) + "broken too\n")
        self.batch(self.job("strict", quarantine={"max": 0.25}), 2, expect=3)
        self.assertEqual(len(Store(self.store("strict")).rows()), 2)
        self.assertEqual(report_of(self.store("strict"))["exit"], 3)
        self.batch(self.job("share", quarantine={"max": 0.5}), 2)
        self.batch(self.job("number", quarantine={"max": 0, "records": 2}), 0)

    def test_records_without_text_and_without_order_are_counted(self):
        self.write("a.jsonl", lines({"id": "a", "text": "one", "at": "2026-01-01T00:00:00Z"}, {"id": "b", "text": ""}, {"id": "c", "at": "2026-01-01T00:00:00Z"}, {"id": "d", "text": "x"}))
        out = self.batch(self.job(), 2)
        self.assertIn("2 records have no text, and so no answers; 2 have no order value", out)
        report = report_of(self.store())
        self.assertEqual((report["no_text"], report["no_order"]), (2, 2))

    def test_rejects_keep_reason_place_and_bytes(self):
        self.write("a.jsonl", lines({"id": "a", "text": "one"}) + '{"broken\n')
        self.batch(self.job())
        reject, = Store(self.store()).rejects()
        self.assertEqual((reject["raw"], reject["kind"], reject["offset"]), (b'{"broken', 0, len(lines({"id": "a", "text": "one"}))))
        self.assertIn(b"a.jsonl", reject["place"])
        self.assertTrue(reject["reason"])

    def test_file_that_cannot_be_read_is_reported_and_the_rest_goes_on(self):
        path = self.write("a.jsonl", lines({"id": "a", "text": "one"}))
        self.write("b.jsonl", lines({"id": "b", "text": "two"}))
        os.chmod(path, 0)
        out = self.plain_user(self.job())
        self.assertIn("1 file was left out, and looked at again by the next run: source data: a.jsonl: open", out)
        self.assertEqual(report_of(self.store())["files_failed"], 1)
        self.assertIn("a.jsonl: open", report_of(self.store())["first_failure"])
        self.assertEqual([row["key"] for row in Store(self.store()).rows()], [b"b"])
        self.assertIn("Nothing new since view 1", self.plain_user(self.job()))  # what still cannot be read is no news
        os.chmod(path, 0o644)
        self.plain_user(self.job())
        self.assertEqual({row["key"] for row in Store(self.store()).rows()}, {b"a", b"b"})

    def test_a_run_that_can_read_no_file_at_all_fails(self):
        path = self.write("a.jsonl", lines({"id": "a", "text": "one"}))
        os.chmod(path, 0)
        self.assertIn("none of 1 files could be read", self.plain_user(self.job(), 1))
        self.assertEqual(Store(self.store()).rows(), [])
        self.write("empty.jsonl", "")
        self.plain_user(self.job())  # one of the two could be, though nothing is in it
        os.chmod(path, 0o644)
        self.plain_user(self.job())
        os.chmod(path, 0)
        self.plain_user(self.job())  # unchanged: it need not be read

    def test_a_source_that_matches_nothing_is_named(self):
        self.write("a.jsonl", lines({"id": "a", "text": "one"}))
        source = {"type": "files", "name": "typo", "path": "data/*.jsnl"}
        self.assertIn("data/*.jsnl matches no file", self.batch(self.job(sources=[source])))

    def test_of_a_file_that_cannot_be_read_the_whole_path_counts(self):
        """Longer than what of it fits into an error: it is not taken for read, and its neighbour in the same folder is."""
        folder = "/".join(("d" * 200, "e" * 200))
        path = self.write(folder + "/a.jsonl", lines({"id": "a", "text": "one"}))
        self.write(folder + "/b.jsonl", lines({"id": "b", "text": "two"}))
        os.chmod(path, 0)
        self.plain_user(self.job())
        self.assertEqual(report_of(self.store())["files_failed"], 1)
        self.assertEqual([row["key"] for row in Store(self.store()).rows()], [b"b"])
        os.chmod(path, 0o644)
        self.plain_user(self.job())
        self.assertEqual({row["key"] for row in Store(self.store()).rows()}, {b"a", b"b"})

    def plain_user(self, job, expect=0):
        """Root can read every file: as nobody then."""
        user = None
        if os.geteuid() == 0:
            user = 65534
            os.chmod(self.folder, 0o777)
        run = subprocess.run(self.command(job, 0), user=user, capture_output=True, text=True, timeout=LIMIT)
        self.assertEqual(run.returncode, expect, run.stdout + run.stderr)
        return run.stdout + run.stderr

    def test_what_is_no_file_does_not_stop_or_block_a_run(self):
        self.write("good.jsonl", lines({"id": "good", "text": "two"}))
        os.mkfifo(os.path.join(self.data, "pipe.jsonl"))
        os.symlink("/nowhere/at/all", os.path.join(self.data, "dangling.jsonl"))
        os.symlink("loop.jsonl", os.path.join(self.data, "loop.jsonl"))
        os.mkdir(os.path.join(self.data, "folder.jsonl"))
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(os.path.join(self.data, "socket.jsonl"))
        self.batch(self.job(), 2)
        self.assertEqual([row["key"] for row in Store(self.store()).rows()], [b"good"])

    def test_damaged_packed_file_is_reported_and_the_rest_goes_on(self):
        content = b"".join(b'{"id":"%d","text":"%s"}\n' % (i, os.urandom(40).hex().encode()) for i in range(5000))
        for name, data in (("cut.jsonl.gz", gz(content)[:-5000]), ("noise.jsonl.gz", gz(content)[:20000] + b"noise" * 100 + gz(content)[20500:]),
                           ("none.jsonl.gz", b""), ("no.jsonl.zst", b"this is no zstd")):
            self.write(name, data)
        self.write("good.jsonl", lines({"id": "good", "text": "two"}))
        answers = []
        for ranks in (0, 3):
            store = "out%d" % ranks
            out = self.batch(self.job(store, quarantine={"max": 1}), ranks)
            found = Store(self.store(store))
            self.assertIn(b"good", [row["key"] for row in found.rows()])
            found.check_counts(self)
            report = report_of(found.root)
            told = report["files_failed"] + len({row["partition"] for row in found.rejects()})
            self.assertGreaterEqual(told, 3, "each damaged file is reported: as a failed file or in quarantine\n" + out)
            answers.append(found.answer())
        self.assertTrue(answers[0] == answers[1])

    def test_1_where_the_corpus_is_not_there(self):
        os.rename(self.data, self.data + ".away")
        code, out = self.finish(self.start(self.job(), 2))
        self.assertIn(code, (1, 2), out)
        self.assertIn("data", out)
        self.assertFalse(os.path.exists(os.path.join(self.store(), "log", "0000")) and Store(self.store()).view)

    def test_empty_corpus_gives_an_answer_and_no_hang(self):
        self.batch(self.job(), 2)
        self.assertLessEqual(Store(self.store()).view, 1)
        self.write("a.jsonl", lines({"id": "a", "text": "one"}))
        self.batch(self.job(), 2)
        self.assertEqual(len(Store(self.store()).rows()), 1)


class BronzeCopy(BatchCase):
    def test_every_item_is_kept_byte_for_byte_at_its_position(self):
        """Rejects too; and a file that changed is copied anew, while what was copied before stays: bronze is append-only."""
        lines = [b'{"id":"a","text":"one"}', b"no JSON", b'{"id":"b","text":"two \\u00e9"}']
        first = self.write("x.jsonl", b"\n".join(lines) + b"\n")
        self.write("page.md", "# Title\n\nText.\n")
        source = {"type": "files", "name": "data", "path": "data/**", "bronze": "copy"}
        self.batch(self.job(sources=[source]), 2)
        self.check_copies({"x.jsonl": lines, "page.md": [b"# Title\n\nText.\n"]})
        with open(first, "rb") as file:
            content = file.read()
        self.write("x.jsonl", content + b'{"id":"c","text":"three"}\n', time.time() - 30)
        self.batch(self.job(sources=[source]))
        self.check_copies({"x.jsonl": [*lines, b'{"id":"c","text":"three"}'], "page.md": [b"# Title\n\nText.\n"]})

    def check_copies(self, expected):
        store = Store(self.store())
        found, paths = {}, store.paths()
        for segment in store.segments("bronze_corpus"):
            for row in segment.dicts():
                found.setdefault(paths[row["partition"]], []).append((row["offset"], row["raw"]))
        self.assertEqual({path: [raw for _, raw in sorted(rows)] for path, rows in found.items()}, expected)
        for path, rows in found.items():
            with open(os.path.join(self.data, path), "rb") as file:
                content = file.read()
            for offset, raw in rows:
                self.assertEqual(content[offset : offset + len(raw)], raw)


class KilledRuns(BatchCase):
    def staged(self, known=()):
        folder = os.path.join(self.store(), "runs")
        found = {os.path.join(folder, run, name) for run in (os.listdir(folder) if os.path.isdir(folder) else []) for name in os.listdir(os.path.join(folder, run))
                 if name.startswith("staged-") and name.endswith(".json")}
        return sorted(found - set(known))

    def kill_when_staged(self, job, known, count):
        process = self.start(job, 0)
        while process.poll() is None and len(self.staged(known)) < count:
            time.sleep(0.005)
        process.kill()
        self.finish(process)
        made = self.staged(known)
        self.assertGreaterEqual(len(made), count)
        self.assertFalse(Store(self.store()).published)
        return made

    def test_what_two_killed_runs_staged_of_the_same_bytes_counts_once(self):
        made = [{"id": str(i), "text": "%d " % i + "invoice refund server " * 20} for i in range(30000)]
        self.write("a.jsonl.gz", gz((lines(*made) + "{bad\n").encode()))
        job = self.job(dataset=APPEND, batch={"memory": "64 MiB"}, limits={"record": "1 MiB", "document": "8 MiB"})
        first = self.kill_when_staged(job, (), 3)
        os.remove(min(first, key=os.path.getmtime))  # as where a later piece was answered and staged before an earlier one: of a packed file it is of no use
        self.kill_when_staged(job, first, 3)  # which reads from the beginning again
        self.batch(job)
        found = Store(self.store())
        found.check_counts(self)
        self.assertEqual(sorted(row["text"].decode() for row in found.rows()), sorted(text_of(rec) for rec in made))
        self.assertEqual([found.totals()["live"], found.totals()["quarantined"]], [30000, 1])


if __name__ == "__main__":
    main("__main__", sys.argv[1], sys.argv[2:])
