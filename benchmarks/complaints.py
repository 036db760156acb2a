#!/usr/bin/env python3
"""Recorded answers of large models, replayed: accuracy, calls, seconds and money of each model and of a cascade.

    complaints.py LAMINA ANSWERED.csv LABELS.txt FOLDER [--speed S]

ANSWERED.csv has complaints with their product, and what five models answered zero-shot, with the seconds that each call took. FOLDER (made anew) gets the corpus,
a recording (replay.jsonl), a job for each model, and the stores. --speed 0 (default) answers at once; 1 takes as long as the models took.

What the file does not have is made up, and said here: tokens (a quarter of the bytes, 250 for the instructions, 12 for an answer), the models' confidence
(always certain, so that the steps of the cascade are decided by whether they agree), and prices (list prices of late 2024).
"""
import csv
import json
import os
import shutil
import subprocess
import sys

MODELS = {  # column: dollars a million tokens in and out
    "gpt-4o-mini": (0.15, 0.60),
    "gpt-4o": (2.50, 10.0),
    "claude-3-5-sonnet": (3.0, 15.0),
    "deepseek-chat": (0.14, 0.28),
    "gpt-o1": (15.0, 60.0),
}
CASCADE = [{"model": "builtin", "accept": 0.9}, {"model": "gpt-4o-mini", "accept": 0.5}, {"model": "gpt-o1"}]


def completion(model, category, text):
    return {"object": "chat.completion", "model": model,
            "choices": [{"index": 0, "finish_reason": "stop",
                         "message": {"role": "assistant", "content": json.dumps({"category": category, "confidence": 10})}}],
            "usage": {"prompt_tokens": len(text.encode()) // 4 + 250, "completion_tokens": 12, "total_tokens": len(text.encode()) // 4 + 262}}


def write_files(rows, folder):
    with open(f"{folder}/corpus.jsonl", "w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps({"id": row["id"], "text": row["narrative"]}) + "\n")
    with open(f"{folder}/replay.jsonl", "w", encoding="utf-8") as file:
        for row in sorted(rows, key=lambda r: -len(r["narrative"])):  # the longest first: a text may stand within another one
            for model in MODELS:
                file.write(json.dumps({"model": model, "contains": row["narrative"], "seconds": float(row[f"seconds-{model}"]),
                                       "answer": completion(model, row[model], row["narrative"])}) + "\n")


def write_job(folder, name, labels, models, speed, cascade=None):
    deep = {"analyzer": "openai", "replay": {"path": "replay.jsonl", "speed": speed},
            "endpoints": [{"url": "http://127.0.0.1:9/v1", "model": m, "price_in": MODELS[m][0], "price_out": MODELS[m][1], "context": 128000} for m in models]}
    if cascade:
        deep["cascade"] = cascade
    job = {"name": name, "store": f"store-{name}", "dataset": {"kind": "upsert", "key": ["/id"], "text": ["/text"]},
           "sources": [{"type": "files", "path": "corpus.jsonl"}], "tasks": {"classify": {"labels": labels}}, "deep": deep}
    path = f"{folder}/{name}.json"
    with open(path, "w", encoding="utf-8") as file:
        json.dump(job, file, indent=1)
    return path


def run(lamina, job, folder, name):
    done = subprocess.run([lamina, "batch", "--json", job], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{name}: exit {done.returncode}\n{done.stderr[-2000:]}\n{done.stdout[-2000:]}")
    out = subprocess.run([lamina, "export", f"{folder}/store-{name}"], capture_output=True, text=True, check=True).stdout
    answers = {}
    for line in out.splitlines():
        record = json.loads(line)
        answers[record["key"]] = (record.get("enrichment") or record).get("category")
    return json.loads(done.stdout), answers


def steps_of(report):
    """How many records each step of the cascade decided, if the report tells."""
    found = []

    def look(value):
        if isinstance(value, dict):
            if "steps" in value or "cascade" in value:
                found.append(value.get("steps", value.get("cascade")))
            for each in value.values():
                look(each)
        elif isinstance(value, list):
            for each in value:
                look(each)

    look(report)
    return found[0] if found else None


def requests_of(folder, name, lamina):
    stat = subprocess.run([lamina, "cache", "stat", f"{folder}/{name}.json", "--json"], capture_output=True, text=True, check=True).stdout
    export = subprocess.run([lamina, "cache", "export", f"{folder}/{name}.json"], capture_output=True, text=True, check=True).stdout
    calls = {}
    for line in export.splitlines():
        value = json.loads(line)
        model = value["value"].get("trace", {}).get("model", "?")
        each = calls.setdefault(model, [0, 0, 0])
        each[0] += 1
        each[1] += value["tokens_in"]
        each[2] += value["tokens_out"]
    return json.loads(stat), calls


def main():
    lamina, answered, labels_file, folder = sys.argv[1:5]
    speed = float(sys.argv[6]) if len(sys.argv) > 6 else 0
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    with open(answered, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with open(labels_file, encoding="utf-8") as file:
        labels = dict(line.strip().split(": ", 1) for line in file if ": " in line)
    truth = {row["id"]: row["product"] for row in rows}
    seconds = {m: {row["id"]: float(row[f"seconds-{m}"]) for row in rows} for m in MODELS}
    write_files(rows, folder)
    print(f"{len(rows)} complaints, {len(labels)} labels; replayed at speed {speed:g}")
    print(f"{'':34} {'accuracy':>8} {'calls':>6} {'model seconds':>13} {'dollars':>9}")
    jobs = [(m, [m], None) for m in MODELS] + [("cascade", ["gpt-4o-mini", "gpt-o1"], CASCADE)]
    for name, models, cascade in jobs:
        report, answers = run(lamina, write_job(folder, name, labels, models, speed, cascade), folder, name)
        right = sum(answers.get(key) == label for key, label in truth.items()) / len(truth)
        _, calls = requests_of(folder, name, lamina)
        mean = {m: sum(seconds[m].values()) / len(rows) for m in MODELS}
        spent = sum(c[0] * mean[m] for m, c in calls.items() if m in mean)
        money = sum(c[1] * MODELS[m][0] + c[2] * MODELS[m][1] for m, c in calls.items() if m in MODELS) / 1e6
        title = "builtin -> gpt-4o-mini -> gpt-o1" if cascade else name
        print(f"{title:34} {right:8.3f} {sum(c[0] for c in calls.values()):6} {spent:13.0f} {money:9.4f}" +
              (f"   calls {dict((m, c[0]) for m, c in calls.items())}, steps {steps_of(report)}" if cascade else ""))


if __name__ == "__main__":
    main()
