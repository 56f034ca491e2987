"""Views of runs, kept warm.

A view is the fold of a journal, so one that was made a moment ago only needs the events since. What is kept is bounded by
its weight; what is thrown away is read again. A run of another group is a run that is not there.
"""

from __future__ import annotations

import contextlib
import gc
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import orjson

from ..engine.scope import SPILLED
from ..engine.view import RunView
from ..errors import Invalid, NotFound
from ..ports import Journal, RunRow, Runs

FIRST = 500  # events read at once without leaving the loop: most runs have fewer
LARGE = 2_000  # events whose objects are worth sparing the collector
KEPT_BYTES = 64 * 1024 * 1024
EVENT_BYTES = 2_000  # what an event weighs in memory with its part of the view, as long as its size is not known
DIGESTS = 20_000  # digests whose run is remembered

WINDOW = 1_000  # steps and lines of log in an answer that does not say how many


class Pages:
    def __init__(self, journal: Journal, runs: Runs) -> None:
        self._journal = journal
        self._runs = runs
        self._views: OrderedDict[str, tuple[RunView, int]] = OrderedDict()
        self._weight = 0
        self._holders: OrderedDict[tuple[str, str], str] = OrderedDict()  # (group, digest) -> run

    async def row(self, run_id: str, group: str) -> RunRow:
        """The run's row. Raises NotFound, code `run.not_found`."""
        row = await self._runs.row(run_id)
        if row.group != group:
            raise NotFound(f"no run {run_id}", code="run.not_found")
        return row

    async def view(self, run_id: str, group: str, at: int | None = None) -> RunView:
        """The run as it is, or as it was at seq `at`; to be read, not changed. Raises NotFound, Invalid (`run.bad_seq`)."""
        row = await self.row(run_id, group)
        return await self.latest(run_id, row.head, at)

    async def latest(self, run_id: str, head: int, at: int | None = None) -> RunView:
        """The same for a run whose group is known to be right, with at least the events up to `head`."""
        if at is not None and not 1 <= at <= head:
            raise Invalid(f"run {run_id} has the events 1 to {head}", code="run.bad_seq")
        kept = self._views.get(run_id)
        view = kept[0] if kept is not None else RunView(run_id)
        if view.head < head:
            await self._read_on(view, head)
            self._keep(run_id, view)
        elif kept is not None:
            self._views.move_to_end(run_id)
        if at is not None and at < view.head:
            with collector_at_rest(at):
                return RunView.of(view.events[:at], run_id)
        return view

    async def _read_on(self, view: RunView, head: int) -> None:
        after = view.head
        limit = FIRST if head - after <= FIRST else None
        with collector_at_rest(head - after):
            for event in await self._journal.read(view.run_id or "", after, limit):
                if event.seq > view.head:  # somebody else may have read them meanwhile
                    view.apply(event)

    def page(self, view: RunView, start: int = 0, count: int = WINDOW) -> bytes:
        """The view as JSON, with `count` of its steps."""
        with collector_at_rest(view.head):
            data = orjson.dumps(view.to_dict(start, count))
        if (kept := self._views.get(view.run_id or "")) is not None and kept[0] is view:
            self._keep(view.run_id or "", view, 4 * len(data))
        return data

    def _keep(self, run_id: str, view: RunView, size: int = 0) -> None:
        weight = max(size, view.head * EVENT_BYTES)
        _, old = self._views.pop(run_id, (None, 0))
        self._views[run_id] = (view, weight)
        self._weight += weight - old
        while self._weight > KEPT_BYTES and len(self._views) > 1:
            _, (_, gone) = self._views.popitem(last=False)
            self._weight -= gone
        for artifact in view.artifacts.values():
            self.remember(view.group, artifact["digest"], run_id)

    # --------------------------------------------------------------------------------------------- whose artifact

    def remember(self, group: str, digest: str, run_id: str) -> None:
        self._holders[(group, digest)] = run_id
        while len(self._holders) > DIGESTS:
            self._holders.popitem(last=False)

    async def holder(self, digest: str, group: str, run_id: str | None, recent: int) -> RunView:
        """A run of the group that holds the artifact: the one named, else one known to, else the first found among the
        `recent` newest runs. Raises NotFound, code `artifact.not_found`."""
        named = run_id or self._holders.get((group, digest))
        if named is not None:
            view = await self.view(named, group)
            if holds(view, digest):
                return view
        if run_id is None:
            page = await self._runs.list(group, limit=recent)
            for row in page.items:
                view = await self.latest(row.run_id, row.head)
                if holds(view, digest):
                    self.remember(group, digest, row.run_id)
                    return view
        raise NotFound(
            f"no artifact {digest} of {f'run {run_id}' if run_id else 'any recent run; name its run with ?run='}",
            code="artifact.not_found",
        )


def holds(view: RunView, digest: str) -> bool:
    """Whether the run made the artifact, or keeps one of its own values there. A mention in what a user sent is none."""
    if any(artifact["digest"] == digest for artifact in view.artifacts.values()):
        return True
    if _points(view.inputs, digest) or _points(view.outputs, digest):
        return True
    return any(
        _points(step.input, digest)
        or _points(step.output, digest)
        or any(_points(kept["value"], digest) for kept in step.kept or ())
        or any(artifact["artifact"] == digest for artifact in step.artifacts or ())
        for step in view.steps.values()
    )


def _points(value: Any, digest: str) -> bool:
    """Values kept elsewhere are pointed to; the key is refused in everything that comes from outside."""
    if type(value) is dict:
        return value.get(SPILLED) == digest or any(_points(part, digest) for part in value.values())
    if type(value) is list:
        return any(_points(part, digest) for part in value)
    return False


@contextlib.contextmanager
def collector_at_rest(events: int) -> Iterator[None]:
    """Making many objects that all stay makes the garbage collector look at every object of the process, again and again."""
    if events < LARGE or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
