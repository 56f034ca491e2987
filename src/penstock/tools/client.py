"""One live session with one MCP server.

The SDK's sessions hold cancel scopes, which must be left by the task that entered them; so each session is entered and
left in a task of its own, the owner, and everybody else only sends requests through it. Requests of many callers are in
flight at once. A caller that is cancelled or runs out of time abandons its own request and nothing more.

A server's failures come in five kinds, told apart by their code: `tool.error` (the tool said no), `tool.server_died`,
`tool.server_broken` (it never spoke sense), `tool.timeout`, `tool.result_too_large`.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import anyio

from ..errors import Invalid, NotFound, PenstockError, StepFailed, TimedOut, TooLarge, Unavailable
from .config import ServerConfig, same_spelling, spelled
from .limits import RESULT_LIMIT, SESSION_GONE, TOO_LARGE, UNREACHABLE
from .results import Checker, plain_result
from .stdio import Child, child_streams, start_child

if TYPE_CHECKING:
    from mcp import Client

CLOSE_SECONDS = 5.0  # for a session to take its leave
_LAST_WORDS_SECONDS = 1.0
_PAGES = 100  # of a tool list
CAPABILITIES_KEY = "penstock/capabilities"
IDEMPOTENCY_KEY = "penstock/idempotency-key"


class Repeatable(Unavailable):
    """The session is gone, and to make the call again over a new one does no harm: it never left, or its tool only
    reads."""

    code = "tool.server_died"


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as its server describes it. `capabilities` are those it names itself."""

    name: str
    title: str
    description: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any] | None
    read_only: bool
    destructive: bool
    idempotent: bool
    capabilities: tuple[str, ...]


class Connection:
    """A session that is opened once and closed once. `closed` turns True when its server has gone, whoever ended it."""

    def __init__(self, config: ServerConfig) -> None:
        self.config = config
        self.closed = False
        self.child: Child | None = None
        self._client: Client | None = None
        self._ready: asyncio.Future[None] | None = None
        self._owner: asyncio.Task[None] | None = None
        self._scope: anyio.CancelScope | None = None
        self._stop = asyncio.Event()
        self._tools: dict[str, Tool] | None = None
        self._listing = asyncio.Lock()
        self._checkers: dict[tuple[str, str], Checker] = {}
        self._cause: BaseException | None = None

    # ------------------------------------------------------------------------------------------ open and close

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

            client = await stack.enter_async_context(http_client(config))
            streams = streamable_http_client(config.url or "", http_client=client, max_sse_event_size=RESULT_LIMIT)
        from mcp import Client  # noqa: PLC0415

        return await stack.enter_async_context(Client(streams, mode=config.protocol, cache=None))

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

    # -------------------------------------------------------------------------------------------------- tools

    async def tools(self) -> dict[str, Tool]:
        """The server's tools by name, asked for once a connection."""
        async with self._listing:
            if self._tools is None:
                self._tools = await self._list()
        return self._tools

    async def _list(self) -> dict[str, Tool]:
        from mcp_types import PaginatedRequestParams  # noqa: PLC0415

        found: dict[str, Tool] = {}
        cursor: str | None = None
        async with self._translated("tools/list"), asyncio.timeout(self.config.start_timeout_seconds):
            for _ in range(_PAGES):
                page = await self._live().session.list_tools(params=PaginatedRequestParams(cursor=cursor))
                found |= {tool.name: _tool(tool) for tool in page.tools}
                cursor = page.next_cursor
                if not cursor:
                    break
        return found

    async def tool(self, name: str) -> Tool:
        """The tool `name` means. Raises NotFound `tool.unknown`, with the nearest names."""
        known = await self.tools()
        found = same_spelling(name, known)
        if found is None:
            raise NotFound(
                f"server {self.config.name!r} has no tool {name!r}{nearest(name, known)}", code="tool.unknown"
            )
        return known[found]

    async def call(
        self, name: str, arguments: dict[str, Any], seconds: float | None = None, key: str | None = None
    ) -> Any:
        """Call a tool; its result as plain JSON (see `results.plain_result`). `seconds` limits it, by default as the
        server's configuration says; `key` is sent along as an idempotency key. Raises Invalid `tool.bad_arguments`,
        StepFailed `tool.error`, Unavailable `tool.server_died`, TimedOut `tool.timeout`, TooLarge
        `tool.result_too_large`.
        """
        import mcp_types as types  # noqa: PLC0415

        from .results import answer_adapter  # noqa: PLC0415

        try:
            tool = await self.tool(name)
        except Unavailable as error:
            raise Repeatable(error.message) from error
        self._checker(tool, "input").arguments(arguments, f"{self.config.name}/{tool.name}")
        meta: Any = {IDEMPOTENCY_KEY: key} if key else None
        params = types.CallToolRequestParams(name=tool.name, arguments=arguments, _meta=meta)
        limit = self.config.timeout_seconds if seconds is None else seconds
        try:
            async with self._translated(tool.name, limit), asyncio.timeout(limit):
                request = types.CallToolRequest(params=params)
                answer = await self._live().session.send_request(request, answer_adapter())
        except Unavailable as error:
            if self.closed and (tool.read_only or tool.idempotent):
                raise Repeatable(error.message) from error
            raise
        result = plain_result(answer, f"{self.config.name}/{tool.name}", tool.output_schema is not None)
        if tool.output_schema is not None and self.config.check_results:
            await self._checker(tool, "output").result(result, f"{self.config.name}/{tool.name}")
        return result

    def _checker(self, tool: Tool, side: str) -> Checker:
        found = self._checkers.get((tool.name, side))
        if found is None:
            schema = tool.input_schema if side == "input" else tool.output_schema or {}
            found = self._checkers[tool.name, side] = Checker(schema)
        return found

    @property
    def protocol_version(self) -> str:
        return self._live().protocol_version

    # ------------------------------------------------------------------------------------------------- errors

    def _live(self) -> Client:
        if self.closed or self._client is None:
            raise Repeatable(self._died().message)
        return self._client

    @contextlib.asynccontextmanager
    async def _translated(self, what: str, seconds: float | None = None) -> AsyncGenerator[None]:
        from mcp.shared.exceptions import MCPError  # noqa: PLC0415
        from pydantic import ValidationError  # noqa: PLC0415

        where = f"{self.config.name}/{what}"
        try:
            yield
        except PenstockError:
            raise
        except TimeoutError as error:
            limit = seconds or self.config.start_timeout_seconds
            raise TimedOut(f"{where} did not answer within {limit:g} s{self._noise()}", code="tool.timeout") from error
        except MCPError as error:
            await self._last_words()
            raise self._failure(error, where) from error
        except ValidationError as error:
            message = f"{where} answered what is no MCP result: {str(error)[:500]}"
            raise StepFailed(message, code="tool.bad_result", retryable=False) from error
        except (anyio.ClosedResourceError, anyio.BrokenResourceError, OSError) as error:
            raise self._died(error) from error

    async def _last_words(self) -> None:
        """How a child ended and what it wrote last arrive a moment after the end of its stdout."""
        if self.child is not None and self.child.ended.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.child.exited.wait(), _LAST_WORDS_SECONDS)

    def _failure(self, error: Any, where: str) -> PenstockError:
        if error.code == TOO_LARGE or "penstock: the answer is too large" in error.message:
            limit = RESULT_LIMIT >> 20
            return TooLarge(f"{where} answered with more than {limit} MiB", code="tool.result_too_large")
        if self.closed or (self.child is not None and self.child.ended.is_set()):
            return self._died(error)
        if error.code == UNREACHABLE and error.data in (400, 401, 403, 404, 405, 410, 413):
            message = f"{where}: the server answered {error.message}"
            return StepFailed(message, code="tool.refused", retryable=False)
        if error.code == UNREACHABLE or "penstock: the connection broke" in error.message:
            return Unavailable(f"{where}: {error.message}", code="tool.server_died")
        from mcp_types import CONNECTION_CLOSED, INVALID_PARAMS  # noqa: PLC0415

        if error.code == CONNECTION_CLOSED:
            return self._died(error)
        if error.code == SESSION_GONE:
            return Repeatable(self._died(error).message)
        if error.code == INVALID_PARAMS:
            return Invalid(f"{where} refused its arguments: {error.message}", code="tool.bad_arguments")
        detail = {"code": error.code} | ({} if error.data is None else {"data": error.data})
        return StepFailed(f"{where}: {error.message}", code="tool.error", retryable=False, detail=detail)

    def _died(self, error: BaseException | None = None) -> Unavailable:
        self.closed = True
        self._stop.set()
        end = ""
        if self.child is not None and (status := self.child.returncode) is not None:
            end = f" with signal {-status}" if status < 0 else f" with exit status {status}"
        reason = error or self._cause
        told = f": {_innermost(reason)}" if reason is not None and self.child is None else ""
        return Unavailable(f"server {self.config.name!r} ended{end}{told}{self._noise()}", code="tool.server_died")

    def _broken(self, error: BaseException | None) -> Unavailable:
        reason = _innermost(error) if error is not None else "it was closed before it answered"
        silent = isinstance(error, TimeoutError)
        if not silent and self.child is not None and (status := self.child.returncode) is not None:
            reason = f"it ended with {'signal' if status < 0 else 'exit status'} {abs(status)}"
        message = f"server {self.config.name!r} could not be started: {reason}{self._noise()}"
        return Unavailable(message, code="tool.server_broken")

    def _noise(self) -> str:
        if self.child is None:
            return ""
        said = f"\nstdout had lines that are no JSON-RPC: {self.child.garbage!r}" if self.child.garbage else ""
        return said + (f"\nstderr: {self.child.stderr[-2000:]}" if self.child.stderr else "")


def _tool(tool: Any) -> Tool:
    hints = tool.annotations
    named = (tool.meta or {}).get(CAPABILITIES_KEY)
    return Tool(
        name=tool.name,
        title=tool.title or (hints.title if hints else None) or tool.name,
        description=tool.description or "",
        input_schema=tool.input_schema,
        output_schema=tool.output_schema,
        read_only=bool(hints and hints.read_only_hint),
        destructive=not (hints and (hints.read_only_hint or hints.destructive_hint is False)),
        idempotent=bool(hints and hints.idempotent_hint),
        capabilities=tuple(c for c in named if isinstance(c, str)) if isinstance(named, list) else (),
    )


def _innermost(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return str(error) or type(error).__name__


def nearest(name: str, known: Any) -> str:
    """`; did you mean …?` with the likeliest of `known`, or the few there are."""
    import difflib  # noqa: PLC0415

    by_spelling = {spelled(other): other for other in known}
    close = difflib.get_close_matches(spelled(name), by_spelling, n=3, cutoff=0.5)
    if close:
        return "; did you mean " + " or ".join(repr(by_spelling[c]) for c in close) + "?"
    names = sorted(known)
    return f"; it has {', '.join(names[:20])}" if names else "; it has none"


async def _import_sdk() -> None:
    """Import the SDK (most of a second, once) without stopping the event loop meanwhile."""
    await asyncio.to_thread(importlib.import_module, "mcp")
