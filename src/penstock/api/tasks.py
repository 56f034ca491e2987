"""Tasks: one call of a tool, asked for by what it needs; and results, whole or in parts.

A task is a run of a small workflow (see `task_document`), so it has what every run has: a journal, a stream, retries, limits, and
it goes on after a crash. What stands in its way is said at once and nothing is begun; what it will take is said as far as it is
known.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from ..engine.record import rfc3339
from ..engine.scope import SPILLED
from ..engine.view import RunView
from ..errors import Invalid, NotFound, Problem
from ..gate import Request as Wanted
from ..nodes.notify import keys_of
from ..ports import RunRow
from ..tools.estimate import calls_of
from . import bodies
from . import task_document as documents
from .answers import PAGE, Cursor, Limit, RunPath, json_answer, not_modified
from .artifacts import PARTIAL, serve
from .core import Core, caller_of, core_of
from .headers import MAX_WAIT, applied, is_fresh, quote, trace_of, wait_of
from .idempotency import REPLAYED, claim_run
from .models import CancelRun
from .openapi import also, messages, takes
from .runs import Key, Prefer, check_limits, exists, pages_of, streams_of
from .stream import EventStream
from .task_models import NotifyAgain, Redelivery, SubmitTask, Task, TaskPage
from .task_view import TASKS, notification_of, over, result_of, route_of, status_of, task_of, told_of

router = APIRouter(tags=["tasks"])

Waits = Annotated[float | None, Query(ge=0, le=MAX_WAIT, description="Seconds to wait until it ends, or asks.")]


@router.post(
    "/tasks", status_code=202, response_model=Task, openapi_extra=takes(SubmitTask), operation_id="submit_task"
)
async def submit_task(request: Request, prefer: Prefer = None, idempotency_key: Key = None) -> Response:
    """Have a tool called: the task, under way. With `Prefer: wait=N` the answer shows it as it ended, or is after N seconds."""
    body = await bodies.read_bytes(request)
    asked = bodies.validate(SubmitTask, bodies.json_of(request, body))
    if asked.limits is not None:
        check_limits(asked.limits)
    core, caller = core_of(request), caller_of(request)
    run_id = await claim_run(core, request, body)
    estimate = await _estimated(core, asked, caller.group)
    headers: dict[str, str] = {}
    if run_id is not None and await exists(request, run_id):
        headers |= REPLAYED
    else:
        await _check(core, documents.preview(asked), caller.group, lambda at: documents.place_of(at, asked.by_type))
        if asked.notify is not None:
            await _check_secret(core, caller.group, asked.notify.secret, "/notify/secret")
        workflow = core.gate.check(documents.document_of(asked.retry, asked.notify is not None))
        number = await request.app.state.shapes.number(caller.group, workflow, caller.actor)
        run_id = await core.gate.start(
            Wanted(
                workflow=documents.SLUG,
                inputs=documents.inputs_of(asked),
                version=number,
                limits=asked.limits,
                group=caller.group,
                actor=caller.actor,
                trace=trace_of(request.headers.get("traceparent")),
                run_id=run_id,
            )
        )
    return await _shown(request, run_id, wait_of(prefer), headers, 202, estimate)


@router.get("/tasks", response_model=TaskPage, operation_id="list_tasks")
async def list_tasks(request: Request, cursor: Cursor = None, limit: Limit = PAGE) -> Response:
    """Tasks, the newest first."""
    core, pages = core_of(request), pages_of(request)
    page = await core.runs.list(caller_of(request).group, cursor, limit, workflow=documents.SLUG)
    items = [_item(await pages.latest(row.run_id, row.head), row) for row in page.items]
    return json_answer({"items": items, "cursor": page.cursor})


@router.get("/tasks/{run_id}", response_model=Task, responses=also(304), operation_id="show_task")
async def show_task(request: Request, run_id: RunPath, wait: Waits = None, prefer: Prefer = None) -> Response:
    """What has become of a task. With `wait`, or `Prefer: wait=N`, after up to so many seconds. The ETag is its run's head."""
    row = await _row(request, run_id)
    seconds = wait_of(prefer) if wait is None else wait
    if not seconds and is_fresh(request.headers.get("if-none-match"), str(row.head)):
        return not_modified(quote(row.head))
    return await _shown(request, run_id, seconds, {}, 200)


@router.get(
    "/tasks/{run_id}/stream",
    response_class=Response,
    responses={200: messages("One event a message: id is its seq, event its kind, data its JSON")},
    operation_id="stream_task",
)
async def stream_task(
    request: Request, run_id: RunPath, after: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0
) -> Response:
    """The task's journal as it grows, as server-sent events, from after Last-Event-ID; after the last one comes `event: end`."""
    row = await _row(request, run_id)
    seen = request.headers.get("last-event-id", "")
    if seen.isascii() and seen.isdecimal() and len(seen) < 12:
        after = int(seen)
    return EventStream(streams_of(request), row, after)


@router.post(
    "/tasks/{run_id}/cancel",
    status_code=202,
    response_model=Task,
    openapi_extra=takes(CancelRun, required=False),
    operation_id="cancel_task",
)
async def cancel_task(request: Request, run_id: RunPath, prefer: Prefer = None) -> Response:
    """End a task, or, once it has ended, its notification. 409 when there is nothing left to end."""
    asked = await bodies.read_model(request, CancelRun)
    await _row(request, run_id)
    await core_of(request).control.cancel(run_id, caller_of(request).actor, asked.reason)
    return await _shown(request, run_id, wait_of(prefer), {}, 202)


@router.post(
    "/tasks/{run_id}/notify",
    status_code=202,
    response_model=Redelivery,
    openapi_extra=takes(NotifyAgain, required=False),
    operation_id="notify_again",
)
async def notify_again(
    request: Request, run_id: RunPath, prefer: Prefer = None, idempotency_key: Key = None
) -> Response:
    """Send a task's notification again, under the same webhook-id: a run of its own. 409 before the task has ended."""
    body = await bodies.read_bytes(request)
    asked = bodies.validate(NotifyAgain, bodies.json_of(request, body))
    core, caller = core_of(request), caller_of(request)
    row = await _row(request, run_id)
    view = await pages_of(request).latest(run_id, row.head)
    inputs = await _inputs(core, view)
    again = await claim_run(core, request, body)
    headers: dict[str, str] = {}
    if again is not None and await exists(request, again):
        headers |= REPLAYED
    else:
        told = {**told_of(view), **_receiver(asked, inputs.get("notify")), "id": documents.webhook_id(run_id)}
        told["data"] = {**told["data"], "type": inputs.get("type")}
        await _check(core, documents.preview_again(told["secret"]), caller.group, documents.place_of_again)
        await _check_secret(core, caller.group, told["secret"], "/secret")
        workflow = core.gate.check(documents.again_document())
        number = await request.app.state.shapes.number(caller.group, workflow, caller.actor)
        again = await core.gate.start(
            Wanted(
                documents.AGAIN, {**told, "task": run_id}, number, group=caller.group, actor=caller.actor, run_id=again
            )
        )
    return await _redelivered(request, run_id, again, wait_of(prefer), headers)


@router.get("/results/{run_id}", response_class=Response, responses=PARTIAL, operation_id="read_result")
async def read_result(request: Request, run_id: RunPath) -> Response:
    """The result of a task, or the part of it that `Range` asks for: JSON, or the file that the tool made."""
    row = await _row(request, run_id)
    result = result_of(await pages_of(request).latest(run_id, row.head))
    return await serve(request, result.digest, result.mime, result.name, result.data)


# --------------------------------------------------------------------------------------------------------- in between


async def _row(request: Request, run_id: str) -> RunRow:
    """The run's row. Raises NotFound, code `task.not_found`, for what is no task of the caller's group."""
    row: RunRow | None = None
    with contextlib.suppress(NotFound):
        row = await pages_of(request).row(run_id, caller_of(request).group)
    if row is None or row.workflow != documents.SLUG:
        raise NotFound(f"no task {run_id}", code="task.not_found")
    return row


async def _check(core: Core, document: dict[str, Any], group: str, place_of: Callable[[str], str]) -> None:
    """Raises Invalid, code `preflight.failed`, with everything that stands in the way of what the preview shows."""
    problems = await core.gate.preflight(core.gate.check(document), group)
    if problems:
        placed = [Problem(p.code, p.message, place_of(p.pointer), p.hint) for p in problems]
        raise Invalid(placed[0].message, code="preflight.failed", problems=placed)


async def _check_secret(core: Core, group: str, name: str, pointer: str) -> None:
    """Raises Invalid, code `notify.bad_secret`, for one that signs nothing: better now than when somebody should be told."""
    try:
        keys_of(await core.vault.get(group, name), name)
    except Invalid as error:
        raise Invalid(error.message, code=error.code, problems=[Problem(error.code, error.message, pointer)]) from None


async def _estimated(core: Core, asked: SubmitTask, group: str) -> dict[str, Any] | None:
    return (await calls_of(core.gate.check(documents.preview(asked)), core.servers, group)).get(documents.CALL)


def _receiver(asked: NotifyAgain, notify: Any) -> dict[str, str]:
    """Whom to tell: as asked for, else as the task was. Raises Invalid, code `task.nobody_to_tell`."""
    told = {**(notify if isinstance(notify, dict) else {}), **asked.model_dump(exclude_none=True)}
    missing = [name for name in ("url", "secret") if not told.get(name)]
    if missing:
        message = f"this task names nobody to tell: send {' and '.join(missing)}"
        problems = [Problem("task.nobody_to_tell", message, f"/{name}") for name in missing]
        raise Invalid(message, code="task.nobody_to_tell", problems=problems)
    if asked.url is not None and asked.url != (notify or {}).get("url") and asked.secret is None:
        message = "another receiver needs a secret of its own"
        raise Invalid(
            message, code="task.nobody_to_tell", problems=[Problem("task.nobody_to_tell", message, "/secret")]
        )
    return told


async def _shown(
    request: Request,
    run_id: str,
    seconds: float | None,
    headers: dict[str, str],
    status: int,
    estimate: dict[str, Any] | None = None,
) -> Response:
    """The task as it is, after waiting for its end for as long as the client wants to."""
    core, pages, streams = core_of(request), pages_of(request), streams_of(request)
    if seconds:
        async with streams.patience(seconds):
            await core.control.wait(run_id, over)
        headers |= applied(seconds)
    row = await pages.row(run_id, caller_of(request).group)
    view = await pages.latest(run_id, row.head)
    headers |= {"Location": f"{TASKS}/{run_id}", "ETag": quote(view.head)}
    return json_answer(task_of(view, await _inputs(core, view), estimate), status, headers)


async def _inputs(core: Core, view: RunView) -> dict[str, Any]:
    """The inputs of the run, fetched where the journal has but their pointer."""
    inputs = view.inputs
    if isinstance(inputs, dict) and SPILLED in inputs:
        inputs = orjson.loads(await core.artifacts.get(inputs[SPILLED]))
    return inputs if isinstance(inputs, dict) else {}


async def _redelivered(
    request: Request, task_id: str, run_id: str, seconds: float | None, headers: dict[str, str]
) -> Response:
    core, pages = core_of(request), pages_of(request)
    if seconds:
        async with streams_of(request).patience(seconds):
            await core.control.wait(run_id)
        headers |= applied(seconds)
    row = await pages.row(run_id, caller_of(request).group)
    view = await pages.latest(run_id, row.head)
    told = notification_of(view, await _inputs(core, view), documents.webhook_id(task_id)) or {}
    headers |= {"Location": f"/api/v1/runs/{run_id}"}
    return json_answer({"task_id": task_id, "run_id": run_id, **told}, 202, headers)


def _item(view: RunView, row: RunRow) -> dict[str, Any]:
    call = view.steps.get(f"{documents.CALL}#1")
    error = (call.error if call is not None else None) or view.error
    route, status = route_of(call), status_of(view)
    given = view.inputs.get("type") if isinstance(view.inputs, dict) else None
    return {
        "task_id": row.run_id,
        "type": given if isinstance(given, str) else None,
        "status": status,
        "server": route["server"] if route else None,
        "error": error.get("code") if error and status != "completed" else None,
        "actor": row.actor,
        "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at),
    }
