"""Published workflows as models of an OpenAI-compatible API: /v1/models and /v1/chat/completions.

A completion is a run. It is begun before the first byte of the answer, so what is wrong with the request is an error with a
status; a run that fails afterwards is one too, or, in a stream, the last message of it. Its status is 422, which client
libraries do not retry by themselves: a run that failed has been paid for. Whoever hangs up cancels the run, unless the request
carries an Idempotency-Key.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from fastapi import APIRouter, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import NotFound, PenstockError
from . import bodies, chat
from .answers import json_answer
from .calls import Begun, Calls, Offer, Result, base_of, failure_of, needs_person, run_url
from .core import caller_of
from .headers import trace_of
from .problems import MEDIA_TYPE, HttpError, body_of, status_of, unforeseen
from .stream import HEARTBEAT

ROOT = "/v1"
FAILED = 422  # the status of a run that did not complete
router = APIRouter(prefix=ROOT, include_in_schema=False)


def calls_of(request: Request) -> Calls:
    return request.app.state.calls


@router.get("/models")
async def list_models(request: Request) -> Response:
    """Every published workflow."""
    found: list[Offer] = []
    cursor: str | None = None
    while True:
        offers, cursor = await calls_of(request).offers(caller_of(request).group, cursor)
        found += offers
        if cursor is None:
            return json_answer({"object": "list", "data": [_model(offer) for offer in found]})


@router.get("/models/{model:path}")
async def show_model(request: Request, model: str) -> Response:
    return json_answer(_model(await _offer(request, model.removeprefix(chat.PREFIX))))


@router.post("/chat/completions")
async def complete(request: Request) -> Response:
    """Run a workflow on the conversation, and answer with what comes out."""
    asked = bodies.validate(chat.ChatRequest, bodies.json_of(request, await bodies.read_bytes(request)))
    asked.check()
    calls, caller = calls_of(request), caller_of(request)
    offer = await _offer(request, asked.slug)
    inputs = chat.inputs_of(offer.workflow, asked)
    headers = request.headers
    key, trace = headers.get("idempotency-key"), trace_of(headers.get("traceparent"))
    spoken, live = chat.Spoken(offer.workflow), asked.stream and not asked.wants_json
    begun = await calls.begin(caller, offer, inputs, key, trace, spoken.heard if live else None)
    return Completion(calls, begun, asked, spoken)


@router.api_route("/{rest:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
async def nothing_else(request: Request, rest: str) -> Response:
    raise HttpError(404, "route.not_found", f"there is nothing at {request.method} {request.url.path[:200]}")


async def _offer(request: Request, slug: str) -> Offer:
    try:
        return await calls_of(request).offer(caller_of(request).group, slug)
    except NotFound as error:
        raise NotFound(f"there is no model {slug[:80]!r}: {error.message}", code=error.code) from None


def _model(offer: Offer) -> dict[str, Any]:
    workflow = offer.workflow
    return {
        "id": offer.slug,
        "object": "model",
        "created": int(offer.updated_at),
        "owned_by": "penstock",
        "name": workflow.title or offer.slug,
        "description": workflow.description,
        "version": offer.number,
    }


class Completion(Response):
    """The answer of a run, whole or as a stream, for as long as somebody waits for it."""

    def __init__(self, calls: Calls, begun: Begun, asked: chat.ChatRequest, spoken: chat.Spoken) -> None:
        super().__init__(None, 200, {"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self.headers["x-request-id"] = begun.run_id
        if begun.replayed:
            self.headers["Idempotency-Replayed"] = "true"
        self._calls = calls
        self._begun = begun
        self._asked = asked
        self._spoken = spoken

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._caller = scope["penstock.caller"]
        self._base = base_of(scope)
        created = int(self._calls.core.clock())
        self._head = {"id": f"chatcmpl-{self._begun.run_id}", "created": created, "model": self._asked.model}
        gone = asyncio.create_task(_gone(receive))
        ending = asyncio.create_task(self._calls.follow(self._begun))
        try:
            await (self._stream(send, gone, ending) if self._asked.stream else self._whole(send, gone, ending))
        except OSError:
            pass  # nobody is there to be answered
        finally:
            self._begun.close()
            if not ending.done():
                self._calls.abandon(self._begun, self._caller)
            for task in (gone, ending):
                task.cancel()
            await asyncio.gather(gone, ending, return_exceptions=True)

    async def _whole(self, send: Send, gone: asyncio.Task[None], ending: asyncio.Task[Result]) -> None:
        await asyncio.wait([gone, ending], return_when=asyncio.FIRST_COMPLETED)
        if not ending.done():
            return
        status = 200
        try:
            result = await ending
            text, told = await self._said(result)
            body = {**chat.completion(self._head, text, chat.usage_of(result.view)), "penstock": told}
        except Exception as error:
            status, body = self._wrong(error)
            self.headers["x-should-retry"] = "false" if self._begun.ours or status == FAILED else "true"
        data = orjson.dumps(body, default=str)
        self.headers["content-type"] = "application/json"
        self.headers["content-length"] = str(len(data))
        await send({"type": "http.response.start", "status": status, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": data, "more_body": False})

    async def _stream(self, send: Send, gone: asyncio.Task[None], ending: asyncio.Task[Result]) -> None:
        async def say(data: bytes, more: bool = True) -> None:
            await send({"type": "http.response.body", "body": data, "more_body": more})

        self.headers["content-type"] = "text/event-stream; charset=utf-8"
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await say(chat.chunk(self._head, {"role": "assistant", "content": ""}))

        async def say_pieces(text: str) -> None:
            for piece in chat.pieces(text):
                await say(chat.chunk(self._head, {"content": piece}))

        spoken = self._spoken
        while not ending.done():
            moved = asyncio.create_task(spoken.moved.wait())
            await asyncio.wait([gone, ending, moved], timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
            moved.cancel()
            if gone.done():
                return
            if text := spoken.take():
                await say_pieces(text)
            elif not ending.done():
                await say(b": \n\n")
        try:
            result = await ending
            text, told = await self._said(result)
        except Exception as error:
            await say(chat.sse(self._wrong(error)[1]) + b"data: [DONE]\n\n", more=False)
            return
        await say_pieces(spoken.take() + spoken.rest(text))
        await say(chat.chunk({**self._head, "penstock": told}, {}, "stop"))
        if self._asked.stream_options is not None and self._asked.stream_options.include_usage:
            await say(chat.chunk({**self._head, "usage": chat.usage_of(result.view)}))
        await say(b"data: [DONE]\n\n", more=False)

    async def _said(self, result: Result) -> tuple[str, dict[str, Any]]:
        """The answer, and what there is to know beside it. Raises PenstockError for a run that did not complete."""
        told: dict[str, Any] = {
            "run_id": result.run_id,
            "run_url": run_url(self._base, result.run_id),
            "status": result.status,
        }
        if result.status == "waiting":
            told["questions"] = [question.to_dict() for question in result.questions]
            return needs_person(result, self._base), told
        if result.status != "completed":
            raise failure_of(result)
        told["outputs"] = result.outputs
        if self._asked.wants_json:
            return orjson.dumps(result.outputs).decode(), told
        return await self._calls.text(result), told

    def _wrong(self, error: Exception) -> tuple[int, dict[str, Any]]:
        if not isinstance(error, PenstockError):
            shown = unforeseen(error, f"completion of {self._begun.run_id}")
            return 500, chat.openai_error(orjson.loads(bytes(shown.body)), 500)
        failed = isinstance(error.detail, dict) and error.detail.get("status") is not None
        status = FAILED if failed else status_of(error)
        return status, chat.openai_error(body_of(status, error), status)


class Dialect:
    """ASGI middleware: what goes wrong below /v1 is said as clients of OpenAI read it. Outside of everything else, since the
    door answers too. What is not right about a request is 400 there, not 422."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(f"{ROOT}/"):
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        body = b""

        async def translated(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and _is_problem(message):
                start = message
                return
            if start is None:
                await send(message)
                return
            body += message.get("body", b"")
            if message.get("more_body"):
                return
            status = 400 if start["status"] == 422 else start["status"]
            data = orjson.dumps(chat.openai_error(orjson.loads(body), status))
            headers = MutableHeaders(raw=list(start["headers"]))
            headers["content-type"] = "application/json"
            headers["content-length"] = str(len(data))
            await send({**start, "status": status, "headers": headers.raw})
            await send({"type": "http.response.body", "body": data})

        await self._app(scope, receive, translated)


def _is_problem(message: Message) -> bool:
    return Headers(raw=message["headers"]).get("content-type", "").startswith(MEDIA_TYPE)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
