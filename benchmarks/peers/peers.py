#!/usr/bin/env python3
"""The same kinds of analysis with well-known Python libraries, measured beside the built-in analyzer in one run.

    peers.py BENCH_BUILTIN FILE.jsonl [--documents 400] [--bytes 2048] [--rounds 3]

Documents are made as bench_builtin makes them: texts of the file, joined until each has so many bytes. Each task uses what is usual
and quick for it; slower libraries for the same (langid, langdetect, yake, sumy, dateparser) are left out in the peers' favour. Models are
fitted before the clock runs. Times are CPU seconds of one thread (process_time), the best of the rounds; ours and theirs take turns.
"""
import argparse
import json
import os
import re
import subprocess
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import py3langid as langid
import numpy as np
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.random_projection import SparseRandomProjection
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'(])|\n+")
WORD = re.compile(r"[A-Za-z][A-Za-z'-]+")
PHRASE_END = re.compile(r"[^A-Za-z' -]+")
MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.?"
ENTITIES = [
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("date", rf"\b\d{{4}}-\d\d-\d\d\b|\b\d{{1,2}}/\d{{1,2}}/\d{{2,4}}\b|\b{MONTH} \d{{1,2}}(?:, \d{{4}})?\b|\b\d{{1,2}} {MONTH} \d{{4}}\b"),
        ("time", r"\b\d{1,2}:\d\d(?::\d\d)?(?: ?[AaPp]\.?[Mm]\.?)?\b"),
        ("money", r"[$€£¥] ?\d[\d,.]*(?: ?(?:million|billion|thousand|m|bn|k)\b)?|\b\d[\d,.]* (?:dollars|euros|pounds)\b"),
        ("percent", r"\b\d+(?:\.\d+)? ?(?:%|percent\b)"),
        ("quantity", r"\b\d+(?:\.\d+)? ?(?:km|miles|kg|lbs?|GB|MB|hours|days|years|feet)\b"),
        ("email", r"\b[\w.+-]+@[\w-]+\.[\w.-]+\b"),
        ("url", r"\bhttps?://[^\s<>\"]+|\bwww\.[^\s<>\"]+"),
        ("ip", r"\b(?:\d{1,3}\.){3}\d{1,3}\b"),
        ("phone", r"\+?\d{1,3}?[ -]?\(?\d{3}\)?[ -]\d{3}[ -]\d{4}\b"),
        ("version", r"\bv?\d+\.\d+\.\d+\b"),
        ("cve", r"\bCVE-\d{4}-\d{4,}\b"),
        ("iban", r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}\b"),
        ("card", r"\b(?:\d{4}[ -]?){3}\d{4}\b"),
        ("path", r"(?:/[\w.-]+){2,}|\b[A-Z]:\\[\w\\.-]+"),
        ("name", r"\b[A-Z][a-z]+(?: (?:of|de|van|von|the)? ?[A-Z][a-z]+)+\b"),
    )
]


def documents(path, count, size):
    rows = [json.loads(line) for line in open(path, encoding="utf-8")]
    made, at = [], 0
    for _ in range(count):
        title, text = rows[at % len(rows)]["title"], ""
        while len(text.encode()) < size:
            text += rows[at % len(rows)]["text"] + "\n"
            at += 1
        made.append(title + "\n" + text.encode()[:size].decode(errors="ignore"))
    return rows, made


class Peers:
    def __init__(self, rows):
        texts = [row["title"] + "\n" + row["text"] for row in rows]
        self.classifier = make_pipeline(
            HashingVectorizer(ngram_range=(1, 2), n_features=2**18, stop_words="english"), LogisticRegression(max_iter=200)
        )
        self.classifier.fit(texts, [row["label"] for row in rows])
        self.hashed = HashingVectorizer(analyzer="char_wb", ngram_range=(4, 4), n_features=2**16)
        self.projection = SparseRandomProjection(256, random_state=1).fit(self.hashed.transform(texts[:10]))
        self.idf = TfidfVectorizer(stop_words="english").fit(texts)
        self.sentiment_words = SentimentIntensityAnalyzer()

    def language(self, text):
        return langid.classify(text[:256])  # enough to tell; the whole text takes ten times as long

    def sentiment(self, text):
        scores = [self.sentiment_words.polarity_scores(s)["compound"] for s in SENTENCE_END.split(text)]
        return sum(scores) / len(scores)

    def entities(self, text):
        return [(kind, m.start(), m.end(), m.group()) for kind, pattern in ENTITIES for m in pattern.finditer(text)]

    def summary(self, text):
        sentences = [s for s in SENTENCE_END.split(text) if s.strip()]
        if len(sentences) <= 2:
            return " ".join(sentences)
        vectors = self.idf.transform(sentences)
        near = (vectors @ vectors.T).toarray()
        near /= np.maximum(near.sum(axis=1, keepdims=True), 1e-9)
        rank = np.full(len(sentences), 1 / len(sentences))
        for _ in range(12):
            rank = 0.15 / len(sentences) + 0.85 * (rank @ near)
        return " ".join(sentences[i] for i in sorted(np.argsort(-rank)[:2]))

    def keywords(self, text):
        """RAKE: Rose et al. 2010."""
        phrases, words = [], {}
        for part in PHRASE_END.split(text.lower()):
            phrase = []
            for word in WORD.findall(part) + [""]:
                if word and word not in ENGLISH_STOP_WORDS:
                    phrase.append(word)
                elif phrase:
                    phrases.append(tuple(phrase[:3]))
                    phrase = []
        for phrase in phrases:
            for word in phrase:
                count, degree = words.get(word, (0, 0))
                words[word] = (count + 1, degree + len(phrase))
        scored = {p: sum(words[w][1] / words[w][0] for w in p) for p in set(phrases)}
        return [" ".join(p) for p in sorted(scored, key=scored.get, reverse=True)[:8]]

    def classify(self, texts):
        return self.classifier.predict_proba(texts)

    def embed(self, texts):
        vectors = self.projection.transform(self.hashed.transform(texts)).toarray()
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)

    EACH = ("language", "sentiment", "entities", "summary", "keywords")
    BATCHED = ("classify", "embed")


def cpu(function):
    start = time.process_time()
    function()
    return time.process_time() - start


def measure(peers, texts):
    """Microseconds a document by task: one by one, and in one batch where the library knows batches."""
    took = {}
    for name in Peers.EACH:
        function = getattr(peers, name)
        took[name] = took[name + " in batches"] = cpu(lambda f=function: [f(text) for text in texts]) / len(texts) * 1e6
    for name in Peers.BATCHED:
        function = getattr(peers, name)
        took[name] = cpu(lambda f=function: [f([text]) for text in texts]) / len(texts) * 1e6
        took[name + " in batches"] = cpu(lambda f=function: f(texts)) / len(texts) * 1e6
    return took


def ours(program, path, size):
    said = subprocess.run([program, path, str(size)], check=True, capture_output=True, text=True, timeout=600).stdout
    return {m[1].strip(): float(m[2]) for m in re.finditer(r"^(\D[^\n]*?)\s+(\d+\.\d)(?:\s.*)?$", said, re.M)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("file")
    parser.add_argument("--documents", type=int, default=400)
    parser.add_argument("--bytes", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    rows, texts = documents(args.file, args.documents, args.bytes)
    peers = Peers(rows)
    best, mine = {}, {}
    for _ in range(args.rounds):
        for name, took in ours(args.program, args.file, args.bytes).items():
            mine[name] = min(took, mine.get(name, took))
        for name, took in measure(peers, texts).items():
            best[name] = min(took, best.get(name, took))
    names = Peers.EACH + Peers.BATCHED
    one, batch = sum(best[n] for n in names), sum(best[n + " in batches"] for n in names)
    print(f"{'task':<12}{'one by one':>12}{'in batches':>12}   CPU microseconds a document of {args.bytes} bytes")
    for name in names:
        print(f"{name:<12}{best[name]:>12.1f}{best[name + ' in batches']:>12.1f}")
    print(f"{'all':<12}{one:>12.1f}{batch:>12.1f}   {1e6 / one:.0f} and {1e6 / batch:.0f} documents a second and core")
    all_ours = mine["all, trained"]
    print(f"built-in, all, trained: {all_ours:.1f}   {1e6 / all_ours:.0f} documents a second and core")
    print(f"RESULT peers one by one: {one / all_ours:.1f} times (goal 12); in batches: {batch / all_ours:.1f} times (goal 4)")


if __name__ == "__main__":
    main()
