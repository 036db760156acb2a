#!/usr/bin/env python3
"""Invariants 2, 3, 6, 8 and 10 of the batch layer: the same view on any number of ranks, and it is what a naive recomputation says; in bounded memory.

    test_ranks.py LAMINA [TEST…]
"""
import json
import sys

from support import MIB, BatchCase, Store, csv_bytes, gz, jsonl, main, naive_upsert, peak_of, records, report_of, sentence, text_of, time_us, zst

RANKS = (0, 1, 2, 3, 5)  # 0: one process without a launcher


class SameOnAnyRanks(BatchCase):
    def corpus(self, count=2600, keys=3000):
        """Files of every form; {path: (life, known records)} of those with records."""
        rng, known = self.random, {}
        for name, pack in (("one.jsonl", None), ("deep/two.jsonl.gz", gz), ("deep/er/three.jsonl.zst", zst), ("four.jsonl", None)):
            content, known_here = jsonl(rng, records(rng, count, keys), bad=0.01)
            if name == "four.jsonl":  # the last line has no newline
                content = content[:-1]
            self.write(name, pack(content) if pack else content)
            known[name] = (1, known_here)
        for name, pack in (("five.csv", None), ("six.csv.gz", gz)):
            content, known_here = csv_bytes(rng, records(rng, count, keys, deletes=0))
            self.write(name, pack(content) if pack else content)
            known[name] = (1, known_here)
        return known

    def documents(self):
        self.write("docs/notes.md", "# Outage notes\n\n" + sentence(self.random, 30) + " [link](http://example.org/a)\n")
        self.write("docs/page.html", "<html><title>Refunds</title><body><h1>Refunds</h1><p>%s</p></body></html>" % sentence(self.random, 20))
        self.write("docs/plain.txt", sentence(self.random, 40) + "\n")
        self.write("docs/packed.txt.gz", gz(sentence(self.random, 40).encode()))
        self.write("docs/empty.txt", "")
        self.write("docs/latin.txt", b"caf\xe9 is not UTF-8\n")  # quarantined
        return {"docs/notes.md", "docs/page.html", "docs/plain.txt", "docs/packed.txt.gz", "docs/empty.txt"}

    def test_invariant_2_upsert_view_is_bit_equal_on_1_2_3_5_ranks_and_self(self):
        known, documents, answers = self.corpus(), self.documents(), {}
        for ranks in RANKS:
            self.batch(self.job("out%d" % ranks), ranks)
            store = Store(self.store("out%d" % ranks))
            store.check_counts(self)
            answers[ranks] = store.answer()
            self.assertGreater(report_of(store.root)["splits"], len(known) + len(documents), "large files are several splits")
        for ranks in RANKS[1:]:
            self.assertTrue(answers[ranks] == answers[0], "the view of %d ranks is another one than that of one process" % ranks)
        self.check_winners(store, known, documents)

    def check_winners(self, store, known, documents):
        """Invariant 3: every key once, with the source fields of its newest version; nothing else is there."""
        naive, paths = naive_upsert(known), store.paths()
        rows = {row["key"].decode(): row for row in store.rows()}
        self.assertEqual(len(rows), len(store.rows()), "no key twice")
        self.assertEqual(set(rows), set(naive) | documents)
        for key, ((when, life, path, offset), rec) in naive.items():
            row = rows[key]
            self.assertEqual((row["event_time"], row["life"], paths[row["partition"]].encode(), row["offset"], row["op"]),
                             (when, life, path, offset, int(rec.get("gone", False))), key)
            self.assertEqual(row["text"].decode(), text_of(rec), key)
        read = sum(len(k) for _, k in known.values())
        broken = sum(rec is None for _, k in known.values() for _, rec in k)
        live = sum(not rec.get("gone") for _, rec in naive.values()) + len(documents)
        deleted = sum(bool(rec.get("gone")) for _, rec in naive.values())
        read += len(documents) + 1  # latin.txt
        self.assertEqual(store.totals(), {"read": read, "live": live, "deleted": deleted, "quarantined": broken + 1, "filtered": 0,
                                          "superseded": read - live - deleted - broken - 1})
        self.assertEqual({(paths[r["partition"]], r["offset"]) for r in store.rejects()},
                         {(path, offset) for path, (_, k) in known.items() for offset, rec in k if rec is None} | {("docs/latin.txt", 0)})
        report = report_of(store.root)
        self.assertTrue(report["balanced"])
        self.assertEqual({name: report["counts"]["totals"][name] for name in store.totals()}, store.totals())

    def test_invariant_2_append_view_has_each_record_once_on_any_ranks(self):
        known, answers = self.corpus(1500), {}
        for ranks in (0, 2, 5):
            job = self.job("out%d" % ranks, dataset={"kind": "append", "key": None, "deleted": None, "order_by": None})
            self.batch(job, ranks)
            store = Store(self.store("out%d" % ranks))
            store.check_counts(self)
            answers[ranks] = store.answer()
        self.assertTrue(answers[2] == answers[0] and answers[5] == answers[0], "another number of ranks, another view")
        paths = store.paths()
        rows = {(paths[row["partition"]], row["offset"]): row for row in store.rows()}
        expected = {(path, offset): rec for path, (_, k) in known.items() for offset, rec in k if rec is not None}
        self.assertEqual(len(rows), len(store.rows()))
        self.assertEqual(set(rows), set(expected))
        for place, rec in expected.items():
            self.assertEqual(rows[place]["text"].decode(), text_of(rec), place)
            self.assertEqual(rows[place]["event_time"], time_us(rec.get("at")), place)

    def test_view_is_the_same_whatever_the_size_of_splits(self):
        self.corpus(900)
        answers = []
        for split in ("4 KiB", "100 KiB", "64 MiB"):
            store = self.store("out%s" % split[:2].strip())
            self.batch(self.job("out%s" % split[:2].strip(), batch={"split": split}), 2)
            answers.append(Store(store).answer())
        self.assertTrue(answers[0] == answers[1] == answers[2], "the size of splits shows in the view")

    def test_order_by_position_lets_the_later_path_and_offset_win(self):
        for name in ("b.jsonl", "a.jsonl", "a/z.jsonl", "c.jsonl.gz"):
            content = b"".join(b'{"id":"%d","text":"%s %d"}\n' % (i % 3, name.encode(), i) for i in range(9))
            self.write(name, gz(content) if name.endswith("gz") else content)
        self.batch(self.job(dataset={"order_by": "position", "event_time": None}), 3)
        rows = {row["key"].decode(): row["text"].decode() for row in Store(self.store()).rows()}
        self.assertEqual(rows, {"0": "c.jsonl.gz 6", "1": "c.jsonl.gz 7", "2": "c.jsonl.gz 8"})

    def test_keys_are_canonical_and_missing_ones_are_quarantined(self):
        self.write("k.jsonl", '{"id":7,"text":"number"}\n{"id":"7","at":1700000000,"text":"text"}\n{"id":1.50,"text":"as written"}\n{"id":true,"text":"bool"}\n'
                              '{"id":null,"text":"null"}\n{"id":{"a":1},"text":"object"}\n{"text":"none"}\n{"id":"","text":"empty"}\n[1]\n')
        self.batch(self.job(dataset={"key": "/id"}, quarantine={"max": 0.6}), 1)
        store = Store(self.store())
        self.assertEqual({row["key"].decode(): row["text"].decode() for row in store.rows()}, {"7": "text", "1.50": "as written", "true": "bool"})
        self.assertEqual(store.totals(), {"read": 9, "live": 3, "superseded": 1, "deleted": 0, "quarantined": 5, "filtered": 0})

    def test_record_without_text_is_live_and_its_answers_are_empty(self):
        self.write("n.jsonl", '{"id":"a"}\n{"id":"b","text":""}\n{"id":"c","text":"Error: the server is down, unreachable, another timeout."}\n')
        self.batch(self.job(), 1)
        rows = {row["key"].decode(): row for row in Store(self.store()).rows()}
        self.assertEqual([rows[k]["flags"] & 2 for k in "abc"], [2, 2, 0])
        self.assertEqual([rows[k]["category"] for k in "abc"], [b"", b"", b"outage"])

    def test_event_times_beyond_the_allowed_skew_are_quarantined(self):
        self.write("t.jsonl", '{"id":"a","at":"2999-01-01T00:00:00Z","text":"x"}\n{"id":"b","at":"2020-01-01T00:00:00Z","text":"x"}\n{"id":"c","at":"soon","text":"x"}\n')
        self.batch(self.job(quarantine={"max": 1}), 1)
        store = Store(self.store())
        self.assertEqual([row["key"] for row in store.rows()], [b"b"])
        self.assertEqual(len(store.rejects()), 2)

    def test_one_packed_file_of_many_pieces(self):
        content, known = jsonl(self.random, records(self.random, 20000, 30000, deletes=0))
        self.write("big.jsonl.zst", zst(content))
        self.assertGreater(len(content), 2 * MIB)
        self.batch(self.job("a", batch={"split": "1 MiB", "memory": "64 MiB"}, limits={"document": "1 MiB"}), 3)
        self.batch(self.job("b", limits={"document": "1 MiB"}), 0)
        self.assertTrue(Store(self.store("a")).answer() == Store(self.store("b")).answer())
        self.assertEqual(len(Store(self.store("a")).rows()), len({rec["id"] for _, rec in known}))

    def test_a_document_may_be_larger_than_a_line(self):
        text = "Invoice 7 was charged twice. " * 100000
        for name, content in {"large.txt": text, "large.md": "# Title\n\n" + text, "large.json": json.dumps({"id": "json", "text": text}), "larger.txt": 2 * text,
                              "lines.jsonl": json.dumps({"id": "line", "text": text}) + "\n" + json.dumps({"id": "short", "text": "Hello."})}.items():
            self.write(name, content)
        self.batch(self.job(dataset={"order_by": None}, limits={"document": "4 MiB"}, quarantine={"max": 0.5}), 0)
        store = Store(self.store())
        rows = {row["key"]: row for row in store.rows()}
        self.assertEqual(set(rows), {b"large.txt", b"large.md", b"json", b"short"})
        self.assertEqual(len(rows[b"large.txt"]["text"]), len(text))
        self.assertEqual(sorted(reject["reason"] for reject in store.rejects()),
                         [b"larger.txt at byte 0: a document of more than 4194304 bytes", b"lines.jsonl at byte 0: a record of more than 1048576 bytes"])


class Bounded(BatchCase):
    def test_invariant_10_memory_of_many_small_files_stays_below_what_the_job_allows(self):
        for i in range(12000):
            self.write("%05d.txt" % i, "Document %d says that invoice %d was charged twice.\n" % (i, i))
        job = self.job(tasks={"language": {}}, dataset={"key": None, "deleted": None, "order_by": None}, batch={"memory": "64 MiB", "workers": 2},
                       limits={"document": "1 MiB", "record": "1 MiB"})
        process = self.start(job, 0)
        peak = peak_of(process)
        code, out = self.finish(process)
        self.assertEqual(code, 0, out)
        self.assertEqual(len(Store(self.store()).rows()), 12000)
        self.assertLess(peak, 48 << 10, "KiB at most at once")


if __name__ == "__main__":
    main("__main__", sys.argv[1], sys.argv[2:])
