"""Asking again: a model that is out of order for a moment is asked up to three more times.

After a failure that may pass (429, 5xx, no connection, a time-out, an answer that is no answer) the same request is made
again after 2, 4 and 8 seconds, each times a random 0.75 to 1.25 so that many who failed together do not come back together.
A provider that says how long to wait is obeyed; one that asks for more than `LONGEST` is not waited for here: the step
fails as retryable and its own policy decides. 400, 401, 403 and 404 will not get better by asking again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from ..errors import PenstockError
from .breaker import Breaker
from .port import Delta, Model, Reply, Request

WAITS = (2.0, 4.0, 8.0)  # seconds
LONGEST = 60.0  # seconds a provider may ask to wait

Told = Callable[[str], Awaitable[None]]
Moved = Callable[[str, str], None]  # (subject, state) of a breaker that changed


async def unheard(line: str) -> None:
    """Tells nobody."""


def unseen(subject: str, state: str) -> None:
    """Nobody looks."""


class Patient:
    """A model that is asked again, and left alone when it keeps failing. `tell` hears of each failure that is not final,
    `moved` of each change of the breaker that these requests meet."""

    def __init__(
        self,
        model: Model,
        breaker: Breaker,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
        tell: Told = unheard,
        moved: Moved = unseen,
    ) -> None:
        self.name = model.name
        self._model, self._breaker = model, breaker
        self._sleep, self._chance, self._tell, self._moved = sleep, chance, tell, moved

    async def request(self, request: Request) -> Reply:
        while True:
            try:
                self._enter()
                reply = await self._model.request(request)
            except PenstockError as error:
                request = await self._after(error, request)
            except BaseException:
                self._breaker.left()
                raise
            else:
                self._ended(True)
                return reply

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply]:
        while True:
            shown = False
            try:
                self._enter()
                async with aclosing(self._model.stream(request)) as pieces:
                    async for piece in pieces:
                        if isinstance(piece, Reply):
                            self._ended(True)
                            yield piece
                            return
                        shown = True
                        yield piece
            except PenstockError as error:
                request = await self._after(error, request)
                if shown:
                    yield Delta("", again=True)
            except BaseException:
                self._breaker.left()
                raise

    def _enter(self) -> None:
        self._breaker.enter()
        if self._breaker.probing:
            self._moved(self._breaker.name, "half_open")

    def _ended(self, well: bool) -> None:
        if (state := self._breaker.ended(well)) is not None:
            self._moved(self._breaker.name, state)

    async def _after(self, error: PenstockError, request: Request) -> Request:
        """Wait and give the request to make next, or raise what came of it."""
        if error.code == "model.circuit_open":
            raise error
        self._ended(not error.retryable or error.code == "model.rate_limited")
        if not error.retryable:
            raise error
        asked = error.detail.get("retry_after") if isinstance(error.detail, dict) else None
        if request.attempt > len(WAITS) or (asked is not None and asked > LONGEST):
            raise _final(error, request.attempt)
        wait = WAITS[request.attempt - 1] * (0.75 + self._chance() / 2)
        if asked is not None:
            wait = max(float(asked), 0.0) + (wait - WAITS[request.attempt - 1] * 0.75)
        await self._tell(f"{error.message}; asked again in {wait:.1f} s ({request.attempt} of {len(WAITS)})")
        await self._sleep(wait)
        return replace(request, attempt=request.attempt + 1)


def _final(error: PenstockError, attempts: int) -> PenstockError:
    more = f" ({attempts} attempts)" if attempts > 1 else ""
    return type(error)(f"{error.message}{more}", code=error.code, retryable=error.retryable, detail=error.detail)
