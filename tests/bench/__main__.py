"""`make bench`: one JSON object a line, with what is asked for and what others reach. Nothing here passes or fails.

Usage: python -m tests.bench [NAME ...] [--long]
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import orjson
import uvloop

from . import agents, tools, workloads

FIRST = """
import asyncio, sys, penstock
@penstock.function("first")
async def first(given): return {"ok": True}
DOC = {"penstock": 1, "name": "first", "nodes": {"a": {"kind": "function", "with": {"function": "first"}}}}
async def main():
    async with penstock.local(sys.argv[1]) as p:
        await p.apply(DOC)
        print((await p.wait(await p.start("first"))).status, flush=True)
asyncio.run(main())
"""


def say(name: str, value: Any, unit: str, must: str = "", aim: str = "") -> None:
    shown = [round(v, 3) for v in value] if isinstance(value, list) else value
    shown = round(value, 3) if isinstance(value, float) else shown
    print(orjson.dumps({"bench": name, "value": shown, "unit": unit, "must": must, "aim": aim}).decode(), flush=True)


def embedded(folder: Path) -> None:
    async def use(p: Any) -> None:
        speeds = [await workloads.w1(p) for _ in range(7)]
        say("W1 200 runs x 10 steps", statistics.median(speeds), "steps/s", ">= 3600", "10000")
        fans = [await workloads.w2(p) for _ in range(7)]
        say("W2 1000 parallel steps", statistics.median(fans), "s", "<= 0.7", "0.15")
        say("W3 in process, p50", await workloads.w3(p), "ms", "<= 2", "0.8")

    uvloop.run(workloads.opened(folder / "embedded", use))


@contextlib.asynccontextmanager
async def client_of(p: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """A client with a connection kept open to a server of `p` in this process."""
    from penstock.api.server import serving

    async with serving(p) as url:
        token = await asyncio.to_thread((p.settings.data / "token").read_text)
        headers = {"Authorization": f"Bearer {token.strip()}"}
        async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
            yield client


def over_http(folder: Path) -> None:
    async def use(p: Any) -> None:
        async with client_of(p) as client:
            taken = []
            for _ in range(300):
                begin = time.perf_counter()
                body = {"workflow": "chain-1", "inputs": {}}
                answer = await client.post("/api/v1/runs", json=body, headers={"Prefer": "wait=10"})
                if answer.json()["status"] != "completed":
                    raise RuntimeError(answer.text)
                taken.append(time.perf_counter() - begin)
            say("W3 over HTTP, p50", statistics.median(taken) * 1e3, "ms", "<= 5", "2.5")

    uvloop.run(workloads.opened(folder / "http", use))


def history(folder: Path) -> None:
    for size, ratio in uvloop.run(workloads.w5(folder)).items():
        say(f"W5 speed with {size} closed runs / with none", ratio, "ratio", ">= 0.95", "1.0")


def start(folder: Path) -> None:
    times = []
    for number in range(5):
        begin = time.perf_counter()
        child = subprocess.run(
            [sys.executable, "-c", FIRST, str(folder / f"first-{number}")], capture_output=True, text=True, check=True
        )
        times.append(time.perf_counter() - begin)
        if child.stdout.strip() != "completed":
            raise RuntimeError(child.stderr)
    say("W6 start to first result, new folder", statistics.median(times), "s", "<= 1.5", "0.7")
    with subprocess.Popen(
        [sys.executable, "-m", "penstock.cli", "up", "--data", str(folder / "up"), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as server:
        assert server.stdout is not None
        for line in server.stdout:
            if "http://" in line:
                break
        time.sleep(1)  # let it settle: this is a measurement of rest
        status = Path(f"/proc/{server.pid}/status").read_text()
        server.terminate()
    found = re.search(r"VmRSS:\s+(\d+)", status)
    say("W6 idle memory of `penstock up`", int(found[1]) / 1024 if found else -1, "MiB", "<= 150", "80")
    say("W6 installed size", installed_size(), "MB", "", "146")


def installed_size() -> float:
    """Unpacked size of penstock and all it requires, as its metadata says; without what only development needs."""
    seen: set[str] = set()
    todo, total = ["penstock"], 0
    while todo:
        name = re.split(r"[^A-Za-z0-9._-]", todo.pop())[0].lower().replace("_", "-")
        if name in seen:
            continue
        seen.add(name)
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        total += sum(f.size or 0 for f in distribution.files or ())
        todo += [r for r in distribution.requires or () if "extra ==" not in r and "win32" not in r.split(";")[-1]]
    return total / 1e6


def memory(folder: Path) -> None:
    say("10,000 waiting runs", uvloop.run(workloads.opened(folder / "waiting", workloads.waiting)), "MiB", "< 500")

    async def use(p: Any) -> dict[str, float]:
        async with client_of(p) as client:

            async def get(path: str) -> None:
                (await client.get(path)).raise_for_status()

            return await workloads.long_run(p, get)

    for name, value in uvloop.run(workloads.opened(folder / "long", use)).items():
        unit = "ms" if name.endswith("_ms") else ""
        say(f"run of 10,000 events: {name.removesuffix('_ms')}", value, unit, "< 50" if unit else "")


def load(folder: Path) -> None:
    runs = 100_000 if "--long" in sys.argv else 10_000
    result = uvloop.run(workloads.opened(folder / "load", lambda p: workloads.backlog(p, runs)))
    for name, value in result.items():
        say(f"{runs} runs submitted at once: {name}", value, "")


def calls(folder: Path) -> None:
    async def use(p: Any) -> None:
        with tools.started("one") as urls:
            took = await tools.w8(p, urls[0])
        say("W8 a tool step on a warm server, without the call", took["ours"], "ms", "< 3")
        say("W8 the call alone, by the SDK's client", took["call"], "ms")

    async def listing() -> None:
        with tools.started(*map(str, range(20))) as urls:
            count, took = await tools.list_all(urls)
        say(f"W8 listing {count} tools of {len(urls)} servers", took, "ms", "< 50")

    uvloop.run(workloads.opened(folder / "tools", use))
    uvloop.run(listing())


def turns(folder: Path) -> None:
    with agents.provider() as url:
        took = uvloop.run(workloads.opened(folder / "agents", lambda p: agents.w7(p, url)))
        theirs = agents.crewai(url)
    say("W7 an agent's turn, without the model", took["turn_ours"], "ms", "<= 5", "2")
    say("W7 a task of a crew, without the model", took["task_ours"], "ms", "<= 2.1", "1.5")
    say("W7 the same of a turn and of a task, in time of the processor", [took["turn_cpu"], took["task_cpu"]], "ms")
    say("W7 a write to this disk, of which a turn waits for three and a task for two", agents.durable(folder), "ms")
    say("W7 the model alone, by a plain client: a turn, a task", [took["turn_model"], took["task_model"]], "ms")
    if theirs is not None:
        say("W7 a task of the same crew in CrewAI, without the model", theirs - took["task_model"], "ms")
        say(
            "W7 what ours adds to a task / what CrewAI adds",
            took["task_ours"] / (theirs - took["task_model"]),
            "ratio",
            "<= 0.1",
        )


def looks(folder: Path) -> None:
    from . import pages

    found = asyncio.run(pages.measure(folder))
    say("the journal of 10,000 events is shown after", found.pop("opens"), "s", "<= 2")
    for name, value in found.items():
        say(
            f"frames of a page that moves / at rest: {name}", value, "ratio", ">= 0.5" if name == "editor" else ">= 0.8"
        )


BENCHES = {
    "embedded": embedded,
    "http": over_http,
    "history": history,
    "start": start,
    "memory": memory,
    "load": load,
    "tools": calls,
    "agents": turns,
    "pages": looks,
}


def main() -> None:
    wanted = [a for a in sys.argv[1:] if not a.startswith("-")] or list(BENCHES)
    with tempfile.TemporaryDirectory() as base:
        for name in wanted:
            folder = Path(base) / name
            folder.mkdir()
            try:
                BENCHES[name](folder)
            except Exception as error:  # one that cannot be measured must not hide the others
                say(name, f"failed: {type(error).__name__}: {error}", "")


if __name__ == "__main__":
    asyncio.set_event_loop_policy(None)
    main()
