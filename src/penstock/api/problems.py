"""Errors as answers: RFC 9457 problem details, for ours, the framework's, and those nobody foresaw.

The class of a PenstockError says which status it is; its code, its places and whether trying again may help go into the
body. What was not foreseen is logged under an id and answered with the id alone: no traceback leaves the process.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from .. import errors
from ..engine.expr import escape
from ..engine.tokens import suggestion
from ..errors import PenstockError, Problem

log = logging.getLogger("penstock.api")

MEDIA_TYPE = "application/problem+json"
MAX_PROBLEMS = 100
STATUS: dict[type[PenstockError], int] = {
    errors.Invalid: 422,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.PreconditionFailed: 412,
    errors.Refused: 403,
    errors.TooLarge: 413,
    errors.Unavailable: 503,
    errors.TimedOut: 504,
    errors.Unauthenticated: 401,
}
_FRAMEWORK = {404: "route.not_found", 405: "method.not_allowed"}


class HttpError(PenstockError):
    """An error of HTTP itself, with a status that no class of ours stands for."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(message, code=code, **more)
        self.status = status
        self.headers = dict(headers or {})


def status_of(error: PenstockError) -> int:
    if isinstance(error, HttpError):
        return error.status
    return next((STATUS[c] for c in type(error).__mro__ if c in STATUS), 500)


def body_of(status: int, error: PenstockError, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The problem as JSON: type, title, status, code, detail, errors[], retryable, and `context` where there is any."""
    body: dict[str, Any] = {
        "type": f"urn:penstock:problem:{error.code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": error.code,
        "detail": error.message,
        "errors": [problem.to_dict() for problem in error.problems[:MAX_PROBLEMS]],
        "retryable": error.retryable,
    }
    if error.detail is not None:
        body["context"] = error.detail
    return {**body, **(more or {})}


def answer(error: PenstockError) -> Response:
    status = status_of(error)
    headers = dict(error.headers) if isinstance(error, HttpError) else {}
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="penstock"'
    elif status == 503:
        headers["Retry-After"] = "1"
    data = orjson.dumps(body_of(status, error), default=str)
    return Response(data, status, {"Cache-Control": "no-store", **headers}, MEDIA_TYPE)


def unforeseen(error: Exception, where: str) -> Response:
    """Log an error nobody foresaw, and answer with its id."""
    incident = secrets.token_hex(6)
    log.error("error %s: %s", incident, where, exc_info=error)
    shown = PenstockError(f"something went wrong here; the log of this server tells more under {incident}")
    data = orjson.dumps(body_of(500, shown, {"id": incident}))
    return Response(data, 500, {"Cache-Control": "no-store"}, MEDIA_TYPE)


async def on_penstock_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, PenstockError)
    if status_of(error) == 500:
        log.error("%s %s: %s", request.method, request.url.path, error.message, exc_info=error)
    return answer(error)


async def on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = error.status_code
    code = _FRAMEWORK.get(status, f"http.{status}")
    message = {404: f"there is nothing at {request.url.path}", 405: f"{request.method} is not possible here"}
    detail = message.get(status) or str(error.detail)
    return answer(HttpError(status, code, detail, error.headers))


async def on_bad_request(request: Request, error: Exception) -> Response:
    """Path, query and header parameters that are not right."""
    assert isinstance(error, RequestValidationError)
    found = problems_of(error.errors(), (), "parameter")
    return answer(errors.Invalid(found[0].message, code="parameter.invalid", problems=found))


def problems_of(found: Sequence[Any], known: Sequence[str], prefix: str) -> list[Problem]:
    """What pydantic found wrong, as problems with codes `PREFIX.missing`, `PREFIX.unknown_key`, `PREFIX.invalid`. `known` are
    the keys at the top, for suggestions."""
    problems = []
    for one in found:
        loc = one["loc"]
        pointer = "".join(f"/{escape(str(part))}" for part in loc)
        name = str(loc[-1]) if loc else "the body"
        message = one["msg"].removeprefix("Value error, ")
        match one["type"]:
            case "missing":
                problems.append(Problem(f"{prefix}.missing", f"{name} is missing", pointer.rpartition("/")[0]))
            case "extra_forbidden":
                hint = suggestion(name, known) or (f"known are {', '.join(known)}" if known else None)
                problems.append(Problem(f"{prefix}.unknown_key", f"there is no {name[:80]!r} here", pointer, hint))
            case _:
                problems.append(Problem(f"{prefix}.invalid", f"{name[:80]}: {message}", pointer))
    return problems or [Problem(f"{prefix}.invalid", "the request is not right")]
