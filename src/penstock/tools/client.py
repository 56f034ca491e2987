"""What is said over a session: listing tools, calling them, and telling failures apart.

Requests of many callers are in flight at once over the one session. A caller that is cancelled or runs out of time
abandons its own request and nothing more. A server fails in one of five ways, each with its code: `tool.error` (the tool
said no), `tool.server_died`, `tool.server_broken` (it never spoke sense), `tool.timeout`, `tool.result_too_large`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import anyio

from ..errors import Invalid, NotFound, PenstockError, StepFailed, TimedOut, TooLarge, Unavailable
from .config import ServerConfig, same_spelling, spelled
from .limits import RESULT_LIMIT, SESSION_GONE, TOO_LARGE, UNREACHABLE
from .results import Checker, plain_result
from .session import Repeatable, Session

_PAGES = 100  # of a tool list
CAPABILITIES_KEY = "penstock/capabilities"
IDEMPOTENCY_KEY = "penstock/idempotency-key"


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


class Connection(Session):
    """A session, and what is said over it."""

    def __init__(self, config: ServerConfig) -> None:
        super().__init__(config)
        self._tools: dict[str, Tool] | None = None
        self._listing = asyncio.Lock()
        self._checkers: dict[tuple[str, str], Checker] = {}

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


def nearest(name: str, known: Any) -> str:
    """`; did you mean …?` with the likeliest of `known`, or the few there are."""
    import difflib  # noqa: PLC0415

    by_spelling = {spelled(other): other for other in known}
    close = difflib.get_close_matches(spelled(name), by_spelling, n=3, cutoff=0.5)
    if close:
        return "; did you mean " + " or ".join(repr(by_spelling[c]) for c in close) + "?"
    names = sorted(known)
    return f"; it has {', '.join(names[:20])}" if names else "; it has none"
