"""Tasks over HTTP: real MCP servers, real receivers of notifications, and results whole and in parts."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from tests.tools.conftest import ODD, started

from penstock.api.task_document import Shapes, document_of
from penstock.api.task_models import TaskRetry
from penstock.api.task_view import over
from penstock.control import Start
from penstock.tools.config import ServerConfig

pytestmark = pytest.mark.anyio

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
OTHER = "whsec_" + base64.b64encode(b"o" * 32).decode()
CAPABILITIES = {
    "a.look": "look",
    "a.act": "act",
    "a.echo": "echo",
    "a.big": "big",
    "a.sleep": "sleeps",
    "a.fail": "fails",
}
QUICK = {"attempts": 3, "backoff_seconds": 0}


def stdio(name: str, **more: Any) -> ServerConfig:
    fields = {"name": name, "command": sys.executable, "args": [ODD, "serve"], "env": {"ODD_NAME": name}}
    return ServerConfig.model_validate(fields | {"capabilities": CAPABILITIES, "max_result_bytes": 32 << 20} | more)


def absent(name: str, **more: Any) -> ServerConfig:
    return ServerConfig.model_validate(
        {"name": name, "command": "/no/such/program", "capabilities": CAPABILITIES} | more
    )


@pytest.fixture
async def lent(house: Any) -> AsyncIterator[Any]:
    """The servers of the house, set for one test."""
    yield house.core.servers.replace
    house.core.servers.replace([])


@dataclass
class Receiver:
    """Takes notifications, and answers each with the next status of `answers`, the last one again and again."""

    answers: list[int] = field(default_factory=lambda: [204])
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    headers: bytes = b""
    port: int = 0
    came: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?token=t0p"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while await reader.readline():
                headers: dict[str, str] = {}
                while (line := await reader.readline()) not in (b"\r\n", b""):
                    name, _, value = line.decode("latin-1").partition(":")
                    headers[name.lower()] = value.strip()
                self.got.append((headers, await reader.readexactly(int(headers.get("content-length", 0)))))
                self.came.set()
                status = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                writer.write(b"HTTP/1.1 %d Status\r\ncontent-length: 2\r\n%s\r\nno" % (status, self.headers))
                await writer.drain()
        writer.close()

    def verified(self, secret: str = SECRET) -> list[dict[str, Any]]:
        return [Webhook(secret).verify(body, headers) for headers, body in self.got]


@contextlib.asynccontextmanager
async def listening(receiver: Receiver) -> AsyncIterator[Receiver]:
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", receiver.port)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()


@pytest.fixture
async def receiver(house: Any) -> AsyncIterator[Receiver]:
    await house.core.vault.put("default", "hook", SECRET)
    async with listening(Receiver()) as receiver:
        yield receiver


async def submit(house: Any, wait: int = 20, headers: dict[str, str] | None = None, **body: Any) -> dict[str, Any]:
    answer = await house.http.post("/tasks", json=body, headers={"Prefer": f"wait={wait}", **(headers or {})})
    assert answer.status_code == 202, answer.text
    return answer.json()


async def until(house: Any, task: dict[str, Any], holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The task once something holds of it; looked at after each commit of its run."""
    moved = asyncio.Event()
    stop = house.core.control.watch(task["task_id"], lambda events, state: moved.set())
    try:
        async with asyncio.timeout(30):
            while True:
                moved.clear()
                now = (await house.http.get(f"/tasks/{task['task_id']}")).json()
                if holds(now):
                    return now
                await moved.wait()
    finally:
        stop()


async def told(house: Any, task: dict[str, Any]) -> dict[str, Any]:
    """The task once its notification is over."""
    ended = ("delivered", "failed", "cancelled")
    found = await until(house, task, lambda now: now["notification"]["status"] in ended)
    async with asyncio.timeout(20):
        await house.core.control.wait(task["task_id"])
    return found


async def run_of(house: Any, task: dict[str, Any]) -> dict[str, Any]:
    return (await house.http.get(f"/runs/{task['task_id']}")).json()


class TestSubmitting:
    async def test_a_task_is_taken_polled_and_its_result_is_there(self, house: Any, lent: Any, tmp_path: Path) -> None:
        lent([stdio("one"), stdio("two", priority=5)])
        answer = await house.http.post(
            "/tasks", json={"type": "look", "input": {"path": str(tmp_path / "t")}, "capabilities": ["a.look"]}
        )
        assert answer.status_code == 202
        task = answer.json()
        assert answer.headers["location"] == f"/api/v1/tasks/{task['task_id']}"
        assert task["status"] in ("queued", "running")
        assert task["estimate"]["server"] == "two"
        assert task["estimate"]["known"] == "unknown"
        assert task["estimate"]["seconds_at_most"] == 60.0
        answer = await house.http.get(f"/tasks/{task['task_id']}", params={"wait": 20})
        task = answer.json()
        assert answer.headers["preference-applied"] == "wait=20"
        assert (task["status"], task["type"], task["result"]) == ("completed", "look", {"name": "two"})
        assert (task["route"]["server"], task["route"]["tool"]) == ("two", "look")
        assert "priority 5" in task["route"]["reason"]
        assert [one["server"] for one in task["route"]["candidates"]] == ["two", "one"]
        assert task["pointer"]["mime"] == "application/json"
        assert task["notification"] is None
        assert task["error"] is None
        result = await house.http.get(f"/results/{task['task_id']}")
        assert result.json() == {"name": "two"}
        assert result.headers["etag"] == f'"{task["pointer"]["digest"]}"'
        assert len(result.content) == task["pointer"]["size"]
        again = await house.http.get(f"/tasks/{task['task_id']}", headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code in (200, 304)

    async def test_what_was_seen_before_is_the_estimate(self, house: Any, lent: Any) -> None:
        lent([stdio("one")])
        await submit(house, type="a.echo", input={"text": "hello"})
        task = await submit(house, type="a.echo", input={"text": "hello"})
        assert task["estimate"]["known"] == "seen"
        assert task["estimate"]["bytes"] == len('{"text": "hello"}')
        assert task["estimate"]["seconds"] is not None

    async def test_without_capabilities_the_type_is_one_and_a_text_is_the_input(self, house: Any, lent: Any) -> None:
        lent([stdio("one")])
        task = await submit(house, type="A-Echo", input={"text": "hi"})
        assert task["result"] == {"text": "hi"}
        task = await submit(house, type="a.echo", input="hi")
        assert task["error"]["code"] == "tool.bad_arguments"
        task = await submit(house, type="anything", tool="echo", server="one", input={"text": "by name"})
        assert task["result"] == {"text": "by name"}

    async def test_the_arguments_are_in_no_version_and_versions_do_not_grow(self, house: Any, lent: Any) -> None:
        lent([stdio("one")])
        await submit(house, type="a.echo", input={"text": "first"})
        before = (await house.http.get("/workflows/penstock-task/versions")).json()["items"]
        for text in ("x", "y", "z"):
            await submit(
                house, type="a.echo", input={"text": text}, timeout=ord(text), fallback="never", prefer=["one"]
            )
            await submit(house, type="a.echo", input={"text": text}, retry=QUICK)
        after = (await house.http.get("/workflows/penstock-task/versions")).json()["items"]
        assert len(after) <= len(before) + 1
        assert "penstock-task" not in [one["slug"] for one in (await house.http.get("/workflows")).json()["items"]]

    async def test_shapes_that_alternate_are_published_once_by_however_many_processes(self, house: Any) -> None:
        documents = [document_of(TaskRetry(attempts=n, backoff_seconds=59), n == 7) for n in (7, 8, 9)]
        shapes = [house.core.gate.check(document) for document in documents]
        found = []
        for _ in range(3):
            process = Shapes(house.core.workflows)
            found.append([await process.number("default", shape, "ann") for shape in shapes])
        assert found[0] == found[1] == found[2]
        assert len(set(found[0])) == 3

    async def test_the_same_request_twice_is_one_task(
        self, house: Any, lent: Any, tmp_path: Path, is_problem: Any
    ) -> None:
        lent([stdio("one")])
        body = {"type": "a.act", "input": {"path": str(tmp_path / "t")}}
        first, second = [await submit(house, headers={"Idempotency-Key": "once"}, **body) for _ in range(2)]
        assert first["task_id"] == second["task_id"]
        assert len((tmp_path / "t").read_text().splitlines()) == 1
        answer = await house.http.post("/tasks", json={**body, "type": "x"}, headers={"Idempotency-Key": "once"})
        is_problem(answer, 409, "idempotency.body_differs")

    async def test_what_stands_in_the_way_is_said_at_its_place_and_nothing_begins(
        self, house: Any, lent: Any, is_problem: Any
    ) -> None:
        lent([stdio("one")])
        before = (await house.http.get("/tasks")).json()["items"]
        notify = {"url": "http://127.0.0.1:1/", "secret": "not-there"}
        answer = await house.http.post(
            "/tasks", json={"type": "x", "capabilities": ["a.lok"], "server": "ane", "notify": notify}
        )
        body = is_problem(answer, 422, "preflight.failed")
        assert {one["pointer"] for one in body["errors"]} == {"/capabilities/0", "/server", "/notify/secret"}
        assert "a.look" in next(one["hint"] for one in body["errors"] if one["pointer"] == "/capabilities/0")
        answer = await house.http.post("/tasks", json={"type": "a.lok"})
        assert is_problem(answer, 422, "preflight.failed")["errors"][0]["pointer"] == "/type"
        assert (await house.http.get("/tasks")).json()["items"] == before

    async def test_a_secret_that_signs_nothing_is_refused_before_anything_begins(
        self, house: Any, lent: Any, is_problem: Any
    ) -> None:
        lent([stdio("one")])
        await house.core.vault.put("default", "short", "whsec_c2hvcnQ=")
        notify = {"url": "http://127.0.0.1:1/", "secret": "short"}
        answer = await house.http.post("/tasks", json={"type": "a.echo", "input": {"text": "hi"}, "notify": notify})
        body = is_problem(answer, 422, "notify.bad_secret")
        assert body["errors"][0]["pointer"] == "/notify/secret"
        assert "c2hvcnQ" not in answer.text

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({}, ""),
            ({"type": ""}, "/type"),
            ({"type": "${{ run.id }}"}, "/type"),
            ({"type": "x", "colour": 1}, "/colour"),
            ({"type": "x", "capabilities": "a"}, "/capabilities"),
            ({"type": "x", "fallback": "maybe"}, "/fallback"),
            ({"type": "x", "timeout": 0}, "/timeout"),
            ({"type": "x", "timeout": "1"}, "/timeout"),
            ({"type": "x", "retry": {"attempts": 11}}, "/retry/attempts"),
            ({"type": "x", "notify": {"url": "ftp://x", "secret": "s"}}, "/notify/url"),
            ({"type": "x", "notify": {"url": "http://a:b@x", "secret": "s"}}, "/notify/url"),
            ({"type": "x", "limits": {"tokens": -1}}, "/limits/tokens"),
        ],
    )
    async def test_bad_input_is_refused_at_its_place(self, house: Any, body: Any, pointer: str) -> None:
        answer = await house.http.post("/tasks", json=body)
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["pointer"] == pointer

    async def test_what_is_no_task_is_not_found(self, house: Any, is_problem: Any) -> None:
        run = await house.run("double")
        for path in ("tasks/nothing", f"tasks/{run['run_id']}", f"tasks/{run['run_id']}/stream"):
            is_problem(await house.http.get(f"/{path}"), 404, "task.not_found")
        for path in ("results/nothing", f"results/{run['run_id']}"):
            is_problem(await house.http.get(f"/{path}"), 404, "task.not_found")
        is_problem(await house.http.post(f"/tasks/{run['run_id']}/cancel"), 404, "task.not_found")
        is_problem(await house.http.post(f"/tasks/{run['run_id']}/notify"), 404, "task.not_found")

    async def test_a_task_of_another_group_is_not_found(
        self, house: Any, lent: Any, is_problem: Any, tmp_path: Path
    ) -> None:
        lent([stdio("one")])
        mine = await submit(house, type="a.look", input={"path": str(tmp_path / "t")})
        state = await house.core.control.state(mine["task_id"])
        start = Start(state.workflow, 1, state.inputs, group="others")
        theirs = await house.core.control.start(start)
        async with asyncio.timeout(20):
            await house.core.control.wait(theirs)
        for path in (f"tasks/{theirs}", f"results/{theirs}", f"tasks/{theirs}/stream"):
            is_problem(await house.http.get(f"/{path}"), 404, "task.not_found")
        for path in (f"tasks/{theirs}/cancel", f"tasks/{theirs}/notify"):
            is_problem(await house.http.post(f"/{path}"), 404, "task.not_found")
        listed = (await house.http.get("/tasks")).json()["items"]
        assert theirs not in [one["task_id"] for one in listed]

    async def test_the_list_is_newest_first(self, house: Any, lent: Any) -> None:
        lent([stdio("one")])
        for text in ("a", "b"):
            await submit(house, type="a.echo", input={"text": text})
        failed = await submit(house, type="a.fail", capabilities=["a.fail"], retry=QUICK)
        page = (await house.http.get("/tasks", params={"limit": 2})).json()
        assert [one["type"] for one in page["items"]] == ["a.fail", "a.echo"]
        assert (
            page["items"][0] | {"task_id": failed["task_id"], "status": "failed", "error": "tool.error"}
            == page["items"][0]
        )
        assert page["items"][1]["server"] == "one"
        assert page["cursor"]


class TestFailures:
    async def test_a_server_that_is_killed_in_the_middle_is_left_for_another(
        self, house: Any, lent: Any, tmp_path: Path
    ) -> None:
        dying = {"ODD_NAME": "dying", "ODD_DIES": "1"}
        lent([stdio("dying", env=dying, priority=6), stdio("well")])
        task = await submit(house, type="a.look", input={"path": str(tmp_path / "t")})
        assert (task["status"], task["result"]) == ("completed", {"name": "well"})
        names = [line.split()[0] for line in (tmp_path / "t").read_text().splitlines()]
        assert names == ["dying", "well"]
        assert "tried before" in task["route"]["candidates"][-1]["reason"]

    async def test_a_failure_says_what_to_do_and_there_is_no_result(
        self, house: Any, lent: Any, is_problem: Any
    ) -> None:
        lent([stdio("one")])
        task = await submit(house, type="a.fail")
        assert task["status"] == "failed"
        assert task["error"]["code"] == "tool.error"
        assert "the fish is gone" in task["error"]["message"]
        assert task["error"]["hint"]
        assert task["pointer"] is None
        body = is_problem(await house.http.get(f"/results/{task['task_id']}"), 404, "result.not_found")
        assert body["context"]["error"]["code"] == "tool.error"
        assert (await run_of(house, task))["error"]["code"] == "tool.error"

    async def test_a_failure_that_may_pass_is_tried_again(self, house: Any, lent: Any, tmp_path: Path) -> None:
        lent([stdio("dying", env={"ODD_NAME": "dying", "ODD_DIES": "1"})])
        task = await submit(house, type="a.act", input={"path": str(tmp_path / "t")}, retry=QUICK)
        assert (task["status"], task["progress"]["attempt"]) == ("failed", 3)
        assert len((tmp_path / "t").read_text().splitlines()) == 3
        assert task["error"]["code"] == "tool.server_died"

    async def test_a_task_under_way_has_no_result_yet_and_can_be_cancelled(
        self, house: Any, lent: Any, is_problem: Any
    ) -> None:
        lent([stdio("one")])
        task = await submit(house, wait=0, type="a.sleep", input={"seconds": 600})
        task = await until(house, task, lambda now: now["route"] is not None)
        assert task["status"] == "running"
        assert task["progress"]["attempt"] == 1
        body = is_problem(await house.http.get(f"/results/{task['task_id']}"), 409, "result.not_ready")
        assert body["retryable"] is True
        is_problem(
            await house.http.post(f"/tasks/{task['task_id']}/notify", json={"url": "http://x.test", "secret": "s"}),
            409,
            "task.not_ended",
        )
        answer = await house.http.post(
            f"/tasks/{task['task_id']}/cancel", json={"reason": "no more"}, headers={"Prefer": "wait=20"}
        )
        assert answer.status_code == 202
        task = await until(house, task, lambda now: now["status"] == "cancelled")
        assert task["error"] == task["error"] | {"code": "run.cancelled", "message": "no more"}
        is_problem(await house.http.get(f"/results/{task['task_id']}"), 404, "result.not_found")
        is_problem(await house.http.post(f"/tasks/{task['task_id']}/cancel"), 409, "run.ended")

    async def test_the_stream_is_the_runs(self, house: Any, lent: Any) -> None:
        lent([stdio("one")])
        task = await submit(house, type="a.echo", input={"text": "hi"})
        text = (await house.http.get(f"/tasks/{task['task_id']}/stream")).text
        kinds = [line.removeprefix("event: ") for line in text.splitlines() if line.startswith("event: ")]
        assert kinds[0] == "run.created"
        assert "route.chosen" in kinds
        assert kinds[-1] == "end"
        text = (await house.http.get(f"/tasks/{task['task_id']}/stream", headers={"Last-Event-ID": "2"})).text
        assert "id: 2\n" not in text
        assert "id: 3\n" in text


class TestConsent:
    async def test_a_fallback_is_asked_for_and_used_when_it_is_allowed(
        self, house: Any, lent: Any, tmp_path: Path
    ) -> None:
        lent([absent("first"), stdio("oracle", fallback=True)])
        task = await submit(house, type="a.act", input={"path": str(tmp_path / "t")}, fallback="ask")
        assert task["status"] == "waiting"
        assert task["consent"]["choices"] == ["allow", "deny"]
        assert over(await house.core.control.state(task["task_id"])), "who waits for it is told that it asks"
        assert "oracle" in task["consent"]["title"]
        assert not (tmp_path / "t").exists()
        path = task["consent"]["answer"].removeprefix("/api/v1")
        assert (await house.http.post(path, json={"decision": "allow"})).status_code == 200
        task = (await house.http.get(f"/tasks/{task['task_id']}", params={"wait": 20})).json()
        assert (task["status"], task["result"], task["consent"]) == ("completed", {"name": "oracle"}, None)
        assert task["route"]["fallback"] is True

    async def test_it_is_not_used_when_it_is_denied(self, house: Any, lent: Any, tmp_path: Path) -> None:
        lent([absent("first"), stdio("oracle", fallback=True)])
        task = await submit(house, type="a.act", input={"path": str(tmp_path / "t")})
        path = task["consent"]["answer"].removeprefix("/api/v1")
        assert (await house.http.post(path, json={"decision": "deny"})).status_code == 200
        task = (await house.http.get(f"/tasks/{task['task_id']}", params={"wait": 20})).json()
        assert (task["status"], task["error"]["code"]) == ("failed", "tool.consent_denied")
        assert "allowed" in task["error"]["hint"]
        assert not (tmp_path / "t").exists()

    @pytest.mark.parametrize(("fallback", "status"), [("allowed", "completed"), ("never", "failed")])
    async def test_said_in_advance_nobody_is_asked(
        self, house: Any, lent: Any, tmp_path: Path, fallback: str, status: str
    ) -> None:
        lent([absent("first"), stdio("oracle", fallback=True)])
        task = await submit(house, type="a.act", input={"path": str(tmp_path / "t")}, fallback=fallback, retry=QUICK)
        assert (task["status"], (tmp_path / "t").exists()) == (status, status == "completed")


class TestResults:
    async def test_ten_megabytes_go_by_pointer_and_in_parts(self, house: Any, lent: Any, is_problem: Any) -> None:
        lent([stdio("one")])
        size = 10_000_000
        task = await submit(house, type="a.big", input={"size": size})
        assert (task["status"], task["result"]) == ("completed", None)
        pointer = task["pointer"]
        assert pointer["size"] == size + len('{"text":""}')
        path = pointer["url"].removeprefix("/api/v1")
        whole = await house.http.get(path)
        assert len(whole.content) == pointer["size"]
        assert whole.json() == {"text": "x" * size}
        assert whole.headers["etag"] == f'"{pointer["digest"]}"'
        assert whole.headers["accept-ranges"] == "bytes"
        assert whole.headers["content-type"] == "application/json"
        part = await house.http.get(path, headers={"Range": "bytes=0-9"})
        assert (part.status_code, part.content) == (206, b'{"text":"x')
        assert part.headers["content-range"] == f"bytes 0-9/{pointer['size']}"
        part = await house.http.get(path, headers={"Range": "bytes=-2", "If-Range": f'"{pointer["digest"]}"'})
        assert (part.status_code, part.content) == (206, b'"}')
        part = await house.http.get(path, headers={"Range": "bytes=0-9", "If-Range": '"another"'})
        assert (part.status_code, len(part.content)) == (200, pointer["size"])
        is_problem(await house.http.get(path, headers={"Range": "bytes=99999999-"}), 416, "range.not_satisfiable")
        assert (await house.http.get(path, headers={"If-None-Match": f'"{pointer["digest"]}"'})).status_code == 304

    async def test_a_small_result_has_parts_too(self, house: Any, lent: Any, is_problem: Any) -> None:
        lent([stdio("one")])
        task = await submit(house, type="a.echo", input={"text": "hi"})
        path = f"/results/{task['task_id']}"
        part = await house.http.get(path, headers={"Range": "bytes=1-6"})
        assert (part.status_code, part.content, part.headers["content-length"]) == (206, b'"text"', "6")
        is_problem(await house.http.get(path, headers={"Range": "bytes=99-"}), 416, "range.not_satisfiable")

    async def test_a_digest_that_a_server_names_opens_nothing(self, house: Any, lent: Any) -> None:
        lent([stdio("one", capabilities={"a.env": "environment"}, env={"artifact": "sha256:" + "0" * 64})])
        task = await submit(house, type="a.env")
        assert task["result"]["artifact"] == "sha256:" + "0" * 64
        assert (await house.http.get(f"/results/{task['task_id']}")).json() == task["result"]

    async def test_large_arguments_are_no_matter(self, house: Any, lent: Any) -> None:
        lent([stdio("one")])
        task = await submit(house, type="a.echo", input={"text": "x" * 100_000})
        assert (task["type"], task["status"], task["pointer"]["size"]) == ("a.echo", "completed", 100_011)
        assert (await house.http.get("/tasks", params={"limit": 1})).json()["items"][0]["type"] is None


class TestNotifications:
    async def test_the_end_is_told_with_a_signature(self, house: Any, lent: Any, receiver: Receiver) -> None:
        lent([stdio("one")])
        task = await submit(house, type="a.echo", input={"text": "hi"}, notify={"url": receiver.url, "secret": "hook"})
        task = await told(house, task)
        assert task["status"] == "completed"
        assert task["notification"]["status"] == "delivered"
        assert "t0p" not in json.dumps(task)
        ((headers, _),) = receiver.got
        (message,) = receiver.verified()
        assert headers["webhook-id"] == task["notification"]["webhook_id"]
        assert message["type"] == "task.completed"
        result = f"/api/v1/results/{task['task_id']}"
        expected = {
            "task_id": task["task_id"],
            "type": "a.echo",
            "status": "completed",
            "error": None,
            "result": result,
        }
        assert message["data"] == expected
        with pytest.raises(WebhookVerificationError):
            receiver.verified(OTHER)
        run = await run_of(house, task)
        assert run["status"] == "completed"
        assert SECRET not in json.dumps((await house.http.get(f"/runs/{task['task_id']}/events")).json())

    async def test_a_failure_is_told_and_the_run_fails_with_it(self, house: Any, lent: Any, receiver: Receiver) -> None:
        lent([stdio("one")])
        task = await submit(house, type="a.fail", notify={"url": receiver.url, "secret": "hook"}, retry=QUICK)
        task = await told(house, task)
        assert (task["status"], task["error"]["code"]) == ("failed", "tool.error")
        (message,) = receiver.verified()
        assert (message["type"], message["data"]["status"]) == ("task.failed", "failed")
        assert message["data"]["error"]["code"] == "tool.error"
        assert message["data"]["result"] is None
        run = await run_of(house, task)
        assert (run["status"], run["error"]["code"]) == ("failed", "tool.error")
        assert "the fish is gone" in run["error"]["message"]

    async def test_it_is_sent_until_it_gets_through(self, house: Any, lent: Any, receiver: Receiver) -> None:
        lent([stdio("one")])
        receiver.answers = [500, 404, 200]
        task = await submit(
            house, type="a.echo", input={"text": "hi"}, notify={"url": receiver.url, "secret": "hook"}, retry=QUICK
        )
        task = await told(house, task)
        assert task["notification"]["status"] == "delivered"
        assert [one["outcome"] for one in task["notification"]["attempts"]] == ["failed", "failed", "completed"]
        assert [(one["error"] or {}).get("code") for one in task["notification"]["attempts"]] == [
            "notify.refused"
        ] * 2 + [None]
        assert len(receiver.verified()) == 3
        assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
        assert len({body for _, body in receiver.got}) == 1

    async def test_one_that_never_gets_through_leaves_the_task_completed(
        self, house: Any, lent: Any, receiver: Receiver
    ) -> None:
        lent([stdio("one")])
        receiver.answers = [500]
        task = await submit(
            house, type="a.echo", input={"text": "hi"}, notify={"url": receiver.url, "secret": "hook"}, retry=QUICK
        )
        task = await told(house, task)
        assert (task["status"], task["result"]) == ("completed", {"text": "hi"})
        assert task["notification"]["status"] == "failed"
        assert len(receiver.got) == len(task["notification"]["attempts"]) == 8
        assert (await run_of(house, task))["status"] == "completed"

    async def test_a_receiver_that_was_gone_is_told_when_it_is_back(
        self, house: Any, lent: Any, receiver: Receiver
    ) -> None:
        lent([stdio("one")])
        async with listening(Receiver()) as gone:
            url = gone.url
        task = await submit(
            house,
            type="a.echo",
            input={"text": "hi"},
            notify={"url": url, "secret": "hook"},
            retry={"backoff_seconds": 1},
        )
        task = await until(
            house,
            task,
            lambda now: bool(now["notification"]["attempts"] and now["notification"]["attempts"][0]["error"]),
        )
        assert task["status"] == "completed", "the task has ended, whoever knows of it"
        assert task["notification"]["attempts"][0]["error"]["code"] == "notify.unreachable"
        async with listening(gone):
            task = await told(house, task)
            assert task["notification"]["status"] == "delivered"
            assert len(gone.verified()) == 1

    @pytest.mark.parametrize("status", [302, 307, 410])
    async def test_a_redirect_is_not_followed_and_gone_is_the_end(
        self, house: Any, lent: Any, receiver: Receiver, status: int
    ) -> None:
        lent([stdio("one")])
        async with listening(Receiver()) as elsewhere:
            receiver.answers, receiver.headers = [status], f"location: {elsewhere.url}\r\n".encode()
            task = await submit(
                house, type="a.echo", input={"text": "hi"}, notify={"url": receiver.url, "secret": "hook"}, retry=QUICK
            )
            task = await told(house, task)
            assert task["notification"]["status"] == "failed"
            assert (len(receiver.got), elsewhere.got) == (1, [])

    async def test_it_is_told_again_on_request_under_the_same_id(
        self, house: Any, lent: Any, receiver: Receiver
    ) -> None:
        lent([stdio("one")])
        receiver.answers = [410, 204]
        task = await submit(house, type="a.echo", input={"text": "hi"}, notify={"url": receiver.url, "secret": "hook"})
        task = await told(house, task)
        assert task["notification"]["status"] == "failed"
        path = f"/tasks/{task['task_id']}/notify"
        headers = {"Prefer": "wait=20", "Idempotency-Key": f"again-{task['task_id']}"}
        answers = [await house.http.post(path, headers=headers) for _ in range(2)]
        assert [one.status_code for one in answers] == [202, 202], answers[0].text
        again = answers[0].json()
        assert again == answers[1].json()
        assert (again["status"], again["webhook_id"]) == ("delivered", task["notification"]["webhook_id"])
        (first, body), (second, same) = receiver.got
        assert first["webhook-id"] == second["webhook-id"]
        assert json.loads(body) == json.loads(same)
        assert len(receiver.verified()) == 2
        assert answers[0].headers["location"] == f"/api/v1/runs/{again['run_id']}"

    async def test_a_task_that_told_nobody_can_tell_somebody_later(
        self, house: Any, lent: Any, receiver: Receiver, is_problem: Any
    ) -> None:
        lent([stdio("one")])
        task = await submit(house, type="a.echo", input={"text": "hi"})
        path = f"/tasks/{task['task_id']}/notify"
        body = is_problem(await house.http.post(path), 422, "task.nobody_to_tell")
        assert [one["pointer"] for one in body["errors"]] == ["/url", "/secret"]
        again = await house.http.post(path, json={"url": receiver.url, "secret": "hook"}, headers={"Prefer": "wait=20"})
        assert again.json()["status"] == "delivered", again.text
        (message,) = receiver.verified()
        assert message["data"] == message["data"] | {
            "task_id": task["task_id"],
            "type": "a.echo",
            "status": "completed",
        }

    async def test_another_receiver_is_not_told_with_the_secret_of_the_first(
        self, house: Any, lent: Any, receiver: Receiver, is_problem: Any
    ) -> None:
        lent([stdio("one")])
        task = await submit(house, type="a.echo", input={"text": "hi"}, notify={"url": receiver.url, "secret": "hook"})
        await told(house, task)
        answer = await house.http.post(f"/tasks/{task['task_id']}/notify", json={"url": "http://127.0.0.1:1/"})
        is_problem(answer, 422, "task.nobody_to_tell")


class TestHouses:
    async def test_private_addresses_are_out_of_reach_where_the_operator_says_so(
        self, housekeeping: Any, tmp_path: Path
    ) -> None:
        async with housekeeping(tmp_path / "data", http_private=False) as house, listening(Receiver()) as receiver:
            await house.core.vault.put("default", "hook", SECRET)
            house.core.servers.replace([stdio("one")])
            task = await submit(
                house, type="a.echo", input={"text": "hi"}, notify={"url": receiver.url, "secret": "hook"}, retry=QUICK
            )
            task = await told(house, task)
            assert (task["status"], task["notification"]["status"]) == ("completed", "failed")
            assert [one["error"]["code"] for one in task["notification"]["attempts"]] == ["http.address_refused"]
            assert receiver.got == []

    async def test_a_task_goes_on_after_a_restart(self, housekeeping: Any, tmp_path: Path) -> None:
        shared = {"one": {"command": sys.executable, "args": [ODD, "serve"], "capabilities": {"a.sleep": "sleeps"}}}
        (tmp_path / "data").mkdir()
        (tmp_path / "data/servers.json").write_text(json.dumps({"mcpServers": shared}))
        async with housekeeping(tmp_path / "data", stop_grace=0.0) as house:
            task = await submit(house, wait=0, type="a.sleep", input={"seconds": 0.5})
            await until(house, task, lambda now: now["route"] is not None)
        async with housekeeping(tmp_path / "data") as house:
            task = (await house.http.get(f"/tasks/{task['task_id']}", params={"wait": 30})).json()
            assert (task["status"], task["result"]) == ("completed", {"text": "woke up"})

    async def test_a_server_over_http_that_is_killed_while_it_works(
        self, house: Any, lent: Any, tmp_path: Path
    ) -> None:
        first = started([ODD, "serve", "--http"], {"ODD_NAME": "first"})
        with first as url:
            remote = {"name": "first", "url": url, "capabilities": {"a.sleep": "sleeps"}, "priority": 6}
            lent([ServerConfig.model_validate(remote | {"tools": {"sleeps": {"repeatable": True}}}), stdio("second")])
            task = await submit(house, wait=0, type="a.sleep", input={"seconds": 0.2})
            task = await until(house, task, lambda now: now["route"] is not None)
            assert task["route"]["server"] == "first"
        task = (await house.http.get(f"/tasks/{task['task_id']}", params={"wait": 20})).json()
        assert task["status"] == "completed"
