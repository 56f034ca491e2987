"""The workloads of `make bench`, each measured in this process. Times are seconds of `perf_counter`."""

from __future__ import annotations

import asyncio
import gc
import itertools
import resource
import sqlite3
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import penstock
from penstock.app import Penstock
from penstock.gate import Request

STEP = {"kind": "function", "with": {"function": "bench.step", "input": 1}}


@penstock.function("bench.step")
async def step(given: Any) -> dict[str, Any]:
    return {"ok": True, "n": 1}


def chain(length: int) -> dict[str, Any]:
    nodes = {
        f"s{i}": {
            "kind": "function",
            "with": {"function": "bench.step", "input": {"n": f"${{{{ nodes.s{i - 1}.output.n }}}}" if i else 1}},
        }
        for i in range(length)
    }
    edges = [{"from": f"s{i}", "to": f"s{i + 1}"} for i in range(length - 1)]
    outputs = {"n": f"${{{{ nodes.s{length - 1}.output.n }}}}"}
    return {"penstock": 1, "name": f"chain-{length}", "nodes": nodes, "edges": edges, "outputs": outputs}


FAN = {
    "penstock": 1,
    "name": "fan",
    "inputs": {"type": "object", "properties": {"items": {"type": "array"}}},
    "nodes": {"each": {**STEP, "for_each": "${{ inputs.items }}"}, "join": {**STEP}},
    "edges": [{"from": "each", "to": "join"}],
}
ASK = {"penstock": 1, "name": "ask", "nodes": {"q": {"kind": "human", "with": {"title": "Go on?"}}}}


async def one(p: Penstock, slug: str, inputs: dict[str, Any] | None = None) -> None:
    state = await p.wait(await p.gate.start(Request(slug, inputs or {})))
    if state.status != "completed":
        raise RuntimeError(f"{slug}: {state.status} {state.error}")


async def w1(p: Penstock, runs: int = 200, at_once: int = 50) -> float:
    """Steps a second: `runs` runs of ten steps in a chain, `at_once` at a time."""
    places = asyncio.Semaphore(at_once)

    async def placed() -> None:
        async with places:
            await one(p, "chain-10")

    begin = time.perf_counter()
    await asyncio.gather(*(placed() for _ in range(runs)))
    return runs * 10 / (time.perf_counter() - begin)


async def w2(p: Penstock, items: int = 1_000) -> float:
    """Seconds for one run of `items` parallel steps and a join."""
    begin = time.perf_counter()
    await one(p, "fan", {"items": list(range(items))})
    return time.perf_counter() - begin


async def w3(p: Penstock, times: int = 300) -> float:
    """Milliseconds from submit to result of a one-step run, median."""
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        await one(p, "chain-1")
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken) * 1e3


async def opened(folder: Path, use: Callable[[Penstock], Awaitable[Any]], **settings: Any) -> Any:
    async with penstock.local(folder, **settings) as p:
        for document in (chain(1), chain(10), FAN, ASK):
            await p.apply(document)
        await one(p, "chain-10")
        return await use(p)


def fill(folder: Path, runs: int) -> None:
    """`runs` closed runs of ten steps: copies of the one that is there."""
    database = sqlite3.connect(folder / "penstock.db", isolation_level=None)
    columns = [row[1] for row in database.execute("PRAGMA table_info(runs)") if row[1] != "run_id"]
    (run,) = database.execute("SELECT run_id FROM runs WHERE workflow = 'chain-10' LIMIT 1").fetchone()
    events = database.execute("SELECT seq, at, kind, data FROM events WHERE run_id = ?", (run,)).fetchall()
    database.execute("BEGIN")
    names = ", ".join(columns)
    for number in range(runs):
        copy = f"run_{number:012x}{'0' * 12}"
        database.execute(
            f"INSERT INTO runs (run_id, {names}) SELECT ?, {names} FROM runs WHERE run_id = ?", (copy, run)
        )
        database.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?)", [(copy, *event) for event in events])
    database.execute("COMMIT")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()


async def w5(base: Path, sizes: tuple[int, ...] = (0, 2_000, 20_000), rounds: int = 11) -> dict[int, float]:
    """W1 over histories of several sizes, taken in turns, forwards and backwards: the median of what each round gives relative to
    the empty history, because a shared machine is never equally fast for long."""
    folders = {size: base / f"history-{size}" for size in sizes}
    for size, folder in folders.items():
        await opened(folder, _nothing)
        await asyncio.to_thread(fill, folder, size)
    speeds: dict[int, list[float]] = {size: [] for size in sizes}
    for turn in range(rounds):
        for size, folder in sorted(folders.items(), reverse=bool(turn % 2)):
            async with penstock.local(folder) as p:
                await w1(p, 50)
                speeds[size].append(await w1(p))
    return {
        size: statistics.median(here / none for here, none in zip(speeds[size], speeds[0], strict=True))
        for size in sizes
    }


async def _nothing(p: Penstock) -> None:
    return None


async def waiting(p: Penstock, runs: int = 10_000) -> float:
    """MiB of memory that `runs` runs waiting for a person take."""
    before = rss()
    for batch in itertools.batched(range(runs), 200) if hasattr(itertools, "batched") else _batches(runs, 200):
        ids = await asyncio.gather(*(p.gate.start(Request("ask")) for _ in batch))
    await p.control.wait(ids[-1], lambda s: s.asking > 0)
    gc.collect()
    return rss() - before


async def backlog(p: Penstock, runs: int) -> dict[str, float]:
    """`runs` one-step runs submitted as fast as they are taken: memory, and how long the loop keeps others waiting."""
    before, late = rss(), []
    done = asyncio.Event()

    async def watch() -> None:
        while not done.is_set():
            begin = time.perf_counter()
            await asyncio.sleep(0.01)
            late.append(time.perf_counter() - begin - 0.01)

    watching = asyncio.create_task(watch())
    begin = time.perf_counter()
    for batch in _batches(runs, 500):
        await asyncio.gather(*(p.gate.start(Request("chain-1")) for _ in batch))
    submitted = time.perf_counter() - begin
    while (await p.runs.list("default", limit=1, status="queued")).items or p.control._running:  # noqa: ASYNC110 - a poll costs those who work nothing
        await asyncio.sleep(0.2)
    done.set()
    await watching
    late.sort()
    return {
        "submit_per_second": runs / submitted,
        "drained_seconds": time.perf_counter() - begin,
        "memory_mib": rss() - before,
        "loop_late_p99_ms": late[int(len(late) * 0.99)] * 1e3,
    }


def _batches(count: int, size: int) -> Any:
    return (range(at, min(at + size, count)) for at in range(0, count, size))


async def long_run(p: Penstock, get: Callable[[str], Awaitable[Any]], items: int = 4_990) -> dict[str, float]:
    """Runs of 10,000 events that wait at their end: milliseconds to open the page of one that nobody has looked at (over
    HTTP), to open it again, to read its tail and to advance it; medians."""
    document = {
        **FAN,
        "name": "long",
        "nodes": {"each": {**STEP, "for_each": "${{ inputs.items }}"}, "q": {"kind": "human", "with": {"title": "?"}}},
        "edges": [{"from": "each", "to": "q"}],
    }
    await p.apply(document)
    taken: dict[str, list[float]] = {"open_ms": [], "open_again_ms": [], "tail_ms": [], "advance_ms": []}

    async def timed(name: str, work: Awaitable[Any]) -> None:
        begin = time.perf_counter()
        await work
        taken[name].append((time.perf_counter() - begin) * 1e3)

    head = 0
    for _ in range(5):
        run_id = await p.gate.start(Request("long", {"items": list(range(items))}))
        head = (await p.control.wait(run_id, lambda s: s.asking > 0)).head
        await timed("open_ms", get(f"/api/v1/runs/{run_id}"))
        await timed("open_again_ms", get(f"/api/v1/runs/{run_id}"))
        await timed("tail_ms", get(f"/api/v1/runs/{run_id}/events?after={head - 100}"))
        await timed("advance_ms", p.control.answer(run_id, "q#1", "approve", "bench"))
    return {"events": head, **{name: statistics.median(values) for name, values in taken.items()}}


def rss() -> float:
    """Resident memory of this process in MiB."""
    with Path("/proc/self/statm").open() as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20
