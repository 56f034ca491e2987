"""A run as files and as a waterfall: what every run leaves behind, whatever its workflow does.

`trace.json` is the whole record, events and steps; `logs.txt` what happened, line by line, for people; `metadata.json` what
it was, what it spent and what came out. They are made from the view when somebody reads them and are stored nowhere, so
they cannot disagree with the journal.
"""

from __future__ import annotations

import json
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from . import events as ev
from .document import canonical, digest

if TYPE_CHECKING:
    from .view import RunView, StepView

DERIVED = {"trace.json": "application/json", "logs.txt": "text/plain", "metadata.json": "application/json"}
_FAR = "9999-12-31T23:59:59.999Z"
_encode = json.JSONEncoder(ensure_ascii=False).encode


@lru_cache(maxsize=16_384)  # events of one commit share their time
def rfc3339(at: float | None) -> str | None:
    """Seconds since the epoch as RFC 3339 text in UTC, to the millisecond."""
    if at is None:
        return None
    seconds, thousandths = divmod(round(at * 1000), 1000)
    return f"{_second(seconds)}.{thousandths:03d}Z" if seconds < 253402300800 else _FAR


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def timeline(view: RunView) -> dict[str, Any]:
    """The waterfall of a run; times are seconds after it was created, to the millisecond, and None where there is none yet.

    {"origin": time, "seconds": its length so far, "status", "rows": [{"id", "node", "index", "visit", "status", "scheduled",
    "start", "end", "queued": seconds between being sent and being begun, "retries": attempts after the first, "attempts":
    [{"attempt", "delivery", "scheduled", "start", "end", "outcome"}], "waits": [{"why", "start", "end"}]}]}
    """
    origin = view.created_at

    def since(at: float | None) -> float | None:
        return None if at is None else round(at - origin, 3)

    rows = []
    for step in view.steps.values():
        attempts = [
            {
                "attempt": a.attempt,
                "delivery": a.delivery,
                "scheduled": since(a.scheduled_at),
                "start": since(a.started_at),
                "end": since(a.ended_at),
                "outcome": a.outcome,
            }
            for a in step.attempts
        ]
        queued = sum(max(0.0, a.started_at - a.scheduled_at) for a in step.attempts if a.started_at is not None)
        rows.append(
            {
                "id": step.id,
                "node": step.node,
                "index": step.index,
                "visit": step.visit,
                "status": step.status,
                "scheduled": attempts[0]["scheduled"] if attempts else None,
                "start": next((a["start"] for a in attempts if a["start"] is not None), None),
                "end": since(step.ended_at),
                "queued": round(queued, 3),
                "retries": max((a.attempt for a in step.attempts), default=1) - 1,
                "attempts": attempts,
                "waits": [{"why": w.why, "start": since(w.start), "end": since(w.end)} for w in step.waits or ()],
            }
        )
    length = since(view.ended_at if view.ended_at is not None else view.updated_at)
    return {"origin": rfc3339(origin), "seconds": length, "status": view.status, "rows": rows}


def trace_json(view: RunView) -> bytes:
    """The run, its steps and its events, as JSON in UTF-8, a line for each step, log line and event. The events are as
    `events.event_from_dict` reads them."""
    whole = {**view.to_dict(), "events": [ev.event_dict(event) for event in view.events]}
    parts = []
    for name, value in whole.items():
        if isinstance(value, list) and value:
            rows = ",\n".join([_encode(one) for one in value])
            parts.append(f'"{name}": [\n{rows}\n]')
        else:
            parts.append(f'"{name}": {_encode(value)}')
    return ("{" + ",\n".join(parts) + "}\n").encode()


def metadata_json(view: RunView) -> bytes:
    """What the run was, what it spent and what came out of it, as JSON in UTF-8."""
    summary = view.summary()
    names = ("run_id", "status", "workflow", "version", "fingerprint", "mode", "group", "actor")
    times = ("created_at", "started_at", "ended_at")
    ended = view.ended_at if view.ended_at is not None else view.updated_at
    data = {
        **{name: summary[name] for name in (*names, *times)},
        "seconds": round(ended - view.created_at, 3),
        "inputs_digest": f"sha256:{digest(canonical(view.inputs))}",
        "limits": view.limits,
        "spent": view.spent,
        "error": view.error,
        "parent": view.parent,
        "forked_from": view.forked_from,
        "steps": {name: node.to_dict()["steps"] for name, node in view.nodes.items()},
        "artifacts": view.artifact_list(),
        "events": view.head,
    }
    return (json.dumps(data, ensure_ascii=False, indent=1) + "\n").encode()


def logs_text(view: RunView) -> str:
    """What happened, a line each: the time, the step (or `run`), and what was said or done. In the order of time."""
    lines: list[tuple[float, str, str]] = []
    for event in view.events:
        lines += _lines(event, view)
    lines.sort(key=lambda line: round(line[0], 3))  # notes carry milliseconds; equals stay as the journal has them
    return "".join(f"{rfc3339(at)}  {who}  {text}\n" for at, who, text in lines)


def _lines(event: ev.Event, view: RunView) -> list[tuple[float, str, str]]:
    fact, at = event.fact, event.at
    match fact:
        case ev.StepNoted():
            return [(line[0], fact.step, part) for line in fact.lines for part in str(line[1]).splitlines() or [""]]
        case ev.RunCreated():
            return [(at, "run", f"created: {fact.workflow} version {fact.version}, {fact.mode}, by {fact.actor}")]
        case ev.RunChecked():
            return [(at, "run", f"problem: {p.get('pointer', '')} {p['message']}") for p in fact.problems or ()]
        case ev.RunForked():
            return [(at, "run", f"forked from {fact.source} at {fact.at_seq} by {fact.actor}")]
        case ev.RunPaused():
            return [(at, "run", f"paused: {_why(fact.error) or 'by ' + str(fact.actor)}")]
        case ev.RunResumed():
            return [(at, "run", f"resumed by {fact.actor}")]
        case ev.RunFailed():
            return [(at, "run", f"failed: {_why(fact.error)}")]
        case ev.RunCancelled():
            return [(at, "run", f"cancelled by {fact.actor}{': ' + fact.reason if fact.reason else ''}")]
        case ev.RunStarted() | ev.RunCompleted():
            return [(at, "run", event.kind.removeprefix("run."))]
        case ev.NodeSkipped():
            return [(at, fact.node, "skipped")]
        case ev.NodeFailed():
            return [(at, fact.node, f"failed: {_why(fact.error)}")]
        case ev.StepScheduled() if fact.attempt > 1 or fact.delivery > 1:
            return [(at, fact.step, f"sent again: attempt {fact.attempt}, delivery {fact.delivery}")]
        case ev.StepWaiting():
            return [(at, fact.step, f"waiting for {_what(view.steps[fact.step])}")]
        case ev.StepCompleted():
            took = f" after {at - fact.started:.3f} s" if fact.started is not None else ""
            return [(at, fact.step, f"completed{took}")]
        case ev.StepFailed():
            again = "" if fact.retry_at is None else f"; tried again at {rfc3339(fact.retry_at)}"
            return [(at, fact.step, f"failed, attempt {fact.attempt}: {_why(fact.error)}{again}")]
        case ev.StepPaused():
            return [(at, fact.step, f"paused: {_why(fact.error)}")]
        case ev.StepsLost():
            return [(at, step, f"lost: {fact.why}") for step in fact.steps]
        case ev.StepCancelled():
            return [(at, fact.step, f"cancelled: {fact.why}")]
        case ev.SpendRefused():
            whose = f"of this {fact.level}" + (f" for the {fact.per}" if fact.per else "")
            return [(at, fact.step, f"refused: {fact.asked} {fact.limit} asked for, {fact.left} {whose} left")]
        case ev.RouteChosen():
            return [(at, fact.step, f"{fact.tool} goes to {fact.chosen}, of {len(fact.candidates)} looked at")]
        case ev.ConsentGiven():
            return [
                (at, fact.step, f"fallback to {fact.server} {'allowed' if fact.granted else 'refused'} by {fact.by}")
            ]
        case ev.BreakerMoved():
            return [(at, fact.step, f"breaker of {fact.subject}: {fact.state}")]
        case ev.PolicyDecided():
            return [(at, fact.step, f"policy {fact.policy} at {fact.point}: {fact.then}")]
        case ev.TaskMoved():
            return [(at, fact.step, f"task {fact.task} of {fact.agent} {fact.status}")]
    return []


def _why(error: dict[str, Any] | None) -> str:
    return f"{error.get('code')}: {error.get('message')}" if error else ""


def _what(step: StepView) -> str:
    return "a person" if step.ask is not None else "another run" if step.child is not None else "time to pass"
