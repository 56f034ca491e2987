"""Fold a journal into the state of its run: what each fact changes, one function each.

`apply` changes the state in place, from the fact alone: no clock, no expression, no I/O. Two states that have seen the same
events are equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from . import events as ev
from . import guard
from .state import FOREVER, GRACE, IN_FLIGHT, LEASE, RunState, Step, parse_step_id
from .workflow import Workflow


def apply(state: RunState, event: ev.Event) -> None:
    """Fold one event. Raises ValueError when its seq is not the next one."""
    if event.seq != state.head + 1:
        raise ValueError(f"run {state.run_id}: event {event.seq} after {state.head}")
    state.head = event.seq
    state.updated_at = event.at
    _FOLD[type(event.fact)](state, event.at, event.fact)


def fold(run_id: str, workflow: Workflow, events: Iterable[ev.Event]) -> RunState:
    """The state after `events`, the first of which is seq 1."""
    state = RunState(run_id, workflow)
    for event in events:
        apply(state, event)
    return state


def _run_created(s: RunState, at: float, f: ev.RunCreated) -> None:
    s.created_at = at
    s.version, s.fingerprint, s.inputs = f.version, f.fingerprint, f.inputs
    s.group, s.actor, s.mode, s.parent, s.depth, s.trace = f.group, f.actor, f.mode, f.parent, f.depth, f.trace
    s.tree = f.tree
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
            step.child, step.due, step.delivery, step.losses = None, None, 0, 0
            s.move(step, "unsent")


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
            step.error, step.due, step.delivery, step.losses, step.resume = None, None, 0, 0, None
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
    step.losses += 1


def _steps_lost(s: RunState, at: float, f: ev.StepsLost) -> None:
    for name in f.steps:
        _lose(s, s.steps[name])


def _steps_ready(s: RunState, at: float, f: ev.StepsReady) -> None:
    for name in f.steps:
        s.steps[name].due = None
        s.move(s.steps[name], "unsent")


def _step_kept(s: RunState, at: float, f: ev.StepKept) -> None:
    step = s.steps[f.step]
    step.kept = {**(step.kept or {}), f.key: f.value}
    step.losses = 0  # whoever has come this far has not died of the step
    if step.resume is not None and step.resume == f.key and step.status == "waiting":
        # What it waited for has come: it runs again, and finds it.
        s.move(step, "unsent")
        step.ask = step.child = step.due = step.output = step.resume = None
        s.tick_people(at)


def _spend_reserved(s: RunState, at: float, f: ev.SpendReserved) -> None:
    step = s.steps[f.step]
    step.reserved = {**(step.reserved or {}), f.key: (at, f.cost)}
    s.charge(step, at, f.cost, 1)


def _spend_settled(s: RunState, at: float, f: ev.SpendSettled) -> None:
    step = s.steps[f.step]
    reserved = dict(step.reserved or {})
    when, cost = reserved.pop(f.key, (at, {}))  # what it came to belongs to the day on which it was asked for
    step.reserved = reserved
    s.charge(step, when, cost, -1)
    s.charge(step, when, f.cost, 1)


def _told(s: RunState, at: float, f: ev.Fact) -> None:
    """Said for people."""


def _step_waiting(s: RunState, at: float, f: ev.StepWaiting) -> None:
    step = s.steps[f.step]
    step.due, step.output, step.child, step.lease, step.resume = f.until, f.output, f.child, FOREVER, f.resume
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
        step.losses, step.resume = 0, None
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
    ev.StepNoted: _told,
    **dict.fromkeys(ev.SAID, _told),
    ev.StepKept: _step_kept,
    ev.SpendReserved: _spend_reserved,
    ev.SpendSettled: _spend_settled,
    ev.SpendRefused: _told,
    ev.StepWaiting: _step_waiting,
    ev.StepCompleted: _step_completed,
    ev.StepFailed: _step_failed,
    ev.StepPaused: _step_paused,
    ev.StepCancelled: _step_cancelled,
}
