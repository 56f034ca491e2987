"""Everything in this process: the side of a command without a server.

Following and starting runs goes straight to the gate and the journal. The rest is answered by the API's application, called
within the process; it is loaded when it is first asked, so that `penstock run` does not wait for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Any

from ..app import Penstock
from ..engine.events import Event
from ..errors import Invalid, NotFound
from ..gate import Request
from ..ports import Draft
from .failures import in_file
from .link import ENDS, Place, Text
from .packaged import offer
from .settings import read_settings

GROUP, ACTOR = "default", "local"
LOOK = 1.0  # seconds between looks at a journal that another process may write


class Embedded:
    """See link.Link. `active` False runs nothing: see app.Penstock."""

    local = True

    def __init__(self, place: Place, active: bool) -> None:
        self.penstock = Penstock(read_settings(place, stop_grace=0), active=active)
        self._api: Any = None

    async def __aenter__(self) -> Embedded:
        await self.penstock.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._api is not None:
            await self._api.__aexit__(None, None, None)
        await self.penstock.__aexit__(kind, error, trace)

    async def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        if self._api is None:
            from .remote import in_process  # noqa: PLC0415

            self._api = in_process(self.penstock)
        return await self._api.call(method, path, body, **query)

    async def draft(self, slug: str) -> dict[str, Any]:
        await offer(self.penstock, {slug})
        return _draft(await self.penstock.workflows.draft(GROUP, slug))

    async def check(self, text: Text) -> dict[str, Any]:
        gate = self.penstock.gate
        try:
            workflow = gate.read(text.content, text.source)
        except Invalid as error:
            return {"valid": False, "problems": [p.to_dict() for p in error.problems], "preflight": []}
        stands = await gate.preflight(workflow, GROUP)
        warnings = [p.to_dict() for p in workflow.warnings]
        return {"valid": True, "problems": warnings, "preflight": [p.to_dict() for p in stands]}

    async def apply(self, text: Text) -> dict[str, Any]:
        gate = self.penstock.gate
        try:
            return _draft(await gate.apply(GROUP, gate.read(text.content, text.source).document, ACTOR))
        except Invalid as error:
            raise in_file(error, text.source) from None

    async def start(self, body: dict[str, Any]) -> str:
        request = Request(
            workflow=body["workflow"],
            inputs=body["inputs"],
            version=body.get("version"),
            mode=body["run_mode"],
            limits=body.get("limits"),
            group=GROUP,
            actor=ACTOR,
        )
        return await self.penstock.gate.start(request)

    async def follow(self, run_id: str, after: int = 0) -> AsyncGenerator[list[Event], None]:
        told = asyncio.Event()
        stop = self.penstock.control.watch(run_id, lambda events, state: told.set())
        try:
            while True:
                told.clear()
                events = await self.penstock.journal.read(run_id, after)
                if events:
                    after = events[-1].seq
                    yield events
                    if events[-1].kind in ENDS:
                        return
                    continue
                if after == 0:
                    raise NotFound(f"no run {run_id}", code="run.not_found")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(told.wait(), LOOK)
        finally:
            stop()

    async def cancel(self, run_id: str, reason: str | None = None) -> None:
        await self.penstock.control.cancel(run_id, ACTOR, reason)

    async def answer(self, run_id: str, step: str, body: dict[str, Any]) -> None:
        await self.penstock.gate.answer(run_id, step, body["decision"], ACTOR, body.get("comment"), body.get("fields"))

    async def content(self, run_id: str, digest: str) -> bytes:
        return await self.penstock.artifacts.get(digest)


def _draft(draft: Draft) -> dict[str, Any]:
    return {"slug": draft.slug, "document": draft.document, "etag": draft.etag, "latest": draft.latest}
