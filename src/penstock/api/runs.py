"""Runs: begin them, look at them, steer them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from ..engine.document import Limits
from ..engine.events import event_dict
from ..engine.record import rfc3339
from ..engine.state import TERMINAL
from ..errors import Invalid, NotFound, Problem
from ..gate import Request as Wanted
from ..ports import RunRow
from . import bodies, models
from .answers import PAGE, Cursor, Limit, RunPath, json_answer, not_modified, raw_json
from .core import caller_of, core_of
from .headers import applied, is_fresh, quote, trace_of, wait_of
from .idempotency import REPLAYED, claim_after, claim_run
from .openapi import also, messages, takes
from .pages import WINDOW, Pages
from .stream import EventStream, Streams

router = APIRouter(tags=["runs"])

MAX_EVENTS = 1_000
Prefer = Annotated[
    str | None, Header(description="wait=N: answer when the run has ended, or after N seconds (at most 60).")
]
Key = Annotated[
    str | None, Header(alias="Idempotency-Key", description="The same key and body again are the same request.")
]
At = Annotated[int | None, Query(ge=1, le=2**31 - 1, description="The run as it was after this event.")]


def pages_of(request: Request) -> Pages:
    return request.app.state.pages


def streams_of(request: Request) -> Streams:
    return request.app.state.streams


@router.post(
    "/runs",
    status_code=201,
    response_model=models.Run,
    openapi_extra=takes(models.StartRun),
    operation_id="start_run",
)
async def start_run(request: Request, prefer: Prefer = None, idempotency_key: Key = None) -> Response:
    """Begin a run. With `Prefer: wait=N` the answer shows it as it ended, or as it is after N seconds."""
    body = await bodies.read_bytes(request)
    asked = bodies.validate(models.StartRun, bodies.json_of(request, body))
    if asked.limits is not None:
        check_limits(asked.limits)
    core, caller = core_of(request), caller_of(request)
    run_id = await claim_run(core, request, body)
    headers: dict[str, str] = {}
    if run_id is not None and await exists(request, run_id):
        headers |= REPLAYED
    else:
        try:
            run_id = await core.gate.start(
                Wanted(
                    workflow=asked.workflow,
                    inputs=asked.inputs,
                    version=asked.version,
                    mode=asked.run_mode,
                    limits=asked.limits,
                    group=caller.group,
                    actor=caller.actor,
                    trace=trace_of(request.headers.get("traceparent")),
                    run_id=run_id,
                )
            )
        except Invalid as error:
            raise placed(error) from None
    return await begun(request, run_id, wait_of(prefer), headers)


@router.get("/runs", response_model=models.RunPage, operation_id="list_runs")
async def list_runs(
    request: Request,
    status: models.Status | None = None,
    workflow: models.Slug | None = None,
    mode: models.Mode | None = None,
    actor: Annotated[models.Text | None, Query(max_length=200)] = None,
    cursor: Cursor = None,
    limit: Limit = PAGE,
) -> Response:
    """Runs, the newest first."""
    filters = {"status": status, "workflow": workflow, "mode": mode, "actor": actor}
    given = {name: value for name, value in filters.items() if value is not None}
    page = await core_of(request).runs.list(caller_of(request).group, cursor, limit, **given)
    return json_answer({"items": [item(row) for row in page.items], "cursor": page.cursor})


@router.get("/runs/{run_id}", response_model=models.Run, responses=also(304), operation_id="show_run")
async def show_run(
    request: Request,
    run_id: RunPath,
    at: At = None,
    steps: Annotated[int, Query(ge=0, le=100_000, description="How many steps, and lines of the log.")] = WINDOW,
    steps_from: Annotated[int, Query(ge=0, le=2**31 - 1, description="The first step's place among them.")] = 0,
) -> Response:
    """A run with its nodes, artifacts, and a window on its steps and its log; `at` shows it as it was. The ETag is its head."""
    pages = pages_of(request)
    row = await pages.row(run_id, caller_of(request).group)
    tag = str(min(at or row.head, row.head))
    if is_fresh(request.headers.get("if-none-match"), tag):
        return not_modified(quote(tag))
    view = await pages.latest(run_id, row.head, at)
    return raw_json(pages.page(view, steps_from, steps), headers={"ETag": quote(view.head)})


@router.get("/runs/{run_id}/events", response_model=models.EventPage, operation_id="list_events")
async def list_events(
    request: Request,
    run_id: RunPath,
    after: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_EVENTS)] = MAX_EVENTS,
    prefer: Prefer = None,
) -> Response:
    """The journal, for those who poll. With `Prefer: wait=N` an answer without events takes up to N seconds."""
    core, streams = core_of(request), streams_of(request)
    row = await pages_of(request).row(run_id, caller_of(request).group)
    seconds = wait_of(prefer)
    if seconds is not None and after >= row.head and row.status not in TERMINAL:
        async with streams.patience(seconds), streams.feed(row, row.head) as feed:
            while feed.last <= after and feed.ended is None and await streams.moved(feed):
                pass
    events = await core.journal.read(run_id, after, limit)
    last = events[-1].seq if events else after
    ended = bool(events and events[-1].kind.partition(".")[2] in TERMINAL and events[-1].kind.startswith("run."))
    ended = ended or (row.status in TERMINAL and last >= row.head)
    body = {"events": [event_dict(event) for event in events], "next": last, "ended": ended}
    return json_answer(body, headers=applied(seconds) if seconds is not None else None)


@router.get(
    "/runs/{run_id}/stream",
    response_class=Response,
    responses={200: messages("One event a message: id is its seq, event its kind, data its JSON")},
    operation_id="stream_run",
)
async def stream_run(
    request: Request,
    run_id: RunPath,
    after: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    last_event_id: Annotated[str | None, Header(description="The seq of the last event that was seen.")] = None,
) -> Response:
    """The journal as it grows, as server-sent events; after the last one comes `event: end`."""
    row = await pages_of(request).row(run_id, caller_of(request).group)
    if last_event_id and last_event_id.isascii() and last_event_id.isdecimal() and len(last_event_id) < 12:
        after = int(last_event_id)
    return EventStream(streams_of(request), row, after)


@router.get("/runs/{run_id}/timeline", response_model=models.Timeline, operation_id="show_timeline")
async def show_timeline(request: Request, run_id: RunPath, at: At = None) -> Response:
    """When each step was sent, begun and over, tried again and waiting, in seconds after the run was created."""
    view = await pages_of(request).view(run_id, caller_of(request).group, at)
    return json_answer(view.timeline())


@router.post(
    "/runs/{run_id}/cancel",
    status_code=202,
    response_model=models.Run,
    openapi_extra=takes(models.CancelRun, required=False),
    operation_id="cancel_run",
)
async def cancel_run(request: Request, run_id: RunPath, prefer: Prefer = None) -> Response:
    """End a run: steps in flight are stopped, then it is cancelled."""
    asked = await bodies.read_model(request, models.CancelRun)
    core, caller = core_of(request), caller_of(request)
    await pages_of(request).row(run_id, caller.group)
    await core.control.cancel(run_id, caller.actor, asked.reason)
    return await begun(request, run_id, wait_of(prefer), {}, 202)


@router.post("/runs/{run_id}/pause", response_model=models.Run, operation_id="pause_run")
async def pause_run(request: Request, run_id: RunPath) -> Response:
    """Send no further steps until it is resumed; those in flight go on."""
    core, caller = core_of(request), caller_of(request)
    await pages_of(request).row(run_id, caller.group)
    await core.control.pause(run_id, caller.actor)
    return await begun(request, run_id, None, {}, 200)


@router.post(
    "/runs/{run_id}/resume",
    response_model=models.Run,
    openapi_extra=takes(models.ResumeRun, required=False),
    operation_id="resume_run",
)
async def resume_run(request: Request, run_id: RunPath, prefer: Prefer = None, idempotency_key: Key = None) -> Response:
    """Go on after a pause, with other step inputs where `edits` says so."""
    body = await bodies.read_bytes(request)
    asked = bodies.validate(models.ResumeRun, bodies.json_of(request, body))
    row = await pages_of(request).row(run_id, caller_of(request).group)
    headers = await resume(request, row, body, asked.edits)
    return await begun(request, run_id, wait_of(prefer), headers, 200)


@router.post(
    "/runs/{run_id}/fork",
    status_code=201,
    response_model=models.Run,
    openapi_extra=takes(models.ForkRun),
    operation_id="fork_run",
)
async def fork_run(request: Request, run_id: RunPath, prefer: Prefer = None, idempotency_key: Key = None) -> Response:
    """A new run with the first `at` events of this one, going on by itself from there."""
    body = await bodies.read_bytes(request)
    asked = bodies.validate(models.ForkRun, bodies.json_of(request, body))
    row = await pages_of(request).row(run_id, caller_of(request).group)
    fork_id, headers = await fork(request, row, body, asked.at, asked.edits)
    return await begun(request, fork_id, wait_of(prefer), headers)


# ------------------------------------------------------------------------------------------- shared with other routes


async def begun(
    request: Request, run_id: str, seconds: float | None, headers: dict[str, str], status: int = 201
) -> Response:
    """The run as it is, after waiting for its end for as long as the client wants to."""
    core, pages, streams = core_of(request), pages_of(request), streams_of(request)
    if seconds is not None:
        async with streams.patience(seconds):
            await core.control.wait(run_id)
        headers |= applied(seconds)
    row = await pages.row(run_id, caller_of(request).group)
    view = await pages.latest(run_id, row.head)
    headers |= {"Location": f"/api/v1/runs/{run_id}", "ETag": quote(view.head)}
    return raw_json(pages.page(view), status, headers)


async def exists(request: Request, run_id: str) -> bool:
    try:
        await pages_of(request).row(run_id, caller_of(request).group)
    except NotFound:
        return False
    return True


async def resume(request: Request, row: RunRow, body: bytes, edits: dict[str, Any] | None) -> dict[str, str]:
    """Resume a run, once for each Idempotency-Key; the headers to answer with."""
    core = core_of(request)
    since = await claim_after(core, request, body, row.run_id, row.head)
    if since < row.head:
        later = await core.journal.read(row.run_id, since)
        if any(event.kind == "run.resumed" for event in later):
            return dict(REPLAYED)
    await core.control.resume(row.run_id, caller_of(request).actor, edits)
    return {}


async def fork(
    request: Request, row: RunRow, body: bytes, at: int, edits: dict[str, Any] | None
) -> tuple[str, dict[str, str]]:
    """Fork a run, once for each Idempotency-Key: the new run, and the headers to answer with."""
    core = core_of(request)
    fork_id = await claim_run(core, request, body)
    if fork_id is not None and await exists(request, fork_id):
        return fork_id, dict(REPLAYED)
    return await core.control.fork(row.run_id, at, caller_of(request).actor, edits, fork_id), {}


def check_limits(limits: dict[str, Any]) -> None:
    """Raises Invalid, code `limits.invalid`, with places in the request."""
    try:
        Limits.from_dict(limits)
    except Invalid as error:
        raise _moved(error, "/limits", "") from None


def placed(error: Invalid) -> Invalid:
    """Problems with the inputs have their place in the request, all others in the workflow."""
    return _moved(error, "/inputs", "inputs.")


def _moved(error: Invalid, to: str, prefix: str) -> Invalid:
    problems = [
        Problem(p.code, p.message, to + p.pointer, p.hint, p.line, p.column, p.severity)
        if p.code.startswith(prefix)
        else p
        for p in error.problems
    ]
    return Invalid(error.message, code=error.code, problems=problems, detail=error.detail)


def item(row: RunRow) -> dict[str, Any]:
    return {
        "run_id": row.run_id,
        "workflow": row.workflow,
        "version": row.version,
        "status": row.status,
        "mode": row.mode,
        "actor": row.actor,
        "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at),
        "parent": row.parent,
        "error": row.error,
        "asks": len(row.asks or ()),
        "head": row.head,
    }
