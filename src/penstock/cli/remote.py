"""The API over HTTP: the side of a command whose data folder has a server, or that was told of one.

A run is followed by its event stream. When that breaks, it is taken up again after the last event seen, so a server that is
restarted shows as a pause in the progress and as nothing else.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Any
from urllib.parse import quote

import httpx2

from ..engine.events import Event, event_from_dict
from ..errors import Invalid, NotFound, PenstockError, Unauthenticated, Unavailable
from .failures import from_problem, in_file, problems_of
from .link import Server, Text

TIMEOUT = httpx2.Timeout(30.0, connect=5.0)
SILENCE = httpx2.Timeout(45.0, connect=5.0)  # of a stream, which says something every 15 s
PATIENCE = 60.0  # seconds a server may be away while a run is followed
PAUSE = 0.25  # seconds before the first attempt to reach it again


class Remote:
    """See link.Link."""

    local = False

    def __init__(self, server: Server, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self._url = server.url
        headers = {"Authorization": f"Bearer {server.token}"} if server.token else {}
        self._client = httpx2.AsyncClient(
            base_url=server.url + "/api/v1", headers=headers, timeout=TIMEOUT, transport=transport, trust_env=False
        )

    async def __aenter__(self) -> Remote:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    # ------------------------------------------------------------------------------------------------ requests

    async def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        return (await self._send(method, path, query, json=body))[0]

    async def _send(
        self, method: str, path: str, query: dict[str, Any] | None = None, headers: Any = None, **body: Any
    ) -> tuple[Any, httpx2.Headers]:
        params = {name: _parameter(value) for name, value in (query or {}).items() if value is not None}
        body = {name: value for name, value in body.items() if value is not None}
        try:
            response = await self._client.request(method, path, params=params, headers=headers, **body)
        except httpx2.TransportError as error:
            raise self._unreachable(error) from None
        if response.is_success:
            return (response.json() if response.content else None), response.headers
        raise self._problem(response)

    def _problem(self, response: httpx2.Response) -> PenstockError:
        try:
            said = response.json()
        except ValueError:
            said = None
        error = from_problem(response.status_code, said)
        if isinstance(error, Unauthenticated):
            hint = "the token is in the URL that `penstock up` prints; give that URL, or set PENSTOCK_TOKEN"
            return Unauthenticated(f"{self._url} does not accept this token", code=error.code, detail={"hint": hint})
        return error

    def _unreachable(self, error: Exception) -> Unavailable:
        why = str(error) or type(error).__name__
        return Unavailable(f"no answer from {self._url}: {why}", code="server.unreachable")

    # ----------------------------------------------------------------------------------------------- workflows

    async def draft(self, slug: str) -> dict[str, Any]:
        return await self.call("GET", f"/workflows/{quote(slug, safe='')}")

    async def check(self, text: Text) -> dict[str, Any]:
        return (await self._send("POST", f"/workflows/{_slug(text)}/validate", **_document(text)))[0]

    async def apply(self, text: Text) -> dict[str, Any]:
        found = await self.check(text)
        if not found["valid"]:
            wrong = Invalid(
                "the workflow is not right", code="workflow.invalid", problems=problems_of(found["problems"])
            )
            raise in_file(wrong, text.source)
        path = f"/workflows/{_slug(text)}"
        try:
            return (await self._send("PUT", path, **_document(text, {"If-Match": "*"})))[0]
        except NotFound:
            return (await self._send("PUT", path, **_document(text, {"If-None-Match": "*"})))[0]

    # ---------------------------------------------------------------------------------------------------- runs

    async def start(self, body: dict[str, Any]) -> str:
        key = {"Idempotency-Key": secrets.token_hex(16)}
        try:
            answer, _ = await self._send("POST", "/runs", headers=key, json=body)
        except Unavailable:  # it may have been begun all the same; with the same key it is not begun twice
            await asyncio.sleep(PAUSE)
            answer, _ = await self._send("POST", "/runs", headers=key, json=body)
        return answer["run_id"]

    async def follow(self, run_id: str, after: int = 0) -> AsyncGenerator[list[Event], None]:
        away_since: float | None = None
        pause = PAUSE
        while True:
            try:
                async for events, ended in self._stream(run_id, after):
                    away_since, pause = None, PAUSE
                    if events:
                        after = events[-1].seq
                        yield events
                    if ended:
                        return
                broken: Exception = ConnectionError("the stream ended early")
            except (httpx2.TransportError, Unavailable) as error:
                broken = error
            now = time.monotonic()
            away_since = now if away_since is None else away_since
            if now - away_since > PATIENCE:
                raise self._unreachable(broken)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)

    async def _stream(self, run_id: str, after: int) -> AsyncGenerator[tuple[list[Event], bool], None]:
        """Events as the server sends them, and whether that was the end of the run."""
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
        path = f"/runs/{quote(run_id, safe='')}/stream"
        async with self._client.stream("GET", path, headers=headers, timeout=SILENCE) as response:
            if not response.is_success:
                await response.aread()
                raise self._problem(response)
            rest = b""
            async for chunk in response.aiter_bytes():
                *frames, rest = (rest + chunk).split(b"\n\n")
                events, ended = [], False
                for frame in frames:
                    kind, data = _read_frame(frame)
                    if kind == "end":
                        ended = True
                    elif data and "seq" in (event := json.loads(data)):
                        events.append(event_from_dict(event))
                yield events, ended

    async def cancel(self, run_id: str, reason: str | None = None) -> None:
        await self.call("POST", f"/runs/{quote(run_id, safe='')}/cancel", {"reason": reason})

    async def answer(self, run_id: str, step: str, body: dict[str, Any]) -> None:
        listed = await self.call("GET", "/approvals", limit=200)
        while True:
            for one in listed["items"]:
                if one["run_id"] == run_id and one["step"] == step:
                    await self.call("POST", f"/approvals/{quote(one['id'], safe='')}", body)
                    return
            if not listed["cursor"]:
                raise NotFound(f"run {run_id} asks nothing at {step}", code="approval.not_found")
            listed = await self.call("GET", "/approvals", limit=200, cursor=listed["cursor"])

    async def content(self, run_id: str, digest: str) -> bytes:
        try:
            response = await self._client.get(f"/artifacts/{quote(digest, safe=':')}", params={"run": run_id})
        except httpx2.TransportError as error:
            raise self._unreachable(error) from None
        if not response.is_success:
            raise self._problem(response)
        return response.content


def in_process(penstock: Any) -> Remote:
    """The API's own application, called without a network."""
    from ..api import create_app  # noqa: PLC0415 - it loads the web framework
    from ..api.auth import ensure_token  # noqa: PLC0415

    settings = penstock.settings
    transport = httpx2.ASGITransport(app=create_app(penstock))
    return Remote(Server("http://127.0.0.1", ensure_token(settings.token, settings.data)), transport)


def _slug(text: Text) -> str:
    """The name a document gives itself, for a URL. Raises Invalid, with the place, when the text cannot be read."""
    from ..imports.text import read_text  # noqa: PLC0415 - only commands that send a document

    try:
        data = read_text(text.content, text.source).data
        slug = data.get("name") if isinstance(data, dict) else None
        if not isinstance(slug, str) or not slug:
            raise Invalid("the document has no name", code="workflow.invalid")
    except Invalid as error:
        raise in_file(error, text.source) from None
    return quote(slug, safe="")


def _document(text: Text, headers: dict[str, str] | None = None) -> dict[str, Any]:
    media = "application/json" if text.source.endswith(".json") else "application/yaml"
    return {"content": text.content, "headers": {"Content-Type": media, **(headers or {})}}


def _parameter(value: Any) -> Any:
    return ("true" if value else "false") if isinstance(value, bool) else value


def _read_frame(frame: bytes) -> tuple[str, bytes]:
    kind, data = "", b""
    for line in frame.splitlines():
        if line.startswith(b"event:"):
            kind = line[6:].strip().decode()
        elif line.startswith(b"data:"):
            data += line[5:].strip()
    return kind, data
