#!/usr/bin/env python3
"""The batch layer as a whole: speed-up by ranks and by workers, memory, the first record, an idle rank. Python's standard library alone.

    bench_batch.py LAMINA [--only speedup,memory,first,idle] [--docs 240000] [--rounds 3] [--many 1000000] [--folder /tmp] [--memory-folder /dev/shm]

Every figure is a ratio or a difference within one run of this program; variants take turns, and the load of the machine stands beside them: with
others on the cores a speed-up is theirs as much as ours.
"""
import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

LIMIT = 900  # seconds that no run here takes
WORDS = ("the service invoice was charged twice and our password does not work since update please refund account server error timeout customer great support "
         "slow payment login again version missing feature report yesterday happy broken answer team").split()
LABELS = {"billing": "invoice, charged, refund, payment, card, price, bill", "outage": "service down, outage, error, timeout, unreachable, slow, server",
          "account": "log in, password, account, user, owner, profile, locked", "bug": "bug, crash, wrong, broken, fails since the update, missing, twice"}
ALL_TASKS = {"classify": {"labels": LABELS}, "entities": {}, "summarize": {"sentences": 2}, "sentiment": {}, "keywords": {}, "language": {}, "embed": {}}


def prose(rng, size):
    parts, used = [], 0
    while used < size:
        sentence = " ".join(rng.choices(WORDS, k=12))
        if rng.random() < 0.2:
            sentence += " on 2026-%02d-%02d for $%d.50" % (rng.randint(1, 12), rng.randint(1, 28), rng.randint(1, 999))
        parts.append(sentence.capitalize() + ".")
        used += len(sentence) + 2
    return " ".join(parts)[:size]


def corpus(path, count, size, repeated=0.0):
    """count JSON lines; a share of them has a key that another line has too."""
    rng = random.Random(1)
    texts = [prose(rng, size) for _ in range(min(2000, count))]
    keys = max(1, int(count * (1 - repeated)))
    with open(path, "w") as file:
        for i in range(count):
            key = i if i < keys else rng.randrange(keys)
            file.write('{"id":"doc-%d","revision":%d,"text":"%s"}\n' % (key, i, texts[i % len(texts)]))


def job_file(folder, name, path, tasks, **batch):
    job = {"name": name, "store": os.path.join(folder, "store-" + name), "dataset": {"kind": "upsert", "key": ["/id"], "text": ["/text"]},
           "sources": [{"name": "docs", "type": "files", "path": path}], "tasks": tasks, "serve": {"listen": "127.0.0.1:0"}, "batch": batch}
    file = os.path.join(folder, name + ".json")
    with open(file, "w") as out:
        json.dump(job, out)
    return file, job["store"]


def status_kib(pid):
    """RssAnon + RssShmem."""
    total = 0
    with open("/proc/%d/status" % pid) as file:
        for line in file:
            if line.startswith(("RssAnon:", "RssShmem:")):
                total += int(line.split()[1])
    return total


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid) as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children(pid):
    """All processes below pid."""
    found, queue = [], [pid]
    while queue:
        parent = queue.pop()
        try:
            for task in os.listdir("/proc/%d/task" % parent):
                with open("/proc/%d/task/%s/children" % (parent, task)) as file:
                    below = [int(child) for child in file.read().split()]
                found += below
                queue += below
        except OSError:
            pass
    return found


def run(command, store, watch=None):
    """Wall seconds of a run on an empty store."""
    shutil.rmtree(store, ignore_errors=True)
    os.sync()
    before = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    sampler = threading.Thread(target=watch, args=(child,)) if watch else None
    if sampler:
        sampler.start()
    try:
        output = child.communicate(timeout=LIMIT)[0].decode()
    except subprocess.TimeoutExpired:
        child.kill()
        raise
    seconds = time.monotonic() - before
    if sampler:
        sampler.join()
    if child.returncode:
        sys.exit("%s: code %d\n%s" % (" ".join(command), child.returncode, output))
    return seconds


def idle_share(before, after):
    """Share of the machine's time that nobody used, between two readings of /proc/stat."""
    spent = [b - a for a, b in zip(before, after)]
    return (spent[3] + spent[4]) / max(1, sum(spent[:8]))


def machine_times():
    with open("/proc/stat") as file:
        return [int(x) for x in file.readline().split()[1:]]


def warm():
    """Touches all free memory once: what a virtual machine has never used it gets from its host page by page, at a fifth of the speed of the second time,
    and whichever variant comes first would pay."""
    with open("/proc/meminfo") as file:
        free = int(next(line for line in file if line.startswith("MemFree:")).split()[1]) // 2**20 - 1
    free = min(free, 32)  # more than a run here takes
    if free > 0:
        subprocess.run([sys.executable, "-c", "kept = [b'\\1' * 2**30 for _ in range(%d)]" % free], check=True, timeout=LIMIT)


def result(name, text):
    print("RESULT %s %s" % (name, text), flush=True)


def only_core(number):
    """For a command's start: all of its threads on one core."""
    return lambda: os.sched_setaffinity(0, {number})


def together(runs):
    """Wall seconds of several runs at once, from the first start to the last end: (command, store, start) of each, whose store was primed."""
    for _, store, _ in runs:
        shutil.rmtree(store, ignore_errors=True)
        shutil.copytree(store + "-primed", store)
    os.sync()
    before = time.monotonic()
    begun = [subprocess.Popen(command, stdout=subprocess.DEVNULL, preexec_fn=start) for command, _, start in runs]
    try:
        codes = [child.wait(timeout=LIMIT) for child in begun]
    finally:
        for child in begun:
            if child.poll() is None:
                child.kill()
    seconds = time.monotonic() - before
    if any(codes):
        sys.exit("%s: codes %s" % (" ".join(runs[0][0]), codes))
    return seconds


def prime(args, folder, name, documents="speedup.jsonl", **batch):
    """A job over a folder with a few documents, and a store that has their view and the model that they taught: what every round starts from."""
    data, few = os.path.join(folder, "data-" + name), 500
    os.makedirs(data)
    corpus(os.path.join(data, "few.jsonl"), few, 2048)
    job, store = job_file(folder, name, data, ALL_TASKS, **batch)
    run([args.lamina, "batch", "--quiet", job], store)
    shutil.copytree(store, store + "-primed")
    os.link(os.path.join(folder, documents), os.path.join(data, documents))
    return job, store


def bench_speedup(args, folder):
    """Once with everything on the disk, once in memory: on a disk, what is written in the end is its time, on however many cores."""
    warm()
    speedup_of(args, folder, "")
    stats = os.statvfs(args.memory_folder) if os.path.isdir(args.memory_folder) else None
    if not stats or stats.f_bavail * stats.f_frsize < args.docs * 40000:
        print("no room in %s: not measured without a disk" % args.memory_folder)
        return
    inner = tempfile.mkdtemp(prefix="lamina-bench-", dir=args.memory_folder)
    try:
        speedup_of(args, inner, "_in_memory")
    finally:
        shutil.rmtree(inner, ignore_errors=True)


def speedup_of(args, folder, suffix):
    corpus(os.path.join(folder, "speedup.jsonl"), args.docs, 2048)
    one, store = prime(args, folder, "one", workers=1, split="2 MiB")
    two, store_two = prime(args, folder, "two", workers=2, split="2 MiB")
    corpus(os.path.join(folder, "half.jsonl"), args.docs // 2, 2048)
    halves = [prime(args, folder, name, documents="half.jsonl", workers=1, split="2 MiB") for name in ("left", "right")]
    cores = (sorted(os.sched_getaffinity(0)) * 2)[:2]
    alone = [args.lamina, "batch", "--quiet"]
    variants = {"one": [(alone + [one], store, None)],
                "one on one core": [(alone + [one], store, only_core(cores[0]))],
                "two workers": [(alone + [two], store_two, None)],
                "one, launched": [([args.lamina, "launch", "-n", "1", "batch", "--quiet", one], store, None)],
                "two ranks": [([args.lamina, "launch", "-n", "2", "batch", "--quiet", one], store, None)],
                "two apart": [(alone + [job], where, None) for job, where in halves],
                "two apart on a core each": [(alone + [job], where, only_core(core)) for (job, where), core in zip(halves, cores)]}
    seconds, work = {name: [] for name in variants}, {name: [] for name in variants}
    print("%d documents of 2 KB in %s, all tasks, with a model at hand; %d rounds in turns. one: one rank with one worker, and its storage thread beside it; on one "
          "core: what a launcher that binds gives a rank. two apart: two runs at once that share nothing, with half of the documents each: what the machine can "
          "give two" % (args.docs, folder, args.rounds))
    for i in range(args.rounds):
        for name, runs in variants.items():
            before = machine_times()
            cpu = os.times()
            seconds[name].append(together(runs))
            now = os.times()
            work[name].append(now.children_user + now.children_system - cpu.children_user - cpu.children_system)
            print("  round %d: %-24s %6.2f s wall, %6.2f s CPU; idle %2.0f %% of the machine, load %.1f" % (
                i + 1, name, seconds[name][-1], work[name][-1], 100 * idle_share(before, machine_times()), os.getloadavg()[0]), flush=True)
    for name, base in (("two workers", "one"), ("two ranks", "one"), ("two ranks", "one, launched"), ("two workers", "one on one core"), ("two ranks", "one on one core"),
                       ("two apart", "one"), ("two apart on a core each", "one on one core")):
        ratios = [a / b for a, b in zip(seconds[base], seconds[name])]
        target = "what the machine gives" if "apart" in name else "target >= 1.9"
        result("%s_against_%s%s" % (name.replace(" ", "_"), base.replace(",", "").replace(" ", "_"), suffix),
               "%.2f %s (best of rounds; median %.2f; best time against best time %.2f); %.0f documents/s at best; CPU %.2f s against %.2f s: %.2f were all "
               "of it parallel" % (max(ratios), target, statistics.median(ratios), min(seconds[base]) / min(seconds[name]), args.docs / min(seconds[name]), min(work[name]),
                                   min(work[base]), 2 * min(work[base]) / min(work[name])))


def peak_of(args, folder, count):
    path = os.path.join(folder, "memory-%d.jsonl" % count)
    corpus(path, count, 2048, repeated=0.1)
    # cheap tasks, so that a million ends in time: what is measured is what grows with the number
    job, store = job_file(folder, "memory-%d" % count, path, {"language": {}}, memory=args.memory, workers=1, split="2 MiB")
    with open(job) as file:
        settings = json.load(file)
    settings["limits"] = {"record": "1 MiB", "document": "1 MiB"}  # they may take a quarter of batch.memory
    with open(job, "w") as file:
        json.dump(settings, file)
    samples = []

    def watch(child):
        while child.poll() is None:
            try:
                samples.append(status_kib(child.pid))
            except OSError:
                break
            time.sleep(0.005)

    seconds = run([args.lamina, "batch", "--quiet", job], store, watch)
    shutil.rmtree(store, ignore_errors=True)
    os.unlink(path)
    print("  %8d documents: peak RssAnon + RssShmem %.1f MiB, %.1f s, %.0f documents/s (%d samples)" % (count, max(samples) / 1024, seconds, count / seconds, len(samples)),
          flush=True)
    return max(samples)


def bench_memory(args, folder):
    print("documents of 2 KB, a tenth of the keys repeated, batch.memory %s" % args.memory)
    few, many = peak_of(args, folder, 10000), peak_of(args, folder, args.many)
    result("memory_of_%d_against_10000" % args.many, "%.2f target <= 1.10 (%.1f and %.1f MiB)" % (many / few, many / 1024, few / 1024))


def bench_first(args, folder):
    path = os.path.join(folder, "first.jsonl")
    corpus(path, 1, 2048)
    job, store = job_file(folder, "first", path, ALL_TASKS)
    seconds = [run([args.lamina, "batch", "--quiet", job], store) for _ in range(11)]
    result("first_record", "%.3f s target <= 0.3 s (median of %d; best %.3f, worst %.3f): a batch of one record, from start to end of the process" % (
        statistics.median(seconds), len(seconds), min(seconds), max(seconds)))


def bench_idle(args, folder):
    path = os.path.join(folder, "idle.jsonl")
    corpus(path, 100, 500)
    job, store = job_file(folder, "idle", path, ALL_TASKS)
    with open(job) as file:
        settings = json.load(file)
    settings["roles"] = {"serve": 1, "speed": 1}
    settings["dataset"]["order_by"] = "position"
    settings["stream"] = {"brokers": "local", "topic": "events", "partitions": 2}
    with open(job, "w") as file:
        json.dump(settings, file)
    child = subprocess.Popen([args.lamina, "launch", "-n", "4", "run", "--keep-serving", job], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        time.sleep(args.settle)
        if child.poll() is not None:
            sys.exit("run --keep-serving ended: %s" % child.stdout.read().decode())
        ranks = {}
        for pid in children(child.pid):
            with open("/proc/%d/cmdline" % pid) as file:
                words = file.read().split("\0")
            if os.path.basename(words[0]) == "lamina":
                ranks[pid] = cpu_seconds(pid)
        before = time.monotonic()
        time.sleep(10)
        elapsed = time.monotonic() - before
        shares = sorted(100 * (cpu_seconds(pid) - spent) / elapsed for pid, spent in ranks.items())
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
    if len(shares) != 4:
        sys.exit("%d ranks were found, not 4" % len(shares))
    result("idle_rank", "%.2f %% of a core target < 1 %% (the busiest of 4 over 10 s; all: %s)" % (shares[-1], ", ".join("%.2f" % share for share in shares)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("lamina")
    parser.add_argument("--only", default="first,idle,speedup,memory")
    parser.add_argument("--docs", type=int, default=240000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--many", type=int, default=1000000)
    parser.add_argument("--memory", default="64 MiB")
    parser.add_argument("--settle", type=float, default=8)
    parser.add_argument("--folder", default="/tmp")
    parser.add_argument("--memory-folder", default="/dev/shm")
    args = parser.parse_args()
    args.lamina = os.path.abspath(args.lamina)
    for name in args.only.split(","):
        folder = tempfile.mkdtemp(prefix="lamina-bench-", dir=args.folder)
        try:
            {"speedup": bench_speedup, "memory": bench_memory, "first": bench_first, "idle": bench_idle}[name](args, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
