"""How routes answer: JSON written once, by the fastest way there is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from fastapi import Path, Query
from starlette.responses import Response

from .models import RunId, Slug

PAGE = 50
MAX_PAGE = 200

RunPath = Annotated[RunId, Path(description="The run's id.")]
SlugPath = Annotated[Slug, Path(description="The workflow's name.")]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Items on a page.")]
Cursor = Annotated[str | None, Query(max_length=500, description="The `cursor` of the page before.")]


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return raw_json(orjson.dumps(value), status, headers)


def raw_json(data: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(data, status, {"Cache-Control": "no-store", **(headers or {})}, "application/json")


def nothing(headers: Mapping[str, str] | None = None) -> Response:
    return Response(None, 204, headers)


def not_modified(tag: str) -> Response:
    return Response(None, 304, {"ETag": tag})
