"""One order, from its envelope to its answer; both ways of getting orders do it here."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import orjson

from ..errors import PenstockError, StepFailed, TimedOut, TooLarge
from ..tools.desk import INLINE_RESULT, LARGEST
from ..tools.remote import LISTING
from .intake import Accepted, Intake
from .offer import Offer, told
from .origin import Origin

log = logging.getLogger("penstock.worker")

PATIENCE = (1.0, 20.0)  # seconds between attempts to bring a result: the first, and the longest


class Bench:
    def __init__(self, origin: Origin, intake: Intake, offer: Offer, places: int) -> None:
        self.origin = origin
        self.offer = offer
        self._intake = intake
        self._places = asyncio.Semaphore(places)

    async def accept(self, text: str) -> Accepted:
        """See Intake.accept. What is refused is said in the log, with its code."""
        try:
            return await self._intake.accept(text)
        except PenstockError as error:
            log.warning("refused an envelope: %s [%s]", error.message, error.code)
            raise

    async def work(self, accepted: Accepted) -> dict[str, Any]:
        """Do it; the answer as it is brought back: {result}, {error} or {pointer}."""
        order = accepted.envelope
        if order.tool == LISTING:
            return {"result": {"tools": self.offer.listed()}}
        async with self._places:
            log.info("%s for %s %s", order.tool, order.run or "nobody", order.step)
            try:
                async with asyncio.timeout(order.seconds):
                    result = await self.offer.call(order.tool, accepted.arguments, order.seconds, order.key)
                return await self._fitted(accepted, result)
            except TimeoutError:
                error: PenstockError = TimedOut(f"{order.tool} took more than {order.seconds:g} s", code="tool.timeout")
            except PenstockError as failed:
                error = failed
            except Exception as failed:
                log.exception("%s", order.tool)
                error = StepFailed(
                    f"the worker itself failed: {type(failed).__name__}: {failed}", code="worker.crashed"
                )
        log.info("%s failed: %s [%s]", order.tool, error.message, error.code)
        return {"error": told(error)}

    async def _fitted(self, accepted: Accepted, result: Any) -> dict[str, Any]:
        """The result itself, or a pointer to where it was put."""
        data = orjson.dumps(result)
        if len(data) < INLINE_RESULT // 2:
            return {"result": result}
        if len(data) > LARGEST:
            raise TooLarge(f"the result is larger than {LARGEST >> 20} MiB", code="tool.result_too_large")
        _, handle = await self.origin.ask("PUT", accepted.envelope.reply["upload"], data=data, seconds=300.0)
        return {"pointer": orjson.loads(handle)}

    async def bring(self, accepted: Accepted, answer: dict[str, Any]) -> None:
        """Bring an answer back, again and again while the server cannot take it. Raises what it says when it does not want
        it."""
        reply = accepted.envelope.reply
        wait, longest = PATIENCE
        while True:
            try:
                await self.origin.ask("POST", f"{reply['url']}/result", json=answer, token=reply["token"])
                return
            except PenstockError as error:
                if not error.retryable:
                    log.warning("the result of %s was not taken: %s", accepted.envelope.tool, error.code)
                    raise
            await asyncio.sleep(wait)
            wait = min(wait * 2, longest)
