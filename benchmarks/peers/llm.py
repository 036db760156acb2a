#!/usr/bin/env python3
"""Other clients of language-model servers against the scripted server of bench_llm, by the same measure: wall time against list scheduling
of the same latencies, CPU a request, memory. Each client runs in a process of its own, each against a fresh server.

    python3 -m venv /tmp/peers && /tmp/peers/bin/pip install -r benchmarks/peers/requirements_llm.txt
    /tmp/peers/bin/python benchmarks/peers/llm.py build/benchmarks/benchmarks/bench_llm [requests a slot] [median ms] [C ...]

lamina's own rows come from the same program, in the same run. What is not installed is left out. "batches" is aiohttp with a barrier after
each batch of C, as simple pipelines have. Ray Data is one asynchronous actor over aiohttp, as many tasks at once as there are slots; its time is from
the first request on, its CPU that of all its processes after ray.init, its memory theirs at the end. PEERS=a,b names the ones to run.
"""
import asyncio
import json
import os
import resource
import struct
import subprocess
import sys
import tempfile
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


def run_datatrove(url, count, slots, ends):
    from datatrove.data import Document
    from datatrove.pipeline.inference.run_inference import InferenceConfig, InferenceRunner
    from datatrove.pipeline.inference.servers import EndpointServer
    from datatrove.pipeline.writers import JsonlWriter
    from datatrove.utils.logging import logger

    async def ready(*_, **__):
        pass  # the scripted server has no list of models to look at

    logger.remove()
    EndpointServer._wait_until_ready = ready

    async def rollout(document, generate):
        answer = await generate({"messages": [{"role": "user", "content": document.text}], "max_tokens": 100})
        assert isinstance(answer.text, str) and answer.usage["total_tokens"] > 0
        ends.append(time.monotonic())
        return answer

    with tempfile.TemporaryDirectory() as folder:
        config = InferenceConfig(server_type="endpoint", endpoint_url=url.removesuffix("/v1"), model_name_or_path="scripted", max_concurrent_generations=slots)
        runner = InferenceRunner(rollout, config, JsonlWriter(folder, compression=None))
        runner.run((Document(text=PROMPT[:2048], id=str(i)) for i in range(count)), rank=0, world_size=1)


class RayCaller:
    def __init__(self, url):
        import aiohttp

        self.url, self.session = url, None
        self.aiohttp = aiohttp

    async def __call__(self, batch):
        begin = time.monotonic()
        if not self.session:
            self.session = self.aiohttp.ClientSession(connector=self.aiohttp.TCPConnector(limit=0))
        async with self.session.post(self.url + "/chat/completions", json=body()) as response:
            assert response.status == 200
            check(json.loads(await response.read()))
        batch["begin"], batch["end"] = [begin], [time.monotonic()]
        yield batch


def run_ray(url, count, slots, ends):
    import ray

    ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    cpu, _ = family()
    one_actor = ray.data.ActorPoolStrategy(size=1, max_tasks_in_flight_per_actor=2 * slots)
    data = ray.data.range(count).map_batches(RayCaller, fn_constructor_args=(url,), batch_size=1, compute=one_actor, max_concurrency=slots)
    rows = list(data.iter_rows())
    ends += [row["end"] for row in rows]
    spent, rss = family()
    return min(row["begin"] for row in rows), spent - cpu, rss


PEERS = {"aiohttp": run_aiohttp, "batches": lambda *args: run_aiohttp(*args, batches=True), "openai": run_openai, "datatrove": run_datatrove, "ray": run_ray}


def family():
    """CPU seconds and KiB of this process and all that came from it, while they live."""
    ticks, page, cpu, rss, found = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE"), 0.0, 0, {os.getpid()}
    processes = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as file:
                processes[int(name)] = file.read().rsplit(")", 1)[1].split()
        except OSError:
            pass
    while True:
        more = {pid for pid, stat in processes.items() if int(stat[1]) in found} - found
        if not more:
            break
        found |= more
    for stat in (processes[pid] for pid in found if pid in processes):
        cpu += (int(stat[11]) + int(stat[12])) / ticks
        rss += int(stat[21]) * page // 1024
    return cpu, rss


def child(name, url, count, slots):
    ends, cpu, start = [], time.process_time(), time.monotonic()
    done = PEERS[name](url, count, slots, ends)
    if asyncio.iscoroutine(done):
        done = asyncio.run(done)
    cpu, rss = time.process_time() - cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if done:  # it has several processes, which took a while to start
        start, cpu, rss = done
    ends.sort()
    print(json.dumps({"whole": ends[-1] - start, "middle": ends[count * 8 // 10] - ends[count * 2 // 10], "cpu": cpu, "rss": rss}))


def measure(bench, name, median_ms, count, slots):
    server = subprocess.Popen([bench, "serve", str(median_ms)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    port = struct.unpack("I", server.stdout.read(4))[0]
    url = f"http://127.0.0.1:{port}/v1"
    done = subprocess.run([sys.executable, __file__, "--child", name, url, str(count), str(slots)], capture_output=True, text=True)
    server.stdin.close()
    server.wait()
    if done.returncode:
        print(f"| {name} | {slots} | | | left out: {done.stderr.strip().splitlines()[-1][:80]} | | | | |", flush=True)
        return
    result = json.loads(done.stdout)
    whole, middle = map(float, subprocess.run([bench, "ideal", str(median_ms), str(count), str(slots)], capture_output=True, text=True, check=True).stdout.split())
    print(f"| {name} | {slots} | {count} | {result['whole']:.2f} | {result['middle'] / middle:.3f} | {result['whole'] / whole:.3f} "
          f"| {result['cpu'] / count * 1e6:.0f} | {result['rss'] / 1024:.0f} | {os.getloadavg()[0]:.1f} |", flush=True)


def ours(bench, row, median_ms, each, slots):
    table = subprocess.run([bench, "only", row, str(each), str(median_ms), str(slots)], capture_output=True, text=True, check=True).stdout
    print(table.splitlines()[-1], f"{os.getloadavg()[0]:.1f} |", flush=True)


def main():
    if sys.argv[1] == "--child":
        child(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
        return
    bench = os.path.abspath(sys.argv[1])
    each = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    median_ms = int(sys.argv[3]) if len(sys.argv) > 3 else 400
    slots = [int(c) for c in sys.argv[4:]] or [64, 256, 1000]
    print("| client | C | requests | wall s | steady / ideal | whole / ideal | CPU us a request | peak RSS MiB | load |\n|---|---|---|---|---|---|---|---|---|")
    for c in slots:
        for row in ("plain", "full"):
            ours(bench, row, median_ms, each, c)
        for name in filter(None, os.environ.get("PEERS", ",".join(PEERS)).split(",")):
            measure(bench, name, median_ms, each * c, c)


if __name__ == "__main__":
    main()
