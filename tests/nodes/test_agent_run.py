"""Agents in whole runs: control plane, executor and journal, a real provider over HTTP, and a process that is killed."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from tests.models.server import Answer, Provider, call, fails, say

import penstock
from penstock.app import Penstock
from penstock.engine import events as ev
from penstock.models.registry import Models
from penstock.nodes.agent import Agent
from penstock.nodes.function import Function, register, unregister
from penstock.stores.journal_sqlite import SqliteJournal
from penstock.stores.sqlite import Sqlite
from penstock.tools.registry import Servers

pytestmark = pytest.mark.anyio

CHILD = Path(__file__).parents[1] / "models" / "agent_child.py"


async def no_sleep(seconds: float) -> None:
    return None


def local(folder: Path) -> Any:
    return penstock.local(folder, {"agent": Agent(Models(sleep=no_sleep, chance=lambda: 0.5), Servers(), Function())})


def flow(provider: Provider, node: dict[str, Any] | None = None, **config: Any) -> dict[str, Any]:
    given = {"model": "openai:gpt-5", "base_url": provider.url, "instructions": "Go.", **config}
    return {
        "penstock": 1,
        "name": "flow",
        "nodes": {"talk": {"kind": "agent", "with": given, **(node or {})}},
        "outputs": {"answer": "${{ nodes.talk.output }}"},
    }


async def run(p: Penstock, document: dict[str, Any]) -> Any:
    await p.apply(document)
    return await p.wait(await p.start(document["name"]))


def files_with(folder: Path, needle: bytes) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and needle in file.read_bytes()]


@pytest.fixture
def tool() -> Any:
    made: list[Any] = []

    async def note(given: Any) -> Any:
        made.append(given)
        return {"noted": given}

    register("note_it", note)
    yield made
    unregister("note_it")


TOOLS = [{"function": "note_it"}]


async def test_a_retried_step_goes_on_after_its_last_kept_call(tmp_path: Path, tool: list[Any]) -> None:
    answers = [call("note_it", {"n": 1}), call("note_it", {"n": 2}), *[fails(500)] * 4, say("done")]
    async with Provider(*answers) as provider, local(tmp_path) as p:
        retry = {"retry": {"attempts": 2, "backoff": 0.01}}
        state = await run(p, flow(provider, retry, tools=TOOLS))
        assert (state.status, state.outputs) == ("completed", {"answer": {"text": "done"}})
        assert len(provider.bodies) == 7, "two turns, four failures, and the rest of the talk: nothing twice"
        assert tool == [{"n": 1}, {"n": 2}]
        facts = [event.fact for event in await p.journal.read(state.run_id)]
        assert [f.error["code"] for f in facts if isinstance(f, ev.StepFailed)] == ["model.unavailable"]
        assert [f.key for f in facts if isinstance(f, ev.StepKept)] == [
            "model:1",
            "tool:1.1:c1",
            "model:2",
            "tool:2.1:c1",
            "model:3",
        ]


async def test_a_process_that_stops_and_one_that_takes_over(tmp_path: Path, tool: list[Any]) -> None:
    hold = asyncio.Event()
    async with Provider(call("note_it", {"n": 1}), say("slow", pause=hold), say("done")) as provider:
        async with local(tmp_path) as p:
            await p.apply(flow(provider, tools=TOOLS))
            run_id = await p.start("flow")
            while len(provider.bodies) < 2:
                provider.asked.clear()
                await provider.asked.wait()
            p.settings.stop_grace = 0
        assert provider.gone == 1, "who stops hangs up"
        async with local(tmp_path) as p:
            state = await p.wait(run_id)
        assert state.outputs == {"answer": {"text": "done"}}
    assert [h["idempotency-key"].rpartition(":")[2] for h in provider.headers] == ["1", "2", "2"]
    assert tool == [{"n": 1}]


@pytest.mark.parametrize("way", ["cancel", "timeout"])
async def test_cancel_and_time_out_hang_up_and_ask_no_more(tmp_path: Path, way: str) -> None:
    node = {"timeout": 0.3} if way == "timeout" else {}
    async with Provider(say("never", pause=asyncio.Event())) as provider, local(tmp_path) as p:
        await p.apply(flow(provider, node))
        run_id = await p.start("flow")
        await provider.asked.wait()
        if way == "cancel":
            await p.control.cancel(run_id, "ada")
        async with asyncio.timeout(1):
            await provider.hung_up.wait()
        state = await p.wait(run_id)
        assert state.status == ("cancelled" if way == "cancel" else "failed")
        assert way == "cancel" or (state.error or {})["code"] == "step.timeout"
        assert (provider.gone, len(provider.bodies)) == (1, 1)


async def test_other_branches_go_on_and_the_answers_fields_are_known(tmp_path: Path) -> None:
    async with Provider(fails(401)) as provider, local(tmp_path) as p:
        document = flow(provider, {"on_error": "continue"})
        schema = {"type": "object", "required": ["ok"], "properties": {"ok": {"type": "boolean"}}}
        document["nodes"]["judge"] = {
            "kind": "agent",
            "with": {"instructions": "Judge.", "output": schema, "script": [{"output": {"ok": True}}]},
        }
        document["outputs"] = {"ok": "${{ nodes.judge.output.ok }}"}
        state = await run(p, document)
        assert (state.status, state.outputs) == ("completed", {"ok": True})
        codes = [e.fact.error["code"] for e in await p.journal.read(state.run_id) if isinstance(e.fact, ev.StepFailed)]
        assert codes == ["model.bad_key"]


async def test_a_runs_token_limit_stops_the_talk_before_the_next_request(tmp_path: Path, tool: list[Any]) -> None:
    turn = call("note_it", {"n": 1}, usage=(200, 100, 0))
    async with Provider(turn) as provider, local(tmp_path) as p:
        state = await run(p, {**flow(provider, tools=TOOLS), "limits": {"tokens": 1_000}})
        assert (state.status, (state.error or {})["code"]) == ("failed", "limit.tokens")
        assert state.tokens <= 1_000
        assert 1 <= len(provider.bodies) <= 4
        assert len(tool) >= len(provider.bodies) - 1


async def test_a_secret_key_is_written_nowhere(tmp_path: Path) -> None:
    async with Provider(fails(401, "wrong key: sk-canary-1234567890"), say("x")) as provider, local(tmp_path) as p:
        await p.vault.put("default", "MINE", "sk-canary-1234567890")
        await run(p, flow(provider, api_key_secret="MINE"))
        assert provider.headers[0]["authorization"] == "Bearer sk-canary-1234567890"
    assert files_with(tmp_path, b"sk-canary-1234567890") == []


# ---------------------------------------------------------------------------------------------------------------- kill -9

TURNS = 12
KILL_AT = (1, 6, 12)  # turns during whose request the process dies


async def test_killed_in_the_middle_of_its_turns_it_pays_for_nothing_twice(tmp_path: Path) -> None:
    alive: list[asyncio.subprocess.Process] = []
    to_kill = set(KILL_AT)

    def answers(body: dict[str, Any]) -> Answer:
        turn = 1 + sum(1 for message in body["messages"] if message["role"] == "assistant")
        if turn in to_kill:
            to_kill.discard(turn)
            alive[-1].kill()
        if turn < TURNS:
            return call("note", {"n": turn}, id=f"c{turn}")
        return call("final_result", {"sum": sum(range(1, TURNS))}, id="end")

    errors = (tmp_path / "errors").open("ab")
    arguments = (sys.executable, str(CHILD), str(tmp_path / "data"))
    async with Provider(by=answers) as provider:
        for _ in range(len(KILL_AT) + 1):
            ledger = str(tmp_path / "ledger")
            child = await asyncio.create_subprocess_exec(
                *arguments, provider.url, ledger, stdout=asyncio.subprocess.PIPE, stderr=errors
            )
            alive.append(child)
            out, _ = await asyncio.wait_for(child.communicate(), 60)
    errors.close()
    assert out, (tmp_path / "errors").read_text()[-2000:]
    assert json.loads(out) == {"status": "completed", "outputs": {"sum": 66}, "error": None}
    assert [child.returncode for child in alive] == [-9] * len(KILL_AT) + [0]

    asked = Counter(headers["idempotency-key"] for headers in provider.headers)
    assert {int(key.rpartition(":")[2]): n for key, n in asked.items()} == {
        turn: 2 if turn in KILL_AT else 1 for turn in range(1, TURNS + 1)
    }, "each request once, but for the one in flight at a kill: twice, under the same key"

    keys: dict[int, set[str]] = defaultdict(set)
    for line in (tmp_path / "ledger").read_text().splitlines():
        number, key = line.split()
        keys[int(number)].add(key)
    assert sorted(keys) == list(range(1, TURNS))
    assert all(len(found) == 1 for found in keys.values()), "a call that is repeated has the same idempotency key"

    database = Sqlite(tmp_path / "data" / "penstock.db")
    kept = [e.fact for e in await SqliteJournal(database).read("run_1") if isinstance(e.fact, ev.StepKept)]
    await database.close()
    assert len({fact.key for fact in kept}) == len(kept) == 2 * TURNS - 1
    repeated = {fact.key for fact in kept if fact.repeated}
    assert {f"model:{turn}" for turn in KILL_AT} <= repeated, "what may have been made twice is flagged"
