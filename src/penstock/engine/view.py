"""Everything people see of a run: a pure fold of its journal.

`RunState` answers what must happen next and forgets what is over; a `RunView` forgets nothing, and needs no workflow: the
page of a run, its steps with every attempt, its log, artifacts, cost and questions all come out of the events alone. So
the page of a finished run, of a running one, and of a run as it was at some seq are one function, and a client that has
the events can compute the same page.

    view = RunView.of(events)        # or: view = RunView(); view.apply(event) as events come
    view.to_dict()                   # JSON; times are RFC 3339 text with milliseconds

Times in the view itself are seconds since the epoch. What a run is as files (`trace.json`, `logs.txt`, `metadata.json`)
and as a waterfall is in `record.py`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from . import events as ev
from . import record
from .record import rfc3339
from .state import IN_FLIGHT, TERMINAL, parse_step_id
from .step_view import Attempt, Line, NodeView, Pause, StepView, finish, go_on, halt

HALTED = frozenset({"waiting", "retrying"})
__all__ = ["Attempt", "Line", "NodeView", "Pause", "RunView", "StepView", "rfc3339"]


class RunView:
    """One run as people see it. Made empty, it grows with `apply`; events must come in order."""

    def __init__(self, run_id: str | None = None) -> None:
        self.run_id = run_id
        self.events: list[ev.Event] = []
        self.state = "validating"  # as the journal says; people are shown `status`
        self.workflow = ""
        self.version = 0
        self.fingerprint = ""
        self.mode = "full_run"
        self.group = "default"
        self.actor = "local"
        self.created_at = self.updated_at = 0.0
        self.started_at: float | None = None
        self.ended_at: float | None = None
        self.inputs: Any = None
        self.outputs: Any = None
        self.error: dict[str, Any] | None = None
        self.limits: dict[str, Any] | None = None  # as asked for this run
        self.problems: list[dict[str, Any]] = []
        self.report: dict[str, Any] | None = None
        self.parent: dict[str, Any] | None = None
        self.depth = 0
        self.trace: str | None = None
        self.forked_from: dict[str, Any] | None = None
        self.ending: str | None = None  # what it will end as, once the steps in flight have stopped
        self.tokens = Decimal(0)
        self.usd = Decimal(0)
        self.nodes: dict[str, NodeView] = {}
        self.steps: dict[str, StepView] = {}  # in the order of scheduling
        self.artifacts: dict[str, dict[str, Any]] = {}  # by name, the latest of each
        self.log: list[Line] = []
        self._open: dict[str, StepView] = {}
        self._reserved: dict[tuple[str, str], dict[str, Any]] = {}
        self._running = self._halted = 0

    @classmethod
    def of(cls, events: Iterable[ev.Event], run_id: str | None = None) -> RunView:
        """The view of a run after `events`, of which the first is seq 1."""
        view = cls(run_id)
        for event in events:
            view.apply(event)
        return view

    def apply(self, event: ev.Event) -> None:
        """Fold one event. Raises ValueError when its seq is not the next one."""
        if event.seq != len(self.events) + 1:
            raise ValueError(f"event {event.seq} after {len(self.events)}")
        self.events.append(event)
        self.updated_at = event.at
        _FOLD[type(event.fact)](self, event.at, event.fact)

    # ------------------------------------------------------------------------------------------------- reading

    @property
    def head(self) -> int:
        return len(self.events)

    @property
    def terminal(self) -> bool:
        return self.state in TERMINAL

    @property
    def status(self) -> str:
        """queued, validating, running, waiting (running, but nothing runs), paused, completed, failed or cancelled."""
        if self.state == "running" and not self._running and self._halted:
            return "waiting"
        return self.state

    @property
    def spent(self) -> dict[str, Any]:
        tokens = int(self.tokens) if self.tokens == self.tokens.to_integral_value() else float(self.tokens)
        return {"tokens": tokens, "usd": format(self.usd, "f"), "steps": len(self.steps)}

    def questions(self) -> list[StepView]:
        """The steps that wait for a person's answer."""
        return [s for s in self._open.values() if s.status == "waiting" and s.ask is not None]

    def to_dict(self, start: int = 0, count: int | None = None) -> dict[str, Any]:
        """The view as JSON: the whole, or `count` steps from the one at `start` and as many of the last lines of the log.
        `steps_total` and `log_total` say how many there are."""
        return {**self.summary(), **self.details(start, count)}

    def summary(self) -> dict[str, Any]:
        """What a run is, without its steps."""
        return {
            "run_id": self.run_id,
            "status": self.status,
            "workflow": self.workflow,
            "version": self.version,
            "fingerprint": self.fingerprint,
            "mode": self.mode,
            "group": self.group,
            "actor": self.actor,
            "head": self.head,
            "created_at": rfc3339(self.created_at),
            "updated_at": rfc3339(self.updated_at),
            "started_at": rfc3339(self.started_at),
            "ended_at": rfc3339(self.ended_at),
            "ending": self.ending,
            "inputs": self.inputs,
            "outputs": self.outputs,
            "error": self.error,
            "limits": self.limits,
            "problems": self.problems,
            "report": self.report,
            "spent": self.spent,
            "parent": self.parent,
            "depth": self.depth,
            "trace": self.trace,
            "forked_from": self.forked_from,
        }

    def details(self, start: int = 0, count: int | None = None) -> dict[str, Any]:
        stop = None if count is None else start + count
        lines = self.log if count is None else self.log[max(0, len(self.log) - count) :]
        return {
            "nodes": {name: node.to_dict() for name, node in self.nodes.items()},
            "steps": [step.to_dict() for step in itertools.islice(self.steps.values(), start, stop)],
            "steps_total": len(self.steps),
            "artifacts": self.artifact_list(),
            "log": [line.to_dict() for line in lines],
            "log_total": len(self.log),
        }

    def artifact_list(self) -> list[dict[str, Any]]:
        """[{name, digest, size, mime, step, at}], the latest of each name."""
        return [{**one, "at": rfc3339(one["at"])} for one in self.artifacts.values()]

    def timeline(self) -> dict[str, Any]:
        """Rows for a waterfall, in seconds after the run was created. See record.timeline."""
        return record.timeline(self)

    def trace_json(self) -> bytes:
        return record.trace_json(self)

    def logs_text(self) -> str:
        return record.logs_text(self)

    def metadata_json(self) -> bytes:
        return record.metadata_json(self)

    # ------------------------------------------------------------------------------------------------- folding

    def _move(self, step: StepView, status: str) -> None:
        """Change a step's status, and the counts that follow from it."""
        counts = self.nodes[step.node].steps
        old = step.status
        if old in IN_FLIGHT:
            self._running -= 1
        elif old in HALTED:
            self._halted -= 1
        if old:
            counts[old] -= 1
        if status in IN_FLIGHT:
            self._running += 1
        elif status in HALTED:
            self._halted += 1
        counts[status] = counts.get(status, 0) + 1
        step.status = status

    def _end(self, step: StepView, status: str, at: float) -> None:
        self._move(step, status)
        step.ended_at, step.until, step.retry_at = at, None, None
        self._open.pop(step.id, None)
        if step.waits:
            go_on(step, at)
        node = self.nodes[step.node]
        if step.index is None:
            node.status = status
        if status == "failed" and step.error is not None:
            node.errors.append(step.error if step.index is None else {"index": step.index, **step.error})

    def _keep(self, step: StepView, at: float, artifacts: list[dict[str, Any]]) -> None:
        step.artifacts = [*(step.artifacts or ()), *artifacts]
        for one in artifacts:
            self.artifacts[one["name"]] = {
                "name": one["name"],
                "digest": one["artifact"],
                "size": one.get("size"),
                "mime": one.get("mime") or "application/octet-stream",
                "step": step.id,
                "at": at,
            }

    def _reopen(self, at: float, edits: dict[str, Any]) -> None:
        for step in list(self._open.values()):
            if step.id in edits:
                step.input, step.kept = edits[step.id], None
            if step.status == "paused" or (step.id in edits and step.status in HALTED):
                go_on(step, at)
                step.until = step.retry_at = None
                self._move(step, "queued")

    def _stop_all(self, at: float, in_flight_too: bool) -> None:
        for step in list(self._open.values()):
            if in_flight_too or step.status not in IN_FLIGHT:
                finish(step, at, "cancelled")
                self._end(step, "cancelled", at)

    def _ended(self, status: str, at: float) -> None:
        self._stop_all(at, True)
        for node in self.nodes.values():
            if node.status == "active":
                node.status = "cancelled"
        self.state, self.ended_at, self.ending = status, at, None


# ------------------------------------------------------------------------------------------------- the handlers


def _run_created(v: RunView, at: float, f: ev.RunCreated) -> None:
    v.created_at = at
    v.workflow, v.version, v.fingerprint, v.inputs = f.workflow, f.version, f.fingerprint, f.inputs
    v.group, v.actor, v.mode, v.limits = f.group, f.actor, f.mode, f.limits
    v.parent, v.depth, v.trace = f.parent, f.depth, f.trace


def _run_checked(v: RunView, at: float, f: ev.RunChecked) -> None:
    v.state, v.problems, v.report = "queued", f.problems or [], f.report


def _run_started(v: RunView, at: float, f: ev.RunStarted) -> None:
    v.state, v.started_at = "running", at


def _run_forked(v: RunView, at: float, f: ev.RunForked) -> None:
    v.forked_from = {"run": f.source, "at_seq": f.at_seq, "actor": f.actor, "edits": f.edits, "at": rfc3339(at)}
    if v.state == "paused":
        v.state, v.error = "running", None
    v._reopen(at, f.edits or {})
    for step in list(v._open.values()):
        if step.status in IN_FLIGHT or step.child is not None:
            step.child = step.until = None
            _lose(v, step, at, "forked")


def _run_paused(v: RunView, at: float, f: ev.RunPaused) -> None:
    v.state, v.error = "paused", f.error


def _run_resumed(v: RunView, at: float, f: ev.RunResumed) -> None:
    v.state, v.error = "running", None
    v._reopen(at, f.edits or {})


def _run_ending(v: RunView, at: float, f: ev.RunEnding) -> None:
    v.state, v.ending, v.error = "running", f.to, f.error
    v._stop_all(at, False)


def _run_completed(v: RunView, at: float, f: ev.RunCompleted) -> None:
    v._ended("completed", at)
    v.outputs, v.error = f.outputs, None


def _run_failed(v: RunView, at: float, f: ev.RunFailed) -> None:
    v._ended("failed", at)
    v.error = f.error


def _run_cancelled(v: RunView, at: float, f: ev.RunCancelled) -> None:
    v._ended("cancelled", at)
    v.error = {"code": "run.cancelled", "message": f.reason or "cancelled"}


def _node(v: RunView, name: str) -> NodeView:
    node = v.nodes.get(name)
    if node is None:
        node = v.nodes[name] = NodeView()
    return node


def _node_opened(v: RunView, at: float, f: ev.NodeOpened) -> None:
    node = _node(v, f.node)
    node.status, node.visit, node.count, node.errors = "active", f.visit, f.count, []


def _node_completed(v: RunView, at: float, f: ev.NodeCompleted) -> None:
    _node(v, f.node).status = "completed"


def _node_skipped(v: RunView, at: float, f: ev.NodeSkipped) -> None:
    _node(v, f.node).status = "skipped"


def _node_failed(v: RunView, at: float, f: ev.NodeFailed) -> None:
    node = _node(v, f.node)
    node.status, node.errors = "failed", [f.error]


def _step_scheduled(v: RunView, at: float, f: ev.StepScheduled) -> None:
    attempt = Attempt(f.attempt, f.delivery, at)
    step = v.steps.get(f.step)
    if step is None:
        name, visit, index = parse_step_id(f.step)
        step = v.steps[f.step] = v._open[f.step] = StepView(f.step, name, index, visit, f.input, "", [attempt])
        node = _node(v, name)
        if index is None:
            node.status, node.visit, node.errors = "active", visit, []
    else:
        if f.edited:
            step.input = f.input
        go_on(step, at)
        step.retry_at = step.until = None
        step.attempts.append(attempt)
    v._move(step, "scheduled")


def _step_started(v: RunView, at: float, f: ev.StepStarted) -> None:
    step = v.steps[f.step]
    attempt = step.attempts[-1]
    attempt.started_at, attempt.executor = f.started, f.executor
    v._move(step, "running")


def _steps_alive(v: RunView, at: float, f: ev.StepsAlive) -> None:
    pass


def _lose(v: RunView, step: StepView, at: float, why: str) -> None:
    finish(step, at, "lost", {"code": "step.lost", "message": why})
    go_on(step, at)
    v._move(step, "queued")


def _steps_lost(v: RunView, at: float, f: ev.StepsLost) -> None:
    for name in f.steps:
        _lose(v, v.steps[name], at, f.why)


def _steps_ready(v: RunView, at: float, f: ev.StepsReady) -> None:
    for name in f.steps:
        step = v.steps[name]
        step.retry_at = step.until = None
        go_on(step, at)
        v._move(step, "queued")


def _step_said(v: RunView, at: float, f: Any) -> None:
    step = v.steps[f.step]
    told = {name: value for name, value in ev.encode(f).items() if name != "step"}
    step.said = [*(step.said or ()), {"at": at, "kind": f.kind, **told}]


def _step_noted(v: RunView, at: float, f: ev.StepNoted) -> None:
    lines = [Line(line[0], len(v.events), f.step, line[1]) for line in f.lines]
    step = v.steps[f.step]
    step.notes = [*(step.notes or ()), *lines]
    v.log += lines


def _step_kept(v: RunView, at: float, f: ev.StepKept) -> None:
    step = v.steps[f.step]
    step.kept = [*(step.kept or ()), {"key": f.key, "at": at, "repeated": f.repeated, "value": f.value}]
    if step.resume == f.key and step.status == "waiting":
        go_on(step, at)
        step.ask = step.child = step.until = step.resume = None
        v._move(step, "queued")


def _charge(v: RunView, step: StepView, cost: dict[str, Any], sign: int) -> None:
    tokens, usd = sign * Decimal(str(cost.get("tokens", 0))), sign * Decimal(str(cost.get("usd", 0)))
    v.tokens, v.usd = v.tokens + tokens, v.usd + usd
    step.tokens, step.usd = step.tokens + tokens, step.usd + usd


def _spend_reserved(v: RunView, at: float, f: ev.SpendReserved) -> None:
    v._reserved[(f.step, f.key)] = f.cost
    _charge(v, v.steps[f.step], f.cost, 1)


def _spend_settled(v: RunView, at: float, f: ev.SpendSettled) -> None:
    _charge(v, v.steps[f.step], v._reserved.pop((f.step, f.key), {}), -1)
    _charge(v, v.steps[f.step], f.cost, 1)


def _step_waiting(v: RunView, at: float, f: ev.StepWaiting) -> None:
    step = v.steps[f.step]
    finish(step, at, "waiting")
    halt(step, "person" if f.ask is not None else "child" if f.child is not None else "timer", at)
    step.until, step.ask, step.child = f.until if f.child is None else None, f.ask, f.child
    step.resume = f.resume
    if f.artifacts:
        v._keep(step, at, f.artifacts)
    v._move(step, "waiting")


def _step_completed(v: RunView, at: float, f: ev.StepCompleted) -> None:
    step = v.steps[f.step]
    attempt = step.attempts[-1]
    if attempt.started_at is None:
        attempt.started_at = f.started
    attempt.executor = attempt.executor or f.executor
    attempt.ended_at, attempt.outcome = at, "completed"
    step.output, step.answer, step.taken, step.error = f.output, f.answer, f.taken, None
    if f.artifacts:
        v._keep(step, at, f.artifacts)
    v._end(step, "completed", at)


def _step_failed(v: RunView, at: float, f: ev.StepFailed) -> None:
    step = v.steps[f.step]
    attempt = step.attempts[-1]
    if attempt.started_at is None:
        attempt.started_at = f.started
    attempt.executor = attempt.executor or f.executor
    finish(step, at, "failed", f.error)
    step.error = f.error
    if f.retry_at is None:
        step.taken = f.taken
        v._end(step, "failed", at)
    else:
        step.retry_at = f.retry_at
        halt(step, "retry", at)
        v._move(step, "retrying")


def _step_paused(v: RunView, at: float, f: ev.StepPaused) -> None:
    step = v.steps[f.step]
    finish(step, at, "paused", f.error)
    step.error = f.error
    halt(step, "error", at)
    v._move(step, "paused")


def _step_cancelled(v: RunView, at: float, f: ev.StepCancelled) -> None:
    step = v.steps[f.step]
    finish(step, at, "cancelled", {"code": "step.cancelled", "message": f.why})
    v._end(step, "cancelled", at)


_FOLD: dict[type, Callable[[RunView, float, Any], None]] = {
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
    ev.SpendRefused: _step_said,
    **dict.fromkeys(ev.SAID, _step_said),
    ev.StepWaiting: _step_waiting,
    ev.StepCompleted: _step_completed,
    ev.StepFailed: _step_failed,
    ev.StepPaused: _step_paused,
    ev.StepCancelled: _step_cancelled,
}
