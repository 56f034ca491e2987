"""What is said over a session: listing tools, calling them, and telling failures apart.

Requests of many callers are in flight at once over the one session. A caller that is cancelled or runs out of time
abandons its own request and nothing more. A server fails in one of six ways, each with its code: `tool.error` (the tool
said no), `tool.server_died`, `tool.server_broken` (it never spoke sense), `tool.timeout`, `tool.result_too_large`,
`tool.changed` (what it listed is not there any more).

The list of tools is asked for once a session, and again when the server says that it has changed, when it refuses what it
listed, and by whoever looks whether it is well.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import anyio

from ..errors import Invalid, NotFound, PenstockError, StepFailed, TimedOut, TooLarge, Unavailable
from .config import ServerConfig, ToolTraits, same_spelling, spelled
from .limits import SESSION_GONE, TOO_LARGE, UNREACHABLE, UNSENT
from .results import Checker, plain_result
from .session import Repeatable, Session, Unreached

_PAGES = 100  # of a tool list
_TOOLS = 5_000
_NO_SUCH_TOOL = re.compile(r"unknown tool|no such tool|tool\b.{0,80}\bnot found", re.IGNORECASE | re.DOTALL)
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

    @property
    def listed(self) -> dict[str, Tool] | None:
        """The tools, while they are known."""
        return self._tools

    async def tools(self, again: bool = False) -> dict[str, Tool]:
        """The server's tools by name; `again` asks for them although they are known. Raises Unavailable, TimedOut,
        StepFailed `tool.bad_result`."""
        if self._tools is not None and not again:
            return self._tools
        before = self._tools
        async with self._listing:
            if self._tools is None or (again and self._tools is before):
                self._tools = await self._list()
                self._checkers.clear()
        return self._tools

    async def _heard(self, message: Any) -> None:
        if getattr(message, "method", None) == "notifications/tools/list_changed":
            self._tools = None

    async def _list(self) -> dict[str, Tool]:
        from mcp_types import PaginatedRequestParams  # noqa: PLC0415

        found: dict[str, Tool] = {}
        cursor: str | None = None
        async with self._translated("tools/list"), asyncio.timeout(self.config.start_timeout_seconds):
            for _ in range(_PAGES):
                page = await self._live().session.list_tools(params=PaginatedRequestParams(cursor=cursor))
                found |= {tool.name: _tool(tool) for tool in page.tools}
                cursor = page.next_cursor
                if not cursor or len(found) > _TOOLS:
                    break
        if len(found) > _TOOLS:
            raise Unavailable(f"server {self.config.name!r} lists more than {_TOOLS} tools", code="tool.server_broken")
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
        StepFailed `tool.error`, Unavailable `tool.server_died`, `tool.changed`, TimedOut `tool.timeout`, TooLarge
        `tool.result_too_large`.
        """
        try:
            tool = await self.tool(name)
        except Unreached:
            raise
        except Unavailable as error:  # it was asked for its tools only
            raise Repeatable(error.message) from error
        where = f"{self.config.name}/{tool.name}"
        self._checker(tool, "input").arguments(arguments, where)
        limit = self.config.timeout_seconds if seconds is None else seconds
        try:
            answer = await self._ask(tool, arguments, limit, key)
            result = plain_result(answer, where, tool.output_schema is not None)
        except Repeatable:
            raise
        except Unavailable as error:
            if self.closed and repeats(self.config, tool):
                raise Repeatable(error.message) from error
            raise
        except (Invalid, StepFailed) as error:
            if isinstance(error, Invalid) or _NO_SUCH_TOOL.search(error.message):
                await self._changed(tool, arguments, where, error)
            raise
        if tool.output_schema is not None and self.config.check_results:
            await self._checker(tool, "output").result(result, where)
        return result

    async def _ask(self, tool: Tool, arguments: dict[str, Any], limit: float, key: str | None) -> Any:
        import mcp_types as types  # noqa: PLC0415

        from .results import answer_adapter  # noqa: PLC0415

        meta: Any = {IDEMPOTENCY_KEY: key} if key else None
        params = types.CallToolRequestParams(name=tool.name, arguments=arguments, _meta=meta)
        async with self._translated(tool.name, limit), asyncio.timeout(limit):
            request = types.CallToolRequest(params=params)
            return await self._live().session.send_request(request, answer_adapter())

    async def _changed(self, tool: Tool, arguments: dict[str, Any], where: str, error: PenstockError) -> None:
        """The server refused what it had listed: does it say something else by now?"""
        now = (await self.tools(again=True)).get(tool.name)
        if now is None:
            message = f"{where} was listed and is not there any more"
            raise Unreached(message, code="tool.changed") from error
        if now.input_schema != tool.input_schema:
            self._checker(now, "input").arguments(arguments, where)

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
            limit = f"{self.config.max_result_bytes / (1 << 20):g} MiB"
            return TooLarge(f"{where} answered with more than {limit}", code="tool.result_too_large")
        if error.code == UNSENT:
            return Unreached(f"{where}: {error.message}")
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


def repeats(config: ServerConfig, tool: Tool) -> bool:
    """Whether a call may be made again, here or elsewhere, when nobody knows if it was made: what the configuration says, else
    the tool's own hints."""
    said = config.tools.get(same_spelling(tool.name, config.tools) or "", ToolTraits()).repeatable
    return (tool.read_only or tool.idempotent) if said is None else said


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
