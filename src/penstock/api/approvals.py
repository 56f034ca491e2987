"""Questions that runs have put to people, and the answers to them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from ..engine.record import rfc3339
from ..errors import Conflict
from ..ports import RunRow
from . import bodies, models
from .answers import PAGE, Cursor, Limit, json_answer
from .core import caller_of, core_of
from .headers import wait_of
from .idempotency import REPLAYED, claim_after
from .openapi import takes
from .places import make_id, read_id
from .runs import Key, Prefer, begun, pages_of

router = APIRouter(tags=["approvals"])
_ANSWERED = ("step.completed", "step.kept")  # how a journal says that a question was answered
_SHOWN = ("step", "asked_at", "until")


@router.get("/approvals", response_model=models.ApprovalPage, operation_id="list_approvals")
async def list_approvals(request: Request, cursor: Cursor = None, limit: Limit = PAGE) -> Response:
    """Open questions, those of the newest runs first. `limit` counts runs: one may ask several."""
    page = await core_of(request).runs.list(caller_of(request).group, cursor, limit, asks=True)
    items = [_approval(row, ask) for row in page.items for ask in row.asks or ()]
    return json_answer({"items": items, "cursor": page.cursor})


@router.post("/approvals/{id}", response_model=models.Run, openapi_extra=takes(models.Decide), operation_id="decide")
async def decide(
    request: Request,
    id: Annotated[str, Path(max_length=500)],
    prefer: Prefer = None,
    idempotency_key: Key = None,
) -> Response:
    """Answer a question, once: 409 when it has been decided. The answer shows the run as it is then."""
    body = await bodies.read_bytes(request)
    asked = bodies.validate(models.Decide, bodies.json_of(request, body))
    run_id, step = read_id(id, "approval.not_found")
    core, caller = core_of(request), caller_of(request)
    row = await pages_of(request).row(run_id, caller.group)
    since = await claim_after(core, request, body, run_id, row.head)
    headers: dict[str, str] = {}
    try:
        await core.gate.answer(run_id, step, asked.decision, caller.actor, asked.comment, asked.fields)
    except Conflict:
        later = await core.journal.read(run_id, since)
        if since == row.head or not any(e.kind in _ANSWERED and e.fact.step == step for e in later):
            raise
        headers |= REPLAYED
    return await begun(request, run_id, wait_of(prefer), headers, 200)


def _approval(row: RunRow, ask: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": make_id(row.run_id, ask["step"]),
        "run_id": row.run_id,
        "workflow": row.workflow,
        "version": row.version,
        "step": ask["step"],
        "asked_at": rfc3339(ask["asked_at"]),
        "until": rfc3339(ask["until"]),
        "ask": {name: value for name, value in ask.items() if name not in _SHOWN},
    }
