"""The life of one session with one MCP server.

The SDK's sessions hold cancel scopes, which must be left by the task that entered them; so each session is entered and
left in a task of its own, the owner, and everybody else only sends requests through it.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, cast

import anyio

from ..errors import Unavailable
from .config import ServerConfig
from .stdio import Child, child_streams, start_child

if TYPE_CHECKING:
    from mcp import Client

CLOSE_SECONDS = 5.0  # for a session to take its leave
_LAST_WORDS_SECONDS = 1.0


class Repeatable(Unavailable):
    """The session is gone, and to make the call again over a new one does no harm: it never left, or its tool only
    reads."""

    code = "tool.server_died"


class Unreached(Unavailable):
    """The call never got to the server: it may be made elsewhere."""

    code = "tool.server_died"


class Session:
    """Opened once and closed once. `closed` turns True when its server has gone, whoever ended it."""

    def __init__(self, config: ServerConfig) -> None:
        self.config = config
        self.closed = False
        self.child: Child | None = None
        self._client: Client | None = None
        self._ready: asyncio.Future[None] | None = None
        self._owner: asyncio.Task[None] | None = None
        self._scope: anyio.CancelScope | None = None
        self._stop = asyncio.Event()
        self._cause: BaseException | None = None

    async def open(self) -> None:
        """Connect, once; later callers wait for the first one's attempt. Raises Unavailable `tool.server_broken`."""
        if self._ready is None:
            self._ready = asyncio.get_running_loop().create_future()
            self._owner = asyncio.create_task(self._own(self._ready), name=f"mcp:{self.config.name}")
        await asyncio.shield(self._ready)

    async def close(self) -> None:
        """End the session and its process; returns when both are gone."""
        self.closed = True
        self._stop.set()
        if self._owner is None:
            return
        if self._client is None and self._scope is not None:
            self._scope.cancel()
        await asyncio.wait({self._owner}, timeout=CLOSE_SECONDS)
        if not self._owner.done() and self._scope is not None:
            self._scope.cancel()
            await asyncio.wait({self._owner})

    async def _own(self, ready: asyncio.Future[None]) -> None:
        limit = self.config.start_timeout_seconds
        timer = asyncio.get_running_loop().call_later(limit, self._give_up, ready)
        try:
            with anyio.CancelScope() as self._scope:
                if self._stop.is_set():
                    self._scope.cancel()
                async with AsyncExitStack() as stack:
                    self._client = await self._connect(stack)
                    timer.cancel()
                    if not ready.done():
                        ready.set_result(None)
                    await self._until_over()
        except Exception as error:  # whatever it was, it is the session's end, and the callers are told
            self._cause = error
        finally:
            timer.cancel()
            self.closed = True
            if not ready.done():
                ready.set_exception(self._broken(self._cause))
                ready.exception()  # nobody may be waiting any more

    def _give_up(self, ready: asyncio.Future[None]) -> None:
        if not ready.done() and self._scope is not None:
            self._cause = TimeoutError(f"no answer within {self.config.start_timeout_seconds:g} s")
            self._scope.cancel()

    async def _connect(self, stack: AsyncExitStack) -> Client:
        config = self.config
        if config.transport == "stdio":
            # Started before the SDK is imported: the two longest parts of a first call then run side by side.
            with anyio.CancelScope(shield=True):  # half-way through, nobody would own the process
                self.child = await start_child(config)
            child = cast("Child", self.child)
            streams: Any = child_streams(child)
            try:
                await _import_sdk()
            except BaseException:
                with anyio.CancelScope(shield=True):
                    await child.stop()
                raise
        else:
            await _import_sdk()
            from mcp.client.streamable_http import streamable_http_client  # noqa: PLC0415

            from .http import http_client  # noqa: PLC0415

            http, longest = await stack.enter_async_context(http_client(config)), config.max_result_bytes
            streams = streamable_http_client(config.url or "", http_client=http, max_sse_event_size=longest)
        from mcp import Client  # noqa: PLC0415

        client = Client(streams, mode=config.protocol, cache=None, message_handler=self._heard)
        return await stack.enter_async_context(client)

    async def _heard(self, message: Any) -> None:
        """What the server says without being asked."""

    async def _until_over(self) -> None:
        if self.child is None:
            await self._stop.wait()
            return
        waits = [asyncio.ensure_future(event.wait()) for event in (self._stop, self.child.ended)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.closed = True
            for wait in waits:
                wait.cancel()

    @property
    def protocol_version(self) -> str:
        return self._live().protocol_version

    def _live(self) -> Client:
        if self.closed or self._client is None:
            raise Repeatable(self._died().message)
        return self._client

    async def _last_words(self) -> None:
        """How a child ended and what it wrote last arrive a moment after the end of its stdout."""
        if self.child is not None and self.child.ended.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.child.exited.wait(), _LAST_WORDS_SECONDS)

    def _died(self, error: BaseException | None = None) -> Unavailable:
        self.closed = True
        self._stop.set()
        end = ""
        if self.child is not None and (status := self.child.returncode) is not None:
            end = f" with signal {-status}" if status < 0 else f" with exit status {status}"
        reason = error or self._cause
        told = f": {_innermost(reason)}" if reason is not None and self.child is None else ""
        return Unavailable(f"server {self.config.name!r} ended{end}{told}{self._noise()}", code="tool.server_died")

    def _broken(self, error: BaseException | None) -> Unreached:
        reason = _innermost(error) if error is not None else "it was closed before it answered"
        silent = isinstance(error, TimeoutError)
        if not silent and self.child is not None and (status := self.child.returncode) is not None:
            reason = f"it ended with {'signal' if status < 0 else 'exit status'} {abs(status)}"
        message = f"server {self.config.name!r} could not be started: {reason}{self._noise()}"
        return Unreached(message, code="tool.server_broken")

    def _noise(self) -> str:
        if self.child is None:
            return ""
        said = f"\nstdout had lines that are no JSON-RPC: {self.child.garbage!r}" if self.child.garbage else ""
        return said + (f"\nstderr: {self.child.stderr[-2000:]}" if self.child.stderr else "")


def _innermost(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return str(error) or type(error).__name__


async def _import_sdk() -> None:
    """Import the SDK (most of a second, once) without stopping the event loop meanwhile."""
    await asyncio.to_thread(importlib.import_module, "mcp")
