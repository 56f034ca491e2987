"""The parts of a run's view: a step with every attempt, wait, note and kept call it had, and a node as a sum of its steps.

They are changed by the fold in `view.py` alone. Times are seconds since the epoch; `to_dict` gives them as RFC 3339 text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from .record import rfc3339


@dataclass(slots=True)
class Attempt:
    """One sending of a step. outcome: None while it goes on, then completed, failed, paused, waiting, lost or cancelled."""

    attempt: int
    delivery: int
    scheduled_at: float
    started_at: float | None = None
    ended_at: float | None = None
    outcome: str | None = None
    error: dict[str, Any] | None = None
    executor: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {
            "attempt": self.attempt,
            "delivery": self.delivery,
            "scheduled_at": rfc3339(self.scheduled_at),
            "started_at": rfc3339(self.started_at),
            "ended_at": rfc3339(self.ended_at),
            "outcome": self.outcome,
            "error": self.error,
            "executor": self.executor,
        }


@dataclass(slots=True)
class Pause:
    """A time in which a step ran nothing. why: person, child, timer, retry or error (a person must fix it)."""

    why: str
    start: float
    end: float | None = None


@dataclass(slots=True)
class Line:
    """One line of the log."""

    at: float
    seq: int
    step: str
    text: str

    def to_dict(self) -> dict[str, Any]:
        return {"at": rfc3339(self.at), "seq": self.seq, "step": self.step, "text": self.text}


@dataclass(slots=True)
class StepView:
    """A step with its whole history. status: scheduled, running, waiting, retrying, paused, queued (there is no room for it
    yet), or its end: completed, failed, cancelled."""

    id: str
    node: str
    index: int | None
    visit: int
    input: Any
    status: str = ""
    attempts: list[Attempt] = field(default_factory=list)
    output: Any = None
    error: dict[str, Any] | None = None
    artifacts: list[dict[str, Any]] | None = None
    notes: list[Line] | None = None
    kept: list[dict[str, Any]] | None = None  # {key, at, repeated, value}, at in seconds
    said: list[dict[str, Any]] | None = None  # {at, kind, …}: routes, policies, consents, breakers, tasks
    tokens: Decimal = Decimal(0)
    usd: Decimal = Decimal(0)
    waits: list[Pause] | None = None
    ask: dict[str, Any] | None = None
    answer: dict[str, Any] | None = None
    child: dict[str, Any] | None = None
    resume: str | None = None
    retry_at: float | None = None
    until: float | None = None  # when its waiting ends by itself
    taken: list[str] | None = None  # None: all successors
    ended_at: float | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "node": self.node,
            "index": self.index,
            "visit": self.visit,
            "status": self.status,
            "attempts": [attempt.to_dict() for attempt in self.attempts],
            "input": self.input,
            "output": self.output,
            "error": self.error,
            "artifacts": self.artifacts or [],
            "notes": [{"at": rfc3339(line.at), "text": line.text} for line in self.notes] if self.notes else [],
            "kept": [{**kept, "at": rfc3339(kept["at"])} for kept in self.kept] if self.kept else [],
            "said": [{**one, "at": rfc3339(one["at"])} for one in self.said] if self.said else [],
            "tokens": number(self.tokens),
            "usd": format(self.usd.normalize(), "f"),
            "ask": self.ask,
            "answer": {**self.answer, "at": rfc3339(self.answer.get("at"))} if self.answer else None,
            "child": self.child,
            "retry_at": rfc3339(self.retry_at),
            "until": rfc3339(self.until),
            "ended_at": rfc3339(self.ended_at),
            "taken": self.taken,
        }


@dataclass(slots=True)
class NodeView:
    """A node as far as the journal has come to it. status: active, completed, failed, skipped or cancelled. `steps` counts its
    steps by status, over all visits; `count` is the number of items of a `for_each` in this visit."""

    status: str = "active"
    visit: int = 0
    count: int | None = None
    steps: dict[str, int] = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        steps = {status: n for status, n in self.steps.items() if n}
        return {"status": self.status, "visit": self.visit, "count": self.count, "steps": steps, "errors": self.errors}


def number(amount: Decimal) -> int | float:
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def go_on(step: StepView, at: float) -> None:
    """The step's pause, if it is in one, is over."""
    if step.waits and step.waits[-1].end is None:
        step.waits[-1].end = at


def halt(step: StepView, why: str, at: float) -> None:
    go_on(step, at)
    step.waits = [*(step.waits or ()), Pause(why, at)]


def finish(step: StepView, at: float, outcome: str, error: dict[str, Any] | None = None) -> None:
    """The attempt under way is over."""
    if step.attempts and step.attempts[-1].outcome in (None, "waiting"):
        attempt = step.attempts[-1]
        attempt.ended_at, attempt.outcome, attempt.error = at, outcome, error
