"""What comes next in a run: a pure function of its state, the news, and the time.

`settle` takes in the news one piece at a time, and after it asks `decide` again and again until that says nothing more. A
lost wake-up, a crash and a message that comes twice all become the same thing: asking again. News that does not fit the
state (late, doubled, of another attempt or a foreign step) says nothing, so it changes nothing.

Two rules for whoever edits this. Everything a decision depends on is in the state or in the arguments. And a fact that
needs an expression's value is only said once the value is known: when a value lies in the artifact store, `settle` stops
before saying anything of that piece of news, names the values it needs, and is asked again with them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import PenstockError
from . import events as ev
from . import guard
from .expr import Expression, Template
from .state import FOREVER, IN_FLIGHT, LEASE, TERMINAL, RunState, Step, decided, step_id
from .workflow import Node

SPILLED = "$spilled"  # {"$spilled": digest, "size": n} stands for a value in the artifact store

Fail = dict[str, Any]  # an error as it stands in a journal: code, message, retryable?, detail?


# ------------------------------------------------------------------------------------------------------- news


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
class Spend(StepNews):
    key: str
    cost: dict[str, Any]


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


# ----------------------------------------------------------------------------------------------------- settle


class Needed(Exception):
    """Values that must be fetched from the artifact store before this can be decided."""

    def __init__(self, digests: set[str]) -> None:
        super().__init__(f"{len(digests)} values needed")
        self.digests = digests


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
            facts = _ACCEPT[type(piece)](state, piece, now, values) if state.status not in TERMINAL else ()
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
        state.apply(event)
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
        return [ev.StepCancelled(name, _why(ending)) for name in state.unsent]
    if state.in_flight:
        return ()
    if ending.to == "cancelled":
        return (ev.RunCancelled(ending.actor, ending.reason),)
    return (ev.RunFailed(ending.error or {"code": "internal", "message": "failed"}),)


def _why(ending: ev.RunEnding) -> str:
    return "cancelled" if ending.to == "cancelled" else "run_failed"


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
            return _fail_for_good(state, step, error, step.attempt)
        answer = {"decision": action, "comment": None, "by": None, "timed_out": True}
        return _step_done(state, step, answer, None, values, artifacts=step.artifacts)
    if (
        step.child is not None
    ):  # time for control to look at the child, should its end have gone unheard; and again later
        return (ev.StepsAlive([step.id]),)
    return _step_done(state, step, step.output, None, values, artifacts=step.artifacts)


def _resend(state: RunState) -> Sequence[ev.Fact]:
    facts: list[ev.Fact] = []
    for name in list(state.unsent)[: max(guard.room(state), 0)]:
        step = state.steps[name]
        if step.delivery >= guard.DELIVERIES:
            error = {
                "code": "step.executor_died",
                "message": f"{step.delivery} executors in a row fell silent while running this step",
            }
            return [*facts, *_fail_for_good(state, step, error, step.attempt)]
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
            step_input = _evaluate(node.config, state, values)
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
        items = _evaluate(node.for_each, state, values)
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
        return (ev.NodeFailed(node.name, fail, _unconditional(node)),)
    if node.on_error == "skip":
        return (ev.NodeFailed(node.name, fail, []),)
    return (ev.NodeFailed(node.name, fail, []), ev.RunEnding("failed", fail))


def _unconditional(node: Node) -> list[str]:
    """Where a node goes whose output is not there to be asked about: over every edge without a condition."""
    return [e.target for e in node.outgoing if e.when is None and not e.back]


def _next_items(state: RunState, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    """Steps for the next items of the open `for_each` nodes, as far as there is room."""
    facts: list[ev.Fact] = []
    room, budget = guard.room(state), guard.steps_left(state)
    for name in state.open:
        node, node_state = state.workflow.nodes[name], state.nodes[name]
        here = room if node.parallel is None else min(room, node.parallel - node_state.active)
        if here <= 0:
            continue
        items = _whole(node_state.items, values)
        scope = None
        for index in range(node_state.next, min(node_state.count, node_state.next + here)):
            if len(facts) >= budget:
                return facts or (ev.RunEnding("failed", {**guard.out_of_steps(state), "node": name}),)
            try:
                scope = _scope(node.config, state, values) if scope is None else scope
                scope["item"], scope["index"] = _whole(items[index], values), index
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
    return [ev.StepScheduled(step.id), *_fail_for_good(state, step, fail, 1)]


def _close_node(state: RunState, name: str, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    node = state.workflow.nodes[name]
    try:
        taken, before = _take(state, node, state.nodes[name].output, None, values)
    except PenstockError as error:
        fail = {**error.to_dict(), "node": name}
        return (ev.NodeCompleted(name, state.nodes[name].visit, []), ev.RunEnding("failed", fail))
    return [*before, ev.NodeCompleted(name, state.nodes[name].visit, taken)]


def _complete(state: RunState, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    try:
        outputs = _evaluate(state.workflow.outputs, state, values)
    except PenstockError as error:
        return (ev.RunFailed({**error.to_dict(), "pointer": "/outputs"}),)
    return (ev.RunCompleted(outputs),)


# ------------------------------------------------------------------------------------------------ expressions


def _whole(value: Any, values: Mapping[str, Any]) -> Any:
    """`value`, or what its pointer points to; lists are looked into one level deep, for the outputs of `for_each`."""
    if type(value) is dict:
        if SPILLED in value:
            return _fetched(value[SPILLED], values)
    elif type(value) is list:
        missing = {v[SPILLED] for v in value if type(v) is dict and SPILLED in v and v[SPILLED] not in values}
        if missing:
            raise Needed(missing)
        if any(type(v) is dict and SPILLED in v for v in value):
            return [_fetched(v[SPILLED], values) if type(v) is dict and SPILLED in v else v for v in value]
    return value


def _fetched(digest: str, values: Mapping[str, Any]) -> Any:
    if digest not in values:
        raise Needed({digest})
    return values[digest]


def _scope(
    reader: Expression | Template, state: RunState, values: Mapping[str, Any], this: tuple[str, Any] | None = None
) -> dict[str, Any]:
    """The names an expression reads, bound. `this` is (node, output) of the step that is just ending."""
    scope: dict[str, Any] = {}
    if reader.refs:
        nodes = scope["nodes"] = {}
        missing: set[str] = set()
        for name in reader.refs:
            there = state.nodes[name]
            try:
                output = this[1] if this is not None and this[0] == name else there.output
                status = "completed" if this is not None and this[0] == name else there.status
                nodes[name] = {"output": _whole(output, values), "status": status, "errors": there.errors or []}
            except Needed as needed:
                missing |= needed.digests
        if missing:
            raise Needed(missing)
    if "inputs" in reader.roots:
        scope["inputs"] = _whole(state.inputs, values)
    if "run" in reader.roots:
        scope["run"] = {
            "id": state.run_id,
            "workflow": state.workflow.name,
            "version": state.version,
            "mode": state.mode,
            "actor": state.actor,
            "group": state.group,
            "started_at": state.started_at,
        }
    return scope


def _evaluate(
    reader: Expression | Template, state: RunState, values: Mapping[str, Any], this: tuple[str, Any] | None = None
) -> Any:
    if not reader.roots:
        return reader.evaluate({})
    return reader.evaluate(_scope(reader, state, values, this))


def _take(
    state: RunState, node: Node, output: Any, take: tuple[str, ...] | None, values: Mapping[str, Any]
) -> tuple[list[str] | None, list[ev.Fact]]:
    """The successors gone to (None: all), and the facts that must come before. Raises PenstockError."""
    if take is None and node.plain:
        return None, []
    if take is not None:
        targets = {e.target for e in node.outgoing}
        if foreign := [name for name in take if name not in targets]:
            raise PenstockError(
                f"{node.name} chose {', '.join(map(repr, foreign))}, but has no edge to it", code="plan.unknown_task"
            )
    taken: list[str] = []
    exhausted: str | None = None
    for edge in sorted(node.outgoing, key=lambda e: not e.back):
        if take is not None and edge.target not in take:
            continue
        if edge.when is not None and not edge.when.test(_scope(edge.when, state, values, (node.name, output))):
            continue
        if not edge.back:
            taken.append(edge.target)
            continue
        if state.nodes[edge.target].visit >= state.workflow.nodes[edge.target].max_visits:
            exhausted = edge.target
            continue
        if (refusal := guard.may_begin_again(state)) is not None:
            raise PenstockError(refusal["message"], code=refusal["code"], detail=refusal["detail"])
        region = state.workflow.after[edge.target]
        stale = [s for s in state.steps.values() if s.node in region and s.node != node.name]
        return [edge.target], [ev.StepCancelled(s.id, "superseded") for s in stale]
    if exhausted is not None and not taken:
        visits = state.workflow.nodes[exhausted].max_visits
        raise PenstockError(
            f"{node.name} wants to go back to {exhausted}, which has had all of its {visits} visits",
            code="loop.exhausted",
        )
    return taken, []


# ------------------------------------------------------------------------------------------- ends of a step


def _step_done(
    state: RunState,
    step: Step,
    output: Any,
    take: tuple[str, ...] | None,
    values: Mapping[str, Any],
    started: float | None = None,
    executor: str = "",
    artifacts: list[dict[str, Any]] | None = None,
    answer: dict[str, Any] | None = None,
) -> list[ev.Fact]:
    node = state.workflow.nodes[step.node]
    done = ev.StepCompleted(step.id, output, step.attempt, None, started, executor, artifacts, answer)
    if state.ending is not None or step.index is not None:
        return [done]
    try:
        done.taken, before = _take(state, node, output, take, values)
    except PenstockError as error:
        done.taken = []
        return [done, ev.RunEnding("failed", {**error.to_dict(), "node": node.name, "step": step.id})]
    return [*before, done]


def _step_failed(
    state: RunState,
    step: Step,
    error: Fail,
    attempt: int,
    started: float | None,
    executor: str,
    now: float,
) -> list[ev.Fact]:
    node = state.workflow.nodes[step.node]
    again = error.get("retryable") and attempt < node.retry.attempts and state.ending is None
    if again:
        at = now + delay(node, state.run_id, step.id, attempt, error)
        return [ev.StepFailed(step.id, error, attempt, at, None, started, executor)]
    return _fail_for_good(state, step, error, attempt, started, executor)


def _fail_for_good(
    state: RunState,
    step: Step,
    error: Fail,
    attempt: int,
    started: float | None = None,
    executor: str = "",
) -> list[ev.Fact]:
    node = state.workflow.nodes[step.node]
    failed = ev.StepFailed(step.id, error, attempt, None, [], started, executor)
    if state.ending is not None or node.on_error == "skip":
        return [failed]
    if node.on_error == "continue":
        failed.taken = _unconditional(node)
        return [failed]
    if node.on_error == "pause":
        return [ev.StepPaused(step.id, error, attempt), ev.RunPaused({**error, "step": step.id}, step.id)]
    return [failed, ev.RunEnding("failed", {**error, "node": node.name, "step": step.id})]


def delay(node: Node, run_id: str, step: str, attempt: int, error: Fail) -> float:
    """Seconds until the next attempt: exponential, capped, never sooner than the other side asked for, with a jitter that
    is the same each time this is decided."""
    retry = node.retry
    wait = min(retry.backoff * retry.factor ** (attempt - 1), retry.max)
    digest = hashlib.blake2b(f"{run_id}/{step}/{attempt}".encode(), digest_size=4).digest()
    wait *= 1 + retry.jitter * (int.from_bytes(digest) / 0xFFFFFFFF)
    detail = error.get("detail")
    asked = detail.get("retry_after") if isinstance(detail, dict) else None
    return max(wait, min(float(asked), 3600.0)) if isinstance(asked, int | float) else wait


# ----------------------------------------------------------------------------------------------------- accept


def _current(state: RunState, news: StepNews) -> Step | None:
    """The step this news is about, if it is still in flight with this attempt and delivery."""
    step = state.steps.get(news.step)
    if step is None or step.attempt != news.attempt or step.delivery != news.delivery or step.status not in IN_FLIGHT:
        return None
    return step


def _notes(news: Any) -> Iterator[ev.Fact]:
    if news.notes:
        yield ev.StepNoted(news.step, news.notes)


def _created(state: RunState, news: Created, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    return (news.fact,) if state.head == 0 else ()


def _checked(state: RunState, news: Checked, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    return (ev.RunChecked(news.problems or None, news.report),) if state.problems is None else ()


def _admitted(state: RunState, news: Admitted, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    ready = state.status == "queued" and state.problems == [] and state.mode != "validate_only"
    return (ev.RunStarted(),) if ready else ()


def _forked(state: RunState, news: Forked, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    return (news.fact,)


def _started(state: RunState, news: Started, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    step = _current(state, news)
    if step is None:
        return ()
    if step.status == "running":  # who asks twice has lost the answer; who asks second has a copy of the message
        return (ev.StepsAlive([step.id]),) if step.claim == news.claim else ()
    return (ev.StepStarted(step.id, news.started, news.executor, news.claim),)


def _alive(state: RunState, news: Alive, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    held = [name for name, attempt, delivery in news.steps if _current(state, StepNews(name, attempt, delivery))]
    return (ev.StepsAlive(held),) if held else ()


def _noted(state: RunState, news: Noted, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    return (ev.StepNoted(news.step, news.lines),) if _current(state, news) else ()


def _kept(state: RunState, news: Kept, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    step = _current(state, news)
    if step is None or (step.kept and news.key in step.kept):
        return ()
    return (ev.StepKept(step.id, news.key, news.value, step.attempt, news.repeated),)


def _spend(state: RunState, news: Spend, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    step = _current(state, news)
    if step is None or (step.reserved and news.key in step.reserved):
        return ()
    refusal = guard.may_spend(state, guard.read_cost(news.cost))
    if refusal is not None:
        return (ev.SpendRefused(step.id, news.key, refusal[0], str(refusal[1]), str(refusal[2])),)
    return (ev.SpendReserved(step.id, news.key, news.cost),)


def _spent(state: RunState, news: Spent, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    step = _current(state, news)
    if step is None or not step.reserved or news.key not in step.reserved:
        return ()
    return (ev.SpendSettled(step.id, news.key, news.cost),)


def _completed(state: RunState, news: Completed, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    step = _current(state, news)
    if step is None:
        return ()
    facts = _step_done(state, step, news.output, news.take, values, news.started, news.executor, news.artifacts)
    return [*_notes(news), *facts] if news.notes else facts


def _failed(state: RunState, news: Failed, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    step = _current(state, news)
    if step is None:
        return ()
    facts = _step_failed(state, step, news.error, news.attempt, news.started, news.executor, now)
    return [*_notes(news), *facts]


def _waiting(state: RunState, news: Waiting, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    step = _current(state, news)
    if step is None:
        return ()
    if state.ending is not None:
        return (ev.StepCancelled(step.id, _why(state.ending)),)
    until, child = news.until, news.child
    if child is not None:
        name = hashlib.blake2b(f"{state.run_id}/{step.id}/{step.attempt}".encode(), digest_size=12).hexdigest()
        child, until = {**child, "run": f"run_{name}"}, now + LEASE
    return [*_notes(news), ev.StepWaiting(step.id, until, news.output, news.ask, child, news.artifacts)]


def _stopped(state: RunState, news: Stopped, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    step = _current(state, news)
    if step is None:
        return ()
    if state.ending is None:  # nobody asked for this in the journal: the step is still wanted
        return (ev.StepsLost([step.id], "released"),)
    return [*_notes(news), ev.StepCancelled(step.id, _why(state.ending))]


def _released(state: RunState, news: Released, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    if news.steps is None:
        names = [s.id for s in state.steps.values() if s.status in IN_FLIGHT]
    else:
        names = [name for name, attempt, delivery in news.steps if _current(state, StepNews(name, attempt, delivery))]
    return (ev.StepsLost(names, news.why),) if names else ()


def _answered(state: RunState, news: Answered, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    step = state.steps.get(news.step)
    if step is None or step.status != "waiting" or step.ask is None or state.ending is not None:
        return ()
    who = {"actor": news.actor, "at": now}
    return _step_done(state, step, news.answer, None, values, artifacts=step.artifacts, answer=who)


def _child_ended(state: RunState, news: ChildEnded, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    step = state.steps.get(news.step)
    if step is None or step.status != "waiting" or step.child is None or step.child.get("run") != news.run:
        return ()
    if news.status == "completed":
        return _step_done(state, step, news.outputs, None, values)
    error = {
        "code": "subflow.failed",
        "message": f"run {news.run} {news.status}: {(news.error or {}).get('message', news.status)}",
        "retryable": news.status == "failed",
        "detail": {"run": news.run, "error": news.error},
    }
    return _step_failed(state, step, error, step.attempt, None, "", now)


def _cancel(state: RunState, news: CancelRequested, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    if state.ending is not None:
        return ()
    if state.status == "queued":
        return (ev.RunCancelled(news.actor, news.reason),)
    return (ev.RunEnding("cancelled", None, news.actor, news.reason),)


def _pause(state: RunState, news: PauseRequested, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    if state.ending is not None or state.status != "running":
        return ()
    return (ev.RunPaused(None, None, news.actor),)


def _resume(state: RunState, news: ResumeRequested, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    return (ev.RunResumed(news.actor, news.edits),) if state.status == "paused" else ()


_ACCEPT: dict[type, Any] = {
    Created: _created,
    Checked: _checked,
    Admitted: _admitted,
    Forked: _forked,
    Started: _started,
    Alive: _alive,
    Noted: _noted,
    Kept: _kept,
    Spend: _spend,
    Spent: _spent,
    Completed: _completed,
    Failed: _failed,
    Waiting: _waiting,
    Stopped: _stopped,
    Released: _released,
    Answered: _answered,
    ChildEnded: _child_ended,
    CancelRequested: _cancel,
    PauseRequested: _pause,
    ResumeRequested: _resume,
}
