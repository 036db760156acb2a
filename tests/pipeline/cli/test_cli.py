#!/usr/bin/env python3
"""The real binary: help, job files good and bad, the schema, and what launch does to ranks, signals and exit codes.

    test_cli.py LAMINA SOURCE_FOLDER [TEST…]
"""
import copy
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

LAMINA, SOURCE = sys.argv[1], sys.argv[2]
LIMIT = 120  # seconds that nothing here takes: a hang fails instead of waiting

JOB = {
    "name": "t", "store": "/nowhere/t", "dataset": {"kind": "upsert", "key": ["/id", "$path"], "text": "/text"},
    "sources": [{"type": "files", "path": "data/**"}],
    "stream": {"brokers": "local", "topic": "in", "kafka": {}, "analyze_when": {"field": "/p", "eq": 1}},
    "tasks": {"classify": {"labels": {"a": "x", "b": "y"}}, "entities": {}}, "batch": {"every": {"records": 10}},
}
JOB["dataset"]["order_by"] = "position"


def clean_environment():
    """Not that of a rank or a Slurm job, which would change what launch does."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("PMI", "OMPI_COMM", "SLURM_", "PRTE"))}


def lamina(*words, env=None, **more):
    return subprocess.run([LAMINA, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT,
                          env={**clean_environment(), **(env or {})}, **more)


def changed(pointer, value):
    """JOB with one field set, or taken away where value is None."""
    job = copy.deepcopy(JOB)
    names = pointer.split("/")[1:]
    at = job
    for name in names[:-1]:
        at = at[int(name)] if isinstance(at, list) else at.setdefault(name, {})
    if value is None:
        del at[names[-1]]
    else:
        at[names[-1]] = value
    return job


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="lamina_cli_")
        self.addCleanup(shutil.rmtree, self.folder)

    def write(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(content if isinstance(content, str) else json.dumps(content))
        return path


class Help(Case):
    def verbs(self):
        return re.findall(r"^  ([a-z]+) ", lamina("--help").stdout, re.M)

    def test_every_verb_has_help(self):
        self.assertIn("job", self.verbs())
        self.assertIn("launch", self.verbs())
        for verb in self.verbs():
            with self.subTest(verb):
                told = lamina(verb, "--help")
                self.assertEqual((told.returncode, told.stderr), (0, ""))
                self.assertTrue(told.stdout.startswith(f"lamina {verb}: "))
                self.assertIn(f"usage: lamina {verb} ", told.stdout)
                self.assertIn(f"lamina {verb} ", told.stdout.split("usage:")[1].split("\n", 1)[1], "there is no example")
                self.assertIn("--json", told.stdout)
                self.assertLessEqual(max(map(len, told.stdout.split("\n"))), 130)
                self.assertEqual(lamina("help", verb).stdout, told.stdout)

    def test_version(self):
        self.assertRegex(lamina("--version").stdout, r"^lamina \d+\.\d+\.\d+\n$")

    def test_what_is_not_known_names_the_nearest(self):
        for words, text in ((["jbo"], 'lamina: unknown verb "jbo"; did you mean "job"?'),
                            (["job", "--jsn", "schema"], "lamina job: unknown option --jsn; did you mean --json?"),
                            (["job", "chekc"], 'lamina job: expected check, schema or init; found "chekc"'),
                            (["job"], "lamina job: expected check|schema|init [FILE]"),
                            (["job", "check", "a", "b"], 'lamina job: unexpected argument "b"'),
                            (["launch", "-n"], "lamina launch: --ranks needs a value: N"),
                            (["launch", "-n", "x", "batch", "j"], 'lamina launch: --ranks: expected a whole number from 1 to 1000000; found "x"')):
            told = lamina(*words)
            self.assertEqual((told.returncode, told.stdout), (2, ""))
            self.assertTrue(told.stderr.startswith(text + "\n"), told.stderr)
            self.assertIn("--help` tells how it is used.", told.stderr)
        self.assertEqual(lamina().returncode, 2)

    def test_a_result_that_cannot_be_written_is_a_failure(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            told = subprocess.run([LAMINA, "job", "schema"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=LIMIT)
        self.assertEqual(told.returncode, 1)
        self.assertIn("No space left on device", told.stderr)


class Jobs(Case):
    def test_a_good_job(self):
        told = lamina("job", "check", self.write("j.json", JOB))
        self.assertEqual((told.returncode, told.stderr), (0, ""))
        self.assertIn(f"{self.folder}/j.json is good\n", told.stdout)
        answer = json.loads(lamina("job", "check", "--json", self.write("j.json", JOB)).stdout)
        self.assertEqual((answer["ok"], answer["problems"]), (True, []))
        self.assertEqual(answer["identity"]["sources"]["stream:in"], {"key": ["/id", "$path"]})
        self.assertEqual(answer["job"]["batch"]["split"], 8 << 20)

    def test_mistakes_are_told_with_file_place_and_expectation(self):
        path = self.write("j.json", {**JOB, "store": 5, "stor": "x", "roles": {"sped": 1}, "serve": {"listen": "0.0.0.0:1"}})
        told = lamina("job", "check", path, "--set", "batch.workers=many")
        self.assertEqual((told.returncode, told.stdout), (2, ""))
        self.assertEqual(told.stderr.splitlines(), [
            f'{path}: /stor: unknown field; did you mean "store"?',
            f"{path}: /store: expected an object or a string; found 5",
            f'{path}: /roles/sped: unknown field; did you mean "speed"?',
            f'{path}: /batch/workers: expected an integer from 0 to 1024; found "many" (from --set batch.workers=many)'])
        answer = json.loads(lamina("job", "check", "--json", path).stdout)
        self.assertEqual((answer["ok"], answer["count"], answer["problems"][0]["pointer"]), (False, 3, "/stor"))

    def test_what_is_no_json_is_told_by_line(self):
        path = self.write("j.json", '{"name": "a",\n  "name": "b"}')
        told = lamina("job", "check", path)
        self.assertEqual(told.returncode, 2)
        self.assertEqual(told.stderr, f"{path}: line 2, column 8: duplicate object key near '\"name\"'\n")

    def test_a_job_file_that_is_not_there(self):
        told = lamina("job", "check", f"{self.folder}/gone.json")
        self.assertEqual(told.returncode, 2)
        self.assertEqual(told.stderr, f"lamina job: job file: {self.folder}/gone.json: no such file\n")
        self.assertEqual(json.loads(lamina("job", "check", "--json", f"{self.folder}/gone.json").stdout)["error"]["code"], "not_found")

    def test_a_folder_is_no_job_file(self):
        for verb in ("batch", "run", "speed", "serve", "eval", "cache stat", "job check"):
            told = lamina(*verb.split(), self.folder)
            self.assertEqual(told.returncode, 2, verb)
            self.assertEqual(told.stderr, f"lamina {verb.split()[0]}: job file: {self.folder} is a folder\n")

    def test_init_writes_a_good_job_and_never_replaces_one(self):
        told = lamina("job", "init", "my-tickets.json", cwd=self.folder)
        self.assertEqual((told.returncode, told.stderr), (0, ""))
        self.assertEqual(lamina("job", "check", "my-tickets.json", cwd=self.folder).returncode, 0)
        with open(f"{self.folder}/my-tickets.json", encoding="utf-8") as file:
            self.assertEqual(json.load(file)["name"], "my-tickets")
        self.write("my-tickets.json", "mine")
        told = lamina("job", "init", "my-tickets.json", cwd=self.folder)
        self.assertEqual(told.returncode, 1)
        self.assertEqual(told.stderr, "lamina job: my-tickets.json exists already, and is left as it is\n")
        with open(f"{self.folder}/my-tickets.json", encoding="utf-8") as file:
            self.assertEqual(file.read(), "mine")

    def test_the_jobs_of_the_repository_are_good(self):
        for path in glob.glob(f"{SOURCE}/jobs/*.json"):
            told = lamina("job", "check", path)
            self.assertEqual((told.returncode, told.stderr), (0, ""), path)


class Stores(Case):
    """What every verb that looks at a store says of a path that leads to none."""
    VERBS = ("store check", "store ls", "store show", "status", "stop", "query", "export")

    def test_a_path_that_leads_to_no_store_is_bad_usage(self):
        file = self.write("file", "x")
        for path in (f"{self.folder}/gone", self.folder, file, f"{file}/below", ""):
            for verb in self.VERBS:
                with self.subTest(verb=verb, path=path):
                    told = lamina(*verb.split(), path)
                    self.assertEqual((told.returncode, told.stdout), (2, ""))
                    self.assertIn(f"{path} is no store: it has no folder log/\n", told.stderr)
                    answer = json.loads(lamina(*verb.split(), "--json", path).stdout)
                    self.assertEqual(answer["error"]["code"], "usage")

    def test_a_path_that_is_too_long_is_bad_usage(self):
        for verb in self.VERBS:
            self.assertEqual(lamina(*verb.split(), "x" * 5000).returncode, 2, verb)

    def test_what_cannot_be_looked_at_is_a_failure(self):
        os.symlink("loop", f"{self.folder}/loop")
        for verb in self.VERBS:
            told = lamina(*verb.split(), f"{self.folder}/loop")
            self.assertEqual((told.returncode, told.stdout), (1, ""), verb)
            self.assertIn(f"{self.folder}/loop/log: Too many levels of symbolic links", told.stderr)


class Schema(Case):
    GOOD = [("/batch/split", "8 MiB"), ("/batch/split", 65536), ("/commit_interval", "500 ms"), ("/commit_interval", 0.5), ("/store", {"path": "x", "grace": 5}),
            ("/dataset/key", "$key"), ("/dataset/order_by", "/a~1b"), ("/sources/0/csv", {"delimiter": ";", "header": "no"}), ("/sources/0/bronze", "copy"),
            ("/stream/kafka", {"a": 1, "b": "x", "c": True, "sasl.password": {"env": "PW"}}), ("/stream/analyze_when", {"not": {"all": [{"field": "$text", "longer": 5}]}}),
            ("/stream/analyze_when", {"field": "/a", "ge": 1, "lt": 2}), ("/stream/replay", "events.jsonl"), ("/stream/roll", {"seconds": "1 s", "bytes": "1 MiB"}),
            ("/tasks", {}), ("/serve", {"listen": "[::1]:0", "token_env": "T"}), ("/quarantine/max", 0.5), ("/$schema", "x"), ("/roles/serve", 0)]
    BAD = [("/name", None), ("/name", "a b"), ("/name", 5), ("/store", 5), ("/store", {}), ("/unknown", 1), ("/batch/split", "8 MX"), ("/batch/split", 1),
           ("/batch/split", 1.5), ("/commit_interval", -1), ("/dataset/kind", "table"), ("/dataset/key", "id"), ("/dataset/key", []), ("/dataset/order_by", "time"),
           ("/sources", {}), ("/sources/0/type", "file"), ("/sources/0/path", ""), ("/sources/0/path", None), ("/sources/0/csv/delimiter", "ab"),
           ("/stream/topic", "a b"), ("/stream/route", "{cat}"), ("/stream/kafka", {"a": [1]}), ("/stream/kafka", {"a": {"environment": "X"}}),
           ("/stream/analyze_when", {}), ("/stream/analyze_when", {"any": []}), ("/stream/analyze_when", {"field": "/a"}),
           ("/stream/analyze_when", {"field": "a", "eq": 1}), ("/stream/analyze_when", {"field": "/a", "eq": []}),
           ("/stream/analyze_when", {"any": [{"field": "/a", "eq": 1}], "field": "/b"}), ("/tasks/classify", {"labels": {"one": "x"}}),
           ("/tasks/classify", {}), ("/tasks/entities", True), ("/tasks/embed", {"dim": 1}), ("/serve/listen", "8080"), ("/serve/token_env", "a-b"),
           ("/serve/keep", 1), ("/quarantine/max", 2), ("/roles/serve", 2), ("/deep/analyzer", "magic"), ("/limits/depth", 0)]

    def test_schema_and_check_agree(self):
        try:
            import jsonschema
        except ImportError:
            self.skipTest("python3-jsonschema is not installed")
        told = lamina("job", "schema")
        self.assertEqual((told.returncode, told.stderr), (0, ""))
        schema = json.loads(told.stdout)
        validator = getattr(jsonschema, "Draft202012Validator", None)
        if validator is None:
            self.skipTest("this jsonschema does not know draft 2020-12")
        validator.check_schema(schema)
        for good, cases in ((True, self.GOOD), (False, self.BAD)):
            for pointer, value in cases:
                with self.subTest(pointer=pointer, value=value):
                    job = changed(pointer, value)
                    told = lamina("job", "check", self.write("j.json", job))
                    self.assertEqual(told.returncode, 0 if good else 2, told.stderr)
                    self.assertEqual(validator(schema).is_valid(job), good)
        self.assertTrue(validator(schema).is_valid(json.loads(lamina("job", "check", "--json", self.write("j.json", JOB)).stdout)["job"]))

    def test_every_field_is_described(self):
        def walk(schema, where):
            for name, field in schema.get("properties", {}).items():
                if not where.startswith("/$defs"):
                    self.assertTrue(field.get("description", "").endswith("."), f"{where}/{name}")
                walk(field, f"{where}/{name}")
                for one in field.get("anyOf", []):
                    walk(one, f"{where}/{name}")
                walk(field.get("items", {}), f"{where}/{name}/0")

        walk(json.loads(lamina("job", "schema").stdout), "")


@unittest.skipUnless(shutil.which("mpirun"), "there is no mpirun")
class Launch(Case):
    def launch(self, script, *words):
        return lamina("launch", "-n", "3", "--program", "sh", "--", self.write("rank.sh", script), *words)

    def start(self, script):
        return subprocess.Popen([LAMINA, "launch", "-n", "3", "--program", "sh", "--", self.write("rank.sh", script)], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_environment())

    def left_behind(self):
        """Processes that name this test's folder on their command lines: ranks of its jobs."""
        left = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    words = file.read()
            except OSError:
                continue
            if self.folder.encode() in words:
                left.append((pid, words))
        return left

    def tearDown(self):
        left = self.left_behind()
        for pid, _ in left:
            os.kill(int(pid), signal.SIGKILL)
        self.assertEqual(left, [], "ranks outlive their job")

    def test_the_exit_code_of_rank_0_is_the_jobs_and_no_alarm_is_raised(self):
        for code in (0, 1, 3, 75):
            # rank 0 ends last, as in a job: mpirun kills whoever is left
            told = self.launch(f"""echo out; echo err >&2; : >"$1/$OMPI_COMM_WORLD_RANK.{code}"
[ "$OMPI_COMM_WORLD_RANK" = 0 ] || exit 0
until [ -e "$1/1.{code}" ] && [ -e "$1/2.{code}" ]; do sleep 0.05; done; exit {code}""", self.folder)
            self.assertEqual((told.returncode, told.stdout, told.stderr), (code, "out\n" * 3, "err\n" * 3))

    def test_what_ranks_say_passes_unchanged(self):
        rule = "-" * 74
        script = f'[ "$OMPI_COMM_WORLD_RANK" = 0 ] || exit 0\nprintf "%s\\n" "{rule}" "mine" "{rule}" "---" "mpirun is mine" >&2; printf "no end" >&2; exit 3'
        told = self.launch(script)
        self.assertEqual((told.returncode, told.stderr), (3, f"{rule}\nmine\n{rule}\n---\nmpirun is mine\nno end"))

    def test_a_line_without_an_end_takes_nothing_along(self):
        job = self.start(self.STOPS.replace("echo clean", "printf '[progress' >&2; echo clean"))
        for _ in range(3):
            job.stdout.readline()
        job.send_signal(signal.SIGTERM)
        self.assertEqual(job.communicate(timeout=LIMIT)[1].replace("User defined signal 1\n", ""), "[progress" * 3)

    def test_a_killed_rank_is_a_failure_with_its_signal(self):
        told = self.launch('[ "$OMPI_COMM_WORLD_RANK" != 1 ] || kill -9 $$; exit 0')
        self.assertEqual(told.returncode, 1)
        self.assertIn("ended by signal 9 (Killed)", told.stderr)

    def test_ranks_have_an_empty_standard_input(self):
        told = self.launch("read line && exit 1; exit 0")
        self.assertEqual(told.returncode, 0)

    STOPS = """stop=
trap 'stop=1' USR1
echo ready $OMPI_COMM_WORLD_RANK
while [ -z "$stop" ]; do sleep 0.05; done 2>/dev/null
echo clean $OMPI_COMM_WORLD_RANK
[ "$OMPI_COMM_WORLD_RANK" = 0 ] || { : >"$0.$OMPI_COMM_WORLD_RANK"; exit 0; }
# rank 0 ends last, as in a job: mpirun kills whoever is left and drops what it has not passed on yet
for i in $(seq 100); do [ -e "$0.1" ] && [ -e "$0.2" ] && break; sleep 0.05; done
sleep 0.3
rm -f "$0.1" "$0.2"
exit 75
"""

    def test_signals_ask_every_rank_to_stop_cleanly(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            with self.subTest(number):
                job = self.start(self.STOPS)
                for _ in range(3):
                    self.assertTrue(job.stdout.readline().startswith("ready"))
                job.send_signal(number)
                out, err = job.communicate(timeout=LIMIT)
                self.assertEqual((job.returncode, sorted(out.split("\n"))), (75, ["", "clean 0", "clean 1", "clean 2"]))
                self.assertNotIn("Forwarding", err)
                self.assertNotIn("-----", err)

    def test_a_signal_before_the_ranks_are_there_reaches_them_all_the_same(self):
        for _ in range(3):
            job = self.start(self.STOPS)
            job.send_signal(signal.SIGTERM)
            try:
                out, _ = job.communicate(timeout=LIMIT)
            finally:
                job.kill()
            if job.returncode != -signal.SIGTERM:  # else it came before main
                self.assertEqual((job.returncode, out.count("clean")), (75, 3))

    def test_a_second_signal_kills_ranks_that_do_not_listen(self):
        job = self.start("trap '' USR1 TERM\ntrap 'echo asked' USR1\necho ready\nwhile :; do sleep 0.05; done 2>/dev/null")
        for _ in range(3):
            self.assertEqual(job.stdout.readline(), "ready\n")
        job.send_signal(signal.SIGTERM)
        for _ in range(3):
            self.assertEqual(job.stdout.readline(), "asked\n")
        for _ in range(LIMIT):  # two in the same instant count as one
            job.send_signal(signal.SIGTERM)
            try:
                job.communicate(timeout=1)
                break
            except subprocess.TimeoutExpired:
                pass
        self.assertEqual(job.returncode, 75)

    DEAF = "trap '' USR1 TERM HUP INT\nsleep 1000 &\necho $PPID\nwhile :; do sleep 0.05; done 2>/dev/null"

    def test_the_ranks_die_when_the_launcher_is_killed(self):
        """mpirun gives each rank a process group of its own, and takes none along when it dies."""
        job = self.start(self.DEAF)
        mpirun = {int(job.stdout.readline()) for _ in range(3)}
        self.assertEqual(len(mpirun), 1)
        self.assertGreaterEqual(len(self.left_behind()), 5)  # launch, mpirun, three ranks; a child of a rank looks like it until it has become its `sleep`
        os.kill(mpirun.pop(), signal.SIGKILL)
        _, err = job.communicate(timeout=LIMIT)
        self.assertEqual(job.returncode, 1)
        self.assertIn("ended by signal 9 (Killed)", err)

    def test_three_signals_in_a_row_leave_nothing(self):
        """The third kills the launcher before it has killed its ranks."""
        job = self.start(self.DEAF)
        for _ in range(3):
            job.stdout.readline()
        for _ in range(3):
            job.send_signal(signal.SIGTERM)
            time.sleep(0.6)  # two within half a second count as one
        job.communicate(timeout=LIMIT)
        self.assertEqual(job.returncode, 75)

    def test_the_ranks_die_with_launch(self):
        job = self.start("echo $$\nwhile :; do sleep 0.05; done 2>/dev/null")
        ranks = [int(job.stdout.readline()) for _ in range(3)]
        job.kill()
        job.stdout.read()  # ends when the last rank has closed it
        job.communicate(timeout=LIMIT)
        for rank in ranks:
            self.assertFalse(os.path.exists(f"/proc/{rank}/cwd"), rank)

    def test_what_cannot_start_is_told(self):
        told = lamina("launch", "-n", "2", "--with", f"{self.folder}/mpirun", "--program", "true", "x")
        self.assertEqual(told.returncode, 1)
        self.assertIn("to start ranks with. On Debian: apt-get install openmpi-bin", told.stderr)
        told = lamina("launch", "-n", "2", "--program", f"{self.folder}/gone", "x")
        self.assertEqual(told.returncode, 1)
        self.assertIn("gone", told.stderr)

    def test_only_verbs_that_share_ranks_are_started(self):
        told = lamina("launch", "-n", "2", "job", "schema")
        self.assertEqual((told.returncode, told.stderr.split("\n")[0]), (2, "lamina launch: job needs no ranks: start it without launch"))
        told = lamina("launch", "-n", "2", "jbo")
        self.assertEqual((told.returncode, told.stderr.split("\n")[0]), (2, 'lamina launch: unknown verb "jbo"'))
        told = lamina("launch", "batch", "j")
        self.assertEqual((told.returncode, told.stderr.split("\n")[0]), (2, "lamina launch: how many ranks? -n N (in a Slurm job its tasks are the default)"))
        told = lamina("launch", "-n", "2", "batch", "j", env={"PMIX_RANK": "0"})
        self.assertEqual(told.returncode, 2)
        self.assertIn("itself a rank", told.stderr)

    def test_the_command_has_the_options_that_defaults_get_wrong(self):
        told = lamina("launch", "-n", "5", "--dry-run", "--option", "--hostfile=h", "--program", "p", "a b", "--json", "-n")
        self.assertEqual(told.returncode, 0)
        self.assertRegex(told.stdout, r"(^|/| )mpirun -n 5 --oversubscribe --bind-to none (.* )?--hostfile=h p 'a b' --json -n\n$")
        if os.geteuid() == 0:
            self.assertIn("OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 ", told.stdout)
        self.assertNotIn("OMPI_MCA_pml", told.stdout, "other hosts may have a fast network")
        told = lamina("launch", "-n", "5", "--dry-run", "--program", "p")
        self.assertRegex(told.stdout, r"(^| )OMPI_MCA_pml=ob1 .*mpirun -n 5 ", "one host has none to look for")


class Slurm(Case):
    """A srun that only says what it was asked: a real one is not needed to see that it is asked for the right thing."""

    def setUp(self):
        super().setUp()
        with open(f"{self.folder}/srun", "w", encoding="utf-8") as file:
            file.write('#!/bin/sh\necho "srun $*"\nexit 75\n')
        os.chmod(f"{self.folder}/srun", 0o755)
        self.path = f"{self.folder}:{os.environ['PATH']}"

    def test_several_tasks_are_started_by_srun(self):
        told = lamina("launch", "--program", "p", "a", env={"PATH": self.path, "SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_CPUS_PER_TASK": "2"})
        self.assertEqual((told.returncode, told.stdout), (75, "srun -n 4 --mpi=pmix --kill-on-bad-exit=1 --cpu-bind=none --cpus-per-task=2 p a\n"))

    @unittest.skipUnless(shutil.which("mpirun"), "there is no mpirun")
    def test_one_task_on_one_node_is_started_by_mpirun(self):
        for env in ({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "1", "SLURM_JOB_NUM_NODES": "1"}, {"SLURM_NTASKS": "4"}):
            told = lamina("launch", "-n", "2", "--dry-run", "--program", "p", "a", env={"PATH": self.path, **env})
            self.assertIn("mpirun -n 2 ", told.stdout)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
