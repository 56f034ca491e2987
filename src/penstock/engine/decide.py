"""What comes next in a run: a pure function of its state, the news, and the time.

`settle` takes in the news one piece at a time, and after it asks `decide` again and again until that says nothing more. A
lost wake-up, a crash and a message that comes twice all become the same thing: asking again. News that does not fit the
state (late, doubled, of another attempt or a foreign step) says nothing, so it changes nothing.

Two rules for whoever edits this. Everything a decision depends on is in the state or in the arguments. And a fact that
needs an expression's value is only said once the value is known: when a value lies in the artifact store, `settle` stops
before saying anything of that piece of news, names the values it needs, and is asked again with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import PenstockError
from . import events as ev
from . import guard
from .accept import accept
from .ends import NO_MATCH, fail_for_good, go_on, step_done, take_edges, unconditional, why_ended
from .fold import apply
from .news import News
from .scope import Needed, evaluate, scope_of, whole
from .state import FOREVER, IN_FLIGHT, TERMINAL, RunState, Step, decided, step_id
from .workflow import Node


@dataclass(slots=True)
class Settled:
    """`events` follow the head the state had, the first of them said because of `news`: `heard` has, for each piece of news
    taken in, the facts it led to at once (none: it was not news). If `needs` is not empty, fetch those values and settle the
    news not yet heard with them."""

    events: list[ev.Event]
    needs: set[str]
    heard: list[Sequence[ev.Fact]]


def settle(state: RunState, news: Sequence[News], now: float, values: Mapping[str, Any] | None = None) -> Settled:
    """Take in `news`, then decide to a fixed point. What is said is folded into `state`: whoever cannot commit the events
    throws the state away. `values` are fetched values by digest."""
    values = values or {}
    said: list[ev.Event] = []
    heard: list[Sequence[ev.Fact]] = []
    try:
        for piece in news:
            facts = accept(state, piece, now, values)
            if facts:
                _say(state, facts, now, said)
            heard.append(facts)
        while facts := decide(state, now, values):
            _say(state, facts, now, said)
    except Needed as needed:
        return Settled(said, needed.digests, heard)
    return Settled(said, set(), heard)


def _say(state: RunState, facts: Sequence[ev.Fact], now: float, said: list[ev.Event]) -> None:
    for fact in facts:
        event = ev.Event(state.head + 1, now, fact)
        apply(state, event)
        said.append(event)


def next_wake(state: RunState) -> float | None:
    """When this run must be asked again if nothing is heard of it; None for never. May be early, never late."""
    if state.status == "queued":
        return state.created_at
    return None if state.wake == FOREVER else state.wake


# ----------------------------------------------------------------------------------------------------- decide


def decide(state: RunState, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    """The next facts, or none. Looks only at what the fold says is left to do."""
    if state.status in TERMINAL:
        return ()
    if state.status == "queued":
        return _decide_queued(state)
    if now >= state.wake and (facts := _timers(state, now, values)):
        return facts
    if state.ending is not None:
        return _decide_ending(state, now)
    if state.status == "paused":
        return ()
    if state.unsent and (facts := _resend(state)):
        return facts
    if state.closing:
        return _close_node(state, next(iter(state.closing)), values)
    if state.ripe and (facts := _decide_ripe(state, values)):
        return facts
    if state.open and (facts := _next_items(state, values)):
        return facts
    if not state.steps and not state.ripe and not state.open:
        return _complete(state, values)
    return ()


def _decide_queued(state: RunState) -> Sequence[ev.Fact]:
    """A run that is only to be checked ends when it has been; one that failed the check ends too."""
    if state.problems is None:
        return ()
    if state.problems:
        first = state.problems[0]
        error = {"code": "preflight.failed", "message": first["message"], "problems": state.problems}
        return (ev.RunFailed(error),)
    if state.mode == "validate_only":
        return (ev.RunCompleted({"valid": True}),)
    return ()


def _decide_ending(state: RunState, now: float) -> Sequence[ev.Fact]:
    ending = state.ending
    assert ending is not None
    if state.unsent:
        return [ev.StepCancelled(name, why_ended(ending)) for name in state.unsent]
    if state.in_flight:
        return ()
    if ending.to == "cancelled":
        return (ev.RunCancelled(ending.actor, ending.reason),)
    return (ev.RunFailed(ending.error or {"code": "internal", "message": "failed"}),)


def _timers(state: RunState, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    """What time alone brings about. When nothing is due, the early guess is replaced by the exact time."""
    if now >= state.ending_due:
        return [ev.StepCancelled(s.id, "unconfirmed") for s in state.steps.values()]
    over_time = state.deadline is not None and now >= state.deadline and state.asking_since is None
    if over_time and state.status != "paused" and state.ending is None:
        return (ev.RunEnding("failed", guard.out_of_time(state.limits.seconds or 0.0)),)
    silent: list[str] = []
    again: list[Step] = []
    due: Step | None = None
    going_on = state.ending is None and state.status != "paused"
    for step in state.steps.values():
        if step.status in IN_FLIGHT:
            if now >= step.lease:
                silent.append(step.id)
        elif step.due is not None and now >= step.due and going_on:
            if step.status == "retrying":
                again.append(step)
            else:
                due = step
    if silent:
        return (ev.StepsLost(silent, "lease"),)
    if again:
        if len(again) > guard.room(state):
            return (ev.StepsReady([s.id for s in again]),)
        return [ev.StepScheduled(s.id, attempt=s.attempt) for s in again]
    if due is not None:
        return _waited(state, due, values)
    state.wake = state.timers()
    return ()


def _waited(state: RunState, step: Step, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    """The time a step waited for has come."""
    if step.ask is not None:
        action = step.ask.get("on_timeout", "fail")
        if action == "fail":
            error = {"code": "human.timeout", "message": "nobody answered in time"}
            return fail_for_good(state, step, error, step.attempt)
        answer = {"decision": action, "comment": None, "by": None, "timed_out": True}
        if step.resume is not None:
            return go_on(step, answer)
        return step_done(state, step, answer, None, values, artifacts=step.artifacts)
    if (
        step.child is not None
    ):  # time for control to look at the child, should its end have gone unheard; and again later
        return (ev.StepsAlive([step.id]),)
    if step.resume is not None:
        return go_on(step, step.output)
    return step_done(state, step, step.output, None, values, artifacts=step.artifacts)


def _resend(state: RunState) -> Sequence[ev.Fact]:
    facts: list[ev.Fact] = []
    for name in list(state.unsent)[: max(guard.room(state), 0)]:
        step = state.steps[name]
        if step.losses >= guard.DELIVERIES:
            error = {
                "code": "step.executor_died",
                "message": f"{step.losses} executors in a row fell silent while running this step",
            }
            return [*facts, *fail_for_good(state, step, error, step.attempt)]
        new = step.input if step.edited else None
        facts.append(ev.StepScheduled(name, new, step.attempt, step.delivery + 1, step.edited))
    return facts


def _decide_ripe(state: RunState, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    """Activate or skip the nodes whose join is decided, as far as there is room."""
    facts: list[ev.Fact] = []
    room, budget = guard.room(state), guard.steps_left(state)
    for name in state.ripe:
        node, node_state = state.workflow.nodes[name], state.nodes[name]
        if decided(node, node_state) is False:
            facts.append(ev.NodeSkipped(name))
            continue
        if room <= 0:
            continue
        if node.for_each is not None:
            return facts or _open_node(state, node, values)
        if budget <= 0:
            return facts or (ev.RunEnding("failed", {**guard.out_of_steps(state), "node": name}),)
        try:
            step_input = evaluate(node.config, state, values)
        except PenstockError as error:
            return [*facts, *_stillborn(state, node, None, error)]
        except Needed:
            if facts:
                return facts
            raise
        facts.append(ev.StepScheduled(step_id(name, node_state.visit + 1), step_input))
        room -= 1
        budget -= 1
    return facts


def _open_node(state: RunState, node: Node, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    assert node.for_each is not None
    visit = state.nodes[node.name].visit + 1
    try:
        items = evaluate(node.for_each, state, values)
        if not isinstance(items, list):
            raise PenstockError(
                f"for_each of {node.name} must be a list, not {type(items).__name__}", code="for_each.not_a_list"
            )
    except PenstockError as error:
        return _node_failed(state, node, error)
    return (ev.NodeOpened(node.name, visit, items, len(items)),)


def _node_failed(state: RunState, node: Node, error: PenstockError) -> Sequence[ev.Fact]:
    fail = {**error.to_dict(), "node": node.name}
    if node.on_error == "continue":
        return (ev.NodeFailed(node.name, fail, unconditional(node)),)
    if node.on_error == "skip":
        return (ev.NodeFailed(node.name, fail, []),)
    return (ev.NodeFailed(node.name, fail, []), ev.RunEnding("failed", fail))


def _next_items(state: RunState, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    """Steps for the next items of the open `for_each` nodes, as far as there is room."""
    facts: list[ev.Fact] = []
    room, budget = guard.room(state), guard.steps_left(state)
    for name in state.open:
        node, node_state = state.workflow.nodes[name], state.nodes[name]
        here = room if node.parallel is None else min(room, node.parallel - node_state.active)
        if here <= 0:
            continue
        items = whole(node_state.items, values)
        scope = None
        for index in range(node_state.next, min(node_state.count, node_state.next + here)):
            if len(facts) >= budget:
                return facts or (ev.RunEnding("failed", {**guard.out_of_steps(state), "node": name}),)
            try:
                scope = scope_of(node.config, state, values) if scope is None else scope
                scope["item"], scope["index"] = whole(items[index], values), index
                step_input = node.config.evaluate(scope)
            except PenstockError as error:
                return [*facts, *_stillborn(state, node, index, error)]
            facts.append(ev.StepScheduled(step_id(name, node_state.visit, index), step_input))
        room -= here
        if room <= 0:
            break
    return facts


def _stillborn(state: RunState, node: Node, index: int | None, error: PenstockError) -> Sequence[ev.Fact]:
    """A step whose input cannot be made: it is scheduled and fails in one breath, and no work is sent."""
    visit = state.nodes[node.name].visit + (index is None)
    step = Step(step_id(node.name, visit, index), node.name, index, None)
    fail = {**error.to_dict(), "retryable": False}
    return [ev.StepScheduled(step.id), *fail_for_good(state, step, fail, 1)]


def _close_node(state: RunState, name: str, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    node = state.workflow.nodes[name]
    try:
        taken, before = take_edges(state, node, state.nodes[name].output, None, values)
    except PenstockError as error:
        fail = {**error.to_dict(), "node": name}
        if error.code == NO_MATCH and node.on_error in ("continue", "skip"):
            return (ev.NodeFailed(name, fail, []),)
        return (ev.NodeCompleted(name, state.nodes[name].visit, []), ev.RunEnding("failed", fail))
    return [*before, ev.NodeCompleted(name, state.nodes[name].visit, taken)]


def _complete(state: RunState, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    try:
        outputs = evaluate(state.workflow.outputs, state, values)
    except PenstockError as error:
        return (ev.RunFailed({**error.to_dict(), "pointer": "/outputs"}),)
    return (ev.RunCompleted(outputs),)
