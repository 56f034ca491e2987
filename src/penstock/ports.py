"""The seams of Penstock, and the values that cross them.

Each seam is a Protocol of at most six methods with one conformance suite (`penstock.testing.conformance`) that every
adapter passes. Nothing here does anything: adapters live in `stores/`, `bus/`, `nodes/`, and are named in `app.py` alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

if TYPE_CHECKING:
    from pydantic import BaseModel

    from .engine.events import Event, Fact

# ---------------------------------------------------------------------------------------------------- journal


@dataclass(slots=True)
class RunRow:
    """What the run list shows of a run: a projection of its journal, written in the same transaction."""

    run_id: str
    group: str
    workflow: str
    version: int
    status: str
    mode: str
    actor: str
    created_at: float
    updated_at: float
    parent: str | None = None
    error: str | None = None  # code of the error the run ended with, or is paused on
    asks: list[dict[str, Any]] | None = None  # open questions to people
    head: int = 0


@dataclass(frozen=True, slots=True)
class Charge:
    """What a commit adds to, or takes from, what a group has used within a scope (`group`, `workflow:SLUG`, `run:ID`) and a
    period (`2026-11-20`, `2026-11`, or "" for always). `most` bounds the sum after it: (tokens, nano, iterations), None where
    nothing does. nano: 1e-9 of a US dollar, so that sums are exact in both databases."""

    scope: str
    period: str
    tokens: int
    nano: int
    iterations: int
    most: tuple[int | None, int | None, int | None] = (None, None, None)


@dataclass(slots=True)
class Commit:
    """One atomic step of a run: `events` follow `head` without a gap, and the row, the wake-up and the outbox go with them.

    `wake` is the time (seconds since the epoch) at which the run must be looked at again, or None for never.
    `outbox` holds the seqs whose messages must reach the bus even if this process dies now.
    """

    run_id: str
    head: int
    events: list[Event]
    row: RunRow
    wake: float | None
    outbox: tuple[int, ...] = ()
    charges: tuple[Charge, ...] = ()


class Journal(Protocol):
    async def create(self, commit: Commit) -> bool:
        """Open a run with its first events (`head` 0). False, and nothing written, when the run exists already."""
        ...

    async def read(self, run_id: str, after: int = 0, limit: int | None = None) -> list[Event]:
        """Events with seq > `after`, in order; [] for an unknown run."""
        ...

    async def commit(self, commits: Sequence[Commit]) -> list[bool]:
        """Append each (of different runs), in as few transactions as the adapter can; durable when this returns. False for a
        commit whose `head` is not the journal's, or one of whose charges would pass its bound: nothing of it was written.
        Raises, with nothing written, when the store fails.
        A commit without events moves the row and the wake-up alone."""
        ...

    async def due(self, now: float, limit: int = 100, queued: bool = False) -> list[str]:
        """Runs whose wake-up is at or before `now`, the earliest first: those that wait for a place (`queued`), or the others."""
        ...

    async def outbox(self, limit: int = 100) -> list[tuple[str, int]]:
        """(run_id, seq) of messages committed and not yet marked as sent, oldest first."""
        ...

    async def sent(self, messages: Sequence[tuple[str, int]]) -> None:
        """Forget these messages: the bus has them. Unknown ones are ignored."""
        ...


class Usage(Protocol):
    """What groups have used: the sums of all charges, written by the journal's commits."""

    async def used(self, group: str, places: Sequence[tuple[str, str]]) -> dict[tuple[str, str], tuple[int, int, int]]:
        """(tokens, nano, iterations) by (scope, period); places without any use are absent."""
        ...

    async def list(self, group: str, period: str) -> dict[str, tuple[int, int, int]]:
        """The same of one period, by scope."""
        ...

    async def forget(self, group: str, scope: str) -> None: ...


class Registry(Protocol):
    """Small named things of a group that have a form of their own: servers, providers, policies, budgets."""

    async def put(self, group: str, kind: str, name: str, body: dict[str, Any]) -> None:
        """Raises Invalid, code `name.bad`, for what is no name: 1 to 200 printable characters without /."""
        ...

    async def get(self, group: str, kind: str, name: str) -> dict[str, Any]:
        """Raises NotFound, code `KIND.not_found` (without a plural's s)."""
        ...

    async def list(self, group: str, kind: str) -> dict[str, dict[str, Any]]:
        """By name, in the order of their bytes."""
        ...

    async def groups(self, kind: str) -> list[str]:
        """The groups that have any of this kind, sorted."""
        ...

    async def delete(self, group: str, kind: str, name: str) -> bool:
        """Whether it was there: of several who delete it at once, one is told so."""
        ...


# -------------------------------------------------------------------------------------------------- artifacts


class Artifacts(Protocol):
    async def put(self, data: bytes) -> str:
        """Keep `data`; returns its name, `sha256:<hex>`. Putting the same bytes again is free."""
        ...

    async def get(self, digest: str, start: int = 0, end: int | None = None) -> bytes:
        """Bytes `start` to `end` (exclusive). Raises NotFound."""
        ...

    async def size(self, digest: str) -> int:
        """Size in bytes. Raises NotFound."""
        ...


# ------------------------------------------------------------------------------------------------------ vault


class Vault(Protocol):
    async def put(self, group: str, name: str, value: str) -> None: ...

    async def get(self, group: str, name: str) -> str:
        """Raises NotFound."""
        ...

    async def names(self, group: str) -> list[str]: ...

    async def delete(self, group: str, name: str) -> None: ...

    async def rotate(self) -> int:
        """Seal everything with a new key, while others read and write; returns how many there are."""
        ...


# -------------------------------------------------------------------------------------------------------- bus


@dataclass(slots=True)
class Message:
    """`key` is the run id, which keeps a run's messages in order. `value` is plain JSON, or Work on the embedded bus, which has
    no wire; adapters with one write it as the documented message."""

    topic: str
    key: str
    value: Any


class Bus(Protocol):
    durable: bool  # False where what was published dies with this process: then the journal re-sends after a restart

    async def publish(self, messages: Sequence[Message]) -> None:
        """Returns when the bus has them."""
        ...

    def consume(self, topic: str, group: str) -> AsyncIterator[list[Message]]:
        """Batches of messages, each to one consumer of `group`."""
        ...

    async def close(self) -> None: ...


# ------------------------------------------------------------------------------------------------- node kinds


@dataclass(frozen=True, slots=True)
class Done:
    """A step's end. `output` is any JSON value; `take` names the successors to go to (None: all whose condition holds)."""

    output: Any = None
    take: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """The step has nothing to run now; it goes on by itself.

    until: seconds since the epoch at which it ends with `output`, or, if it asks a person, with its time-out action.
    ask: a question to a person, as shown to them; the answer becomes the output.
    child: {"workflow", "version"?, "inputs"} of a run whose outputs become the output.
    """

    until: float | None = None
    output: Any = None
    ask: dict[str, Any] | None = None
    child: dict[str, Any] | None = None


@runtime_checkable
class StepContext(Protocol):
    """What a node kind is given. `key` is the same on every delivery and retry of this step and differs for any other step:
    pass it on as an idempotency key. `run` says {workflow, version, mode, actor} and what the run had spent when the step was
    sent: {tokens, usd}, usd as a decimal string. `policies` are those of the run's group; `limits` says what bounds this step's
    spending ({} for nothing): {call, step, run} -> {tokens, usd, iterations}. `watched`: whether somebody may listen now to what
    is said `live`."""

    run_id: str
    step_id: str
    group: str
    attempt: int
    key: str
    input: Any
    deadline: float | None

    policies: Sequence[dict[str, Any]]
    limits: Mapping[str, Any]

    @property
    def watched(self) -> bool: ...

    run: Mapping[str, Any]

    async def once(self, key: str, call: Callable[[], Awaitable[Any]]) -> Any:
        """The JSON result of `call`, kept in the journal under `key` before this returns; a kept call is never made again,
        not on a retry and not after a crash."""
        ...

    async def spend(self, **cost: float | str) -> str:
        """Reserve tokens, usd or iterations before they are used; returns the reservation's key. Raises Refused, naming the
        limit and whose it is (detail {limit, level, asked, left}), when too little is left: then nothing is reserved."""
        ...

    def settle(self, key: str, **cost: float | str) -> None:
        """What a reservation came to; without amounts all of it is given back. Returns at once; it is durable before any call
        that is kept later. A reservation that is never settled stays spent: whoever died may have used it."""
        ...

    def record(self, fact: Fact) -> None:
        """A fact about what the step does (one of those without consequences in engine.events), for the journal. Returns at
        once; it stands there before any call that is kept later."""
        ...

    def live(self, data: dict[str, Any]) -> None:
        """Something for whoever watches the run now, such as a piece of a model's answer. Never written anywhere."""
        ...

    async def wait_for(self, key: str, wait: Wait) -> Any:
        """What `wait` waits for: a person's answer, {run, status, outputs, error} of a child, or its output when its time has
        come. The step ends here and is run again from its start over what is kept, when there is something; then this
        returns it at once. So whatever comes before this call in a step must be kept, or harmless when done again."""
        ...

    async def secret(self, name: str) -> str:
        """A secret's value by name. It is redacted from everything this step reports. Raises NotFound."""
        ...

    async def note(self, text: str) -> None:
        """One line in the run's log, live."""
        ...

    async def save(self, name: str, data: bytes, mime: str = "application/octet-stream") -> dict[str, Any]:
        """Keep an artifact of the run; returns its handle {artifact, name, size, mime}."""
        ...


class NodeKind(Protocol):
    """One kind of step. `literal` names the keys of `with` in which expressions are refused, because the text is code or a
    template of its own. Raise PenstockError (`retryable` decides on retry) to fail; be ready to be cancelled at any await."""

    name: ClassVar[str]
    Config: ClassVar[type[BaseModel]]
    literal: ClassVar[frozenset[str]]

    async def run(self, step: StepContext, config: Any) -> Any: ...


# ---------------------------------------------------------------------------------------------------- catalog


@dataclass(slots=True)
class Draft:
    slug: str
    group: str
    document: dict[str, Any]
    etag: str
    updated_at: float
    updated_by: str
    latest: int  # newest published version, 0 for none


@dataclass(slots=True)
class Version:
    slug: str
    group: str
    number: int
    fingerprint: str
    document: dict[str, Any]
    created_at: float
    created_by: str
    note: str = ""


@dataclass(slots=True)
class Page:
    """Part of a list; `cursor` opens the next part, None at the end."""

    items: list[Any]
    cursor: str | None = None


class Workflows(Protocol):
    """The catalog's workflows: a mutable draft each, and immutable numbered versions."""

    async def draft(self, group: str, slug: str) -> Draft:
        """Raises NotFound."""
        ...

    async def save(self, group: str, document: dict[str, Any], actor: str, etag: str | None) -> Draft:
        """Write a draft. `etag` None creates (Conflict if the slug is taken), `*` writes in any case, else it must be the
        current one (PreconditionFailed)."""
        ...

    async def publish(
        self, group: str, slug: str, document: dict[str, Any], fingerprint: str, actor: str, note: str = ""
    ) -> Version:
        """The next version with this content, atomically; the newest one, unchanged, if its fingerprint is the same."""
        ...

    async def version(self, group: str, slug: str, number: int | None = None) -> Version:
        """A version, the newest by default. Raises NotFound."""
        ...

    async def versions(self, group: str, slug: str, cursor: str | None = None, limit: int = 50) -> Page: ...

    async def list(self, group: str, cursor: str | None = None, limit: int = 50, **filters: str) -> Page: ...


class Runs(Protocol):
    """The catalog's run list. Rows are written by the journal's commits; this only reads them, and keeps idempotency keys."""

    async def list(self, group: str | None, cursor: str | None = None, limit: int = 50, **filters: Any) -> Page:
        """Newest first; `group` None lists all groups. Filters: status, workflow, mode, actor, parent, asks (with an open
        question), failed."""
        ...

    async def row(self, run_id: str) -> RunRow:
        """Raises NotFound."""
        ...

    async def counts(self) -> dict[str, int]:
        """How many runs of all groups there are of each status, but for completed and cancelled ones."""
        ...

    async def claim(self, group: str, key: str, body_digest: str, run_id: str) -> str:
        """The run id this idempotency key stands for: `run_id` if the key is new. Conflict (code
        `idempotency.body_differs`) when it was used with another body."""
        ...


Clock = Callable[[], float]
Metadata = Mapping[str, Any]


@dataclass(slots=True)
class Work:
    """A step sent to an executor: everything needed to run it, and nothing else."""

    run_id: str
    step_id: str
    node: str
    kind: str
    group: str
    input: Any
    attempt: int
    delivery: int  # 1, and one more each time the same attempt is sent again because its executor fell silent
    key: str
    run: Mapping[str, Any] = field(
        default_factory=dict
    )  # {workflow, version, mode, actor, tokens, usd}: see StepContext
    again: bool = False  # an executor fell silent with this attempt: calls that are not kept may have been made
    timeout: float | None = None
    kept: dict[str, Any] = field(default_factory=dict)
    policies: Sequence[dict[str, Any]] = ()
    limits: Mapping[str, Any] = field(default_factory=dict)
