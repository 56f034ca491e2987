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

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from . import events as ev
from . import guard
from .workflow import Node, Workflow

LEASE = 30.0  # seconds an executor may be silent about a step before it is sent again
GRACE = 10.0  # seconds in-flight steps get to stop when a run ends
FOREVER = float("inf")

TERMINAL = frozenset({"completed", "failed", "cancelled"})
IN_FLIGHT = frozenset({"scheduled", "running"})
UNRESOLVED, TAKEN, CLOSED = 0, 1, 2


@dataclass(slots=True)
class Step:
    """An activation that has not ended. status: scheduled, running, waiting, retrying, paused or unsent (it is sent when there is room)."""

    id: str
    node: str
    index: int | None
    input: Any
    status: str = ""
    attempt: int = 1
    delivery: int = 1
    due: float | None = None  # when its retry or its waiting is over
    lease: float = FOREVER
    scheduled_at: float = 0.0
    kept: dict[str, Any] | None = None
    reserved: dict[str, dict[str, Any]] | None = None
    ask: dict[str, Any] | None = None
    child: dict[str, Any] | None = None
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

    # -------------------------------------------------------------------------------------------------- folding

    def apply(self, event: ev.Event) -> None:
        """Fold one event. Raises ValueError when its seq is not the next one."""
        if event.seq != self.head + 1:
            raise ValueError(f"run {self.run_id}: event {event.seq} after {self.head}")
        self.head = event.seq
        self.updated_at = event.at
        _FOLD[type(event.fact)](self, event.at, event.fact)

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

    def charge(self, cost: dict[str, Any], sign: int) -> None:
        self.tokens += sign * Decimal(str(cost.get("tokens", 0)))
        self.usd += sign * Decimal(str(cost.get("usd", 0)))
        self.iterations += sign * int(cost.get("iterations", 0))


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


# ------------------------------------------------------------------------------------------------- the handlers


def _run_created(s: RunState, at: float, f: ev.RunCreated) -> None:
    s.created_at = at
    s.version, s.fingerprint, s.inputs = f.version, f.fingerprint, f.inputs
    s.group, s.actor, s.mode, s.parent, s.depth, s.trace = f.group, f.actor, f.mode, f.parent, f.depth, f.trace
    s.limits = guard.limits_for(s.workflow.limits, f.limits, f.mode)


def _run_checked(s: RunState, at: float, f: ev.RunChecked) -> None:
    s.problems = f.problems or []


def _run_started(s: RunState, at: float, f: ev.RunStarted) -> None:
    s.status = "running"
    s.started_at = at
    if s.limits.seconds is not None:
        s.deadline = at + s.limits.seconds
        s.soon(s.deadline)


def _run_forked(s: RunState, at: float, f: ev.RunForked) -> None:
    if s.status == "paused":
        s.status, s.error = "running", None
    if s.deadline is not None and s.limits.seconds is not None:
        s.deadline = at + s.limits.seconds
        s.soon(s.deadline)
    _reopen(s, at, f.edits or {})
    for step in list(s.steps.values()):
        if step.status in IN_FLIGHT:
            _lose(s, step)
        elif step.child is not None:  # the child belongs to the run that was copied from
            step.child, step.due, step.delivery = None, None, 0
            _lose(s, step)


def _run_paused(s: RunState, at: float, f: ev.RunPaused) -> None:
    s.status, s.error = "paused", f.error


def _run_resumed(s: RunState, at: float, f: ev.RunResumed) -> None:
    s.status, s.error = "running", None
    if s.deadline is not None and s.limits.seconds is not None and at >= s.deadline:
        s.deadline = at + s.limits.seconds
    s.soon(s.timers())
    _reopen(s, at, f.edits or {})


def _reopen(s: RunState, at: float, edits: dict[str, Any]) -> None:
    """Steps that stopped for a person go on: paused ones again with the next attempt, edited ones with their new input."""
    for step in list(s.steps.values()):
        if step.id in edits:
            step.input, step.edited = edits[step.id], True
            step.kept = None  # another question: what was kept answered the old one
        if step.status == "paused" or (step.id in edits and step.status in ("retrying", "waiting")):
            step.attempt += step.status == "paused"
            step.error, step.due, step.delivery = None, None, 0
            s.move(step, "unsent")


def _run_ending(s: RunState, at: float, f: ev.RunEnding) -> None:
    s.ending, s.ending_due, s.error = f, at + GRACE, f.error
    s.soon(s.ending_due)
    s.status = "running"
    for step in list(s.steps.values()):
        if step.status not in IN_FLIGHT:
            _drop(s, step)
    s.ripe.clear()
    s.open.clear()
    s.closing.clear()


def _ended(s: RunState) -> None:
    s.steps.clear()
    s.ripe.clear()
    s.open.clear()
    s.closing.clear()
    s.unsent.clear()
    s.in_flight = s.waiting = s.asking = 0
    s.ending, s.ending_due, s.wake = None, FOREVER, FOREVER


def _run_completed(s: RunState, at: float, f: ev.RunCompleted) -> None:
    _ended(s)
    s.status, s.outputs = "completed", f.outputs


def _run_failed(s: RunState, at: float, f: ev.RunFailed) -> None:
    _ended(s)
    s.status, s.error = "failed", f.error


def _run_cancelled(s: RunState, at: float, f: ev.RunCancelled) -> None:
    _ended(s)
    s.status = "cancelled"
    s.error = {"code": "run.cancelled", "message": f.reason or "cancelled"}


def _node_opened(s: RunState, at: float, f: ev.NodeOpened) -> None:
    state = s.nodes[f.node]
    s.ripe.pop(f.node, None)
    state.status, state.visit, state.items, state.count = "active", f.visit, f.items, f.count
    state.next, state.left, state.active = 0, f.count, 0
    state.output, state.errors = [None] * f.count, None
    if f.count:
        s.open[f.node] = None
    else:
        s.closing[f.node] = None


def _node_completed(s: RunState, at: float, f: ev.NodeCompleted) -> None:
    state = s.nodes[f.node]
    s.closing.pop(f.node, None)
    state.status, state.items = "completed", None
    s.resolve(s.workflow.nodes[f.node], f.taken)


def _node_skipped(s: RunState, at: float, f: ev.NodeSkipped) -> None:
    s.ripe.pop(f.node, None)
    s.nodes[f.node].status = "skipped"
    s.nodes[f.node].output = None
    s.resolve(s.workflow.nodes[f.node], [])


def _node_failed(s: RunState, at: float, f: ev.NodeFailed) -> None:
    s.ripe.pop(f.node, None)
    s.open.pop(f.node, None)
    s.closing.pop(f.node, None)
    state = s.nodes[f.node]
    state.status, state.errors, state.output = "failed", [f.error], None
    s.resolve(s.workflow.nodes[f.node], f.taken or [])


def _step_scheduled(s: RunState, at: float, f: ev.StepScheduled) -> None:
    step = s.steps.get(f.step)
    if step is None:
        node, visit, index = parse_step_id(f.step)
        state = s.nodes[node]
        step = s.steps[f.step] = Step(f.step, node, index, f.input)
        if index is None:
            s.ripe.pop(node, None)
            state.status, state.visit, state.errors = "active", visit, None
        else:
            state.next = index + 1
            state.active += 1
            if state.next >= state.count:
                s.open.pop(node, None)
        s.steps_used += 1
    elif f.edited:
        step.input = f.input
    step.attempt, step.delivery, step.due, step.scheduled_at = f.attempt, f.delivery, None, at
    step.edited, step.claim = False, ""
    s.move(step, "scheduled")
    step.lease = at + LEASE
    s.soon(step.lease)
    if s.asking:
        s.tick_people(at)


def _step_started(s: RunState, at: float, f: ev.StepStarted) -> None:
    step = s.steps[f.step]
    step.claim = f.claim
    s.move(step, "running")
    _extend(step, at)


def _extend(step: Step, at: float) -> None:
    """Leases grow with the step's age, so an hour's work is a dozen events, and a death is noticed within half its age."""
    lease = at + max(LEASE, (at - step.scheduled_at) / 2)
    if step.child is not None:
        step.due = lease
    else:
        step.lease = lease


def _steps_alive(s: RunState, at: float, f: ev.StepsAlive) -> None:
    for name in f.steps:
        _extend(s.steps[name], at)
    s.wake = min(s.wake, s.timers())


def _lose(s: RunState, step: Step) -> None:
    s.move(step, "unsent")
    step.lease = FOREVER


def _steps_lost(s: RunState, at: float, f: ev.StepsLost) -> None:
    for name in f.steps:
        _lose(s, s.steps[name])


def _steps_ready(s: RunState, at: float, f: ev.StepsReady) -> None:
    for name in f.steps:
        s.steps[name].due = None
        s.move(s.steps[name], "unsent")


def _step_noted(s: RunState, at: float, f: ev.StepNoted) -> None:
    pass


def _step_kept(s: RunState, at: float, f: ev.StepKept) -> None:
    step = s.steps[f.step]
    step.kept = {**(step.kept or {}), f.key: f.value}


def _spend_reserved(s: RunState, at: float, f: ev.SpendReserved) -> None:
    step = s.steps[f.step]
    step.reserved = {**(step.reserved or {}), f.key: f.cost}
    s.charge(f.cost, 1)


def _spend_settled(s: RunState, at: float, f: ev.SpendSettled) -> None:
    step = s.steps[f.step]
    s.charge((step.reserved or {}).get(f.key, {}), -1)
    s.charge(f.cost, 1)
    step.reserved = {k: v for k, v in (step.reserved or {}).items() if k != f.key}


def _spend_refused(s: RunState, at: float, f: ev.SpendRefused) -> None:
    pass


def _step_waiting(s: RunState, at: float, f: ev.StepWaiting) -> None:
    step = s.steps[f.step]
    step.due, step.output, step.child, step.lease = f.until, f.output, f.child, FOREVER
    step.artifacts = f.artifacts
    s.move(step, "")
    step.ask = f.ask
    s.steps[f.step] = step
    s.move(step, "waiting")
    s.soon(f.until)
    s.tick_people(at)


def _step_completed(s: RunState, at: float, f: ev.StepCompleted) -> None:
    s.end_of(s.steps[f.step], f.output, None, f.taken)
    if s.asking or s.asking_since is not None:
        s.tick_people(at)


def _step_failed(s: RunState, at: float, f: ev.StepFailed) -> None:
    step = s.steps[f.step]
    if f.retry_at is not None:
        step.attempt, step.delivery, step.due, step.error, step.lease = f.attempt + 1, 0, f.retry_at, f.error, FOREVER
        s.move(step, "retrying")
        s.soon(f.retry_at)
    else:
        s.end_of(step, None, f.error, f.taken or [])
    if s.asking or s.asking_since is not None:
        s.tick_people(at)


def _step_paused(s: RunState, at: float, f: ev.StepPaused) -> None:
    step = s.steps[f.step]
    step.error, step.due, step.lease = f.error, None, FOREVER
    s.move(step, "paused")


def _step_cancelled(s: RunState, at: float, f: ev.StepCancelled) -> None:
    _drop(s, s.steps[f.step])


def _drop(s: RunState, step: Step) -> None:
    if step.status == "waiting" and step.child is not None:
        s.orphans.append(step.child["run"])
    s.move(step, "")


_FOLD: dict[type, Callable[[RunState, float, Any], None]] = {
    ev.RunCreated: _run_created,
    ev.RunChecked: _run_checked,
    ev.RunStarted: _run_started,
    ev.RunForked: _run_forked,
    ev.RunPaused: _run_paused,
    ev.RunResumed: _run_resumed,
    ev.RunEnding: _run_ending,
    ev.RunCompleted: _run_completed,
    ev.RunFailed: _run_failed,
    ev.RunCancelled: _run_cancelled,
    ev.NodeOpened: _node_opened,
    ev.NodeCompleted: _node_completed,
    ev.NodeSkipped: _node_skipped,
    ev.NodeFailed: _node_failed,
    ev.StepScheduled: _step_scheduled,
    ev.StepStarted: _step_started,
    ev.StepsAlive: _steps_alive,
    ev.StepsLost: _steps_lost,
    ev.StepsReady: _steps_ready,
    ev.StepNoted: _step_noted,
    ev.StepKept: _step_kept,
    ev.SpendReserved: _spend_reserved,
    ev.SpendSettled: _spend_settled,
    ev.SpendRefused: _spend_refused,
    ev.StepWaiting: _step_waiting,
    ev.StepCompleted: _step_completed,
    ev.StepFailed: _step_failed,
    ev.StepPaused: _step_paused,
    ev.StepCancelled: _step_cancelled,
}


def fold(run_id: str, workflow: Workflow, events: Iterable[ev.Event]) -> RunState:
    """The state after `events`, the first of which is seq 1."""
    state = RunState(run_id, workflow)
    for event in events:
        state.apply(event)
    return state
