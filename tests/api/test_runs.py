"""Runs over HTTP: beginning, looking at, steering and repeating them."""

from __future__ import annotations

import asyncio
import uuid

import pytest

pytestmark = pytest.mark.anyio


async def test_a_run_is_started_and_waited_for(house):
    body = {"workflow": "double", "inputs": {"value": 21}}
    answer = await house.http.post("/runs", json=body, headers={"Prefer": "wait=20"})
    assert answer.status_code == 201
    assert answer.headers["preference-applied"] == "wait=20"
    run = answer.json()
    assert run["status"] == "completed"
    assert run["outputs"] == {"result": {"value": 42}}
    assert answer.headers["location"] == f"/api/v1/runs/{run['run_id']}"
    assert (await house.http.get(f"/runs/{run['run_id']}")).json() == run


async def test_without_a_preference_the_answer_does_not_wait(house):
    gate = uuid.uuid4().hex
    run = await house.run("gated", {"gate": gate}, wait=0)
    assert run["status"] in ("queued", "running")
    house.open(gate)
    assert (await house.core.wait(run["run_id"])).status == "completed"


async def test_waiting_ends_with_the_time_that_was_asked_for(house):
    gate = uuid.uuid4().hex
    run = await house.run("gated", {"gate": gate}, wait=1)
    assert run["status"] == "running"
    assert [step["status"] for step in run["steps"]] == ["completed", "running"]
    house.open(gate)


async def test_a_run_can_be_looked_at_as_it_was(house):
    run = await house.run("double")
    early = (await house.http.get(f"/runs/{run['run_id']}", params={"at": 4})).json()
    assert (early["head"], early["status"]) == (4, "running")
    assert early["outputs"] is None
    beyond = await house.http.get(f"/runs/{run['run_id']}", params={"at": 999})
    assert beyond.status_code == 422


async def test_the_etag_of_a_run_is_its_head(house):
    run = await house.run("double")
    first = await house.http.get(f"/runs/{run['run_id']}")
    assert first.headers["etag"] == f'"{run["head"]}"'
    again = await house.http.get(f"/runs/{run['run_id']}", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_many_may_open_a_page_at_once(house):
    run_id = await house.core.start("many", {"count": 300})
    await house.core.wait(run_id)
    pages = await asyncio.gather(*(house.http.get(f"/runs/{run_id}") for _ in range(10)))
    assert {page.status_code for page in pages} == {200}
    assert len({page.content for page in pages}) == 1
    assert len(pages[0].json()["steps"]) == 300


async def test_events_are_read_page_by_page(house):
    run = await house.run("double")
    seen, after, ended = [], 0, False
    while not ended:
        page = (await house.http.get(f"/runs/{run['run_id']}/events", params={"after": after, "limit": 2})).json()
        seen += [event["seq"] for event in page["events"]]
        after, ended = page["next"], page["ended"]
    assert seen == list(range(1, run["head"] + 1))


async def test_polling_waits_for_what_is_next(house):
    gate = uuid.uuid4().hex
    run = await house.run("gated", {"gate": gate}, wait=0)
    run_id = run["run_id"]
    async with asyncio.timeout(20):
        await house.core.control.wait(
            run_id, lambda state: "hold#1" in state.steps and state.steps["hold#1"].claim != ""
        )
    head = (await house.core.runs.row(run_id)).head
    events = f"/runs/{run_id}/events"
    waiting = asyncio.create_task(house.http.get(events, params={"after": head}, headers={"Prefer": "wait=20"}))
    await house.listeners(1)
    house.open(gate)
    page = (await waiting).json()
    assert page["events"][0]["seq"] == head + 1
    nothing = await house.http.get(events, params={"after": 10_000}, headers={"Prefer": "wait=1"})
    assert nothing.json()["events"] == []


async def test_runs_are_listed_newest_first_with_filters_and_a_cursor(house):
    made = [(await house.run("talk", {"lines": 1}))["run_id"] for _ in range(3)]
    first = (await house.http.get("/runs", params={"workflow": "talk", "limit": 2})).json()
    rest = (await house.http.get("/runs", params={"workflow": "talk", "limit": 2, "cursor": first["cursor"]})).json()
    assert [item["run_id"] for item in [*first["items"], *rest["items"]]] == made[::-1]
    assert rest["cursor"] is None
    failed = (await house.http.get("/runs", params={"status": "failed", "workflow": "talk"})).json()
    assert failed["items"] == []
    assert (await house.http.get("/runs", params={"actor": "nobody"})).json()["items"] == []
    assert (await house.http.get("/runs", params={"mode": "full_run", "workflow": "talk"})).json()["items"]


async def test_a_run_is_cancelled_once(house, is_problem):
    run = await house.run("gated", {"gate": uuid.uuid4().hex}, wait=0)
    path = f"/runs/{run['run_id']}/cancel"
    answer = await house.http.post(path, json={"reason": "no longer needed"}, headers={"Prefer": "wait=20"})
    assert answer.status_code == 202
    assert answer.json()["status"] == "cancelled"
    assert answer.json()["error"]["message"] == "no longer needed"
    is_problem(await house.http.post(path), 409, "run.ended")


async def test_a_run_is_paused_and_goes_on(house, is_problem):
    gate = uuid.uuid4().hex
    run = await house.run("gated", {"gate": gate}, wait=0)
    path = f"/runs/{run['run_id']}"
    assert (await house.http.post(f"{path}/pause")).json()["status"] == "paused"
    is_problem(await house.http.post(f"{path}/pause"), 409, "run.not_running")
    house.open(gate)
    answer = await house.http.post(f"{path}/resume", headers={"Prefer": "wait=20"})
    assert answer.status_code == 200
    assert answer.json()["status"] == "completed"
    is_problem(await house.http.post(f"{path}/resume"), 409, "run.not_paused")


async def test_resuming_twice_with_one_key_resumes_once(house):
    gate = uuid.uuid4().hex
    run = await house.run("gated", {"gate": gate}, wait=0)
    path, key = f"/runs/{run['run_id']}", {"Idempotency-Key": uuid.uuid4().hex}
    await house.http.post(f"{path}/pause")
    first = await house.http.post(f"{path}/resume", headers=key)
    again = await house.http.post(f"{path}/resume", headers=key)
    assert (first.status_code, again.status_code) == (200, 200)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    events = (await house.http.get(f"{path}/events")).json()["events"]
    assert [event["kind"] for event in events].count("run.resumed") == 1
    house.open(gate)


async def test_a_fork_goes_on_from_where_it_was_made(house, is_problem):
    run = await house.run("double", {"value": 3})
    scheduled = next(
        s
        for s in (await house.http.get(f"/runs/{run['run_id']}/events")).json()["events"]
        if s["kind"] == "step.scheduled"
    )
    edited = {"function": "api_double", "input": {"value": 50}}
    body = {"at": scheduled["seq"], "edits": {"a#1": edited}}
    key = {"Idempotency-Key": uuid.uuid4().hex, "Prefer": "wait=20"}
    forks = [await house.http.post(f"/runs/{run['run_id']}/fork", json=body, headers=key) for _ in range(2)]
    assert [answer.status_code for answer in forks] == [201, 201]
    assert [answer.headers.get("idempotency-replayed") for answer in forks] == [None, "true"]
    fork = forks[0].json()
    assert fork["run_id"] == forks[1].json()["run_id"] != run["run_id"]
    assert fork["outputs"] == {"result": {"value": 100}}
    assert fork["forked_from"]["run"] == run["run_id"]
    listed = (await house.http.get("/runs", params={"limit": 1})).json()["items"]
    assert [item["run_id"] for item in listed] == [fork["run_id"]]
    assert (await house.http.get(f"/runs/{run['run_id']}")).json() == run
    beyond = await house.http.post(f"/runs/{run['run_id']}/fork", json={"at": 999})
    is_problem(beyond, 422, "fork.bad_seq")


async def test_the_trace_of_the_request_is_kept(house):
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    answer = await house.http.post("/runs", json={"workflow": "double"}, headers={"traceparent": parent})
    assert answer.json()["trace"] == parent
    broken = await house.http.post("/runs", json={"workflow": "double"}, headers={"traceparent": "00-0-0-0"})
    assert broken.json()["trace"] is None


async def test_the_same_key_and_body_start_one_run(house, is_problem):
    key = {"Idempotency-Key": uuid.uuid4().hex, "Prefer": "wait=20"}
    body = {"workflow": "double", "inputs": {"value": 5}}
    first = await house.http.post("/runs", json=body, headers=key)
    again = await house.http.post("/runs", json=body, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    other = await house.http.post("/runs", json={**body, "inputs": {"value": 6}}, headers=key)
    is_problem(other, 409, "idempotency.body_differs")


async def test_two_concurrent_requests_with_one_key_start_one_run(house):
    key = {"Idempotency-Key": uuid.uuid4().hex}
    body = {"workflow": "talk", "inputs": {"lines": 2}}
    before = len((await house.http.get("/runs", params={"workflow": "talk", "limit": 200})).json()["items"])
    answers = await asyncio.gather(*(house.http.post("/runs", json=body, headers=key) for _ in range(12)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["run_id"] for answer in answers}) == 1
    after = len((await house.http.get("/runs", params={"workflow": "talk", "limit": 200})).json()["items"])
    assert after == before + 1


async def test_limits_may_only_be_stricter_and_must_be_right(house, is_problem):
    run = await house.run("double", limits={"steps": 5, "usd": 0.25})
    assert run["limits"] == {"steps": 5, "usd": 0.25}
    wrong = await house.http.post("/runs", json={"workflow": "double", "limits": {"stepps": 5}})
    body = is_problem(wrong, 422, "limits.invalid")
    assert body["errors"][0]["pointer"] == "/limits/stepps"
    assert "steps" in body["errors"][0]["hint"]


async def test_validate_only_reports_and_runs_nothing(house):
    run = await house.run("double", run_mode="validate_only")
    assert (run["status"], run["outputs"], run["steps"]) == ("completed", {"valid": True}, [])


async def test_inputs_that_do_not_fit_are_named_in_the_request(house, is_problem):
    wrong = await house.http.post("/runs", json={"workflow": "gated", "inputs": {"gat": 1}})
    body = is_problem(wrong, 422, "inputs.invalid")
    assert {error["code"] for error in body["errors"]} >= {"inputs.unknown", "inputs.missing"}
    assert all(error["pointer"].startswith("/inputs") for error in body["errors"])


async def test_a_published_version_can_be_named(house, is_problem):
    await house.http.post("/workflows/double/publish")
    assert (await house.run("double", version=1))["version"] == 1
    is_problem(await house.http.post("/runs", json={"workflow": "double", "version": 77}), 404, "version.not_found")


async def test_the_timeline_says_when_what_was_done(house):
    run = await house.run("gated", {"gate": uuid.uuid4().hex}, wait=1)
    timeline = (await house.http.get(f"/runs/{run['run_id']}/timeline")).json()
    assert timeline["origin"] == run["created_at"]
    assert [row["id"] for row in timeline["rows"]] == ["first#1", "hold#1"]
    assert timeline["rows"][0]["end"] is not None
    assert timeline["rows"][1]["end"] is None
