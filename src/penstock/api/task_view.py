"""A task as people see it: a fold of its run's journal, like everything else that is shown of it.

A task has ended when its call has. What its run does after that is telling somebody, and how that goes is said beside it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from ..engine.record import rfc3339
from ..engine.scope import SPILLED
from ..engine.state import RunState
from ..engine.view import RunView, StepView
from ..errors import Conflict, NotFound
from ..nodes.http import shown
from .places import make_id
from .task_document import CALL, RESULTS, TOLD, webhook_id

TASKS = "/api/v1/tasks"
JSON = "application/json"
_NOTIFICATION = {"completed": "delivered", "failed": "failed", "cancelled": "cancelled"}
# What to do about an error, by its code or the first part of it.
HINTS = {
    "tool.no_server": "GET /capabilities says what there is; register a server that offers it: POST /servers.",
    "tool.unknown": "GET /servers/{name} lists the tools of a server.",
    "tool.unavailable": "Send it again later; GET /servers says how the servers fare.",
    "tool.consent_denied": "Allow the fallback when you are asked, or beforehand: send it with `fallback: allowed`.",
    "tool.bad_arguments": "Put `input` right: GET /servers/{name} has the schema of the tool.",
    "tool.timeout": "Give it more time with `timeout`, or less to do.",
    "tool.result_too_large": "Ask for less, or raise `max_result_bytes` of the server.",
    "tool.server_died": "It may have been done: look, then send it again if it was not.",
    "tool.error": "The tool itself says so: put `input` right, or ask who runs it.",
    "tool": "GET /servers says how the servers fare; then send it again.",
    "limit": "Raise the limit, or wait until it begins anew.",
    "policy": "A policy of the group decides this: GET /policies.",
    "run.cancelled": "Send it again if it is wanted after all.",
}
OTHERWISE = "The journal says what happened: GET /runs/{id}/events."


@dataclass(frozen=True, slots=True)
class Result:
    """What a task came to, as content. `data` is None where it lies in the artifact store."""

    digest: str
    size: int
    mime: str
    name: str
    value: Any
    data: bytes | None


def over(state: RunState) -> bool:
    """Whether a task has ended, or waits for somebody: when who waits for it wants to know."""
    call = state.nodes.get(CALL)
    return state.asking > 0 or (call is not None and call.status in ("completed", "failed"))


def call_of(view: RunView) -> StepView | None:
    return view.steps.get(f"{CALL}#1")


def status_of(view: RunView) -> str:
    call = call_of(view)
    if call is not None and call.status in ("completed", "failed"):
        return call.status
    if view.terminal or view.status == "paused":
        return view.status
    if call is not None and call.status == "waiting":
        return "waiting"
    return "running" if view.status in ("running", "waiting") else "queued"


def task_of(view: RunView, inputs: dict[str, Any], estimate: dict[str, Any] | None = None) -> dict[str, Any]:
    """See task_models.Task. `inputs` are those of the run."""
    call, status, run_id = call_of(view), status_of(view), view.run_id or ""
    result = result_of(view) if status == "completed" else None
    ended = call.ended_at if call is not None and call.ended_at is not None else view.ended_at
    return {
        "task_id": run_id,
        "type": str(inputs.get("type") or ""),
        "status": status,
        "created_at": rfc3339(view.created_at),
        "updated_at": rfc3339(view.updated_at),
        "ended_at": rfc3339(ended),
        "head": view.head,
        "route": route_of(call),
        "consent": _consent(run_id, call),
        "progress": _progress(view, call, ended),
        "error": _error(view, call, status),
        "result": None if result is None or result.data is None else result.value,
        "pointer": None if result is None else _pointer(run_id, result),
        "notification": notification_of(view, inputs.get("notify"), webhook_id(run_id)),
        "estimate": estimate,
        "links": {
            "self": f"{TASKS}/{run_id}",
            "stream": f"{TASKS}/{run_id}/stream",
            "result": f"{RESULTS}/{run_id}",
            "cancel": f"{TASKS}/{run_id}/cancel",
            "notify": f"{TASKS}/{run_id}/notify",
            "run": f"/api/v1/runs/{run_id}",
        },
    }


def result_of(view: RunView) -> Result:
    """Raises NotFound `result.not_found` for a task that failed or was cancelled, Conflict `result.not_ready` (retryable)."""
    call, status = call_of(view), status_of(view)
    if call is None or status != "completed":
        if status in ("failed", "cancelled"):
            message = f"task {view.run_id} has no result: it {'was ' if status == 'cancelled' else ''}{status}"
            raise NotFound(message, code="result.not_found", detail={"error": _error(view, call, status)})
        message = f"task {view.run_id} is {status}: it has no result yet"
        raise Conflict(message, code="result.not_ready", retryable=True)
    output = call.output
    if isinstance(output, dict):
        if SPILLED in output:
            return Result(output[SPILLED], output["size"], JSON, "result.json", None, None)
        made = next((one for one in view.artifacts.values() if one["digest"] == output.get("artifact")), None)
        if made is not None:  # only what this run made itself: a digest that a server names may be of anybody
            return Result(made["digest"], made["size"] or 0, made["mime"], made["name"], output, None)
    data = orjson.dumps(output)
    return Result(f"sha256:{hashlib.sha256(data).hexdigest()}", len(data), JSON, "result.json", output, data)


def _pointer(run_id: str, result: Result) -> dict[str, Any]:
    at = f"{RESULTS}/{run_id}"
    return {"url": at, "size": result.size, "mime": result.mime, "digest": result.digest}


def route_of(call: StepView | None) -> dict[str, Any] | None:
    chosen = [one for one in (call.said or () if call is not None else ()) if one["kind"] == "route.chosen"]
    if not chosen:
        return None
    last = chosen[-1]
    reason = next((one.get("reason", "") for one in last["candidates"] if one.get("chosen")), "")
    fallback = bool(last.get("fallback", False))
    told = {"server": last["chosen"], "tool": last["tool"], "reason": reason, "fallback": fallback}
    return {**told, "candidates": last["candidates"]}


def _consent(run_id: str, call: StepView | None) -> dict[str, Any] | None:
    if call is None or call.status != "waiting" or call.ask is None:
        return None
    asked = make_id(run_id, call.id)
    told = {name: call.ask.get(name) for name in ("title", "message", "choices")}
    return {"id": asked, **told, "answer": f"/api/v1/approvals/{asked}"}


def _progress(view: RunView, call: StepView | None, ended: float | None) -> dict[str, Any]:
    last = call.attempts[-1].attempt if call is not None and call.attempts else 0
    return {
        "attempt": last,
        "message": call.notes[-1].text if call is not None and call.notes else "",
        "seconds": round((ended or view.updated_at) - view.created_at, 3),
        "retry_at": rfc3339(call.retry_at) if call is not None else None,
    }


def _error(view: RunView, call: StepView | None, status: str) -> dict[str, Any] | None:
    """What it failed with; of one that is still under way, what its last attempt failed with."""
    error = call.error if call is not None and call.error is not None else None
    if status in ("failed", "cancelled", "paused"):
        error = error if status == "failed" and error is not None else view.error
    if error is None or status == "completed":
        return None
    code = str(error.get("code") or "internal")
    hint = HINTS.get(code) or HINTS.get(code.partition(".")[0]) or OTHERWISE
    detail = error.get("detail")
    if error.get("problems"):
        detail = {**(detail if isinstance(detail, dict) else {}), "problems": error["problems"]}
    told = {"code": code, "message": str(error.get("message") or ""), "retryable": bool(error.get("retryable"))}
    return {**told, "hint": hint, "detail": detail}


# -------------------------------------------------------------------------------------------------- notifications


def notification_of(view: RunView, notify: Any, name: str) -> dict[str, Any] | None:
    """How the notification of this run fares, by the step that sends it; `notify` is {url} of whom it is sent to."""
    if not isinstance(notify, dict):
        return None
    step = view.steps.get(f"{TOLD}#1")
    attempts = [] if step is None else [_delivery(one.to_dict()) for one in step.attempts if one.outcome != "lost"]
    status = "cancelled" if view.terminal else "pending"
    if step is not None:
        status = _NOTIFICATION.get(step.status, "sending")
    return {"status": status, "webhook_id": name, "url": shown(str(notify.get("url") or "")), "attempts": attempts}


def _delivery(one: dict[str, Any]) -> dict[str, Any]:
    at = one["started_at"] or one["scheduled_at"]
    return {name: one[name] for name in ("attempt", "ended_at", "outcome", "error")} | {"at": at}


def told_of(view: RunView) -> dict[str, Any]:
    """{event, at, data} of the task's notification: those it was sent with, if it was, else what they would be. Raises Conflict
    `task.not_ended`."""
    step = view.steps.get(f"{TOLD}#1")
    for one in (step.kept or ()) if step is not None else ():
        if one["key"] == "message" and isinstance(one["value"], dict) and "body" in one["value"]:
            body = orjson.loads(one["value"]["body"])
            return {"event": body["type"], "at": body["timestamp"], "data": body["data"]}
    call, status = call_of(view), status_of(view)
    if status not in ("completed", "failed", "cancelled"):
        raise Conflict(f"task {view.run_id} has not ended: there is nothing to tell yet", code="task.not_ended")
    ended = call.ended_at if call is not None and call.ended_at is not None else view.ended_at
    data = {
        "task_id": view.run_id,
        "type": None,
        "status": status,
        "error": call.error if call is not None and status == "failed" else None,
        "result": f"{RESULTS}/{view.run_id}" if status == "completed" else None,
    }
    at = datetime.fromtimestamp(ended or view.updated_at, UTC)
    return {"event": f"task.{status}", "at": at.isoformat(), "data": data}
