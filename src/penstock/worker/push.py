"""Being given orders: an HTTP server with two addresses.

`POST /` takes an envelope: the answer comes in the call when it is there soon (200), and else (202) it is brought to the
callback the envelope names; `GET /NONCE` has it as long as the envelope is valid, for whoever could not be reached.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..errors import Invalid, NotFound, PenstockError, TooLarge, Unavailable
from ..tools.envelope import LEEWAY, LONGEST, EnvelopeRefused
from .bench import Bench
from .intake import Accepted

log = logging.getLogger("penstock.worker")

SOON = 5.0  # seconds a caller is kept waiting
HELD = 1_000  # orders at once, and their answers; more are sent away
_STATUS: dict[type[PenstockError], int] = {TooLarge: 413, Invalid: 422, NotFound: 404}
BODY = LONGEST + 1_024  # bytes of a request


@dataclass(slots=True)
class _Held:
    task: asyncio.Task[dict[str, Any]]
    until: float


class Doorstep:
    """The two addresses. `app` is an ASGI application."""

    def __init__(self, bench: Bench, clock: Callable[[], float], soon: float = SOON) -> None:
        self._bench = bench
        self._clock = clock
        self._soon = soon
        self._held: dict[str, _Held] = {}
        self._bringing: set[asyncio.Task[None]] = set()
        self.app = Starlette(
            routes=[
                Route("/", self.take, methods=["POST"]),
                Route("/{nonce}", self.look, methods=["GET"]),
            ]
        )

    async def take(self, request: Request) -> Response:
        try:
            accepted = await self._bench.accept(await self._envelope(request))
        except PenstockError as error:
            return _problem(error)
        task = asyncio.create_task(self._bench.work(accepted))
        self._held[accepted.envelope.nonce] = _Held(task, accepted.envelope.expires + LEEWAY)
        await asyncio.wait({task}, timeout=self._soon)
        if task.done():
            return _json(task.result())
        bringing = asyncio.create_task(self._bring(accepted, task))
        self._bringing.add(bringing)
        bringing.add_done_callback(self._bringing.discard)
        return _json({"accepted": True}, 202)

    async def look(self, request: Request) -> Response:
        held = self._held.get(request.path_params["nonce"])
        if held is None:
            return _problem(NotFound("there is no such order here", code="worker.unknown_order"))
        return _json(held.task.result()) if held.task.done() else _json({"accepted": True}, 202)

    async def aclose(self, grace: float = 0.0) -> None:
        """Give what is being done `grace` seconds to end and be brought back, then stop it."""
        left: set[asyncio.Task[Any]] = {held.task for held in self._held.values() if not held.task.done()}
        left |= self._bringing
        if left and grace > 0:
            await asyncio.wait(left, timeout=grace)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _envelope(self, request: Request) -> str:
        now = self._clock()
        self._held = {nonce: held for nonce, held in self._held.items() if held.until > now or not held.task.done()}
        if len(self._held) >= HELD:
            raise Unavailable("this worker has its hands full", code="worker.busy")
        data = bytearray()
        async for chunk in request.stream():
            data += chunk
            if len(data) > BODY:
                raise TooLarge("this is too long for an envelope", code="body.too_large")
        try:
            text = orjson.loads(data)["envelope"]
        except (ValueError, KeyError, TypeError):
            raise EnvelopeRefused("send {envelope}, as JSON", code="envelope.malformed") from None
        if not isinstance(text, str):
            raise EnvelopeRefused("an envelope is text", code="envelope.malformed")
        return text

    async def _bring(self, accepted: Accepted, task: asyncio.Task[dict[str, Any]]) -> None:
        with contextlib.suppress(PenstockError):
            await self._bench.bring(accepted, await task)


def _problem(error: PenstockError) -> Response:
    status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 403)
    status = 503 if error.retryable else status
    body = {"title": HTTPStatus(status).phrase, "status": status, "code": error.code, "detail": error.message}
    return _json(body, status, "application/problem+json")


def _json(value: Any, status: int = 200, media_type: str = "application/json") -> Response:
    return Response(orjson.dumps(value), status, {"Cache-Control": "no-store"}, media_type)
