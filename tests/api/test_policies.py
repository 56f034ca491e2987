"""Policies over HTTP: three layers, changes that hold at once, and what they would have said."""

from __future__ import annotations

from pathlib import Path

import pytest

import penstock
from penstock.errors import Invalid, PenstockError, Refused

pytestmark = pytest.mark.anyio

KEY = "sk-ant-api03-abcdefghijklmnop1234567890"
TALK = """
penstock: 1
name: talkative
inputs: {type: object, properties: {text: {type: string, default: hello}}}
nodes:
  say:
    kind: agent
    with: {instructions: "Say ${{ inputs.text }}", tools: [], script: ["it is bob@example.com"]}
outputs: {text: "${{ nodes.say.output.text }}"}
"""
HOLD = {"on": ["model.call"], "then": "require_approval", "message": "before it is asked"}


async def test_a_group_changes_what_comes_with_the_installation_key_by_key(house, is_problem):
    listed = {one["name"]: one for one in (await house.http.get("/policies")).json()["items"]}
    assert {name: one["enabled"] for name, one in listed.items()} == {
        "secrets": True,
        "lethal-trifecta": True,
        "personal-data": False,
        "prompt-injection": False,
    }
    assert {one["source"] for one in listed.values()} == {"built-in"}
    made = await house.http.put("/policies/personal-data", json={"enabled": True})
    assert made.status_code == 200, made.text
    assert (made.json()["enabled"], made.json()["then"], made.json()["changed"]) == (True, "redact", ["enabled"])
    assert (await house.http.delete("/policies/personal-data")).status_code == 204
    assert (await house.http.get("/policies/personal-data")).json() == listed["personal-data"]
    is_problem(await house.http.delete("/policies/personal-data"), 404, "policy.not_found")
    is_problem(await house.http.get("/policies/nonsense"), 404, "policy.not_found")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"on": ["tool.cal"], "then": "deny"}, "/on/0"),
        ({"on": ["tool.call"], "then": "denny"}, "/then"),
        ({"on": ["tool.call"], "then": "deny", "when": "runs.usd > 1"}, "/when"),
        ({}, "/on"),
    ],
)
async def test_what_is_no_policy_is_refused_with_its_place(house, is_problem, body, pointer):
    answer = is_problem(await house.http.put("/policies/mine", json=body), 422, "policy.invalid")
    assert answer["errors"][0]["pointer"] == pointer
    is_problem(await house.http.get("/policies/mine"), 404, "policy.not_found")


async def test_a_policy_holds_for_the_next_run_and_before_it_begins(house, is_problem):
    await house.core.apply(TALK)
    body = {
        "on": ["run.start"],
        "then": "deny",
        "when": 'inputs.text == "no" && run.workflow == "talkative"',
        "message": "not that",
    }
    assert (await house.http.put("/policies/no", json=body)).status_code == 200
    refused = await house.http.post("/runs", json={"workflow": "talkative", "inputs": {"text": "no"}})
    assert is_problem(refused, 403, "policy.denied")["detail"] == "policy no: not that"
    run = await house.run("talkative", {"text": "yes"})
    assert run["status"] == "completed"
    assert (await house.http.delete("/policies/no")).status_code == 204
    assert (await house.run("talkative", {"text": "no"}))["status"] == "completed"


async def test_inputs_are_redacted_before_they_are_journalled(house):
    await house.core.apply(TALK)
    run = await house.run("talkative", {"text": f"use {KEY}"})
    events = await house.core.journal.read(run["run_id"])
    assert events[0].fact.inputs == {"text": "use [redacted:anthropic_key]"}
    said = {"policy": "secrets", "point": "run.start", "then": "redact", "message": "secrets do not go further"}
    assert events[1].fact.report == {"policies": [{**said, "found": {"anthropic_key": 1}}]}


async def test_a_person_approves_a_call_and_the_run_goes_on(house):
    await house.core.apply(TALK)
    await house.http.put("/policies/hold", json=HOLD)
    try:
        run = await house.run("talkative", wait=0)
        await house.until(run["run_id"], "waiting")
        items = (await house.http.get("/approvals", params={"limit": 200})).json()["items"]
        mine = next(item for item in items if item["run_id"] == run["run_id"])
        assert "before it is asked" in mine["ask"]["message"]
        path = f"/approvals/{mine['id']}"
        done = await house.http.post(path, json={"decision": "approve"}, headers={"Prefer": "wait=20"})
        assert (done.json()["status"], done.json()["outputs"]) == (
            "completed",
            {"text": "[scripted] it is bob@example.com"},
        )
    finally:
        await house.http.delete("/policies/hold")
    kinds = [event.kind for event in await house.core.journal.read(run["run_id"])]
    assert kinds.count("policy.decided") == 1
    assert kinds.index("policy.decided") < kinds.index("step.waiting")


async def test_a_run_is_paused_and_goes_on_when_the_policy_is_gone(house):
    await house.core.apply(TALK)
    await house.http.put("/policies/stop", json={"on": ["model.call"], "then": "pause", "message": "look first"})
    run = await house.run("talkative", wait=0)
    await house.until(run["run_id"], "paused")
    await house.http.delete("/policies/stop")
    resumed = await house.http.post(f"/runs/{run['run_id']}/resume", json={}, headers={"Prefer": "wait=20"})
    assert resumed.json()["status"] == "completed", resumed.text


async def test_a_dry_run_says_what_policies_would_have_said(house, is_problem):
    await house.core.apply(TALK)
    run = await house.run("talkative")
    trial = {"pii": {"on": ["model.result"], "then": "redact", "what": ["pii"]}}
    tested = await house.http.post("/policies/test", json={"run": run["run_id"], "policies": trial})
    items = {one["point"]: one for one in tested.json()["items"]}
    assert set(items) == {"run.start", "model.result"}
    assert (items["model.result"]["policy"], items["model.result"]["found"]) == ("pii", {"email": 1})
    assert items["model.result"]["redacted"]["text"] == "[scripted] it is [redacted:email]"
    assert items["run.start"]["policy"] is None
    body = {"point": "tool.call", "value": {"a": 1}, "touches": ["sends"], "touched": ["private", "untrusted"]}
    one = (await house.http.post("/policies/test", json=body)).json()["items"][0]
    assert (one["then"], one["policy"], one["redacted"]) == ("require_approval", "lethal-trifecta", {"a": 1})
    is_problem(await house.http.post("/policies/test", json={"run": "nonsense"}), 404, "run.not_found")
    is_problem(await house.http.post("/policies/test", json={}), 422, "body.invalid")
    is_problem(await house.http.post("/policies/test", json={"point": "x"}), 422, "invalid")


async def test_the_installation_says_more_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "policies.yaml"
    file.write_text(
        "policies:\n  shut:\n    on: [run.start]\n    then: deny\n    message: closed\n  secrets: {enabled: false}\n"
    )
    async with penstock.local(tmp_path) as p:
        await p.apply(TALK)
        with pytest.raises(Refused, match="closed"):
            await p.start("talkative")
        listed = {one["name"]: one for one in await p.policies.list("default")}
        assert (listed["shut"]["source"], listed["secrets"]["enabled"]) == ("installation", False)
        await p.policies.put("default", "shut", {"enabled": False})
        assert (await p.wait(await p.start("talkative"))).status == "completed"
        with pytest.raises(Refused, match="closed"):
            await p.policies.admit("another", {}, {})
        file.write_text("policies: {shut: {on: [run.start], then: shutt}}")
        p.policies._read_at = None  # as if it was long ago
        with pytest.raises(Refused) as caught:
            await p.start("talkative")
        assert caught.value.code == "policy.broken"
        assert "shutt" in caught.value.message
        await p.policies.put("default", "secrets", {"message": "not here"})
        await p.policies._registry.put("default", "policies", "gone", {"message": "of a policy that was"})
        file.write_text("")
        p.policies._read_at = None
        assert (await p.wait(await p.start("talkative"))).status == "completed", (
            "what was said of a policy that is gone is nothing"
        )
    file.write_text("policies: {no: {on: [run.start], then: deny}}")
    with pytest.raises(Invalid) as wrong:
        async with penstock.local(tmp_path):
            pass
    assert wrong.value.code == "policy.invalid"


async def test_policies_of_a_group_hold_after_a_restart(tmp_path: Path) -> None:
    async with penstock.local(tmp_path) as p:
        await p.apply(TALK)
        await p.policies.put("default", "end", {"on": ["model.call"], "then": "abort", "message": "over"})
    async with penstock.local(tmp_path) as p:
        state = await p.wait(await p.start("talkative"))
        assert (state.status, state.error["code"]) == ("failed", "policy.aborted")
        with pytest.raises(PenstockError):
            await p.policies.delete("default", "nonsense")
