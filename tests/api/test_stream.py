"""Server-sent events: every event once, in order, for everyone, from wherever they left off."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from penstock.api import stream
from penstock.engine import events as ev
from penstock.ports import Commit

pytestmark = pytest.mark.anyio


async def messages(client: httpx2.AsyncClient, run_id: str, **more: Any) -> AsyncIterator[dict[str, str]]:
    """The messages of a stream: {id?, event, data}."""
    async with client.stream("GET", f"/runs/{run_id}/stream", **more) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        message: dict[str, str] = {}
        async for line in answer.aiter_lines():
            if line and not line.startswith(":"):
                name, _, value = line.partition(": ")
                message[name] = value
            elif message:
                if "event" in message:
                    yield message
                message = {}


async def whole(client: httpx2.AsyncClient, run_id: str, **more: Any) -> list[dict[str, str]]:
    async with asyncio.timeout(30):
        return [message async for message in messages(client, run_id, **more)]


def seqs(found: list[dict[str, str]]) -> list[int]:
    return [int(message["id"]) for message in found if "id" in message]


async def test_a_finished_run_is_streamed_whole_and_ends(house):
    run = await house.run("double")
    found = await whole(house.http, run["run_id"])
    assert seqs(found) == list(range(1, run["head"] + 1))
    assert found[-1] == {"event": "end", "data": '{"status":"completed"}'}
    listed = (await house.http.get(f"/runs/{run['run_id']}/events")).json()["events"]
    assert [json.loads(message["data"]) for message in found[:-1]] == listed
    assert [message["event"] for message in found[:-1]] == [event["kind"] for event in listed]


@pytest.mark.parametrize("how", ["header", "query"])
async def test_a_stream_resumes_after_what_was_seen(house, how):
    run = await house.run("double")
    more: dict[str, Any] = {"headers": {"Last-Event-ID": "3"}} if how == "header" else {"params": {"after": 3}}
    found = await whole(house.http, run["run_id"], **more)
    assert seqs(found) == list(range(4, run["head"] + 1))
    nothing_left = await whole(house.http, run["run_id"], params={"after": run["head"]})
    assert [message["event"] for message in nothing_left] == ["end"]


async def test_events_arrive_while_the_run_goes_on(house):
    gate = uuid.uuid4().hex
    run = await house.run("gated", {"gate": gate}, wait=0)
    seen: list[str] = []
    async for message in messages(house.http, run["run_id"]):
        seen.append(message["event"])
        if message["event"] == "step.scheduled" and '"hold#1"' in message["data"]:
            house.open(gate)
    assert seen[-2:] == ["run.completed", "end"]


async def test_what_another_process_commits_arrives_too(house):
    run = await house.run("ask", wait=0)
    await house.until(run["run_id"], "waiting")
    row = await house.core.runs.row(run["run_id"])
    listening = asyncio.create_task(anext(messages(house.http, run["run_id"], params={"after": row.head})))
    await house.listeners(1)
    event = ev.Event(row.head + 1, row.updated_at, ev.StepNoted("ok#1", [[row.updated_at, "from elsewhere"]]))
    assert await house.core.journal.commit([Commit(run["run_id"], row.head, [event], row, None)]) == [True]
    async with asyncio.timeout(10):
        message = await listening
    assert (message["id"], message["event"]) == (str(row.head + 1), "step.noted")


async def test_a_commit_here_after_one_elsewhere_loses_neither(house):
    run = await house.run("ask", wait=0)
    await house.until(run["run_id"], "waiting")
    row = await house.core.runs.row(run["run_id"])
    listening = asyncio.create_task(whole(house.http, run["run_id"], params={"after": row.head}))
    await house.listeners(1)
    event = ev.Event(row.head + 1, row.updated_at, ev.StepNoted("ok#1", [[row.updated_at, "from elsewhere"]]))
    assert await house.core.journal.commit([Commit(run["run_id"], row.head, [event], row, None)]) == [True]
    await house.core.control.answer(run["run_id"], "ok#1", "approve", "local")
    found = await listening
    head = (await house.core.runs.row(run["run_id"])).head
    assert seqs(found) == list(range(row.head + 1, head + 1))


async def test_pushes_that_overlap_or_leave_a_gap_add_nothing_twice_and_skip_nothing(house):
    def noted(*numbers: int) -> list[ev.Event]:
        return [ev.Event(seq, 0.0, ev.RunStarted()) for seq in numbers]

    feed = stream.Feed("run_of_nobody", 0, house.core.journal)
    for numbers in [(1, 2, 3), (2, 3), (2, 3, 4, 5), (5,), (8, 9), (4, 5, 6), ()]:
        feed.push(noted(*numbers))
    frames, last = await feed.following(0)
    assert frames == b"".join(stream.frame(event) for event in noted(1, 2, 3, 4, 5, 6))
    assert last == 6


async def test_two_hundred_clients_see_each_event_once_in_order(house):
    gate = uuid.uuid4().hex
    run = await house.run("many", {"count": 500})
    assert run["head"] >= 1_000
    live = await house.run("gated", {"gate": gate}, wait=0)
    clients = [asyncio.create_task(whole(house.http, run["run_id"])) for _ in range(150)]
    followers = [asyncio.create_task(whole(house.http, live["run_id"])) for _ in range(50)]
    found = await asyncio.gather(*clients)
    await house.listeners(50)
    house.open(gate)
    followed = await asyncio.gather(*followers)
    assert all(seqs(one) == list(range(1, run["head"] + 1)) for one in found)
    head = (await house.core.runs.row(live["run_id"])).head
    assert all(seqs(one) == list(range(1, head + 1)) for one in followed)
    assert all(one[-1]["event"] == "end" for one in [*found, *followed])
    await house.listeners(0)


async def test_a_client_behind_what_is_remembered_reads_the_journal(house, monkeypatch):
    monkeypatch.setattr(stream, "REMEMBERED", 2_000)
    monkeypatch.setattr(stream, "PAGE", 50)
    run = await house.run("many", {"count": 200})
    found = await whole(house.http, run["run_id"])
    assert seqs(found) == list(range(1, run["head"] + 1))


async def test_a_client_that_leaves_is_forgotten(house):
    run = await house.run("ask", wait=0)
    async for _ in messages(house.http, run["run_id"]):
        break
    await house.listeners(0)
    assert run["run_id"] not in house.core.control._watchers


async def test_a_silent_stream_is_kept_alive_with_comments(house, monkeypatch):
    monkeypatch.setattr(stream, "HEARTBEAT", 0.05)
    run = await house.run("ask", wait=0)
    await house.until(run["run_id"], "waiting")
    head = (await house.core.runs.row(run["run_id"])).head
    async with house.http.stream("GET", f"/runs/{run['run_id']}/stream", params={"after": head}) as answer:
        async for line in answer.aiter_lines():
            if line.startswith(":"):
                break


async def test_streams_end_with_the_server_and_go_on_with_the_next(tmp_path, housekeeping):
    async with housekeeping(tmp_path) as house:
        run = await house.run("ask", wait=0)
        await house.until(run["run_id"], "waiting")
        listening = asyncio.create_task(whole(house.http, run["run_id"]))
        await house.listeners(1)
        house.server.cancel()
        before = await listening
        await asyncio.gather(house.server, return_exceptions=True)
    assert seqs(before) == list(range(1, len(before) + 1))
    assert "end" not in {message["event"] for message in before}
    async with housekeeping(tmp_path) as house:
        last = {"Last-Event-ID": before[-1]["id"]}
        listening = asyncio.create_task(whole(house.http, run["run_id"], headers=last))
        await house.listeners(1)
        approval = (await house.http.get("/approvals")).json()["items"][0]
        await house.http.post(f"/approvals/{approval['id']}", json={"decision": "approve"})
        after = await listening
        head = (await house.core.runs.row(run["run_id"])).head
    assert seqs(before) + seqs(after) == list(range(1, head + 1))
    assert after[-1]["event"] == "end"


async def test_a_poll_whose_look_at_the_journal_ends_as_the_server_stops_is_answered(house, make_app, monkeypatch):
    """Its wait returned at once for ever, so the event loop had no turn left for anything else: the process had to be killed."""
    run = await house.run("ask", wait=0)
    await house.until(run["run_id"], "waiting")
    app, read = make_app(house.core), house.core.journal.read

    async def closing(*arguments: Any, **more: Any) -> Any:
        events = await read(*arguments, **more)
        app.state.streams.close()
        return events

    monkeypatch.setattr(house.core.journal, "read", closing)
    headers = {"Authorization": f"Bearer {house.token}", "Prefer": "wait=60"}
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=house.url, headers=headers) as client:
        answer = await client.get(f"/api/v1/runs/{run['run_id']}/events?after=1000")
    assert (answer.status_code, answer.json()["events"], answer.json()["ended"]) == (200, [], False)


async def test_there_is_no_stream_of_an_unknown_run(house, is_problem):
    is_problem(await house.http.get("/runs/run_unknown/stream"), 404, "run.not_found")
