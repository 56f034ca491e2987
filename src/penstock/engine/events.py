"""Everything a journal can say.

A fact is a small dataclass named for what happened; an `Event` puts a place (`seq`) and a time (`at`, seconds since the
epoch) on it. Facts say what was decided and observed, never how: folding them needs no clock, no expression and no I/O,
so a journal written by an old version folds the same for ever. Add kinds and optional fields; never change a meaning.

On disk and on the wire a fact is a JSON object without the fields that hold their default.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar

from ..errors import Invalid


@dataclass(slots=True)
class Fact:
    kind: ClassVar[str] = ""


@dataclass(slots=True)
class Event:
    seq: int
    at: float
    fact: Any

    @property
    def kind(self) -> str:
        return self.fact.kind


# ------------------------------------------------------------------------------------------------------- runs


@dataclass(slots=True)
class RunCreated(Fact):
    """A run exists: this version, these inputs. It waits for a place (`queued`)."""

    kind: ClassVar[str] = "run.created"
    workflow: str
    version: int
    fingerprint: str
    inputs: Any
    group: str = "default"
    actor: str = "local"
    mode: str = "full_run"
    limits: dict[str, Any] | None = (
        None  # as asked for this run; the document's and the mode's are merged in by the guard
    )
    parent: dict[str, Any] | None = None  # {run, step} of the step this run is the child of
    depth: int = 0  # of sub-workflows
    tree: dict[str, Any] | None = None  # {run, limits} of the run it all began with, whose limits bound them all
    trace: str | None = None  # W3C traceparent of the request


@dataclass(slots=True)
class RunChecked(Fact):
    """Preflight is over: `problems` names everything found wrong, all at once; [] means the run may start."""

    kind: ClassVar[str] = "run.checked"
    problems: list[dict[str, Any]] | None = None
    report: dict[str, Any] | None = None


@dataclass(slots=True)
class RunStarted(Fact):
    kind: ClassVar[str] = "run.started"


@dataclass(slots=True)
class RunForked(Fact):
    """Everything before this event was copied from `source` up to its seq `at_seq`. Edits replace step inputs."""

    kind: ClassVar[str] = "run.forked"
    source: str
    at_seq: int
    actor: str = "local"
    edits: dict[str, Any] | None = None


@dataclass(slots=True)
class RunPaused(Fact):
    kind: ClassVar[str] = "run.paused"
    error: dict[str, Any] | None = None
    step: str | None = None
    actor: str | None = None


@dataclass(slots=True)
class RunResumed(Fact):
    kind: ClassVar[str] = "run.resumed"
    actor: str = "local"
    edits: dict[str, Any] | None = None  # step id -> new input


@dataclass(slots=True)
class RunEnding(Fact):
    """The run will end as `to` (failed or cancelled) once the steps in flight have stopped."""

    kind: ClassVar[str] = "run.ending"
    to: str
    error: dict[str, Any] | None = None
    actor: str | None = None
    reason: str | None = None


@dataclass(slots=True)
class RunCompleted(Fact):
    kind: ClassVar[str] = "run.completed"
    outputs: Any = None


@dataclass(slots=True)
class RunFailed(Fact):
    kind: ClassVar[str] = "run.failed"
    error: dict[str, Any]


@dataclass(slots=True)
class RunCancelled(Fact):
    kind: ClassVar[str] = "run.cancelled"
    actor: str | None = None
    reason: str | None = None


# ------------------------------------------------------------------------------------------------------ nodes


@dataclass(slots=True)
class NodeOpened(Fact):
    """A `for_each` node has its list; a step for each item follows as there is room."""

    kind: ClassVar[str] = "node.opened"
    node: str
    visit: int
    items: Any  # the list, or its pointer
    count: int


@dataclass(slots=True)
class NodeCompleted(Fact):
    """Every item of a `for_each` node has ended. `taken`: the successors gone to; None means all."""

    kind: ClassVar[str] = "node.completed"
    node: str
    visit: int
    taken: list[str] | None = None


@dataclass(slots=True)
class NodeSkipped(Fact):
    kind: ClassVar[str] = "node.skipped"
    node: str


@dataclass(slots=True)
class NodeFailed(Fact):
    """A node could not be started: its input, list or a condition is wrong, or a limit said no."""

    kind: ClassVar[str] = "node.failed"
    node: str
    error: dict[str, Any]
    taken: list[str] | None = None


# ------------------------------------------------------------------------------------------------------ steps


@dataclass(slots=True)
class StepScheduled(Fact):
    """Committed before the work is sent. `delivery` counts sendings of one attempt; above 1 a call may be made again."""

    kind: ClassVar[str] = "step.scheduled"
    step: str
    input: Any = None  # present on the first attempt, and where it was edited
    attempt: int = 1
    delivery: int = 1
    edited: bool = False


@dataclass(slots=True)
class StepStarted(Fact):
    """An executor has it, under a `claim` nobody else has: committed before the first expensive call, so that a copy of the same
    message cannot make that call too. Short steps without such calls never say so; their end carries the start."""

    kind: ClassVar[str] = "step.started"
    step: str
    started: float
    executor: str = ""
    claim: str = ""


@dataclass(slots=True)
class StepsAlive(Fact):
    """The executor still holds these steps: their leases run on."""

    kind: ClassVar[str] = "steps.alive"
    steps: list[str]


@dataclass(slots=True)
class StepsLost(Fact):
    """Nobody runs these any more (why: restart, lease, released); each is sent again with the next delivery number."""

    kind: ClassVar[str] = "steps.lost"
    steps: list[str]
    why: str


@dataclass(slots=True)
class StepsReady(Fact):
    """The wait before their next attempt is over, but there is no room: they are sent as soon as there is."""

    kind: ClassVar[str] = "steps.ready"
    steps: list[str]


@dataclass(slots=True)
class StepNoted(Fact):
    kind: ClassVar[str] = "step.noted"
    step: str
    lines: list[list[Any]]  # [at, text]


@dataclass(slots=True)
class StepKept(Fact):
    """The result of one expensive call, under its key. `repeated`: the call may have been made before, by a delivery that died."""

    kind: ClassVar[str] = "step.kept"
    step: str
    key: str
    value: Any = None
    attempt: int = 1
    repeated: bool = False


@dataclass(slots=True)
class SpendReserved(Fact):
    """`cost` of the run's limits is taken before it is used. Amounts of usd are decimal strings."""

    kind: ClassVar[str] = "spend.reserved"
    step: str
    key: str
    cost: dict[str, Any]


@dataclass(slots=True)
class SpendSettled(Fact):
    """What a reservation came to in the end; {} gives all of it back."""

    kind: ClassVar[str] = "spend.settled"
    step: str
    key: str
    cost: dict[str, Any]


@dataclass(slots=True)
class SpendRefused(Fact):
    """`level`: whose limit it is: call, step, run, workflow or group."""

    kind: ClassVar[str] = "spend.refused"
    step: str
    key: str
    limit: str
    asked: str
    left: str
    level: str = "run"
    per: str | None = None  # day or month, where the limit is one of a period


@dataclass(slots=True)
class StepWaiting(Fact):
    """`resume`: what it waits for is kept under this key, and then the step is run again. Without it, that is its output."""

    kind: ClassVar[str] = "step.waiting"
    step: str
    until: float | None = None
    output: Any = None
    ask: dict[str, Any] | None = None
    child: dict[str, Any] | None = None
    artifacts: list[dict[str, Any]] | None = None
    resume: str | None = None


# What a step says of what it does, for those who read the journal: nothing in a run's state depends on these.


@dataclass(slots=True)
class RouteChosen(Fact):
    """Which server does a call, and why: `candidates` holds {server, tool, score, chosen, reason} of each that was looked at."""

    kind: ClassVar[str] = "route.chosen"
    step: str
    key: str
    chosen: str
    tool: str
    candidates: list[dict[str, Any]]
    fallback: bool = False


@dataclass(slots=True)
class ConsentGiven(Fact):
    """Whether a server that is only a fallback may be used. by: an actor, or `policy` where it was said in advance."""

    kind: ClassVar[str] = "consent.given"
    step: str
    server: str
    granted: bool
    by: str


@dataclass(slots=True)
class BreakerMoved(Fact):
    """A step met a breaker that changed. subject: `provider NAME` or `server NAME`; state: open, half_open or closed."""

    kind: ClassVar[str] = "breaker.moved"
    step: str
    subject: str
    state: str


@dataclass(slots=True)
class PolicyDecided(Fact):
    """A policy spoke about the call `key`. `found`: what detectors saw, {kind: how often}; never the thing itself."""

    kind: ClassVar[str] = "policy.decided"
    step: str
    key: str
    point: str
    policy: str
    then: str
    message: str = ""
    found: dict[str, int] | None = None


@dataclass(slots=True)
class TaskMoved(Fact):
    """A task of a crew within a step. status: started, completed or failed; parent: the task that handed it on."""

    kind: ClassVar[str] = "task.moved"
    step: str
    task: str
    agent: str
    status: str
    parent: str | None = None


@dataclass(slots=True)
class StepCompleted(Fact):
    """`taken`: the successors gone to; None means all of them."""

    kind: ClassVar[str] = "step.completed"
    step: str
    output: Any = None
    attempt: int = 1
    taken: list[str] | None = None
    started: float | None = None
    executor: str = ""
    artifacts: list[dict[str, Any]] | None = None
    answer: dict[str, Any] | None = None  # who decided, when a person did


@dataclass(slots=True)
class StepFailed(Fact):
    """`retry_at`: when it is tried again. Without it the failure is final, and `taken` names the successors gone to all the
    same (`on_error: continue`)."""

    kind: ClassVar[str] = "step.failed"
    step: str
    error: dict[str, Any]
    attempt: int = 1
    retry_at: float | None = None
    taken: list[str] | None = None
    started: float | None = None
    executor: str = ""


@dataclass(slots=True)
class StepPaused(Fact):
    """It failed for good and waits for a person to fix and resume it (`on_error: pause`)."""

    kind: ClassVar[str] = "step.paused"
    step: str
    error: dict[str, Any]
    attempt: int = 1


@dataclass(slots=True)
class StepCancelled(Fact):
    """It will say no more. why: cancelled, run_failed, superseded (a loop began again above it), unconfirmed (its executor did
    not answer in time)."""

    kind: ClassVar[str] = "step.cancelled"
    step: str
    why: str = "cancelled"


SAID = (RouteChosen, ConsentGiven, BreakerMoved, PolicyDecided, TaskMoved)  # what a step may say by itself

FACTS: dict[str, type[Fact]] = {}
_DEFAULTS: dict[type, tuple[tuple[str, Any], ...]] = {}
for _class in list(globals().values()):
    if isinstance(_class, type) and issubclass(_class, Fact) and _class is not Fact:
        FACTS[_class.kind] = _class
        _DEFAULTS[_class] = tuple((f.name, f.default) for f in fields(_class))


def encode(fact: Fact) -> dict[str, Any]:
    """A fact as a JSON object, without the fields that hold their default."""
    return {
        name: value
        for name, default in _DEFAULTS[type(fact)]
        if (value := getattr(fact, name)) is not default and (default is MISSING or value != default)
    }


def decode(kind: str, data: dict[str, Any]) -> Any:
    """The fact written as `data`. Raises Invalid, code `journal.unknown_event` or `journal.bad_event`."""
    made: Callable[..., Fact] | None = FACTS.get(kind)
    if made is None:
        raise Invalid(f"this journal holds an event of a kind unknown here: {kind}", code="journal.unknown_event")
    try:
        return made(**data)
    except TypeError as error:
        raise Invalid(f"event {kind}: {error}", code="journal.bad_event") from None


def event_dict(event: Event) -> dict[str, Any]:
    """An event as it is exported and streamed: {seq, at, kind, data}."""
    return {"seq": event.seq, "at": event.at, "kind": event.kind, "data": encode(event.fact)}


def event_from_dict(data: dict[str, Any]) -> Event:
    return Event(data["seq"], data["at"], decode(data["kind"], data["data"]))
