"""A remote worker as the router sees it: a server like any other, with tools to list and to call.

With a `url` orders are sent there, and nowhere else: redirects are not followed, and nothing a worker says names an address we
go to. Its answer comes in the call (200), or later (202) by callback, or is fetched from below the same `url`. Without one the
worker comes to us, and the order waits at the desk until somebody takes it. Either way the result passes the desk once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

import orjson

from ..errors import Conflict, Invalid, NotFound, PenstockError, StepFailed, TimedOut, TooLarge, Unavailable
from .client import Tool, nearest, repeats
from .config import ServerConfig, same_spelling
from .desk import Desk, Order
from .results import Checker
from .session import Repeatable, Unreached

if TYPE_CHECKING:
    import httpx2

LISTING = "tools/list"  # the tool every pushed worker has: it says which others there are
LISTED = 60.0  # seconds a list of tools is believed
SAID = 5.0  # the same where workers say what they offer with every claim
POLL = (1.0, 15.0)  # seconds between looks at a worker that works: the first, and the longest
LOST = 3  # looks in a row without an answer, after which it is taken for dead
_NO_ANSWER = frozenset({408, 425, 429, 500, 502, 503, 504})


class RemoteWorker:
    """The surface of `client.Connection`, for a server of `transport: worker`. Opened once and closed once."""

    def __init__(self, config: ServerConfig, desk: Desk, group: str) -> None:
        """`group` is whose server it is: its orders are taken by workers of the same group only."""
        self.config = config
        self.closed = False
        self._desk = desk
        self._group = group
        self._audience = config.audience or config.name
        self._client: httpx2.AsyncClient | None = None
        self._tools: dict[str, Tool] | None = None
        self._listed_until = 0.0
        self._listing = asyncio.Lock()

    @property
    def protocol_version(self) -> str:
        return "penstock-work"

    async def open(self) -> None:
        """Nothing is held open for a worker: whether it is there shows when it is asked."""

    async def close(self) -> None:
        """Give back connections. Orders on their way are taken up again by the next call with the same key."""
        self.closed = True
        if self._client is not None:
            await self._client.aclose()

    @property
    def listed(self) -> dict[str, Tool] | None:
        """The tools, while they are known."""
        return self._tools if self._desk.clock() < self._listed_until else None

    async def tools(self, again: bool = False) -> dict[str, Tool]:
        """The worker's tools by name; `again` asks for them although they are known. Raises Unreached `tool.server_died` for
        one that is not there, and as `call` does where it is asked."""
        before = self._tools
        async with self._listing:
            if self.listed is None or (again and self._tools is before):
                self._tools = {tool.name: tool for tool in map(_tool, await self._list())}
                self._listed_until = self._desk.clock() + (LISTED if self.config.url else SAID)
            return self._tools or {}

    async def _list(self) -> list[dict[str, Any]]:
        if self.config.url is not None:
            found = await self._ask(LISTING, {}, self.config.start_timeout_seconds, None)
            rows = found.get("tools") if isinstance(found, dict) else None
        elif not (rows := list((await self._desk.offered(self._group, self._audience)).values())):
            raise Unreached(f"no worker has asked for work of {self.config.name!r} lately")
        if not isinstance(rows, list) or not all(isinstance(r, dict) and isinstance(r.get("name"), str) for r in rows):
            raise StepFailed(f"{self.config.name!r} lists what are no tools", code="tool.bad_result", retryable=False)
        return rows

    async def tool(self, name: str) -> Tool:
        """The tool `name` means. Raises NotFound `tool.unknown`, with the nearest names."""
        known = await self.tools()
        found = same_spelling(name, known)
        if found is None:
            message = f"server {self.config.name!r} has no tool {name!r}{nearest(name, known)}"
            raise NotFound(message, code="tool.unknown")
        return known[found]

    async def call(
        self, name: str, arguments: dict[str, Any], seconds: float | None = None, key: str | None = None
    ) -> Any:
        """Have a tool called over there; its result as plain JSON. `seconds` and `key` are as in `Connection.call`, and a call
        with a `key` that is on its way since before a restart is not made again but waited for.

        Raises Invalid `tool.bad_arguments`, StepFailed `tool.error`, `tool.refused` (`detail.code` is the worker's own
        code), `worker.redirected`, `tool.bad_result`, Unavailable `tool.server_died` (as Unreached when the order was never
        taken, as Repeatable when it does no harm to give it again), TimedOut `tool.timeout`, TooLarge
        `tool.result_too_large`.
        """
        try:
            tool = await self.tool(name)
        except Unreached:
            raise
        except Unavailable as error:  # it was asked for its tools only
            raise Repeatable(error.message) from error
        where = f"{self.config.name}/{tool.name}"
        Checker(tool.input_schema).arguments(arguments, where)
        limit = self.config.timeout_seconds if seconds is None else seconds
        try:
            result = await self._ask(tool.name, arguments, limit, key)
        except Unreached:
            raise
        except Unavailable as error:
            if repeats(self.config, tool):
                raise Repeatable(error.message) from error
            raise
        if tool.output_schema is not None and self.config.check_results:
            await Checker(tool.output_schema).result(result, where)
        return result

    async def _ask(self, tool: str, arguments: dict[str, Any], limit: float, key: str | None) -> Any:
        where = f"{self.config.name}/{tool}"
        order, fresh = await self._desk.order(self._group, self._audience, tool, arguments, limit, key)
        try:
            async with asyncio.timeout(min(limit, max(0.0, order.expires - self._desk.clock()))):
                answer = await (self._pull(order, fresh) if self.config.url is None else self._push(order, fresh))
        except TimeoutError as error:
            await self._desk.withdraw(order)
            raise TimedOut(f"{where} did not answer within {limit:g} s", code="tool.timeout") from error
        except PenstockError:
            await self._desk.withdraw(order)
            raise
        except ValueError as error:
            await self._desk.withdraw(order)
            raise StepFailed(f"{where} answered what is no JSON", code="tool.bad_result", retryable=False) from error
        if "error" in answer:
            if answer["error"].get("code") == "tool.unknown":
                self._listed_until = 0.0
            raise _failure(answer["error"], where)
        return answer["result"]

    # ---------------------------------------------------------------------------------------------- it comes to us

    async def _pull(self, order: Order, fresh: bool) -> dict[str, Any]:
        desk, watched_at = self._desk, self._desk.clock()
        if fresh:
            await desk.queue(order)
        with desk.told(order) as told:
            while (answer := await desk.take(order, self.config.max_result_bytes)) is None:
                if not await desk.revive(order):
                    raise Unreached(f"no worker has asked for work of {self.config.name!r} lately")
                watched_at = await desk.wait(order, told, watched_at)
        return answer

    # ----------------------------------------------------------------------------------------------- we go to it

    async def _push(self, order: Order, fresh: bool) -> dict[str, Any]:
        desk = self._desk
        nonce = None if fresh else await desk.nonce_of(order)
        with desk.told(order) as told:
            if nonce is None or not await self._is_known(order, nonce):
                text, envelope = await desk.deliver(order, "callback")
                nonce = envelope.nonce
                sending = asyncio.create_task(self._send(text, nonce))
                try:
                    while not sending.done():
                        if (answer := await desk.take(order, self.config.max_result_bytes)) is not None:
                            return answer
                        heard = asyncio.create_task(told.wait())
                        await asyncio.wait({sending, heard}, return_when=asyncio.FIRST_COMPLETED)
                        heard.cancel()
                        told.clear()
                    await sending
                finally:
                    sending.cancel()
            return await self._follow(order, nonce, told)

    async def _is_known(self, order: Order, nonce: str) -> bool:
        """Whether the worker has what it was sent before we were restarted."""
        if not await self._desk.is_open(nonce):
            return True
        try:
            return await self._look(nonce) is not None
        except Unavailable:
            return False

    async def _follow(self, order: Order, nonce: str, told: asyncio.Event) -> dict[str, Any]:
        """Wait for the callback, and look from time to time whether there is a result to fetch."""
        desk, watched_at, lost = self._desk, self._desk.clock(), 0
        every, longest = POLL
        loop = asyncio.get_running_loop()
        look_at = loop.time() + every
        while (answer := await desk.take(order, self.config.max_result_bytes)) is None:
            watched_at = await desk.wait(order, told, watched_at)
            if loop.time() < look_at or not await desk.is_open(nonce):
                continue
            try:
                known = await self._look(nonce)
                lost = 0
            except Unavailable:
                known, lost = True, lost + 1
            if (known is None or lost >= LOST) and await desk.is_open(nonce):
                message = f"worker {self.config.name!r} has lost what it was given"
                raise Unavailable(message, code="tool.server_died")
            every = min(every * 1.5, longest)
            look_at = loop.time() + every
        return answer

    async def _send(self, text: str, nonce: str) -> None:
        """Hand an envelope over; what comes back in the call is taken in at once."""
        async with self._exchange("POST", str(self.config.url), orjson.dumps({"envelope": text})) as (status, body):
            if status == 200:
                await self._take_in(nonce, body)
            elif status != 202:
                raise _refusal(self.config.name, status, body)

    async def _look(self, nonce: str) -> bool | None:
        """Ask for a result: True when it was there, False when it is being worked on, None when nobody knows of it."""
        async with self._exchange("GET", f"{str(self.config.url).rstrip('/')}/{nonce}", None) as (status, body):
            if status == 200:
                await self._take_in(nonce, body)
                return True
            if status == 404:
                return None
            if status == 202:
                return False
            raise Unavailable(f"worker {self.config.name!r} answered {status}", code="tool.server_died")

    async def _take_in(self, nonce: str, body: bytes) -> None:
        try:
            await self._desk.accept(nonce, orjson.loads(body))
        except Conflict:
            return  # the callback was faster
        except (Invalid, ValueError) as error:
            message = f"worker {self.config.name!r} answered what is no result"
            raise StepFailed(message, code="tool.bad_result", retryable=False) from error

    @contextlib.asynccontextmanager
    async def _exchange(self, method: str, url: str, content: bytes | None) -> AsyncGenerator[tuple[int, bytes]]:
        """One request and the whole answer to it, within bounds. Raises Unreached when it never left, Unavailable,
        StepFailed `worker.redirected`, TooLarge."""
        import httpx2  # noqa: PLC0415

        if self._client is None:
            timeout = httpx2.Timeout(10.0, read=None, write=60.0, pool=None)
            self._client = httpx2.AsyncClient(timeout=timeout, trust_env=False, follow_redirects=False)
        headers = {**self.config.headers, "Content-Type": "application/json"}
        try:
            async with self._client.stream(method, url, content=content, headers=headers) as response:
                if 300 <= response.status_code < 400:
                    message = f"worker {self.config.name!r} sends us elsewhere, and we do not go"
                    raise StepFailed(message, code="worker.redirected", retryable=False)
                data = bytearray()
                async for chunk in response.aiter_bytes():
                    data += chunk
                    if len(data) > self.config.max_result_bytes:
                        message = (
                            f"worker {self.config.name!r} answered with more than {self.config.max_result_bytes} bytes"
                        )
                        raise TooLarge(message, code="tool.result_too_large")
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise Unreached(f"worker {self.config.name!r} cannot be reached: {type(error).__name__}") from error
        except httpx2.HTTPError as error:
            message = f"worker {self.config.name!r} broke off: {type(error).__name__}"
            raise Unavailable(message, code="tool.server_died") from error
        yield response.status_code, bytes(data)


def _refusal(name: str, status: int, body: bytes) -> PenstockError:
    said: Any = None
    with contextlib.suppress(ValueError):
        said = json.loads(body)
    said = said if isinstance(said, dict) else {}
    code, why = str(said.get("code", f"http.{status}"))[:100], str(said.get("detail", ""))[:500]
    message = f"worker {name!r} answered {status}: {why or code}"
    if status in _NO_ANSWER:
        return Unavailable(message, code="tool.server_died")
    return StepFailed(message, code="tool.refused", retryable=False, detail={"status": status, "code": code})


def _failure(error: dict[str, Any], where: str) -> PenstockError:
    """What went wrong over there, as it would have been had the tool been here."""
    code, message = error.get("code"), f"{where}: {str(error['message'])[:4000]}"
    if code in ("tool.server_died", "tool.server_broken"):
        return Unavailable(message, code="tool.server_died")
    if code == "tool.timeout":
        return TimedOut(message, code="tool.timeout")
    if code == "tool.result_too_large":
        return TooLarge(message, code="tool.result_too_large")
    detail = {"tool_code": code} | ({"detail": error["detail"]} if error.get("detail") is not None else {})
    return StepFailed(message, code="tool.error", retryable=error.get("retryable") is True, detail=detail)


def _tool(row: dict[str, Any]) -> Tool:
    schema, named = row.get("input_schema"), row.get("capabilities")
    output = row.get("output_schema")
    return Tool(
        name=row["name"],
        title=str(row.get("title") or row["name"]),
        description=str(row.get("description") or ""),
        input_schema=schema if isinstance(schema, dict) else {"type": "object"},
        output_schema=output if isinstance(output, dict) else None,
        read_only=row.get("read_only") is True,
        destructive=row.get("destructive") is not False,
        idempotent=row.get("idempotent") is True,
        capabilities=tuple(c for c in named if isinstance(c, str)) if isinstance(named, list) else (),
    )
