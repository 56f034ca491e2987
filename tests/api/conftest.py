"""A real Penstock behind a real server on loopback, and the workflows that the stories need."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

import penstock
from penstock.api import create_app, serve
from penstock.errors import StepFailed

gates: dict[str, asyncio.Event] = {}


@penstock.function("api_double")
async def double(value: Any) -> Any:
    return {"value": value["value"] * 2}


@penstock.function("api_wait")
async def wait_for_gate(name: Any, step: Any) -> Any:
    """Runs until the test opens the gate."""
    await step.note(f"waiting at {name}")
    await gates.setdefault(name, asyncio.Event()).wait()
    return name


@penstock.function("api_only_positive")
async def only_positive(value: Any) -> Any:
    if value < 0:
        raise StepFailed(f"{value} is negative", code="test.negative", retryable=False)
    return value


@penstock.function("api_save")
async def save(given: Any, step: Any) -> Any:
    data = given["text"].encode() * given.get("times", 1)
    return await step.save(given["name"], data, given.get("mime", "text/plain"))


@penstock.function("api_talk")
async def talk(lines: Any, step: Any) -> Any:
    for number in range(lines):
        await step.note(f"line {number}")


DOUBLE = """
penstock: 1
name: double
title: Double a number
persona: engineer
tags: [numbers]
inputs: {type: object, properties: {value: {type: integer, default: 1}}}
nodes:
  a: {kind: function, with: {function: api_double, input: {value: "${{ inputs.value }}"}}}
outputs: {result: "${{ nodes.a.output }}"}
"""
GATED = """
penstock: 1
name: gated
inputs: {type: object, required: [gate], properties: {gate: {type: string}}}
nodes:
  first: {kind: function, with: {function: api_double, input: {value: 1}}}
  hold: {kind: function, with: {function: api_wait, input: "${{ inputs.gate }}"}}
  last: {kind: function, with: {function: api_double, input: {value: 2}}}
edges: [{from: first, to: hold}, {from: hold, to: last}]
outputs: {gate: "${{ nodes.hold.output }}"}
"""
ASK = """
penstock: 1
name: ask
nodes:
  ok: {kind: human, with: {title: Ship it?, comment: on_reject}}
outputs: {decision: "${{ nodes.ok.output.decision }}"}
"""
POSITIVE = """
penstock: 1
name: positive
inputs: {type: object, properties: {value: {type: integer}, pause: {type: boolean, default: false}}}
nodes:
  check: {kind: function, with: {function: api_only_positive, input: "${{ inputs.value }}"}}
outputs: {value: "${{ nodes.check.output }}"}
"""
CAREFUL = POSITIVE.replace("name: positive", "name: careful").replace(
    "kind: function,", "kind: function, on_error: pause,"
)
FILES = """
penstock: 1
name: files
inputs:
  type: object
  properties:
    name: {type: string}
    text: {type: string}
    times: {type: integer, default: 1}
    mime: {type: string, default: text/plain}
nodes:
  make:
    kind: function
    with:
      function: api_save
      input: {name: "${{ inputs.name }}", text: "${{ inputs.text }}", times: "${{ inputs.times }}", mime: "${{ inputs.mime }}"}
"""
MANY = """
penstock: 1
name: many
inputs: {type: object, properties: {count: {type: integer}}}
nodes:
  each:
    kind: function
    for_each: "${{ range(inputs.count) }}"
    with: {function: api_double, input: {value: "${{ item }}"}}
"""
TALK = """
penstock: 1
name: talk
inputs: {type: object, properties: {lines: {type: integer}}}
nodes: {say: {kind: function, with: {function: api_talk, input: "${{ inputs.lines }}"}}}
"""
DOCUMENTS = (DOUBLE, GATED, ASK, POSITIVE, CAREFUL, FILES, MANY, TALK)


@dataclass
class House:
    """A Penstock that is being served. `http` shows its token; `bare` shows none."""

    core: penstock.Penstock
    url: str
    token: str
    http: httpx2.AsyncClient
    bare: httpx2.AsyncClient
    server: asyncio.Task[None]
    gates: dict[str, asyncio.Event] = field(default_factory=lambda: gates)

    async def run(
        self, workflow: str, inputs: dict[str, Any] | None = None, wait: int = 20, **more: Any
    ) -> dict[str, Any]:
        """Start a run over HTTP; the run as it is in the end, or after `wait` seconds."""
        body = {"workflow": workflow, "inputs": inputs or {}, **more}
        answer = await self.http.post("/runs", json=body, headers={"Prefer": f"wait={wait}"} if wait else {})
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def until(self, run_id: str, status: str) -> None:
        async with asyncio.timeout(20):
            await self.core.control.wait(run_id, lambda state: state.shown == status)

    async def listeners(self, wanted: int) -> None:
        """Wait until so many clients listen to runs, as /metrics says."""
        async with asyncio.timeout(20):
            while f"penstock_streams {wanted}.0" not in (await self.bare.get("/metrics")).text.splitlines():  # noqa: ASYNC110
                await asyncio.sleep(0.01)  # the other side is a server, seen through its metrics

    def open(self, gate: str) -> None:
        self.gates.setdefault(gate, asyncio.Event()).set()


@contextlib.asynccontextmanager
async def keep_house(data: Path, **settings: Any) -> AsyncIterator[House]:
    settings = {"stop_grace": 1.0, **settings}
    async with penstock.local(data, **settings) as core:
        for document in DOCUMENTS:
            await core.apply(document)
        found: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        server = asyncio.create_task(serve(core, "127.0.0.1", 0, ready=found.set_result, signals=False))
        await asyncio.wait([found, server], return_when=asyncio.FIRST_COMPLETED)
        url = await found if found.done() else str(await server)
        token = (data / "token").read_text().strip()
        limits = httpx2.Limits(max_connections=None)
        headers = {"Authorization": f"Bearer {token}"}
        try:
            async with (
                httpx2.AsyncClient(base_url=f"{url}/api/v1", headers=headers, timeout=30, limits=limits) as http,
                httpx2.AsyncClient(base_url=url, timeout=30) as bare,
            ):
                yield House(core, url, token, http, bare, server)
        finally:
            server.cancel()
            await asyncio.gather(server, return_exceptions=True)


@pytest.fixture(scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with keep_house(tmp_path_factory.mktemp("data")) as house:
        yield house


@pytest.fixture(scope="session")
def make_app() -> Any:
    return create_app


@pytest.fixture(scope="session")
def housekeeping() -> Any:
    """For tests that open and close houses themselves."""
    return keep_house


def problem(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """Assert that an answer is this problem; its body."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["code"] == code, body
    assert body["status"] == status
    assert body["type"] == f"urn:penstock:problem:{code}"
    assert {"title", "detail", "errors", "retryable"} <= body.keys()
    return body


@pytest.fixture(scope="session")
def is_problem() -> Any:
    return problem
