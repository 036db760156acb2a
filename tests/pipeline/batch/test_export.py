#!/usr/bin/env python3
"""lamina export: where its lines go.

    test_export.py LAMINA [TEST…]
"""
import json
import os
import stat
import subprocess
import sys
import tempfile
import threading

from support import BatchCase, clean_environment, main

COUNT = 40


class Output(BatchCase):
    def setUp(self):
        super().setUp()
        self.write("a.jsonl", "".join(json.dumps({"id": "k%02d" % i, "text": "Invoice %d." % i}) + "\n" for i in range(COUNT)))
        self.batch(self.job(tasks={"language": {}}, dataset={"order_by": None}))
        self.targets = tempfile.TemporaryDirectory(prefix="lamina_export_")
        self.addCleanup(self.targets.cleanup)

    def path(self, name):
        return os.path.join(self.targets.name, name)

    def export(self, target, expect=0):
        done = subprocess.run([self.lamina, "export", self.store(), "--sort", "-o", target], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                              env=clean_environment())
        self.assertEqual(done.returncode, expect, done.stderr)
        return done.stderr

    def check(self, text):
        self.assertEqual([json.loads(line)["key"] for line in text.splitlines()], ["k%02d" % i for i in range(COUNT)])

    def read(self, name):
        with open(self.path(name)) as file:
            return file.read()

    def test_a_file_is_replaced_as_a_whole(self):
        with open(self.path("out"), "w") as file:
            file.write("before")
        self.export(self.path("out"))
        self.check(self.read("out"))
        self.assertEqual(os.listdir(self.targets.name), ["out"])

    def test_a_symbolic_link_stays_one(self):
        os.mkdir(self.path("deep"))
        os.symlink(self.path("deep/out"), self.path("link"))
        self.assertIn("a symbolic link that leads nowhere", self.export(self.path("link"), expect=1))
        self.assertTrue(os.path.islink(self.path("link")))
        with open(self.path("deep/out"), "w") as file:
            file.write("before")
        os.symlink("deep/out", self.path("other"))
        self.export(self.path("other"))
        self.assertTrue(os.path.islink(self.path("other")))
        self.check(self.read("deep/out"))

    def test_a_pipe_is_written_to_and_stays(self):
        os.mkfifo(self.path("pipe"))
        got = []
        reader = threading.Thread(target=lambda: got.append(self.read("pipe")), daemon=True)
        reader.start()
        self.export(self.path("pipe"))
        reader.join(60)
        self.check(got[0])
        self.assertTrue(stat.S_ISFIFO(os.stat(self.path("pipe")).st_mode))

    def test_a_device_stays_one_and_a_full_one_is_told(self):
        try:
            os.mknod(self.path("full"), stat.S_IFCHR | 0o666, os.makedev(1, 7))  # not the machine's own: a test that fails must not cost it
        except PermissionError:
            self.skipTest("only root makes devices")
        self.assertIn("No space left on device", self.export(self.path("full"), expect=1))
        self.assertTrue(stat.S_ISCHR(os.stat(self.path("full")).st_mode))

    def test_a_folder_is_refused(self):
        self.assertIn("Is a directory", self.export(self.targets.name, expect=1))


if __name__ == "__main__":
    main("__main__", sys.argv[1], sys.argv[2:])
