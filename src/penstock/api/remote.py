"""Remote workers: the keys their envelopes are verified with, the work they pull, the results they bring.

What is under /work is not for people: a worker shows its own token to take work, and to bring a result it shows the token that
came in the envelope, or an address that we signed. None of these opens anything else, so the door lets these paths through and
each is checked here. Nothing a worker sends makes us go anywhere. Each refusal is one line of the log, with its code, and
is counted.
"""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector
from pydantic import Field
from starlette.responses import Response

from ..errors import NotFound, PenstockError, Unauthenticated
from ..tools.desk import HELD, INLINE_RESULT, LARGEST, PATH, Desk
from ..tools.keys import SigningKeys, WorkerTokens
from . import bodies
from .answers import json_answer, nothing
from .core import caller_of, core_of
from .models import Answered, Asked, Json, Text
from .openapi import content, takes

log = logging.getLogger("penstock.remote")

JWKS = "/.well-known/jwks.json"
CACHED = 300  # seconds a key set may be kept

router = APIRouter(tags=["remote"])
public = APIRouter(tags=["remote"])

Nonce = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{16,80}$", description="The `jti` of the envelope.")]


class Key(Answered):
    kid: str
    made_at: float = Field(description="Seconds since the epoch.")
    published_until: float | None = Field(description="None for the key that signs.")


class Keys(Answered):
    items: list[Key]


class PublishedKeys(Answered):
    """A JSON Web Key Set (RFC 7517)."""

    keys: list[dict[str, Json]]


class IssueToken(Asked):
    audience: Text = Field(min_length=1, max_length=200, description="Whom the work is signed for.")


class WorkerToken(Answered):
    audience: str
    token: str = Field(description="Shown this once.")


class WorkerTokenRow(Answered):
    audience: str
    made_at: float


class WorkerTokenList(Answered):
    items: list[WorkerTokenRow]


class OfferedTool(Asked):
    name: Text = Field(min_length=1, max_length=200)
    title: Text = Field(default="", max_length=500)
    description: Text = Field(default="", max_length=10_000)
    input_schema: dict[str, Json] = Field(default={})
    output_schema: dict[str, Json] | None = None
    capabilities: list[Text] = Field(default=[], max_length=100)
    read_only: bool = False
    destructive: bool = True
    idempotent: bool = False


class ClaimWork(Asked):
    tools: list[OfferedTool] = Field(max_length=500, description="What the worker can do now.")
    wait: float = Field(default=0, ge=0, le=60, description=f"Seconds to wait for work; {HELD:g} at most.")


class Handed(Answered):
    envelope: str = Field(description="A JWS in compact form.")
    lease: float = Field(description="Seconds after which the work goes to somebody else, unless there is a heartbeat.")


class Beat(Answered):
    wanted: bool = Field(description="Whether anybody still waits for the result.")
    lease: float


class Uploaded(Answered):
    digest: str
    size: int


class Pointer(Asked):
    digest: Text = Field(max_length=80)
    size: int = Field(ge=0)


class Trouble(Asked):
    code: Text = Field(default="tool.error", max_length=100)
    message: Text = Field(max_length=10_000)
    retryable: bool = False
    detail: Json = None


class BringResult(Asked):
    """One of the three."""

    result: Json = None
    error: Trouble | None = None
    pointer: Pointer | None = Field(default=None, description="To what was uploaded.")


class Refusals(Collector):
    """How often a worker, or somebody who says so, was refused, by code."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def collect(self) -> Iterator[Any]:
        found = CounterMetricFamily(
            "penstock_work_refused", "Requests of remote workers that were refused.", labels=["code"]
        )
        for code, count in sorted(self.counts.items()):
            found.add_metric([code], count)
        yield found


@contextlib.asynccontextmanager
async def _watched(request: Request, what: str) -> AsyncGenerator[None]:
    try:
        yield
    except PenstockError as error:
        request.app.state.refusals.counts[error.code] += 1
        client = request.client.host if request.client is not None else "?"
        log.warning("refused %s from %s: %s", what, client, error.code)
        raise


def desk_of(request: Request) -> Desk:
    return core_of(request).desk


def _keys(request: Request) -> SigningKeys:
    return desk_of(request).keys


def _tokens(request: Request) -> WorkerTokens:
    return core_of(request).worker_tokens


def _bearer(request: Request) -> str:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token.strip():
        raise Unauthenticated("a bearer token is needed", code="auth.missing")
    return token.strip()


# ------------------------------------------------------------------------------------------------ for the operator


@router.get("/keys", response_model=Keys, operation_id="list_keys")
async def list_keys(request: Request) -> Response:
    """The keys that work for remote workers is signed with, the newest first."""
    return json_answer({"items": await _keys(request).listed()})


@router.post("/keys/rotate", response_model=Keys, operation_id="rotate_keys")
async def rotate_keys(request: Request) -> Response:
    """Sign with a new key from now on. The one before stays published until what it signed has expired."""
    await _keys(request).rotate()
    return json_answer({"items": await _keys(request).listed()})


@router.get("/workers", response_model=WorkerTokenList, operation_id="list_worker_tokens")
async def list_worker_tokens(request: Request) -> Response:
    """Who may pull work: the audience of each token."""
    return json_answer({"items": await _tokens(request).listed(caller_of(request).group)})


@router.post(
    "/workers",
    status_code=201,
    response_model=WorkerToken,
    openapi_extra=takes(IssueToken),
    operation_id="issue_worker_token",
)
async def issue_worker_token(request: Request) -> Response:
    """A token to pull the work of one audience with. It is shown once and good for nothing else."""
    asked = await bodies.read_model(request, IssueToken)
    token = await _tokens(request).issue(caller_of(request).group, asked.audience)
    return json_answer({"audience": asked.audience, "token": token}, 201)


@router.delete("/workers/{audience:path}", status_code=204, operation_id="revoke_worker_tokens")
async def revoke_worker_tokens(
    request: Request, audience: Annotated[str, Path(max_length=200, description="Whom the work is signed for.")]
) -> Response:
    """End every token of an audience."""
    if not await _tokens(request).revoke(caller_of(request).group, audience):
        raise NotFound(f"there is no token for {audience!r}", code="worker.not_found")
    return nothing()


# --------------------------------------------------------------------------------------------------- for workers


@public.get(JWKS, response_model=PublishedKeys, operation_id="published_keys")
async def published_keys(request: Request) -> Response:
    """The public keys, as a JSON Web Key Set. Open to all."""
    return json_answer(await _keys(request).published(), headers={"Cache-Control": f"public, max-age={CACHED}"})


@public.post(
    f"{PATH}/claim",
    response_model=Handed,
    responses={204: {"description": "Nothing to do within that time"}},
    openapi_extra=takes(ClaimWork),
    operation_id="claim_work",
)
async def claim_work(request: Request) -> Response:
    """Take the order that waits longest among those that fit. Shows a worker's token."""
    async with _watched(request, "a claim"):
        group, audience = await _tokens(request).bearer(_bearer(request))
        asked = await bodies.read_model(request, ClaimWork)
        tools = [tool.model_dump() for tool in asked.tools]
        desk, streams = desk_of(request), request.app.state.streams

        async def still_there() -> bool:
            return not streams.closing and not await request.is_disconnected()

        text = await desk.claim(group, audience, tools, asked.wait, still_there)
    return nothing() if text is None else json_answer({"envelope": text, "lease": desk.lease})


@public.post(f"{PATH}/{{nonce}}/heartbeat", response_model=Beat, operation_id="heartbeat_work")
async def heartbeat_work(request: Request, nonce: Nonce) -> Response:
    """Say that the work goes on. Shows the token of the envelope."""
    async with _watched(request, "a heartbeat"):
        wanted = await desk_of(request).heartbeat(nonce, _bearer(request))
    return json_answer({"wanted": wanted, "lease": desk_of(request).lease})


@public.get(
    f"{PATH}/{{nonce}}/arguments",
    response_class=Response,
    responses={200: content("application/json", "The arguments, as they were signed for")},
    operation_id="read_work_arguments",
)
async def read_work_arguments(request: Request, nonce: Nonce) -> Response:
    """Arguments that are too large for an envelope. Shows the token of the envelope."""
    async with _watched(request, "a read of arguments"):
        data = await desk_of(request).arguments(nonce, _bearer(request))
    return Response(data, 200, {"Cache-Control": "no-store"}, "application/json")


@public.put(
    f"{PATH}/{{nonce}}/upload",
    status_code=201,
    response_model=Uploaded,
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": {}}}}},
    operation_id="upload_work_result",
)
async def upload_work_result(
    request: Request,
    nonce: Nonce,
    signed: Annotated[str, Query(max_length=4000, description="What makes this address one of ours.")],
) -> Response:
    """A result too large to be brought inline, once, as JSON. The address is in the envelope."""
    async with _watched(request, "an upload"):
        handle = await desk_of(request).upload(nonce, signed, lambda: bodies.read_bytes(request, LARGEST))
    return json_answer(handle, 201)


@public.post(
    f"{PATH}/{{nonce}}/result", status_code=204, openapi_extra=takes(BringResult), operation_id="bring_work_result"
)
async def bring_work_result(request: Request, nonce: Nonce) -> Response:
    """The result, once. Shows the token of the envelope."""
    async with _watched(request, "a result"):
        desk, token = desk_of(request), _bearer(request)
        await desk.admit(nonce, token)
        value = bodies.json_of(request, await bodies.read_bytes(request, INLINE_RESULT))
        bodies.validate(BringResult, value)
        await desk.settle(nonce, token, value)
    return nothing()
