"""What people are asked and what they put right: approvals and dead letters."""

from __future__ import annotations

import uuid
from urllib.parse import quote

import pytest

pytestmark = pytest.mark.anyio


async def approval_of(house, run_id: str) -> dict:
    items = (await house.http.get("/approvals", params={"limit": 200})).json()["items"]
    return next(item for item in items if item["run_id"] == run_id)


async def test_a_question_is_listed_and_answered_once(house, is_problem):
    run = await house.run("ask", wait=0)
    await house.until(run["run_id"], "waiting")
    approval = await approval_of(house, run["run_id"])
    assert (approval["workflow"], approval["step"], approval["ask"]["title"]) == ("ask", "ok#1", "Ship it?")
    path = f"/approvals/{approval['id']}"
    is_problem(await house.http.post(path, json={"decision": "maybe"}), 422, "approval.bad_decision")
    is_problem(await house.http.post(path, json={"decision": "reject"}), 422, "approval.comment_required")
    done = await house.http.post(path, json={"decision": "reject", "comment": "no"}, headers={"Prefer": "wait=20"})
    assert done.status_code == 200
    assert done.json()["outputs"] == {"decision": "reject"}
    answer = done.json()["steps"][0]["answer"]
    assert answer["actor"] == "local"
    is_problem(await house.http.post(path, json={"decision": "approve"}), 409, "approval.decided")
    listed = (await house.http.get("/approvals", params={"limit": 200})).json()["items"]
    assert run["run_id"] not in {item["run_id"] for item in listed}


async def test_what_is_filled_in_is_held_to_what_was_asked_for(house, is_problem):
    fields = {"type": "object", "required": ["amount"], "properties": {"amount": {"type": "integer", "minimum": 1}}}
    node = {"kind": "human", "with": {"title": "How much?", "fields": fields}}
    outputs = {"amount": "${{ nodes.ok.output.fields.amount }}"}
    await house.core.apply({"penstock": 1, "name": "amount", "nodes": {"ok": node}, "outputs": outputs})
    run = await house.run("amount", wait=0)
    await house.until(run["run_id"], "waiting")
    (asked,) = [a for a in (await house.http.get("/approvals")).json()["items"] if a["run_id"] == run["run_id"]]
    place = f"/approvals/{quote(asked['id'], safe='')}"
    for wrong, pointer in (
        (None, "/fields/amount"),
        ({"amount": 0}, "/fields/amount"),
        ({"amount": "x"}, "/fields/amount"),
    ):
        answer = await house.http.post(place, json={"decision": "approve", "fields": wrong})
        assert is_problem(answer, 422, "approval.bad_fields")["errors"][0]["pointer"] == pointer
    answer = await house.http.post(place, json={"decision": "approve", "fields": {"amount": 3}})
    assert answer.status_code == 200, answer.text
    assert (await house.core.wait(run["run_id"])).outputs == {"amount": 3}


async def test_an_answer_with_a_key_may_be_sent_again(house, is_problem):
    run = await house.run("ask", wait=0)
    await house.until(run["run_id"], "waiting")
    path = f"/approvals/{(await approval_of(house, run['run_id']))['id']}"
    key = {"Idempotency-Key": uuid.uuid4().hex}
    first = await house.http.post(path, json={"decision": "approve"}, headers=key)
    again = await house.http.post(path, json={"decision": "approve"}, headers=key)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.headers["idempotency-replayed"] == "true"
    other = await house.http.post(path, json={"decision": "reject", "comment": "x"}, headers=key)
    is_problem(other, 409, "idempotency.body_differs")


@pytest.mark.parametrize("word", ["nonsense", "cnVuXzE", "%F0%9F%92%A9", "a" * 400])
async def test_an_unknown_question_is_not_found(house, word, is_problem):
    answer = await house.http.post(f"/approvals/{word}", json={"decision": "approve"})
    assert answer.status_code == 404
    assert answer.json()["code"] in ("approval.not_found", "run.not_found")


async def letter_of(house, run_id: str) -> dict:
    items = (await house.http.get("/dead-letters", params={"limit": 200})).json()["items"]
    return next(item for item in items if item["run_id"] == run_id)


async def test_a_failed_step_is_redriven_in_a_new_run(house):
    run = await house.run("positive", {"value": -1})
    assert run["status"] == "failed"
    letter = await letter_of(house, run["run_id"])
    assert (letter["status"], letter["step"], letter["error"]["code"]) == ("failed", "check#1", "test.negative")
    assert letter["input"] == {"function": "api_only_positive", "input": -1}
    assert [attempt["outcome"] for attempt in letter["attempts"]] == ["failed"]
    key = {"Idempotency-Key": uuid.uuid4().hex, "Prefer": "wait=20"}
    body = {"input": {"function": "api_only_positive", "input": 7}}
    answers = [await house.http.post(f"/dead-letters/{letter['id']}/redrive", json=body, headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    fixed = answers[0].json()
    assert fixed["run_id"] == answers[1].json()["run_id"] != run["run_id"]
    assert (fixed["status"], fixed["outputs"]) == ("completed", {"value": 7})
    assert (await house.http.get(f"/runs/{run['run_id']}")).json() == run


async def test_a_paused_run_goes_on_with_the_input_put_right(house):
    run = await house.run("careful", {"value": -1}, wait=0)
    await house.until(run["run_id"], "paused")
    letter = await letter_of(house, run["run_id"])
    assert (letter["status"], letter["step"]) == ("paused", "check#1")
    again = await house.http.post(f"/dead-letters/{letter['id']}/redrive", headers={"Prefer": "wait=1"})
    assert (again.status_code, again.json()["status"]) == (200, "paused")
    body = {"input": {"function": "api_only_positive", "input": 8}}
    done = await house.http.post(f"/dead-letters/{letter['id']}/redrive", json=body, headers={"Prefer": "wait=20"})
    assert (done.json()["run_id"], done.json()["status"]) == (run["run_id"], "completed")
    assert done.json()["outputs"] == {"value": 8}


async def test_a_run_that_is_well_is_no_dead_letter(house, is_problem):
    run = await house.run("double")
    letters = (await house.http.get("/dead-letters", params={"limit": 200})).json()["items"]
    assert run["run_id"] not in {letter["run_id"] for letter in letters}
    failed = await house.run("positive", {"value": -2})
    letter = await letter_of(house, failed["run_id"])
    is_problem(await house.http.post("/dead-letters/nonsense/redrive"), 404, "dead_letter.not_found")
    assert letter["id"]
