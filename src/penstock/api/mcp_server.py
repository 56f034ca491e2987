"""The door to our MCP server: streamable HTTP at /mcp, without sessions of ours.

The official SDK does the protocol, in its current version and the ones before; it is heavy, so it is loaded by the first
request, in a thread. Before it sees anything we have settled who asks (`auth.Door`, by token), that a browser was not made to
ask under somebody else's name, and that the body has an end.

Two things the SDK leaves open are closed here. The older protocol cancels a call with a notification in a request of its own,
which a server without sessions cannot place: so its clients are given a session id that stands for nothing on this side but
tells their requests apart. And it would hold open the stream of a GET on which we have nothing to say: that is refused, as the
protocol allows.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import ipaddress
import secrets
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from ..errors import PenstockError, Refused, Unavailable
from . import bodies
from .auth import LOOPBACK
from .calls import FOREVER, Calls
from .problems import HttpError, answer

PATH = "/mcp"
BODY_BYTES = 4 * 1024 * 1024
SESSION = "mcp-session-id"


class McpEndpoint:
    """The ASGI application at /mcp."""

    def __init__(self, calls: Calls, hosts: Iterable[str] = ()) -> None:
        """`hosts` are names of this server, besides the loopback ones. A server that listens on loopback alone has no others;
        what names one has that listens everywhere is not known, so there only what a browser says is checked."""
        self._calls = calls
        bound = calls.core.settings.host
        self._hosts = LOOPBACK | {host.lower() for host in hosts if host}
        self._strict = bound in LOOPBACK
        self._manager: Any = None
        self._hosting: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()
        self._active = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            self._check(request.method, request.headers)
            data = await bodies.read_bytes(request, BODY_BYTES)
            if len(data) > bodies.IN_LOOP:
                bodies.parse_json(data)
            manager = await self._open()
        except PenstockError as error:
            await answer(error)(scope, receive, send)
            return
        if SESSION not in request.headers and b'"initialize"' in data:
            send = _with_session(send)
        self._active += 1
        self._idle.clear()
        try:
            await manager.handle_request(scope, _again(data, receive), send)
        finally:
            self._active -= 1
            if not self._active:
                self._idle.set()

    def _check(self, method: str, headers: Headers) -> None:
        """Raises Refused `auth.host` and `auth.origin`, HttpError 405."""
        host, origin = headers.get("host", ""), headers.get("origin")
        if (self._strict or origin is not None) and not self._is_ours(host):
            raise Refused(f"{host!r} is no name of this server", code="auth.host")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            raise Refused("this request was made by a page of another site", code="auth.origin")
        if method != "POST":
            raise HttpError(405, "method.not_allowed", f"{method} is not possible here", {"Allow": "POST"})

    def _is_ours(self, host: str) -> bool:
        """A name of ours, or an address: whoever rebinds a name cannot make a browser send an address instead."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
            if name in self._hosts:
                return True
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    async def _open(self) -> Any:
        """The SDK's manager of requests, begun when it is first needed. Raises Unavailable once the server stops."""
        async with self._opening:
            if self._calls.streams.closing:
                raise Unavailable("this server is stopping", code="call.interrupted")
            if self._manager is None:
                tools = await asyncio.to_thread(importlib.import_module, f"{__package__}.mcp_tools")
                manager = tools.manager_of(tools.build_server(self._calls), BODY_BYTES)
                begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._hosting = asyncio.create_task(self._host(manager, begun), name="penstock-mcp")
                await begun
                self._manager = manager
        return self._manager

    async def _host(self, manager: Any, begun: asyncio.Future[None]) -> None:
        """The manager lives until the server stops and the calls under way have been answered."""
        async with manager.run():
            begun.set_result(None)
            async with self._calls.streams.patience(FOREVER):
                await asyncio.Event().wait()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), self._calls.core.settings.stop_grace)


def _again(data: bytes, receive: Receive) -> Receive:
    """A body that was read, to be read once more; then whatever else comes."""
    given = False

    async def receive_again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": data, "more_body": False}

    return receive_again


def _with_session(send: Send) -> Send:
    async def send_with(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 200:
            MutableHeaders(scope=message)[SESSION] = secrets.token_urlsafe(24)
        await send(message)

    return send_with
