"""Is it still news? Each piece of news against the state: the facts it leads to, or none.

News that does not fit (late, doubled, of another attempt or delivery, of a step that is not there) says nothing. Every handler
works out all of its facts before the first is said, so that asking for a value in between leaves nothing half said.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from . import events as ev
from . import guard, news
from .ends import go_on, step_done, step_failed, why_ended
from .state import IN_FLIGHT, LEASE, TERMINAL, RunState, Step

Accept = Callable[[RunState, Any, float, Mapping[str, Any]], Sequence[ev.Fact]]


def accept(state: RunState, heard: news.News, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    """The facts that `heard` leads to at once. A terminal run hears nothing."""
    return _ACCEPT[type(heard)](state, heard, now, values) if state.status not in TERMINAL else ()


def _current(state: RunState, heard: news.StepNews) -> Step | None:
    """The step this news is about, if it is still in flight with this attempt and delivery."""
    step = state.steps.get(heard.step)
    if step is None or step.attempt != heard.attempt or step.delivery != heard.delivery or step.status not in IN_FLIGHT:
        return None
    return step


def _notes(heard: Any) -> Iterator[ev.Fact]:
    if heard.notes:
        yield ev.StepNoted(heard.step, heard.notes)


def _created(state: RunState, heard: news.Created, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    return (heard.fact,) if state.head == 0 else ()


def _checked(state: RunState, heard: news.Checked, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    return (ev.RunChecked(heard.problems or None, heard.report),) if state.problems is None else ()


def _admitted(state: RunState, heard: news.Admitted, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    ready = state.status == "queued" and state.problems == [] and state.mode != "validate_only"
    return (ev.RunStarted(),) if ready else ()


def _forked(state: RunState, heard: news.Forked, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    return (heard.fact,)


def _started(state: RunState, heard: news.Started, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    step = _current(state, heard)
    if step is None:
        return ()
    if step.status == "running":  # who asks twice has lost the answer; who asks second has a copy of the message
        return (ev.StepsAlive([step.id]),) if step.claim == heard.claim else ()
    return (ev.StepStarted(step.id, heard.started, heard.executor, heard.claim),)


def _alive(state: RunState, heard: news.Alive, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    held = [name for name, attempt, delivery in heard.steps if _current(state, news.StepNews(name, attempt, delivery))]
    return (ev.StepsAlive(held),) if held else ()


def _noted(state: RunState, heard: news.Noted, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    return (ev.StepNoted(heard.step, heard.lines),) if _current(state, heard) else ()


def _kept(state: RunState, heard: news.Kept, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    step = _current(state, heard)
    if step is None or (step.kept and heard.key in step.kept):
        return ()
    return (ev.StepKept(step.id, heard.key, heard.value, step.attempt, heard.repeated),)


def _spend(state: RunState, heard: news.Spend, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    step = _current(state, heard)
    if step is None or (step.reserved and heard.key in step.reserved):
        return ()
    if (refusal := guard.may_spend(state, step, guard.read_cost(heard.cost), heard.rooms or ())) is not None:
        asked = "unknown" if refusal.asked is None else format(refusal.asked.normalize(), "f")
        left = format(refusal.left.normalize(), "f")
        return (ev.SpendRefused(step.id, heard.key, refusal.limit, asked, left, refusal.level, refusal.per),)
    return (ev.SpendReserved(step.id, heard.key, heard.cost),)


def _spent(state: RunState, heard: news.Spent, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    step = _current(state, heard)
    if step is None or not step.reserved or heard.key not in step.reserved:
        return ()
    return (ev.SpendSettled(step.id, heard.key, heard.cost),)


def _said(state: RunState, heard: news.Said, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    return heard.facts if _current(state, heard) else ()


def _completed(state: RunState, heard: news.Completed, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    step = _current(state, heard)
    if step is None:
        return ()
    facts = step_done(state, step, heard.output, heard.take, values, heard.started, heard.executor, heard.artifacts)
    return [*_notes(heard), *facts] if heard.notes else facts


def _failed(state: RunState, heard: news.Failed, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    step = _current(state, heard)
    if step is None:
        return ()
    facts = step_failed(state, step, heard.error, heard.attempt, heard.started, heard.executor, now)
    return [*_notes(heard), *facts]


def _waiting(state: RunState, heard: news.Waiting, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    step = _current(state, heard)
    if step is None:
        return ()
    if state.ending is not None:
        return (ev.StepCancelled(step.id, why_ended(state.ending)),)
    until, child = heard.until, heard.child
    if child is not None:
        place = f"{state.run_id}/{step.id}/{step.attempt}" + (f"/{heard.resume}" if heard.resume else "")
        name = hashlib.blake2b(place.encode(), digest_size=12).hexdigest()
        child, until = {**child, "run": f"run_{name}"}, now + LEASE
    return [
        *_notes(heard),
        ev.StepWaiting(step.id, until, heard.output, heard.ask, child, heard.artifacts, heard.resume),
    ]


def _stopped(state: RunState, heard: news.Stopped, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    step = _current(state, heard)
    if step is None:
        return ()
    if state.ending is None:  # nobody asked for this in the journal: the step is still wanted
        return (ev.StepsLost([step.id], "released"),)
    return [*_notes(heard), ev.StepCancelled(step.id, why_ended(state.ending))]


def _released(state: RunState, heard: news.Released, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    if heard.steps is None:
        names = [s.id for s in state.steps.values() if s.status in IN_FLIGHT]
    else:
        names = [
            name for name, attempt, delivery in heard.steps if _current(state, news.StepNews(name, attempt, delivery))
        ]
    return (ev.StepsLost(names, heard.why),) if names else ()


def _answered(state: RunState, heard: news.Answered, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    step = state.steps.get(heard.step)
    if step is None or step.status != "waiting" or step.ask is None or state.ending is not None:
        return ()
    if step.resume is not None:
        return go_on(step, heard.answer)
    who = {"actor": heard.actor, "at": now}
    return step_done(state, step, heard.answer, None, values, artifacts=step.artifacts, answer=who)


def _child_ended(state: RunState, heard: news.ChildEnded, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    step = state.steps.get(heard.step)
    if step is None or step.status != "waiting" or step.child is None or step.child.get("run") != heard.run:
        return ()
    if step.resume is not None:
        ended = {"run": heard.run, "status": heard.status, "outputs": heard.outputs, "error": heard.error}
        return go_on(step, ended)
    if heard.status == "completed":
        return step_done(state, step, heard.outputs, None, values)
    error = {
        "code": "subflow.failed",
        "message": f"run {heard.run} {heard.status}: {(heard.error or {}).get('message', heard.status)}",
        "retryable": heard.status == "failed",
        "detail": {"run": heard.run, "error": heard.error},
    }
    return step_failed(state, step, error, step.attempt, None, "", now)


def _cancel(state: RunState, heard: news.CancelRequested, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    if state.ending is not None:
        return ()
    if state.status == "queued":
        return (ev.RunCancelled(heard.actor, heard.reason),)
    return (ev.RunEnding("cancelled", None, heard.actor, heard.reason),)


def _pause(state: RunState, heard: news.PauseRequested, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    if state.ending is not None or state.status != "running":
        return ()
    return (ev.RunPaused(None, None, heard.actor),)


def _resume(state: RunState, heard: news.ResumeRequested, now: float, values: Mapping[str, Any]) -> Sequence[ev.Fact]:
    return (ev.RunResumed(heard.actor, heard.edits),) if state.status == "paused" else ()


_ACCEPT: dict[type[news.News], Accept] = {
    news.Created: _created,
    news.Checked: _checked,
    news.Admitted: _admitted,
    news.Forked: _forked,
    news.Started: _started,
    news.Alive: _alive,
    news.Noted: _noted,
    news.Kept: _kept,
    news.Spend: _spend,
    news.Spent: _spent,
    news.Said: _said,
    news.Completed: _completed,
    news.Failed: _failed,
    news.Waiting: _waiting,
    news.Stopped: _stopped,
    news.Released: _released,
    news.Answered: _answered,
    news.ChildEnded: _child_ended,
    news.CancelRequested: _cancel,
    news.PauseRequested: _pause,
    news.ResumeRequested: _resume,
}
