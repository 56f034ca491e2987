"""W7: what a turn of an agent and a task of a crew cost beside the model, which answers at once from a process of its own.

The model's own time is that of the very same bodies posted by a plain client over a connection kept open, measured in the same
rounds; what is ours is the rest. Where PENSTOCK_CREWAI names a Python that has CrewAI, the same crew runs there too, against the
same provider. Times are seconds of `perf_counter`.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import orjson

import penstock
from penstock.app import Penstock
from penstock.gate import Request
from tests.models.server import Provider

from .provider import answer

TURNS, TASKS, ROUNDS = 30, 10, 25
CREW = Path(__file__).with_name("crewai_crew.py")


@penstock.function("bench.add")
async def add(given: Any) -> int:
    return given["a"] + 1


def agent(url: str, turns: int = TURNS) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    config = {
        "model": "openai:bench",
        "base_url": url,
        "instructions": f"Count. The turns you take are {turns}",
        "tools": [{"function": "bench.add", "description": "Adds one.", "parameters": parameters}],
        "max_turns": turns,
    }
    return {"penstock": 1, "name": "bench-agent", "nodes": {"a": {"kind": "agent", "with": config}}}


def crew(url: str, tasks: int = TASKS) -> dict[str, Any]:
    member = {"role": "Writer", "goal": "Write one sentence", "backstory": "Writes about rivers."}
    todo = [
        {
            "name": f"t{n}",
            "description": f"Write about river {n}.",
            "expected_output": "One sentence.",
            "agent": "writer",
        }
        for n in range(tasks)
    ]
    config = {"model": "openai:bench", "base_url": url, "agents": {"writer": member}, "tasks": todo}
    return {"penstock": 1, "name": "bench-crew", "nodes": {"c": {"kind": "crew", "with": config}}}


@contextlib.contextmanager
def provider() -> Iterator[str]:
    """The address of a provider in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.provider"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


async def w7(p: Penstock, url: str) -> dict[str, float]:
    """Milliseconds, medians of rounds: {turn, turn_model, turn_ours, turn_cpu, task, …}. `cpu` is what is ours in time of
    this process, which a machine that has other things to do does not change much."""
    taken: dict[str, list[float]] = {}

    async def timed(name: str, number: int, work: Awaitable[None]) -> tuple[float, float]:
        begin = time.perf_counter(), time.process_time()
        await work
        took = (time.perf_counter() - begin[0]) / number * 1e3, (time.process_time() - begin[1]) / number * 1e3
        taken.setdefault(name, []).append(took[0])
        return took

    async with httpx2.AsyncClient() as http:
        for name, document, number in (("turn", agent, TURNS), ("task", crew, TASKS)):
            bodies = await said(p, document)
            if len(bodies) != number:
                raise RuntimeError(f"{name}: {len(bodies)} requests, not {number}")
            slug = document(url)["name"]
            await p.apply(document(url))
            await run(p, slug)
            for _ in range(ROUNDS):
                model = await timed(f"{name}_model", number, posted(http, url, bodies))
                whole = await timed(name, number, run(p, slug))
                taken.setdefault(f"{name}_ours", []).append(whole[0] - model[0])
                taken.setdefault(f"{name}_cpu", []).append(whole[1] - model[1])
    return {name: statistics.median(values) for name, values in taken.items()}


def durable(folder: Path, times: int = 50) -> float:
    """Milliseconds until a few bytes are safe on the disk under `folder`, median. A turn waits for that three times."""
    taken = []
    with (folder / "bytes").open("wb") as file:
        for _ in range(times):
            file.write(b"x" * 4096)
            file.flush()
            begin = time.perf_counter()
            os.fsync(file.fileno())
            taken.append((time.perf_counter() - begin) * 1e3)
    return statistics.median(taken)


async def posted(http: httpx2.AsyncClient, url: str, bodies: list[bytes]) -> None:
    for body in bodies:
        (await http.post(f"{url}/chat/completions", content=body)).json()


async def run(p: Penstock, slug: str) -> None:
    state = await p.wait(await p.gate.start(Request(slug)))
    if state.status != "completed":
        raise RuntimeError(f"{slug}: {state.status} {state.error}")


async def said(p: Penstock, document: Callable[[str], dict[str, Any]]) -> list[bytes]:
    """The bodies of all requests of one run, as they are sent to a provider in this process."""
    async with Provider(by=answer, keeps=True) as here:
        await p.apply(document(here.url))
        await run(p, document(here.url)["name"])
        return [orjson.dumps(body) for body in here.bodies]


def crewai(url: str) -> float | None:
    """Milliseconds a task of the same crew takes in CrewAI, median; None where there is no CrewAI to ask."""
    python = os.environ.get("PENSTOCK_CREWAI")
    if not python:
        return None
    command = [python, str(CREW), url, str(TASKS), str(ROUNDS)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True, timeout=600).stdout.split()[-1])
