"""Agents that use workflows as tools, and their money: whole runs against a provider over HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.models.server import Provider, call, calls, say
from tests.nodes.test_agent_run import flow, run

import penstock
from penstock.engine import events as ev
from penstock.errors import PenstockError

pytestmark = pytest.mark.anyio

WEIGH = """
penstock: 1
name: weigh-it
description: Says how heavy a thing is.
inputs: {type: object, required: [thing], properties: {thing: {type: string}, grams: {type: integer, default: 3}}}
nodes:
  note: {kind: render, with: {name: note.md, template: "{{ thing }} weighs {{ grams }} g",
    data: {thing: "${{ inputs.thing }}", grams: "${{ inputs.grams }}"}}}
outputs: {grams: "${{ inputs.grams }}"}
"""


def script(*turns: Any) -> dict[str, Any]:
    return {"model": "scripted:", "instructions": "Go.", "script": list(turns)}


async def test_a_workflow_is_a_tool_whose_runs_belong_to_the_run(tmp_path: Path) -> None:
    turns = (
        call("weigh-it", {"thing": "feather"}),
        calls(("a", "weigh-it", {"thing": "cat", "grams": 4_000}), ("b", "weigh-it", {})),
        say("3 and 4000"),
    )
    async with Provider(*turns) as provider, penstock.local(tmp_path, keys_from_environment=False) as p:
        await p.apply(WEIGH)
        await p.gate.publish("default", "weigh-it", "ada")
        await p.vault.put("default", "KEY", "sk-any")
        state = await run(p, flow(provider, tools=[{"workflow": "weigh-it"}], api_key_secret="KEY"))
        assert (state.status, state.outputs) == ("completed", {"answer": {"text": "3 and 4000"}})
        told = provider.bodies[0]["tools"][0]["function"]
        assert (told["name"], told["description"]) == ("weigh-it", "Says how heavy a thing is.")
        said = [m["content"] for m in provider.bodies[-1]["messages"] if m["role"] == "tool"]
        assert [json.loads(text) for text in said[:2]] == [{"grams": 3}, {"grams": 4_000}]
        assert "thing" in said[2], "what the call lacks is told to the model; no run is begun"
        children = (await p.runs.list("default", parent=state.run_id)).items
        assert [row.status for row in children] == ["completed"] * 2
        assert len(provider.bodies) == 3, "what was kept is not asked again when the step goes on"


async def test_a_run_that_fails_is_told_to_the_model_and_an_unknown_workflow_ends_the_step(tmp_path: Path) -> None:
    broken = WEIGH.replace("note.md", "../note.md")
    async with penstock.local(tmp_path) as p:
        await p.apply(broken)
        await p.gate.publish("default", "weigh-it", "ada")
        turns = script({"call": {"weigh-it": {"thing": "x"}}}, {"say": "it failed"})
        document = {"penstock": 1, "name": "flow", "nodes": {"talk": {"kind": "agent", "with": turns}}}
        document["nodes"]["talk"]["with"]["tools"] = [{"workflow": "weigh-it"}]
        state = await run(p, document)
        assert state.status == "completed"
        kept = [e.fact for e in await p.journal.read(state.run_id) if isinstance(e.fact, ev.StepKept)]
        (told,) = [f.value for f in kept if f.key.startswith("tool:") and "text" in f.value]
        assert told["failed"] and "name for an artifact" in told["text"]
        turns["tools"] = [{"workflow": "nowhere"}]
        try:
            state = await run(p, document)
        except PenstockError as error:
            assert error.code in ("preflight.failed", "workflow.not_found")
        else:
            assert state.error["code"] == "version.not_found"  # type: ignore[index]


async def test_a_bounded_run_asks_for_no_longer_an_answer_than_it_can_pay(tmp_path: Path) -> None:
    async with Provider(say("x" * 200, usage=(20, 60, 0))) as provider, penstock.local(tmp_path) as p:
        await p.vault.put("default", "KEY", "sk-any")
        document = {**flow(provider, api_key_secret="KEY"), "limits": {"tokens": 100}}
        state = await run(p, document)
        assert (state.status, state.tokens) == ("completed", 80)
        (body,) = provider.bodies
        assert 16 <= body["max_completion_tokens"] <= 90
        assert (await run(p, {**document, "limits": {"tokens": 20}})).error["code"] == "limit.tokens"
        assert len(provider.bodies) == 1, "a refusal makes no request"


async def test_a_model_without_a_price_passes_no_limit_of_money(tmp_path: Path) -> None:
    async with Provider(say("hello")) as provider, penstock.local(tmp_path) as p:
        await p.vault.put("default", "KEY", "sk-any")
        document = flow(provider, api_key_secret="KEY", model="openai:nobody-knows-this-one")
        state = await run(p, {**document, "limits": {"usd": 100}})
        assert (state.error["code"], len(provider.bodies)) == ("limit.unknown_price", 0)  # type: ignore[index]
        assert (await run(p, {**document, "limits": {"tokens": 10_000}})).status == "completed"


@pytest.mark.parametrize("mode", ["test_run", "full_run"])
async def test_a_test_run_is_five_requests_long_at_most(tmp_path: Path, mode: str) -> None:
    turns = [{"call": {"nothing": {"n": n}}} for n in range(8)]
    document = {"penstock": 1, "name": "flow", "nodes": {"talk": {"kind": "agent", "with": script(*turns, "done")}}}
    async with penstock.local(tmp_path) as p:
        await p.apply(document)
        state = await p.wait(await p.start("flow", mode=mode))
        asked = [e for e in await p.journal.read(state.run_id) if e.kind == "step.kept" and "model:" in e.fact.key]
        assert len(asked) == (5 if mode == "test_run" else 9)
        assert (state.error or {}).get("code") == ("limit.iterations" if mode == "test_run" else None)


async def test_policies_are_asked_of_what_a_run_begins_too(tmp_path: Path) -> None:
    denies = {"on": ["run.start"], "then": "deny", "when": "has(inputs.thing) && inputs.thing == 'bomb'"}
    async with penstock.local(tmp_path) as p:
        await p.apply(WEIGH)
        await p.gate.publish("default", "weigh-it", "ada")
        await p.policies.put("default", "no-bombs", denies)
        turns = script({"call": {"weigh-it": {"thing": "bomb"}}}, {"call": {"weigh-it": {"thing": "cat"}}}, "done")
        turns["tools"] = [{"workflow": "weigh-it"}]
        document = {"penstock": 1, "name": "flow", "nodes": {"talk": {"kind": "agent", "with": turns}}}
        state = await run(p, document)
        kept = [e.fact for e in await p.journal.read(state.run_id) if isinstance(e.fact, ev.StepKept)]
        told = [f.value for f in kept if f.key.startswith("tool:") and "text" in f.value]
        assert [one["failed"] for one in told] == [True, False]
        assert len((await p.runs.list("default", parent=state.run_id)).items) == 1
