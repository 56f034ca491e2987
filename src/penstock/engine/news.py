"""News: what happened outside a run, as it reaches the engine. Whether it is still news, `accept` says."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from . import events as ev

Fail = dict[str, Any]  # an error as it stands in a journal: code, message, retryable?, detail?


@dataclass(slots=True)
class News:
    """Something that happened outside. Step news names the attempt and delivery it belongs to."""


@dataclass(slots=True)
class Created(News):
    fact: ev.RunCreated


@dataclass(slots=True)
class Checked(News):
    problems: list[dict[str, Any]]
    report: dict[str, Any] | None = None


@dataclass(slots=True)
class Admitted(News):
    """There is room for this run now."""


@dataclass(slots=True)
class Forked(News):
    fact: ev.RunForked


@dataclass(slots=True)
class StepNews(News):
    step: str
    attempt: int
    delivery: int


@dataclass(slots=True)
class Started(StepNews):
    started: float
    executor: str = ""
    claim: str = ""


@dataclass(slots=True)
class Alive(News):
    steps: list[tuple[str, int, int]]  # (step, attempt, delivery)


@dataclass(slots=True)
class Noted(StepNews):
    lines: list[list[Any]]


@dataclass(slots=True)
class Kept(StepNews):
    key: str
    value: Any
    repeated: bool = False


@dataclass(slots=True)
class Said(StepNews):
    """Facts about what the step does, as it tells them (see the facts without consequences in events)."""

    facts: list[ev.Fact]


@dataclass(slots=True)
class Room:
    """How much of a limit that many runs share is used, as far as whoever passes the news on knows."""

    level: str  # run (with all that it has begun), workflow or group
    limit: str  # tokens, usd or iterations
    most: Decimal
    used: Decimal
    per: str | None = None


@dataclass(slots=True)
class Spend(StepNews):
    key: str
    cost: dict[str, Any]
    rooms: list[Room] | None = None


@dataclass(slots=True)
class Spent(StepNews):
    key: str
    cost: dict[str, Any]


@dataclass(slots=True)
class Completed(StepNews):
    output: Any = None
    take: tuple[str, ...] | None = None
    started: float | None = None
    executor: str = ""
    artifacts: list[dict[str, Any]] | None = None
    notes: list[list[Any]] | None = None


@dataclass(slots=True)
class Failed(StepNews):
    error: Fail = field(default_factory=dict)
    started: float | None = None
    executor: str = ""
    notes: list[list[Any]] | None = None


@dataclass(slots=True)
class Waiting(StepNews):
    until: float | None = None
    output: Any = None
    ask: dict[str, Any] | None = None
    child: dict[str, Any] | None = None
    artifacts: list[dict[str, Any]] | None = None
    notes: list[list[Any]] | None = None
    resume: str | None = None


@dataclass(slots=True)
class Stopped(StepNews):
    """The executor has stopped this step because it was told to."""

    notes: list[list[Any]] | None = None


@dataclass(slots=True)
class Released(News):
    """Executors gave these back, or are gone. steps None: everything in flight."""

    why: str
    steps: list[tuple[str, int, int]] | None = None


@dataclass(slots=True)
class Answered(News):
    step: str
    answer: dict[str, Any]  # becomes the step's output
    actor: str


@dataclass(slots=True)
class ChildEnded(News):
    step: str
    run: str
    status: str
    outputs: Any = None
    error: Fail | None = None


@dataclass(slots=True)
class CancelRequested(News):
    actor: str
    reason: str | None = None


@dataclass(slots=True)
class PauseRequested(News):
    actor: str


@dataclass(slots=True)
class ResumeRequested(News):
    actor: str
    edits: dict[str, Any] | None = None
