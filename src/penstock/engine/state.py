"""The state of a run: the fold of its journal, and whether a piece of news is still news.

`RunState.apply` is the only thing that changes a state, and it does so in place, from facts alone: two states that have seen
the same events are equal. What there is left to do is part of the fold too (`ripe`, `open`, `closing`, `unsent`, and the
timers under `wake`), so `decide` never searches: it looks at those and says the next facts. The law that keeps this honest
is in tests/engine: the bookkeeping equals what a search of the whole graph would find.

How a node lives. Each forward edge is unresolved, taken or closed. A node is *ripe* when its join is decided: enough edges
taken (it is activated, as visit n), or no longer reachable (it is skipped, and closes its own edges in turn). Taking a back
edge begins the next visit of its target: every node after the target becomes pending again, and edges that come from inside
that region are unresolved again; edges from outside keep what they said, except that a join `any` asks for a new one.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from . import events as ev
from .workflow import Node, Workflow

LEASE = 30.0  # seconds an executor may be silent about a step before it is sent again
GRACE = 10.0  # seconds in-flight steps get to stop when a run ends
FOREVER = float("inf")

TERMINAL = frozenset({"completed", "failed", "cancelled"})
IN_FLIGHT = frozenset({"scheduled", "running"})
UNRESOLVED, TAKEN, CLOSED = 0, 1, 2


@dataclass(slots=True)
class Step:
    """An activation that has not ended. status: scheduled, running, waiting, retrying, paused, or unsent (until there is
    room)."""

    id: str
    node: str
    index: int | None
    input: Any
    status: str = ""
    attempt: int = 1
    delivery: int = 1
    losses: int = 0  # how often its executor fell silent since its last kept call: the next one may have been made
    due: float | None = None  # when its retry or its waiting is over
    lease: float = FOREVER
    scheduled_at: float = 0.0
    kept: dict[str, Any] | None = None
    reserved: dict[str, tuple[float, dict[str, Any]]] | None = None  # when, and what
    spent: dict[str, Decimal] | None = None  # reserved and settled, in all its attempts
    ask: dict[str, Any] | None = None
    child: dict[str, Any] | None = None
    resume: str | None = None  # the key under which what it waits for is kept before it runs again
    output: Any = None  # what it ends with when `due` comes
    error: dict[str, Any] | None = None
    artifacts: list[dict[str, Any]] | None = None
    edited: bool = False  # its input was changed and not yet sent
    claim: str = ""  # of the one who runs this delivery


@dataclass(slots=True)
class NodeState:
    """Where a node stands. status: pending, active, completed, failed or skipped."""

    status: str = "pending"
    visit: int = 0
    taken: int = 0
    closed: int = 0
    output: Any = None
    errors: list[dict[str, Any]] | None = None
    items: Any = None
    count: int = 0
    next: int = 0  # the next item without a step
    left: int = 0  # items that have not ended
    active: int = 0


def step_id(node: str, visit: int, index: int | None = None) -> str:
    return f"{node}#{visit}" if index is None else f"{node}#{visit}.{index}"


def parse_step_id(step: str) -> tuple[str, int, int | None]:
    """(node, visit, index) of `review#2` or `scan#1.17`."""
    node, _, rest = step.partition("#")
    visit, dot, index = rest.partition(".")
    return node, int(visit), int(index) if dot else None


class RunState:
    """One run, as its journal tells it. Owned by one task at a time."""

    __slots__ = (
        "actor",
        "asking",
        "asking_since",
        "charges",
        "closing",
        "created_at",
        "deadline",
        "depth",
        "edges",
        "ending",
        "ending_due",
        "error",
        "fingerprint",
        "group",
        "head",
        "in_flight",
        "inputs",
        "iterations",
        "limits",
        "mode",
        "nodes",
        "open",
        "orphans",
        "outputs",
        "parent",
        "problems",
        "ripe",
        "run_id",
        "started_at",
        "status",
        "steps",
        "steps_used",
        "tokens",
        "trace",
        "tree",
        "unsent",
        "updated_at",
        "usd",
        "version",
        "waiting",
        "wake",
        "workflow",
    )

    def __init__(self, run_id: str, workflow: Workflow) -> None:
        self.run_id = run_id
        self.workflow = workflow
        self.head = 0
        self.status = "queued"  # queued, running, paused, or terminal; see `shown`
        self.group = "default"
        self.actor = "local"
        self.mode = "full_run"
        self.version = 0
        self.fingerprint = ""
        self.inputs: Any = None
        self.limits = workflow.limits
        self.parent: dict[str, Any] | None = None
        self.depth = 0
        self.tree: dict[str, Any] | None = None
        self.trace: str | None = None
        self.problems: list[dict[str, Any]] | None = None
        self.created_at = self.updated_at = 0.0
        self.started_at: float | None = None
        self.deadline: float | None = None
        self.nodes = {name: NodeState() for name in workflow.nodes}
        self.edges = bytearray(len(workflow.edges))
        self.steps: dict[str, Step] = {}
        self.ripe: dict[str, None] = dict.fromkeys(workflow.roots)  # ordered sets
        self.open: dict[str, None] = {}
        self.closing: dict[str, None] = {}
        self.unsent: dict[str, None] = {}
        self.orphans: list[str] = []  # children nobody waits for any more, to be cancelled by whoever commits
        self.charges: list[tuple[float, dict[str, Any], int]] = []  # (when, cost, sign), for whoever commits
        self.in_flight = self.waiting = self.asking = 0
        self.asking_since: float | None = None
        self.steps_used = self.iterations = 0
        self.tokens = Decimal(0)
        self.usd = Decimal(0)
        self.ending: ev.RunEnding | None = None
        self.ending_due = FOREVER
        self.error: dict[str, Any] | None = None
        self.outputs: Any = None
        self.wake = FOREVER  # a time at or before the next thing that time alone will bring about

    # ------------------------------------------------------------------------------------------------- reading

    @property
    def terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def shown(self) -> str:
        """The status people see: `waiting` is a running run in which nothing runs."""
        if self.status == "running" and not self.in_flight and self.waiting and not self.ending:
            return "waiting"
        return self.status

    def output_of(self, node: str) -> Any:
        return self.nodes[node].output

    def asks(self) -> list[dict[str, Any]] | None:
        """Open questions to people, for the inbox."""
        if not self.asking:
            return None
        return [
            {"step": s.id, "asked_at": s.scheduled_at, "until": s.due, **s.ask}
            for s in self.steps.values()
            if s.status == "waiting" and s.ask is not None
        ]

    # ------------------------------------------------------------------------------------------------- changing

    def soon(self, when: float | None) -> None:
        if when is not None and when < self.wake:
            self.wake = when

    def timers(self) -> float:
        """The earliest time at which something will have to happen, searched for."""
        wake = FOREVER
        if self.terminal or self.status == "queued":
            return wake
        for step in self.steps.values():
            if step.status in IN_FLIGHT:
                wake = min(wake, step.lease)
            elif step.due is not None and self.status != "paused":
                wake = min(wake, step.due)
        if self.deadline is not None and self.status != "paused" and not self.asking_since:
            wake = min(wake, self.deadline)
        return min(wake, self.ending_due)

    def move(self, step: Step, status: str) -> None:
        """Change a step's status and the counts that follow from it. "" takes the step away."""
        old = step.status
        if old in IN_FLIGHT:
            self.in_flight -= 1
        elif old in ("waiting", "retrying"):
            self.waiting -= 1
            if old == "waiting" and step.ask is not None:
                self.asking -= 1
        elif old == "unsent":
            self.unsent.pop(step.id, None)
        step.status = status
        if status in IN_FLIGHT:
            self.in_flight += 1
        elif status in ("waiting", "retrying"):
            self.waiting += 1
            if status == "waiting" and step.ask is not None:
                self.asking += 1
        elif status == "unsent":
            self.unsent[step.id] = None
        elif not status:
            del self.steps[step.id]

    def tick_people(self, at: float) -> None:
        """Time in which a run waits for nothing but people does not count against `limits.seconds`."""
        only_people = self.asking > 0 and not self.in_flight and self.asking == self.waiting
        if only_people and self.asking_since is None:
            self.asking_since = at
        elif not only_people and self.asking_since is not None:
            if self.deadline is not None:
                self.deadline += at - self.asking_since
                self.soon(self.deadline)
            self.asking_since = None

    def resolve(self, node: Node, taken: list[str] | None) -> None:
        """Mark the edges out of `node`: those to `taken` (None: all) are taken, the others closed."""
        if taken is not None:
            for edge in node.outgoing:
                if edge.back and edge.target in taken:
                    self._begin_again(edge.target)
                    return
        for edge in node.outgoing:
            if edge.back or self.edges[edge.index]:
                continue
            target = self.nodes[edge.target]
            if taken is None or edge.target in taken:
                self.edges[edge.index] = TAKEN
                target.taken += 1
            else:
                self.edges[edge.index] = CLOSED
                target.closed += 1
            if target.status == "pending" and decided(self.workflow.nodes[edge.target], target) is not None:
                self.ripe[edge.target] = None

    def _begin_again(self, target: str) -> None:
        region = self.workflow.after[target]
        for name in (n for n in self.workflow.nodes if n in region):
            node, state = self.workflow.nodes[name], self.nodes[name]
            state.status = "pending"
            state.taken = state.closed = 0
            self.ripe.pop(name, None)
            self.open.pop(name, None)
            self.closing.pop(name, None)
            for edge in node.incoming:
                if edge.source in region:
                    self.edges[edge.index] = UNRESOLVED
                elif self.edges[edge.index] == TAKEN and node.join == "any":
                    self.edges[edge.index] = CLOSED
                if self.edges[edge.index] == TAKEN:
                    state.taken += 1
                elif self.edges[edge.index] == CLOSED:
                    state.closed += 1
            if decided(node, state) is not None:
                self.ripe[name] = None
        self.nodes[target].taken += 1  # the back edge itself: whatever the join, the target is activated
        self.ripe[target] = None
        self.iterations += 1

    def end_of(self, step: Step, output: Any, error: dict[str, Any] | None, taken: list[str] | None) -> None:
        """A step has ended for good: its node, or its item, has a result."""
        node = self.workflow.nodes[step.node]
        state = self.nodes[step.node]
        self.move(step, "")
        if error is not None:
            state.errors = [*(state.errors or ()), {"index": step.index, **error} if step.index is not None else error]
        if step.index is None:
            state.output = output
            state.status = "completed" if error is None else "failed"
            self.resolve(node, taken)
            return
        state.output[step.index] = output
        state.left -= 1
        state.active -= 1
        if not state.left:
            self.closing[step.node] = None

    def charge(self, step: Step, at: float, cost: dict[str, Any], sign: int) -> None:
        """Count `cost` of a reservation made at `at`."""
        tokens, usd = sign * Decimal(str(cost.get("tokens", 0))), sign * Decimal(str(cost.get("usd", 0)))
        iterations = sign * int(cost.get("iterations", 0))
        self.tokens += tokens
        self.usd += usd
        self.iterations += iterations
        spent = step.spent or {"tokens": Decimal(0), "usd": Decimal(0), "iterations": Decimal(0)}
        step.spent = {
            "tokens": spent["tokens"] + tokens,
            "usd": spent["usd"] + usd,
            "iterations": spent["iterations"] + iterations,
        }
        self.charges.append((at, cost, sign))


def decided(node: Node, state: NodeState) -> bool | None:
    """Whether the node's join is satisfied (True), out of reach (False), or open (None)."""
    total = len(node.incoming)
    if node.join == "all":
        if state.taken + state.closed < total:
            return None
        return state.taken > 0 or total == 0
    need = 1 if node.join == "any" else total // 2 + 1 if node.join == "majority" else int(node.join)
    if state.taken >= min(need, total):
        return True
    return False if total - state.closed < need else None
