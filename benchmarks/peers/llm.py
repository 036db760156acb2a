#!/usr/bin/env python3
"""Other clients of language-model servers against the scripted server of bench_llm, by the same measure: wall time against list scheduling
of the same latencies, CPU a request, memory. Each client runs in a process of its own, each against a fresh server.

    python3 -m venv /tmp/peers && /tmp/peers/bin/pip install aiohttp openai
    /tmp/peers/bin/python benchmarks/peers/llm.py build/benchmarks/bench_llm [requests a slot] [median ms] [C ...]

What is not installed is left out. "batches" is aiohttp with a barrier after each batch of C, as simple pipelines have.
"""
import asyncio
import json
import os
import resource
import struct
import subprocess
import sys
import time

PROMPT = "the service was charged twice and our password does not work. " * 32


def body():
    return {"model": "scripted", "messages": [{"role": "user", "content": PROMPT[:2048]}], "max_tokens": 100}


def check(answer):
    assert isinstance(answer["choices"][0]["message"]["content"], str) and answer["usage"]["total_tokens"] > 0


async def workers(one, count, slots, ends):
    numbers = iter(range(count))

    async def work():
        for _ in numbers:
            await one()
            ends.append(time.monotonic())

    await asyncio.gather(*(work() for _ in range(slots)))


async def run_aiohttp(url, count, slots, ends, batches=False):
    import aiohttp

    connector = aiohttp.TCPConnector(limit=slots)
    async with aiohttp.ClientSession(connector=connector) as session:
        async def one():
            async with session.post(url + "/chat/completions", json=body()) as response:
                assert response.status == 200
                check(json.loads(await response.read()))

        if not batches:
            await workers(one, count, slots, ends)
            return
        for first in range(0, count, slots):
            await workers(one, min(slots, count - first), slots, ends)


async def run_openai(url, count, slots, ends):
    import openai

    client = openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0, timeout=600)

    async def one():
        answer = await client.chat.completions.create(**body())
        assert isinstance(answer.choices[0].message.content, str) and answer.usage.total_tokens > 0

    await workers(one, count, slots, ends)
    await client.close()


PEERS = {"aiohttp": run_aiohttp, "batches": lambda *args: run_aiohttp(*args, batches=True), "openai": run_openai}


def child(name, url, count, slots):
    ends, cpu, start = [], time.process_time(), time.monotonic()
    asyncio.run(PEERS[name](url, count, slots, ends))
    cpu = time.process_time() - cpu
    ends.sort()
    print(json.dumps({"whole": ends[-1] - start, "middle": ends[count * 8 // 10] - ends[count * 2 // 10], "cpu": cpu,
                      "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))


def measure(bench, name, median_ms, count, slots):
    server = subprocess.Popen([bench, "serve", str(median_ms)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    port = struct.unpack("I", server.stdout.read(4))[0]
    url = f"http://127.0.0.1:{port}/v1"
    done = subprocess.run([sys.executable, __file__, "--child", name, url, str(count), str(slots)], capture_output=True, text=True)
    server.stdin.close()
    server.wait()
    if done.returncode:
        print(f"| {name} | {slots} | | | left out: {done.stderr.strip().splitlines()[-1][:80]} | | | |", flush=True)
        return
    result = json.loads(done.stdout)
    whole, middle = map(float, subprocess.run([bench, "ideal", str(median_ms), str(count), str(slots)], capture_output=True, text=True, check=True).stdout.split())
    print(f"| {name} | {slots} | {count} | {result['whole']:.2f} | {result['middle'] / middle:.3f} | {result['whole'] / whole:.3f} "
          f"| {result['cpu'] / count * 1e6:.0f} | | {result['rss'] / 1024:.0f} |", flush=True)


def main():
    if sys.argv[1] == "--child":
        child(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
        return
    bench = os.path.abspath(sys.argv[1])
    each = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    median_ms = int(sys.argv[3]) if len(sys.argv) > 3 else 400
    slots = [int(c) for c in sys.argv[4:]] or [64, 256, 1000]
    print("| client | C | requests | wall s | steady / ideal | whole / ideal | CPU us a request | | peak RSS MiB |\n|---|---|---|---|---|---|---|---|---|")
    for c in slots:
        for name in PEERS:
            measure(bench, name, median_ms, each * c, c)


if __name__ == "__main__":
    main()
