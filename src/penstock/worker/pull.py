"""Fetching orders, from a machine that accepts no connection: ask, hold the line, work, bring the result, ask again.

While it works it says so three times a lease; when it falls silent the order goes to somebody else, and what it brings then is
not taken. When it hears that nobody wants the result any more, it stops.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

import orjson

from ..errors import PenstockError
from ..tools.desk import HELD, PATH
from .bench import Bench
from .intake import Accepted

log = logging.getLogger("penstock.worker")

AGAIN = (1.0, 30.0)  # seconds before asking again where nobody answers: the first, and the longest


class Puller:
    def __init__(self, bench: Bench, token: str, places: int) -> None:
        self._bench = bench
        self._token = token
        self._places = places
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Ask for nothing more; what is being done is brought to its end."""
        self._stopping.set()

    async def run(self) -> None:
        """Work until stopped. Raises StepFailed with the server's code when it will have none of us, such as
        `worker.bad_token`."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._places):
                    group.create_task(self._place())
        except* PenstockError as errors:
            raise errors.exceptions[0] from None

    async def _place(self) -> None:
        wait, longest = AGAIN
        while not self._stopping.is_set():
            try:
                handed = await self._unless_stopped()
                wait = AGAIN[0]
            except PenstockError as error:
                if not error.retryable:
                    raise
                log.warning("%s; asking again in %g s", error.message, wait)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), wait)
                wait = min(wait * 2, longest)
                continue
            if handed is not None:
                await self._do(*handed)

    async def _unless_stopped(self) -> tuple[str, float] | None:
        """An envelope and its lease; None when there was nothing, or we are to stop."""
        asking = asyncio.create_task(self._claim())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({asking, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return await asking if asking.done() else None
        finally:
            asking.cancel()
            stopping.cancel()
            await asyncio.gather(asking, stopping, return_exceptions=True)

    async def _claim(self) -> tuple[str, float] | None:
        body = {"tools": self._bench.offer.listed(), "wait": HELD}
        status, data = await self._bench.origin.ask(
            "POST", f"{PATH}/claim", json=body, token=self._token, seconds=HELD + 15
        )
        if status == 204:
            return None
        found = orjson.loads(data)
        return found["envelope"], float(found["lease"])

    async def _do(self, text: str, lease: float) -> None:
        try:
            accepted = await self._bench.accept(text)
        except PenstockError:
            return  # it is in the log; whoever sent it hears nothing from us
        # An envelope may have lain unread while this process stood still: then somebody else has the order by now.
        if not await self._is_wanted(accepted, lease):
            log.info("%s is no longer wanted", accepted.envelope.tool)
            return
        working = asyncio.create_task(self._bench.work(accepted))
        beating = asyncio.create_task(self._beat(accepted, lease))
        try:
            await asyncio.wait({working, beating}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                log.info("%s is no longer wanted", accepted.envelope.tool)
                return
            with contextlib.suppress(PenstockError):
                await self._bench.bring(accepted, working.result())
        finally:
            working.cancel()
            beating.cancel()
            await asyncio.gather(working, beating, return_exceptions=True)

    async def _beat(self, accepted: Accepted, lease: float) -> None:
        """Say that the work goes on; returns when nobody wants it any more."""
        await asyncio.sleep(lease / 3)
        while await self._is_wanted(accepted, lease):  # noqa: ASYNC110 - time is what it waits for
            await asyncio.sleep(lease / 3)

    async def _is_wanted(self, accepted: Accepted, lease: float) -> bool:
        reply = accepted.envelope.reply
        try:
            _, data = await self._bench.origin.ask(
                "POST", f"{reply['url']}/heartbeat", token=reply["token"], seconds=lease
            )
        except PenstockError as error:
            return error.retryable  # who cannot be asked may want it still
        return orjson.loads(data)["wanted"]
