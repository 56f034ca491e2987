"""Artifacts: by name within their run, by digest anywhere.

A digest names content, not permission: it is served when a run of the caller's group holds it. Content never changes, so it
may be cached for ever, and it is served so that no browser takes it for a page of ours.
"""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import AsyncIterator
from typing import Annotated, Any
from urllib.parse import quote as percent

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response, StreamingResponse

from ..delivery import check_artifact_name
from ..engine.record import DERIVED
from ..engine.view import RunView
from ..errors import NotFound
from ..ports import Artifacts
from . import models
from .answers import RunPath, json_answer, not_modified
from .core import caller_of, core_of
from .headers import Span, is_fresh, quote, span_of
from .openapi import also, content
from .pages import LARGE
from .runs import At, pages_of

router = APIRouter(tags=["artifacts"])

SLICE = 1024 * 1024
RECENT = 200  # runs looked through for a digest whose run is not named
DIGEST = r"^sha256:[0-9a-f]{64}$"
SHOWN = (
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "text/plain",
    "application/json",
    "text/markdown",
    "text/csv",
)
_FILE = content("*/*", "The content, or the part asked for")
PARTIAL: dict[int | str, dict[str, Any]] = {200: _FILE, 206: _FILE, **also(304, 416)}


@router.get("/runs/{run_id}/artifacts", response_model=models.RunArtifacts, operation_id="list_artifacts")
async def list_artifacts(request: Request, run_id: RunPath, at: At = None) -> Response:
    """The run's artifacts, the latest of each name, and the three that every run has."""
    view = await pages_of(request).view(run_id, caller_of(request).group, at)
    own = [{**one, "derived": False, "url": _url(run_id, one["name"])} for one in view.artifact_list()]
    names = {one["name"] for one in own}
    made = [
        {
            "name": name,
            "digest": None,
            "size": None,
            "mime": mime,
            "step": None,
            "at": None,
            "derived": True,
            "url": _url(run_id, name),
        }
        for name, mime in DERIVED.items()
        if name not in names
    ]
    return json_answer({"artifacts": [*own, *made]})


@router.get(
    "/runs/{run_id}/artifacts/{name:path}",
    response_class=Response,
    responses=PARTIAL,
    operation_id="read_run_artifact",
)
async def read_run_artifact(
    request: Request, run_id: RunPath, name: Annotated[str, Path(max_length=255, description="Its name.")]
) -> Response:
    """The content of an artifact by its name; also trace.json, logs.txt and metadata.json."""
    check_artifact_name(name)
    view = await pages_of(request).view(run_id, caller_of(request).group)
    artifact = view.artifacts.get(name)
    if artifact is not None:
        return await serve(request, artifact["digest"], artifact["mime"], name)
    if name in DERIVED:
        return await _made(request, view, name)
    raise NotFound(f"run {run_id} has no artifact {name!r}", code="artifact.not_found")


@router.get("/artifacts/{digest}", response_class=Response, responses=PARTIAL, operation_id="read_artifact")
async def read_artifact(
    request: Request,
    digest: Annotated[str, Path(pattern=DIGEST, description="sha256:…")],
    run: Annotated[models.RunId | None, Query(description="The run it belongs to; the recent runs by default.")] = None,
) -> Response:
    """Content by its digest: an artifact, or a value that was too large for the journal."""
    view = await pages_of(request).holder(digest, caller_of(request).group, run, RECENT)
    for artifact in view.artifacts.values():
        if artifact["digest"] == digest:
            return await serve(request, digest, artifact["mime"], artifact["name"])
    for step in view.steps.values():
        for handle in step.artifacts or ():
            if handle["artifact"] == digest:
                return await serve(request, digest, handle.get("mime") or "application/octet-stream", handle["name"])
    return await serve(request, digest, "application/json", f"{digest[7:19]}.json")


async def serve(request: Request, digest: str, mime: str, name: str, data: bytes | None = None) -> Response:
    """Content by its digest, or the part of it that is asked for; `data` is the content where it is at hand."""
    if is_fresh(request.headers.get("if-none-match"), digest):
        return not_modified(quote(digest))
    store = core_of(request).artifacts
    size = await store.size(digest) if data is None else len(data)
    span = span_of(_range(request, digest), size)
    headers = {
        **_file_headers(mime, name),
        "ETag": quote(digest),
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=31536000, immutable",
        "Content-Length": str(span.end - span.start),
    }
    if span.partial:
        headers["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{size}"
    status, media = 206 if span.partial else 200, _media_type(mime, name)
    if data is not None:
        return Response(data[span.start : span.end], status, headers, media)
    return StreamingResponse(_slices(store, digest, span), status, headers, media)


def _range(request: Request, tag: str) -> str | None:
    """The Range header, unless it is meant for another content (If-Range)."""
    wanted = request.headers.get("if-range")
    return request.headers.get("range") if wanted is None or wanted == quote(tag) else None


async def _slices(store: Artifacts, digest: str, span: Span) -> AsyncIterator[bytes]:
    if not span.partial and span.size <= SLICE:
        yield await store.get(digest)
        return
    for start in range(span.start, span.end, SLICE):
        yield await store.get(digest, start, min(start + SLICE, span.end))


async def _made(request: Request, view: RunView, name: str) -> Response:
    """One of the three that are made when they are read; in a thread where that takes long."""
    tag = f"{view.head}-{name}"
    if is_fresh(request.headers.get("if-none-match"), tag):
        return not_modified(quote(tag))
    if view.head < LARGE:
        data = _derive(view, name)
    else:  # a fold of its own, because the one here grows with the run
        data = await asyncio.to_thread(lambda events: _derive(RunView.of(events, view.run_id), name), view.events[:])
    headers = {**_file_headers(DERIVED[name], name), "ETag": quote(tag), "Cache-Control": "private, no-cache"}
    return Response(data, 200, headers, _media_type(DERIVED[name], name))


def _derive(view: RunView, name: str) -> bytes:
    if name == "logs.txt":
        return view.logs_text().encode()
    return view.trace_json() if name == "trace.json" else view.metadata_json()


def _file_headers(mime: str, name: str) -> dict[str, str]:
    """A browser shows what is harmless and saves everything else; nothing it shows can run."""
    bare = mime.partition(";")[0].strip().lower()
    how = "inline" if bare in SHOWN else "attachment"
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "_" for c in name.rpartition("/")[2])
    full = percent(name.rpartition("/")[2], safe="")
    return {
        "Content-Disposition": f"{how}; filename=\"{plain}\"; filename*=UTF-8''{full}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:",
    }


def _media_type(mime: str, name: str) -> str:
    if not mime.isascii() or not mime.isprintable() or "/" not in mime:
        mime = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return f"{mime}; charset=utf-8" if mime.startswith("text/") and "charset" not in mime else mime


def _url(run_id: str, name: str) -> str:
    return f"/api/v1/runs/{run_id}/artifacts/{percent(name)}"
