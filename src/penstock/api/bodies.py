"""Bodies, read with an end in sight.

A body is counted while it arrives and refused the moment it is too long; JSON is then bounded in depth and in the number of
its values before a single object of it is made, since eight megabytes of brackets are hundreds of megabytes of lists. What a
model then says is wrong comes back with the place of each mistake; nothing is bent to fit ("5" is no number).
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, TypeVar

import orjson
from fastapi import Request
from pydantic import BaseModel, ValidationError

from ..engine.expr import escape
from ..engine.fields import MAX_BYTES as DOCUMENT_BYTES
from ..engine.fields import Reader
from ..engine.scope import SPILLED
from ..errors import Invalid, Problem, TooLarge
from ..imports.text import Source, read_text
from .problems import HttpError, problems_of

BODY_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 64
MAX_VALUES = 250_000
IN_LOOP = 64 * 1024  # bytes of a document that are read without leaving the event loop
YAML = frozenset({"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml", "application/openapi+yaml"})

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)  # one that does not end goes on to the end: linear

M = TypeVar("M", bound=BaseModel)


async def read_bytes(request: Request, limit: int = BODY_BYTES) -> bytes:
    """The whole body. Raises TooLarge, code `body.too_large`, as soon as it passes `limit` bytes, or says it will."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise _too_large(limit)
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
    return b"".join(parts)


async def read_model(request: Request, model: type[M]) -> M:
    """The body as a `model`; an absent one is {}. Raises Invalid with every problem, `body.malformed` (400) when it is no
    JSON, TooLarge, or 415 for another media type."""
    return validate(model, json_of(request, await read_bytes(request)))


def json_of(request: Request, data: bytes) -> Any:
    """A body that was read, as JSON; an absent one is {}. Raises as `read_model` does."""
    if not data:
        return {}
    if media_type(request) != "application/json":
        raise _wrong_media_type("application/json")
    return parse_json(data)


def validate(model: type[M], value: Any) -> M:
    """`value` as a `model`, strictly. Raises Invalid, code `body.invalid`."""
    try:
        return model.model_validate(value, strict=True)
    except ValidationError as error:
        known = [field.alias or name for name, field in model.model_fields.items()]
        found = problems_of(error.errors(include_url=False, include_context=False), known, "body")
        raise Invalid(found[0].message, code="body.invalid", problems=found) from None


def parse_json(data: bytes) -> Any:
    """JSON within bounds. Raises HttpError 400 `body.malformed`; Invalid `body.too_deep`, `body.not_text`,
    `body.reserved_key`; TooLarge `body.too_many_values`."""
    structure = _structure(data)
    if structure > MAX_VALUES:
        raise TooLarge(f"the body holds more than {MAX_VALUES} values", code="body.too_many_values")
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        place = Problem("body.malformed", str(error).partition(":")[0], "", None, error.lineno, error.colno)
        raise HttpError(400, "body.malformed", f"the body is not JSON: {error}", problems=[place]) from None
    if structure >= MAX_DEPTH or b"\\u" in data or SPILLED.encode() in data:
        _check(value)
    return value


async def read_document(request: Request) -> Source | None:
    """A workflow's document, JSON or YAML, with the place of each part; None for an empty body. Raises HttpError 400
    `body.malformed` when it is neither, Invalid `workflow.invalid` for what no document may hold, TooLarge, or 415."""
    data = await read_bytes(request, DOCUMENT_BYTES)
    if not data:
        return None
    media = media_type(request)
    if media not in YAML and media != "application/json":
        raise _wrong_media_type("application/yaml")
    filename = "body.json" if media == "application/json" else ""
    try:
        source = (
            read_text(data, filename) if len(data) < IN_LOOP else await asyncio.to_thread(read_text, data, filename)
        )
    except Invalid as error:
        if error.problems[0].code in ("document.syntax", "document.encoding"):
            raise HttpError(400, "body.malformed", error.message, problems=error.problems) from None
        raise
    errors = [problem for problem in source.problems if problem.severity == "error"]
    if not isinstance(source.data, dict):
        errors.append(Problem("document.type", "the document must be a mapping"))
    else:
        reader = Reader(source.position)
        reader.plain(source.data)
        errors += reader.problems
    if errors:
        raise Invalid(errors[0].message, code="workflow.invalid", problems=errors)
    return source


def media_type(request: Request) -> str:
    """The media type of the body, `+json` and absent ones as application/json."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return "application/json" if media.endswith("+json") else media


def _structure(data: bytes) -> int:
    """How many values the text holds at most; no less than how deep it is."""
    marks = data.count(b",") + data.count(b"[") + data.count(b"{")
    if marks > MAX_VALUES or (marks >= MAX_DEPTH and data.count(b'"')):
        bare = _STRING.sub(b"", data)
        marks = bare.count(b",") + bare.count(b"[") + bare.count(b"{")
    return marks


def _check(value: Any) -> None:
    """Refuse what is nested too deep, text no database takes, and pointers into our own storage."""
    stack: list[tuple[Any, str, int]] = [(value, "", 1)]
    while stack:
        value, at, depth = stack.pop()
        if isinstance(value, dict | list) and depth > MAX_DEPTH:
            raise _refuse("body.too_deep", f"the body is nested over {MAX_DEPTH} levels", at)
        if isinstance(value, dict):
            for key, part in value.items():
                if key == SPILLED:
                    raise _refuse("body.reserved_key", f"the key {SPILLED} is reserved", f"{at}/{SPILLED}")
                if "\0" in key:
                    raise _refuse("body.not_text", "a key holds a NUL character", at)
                stack.append((part, f"{at}/{escape(key)}", depth + 1))
        elif isinstance(value, list):
            stack.extend((part, f"{at}/{index}", depth + 1) for index, part in enumerate(value))
        elif isinstance(value, str) and "\0" in value:
            raise _refuse("body.not_text", "the text holds a NUL character", at)


def _refuse(code: str, message: str, at: str) -> Invalid:
    at = at if len(at) < 200 else at[:200] + "…"
    return Invalid(message, code=code, problems=[Problem(code, message, at)])


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body is larger than {limit} bytes", code="body.too_large")


def _wrong_media_type(wanted: str) -> HttpError:
    place = Problem("body.media_type", "the body's media type is not read here", "", f"Content-Type: {wanted}")
    return HttpError(415, "body.media_type", f"send {wanted}", problems=[place])
