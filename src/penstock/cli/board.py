"""What a progress display shows of a run: a row for each node, folded from the run's events beside its view.

Nodes stand in the order of the document, so the picture does not jump; one that the run has not come to is pending.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..engine import events as ev
from ..engine.state import parse_step_id
from ..engine.view import RunView

OVER = frozenset({"completed", "failed", "cancelled"})


@dataclass(slots=True)
class Row:
    """One node. `done` and `count` are its steps of this visit, where it has many; times are seconds since the epoch."""

    name: str
    status: str = "pending"
    started: float | None = None
    ended: float | None = None
    visit: int = 0
    done: int = 0
    failed: int = 0
    count: int | None = None
    retries: int = 0
    note: str = ""

    def elapsed(self, now: float) -> float | None:
        if self.started is None:
            return None
        return (now if self.ended is None else self.ended) - self.started


class Board:
    """`view` and `rows` after every event given to `take`."""

    def __init__(self, run_id: str, nodes: Iterable[str] = ()) -> None:
        self.view = RunView(run_id)
        self.rows = {name: Row(name) for name in nodes}

    def take(self, events: Sequence[ev.Event]) -> None:
        touched: dict[str, None] = {}
        for event in events:
            self.view.apply(event)
            name = self._note(event)
            if name is not None:
                touched[name] = None
        if self.view.terminal or (events and isinstance(events[-1].fact, (ev.RunPaused, ev.RunResumed))):
            touched = dict.fromkeys(self.view.nodes)
        for name in touched:
            self._update(self._row(name), events[-1].at)

    def _row(self, name: str) -> Row:
        row = self.rows.get(name)
        if row is None:
            row = self.rows[name] = Row(name)
        return row

    def _note(self, event: ev.Event) -> str | None:
        """What the view does not keep by node. Returns the node the event is about."""
        fact = event.fact
        step = getattr(fact, "step", None)
        if step is None:
            name = getattr(fact, "node", None)
            if isinstance(fact, ev.NodeOpened):
                self._begin(self._row(fact.node), fact.visit, event.at)
            return name
        name, visit, index = parse_step_id(step)
        row = self._row(name)
        match fact:
            case ev.StepScheduled() if fact.attempt == 1 and fact.delivery == 1 and visit != row.visit:
                self._begin(row, visit, event.at)
            case ev.StepNoted() if fact.lines:
                row.note = str(fact.lines[-1][1])
            case ev.StepFailed() if fact.retry_at is not None:
                row.retries += 1
                row.note = str(fact.error.get("message", ""))
            case ev.StepFailed():
                row.failed += 1
                row.done += index is not None
                row.note = str(fact.error.get("message", ""))
            case ev.StepCompleted():
                row.done += index is not None
        return name

    def _begin(self, row: Row, visit: int, at: float) -> None:
        row.visit, row.started, row.ended, row.done, row.failed = visit, at, None, 0, 0

    def _update(self, row: Row, at: float) -> None:
        node = self.view.nodes.get(row.name)
        if node is None:
            return
        row.count = node.count
        row.status = _shown(node.status, node.steps)
        if row.status in OVER or row.status == "skipped":
            row.ended = row.ended if row.ended is not None else at
        else:
            row.ended = None


def _shown(status: str, steps: dict[str, int]) -> str:
    """An active node is shown as the liveliest of its steps."""
    if status != "active":
        return status
    if steps.get("running") or steps.get("scheduled"):
        return "running"
    for one in ("retrying", "queued", "paused", "waiting"):
        if steps.get(one):
            return one
    return "running"
