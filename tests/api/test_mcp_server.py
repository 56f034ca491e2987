"""Workflows as MCP tools: the official client, in both versions of the protocol, against a real server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from tests.api.callers import BIG, DRAFT, ECHO, PARENT, begun, newest, offer, publish, settled

from penstock.api import calls

pytestmark = pytest.mark.anyio

VERSIONS = {"auto": "2026-07-28", "legacy": "2025-11-25"}


@pytest.fixture(scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory, housekeeping: Any) -> AsyncIterator[Any]:
    async with housekeeping(tmp_path_factory.mktemp("data")) as house:
        await publish(house.core, "double", "gated", "ask", "positive", "careful", "many", "files")
        await offer(house.core, PARENT, ECHO, BIG)
        await house.core.apply(DRAFT)
        yield house


@contextlib.asynccontextmanager
async def client_of(house: Any, mode: str) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {house.token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30) as http,
        Client(streamable_http_client(f"{house.url}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


@pytest.fixture(params=list(VERSIONS))
async def each(request: pytest.FixtureRequest, house: Any) -> AsyncIterator[Client]:
    """A client in each version of the protocol."""
    async with client_of(house, request.param) as client:
        assert client.protocol_version == VERSIONS[request.param]
        yield client


def told(result: Any) -> str:
    return "\n".join(block.text for block in result.content)


class TestTheList:
    async def test_each_published_workflow_is_a_tool(self, each: Client) -> None:
        tools = {tool.name: tool for tool in (await each.list_tools()).tools}
        assert "only-a-draft" not in tools
        echo = tools["echo"]
        assert (echo.title, echo.description) == ("Say it again", "Answers with what it was told.")
        assert echo.input_schema["required"] == ["prompt"]
        assert echo.input_schema["additionalProperties"] is False
        assert echo.input_schema["properties"]["times"] == {"type": "integer", "default": 1, "minimum": 1}
        assert echo.input_schema["schemas"]["Words"]["type"] == "string", "references lead somewhere"
        assert list(echo.output_schema["properties"]) == ["said", "times", "loud"]
        assert echo.annotations.title == "Say it again"
        assert tools["double"].meta["penstock/version"] == 1

    async def test_a_client_that_lists_again_sees_what_has_changed(self, house: Any, each: Client) -> None:
        name = f"new-{each.protocol_version}"
        document = ECHO.replace("name: echo", f"name: {name}")
        await house.core.apply(document)
        assert name not in [tool.name for tool in (await each.list_tools()).tools], "a draft is not offered"
        await house.core.gate.publish("default", name, "local")
        assert name in [tool.name for tool in (await each.list_tools()).tools]
        await offer(house.core, document.replace("title: Say it again", "title: Say it twice"))
        tools = {tool.name: tool for tool in (await each.list_tools()).tools}
        assert (tools[name].title, tools[name].meta["penstock/version"]) == ("Say it twice", 2)

    async def test_the_newest_version_is_called_and_never_the_draft(self, house: Any, each: Client) -> None:
        name = f"steady-{each.protocol_version}"
        document = BIG.replace("name: big", f"name: {name}")
        await offer(house.core, document)
        await house.core.apply(document.replace("inputs.text + inputs.text", "'draft'"))
        assert (await each.call_tool(name, {"text": "a"})).structured_content == {"text": "aa"}

    async def test_a_long_list_comes_in_pages(self, house: Any, each: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = [tool.name for tool in (await each.list_tools()).tools]
        from penstock.api import mcp_tools

        monkeypatch.setattr(calls, "PAGE", 2)
        monkeypatch.setattr(mcp_tools, "TOOLS", 3)
        names, cursor, pages = [], None, 0
        while cursor is not None or not pages:
            page = await each.list_tools(cursor=cursor)
            names += [tool.name for tool in page.tools]
            cursor, pages = page.next_cursor, pages + 1
        assert names == whole
        assert pages > 2

    async def test_a_cursor_that_is_none_is_an_error(self, each: Client) -> None:
        with pytest.raises(MCPError) as caught:
            await each.list_tools(cursor="nonsense")
        assert caught.value.error.code == -32602


class TestCalls:
    async def test_a_call_is_a_run_and_its_outputs_are_the_result(self, house: Any, each: Client) -> None:
        result = await each.call_tool("double", {"value": 21})
        assert not result.is_error
        assert result.structured_content == {"result": {"value": 42}}
        assert json.loads(told(result)) == {"result": {"value": 42}}
        row = await house.core.runs.row(result.meta["penstock/run_id"])
        assert (row.workflow, row.mode, row.status, row.actor) == ("double", "full_run", "completed", "local")
        assert result.meta["penstock/run_url"].endswith(f"/runs/{row.run_id}")

    async def test_progress_is_told_as_steps_end(self, each: Client) -> None:
        heard: list[tuple[float, float | None, str | None]] = []

        async def on_progress(progress: float, total: float | None, message: str | None) -> None:
            heard.append((progress, total, message))

        await each.call_tool("double", {"value": 1}, progress_callback=on_progress)
        assert heard == [(1, 1, "a#1 completed")]
        heard.clear()
        await each.call_tool("many", {"count": 3}, progress_callback=on_progress)
        assert [(progress, total) for progress, total, _ in heard] == [(1, None), (2, None), (3, None)]

    async def test_texts_among_the_outputs_come_along_and_other_files_by_address(
        self, house: Any, each: Client
    ) -> None:
        result = await each.call_tool("echo", {"prompt": "Ada"})
        assert json.loads(result.content[0].text)["times"] == 1
        assert [block.type for block in result.content] == ["text", "resource"]
        file: Any = result.content[1].resource
        assert (file.mime_type, file.text) == ("text/markdown", "You said: Ada")
        fetched = await house.http.get(str(file.uri).removeprefix(house.url).removeprefix("/api/v1"))
        assert fetched.text == "You said: Ada", "and it is at its address"
        result = await each.call_tool("files", {"name": "a b.bin", "text": "x", "mime": "application/zip"})
        link: Any = result.content[1]
        assert (link.type, link.name, link.mime_type, link.size) == ("resource_link", "a b.bin", "application/zip", 1)
        assert (await house.http.get(str(link.uri).removeprefix(f"{house.url}/api/v1"))).text == "x"

    async def test_what_is_too_large_for_the_journal_comes_back_whole(self, each: Client) -> None:
        result = await each.call_tool("big", {"text": "x" * 100_000})
        assert result.structured_content == {"text": "x" * 200_000}
        assert told(result) == "x" * 200_000

    async def test_inputs_that_do_not_fit_are_a_tool_error_and_no_run(self, house: Any, each: Client) -> None:
        before = await newest(house.core, "echo")
        result = await each.call_tool("echo", {"promt": "x", "times": 0})
        assert result.is_error
        assert result.meta["penstock/code"] == "inputs.invalid"
        assert "prompt" in told(result)
        assert "/times" in told(result)
        after = await newest(house.core, "echo")
        assert (before and before.run_id) == (after and after.run_id)

    async def test_a_run_that_fails_is_a_tool_error_with_its_code(self, each: Client) -> None:
        result = await each.call_tool("positive", {"value": -1})
        assert result.is_error
        assert result.meta["penstock/code"] == "test.negative"
        assert result.meta["penstock/status"] == "failed"
        assert result.meta["penstock/run_id"].startswith("run_")
        assert "-1 is negative" in told(result)

    @pytest.mark.parametrize("name", ["nothing", "only-a-draft", "../ask", "", "x" * 10_000])
    async def test_a_tool_that_is_not_there_is_an_error_of_the_protocol(self, each: Client, name: str) -> None:
        with pytest.raises(MCPError) as caught:
            await each.call_tool(name, {})
        assert caught.value.error.code == -32602

    async def test_a_run_that_needs_a_person_says_so(self, house: Any, each: Client) -> None:
        result = await each.call_tool("ask", {})
        assert not result.is_error
        assert result.meta["penstock/status"] == "waiting"
        run = result.structured_content["run"]
        assert run["status"] == "waiting"
        assert run["questions"] == [{"run_id": run["run_id"], "step": "ok#1", "title": "Ship it?"}]
        assert run["url"] in told(result)
        assert "Ship it?" in told(result)
        await house.core.control.answer(run["run_id"], "ok#1", "approve", "local")
        assert await settled(house.core, run["run_id"]) == "completed", "the call is over, the run is not"

    async def test_a_question_of_a_run_below_is_told_too(self, each: Client) -> None:
        result = await each.call_tool("asks-below", {})
        run = result.structured_content["run"]
        assert [question["title"] for question in run["questions"]] == ["Ship it?"]
        assert run["questions"][0]["run_id"] != run["run_id"]

    async def test_a_paused_run_needs_a_person_as_well(self, each: Client) -> None:
        result = await each.call_tool("careful", {"value": -1})
        assert result.meta["penstock/status"] == "waiting"
        assert "-1 is negative" in told(result)


class TestLeaving:
    async def test_cancelling_the_call_cancels_the_run(self, house: Any, each: Client) -> None:
        gate = f"cancel-{each.protocol_version}"
        async with asyncio.TaskGroup() as group:
            call = group.create_task(each.call_tool("gated", {"gate": gate}))
            run_id = await begun(house.core, "gated", "hold")
            call.cancel()
        assert await settled(house.core, run_id) == "cancelled"

    async def test_only_the_call_that_is_meant_is_cancelled(self, house: Any) -> None:
        """Clients number their requests alike: one's cancellation must not reach the other's."""
        async with client_of(house, "legacy") as one, client_of(house, "legacy") as other:
            first = asyncio.create_task(one.call_tool("gated", {"gate": "mine"}))
            mine = await begun(house.core, "gated", "hold")
            second = asyncio.create_task(other.call_tool("gated", {"gate": "theirs"}))
            async with asyncio.timeout(20):
                while (theirs := await begun(house.core, "gated", "hold")) == mine:
                    await house.core.control.wait(mine, lambda state: True)
            first.cancel()
            assert await settled(house.core, mine) == "cancelled"
            assert (await house.core.runs.row(theirs)).status == "running"
            house.open("theirs")
            assert (await second).structured_content == {"gate": "theirs"}

    async def test_hanging_up_cancels_the_run(self, house: Any) -> None:
        for mode in VERSIONS:
            async with client_of(house, mode) as client:
                call = asyncio.create_task(client.call_tool("gated", {"gate": f"hang-up-{mode}"}))
                run_id = await begun(house.core, "gated", "hold")
            with contextlib.suppress(Exception, asyncio.CancelledError):
                await call
            assert await settled(house.core, run_id) == "cancelled"


class TestIdempotency:
    async def test_the_same_key_is_the_same_run(self, house: Any, each: Client) -> None:
        meta = {"Idempotency-Key": f"key-{each.protocol_version}"}
        first = await each.call_tool("double", {"value": 4}, meta=meta)
        again = await each.call_tool("double", {"value": 4}, meta=meta)
        assert first.meta["penstock/run_id"] == again.meta["penstock/run_id"]
        assert "penstock/replayed" not in first.meta
        assert again.meta["penstock/replayed"] is True
        assert again.structured_content == {"result": {"value": 8}}
        other = await each.call_tool("double", {"value": 5}, meta=meta)
        assert other.is_error
        assert other.meta["penstock/code"] == "idempotency.body_differs"

    async def test_the_same_key_twice_at_once_is_one_run(self, house: Any, each: Client) -> None:
        meta: Any = {"Idempotency-Key": f"at-once-{each.protocol_version}"}
        results = await asyncio.gather(*(each.call_tool("double", {"value": 6}, meta=meta) for _ in range(5)))
        assert len({result.meta["penstock/run_id"] for result in results}) == 1
        assert [result.structured_content for result in results] == [{"result": {"value": 12}}] * 5

    async def test_a_call_with_a_key_survives_its_caller(self, house: Any, each: Client) -> None:
        name = f"survive-{each.protocol_version}"
        meta = {"idempotency-key": name}
        async with asyncio.TaskGroup() as group:
            call = group.create_task(each.call_tool("gated", {"gate": name}, meta=meta))
            run_id = await begun(house.core, "gated", "hold")
            call.cancel()
        house.open(name)
        again = await each.call_tool("gated", {"gate": name}, meta=meta)
        assert again.meta["penstock/run_id"] == run_id
        assert again.structured_content == {"gate": name}

    async def test_a_key_that_is_none_is_an_error(self, each: Client) -> None:
        result = await each.call_tool("double", {}, meta={"Idempotency-Key": "ü" * 300})
        assert result.meta["penstock/code"] == "idempotency.bad_key"


CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
ACCEPT = {"Accept": "application/json, text/event-stream"}


class TestTheDoor:
    def say(self, house: Any, **headers: str) -> dict[str, Any]:
        return {"headers": {"Authorization": f"Bearer {house.token}", **ACCEPT, **headers}}

    async def test_nobody_comes_in_without_the_token(self, house: Any, is_problem: Any) -> None:
        is_problem(await house.bare.post("/mcp", json=CALL, headers=ACCEPT), 401, "auth.missing")
        wrong = self.say(house, Authorization="Bearer wrong")
        is_problem(await house.bare.post("/mcp", json=CALL, **wrong), 401, "auth.bad_token")
        assert (await house.bare.post("/mcp", json=CALL, **self.say(house))).status_code == 200

    async def test_a_name_that_is_not_ours_is_refused(self, house: Any, is_problem: Any) -> None:
        asked = self.say(house, Host="evil.example:7411")
        is_problem(await house.bare.post("/mcp", json=CALL, **asked), 403, "auth.host")
        asked = self.say(house, Host="localhost")
        assert (await house.bare.post("/mcp", json=CALL, **asked)).status_code == 200

    async def test_a_page_of_another_site_is_refused(self, house: Any, is_problem: Any) -> None:
        asked = self.say(house, Origin="https://evil.example")
        is_problem(await house.bare.post("/mcp", json=CALL, **asked), 403, "auth.origin")
        assert (await house.bare.post("/mcp", json=CALL, **self.say(house, Origin=house.url))).status_code == 200

    @pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
    async def test_there_is_nothing_to_hold_open(self, house: Any, is_problem: Any, method: str) -> None:
        answer = await house.bare.request(method, "/mcp", **self.say(house))
        is_problem(answer, 405, "method.not_allowed")
        assert answer.headers["allow"] == "POST"

    async def test_a_body_has_an_end(self, house: Any, is_problem: Any) -> None:
        asked = self.say(house, **{"Content-Type": "application/json"})
        is_problem(await house.bare.post("/mcp", content=b"x" * 5_000_000, **asked), 413, "body.too_large")
        is_problem(await house.bare.post("/mcp", content=b"[" * 1_000_000, **asked), 413, "body.too_many_values")

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b'{"jsonrpc": "2.0"}', b"[" * 50_000])
    async def test_what_is_no_request_is_refused_and_nothing_breaks(self, house: Any, body: bytes) -> None:
        for version in ("2026-07-28", "2025-11-25", "1999-01-01", ""):
            asked = self.say(house, **{"Content-Type": "application/json", "MCP-Protocol-Version": version})
            assert 400 <= (await house.bare.post("/mcp", content=body, **asked)).status_code < 500

    @pytest.mark.parametrize("prompt", [b"NaN", b'"\\ud800"', b'"\\u0000"', b"1e999", b"[" * 500 + b"]" * 500])
    async def test_values_that_no_journal_holds_are_refused(self, house: Any, prompt: bytes) -> None:
        template = b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo", "arguments":'
        body = template + b' {"prompt": %s}, "_meta": {"Idempotency-Key": "k"}}}' % prompt
        asked = self.say(house, **{"Content-Type": "application/json", "MCP-Protocol-Version": "2025-11-25"})
        answer = await house.bare.post("/mcp", content=body, **asked)
        text = json.loads(answer.text.partition("data: ")[2] or answer.text)
        refused = text["error"]["code"] in (-32700, -32602) if "error" in text else text["result"]["isError"]
        assert refused, text
        assert "Internal" not in answer.text

    async def test_arguments_of_a_wrong_shape_are_refused(self, house: Any) -> None:
        params = {"name": "double", "arguments": [1, 2]}
        answer = await house.bare.post(
            "/mcp", json={**CALL, "method": "tools/call", "params": params}, **self.say(house)
        )
        text = answer.text.partition("data: ")[2] or answer.text
        assert json.loads(text)["error"]["code"] == -32602


async def test_a_server_that_stops_leaves_the_run_in_peace(tmp_path: Any, housekeeping: Any) -> None:
    async with housekeeping(tmp_path) as house:
        await publish(house.core, "gated")
        async with client_of(house, "auto") as client:
            call = asyncio.create_task(client.call_tool("gated", {"gate": "stop"}))
            run_id = await begun(house.core, "gated", "hold")
            house.server.cancel()
            result = await call
        assert result.meta["penstock/code"] == "call.interrupted"
        assert result.meta["penstock/retryable"] is True
        assert result.meta["penstock/run_id"] == run_id
        house.open("stop")
        assert await settled(house.core, run_id) == "completed"


def test_the_sdk_is_loaded_by_the_first_request_alone() -> None:
    script = "import sys, penstock.api; print([n for n in sys.modules if n == 'mcp' or n.startswith('mcp.')])"
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
