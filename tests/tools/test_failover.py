"""A server dies, and the work goes on: elsewhere where that does no harm, and to a fallback only with consent. Whole runs."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.tools.conftest import ODD, started

import penstock
from penstock.app import Penstock
from penstock.engine.state import RunState
from penstock.tools.config import ServerConfig

pytestmark = pytest.mark.anyio

CAPABILITIES = {"a.look": "look", "a.act": "act", "a.set": "set", "a.who": "whoami"}
PROMPTLY = 2.0  # seconds
PATIENCE = 90.0  # a test that would hang fails instead


def stdio(name: str, dies: bool = False, **more: Any) -> ServerConfig:
    env = {"ODD_NAME": name, **({"ODD_DIES": "1"} if dies else {})}
    fields = {"name": name, "command": sys.executable, "args": [ODD, "serve"], "env": env, "capabilities": CAPABILITIES}
    return ServerConfig.model_validate(fields | more)


def http(name: str, url: str, **more: Any) -> ServerConfig:
    return ServerConfig.model_validate({"name": name, "url": url, "capabilities": CAPABILITIES} | more)


def absent(name: str, **more: Any) -> ServerConfig:
    return ServerConfig.model_validate(
        {"name": name, "command": "/no/such/program", "capabilities": CAPABILITIES} | more
    )


def workflow(capability: str, path: Path, retry: int = 1, **config: Any) -> dict[str, Any]:
    node = {
        "kind": "tool",
        "with": {"capabilities": [capability], "arguments": {"path": str(path)}, **config},
        "retry": {"attempts": retry, "backoff": "1ms"},
    }
    return {"penstock": 1, "name": "call", "nodes": {"a": node}, "outputs": {"got": "${{ nodes.a.output }}"}}


@pytest.fixture
async def p(tmp_path: Path) -> AsyncIterator[Penstock]:
    async with penstock.local(tmp_path / "data") as p:
        yield p


async def run(p: Penstock, document: dict[str, Any]) -> tuple[RunState, dict[str, list[Any]]]:
    """A run to its end, and the facts of its journal by kind."""
    async with asyncio.timeout(PATIENCE):
        await p.apply(document)
        run_id = await p.start(document["name"])
        return await p.wait(run_id), await facts(p, run_id)


async def facts(p: Penstock, run_id: str) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for event in await p.journal.read(run_id):
        found.setdefault(event.kind, []).append(event.fact)
    return found


def trace(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


class TestElsewhere:
    async def test_the_journal_says_who_was_chosen_and_why(self, p: Penstock, tmp_path: Path) -> None:
        p.servers.replace([stdio("b"), stdio("a", priority=5), stdio("off", enabled=False)])
        state, told = await run(p, workflow("A-look", tmp_path / "t"))
        assert state.outputs == {"got": {"name": "a"}}
        (route,) = told["route.chosen"]
        assert (route.step, route.key, route.chosen, route.tool, route.fallback) == ("a#1", "route", "a", "look", False)
        assert [(c["server"], c["chosen"]) for c in route.candidates] == [("a", True), ("b", False)]
        assert "priority 5; named with another spelling" in route.candidates[0]["reason"]
        assert route.candidates[0]["score"] > route.candidates[1]["score"] > 0

    async def test_a_server_killed_between_two_steps_is_left_within_two_seconds(
        self, p: Penstock, tmp_path: Path
    ) -> None:
        document = workflow("a.act", tmp_path / "t")
        with started([ODD, "serve", "--http"], {"ODD_NAME": "first"}) as url:
            p.servers.replace([http("first", url, priority=5), stdio("second")])
            state, _ = await run(p, document)
            assert state.outputs == {"got": {"name": "first"}}
            await p.servers.tools("second")  # warm
        began = time.monotonic()
        state, told = await run(p, document)
        assert time.monotonic() - began < PROMPTLY
        assert state.outputs == {"got": {"name": "second"}}, "it never got there, so it may be made elsewhere"
        assert [route.chosen for route in told["route.chosen"]] == ["first", "second"]
        assert "tried before: first/act: no connection" in told["route.chosen"][1].candidates[-1]["reason"]
        assert p.servers.standing("first").health == "unhealthy"
        state, told = await run(p, document)
        assert [route.chosen for route in told["route.chosen"]] == ["second"], "nobody goes there again for now"

    async def test_a_server_killed_while_it_reads_is_left_within_two_seconds(self, p: Penstock, tmp_path: Path) -> None:
        p.servers.replace([stdio("first", dies=True, priority=5), stdio("second")])
        await p.servers.tools("first")
        await p.servers.tools("second")
        began = time.monotonic()
        state, _ = await run(p, workflow("a.look", tmp_path / "t"))
        assert time.monotonic() - began < PROMPTLY
        assert state.outputs == {"got": {"name": "second"}}
        (first, second) = (line.split() for line in trace(tmp_path / "t"))
        assert (first[0], second[0]) == ("first", "second")
        assert first[1:] == second[1:], "with the same key"

    @pytest.mark.parametrize(
        ("capability", "said", "who"),
        [
            ("a.set", {}, "second"),  # the tool says that it may be repeated
            ("a.act", {"act": {"repeatable": True}}, "second"),  # the operator says so
            ("a.act", {}, None),
            ("a.set", {"set": {"repeatable": False}}, None),
        ],
    )
    async def test_what_may_have_been_done_is_done_elsewhere_only_where_that_is_harmless(
        self, p: Penstock, tmp_path: Path, capability: str, said: dict[str, Any], who: str | None
    ) -> None:
        p.servers.replace([stdio("first", dies=True, priority=5, tools=said), stdio("second")])
        state, _ = await run(p, workflow(capability, tmp_path / "t"))
        if who is None:
            assert state.error is not None
            assert state.error["code"] == "tool.server_died"
            assert [line.split()[0] for line in trace(tmp_path / "t")] == ["first"], "made once, and not elsewhere"
        else:
            assert state.outputs == {"got": {"name": who}}

    async def test_the_steps_retry_stays_with_the_server_and_the_key(self, p: Penstock, tmp_path: Path) -> None:
        p.servers.replace([stdio("first", dies=True, priority=5), stdio("second")])
        state, told = await run(p, workflow("a.act", tmp_path / "t", retry=3))
        assert state.error is not None
        assert len(trace(tmp_path / "t")) == 3
        assert len(set(trace(tmp_path / "t"))) == 1, "one server, one key"
        assert len(told["route.chosen"]) == 1

    async def test_nobody_is_left(self, p: Penstock, tmp_path: Path) -> None:
        p.servers.replace([absent("first"), absent("second")])
        state, told = await run(p, workflow("a.act", tmp_path / "t"))
        assert state.error is not None
        assert (state.error["code"], state.error["retryable"]) == ("tool.server_broken", True)
        assert "route.chosen" not in told

    async def test_a_breaker_that_opens_is_in_the_journal_and_then_nobody_asks(
        self, p: Penstock, tmp_path: Path
    ) -> None:
        p.servers.replace([absent("only")])
        state, told = await run(p, workflow("a.act", tmp_path / "t", retry=6))
        assert [(f.subject, f.state) for f in told["breaker.moved"]] == [("server only", "open")]
        assert state.error is not None
        assert state.error["code"] == "tool.unavailable"
        assert "left alone for 30 s" in state.error["message"]
        assert p.servers.breakers()["only"]["state"] == "open"

    async def test_a_claim_that_is_not_true_is_found_out_and_another_does_it(self, p: Penstock, tmp_path: Path) -> None:
        liar = stdio("liar", priority=5, capabilities={"a.look": "divine"})
        p.servers.replace([liar, stdio("honest")])
        state, _ = await run(p, workflow("a.look", tmp_path / "t"))
        assert state.outputs == {"got": {"name": "honest"}}
        assert p.servers.breakers()["liar"]["failures"] == 1
        p.servers.replace([liar])
        state, _ = await run(p, workflow("a.look", tmp_path / "t"))
        assert state.error is not None
        assert state.error["code"] == "tool.false_claim"

    async def test_a_rate_sends_the_next_call_elsewhere(self, p: Penstock, tmp_path: Path) -> None:
        p.servers.replace([stdio("first", priority=5, per_minute=1), stdio("second")])
        chosen = []
        for _ in range(2):
            state, told = await run(p, workflow("a.look", tmp_path / "t", timeout_seconds=20))
            assert state.status == "completed"
            chosen.append(told["route.chosen"][-1])
        assert [route.chosen for route in chosen] == ["first", "second"]
        assert "its rate allows the next call" in chosen[1].candidates[-1]["reason"]


@contextlib.asynccontextmanager
async def asked(p: Penstock, document: dict[str, Any]) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """A run that asks a person: its id and the question."""
    async with asyncio.timeout(PATIENCE):
        await p.apply(document)
        run_id = await p.start(document["name"])
        await p.control.wait(run_id, lambda state: state.asking > 0 or state.status in ("completed", "failed"))
        (ask,) = (await p.runs.row(run_id)).asks or [{}]
        yield run_id, ask


class TestConsent:
    async def test_a_fallback_is_asked_for_and_used_when_it_is_allowed(self, p: Penstock, tmp_path: Path) -> None:
        p.servers.replace([absent("first"), stdio("oracle", fallback=True)])
        async with asked(p, workflow("a.act", tmp_path / "t")) as (run_id, ask):
            assert ask["choices"] == ["allow", "deny"]
            assert "oracle" in ask["title"]
            assert "first: server 'first' could not be started" in ask["message"]
            assert trace(tmp_path / "t") == []
            await p.control.answer(run_id, "a#1", "allow", "ann")
            state = await p.wait(run_id)
        assert state.outputs == {"got": {"name": "oracle"}}
        told = await facts(p, run_id)
        assert [(f.server, f.granted, f.by) for f in told["consent.given"]] == [("oracle", True, "ann")]
        assert [(f.chosen, f.fallback) for f in told["route.chosen"]] == [("oracle", True)]
        assert len(trace(tmp_path / "t")) == 1

    async def test_it_is_not_used_when_it_is_denied(self, p: Penstock, tmp_path: Path) -> None:
        p.servers.replace([absent("first"), stdio("oracle", fallback=True)])
        async with asked(p, workflow("a.act", tmp_path / "t", retry=3)) as (run_id, _):
            await p.control.answer(run_id, "a#1", "deny", "ann")
            state = await p.wait(run_id)
        assert state.error is not None
        assert state.error["code"] == "tool.consent_denied"
        assert trace(tmp_path / "t") == []
        told = await facts(p, run_id)
        assert [(f.server, f.granted, f.by) for f in told["consent.given"]] == [("oracle", False, "ann")]

    async def test_the_other_server_is_back_when_the_answer_comes(self, p: Penstock, tmp_path: Path) -> None:
        p.servers.replace([absent("first"), stdio("oracle", fallback=True)])
        async with asked(p, workflow("a.act", tmp_path / "t")) as (run_id, _):
            p.servers.replace([stdio("first"), stdio("oracle", fallback=True)])
            await p.control.answer(run_id, "a#1", "allow", "ann")
            state = await p.wait(run_id)
        assert state.outputs == {"got": {"name": "first"}}, "a fallback is for when there is no other"

    async def test_a_server_that_dies_after_it_was_chosen_leads_to_the_question_too(
        self, p: Penstock, tmp_path: Path
    ) -> None:
        document = workflow("a.act", tmp_path / "t")
        with started([ODD, "serve", "--http"], {"ODD_NAME": "first"}) as url:
            p.servers.replace([http("first", url), stdio("oracle", fallback=True)])
            assert (await run(p, document))[0].status == "completed"
        async with asked(p, document) as (run_id, ask):
            assert "first: first/act: no connection" in ask["message"]
            await p.control.answer(run_id, "a#1", "allow", "ann")
            state = await p.wait(run_id)
        assert state.outputs == {"got": {"name": "oracle"}}
        assert [f.key for f in (await facts(p, run_id))["route.chosen"]] == ["route", "route:2"]

    @pytest.mark.parametrize(("step", "server"), [("allowed", "ask"), (None, "allowed"), ("allowed", "allowed")])
    async def test_granted_in_advance_nobody_is_asked(
        self, p: Penstock, tmp_path: Path, step: str | None, server: str
    ) -> None:
        p.servers.replace([absent("first"), stdio("oracle", fallback=True, consent=server)])
        config = {} if step is None else {"fallback": step}
        state, told = await run(p, workflow("a.act", tmp_path / "t", **config))
        assert state.outputs == {"got": {"name": "oracle"}}
        assert [(f.server, f.granted, f.by) for f in told["consent.given"]] == [("oracle", True, "policy")]

    @pytest.mark.parametrize(("step", "server"), [("denied", "allowed"), ("allowed", "denied"), (None, "denied")])
    async def test_denied_in_advance_nobody_is_asked_and_the_no_stands(
        self, p: Penstock, tmp_path: Path, step: str | None, server: str
    ) -> None:
        p.servers.replace([stdio("oracle", fallback=True, consent=server)])
        config = {} if step is None else {"fallback": step}
        state, _ = await run(p, workflow("a.act", tmp_path / "t", **config))
        assert state.error is not None
        assert state.error["code"] == "tool.consent_denied"
        assert trace(tmp_path / "t") == []


async def test_an_agents_call_by_capability_finds_its_way_like_a_step_and_says_why(p: Penstock, tmp_path: Path) -> None:
    p.servers.replace([stdio("one", dies=True, priority=5), stdio("two"), absent("three")])
    document = {
        "penstock": 1,
        "name": "talk",
        "nodes": {
            "a": {
                "kind": "agent",
                "with": {
                    "instructions": "Go.",
                    "tools": [{"capabilities": ["a.look"], "name": "look"}],
                    "script": [{"call": {"look": {"path": str(tmp_path / "seen")}}}, "looked"],
                },
            }
        },
    }
    state, told = await run(p, document)
    assert state.status == "completed", state.error
    assert [fact.chosen for fact in told["route.chosen"]] == ["one", "two"]
    assert {one["server"] for one in told["route.chosen"][-1].candidates} == {"one", "two", "three"}
    (kept,) = [f.value for f in told["step.kept"] if f.key.startswith("tool:") and "text" in (f.value or {})]
    assert not kept["failed"]
