"""Crews in whole runs: control plane, executor and journal, a real provider over HTTP, and a process that is killed."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.models.server import Answer, Provider, call, say

import penstock
from penstock.engine import events as ev
from penstock.engine.view import RunView
from penstock.stores.journal_sqlite import SqliteJournal
from penstock.stores.sqlite import Sqlite

pytestmark = pytest.mark.anyio

CHILD = Path(__file__).parent / "crew_child.py"
TASKS = 4


def flow(provider: Provider, tasks: int = 2, **more: Any) -> dict[str, Any]:
    crew = {
        "model": "openai:gpt-5",
        "base_url": provider.url,
        "agents": {"ada": {"role": "Researcher", "delegates": True}, "bob": {"role": "Writer"}},
        "tasks": [{"name": f"t{n}", "description": f"Task {n}.", "agent": "ada"} for n in range(tasks)],
        **more,
    }
    nodes = {"crew": {"kind": "crew", "with": crew}}
    return {"penstock": 1, "name": "flow", "nodes": nodes, "outputs": {"crew": "${{ nodes.crew.output }}"}}


def answers(body: dict[str, Any]) -> Answer:
    """Whoever does a task hands half of it on, then answers; who was handed something answers. A function of what was asked, so
    that the same request has the same answer in every life."""
    said = [m for m in body["messages"] if m["role"] != "system"]
    asked = said[0]["content"] if isinstance(said[0]["content"], str) else said[0]["content"][0]["text"]
    if asked.startswith("half of"):
        return say(f"did {asked}")
    if len(said) == 1:
        return call("delegate_work", {"coworker": "bob", "task": f"half of {asked.partition('.')[0]}"})
    return say(f"{asked.partition('.')[0]} done: {said[-1]['content']}")


def wanted(tasks: int) -> dict[str, Any]:
    of = {f"t{n}": f"Task {n} done: did half of Task {n}" for n in range(tasks)}
    return {"crew": {"text": of[f"t{tasks - 1}"], "tasks": of}}


async def test_a_run_tells_who_did_what_and_when(tmp_path: Path) -> None:
    async with Provider(by=answers) as provider, penstock.local(tmp_path) as p:
        await p.apply(flow(provider))
        state = await p.wait(await p.start("flow"))
        events = await p.journal.read(state.run_id)
    assert state.outputs == wanted(2)
    moved = [
        (e.fact.task, e.fact.agent, e.fact.status, e.fact.parent) for e in events if isinstance(e.fact, ev.TaskMoved)
    ]
    inner = "t0/tool:1.1:c1"
    assert moved[:4] == [
        ("t0", "ada", "started", None),
        (inner, "bob", "started", "t0"),
        (inner, "bob", "completed", "t0"),
        ("t0", "ada", "completed", None),
    ]
    order = [
        e.fact.key if isinstance(e.fact, ev.StepKept) else e.fact.status
        for e in events
        if isinstance(e.fact, ev.StepKept | ev.TaskMoved)
    ]
    assert order[:8] == [
        "started",
        "task:t0/model:1",
        "started",
        f"task:{inner}/model:1",
        "completed",
        f"task:{inner}",
        "task:t0/model:2",
        "completed",
    ]
    said = RunView.of(events).steps["crew#1"].said or []
    assert [one["task"] for one in said if one["kind"] == "task.moved"][:2] == ["t0", inner]
    lines = [line[1] for e in events if isinstance(e.fact, ev.StepNoted) for line in e.fact.lines]
    assert any(line.startswith(f"{inner} (bob): turn 1") for line in lines)


async def test_a_crew_that_is_killed_pays_for_no_call_twice(tmp_path: Path) -> None:
    """SIGKILL during the first request, during one of a manager's, and during one of somebody who was handed work."""
    alive: list[asyncio.subprocess.Process] = []
    to_kill = [1, 5, 9]  # of the requests that are not yet known
    known: set[str] = set()

    def answer(body: dict[str, Any]) -> Answer:
        known.add(provider.headers[-1]["idempotency-key"])
        if to_kill and len(known) == to_kill[0]:
            to_kill.pop(0)
            alive[-1].kill()
        return answers(body)

    document, errors = tmp_path / "flow.json", (tmp_path / "errors").open("ab")
    arguments = (sys.executable, str(CHILD), str(tmp_path / "data"), str(document))
    async with Provider(by=answer) as provider:
        document.write_text(json.dumps(flow(provider, TASKS)))
        for _ in range(4):
            child = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE, stderr=errors)
            alive.append(child)
            out, _ = await asyncio.wait_for(child.communicate(), 60)
    errors.close()
    assert out, (tmp_path / "errors").read_text()[-2000:]
    assert json.loads(out) == {"status": "completed", "outputs": wanted(TASKS), "error": None}
    assert [child.returncode for child in alive] == [-9, -9, -9, 0]
    asked = Counter(headers["idempotency-key"] for headers in provider.headers)
    assert len(asked) == 3 * TASKS and sum(asked.values()) == 3 * TASKS + 3, (
        "but for the one in flight: twice, by the same key"
    )

    database = Sqlite(tmp_path / "data" / "penstock.db")
    facts = [e.fact for e in await SqliteJournal(database).read("run_1")]
    await database.close()
    kept = [fact.key for fact in facts if isinstance(fact, ev.StepKept)]
    assert len(kept) == len(set(kept)) == 4 * TASKS
    repeated = {fact.key.replace("/", ":") for fact in facts if isinstance(fact, ev.StepKept) and fact.repeated}
    assert {key.partition("crew#1:")[2] for key, times in asked.items() if times > 1} <= repeated
    moved = Counter((f.task, f.status) for f in facts if isinstance(f, ev.TaskMoved))
    assert len(moved) == 4 * TASKS
    assert moved.total() <= 4 * TASKS + 3, "a kill repeats the last that was told, and no other"
