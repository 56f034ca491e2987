"""Dead letters: steps that failed for good, and what they failed on. Fix the input, and send it again.

A paused run goes on by itself; a failed one never changes again, so it is forked just before the failure.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from ..engine.record import rfc3339
from ..engine.view import RunView, StepView
from ..errors import Conflict, Invalid, NotFound, Problem
from ..ports import RunRow
from . import bodies, models
from .answers import PAGE, Cursor, Limit, json_answer
from .core import caller_of, core_of
from .headers import wait_of
from .openapi import takes
from .places import make_id, read_id
from .runs import Key, Prefer, begun, fork, pages_of, resume

router = APIRouter(tags=["dead letters"])


@router.get("/dead-letters", response_model=models.DeadLetterPage, operation_id="list_dead_letters")
async def list_dead_letters(request: Request, cursor: Cursor = None, limit: Limit = PAGE) -> Response:
    """Runs that failed, or are paused on an error: each with its failing steps, the newest runs first. `limit` counts runs."""
    pages = pages_of(request)
    page = await core_of(request).runs.list(caller_of(request).group, cursor, limit, failed=True)
    items = []
    for row in page.items:
        view = await pages.latest(row.run_id, row.head)
        items += [_letter(row, view, step) for step in failing(view)]
    return json_answer({"items": items, "cursor": page.cursor})


@router.post(
    "/dead-letters/{id}/redrive",
    response_model=models.Run,
    responses={201: {"model": models.Run, "description": "A new run, forked from the failed one"}},
    openapi_extra=takes(models.Redrive, required=False),
    operation_id="redrive",
)
async def redrive(
    request: Request, id: Annotated[str, Path(max_length=500)], prefer: Prefer = None, idempotency_key: Key = None
) -> Response:
    """Try a failed step again, with another `input` if there is one. A paused run is resumed; of a failed run a new one is
    made that goes on from just before the failure."""
    body = await bodies.read_bytes(request)
    asked = bodies.validate(models.Redrive, bodies.json_of(request, body))
    run_id, step = read_id(id, "dead_letter.not_found")
    pages, caller = pages_of(request), caller_of(request)
    row = await pages.row(run_id, caller.group)
    view = await pages.latest(run_id, row.head)
    edits = {step: asked.input} if "input" in asked.model_fields_set else None
    if edits and not step:
        message = "this run failed for itself, not in a step, so there is no input to change"
        raise Invalid(message, code="dead_letter.no_step", problems=[Problem("dead_letter.no_step", message, "/input")])
    if step and step not in view.steps:
        raise NotFound(f"run {run_id} has no step {step!r}", code="dead_letter.not_found")
    if row.status == "failed":
        fork_id, headers = await fork(request, row, body, before_failure(view, step), edits)
        return await begun(request, fork_id, wait_of(prefer), headers)
    if row.status == "paused" or request.headers.get("idempotency-key"):
        headers = await resume(request, row, body, edits)
        return await begun(request, run_id, wait_of(prefer), headers, 200)
    raise Conflict(f"run {run_id} is {row.status}: there is nothing to redrive", code="dead_letter.not_failed")


def failing(view: RunView) -> list[StepView | None]:
    """The steps that wait for a person because they failed; or the one that ended the run, None when that was no step."""
    if view.status == "paused":
        paused: list[StepView | None] = [step for step in view.steps.values() if step.status == "paused"]
        return paused or [None]
    named = (view.error or {}).get("step")
    return [view.steps.get(named) if isinstance(named, str) else None]


def before_failure(view: RunView, step: str) -> int:
    """The seq just before the step's failure, or the run's."""
    for event in reversed(view.events):
        if step and event.kind in ("step.failed", "step.completed") and event.fact.step == step:
            return event.seq - 1
    for event in view.events:
        if event.kind in ("run.ending", "run.failed", "node.failed"):
            return event.seq - 1
    return view.head


def _letter(row: RunRow, view: RunView, step: StepView | None) -> dict[str, Any]:
    error = step.error if step is not None and step.error is not None else view.error
    return {
        "id": make_id(row.run_id, step.id if step is not None else ""),
        "run_id": row.run_id,
        "workflow": row.workflow,
        "version": row.version,
        "status": row.status,
        "step": step.id if step is not None else None,
        "input": step.input if step is not None else view.inputs,
        "error": error or {},
        "attempts": [attempt.to_dict() for attempt in step.attempts] if step is not None else [],
        "failed_at": rfc3339(row.updated_at),
    }
