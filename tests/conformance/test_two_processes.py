"""Two processes on one Postgres advance the same runs: no gap, no double; and when one is killed the other finishes everything."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.services import PostgresServer

import penstock
from penstock.app import Settings, open_journal
from penstock.engine.events import Event

pytestmark = pytest.mark.anyio

PROGRAM = Path(__file__).with_name("one_of_two.py")
TERMINAL = ("run.completed", "run.failed", "run.cancelled")


def step(function: str, given: Any, **more: Any) -> dict[str, Any]:
    return {"kind": "function", "with": {"function": function, "input": given}, **more}


def chain() -> dict[str, Any]:
    """Ten steps, of which the sixth waits for the gate."""
    nodes = {
        f"s{n}": step("hold" if n == 5 else "work", {"n": f"${{{{ nodes.s{n - 1}.output.n }}}}" if n else 0})
        for n in range(10)
    }
    edges = [{"from": f"s{n}", "to": f"s{n + 1}"} for n in range(9)]
    return {
        "penstock": 1,
        "name": "chain",
        "nodes": nodes,
        "edges": edges,
        "outputs": {"n": "${{ nodes.s9.output.n }}"},
    }


def fan() -> dict[str, Any]:
    """Eight steps side by side, a step that waits for the gate, a question."""
    return {
        "penstock": 1,
        "name": "fan",
        "inputs": {"type": "object", "properties": {"items": {"type": "array"}}},
        "nodes": {
            "each": step("work", {"n": "${{ item }}"}, for_each="${{ inputs.items }}"),
            "hold": step("hold", {"n": "${{ nodes.each.output[7].n }}"}),
            "ask": {"kind": "human", "with": {"title": "Go on?"}},
            "last": step("work", {"n": "${{ nodes.hold.output.n }}"}),
        },
        "edges": [{"from": "each", "to": "hold"}, {"from": "hold", "to": "ask"}, {"from": "ask", "to": "last"}],
        "outputs": {"n": "${{ nodes.last.output.n }}"},
    }


def slow() -> dict[str, Any]:
    return {"penstock": 1, "name": "slow", "nodes": {"wait": {"kind": "wait", "with": {"seconds": 3600}}}}


class Process:
    """One of the two, and what it is told and says."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._ids = itertools.count()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._reading: asyncio.Task[None] | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def begin(cls, *arguments: str) -> AsyncIterator[Process]:
        environment = {**os.environ, "PYTHONPATH": str(Path(penstock.__file__).parents[1])}
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(PROGRAM), *arguments, stdin=pipe, stdout=pipe, env=environment
        )
        one = cls(process)
        try:
            yield one
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            if one._reading is not None:
                await one._reading

    async def ready(self) -> None:
        assert self._process.stdout is not None
        assert json.loads(await self._process.stdout.readline())["pid"] == self._process.pid
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            said = json.loads(line)
            self._waiting.pop(said["id"]).set_result(said["said"])
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(EOFError("the process is gone"))

    def tell(self, do: str, **order: Any) -> asyncio.Future[Any]:
        assert self._process.stdin is not None
        number = next(self._ids)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._process.stdin.write(json.dumps({"do": do, "id": number, **order}).encode() + b"\n")
        return future

    def kill(self) -> None:
        """As the kernel does it when memory is short: no goodbye."""
        os.kill(self._process.pid, signal.SIGKILL)


class World:
    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.ledger, self.gate = folder / "ledger", folder / "gate"
        self.ledger.touch()

    @contextlib.asynccontextmanager
    async def two(self) -> AsyncIterator[tuple[Process, Process]]:
        places = [str(self.folder / name) for name in ("a", "b")]
        more = (self.url, str(self.ledger), str(self.gate))
        async with Process.begin(places[0], *more) as one, Process.begin(places[1], *more) as other:
            await asyncio.gather(one.ready(), other.ready())  # both find an empty database, and make it
            documents = [chain(), fan(), slow()]
            said = await asyncio.gather(
                one.tell("apply", documents=documents), other.tell("apply", documents=documents)
            )
            assert said == ["done", "done"]
            yield one, other

    def calls(self) -> Counter[tuple[str, str]]:
        """(run, step) -> how often its call was really made."""
        return Counter(tuple(line.split()) for line in self.ledger.read_text().splitlines())  # type: ignore[misc]

    async def held(self, runs: list[str]) -> None:
        """Until each of these runs has a step at the gate."""
        while {run for run, name in self.calls() if name in ("s5#1", "hold#1")} < set(runs):  # noqa: ASYNC110
            await asyncio.sleep(0.02)

    async def asked(self, runs: list[str]) -> None:
        """Until each of these runs has asked its question."""
        while not all(any(e.kind == "step.waiting" for e in h) for h in (await self.histories(runs)).values()):  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    async def histories(self, runs: list[str]) -> dict[str, list[Event]]:
        database, journal = await open_journal(Settings(data=self.folder, journal=self.url))
        try:
            return {run_id: await journal.read(run_id) for run_id in runs}
        finally:
            await database.close()

    async def check(self, runs: list[str], end: str = "run.completed") -> None:
        """Every law a journal must obey, whatever happened to whom."""
        calls = self.calls()
        for run_id, events in (await self.histories(runs)).items():
            kinds = [event.kind for event in events]
            assert [event.seq for event in events] == list(range(1, len(events) + 1)), f"{run_id} has a gap"
            assert kinds[-1] == end, f"{run_id} ended as {kinds[-1]}"
            assert sum(kind in TERMINAL for kind in kinds) == 1, f"{run_id} ended twice"
            completed = Counter(e.fact.step for e in events if e.kind == "step.completed")
            assert not [name for name, times in completed.items() if times > 1], f"{run_id}: a step completed twice"
            kept = Counter((e.fact.step, e.fact.key) for e in events if e.kind == "step.kept")
            assert not [key for key, times in kept.items() if times > 1], f"{run_id}: a call was kept twice"
            repeated = {e.fact.step for e in events if e.kind == "step.kept" and e.fact.repeated}
            twice = {name for (run, name), times in calls.items() if run == run_id and times > 1}
            assert twice <= repeated, f"{run_id}: a call was made again, and the journal does not say so"
            assert all(times <= 2 for (run, _), times in calls.items() if run == run_id), f"{run_id}: a third call"
            if end == "run.completed":
                assert len(completed) == (11 if "ask#1" in completed else 10), f"{run_id}: {sorted(completed)}"
                assert events[-1].fact.outputs == {"n": 10}, events[-1].fact.outputs


@pytest.fixture
def world(postgres: PostgresServer, tmp_path: Path) -> World:
    return World(tmp_path, postgres.schema())


async def start_forty(*processes: Process) -> tuple[list[list[str]], list[str]]:
    """The runs each process has started, and those among them that will ask."""
    chains = await asyncio.gather(*(p.tell("start", workflow="chain", inputs={}, count=15) for p in processes))
    inputs = {"items": list(range(8))}
    fans = await asyncio.gather(*(p.tell("start", workflow="fan", inputs=inputs, count=5) for p in processes))
    return [a + b for a, b in zip(chains, fans, strict=True)], [run_id for some in fans for run_id in some]


def pairs(said: list[Any]) -> list[tuple[Any, Any]]:
    return list(zip(said[::2], said[1::2], strict=True))


async def test_both_advance_the_same_runs(world: World) -> None:
    async with asyncio.timeout(60), world.two() as (one, other):
        started, asking = await start_forty(one, other)
        runs = [run_id for some in started for run_id in some]
        doomed = await one.tell("start", workflow="slow", inputs={}, count=4)
        await world.held(runs)
        ticks = [p.tell("tick", runs=runs[:: 1 if p is one else -1]) for p in (one, other) for _ in range(3)]
        cancelled = [p.tell("cancel", run=run, by=name) for run in doomed for p, name in ((one, "a"), (other, "b"))]
        world.gate.touch()
        answered = [p.tell("answer", run=run, by=name) for run in asking for p, name in ((one, "a"), (other, "b"))]
        ticks += [p.tell("tick", runs=runs) for p in (one, other) for _ in range(3)]
        ended = await asyncio.gather(one.tell("wait", runs=runs), other.tell("wait", runs=runs))
        assert ended == [["completed"] * 40] * 2
        assert await asyncio.gather(*ticks) == ["done"] * 12
        for pair in pairs(await asyncio.gather(*answered)):
            assert sorted(map(str, pair)) == ["done", "{'error': 'approval.decided'}"]
        for pair in pairs(await asyncio.gather(*cancelled)):
            assert sorted(map(str, pair)) == ["done", "{'error': 'run.ended'}"]
        assert await other.tell("wait", runs=doomed) == ["cancelled"] * 4
    await world.check(runs)
    await world.check(doomed, "run.cancelled")


async def test_one_answers_what_the_other_has_asked_since_it_looked(world: World) -> None:
    """A state in memory is a cache of the journal: that the other process has moved on must be noticed, not denied."""
    async with asyncio.timeout(60), world.two() as (one, other):
        runs = await one.tell("start", workflow="fan", inputs={"items": list(range(8))}, count=4)
        doomed = await one.tell("start", workflow="slow", inputs={}, count=2)
        await world.held(runs)
        assert await other.tell("tick", runs=runs + doomed) == "done"  # it has seen them: nothing is asked yet
        world.gate.touch()
        await world.asked(runs)
        assert await asyncio.gather(*(other.tell("answer", run=run, by="b") for run in runs)) == ["done"] * 4
        assert await one.tell("wait", runs=runs) == ["completed"] * 4
        assert await asyncio.gather(*(one.tell("cancel", run=run, by="a") for run in doomed)) == ["done"] * 2
        again = [other.tell("cancel", run=run, by="b") for run in doomed]
        assert await asyncio.gather(*again) == [{"error": "run.ended"}] * 2
    await world.check(runs)
    await world.check(doomed, "run.cancelled")


async def test_one_is_killed_and_the_other_finishes(world: World) -> None:
    async with asyncio.timeout(60), world.two() as (one, other):
        started, asking = await start_forty(one, other)
        runs = [run_id for some in started for run_id in some]
        await world.held(runs)  # every run is in the middle: a call is under way in each
        one.kill()
        world.gate.touch()
        answered = [other.tell("answer", run=run, by="b") for run in asking]
        assert await other.tell("wait", runs=runs) == ["completed"] * 40
        assert await asyncio.gather(*answered) == ["done"] * len(asking)
    await world.check(runs)
    calls = world.calls()
    for run_id, events in (await world.histories(started[0])).items():
        step_id = next(e.fact.step for e in events if e.kind == "step.kept" and e.fact.repeated)
        assert calls[(run_id, step_id)] == 2, "the call that the dead process had begun is made again, once"
